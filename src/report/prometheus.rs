//! Prometheus' text format, for the textfile collector: counts, and whether the run could be done.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::diagnostic::Severity;
use crate::pipeline::Run;

/// The counts of a run.
pub fn prometheus(run: &Run) -> String {
    let mut out = String::new();
    head(&mut out, "shakedown_up", "Whether the last run could be done.");
    out.push_str("shakedown_up 1\n");
    head(&mut out, "shakedown_findings", "Findings by severity.");
    for severity in [Severity::Error, Severity::Warning, Severity::Info] {
        let _ = writeln!(out, "shakedown_findings{{severity=\"{severity}\"}} {}", run.count(severity));
    }
    let mut by_rule: BTreeMap<(&str, Severity, String), usize> = BTreeMap::new();
    for finding in &run.findings {
        let file = run.sources.resolve_span(finding.primary.span).span.file;
        let path = run.sources.file(file).path().to_string_lossy().into_owned();
        *by_rule.entry((finding.rule.as_str(), finding.severity, path)).or_default() += 1;
    }
    head(&mut out, "shakedown_rule_findings", "Findings by rule, severity and file.");
    for ((rule, severity, path), count) in by_rule {
        let path = escaped(&path);
        let _ =
            writeln!(out, "shakedown_rule_findings{{rule=\"{rule}\",severity=\"{severity}\",file=\"{path}\"}} {count}");
    }
    let counts = [
        ("shakedown_suppressed_findings", "Findings that comments or the baseline leave out.", run.suppressed.len()),
        ("shakedown_unjudged", "What could not be judged.", run.unjudged.len()),
        ("shakedown_files", "Configuration files that were read.", run.counts.files),
        ("shakedown_sites", "Sites that were looked at.", run.counts.sites),
        ("shakedown_certificates", "Distinct certificates that are served.", run.counts.certificates),
    ];
    for (name, what, count) in counts {
        head(&mut out, name, what);
        let _ = writeln!(out, "{name} {count}");
    }
    out
}

/// A run that failed.
pub fn failure() -> String {
    let mut out = String::new();
    head(&mut out, "shakedown_up", "Whether the last run could be done.");
    out.push_str("shakedown_up 0\n");
    out
}

/// What a metric is about.
pub(super) fn head(out: &mut String, name: &str, what: &str) {
    let _ = writeln!(out, "# HELP {name} {what}\n# TYPE {name} gauge");
}

/// A label's value: backslash, quote and newline are escaped, and other control characters replaced.
pub(super) fn escaped(value: &str) -> String {
    super::plain(&value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")).into_owned()
}
