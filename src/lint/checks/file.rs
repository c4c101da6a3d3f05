//! Certificate and key files: missing, unreadable, and not what the server takes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::diagnostic::{Edit, Fix, Problem, Safety, Unchecked, UncheckedReason};
use crate::lint::{Reporter, RuleContext, ServedCredential};
use crate::model::{Binding, Change, Endpoint, EndpointId, NameKind, Setting, SiteId, Token, Transport};
use crate::pki::loading::{self, Cause};
use crate::pki::{Certificate, FileFault, Key, KeyFault, KeyKind, PemFile};
use crate::platform::TlsLibraryKind;
use crate::source::{ReadError, Span};

type File = Setting<(Token, PathBuf)>;

/// The word and path of a file, and what reading it gave. What hangs on a variable is listed as unjudged.
fn opened<'a>(
    scope: &RuleContext<'a>,
    file: &'a File,
    what: &'static str,
    sink: &mut Reporter,
) -> Option<(&'a Token, &'a Result<PemFile, ReadError>)> {
    match &file.value {
        crate::model::Value::Known((token, path)) => scope.library.get(path).map(|found| (token, found)),
        crate::model::Value::Unknown(reason) => {
            let at = Some(file.origin.place);
            sink.unjudged.push(Unchecked { what: what.into(), reason: reason.0.to_string().into(), at });
            None
        }
    }
}

/// Says why a file could not be read; gives it where it could.
fn readable<'a>(
    found: Option<(&'a Token, &'a Result<PemFile, ReadError>)>,
    rule: &'static str,
    what: &'static str,
    sink: &mut Reporter,
) -> Option<(&'a Token, &'a PemFile)> {
    let (token, found) = found?;
    match found {
        Ok(file) => return Some((token, file)),
        Err(error) if error.is_hidden() => {
            let reason = UncheckedReason::hidden(error, &token.text);
            sink.unjudged.push(Unchecked { what: what.into(), reason, at: Some(token.span) });
        }
        Err(error) => {
            let case = if error.is_missing() { "" } else { "not-readable" };
            let problem = Problem::new(rule, token.span).case(case).with("path", &*token.text);
            sink.report(problem.with("reason", error.to_string()));
        }
    }
    None
}

/// `certificate-file-missing`.
pub fn certificate_missing<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let found = opened(scope, &one.pair.certificate, "certificate", sink);
    readable(found, "certificate-file-missing", "certificate", sink);
}

/// `key-file-missing`.
pub fn key_missing<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    if let Some(key) = one.pair.key.as_ref().filter(|_| !is_own_file(one)) {
        let found = opened(scope, key, "key", sink);
        readable(found, "key-file-missing", "key", sink);
    }
}

/// `variable-certificate-file-missing`.
pub fn missing_by_name<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let Some(by_name) = &one.pair.by_name else { return };
    let names = one.sites.iter().flat_map(|site| {
        let exact = scope.deployment.site(*site).names.iter().filter(|name| name.kind == NameKind::Exact);
        exact.map(|name| &*name.token.text).filter(|name| answers(scope, *site, name))
    });
    let names: BTreeSet<&str> = names.collect();
    for template in [&by_name.certificate, &by_name.key] {
        let is_missing = |name: &&str| {
            let found = scope.library.get(&template.path(name));
            matches!(found, Some(Err(error)) if error.is_missing())
        };
        let without: Vec<&str> = names.iter().copied().filter(is_missing).collect();
        let Some(first) = without.first() else { continue };
        let problem = Problem::new("variable-certificate-file-missing", template.token.span)
            .with("path", &*template.token.text)
            .with("missing", template.path(first).display().to_string())
            .with("names", some_of(&without));
        sink.report(problem);
    }
}

/// Whether a site answers to a name on any socket with TLS.
fn answers(scope: &RuleContext<'_>, site: SiteId, name: &str) -> bool {
    let mut endpoints = scope.deployment.tls_endpoints();
    endpoints.any(|(_, one)| one.answers(name).is_some_and(|id| one.binding(id).site == site))
}

