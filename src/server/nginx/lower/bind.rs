//! Who answers on which socket: sites, endpoints, bindings, and what is wrong with their sum.
//!
//! Words behind an address hold for the whole socket, whichever site says them. Source: nginx 1.22.1,
//! `ngx_http_add_listen`, `ngx_http_add_addresses`, `ngx_http_server_names`; who decides a setting before and after the
//! name is known is in `rules/servers/nginx.toml`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use foldhash::{HashMap, HashSet};

use super::level::{self, Defaults, Level};
use super::listen::ListenDirective;
use super::{ServerDraft, answer, name, upstream, webroot};
use crate::diagnostic::{Edit, Fix, Problem, Safety, Severity, Unchecked};
use crate::model::{
    Address, Binding, BindingId, Command, Credentials, CredentialsId, Deployment, Endpoint, Interner, Listen,
    ListenUse, NameKind, Origin, PolicyId, Selection, Service, Setting, Site, SiteId, TicketKey, TlsPolicy, Token,
    Transport, Unmatched,
};
use crate::platform::{self, Decider, Version};
use crate::server::ordered::commit_in_order;
use crate::source::Span;

/// What is known outside of server blocks of what they do with requests.
pub struct OuterContext<'a> {
    /// How TLS is spoken with upstream servers.
    pub levels: &'a [upstream::Levels; Service::ALL.len()],
    /// The servers of `upstream` blocks.
    pub groups: &'a upstream::Groups,
    /// What requests get.
    pub answer: &'a answer::Level,
    /// What stands in `http` about files.
    pub files: &'a webroot::Level,
    /// Whether a `map` tells early data apart.
    pub maps_early_data: bool,
}

impl OuterContext<'_> {
    /// What is known of a service's upstream servers.
    fn of_upstreams(&self, service: Service, defaults: Defaults) -> upstream::OuterContext<'_> {
        upstream::OuterContext {
            service,
            outer: &self.levels[service as usize],
            groups: self.groups,
            version: defaults.version,
            fragment: defaults.fragment,
            nowhere: Span::new(defaults.effective_at.file, 0, 0),
        }
    }
}

/// Turns drafts into sites, endpoints and bindings.
#[expect(clippy::vec_box, reason = "drafts are large, and moved several times")]
pub fn build(
    deployment: &mut Deployment,
    levels: [Level; Service::ALL.len()],
    drafts: Vec<Box<ServerDraft>>,
    defaults: [Defaults; Service::ALL.len()],
    outside: &OuterContext<'_>,
) {
    let prepare = |draft: Box<ServerDraft>| {
        let service = draft.service as usize;
        Prepared::of(*draft, &levels[service], defaults[service], outside)
    };
    let count = drafts.len();
    let mut composer = Composer::default();
    let mut sockets: Sockets = Sockets::default();
    let mut http2 = Vec::with_capacity(count);
    let mut unsaid = upstream::Inherited::new(|service| outside.of_upstreams(service, defaults[service as usize]));
    let mut around_policies: [Option<PolicyId>; Service::ALL.len()] = Default::default();
    deployment.sites.reserve(count);
    deployment.ticket_keys.extend(levels.iter().flat_map(|level| &level.ticket_keys).cloned());
    let commit = |one: Prepared| {
        deployment.ticket_keys.extend(one.ticket_keys);
        deployment.problems.extend(one.problems);
        let id = SiteId(deployment.sites.len() as u32);
        let mut site = one.site;
        site.policy = match one.policy {
            Some(policy) => composer.interner.policy(deployment, *policy),
            None => {
                let service = site.service as usize;
                let around = || level::policy(&Level::default(), &levels[service], defaults[service]);
                *around_policies[service].get_or_insert_with(|| composer.interner.policy(deployment, around()))
            }
        };
        site.credentials = composer.interner.credentials(deployment, one.credentials);
        for upstream in one.upstreams {
            upstream.add(deployment, &mut composer.interner, &mut unsaid, id);
        }
        http2.push(one.http2);
        deployment.sites.push(site);
        sockets.add(deployment, id, one.asked, one.ssl_on);
    };
    commit_in_order(drafts.into_iter(), prepare, commit);
    let Sockets { endpoints, .. } = sockets;
    check_binds(deployment, &endpoints);
    let mut bound = Vec::with_capacity(endpoints.len());
    for endpoint in endpoints {
        bound.push(bind(deployment, &mut composer, endpoint, &http2));
    }
    deployment.endpoints = bound;
}

