//! The JSON document, version 1: wire structs of its own, apart from what the program works with.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::diagnostic::{Finding, Label, Safety, Severity, Unchecked};
use crate::lint;
use crate::pipeline::{Failure, Run, TargetInfo};
use crate::source::{Position, Sources, Span};

/// The document of `lint`.
#[derive(Serialize)]
pub struct Document<'r> {
    version: u32,
    tool: Tool,
    targets: Vec<Target>,
    #[serde(serialize_with = "findings")]
    findings: &'r Run,
    unjudged: Vec<WireUnjudged>,
    summary: Summary,
}

/// The document of a run that failed.
#[derive(Debug, Serialize)]
pub struct ErrorDocument {
    version: u32,
    tool: Tool,
    error: WireError,
}

#[derive(Debug, Serialize)]
struct WireError {
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Tool {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
}

pub(super) const TOOL: Tool = Tool { name: "shakedown", version: env!("CARGO_PKG_VERSION") };

#[derive(Debug, Serialize)]
pub(super) struct Target {
    path: String,
    server: &'static str,
    platform: String,
    server_version: String,
    tls_library: String,
    security_level: u8,
    trust: String,
    assumed: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct WireFinding {
    rule: String,
    severity: &'static str,
    message: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<Arc<str>>,
    location: Location,
    related: Vec<Related>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<WireFix>,
    fingerprint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Location {
    file: String,
    start: WirePosition,
    end: WirePosition,
    #[serde(skip_serializing_if = "String::is_empty")]
    label: String,
}

#[derive(Debug, Serialize)]
struct WirePosition {
    line: u32,
    column: u32,
    offset: u32,
}

#[derive(Debug, Serialize)]
struct Related {
    location: Location,
    message: Arc<str>,
}

#[derive(Debug, Serialize)]
struct WireFix {
    title: String,
    safety: &'static str,
    edits: Vec<WireEdit>,
    /// Commands of a shell, where what mends the fault is no change of a text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    commands: Vec<String>,
}

#[derive(Debug, Serialize)]
struct WireEdit {
    file: String,
    start: u32,
    end: u32,
    text: String,
}

#[derive(Debug, Serialize)]
pub(super) struct WireUnjudged {
    what: String,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<Location>,
}

#[derive(Debug, Serialize)]
pub(super) struct Summary {
    error: usize,
    warning: usize,
    info: usize,
    fixable: usize,
    suppressed: usize,
    files: usize,
    sites: usize,
    certificates: usize,
}

/// The findings of a run, each made as it is written: there may be many.
fn findings<S: Serializer>(run: &Run, to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(run.findings.iter().map(|finding| wire(&run.sources, &run.rules, finding)))
}

/// The document of a run.
pub fn document(run: &Run) -> Document<'_> {
    Document {
        version: 1,
        tool: TOOL,
        targets: run.targets.iter().map(target).collect(),
        findings: run,
        unjudged: run.unjudged.iter().map(|one| unjudged(&run.sources, one)).collect(),
        summary: Summary {
            error: run.count(Severity::Error),
            warning: run.count(Severity::Warning),
            info: run.count(Severity::Info),
            fixable: run.findings.iter().filter(|finding| finding.mended().is_some()).count(),
            suppressed: run.suppressed.len(),
            files: run.counts.files,
            sites: run.counts.sites,
            certificates: run.counts.certificates,
        },
    }
}

/// The document of a failure.
pub fn error(failure: &Failure) -> ErrorDocument {
    let error = WireError { message: failure.message.clone(), help: failure.help.clone() };
    ErrorDocument { version: 1, tool: TOOL, error }
}

pub(super) fn target(target: &TargetInfo) -> Target {
    let platform = &target.platform;
    let mut assumed = platform.assumed.clone();
    if target.trust_is_assumed {
        assumed.push("trust".to_owned());
    }
    Target {
        path: target.path.to_string_lossy().into_owned(),
        server: target.server.name(),
        platform: platform.name.clone(),
        server_version: platform.server_version.to_string(),
        tls_library: platform.tls_library.name.clone(),
        security_level: platform.security_level,
        trust: target.trust.clone(),
        assumed,
    }
}

fn position(position: Position) -> WirePosition {
    WirePosition { line: position.line, column: position.column, offset: position.offset }
}

pub(super) fn location(sources: &Sources, span: Span, label: &str) -> Location {
    let span = sources.resolve_span(span).span;
    let (start, end) = sources.positions(span);
    let file = sources.file(span.file).path().to_string_lossy().into_owned();
    Location { file, start: position(start), end: position(end), label: label.to_owned() }
}

fn related(sources: &Sources, label: &Label) -> Related {
    Related { location: location(sources, label.span, ""), message: Arc::clone(&label.caption) }
}

pub(super) fn wire(sources: &Sources, rules: &lint::Rules, finding: &Finding) -> WireFinding {
    let rule = rules.find(finding.rule.as_str());
    let citation = rule.and_then(|rule| link(rule.brief()));
    let safety = |safety: Safety| if safety == Safety::Safe { "safe" } else { "unsafe" };
    let file_fix = finding.file_fix.as_ref().map(|file_fix| WireFix {
        title: file_fix.action.commands().join("; "),
        safety: safety(file_fix.safety),
        edits: Vec::new(),
        commands: file_fix.action.commands(),
    });
    let fix = finding.fix.as_ref().map(|fix| WireFix {
        title: fix.title.clone(),
        safety: safety(fix.safety),
        commands: Vec::new(),
        edits: fix
            .edits
            .iter()
            .map(|edit| WireEdit {
                file: sources.file(edit.span.file).path().to_string_lossy().into_owned(),
                start: edit.span.start,
                end: edit.span.end,
                text: edit.text.clone(),
            })
            .collect(),
    });
    let through = sources.resolve_span(finding.primary.span).through;
    let steps = through.into_iter().map(|(span, caption)| related(sources, &Label::new(span, caption)));
    WireFinding {
        rule: finding.rule.to_string(),
        severity: finding.severity.name(),
        message: finding.message.clone(),
        note: finding.note.clone(),
        help: finding.help.clone(),
        location: location(sources, finding.primary.span, &finding.primary.caption),
        related: finding.related.iter().map(|label| related(sources, label)).chain(steps).collect(),
        fix: fix.or(file_fix),
        fingerprint: finding.fingerprint.clone(),
        url: citation.map(str::to_owned),
    }
}

/// The first address that a page cites.
pub(super) fn link(page: &lint::Page) -> Option<&str> {
    page.citation.iter().find_map(|one| {
        one.split(|letter: char| letter.is_whitespace() || letter == ',').find(|word| word.starts_with("https://"))
    })
}

pub(super) fn unjudged(sources: &Sources, one: &Unchecked) -> WireUnjudged {
    let location = one.at.map(|at| location(sources, at, ""));
    WireUnjudged { what: one.what.to_string(), reason: one.reason.to_string(), location }
}
