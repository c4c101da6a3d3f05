//! The door to files: one trait, and what can go wrong behind it.
//!
//! Only regular files are ever opened. A FIFO, a device, a folder or a socket is told by its kind, so that a
//! configuration from a stranger cannot make a run hang.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What kind of thing stands at a path, links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file: the only kind that is opened.
    Regular,
    /// A folder.
    Directory,
    /// A named pipe.
    Fifo,
    /// A Unix socket.
    Socket,
    /// A character or block device.
    Device,
    /// Anything else.
    Other,
}

impl fmt::Display for FileKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            FileKind::Regular => "a regular file",
            FileKind::Directory => "a directory",
            FileKind::Fifo => "a named pipe",
            FileKind::Socket => "a socket",
            FileKind::Device => "a device",
            FileKind::Other => "not a regular file",
        })
    }
}

/// What is known of a file without opening it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The kind, links followed.
    pub kind: FileKind,
    /// Size in bytes.
    pub size: u64,
    /// Permission bits (`0o7777`).
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Last change of the content, seconds since 1970-01-01 UTC; absent where unknown.
    pub modified: Option<i64>,
    /// Whether a list of access rights says more than the mode does, where it could let somebody in.
    pub has_acl: bool,
}

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name, without the folder.
    pub name: OsString,
    /// The kind, links followed; absent for a dangling link or where it may not be asked.
    pub kind: Option<FileKind>,
}

/// Why a path could not be read. Each kind means something else to a server, so none is folded into another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// Nothing is there (ENOENT, ENOTDIR).
    Missing,
    /// A symbolic link is there, and what it names is not.
    Dangling {
        /// What the link names.
        target: PathBuf,
    },
    /// Links lead in a circle (ELOOP).
    LinkLoop,
    /// We may not read it (EACCES, EPERM). Never the same as missing: the server may well read it.
    Forbidden,
    /// It is not here, and the user says that it lies on the server.
    Elsewhere,
    /// It exists and is no regular file.
    NotRegular(FileKind),
    /// It is larger than the limit; sizes in bytes.
    TooLarge {
        /// Its size, as far as known.
        size: u64,
        /// The limit it exceeds.
        limit: u64,
    },
    /// With it, the files of a configuration have more words than the limit.
    TooManyWords {
        /// The limit.
        limit: usize,
    },
    /// With it, more would be read than the limit for all files together.
    Exhausted {
        /// The limit in bytes.
        limit: u64,
    },
    /// Anything else the system said.
    Other(String),
}

impl fmt::Display for ReadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Missing => out.write_str("no such file"),
            ReadError::Dangling { target } => write!(out, "a link to {}, which does not exist", target.display()),
            ReadError::LinkLoop => out.write_str("symbolic links lead in a circle"),
            ReadError::Forbidden => out.write_str("permission denied"),
            ReadError::Elsewhere => out.write_str("not at hand"),
            ReadError::NotRegular(kind) => write!(out, "{kind}"),
            ReadError::TooLarge { size, limit } => write!(out, "{size} bytes, more than the limit of {limit}"),
            ReadError::TooManyWords { limit } => {
                write!(out, "with it the configuration has more than {limit} words (see --max-words)")
            }
            ReadError::Exhausted { limit } => {
                write!(out, "with it more than {limit} bytes would be read (see --max-total-size)")
            }
            ReadError::Other(words) => out.write_str(words),
        }
    }
}

impl std::error::Error for ReadError {}

impl ReadError {
    /// Whether it may well be there for the server, and only we cannot see it.
    pub fn is_hidden(&self) -> bool {
        matches!(self, ReadError::Forbidden | ReadError::Elsewhere)
    }

    /// What to say of a path that is hidden from us.
    pub fn hidden(&self, path: &str) -> String {
        match self {
            ReadError::Elsewhere => format!("not at hand: {path}"),
            _ => format!("{self}: {path} (run as root to judge it)"),
        }
    }

    /// Whether the server too would find nothing there.
    pub fn is_missing(&self) -> bool {
        matches!(self, ReadError::Missing | ReadError::Dangling { .. })
    }
}

