//! What an import puts into the words that it brings: `{args[0]}`, `{args[1:]}`, `{args.0}`, `{block}`, `{blocks.name}`.
//!
//! Source: Caddy 2.11.4, `doImport`, `parseVariadic`, `makeArgsReplacer`; 2.6 knows `{args.0}` alone.

use std::sync::Arc;

use foldhash::HashMap;

use crate::server::caddy::syntax::Word;
use crate::source::{Segment, Sources, Span, Text};

/// The longest word that arguments may make, in bytes.
const LONGEST: usize = 64 << 10;

/// What stands behind an `import` and its pattern.
pub struct Arguments {
    /// The words of its line.
    pub words: Vec<Word>,
    /// The words of its block.
    pub block: Vec<Word>,
    /// The parts of its block by their first word.
    pub parts: HashMap<Arc<str>, Vec<Word>>,
    /// The whole directive.
    pub at: Span,
    /// Whether `{args[0]}` is known: from 2.7 on.
    pub has_brackets: bool,
    /// Whether `{block}` is known: from 2.9 on.
    pub has_blocks: bool,
}

/// What becomes of a word.
pub enum Filled {
    /// It stays as it is.
    Same,
    /// It is replaced by these.
    Words(Vec<Word>),
    /// It would be too long.
    TooLong,
}

impl Arguments {
    /// What becomes of an imported word.
    pub fn fill(&self, word: &Word, sources: &mut Sources) -> Filled {
        let text = &*word.text;
        if self.has_blocks && text == "{block}" {
            return Filled::Words(self.block.clone());
        }
        if self.has_blocks
            && let Some(name) = text.strip_prefix("{blocks.").and_then(|rest| rest.strip_suffix('}'))
        {
            return Filled::Words(self.parts.get(name).cloned().unwrap_or_default());
        }
        if !text.contains("{args") {
            return Filled::Same;
        }
        if let Some((from, to)) = self.range(text) {
            return Filled::Words(self.words[from..to].iter().map(|one| self.put(word, one)).collect());
        }
        let holes = self.holes(text);
        match &holes[..] {
            [] => Filled::Same,
            [(0, end, one)] if *end == text.len() => Filled::Words(vec![self.put(word, &self.words[*one])]),
            holes => self.made(word, holes, sources),
        }
    }

    /// The words of `{args[1:]}` and the like.
    fn range(&self, text: &str) -> Option<(usize, usize)> {
        let inside = text.strip_prefix("{args[")?.strip_suffix("]}").filter(|_| self.has_brackets)?;
        let (start, end) = inside.split_once(':')?;
        if start.contains('}') || end.contains('{') {
            return None;
        }
        let number = |text: &str, none: usize| if text.is_empty() { Some(none) } else { text.parse().ok() };
        let (start, end) = (number(start, 0)?, number(end, self.words.len())?);
        (start <= end && end <= self.words.len()).then_some((start, end))
    }

    /// Each placeholder for one argument that there is: its place in the text, and which argument.
    fn holes(&self, text: &str) -> Vec<(usize, usize, usize)> {
        let mut holes = Vec::new();
        let mut from = 0;
        while let Some(at) = text[from..].find("{args").map(|at| from + at) {
            from = at + 1;
            let Some(end) = text[at..].find('}').map(|end| at + end) else { break };
            let key = &text[at + 5..end];
            let number = match key.strip_prefix('.') {
                Some(number) => number.parse().ok(),
                None if self.has_brackets => {
                    key.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).and_then(|number| number.parse().ok())
                }
                None => None,
            };
            if let Some(number) = number.filter(|number: &usize| *number < self.words.len()) {
                holes.push((at, end + 1, number));
                from = end + 1;
            }
        }
        holes
    }

    /// An argument in the place of a word: it points to where the argument is written.
    fn put(&self, word: &Word, argument: &Word) -> Word {
        Word {
            text: Arc::clone(&argument.text),
            span: argument.span,
            is_unknown: argument.is_unknown || word.is_unknown,
            is_verbatim: argument.is_verbatim,
            ..word.clone()
        }
    }

    /// A word with arguments inside: a text of its own.
    fn made(&self, word: &Word, holes: &[(usize, usize, usize)], sources: &mut Sources) -> Filled {
        let mut text = String::new();
        let mut segments = Vec::new();
        let mut is_unknown = word.is_unknown;
        let mut copied = 0;
        let shift = u32::from(word.span.len() as usize == word.text.len() + 2);
        let part = |from: usize, to: usize| match word.is_verbatim {
            true => word.span.part(from as u32 + shift, to as u32 + shift),
            false => word.span,
        };
        for (from, to, number) in holes {
            let argument = &self.words[*number];
            if *from > copied {
                segments.push(Segment {
                    start: text.len() as u32,
                    from: part(copied, *from),
                    verbatim: word.is_verbatim,
                    defined: None,
                    used: None,
                });
                text.push_str(&word.text[copied..*from]);
            }
            if !argument.text.is_empty() {
                let start = text.len() as u32;
                let (defined, used) = (Some(argument.span), Some(self.at));
                segments.push(Segment { start, from: part(*from, *to), verbatim: false, defined, used });
                text.push_str(&argument.text);
            }
            is_unknown |= argument.is_unknown;
            copied = *to;
            if text.len() > LONGEST {
                return Filled::TooLong;
            }
        }
        if copied < word.text.len() {
            let from = part(copied, word.text.len());
            let start = text.len() as u32;
            segments.push(Segment { start, from, verbatim: word.is_verbatim, defined: None, used: None });
            text.push_str(&word.text[copied..]);
        }
        let span = match segments.is_empty() {
            true => word.span,
            false => {
                let path = sources.file(word.span.file).path().to_path_buf();
                let id = sources.add(path, text.as_bytes().to_vec(), Text::Substituted(segments));
                Span::new(id, 0, text.len() as u32)
            }
        };
        Filled::Words(vec![Word { text: text.into(), span, is_unknown, is_verbatim: false, ..word.clone() }])
    }
}
