//! The endpoints of one server.

use std::net::IpAddr;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use super::super::name;
use super::super::policy::{Chosen, Policies};
use super::choose::{Asked, Chooser};
use super::setting::{self, Standard};
use crate::model::{
    Address, Binding, BindingId, CredentialsId, Deployment, Endpoint, Interner, Listen, ListenUse, NameKind, Pattern,
    PolicyId, Selection, SiteId, Token, Transport, Unmatched,
};
use crate::server::caddy::config::{Config, Policy, Server};

/// Go's answer where there is no policy or no certificate for a client (RFC 8446, 6).
const INTERNAL_ERROR: u8 = 80;

/// A label that no name has, to ask what any name below a wildcard gets.
const ANY: &str = "\u{1}";

/// How names are found: an exact one before a wildcard, that before a pattern, and before what is not known.
const WILDCARD: u64 = 1;
const PATTERN: u64 = 2;
const OPAQUE: u64 = 3;

/// What a name gets.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Answer {
    policy: PolicyId,
    credentials: CredentialsId,
    rejects: bool,
}

/// Makes the endpoints of one server.
pub struct Maker<'m, 'a> {
    config: &'m Config,
    server: &'m Server,
    policies: &'m Policies<'m>,
    chooser: &'m mut Chooser<'a>,
    interner: &'m mut Interner,
    standard: &'m Standard,
    lowered: HashMap<Chosen, PolicyId>,
    /// The policy that sets nothing, once it is known.
    silent: Option<PolicyId>,
    bindings: Vec<Binding>,
    index: HashMap<(SiteId, Answer), BindingId>,
}

impl<'m, 'a> Maker<'m, 'a> {
    pub fn new(
        config: &'m Config,
        server: &'m Server,
        policies: &'m Policies<'m>,
        chooser: &'m mut Chooser<'a>,
        interner: &'m mut Interner,
        standard: &'m Standard,
    ) -> Self {
        let (lowered, index) = (HashMap::new(), HashMap::new());
        Maker {
            config,
            server,
            policies,
            chooser,
            interner,
            standard,
            lowered,
            silent: None,
            bindings: Vec::new(),
            index,
        }
    }

    /// The endpoints, one for each socket. `everywhere` are names that any server may be asked for.
    pub fn endpoints(&mut self, deployment: &mut Deployment, everywhere: &[String]) -> Vec<Endpoint> {
        let mut named = Selection { single_label: true, ..Selection::default() };
        let routes = &self.server.routes;
        for route in routes {
            let site = SiteId(route.site as u32);
            for host in &route.hosts {
                self.name(deployment, &mut named, site, &host.text, Some(host), true);
            }
            if self.config.sites[route.site].opaque.is_some() {
                let binding = self.catch_all(deployment, site);
                named.patterns.push((OPAQUE, Pattern::Opaque, binding));
            }
        }
        let is_tls = !self.policies.all.is_empty();
        let rest =
            routes.iter().find(|route| route.hosts.is_empty()).or(routes.last()).map(|one| SiteId(one.site as u32));
        if let Some(site) = rest.filter(|_| is_tls) {
            let of_policies = self.policies.all.iter().flat_map(|policy| policy.names.iter().flatten());
            let extra: Vec<Arc<str>> = of_policies.filter(|name| !name.is_empty()).cloned().collect();
            for one in extra.iter().map(|one| &**one).chain(everywhere.iter().map(String::as_str)) {
                self.name(deployment, &mut named, site, one, None, false);
            }
        }
        for route in routes.iter().filter(|route| route.hosts.is_empty()) {
            self.catch_all(deployment, SiteId(route.site as u32));
        }
        named.patterns.sort_by_key(|(rank, ..)| *rank);
        let unmatched = match rest.filter(|_| is_tls) {
            Some(site) => self.rest(deployment, site).map_or(Unmatched::Reject(INTERNAL_ERROR), Unmatched::Binding),
            None => self.plain(),
        };
        let mut endpoints = Vec::new();
        for listen in &self.server.listens {
            let speaks_tls = is_tls && listen.port != self.config.http_port;
            let unnamed = match rest.filter(|_| speaks_tls) {
                Some(site) => self.unnamed(deployment, listen, site),
                None => self.bindings.first().map(|_| BindingId(0)),
            };
            endpoints.push(Endpoint {
                listen: listen.clone(),
                transport: if speaks_tls { Transport::Tls } else { Transport::Plain },
                proxy_protocol: self.server.proxy_protocol,
                uses: self.uses(speaks_tls),
                bindings: Vec::new(),
                named: named.clone(),
                unnamed,
                unmatched,
            });
        }
        if let Some(site) = rest.filter(|_| is_tls) {
            let addresses = self.addresses(everywhere);
            let shared: Vec<usize> = (0..endpoints.len()).filter(|at| takes_all(&endpoints[*at])).collect();
            for at in shared {
                for ip in &addresses {
                    let listen = Listen { address: Address::Ip(*ip), port: endpoints[at].listen.port };
                    let unnamed = self.unnamed(deployment, &listen, site);
                    if unnamed != endpoints[at].unnamed && !endpoints.iter().any(|one| one.listen == listen) {
                        endpoints.push(Endpoint { listen, unnamed, ..endpoints[at].clone() });
                    }
                }
            }
        }
        for endpoint in &mut endpoints {
            endpoint.bindings.clone_from(&self.bindings);
        }
        endpoints
    }

