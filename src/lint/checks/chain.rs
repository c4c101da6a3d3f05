//! What is sent behind the leaf.

use std::sync::Arc;

use super::file::{is_compared, is_passed_over, nearest, sibling};
use crate::diagnostic::{Edit, Fix, Problem, Safety};
use crate::lint::{Reporter, RuleContext, ServedCredential};
use crate::model::{Change, Token};
use crate::pki::loading::{Cause, Strength};
use crate::pki::{Certificate, Chain, PemFile, Verifier, VerifyError};
use crate::source::Span;

/// Writes the certificates of a file in another order, what stands around the blocks kept where it is.
fn reorder(scope: &RuleContext<'_>, chain: &Chain<'_>, file: &PemFile, order: &[usize]) -> Option<Fix> {
    // The diff would show what stands beside the key; and blocks of several files are not put in order.
    if file.is_secret() || chain.sent.iter().any(|(block, _)| block.span.file != chain.sent[0].0.span.file) {
        return None;
    }
    let block = |at: usize| chain.sent[at].0.span;
    let text = |span: Span| scope.text(span);
    let ends_in_newline = |text: String| if text.ends_with('\n') { text } else { text + "\n" };
    let edits = order.iter().enumerate().filter(|(to, from)| to != *from);
    let edits = edits.map(|(to, from)| Edit { span: block(to), text: ends_in_newline(text(block(*from))) }).collect();
    Some(Fix { title: "put the certificates in order".to_owned(), safety: Safety::Safe, edits })
}

/// The path first, the rest behind it.
fn in_order(chain: &Chain<'_>) -> Vec<usize> {
    let rest = (0..chain.sent.len()).filter(|at| !chain.path.contains(at));
    chain.path.iter().copied().chain(rest).collect()
}

/// `certificate-chain-order`.
pub fn leaf_not_first<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let Some((token, file, chain)) = one.chain(scope) else { return };
    let Some(leaf) = chain.leaf_behind.filter(|_| !is_passed_over(scope, one)) else { return };
    let (block, certificate) = chain.sent[leaf];
    let is_compared = |key| one.set.keys_by_place || is_compared(scope, one, key, chain.sent[0].1);
    let is_refused = scope.key(one.pair).is_some_and(is_compared);
    let mut problem = Problem::new("certificate-chain-order", token.span)
        .case(if is_refused { "" } else { "type" })
        .with("path", &*token.text)
        .with("first", chain.sent[0].1.short_name())
        .with("leaf", certificate.short_name())
        .with("block", (leaf + 1).to_string());
    if !file.is_secret() {
        problem = problem.related(chain.sent[0].0.head, format!("block 1: {}", chain.sent[0].1.short_name()));
        problem = problem
            .related(block.span, format!("block {}: {}, the key's certificate", leaf + 1, certificate.short_name()));
    }
    problem.fix = reorder(scope, chain, file, &in_order(chain));
    sink.report(problem);
}

/// `certificate-chain-misordered`.
pub fn misordered<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let Some((token, file, chain)) = one.chain(scope) else { return };
    if chain.is_misordered() && chain.gap.is_none() {
        let order: Vec<String> = chain.path.iter().map(|at| chain.sent[*at].1.short_name()).collect();
        let problem = Problem::new("certificate-chain-misordered", token.span).with("path", &*token.text);
        let mut problem = problem.with("order", order.join(", "));
        problem.fix = reorder(scope, chain, file, &in_order(chain));
        sink.report(problem);
    }
}

