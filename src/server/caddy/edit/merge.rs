//! Two blocks of one address, made one.
//!
//! Caddy puts their handlers one behind the other, each sorted for itself: as one block they mean the same only where one of
//! the two holds none.

use super::CaddyEditor;
use crate::diagnostic::Edit;
use crate::model::{Edits, SiteId};
use crate::server::caddy::syntax::{Node, Section};
use crate::source::Span;

impl CaddyEditor<'_> {
    /// Moves what a block says into an earlier one of the same address, and takes the rest of it away.
    pub(super) fn merge(&self, site: SiteId, into: SiteId) -> Option<Edits> {
        let section = |site: SiteId| self.section(self.deployment.site(site)).filter(|one| is_plain(one));
        let (later, first) = (section(site)?, section(into)?);
        let file = later.block.open.file;
        if first.block.open.file != file || first.block.close.end > later.keys.first()?.span.start {
            return None;
        }
        let bytes = &self.bytes(later.block.open)?.bytes;
        let says_tls = |one: &&Node| one.is("tls");
        let says_more = |section: &Section| section.block.nodes.iter().any(|one| !one.is("tls"));
        let has_tls = first.block.nodes.iter().any(|one| one.is("tls"));
        let text = |node: &Node| whole(node).and_then(|span| bytes.get(span.start as usize..span.end as usize));
        let is_said = |node: &Node| {
            let known = first.block.nodes.iter().filter(says_tls).filter_map(text);
            text(node).is_some_and(|own| known.into_iter().any(|other| other == own))
        };
        let again: Vec<&Node> = later.block.nodes.iter().filter(says_tls).filter(|_| has_tls).collect();
        if says_more(first) && says_more(later) || !again.iter().all(|node| is_said(node)) {
            return None;
        }
        let head = later.keys.first()?.span.start as usize;
        let (from, to) = (line_start(bytes, head), line_end(bytes, later.block.close.end as usize));
        let (inside, end) =
            (line_end(bytes, later.block.open.end as usize), line_start(bytes, later.block.close.start as usize));
        let place = line_start(bytes, first.block.close.start as usize);
        let is_blank = |from: usize, to: usize| bytes.get(from..to).is_some_and(|range| range.trim_ascii().is_empty());
        let stands_alone = is_blank(from, head)
            && is_blank(later.block.open.end as usize, inside)
            && is_blank(end, later.block.close.start as usize)
            && is_blank(later.block.close.end as usize, to)
            && is_blank(place, first.block.close.start as usize)
            && inside <= end
            && first.block.open.end as usize <= place;
        if !stands_alone {
            return None;
        }
        // What stands between its lines goes along.
        let mut moved = String::new();
        let mut at = inside;
        for node in again {
            let span = whole(node)?;
            let (from, to) = (line_start(bytes, span.start as usize), line_end(bytes, span.end as usize));
            if from < at || to > end || !is_blank(from, span.start as usize) || !is_blank(span.end as usize, to) {
                return None;
            }
            moved += &String::from_utf8_lossy(bytes.get(at..from)?);
            at = to;
        }
        moved += &String::from_utf8_lossy(bytes.get(at..end)?);
        let removed = Span::new(file, from as u32, to as u32);
        let mut edits = vec![Edit { span: removed, text: String::new() }];
        if !moved.trim().is_empty() {
            edits.push(Edit { span: Span::new(file, place as u32, place as u32), text: moved });
        }
        Some(Edits { edits, reaches: vec![into] })
    }
}

/// Whether a block has one address and braces, and nothing in it comes from elsewhere.
fn is_plain(section: &Section) -> bool {
    let [key] = &section.keys[..] else { return false };
    let file = section.block.open.file;
    let is_here = |node: &Node| {
        node.name.span.file == file && node.name.include_chain == key.include_chain && whole(node).is_some()
    };
    section.has_braces
        && key.is_verbatim
        && key.span.file == file
        && section.block.close.file == file
        && section.block.close.start > section.block.open.start
        && section.block.nodes.iter().all(is_here)
}

/// The place of a directive with its block.
pub(super) fn whole(node: &Node) -> Option<Span> {
    let end = match (&node.block, node.words.last()) {
        (Some(block), _) => block.close,
        (None, Some(last)) => last.span,
        (None, None) => node.name.span,
    };
    (end.file == node.name.span.file && end.end >= node.name.span.end).then(|| node.name.span.to(end))
}

fn line_start(bytes: &[u8], at: usize) -> usize {
    bytes.get(..at).and_then(|before| before.iter().rposition(|byte| *byte == b'\n')).map_or(0, |found| found + 1)
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    let behind = bytes.get(at..).unwrap_or_default();
    behind.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |found| at + found + 1)
}
