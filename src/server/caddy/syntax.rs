//! A Caddyfile, cut into words exactly as Caddy cuts it, and the tree of directives that `include` makes of them.
//!
//! Variables are replaced before the text is cut (`substitute`); what a directive may say is the business of `directives`.
//! Parsing cannot fail: what Caddy would refuse is a problem, and reading goes on behind it. Source: Caddy 2.11.4 and
//! 2.6.2, `caddyconfig/caddyfile`.

mod heredoc;
mod lexer;
mod substitute;

use std::sync::Arc;

pub use self::lexer::{Lexed, Pool, lex};
pub use self::substitute::{Defines, has_variable, substitute};
use crate::model::FrameId;
use crate::source::Span;

/// How a word is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quote {
    /// Bare.
    None,
    /// In double quotes.
    Double,
    /// In backticks.
    Back,
    /// A heredoc.
    Heredoc,
}

/// A word as Caddy reads it. Braces that open and close blocks are words too.
#[derive(Clone, Debug)]
pub struct Word {
    /// Without quotes, escapes taken away, arguments of an import put in.
    pub text: Arc<str>,
    /// Where it is written, quotes included.
    pub span: Span,
    /// The import that led there; absent in the main file.
    pub include_chain: Option<FrameId>,
    /// The file that it was read from: an index into the files of `include`.
    pub file: u32,
    /// The line that it begins on, escaped line ends not counted.
    pub line: u32,
    /// How many lines it goes on for.
    pub breaks: u32,
    /// How it is written.
    pub quote: Quote,
    /// Whether a variable stands in it whose value is not known.
    pub is_unknown: bool,
    /// Whether its text stands in its place as it is read: not so where an import's arguments were put in.
    pub is_verbatim: bool,
}

impl Word {
    /// Whether it opens a block.
    pub fn opens(&self) -> bool {
        self.quote == Quote::None && &*self.text == "{"
    }

    /// Whether it closes a block.
    pub fn closes(&self) -> bool {
        self.quote == Quote::None && &*self.text == "}"
    }

    /// Whether `next` begins a new line: it stands on a later one, in another file, or came by another import.
    pub fn ends_line_before(&self, next: &Word) -> bool {
        self.file != next.file || self.include_chain != next.include_chain || self.line + self.breaks < next.line
    }

    /// Whether its value is only known to the running server: it holds a placeholder, or a variable that is not given.
    pub fn is_open(&self) -> bool {
        self.is_unknown || has_placeholder(&self.text)
    }
}

/// Whether a text holds a placeholder (`{env.HOST}`).
pub fn has_placeholder(text: &str) -> bool {
    text.find('{').is_some_and(|at| text[at + 1..].find('}').is_some_and(|end| end > 0))
}

/// A directive with its arguments and its block.
#[derive(Clone, Debug)]
pub struct Node {
    /// The first word.
    pub name: Word,
    /// The other words of its line.
    pub words: Vec<Word>,
    /// What stands in its braces.
    pub block: Option<Block>,
}

/// What stands between braces.
#[derive(Clone, Debug)]
pub struct Block {
    /// The opening brace.
    pub open: Span,
    /// The closing brace; the last word where it is missing.
    pub close: Span,
    /// The directives in it.
    pub nodes: Vec<Node>,
}

impl Node {
    /// The name as text.
    pub fn is(&self, name: &str) -> bool {
        &*self.name.text == name
    }

    /// The directives of its block.
    pub fn nodes(&self) -> &[Node] {
        self.block.as_ref().map_or(&[], |block| &block.nodes)
    }

    /// The place of its arguments; of its name where it has none. Words of other texts are left out.
    pub fn arguments(&self) -> Span {
        let Some(first) = self.words.first() else { return self.name.span };
        let same =
            self.words.iter().filter(|word| word.span.file == first.span.file && word.span.end >= first.span.start);
        same.fold(first.span, |span, word| span.to(word.span))
    }
}

impl Section {
    /// Gives back what only lowering needs: where nothing is wrong, edits ask for what stands in `tls` alone, and of the
    /// other directives for their places.
    pub fn forget(&mut self) {
        for node in self.block.nodes.iter_mut().filter(|node| !node.is("tls")) {
            if let Some(block) = &mut node.block {
                block.nodes = Vec::new();
            }
        }
    }
}

/// A site block, a named route, or the global options.
#[derive(Clone, Debug)]
pub struct Section {
    /// The addresses; none for the global options.
    pub keys: Vec<Word>,
    /// Whether braces stand around its directives.
    pub has_braces: bool,
    /// Whether it is a named route (`&(name)`).
    pub is_route: bool,
    /// Whether it is the inside of a site block whose address stands elsewhere.
    pub is_inside: bool,
    /// The opening brace, if any, and the last word.
    pub block: Block,
}
