//! Two configurations held against each other: what the change means for clients.
//!
//! Both are asked alike, through the prediction: the same addresses, names and clients. Who moves a text into an include,
//! puts it in another order, inherits instead of repeating or writes a default down changes nothing here. Servers and
//! platforms may differ.

mod address;
mod answer;
mod certificate;
mod client;
mod drift;
mod finding;
mod probe;
mod request;
mod sample;
mod setting;
mod side;
mod upstream;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use rayon::prelude::*;

use self::address::{Carrier, Place};
use self::answer::Sockets;
pub use self::client::Asked;
use self::client::{ClientPair, End};
pub use self::drift::{Drift, Effect, Kind};
pub use self::finding::{Findings, SiteIndex, Unmatched, unmatched};
use self::probe::Probe;
use self::side::Answer;
pub use self::side::ServerSide;
use crate::lint::is_host;
use crate::model::{Endpoint, Transport};
use crate::source::Span;

/// What came of a comparison.
#[derive(Clone, Debug, Default)]
pub struct Compared {
    /// What changed: by name, the worst first.
    pub drifts: Vec<Drift>,
    /// What could not be compared, with the reason: kind, reason, name.
    pub unjudged: Vec<(&'static str, String, Option<String>)>,
    /// How many names were asked for.
    pub hosts: usize,
}

impl Compared {
    /// The verdict as a whole; absent where nothing changed. What the user meant does not count.
    pub fn verdict(&self) -> Option<Effect> {
        let all = || self.drifts.iter().filter(|drift| !drift.allowed).map(|drift| drift.effect);
        all().max().or_else(|| (!self.drifts.is_empty()).then_some(Effect::Neutral))
    }
}

/// What is found at one address under one name.
#[derive(Default)]
struct Found {
    drifts: Vec<Drift>,
    unjudged: Vec<(&'static str, String, Option<String>)>,
}

/// Compares two configurations.
pub fn compare(
    old: &ServerSide<'_>,
    new: &ServerSide<'_>,
    grounds: (&SiteIndex, &SiteIndex),
    asked: &Asked<'_>,
) -> Compared {
    let mut compared = Compared::default();
    let findings = (
        Findings { sources: old.scope.sources, ground: grounds.0, all: old.findings },
        Findings { sources: new.scope.sources, ground: grounds.1, all: new.findings },
    );
    compared.drifts.extend(start(old, new));
    compared.drifts.extend(finding::compare(&findings.0, &findings.1));
    // Files that a server refuses serve nobody: what they would mean is no comparison.
    if new.starts != Some(false) {
        let comparison = Comparison { old, new, asked, starts: old.starts != Some(false) };
        comparison.run(&mut compared);
    }
    compared.drifts = merged(compared.drifts);
    let mut seen = HashSet::new();
    compared.unjudged.retain(|one| seen.insert(one.clone()));
    compared
}

/// Whether the server starts.
fn start(old: &ServerSide<'_>, new: &ServerSide<'_>) -> Option<Drift> {
    let cause = |side: &ServerSide<'_>| {
        let stops = side.findings.iter().find(|finding| finding.stops);
        let words = stops.map_or(String::new(), |finding| format!(": {}", finding.message));
        (words, stops.map(|finding| finding.primary.span))
    };
    match (old.starts, new.starts) {
        (Some(true) | None, Some(false)) => {
            let (words, at) = cause(new);
            let title = new.scope.deployment.server.title();
            let message = format!("{title} does not start with the new configuration: no client can connect{words}");
            let effect = if old.starts.is_some() { Effect::Worse } else { Effect::Unknown };
            Some(Drift::new(Kind::StartLost, effect, message).at(None, at))
        }
        (Some(false), Some(true) | None) => {
            let (words, at) = cause(old);
            let title = old.scope.deployment.server.title();
            let message = format!("{title} starts with the new configuration; with the old one it did not{words}");
            let effect = if new.starts.is_some() { Effect::Better } else { Effect::Unknown };
            Some(Drift::new(Kind::StartRegained, effect, message).at(at, None))
        }
        _ => None,
    }
}

/// What is compared with what.
struct Comparison<'a, 's> {
    old: &'s ServerSide<'a>,
    new: &'s ServerSide<'a>,
    asked: &'s Asked<'s>,
    /// Whether the old server would start, so that clients could connect at all.
    starts: bool,
}

/// One address with the names to ask for there.
struct Stop<'a> {
    place: Place,
    old: Option<&'a Endpoint>,
    new: Option<&'a Endpoint>,
    probes: Vec<Probe>,
}

