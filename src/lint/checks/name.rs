//! Names: sites that shadow one another, and names that no certificate covers.

use std::sync::Arc;

use crate::diagnostic::{Edit, Fix, Problem, Safety, Severity};
use crate::lint::{Scope, Sink, scope::is_host};
use crate::model::{Credentials, Endpoint, EndpointId, Found, NameKind, OriginKind, SiteId, Transport};
use crate::pki::Certificate;

/// The leaves of a set, as far as they can be read. Absent where one cannot: then nothing can be said of its names.
fn leaves<'a>(scope: &Scope<'a>, set: &'a Credentials) -> Option<Vec<&'a Arc<Certificate>>> {
    if set.pairs.is_empty() {
        return None;
    }
    set.pairs.iter().map(|pair| scope.leaf(pair)).collect()
}

/// Whether a certificate covers a name; an address only as an address.
fn covers(certificate: &Certificate, name: &str) -> bool {
    certificate.matches_host(name, true)
}

/// The exact names of a site that no certificate covers that is served for them on this socket. Empty where that cannot
/// be known.
pub fn uncovered(scope: &Scope<'_>, endpoint: &Endpoint, site: SiteId) -> Vec<String> {
    let Some(at) = endpoint.bindings.iter().position(|binding| binding.site == site) else { return Vec::new() };
    let binding = endpoint.bindings[at];
    let Some(leaves) = leaves(scope, scope.deployment.credentials(binding.credentials)) else { return Vec::new() };
    let names = scope.exact_names(endpoint, crate::model::BindingId(at as u32), scope.deployment.site(site));
    let open = names.into_iter().filter(|name| !leaves.iter().any(|leaf| covers(leaf, &name.text)));
    open.map(|name| name.text.to_string()).collect()
}

/// `certificate-name-mismatch`.
pub fn mismatch(scope: &Scope<'_>, _: EndpointId, endpoint: &Endpoint, sink: &mut Sink) {
    if !matches!(endpoint.transport, Transport::Tls | Transport::Quic) {
        return;
    }
    for (at, binding) in endpoint.bindings.iter().enumerate() {
        let set = scope.deployment.credentials(binding.credentials);
        let Some(leaves) = leaves(scope, set).filter(|_| !binding.rejects) else { continue };
        if leaves.iter().all(|leaf| !leaf.has_san && leaf.common_names.is_empty()) {
            continue;
        }
        let site = scope.deployment.site(binding.site);
        let certificate = &set.pairs[0].certificate;
        let covered = leaves[0].names().join(", ");
        let exact = scope.exact_names(endpoint, crate::model::BindingId(at as u32), site);
        for name in exact.into_iter().filter(|name| !leaves.iter().any(|leaf| covers(leaf, &name.text))) {
            let problem = Problem::new("certificate-name-mismatch", name.span)
                .with("name", &*name.text)
                .with("covered", covered.clone());
            sink.report(problem.related(certificate.origin.anchor(), format!("{}: {covered}", leaves[0].short_name())));
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
                sink.report(problem.related(certificate.origin.anchor(), caption));
            }
        }
    }
}

/// `shadowed-site`.
pub fn shadowed(scope: &Scope<'_>, _: EndpointId, endpoint: &Endpoint, sink: &mut Sink) {
    if !matches!(endpoint.transport, Transport::Tls | Transport::Quic) {
        return;
    }
    for binding in &endpoint.bindings {
        let site = scope.deployment.site(binding.site);
        for name in site.names.iter().filter(|name| name.kind == NameKind::Exact) {
            let Found::Binding(winner) = endpoint.named.find(&name.token.text) else { continue };
            let winner = endpoint.binding(winner);
            if winner.site == binding.site {
                continue;
            }
            let set = scope.deployment.credentials(winner.credentials);
            let wrong =
                leaves(scope, set).is_some_and(|leaves| !leaves.iter().any(|leaf| covers(leaf, &name.token.text)));
            let first = scope.deployment.site(winner.site);
            let at = first.names.iter().find(|other| other.token.text == name.token.text);
            let problem = Problem::new("shadowed-site", name.token.span)
                .severity(if wrong { Severity::Error } else { Severity::Warning })
                .with("name", &*name.token.text)
                .with("listen", endpoint.listen.to_string());
            let place = at.map_or(first.head, |other| other.token.span);
            sink.report(problem.related(place, "taken here already"));
        }
    }
}

/// `certificate-inherited-from-default-site`.
pub fn inherited(scope: &Scope<'_>, _: EndpointId, endpoint: &Endpoint, sink: &mut Sink) {
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
        let known = leaves(scope, set).is_some();
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
pub fn rejected(scope: &Scope<'_>, _: EndpointId, endpoint: &Endpoint, sink: &mut Sink) {
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
        let mut problem = Problem::new("site-rejected-by-default", site.rejects.origin.anchor())
            .case(case)
            .with("name", &*name.text)
            .related(site.head, format!("holds for {}", scope.site_name(site)));
        if let Some(written) = site.rejects.origin.written.filter(|_| case.is_empty()) {
            let edits = vec![Edit { span: written, text: "off".to_owned() }];
            problem.fix = Some(Fix { title: "answer under this name".to_owned(), safety: Safety::Unsafe, edits });
        }
        sink.report(problem);
    }
}
