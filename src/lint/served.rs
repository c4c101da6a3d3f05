//! Whom a certificate is sent to: a fault of one that nobody of today is sent hurts nobody yet.

use super::scope::{RuleContext, ServedCredential};
use crate::diagnostic::{Label, Problem, Severity};
use crate::handshake::{Outcome, clients};
use crate::lint::engine::{severity_of, stops};
use crate::model::{Binding, BindingId, CredentialsId, Endpoint, Found, NameKind, SiteId};

/// What is asked below a wildcard.
const BELOW: &str = "below";

/// Whether clients of today are sent a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    /// They are not.
    Never,
    /// It cannot be told which they are sent.
    Open,
    /// Some are.
    Sent,
}

/// Makes errors of a certificate that no current client is surely sent warnings, but for those that stop the server.
pub fn downgrade_unreached(scope: &RuleContext<'_>, one: &ServedCredential<'_>, problems: &mut [Problem]) {
    let mut reach = None;
    let is_error = |problem: &&mut Problem| severity_of(problem) == Severity::Error && !stops(scope, problem);
    for problem in problems.iter_mut().filter(is_error) {
        let caption = match reach.get_or_insert_with(|| reached(scope, one)) {
            Reach::Sent => return,
            Reach::Open => "which certificate is sent here cannot be told",
            Reach::Never => "no client of today is sent this certificate here",
        };
        problem.severity = Some(Severity::Warning);
        let head = one.sites.first().map(|site| scope.deployment.site(*site).head);
        problem.related.extend(head.map(|head| Label::new(head, caption)));
    }
}

/// Whether clients of today are sent a certificate. One is the only one of a site that nobody gets through to for another
/// reason: then they would be.
fn reached(scope: &RuleContext<'_>, one: &ServedCredential<'_>) -> Reach {
    if scope.deployment.fragment || !scope.predictor.is_judged() || one.sites.is_empty() {
        return Reach::Sent;
    }
    let bindings = one.sites.iter().flat_map(|site| scope.tls_bindings(*site).map(move |bound| (*site, bound)));
    let ours = bindings.filter(|(_, (.., binding))| {
        std::ptr::eq(scope.deployment.credentials(binding.credentials), one.set) && !binding.rejects
    });
    let mut found = Reach::Never;
    for (site, bound) in ours {
        found = found.max(serves(scope, one, bound, site));
        if found == Reach::Sent {
            break;
        }
    }
    found
}

/// Whether the library keeps a pair of a set, by its position: of two with keys of one kind OpenSSL keeps the last. Where
/// none can be used, all count.
pub fn is_kept(scope: &RuleContext<'_>, id: CredentialsId, position: usize) -> bool {
    if !scope.predictor.is_openssl() {
        return true;
    }
    let slots = scope.predictor.slots(id);
    slots.unknown.is_some() || slots.usable().next().is_none() || slots.pair(position).is_some()
}

/// Whether a binding sends a certificate to clients of today that reach it.
fn serves(
    scope: &RuleContext<'_>,
    one: &ServedCredential<'_>,
    (endpoint, id, binding): (&Endpoint, BindingId, &Binding),
    site: SiteId,
) -> Reach {
    let site = scope.deployment.site(site);
    let mut names: Vec<Option<String>> = Vec::new();
    for name in &site.names {
        let asked = match name.kind {
            NameKind::Exact => name.token.text.to_string(),
            NameKind::LeadingWildcard => format!("{BELOW}{}", name.token.text.trim_start_matches('*')),
            // Other patterns are taken to be reached.
            _ => {
                names.push(None);
                continue;
            }
        };
        if matches!(endpoint.named.find(&asked), Found::Binding(found) if found == id) {
            names.push(Some(asked));
        }
    }
    if endpoint.unnamed == Some(id) || site.names.is_empty() {
        names.push(None);
    }
    if one.set.pairs.len() < 2 || scope.predictor.is_openssl() {
        let is_sent = !names.is_empty() && is_kept(scope, binding.credentials, one.position);
        return if is_sent { Reach::Sent } else { Reach::Never };
    }
    let mut found = Reach::Never;
    for name in &names {
        for client in clients().iter().filter(|client| !client.is_old) {
            found = match &*scope.predictor.outcome_for(binding, client, name.as_deref()) {
                Outcome::Agreed(agreed) if agreed.pair.is_none_or(|pair| pair == one.position) => return Reach::Sent,
                Outcome::Unknown(_) => Reach::Open,
                Outcome::Agreed(_) | Outcome::Failed(_) => found,
            };
        }
    }
    found
}
