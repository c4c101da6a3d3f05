//! Listening sockets, and who answers on them.

use std::net::IpAddr;
use std::sync::Arc;

use foldhash::HashMap;

use super::policy::PolicyId;
use super::site::{CredentialsId, SiteId};
use crate::source::Span;

/// A socket of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointId(pub u32);

/// A binding of one endpoint: an index into [`Endpoint::bindings`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BindingId(pub u32);

/// The address part of a socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// One address, or all of a family: `0.0.0.0`, `[::]`.
    Ip(IpAddr),
    /// All addresses of both families through one socket.
    Any,
    /// A host name that only the machine itself can resolve.
    Host(Arc<str>),
    /// A Unix socket's path.
    Unix(Arc<str>),
}

/// What a socket listens on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Listen {
    /// The address.
    pub address: Address,
    /// The port; 0 for a Unix socket.
    pub port: u16,
}

impl std::fmt::Display for Listen {
    /// `127.0.0.1:443`, `0.0.0.0:443`, `[::]:443`, `*:443`, `unix:PATH`.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.address {
            Address::Ip(IpAddr::V4(ip)) => write!(out, "{ip}:{}", self.port),
            Address::Ip(IpAddr::V6(ip)) => write!(out, "[{ip}]:{}", self.port),
            Address::Any => write!(out, "*:{}", self.port),
            Address::Host(name) => write!(out, "{name}:{}", self.port),
            Address::Unix(path) => write!(out, "unix:{path}"),
        }
    }
}

/// What a socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// TLS from the first byte.
    Tls,
    /// No TLS.
    Plain,
    /// TLS over QUIC.
    Quic,
    /// Not known from the files.
    Unknown,
}

/// One place where a site asks for the socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenUse {
    /// Which site.
    pub site: SiteId,
    /// The directive's arguments.
    pub span: Span,
    /// The words of it, in order.
    pub words: Vec<super::setting::Token>,
    /// Whether this one asks for TLS.
    pub tls: bool,
    /// Whether this one claims to be the default of the socket, and the word that does.
    pub claims_default: Option<Span>,
    /// Whether this one says `http2`.
    pub http2: bool,
    /// Whether this one expects a PROXY header.
    pub proxy_protocol: bool,
}

/// What a client gets that reaches an endpoint under a name. Site, policy and certificates are three look-ups, and may
/// come from three blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Binding {
    /// The site that answers.
    pub site: SiteId,
    /// The policy that a connection begins with: the one of the socket's default.
    pub before_name: PolicyId,
    /// The policy in force when the version and the suite of TLS 1.3 are chosen: that of the default, unless the server
    /// looks at the name first.
    pub choosing: PolicyId,
    /// The policy that the library is switched to once the name is known, by its own words alone.
    pub own: PolicyId,
    /// What decides the handshake in the end: each value from whichever policy decides it in this version.
    pub after_name: PolicyId,
    /// The certificates that are served.
    pub credentials: CredentialsId,
    /// The certificates of the site that a connection begins with: the socket's default, where the server has such a site.
    pub before_name_credentials: CredentialsId,
    /// Whether the handshake is refused on purpose.
    pub rejects: bool,
}

/// What happens to a name that no site has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unmatched {
    /// This binding answers.
    Binding(BindingId),
    /// The handshake is refused with this alert (RFC 8446, 6).
    Reject(u8),
}

/// A pattern that a name is held against where neither hashing by name nor by suffix serves.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// Matches like Apache's aliases: `*` any run, `?` one character, case ignored.
    Glob(Arc<str>),
    /// A regular expression that was compiled, searched in the lower-case name.
    Regex(Arc<regex_automata::meta::Regex>),
    /// A regular expression that cannot be judged here: whether it matches is unknown.
    Opaque,
}

/// Who answers to which name. The entry with the lowest rank wins; front ends choose ranks so that this is their
/// server's rule.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Lower-case names.
    pub exact: HashMap<Arc<str>, (u64, BindingId)>,
    /// `example.com` for `*.example.com`: any number of labels before it, or exactly one with `single_label`.
    pub below: HashMap<Arc<str>, (u64, BindingId)>,
    /// `www` for `www.*`.
    pub above: HashMap<Arc<str>, (u64, BindingId)>,
    /// The rest, in order of rank.
    pub patterns: Vec<(u64, Pattern, BindingId)>,
    /// Whether a leading wildcard stands for exactly one label (Caddy).
    pub single_label: bool,
}

