//! Fixes: which of them go together, what they make of a text, how that looks as a patch, and how it is written.

mod choose;
mod diff;
mod file_fix;
mod write;

pub use choose::{apply, choose};
pub use diff::{patch, unified};
pub use file_fix::apply_action;
pub use write::{Staged, WriteError, link, remove, replace, stage, sweep};
