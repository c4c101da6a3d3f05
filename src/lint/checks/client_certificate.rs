//! Certificates that are asked of clients: lists that have ended, and settings that verify nothing.

use std::path::Path;

use crate::diagnostic::{Problem, Severity};
use crate::lint::{Reporter, RuleContext};
use crate::model::{ClientVerification, Setting, Site, SiteId, Token, VerifyMode};
use crate::pki::{Certificate, PemFile, Revocations};

/// What a site asks of clients, where it speaks TLS.
fn asked<'s>(
    scope: &'s RuleContext<'_>,
    id: SiteId,
    site: &Site,
) -> Option<(&'s Setting<ClientVerification>, &'s ClientVerification)> {
    let setting = &scope.deployment.policy(site.policy).client_verification;
    scope.tls_bindings(id).find(|(_, _, binding)| !binding.rejects)?;
    Some((setting, setting.get()?))
}

/// `client-crl-expired`.
pub fn revocations_expired(scope: &RuleContext<'_>, id: SiteId, site: &Site, sink: &mut Reporter) {
    let Some((_, asked)) = asked(scope, id, site) else { return };
    let is_verified = matches!(asked.mode, VerifyMode::Required | VerifyMode::Optional);
    let is_checked = is_verified && asked.checks_revocation;
    let problem = |token: &Token| Problem::new("client-crl-expired", token.span).with("path", &*token.text);
    let told = |token: &Token, list: &Revocations| {
        let end = super::validity::date(list.next_update.unwrap_or(0));
        problem(token).with("issuer", list.issuer.clone()).with("next-update", end)
    };
    if let Some((token, folder)) = asked.revocation_folder.as_ref().filter(|_| is_checked) {
        let lists = hashed_in(scope, folder, true).flat_map(PemFile::revocations).map(|(_, list)| list);
        sink.problems.extend(ended_list(&lists.collect::<Vec<_>>(), scope.now).map(|list| told(token, list)));
    }
    let Some((token, path)) = asked.revocations.as_ref().filter(|_| is_checked) else { return };
    let Some(lists) = scope.pem(path).filter(|file| file.holds_revocations()) else { return };
    let all: Vec<&Revocations> = lists.revocations().map(|(_, list)| list).collect();
    if let Some(list) = ended_list(&all, scope.now) {
        let found = told(token, list);
        let block = lists.revocations().find(|(_, one)| std::ptr::eq(*one, list)).map(|(block, _)| block.head);
        let shown = block.filter(|_| !lists.is_secret());
        sink.report(match shown {
            Some(head) => found.related(head, "this list has ended"),
            None => found,
        });
        return;
    }
    let Some((_, path)) = asked.authorities.as_ref().filter(|_| asked.needs_every_revocation_list) else { return };
    let Some(authorities) = scope.pem(path) else { return };
    if let Some(issuer) = without_list(authorities, lists) {
        sink.report(problem(token).case("missing").with("issuer", issuer));
    }
}

/// How near the end of an authority is told of, in seconds: less than of anything that is renewed by itself, as all clients need
/// new certificates with it.
const SOON: i64 = 30 * 86_400;

/// `client-ca-expired`: authorities of a file whose clients are refused, or will be.
pub fn authorities_expired(scope: &RuleContext<'_>, id: SiteId, site: &Site, sink: &mut Reporter) {
    let Some((_, asked)) = asked(scope, id, site) else { return };
    if !matches!(asked.mode, VerifyMode::Required | VerifyMode::Optional) {
        return;
    }
    if let Some((token, folder)) = &asked.folder {
        let endings = hashed_in(scope, folder, false).filter_map(|file| ends(file, scope.now));
        if let Some(found) = endings.min_by_key(|ending| ending.authority.not_after) {
            let problem =
                Problem::new("client-ca-expired", token.span).case(if found.is_over { "some" } else { "soon" });
            sink.report(found.told(problem, token, scope.now));
        }
    }
    let is_alone = asked.authority_files().count() == 1 && !asked.has_folder;
    for (token, path) in asked.authority_files() {
        let Some(found) = scope.pem(path).and_then(|file| ends(file, scope.now)) else { continue };
        let case = match (found.is_over, found.are_all && is_alone) {
            (true, true) => "",
            (true, false) => "some",
            (false, _) => "soon",
        };
        sink.report(found.told(Problem::new("client-ca-expired", token.span).case(case), token, scope.now));
    }
}

