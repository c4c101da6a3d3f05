//! Certificates that the server gets by itself: those that it never gets, and those for tests.

use foldhash::{HashMap, HashMapExt};

use crate::diagnostic::{Problem, Safety, Severity};
use crate::lint::{Reporter, RuleContext};
use crate::model::{Authority, Change, Endpoint, EndpointId, Managed, Obstacle, SiteId, Token, Transport};

/// The managed certificates of a socket, each with the site that it is got for and the name there.
fn managed<'a>(scope: &RuleContext<'a>, endpoint: &Endpoint) -> Vec<(SiteId, &'a Token, &'a Managed)> {
    if endpoint.transport != Transport::Tls || scope.deployment.fragment {
        return Vec::new();
    }
    let mut found = Vec::new();
    // A site may have as many names as bindings.
    let mut known: HashMap<SiteId, HashMap<&str, &Token>> = HashMap::new();
    for binding in &endpoint.bindings {
        let Some(managed) = scope.deployment.managed.get(&binding.credentials) else { continue };
        let names = known.entry(binding.site).or_insert_with(|| {
            let names = scope.deployment.site(binding.site).names.iter().rev();
            names.map(|name| (&*name.token.text, &name.token)).collect()
        });
        let named = managed.name.as_deref().and_then(|name| names.get(name));
        found.extend(named.map(|name| (binding.site, *name, managed)));
    }
    found
}

/// `acme-impossible-name`.
pub fn impossible(scope: &RuleContext<'_>, _: EndpointId, endpoint: &Endpoint, sink: &mut Reporter) {
    for (site, name, managed) in managed(scope, endpoint) {
        if managed.obstacle == Some(Obstacle::ImpossibleName) {
            let mut problem = Problem::new("acme-impossible-name", name.span).with("name", &*name.text);
            problem.fix = scope.fix("let Caddy sign by itself", Safety::Safe, &Change::SignInternally { site });
            sink.report(problem);
        }
    }
}

/// `wildcard-needs-dns-challenge`.
pub fn wildcard(scope: &RuleContext<'_>, _: EndpointId, endpoint: &Endpoint, sink: &mut Reporter) {
    for (_, name, managed) in managed(scope, endpoint) {
        if managed.obstacle != Some(Obstacle::NoDnsChallenge) || managed.on_demand {
            continue;
        }
        let problem = Problem::new("wildcard-needs-dns-challenge", name.span).with("name", &*name.text);
        sink.report(match &managed.authority {
            Authority::Acme(directory) if !managed.is_public_authority => problem
                .case("custom")
                .severity(Severity::Warning)
                .with("authority", &*directory.text)
                .related(directory.span, "the authority"),
            _ => problem,
        });
    }
}

/// `acme-staging`.
pub fn staging(scope: &RuleContext<'_>, _: EndpointId, endpoint: &Endpoint, sink: &mut Reporter) {
    for binding in &endpoint.bindings {
        let managed = scope.deployment.managed.get(&binding.credentials);
        let Some(Authority::Acme(directory)) = managed.map(|managed| &managed.authority) else { continue };
        if directory.text.contains("staging") {
            let mut problem = Problem::new("acme-staging", directory.span);
            let change = Change::RemoveDirective { written: directory.span };
            problem.fix = scope.fix("use the authority of production", Safety::Safe, &change);
            sink.report(problem);
        }
    }
}
