//! What the server and each virtual host answer to requests: content, redirects, what is passed on, and
//! `Strict-Transport-Security`.
//!
//! What sections say counts for their virtual host as a whole. Source: Apache 2.4, `mod_alias.c`, `mod_rewrite.c`,
//! `mod_headers.c` (the headers of the server come before those of a virtual host, which may take them back).

use super::setting::DirectiveRef;
use crate::model::{HttpResponse, ResponseKind, Token};
use crate::source::Span;

/// What one level says.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    strict_transport: Option<Header>,
    /// Whether the header is taken back.
    unsets_header: bool,
    /// The folder of files.
    root: Option<Span>,
    /// Where requests are passed on, or programs answer.
    passes: Option<Span>,
    redirects: Vec<Redirect>,
    /// What may answer otherwise in ways that are not in the files.
    open: Option<Span>,
    /// Whether the next `RewriteRule` has a condition.
    is_conditional: bool,
}

#[derive(Clone, Debug)]
struct Header {
    value: Token,
    /// Whether only some answers carry it.
    is_conditional: bool,
}

#[derive(Clone, Debug)]
struct Redirect {
    at: Span,
    to_https: bool,
    /// Whether it takes every request.
    is_whole: bool,
}

/// Whether a directive is one that answers hang on, by its name in lower case.
pub fn is_read(name: &str) -> bool {
    matches!(
        name,
        "header"
            | "documentroot"
            | "proxypass"
            | "proxypassmatch"
            | "scriptalias"
            | "wsgiscriptalias"
            | "fallbackresource"
            | "sethandler"
            | "addhandler"
            | "allowoverride"
            | "redirect"
            | "redirectpermanent"
            | "redirecttemp"
            | "redirectmatch"
            | "rewritecond"
            | "rewriterule"
    )
}

/// Takes a directive of a level, which may stand in a section of it.
pub fn read(said: &DirectiveRef<'_>, is_inside: bool, answers: &mut Answers) {
    let words: Vec<Token> = said.words.iter().map(|word| said.token(word)).collect();
    let Some(first) = words.first() else { return };
    match said.name {
        "header" => header(&words, is_inside, answers),
        "documentroot" => answers.root = Some(said.span()),
        // `!` keeps a path from being passed on.
        "proxypass" | "proxypassmatch" if words.iter().any(|word| &*word.text == "!") => {}
        "proxypass" | "proxypassmatch" | "scriptalias" | "wsgiscriptalias" | "fallbackresource" => {
            answers.passes = answers.passes.or(Some(said.span()));
        }
        "sethandler" | "addhandler" => {
            let name = first.text.to_ascii_lowercase();
            let is_own = ["none", "default-handler", "server-status", "server-info", "ldap-status", "balancer-manager"];
            if !is_own.contains(&&*name) {
                answers.passes = answers.passes.or(Some(said.span()));
            }
        }
        "allowoverride" => {
            let is_none = words.iter().all(|word| {
                let text = word.text.to_ascii_lowercase();
                matches!(&*text, "none" | "authconfig" | "limit" | "indexes")
            });
            answers.open = answers.open.or((!is_none).then(|| said.span()));
        }
        "rewritecond" => answers.is_conditional = true,
        "rewriterule" => {
            let is_conditional = std::mem::take(&mut answers.is_conditional) || is_inside;
            rewrite(said.span(), &words, is_conditional, answers);
        }
        _ => redirect(said, &words, is_inside, answers),
    }
}

/// `Header [always|onsuccess] ACTION NAME [VALUE [CONDITION]]`
fn header(words: &[Token], is_inside: bool, answers: &mut Answers) {
    let is_table = |word: &Token| matches!(&*word.text.to_ascii_lowercase(), "always" | "onsuccess");
    let words = if is_table(&words[0]) { &words[1..] } else { words };
    let [action, name, rest @ ..] = words else { return };
    if !name.text.trim_end_matches(':').eq_ignore_ascii_case("strict-transport-security") {
        return;
    }
    match (&*action.text.to_ascii_lowercase(), rest) {
        ("set" | "add" | "append" | "merge" | "setifempty", [value, conditions @ ..]) => {
            let is_conditional = is_inside || !conditions.is_empty();
            answers.strict_transport = Some(Header { value: value.clone(), is_conditional });
        }
        ("unset", _) => {
            answers.strict_transport = None;
            answers.unsets_header = true;
        }
        _ => {}
    }
}

