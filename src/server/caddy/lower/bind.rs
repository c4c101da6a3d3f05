//! Who gets what on which socket: sites, endpoints and bindings of the model.
//!
//! For each name that a server knows of, by a route, a policy or a certificate, the first policy that matches decides the
//! handshake, and the certificates are chosen among all that are loaded or managed. Source: certmagic 0.25,
//! `getCertificateFromCache`; Caddy 2.11.4, `ConnectionPolicies.TLSConfig`.

mod choose;
mod remark;
mod server;
mod setting;

use foldhash::{HashMap, HashMapExt};

use self::choose::Chooser;
use self::setting::Standard;
use super::auto_https;
use super::certificate::Certificates;
use super::storage::Storage;
use super::{Lowering, policy::Policies, upstream};
use crate::diagnostic::Problem;
use crate::model::{
    Address, Credentials, CredentialsId, Deployment, Interner, Listen, Origin, PolicyId, Service, Setting, Site,
    SiteId, Transport, Upstream, UpstreamPolicyId,
};
use crate::server::caddy::config::{Config, Server, Settings};
use crate::source::Span;

/// Names that are looked at on servers that have no route for them, all servers together: no more, so that many sockets
/// and many certificates do not multiply.
const EXTRA: usize = 1_000_000;

/// Fills a deployment.
pub fn build(lowering: &mut Lowering<'_>, config: &mut Config, deployment: &mut Deployment, start: Span) {
    let mut interner = Interner::default();
    let none = interner.credentials(deployment, Credentials::default());
    let standard = Standard::new(lowering, start);
    sites(lowering, config, deployment, &mut interner, none, &standard);
    let config = &*config;
    let certificates = Certificates::read(lowering, config);
    let automated = auto_https::apply(lowering, config, &certificates);
    let storage = Storage::open(lowering, &config.storage);
    let mut chooser = Chooser::new(lowering, &certificates, &automated, storage, none, start);
    let everywhere = everywhere(config, &certificates, &automated);
    for (server, policies) in config.servers.iter().zip(&automated.policies) {
        let policies = Policies::new(policies);
        let mut made = server::Maker::new(config, server, &policies, &mut chooser, &mut interner, &standard);
        let endpoints = made.endpoints(deployment, &everywhere);
        deployment.endpoints.extend(endpoints);
        if !policies.all.is_empty() {
            remark::on_server(&mut chooser, config, server, &policies);
        }
    }
    remark::on_defaults(&mut chooser, config);
    unknown_tags(&mut chooser, config);
    udp_conflicts(&mut chooser, config, &automated);
    let Chooser { problems, unjudged, .. } = chooser;
    lowering.problems.extend(problems);
    lowering.unjudged.extend(unjudged);
    resolve_names(deployment, config, &mut interner, &certificates);
}

/// Names of certificates and of managed names, which any server may be asked for.
fn everywhere(config: &Config, certificates: &Certificates, automated: &auto_https::Automated<'_>) -> Vec<String> {
    let mut names: Vec<String> = certificates.names().map(str::to_owned).collect();
    names.extend(automated.names().map(|name| name.to_string()));
    names.sort_unstable();
    names.dedup();
    if names.len() * config.servers.len() > EXTRA {
        names.clear();
    }
    names
}

/// A tag that no certificate has leaves a policy without one.
fn unknown_tags(chooser: &mut Chooser<'_>, config: &Config) {
    if config.opaque_loader.is_some() {
        return;
    }
    let speaks_tls = |server: &&Server| server.listens.iter().any(|listen| listen.port != config.http_port);
    let policies = config.servers.iter().filter(speaks_tls).flat_map(|server| server.policies.iter().flatten());
    for policy in policies {
        let Some((choice, at)) = policy.choice.as_ref().zip(policy.at) else { continue };
        if !choice.any_tag.is_empty() && !choice.any_tag.iter().any(|tag| chooser.certificates.has_tag(tag)) {
            let tags = choice.any_tag.iter().map(|tag| &**tag).collect::<Vec<_>>().join(", ");
            chooser.problems.push(Problem::new("certificate-tag-unknown", at).with("tags", tags));
        }
    }
}

