//! Sections: which are open, how each must be closed, and the conditions that decide while reading whether one is read.
//!
//! Source: Apache 2.4, `ap_build_config_sub`, `ap_build_cont_config`, `ap_soak_end_container`. A section that acts while
//! reading ends only at a line that is its end tag and nothing else; others end at its first word.

use super::{Cut, Here, PassedOver, Reader, Statement};
use crate::diagnostic::spelling::distance;
use crate::diagnostic::{Edit, Fix, Problem, Safety};
use crate::server::apache::syntax::{self, Kind, Line, Word};
use crate::source::{FileId, Span};
/// A section that is open.
pub(super) struct Section {
    /// Its name in lower case, without `<`.
    name: Vec<u8>,
    /// Where its name stands.
    at: Span,
    /// Whether it acts while reading, so that lowering does not see it.
    acts: bool,
}

/// A virtual host in a section that is passed over, as far as it was seen.
struct Passed {
    found: PassedOver,
    speaks_tls: bool,
}

impl Passed {
    fn new(section: Span, head: Span, addresses: &[String]) -> Self {
        let ports = addresses.iter().filter_map(|one| one.rsplit_once(':')?.1.parse().ok()).collect();
        Passed { found: PassedOver { section, head, ports, names: Vec::new() }, speaks_tls: false }
    }

    fn directive(&mut self, name: &[u8], words: &[String]) {
        if name.eq_ignore_ascii_case(b"SSLEngine") {
            self.speaks_tls = words.first().is_some_and(|word| word == "on");
        } else if name.eq_ignore_ascii_case(b"ServerName") || name.eq_ignore_ascii_case(b"ServerAlias") {
            self.found.names.extend_from_slice(words);
        }
    }
}

