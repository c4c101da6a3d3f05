//! Servers that requests are sent on to: files that keep the server from starting, certificates that are not verified, names
//! that are not sent.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use super::validity::{date, span};
use super::{cipher, client_certificate};
use crate::diagnostic::{Edit, Fix, Problem, Safety, Severity, Unchecked, UncheckedReason};
use crate::lint::{Reporter, RuleContext};
use crate::model::{
    Address, Change, Endpoint, OriginKind, Token, Transport, Upstream, UpstreamAuthorities, UpstreamPolicy,
    UpstreamTarget, UpstreamTransport, UpstreamVerification,
};
use crate::pki::loading::{self, Loader, Part, Strength};
use crate::pki::{self, Anchors, Certificate, PemFile, Verifier, VerifyError};
use crate::platform::TlsLibraryKind;
use crate::source::Span;
use crate::tls::cipher::CipherLibrary;

/// Each place that sends requests on, with its policy.
fn each<'s>(scope: &'s RuleContext<'_>) -> impl Iterator<Item = (&'s Upstream, &'s UpstreamPolicy)> {
    let all = scope.deployment.upstreams.iter();
    all.map(|one| (one, scope.deployment.upstream_policy(one.policy)))
}

/// The targets that are spoken to by TLS.
fn by_tls(upstream: &Upstream) -> impl Iterator<Item = &UpstreamTarget> {
    upstream.targets.iter().filter(|target| target.transport == UpstreamTransport::Tls)
}

fn is_required(policy: &UpstreamPolicy) -> bool {
    policy.verification.get() == Some(&UpstreamVerification::Required)
}

/// Whether nobody stands between the two: the machine itself.
fn is_local(target: &UpstreamTarget) -> bool {
    match target.address.get() {
        Some((Address::Ip(ip), _)) => ip.is_loopback(),
        Some((Address::Unix(_), _)) => true,
        Some((Address::Host(host), _)) => &**host == "localhost",
        _ => false,
    }
}

/// The host as it is written: that of the address, or the name of a group.
fn host(target: &UpstreamTarget) -> &str {
    let text = &*target.written.text;
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let rest = rest.split('/').next().unwrap_or(rest);
    match rest.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => rest.split(':').next().unwrap_or(rest),
    }
}

/// Whether the host is a name that others know it by: with a dot, no address.
fn is_name(host: &str) -> bool {
    host.contains('.') && host.parse::<IpAddr>().is_err() && !host.contains('$')
}

/// `proxy-file-unusable`, and the cipher strings of the same contexts.
pub fn files(scope: &RuleContext<'_>, sink: &mut Reporter) {
    let behavior = scope.deployment.behavior;
    for (_, policy) in each(scope).filter(|(one, _)| one.loads_files) {
        ciphers(scope, policy, sink);
        if is_required(policy) || behavior.loads_unused_authorities {
            if let Some(UpstreamAuthorities::Own { file: Some(file), .. }) = policy.authorities.get()
                && let Some((token, path)) = file.get()
            {
                let may_be_empty = behavior.takes_empty_authorities;
                let holds = |file: &PemFile| may_be_empty || file.certificates().next().is_some();
                readable(scope, token, path, "authorities", holds, sink);
            }
            if let Some((token, path)) = policy.revocations.as_ref().and_then(|file| file.get()) {
                readable(scope, token, path, "revocations", PemFile::holds_revocations, sink);
            }
        }
        for pair in &policy.credentials {
            let Some((token, path)) = pair.certificate.get() else { continue };
            let Some(key) = &pair.key else {
                sink.report(Problem::new("proxy-file-unusable", token.span).case("no-key").with("path", &*token.text));
                continue;
            };
            let certificate = readable(scope, token, path, "certificate", |_| true, sink);
            if behavior.upstream_keys_beside_certificates {
                if let Some(refusal) = certificate.and_then(loading::pairs_refusal) {
                    let problem = Problem::new("proxy-file-unusable", token.span).case("refused");
                    sink.report(problem.with("path", &*token.text).with("words", refusal.words));
                }
                continue;
            }
            let Some((key_token, key_path)) = key.get() else { continue };
            let key = readable(scope, key_token, key_path, "key", |_| true, sink);
            if let Some((certificate, key)) = certificate.zip(key) {
                pair_of(scope, (token, certificate), (key_token, key), sink);
            }
        }
    }
}

