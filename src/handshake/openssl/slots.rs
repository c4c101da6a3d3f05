//! The places for certificates in OpenSSL: one for each kind of key, with the chain that is sent.
//!
//! Source: OpenSSL 3.0, `ssl/ssl_rsa.c` (`ssl_set_cert`, `ssl_set_pkey`): a certificate throws out a key that does not belong
//! to it, a later one of the same kind takes the place of an earlier one.

use std::path::PathBuf;
use std::sync::Arc;

use crate::model::{Credentials, Value};
use crate::pki::loading::{self, Loader, Part, Strength};
use crate::pki::{self, Certificate, Key, KeyFault, KeyKind, PemFile, PemStore};
use crate::tls::signature::SigningKey;

/// A certificate with its chain and key.
#[derive(Clone, Debug)]
pub struct Slot {
    /// The position of its pair in the set.
    pub pair: usize,
    /// What is sent, leaf first.
    pub chain: Vec<Arc<Certificate>>,
}

impl Slot {
    /// The leaf.
    pub fn leaf(&self) -> &Certificate {
        &self.chain[0]
    }

    /// The group that its key lies on; absent for keys that are not on a curve of ECDSA.
    pub fn curve(&self) -> Option<&'static str> {
        self.leaf().key.kind.group()
    }
}

/// The places of one set of certificates.
#[derive(Clone, Debug, Default)]
pub struct Slots {
    certificates: [Option<Slot>; KINDS.len()],
    keys: [Option<Key>; KINDS.len()],
    /// Why one of them is not known.
    pub unknown: Option<Arc<str>>,
    /// Why one of them cannot be loaded at this handshake, which then fails.
    pub failure: Option<String>,
    /// Size of the prime in the file of the first certificate, where Diffie-Hellman parameters stand in it, in bits.
    pub dh_bits: Option<u32>,
    /// The curve whose parameters stand there; inside absent where it is written out in numbers.
    pub curve: Option<Option<KeyKind>>,
    /// Whether they are the first parameters of any kind in that file.
    curve_comes_first: bool,
}

/// The kinds of keys, in OpenSSL's order.
const KINDS: [SigningKey; 6] =
    [SigningKey::Rsa, SigningKey::RsaPss, SigningKey::Dsa, SigningKey::Ecdsa, SigningKey::Ed25519, SigningKey::Ed448];

fn place(kind: &KeyKind) -> Option<usize> {
    let wanted = match kind {
        KeyKind::Rsa => SigningKey::Rsa,
        KeyKind::Dsa => SigningKey::Dsa,
        KeyKind::P256 | KeyKind::P384 | KeyKind::P521 | KeyKind::OtherCurve(_) => SigningKey::Ecdsa,
        KeyKind::Ed25519 => SigningKey::Ed25519,
        KeyKind::Ed448 => SigningKey::Ed448,
        KeyKind::Other(_) => return None,
    };
    KINDS.iter().position(|kind| *kind == wanted)
}

impl Slots {
    /// Loads a set as the server does, pair by pair. `completes`: whether authorities complete what is sent.
    pub fn load(set: &Credentials, library: &PemStore, completes: bool) -> Slots {
        let mut slots = Slots::default();
        let authorities = set.authorities.as_ref().filter(|_| completes);
        let authorities = authorities.and_then(|(_, path)| library.get(path)).and_then(|file| file.as_ref().ok());
        for (pair, credential) in set.pairs.iter().enumerate() {
            if credential.by_name.is_some() {
                slots.unknown = Some("the certificate hangs on the name that the client sends".into());
                continue;
            }
            let certificate = slots.file(&credential.certificate, library);
            let key = credential.key.as_ref().map_or(certificate, |key| slots.file(key, library));
            let chain = credential.chain.as_ref().and_then(|chain| slots.file(chain, library));
            if let Some(file) = certificate {
                if pair == 0 {
                    slots.dh_bits = file.dh_bits();
                    slots.curve_comes_first = file.parameters_begin_with_curve();
                    slots.curve = file.curve_parameters().map(|(_, curve)| curve.cloned());
                }
                slots.certificate(pair, file, chain, authorities);
            }
            match key.and_then(PemFile::key).map(|(_, key)| key) {
                Some(Ok(key)) => slots.key(key),
                Some(Err(KeyFault::Encrypted { .. })) => {
                    slots.unknown =
                        Some("the key is encrypted: whether it belongs to the certificate is not known".into());
                }
                _ => {}
            }
        }
        slots
    }

