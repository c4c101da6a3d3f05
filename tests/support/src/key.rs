//! Keys by name: `rsa1`, `rsa1024-1`, `ec1`, `p384-1`, `p521-1`, `ed1`. The same name is the same key in every run.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use pkcs8::{EncodePrivateKey, LineEnding};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use rsa::pkcs1::{EncodeRsaPrivateKey, EncodeRsaPublicKey};
use sha2::{Digest as _, Sha256};

use crate::der::{bits, identifier, integer, pem, sequence};

/// A digest to sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Digest {
    /// MD5.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// SHA-256 with RSA-PSS.
    Pss256,
}

/// A private key.
pub enum Key {
    /// RSA.
    Rsa(Box<rsa::RsaPrivateKey>),
    /// P-256.
    P256(p256::SecretKey),
    /// P-384.
    P384(p384::SecretKey),
    /// P-521.
    P521(p521::SecretKey),
    /// Ed25519.
    Ed25519(ed25519_dalek::SigningKey),
}

static KEYS: LazyLock<Mutex<HashMap<String, Arc<Key>>>> = LazyLock::new(Mutex::default);

/// The key of a name. The name's head says its kind.
pub fn key(name: &str) -> Arc<Key> {
    if let Some(found) = KEYS.lock().expect("no test panics while it holds this").get(name) {
        return Arc::clone(found);
    }
    let made = Arc::new(make(name));
    let mut keys = KEYS.lock().expect("no test panics while it holds this");
    Arc::clone(keys.entry(name.to_owned()).or_insert(made))
}

fn make(name: &str) -> Key {
    let seed: [u8; 32] = Sha256::digest(name).into();
    let mut random = ChaCha20Rng::from_seed(seed);
    match name {
        name if name.starts_with("rsa") => {
            let digits = name[3..].split_once('-').map_or("2048", |(bits, _)| bits);
            let bits = digits.parse().expect("rsaBITS-NUMBER or rsaNUMBER");
            Key::Rsa(Box::new(rsa::RsaPrivateKey::new(&mut random, bits).expect("a key of this size")))
        }
        name if name.starts_with("ec") => Key::P256(p256::SecretKey::random(&mut random)),
        name if name.starts_with("p384") => Key::P384(p384::SecretKey::random(&mut random)),
        name if name.starts_with("p521") => Key::P521(p521::SecretKey::random(&mut random)),
        name if name.starts_with("ed") => Key::Ed25519(ed25519_dalek::SigningKey::from_bytes(&seed)),
        _ => panic!("no such kind of key: {name}"),
    }
}

impl Key {
    /// The public half as `SubjectPublicKeyInfo`.
    pub fn public_info(&self) -> Vec<u8> {
        let info = |algorithm: Vec<u8>, key: &[u8]| sequence(&[&algorithm, &bits(key)]);
        let curve = |oid: &str| sequence(&[&identifier("1.2.840.10045.2.1"), &identifier(oid)]);
        use p256::elliptic_curve::sec1::ToEncodedPoint;
        match self {
            Key::Rsa(key) => {
                let public = key.to_public_key().to_pkcs1_der().expect("a public key");
                info(sequence(&[&identifier("1.2.840.113549.1.1.1"), &[5, 0]]), public.as_bytes())
            }
            Key::P256(key) => info(curve("1.2.840.10045.3.1.7"), key.public_key().to_encoded_point(false).as_bytes()),
            Key::P384(key) => info(curve("1.3.132.0.34"), key.public_key().to_encoded_point(false).as_bytes()),
            Key::P521(key) => info(curve("1.3.132.0.35"), key.public_key().to_encoded_point(false).as_bytes()),
            Key::Ed25519(key) => info(sequence(&[&identifier("1.3.101.112")]), key.verifying_key().as_bytes()),
        }
    }

    /// The key as PKCS #8 in PEM.
    pub fn pkcs8(&self) -> String {
        pem("PRIVATE KEY", &self.pkcs8_der())
    }

    fn pkcs8_der(&self) -> Vec<u8> {
        let der = match self {
            Key::Rsa(key) => {
                let inside = key.to_pkcs1_der().expect("a key");
                let algorithm = sequence(&[&identifier("1.2.840.113549.1.1.1"), &[5, 0]]);
                return sequence(&[&integer(&[0]), &algorithm, &crate::der::octets(inside.as_bytes())]);
            }
            Key::P256(key) => key.to_pkcs8_der(),
            Key::P384(key) => key.to_pkcs8_der(),
            Key::P521(key) => key.to_pkcs8_der(),
            Key::Ed25519(key) => {
                let seed = crate::der::octets(&crate::der::octets(key.as_bytes()));
                return sequence(&[&integer(&[0]), &sequence(&[&identifier("1.3.101.112")]), &seed]);
            }
        };
        der.expect("a key").as_bytes().to_vec()
    }

