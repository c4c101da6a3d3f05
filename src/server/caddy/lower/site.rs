//! One site block: its addresses, where it binds, and what its directives say of TLS.

use std::sync::Arc;

use foldhash::{HashSet, HashSetExt};

use super::address::{self, Address, AddressFault};
use super::global::Options;
use super::tls::{self, Tls};
use super::{Lowering, include_chain, token};
use super::{answer, name, upstream, webroot};
use crate::diagnostic::Problem;
use crate::model::{Name, NameKind, Token};
use crate::server::caddy::config::SiteDraft;
use crate::server::caddy::directives::{self, Place};
use crate::server::caddy::syntax::{Section, Word};
use crate::source::Span;

/// An address of a site.
pub struct Key {
    pub address: Address,
    pub word: Word,
    /// Whether the host hangs on a variable that is not given.
    pub is_opaque: bool,
}

/// A site block, read.
pub struct Site {
    pub keys: Vec<Key>,
    pub tls: Vec<Tls>,
    /// Arguments of `bind`; none where it is not written.
    pub bind: Vec<Word>,
    pub draft: SiteDraft,
}

/// Reads a site block.
pub fn read(lowering: &mut Lowering<'_>, section: &Section, options: &Options<'_>) -> Site {
    let mut problems = Vec::new();
    directives::check_site(&lowering.reading, section, &options.ordered, &mut problems);
    // Words that a quote or a heredoc has swallowed are not counted.
    if lowering.is_broken {
        problems.retain(|one: &Problem| one.rule.as_str() != "invalid-argument");
    }
    if !section.has_braces {
        // One site may go without braces; a second address then looks like a directive.
        let unknown = |problem: &Problem| problem.rule.as_str() == "unknown-directive" && problem.case == "unknown";
        for problem in problems.iter_mut().filter(|one| unknown(one)) {
            problem.case = "second-site";
        }
    }
    lowering.problems.append(&mut problems);
    let head = section.keys.first().map_or(section.block.open, |key| key.span);
    let mut site = Site { keys: Vec::new(), tls: Vec::new(), bind: Vec::new(), draft: draft(lowering, section, head) };
    let mut seen = HashSet::new();
    for word in &section.keys {
        site.keys.extend(key(lowering, word, options, &mut site.draft.opaque));
    }
    for key in &site.keys {
        let kind = if key.is_opaque { continue } else { name::kind(&key.address.host) };
        if seen.insert(Arc::<str>::from(key.address.host.as_str())) {
            let token = Token::new(key.address.host.as_str(), key.word.span);
            site.draft.names.push(Name { token, kind });
        }
    }
    for node in &section.block.nodes {
        match &*node.name.text {
            "tls" => {
                let tls = tls::read(lowering, node, options.globals());
                site.tls.push(tls);
            }
            "bind" => site.bind.extend(node.words.iter().cloned()),
            _ => {}
        }
    }
    site.draft.proxies = upstream::of_directives(lowering, &section.block.nodes);
    site.draft.has_tls = !site.tls.is_empty();
    site.draft.asks = site.tls.iter().any(|tls| !tls.issuers.is_empty());
    site
}

fn draft(lowering: &Lowering<'_>, section: &Section, head: Span) -> SiteDraft {
    let close = section.block.close;
    let block = match close.file == head.file && close.end >= head.start {
        true => head.to(close),
        false => head,
    };
    SiteDraft {
        head,
        block,
        include_chain: section.keys.first().and_then(include_chain),
        names: Vec::new(),
        settings: None,
        loaders: Vec::new(),
        has_tls: false,
        asks: false,
        opaque: None,
        answers: answer::of_directives(&section.block.nodes),
        proxies: Vec::new(),
        webroots: webroot::of_directives(&section.block.nodes, &|path| lowering.locate(path)),
    }
}

/// Reads one address. What hangs on a variable alone may be anything, a port too.
fn key(lowering: &mut Lowering<'_>, word: &Word, options: &Options<'_>, opaque: &mut Option<Span>) -> Option<Key> {
    let text = &*word.text;
    if word.is_unknown {
        let reason = format!("`{text}` hangs on a variable that is not given (see --define)");
        lowering.not_judged("site-address", reason, word.span);
        *opaque = Some(word.span);
        if is_all_variable(text) {
            return None;
        }
    }
    if lowering.reading.version.at_least(2, 8, 0) && directives::find(Place::Site, text).is_some() {
        let problem = Problem::new("directive-not-allowed-here", word.span).case("top");
        lowering.problem(problem.with("name", text).with("context", "the top of a Caddyfile"));
        return None;
    }
    let invalid = |case| Problem::new("invalid-argument", word.span).case(case).with("value", text);
    let address = match address::parse(text) {
        // Up to 2.6 any scheme will do, and is no `http`.
        Err(AddressFault::Scheme(address)) if !lowering.reading.version.at_least(2, 7, 0) => address,
        Ok(address) => address,
        Err(fault) => {
            let case = match fault {
                AddressFault::Port => "address-port",
                AddressFault::Scheme(_) => "address-scheme",
            };
            if !word.is_open() {
                lowering.problem(invalid(case));
            }
            return None;
        }
    };
    let port = port(&address, options);
    let (http, https) = (address.scheme == "http", address.scheme == "https");
    if (http && port == options.https_port) || (https && port == options.http_port) {
        let problem = Problem::new("scheme-port-conflict", word.span).with("value", text);
        lowering.problem(problem.with("scheme", address.scheme.clone()).with("port", port.to_string()));
        return None;
    }
    let is_opaque = word.is_unknown && address.host.contains("{$");
    Some(Key { address, word: word.clone(), is_opaque })
}

/// The port that an address listens on.
pub fn port(address: &Address, options: &Options<'_>) -> u16 {
    match address.port {
        Some(port) => port,
        None if address.scheme == "http" => options.http_port,
        None => options.https_port,
    }
}

/// Whether nothing of an address is known but a variable at its beginning.
fn is_all_variable(text: &str) -> bool {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let has_scheme = rest.len() != text.len();
    rest.starts_with("{$") && !has_scheme && rest.find('}').is_some_and(|end| !rest[end..].contains('.'))
}

impl Site {
    /// The hosts of some of its addresses, each once and sorted; none where one of them stands for all hosts.
    pub fn hosts(&self, keys: &[usize]) -> Vec<Arc<str>> {
        let keys = || keys.iter().map(|at| &self.keys[*at]);
        if keys().any(|key| key.address.host.is_empty()) {
            return Vec::new();
        }
        let mut hosts: Vec<Arc<str>> = keys().map(|key| key.address.host.as_str().into()).collect();
        hosts.sort_unstable();
        hosts.dedup();
        hosts
    }

    /// Whether some host of it is a wildcard or stands for all.
    pub fn is_wild(&self, keys: &[usize]) -> bool {
        keys.iter().any(|at| matches!(name::kind(&self.keys[*at].address.host), kind if kind != NameKind::Exact))
    }

    /// The address of a key as a token of the model.
    pub fn host(&self, key: usize) -> Token {
        Token { text: self.keys[key].address.host.as_str().into(), ..token(&self.keys[key].word) }
    }
}
