//! Archives (`.tar`, `.tar.gz`) as a file system that is only read: bounded in count and size, and nothing leads out of it.
//!
//! [`read`] takes any stream of bytes, however hostile: it is the one door for archives.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use super::filesystem::{Entry, FileKind, FileSystem, Metadata, ReadError};
use super::tree::{Node, Stored, Tree, inside};

/// How much of an archive is read, unpacked. Sizes in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How many members.
    pub members: usize,
    /// The largest member.
    pub member: u64,
    /// All together.
    pub whole: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        super::Limits::default().of_archive()
    }
}

/// Why a text is no archive that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveError(pub String);

impl fmt::Display for ArchiveError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for ArchiveError {}

/// Whether a text begins as an archive does.
pub fn looks_like(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b, 8]) || bytes.get(257..262).is_some_and(|magic| magic == b"ustar")
}

/// Reads an archive, packed or not.
///
/// # Errors
/// Where it is none, is broken, exceeds the bounds, or has a member whose path leads out.
pub fn read(mut stream: impl Read, bounds: Bounds) -> Result<Tree, ArchiveError> {
    let mut head = [0; 2];
    let broken = |error: std::io::Error| ArchiveError(format!("the archive is broken: {error}"));
    let mut filled = 0;
    while filled < head.len() {
        match stream.read(&mut head[filled..]).map_err(broken)? {
            0 => break,
            count => filled += count,
        }
    }
    let whole = (&head[..filled]).chain(stream);
    match head == [0x1f, 0x8b] {
        true => unpack(MultiGzDecoder::new(whole), bounds),
        false => unpack(whole, bounds),
    }
}

fn unpack(stream: impl Read, bounds: Bounds) -> Result<Tree, ArchiveError> {
    let broken = |error: std::io::Error| ArchiveError(format!("the archive is broken: {error}"));
    // One byte more tells what is too long from what ends there.
    let mut archive = tar::Archive::new(stream.take(bounds.whole + 1));
    let mut tree = Tree::default();
    let mut size = 0;
    for (count, entry) in archive.entries().map_err(broken)?.enumerate() {
        let mut entry = entry.map_err(broken)?;
        if count >= bounds.members {
            return Err(ArchiveError(format!(
                "the archive has more than {} members (see --max-archive-members)",
                bounds.members
            )));
        }
        let written = entry.path().map_err(broken)?.into_owned();
        let path = inside(&written)
            .ok_or_else(|| ArchiveError(format!("a path of the archive leads out of it: {}", written.display())))?;
        if path.as_os_str().is_empty() {
            continue;
        }
        let kind = entry.header().entry_type();
        if kind.is_symlink() {
            if let Some(target) = entry.link_name().map_err(broken)? {
                tree.insert(path, Node::Link(target.into_owned()));
            }
        } else if kind.is_hard_link() {
            let target = entry.link_name().map_err(broken)?.and_then(|target| inside(&target));
            if let Some(node) = target.and_then(|target| tree.get(&target).cloned()) {
                tree.insert(path, node);
            }
        } else if kind.is_file() {
            let length = entry.size();
            size += length;
            if length > bounds.member || size > bounds.whole {
                return Err(ArchiveError(format!(
                    "{} makes the archive larger than is read (see --max-file-size and --max-total-size)",
                    written.display()
                )));
            }
            let header = entry.header();
            let metadata = Metadata {
                kind: FileKind::Regular,
                size: length,
                mode: header.mode().unwrap_or(0o600) & 0o7777,
                uid: header.uid().unwrap_or(0) as u32,
                gid: header.gid().unwrap_or(0) as u32,
                modified: header.mtime().ok().map(|time| time as i64),
                has_acl: false,
            };
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(broken)?;
            tree.insert(path, Node::File { stored: Stored::Bytes(bytes.into()), metadata });
        }
    }
    Ok(tree)
}

/// Folders that servers' packages configure, by which an archive of one of them alone is known.
const HOMES: &[&str] = &[
    "/etc/nginx",
    "/etc/apache2",
    "/etc/httpd",
    "/etc/caddy",
    "/usr/local/nginx/conf",
    "/usr/local/etc/nginx",
    "/usr/local/etc/apache24",
    "/usr/local/apache2",
    "/opt/homebrew/etc/httpd",
];

/// An archive as the server would see it: absolute paths begin at its top; where it holds a server's folder alone, they are
/// found in that.
pub struct Archive {
    tree: Tree,
    home: Option<PathBuf>,
    /// Files that are known to lie on the server, and whose content is not here.
    hidden: std::collections::BTreeSet<PathBuf>,
}

impl Archive {
    /// An archive of a server's folder: `home`, where its main file lies.
    pub fn new(tree: Tree, home: PathBuf) -> Archive {
        Archive { tree, home: Some(home), hidden: Default::default() }
    }

    /// An archive of a whole machine.
    pub fn of_machine(tree: Tree) -> Archive {
        Archive { tree, home: None, hidden: Default::default() }
    }

    /// What it holds.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Says of a path that its file lies on the server.
    pub fn hide(&mut self, path: &Path) {
        self.hidden.extend(inside(path));
    }

