//! File systems that hold texts in memory: for examples and tests, and for what a fix would make of a tree.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::filesystem::{Entry, FileKind, FileSystem, Metadata, ReadError};

/// Files in memory. Folders exist where a file lies below them.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    files: BTreeMap<PathBuf, Result<Arc<[u8]>, ReadError>>,
    metadata: BTreeMap<PathBuf, Metadata>,
}

impl Memory {
    /// No file at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a file at a path, over what was there.
    pub fn insert(&mut self, path: impl AsRef<Path>, bytes: impl Into<Arc<[u8]>>) {
        self.files.insert(normal(path.as_ref()), Ok(bytes.into()));
    }

    /// Makes reading a path fail: how tests see files that may not be read, or are no regular ones.
    pub fn insert_failing(&mut self, path: impl AsRef<Path>, error: ReadError) {
        self.files.insert(normal(path.as_ref()), Err(error));
    }

    /// Says of a path what is otherwise made up: mode, owner, group and age. Kind and size stay those of the file.
    pub fn describe(&mut self, path: impl AsRef<Path>, metadata: Metadata) {
        self.metadata.insert(normal(path.as_ref()), metadata);
    }

    /// All paths that hold a file or fail.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.keys().map(PathBuf::as_path)
    }

    fn is_folder(&self, path: &Path) -> bool {
        path.as_os_str().is_empty() || self.files.keys().any(|file| file != path && file.starts_with(path))
    }
}

/// Removes `.` and resolves `..`, as there are no links here.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

impl FileSystem for Memory {
    fn read(&self, path: &Path, limit: u64) -> Result<Arc<[u8]>, ReadError> {
        let path = normal(path);
        match self.files.get(&path) {
            Some(Ok(bytes)) if bytes.len() as u64 > limit => {
                Err(ReadError::TooLarge { size: bytes.len() as u64, limit })
            }
            Some(found) => found.clone(),
            None if self.is_folder(&path) => Err(ReadError::NotRegular(FileKind::Directory)),
            None => Err(ReadError::Missing),
        }
    }

    fn metadata(&self, path: &Path) -> Result<Metadata, ReadError> {
        let path = normal(path);
        let (kind, size) = match self.files.get(&path) {
            Some(Ok(bytes)) => (FileKind::Regular, bytes.len() as u64),
            Some(Err(ReadError::NotRegular(kind))) => (*kind, 0),
            Some(Err(ReadError::Forbidden)) => (FileKind::Regular, 0),
            Some(Err(error)) => return Err(error.clone()),
            None if self.is_folder(&path) => (FileKind::Directory, 0),
            None => return Err(ReadError::Missing),
        };
        if let Some(told) = self.metadata.get(&path) {
            return Ok(Metadata { kind, size, ..told.clone() });
        }
        let mode = if kind == FileKind::Directory { 0o755 } else { 0o600 };
        Ok(Metadata { kind, size, mode, uid: 0, gid: 0, modified: None, has_acl: false })
    }

    fn list(&self, folder: &Path) -> Result<Vec<Entry>, ReadError> {
        let folder = normal(folder);
        if self.files.contains_key(&folder) {
            return Err(ReadError::NotRegular(FileKind::Regular));
        }
        if !self.is_folder(&folder) {
            return Err(ReadError::Missing);
        }
        let below = self.files.keys().filter_map(|path| path.strip_prefix(&folder).ok());
        let names: BTreeSet<OsString> = below.filter_map(|rest| rest.iter().next().map(OsString::from)).collect();
        let kind = |name: &OsString| self.metadata(&folder.join(name)).ok().map(|found| found.kind);
        Ok(names.into_iter().map(|name| Entry { kind: kind(&name), name }).collect())
    }

    fn canonical(&self, path: &Path) -> Result<PathBuf, ReadError> {
        self.metadata(path).map(|_| normal(path))
    }

    fn link(&self, _: &Path) -> Option<PathBuf> {
        None
    }

    fn root(&self) -> &Path {
        Path::new("/")
    }
}

/// A file system with some texts laid over it, as if they had been written.
pub struct Overlay<'a> {
    upper: Memory,
    lower: &'a dyn FileSystem,
}

impl<'a> Overlay<'a> {
    /// Nothing laid over `lower` yet.
    pub fn new(lower: &'a dyn FileSystem) -> Self {
        Overlay { upper: Memory::new(), lower }
    }

    /// Lays a text over the file at `path`, as [`FileSystem::locate`] gave it.
    pub fn insert(&mut self, path: impl AsRef<Path>, bytes: impl Into<Arc<[u8]>>) {
        self.upper.insert(path, bytes);
    }
}

impl FileSystem for Overlay<'_> {
    fn locate(&self, base: &Path, written: &Path) -> PathBuf {
        self.lower.locate(base, written)
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Arc<[u8]>, ReadError> {
        match self.upper.read(path, limit) {
            Err(ReadError::Missing | ReadError::NotRegular(FileKind::Directory)) => self.lower.read(path, limit),
            found => found,
        }
    }

    fn metadata(&self, path: &Path) -> Result<Metadata, ReadError> {
        let below = self.lower.metadata(path);
        match self.upper.metadata(path) {
            // The text is ours; owner and mode stay those of the file that it covers.
            Ok(above) if above.kind == FileKind::Regular => {
                Ok(Metadata { kind: above.kind, size: above.size, ..below.unwrap_or(above) })
            }
            Ok(above) => below.or(Ok(above)),
            Err(_) => below,
        }
    }

    fn list(&self, folder: &Path) -> Result<Vec<Entry>, ReadError> {
        match (self.upper.list(folder), self.lower.list(folder)) {
            (Ok(above), Ok(below)) => {
                let all = below.into_iter().chain(above).map(|entry| (entry.name.clone(), entry));
                Ok(all.collect::<BTreeMap<_, _>>().into_values().collect())
            }
            (Ok(one), Err(_)) | (Err(_), Ok(one)) => Ok(one),
            (Err(_), Err(error)) => Err(error),
        }
    }

    fn canonical(&self, path: &Path) -> Result<PathBuf, ReadError> {
        self.lower.canonical(path).or_else(|error| self.upper.canonical(path).map_err(|_| error))
    }

    fn read_of_kernel(&self, path: &Path, limit: u64) -> Result<Arc<[u8]>, ReadError> {
        self.read(path, limit).or_else(|_| self.lower.read_of_kernel(path, limit))
    }

    fn link(&self, path: &Path) -> Option<PathBuf> {
        self.lower.link(path)
    }

    fn root(&self) -> &Path {
        self.lower.root()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlay_shows_its_own_text_first() {
        let mut lower = Memory::new();
        lower.insert("etc/a.conf", *b"old");
        lower.insert("etc/b.conf", *b"kept");
        let mut overlay = Overlay::new(&lower);
        overlay.insert("etc/a.conf", *b"newer");
        overlay.insert("etc/c.conf", *b"added");
        assert_eq!(&*overlay.read(Path::new("./etc/a.conf"), 9).unwrap(), b"newer");
        assert_eq!(&*overlay.read(Path::new("etc/x/../b.conf"), 9).unwrap(), b"kept");
        assert_eq!(overlay.metadata(Path::new("etc/a.conf")).unwrap().size, 5);
        let names: Vec<_> = overlay.list(Path::new("etc")).unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["a.conf", "b.conf", "c.conf"]);
        assert_eq!(overlay.read(Path::new("etc"), 9), Err(ReadError::NotRegular(FileKind::Directory)));
        assert_eq!(lower.read(Path::new("etc/a.conf"), 2), Err(ReadError::TooLarge { size: 3, limit: 2 }));
    }
}
