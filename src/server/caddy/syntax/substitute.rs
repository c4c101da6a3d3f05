//! Environment variables, replaced before anything is cut: `{$NAME}` and `{$NAME:default}`, in comments and quotes too.
//!
//! Only values that are given count. A variable without value and default stays as it is written and is marked unknown.
//! Source: Caddy 2.11.4, `replaceEnvVars`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::source::{FileId, Segment, Span};

/// Values of variables.
pub type Defines = BTreeMap<String, String>;

/// A text with its variables replaced.
pub struct Substituted {
    /// The bytes.
    pub bytes: Arc<[u8]>,
    /// Where they come from; empty where nothing was replaced.
    pub segments: Vec<Segment>,
    /// Variables that stayed, as places in `bytes`.
    pub unknown: Vec<Range<usize>>,
    /// Whether the text would grow beyond its limit, so that the rest was left as it is.
    pub is_cut: bool,
}

/// Whether an environment variable may be called so. Others are never set, and Caddy puts nothing in their place.
fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

fn find(text: &[u8], what: &[u8], from: usize) -> Option<usize> {
    memchr::memmem::find(text.get(from..)?, what).map(|at| at + from)
}

/// Whether a variable may stand in a text.
pub fn has_variable(text: &[u8]) -> bool {
    find(text, b"{$", 0).is_some()
}

/// Replaces what is known in `text`, the bytes of `file`. The result is at most `limit` bytes long, or as long as the text.
pub fn substitute(text: &Arc<[u8]>, file: FileId, defines: &Defines, limit: usize) -> Substituted {
    let mut out: Vec<u8> = Vec::new();
    let mut segments: Vec<Segment> = Vec::new();
    let mut unknown = Vec::new();
    let mut is_cut = false;
    let (mut copied, mut at) = (0, 0);
    let span = |from: usize, to: usize| Span::new(file, from as u32, to as u32);
    let segment =
        |start: usize, from: Span, verbatim| Segment { start: start as u32, from, verbatim, defined: None, used: None };
    while let Some(begin) = find(text, b"{$", at) {
        let Some(end) = text[begin + 2..].iter().position(|byte| *byte == b'}').map(|end| begin + 2 + end) else {
            break;
        };
        at = end + 1;
        let inside = &text[begin + 2..end];
        if inside.is_empty() {
            continue;
        }
        let colon = inside.iter().position(|byte| *byte == b':');
        let (name, default) = (&inside[..colon.unwrap_or(inside.len())], colon.map(|colon| &inside[colon + 1..]));
        let given = std::str::from_utf8(name).ok().and_then(|name| defines.get(name)).map(|value| value.as_bytes());
        let value = match given.or(default) {
            Some(value) => value,
            None if is_name(name) => {
                unknown.push(out.len() + begin - copied..out.len() + at - copied);
                continue;
            }
            None => b"",
        };
        if out.len() + value.len() + text.len() > limit.max(2 * text.len()) {
            is_cut = true;
            break;
        }
        if begin > copied {
            segments.push(segment(out.len(), span(copied, begin), true));
            out.extend_from_slice(&text[copied..begin]);
        }
        segments.push(segment(out.len(), span(begin, at), false));
        out.extend_from_slice(value);
        copied = at;
    }
    if segments.is_empty() {
        return Substituted { bytes: Arc::clone(text), segments, unknown, is_cut };
    }
    if copied < text.len() {
        segments.push(segment(out.len(), span(copied, text.len()), true));
        out.extend_from_slice(&text[copied..]);
    }
    // A run of no bytes has no place in a map of segments.
    segments.dedup_by(|later, earlier| {
        let is_empty = later.start == earlier.start;
        if is_empty {
            *earlier = later.clone();
        }
        is_empty
    });
    Substituted { bytes: out.into(), segments, unknown, is_cut }
}
