//! Sockets: TLS where it is missing, or where one site switches it on for all.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::diagnostic::{Edit, Fix, Problem, Safety, Severity};
use crate::lint::{Reporter, RuleContext};
use crate::model::{Address, Change, Endpoint, EndpointId, ListenUse, NameKind, Service, Site, SiteId, Transport};

fn speaks_tls(endpoint: &Endpoint) -> bool {
    matches!(endpoint.transport, Transport::Tls | Transport::Quic)
}

fn is_unix(endpoint: &Endpoint) -> bool {
    matches!(endpoint.listen.address, Address::Unix(_))
}

/// `plain-http-on-tls-port`.
pub fn plain_on_tls_port(scope: &RuleContext<'_>, _: EndpointId, endpoint: &Endpoint, sink: &mut Reporter) {
    if endpoint.transport != Transport::Plain || endpoint.proxy_protocol || is_unix(endpoint) {
        return;
    }
    let port = endpoint.listen.port;
    let elsewhere =
        scope.deployment.endpoints.iter().any(|other| other.listen.port == port && other.transport == Transport::Tls);
    // Where TLS of other sites of the socket is lost, `default-site-not-tls` says why.
    let is_lost = endpoint.uses.iter().any(|one| one.tls);
    if is_lost || port == 80 || !(matches!(port, 443 | 8443) || elsewhere) {
        return;
    }
    for listen in &endpoint.uses {
        let site = scope.deployment.site(listen.site);
        // `stream` may pass TLS through to whoever ends it.
        if site.service != Service::Http {
            continue;
        }
        let has_certificate = !scope.deployment.credentials(site.credentials).pairs.is_empty();
        if !(site.has_own_tls || has_certificate || port == 443) || (scope.deployment.fragment && !site.has_own_tls) {
            continue;
        }
        let change = Change::SpeakTls { listen: listen.span };
        let case = if has_certificate { "" } else { "no-certificate" };
        let mut problem = Problem::new("plain-http-on-tls-port", listen.span)
            .case(case)
            .with("port", port.to_string())
            .with("site", scope.site_name(site))
            .with("write", scope.editor.wording(&change));
        if has_certificate {
            problem.fix = scope.fix("speak TLS on this socket", Safety::Unsafe, &change);
        }
        sink.report(problem);
    }
}

/// `default-site-not-tls`.
pub fn default_plain(scope: &RuleContext<'_>, _: EndpointId, endpoint: &Endpoint, sink: &mut Reporter) {
    let Some((first, others)) = endpoint.uses.split_first().filter(|_| endpoint.transport == Transport::Plain) else {
        return;
    };
    let lost: Vec<&ListenUse> = others.iter().filter(|one| one.tls && one.site != first.site).collect();
    if lost.is_empty() || first.tls {
        return;
    }
    let site = |one: &ListenUse| scope.site_name(scope.deployment.site(one.site));
    let more = if lost.len() > 1 { format!(" and {} more", lost.len() - 1) } else { String::new() };
    let mut problem = Problem::new("default-site-not-tls", first.span)
        .with("site", site(first))
        .with("listen", endpoint.listen.to_string())
        .with("lost", format!("{}{more}", site(lost[0])));
    let change = Change::MoveBehind { site: first.site, behind: lost[0].site };
    problem.fix = scope.fix("put the site behind the others", Safety::Unsafe, &change);
    for one in lost.iter().take(5) {
        problem = problem.related(one.span, format!("TLS for {}, without effect", site(one)));
    }
    sink.report(problem);
}

