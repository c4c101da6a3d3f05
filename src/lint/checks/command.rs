//! Commands for the TLS library beside the server's own directives, and settings of a site that another decides.

use super::openssl::context;
use crate::diagnostic::{Edit, Fix, Problem, Safety};
use crate::handshake::openssl::Context;
use crate::lint::{Reporter, RuleContext};
use crate::model::{Command, Endpoint, EndpointId, Setting, Site, SiteId, TlsPolicy, Token, Transport};
use crate::source::Span;
use crate::tls::cipher::{CipherLibrary, Tls13Suite};
use crate::tls::group::GroupList;
use crate::tls::{Protocol, Protocols};

fn command<'p>(policy: &'p TlsPolicy, names: &[&str]) -> Option<&'p Command> {
    let is_one = |one: &&Command| names.iter().any(|name| one.name.text.eq_ignore_ascii_case(name));
    policy.commands.get()?.iter().rev().find(is_one)
}

/// The one word of a list that a directive writes.
fn word(setting: &Setting<std::sync::Arc<[Token]>>) -> Option<&Token> {
    setting.get().and_then(|list| list.first()).filter(|_| setting.is_written())
}

/// A command whose result differs from that of the server's own directive: its place, that of the directive, and what holds.
fn overriding<'p>(
    scope: &RuleContext<'_>,
    policy: &'p TlsPolicy,
    context: &Context,
) -> Vec<(&'p Command, Span, &'static str, String)> {
    let version = scope.deployment.platform.tls_library.version.numbers;
    let mut found = Vec::new();
    if let Some(one) = command(policy, &["MinProtocol", "MaxProtocol", "Protocol"])
        && let Some(choice) = policy.protocols.get().filter(|_| policy.protocols.is_written())
        && context.protocols_unknown.is_none()
    {
        let floor = |set: Protocols| -> Protocols { set.iter().filter(|one| *one >= Protocol::Tls10).collect() };
        let is_within = |one: &Protocol| {
            context.min_protocol.is_none_or(|least| least <= *one)
                && context.max_protocol.is_none_or(|most| *one <= most)
        };
        let by_command: Protocols = context.protocols.iter().filter(is_within).collect();
        if floor(by_command) != floor(choice.set) {
            let at = policy.protocols.origin.place;
            found.push((one, at, "the protocols", floor(by_command).to_string()));
        }
    }
    if let (Some(one), Some(own)) = (command(policy, &["CipherString"]), word(&policy.ciphers)) {
        let library = CipherLibrary::of(version);
        let suites = |text: &str| crate::tls::cipher::expand(library, text);
        let (mine, theirs) = (suites(&own.text), suites(&one.value.text));
        let codes = |all: &crate::tls::cipher::Expansion<'_>| {
            all.suites.iter().map(|selected| selected.suite.code_point).collect::<Vec<_>>()
        };
        if theirs.error.is_none() && codes(&mine) != codes(&theirs) {
            found.push((one, own.span, "the suites", one.value.text.to_string()));
        }
    }
    if let (Some(one), Some(own)) = (command(policy, &["Groups", "Curves"]), word(&policy.groups)) {
        let lists = (GroupList::parse(version, &own.text), GroupList::parse(version, &one.value.text));
        if let (Ok(mine), Ok(theirs)) = lists
            && mine != theirs
        {
            found.push((one, own.span, "the groups", one.value.text.to_string()));
        }
    }
    if let (Some(one), Some(own)) = (command(policy, &["Ciphersuites"]), word(&policy.ciphersuites)) {
        let names = |text: &str| {
            Tls13Suite::parse(version, text).map(|all| all.iter().map(|suite| suite.name).collect::<Vec<_>>())
        };
        if names(&own.text) != names(&one.value.text) {
            found.push((one, own.span, "the suites of TLS 1.3", one.value.text.to_string()));
        }
    }
    found
}

/// `openssl-command-overrides`.
pub fn overrides(scope: &RuleContext<'_>, id: SiteId, site: &Site, sink: &mut Reporter) {
    let Some(context) = context(scope, site).filter(|context| context.faults.is_empty()) else { return };
    if scope.tls_bindings(id).next().is_none() {
        return;
    }
    for (one, at, what, now) in overriding(scope, scope.deployment.policy(site.policy), context) {
        let found = Problem::new("openssl-command-overrides", one.name.span.to(one.value.span))
            .with("command", format!("{} {}", one.name.text, one.value.text))
            .with("what", what)
            .with("now", now);
        sink.report(found.related(at, "has no effect beside it"));
    }
}

