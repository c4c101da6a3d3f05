//! `file:line:column: severity[rule]: message`, one line a finding.

use std::fmt::Write;

use super::plain;
use crate::pipeline::Run;

/// The findings of a run.
pub fn concise(run: &Run) -> String {
    let mut out = String::new();
    for finding in &run.findings {
        let span = run.sources.place(finding.primary.span).span;
        let file = run.sources.file(span.file);
        let at = file.position(span.start);
        let path = file.path().to_string_lossy();
        let path = plain(&path);
        let message = plain(&finding.message);
        let _ = writeln!(out, "{path}:{}:{}: {}[{}]: {message}", at.line, at.column, finding.severity, finding.rule);
    }
    out
}
