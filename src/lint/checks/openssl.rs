//! What OpenSSL refuses when a site's context is built: groups, commands, parameters, authorities. The contexts are those of
//! the predictor.

use std::path::Path;

use crate::diagnostic::{Edit, Fix, Problem, Safety, Severity, Unchecked, UncheckedReason, spelling};
use crate::handshake::openssl::command::CommandFault;
use crate::handshake::openssl::{Context, Dh, Fault};
use crate::lint::{Reporter, RuleContext};
use crate::model::{Change, Command, Site, SiteId, Token, VerifyMode};
use crate::pki::PemFile;
use crate::platform::TlsLibraryKind;
use crate::tls::group::{self, GroupErrorKind};

/// The context of a site, where the server builds one: only for a site with a certificate, or one that rejects.
pub fn context<'s>(scope: &'s RuleContext<'_>, site: &Site) -> Option<&'s Context> {
    let is_built =
        !scope.deployment.credentials(site.credentials).pairs.is_empty() || site.rejects.get() == Some(&true);
    let is_openssl = scope.deployment.platform.tls_library.kind == TlsLibraryKind::OpenSsl;
    (is_built && is_openssl && site.loads_credentials).then(|| scope.predictor.contexts().of(site.policy))
}

fn faults<'s>(scope: &'s RuleContext<'_>, site: &Site) -> &'s [Fault] {
    context(scope, site).map_or(&[], |context| &context.faults)
}

/// `unknown-group`.
pub fn unknown_group(scope: &RuleContext<'_>, _: SiteId, site: &Site, sink: &mut Reporter) {
    let library = &scope.deployment.platform.tls_library;
    for fault in faults(scope, site) {
        let (token, error) = match fault {
            Fault::Groups(token, error) => (token, error),
            Fault::Command(command, CommandFault::Groups(error)) => (&command.value, error),
            _ => continue,
        };
        let word = token.text.get(error.at.clone()).unwrap_or_default();
        let span = match error.kind {
            GroupErrorKind::Empty => token.span,
            _ => token.part(error.at.start, error.at.end),
        };
        let mut problem = Problem::new("unknown-group", span).with("word", word).with("library", library.name.clone());
        match error.kind {
            GroupErrorKind::Duplicate => {
                problem = problem.case("twice");
                problem.fix = without(scope, token, &error.at);
            }
            GroupErrorKind::Empty => problem = problem.case("empty"),
            GroupErrorKind::Unknown if word.contains([',', ' ']) => {
                let list = word.split([',', ' ']).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(":");
                problem = problem.case("separator").with("write", list.clone());
                let all_known = list.split(':').all(|name| group::named(name).is_some());
                if all_known && scope.text(span) == word {
                    let edits = vec![Edit { span, text: list }];
                    problem.fix = Some(Fix { title: "separate by colons".into(), safety: Safety::Safe, edits });
                }
            }
            GroupErrorKind::Unknown | GroupErrorKind::Syntax => match spelling::nearest(word, group::names(), 2) {
                Some((name, 0)) => problem = problem.case("elsewhere").with("meant", name),
                Some((name, _)) => problem = problem.case("meant").with("meant", name),
                None => {}
            },
        }
        sink.report(problem);
    }
}

/// Takes a word out of a list between colons.
fn without(scope: &RuleContext<'_>, token: &Token, at: &std::ops::Range<usize>) -> Option<Fix> {
    let from = at.start.checked_sub(1)?;
    let span = token.part(from, at.end);
    (Some(&*scope.text(span)) == token.text.get(from..at.end)).then(|| Fix {
        title: "remove the second mention".into(),
        safety: Safety::Safe,
        edits: vec![Edit { span, text: String::new() }],
    })
}

/// Commands for OpenSSL: `invalid-argument`.
pub fn command(scope: &RuleContext<'_>, _: SiteId, site: &Site, sink: &mut Reporter) {
    for fault in faults(scope, site) {
        let Fault::Command(command, fault) = fault else { continue };
        let problem = match fault {
            CommandFault::Name => Problem::new("invalid-argument", command.name.span).case("command"),
            CommandFault::Value(at) => {
                Problem::new("invalid-argument", command.value.part(at.start, at.end)).case("command-value")
            }
            // `unknown-group` speaks of it.
            CommandFault::Groups(_) => continue,
            CommandFault::Ciphers(_) => Problem::new("invalid-argument", command.value.span).case("command-value"),
        };
        let problem = problem.with("name", &*command.name.text).with("value", &*command.value.text);
        sink.report(problem.with("library", scope.deployment.platform.tls_library.name.clone()));
    }
}

