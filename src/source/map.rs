//! The registry of texts, and the way from a byte offset back to what a person would open in an editor.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// A text of this run: a file, standard input, or the result of a substitution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u32);

/// Bytes `start..end` of one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// Which text.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes `start..end` of `file`.
    pub fn new(file: FileId, start: u32, end: u32) -> Self {
        debug_assert!(start <= end, "a span runs forward");
        Span { file, start, end }
    }

    /// The same bytes in a registry of texts that has `before` others first.
    pub fn behind(self, before: u32) -> Span {
        Span { file: FileId(self.file.0 + before), ..self }
    }

    /// The smallest span that covers both; both lie in one text.
    pub fn to(self, other: Span) -> Span {
        debug_assert_eq!(self.file, other.file, "a span stays in one text");
        Span { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// Length in bytes.
    pub fn len(self) -> u32 {
        self.end - self.start
    }

    /// Whether it covers no byte: a place between two.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The part `from..to` of this span, offsets in bytes from its start, cut off at its end.
    pub fn part(self, from: u32, to: u32) -> Span {
        let end = self.end.min(self.start.saturating_add(to));
        Span { file: self.file, start: end.min(self.start.saturating_add(from)), end }
    }
}

/// A place as people count: line and column from 1, a column being one Unicode scalar value or one invalid byte;
/// `offset` in bytes from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// Bytes before it.
    pub offset: u32,
}

/// Where the bytes of a text come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// A file that was read.
    File,
    /// Standard input.
    StandardInput,
    /// A file that is larger than is read: it stands here without its bytes. Sizes in bytes.
    Unread {
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// Made from other texts: variables replaced, macros expanded. The segments lie in order and touch one another.
    Substituted(Vec<Segment>),
}

/// One run of bytes of a substituted text, and what they were before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// First byte of the run in the substituted text; it ends where the next begins.
    pub start: u32,
    /// What stands in the source: bytes copied one to one, or the variable or parameter that was replaced.
    pub from: Span,
    /// Whether the bytes were copied one to one, so that offsets inside carry over.
    pub verbatim: bool,
    /// Where the value that was put in is defined (`Define`, the argument of `Use`), if it stands in a text.
    pub defined: Option<Span>,
    /// The `Use` or `import` that brought the run here, if it stands in a text.
    pub used: Option<Span>,
}

/// One text.
#[derive(Debug)]
pub struct SourceFile {
    path: PathBuf,
    bytes: Arc<[u8]>,
    text: Text,
    secret: bool,
    lines: OnceLock<Vec<u32>>,
    /// Places between letters, at least [`STRETCH`] bytes apart, each with how many letters stand before it.
    marks: OnceLock<Vec<(u32, u32)>>,
}

/// Lines longer than this many bytes are counted once, not anew for each place in them.
const STRETCH: usize = 4096;

impl SourceFile {
    /// The path as given on the command line joined with the include; for a substituted text, of the text it stands for.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The content.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The content, shared.
    pub fn shared_bytes(&self) -> Arc<[u8]> {
        Arc::clone(&self.bytes)
    }

    /// Whether a private key stands in it, so that no report may show a line of it.
    pub fn is_secret(&self) -> bool {
        self.secret
    }

    /// Where the content comes from.
    pub fn text(&self) -> &Text {
        &self.text
    }

    fn line_starts(&self) -> &[u32] {
        self.lines.get_or_init(|| {
            let behind = memchr::memchr_iter(b'\n', &self.bytes).map(|at| at as u32 + 1);
            std::iter::once(0).chain(behind).collect()
        })
    }

    /// Number of lines, at least 1.
    pub fn line_count(&self) -> u32 {
        self.line_starts().len() as u32
    }

    /// The bytes of line `line` (from 1), without its line end.
    pub fn line(&self, line: u32) -> &[u8] {
        let starts = self.line_starts();
        let Some(start) = (line as usize).checked_sub(1).and_then(|at| starts.get(at)) else { return &[] };
        let end = starts.get(line as usize).map_or(self.bytes.len(), |next| *next as usize - 1);
        let bytes = &self.bytes[*start as usize..end];
        bytes.strip_suffix(b"\r").unwrap_or(bytes)
    }

    /// The lines that a span touches and `around` more on each side, as bytes; with how many lines stand before them.
    pub fn window(&self, span: Span, around: usize) -> (usize, std::ops::Range<usize>) {
        let starts = self.line_starts();
        let line = |offset: u32| starts.partition_point(|start| *start <= offset) - 1;
        let first = line(span.start).saturating_sub(around);
        let end = starts.get(line(span.end) + around + 1).map_or(self.bytes.len(), |next| *next as usize);
        (first, starts[first] as usize..end)
    }

    /// How many letters stand before a place.
    fn letters_before(&self, offset: usize) -> u32 {
        let marks = self.marks.get_or_init(|| marks(&self.bytes));
        let at = marks.partition_point(|(mark, _)| *mark as usize <= offset) - 1;
        let (mark, count) = marks[at];
        count + scalar_count(&self.bytes[mark as usize..offset])
    }

