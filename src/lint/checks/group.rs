//! Groups: lists that leave clients out, and lists that another site decides.

use crate::diagnostic::{Edit, Fix, Problem, Safety, Severity};
use crate::handshake::go;
use crate::handshake::openssl::Context;
use crate::handshake::{Client, Outcome, clients};
use crate::lint::{Reporter, RuleContext, ServedCredential};
use crate::model::{Binding, Change, Endpoint, EndpointId, Setting, Site, SiteId, TlsPolicy, Token, Transport};
use crate::platform::TlsLibraryKind;
use crate::source::Span;
use crate::tls::group::{self, GroupList};

/// Where the groups of a policy are written: in a command for the library, else in the server's own directive.
pub fn written(policy: &TlsPolicy) -> Option<Span> {
    let command =
        policy.commands.get().and_then(|all| all.iter().rev().find(|one| one.sets_groups())).map(|one| one.value.span);
    let own = |setting: &Setting<std::sync::Arc<[Token]>>| {
        setting.get().and_then(|list| list.first()).map(|token| token.span).filter(|_| setting.is_written())
    };
    command.or_else(|| own(&policy.groups))
}

fn names(list: &GroupList) -> String {
    list.iter().filter_map(group::group).map(|group| group.name).collect::<Vec<_>>().join(":")
}

/// The bindings of a TLS socket that have a say of their own, with their contexts.
fn judged<'s>(scope: &'s RuleContext<'_>, endpoint: &'s Endpoint) -> impl Iterator<Item = (&'s Binding, &'s Context)> {
    let speaks = endpoint.transport == Transport::Tls && !scope.deployment.fragment && scope.predictor.is_openssl();
    let all = endpoint.bindings.iter().filter(move |binding| speaks && !binding.rejects);
    all.map(|binding| (binding, scope.predictor.contexts().of(binding.after_name)))
}

/// The groups in force for each binding of a TLS socket that has a say of its own, where they are known.
fn in_force<'s>(scope: &'s RuleContext<'_>, endpoint: &'s Endpoint) -> Vec<(&'s Binding, GroupList)> {
    if scope.predictor.is_openssl() {
        let known = judged(scope, endpoint).filter(|(_, context)| context.faults.is_empty());
        return known.filter_map(|(binding, context)| Some((binding, context.groups.clone().ok()?))).collect();
    }
    let library = &scope.deployment.platform.tls_library;
    if library.kind != TlsLibraryKind::Go || endpoint.transport != Transport::Tls {
        return Vec::new();
    }
    let all = endpoint.bindings.iter().filter(|binding| !binding.rejects);
    let groups = |binding: &Binding| go::groups(scope.deployment.policy(binding.after_name), library.version);
    all.filter_map(|binding| Some((binding, GroupList { tuples: vec![groups(binding)?] }))).collect()
}

/// Puts groups before those of a list, by the names of OpenSSL or those of Go.
fn before_groups(scope: &RuleContext<'_>, at: Span, openssl: &[&str], go: &[&str], safety: Safety) -> Option<Fix> {
    let text = match scope.deployment.platform.tls_library.kind {
        TlsLibraryKind::OpenSsl => format!("{}:", openssl.join(":")),
        _ => format!("{} ", go.join(" ")),
    };
    // Behind quotes, and in JSON, the list is not what stands there.
    let is_plain = scope.text(at).starts_with(|first: char| first.is_ascii_alphanumeric());
    let span = Span { end: at.start, ..at };
    is_plain.then(|| Fix {
        title: format!("put {} first", openssl.join(" and ")),
        safety,
        edits: vec![Edit { span, text }],
    })
}

/// `narrow-groups`.
pub fn narrow(scope: &RuleContext<'_>, _: EndpointId, endpoint: &Endpoint, sink: &mut Reporter) {
    const COMMON: [u16; 3] = [0x0017, 0x0018, 0x001d];
    for (binding, groups) in in_force(scope, endpoint) {
        let Some(at) = written(scope.deployment.policy(binding.after_name)) else { continue };
        if COMMON.iter().any(|code| groups.contains(*code)) {
            continue;
        }
        let current = || clients().iter().filter(|client| !client.is_old);
        let shares = |client: &Client| client.groups.iter().any(|group| groups.contains(group.code_point));
        let lost: Vec<&str> = current().filter(|one| !shares(one)).map(|one| &*one.name).collect();
        if lost.is_empty() {
            continue;
        }
        let gets_through = |client: &Client| !matches!(*scope.predictor.outcome(binding, client), Outcome::Failed(_));
        let is_fatal = lost.len() == current().count() && !current().any(gets_through);
        let shown = lost.iter().take(4).copied().collect::<Vec<_>>().join(", ");
        let more = if lost.len() > 4 { format!(" and {} more", lost.len() - 4) } else { String::new() };
        let site = scope.deployment.site(binding.site);
        let fix = before_groups(scope, at, &["X25519", "P-256"], &["x25519", "secp256r1"], Safety::Unsafe);
        let mut problem = Problem::new("narrow-groups", at)
            .case(if is_fatal { "" } else { "some" })
            .with("groups", names(&groups))
            .with("clients", format!("{shown}{more}"))
            .related(site.head, format!("holds for {}", scope.site_name(site)));
        problem.fix = fix;
        sink.report(problem.severity(if is_fatal { Severity::Error } else { Severity::Warning }));
    }
}