/// `cipher-list-empty` and `cipher-list-syntax`, of a string for upstream servers.
fn ciphers(scope: &RuleContext<'_>, policy: &UpstreamPolicy, sink: &mut Reporter) {
    let platform = &scope.deployment.platform;
    let library = &platform.tls_library;
    let Some(token) = policy.ciphers.as_ref().and_then(|list| list.get()) else { return };
    if library.kind == TlsLibraryKind::OpenSsl && !(token.text.starts_with("PROFILE=") && platform.system_profiles) {
        sink.problems.extend(cipher::refused(scope, CipherLibrary::of(library.version.numbers), token));
    }
}

/// What does not go together, or is not what it should be.
fn pair_of(
    scope: &RuleContext<'_>,
    (token, certificate): (&Token, &PemFile),
    (key_token, key): (&Token, &PemFile),
    sink: &mut Reporter,
) {
    // The level of a client's own certificate is the platform's.
    let platform = &scope.deployment.platform;
    let strength = Strength::of(platform.security_level, platform.tls_library.version.numbers);
    let loader = if platform.tls_library.kind == TlsLibraryKind::Go { Loader::Caddy } else { Loader::Nginx };
    let Some(refusal) = loading::refusal(loader, certificate, key, strength) else { return };
    let at = if refusal.part == Part::Certificate { token } else { key_token };
    let problem = Problem::new("proxy-file-unusable", at.span).case("refused");
    sink.report(problem.with("path", &*at.text).with("words", refusal.words));
}

/// A file that the server reads when it starts; says so where it cannot be read or lacks what it is named for.
fn readable<'s>(
    scope: &'s RuleContext<'_>,
    token: &Token,
    path: &Path,
    kind: &'static str,
    holds: impl Fn(&PemFile) -> bool,
    sink: &mut Reporter,
) -> Option<&'s PemFile> {
    let problem = || Problem::new("proxy-file-unusable", token.span).with("path", &*token.text);
    match scope.library.get(path)? {
        Ok(file) if holds(file) => return Some(file),
        Ok(_) => sink.report(problem().case(kind)),
        Err(error) if error.is_hidden() => sink.unjudged.push(Unchecked {
            what: "upstream file".into(),
            reason: UncheckedReason::hidden(error, &token.text),
            at: Some(token.span),
        }),
        // A server that looks while reading says so by itself.
        Err(error) if error.is_missing() && scope.deployment.behavior.loads_unused_authorities => {}
        Err(error) => sink.report(problem().with("reason", error.to_string())),
    }
    None
}