impl<'a> Comparison<'a, '_> {
    fn run(&self, compared: &mut Compared) {
        let mut probes: HashMap<u16, Vec<Probe>> = HashMap::new();
        let mut stops = Vec::new();
        for place in address::all(self.old.scope.deployment, self.new.scope.deployment) {
            let (old, new) = (self.old.socket(&place), self.new.socket(&place));
            let port = place.listen.port;
            let known = probes.entry(port).or_insert_with(|| {
                let written = [self.old, self.new].into_iter().filter_map(|side| side.names(port));
                let all: BTreeSet<Probe> = written.flat_map(|names| names.written.keys().cloned()).collect();
                all.into_iter().collect()
            });
            stops.push(Stop { place, old, new, probes: known.clone() });
        }
        for port in probes.keys() {
            compared.drifts.extend(answer::patterns(self.old.names(*port), self.new.names(*port)));
            compared.unjudged.extend(answer::sampled(self.old.names(*port), self.new.names(*port)));
        }
        let hosts: HashSet<&str> = probes.values().flatten().map(|probe| probe.shown.as_str()).collect();
        compared.hosts = hosts.len();
        let work: Vec<(&Stop<'_>, Option<&Probe>)> = stops
            .iter()
            .flat_map(|stop| stop.probes.iter().map(move |probe| (stop, Some(probe))).chain([(stop, None)]))
            .collect();
        let found: Vec<Found> = work.par_iter().map(|(stop, probe)| self.visit(stop, *probe, &hosts)).collect();
        for one in found {
            compared.drifts.extend(one.drifts);
            compared.unjudged.extend(one.unjudged);
        }
        compared.drifts.extend(upstream::compare(self.old, self.new));
        if self.old.scope.deployment.fragment || self.new.scope.deployment.fragment {
            let reason = "a part of a configuration was given: what the rest says is not known";
            compared.unjudged.push(("configuration", reason.to_owned(), None));
        }
    }

    /// Asks for one name at one address, or for one that nobody has.
    fn visit(&self, stop: &Stop<'a>, probe: Option<&Probe>, hosts: &HashSet<&str>) -> Found {
        let mut found = match (stop.old, stop.new) {
            (Some(old), Some(new)) => self.both(stop, old, new, probe, hosts),
            (Some(old), None) => self.one(stop, old, probe, true),
            (None, Some(new)) => self.one(stop, new, probe, false),
            (None, None) => Found::default(),
        };
        for drift in &mut found.drifts {
            drift.listens.push(stop.place.shown());
        }
        found
    }

    /// A socket that one side alone has. Names that its sites have say who is hit; without any, the socket itself does.
    fn one(&self, stop: &Stop<'a>, socket: &'a Endpoint, probe: Option<&Probe>, is_lost: bool) -> Found {
        let side = if is_lost { self.old } else { self.new };
        let place = stop.place.shown();
        let kind = if is_lost { Kind::SocketLost } else { Kind::SocketGained };
        let speaks = if socket.transport == Transport::Plain { "plain text" } else { "TLS" };
        let words = match is_lost {
            true => format!("nothing listens on {place} any longer: connections to it are refused"),
            false => format!("something listens on {place} now, and speaks {speaks}"),
        };
        // Clients find another way where QUIC is gone.
        let is_stream = stop.place.carrier == Carrier::Stream;
        let effect = match (is_lost, is_stream, socket.transport) {
            (_, false, _) | (false, _, Transport::Plain | Transport::Unknown) => Effect::Neutral,
            (true, ..) => Effect::Worse,
            (false, ..) => Effect::Better,
        };
        let is_served = |probe: &&Probe| matches!(side.answer(socket, &probe.name), Answer::Named(_));
        let drift = Drift::new(kind, effect, words);
        let at = |span: Option<Span>| if is_lost { (span, None) } else { (None, span) };
        let (old, new) = at(side.listen(socket));
        let drift = drift.at(old, new);
        let drift = match probe {
            Some(probe) if is_served(&probe) => Some(drift.host(&*probe.shown)),
            Some(_) => None,
            None => (!stop.probes.iter().any(|probe| is_served(&probe))).then_some(drift),
        };
        Found { drifts: drift.into_iter().collect(), unjudged: Vec::new() }
    }

    /// A socket that both sides have.
    fn both(
        &self,
        stop: &Stop<'a>,
        old: &'a Endpoint,
        new: &'a Endpoint,
        probe: Option<&Probe>,
        hosts: &HashSet<&str>,
    ) -> Found {
        let mut found = Found::default();
        let sockets = Sockets { old: self.old, new: self.new, old_socket: old, new_socket: new };
        let nobody = Probe { name: probe::UNKNOWN.to_owned(), shown: String::new() };
        let asked = probe.unwrap_or(&nobody);
        let end = |side, socket: &'a Endpoint| {
            let answer = ServerSide::answer(side, socket, &asked.name);
            (End { side, socket, binding: answer.binding() }, answer)
        };
        let (before, was) = end(self.old, old);
        let (now, is) = end(self.new, new);
        let is_named = |answer: Answer<'_>| matches!(answer, Answer::Named(_));
        // A name that nobody here has is asked for as one that no site has.
        if probe.is_some() && !is_named(was) && !is_named(is) {
            return found;
        }
        match (old.transport, new.transport) {
            (Transport::Tls, Transport::Tls) => {}
            (Transport::Plain, Transport::Plain) => {
                found.drifts.extend(probe.and_then(|probe| sockets.name(probe)));
                if is_named(was) == is_named(is) && (probe.is_some() || stop.probes.is_empty()) {
                    let drift = request::redirect(before, now);
                    found.drifts.extend(drift.map(|drift| name(drift, probe)));
                }
                return found;
            }
            (Transport::Quic, Transport::Quic) => return found,
            (Transport::Unknown, _) | (_, Transport::Unknown) => {
                let reason = format!("what {} speaks cannot be told", stop.place.shown());
                found.unjudged.push(("socket", reason, None));
                return found;
            }
            (before, now) => {
                let has_names = stop.probes.iter().any(|probe| is_named(self.old.answer(old, &probe.name)));
                if probe.is_none() && has_names {
                    return found;
                }
                found.drifts.extend(turned(stop, sockets, before, now).map(|drift| name(drift, probe)));
                return found;
            }
        }
        match probe {
            Some(probe) => found.drifts.extend(sockets.name(probe)),
            None => found.drifts.extend(sockets.default()),
        }
        // Who refuses names that nobody has has said all.
        if probe.is_none() && found.drifts.iter().any(|drift| drift.effect != Effect::Neutral) {
            return found;
        }
        // What holds for names that nobody has is of interest where clients come without any other.
        let is_catch_all = || {
            let names = |end: End<'_, '_>| {
                end.binding
                    .is_some_and(|one| !end.side.site(one.site).names.iter().any(|name| is_host(&name.token.text)))
            };
            names(before) || names(now)
        };
        if probe.is_none() && !is_catch_all() {
            return found;
        }
        let named = probe.map(|probe| probe.shown.clone());
        let settings = match (was, is) {
            // Who serves a name for the first time had nothing to compare with.
            (Answer::Named(_), Answer::Named(_)) | (Answer::Default(_), Answer::Default(_)) => {
                setting::compare(before, now)
            }
            _ => setting::Settings::default(),
        };
        let same_protocols = settings.same_protocols;
        found.drifts.extend(settings.drifts.into_iter().map(|drift| name(drift, probe)));
        found.unjudged.extend(settings.unjudged.into_iter().map(|(what, why)| (what, why, named.clone())));
        if matches!((was, is), (Answer::Named(_), Answer::Named(_)) | (Answer::Default(_), Answer::Default(_))) {
            let (drifts, unknown) = certificate::compare(before, now, asked, hosts, self.asked);
            found.drifts.extend(drifts.into_iter().map(|drift| name(drift, probe)));
            found.unjudged.extend(unknown.map(|why| ("certificate", why, named.clone())));
            found.drifts.extend(request::strict_transport(before, now).map(|drift| name(drift, probe)));
        }
        if self.starts {
            let checks_name = probe.is_some();
            let meeting = ClientPair { old: before, new: now, probe: asked, checks_name, same_protocols };
            found.drifts.extend(meeting.clients(self.asked).into_iter().map(|drift| name(drift, probe)));
        }
        found
    }
}

