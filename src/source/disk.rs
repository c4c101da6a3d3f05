//! The disk, optionally below a root folder: a snapshot of another machine, a container's file system, a repository.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use walkdir::WalkDir;

use super::filesystem::{Entry, FileKind, FileSystem, Metadata, ReadError};

/// How much room is made at first for a file that does not say its size, in bytes: most of those below /proc need less.
const MADE_UP: usize = 4096;

/// How many links one path may lead through; Linux says ELOOP after 40.
const LINKS: usize = 40;

/// The real file system. Below a root, absolute paths and absolute links are looked up there, and no link leads out.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    root: Option<PathBuf>,
    newest: Arc<AtomicI64>,
}

impl Disk {
    /// The whole disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// The disk as seen from `root`.
    pub fn below(root: impl Into<PathBuf>) -> Self {
        Disk { root: Some(root.into()), ..Self::default() }
    }

    /// Follows links by hand where there is a root and `path` lies below it, so that none leads out of it.
    fn follow(&self, path: &Path) -> Result<PathBuf, ReadError> {
        let Some(root) = self.root.as_deref() else { return Ok(path.to_path_buf()) };
        let Ok(inside) = path.strip_prefix(root) else { return Ok(path.to_path_buf()) };
        let mut pending: Vec<PathBuf> = vec![inside.to_path_buf()];
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
                Component::Normal(name) => {
                    let here = root.join(&real).join(name);
                    match fs::read_link(&here) {
                        Ok(target) => {
                            links += 1;
                            if links > LINKS {
                                return Err(ReadError::LinkLoop);
                            }
                            pending.push(target);
                        }
                        Err(_) => real.push(name),
                    }
                }
            }
        }
        Ok(root.join(real))
    }

    /// What lies below a folder to a depth, as paths from it, in order; folders whose names are not wanted are passed over,
    /// and so is what cannot be read. No link leads into a folder.
    pub fn walk(
        &self,
        folder: &Path,
        depth: usize,
        is_wanted: impl Fn(&str) -> bool,
    ) -> impl Iterator<Item = (PathBuf, FileKind)> {
        let top = self.follow(folder).unwrap_or_else(|_| folder.to_path_buf());
        let all = WalkDir::new(&top).min_depth(1).max_depth(depth).sort_by_file_name().into_iter();
        let wanted = all.filter_entry(move |entry| {
            entry.depth() == 0 || !entry.file_type().is_dir() || is_wanted(&entry.file_name().to_string_lossy())
        });
        wanted.flatten().filter_map(move |entry| {
            let path = entry.path().strip_prefix(&top).ok()?.to_path_buf();
            let kind = match entry.file_type() {
                kind if !kind.is_symlink() => kind_of(kind),
                _ => kind_of(fs::metadata(entry.path()).ok()?.file_type()),
            };
            Some((path, kind))
        })
    }

    fn explain(&self, path: &Path, error: &io::Error) -> ReadError {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => match fs::read_link(path) {
                Ok(target) => ReadError::Dangling { target },
                Err(_) => ReadError::Missing,
            },
            io::ErrorKind::PermissionDenied => ReadError::Forbidden,
            io::ErrorKind::InvalidInput => ReadError::Missing, // a NUL byte in the name: no such file can exist
            _ if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => ReadError::LinkLoop,
            _ if error.raw_os_error() == Some(rustix::io::Errno::NAMETOOLONG.raw_os_error()) => ReadError::Missing,
            _ => ReadError::Other(error.to_string()),
        }
    }

    /// The content of a regular file. `is_of_kernel`: also of one that the kernel makes up.
    fn content(&self, path: &Path, limit: u64, is_of_kernel: bool) -> Result<Arc<[u8]>, ReadError> {
        let real = self.follow(path)?;
        let explain = |error: io::Error| self.explain(path, &error);
        // Opening a device can have effects, so the name is asked first, and once: what takes its place in between is
        // opened without waiting for a FIFO or taking a terminal, and no more is read of it than was announced.
        let metadata = fs::metadata(&real).map_err(explain)?;
        self.newest.fetch_max(metadata.mtime(), Ordering::Relaxed);
        if !metadata.is_file() {
            return Err(ReadError::NotRegular(kind_of(metadata.file_type())));
        }
        if metadata.len() > limit {
            return Err(ReadError::TooLarge { size: metadata.len(), limit });
        }
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        let file = fs::OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(&real).map_err(explain)?;
        if !is_of_kernel && is_made_up(&file, metadata.len()) {
            return Err(ReadError::NotRegular(FileKind::Other));
        }
        // Read into its place at once: most of a run's memory is text.
        let mut whole: Arc<[u8]> = std::iter::repeat_n(0, metadata.len() as usize).collect();
        let mut file = file.take(limit + 1);
        if let Some(place) = Arc::get_mut(&mut whole).filter(|place| !place.is_empty()) {
            let read = fill(&mut file, place).map_err(explain)?;
            if read == place.len() {
                return Ok(whole);
            }
            return Ok(whole[..read].into()); // it became shorter meanwhile
        }
        // Files below /proc say size 0 and may be endless.
        let mut bytes = Vec::with_capacity(MADE_UP);
        file.read_to_end(&mut bytes).map_err(explain)?;
        if bytes.len() as u64 > limit {
            return Err(ReadError::TooLarge { size: bytes.len() as u64, limit });
        }
        Ok(bytes.into())
    }
}

