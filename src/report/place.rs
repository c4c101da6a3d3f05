//! Places as machine formats name them.

use crate::pipeline::Run;
use crate::source::{FileId, Position, Span};

/// A place in a file that a person can open.
pub struct Place {
    /// The file.
    pub file: FileId,
    /// The path as shown in the other formats.
    pub path: String,
    /// First character.
    pub start: Position,
    /// One past the last.
    pub end: Position,
}

/// The place of a span.
pub fn place(run: &Run, span: Span) -> Place {
    let span = run.sources.resolve_span(span).span;
    let (start, end) = run.sources.positions(span);
    let path = run.sources.file(span.file).path().to_string_lossy().into_owned();
    Place { file: span.file, path, start, end }
}

/// A path as a reference that is relative, where the path is (RFC 3986, 4.2), else as a `file:` URI.
pub fn uri(path: &str) -> String {
    let mut out = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(byte as char),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

/// FNV-1a, 64 bits, of a text: for what has no fingerprint of its own.
pub fn hash(text: &str) -> String {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_references() {
        assert_eq!(uri("sites/a b%.conf"), "sites/a%20b%25.conf");
        assert_eq!(uri("/etc/nginx/\u{e4}.conf"), "file:///etc/nginx/%C3%A4.conf");
    }
}
