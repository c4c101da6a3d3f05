//! Which certificates a name is served with.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use super::super::auto_https::Automated;
use super::super::certificate::{Certificates, Presence};
use super::super::storage::Storage;
use super::super::{Lowering, name};
use crate::diagnostic::{Problem, Unchecked};
use crate::model::{
    Authority, Credential, Credentials, CredentialsId, Deployment, Doubt, Interner, Managed, Origin, Setting, Token,
};
use crate::server::caddy::config::{Choice, Policy};
use crate::source::Span;

/// What a name is served with: loaded certificates, and one that is managed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Served {
    loaded: Vec<usize>,
    managed: Option<Managed>,
    doubt: Option<Doubt>,
}

/// What certificates are looked for by.
#[derive(Clone, Copy)]
pub enum Asked<'n> {
    /// The name that the client says; empty: one that nobody has.
    Name(&'n str),
    /// The address that a client reached who says no name; empty: one that no certificate has.
    Address(&'n str),
}

/// Chooses certificates, each set once.
pub struct Chooser<'a> {
    pub lowering: &'a Lowering<'a>,
    pub certificates: &'a Certificates,
    pub automated: &'a Automated<'a>,
    pub problems: Vec<Problem>,
    pub unjudged: Vec<Unchecked>,
    storage: Storage,
    none: CredentialsId,
    start: Span,
    known: HashMap<Served, CredentialsId>,
}

impl<'a> Chooser<'a> {
    pub fn new(
        lowering: &'a Lowering<'a>,
        certificates: &'a Certificates,
        automated: &'a Automated<'a>,
        storage: Storage,
        none: CredentialsId,
        start: Span,
    ) -> Self {
        Chooser {
            lowering,
            certificates,
            automated,
            problems: Vec::new(),
            unjudged: Vec::new(),
            storage,
            none,
            start,
            known: HashMap::new(),
        }
    }

    /// The certificates that a client gets under a policy; absent where there is none, and the handshake fails.
    pub fn choose(
        &mut self,
        deployment: &mut Deployment,
        interner: &mut Interner,
        policy: &Policy,
        asked: Asked<'_>,
        at: Option<&Token>,
    ) -> Option<CredentialsId> {
        let (mut served, name) = match asked {
            Asked::Name(name) => (self.served(policy, name), name),
            Asked::Address(address) => {
                let mut served = self.of(policy, address);
                if served == Served::default()
                    && let Some(default) = &policy.default_sni
                {
                    served = self.of(policy, default);
                }
                (served, address)
            }
        };
        if served == Served::default()
            && let Some(fallback) = &policy.fallback_sni
        {
            served = self.of(policy, fallback);
        }
        // What is not there yet leaves the handshake to the names that stand in for those that nobody has.
        if served.doubt.is_none() && self.waits(&served) {
            let default = policy.default_sni.iter().filter(|_| matches!(asked, Asked::Address(_)));
            let mut others = default.chain(&policy.fallback_sni);
            served.doubt = others.any(|other| self.has(policy, other)).then_some(Doubt::Managed);
        }
        if served == Served::default() {
            served.managed = self.automated.on_demand(name);
        }
        if served == Served::default() {
            return None;
        }
        Some(self.intern(deployment, interner, served, at))
    }

    /// Whether the server has yet to get what serves a name.
    fn waits(&self, served: &Served) -> bool {
        let name = served.managed.as_ref().and_then(|managed| managed.name.as_ref());
        served.loaded.is_empty() && name.is_some_and(|name| self.presence(name) != Presence::Here)
    }

    /// Whether something for this very name is there from the start.
    fn has(&self, policy: &Policy, name: &str) -> bool {
        let served = self.of(policy, name);
        !served.loaded.is_empty() || served.managed.is_some() && !self.waits(&served)
    }

    /// The set without any certificate.
    pub fn none(&self) -> CredentialsId {
        self.none
    }