    /// Loads a set whose files are read at each handshake, for a client that sends `name`: nginx goes through all pairs,
    /// and the handshake fails with the first that cannot be loaded (nginx 1.22.1, `ngx_http_ssl_certificate`).
    pub fn load_for(set: &Credentials, library: &PemStore, name: &str, strength: Strength) -> Slots {
        let mut slots = Slots::default();
        for (pair, credential) in set.pairs.iter().enumerate() {
            let Some(by_name) = &credential.by_name else {
                slots.unknown = Some("the path hangs on a variable that is not in the files".into());
                return slots;
            };
            let mut read = |path: PathBuf| match library.get(&path) {
                Some(Ok(file)) => Some(file),
                Some(Err(error)) if error.is_hidden() => {
                    slots.unknown = Some(format!("{error}: {}", path.display()).into());
                    None
                }
                Some(Err(error)) => {
                    slots.failure = Some(format!("{}: {error}", path.display()));
                    None
                }
                None => {
                    slots.unknown = Some(format!("{} was not read", path.display()).into());
                    None
                }
            };
            let Some(certificate) = read(by_name.certificate.path(name)) else { return slots };
            let Some(key_file) = read(by_name.key.path(name)) else { return slots };
            if let Some(refusal) = loading::refusal(Loader::Nginx, certificate, key_file, strength) {
                let file = if refusal.part == Part::Certificate { certificate } else { key_file };
                slots.failure = Some(format!("{}: {}", file.path.display(), refusal.words));
                return slots;
            }
            slots.certificate(pair, certificate, None, None);
            if let Some(Ok(key)) = key_file.key().map(|(_, key)| key.as_ref()) {
                slots.key(key);
            }
        }
        slots
    }

    fn file<'l, T>(
        &mut self,
        setting: &crate::model::Setting<(T, std::path::PathBuf)>,
        library: &'l PemStore,
    ) -> Option<&'l PemFile> {
        match &setting.value {
            Value::Known((_, path)) => match library.get(path) {
                Some(Ok(file)) => return Some(file),
                Some(Err(error)) if error.is_hidden() => {
                    self.unknown = Some(format!("{error}: {}", path.display()).into());
                }
                _ => {}
            },
            Value::Unknown(reason) => self.unknown = Some(reason.0.clone()),
        }
        None
    }

    fn certificate(&mut self, pair: usize, file: &PemFile, chain: Option<&PemFile>, authorities: Option<&PemFile>) {
        let sent = pki::sent(file, chain, authorities);
        let sent: Vec<Arc<Certificate>> = sent.into_iter().map(|(_, one)| Arc::clone(one)).collect();
        let Some(leaf) = sent.first() else { return };
        let Some(at) = place(&leaf.key.kind) else {
            self.unknown = Some(format!("keys {} are not followed here", leaf.key.kind.name()).into());
            return;
        };
        if self.keys[at].as_ref().is_some_and(|key| key.belongs_to(leaf) == Some(false)) {
            self.keys[at] = None;
        }
        self.certificates[at] = Some(Slot { pair, chain: sent });
    }

    fn key(&mut self, key: &Key) {
        let Some(at) = place(&key.kind) else { return };
        // One that does not belong to the certificate in its place is not taken.
        let fits = |slot: &Slot| key.belongs_to(slot.leaf()) != Some(false);
        if self.certificates[at].as_ref().is_none_or(fits) {
            self.keys[at] = Some(key.clone());
        }
    }

    /// The curve whose parameters stand where those of Diffie-Hellman are looked for.
    pub fn curve_as_dh(&self) -> Option<&KeyKind> {
        self.curve.as_ref().filter(|_| self.curve_comes_first)?.as_ref()
    }

    /// The certificate that signs with a kind of key, where its key is there too.
    pub fn get(&self, kind: SigningKey) -> Option<&Slot> {
        let at = KINDS.iter().position(|known| *known == kind)?;
        self.keys[at].as_ref()?;
        self.certificates[at].as_ref()
    }

    /// The certificate of a pair.
    pub fn pair(&self, pair: usize) -> Option<&Slot> {
        self.certificates.iter().flatten().find(|slot| slot.pair == pair)
    }

    /// All usable certificates with their kinds of keys.
    pub fn usable(&self) -> impl Iterator<Item = (SigningKey, &Slot)> {
        KINDS.iter().filter_map(|kind| self.get(*kind).map(|slot| (*kind, slot)))
    }
}
