//! The `tls` directive: certificates, issuers, and the settings of a connection policy.
//!
//! Source: `parseTLS` and `ClientAuthentication.UnmarshalCaddyfile` of Caddy 2.6.2 and 2.11.4.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::acme_policies::{self, Written};
use super::authority::{self, Reader};
use super::{Lowering, include_chain, span_of, token};
use crate::diagnostic::{Edit, Fix, Problem, Safety, Severity};
use crate::model::Token;
use crate::server::caddy::config::{Client, Issuer, List, Settings};
use crate::server::caddy::directives::{self, Place};
use crate::server::caddy::syntax::{Node, Word};
use crate::source::Span;
use crate::tls::go::GoSuite;

/// What a `tls` directive says.
#[derive(Default)]
pub struct Tls {
    pub settings: Settings,
    /// Certificate and key.
    pub files: Option<(Word, Word)>,
    pub folders: Vec<Word>,
    /// Who signs; none where nothing is said.
    pub issuers: Vec<Issuer>,
    /// The same as written.
    pub written: Vec<Written>,
    /// Other words that count when policies are compared.
    pub extras: Vec<String>,
    pub key_type: Option<Arc<str>>,
    pub on_demand: bool,
    /// Where that is written.
    pub on_demand_at: Option<Span>,
    pub has_manager: bool,
    /// The managers as written.
    pub managers: Vec<String>,
    pub force_automate: bool,
}

/// What the shortcuts of ACME in one directive add up to.
#[derive(Default)]
struct Shortcuts {
    is_acme: bool,
    directory: Option<Token>,
    has_dns: bool,
    /// Options that need a provider of DNS.
    dns_options: Vec<Word>,
    is_internal: bool,
    /// What is set of ACME.
    written: BTreeMap<String, String>,
}

/// What the global options say that one `tls` directive hangs on.
#[derive(Clone, Copy, Default)]
pub struct Globals {
    /// A provider of DNS for all of the tls app, or for ACME.
    pub has_dns: bool,
}

/// Reads a `tls` directive.
pub fn read(lowering: &mut Lowering<'_>, node: &Node, globals: Globals) -> Tls {
    let mut tls = Tls::default();
    tls.settings.include_chain = include_chain(&node.name);
    let mut shortcuts = Shortcuts::default();
    first_line(lowering, node, &mut tls, &mut shortcuts);
    for inner in node.nodes() {
        if let Some(problem) = directives::check(&lowering.reading, Place::Tls, &inner.name) {
            lowering.problem(problem);
            continue;
        }
        subdirective(lowering, inner, &mut tls, &mut shortcuts, globals);
    }
    if let Some(word) = shortcuts.dns_options.first().filter(|_| !shortcuts.has_dns && !globals.has_dns) {
        let problem = Problem::new("invalid-argument", word.span).case("dns-option").with("name", &*word.text);
        lowering.problem(problem);
    }
    if !tls.issuers.is_empty() && (shortcuts.is_acme || shortcuts.is_internal) {
        lowering.problem(Problem::new("invalid-argument", node.name.span).case("mixed-issuers"));
    } else if shortcuts.is_acme && shortcuts.is_internal {
        lowering.problem(Problem::new("invalid-argument", node.name.span).case("two-issuers"));
    } else if shortcuts.is_acme {
        // Without a directory they are set of all issuers that Caddy takes by default.
        let module = if shortcuts.directory.is_some() { "acme" } else { "default" };
        tls.written = vec![Written { module: module.to_owned(), settings: shortcuts.written }];
        tls.issuers = vec![Issuer::Acme { directory: shortcuts.directory, has_dns: shortcuts.has_dns }];
    } else if shortcuts.is_internal {
        tls.written = vec![Written::new("internal")];
        tls.issuers = vec![Issuer::Internal];
    }
    tls
}