/// `certificate-chain-incomplete`.
pub fn incomplete<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let Some((token, file, chain)) = one.chain(scope) else { return };
    let Some(gap) = &chain.gap else { return };
    if chain.leaf_behind.is_some() {
        return;
    }
    let last = chain.sent[gap.last].1;
    let has_issuer = |other: &&PemFile| other.certificates().any(|(_, issuer)| last.is_issued_by(issuer));
    let others = scope.library.iter().filter(|other| other.path != file.path);
    let at_hand = nearest(others.filter(has_issuer), file);
    let problem = Problem::new("certificate-chain-incomplete", token.span)
        .with("path", &*token.text)
        .with("issuer", gap.issuer.clone())
        .with("last", last.short_name())
        .with("url", gap.urls.join(" or "));
    let Some(other) = at_hand else {
        if !gap.urls.is_empty() {
            sink.report(problem);
        }
        return;
    };
    // A file that begins with the same leaf and goes on to the issuer can take its place.
    let leaf = chain.sent[0].1;
    let is_whole = |other: &&PemFile| {
        other.leaf().is_some_and(|first| first.sha256 == leaf.sha256)
            && Chain::of(other, None, scope.anchors).gap.is_none()
            || other.leaf().is_some_and(|first| first.sha256 == leaf.sha256)
                && other.certificates().count() > chain.sent.len()
    };
    let whole = nearest(scope.library.iter().filter(|other| !other.is_secret()).filter(is_whole), file);
    let (path, located) = match one.pair.certificate.get() {
        Some((token, path)) => (token.text.to_string(), path),
        None => return,
    };
    let shown = sibling(&path, located, &other.path);
    match whole {
        Some(whole) => {
            let path = sibling(&path, located, &whole.path);
            let change = Change::UseCertificateFile { written: token.span, path: path.clone() };
            let mut problem = problem.case("whole-at-hand").with("whole", path).with("other", shown);
            problem.fix = scope.fix("use the file with the whole chain", Safety::Safe, &change);
            sink.report(problem);
        }
        None => sink.report(problem.case("issuer-at-hand").with("other", shown)),
    }
}

/// `certificate-self-signed`.
pub fn self_signed<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let Some((token, _, chain)) = one.chain(scope) else { return };
    let leaf = chain.sent[chain.leaf_behind.unwrap_or(0)].1;
    if leaf.is_self_signed() && !chain.is_trusted && chain.leaf_behind.is_none() {
        let case = if scope.trust_is_given { "trust-given" } else { "" };
        let problem = Problem::new("certificate-self-signed", token.span).case(case);
        sink.report(problem.with("subject", leaf.short_name()).with("path", &*token.text));
    }
}

/// `certificate-untrusted-root`.
pub fn untrusted<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let Some((token, file, chain)) = one.chain(scope) else { return };
    let Some(last) = chain.last() else { return };
    if chain.is_trusted || chain.leaf_behind.is_some() || (chain.path.len() == 1 && last.is_self_signed()) {
        return;
    }
    let is_gap = chain.gap.as_ref().is_some_and(|gap| {
        let at_hand =
            |other: &PemFile| other.path != file.path && other.certificates().any(|(_, one)| last.is_issued_by(one));
        !gap.urls.is_empty() || scope.library.iter().any(at_hand)
    });
    if !is_gap {
        let root = if chain.gap.is_some() { last.issuer.clone() } else { last.subject.clone() };
        let case = if scope.trust_is_given { "trust-given" } else { "" };
        let problem = Problem::new("certificate-untrusted-root", token.span).case(case);
        sink.report(problem.with("root", root).with("path", &*token.text));
    }
}

/// `certificate-chain-expired`.
pub fn expired<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let Some((token, file, chain)) = one.chain(scope) else { return };
    for at in chain.path.iter().skip(1) {
        let (block, certificate) = chain.sent[*at];
        let is_root = chain.root_sent == Some(*at);
        let is_valid = (certificate.not_before..=certificate.not_after).contains(&scope.now);
        // An anchor or another certificate of the same name and key may stand in for it.
        let stands_in = chain.sent.iter().any(|(_, other)| {
            other.sha256 != certificate.sha256
                && other.subject_name == certificate.subject_name
                && other.key == certificate.key
                && other.not_after > scope.now
        });
        let is_clock = certificate.not_before > scope.now && super::clock::is_wrong(scope);
        if is_root || is_valid || stands_in || is_clock {
            continue;
        }
        let date = super::validity::date(certificate.not_after);
        let problem = Problem::new("certificate-chain-expired", token.span)
            .with("subject", certificate.short_name())
            .with("path", &*token.text)
            .with("not-after", date);
        sink.report(if file.is_secret() { problem } else { problem.related(block.head, format!("block {}", at + 1)) });
    }
    // An anchor that the user named is what clients would end at: they look at its dates too.
    let (ended, early) = (VerifyError::CertHasExpired, VerifyError::CertNotYetValid);
    let errors: &[VerifyError] = if super::clock::is_wrong(scope) { &[ended] } else { &[early, ended] };
    if let Some((token, _, anchor)) = verdict(scope, one, errors)
        && scope.trust_is_given
        && scope.anchors.contains(anchor)
    {
        let problem = Problem::new("certificate-chain-expired", token.span).case("anchor");
        let problem = problem.with("subject", anchor.short_name()).with("path", &*token.text);
        sink.report(problem.with("not-after", super::validity::date(anchor.not_after)));
    }
}

