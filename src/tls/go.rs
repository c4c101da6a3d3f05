//! Cipher suites of Go's crypto/tls by release. The table is `rules/go/ciphers.tsv`.

use std::sync::LazyLock;

/// A suite that Go lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoSuite {
    /// Go's name, which is the registry's.
    pub name: &'static str,
    /// OpenSSL's name.
    pub openssl: &'static str,
    /// The first protocol that it is for: `TLSv1.0`, `TLSv1.2` or `TLSv1.3`.
    pub protocol: &'static str,
    /// The kind of certificate: `RSA`, `ECDSA` or `any`.
    pub certificate: &'static str,
    last: Option<[u32; 3]>,
}

static SUITES: LazyLock<Vec<GoSuite>> = LazyLock::new(|| {
    let text = include_str!("../../rules/go/ciphers.tsv");
    let rows = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let suite = |line: &'static str| {
        let mut cells = line.split('\t');
        let mut cell = || cells.next().unwrap_or_default();
        let (name, openssl, protocol, certificate) = (cell(), cell(), cell(), cell());
        let last = cells.nth(1).and_then(numbers);
        GoSuite { name, openssl, protocol, certificate, last }
    };
    rows.map(suite).collect()
});

fn numbers(text: &str) -> Option<[u32; 3]> {
    let mut parts = text.split('.').map(|part| part.parse().ok());
    Some([parts.next()??, parts.next().flatten().unwrap_or(0), parts.next().flatten().unwrap_or(0)])
}

impl GoSuite {
    /// All suites that any release lists.
    pub fn all() -> &'static [GoSuite] {
        &SUITES
    }

    /// The suite of a name, which is compared as Go does: every letter counts.
    pub fn find(name: &str) -> Option<&'static GoSuite> {
        SUITES.iter().find(|suite| suite.name == name)
    }

    /// Whether a release of Go lists it.
    pub fn is_in(&self, release: [u32; 3]) -> bool {
        self.last.is_none_or(|last| release <= last)
    }

    /// Whether it is for TLS 1.3, where no setting of Go's reaches.
    pub fn is_tls13(&self) -> bool {
        self.protocol == "TLSv1.3"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_transport_ended_with_go_1_22() {
        let suite = GoSuite::find("TLS_RSA_WITH_AES_128_GCM_SHA256").unwrap();
        assert!(suite.is_in([1, 19, 8]) && !suite.is_in([1, 22, 0]));
        assert_eq!(suite.openssl, "AES128-GCM-SHA256");
        assert_eq!(GoSuite::find("ECDHE-RSA-AES128-SHA"), None);
        assert_eq!(GoSuite::all().iter().filter(|suite| suite.is_tls13()).count(), 3);
    }
}