/// `proxy-certificate-expired`: what is shown to upstream servers, and what they are held against, once for each word.
pub fn expired(scope: &RuleContext<'_>, sink: &mut Reporter) {
    let mut seen: BTreeSet<(Span, &'static str)> = BTreeSet::new();
    let mut report = |token: &Token, case: &'static str, problem: Problem| {
        if seen.insert((token.span, case)) {
            sink.report(problem.case(case));
        }
    };
    let problem = |token: &Token| Problem::new("proxy-certificate-expired", token.span);
    for (upstream, policy) in each(scope).filter(|(one, _)| by_tls(one).next().is_some()) {
        let to = by_tls(upstream).next().map(|target| host(target).to_owned()).unwrap_or_default();
        for pair in &policy.credentials {
            let Some((token, path)) = pair.certificate.get() else { continue };
            let Some((_, leaf)) = scope.pem(path).and_then(|file| file.certificates().next()) else { continue };
            let lifetime = leaf.not_after - leaf.not_before;
            let soon = (14 * 86_400).min(lifetime / 3);
            let told = problem(token)
                .with("path", &*token.text)
                .with("subject", leaf.short_name())
                .with("upstream", to.clone())
                .with("not-after", date(leaf.not_after))
                .with("when", span(leaf.not_after - scope.now));
            if leaf.not_after < scope.now {
                report(token, "", told);
            } else if leaf.not_after < scope.now + soon {
                report(token, "soon", told);
            }
        }
        if !is_required(policy) {
            continue;
        }
        if let Some(UpstreamAuthorities::Own { file: Some(file), folder: None }) = policy.authorities.get()
            && let Some((token, path)) = file.get()
            && let Some(found) = scope.pem(path).and_then(|file| client_certificate::ends(file, scope.now))
        {
            let case = match (found.are_all, found.is_over) {
                (true, _) => "authorities",
                (false, true) => "authority",
                (false, false) => "authority-soon",
            };
            report(token, case, found.told(problem(token), token, scope.now).with("upstream", to.clone()));
        }
        if let Some(UpstreamAuthorities::Own { folder: Some(folder), .. }) = policy.authorities.get()
            && let Some((token, path)) = folder.get()
        {
            let endings = client_certificate::hashed_in(scope, path, false);
            let endings = endings.filter_map(|file| client_certificate::ends(file, scope.now));
            if let Some(found) = endings.min_by_key(|ending| ending.authority.not_after) {
                let case = if found.is_over { "authority" } else { "authority-soon" };
                report(token, case, found.told(problem(token), token, scope.now).with("upstream", to.clone()));
            }
        }
        let file = policy.revocations.as_ref().and_then(|file| file.get()).map(|(token, path)| {
            let lists = scope.pem(path).into_iter().flat_map(PemFile::revocations).map(|(_, list)| list);
            (token, lists.collect::<Vec<_>>())
        });
        let folder = policy.revocation_folder.as_ref().and_then(|folder| folder.get()).map(|(token, path)| {
            let lists = client_certificate::hashed_in(scope, path, true).flat_map(PemFile::revocations);
            (token, lists.map(|(_, list)| list).collect())
        });
        for (token, lists) in [file, folder].into_iter().flatten() {
            let Some(list) = client_certificate::ended_list(&lists, scope.now) else { continue };
            let told = problem(token).with("path", &*token.text).with("subject", list.issuer.clone());
            let told = told.with("not-after", date(list.next_update.unwrap_or(0))).with("upstream", to.clone());
            report(token, "revocations", told);
        }
    }
}

/// `proxy-verify-without-ca`.
pub fn without_authority(scope: &RuleContext<'_>, sink: &mut Reporter) {
    for (upstream, policy) in each(scope).filter(|(one, policy)| one.loads_files && is_required(policy)) {
        if policy.authorities.get() == Some(&UpstreamAuthorities::None) {
            let at = policy.verification.origin.written().unwrap_or(upstream.at);
            let problem = Problem::new("proxy-verify-without-ca", at);
            sink.report(problem.related(upstream.at, "requests are sent on by TLS here"));
        }
    }
}

/// `proxy-verification-disabled`.
pub fn unverified(scope: &RuleContext<'_>, sink: &mut Reporter) {
    for (upstream, policy) in each(scope).filter(|(_, policy)| policy.engine.get() == Some(&true)) {
        let off = policy.verification.get() == Some(&UpstreamVerification::Off);
        let Some(target) = by_tls(upstream).find(|target| !is_local(target)) else { continue };
        if !off {
            let is_named = policy.checks_name.get() != Some(&false) || policy.checks_name.origin.written().is_none();
            if let Some(at) = policy.checks_name.origin.written().filter(|_| is_required(policy) && !is_named) {
                let problem = Problem::new("proxy-verification-disabled", at).case("name");
                let mut problem = problem.with("target", &*target.written.text);
                problem.fix = Some(Fix {
                    title: "check the name".to_owned(),
                    safety: Safety::Unsafe,
                    edits: vec![Edit { span: at, text: "on".to_owned() }],
                });
                sink.report(problem.related(upstream.at, "sent on here"));
            }
            continue;
        }
        let is_written = policy.verification.origin.kind != OriginKind::Default;
        let at = policy.verification.origin.written().filter(|_| is_written).unwrap_or(upstream.at);
        let problem = Problem::new("proxy-verification-disabled", at).with("target", &*target.written.text);
        // Go takes the system's authorities where none is named; others need one to be.
        let is_go = scope.deployment.platform.tls_library.kind == TlsLibraryKind::Go;
        let has_authorities = matches!(policy.authorities.get(), Some(UpstreamAuthorities::Own { .. }));
        let written = is_written.then_some(at);
        let change = match written {
            Some(written) if is_go => Some(Change::RemoveDirective { written }),
            written if has_authorities => {
                Some(Change::VerifyUpstream { site: upstream.site, pass: upstream.at, written })
            }
            _ => None,
        };
        let fix = change.and_then(|change| scope.fix("verify it", Safety::Unsafe, &change));
        let problem = match is_written {
            true => problem.related(upstream.at, "sent on here"),
            false => problem.case("default").severity(Severity::Info),
        };
        sink.report(fix.into_iter().fold(problem, Problem::fix));
    }
}

