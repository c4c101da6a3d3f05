//! The global options, as far as TLS hangs on them.
//!
//! Source: Caddy 2.11.4, `caddyconfig/httpcaddyfile/options.go` and `serveroptions.go`.

use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::HashSet;

use super::acme_policies::{self, Written};
use super::tls::{self, Globals};
use super::{Lowering, admin, token};
use crate::diagnostic::Problem;
use crate::model::Token;
use crate::server::caddy::config::{Automatic, Issuer, Storage};
use crate::server::caddy::directives::{self, Place};
use crate::server::caddy::syntax::{Node, Word};
use crate::source::Span;

/// What the global options say.
pub struct Options<'s> {
    pub http_port: u16,
    pub https_port: u16,
    pub automatic: Automatic,
    pub default_sni: Option<Arc<str>>,
    pub fallback_sni: Option<Arc<str>>,
    /// The same as written.
    pub default_name: Option<Token>,
    /// The same as written.
    pub fallback_name: Option<Token>,
    pub default_bind: Vec<Word>,
    pub issuers: Vec<Issuer>,
    /// The same as written.
    pub written: Vec<Written>,
    /// Defaults of ACME, by the name that they have in `issuer acme`.
    pub acme_defaults: BTreeMap<String, String>,
    /// Other words that every automation policy has.
    pub extras: Vec<String>,
    pub local_certificates: bool,
    pub key_type: Option<Arc<str>>,
    /// The directory of `acme_ca`.
    pub directory: Option<Token>,
    pub has_dns: bool,
    pub permission: Option<Span>,
    pub stapling_off: Option<Span>,
    pub storage: Storage,
    pub servers: Vec<ServerOptions>,
    /// Directives that `order` puts in place: those that Caddy does not have, a plug-in brings.
    pub ordered: HashSet<&'s str>,
}

/// One `servers` block.
pub struct ServerOptions {
    /// The listener that it is for; absent: all.
    pub listener: Option<Arc<str>>,
    pub has_h2: bool,
    pub has_h3: bool,
    pub proxy_protocol: bool,
    /// Where requests for one host may come by a connection for another.
    pub any_host: Option<Span>,
}

impl Options<'_> {
    pub fn globals(&self) -> Globals {
        Globals { has_dns: self.has_dns }
    }
}

/// Reads the global options.
pub fn read<'s>(lowering: &mut Lowering<'_>, nodes: &'s [Node]) -> Options<'s> {
    let mut options = Options {
        http_port: 80,
        https_port: 443,
        automatic: Automatic::default(),
        default_sni: None,
        fallback_sni: None,
        default_name: None,
        fallback_name: None,
        default_bind: Vec::new(),
        issuers: Vec::new(),
        written: Vec::new(),
        acme_defaults: BTreeMap::new(),
        extras: Vec::new(),
        local_certificates: false,
        key_type: None,
        directory: None,
        has_dns: false,
        permission: None,
        stapling_off: None,
        storage: Storage::Default,
        servers: Vec::new(),
        ordered: nodes
            .iter()
            .filter(|node| node.is("order"))
            .filter_map(|node| Some(&*node.words.first()?.text))
            .collect(),
    };
    for node in nodes {
        if let Some(problem) = directives::check(&lowering.reading, Place::Global, &node.name) {
            lowering.problem(problem.with("braces", ""));
            continue;
        }
        option(lowering, node, &mut options);
    }
    local_and_issuer(lowering, nodes);
    options.servers.sort_by_key(|one| std::cmp::Reverse(one.listener.as_ref().map_or(0, |text| text.len())));
    options
}

/// `local_certs` names an issuer too.
fn local_and_issuer(lowering: &mut Lowering<'_>, nodes: &[Node]) {
    let find = |name: &str| nodes.iter().find(|node| node.is(name));
    if let (Some(local), Some(issuer)) = (find("local_certs"), find("cert_issuer")) {
        let problem = Problem::new("invalid-argument", local.name.span).case("local-certificates");
        lowering.problem(problem.related(issuer.name.span, "names an issuer too"));
    }
}

