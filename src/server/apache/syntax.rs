//! Apache's text, cut into logical lines: directives, and the heads and ends of sections. Words are cut while lowering.
//!
//! Source: Apache 2.4, `server/config.c`, `ap_cfg_getline` and `ap_getword_conf`.

use std::ops::Range;

/// What a logical line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `Name arguments`.
    Directive,
    /// `<Name arguments>`.
    Open,
    /// `</Name>`.
    Close,
}

/// A line with those that it goes on in behind a backslash. Offsets in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: Range<usize>,
    /// What stands behind the name, the `>` of a section left out.
    pub rest: Range<usize>,
}

/// Cuts a text into logical lines; comments and empty lines are left out.
pub fn lines(text: &[u8]) -> Vec<Line> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let end = logical_end(text, at);
        found.extend(line(text, at..end));
        at = end + 1;
    }
    found
}

/// The end of the logical line that begins at `from`: the newline, or the end of the text.
fn logical_end(text: &[u8], from: usize) -> usize {
    let mut at = from;
    loop {
        let end = text[at..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |found| at + found);
        let line = text[at..end].strip_suffix(b"\r").unwrap_or(&text[at..end]);
        if end == text.len() || line.last() != Some(&b'\\') {
            return end;
        }
        at = end + 1;
    }
}

fn line(text: &[u8], range: Range<usize>) -> Option<Line> {
    let is_blank = |at: usize| text[at].is_ascii_whitespace();
    let start = range.clone().find(|at| !is_blank(*at))?;
    let mut end = range.clone().rev().find(|at| !is_blank(*at)).map_or(start, |at| at + 1);
    let (kind, name_start) = match (text[start], text.get(start + 1)) {
        (b'#', _) => return None,
        (b'<', Some(b'/')) => (Kind::Close, start + 2),
        (b'<', _) => (Kind::Open, start + 1),
        _ => (Kind::Directive, start),
    };
    if kind != Kind::Directive && text[end - 1] == b'>' {
        end -= 1;
    }
    let name_end = (name_start..end).find(|at| is_blank(*at)).unwrap_or(end);
    Some(Line { kind, name: name_start..name_end, rest: name_end..end.max(name_end) })
}

/// The words of a stretch of text with their places: quotes are taken away, a backslash keeps the next quote.
pub fn words(text: &[u8], range: Range<usize>) -> Vec<(String, Range<usize>)> {
    let mut found = Vec::new();
    let mut at = range.start;
    while at < range.end {
        if text[at].is_ascii_whitespace() || (text[at] == b'\\' && matches!(text.get(at + 1), Some(b'\n' | b'\r'))) {
            at += 1;
            continue;
        }
        let start = at;
        let quote = Some(text[at]).filter(|byte| matches!(byte, b'"' | b'\''));
        at += usize::from(quote.is_some());
        let mut word = Vec::new();
        while at < range.end {
            let byte = text[at];
            match quote {
                Some(quote) if byte == quote => break,
                Some(quote) if byte == b'\\' && text.get(at + 1) == Some(&quote) => at += 1,
                None if byte.is_ascii_whitespace() => break,
                _ => {}
            }
            word.push(text[at]);
            at += 1;
        }
        at = (at + usize::from(quote.is_some())).min(range.end);
        found.push((String::from_utf8_lossy(&word).into_owned(), start..at));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_on_behind_a_backslash() {
        let text = b"# no\nListen \\\n  443\n<VirtualHost *:443>\nServerName \"a b\"\n</VirtualHost>";
        let found = lines(text);
        let shape: Vec<(Kind, Vec<String>)> = found
            .iter()
            .map(|line| (line.kind, words(text, line.rest.clone()).into_iter().map(|(word, _)| word).collect()))
            .collect();
        let expected = [
            (Kind::Directive, vec!["443".to_owned()]),
            (Kind::Open, vec!["*:443".to_owned()]),
            (Kind::Directive, vec!["a b".to_owned()]),
            (Kind::Close, vec![]),
        ];
        assert_eq!(shape, expected);
    }
}
