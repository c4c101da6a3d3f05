//! Known-good configurations, each an ordinary archive with a manifest of hashes beside it; and the way back to one.

mod gather;
mod manifest;
mod restore;
mod store;

pub use gather::{Gathered, file_at, gather};
pub use manifest::{File, Key, Manifest, Verdict};
pub use restore::{Change, Plan, plan};
pub use store::{Store, StoreError};