/// `listen-without-tls`.
pub fn without_tls(scope: &RuleContext<'_>, id: SiteId, site: &Site, sink: &mut Reporter) {
    let Some(pair) = scope.deployment.credentials(site.credentials).pairs.first().filter(|_| site.has_own_credentials)
    else {
        return;
    };
    let sockets: Vec<&Endpoint> = scope.bindings(id).map(|(endpoint, ..)| endpoint).collect();
    let is_tls_port = |endpoint: &Endpoint| {
        let port = endpoint.listen.port;
        let elsewhere = |other: &Endpoint| other.listen.port == port && other.transport == Transport::Tls;
        port != 80 && (matches!(port, 443 | 8443) || scope.deployment.endpoints.iter().any(elsewhere))
    };
    // Its own switch is on, and another site of the socket decides: `default-site-not-tls`.
    let is_lost = || scope.listens(id).any(|listen| listen.tls);
    if sockets.is_empty()
        || sockets.iter().any(|one| speaks_tls(one) || one.proxy_protocol || is_unix(one) || is_tls_port(one))
        || is_lost()
    {
        return;
    }
    // Mail may switch to TLS within a connection.
    if site.service == Service::Mail {
        return;
    }
    // The same names may be served by TLS elsewhere, with shared settings in both blocks.
    let elsewhere = site.names.iter().filter(|name| name.kind != NameKind::None).any(|name| {
        let tls = scope.deployment.endpoints.iter().filter(|endpoint| speaks_tls(endpoint));
        tls.into_iter().any(|endpoint| endpoint.named.exact.contains_key(&name.token.text))
    });
    if elsewhere {
        return;
    }
    let only_http = sockets.iter().all(|endpoint| endpoint.listen.port == 80);
    let at = pair.certificate.origin.place;
    let mut problem = Problem::new("listen-without-tls", at)
        .with("site", scope.site_name(site))
        .with("listen", sockets.iter().map(|one| one.listen.to_string()).collect::<Vec<_>>().join(", "));
    if only_http {
        problem = problem.severity(Severity::Warning);
    }
    for listen in scope.listens(id) {
        problem = problem.related(listen.span, "answers plain HTTP");
    }
    // Nobody else answers there, and clients of port 80 are not taken away.
    if sockets.iter().all(|endpoint| endpoint.listen.port != 80 && endpoint.uses.iter().all(|one| one.site == id)) {
        let edits = |listen: &ListenUse| Some(scope.editor.edits(&Change::SpeakTls { listen: listen.span })?.edits);
        let edits: Option<Vec<_>> = scope.listens(id).map(edits).collect();
        let mut edits: Vec<Edit> = edits.into_iter().flatten().flatten().collect();
        edits.dedup();
        problem.fix = (!edits.is_empty()).then(|| Fix {
            title: "speak TLS on its sockets".to_owned(),
            safety: Safety::Unsafe,
            edits,
        });
    }
    sink.report(problem);
}

/// `tls-on-http-port`.
pub fn tls_on_http_port(scope: &RuleContext<'_>, _: EndpointId, endpoint: &Endpoint, sink: &mut Reporter) {
    if endpoint.transport != Transport::Tls || endpoint.listen.port != 80 {
        return;
    }
    for listen in endpoint.uses.iter().filter(|listen| listen.tls) {
        let mut problem = Problem::new("tls-on-http-port", listen.span).with("listen", endpoint.listen.to_string());
        problem.fix =
            scope.fix("speak plain HTTP on this socket", Safety::Unsafe, &Change::SpeakPlain { listen: listen.span });
        sink.report(problem);
    }
}

/// `mixed-tls-and-plain-listener`.
pub fn mixed(scope: &RuleContext<'_>, _: EndpointId, endpoint: &Endpoint, sink: &mut Reporter) {
    if endpoint.transport != Transport::Tls {
        return;
    }
    let Some(with) = endpoint.uses.iter().find(|one| one.tls) else { return };
    let spoken: HashMap<SiteId, ()> = endpoint.uses.iter().filter(|one| one.tls).map(|one| (one.site, ())).collect();
    for plain in endpoint.uses.iter().filter(|one| !one.tls) {
        let site = scope.deployment.site(plain.site);
        // A second listen of the same site that does say it.
        if spoken.contains_key(&plain.site) {
            continue;
        }
        let change = Change::SpeakTls { listen: plain.span };
        let uncovered = super::name::uncovered(scope, endpoint, plain.site);
        let severity = if uncovered.is_empty() { Severity::Warning } else { Severity::Error };
        let mut problem = Problem::new("mixed-tls-and-plain-listener", plain.span)
            .severity(severity)
            .with("site", scope.site_name(site))
            .with("listen", endpoint.listen.to_string())
            .with("write", scope.editor.wording(&change))
            .related(with.span, "switches TLS on for every site of this address and port");
        // On the port of HTTP it is the other that is wrong (`tls-on-http-port`).
        if endpoint.listen.port != 80 {
            problem.fix = scope.fix("say that this socket speaks TLS", Safety::Unsafe, &change);
        }
        sink.report(problem);
    }
}

/// `listen-proxy-protocol-mixed`.
pub fn proxy_protocol_mixed(scope: &RuleContext<'_>, _: EndpointId, endpoint: &Endpoint, sink: &mut Reporter) {
    let Some(with) = endpoint.uses.iter().find(|one| one.proxy_protocol) else { return };
    for without in endpoint.uses.iter().filter(|one| !one.proxy_protocol) {
        let site = scope.deployment.site(without.site);
        let mut problem = Problem::new("listen-proxy-protocol-mixed", without.span)
            .with("site", scope.site_name(site))
            .with("listen", endpoint.listen.to_string());
        let change = Change::ExpectProxyHeader { listen: without.span };
        problem.fix = scope.fix("say that this socket expects the header", Safety::Unsafe, &change);
        sink.report(problem.related(with.span, "asks for the header on every connection to this address and port"));
    }
}

/// `implicit-default-server`.
pub fn implicit_default(scope: &RuleContext<'_>, _: EndpointId, endpoint: &Endpoint, sink: &mut Reporter) {
    let claimed = endpoint.uses.iter().any(|one| one.claims_default.is_some());
    if endpoint.transport != Transport::Tls || claimed || endpoint.bindings.len() < 2 || scope.deployment.fragment {
        return;
    }
    let first = &endpoint.uses[0];
    let site = scope.deployment.site(first.site);
    sink.report(
        Problem::new("implicit-default-server", first.span)
            .with("site", scope.site_name(site))
            .with("listen", endpoint.listen.to_string())
            .with("count", endpoint.bindings.len().to_string()),
    );
}

