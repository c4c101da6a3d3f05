//! Names in the parameters of templates, checked when they are read.

use serde::Deserialize;

use crate::diagnostic::spelling;
use crate::pki::KeyKind;
use crate::tls::Protocol;
use crate::tls::cipher::{CipherLibrary, CipherSuite};
use crate::tls::group;

/// What is said of a name that is none.
fn unknown<'n>(kind: &str, name: &str, known: impl Iterator<Item = &'n str>) -> String {
    match spelling::nearest(name, known, 4) {
        Some((meant, _)) => format!("no such {kind}: `{name}`; did you mean `{meant}`?"),
        None => format!("no such {kind}: `{name}`"),
    }
}

/// A protocol version: `TLSv1.2`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct VersionName(pub Protocol);

impl TryFrom<String> for VersionName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let known = Protocol::ALL.iter().map(|one| one.name());
        Protocol::from_name(&name).map(VersionName).ok_or_else(|| unknown("protocol", &name, known))
    }
}

/// A suite of TLS 1.2 and below, led to OpenSSL's name.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct CipherName(pub &'static CipherSuite);

impl TryFrom<String> for CipherName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let known = || CipherLibrary::with_weak_suites([3, 5, 0]).suites.iter().map(|suite| suite.name.as_str());
        CipherSuite::named(&name).map(CipherName).ok_or_else(|| unknown("cipher suite", &name, known()))
    }
}

/// A group, by any of its names.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct GroupName(pub u16);

impl TryFrom<String> for GroupName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let found = group::named(&name).map(|group| GroupName(group.code_point));
        found.ok_or_else(|| unknown("group", &name, group::names()))
    }
}

/// A kind of key: `rsa`, `ecdsa-p256`, `ecdsa-p384`, `ecdsa-p521`, `ed25519`, `ed448`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyName {
    /// RSA.
    Rsa,
    /// ECDSA with NIST P-256.
    EcdsaP256,
    /// ECDSA with NIST P-384.
    EcdsaP384,
    /// ECDSA with NIST P-521.
    EcdsaP521,
    /// Ed25519.
    Ed25519,
    /// Ed448.
    Ed448,
}

impl KeyName {
    /// Whether a key is of this kind.
    pub fn is(self, kind: &KeyKind) -> bool {
        match self {
            KeyName::Rsa => *kind == KeyKind::Rsa,
            KeyName::EcdsaP256 => *kind == KeyKind::P256,
            KeyName::EcdsaP384 => *kind == KeyKind::P384,
            KeyName::EcdsaP521 => *kind == KeyKind::P521,
            KeyName::Ed25519 => *kind == KeyKind::Ed25519,
            KeyName::Ed448 => *kind == KeyKind::Ed448,
        }
    }

    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            KeyName::Rsa => "RSA",
            KeyName::EcdsaP256 => "ECDSA P-256",
            KeyName::EcdsaP384 => "ECDSA P-384",
            KeyName::EcdsaP521 => "ECDSA P-521",
            KeyName::Ed25519 => "Ed25519",
            KeyName::Ed448 => "Ed448",
        }
    }
}
