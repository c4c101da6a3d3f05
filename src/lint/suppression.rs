//! Comments that say which findings may stay: `# shakedown: ignore[RULE] REASON`.
//!
//! Above a directive, or beside it where the language allows that, such a comment covers the directive with its block;
//! `ignore-block` covers the block that it stands in, `ignore-file` the file. One without a reason covers nothing.

use std::ops::Range;

use super::Rules;
use crate::diagnostic::{Edit, Fix, Problem, Safety};
use crate::server::{ByteRange, Outline};
use crate::source::{self, FileId, Span};

/// The word that such comments begin with.
const MARK: &str = "shakedown:";

/// One rule that a comment speaks of.
#[derive(Clone, Debug)]
pub struct Suppression {
    /// The rule, by its present name.
    pub rule: String,
    /// Where its name stands.
    pub at: Span,
    /// The bytes whose findings may stay; absent: none.
    pub covers: Option<ByteRange>,
    /// Why they may.
    pub reason: String,
    /// What covers them, for messages.
    pub place: &'static str,
    /// Takes the name out, or the comment with its only name.
    pub removal: Edit,
}

impl Suppression {
    /// Whether a finding of a rule at a byte of the file may stay.
    pub fn meets(&self, rule: &str, at: u32) -> bool {
        self.rule == rule && self.covers.is_some_and(|covers| covers.holds(at))
    }

    /// What is said where it meets nothing.
    pub fn unused(&self) -> Problem {
        let problem = Problem::new("unused-suppression", self.at).with("rule", &*self.rule).with("where", self.place);
        let title = format!("take `{}` out", self.rule);
        problem.fix(Fix { title, safety: Safety::Safe, edits: vec![self.removal.clone()] })
    }
}

/// Whether a text may hold such a comment.
pub fn is_marked(text: &[u8]) -> bool {
    source::contains(text, MARK.as_bytes())
}

/// The suppressions of a text, and what is wrong with others.
pub fn read(text: &[u8], file: FileId, outline: &Outline, rules: &Rules) -> (Vec<Suppression>, Vec<Problem>) {
    let mut out = (Vec::new(), Vec::new());
    for comment in &outline.comments {
        let words = String::from_utf8_lossy(&text[comment.start as usize..comment.end as usize]).into_owned();
        let Some(rest) = words.trim_start_matches('#').trim_start().strip_prefix(MARK) else { continue };
        if words.contains('\u{fffd}') {
            continue; // places in the text are not places in the bytes
        }
        let reading = Reading { text, file, outline, rules, comment: *comment, words: &words };
        reading.read(rest.trim_start(), &mut out.0, &mut out.1);
    }
    out
}

struct Reading<'r> {
    text: &'r [u8],
    file: FileId,
    outline: &'r Outline,
    rules: &'r Rules,
    comment: ByteRange,
    words: &'r str,
}

