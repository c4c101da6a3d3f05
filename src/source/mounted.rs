//! A file system at a path of the disk: an archive is read as if it were a folder of its name, and all else is the disk's.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::Disk;
use super::filesystem::{Entry, FileSystem, Metadata, ReadError};

/// What begins with `at` is below the root of another file system; absolute paths of a configuration begin there too.
pub struct Mounted<F> {
    lower: F,
    at: PathBuf,
    disk: Disk,
}

impl<F: FileSystem> Mounted<F> {
    /// `lower` has paths relative to its root.
    pub fn new(lower: F, at: impl Into<PathBuf>, disk: Disk) -> Self {
        Mounted { lower, at: at.into(), disk }
    }

    /// A path as the lower one has it; absent where it lies beside. No `..` leads out: below, that is the lower one's affair.
    fn below<'p>(&self, path: &'p Path) -> Option<&'p Path> {
        path.strip_prefix(&self.at).ok()
    }

    fn shown(&self, path: PathBuf) -> PathBuf {
        self.at.join(path.strip_prefix("/").unwrap_or(&path))
    }
}

impl<F: FileSystem> FileSystem for Mounted<F> {
    fn locate(&self, base: &Path, written: &Path) -> PathBuf {
        if written.is_absolute() && self.below(written).is_none() {
            return self.shown(self.lower.locate(Path::new(""), written));
        }
        base.join(written)
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Arc<[u8]>, ReadError> {
        match self.below(path) {
            Some(inside) => self.lower.read(inside, limit),
            None => self.disk.read(path, limit),
        }
    }

    fn metadata(&self, path: &Path) -> Result<Metadata, ReadError> {
        match self.below(path) {
            Some(inside) => self.lower.metadata(inside),
            None => self.disk.metadata(path),
        }
    }

    fn list(&self, folder: &Path) -> Result<Vec<Entry>, ReadError> {
        match self.below(folder) {
            Some(inside) => self.lower.list(inside),
            None => self.disk.list(folder),
        }
    }

    fn canonical(&self, path: &Path) -> Result<PathBuf, ReadError> {
        match self.below(path) {
            Some(inside) => self.lower.canonical(inside).map(|real| self.shown(real)),
            None => self.disk.canonical(path),
        }
    }

    fn link(&self, path: &Path) -> Option<PathBuf> {
        match self.below(path) {
            Some(inside) => self.lower.link(inside).map(|target| self.shown(target)),
            None => self.disk.link(path),
        }
    }

    fn root(&self) -> &Path {
        &self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Memory;

    #[test]
    fn what_is_below_is_the_lower_ones_and_all_else_the_disks() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("beside.pem"), "disk").expect("a file");
        let mut lower = Memory::new();
        lower.insert("etc/nginx/nginx.conf", *b"main");
        let at = folder.path().join("host.tar");
        let files = Mounted::new(lower, &at, Disk::new());
        let main = files.locate(Path::new("/"), Path::new("/etc/nginx/nginx.conf"));
        assert_eq!(main, at.join("etc/nginx/nginx.conf"));
        assert_eq!(files.locate(&at.join("etc/nginx"), Path::new("a.conf")), at.join("etc/nginx/a.conf"));
        assert_eq!(&*files.read(&main, 9).expect("it is there"), b"main");
        assert_eq!(&*files.read(&folder.path().join("beside.pem"), 9).expect("it is there"), b"disk");
        assert!(files.read(&at.join("../beside.pem"), 9).is_err(), "no `..` leads out");
        assert_eq!(files.root(), at);
    }
}
