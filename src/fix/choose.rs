//! Chooses fixes that do not meddle with one another, and applies them. A fix is applied whole or not at all.

use std::collections::BTreeMap;

use crate::diagnostic::{Edit, Fix};
use crate::source::{FileId, Sources};

/// Takes fixes in order, leaving out each that overlaps one taken before. An edit that two fixes share is one edit.
pub fn choose<'f>(fixes: impl IntoIterator<Item = &'f Fix>) -> Vec<&'f Fix> {
    let mut taken: BTreeMap<FileId, BTreeMap<(u32, u32), &Edit>> = BTreeMap::new();
    let mut chosen = Vec::new();
    for fix in fixes {
        let clashes = |edit: &Edit| {
            let Some(others) = taken.get(&edit.span.file) else { return false };
            // Those that were taken do not overlap, so that of those before it only the last can reach it.
            let before = others.range(..(edit.span.start, 0)).next_back();
            let inside = others.range((edit.span.start, 0)..=(edit.span.end, u32::MAX));
            before.into_iter().chain(inside).any(|(_, other)| *other != edit && overlap(other, edit))
        };
        let own = fix.edits.iter().enumerate().any(|(at, one)| fix.edits[..at].iter().any(|other| overlap(one, other)));
        if fix.edits.is_empty() || own || fix.edits.iter().any(clashes) {
            continue;
        }
        for edit in &fix.edits {
            taken.entry(edit.span.file).or_default().insert((edit.span.start, edit.span.end), edit);
        }
        chosen.push(fix);
    }
    chosen
}

/// Whether two edits touch a common byte or insert at one place.
fn overlap(one: &Edit, other: &Edit) -> bool {
    let (a, b) = (one.span, other.span);
    if a.file != b.file {
        return false;
    }
    if a.is_empty() && b.is_empty() {
        return a.start == b.start;
    }
    a.start < b.end && b.start < a.end
}

/// What the chosen fixes make of each text that they touch. Bytes outside the edits stay as they are.
pub fn apply(sources: &Sources, fixes: &[&Fix]) -> Vec<(FileId, Vec<u8>)> {
    let mut edits: BTreeMap<FileId, BTreeMap<(u32, u32), &Edit>> = BTreeMap::new();
    for edit in fixes.iter().flat_map(|fix| &fix.edits) {
        edits.entry(edit.span.file).or_default().insert((edit.span.start, edit.span.end), edit);
    }
    let mut texts = Vec::new();
    for (file, edits) in edits {
        let bytes = sources.file(file).bytes();
        let mut out = Vec::with_capacity(bytes.len() + 64);
        let mut at = 0;
        for edit in edits.values() {
            out.extend_from_slice(&bytes[at..edit.span.start as usize]);
            out.extend_from_slice(edit.text.as_bytes());
            at = edit.span.end as usize;
        }
        out.extend_from_slice(&bytes[at..]);
        texts.push((file, out));
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Safety;
    use crate::source::{Span, Text};

    fn fix(edits: &[(u32, u32, &str)]) -> Fix {
        let edit = |(start, end, text): &(u32, u32, &str)| Edit {
            span: Span::new(FileId(0), *start, *end),
            text: (*text).to_owned(),
        };
        Fix { title: String::new(), safety: Safety::Safe, edits: edits.iter().map(edit).collect() }
    }

    fn applied(fixes: &[Fix]) -> (usize, String) {
        let mut sources = Sources::new();
        sources.add("a", b"0123456789".to_vec(), Text::File);
        let chosen = choose(fixes);
        let texts = apply(&sources, &chosen);
        (chosen.len(), texts.first().map_or(String::new(), |(_, text)| String::from_utf8_lossy(text).into_owned()))
    }

    #[test]
    fn overlapping_fixes_are_left_out_whole() {
        assert_eq!(applied(&[fix(&[(1, 3, "x")]), fix(&[(2, 4, "y"), (8, 9, "z")])]), (1, "0x3456789".into()));
        assert_eq!(applied(&[fix(&[(1, 3, "x")]), fix(&[(3, 4, "y")])]), (2, "0xy456789".into()));
        assert_eq!(applied(&[fix(&[(5, 5, "x")]), fix(&[(5, 5, "y")])]), (1, "01234x56789".into()));
        assert_eq!(applied(&[fix(&[(5, 5, "x")]), fix(&[(5, 5, "x")])]), (2, "01234x56789".into()));
        assert_eq!(applied(&[fix(&[(0, 8, "x")]), fix(&[(2, 3, "y")])]), (1, "x89".into()));
        assert_eq!(applied(&[fix(&[(2, 3, "y")]), fix(&[(0, 8, "x")])]), (1, "01y3456789".into()));
        assert_eq!(applied(&[fix(&[(2, 5, "y"), (4, 6, "x")])]), (0, String::new()));
    }
}
