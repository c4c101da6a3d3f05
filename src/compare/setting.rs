//! What a server offers under a name: versions, suites, groups, stapling, and what it asks of clients.

use std::collections::BTreeSet;
use std::fmt::Display;

use super::client::End;
use super::drift::{Drift, Effect, Kind};
use crate::handshake::{Decisive, Offer, written};
use crate::model::{ClientVerification, Setting, TlsPolicy, VerifyMode};
use crate::source::Span;
use crate::tls::cipher::{CipherSuite, Encryption};
use crate::tls::{Protocol, Protocols};

/// Groups that nearly all clients send a key share for.
const COMMON: &[&str] = &["X25519", "P-256"];
/// How strong a group must be, in bits of a symmetric key (NIST SP 800-57, 5.6.3).
const STRONG: u32 = 112;
/// How many names a message lists.
const LISTED: usize = 4;

/// What changed, and what could not be compared, each with the reason.
#[derive(Default)]
pub struct Settings {
    /// What changed.
    pub drifts: Vec<Drift>,
    /// What could not be compared.
    pub unjudged: Vec<(&'static str, String)>,
    /// Whether both sides offer the same versions.
    pub same_protocols: bool,
}

/// Holds what two blocks say against each other.
pub fn compare(old: End<'_, '_>, new: End<'_, '_>) -> Settings {
    let (Some(before), Some(now)) = (old.binding, new.binding) else { return Settings::default() };
    let mut found = Settings::default();
    let place =
        |decisive| (old.side.scope.predictor.place(before, decisive), new.side.scope.predictor.place(now, decisive));
    let was = old.side.scope.predictor.offer(before);
    let is = new.side.scope.predictor.offer(now);
    let (old_policy, new_policy) =
        (old.side.scope.deployment.policy(before.after_name), new.side.scope.deployment.policy(now.after_name));
    protocols(&was, &is, place(Decisive::Protocols), &mut found);
    if old.side.scope.deployment.server == new.side.scope.deployment.server {
        dormant(old_policy, new_policy, &was, &is, place(Decisive::Protocols), &mut found);
    }
    let kinds = (signers(old), signers(new));
    suites(&was, &is, &kinds, place(Decisive::Ciphers), &mut found);
    tls13_suites(&was, &is, place(Decisive::Ciphersuites), &mut found);
    groups(&was, &is, place(Decisive::Groups), &mut found);
    stapling(old, new, old_policy, new_policy, &mut found);
    verification(old, new, old_policy, new_policy, &mut found);
    found
}

type Places = (Option<Span>, Option<Span>);

fn listed<T: Display>(all: impl IntoIterator<Item = T>) -> String {
    let all: Vec<String> = all.into_iter().map(|one| one.to_string()).collect();
    match all.len() > LISTED + 1 {
        true => format!("{} and {} more", all[..LISTED].join(" "), all.len() - LISTED),
        false => all.join(" "),
    }
}

fn is_or_are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

/// Versions that clients can get.
fn protocols(was: &Offer, is: &Offer, at: Places, found: &mut Settings) {
    let (was, is) = match (&was.protocols, &is.protocols) {
        (Ok(was), Ok(is)) => (*was, *is),
        (Err(reason), _) | (_, Err(reason)) => {
            found.unjudged.push(("protocols", reason.to_string()));
            return;
        }
    };
    found.same_protocols = was == is;
    let without = |one: Protocols, other: Protocols| -> Vec<Protocol> {
        one.iter().filter(|protocol| !other.contains(*protocol)).collect()
    };
    let (lost, gained) = (without(was, is), without(is, was));
    let rest =
        if is.is_empty() { "none is left".to_owned() } else { format!("{is} {} left", is_or_are(is.iter().count())) };
    for (effect, some) in by_effect(&lost, |one| match one {
        one if one.is_deprecated() => Effect::Better,
        Protocol::Tls13 => Effect::Worse,
        _ => Effect::Neutral,
    }) {
        let words = format!("{} {} no longer offered; {rest}", listed(&some), is_or_are(some.len()));
        found.drifts.push(Drift::new(Kind::ProtocolLost, effect, words).at(at.0, at.1));
    }
    for (effect, some) in by_effect(&gained, |one| if one.is_deprecated() { Effect::Worse } else { Effect::Better }) {
        let words = format!("{} {} offered now; before {was}", listed(&some), is_or_are(some.len()));
        found.drifts.push(Drift::new(Kind::ProtocolGained, effect, words).at(at.0, at.1));
    }
}

/// Versions that are switched on by words, though the security level keeps clients from getting them: they come back as soon
/// as the level is lowered.
fn dormant(old: &TlsPolicy, new: &TlsPolicy, was: &Offer, is: &Offer, at: Places, found: &mut Settings) {
    let (Some(old), Some(new)) = (old.protocols.get(), new.protocols.get()) else { return };
    let (Ok(was), Ok(is)) = (&was.protocols, &is.protocols) else { return };
    let sleeps = |set: Protocols, offered: Protocols| -> Protocols {
        set.iter().filter(|one| one.is_deprecated() && !offered.contains(*one)).collect()
    };
    let (before, now) = (sleeps(old.set, *was), sleeps(new.set, *is));
    let fresh: Vec<Protocol> = now.iter().filter(|one| !before.contains(*one) && !was.contains(*one)).collect();
    let gone: Vec<Protocol> = before.iter().filter(|one| !now.contains(*one) && !is.contains(*one)).collect();
    if !fresh.is_empty() && !new.words.is_empty() {
        let words = format!(
            "{} {} switched on, and refused by the security level alone",
            listed(&fresh),
            is_or_are(fresh.len())
        );
        found.drifts.push(Drift::new(Kind::ProtocolGained, Effect::Worse, words).at(at.0, at.1));
    }
    if !gone.is_empty() && (!old.words.is_empty() || !new.words.is_empty()) {
        let words = format!(
            "{} {} switched off, and no longer refused by the security level alone",
            listed(&gone),
            is_or_are(gone.len())
        );
        found.drifts.push(Drift::new(Kind::ProtocolLost, Effect::Better, words).at(at.0, at.1));
    }
}

/// Splits a list by the effect that each has, the worst first.
fn by_effect<T: Copy>(all: &[T], effect: impl Fn(T) -> Effect) -> Vec<(Effect, Vec<T>)> {
    let effects = [Effect::Worse, Effect::Better, Effect::Neutral];
    let some = |wanted| all.iter().copied().filter(|one| effect(*one) == wanted).collect::<Vec<T>>();
    effects.into_iter().map(|wanted| (wanted, some(wanted))).filter(|(_, some)| !some.is_empty()).collect()
}

/// The kinds of authentication that the certificates of a block serve.
fn signers(end: End<'_, '_>) -> BTreeSet<&'static str> {
    let Some(binding) = end.binding else { return BTreeSet::new() };
    let set = end.side.scope.deployment.credentials(binding.credentials);
    let leaves = set.pairs.iter().filter_map(|pair| end.side.scope.leaf(pair));
    leaves.map(|leaf| if leaf.key.kind == crate::pki::KeyKind::Rsa { "aRSA" } else { "aECDSA" }).collect()
}

