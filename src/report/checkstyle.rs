//! Checkstyle's XML, which review tools take.

use super::place::place;
use super::xml::{self, Xml};
use crate::pipeline::{Failure, Run};

/// The findings of a run, file by file.
pub fn checkstyle(run: &Run) -> xml::Result {
    let mut out = Xml::new();
    out.open("checkstyle", &[("version", "10.0".to_owned())])?;
    let mut open: Option<String> = None;
    // Findings stand in the order of files, target by target.
    for finding in &run.findings {
        let at = place(run, finding.primary.span);
        if open.as_ref() != Some(&at.path) {
            if open.is_some() {
                out.close("file")?;
            }
            out.open("file", &[("name", at.path.clone())])?;
            open = Some(at.path.clone());
        }
        let attributes = [
            ("line", at.start.line.to_string()),
            ("column", at.start.column.to_string()),
            ("severity", finding.severity.to_string()),
            ("message", finding.message.to_string()),
            ("source", format!("shakedown.{}", finding.rule)),
        ];
        out.empty("error", &attributes)?;
    }
    if open.is_some() {
        out.close("file")?;
    }
    out.close("checkstyle")?;
    out.finish()
}

/// A run that failed.
pub fn failure(failure: &Failure) -> xml::Result {
    let mut out = Xml::new();
    out.open("checkstyle", &[("version", "10.0".to_owned())])?;
    out.open("file", &[("name", "shakedown".to_owned())])?;
    let attributes =
        [("severity", "error".to_owned()), ("message", failure.message.clone()), ("source", "shakedown".to_owned())];
    out.empty("error", &attributes)?;
    out.close("file")?;
    out.close("checkstyle")?;
    out.finish()
}