fn name(drift: Drift, probe: Option<&Probe>) -> Drift {
    match probe {
        Some(probe) => drift.host(&*probe.shown),
        None => drift,
    }
}

/// A socket that speaks TLS on one side alone.
fn turned(stop: &Stop<'_>, sockets: Sockets<'_, '_>, before: Transport, now: Transport) -> Option<Drift> {
    let place = stop.place.shown();
    let drift = match (before, now) {
        (Transport::Tls, Transport::Plain) => {
            let words = format!("{place} answers plain HTTP now: every client that speaks TLS fails");
            Drift::new(Kind::TlsLost, Effect::Worse, words)
        }
        (Transport::Plain, Transport::Tls) => {
            let words = format!("{place} speaks TLS now; before it answered plain HTTP");
            let effect = if stop.place.listen.port == 80 { Effect::Worse } else { Effect::Better };
            Drift::new(Kind::TlsGained, effect, words)
        }
        _ => return None,
    };
    Some(drift.at(sockets.old.listen(sockets.old_socket), sockets.new.listen(sockets.new_socket)))
}

/// One change that shows at several addresses is one. Sorted: by name, those that are hit worst first.
fn merged(drifts: Vec<Drift>) -> Vec<Drift> {
    type Key = (Kind, Effect, Option<String>, String);
    let mut index: HashMap<Key, usize> = HashMap::new();
    let mut all: Vec<Drift> = Vec::new();
    for drift in drifts {
        let key = (drift.kind, drift.effect, drift.host.clone(), drift.message.clone());
        match index.get(&key) {
            Some(at) => {
                let known = &mut all[*at];
                let fresh: Vec<String> = drift.listens.into_iter().filter(|one| !known.listens.contains(one)).collect();
                known.listens.extend(fresh);
            }
            None => {
                index.insert(key, all.len());
                all.push(drift);
            }
        }
    }
    let mut worst: BTreeMap<Option<String>, Effect> = BTreeMap::new();
    for drift in &all {
        let known = worst.entry(drift.host.clone()).or_insert(drift.effect);
        *known = (*known).max(drift.effect);
    }
    all.sort_by(|one, other| {
        let rank = |drift: &Drift| std::cmp::Reverse(worst[&drift.host]);
        (rank(one), &one.host, std::cmp::Reverse(one.effect), one.kind).cmp(&(
            rank(other),
            &other.host,
            std::cmp::Reverse(other.effect),
            other.kind,
        ))
    });
    all
}
