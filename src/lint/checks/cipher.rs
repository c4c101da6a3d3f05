//! Cipher strings: what the library refuses, what it ignores, and what is weak of the rest. Judged after expansion, never by
//! comparing text.

use crate::diagnostic::{Edit, Fix, Problem, Safety, Severity, spelling};
use crate::lint::{Scope, Sink};
use crate::model::{Site, SiteId, Token};
use crate::platform::TlsLibraryKind;
use crate::tls::Protocol;
use crate::tls::cipher::{self, CipherError, CipherLibrary};

/// The cipher string of a site for TLS 1.2 and below, where the server reads it: only a site with a certificate, or one that
/// rejects, gets a context of its own.
fn string<'a>(scope: &Scope<'a>, site: &Site) -> Option<(&'static CipherLibrary, &'a Token)> {
    let platform = &scope.deployment.platform;
    let is_read = !scope.deployment.credentials(site.credentials).pairs.is_empty() || site.rejects.get() == Some(&true);
    if platform.tls_library.kind != TlsLibraryKind::OpenSsl || !is_read || !site.loads_credentials {
        return None;
    }
    // The names of a list stand one by one; OpenSSL's string is one word.
    let [token] = &scope.deployment.policy(site.policy).ciphers.get()?[..] else { return None };
    Some((CipherLibrary::of(platform.tls_library.version.numbers), token))
}

/// `cipher-list-empty`.
pub fn empty(scope: &Scope<'_>, _: SiteId, site: &Site, sink: &mut Sink) {
    let Some((library, token)) = string(scope, site) else { return };
    // What the system's administrator chose, where the library is patched to know it.
    let is_system = token.text.starts_with("PROFILE=") && scope.deployment.platform.system_profiles;
    if scope.expansion(library, token).error == Some(CipherError::NoMatch) && !is_system {
        let name = scope.deployment.platform.tls_library.name.clone();
        sink.report(Problem::new("cipher-list-empty", token.span).with("library", name));
    }
}

/// `cipher-list-syntax`.
pub fn syntax(scope: &Scope<'_>, _: SiteId, site: &Site, sink: &mut Sink) {
    let Some((library, token)) = string(scope, site) else { return };
    if let Some(CipherError::InvalidCommand(at)) = scope.expansion(library, token).error {
        let found = token.text.get(at..).and_then(|rest| rest.chars().next());
        let shown = found.map_or("the end".to_owned(), |letter| format!("`{}`", letter.escape_default()));
        let end = at + found.map_or(0, char::len_utf8);
        let problem = Problem::new("cipher-list-syntax", token.part(at, end)).with("found", shown);
        sink.report(problem.with("library", scope.deployment.platform.tls_library.name.clone()));
    }
}

/// Whether a word is the name of a suite of TLS 1.3.
fn is_tls13(word: &str) -> bool {
    const NAMES: &[&str] = &[
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_AES_128_CCM_SHA256",
        "TLS_AES_128_CCM_8_SHA256",
    ];
    NAMES.contains(&word)
}

/// The words of a string that select nothing and are not taken out: the operator is left out of the text.
fn ignored<'t>(scope: &Scope<'_>, library: &'static CipherLibrary, token: &'t Token) -> Vec<(usize, &'t str)> {
    let expansion = scope.expansion(library, token);
    if expansion.error.is_some() {
        return Vec::new(); // the string says nothing at all
    }
    let unknown = expansion.ignored.iter().filter(|ignored| ignored.word.is_some());
    let items = unknown.filter_map(|ignored| Some((ignored.item.start, token.text.get(ignored.item.clone())?)));
    items.filter(|(_, item)| !item.starts_with(['!', '-', '+'])).collect()
}