/// A few names, and how many more there are.
fn some_of(names: &[&str]) -> String {
    const SHOWN: usize = 3;
    let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Whether the key is looked for in the certificate's own file, because none is named.
fn is_own_file(one: &ServedCredential<'_>) -> bool {
    one.pair.key.as_ref().is_some_and(|key| *key == one.pair.certificate)
}

/// `certificate-unparseable`.
pub fn certificate_unparseable<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    if !one.is_loaded {
        return;
    }
    let Some((token, file)) = scope.certificate_file(one.pair) else { return };
    match file.certificate_fault() {
        Some(FileFault::NoBlock { looks }) => {
            let case = if file.is_secret() { "key-in-its-place" } else { "" };
            let problem = Problem::new("certificate-unparseable", token.span).case(case);
            sink.report(problem.with("path", &*token.text).with("looks", looks).with("words", "no start line"));
        }
        Some(FileFault::Broken { block, at, reason, words }) => {
            let problem = Problem::new("certificate-unparseable", token.span).case("broken");
            let problem = problem
                .with("path", &*token.text)
                .with("block", block.to_string())
                .with("reason", reason)
                .with("words", words);
            // A file with a key is never shown.
            let problem = if file.is_secret() { problem } else { problem.related(at, "this block") };
            let fix = file.glue().map(|at| Fix {
                title: "begin the next block on a line of its own".to_owned(),
                safety: Safety::Safe,
                edits: vec![Edit { span: at, text: "\n".to_owned() }],
            });
            sink.report(fix.filter(|_| !file.is_secret()).into_iter().fold(problem, Problem::fix));
        }
        None => {}
    }
}

/// `certificate-bom`.
pub fn bom<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    if !one.is_loaded || scope.deployment.platform.tls_library.kind != TlsLibraryKind::Go {
        return;
    }
    for file in std::iter::once(&one.pair.certificate).chain(&one.pair.key) {
        let Some((token, path)) = file.get() else { continue };
        let Some(file) = scope.pem(path).filter(|file| file.has_bom && file.begins_with_block) else { continue };
        let mut problem = Problem::new("certificate-bom", token.span).with("path", &*token.text);
        if !file.is_secret() {
            let edits = vec![Edit { span: Span::new(file.file, 0, 3), text: String::new() }];
            problem.fix = Some(Fix { title: "take the mark away".into(), safety: Safety::Safe, edits });
        }
        sink.report(problem);
    }
}

/// The key of a pair: from its file.
pub fn key_of<'a>(
    scope: &RuleContext<'a>,
    one: &ServedCredential<'a>,
) -> Option<(&'a Token, &'a PemFile, &'a Result<Key, KeyFault>)> {
    let (token, path) = one.pair.key.as_ref().filter(|_| one.is_loaded)?.get()?;
    let file = scope.pem(path)?;
    file.key().map(|(_, key)| (token, file, key))
}

/// `key-unparseable`.
pub fn key_unparseable<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let Some((token, path)) = one.pair.key.as_ref().and_then(|key| key.get()) else { return };
    let Some(file) = scope.pem(path).filter(|_| one.is_loaded) else { return };
    if is_own_file(one) && file.key().is_none() {
        return; // no key is named: another rule speaks
    }
    let Some(refusal) = loading::key_refusal(file).filter(|refusal| refusal.cause == Cause::Format) else { return };
    let has_certificate = file.certificates().next().is_some();
    let case = match refusal.block {
        Some(_) => "broken",
        None if has_certificate => "certificate-in-its-place",
        None => "",
    };
    let problem = Problem::new("key-unparseable", token.span).case(case).with("path", &*token.text);
    sink.report(problem.with("looks", file.looks).with("words", refusal.words));
}

