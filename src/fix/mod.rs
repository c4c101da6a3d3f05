//! Fixes: which of them go together, what they make of a text, how that looks as a patch, and how it is written.

mod act;
mod choose;
mod diff;
mod write;

pub use act::perform;
pub use choose::{apply, choose};
pub use diff::{patch, unified};
pub use write::{Staged, WriteError, link, remove, replace, stage, sweep};
