//! OpenSSL's cipher suites for TLS 1.2 and below, and the strings that choose them.
//!
//! The suites and words of each library are data in `rules/openssl/`; [`expand`] reads a string as `ssl_ciph.c` does.

mod string;
mod table;
mod tls13;

pub use string::{CipherError, Expansion, Ignored, Selected, SuiteB, expand};
pub use table::{CipherLibrary, CipherSuite, Encryption, usable};
pub use tls13::{TLS13_SUITES, Tls13Suite};
