//! Regular expressions in arguments: nginx compiles each while it reads the configuration (ngx_regex_compile), and does not
//! start where PCRE refuses one.

use crate::diagnostic::Problem;
use crate::server::expression::fault;
use crate::server::nginx::syntax::Word;
use crate::source::FileId;

/// A regular expression that cannot be compiled.
pub fn check(name: &[u8], words: &[Word], text: &[u8], file: FileId) -> Option<Problem> {
    let is_marked =
        |word: &Word| text.get(word.start as usize).is_some_and(|first| matches!(first, b'~' | b'"' | b'\''));
    let told = |word: &Word, regex: &[u8]| {
        let reason = fault(std::str::from_utf8(regex).ok()?)?;
        let problem = Problem::new("invalid-argument", word.span(file)).case("expression");
        Some(problem.with("value", String::from_utf8_lossy(regex)).with("reason", reason))
    };
    match (name, words) {
        (b"server_name", _) => words.iter().filter(|word| is_marked(word)).find_map(|word| {
            let value = word.value(text);
            told(word, value.strip_prefix(b"~")?)
        }),
        (b"location", [mark, word]) if matches!(&*mark.value(text), b"~" | b"~*") => told(word, &word.value(text)),
        (b"rewrite", [word, ..]) => told(word, &word.value(text)),
        _ => None,
    }
}
