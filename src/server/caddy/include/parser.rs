//! Sections and directives, cut from a stream of words that imports add to as it is read.
//!
//! The stream is a stack of pieces, so that an import costs what it brings and no more. Source: Caddy 2.11.4,
//! `caddyconfig/caddyfile/parse.go`.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};
use rayon::prelude::*;

use super::graph::Graph;
use super::import::is_snippet;
use super::piece::{Mark, Piece};
use super::{AT_ONCE, Files, Loaded, Text};
use crate::diagnostic::{Problem, Unchecked};
use crate::model::{FrameId, Frames};
use crate::server::caddy::syntax::{Block, Node, Section, Word};
use crate::source::Span;

/// A snippet: its words, and its number in the graph of imports.
type Snippet = (Text, usize);

/// A text that is being read.
pub struct Parser<'a> {
    pub files: Files<'a>,
    pub frames: Frames,
    /// What each frame entered: a node of the graph.
    pub frame_nodes: Vec<usize>,
    pub graph: Graph,
    pub problems: Vec<Problem>,
    pub unjudged: Vec<Unchecked>,
    /// Words that imports have added.
    pub imported: usize,
    stack: Vec<Piece>,
    previous: Option<Mark>,
    snippets: HashMap<Arc<str>, Snippet>,
    names: HashMap<usize, String>,
    sections: Vec<Section>,
}

/// Reads the first `roots` files, one after another.
pub fn parse(files: Files<'_>, roots: usize, problems: Vec<Problem>) -> Loaded {
    let mut parser = Parser {
        files,
        frames: Frames::default(),
        frame_nodes: Vec::new(),
        graph: Graph::default(),
        problems,
        unjudged: Vec::new(),
        imported: 0,
        stack: Vec::new(),
        previous: None,
        snippets: HashMap::new(),
        names: HashMap::new(),
        sections: Vec::new(),
    };
    for root in 0..roots {
        let words = Arc::clone(&parser.files.files[root].text.words);
        parser.push(Piece::Shared { words: Arc::clone(&words), at: 0, include_chain: None });
        parser.previous = None;
        if parser.files.reading.fragment && super::is_inside_directive(&words) {
            parser.stack.clear();
        }
        if parser.files.reading.fragment && super::is_in_site(&words) {
            parser.inside();
        }
        while parser.look().is_some() {
            parser.section();
        }
    }
    let Parser { files: Files { mut files, .. }, frames, mut problems, unjudged, sections, .. } = parser;
    unclosed(&mut problems);
    // Snippets that are not there may stand in a file that is not there.
    let is_file = |one: &Problem| one.rule.as_str() == "include-missing" && one.case != "snippet";
    if problems.iter().any(is_file) {
        problems.retain(|one| one.rule.as_str() != "include-missing" || is_file(one));
    }
    // Nothing is imported any more.
    files.par_iter_mut().with_min_len(AT_ONCE).for_each(|file| file.text = Text::default());
    Loaded { files, sections, frames, problems, unjudged }
}

/// Where a quote or a heredoc is never closed, the blocks around it cannot be: the quote is what is wrong, and where no block
/// is open it is none.
fn unclosed(problems: &mut Vec<Problem>) {
    let is = |problem: &Problem, case: &str| problem.rule.as_str() == "syntax-error" && problem.case == case;
    let causes = |problem: &Problem| is(problem, "open-quote") || is(problem, "heredoc-open");
    let causing: Vec<_> = problems.iter().filter(|one| causes(one)).map(|one| one.at.file).collect();
    let open: Vec<_> = problems.iter().filter(|one| is(one, "unclosed-block")).map(|one| one.at.file).collect();
    problems.retain(|one| !(is(one, "unclosed-block") && causing.contains(&one.at.file)));
    for problem in problems.iter_mut().filter(|one| is(one, "open-quote") && open.contains(&one.at.file)) {
        problem.severity = None;
    }
}

