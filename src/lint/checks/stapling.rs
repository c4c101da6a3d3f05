//! OCSP stapling that cannot work, and certificates that demand it.

use std::path::Path;

use crate::diagnostic::{Fix, Problem, Safety, Unchecked, UncheckedReason};
use crate::lint::{Reporter, RuleContext, ServedCredential};
use crate::model::{Change, ServerKind, Setting, Site, SiteId, Stapling, VerifyMode};
use crate::pki::{Certificate, OcspResponse};
use crate::source::ReadError;

/// The responders of a site's certificates; absent where a certificate cannot be read.
fn responders(scope: &RuleContext<'_>, site: &Site) -> Option<Vec<String>> {
    let pairs = &scope.deployment.credentials(site.credentials).pairs;
    let leaves: Option<Vec<_>> = pairs.iter().map(|pair| scope.leaf(pair)).collect();
    leaves.filter(|all| !all.is_empty()).map(|all| all.iter().flat_map(|leaf| leaf.ocsp_urls.clone()).collect())
}

fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?']).next().unwrap_or(rest);
    host.rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or(host, |(host, _)| host)
}

fn is_name(host: &str) -> bool {
    host.parse::<std::net::Ipv4Addr>().is_err() && !host.starts_with('[')
}

/// `stapling-without-resolver`.
pub fn without_resolver(scope: &RuleContext<'_>, id: SiteId, site: &Site, sink: &mut Reporter) {
    let setting = &scope.deployment.policy(site.policy).stapling;
    let Some(stapling) = setting.get().filter(|one| one.on && one.file.is_none() && !one.has_resolver) else { return };
    if scope.tls_bindings(id).next().is_none() {
        return;
    }
    let urls = match &stapling.responder {
        Some(responder) => vec![responder.text.to_string()],
        None => responders(scope, site).unwrap_or_default(),
    };
    let Some(name) = urls.iter().map(|url| host(url)).find(|host| is_name(host)) else { return };
    let problem = Problem::new("stapling-without-resolver", setting.origin.place).with("host", name);
    sink.report(problem.related(site.head, format!("holds for {}", scope.site_name(site))));
}

/// `stapling-without-responder`.
pub fn without_responder(scope: &RuleContext<'_>, id: SiteId, site: &Site, sink: &mut Reporter) {
    let setting = &scope.deployment.policy(site.policy).stapling;
    let Some(stapling) = setting.get().filter(|one| one.on && one.file.is_none() && one.responder.is_none()) else {
        return;
    };
    let has_none = responders(scope, site).is_some_and(|urls| urls.is_empty());
    if stapling.on && has_none && scope.tls_bindings(id).next().is_some() {
        let change = Change::DisableStapling { written: setting.origin.place };
        // Off for every site that the directive reaches: safe only where none of their certificates has a responder.
        let reached = scope.editor.edits(&change).map(|edits| edits.reaches).unwrap_or_default();
        let all = reached
            .iter()
            .all(|site| responders(scope, scope.deployment.site(*site)).is_none_or(|urls| urls.is_empty()));
        let mut problem = Problem::new("stapling-without-responder", setting.origin.place)
            .with("write", scope.editor.wording(&change))
            .related(site.head, format!("holds for {}", scope.site_name(site)));
        if all && setting.origin.written().is_some() {
            problem.fix = scope.fix("turn stapling off", Safety::Safe, &change);
        }
        sink.report(problem);
    }
}

/// The sites that serve a certificate by TLS, with what they say of stapling.
fn stapled<'s>(
    scope: &'s RuleContext<'_>,
    one: &'s ServedCredential<'_>,
) -> impl Iterator<Item = (&'s SiteId, &'s Site, &'s Setting<Stapling>, &'s Stapling)> {
    let served = one.sites.iter().filter(|site| scope.tls_bindings(**site).any(|(_, _, binding)| !binding.rejects));
    served.filter_map(|id| {
        let site = scope.deployment.site(*id);
        let setting = &scope.deployment.policy(site.policy).stapling;
        Some((id, site, setting, setting.get()?))
    })
}

/// Whether a response is to be had for a leaf.
fn is_effective(leaf: &Certificate, stapling: &Stapling) -> bool {
    let has_source = stapling.file.is_some() || stapling.responder.is_some() || !leaf.ocsp_urls.is_empty();
    stapling.by_manager || stapling.on && has_source
}

/// Turns stapling on where a response is then to be had: the issuer is sent along, and the responder can be reached.
fn staples<'a>(
    scope: &RuleContext<'a>,
    one: &ServedCredential<'a>,
    leaf: &Certificate,
    site: SiteId,
    setting: &Setting<Stapling>,
) -> Option<Fix> {
    let (_, _, chain) = one.chain(scope)?;
    let has_issuer = chain.sent.iter().any(|(_, other)| leaf.is_issued_by(other));
    let stapling = setting.get().filter(|stapling| has_issuer && !leaf.ocsp_urls.is_empty() && !stapling.on)?;
    // nginx resolves a name by itself; Apache asks the system.
    let is_apache = scope.deployment.server == ServerKind::Apache;
    let is_reached = is_apache || stapling.has_resolver || leaf.ocsp_urls.iter().all(|url| !is_name(host(url)));
    let safety = if is_apache { Safety::Safe } else { Safety::Unsafe };
    let change = Change::Staple { site, written: setting.origin.written() };
    is_reached.then(|| scope.fix("staple responses", safety, &change)).flatten()
}

