//! OpenSSL: what a server holds for a site, and what comes of a client's offer.

pub mod command;
pub mod context;
pub mod level;
mod negotiate;
pub mod slots;
mod suite_b;

pub use context::{Context, ContextInputs, Contexts, Dh, Fault};
pub use negotiate::{Side, hello_failure, negotiate};
pub use slots::{Slot, Slots};
