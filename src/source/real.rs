//! Real paths of many files: each folder on the way is asked once whether it is a link.

use std::path::{Component, Path, PathBuf};

use foldhash::{HashMap, HashMapExt};

use super::filesystem::FileSystem;

/// Real paths below the root of a file system.
pub struct RealPaths<'a> {
    files: &'a dyn FileSystem,
    folders: HashMap<PathBuf, Option<PathBuf>>,
}

impl<'a> RealPaths<'a> {
    /// Paths of `files`.
    pub fn new(files: &'a dyn FileSystem) -> Self {
        RealPaths { files, folders: HashMap::new() }
    }

    /// Where a path really lies, links followed; absent where a link on the way leads nowhere. What it names need not be there.
    pub fn of(&mut self, path: &Path) -> Option<PathBuf> {
        let is_plain = path.is_absolute() && path.components().all(|one| one != Component::ParentDir);
        let (Some(above), Some(name), true) = (path.parent(), path.file_name(), is_plain) else {
            return self.files.canonical(path).ok();
        };
        let here = self.folder(above)?.join(name);
        match self.files.link(&here) {
            Some(_) => self.files.canonical(path).ok(),
            None => Some(here),
        }
    }

    fn folder(&mut self, path: &Path) -> Option<PathBuf> {
        if path == self.files.root() || path.parent().is_none() {
            return self.files.canonical(path).ok();
        }
        if let Some(known) = self.folders.get(path) {
            return known.clone();
        }
        let real = self.of(path);
        self.folders.insert(path.to_path_buf(), real.clone());
        real
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Disk;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed_wherever_they_stand() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let top = folder.path().canonicalize().expect("a real path");
        std::fs::create_dir_all(top.join("archive/a")).unwrap();
        std::fs::write(top.join("archive/a/key1.pem"), "x").unwrap();
        symlink("archive", top.join("live")).unwrap();
        symlink("key1.pem", top.join("archive/a/key.pem")).unwrap();
        symlink("nowhere", top.join("dangling")).unwrap();
        let disk = Disk::new();
        let mut real = RealPaths::new(&disk);
        for _ in 0..2 {
            let key = Some(top.join("archive/a/key1.pem"));
            for path in ["live/a/key.pem", "live/a/key1.pem", "archive/../live/a/key.pem"] {
                assert_eq!(real.of(&top.join(path)), key, "{path}");
            }
            assert_eq!(real.of(&top.join("live/b")), Some(top.join("archive/b")));
            assert_eq!(real.of(&top.join("dangling/x")), None);
        }
    }
}