/// What a server block comes to, before it has its place in the deployment.
struct Prepared {
    site: Site,
    /// Absent where it sets nothing of one: then all is as the level around says.
    policy: Option<Box<TlsPolicy>>,
    credentials: Credentials,
    ticket_keys: Vec<TicketKey>,
    upstreams: Vec<upstream::Prepared>,
    http2: bool,
    asked: Vec<ListenDirective>,
    ssl_on: bool,
    problems: Vec<Problem>,
}

impl Prepared {
    fn of(mut draft: ServerDraft, outer: &Level, defaults: Defaults, outside: &OuterContext<'_>) -> Prepared {
        let is_mail = draft.service == Service::Mail;
        let mut own = draft.level.take().unwrap_or_default();
        if is_mail {
            own.alpn = mail_protocol(&draft, &own).map(Box::new);
        }
        let has_own = is_mail || !own.is_without_policy();
        let policy = has_own.then(|| Box::new(level::policy(&own, outer, defaults)));
        let mut problems = Vec::new();
        commands_lost(&own, outer, &mut problems);
        let credentials = level::credentials(&own, outer, &draft.names);
        let starttls = own.starttls.or(outer.starttls).filter(|(_, on)| *on);
        if let Some((at, _)) = starttls.filter(|_| credentials.pairs.is_empty() && !defaults.fragment) {
            problems.push(Problem::new("no-certificate", at).case("starttls"));
        }
        let has_own_credentials = !own.certificates.is_empty() || !own.keys.is_empty();
        let mut answers = match draft.service {
            Service::Http => answer::build(&draft.places, outside.answer, draft.head),
            Service::Stream | Service::Mail => Vec::new(),
        };
        answers.iter_mut().for_each(|answer| answer.tells_early_data |= outside.maps_early_data);
        let webroots = match draft.service {
            Service::Http => webroot::build(&draft.places, outside.files),
            Service::Stream | Service::Mail => Vec::new(),
        };
        let is_unwritten = draft.asked.is_empty() && !defaults.fragment && draft.service == Service::Http;
        Prepared {
            policy,
            credentials,
            upstreams: upstream::prepared(&draft.places, &outside.of_upstreams(draft.service, defaults)),
            http2: level::http2(&own, outer),
            asked: if is_unwritten { vec![unwritten(draft.head)] } else { draft.asked },
            ssl_on: draft.ssl_on.is_some(),
            problems,
            site: Site {
                service: draft.service,
                head: draft.head,
                block: draft.block,
                include_chain: draft.include_chain,
                names: draft.names,
                policy: PolicyId(0),
                credentials: CredentialsId(0),
                rejects: level::rejects(&own, outer, defaults),
                has_own_tls: own.has_tls,
                has_own_credentials,
                loads_credentials: true,
                answers,
                webroots,
            },
            ticket_keys: own.ticket_keys,
        }
    }
}

/// What a mail server answers in ALPN: its protocol, which the port tells where none is written (`ngx_mail_ssl_alpn_select`).
fn mail_protocol(draft: &ServerDraft, own: &Level) -> Option<Setting<Arc<[Token]>>> {
    if let Some(written) = &own.protocol {
        return Some(Setting::known(Arc::from([written.clone()]), Origin::said(written.span, draft.include_chain)));
    }
    let name = match draft.asked.first()?.sockets.first()?.port {
        143 | 993 => "imap",
        110 | 995 => "pop3",
        25 | 465 | 587 => "smtp",
        _ => return None,
    };
    let place = Span::new(draft.head.file, draft.head.start, draft.head.start);
    Some(Setting::known(Arc::from([Token::new(name, place)]), Origin::default_for(draft.head)))
}

/// Whether several servers of a socket are told apart by name: in `stream` from 1.25.5 on, in `mail` never.
fn tells_names_apart(service: Service, version: Version) -> bool {
    match service {
        Service::Http => true,
        Service::Stream => version.at_least(1, 25, 5),
        Service::Mail => false,
    }
}

