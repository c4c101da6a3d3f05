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

/// Words for a terminal: control characters and marks that turn the reading direction come from the files that are judged,
/// and are replaced.
fn plain(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
        return Cow::Borrowed(text);
    }
    let is_hidden = |letter: char| {
        letter.is_control() && letter != '\t'
            || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|letter| if is_hidden(letter) { '\u{fffd}' } else { letter }).collect()
}
