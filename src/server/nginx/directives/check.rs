//! Holds one directive against the table.

use foldhash::{HashMap, HashMapExt};

use super::expression;
use super::table::{Context, Entry, Kind, find, nearest};
use crate::diagnostic::{Edit, Fix, Problem, Safety, Severity};
use crate::platform::Version;
use crate::server::nginx::syntax::{Tree, Word};
use crate::source::{FileId, Span};

/// Where a directive stands and who reads it.
#[derive(Clone, Copy)]
pub struct Reader {
    /// The context; absent where it is not known.
    pub context: Option<Context>,
    /// The release.
    pub version: Version,
    /// Whether the release is only assumed.
    pub version_is_assumed: bool,
    /// Whether a module is loaded that may bring directives of its own.
    pub foreign_module: bool,
}

/// What is wrong with one directive: the first fault that nginx would stop at.
pub fn check(tree: &Tree, index: usize, text: &[u8], file: FileId, reader: Reader) -> Option<Problem> {
    let name = tree.name(index, text);
    let directive = &tree.directives[index];
    let at = tree.words[directive.first_word as usize].span(file);
    // Nearly every directive is in order: words are made only where one is not.
    let shown = || String::from_utf8_lossy(name).into_owned();
    let all = find(name);
    if all.is_empty() {
        return Some(unknown(&shown(), at, reader));
    }
    if all.iter().any(|entry| entry.foreign) && !all.iter().any(|entry| entry.is_in(reader.version) && !entry.foreign) {
        return None;
    }
    let present = || all.iter().filter(|entry| entry.is_in(reader.version));
    let Some(first) = present().next() else { return Some(other_release(all, &shown(), at, reader)) };
    let here = || present().filter(|entry| reader.context.is_none_or(|context| entry.stands_in(context)));
    let Some(entry) = here().find(|entry| entry.block == directive.block.is_some()).or_else(|| here().next()) else {
        let other = all.iter().any(|entry| reader.context.is_some_and(|context| entry.stands_in(context)));
        if other {
            return Some(other_release(all, &shown(), at, reader));
        }
        let context = reader.context.map_or("here", Context::name);
        let problem = Problem::new("directive-not-allowed-here", at).with("name", shown()).with("context", context);
        return Some(problem.with("module", first.module));
    };
    if let Some(problem) = runs_on(tree, index, text, file, entry, reader) {
        return Some(problem);
    }
    if entry.block != directive.block.is_some() {
        let case = if entry.block { "no-block" } else { "stray-block" };
        return Some(Problem::new("syntax-error", at).case(case).with("name", shown()));
    }
    let words = tree.args(index);
    if !entry.takes(words.len()) {
        let problem = Problem::new("invalid-argument", at).case("count").with("name", shown());
        return Some(problem.with("expected", entry.expected()).with("count", words.len().to_string()));
    }
    value(entry, words, text, file, name).or_else(|| expression::check(name, words, text, file))
}

/// A directive that lacks its `;` takes the next line for arguments: when that line begins with a directive of this
/// context and could be one.
fn runs_on(tree: &Tree, index: usize, text: &[u8], file: FileId, entry: &Entry, reader: Reader) -> Option<Problem> {
    let directive = &tree.directives[index];
    let first = directive.first_word as usize;
    let words = &tree.words[first..first + directive.word_count as usize];
    let context = reader.context?;
    for (at, pair) in words.windows(2).enumerate() {
        let [before, word] = pair else { continue };
        let between = &text[before.end as usize..word.start as usize];
        if word.is_quoted() || !between.contains(&b'\n') {
            continue;
        }
        let rest = words.len() - at - 2;
        let name = &text[word.start as usize..word.end as usize];
        let is_directive = find(name).iter().any(|other| {
            !other.foreign
                && other.is_in(reader.version)
                && other.stands_in(context)
                && other.takes(rest)
                && other.block == directive.block.is_some()
        });
        // A list that could go on is taken for one unless something follows the name.
        let is_list = entry.takes(words.len() - 1) && entry.block == directive.block.is_some();
        if is_directive && entry.takes(at) && (!is_list || rest > 0) && !entry.block {
            let end = Span::new(file, before.end, before.end);
            let point = before.span(file);
            let shown = String::from_utf8_lossy(&text[words[0].start as usize..words[0].end as usize]).into_owned();
            let next = String::from_utf8_lossy(name).into_owned();
            let edits = vec![Edit { span: end, text: ";".to_owned() }];
            let fix = Fix { title: "add the missing `;`".to_owned(), safety: Safety::Safe, edits };
            // A list takes the next line for more of it: nginx starts, and the next directive is lost.
            let problem = match is_list {
                true => Problem::new("swallowed-directive", point),
                false => Problem::new("syntax-error", point).case("runs-on"),
            };
            let problem = problem.with("name", shown).with("next", next);
            return Some(problem.related(word.span(file), "taken for an argument").fix(fix));
        }
    }
    None
}

