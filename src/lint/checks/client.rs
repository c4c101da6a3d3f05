//! What the prediction says of clients as a whole.

use rayon::prelude::*;

use crate::diagnostic::{Problem, Severity};
use crate::handshake::{Cause, Client, ClientPolicy, Decisive, Outcome, Stage, one_by_one};
use crate::lint::engine::severity_of;
use crate::lint::{Reporter, RuleContext};
use crate::model::{Binding, BindingId, Endpoint, Site, SiteId, Token, Transport};
use crate::source::Span;

/// Bindings that one worker looks at at a time.
const CHUNK: usize = 64;

/// `no-client-can-connect`: after all others, where none of them explains it.
pub fn nobody(scope: &RuleContext<'_>, found: &[Problem], sink: &mut Reporter) {
    if scope.deployment.fragment || !scope.predictor.is_judged() {
        return;
    }
    let errors: Vec<&Problem> = found.par_iter().filter(|one| severity_of(one) == Severity::Error).collect();
    let look = |endpoint: &Endpoint, names: &[Option<&Token>], at: usize, binding: &Binding| {
        let id = BindingId(at as u32);
        let site = scope.deployment.site(binding.site);
        let name = names[at].map(|token| token.text.to_string());
        let is_reached = name.is_some() || endpoint.unnamed == Some(id);
        if binding.rejects || !is_reached {
            return None;
        }
        let cause = refusal(scope, binding, name.as_deref())?;
        let place = scope.predictor.place(binding, cause.decisive).unwrap_or(site.head);
        if errors.iter().any(|error| explains(error, &[place, site.head, site.block])) {
            return None;
        }
        let problem = Problem::new("no-client-can-connect", place)
            .with("name", name.unwrap_or_else(|| "clients that name no host".to_owned()))
            .with("listen", shown(endpoint))
            .with("reason", cause.message);
        Some(problem.related(site.head, format!("holds for {}", scope.site_name(site))))
    };
    for endpoint in scope.deployment.endpoints.iter().filter(|one| one.transport == Transport::Tls) {
        let names = scope.first_names(endpoint);
        let bindings = endpoint.bindings.par_iter().enumerate().with_min_len(CHUNK);
        let found: Vec<Problem> = bindings.filter_map(|(at, binding)| look(endpoint, &names, at, binding)).collect();
        sink.problems.extend(found);
    }
}

/// `client-cannot-connect`: of the clients that the user requires, where some get through.
pub fn required(scope: &RuleContext<'_>, sink: &mut Reporter) {
    let named = &scope.settings.required;
    if named.is_empty() || scope.deployment.fragment || !scope.predictor.is_judged() {
        return;
    }
    for endpoint in scope.deployment.endpoints.iter().filter(|one| one.transport == Transport::Tls) {
        let names = scope.first_names(endpoint);
        for (at, binding) in endpoint.bindings.iter().enumerate() {
            let site = scope.deployment.site(binding.site);
            let Some(name) = names[at].filter(|_| !binding.rejects && refusal(scope, binding, None).is_none()) else {
                continue;
            };
            // Clients that fail at one place are told of together.
            let mut lost: Vec<(Span, Cause, Vec<&str>)> = Vec::new();
            for client in named {
                let outcome = scope.predictor.outcome(binding, client);
                let cause = match &*outcome {
                    Outcome::Failed(cause) => Some(cause.clone()),
                    Outcome::Agreed(_) => objection(scope, endpoint, &name.text, client),
                    Outcome::Unknown(_) => None,
                };
                let Some(cause) = cause else { continue };
                let place = scope.predictor.place(binding, cause.decisive).unwrap_or(site.head);
                match lost.iter_mut().find(|(other, ..)| *other == place) {
                    Some((_, _, clients)) => clients.push(&client.name),
                    None => lost.push((place, cause, vec![&client.name])),
                }
            }
            for (place, cause, clients) in lost {
                let problem = Problem::new("client-cannot-connect", place)
                    .with("client", clients.join(", "))
                    .with("name", &*name.text)
                    .with("listen", shown(endpoint))
                    .with("reason", cause.message);
                sink.report(problem.related(site.head, format!("holds for {}", scope.site_name(site))));
            }
        }
    }
}

