//! Protocol versions: deprecated ones, ones that cannot be reached, missing ones, and ones that another site decides.

use crate::diagnostic::{Fix, Problem, Safety};
use crate::handshake::openssl::Context;
use crate::lint::{Reporter, RuleContext};
use crate::model::{
    Change, Command, Endpoint, EndpointId, Origin, OriginKind, ProtocolChoice, Site, SiteId, Target, TlsPolicy, Token,
    Transport,
};
use crate::platform::TlsLibraryKind;
use crate::source::Span;
use crate::tls::{Protocol, Protocols};

/// The protocols in force for each TLS binding of a site that decides them by its own policy, with their origin and the
/// library's context.
fn effective<'s>(scope: &'s RuleContext<'_>, site: SiteId) -> Vec<(&'s ProtocolChoice, Origin, &'s Context)> {
    let tls = scope.tls_bindings(site).filter(|(_, _, binding)| !binding.rejects);
    let mut found: Vec<(&ProtocolChoice, Origin, &Context)> = Vec::new();
    for (_, _, binding) in tls {
        let policy = scope.deployment.policy(binding.after_name);
        let Some(choice) = policy.protocols.get() else { continue };
        // Commands for the library may narrow or widen the set: then the words alone do not tell.
        let by_words = policy.commands.get().is_some_and(|commands| !commands.iter().any(names_protocols));
        if by_words && !found.iter().any(|(other, origin, _)| *other == choice && *origin == policy.protocols.origin) {
            found.push((choice, policy.protocols.origin, scope.predictor.contexts().of(binding.after_name)));
        }
    }
    found
}

/// Whether a command for the library sets protocols or bounds of them.
fn names_protocols(command: &Command) -> bool {
    ["Protocol", "MinProtocol", "MaxProtocol"].iter().any(|name| command.name.text.eq_ignore_ascii_case(name))
}

/// Whether the library lets a version be negotiated. Absent where the library is not followed.
fn is_reachable(scope: &RuleContext<'_>, protocol: Protocol, context: &Context) -> Option<bool> {
    match scope.deployment.platform.tls_library.kind {
        TlsLibraryKind::OpenSsl => Some(context.reaches(protocol)),
        TlsLibraryKind::Go => Some(protocol >= Protocol::Tls10),
        TlsLibraryKind::Other => None,
    }
}

/// `deprecated-protocol`.
pub fn deprecated(scope: &RuleContext<'_>, id: SiteId, site: &Site, sink: &mut Reporter) {
    for (choice, origin, context) in effective(scope, id) {
        let old =
            choice.set.iter().filter(|one| one.is_deprecated() && is_reachable(scope, *one, context) == Some(true));
        let old: Protocols = old.collect();
        if old.is_empty() {
            continue;
        }
        let fix = without(scope, choice, old, origin);
        let words: Vec<&(Protocol, Token)> = choice.words.iter().filter(|(one, _)| old.contains(*one)).collect();
        let at = words.first().map_or(origin.place, |(_, token)| token.span);
        let case = if words.is_empty() { "default" } else { "" };
        let mut problem = Problem::new("deprecated-protocol", at)
            .case(case)
            .with("protocols", old.to_string())
            .with("write", scope.editor.wording(&set(origin, choice.set, old)))
            .related(site.head, format!("holds for {}", scope.site_name(site)));
        problem.fix = fix;
        sink.report(problem);
    }
}

/// `protocol-unreachable`.
pub fn unreachable(scope: &RuleContext<'_>, id: SiteId, _: &Site, sink: &mut Reporter) {
    for (choice, origin, context) in effective(scope, id) {
        let dead = |one: Protocol| one.is_deprecated() && is_reachable(scope, one, context) == Some(false);
        let words: Vec<&(Protocol, Token)> = choice.words.iter().filter(|(one, _)| dead(*one)).collect();
        let has_modern = choice.set.contains(Protocol::Tls12) || choice.set.contains(Protocol::Tls13);
        let Some((_, first)) = words.first().filter(|_| has_modern) else { continue };
        let set: Protocols = words.iter().map(|(one, _)| *one).collect();
        let mut problem = Problem::new("protocol-unreachable", first.span)
            .with("protocols", set.to_string())
            .with("library", scope.deployment.platform.tls_library.name.clone())
            .with("level", context.level.to_string());
        // One word may stand for several versions: `all`.
        for (_, token) in words.iter().filter(|(_, token)| token.span != first.span) {
            problem = problem.related(token.span, "nor this one");
        }
        problem.fix = without(scope, choice, set, origin);
        sink.report(problem);
    }
}

