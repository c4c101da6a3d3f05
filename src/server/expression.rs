//! Regular expressions that no engine takes: nginx and Apache compile each while they read the configuration, and do not start
//! where PCRE refuses one.

use crate::diagnostic::Problem;
use crate::source::Span;

/// Bytes of an expression that is looked at: a tree is much larger than its text, and nobody writes longer ones.
const LONGEST: usize = 4096;

/// What is told of a regular expression that cannot be compiled.
pub(super) fn problem(regex: &[u8], at: Span) -> Option<Problem> {
    let regex = std::str::from_utf8(regex).ok()?;
    let reason = fault(regex)?;
    Some(Problem::new("invalid-argument", at).case("expression").with("value", regex).with("reason", reason))
}

/// What PCRE, too, says of a regular expression that cannot be one: only faults that it shares with the syntax here. Others
/// may be what PCRE knows beyond it.
fn fault(regex: &str) -> Option<&'static str> {
    use regex_syntax::ast::ErrorKind;
    if regex.len() > LONGEST || is_surely_sound(regex.as_bytes()) {
        return None;
    }
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

/// Whether it has nothing but letters that stand for themselves, groups that are closed, and signs of repetition behind
/// something: most have, and need not be read as a tree.
fn is_surely_sound(regex: &[u8]) -> bool {
    let mut depth = 0_u32;
    // Whether a sign of repetition may follow.
    let mut is_repeatable = false;
    let mut at = 0;
    while let Some(letter) = regex.get(at) {
        at += 1;
        match letter {
            b'(' => {
                if regex[at..].starts_with(b"?:") {
                    at += 2;
                } else if regex.get(at).is_some_and(|next| matches!(next, b'?' | b'*')) {
                    return false;
                }
                depth += 1;
                is_repeatable = false;
            }
            b')' if depth > 0 => {
                depth -= 1;
                is_repeatable = true;
            }
            b'|' | b'^' | b'$' => is_repeatable = false,
            b'*' | b'+' | b'?' if is_repeatable => is_repeatable = false,
            b'\\' if regex.get(at).is_some_and(u8::is_ascii_punctuation) => {
                at += 1;
                is_repeatable = true;
            }
            b'.' | b'/' | b'-' | b'_' | b'=' | b',' | b':' | b'&' | b'%' | b'@' => is_repeatable = true,
            letter if letter.is_ascii_alphanumeric() => is_repeatable = true,
            _ => return false,
        }
    }
    depth == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_passed_over_could_be_read() {
        for plain in ["^/a/b$", "\\.(?:css|js|png)$", "^(www\\.)?a\\.test$", "(.*)", "a+b?c*"] {
            assert!(is_surely_sound(plain.as_bytes()), "{plain}");
        }
        // All texts of up to five of these letters.
        const LETTERS: &[u8] = b"a(|)*?:\\.[";
        let mut texts: Vec<String> = vec![String::new()];
        for _ in 0..5 {
            let longer = texts.iter().flat_map(|text| LETTERS.iter().map(move |one| format!("{text}{}", *one as char)));
            texts = longer.collect();
            for text in texts.iter().filter(|text| is_surely_sound(text.as_bytes())) {
                assert!(regex_syntax::ast::parse::Parser::new().parse(text).is_ok(), "{text}");
            }
        }
    }

    #[test]
    fn what_nobody_writes_is_not_looked_at() {
        assert_eq!(fault(&"(".repeat(LONGEST + 1)), None);
    }

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