/// Up to 2.6 a socket of HTTP/3 for all addresses and one for a single address cannot be bound beside each other.
fn udp_conflicts(chooser: &mut Chooser<'_>, config: &Config, automated: &auto_https::Automated<'_>) {
    if chooser.lowering.reading.version.at_least(2, 7, 0) {
        return;
    }
    let speaks = |(server, policies): &(&Server, &Vec<_>)| server.has_h3 && !policies.is_empty();
    let mut wide: HashMap<u16, Option<Span>> = HashMap::new();
    let mut narrow: Vec<(Listen, Span)> = Vec::new();
    for (server, _) in config.servers.iter().zip(&automated.policies).filter(speaks) {
        let at = server.routes.iter().flat_map(|route| &route.uses).next().copied();
        for listen in server.listens.iter().filter(|listen| listen.port != config.http_port) {
            match &listen.address {
                Address::Any => drop(wide.insert(listen.port, at)),
                Address::Ip(_) => narrow.extend(at.map(|at| (listen.clone(), at))),
                _ => {}
            }
        }
    }
    for (listen, at) in narrow {
        let Some(other) = wide.get(&listen.port) else { continue };
        let problem = Problem::new("listen-bind-conflict", at).case("udp").with("listen", listen.to_string());
        let problem = problem.with("port", listen.port.to_string());
        chooser.problems.push(match other {
            Some(other) => problem.related(*other, "takes all addresses already"),
            None => problem,
        });
    }
}

/// The sites, before it is known what they are served with.
fn sites(
    lowering: &Lowering<'_>,
    config: &mut Config,
    deployment: &mut Deployment,
    interner: &mut Interner,
    none: CredentialsId,
    standard: &Standard,
) {
    // Most sites say nothing, and most proxies speak no TLS.
    let mut silent: Option<PolicyId> = None;
    let mut plain: Option<UpstreamPolicyId> = None;
    let mut drafts = std::mem::take(&mut config.sites);
    for draft in &mut drafts {
        let settings = draft.settings.as_ref().filter(|settings| !settings.is_empty());
        let mut add = |settings: &Settings| {
            let policy = setting::policy(lowering, config, settings, true, standard);
            interner.policy(deployment, policy)
        };
        let policy = match settings {
            Some(settings) => add(settings),
            None => *silent.get_or_insert_with(|| add(&Settings::default())),
        };
        deployment.sites.push(Site {
            service: Service::Http,
            head: draft.head,
            block: draft.block,
            include_chain: draft.include_chain,
            names: std::mem::take(&mut draft.names),
            policy,
            credentials: none,
            rejects: Setting::known(false, Origin::default_for(draft.head)),
            has_own_tls: draft.has_tls,
            has_own_credentials: !draft.loaders.is_empty(),
            loads_credentials: true,
            answers: std::mem::take(&mut draft.answers),
            webroots: std::mem::take(&mut draft.webroots),
        });
        let site = Some(SiteId(deployment.sites.len() as u32 - 1));
        for proxy in &draft.proxies {
            let mut add = || interner.upstream(deployment, upstream::policy(lowering, proxy, standard.start));
            let policy = match proxy.tls {
                Some(_) => add(),
                None => *plain.get_or_insert_with(add),
            };
            let (at, include_chain, targets) = (proxy.at, proxy.include_chain, upstream::targets(proxy));
            deployment.upstreams.push(Upstream {
                site,
                at,
                include_chain,
                targets,
                policy,
                loads_files: proxy.tls.is_some(),
            });
        }
    }
    config.sites = drafts;
}

/// What each site is served with, and certificates that are loaded for no name of any site.
fn resolve_names(deployment: &mut Deployment, config: &Config, interner: &mut Interner, certificates: &Certificates) {
    let mut found: Vec<Option<(PolicyId, CredentialsId)>> = vec![None; deployment.sites.len()];
    for endpoint in deployment.endpoints.iter().filter(|one| one.transport == Transport::Tls) {
        for binding in &endpoint.bindings {
            let site = &mut found[binding.site.0 as usize];
            *site = site.or(Some((binding.after_name, binding.credentials)));
        }
    }
    for (at, found) in found.iter().enumerate() {
        let own: Vec<_> =
            config.sites[at].loaders.iter().map(|one| certificates.pairs[certificates.numbers[*one]].clone()).collect();
        let credentials = match found {
            Some((_, credentials)) => *credentials,
            None if own.is_empty() => continue,
            None => interner
                .credentials(deployment, Credentials { pairs: own, keys_by_place: true, ..Credentials::default() }),
        };
        let site = &mut deployment.sites[SiteId(at as u32).0 as usize];
        site.credentials = credentials;
        if let Some((policy, _)) = found {
            site.policy = *policy;
        }
    }
    let used: std::collections::HashSet<_> =
        deployment.credentials.iter().flat_map(|set| &set.pairs).map(|pair| pair.certificate.origin).collect();
    let idle: Vec<_> = certificates.pairs.iter().filter(|pair| !used.contains(&pair.certificate.origin)).collect();
    for pair in idle {
        interner.credentials(
            deployment,
            Credentials { pairs: vec![pair.clone()], keys_by_place: true, ..Credentials::default() },
        );
    }
}
