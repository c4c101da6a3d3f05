//! `import`: a snippet, a file or a pattern takes the place of the directive.
//!
//! Source: Caddy 2.11.4, `doImport`. A snippet of the name comes first; a path starts from the folder of the file that the
//! directive stands in; a pattern has at most one `*` and one `?`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use super::Text;
use super::arguments::{Arguments, Filled};
use super::parser::Parser;
use super::piece::Piece;
use crate::diagnostic::{Problem, Severity, Unchecked, UncheckedReason};
use crate::model::{Frame, FrameId, FrameKind};
use crate::server::caddy::syntax::Word;
use crate::source::{self, ReadError, Span};

/// Words that imports may add, for each word that was read and beyond that.
const GROWTH: (usize, usize) = (16, 200_000);

impl Parser<'_> {
    /// Follows the `import` that comes next. `nesting` is 0 between sections, where snippets may be defined.
    pub fn import(&mut self, nesting: usize) {
        let before = self.previous();
        let Some(import) = self.take() else { return };
        let mut words = self.rest_of_line();
        let block = self.import_block();
        let end = block.last().or(words.last()).unwrap_or(&import).span;
        let at = if end.file == import.span.file && end.end >= import.span.start {
            import.span.to(end)
        } else {
            import.span
        };
        self.put_back_before(before);
        if words.is_empty() {
            self.problem(wrong_count(&import, "a snippet, a file or a pattern"));
            return;
        }
        let pattern = words.remove(0);
        let reading = self.files.reading;
        if !block.is_empty() && !reading.version.at_least(2, 9, 0) {
            self.problem(super::too_new(&reading, pattern.span, "a block behind `import`", "2.9.0"));
        }
        let arguments = Arguments {
            words,
            parts: parts(&block),
            block,
            at,
            has_brackets: reading.version.at_least(2, 7, 0),
            has_blocks: reading.version.at_least(2, 9, 0),
        };
        let from = self.node_of(&import);
        if let Some((words, node)) = self.snippet(&pattern.text) {
            self.enter(&import, &arguments, from, vec![(words, node)], nesting);
        } else if pattern.is_open() {
            let reason = format!("`{}` hangs on a variable that is not given (see --define)", pattern.text);
            self.unjudged.push(Unchecked { what: "import".into(), reason: reason.into(), at: Some(pattern.span) });
        } else {
            let targets = self.files_of(&import, &pattern);
            self.enter(&import, &arguments, from, targets, nesting);
        }
    }

    /// The files that a path or pattern names.
    fn files_of(&mut self, import: &Word, pattern: &Word) -> Vec<(Text, usize)> {
        let text = &*pattern.text;
        let problem = |case| Problem::new("include-missing", pattern.span).case(case).with("path", text);
        if text.is_empty() {
            self.problem(wrong_count(import, "a snippet, a file or a pattern"));
            return Vec::new();
        }
        let reading = self.files.reading;
        let path = reading.files.locate(self.files.folder(import.file), Path::new(text));
        let located = path.display().to_string();
        let count = |mark: char| located.matches(mark).count();
        if count('*') > 1 || count('?') > 1 || (located.contains('[') && located.contains(']')) {
            self.problem(problem("wildcards").with("located", located));
            return Vec::new();
        }
        let is_pattern = source::has_wildcard(text.as_bytes());
        let paths: Vec<PathBuf> = if is_pattern { source::expand(reading.files, &path) } else { vec![path] };
        if paths.is_empty() {
            self.problem(problem("no-match").severity(Severity::Warning).with("located", located));
        }
        let mut targets = Vec::new();
        let mut problems = Vec::new();
        for (path, found) in paths.iter().zip(self.files.load(&paths, &mut problems)) {
            let located = path.display().to_string();
            match found {
                Ok(index) => {
                    let node = self.graph.node(index as u32, None);
                    targets.push((self.files.files[index].text.clone(), node));
                }
                Err(ReadError::Forbidden) => {
                    let reason = UncheckedReason::PermissionDenied(format!("permission denied: {located}"));
                    self.unjudged.push(Unchecked { what: "import".into(), reason, at: Some(pattern.span) });
                }
                Err(error) => {
                    let problem = match &error {
                        ReadError::NotRegular(kind) => problem("not-regular").with("kind", kind.to_string()),
                        error if error.is_missing() && super::super::directives::is_snippet_like(text) => {
                            if reading.fragment {
                                let reason = format!("the snippet `{text}` is defined elsewhere");
                                self.unjudged.push(Unchecked {
                                    what: "import".into(),
                                    reason: reason.into(),
                                    at: Some(pattern.span),
                                });
                                continue;
                            }
                            problem("snippet")
                        }
                        error if error.is_missing() => problem("import"),
                        error => problem("unreadable").with("reason", error.to_string()),
                    };
                    problems.push(problem.with("located", located));
                }
            }
        }
        self.problems.append(&mut problems);
        targets
    }

    /// How many words imports may add.
    fn most(&self) -> usize {
        (GROWTH.0 * self.files.words + GROWTH.1).min(self.files.reading.limits.words_again())
    }

    /// Puts words in the place of the directive.
    fn enter(
        &mut self,
        import: &Word,
        arguments: &Arguments,
        from: usize,
        targets: Vec<(Text, usize)>,
        nesting: usize,
    ) {
        let mut pieces = Vec::new();
        for (target, node) in targets {
            let limit = self.most();
            let is_free = self.graph.add(from, node);
            if !is_free {
                let path = arguments_path(self, node);
                self.problem(Problem::new("include-cycle", arguments.at).case("import").with("path", path));
            }
            // One that is refused costs as much as one word.
            self.imported += if is_free { target.words.len() } else { 1 };
            if self.imported > limit || self.graph.is_exhausted() {
                self.stop(
                    Problem::new("include-cycle", arguments.at).case("too-many").with("limit", limit.to_string()),
                );
                return;
            }
            if !is_free {
                continue;
            }
            let parent = import.include_chain;
            let include_chain = self.frames.add(Frame { kind: FrameKind::Import, at: arguments.at, parent });
            self.frame_nodes.push(node);
            pieces.push(match target.has_arguments {
                true => Piece::Own(self.fill(&target.words, include_chain, arguments, nesting).into_iter()),
                false => Piece::Shared { words: target.words, at: 0, include_chain: Some(include_chain) },
            });
        }
        for piece in pieces.into_iter().rev() {
            self.push(piece);
        }
    }

    /// Copies words for one import. The body of a snippet that is defined among them keeps its placeholders.
    fn fill(&mut self, words: &[Word], include_chain: FrameId, arguments: &Arguments, mut nesting: usize) -> Vec<Word> {
        let mut out = Vec::with_capacity(words.len());
        let (mut in_snippet, mut named, mut index) = (false, false, 0);
        let mut last: Option<&Word> = None;
        let brackets = !arguments.has_brackets;
        for word in words {
            if !in_snippet && nesting == 0 {
                let is_first = last.is_none_or(|last| last.ends_line_before(word));
                index = if is_first { 0 } else { index + 1 };
                if index == 0 && is_snippet(&word.text) {
                    named = true;
                }
            }
            last = Some(word);
            if word.opens() {
                nesting += 1;
                if index == 1 && named && nesting == 1 {
                    (in_snippet, named) = (true, false);
                }
            } else if word.closes() {
                nesting = nesting.saturating_sub(1);
                in_snippet &= nesting > 0;
            }
            let copy = Word { include_chain: Some(include_chain), ..word.clone() };
            if in_snippet || !word.text.contains('{') {
                out.push(copy);
                continue;
            }
            if brackets && word.text.contains("{args[") {
                self.problem(super::too_new(&self.files.reading, word.span, "`{args[...]}`", "2.7.0").case("literal"));
            }
            match arguments.fill(&copy, self.files.sources) {
                Filled::Same => out.push(copy),
                Filled::Words(words) => {
                    self.imported += words.len();
                    out.extend(words);
                }
                Filled::TooLong => {
                    self.stop(
                        Problem::new("include-cycle", arguments.at).case("too-many").with("limit", "64 KiB a word"),
                    );
                    return out;
                }
            }
            if self.imported > self.most() {
                let limit = self.most();
                self.stop(
                    Problem::new("include-cycle", arguments.at).case("too-many").with("limit", limit.to_string()),
                );
                return out;
            }
        }
        out
    }

    /// The words of a block behind an import, without its braces.
    fn import_block(&mut self) -> Vec<Word> {
        if !self.look().is_some_and(Word::opens) || self.is_new_line() {
            return Vec::new();
        }
        self.take();
        let mut depth = 1;
        let mut words = Vec::new();
        while let Some(word) = self.take() {
            depth += i32::from(word.opens()) - i32::from(word.closes());
            if depth == 0 {
                break;
            }
            words.push(word);
        }
        words
    }
}

