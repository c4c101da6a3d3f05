//! Names: sites that shadow one another, and names that no certificate covers.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use crate::diagnostic::{Edit, Fix, Problem, Safety, Severity};
use crate::lint::{Reporter, RuleContext, scope::is_host, served::is_kept};
use crate::model::{
    Binding, BindingId, Change, CredentialsId, Endpoint, EndpointId, Found, NameKind, OriginKind, Site, SiteId, Token,
    Transport, VerifyMode,
};
use crate::pki::Certificate;
use crate::platform::KeepsApart;
use crate::tls::{Protocols, host};

/// The leaves of a set that are served, as far as they can be read. Absent where one cannot: then nothing can be said of its
/// names.
fn leaves<'a>(scope: &RuleContext<'a>, id: CredentialsId) -> Option<Vec<&'a Arc<Certificate>>> {
    let set = scope.deployment.credentials(id);
    if set.pairs.is_empty() {
        return None;
    }
    let kept = set.pairs.iter().enumerate().filter(|(at, _)| is_kept(scope, id, *at));
    kept.map(|(_, pair)| scope.leaf(pair)).collect()
}

/// Whether a certificate covers a name; an address only as an address.
fn covers(certificate: &Certificate, name: &str) -> bool {
    certificate.matches_host(name, true)
}

/// The exact names of a site that no certificate covers that is served for them on this socket. Empty where that cannot
/// be known.
pub fn uncovered(scope: &RuleContext<'_>, endpoint: &Endpoint, site: SiteId) -> Vec<String> {
    let Some(at) = endpoint.bindings.iter().position(|binding| binding.site == site) else { return Vec::new() };
    let binding = endpoint.bindings[at];
    let Some(leaves) = leaves(scope, binding.credentials) else { return Vec::new() };
    let names = scope.exact_names(endpoint, crate::model::BindingId(at as u32), scope.deployment.site(site));
    let open = names.into_iter().filter(|name| !leaves.iter().any(|leaf| covers(leaf, &name.text)));
    open.map(|name| name.text.to_string()).collect()
}

/// `certificate-name-mismatch`.
pub fn mismatch(scope: &RuleContext<'_>, _: EndpointId, endpoint: &Endpoint, sink: &mut Reporter) {
    if !matches!(endpoint.transport, Transport::Tls | Transport::Quic) {
        return;
    }
    let mut claimed = None;
    for (at, binding) in endpoint.bindings.iter().enumerate() {
        let set = scope.deployment.credentials(binding.credentials);
        let Some(leaves) = leaves(scope, binding.credentials).filter(|_| !binding.rejects) else { continue };
        if leaves.iter().all(|leaf| !leaf.has_san && leaf.common_names.is_empty()) {
            continue;
        }
        let site = scope.deployment.site(binding.site);
        let certificate = &set.pairs[0].certificate;
        let covered = leaves[0].names().join(", ");
        let exact = scope.exact_names(endpoint, crate::model::BindingId(at as u32), site);
        for name in exact.into_iter().filter(|name| !leaves.iter().any(|leaf| covers(leaf, &name.text))) {
            // Of a name that a later site was meant to have `shadowed-site` tells.
            if claimed.get_or_insert_with(|| claimed_later(scope, endpoint)).contains(&name.text) {
                continue;
            }
            let problem = Problem::new("certificate-name-mismatch", name.span)
                .with("name", &*name.text)
                .with("covered", covered.clone());
            sink.report(problem.related(certificate.origin.place, format!("{}: {covered}", leaves[0].short_name())));
        }
        let wildcards = site.names.iter().filter(|name| name.kind == NameKind::LeadingWildcard);
        for name in wildcards {
            let probe = format!("shakedown-probe{}", &name.token.text[1..]);
            let answers = endpoint.named.find(&probe) == Found::Binding(crate::model::BindingId(at as u32));
            if is_host(&probe) && answers && !leaves.iter().any(|leaf| covers(leaf, &probe)) {
                let problem = Problem::new("certificate-name-mismatch", name.token.span)
                    .case("wildcard")
                    .severity(Severity::Warning)
                    .with("name", &*name.token.text)
                    .with("covered", covered.clone());
                let caption = format!("{}: {covered}", leaves[0].short_name());
                sink.report(problem.related(certificate.origin.place, caption));
            }
        }
    }
}

