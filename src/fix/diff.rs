//! A change of one file as a patch that `patch -p1` and `git apply` take.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use similar::{ChangeTag, TextDiff};

use crate::diagnostic::{Edit, Fix};
use crate::source::{FileId, Sources};

/// The unified diff of a file with `context` lines around each change. Empty where nothing changes.
pub fn unified(path: &Path, before: &[u8], after: &[u8], context: usize) -> Vec<u8> {
    part(path, before, after, context, 0)
}

/// What one fix alone does to each file that it touches, without lines around: only the lines between its edits are looked
/// at, however long the file is.
pub fn patch(sources: &Sources, fix: &Fix) -> Vec<(FileId, Vec<u8>)> {
    let mut files: BTreeMap<FileId, BTreeMap<(u32, u32), &Edit>> = BTreeMap::new();
    for edit in &fix.edits {
        files.entry(edit.span.file).or_default().insert((edit.span.start, edit.span.end), edit);
    }
    let patches = files.into_iter().map(|(id, edits)| {
        let file = sources.file(id);
        let whole = edits.values().map(|edit| edit.span).reduce(|first, next| first.to(next));
        let (lines, window) = whole.map_or((0, 0..0), |span| file.window(span, 0));
        let mut after = Vec::with_capacity(window.len() + 64);
        let mut at = window.start;
        for edit in edits.values() {
            after.extend_from_slice(file.bytes().get(at..edit.span.start as usize).unwrap_or_default());
            after.extend_from_slice(edit.text.as_bytes());
            at = edit.span.end as usize;
        }
        after.extend_from_slice(file.bytes().get(at..window.end).unwrap_or_default());
        (id, part(file.path(), &file.bytes()[window], &after, 0, lines))
    });
    patches.collect()
}

/// A range of lines in the head of a hunk: an empty one is named by the line before it.
fn range(lines: Range<usize>, skipped: usize) -> String {
    match lines.len() {
        1 => format!("{}", skipped + lines.start + 1),
        0 => format!("{},0", skipped + lines.start),
        count => format!("{},{count}", skipped + lines.start + 1),
    }
}

/// The unified diff of a part of a file before which `skipped` lines stand.
fn part(path: &Path, before: &[u8], after: &[u8], context: usize, skipped: usize) -> Vec<u8> {
    if before == after {
        return Vec::new();
    }
    let diff = TextDiff::from_lines(before, after);
    let shown = path.to_string_lossy();
    let shown = shown.trim_start_matches("./").trim_start_matches('/');
    let mut out = format!("--- a/{shown}\n+++ b/{shown}\n").into_bytes();
    for hunk in diff.unified_diff().context_radius(context).iter_hunks() {
        let (Some(first), Some(last)) = (hunk.ops().first(), hunk.ops().last()) else { continue };
        let old = range(first.old_range().start..last.old_range().end, skipped);
        let new = range(first.new_range().start..last.new_range().end, skipped);
        out.extend_from_slice(format!("@@ -{old} +{new} @@\n").as_bytes());
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
    use crate::source::{Span, Text};

    #[test]
    fn a_patch_keeps_bytes_and_missing_line_ends() {
        let patch = unified(Path::new("./a/b.conf"), b"one\n\xff\nthree", b"one\n\xff\n3", 3);
        let expected = b"--- a/a/b.conf\n+++ b/a/b.conf\n@@ -1,3 +1,3 @@\n one\n \xff\n-three\n\\ No newline at end of file\n+3\n\\ No newline at end of file\n";
        assert_eq!(String::from_utf8_lossy(&patch), String::from_utf8_lossy(expected));
        assert_eq!(unified(Path::new("a"), b"x", b"x", 3), b"");
    }

    #[test]
    fn the_patch_of_one_fix_is_that_of_the_whole_file() {
        let text = "one\ntwo\nthree\nfour\nfive";
        let table: &[&[(u32, u32, &str)]] = &[
            &[(4, 7, "2")],
            &[(4, 8, "")],
            &[(8, 8, "more\n")],
            &[(0, 3, "1"), (14, 18, "4")],
            &[(19, 23, "5")],
            &[(23, 23, "\n")],
            &[(0, 23, "")],
        ];
        for edits in table {
            let mut sources = Sources::new();
            let file = sources.add("a", text.as_bytes().to_vec(), Text::File);
            let edit = |(start, end, text): &(u32, u32, &str)| Edit {
                span: Span::new(file, *start, *end),
                text: (*text).to_owned(),
            };
            let edits = edits.iter().map(edit).collect();
            let fix = Fix { title: String::new(), safety: crate::diagnostic::Safety::Safe, edits };
            let (_, after) = super::super::apply(&sources, &[&fix]).remove(0);
            let whole = unified(Path::new("a"), text.as_bytes(), &after, 0);
            let alone = patch(&sources, &fix).remove(0).1;
            assert_eq!(String::from_utf8_lossy(&alone), String::from_utf8_lossy(&whole));
        }
    }
}
