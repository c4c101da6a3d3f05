//! GitLab's code quality report: one JSON list.

use serde::Serialize;

use super::place::{hash, place};
use crate::diagnostic::Severity;
use crate::pipeline::{Failure, Run};

#[derive(Serialize)]
struct Issue {
    description: String,
    check_name: String,
    fingerprint: String,
    severity: &'static str,
    location: Location,
}

#[derive(Serialize)]
struct Location {
    path: String,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: u32,
    end: u32,
}

/// The findings of a run.
///
/// # Errors
/// Never in practice: what is written is text and numbers.
pub fn gitlab(run: &Run) -> serde_json::Result<String> {
    let issues: Vec<Issue> = run
        .findings
        .iter()
        .map(|finding| {
            let at = place(run, finding.primary.span);
            Issue {
                description: finding.message.to_string(),
                check_name: finding.rule.to_string(),
                fingerprint: finding.fingerprint.clone(),
                severity: match finding.severity {
                    Severity::Error => "critical",
                    Severity::Warning => "major",
                    Severity::Info => "info",
                },
                location: Location { path: run.name(at.file), lines: Lines { begin: at.start.line, end: at.end.line } },
            }
        })
        .collect();
    serde_json::to_string_pretty(&issues)
}

/// A run that failed.
///
/// # Errors
/// As [`gitlab`].
pub fn failure(failure: &Failure) -> serde_json::Result<String> {
    let issue = Issue {
        description: format!("shakedown could not run: {}", failure.message),
        check_name: "shakedown".to_owned(),
        fingerprint: hash(&failure.message),
        severity: "blocker",
        location: Location { path: ".".to_owned(), lines: Lines { begin: 1, end: 1 } },
    };
    serde_json::to_string_pretty(&[issue])
}
