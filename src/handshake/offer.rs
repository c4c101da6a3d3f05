//! What a server would negotiate, before any client is asked: versions, suites and groups that it has and allows.
//!
//! Two configurations with the same offer are alike, however they say it: by default, in words, by commands of the library.

use std::sync::Arc;

use super::go;
use super::openssl::{Context, Dh};
use super::predict::Predictor;
use crate::model::{Binding, Setting};
use crate::platform::TlsLibraryKind;
use crate::source::Span;
use crate::tls::cipher::CipherSuite;
use crate::tls::group::{self, Group};
use crate::tls::{Protocol, Protocols};

/// A part of an offer, or why it is not known.
pub type Known<T> = Result<T, Arc<str>>;

/// What a server would negotiate under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Versions.
    pub protocols: Known<Protocols>,
    /// Suites of TLS 1.2 and below, by OpenSSL's names, in order; those that no version of the offer may use are left out.
    pub suites: Known<Vec<&'static str>>,
    /// Suites of TLS 1.3, in order.
    pub tls13_suites: Known<Vec<&'static str>>,
    /// Groups, in order.
    pub groups: Known<Vec<&'static str>>,
}

impl Offer {
    /// Nothing is known.
    fn unknown(reason: &str) -> Offer {
        let reason: Arc<str> = reason.into();
        Offer {
            protocols: Err(Arc::clone(&reason)),
            suites: Err(Arc::clone(&reason)),
            tls13_suites: Err(Arc::clone(&reason)),
            groups: Err(reason),
        }
    }

    /// What two contexts of OpenSSL offer: the one in force in the end, and the one in force when the version is chosen.
    fn of_openssl(decided: &Context, choosing: &Context) -> Offer {
        let protocols = match &decided.protocols_unknown {
            Some(reason) => Err(Arc::clone(reason)),
            None => {
                let legacy = decided.strength().allows_legacy_signature();
                let signs = |one: &Protocol| *one >= Protocol::Tls12 || legacy;
                Ok(decided.offered(choosing).iter().filter(signs).collect())
            }
        };
        let spoken: Protocols = protocols.clone().unwrap_or_else(|_| Protocol::ALL.into_iter().collect());
        let level = decided.strength();
        let has_dh = decided.dh != Dh::None;
        let is_offered = |suite: &&CipherSuite| {
            !suite.needs_shared_secret()
                && level.allows_suite(suite)
                && (has_dh || suite.key_exchange() != "kDHE")
                && spoken.iter().any(|protocol| suite.serves(protocol))
        };
        let suites = decided.suites.as_ref().map_err(Arc::clone);
        let newest = decided.tls13_suites.as_ref().map_err(Arc::clone);
        let speaks_newest = spoken.contains(Protocol::Tls13);
        let allowed = |group: &&'static Group| level.allows_group(group);
        Offer {
            suites: suites.map(|all| all.iter().copied().filter(is_offered).map(|suite| &*suite.name).collect()),
            tls13_suites: newest.map(|all| {
                let all = all.iter().filter(|suite| speaks_newest && level.allows_tls13_suite(suite));
                all.map(|suite| suite.name).collect()
            }),
            groups: decided
                .groups
                .as_ref()
                .map_err(Arc::clone)
                .map(|list| list.iter().filter_map(group::group).filter(allowed).map(|group| group.name).collect()),
            protocols,
        }
    }
}

impl Predictor<'_> {
    /// What the server would negotiate with a client that reaches a binding.
    pub fn offer(&self, binding: &Binding) -> Offer {
        let library = &self.deployment().platform.tls_library;
        match library.kind {
            TlsLibraryKind::OpenSsl => Offer::of_openssl(&self.decided(binding), self.contexts().of(binding.choosing)),
            TlsLibraryKind::Go => go::offer(self.deployment().policy(binding.after_name), library.version),
            TlsLibraryKind::Other => Offer::unknown(&format!("{} is not followed here", library.name)),
        }
    }
}

/// Where a setting is written; absent where it holds by default.
pub fn written<T>(setting: &Setting<T>) -> Option<Span> {
    setting.origin.written()
}
