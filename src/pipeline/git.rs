//! Which files a git work tree carries: from its index alone, as `git ls-files` would say.
//!
//! Source: git, Documentation/gitformat-index.txt, versions 2 to 4.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use foldhash::{HashMap, HashSet};

use crate::source::{FileKind, FileSystem, RealPaths};

/// How much of an index is read, in bytes.
const LARGEST: u64 = 256 << 20;

/// Work trees, each looked at once.
pub struct WorkTrees<'a> {
    files: &'a dyn FileSystem,
    real: RealPaths<'a>,
    /// For each folder the work tree that it lies in.
    trees: HashMap<PathBuf, Option<Arc<Tree>>>,
}

struct Tree {
    top: PathBuf,
    /// Paths from the top; empty where the index cannot be read.
    carried: HashSet<Vec<u8>>,
}

impl<'a> WorkTrees<'a> {
    /// Work trees of `files`.
    pub fn new(files: &'a dyn FileSystem) -> Self {
        WorkTrees { files, real: RealPaths::new(files), trees: HashMap::default() }
    }

    /// The top of the work tree that carries a file. Absent where it lies in none, or git is told to leave it out.
    pub fn carrying(&mut self, path: &Path) -> Option<PathBuf> {
        let real = self.real.of(path)?;
        let tree = self.of(real.parent()?)?;
        let inside = real.strip_prefix(&tree.top).ok()?;
        tree.carried.contains(inside.as_os_str().as_encoded_bytes()).then(|| tree.top.clone())
    }

    /// Whether a file lies in a work tree, carried or not.
    pub fn hold(&mut self, path: &Path) -> bool {
        let folder = self.real.of(path).and_then(|real| real.parent().map(Path::to_path_buf));
        folder.is_some_and(|folder| self.of(&folder).is_some())
    }

    fn of(&mut self, folder: &Path) -> Option<Arc<Tree>> {
        if let Some(known) = self.trees.get(folder) {
            return known.clone();
        }
        let found = match self.index(folder) {
            Some(index) => {
                Some(Arc::new(Tree { top: folder.to_path_buf(), carried: paths(&index).unwrap_or_default() }))
            }
            None => folder.parent().filter(|_| folder != self.files.root()).and_then(|above| self.of(above)),
        };
        self.trees.insert(folder.to_path_buf(), found.clone());
        found
    }

    /// The index of the work tree whose top is a folder: in `.git`, or where a file of that name leads.
    fn index(&self, folder: &Path) -> Option<Arc<[u8]>> {
        let git = folder.join(".git");
        let git = match self.files.metadata(&git).ok()?.kind {
            FileKind::Directory => git,
            FileKind::Regular => {
                let text = self.files.read(&git, 1 << 16).ok()?;
                let text = String::from_utf8_lossy(&text).into_owned();
                folder.join(text.strip_prefix("gitdir:")?.trim())
            }
            _ => return None,
        };
        Some(self.files.read(&git.join("index"), LARGEST).unwrap_or_default())
    }
}

/// The paths of an index. Absent where it is cut off, of another version, or its object names are not SHA-1.
fn paths(index: &[u8]) -> Option<HashSet<Vec<u8>>> {
    let number = |at: usize| Some(u32::from_be_bytes(index.get(at..at + 4)?.try_into().ok()?));
    if index.get(..4)? != b"DIRC" {
        return None;
    }
    let (version, count) = (number(4)?, number(8)?);
    let mut found = HashSet::default();
    let mut last: Vec<u8> = Vec::new();
    let mut at = 12;
    for _ in 0..count {
        // Ten numbers, the object's name, and flags, of which bit 14 tells of two more bytes.
        let flags = u16::from_be_bytes(index.get(at + 60..at + 62)?.try_into().ok()?);
        let mut name = at + 62 + if version >= 3 && flags & 0x4000 != 0 { 2 } else { 0 };
        if version == 4 {
            let (cut, used) = offset(index.get(name..)?)?;
            name += used;
            last.truncate(last.len().checked_sub(cut)?);
        } else {
            last.clear();
        }
        let length = index.get(name..)?.iter().position(|byte| *byte == 0)?;
        last.extend_from_slice(&index[name..name + length]);
        if last.is_empty() {
            return None;
        }
        found.insert(last.clone());
        let end = name + length + 1;
        // Up to version 3 an entry is filled with zeros up to a multiple of eight.
        at = if version == 4 { end } else { at + (end - at).div_ceil(8) * 8 };
    }
    (2..=4).contains(&version).then_some(found)
}

/// A number in git's offset encoding, and how many bytes it takes.
fn offset(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = usize::from(bytes.first()? & 0x7f);
    let mut used = 1;
    while bytes[used - 1] & 0x80 != 0 {
        value = (value.checked_add(1)?.checked_mul(128)?) | usize::from(bytes.get(used)? & 0x7f);
        used += 1;
    }
    Some((value, used))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Disk;
    use std::process::Command;

    #[test]
    fn what_git_carries_is_told_from_what_it_leaves_out() {
        for version in ["2", "4"] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let top = folder.path().canonicalize().unwrap();
            let git = |arguments: &[&str]| {
                let done = Command::new("git").args(arguments).current_dir(&top).output().expect("git is installed");
                assert!(done.status.success(), "{done:?}");
            };
            git(&["init", "-q"]);
            std::fs::create_dir_all(top.join("certs/deep")).unwrap();
            for name in ["certs/a.key", "certs/a.pem", "certs/deep/b.key", "left-out.key"] {
                std::fs::write(top.join(name), name).unwrap();
            }
            git(&["add", "certs"]);
            git(&["update-index", "--index-version", version]);
            let disk = Disk::new();
            let mut trees = WorkTrees::new(&disk);
            let mut carrying = |name: &str| trees.carrying(&top.join(name));
            assert_eq!(carrying("certs/deep/b.key"), Some(top.clone()), "version {version}");
            assert_eq!(carrying("certs/a.key"), Some(top.clone()), "version {version}");
            assert_eq!(carrying("left-out.key"), None, "version {version}");
        }
        assert_eq!(paths(b"DIRC\0\0\0\x02\0\0\0\x01short"), None);
    }
}
