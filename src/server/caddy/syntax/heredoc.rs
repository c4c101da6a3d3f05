//! Heredocs: the text between `<<MARKER` and `MARKER`, without the white space that stands before the closing marker.
//!
//! Source: Caddy 2.11.4, `finalizeHeredoc`.

/// What is wrong with a heredoc, in Caddy's words for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeredocFault {
    /// `<<` at a line's end.
    NoMarker,
    /// `<<<MARKER`.
    TooMany,
    /// Characters that a marker may not have.
    BadMarker,
    /// The closing marker is missing.
    Open,
    /// A line does not begin with the white space of the closing marker.
    Indent,
}

/// Whether a marker has the letters that it may have.
pub fn is_marker(marker: &str) -> bool {
    !marker.is_empty() && marker.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// The value of a heredoc whose text runs to the end of its closing marker.
pub fn value(text: &str, marker: &str) -> Result<String, HeredocFault> {
    let (content, last) = text.rfind('\n').map_or(("", text), |at| text.split_at(at + 1));
    let padding = last.strip_suffix(marker).unwrap_or_default();
    let mut out = String::with_capacity(content.len());
    for line in content.split_inclusive('\n') {
        let line = line.strip_suffix('\n').unwrap_or(line);
        if !line.is_empty() && line != "\r" {
            let rest = line.strip_prefix(padding).ok_or(HeredocFault::Indent)?;
            out.extend(rest.chars().filter(|letter| *letter != '\r'));
        }
        out.push('\n');
    }
    out.pop();
    Ok(out)
}
