//! Who answers a client that reaches a socket under a name, and what comes of it.
//!
//! Outcomes are shared: ten thousand sites have a handful of policies, and one client gets the same from each of a kind.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock};

use foldhash::HashMap;

use super::client::Client;
use super::client_policy::{Answering, Objection, objections};
use super::go::{self, Candidates};
use super::openssl::{self, Context, ContextInputs, Contexts, Slots};
use super::outcome::{Agreed, Cause, Decisive, Outcome, Stage, Trace};
use crate::model::{
    Binding, BindingId, Command, CredentialsId, Deployment, Endpoint, Found, OriginKind, PolicyId, Setting, SiteId,
    Transport, Unmatched,
};
use crate::pki::loading::Strength;
use crate::pki::{Anchors, Certificate, PemStore, Verdict, Verifier, VerifyError};
use crate::platform::{SystemTls, TlsLibraryKind};
use crate::source::Span;

/// One client at one socket under one name.
#[derive(Clone, Debug)]
pub struct Handshake {
    /// The site that answers, where one does.
    pub site: Option<SiteId>,
    /// What comes of the negotiation.
    pub outcome: Arc<Outcome>,
    /// Where in the configuration it is decided.
    pub at: Option<Span>,
    /// The set that the certificate stands in.
    pub credentials: Option<CredentialsId>,
    /// What was loaded for this name alone, where files are read at each handshake.
    pub loaded: Option<Arc<Slots>>,
}

impl Handshake {
    /// Nobody listens.
    pub fn nobody() -> Self {
        let cause = Cause {
            stage: Stage::Connect,
            code: "no-listener",
            message: "nothing listens on this address: the connection is refused".into(),
            decisive: Decisive::Nothing,
        };
        Handshake { site: None, outcome: Arc::new(Outcome::Failed(cause)), at: None, credentials: None, loaded: None }
    }

    /// What both sides agree on.
    pub fn agreed(&self) -> Option<&Agreed> {
        match &*self.outcome {
            Outcome::Agreed(agreed) => Some(agreed),
            _ => None,
        }
    }

    /// Why it fails or cannot be told.
    pub fn cause(&self) -> Option<&Cause> {
        match &*self.outcome {
            Outcome::Agreed(_) => None,
            Outcome::Failed(cause) | Outcome::Unknown(cause) => Some(cause),
        }
    }
}

/// What an outcome hangs on.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    policies: [PolicyId; 4],
    credentials: [CredentialsId; 2],
    rejects: bool,
    client: usize,
    /// The name, where it chooses among several certificates.
    name: Option<Arc<str>>,
}

/// A set that is loaded at a handshake, the policy whose level judges it, and the name.
type LoadKey = (CredentialsId, PolicyId, Arc<str>);

/// Predicts handshakes with one deployment.
pub struct Predictor<'a> {
    deployment: &'a Deployment,
    library: &'a PemStore,
    contexts: Contexts<'a>,
    slots: Vec<OnceLock<Box<Slots>>>,
    candidates: Vec<OnceLock<Box<Candidates>>>,
    now: i64,
    /// The ALPN names of each policy, where the server refuses clients that share none.
    alpn: Vec<Vec<String>>,
    outcomes: Mutex<HashMap<Key, Arc<Outcome>>>,
    /// What is read at each handshake, by set, the policy whose level judges it, and name.
    loaded: Mutex<HashMap<LoadKey, Arc<Slots>>>,
}

impl<'a> Predictor<'a> {
    /// A predictor that has looked at nothing yet, at a time in seconds since 1970-01-01 UTC.
    pub fn new(deployment: &'a Deployment, library: &'a PemStore, system: &'a SystemTls, now: i64) -> Self {
        let around = ContextInputs::new(&deployment.platform, system, deployment.behavior, library);
        let refuses = deployment.behavior.refuses_unknown_alpn(deployment.platform.server_version);
        let names = |policy: &crate::model::TlsPolicy| {
            let known = policy.alpn.get().filter(|_| refuses).into_iter().flat_map(|list| list.iter());
            known.map(|token| token.text.to_string()).collect()
        };
        Predictor {
            deployment,
            library,
            contexts: Contexts::new(&deployment.policies, around),
            slots: deployment.credentials.iter().map(|_| OnceLock::new()).collect(),
            candidates: deployment.credentials.iter().map(|_| OnceLock::new()).collect(),
            now,
            alpn: deployment.policies.iter().map(names).collect(),
            outcomes: Mutex::default(),
            loaded: Mutex::default(),
        }
    }

