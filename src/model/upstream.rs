//! Servers that requests are sent on to, and how TLS is spoken with them.
//!
//! Here the server is the client: what is wrong breaks requests, not handshakes with its own clients, unless a file that it
//! reads at start keeps it from starting.

use std::path::PathBuf;

use super::endpoint::Address;
use super::policy::ProtocolChoice;
use super::setting::{FrameId, Setting, Token};
use super::site::{Credential, SiteId};
use crate::source::Span;

/// A policy towards upstream servers of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UpstreamPolicyId(pub u32);

/// How far an upstream's certificate is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamVerification {
    /// Not at all.
    Off,
    /// If it shows one, errors of the path are passed over (Apache's `optional` and `optional_no_ca`).
    Lenient,
    /// The path must end at an authority that is known.
    Required,
}

/// The authorities that upstream certificates are held against.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamAuthorities {
    /// Those of the system.
    System,
    /// None: no certificate verifies.
    None,
    /// Those of a file, a folder, or both, as written and as located.
    Own {
        /// The file.
        file: Option<Setting<(Token, PathBuf)>>,
        /// The folder, whose files are named by hash.
        folder: Option<Setting<(Token, PathBuf)>>,
    },
}

/// How TLS is spoken with upstream servers. A value that a server has no word for holds what it does by itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamPolicy {
    /// Whether TLS can be spoken at all (Apache's `SSLProxyEngine`; true in servers without such a switch).
    pub engine: Setting<bool>,
    /// Whether the certificate's path is verified.
    pub verification: Setting<UpstreamVerification>,
    /// How many authorities may stand between the certificate and its anchor.
    pub depth: Setting<u32>,
    /// What it is verified against.
    pub authorities: Setting<UpstreamAuthorities>,
    /// The file of revocation lists.
    pub revocations: Option<Setting<(Token, PathBuf)>>,
    /// The folder of revocation lists, whose files are named by hash.
    pub revocation_folder: Option<Setting<(Token, PathBuf)>>,
    /// Whether the certificate must have the upstream's name.
    pub checks_name: Setting<bool>,
    /// Whether the certificate's dates count even where its path is not verified (Apache's `SSLProxyCheckPeerExpire`).
    pub checks_dates: Setting<bool>,
    /// Whether a name is sent (SNI).
    pub sends_name: Setting<bool>,
    /// The name to send and to check instead of the one in the upstream's address.
    pub name: Option<Setting<Token>>,
    /// Protocol versions.
    pub protocols: Setting<ProtocolChoice>,
    /// Suites for TLS 1.2 and below: one OpenSSL cipher string. Absent: library default.
    pub ciphers: Option<Setting<Token>>,
    /// Suites of TLS 1.3. Absent: library default.
    pub ciphersuites: Option<Setting<Token>>,
    /// Certificates that the server shows to upstreams. In Apache the key stands in the same file.
    pub credentials: Vec<Credential>,
}

/// How an upstream is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamTransport {
    /// Without TLS: `http://`, `ws://`, `fcgi://` and so on.
    Plain,
    /// With TLS: `https://`, `wss://`, `h2://`.
    Tls,
}

/// One place that requests are sent on to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamTarget {
    /// The word that names it: `https://backend.example:8443/`.
    pub written: Token,
    /// How it is spoken to.
    pub transport: UpstreamTransport,
    /// Where it is; unknown where a variable stands in it.
    pub address: Setting<(Address, u16)>,
}

/// Settings for upstream servers where they bite: a directive that sends requests on, or a block whose settings the server
/// loads whether or not anything is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// The site whose requests are sent on; absent for the whole server.
    pub site: Option<SiteId>,
    /// What to point at: the arguments of the directive that sends requests on, else the head of the block.
    pub at: Span,
    /// The includes, uses and imports that led there.
    pub include_chain: Option<FrameId>,
    /// Where requests go; empty for settings that no directive at hand uses.
    pub targets: Vec<UpstreamTarget>,
    /// How TLS is spoken with them.
    pub policy: UpstreamPolicyId,
    /// Whether the server loads the policy's files at start: one that is missing or broken then stops it.
    pub loads_files: bool,
}
