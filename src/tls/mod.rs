//! The vocabulary of TLS without any configuration: protocols, suites, groups, signature schemes, and what OpenSSL's
//! cipher strings select.

pub mod cipher;
pub mod command;
pub mod go;
pub mod group;
pub mod host;
mod protocol;
pub mod signature;

pub use protocol::{Protocol, Protocols};
