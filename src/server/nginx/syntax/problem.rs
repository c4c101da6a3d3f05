//! What nginx's parser refuses, and how it is told.

use crate::diagnostic::{Edit, Fix, Problem, Safety};
use crate::source::{FileId, Span};

/// What kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyntaxFault {
    /// A UTF-8 byte order mark: nginx takes it for a part of the first directive's name.
    ByteOrderMark,
    /// A brace or semicolon where a directive must begin.
    Unexpected(char),
    /// A directive runs into `}`.
    MissingSemicolon,
    /// A directive runs into the end of the text.
    MissingSemicolonAtEnd,
    /// A `{` without its `}`.
    UnclosedBlock,
    /// A quote that is never closed.
    UnclosedQuote(char),
    /// Something is glued to a closing quote.
    AfterQuote,
    /// A parameter longer than nginx's buffer, in bytes.
    TooLong(usize),
    /// Blocks nest deeper than this.
    TooDeep(usize),
    /// With it, the configuration has more words than this.
    TooManyWords(usize),
    /// The text has more bytes than the limit, both given.
    TooLarge(u64, u64),
}

/// A fault and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyntaxProblem {
    /// First byte.
    pub start: u32,
    /// One past the last.
    pub end: u32,
    /// What it is.
    pub fault: SyntaxFault,
}

impl SyntaxProblem {
    /// A fault at bytes `start..end`.
    pub fn new(start: u32, end: u32, fault: SyntaxFault) -> Self {
        SyntaxProblem { start, end, fault }
    }

    /// The problem in the words of its rule's page.
    pub fn report(&self, file: FileId, _text: &[u8]) -> Problem {
        let at = Span::new(file, self.start, self.end);
        let behind = Span::new(file, self.end, self.end);
        let semicolon = Fix {
            title: "add the missing `;`".to_owned(),
            safety: Safety::Safe,
            edits: vec![Edit { span: behind, text: ";".to_owned() }],
        };
        match self.fault {
            SyntaxFault::ByteOrderMark => Problem::new("config-bom", at).fix(Fix {
                title: "remove the byte order mark".to_owned(),
                safety: Safety::Safe,
                edits: vec![Edit { span: at, text: String::new() }],
            }),
            SyntaxFault::Unexpected(found) => {
                Problem::new("syntax-error", at).case("unexpected").with("found", found.to_string())
            }
            SyntaxFault::MissingSemicolon => Problem::new("syntax-error", at).case("missing-semicolon").fix(semicolon),
            SyntaxFault::MissingSemicolonAtEnd => {
                Problem::new("syntax-error", at).case("missing-semicolon").fix(semicolon)
            }
            SyntaxFault::UnclosedBlock => Problem::new("syntax-error", at).case("unclosed-block"),
            SyntaxFault::UnclosedQuote(quote) => {
                Problem::new("syntax-error", at).case("unclosed-quote").with("quote", quote.to_string())
            }
            SyntaxFault::AfterQuote => Problem::new("syntax-error", at).case("after-quote"),
            SyntaxFault::TooLong(limit) => {
                Problem::new("syntax-error", at).case("too-long").with("limit", limit.to_string())
            }
            SyntaxFault::TooDeep(limit) => {
                Problem::new("syntax-error", at).case("too-deep").with("limit", limit.to_string())
            }
            SyntaxFault::TooManyWords(limit) => {
                Problem::new("syntax-error", at).case("too-many-words").with("limit", limit.to_string())
            }
            SyntaxFault::TooLarge(size, limit) => {
                let problem = Problem::new("syntax-error", at).case("too-large").with("size", size.to_string());
                problem.with("limit", limit.to_string())
            }
        }
    }
}
