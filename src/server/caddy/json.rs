//! JSON with the place of every value, read as strictly as Go's `encoding/json` reads it.
//!
//! Reading cannot fail: it ends at the first fault, and what was read until then is kept. Nesting has a limit.

use std::sync::Arc;

use crate::diagnostic::Problem;
use crate::source::{FileId, Limits, Span};

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Value {
    /// The whole of it, quotes and braces included.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number as written.
    Number(Arc<str>),
    /// A string, escapes taken away.
    Text(Arc<str>),
    /// `[...]`
    List(Vec<Value>),
    /// `{...}`: names with their place, in order.
    Object(Vec<(Arc<str>, Span, Value)>),
}

impl Value {
    /// The field of a name. Of several the last counts, as in Go, which compares names without regard to case.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let found = self.fields().iter().rev().find(|(key, ..)| key.eq_ignore_ascii_case(name));
        found.map(|(_, _, value)| value).filter(|value| !matches!(value.kind, Kind::Null))
    }

    /// The value at the end of a path of fields.
    pub fn at(&self, path: &[&str]) -> Option<&Value> {
        path.iter().try_fold(self, |value, name| value.get(name))
    }

    /// All fields.
    pub fn fields(&self) -> &[(Arc<str>, Span, Value)] {
        match &self.kind {
            Kind::Object(fields) => fields,
            _ => &[],
        }
    }

    /// The elements of a list.
    pub fn items(&self) -> &[Value] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// The text of a string.
    pub fn text(&self) -> Option<&Arc<str>> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is `true`.
    pub fn is_true(&self) -> bool {
        matches!(self.kind, Kind::Bool(true))
    }

    /// A number that is a port.
    pub fn port(&self) -> Option<u16> {
        match &self.kind {
            Kind::Number(text) => text.parse().ok(),
            _ => None,
        }
    }
}

/// Reads a text. Absent where no value begins, and where there are more values than the limit.
pub fn parse(bytes: &[u8], file: FileId, limits: &Limits) -> (Option<Value>, Vec<Problem>) {
    let mut reader = Reader { bytes, file, at: 0, depth: limits.block_depth, left: limits.words, fault: None };
    let value = reader.value(0);
    if reader.left == 0 {
        let at = Span::new(file, 0, 1.min(bytes.len() as u32));
        let problem = Problem::new("syntax-error", at).case("too-many-words");
        return (None, vec![problem.with("limit", limits.words.to_string())]);
    }
    reader.space();
    if reader.fault.is_none() && reader.at < bytes.len() {
        reader.fail("something behind the end of the value");
    }
    let problem = reader.fault.map(|(at, words)| {
        let end = (at + 1).min(bytes.len());
        let span = Span::new(file, at.min(end) as u32, end as u32);
        Problem::new("syntax-error", span).case("json").with("found", words)
    });
    (value, problem.into_iter().collect())
}

struct Reader<'b> {
    bytes: &'b [u8],
    file: FileId,
    at: usize,
    /// How deep values may nest.
    depth: usize,
    /// How many more values and names are read.
    left: usize,
    fault: Option<(usize, &'static str)>,
}

