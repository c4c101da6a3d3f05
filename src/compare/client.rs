//! Which clients get through, and what they negotiate.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::drift::{Drift, Effect, Kind};
use super::probe::Probe;
use super::side::ServerSide;
use crate::handshake::{Agreed, Client, Decisive, Handshake, Objection, Outcome, hangs_on_answer};
use crate::model::{Binding, Endpoint};
use crate::pki::VerifyError;
use crate::source::Span;
use crate::tls::Protocol;
use crate::tls::cipher::{CipherSuite, Encryption};

/// Who is asked.
pub struct Asked<'q> {
    /// The clients.
    pub clients: &'q [Client],
    /// Those that must not be lost, however old they are: named by the user, or required; as long as `clients`.
    pub kept: &'q [bool],
    /// Whether the user named what clients trust.
    pub trust_is_given: bool,
}

/// How many clients a message names.
const NAMED: usize = 2;

/// A socket of one side, and who answers there.
#[derive(Clone, Copy)]
pub struct End<'a, 's> {
    /// The side.
    pub side: &'s ServerSide<'a>,
    /// The socket.
    pub socket: &'a Endpoint,
    /// What answers to the name; absent where nothing does.
    pub binding: Option<&'a Binding>,
}

/// One name at one address on both sides.
pub struct ClientPair<'a, 's> {
    /// The old side.
    pub old: End<'a, 's>,
    /// The new side.
    pub new: End<'a, 's>,
    /// The name.
    pub probe: &'s Probe,
    /// Whether certificates must have the name: not so where it stands for any.
    pub checks_name: bool,
    /// Whether both sides offer the same versions, so that a weaker handshake has no such reason.
    pub same_protocols: bool,
}

/// What a client gets on one side.
struct Met {
    handshake: Handshake,
    /// What it holds against the certificate, where it came so far.
    errors: Vec<VerifyError>,
    /// What it refuses that OpenSSL takes.
    objections: Vec<Objection>,
}

impl Met {
    /// Whether it gets through. Absent where that cannot be told. `is_lenient`: an authority that nobody named may well be one
    /// that it knows.
    fn connects(&self, is_lenient: bool) -> Option<bool> {
        match &*self.handshake.outcome {
            Outcome::Agreed(_) => {
                let is_trusted = self.errors.iter().all(|error| is_lenient && error.is_mended_by_an_anchor());
                Some(is_trusted && self.objections.is_empty())
            }
            Outcome::Failed(_) => Some(false),
            Outcome::Unknown(_) => None,
        }
    }

