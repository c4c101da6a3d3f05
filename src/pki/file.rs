//! A file with certificates or keys, as one server after another would use it.

use std::path::PathBuf;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::certificate::{Certificate, KeyKind};
use super::key::{self, Key, KeyFault};
use super::pem::{self, PemFault};
use super::revocation::Revocations;
use crate::source::{FileId, Span};

/// What a block holds.
#[derive(Clone, Debug)]
pub enum BlockKind {
    /// A certificate.
    Certificate(Arc<Certificate>),
    /// A private key, its public half, or why it gives none.
    Key(Result<Key, KeyFault>),
    /// Diffie-Hellman parameters and the size of their prime in bits.
    DhParameters(u32),
    /// Parameters of an elliptic curve, and which it is; absent where it is written out in numbers.
    CurveParameters(Option<KeyKind>),
    /// A revocation list.
    Revocations(Revocations),
    /// Anything else, by its label.
    Other(String),
    /// It cannot be read.
    Broken(BlockFault),
}

/// What is wrong with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockFault {
    /// It has no end.
    Unclosed,
    /// Its end and the next beginning stand on one line.
    Glued,
    /// What is inside is no base64.
    Base64,
    /// The bytes are no certificate.
    Der,
}

impl BlockFault {
    /// What OpenSSL says.
    pub fn openssl_words(self) -> &'static str {
        match self {
            BlockFault::Unclosed | BlockFault::Glued => "bad end line",
            BlockFault::Base64 => "bad base64 decode",
            BlockFault::Der => "asn1 encoding routines",
        }
    }

    /// What it is, for people.
    pub fn describe(self) -> &'static str {
        match self {
            BlockFault::Unclosed => "bad end line: the block is not closed",
            BlockFault::Glued => "bad end line: the next block begins on the same line",
            BlockFault::Base64 => "bad base64 decode",
            BlockFault::Der => "the bytes are no certificate",
        }
    }
}

/// One block and its place.
#[derive(Clone, Debug)]
pub struct Block {
    /// From `-----BEGIN` to the end of its last line.
    pub span: Span,
    /// What it holds.
    pub kind: BlockKind,
    /// Its first line: what to point at.
    pub head: Span,
    /// The words behind `BEGIN`.
    pub label: String,
    /// Whether its label is that of a certificate.
    pub is_certificate: bool,
    /// Whether its label is that of a private key.
    pub is_key: bool,
    /// Where the next block begins on its last line.
    glue: Option<u32>,
}

/// A file that was read.
#[derive(Clone, Debug)]
pub struct PemFile {
    /// Where.
    pub path: PathBuf,
    /// Its text.
    pub file: FileId,
    /// Its blocks, in order.
    pub blocks: Vec<Block>,
    /// Whether it starts with a byte order mark.
    pub has_bom: bool,
    /// Whether the first block begins at the first line: behind a byte order mark Go does not see it.
    pub begins_with_block: bool,
    /// How it looks, where it has no block at all.
    pub looks: &'static str,
}

/// Why no server that uses OpenSSL loads a certificate file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileFault {
    /// No block of the wanted kind: `no start line`.
    NoBlock {
        /// What the file looks like instead.
        looks: &'static str,
    },
    /// A block is broken.
    Broken {
        /// Which, from 1.
        block: usize,
        /// Its place.
        at: Span,
        /// What is wrong with it.
        reason: &'static str,
        /// What OpenSSL says.
        words: &'static str,
    },
}

/// Whether a block of this label is a certificate.
pub(super) fn certificate_label(label: &str) -> bool {
    matches!(label, "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE")
}

