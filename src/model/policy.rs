//! How a site speaks TLS, before any client is asked.

use std::path::PathBuf;
use std::sync::Arc;

use super::setting::{Setting, Token};
use crate::source::ReadError;
use crate::tls::{Protocol, Protocols};

/// A policy of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PolicyId(pub u32);

/// The protocols that are switched on, with the words that did it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ProtocolChoice {
    /// The resulting set, before the library's security level and OpenSSL commands.
    pub set: Protocols,
    /// Each word that names a version, and the version it switches on; empty for a default.
    pub words: Arc<[(Protocol, Token)]>,
    /// Versions that were switched on by words and are lost because one above them is not (Apache).
    pub lost: Protocols,
}

/// One OpenSSL configuration command: `ssl_conf_command NAME VALUE`, `SSLOpenSSLConfCmd NAME VALUE`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Command {
    /// The name as written; OpenSSL ignores its case.
    pub name: Token,
    /// The value as read.
    pub value: Token,
}

impl Command {
    /// Whether it sets the groups for key exchange (SSL_CONF_cmd(3)).
    pub fn sets_groups(&self) -> bool {
        ["Groups", "Curves", "ECDHParameters"].iter().any(|name| self.name.text.eq_ignore_ascii_case(name))
    }
}

/// Whether clients must show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VerifyMode {
    /// Not asked for.
    Off,
    /// Asked for, verified if shown.
    Optional,
    /// Asked for, never verified.
    OptionalNoCa,
    /// Must be shown and verified.
    Required,
    /// Must be shown, not verified (Caddy's `require`).
    RequiredUnverified,
}

/// What is asked of clients.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientVerification {
    /// Whether a certificate must be shown.
    pub mode: VerifyMode,
    /// The file of authorities, as written and as located.
    pub authorities: Option<(Token, PathBuf)>,
    /// Further files of authorities (Caddy's pools).
    pub more_authorities: Vec<(Token, PathBuf)>,
    /// Whether a folder of authorities is named too.
    pub has_folder: bool,
    /// That folder, as written and as located, where it is known; its files are named by hash.
    pub folder: Option<(Token, PathBuf)>,
    /// The folder of revocation lists, likewise.
    pub revocation_folder: Option<(Token, PathBuf)>,
    /// How many authorities may stand between client and anchor.
    pub depth: u32,
    /// The file of revocation lists, as written and as located, which is read whether or not certificates are asked for.
    pub revocations: Option<(Token, PathBuf)>,
    /// Whether certificates are held against them; the file is read either way.
    pub checks_revocation: bool,
    /// Whether every authority on a client's path needs a list there.
    pub needs_every_revocation_list: bool,
}

impl ClientVerification {
    /// All files of authorities, as written and as located.
    pub fn authority_files(&self) -> impl Iterator<Item = &(Token, PathBuf)> {
        self.authorities.iter().chain(&self.more_authorities)
    }
}

/// OCSP stapling.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stapling {
    /// Whether it is on.
    pub on: bool,
    /// A response from a file instead of from a responder, as written and as located.
    pub file: Option<(Token, PathBuf)>,
    /// A responder named in the configuration.
    pub responder: Option<Token>,
    /// Whether the server can resolve the responder's host name at run time.
    pub has_resolver: bool,
    /// A file with issuers beside the served chain, as written and as located.
    pub issuers: Option<(Token, PathBuf)>,
    /// Whether a module that gets certificates by itself staples for them as well (Apache's `MDStapling`).
    pub by_manager: bool,
}

/// A file with a key for session tickets, which the server reads while it reads the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketKey {
    /// The path as written.
    pub token: Token,
    /// Size in bytes and last change in seconds since 1970-01-01 UTC, where known; or why the file cannot be read.
    pub found: Result<(u64, Option<i64>), ReadError>,
}

/// All that decides a handshake but the certificates. Values are as the server's own directives say; commands for the
/// TLS library and the platform's level come on top, in `handshake/`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TlsPolicy {
    /// Protocol versions.
    pub protocols: Setting<ProtocolChoice>,
    /// Suites for TLS 1.2 and below: one OpenSSL cipher string, or a list of names (Caddy). Empty: library default.
    pub ciphers: Setting<Arc<[Token]>>,
    /// TLS 1.3 suites where the server has a setting of its own for them. Empty: library default.
    pub ciphersuites: Setting<Arc<[Token]>>,
    /// Whether the server's order of suites counts.
    pub prefer_server_ciphers: Setting<bool>,
    /// Groups: one OpenSSL list, or names (Caddy). Empty: library default.
    pub groups: Setting<Arc<[Token]>>,
    /// The file of Diffie-Hellman parameters, as written and as located.
    pub dh_parameters: Setting<Option<(Token, PathBuf)>>,
    /// Commands for the TLS library, in order.
    pub commands: Setting<Arc<[Command]>>,
    /// Whether TLS 1.3 early data is taken.
    pub early_data: Setting<bool>,
    /// Whether session tickets are given.
    pub session_tickets: Setting<bool>,
    /// For how long a session can be taken up again, in seconds; absent where the server has no such setting, or keeps no
    /// session at all.
    pub session_lifetime: Setting<Option<u64>>,
    /// Protocols for ALPN, in the server's order; empty where the server has none.
    pub alpn: Setting<Arc<[Token]>>,
    /// Client certificates.
    pub client_verification: Setting<ClientVerification>,
    /// OCSP stapling.
    pub stapling: Setting<Stapling>,
}