/// The files of a folder that OpenSSL finds there: a hash and a number, for revocation lists with an `r` before it
/// (X509_LOOKUP_hash_dir(3)).
pub fn hashed_in<'s>(
    scope: &'s RuleContext<'_>,
    folder: &'s Path,
    are_lists: bool,
) -> impl Iterator<Item = &'s PemFile> {
    let is_hash = |name: &str| name.len() == 8 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_number = move |end: &str| match end.strip_prefix('r') {
        Some(rest) => are_lists && rest.bytes().all(|byte| byte.is_ascii_digit()),
        None => !are_lists && end.bytes().all(|byte| byte.is_ascii_digit()),
    };
    let is_found = move |path: &Path| {
        path.parent() == Some(folder)
            && path.file_stem().and_then(|stem| stem.to_str()).is_some_and(is_hash)
            && path.extension().and_then(|end| end.to_str()).is_some_and(is_number)
    };
    scope.library.iter().filter(move |file| is_found(scope.sources.file(file.file).path()))
}

/// The first of some lists that has ended, and that no newer one of the same authority replaces.
pub fn ended_list<'f>(all: &[&'f Revocations], now: i64) -> Option<&'f Revocations> {
    all.iter().copied().find(|list| {
        let newest = all.iter().filter(|other| other.issuer_name == list.issuer_name);
        newest.map(|other| other.next_update.unwrap_or(i64::MAX)).max().is_some_and(|end| end < now)
    })
}

/// An authority that has ended, or ends soon.
pub struct Ending<'f> {
    /// The one to name: the first that ends.
    pub authority: &'f Certificate,
    /// Whether it has ended.
    pub is_over: bool,
    /// Whether all of the file have.
    pub are_all: bool,
}

impl Ending<'_> {
    /// A problem with what it says.
    pub fn told(&self, problem: Problem, token: &Token, now: i64) -> Problem {
        problem
            .with("path", &*token.text)
            .with("subject", self.authority.short_name())
            .with("not-after", super::validity::date(self.authority.not_after))
            .with("when", super::validity::span(self.authority.not_after - now))
    }
}

/// The authority of a file that has ended or ends soon, and that no other one of its name and key outlives.
pub fn ends(file: &PemFile, now: i64) -> Option<Ending<'_>> {
    let all: Vec<&Certificate> = file.certificates().map(|(_, one)| &**one).collect();
    let is_outlived = |one: &Certificate| {
        let is_same = |other: &&&Certificate| other.subject_name == one.subject_name && other.not_after > one.not_after;
        all.iter().any(|other| is_same(&other))
    };
    let first = all.iter().filter(|one| !is_outlived(one)).min_by_key(|one| one.not_after)?;
    let are_all = all.iter().all(|one| one.not_after < now);
    (first.not_after < now + SOON).then_some(Ending { authority: first, is_over: first.not_after < now, are_all })
}

/// An authority that has no list.
fn without_list(authorities: &PemFile, lists: &PemFile) -> Option<String> {
    let has_list = |name: &[u8]| lists.revocations().any(|(_, list)| list.issuer_name == name);
    let lacks = authorities.certificates().find(|(_, authority)| !has_list(&authority.subject_name));
    lacks.map(|(_, authority)| authority.subject.clone())
}

/// `client-certificate-required`.
pub fn required(scope: &RuleContext<'_>, id: SiteId, site: &Site, sink: &mut Reporter) {
    let Some((setting, asked)) = asked(scope, id, site) else { return };
    let bindings = scope.tls_bindings(id);
    let names = bindings.flat_map(|(endpoint, binding, _)| scope.exact_names(endpoint, binding, site));
    let Some(name) = names.into_iter().find(|name| !crate::lint::scope::is_private_name(&name.text)) else { return };
    if matches!(asked.mode, VerifyMode::Required | VerifyMode::RequiredUnverified) {
        let found = Problem::new("client-certificate-required", setting.origin.place).with("name", &*name.text);
        sink.report(found.related(site.head, format!("holds for {}", scope.site_name(site))));
    }
}

/// `client-verify-optional-no-ca`.
pub fn never_verified(scope: &RuleContext<'_>, id: SiteId, site: &Site, sink: &mut Reporter) {
    let Some((setting, asked)) = asked(scope, id, site) else { return };
    if asked.mode == VerifyMode::OptionalNoCa {
        let found = Problem::new("client-verify-optional-no-ca", setting.origin.place).severity(Severity::Warning);
        sink.report(found.related(site.head, format!("holds for {}", scope.site_name(site))));
    }
}
