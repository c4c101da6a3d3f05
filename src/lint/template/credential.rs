//! Templates about the certificates that are served.

use super::names::KeyName;
use super::{Out, listed};
use crate::diagnostic::Problem;
use crate::lint::{RuleContext, ServedCredential};
use crate::pki::{Certificate, KeyKind};

const DAY: i64 = 86_400;

/// The leaves that some site serves, each with the place of its file's name.
fn leaves<'a>(
    scope: &'a RuleContext<'_>,
    uses: &'a [ServedCredential<'_>],
) -> impl Iterator<Item = (crate::source::Span, &'a Certificate, String)> {
    uses.iter().filter(|one| !one.sites.is_empty()).filter_map(|one| {
        let (token, _) = scope.certificate_file(one.pair)?;
        let leaf = scope.leaf(one.pair)?;
        let sites: Vec<String> =
            one.sites.iter().map(|site| scope.site_name(scope.deployment.site(*site))).take(3).collect();
        Some((token.span, &**leaf, sites.join(", ")))
    })
}

fn about(out: &Out<'_>, at: crate::source::Span, leaf: &Certificate, sites: String) -> Problem {
    out.problem(at).with("subject", leaf.short_name()).with("site", sites)
}

/// `keys`.
pub fn keys(
    scope: &RuleContext<'_>,
    uses: &[ServedCredential<'_>],
    allowed: &[KeyName],
    rsa_bits: u32,
    out: &mut Out<'_>,
) {
    for (at, leaf, sites) in leaves(scope, uses) {
        let kind = &leaf.key.kind;
        let is_small = *kind == KeyKind::Rsa && leaf.key.bits < rsa_bits;
        let is_other = !allowed.is_empty() && !allowed.iter().any(|name| name.is(kind));
        if !is_small && !is_other {
            continue;
        }
        let found = if *kind == KeyKind::Rsa { format!("RSA {}", leaf.key.bits) } else { kind.name() };
        let mut wanted = listed(allowed.iter().map(|one| one.name()));
        if rsa_bits > 0 && (allowed.is_empty() || allowed.contains(&KeyName::Rsa)) {
            let separator = if wanted.is_empty() { "" } else { ", " };
            wanted += &format!("{separator}RSA of {rsa_bits} bits or more");
        }
        let problem = about(out, at, leaf, sites).with("found", found).with("wanted", wanted);
        out.report(problem);
    }
}

/// `lifetime`.
pub fn lifetime(scope: &RuleContext<'_>, uses: &[ServedCredential<'_>], days: u32, out: &mut Out<'_>) {
    for (at, leaf, sites) in leaves(scope, uses).filter(|_| days > 0) {
        let lifetime = leaf.not_after - leaf.not_before;
        if lifetime > i64::from(days) * DAY {
            let found = format!("{} days", (lifetime + DAY - 1) / DAY);
            let problem = about(out, at, leaf, sites).with("found", found).with("wanted", format!("{days} days"));
            out.report(problem);
        }
    }
}

/// `issuer`.
pub fn issuer(scope: &RuleContext<'_>, uses: &[ServedCredential<'_>], allowed: &[String], out: &mut Out<'_>) {
    for (at, leaf, sites) in leaves(scope, uses).filter(|_| !allowed.is_empty()) {
        let common = leaf.issuer.split(", ").find_map(|part| part.trim().strip_prefix("CN=")).unwrap_or_default();
        if allowed.iter().any(|name| *name == leaf.issuer || name == common) {
            continue;
        }
        let problem = about(out, at, leaf, sites)
            .with("found", leaf.issuer.clone())
            .with("wanted", listed(allowed.iter().map(String::as_str)));
        out.report(problem);
    }
}
