//! Who answers on which socket: sites, endpoints, bindings, and what is wrong with their sum.
//!
//! An address that a virtual host names hides all virtual hosts for every address there. Sources: Apache 2.4,
//! `server/vhost.c` (`ap_fini_vhost_config`, `find_ipaddr`) and `ssl_engine_kernel.c` (`ssl_find_vhost`); who decides a
//! setting once the name is known is in `rules/servers/apache.toml`.

mod compose;
mod fault;
mod socket;

pub use self::fault::holds_nobody;

use std::sync::Arc;

use self::compose::Composer;
use super::level::{self, Defaults, Engine, Level};
use super::listen::Socket;
use super::{Host, Lowering, answer, upstream, webroot};
use crate::diagnostic::Unchecked;
use crate::model::{
    Address, Binding, BindingId, Credentials, CredentialsId, Deployment, Endpoint, FrameId, HttpResponse, Listen,
    ListenUse, NameKind, Origin, Pattern, PolicyId, ResponseKind, Selection, Service, Setting, Site, SiteId, TicketKey,
    TlsPolicy, Token, Transport, Unmatched, Upstream, UpstreamPolicy, UpstreamTarget,
};
use crate::platform::{self, Decider};
use crate::server::ordered::commit_in_order;
use crate::source::Span;

/// A virtual host, or the server itself, with what it comes to.
pub(super) struct Member {
    /// Its site.
    pub site: SiteId,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// Whether `SSLProtocol` holds for it by its own words or the server's.
    pub has_protocols: bool,
    /// The name that it has by default, where it gives itself none.
    pub inherited_name: Option<Arc<str>>,
}

/// Turns what was collected into sites, endpoints and bindings.
pub fn build(deployment: &mut Deployment, mut lowering: Lowering<'_>) {
    deployment.ticket_keys.append(&mut lowering.ticket_keys);
    deployment.problems.append(&mut lowering.problems);
    deployment.unjudged.append(&mut lowering.unjudged);
    socket::assume(&mut lowering);
    let anchor = Span::new(lowering.loaded.first_text(), 0, 0);
    let first_tls = lowering.hosts.iter().find(|host| host.level.has_tls).or(lowering.hosts.first());
    let modules = &lowering.loaded.modules;
    let defaults = Defaults {
        effective_at: first_tls.map_or(anchor, |host| host.head),
        fragment: lowering.fragment,
        protocols: lowering.all_protocols,
        speaks_h2: modules.has_table("mod_http2") && !modules.has(b"mpm_prefork_module"),
    };
    let mut composer = Composer::default();
    let hosts = std::mem::take(&mut lowering.hosts);
    let by_server = level::policy(&Level::default(), &lowering.server, defaults);
    deployment.sites.reserve(hosts.len());
    let mut members: Vec<Member> = Vec::with_capacity(hosts.len());
    let prepare = |host| Prepared::of(&lowering, host, defaults);
    let commit = |one: Prepared| members.push(one.add(deployment, &mut composer, &by_server));
    commit_in_order(hosts.iter(), prepare, commit);
    let main = main_host(&lowering, anchor);
    let groups = socket::groups(&lowering.sockets, &hosts);
    // With TLS on for the server, it needs a certificate of its own even where virtual hosts take every connection.
    let is_on = lowering.server.engine.as_ref().and_then(|engine| engine.get()) == Some(&Engine::On);
    let has_main = is_on && !lowering.fragment || groups.iter().any(|group| group.members.is_empty());
    let main = has_main.then(|| {
        let member = Prepared::of(&lowering, &main, defaults).add(deployment, &mut composer, &by_server);
        (member, &main)
    });
    // The server itself loads its files for other servers whether or not it answers anybody. What it sends on, its virtual
    // hosts do, with settings of their own.
    if main.is_none() && !lowering.fragment {
        let mut own = lowering.server.clone();
        own.proxy.iter_mut().for_each(|proxy| proxy.passes.clear());
        let at = own.proxy().engine.as_ref().map_or(anchor, |engine| engine.origin.place);
        let sent_on = SentOn::of(&own, &Level::default(), (at, None), defaults);
        sent_on.into_iter().for_each(|sent_on| sent_on.add(deployment, &mut composer, None));
    }
    for group in groups {
        let uses: Vec<(&Member, Option<&Token>)> = match (&group.members[..], &main) {
            ([], Some((member, _))) => vec![(member, None)],
            (found, _) => {
                found.iter().map(|(host, at)| (&members[*host], Some(&hosts[*host].addresses[*at].token))).collect()
            }
        };
        let endpoint = bind(deployment, &mut composer, group.listen, group.at, &uses);
        deployment.endpoints.extend(endpoint);
    }
    let all: Vec<(&Host, &Member)> =
        hosts.iter().zip(&members).chain(main.iter().map(|(member, host)| (*host, member))).collect();
    fault::check(deployment, &lowering, &all);
    // Levels are large: their memory is given back beside what follows.
    rayon::spawn(move || drop(hosts));
}

