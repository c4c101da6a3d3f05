//! Macros: `<Macro>`, and what `Use` makes of it: a text of its own whose bytes know the body and the use they come from.
//!
//! Source: Apache 2.4, `modules/core/mod_macro.c`: names without case, parameters exactly and textually, the longest first
//! where several begin at one place.

use std::sync::Arc;

use super::{Open, Reader, Statement};
use crate::diagnostic::Problem;
use crate::model::{Frame, FrameKind};
use crate::server::apache::syntax::{self, Line, Word};
use crate::source::{FileId, Segment, Span};

/// How many parameters a macro may have before the text is called hostile.
const PARAMETERS: usize = 200;

/// A macro that is defined.
#[derive(Clone)]
pub(super) struct Macro {
    /// Each with its place in the list, the longest first.
    parameters: Arc<[(usize, Vec<u8>)]>,
    /// The lines of its body with the text that they stand in, in order.
    body: Arc<[(FileId, Line)]>,
    /// Where its name stands.
    at: Span,
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Reader<'_> {
    /// `<Macro name parameter...>` with its body up to the end that belongs to it.
    pub(super) fn define_macro(&mut self, statement: &Statement) {
        let text = Arc::clone(self.out.text(statement.text));
        let words = self.out.words(statement);
        let values: Vec<Vec<u8>> = words.iter().map(|word| word.value(&text).into_owned()).collect();
        let at = self.out.name_span(statement);
        let mut body = Vec::new();
        let mut depth = 1;
        loop {
            let Some(here) = self.next_line() else {
                let problem = Problem::new("syntax-error", at).case("unclosed-section").with("name", "Macro");
                self.out.problems.push(problem);
                return;
            };
            let (first, _) = self.first_word_of(here);
            if first.eq_ignore_ascii_case(b"</Macro>") {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            } else if first.eq_ignore_ascii_case(b"<Macro") {
                depth += 1;
            }
            body.push((here.text, here.line));
        }
        let Some((name, parameters)) = values.split_first().filter(|(name, _)| !name.is_empty()) else {
            let problem = Problem::new("invalid-argument", at).case("count").with("name", "<Macro>");
            self.out.problems.push(problem.with("expected", "a name").with("count", "0"));
            return;
        };
        let mut parameters: Vec<(usize, Vec<u8>)> = parameters.iter().cloned().enumerate().collect();
        parameters.sort_by_key(|(at, parameter)| (std::cmp::Reverse(parameter.len()), *at));
        if parameters.len() > PARAMETERS || parameters.last().is_some_and(|(_, one)| one.is_empty()) {
            let problem = Problem::new("invalid-argument", at).case("value").with("name", "<Macro>");
            let problem = problem.with("value", parameters.len().to_string());
            self.out.problems.push(problem.with("expected", "parameters with names, and not hundreds of them"));
            return;
        }
        let defined = Macro { parameters: parameters.into(), body: body.into(), at: words[0].span(statement.text) };
        self.macros.insert(name.to_ascii_lowercase(), defined);
    }

    /// `Use name value...`: what follows is read from the body first.
    pub(super) fn use_macro(&mut self, statement: &Statement, name: Word, values: &[Word]) {
        let text = Arc::clone(self.out.text(statement.text));
        let key = name.value(&text).to_ascii_lowercase();
        let at = name.span(statement.text);
        let problem = |case| Problem::new("invalid-argument", at).case(case).with("name", lossy(&key));
        let Some(found) = self.macros.get(&key).cloned() else {
            self.out.problems.push(problem("no-macro"));
            return;
        };
        if found.parameters.len() != values.len() {
            let problem = problem("macro-count").with("expected", found.parameters.len().to_string());
            let problem = problem.with("count", values.len().to_string());
            self.out.problems.push(problem.related(found.at, "defined here"));
            return;
        }
        if self.open.iter().any(|open| open.macro_name.as_ref() == Some(&key)) {
            self.out.problems.push(problem("macro-recursive").related(found.at, "defined here"));
            return;
        }
        let used = Span::new(statement.text, statement.name.0, statement.arguments.1.max(statement.name.1));
        let values: Vec<(Vec<u8>, Span)> =
            values.iter().map(|word| (word.value(&text).into_owned(), word.span(statement.text))).collect();
        let Some((made, segments)) = self.expand(&found, &values, used) else {
            self.too_many(at);
            return;
        };
        let like = found.body.first().map_or(statement.text, |(text, _)| *text);
        let lines: Arc<[Line]> = syntax::lines(&made).into();
        if self.too_many_lines(at, lines.len()) {
            return;
        }
        let id = self.make(like, made, segments);
        let frame = Frame { kind: FrameKind::Macro, at: used, parent: statement.include_chain };
        let include_chain = Some(self.out.frames.add(frame));
        let sections = self.sections.len();
        self.open.push(Open { text: id, lines, at: 0, include_chain, file: None, macro_name: Some(key), sections });
    }

