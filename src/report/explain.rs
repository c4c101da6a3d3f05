//! What a rule is about, and what is behind the text of a failed handshake: for people, and the JSON document.

use std::fmt::Write;

use serde::Serialize;

use super::json::{TOOL, Tool, WireFinding, WireUnjudged, unjudged, wire};
use super::{Style, plain};
use crate::diagnostic::Finding;
use crate::lint::Rule;
use crate::lint::errors::{Cause, Recognized};
use crate::lint::page::{Example, Expect, Fixability};
use crate::pipeline::{self, Run};

/// How many findings of one cause are shown.
const MOST: usize = 5;

#[derive(Serialize)]
struct Document<'r> {
    version: u32,
    tool: Tool,
    rule: Option<WireRule<'r>>,
    errors: Vec<WireErrorText<'r>>,
}

#[derive(Serialize)]
struct WireRule<'r> {
    name: &'r str,
    title: &'r str,
    severity: &'static str,
    servers: &'r [String],
    fix: Fixability,
    why: &'r str,
    not_when: &'r str,
    citation: &'r [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    here: Option<Here>,
}

#[derive(Serialize)]
struct WireErrorText<'r> {
    name: &'r str,
    words: &'r str,
    said_by: &'static str,
    means: &'r str,
    causes: Vec<WireCause<'r>>,
}

#[derive(Serialize)]
struct WireCause<'r> {
    text: &'r str,
    rules: &'r [String],
    any_error: bool,
    outside: Option<&'r str>,
    check: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    here: Option<Here>,
}

/// What a configuration has of a cause.
#[derive(Serialize)]
struct Here {
    findings: Vec<WireFinding>,
    unjudged: Vec<WireUnjudged>,
}

/// A rule by itself, as a cause.
fn as_cause(rule: &Rule) -> Cause {
    let rules = vec![rule.name.to_string()];
    Cause { text: String::new(), rules, any_error: false, outside: None, check: None }
}

fn here(run: &Run, cause: &Cause) -> Here {
    let found = pipeline::found(run, cause);
    Here {
        findings: found.findings.iter().map(|one| wire(&run.sources, &run.rules, one)).collect(),
        unjudged: found.unjudged.iter().map(|one| unjudged(&run.sources, one)).collect(),
    }
}

/// The JSON document: `rule` or `errors` says what was asked; `here` is there where a configuration was looked at.
///
/// # Errors
/// None in practice: the document holds nothing that JSON cannot say.
pub fn json(rule: Option<&Rule>, recognized: &[Recognized], run: Option<&Run>) -> serde_json::Result<String> {
    let cause = |cause: &'static Cause| WireCause {
        text: &cause.text,
        rules: &cause.rules,
        any_error: cause.any_error,
        outside: cause.outside.as_deref(),
        check: cause.check.as_deref(),
        here: run.map(|run| here(run, cause)),
    };
    let error = |found: &Recognized| WireErrorText {
        name: &found.error.name,
        words: found.words,
        said_by: found.speaker.title(),
        means: &found.error.means,
        causes: found.error.cause.iter().map(cause).collect(),
    };
    let rule = rule.map(|rule| {
        let page = rule.page();
        WireRule {
            name: &rule.name,
            title: &page.title,
            severity: page.severity.name(),
            servers: &page.servers,
            fix: page.fix,
            why: &page.why,
            not_when: &page.not_when,
            citation: &page.citation,
            here: run.map(|run| here(run, &as_cause(rule))),
        }
    });
    serde_json::to_string_pretty(&Document {
        version: 1,
        tool: TOOL,
        rule,
        errors: recognized.iter().map(error).collect(),
    })
}

/// Failures with their causes.
pub fn errors(recognized: &[Recognized], run: Option<&Run>, style: Style) -> String {
    let mut out = String::new();
    if recognized.is_empty() {
        out.push_str("nothing is known of this text: give the line that holds the error, or the whole output\n");
        out.push_str("what a server would do with its configuration: shakedown lint PATH; what each client gets: shakedown handshake PATH\n");
    }
    for (at, found) in recognized.iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        let _ = writeln!(out, "{}   {}", style.paint("1", found.words), found.speaker.title());
        let _ = writeln!(out, "{}", found.error.means);
        if let Some(run) = run {
            summary(&mut out, found, run, style);
        }
        out.push_str("causes, the likeliest first:\n");
        for (number, cause) in found.error.cause.iter().enumerate() {
            one(&mut out, number + 1, cause, run, style);
        }
    }
    out
}