/// `dh-parameters-invalid`.
pub fn dh_invalid(scope: &RuleContext<'_>, _: SiteId, site: &Site, sink: &mut Reporter) {
    for fault in faults(scope, site) {
        let problem = match fault {
            Fault::DhFormat(token) => Problem::new("dh-parameters-invalid", token.span).with("path", &*token.text),
            Fault::DhFile(token, error) => Problem::new("dh-parameters-invalid", token.span)
                .case("not-readable")
                .with("path", &*token.text)
                .with("reason", error.to_string()),
            _ => continue,
        };
        sink.report(problem);
    }
}

/// `weak-dh-parameters`.
pub fn dh_weak(scope: &RuleContext<'_>, _: SiteId, site: &Site, sink: &mut Reporter) {
    for fault in faults(scope, site) {
        if let Fault::DhSize(token, bits, level) = fault {
            let mut problem = Problem::new("weak-dh-parameters", token.span).with("path", &*token.text);
            problem.fix = without_parameters(scope, token);
            sink.report(problem.with("bits", bits.to_string()).with("level", level.to_string()));
            return;
        }
    }
    if let Some((token, bits)) = dh_beside_certificate(scope, site).filter(|(_, bits)| *bits < 2048) {
        let problem = Problem::new("weak-dh-parameters", token.span).case("beside-certificate");
        let problem = problem.with("path", &*token.text).with("bits", bits.to_string());
        sink.report(problem.severity(Severity::Warning));
    }
    let Some((token, path)) = scope.deployment.policy(site.policy).dh_parameters.get().and_then(|file| file.as_ref())
    else {
        return;
    };
    let bits = scope.pem(path).and_then(PemFile::dh_bits);
    if let Some(bits) = bits.filter(|bits| *bits < 2048 && context(scope, site).is_some()) {
        let mut problem = Problem::new("weak-dh-parameters", token.span).case("accepted").with("path", &*token.text);
        problem.fix = without_parameters(scope, token);
        sink.report(problem.with("bits", bits.to_string()).severity(Severity::Warning));
    }
}

/// Takes the directive away that names parameters: what is left is ECDHE.
fn without_parameters(scope: &RuleContext<'_>, token: &Token) -> Option<Fix> {
    scope.fix("name no parameters", Safety::Unsafe, &Change::RemoveDirective { written: token.span })
}

/// The size of parameters that a server takes from the file of its first certificate, where a suite may use them: those that
/// the level refuses are passed over.
fn dh_beside_certificate<'s>(scope: &'s RuleContext<'_>, site: &Site) -> Option<(&'s Token, u32)> {
    let context = context(scope, site).filter(|context| context.dh == Dh::Own)?;
    let has_dhe = context.suites.as_ref().is_ok_and(|suites| suites.iter().any(|one| one.key_exchange() == "kDHE"));
    let (token, file) = scope.certificate_file(scope.deployment.credentials(site.credentials).pairs.first()?)?;
    let bits = file.dh_bits().filter(|bits| has_dhe && context.loads_dh(*bits))?;
    Some((token, bits))
}

/// `dh-parameters-too-large`: for clients that know no prime of more than 1024 bits, where they are asked for.
pub fn dh_large(scope: &RuleContext<'_>, id: SiteId, site: &Site, sink: &mut Reporter) {
    let names_old = |name: &str| name.starts_with("java-6") || name.starts_with("java-7");
    let is_asked = scope.settings.required.iter().any(|client| names_old(&client.name))
        || scope.settings.profile.is_some_and(|profile| profile.name == "mozilla-old");
    if !is_asked || scope.tls_bindings(id).next().is_none() || context(scope, site).is_none() {
        return;
    }
    let file = scope.deployment.policy(site.policy).dh_parameters.get().and_then(|file| file.as_ref());
    let Some((token, path)) = file else { return };
    if let Some(bits) = scope.pem(path).and_then(PemFile::dh_bits).filter(|bits| *bits > 1024) {
        let problem = Problem::new("dh-parameters-too-large", token.span).with("path", &*token.text);
        sink.report(problem.with("bits", bits.to_string()));
    }
}

