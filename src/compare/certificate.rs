//! Which certificates are served under a name: whether another one is, and in what it differs.

use std::collections::HashSet;
use std::sync::Arc;

use super::client::{Asked, End};
use super::drift::{Drift, Effect, Kind};
use super::probe::Probe;
use crate::handshake::sent_name;
use crate::model::{Authority, Managed};
use crate::pki::Certificate;
use crate::source::{ReadError, Span};

/// Security of a key below which clients of today refuse it, in bits (SP 800-57: RSA 2048 has 112).
const STRONG: u32 = 112;
/// How many names a message lists.
const LISTED: usize = 3;
const DAY: i64 = 86_400;

/// A certificate that a block serves, and the word that names its file.
struct Served {
    leaf: Arc<Certificate>,
    at: Span,
}

/// What a block serves.
enum Set<'a> {
    Files(Vec<Served>),
    /// What the server gets by itself.
    Managed(&'a Managed),
    /// A file cannot be read.
    Unknown(String),
}

fn set<'a>(end: End<'a, '_>, probe: &Probe) -> Set<'a> {
    let Some(binding) = end.binding else { return Set::Files(Vec::new()) };
    let deployment = end.side.scope.deployment;
    let name = sent_name(&probe.name, true);
    let mut found = Vec::new();
    for pair in &deployment.credentials(binding.credentials).pairs {
        let Some(path) = pair.certificate_for(&name) else { continue };
        match end.side.scope.library.get(&path) {
            Some(Ok(file)) => {
                let leaf = file.leaf_of(end.side.scope.key(pair)).cloned();
                found.extend(leaf.map(|leaf| Served { leaf, at: pair.certificate.origin.place }));
            }
            Some(Err(error)) if error.is_hidden() => {
                return Set::Unknown(ReadError::hidden(error, &path.display().to_string()));
            }
            _ => {}
        }
    }
    match deployment.managed.get(&binding.credentials) {
        Some(managed) if found.is_empty() => Set::Managed(managed),
        _ => Set::Files(found),
    }
}

/// What became of the certificates under a name, and what could not be compared. `hosts` are all exact names of both sides.
pub fn compare(
    old: End<'_, '_>,
    new: End<'_, '_>,
    probe: &Probe,
    hosts: &HashSet<&str>,
    asked: &Asked<'_>,
) -> (Vec<Drift>, Option<String>) {
    let (before, now) = match (set(old, probe), set(new, probe)) {
        (Set::Unknown(reason), _) | (_, Set::Unknown(reason)) => return (Vec::new(), Some(reason)),
        (Set::Files(before), Set::Files(now)) => (before, now),
        (Set::Managed(before), Set::Managed(now)) => return (managed(old, new, before, now), None),
        (Set::Files(before), Set::Managed(now)) => {
            let Some(first) = before.first() else { return (Vec::new(), None) };
            let words = format!(
                "the server gets the certificate by itself now ({}); before it was {}",
                signer(now),
                first.leaf.short_name()
            );
            let drift = Drift::new(Kind::CertificateReplaced, Effect::Neutral, words);
            return (vec![drift.at(Some(first.at), head(new))], None);
        }
        (Set::Managed(before), Set::Files(now)) => {
            let Some(first) = now.first() else { return (Vec::new(), None) };
            let words = format!(
                "the certificate is {} now; before the server got it by itself ({})",
                first.leaf.short_name(),
                signer(before)
            );
            let drift = Drift::new(Kind::CertificateReplaced, Effect::Neutral, words);
            return (vec![drift.at(head(old), Some(first.at))], None);
        }
    };
    let is_in = |all: &[Served], one: &Served| all.iter().any(|other| other.leaf.sha256 == one.leaf.sha256);
    let lost: Vec<&Served> = before.iter().filter(|one| !is_in(&now, one)).collect();
    let gained: Vec<&Served> = now.iter().filter(|one| !is_in(&before, one)).collect();
    let mut drifts = Vec::new();
    let mut fresh = gained.clone();
    for one in &lost {
        let same = |other: &&Served| other.leaf.key.kind.same_type(&one.leaf.key.kind);
        let at = fresh.iter().position(same).or_else(|| (!fresh.is_empty()).then_some(0));
        match at {
            Some(at) => {
                let other = fresh.remove(at);
                let (effect, words) = differences(&one.leaf, &other.leaf, hosts, new.side.scope.now);
                drifts.push(Drift::new(Kind::CertificateReplaced, effect, words).at(Some(one.at), Some(other.at)));
            }
            None => {
                let words = format!(
                    "the {} certificate {} is no longer served",
                    one.leaf.key.kind.name(),
                    one.leaf.short_name()
                );
                let effect = if now.is_empty() { Effect::Worse } else { Effect::Neutral };
                drifts.push(
                    Drift::new(Kind::CertificateReplaced, effect, words)
                        .at(Some(one.at), now.first().map(|one| one.at)),
                );
            }
        }
    }
    for one in fresh {
        let words = format!(
            "the {} certificate {} is served beside the other",
            one.leaf.key.kind.name(),
            one.leaf.short_name()
        );
        let effect = if before.is_empty() { Effect::Better } else { Effect::Neutral };
        drifts.push(
            Drift::new(Kind::CertificateReplaced, effect, words).at(before.first().map(|one| one.at), Some(one.at)),
        );
    }
    if lost.is_empty() && gained.is_empty() {
        drifts.extend(chain(old, new, probe, asked, &before, &now));
    }
    (drifts, None)
}