/// How many of the causes the configuration has.
fn summary(out: &mut String, found: &Recognized, run: &Run, style: Style) {
    let has = |cause: &&Cause| !pipeline::found(run, cause).findings.is_empty();
    let count = found.error.cause.iter().filter(has).count();
    let outside = found.error.cause.iter().filter(|cause| cause.outside.is_some()).count();
    let words = match (count, outside) {
        (0, 0) => style.paint("32", "in this configuration: none of its causes"),
        (0, _) => style.paint("32", "in this configuration: none of its causes; it lies outside these files"),
        (1, _) => style.paint("31", "in this configuration: yes, one of its causes"),
        (count, _) => style.paint("31", &format!("in this configuration: yes, {count} of its causes")),
    };
    let _ = writeln!(out, "{words}");
}

fn one(out: &mut String, number: usize, cause: &Cause, run: Option<&Run>, style: Style) {
    let _ = writeln!(out, "{number:>3}. {}", cause.text);
    if let Some(outside) = &cause.outside {
        let _ = writeln!(out, "     not in files but {outside}");
    }
    if let Some(run) = run {
        show(out, run, cause, style);
    }
    match (&cause.check, run) {
        (Some(check), _) => {
            let _ = writeln!(out, "     check: {check}");
        }
        (None, Some(_)) => {}
        (None, None) if cause.any_error => out.push_str("     check: shakedown lint --fail-on error PATH\n"),
        (None, None) => {
            let _ = writeln!(out, "     check: shakedown lint --select {} PATH", cause.rules.join(","));
        }
    }
}

/// Findings of a cause, and what could not be judged.
fn show(out: &mut String, run: &Run, cause: &Cause, style: Style) {
    let found = pipeline::found(run, cause);
    for finding in found.findings.iter().take(MOST) {
        let _ = writeln!(out, "     {} {}", style.paint("31", "here:"), line(run, finding));
    }
    if let Some(more @ 1..) = found.findings.len().checked_sub(MOST) {
        let _ = writeln!(out, "     and {more} more");
    }
    for one in found.unjudged.iter().take(MOST) {
        let _ = writeln!(out, "     not judged: {}: {}", plain(&one.what), plain(one.reason.text()));
    }
    if cause.outside.is_none() && found.findings.is_empty() && found.unjudged.is_empty() {
        out.push_str("     not here\n");
    }
}

/// A finding on one line.
fn line(run: &Run, finding: &Finding) -> String {
    let span = run.sources.resolve_span(finding.primary.span).span;
    let file = run.sources.file(span.file);
    let at = file.position(span.start);
    let path = file.path().to_string_lossy();
    let (path, message) = (plain(&path), plain(&finding.message));
    format!("{path}:{}:{}: {}[{}]: {message}", at.line, at.column, finding.severity, finding.rule)
}

/// The page of a rule.
pub fn page(rule: &Rule, run: Option<&Run>, style: Style) -> String {
    let mut out = String::new();
    let page = rule.page();
    let _ = writeln!(out, "{}: {}", style.paint("1", &rule.name), page.title);
    let fix = match page.fix {
        Fixability::Safe => "; --fix repairs it",
        Fixability::Unsafe => "; --unsafe-fixes repairs it",
        Fixability::None => "",
    };
    let _ = writeln!(out, "{}, of {}{fix}", page.severity, page.servers.join(", "));
    let _ = writeln!(out, "\n{}", page.why.trim());
    if !page.not_when.is_empty() {
        let _ = writeln!(out, "\nsilent where: {}", page.not_when.trim());
    }
    for (expect, head) in [(Expect::Bad, "it speaks here"), (Expect::Good, "and not here")] {
        let fits = |example: &&Example| example.expect == expect && example.config.lines().count() <= 30;
        if let Some(example) = page.example.iter().find(fits) {
            let _ = writeln!(out, "\n{head} ({}):", example.server);
            for text in example.config.trim_matches('\n').lines() {
                let _ = writeln!(out, "{}", format!("    {text}").trim_end());
            }
        }
    }
    if !page.aliases.is_empty() {
        let _ = writeln!(out, "\nformer names: {}", page.aliases.join(", "));
    }
    for citation in &page.citation {
        let _ = writeln!(out, "\nsee: {citation}");
    }
    if let Some(run) = run {
        out.push_str("\nin this configuration:\n");
        show(&mut out, run, &as_cause(rule), style);
    }
    out
}