/// `must-staple-without-stapling`.
pub fn must_staple<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let Some((token, _)) = scope.certificate_file(one.pair) else { return };
    let Some(leaf) = scope.leaf(one.pair).filter(|leaf| leaf.must_staple) else { return };
    for (id, site, setting, _) in stapled(scope, one).filter(|(.., stapling)| !is_effective(leaf, stapling)) {
        let has_none = leaf.ocsp_urls.is_empty();
        let problem = Problem::new("must-staple-without-stapling", token.span)
            .case(if has_none { "no-responder" } else { "" })
            .with("subject", leaf.short_name())
            .with("path", &*token.text);
        let mut problem = problem.related(site.head, format!("served without one: {}", scope.site_name(site)));
        problem.fix = staples(scope, one, leaf, *id, setting);
        sink.report(match setting.origin.written() {
            Some(written) => problem.related(written, "stapling is written here"),
            None => problem,
        });
    }
}

/// `must-staple-first-handshake`: nginx asks the responder only once a client has come.
pub fn first_handshake<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let Some((token, _)) = scope.certificate_file(one.pair) else { return };
    let Some(leaf) = scope.leaf(one.pair).filter(|leaf| leaf.must_staple) else { return };
    let lazily = |(.., stapling): &(_, _, _, &Stapling)| is_effective(leaf, stapling) && stapling.file.is_none();
    for (_, _, setting, _) in stapled(scope, one).filter(lazily) {
        let problem = Problem::new("must-staple-first-handshake", token.span).with("subject", leaf.short_name());
        sink.report(problem.related(setting.origin.place, "a response is fetched once a client has come"));
    }
}

/// `stapling-issuer-missing`.
pub fn issuer_missing<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let Some((token, _, chain)) = one.chain(scope) else { return };
    let Some((_, leaf)) = chain.sent.first().filter(|_| chain.leaf_behind.is_none()) else { return };
    if leaf.is_self_issued() || chain.sent.iter().any(|(_, other)| leaf.is_issued_by(other)) {
        return;
    }
    for (_, site, setting, stapling) in stapled(scope, one) {
        let asks = stapling.on && stapling.file.is_none();
        if !asks || stapling.responder.is_none() && leaf.ocsp_urls.is_empty() {
            continue;
        }
        let verification = scope.deployment.policy(site.policy).client_verification.get();
        let clients = verification.filter(|one| one.mode != VerifyMode::Off).and_then(|one| one.authorities.as_ref());
        let files = [stapling.issuers.as_ref(), clients, one.set.authorities.as_ref()];
        let mut files = files.into_iter().flatten().map(|(_, path)| scope.library.get(path));
        // Of a file that cannot be read nothing is said.
        let is_there = files.any(|file| match file {
            Some(Ok(file)) => file.certificates().any(|(_, issuer)| leaf.is_issued_by(issuer)),
            _ => true,
        });
        if !is_there {
            let problem = Problem::new("stapling-issuer-missing", token.span).with("subject", leaf.short_name());
            let problem = problem.with("issuer", leaf.issuer.clone()).with("path", &*token.text);
            sink.report(problem.related(setting.origin.place, "stapling is turned on here"));
        }
    }
}

/// `stapling-file-expired`.
pub fn file_expired(scope: &RuleContext<'_>, id: SiteId, site: &Site, sink: &mut Reporter) {
    let Some(stapling) = scope.deployment.policy(site.policy).stapling.get().filter(|stapling| stapling.on) else {
        return;
    };
    let is_built = super::openssl::context(scope, site).is_some();
    let Some((token, path)) = stapling.file.as_ref().filter(|_| is_built) else { return };
    let problem = Problem::new("stapling-file-expired", token.span).with("path", &*token.text);
    let response = match response(scope, path) {
        Ok(response) => response,
        Err(error) if error.is_hidden() => {
            let reason = UncheckedReason::hidden(&error, &token.text);
            sink.unjudged.push(Unchecked { what: "stapling-file-expired".into(), reason, at: Some(token.span) });
            return;
        }
        Err(error) => return sink.report(problem.case("not-readable").with("reason", error.to_string())),
    };
    match response {
        None => sink.report(problem.case("no-response")),
        Some(one) if scope.tls_bindings(id).next().is_some() => {
            if let Some(end) = one.next_update.filter(|end| *end < scope.now) {
                let problem = problem.case("").with("next-update", super::validity::date(end));
                sink.report(problem.related(site.head, format!("holds for {}", scope.site_name(site))));
            }
        }
        Some(_) => {}
    }
}

/// The response in a file; absent where it holds none.
fn response(scope: &RuleContext<'_>, path: &Path) -> Result<Option<OcspResponse>, ReadError> {
    match scope.library.get(path) {
        Some(Ok(file)) => Ok(OcspResponse::parse(scope.sources.file(file.file).bytes())),
        Some(Err(error)) => Err(error.clone()),
        None => Err(ReadError::Forbidden),
    }
}