/// Exact names of a socket that sites have which another answers to.
fn claimed_later<'a>(scope: &RuleContext<'a>, endpoint: &'a Endpoint) -> HashSet<&'a Arc<str>> {
    let bindings = endpoint.bindings.iter();
    let names = bindings.flat_map(|binding| {
        let site = scope.deployment.site(binding.site);
        site.names.iter().filter(|name| name.kind == NameKind::Exact).map(move |name| (binding.site, &name.token.text))
    });
    names
        .filter(|(site, name)| {
            matches!(endpoint.named.find(name), Found::Binding(winner) if endpoint.binding(winner).site != *site)
        })
        .map(|(_, name)| name)
        .collect()
}

/// `shadowed-site`.
pub fn shadowed(scope: &RuleContext<'_>, _: EndpointId, endpoint: &Endpoint, sink: &mut Reporter) {
    if !matches!(endpoint.transport, Transport::Tls | Transport::Quic) {
        return;
    }
    // A site with many names may have many bindings.
    let mut seen = HashSet::new();
    for binding in endpoint.bindings.iter().filter(|binding| seen.insert(binding.site)) {
        let site = scope.deployment.site(binding.site);
        for name in site.names.iter().filter(|name| name.kind == NameKind::Exact) {
            let Found::Binding(winner) = endpoint.named.find(&name.token.text) else { continue };
            let winner = endpoint.binding(winner);
            if winner.site == binding.site {
                continue;
            }
            let served = leaves(scope, winner.credentials);
            let wrong = served.is_some_and(|leaves| !leaves.iter().any(|leaf| covers(leaf, &name.token.text)));
            let first = scope.deployment.site(winner.site);
            let at = first.names.iter().find(|other| other.token.text == name.token.text);
            let problem = Problem::new("shadowed-site", name.token.span)
                .severity(if wrong { Severity::Error } else { Severity::Warning })
                .with("name", &*name.token.text)
                .with("listen", endpoint.listen.to_string());
            let place = at.map_or(first.head, |other| other.token.span);
            let change = Change::MergeInto { site: binding.site, into: winner.site };
            let mut problem = problem.related(place, "taken here already");
            problem.fix = scope.fix("make one block of the two", Safety::Safe, &change);
            sink.report(problem);
        }
    }
}

/// `certificate-inherited-from-default-site`.
pub fn inherited(scope: &RuleContext<'_>, _: EndpointId, endpoint: &Endpoint, sink: &mut Reporter) {
    let is_tls = matches!(endpoint.transport, Transport::Tls | Transport::Quic);
    let Some(default) = endpoint.unnamed.filter(|_| is_tls && !scope.deployment.fragment) else { return };
    let default = endpoint.binding(default);
    for listen in endpoint.uses.iter().filter(|listen| listen.tls && listen.site != default.site) {
        let site = scope.deployment.site(listen.site);
        let own = scope.deployment.credentials(site.credentials);
        let is_rejecting = site.rejects.get() != Some(&false) || default.rejects;
        if !own.pairs.is_empty() || is_rejecting {
            continue;
        }
        let set = scope.deployment.credentials(default.credentials);
        if set.pairs.is_empty() {
            continue;
        }
        let default_site = scope.deployment.site(default.site);
        let open = uncovered(scope, endpoint, listen.site);
        let known = leaves(scope, default.credentials).is_some();
        let (severity, case) = match (open.is_empty(), known) {
            (false, _) => (Severity::Error, ""),
            (true, true) => (Severity::Info, "covered"),
            (true, false) => (Severity::Warning, "unknown"),
        };
        let problem = Problem::new("certificate-inherited-from-default-site", listen.span)
            .case(case)
            .severity(severity)
            .with("site", scope.site_name(site))
            .with("default", scope.site_name(default_site))
            .with("names", open.join(", "));
        sink.report(
            problem.related(default_site.head, "the default server of this socket, whose certificate is served"),
        );
    }
}

/// `site-rejected-by-default`: a default site that rejects and has no name of its own is meant.
pub fn rejected(scope: &RuleContext<'_>, _: EndpointId, endpoint: &Endpoint, sink: &mut Reporter) {
    if !matches!(endpoint.transport, Transport::Tls | Transport::Quic) {
        return;
    }
    for (at, binding) in endpoint.bindings.iter().enumerate().filter(|(_, binding)| binding.rejects) {
        let site = scope.deployment.site(binding.site);
        let exact = scope.exact_names(endpoint, crate::model::BindingId(at as u32), site);
        let Some(name) = exact.first() else { continue };
        let is_inherited = site.rejects.origin.kind == OriginKind::Inherited;
        let case = match (is_inherited, site.has_own_credentials) {
            (true, _) => "inherited",
            (false, true) => "",
            (false, false) => "retired",
        };
        let mut problem = Problem::new("site-rejected-by-default", site.rejects.origin.place)
            .case(case)
            .with("name", &*name.text)
            .related(site.head, format!("holds for {}", scope.site_name(site)));
        if let Some(written) = site.rejects.origin.written().filter(|_| case.is_empty()) {
            let edits = vec![Edit { span: written, text: "off".to_owned() }];
            problem.fix = Some(Fix { title: "answer under this name".to_owned(), safety: Safety::Unsafe, edits });
        }
        sink.report(problem);
    }
}

