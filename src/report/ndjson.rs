//! One JSON object a line: findings, what was not judged, and at the end the summary, or the error.

use serde::Serialize;

use super::json;
use crate::pipeline::{Failure, Run};

#[derive(Serialize)]
struct Line<'l, T: Serialize> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    content: &'l T,
}

fn line<T: Serialize>(kind: &'static str, content: &T, out: &mut String) -> serde_json::Result<()> {
    out.push_str(&serde_json::to_string(&Line { kind, content })?);
    out.push('\n');
    Ok(())
}

/// The lines of a run.
///
/// # Errors
/// Never in practice: what is written is text and numbers.
pub fn ndjson(run: &Run) -> serde_json::Result<String> {
    let document = json::document(run);
    let mut out = String::new();
    for finding in &document.findings {
        line("finding", finding, &mut out)?;
    }
    for one in &document.unjudged {
        line("unjudged", one, &mut out)?;
    }
    line("summary", &document.closing(), &mut out)?;
    Ok(out)
}

/// The line of a run that failed.
///
/// # Errors
/// As [`ndjson`].
pub fn failure(failure: &Failure) -> serde_json::Result<String> {
    let mut out = String::new();
    line("error", &json::error(failure), &mut out)?;
    Ok(out)
}