impl Parser<'_> {
    pub fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    pub fn push(&mut self, piece: Piece) {
        self.stack.push(piece);
    }

    /// The next word.
    pub fn look(&mut self) -> Option<&Word> {
        self.upcoming().map(|(word, _)| word)
    }

    /// The next word, and the import that led to it.
    fn upcoming(&mut self) -> Option<(&Word, Option<FrameId>)> {
        while self.stack.last().is_some_and(|piece| piece.look().is_none()) {
            self.stack.pop();
        }
        self.stack.last().and_then(Piece::look)
    }

    /// Takes the next word.
    pub fn take(&mut self) -> Option<Word> {
        self.look()?;
        let word = self.stack.last_mut()?.take()?;
        self.previous = Some(Mark::of(&word));
        Some(word)
    }

    /// The word before the next.
    pub fn previous(&self) -> Option<Mark> {
        self.previous
    }

    /// An import leaves no trace among the words: what it brings follows what stood before it.
    pub fn put_back_before(&mut self, previous: Option<Mark>) {
        self.previous = previous;
    }

    /// Whether the next word begins a line.
    pub fn is_new_line(&mut self) -> bool {
        let Some(previous) = self.previous else { return true };
        self.upcoming().is_some_and(|(next, include_chain)| previous.ends_line_before(next, include_chain))
    }

    /// The words up to the line's end or to a brace that opens a block.
    pub fn rest_of_line(&mut self) -> Vec<Word> {
        let mut words = Vec::new();
        while !self.is_new_line() && self.look().is_some_and(|word| !word.opens()) {
            words.extend(self.take());
        }
        words
    }

    /// Reads no further: the text is hostile.
    pub fn stop(&mut self, problem: Problem) {
        self.problems.push(problem);
        self.stack.clear();
    }

    /// What a word was imported from: a node of the graph of imports.
    pub fn node_of(&mut self, word: &Word) -> usize {
        match word.include_chain.and_then(|include_chain| self.frame_nodes.get(include_chain.index())) {
            Some(node) => *node,
            None => self.graph.node(word.file, None),
        }
    }

    pub fn snippet(&self, name: &str) -> Option<Snippet> {
        self.snippets.get(name).cloned()
    }

    /// What people call a node of the graph.
    pub fn name_of(&self, node: usize) -> String {
        self.names.get(&node).cloned().unwrap_or_else(|| "this file".to_owned())
    }

    fn syntax(&mut self, at: Span, case: &'static str, found: &str) {
        let problem = Problem::new("syntax-error", at).case(case).with("found", found);
        self.problem(problem.with("name", found));
    }

    /// The inside of a site block, whose address stands elsewhere.
    fn inside(&mut self) {
        let start = self.look().map_or_else(|| Span::new(crate::source::FileId(0), 0, 0), |word| word.span);
        let mut block = Block { open: start, close: start, nodes: Vec::new() };
        self.directives(&mut block, false, &[]);
        self.sections.push(Section { keys: Vec::new(), has_braces: true, is_route: false, is_inside: true, block });
    }

    /// One section: global options, a snippet, a named route or a site.
    fn section(&mut self) {
        let (keys, mut open) = self.keys();
        if open.is_none() && self.look().is_some_and(Word::opens) {
            open = self.take().map(|word| word.span);
        }
        let first = keys.first().cloned();
        match &first {
            Some(key) if keys.len() == 1 && is_snippet(&key.text) => return self.define(key, open),
            Some(key) if keys.len() == 1 && key.text.starts_with("&(") && key.text.ends_with(')') => {
                let reading = self.files.reading;
                if !reading.version.at_least(2, 7, 0) {
                    self.problem(super::too_new(&reading, key.span, "a named route", "2.7.0"));
                }
            }
            _ => {}
        }
        let is_route = keys.len() == 1 && first.as_ref().is_some_and(|key| key.text.starts_with("&("));
        let start = open.or(first.as_ref().map(|key| key.span)).unwrap_or(self.here());
        let mut block = Block { open: start, close: start, nodes: Vec::new() };
        let has_braces = open.is_some();
        if has_braces || self.look().is_some() {
            self.directives(&mut block, has_braces, &keys);
        }
        if !keys.is_empty() || !block.nodes.is_empty() || has_braces {
            self.sections.push(Section { keys, has_braces, is_route, is_inside: false, block });
        }
    }

    fn here(&self) -> Span {
        let first = self.files.files.first().map(|file| Span::new(file.id, 0, 0));
        self.previous.map(|word| word.span).or(first).unwrap_or(Span::new(crate::source::FileId(0), 0, 0))
    }

    /// The addresses of a section, and its opening brace where it stands on their line.
    fn keys(&mut self) -> (Vec<Word>, Option<Span>) {
        let mut keys = Vec::new();
        let mut comma: Option<Span> = None;
        let mut is_first = true;
        loop {
            let is_new = self.is_new_line();
            let is_import = self.look().is_some_and(|word| &*word.text == "import");
            if self.look().is_some() {
                if !is_first && comma.is_none() && is_new {
                    return (keys, None);
                }
                is_first = false;
                if is_import && is_new {
                    self.import(0);
                    is_first = true;
                    continue;
                }
            }
            let Some(word) = self.take() else {
                if let Some(comma) = comma {
                    self.syntax(comma, "comma", "the end of the file");
                }
                return (keys, None);
            };
            if word.text.starts_with('@') {
                self.syntax(word.span, "matcher-outside", &word.text);
                self.rest_of_line();
                is_first = true;
                continue;
            }
            if word.opens() {
                if let Some(comma) = comma {
                    self.syntax(comma, "comma", "{");
                }
                return (keys, Some(word.span));
            }
            if word.text.ends_with('{') && word.quote == super::super::syntax::Quote::None {
                self.syntax(word.span, "glued-brace", &word.text);
                let end = word.span.end;
                keys.extend(address(&word, &word.text[..word.text.len() - 1]));
                return (keys, Some(Span::new(word.span.file, end.saturating_sub(1), end)));
            }
            if word.closes() {
                self.syntax(word.span, "unexpected", "}");
                continue;
            }
            let text = match word.text.strip_suffix(',') {
                Some(text) => {
                    comma = Some(word.span);
                    text
                }
                None => {
                    comma = comma.filter(|_| word.text.is_empty());
                    &*word.text
                }
            };
            if text.contains(',') {
                self.syntax(word.span, "glued-comma", text);
            }
            let parts = text.split(',').filter(|part| !part.is_empty());
            keys.extend(parts.flat_map(|part| address(&word, part)));
        }
    }

    /// Keeps a snippet for later imports.
    fn define(&mut self, key: &Word, open: Option<Span>) {
        let name: Arc<str> = key.text[1..key.text.len() - 1].into();
        let Some(open) = open else { return self.syntax(key.span, "no-block", &key.text) };
        let mut words = Vec::new();
        let mut depth = 1;
        while let Some(word) = self.take() {
            depth += i32::from(word.opens()) - i32::from(word.closes());
            if depth == 0 {
                break;
            }
            words.push(word);
        }
        if depth > 0 {
            self.syntax(open, "unclosed-block", &key.text);
        }
        let node = self.graph.node(key.file, Some(&name));
        self.names.insert(node, format!("({name})"));
        if self.snippets.contains_key(&name) {
            self.problem(Problem::new("directive-duplicate", key.span).case("snippet").with("name", &*key.text));
            return;
        }
        self.snippets.insert(name, (Text::of(words), node));
    }

    /// The directives of a section, to its closing brace or to the end of the text.
    fn directives(&mut self, block: &mut Block, has_braces: bool, keys: &[Word]) {
        loop {
            let Some(word) = self.look() else {
                if has_braces {
                    let name = keys.first().map_or("{", |key| &*key.text).to_owned();
                    self.syntax(block.open, "unclosed-block", &name);
                }
                return;
            };
            block.close = word.span;
            if word.closes() {
                self.take();
                return;
            }
            if &*word.text == "import" {
                self.import(1);
                continue;
            }
            if let Some(node) = self.directive() {
                push(&mut block.nodes, node);
            }
        }
    }

    /// One directive with all of its blocks.
    fn directive(&mut self) -> Option<Node> {
        let name = self.take()?;
        let depth = self.files.reading.limits.block_depth;
        let mut tree =
            Tree { stack: vec![Node { name, words: Vec::new(), block: None }], open: Vec::new(), depth, ignored: 0 };
        loop {
            let is_new = self.is_new_line();
            let Some(word) = self.look() else {
                if let Some(open) = tree.innermost() {
                    let name = tree.stack[0].name.text.to_string();
                    self.syntax(open, "unclosed-block", &name);
                }
                return tree.finish();
            };
            let is_outside = tree.open.is_empty() && tree.ignored == 0;
            if word.opens() {
                let Some(word) = self.take() else { return tree.finish() };
                if self.look().is_some() && !self.is_new_line() {
                    self.syntax(word.span, "after-brace", "{");
                } else if is_new {
                    self.syntax(word.span, "brace-on-new-line", "{");
                }
                if tree.open(word) {
                    let limit = depth.to_string();
                    let at = self.here();
                    self.problem(Problem::new("syntax-error", at).case("too-deep").with("limit", limit));
                }
            } else if is_new && is_outside {
                return tree.finish();
            } else if word.closes() {
                if is_outside {
                    let at = word.span;
                    self.syntax(at, "brace-on-line", "}");
                    return tree.finish();
                }
                let at = word.span;
                self.take();
                tree.close(at);
            } else if &*word.text == "import" && is_new {
                self.import(1);
            } else if let Some(word) = self.take() {
                tree.word(word, is_new);
            }
        }
    }
}

