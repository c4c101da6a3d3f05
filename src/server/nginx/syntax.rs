//! nginx's text, cut into directives exactly as nginx cuts it: a lossless tree of spans, flat and in reading order.
//!
//! Parsing cannot fail: what nginx would refuse is a [`SyntaxProblem`], and reading goes on behind it. What a directive
//! may say is the business of `directives`. Source: nginx 1.22.1, `ngx_conf_read_token` and `ngx_conf_parse`.

mod lexer;
mod problem;

use std::borrow::Cow;

use self::lexer::{Lexer, Token};
pub use self::problem::{SyntaxFault, SyntaxProblem};
use crate::source::{FileId, Limits, Span};

/// A word: a directive's name or one of its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// First byte, the opening quote included.
    pub start: u32,
    /// One past the last byte, the closing quote included.
    pub end: u32,
    flags: u8,
}

const QUOTED: u8 = 1;
const ESCAPED: u8 = 2;
const VARIABLE: u8 = 4;

impl Word {
    /// Whether it is written in quotes.
    pub fn is_quoted(self) -> bool {
        self.flags & QUOTED != 0
    }

    /// Whether a `$` stands in it.
    pub fn has_variable(self) -> bool {
        self.flags & VARIABLE != 0
    }

    /// The place of the word, quotes included.
    pub fn span(self, file: FileId) -> Span {
        Span::new(file, self.start, self.end)
    }

    /// The word as nginx reads it: quotes taken away; `\"`, `\'`, `\\`, `\t`, `\r`, `\n` replaced, other backslashes kept.
    pub fn value<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let (start, end) = (self.start as usize, self.end as usize);
        let raw = match self.is_quoted() {
            true => text.get(start + 1..(end - 1).max(start + 1)),
            false => text.get(start..end),
        }
        .unwrap_or_default();
        if self.flags & ESCAPED == 0 {
            return Cow::Borrowed(raw);
        }
        let mut out = Vec::with_capacity(raw.len());
        let mut bytes = raw.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            let replaced = match (byte, bytes.peek()) {
                (b'\\', Some(next @ (b'"' | b'\'' | b'\\'))) => *next,
                (b'\\', Some(b't')) => b'\t',
                (b'\\', Some(b'r')) => b'\r',
                (b'\\', Some(b'n')) => b'\n',
                _ => {
                    out.push(byte);
                    continue;
                }
            };
            out.push(replaced);
            bytes.next();
        }
        Cow::Owned(out)
    }
}

/// The braces of a directive with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Offset of `{`.
    pub open: u32,
    /// Offset of `}`; the end of the text where it is missing.
    pub close: u32,
    /// Whether what is inside is another language and was not cut (`content_by_lua_block`).
    pub is_raw: bool,
}

/// A directive with its block, if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Directive {
    /// Index of its name in [`Tree::words`]; the arguments follow.
    pub first_word: u32,
    /// Name and arguments.
    pub word_count: u32,
    /// Its block.
    pub block: Option<Block>,
    /// Index of the next directive that is not inside its block.
    pub after: u32,
    /// First byte of the name.
    pub start: u32,
    /// One past the `;` or `}` that ends it.
    pub end: u32,
}

/// A text, cut. The children of directive `i` are `i + 1`, then each `after` in turn until `directives[i].after`.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// All directives, a block before what is inside.
    pub directives: Vec<Directive>,
    /// All words, in reading order.
    pub words: Vec<Word>,
    /// Comments, `#` included, line end not.
    pub comments: Vec<(u32, u32)>,
    /// What nginx would refuse.
    pub problems: Vec<SyntaxProblem>,
    /// The first mark of a template language that nginx would trip over.
    pub template: Option<(u32, u32)>,
    /// Length of the text.
    pub end: u32,
}

impl Tree {
    /// In place of a text that is beyond a limit: nothing of it is judged.
    pub fn of_fault(text: &[u8], fault: SyntaxFault) -> Tree {
        let end = text.len() as u32;
        Tree { problems: vec![SyntaxProblem::new(0, end.min(1), fault)], end, ..Tree::default() }
    }

