//! One of the two configurations, and who answers there.

use std::collections::HashMap;

use super::address::{self, Place};
use super::probe::{self, Names};
use crate::diagnostic::Finding;
use crate::handshake::{Handshake, sent_name};
use crate::lint::RuleContext;
use crate::model::{Binding, BindingId, Endpoint, Found, NameKind, Site, SiteId, Unmatched};
use crate::pki::{Anchors, Verdict};
use crate::source::Span;

/// One of the two configurations.
pub struct ServerSide<'a> {
    /// What it means, with its certificates.
    pub scope: &'a RuleContext<'a>,
    /// What lint finds.
    pub findings: &'a [Finding],
    /// Whether the server would start; absent where that cannot be told.
    pub starts: Option<bool>,
    /// The anchors of clients that have their own, client by client.
    pub trusts: &'a [Option<Anchors>],
    names: HashMap<u16, Names<'a>>,
}

/// Who answers to a name.
#[derive(Clone, Copy)]
pub enum Answer<'a> {
    /// A block that has the name.
    Named(&'a Binding),
    /// The block for names that nobody has, or for clients that name none.
    Default(&'a Binding),
    /// Nobody: the handshake is refused.
    Nobody,
    /// It cannot be told.
    Unknown,
}

impl<'a> Answer<'a> {
    /// The block that answers, where one does.
    pub fn binding(self) -> Option<&'a Binding> {
        match self {
            Answer::Named(binding) | Answer::Default(binding) => Some(binding),
            Answer::Nobody | Answer::Unknown => None,
        }
    }
}

/// Whether a site is there for a name, and not only for what nobody else takes.
fn has_name(site: &Site, asked: &str) -> bool {
    site.names.iter().any(|name| {
        let own = &*name.token.text;
        match name.kind {
            NameKind::Exact => sent_name(own, true) == asked,
            NameKind::LeadingWildcard => {
                own.strip_prefix('*').is_some_and(|rest| !rest.is_empty() && asked.ends_with(rest))
            }
            NameKind::NameAndBelow => asked.ends_with(own) || own.strip_prefix('.') == Some(asked),
            NameKind::TrailingWildcard => own.strip_suffix('*').is_some_and(|rest| asked.starts_with(rest)),
            NameKind::Regex => true,
            NameKind::Glob => own != "*",
            NameKind::None => false,
        }
    })
}

impl<'a> ServerSide<'a> {
    /// A side that was read and linted.
    pub fn new(
        scope: &'a RuleContext<'a>,
        findings: &'a [Finding],
        starts: Option<bool>,
        trusts: &'a [Option<Anchors>],
    ) -> ServerSide<'a> {
        ServerSide { scope, findings, starts, trusts, names: probe::by_port(scope.deployment) }
    }

    /// The names behind a port.
    pub fn names(&self, port: u16) -> Option<&Names<'a>> {
        self.names.get(&port)
    }

    /// The socket that connections to a place reach.
    pub fn socket(&self, place: &Place) -> Option<&'a Endpoint> {
        address::reached(self.scope.deployment, place).map(|id| self.scope.deployment.endpoint(id))
    }

    /// Who answers to a name on a socket.
    pub fn answer(&self, endpoint: &'a Endpoint, name: &str) -> Answer<'a> {
        let name = sent_name(name, true);
        let binding = |id: BindingId| endpoint.binding(id);
        if name.is_empty() {
            return endpoint.unnamed.map_or(Answer::Nobody, |id| Answer::Default(binding(id)));
        }
        match (endpoint.named.find(&name), endpoint.unmatched) {
            (Found::Binding(id), _) if has_name(self.site(binding(id).site), &name) => Answer::Named(binding(id)),
            (Found::Binding(id), _) => Answer::Default(binding(id)),
            (Found::Unknown, _) => Answer::Unknown,
            (Found::Nothing, Unmatched::Binding(id)) => Answer::Default(binding(id)),
            (Found::Nothing, Unmatched::Reject(_)) => Answer::Nobody,
        }
    }

    /// A site of this side.
    pub fn site(&self, id: SiteId) -> &'a Site {
        self.scope.deployment.site(id)
    }

    /// How people call a site.
    pub fn called(&self, id: SiteId) -> String {
        let site = self.site(id);
        let is_named = site.names.iter().any(|name| name.kind != NameKind::None && !name.token.text.is_empty());
        if is_named { self.scope.site_name(site) } else { "a block without a name".to_owned() }
    }

    /// The word that gives a site a name, else the head of its block.
    pub fn word(&self, id: SiteId, name: &str) -> Span {
        let site = self.site(id);
        let own = site.names.iter().find(|one| &*one.token.text == name);
        let probed = || site.names.iter().find(|one| probe::probes(one).iter().any(|probe| probe.name == name));
        own.or_else(probed).map_or(site.head, |name| name.token.span)
    }

    /// The place that asks for a socket.
    pub fn listen(&self, endpoint: &Endpoint) -> Option<Span> {
        endpoint.uses.first().map(|one| one.span)
    }

    /// What a client says of what it is sent.
    pub fn verdict(
        &self,
        handshake: &Handshake,
        host: &str,
        client: &crate::handshake::Client,
        order: usize,
    ) -> Verdict {
        let anchors = self.trusts.get(order).and_then(Option::as_ref).unwrap_or(self.scope.anchors);
        self.scope.predictor.verdict(handshake, host, client, anchors, self.scope.now)
    }
}