/// An address out of a word that may have a comma at its end.
fn address(word: &Word, text: &str) -> Option<Word> {
    let span = match word.text.find(text) {
        Some(at) if word.is_verbatim && word.span.len() as usize == word.text.len() => {
            word.span.part(at as u32, (at + text.len()) as u32)
        }
        _ => word.span,
    };
    (!text.is_empty()).then(|| Word { text: text.into(), span, ..word.clone() })
}

/// Adds to a list. Most have one entry, and there are very many lists.
fn push<T>(list: &mut Vec<T>, one: T) {
    if list.is_empty() {
        list.reserve_exact(1);
    }
    list.push(one);
}

/// A directive that is being read: the nodes that are not finished, the outermost first.
struct Tree {
    stack: Vec<Node>,
    /// Which of them have an open block.
    open: Vec<usize>,
    /// How deep blocks may nest.
    depth: usize,
    /// Blocks that nest too deep and are passed over.
    ignored: usize,
}

impl Tree {
    fn innermost(&self) -> Option<Span> {
        let at = *self.open.last()?;
        self.stack.get(at)?.block.as_ref().map(|block| block.open)
    }

    /// Puts what is finished below the innermost open block into it.
    fn flush(&mut self) {
        let Some(at) = self.open.last().copied() else { return };
        while self.stack.len() > at + 1 {
            let Some(done) = self.stack.pop() else { return };
            if let Some(block) = self.stack.last_mut().and_then(|node| node.block.as_mut()) {
                push(&mut block.nodes, done);
            }
        }
    }

