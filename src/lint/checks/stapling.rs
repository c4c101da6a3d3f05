//! OCSP stapling that cannot work.

use crate::diagnostic::{Problem, Safety};
use crate::lint::{Scope, Sink};
use crate::model::{Change, Site, SiteId};

/// The responders of a site's certificates; absent where a certificate cannot be read.
fn responders(scope: &Scope<'_>, site: &Site) -> Option<Vec<String>> {
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
pub fn without_resolver(scope: &Scope<'_>, id: SiteId, site: &Site, sink: &mut Sink) {
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
    let problem = Problem::new("stapling-without-resolver", setting.origin.anchor()).with("host", name);
    sink.report(problem.related(site.head, format!("holds for {}", scope.site_name(site))));
}

/// `stapling-without-responder`.
pub fn without_responder(scope: &Scope<'_>, id: SiteId, site: &Site, sink: &mut Sink) {
    let setting = &scope.deployment.policy(site.policy).stapling;
    let Some(stapling) = setting.get().filter(|one| one.on && one.file.is_none() && one.responder.is_none()) else {
        return;
    };
    let has_none = responders(scope, site).is_some_and(|urls| urls.is_empty());
    if stapling.on && has_none && scope.tls_bindings(id).next().is_some() {
        let change = Change::DisableStapling { written: setting.origin.anchor() };
        // Off for every site that the directive reaches: safe only where none of their certificates has a responder.
        let reached = scope.editor.edits(&change).map(|edits| edits.reaches).unwrap_or_default();
        let all = reached
            .iter()
            .all(|site| responders(scope, scope.deployment.site(*site)).is_none_or(|urls| urls.is_empty()));
        let mut problem = Problem::new("stapling-without-responder", setting.origin.anchor())
            .with("write", scope.editor.wording(&change))
            .related(site.head, format!("holds for {}", scope.site_name(site)));
        if all && setting.origin.written.is_some() {
            problem.fix = scope.fix("turn stapling off", Safety::Safe, &change);
        }
        sink.report(problem);
    }
}
