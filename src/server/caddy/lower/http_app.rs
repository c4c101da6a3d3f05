//! From site blocks to servers, as the Caddyfile's adapter makes them: one for each socket, with routes and policies.
//!
//! Source: `mapAddressToServerBlocks`, `serversFromPairings` and `buildTLSApp` of Caddy 2.6.2 and 2.11.4.

use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};
use rayon::prelude::*;

use super::global::{self, Options};
use super::policy;
use super::site::{self, Site};
use super::tls_app;
use super::{Lowering, address};
use crate::diagnostic::{Edit, Fix, Problem, Safety, Severity};
use crate::model::Listen;
use crate::server::caddy::config::{Choice, Config, Policy, Route, Server};
use crate::server::caddy::syntax::{Quote, Section, Word};
use crate::source::Span;

/// One socket with the sites on it, and which of their addresses lead there: exact names before wildcards, longer names
/// before shorter ones.
pub struct Pairing {
    /// The socket.
    listen: Listen,
    /// Sites by their number, with the numbers of their addresses.
    pub blocks: Vec<(usize, Vec<usize>)>,
}

impl Pairing {
    /// Whether the socket is on another port than that of plain HTTP.
    pub fn is_elsewhere(&self, options: &Options<'_>) -> bool {
        is_elsewhere(&self.listen, options)
    }
}

/// Which `tls` directive a policy is made of: the number of its site, and its own there.
type Maker = Option<(usize, usize)>;

/// For each maker, the last server that a policy of it is for, and the names that this one gave it.
type Names = HashMap<(usize, usize), (usize, Option<Vec<Arc<str>>>)>;

