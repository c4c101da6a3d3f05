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

/// Counts the words of a configuration while its files are read, several at once.
#[derive(Debug)]
pub struct WordCount {
    limit: usize,
    counted: AtomicUsize,
}

impl WordCount {
    /// None yet.
    pub fn new(limits: &Limits) -> WordCount {
        WordCount { limit: limits.words, counted: AtomicUsize::new(0) }
    }

    /// Adds those of a file.
    ///
    /// # Errors
    /// Where that makes too many; then they do not count.
    pub fn add(&self, words: usize) -> Result<(), ReadError> {
        let limit = self.limit;
        let sum = |before: usize| before.checked_add(words).filter(|sum| *sum <= limit);
        let added = self.counted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum);
        added.map(|_| ()).map_err(|_| ReadError::TooManyWords { limit })
    }

    /// How many more there may be.
    pub fn left(&self) -> usize {
        self.limit.saturating_sub(self.counted.load(Ordering::Relaxed))
    }
}

/// A file system of which a run reads no more than it may, all together: a thousand links to one large file are a thousand
/// files to whoever reads them.
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
        let count = WordCount::new(&Limits { words: 10, ..Limits::default() });
        assert_eq!((count.add(6), count.left()), (Ok(()), 4));
        assert_eq!(count.add(5), Err(ReadError::TooManyWords { limit: 10 }));
        assert_eq!((count.add(4), count.left()), (Ok(()), 0));
    }
}