/// Whether a suite is weak by today's measure: broken, without forward secrecy, or without authenticated encryption.
fn is_weak(name: &str) -> bool {
    CipherSuite::named(name).is_some_and(|suite| {
        suite.is_broken() || !suite.has_forward_secrecy() || suite.encryption() != Encryption::Authenticated
    })
}

/// Suites of TLS 1.2 and below, of versions that both sides offer and of certificates that both have.
fn suites(
    was: &Offer,
    is: &Offer,
    kinds: &(BTreeSet<&'static str>, BTreeSet<&'static str>),
    at: Places,
    found: &mut Settings,
) {
    let (old, new) = match (&was.suites, &is.suites) {
        (Ok(old), Ok(new)) => (old, new),
        (Err(reason), _) | (_, Err(reason)) => {
            found.unjudged.push(("suites", reason.to_string()));
            return;
        }
    };
    let every = || Protocol::ALL.into_iter().collect::<Protocols>();
    let spoken = |offer: &Offer| offer.protocols.clone().unwrap_or_else(|_| every());
    let both = spoken(was).intersection(spoken(is));
    let counts = |name: &&&'static str| {
        CipherSuite::named(name).is_some_and(|suite| {
            let is_spoken = both.iter().any(|protocol| suite.serves(protocol));
            let signer = suite.authentication();
            let is_signed = kinds.0 != kinds.1 || kinds.0.is_empty() || signer == "aNULL" || kinds.0.contains(signer);
            is_spoken && is_signed
        })
    };
    let old: Vec<&'static str> = old.iter().filter(counts).copied().collect();
    let new: Vec<&'static str> = new.iter().filter(counts).copied().collect();
    let lost: Vec<&str> = old.iter().copied().filter(|name| !new.contains(name)).collect();
    let gained: Vec<&str> = new.iter().copied().filter(|name| !old.contains(name)).collect();
    for (effect, some) in by_effect(&lost, |name| if is_weak(name) { Effect::Better } else { Effect::Neutral }) {
        let kind = if effect == Effect::Better { "weak suites are" } else { "suites are" };
        let words = format!("{kind} no longer offered: {}", listed(&some));
        found.drifts.push(Drift::new(Kind::SuiteLost, effect, words).at(at.0, at.1));
    }
    for (effect, some) in by_effect(&gained, |name| if is_weak(name) { Effect::Worse } else { Effect::Neutral }) {
        let kind = if effect == Effect::Worse { "weak suites are" } else { "suites are" };
        let words = format!("{kind} offered now: {}", listed(&some));
        found.drifts.push(Drift::new(Kind::SuiteGained, effect, words).at(at.0, at.1));
    }
}