/// Sections that act while reading.
const ACTING: &[&str] = &["ifmodule", "ifdefine", "ifversion", "iffile", "ifdirective", "ifsection", "macro"];

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Reader<'_> {
    fn syntax_error(&mut self, at: Span, case: &'static str) -> Problem {
        Problem::new("syntax-error", at).case(case)
    }

    /// `<Name arguments>`.
    pub(super) fn open_section(&mut self, cut: &Cut, first: &[u8], word: Word, text: &[u8]) {
        let name = first[1..].strip_suffix(b">").unwrap_or(&first[1..]);
        let start = word.start + u32::from(word.is_quoted()) + 1;
        let at = Span::new(cut.text, start, (start + name.len() as u32).min(cut.end));
        // httpd looks for the last `>` of the line, whatever stands behind it.
        let from = (start as usize + name.len()).min(cut.end as usize);
        let bracket = text[from..cut.end as usize].iter().rposition(|byte| *byte == b'>').map(|found| from + found);
        let lower = name.to_ascii_lowercase();
        let acts = ACTING.iter().any(|one| one.as_bytes() == lower);
        let Some(bracket) = bracket else {
            let problem = self.syntax_error(at, "no-bracket").with("name", lossy(name));
            let end = Span::new(cut.text, cut.end, cut.end);
            let edits = vec![Edit { span: end, text: ">".to_owned() }];
            let fix = Fix { title: "add the missing `>`".to_owned(), safety: Safety::Safe, edits };
            self.out.problems.push(problem.fix(fix));
            self.push(Section { name: lower, at, acts });
            return;
        };
        let statement = Statement {
            kind: Kind::Open,
            text: cut.text,
            name: (at.start, at.end),
            arguments: (from as u32, bracket as u32),
            line: cut.line,
            include_chain: cut.include_chain,
        };
        if !acts {
            self.push(Section { name: lower, at, acts });
            self.out.statements.push(statement);
            return;
        }
        if lower == b"macro" {
            self.define_macro(&statement);
            return;
        }
        let holds = self.condition(&lower, &statement);
        if holds {
            self.push(Section { name: lower, at, acts });
        } else {
            self.skip(&lower, at);
        }
    }

    fn push(&mut self, section: Section) {
        if self.sections.len() >= self.limits.block_depth {
            let problem = self.syntax_error(section.at, "too-deep").with("limit", self.limits.block_depth.to_string());
            self.out.problems.push(problem);
            self.stopped = true;
        }
        self.sections.push(section);
    }

    /// `</Name>`.
    pub(super) fn close(&mut self, cut: &Cut, first: &[u8], word: Word, text: &[u8]) {
        let written = lossy(first[2..].strip_suffix(b">").unwrap_or(&first[2..]));
        let name = first[2..].strip_suffix(b">").unwrap_or(&first[2..]).to_ascii_lowercase();
        let at = Span::new(cut.text, word.start, word.end.min(cut.end));
        let base = self.open.iter().rev().find(|open| open.file.is_some()).map_or(0, |open| open.sections);
        let Some(innermost) = self.sections.last().filter(|_| self.sections.len() > base) else {
            let problem = self.syntax_error(at, "unexpected-end").with("name", written);
            self.out.problems.push(problem);
            return;
        };
        let whole = &text[cut.start as usize..cut.end as usize];
        let is_closed = first.ends_with(b">") && first.len() > 2;
        let is_alone = whole.len() == word.end as usize - word.start as usize;
        if innermost.name == name && is_closed && (is_alone || !innermost.acts) {
            self.end_section(cut, at);
            return;
        }
        let mut is_misspelt = false;
        let problem = if innermost.name == name {
            // `</IfModule> # comment`, `</VirtualHost >`
            let case = if is_closed { "end-not-alone" } else { "no-bracket-end" };
            let span = Span::new(cut.text, cut.start, cut.end);
            let edits = vec![Edit { span, text: format!("</{written}>") }];
            let fix = Fix { title: format!("write `</{written}>`"), safety: Safety::Safe, edits };
            self.syntax_error(span, case).with("name", written).fix(fix)
        } else {
            let opened = innermost.at;
            let shown = lossy(self.bytes(opened));
            is_misspelt = distance(&lossy(&innermost.name), &lossy(&name)) <= 2;
            let problem = self.syntax_error(at, "wrong-end").with("name", written).with("open", shown);
            problem.related(opened, "open since here")
        };
        self.out.problems.push(problem);
        if is_misspelt {
            self.end_section(cut, at);
            return;
        }
        // Reading goes on as if the section that was meant were closed, where one is.
        while let Some(at_name) = self.sections[base..].iter().rposition(|section| section.name == name) {
            self.end_section(cut, at);
            if self.sections.len() <= base + at_name {
                break;
            }
        }
    }

    fn end_section(&mut self, cut: &Cut, at: Span) {
        let Some(section) = self.sections.pop() else { return };
        if !section.acts {
            let statement = Statement {
                kind: Kind::Close,
                text: cut.text,
                name: (at.start, at.end),
                arguments: (at.end, at.end),
                line: cut.line,
                include_chain: cut.include_chain,
            };
            self.out.statements.push(statement);
        }
    }

    /// The end of a file: what it opened and did not close is told, but for a condition that held, which httpd lets pass.
    pub(super) fn leave_file(&mut self) {
        let Some(open) = self.open.pop() else { return };
        if open.file.is_none() {
            return;
        }
        let mut told = self.stopped;
        for section in self.sections.split_off(open.sections.min(self.sections.len())) {
            if section.acts {
                continue;
            }
            if !told {
                let problem = Problem::new("syntax-error", section.at).case("unclosed-section");
                let shown = lossy(self.bytes(section.at));
                self.out.problems.push(problem.with("name", shown));
                told = true;
            }
            let end = self.out.text(section.at.file).len() as u32;
            let statement = Statement {
                kind: Kind::Close,
                text: section.at.file,
                name: (end, end),
                arguments: (end, end),
                line: Span::new(section.at.file, end, end),
                include_chain: open.include_chain,
            };
            self.out.statements.push(statement);
        }
    }

    fn bytes(&self, span: Span) -> &[u8] {
        &self.out.text(span.file)[span.start as usize..span.end as usize]
    }

    /// Passes over a section whose condition does not hold: only that what is nested in it is balanced counts.
    fn skip(&mut self, name: &[u8], at: Span) {
        let mut open: Vec<Vec<u8>> = vec![name.to_vec()];
        let mut has_tls: Option<Span> = None;
        let mut host: Option<Passed> = None;
        let mut hosts: Vec<PassedOver> = Vec::new();
        while let Some(innermost) = open.last() {
            let Some(here) = self.next_line() else {
                let shown = lossy(self.bytes(at));
                let problem = self.syntax_error(at, "unclosed-section").with("name", shown);
                self.out.problems.push(problem);
                return;
            };
            let (first, rest) = self.first_word_of(here);
            if first.len() > 4 && first[..3].eq_ignore_ascii_case(b"SSL") {
                has_tls = has_tls.or(Some(here.line.span(here.text)));
            }
            match syntax::kind(&first) {
                Kind::Directive => {
                    if let Some(host) = &mut host {
                        host.directive(&first, &self.words_of(here));
                    }
                }
                Kind::Open => {
                    if first[1..].eq_ignore_ascii_case(b"virtualhost") {
                        host = Some(Passed::new(at, here.line.span(here.text), &self.words_of(here)));
                    }
                    let is_whole = rest && first.ends_with(b">");
                    let end = first.len() - usize::from(is_whole);
                    open.push(first[1..end.max(1)].to_ascii_lowercase());
                    if open.len() > self.limits.block_depth {
                        let problem =
                            self.syntax_error(at, "too-deep").with("limit", self.limits.block_depth.to_string());
                        self.out.problems.push(problem);
                        self.stopped = true;
                        return;
                    }
                }
                Kind::Close => {
                    let closed = first[2..first.len().saturating_sub(1).max(2)].to_ascii_lowercase();
                    if closed == b"virtualhost" {
                        hosts.extend(host.take().filter(|host| host.speaks_tls).map(|host| host.found));
                    }
                    if closed != *innermost {
                        let problem = self.syntax_error(here.line.span(here.text), "wrong-end");
                        let problem = problem.with("name", lossy(&closed)).with("open", lossy(innermost));
                        self.out.problems.push(problem.related(at, "passed over since here"));
                        let Some(meant) = open.iter().rposition(|one| *one == closed) else { continue };
                        open.truncate(meant + 1);
                    }
                    open.pop();
                }
            }
        }
        if let Some(line) = has_tls {
            self.passed_over(at, line, hosts);
        }
    }

    /// What stands behind the first word of a line that is passed over.
    fn words_of(&self, here: Here) -> Vec<String> {
        let text = lossy(&self.out.text(here.text)[here.line.range()]);
        let words = text.split_ascii_whitespace().skip(1);
        words.map(|word| word.trim_matches(['"', '\'', '>']).to_ascii_lowercase()).collect()
    }

    /// The first word of a line that is passed over, and whether nothing follows it. Variables are not replaced there.
    pub(super) fn first_word_of(&self, here: Here) -> (Vec<u8>, bool) {
        let text = self.out.text(here.text);
        let of = |bytes: &[u8], from: usize, to: usize| {
            let word = syntax::first_word(bytes, from, to);
            let rest = word.is_none_or(|word| syntax::first_word(bytes, word.end as usize, to).is_none());
            (word.map_or(Vec::new(), |word| word.value(bytes).into_owned()), rest)
        };
        if here.line.joined {
            let (joined, _) = syntax::join(text, here.line, here.text);
            return of(&joined, 0, joined.len());
        }
        of(text, here.line.start as usize, here.line.end as usize)
    }

    /// A byte order mark is part of the first name: httpd knows no such directive.
    pub(super) fn byte_order_mark(&mut self, text: FileId) {
        let at = Span::new(text, 0, 3);
        let edits = vec![Edit { span: at, text: String::new() }];
        let fix = Fix { title: "remove the byte order mark".to_owned(), safety: Safety::Safe, edits };
        self.out.problems.push(Problem::new("config-bom", at).fix(fix));
    }
}

/// The lines of a text without the byte order mark at its start.
pub(super) fn without_mark(lines: &[Line]) -> Vec<Line> {
    let mut lines = lines.to_vec();
    if let Some(first) = lines.first_mut().filter(|line| line.start == 0 && line.end >= 3) {
        first.start = 3;
    }
    lines.retain(|line| line.start < line.end);
    lines
}
