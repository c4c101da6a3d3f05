//! Apache's text, cut into logical lines as httpd cuts it: a backslash before a newline joins lines, and only then is a
//! line looked at. Words are cut later, once variables and macros are replaced.
//!
//! Cutting cannot fail. Source: Apache 2.4, `server/util.c`, `ap_cfg_getline_core` and `cfg_trim_line`.

mod word;

use std::ops::Range;

pub use self::word::{Word, first_word, words};
use crate::source::{FileId, Segment, Span};

/// What a logical line is, by how it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `Name arguments`.
    Directive,
    /// `<Name arguments>`.
    Open,
    /// `</Name>`.
    Close,
}

/// A logical line that says something. Offsets count bytes of the text that it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// First byte that is no blank.
    pub start: u32,
    /// One past the last byte that is no blank; of a joined line, its end.
    pub end: u32,
    /// Whether it goes over several physical lines.
    pub joined: bool,
}

impl Line {
    /// The bytes of the line, the joints between physical lines included.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The place of the line.
    pub fn span(self, file: FileId) -> Span {
        Span::new(file, self.start, self.end)
    }
}

/// The blanks of `apr_isspace`.
#[inline]
pub fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// Whether a variable is used anywhere in some bytes.
pub fn has_variable(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'$', bytes).any(|at| bytes.get(at + 1) == Some(&b'{'))
}

/// What a line is, by its first bytes.
pub fn kind(line: &[u8]) -> Kind {
    match line {
        [b'<', b'/', ..] => Kind::Close,
        [b'<', ..] => Kind::Open,
        _ => Kind::Directive,
    }
}

/// Cuts a text into logical lines; comments and empty lines are left out.
pub fn lines(text: &[u8]) -> Vec<Line> {
    let mut found = Vec::with_capacity(text.len() / 32);
    let mut at = 0;
    while at < text.len() {
        let (end, next, joined) = logical_end(text, at);
        let blanks = text[at..end].iter().take_while(|byte| is_space(**byte)).count();
        // Behind a joint a line may be empty: its end stays, for the joint to be seen.
        let trailing = match joined {
            true => 0,
            false => text[at + blanks..end].iter().rev().take_while(|byte| is_space(**byte)).count(),
        };
        let line = Line { start: (at + blanks) as u32, end: (end - trailing) as u32, joined };
        if line.start < line.end && begins(text, line) {
            found.push(line);
        }
        at = next;
    }
    found
}

/// How many words a text has at most: one a line, and one behind each blank that follows something. What comments say counts.
pub fn words_within(text: &[u8], lines: &[Line]) -> usize {
    let is_end = |pair: &(&u8, &u8)| *pair.0 > b' ' && matches!(*pair.1, b' ' | b'\t');
    lines.len() + text.iter().zip(text.get(1..).unwrap_or_default()).filter(is_end).count()
}

/// Whether a line says something: a joint at its beginning is not looked at, but what stands behind it.
fn begins(text: &[u8], line: Line) -> bool {
    let bytes = &text[line.range()];
    if !line.joined {
        return bytes[0] != b'#';
    }
    let first = pieces(text, line).into_iter().flatten().find(|at| !is_space(text[*at]));
    first.is_some_and(|at| text[at] != b'#')
}

/// Where the logical line that begins at `from` ends, where the next begins, and whether it was joined.
fn logical_end(text: &[u8], from: usize) -> (usize, usize, bool) {
    let mut at = from;
    let mut joined = false;
    loop {
        let Some(newline) = memchr::memchr(b'\n', &text[at..]).map(|found| at + found) else {
            return (text.len(), text.len(), joined);
        };
        let line = text[at..newline].strip_suffix(b"\r").unwrap_or(&text[at..newline]);
        if line.last() != Some(&b'\\') {
            return (at + line.len(), newline + 1, joined);
        }
        if newline + 1 == text.len() {
            return (at + line.len() - 1, text.len(), joined); // nothing follows to join
        }
        joined = true;
        at = newline + 1;
    }
}

/// The pieces of a line between its joints.
fn pieces(text: &[u8], line: Line) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let (mut from, end) = (line.start as usize, line.end as usize);
    while let Some(newline) = text[from..end].iter().position(|byte| *byte == b'\n').map(|at| from + at) {
        let piece = text[from..newline].strip_suffix(b"\r").unwrap_or(&text[from..newline]);
        let piece = piece.strip_suffix(b"\\").unwrap_or(piece);
        found.push(from..from + piece.len());
        from = newline + 1;
    }
    found.push(from..end);
    found
}

/// A joined line as httpd sees it, with where each piece stands. Blanks around the whole are taken away.
pub fn join(text: &[u8], line: Line, file: FileId) -> (Vec<u8>, Vec<Segment>) {
    let mut out = Vec::with_capacity(line.range().len());
    let mut segments = Vec::new();
    for piece in pieces(text, line) {
        let mut piece = piece;
        if out.is_empty() {
            piece.start += text[piece.clone()].iter().take_while(|byte| is_space(**byte)).count();
        }
        if piece.is_empty() {
            continue;
        }
        let from = Span::new(file, piece.start as u32, piece.end as u32);
        segments.push(Segment { start: out.len() as u32, from, verbatim: true, defined: None, used: None });
        out.extend_from_slice(&text[piece]);
    }
    let kept = out.len() - out.iter().rev().take_while(|byte| is_space(**byte)).count();
    out.truncate(kept);
    segments.retain(|segment| (segment.start as usize) < kept);
    (out, segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &[u8]) -> Vec<String> {
        let whole = |line: Line| join(text, line, FileId(0)).0;
        lines(text).into_iter().map(|line| String::from_utf8_lossy(&whole(line)).into_owned()).collect()
    }

    #[test]
    fn lines_are_joined_before_comments_are_seen() {
        let table: &[(&[u8], &[&str])] = &[
            (b"# no \\\nnor this\nListen 1", &["Listen 1"]),
            (b"Listen \\\n  443\nServerName \"a b\"  \n\n", &["Listen   443", "ServerName \"a b\""]),
            (b"SetEnv E back\\\\\nslash", &["SetEnv E back\\slash"]),
            (b"SetEnv A b\\ \nSetEnv C d", &["SetEnv A b\\", "SetEnv C d"]),
            (b"Listen \\\r\n443\r\nA b", &["Listen 443", "A b"]),
            (b"A x\\", &["A x\\"]),
            (b"A x\\\n", &["A x"]),
            (b" \\\n# hidden", &[]),
            (b"\\\n\\\nA b", &["A b"]),
            (b"A \\\n\nB", &["A", "B"]),
        ];
        for (text, expected) in table {
            assert_eq!(shown(text), *expected, "{}", String::from_utf8_lossy(text));
        }
    }
}