/// The server itself, which answers where no virtual host does. It is never asked for TLS by its address.
fn main_host(lowering: &Lowering<'_>, anchor: Span) -> Host {
    let head = lowering.sockets.iter().find_map(|socket| socket.at).unwrap_or(anchor);
    Host {
        head,
        block: head,
        include_chain: None,
        level: lowering.server.clone(),
        addresses: Vec::new(),
        is_server: true,
    }
}

/// Whether a virtual host speaks TLS: as it says, else by itself where its socket is one for https and it has a certificate.
fn speaks_tls(lowering: &Lowering<'_>, host: &Host, has_certificate: bool) -> bool {
    let outer = &lowering.server;
    if let Some(engine) = host.level.engine.as_ref().or(outer.engine.as_ref()) {
        return engine.get() == Some(&Engine::On);
    }
    let own = host.level.protocol.as_ref().or(outer.protocol.as_ref()).map(|word| word.text.to_ascii_lowercase());
    let is_its = |socket: &&Socket| host.addresses.iter().any(|address| address.is_socket(&socket.listen));
    let has_core = host.level.has_core;
    let by_socket =
        || lowering.sockets.iter().find(is_its).filter(|_| has_core).map(|socket| socket.protocol.to_string());
    has_certificate && own.or_else(by_socket).as_deref() == Some("https")
}

/// A leaf that stands alone in its file may be completed from a folder of authorities, whose files are not read here: then
/// its chain is not known.
fn completed_elsewhere(lowering: &Lowering<'_>, host: &Host, outer: &Level, credentials: &mut Credentials) {
    let Some(folder) = host.level.authority_folder.as_ref().or(outer.authority_folder.as_ref()) else { return };
    for pair in credentials.pairs.iter_mut().filter(|pair| pair.chain.is_none()) {
        let Some((_, path)) = pair.certificate.get() else { continue };
        let text = lowering.files.read(path, LEAF).unwrap_or_default();
        const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE";
        if text.windows(BEGIN.len()).filter(|window| *window == BEGIN).count() == 1 {
            let reason = "authorities in the folder of `SSLCACertificatePath` may complete the chain";
            pair.chain = Some(Setting::unknown(reason, folder.origin));
        }
    }
}

/// The largest file that is looked at for how many certificates it has, in bytes.
const LEAF: u64 = 1 << 20;

/// What a virtual host comes to, before it has its place in the deployment.
struct Prepared {
    site: Site,
    /// Its settings; absent where it leaves all to the server.
    policy: Option<Box<TlsPolicy>>,
    credentials: Credentials,
    ticket_key: Option<TicketKey>,
    sent_on: Option<SentOn>,
    tls: bool,
    has_protocols: bool,
    inherited_name: Option<Arc<str>>,
}

