//! Whether a server loads a certificate with its key, and its own words where it does not.
//!
//! Sources: nginx 1.22.1, `ngx_ssl_certificate`; Apache 2.4, `ssl_init_server_certs`; OpenSSL 3.0, `ssl/ssl_rsa.c` and
//! `ssl/ssl_cert.c`; Go 1.19, `crypto/tls.X509KeyPair`. `tests/loading.rs` asks the servers themselves.

use super::certificate::{Certificate, KeyKind};
use super::file::{Block, BlockFault, BlockKind, PemFile};
use super::key::{Key, KeyFault};

/// Who loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loader {
    /// nginx with OpenSSL.
    Nginx,
    /// Apache with OpenSSL.
    Apache,
    /// Caddy with Go.
    Caddy,
}

/// Which of the two files a server stumbles over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The one with the certificate.
    Certificate,
    /// The one with the key.
    Key,
}

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The text or its DER.
    Format,
    /// The key does not belong to the certificate.
    Mismatch,
    /// A key is too small for the security level.
    WeakKey,
    /// A digest is too weak for the security level.
    WeakDigest,
    /// The key is encrypted and no password opens it.
    Encrypted,
}

/// A server refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What it stumbles over.
    pub part: Part,
    /// The block of that file, from 0, where it is one.
    pub block: Option<usize>,
    /// What it is about.
    pub cause: Cause,
    /// What the server or its library says.
    pub words: &'static str,
}

/// OpenSSL's view of strength.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strength {
    /// The security level, 0 to 5.
    pub level: u8,
    /// Whether SHA-1 counts as weaker than level 1 asks for: OpenSSL 3.0 and newer.
    pub sha1_is_weak: bool,
    /// Whether the digests of the signatures on what the server sends count. They do until the releases of August 2026, which
    /// leave them to the client that verifies them (OpenSSL pull request 31271: 3.5.8, 3.6.4, 4.0.2; 3.0 has kept it).
    pub judges_digests: bool,
}

impl Strength {
    /// A level of a release of OpenSSL, as numbers `major, minor, patch`.
    pub fn of(level: u8, version: [u32; 3]) -> Strength {
        let last_judge = match version {
            [3, 0..=3, _] => u32::MAX,
            [3, 4, _] => 6,
            [3, 5, _] => 7,
            [3, 6, _] => 3,
            [4, 0, _] => 1,
            [major, ..] if major < 3 => u32::MAX,
            _ => 0,
        };
        Strength { level, sha1_is_weak: version >= [3, 0, 0], judges_digests: version[2] <= last_judge }
    }

    /// The security bits that the level asks for; absent at level 0.
    fn least_bits(self) -> Option<u32> {
        [80, 112, 128, 192, 256].get(usize::from(self.level).checked_sub(1)?).copied()
    }

    /// Why OpenSSL does not take a certificate at this level: its key, or the digest of the signature on it, unless it signed
    /// itself (`ssl_security_cert`).
    pub fn objection(self, certificate: &Certificate, is_leaf: bool) -> Option<(Cause, &'static str)> {
        let least = self.least_bits()?;
        if certificate.key.security_bits() < least {
            return Some((Cause::WeakKey, if is_leaf { "ee key too small" } else { "ca key too small" }));
        }
        if !self.judges_digests {
            return None;
        }
        let bits = match certificate.digest_bits() {
            63 if !self.sha1_is_weak => 80,
            39 if !self.sha1_is_weak => 64,
            bits => bits,
        };
        (bits < least && !certificate.is_self_issued()).then_some((Cause::WeakDigest, "ca md too weak"))
    }
}

/// Why a server does not load a certificate file and a key file; the two may be one file. Absent: it loads them.
pub fn refusal(loader: Loader, certificate: &PemFile, key: &PemFile, strength: Strength) -> Option<Refusal> {
    match loader {
        Loader::Nginx | Loader::Apache => openssl(loader, certificate, key, strength),
        Loader::Caddy => go(certificate, key),
    }
}

fn refuse(part: Part, block: Option<usize>, cause: Cause, words: &'static str) -> Option<Refusal> {
    Some(Refusal { part, block, cause, words })
}

