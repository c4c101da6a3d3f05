//! A Caddyfile, cut into tokens with their lines. Source: Caddy 2.6, `caddyconfig/caddyfile/lexer.go`.

use std::ops::Range;

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// As Caddy reads it: quotes taken away.
    pub text: String,
    /// Where it stands, quotes included; offsets in bytes.
    pub at: Range<usize>,
    /// Its line, from 0: what ends a directive.
    pub line: usize,
    /// Whether it is written in quotes, so that a brace is no brace.
    pub quoted: bool,
}

impl Token {
    /// Whether it opens or closes a block.
    pub fn is(&self, brace: &str) -> bool {
        !self.quoted && self.text == brace
    }
}

/// Cuts a text into tokens. A quote that is never closed runs to the end.
pub fn tokens(text: &[u8]) -> Vec<Token> {
    let mut found = Vec::new();
    let mut at = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let mut line = 0;
    while at < text.len() {
        match text[at] {
            b'\n' => {
                line += 1;
                at += 1;
            }
            byte if byte.is_ascii_whitespace() => at += 1,
            b'#' => at = text[at..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |end| at + end),
            quote @ (b'"' | b'`') => {
                let (start, first) = (at, line);
                let mut word = Vec::new();
                at += 1;
                while at < text.len() && text[at] != quote {
                    if quote == b'"' && text[at] == b'\\' && text.get(at + 1) == Some(&b'"') {
                        at += 1;
                    }
                    line += usize::from(text[at] == b'\n');
                    word.push(text[at]);
                    at += 1;
                }
                at = (at + 1).min(text.len());
                found.push(Token {
                    text: String::from_utf8_lossy(&word).into_owned(),
                    at: start..at,
                    line: first,
                    quoted: true,
                });
            }
            _ => {
                let start = at;
                while at < text.len() && !text[at].is_ascii_whitespace() {
                    at += 1;
                }
                let word = String::from_utf8_lossy(&text[start..at]).into_owned();
                found.push(Token { text: word, at: start..at, line, quoted: false });
            }
        }
    }
    found
}
