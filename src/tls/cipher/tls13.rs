//! The suites of TLS 1.3 (RFC 8446, B.4), and the lists that choose them.

use std::ops::Range;

/// A suite of TLS 1.3.
#[derive(Debug, PartialEq, Eq)]
pub struct Tls13Suite {
    /// The name, the same everywhere.
    pub name: &'static str,
    /// The number on the wire.
    pub code_point: u16,
    /// How strong OpenSSL counts it, in bits.
    pub strength_bits: u32,
}

/// All of them, OpenSSL's default list first.
pub const TLS13_SUITES: &[Tls13Suite] = &[
    Tls13Suite { name: "TLS_AES_256_GCM_SHA384", code_point: 0x1302, strength_bits: 256 },
    Tls13Suite { name: "TLS_CHACHA20_POLY1305_SHA256", code_point: 0x1303, strength_bits: 256 },
    Tls13Suite { name: "TLS_AES_128_GCM_SHA256", code_point: 0x1301, strength_bits: 128 },
    Tls13Suite { name: "TLS_AES_128_CCM_SHA256", code_point: 0x1304, strength_bits: 128 },
    Tls13Suite { name: "TLS_AES_128_CCM_8_SHA256", code_point: 0x1305, strength_bits: 128 },
];

/// How many of [`TLS13_SUITES`] are OpenSSL's default.
const DEFAULTS: usize = 3;

impl Tls13Suite {
    /// The suite of a name.
    pub fn named(name: &str) -> Option<&'static Tls13Suite> {
        TLS13_SUITES.iter().find(|suite| suite.name == name)
    }

    /// The suite of a number on the wire.
    pub fn of(code_point: u16) -> Option<&'static Tls13Suite> {
        TLS13_SUITES.iter().find(|suite| suite.code_point == code_point)
    }

    /// OpenSSL's default list.
    pub fn defaults() -> Vec<&'static Tls13Suite> {
        TLS13_SUITES[..DEFAULTS].iter().collect()
    }

    /// Reads a list as `SSL_CTX_set_ciphersuites` of a release does: an empty one means none; an unknown name is passed over
    /// from 3.0 on as long as one is known, and refused before.
    ///
    /// # Errors
    /// The place of a name that the release refuses, as bytes.
    pub fn parse(version: [u32; 3], list: &str) -> Result<Vec<&'static Tls13Suite>, Range<usize>> {
        let mut found = Vec::new();
        let mut unknown = None;
        let mut start = 0;
        for part in list.split(':') {
            let at = start + (part.len() - part.trim_start().len());
            start += part.len() + 1;
            let name = part.trim();
            match Tls13Suite::named(name) {
                Some(suite) => found.push(suite),
                None if name.is_empty() => {}
                None => unknown = unknown.or(Some(at..at + name.len())),
            }
        }
        match unknown {
            Some(at) if found.is_empty() || version < [3, 0, 0] => Err(at),
            None if found.is_empty() && !list.is_empty() => Err(0..list.len()),
            _ => Ok(found),
        }
    }
}