/// Files as a configuration names them. Implementations: [`crate::source::Disk`], [`crate::source::Memory`],
/// [`crate::source::Overlay`].
pub trait FileSystem: Send + Sync {
    /// Where a path that the configuration names is found: relative paths below `base`, absolute ones as they are, or
    /// below the root where the file system has one. The result is what the other methods take, and what reports show.
    fn locate(&self, base: &Path, written: &Path) -> PathBuf {
        base.join(written)
    }

    /// The whole content of a regular file of at most `limit` bytes.
    ///
    /// # Errors
    /// Every [`ReadError`]; a file that is no regular one is not opened.
    fn read(&self, path: &Path, limit: u64) -> Result<Arc<[u8]>, ReadError>;

    /// What stands at a path, links followed, without opening it.
    ///
    /// # Errors
    /// Every [`ReadError`] but `NotRegular` and `TooLarge`.
    fn metadata(&self, path: &Path) -> Result<Metadata, ReadError>;

    /// The names in a folder, in byte order, without `.` and `..`.
    ///
    /// # Errors
    /// Every [`ReadError`]; `NotRegular` where the path is no folder.
    fn list(&self, folder: &Path) -> Result<Vec<Entry>, ReadError>;

    /// The path with all links followed, to tell whether two names mean one file.
    ///
    /// # Errors
    /// Every [`ReadError`] but `NotRegular` and `TooLarge`.
    fn canonical(&self, path: &Path) -> Result<PathBuf, ReadError>;

    /// The content of a file that the kernel makes up about processes (proc(5)), which `read` refuses; nothing that a
    /// configuration names is read so.
    ///
    /// # Errors
    /// Those of `read`.
    fn read_of_kernel(&self, path: &Path, limit: u64) -> Result<Arc<[u8]>, ReadError> {
        self.read(path, limit)
    }

    /// What a symbolic link names, as the other methods take it; absent where the path is none, or nothing can be told.
    fn link(&self, path: &Path) -> Option<PathBuf>;

    /// When the latest of all files that were looked at or read so far was changed, in seconds since 1970-01-01 UTC; absent
    /// where nobody keeps count.
    fn newest(&self) -> Option<i64> {
        None
    }

    /// The folder that stands for `/`.
    fn root(&self) -> &Path;
}

/// A file system in front of another: what it does not say itself is what the other says.
pub trait Layer: Send + Sync {
    /// The other.
    fn lower(&self) -> &dyn FileSystem;

    /// [`FileSystem::locate`].
    fn locate(&self, base: &Path, written: &Path) -> PathBuf {
        self.lower().locate(base, written)
    }

    /// [`FileSystem::read`].
    ///
    /// # Errors
    /// Those of [`FileSystem::read`].
    fn read(&self, path: &Path, limit: u64) -> Result<Arc<[u8]>, ReadError> {
        self.lower().read(path, limit)
    }

    /// [`FileSystem::metadata`].
    ///
    /// # Errors
    /// Those of [`FileSystem::metadata`].
    fn metadata(&self, path: &Path) -> Result<Metadata, ReadError> {
        self.lower().metadata(path)
    }
}

impl<L: Layer> FileSystem for L {
    fn locate(&self, base: &Path, written: &Path) -> PathBuf {
        Layer::locate(self, base, written)
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Arc<[u8]>, ReadError> {
        Layer::read(self, path, limit)
    }

    fn metadata(&self, path: &Path) -> Result<Metadata, ReadError> {
        Layer::metadata(self, path)
    }

    fn list(&self, folder: &Path) -> Result<Vec<Entry>, ReadError> {
        self.lower().list(folder)
    }

    fn canonical(&self, path: &Path) -> Result<PathBuf, ReadError> {
        self.lower().canonical(path)
    }

    fn read_of_kernel(&self, path: &Path, limit: u64) -> Result<Arc<[u8]>, ReadError> {
        self.lower().read_of_kernel(path, limit)
    }

    fn link(&self, path: &Path) -> Option<PathBuf> {
        self.lower().link(path)
    }

    fn newest(&self) -> Option<i64> {
        self.lower().newest()
    }

    fn root(&self) -> &Path {
        self.lower().root()
    }
}