fn first_line(lowering: &mut Lowering<'_>, node: &Node, tls: &mut Tls, shortcuts: &mut Shortcuts) {
    match &node.words[..] {
        [] if node.nodes().is_empty() => {
            lowering.invalid(node.name.span, "caddy-count", "tls", "an argument or a block")
        }
        [] => {}
        [word] if word.is_unknown => lowering.not_judged("tls", "its argument hangs on a variable", word.span),
        [word] => match &*word.text {
            "internal" => shortcuts.is_internal = true,
            "force_automate" => {
                let reading = lowering.reading;
                if !reading.version.at_least(2, 9, 0) {
                    let assumed = reading.version_is_assumed;
                    lowering.problem(directives::too_new(
                        word.span,
                        "force_automate",
                        "2.9.0",
                        reading.version,
                        assumed,
                    ));
                }
                tls.force_automate = true;
            }
            "off" => {
                let problem = Problem::new("directive-removed", word.span).case("tls-off").with("name", "tls off");
                let problem = problem.with("last", "1.0.5").with("version", lowering.reading.version.to_string());
                lowering.problem(problem);
            }
            text if text.contains('@') => {
                shortcuts.is_acme = true;
                shortcuts.written.insert("email".to_owned(), format!("{text} []"));
            }
            text => {
                let problem = Problem::new("invalid-argument", word.span).case("tls-word").with("value", text);
                lowering.problem(problem);
            }
        },
        [certificate, key] => tls.files = Some((certificate.clone(), key.clone())),
        words => {
            let at = span_of(words).unwrap_or(node.name.span);
            lowering.invalid(at, "caddy-count", "tls", "one or two arguments");
        }
    }
}

/// The name in `issuer acme` of a subdirective of `tls` that sets something of ACME.
fn acme_name(name: &str) -> Option<&str> {
    Some(match name {
        "ca" => "dir",
        "ca_root" => "trusted_roots",
        "dns"
        | "dns_challenge_override_domain"
        | "propagation_delay"
        | "propagation_timeout"
        | "dns_ttl"
        | "resolvers"
        | "eab" => name,
        _ => return None,
    })
}

fn subdirective(lowering: &mut Lowering<'_>, node: &Node, tls: &mut Tls, shortcuts: &mut Shortcuts, globals: Globals) {
    let name = &*node.name.text;
    let exactly = |lowering: &mut Lowering<'_>, count: usize, wanted: &str| {
        let fits = node.words.len() == count;
        if !fits {
            lowering.invalid(node.arguments(), "caddy-count", name, wanted);
        }
        fits
    };
    if let Some(known) = acme_name(name) {
        shortcuts.written.insert(known.to_owned(), acme_policies::said(node));
    }
    match name {
        "protocols" => protocols(lowering, node, &mut tls.settings),
        "ciphers" => tls.settings.ciphers = ciphers(lowering, node),
        "curves" => tls.settings.groups = curves(lowering, node),
        "client_auth" => tls.settings.client = Some(client(lowering, node)),
        "alpn" if node.words.is_empty() => {
            lowering.invalid(node.name.span, "caddy-count", name, "one or more protocols")
        }
        "alpn" => tls.settings.alpn = list(node),
        "load" => tls.folders.extend(node.words.iter().cloned()),
        "ca" => {
            if exactly(lowering, 1, "the URL of a directory") {
                shortcuts.directory = node.words.first().map(token);
            }
            shortcuts.is_acme = true;
        }
        "ca_root" | "dns_challenge_override_domain" | "propagation_delay" | "propagation_timeout" | "dns_ttl" => {
            exactly(lowering, 1, "one argument");
            shortcuts.is_acme = true;
            if name != "ca_root" {
                shortcuts.dns_options.push(node.name.clone());
            }
        }
        "resolvers" => {
            if node.words.is_empty() {
                lowering.invalid(node.name.span, "caddy-count", name, "one or more addresses");
            }
            shortcuts.is_acme = true;
            shortcuts.dns_options.push(node.name.clone());
        }
        "eab" => {
            exactly(lowering, 2, "a key id and a key");
            shortcuts.is_acme = true;
        }
        "dns" => {
            shortcuts.is_acme = true;
            shortcuts.has_dns = true;
            match node.words.first() {
                Some(provider) => needs_plugin(lowering, provider, "dns.providers"),
                None if !globals.has_dns => lowering.invalid(node.name.span, "caddy-count", name, "a provider of DNS"),
                None => {}
            }
        }
        "key_type" => {
            exactly(lowering, 1, "one kind of key");
            tls.key_type = node.words.first().and_then(|word| key_type(lowering, word));
        }
        "on_demand" | "reuse_private_keys" => {
            exactly(lowering, 0, "no argument");
            if name == "on_demand" {
                tls.on_demand = true;
                tls.on_demand_at = Some(node.name.span);
            }
            tls.extras.push(name.to_owned());
        }
        "issuer" => {
            tls.written.push(Written::of(node));
            tls.issuers.extend(issuer(lowering, node));
        }
        "get_certificate" => {
            tls.has_manager = true;
            tls.managers.push(acme_policies::said(node));
            match node.words.first() {
                Some(word) if directives::find(Place::Manager, &word.text).is_none() => {
                    needs_plugin(lowering, word, "tls.get_certificate");
                }
                Some(_) => {}
                None => lowering.invalid(node.name.span, "caddy-count", name, "a module"),
            }
        }
        "insecure_secrets_log" => match node.words.first() {
            Some(word) => {
                tls.settings.secrets_log = Some(token(word));
                let mut problem = Problem::new("tls-secrets-logged", word.span).with("path", &*word.text);
                problem.fix = removal(node, "take the directive away");
                lowering.problem(problem);
            }
            None => lowering.invalid(node.name.span, "caddy-count", name, "a file"),
        },
        "renewal_window_ratio" => {
            exactly(lowering, 1, "one number between 0 and 1");
            tls.extras.push(acme_policies::said(node));
        }
        _ => {}
    }
}