/// Commands of `http` that a server's own take the place of, though they say something else.
fn commands_lost(own: &Level, outer: &Level, problems: &mut Vec<Problem>) {
    let (Some(own), Some(outer)) = (&own.commands, &outer.commands) else { return };
    let (Some(mine), Some(theirs)) = (own.get(), outer.get()) else { return };
    let is_kept = |one: &Command| mine.iter().any(|other| other.name.text.eq_ignore_ascii_case(&one.name.text));
    let lost: Vec<&Command> = theirs.iter().filter(|one| !is_kept(one)).collect();
    if lost.is_empty() {
        return;
    }
    let names: Vec<&str> = lost.iter().map(|one| &*one.name.text).collect();
    let mut problem = Problem::new("openssl-command-array-lost", own.origin.place).with("names", names.join(", "));
    for one in &lost {
        problem = problem.related(one.name.span.to(one.value.span), "no longer holds there");
    }
    problems.push(problem);
}

/// A site without `listen`: port 80 of all addresses where the master runs as root, which is assumed.
fn unwritten(head: Span) -> ListenDirective {
    let address = Address::Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    ListenDirective {
        sockets: vec![Listen { address, port: 80 }],
        span: head,
        words: Vec::new(),
        tls: false,
        quic: false,
        http2: false,
        udp: false,
        proxy_protocol: false,
        claims_default: None,
        dual_stack: false,
        socket_option: None,
    }
}

/// Sockets by address, in reading order.
#[derive(Default)]
struct Sockets {
    endpoints: Vec<Endpoint>,
    /// By address, whether it is QUIC, and service; a socket of both families has the IPv6 address here, as in nginx.
    index: HashMap<(Listen, bool, Service), usize>,
    options: HashMap<usize, Span>,
}

impl Sockets {
    fn add(&mut self, deployment: &mut Deployment, site: SiteId, asked: Vec<ListenDirective>, ssl_on: bool) {
        let mut own: HashMap<usize, Span> = HashMap::default();
        for asked in asked {
            for listen in &asked.sockets {
                if let Address::Host(host) = &listen.address {
                    let reason = format!("only the machine itself can resolve `{host}`");
                    deployment.unjudged.push(Unchecked {
                        what: "listen".into(),
                        reason: reason.into(),
                        at: Some(asked.span),
                    });
                }
                let service = deployment.site(site).service;
                let at = self.socket(listen, &asked, service);
                let is_shared = !tells_names_apart(service, deployment.platform.server_version);
                let other = self.endpoints[at].uses.first().filter(|_| is_shared).map(|one| one.span);
                let before = own.insert(at, asked.span);
                if let Some(first) = before.or(other) {
                    let case = if before.is_some() { "" } else { "elsewhere" };
                    let problem = Problem::new("duplicate-listen", asked.span).case(case);
                    let problem = problem.with("listen", listen.to_string());
                    deployment.problems.push(problem.related(first, "first here"));
                }
                if let Some(option) = asked.socket_option
                    && let Some(first) = self.options.insert(at, option)
                {
                    let problem = Problem::new("duplicate-listen-options", option).with("listen", listen.to_string());
                    deployment.problems.push(problem.related(first, "set here already"));
                }
                let endpoint = &mut self.endpoints[at];
                if let Some(claim) = asked.claims_default
                    && let Some(first) = endpoint.uses.iter().find_map(|other| other.claims_default)
                {
                    let problem = Problem::new("duplicate-default-server", claim).with("listen", listen.to_string());
                    deployment.problems.push(problem.related(first, "the first default of this socket"));
                }
                endpoint.proxy_protocol |= asked.proxy_protocol;
                if endpoint.transport != Transport::Quic && (asked.tls || ssl_on) {
                    endpoint.transport = Transport::Tls;
                }
                endpoint.uses.push(ListenUse {
                    site,
                    span: asked.span,
                    words: asked.words.clone(),
                    tls: asked.tls || asked.quic || ssl_on,
                    claims_default: asked.claims_default,
                    http2: asked.http2,
                    proxy_protocol: asked.proxy_protocol,
                });
            }
        }
    }

