//! What clients trust.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use foldhash::HashMap;

use super::certificate::{self, Certificate};
use super::file::{self, PemFile};
use super::pem;

/// Trust anchors by their subject. Those of a store are looked into only where a path leads to them: a store has more
/// certificates than most configurations.
#[derive(Clone, Debug, Default)]
pub struct Anchors {
    by_subject: HashMap<Vec<u8>, Vec<Anchor>>,
}

/// One anchor.
#[derive(Clone, Debug)]
struct Anchor {
    der: Cow<'static, [u8]>,
    /// What it says; absent where it cannot be read after all.
    parsed: OnceLock<Option<Arc<Certificate>>>,
}

impl Anchor {
    fn new(der: Cow<'static, [u8]>) -> Self {
        Anchor { der, parsed: OnceLock::new() }
    }

    fn certificate(&self) -> Option<&Arc<Certificate>> {
        let read = || Certificate::parse(&self.der).ok().map(Arc::new);
        self.parsed.get_or_init(read).as_ref()
    }
}

impl Anchors {
    /// No anchor.
    pub fn new() -> Self {
        Self::default()
    }

    /// Mozilla's store, embedded (webpki-root-certs).
    pub fn mozilla() -> Self {
        let mut anchors = Anchors::new();
        for der in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
            if let Some((_, subject)) = certificate::names(der) {
                anchors.add(subject, Anchor::new(Cow::Borrowed(der)));
            }
        }
        anchors
    }

    /// Whether a certificate is one of Mozilla's store: its authority is publicly trusted.
    pub fn is_public(certificate: &Certificate) -> bool {
        webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().any(|der| **der == *certificate.der)
    }

    /// Adds the self-issued certificates of a file: an intermediate is no anchor.
    pub fn add_file(&mut self, file: &PemFile) {
        for (_, certificate) in file.certificates().filter(|(_, one)| one.is_self_issued()) {
            let der = Cow::Owned(certificate.der.to_vec());
            let anchor = Anchor { der, parsed: OnceLock::from(Some(Arc::clone(certificate))) };
            self.add(certificate.subject_name.clone(), anchor);
        }
    }

    /// Adds the self-issued certificates of a store's text.
    pub fn add_store(&mut self, text: &[u8]) {
        for block in pem::scan(text).into_iter().filter(|block| file::certificate_label(block.label)) {
            let Ok(der) = block.der else { continue };
            match certificate::names(&der) {
                Some((issuer, subject)) if issuer == subject => self.add(subject, Anchor::new(Cow::Owned(der))),
                _ => {}
            }
        }
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: Anchors) {
        for (subject, certificates) in other.by_subject {
            self.by_subject.entry(subject).or_default().extend(certificates);
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_subject.is_empty()
    }

    /// How many have ended at a time, and how many there are.
    pub fn ended(&self, now: i64) -> (usize, usize) {
        let all = self.by_subject.values().flatten().filter_map(Anchor::certificate);
        all.fold((0, 0), |(ended, all), one| (ended + usize::from(one.not_after < now), all + 1))
    }

    /// Whether one has this subject, as DER.
    pub fn has_subject(&self, subject: &[u8]) -> bool {
        self.by_subject.contains_key(subject)
    }

    /// The anchors with this subject.
    pub fn with_subject(&self, subject: &[u8]) -> impl Iterator<Item = &Arc<Certificate>> {
        self.by_subject.get(subject).into_iter().flatten().filter_map(Anchor::certificate)
    }

    fn add(&mut self, subject: Vec<u8>, anchor: Anchor) {
        self.by_subject.entry(subject).or_default().push(anchor);
    }

    /// Whether a certificate is an anchor itself.
    pub fn contains(&self, certificate: &Certificate) -> bool {
        self.by_subject
            .get(&certificate.subject_name)
            .is_some_and(|all| all.iter().any(|one| *one.der == *certificate.der))
    }

    /// The anchor that issued a certificate.
    pub fn issuer_of(&self, certificate: &Certificate) -> Option<&Arc<Certificate>> {
        self.with_subject(&certificate.issuer_name).find(|anchor| certificate.is_issued_by(anchor))
    }
}