impl Prepared {
    fn of(lowering: &Lowering<'_>, host: &Host, defaults: Defaults) -> Prepared {
        let is_main = host.is_server;
        let nothing = Level::default();
        let outer = if is_main { &nothing } else { &lowering.server };
        let own = &host.level;
        let names: Vec<_> = own.server_name.iter().chain(&own.aliases).cloned().collect();
        let mut credentials = level::credentials(own, outer);
        let has_certificate = !credentials.pairs.is_empty();
        let tls = speaks_tls(lowering, host, has_certificate);
        completed_elsewhere(lowering, host, outer, &mut credentials);
        let is_managed = tls || own.engine.is_none();
        if is_managed && !has_certificate {
            let loaded = lowering.loaded;
            let locate = |path: &std::path::Path| loaded.locate(lowering.files, path);
            let found = lowering.managed.credentials(lowering.files, locate, &names, host.head);
            credentials = found.unwrap_or(credentials);
        }
        let tls =
            tls || is_managed && !has_certificate && !credentials.pairs.is_empty() && speaks_tls(lowering, host, true);
        let inherited_name = (own.server_name.is_none() && !is_main)
            .then(|| lowering.server.server_name.as_ref().map(|name| Arc::clone(&name.token.text)))
            .flatten();
        let ticket_key = own.ticket_key.as_ref().or(outer.ticket_key.as_ref());
        let answers = answer::build(&own.answers, &outer.answers, tls, host.head);
        let leads_away = |one: &HttpResponse| !one.is_conditional && matches!(one.reply, ResponseKind::Redirect { .. });
        let webroots = match answers.iter().any(leads_away) {
            true => Vec::new(),
            false => webroot::build(&own.webroots, &outer.webroots),
        };
        let site = Site {
            service: Service::Http,
            head: host.head,
            block: host.block,
            include_chain: host.include_chain,
            names,
            policy: PolicyId(0),
            credentials: CredentialsId(0),
            rejects: Setting::known(false, Origin::default_for(host.head)),
            has_own_tls: own.has_tls && !is_main,
            has_own_credentials: !own.certificates.is_empty() && !is_main,
            loads_credentials: tls,
            answers,
            webroots,
        };
        let sent_on = match lowering.fragment {
            true => None,
            false => SentOn::of(own, outer, (host.head, host.include_chain), defaults),
        };
        Prepared {
            site,
            policy: (is_main || !own.leaves_policy()).then(|| Box::new(level::policy(own, outer, defaults))),
            credentials,
            ticket_key: ticket_key.filter(|key| tls && key.found.is_ok()).cloned(),
            sent_on,
            tls,
            has_protocols: own.protocols.is_some() || outer.protocols.is_some(),
            inherited_name,
        }
    }

    /// Gives it its place. `by_server`: the settings of those that leave all to the server.
    fn add(self, deployment: &mut Deployment, composer: &mut Composer, by_server: &TlsPolicy) -> Member {
        deployment.ticket_keys.extend(self.ticket_key);
        let mut site = self.site;
        site.policy = match self.policy {
            Some(policy) => composer.interner.policy(deployment, *policy),
            None => composer.of_server(deployment, by_server),
        };
        site.credentials = composer.interner.credentials(deployment, self.credentials);
        let id = SiteId(deployment.sites.len() as u32);
        deployment.sites.push(site);
        if let Some(sent_on) = self.sent_on {
            sent_on.add(deployment, composer, Some(id));
        }
        let (tls, has_protocols) = (self.tls, self.has_protocols);
        Member { site: id, tls, has_protocols, inherited_name: self.inherited_name }
    }
}

/// What a level sends on, and its settings alone where they are loaded.
struct SentOn {
    policy: UpstreamPolicy,
    is_on: bool,
    at: Span,
    include_chain: Option<FrameId>,
    passes: Vec<(Span, Option<FrameId>, UpstreamTarget)>,
}

