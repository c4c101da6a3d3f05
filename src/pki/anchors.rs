//! What clients trust.

use std::collections::HashMap;
use std::sync::Arc;

use super::certificate::Certificate;
use super::file::{BlockKind, PemFile};

/// Trust anchors by their subject.
#[derive(Clone, Debug, Default)]
pub struct Anchors {
    by_subject: HashMap<Vec<u8>, Vec<Arc<Certificate>>>,
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
            if let Ok(certificate) = Certificate::parse(der) {
                anchors.add(Arc::new(certificate));
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
        for block in &file.blocks {
            if let BlockKind::Certificate(certificate) = &block.kind
                && certificate.is_self_issued()
            {
                self.add(Arc::clone(certificate));
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

    /// Whether one has this subject, as DER.
    pub fn has_subject(&self, subject: &[u8]) -> bool {
        self.by_subject.contains_key(subject)
    }

    /// The anchors with this subject.
    pub fn with_subject(&self, subject: &[u8]) -> impl Iterator<Item = &Arc<Certificate>> {
        self.by_subject.get(subject).into_iter().flatten()
    }

    fn add(&mut self, certificate: Arc<Certificate>) {
        self.by_subject.entry(certificate.subject_name.clone()).or_default().push(certificate);
    }

    /// Whether a certificate is an anchor itself.
    pub fn contains(&self, certificate: &Certificate) -> bool {
        self.by_subject
            .get(&certificate.subject_name)
            .is_some_and(|all| all.iter().any(|one| one.der == certificate.der))
    }

    /// The anchor that issued a certificate.
    pub fn issuer_of(&self, certificate: &Certificate) -> Option<&Arc<Certificate>> {
        self.by_subject.get(&certificate.issuer_name)?.iter().find(|anchor| certificate.is_issued_by(anchor))
    }
}
