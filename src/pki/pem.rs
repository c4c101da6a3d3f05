//! Finds PEM blocks and their places; decodes one at a time.
//!
//! The scanner reads as OpenSSL 3.0's `PEM_read_bio` does: a block begins at a line that starts with `-----BEGIN `, text
//! around blocks is passed over, CRLF and a byte order mark before the first are taken. rustls-pemfile, which is archived
//! (RUSTSEC-2025-0134), decodes a block that was found, and nothing else in the crate calls it.

use std::io::Cursor;

/// How many blocks one file may hold.
pub const BLOCKS: usize = 10_000;

/// What is wrong with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PemFault {
    /// It has no end: OpenSSL says `bad end line` or `no start line`.
    Unclosed,
    /// Its end and the next beginning stand on one line: `bad end line`.
    Glued,
    /// What is inside is no base64: `bad base64 decode`.
    Base64,
}

/// A block as it stands in the text; offsets in bytes.
#[derive(Clone, Debug)]
pub struct Raw<'a> {
    /// The word behind `BEGIN`.
    pub label: &'a str,
    /// First byte of the line that begins it.
    pub start: usize,
    /// One past the last byte of the line that ends it.
    pub end: usize,
    /// Headers such as `Proc-Type`, if there are any.
    pub headers: Vec<(&'a str, &'a str)>,
    /// What was decoded, or why not.
    pub der: Result<Vec<u8>, PemFault>,
}

/// All blocks of a text, at most [`BLOCKS`].
pub fn scan(text: &[u8]) -> Vec<Raw<'_>> {
    let mut found = Vec::new();
    let mut at = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    while let Some(start) = next_begin(text, at) {
        if found.len() >= BLOCKS {
            break;
        }
        let line_end = line_end(text, start);
        let Some(label) = label(&text[start..line_end]) else {
            at = line_end;
            continue;
        };
        let (end, block) = block(text, start, line_end, label);
        found.push(block);
        at = end;
    }
    found
}

/// Whether a private key stands in a text, well written or not: then nothing of it may be shown.
pub fn holds_key(text: &[u8]) -> bool {
    let is_head = |line: &[u8]| {
        let line = line.trim_ascii();
        line.starts_with(b"-----BEGIN ") && line.ends_with(b"PRIVATE KEY-----")
    };
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    // Hardly any text has the words.
    memchr::memmem::find(text, b"PRIVATE KEY-----").is_some() && text.split(|byte| *byte == b'\n').any(is_head)
}

fn line_end(text: &[u8], from: usize) -> usize {
    memchr::memchr(b'\n', &text[from..]).map_or(text.len(), |at| from + at + 1)
}

/// The next line that starts with `-----BEGIN `.
fn next_begin(text: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while at < text.len() {
        if text[at..].starts_with(b"-----BEGIN ") {
            return Some(at);
        }
        at = line_end(text, at);
    }
    None
}

/// The label of a line `-----BEGIN LABEL-----`, blanks at its end allowed.
fn label(line: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(line.trim_ascii_end()).ok()?;
    line.strip_prefix("-----BEGIN ")?.strip_suffix("-----")
}

fn block<'a>(text: &'a [u8], start: usize, body: usize, label: &'a str) -> (usize, Raw<'a>) {
    let mut at = body;
    let mut headers = Vec::new();
    let raw = |end, headers, der| (end, Raw { label, start, end, headers, der });
    while at < text.len() {
        let end = line_end(text, at);
        let line = text[at..end].trim_ascii_end();
        if line.starts_with(b"-----END ") {
            let closing = line.strip_prefix(b"-----END ".as_slice()).unwrap_or_default();
            let inside = closing.strip_suffix(b"-----").unwrap_or_default();
            if inside != label.as_bytes() {
                // The next block may begin behind the glue: it is lost to OpenSSL, which stops here.
                return raw(end, headers, Err(PemFault::Glued));
            }
            let der = decode(&text[start..end]);
            return raw(end, headers, der);
        }
        if line.starts_with(b"-----BEGIN ") {
            return raw(at, headers, Err(PemFault::Unclosed));
        }
        if memchr::memchr(b':', line).is_some()
            && let Some((name, value)) = std::str::from_utf8(line).ok().and_then(|line| line.split_once(": "))
        {
            headers.push((name, value));
        }
        at = end;
    }
    raw(text.len(), headers, Err(PemFault::Unclosed))
}

