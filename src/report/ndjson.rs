//! One JSON object a line for each target: the document that `json` has of a run, with the path that was asked for, or why it
//! could not be looked at.

use std::path::Path;

use serde::Serialize;

use super::json;
use crate::pipeline::{Failure, Run};

#[derive(Serialize)]
struct Line<T: Serialize> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(flatten)]
    content: T,
}

impl<T: Serialize> Line<T> {
    fn written(&self) -> serde_json::Result<String> {
        serde_json::to_string(self).map(|line| line + "\n")
    }
}

fn of_target<T: Serialize>(path: &Path, content: T) -> serde_json::Result<String> {
    Line { kind: "target", path: Some(path.to_string_lossy().into_owned()), content }.written()
}

/// The line of a target.
///
/// # Errors
/// Never in practice: what is written is text and numbers.
pub fn target(path: &Path, run: &Run) -> serde_json::Result<String> {
    of_target(path, json::document(run))
}

/// The line of a target that could not be looked at.
///
/// # Errors
/// As [`target`].
pub fn failed_target(path: &Path, failure: &Failure) -> serde_json::Result<String> {
    of_target(path, json::error(failure))
}

/// The line of a run that could not be done at all.
///
/// # Errors
/// As [`target`].
pub fn failure(failure: &Failure) -> serde_json::Result<String> {
    Line { kind: "error", path: None, content: json::error(failure) }.written()
}