    /// Indices of the directives at the top.
    pub fn roots(&self) -> impl Iterator<Item = usize> + '_ {
        self.walk(0, self.directives.len())
    }

    /// Indices of the directives in the block of directive `index`.
    pub fn children(&self, index: usize) -> impl Iterator<Item = usize> + '_ {
        self.walk(index + 1, self.directives[index].after as usize)
    }

    /// All directives in the block of directive `index`, those in blocks within it too.
    pub fn inside(&self, index: usize) -> &[Directive] {
        &self.directives[index + 1..self.directives[index].after as usize]
    }

    fn walk(&self, from: usize, to: usize) -> impl Iterator<Item = usize> + '_ {
        let next = move |at: &usize| Some(self.directives[*at].after as usize).filter(|next| *next < to);
        std::iter::successors((from < to).then_some(from), next)
    }

    /// The name of a directive, as written (nginx compares what it reads, but a quoted name is read alike).
    pub fn name<'a>(&self, index: usize, text: &'a [u8]) -> &'a [u8] {
        let word = self.words[self.directives[index].first_word as usize];
        let (start, end) = (word.start as usize, word.end as usize);
        let range = if word.is_quoted() { start + 1..(end - 1).max(start + 1) } else { start..end };
        text.get(range).unwrap_or_default()
    }

    /// The arguments of a directive.
    pub fn args(&self, index: usize) -> &[Word] {
        let directive = &self.directives[index];
        &self.words[directive.first_word as usize + 1..(directive.first_word + directive.word_count) as usize]
    }
}

/// Cuts a text into directives, as deep as blocks usually may nest.
pub fn parse(text: &[u8]) -> Tree {
    parse_within(text, &Limits::default())
}

/// Cuts a text into directives, whose blocks may nest so deep; stops behind the word that makes more than there may be.
pub fn parse_within(text: &[u8], limits: &Limits) -> Tree {
    let (depth, most) = (limits.block_depth, limits.words);
    let ends = memchr::memchr2_iter(b';', b'{', text).count();
    let tree = Tree {
        directives: Vec::with_capacity(ends.min(most)),
        words: Vec::with_capacity((ends + ends / 2 + text.len() / 32).min(most)),
        ..Tree::default()
    };
    let lexer = Lexer::new(text);
    let mut parser = Parser { text, lexer, tree, depth, most, open: Vec::new(), too_deep: false, in_quote: false };
    parser.run();
    parser.tree.words.shrink_to_fit();
    parser.tree
}

/// Cuts a text anew that was cut within limits before, without a fault.
pub fn parse_again(text: &[u8]) -> Tree {
    parse_within(text, &Limits { block_depth: usize::MAX, words: usize::MAX, ..Limits::default() })
}

struct Parser<'a> {
    text: &'a [u8],
    lexer: Lexer<'a>,
    tree: Tree,
    /// How deep blocks may nest.
    depth: usize,
    /// How many words there may be.
    most: usize,
    /// Directives whose block is open.
    open: Vec<usize>,
    too_deep: bool,
    /// Whether a quote runs to the end of the text, so that nothing can be said of what it swallowed.
    in_quote: bool,
}