/// Whether a word is the name of a snippet where it is defined.
pub fn is_snippet(text: &str) -> bool {
    text.len() >= 3 && text.starts_with('(') && text.ends_with(')')
}

/// What is imported again, for people.
fn arguments_path(parser: &Parser<'_>, node: usize) -> String {
    parser.name_of(node)
}

fn wrong_count(word: &Word, wanted: &str) -> Problem {
    let at: Span = word.span;
    Problem::new("invalid-argument", at).case("caddy-count").with("name", &*word.text).with("wanted", wanted)
}

/// The parts of a block behind an import: each line's first word, its arguments, and what stands in its braces.
fn parts(block: &[Word]) -> HashMap<Arc<str>, Vec<Word>> {
    let mut parts = HashMap::new();
    let mut at = 0;
    while let Some(head) = block.get(at) {
        at += 1;
        let mut words = Vec::new();
        let mut depth = 0_usize;
        while let Some(word) = block.get(at) {
            let is_new = block[at - 1].ends_line_before(word);
            if word.opens() {
                depth += 1;
                if depth == 1 {
                    at += 1;
                    continue;
                }
            } else if word.closes() && depth > 0 {
                depth -= 1;
                if depth == 0 {
                    at += 1;
                    break;
                }
            } else if is_new && depth == 0 {
                break;
            }
            words.push(word.clone());
            at += 1;
        }
        parts.insert(Arc::clone(&head.text), words);
    }
    parts
}
