//! What a server would really do, in words that no server owns: sockets, sites, policies, certificates.
//!
//! A front end in `server/` lowers a configuration to one [`Deployment`]; rules, the handshake predictor and comparison
//! read nothing else. Every value knows where it was written and how it got to where it bites ([`Origin`]), and may be
//! [`Value::Unknown`]: a rule that meets it stays silent, and the run says what it could not judge.

mod answer;
mod change;
mod endpoint;
mod file;
mod intern;
mod managed;
mod policy;
mod reach;
mod setting;
mod site;
mod template;
mod upstream;
mod webroot;

pub use answer::{HttpResponse, ResponseKind};
pub use change::{Change, Editor, Edits, Target};
pub use endpoint::{
    Address, Binding, BindingId, Endpoint, EndpointId, Found, Listen, ListenUse, Pattern, Selection, Transport,
    Unmatched,
};
pub use file::NamedFile;
pub use intern::Interner;
pub use managed::{Authority, Managed, Obstacle};
pub use policy::{ClientVerification, Command, PolicyId, ProtocolChoice, Stapling, TicketKey, TlsPolicy, VerifyMode};
pub use reach::Reach;
pub use setting::{Frame, FrameId, FrameKind, Frames, Origin, OriginKind, Reason, Setting, Token, Value};
pub use site::{Credential, Credentials, CredentialsId, Doubt, Name, NameKind, Service, Site, SiteId};
pub use template::{ByName, Piece, Template};
pub use upstream::{
    Upstream, UpstreamAuthorities, UpstreamPolicy, UpstreamPolicyId, UpstreamTarget, UpstreamTransport,
    UpstreamVerification,
};
pub use webroot::{AccessRule, Condition, DocumentRoot, MatchTarget};

use std::collections::HashMap;

use crate::diagnostic::{Problem, Unchecked};
use crate::platform::{KeepsApart, Part, Platform, ServerBehavior, Version};

/// Which server reads the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ServerKind {
    /// nginx.
    Nginx,
    /// Apache httpd.
    Apache,
    /// Caddy.
    Caddy,
}

impl ServerKind {
    /// All of them.
    pub const ALL: [ServerKind; 3] = [ServerKind::Nginx, ServerKind::Apache, ServerKind::Caddy];

    /// Its part of a platform's page.
    pub fn part(self) -> Part {
        match self {
            ServerKind::Nginx => Part::Nginx,
            ServerKind::Apache => Part::Apache,
            ServerKind::Caddy => Part::Caddy,
        }
    }

    /// The name that the server gives OpenSSL to find a section of its own in `openssl.cnf` (nginx 1.25.2, CHANGES).
    pub fn openssl_program(self, version: Version) -> Option<&'static str> {
        (self == ServerKind::Nginx && version.at_least(1, 25, 2)).then_some("nginx")
    }

    /// The name on the command line and in machine formats.
    pub fn name(self) -> &'static str {
        match self {
            ServerKind::Nginx => "nginx",
            ServerKind::Apache => "apache",
            ServerKind::Caddy => "caddy",
        }
    }

    /// The name in sentences.
    pub fn title(self) -> &'static str {
        match self {
            ServerKind::Nginx => "nginx",
            ServerKind::Apache => "Apache",
            ServerKind::Caddy => "Caddy",
        }
    }
}

/// Who the configuration says does the work, once the server has started (nginx `user`, Apache `User` and `Group`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunAs {
    /// The user.
    pub user: Option<Token>,
    /// The group, where one is named beside.
    pub group: Option<Token>,
}

/// One configuration, understood. The order of endpoints, sites and bindings is the order of reading.
#[derive(Debug)]
pub struct Deployment {
    /// Which server reads it.
    pub server: ServerKind,
    /// Versions and defaults that were assumed or given.
    pub platform: Platform,
    /// How that server behaves around a handshake, whatever is configured.
    pub behavior: &'static ServerBehavior,
    /// What two sites must have alike for requests of one on connections to the other.
    pub keeps_apart: KeepsApart,
    /// Whether the text is no whole configuration, so that what stands outside it is unknown.
    pub fragment: bool,
    /// Listening sockets.
    pub endpoints: Vec<Endpoint>,
    /// What answers: server blocks, virtual hosts, site blocks.
    pub sites: Vec<Site>,
    /// Interned policies: sites that share all values and their origins share one.
    pub policies: Vec<TlsPolicy>,
    /// Interned sets of certificates with keys.
    pub credentials: Vec<Credentials>,
    /// Sets in which a certificate is one that the server gets by itself, and what is known of it.
    pub managed: HashMap<CredentialsId, Managed>,
    /// Where requests are sent on to other servers, with the settings that hold there.
    pub upstreams: Vec<Upstream>,
    /// Interned policies towards upstream servers.
    pub upstream_policies: Vec<UpstreamPolicy>,
    /// Who the configuration says does the work.
    pub run_as: RunAs,
    /// Keys for session tickets, in reading order, whether or not a socket uses them.
    pub ticket_keys: Vec<TicketKey>,
    /// How values got to where they bite: includes, macros, imports.
    pub frames: Frames,
    /// What was wrong with the text itself.
    pub problems: Vec<Problem>,
    /// What could not be known.
    pub unjudged: Vec<Unchecked>,
}

impl Deployment {
    /// A configuration that says nothing.
    pub fn empty(server: ServerKind, platform: Platform) -> Self {
        let behavior = ServerBehavior::of(server.part());
        Deployment {
            server,
            keeps_apart: behavior.keeps_apart(platform.server_version),
            platform,
            behavior,
            fragment: false,
            endpoints: Vec::new(),
            sites: Vec::new(),
            policies: Vec::new(),
            credentials: Vec::new(),
            managed: HashMap::new(),
            upstreams: Vec::new(),
            upstream_policies: Vec::new(),
            run_as: RunAs::default(),
            ticket_keys: Vec::new(),
            frames: Frames::default(),
            problems: Vec::new(),
            unjudged: Vec::new(),
        }
    }

    /// The site of an id of this deployment.
    pub fn site(&self, id: SiteId) -> &Site {
        &self.sites[id.0 as usize]
    }

    /// The endpoint of an id of this deployment.
    pub fn endpoint(&self, id: EndpointId) -> &Endpoint {
        &self.endpoints[id.0 as usize]
    }

    /// The policy of an id of this deployment.
    pub fn policy(&self, id: PolicyId) -> &TlsPolicy {
        &self.policies[id.0 as usize]
    }

    /// The certificates of an id of this deployment.
    pub fn credentials(&self, id: CredentialsId) -> &Credentials {
        &self.credentials[id.0 as usize]
    }

    /// The policy towards upstream servers of an id of this deployment.
    pub fn upstream_policy(&self, id: UpstreamPolicyId) -> &UpstreamPolicy {
        &self.upstream_policies[id.0 as usize]
    }

    /// The endpoints that speak TLS, with their ids.
    pub fn tls_endpoints(&self) -> impl Iterator<Item = (EndpointId, &Endpoint)> {
        let all = self.endpoints.iter().enumerate();
        all.filter(|(_, endpoint)| endpoint.transport == Transport::Tls).map(|(at, one)| (EndpointId(at as u32), one))
    }
}
