//! The JSON document, version 1.

use serde::Serialize;

use super::verdict;
use crate::pipeline::{ComparedConfig, Comparison, Start};
use crate::report::json::{self, Location, TOOL, Target, Tool};

#[derive(Debug, Serialize)]
struct Document<'r> {
    version: u32,
    tool: Tool,
    old: Side,
    new: Side,
    verdict: &'static str,
    drifts: Vec<WireDrift<'r>>,
    unjudged: Vec<WireUnjudged<'r>>,
    summary: Summary,
}

#[derive(Debug, Serialize)]
struct Side {
    #[serde(flatten)]
    target: Target,
    start: &'static str,
    sites: usize,
}

#[derive(Debug, Serialize)]
struct WireDrift<'r> {
    kind: &'static str,
    effect: &'static str,
    host: Option<&'r str>,
    message: &'r str,
    listens: &'r [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    clients: &'r [String],
    old: Option<Location>,
    new: Option<Location>,
    allowed: bool,
}

#[derive(Debug, Serialize)]
struct WireUnjudged<'r> {
    what: &'r str,
    reason: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'r str>,
    /// Which configuration: `old`, `new`; absent: what could not be compared between the two.
    #[serde(skip_serializing_if = "Option::is_none")]
    side: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<Location>,
}

#[derive(Debug, Default, Serialize)]
struct Summary {
    worse: usize,
    better: usize,
    neutral: usize,
    unknown: usize,
    allowed: usize,
    hosts: usize,
}

fn side(half: &ComparedConfig) -> Side {
    let start = match half.start {
        Start::Ok => "ok",
        Start::Fail => "fail",
        Start::Unknown => "unknown",
    };
    Side { target: json::target(&half.target), start, sites: half.sites }
}

/// The document.
///
/// # Errors
/// Never in practice: what is written is text and numbers.
pub fn json(run: &Comparison) -> serde_json::Result<String> {
    let mut summary = Summary { hosts: run.compared.hosts, ..Summary::default() };
    for drift in &run.compared.drifts {
        let count = match (drift.allowed, drift.effect.name()) {
            (true, _) => &mut summary.allowed,
            (_, "worse") => &mut summary.worse,
            (_, "better") => &mut summary.better,
            (_, "unknown") => &mut summary.unknown,
            _ => &mut summary.neutral,
        };
        *count += 1;
    }
    let drifts = run.compared.drifts.iter().map(|drift| WireDrift {
        kind: drift.kind.name(),
        effect: drift.effect.name(),
        host: drift.host.as_deref(),
        message: &drift.message,
        listens: &drift.listens,
        clients: &drift.clients,
        old: drift.old.map(|span| json::location(&run.old.sources, span, "")),
        new: drift.new.map(|span| json::location(&run.new.sources, span, "")),
        allowed: drift.allowed,
    });
    let between = run.compared.unjudged.iter().map(|(what, why, host)| WireUnjudged {
        what,
        reason: why,
        host: host.as_deref(),
        side: None,
        location: None,
    });
    let within = [("old", &run.old), ("new", &run.new)].into_iter().flat_map(|(name, half)| {
        half.unjudged.iter().map(move |one| WireUnjudged {
            what: &one.what,
            reason: one.reason.text(),
            host: None,
            side: Some(name),
            location: one.at.map(|at| json::location(&half.sources, at, "")),
        })
    });
    serde_json::to_string_pretty(&Document {
        version: 1,
        tool: TOOL,
        old: side(&run.old),
        new: side(&run.new),
        verdict: verdict(run),
        drifts: drifts.collect(),
        unjudged: between.chain(within).collect(),
        summary,
    })
}
