//! What the prediction says of clients as a whole.

use crate::diagnostic::{Problem, Severity};
use crate::handshake::{Cause, Outcome, Stage, clients};
use crate::lint::engine::severity_of;
use crate::lint::{Scope, Sink};
use crate::model::{Binding, BindingId, Endpoint, Transport};
use crate::source::Span;

/// `no-client-can-connect`: after all others, where none of them explains it.
pub fn nobody(scope: &Scope<'_>, found: &[Problem], sink: &mut Sink) {
    if scope.deployment.fragment || !scope.predictor.is_judged() {
        return;
    }
    let errors: Vec<&Problem> = found.iter().filter(|one| severity_of(one) == Severity::Error).collect();
    for endpoint in scope.deployment.endpoints.iter().filter(|one| one.transport == Transport::Tls) {
        for (at, binding) in endpoint.bindings.iter().enumerate() {
            let id = BindingId(at as u32);
            let site = scope.deployment.site(binding.site);
            let name = scope.exact_names(endpoint, id, site).first().map(|token| token.text.to_string());
            let is_reached = name.is_some() || endpoint.unnamed == Some(id);
            if binding.rejects || !is_reached {
                continue;
            }
            let Some(cause) = refusal(scope, binding) else { continue };
            let place = scope.predictor.place(binding, cause.decisive).unwrap_or(site.head);
            if errors.iter().any(|error| explains(error, place, site.block)) {
                continue;
            }
            let problem = Problem::new("no-client-can-connect", place)
                .with("name", name.unwrap_or_else(|| "clients that name no host".to_owned()))
                .with("listen", shown(endpoint))
                .with("reason", cause.message);
            sink.report(problem.related(site.head, format!("holds for {}", scope.site_name(site))));
        }
    }
}

fn shown(endpoint: &Endpoint) -> String {
    endpoint.listen.to_string()
}

/// Why the first of the current clients is refused, where all of them are.
fn refusal(scope: &Scope<'_>, binding: &Binding) -> Option<Cause> {
    let mut first = None;
    for client in clients().iter().filter(|client| !client.is_old) {
        match &*scope.predictor.outcome(binding, client) {
            Outcome::Failed(cause) if cause.stage == Stage::Negotiate => {
                first.get_or_insert_with(|| cause.clone());
            }
            _ => return None,
        }
    }
    first
}

/// Whether an error lies at the very place, or in the block of the site, or names it.
fn explains(error: &Problem, place: Span, block: Span) -> bool {
    let lies_in =
        |inner: Span, outer: Span| inner.file == outer.file && outer.start <= inner.start && inner.end <= outer.end;
    lies_in(error.at, place) || lies_in(error.at, block) || error.related.iter().any(|label| lies_in(label.span, block))
}