impl PemFile {
    /// Reads a text. `passwords` are tried on encrypted keys.
    pub fn read(path: PathBuf, file: FileId, bytes: &[u8], passwords: &[Zeroizing<Vec<u8>>]) -> PemFile {
        let blocks = pem::scan(bytes).into_iter().map(|raw| Block {
            span: Span::new(file, raw.start as u32, raw.end as u32),
            head: Span::new(file, raw.start as u32, (raw.start + "-----BEGIN -----".len() + raw.label.len()) as u32),
            label: raw.label.to_owned(),
            is_certificate: certificate_label(raw.label),
            is_key: key::is_key_label(raw.label),
            glue: glue(&raw, bytes).map(|at| at as u32),
            kind: kind(&raw, passwords),
        });
        let blocks: Vec<Block> = blocks.collect();
        let begins_with_block = blocks.first().is_some_and(|block| block.span.start <= 3);
        let looks = match bytes {
            [] => "it is empty",
            [0x30, 0x80..=0x84, ..] => "it looks like DER or PKCS #12, not PEM",
            _ if blocks.is_empty() => "it has no PEM block",
            _ => "its blocks are of another kind",
        };
        PemFile { path, file, blocks, has_bom: bytes.starts_with(b"\xef\xbb\xbf"), begins_with_block, looks }
    }

    /// The certificates with their blocks, in order.
    pub fn certificates(&self) -> impl Iterator<Item = (&Block, &Arc<Certificate>)> {
        self.blocks.iter().filter_map(|block| match &block.kind {
            BlockKind::Certificate(certificate) => Some((block, certificate)),
            _ => None,
        })
    }

    /// The first certificate: what OpenSSL takes for the leaf.
    pub fn leaf(&self) -> Option<&Arc<Certificate>> {
        self.certificates().next().map(|(_, certificate)| certificate)
    }

    /// The certificate that belongs to a key, else the first.
    pub fn leaf_of(&self, key: Option<&Key>) -> Option<&Arc<Certificate>> {
        let first = self.leaf()?;
        match key {
            Some(key) if key.belongs_to(first) == Some(false) => {
                let mut all = self.certificates().map(|(_, certificate)| certificate);
                Some(all.find(|certificate| key.belongs_to(certificate) == Some(true)).unwrap_or(first))
            }
            _ => Some(first),
        }
    }

    /// The first private key that can be read or is encrypted, else the first that is none.
    pub fn key(&self) -> Option<(&Block, &Result<Key, KeyFault>)> {
        let keys = || {
            self.blocks.iter().filter_map(|block| match &block.kind {
                BlockKind::Key(key) => Some((block, key)),
                _ => None,
            })
        };
        keys().find(|(_, key)| **key != Err(KeyFault::Unreadable)).or_else(|| keys().next())
    }

    /// Whether a key stands in the text, so that no report may show it.
    pub fn is_secret(&self) -> bool {
        self.blocks.iter().any(|block| block.is_key)
    }

    /// Size of the prime of the first Diffie-Hellman parameters, in bits.
    pub fn dh_bits(&self) -> Option<u32> {
        self.blocks.iter().find_map(|block| match block.kind {
            BlockKind::DhParameters(bits) => Some(bits),
            _ => None,
        })
    }

    /// The first block with the parameters of an elliptic curve, and which it is.
    pub fn curve_parameters(&self) -> Option<(&Block, Option<&KeyKind>)> {
        self.blocks.iter().find_map(|block| match &block.kind {
            BlockKind::CurveParameters(curve) => Some((block, curve.as_ref())),
            _ => None,
        })
    }

    /// Where a block begins on the line that ends another one.
    pub fn glue(&self) -> Option<Span> {
        let at = self.blocks.iter().find_map(|block| block.glue)?;
        Some(Span::new(self.file, at, at))
    }

    /// Whether the first parameters of any kind are those of a curve.
    pub fn parameters_begin_with_curve(&self) -> bool {
        let is_one = |block: &&Block| matches!(block.kind, BlockKind::DhParameters(_) | BlockKind::CurveParameters(_));
        let first = self.blocks.iter().find(is_one);
        first.is_some_and(|block| matches!(block.kind, BlockKind::CurveParameters(_)))
    }