fn is_https(target: &Token) -> bool {
    target.text.to_ascii_lowercase().starts_with("https://")
}

fn redirect(said: &DirectiveRef<'_>, words: &[Token], is_inside: bool, answers: &mut Answers) {
    let has_status = !matches!(said.name, "redirectpermanent" | "redirecttemp");
    let is_status = |word: &Token| {
        let text = word.text.to_ascii_lowercase();
        text.parse::<u16>().is_ok() || matches!(&*text, "permanent" | "temp" | "seeother" | "gone")
    };
    let words = if has_status && is_status(&words[0]) { &words[1..] } else { words };
    let (path, target) = match words {
        // In a section the path is the section's.
        [target] if is_inside => (None, target),
        [path, target] => (Some(&*path.text), target),
        _ => return,
    };
    let is_any = |path: &str| match said.name {
        "redirectmatch" => is_any(path),
        _ => path == "/",
    };
    let is_whole = !is_inside && path.is_some_and(is_any);
    answers.redirects.push(Redirect { at: said.span(), to_https: is_https(target), is_whole });
}

/// Whether every path fits a regular expression.
fn is_any(pattern: &str) -> bool {
    matches!(
        pattern.trim_end_matches('$'),
        "^" | "" | ".*" | "^.*" | "(.*)" | "^(.*)" | "^/(.*)" | "^/?(.*)" | "^/.*" | "^/" | "/"
    )
}

fn rewrite(at: Span, words: &[Token], is_conditional: bool, answers: &mut Answers) {
    let [pattern, target, rest @ ..] = words else { return };
    let flags = rest.first().map(|flags| flags.text.trim_matches(['[', ']']).to_ascii_lowercase()).unwrap_or_default();
    let has = |names: [&str; 2]| {
        flags.split(',').any(|flag| names.contains(&flag.trim().split('=').next().unwrap_or_default()))
    };
    if has(["p", "proxy"]) {
        answers.passes = answers.passes.or(Some(at));
    } else if has(["r", "redirect"]) || target.text.contains("://") {
        let is_whole = !is_conditional && is_any(&pattern.text);
        answers.redirects.push(Redirect { at, to_https: is_https(target), is_whole });
    } else if !has(["f", "forbidden"]) && !has(["g", "gone"]) && &*target.text != "-" {
        // To another file, most often a program.
        answers.passes = answers.passes.or(Some(at));
    }
}

/// What a virtual host answers; `outer` is what the server says.
pub fn build(own: &Answers, outer: &Answers, tls: bool, head: Span) -> Vec<HttpResponse> {
    let sent = own.strict_transport.as_ref().or(outer.strict_transport.as_ref().filter(|_| !own.unsets_header));
    let sent = sent.filter(|header| tls || !header.is_conditional).map(|header| header.value.clone());
    let answer =
        |reply: ResponseKind, at: Span| HttpResponse { strict_transport: sent.clone(), ..HttpResponse::new(reply, at) };
    let redirects = || own.redirects.iter().chain(&outer.redirects);
    let led = |one: &Redirect| HttpResponse {
        is_conditional: !one.is_whole,
        ..answer(ResponseKind::Redirect { to_https: one.to_https }, one.at)
    };
    if let Some(whole) = redirects().find(|one| one.is_whole) {
        return vec![led(whole)];
    }
    let mut answers: Vec<HttpResponse> = redirects().map(led).collect();
    answers.extend(own.passes.or(outer.passes).map(|at| answer(ResponseKind::PassedOn, at)));
    answers.extend(own.open.or(outer.open).map(|at| answer(ResponseKind::Unknown, at)));
    answers.extend(own.root.or(outer.root).map(|at| answer(ResponseKind::Content, at)));
    if answers.is_empty() && sent.is_some() {
        answers.push(answer(ResponseKind::Unknown, head));
    }
    answers
}