impl Reading<'_> {
    fn read(&self, rest: &str, found: &mut Vec<Suppression>, problems: &mut Vec<Problem>) {
        let whole = Span::new(self.file, self.comment.start, self.comment.end);
        let malformed = |reason: &str| {
            Problem::new("invalid-suppression", whole).case("form").with("reason", reason).with("rule", "")
        };
        let (Some(open), Some(close)) = (rest.find('['), rest.find(']')) else {
            problems.push(malformed("the names of the rules stand in brackets"));
            return;
        };
        let (covers, place) = match rest[..open].trim() {
            "ignore" => (self.directive(), "there"),
            "ignore-block" => (self.outline.innermost(self.comment.start), "in this block"),
            "ignore-file" => (Some(ByteRange { start: 0, end: u32::MAX }), "in this file"),
            _ => {
                problems.push(malformed("`ignore`, `ignore-block` or `ignore-file` is wanted here"));
                return;
            }
        };
        if close < open {
            problems.push(malformed("the brackets do not fit"));
            return;
        }
        let list = &rest[open + 1..close];
        let reason = rest[close + 1..].trim_matches([' ', '\t', ':', '-']).to_owned();
        let offset = self.comment.start as usize + self.words.len() - rest.len() + open + 1;
        let names: Vec<Range<usize>> = parts(list).collect();
        if names.is_empty() {
            problems.push(malformed("no rule is named"));
            return;
        }
        if reason.is_empty() {
            problems.push(Problem::new("invalid-suppression", whole).with("rule", &list[names[0].clone()]));
            return;
        }
        for (order, range) in names.iter().enumerate() {
            let name = &list[range.clone()];
            let at = Span::new(self.file, (offset + range.start) as u32, (offset + range.end) as u32);
            let Some(rule) = self.rules.find(name) else {
                let meant = self.rules.nearest(name).map(|one| format!("write `{one}`, or see what there is: "));
                let problem = Problem::new("invalid-suppression", at).case("unknown").with("rule", name);
                problems.push(problem.with("meant", meant.unwrap_or_default()));
                continue;
            };
            let removal = match names.len() {
                1 => self.without_comment(),
                _ => {
                    // With the comma behind it, or the one before the last.
                    let (from, to) = match names.get(order + 1) {
                        Some(next) => (range.start, next.start),
                        None => (names[order - 1].end, range.end),
                    };
                    let span = Span::new(self.file, (offset + from) as u32, (offset + to) as u32);
                    Edit { span, text: String::new() }
                }
            };
            let rule = rule.name.to_string();
            found.push(Suppression { rule, at, covers, reason: reason.clone(), place, removal });
        }
    }

    fn line_start(&self, at: u32) -> u32 {
        self.text[..at as usize].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at as u32 + 1)
    }

    /// Whether nothing stands before the comment on its line.
    fn is_alone(&self) -> bool {
        let start = self.line_start(self.comment.start);
        self.text[start as usize..self.comment.start as usize].iter().all(u8::is_ascii_whitespace)
    }

    /// The directive that the comment is above of, or beside.
    fn directive(&self) -> Option<ByteRange> {
        let around = self.outline.innermost(self.comment.start);
        if self.is_alone() {
            let next = self.outline.directives.iter().find(|one| one.start >= self.comment.end);
            return next.copied().filter(|next| around.is_none_or(|around| next.start < around.end));
        }
        // A block that opens on the line, else the last directive that ends there.
        let line = self.line_start(self.comment.start);
        let opens = around.filter(|around| around.start >= line);
        let before = self.outline.directives.iter().filter(|one| one.end <= self.comment.start && one.end > line);
        opens.or(before.max_by_key(|one| (one.end, std::cmp::Reverse(one.start))).copied())
    }

    /// Takes out the comment: with its line, where it stands alone there, else with the blanks before it.
    fn without_comment(&self) -> Edit {
        let text = self.text;
        let (start, end) = (self.comment.start as usize, self.comment.end as usize);
        let (from, to) = if self.is_alone() {
            let next = text[end..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| end + at + 1);
            (self.line_start(self.comment.start) as usize, next)
        } else {
            let blanks = text[..start].iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            (start - blanks, end)
        };
        Edit { span: Span::new(self.file, from as u32, to as u32), text: String::new() }
    }
}

/// The names of a list between commas, without blanks around them.
fn parts(list: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut at = 0;
    list.split(',').filter_map(move |part| {
        let start = at + part.len() - part.trim_start().len();
        at += part.len() + 1;
        (!part.trim().is_empty()).then(|| start..start + part.trim().len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::nginx;

    /// What each suppression covers.
    fn covered(text: &str) -> Vec<(String, String)> {
        let outline = nginx::outline(text.as_bytes());
        let (found, problems) = read(text.as_bytes(), FileId(0), &outline, &Rules::default());
        assert!(problems.is_empty(), "{problems:?}");
        let part = |one: ByteRange| text[one.start as usize..(one.end as usize).min(text.len())].to_owned();
        found.into_iter().map(|one| (one.rule, one.covers.map(part).unwrap_or_default())).collect()
    }

    #[test]
    fn comments_cover_what_they_stand_by() {
        let table = [
            ("# shakedown: ignore[weak-cipher] why\n\na b;\nc d;", "a b;"),
            ("a b; # shakedown: ignore[weak-cipher]: why\nc d;", "a b;"),
            ("s { # shakedown: ignore[weak-cipher] why\n a b; }", "s { # shakedown: ignore[weak-cipher] why\n a b; }"),
            ("# shakedown: ignore[weak-cipher] why\ns {\n a b;\n}\n", "s {\n a b;\n}"),
            ("s {\n a b;\n # shakedown: ignore[weak-cipher] why\n}\nc d;", ""),
            (
                "s {\n # shakedown: ignore-block[weak-cipher] why\n}\nc d;",
                "s {\n # shakedown: ignore-block[weak-cipher] why\n}",
            ),
            ("a b;\n#shakedown: ignore-file[weak-cipher] why", "a b;\n#shakedown: ignore-file[weak-cipher] why"),
        ];
        for (text, expected) in table {
            assert_eq!(covered(text), [("weak-cipher".to_owned(), expected.to_owned())], "{text}");
        }
    }

    #[test]
    fn one_name_of_several_is_taken_out() {
        let text = "# shakedown: ignore[weak-cipher, weak-key] why\na b;";
        let (found, _) = read(text.as_bytes(), FileId(0), &nginx::outline(text.as_bytes()), &Rules::default());
        let without = |one: &Suppression| {
            let mut text = text.to_owned();
            text.replace_range(one.removal.span.start as usize..one.removal.span.end as usize, "");
            text
        };
        assert_eq!(without(&found[0]), "# shakedown: ignore[weak-key] why\na b;");
        assert_eq!(without(&found[1]), "# shakedown: ignore[weak-cipher] why\na b;");
    }
}
