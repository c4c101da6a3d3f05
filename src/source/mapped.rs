//! File systems that stand before another: paths of a server led to where its files are here, and files that are not here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::filesystem::{FileSystem, Layer, Metadata, ReadError};

/// A file system in which some folders of the server are found elsewhere.
pub struct Mapped<'a> {
    lower: &'a dyn FileSystem,
    /// Path on the server and path here, the longest first.
    maps: Vec<(PathBuf, PathBuf)>,
}

impl<'a> Mapped<'a> {
    /// `maps` are paths on the server, each with the path here, the longest first.
    pub fn new(lower: &'a dyn FileSystem, maps: Vec<(PathBuf, PathBuf)>) -> Self {
        Mapped { lower, maps }
    }
}

impl Layer for Mapped<'_> {
    fn lower(&self) -> &dyn FileSystem {
        self.lower
    }

    fn locate(&self, base: &Path, written: &Path) -> PathBuf {
        if self.maps.is_empty() {
            return self.lower.locate(base, written);
        }
        let whole = base.join(written);
        let found = self.maps.iter().find_map(|(from, to)| Some((whole.strip_prefix(from).ok()?, to)));
        match found {
            Some((rest, to)) if rest.as_os_str().is_empty() => to.clone(),
            Some((rest, to)) => to.join(rest),
            None => self.lower.locate(base, written),
        }
    }
}

/// A file system in which what is missing lies on the server.
pub struct Elsewhere<'a> {
    lower: &'a dyn FileSystem,
    /// Whether that holds for what is read too: not so for the configuration itself.
    reads: bool,
}

impl<'a> Elsewhere<'a> {
    /// For certificates and keys.
    pub fn of_certificates(lower: &'a dyn FileSystem) -> Self {
        Elsewhere { lower, reads: true }
    }

    /// For the configuration: what it reads is missing where it is missing, and what it only asks for is not.
    pub fn of_configuration(lower: &'a dyn FileSystem) -> Self {
        Elsewhere { lower, reads: false }
    }
}

fn elsewhere(error: ReadError) -> ReadError {
    if error.is_missing() { ReadError::Elsewhere } else { error }
}

impl Layer for Elsewhere<'_> {
    fn lower(&self) -> &dyn FileSystem {
        self.lower
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Arc<[u8]>, ReadError> {
        let read = self.lower.read(path, limit);
        if self.reads { read.map_err(elsewhere) } else { read }
    }

    fn metadata(&self, path: &Path) -> Result<Metadata, ReadError> {
        self.lower.metadata(path).map_err(elsewhere)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Memory;

    #[test]
    fn the_longest_map_counts() {
        let mut files = Memory::new();
        files.insert("fixtures/a.pem", *b"here");
        let maps = vec![
            (PathBuf::from("/etc/ssl/live"), PathBuf::from("fixtures")),
            (PathBuf::from("/etc/ssl"), PathBuf::from("other")),
        ];
        let mapped: &dyn FileSystem = &Mapped::new(&files, maps);
        let base = Path::new("/etc/nginx");
        assert_eq!(mapped.locate(base, Path::new("/etc/ssl/live/a.pem")), Path::new("fixtures/a.pem"));
        assert_eq!(mapped.locate(base, Path::new("/etc/ssl/b.pem")), Path::new("other/b.pem"));
        assert_eq!(mapped.locate(base, Path::new("/etc/ssl")), Path::new("other"));
        assert_eq!(mapped.locate(base, Path::new("/etc/ssl-old/b.pem")), Path::new("/etc/ssl-old/b.pem"));
        let elsewhere: &dyn FileSystem = &Elsewhere::of_certificates(mapped);
        assert_eq!(elsewhere.read(Path::new("nowhere.pem"), 9), Err(ReadError::Elsewhere));
    }
}