/// Suites of TLS 1.3: none of those that exist is weak.
fn tls13_suites(was: &Offer, is: &Offer, at: Places, found: &mut Settings) {
    let (Ok(old), Ok(new)) = (&was.tls13_suites, &is.tls13_suites) else { return };
    // A version that is gone or new speaks for itself.
    if old.is_empty() || new.is_empty() {
        return;
    }
    let lost: Vec<&str> = old.iter().copied().filter(|name| !new.contains(name)).collect();
    let gained: Vec<&str> = new.iter().copied().filter(|name| !old.contains(name)).collect();
    if !lost.is_empty() {
        let words = format!("suites of TLS 1.3 are no longer offered: {}", listed(&lost));
        found.drifts.push(Drift::new(Kind::SuiteLost, Effect::Neutral, words).at(at.0, at.1));
    }
    if !gained.is_empty() {
        let words = format!("suites of TLS 1.3 are offered now: {}", listed(&gained));
        found.drifts.push(Drift::new(Kind::SuiteGained, Effect::Neutral, words).at(at.0, at.1));
    }
}

fn groups(was: &Offer, is: &Offer, at: Places, found: &mut Settings) {
    let (old, new) = match (&was.groups, &is.groups) {
        (Ok(old), Ok(new)) => (old, new),
        (Err(reason), _) | (_, Err(reason)) => {
            found.unjudged.push(("groups", reason.to_string()));
            return;
        }
    };
    // How much a group is worth: +1 for those that clients wait for, -1 for weak ones.
    let worth = |name: &str| {
        let group = crate::tls::group::named(name);
        if group.is_some_and(|group| group.security_bits < STRONG) {
            -1
        } else if COMMON.contains(&name) || name.contains("MLKEM") {
            1
        } else {
            0
        }
    };
    let effect = |sign: i32, name: &str| match sign * worth(name) {
        1 => Effect::Better,
        -1 => Effect::Worse,
        _ => Effect::Neutral,
    };
    let lost: Vec<&str> = old.iter().copied().filter(|name| !new.contains(name)).collect();
    let gained: Vec<&str> = new.iter().copied().filter(|name| !old.contains(name)).collect();
    for (effect, some) in by_effect(&lost, |name| effect(-1, name)) {
        let words = format!(
            "{} {} no longer offered for key exchange; left {}",
            listed(&some),
            is_or_are(some.len()),
            listed(new)
        );
        found.drifts.push(Drift::new(Kind::GroupLost, effect, words).at(at.0, at.1));
    }
    for (effect, some) in by_effect(&gained, |name| effect(1, name)) {
        let words =
            format!("{} {} offered for key exchange now; before {}", listed(&some), is_or_are(some.len()), listed(old));
        found.drifts.push(Drift::new(Kind::GroupGained, effect, words).at(at.0, at.1));
    }
}

/// Where a setting is written, else the block for which its default holds.
fn place<T>(end: End<'_, '_>, setting: &Setting<T>) -> Option<Span> {
    written(setting).or_else(|| end.binding.map(|binding| end.side.site(binding.site).head))
}