    /// The body with its parameters replaced, line by line. Absent where it grows beyond the limit.
    fn expand(&self, found: &Macro, values: &[(Vec<u8>, Span)], used: Span) -> Option<(Vec<u8>, Vec<Segment>)> {
        let mut out = Vec::new();
        let mut made = Vec::new();
        for (text, line) in found.body.iter() {
            let whole = self.out.text(*text);
            let (bytes, segments) = match line.joined {
                true => syntax::join(whole, *line, *text),
                false => {
                    let from = line.span(*text);
                    let segment = Segment { start: 0, from, verbatim: true, defined: None, used: None };
                    (whole[line.range()].to_vec(), vec![segment])
                }
            };
            let mut at = 0;
            while at < bytes.len() {
                let next = next_parameter(&bytes, at, &found.parameters);
                let until = next.map_or(bytes.len(), |(start, _)| start);
                for segment in parts(&segments, at..until, bytes.len()) {
                    made.push(Segment { start: out.len() as u32, used: Some(used), ..segment });
                    out.extend_from_slice(
                        &bytes[segment.start as usize..segment.start as usize + segment.from.len() as usize],
                    );
                }
                let Some((start, parameter)) = next else { break };
                let (place, parameter) = &found.parameters[parameter];
                let end = start + parameter.len();
                let from = parts(&segments, start..end, bytes.len()).next().map_or(used, |part| part.from);
                let (value, defined) = &values[*place];
                let start = out.len() as u32;
                made.push(Segment { start, from, verbatim: false, defined: Some(*defined), used: Some(used) });
                out.extend_from_slice(value);
                at = end;
                if out.len() as u64 + self.made > self.limits.config_file {
                    return None;
                }
            }
            let last = segments.last().map_or(used, |segment| segment.from);
            let end = Span::new(last.file, last.end, last.end);
            made.push(Segment { start: out.len() as u32, from: end, verbatim: false, defined: None, used: Some(used) });
            out.push(b'\n');
            if out.len() as u64 + self.made > self.limits.config_file {
                return None;
            }
        }
        Some((out, made))
    }
}

/// The parts of segments that lie in a range; `start` counts in the line.
fn parts(segments: &[Segment], range: std::ops::Range<usize>, length: usize) -> impl Iterator<Item = Segment> + '_ {
    segments.iter().enumerate().filter_map(move |(at, segment)| {
        let end = segments.get(at + 1).map_or(length, |next| next.start as usize);
        let from = (segment.start as usize).max(range.start);
        let to = end.min(range.end);
        (from < to).then(|| {
            let skipped = from as u32 - segment.start;
            let from_span = segment.from.part(skipped, skipped + (to - from) as u32);
            Segment { start: from as u32, from: from_span, ..*segment }
        })
    })
}

/// The first parameter at or behind `from`, the longest where several begin at one place; `parameters` has the longer first.
fn next_parameter(line: &[u8], from: usize, parameters: &[(usize, Vec<u8>)]) -> Option<(usize, usize)> {
    (from..line.len()).find_map(|at| {
        let begins = |(_, parameter): &(usize, Vec<u8>)| line[at..].starts_with(parameter);
        parameters.iter().position(begins).map(|found| (at, found))
    })
}