fn unknown(name: &str, at: Span, reader: Reader) -> Problem {
    let problem = Problem::new("unknown-directive", at).with("name", name);
    if reader.foreign_module {
        return problem.case("foreign-module").severity(Severity::Info);
    }
    match nearest(name, reader.context) {
        Some((meant, 1)) => problem.case("misspelt").with("meant", meant).fix(Fix {
            title: format!("write `{meant}`"),
            safety: Safety::Safe,
            edits: vec![Edit { span: at, text: meant.to_owned() }],
        }),
        Some((meant, _)) => problem.case("misspelt").with("meant", meant),
        None => problem,
    }
}

/// A name that other releases know.
fn other_release(all: &[Entry], name: &str, at: Span, reader: Reader) -> Problem {
    let version = reader.version.to_string();
    let newer = all.iter().filter_map(|entry| entry.first).filter(|first| *first > reader.version).min();
    let problem = match newer {
        Some(first) => Problem::new("directive-unknown-in-version", at).with("first", first.to_string()),
        None => {
            let last = all.iter().filter_map(|entry| entry.last).max();
            Problem::new("directive-removed", at).with("last", last.map_or_else(String::new, |last| last.to_string()))
        }
    };
    let problem = problem.with("name", name).with("version", version);
    if reader.version_is_assumed { problem.case("assumed").severity(Severity::Info) } else { problem }
}

/// A value that its kind does not take. What hangs on a variable is not judged.
fn value(entry: &Entry, words: &[Word], text: &[u8], file: FileId, name: &[u8]) -> Option<Problem> {
    let wrong = |word: &Word, expected: &str| {
        let value = String::from_utf8_lossy(&word.value(text)).into_owned();
        let name = String::from_utf8_lossy(name);
        let problem = Problem::new("invalid-argument", word.span(file)).case("value").with("name", name);
        Some(problem.with("value", value).with("expected", expected))
    };
    let listed =
        |words: &'static str, value: &[u8]| words.split(' ').any(|one| one.as_bytes().eq_ignore_ascii_case(value));
    let one = words.first().filter(|word| words.len() == 1 && !word.has_variable());
    match entry.kind {
        Kind::Flag => {
            one.filter(|word| !listed("on off", &word.value(text))).and_then(|word| wrong(word, "`on` or `off`"))
        }
        Kind::Number => one.filter(|word| !is_number(&word.value(text))).and_then(|word| wrong(word, "a number")),
        Kind::Size => {
            one.filter(|word| !is_size(&word.value(text))).and_then(|word| wrong(word, "a size such as `16k` or `10m`"))
        }
        Kind::Time => {
            one.filter(|word| !is_time(&word.value(text))).and_then(|word| wrong(word, "a time such as `60s` or `1d`"))
        }
        Kind::Enum(known) => {
            let is_other = |word: &&Word| !listed(known, &word.value(text));
            one.filter(is_other).and_then(|word| wrong(word, &format!("one of: {known}")))
        }
        // The front end says which protocols it does not know.
        Kind::Bitmask(_) if name == b"ssl_protocols" => None,
        Kind::Bitmask(known) => {
            let bad = words.iter().find(|word| !word.has_variable() && !listed(known, &word.value(text)));
            bad.and_then(|word| wrong(word, &format!("some of: {known}")))
        }
        Kind::Text | Kind::Once | Kind::Other => None,
    }
}

fn is_number(value: &[u8]) -> bool {
    !value.is_empty() && value.len() <= 18 && value.iter().all(u8::is_ascii_digit)
}

/// `ngx_parse_size`, `ngx_parse_offset`.
fn is_size(value: &[u8]) -> bool {
    match value.split_last() {
        Some((b'k' | b'K' | b'm' | b'M' | b'g' | b'G', digits)) => is_number(digits),
        _ => is_number(value),
    }
}

