//! Renewed and not taken up: the server that runs has certificates or settings from before.

use std::collections::BTreeSet;

use super::validity::{moment, span};
use crate::diagnostic::Problem;
use crate::lint::{Reporter, RuleContext};
use crate::model::ServerKind;
use crate::pki::Certificate;

/// How long a change may wait for its reload, in seconds: who deploys looks first and reloads then.
const PATIENCE: i64 = 3_600;

/// What makes a server read its files again.
fn reload(server: ServerKind) -> &'static str {
    match server {
        ServerKind::Nginx => "systemctl reload nginx",
        ServerKind::Apache => "apachectl graceful",
        ServerKind::Caddy => "caddy reload --force --config FILE",
    }
}

/// `certificate-not-reloaded`: each file once.
pub fn certificates(scope: &RuleContext<'_>, sink: &mut Reporter) {
    let Some(running) = &scope.machine.running else { return };
    let pairs = scope.deployment.credentials.iter().flat_map(|set| &set.pairs);
    let mut seen = BTreeSet::new();
    for pair in pairs {
        let Some((token, path)) = pair.certificate.get() else { continue };
        let leaf: Option<&Certificate> = scope.leaf(pair).map(|leaf| &**leaf);
        let begins_later = leaf.filter(|leaf| leaf.not_before > running.loaded && leaf.not_before <= scope.now);
        let changed = running.certificates.iter().find(|one| one.path == *path).map(|one| one.at);
        let Some(since) = changed.or(begins_later.map(|leaf| leaf.not_before)) else { continue };
        if scope.now - since < PATIENCE || !seen.insert(path) {
            continue;
        }
        let problem = Problem::new("certificate-not-reloaded", token.span)
            .case(if begins_later.is_some() { "certain" } else { "" })
            .with("path", &*token.text)
            .with("ago", span(scope.now - since))
            .with("changed", moment(since))
            .with("loaded", moment(running.loaded))
            .with("pid", running.pid.to_string())
            .with("reload", reload(scope.deployment.server));
        sink.report(problem);
    }
}

/// `config-not-reloaded`.
pub fn configuration(scope: &RuleContext<'_>, sink: &mut Reporter) {
    let Some(running) = &scope.machine.running else { return };
    let Some(newest) = running.configuration.first().filter(|one| scope.now - one.at >= PATIENCE) else { return };
    let Some(at) = scope.deployment.sites.first().map(|site| site.head) else { return };
    let problem = Problem::new("config-not-reloaded", at)
        .with("path", newest.path.display().to_string())
        .with("changed", moment(newest.at))
        .with("loaded", moment(running.loaded))
        .with("pid", running.pid.to_string())
        .with("reload", reload(scope.deployment.server));
    sink.report(problem);
}

/// `renewal-without-deploy-hook`.
pub fn unhooked(scope: &RuleContext<'_>, sink: &mut Reporter) {
    let renewals = &scope.machine.renewals;
    let pairs = scope.deployment.credentials.iter().flat_map(|set| &set.pairs);
    let mut seen = BTreeSet::new();
    for pair in pairs.filter(|_| !renewals.is_empty()) {
        let Some((token, path)) = pair.certificate.get() else { continue };
        let Some(renewal) = renewals.iter().find(|one| one.certificate == *path) else { continue };
        if seen.insert(path) {
            let problem = Problem::new("renewal-without-deploy-hook", token.span)
                .with("path", &*token.text)
                .with("settings", renewal.settings.display().to_string())
                .with("reload", reload(scope.deployment.server));
            sink.report(problem);
        }
    }
}