    /// Opens a block; true where it is the first that nests too deep.
    fn open(&mut self, word: Word) -> bool {
        if self.open.len() >= self.depth {
            self.ignored += 1;
            return self.ignored == 1;
        }
        let is_bare = self.open.last().is_some_and(|at| self.stack.len() == at + 1);
        let span = word.span;
        if is_bare {
            self.stack.push(Node { name: word, words: Vec::new(), block: None });
        }
        if let Some(node) = self.stack.last_mut() {
            node.block.get_or_insert(Block { open: span, close: span, nodes: Vec::new() });
        }
        self.open.push(self.stack.len() - 1);
        false
    }

    fn close(&mut self, at: Span) {
        if self.ignored > 0 {
            self.ignored -= 1;
            return;
        }
        self.flush();
        if let Some(block) = self.open.pop().and_then(|node| self.stack.get_mut(node)?.block.as_mut()) {
            block.close = at;
        }
        self.flush();
    }

    fn word(&mut self, word: Word, is_new: bool) {
        if self.ignored > 0 {
            return;
        }
        let is_bare = self.open.last().is_some_and(|at| self.stack.len() == at + 1);
        if !self.open.is_empty() && (is_new || is_bare) {
            self.flush();
            self.stack.push(Node { name: word, words: Vec::new(), block: None });
        } else if let Some(node) = self.stack.last_mut().filter(|node| node.block.is_none()) {
            push(&mut node.words, word);
        }
    }

    fn finish(mut self) -> Option<Node> {
        while let Some(at) = self.open.last().copied() {
            self.flush();
            self.open.pop();
            debug_assert!(at < self.stack.len(), "an open block has its node");
        }
        self.stack.into_iter().next()
    }
}
