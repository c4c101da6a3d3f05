//! From lines to the model: sockets, virtual hosts, and who answers to which name.
//!
//! Source: Apache 2.4, `server/vhost.c`: the most specific address wins, in it the first virtual host in the order of the
//! file whose name or alias matches, else the first of all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::syntax::{self, Kind, Line};
use crate::diagnostic::Unjudged;
use crate::model::{
    Address, Binding, BindingId, ClientVerification, Credential, Credentials, Deployment, Endpoint, Interner, Listen,
    ListenUse, Name, NameKind, Origin, Pattern, ProtocolChoice, Selection, ServerKind, Setting, Site, SiteId, Stapling,
    TlsPolicy, Token, Transport, Unmatched, VerifyMode,
};
use crate::platform::Platform;
use crate::source::{FileId, FileSystem, Span};
use crate::tls::{Protocol, Protocols};

/// A text to lower.
pub struct Source {
    /// Its id.
    pub id: FileId,
    /// What relative paths start from.
    pub folder: PathBuf,
    /// Its content.
    pub bytes: Arc<[u8]>,
}

type File = Setting<(Token, PathBuf)>;

/// What the main server or a virtual host says.
#[derive(Clone, Default)]
struct Level {
    engine: Option<bool>,
    protocols: Option<Setting<ProtocolChoice>>,
    certificates: Vec<File>,
    keys: Vec<File>,
    names: Vec<Name>,
}

struct Host {
    head: Span,
    addresses: Vec<(String, Span)>,
    level: Level,
}

/// Directives that are understood; anything else is named as unjudged.
const UNDERSTOOD: &[&str] = &[
    "listen",
    "servername",
    "serveralias",
    "sslengine",
    "sslprotocol",
    "sslcertificatefile",
    "sslcertificatekeyfile",
    "documentroot",
    "serverroot",
];

/// Lowers texts that belong together.
pub fn lower(files: &dyn FileSystem, sources: &[Source], platform: Platform, fragment: bool) -> Deployment {
    let mut deployment = Deployment::empty(ServerKind::Apache, platform);
    deployment.fragment = fragment;
    let mut main = Level::default();
    let mut listens: Vec<(Listen, Span)> = Vec::new();
    let mut hosts: Vec<Host> = Vec::new();
    for source in sources {
        let mut open: Option<Host> = None;
        for line in syntax::lines(&source.bytes) {
            let name = String::from_utf8_lossy(&source.bytes[line.name.clone()]).to_ascii_lowercase();
            let words = tokens(source, &line);
            let head = Span::new(source.id, line.name.start as u32, line.rest.end as u32);
            match (line.kind, name.as_str()) {
                (Kind::Open, "virtualhost") => {
                    let addresses = words.iter().map(|word| (word.text.to_string(), word.span)).collect();
                    open = Some(Host { head, addresses, level: Level::default() });
                }
                (Kind::Close, "virtualhost") => hosts.extend(open.take()),
                (Kind::Directive, "listen") => {
                    listens.extend(words.first().and_then(|word| Some((listen(&word.text)?, word.span))));
                }
                (Kind::Directive, name) if UNDERSTOOD.contains(&name) => {
                    let level = open.as_mut().map_or(&mut main, |host| &mut host.level);
                    directive(files, source, name, words, level);
                }
                _ => deployment.unjudged.push(Unjudged {
                    what: "apache-directive".into(),
                    reason: "only sockets, names, certificates and protocols of Apache are read so far".into(),
                    at: Some(head),
                }),
            }
        }
    }
    build(&mut deployment, &main, hosts, listens);
    deployment
}

fn tokens(source: &Source, line: &Line) -> Vec<Token> {
    let words = syntax::words(&source.bytes, line.rest.clone()).into_iter();
    words.map(|(word, at)| Token::new(word, Span::new(source.id, at.start as u32, at.end as u32))).collect()
}