/// Decodes one block. Labels that rustls-pemfile does not know are read under one that it does: the inside is alike.
fn decode(block: &[u8]) -> Result<Vec<u8>, PemFault> {
    const HEAD: &[u8] = b"-----BEGIN CERTIFICATE-----\n";
    // Nearly all are written as OpenSSL writes them: those are taken as they are.
    if let Some(der) = block.strip_prefix(HEAD).and_then(as_written) {
        return Ok(der);
    }
    let mut lines: Vec<&[u8]> = block.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).collect();
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    // Headers end at an empty line.
    let has_headers = lines.get(1).is_some_and(|line| line.contains(&b':'));
    let from = if has_headers { lines.iter().position(|line| line.is_empty()).map_or(1, |at| at + 1) } else { 1 };
    let mut plain = Vec::with_capacity(block.len() + 64);
    plain.extend_from_slice(b"-----BEGIN CERTIFICATE-----\n");
    for line in lines.get(from..lines.len().saturating_sub(1)).unwrap_or_default() {
        plain.extend_from_slice(line);
        plain.push(b'\n');
    }
    plain.extend_from_slice(b"-----END CERTIFICATE-----\n");
    let found = first_item(&plain);
    zeroize::Zeroize::zeroize(&mut plain);
    found
}

/// The bytes of a certificate behind its first line, as OpenSSL and Go write it: lines of 64 letters, the last one shorter,
/// and nothing else. Absent where it is written in any other way.
fn as_written(rest: &[u8]) -> Option<Vec<u8>> {
    const TAIL: &[u8] = b"-----END CERTIFICATE-----";
    let body = rest.trim_ascii_end().strip_suffix(TAIL)?.strip_suffix(b"\n")?;
    let mut der = Vec::with_capacity(body.len() / 4 * 3);
    let mut lines = body.chunks(LINE + 1).peekable();
    while let Some(line) = lines.next() {
        let is_last = lines.peek().is_none();
        let letters = if is_last { line } else { line.strip_suffix(b"\n")? };
        let unpadded = match letters {
            [rest @ .., b'=', b'='] if is_last => rest,
            [rest @ .., b'='] if is_last => rest,
            whole => whole,
        };
        if letters.len() > LINE || letters.len() % 4 != 0 {
            return None;
        }
        let whole = unpadded.chunks_exact(4);
        let left = whole.remainder();
        for four in whole {
            let [first, second, third] = bytes_of(four)?;
            der.extend_from_slice(&[first, second, third]);
        }
        // What stands behind the last whole byte must be nothing.
        match (left.len(), bytes_of(left)?) {
            (0, _) => {}
            (3, [first, second, 0]) => der.extend_from_slice(&[first, second]),
            (2, [first, 0, 0]) => der.push(first),
            _ => return None,
        }
    }
    (!der.is_empty()).then_some(der)
}

/// The bytes that up to four letters stand for; absent where one is no letter.
fn bytes_of(letters: &[u8]) -> Option<[u8; 3]> {
    let value = |at: usize| letters.get(at).map_or(0, |letter| VALUES[usize::from(*letter)]);
    let values = [value(0), value(1), value(2), value(3)];
    if values.iter().fold(0, |marks, one| marks | one) & NONE != 0 {
        return None;
    }
    let word = values.iter().fold(0, |word, one| word << 6 | u32::from(*one));
    let [_, first, second, third] = word.to_be_bytes();
    Some([first, second, third])
}

/// Letters in a line (RFC 7468, 2).
const LINE: usize = 64;
/// The letters of base64, in the order of their values (RFC 4648, 4).
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Marks what is no letter of base64.
const NONE: u8 = 128;
/// The value of each letter.
const VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut value = 0;
    while value < LETTERS.len() {
        values[LETTERS[value] as usize] = value as u8;
        value += 1;
    }
    values
};

/// The inside of the first block of a text.
fn first_item(text: &[u8]) -> Result<Vec<u8>, PemFault> {
    match rustls_pemfile::read_one(&mut Cursor::new(text)) {
        Ok(Some(rustls_pemfile::Item::X509Certificate(der))) if !der.is_empty() => Ok(der.to_vec()),
        _ => Err(PemFault::Base64),
    }
}

