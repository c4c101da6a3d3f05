//! Changes of files beside their bytes.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};

use super::WriteError;
use crate::diagnostic::FileAction;

/// Does what a fix asks for.
///
/// # Errors
/// Where the file is not a regular one any more, the new name is taken, or the system refuses.
pub fn apply_action(action: &FileAction) -> Result<(), WriteError> {
    match action {
        FileAction::Permit { path, mode, group } => permit(path, *mode, group.as_ref().map(|(gid, _)| *gid))
            .map_err(|error| WriteError { path: path.clone(), reason: error.to_string() }),
        FileAction::Rename { from, to } => renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)
            .map_err(|error| WriteError { path: to.clone(), reason: error.to_string() }),
    }
}

/// The file is opened first and followed through no link, so that nobody can put another in its place meanwhile.
fn permit(path: &Path, mode: u32, group: Option<u32>) -> io::Result<()> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file: File = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    if group.is_some() {
        fchown(&file, None, group)?;
    }
    file.set_permissions(Permissions::from_mode(mode))
}
