//! Where requests are sent on to, and how TLS is spoken there: `proxy_pass`, `grpc_pass` and `uwsgi_pass` with the settings
//! around them.
//!
//! Every place with settings of its own is kept with the one around it; values are merged once the whole text is read. Source:
//! nginx 1.22.1, `ngx_http_proxy_merge_loc_conf`, `ngx_http_proxy_set_ssl` and their like in the other modules.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use super::place::Place;
use super::setting::{self, DirectiveRef, file, protocol_choice};
use super::{Lowering, level};
use crate::model::{
    Address, Credential, Deployment, FrameId, Interner, Origin, ProtocolChoice, Service, Setting, SiteId, Token,
    Upstream, UpstreamAuthorities, UpstreamPolicy, UpstreamPolicyId, UpstreamTarget, UpstreamTransport,
    UpstreamVerification, Value,
};
use crate::platform::{self, Version};
use crate::source::Span;
use crate::tls::Protocol;

type File = Setting<(Token, PathBuf)>;

/// The modules that send requests on by TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Proxy,
    Grpc,
    Uwsgi,
}

impl Family {
    const ALL: [(Family, &'static [u8]); 3] =
        [(Family::Proxy, b"proxy_"), (Family::Grpc, b"grpc_"), (Family::Uwsgi, b"uwsgi_")];

    /// What an address begins with that is spoken to by TLS.
    fn scheme(self) -> &'static str {
        match self {
            Family::Proxy => "https://",
            Family::Grpc => "grpcs://",
            Family::Uwsgi => "suwsgi://",
        }
    }
}

/// What one place says for one module.
#[derive(Clone, Debug, Default)]
pub struct Level {
    verify: Option<Setting<bool>>,
    depth: Option<Setting<u32>>,
    authorities: Option<File>,
    revocations: Option<File>,
    sends_name: Option<Setting<bool>>,
    name: Option<Setting<Token>>,
    protocols: Option<Setting<ProtocolChoice>>,
    ciphers: Option<Setting<Token>>,
    certificate: Option<File>,
    key: Option<File>,
    /// `proxy_ssl` (`stream`).
    on: Option<Setting<bool>>,
}

/// The settings of one place for every module; most places have none.
pub type Levels = [Option<Box<Level>>; Family::ALL.len()];

/// Adds what another text says in the same place; the first stays.
pub fn absorb(mine: &mut Levels, other: Levels) {
    for (mine, other) in mine.iter_mut().zip(other) {
        let Some(other) = other else { continue };
        match mine {
            Some(mine) => **mine = merged(mine, &other, |setting| setting),
            None => *mine = Some(other),
        }
    }
}

/// A request is sent on.
#[derive(Clone, Debug)]
pub struct Pass {
    family: Family,
    target: Token,
    include_chain: Option<FrameId>,
}

/// The servers of `upstream` blocks, by service and name.
pub type Groups = HashMap<(Service, Arc<str>), Vec<Token>>;

/// Takes a directive into a place, where it is one of these.
pub fn read(lowering: &Lowering<'_>, said: &DirectiveRef<'_>, place: &mut Place) {
    let of_family = |(_, head): &&(Family, &[u8])| said.name.starts_with(head);
    let Some((family, head)) = Family::ALL.iter().find(of_family) else { return };
    if said.name[head.len()..] == *b"pass" {
        setting::push(
            &mut place.passes,
            Pass { family: *family, target: said.first(), include_chain: said.include_chain },
        );
    } else {
        setting(lowering, said, &mut place.levels);
    }
}

/// Takes a setting into its level.
pub fn setting(lowering: &Lowering<'_>, said: &DirectiveRef<'_>, levels: &mut Levels) {
    let of_family = |(_, head): &&(Family, &[u8])| said.name.starts_with(head);
    let Some((family, head)) = Family::ALL.iter().find(of_family) else { return };
    let name = &said.name[head.len()..];
    if !name.starts_with(b"ssl") {
        return;
    }
    let level = levels[*family as usize].get_or_insert_default();
    let first = said.first();
    match name {
        b"ssl" => level.on = said.flag(),
        b"ssl_verify" => level.verify = said.flag(),
        b"ssl_verify_depth" => level.depth = first.text.parse().ok().and_then(|depth: u32| said.known(depth)),
        b"ssl_trusted_certificate" => level.authorities = Some(file(lowering, said)),
        b"ssl_crl" => level.revocations = Some(file(lowering, said)),
        b"ssl_server_name" => level.sends_name = said.flag(),
        b"ssl_name" => {
            level.name = match first.text.contains('$') {
                true => Some(Setting::unknown("the name hangs on a variable", said.origin())),
                false => said.known(first),
            }
        }
        // Words that mean nothing were told of when the directive was held against the table.
        b"ssl_protocols" => level.protocols = Some(protocol_choice(said, &mut Vec::new())),
        b"ssl_ciphers" => level.ciphers = said.known(first),
        b"ssl_certificate" => level.certificate = Some(file(lowering, said)),
        b"ssl_certificate_key" => level.key = Some(file(lowering, said)),
        _ => {}
    }
}

/// What holds in a place below another.
fn merged(own: &Level, outer: &Level, inherit: fn(Origin) -> Origin) -> Level {
    fn take<T: Clone>(
        own: &Option<Setting<T>>,
        outer: &Option<Setting<T>>,
        inherit: fn(Origin) -> Origin,
    ) -> Option<Setting<T>> {
        own.clone().or_else(|| outer.clone().map(|one| Setting { origin: inherit(one.origin), ..one }))
    }
    Level {
        verify: take(&own.verify, &outer.verify, inherit),
        depth: take(&own.depth, &outer.depth, inherit),
        authorities: take(&own.authorities, &outer.authorities, inherit),
        revocations: take(&own.revocations, &outer.revocations, inherit),
        sends_name: take(&own.sends_name, &outer.sends_name, inherit),
        name: take(&own.name, &outer.name, inherit),
        protocols: take(&own.protocols, &outer.protocols, inherit),
        ciphers: take(&own.ciphers, &outer.ciphers, inherit),
        certificate: take(&own.certificate, &outer.certificate, inherit),
        key: take(&own.key, &outer.key, inherit),
        on: take(&own.on, &outer.on, inherit),
    }
}

/// What is known once the whole text is read.
pub struct OuterContext<'a> {
    pub service: Service,
    pub outer: &'a Levels,
    pub groups: &'a Groups,
    pub version: Version,
    pub fragment: bool,
    /// What defaults point at.
    pub nowhere: Span,
}