/// Takes a directive of one line away, up to where its last word ends.
fn removal(node: &Node, title: &str) -> Option<Fix> {
    let words = || std::iter::once(&node.name).chain(&node.words);
    let can = node.block.is_none() && words().all(|word| word.is_verbatim && word.span.file == node.name.span.file);
    let span = node.name.span.to(node.arguments());
    let edits = vec![Edit { span, text: String::new() }];
    can.then(|| Fix { title: title.to_owned(), safety: Safety::Safe, edits })
}

/// A module that is not part of Caddy.
pub fn needs_plugin(lowering: &mut Lowering<'_>, word: &Word, namespace: &str) {
    if word.is_open() {
        return;
    }
    let problem = Problem::new("unknown-directive", word.span).case("plugin").severity(Severity::Info);
    let problem = problem.with("name", &*word.text).with("plugin", format!("{namespace}.{}", word.text));
    lowering.problem(problem);
}

fn list(node: &Node) -> Option<List> {
    let words: Vec<Token> = node.words.iter().map(token).collect();
    (!words.is_empty()).then(|| List { words, at: node.arguments() })
}

/// `protocols MIN [MAX]`; what follows is passed over.
fn protocols(lowering: &mut Lowering<'_>, node: &Node, settings: &mut Settings) {
    if node.words.is_empty() {
        return lowering.invalid(node.name.span, "caddy-count", "protocols", "one or two protocols");
    }
    for word in node.words.iter().take(2).filter(|word| !word.is_open()) {
        if !matches!(&*word.text, "tls1.2" | "tls1.3") {
            lowering.problem(unknown_protocol(word));
        }
    }
    settings.oldest = node.words.first().map(token);
    settings.newest = node.words.get(1).map(token);
    if let (Some(oldest), Some(newest)) = (&settings.oldest, &settings.newest)
        && (&*oldest.text, &*newest.text) == ("tls1.3", "tls1.2")
    {
        let problem = Problem::new("protocol-range-inverted", node.arguments());
        let problem = problem.with("oldest", "tls1.3").with("newest", "tls1.2");
        let edits = vec![Edit { span: node.arguments(), text: "tls1.2 tls1.3".to_owned() }];
        let can_swap = node.words.len() == 2 && node.words.iter().all(|word| word.is_verbatim);
        lowering.problem(match can_swap {
            true => problem.fix(Fix { title: "put the older one first".to_owned(), safety: Safety::Safe, edits }),
            false => problem,
        });
    }
}

