//! How a server behaves around a handshake, whatever its configuration says: data in `rules/servers/behavior.toml`.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::{Part, Version};

/// What a refused reload does to the running server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reload {
    /// It goes on with the old configuration.
    KeepsOld,
    /// It ends, and every site with it.
    Exits,
}

impl Reload {
    /// The word in machine formats.
    pub fn name(self) -> &'static str {
        match self {
            Reload::KeepsOld => "keeps-old",
            Reload::Exits => "exits",
        }
    }
}

/// What two sites must have alike, so that a request for one is answered on a connection to the other; else it gets 421
/// (RFC 9110, 15.5.20).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeepsApart {
    /// Nothing.
    Nothing,
    /// How clients are verified.
    Verification,
    /// That, the files of certificates and keys, protocols and suites.
    Settings,
}

/// How a server behaves around a handshake.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerBehavior {
    /// What a refused reload does to the running server.
    pub reload: Reload,
    /// Whether a client without a required certificate fails in the handshake, not only in the request.
    pub refuses_missing_client_certificate: bool,
    /// Whether the server brings Diffie-Hellman parameters of its own.
    pub own_dh_parameters: bool,
    /// Whether certificates of authority files complete the chain that is sent.
    pub completes_chain: bool,
    refuses_unknown_alpn_since: Option<String>,
    keeps_apart: KeepsApart,
    keeps_apart_since: Option<String>,
    /// Whether HTTP/2 is spoken only where RFC 9113, 9.2 allows the protocol and the suite.
    pub h2_wants_modern_tls: bool,
    /// Whether the protocols are switched by the bounds of the context, which commands move, and not by options that forbid.
    pub protocols_are_bounds: bool,
    /// What the server adds to the value of the command `CipherString`.
    #[serde(default)]
    pub cipher_string_suffix: String,
    /// Whether the library's options of the site that a connection begins with stay on under the named site.
    pub adds_options: bool,
    /// Whether certificates are chosen by name among all that are written: every one is loaded, whatever it is served for.
    pub chooses_by_name: bool,
    /// How many bytes a key for session tickets has; empty where it is made without a file.
    #[serde(default)]
    ticket_key_sizes: Vec<u64>,
    /// Whether a file may hold more than that.
    #[serde(default)]
    ticket_key_may_be_longer: bool,
    /// Whether authorities and revocation lists for upstream servers are loaded even where nothing is verified.
    #[serde(default)]
    pub loads_unused_authorities: bool,
    /// Whether a file of authorities for upstream servers may hold none.
    #[serde(default)]
    pub takes_empty_authorities: bool,
    /// Whether the certificates that are shown to upstream servers stand in one file with their keys.
    #[serde(default)]
    pub upstream_keys_beside_certificates: bool,
    /// Whether parameters of a curve in the first certificate file pin the group of every key exchange of the socket.
    #[serde(default)]
    pub pins_curve: bool,
    /// Whether `MinProtocol` and `MaxProtocol` of `openssl.cnf` reach the server.
    pub keeps_system_protocol_bounds: bool,
}

static CONDUCTS: LazyLock<HashMap<String, ServerBehavior>> = LazyLock::new(|| {
    toml::from_str(include_str!("../../rules/servers/behavior.toml")).expect("a test reads every embedded table")
});

impl ServerBehavior {
    /// How a server behaves.
    pub fn of(part: Part) -> &'static ServerBehavior {
        let name = match part {
            Part::Nginx => "nginx",
            Part::Apache => "apache",
            Part::Caddy => "caddy",
        };
        CONDUCTS.get(name).expect("a test reads every embedded table")
    }

    /// Whether a file of so many bytes serves as a key for session tickets.
    pub fn takes_ticket_key(&self, size: u64) -> bool {
        let sizes = &self.ticket_key_sizes;
        sizes.contains(&size) || self.ticket_key_may_be_longer && sizes.iter().any(|least| size > *least)
    }

    /// What sites must have alike for requests of one on connections to another, unless the configuration says otherwise.
    pub fn keeps_apart(&self, version: Version) -> KeepsApart {
        let since = self.keeps_apart_since.as_deref().and_then(Version::parse);
        if since.is_none_or(|since| version >= since) { self.keeps_apart } else { KeepsApart::Verification }
    }

    /// Whether a client whose ALPN names are all unknown to the server is refused (RFC 7301, 3.2).
    pub fn refuses_unknown_alpn(&self, version: Version) -> bool {
        let since = self.refuses_unknown_alpn_since.as_deref().and_then(Version::parse);
        since.is_some_and(|since| version >= since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_has_its_behavior() {
        assert_eq!(ServerBehavior::of(Part::Apache).reload, Reload::Exits);
        assert!(ServerBehavior::of(Part::Nginx).refuses_unknown_alpn(Version::new(1, 22, 1)));
        assert!(!ServerBehavior::of(Part::Nginx).refuses_unknown_alpn(Version::new(1, 20, 0)));
        assert!(ServerBehavior::of(Part::Apache).refuses_unknown_alpn(Version::new(2, 4, 71)));
        assert!(ServerBehavior::of(Part::Caddy).refuses_unknown_alpn(Version::new(2, 6, 2)));
    }
}
