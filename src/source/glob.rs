//! Shell patterns as glob(3) and fnmatch(3) read them in the C locale: bytes, `*`, `?`, `[...]`, `\`, no braces.
//!
//! Source: POSIX.1-2024, Shell Command Language 2.14; nginx and Apache hand their includes to it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::filesystem::{FileKind, FileSystem};

/// Whether a path has any character that makes it a pattern: `*`, `?` or `[`.
pub fn has_wildcard(path: &[u8]) -> bool {
    path.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// One component of a pattern. `/` never occurs in it.
#[derive(Clone, Copy, Debug)]
pub struct Pattern<'a>(&'a [u8]);

impl<'a> Pattern<'a> {
    /// A pattern for one component of a path.
    pub fn new(component: &'a [u8]) -> Self {
        Pattern(component)
    }

    /// Whether `name` matches; a leading dot only where the pattern begins with one. Takes at most
    /// `pattern × name` steps.
    pub fn matches(&self, name: &[u8]) -> bool {
        if name.first() == Some(&b'.') && self.0.first() != Some(&b'.') {
            return false;
        }
        let (mut at, mut from) = (0, 0); // in the pattern, in the name
        let mut retry: Option<(usize, usize)> = None;
        loop {
            let step = match self.0.get(at) {
                None => (from == name.len()).then_some((at, from)),
                Some(b'*') => {
                    retry = Some((at + 1, from));
                    at += 1;
                    continue;
                }
                Some(_) if from == name.len() => None,
                Some(b'?') => Some((at + 1, from + 1)),
                Some(b'[') => match class(&self.0[at + 1..], name[from]) {
                    Some((true, length)) => Some((at + 1 + length, from + 1)),
                    Some((false, _)) => None,
                    None => (name[from] == b'[').then_some((at + 1, from + 1)),
                },
                Some(b'\\') if at + 1 < self.0.len() => (self.0[at + 1] == name[from]).then_some((at + 2, from + 1)),
                Some(byte) => (*byte == name[from]).then_some((at + 1, from + 1)),
            };
            match step {
                Some((next, to)) if next == self.0.len() && to == name.len() => return true,
                Some((next, to)) => (at, from) = (next, to),
                None => match retry {
                    // The last star takes one byte more.
                    Some((after, taken)) if taken < name.len() => {
                        retry = Some((after, taken + 1));
                        (at, from) = (after, taken + 1);
                    }
                    _ => return false,
                },
            }
        }
    }
}

/// Reads a bracket expression behind its `[`: whether `byte` is in it, and how many bytes it takes. Absent where it is
/// not closed, and `[` stands for itself.
fn class(pattern: &[u8], byte: u8) -> Option<(bool, usize)> {
    let negated = matches!(pattern.first(), Some(b'!' | b'^'));
    let mut at = usize::from(negated);
    let first = at;
    let mut found = false;
    loop {
        let low = match *pattern.get(at)? {
            b']' if at > first => return Some((found != negated, at + 1)),
            b'\\' if at + 1 < pattern.len() => {
                at += 1;
                pattern[at]
            }
            low => low,
        };
        at += 1;
        if pattern.get(at) == Some(&b'-') && pattern.get(at + 1).is_some_and(|end| *end != b']') {
            found |= (low..=pattern[at + 1]).contains(&byte);
            at += 2;
        } else {
            found |= low == byte;
        }
    }
}

/// All paths that a pattern matches, in byte order, as glob(3) gives them: hidden names are skipped, a folder in the
/// middle may be a pattern too, the last component may match a folder. A pattern without wildcards gives itself if it
/// exists. `pattern` is a path as [`FileSystem::locate`] gave it.
pub fn expand(files: &dyn FileSystem, pattern: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = vec![PathBuf::new()];
    let mut parts = pattern.components().peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        let bytes = part.as_os_str().as_bytes();
        let mut next = Vec::new();
        for base in &found {
            if !has_wildcard(bytes) {
                let path = base.join(plain(bytes));
                if !last || files.metadata(&path).is_ok() {
                    next.push(path);
                }
                continue;
            }
            let here = if base.as_os_str().is_empty() { Path::new(".") } else { base };
            for entry in files.list(here).unwrap_or_default() {
                let descends = last || matches!(entry.kind, Some(FileKind::Directory));
                if descends && Pattern::new(bytes).matches(entry.name.as_bytes()) {
                    next.push(base.join(&entry.name));
                }
            }
        }
        found = next;
    }
    found.sort_by(|one, two| one.as_os_str().as_bytes().cmp(two.as_os_str().as_bytes()));
    found
}

/// A component without wildcards, its backslashes taken away as glob(3) does.
fn plain(component: &[u8]) -> OsString {
    if !component.contains(&b'\\') {
        return OsStr::from_bytes(component).to_owned();
    }
    let mut out = Vec::with_capacity(component.len());
    let mut bytes = component.iter().copied();
    while let Some(byte) = bytes.next() {
        out.push(if byte == b'\\' { bytes.next().unwrap_or(b'\\') } else { byte });
    }
    OsString::from_vec(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Memory;

    #[test]
    fn patterns_match_as_fnmatch_does() {
        let table: &[(&str, &str, bool)] = &[
            ("*.conf", "a.conf", true),
            ("*.conf", ".conf", false),
            (".*", ".conf", true),
            ("*", "", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("?.conf", "a.conf", true),
            ("[0-9]*", "10-a", true),
            ("[!0-9]*", "10-a", false),
            ("[]x]a", "]a", true),
            ("[a", "[a", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("{a,b}", "a", false),
        ];
        for (pattern, name, expected) in table {
            assert_eq!(
                Pattern::new(pattern.as_bytes()).matches(name.as_bytes()),
                *expected,
                "{pattern} against {name}"
            );
        }
    }

    #[test]
    fn globs_come_in_byte_order_without_hidden_files() {
        let mut files = Memory::new();
        for name in ["Z", "a", "2-b", "10-a", ".hidden", "sub/x"] {
            files.insert(format!("/etc/conf.d/{name}"), *b"");
        }
        files.insert("/etc/other.d/10-a", *b"");
        let found = expand(&files, Path::new("/etc/conf.d/*"));
        let names: Vec<_> =
            found.iter().map(|path| path.strip_prefix("/etc/conf.d").unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["10-a", "2-b", "Z", "a", "sub"]);
        assert_eq!(expand(&files, Path::new("/etc/*.d/10-a")).len(), 2);
        assert_eq!(expand(&files, Path::new("/etc/nothing/*")), Vec::<PathBuf>::new());
        assert_eq!(expand(&files, Path::new("/etc/conf.d/a")), [PathBuf::from("/etc/conf.d/a")]);
    }
}