/// A protocol that Caddy does not take: the spelling of other servers is mapped, older ones are not to be had.
pub fn unknown_protocol(word: &Word) -> Problem {
    let problem = Problem::new("unknown-protocol", word.span).with("word", &*word.text).with("known", "tls1.2 tls1.3");
    let letters: String = word.text.chars().filter(char::is_ascii_alphanumeric).collect();
    let meant = match &*letters.to_ascii_lowercase() {
        "tls12" | "tlsv12" | "12" => "tls1.2",
        "tls13" | "tlsv13" | "13" => "tls1.3",
        _ => return problem,
    };
    let problem = problem.case("misspelt").with("meant", meant);
    if !word.is_verbatim {
        return problem;
    }
    let edits = vec![Edit { span: word.span, text: meant.to_owned() }];
    problem.fix(Fix { title: format!("write `{meant}`"), safety: Safety::Safe, edits })
}

/// `ciphers`: Go's names, letter by letter; OpenSSL's are mapped in the help.
fn ciphers(lowering: &mut Lowering<'_>, node: &Node) -> Option<List> {
    let go = lowering.platform.tls_library.version.numbers;
    for word in node.words.iter().filter(|word| !word.is_open()) {
        let found = GoSuite::find(&word.text);
        if found.is_some_and(|suite| suite.is_in(go)) {
            continue;
        }
        let problem = Problem::new("unknown-cipher", word.span)
            .with("word", &*word.text)
            .with("library", lowering.platform.tls_library.name.clone())
            .severity(Severity::Error);
        let same = |suite: &&GoSuite| {
            suite.is_in(go)
                && (suite.openssl.eq_ignore_ascii_case(&word.text)
                    || suite.name.eq_ignore_ascii_case(&word.text)
                    || suite.name.strip_suffix("_SHA256").is_some_and(|short| short.eq_ignore_ascii_case(&word.text)))
        };
        let meant = GoSuite::all().iter().find(same);
        let problem = match (meant, found) {
            (Some(meant), _) => {
                let problem = problem.case("caddy-meant").with("meant", meant.name);
                let edits = vec![Edit { span: word.span, text: meant.name.to_owned() }];
                match word.is_verbatim {
                    true => problem.fix(Fix { title: format!("write {}", meant.name), safety: Safety::Safe, edits }),
                    false => problem,
                }
            }
            (None, Some(_)) => problem.case("caddy-gone"),
            (None, None) => problem.case("caddy"),
        };
        lowering.problem(problem);
    }
    list(node)
}

fn curves(lowering: &mut Lowering<'_>, node: &Node) -> Option<List> {
    for word in node.words.iter().filter(|word| !word.is_open()) {
        match directives::find(Place::Curve, &word.text) {
            Some(_) => {
                let problem = directives::check(&lowering.reading, Place::Curve, word);
                lowering.problems.extend(problem);
            }
            None => {
                let problem = Problem::new("unknown-group", word.span).with("word", &*word.text);
                let known = directives::names(Place::Curve).collect::<Vec<_>>().join(", ");
                lowering.problem(problem.with("known", known));
            }
        }
    }
    list(node)
}

/// A kind of key that Caddy can make.
pub fn key_type(lowering: &mut Lowering<'_>, word: &Word) -> Option<Arc<str>> {
    if !word.is_open() && !matches!(&*word.text, "ed25519" | "p256" | "p384" | "rsa2048" | "rsa4096") {
        let problem = Problem::new("invalid-argument", word.span).case("key-type").with("value", &*word.text);
        lowering.problem(problem);
    }
    Some(Arc::clone(&word.text))
}

/// `issuer MODULE ...`, also as the global option `cert_issuer`.
pub fn issuer(lowering: &mut Lowering<'_>, node: &Node) -> Option<Issuer> {
    let Some(module) = node.words.first() else {
        lowering.invalid(node.name.span, "caddy-count", &node.name.text, "a module");
        return None;
    };
    let inner = |name: &str| node.nodes().iter().find(|inner| inner.is(name));
    Some(match &*module.text {
        "internal" => Issuer::Internal,
        "acme" => Issuer::Acme {
            directory: node.words.get(1).or_else(|| inner("dir")?.words.first()).map(token),
            has_dns: inner("dns").is_some(),
        },
        "zerossl" => Issuer::Acme { directory: Some(token(module)), has_dns: inner("dns").is_some() },
        other => {
            needs_plugin(lowering, module, "tls.issuance");
            Issuer::Other(other.into())
        }
    })
}

