//! Where comments and directives stand in a Caddyfile, for what people write beside it.

use super::syntax::{Pool, Word, lex};
use crate::server::{ByteRange, Outline};
use crate::source::{FileId, Limits};

/// Where comments and directives stand. A directive goes on to the end of its line, or of its block.
pub fn outline(text: &[u8]) -> Outline {
    let words = lex(text, FileId(0), 0, &[], &mut Pool::default(), Limits::default().words).words;
    let mut out = Outline::default();
    let mut open: Vec<Option<usize>> = Vec::new();
    let mut current: Option<usize> = None;
    let mut before: Option<&Word> = None;
    for word in &words {
        let behind = before.map_or(0, |before| before.span.end);
        comments(text, behind as usize, word.span.start as usize, &mut out.comments);
        let is_first = before.is_none_or(|before| before.ends_line_before(word) || before.opens() || before.closes());
        if word.closes() {
            if let Some(Some(at)) = open.pop() {
                out.directives[at].end = word.span.end;
            }
            current = None;
        } else if word.opens() {
            open.push(current.take());
        } else if is_first && !continues(current, before) {
            current = Some(out.directives.len());
            out.directives.push(ByteRange { start: word.span.start, end: word.span.end });
        } else if let Some(at) = current {
            out.directives[at].end = word.span.end;
        }
        before = Some(word);
    }
    let behind = before.map_or(0, |before| before.span.end);
    comments(text, behind as usize, text.len(), &mut out.comments);
    // What is not closed goes on to the end, and a site without braces to the end of the file.
    for at in open.into_iter().flatten() {
        out.directives[at].end = text.len() as u32;
    }
    out
}

/// Whether addresses of a site go on: a comma ends the line before.
fn continues(current: Option<usize>, before: Option<&Word>) -> bool {
    current.is_some() && before.is_some_and(|before| before.text.ends_with(','))
}

/// The comments between two words.
fn comments(text: &[u8], from: usize, to: usize, out: &mut Vec<ByteRange>) {
    let mut at = from;
    for line in text[from..to.max(from)].split_inclusive(|byte| *byte == b'\n') {
        if let Some(start) = line.iter().position(|byte| *byte == b'#') {
            let end = at + line.trim_ascii_end().len();
            out.push(ByteRange { start: (at + start) as u32, end: end as u32 });
        }
        at += line.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_lines_are_directives() {
        let text = b"# one\na.test,\nb.test {\n\ttls a b # two\n\theader {\n\t\tX y\n\t}\n}\n";
        let found = outline(text);
        let shown = |all: &[ByteRange]| -> Vec<String> {
            let part = |one: &ByteRange| &text[one.start as usize..one.end as usize];
            all.iter().map(|one| String::from_utf8_lossy(part(one)).into_owned()).collect()
        };
        assert_eq!(shown(&found.comments), ["# one", "# two"]);
        let whole = "a.test,\nb.test {\n\ttls a b # two\n\theader {\n\t\tX y\n\t}\n}";
        assert_eq!(shown(&found.directives), [whole, "tls a b", "header {\n\t\tX y\n\t}", "X y"]);
    }
}