fn directive(files: &dyn FileSystem, source: &Source, name: &str, words: Vec<Token>, level: &mut Level) {
    let Some(first) = words.first().cloned() else { return };
    let all = words.iter().fold(first.span, |span, word| span.to(word.span));
    let file = || {
        Setting::known(
            (first.clone(), files.locate(&source.folder, first.text.as_ref().as_ref())),
            Origin::written(all, None),
        )
    };
    match name {
        "sslengine" => level.engine = Some(first.text.eq_ignore_ascii_case("on")),
        "sslprotocol" => level.protocols = Some(Setting::known(protocols(&words), Origin::written(all, None))),
        "sslcertificatefile" => level.certificates.push(file()),
        "sslcertificatekeyfile" => level.keys.push(file()),
        "servername" => {
            let host = first.text.rsplit_once("://").map_or(&*first.text, |(_, host)| host);
            let host = host.split(':').next().unwrap_or(host).to_ascii_lowercase();
            level.names.insert(0, Name { token: Token::new(host, first.span), kind: NameKind::Exact });
        }
        "serveralias" => level.names.extend(words.into_iter().map(|word| {
            let kind = if word.text.contains(['*', '?']) { NameKind::Glob } else { NameKind::Exact };
            Name { token: Token::new(word.text.to_ascii_lowercase(), word.span), kind }
        })),
        _ => {}
    }
}

/// `all -TLSv1`, `-all +TLSv1.2`, `TLSv1.2`: from left to right (`ssl_cmd_protocol_parse`).
fn protocols(words: &[Token]) -> ProtocolChoice {
    let all: Protocols = [Protocol::Tls10, Protocol::Tls11, Protocol::Tls12, Protocol::Tls13].into_iter().collect();
    let mut choice = ProtocolChoice::default();
    let mut named = Vec::new();
    for word in words {
        let (sign, name) = match word.text.strip_prefix(['+', '-']) {
            Some(name) => (word.text.as_bytes()[0], name),
            None => (b' ', &*word.text),
        };
        let set = match Protocol::from_name(name) {
            Some(protocol) => Protocols::NONE.with(protocol),
            None if name.eq_ignore_ascii_case("all") => all,
            None => continue,
        };
        choice.set = match sign {
            b'+' => choice.set.union(set),
            b'-' => set.iter().fold(choice.set, Protocols::without),
            _ => set,
        };
        named.extend(set.iter().filter(|_| sign != b'-').map(|one| (one, word.clone())));
    }
    named.retain(|(one, _)| choice.set.contains(*one));
    choice.words = named.into();
    choice
}

/// `443`, `192.0.2.1:443`, `[::]:443`, `*:443`.
fn listen(text: &str) -> Option<Listen> {
    let (address, port) = text.rsplit_once(':').unwrap_or(("*", text));
    let address = match address {
        "*" | "_default_" => Address::Any,
        address => Address::Ip(address.trim_matches(['[', ']']).parse::<IpAddr>().ok()?),
    };
    Some(Listen { address, port: port.parse().ok()? })
}

fn build(deployment: &mut Deployment, main: &Level, hosts: Vec<Host>, listens: Vec<(Listen, Span)>) {
    let mut interner = Interner::default();
    let mut ids = Vec::with_capacity(hosts.len());
    for host in &hosts {
        let policy = interner.policy(deployment, policy(&host.level, main, host.head));
        let credentials = interner.credentials(deployment, credentials(&host.level, main));
        ids.push(SiteId(deployment.sites.len() as u32));
        deployment.sites.push(Site {
            head: host.head,
            block: host.head,
            via: None,
            names: host.level.names.clone(),
            policy,
            credentials,
            rejects: Setting::known(false, Origin::default_for(host.head)),
            has_own_tls: host.level.engine.is_some() || host.level.protocols.is_some(),
            has_own_credentials: !host.level.certificates.is_empty(),
        });
    }
    for (socket, _) in listens {
        let answers = |wanted: bool| {
            hosts
                .iter()
                .zip(&ids)
                .flat_map(move |(host, id)| host.addresses.iter().map(move |address| (host, *id, address)))
                .filter({
                    let socket = socket.clone();
                    move |(_, _, (text, _))| matches_socket(text, &socket, wanted)
                })
                .collect::<Vec<_>>()
        };
        let specific = answers(true);
        let group = if specific.is_empty() { answers(false) } else { specific };
        if group.is_empty() {
            continue;
        }
        deployment.endpoints.push(endpoint(deployment, main, socket, &group));
    }
}