/// A client authentication that asks for nothing, or has nobody to ask.
pub fn judge_client(lowering: &mut Lowering<'_>, client: &Client) {
    let has_judge = client.has_authority || client.has_leaf || client.has_verifier;
    match &client.mode {
        None if !has_judge => lowering.problem(Problem::new("client-auth-empty", client.at)),
        Some(mode) if !has_judge && matches!(&*mode.text, "require_and_verify" | "verify_if_given") => {
            lowering.problem(Problem::new("client-verify-without-ca", mode.span).severity(Severity::Warning));
        }
        _ => {}
    }
}

fn is_module(word: &Word, known: &[&str]) -> bool {
    word.is_open() || known.contains(&&*word.text)
}

/// `trust_pool MODULE ...`: the files of the module `file`.
fn trust_pool(lowering: &mut Lowering<'_>, node: &Node, module: &Word) -> Vec<(Token, PathBuf)> {
    if !is_module(module, &["file", "http", "inline", "pki_intermediate", "pki_root", "storage"]) {
        needs_plugin(lowering, module, "tls.ca_pool.source");
    }
    if &*module.text != "file" {
        return Vec::new();
    }
    let inside = node.nodes().iter().filter(|one| one.is("pem_file") || one.is("pem_files")).flat_map(|one| &one.words);
    let files: Vec<&Word> = node.words.iter().skip(1).chain(inside).collect();
    if files.is_empty() {
        lowering.invalid(module.span, "caddy-count", "trust_pool file", "one or more files");
    }
    let located: Vec<(Token, PathBuf)> = files.iter().map(|file| (token(file), lowering.locate(&file.text))).collect();
    for (file, path) in &located {
        authority::check(lowering, file, path.clone(), Reader::Pool);
    }
    located
}

/// `client_auth`.
fn client(lowering: &mut Lowering<'_>, node: &Node) -> Client {
    let mut client = Client {
        mode: None,
        has_authority: false,
        files: Vec::new(),
        has_leaf: false,
        has_verifier: false,
        at: node.name.span,
    };
    for inner in node.nodes() {
        if let Some(problem) = directives::check(&lowering.reading, Place::ClientAuth, &inner.name) {
            lowering.problem(problem);
            continue;
        }
        let name = &*inner.name.text;
        let Some(word) = inner.words.first() else {
            lowering.invalid(inner.name.span, "caddy-count", name, "an argument");
            continue;
        };
        match name {
            "mode" => {
                let known = ["request", "require", "verify_if_given", "require_and_verify"];
                if !word.is_open() && !known.contains(&&*word.text) {
                    let problem = Problem::new("invalid-argument", word.span).case("client-mode");
                    lowering.problem(problem.with("value", &*word.text).with("known", known.join(", ")));
                }
                client.mode = Some(token(word));
            }
            "trusted_ca_cert" => client.has_authority = true,
            "trusted_ca_cert_file" | "trusted_leaf_cert_file" => {
                let (file, path) = (token(word), lowering.locate(&word.text));
                authority::check(lowering, &file, path.clone(), Reader::Adapter);
                match name {
                    "trusted_ca_cert_file" => {
                        client.has_authority = true;
                        client.files.push((file, path));
                    }
                    _ => client.has_leaf = true,
                }
            }
            "trust_pool" => {
                client.has_authority = true;
                client.files = trust_pool(lowering, inner, word);
            }
            "verifier" => {
                if !is_module(word, &["leaf"]) {
                    needs_plugin(lowering, word, "tls.client_auth.verifier");
                }
                client.has_verifier = true;
            }
            _ => client.has_leaf = true,
        }
    }
    judge_client(lowering, &client);
    client
}
