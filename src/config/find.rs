//! Where the `shakedown.toml` of a path is.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::source::{FileKind, FileSystem};

/// The file's name.
pub const NAME: &str = "shakedown.toml";

/// How far up the file is looked for.
const UPWARD: usize = 64;

/// The nearest `shakedown.toml` in the folder of a path or in one above it, as the path leads there.
pub fn find(files: &dyn FileSystem, path: &Path) -> Option<PathBuf> {
    let is = |path: &Path, kind: FileKind| files.metadata(path).is_ok_and(|found| found.kind == kind);
    let folder = if is(path, FileKind::Directory) { path } else { path.parent()? };
    let start = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let is_top = |folder: &Path| files.canonical(folder).is_ok_and(|whole| whole.parent().is_none());
    let mut folder = start.to_path_buf();
    for _ in 0..UPWARD {
        let found = if folder == Path::new(".") { PathBuf::from(NAME) } else { folder.join(NAME) };
        if is(&found, FileKind::Regular) {
            return Some(found);
        }
        if is_top(&folder) {
            return None;
        }
        folder = match folder.file_name() {
            Some(name) if name != OsStr::new("..") => match folder.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
                _ => PathBuf::from("."),
            },
            _ if folder == Path::new(".") => PathBuf::from(".."),
            _ => folder.join(".."),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Memory;

    #[test]
    fn the_nearest_one_upward_counts() {
        let mut files = Memory::new();
        files.insert("shakedown.toml", *b"");
        files.insert("etc/nginx/shakedown.toml", *b"");
        files.insert("etc/nginx/sites/a.conf", *b"");
        files.insert("etc/caddy/Caddyfile", *b"");
        let found = |path: &str| find(&files, Path::new(path));
        assert_eq!(found("etc/nginx/sites/a.conf"), Some("etc/nginx/shakedown.toml".into()));
        assert_eq!(found("etc/nginx"), Some("etc/nginx/shakedown.toml".into()));
        assert_eq!(found("etc/caddy/Caddyfile"), Some("shakedown.toml".into()));
        assert_eq!(found("nginx.conf"), Some("shakedown.toml".into()));
    }
}
