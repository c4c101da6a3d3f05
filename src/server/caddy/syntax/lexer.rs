//! Words of a text: white space, quotes, backticks, heredocs, comments and escaped line ends, told apart as Caddy does.
//!
//! Source: Caddy 2.11.4, `lexer.next`. Invalid UTF-8 is read as U+FFFD, as Go's reader does.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::heredoc::{self, HeredocFault};
use super::{Quote, Word};
use crate::diagnostic::{Problem, Severity};
use crate::source::{FileId, Span};

/// The words of a text.
#[derive(Default)]
pub struct Lexed {
    /// In reading order.
    pub words: Vec<Word>,
    /// What Caddy would refuse.
    pub problems: Vec<Problem>,
    /// The opening line of each heredoc, which versions before 2.7 take for ordinary words.
    pub heredocs: Vec<Span>,
}

/// Cuts a text, and stops behind the word that makes more than `most`. `unknown` are places that hold a variable without a
/// value: no word ends inside one.
pub fn lex(bytes: &[u8], id: FileId, file: u32, unknown: &[Range<usize>], pool: &mut Pool, most: usize) -> Lexed {
    let text = String::from_utf8_lossy(bytes);
    let mut lexer = Lexer { text: &text, at: 0, line: 1, skipped: 0, id, file, unknown, next_unknown: 0, pool };
    if let Cow::Owned(_) = text {
        lexer.unknown = &[]; // places in the bytes are not places in the text
    }
    if text.starts_with('\u{feff}') {
        lexer.at = '\u{feff}'.len_utf8();
    }
    let mut out = Lexed { words: Vec::with_capacity(bytes.len() / 8), problems: Vec::new(), heredocs: Vec::new() };
    while out.words.len() <= most && lexer.next(&mut out) {}
    // Invalid bytes became three bytes each: the places of later words must be led back.
    if let Cow::Owned(_) = text {
        let places = Places::of(bytes);
        let back = |span: Span| Span::new(span.file, places.back(span.start), places.back(span.end));
        out.words.iter_mut().for_each(|word| word.span = back(word.span));
        out.heredocs.iter_mut().for_each(|span| *span = back(*span));
        for problem in &mut out.problems {
            problem.at = back(problem.at);
            problem.related.iter_mut().for_each(|label| label.span = back(label.span));
        }
    }
    out
}

/// Words that were met lately: the same few make up most of a configuration, and share their text.
pub struct Pool(Vec<Option<Arc<str>>>);

impl Default for Pool {
    fn default() -> Self {
        Pool(vec![None; 512])
    }
}

impl Pool {
    fn share(&mut self, text: &str) -> Arc<str> {
        const LONGEST: usize = 40;
        if text.len() > LONGEST {
            return text.into();
        }
        // FNV-1a: short words, and no harm where two fall together.
        let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        let slot = &mut self.0[(hash ^ (hash >> 15)) as usize % 512];
        match slot {
            Some(known) if **known == *text => Arc::clone(known),
            slot => Arc::clone(slot.insert(text.into())),
        }
    }
}

/// The way from a text with replaced bytes to the bytes.
struct Places(Vec<(u32, u32)>);

impl Places {
    fn of(bytes: &[u8]) -> Places {
        let (mut from, mut to) = (0_u32, 0_u32);
        let mut marks = Vec::new();
        for chunk in bytes.utf8_chunks() {
            from += chunk.valid().len() as u32;
            to += chunk.valid().len() as u32;
            if !chunk.invalid().is_empty() {
                from += chunk.invalid().len() as u32;
                to += '\u{fffd}'.len_utf8() as u32;
                marks.push((to, from));
            }
        }
        Places(marks)
    }

