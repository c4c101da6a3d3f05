//! What a client really sends (RFC 8446, 4.1.2): its lists, cut down by its protocols and its security level as OpenSSL 3.0
//! does before it sends anything.

use super::client::Client;
use super::openssl::level::Level;
use crate::tls::cipher::{CipherSuite, Tls13Suite};
use crate::tls::group::Group;
use crate::tls::signature::{self, SignatureScheme, SigningKey};
use crate::tls::{Protocol, Protocols};

/// A ClientHello.
#[derive(Clone, Debug)]
pub struct Hello {
    /// The versions that are offered, without holes.
    pub protocols: Protocols,
    /// Suites of TLS 1.2 and below, in order.
    pub suites: Vec<&'static CipherSuite>,
    /// Suites of TLS 1.3, in order.
    pub tls13_suites: Vec<&'static Tls13Suite>,
    /// Groups, in order; empty: the extension is not sent.
    pub groups: Vec<&'static Group>,
    /// The groups of its key shares.
    pub key_shares: Vec<u16>,
    /// Signature schemes, in order; absent: the extension is not sent.
    pub signatures: Option<Vec<&'static SignatureScheme>>,
}

/// Why a client sends nothing at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoHello {
    /// No version is switched on and allowed.
    NoProtocol,
    /// No suite is left for its newest version.
    NoSuite,
    /// No group is left for TLS 1.3.
    NoGroup,
}

impl Client {
    /// Its level, as a level of the release that it behaves like.
    pub fn strength(&self) -> Level {
        Level { number: self.level, version: [3, 0, 0] }
    }

    /// What it sends.
    ///
    /// # Errors
    /// Why it sends nothing.
    pub fn hello(&self) -> Result<&Hello, NoHello> {
        self.sent.get_or_init(|| self.composed()).as_ref().map_err(|why| *why)
    }

    fn composed(&self) -> Result<Hello, NoHello> {
        let level = self.strength();
        let protocols = without_holes(self.protocols.iter().filter(|one| level.allows_protocol(*one)).collect());
        let (Some(oldest), Some(newest)) = (protocols.oldest(), protocols.newest()) else {
            return Err(NoHello::NoProtocol);
        };
        let schemes: Vec<&SignatureScheme> =
            self.signatures.iter().filter_map(|code| signature::scheme(*code)).collect();
        let allowed = schemes.iter().copied().filter(|scheme| {
            let is_new = oldest >= Protocol::Tls13;
            level.allows_scheme(scheme)
                && !(is_new && (scheme.key == SigningKey::Dsa || matches!(scheme.digest, "sha1" | "sha224")))
        });
        let sends_signatures = newest >= Protocol::Tls12 && !schemes.is_empty();
        let signatures: Vec<&SignatureScheme> = allowed.collect();
        // A suite whose certificate could not sign with anything is not offered (`ssl_set_sig_mask`).
        let can_sign = |suite: &CipherSuite| {
            let has = |keys: &[SigningKey]| signatures.iter().any(|scheme| keys.contains(&scheme.key));
            match suite.authentication() {
                _ if !sends_signatures => true,
                "aRSA" => has(&[SigningKey::Rsa, SigningKey::RsaPss]),
                "aECDSA" => has(&[SigningKey::Ecdsa, SigningKey::Ed25519, SigningKey::Ed448]),
                "aDSS" => has(&[SigningKey::Dsa]),
                _ => true,
            }
        };
        let suites: Vec<&CipherSuite> = self
            .suites
            .iter()
            .copied()
            .filter(|suite| {
                !suite.needs_shared_secret()
                    && suite.protocol <= newest
                    && suite.last_protocol() >= oldest
                    && level.allows_suite(suite)
                    && can_sign(suite)
            })
            .collect();
        let tls13_suites: Vec<&Tls13Suite> = match newest {
            Protocol::Tls13 => {
                self.tls13_suites.iter().copied().filter(|suite| level.allows_tls13_suite(suite)).collect()
            }
            _ => Vec::new(),
        };
        let serves_newest = match newest {
            Protocol::Tls13 => !tls13_suites.is_empty(),
            newest => suites.iter().any(|suite| suite.serves(newest)),
        };
        if !serves_newest {
            return Err(NoHello::NoSuite);
        }
        let uses_curves = |suite: &&CipherSuite| {
            matches!(suite.key_exchange(), "kECDHE" | "kECDHEPSK") || suite.authentication() == "aECDSA"
        };
        let mut groups: Vec<&Group> = Vec::new();
        if newest == Protocol::Tls13 || suites.iter().any(uses_curves) {
            let is_valid = |group: &&Group| {
                group.first <= newest && group.last.is_none_or(|last| last >= oldest) && level.allows_group(group)
            };
            groups = self.groups.iter().copied().filter(is_valid).collect();
        }
        let mut key_shares = Vec::new();
        if newest == Protocol::Tls13 {
            let first = groups.iter().find(|group| group.serves(Protocol::Tls13)).ok_or(NoHello::NoGroup)?;
            key_shares = self.key_shares.clone().unwrap_or_else(|| vec![first.code_point]);
        }
        let signatures = sends_signatures.then_some(signatures);
        Ok(Hello { protocols, suites, tls13_suites, groups, key_shares, signatures })
    }
}

/// OpenSSL offers a range: of several, the oldest (`ssl_get_min_max_version`).
pub fn without_holes(set: Protocols) -> Protocols {
    let mut range = Protocols::NONE;
    for protocol in Protocol::ALL.into_iter().skip_while(|one| !set.contains(*one)) {
        if !set.contains(protocol) {
            break;
        }
        range = range.with(protocol);
    }
    range
}
