//! Files of an archive or of a revision: folders and links by their paths below one root, which no link leads out of.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::filesystem::{Entry, FileKind, Metadata, ReadError};

/// How many links one path may lead through; Linux says ELOOP after 40.
const LINKS: usize = 40;

/// Where the content of a file is.
#[derive(Clone, Debug)]
pub enum Stored {
    /// Here.
    Bytes(Arc<[u8]>),
    /// Under this name, to be fetched.
    Blob(String),
}

/// What stands at a path.
#[derive(Clone, Debug)]
pub enum Node {
    /// A regular file.
    File {
        /// Its content.
        stored: Stored,
        /// What else is known of it.
        metadata: Metadata,
    },
    /// A symbolic link.
    Link(PathBuf),
}

/// Paths relative to the root, without `.` and `..`. Folders exist where something lies below them.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    nodes: BTreeMap<PathBuf, Node>,
    folders: BTreeSet<PathBuf>,
}

impl Tree {
    /// Puts something at a path, over what was there.
    pub fn insert(&mut self, path: PathBuf, node: Node) {
        for folder in path.ancestors().skip(1) {
            if !self.folders.insert(folder.to_path_buf()) {
                break;
            }
        }
        self.nodes.insert(path, node);
    }

    /// What stands at each path, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, &Node)> {
        self.nodes.iter().map(|(path, node)| (path.as_path(), node))
    }

    /// What stands at a path itself, no link followed.
    pub fn get(&self, path: &Path) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// The one folder at the top that all else lies in; absent where there are several, or files beside it.
    pub fn only_folder(&self) -> Option<PathBuf> {
        let mut tops = self.nodes.keys().filter_map(|path| path.iter().next());
        let first = Path::new(tops.next()?);
        (tops.all(|other| other == first) && !self.nodes.contains_key(first)).then(|| first.to_path_buf())
    }

    /// What lies in a folder, with that as the root.
    pub fn below(&self, folder: &Path) -> Tree {
        let mut tree = Tree::default();
        for (path, node) in &self.nodes {
            if let Ok(rest) = path.strip_prefix(folder) {
                tree.insert(rest.to_path_buf(), node.clone());
            }
        }
        tree
    }

    /// What a link names, below the root; absent where the path is none.
    pub fn link(&self, path: &Path) -> Option<PathBuf> {
        let Some(Node::Link(target)) = self.nodes.get(&inside(path)?) else { return None };
        Some(match target.strip_prefix("/") {
            Ok(rest) => rest.to_path_buf(),
            Err(_) => path.parent().unwrap_or(Path::new("")).join(target),
        })
    }

    /// The path with all links followed; none leads out of the root.
    ///
    /// # Errors
    /// Where nothing is there, or links lead in a circle.
    pub fn follow(&self, path: &Path) -> Result<PathBuf, ReadError> {
        let mut pending: Vec<PathBuf> = vec![path.to_path_buf()];
        let mut real = PathBuf::new();
        let mut links = 0;
        while let Some(rest) = pending.pop() {
            let mut parts = rest.components();
            let Some(part) = parts.next() else { continue };
            pending.push(parts.as_path().to_path_buf());
            match part {
                Component::Prefix(_) | Component::RootDir => real = PathBuf::new(),
                Component::CurDir => {}
                Component::ParentDir => {
                    real.pop();
                }
                Component::Normal(name) => match self.nodes.get(&real.join(name)) {
                    Some(Node::Link(target)) => {
                        links += 1;
                        if links > LINKS {
                            return Err(ReadError::LinkLoop);
                        }
                        pending.push(target.clone());
                    }
                    _ => real.push(name),
                },
            }
        }
        let is_there = real.as_os_str().is_empty() || self.nodes.contains_key(&real) || self.folders.contains(&real);
        match (is_there, self.nodes.get(path)) {
            (true, _) => Ok(real),
            (false, Some(Node::Link(target))) => Err(ReadError::Dangling { target: target.clone() }),
            (false, _) => Err(ReadError::Missing),
        }
    }

    /// The content of a file, links followed.
    ///
    /// # Errors
    /// As [`Tree::follow`]; where it is a folder, or larger than `limit` bytes.
    pub fn file(&self, path: &Path, limit: u64) -> Result<&Stored, ReadError> {
        match self.nodes.get(&self.follow(path)?) {
            Some(Node::File { metadata, .. }) if metadata.size > limit => {
                Err(ReadError::TooLarge { size: metadata.size, limit })
            }
            Some(Node::File { stored, .. }) => Ok(stored),
            _ => Err(ReadError::NotRegular(FileKind::Directory)),
        }
    }

    /// What stands at a path, links followed.
    ///
    /// # Errors
    /// As [`Tree::follow`].
    pub fn metadata(&self, path: &Path) -> Result<Metadata, ReadError> {
        match self.nodes.get(&self.follow(path)?) {
            Some(Node::File { metadata, .. }) => Ok(metadata.clone()),
            _ => Ok(Metadata {
                kind: FileKind::Directory,
                size: 0,
                mode: 0o755,
                uid: 0,
                gid: 0,
                modified: None,
                has_acl: false,
            }),
        }
    }

    /// The names in a folder, in byte order.
    ///
    /// # Errors
    /// As [`Tree::follow`]; where it is no folder.
    pub fn list(&self, folder: &Path) -> Result<Vec<Entry>, ReadError> {
        let real = self.follow(folder)?;
        if self.nodes.contains_key(&real) {
            return Err(ReadError::NotRegular(FileKind::Regular));
        }
        let below =
            |path: &'_ Path| path.strip_prefix(&real).ok().and_then(|rest| rest.iter().next().map(OsString::from));
        let files = self.nodes.range(real.clone()..).map(|(path, _)| path.as_path());
        let names: BTreeSet<OsString> = files.take_while(|path| path.starts_with(&real)).filter_map(below).collect();
        let kind = |name: &OsString| self.metadata(&real.join(name)).ok().map(|found| found.kind);
        Ok(names.into_iter().map(|name| Entry { kind: kind(&name), name }).collect())
    }
}

/// A path without `.`, the root and what is before it. Absent where `..` leads out.
pub fn inside(path: &Path) -> Option<PathBuf> {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::ParentDir => {
                if !out.pop() {
                    return None;
                }
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Some(out)
}
