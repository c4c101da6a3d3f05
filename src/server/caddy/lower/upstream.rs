//! Where requests are sent on to, and how TLS is spoken there: `reverse_proxy` and what is made of it, in a Caddyfile and in
//! JSON.
//!
//! Source: Caddy 2.6.2 and 2.11.4, `modules/caddyhttp/reverseproxy`: `addresses.go`, `caddyfile.go`, and
//! `TLSConfig.MakeTLSClientConfig` in `httptransport.go`, which reads its files when Caddy starts.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Lowering, include_chain, token};
use crate::diagnostic::{Problem, UncheckedReason};
use crate::model::{
    Address, Credential, Origin, ProtocolChoice, Setting, Token, UpstreamAuthorities, UpstreamPolicy, UpstreamTarget,
    UpstreamTransport, UpstreamVerification,
};
use crate::platform;
use crate::server::caddy::config::{Proxy, ProxyTls};
use crate::server::caddy::json::Value;
use crate::server::caddy::syntax::{Node, Word, has_placeholder};
use crate::source::Span;
use crate::tls::Protocol;

/// How deep handlers are followed.
const DEPTH: usize = 32;

/// The proxies of a site block.
pub fn of_directives(lowering: &mut Lowering<'_>, nodes: &[Node]) -> Vec<Proxy> {
    let mut found = Vec::new();
    directives(lowering, nodes, DEPTH, &mut found);
    found
}

fn directives(lowering: &mut Lowering<'_>, nodes: &[Node], depth: usize, found: &mut Vec<Proxy>) {
    if depth == 0 {
        return;
    }
    for node in nodes {
        match &*node.name.text {
            "reverse_proxy" => found.extend(proxy(lowering, node)),
            "forward_auth" => found.extend(proxy(lowering, node)),
            "handle" | "handle_path" | "handle_errors" | "route" => {
                directives(lowering, node.nodes(), depth - 1, found);
            }
            _ => {}
        }
    }
}

/// The scheme, the host and the port of an address that has a scheme.
fn parts(text: &str) -> Option<(&str, &str, &str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, more) = rest.split_at(end);
    let (host, port) = match (authority.rfind(':'), authority.rfind(']')) {
        (Some(colon), bracket) if bracket.is_none_or(|bracket| bracket < colon) => {
            (&authority[..colon], &authority[colon + 1..])
        }
        _ => (authority, ""),
    };
    Some((scheme, host, port, more))
}

/// Reads one `reverse_proxy`. Absent where it names nobody.
fn proxy(lowering: &mut Lowering<'_>, node: &Node) -> Option<Proxy> {
    let is_matcher = |word: &&Word| &*word.text == "*" || word.text.starts_with(['/', '@']);
    let matcher = usize::from(node.words.first().filter(is_matcher).is_some());
    let inner = node.nodes().iter().filter(|one| one.is("to")).flat_map(|one| &one.words);
    let addresses: Vec<&Word> = node.words.iter().skip(matcher).chain(inner).collect();
    let transport = node.nodes().iter().find(|one| one.is("transport"));
    let module = transport.and_then(|transport| transport.words.first()).map_or("", |word| &*word.text);
    let mut tls = transport.filter(|_| module == "http").and_then(|transport| settings(lowering, transport));
    let before = lowering.problems.len();
    let scheme = common_scheme(lowering, &addresses);
    match (scheme, &tls) {
        (Some(("http", word)), Some(tls)) => {
            let problem = Problem::new("proxy-scheme-conflict", word.span).case("tls").with("target", &*word.text);
            lowering.problem(problem.related(tls.at, "speaks TLS"));
        }
        (Some(("https", word)), _) if module == "fastcgi" => {
            let problem = Problem::new("proxy-scheme-conflict", word.span).case("fastcgi").with("target", &*word.text);
            lowering.problem(problem);
        }
        (Some(("https", word)), None) => tls = Some(ProxyTls::at(word.span)),
        _ => {}
    }
    if lowering.problems.len() > before || addresses.is_empty() {
        return None;
    }
    let targets: Vec<Token> = addresses.iter().map(|word| token(word)).collect();
    Some(Proxy { at: node.arguments(), include_chain: include_chain(&node.name), targets, tls })
}

