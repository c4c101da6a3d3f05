//! Words that wait to be read: those of a text as they stand there, or such as an import has made.

use std::sync::Arc;

use crate::model::FrameId;
use crate::server::caddy::syntax::Word;
use crate::source::Span;

/// Words that wait to be read.
pub enum Piece {
    /// Those of a text as they stand there.
    Shared {
        /// All of them.
        words: Arc<[Word]>,
        /// The next.
        at: usize,
        /// The import that led to them.
        include_chain: Option<FrameId>,
    },
    /// Words of an import that were made for it.
    Own(std::vec::IntoIter<Word>),
}

impl Piece {
    /// The next word, and the import that led to it.
    pub fn look(&self) -> Option<(&Word, Option<FrameId>)> {
        match self {
            Piece::Shared { words, at, include_chain } => {
                words.get(*at).map(|word| (word, include_chain.or(word.include_chain)))
            }
            Piece::Own(words) => words.as_slice().first().map(|word| (word, word.include_chain)),
        }
    }

    /// Takes the next word, with the import that led to it.
    pub fn take(&mut self) -> Option<Word> {
        match self {
            Piece::Shared { words, at, include_chain } => {
                let word = words.get(*at)?;
                *at += 1;
                Some(Word { include_chain: include_chain.or(word.include_chain), ..word.clone() })
            }
            Piece::Own(words) => words.next(),
        }
    }
}

/// What is kept of a word that was read: where it stands, and where its line ends.
#[derive(Clone, Copy)]
pub struct Mark {
    /// Its place.
    pub span: Span,
    file: u32,
    include_chain: Option<FrameId>,
    last_line: u32,
}

impl Mark {
    pub fn of(word: &Word) -> Mark {
        Mark { span: word.span, file: word.file, include_chain: word.include_chain, last_line: word.line + word.breaks }
    }

    /// As [`Word::ends_line_before`].
    pub fn ends_line_before(self, next: &Word, include_chain: Option<FrameId>) -> bool {
        self.file != next.file || self.include_chain != include_chain || self.last_line < next.line
    }
}
