//! The public half of a private key, and nothing else of it.

use p256::elliptic_curve::sec1::{ModulusSize, ToEncodedPoint};
use pkcs8::der::{Decode, Encode};
use pkcs8::{EncryptedPrivateKeyInfo, PrivateKeyInfo};
use zeroize::Zeroizing;

use super::certificate::{Certificate, KeyKind, bits};
use super::pem::Raw;

/// A private key's public half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its kind.
    pub kind: KeyKind,
    /// Its size in bits.
    pub bits: u32,
    /// As in a certificate: a point, or the DER of an RSA key. Absent where the file does not carry it and it cannot be
    /// derived here.
    pub public: Option<Vec<u8>>,
    /// SHA-256 of the public half, where that is all that is known.
    pub digest: Option<[u8; 32]>,
    /// Whether a password opened it.
    pub was_locked: bool,
}

/// Why a key block gives no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// It is encrypted, and none of the passwords given (or none at all) opens it.
    Encrypted {
        /// Whether any password was tried.
        tried: bool,
    },
    /// The bytes are no key.
    Unreadable,
}

impl Key {
    /// Whether it belongs to a certificate. Absent where that cannot be told.
    pub fn belongs_to(&self, certificate: &Certificate) -> Option<bool> {
        if self.kind != certificate.key.kind {
            return Some(false);
        }
        match (&self.public, self.digest) {
            (Some(public), _) => Some(*public == certificate.key.bytes),
            (None, Some(digest)) => Some(digest == sha256(&certificate.key.bytes)),
            (None, None) => None,
        }
    }

    /// What stands in for the key where it is not kept: its kind, its size and the SHA-256 of its public half, as a PEM block.
    /// Absent where the public half is not known.
    fn fingerprint(&self) -> Option<String> {
        use std::fmt::Write;
        let digest = self.digest.or_else(|| self.public.as_deref().map(sha256))?;
        let kind = KINDS.iter().find(|(kind, _)| *kind == self.kind)?.1;
        let mut words = format!("{kind} {} ", self.bits);
        digest.iter().for_each(|byte| {
            let _ = write!(words, "{byte:02x}");
        });
        let coded = super::pem::encode(words.as_bytes());
        Some(format!("-----BEGIN {FINGERPRINT}-----\n{coded}-----END {FINGERPRINT}-----\n"))
    }
}

/// Kinds of keys that a fingerprint may name.
const KINDS: &[(KeyKind, &str)] = &[
    (KeyKind::Rsa, "rsa"),
    (KeyKind::P256, "p256"),
    (KeyKind::P384, "p384"),
    (KeyKind::P521, "p521"),
    (KeyKind::Ed25519, "ed25519"),
    (KeyKind::Ed448, "ed448"),
    (KeyKind::Dsa, "dsa"),
];

/// The label of a block that stands in for a key.
const FINGERPRINT: &str = "FINGERPRINT OF PRIVATE KEY";

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).into()
}

/// Reads what stands in for a key.
fn fingerprinted(words: &[u8]) -> Option<Key> {
    let words = std::str::from_utf8(words).ok()?;
    let [name, bits, hex] = words.split(' ').collect::<Vec<_>>()[..] else { return None };
    let kind = KINDS.iter().find(|(_, own)| *own == name)?.0.clone();
    let digits: Vec<u8> =
        (0..64).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect::<Option<_>>()?;
    Some(Key { kind, bits: bits.parse().ok()?, public: None, digest: digits.try_into().ok(), was_locked: false })
}

/// A text with keys, each replaced by its fingerprint; locked ones are opened with one of the `passwords`. Absent where the
/// public half of one cannot be told.
pub fn without_secrets(bytes: &[u8], passwords: &[Zeroizing<Vec<u8>>]) -> Option<String> {
    let mut out = String::new();
    for raw in super::pem::scan(bytes) {
        if is_key_label(raw.label) {
            out += &read(&raw, passwords).ok()?.fingerprint()?;
        } else {
            out += &String::from_utf8_lossy(bytes.get(raw.start..raw.end)?);
            if !out.ends_with('\n') {
                out.push('\n');
            }
        }
    }
    Some(out)
}