/// `ngx_parse_time`: numbers with units from large to small, blanks between.
fn is_time(value: &[u8]) -> bool {
    const UNITS: [&[u8]; 8] = [b"y", b"M", b"w", b"d", b"h", b"m", b"s", b"ms"];
    let mut rest = value;
    let mut from = 0;
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || digits > 18 {
            return false;
        }
        rest = &rest[digits..];
        let letters = rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        if letters == 0 {
            return rest.iter().all(|byte| *byte == b' ');
        }
        let Some(unit) = UNITS[from..].iter().position(|unit| **unit == rest[..letters]) else { return false };
        from += unit + 1;
        rest = rest[letters..].trim_ascii_start();
    }
    true
}

/// Whether nginx refuses a second directive of a name in one block.
pub fn stands_once(name: &[u8], reader: Reader) -> bool {
    let stands =
        |entry: &&Entry| entry.is_in(reader.version) && reader.context.is_some_and(|context| entry.stands_in(context));
    let mut standing = find(name).iter().filter(stands);
    let is_once = |entry: &Entry| !matches!(entry.kind, Kind::Bitmask(_) | Kind::Other);
    standing.next().is_some_and(is_once) && standing.next().is_none()
}

/// Directives that may stand once in a block and stand twice.
pub fn check_duplicates(
    tree: &Tree,
    directives: &[usize],
    text: &[u8],
    file: FileId,
    reader: Reader,
    problems: &mut Vec<Problem>,
) {
    if directives.len() < 2 {
        return;
    }
    let mut seen = Seen::new(directives.len());
    for index in directives {
        let name = tree.name(*index, text);
        let Some(first) = seen.insert(name, *index) else { continue };
        if !stands_once(name, reader) {
            continue;
        }
        let words = |index: usize| tree.args(index).iter().map(|word| word.value(text)).collect::<Vec<_>>();
        let span = |index: usize| {
            let directive = &tree.directives[index];
            tree.words[directive.first_word as usize].span(file)
        };
        let is_simple = tree.directives[*index].block.is_none();
        let identical = is_simple && words(first) == words(*index);
        let mut problem = Problem::new("directive-duplicate", span(*index))
            .with("name", String::from_utf8_lossy(name))
            .related(span(first), "first here");
        if identical {
            let directive = &tree.directives[*index];
            let (start, end) = line_of(text, directive.start as usize, directive.end as usize);
            let edits = vec![Edit { span: Span::new(file, start as u32, end as u32), text: String::new() }];
            problem = problem.case("identical").fix(Fix {
                title: "remove the second".to_owned(),
                safety: Safety::Safe,
                edits,
            });
        }
        problems.push(problem);
    }
}

/// The last directive of each name. Most blocks have few: those are compared one by one.
enum Seen<'t> {
    Few(Vec<(&'t [u8], usize)>),
    Many(HashMap<&'t [u8], usize>),
}

impl<'t> Seen<'t> {
    fn new(count: usize) -> Self {
        const FEW: usize = 16;
        if count <= FEW { Seen::Few(Vec::with_capacity(count)) } else { Seen::Many(HashMap::with_capacity(count)) }
    }

    /// The one before of that name.
    fn insert(&mut self, name: &'t [u8], index: usize) -> Option<usize> {
        match self {
            Seen::Many(all) => all.insert(name, index),
            Seen::Few(all) => match all.iter_mut().find(|(other, _)| *other == name) {
                Some((_, before)) => Some(std::mem::replace(before, index)),
                None => {
                    all.push((name, index));
                    None
                }
            },
        }
    }
}

/// The bytes to take away for a directive: its line too, where nothing else stands on it.
pub fn line_of(text: &[u8], start: usize, end: usize) -> (usize, usize) {
    let line_start = text[..start].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let line_end = text[end..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| end + at + 1);
    let is_blank = |range: &[u8]| range.iter().all(u8::is_ascii_whitespace);
    if is_blank(&text[line_start..start]) && is_blank(&text[end..line_end]) {
        (line_start, line_end)
    } else {
        (start, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_nginx_reads_them() {
        for good in ["0", "60", "60s", "1h30m", "1d 12h", "500ms", "1y", "1M", "5m 3s"] {
            assert!(is_time(good.as_bytes()), "{good}");
        }
        for bad in ["", "s", "1x", "1s1h", "1.5h", "-1", "1 x"] {
            assert!(!is_time(bad.as_bytes()), "{bad}");
        }
    }
}
