//! A change of one file as a patch that `patch -p1` and `git apply` take.

use std::path::Path;

use similar::{ChangeTag, TextDiff};

/// The unified diff of a file with `context` lines around each change. Empty where nothing changes.
pub fn unified(path: &Path, before: &[u8], after: &[u8], context: usize) -> Vec<u8> {
    if before == after {
        return Vec::new();
    }
    let diff = TextDiff::from_lines(before, after);
    let shown = path.to_string_lossy();
    let shown = shown.trim_start_matches("./").trim_start_matches('/');
    let mut out = format!("--- a/{shown}\n+++ b/{shown}\n").into_bytes();
    for hunk in diff.unified_diff().context_radius(context).iter_hunks() {
        out.extend_from_slice(format!("{}\n", hunk.header()).as_bytes());
        for change in hunk.iter_changes() {
            out.push(match change.tag() {
                ChangeTag::Delete => b'-',
                ChangeTag::Insert => b'+',
                ChangeTag::Equal => b' ',
            });
            out.extend_from_slice(change.value());
            if change.missing_newline() {
                out.extend_from_slice(b"\n\\ No newline at end of file\n");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_keeps_bytes_and_missing_line_ends() {
        let patch = unified(Path::new("./a/b.conf"), b"one\n\xff\nthree", b"one\n\xff\n3", 3);
        let expected = b"--- a/a/b.conf\n+++ b/a/b.conf\n@@ -1,3 +1,3 @@\n one\n \xff\n-three\n\\ No newline at end of file\n+3\n\\ No newline at end of file\n";
        assert_eq!(String::from_utf8_lossy(&patch), String::from_utf8_lossy(expected));
        assert_eq!(unified(Path::new("a"), b"x", b"x", 3), b"");
    }
}
