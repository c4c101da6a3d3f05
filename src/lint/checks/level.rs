//! What one level of a configuration does to the certificates of another: leaks into it, takes away from it, or replaces.

use crate::diagnostic::{Edit, Fix, Problem, Safety, Severity};
use crate::lint::{Reporter, RuleContext, ServedCredential, is_host};
use crate::model::{Change, Credential, Credentials, NameKind, OriginKind, Site, SiteId, Token};
use crate::pki::{Chain, KeyKind, Verifier, VerifyError};
use crate::source::Span;

fn is_written(pair: &Credential) -> bool {
    pair.certificate.origin.kind == OriginKind::Written
}

/// Whether a pair came from the level around beside pairs of the site's own: places that the site did not fill (Apache).
pub(super) fn is_left_over(set: &Credentials, pair: &Credential) -> bool {
    set.keys_by_place && pair.certificate.origin.kind == OriginKind::Inherited && set.pairs.iter().any(is_written)
}

/// The first name of a site that a left-over certificate does not cover, and one of the site's own does.
fn uncovered<'a, 's>(
    scope: &RuleContext<'a>,
    set: &'a Credentials,
    pair: &'a Credential,
    site: &'s Site,
) -> Option<&'s Token> {
    let leaf = scope.leaf(pair)?;
    let own: Vec<_> = set.pairs.iter().filter(|one| is_written(one)).filter_map(|one| scope.leaf(one)).collect();
    let exact = site.names.iter().filter(|name| name.kind == NameKind::Exact).map(|name| &name.token);
    let mut open = exact.filter(|name| is_host(&name.text) && !leaf.matches_host(&name.text, true));
    open.find(|name| own.iter().any(|own| own.matches_host(&name.text, true)))
}

/// Whether a left-over certificate does not cover a name of one of the sites.
pub(super) fn leaves_names<'a>(
    scope: &RuleContext<'a>,
    set: &'a Credentials,
    pair: &'a Credential,
    sites: &[SiteId],
) -> bool {
    sites.iter().any(|site| uncovered(scope, set, pair, scope.deployment.site(*site)).is_some())
}

/// `global-certificate-leaks`: once for a certificate of the server, with every site that it leaks into.
pub fn leaks<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    if !is_left_over(one.set, one.pair) {
        return;
    }
    let written = one.pair.certificate.get().map(|(token, _)| token);
    let Some((token, leaf)) = written.zip(scope.leaf(one.pair)) else { return };
    // A certificate of another type hits the clients that prefer its type: those with RSA alone are few.
    let mut own = one.set.pairs.iter().filter(|pair| is_written(pair)).filter_map(|pair| scope.leaf(pair));
    let hits_few = leaf.key.kind == KeyKind::Rsa && !own.any(|other| other.key.kind == KeyKind::Rsa);
    for id in &one.sites {
        let Some(name) = uncovered(scope, one.set, one.pair, scope.deployment.site(*id)) else { continue };
        let mut problem = Problem::new("global-certificate-leaks", token.span)
            .case(if hits_few { "few" } else { "" })
            .severity(if hits_few { Severity::Warning } else { Severity::Error })
            .with("subject", leaf.short_name())
            .with("kind", leaf.key.kind.name())
            .with("covered", leaf.names().join(", "))
            .related(name.span, "not among its names: this site writes fewer certificates than the server");
        problem.fix = removal(scope, one);
        sink.report(problem);
    }
}

/// Takes the certificate and its key away from the server, where no site is without one of its own.
fn removal(scope: &RuleContext<'_>, one: &ServedCredential<'_>) -> Option<Fix> {
    let path = &one.pair.certificate.get()?.1;
    let serves =
        |set: &Credentials| set.pairs.iter().any(|pair| pair.certificate.get().is_some_and(|(_, own)| own == path));
    let mut sites = scope.deployment.sites.iter().filter(|site| site.loads_credentials);
    let is_needed = sites.any(|site| {
        let set = scope.deployment.credentials(site.credentials);
        serves(set) && !set.pairs.iter().any(is_written)
    });
    if is_needed {
        return None;
    }
    let mut places: Vec<Span> = vec![one.pair.certificate.get()?.0.span];
    places.extend(one.pair.key.as_ref().and_then(|key| key.get()).map(|(token, _)| token.span));
    places.dedup();
    let mut edits: Vec<Edit> = Vec::new();
    for written in places {
        edits.extend(scope.editor.edits(&Change::RemoveDirective { written })?.edits);
    }
    Some(Fix { title: "take it away from the server".to_owned(), safety: Safety::Unsafe, edits })
}