/// `client-verify-without-ca`.
pub fn verify_without_ca(scope: &RuleContext<'_>, _: SiteId, site: &Site, sink: &mut Reporter) {
    let setting = &scope.deployment.policy(site.policy).client_verification;
    let Some(verification) = setting.get() else { return };
    let needs = matches!(verification.mode, VerifyMode::Required | VerifyMode::Optional);
    let has_any = verification.authorities.is_some() || verification.has_folder || by_command(scope, site);
    if needs && !has_any && !scope.deployment.fragment && context(scope, site).is_some() {
        let case = if verification.mode == VerifyMode::Optional { "optional" } else { "" };
        let problem = Problem::new("client-verify-without-ca", setting.origin.place).case(case);
        sink.report(problem.related(site.head, format!("holds for {}", scope.site_name(site))));
    }
}

/// Whether a command for the library names authorities.
fn by_command(scope: &RuleContext<'_>, site: &Site) -> bool {
    const NAMES: &[&str] = &["VerifyCAFile", "VerifyCAPath", "VerifyCAStore"];
    let commands = scope.deployment.policy(site.policy).commands.get();
    let is_one = |command: &Command| NAMES.iter().any(|name| command.name.text.eq_ignore_ascii_case(name));
    commands.is_some_and(|all| all.iter().any(is_one))
}

/// `client-ca-unusable`.
pub fn client_ca(scope: &RuleContext<'_>, _: SiteId, site: &Site, sink: &mut Reporter) {
    let setting = &scope.deployment.policy(site.policy).client_verification;
    let Some(verification) = setting.get().filter(|_| context(scope, site).is_some()) else { return };
    if let Some((token, path)) = &verification.revocations {
        revocations(scope, token, path, sink);
    }
    // Some servers take chains from the file too, and read it whether or not certificates are asked for.
    let of_set = scope.deployment.credentials(site.credentials).authorities.as_ref();
    let asked = verification.authorities.as_ref().filter(|_| verification.mode != VerifyMode::Off);
    if let Some((token, path)) = asked.or(of_set) {
        authorities(scope, "client-ca-unusable", token, path, sink);
    }
}

/// `trusted-certificate-invalid`.
pub fn trusted(scope: &RuleContext<'_>, _: SiteId, site: &Site, sink: &mut Reporter) {
    let Some(stapling) = scope.deployment.policy(site.policy).stapling.get() else { return };
    if let Some((token, path)) = stapling.issuers.as_ref().filter(|_| context(scope, site).is_some()) {
        authorities(scope, "trusted-certificate-invalid", token, path, sink);
    }
}

/// A file that has to hold certificates of authorities.
fn authorities(scope: &RuleContext<'_>, rule: &'static str, token: &Token, path: &Path, sink: &mut Reporter) {
    let holds_none = |file: &PemFile| file.certificates().next().is_none();
    named_file(scope, Problem::new(rule, token.span), (token, path), holds_none, sink);
}

/// A file that has to hold revocation lists.
fn revocations(scope: &RuleContext<'_>, token: &Token, path: &Path, sink: &mut Reporter) {
    let problem = Problem::new("client-ca-unusable", token.span).case("revocations");
    named_file(scope, problem, (token, path), |file| !file.holds_revocations(), sink);
}

/// A file that the server reads when it starts, and that has to hold something.
fn named_file(
    scope: &RuleContext<'_>,
    problem: Problem,
    (token, path): (&Token, &Path),
    lacks: impl Fn(&PemFile) -> bool,
    sink: &mut Reporter,
) {
    let problem = problem.with("path", &*token.text);
    match scope.library.get(path) {
        Some(Ok(file)) if lacks(file) => sink.report(problem),
        Some(Err(error)) if error.is_hidden() => sink.unjudged.push(Unchecked {
            what: problem.rule.to_string().into(),
            reason: UncheckedReason::hidden(error, &token.text),
            at: Some(token.span),
        }),
        Some(Err(error)) => sink.report(problem.case("not-readable").with("reason", error.to_string())),
        Some(Ok(_)) | None => {}
    }
}
