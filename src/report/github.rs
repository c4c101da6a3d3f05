//! Workflow commands of GitHub Actions: an annotation each finding.

use std::fmt::Write;

use super::place::place;
use crate::diagnostic::Severity;
use crate::pipeline::{Failure, Run};

/// The findings of a run.
pub fn github(run: &Run) -> String {
    let mut out = String::new();
    for finding in &run.findings {
        let command = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "notice",
        };
        let at = place(run, finding.primary.span);
        let path = property(at.path.strip_prefix("./").unwrap_or(&at.path));
        let _ = write!(out, "::{command} file={path},line={},endLine={}", at.start.line, at.end.line);
        // Columns are taken within one line alone.
        if at.start.line == at.end.line {
            let _ = write!(out, ",col={},endColumn={}", at.start.column, at.end.column);
        }
        let help = finding.help.as_ref().map(|help| format!("\n{help}")).unwrap_or_default();
        let message = data(&format!("{}{help}", finding.message));
        let _ = writeln!(out, ",title={}::{message}", property(finding.rule.as_str()));
    }
    out
}

/// A run that failed.
pub fn failure(failure: &Failure) -> String {
    let help = failure.help.as_ref().map(|help| format!("\n{help}")).unwrap_or_default();
    format!("::error title=shakedown could not run::{}\n", data(&format!("{}{help}", failure.message)))
}

pub(super) fn data(text: &str) -> String {
    super::plain(&text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")).into_owned()
}

pub(super) fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
