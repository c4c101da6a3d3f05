//! `file:line:column: severity[rule]: message`, one line a finding.

use std::fmt::Write;
use std::io;

use super::{drawn, plain};
use crate::diagnostic::Finding;
use crate::pipeline::Run;
use crate::source::Sources;

/// Findings that one worker writes at a time.
const CHUNK: usize = 32;

/// The findings of a run.
///
/// # Errors
/// Where they cannot be written.
pub fn concise(run: &Run, out: &mut dyn io::Write) -> io::Result<()> {
    drawn(&run.findings, CHUNK, out, |findings| lines(&run.sources, findings))
}

fn lines(sources: &Sources, findings: &[Finding]) -> String {
    let mut out = String::with_capacity(findings.len() * 128);
    for finding in findings {
        let span = sources.resolve_span(finding.primary.span).span;
        let file = sources.file(span.file);
        let at = file.position(span.start);
        let path = file.path().to_string_lossy();
        let path = plain(&path);
        let message = plain(&finding.message);
        let _ = writeln!(out, "{path}:{}:{}: {}[{}]: {message}", at.line, at.column, finding.severity, finding.rule);
    }
    out
}
