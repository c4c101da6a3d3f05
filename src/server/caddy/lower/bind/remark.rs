//! What only who chooses policies and certificates can see: names that fall under the words of another site, and words that
//! have no effect.

use foldhash::{HashMap, HashMapExt};

use super::super::policy::{Chosen, Policies};
use super::choose::Chooser;
use crate::diagnostic::{Problem, Severity};
use crate::model::{NameKind, Token};
use crate::server::caddy::config::{Client, Config, Policy, Route, Server};

/// Remarks on the sites of one server that speaks TLS.
pub fn on_server(chooser: &mut Chooser<'_>, config: &Config, server: &Server, policies: &Policies<'_>) {
    if policies.all.iter().any(|policy| policy.settings.client.is_some()) {
        uncovered(chooser, config, server, policies);
    }
    for route in &server.routes {
        let site = &config.sites[route.site];
        for host in &route.hosts {
            let kind = super::super::name::kind(&host.text);
            let Chosen::Policy(at) = policies.find(&host.text) else { continue };
            let policy = &policies.all[at];
            let is_own = policy.names.as_ref().is_some_and(|names| names.contains(&host.text));
            if kind == NameKind::Exact && !is_own {
                match &policy.names {
                    // `tls internal` and an email make no policy.
                    None => hijacked(chooser, host, policy),
                    Some(names) if !site.has_tls => inherited(chooser, host, policy, names),
                    Some(_) => {}
                }
            }
            if !server.automatic.off && !server.automatic.no_certificates && !server.automatic.ignores_loaded {
                unmanaged(chooser, config, route.site, host);
            }
        }
    }
}

/// `client-auth-uncovered-name`: a way around a site's client certificates, by a site that asks for none.
fn uncovered(chooser: &mut Chooser<'_>, config: &Config, server: &Server, policies: &Policies<'_>) {
    let client = |host: &Token| match policies.find(&host.text) {
        Chosen::Policy(at) => Some(policies.all[at].settings.client.as_ref()),
        Chosen::Nothing | Chosen::Unknown => None,
    };
    let first = |route: &'_ Route| route.hosts.first().cloned().map(|host| (route.site, host));
    let sites: Vec<(usize, Token, Option<Option<&Client>>)> = server
        .routes
        .iter()
        .filter_map(first)
        .map(|(site, host)| (site, client(&host), host))
        .map(|(site, client, host)| (site, host, client))
        .collect();
    // Where each backend is reached without a certificate.
    let mut open: HashMap<&str, &Token> = HashMap::new();
    for (site, host, _) in sites.iter().filter(|(.., client)| matches!(client, Some(None))) {
        for target in config.sites[*site].proxies.iter().flat_map(|proxy| &proxy.targets) {
            open.entry(&target.text).or_insert(host);
        }
    }
    let anyone = sites.iter().find(|(.., client)| matches!(client, Some(None))).map(|(_, host, _)| host);
    for (site, host, client) in &sites {
        let Some(Some(client)) = client else { continue };
        if client.mode.as_ref().is_some_and(|mode| matches!(&*mode.text, "request" | "verify_if_given")) {
            continue;
        }
        let targets = config.sites[*site].proxies.iter().flat_map(|proxy| &proxy.targets);
        let shared = targets.filter_map(|target| Some((target, *open.get(&*target.text)?))).next();
        let problem = Problem::new("client-auth-uncovered-name", client.at).with("name", &*host.text);
        if let Some((at, other)) = server.any_host.zip(anyone) {
            let problem = problem.case("any-host").severity(Severity::Error).with("other", &*other.text);
            chooser
                .problems
                .push(problem.related(at, "lets requests for any host through").related(other.span, "asks for none"));
        } else if let Some((target, other)) = shared {
            let problem = problem.with("target", &*target.text).with("other", &*other.text);
            chooser.problems.push(problem.related(other.span, "leads there too, and asks for none"));
        }
    }
}