/// `key-encrypted` and `key-password-wrong`.
pub fn key_encrypted<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    // A password of another site may have opened it here; the server has none for this one.
    let is_locked = |key: &Result<Key, KeyFault>| match key {
        Ok(key) => key.was_locked,
        Err(fault) => matches!(fault, KeyFault::Encrypted { .. }),
    };
    if let Some((token, _, key)) = key_of(scope, one)
        && is_locked(key)
        && one.set.passwords.is_none()
    {
        let mut problem = Problem::new("key-encrypted", token.span).with("path", &*token.text);
        if let Some(path) = opens_elsewhere(scope).filter(|_| key.is_ok()) {
            let change = Change::NamePasswords { key: token.span, path: path.to_owned() };
            problem.fix =
                scope.fix("name the file of passwords that opens it for another site", Safety::Unsafe, &change);
        }
        sink.report(match &one.set.dialog {
            Some(dialog) => problem.case("dialog").related(dialog.span, "asked at start"),
            None => problem,
        });
    }
}

/// The only file of passwords that the configuration names, as it is written: where a key was opened, by that one.
fn opens_elsewhere<'a>(scope: &RuleContext<'a>) -> Option<&'a str> {
    let mut named = scope.deployment.credentials.iter().filter_map(|set| set.passwords.as_ref());
    let (token, path) = named.next()?;
    let is_plain = !token.text.contains(['$', '"', '\'', ' ', ';', '{', '}', '\\']);
    (is_plain && named.all(|(_, other)| other == path)).then_some(&*token.text)
}

/// `key-password-wrong`.
pub fn password_wrong<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    if let (Some((token, _, Err(KeyFault::Encrypted { tried: true }))), Some((passwords, _))) =
        (key_of(scope, one), &one.set.passwords)
    {
        let problem = Problem::new("key-password-wrong", passwords.span).with("path", &*passwords.text);
        sink.report(problem.with("key", &*token.text).related(token.span, "the key that no password opens"));
    }
}

/// `no-key`.
pub fn no_key<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    // A key that is looked for in the certificate's file is missing only where that can be read and holds none.
    let is_there = one.pair.key.is_some()
        && (!is_own_file(one) || scope.certificate_file(one.pair).is_none_or(|(_, file)| file.key().is_some()));
    if is_there || !one.is_loaded || scope.deployment.fragment && !own_words(scope, one) {
        return;
    }
    let at = one.pair.certificate.origin.place;
    let path = one.pair.certificate.get().map_or_else(|| scope.text(at), |(token, _)| token.text.to_string());
    let fits = scope.certificate_file(one.pair).and_then(|(_, file)| file.key()).is_some();
    let problem = Problem::new("no-key", at).case(if fits { "combined" } else { "" }).with("path", path);
    sink.report(problem);
}

/// Whether a site names certificates in its own block, so that nothing outside a fragment adds to them.
fn own_words<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>) -> bool {
    one.sites.iter().any(|site| scope.deployment.site(*site).has_own_credentials)
}

/// `no-certificate`.
pub fn no_certificate(scope: &RuleContext<'_>, _: EndpointId, endpoint: &Endpoint, sink: &mut Reporter) {
    if !matches!(endpoint.transport, Transport::Tls | Transport::Quic) || scope.deployment.fragment {
        return;
    }
    // Caddy has no default site whose certificate others would get.
    if endpoint.named.single_label {
        return unserved(scope, endpoint, sink);
    }
    let Some(default) = endpoint.unnamed.map(|id| endpoint.binding(id)) else { return };
    let is_bare = |site| {
        let site = scope.deployment.site(site);
        scope.deployment.credentials(site.credentials).pairs.is_empty() && site.rejects.get() == Some(&false)
    };
    let has_none = |site| scope.deployment.credentials(scope.deployment.site(site).credentials).pairs.is_empty();
    let with = endpoint.uses.iter().find(|one| one.tls);
    if !is_bare(default.site) && !has_none(default.site) {
        return;
    }
    let first = endpoint.first_uses();
    let mut report = |site, case: &'static str| {
        let Some(listen) = first.get(&site) else { return };
        let name = scope.site_name(scope.deployment.site(site));
        let problem = Problem::new("no-certificate", listen.span).case(case).with("site", name);
        let mut problem = problem.with("listen", endpoint.listen.to_string());
        if let Some(with) = with.filter(|with| with.span != listen.span) {
            problem = problem.related(with.span, "switches TLS on for this address and port");
        }
        sink.report(problem);
    };
    if is_bare(default.site) {
        report(default.site, "");
    } else if has_none(default.site) {
        // A default that rejects has no certificate to lend.
        for site in endpoint.sites().filter(|site| is_bare(*site)) {
            report(site, "behind-rejecting");
        }
    }
}

