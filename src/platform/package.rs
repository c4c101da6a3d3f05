//! What the package databases of a system say is installed.

mod berkeley;
mod rpm;
mod sqlite;

use std::collections::HashMap;
use std::path::Path;

use super::Version;
use crate::source::{FileSystem, occurrences};

/// How much of a database is read, in bytes.
const DATABASE: u64 = 256 << 20;

/// Installed packages that matter here, with the versions of what is in them.
pub type Packages = HashMap<String, Version>;

/// How the names of packages begin that matter here.
const WANTED: &[&str] = &["nginx", "apache2", "httpd", "caddy", "libssl", "openssl-libs"];

fn is_wanted(name: &str) -> bool {
    WANTED.iter().any(|start| name.starts_with(start))
}

/// What the databases of dpkg, apk or rpm list: the first that has something, since tools of one system are packages of others.
pub fn installed(files: &dyn FileSystem) -> Packages {
    let read = |path: &str| files.read(&files.locate(Path::new("/"), Path::new(path)), DATABASE).ok();
    let text = |path: &str| read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let mut found = read("/var/lib/dpkg/status").map(|bytes| dpkg(&bytes)).unwrap_or_default();
    if found.is_empty() {
        found = text("/lib/apk/db/installed").map(|text| apk(&text)).unwrap_or_default();
    }
    if found.is_empty() {
        found = rpm::installed(&read).unwrap_or_default();
    }
    found
}

/// Entries of `/var/lib/dpkg/status`.
fn dpkg(text: &[u8]) -> Packages {
    const HEAD: &[u8] = b"Package: ";
    let mut found = HashMap::new();
    // The database has megabytes, and little of it matters here.
    for at in occurrences(text, HEAD) {
        let name = &text[at + HEAD.len()..];
        let is_first = at == 0 || text[..at].ends_with(b"\n\n");
        if !is_first || !WANTED.iter().any(|start| name.starts_with(start.as_bytes())) {
            continue;
        }
        let end = occurrences(&text[at..], b"\n\n").next().map_or(text.len(), |length| at + length);
        let entry = String::from_utf8_lossy(&text[at..end]);
        let name = entry.lines().next().and_then(|line| line.strip_prefix("Package: ")).unwrap_or_default();
        if !entry.contains("\nStatus: install ok installed") {
            continue;
        }
        let version = entry.lines().find_map(|line| line.strip_prefix("Version: "));
        let version = version.map(|text| text.split_once(':').map_or(text, |(_, upstream)| upstream));
        found.extend(version.and_then(Version::parse).map(|version| (name.to_owned(), version)));
    }
    found
}

/// Entries of `/lib/apk/db/installed`.
fn apk(text: &str) -> Packages {
    let entry = |entry: &str| {
        let value = |head: &str| entry.lines().find_map(|line| line.strip_prefix(head));
        let name = value("P:").filter(|name| is_wanted(name))?;
        Some((name.to_owned(), Version::parse(value("V:")?)?))
    };
    text.split("\n\n").filter_map(entry).collect()
}