fn kind_of(kind: fs::FileType) -> FileKind {
    if kind.is_file() {
        FileKind::Regular
    } else if kind.is_dir() {
        FileKind::Directory
    } else if kind.is_fifo() {
        FileKind::Fifo
    } else if kind.is_socket() {
        FileKind::Socket
    } else if kind.is_char_device() || kind.is_block_device() {
        FileKind::Device
    } else {
        FileKind::Other
    }
}

impl FileSystem for Disk {
    fn locate(&self, base: &Path, written: &Path) -> PathBuf {
        let Some(root) = &self.root else { return base.join(written) };
        match written.strip_prefix("/") {
            Ok(inside) if !written.starts_with(root) => root.join(inside),
            _ => base.join(written),
        }
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Arc<[u8]>, ReadError> {
        self.content(path, limit, false)
    }

    fn read_of_kernel(&self, path: &Path, limit: u64) -> Result<Arc<[u8]>, ReadError> {
        self.content(path, limit, true)
    }

    fn metadata(&self, path: &Path) -> Result<Metadata, ReadError> {
        let real = self.follow(path)?;
        let found = fs::metadata(&real).map_err(|error| self.explain(path, &error))?;
        self.newest.fetch_max(found.mtime(), Ordering::Relaxed);
        Ok(Metadata {
            kind: kind_of(found.file_type()),
            size: found.len(),
            mode: found.mode() & 0o7777,
            uid: found.uid(),
            gid: found.gid(),
            modified: Some(found.mtime()),
            has_acl: has_acl(&real, &found),
        })
    }

    fn list(&self, folder: &Path) -> Result<Vec<Entry>, ReadError> {
        let explain = |error: io::Error| self.explain(folder, &error);
        let real = self.follow(folder)?;
        let found = fs::metadata(&real).map_err(explain)?;
        if !found.is_dir() {
            return Err(ReadError::NotRegular(kind_of(found.file_type())));
        }
        let mut entries = Vec::new();
        for entry in fs::read_dir(&real).map_err(explain)? {
            let entry = entry.map_err(explain)?;
            let name = entry.file_name();
            let kind = match entry.file_type() {
                Ok(kind) if !kind.is_symlink() => Some(kind_of(kind)),
                _ => self.metadata(&folder.join(&name)).ok().map(|found| found.kind),
            };
            entries.push(Entry { name, kind });
        }
        entries.sort_by(|one, two| bytes_of(&one.name).cmp(bytes_of(&two.name)));
        Ok(entries)
    }

    fn canonical(&self, path: &Path) -> Result<PathBuf, ReadError> {
        fs::canonicalize(self.follow(path)?).map_err(|error| self.explain(path, &error))
    }

    fn link(&self, path: &Path) -> Option<PathBuf> {
        let target = fs::read_link(path).ok()?;
        let above = path.parent().unwrap_or(Path::new(""));
        Some(match target.strip_prefix("/") {
            Ok(inside) => self.root().join(inside),
            Err(_) => above.join(target),
        })
    }

    fn newest(&self) -> Option<i64> {
        Some(self.newest.load(Ordering::Relaxed))
    }

    fn root(&self) -> &Path {
        self.root.as_deref().unwrap_or(Path::new("/"))
    }
}

/// Whether a list of access rights may let somebody in whom the mode shuts out: it never gives more than the bits of the
/// group, which are its mask (acl(5)).
#[cfg(any(target_os = "linux", target_os = "android"))]
fn has_acl(path: &Path, found: &fs::Metadata) -> bool {
    let bit = if found.is_dir() { 0o1 } else { 0o4 };
    let is_open = found.mode() & bit != 0;
    let has_mask = found.mode() & (bit << 3) != 0;
    let mut list = [0; 4096];
    !is_open && has_mask && rustix::fs::getxattr(path, "system.posix_acl_access", &mut list[..]).is_ok()
}

/// Whether the kernel makes a file up while it is read (proc(5), sysfs(5)): such a file may be endless, wait, or tell of the
/// process that reads it, and no server keeps its configuration there. `size` is what the file says: no bytes, or one page.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_made_up(file: &fs::File, size: u64) -> bool {
    const PROC: u64 = 0x9fa0;
    const SYS: u64 = 0x6265_6572;
    matches!(size, 0 | 4096) && rustix::fs::fstatfs(file).is_ok_and(|found| matches!(found.f_type as u64, PROC | SYS))
}