    fn socket(&mut self, listen: &Listen, asked: &ListenDirective, service: Service) -> usize {
        let mut key = listen.clone();
        if key.address == Address::Any {
            key.address = Address::Ip(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        }
        let next = self.endpoints.len();
        let at = *self.index.entry((key, asked.quic, service)).or_insert(next);
        if at == next {
            self.endpoints.push(Endpoint {
                listen: listen.clone(),
                transport: if asked.quic { Transport::Quic } else { Transport::Plain },
                proxy_protocol: false,
                uses: Vec::new(),
                bindings: Vec::new(),
                named: Selection::default(),
                unnamed: None,
                unmatched: Unmatched::Binding(BindingId(0)),
            });
        }
        if listen.address == Address::Any {
            self.endpoints[at].listen.address = Address::Any;
        }
        at
    }
}

/// A socket for both families cannot be bound beside the one for all of IPv4, and `http`, `stream` and `mail` bind each for
/// themselves.
fn check_binds(deployment: &mut Deployment, endpoints: &[Endpoint]) {
    let all_v4 = Address::Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let service = |one: &Endpoint| deployment.site(one.uses[0].site).service;
    let mut found = Vec::new();
    let mut by_port: HashMap<u16, Vec<&Endpoint>> = HashMap::default();
    for one in endpoints.iter().filter(|one| one.transport != Transport::Quic && one.listen.port != 0) {
        let others = by_port.entry(one.listen.port).or_default();
        let apart = others
            .iter()
            .find(|other| service(other) != service(one) && overlaps(&one.listen.address, &other.listen.address));
        if let Some(other) = apart {
            let problem = Problem::new("listen-bind-conflict", one.uses[0].span).case("sections");
            let problem = problem.with("listen", one.listen.to_string()).with("other", other.listen.to_string());
            found.push(problem.related(other.uses[0].span, "bound already"));
        }
        others.push(one);
    }
    let v4: HashMap<u16, Span> = endpoints
        .iter()
        .filter(|one| one.listen.address == all_v4 && one.transport != Transport::Quic)
        .map(|one| (one.listen.port, one.uses[0].span))
        .collect();
    for both in endpoints.iter().filter(|one| one.listen.address == Address::Any && one.transport != Transport::Quic) {
        if let Some(other) = v4.get(&both.listen.port) {
            let listen = both.listen.to_string();
            let dual = both.uses.iter().find(|one| one.words.iter().any(|word| &*word.text == "ipv6only=off"));
            let at = dual.map_or(both.uses[0].span, |one| one.span);
            let mut problem = Problem::new("listen-bind-conflict", at)
                .with("listen", listen)
                .with("port", both.listen.port.to_string());
            problem.fix = each_for_itself(both);
            found.push(problem.related(*other, "takes all of IPv4 already"));
        }
    }
    deployment.problems.extend(found);
}

/// Takes `ipv6only=off` from wherever a socket is asked for: then it leaves IPv4 to the other.
fn each_for_itself(endpoint: &Endpoint) -> Option<Fix> {
    let removal = |pair: &[Token]| {
        let [before, word] = pair else { return None };
        let is_it = &*word.text == "ipv6only=off" && before.span.file == word.span.file;
        is_it.then(|| Edit { span: Span { start: before.span.end, ..word.span }, text: String::new() })
    };
    let edits: Vec<Edit> = endpoint.uses.iter().flat_map(|one| one.words.windows(2).filter_map(removal)).collect();
    let title = "leave IPv4 to the other socket".to_owned();
    (!edits.is_empty()).then_some(Fix { title, safety: Safety::Unsafe, edits })
}

/// Whether two addresses of one port cannot be bound by two sockets: they are the same, or one is the wildcard of the family.
fn overlaps(one: &Address, other: &Address) -> bool {
    match (one, other) {
        (Address::Ip(one), Address::Ip(other)) => {
            one == other || one.is_ipv4() == other.is_ipv4() && (one.is_unspecified() || other.is_unspecified())
        }
        _ => one == other,
    }
}

/// Decides who answers on a socket, and with what.
fn bind(deployment: &mut Deployment, composer: &mut Composer, mut endpoint: Endpoint, http2: &[bool]) -> Endpoint {
    let mut sites: Vec<SiteId> = endpoint.sites().collect();
    let service = deployment.site(sites[0]).service;
    if !tells_names_apart(service, deployment.platform.server_version) {
        sites.truncate(1); // nginx refuses a second, which is told elsewhere
    }
    let claimed = endpoint.uses.iter().position(|one| one.claims_default.is_some()).unwrap_or(0);
    let default = endpoint.uses[claimed].site;
    check_names(deployment, &sites);
    let socket_http2 = endpoint.uses.iter().any(|one| one.http2);
    let version = deployment.platform.server_version;
    let default_policy = deployment.site(default).policy;
    let looks_first = platform::nginx_decider("protocols", version) == Decider::NamedSite;
    endpoint.bindings.reserve(sites.len());
    endpoint.named.exact.reserve(sites.len());
    for (order, id) in sites.iter().enumerate() {
        let binding = BindingId(order as u32);
        let heeded = *id == default || is_evaluated(deployment, deployment.site(*id)) || deployment.fragment;
        let own = deployment.site(if heeded { *id } else { default });
        let (policy, credentials) = (own.policy, own.credentials);
        // Whether the name is refused is the named site's word, whoever lends the certificate.
        let rejects = deployment.site(*id).rejects.get().copied().unwrap_or(false);
        let speaks = match service {
            Service::Http if endpoint.transport == Transport::Quic => Some(Application::Http3),
            Service::Http if socket_http2 || http2[id.0 as usize] => Some(Application::Http2),
            Service::Http => Some(Application::Http1),
            Service::Stream | Service::Mail => None,
        };
        let after_name = match endpoint.transport {
            Transport::Plain => policy,
            _ => composer.compose(deployment, version, default_policy, policy, speaks),
        };
        let choosing = if looks_first { after_name } else { default_policy };
        let before_name = default_policy;
        endpoint.bindings.push(Binding {
            site: *id,
            before_name,
            choosing,
            own: policy,
            after_name,
            credentials,
            before_name_credentials: credentials,
            rejects,
        });
        if *id == default {
            endpoint.unnamed = Some(binding);
            endpoint.unmatched = Unmatched::Binding(binding);
        }
        select(&mut endpoint.named, deployment.site(*id), binding);
    }
    endpoint.named.patterns.sort_by_key(|(rank, ..)| *rank);
    endpoint
}

/// Whether nginx builds a TLS context for the site: only then do its own settings count.
fn is_evaluated(deployment: &Deployment, site: &Site) -> bool {
    !deployment.credentials(site.credentials).pairs.is_empty() || site.rejects.get() == Some(&true)
}

/// Exact names win over leading wildcards, these over trailing ones, these over expressions in reading order; of equal
/// names the first site wins.
fn select(selection: &mut Selection, site: &Site, binding: BindingId) {
    const LEADING: u64 = 1;
    const TRAILING: u64 = 2;
    const EXPRESSION: u64 = 3;
    for name in &site.names {
        let text = &name.token.text;
        match name.kind {
            NameKind::Exact | NameKind::Glob => {
                selection.exact.entry(Arc::clone(text)).or_insert((0, binding));
            }
            NameKind::LeadingWildcard => {
                selection.below.entry(text[2..].into()).or_insert((LEADING, binding));
            }
            NameKind::NameAndBelow => {
                selection.exact.entry(text[1..].into()).or_insert((0, binding));
                selection.below.entry(text[1..].into()).or_insert((LEADING, binding));
            }
            NameKind::TrailingWildcard => {
                selection.above.entry(text[..text.len() - 2].into()).or_insert((TRAILING, binding));
            }
            NameKind::Regex => {
                let rank = EXPRESSION + selection.patterns.len() as u64;
                selection.patterns.push((rank, name::compile(&text[1..]), binding));
            }
            NameKind::None => {}
        }
    }
}

/// Names that nginx refuses: some always, some once a second site shares the socket.
fn check_names(deployment: &mut Deployment, sites: &[SiteId]) {
    let shared = sites.len() > 1;
    let mut found = Vec::new();
    for id in sites {
        for one in &deployment.site(*id).names {
            let problem =
                || Problem::new("server-name-invalid-wildcard", one.token.span).with("name", &*one.token.text);
            if name::is_refused(one) {
                found.push(problem());
            } else if name::is_invalid_wildcard(one) {
                found.push(if shared { problem() } else { problem().case("alone").severity(Severity::Warning) });
            }
        }
    }
    let known: HashSet<Span> = deployment
        .problems
        .iter()
        .filter(|one| one.rule.as_str() == "server-name-invalid-wildcard")
        .map(|one| one.at)
        .collect();
    deployment.problems.extend(found.into_iter().filter(|one| !known.contains(&one.at)));
}

/// Policies that two sites make together, interned.
#[derive(Default)]
struct Composer {
    interner: Interner,
    composed: HashMap<(PolicyId, PolicyId, Option<Application>), PolicyId>,
}

impl Composer {
    /// What decides a handshake that begins under the default site's policy and goes on under the named one's.
    fn compose(
        &mut self,
        deployment: &mut Deployment,
        version: Version,
        default: PolicyId,
        named: PolicyId,
        speaks: Option<Application>,
    ) -> PolicyId {
        if let Some(id) = self.composed.get(&(default, named, speaks)) {
            return *id;
        }
        let before = deployment.policy(default);
        let mut after = deployment.policy(named).clone();
        let by_default = |setting: &str| platform::nginx_decider(setting, version) == Decider::DefaultSite;
        if by_default("protocols") {
            after.protocols = before.protocols.clone();
        }
        if by_default("groups") {
            after.groups = before.groups.clone();
        }
        if by_default("early-data") {
            after.early_data = before.early_data.clone();
        }
        let refuses_tickets = before.session_tickets.get() == Some(&false);
        if platform::nginx_decider("session-tickets", version) == Decider::Both && refuses_tickets {
            after.session_tickets = before.session_tickets.clone();
        }
        if default != named {
            after.commands = commands(&before.commands, &after.commands, version);
        }
        if let Some(application) = speaks {
            after.alpn = alpn(application, after.alpn.origin);
        }
        let id = self.interner.policy(deployment, after);
        self.composed.insert((default, named, speaks), id);
        id
    }
}

/// Commands of the default site for what it decides, the named site's for the rest.
fn commands(
    before: &Setting<Arc<[Command]>>,
    after: &Setting<Arc<[Command]>>,
    version: Version,
) -> Setting<Arc<[Command]>> {
    let (Some(first), Some(second)) = (before.get(), after.get()) else { return after.clone() };
    let by_default = |command: &Command| {
        let setting = match &*command.name.text.to_ascii_lowercase() {
            "minprotocol" | "maxprotocol" => "protocol-bounds",
            "protocol" => "protocols",
            "groups" | "curves" => "groups",
            "ciphersuites" => "ciphersuites",
            _ => "",
        };
        platform::nginx_decider(setting, version) == Decider::DefaultSite
    };
    let mixed: Arc<[Command]> = first
        .iter()
        .filter(|one| by_default(one))
        .chain(second.iter().filter(|one| !by_default(one)))
        .cloned()
        .collect();
    let origin = if mixed.is_empty() || !second.is_empty() { after.origin } else { before.origin };
    Setting::known(mixed, origin)
}

/// The versions of HTTP that a socket speaks under a name.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Application {
    Http1,
    Http2,
    Http3,
}

/// What nginx offers in ALPN (`ngx_http_ssl_alpn_select`); `stream` offers what `ssl_alpn` says.
fn alpn(application: Application, origin: Origin) -> Setting<Arc<[Token]>> {
    let place = Span::new(origin.place.file, origin.place.start, origin.place.start);
    let names: &[&str] = match application {
        Application::Http3 => &["h3"],
        Application::Http2 => &["h2", "http/1.1", "http/1.0", "http/0.9"],
        Application::Http1 => &["http/1.1", "http/1.0", "http/0.9"],
    };
    Setting::known(names.iter().map(|name| Token::new(*name, place)).collect(), origin)
}