    /// Line and column of a byte offset; past the end counts as the end.
    pub fn position(&self, offset: u32) -> Position {
        let offset = offset.min(self.bytes.len() as u32);
        let starts = self.line_starts();
        let line = starts.partition_point(|start| *start <= offset);
        let start = starts[line - 1] as usize;
        let column = match offset as usize - start {
            0..=STRETCH => scalar_count(&self.bytes[start..offset as usize]) + 1,
            _ => self.letters_before(offset as usize) - self.letters_before(start) + 1,
        };
        Position { line: line as u32, column, offset }
    }
}

/// Whether some words stand anywhere in a text.
pub fn contains(text: &[u8], words: &[u8]) -> bool {
    memchr::memmem::find(text, words).is_some()
}

/// Where some words stand in a text, in order.
pub fn occurrences<'t>(text: &'t [u8], words: &'t [u8]) -> impl Iterator<Item = usize> + 't {
    memchr::memmem::find_iter(text, words)
}

/// Counts Unicode scalar values, an invalid byte as one.
fn scalar_count(bytes: &[u8]) -> u32 {
    if bytes.is_ascii() {
        return bytes.len() as u32;
    }
    bytes.utf8_chunks().map(|chunk| chunk.valid().chars().count() + chunk.invalid().len()).sum::<usize>() as u32
}

/// Places between letters with how many letters stand before each, the first at the beginning.
fn marks(bytes: &[u8]) -> Vec<(u32, u32)> {
    let mut marks = vec![(0, 0)];
    let (mut offset, mut count, mut last) = (0_usize, 0_u32, 0);
    let mut letter = |length: usize| {
        if offset - last >= STRETCH {
            marks.push((offset as u32, count));
            last = offset;
        }
        offset += length;
        count += 1;
    };
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|one| letter(one.len_utf8()));
        chunk.invalid().iter().for_each(|_| letter(1));
    }
    marks
}

/// A span as a person finds it, with the captions that tell how it got there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The bytes to point at; never in a substituted text.
    pub span: Span,
    /// What else to point at: where a value was defined, where a macro was used.
    pub through: Vec<(Span, &'static str)>,
}

/// All texts of a run. Append only, so that a [`FileId`] stays good.
#[derive(Debug, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
}