fn option(lowering: &mut Lowering<'_>, node: &Node, options: &mut Options<'_>) {
    let first = node.words.first();
    let name = &*node.name.text;
    let text = || first.filter(|word| !word.is_open()).map(|word| Arc::clone(&word.text));
    let acme = match name {
        "acme_ca" => Some("dir"),
        "acme_ca_root" => Some("trusted_roots"),
        "acme_dns" => Some("dns"),
        "acme_eab" => Some("eab"),
        "email" | "preferred_chains" => Some(name),
        _ => None,
    };
    if let Some(acme) = acme {
        options.acme_defaults.insert(acme.to_owned(), acme_policies::said(node));
    }
    if matches!(name, "ocsp_stapling" | "renewal_window_ratio") {
        options.extras.push(format!("{name} {}", acme_policies::said(node)));
    }
    match name {
        "http_port" => options.http_port = port(lowering, node).unwrap_or(options.http_port),
        "https_port" => options.https_port = port(lowering, node).unwrap_or(options.https_port),
        "auto_https" => auto_https(lowering, node, &mut options.automatic),
        "default_sni" if first.is_some_and(|word| !word.is_open()) => {
            options.default_name = first.map(token);
            options.default_sni = text().map(|name| name.to_lowercase().into());
        }
        "fallback_sni" if first.is_some_and(|word| !word.is_open()) => {
            options.fallback_name = first.map(token);
            options.fallback_sni = text().map(|name| name.to_lowercase().into());
        }
        "default_bind" => options.default_bind.extend(node.words.iter().cloned()),
        "cert_issuer" => {
            options.written.push(Written::of(node));
            options.issuers.extend(tls::issuer(lowering, node));
        }
        "local_certs" => options.local_certificates = true,
        "key_type" => options.key_type = first.and_then(|word| tls::key_type(lowering, word)),
        "acme_ca" => options.directory = first.map(token),
        "acme_dns" | "dns" => {
            options.has_dns = true;
            if let Some(provider) = first {
                tls::needs_plugin(lowering, provider, "dns.providers");
            }
        }
        "on_demand_tls" => {
            for inner in node.nodes() {
                match directives::check(&lowering.reading, Place::OnDemand, &inner.name) {
                    Some(problem) => lowering.problem(problem),
                    None if inner.is("ask") || inner.is("permission") => options.permission = Some(inner.name.span),
                    None => {}
                }
            }
        }
        "ocsp_stapling" if first.is_some_and(|word| &*word.text == "off") => {
            options.stapling_off = Some(node.arguments());
        }
        "storage" => {
            options.storage = match (first.map(|word| &*word.text), node.words.get(1)) {
                (Some("file_system"), Some(root)) if !root.is_open() => Storage::Folder(lowering.locate(&root.text)),
                (Some("file_system"), None) => {
                    let root = node.nodes().iter().find(|inner| inner.is("root"));
                    match root.and_then(|root| root.words.first()).filter(|word| !word.is_open()) {
                        Some(root) => Storage::Folder(lowering.locate(&root.text)),
                        None => Storage::Elsewhere,
                    }
                }
                _ => Storage::Elsewhere,
            };
        }
        "admin" => {
            let has_origins = node.nodes().iter().any(|inner| inner.is("origins") && !inner.words.is_empty());
            let address = first.filter(|word| !word.is_open() && &*word.text != "off" && !has_origins);
            let problem = address.and_then(|word| admin::exposed(&token(word), ""));
            problem.into_iter().for_each(|problem| lowering.problem(problem));
        }
        "servers" => options.servers.push(servers(lowering, node)),
        _ => {}
    }
}

fn port(lowering: &mut Lowering<'_>, node: &Node) -> Option<u16> {
    let word = node.words.first();
    if word.is_some_and(Word::is_open) {
        return None;
    }
    let port = word.and_then(|word| word.text.parse().ok()).filter(|_| node.words.len() == 1);
    if port.is_none() {
        lowering.invalid(node.arguments(), "caddy-count", &node.name.text, "one port");
    }
    port
}

fn auto_https(lowering: &mut Lowering<'_>, node: &Node, automatic: &mut Automatic) {
    if node.words.is_empty() {
        lowering.invalid(node.name.span, "caddy-count", "auto_https", "one or more of its switches");
    }
    let several = lowering.reading.version.at_least(2, 9, 0);
    if let Some(second) = node.words.get(1).filter(|_| !several) {
        let reading = lowering.reading;
        let assumed = reading.version_is_assumed;
        lowering.problem(directives::too_new(second.span, "several switches", "2.9.0", reading.version, assumed));
    }
    for word in &node.words {
        if let Some(problem) = directives::check(&lowering.reading, Place::AutoHttps, word) {
            let is_unknown = problem.rule.as_str() == "unknown-directive";
            let known = "off, disable_redirects, disable_certs, ignore_loaded_certs";
            lowering.problem(match is_unknown {
                true => Problem::new("invalid-argument", word.span)
                    .case("value")
                    .with("name", "auto_https")
                    .with("value", &*word.text)
                    .with("expected", known),
                false => problem,
            });
            continue;
        }
        match &*word.text {
            "off" => automatic.off = true,
            "disable_certs" => automatic.no_certificates = true,
            "ignore_loaded_certs" => automatic.ignores_loaded = true,
            _ => {}
        }
    }
}

fn servers(lowering: &mut Lowering<'_>, node: &Node) -> ServerOptions {
    let listener = node.words.first().map(|word| Arc::clone(&word.text));
    let mut options = ServerOptions { listener, has_h2: true, has_h3: true, proxy_protocol: false, any_host: None };
    for inner in node.nodes() {
        if let Some(problem) = directives::check(&lowering.reading, Place::Servers, &inner.name) {
            lowering.problem(problem);
            continue;
        }
        match &*inner.name.text {
            "protocols" => {
                let has = |name: &str| inner.words.iter().any(|word| &*word.text == name);
                (options.has_h2, options.has_h3) = (has("h2"), has("h3"));
            }
            // It took the place of all others (Caddy 2.6.2, `parseServerOptions`).
            "protocol" if inner.nodes().iter().any(|one| one.is("allow_h2c")) => {
                let says_all = node.nodes().iter().any(|one| one.is("protocols"));
                (options.has_h2, options.has_h3) = (says_all && options.has_h2, says_all && options.has_h3);
            }
            "strict_sni_host" if inner.words.first().is_some_and(|word| &*word.text == "insecure_off") => {
                options.any_host = Some(inner.arguments());
            }
            "listener_wrappers" => options.proxy_protocol = inner.nodes().iter().any(|one| one.is("proxy_protocol")),
            _ => {}
        }
    }
    options
}