/// Names for which there is no certificate, on a socket that lends none of another site.
fn unserved(scope: &RuleContext<'_>, endpoint: &Endpoint, sink: &mut Reporter) {
    let is_open =
        |binding: &&Binding| !binding.rejects && scope.deployment.credentials(binding.credentials).pairs.is_empty();
    let mut open = endpoint.bindings.iter().filter(is_open).peekable();
    if open.peek().is_none() {
        return;
    }
    let first = endpoint.first_uses();
    for binding in open {
        let Some(listen) = first.get(&binding.site) else { continue };
        let site = scope.deployment.site(binding.site);
        let case = if site.names.iter().all(|name| name.kind == NameKind::None) { "all-hosts" } else { "unmanaged" };
        let problem = Problem::new("no-certificate", listen.span).case(case).with("site", scope.site_name(site));
        sink.report(problem.with("listen", endpoint.listen.to_string()));
    }
}

/// `certificate-key-mismatch`.
pub fn mismatch<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let (Some((certificate_token, file)), Some((key_token, key_file, Ok(key)))) =
        (scope.certificate_file(one.pair), key_of(scope, one))
    else {
        return;
    };
    let Some(leaf) = file.leaf() else { return };
    match key.belongs_to(leaf) {
        Some(false) => {}
        Some(true) => return,
        None => {
            let reason = format!("the public half of a key of kind {} cannot be derived here", key.kind.name());
            let what = "certificate-key-mismatch".into();
            sink.unjudged.push(Unchecked { what, reason: reason.into(), at: Some(key_token.span) });
            return;
        }
    }
    // nginx keeps one key for each type: pairs may be given crosswise.
    let is_given_crosswise = !one.set.keys_by_place
        && one.set.pairs.iter().enumerate().any(|(position, other)| {
            position != one.position
                && scope.key(other).is_some_and(|key| key.belongs_to(leaf) == Some(true))
                && scope.leaf(other).is_some_and(|other| !other.key.kind.same_type(&leaf.key.kind))
        });
    // The key belongs to a later block: the order of the file is what is wrong.
    // Where another file replaces the chain, the rest of this one is not looked at.
    let is_misordered = one.pair.chain.is_none()
        && file.certificates().skip(1).any(|(_, certificate)| key.belongs_to(certificate) == Some(true));
    // Keys of one type are compared when the pair is loaded, whatever comes behind.
    let same_type = is_compared(scope, one, key, leaf);
    if is_given_crosswise && !same_type || is_misordered || is_passed_over(scope, one) {
        return;
    }
    let mut problem = Problem::new("certificate-key-mismatch", key_token.span)
        .case(if same_type { "" } else { "type" })
        .with("certificate", &*certificate_token.text)
        .with("key", &*key_token.text)
        .with("certificate-kind", leaf.key.kind.name())
        .with("key-kind", key.kind.name())
        .with("key-size", size(key))
        .with(
            "names",
            one.sites
                .iter()
                .map(|site| scope.site_name(scope.deployment.site(*site)))
                .take(3)
                .collect::<Vec<_>>()
                .join(", "),
        )
        .related(
            certificate_token.span,
            format!("leaf {}, {}, block 1 of {}", leaf.short_name(), leaf.key.kind.name(), file.certificates().count()),
        );
    // Another key of the configuration or of the same folder that fits.
    let others = scope.library.iter().filter(|other| other.path != key_file.path && other.path != file.path);
    let fits = |other: &&PemFile| matches!(other.key(), Some((_, Ok(key))) if key.belongs_to(leaf) == Some(true));
    if let Some(fitting) = nearest(others.filter(fits), file) {
        let path = sibling(&key_token.text, &key_file.path, &fitting.path);
        let change = Change::UseKeyFile { written: key_token.span, path: path.clone() };
        problem = problem.case(if same_type { "at-hand" } else { "type-at-hand" }).with("fitting", path);
        problem.fix = scope.fix("use the key of this certificate", Safety::Safe, &change);
    }
    sink.report(problem);
}

