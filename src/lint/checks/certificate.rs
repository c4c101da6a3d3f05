//! What the leaf itself says: its form, lifetime, key and purposes, and who stands behind it.

use std::sync::{Arc, LazyLock};

use jiff::civil;
use serde::Deserialize;

use super::cipher::served;
use super::level;
use super::validity::date;
use crate::diagnostic::{Problem, Severity};
use crate::lint::{Authority, Reporter, RuleContext, ServedCredential, is_host, scope::is_private_name};
use crate::model::{NameKind, Site, SiteId, Token, VerifyMode};
use crate::pki::{Certificate, KeyKind, Malformation};
use crate::platform::TlsLibraryKind;
use crate::tls::Protocol;

const DAY: i64 = 86_400;

/// The leaf that is served, with the word that names its file. Absent where another certificate stands first: then that is
/// the fault.
fn leaf<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>) -> Option<(&'a Token, &'a Arc<Certificate>)> {
    let (token, _, chain) = one.chain(scope)?;
    chain.leaf_behind.is_none().then_some(())?;
    Some((token, chain.sent.first()?.1))
}

fn problem(rule: &'static str, token: &Token, leaf: &Certificate) -> Problem {
    Problem::new(rule, token.span).with("subject", leaf.short_name()).with("path", &*token.text)
}

/// The exact names of the sites that a certificate is served for.
fn names<'s>(scope: &'s RuleContext<'_>, one: &ServedCredential<'_>) -> impl Iterator<Item = &'s str> {
    let sites = one.sites.clone().into_iter().map(|site| scope.deployment.site(site));
    let names = sites.flat_map(|site| site.names.iter()).filter(|name| name.kind == NameKind::Exact);
    names.map(|name| &*name.token.text)
}

/// Whether all sites that serve a certificate ask clients for one of theirs: then no browser comes by.
fn wants_client_certificates(scope: &RuleContext<'_>, one: &ServedCredential<'_>) -> bool {
    one.sites.iter().all(|site| {
        let verification = &scope.deployment.policy(scope.deployment.site(*site).policy).client_verification;
        verification.get().is_some_and(|one| matches!(one.mode, VerifyMode::Required | VerifyMode::RequiredUnverified))
    })
}

/// `certificate-without-san`: where the common name fits none of the names, `certificate-name-mismatch` speaks.
pub fn without_san<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let Some((token, leaf)) = leaf(scope, one).filter(|(_, leaf)| !leaf.has_san) else { return };
    let mut wanted = names(scope, one).peekable();
    let fits_none = wanted.peek().is_some() && !leaf.common_names.is_empty();
    if fits_none && !wanted.any(|name| leaf.matches_host(name, true)) {
        return;
    }
    let case = if wants_client_certificates(scope, one) { "internal" } else { "" };
    sink.report(problem("certificate-without-san", token, leaf).case(case));
}

/// `certificate-is-ca`.
pub fn is_authority<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let Some((token, leaf)) = leaf(scope, one) else { return };
    if !matches!(leaf.basic_constraints, Some((true, _))) {
        return;
    }
    let own = leaf.names();
    let is_private = leaf.is_self_signed() && !own.is_empty() && own.iter().all(|name| is_private_name(name));
    sink.report(problem("certificate-is-ca", token, leaf).case(if is_private { "private" } else { "" }));
}

/// `certificate-malformed`.
pub fn malformed<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let Some((token, leaf)) = leaf(scope, one) else { return };
    let Some(first) = leaf.malformations.first() else { return };
    let is_go = scope.deployment.platform.tls_library.kind == TlsLibraryKind::Go;
    let (case, what) = match first {
        Malformation::UnknownCritical => ("", "an extension is critical that no client knows"),
        Malformation::ExtensionTwice if is_go => ("twice-go", "an extension stands in it twice"),
        Malformation::ExtensionTwice => ("twice", "an extension stands in it twice"),
        Malformation::VersionWithoutExtensions => ("strict", "it has extensions, and a version that knows none"),
        Malformation::SerialNegative => ("strict", "its serial number is negative"),
        Malformation::SerialZero => ("strict", "its serial number is zero"),
        Malformation::SerialLong => ("strict", "its serial number is longer than 20 octets"),
        Malformation::VersionOne if leaf.is_self_signed() => ("version-one", "it is of version 1"),
        Malformation::VersionOne => return,
    };
    sink.report(problem("certificate-malformed", token, leaf).case(case).with("what", what));
}

/// The longest lifetime of a publicly trusted certificate in days, by the day from which on it is issued (Baseline
/// Requirements, 6.3.2).
const LIFETIMES: [(i16, i8, i8, i64); 5] =
    [(2029, 3, 15, 47), (2027, 3, 15, 100), (2026, 3, 15, 200), (2020, 9, 1, 398), (2018, 3, 1, 825)];