/// Base64 in lines of 64 letters (RFC 7468, 2).
pub fn encode(bytes: &[u8]) -> String {
    let mut out = String::new();
    for line in bytes.chunks(48) {
        for three in line.chunks(3) {
            let word = three.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
            for place in 0..4 {
                let letter = LETTERS[(word >> (18 - 6 * place) & 63) as usize];
                out.push(if place <= three.len() { letter as char } else { '=' });
            }
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> Vec<(String, Result<usize, PemFault>)> {
        scan(text.as_bytes()).into_iter().map(|raw| (raw.label.to_owned(), raw.der.map(|der| der.len()))).collect()
    }

    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";

    #[test]
    fn a_key_is_known_by_its_first_line() {
        for text in ["-----BEGIN PRIVATE KEY-----\nAA", "a\r\n-----BEGIN EC PRIVATE KEY-----\r\n"] {
            assert!(holds_key(text.as_bytes()) && holds_key(format!("\u{feff}{text}").as_bytes()), "{text}");
        }
        assert!(!holds_key(b"# -----BEGIN PRIVATE KEY----- stands above a key"));
    }

    #[test]
    fn blocks_are_found_as_openssl_finds_them() {
        let one = ("CERTIFICATE".to_owned(), Ok(3));
        assert_eq!(shape(&format!("{BEGIN}\nAAAA\n{END}\n")), std::slice::from_ref(&one));
        assert_eq!(shape(&format!("\u{feff}{BEGIN}\r\nAAAA\r\n{END}\r\n")), std::slice::from_ref(&one));
        assert_eq!(
            shape(&format!("text\n{BEGIN}  \nAA\nAA\n{END}\nmore\n{BEGIN}\nAAAA\n{END}")),
            [one.clone(), one.clone()]
        );
        assert_eq!(shape(&format!(" {BEGIN}\nAAAA\n{END}\n")), []);
        assert_eq!(shape(""), []);
    }

    #[test]
    fn what_is_taken_as_it_is_written_is_what_else_would_be_decoded() {
        for length in 1..200 {
            let bytes: Vec<u8> = (0..length).map(|at| (at * 37 + length) as u8).collect();
            let rest = format!("{}{END}\n", encode(&bytes));
            assert_eq!(as_written(rest.as_bytes()), Some(bytes.clone()), "{rest}");
            assert_eq!(first_item(format!("{BEGIN}\n{rest}").as_bytes()), Ok(bytes));
        }
        // Each of these is left to the other decoder, or to nobody.
        let refused =
            ["", "AAAA", "AAA*\n", "AB==\n", "AAB=\n", "AAA\n", "AA=A\n", "====\n", "AAAA\nAAAA\n", "AAAA\r\n"];
        for body in refused {
            assert_eq!(as_written(format!("{body}{END}").as_bytes()), None, "{body}");
        }
        let line = "A".repeat(LINE);
        assert_eq!(as_written(format!("{line}A\n{END}").as_bytes()), None);
        assert_eq!(as_written(format!("{line}\n{END}").as_bytes()).map(|der| der.len()), Some(48));
        assert_eq!(as_written(format!("{line}\n\n{END}").as_bytes()), None);
    }

    #[test]
    fn broken_blocks_say_how() {
        let fault = |fault| ("CERTIFICATE".to_owned(), Err(fault));
        assert_eq!(shape(&format!("{BEGIN}\nAAAA\n")), [fault(PemFault::Unclosed)]);
        assert_eq!(shape(&format!("{BEGIN}\nAAAA\n{END}{BEGIN}\nAAAA\n{END}\n")), [fault(PemFault::Glued)]);
        assert_eq!(shape(&format!("{BEGIN}\nA*AA\n{END}\n")), [fault(PemFault::Base64)]);
    }

    #[test]
    fn headers_are_kept_apart() {
        let text = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
        let found = scan(text.as_bytes());
        assert_eq!(found[0].headers, [("Proc-Type", "4,ENCRYPTED"), ("DEK-Info", "AES-128-CBC,00")]);
        assert_eq!(found[0].der.as_ref().map(Vec::len), Ok(3));
    }
}
