//! Regular expressions in arguments: nginx compiles each while it reads the configuration (ngx_regex_compile), and does not
//! start where PCRE refuses one.

use crate::diagnostic::Problem;
use crate::server::nginx::syntax::Word;
use crate::source::FileId;

/// A regular expression that cannot be compiled.
pub fn check(name: &[u8], words: &[Word], text: &[u8], file: FileId) -> Option<Problem> {
    let is_marked =
        |word: &Word| text.get(word.start as usize).is_some_and(|first| matches!(first, b'~' | b'"' | b'\''));
    let fault = |word: &Word, regex: &[u8]| {
        let reason = self::fault(std::str::from_utf8(regex).ok()?)?;
        let problem = Problem::new("invalid-argument", word.span(file)).case("expression");
        Some(problem.with("value", String::from_utf8_lossy(regex)).with("reason", reason))
    };
    match (name, words) {
        (b"server_name", _) => words.iter().filter(|word| is_marked(word)).find_map(|word| {
            let value = word.value(text);
            fault(word, value.strip_prefix(b"~")?)
        }),
        (b"location", [mark, word]) if matches!(&*mark.value(text), b"~" | b"~*") => fault(word, &word.value(text)),
        (b"rewrite", [word, ..]) => fault(word, &word.value(text)),
        _ => None,
    }
}

/// What PCRE, too, says of a regular expression that cannot be one: only faults that it shares with the syntax here. Others
/// may be what PCRE knows beyond it.
fn fault(regex: &str) -> Option<&'static str> {
    use regex_syntax::ast::ErrorKind;
    let error = regex_syntax::ast::parse::Parser::new().parse(regex).err()?;
    // Verbs of PCRE, and brackets that are plain letters within brackets there.
    let is_plain = !regex.contains("(*") && regex.matches('[').count() < 2;
    match error.kind() {
        ErrorKind::GroupUnclosed if !regex.contains("(*") => Some("a `(` is never closed"),
        ErrorKind::GroupUnopened => Some("a `)` closes nothing"),
        ErrorKind::ClassUnclosed if is_plain => Some("a `[` is never closed"),
        ErrorKind::RepetitionMissing if is_plain => Some("nothing stands before `*`, `+` or `?`"),
        ErrorKind::RepetitionCountInvalid => Some("the numbers in `{}` are out of order"),
        ErrorKind::EscapeUnexpectedEof => Some("it ends with `\\`"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_no_engine_takes_is_a_fault() {
        for bad in ["^(a$", "a)b", "[a-", "a{3,1}", "*a", "(+a)", "a\\"] {
            assert!(fault(bad).is_some(), "{bad}");
        }
        for good in [
            "^(?!www)a$",
            "(?<a>x)\\1",
            "[[a]",
            "(*UTF8)a",
            "[]a]",
            "\\Q(\\E",
            "a{,3}",
            "(?#()a",
            "\\p{L}+",
            "[(]",
            "a{b",
        ] {
            assert_eq!(fault(good), None, "{good}");
        }
    }
}