/// Elsewhere there are none.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn is_made_up(_: &fs::File, _: u64) -> bool {
    false
}

/// Elsewhere such lists are not looked at.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn has_acl(_: &Path, _: &fs::Metadata) -> bool {
    false
}

/// Reads until a place is full or the file ends; how many bytes that are.
fn fill(file: &mut impl Read, place: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < place.len() {
        match file.read(&mut place[read..]) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

fn bytes_of(name: &OsStr) -> &[u8] {
    name.as_encoded_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_regular_files_are_opened() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        rustix::fs::mknodat(rustix::fs::CWD, at("pipe"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
            .expect("a named pipe");
        fs::create_dir(at("folder")).unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        symlink("loop", at("loop")).unwrap();
        fs::write(at("large"), [b'x'; 11]).unwrap();
        let read = |name: &str| Disk::new().read(&at(name), 10).unwrap_err();
        assert_eq!(read("pipe"), ReadError::NotRegular(FileKind::Fifo));
        assert_eq!(read("folder"), ReadError::NotRegular(FileKind::Directory));
        assert_eq!(read("dangling"), ReadError::Dangling { target: "nowhere".into() });
        assert_eq!(read("loop"), ReadError::LinkLoop);
        assert_eq!(read("large"), ReadError::TooLarge { size: 11, limit: 10 });
        assert_eq!(read("missing"), ReadError::Missing);
        assert_eq!(read("large/below"), ReadError::Missing);
        assert_eq!(Disk::new().read(Path::new("/dev/zero"), 10), Err(ReadError::NotRegular(FileKind::Device)));
        #[cfg(target_os = "linux")]
        assert_eq!(Disk::new().read(Path::new("/proc/self/environ"), 10), Err(ReadError::NotRegular(FileKind::Other)));
        assert_eq!(Disk::new().list(&at("large")), Err(ReadError::NotRegular(FileKind::Regular)));
    }

    #[test]
    fn the_latest_time_of_what_was_looked_at_is_known() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        for (name, seconds) in [("old", 1_000), ("new", 5_000), ("newest", 9_000)] {
            let file = fs::File::create(at(name)).expect("a file");
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            file.set_modified(time).expect("a time");
        }
        let disk = Disk::new();
        disk.read(&at("new"), 10).expect("a file");
        disk.metadata(&at("old")).expect("a file");
        assert_eq!(disk.newest(), Some(5_000));
        assert!(disk.read(&at("missing"), 10).is_err());
        disk.metadata(&at("newest")).expect("a file");
        assert_eq!(disk.newest(), Some(9_000));
    }

    /// The list of acl(5) as the kernel keeps it: a version, then kind, rights and number of each entry.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_list_of_access_rights_is_seen() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a.key");
        fs::write(&path, "x").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(!Disk::new().metadata(&path).unwrap().has_acl);
        let entry = |kind: u16, rights: u16, id: u32| {
            [&kind.to_le_bytes()[..], &rights.to_le_bytes(), &id.to_le_bytes()].concat()
        };
        let entries = [(1, 6, u32::MAX), (2, 4, 4242), (4, 0, u32::MAX), (16, 4, u32::MAX), (32, 0, u32::MAX)];
        let entries = entries.map(|(kind, rights, id)| entry(kind, rights, id)).concat();
        let list = [&2_u32.to_le_bytes()[..], &entries].concat();
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(&path, "system.posix_acl_access", &list, flags).expect("a file system with such lists");
        let found = Disk::new().metadata(&path).unwrap();
        assert!(found.has_acl && found.mode == 0o640);
    }

    #[test]
    fn nothing_leads_out_of_a_root() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("etc/live")).unwrap();
        fs::create_dir_all(root.join("archive")).unwrap();
        fs::write(folder.path().join("secret"), "outside").unwrap();
        fs::write(root.join("archive/cert1.pem"), "inside").unwrap();
        symlink("/archive/cert1.pem", root.join("etc/live/absolute.pem")).unwrap();
        symlink("../../archive/cert1.pem", root.join("etc/live/relative.pem")).unwrap();
        symlink("../../../../../secret", root.join("etc/live/escape.pem")).unwrap();
        let disk = Disk::below(&root);
        let read = |path: &str| disk.read(&disk.locate(Path::new("unused"), Path::new(path)), 100);
        assert_eq!(&*read("/etc/live/absolute.pem").unwrap(), b"inside");
        assert_eq!(&*read("/etc/live/relative.pem").unwrap(), b"inside");
        assert!(read("/etc/live/escape.pem").unwrap_err().is_missing());
        assert!(read("/../secret").is_err());
    }
}