/// The policies of places where nothing is said, by service: nearly all are such.
pub struct Inherited {
    policies: [UpstreamPolicy; Service::ALL.len()],
    ids: [Option<UpstreamPolicyId>; Service::ALL.len()],
}

impl Inherited {
    /// `around` says what is known of a service.
    pub fn new<'a>(around: impl Fn(Service) -> OuterContext<'a>) -> Inherited {
        let policies = Service::ALL.map(|service| policy(Level::default(), &around(service)));
        Inherited { policies, ids: Default::default() }
    }

    fn id(&mut self, deployment: &mut Deployment, interner: &mut Interner, service: Service) -> UpstreamPolicyId {
        let fresh = || interner.upstream(deployment, self.policies[service as usize].clone());
        *self.ids[service as usize].get_or_insert_with(fresh)
    }
}

/// What a place sends on, before it has its place in the deployment.
pub struct Prepared {
    service: Service,
    at: Span,
    include_chain: Option<FrameId>,
    targets: Vec<UpstreamTarget>,
    loads_files: bool,
    /// Absent where nothing is said.
    policy: Option<Box<UpstreamPolicy>>,
}

/// The upstreams of a server.
pub fn prepared(places: &[Place], around: &OuterContext<'_>) -> Vec<Prepared> {
    let mut found = Vec::new();
    for place in places.iter().filter(|place| !place.passes.is_empty()) {
        for pass in &place.passes {
            let mut level = place.levels[pass.family as usize].as_deref().cloned();
            let mut take_over = |outer: &Levels| {
                if let Some(outer) = &outer[pass.family as usize] {
                    level = Some(merged(&level.take().unwrap_or_default(), outer, Origin::inherited));
                }
            };
            let mut parent = place.parent;
            while let Some(at) = parent {
                take_over(&places[at].levels);
                parent = places[at].parent;
            }
            take_over(around.outer);
            let transport = transport(pass, level.as_ref(), around.service);
            found.push(Prepared {
                service: around.service,
                at: pass.target.span,
                include_chain: pass.include_chain,
                targets: targets(pass, transport, around),
                loads_files: transport != Some(UpstreamTransport::Plain),
                policy: level.map(|level| Box::new(policy(level, around))),
            });
        }
    }
    found
}

impl Prepared {
    /// Gives it its place.
    pub fn add(self, deployment: &mut Deployment, interner: &mut Interner, unsaid: &mut Inherited, site: SiteId) {
        let policy = match self.policy {
            Some(policy) => interner.upstream(deployment, *policy),
            None => unsaid.id(deployment, interner, self.service),
        };
        let Prepared { at, include_chain, targets, loads_files, .. } = self;
        deployment.upstreams.push(Upstream { site: Some(site), at, include_chain, targets, policy, loads_files });
    }
}

