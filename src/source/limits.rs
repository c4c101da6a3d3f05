//! How much a run reads before it calls a configuration hostile. Each limit is generous, can be moved, and is told where it
//! is hit: `SECURITY.md` lists them all.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::archive::Bounds;
use super::filesystem::{FileSystem, Layer, ReadError};

/// The limits of a run. Sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest configuration file.
    pub config_file: u64,
    /// The largest certificate or key file.
    pub pem_file: u64,
    /// All files together.
    pub whole: u64,
    /// How many words the files of a configuration have together, each file counted once.
    pub words: usize,
    /// How many times files may be included in one run.
    pub includes: usize,
    /// How deep includes may nest.
    pub include_depth: usize,
    /// How deep blocks may nest.
    pub block_depth: usize,
    /// How many findings are told.
    pub findings: usize,
    /// How many members of an archive are read.
    pub members: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            config_file: 64 << 20,
            pem_file: 16 << 20,
            whole: 1024 << 20,
            words: 3_000_000,
            includes: 200_000,
            include_depth: 100,
            block_depth: 200,
            findings: 500_000,
            members: 200_000,
        }
    }
}

impl Limits {
    /// How much of an archive is read.
    pub fn of_archive(&self) -> Bounds {
        Bounds { members: self.members, member: self.config_file.max(self.pem_file), whole: self.whole }
    }

    /// How many words may be looked at, where a file counts as often as it is included.
    pub fn words_again(&self) -> usize {
        self.words.saturating_mul(4)
    }
}

/// Counts the words of a configuration, file after file in reading order: what is left out depends on nothing else.
#[derive(Debug)]
pub struct WordCount {
    limit: usize,
    counted: usize,
}

impl WordCount {
    /// None yet.
    pub fn new(limits: &Limits) -> WordCount {
        WordCount { limit: limits.words, counted: 0 }
    }

    /// Adds those of a file.
    ///
    /// # Errors
    /// Where that makes too many; then they do not count.
    pub fn add(&mut self, words: usize) -> Result<(), ReadError> {
        if words > self.left() {
            return Err(ReadError::TooManyWords { limit: self.limit });
        }
        self.counted += words;
        Ok(())
    }

    /// How many more there may be.
    pub fn left(&self) -> usize {
        self.limit.saturating_sub(self.counted)
    }

    /// For texts that are cut side by side before it is their turn to count.
    pub fn ahead(&self) -> Ahead {
        Ahead { left: AtomicUsize::new(self.left()) }
    }
}

/// Bounds the memory of texts that are parsed in parallel before they are counted. One that is not kept is parsed again when
/// it is counted.
#[derive(Debug)]
pub struct Ahead {
    left: AtomicUsize,
}

impl Ahead {
    /// Whether a text of so many words is to be kept until it is its turn.
    pub fn keeps(&self, words: usize) -> bool {
        let rest = |left: usize| left.checked_sub(words);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest).is_ok()
    }
}

/// A file system of which a run reads no more than it may, all together: a thousand links to one large file are a thousand
/// files to whoever reads them.
///
/// Where several are read at once, which of them is refused may differ from run to run; whether any is does not.
pub struct Metered<'a> {
    lower: &'a dyn FileSystem,
    limit: u64,
    read: AtomicU64,
}

impl<'a> Metered<'a> {
    /// Nothing is read yet.
    pub fn new(lower: &'a dyn FileSystem, limits: &Limits) -> Self {
        Metered { lower, limit: limits.whole, read: AtomicU64::new(0) }
    }
}

impl Layer for Metered<'_> {
    fn lower(&self) -> &dyn FileSystem {
        self.lower
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Arc<[u8]>, ReadError> {
        let exhausted = ReadError::Exhausted { limit: self.limit };
        if self.read.load(Ordering::Relaxed) >= self.limit {
            return Err(exhausted);
        }
        let bytes = self.lower.read(path, limit)?;
        let before = self.read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if before + bytes.len() as u64 > self.limit { Err(exhausted) } else { Ok(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Memory;

    #[test]
    fn all_files_together_have_a_limit() {
        let mut files = Memory::new();
        files.insert("a", *b"12345");
        files.insert("b", *b"67890");
        let metered: &dyn FileSystem = &Metered::new(&files, &Limits { whole: 9, ..Limits::default() });
        assert!(metered.read(Path::new("a"), 5).is_ok());
        assert_eq!(metered.read(Path::new("b"), 5), Err(ReadError::Exhausted { limit: 9 }));
        let enough: &dyn FileSystem = &Metered::new(&files, &Limits { whole: 10, ..Limits::default() });
        assert!(enough.read(Path::new("a"), 5).is_ok() && enough.read(Path::new("b"), 5).is_ok());
    }

    #[test]
    fn words_are_counted_together() {
        let mut count = WordCount::new(&Limits { words: 10, ..Limits::default() });
        assert_eq!(count.add(6), Ok(()));
        assert_eq!(count.left(), 4);
        let ahead = count.ahead();
        assert!(ahead.keeps(3) && !ahead.keeps(2) && ahead.keeps(1));
        assert_eq!(count.add(5), Err(ReadError::TooManyWords { limit: 10 }));
        assert_eq!(count.add(4), Ok(()));
        assert_eq!(count.left(), 0);
    }
}
