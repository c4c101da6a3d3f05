//! SARIF 2.1.0 (OASIS): rules with their help, results with places, fixes and fingerprints, what was left out and by whom.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::json::TOOL;
use super::place::{place, uri};
use crate::diagnostic::{Finding, Fix, Severity};
use crate::lint::Rule;
use crate::pipeline::{By, Failure, Run, Suppressed};
use crate::source::{FileId, Span};

/// A log of one run.
#[derive(Debug, Serialize)]
pub struct Log<R> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Logged<R>; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Logged<R> {
    tool: Value,
    column_kind: &'static str,
    invocations: [Value; 1],
    results: R,
}

/// The results of a run, each made as it is written: there may be many.
#[derive(Debug)]
pub struct Results<'r> {
    run: &'r Run,
    /// The rules that they are of, in order.
    names: Vec<&'r str>,
}

impl Serialize for Results<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Results { run, names } = self;
        let shown = run.findings.iter().map(|finding| result(run, names, finding));
        to.collect_seq(shown.chain(run.suppressed.iter().map(|one| left_out(run, names, one))))
    }
}

/// The document of a run.
pub fn document(run: &Run) -> Log<Results<'_>> {
    let all = run.findings.iter().chain(run.suppressed.iter().map(|one| &one.finding));
    let names: BTreeSet<&str> = all.map(|finding| finding.rule.as_str()).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let rules: Vec<Value> = names.iter().filter_map(|name| run.rules.find(name)).map(rule).collect();
    let notes: Vec<Value> = run
        .unjudged
        .iter()
        .map(|one| {
            let mut note = json!({
                "level": "note",
                "message": { "text": format!("not judged: {}: {}", one.what, one.reason) },
            });
            if let Some(at) = one.at {
                note["locations"] = json!([location(run, at, None)]);
            }
            note
        })
        .collect();
    let invocation = json!({ "executionSuccessful": true, "toolExecutionNotifications": notes });
    log(rules, Results { run, names }, invocation)
}

/// The document of a run that failed.
///
/// # Errors
/// Never in practice: what is written is text and numbers.
pub fn failure(failure: &Failure) -> serde_json::Result<String> {
    let help = failure.help.as_ref().map(|help| format!(": {help}")).unwrap_or_default();
    let note = json!({ "level": "error", "message": { "text": format!("{}{help}", failure.message) } });
    let invocation = json!({ "executionSuccessful": false, "toolExecutionNotifications": [note] });
    serde_json::to_string_pretty(&log::<[Value; 0]>(Vec::new(), [], invocation))
}

/// A log of one run.
pub(super) fn log<R>(rules: Vec<Value>, results: R, invocation: Value) -> Log<R> {
    Log {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        version: "2.1.0",
        runs: [Logged {
            tool: json!({ "driver": { "name": TOOL.name, "semanticVersion": TOOL.version, "rules": rules } }),
            column_kind: "unicodeCodePoints",
            invocations: [invocation],
            results,
        }],
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

/// A rule with its page as help.
fn rule(rule: &Rule) -> Value {
    let page = rule.brief();
    let citation = page.citation.join("; ");
    let text = format!("{}\n\nNot when: {}\n\nSource: {citation}", page.why, page.not_when);
    let markdown = format!("{}\n\n**Not when:** {}\n\n**Source:** {citation}", page.why, page.not_when);
    let mut value = json!({
        "id": rule.name,
        "shortDescription": { "text": page.title },
        "fullDescription": { "text": page.why },
        "help": { "text": text, "markdown": markdown },
        "defaultConfiguration": { "level": level(page.severity) },
        "properties": { "tags": page.servers },
    });
    if let Some(url) = super::json::link(page) {
        value["helpUri"] = url.into();
    }
    value
}

fn result(run: &Run, names: &[&str], finding: &Finding) -> Value {
    let help = finding.help.as_ref().map(|help| format!("\n{help}")).unwrap_or_default();
    let mut value = json!({
        "ruleId": finding.rule.as_str(),
        "level": level(finding.severity),
        "message": { "text": format!("{}{help}", finding.message) },
        "locations": [location(run, finding.primary.span, Some(&finding.primary.caption))],
        "partialFingerprints": { "shakedown/v1": finding.fingerprint },
    });
    // A rule without a page is none that the list has.
    if let (Some(at), Some(_)) =
        (names.iter().position(|name| *name == finding.rule.as_str()), run.rules.find(finding.rule.as_str()))
    {
        value["ruleIndex"] = at.into();
    }
    let through = run.sources.resolve_span(finding.primary.span).through;
    let steps = through.iter().map(|(span, caption)| (*span, *caption));
    let related = finding.related.iter().map(|label| (label.span, &*label.caption)).chain(steps);
    let related: Vec<Value> = related
        .enumerate()
        .map(|(at, (span, caption))| {
            let mut value = location(run, span, Some(caption));
            value["id"] = (at + 1).into();
            value
        })
        .collect();
    if !related.is_empty() {
        value["relatedLocations"] = related.into();
    }
    if let Some(fix) = &finding.fix {
        value["fixes"] = json!([fixed(run, fix)]);
    }
    value
}

/// A finding that is left out, and by whom.
fn left_out(run: &Run, names: &[&str], one: &Suppressed) -> Value {
    let mut value = result(run, names, &one.finding);
    let by = match &one.by {
        By::Comment(reason) => json!({ "kind": "inSource", "justification": reason }),
        By::Baseline => {
            value["baselineState"] = "unchanged".into();
            json!({ "kind": "external", "justification": "known: it stands in the baseline" })
        }
        By::Since(name) => {
            value["baselineState"] = "unchanged".into();
            json!({ "kind": "external", "justification": format!("known: {name} has it too") })
        }
    };
    value["suppressions"] = json!([by]);
    value
}

fn artifact(run: &Run, file: FileId) -> Value {
    let path = run.name(file);
    let path = path.strip_prefix("./").unwrap_or(&path);
    match path.starts_with('/') {
        true => json!({ "uri": uri(path) }),
        false => json!({ "uri": uri(path), "uriBaseId": "%SRCROOT%" }),
    }
}

fn region(run: &Run, span: Span) -> Value {
    let at = place(run, span);
    json!({
        "startLine": at.start.line,
        "startColumn": at.start.column,
        "endLine": at.end.line,
        "endColumn": at.end.column,
    })
}

fn location(run: &Run, span: Span, caption: Option<&str>) -> Value {
    let at = place(run, span);
    let physical = json!({ "artifactLocation": artifact(run, at.file), "region": region(run, span) });
    let mut value = json!({ "physicalLocation": physical });
    if let Some(caption) = caption.filter(|caption| !caption.is_empty()) {
        value["message"] = json!({ "text": caption });
    }
    value
}

fn fixed(run: &Run, fix: &Fix) -> Value {
    let mut by_file: BTreeMap<FileId, Vec<Value>> = BTreeMap::new();
    let mut edits: Vec<_> = fix.edits.iter().collect();
    edits.sort_by_key(|edit| (edit.span.file, edit.span.start));
    for edit in edits {
        let mut change = Map::new();
        change.insert("deletedRegion".to_owned(), region(run, edit.span));
        if !edit.text.is_empty() {
            change.insert("insertedContent".to_owned(), json!({ "text": edit.text }));
        }
        by_file.entry(edit.span.file).or_default().push(change.into());
    }
    let changes: Vec<Value> = by_file
        .into_iter()
        .map(|(file, replacements)| json!({ "artifactLocation": artifact(run, file), "replacements": replacements }))
        .collect();
    json!({ "description": { "text": fix.title }, "artifactChanges": changes })
}
