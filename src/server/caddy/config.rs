//! What a Caddyfile and a JSON configuration have in common: the parts of Caddy's own configuration that TLS hangs on, with
//! the places where they are written.
//!
//! A Caddyfile is adapted to it as Caddy adapts one to JSON; from here on there is one way to the model.

use std::path::PathBuf;
use std::sync::Arc;

use foldhash::HashSet;

use crate::model::{DocumentRoot, FrameId, HttpResponse, Listen, Name, Token};
use crate::source::Span;

/// A configuration of the http and tls apps.
#[derive(Default)]
pub struct Config {
    /// The port that redirects and challenges use.
    pub http_port: u16,
    /// The port that sites without one use.
    pub https_port: u16,
    /// Site blocks, or the routes of a JSON server.
    pub sites: Vec<SiteDraft>,
    /// Servers, in Caddy's order.
    pub servers: Vec<Server>,
    /// Certificates that files hold, in the order of loading.
    pub loaders: Vec<Loader>,
    /// Folders with certificates.
    pub folders: Vec<(Token, Option<FrameId>)>,
    /// A loader whose certificates are not files: what names they have is not known.
    pub opaque_loader: Option<Span>,
    /// Names that are managed whoever else covers them.
    pub automate: Vec<Token>,
    /// Who gets certificates for which names.
    pub automation: Vec<Automation>,
    /// Whether on-demand certificates have to be permitted by somebody, and who is written.
    pub permission: Option<Span>,
    /// OCSP stapling of loaded certificates is off, and where that is written.
    pub stapling_off: Option<Span>,
    /// Session tickets are off, and where that is written.
    pub tickets_off: Option<Span>,
    /// The name of clients that send none, as the global options have it.
    pub default_sni: Option<Token>,
    /// The name in place of one that no certificate has, as the global options have it.
    pub fallback_sni: Option<Token>,
    /// Whether it comes from a Caddyfile.
    pub is_caddyfile: bool,
    /// Where certificates are stored: a folder, where that is written; `None` where another module stores them.
    pub storage: Storage,
}

/// Where managed certificates are kept.
#[derive(Default)]
pub enum Storage {
    /// Where the service's user has its data.
    #[default]
    Default,
    /// In a folder that is written.
    Folder(PathBuf),
    /// Elsewhere.
    Elsewhere,
}

/// A site block as written.
pub struct SiteDraft {
    /// Its first address.
    pub head: Span,
    /// The whole block.
    pub block: Span,
    /// The imports that led there.
    pub include_chain: Option<FrameId>,
    /// The names it answers to.
    pub names: Vec<Name>,
    /// Its own settings, where any are written.
    pub settings: Option<Settings>,
    /// Certificates that its own words load: indices into [`Config::loaders`].
    pub loaders: Vec<usize>,
    /// Whether anything about TLS is written in it.
    pub has_tls: bool,
    /// Whether it says who signs for its names.
    pub asks: bool,
    /// Where it has names that are not known.
    pub opaque: Option<Span>,
    /// What it answers to requests.
    pub answers: Vec<HttpResponse>,
    /// The folders whose files it gives.
    pub webroots: Vec<DocumentRoot>,
    /// Where it sends requests on to.
    pub proxies: Vec<Proxy>,
}

/// A place that sends requests on.
pub struct Proxy {
    /// What to point at.
    pub at: Span,
    /// The imports that led there.
    pub include_chain: Option<FrameId>,
    /// Addresses.
    pub targets: Vec<Token>,
    /// How TLS is spoken, where it is.
    pub tls: Option<ProxyTls>,
}

/// TLS with the servers of a proxy.
pub struct ProxyTls {
    /// What switches it on.
    pub at: Span,
    /// Where it is said that nothing is verified.
    pub unverified: Option<Span>,
    /// The name to send and to check.
    pub name: Option<Token>,
    /// Files of authorities, as written and as located; empty where another source has them, absent for the system's.
    pub trust: Option<Vec<(Token, PathBuf)>>,
    /// A certificate to show, and its key.
    pub client: Option<((Token, PathBuf), (Token, PathBuf))>,
}

impl ProxyTls {
    /// As Caddy does by itself.
    pub fn at(at: Span) -> ProxyTls {
        ProxyTls { at, unverified: None, name: None, trust: None, client: None }
    }
}

/// A server: sockets with one set of routes and policies.
pub struct Server {
    /// What it listens on.
    pub listens: Vec<Listen>,
    /// Which names lead to which site.
    pub routes: Vec<Route>,
    /// Connection policies, the first that matches counts; absent where none are written.
    pub policies: Option<Vec<Policy>>,
    /// Automatic HTTPS.
    pub automatic: Automatic,
    /// Whether HTTP/2 is spoken.
    pub has_h2: bool,
    /// Whether HTTP/3 is, on UDP beside each socket.
    pub has_h3: bool,
    /// Whether clients must send a PROXY header first.
    pub proxy_protocol: bool,
    /// Where it is said that requests for one host may come by a connection for another.
    pub any_host: Option<Span>,
}

