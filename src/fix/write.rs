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
    let explain = |error: io::Error| failed(error.to_string());
    let real = fs::canonicalize(path).map_err(explain)?;
    let metadata = fs::metadata(&real).map_err(explain)?;
    if !metadata.is_file() || fs::read(&real).map_err(explain)? != before {
        return Err(failed("it has changed since it was read".to_owned()));
    }
    let folder = real.parent().unwrap_or(Path::new("/"));
    let mut file = tempfile::Builder::new().prefix(".shakedown-").tempfile_in(folder).map_err(explain)?;
    file.write_all(after).map_err(explain)?;
    let own = file.as_file().metadata().map_err(explain)?;
    if (own.uid(), own.gid()) != (metadata.uid(), metadata.gid()) {
        std::os::unix::fs::fchown(file.as_file(), Some(metadata.uid()), Some(metadata.gid())).map_err(explain)?;
    }
    // After the owner: changing that clears the bits that make a program run as somebody else.
    file.as_file().set_permissions(fs::Permissions::from_mode(metadata.mode() & 0o7777)).map_err(explain)?;
    file.as_file().sync_all().map_err(explain)?;
    file.persist(&real).map_err(|error| failed(error.error.to_string()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
