//! Words of a line, cut as `ap_getword_conf` cuts them: quotes at the beginning of a word alone, no error ever.
//!
//! Source: Apache 2.4, `server/util.c`, `ap_getword_conf` and `substring_conf`.

use std::borrow::Cow;

use nom::IResult;
use nom::bytes::complete::{take_till, take_while};
use nom::error::Error;

use super::is_space;
use crate::model::Token;
use crate::source::{FileId, Span};

type Cut<'a> = IResult<&'a [u8], &'a [u8], Error<&'a [u8]>>;

fn blanks(input: &[u8]) -> Cut<'_> {
    take_while(is_space)(input)
}

fn bare(input: &[u8]) -> Cut<'_> {
    take_till(is_space)(input)
}

/// Bytes inside quotes that need no second look.
fn inside(quote: u8) -> impl Fn(&[u8]) -> Cut<'_> {
    move |input| take_till(move |byte| byte == quote || byte == b'\\')(input)
}

/// How many bytes a parser takes; the parsers here never fail.
fn taken(cut: Cut<'_>) -> usize {
    cut.map_or(0, |(_, taken)| taken.len())
}

/// A word of a line. Offsets count bytes of the text that the line stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// First byte, the opening quote included.
    pub start: u32,
    /// One past the last byte, the closing quote included.
    pub end: u32,
    /// The quote that it is written in.
    quote: Option<u8>,
    /// Whether the closing quote is there.
    closed: bool,
    escaped: bool,
}

impl Word {
    /// Whether it is written in quotes.
    pub fn is_quoted(self) -> bool {
        self.quote.is_some()
    }

    /// The place of the word, quotes included.
    pub fn span(self, file: FileId) -> Span {
        Span::new(file, self.start, self.end)
    }

    /// The word as httpd reads it.
    pub fn value(self, text: &[u8]) -> Cow<'_, [u8]> {
        let start = self.start as usize + usize::from(self.quote.is_some());
        let end = self.end as usize - usize::from(self.closed);
        let raw = text.get(start..end.max(start)).unwrap_or_default();
        if !self.escaped {
            return Cow::Borrowed(raw);
        }
        let mut out = Vec::with_capacity(raw.len());
        let mut bytes = raw.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            match bytes.peek() {
                Some(next) if byte == b'\\' && (*next == b'\\' || Some(*next) == self.quote) => {
                    out.push(*next);
                    bytes.next();
                }
                _ => out.push(byte),
            }
        }
        Cow::Owned(out)
    }

    /// The word as the model keeps it.
    pub fn token(self, text: &[u8], file: FileId) -> Token {
        let value = self.value(text);
        match String::from_utf8_lossy(&value) {
            Cow::Borrowed(text) => Token::new(text, self.span(file)),
            Cow::Owned(text) => Token::new(text, self.span(file)),
        }
    }
}

/// The first word of `text[from..to]`. Absent where only blanks are left.
pub fn first_word(text: &[u8], from: usize, to: usize) -> Option<Word> {
    let line = text.get(from..to)?;
    let start = taken(blanks(line));
    let first = *line.get(start)?;
    let word = |end: usize, quote, closed, escaped| Word {
        start: (from + start) as u32,
        end: (from + end) as u32,
        quote,
        closed,
        escaped,
    };
    if !matches!(first, b'"' | b'\'') {
        let end = start + taken(bare(&line[start..]));
        return Some(word(end, None, false, line[start..end].contains(&b'\\')));
    }
    let mut at = start + 1;
    let mut escaped = false;
    loop {
        at += taken(inside(first)(&line[at..]));
        match line.get(at) {
            None => return Some(word(line.len(), Some(first), false, escaped)),
            Some(byte) if *byte == first => return Some(word(at + 1, Some(first), true, escaped)),
            Some(_) => {
                escaped = true;
                let is_pair = line.get(at + 1).is_some_and(|next| *next == first || *next == b'\\');
                at += if is_pair { 2 } else { 1 };
            }
        }
    }
}

/// All words of `text[from..to]`.
pub fn words(text: &[u8], from: usize, to: usize) -> Vec<Word> {
    let next = |word: &Word| first_word(text, word.end as usize, to);
    std::iter::successors(first_word(text, from, to), next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_as_httpd_cuts_them() {
        let table: &[(&str, &[&str])] = &[
            ("a b\tc", &["a", "b", "c"]),
            ("\"a b\" 'c d'", &["a b", "c d"]),
            ("\"ab\"cd", &["ab", "cd"]),
            ("ab\"cd ef\"", &["ab\"cd", "ef\""]),
            ("\"never closed  ", &["never closed  "]),
            ("\"a\\\"b\" 'it\\'s' \"\\d\" \"c\\\\\"", &["a\"b", "it's", "\\d", "c\\"]),
            ("a\\\\b a\\\"b", &["a\\b", "a\\\"b"]),
            ("\"\" x", &["", "x"]),
            ("\"", &[""]),
            ("\"a\\", &["a\\"]),
            ("", &[]),
        ];
        for (text, expected) in table {
            let bytes = text.as_bytes();
            let found: Vec<String> = words(bytes, 0, bytes.len())
                .into_iter()
                .map(|word| String::from_utf8_lossy(&word.value(bytes)).into_owned())
                .collect();
            assert_eq!(found, *expected, "{text}");
        }
    }
}
