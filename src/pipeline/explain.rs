//! Which causes of a failed handshake the findings of a run speak of.

use super::Run;
use crate::diagnostic::{Finding, Severity, Unchecked};
use crate::lint::errors::Cause;

/// What a run knows of a cause.
#[derive(Debug, Default)]
pub struct Found<'r> {
    /// Findings that are it, the worst first.
    pub findings: Vec<&'r Finding>,
    /// What could not be judged of it.
    pub unjudged: Vec<&'r Unchecked>,
}

/// What a run knows of a cause. Findings that comments or the baseline leave out count too: the fault is there.
pub fn found<'r>(run: &'r Run, cause: &Cause) -> Found<'r> {
    let names = |name: &str| cause.rules.iter().any(|rule| rule == name);
    let is_it = |one: &&Finding| names(one.rule.as_str()) || cause.any_error && one.severity == Severity::Error;
    let all = run.findings.iter().chain(run.suppressed.iter().map(|one| &one.finding));
    let mut findings: Vec<&Finding> = all.filter(is_it).collect();
    findings.sort_by_key(|one| std::cmp::Reverse(one.severity));
    Found { findings, unjudged: run.unjudged.iter().filter(|one| names(&one.what)).collect() }
}
