//! Annotations of GitHub Actions, and SARIF 2.1.0: each change at the line of the new configuration that makes it.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::{Value, json};

use super::{Spot, verdict};
use crate::compare::{Drift, Effect};
use crate::pipeline::Comparison;
use crate::report::{github, place, sarif};

/// The line to point at: that of the new side, else that of the old one.
fn spot(run: &Comparison, drift: &Drift) -> Option<Spot> {
    Spot::now(run, drift).or_else(|| Spot::before(run, drift))
}

fn words(drift: &Drift) -> String {
    let host = drift.host.as_ref().map(|host| format!("{host}: ")).unwrap_or_default();
    format!("{}: {host}{}", drift.effect.name(), drift.message)
}

/// Workflow commands.
pub fn github(run: &Comparison) -> String {
    let mut out = String::new();
    for drift in run.compared.drifts.iter().filter(|drift| !drift.allowed) {
        let command = match drift.effect {
            Effect::Worse => "error",
            Effect::Unknown => "warning",
            Effect::Better | Effect::Neutral => "notice",
        };
        let place = spot(run, drift).map(|spot| {
            let path = spot.path.strip_prefix("./").unwrap_or(&spot.path).to_owned();
            format!("file={},line={},endLine={},", github::property(&path), spot.start.line, spot.end.line)
        });
        let _ = writeln!(
            out,
            "::{command} {}title={}::{}",
            place.unwrap_or_default(),
            github::property(drift.kind.name()),
            github::data(&words(drift))
        );
    }
    let _ = writeln!(out, "verdict: {}", verdict(run));
    out
}

fn location(spot: &Spot, caption: Option<&str>) -> Value {
    let path = spot.path.strip_prefix("./").unwrap_or(&spot.path);
    let artifact = match path.starts_with('/') {
        true => json!({ "uri": place::uri(path) }),
        false => json!({ "uri": place::uri(path), "uriBaseId": "%SRCROOT%" }),
    };
    let region = json!({
        "startLine": spot.start.line,
        "startColumn": spot.start.column,
        "endLine": spot.end.line,
        "endColumn": spot.end.column,
    });
    let mut value = json!({ "physicalLocation": { "artifactLocation": artifact, "region": region } });
    if let Some(caption) = caption {
        value["message"] = json!({ "text": caption });
    }
    value
}

/// The SARIF document.
///
/// # Errors
/// Never in practice: what is written is text and numbers.
pub fn sarif(run: &Comparison) -> serde_json::Result<String> {
    let kinds: BTreeSet<&str> = run.compared.drifts.iter().map(|drift| drift.kind.name()).collect();
    let rules = kinds.iter().map(|name| json!({ "id": name, "shortDescription": { "text": name.replace('-', " ") } }));
    let results = run.compared.drifts.iter().map(|drift| {
        let level = match drift.effect {
            Effect::Worse => "error",
            Effect::Unknown => "warning",
            Effect::Better | Effect::Neutral => "note",
        };
        let print = format!("{}\0{}\0{}", drift.kind.name(), drift.host.as_deref().unwrap_or_default(), drift.message);
        let mut value = json!({
            "ruleId": drift.kind.name(),
            "ruleIndex": kinds.iter().position(|name| *name == drift.kind.name()),
            "level": level,
            "message": { "text": words(drift) },
            "partialFingerprints": { "shakedown/v1": place::hash(&print) },
            "properties": { "effect": drift.effect.name(), "host": drift.host, "clients": drift.clients },
        });
        if let Some(spot) = spot(run, drift) {
            value["locations"] = json!([location(&spot, None)]);
        }
        if let (Some(before), Some(_)) = (Spot::before(run, drift), drift.new) {
            let mut related = location(&before, Some("before"));
            related["id"] = 1.into();
            value["relatedLocations"] = json!([related]);
        }
        if drift.allowed {
            value["suppressions"] = json!([{ "kind": "external", "justification": "it is meant (--allow)" }]);
        }
        value
    });
    let notes = run.compared.unjudged.iter().map(|(what, why, host)| {
        let host = host.as_ref().map(|host| format!("{host}: ")).unwrap_or_default();
        json!({ "level": "note", "message": { "text": format!("not compared: {host}{what}: {why}") } })
    });
    let invocation = json!({ "executionSuccessful": true, "toolExecutionNotifications": notes.collect::<Vec<_>>() });
    serde_json::to_string_pretty(&sarif::log(rules.collect(), results.collect::<Vec<Value>>(), invocation))
}