fn head(end: End<'_, '_>) -> Option<Span> {
    end.binding.map(|binding| end.side.site(binding.site).head)
}

fn signer(managed: &Managed) -> String {
    match &managed.authority {
        Authority::Internal => "of its internal authority".to_owned(),
        Authority::Public => "of a public authority".to_owned(),
        Authority::Acme(url) => format!("of {}", url.text),
        Authority::Other(module) => format!("of {module}"),
    }
}

fn managed(old: End<'_, '_>, new: End<'_, '_>, before: &Managed, now: &Managed) -> Vec<Drift> {
    let mut drifts = Vec::new();
    let same = match (&before.authority, &now.authority) {
        (Authority::Acme(one), Authority::Acme(other)) => one.text == other.text,
        (one, other) => one == other,
    };
    if !same {
        let effect = match (before.is_public_authority, now.is_public_authority) {
            (true, false) => Effect::Worse,
            (false, true) => Effect::Better,
            _ => Effect::Neutral,
        };
        let words =
            format!("the server gets its certificate by itself: now {}, before {}", signer(now), signer(before));
        drifts.push(Drift::new(Kind::CertificateReplaced, effect, words).at(head(old), head(new)));
    }
    if before.key_type != now.key_type {
        let words = format!(
            "the key of the certificate that the server gets is {} now; before {}",
            now.key_type, before.key_type
        );
        drifts.push(Drift::new(Kind::CertificateReplaced, Effect::Neutral, words).at(head(old), head(new)));
    }
    drifts
}