/// How requests are sent on; absent where a variable tells.
fn transport(pass: &Pass, level: Option<&Level>, service: Service) -> Option<UpstreamTransport> {
    let text = &*pass.target.text;
    let by_tls = |tls: bool| if tls { UpstreamTransport::Tls } else { UpstreamTransport::Plain };
    if service == Service::Stream {
        return Some(by_tls(level.and_then(|level| level.on.as_ref()?.get()) == Some(&true)));
    }
    let scheme = pass.family.scheme();
    if text.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme)) {
        return Some(UpstreamTransport::Tls);
    }
    // Where any variable stands in the address, TLS is made ready.
    if text.contains('$') { None } else { Some(UpstreamTransport::Plain) }
}

/// Where requests go: to the servers of the group that is named, or to the address itself.
fn targets(pass: &Pass, transport: Option<UpstreamTransport>, around: &OuterContext<'_>) -> Vec<UpstreamTarget> {
    let Some(transport) = transport else { return Vec::new() };
    let text = &*pass.target.text;
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let port = match (around.service, transport) {
        (Service::Http, UpstreamTransport::Tls) => Some(443),
        (Service::Http, UpstreamTransport::Plain) if pass.family == Family::Proxy => Some(80),
        _ => None,
    };
    let target = |address: &str, origin: Origin| UpstreamTarget {
        written: pass.target.clone(),
        transport,
        address: match address_of(address, port) {
            Some(found) => Setting::known(found, origin),
            None => Setting::unknown("the address is not in the files", origin),
        },
    };
    let host = rest.split('/').next().unwrap_or(rest);
    let group = || around.groups.get(&(around.service, Arc::from(host.to_ascii_lowercase())));
    match if around.groups.is_empty() { None } else { group() } {
        Some(servers) => servers.iter().map(|one| target(&one.text, Origin::said(one.span, None))).collect(),
        None if rest.starts_with("unix:") => vec![target(rest, Origin::said(pass.target.span, pass.include_chain))],
        None => vec![target(host, Origin::said(pass.target.span, pass.include_chain))],
    }
}

/// An address with its port, or the default one.
fn address_of(text: &str, default: Option<u16>) -> Option<(Address, u16)> {
    if text.contains('$') {
        return None;
    }
    if let Some(path) = text.strip_prefix("unix:") {
        let path = path.split(':').next().unwrap_or(path);
        return Some((Address::Unix(path.into()), 0));
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (ip, after) = rest.split_once(']')?;
        let port = after.strip_prefix(':').map_or(default, |port| port.parse().ok())?;
        return Some((Address::Ip(IpAddr::V6(ip.parse().ok()?)), port));
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (text, default?),
    };
    let address = match (host, host.parse::<Ipv4Addr>()) {
        ("", _) => return None,
        (_, Ok(ip)) => Address::Ip(IpAddr::V4(ip)),
        ("localhost", _) => Address::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        (host, Err(_)) => Address::Host(host.to_ascii_lowercase().into()),
    };
    Some((address, port))
}

fn policy(level: Level, around: &OuterContext<'_>) -> UpstreamPolicy {
    // Policies are shared: what a place leaves out points at nothing in particular.
    let nowhere = Origin::default_for(around.nowhere);
    fn or<T>(setting: Option<Setting<T>>, default: T, nowhere: Origin, fragment: bool) -> Setting<T> {
        setting.unwrap_or_else(|| match fragment {
            true => Setting::unknown(level::OUTSIDE, nowhere),
            false => Setting::known(default, nowhere),
        })
    }
    let fragment = around.fragment;
    let verify = or(level.verify, false, nowhere, fragment);
    let authorities = match level.authorities {
        Some(file) => {
            let origin = file.origin;
            Setting::known(UpstreamAuthorities::Own { file: Some(file), folder: None }, origin)
        }
        None => or(None, UpstreamAuthorities::None, nowhere, fragment),
    };
    let words = platform::nginx_default_protocols(around.version).split(' ');
    let set = words.filter_map(Protocol::from_name).collect();
    let protocols = ProtocolChoice { set, ..ProtocolChoice::default() };
    UpstreamPolicy {
        engine: Setting::known(true, nowhere),
        revocation_folder: None,
        checks_name: Setting { value: verify.value.clone(), origin: verify.origin },
        verification: Setting {
            value: match verify.value {
                Value::Known(true) => Value::Known(UpstreamVerification::Required),
                Value::Known(false) => Value::Known(UpstreamVerification::Off),
                Value::Unknown(reason) => Value::Unknown(reason),
            },
            origin: verify.origin,
        },
        depth: or(level.depth, 1, nowhere, fragment),
        authorities,
        revocations: level.revocations,
        checks_dates: Setting::known(false, nowhere),
        sends_name: or(level.sends_name, false, nowhere, fragment),
        name: level.name,
        protocols: or(level.protocols, protocols, nowhere, fragment),
        ciphers: level.ciphers,
        ciphersuites: None,
        credentials: level
            .certificate
            .map(|certificate| Credential { certificate, key: level.key, chain: None, by_name: None })
            .into_iter()
            .collect(),
    }
}