/// The answer of [`Selection::find`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// This binding.
    Binding(BindingId),
    /// None.
    Nothing,
    /// It hangs on a pattern that cannot be judged.
    Unknown,
}

impl Selection {
    /// Who answers to `name`, which is lower case and without a trailing dot.
    pub fn find(&self, name: &str) -> Found {
        let mut best: Option<(u64, BindingId)> = self.exact.get(name).copied();
        let better = |best: &mut Option<(u64, BindingId)>, found: Option<&(u64, BindingId)>| {
            if let Some(found) = found
                && best.is_none_or(|one| found.0 < one.0)
            {
                *best = Some(*found);
            }
        };
        // From the longest suffix to the shortest; the first found is the longest wildcard.
        for (at, _) in name.match_indices('.') {
            if let Some(found) = self.below.get(&name[at + 1..]) {
                better(&mut best, Some(found));
                break;
            }
            if self.single_label {
                break;
            }
        }
        for (at, _) in name.rmatch_indices('.') {
            if let Some(found) = self.above.get(&name[..at]) {
                better(&mut best, Some(found));
                break;
            }
        }
        for (rank, pattern, binding) in &self.patterns {
            if best.is_some_and(|one| one.0 < *rank) {
                break;
            }
            let matches = match pattern {
                Pattern::Glob(glob) => glob_matches(glob.as_bytes(), name.as_bytes()),
                Pattern::Regex(regex) => regex.is_match(name),
                Pattern::Opaque => return Found::Unknown,
            };
            if matches {
                return Found::Binding(*binding);
            }
        }
        best.map_or(Found::Nothing, |one| Found::Binding(one.1))
    }
}

/// Apache's `ap_strcasecmp_match`: `*` any run, `?` one byte.
fn glob_matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut from, mut retry) = (0, 0, None);
    while from < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                retry = Some((at + 1, from));
                at += 1;
            }
            Some(byte) if *byte == b'?' || byte.eq_ignore_ascii_case(&name[from]) => (at, from) = (at + 1, from + 1),
            _ => match retry {
                Some((after, taken)) => {
                    retry = Some((after, taken + 1));
                    (at, from) = (after, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// A listening socket: connections that reach it are treated alike.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The local address.
    pub listen: Listen,
    /// What it speaks.
    pub transport: Transport,
    /// Whether clients must send a PROXY header first.
    pub proxy_protocol: bool,
    /// Every place that asks for it, in reading order.
    pub uses: Vec<ListenUse>,
    /// What clients can get here.
    pub bindings: Vec<Binding>,
    /// Who answers to which name.
    pub named: Selection,
    /// Who answers without a name; absent where nobody does.
    pub unnamed: Option<BindingId>,
    /// What happens to a name that nobody has.
    pub unmatched: Unmatched,
}

impl Endpoint {
    /// The binding of an id of this endpoint.
    pub fn binding(&self, id: BindingId) -> &Binding {
        &self.bindings[id.0 as usize]
    }

    /// What answers to a name, in lower case, or to no name where it is empty; absent where nothing does, or it is not known.
    pub fn answers(&self, name: &str) -> Option<BindingId> {
        if name.is_empty() {
            return self.unnamed;
        }
        match (self.named.find(name), self.unmatched) {
            (Found::Binding(id), _) | (Found::Nothing, Unmatched::Binding(id)) => Some(id),
            (Found::Nothing, Unmatched::Reject(_)) | (Found::Unknown, _) => None,
        }
    }

    /// The first place where each site asks for this socket.
    pub fn first_uses(&self) -> HashMap<SiteId, &ListenUse> {
        let mut found = HashMap::default();
        for one in &self.uses {
            found.entry(one.site).or_insert(one);
        }
        found
    }

    /// The sites that ask for this socket, in reading order, each once.
    pub fn sites(&self) -> impl Iterator<Item = SiteId> + '_ {
        let mut seen = foldhash::HashSet::default();
        self.uses.iter().map(|one| one.site).filter(move |site| seen.insert(*site))
    }
}