/// Whether a label is that of a private key.
pub fn is_key_label(label: &str) -> bool {
    label.ends_with("PRIVATE KEY")
}

/// Reads a key block; passwords are tried in turn, one a line of a password file.
pub fn read(raw: &Raw<'_>, passwords: &[Zeroizing<Vec<u8>>]) -> Result<Key, KeyFault> {
    let der = Zeroizing::new(raw.der.clone().map_err(|_| KeyFault::Unreadable)?);
    if raw.headers.iter().any(|(name, value)| *name == "Proc-Type" && value.contains("ENCRYPTED")) {
        return decrypt_legacy(raw, &der, passwords);
    }
    match raw.label {
        "RSA PRIVATE KEY" => rsa_key(&der),
        "EC PRIVATE KEY" => ec_key(&der, None),
        "PRIVATE KEY" => pkcs8_key(&der),
        FINGERPRINT => fingerprinted(&der).ok_or(KeyFault::Unreadable),
        "ENCRYPTED PRIVATE KEY" => {
            let info = EncryptedPrivateKeyInfo::from_der(&der).map_err(|_| KeyFault::Unreadable)?;
            let opened = passwords.iter().find_map(|password| info.decrypt(password.as_slice()).ok());
            let opened = opened.ok_or(KeyFault::Encrypted { tried: !passwords.is_empty() })?;
            pkcs8_key(opened.as_bytes()).map(unlocked)
        }
        _ => Err(KeyFault::Unreadable),
    }
}

fn unlocked(key: Key) -> Key {
    Key { was_locked: true, ..key }
}

fn pkcs8_key(der: &[u8]) -> Result<Key, KeyFault> {
    let info = PrivateKeyInfo::from_der(der).map_err(|_| KeyFault::Unreadable)?;
    let algorithm = info.algorithm.oid.to_string();
    let curve = info.algorithm.parameters_oid().ok().map(|oid| oid.to_string());
    match KeyKind::of(&algorithm, curve.clone()) {
        KeyKind::Rsa => rsa_key(info.private_key),
        kind if kind.is_ec() => ec_key(info.private_key, curve),
        KeyKind::Ed25519 => {
            // An octet string in an octet string (RFC 8410, 7).
            let seed: [u8; 32] =
                info.private_key.get(2..34).and_then(|seed| seed.try_into().ok()).ok_or(KeyFault::Unreadable)?;
            let seed = Zeroizing::new(seed);
            let public = ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key().to_bytes().to_vec();
            Ok(key(KeyKind::Ed25519, Some(public)))
        }
        kind => Ok(key(kind, info.public_key.map(<[u8]>::to_vec))),
    }
}

fn key(kind: KeyKind, public: Option<Vec<u8>>) -> Key {
    let bits = bits(&kind, public.as_deref().unwrap_or_default());
    Key { kind, bits, public, digest: None, was_locked: false }
}

/// PKCS #1 (RFC 8017, A.1.2). The public half stands in it; whether the primes fit is not looked at, nor does OpenSSL.
fn rsa_key(der: &[u8]) -> Result<Key, KeyFault> {
    let private = rsa::pkcs1::RsaPrivateKey::from_der(der).map_err(|_| KeyFault::Unreadable)?;
    let public = private.public_key().to_der().map_err(|_| KeyFault::Unreadable)?;
    Ok(key(KeyKind::Rsa, Some(public)))
}

/// SEC1 (RFC 5915). The curve stands outside in PKCS #8.
fn ec_key(der: &[u8], outside: Option<String>) -> Result<Key, KeyFault> {
    let info = sec1::EcPrivateKey::from_der(der).map_err(|_| KeyFault::Unreadable)?;
    let inside = info.parameters.and_then(|parameters| parameters.named_curve()).map(|oid| oid.to_string());
    // OpenSSL too needs to be told the curve.
    let kind = KeyKind::of("1.2.840.10045.2.1", Some(outside.or(inside).ok_or(KeyFault::Unreadable)?));
    let public = match info.public_key {
        Some(public) => Some(public.to_vec()),
        None => derived(&kind, info.private_key),
    };
    Ok(key(kind, public))
}