/// The scheme that the addresses of a proxy have in common: that of the last, where each has the one of the one before it, if
/// that has any. With the address that it is written in.
fn common_scheme<'w>(lowering: &mut Lowering<'_>, addresses: &[&'w Word]) -> Option<(&'w str, &'w Word)> {
    let mut common: Option<(&str, &Word)> = None;
    for word in addresses.iter().filter(|word| !word.is_unknown) {
        let Some((scheme, _, port, more)) = parts(&word.text) else {
            // Nobody knows what a placeholder brings.
            if let Some((other, first)) = common.filter(|_| !word.is_open()) {
                let problem = Problem::new("proxy-scheme-conflict", word.span).case("mixed");
                let problem = problem.with("target", &*word.text).with("scheme", "").with("other", other);
                lowering.problem(problem.related(first.span, "the one before"));
            }
            common = None;
            continue;
        };
        if has_placeholder(&word.text) {
            let problem = Problem::new("invalid-argument", word.span).case("upstream-placeholder");
            lowering.problem(problem.with("value", &*word.text));
            continue;
        }
        if !more.is_empty() {
            let problem = Problem::new("invalid-argument", word.span).case("upstream-path");
            lowering.problem(problem.with("value", &*word.text).with("path", more));
            continue;
        }
        let problem =
            Problem::new("proxy-scheme-conflict", word.span).with("target", &*word.text).with("scheme", scheme);
        if matches!((scheme, port), ("http" | "h2c", "443") | ("https", "80")) {
            let other = if scheme == "https" { "http" } else { "https" };
            lowering.problem(problem.with("other", other).with("port", port));
        } else if let Some((other, first)) = common.filter(|(other, _)| *other != scheme) {
            lowering.problem(problem.case("mixed").with("other", other).related(first.span, "the one before"));
        }
        common = Some((scheme, word));
    }
    common
}

/// The TLS settings of `transport http`. Absent where it does not speak TLS.
fn settings(lowering: &mut Lowering<'_>, transport: &Node) -> Option<ProxyTls> {
    let mut tls: Option<ProxyTls> = None;
    for node in transport.nodes() {
        let name = &*node.name.text;
        if !matches!(name, "tls" | "tls_client_auth" | "tls_insecure_skip_verify" | "tls_server_name")
            && !matches!(name, "tls_trust_pool" | "tls_trusted_ca_certs" | "tls_timeout" | "tls_curves")
            && name != "tls_renegotiation"
        {
            continue;
        }
        let tls = tls.get_or_insert_with(|| ProxyTls::at(node.name.span));
        let first = node.words.first();
        match name {
            "tls_insecure_skip_verify" => tls.unverified = Some(node.name.span),
            "tls_server_name" => tls.name = first.map(token),
            "tls_client_auth" => {
                if let [certificate, key] = &node.words[..] {
                    tls.client = Some((located(lowering, token(certificate)), located(lowering, token(key))));
                }
            }
            "tls_trusted_ca_certs" => {
                let files = node.words.iter().map(|word| located(lowering, token(word)));
                tls.trust = Some(files.collect());
            }
            "tls_trust_pool" => {
                let inside = node.nodes().iter().filter(|one| one.is("pem_file")).flat_map(|one| &one.words);
                let files = node.words.iter().skip(1).chain(inside);
                let is_file = first.is_some_and(|module| &*module.text == "file");
                tls.trust = Some(match is_file {
                    true => files.map(|word| located(lowering, token(word))).collect(),
                    false => Vec::new(),
                });
            }
            _ => {}
        }
    }
    if let Some(tls) = &tls {
        read_at_start(lowering, tls);
    }
    tls
}

fn located(lowering: &Lowering<'_>, token: Token) -> (Token, PathBuf) {
    let path = lowering.locate(&token.text);
    (token, path)
}

/// Files of authorities that Caddy reads when it starts: those that are not there stop it, whatever else is in them.
fn read_at_start(lowering: &mut Lowering<'_>, tls: &ProxyTls) {
    for (token, path) in tls.trust.iter().flatten() {
        if has_placeholder(&token.text) {
            lowering.not_judged("upstream file", "the path hangs on what only the running server knows", token.span);
            continue;
        }
        match lowering.reading.files.metadata(path) {
            Ok(_) => {}
            Err(error) if error.is_hidden() => {
                lowering.not_judged("upstream file", UncheckedReason::hidden(&error, &token.text), token.span);
            }
            Err(error) => {
                let problem = Problem::new("proxy-scheme-conflict", token.span).case("trust");
                lowering.problem(problem.with("path", &*token.text).with("reason", error.to_string()));
            }
        }
    }
}

/// The proxies of the routes of a JSON server.
pub fn of_routes<'v>(lowering: &mut Lowering<'_>, routes: impl Iterator<Item = &'v Value>) -> Vec<Proxy> {
    let mut found = Vec::new();
    routes.for_each(|route| handlers(lowering, route, DEPTH, &mut found));
    found
}

fn handlers(lowering: &mut Lowering<'_>, route: &Value, depth: usize, found: &mut Vec<Proxy>) {
    if depth == 0 {
        return;
    }
    for handler in route.get("handle").map(Value::items).unwrap_or_default() {
        match handler.get("handler").and_then(Value::text).map_or("", |name| &**name) {
            "reverse_proxy" => found.extend(json_proxy(lowering, handler)),
            "subroute" => {
                for inner in handler.get("routes").map(Value::items).unwrap_or_default() {
                    handlers(lowering, inner, depth - 1, found);
                }
            }
            _ => {}
        }
    }
}

fn json_token(value: &Value) -> Option<Token> {
    value.text().map(|text| Token { text: Arc::clone(text), span: value.span })
}

