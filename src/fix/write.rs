//! Replaces a file at one stroke: readers see the old text or the new one, never a part.

use std::fmt;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Why a file was not replaced. Nothing was changed then.
#[derive(Debug)]
pub struct WriteError {
    /// Which file.
    pub path: PathBuf,
    /// What the system said, or that the file has changed meanwhile.
    pub reason: String,
}

impl fmt::Display for WriteError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "cannot write {}: {}", self.path.display(), self.reason)
    }
}

impl std::error::Error for WriteError {}

/// Puts `after` in the place of a file that holds `before`. Links are followed: what they lead to is replaced. Mode is
/// kept, and the owner where that is allowed.
///
/// # Errors
/// Where the file no longer holds `before`, or the system refuses.
pub fn replace(path: &Path, before: &[u8], after: &[u8]) -> Result<(), WriteError> {
    let failed = |reason: String| WriteError { path: path.to_path_buf(), reason };
    let explain = |error: io::Error| failed(words(&error));
    let real = fs::canonicalize(path).map_err(explain)?;
    let metadata = fs::metadata(&real).map_err(explain)?;
    if !metadata.is_file() || fs::read(&real).map_err(explain)? != before {
        return Err(failed("it has changed since it was read".to_owned()));
    }
    let folder = real.parent().unwrap_or(Path::new("/"));
    let mut file = tempfile::Builder::new().prefix(&prefix()).tempfile_in(folder).map_err(explain)?;
    file.write_all(after).map_err(explain)?;
    let own = file.as_file().metadata().map_err(explain)?;
    if (own.uid(), own.gid()) != (metadata.uid(), metadata.gid()) {
        std::os::unix::fs::fchown(file.as_file(), Some(metadata.uid()), Some(metadata.gid())).map_err(explain)?;
    }
    // After the owner: changing that clears the bits that make a program run as somebody else.
    file.as_file().set_permissions(fs::Permissions::from_mode(metadata.mode() & 0o7777)).map_err(explain)?;
    file.as_file().sync_all().map_err(explain)?;
    file.persist(&real).map_err(|error| failed(words(&error.error)))?;
    Ok(())
}

/// How a file that lies ready begins: with whose it is, so that what a killed run left is told from what another is writing.
fn prefix() -> String {
    format!("{READY}{}-", std::process::id())
}

const READY: &str = ".shakedown-";

/// Takes away what runs that were killed left lying ready in a folder.
pub fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(READY)?.split_once('-')?.0.parse().ok());
        let Some(owner) = owner.and_then(rustix::process::Pid::from_raw) else { continue };
        if rustix::process::test_kill_process(owner) == Err(rustix::io::Errno::SRCH) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// What the system said, without the name of the file that lies ready, which says nothing to anybody.
fn words(error: &io::Error) -> String {
    error.to_string().split(" at path ").next().unwrap_or_default().to_owned()
}

/// A file that lies ready beside the one whose place it will take. Nothing of it stays where it is dropped.
pub struct Staged {
    file: tempfile::NamedTempFile,
    target: PathBuf,
}

/// Writes what is to stand at a path, beside it. The folder must be there.
///
/// # Errors
/// Where the system refuses: nothing was changed then.
pub fn stage(target: &Path, bytes: &[u8], mode: u32, owner: Option<(u32, u32)>) -> Result<Staged, WriteError> {
    let explain = |error: io::Error| WriteError { path: target.to_path_buf(), reason: words(&error) };
    let folder = target.parent().unwrap_or(Path::new("/"));
    // The mode of a fresh file is 0600.
    let mut file = tempfile::Builder::new().prefix(&prefix()).tempfile_in(folder).map_err(explain)?;
    file.write_all(bytes).map_err(explain)?;
    let own = file.as_file().metadata().map_err(explain)?;
    if let Some((uid, gid)) = owner.filter(|owner| *owner != (own.uid(), own.gid())) {
        std::os::unix::fs::fchown(file.as_file(), Some(uid), Some(gid)).map_err(explain)?;
    }
    file.as_file().set_permissions(fs::Permissions::from_mode(mode & 0o7777)).map_err(explain)?;
    file.as_file().sync_all().map_err(explain)?;
    Ok(Staged { file, target: target.to_path_buf() })
}

impl Staged {
    /// Puts it in its place, at one stroke.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn commit(self) -> Result<(), WriteError> {
        let Staged { file, target } = self;
        let failed = |error: io::Error| WriteError { path: target.clone(), reason: error.to_string() };
        file.persist(&target).map_err(|error| failed(error.error))?;
        fsync_dir(&target).map_err(failed)
    }
}

/// Makes the names of a folder lasting.
fn fsync_dir(path: &Path) -> io::Result<()> {
    fs::File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// Puts a symbolic link at a path, over a link or file that may be there, at one stroke.
///
/// # Errors
/// Where the system refuses.
pub fn link(path: &Path, target: &Path) -> Result<(), WriteError> {
    let failed = |error: io::Error| WriteError { path: path.to_path_buf(), reason: error.to_string() };
    let folder = path.parent().unwrap_or(Path::new("/"));
    let made = tempfile::Builder::new().prefix(&prefix()).make_in(folder, |at| std::os::unix::fs::symlink(target, at));
    let made = made.map_err(failed)?;
    made.persist(path).map_err(|error| failed(error.error))?;
    fsync_dir(path).map_err(failed)
}

/// Takes a file or link away.
///
/// # Errors
/// Where the system refuses.
pub fn remove(path: &Path) -> Result<(), WriteError> {
    let failed = |error: io::Error| WriteError { path: path.to_path_buf(), reason: error.to_string() };
    fs::remove_file(path).map_err(failed)?;
    fsync_dir(path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_run_left_is_taken_away() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let put = |name: String| fs::write(folder.path().join(name), "x").unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        put(format!("{READY}{}-abc", child.id()));
        std::os::unix::fs::symlink("a", folder.path().join(format!("{READY}{}-link", child.id()))).unwrap();
        let kept = [format!("{}mine", prefix()), format!("{READY}other"), "a".to_owned()];
        kept.iter().cloned().for_each(put);
        sweep(folder.path());
        let mut left: Vec<String> =
            fs::read_dir(folder.path()).unwrap().map(|one| one.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        let mut kept = kept.to_vec();
        kept.sort();
        assert_eq!(left, kept);
    }

    #[test]
    fn mode_and_links_are_kept() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("a.conf");
        let link = folder.path().join("link.conf");
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("a.conf", &link).unwrap();
        replace(&link, b"old", b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(replace(&file, b"old", b"newer").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
