//! The folders whose files a site gives (`file_server`), and what stands before them.
//!
//! What is led elsewhere, rewritten or answered under conditions that are not paths is taken for shut. Source: Caddy 2.11.4,
//! `modules/caddyhttp/fileserver/staticfiles.go` and `matchers.go`, `caddyconfig/httpcaddyfile/directives.go` (the order of
//! directives).

use std::path::PathBuf;
use std::sync::Arc;

use crate::model::{AccessRule, Condition, DocumentRoot, MatchTarget, Token};
use crate::server::caddy::json::Value;
use crate::server::caddy::syntax::{Node, Word};

/// How deep blocks are followed.
const DEPTH: usize = 32;

type Locate<'l> = &'l dyn Fn(&str) -> PathBuf;

/// All of these hold at once; of several such lists one must.
type Alternatives = Vec<Vec<Condition>>;

/// What holds in a block.
#[derive(Clone, Default)]
struct OuterContext<'n> {
    root: Option<(Token, PathBuf)>,
    /// What a request fulfils that comes into the block.
    fulfils: Vec<Condition>,
    /// What is taken off the path of requests.
    prefix: String,
    /// What answers first.
    shut: Alternatives,
    /// Named matchers.
    matchers: Vec<&'n Node>,
}

/// The folders of a site block.
pub fn of_directives(nodes: &[Node], locate: Locate<'_>) -> Vec<DocumentRoot> {
    let mut found = Vec::new();
    if nodes.iter().any(has_files) {
        block(nodes, &OuterContext::default(), locate, DEPTH, &mut found);
    }
    found
}

/// Whether files are given in some depth.
fn has_files(node: &Node) -> bool {
    node.is("file_server") || node.nodes().iter().any(has_files)
}

fn block<'n>(
    nodes: &'n [Node],
    around: &OuterContext<'n>,
    locate: Locate<'_>,
    depth: usize,
    found: &mut Vec<DocumentRoot>,
) {
    if depth == 0 {
        return;
    }
    let mut here = around.clone();
    here.matchers.extend(nodes.iter().filter(|node| node.name.text.starts_with('@')));
    for node in nodes {
        match &*node.name.text {
            "root" => {
                let (matcher, words) = matched(&node.words, 1);
                here.root = match (matcher, words) {
                    (None, [folder]) => file(folder, locate),
                    _ => return,
                };
            }
            "rewrite" | "uri" => return,
            "redir" | "respond" | "error" | "abort" | "reverse_proxy" | "acme_server" | "metrics" => {
                let least = usize::from(matches!(&*node.name.text, "redir" | "respond"));
                match matched(&node.words, least).0 {
                    Some(matcher) => here.shut.extend(alternatives(matcher, &here)),
                    None => here.shut.push(Vec::new()),
                }
            }
            _ => {}
        }
    }
    // Blocks that narrow requests down come before what stands beside them, and before those that take all.
    let mut narrowed = Alternatives::new();
    let inner = || nodes.iter().filter(|node| matches!(&*node.name.text, "handle" | "handle_path" | "route"));
    for (node, matcher) in inner().filter_map(|node| Some((node, matched(&node.words, 0).0?))) {
        for fulfils in alternatives(matcher, &here) {
            narrowed.push(fulfils.clone());
            let mut inside = here.clone();
            // What stands beside a block comes behind it.
            inside.shut.clone_from(&around.shut);
            inside.fulfils.extend(fulfils);
            if node.is("handle_path") {
                inside.prefix.push_str(matcher.text.trim_end_matches('*').trim_end_matches('/'));
            }
            block(node.nodes(), &inside, locate, depth - 1, found);
        }
    }
    for node in inner().filter(|node| matched(&node.words, 0).0.is_none()) {
        let mut inside = here.clone();
        inside.shut = around.shut.iter().chain(&narrowed).cloned().collect();
        block(node.nodes(), &inside, locate, depth - 1, found);
        narrowed.push(Vec::new());
    }
    here.shut.extend(narrowed);
    for node in nodes.iter().filter(|node| node.is("file_server")) {
        server(node, &here, locate, found);
    }
}

/// `file_server [MATCHER] [browse] { ... }`
fn server(node: &Node, around: &OuterContext<'_>, locate: Locate<'_>, found: &mut Vec<DocumentRoot>) {
    let option = |name: &str| node.nodes().iter().find(|one| one.is(name));
    let root = match option("root") {
        Some(line) => line.words.first().and_then(|word| file(word, locate)),
        None => around.root.clone(),
    };
    let Some((token, path)) = root.filter(|_| option("fs").is_none()) else { return };
    let asked = match matched(&node.words, 0).0 {
        Some(matcher) => alternatives(matcher, around),
        None => vec![Vec::new()],
    };
    let mut gates = vec![AccessRule { takes: Vec::new(), is_open: false }];
    for alternative in asked {
        let takes = around.fulfils.iter().cloned().chain(alternative).collect();
        gates.push(AccessRule { takes, is_open: true });
    }
    gates.extend(around.shut.iter().map(|takes| AccessRule { takes: takes.clone(), is_open: false }));
    let hides = node.nodes().iter().filter(|one| one.is("hide")).flat_map(|one| &one.words);
    for word in hides {
        gates.extend(hidden(&word.text, locate).map(|one| AccessRule { takes: vec![one], is_open: false }));
    }
    found.push(DocumentRoot { token, path, prefix: around.prefix.as_str().into(), gates: gates.into() });
}