fn stapling(old_end: End<'_, '_>, new_end: End<'_, '_>, old: &TlsPolicy, new: &TlsPolicy, found: &mut Settings) {
    let (Some(was), Some(is)) = (old.stapling.get(), new.stapling.get()) else {
        found.unjudged.push(("stapling", "it hangs on what is not in the files".to_owned()));
        return;
    };
    let at = (place(old_end, &old.stapling), place(new_end, &new.stapling));
    match (was.on, is.on) {
        (true, false) => {
            let words =
                "revocation status (OCSP) is no longer stapled: clients ask the authority themselves, or not at all";
            found.drifts.push(Drift::new(Kind::StaplingLost, Effect::Worse, words).at(at.0, at.1));
        }
        (false, true) => {
            let words = "revocation status (OCSP) is stapled now";
            found.drifts.push(Drift::new(Kind::StaplingGained, Effect::Better, words).at(at.0, at.1));
        }
        _ => {}
    }
}

/// How much is asked of clients.
fn demand(mode: VerifyMode) -> u8 {
    match mode {
        VerifyMode::Off => 0,
        VerifyMode::OptionalNoCa => 1,
        VerifyMode::Optional => 2,
        VerifyMode::RequiredUnverified => 3,
        VerifyMode::Required => 4,
    }
}

fn asks(mode: VerifyMode) -> &'static str {
    match mode {
        VerifyMode::Off => "not asked for a certificate",
        VerifyMode::OptionalNoCa => "asked for a certificate that is not verified",
        VerifyMode::Optional => "asked for a certificate that is verified if it is shown",
        VerifyMode::RequiredUnverified => "refused without a certificate, which is not verified",
        VerifyMode::Required => "refused without a certificate that verifies",
    }
}

fn verification(old: End<'_, '_>, new: End<'_, '_>, was: &TlsPolicy, is: &TlsPolicy, found: &mut Settings) {
    let (Some(before), Some(now)) = (was.client_verification.get(), is.client_verification.get()) else {
        found.unjudged.push(("client-verification", "it hangs on what is not in the files".to_owned()));
        return;
    };
    let at = (place(old, &was.client_verification), place(new, &is.client_verification));
    let words = || format!("clients are {} now; before they were {}", asks(now.mode), asks(before.mode));
    match demand(now.mode).cmp(&demand(before.mode)) {
        std::cmp::Ordering::Less => {
            found.drifts.push(Drift::new(Kind::ClientVerificationLost, Effect::Worse, words()).at(at.0, at.1));
        }
        std::cmp::Ordering::Greater => {
            // Who has no certificate, or another one, was let in.
            let refuses = demand(now.mode) >= 3;
            let effect = if refuses { Effect::Worse } else { Effect::Neutral };
            found.drifts.push(Drift::new(Kind::ClientVerificationGained, effect, words()).at(at.0, at.1));
        }
        std::cmp::Ordering::Equal if now.mode != VerifyMode::Off => authorities(old, new, before, now, at, found),
        std::cmp::Ordering::Equal => {}
    }
}

/// The authorities that clients' certificates are held against.
fn authorities(
    old: End<'_, '_>,
    new: End<'_, '_>,
    before: &ClientVerification,
    now: &ClientVerification,
    at: Places,
    found: &mut Settings,
) {
    let known = |end: End<'_, '_>, one: &ClientVerification| -> Option<BTreeSet<([u8; 32], String)>> {
        one.authorities.as_ref()?;
        let mut all = BTreeSet::new();
        for (_, path) in one.authority_files() {
            let file = end.side.scope.pem(path)?;
            all.extend(file.certificates().map(|(_, one)| (one.sha256, one.short_name())));
        }
        Some(all)
    };
    let (Some(was), Some(is)) = (known(old, before), known(new, now)) else {
        if before.authorities.is_some() != now.authorities.is_some() || before.authorities.is_some() {
            found.unjudged.push(("client-authorities", "a file of authorities cannot be read".to_owned()));
        }
        return;
    };
    let place =
        |one: &ClientVerification, other: Option<Span>| one.authorities.as_ref().map(|(token, _)| token.span).or(other);
    let at = (place(before, at.0), place(now, at.1));
    let lost: Vec<&String> = was.difference(&is).map(|(_, name)| name).collect();
    let gained: Vec<&String> = is.difference(&was).map(|(_, name)| name).collect();
    if !lost.is_empty() {
        let words = format!("clients with certificates of {} are no longer accepted", listed(&lost));
        found.drifts.push(Drift::new(Kind::ClientAuthoritiesChanged, Effect::Worse, words).at(at.0, at.1));
    }
    if !gained.is_empty() {
        let words = format!("clients with certificates of {} are accepted now", listed(&gained));
        found.drifts.push(Drift::new(Kind::ClientAuthoritiesChanged, Effect::Neutral, words).at(at.0, at.1));
    }
}
