//! Templates about how a site speaks TLS.

use super::names::{CipherName, GroupName, VersionName};
use super::{Out, listed};
use crate::handshake::openssl::Context;
use crate::lint::RuleContext;
use crate::lint::checks::written_groups;
use crate::model::{Setting, Site, SiteId, TlsPolicy, Token};
use crate::platform::TlsLibraryKind;
use crate::source::Span;
use crate::tls::cipher::{self, CipherLibrary, CipherSuite};
use crate::tls::{Protocol, Protocols, group};

/// A policy that some site speaks TLS by, with the library's context where the library is OpenSSL.
struct Spoken<'s> {
    site: &'s Site,
    policy: &'s TlsPolicy,
    context: Option<&'s Context>,
}

/// Each policy of each site once.
fn spoken<'s>(scope: &'s RuleContext<'_>) -> impl Iterator<Item = Spoken<'s>> {
    let is_known = scope.deployment.platform.tls_library.kind != TlsLibraryKind::Other;
    let sites = scope.deployment.sites.iter().enumerate().filter(move |_| is_known);
    sites.flat_map(move |(at, site)| {
        let bindings = scope.tls_bindings(SiteId(at as u32)).filter(|(_, _, binding)| !binding.rejects);
        let mut policies: Vec<_> = bindings.map(|(_, _, binding)| binding.after_name).collect();
        policies.sort_unstable();
        policies.dedup();
        policies.into_iter().map(move |id| {
            let context = scope.predictor.is_openssl().then(|| scope.predictor.contexts().of(id));
            Spoken { site, policy: scope.deployment.policy(id), context }
        })
    })
}

impl Spoken<'_> {
    /// The versions that clients can get, where they are known.
    fn protocols(&self) -> Option<Protocols> {
        match self.context {
            Some(context) if context.protocols_unknown.is_some() || !context.faults.is_empty() => None,
            Some(context) => Some(context.offered(context)),
            None => self.policy.protocols.get().map(|choice| choice.set),
        }
    }

    /// Where a list of words is written, else the block for which the default holds.
    fn place(&self, setting: &Setting<std::sync::Arc<[Token]>>) -> Span {
        match setting.get().and_then(|list| list.first()).filter(|_| setting.is_written()) {
            Some(token) => token.span,
            None => setting.origin.place,
        }
    }
}

/// `protocols`.
pub fn protocols(scope: &RuleContext<'_>, allowed: &[VersionName], required: &[VersionName], out: &mut Out<'_>) {
    for one in spoken(scope) {
        let Some(set) = one.protocols() else { continue };
        let words = one.policy.protocols.get().map(|choice| &choice.words[..]).unwrap_or_default();
        let anchor = one.policy.protocols.origin.place;
        let is_extra = |protocol: &Protocol| !allowed.is_empty() && !allowed.iter().any(|name| name.0 == *protocol);
        let extra: Vec<Protocol> = set.iter().filter(is_extra).collect();
        let missing: Vec<Protocol> =
            required.iter().map(|name| name.0).filter(|protocol| !set.contains(*protocol)).collect();
        let name = scope.site_name(one.site);
        let wanted: Protocols = allowed.iter().chain(required).map(|one| one.0).collect();
        let told = |at: Span, found: &[Protocol], out: &mut Out<'_>| {
            let problem = out
                .problem(at)
                .with("found", listed(found.iter().map(|one| one.name())))
                .with("wanted", wanted.to_string())
                .with("site", name.clone());
            problem.related(one.site.head, format!("holds for {name}"))
        };
        if !extra.is_empty() {
            let word = words.iter().find(|(protocol, _)| extra.contains(protocol));
            let problem = told(word.map_or(anchor, |(_, token)| token.span), &extra, out);
            out.report(problem);
        }
        if !missing.is_empty() {
            let problem = told(anchor, &missing, out).case("missing");
            out.report(problem);
        }
    }
}