/// What a name has whose ASCII form may be sent.
const NOT_ASCII: &str = "letters that are not ASCII";

/// What keeps a name from being one that a client can send.
fn impossible(name: &str) -> Option<&'static str> {
    match name {
        _ if name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok() => None,
        _ if name.contains("://") => Some("a scheme"),
        _ if name.contains(':') => Some("a port"),
        _ if name.contains('/') => Some("a path"),
        _ if name.contains(char::is_whitespace) => Some("a blank"),
        _ if !name.is_ascii() => Some(NOT_ASCII),
        _ => None,
    }
}

/// Writes a name as clients send it: where no site has that yet, and the certificate that the site then serves covers it.
fn as_sent(scope: &RuleContext<'_>, id: SiteId, written: &Token) -> Option<Fix> {
    let sent = host::ascii(&written.text).filter(|_| written.span.len() as usize == written.text.len())?;
    let probe = sent.strip_prefix("*.").map_or_else(|| sent.clone(), |rest| format!("shakedown-probe.{rest}"));
    let is_covered =
        |credentials| leaves(scope, credentials).is_none_or(|leaves| leaves.iter().any(|leaf| covers(leaf, &probe)));
    let is_free = is_host(&probe)
        && scope.bindings(id).all(|(endpoint, ..)| matches!(endpoint.named.find(&probe), Found::Nothing))
        && scope.tls_bindings(id).all(|(_, _, binding)| is_covered(binding.credentials));
    let edits = vec![Edit { span: written.span, text: sent }];
    is_free.then(|| Fix { title: "write the name as clients send it".to_owned(), safety: Safety::Safe, edits })
}

/// `server-name-never-matches`.
pub fn never_matches(scope: &RuleContext<'_>, id: SiteId, site: &Site, sink: &mut Reporter) {
    if scope.tls_bindings(id).next().is_none() {
        return;
    }
    let plain = |kind| matches!(kind, NameKind::Exact | NameKind::LeadingWildcard | NameKind::TrailingWildcard);
    for name in site.names.iter().filter(|name| plain(name.kind)) {
        if let Some(what) = impossible(&name.token.text) {
            let case = if name.token.text.is_ascii() { "" } else { "international" };
            let mut problem = Problem::new("server-name-never-matches", name.token.span).case(case);
            if what == NOT_ASCII {
                problem.fix = as_sent(scope, id, &name.token);
            }
            sink.report(problem.with("name", &*name.token.text).with("what", what));
        }
    }
}

/// `server-name-is-ip`: a client that goes to an address names no host, and the default site answers.
pub fn is_address(scope: &RuleContext<'_>, _: EndpointId, endpoint: &Endpoint, sink: &mut Reporter) {
    if endpoint.transport != Transport::Tls || scope.deployment.fragment {
        return;
    }
    let Some(default) = endpoint.unnamed.map(|id| endpoint.binding(id).site) else { return };
    for binding in endpoint.bindings.iter().filter(|binding| binding.site != default) {
        let names = scope.deployment.site(binding.site).names.iter();
        let plain = |text: &str| text.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
        for name in names.filter(|name| plain(&name.token.text)) {
            let problem = Problem::new("server-name-is-ip", name.token.span).with("name", &*name.token.text);
            let problem = problem.with("listen", endpoint.listen.to_string());
            sink.report(problem.related(scope.deployment.site(default).head, "answers it: the default site"));
        }
    }
}

/// What keeps requests for one site off connections to another.
#[derive(PartialEq, Eq, Hash)]
struct Apart<'a> {
    mode: Option<VerifyMode>,
    files: Vec<&'a Path>,
    protocols: Option<Protocols>,
    suites: Vec<&'a str>,
}

impl<'a> Apart<'a> {
    fn mode(scope: &RuleContext<'_>, binding: &Binding) -> Option<VerifyMode> {
        scope.deployment.policy(binding.own).client_verification.get().map(|one| one.mode)
    }