/// What a client refuses in the certificate that OpenSSL takes; what OpenSSL refuses too other rules tell of.
fn objection(scope: &RuleContext<'_>, endpoint: &Endpoint, name: &str, client: &Client) -> Option<Cause> {
    if client.scruples == ClientPolicy::default() {
        return None;
    }
    let handshake = scope.predictor.handshake(endpoint, name, client);
    let verdict = scope.predictor.verdict(&handshake, name, client, scope.anchors, scope.now);
    let found = scope.predictor.objections(&handshake, client, &verdict, scope.trust_is_public);
    let message = found.first()?.message;
    Some(Cause {
        stage: Stage::Negotiate,
        code: "refused-certificate",
        message: message.into(),
        decisive: Decisive::Credentials,
    })
}

fn shown(endpoint: &Endpoint) -> String {
    endpoint.listen.to_string()
}

/// Ends of a handshake that other rules speak of.
const TOLD: &[&str] = &["certificate-not-loaded", "no-certificate"];

/// Why the first of the current clients is refused, where all of them are.
fn refusal(scope: &RuleContext<'_>, binding: &Binding, name: Option<&str>) -> Option<Cause> {
    let named = &scope.settings.required;
    let refuses = |client: &Client| match &*scope.predictor.outcome_for(binding, client, name) {
        // Of what cannot be loaded at a handshake `variable-certificate-file-missing` and the rules of its files speak, of
        // names without a certificate `no-certificate`.
        Outcome::Failed(cause) if cause.stage == Stage::Negotiate && !TOLD.contains(&cause.code) => Some(cause.clone()),
        _ => None,
    };
    if !named.is_empty() {
        let causes: Option<Vec<Cause>> = named.iter().map(refuses).collect();
        return causes?.into_iter().next();
    }
    let mut first = None;
    for client in one_by_one().filter(|client| !client.is_old) {
        let cause = refuses(client)?;
        first.get_or_insert(cause);
    }
    first
}

/// Whether an error lies at one of these places, of which the last is the block of the site, or names that.
fn explains(error: &Problem, places: &[Span; 3]) -> bool {
    let lies_in =
        |inner: Span, outer: Span| inner.file == outer.file && outer.start <= inner.start && inner.end <= outer.end;
    let [.., block] = places;
    places.iter().any(|place| lies_in(error.at, *place)) || error.related.iter().any(|one| lies_in(one.span, *block))
}

/// `alpn-no-overlap`: a list that is written and that no current client shares.
pub fn no_shared_protocol(scope: &RuleContext<'_>, id: SiteId, site: &Site, sink: &mut Reporter) {
    let setting = &scope.deployment.policy(site.policy).alpn;
    let Some(list) = setting.get().filter(|list| setting.is_written() && !list.is_empty()) else { return };
    // What names a protocol of its own, such as that of ACME, is not for browsers.
    let is_http = |name: &str| name.starts_with('h') || name.starts_with("spdy");
    if scope.tls_bindings(id).next().is_none() || !list.iter().all(|token| is_http(&token.text)) {
        return;
    }
    let mut offered = one_by_one().filter(|client| !client.is_old && !client.alpn.is_empty());
    let shares = |name: &String| list.iter().any(|token| *token.text == **name);
    if !offered.any(|client| client.alpn.iter().any(shares)) {
        let names: Vec<&str> = list.iter().map(|token| &*token.text).collect();
        let problem = Problem::new("alpn-no-overlap", setting.origin.place).with("names", names.join(", "));
        sink.report(problem.related(site.head, format!("holds for {}", scope.site_name(site))));
    }
}