/// The public point of a secret number on a curve.
fn derived(kind: &KeyKind, secret: &[u8]) -> Option<Vec<u8>> {
    match kind {
        KeyKind::P256 => p256::SecretKey::from_slice(secret).ok().map(|key| point(&key)),
        KeyKind::P384 => p384::SecretKey::from_slice(secret).ok().map(|key| point(&key)),
        KeyKind::P521 => p521::SecretKey::from_slice(secret).ok().map(|key| point(&key)),
        _ => None,
    }
}

fn point<C>(key: &p256::elliptic_curve::SecretKey<C>) -> Vec<u8>
where
    C: p256::elliptic_curve::CurveArithmetic,
    p256::elliptic_curve::PublicKey<C>: ToEncodedPoint<C>,
    p256::elliptic_curve::FieldBytesSize<C>: ModulusSize,
{
    key.public_key().to_encoded_point(false).as_bytes().to_vec()
}

/// OpenSSL's own encryption of PEM: the key is made by one round of MD5 (`EVP_BytesToKey`) from password and salt.
fn decrypt_legacy(raw: &Raw<'_>, der: &[u8], passwords: &[Zeroizing<Vec<u8>>]) -> Result<Key, KeyFault> {
    let refused = KeyFault::Encrypted { tried: !passwords.is_empty() };
    let header = raw.headers.iter().find(|(name, _)| *name == "DEK-Info").map(|(_, value)| *value);
    let Some((cipher, vector)) = header.and_then(|value| value.split_once(',')) else {
        return Err(KeyFault::Unreadable);
    };
    let vector = hex(vector.trim()).ok_or(KeyFault::Unreadable)?;
    for password in passwords {
        let Some(plain) = legacy::decrypt(cipher, &vector, password, der) else { continue };
        let found = if raw.label == "EC PRIVATE KEY" { ec_key(&plain, None) } else { rsa_key(&plain) };
        if found.is_ok() {
            return found.map(unlocked);
        }
    }
    Err(refused)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())).collect()
}

mod legacy {
    //! The ciphers of `DEK-Info` in CBC mode with PKCS #7 padding.

    use aes::cipher::{BlockDecryptMut, KeyIvInit, block_padding::Pkcs7};
    use md5::{Digest, Md5};
    use zeroize::Zeroizing;

    /// `EVP_BytesToKey` with MD5 and one round; the salt is the first 8 bytes of the vector.
    fn derive(password: &[u8], vector: &[u8], length: usize) -> Option<Zeroizing<Vec<u8>>> {
        let salt = vector.get(..8)?;
        let mut key = Zeroizing::new(Vec::with_capacity(length + 16));
        let mut last: Vec<u8> = Vec::new();
        while key.len() < length {
            last = Md5::new().chain_update(&last).chain_update(password).chain_update(salt).finalize().to_vec();
            key.extend_from_slice(&last);
        }
        key.truncate(length);
        Some(key)
    }

    /// The content, where the password fits.
    pub fn decrypt(cipher: &str, vector: &[u8], password: &[u8], data: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let length = match cipher {
            "AES-128-CBC" => 16,
            "AES-192-CBC" | "DES-EDE3-CBC" => 24,
            "AES-256-CBC" => 32,
            _ => return None,
        };
        let key = derive(password, vector, length)?;
        let plain = match cipher {
            "AES-128-CBC" => {
                cbc::Decryptor::<aes::Aes128>::new_from_slices(&key, vector).ok()?.decrypt_padded_vec_mut::<Pkcs7>(data)
            }
            "AES-192-CBC" => {
                cbc::Decryptor::<aes::Aes192>::new_from_slices(&key, vector).ok()?.decrypt_padded_vec_mut::<Pkcs7>(data)
            }
            "AES-256-CBC" => {
                cbc::Decryptor::<aes::Aes256>::new_from_slices(&key, vector).ok()?.decrypt_padded_vec_mut::<Pkcs7>(data)
            }
            _ => cbc::Decryptor::<des::TdesEde3>::new_from_slices(&key, vector)
                .ok()?
                .decrypt_padded_vec_mut::<Pkcs7>(data),
        };
        plain.ok().map(Zeroizing::new)
    }
}
