//! What people and programs see of a run: one file a format.

pub mod baseline;
pub mod certificates;
pub mod checkstyle;
pub mod ciphers;
pub mod compare;
mod concise;
pub mod explain;
mod fold;
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
use std::io::{self, Write};

use rayon::prelude::*;

pub use concise::concise;
pub use pretty::{Style, failure, one, pretty, whole_patch};

/// A machine's format in which control characters that its writer lets stand, and marks that turn the reading direction, are
/// spelled as numbers, so that a terminal that shows it does nothing.
pub fn spelled(text: String, spell: fn(u32) -> String) -> String {
    match spell_odd(&text, spell) {
        Cow::Borrowed(_) => text,
        Cow::Owned(spelled) => spelled,
    }
}

fn spell_odd(text: &str, spell: fn(u32) -> String) -> Cow<'_, str> {
    let is_odd = |letter: char| matches!(letter, '\u{7f}'..='\u{9f}') || is_turning(letter);
    if text.is_ascii() && !text.contains('\u{7f}') || !text.contains(is_odd) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 64);
    for letter in text.chars() {
        match is_odd(letter) {
            true => out.push_str(&spell(u32::from(letter))),
            false => out.push(letter),
        }
    }
    Cow::Owned(out)
}

/// The same for what is written piece by piece, each of whole letters.
pub struct Spelling<W> {
    to: W,
    spell: fn(u32) -> String,
}

impl<W: Write> Spelling<W> {
    /// Spells what is written to `to`.
    pub fn new(to: W, spell: fn(u32) -> String) -> Self {
        Spelling { to, spell }
    }
}

impl<W: Write> Write for Spelling<W> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(piece).map_err(io::Error::other)?;
        self.to.write_all(spell_odd(text, self.spell).as_bytes())?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
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

/// Draws pieces of a report side by side and writes them in order, a few at a time: reports may be long.
fn drawn<T: Sync>(
    all: &[T],
    at_once: usize,
    out: &mut dyn Write,
    draw: impl Fn(&[T]) -> String + Sync,
) -> io::Result<()> {
    for some in all.chunks(at_once * PIECES) {
        let pieces: Vec<String> = some.par_chunks(at_once).map(&draw).collect();
        pieces.iter().try_for_each(|piece| out.write_all(piece.as_bytes()))?;
    }
    Ok(())
}

/// How many pieces are kept before they are written.
const PIECES: usize = 256;

/// Whether a text is ASCII in which nothing but tabs and line ends moves the cursor.
fn is_printable(bytes: &[u8]) -> bool {
    let is_one = |byte: u8| byte.is_ascii_graphic() | matches!(byte, b' ' | b'\t' | b'\n');
    // Piece by piece: within one all bytes are looked at side by side.
    bytes.chunks(64).all(|piece| piece.iter().fold(true, |all, byte| all & is_one(*byte)))
}

/// Words for a terminal: control characters and marks that turn the reading direction come from the files that are judged,
/// and are replaced.
pub fn plain(text: &str) -> Cow<'_, str> {
    if is_printable(text.as_bytes()) && !text.contains('\n') {
        return Cow::Borrowed(text);
    }
    let is_hidden = |letter: char| letter.is_control() && letter != '\t' || is_turning(letter);
    text.chars().map(|letter| if is_hidden(letter) { '\u{fffd}' } else { letter }).collect()
}