impl Parser<'_> {
    fn run(&mut self) {
        self.tree.end = self.text.len() as u32;
        if self.text.starts_with(b"\xef\xbb\xbf") {
            self.tree.problems.push(SyntaxProblem::new(0, 3, SyntaxFault::ByteOrderMark));
            self.lexer.skip_to(3);
        }
        let mut first: Option<usize> = None; // index of the first word of the directive that is being read
        loop {
            match self.lexer.next() {
                Token::Word { start, end, quoted, escaped, variable } => {
                    let flags = u8::from(quoted) * QUOTED + u8::from(escaped) * ESCAPED + u8::from(variable) * VARIABLE;
                    first = first.or(Some(self.tree.words.len()));
                    self.tree.words.push(Word { start, end, flags });
                    if self.tree.words.len() > self.most {
                        break;
                    }
                }
                Token::Comment { start, end } => self.tree.comments.push((start, end)),
                Token::Semicolon(at) => match first.take() {
                    Some(word) => self.push(word, at + 1, None),
                    None => self.fault(at, at + 1, SyntaxFault::Unexpected(';')),
                },
                Token::Open(at) => match first.take() {
                    Some(word) => {
                        // A comment may follow a brace at once.
                        let mark = template_mark(self.text, at).filter(|(_, end)| self.text[*end as usize - 1] != b'#');
                        self.tree.template = self.tree.template.or(mark);
                        self.open(word, at);
                    }
                    None => {
                        self.fault(at, at + 1, SyntaxFault::Unexpected('{'));
                        self.tree.template = self.tree.template.or(template_mark(self.text, at));
                    }
                },
                Token::Close(at) => {
                    if let Some(word) = first.take() {
                        self.unterminated(word, Some(at));
                    }
                    self.close(at);
                }
                Token::Fault { start, end, fault } => {
                    self.in_quote |= matches!(fault, SyntaxFault::UnclosedQuote(_));
                    self.fault(start, end, fault);
                }
                Token::End => break,
            }
        }
        if let Some(word) = first.filter(|_| !self.in_quote) {
            self.unterminated(word, None);
        }
        self.close_all();
        self.embedded();
    }

    /// Marks of templates in the style of ERB stand where words may stand.
    fn embedded(&mut self) {
        let find = |mark: &[u8]| memchr::memmem::find(self.text, mark);
        if self.tree.template.is_none()
            && let Some(at) = find(b"<%").filter(|_| find(b"%>").is_some())
        {
            self.tree.template = Some((at as u32, at as u32 + 2));
        }
    }

    fn push(&mut self, first: usize, end: u32, block: Option<Block>) {
        let start = self.tree.words[first].start;
        let word_count = (self.tree.words.len() - first) as u32;
        let after = self.tree.directives.len() as u32 + 1;
        self.tree.directives.push(Directive { first_word: first as u32, word_count, block, after, start, end });
    }

    fn open(&mut self, first: usize, at: u32) {
        let block = Block { open: at, close: self.tree.end, is_raw: false };
        self.push(first, self.tree.end, Some(block));
        let index = self.tree.directives.len() - 1;
        if is_raw(self.tree.name(index, self.text)) {
            let close = self.lexer.skip_raw(at + 1);
            let end = close.map_or(self.tree.end, |close| close + 1);
            let directive = &mut self.tree.directives[index];
            directive.end = end;
            directive.block = Some(Block { open: at, close: close.unwrap_or(self.tree.end), is_raw: true });
            if close.is_none() {
                self.fault(at, at + 1, SyntaxFault::UnclosedBlock);
            }
            return;
        }
        self.open.push(index);
        if self.open.len() > self.depth {
            // Whoever walks the tree goes as deep as it is: nothing is read beyond the limit.
            self.fault(at, at + 1, SyntaxFault::TooDeep(self.depth));
            self.lexer.skip_to(self.text.len());
            self.too_deep = true;
        }
    }

    fn close(&mut self, at: u32) {
        match self.open.pop() {
            Some(index) => {
                let after = self.tree.directives.len() as u32;
                let directive = &mut self.tree.directives[index];
                directive.end = at + 1;
                directive.after = after;
                if let Some(block) = &mut directive.block {
                    block.close = at;
                }
            }
            None => self.fault(at, at + 1, SyntaxFault::Unexpected('}')),
        }
    }

    fn close_all(&mut self) {
        let after = self.tree.directives.len() as u32;
        for (order, index) in std::mem::take(&mut self.open).into_iter().enumerate() {
            let directive = &mut self.tree.directives[index];
            directive.after = after;
            let open = directive.block.map_or(0, |block| block.open);
            // The outermost is the one that is missing its brace as far as nginx can tell.
            if order == 0 && !self.too_deep && !self.in_quote {
                self.tree.problems.push(SyntaxProblem::new(open, open + 1, SyntaxFault::UnclosedBlock));
            }
        }
    }

    /// A directive that runs into a brace or the end of the text.
    fn unterminated(&mut self, first: usize, brace: Option<u32>) {
        let last = self.tree.words[self.tree.words.len() - 1];
        let end = last.end;
        self.push(first, end, None);
        let fault = if brace.is_some() { SyntaxFault::MissingSemicolon } else { SyntaxFault::MissingSemicolonAtEnd };
        self.fault(self.tree.words[first].start.max(last.start), end, fault);
    }

    fn fault(&mut self, start: u32, end: u32, fault: SyntaxFault) {
        self.tree.problems.push(SyntaxProblem::new(start, end, fault));
    }
}

/// Directives whose block is Lua (lua-nginx-module): `content_by_lua_block` and its kin.
fn is_raw(name: &[u8]) -> bool {
    name.ends_with(b"_by_lua_block")
}

/// Whether a brace that nginx refuses begins a mark of a template language: `{{`, `{%`, `{#`.
fn template_mark(text: &[u8], at: u32) -> Option<(u32, u32)> {
    let mark = text.get(at as usize..at as usize + 2)?;
    matches!(mark, b"{{" | b"{%" | b"{#").then_some((at, at + 2))
}