    /// Whether it holds a certificate or a revocation list, as a file of revocation lists must (`X509_load_cert_crl_file`).
    pub fn holds_revocations(&self) -> bool {
        self.certificates().next().is_some() || self.revocations().next().is_some()
    }

    /// The revocation lists, in order.
    pub fn revocations(&self) -> impl Iterator<Item = (&Block, &Revocations)> {
        self.blocks.iter().filter_map(|block| match &block.kind {
            BlockKind::Revocations(list) => Some((block, list)),
            _ => None,
        })
    }

    /// Why OpenSSL does not load it as a certificate with its chain.
    pub fn certificate_fault(&self) -> Option<FileFault> {
        for (order, block) in self.blocks.iter().enumerate() {
            if let BlockKind::Broken(fault) = &block.kind {
                return Some(FileFault::Broken {
                    block: order + 1,
                    at: block.head,
                    reason: fault.describe(),
                    words: fault.openssl_words(),
                });
            }
        }
        let has_one = self.blocks.iter().any(|block| block.is_certificate);
        (!has_one).then_some(FileFault::NoBlock { looks: self.looks })
    }
}

/// Where the next block begins on the last line of one: behind the mark of its end.
fn glue(raw: &pem::Raw<'_>, bytes: &[u8]) -> Option<usize> {
    if raw.der != Err(PemFault::Glued) {
        return None;
    }
    let end = format!("-----END {}-----", raw.label);
    let text = bytes.get(raw.start..raw.end)?;
    let at = raw.start + text.windows(end.len()).position(|window| window == end.as_bytes())? + end.len();
    bytes[at..].starts_with(b"-----BEGIN ").then_some(at)
}

fn kind(raw: &pem::Raw<'_>, passwords: &[Zeroizing<Vec<u8>>]) -> BlockKind {
    match &raw.der {
        Err(PemFault::Unclosed) => return BlockKind::Broken(BlockFault::Unclosed),
        Err(PemFault::Glued) => {
            return BlockKind::Broken(BlockFault::Glued);
        }
        Err(PemFault::Base64) => return BlockKind::Broken(BlockFault::Base64),
        Ok(_) => {}
    }
    let Ok(der) = &raw.der else { return BlockKind::Other(raw.label.to_owned()) };
    match raw.label {
        label if certificate_label(label) => match Certificate::parse(der) {
            Ok(certificate) => BlockKind::Certificate(Arc::new(certificate)),
            Err(_) => BlockKind::Broken(BlockFault::Der),
        },
        label if key::is_key_label(label) => BlockKind::Key(key::read(raw, passwords)),
        "DH PARAMETERS" | "X9.42 DH PARAMETERS" => BlockKind::DhParameters(first_integer_bits(der)),
        "EC PARAMETERS" => BlockKind::CurveParameters(KeyKind::of_curve(der)),
        "X509 CRL" => match Revocations::parse(der) {
            Some(list) => BlockKind::Revocations(list),
            None => BlockKind::Other(raw.label.to_owned()),
        },
        other => BlockKind::Other(other.to_owned()),
    }
}

/// Bits of the first integer of a sequence: the prime of `DHParameter` (PKCS #3).
fn first_integer_bits(der: &[u8]) -> u32 {
    let header = |bytes: &[u8]| -> Option<(usize, usize)> {
        match *bytes.get(1)? {
            short @ 0..0x80 => Some((2, usize::from(short))),
            long => {
                let count = usize::from(long & 0x7f);
                let length =
                    bytes.get(2..2 + count)?.iter().take(4).fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
                Some((2 + count, length))
            }
        }
    };
    let bits = || {
        let (inside, _) = header(der)?;
        let integer = der.get(inside..)?;
        let (start, length) = header(integer).filter(|_| integer.first() == Some(&2))?;
        let number = integer.get(start..start.checked_add(length)?)?;
        let first = number.iter().position(|byte| *byte != 0)?;
        Some(((number.len() - first) * 8) as u32 - number[first].leading_zeros())
    };
    bits().unwrap_or(0)
}