/// `quic-without-tls13`: nginx looks at the default site of the socket alone.
pub fn quic(scope: &RuleContext<'_>, _: EndpointId, endpoint: &Endpoint, sink: &mut Reporter) {
    let default = endpoint.unnamed.filter(|_| endpoint.transport == Transport::Quic && !scope.deployment.fragment);
    let Some(site) = default.map(|id| scope.deployment.site(endpoint.binding(id).site)) else { return };
    let protocols = &scope.deployment.policy(site.policy).protocols;
    if let Some(choice) = protocols.get().filter(|choice| !choice.set.contains(Protocol::Tls13))
        && let Some(listen) = endpoint.uses.iter().find(|one| scope.deployment.site(one.site).head == site.head)
    {
        let mut problem = Problem::new("quic-without-tls13", protocols.origin.place)
            .with("protocols", choice.set.to_string())
            .with("listen", endpoint.listen.to_string());
        if let Some(written) = protocols.origin.written() {
            let change =
                Change::SetProtocols { target: Target::Written(written), to: choice.set.with(Protocol::Tls13) };
            problem.fix = scope.fix("add TLS 1.3", Safety::Unsafe, &change);
        }
        sink.report(problem.related(listen.span, "speaks QUIC, which has TLS 1.3 only"));
    }
}

/// `protocol-hole`: clients that end at TLS 1.2 offer it and all below, and share nothing newer.
pub fn hole(scope: &RuleContext<'_>, id: SiteId, site: &Site, sink: &mut Reporter) {
    for (choice, origin, _) in effective(scope, id) {
        let has = |protocol| choice.set.contains(protocol);
        let below: Protocols = choice.set.iter().filter(|one| *one < Protocol::Tls12).collect();
        let below = below.union(choice.lost);
        let case = match (has(Protocol::Tls13) && !has(Protocol::Tls12), choice.lost.is_empty()) {
            (true, _) => "",
            (false, false) => "other",
            (false, true) => continue,
        };
        if below.is_empty() {
            continue;
        }
        let problem = Problem::new("protocol-hole", origin.place).case(case).with("below", below.to_string());
        let mut problem = problem.with("protocols", choice.set.to_string());
        // From TLS 1.2 on, which is what is left of the old ones when the hole is closed at the other end.
        let modern = [Protocol::Tls12, Protocol::Tls13].into_iter().filter(|one| *one == Protocol::Tls12 || has(*one));
        let change = Change::SetProtocols { target: target(origin, id), to: modern.collect() };
        problem.fix = scope.fix("leave no hole", Safety::Unsafe, &change);
        sink.report(problem.related(site.head, format!("holds for {}", scope.site_name(site))));
    }
}