/// What a pattern of `hide` hides: a name anywhere, or a path.
fn hidden(pattern: &str, locate: Locate<'_>) -> impl Iterator<Item = Condition> {
    let all = match (pattern.contains('/'), pattern.contains(['*', '?', '[', '{'])) {
        (false, _) => vec![
            Condition::glob(MatchTarget::Name, pattern, false),
            Condition::glob(MatchTarget::Folder, &format!("*/{pattern}"), false),
        ],
        (true, false) => vec![Condition::Below(locate(pattern))],
        (true, true) => vec![Condition::Open],
    };
    all.into_iter()
}

fn file(word: &Word, locate: Locate<'_>) -> Option<(Token, PathBuf)> {
    let token = Token { text: Arc::clone(&word.text), span: word.span };
    (!word.is_open()).then(|| (token, locate(&word.text)))
}

/// The matcher of a directive, where it does not match everything, and its arguments.
fn matched(words: &[Word], least: usize) -> (Option<&Word>, &[Word]) {
    match words.split_first() {
        Some((first, rest)) if &*first.text == "*" => (None, rest),
        Some((first, rest)) if first.text.starts_with('@') => (Some(first), rest),
        Some((first, rest)) if first.text.starts_with('/') && words.len() > least => (Some(first), rest),
        _ => (None, words),
    }
}

/// What a matcher asks of a request.
fn alternatives(matcher: &Word, around: &OuterContext<'_>) -> Alternatives {
    let path = |pattern: &str| -> Condition {
        match pattern.strip_prefix('*') {
            Some(_) => Condition::glob(MatchTarget::Request, pattern, true),
            None => Condition::glob(MatchTarget::Request, &format!("{}{pattern}", around.prefix), true),
        }
    };
    if matcher.text.starts_with('/') {
        return vec![vec![path(&matcher.text)]];
    }
    let Some(named) = around.matchers.iter().rev().find(|node| node.name.text == matcher.text) else {
        return vec![vec![Condition::Open]];
    };
    let line: Vec<&str> = named.words.iter().map(|word| &*word.text).collect();
    let inner: Vec<Vec<&str>> = named
        .nodes()
        .iter()
        .map(|node| std::iter::once(&node.name).chain(&node.words).map(|word| &*word.text).collect())
        .collect();
    let lines: Vec<&[&str]> = match line.is_empty() {
        true => inner.iter().map(Vec::as_slice).collect(),
        false => vec![&line],
    };
    let open = || vec![vec![Condition::Open]];
    match lines[..] {
        [["path", patterns @ ..]] => patterns.iter().map(|pattern| vec![path(pattern)]).collect(),
        [["path_regexp", .., expression]] if around.prefix.is_empty() => {
            vec![vec![Condition::Fits(MatchTarget::Request, (*expression).into())]]
        }
        _ => open(),
    }
}

/// The folders of the routes of a JSON server.
pub fn of_routes<'v>(routes: impl Iterator<Item = &'v Value>, locate: Locate<'_>) -> Vec<DocumentRoot> {
    let mut found = Vec::new();
    let mut root = None;
    for route in routes {
        if !handlers(route, &mut root, locate, DEPTH, &mut found) {
            break;
        }
    }
    found
}

/// Follows the handlers of a route; false where nothing is to be said of what comes behind.
fn handlers(
    route: &Value,
    root: &mut Option<(Token, PathBuf)>,
    locate: Locate<'_>,
    depth: usize,
    found: &mut Vec<DocumentRoot>,
) -> bool {
    if depth == 0 {
        return false;
    }
    let is_only_host = |set: &Value| set.fields().iter().all(|(name, ..)| &**name == "host");
    let sets = route.get("match").map(Value::items).unwrap_or_default();
    let is_conditional = !sets.iter().all(is_only_host);
    let word = |value: &Value| -> Option<(Token, PathBuf)> {
        let text = value.text().filter(|text| !text.contains('{'))?;
        Some((Token { text: Arc::clone(text), span: value.span }, locate(text)))
    };
    for handler in route.get("handle").map(Value::items).unwrap_or_default() {
        match handler.get("handler").and_then(Value::text).map_or("", |name| &**name) {
            "vars" if handler.get("root").is_some() => {
                *root = handler.get("root").and_then(word).filter(|_| !is_conditional);
            }
            "file_server" if is_conditional => {}
            "file_server" => {
                let own = handler.get("root").map(word);
                let hides = handler.get("hide").map(Value::items).unwrap_or_default();
                let hides = hides.iter().filter_map(Value::text).flat_map(|pattern| hidden(pattern, locate));
                let gates = hides.map(|one| AccessRule { takes: vec![one], is_open: false }).collect();
                let folder = own.unwrap_or_else(|| root.clone()).filter(|_| handler.get("file_system").is_none());
                found.extend(folder.map(|(token, path)| DocumentRoot { token, path, prefix: "".into(), gates }));
            }
            "subroute" => {
                for inner in handler.get("routes").map(Value::items).unwrap_or_default() {
                    if is_conditional || !handlers(inner, root, locate, depth - 1, found) {
                        return false;
                    }
                }
            }
            "static_response" | "error" | "reverse_proxy" | "rewrite" | "invoke" => return false,
            _ => {}
        }
    }
    true
}