/// What Apple allows certificates of private authorities, in days.
const PRIVATE_LIFETIME: i64 = 825;

/// A day as seconds since 1970-01-01 UTC.
fn seconds((year, month, day): (i16, i8, i8)) -> i64 {
    let at = civil::date(year, month, day).to_zoned(jiff::tz::TimeZone::UTC);
    at.map_or(0, |at| at.timestamp().as_second())
}

/// `certificate-lifetime-too-long`.
pub fn lifetime<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let Some((token, leaf)) = leaf(scope, one) else { return };
    let Some(authority) = one.authority(scope) else { return };
    let issued = |(year, month, day, _): &&(i16, i8, i8, i64)| leaf.not_before >= seconds((*year, *month, *day));
    let Some((.., public)) = LIFETIMES.iter().find(issued) else { return };
    let (case, limit) = match authority {
        Authority::Public => ("", *public),
        Authority::Private => ("private", PRIVATE_LIFETIME),
    };
    // Both ends belong to it, and a begun day counts.
    let days = (leaf.not_after - leaf.not_before + 1 + DAY - 1) / DAY;
    if days > limit {
        let found = problem("certificate-lifetime-too-long", token, leaf).case(case).with("days", days.to_string());
        sink.report(found.with("limit", limit.to_string()).with("issued", date(leaf.not_before)));
    }
}

/// Whether browsers take a key of this kind.
fn is_taken(kind: &KeyKind) -> bool {
    !matches!(kind, KeyKind::Ed25519 | KeyKind::Ed448 | KeyKind::P521 | KeyKind::OtherCurve(_))
}

/// `certificate-key-type-unsupported`: once for a set, at its first certificate.
pub fn key_type<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let Some((token, leaf)) = leaf(scope, one).filter(|_| one.position == 0) else { return };
    let leaves: Option<Vec<_>> = one.set.pairs.iter().map(|pair| scope.leaf(pair)).collect();
    if leaves.is_some_and(|all| all.iter().all(|leaf| !is_taken(&leaf.key.kind))) {
        let who = match leaf.key.kind {
            KeyKind::P521 => "Chrome and Safari refuse it",
            _ => "browsers refuse it",
        };
        let found = problem("certificate-key-type-unsupported", token, leaf);
        sink.report(found.with("kind", leaf.key.kind.name()).with("who", who));
    }
}

/// `digitalSignature` and `keyEncipherment`, as bits of [`Certificate::key_usage`].
const SIGNING: u16 = 1;
const ENCIPHERING: u16 = 1 << 2;

/// How a site with a key of RSA would use it: whether it signs, and whether it does nothing but decipher. Absent where that is
/// not known.
fn uses_of_rsa(scope: &RuleContext<'_>, id: SiteId) -> Option<(bool, bool)> {
    let site = scope.deployment.site(id);
    scope.tls_bindings(id).next()?;
    if scope.deployment.platform.tls_library.kind == TlsLibraryKind::Go {
        return Some((true, false));
    }
    let (context, _, own) = served(scope, site)?;
    let own = || own.iter().filter(|suite| suite.authentication() == "aRSA");
    let has_tls13 = context.reaches(Protocol::Tls13);
    let deciphers_only = !has_tls13 && own().next().is_some() && own().all(|suite| suite.key_exchange() == "kRSA");
    Some((has_tls13 || own().any(|suite| suite.key_exchange() != "kRSA"), deciphers_only))
}

/// `certificate-key-usage-incompatible`; a certificate that may do neither is none for servers.
pub fn key_usage<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let Some((token, leaf)) = leaf(scope, one).filter(|(_, leaf)| leaf.key.kind == KeyKind::Rsa) else { return };
    let Some(usage) = leaf.key_usage.filter(|usage| usage & (SIGNING | ENCIPHERING) != 0) else { return };
    for site in &one.sites {
        let Some((signs, deciphers_only)) = uses_of_rsa(scope, *site) else { continue };
        let case = match (usage & SIGNING == 0 && signs, usage & ENCIPHERING == 0 && deciphers_only) {
            (true, _) => "",
            (_, true) => "decipher",
            _ => continue,
        };
        let head = scope.deployment.site(*site);
        let found = problem("certificate-key-usage-incompatible", token, leaf).case(case);
        sink.report(found.related(head.head, format!("serves it: {}", scope.site_name(head))));
    }
}

/// `certificate-without-sct`.
pub fn without_sct<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let Some((token, leaf)) = leaf(scope, one).filter(|(_, leaf)| !leaf.has_scts) else { return };
    if one.authority(scope) == Some(Authority::Public) {
        sink.report(problem("certificate-without-sct", token, leaf));
    }
}

/// An authority that browsers do not trust any more.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Distrusted {
    organization: String,
    from: Option<String>,
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Authorities {
    authority: Vec<Distrusted>,
}

