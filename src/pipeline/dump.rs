//! What `nginx -T` prints: all files of a configuration in one text, each behind a line with its path. They are laid over the
//! file system, so that findings stand where the files that it names have them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Options;
use crate::source::{FileSystem, Overlay};

const HEAD: &[u8] = b"# configuration file ";

/// The file system with the files of all dumps among `paths`, and the paths to read instead. Absent where none is a dump.
pub fn unpack<'f>(
    files: &'f dyn FileSystem,
    paths: &[PathBuf],
    options: &Options,
) -> Option<(Overlay<'f>, Vec<PathBuf>)> {
    let mut overlay = Overlay::new(files);
    let mut found = false;
    let mut mains = Vec::with_capacity(paths.len());
    for path in paths {
        let bytes: Option<Arc<[u8]>> = match (path == Path::new("-"), &options.stdin) {
            (true, stdin) => stdin.as_ref().map(|(_, bytes)| Arc::clone(bytes)),
            (false, _) => looks_like(path).then(|| files.read(path, options.limits.config_file).ok()).flatten(),
        };
        let parts = bytes.as_deref().map(split).unwrap_or_default();
        let Some((main, _)) = parts.first() else {
            mains.push(path.clone());
            continue;
        };
        found = true;
        mains.push(files.locate(Path::new("/"), main));
        for (path, text) in parts {
            overlay.insert(files.locate(Path::new("/"), &path), text);
        }
    }
    found.then_some((overlay, mains))
}

/// Whether a path may hold a dump: main files are never one, and are read once.
fn looks_like(path: &Path) -> bool {
    !matches!(
        path.file_name().and_then(|name| name.to_str()),
        Some("nginx.conf" | "apache2.conf" | "httpd.conf" | "Caddyfile")
    )
}

/// The files of a dump by the paths in it; empty where it is none. What `nginx -t` says before is passed over.
fn split(text: &[u8]) -> Vec<(PathBuf, Vec<u8>)> {
    let mut parts: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let trimmed = line.trim_ascii_end();
        let path = trimmed.strip_prefix(HEAD).and_then(|rest| rest.strip_suffix(b":"));
        match (path.filter(|path| path.starts_with(b"/")), parts.last_mut()) {
            (Some(path), _) => {
                // The blank line before a head belongs to the dump.
                if let Some((_, text)) = parts.last_mut().filter(|(_, text)| text.ends_with(b"\n")) {
                    text.pop();
                }
                parts.push((PathBuf::from(String::from_utf8_lossy(path).into_owned()), Vec::new()));
            }
            (None, Some((_, text))) => text.extend_from_slice(line),
            (None, None) if trimmed.is_empty() || trimmed.starts_with(b"nginx: ") => {}
            (None, None) => return Vec::new(),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_is_cut_at_its_heads() {
        let text = b"nginx: the configuration file /etc/nginx/nginx.conf syntax is ok\n# configuration file /etc/nginx/nginx.conf:\nhttp {}\n\n# configuration file /etc/nginx/a.conf:\n# configuration file here:\nb;\n";
        let parts = split(text);
        let paths: Vec<String> = parts.iter().map(|(path, _)| path.display().to_string()).collect();
        assert_eq!(paths, ["/etc/nginx/nginx.conf", "/etc/nginx/a.conf"]);
        assert_eq!(parts[0].1, b"http {}\n");
        assert_eq!(parts[1].1, b"# configuration file here:\nb;\n");
        assert!(split(b"server {}\n# configuration file /x:\n").is_empty());
    }
}