fn openssl(loader: Loader, file: &PemFile, key_file: &PemFile, strength: Strength) -> Option<Refusal> {
    let certificates = match openssl_certificates(file) {
        Ok(certificates) => certificates,
        Err(refusal) => return Some(refusal),
    };
    for (order, (block, certificate)) in certificates.iter().enumerate() {
        if let Some((cause, words)) = strength.objection(certificate, order == 0) {
            return refuse(Part::Certificate, Some(*block), cause, words);
        }
    }
    let leaf = certificates.first().map(|(_, leaf)| *leaf)?;
    let key = match openssl_key(key_file) {
        Ok(key) => key,
        Err(refusal) => return Some(refusal),
    };
    // OpenSSL has a place for each type of key, and compares only what lies in one. Apache asks once more.
    let compares = loader == Loader::Apache || key.kind.same_type(&leaf.key.kind);
    if compares && key.belongs_to(leaf) == Some(false) {
        return refuse(Part::Key, None, Cause::Mismatch, "key values mismatch");
    }
    None
}

/// Why Apache does not take a file of certificates with their keys for upstream servers. OpenSSL makes pairs in reading order;
/// a certificate without a key is passed over. Source: Apache 2.4, `ssl_init_proxy_certs`: AH02252, AH02326.
pub fn pairs_refusal(file: &PemFile) -> Option<Refusal> {
    let mut certificate: Option<&Certificate> = None;
    let mut key: Option<(usize, Result<&Key, &KeyFault>)> = None;
    let mut pairs = Vec::new();
    for (at, block) in file.blocks.iter().enumerate() {
        match &block.kind {
            BlockKind::Certificate(one) => {
                if certificate.is_some() {
                    pairs.push((certificate.take(), key.take()));
                }
                certificate = Some(one);
            }
            BlockKind::Key(one) => {
                if key.is_some() {
                    pairs.push((certificate.take(), key.take()));
                }
                key = Some((at, one.as_ref()));
            }
            BlockKind::Broken(_) => return None, // not known what is made of it
            _ => {}
        }
    }
    pairs.push((certificate, key));
    let keyed = pairs.into_iter().filter_map(|(certificate, key)| Some((certificate, key?)));
    keyed.into_iter().find_map(|(certificate, (at, key))| match (certificate, key) {
        (_, Err(KeyFault::Encrypted { .. })) => {
            refuse(Part::Key, Some(at), Cause::Encrypted, "missing or encrypted private key")
        }
        (None, Ok(_)) => refuse(Part::Key, Some(at), Cause::Mismatch, "a key without a certificate"),
        (Some(leaf), Ok(key)) if key.belongs_to(leaf) == Some(false) => {
            refuse(Part::Key, Some(at), Cause::Mismatch, "key values mismatch")
        }
        _ => None,
    })
}

/// The certificates of a file with their blocks: the first that is one, and those that follow it, to the end of the text.
fn openssl_certificates(file: &PemFile) -> Result<Vec<(usize, &Certificate)>, Refusal> {
    let failed = |block, words| Refusal { part: Part::Certificate, block: Some(block), cause: Cause::Format, words };
    let mut found = Vec::new();
    for (at, block) in file.blocks.iter().enumerate() {
        match &block.kind {
            BlockKind::Certificate(certificate) => found.push((at, &**certificate)),
            BlockKind::Broken(fault) => return Err(failed(at, fault.openssl_words())),
            _ => {}
        }
    }
    match found.is_empty() {
        true => Err(Refusal { part: Part::Certificate, block: None, cause: Cause::Format, words: "no start line" }),
        false => Ok(found),
    }
}

/// Why OpenSSL finds no key in a file. It passes over what is no key and over keys that it cannot read, as long as their
/// blocks are closed. OpenSSL 3.0 has one word for all that is none: `unsupported` (1.1.1: `no start line`).
pub fn key_refusal(file: &PemFile) -> Option<Refusal> {
    openssl_key(file).err()
}