/// In what two certificates differ.
fn differences(before: &Certificate, now: &Certificate, hosts: &HashSet<&str>, at: i64) -> (Effect, String) {
    let mut words = Vec::new();
    let (mut worse, mut better) = (false, false);
    let same_key = before.key.bytes == now.key.bytes;
    words.push(match same_key {
        true => "the same key".to_owned(),
        false if before.key.kind == now.key.kind && before.key.bits == now.key.bits => "a new key".to_owned(),
        false => format!("a key {} instead of {}", key(now), key(before)),
    });
    let weakens = now.key.security_bits() < STRONG && now.key.security_bits() < before.key.security_bits();
    let strengthens = before.key.security_bits() < STRONG && now.key.security_bits() > before.key.security_bits();
    worse |= weakens;
    better |= strengthens;
    let names =
        |one: &Certificate| -> Vec<String> { one.names().iter().map(|name| name.to_ascii_lowercase()).collect() };
    let (old_names, new_names) = (names(before), names(now));
    let lost: Vec<&String> = old_names.iter().filter(|name| !new_names.contains(name)).collect();
    let gained: Vec<&String> = new_names.iter().filter(|name| !old_names.contains(name)).collect();
    // A name that no site here has may be lost without harm, and one that another name of the certificate covers.
    let is_missed = hosts.iter().any(|host| before.matches_host(host, true) && !now.matches_host(host, true));
    let is_new = hosts.iter().any(|host| now.matches_host(host, true) && !before.matches_host(host, true));
    if !lost.is_empty() {
        worse |= is_missed;
        words.push(format!("no longer for {}", listed(&lost)));
    }
    if !gained.is_empty() {
        better |= is_new;
        words.push(format!("now also for {}", listed(&gained)));
    }
    if before.issuer_name != now.issuer_name {
        words.push(format!("issued by {} instead of {}", now.issuer, before.issuer));
    }
    if before.not_after != now.not_after {
        let earlier = now.not_after < before.not_after;
        let is_older = now.not_before <= before.not_before;
        let is_short = now.not_after < at + 30 * DAY;
        worse |= earlier && (is_older || is_short);
        better |= !earlier;
        let how = if earlier { "earlier" } else { "later" };
        words.push(format!("expires {how}, {} instead of {}", day(now.not_after), day(before.not_after)));
    }
    let effect = match (worse, better) {
        (true, _) => Effect::Worse,
        (false, true) => Effect::Better,
        _ => Effect::Neutral,
    };
    (effect, format!("another certificate is served: {}", words.join("; ")))
}

fn key(certificate: &Certificate) -> String {
    match certificate.key.kind {
        crate::pki::KeyKind::Rsa => format!("RSA {}", certificate.key.bits),
        ref kind => kind.name(),
    }
}

fn listed(names: &[&String]) -> String {
    let first: Vec<&str> = names.iter().take(LISTED).map(|name| name.as_str()).collect();
    match names.len() > LISTED {
        true => format!("{} and {} more", first.join(", "), names.len() - LISTED),
        false => first.join(", "),
    }
}

fn day(seconds: i64) -> String {
    let at = jiff::Timestamp::from_second(seconds);
    at.map_or_else(|_| "never".to_owned(), |at| at.strftime("%Y-%m-%d").to_string())
}

/// Whether the same certificates come with other intermediates: as the first client that both sides serve is sent them.
fn chain(
    old: End<'_, '_>,
    new: End<'_, '_>,
    probe: &Probe,
    asked: &Asked<'_>,
    before: &[Served],
    now: &[Served],
) -> Option<Drift> {
    let sent = asked.clients.iter().find_map(|client| {
        let sent = |end: End<'_, '_>| {
            let predictor = &end.side.scope.predictor;
            let handshake = predictor.handshake(end.socket, &probe.name, client);
            let sent = predictor.sent(&handshake).to_vec();
            (!sent.is_empty()).then_some(sent)
        };
        let (old, new) = (sent(old)?, sent(new)?);
        (old[0].sha256 == new[0].sha256).then_some((old, new))
    });
    let (old_chain, new_chain) = sent?;
    let set = |chain: &[Arc<Certificate>]| chain.iter().map(|one| one.sha256).collect::<HashSet<_>>();
    let (was, is) = (set(&old_chain), set(&new_chain));
    if was == is {
        return None;
    }
    let only = |one: &[Arc<Certificate>], other: &HashSet<[u8; 32]>| -> Vec<String> {
        one.iter().filter(|certificate| !other.contains(&certificate.sha256)).map(|one| one.short_name()).collect()
    };
    let (lost, gained) = (only(&old_chain, &is), only(&new_chain, &was));
    let words = match (lost.is_empty(), gained.is_empty()) {
        (false, true) => format!("{} is no longer sent with the certificate", lost.join(", ")),
        (true, _) => format!("{} is sent with the certificate now", gained.join(", ")),
        _ => format!("{} is sent with the certificate instead of {}", gained.join(", "), lost.join(", ")),
    };
    let drift = Drift::new(Kind::ChainChanged, Effect::Neutral, words);
    Some(drift.at(before.first().map(|one| one.at), now.first().map(|one| one.at)))
}