fn json_proxy(lowering: &mut Lowering<'_>, handler: &Value) -> Option<Proxy> {
    let dials = handler.get("upstreams").map(Value::items).unwrap_or_default();
    let targets: Vec<Token> = dials.iter().filter_map(|one| one.get("dial").and_then(json_token)).collect();
    let written = handler.at(&["transport", "tls"]);
    let file = |lowering: &Lowering<'_>, value: Option<&Value>| {
        value.and_then(json_token).map(|token| located(lowering, token))
    };
    let tls = written.map(|value| {
        let listed = value.get("root_ca_pem_files").or(value.at(&["ca", "pem_files"])).map(Value::items);
        let trust = listed.map(|files| files.iter().filter_map(|one| file(lowering, Some(one))).collect());
        let has_pool = value.get("ca").is_some() || value.get("root_ca_pool").is_some();
        let certificate = file(lowering, value.get("client_certificate_file"));
        ProxyTls {
            at: value.span,
            unverified: value.get("insecure_skip_verify").filter(|value| value.is_true()).map(|value| value.span),
            name: value.get("server_name").and_then(json_token),
            trust: trust.or(has_pool.then(Vec::new)),
            client: certificate.zip(file(lowering, value.get("client_certificate_key_file"))),
        }
    });
    if let Some(tls) = &tls {
        read_at_start(lowering, tls);
    }
    let at = dials.first().map_or(handler.span, |first| first.span);
    (!targets.is_empty()).then_some(Proxy { at, include_chain: None, targets, tls })
}

/// Where the requests of a proxy go.
pub fn targets(proxy: &Proxy) -> Vec<UpstreamTarget> {
    let transport = if proxy.tls.is_some() { UpstreamTransport::Tls } else { UpstreamTransport::Plain };
    let target = |written: &Token| {
        let origin = Origin::said(written.span, proxy.include_chain);
        let address = match address(&written.text, transport) {
            Some(found) => Setting::known(found, origin),
            None => Setting::unknown("the address is not in the files", origin),
        };
        UpstreamTarget { written: written.clone(), transport, address }
    };
    proxy.targets.iter().map(target).collect()
}

fn address(text: &str, transport: UpstreamTransport) -> Option<(Address, u16)> {
    if has_placeholder(text) {
        return None;
    }
    if let Some(path) = text.strip_prefix("unix/").or(text.strip_prefix("unix//")) {
        return Some((Address::Unix(path.into()), 0));
    }
    let text = match text.contains("://") {
        true => text.to_owned(),
        false => format!("//://{text}"),
    };
    let (_, host, port, _) = parts(&text)?;
    let default = if transport == UpstreamTransport::Tls && text.starts_with("https") { 443 } else { 80 };
    let port = if port.is_empty() { default } else { port.parse().ok()? };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Some(match (host, host.parse()) {
        ("", _) => return None,
        (_, Ok(ip)) => (Address::Ip(ip), port),
        (host, Err(_)) => (Address::Host(host.to_ascii_lowercase().into()), port),
    })
}

/// How TLS is spoken with the servers of a proxy.
pub fn policy(lowering: &Lowering<'_>, proxy: &Proxy, start: Span) -> UpstreamPolicy {
    let default = Origin::default_for(start);
    let nothing = ProxyTls::at(proxy.at);
    let tls = proxy.tls.as_ref().unwrap_or(&nothing);
    let written = |at: Span| Origin::said(at, proxy.include_chain);
    let file = |(token, path): &(Token, PathBuf)| match has_placeholder(&token.text) {
        true => Setting::unknown("the path hangs on what only the running server knows", written(token.span)),
        false => Setting::known((token.clone(), path.clone()), written(token.span)),
    };
    let authorities = match tls.trust.as_deref() {
        None => Setting::known(UpstreamAuthorities::System, default),
        Some([one]) => {
            Setting::known(UpstreamAuthorities::Own { file: Some(file(one)), folder: None }, written(one.0.span))
        }
        Some(_) => Setting::unknown("the authorities are not one file", written(tls.at)),
    };
    let verification = match tls.unverified {
        Some(at) => Setting::known(UpstreamVerification::Off, written(at)),
        None => Setting::known(UpstreamVerification::Required, default),
    };
    let names = platform::caddy_default("protocols", lowering.platform.server_version);
    let set = names.split(' ').filter_map(Protocol::from_name).collect();
    let credentials = tls.client.iter().map(|(certificate, key)| Credential {
        certificate: file(certificate),
        key: Some(file(key)),
        chain: None,
        by_name: None,
    });
    UpstreamPolicy {
        engine: Setting::known(true, default),
        verification,
        // Go sets no bound of its own.
        depth: Setting::known(u32::MAX, default),
        authorities,
        revocations: None,
        revocation_folder: None,
        checks_name: Setting::known(tls.unverified.is_none(), default),
        checks_dates: Setting::known(false, default),
        sends_name: Setting::known(true, default),
        name: tls.name.as_ref().map(|name| match has_placeholder(&name.text) {
            true => Setting::unknown("the name hangs on the request", written(name.span)),
            false => Setting::known(name.clone(), written(name.span)),
        }),
        protocols: Setting::known(ProtocolChoice { set, ..ProtocolChoice::default() }, default),
        ciphers: None,
        ciphersuites: None,
        credentials: credentials.collect(),
    }
}