    fn found<T>(&self, path: &Path, found: Result<T, ReadError>) -> Result<T, ReadError> {
        let is_hidden = || inside(path).is_some_and(|path| self.hidden.contains(&path));
        found.map_err(|error| if error.is_missing() && is_hidden() { ReadError::Elsewhere } else { error })
    }

    /// Gives a path a content that only readers here see.
    pub fn stand_in(&mut self, path: &Path, bytes: impl Into<Arc<[u8]>>) {
        let bytes: Arc<[u8]> = bytes.into();
        let metadata = Metadata {
            kind: FileKind::Regular,
            size: bytes.len() as u64,
            mode: 0o600,
            uid: 0,
            gid: 0,
            modified: None,
            has_acl: false,
        };
        let path = inside(path).unwrap_or_default();
        self.tree.insert(path, Node::File { stored: Stored::Bytes(bytes), metadata });
    }
}

impl FileSystem for Archive {
    fn locate(&self, base: &Path, written: &Path) -> PathBuf {
        let Ok(rest) = written.strip_prefix("/") else { return base.join(written) };
        if self.tree.follow(rest).is_ok() {
            return rest.to_path_buf();
        }
        let inside = HOMES.iter().find_map(|home| written.strip_prefix(home).ok());
        match self.home.as_ref().zip(inside).map(|(home, rest)| home.join(rest)) {
            Some(moved) if self.tree.follow(&rest.join("..")).is_err() => moved,
            _ => rest.to_path_buf(),
        }
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Arc<[u8]>, ReadError> {
        match self.found(path, self.tree.file(path, limit))? {
            Stored::Bytes(bytes) => Ok(Arc::clone(bytes)),
            Stored::Blob(_) => Err(ReadError::Missing),
        }
    }

    fn metadata(&self, path: &Path) -> Result<Metadata, ReadError> {
        self.found(path, self.tree.metadata(path))
    }

    fn list(&self, folder: &Path) -> Result<Vec<Entry>, ReadError> {
        self.tree.list(folder)
    }

    fn canonical(&self, path: &Path) -> Result<PathBuf, ReadError> {
        self.tree.follow(path)
    }

    fn link(&self, path: &Path) -> Option<PathBuf> {
        self.tree.link(path)
    }

    fn root(&self) -> &Path {
        Path::new("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(members: &[(&str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, content) in members {
            let mut header = tar::Header::new_ustar();
            // A builder takes no path that leads out.
            header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
            match content.strip_prefix("-> ") {
                Some(target) => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    header.set_link_name_literal(target).unwrap();
                    header.set_size(0);
                }
                None => header.set_size(content.len() as u64),
            }
            header.set_mode(0o640);
            header.set_cksum();
            let bytes = if content.starts_with("-> ") { "" } else { content };
            builder.append(&header, bytes.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn links_and_absolute_paths_stay_inside() {
        let bytes = archive(&[
            ("nginx/nginx.conf", "main"),
            ("nginx/on/a.conf", "-> ../off/a.conf"),
            ("nginx/off/a.conf", "site"),
            ("nginx/out", "-> ../../../../etc/passwd"),
            ("nginx/loop", "-> loop"),
        ]);
        let files = Archive::new(read(&bytes[..], Bounds::default()).unwrap(), "nginx".into());
        let read = |path: &str| files.read(&files.locate(Path::new("nginx"), Path::new(path)), 100);
        assert_eq!(&*read("/etc/nginx/on/a.conf").unwrap(), b"site");
        assert_eq!(&*read("on/a.conf").unwrap(), b"site");
        assert!(read("out").unwrap_err().is_missing());
        assert_eq!(read("loop"), Err(ReadError::LinkLoop));
        assert_eq!(read("on"), Err(ReadError::NotRegular(FileKind::Directory)));
        assert_eq!(files.metadata(Path::new("nginx/nginx.conf")).unwrap().mode, 0o640);
        let names: Vec<_> = files.list(Path::new("nginx")).unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["loop", "nginx.conf", "off", "on", "out"]);
    }

    #[test]
    fn hostile_archives_are_refused() {
        let all = Bounds { members: 3, member: 10, whole: 4096 };
        let refused = |members: &[(&str, &str)]| read(&archive(members)[..], all).unwrap_err().0;
        assert!(refused(&[("../a", "x")]).contains("leads out"));
        assert!(refused(&[("a", "x"), ("b", "x"), ("c", "x"), ("d", "x")]).contains("members"));
        assert!(refused(&[("a", "more than ten bytes")]).contains("larger"));
        assert!(read(&b"no archive at all"[..], all).is_err());
        let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut zipped, &archive(&[("/etc/a", "x")])).unwrap();
        let zipped = zipped.finish().unwrap();
        assert!(looks_like(&zipped) && looks_like(&archive(&[("a", "x")])));
        assert_eq!(read(&zipped[..], all).unwrap().iter().count(), 1);
        assert!(read(&zipped[..zipped.len() / 2], all).is_err());
        for length in 0..200 {
            let _ = read(&archive(&[("a/b", "content")])[..length * 7], all);
        }
    }
}