/// `unknown-cipher`.
pub fn unknown(scope: &Scope<'_>, _: SiteId, site: &Site, sink: &mut Sink) {
    let Some((library, token)) = string(scope, site) else { return };
    for (at, word) in ignored(scope, library, token).into_iter().filter(|(_, word)| !is_tls13(word)) {
        let span = token.part(at, at + word.len());
        let others = [[1, 1, 1], [3, 0, 0], [3, 5, 0]].map(CipherLibrary::of);
        let is_elsewhere = others.iter().any(|other| other.words().any(|known| known == word));
        let suggestion = suggestion(library, word);
        let case = match (&suggestion, is_elsewhere) {
            (Some(_), _) => "meant",
            (None, true) => "elsewhere",
            (None, false) => "",
        };
        let mut problem = Problem::new("unknown-cipher", span)
            .case(case)
            .with("word", word)
            .with("meant", suggestion.as_ref().map_or("", |(name, _)| name))
            .with("library", scope.deployment.platform.tls_library.name.clone());
        // Behind quotes with escapes the place of a part is not known.
        if let Some((name, true)) = suggestion.filter(|_| scope.text(span) == word) {
            let edits = vec![Edit { span, text: name.clone() }];
            problem = problem.fix(Fix { title: format!("write {name}"), safety: Safety::Safe, edits });
        }
        sink.report(problem);
    }
}

/// `tls13-name-in-cipher-list`.
pub fn tls13_name(scope: &Scope<'_>, _: SiteId, site: &Site, sink: &mut Sink) {
    let Some((library, token)) = string(scope, site) else { return };
    for (at, word) in ignored(scope, library, token).into_iter().filter(|(_, word)| is_tls13(word)) {
        // With the separator behind it, or the one before the last.
        let behind = token.text.as_bytes().get(at + word.len()) == Some(&b':');
        let (from, to) = if behind { (at, at + word.len() + 1) } else { (at.saturating_sub(1), at + word.len()) };
        let span = token.part(from, to);
        let mut problem = Problem::new("tls13-name-in-cipher-list", token.part(at, at + word.len())).with("word", word);
        if Some(&*scope.text(span)) == token.text.get(from..to) {
            let edits = vec![Edit { span, text: String::new() }];
            problem = problem.fix(Fix { title: format!("remove {word}"), safety: Safety::Safe, edits });
        }
        sink.report(problem);
    }
}

/// `weak-cipher`.
pub fn weak(scope: &Scope<'_>, id: SiteId, site: &Site, sink: &mut Sink) {
    let Some((library, token)) = string(scope, site) else { return };
    let policy = scope.deployment.policy(site.policy);
    let is_old = |set: crate::tls::Protocols| set.iter().any(|one| one < Protocol::Tls13);
    if scope.tls_bindings(id).next().is_none() || !policy.protocols.get().is_some_and(|choice| is_old(choice.set)) {
        return;
    }
    let expansion = scope.expansion(library, token);
    let level = expansion.security_level.unwrap_or(scope.deployment.platform.security_level);
    let broken = expansion.suites.iter().filter(|selected| {
        selected.suite.is_broken()
            && !selected.suite.needs_shared_secret()
            && cipher::usable(library, selected.suite, level).is_ok()
    });
    let broken: Vec<_> = broken.collect();
    let Some(first) = broken.first() else { return };
    let names: Vec<&str> = broken.iter().take(5).map(|selected| selected.suite.name.as_str()).collect();
    let more = broken.len().saturating_sub(names.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let problem = Problem::new("weak-cipher", token.part(first.from.start, first.from.end));
    let problem = problem.with("names", format!("{}{more}", names.join(", "))).severity(Severity::Warning);
    sink.report(problem.related(site.head, format!("holds for {}", scope.site_name(site))));
}

/// What a word that the library does not know may stand for, and whether that is certain: the registry's name, or another
/// case. A misspelling is a guess.
pub fn suggestion(library: &CipherLibrary, word: &str) -> Option<(String, bool)> {
    let by_registry = library.suites.iter().find(|suite| suite.iana.eq_ignore_ascii_case(word));
    if let Some(suite) = by_registry {
        return Some((suite.name.clone(), true));
    }
    let same = library.words().find(|known| known.eq_ignore_ascii_case(word));
    same.map(|known| (known.to_owned(), true)).or_else(|| {
        let upper = word.to_ascii_uppercase();
        spelling::nearest(&upper, library.words(), 2).map(|(known, _)| (known.to_owned(), false))
    })
}