/// `certificate-chain-expires-before-leaf`: after the day, no client finds another path.
pub fn expires_first<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let Some((token, file, chain)) = one.chain(scope) else { return };
    let Some((_, leaf)) = chain.sent.first().filter(|_| chain.leaf_behind.is_none()) else { return };
    let days = scope.settings.parameter("certificate-chain-expires-before-leaf", "days");
    for at in chain.path.iter().skip(1).filter(|at| chain.root_sent != Some(**at)) {
        let (block, certificate) = chain.sent[*at];
        let end = certificate.not_after;
        let is_soon = (scope.now..scope.now + days * 86_400).contains(&end);
        if !is_soon || end >= leaf.not_after || certificate.not_before > scope.now {
            continue;
        }
        let sent: Vec<Arc<Certificate>> = chain.sent.iter().map(|(_, one)| Arc::clone(one)).collect();
        let later = Verifier { anchors: scope.anchors, now: end + 1, host: None, security_level: 0, cn_fallback: true };
        let ends = later.verify(&sent).any(|error| error == VerifyError::CertHasExpired);
        if ends {
            let problem = Problem::new("certificate-chain-expires-before-leaf", token.span)
                .with("subject", certificate.short_name())
                .with("path", &*token.text)
                .with("not-after", super::validity::date(end))
                .with("leaf-not-after", super::validity::date(leaf.not_after));
            sink.report(if file.is_secret() {
                problem
            } else {
                problem.related(block.head, format!("block {}", at + 1))
            });
            return;
        }
    }
}

/// Authorities whose roots ended long ago, and which old clients still stumble over.
const OLD_ROOTS: &[&str] = &["DST Root CA X3", "AddTrust External CA Root"];

/// `certificate-chain-old-root`.
pub fn old_root<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let Some((token, file, chain)) = one.chain(scope) else { return };
    let is_old = |name: &str| OLD_ROOTS.iter().any(|old| name.contains(old));
    let old: Vec<usize> = (1..chain.sent.len())
        .filter(|at| is_old(&chain.sent[*at].1.subject) || is_old(&chain.sent[*at].1.issuer))
        .collect();
    let Some(first) = old.first() else { return };
    let certificate = chain.sent[*first].1;
    let root = if is_old(&certificate.subject) { &certificate.subject } else { &certificate.issuer };
    let problem = Problem::new("certificate-chain-old-root", token.span).with("path", &*token.text).with("root", root);
    let mut problem = problem.with("block", (first + 1).to_string());
    problem.fix = without(chain, file, &old, "do not send the old root's certificates");
    sink.report(problem);
}

/// The first of these errors in a client's verdict, and the certificate that it is about.
fn verdict<'u, 'a>(
    scope: &RuleContext<'a>,
    one: &'u ServedCredential<'a>,
    errors: &[VerifyError],
) -> Option<(&'a Token, usize, &'u Arc<Certificate>)> {
    let (token, _, chain) = one.chain(scope)?;
    let verdict = one.verdict(scope).filter(|_| chain.leaf_behind.is_none())?;
    let fault = verdict.errors.iter().find(|fault| errors.contains(&fault.error))?;
    Some((token, fault.depth, verdict.path.get(fault.depth)?))
}

/// `certificate-wrong-usage`.
pub fn wrong_usage<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    if let Some((token, depth, certificate)) = verdict(scope, one, &[VerifyError::InvalidPurpose]) {
        let problem = Problem::new("certificate-wrong-usage", token.span).case(if depth > 0 { "issuer" } else { "" });
        sink.report(problem.with("subject", certificate.short_name()).with("path", &*token.text));
    }
}

/// `certificate-chain-invalid-authority`.
pub fn invalid_authority<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    if let Some((token, _, certificate)) =
        verdict(scope, one, &[VerifyError::InvalidCa, VerifyError::KeyusageNoCertsign])
    {
        let problem = Problem::new("certificate-chain-invalid-authority", token.span);
        sink.report(problem.with("subject", certificate.short_name()).with("path", &*token.text));
    }
}

/// `certificate-name-constraints-violated`.
pub fn names_violated<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    if let Some((token, _, certificate)) =
        verdict(scope, one, &[VerifyError::PermittedViolation, VerifyError::ExcludedViolation])
    {
        let problem = Problem::new("certificate-name-constraints-violated", token.span);
        let problem = problem.with("subject", certificate.short_name()).with("path", &*token.text);
        sink.report(problem.with("names", certificate.names().join(", ")));
    }
}