/// `proxy-tls-engine-off`.
pub fn engine_off(scope: &RuleContext<'_>, sink: &mut Reporter) {
    for (upstream, policy) in each(scope).filter(|(_, policy)| policy.engine.get() == Some(&false)) {
        let Some(target) = by_tls(upstream).next() else { continue };
        let mut problem = Problem::new("proxy-tls-engine-off", upstream.at).with("target", &*target.written.text);
        match policy.engine.origin.written() {
            Some(off) => problem = problem.related(off, "switched off here"),
            None => {
                let change = upstream.site.map(|site| Change::SpeakTlsUpstream { site });
                problem.fix = change.and_then(|change| scope.fix("switch it on", Safety::Safe, &change));
            }
        }
        sink.report(problem);
    }
}

/// `proxy-name-not-sent`.
pub fn name_not_sent(scope: &RuleContext<'_>, sink: &mut Reporter) {
    for (upstream, policy) in each(scope) {
        if policy.sends_name.get() != Some(&false) {
            continue;
        }
        let sent = |target: &UpstreamTarget| match &policy.name {
            Some(name) => name.get().map(|name| name.text.to_string()),
            None => Some(host(target).to_owned()),
        };
        let named = by_tls(upstream).filter(|target| !is_local(target));
        let Some(name) = named.filter_map(sent).find(|name| is_name(name)) else { continue };
        let change = Change::SendUpstreamName { pass: upstream.at };
        let mut problem = Problem::new("proxy-name-not-sent", upstream.at)
            .with("name", name)
            .with("write", scope.editor.wording(&change));
        if let Some(off) = policy.sends_name.origin.written() {
            problem = problem.related(off, "switched off here");
        } else {
            problem.fix = scope.fix("send the name", Safety::Unsafe, &change);
        }
        sink.report(problem);
    }
}

/// `proxy-client-certificate-wrong-usage`.
pub fn wrong_usage(scope: &RuleContext<'_>, sink: &mut Reporter) {
    const CLIENT: &str = "1.3.6.1.5.5.7.3.2";
    for (_, policy) in each(scope) {
        for (token, path) in policy.credentials.iter().filter_map(|pair| pair.certificate.get()) {
            let Some(leaf) = scope.pem(path).and_then(PemFile::leaf) else { continue };
            let Some(usages) = &leaf.extended_key_usage else { continue };
            if !usages.iter().any(|usage| usage == CLIENT || usage == "2.5.29.37.0") {
                let problem = Problem::new("proxy-client-certificate-wrong-usage", token.span);
                sink.report(problem.with("path", &*token.text).with("subject", leaf.short_name()));
            }
        }
    }
}

/// The socket of this very configuration that a target leads to.
fn served<'s>(scope: &'s RuleContext<'_>, target: &UpstreamTarget) -> Option<&'s Endpoint> {
    let (address, port) = target.address.get()?;
    scope.deployment.endpoints.iter().find(|one| match (&one.listen.address, address) {
        (Address::Unix(own), Address::Unix(wanted)) => own == wanted,
        (Address::Ip(own), Address::Ip(wanted)) => {
            one.listen.port == *port
                && one.transport != Transport::Quic
                && (own == wanted || own.is_unspecified() && wanted.is_loopback() && own.is_ipv4() == wanted.is_ipv4())
        }
        (Address::Any, Address::Ip(wanted)) => one.listen.port == *port && wanted.is_loopback(),
        _ => false,
    })
}

/// Sends on by TLS what is sent on without.
fn by_https(scope: &RuleContext<'_>, written: &Token) -> Option<Fix> {
    const SCHEME: &str = "http://";
    let scheme = written.part(0, SCHEME.len());
    let is_verbatim = scope.text(scheme).eq_ignore_ascii_case(SCHEME);
    is_verbatim.then(|| Fix {
        title: "send it on by TLS".to_owned(),
        safety: Safety::Unsafe,
        edits: vec![Edit { span: scheme, text: "https://".to_owned() }],
    })
}