/// `listen-specific-shadows-wildcard`.
pub fn specific_shadows_wildcard(scope: &RuleContext<'_>, _: EndpointId, endpoint: &Endpoint, sink: &mut Reporter) {
    let Address::Ip(ip) = &endpoint.listen.address else { return };
    if ip.is_unspecified() || endpoint.transport == Transport::Quic {
        return;
    }
    let is_wildcard = |other: &Address| match (other, ip) {
        (Address::Any, _) => true,
        (Address::Ip(other), ip) => other.is_unspecified() && other.is_ipv4() == ip.is_ipv4(),
        _ => false,
    };
    let wildcard = scope.deployment.endpoints.iter().find(|other| {
        other.listen.port == endpoint.listen.port
            && other.transport == Transport::Tls
            && is_wildcard(&other.listen.address)
            && scope.service(other) == scope.service(endpoint)
    });
    let Some(wildcard) = wildcard else { return };
    let own = &endpoint.uses[0];
    let mut lost: Vec<(&ListenUse, String)> = Vec::new();
    for listen in &wildcard.uses {
        let site = scope.deployment.site(listen.site);
        let names = site.names.iter().filter(|name| name.kind == NameKind::Exact);
        let missing = names.map(|name| &name.token.text).find(|name| !endpoint.named.exact.contains_key(*name));
        lost.extend(missing.map(|name| (listen, name.to_string())));
    }
    let Some((_, name)) = lost.first() else { return };
    let severity = if endpoint.transport == Transport::Plain { Severity::Error } else { Severity::Warning };
    let case = if endpoint.transport == Transport::Plain { "plain" } else { "" };
    let mut problem = Problem::new("listen-specific-shadows-wildcard", own.span)
        .case(case)
        .severity(severity)
        .with("listen", endpoint.listen.to_string())
        .with("name", name.clone())
        .with("count", lost.len().to_string());
    let change = Change::ListenToo { listen: lost[0].0.span, on: endpoint.listen.clone() };
    problem.fix = scope.fix("listen there too", Safety::Unsafe, &change);
    for (listen, name) in &lost {
        problem = problem.related(listen.span, format!("{name} cannot be reached there"));
    }
    sink.report(problem);
}

/// `ipv6-listen-missing`.
pub fn ipv6_missing(scope: &RuleContext<'_>, _: EndpointId, endpoint: &Endpoint, sink: &mut Reporter) {
    let is_all_v4 = matches!(endpoint.listen.address, Address::Ip(IpAddr::V4(ip)) if ip.is_unspecified());
    if endpoint.transport != Transport::Tls || !is_all_v4 || scope.deployment.fragment {
        return;
    }
    let v6 = scope.deployment.endpoints.iter().find(|other| {
        let all = matches!(other.listen.address, Address::Ip(IpAddr::V6(ip)) if ip.is_unspecified());
        all && other.listen.port == endpoint.listen.port && other.transport == Transport::Tls
    });
    let Some(v6) = v6 else { return };
    let there: HashMap<SiteId, ()> = v6.uses.iter().map(|one| (one.site, ())).collect();
    for listen in endpoint.uses.iter().filter(|listen| !there.contains_key(&listen.site)) {
        let site = scope.deployment.site(listen.site);
        let named = site
            .names
            .iter()
            .find(|name| name.kind == NameKind::Exact && !v6.named.exact.contains_key(&name.token.text));
        let Some(name) = named else { continue };
        let mut problem = Problem::new("ipv6-listen-missing", listen.span)
            .with("name", &*name.token.text)
            .with("port", endpoint.listen.port.to_string());
        let change = Change::ListenToo { listen: listen.span, on: v6.listen.clone() };
        problem.fix = scope.fix("listen there too", Safety::Unsafe, &change);
        sink.report(problem.related(v6.uses[0].span, "answers it over IPv6"));
    }
}

/// `listen-http2-mixed`.
pub fn http2_mixed(scope: &RuleContext<'_>, _: EndpointId, endpoint: &Endpoint, sink: &mut Reporter) {
    let Some(with) = endpoint.uses.iter().find(|one| one.http2).filter(|_| speaks_tls(endpoint)) else { return };
    for without in endpoint.uses.iter().filter(|one| !one.http2) {
        let site = scope.deployment.site(without.site);
        let mut problem = Problem::new("listen-http2-mixed", without.span)
            .with("site", scope.site_name(site))
            .with("listen", endpoint.listen.to_string());
        let change = Change::SpeakHttp2 { listen: without.span };
        problem.fix = scope.fix("say that this socket speaks HTTP/2", Safety::Unsafe, &change);
        sink.report(problem.related(with.span, "turns HTTP/2 on for every site of this address and port"));
    }
}