    /// Addresses that have a certificate of their own: clients that reach one of them without a name are served it, so that
    /// it is an endpoint of its own.
    fn addresses(&self, everywhere: &[String]) -> Vec<IpAddr> {
        const MOST: usize = 64;
        let hosts = self.server.routes.iter().flat_map(|route| &route.hosts).map(|host| &*host.text);
        let mut found: Vec<IpAddr> =
            hosts.chain(everywhere.iter().map(String::as_str)).filter_map(|name| name.parse().ok()).collect();
        found.sort_unstable();
        found.dedup();
        found.truncate(MOST);
        found
    }

    fn plain(&self) -> Unmatched {
        let last = self.bindings.len().checked_sub(1);
        last.map_or(Unmatched::Reject(INTERNAL_ERROR), |at| Unmatched::Binding(BindingId(at as u32)))
    }

    fn uses(&self, tls: bool) -> Vec<ListenUse> {
        let mut uses = Vec::new();
        for route in &self.server.routes {
            uses.extend(route.uses.iter().map(|span| ListenUse {
                site: SiteId(route.site as u32),
                span: *span,
                words: Vec::new(),
                tls,
                claims_default: None,
                http2: self.server.has_h2,
                proxy_protocol: self.server.proxy_protocol,
            }));
        }
        uses
    }

    /// Adds a name. The first who has it keeps it; a name of no site is added only where it gets a certificate.
    fn name(
        &mut self,
        deployment: &mut Deployment,
        named: &mut Selection,
        site: SiteId,
        text: &str,
        at: Option<&Token>,
        is_route: bool,
    ) {
        let kind = name::kind(text);
        let is_known = match kind {
            NameKind::LeadingWildcard => named.below.contains_key(&text[2..]),
            NameKind::Glob | NameKind::None => !is_route,
            _ => named.exact.contains_key(text),
        };
        if is_known {
            // A second site of the name answers to nothing, but its words are judged all the same.
            if is_route && kind == NameKind::Exact {
                let answer = self.answer(deployment, text, at);
                self.binding(site, answer.0);
            }
            return;
        }
        let asked = match kind {
            NameKind::Exact => text.to_owned(),
            _ => text.replace('*', ANY),
        };
        let (answer, is_served) = self.answer(deployment, &asked, at);
        if !is_route && !is_served {
            return;
        }
        let binding = self.binding(site, answer);
        match kind {
            NameKind::Exact => {
                named.exact.insert(text.into(), (0, binding));
            }
            NameKind::LeadingWildcard => {
                named.below.insert(text[2..].into(), (WILDCARD, binding));
            }
            _ => named.patterns.push((PATTERN, pattern(text), binding)),
        }
    }

    /// What a name gets, and whether it is a certificate.
    fn answer(&mut self, deployment: &mut Deployment, name: &str, at: Option<&Token>) -> (Answer, bool) {
        let chosen = self.policies.find(name);
        let policy = self.policy(deployment, chosen);
        match chosen {
            Chosen::Policy(number) => {
                let own: &Policy = &self.policies.all[number];
                let found = self.chooser.choose(deployment, self.interner, own, Asked::Name(name), at);
                let credentials = found.unwrap_or(self.chooser.none());
                (Answer { policy, credentials, rejects: own.drop }, found.is_some())
            }
            Chosen::Nothing | Chosen::Unknown => {
                let rejects = chosen == Chosen::Nothing && !self.policies.all.is_empty();
                (Answer { policy, credentials: self.chooser.none(), rejects }, false)
            }
        }
    }

