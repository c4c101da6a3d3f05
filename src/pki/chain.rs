//! The chain that a server sends: where its leaf is, how its blocks follow one another, where it breaks off.

use std::sync::Arc;

use super::anchors::Anchors;
use super::certificate::Certificate;
use super::file::{Block, PemFile};
use super::key::Key;

/// What is known of a chain. Positions count the certificates of the file from 0.
#[derive(Debug, Default)]
pub struct Chain<'a> {
    /// The certificates of the file with their blocks.
    pub sent: Vec<(&'a Block, &'a Arc<Certificate>)>,
    /// The position of the key's certificate, where it is not the first.
    pub leaf_behind: Option<usize>,
    /// The path from the leaf upward, as positions; the leaf is the first.
    pub path: Vec<usize>,
    /// Where the path ends without an anchor or a self-signed certificate.
    pub gap: Option<Gap>,
    /// Whether the path ends at an anchor, or at a certificate that an anchor issued.
    pub is_trusted: bool,
    /// The position of a self-signed authority at the end of the path.
    pub root_sent: Option<usize>,
    /// Positions on no path from the leaf.
    pub strays: Vec<usize>,
    /// Positions of certificates that stand earlier already.
    pub duplicates: Vec<usize>,
}

/// Where a path breaks off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The position of the last certificate of the path.
    pub last: usize,
    /// The issuer that is not there, for people.
    pub issuer: String,
    /// Where it can be fetched.
    pub urls: Vec<String>,
}

/// A certificate with its block.
pub type Sent<'a> = (&'a Block, &'a Arc<Certificate>);

/// What is sent of a certificate file. A chain file replaces all but its first certificate; without one, a leaf alone is
/// completed from a file of authorities, where the library has one (OpenSSL, unless `SSL_MODE_NO_AUTO_CHAIN` is set).
pub fn sent<'a>(file: &'a PemFile, chain: Option<&'a PemFile>, authorities: Option<&'a PemFile>) -> Vec<Sent<'a>> {
    let own = file.certificates().take(if chain.is_some() { 1 } else { CERTIFICATES });
    let mut sent: Vec<Sent<'a>> = own.collect();
    if let Some(chain) = chain.filter(|chain| chain.certificates().next().is_some()) {
        sent.extend(chain.certificates().take(CERTIFICATES - 1));
        return sent;
    }
    while let (Some(authorities), true) = (authorities, sent.len() < CERTIFICATES) {
        let Some((_, last)) = sent.last().filter(|(_, last)| !last.is_self_signed()) else { break };
        let is_completed = sent.iter().skip(1).all(|(block, _)| block.span.file != sent[0].0.span.file);
        let issuer = authorities.certificates().find(|(_, one)| last.is_issued_by(one));
        match issuer.filter(|(_, one)| is_completed && !sent.iter().any(|(_, other)| other.sha256 == one.sha256)) {
            Some(issuer) => sent.push(issuer),
            None => break,
        }
    }
    sent
}

impl<'a> Chain<'a> {
    /// Looks at a file as it would be sent by itself. `key` tells which certificate is the leaf.
    pub fn of(file: &'a PemFile, key: Option<&Key>, anchors: &Anchors) -> Chain<'a> {
        Chain::of_sent(sent(file, None, None), key, anchors)
    }

    /// Looks at what is sent, in order.
    pub fn of_sent(sent: Vec<Sent<'a>>, key: Option<&Key>, anchors: &Anchors) -> Chain<'a> {
        let mut chain = Chain { sent, ..Chain::default() };
        let Some(first) = chain.sent.first() else { return chain };
        if let Some(key) = key
            && key.belongs_to(first.1) == Some(false)
        {
            chain.leaf_behind = chain.sent.iter().position(|(_, one)| key.belongs_to(one) == Some(true));
        }
        chain.duplicates = (1..chain.sent.len())
            .filter(|at| chain.sent[..*at].iter().any(|(_, before)| before.sha256 == chain.sent[*at].1.sha256))
            .collect();
        chain.build(chain.leaf_behind.unwrap_or(0), anchors);
        chain
    }

    fn build(&mut self, leaf: usize, anchors: &Anchors) {
        let mut at = leaf;
        self.path.push(at);
        loop {
            let certificate = self.sent[at].1;
            if certificate.is_self_signed() {
                self.is_trusted = anchors.contains(certificate);
                self.root_sent = (at != leaf).then_some(at);
                break;
            }
            let next = (0..self.sent.len()).find(|next| {
                !self.path.contains(next)
                    && !self.duplicates.contains(next)
                    && certificate.is_issued_by(self.sent[*next].1)
            });
            if let Some(next) = next {
                self.path.push(next);
                at = next;
                continue;
            }
            self.is_trusted = anchors.contains(certificate) || anchors.issuer_of(certificate).is_some();
            if !self.is_trusted {
                let issuer = certificate.issuer.clone();
                self.gap = Some(Gap { last: at, issuer, urls: certificate.issuer_urls.clone() });
            }
            break;
        }
        // A cross-sign of an authority on the path is no stray.
        let on_path = |one: &Certificate| self.path.iter().any(|at| self.sent[*at].1.subject_name == one.subject_name);
        let strays = (0..self.sent.len()).filter(|at| !self.path.contains(at) && !self.duplicates.contains(at));
        self.strays = strays
            .filter(|at| !on_path(self.sent[*at].1))
            .filter(|at| {
                let issues = |below: &usize| self.sent[*below].1.names_issuer(self.sent[*at].1);
                !self.path.iter().any(issues)
            })
            .collect();
    }

    /// Whether all of the path is there, leaf first, but a block is not certified by the next.
    pub fn is_misordered(&self) -> bool {
        self.leaf_behind.is_none() && !self.path.is_sorted()
    }

    /// The last certificate of the path.
    pub fn last(&self) -> Option<&'a Arc<Certificate>> {
        self.path.last().map(|at| self.sent[*at].1)
    }
}

/// How many certificates of a file are looked at: no client takes so many.
const CERTIFICATES: usize = 50;