impl SentOn {
    fn of(
        own: &Level,
        outer: &Level,
        (at, include_chain): (Span, Option<FrameId>),
        defaults: Defaults,
    ) -> Option<SentOn> {
        let (own, outer) = (own.proxy(), outer.proxy());
        if own.passes.is_empty() && own.engine.is_none() && outer.engine.is_none() {
            return None;
        }
        let policy = upstream::policy(own, outer, defaults);
        let is_on = policy.engine.get() == Some(&true);
        if !is_on && own.passes.is_empty() {
            return None;
        }
        Some(SentOn { policy, is_on, at, include_chain, passes: upstream::passes(own).collect() })
    }

    fn add(self, deployment: &mut Deployment, composer: &mut Composer, site: Option<SiteId>) {
        let policy = composer.interner.upstream(deployment, self.policy);
        if self.is_on {
            let (at, include_chain, targets) = (self.at, self.include_chain, Vec::new());
            deployment.upstreams.push(Upstream { site, at, include_chain, targets, policy, loads_files: true });
        }
        for (at, include_chain, target) in self.passes {
            deployment.upstreams.push(Upstream {
                site,
                at,
                include_chain,
                targets: vec![target],
                policy,
                loads_files: false,
            });
        }
    }
}

/// Decides who answers on a socket, and with what. Absent where nobody does.
fn bind(
    deployment: &mut Deployment,
    composer: &mut Composer,
    listen: Listen,
    at: Option<Span>,
    members: &[(&Member, Option<&Token>)],
) -> Option<Endpoint> {
    let (default, _) = members.first()?;
    if let Address::Host(host) = &listen.address {
        let reason = format!("only the machine itself can resolve `{host}`");
        deployment.unjudged.push(Unchecked { what: "listen".into(), reason: reason.into(), at });
    }
    let default_site = deployment.site(default.site);
    let (before_name, default_credentials) = (default_site.policy, default_site.credentials);
    let looks_first = platform::apache_decider("protocols", &deployment.platform) != Decider::DefaultSite;
    let mut endpoint = Endpoint {
        listen,
        transport: if default.tls { Transport::Tls } else { Transport::Plain },
        proxy_protocol: false,
        uses: Vec::with_capacity(members.len()),
        bindings: Vec::with_capacity(members.len()),
        named: Selection::default(),
        unnamed: Some(BindingId(0)),
        unmatched: Unmatched::Binding(BindingId(0)),
    };
    for (order, (member, token)) in members.iter().enumerate() {
        let binding = BindingId(order as u32);
        let site = deployment.site(member.site);
        // A virtual host without TLS behind one with it has no say in the handshake.
        let heeded = member.tls || !default.tls;
        let own = (site.policy, site.credentials);
        let (policy, credentials) = if heeded { own } else { (before_name, default_credentials) };
        let span = token.map_or(site.head, |token| token.span);
        let after_name = match default.tls {
            true => composer.compose(deployment, before_name, policy, member.has_protocols),
            false => policy,
        };
        endpoint.bindings.push(Binding {
            site: member.site,
            before_name,
            choosing: if looks_first { after_name } else { before_name },
            own: policy,
            after_name,
            credentials,
            before_name_credentials: default_credentials,
            rejects: false,
        });
        endpoint.uses.push(ListenUse {
            site: member.site,
            span,
            words: token.iter().map(|token| (*token).clone()).collect(),
            tls: member.tls,
            claims_default: None,
            http2: false,
            proxy_protocol: false,
        });
        select(&mut endpoint.named, deployment.site(member.site), member, binding);
    }
    Some(endpoint)
}

/// The first virtual host that has a name in any way wins, wildcards or not.
fn select(selection: &mut Selection, site: &Site, member: &Member, binding: BindingId) {
    let rank = u64::from(binding.0);
    if let Some(name) = &member.inherited_name {
        selection.exact.entry(Arc::clone(name)).or_insert((rank, binding));
    }
    for name in &site.names {
        let text = &name.token.text;
        match name.kind {
            NameKind::LeadingWildcard | NameKind::Glob => {
                selection.patterns.push((rank, Pattern::Glob(Arc::clone(text)), binding));
            }
            _ => {
                selection.exact.entry(Arc::clone(text)).or_insert((rank, binding));
            }
        }
    }
}