/// `proxy-http-to-tls-port`.
pub fn http_to_tls(scope: &RuleContext<'_>, sink: &mut Reporter) {
    for (upstream, _) in each(scope) {
        let plain = upstream.targets.iter().filter(|one| one.transport == UpstreamTransport::Plain);
        let says_http = |word: &str| word.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"));
        for target in plain.filter(|one| says_http(&one.written.text)) {
            let Some((_, port)) = target.address.get() else { continue };
            let speaks_tls = match served(scope, target) {
                Some(endpoint) if endpoint.transport == Transport::Tls => Some(endpoint.uses[0].span),
                None if *port == 443 => None,
                _ => continue,
            };
            let problem = Problem::new("proxy-http-to-tls-port", upstream.at).with("target", &*target.written.text);
            let mut problem = problem.with("port", port.to_string());
            problem.fix = by_https(scope, &target.written);
            sink.report(match speaks_tls {
                Some(at) => problem.related(at, "speaks TLS"),
                None => problem,
            });
            break;
        }
    }
}

/// What an upstream of this very configuration sends, where that is known.
fn sent(
    scope: &RuleContext<'_>,
    policy: &UpstreamPolicy,
    target: &UpstreamTarget,
) -> Option<(String, Vec<Arc<Certificate>>)> {
    let name = match &policy.name {
        Some(name) => name.get()?.text.to_string(),
        None => host(target).to_owned(),
    };
    let endpoint = served(scope, target).filter(|one| one.transport == Transport::Tls)?;
    let sni = if *policy.sends_name.get()? && name.parse::<IpAddr>().is_err() { &*name } else { "" };
    let binding = endpoint.binding(endpoint.answers(&sni.to_ascii_lowercase())?);
    let pair = scope.deployment.credentials(binding.credentials).pairs.first()?;
    let (_, file) = scope.certificate_file(pair)?;
    let chain = pki::sent(file, None, None).into_iter().map(|(_, one)| Arc::clone(one)).collect();
    Some((name, chain))
}

/// `proxy-name-mismatch`.
pub fn name_mismatch(scope: &RuleContext<'_>, sink: &mut Reporter) {
    for (upstream, policy) in each(scope).filter(|(_, policy)| policy.checks_name.get() == Some(&true)) {
        for target in by_tls(upstream) {
            let Some((name, chain)) = sent(scope, policy, target) else { continue };
            let Some(leaf) = chain.first() else { continue };
            // An address is compared as if it were a name: an entry for addresses does not help.
            let is_there = match name.parse::<IpAddr>() {
                Ok(_) => leaf.dns_names.contains(&name),
                Err(_) => leaf.matches_host(&name, true),
            };
            if !is_there {
                let problem = Problem::new("proxy-name-mismatch", upstream.at).with("name", name);
                sink.report(problem.with("names", leaf.dns_names.join(", ")).with("subject", leaf.short_name()));
                break;
            }
        }
    }
}

/// `proxy-trusted-ca-missing`.
pub fn untrusted(scope: &RuleContext<'_>, sink: &mut Reporter) {
    for (upstream, policy) in each(scope).filter(|(_, policy)| is_required(policy)) {
        let Some(UpstreamAuthorities::Own { file: Some(file), folder: None }) = policy.authorities.get() else {
            continue;
        };
        let Some((token, path)) = file.get() else { continue };
        let Some(authorities) = scope.pem(path) else { continue };
        let mut anchors = Anchors::new();
        anchors.add_file(authorities);
        for target in by_tls(upstream) {
            let Some((_, chain)) = sent(scope, policy, target).filter(|(_, chain)| !chain.is_empty()) else { continue };
            let verifier =
                Verifier { anchors: &anchors, now: scope.now, host: None, security_level: 0, cn_fallback: true };
            let verdict = verifier.verify(&chain);
            if verdict.any(VerifyError::is_unvouched) {
                let problem = Problem::new("proxy-trusted-ca-missing", token.span).with("path", &*token.text);
                let problem = problem.with("subject", chain[0].short_name());
                sink.report(problem.related(upstream.at, "requests are sent on here"));
                break;
            }
        }
    }
}