/// `certificate-chain-file-overrides`: what the chain file says against what the certificate file brings.
pub fn chain_file<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let Some((token, path)) = one.pair.chain.as_ref().and_then(|chain| chain.get()) else { return };
    let Some((certificate, file)) = scope.certificate_file(one.pair) else { return };
    let Some(chain) = scope.pem(path).filter(|_| !one.sites.is_empty()) else { return };
    let bundled: Vec<_> = file.certificates().map(|(_, one)| one).collect();
    let given: Vec<_> = chain.certificates().map(|(_, one)| one).collect();
    if bundled.len() < 2 || given.is_empty() {
        return;
    }
    let is_equal =
        bundled.len() == given.len() + 1 && bundled[1..].iter().zip(&given).all(|(a, b)| a.sha256 == b.sha256);
    let mut problem = Problem::new("certificate-chain-file-overrides", token.span)
        .case(if is_equal { "equal" } else { "" })
        .severity(if is_equal { Severity::Info } else { Severity::Warning })
        .with("path", &*token.text)
        .with("certificate", &*certificate.text)
        .with("count", (bundled.len() - 1).to_string())
        .related(certificate.span, "holds a chain of its own");
    let change = Change::RemoveDirective { written: token.span };
    problem.fix = scope.fix("remove the chain file", Safety::Safe, &change).filter(|_| bundles_hold(scope, token.span));
    sink.report(problem);
}

/// Whether every pair that this chain file is in force for is trusted, or no worse off, with the chain of its own file.
fn bundles_hold(scope: &RuleContext<'_>, written: Span) -> bool {
    let holds = |set: &Credentials, pair: &Credential| -> Option<bool> {
        let file = scope.certificate_file(pair)?.1;
        let authorities = set.authorities.as_ref().and_then(|(_, path)| scope.pem(path));
        let sent = crate::pki::sent(file, None, authorities);
        let chain = Chain::of_sent(sent, scope.key(pair), scope.anchors);
        let sent: Vec<_> = chain.sent.iter().map(|(_, one)| std::sync::Arc::clone(one)).collect();
        let asked =
            Verifier { anchors: scope.anchors, now: scope.now, host: None, security_level: 0, cn_fallback: true };
        // Trust may be of one's own: a path that ends at a certificate that signed itself is as good as it was.
        Some(asked.verify(&sent).all(VerifyError::is_self_signed))
    };
    let is_meant = |pair: &&Credential| {
        let chain = pair.chain.as_ref().and_then(|chain| chain.get());
        chain.is_some_and(|(token, _)| token.span == written)
    };
    let sets = scope.deployment.credentials.iter();
    let mut pairs = sets.flat_map(|set| set.pairs.iter().filter(is_meant).map(move |pair| (set, pair)));
    pairs.all(|(set, pair)| holds(set, pair) == Some(true))
}

/// `certificate-level-override`: a list of certificates that replaces one of the level around, and has fewer kinds of keys.
pub fn overrides<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    if one.position != 0 || one.sites.is_empty() {
        return;
    }
    let own: Option<Vec<_>> = one.set.pairs.iter().map(|pair| scope.leaf(pair)).collect();
    let Some((own, first)) = own.zip(one.pair.certificate.get().map(|(token, _)| token)) else { return };
    let dropped = one.set.replaced.iter().find_map(|(token, path)| {
        let leaf = scope.pem(path)?.leaf_of(None)?;
        (!own.iter().any(|own| own.key.kind.same_type(&leaf.key.kind))).then_some((token, leaf))
    });
    if let Some((token, leaf)) = dropped {
        let problem = Problem::new("certificate-level-override", first.span).with("kind", leaf.key.kind.name());
        sink.report(problem.with("path", &*token.text).related(token.span, "does not hold here any more"));
    }
}