    fn policy(&mut self, deployment: &mut Deployment, chosen: Chosen) -> PolicyId {
        if let Some(id) = self.lowered.get(&chosen) {
            return *id;
        }
        // Most policies choose certificates and set nothing else.
        let is_silent = match chosen {
            Chosen::Policy(number) => self.policies.all[number].settings.is_empty(),
            Chosen::Nothing => true,
            Chosen::Unknown => false,
        };
        if let Some(id) = self.silent.filter(|_| is_silent) {
            return id;
        }
        let lowering = self.chooser.lowering;
        let policy = match chosen {
            Chosen::Policy(number) => {
                let settings = &self.policies.all[number].settings;
                setting::policy(lowering, self.config, settings, self.server.has_h2, self.standard)
            }
            Chosen::Nothing => {
                setting::policy(lowering, self.config, &Default::default(), self.server.has_h2, self.standard)
            }
            Chosen::Unknown => setting::unknown(lowering, self.config, self.standard),
        };
        let id = self.interner.policy(deployment, policy);
        self.lowered.insert(chosen, id);
        self.silent = self.silent.or(is_silent.then_some(id));
        id
    }

    fn binding(&mut self, site: SiteId, answer: Answer) -> BindingId {
        let next = BindingId(self.bindings.len() as u32);
        let id = *self.index.entry((site, answer)).or_insert(next);
        if id == next {
            let Answer { policy, credentials, rejects } = answer;
            self.bindings.push(Binding {
                site,
                before_name: policy,
                choosing: policy,
                own: policy,
                after_name: policy,
                credentials,
                before_name_credentials: credentials,
                rejects,
            });
        }
        id
    }

    /// The binding of a site for all hosts.
    fn catch_all(&mut self, deployment: &mut Deployment, site: SiteId) -> BindingId {
        let (answer, _) = self.of_nobody(deployment);
        self.binding(site, answer)
    }

    /// What a name gets that nobody has.
    fn of_nobody(&mut self, deployment: &mut Deployment) -> (Answer, bool) {
        let chosen = match self.policies.all.iter().position(|policy| policy.names.is_none()) {
            Some(at) if self.policies.all[..=at].iter().any(|one| one.is_conditional) => Chosen::Unknown,
            Some(at) => Chosen::Policy(at),
            None => Chosen::Nothing,
        };
        let policy = self.policy(deployment, chosen);
        let Chosen::Policy(number) = chosen else {
            return (Answer { policy, credentials: self.chooser.none(), rejects: false }, false);
        };
        // A default name is for clients that send none.
        let own = Policy { default_sni: None, ..self.policies.all[number].clone() };
        let found = self.chooser.choose(deployment, self.interner, &own, Asked::Name(""), None);
        let credentials = found.unwrap_or(self.chooser.none());
        (Answer { policy, credentials, rejects: own.drop }, found.is_some())
    }

    fn rest(&mut self, deployment: &mut Deployment, site: SiteId) -> Option<BindingId> {
        let (answer, is_served) = self.of_nobody(deployment);
        (is_served || answer.rejects).then(|| self.binding(site, answer))
    }

    /// Who answers a client that sends no name: the certificate of the address that it reached, else of the default name.
    fn unnamed(&mut self, deployment: &mut Deployment, listen: &Listen, rest: SiteId) -> Option<BindingId> {
        let chosen = self.policies.find("");
        let Chosen::Policy(number) = chosen else { return None };
        let policy = self.policy(deployment, chosen);
        let own: &Policy = &self.policies.all[number];
        let site = match &own.default_sni {
            Some(name) => self.site_of(name).unwrap_or(rest),
            None => rest,
        };
        let address = match &listen.address {
            Address::Ip(ip) => ip.to_string(),
            _ => String::new(),
        };
        let credentials = self.chooser.choose(deployment, self.interner, own, Asked::Address(&address), None)?;
        Some(self.binding(site, Answer { policy, credentials, rejects: own.drop }))
    }

    fn site_of(&self, name: &str) -> Option<SiteId> {
        let has = |route: &&crate::server::caddy::config::Route| route.hosts.iter().any(|host| &*host.text == name);
        self.server.routes.iter().find(has).map(|route| SiteId(route.site as u32))
    }
}

/// Whether connections to any address reach an endpoint, and speak TLS.
fn takes_all(endpoint: &Endpoint) -> bool {
    endpoint.transport == Transport::Tls && endpoint.listen.address == Address::Any
}

/// A host with wildcards in other places than the first label: each stands for one label.
fn pattern(host: &str) -> Pattern {
    let labels: Vec<String> = host
        .split('.')
        .map(|label| match label {
            "*" => "[^.]+".to_owned(),
            label => label
                .chars()
                .map(|letter| if letter.is_alphanumeric() { letter.to_string() } else { format!("\\{letter}") })
                .collect(),
        })
        .collect();
    match regex_automata::meta::Regex::new(&format!("^{}$", labels.join("\\."))) {
        Ok(regex) => Pattern::Regex(Arc::new(regex)),
        Err(_) => Pattern::Opaque,
    }
}