    /// Why it does not get through: a few words that are the same for clients that fare alike, and the exact ones.
    fn reason(&self) -> (String, String) {
        match self.handshake.cause() {
            Some(cause) => (cause.code.replace('-', " "), cause.message.clone()),
            None => {
                let names = || self.errors.iter().map(|error| error.text().to_owned());
                let brief = names().chain(self.objections.iter().map(|one| one.code.replace('-', " ")));
                let exact = names().chain(self.objections.iter().map(|one| one.message.to_owned()));
                (brief.collect::<Vec<_>>().join(", "), exact.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// Which setting its fate hangs on.
    fn decisive(&self) -> Decisive {
        self.handshake.cause().map_or(Decisive::Credentials, |cause| cause.decisive)
    }
}

/// Clients that fare alike.
struct Group {
    exact: String,
    before: String,
    at: (Option<Span>, Option<Span>),
    clients: Vec<Arc<str>>,
}

impl ClientPair<'_, '_> {
    /// What became of each client, those that fare alike together.
    pub fn clients(&self, asked: &Asked<'_>) -> Vec<Drift> {
        let mut groups: BTreeMap<(Kind, Effect, String), Group> = BTreeMap::new();
        let mut connected = [0, 0];
        for (order, client) in asked.clients.iter().enumerate() {
            let old = self.old.side.scope.predictor.handshake(self.old.socket, &self.probe.name, client);
            let new = self.new.side.scope.predictor.handshake(self.new.socket, &self.probe.name, client);
            connected[0] += usize::from(old.agreed().is_some());
            connected[1] += usize::from(new.agreed().is_some());
            if let Some((key, group)) = self.fate(asked, order, old, new) {
                groups.entry(key).or_insert(group).clients.push(Arc::clone(&client.name));
            }
        }
        let drift = |((kind, effect, reason), group)| self.drift(kind, effect, reason, group, connected);
        groups.into_iter().map(drift).collect()
    }

    /// What became of one client, where anything did.
    fn fate(
        &self,
        asked: &Asked<'_>,
        order: usize,
        old: Handshake,
        new: Handshake,
    ) -> Option<((Kind, Effect, String), Group)> {
        let client = &asked.clients[order];
        if let (Some(was), Some(is)) = (old.agreed(), new.agreed())
            && self.sends_the_same(&old, &new)
            && !self.new.side.scope.predictor.sent(&new).first().is_some_and(|leaf| hangs_on_answer(leaf))
        {
            return self.strength(was, is);
        }
        let old = self.met(self.old.side, old, client, order);
        let new = self.met(self.new.side, new, client, order);
        let is_flawless =
            |met: &Met| met.handshake.agreed().is_some() && met.errors.is_empty() && met.objections.is_empty();
        // A store that one side is known by is the right one.
        let is_lenient = !asked.trust_is_given && !is_flawless(&old) && !is_flawless(&new);
        let shown = |met: &Met| met.handshake.agreed().map_or(String::new(), brief);
        let group = |exact: String, before: String, decisive: Decisive| Group {
            exact,
            before,
            at: (self.place(self.old, decisive), self.place(self.new, decisive)),
            clients: Vec::new(),
        };
        // Who speaks only what is forbidden, or does not say the name that a server wants to hear, is the price of its being
        // strict.
        let is_spared = |through: &Met, refused: &Met| {
            let is_forbidden = || through.handshake.agreed().is_some_and(is_forbidden);
            let is_refused = || refused.handshake.cause().is_some_and(|cause| cause.code == "name-rejected");
            client.is_old && !asked.kept[order] && (is_forbidden() || is_refused())
        };
        match (old.connects(is_lenient), new.connects(is_lenient)) {
            (Some(true), Some(false)) => {
                let (reason, exact) = new.reason();
                let is_price = is_spared(&old, &new);
                let effect = if is_price { Effect::Neutral } else { Effect::Worse };
                Some(((Kind::ClientLost, effect, reason), group(exact, shown(&old), new.decisive())))
            }
            (Some(false), Some(true)) => {
                let (reason, exact) = old.reason();
                let is_price = is_spared(&new, &old);
                let effect = if is_price { Effect::Neutral } else { Effect::Better };
                Some(((Kind::ClientGained, effect, reason), group(exact, shown(&new), old.decisive())))
            }
            (Some(_), None) => {
                let (reason, exact) = new.reason();
                let words = (format!("now {reason}"), format!("now {exact}"));
                Some(((Kind::ClientUnknown, Effect::Unknown, words.0), group(words.1, shown(&old), new.decisive())))
            }
            (None, Some(_)) => {
                let (reason, exact) = old.reason();
                let words = (format!("before {reason}"), format!("before {exact}"));
                Some(((Kind::ClientUnknown, Effect::Unknown, words.0), group(words.1, shown(&new), old.decisive())))
            }
            (Some(true), Some(true)) => self.strength(old.handshake.agreed()?, new.handshake.agreed()?),
            _ => None,
        }
    }

    fn met(&self, side: &ServerSide<'_>, handshake: Handshake, client: &Client, order: usize) -> Met {
        let (mut errors, mut objections) = (Vec::new(), Vec::new());
        if handshake.agreed().is_some() && !side.scope.predictor.sent(&handshake).is_empty() {
            let verdict = side.verdict(&handshake, &self.probe.name, client, order);
            let all_is_public = side.scope.trust_is_public;
            objections = side.scope.predictor.objections(&handshake, client, &verdict, all_is_public);
            errors.extend(verdict.errors.iter().map(|fault| fault.error));
            errors.retain(|error| self.checks_name || !error.is_name_mismatch());
            errors.dedup();
        }
        Met { handshake, errors, objections }
    }

    /// Whether a client is shown the very same certificates.
    fn sends_the_same(&self, old: &Handshake, new: &Handshake) -> bool {
        let old = self.old.side.scope.predictor.sent(old);
        let new = self.new.side.scope.predictor.sent(new);
        old.len() == new.len() && old.iter().zip(new).all(|(one, other)| one.sha256 == other.sha256)
    }

    /// Whether what is negotiated became weaker or stronger, for another reason than that a version is gone or new.
    fn strength(&self, was: &Agreed, is: &Agreed) -> Option<((Kind, Effect, String), Group)> {
        let (before, now) = (rank(was), rank(is));
        if before == now || !self.same_protocols {
            return None;
        }
        let kind = if now < before { Kind::HandshakeWeakened } else { Kind::HandshakeStrengthened };
        let effect = if now < before { Effect::Worse } else { Effect::Better };
        let reason = brief(is);
        let at = (self.place(self.old, Decisive::Ciphers), self.place(self.new, Decisive::Ciphers));
        let group = Group { exact: reason.clone(), before: brief(was), at, clients: Vec::new() };
        Some(((kind, effect, reason), group))
    }

    /// Where a side says what a handshake hangs on.
    fn place(&self, end: End<'_, '_>, decisive: Decisive) -> Option<Span> {
        let by_setting = end.binding.and_then(|binding| end.side.scope.predictor.place(binding, decisive));
        let by_name = || end.binding.map(|binding| end.side.word(binding.site, &self.probe.name));
        by_setting.or_else(by_name).or_else(|| end.side.listen(end.socket))
    }

    fn drift(&self, kind: Kind, effect: Effect, reason: String, group: Group, connected: [usize; 2]) -> Drift {
        let is_one = group.clients.len() == 1;
        let is_all = group.clients.len() > NAMED + 1;
        let who = match kind {
            Kind::ClientLost if is_all && group.clients.len() == connected[0] => "every client".to_owned(),
            Kind::ClientGained if is_all && group.clients.len() == connected[1] => "every client".to_owned(),
            _ => listed(&group.clients),
        };
        let reason = if is_one { group.exact } else { reason };
        // What each of several negotiates may differ.
        let before = if is_one && !group.before.is_empty() { format!(" ({})", group.before) } else { String::new() };
        let message = match kind {
            Kind::ClientLost => format!("{who} could connect{before} and no longer can: {reason}"),
            Kind::ClientGained => format!("{who} can connect now{before}; before: {reason}"),
            Kind::ClientUnknown => format!("whether {who} can connect cannot be told: {reason}"),
            _ => format!("{who} now negotiate{} {reason}; before {}", if is_one { "s" } else { "" }, group.before),
        };
        let mut drift = Drift::new(kind, effect, message).at(group.at.0, group.at.1);
        drift.clients = group.clients.iter().map(ToString::to_string).collect();
        drift
    }
}

/// A few names, and how many more.
fn listed(clients: &[Arc<str>]) -> String {
    match clients {
        [] => "no client".to_owned(),
        [one] => one.to_string(),
        [all @ .., last] if clients.len() <= NAMED + 1 => format!("{} and {last}", all.join(", ")),
        all => format!("{} and {} more", all[..NAMED].join(", "), all.len() - NAMED),
    }
}

fn brief(agreed: &Agreed) -> String {
    format!("{}, {}", agreed.protocol, agreed.cipher)
}

/// Whether what is negotiated is what current standards forbid, so that losing it is the aim.
fn is_forbidden(agreed: &Agreed) -> bool {
    agreed.protocol.is_deprecated() || CipherSuite::named(agreed.cipher).is_some_and(CipherSuite::is_broken)
}

/// How good a handshake is: the version, forward secrecy, authenticated encryption, nothing that is broken.
fn rank(agreed: &Agreed) -> (Protocol, bool, bool, bool) {
    match CipherSuite::named(agreed.cipher).filter(|_| agreed.protocol < Protocol::Tls13) {
        Some(suite) => (
            agreed.protocol,
            !suite.is_broken(),
            suite.has_forward_secrecy(),
            suite.encryption() == Encryption::Authenticated,
        ),
        None => (agreed.protocol, true, true, true),
    }
}
