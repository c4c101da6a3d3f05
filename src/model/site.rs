//! What answers on a socket: server blocks, virtual hosts, site blocks.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::answer::HttpResponse;
use super::policy::PolicyId;
use super::setting::{FrameId, Setting, Token};
use super::template::ByName;
use super::webroot::DocumentRoot;
use crate::source::Span;

/// A site of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SiteId(pub u32);

/// A set of certificates of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CredentialsId(pub u32);

/// How a name matches what the client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NameKind {
    /// This very name.
    Exact,
    /// `*.example.com`: nginx takes any depth, Caddy one label.
    LeadingWildcard,
    /// `.example.com`: the name itself and everything below it (nginx).
    NameAndBelow,
    /// `www.*` (nginx).
    TrailingWildcard,
    /// A regular expression (nginx `~`).
    Regex,
    /// `*` and `?` anywhere (Apache).
    Glob,
    /// No host: `""`, `_`, or no name at all.
    None,
}

/// A name that a site answers to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    /// As the server compares it: lower case, without trailing dot, the mark of a regular expression kept.
    pub token: Token,
    /// How it matches.
    pub kind: NameKind,
}

/// A certificate and its key, each a file as written and as located. Pairing is what the server does: by position.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Credential {
    /// The file with the leaf and, in most servers, its chain.
    pub certificate: Setting<(Token, PathBuf)>,
    /// The file with the key; absent where none is named.
    pub key: Option<Setting<(Token, PathBuf)>>,
    /// A file that replaces the chain of the certificate file (Apache).
    pub chain: Option<Setting<(Token, PathBuf)>>,
    /// How both paths are built where they hang on the name that a client sends; then neither is known above.
    pub by_name: Option<ByName>,
}

impl Credential {
    /// The certificate file for a client that sends `name`; absent where it is not known.
    pub fn certificate_for(&self, name: &str) -> Option<Cow<'_, Path>> {
        match (&self.by_name, self.certificate.get()) {
            (Some(by_name), _) => Some(Cow::Owned(by_name.certificate.path(name))),
            (None, known) => known.map(|(_, path)| Cow::Borrowed(path.as_path())),
        }
    }
}

/// What a site can serve, in the server's order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// Certificates with keys.
    pub pairs: Vec<Credential>,
    /// Keys beyond the number of certificates: never read by nginx.
    pub surplus_keys: Vec<Token>,
    /// Certificates of the level around that these replace as a whole (nginx).
    pub replaced: Vec<(Token, PathBuf)>,
    /// Files with passwords for encrypted keys.
    pub passwords: Option<(Token, PathBuf)>,
    /// A file with authorities, from which the library completes a chain that is a leaf alone (Apache).
    pub authorities: Option<(Token, PathBuf)>,
    /// Whether a key must belong to the certificate at its place (Apache), or pairs may be given crosswise (nginx).
    pub keys_by_place: bool,
    /// A program that is asked for passwords at start (Apache).
    pub dialog: Option<Token>,
    /// Why it cannot be told which of the pairs is served (Caddy).
    pub doubt: Option<Doubt>,
}

/// Why it cannot be told which pair of a set is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Doubt {
    /// The pairs have no order: which of those that fit is served is chance.
    Unordered,
    /// As long as the server has got no certificate of its own for the name another is served than afterwards.
    Managed,
}

impl Credentials {
    /// Whether files are read at each handshake, by the name that the client sends.
    pub fn hangs_on_name(&self) -> bool {
        self.pairs.iter().any(|pair| pair.by_name.is_some())
    }

    /// The files that are read at a handshake with a client that sends `name`.
    pub fn paths_for<'c>(&'c self, name: &'c str) -> impl Iterator<Item = PathBuf> + 'c {
        let named = self.pairs.iter().filter_map(|pair| pair.by_name.as_ref());
        named.flat_map(|one| [one.certificate.path(name), one.key.path(name)])
    }
}

/// What is spoken inside of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// HTTP.
    #[default]
    Http,
    /// Bytes that are passed on as they are (nginx `stream`).
    Stream,
    /// IMAP, POP3 or SMTP (nginx `mail`).
    Mail,
}

impl Service {
    /// All of them.
    pub const ALL: [Service; 3] = [Service::Http, Service::Stream, Service::Mail];
}

/// A server block, virtual host or site block.
#[derive(Clone, Debug)]
pub struct Site {
    /// What it speaks.
    pub service: Service,
    /// The head of the block: what to point at when nothing more exact is known.
    pub head: Span,
    /// The whole block.
    pub block: Span,
    /// The includes, uses and imports that led there.
    pub include_chain: Option<FrameId>,
    /// The names it answers to; empty where none is given.
    pub names: Vec<Name>,
    /// How it speaks TLS by its own words and by inheritance, whether or not the socket heeds them.
    pub policy: PolicyId,
    /// Its certificates by its own words and by inheritance.
    pub credentials: CredentialsId,
    /// Whether handshakes under its names are refused on purpose (nginx `ssl_reject_handshake`).
    pub rejects: Setting<bool>,
    /// Whether any TLS setting or certificate is written in the block itself.
    pub has_own_tls: bool,
    /// Whether the certificates are written in the block itself.
    pub has_own_credentials: bool,
    /// Whether the server loads its certificates: Apache leaves those of a site without TLS alone.
    pub loads_credentials: bool,
    /// What it answers to requests, in reading order.
    pub answers: Vec<HttpResponse>,
    /// The folders whose files it gives.
    pub webroots: Vec<DocumentRoot>,
}

impl Site {
    /// The value of `Strict-Transport-Security` that some of its answers carry, the first that is written.
    pub fn strict_transport(&self) -> Option<&Token> {
        self.answers.iter().find_map(|answer| answer.strict_transport.as_ref())
    }
}
