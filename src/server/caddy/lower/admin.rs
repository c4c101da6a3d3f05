//! The address on which Caddy takes new configurations.
//!
//! Source: Caddy 2.11.4, `admin.go`: `localhost:2019` by default; who reaches the address may replace the configuration.

use std::net::IpAddr;

use crate::diagnostic::{Edit, Fix, Problem, Safety};
use crate::model::Token;

/// The port where none is written.
const PORT: &str = "2019";

/// `admin-exposed`, where the address can be reached from other machines. What only the machine can resolve is not judged.
/// `quote` stands around the word.
pub fn exposed(word: &Token, quote: &str) -> Option<Problem> {
    let text = word.text.strip_prefix("tcp/").unwrap_or(&word.text);
    if text.contains('/') || crate::server::caddy::syntax::has_placeholder(text) {
        return None;
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (text, PORT),
    };
    let host = host.trim_matches(['[', ']']);
    let is_exposed = host.is_empty() || host.parse::<IpAddr>().is_ok_and(|ip| !ip.is_loopback());
    if !is_exposed {
        return None;
    }
    let write = format!("localhost:{port}");
    let edits = vec![Edit { span: word.span, text: format!("{quote}{write}{quote}") }];
    let fix = Fix { title: format!("listen on `{write}`"), safety: Safety::Safe, edits };
    let problem = Problem::new("admin-exposed", word.span).with("address", &*word.text).with("write", write);
    let is_verbatim = word.span.len() as usize == word.text.len() + 2 * quote.len();
    Some(if is_verbatim { problem.fix(fix) } else { problem })
}