/// Whether a virtual host's address is the socket's own, or one that holds for every address.
fn matches_socket(text: &str, socket: &Listen, own: bool) -> bool {
    let Some(address) = listen(text) else { return false };
    let is_wildcard = address.address == Address::Any;
    address.port == socket.port && if own { address.address == socket.address && !is_wildcard } else { is_wildcard }
}

type Member<'h> = (&'h Host, SiteId, &'h (String, Span));

fn endpoint(deployment: &Deployment, main: &Level, listen: Listen, group: &[Member<'_>]) -> Endpoint {
    let speaks_tls = |host: &Host| host.level.engine.or(main.engine).unwrap_or(false);
    let transport = if speaks_tls(group[0].0) { Transport::Tls } else { Transport::Plain };
    let before_name = deployment.site(group[0].1).policy;
    let mut named = Selection::default();
    let mut exact: HashMap<Arc<str>, (u64, BindingId)> = HashMap::new();
    let mut bindings = Vec::new();
    let mut uses = Vec::new();
    for (order, (host, id, (_, span))) in group.iter().enumerate() {
        let site = deployment.site(*id);
        let binding = BindingId(order as u32);
        bindings.push(Binding {
            site: *id,
            before_name,
            choosing: before_name,
            own: site.policy,
            after_name: site.policy,
            credentials: site.credentials,
            rejects: false,
        });
        uses.push(ListenUse {
            site: *id,
            span: *span,
            words: Vec::new(),
            tls: speaks_tls(host),
            claims_default: None,
            http2: false,
            proxy_protocol: false,
        });
        for name in &site.names {
            match name.kind {
                NameKind::Glob => {
                    named.patterns.push((order as u64, Pattern::Glob(Arc::clone(&name.token.text)), binding))
                }
                _ => {
                    exact.entry(Arc::clone(&name.token.text)).or_insert((order as u64, binding));
                }
            }
        }
    }
    named.exact = exact;
    Endpoint {
        listen,
        transport,
        proxy_protocol: false,
        uses,
        bindings,
        named,
        unnamed: Some(BindingId(0)),
        unmatched: Unmatched::Binding(BindingId(0)),
    }
}

fn policy(own: &Level, main: &Level, head: Span) -> TlsPolicy {
    let origin = Origin::default_for(head);
    let inherited = main.protocols.clone().map(|outer| Setting { origin: outer.origin.inherited(), ..outer });
    let default = || {
        let set = [Protocol::Tls10, Protocol::Tls11, Protocol::Tls12, Protocol::Tls13].into_iter().collect();
        Setting::known(ProtocolChoice { set, words: Arc::from([]) }, origin)
    };
    let unread = "not read from Apache's configuration so far";
    TlsPolicy {
        protocols: own.protocols.clone().or(inherited).unwrap_or_else(default),
        ciphers: Setting::unknown(unread, origin),
        ciphersuites: Setting::unknown(unread, origin),
        prefer_server_ciphers: Setting::unknown(unread, origin),
        groups: Setting::unknown(unread, origin),
        dh_parameters: Setting::unknown(unread, origin),
        commands: Setting::unknown(unread, origin),
        early_data: Setting::known(false, origin),
        session_tickets: Setting::unknown(unread, origin),
        alpn: Setting::unknown(unread, origin),
        client_verification: Setting::known(
            ClientVerification { mode: VerifyMode::Off, authorities: None, depth: 1 },
            origin,
        ),
        stapling: Setting::known(
            Stapling { on: false, file: None, responder: None, has_resolver: true, issuers: None },
            origin,
        ),
    }
}

/// Certificates and keys by position; without a key file the key stands in the certificate file.
fn credentials(own: &Level, main: &Level) -> Credentials {
    let all = |own: &[File], main: &[File]| if own.is_empty() { main.to_vec() } else { own.to_vec() };
    let mut keys = all(&own.keys, &main.keys).into_iter();
    let certificates = all(&own.certificates, &main.certificates).into_iter();
    let pairs = certificates.map(|certificate| {
        let key = keys.next().unwrap_or_else(|| certificate.clone());
        Credential { certificate, key: Some(key), chain: None }
    });
    Credentials { pairs: pairs.collect(), surplus_keys: Vec::new(), passwords: None }
}