impl Sources {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a text and names it. Texts are limited to 4 GiB by [`super::Limits`] long before.
    pub fn add(&mut self, path: impl Into<PathBuf>, bytes: impl Into<Arc<[u8]>>, text: Text) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).expect("fewer texts than the include limit allows"));
        let (path, bytes) = (path.into(), bytes.into());
        self.files.push(SourceFile {
            path,
            bytes,
            text,
            secret: false,
            lines: OnceLock::new(),
            marks: OnceLock::new(),
        });
        id
    }

    /// Adds a file that holds a private key: it has a name and places, and no report shows a line of it.
    pub fn add_secret(&mut self, path: impl Into<PathBuf>, bytes: impl Into<Arc<[u8]>>) -> FileId {
        let id = self.add(path, bytes, Text::File);
        self.files[id.0 as usize].secret = true;
        id
    }

    /// Takes over all texts of another registry, behind these; spans of the other lie in these after [`Span::behind`] with
    /// the number that is given back.
    pub fn append(&mut self, other: Sources) -> u32 {
        let before = u32::try_from(self.files.len()).expect("fewer texts than the include limit allows");
        self.files.extend(other.files.into_iter().map(|mut file| {
            if let Text::Substituted(segments) = &mut file.text {
                for segment in segments {
                    segment.from = segment.from.behind(before);
                    segment.defined = segment.defined.map(|span| span.behind(before));
                    segment.used = segment.used.map(|span| span.behind(before));
                }
            }
            file
        }));
        before
    }

    /// The text of an id that this registry gave.
    pub fn file(&self, id: FileId) -> &SourceFile {
        &self.files[id.0 as usize]
    }

    /// All texts with their ids, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        self.files.iter().enumerate().map(|(at, file)| (FileId(at as u32), file))
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The bytes that a span covers.
    pub fn bytes(&self, span: Span) -> &[u8] {
        let bytes = self.file(span.file).bytes();
        let end = (span.end as usize).min(bytes.len());
        &bytes[(span.start as usize).min(end)..end]
    }

    /// The text that a span covers, invalid bytes replaced: for messages only.
    pub fn text(&self, span: Span) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(self.bytes(span))
    }

    /// Start and end of a span as people count.
    pub fn positions(&self, span: Span) -> (Position, Position) {
        let file = self.file(span.file);
        (file.position(span.start), file.position(span.end))
    }

    /// The bytes of a file that a span stands for one to one, lines joined or not; absent where a part of it was put in by a
    /// variable or a macro.
    pub fn written(&self, span: Span) -> Option<Span> {
        let mut span = span;
        while let Text::Substituted(segments) = self.file(span.file).text() {
            let first = segments.partition_point(|one| one.start <= span.start).checked_sub(1)?;
            let last = segments.partition_point(|one| one.start < span.end).max(first + 1) - 1;
            let is_plain = |one: &Segment| one.verbatim && one.used.is_none();
            if !segments[first..=last].iter().all(is_plain) {
                return None;
            }
            let start = segments[first].from.start + (span.start - segments[first].start);
            let end = segments[last].from.start + (span.end - segments[last].start);
            span = Span::new(segments[first].from.file, start, end.max(start));
        }
        Some(span)
    }

    /// Leads a span in a substituted text back to texts that a person can open; other spans are their own place.
    pub fn resolve_span(&self, span: Span) -> Place {
        let mut place = Place { span, through: Vec::new() };
        while let Text::Substituted(segments) = self.file(place.span.file).text() {
            let Some(first) = segments.partition_point(|one| one.start <= place.span.start).checked_sub(1) else {
                break;
            };
            let last = segments.partition_point(|one| one.start < place.span.end).max(first + 1) - 1;
            let mut found: Option<Span> = None;
            for (at, segment) in segments.iter().enumerate().take(last + 1).skip(first) {
                let end = segments.get(at + 1).map_or(u32::MAX, |next| next.start);
                let part = if segment.verbatim {
                    segment
                        .from
                        .part(place.span.start.saturating_sub(segment.start), place.span.end.min(end) - segment.start)
                } else {
                    segment.from
                };
                found = Some(match found {
                    Some(before) if before.file == part.file => before.to(part),
                    Some(before) => before,
                    None => part,
                });
                let defined = segment.defined.map(|span| (span, "its value is defined here"));
                for step in defined.into_iter().chain(segment.used.map(|span| (span, "used here"))) {
                    if !place.through.contains(&step) {
                        place.through.push(step);
                    }
                }
            }
            let Some(found) = found else { break };
            place.span = found;
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_long_lines_are_those_of_short_ones() {
        let line = "x\u{e4}\u{1f600}\u{20ac}".repeat(3_000).into_bytes();
        let bytes = [b"first\n", &line[..], b"\xff\xfe\xe2\x82", &line[..], b"\nlast"].concat();
        let mut sources = Sources::new();
        let id = sources.add("a", bytes.clone(), Text::File);
        for offset in (6..bytes.len()).step_by(7) {
            let start = bytes[..offset].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let column = scalar_count(&bytes[start..offset]) + 1;
            assert_eq!(sources.file(id).position(offset as u32).column, column, "{offset}");
        }
    }

    #[test]
    fn positions_count_scalars_and_invalid_bytes() {
        let mut sources = Sources::new();
        let id = sources.add("a.conf", b"\xc3\xa4\xff x\r\nline two\n".to_vec(), Text::File);
        let file = sources.file(id);
        assert_eq!(file.position(0), Position { line: 1, column: 1, offset: 0 });
        assert_eq!(file.position(2).column, 2);
        assert_eq!(file.position(3).column, 3);
        assert_eq!(file.position(7), Position { line: 2, column: 1, offset: 7 });
        assert_eq!(file.position(99).line, 3);
        assert_eq!(file.line(1), b"\xc3\xa4\xff x");
        assert_eq!(file.line(2), b"line two");
        assert_eq!(file.line(3), b"");
        assert_eq!(file.line(9), b"");
        assert_eq!(file.line_count(), 3);
    }

    #[test]
    fn a_substituted_span_leads_back_to_body_and_definition() {
        let mut sources = Sources::new();
        let body = sources.add("a.conf", b"Listen ${PORT} https".to_vec(), Text::File);
        let define = sources.add("b.conf", b"Define PORT 8443".to_vec(), Text::File);
        let defined = Span::new(define, 12, 16);
        let segments = vec![
            Segment { start: 0, from: Span::new(body, 0, 7), verbatim: true, defined: None, used: None },
            Segment { start: 7, from: Span::new(body, 7, 14), verbatim: false, defined: Some(defined), used: None },
            Segment { start: 11, from: Span::new(body, 14, 20), verbatim: true, defined: None, used: None },
        ];
        let made = sources.add("a.conf", b"Listen 8443 https".to_vec(), Text::Substituted(segments));
        assert_eq!(
            sources.resolve_span(Span::new(made, 12, 17)),
            Place { span: Span::new(body, 15, 20), through: vec![] }
        );
        let port = sources.resolve_span(Span::new(made, 7, 11));
        assert_eq!(port.span, Span::new(body, 7, 14));
        assert_eq!(port.through, vec![(defined, "its value is defined here")]);
        assert_eq!(sources.resolve_span(Span::new(made, 0, 11)).span, Span::new(body, 0, 14));
        assert_eq!(sources.written(Span::new(made, 12, 17)), Some(Span::new(body, 15, 20)));
        assert_eq!(sources.written(Span::new(made, 7, 17)), None);
        assert_eq!(sources.written(Span::new(body, 0, 3)), Some(Span::new(body, 0, 3)));
        assert_eq!(sources.resolve_span(Span::new(body, 3, 4)).span, Span::new(body, 3, 4));
    }
}