    /// What it predicts handshakes with.
    pub fn deployment(&self) -> &'a Deployment {
        self.deployment
    }

    /// The contexts of the library, by policy.
    pub fn contexts(&self) -> &Contexts<'a> {
        &self.contexts
    }

    /// The certificates of a set, as the library holds them.
    pub fn slots(&self, id: CredentialsId) -> &Slots {
        let at = id.0 as usize;
        self.slots[at].get_or_init(|| {
            let completes = self.deployment.behavior.completes_chain;
            Box::new(Slots::load(&self.deployment.credentials[at], self.library, completes))
        })
    }

    /// The certificates that are loaded for a client that sends `name`, where files are read at each handshake.
    fn loaded_for(&self, binding: &Binding, name: &str) -> Option<Arc<Slots>> {
        let set = self.deployment.credentials(binding.credentials);
        if !set.hangs_on_name() || !self.is_openssl() {
            return None;
        }
        let key = (binding.credentials, binding.own, name.into());
        if let Some(known) = self.loaded.lock().ok().and_then(|known| known.get(&key).cloned()) {
            return Some(known);
        }
        let level = self.contexts.of(binding.own).loading_level;
        let strength = Strength::of(level, self.deployment.platform.tls_library.version.numbers);
        let slots = Arc::new(Slots::load_for(set, self.library, name, strength));
        if let Ok(mut known) = self.loaded.lock() {
            known.insert(key, Arc::clone(&slots));
        }
        Some(slots)
    }

    /// The certificates of a set, as Go holds them.
    pub fn candidates(&self, id: CredentialsId) -> &Candidates {
        let at = id.0 as usize;
        let key_type = self.deployment.managed.get(&id).map(|managed| &*managed.key_type);
        self.candidates[at]
            .get_or_init(|| Box::new(Candidates::load(&self.deployment.credentials[at], self.library, key_type)))
    }

    /// Who answers to a host on a socket. `names` tells whether the client says it.
    ///
    /// # Errors
    /// Nobody, or it cannot be told.
    pub fn binding<'e>(&self, endpoint: &'e Endpoint, host: &str, names: bool) -> Result<&'e Binding, Outcome> {
        self.named(endpoint, &sent_name(host, names))
    }

    /// Who answers to a name that is sent, or to none where it is empty.
    fn named<'e>(&self, endpoint: &'e Endpoint, name: &str) -> Result<&'e Binding, Outcome> {
        let refused =
            |words: &str| Outcome::Failed(Cause::negotiate("name-rejected", Decisive::Site, words.to_owned()));
        let id: Option<BindingId> = if !name.is_empty() {
            match endpoint.named.find(name) {
                Found::Binding(id) => Some(id),
                Found::Unknown => {
                    let words = "a regular expression that cannot be judged here may take this name";
                    return Err(Outcome::Unknown(Cause::unknown(Decisive::Site, words)));
                }
                Found::Nothing => match endpoint.unmatched {
                    Unmatched::Binding(id) => Some(id),
                    Unmatched::Reject(alert) => {
                        return Err(refused(&format!("no site has this name: the server refuses it (alert {alert})")));
                    }
                },
            }
        } else {
            endpoint.unnamed
        };
        id.map(|id| endpoint.binding(id)).ok_or_else(|| refused("no site answers a client that names none"))
    }

    /// What a client gets on a socket under a host.
    pub fn handshake(&self, endpoint: &Endpoint, host: &str, client: &Client) -> Handshake {
        let ended = |outcome: Outcome, at: Option<Span>| Handshake {
            site: None,
            outcome: Arc::new(outcome),
            at,
            credentials: None,
            loaded: None,
        };
        let at = endpoint.uses.first().map(|one| one.span);
        match endpoint.transport {
            Transport::Tls => {}
            Transport::Plain => return ended(openssl::hello_failure(client).unwrap_or(Outcome::Failed(plain())), at),
            Transport::Quic | Transport::Unknown => {
                let words = "it cannot be told from the files what this socket speaks";
                return ended(Outcome::Unknown(Cause::unknown(Decisive::Nothing, words)), at);
            }
        }
        let name = sent_name(host, client.sni);
        let binding = match self.named(endpoint, &name) {
            Ok(binding) => binding,
            Err(outcome) => return ended(outcome, at),
        };
        let outcome = self.outcome_for(binding, client, Some(&name));
        let decisive = match &*outcome {
            Outcome::Agreed(_) => Decisive::Nothing,
            Outcome::Failed(cause) | Outcome::Unknown(cause) => cause.decisive,
        };
        Handshake {
            site: Some(binding.site),
            at: self.place(binding, decisive),
            outcome,
            credentials: Some(binding.credentials),
            loaded: self.loaded_for(binding, &name),
        }
    }

    /// The same once more, told step by step.
    pub fn trace(&self, endpoint: &Endpoint, host: &str, client: &Client) -> Vec<(Option<Span>, String)> {
        let Ok(binding) = self.binding(endpoint, host, client.sni) else { return Vec::new() };
        if endpoint.transport != Transport::Tls || !self.is_judged() {
            return Vec::new();
        }
        let mut trace = Trace::told();
        let _ = self.negotiate(binding, client, Some(&sent_name(host, client.sni)), &mut trace);
        trace.steps().into_iter().map(|(decisive, words)| (self.place(binding, decisive), words)).collect()
    }

    /// Whether the library is one that is followed here.
    pub fn is_judged(&self) -> bool {
        self.library_kind() != TlsLibraryKind::Other
    }

    /// Whether the library is OpenSSL, so that its contexts say something.
    pub fn is_openssl(&self) -> bool {
        self.library_kind() == TlsLibraryKind::OpenSsl
    }

    fn library_kind(&self) -> TlsLibraryKind {
        self.deployment.platform.tls_library.kind
    }

    /// The context that decides a handshake in the end, each setting from whoever decides it.
    pub fn decided(&self, binding: &Binding) -> Cow<'_, Context> {
        let context = self.contexts.of(binding.after_name);
        let curve = self.deployment.behavior.pins_curve.then(|| &self.slots(binding.before_name_credentials).curve);
        let Some(Some(curve)) = curve else { return Cow::Borrowed(context) };
        // Commands come after the files, and win.
        let commands = self.deployment.policy(binding.before_name).commands.get();
        if commands.is_some_and(|all| all.iter().any(Command::sets_groups)) {
            return Cow::Borrowed(context);
        }
        let mut pinned = context.clone();
        pinned.pin(curve.as_ref());
        Cow::Owned(pinned)
    }

    /// What comes of a handshake, worked out anew.
    fn negotiate(&self, binding: &Binding, client: &Client, name: Option<&str>, trace: &mut Trace) -> Outcome {
        let loaded = name.and_then(|name| self.loaded_for(binding, name));
        let alpn = &self.alpn[binding.after_name.0 as usize];
        let library = &self.deployment.platform.tls_library;
        match library.kind {
            TlsLibraryKind::OpenSsl => {
                let decided = self.decided(binding);
                let side = openssl::Side {
                    start: self.contexts.of(binding.before_name),
                    choosing: self.contexts.of(binding.choosing),
                    own: self.contexts.of(binding.own),
                    decided: &decided,
                    slots: loaded.as_deref().unwrap_or_else(|| self.slots(binding.credentials)),
                    adds_options: self.deployment.behavior.adds_options,
                    rejects: binding.rejects,
                    alpn,
                    h2_wants_modern_tls: self.deployment.behavior.h2_wants_modern_tls,
                };
                openssl::negotiate(client, &side, trace)
            }
            TlsLibraryKind::Go => {
                let side = go::Side {
                    policy: self.deployment.policy(binding.after_name),
                    release: library.version,
                    keeps_sha1: self.deployment.platform.godebug.iter().any(|setting| setting == "tlssha1=1"),
                    candidates: self.candidates(binding.credentials),
                    name: name.unwrap_or_default(),
                    rejects: binding.rejects,
                    alpn,
                    now: self.now,
                };
                go::negotiate(client, &side, trace)
            }
            TlsLibraryKind::Other => {
                Outcome::Unknown(Cause::unknown(Decisive::Nothing, format!("{} is not followed here", library.name)))
            }
        }
    }

    /// What a binding comes to for a client, whatever the name.
    pub fn outcome(&self, binding: &Binding, client: &Client) -> Arc<Outcome> {
        self.outcome_for(binding, client, None)
    }

    /// What a binding comes to for a client that sends a name, or none that is known.
    pub fn outcome_for(&self, binding: &Binding, client: &Client, name: Option<&str>) -> Arc<Outcome> {
        let hangs_on_name = match self.library_kind() {
            TlsLibraryKind::Go => self.candidates(binding.credentials).all.len() > 1,
            _ => self.deployment.credentials(binding.credentials).hangs_on_name(),
        };
        let key = Key {
            policies: [binding.before_name, binding.choosing, binding.own, binding.after_name],
            credentials: [binding.credentials, binding.before_name_credentials],
            rejects: binding.rejects,
            client: client.number,
            name: name.filter(|_| hangs_on_name).map(Into::into),
        };
        if let Some(known) = self.outcomes.lock().ok().and_then(|known| known.get(&key).cloned()) {
            return known;
        }
        let outcome = Arc::new(self.negotiate(binding, client, name, &mut Trace::default()));
        if let Ok(mut known) = self.outcomes.lock() {
            known.insert(key, Arc::clone(&outcome));
        }
        outcome
    }

    /// Where a setting that a handshake ends at is written, or the block for which its default holds.
    pub fn place(&self, binding: &Binding, decisive: Decisive) -> Option<Span> {
        let policy = self.deployment.policy(binding.after_name);
        let site = self.deployment.site(binding.site);
        fn of<T>(setting: &Setting<T>, head: Span) -> Span {
            if setting.origin.kind == OriginKind::Default { head } else { setting.origin.place }
        }
        let command = |names: &[&str]| {
            let commands = policy.commands.get()?;
            let found =
                commands.iter().rev().find(|one| names.iter().any(|name| one.name.text.eq_ignore_ascii_case(name)));
            found.map(|one| one.value.span)
        };
        Some(match decisive {
            Decisive::Nothing => return None,
            Decisive::Protocols => {
                command(&["MinProtocol", "MaxProtocol", "Protocol"]).unwrap_or_else(|| of(&policy.protocols, site.head))
            }
            Decisive::Ciphers => command(&["CipherString"]).unwrap_or_else(|| of(&policy.ciphers, site.head)),
            Decisive::Ciphersuites => command(&["Ciphersuites"]).unwrap_or_else(|| of(&policy.ciphersuites, site.head)),
            Decisive::Groups => command(&["Groups", "Curves"]).unwrap_or_else(|| of(&policy.groups, site.head)),
            Decisive::ClientVerification => of(&policy.client_verification, site.head),
            Decisive::Alpn => of(&policy.alpn, site.head),
            Decisive::Credentials => {
                let pair = self.deployment.credentials(binding.credentials).pairs.first();
                pair.map_or(site.head, |pair| pair.certificate.origin.place)
            }
            Decisive::Site => site.rejects.origin.written().unwrap_or(site.head),
        })
    }

    /// What is sent to a client that agreed, leaf first; empty for anonymous suites.
    pub fn sent<'h>(&'h self, handshake: &'h Handshake) -> &'h [Arc<Certificate>] {
        let pair = handshake.agreed().and_then(|agreed| agreed.pair);
        let Some((id, pair)) = handshake.credentials.zip(pair) else { return &[] };
        match self.library_kind() {
            TlsLibraryKind::Go => self.candidates(id).pair(pair).map_or(&[], |one| &one.chain[..]),
            _ => {
                let slots = handshake.loaded.as_deref().unwrap_or_else(|| self.slots(id));
                slots.pair(pair).map_or(&[], |slot| &slot.chain[..])
            }
        }
    }

    /// What a client objects to in what it is sent beyond what OpenSSL does. `all_is_public`: all anchors count as publicly
    /// trusted.
    pub fn objections(
        &self,
        handshake: &Handshake,
        client: &Client,
        verdict: &Verdict,
        all_is_public: bool,
    ) -> Vec<Objection> {
        let (Some(agreed), Some(leaf)) = (handshake.agreed(), self.sent(handshake).first()) else { return Vec::new() };
        let policy = handshake.site.map(|site| self.deployment.policy(self.deployment.site(site).policy));
        let stapling = policy.and_then(|policy| policy.stapling.get());
        objections(client, leaf, verdict, Answering { agreed, server: self.deployment.server, stapling, all_is_public })
    }

    /// The client's own verdict on what it is sent.
    pub fn verdict(&self, handshake: &Handshake, host: &str, client: &Client, anchors: &Anchors, now: i64) -> Verdict {
        let sent = self.sent(handshake);
        let host = host.trim_matches(['[', ']']);
        let verifier =
            Verifier { anchors, now, host: Some(host), security_level: client.level, cn_fallback: client.cn_fallback };
        let verdict = verifier.verify(sent);
        let breaks_off = verdict.any(VerifyError::is_incomplete);
        if !client.fetches_intermediates || !breaks_off {
            return verdict;
        }
        self.fetched(sent, &verifier).unwrap_or(verdict)
    }

    /// The verdict of a client that fetches what is missing, where what it would fetch is at hand.
    fn fetched(&self, sent: &[Arc<Certificate>], verifier: &Verifier<'_>) -> Option<Verdict> {
        let mut whole: Vec<Arc<Certificate>> = sent.to_vec();
        for _ in 0..10 {
            let last = whole.last()?;
            if last.issuer_urls.is_empty() {
                break;
            }
            let issuers = self.library.iter().flat_map(|file| file.certificates().map(|(_, one)| one));
            let Some(issuer) = issuers.into_iter().find(|one| last.is_issued_by(one)).cloned() else { break };
            if whole.iter().any(|known| known.sha256 == issuer.sha256) {
                break;
            }
            whole.push(issuer);
        }
        (whole.len() > sent.len()).then(|| verifier.verify(&whole))
    }
}

/// The name that a client says: none for an address, lower case, without a dot at the end.
pub fn sent_name(host: &str, names: bool) -> String {
    let is_address = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    if names && !is_address { host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase() } else { String::new() }
}

fn plain() -> Cause {
    Cause {
        stage: Stage::Connect,
        code: "plain-http",
        message: "this socket answers plain HTTP: a client that speaks TLS fails at once (wrong version number)".into(),
        decisive: Decisive::Nothing,
    }
}
