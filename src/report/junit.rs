//! JUnit's XML, as test reports of CI systems take it: one suite, a case for each finding.

use super::place::place;
use super::xml::{self, Xml};
use crate::diagnostic::Severity;
use crate::pipeline::{Failure, Run};

/// The findings of a run: errors and warnings are failures, remarks are not. Without any, a case that passes for each
/// configuration.
pub fn junit(run: &Run) -> xml::Result {
    let failures = run.findings.iter().filter(|one| one.severity > Severity::Info).count();
    let tests = run.findings.len().max(run.targets.len());
    let mut out = Xml::new();
    out.open(
        "testsuites",
        &[("tests", tests.to_string()), ("failures", failures.to_string()), ("errors", "0".into())],
    )?;
    let counts = [("tests", tests.to_string()), ("failures", failures.to_string()), ("errors", "0".into())];
    out.open("testsuite", &[&[("name", "shakedown".to_owned())], &counts[..]].concat())?;
    for finding in &run.findings {
        let at = place(run, finding.primary.span);
        let position = format!("{}:{}:{}", at.path, at.start.line, at.start.column);
        let case = [
            ("name", format!("{} {position}", finding.rule)),
            ("classname", at.path.clone()),
            ("file", at.path.clone()),
            ("line", at.start.line.to_string()),
        ];
        out.open("testcase", &case)?;
        let help = finding.help.as_ref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
        let text = format!("{position}: {}[{}]: {}{help}", finding.severity, finding.rule, finding.message);
        match finding.severity {
            Severity::Info => out.text("system-out", &[], &text)?,
            _ => {
                let attributes = [("message", finding.message.to_string()), ("type", finding.severity.to_string())];
                out.text("failure", &attributes, &text)?;
            }
        }
        out.close("testcase")?;
    }
    for target in run.targets.iter().filter(|_| run.findings.is_empty()) {
        let path = target.path.to_string_lossy().into_owned();
        out.empty("testcase", &[("name", format!("no findings in {path}")), ("classname", path)])?;
    }
    out.close("testsuite")?;
    out.close("testsuites")?;
    out.finish()
}

/// A run that failed.
pub fn failure(failure: &Failure) -> xml::Result {
    let mut out = Xml::new();
    let counts = [("tests", "1".to_owned()), ("failures", "0".to_owned()), ("errors", "1".to_owned())];
    out.open("testsuites", &counts)?;
    out.open("testsuite", &[&[("name", "shakedown".to_owned())], &counts[..]].concat())?;
    out.open("testcase", &[("name", "run".to_owned()), ("classname", "shakedown".to_owned())])?;
    let help = failure.help.clone().unwrap_or_default();
    out.text("error", &[("message", failure.message.clone()), ("type", "failure".to_owned())], &help)?;
    out.close("testcase")?;
    out.close("testsuite")?;
    out.close("testsuites")?;
    out.finish()
}