static DISTRUSTED: LazyLock<Vec<Distrusted>> = LazyLock::new(|| {
    let text = include_str!("../../../rules/authorities/distrusted.toml");
    toml::from_str::<Authorities>(text).expect("a test reads every embedded table").authority
});

/// `certificate-authority-distrusted`: by who stands at the top of the path. An organization in the middle may be another's
/// brand.
pub fn distrusted<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let Some((token, leaf)) = leaf(scope, one) else { return };
    let Some(top) = one.verdict(scope).and_then(|verdict| verdict.path.last()) else { return };
    if scope.trust_is_given && scope.anchors.contains(top) {
        return;
    }
    let organizations = &top.issuer_organizations;
    let Some(authority) = DISTRUSTED.iter().find(|one| organizations.contains(&one.organization)) else { return };
    let since = authority.from.as_deref().and_then(|day| day.parse::<civil::Date>().ok());
    let since = since.map_or(i64::MIN, |day| seconds((day.year(), day.month(), day.day())));
    let issued = leaf.logged.iter().copied().min().unwrap_or(leaf.not_before);
    if issued >= since {
        let found = problem("certificate-authority-distrusted", token, leaf).with("issued", date(issued));
        let from = authority.from.clone().map_or("at all".to_owned(), |day| format!("from {day} on"));
        sink.report(
            found
                .with("organization", authority.organization.clone())
                .with("since", from)
                .with("source", authority.source.clone()),
        );
    }
}

/// `same-type-certificates`: OpenSSL keeps one certificate of each kind.
pub fn same_type<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let Some((token, leaf)) = leaf(scope, one) else { return };
    if scope.deployment.platform.tls_library.kind != TlsLibraryKind::OpenSsl {
        return;
    }
    // What is at fault with its key is never served anyway.
    let belongs = |pair| {
        scope.key(pair).is_none_or(|key| scope.leaf(pair).is_none_or(|leaf| key.belongs_to(leaf) != Some(false)))
    };
    let later = one.set.pairs.iter().skip(one.position + 1).find(|pair| {
        scope.leaf(pair).is_some_and(|other| {
            other.key.kind.same_type(&leaf.key.kind) && other.sha256 != leaf.sha256 && belongs(pair)
        })
    });
    let Some(later) = later.filter(|_| belongs(one.pair)) else { return };
    // Of what is left over from the server, `global-certificate-leaks` speaks where it serves a site badly.
    if level::is_left_over(one.set, later) && level::leaves_names(scope, one.set, later, &one.sites) {
        return;
    }
    let winner = scope.leaf(later).map(|leaf| leaf.short_name()).unwrap_or_default();
    let kind = leaf.key.kind.name();
    let kind = kind.split(' ').next().unwrap_or(&kind).to_owned();
    let found = problem("same-type-certificates", token, leaf).with("kind", kind).with("winner", winner);
    sink.report(found.related(later.certificate.origin.place, "this one is served"));
}

/// `certificate-chain-not-strict`: what Python from 3.13 on asks for (`X509_V_FLAG_X509_STRICT`).
pub fn not_strict<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let Some((token, leaf)) = leaf(scope, one) else { return };
    if one.authority(scope) != Some(Authority::Private) {
        return;
    }
    let Some(verdict) = one.verdict(scope) else { return };
    // A certificate alone that signed itself is no chain.
    let path: &[_] = if verdict.path.len() > 1 { &verdict.path } else { &[] };
    let lacks = path.iter().enumerate().find_map(|(at, certificate)| {
        let is_root = certificate.is_self_issued();
        let what = match () {
            () if at > 0 && certificate.key_usage.is_none() => "no key usage",
            () if at > 0 && certificate.subject_key.is_none() => "no subject key identifier",
            () if !is_root && certificate.authority_key.is_none() => "no authority key identifier",
            () => return None,
        };
        Some((certificate, what))
    });
    if let Some((certificate, what)) = lacks {
        let found = problem("certificate-chain-not-strict", token, leaf).with("which", certificate.short_name());
        sink.report(found.with("what", what).severity(Severity::Info));
    }
}

/// `internal-ca-certificate`: an authority that the server runs itself signs for a public name.
pub fn internal(scope: &RuleContext<'_>, id: SiteId, site: &Site, sink: &mut Reporter) {
    let mut bindings = scope.tls_bindings(id).filter_map(|(_, _, one)| scope.deployment.managed.get(&one.credentials));
    if bindings.all(|managed| managed.authority != crate::model::Authority::Internal) {
        return;
    }
    let public = |token: &&Token| is_host(&token.text) && !is_private_name(&token.text);
    let exact = site.names.iter().filter(|name| name.kind == NameKind::Exact).map(|name| &name.token);
    if let Some(name) = exact.into_iter().find(public) {
        sink.report(Problem::new("internal-ca-certificate", name.span).with("name", &*name.text));
    }
}
