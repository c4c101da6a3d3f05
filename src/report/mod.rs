//! What people and programs see of a run: one file a format.

pub mod baseline;
pub mod certificates;
pub mod checkstyle;
pub mod ciphers;
pub mod compare;
mod concise;
pub mod explain;
pub mod github;
pub mod gitlab;
pub mod handshake;
pub mod json;
pub mod junit;
pub mod ndjson;
mod place;
mod pretty;
pub mod prometheus;
pub mod rules;
pub mod sarif;
mod xml;

use std::borrow::Cow;

pub use concise::concise;
pub use pretty::{Style, failure, one, pretty, whole_patch};

/// A machine's format in which control characters that its writer lets stand, and marks that turn the reading direction, are
/// spelled as numbers, so that a terminal that shows it does nothing.
pub fn spelled(text: String, spell: fn(u32) -> String) -> String {
    let is_odd = |letter: char| matches!(letter, '\u{7f}'..='\u{9f}') || is_turning(letter);
    if text.is_ascii() && !text.contains('\u{7f}') || !text.contains(is_odd) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 64);
    for letter in text.chars() {
        match is_odd(letter) {
            true => out.push_str(&spell(u32::from(letter))),
            false => out.push(letter),
        }
    }
    out
}

/// How JSON spells a letter below U+10000.
pub fn spelled_in_json(code: u32) -> String {
    format!("\\u{code:04x}")
}

/// How XML spells a letter.
pub fn spelled_in_xml(code: u32) -> String {
    format!("&#x{code:x};")
}

/// Whether it turns the reading direction.
fn is_turning(letter: char) -> bool {
    matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Words for a terminal: control characters and marks that turn the reading direction come from the files that are judged,
/// and are replaced.
pub fn plain(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
        return Cow::Borrowed(text);
    }
    let is_hidden = |letter: char| letter.is_control() && letter != '\t' || is_turning(letter);
    text.chars().map(|letter| if is_hidden(letter) { '\u{fffd}' } else { letter }).collect()
}