    /// What serves this very name: no wildcard does for an address, a default or a fallback name (CertMagic's `selectCert`).
    fn of(&self, policy: &Policy, name: &str) -> Served {
        match &policy.choice {
            Some(choice) => self.tagged(choice, std::iter::once(name.to_owned())),
            None => {
                Served { loaded: self.certificates.of(name).to_vec(), managed: self.automated.of(name), doubt: None }
            }
        }
    }

    fn served(&self, policy: &Policy, name: &str) -> Served {
        if let Some(choice) = &policy.choice {
            return self.tagged(choice, name::candidates(name));
        }
        let mut candidates = name::candidates(name).filter(|one| !one.is_empty());
        while let Some(candidate) = candidates.next() {
            let loaded = self.certificates.of(&candidate).to_vec();
            let managed = self.automated.of(&candidate);
            if loaded.is_empty() && managed.is_none() {
                continue;
            }
            // Until Caddy has got its own, which may be never, a wildcard that is loaded serves in its place.
            let waits = loaded.is_empty() && self.presence(&candidate) != Presence::Here;
            let is_there = |name: &str| !self.certificates.of(name).is_empty() || self.presence(name) == Presence::Here;
            let stands_in = waits && candidates.any(|wider| is_there(&wider));
            return Served { loaded, managed, doubt: stands_in.then_some(Doubt::Managed) };
        }
        Served::default()
    }

    fn tagged(&self, choice: &Choice, candidates: impl Iterator<Item = String>) -> Served {
        let (loaded, doubt) = self.certificates.tagged(candidates, choice, |name| self.presence(name));
        Served { doubt: doubt.filter(|_| !loaded.is_empty()), loaded, managed: None }
    }

    /// Whether a managed certificate for this very name is in the cache.
    fn presence(&self, name: &str) -> Presence {
        let Some(managed) = self.automated.of(name) else { return Presence::Nowhere };
        let is_stored = || self.storage.find(self.lowering, name, &Token::new("", self.start)).is_some();
        match managed.authority {
            Authority::Internal => Presence::Here,
            _ if is_stored() => Presence::Here,
            _ if managed.obstacle.is_some() => Presence::Nowhere,
            _ => Presence::Perhaps,
        }
    }

    fn intern(
        &mut self,
        deployment: &mut Deployment,
        interner: &mut Interner,
        served: Served,
        at: Option<&Token>,
    ) -> CredentialsId {
        if let Some(id) = self.known.get(&served) {
            return *id;
        }
        let mut pairs: Vec<Credential> =
            served.loaded.iter().map(|one| self.certificates.pairs[*one].clone()).collect();
        if let Some(managed) = &served.managed {
            pairs.push(self.managed(managed, at));
        }
        let set = Credentials { pairs, keys_by_place: true, doubt: served.doubt, ..Credentials::default() };
        let id = interner.credentials(deployment, set);
        if let Some(managed) = &served.managed {
            deployment.managed.insert(id, managed.clone());
        }
        self.known.insert(served, id);
        id
    }

    /// A managed certificate: in the storage, or not known.
    fn managed(&mut self, managed: &Managed, at: Option<&Token>) -> Credential {
        let start = Token { text: Arc::from(""), span: self.start };
        let at = at.unwrap_or(&start);
        let stored = managed.name.as_ref().and_then(|name| self.storage.find(self.lowering, name, at));
        if let Some(stored) = stored {
            return stored;
        }
        let reason = match &managed.name {
            Some(name) => format!("the certificate of {name} is managed by Caddy, and its storage is not at hand"),
            None => "certificates are got when a client first asks for a name".to_owned(),
        };
        self.unjudged.push(Unchecked {
            what: "managed-certificate".into(),
            reason: reason.clone().into(),
            at: Some(at.span),
        });
        let origin = Origin::default_for(at.span);
        let file = || Setting::unknown(reason.clone(), origin);
        Credential { certificate: file(), key: Some(file()), chain: None, by_name: None }
    }
}