    /// The key as PKCS #8 in PEM, encrypted with a password.
    pub fn encrypted(&self, password: &str) -> String {
        let der = self.pkcs8_der();
        let info = pkcs8::PrivateKeyInfo::try_from(der.as_slice()).expect("a key");
        // Few rounds: tests need no strength.
        let parameters =
            pkcs8::pkcs5::pbes2::Parameters::pbkdf2_sha256_aes256cbc(1000, b"saltsalt", &[7; 16]).expect("parameters");
        let document = info.encrypt_with_params(parameters, password).expect("an encrypted key");
        document.to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF).expect("PEM").to_string()
    }

    /// The key in its own older form: PKCS #1 or SEC1.
    pub fn traditional(&self) -> String {
        match self {
            Key::Rsa(key) => pem("RSA PRIVATE KEY", key.to_pkcs1_der().expect("a key").as_bytes()),
            Key::P256(key) => {
                use p256::elliptic_curve::sec1::ToEncodedPoint;
                let point = bits(key.public_key().to_encoded_point(false).as_bytes());
                let curve = crate::der::element(0xa0, &identifier("1.2.840.10045.3.1.7"));
                let secret = crate::der::octets(&key.to_bytes());
                pem("EC PRIVATE KEY", &sequence(&[&integer(&[1]), &secret, &curve, &crate::der::element(0xa1, &point)]))
            }
            _ => self.pkcs8(),
        }
    }

    /// The algorithm identifier of a signature.
    pub fn algorithm(&self, digest: Digest) -> Vec<u8> {
        let plain = |oid: &str| sequence(&[&identifier(oid)]);
        let rsa = |oid: &str| sequence(&[&identifier(oid), &[5, 0]]);
        match (self, digest) {
            (Key::Rsa(_), Digest::Md5) => rsa("1.2.840.113549.1.1.4"),
            (Key::Rsa(_), Digest::Sha1) => rsa("1.2.840.113549.1.1.5"),
            (Key::Rsa(_), Digest::Sha256) => rsa("1.2.840.113549.1.1.11"),
            (Key::Rsa(_), Digest::Sha384) => rsa("1.2.840.113549.1.1.12"),
            (Key::Rsa(_), Digest::Sha512) => rsa("1.2.840.113549.1.1.13"),
            (Key::Rsa(_), Digest::Pss256) => {
                let sha256 = sequence(&[&identifier("2.16.840.1.101.3.4.2.1"), &[5, 0]]);
                let mgf = sequence(&[&identifier("1.2.840.113549.1.1.8"), &sha256]);
                let tagged = |tag: u8, inside: &[u8]| crate::der::element(tag, inside);
                let parameters =
                    sequence(&[&tagged(0xa0, &sha256), &tagged(0xa1, &mgf), &tagged(0xa2, &integer(&[32]))]);
                sequence(&[&identifier("1.2.840.113549.1.1.10"), &parameters])
            }
            (Key::Ed25519(_), _) => plain("1.3.101.112"),
            (_, Digest::Sha1) => plain("1.2.840.10045.4.1"),
            (_, Digest::Sha384) => plain("1.2.840.10045.4.3.3"),
            (_, Digest::Sha512) => plain("1.2.840.10045.4.3.4"),
            (_, _) => plain("1.2.840.10045.4.3.2"),
        }
    }

    /// A signature on a message.
    pub fn sign(&self, digest: Digest, message: &[u8]) -> Vec<u8> {
        use p256::ecdsa::signature::hazmat::PrehashSigner;
        let hashed: Vec<u8> = match digest {
            Digest::Md5 => md5::Md5::digest(message).to_vec(),
            Digest::Sha1 => sha1::Sha1::digest(message).to_vec(),
            Digest::Sha256 | Digest::Pss256 => Sha256::digest(message).to_vec(),
            Digest::Sha384 => sha2::Sha384::digest(message).to_vec(),
            Digest::Sha512 => sha2::Sha512::digest(message).to_vec(),
        };
        // ECDSA needs a digest of at least half the size of the curve's field; zeros in front change no number.
        let padded = |least: usize| [vec![0; least.saturating_sub(hashed.len())], hashed.clone()].concat();
        match self {
            Key::Rsa(key) => match digest {
                Digest::Md5 => key.sign(rsa::Pkcs1v15Sign::new::<md5::Md5>(), &hashed),
                Digest::Sha1 => key.sign(rsa::Pkcs1v15Sign::new::<sha1::Sha1>(), &hashed),
                Digest::Sha256 => key.sign(rsa::Pkcs1v15Sign::new::<Sha256>(), &hashed),
                Digest::Sha384 => key.sign(rsa::Pkcs1v15Sign::new::<sha2::Sha384>(), &hashed),
                Digest::Sha512 => key.sign(rsa::Pkcs1v15Sign::new::<sha2::Sha512>(), &hashed),
                Digest::Pss256 => {
                    let mut random = ChaCha20Rng::from_seed([7; 32]);
                    key.sign_with_rng(&mut random, rsa::Pss::new::<Sha256>(), &hashed)
                }
            }
            .expect("an RSA signature"),
            Key::P256(key) => {
                let signature: p256::ecdsa::Signature =
                    p256::ecdsa::SigningKey::from(key).sign_prehash(&padded(32)).expect("a signature");
                signature.to_der().as_bytes().to_vec()
            }
            Key::P384(key) => {
                let signature: p384::ecdsa::Signature =
                    p384::ecdsa::SigningKey::from(key).sign_prehash(&padded(48)).expect("a signature");
                signature.to_der().as_bytes().to_vec()
            }
            Key::P521(key) => {
                let signing = p521::ecdsa::SigningKey::from_slice(&key.to_bytes()).expect("a key");
                let signature: p521::ecdsa::Signature = signing.sign_prehash(&padded(66)).expect("a signature");
                signature.to_der().as_bytes().to_vec()
            }
            Key::Ed25519(key) => {
                use ed25519_dalek::Signer;
                key.sign(message).to_bytes().to_vec()
            }
        }
    }
}