    fn back(&self, at: u32) -> u32 {
        let found = self.0.partition_point(|(to, _)| *to <= at);
        match found.checked_sub(1).map(|index| self.0[index]) {
            Some((to, from)) => from + (at - to),
            None => at,
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    line: u32,
    /// Lines that were joined to this one, to be counted at its end.
    skipped: u32,
    id: FileId,
    file: u32,
    unknown: &'t [Range<usize>],
    next_unknown: usize,
    pool: &'t mut Pool,
}

impl<'t> Lexer<'t> {
    fn peek(&self) -> Option<char> {
        match self.text.as_bytes().get(self.at) {
            Some(byte) if byte.is_ascii() => Some(*byte as char),
            Some(_) => self.text[self.at..].chars().next(),
            None => None,
        }
    }

    fn span(&self, start: usize) -> Span {
        Span::new(self.id, start as u32, self.at as u32)
    }

    /// The end of the unknown variable that begins here.
    fn variable(&mut self) -> Option<usize> {
        while self.unknown.get(self.next_unknown).is_some_and(|range| range.end <= self.at) {
            self.next_unknown += 1;
        }
        self.unknown.get(self.next_unknown).filter(|range| range.start == self.at).map(|range| range.end)
    }

    fn word(&mut self, out: &mut Lexed, text: Cow<'_, str>, start: usize, line: u32, quote: Quote, is_unknown: bool) {
        let mut breaks = text.bytes().filter(|byte| *byte == b'\n').count() as u32;
        if quote == Quote::Heredoc {
            breaks += 2;
        }
        let is_verbatim = match quote {
            Quote::None => text.len() == self.at - start,
            Quote::Double | Quote::Back => text.len() + 2 == self.at - start,
            Quote::Heredoc => false,
        };
        let text = self.pool.share(&text);
        let span = self.span(start);
        out.words.push(Word {
            text,
            span,
            include_chain: None,
            file: self.file,
            line,
            breaks,
            quote,
            is_unknown,
            is_verbatim,
        });
    }

    /// Ends a line.
    fn break_line(&mut self) {
        self.line += 1 + self.skipped;
        self.skipped = 0;
    }

    /// Reads one word; false at the end of the text.
    fn next(&mut self, out: &mut Lexed) -> bool {
        let mut escaped = false;
        // What stands between words.
        loop {
            let Some(letter) = self.peek() else { return false };
            match letter {
                '\n' if escaped => {
                    self.skipped += 1;
                    escaped = false;
                }
                '\n' => self.break_line(),
                '#' if !escaped => {
                    let rest = &self.text.as_bytes()[self.at..];
                    self.at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                    continue;
                }
                '\\' if !escaped => escaped = true,
                letter if letter.is_whitespace() => {}
                _ => break,
            }
            self.at += letter.len_utf8();
        }
        let start = if escaped { self.text[..self.at].rfind('\\').unwrap_or(self.at) } else { self.at };
        match self.peek() {
            Some('"') => self.quoted(out, start, escaped),
            Some('`') => self.backtick(out, start),
            _ => return self.bare(out, start, escaped),
        }
        true
    }

    /// From an opening quote to the next that is not escaped.
    fn quoted(&mut self, out: &mut Lexed, start: usize, mut escaped: bool) {
        let line = self.line;
        self.at += 1;
        let from = self.at;
        let mut value = String::new();
        let mut copied = from;
        let mut is_unknown = false;
        loop {
            if let Some(end) = self.variable() {
                is_unknown = true;
                self.at = end;
                continue;
            }
            let Some(letter) = self.peek() else {
                return self.unterminated(out, start, value + &self.text[copied..], line, is_unknown);
            };
            match letter {
                '\\' if !escaped => escaped = true,
                '"' if escaped => {
                    // The backslash goes; where it stood before the quotes there is none inside.
                    let before = if self.at > from { self.at - 1 } else { self.at };
                    value += &self.text[copied..before.max(copied)];
                    copied = self.at;
                    escaped = false;
                }
                '"' => break,
                letter => {
                    if escaped && self.at == from {
                        value.push('\\');
                    }
                    if letter == '\n' {
                        self.break_line();
                    }
                    escaped = false;
                }
            }
            self.at += letter.len_utf8();
        }
        value += &self.text[copied..self.at];
        self.at += 1;
        self.word(out, Cow::Owned(value), start, line, Quote::Double, is_unknown);
    }

    fn backtick(&mut self, out: &mut Lexed, start: usize) {
        let line = self.line;
        self.at += 1;
        let from = self.at;
        let rest = &self.text[from..];
        let end = rest.find('`');
        let value = &rest[..end.unwrap_or(rest.len())];
        let is_unknown = self.unknown.iter().any(|range| range.start < from + value.len() && from < range.end);
        for _ in value.bytes().filter(|byte| *byte == b'\n') {
            self.break_line();
        }
        self.at = from + value.len();
        match end {
            Some(_) => {
                self.at += 1;
                self.word(out, Cow::Borrowed(value), start, line, Quote::Back, is_unknown);
            }
            None => self.unterminated(out, start, value.to_owned(), line, is_unknown),
        }
    }

    /// A quote that is not closed runs to the end of the text and is a bare word then.
    fn unterminated(&mut self, out: &mut Lexed, start: usize, value: String, line: u32, is_unknown: bool) {
        let mark = Span::new(self.id, start as u32, start as u32 + 1);
        let quote = self.text.get(start..start + 1).unwrap_or("\"");
        let problem = Problem::new("syntax-error", mark).case("open-quote").with("quote", quote);
        out.problems.push(problem.severity(Severity::Warning));
        if !value.is_empty() {
            self.word(out, Cow::Owned(value), start, line, Quote::None, is_unknown);
        }
    }

    /// A word without quotes; a heredoc where it begins with `<<`.
    fn bare(&mut self, out: &mut Lexed, start: usize, mut escaped: bool) -> bool {
        let line = self.line;
        let from = self.at;
        // Most words need no second look.
        let plain = self.text.as_bytes()[from..].iter();
        let plain = plain.take_while(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'<' | b'$')).count();
        let mut value = Cow::Borrowed(&self.text[from..from]);
        let (mut is_unknown, mut is_literal) = (false, false);
        if !escaped {
            value = Cow::Borrowed(&self.text[from..from + plain]);
            self.at += plain;
        }
        loop {
            if !escaped && let Some(end) = self.variable() {
                value.to_mut().push_str(&self.text[self.at..end]);
                is_unknown = true;
                self.at = end;
                continue;
            }
            // The fast path may have run over the beginning of a variable's braces: it stops at the dollar sign.
            if let Some(end) = self.variable_behind() {
                value.to_mut().push_str(&self.text[self.at..end]);
                is_unknown = true;
                self.at = end;
                continue;
            }
            if value.len() > 1 && value.starts_with("<<") && !is_literal {
                return self.heredoc(out, start, line, value.into_owned());
            }
            let Some(letter) = self.peek() else { break };
            if letter == '\\' && !escaped {
                escaped = true;
                self.at += 1;
                continue;
            }
            if letter.is_whitespace() {
                if letter == '\r' {
                    self.at += 1;
                    continue;
                }
                break;
            }
            if escaped {
                match letter {
                    '<' => is_literal = true,
                    _ => value.to_mut().push('\\'),
                }
                escaped = false;
            }
            self.at += letter.len_utf8();
            match &mut value {
                Cow::Borrowed(text) if from + text.len() + letter.len_utf8() == self.at => {
                    *text = &self.text[from..self.at];
                }
                value => value.to_mut().push(letter),
            }
        }
        if value.is_empty() {
            return self.peek().is_some();
        }
        let end = self.at;
        let shown = self.text[start..end].trim_end_matches(['\r', '\\']).len();
        self.at = start + shown.max(1);
        self.word(out, value, start, line, Quote::None, is_unknown);
        self.at = end;
        if escaped && self.peek() == Some('\n') {
            self.skipped += 1;
            self.at += 1;
        }
        true
    }

    /// The end of an unknown variable whose opening brace was taken already.
    fn variable_behind(&self) -> Option<usize> {
        let range = self.unknown.get(self.next_unknown)?;
        (range.start < self.at && self.at < range.end).then_some(range.end)
    }

    /// A heredoc, its first characters having been read.
    fn heredoc(&mut self, out: &mut Lexed, start: usize, line: u32, mut value: String) -> bool {
        let rest = &self.text[self.at..];
        let stop = rest.find([' ', '\n']);
        let head = &rest[..stop.unwrap_or(rest.len())];
        value.extend(head.chars().filter(|letter| *letter != '\r'));
        self.at += head.len();
        if self.peek() != Some('\n') {
            // A space means that it is an ordinary word.
            self.word(out, Cow::Owned(value), start, line, Quote::None, false);
            return true;
        }
        let opening = Span::new(self.id, start as u32, (start + value.len()) as u32);
        let marker = value[2..].to_owned();
        let fault = match () {
            () if marker.is_empty() => Some(HeredocFault::NoMarker),
            () if marker.starts_with('<') => Some(HeredocFault::TooMany),
            () if !heredoc::is_marker(&marker) => Some(HeredocFault::BadMarker),
            () => None,
        };
        if let Some(fault) = fault {
            report(out, opening, fault, &marker);
            self.word(out, Cow::Owned(value), start, line, Quote::None, false);
            return true;
        }
        out.heredocs.push(opening);
        self.at += 1;
        let body = &self.text[self.at..];
        let Some(end) = body.find(&marker).map(|at| at + marker.len()) else {
            report(out, opening, HeredocFault::Open, &marker);
            self.at = self.text.len();
            return false;
        };
        let read = &body[..end];
        self.at += end;
        self.line += 1 + read.bytes().filter(|byte| *byte == b'\n').count() as u32 + self.skipped;
        self.skipped = 0;
        let text = heredoc::value(read, &marker).unwrap_or_else(|fault| {
            report(out, opening, fault, &marker);
            read.rsplit_once('\n').map_or(read, |(content, _)| content).to_owned()
        });
        let is_unknown = self.unknown.iter().any(|range| range.start < self.at && start < range.end);
        self.word(out, Cow::Owned(text), start, line, Quote::Heredoc, is_unknown);
        true
    }
}

fn report(out: &mut Lexed, at: Span, fault: HeredocFault, marker: &str) {
    let case = match fault {
        HeredocFault::NoMarker | HeredocFault::TooMany | HeredocFault::BadMarker => "heredoc-marker",
        HeredocFault::Open => "heredoc-open",
        HeredocFault::Indent => "heredoc-indent",
    };
    out.problems.push(Problem::new("syntax-error", at).case(case).with("marker", marker));
}
