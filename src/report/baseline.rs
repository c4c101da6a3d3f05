//! The file of findings that are known: written by one run, read by the next.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::place::place;
use crate::pipeline::Run;

#[derive(Serialize, Deserialize)]
struct Baseline {
    shakedown_baseline: u32,
    findings: Vec<Known>,
}

#[derive(Serialize, Deserialize)]
struct Known {
    rule: String,
    file: String,
    fingerprint: String,
    message: String,
}

/// The only version that there is.
const VERSION: u32 = 1;

/// The findings of a run as a baseline: sorted, so that changes of it are short. Findings about the run's own settings are
/// left out: they are mended at once.
///
/// # Errors
/// Never in practice: what is written is text and numbers.
pub fn render(run: &Run) -> serde_json::Result<(String, usize)> {
    let is_kept = |rule: &str| run.rules.find(rule).is_none_or(|rule| !rule.is_about_the_run());
    let kept = run.findings.iter().filter(|finding| is_kept(finding.rule.as_str()));
    let mut findings: Vec<Known> = kept
        .map(|finding| Known {
            rule: finding.rule.to_string(),
            file: run.name(place(run, finding.primary.span).file),
            fingerprint: finding.fingerprint.clone(),
            message: finding.message.to_string(),
        })
        .collect();
    findings.sort_by(|one, other| {
        (&one.file, &one.rule, &one.fingerprint).cmp(&(&other.file, &other.rule, &other.fingerprint))
    });
    let count = findings.len();
    let text = serde_json::to_string_pretty(&Baseline { shakedown_baseline: VERSION, findings })?;
    Ok((text + "\n", count))
}

/// The fingerprints of a baseline, each with the path of its file.
///
/// # Errors
/// Where the text is no baseline, or one of another version.
pub fn parse(text: &[u8]) -> Result<BTreeMap<String, String>, String> {
    let read: Baseline = serde_json::from_slice(text).map_err(|error| format!("it is no baseline: {error}"))?;
    if read.shakedown_baseline != VERSION {
        return Err(format!("it has version {}, and this program reads {VERSION}", read.shakedown_baseline));
    }
    Ok(read.findings.into_iter().map(|one| (one.fingerprint, one.file)).collect())
}
