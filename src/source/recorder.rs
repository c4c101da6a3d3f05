//! A file system that remembers what was read through it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::filesystem::{FileSystem, Layer, ReadError};

/// Remembers each file that was read, once, in the order of the first reading.
pub struct Recorder<'a> {
    lower: &'a dyn FileSystem,
    read: Mutex<Vec<(PathBuf, Arc<[u8]>)>>,
}

impl<'a> Recorder<'a> {
    /// Nothing read yet.
    pub fn new(lower: &'a dyn FileSystem) -> Self {
        Recorder { lower, read: Mutex::default() }
    }

    /// What was read.
    pub fn read(self) -> Vec<(PathBuf, Arc<[u8]>)> {
        let mut all = self.read.into_inner().unwrap_or_default();
        let mut seen = std::collections::HashSet::new();
        all.retain(|(path, _)| seen.insert(path.clone()));
        all
    }
}

impl Layer for Recorder<'_> {
    fn lower(&self) -> &dyn FileSystem {
        self.lower
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Arc<[u8]>, ReadError> {
        let bytes = self.lower.read(path, limit)?;
        if let Ok(mut read) = self.read.lock() {
            read.push((path.to_path_buf(), Arc::clone(&bytes)));
        }
        Ok(bytes)
    }
}
