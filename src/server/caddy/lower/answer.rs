//! What a site answers to requests: content, redirects, what is passed on, and `Strict-Transport-Security`; from the directives
//! of a Caddyfile and from the handlers of a JSON configuration.
//!
//! A header that some part of a site sets counts for the site as a whole. Source: Caddy 2.11.4, `modules/caddyhttp`.

use std::sync::Arc;

use crate::model::{HttpResponse, ResponseKind, Token};
use crate::server::caddy::json::Value;
use crate::server::caddy::syntax::{Node, Word};
use crate::source::Span;

/// How deep handlers are followed.
const DEPTH: usize = 32;

/// What a site answers, as it is collected.
#[derive(Default)]
struct Collected {
    answers: Vec<HttpResponse>,
    strict_transport: Option<Token>,
}

impl Collected {
    fn add(&mut self, reply: ResponseKind, at: Span, is_conditional: bool) {
        self.answers.push(HttpResponse { is_conditional, ..HttpResponse::new(reply, at) });
    }

    fn finish(mut self) -> Vec<HttpResponse> {
        if let Some(value) = self.strict_transport.as_ref().filter(|_| self.answers.is_empty()) {
            self.answers.push(HttpResponse::new(ResponseKind::Unknown, value.span));
        }
        for answer in &mut self.answers {
            answer.strict_transport = self.strict_transport.clone();
        }
        self.answers
    }
}

/// Whether a text is the name of the header, whatever is done with it but taking it away.
fn is_header(name: &str) -> bool {
    name.trim_start_matches(['+', '?', '>']).eq_ignore_ascii_case("strict-transport-security")
}

fn led(target: &str) -> ResponseKind {
    let target = target.to_ascii_lowercase();
    match target.starts_with('{') && !target.starts_with("{scheme}") && !target.starts_with("{http.request.scheme}") {
        true => ResponseKind::Unknown,
        false => ResponseKind::Redirect { to_https: target.starts_with("https://") },
    }
}

/// What the directives of a site block answer.
pub fn of_directives(nodes: &[Node]) -> Vec<HttpResponse> {
    let mut found = Collected::default();
    directives(nodes, false, DEPTH, &mut found);
    found.finish()
}

/// The arguments behind a matcher, and whether there is one that does not match everything.
fn matched(words: &[Word], least: usize) -> (bool, &[Word]) {
    match words.split_first() {
        Some((first, rest)) if first.text.starts_with('@') || &*first.text == "*" => (&*first.text != "*", rest),
        Some((first, rest)) if first.text.starts_with('/') && words.len() > least => (true, rest),
        _ => (false, words),
    }
}

fn directives(nodes: &[Node], is_inside: bool, depth: usize, found: &mut Collected) {
    if depth == 0 {
        return;
    }
    for node in nodes {
        let at = node.arguments();
        match &*node.name.text {
            "header" => headers(node, found),
            "redir" => {
                let (is_conditional, words) = matched(&node.words, 1);
                if let Some(target) = words.first() {
                    found.add(led(&target.text), at, is_conditional || is_inside);
                }
            }
            "respond" => {
                let (is_conditional, words) = matched(&node.words, 1);
                let is_error = |word: &Word| matches!(word.text.parse(), Ok(400..=599_u16));
                let is_refused = words.iter().any(is_error) || node.nodes().iter().any(|one| one.is("close"));
                let reply = if is_refused { ResponseKind::Refused } else { ResponseKind::Content };
                found.add(reply, at, is_conditional || is_inside);
            }
            "file_server" | "metrics" => {
                let (is_conditional, _) = matched(&node.words, 0);
                found.add(ResponseKind::Content, at, is_conditional || is_inside);
            }
            "abort" | "error" => found.add(ResponseKind::Refused, at, is_inside || !node.words.is_empty()),
            "reverse_proxy" | "php_fastcgi" | "php_server" => found.add(ResponseKind::PassedOn, at, is_inside),
            "handle" | "handle_path" | "route" => {
                let (is_conditional, _) = matched(&node.words, 0);
                directives(node.nodes(), is_inside || is_conditional, depth - 1, found);
            }
            // What a named route holds stands elsewhere.
            "invoke" => found.add(ResponseKind::Unknown, at, is_inside),
            _ => {}
        }
    }
}

fn headers(node: &Node, found: &mut Collected) {
    let (_, words) = matched(&node.words, 0);
    let lines = std::iter::once(words.iter().collect::<Vec<_>>());
    let inner = node.nodes().iter().map(|line| std::iter::once(&line.name).chain(&line.words).collect());
    for line in lines.chain(inner) {
        if let [name, value, ..] = &line[..]
            && is_header(&name.text)
        {
            let text = Arc::clone(&value.text);
            found.strict_transport.get_or_insert(Token { text, span: value.span });
        }
    }
}

/// What the routes of a JSON server answer.
pub fn of_routes<'v>(routes: impl Iterator<Item = &'v Value>) -> Vec<HttpResponse> {
    let mut found = Collected::default();
    for route in routes {
        handlers(route, false, DEPTH, &mut found);
    }
    found.finish()
}

fn handlers(route: &Value, is_inside: bool, depth: usize, found: &mut Collected) {
    if depth == 0 {
        return;
    }
    let is_only_host = |set: &Value| set.fields().iter().all(|(name, ..)| &**name == "host");
    let sets = route.get("match").map(Value::items).unwrap_or_default();
    let is_conditional = is_inside || !sets.iter().all(is_only_host);
    for handler in route.get("handle").map(Value::items).unwrap_or_default() {
        let name = handler.get("handler").and_then(Value::text).map_or("", |name| &**name);
        match name {
            "headers" => {
                for action in ["set", "add"] {
                    let fields = handler.at(&["response", action]).map(Value::fields).unwrap_or_default();
                    let ours = fields.iter().find(|(name, ..)| is_header(name));
                    let value = ours.and_then(|(_, _, values)| values.items().first());
                    let value = value.and_then(|value| value.text().map(|text| (text, value.span)));
                    if let Some((text, span)) = value {
                        found.strict_transport.get_or_insert(Token { text: Arc::clone(text), span });
                    }
                }
            }
            "static_response" => {
                let target = handler.at(&["headers", "Location"]).and_then(|values| values.items().first());
                let code = handler.get("status_code").and_then(Value::port).unwrap_or(200);
                let is_abort = handler.get("abort").is_some_and(Value::is_true);
                let reply = match target.and_then(Value::text) {
                    Some(target) => led(target),
                    None if code >= 400 || is_abort => ResponseKind::Refused,
                    None => ResponseKind::Content,
                };
                found.add(reply, handler.span, is_conditional);
            }
            "file_server" | "metrics" => found.add(ResponseKind::Content, handler.span, is_conditional),
            "error" => found.add(ResponseKind::Refused, handler.span, is_conditional),
            "reverse_proxy" => found.add(ResponseKind::PassedOn, handler.span, is_conditional),
            "invoke" => found.add(ResponseKind::Unknown, handler.span, is_conditional),
            "subroute" => {
                for inner in handler.get("routes").map(Value::items).unwrap_or_default() {
                    handlers(inner, is_conditional, depth - 1, found);
                }
            }
            _ => {}
        }
    }
}
