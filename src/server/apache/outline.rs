//! Where comments and directives stand in an Apache file, for what people write beside it.

use super::syntax::{self, Kind, kind};
use crate::server::{ByteRange, Outline};

/// Where comments and directives stand. A section is a directive as far as its closing line.
pub fn outline(text: &[u8]) -> Outline {
    let lines = syntax::lines(text);
    let mut out = Outline::default();
    let mut open: Vec<usize> = Vec::new();
    let mut behind = 0;
    for line in &lines {
        comments(text, behind, line.start as usize, &mut out.comments);
        behind = line.end as usize;
        match kind(&text[line.range()]) {
            Kind::Close => {
                if let Some(at) = open.pop() {
                    out.directives[at].end = line.end;
                }
            }
            what => {
                if what == Kind::Open {
                    open.push(out.directives.len());
                }
                out.directives.push(ByteRange { start: line.start, end: line.end });
            }
        }
    }
    comments(text, behind, text.len(), &mut out.comments);
    // What is not closed goes on to the end.
    for at in open {
        out.directives[at].end = text.len() as u32;
    }
    out
}

/// The comments between two logical lines: whole lines.
fn comments(text: &[u8], from: usize, to: usize, out: &mut Vec<ByteRange>) {
    let mut at = from;
    for line in text[from..to].split_inclusive(|byte| *byte == b'\n') {
        let start = at + line.iter().take_while(|byte| syntax::is_space(**byte)).count();
        let end = at + line.trim_ascii_end().len();
        if start < end && text[start] == b'#' {
            out.push(ByteRange { start: start as u32, end: end as u32 });
        }
        at += line.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_directives_and_comments_are_lines() {
        let text = b"# one\nListen 1\n<VirtualHost *:1>\n  # two\n  A \\\n  b\n</VirtualHost>\n#three";
        let found = outline(text);
        let shown = |all: &[ByteRange]| -> Vec<String> {
            let part = |one: &ByteRange| &text[one.start as usize..one.end as usize];
            all.iter().map(|one| String::from_utf8_lossy(part(one)).into_owned()).collect()
        };
        assert_eq!(shown(&found.comments), ["# one", "# two", "#three"]);
        let section = "<VirtualHost *:1>\n  # two\n  A \\\n  b\n</VirtualHost>";
        assert_eq!(shown(&found.directives), ["Listen 1", section, "A \\\n  b"]);
    }
}
