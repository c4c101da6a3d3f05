//! Regular expressions in arguments: httpd compiles each while it reads the configuration (`ap_pregcomp`).
//!
//! Source: Apache 2.4, `server/core.c` (sections), `mod_alias.c`, `mod_rewrite.c`, `mod_setenvif.c`, `mod_headers.c`,
//! `mod_proxy.c`; each was seen with the real server.

use std::borrow::Cow;

use crate::diagnostic::Problem;
use crate::server::apache::syntax::Word;
use crate::server::expression;
use crate::source::FileId;

/// A regular expression that cannot be compiled. `name` in lower case.
pub fn check(name: &str, is_section: bool, words: &[Word], text: &[u8], file: FileId) -> Option<Problem> {
    let (word, value) = match is_section {
        true => of_section(name, words, text)?,
        false => of_directive(name, words, text)?,
    };
    // What a variable holds is put in before.
    if value.contains("${") { None } else { expression::problem(value.as_bytes(), word.span(file)) }
}

fn shown(word: &Word, text: &[u8]) -> Option<String> {
    String::from_utf8(word.value(text).into_owned()).ok()
}

/// The expression in the head of a section.
fn of_section<'w>(name: &str, words: &'w [Word], text: &[u8]) -> Option<(&'w Word, String)> {
    let word = match (name, words) {
        ("locationmatch" | "directorymatch" | "filesmatch" | "proxymatch", [word]) => word,
        ("location" | "directory" | "files", [mark, word]) if &*mark.value(text) == b"~" => word,
        _ => return None,
    };
    Some((word, shown(word, text)?))
}

/// The expression among the arguments of a directive.
fn of_directive<'w>(name: &str, words: &'w [Word], text: &[u8]) -> Option<(&'w Word, String)> {
    let is =
        |word: &Word, names: &[&str]| names.iter().any(|name| word.value(text).eq_ignore_ascii_case(name.as_bytes()));
    let at = match name {
        "aliasmatch" | "scriptaliasmatch" | "browsermatch" | "browsermatchnocase" | "rewriterule" => 0,
        "setenvif" | "setenvifnocase" | "rewritecond" => 1,
        "redirectmatch" => {
            let first = words.first()?;
            let is_status = first.value(text).iter().all(u8::is_ascii_digit);
            usize::from(is_status || is(first, &["permanent", "temp", "seeother", "gone"]))
        }
        "header" | "requestheader" => words.iter().take(2).position(|word| is(word, &["edit", "edit*"]))? + 2,
        // Within a section for paths it has the address alone.
        "proxypassmatch" if !shown(words.first()?, text)?.contains("://") && words.len() > 1 => 0,
        _ => return None,
    };
    let word = words.get(at)?;
    // mod_rewrite cuts its words by itself: a `\` keeps the space behind it, and stays where it stands before another.
    let is_cut_otherwise = |word: &Word| matches!(word.value(text), Cow::Owned(_)) || word.value(text).ends_with(b"\\");
    if name.starts_with("rewrite") && words[..=at].iter().any(is_cut_otherwise) {
        return None;
    }
    let value = shown(word, text)?;
    let value = match name {
        "rewriterule" => value.strip_prefix('!').unwrap_or(&value).to_owned(),
        "rewritecond" => {
            let pattern = value.strip_prefix('!').unwrap_or(&value);
            // Tests of files, and comparisons.
            if is(&words[0], &["expr"]) || pattern.starts_with(['-', '=', '<', '>']) {
                return None;
            }
            pattern.to_owned()
        }
        _ => value,
    };
    Some((word, value))
}