/// `catch-all-certificate-hijacks-site`.
fn hijacked(chooser: &mut Chooser<'_>, host: &Token, policy: &Policy) {
    let Some(choice) = policy.choice.as_ref().filter(|choice| !choice.any_tag.is_empty() && !choice.is_opaque) else {
        return;
    };
    let tagged = chooser.certificates.of_tags(choice);
    let covers = |name: String| chooser.certificates.of(&name).iter().any(|one| tagged.contains(one));
    if chooser.certificates.is_partial || super::super::name::candidates(&host.text).any(covers) {
        return;
    }
    let file = tagged.first().and_then(|one| chooser.certificates.pairs[*one].certificate.get());
    let Some((file, _)) = file else { return };
    let problem = Problem::new("catch-all-certificate-hijacks-site", host.span).with("name", &*host.text);
    let problem = problem.with("certificate", &*file.text).related(file.span, "served for all hosts");
    chooser.problems.push(problem);
}

/// `wildcard-policy-applies-to-subdomain`.
fn inherited(chooser: &mut Chooser<'_>, host: &Token, policy: &Policy, names: &[std::sync::Arc<str>]) {
    let own = &policy.settings;
    let mut settings = Vec::new();
    if own.oldest.is_some() || own.newest.is_some() {
        settings.push("protocols");
    }
    if own.ciphers.is_some() {
        settings.push("ciphers");
    }
    let wildcard = super::super::name::candidates(&host.text).find(|one| names.iter().any(|name| **name == **one));
    let Some(wildcard) = wildcard.filter(|_| own.client.is_some() || !settings.is_empty()) else { return };
    let problem = Problem::new("wildcard-policy-applies-to-subdomain", host.span)
        .with("name", &*host.text)
        .with("wildcard", wildcard)
        .with("settings", settings.join(" and "));
    let problem = match &own.client {
        Some(client) => problem.case("client-auth").severity(Severity::Warning).related(client.at, "asked for here"),
        None => problem,
    };
    chooser.problems.push(problem);
}

/// `loaded-certificate-disables-management`.
fn unmanaged(chooser: &mut Chooser<'_>, config: &Config, site: usize, host: &Token) {
    let own: Vec<usize> = config.sites[site].loaders.iter().map(|one| chooser.certificates.numbers[*one]).collect();
    let covering: Vec<usize> = super::super::name::candidates(&host.text)
        .find_map(|name| Some(chooser.certificates.of(&name).to_vec()).filter(|all| !all.is_empty()))
        .unwrap_or_default();
    let is_forced = config.automate.iter().any(|name| name.text == host.text);
    if !own.is_empty() || covering.is_empty() || is_forced || !config.is_caddyfile {
        return;
    }
    let Some((file, _)) = chooser.certificates.pairs[covering[0]].certificate.get() else { return };
    let problem = Problem::new("loaded-certificate-disables-management", host.span)
        .with("name", &*host.text)
        .with("certificate", &*file.text)
        .related(file.span, "has the name");
    let asks = config.sites[site].asks;
    chooser.problems.push(if asks { problem.case("asked").severity(Severity::Warning) } else { problem });
}

/// `default-sni-without-certificate`.
pub fn on_defaults(chooser: &mut Chooser<'_>, config: &Config) {
    if chooser.certificates.is_partial || config.opaque_loader.is_some() {
        return;
    }
    for (option, name) in [("default_sni", &config.default_sni), ("fallback_sni", &config.fallback_sni)] {
        let Some(name) = name else { continue };
        let lower = name.text.to_lowercase();
        let is_there = !chooser.certificates.of(&lower).is_empty() || chooser.automated.of(&lower).is_some();
        if !is_there && chooser.automated.on_demand(&lower).is_none() && !config.servers.is_empty() {
            let problem = Problem::new("default-sni-without-certificate", name.span).with("name", &*name.text);
            chooser.problems.push(problem.with("option", option));
        }
    }
}
