//! Regular expressions in arguments: nginx compiles each while it reads the configuration (ngx_regex_compile), and does not
//! start where PCRE refuses one.

use std::borrow::Cow;

use crate::diagnostic::Problem;
use crate::server::expression;
use crate::server::nginx::syntax::Word;
use crate::source::FileId;

/// A regular expression that cannot be compiled.
pub fn check(name: &[u8], words: &[Word], text: &[u8], file: FileId) -> Option<Problem> {
    let marked = |word: &Word| check_marked(word, text, file);
    match (name, words) {
        (b"server_name" | b"valid_referers", _) => words.iter().find_map(|word| {
            let value = after_mark(word, text)?;
            told(word, value.strip_prefix(b"~")?, file)
        }),
        (b"location", [mark, word]) if matches!(&*mark.value(text), b"~" | b"~*") => {
            told(word, &word.value(text), file)
        }
        (b"location", [word]) => marked(word),
        (b"rewrite", [word, ..]) | (b"fastcgi_split_path_info", [word]) => told(word, &word.value(text), file),
        (b"proxy_redirect" | b"proxy_cookie_path" | b"proxy_cookie_domain", [word, ..]) => marked(word),
        (b"gzip_disable", _) => words.iter().find_map(|word| told(word, &word.value(text), file)),
        (b"if", _) => of_condition(words, text, file),
        _ => None,
    }
}

fn told(word: &Word, regex: &[u8], file: FileId) -> Option<Problem> {
    expression::problem(regex, word.span(file))
}

/// The value of a word that may begin with the mark of an expression: most do not, and are not looked at further.
fn after_mark<'t>(word: &Word, text: &'t [u8]) -> Option<Cow<'t, [u8]>> {
    let first = text.get(word.start as usize)?;
    matches!(first, b'~' | b'"' | b'\'').then(|| word.value(text))
}

/// Of a word that is an expression where it begins with `~` or `~*`, as an entry of a `map`.
pub fn check_marked(word: &Word, text: &[u8], file: FileId) -> Option<Problem> {
    let value = after_mark(word, text)?;
    let regex = value.strip_prefix(b"~")?;
    told(word, regex.strip_prefix(b"*").unwrap_or(regex), file)
}

/// `if ($variable ~ expression)`
fn of_condition(words: &[Word], text: &[u8], file: FileId) -> Option<Problem> {
    let is_operator = |word: &Word| matches!(&*word.value(text), b"~" | b"~*" | b"!~" | b"!~*");
    let at = words.iter().position(is_operator)? + 1;
    let word = words.get(at)?;
    let value = word.value(text);
    let regex = match words.len() - at {
        1 => value.strip_suffix(b")")?,
        2 if &*words[at + 1].value(text) == b")" => &*value,
        _ => return None,
    };
    told(word, regex, file)
}