impl Reader<'_> {
    fn fail(&mut self, words: &'static str) {
        self.fault.get_or_insert((self.at, words));
    }

    fn space(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn span(&self, start: usize) -> Span {
        Span::new(self.file, start as u32, self.at as u32)
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        self.space();
        let start = self.at;
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            self.fail("more than is read");
            return None;
        }
        if depth > self.depth {
            self.fail("values that nest too deep");
            return None;
        }
        let kind = match self.bytes.get(self.at) {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Kind::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word()?,
        };
        Some(Value { span: self.span(start), kind })
    }

    fn word(&mut self) -> Option<Kind> {
        let words: [(&[u8], Kind); 3] =
            [(b"true", Kind::Bool(true)), (b"false", Kind::Bool(false)), (b"null", Kind::Null)];
        for (word, kind) in words {
            if self.bytes[self.at..].starts_with(word) {
                self.at += word.len();
                return Some(kind);
            }
        }
        self.fail(if self.at < self.bytes.len() { "no value where one must stand" } else { "the end of the file" });
        None
    }

    fn number(&mut self) -> Kind {
        let start = self.at;
        while matches!(self.bytes.get(self.at), Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
            self.at += 1;
        }
        Kind::Number(String::from_utf8_lossy(&self.bytes[start..self.at]).into())
    }

    fn string(&mut self) -> Option<Arc<str>> {
        let opening = self.at;
        self.at += 1;
        let mut out: Vec<u8> = Vec::new();
        loop {
            let byte = match self.bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    self.at += 1;
                    self.escape(&mut out)?;
                    continue;
                }
                Some(byte) if *byte >= b' ' => *byte,
                _ => {
                    self.at = opening;
                    self.fail("a string that is not closed on its line");
                    return None;
                }
            };
            out.push(byte);
            self.at += 1;
        }
        self.at += 1;
        Some(String::from_utf8_lossy(&out).into())
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let letter = match self.bytes.get(self.at) {
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'r') => b'\r',
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(letter @ (b'"' | b'\\' | b'/')) => *letter,
            Some(b'u') => {
                let first = self.unit(self.at + 1)?;
                self.at += 5;
                let mut units = vec![first];
                if (0xd800..0xdc00).contains(&first) && self.bytes[self.at..].starts_with(b"\\u") {
                    units.extend(self.unit(self.at + 2));
                    self.at += 6;
                }
                let text = String::from_utf16_lossy(&units);
                out.extend_from_slice(text.as_bytes());
                return Some(());
            }
            _ => {
                self.fail("an escape that JSON does not have");
                return None;
            }
        };
        out.push(letter);
        self.at += 1;
        Some(())
    }

    fn unit(&mut self, at: usize) -> Option<u16> {
        let digits = self.bytes.get(at..at + 4).and_then(|digits| std::str::from_utf8(digits).ok());
        let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        if unit.is_none() {
            self.fail("an escape that JSON does not have");
        }
        unit
    }

    fn list(&mut self, depth: usize) -> Option<Kind> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        while self.bytes.get(self.at) != Some(&b']') {
            items.push(self.value(depth + 1)?);
            if !self.separator(b']') {
                return Some(Kind::List(items));
            }
        }
        self.at += 1;
        Some(Kind::List(items))
    }

    fn object(&mut self, depth: usize) -> Option<Kind> {
        self.at += 1;
        let mut fields = Vec::new();
        self.space();
        while self.bytes.get(self.at) != Some(&b'}') {
            let start = self.at;
            if self.bytes.get(self.at) != Some(&b'"') {
                self.fail("no name where one must stand");
                return Some(Kind::Object(fields));
            }
            let Some(name) = self.string() else { return Some(Kind::Object(fields)) };
            let span = self.span(start);
            self.space();
            if self.bytes.get(self.at) != Some(&b':') {
                self.fail("no `:` behind a name");
                return Some(Kind::Object(fields));
            }
            self.at += 1;
            match self.value(depth + 1) {
                Some(value) => fields.push((name, span, value)),
                None => return Some(Kind::Object(fields)),
            }
            if self.fault.is_some() || !self.separator(b'}') {
                return Some(Kind::Object(fields));
            }
        }
        self.at += 1;
        Some(Kind::Object(fields))
    }

    /// Takes a comma with another element behind it, or stops before the end. False at a fault.
    fn separator(&mut self, end: u8) -> bool {
        self.space();
        match self.bytes.get(self.at) {
            Some(b',') => {
                self.at += 1;
                self.space();
                if self.bytes.get(self.at) == Some(&end) {
                    self.fail("a comma before the end");
                    return false;
                }
                self.fault.is_none()
            }
            Some(byte) if *byte == end => self.fault.is_none(),
            _ => {
                self.fail("neither a comma nor the end");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Option<String> {
        let (_, problems) = parse(text.as_bytes(), FileId(0), &Limits::default());
        problems.first().map(|one| format!("{} {}", one.at.start, one.arguments[0].1))
    }

    #[test]
    fn values_keep_their_places() {
        let (value, problems) =
            parse(br#" {"a": [1, "x\u00e9\ud83d\ude00"], "b": {"c": true}}"#, FileId(0), &Limits::default());
        assert!(problems.is_empty());
        let value = value.unwrap();
        let text = &value.get("A").unwrap().items()[1];
        assert_eq!((&**text.text().unwrap(), text.span.start), ("x\u{e9}\u{1f600}", 11));
        assert!(value.at(&["b", "c"]).unwrap().is_true());
    }

    #[test]
    fn faults_are_those_of_go() {
        assert_eq!(fault("{}"), None);
        for text in ["{\"a\":1,}", "[1 2]", "{a:1}", "{} x", "\"\n\"", "", "{\"a\" 1}", "// x\n{}"] {
            assert!(fault(text).is_some(), "{text}");
        }
        assert!(fault(&"[".repeat(100_000)).is_some());
    }
}
