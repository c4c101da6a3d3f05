//! Signature schemes, and the lists that choose them.
//!
//! The schemes are data in `rules/openssl/signatures.tsv`, in OpenSSL's own order of preference.

use std::ops::Range;
use std::sync::LazyLock;

/// What kind of key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SigningKey {
    /// RSA, with PKCS #1 or with PSS.
    Rsa,
    /// RSA whose certificate allows PSS alone.
    RsaPss,
    /// ECDSA.
    Ecdsa,
    /// Ed25519.
    Ed25519,
    /// Ed448.
    Ed448,
    /// DSA.
    Dsa,
}

/// A scheme of the registry.
#[derive(Debug)]
pub struct SignatureScheme {
    /// The number on the wire.
    pub code_point: u16,
    /// The name of RFC 8446.
    pub name: &'static str,
    /// What signs.
    pub key: SigningKey,
    /// `sha1` ... `sha512`; empty where the algorithm has its own.
    pub digest: &'static str,
    /// The group that TLS 1.3 asks of the key: `P-256`; empty: any.
    pub curve: &'static str,
    /// How strong OpenSSL counts it, in bits of a symmetric key.
    pub security_bits: u32,
}

impl SignatureScheme {
    /// Whether it signs with RSA-PSS.
    pub fn is_pss(&self) -> bool {
        self.name.starts_with("rsa_pss")
    }

    /// Whether TLS 1.3 knows it for handshakes (RFC 8446, 4.2.3).
    pub fn serves_tls13(&self) -> bool {
        let is_pkcs1 = self.key == SigningKey::Rsa && !self.is_pss();
        !is_pkcs1 && self.key != SigningKey::Dsa && !matches!(self.digest, "sha1" | "sha224")
    }

    /// Bytes that the digest is long.
    pub fn digest_bytes(&self) -> u32 {
        match self.digest {
            "sha1" => 20,
            "sha224" => 28,
            "sha256" => 32,
            "sha384" => 48,
            "sha512" => 64,
            _ => 0,
        }
    }
}

static SCHEMES: LazyLock<Vec<SignatureScheme>> = LazyLock::new(|| {
    let rows = include_str!("../../rules/openssl/signatures.tsv").lines().filter(|line| !line.starts_with('#'));
    rows.map(|line| {
        let fields: Vec<&'static str> = line.split('\t').collect();
        SignatureScheme {
            code_point: u16::from_str_radix(fields[0], 16).expect("a test reads every table"),
            name: fields[1],
            key: match fields[2] {
                "rsa" => SigningKey::Rsa,
                "rsa-pss" => SigningKey::RsaPss,
                "ecdsa" => SigningKey::Ecdsa,
                "ed25519" => SigningKey::Ed25519,
                "ed448" => SigningKey::Ed448,
                _ => SigningKey::Dsa,
            },
            digest: fields[3],
            curve: fields[4],
            security_bits: fields[5].parse().expect("a test reads every table"),
        }
    })
    .collect()
});

/// All schemes, in the order in which OpenSSL prefers them where nothing is set.
pub fn schemes() -> &'static [SignatureScheme] {
    &SCHEMES
}

/// The scheme of a number on the wire.
pub fn scheme(code_point: u16) -> Option<&'static SignatureScheme> {
    SCHEMES.iter().find(|scheme| scheme.code_point == code_point)
}

/// The scheme of a name of RFC 8446.
pub fn named(name: &str) -> Option<&'static SignatureScheme> {
    SCHEMES.iter().find(|scheme| scheme.name == name)
}

/// Reads a list as `SignatureAlgorithms` takes it: names of RFC 8446 that OpenSSL lists by name, or `RSA+SHA256`, `ECDSA+SHA384`,
/// `RSA-PSS+SHA512` (`tls1_set_sigalgs_list`).
///
/// # Errors
/// The place of the first word that OpenSSL refuses, as bytes.
pub fn parse(list: &str) -> Result<Vec<u16>, Range<usize>> {
    let mut found: Vec<u16> = Vec::new();
    let mut start = 0;
    for part in list.split(':') {
        let at = start + (part.len() - part.trim_start().len());
        start += part.len() + 1;
        let word = part.trim();
        let place = at..at + word.len();
        let scheme = one(word).ok_or_else(|| place.clone())?;
        if found.contains(&scheme.code_point) {
            return Err(place);
        }
        found.push(scheme.code_point);
    }
    Ok(found)
}

fn one(word: &str) -> Option<&'static SignatureScheme> {
    let Some((first, second)) = word.split_once('+') else {
        // The old pairs with SHA-1 and SHA-224 for ECDSA and DSA have no name of their own there.
        let unnamed = |scheme: &&SignatureScheme| {
            scheme.key == SigningKey::Dsa || matches!(scheme.name, "ecdsa_sha224" | "ecdsa_sha1")
        };
        return named(word).filter(|scheme| !unnamed(scheme));
    };
    let is_key = |word: &str| matches!(word, "RSA" | "RSA-PSS" | "PSS" | "DSA" | "ECDSA");
    let (key, digest) = if is_key(first) { (first, second) } else { (second, first) };
    let digest = digest.to_ascii_lowercase().replace('-', "");
    let is_wanted = |scheme: &&SignatureScheme| {
        scheme.digest == digest
            && match key {
                "RSA" => scheme.key == SigningKey::Rsa && !scheme.is_pss(),
                "RSA-PSS" | "PSS" => scheme.key == SigningKey::Rsa && scheme.is_pss(),
                "ECDSA" => scheme.key == SigningKey::Ecdsa,
                "DSA" => scheme.key == SigningKey::Dsa,
                _ => false,
            }
    };
    SCHEMES.iter().find(is_wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_take_both_spellings() {
        let names = |list: &str| {
            parse(list).map(|all| all.into_iter().filter_map(scheme).map(|one| one.name).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(
            names("RSA+SHA256:ECDSA+SHA384: rsa_pss_rsae_sha256"),
            Ok("rsa_pkcs1_sha256 ecdsa_secp384r1_sha384 rsa_pss_rsae_sha256".to_owned())
        );
        assert_eq!(names("RSA-PSS+SHA512:ed25519"), Ok("rsa_pss_rsae_sha512 ed25519".to_owned()));
        assert_eq!(names("RSA+SHA256:rsa_pkcs1_sha256"), Err(11..27));
        assert_eq!(names("ECDSA+SHA256:nothing"), Err(13..20));
        assert_eq!(names(""), Err(0..0));
    }
}