    fn of(scope: &RuleContext<'a>, binding: &Binding) -> Apart<'a> {
        let policy = scope.deployment.policy(binding.own);
        let mode = Apart::mode(scope, binding);
        if scope.deployment.keeps_apart != KeepsApart::Settings {
            return Apart { mode, files: Vec::new(), protocols: None, suites: Vec::new() };
        }
        let pairs = scope.deployment.credentials(binding.credentials).pairs.iter();
        let named = pairs.flat_map(|pair| std::iter::once(&pair.certificate).chain(&pair.key));
        let mut files: Vec<&Path> = named.filter_map(|file| file.get()).map(|(_, path)| path.as_path()).collect();
        files.sort_unstable();
        files.dedup();
        let lists = [&policy.ciphers, &policy.ciphersuites].into_iter().filter_map(|list| list.get());
        let suites = lists.flat_map(|list| list.iter()).map(|token| &*token.text).collect();
        Apart { mode, files, protocols: policy.protocols.get().map(|choice| choice.set), suites }
    }
}

/// Sites whose certificates invite to others, by the names of their certificates, wildcards as they are written.
type Inviting<'a> = HashMap<String, Vec<(SiteId, Rc<Apart<'a>>)>>;

/// How many sites that differ are kept for one name.
const KEPT: usize = 8;

/// The sites of a socket by the names of their certificates. Of those that are alike one stands for all.
fn inviting<'a>(scope: &RuleContext<'a>, endpoint: &Endpoint, aparts: &[Rc<Apart<'a>>]) -> Inviting<'a> {
    let mut seen: HashSet<&Apart<'a>> = HashSet::new();
    let mut found: Inviting<'a> = HashMap::new();
    for (binding, apart) in endpoint.bindings.iter().zip(aparts).filter(|(binding, _)| !binding.rejects) {
        // By verification alone the certificates of sites that are alike may differ.
        if !seen.insert(apart) && scope.deployment.keeps_apart == KeepsApart::Settings {
            continue;
        }
        let Some(leaves) = leaves(scope, binding.credentials) else { continue };
        for name in leaves.iter().flat_map(|leaf| &leaf.dns_names) {
            let sites = found.entry(name.to_ascii_lowercase()).or_default();
            if sites.len() < KEPT && !sites.iter().any(|(_, other)| other == apart) {
                sites.push((binding.site, Rc::clone(apart)));
            }
        }
    }
    found
}

/// `sni-host-mismatch`: where a browser may send the requests of one site on a connection to another, and the server will not.
pub fn host_mismatch(scope: &RuleContext<'_>, _: EndpointId, endpoint: &Endpoint, sink: &mut Reporter) {
    let asks = |mode: Option<VerifyMode>| mode.is_some_and(|mode| mode != VerifyMode::Off);
    let verifies = |binding: &Binding| asks(Apart::mode(scope, binding));
    let looks_at = match scope.deployment.keeps_apart {
        KeepsApart::Nothing => false,
        KeepsApart::Verification => endpoint.bindings.iter().any(verifies),
        KeepsApart::Settings => endpoint.bindings.len() > 1,
    };
    if endpoint.transport != Transport::Tls || !looks_at {
        return;
    }
    let aparts: Vec<Rc<Apart<'_>>> = endpoint.bindings.iter().map(|one| Rc::new(Apart::of(scope, one))).collect();
    if aparts.iter().all(|one| *one == aparts[0]) {
        return;
    }
    let inviting = inviting(scope, endpoint, &aparts);
    for (at, binding) in endpoint.bindings.iter().enumerate().filter(|(_, binding)| !binding.rejects) {
        let site = scope.deployment.site(binding.site);
        let own = &aparts[at];
        // Of two that verify otherwise the one that does is told of.
        let differs = |(other, apart): &&(SiteId, Rc<Apart<'_>>)| {
            let is_told = apart.mode == own.mode || (asks(own.mode) && apart.mode.is_some());
            *other != binding.site && apart != own && is_told
        };
        let other = |name: &Token| {
            let wide = name.text.split_once('.').map(|(_, rest)| format!("*.{rest}"));
            let sites = [inviting.get(&*name.text), wide.and_then(|wide| inviting.get(&wide))];
            sites.into_iter().flatten().flatten().find(differs)
        };
        let names = scope.exact_names(endpoint, BindingId(at as u32), site);
        let Some((name, (site, apart))) = names.iter().find_map(|name| Some((name, other(name)?))) else { continue };
        let other = scope.deployment.site(*site);
        let case = if apart.mode == own.mode { "settings" } else { "" };
        let problem = Problem::new("sni-host-mismatch", name.span).case(case).with("name", &*name.text);
        let problem = problem.with("other", scope.site_name(other));
        sink.report(problem.related(other.head, "its certificate covers the name too"));
    }
}