/// Adapts the sections of a Caddyfile. Of those of sites only what edits need is left.
pub fn adapt(lowering: &mut Lowering<'_>, sections: &mut [Section]) -> Config {
    let has_globals = sections.first().is_some_and(|first| first.keys.is_empty() && !first.is_inside);
    let (first, rest) = sections.split_at_mut(usize::from(has_globals));
    let globals = first.first().map_or(&[][..], |first| &first.block.nodes);
    let options = global::read(lowering, globals);
    // Each stretch for itself, put together in order.
    let stretch = |some: &mut [Section]| {
        let mut part = lowering.beside();
        let sites = read_sites(&mut part, some, &options);
        (part, sites)
    };
    let parts: Vec<(Lowering<'_>, Vec<Site>)> = rest.par_chunks_mut(AT_ONCE).map(stretch).collect();
    let mut sites = Vec::with_capacity(rest.len());
    for (part, some) in parts {
        lowering.append(part);
        sites.extend(some);
    }
    let mut config = Config {
        http_port: options.http_port,
        https_port: options.https_port,
        permission: options.permission,
        default_sni: options.default_name.clone(),
        fallback_sni: options.fallback_name.clone(),
        is_caddyfile: true,
        stapling_off: options.stapling_off,
        ..Config::default()
    };
    let pairings = pairings(lowering, &sites, &options);
    let tags = tls_app::load(lowering, &mut config, &mut sites, &pairings, &options);
    tls_app::automation(lowering, &mut config, &sites, &pairings, &options);
    servers(lowering, &mut config, &sites, &pairings, &options, &tags);
    config.storage = options.storage;
    config.sites = sites.into_iter().map(|site| site.draft).collect();
    config
}

/// How many sites one worker reads at a time.
const AT_ONCE: usize = 64;

/// The sites of some sections, by themselves. Those with which nothing is wrong give back what is no longer needed.
fn read_sites(lowering: &mut Lowering<'_>, sections: &mut [Section], options: &Options<'_>) -> Vec<Site> {
    let mut sites = Vec::with_capacity(sections.len());
    for section in sections.iter_mut().filter(|section| !section.is_route) {
        if section.keys.is_empty() && !section.is_inside {
            let problem = Problem::new("directive-not-allowed-here", section.block.open).case("second-global");
            lowering.problem(problem.with("name", "{").with("context", "the middle of a Caddyfile"));
            continue;
        }
        let before = lowering.problems.len();
        sites.push(site::read(lowering, section, options));
        if lowering.problems.len() == before {
            section.forget();
        }
    }
    sites
}

/// Which socket each address listens on. Caddy takes them in the order of their text.
fn pairings(lowering: &mut Lowering<'_>, sites: &[Site], options: &Options<'_>) -> Vec<Pairing> {
    let mut all: BTreeMap<String, Pairing> = BTreeMap::new();
    for (at, site) in sites.iter().enumerate() {
        let binds = if site.bind.is_empty() { &options.default_bind } else { &site.bind };
        for bind in binds.iter().filter(|word| word.is_open()) {
            lowering.not_judged("bind", format!("`{}` is known to the running server alone", bind.text), bind.span);
        }
        for (number, key) in site.keys.iter().enumerate() {
            let port = site::port(&key.address, options);
            let texts: Vec<&str> = match binds.is_empty() {
                true => vec![""],
                false => binds.iter().map(|word: &Word| &*word.text).collect(),
            };
            for text in texts {
                let (listen, is_udp) = address::socket(text, port);
                if is_udp {
                    continue;
                }
                let order = if text.is_empty() { format!(":{port}") } else { listen.to_string() };
                let pairing = all.entry(order).or_insert_with(|| Pairing { listen, blocks: Vec::new() });
                match pairing.blocks.last_mut().filter(|(site, _)| *site == at) {
                    Some((_, keys)) if keys.last() != Some(&number) => keys.push(number),
                    Some(_) => {}
                    None => pairing.blocks.push((at, vec![number])),
                }
            }
        }
    }
    let mut pairings: Vec<Pairing> = all.into_values().collect();
    for pairing in &mut pairings {
        pairing.blocks.sort_by_key(|(site, keys)| order(&sites[*site], keys));
    }
    pairings
}

/// Whether a socket is on another port than that of plain HTTP.
fn is_elsewhere(listen: &Listen, options: &Options<'_>) -> bool {
    listen.port != options.http_port
}

/// The servers with their policies.
fn servers(
    lowering: &mut Lowering<'_>,
    config: &mut Config,
    sites: &[Site],
    pairings: &[Pairing],
    options: &Options<'_>,
    tags: &HashMap<Arc<str>, usize>,
) {
    let mut made: Vec<Vec<(Policy, Maker)>> = Vec::new();
    // One policy serves all servers of its site: what the last of them says of its names holds for all.
    let mut names: Names = HashMap::new();
    for pairing in pairings {
        let blocks: Vec<&(usize, Vec<usize>)> = pairing.blocks.iter().collect();
        ambiguous(lowering, sites, &blocks, &pairing.listen);
        let mut server = Server {
            listens: vec![pairing.listen.clone()],
            routes: Vec::new(),
            policies: None,
            automatic: options.automatic.clone(),
            has_h2: true,
            has_h3: true,
            proxy_protocol: false,
            any_host: None,
        };
        let policies = policies(lowering, &mut server, sites, &blocks, options, tags, (made.len(), &mut names));
        let text = pairing.listen.to_string();
        let text = text.strip_prefix('*').unwrap_or(&text);
        if let Some(own) = options.servers.iter().find(|one| one.listener.as_ref().is_none_or(|name| &**name == text)) {
            server.has_h2 = own.has_h2;
            server.has_h3 = own.has_h3;
            server.proxy_protocol = own.proxy_protocol;
            server.any_host = own.any_host;
        }
        made.push(policies);
        config.servers.push(server);
    }
    for (order, (server, policies)) in config.servers.iter_mut().zip(made).enumerate() {
        let policies: Vec<Policy> = policies
            .into_iter()
            .map(|(policy, maker)| match maker.and_then(|maker| names.get(&maker)) {
                Some((last, names)) if *last > order => Policy { names: names.clone(), ..policy },
                _ => policy,
            })
            .collect();
        server.policies = (!policies.is_empty()).then_some(policies);
    }
}

/// Sites with exact names come before those with wildcards, longer names before shorter ones, sites for all names last.
fn order(site: &Site, keys: &[usize]) -> (bool, bool, std::cmp::Reverse<usize>, std::cmp::Reverse<usize>) {
    let longest = |part: fn(&super::address::Address) -> &String| {
        keys.iter().map(|key| address::specificity(part(&site.keys[*key].address))).max().unwrap_or(0)
    };
    let (host, path) = (longest(|one| &one.host), longest(|one| &one.path));
    (host == 0, site.is_wild(keys), std::cmp::Reverse(host), std::cmp::Reverse(path))
}

/// One address in two blocks of a socket.
fn ambiguous(lowering: &mut Lowering<'_>, sites: &[Site], blocks: &[&(usize, Vec<usize>)], listen: &Listen) {
    let mut seen: HashMap<&str, (usize, Span)> = HashMap::new();
    for (site, keys) in blocks {
        for key in keys.iter().map(|key| &sites[*site].keys[*key]) {
            match seen.get(&*key.word.text) {
                Some((other, first)) if other != site => {
                    let problem = Problem::new("ambiguous-site", key.word.span).with("name", &*key.word.text);
                    let problem = problem.with("listen", listen.to_string());
                    lowering.problem(problem.related(*first, "written here already"));
                }
                Some(_) => {}
                None => {
                    seen.insert(&key.word.text, (*site, key.word.span));
                }
            }
        }
    }
}

fn policies(
    lowering: &mut Lowering<'_>,
    server: &mut Server,
    sites: &[Site],
    blocks: &[&(usize, Vec<usize>)],
    options: &Options<'_>,
    tags: &HashMap<Arc<str>, usize>,
    (order, names): (usize, &mut Names),
) -> Vec<(Policy, Maker)> {
    let mut policies: Vec<(Policy, Maker)> = Vec::new();
    let (mut has_catch_all, mut qualifies) = (false, false);
    let mut will_be_added = !options.automatic.off;
    let elsewhere = server.listens.iter().any(|listen| is_elsewhere(listen, options));
    for (at, keys) in blocks {
        let site = &sites[*at];
        let mut hosts = site.hosts(keys);
        let is_forced = site.tls.iter().any(|tls| tls.force_automate) && !hosts.is_empty();
        server.routes.push(Route {
            site: *at,
            hosts: if hosts.is_empty() { Vec::new() } else { keys.iter().map(|key| site.host(*key)).collect() },
            uses: keys.iter().map(|key| site.keys[*key].word.span).collect(),
        });
        for (number, tls) in site.tls.iter().enumerate() {
            let mut policy = Policy { settings: tls.settings.clone(), at: Some(site.draft.head), ..Policy::default() };
            policy.choice = tls
                .files
                .as_ref()
                .and_then(|(certificate, _)| tags.get(&certificate.text))
                .map(|number| Choice { any_tag: vec![tls_app::tag(*number)], is_opaque: false });
            // With each `tls` one more empty name is added, so that policies of a block that has the default name do not
            // merge, and only the first of them is ever met.
            if hosts.iter().any(|host| Some(host) == options.default_sni.as_ref()) {
                hosts.insert(0, "".into());
                policy.default_sni.clone_from(&options.default_sni);
            } else if hosts.iter().any(|host| Some(host) == options.fallback_sni.as_ref()) {
                hosts.insert(0, "".into());
                policy.fallback_sni.clone_from(&options.fallback_sni);
            }
            match hosts.is_empty() {
                true => {
                    policy.default_sni.clone_from(&options.default_sni);
                    policy.fallback_sni.clone_from(&options.fallback_sni);
                }
                false => policy.names = Some(hosts.clone()),
            }
            names.insert((*at, number), (order, policy.names.clone()));
            if !policy::is_empty(&policy) || is_forced {
                has_catch_all = hosts.is_empty();
                policies.push((policy, Some((*at, number))));
            }
        }
        for key in keys.iter().map(|key| &site.keys[*key].address) {
            let skip = &mut server.automatic.skip;
            if elsewhere && key.scheme == "http" && !key.host.is_empty() {
                skip.insert(key.host.as_str().into());
            }
            let has_tls = match lowering.reading.version.at_least(2, 7, 0) {
                true => !site.tls.is_empty() || (!key.host.is_empty() && !skip.contains(key.host.as_str())),
                false => !key.host.is_empty(),
            };
            let is_http_port = key.port == Some(options.http_port);
            qualifies |= key.scheme == "https" || (key.scheme != "http" && !is_http_port && has_tls);
            will_be_added &= key.port == Some(options.https_port) || (!is_http_port && !key.host.is_empty());
        }
    }
    conflicting(lowering, server, sites, blocks, options, &policies);
    let has_defaults = options.default_sni.is_some() || options.fallback_sni.is_some();
    if qualifies && !has_catch_all && (!policies.is_empty() || !will_be_added || has_defaults) {
        let policy = Policy {
            default_sni: options.default_sni.clone(),
            fallback_sni: options.fallback_sni.clone(),
            ..Policy::default()
        };
        policies.push((policy, None));
    }
    policy::consolidate(policies, &mut lowering.problems)
}

/// Takes `http://` away from the only address of a site that no other site has.
fn without_scheme(word: &Word, sites: &[Site]) -> Option<Fix> {
    const SCHEME: &str = "http://";
    let host = word.text.strip_prefix(SCHEME).filter(|host| !host.is_empty() && !host.contains([':', '/']))?;
    let keys = || sites.iter().flat_map(|site| &site.keys);
    let is_only = |site: &Site| site.keys.len() == 1 && site.keys[0].word.span == word.span;
    let is_known_once = keys().filter(|key| *key.address.host == *host).count() == 1;
    let can = word.is_verbatim && word.quote == Quote::None && is_known_once && sites.iter().any(is_only);
    let start = word.span.start;
    let span = Span { end: start + SCHEME.len() as u32, ..word.span };
    can.then(|| Fix {
        title: format!("write `{host}`, which is served by TLS"),
        safety: Safety::Safe,
        edits: vec![Edit { span, text: String::new() }],
    })
}

/// A server speaks HTTP or HTTPS, never both.
fn conflicting(
    lowering: &mut Lowering<'_>,
    server: &Server,
    sites: &[Site],
    blocks: &[&(usize, Vec<usize>)],
    options: &Options<'_>,
    policies: &[(Policy, Maker)],
) {
    let mut spoken: Option<(bool, Span)> = None;
    let listen = server.listens.first().map(ToString::to_string).unwrap_or_default();
    for (at, keys) in blocks {
        for key in keys.iter().map(|key| &sites[*at].keys[*key]) {
            let (address, span) = (&key.address, key.word.span);
            let is_http = match address.port {
                port if address.scheme == "http" || port == Some(options.http_port) => true,
                port if address.scheme == "https" || port == Some(options.https_port) || !policies.is_empty() => false,
                _ if address.host.is_empty() => true,
                _ => continue,
            };
            if is_http && let Some((Policy { at: Some(policy), .. }, _)) = policies.first() {
                let is_tls_port = server.listens.iter().any(|listen| matches!(listen.port, 443 | 8443));
                let rule = if is_tls_port { "plain-http-on-tls-port" } else { "listen-without-tls" };
                let problem = Problem::new(rule, span).case("tls-on-plain");
                let mut problem = problem.with("listen", listen.clone()).with("site", &*key.word.text);
                problem.fix = without_scheme(&key.word, sites).filter(|_| !is_tls_port);
                lowering.problem(problem.related(*policy, "asks for TLS"));
                return;
            }
            match spoken {
                Some((other, first)) if other != is_http => {
                    let problem = Problem::new("mixed-tls-and-plain-listener", span).case("schemes");
                    let problem = problem.with("listen", listen).with("site", &*key.word.text);
                    lowering.problem(problem.severity(Severity::Error).related(first, "speaks the other"));
                    return;
                }
                _ => spoken = spoken.or(Some((is_http, span))),
            }
        }
    }
}
