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
        via: Option<FrameId>,
    },
    /// Words of an import that were made for it.
    Own(std::vec::IntoIter<Word>),
}

impl Piece {
    /// The next word, and the import that led to it.
    pub fn look(&self) -> Option<(&Word, Option<FrameId>)> {
        match self {
            Piece::Shared { words, at, via } => words.get(*at).map(|word| (word, via.or(word.via))),
            Piece::Own(words) => words.as_slice().first().map(|word| (word, word.via)),
        }
    }

    /// Takes the next word, with the import that led to it.
    pub fn take(&mut self) -> Option<Word> {
        match self {
            Piece::Shared { words, at, via } => {
                let word = words.get(*at)?;
                *at += 1;
                Some(Word { via: via.or(word.via), ..word.clone() })
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
    via: Option<FrameId>,
    last_line: u32,
}

impl Mark {
    pub fn of(word: &Word) -> Mark {
        Mark { span: word.span, file: word.file, via: word.via, last_line: word.line + word.breaks }
    }

    /// As [`Word::ends_line_before`].
    pub fn ends_line_before(self, next: &Word, via: Option<FrameId>) -> bool {
        self.file != next.file || self.via != via || self.last_line < next.line
    }
}