/// `modern-protocol-missing`.
pub fn modern_missing(scope: &RuleContext<'_>, id: SiteId, site: &Site, sink: &mut Reporter) {
    for (choice, origin, context) in effective(scope, id) {
        let name = scope.site_name(site);
        if !choice.set.contains(Protocol::Tls12) && !choice.set.contains(Protocol::Tls13) {
            let change = Change::SetProtocols {
                target: target(origin, id),
                to: choice.set.with(Protocol::Tls12).with(Protocol::Tls13),
            };
            let problem = Problem::new("modern-protocol-missing", origin.place)
                .with("protocols", choice.set.to_string())
                .with("write", scope.editor.wording(&change));
            let mut problem = problem.related(site.head, format!("holds for {name}"));
            problem.fix = scope.fix("add TLS 1.2 and 1.3", Safety::Unsafe, &change);
            sink.report(problem);
        } else if !choice.set.contains(Protocol::Tls13) && has_tls13(scope) {
            // What is written stays; of a default only what clients can get is worth writing down.
            let is_kept =
                |one: &Protocol| origin.written().is_some() || is_reachable(scope, *one, context) != Some(false);
            let kept: Protocols = choice.set.iter().filter(is_kept).collect();
            let change = Change::SetProtocols { target: target(origin, id), to: kept.with(Protocol::Tls13) };
            let case = if origin.written().is_some() { "no-tls13" } else { "no-tls13-default" };
            let mut problem = Problem::new("modern-protocol-missing", origin.place)
                .case(case)
                .with("protocols", choice.set.to_string())
                .with("version", scope.deployment.platform.server_version.to_string())
                .with("write", scope.editor.wording(&change));
            if origin.written().is_some() {
                problem.fix = scope.fix("add TLS 1.3", Safety::Safe, &change);
            }
            sink.report(problem);
        }
    }
}

fn has_tls13(scope: &RuleContext<'_>) -> bool {
    let platform = &scope.deployment.platform;
    match platform.tls_library.kind {
        TlsLibraryKind::OpenSsl => platform.tls_library.version.at_least(1, 1, 1),
        TlsLibraryKind::Go => platform.tls_library.version.at_least(1, 13, 0),
        TlsLibraryKind::Other => false,
    }
}

pub fn target(origin: Origin, site: SiteId) -> Target {
    origin.written().map_or(Target::Site(site), Target::Written)
}

fn set(origin: Origin, all: Protocols, without: Protocols) -> Change {
    let to = without.iter().fold(all, Protocols::without);
    let at = origin.place;
    Change::SetProtocols { target: Target::Written(Span { end: at.end, ..at }), to }
}

/// The edit that takes protocols out of a written list, where a modern one remains.
fn without(scope: &RuleContext<'_>, choice: &ProtocolChoice, old: Protocols, origin: Origin) -> Option<Fix> {
    let to = old.iter().fold(choice.set, Protocols::without);
    let remains = to.contains(Protocol::Tls12) || to.contains(Protocol::Tls13);
    let one_directive = origin.written().filter(|written| {
        remains
            && !choice.words.is_empty()
            && choice.words.iter().all(|(_, token)| {
                token.span.file == written.file && written.start <= token.span.start && token.span.end <= written.end
            })
    })?;
    let change = Change::SetProtocols { target: Target::Written(one_directive), to };
    scope.fix(format!("remove {old}"), Safety::Safe, &change)
}

/// `shadowed-protocol`.
pub fn shadowed(scope: &RuleContext<'_>, _: EndpointId, endpoint: &Endpoint, sink: &mut Reporter) {
    if endpoint.transport != Transport::Tls || scope.deployment.fragment {
        return;
    }
    let Some(default) = endpoint.unnamed.map(|id| endpoint.binding(id)) else { return };
    let default_site = scope.deployment.site(default.site);
    for binding in endpoint.bindings.iter().filter(|binding| binding.site != default.site && !binding.rejects) {
        let site = scope.deployment.site(binding.site);
        let (own, force) = (scope.deployment.policy(binding.own), scope.deployment.policy(binding.after_name));
        // The words of the site itself: what is inherited by both from one place is not shadowed by anyone.
        let Some((at, force)) = shadowed_words(own, force).filter(|_| binding.own == site.policy) else { continue };
        let contexts = scope.predictor.contexts();
        let reach = |id| -> Option<Protocols> {
            let context: &Context = contexts.of(id);
            let known = context.protocols_unknown.is_none() && scope.predictor.is_openssl();
            known.then(|| Protocol::ALL.into_iter().filter(|one| context.reaches(*one)).collect())
        };
        let (Some(wanted), Some(got)) = (reach(binding.own), reach(binding.after_name)) else { continue };
        if wanted == got {
            continue;
        }
        let lost: Protocols = wanted.iter().filter(|one| !got.contains(*one)).collect();
        let gained: Protocols = got.iter().filter(|one| !wanted.contains(*one)).collect();
        let case = if lost.is_empty() { "widened" } else { "" };
        let mut problem = Problem::new("shadowed-protocol", at)
            .case(case)
            .with("site", scope.site_name(site))
            .with("lost", lost.to_string())
            .with("gained", gained.to_string())
            .with("version", scope.deployment.platform.server_version.to_string())
            .with("listen", endpoint.listen.to_string())
            .related(default_site.head, format!("the default server of {} ...", endpoint.listen));
        problem = match force {
            Some(written) => problem.related(written, "... decides before the name is known"),
            None => problem.related(default_site.head, "... says nothing: the default of this version decides"),
        };
        // Words of a command for the library are another matter.
        if own.protocols.is_written() {
            let change = Change::SetProtocols { target: Target::Site(default.site), to: wanted };
            problem.fix = scope.fix("say it in the default site", Safety::Unsafe, &change);
        }
        sink.report(problem);
    }
}