/// `post-quantum-group-missing`: where the library has the group and a written list leaves it out.
pub fn post_quantum_missing(scope: &RuleContext<'_>, id: SiteId, site: &Site, sink: &mut Reporter) {
    let policy = scope.deployment.policy(site.policy);
    let Some(at) = written(policy).filter(|_| scope.tls_bindings(id).next().is_some()) else { return };
    let platform = &scope.deployment.platform;
    let has_it = match platform.tls_library.kind {
        TlsLibraryKind::OpenSsl => platform.tls_library.version.at_least(3, 5, 0),
        TlsLibraryKind::Go => platform.server_version.at_least(2, 10, 0),
        TlsLibraryKind::Other => false,
    };
    let names: Vec<String> = match platform.tls_library.kind {
        TlsLibraryKind::OpenSsl => match &scope.predictor.contexts().of(site.policy).groups {
            Ok(groups) => groups.iter().filter_map(group::group).map(|group| group.name.to_owned()).collect(),
            Err(_) => return,
        },
        _ => match policy.groups.get() {
            Some(list) => list.iter().map(|token| token.text.to_string()).collect(),
            None => return,
        },
    };
    if has_it && !names.iter().any(|name| name.to_ascii_uppercase().contains("MLKEM")) {
        let mut problem = Problem::new("post-quantum-group-missing", at).with("groups", names.join(", "));
        problem.fix = before_groups(scope, at, &["X25519MLKEM768"], &["x25519mlkem768"], Safety::Safe);
        sink.report(problem.related(site.head, format!("holds for {}", scope.site_name(site))));
    }
}

/// `ec-parameters-pin-curve`: httpd takes the curve that it finds beside its first certificate for all key exchanges
/// (`modssl_get_ecparams_from_file`).
pub fn pinned<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    if one.position != 0
        || one.sites.is_empty()
        || scope.deployment.platform.tls_library.kind != TlsLibraryKind::OpenSsl
    {
        return;
    }
    let Some((token, file)) = scope.certificate_file(one.pair) else { return };
    let Some((block, _)) = file.curve_parameters() else { return };
    let mut problem = Problem::new("ec-parameters-pin-curve", token.span).with("path", &*token.text);
    if !file.is_secret() {
        problem = problem.related(block.head, "this block");
        let edits = vec![Edit { span: block.span, text: String::new() }];
        problem = problem.fix(Fix { title: "take the block away".to_owned(), safety: Safety::Safe, edits });
    }
    sink.report(problem);
}

/// Moves the word to the site that decides, where that has none of its own and each client that finds a group today
/// finds one then.
fn decided_first(
    scope: &RuleContext<'_>,
    at: Span,
    (site, first): (SiteId, SiteId),
    (wanted, got): (&GroupList, &GroupList),
) -> Option<Fix> {
    // Only where the word stands in the site itself, and that decides nowhere else, nobody loses it.
    let block = scope.deployment.site(site).block;
    let is_own = at.file == block.file && block.start <= at.start && at.end <= block.end;
    let decides = |endpoint: &Endpoint| endpoint.unnamed.is_none_or(|id| endpoint.binding(id).site != first);
    if !is_own || scope.tls_bindings(site).any(|(endpoint, ..)| decides(endpoint)) {
        return None;
    }
    let shares = |client: &Client, list: &GroupList| client.groups.iter().any(|group| list.contains(group.code_point));
    let loses = |client: &Client| shares(client, got) && !shares(client, wanted);
    let change = Change::MoveToSite { written: at, site: first };
    let is_safe = !clients().iter().any(loses);
    is_safe.then(|| scope.fix("write it in the site that decides", Safety::Safe, &change)).flatten()
}

/// `shadowed-group`.
pub fn shadowed(scope: &RuleContext<'_>, _: EndpointId, endpoint: &Endpoint, sink: &mut Reporter) {
    let Some(default) = endpoint.unnamed.map(|id| endpoint.binding(id)) else { return };
    let default_site = scope.deployment.site(default.site);
    for (binding, context) in judged(scope, endpoint).filter(|(binding, _)| binding.site != default.site) {
        let own = scope.predictor.contexts().of(binding.own);
        let site = scope.deployment.site(binding.site);
        // A site without a context of its own has no say at all.
        let Some(at) = written(scope.deployment.policy(binding.own)).filter(|_| binding.own == site.policy) else {
            continue;
        };
        let force = written(scope.deployment.policy(binding.after_name));
        let (Ok(wanted), Ok(got)) = (&own.groups, &context.groups) else { continue };
        if wanted == got || force == Some(at) || !own.faults.is_empty() || !context.faults.is_empty() {
            continue;
        }
        let mut problem = Problem::new("shadowed-group", at)
            .with("site", scope.site_name(site))
            .with("wanted", names(wanted))
            .with("groups", names(got))
            .with("listen", endpoint.listen.to_string())
            .related(default_site.head, format!("the default server of {} ...", endpoint.listen));
        if force.is_none() {
            problem.fix = decided_first(scope, at, (binding.site, default.site), (wanted, got));
        }
        problem = match force {
            Some(written) => problem.related(written, "... decides before the name is known"),
            None => problem.related(default_site.head, "... says nothing: the library's own list decides"),
        };
        sink.report(problem);
    }
}