/// `ciphers`.
pub fn ciphers(scope: &RuleContext<'_>, allowed: &[CipherName], forbidden: &[CipherName], out: &mut Out<'_>) {
    let is_wrong = |suite: &CipherSuite| {
        !allowed.is_empty() && !allowed.iter().any(|name| name.0.name == suite.name)
            || forbidden.iter().any(|name| name.0.name == suite.name)
    };
    for one in spoken(scope) {
        let speaks_old = one.protocols().is_some_and(|set| set.iter().any(|one| one < Protocol::Tls13));
        if !speaks_old {
            continue;
        }
        let mut at = one.place(&one.policy.ciphers);
        let wrong: Vec<&str> = match one.context {
            Some(context) => {
                let Ok(suites) = &context.suites else { continue };
                let library = CipherLibrary::of(context.version);
                let is_usable = |suite: &&CipherSuite| {
                    cipher::usable(library, suite, context.level).is_ok() && !suite.needs_shared_secret()
                };
                let wrong: Vec<&CipherSuite> =
                    suites.iter().copied().filter(is_usable).filter(|suite| is_wrong(suite)).collect();
                if let Some([token]) = one.policy.ciphers.get().map(|list| &list[..])
                    && one.policy.ciphers.is_written()
                {
                    let expansion = scope.expansion(library, token);
                    let mut selected = expansion.suites.iter();
                    let first = selected.find(|one| wrong.iter().any(|suite| suite.name == one.suite.name));
                    at = first.map_or(at, |one| token.part(one.from.start, one.from.end));
                }
                wrong.into_iter().map(|suite| suite.name.as_str()).collect()
            }
            // Which suites Go has on by default hangs on its version: only a list is compared.
            None if one.policy.ciphers.is_written() => {
                let Some(list) = one.policy.ciphers.get() else { continue };
                let known = list.iter().filter_map(|token| Some((token, CipherSuite::named(&token.text)?)));
                let wrong: Vec<(&Token, &CipherSuite)> = known.filter(|(_, suite)| is_wrong(suite)).collect();
                at = wrong.first().map_or(at, |(token, _)| token.span);
                wrong.into_iter().map(|(token, _)| &*token.text).collect()
            }
            None => continue,
        };
        if wrong.is_empty() {
            continue;
        }
        let problem = out.problem(at).with("found", listed(wrong.into_iter())).with("site", scope.site_name(one.site));
        let problem = problem.with("wanted", listed(allowed.iter().map(|name| name.0.name.as_str())));
        let problem = problem.related(one.site.head, format!("holds for {}", scope.site_name(one.site)));
        out.report(problem);
    }
}

/// `groups`.
pub fn groups(scope: &RuleContext<'_>, allowed: &[GroupName], out: &mut Out<'_>) {
    if allowed.is_empty() {
        return;
    }
    let name = |code: u16| group::group(code).map_or("?", |group| group.name);
    for one in spoken(scope) {
        let found: Vec<u16> = match one.context {
            Some(context) => match &context.groups {
                Ok(list) if context.faults.is_empty() => list.iter().collect(),
                _ => continue,
            },
            None if one.policy.groups.is_written() => {
                let Some(list) = one.policy.groups.get() else { continue };
                list.iter().filter_map(|token| group::named(&token.text)).map(|group| group.code_point).collect()
            }
            None => continue,
        };
        let wrong: Vec<u16> = found.into_iter().filter(|code| !allowed.iter().any(|name| name.0 == *code)).collect();
        if wrong.is_empty() {
            continue;
        }
        let problem = out
            .problem(written_groups(one.policy).unwrap_or_else(|| one.place(&one.policy.groups)))
            .with("found", listed(wrong.iter().map(|code| name(*code))))
            .with("wanted", listed(allowed.iter().map(|one| name(one.0))))
            .with("site", scope.site_name(one.site))
            .related(one.site.head, format!("holds for {}", scope.site_name(one.site)));
        out.report(problem);
    }
}