/// `openssl-cnf-influences`: once, at the first site that speaks TLS.
pub fn system(scope: &RuleContext<'_>, id: EndpointId, endpoint: &Endpoint, sink: &mut Reporter) {
    let is_first = scope.deployment.tls_endpoints().next().is_some_and(|(first, _)| first == id);
    let Some(file) = scope.system.file.as_ref().filter(|_| is_first && scope.predictor.is_openssl()) else { return };
    let says_more = |name: &str| !["MinProtocol", "MaxProtocol"].iter().any(|known| name.eq_ignore_ascii_case(known));
    let more: Vec<String> = scope
        .system
        .commands
        .iter()
        .filter(|(name, _)| says_more(name))
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    if let (false, Some(first)) = (more.is_empty(), endpoint.uses.first()) {
        let found = Problem::new("openssl-cnf-influences", first.span).with("file", file.display().to_string());
        sink.report(found.with("commands", more.join(", ")));
    }
}

/// The bindings of a TLS socket whose site writes a setting of its own that is not the default site's.
fn others<'e>(
    scope: &'e RuleContext<'_>,
    endpoint: &'e Endpoint,
) -> impl Iterator<Item = (&'e Site, &'e TlsPolicy, &'e TlsPolicy)> {
    let speaks = endpoint.transport == Transport::Tls && !scope.deployment.fragment && scope.predictor.is_openssl();
    let default = endpoint.unnamed.map(|id| endpoint.binding(id).site).filter(|_| speaks);
    let all = endpoint.bindings.iter().filter(move |one| default.is_some_and(|site| site != one.site) && !one.rejects);
    all.filter_map(|binding| {
        let site = scope.deployment.site(binding.site);
        let policies = (scope.deployment.policy(binding.own), scope.deployment.policy(binding.after_name));
        (binding.own == site.policy).then_some((site, policies.0, policies.1))
    })
}

fn shadowed(scope: &RuleContext<'_>, endpoint: &Endpoint, rule: &'static str, at: Span, site: &Site) -> Problem {
    let default = endpoint.unnamed.map(|id| scope.deployment.site(endpoint.binding(id).site));
    let found = Problem::new(rule, at)
        .with("site", scope.site_name(site))
        .with("listen", endpoint.listen.to_string())
        .with("version", scope.deployment.platform.server_version.to_string());
    match default {
        Some(default) => found.related(default.head, format!("the default server of {} decides", endpoint.listen)),
        None => found,
    }
}

/// `shadowed-cipher`.
pub fn shadowed_suites(scope: &RuleContext<'_>, _: EndpointId, endpoint: &Endpoint, sink: &mut Reporter) {
    let version = scope.deployment.platform.tls_library.version.numbers;
    let suites = |policy: &TlsPolicy| match command(policy, &["Ciphersuites"]) {
        Some(one) => Tls13Suite::parse(version, &one.value.text).ok(),
        None => Some(Tls13Suite::defaults()),
    };
    let names = |all: &[&Tls13Suite]| all.iter().map(|suite| suite.name).collect::<Vec<_>>().join(":");
    for (site, own, force) in others(scope, endpoint) {
        let Some(one) = command(own, &["Ciphersuites"]) else { continue };
        let (Some(wanted), Some(got)) = (suites(own), suites(force)) else { continue };
        if names(&wanted) != names(&got) {
            let found = shadowed(scope, endpoint, "shadowed-cipher", one.value.span, site);
            sink.report(found.with("got", names(&got)));
        }
    }
}

/// `shadowed-early-data`.
pub fn shadowed_early_data(scope: &RuleContext<'_>, _: EndpointId, endpoint: &Endpoint, sink: &mut Reporter) {
    for (site, own, force) in others(scope, endpoint) {
        let is_own =
            own.early_data.is_written() && own.early_data.origin.written() != force.early_data.origin.written();
        if let (Some(wanted), Some(got)) = (own.early_data.get(), force.early_data.get())
            && is_own
            && wanted != got
        {
            let at = own.early_data.origin.place;
            let found = shadowed(scope, endpoint, "shadowed-early-data", at, site);
            sink.report(found.with("got", if *got { "on" } else { "off" }));
        }
    }
}

/// The longest that RFC 8446, 4.6.1, allows, in seconds.
const WEEK: u64 = 604_800;

/// `session-lifetime-too-long`.
pub fn session_lifetime(scope: &RuleContext<'_>, id: SiteId, site: &Site, sink: &mut Reporter) {
    let setting = &scope.deployment.policy(site.policy).session_lifetime;
    let long = setting.get().copied().flatten().filter(|seconds| *seconds > WEEK && setting.is_written());
    if let Some(seconds) = long.filter(|_| scope.tls_bindings(id).next().is_some()) {
        let found = Problem::new("session-lifetime-too-long", setting.origin.place);
        let mut found = found.with("lifetime", super::validity::span(seconds.min(1 << 40) as i64));
        // Both servers read a bare number as seconds.
        found.fix = setting.origin.written().map(|written| Fix {
            title: "write one day".to_owned(),
            safety: Safety::Unsafe,
            edits: vec![Edit { span: written, text: "86400".to_owned() }],
        });
        sink.report(found.related(site.head, format!("holds for {}", scope.site_name(site))));
    }
}