/// `certificate-path-length-exceeded`.
pub fn path_length<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    if let Some((token, _, certificate)) = verdict(scope, one, &[VerifyError::PathLengthExceeded]) {
        let problem = Problem::new("certificate-path-length-exceeded", token.span);
        sink.report(problem.with("subject", certificate.short_name()).with("path", &*token.text));
    }
}

/// `weak-key` and `weak-signature`: what the library refuses at the level in force, or what is weak by the standards.
fn weak<'a>(
    scope: &RuleContext<'a>,
    one: &ServedCredential<'a>,
    rule: &'static str,
    wanted: Cause,
    sink: &mut Reporter,
) {
    let Some((token, file, chain)) = one.chain(scope) else { return };
    let Some(strength) = scope.strength(one) else { return };
    let standard = Strength { level: 2, sha1_is_weak: true, judges_digests: true };
    for (at, (block, certificate)) in chain.sent.iter().enumerate() {
        let is_anchor = chain.root_sent == Some(at);
        let refused = strength.objection(certificate, at == 0).filter(|(cause, _)| *cause == wanted);
        let weak = standard.objection(certificate, at == 0).filter(|(cause, _)| *cause == wanted);
        let Some((_, words)) = refused.or(weak.filter(|_| !is_anchor)) else { continue };
        let problem = Problem::new(rule, token.span)
            .case(if refused.is_some() { "" } else { "accepted" })
            .with("subject", certificate.short_name())
            .with("path", &*token.text)
            .with("block", (at + 1).to_string())
            .with("key", format!("{} {}", certificate.key.kind.name(), certificate.key.bits))
            .with("digest", certificate.hash.name())
            .with("level", strength.level.to_string())
            .with("words", words);
        sink.report(if file.is_secret() { problem } else { problem.related(block.head, format!("block {}", at + 1)) });
        return;
    }
}

/// `weak-key`.
pub fn weak_key<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    weak(scope, one, "weak-key", Cause::WeakKey, sink);
}

/// `weak-signature`.
pub fn weak_signature<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    weak(scope, one, "weak-signature", Cause::WeakDigest, sink);
}

/// Takes blocks out of a file.
fn without(chain: &Chain<'_>, file: &PemFile, gone: &[usize], title: &str) -> Option<Fix> {
    // What stands in another file may serve more than this chain.
    let is_elsewhere = |at: &usize| chain.sent[*at].0.span.file != chain.sent[0].0.span.file;
    if file.is_secret() || gone.iter().any(is_elsewhere) {
        return None;
    }
    let edits = gone.iter().map(|at| Edit { span: chain.sent[*at].0.span, text: String::new() }).collect();
    Some(Fix { title: title.to_owned(), safety: Safety::Safe, edits })
}

/// `certificate-chain-duplicate`.
pub fn duplicate<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let Some((token, file, chain)) = one.chain(scope) else { return };
    let Some(first) = chain.duplicates.first() else { return };
    let problem = Problem::new("certificate-chain-duplicate", token.span).with("path", &*token.text);
    let mut problem = problem.with("subject", chain.sent[*first].1.short_name()).with("block", (first + 1).to_string());
    problem.fix = without(chain, file, &chain.duplicates, "remove what stands there twice");
    sink.report(problem);
}

/// `certificate-chain-root-included`.
pub fn root_included<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let Some((token, file, chain)) = one.chain(scope) else { return };
    let Some(root) = chain.root_sent else { return };
    let problem = Problem::new("certificate-chain-root-included", token.span).with("path", &*token.text);
    let mut problem = problem.with("root", chain.sent[root].1.short_name()).with("block", (root + 1).to_string());
    problem.fix = without(chain, file, &[root], "do not send the root");
    sink.report(problem);
}

/// `certificate-chain-unrelated`.
pub fn unrelated<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let Some((token, file, chain)) = one.chain(scope) else { return };
    let strays: Vec<usize> = chain.strays.iter().copied().filter(|_| chain.leaf_behind.is_none()).collect();
    let Some(first) = strays.first() else { return };
    let problem = Problem::new("certificate-chain-unrelated", token.span).with("path", &*token.text);
    let mut problem = problem.with("subject", chain.sent[*first].1.short_name()).with("block", (first + 1).to_string());
    problem.fix = without(chain, file, &strays, "remove what belongs to another certificate");
    sink.report(problem);
}