fn openssl_key(file: &PemFile) -> Result<&Key, Refusal> {
    let failed = |block, cause, words| Refusal { part: Part::Key, block, cause, words };
    let mut unreadable = None;
    for (at, block) in file.blocks.iter().enumerate() {
        match &block.kind {
            BlockKind::Key(Ok(key)) => return Ok(key),
            BlockKind::Key(Err(KeyFault::Encrypted { .. })) => {
                return Err(failed(Some(at), Cause::Encrypted, "bad decrypt"));
            }
            BlockKind::Broken(BlockFault::Unclosed | BlockFault::Glued) if block.is_key => {
                return Err(failed(Some(at), Cause::Format, "unsupported"));
            }
            BlockKind::Key(Err(KeyFault::Unreadable)) | BlockKind::Broken(_) if block.is_key => {
                unreadable = unreadable.or(Some(at));
            }
            _ => {}
        }
    }
    Err(failed(unreadable, Cause::Format, "unsupported"))
}

fn go(file: &PemFile, key_file: &PemFile) -> Option<Refusal> {
    let format = |part, block, words| refuse(part, block, Cause::Format, words);
    let blocks = go_blocks(file);
    let Some((at, leaf)) = blocks.iter().find(|(_, block)| block.label == "CERTIFICATE") else {
        let is_key = matches!(blocks[..], [(_, block)] if block.is_key);
        let words = match (is_key, blocks.is_empty()) {
            (true, _) => "failed to find certificate PEM data in certificate input, but did find a private key",
            (false, true) => "failed to find any PEM data in certificate input",
            (false, false) => "failed to find \"CERTIFICATE\" PEM block in certificate input",
        };
        return format(Part::Certificate, None, words);
    };
    let blocks = go_blocks(key_file);
    let Some((key_at, key)) = blocks.iter().find(|(_, block)| block.is_key) else {
        let is_certificate = matches!(blocks[..], [(_, block)] if block.label == "CERTIFICATE");
        let words = match (is_certificate, blocks.is_empty()) {
            (true, _) => "found a certificate rather than a key in the PEM for the private key",
            (false, true) => "failed to find any PEM data in key input",
            (false, false) => "failed to find PEM block with type ending in \"PRIVATE KEY\" in key input",
        };
        return format(Part::Key, None, words);
    };
    let BlockKind::Certificate(leaf) = &leaf.kind else {
        return format(Part::Certificate, Some(*at), "x509: malformed certificate");
    };
    if let KeyKind::OtherCurve(_) = leaf.key.kind {
        return format(Part::Certificate, Some(*at), "x509: unsupported elliptic curve");
    }
    let key = match &key.kind {
        BlockKind::Key(Ok(key)) => key,
        BlockKind::Key(Err(KeyFault::Encrypted { .. })) => {
            return refuse(Part::Key, Some(*key_at), Cause::Encrypted, "tls: failed to parse private key");
        }
        _ => return format(Part::Key, Some(*key_at), "tls: failed to parse private key"),
    };
    if !matches!(leaf.key.kind, KeyKind::Rsa | KeyKind::P256 | KeyKind::P384 | KeyKind::P521 | KeyKind::Ed25519) {
        return format(Part::Certificate, Some(*at), "tls: unknown public key algorithm");
    }
    if key.belongs_to(leaf) == Some(false) {
        let words = match key.kind.same_type(&leaf.key.kind) {
            true => "tls: private key does not match public key",
            false => "tls: private key type does not match public key type",
        };
        return refuse(Part::Key, None, Cause::Mismatch, words);
    }
    None
}

/// The blocks that Go sees: a broken one is passed over, and so is the first behind a byte order mark.
pub fn go_blocks(file: &PemFile) -> Vec<(usize, &Block)> {
    let is_text =
        |block: &&(usize, &Block)| !matches!(&block.1.kind, BlockKind::Broken(fault) if *fault != BlockFault::Der);
    let hidden = usize::from(file.has_bom && file.begins_with_block);
    file.blocks.iter().enumerate().skip(hidden).collect::<Vec<_>>().iter().filter(is_text).copied().collect()
}