/// Names that lead to a site.
pub struct Route {
    /// The site: an index into [`Config::sites`].
    pub site: usize,
    /// The names; none matches all.
    pub hosts: Vec<Token>,
    /// Where the site asks for the server's sockets.
    pub uses: Vec<Span>,
}

/// Switches of automatic HTTPS of one server.
#[derive(Clone, Default)]
pub struct Automatic {
    /// Nothing is done.
    pub off: bool,
    /// No certificate is managed.
    pub no_certificates: bool,
    /// Names are managed that a loaded certificate covers.
    pub ignores_loaded: bool,
    /// Names that are passed over.
    pub skip: HashSet<Arc<str>>,
    /// Names for which no certificate is managed.
    pub skip_certificates: HashSet<Arc<str>>,
}

/// Words with their place.
#[derive(Clone, Debug)]
pub struct List {
    /// The words.
    pub words: Vec<Token>,
    /// All of them.
    pub at: Span,
}

/// Client certificates.
#[derive(Clone, Debug)]
pub struct Client {
    /// The mode as written.
    pub mode: Option<Token>,
    /// Whether any authority is given.
    pub has_authority: bool,
    /// The authorities' files, as written and as located.
    pub files: Vec<(Token, PathBuf)>,
    /// Whether single certificates are trusted.
    pub has_leaf: bool,
    /// Whether a module verifies.
    pub has_verifier: bool,
    /// Where it is written.
    pub at: Span,
}

/// Settings of a connection policy, without what it matches.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The imports that led there.
    pub include_chain: Option<FrameId>,
    /// Oldest protocol.
    pub oldest: Option<Token>,
    /// Newest protocol.
    pub newest: Option<Token>,
    /// Suites.
    pub ciphers: Option<List>,
    /// Groups.
    pub groups: Option<List>,
    /// Protocols for ALPN.
    pub alpn: Option<List>,
    /// Client certificates.
    pub client: Option<Client>,
    /// A file for the secrets of connections.
    pub secrets_log: Option<Token>,
}

impl Settings {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.oldest.is_none()
            && self.newest.is_none()
            && self.ciphers.is_none()
            && self.groups.is_none()
            && self.alpn.is_none()
            && self.client.is_none()
            && self.secrets_log.is_none()
    }
}

/// Which certificates a policy may choose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// One of these tags; any where there is none.
    pub any_tag: Vec<Arc<str>>,
    /// Other conditions stand there too, which cannot be judged.
    pub is_opaque: bool,
}

/// A connection policy.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Names, in lower case; absent: all.
    pub names: Option<Vec<Arc<str>>>,
    /// Whether something else than the name must match too.
    pub is_conditional: bool,
    /// What it sets.
    pub settings: Settings,
    /// Which certificates it may choose.
    pub choice: Option<Choice>,
    /// The name of clients that send none.
    pub default_sni: Option<Arc<str>>,
    /// The name in place of one that no certificate has.
    pub fallback_sni: Option<Arc<str>>,
    /// Whether connections are dropped.
    pub drop: bool,
    /// A place to point at.
    pub at: Option<Span>,
}

/// A certificate with its key in files.
#[derive(Clone)]
pub struct Loader {
    /// The certificate's file, as written and as located.
    pub certificate: (Token, PathBuf),
    /// The key's file, as written and as located.
    pub key: (Token, PathBuf),
    /// Tags for policies to choose by.
    pub tags: Vec<Arc<str>>,
    /// The imports that led there.
    pub include_chain: Option<FrameId>,
}

/// Who signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Issuer {
    /// An ACME authority: its directory where one is written, and whether a provider of DNS is.
    Acme {
        /// The directory.
        directory: Option<Token>,
        /// Whether proof by DNS is possible.
        has_dns: bool,
    },
    /// Caddy's own authority.
    Internal,
    /// Another module.
    Other(Arc<str>),
}

/// How certificates are got for some names.
#[derive(Clone, Debug)]
pub struct Automation {
    /// The names, in lower case; none: all.
    pub subjects: Vec<Arc<str>>,
    /// Who signs; none: Caddy's defaults.
    pub issuers: Vec<Issuer>,
    /// The kind of key.
    pub key_type: Option<Arc<str>>,
    /// Whether certificates are got at the first handshake.
    pub on_demand: bool,
    /// Whether a manager is asked at each handshake.
    pub has_manager: bool,
}
