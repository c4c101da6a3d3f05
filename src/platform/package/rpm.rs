//! The database of rpm: one header of each package, in SQLite (Fedora 33, RHEL 9 and later) or in Berkeley DB (before).

use std::collections::HashMap;
use std::sync::Arc;

use super::{Packages, berkeley, is_wanted, sqlite};
use crate::platform::Version;

/// Where the database lies: since Fedora 36 below /usr.
const FOLDERS: &[&str] = &["/usr/lib/sysimage/rpm", "/var/lib/rpm"];

/// How much of a header is read, in bytes: its index and the first of its values, among which are name and version.
pub(super) const HEAD: usize = 64 << 10;

const NAME: u32 = 1000;
const VERSION: u32 = 1001;
/// The type of a value that is one string.
const STRING: u32 = 6;

/// Packages of the first database that can be read. A database that breaks off counts as far as it was read.
pub(super) fn installed(read: &dyn Fn(&str) -> Option<Arc<[u8]>>) -> Option<Packages> {
    for folder in FOLDERS {
        let mut found = HashMap::new();
        let mut add = |header: &[u8]| found.extend(package(header));
        if let Some(bytes) = read(&format!("{folder}/rpmdb.sqlite")) {
            sqlite::rows(&bytes, b"Packages", &mut add);
            return Some(found);
        }
        if let Some(bytes) = read(&format!("{folder}/Packages")) {
            berkeley::values(&bytes, &mut add);
            return Some(found);
        }
    }
    None
}

/// Name and version of a header as the database keeps it: two lengths, the index with 16 bytes an entry, the values
/// (rpm 4.18, docs/manual/format.md, "Header").
fn package(header: &[u8]) -> Option<(String, Version)> {
    let word = |at: usize| Some(u32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?));
    let count = word(0)? as usize;
    let values = header.get(8usize.checked_add(count.checked_mul(16)?)?..)?;
    let text = |tag: u32| {
        let entry = (0..count).map(|at| 8 + 16 * at).find(|at| word(*at) == Some(tag))?;
        let offset = word(entry + 8).filter(|_| word(entry + 4) == Some(STRING))? as usize;
        let value = values.get(offset..)?;
        std::str::from_utf8(&value[..value.iter().position(|byte| *byte == 0)?]).ok()
    };
    let name = text(NAME).filter(|name| is_wanted(name))?;
    Some((name.to_owned(), Version::parse(text(VERSION)?)?))
}