/// Of several files that would do, the one that is most likely meant: in the folder of another, then called like it, then
/// the first by name.
pub fn nearest<'f>(files: impl Iterator<Item = &'f PemFile>, to: &PemFile) -> Option<&'f PemFile> {
    let far = |path: &Path| (path.parent() != to.path.parent(), path.file_stem() != to.path.file_stem());
    files.min_by(|one, two| (far(&one.path), &one.path).cmp(&(far(&two.path), &two.path)))
}

/// Whether httpd passes over a key that does not belong to its certificate: it asks the library whether it holds a pair
/// then, which an earlier key or certificate of the same kind may make (`ssl_init_server_certs`, `ssl_set_cert`,
/// `ssl_set_pkey`, `SSL_CTX_check_private_key`).
pub fn is_passed_over<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>) -> bool {
    if !one.set.keys_by_place || scope.deployment.platform.tls_library.kind != TlsLibraryKind::OpenSsl {
        return false;
    }
    let mut certificates: Vec<&Certificate> = Vec::new();
    let mut keys: Vec<&Key> = Vec::new();
    let mut current: &KeyKind = &KeyKind::Rsa;
    for pair in &one.set.pairs[..=one.position] {
        let leaf = scope.certificate_file(pair).and_then(|(_, file)| file.leaf());
        let Some((leaf, key)) = leaf.zip(scope.key(pair)) else { return false };
        certificates.retain(|other| !other.key.kind.same_type(&leaf.key.kind));
        certificates.push(leaf);
        keys.retain(|other| !other.kind.same_type(&leaf.key.kind) || other.belongs_to(leaf) != Some(false));
        current = &leaf.key.kind;
        let holds = certificates.iter().find(|other| other.key.kind.same_type(&key.kind));
        if holds.is_none_or(|other| key.belongs_to(other) != Some(false)) {
            keys.retain(|other| !other.kind.same_type(&key.kind));
            keys.push(key);
            current = &key.kind;
        }
    }
    let certificate = certificates.iter().find(|one| one.key.kind.same_type(current));
    let key = keys.iter().find(|one| one.kind.same_type(current));
    certificate.zip(key).is_some_and(|(certificate, key)| key.belongs_to(certificate) == Some(true))
}

/// Whether OpenSSL compares a key with a certificate that it does not belong to: the one of its pair where both are of one
/// type, else one of an earlier pair that holds the place of the key's type.
pub fn is_compared<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, key: &Key, leaf: &Certificate) -> bool {
    let earlier = one.set.pairs[..one.position].iter().rev();
    let own = key.kind.same_type(&leaf.key.kind);
    let first_of = |pair| scope.certificate_file(pair).and_then(|(_, file)| file.leaf());
    let in_place = || earlier.into_iter().filter_map(first_of).find(|other| key.kind.same_type(&other.key.kind));
    own || in_place().is_some_and(|other| key.belongs_to(other) == Some(false))
}

/// A path written as the user writes it: relative to the same folder where both files lie in one.
pub fn sibling(written: &str, located: &std::path::Path, other: &std::path::Path) -> String {
    let in_one_folder = located.parent() == other.parent();
    match (in_one_folder, written.rsplit_once('/'), other.file_name()) {
        (true, Some((folder, _)), Some(name)) => format!("{folder}/{}", name.to_string_lossy()),
        (true, None, Some(name)) => name.to_string_lossy().into_owned(),
        _ => other.display().to_string(),
    }
}

/// The kind of a key with its size where the kind does not tell it.
fn size(key: &Key) -> String {
    match key.kind {
        KeyKind::Rsa if key.bits > 0 => format!("RSA {}", key.bits),
        _ => key.kind.name(),
    }
}