/// `protocol-inherited-from-default-site`: once for what the default site writes, with every site that lives by it.
pub fn inherited(scope: &RuleContext<'_>, _: EndpointId, endpoint: &Endpoint, sink: &mut Reporter) {
    let is_whole = !scope.deployment.fragment;
    let default = endpoint.unnamed.filter(|_| is_whole && endpoint.transport == Transport::Tls);
    let Some(default) = default.map(|id| endpoint.binding(id)) else { return };
    let theirs = &scope.deployment.policy(default.own).protocols;
    let Some((written, set)) = theirs.origin.written().zip(theirs.get().map(|choice| choice.set)) else { return };
    if theirs.origin.kind != OriginKind::Written {
        return;
    }
    for binding in endpoint.bindings.iter().filter(|binding| binding.site != default.site) {
        let own = &scope.deployment.policy(binding.own).protocols;
        let force = &scope.deployment.policy(binding.after_name).protocols;
        let is_left = own.origin.kind == OriginKind::Default && force.origin.written() == Some(written);
        let Some(meant) = own.get().map(|choice| choice.set).filter(|meant| is_left && *meant != set) else { continue };
        let site = scope.deployment.site(binding.site);
        let change = Change::SetProtocols { target: Target::Global, to: set };
        let mut problem = Problem::new("protocol-inherited-from-default-site", written)
            .with("default", scope.site_name(scope.deployment.site(default.site)))
            .with("listen", endpoint.listen.to_string())
            .with("protocols", set.to_string())
            .with("meant", meant.to_string())
            .with("write", scope.editor.wording(&change));
        problem.fix = scope.fix("say it for the whole server", safety_for_all(scope, set), &change);
        sink.report(problem.related(site.head, format!("{} says nothing of its own", scope.site_name(site))));
    }
}

/// Whether every site that says nothing speaks these protocols already, so that saying them for all changes nothing.
fn safety_for_all(scope: &RuleContext<'_>, set: Protocols) -> Safety {
    let protocols = |id| &scope.deployment.policy(id).protocols;
    let mut silent = scope.deployment.tls_endpoints().flat_map(|(_, endpoint)| &endpoint.bindings);
    let changes = silent.any(|binding| {
        let is_silent = protocols(binding.own).origin.kind == OriginKind::Default;
        is_silent && protocols(binding.after_name).get().is_none_or(|choice| choice.set != set)
    });
    if changes { Safety::Unsafe } else { Safety::Safe }
}

/// Where a site writes protocols that other words are in force for, and where those stand.
fn shadowed_words(own: &TlsPolicy, force: &TlsPolicy) -> Option<(Span, Option<Span>)> {
    let command = |policy: &TlsPolicy| {
        policy
            .commands
            .get()
            .and_then(|all| all.iter().rev().find(|one| names_protocols(one)))
            .map(|one| one.value.span)
    };
    let (mine, theirs) = (own.protocols.origin, force.protocols.origin);
    if own.protocols.is_written() && mine.written() != theirs.written() {
        return Some((mine.place, theirs.written()));
    }
    command(own).filter(|at| command(force) != Some(*at)).map(|at| (at, command(force)))
}
