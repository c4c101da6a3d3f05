//! Holds one directive against the table.

use foldhash::HashMap;

use super::expression;
use super::table::{Arguments, Context, Entry, find, is_foreign, nearest};
use crate::diagnostic::{Edit, Fix, Problem, Safety, Severity};
use crate::platform::Version;
use crate::server::apache::include::Modules;
use crate::server::apache::syntax::Word;
use crate::source::{FileId, Span};

/// Where a directive stands and who reads it.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    /// The context; absent where it follows rules of its own.
    pub context: Option<Context>,
    /// The release.
    pub version: Version,
    /// Whether the release is only assumed.
    pub version_is_assumed: bool,
    /// The modules that are loaded in the end.
    pub modules: &'a Modules,
}

/// A directive, or the head of a section, as it is written.
#[derive(Clone, Copy)]
pub struct Written<'t, 'w> {
    /// Its name, without `<`.
    pub name: &'t [u8],
    /// Where its name stands.
    pub at: Span,
    /// Whether it is a section.
    pub is_section: bool,
    /// Its arguments.
    pub words: &'w [Word],
    /// The text that they stand in.
    pub text: &'t [u8],
    /// The id of the text.
    pub file: FileId,
}

/// Rows of names that may stand where they stood: most lines of a configuration begin like another one.
pub type Known<'t> = HashMap<(&'t [u8], bool, Option<Context>), &'static Entry>;

/// What is wrong with one directive: the first fault that httpd would stop at. Gives its row too, where it has one.
pub fn check<'t>(
    written: Written<'t, '_>,
    reader: Reader<'_>,
    known: &mut Known<'t>,
) -> (Option<&'static Entry>, Option<Problem>) {
    let key = (written.name, written.is_section, reader.context);
    if let Some(row) = known.get(&key) {
        return (Some(row), arguments(row, written));
    }
    let (row, problem) = place(written, reader);
    match row {
        Some(row) => {
            known.insert(key, row);
            (Some(row), arguments(row, written))
        }
        None => (None, problem),
    }
}

/// The row of a directive that may stand where it stands, or what is wrong with that.
fn place(written: Written<'_, '_>, reader: Reader<'_>) -> (Option<&'static Entry>, Option<Problem>) {
    let Written { name, at, is_section, .. } = written;
    let key = if is_section { [b"<", name].concat() } else { Vec::new() };
    let rows = find(if is_section { &key } else { name });
    let shown = String::from_utf8_lossy(name).into_owned();
    let Some(row) = rows.iter().find(|row| row.is_in(reader.version)).or(rows.first()) else {
        return (None, unknown(&shown, written, reader));
    };
    if !row.is_in(reader.version) {
        return (None, Some(other_release(row, &shown, at, reader)));
    }
    if !row.is_loaded(reader.modules) {
        return (None, Some(not_loaded(row, shown, at, reader)));
    }
    if let Some(context) = reader.context.filter(|context| !row.stands_in(*context)) {
        let module = row.modules.split(',').next().unwrap_or_default();
        let problem = Problem::new("directive-not-allowed-here", at).with("name", shown);
        let problem = problem.with("context", context.name()).with("module", module);
        let only_global = context == Context::VirtualHost && row.stands_in(Context::Server);
        return (None, Some(if only_global { problem.case("global") } else { problem }));
    }
    (Some(row), None)
}

fn arguments(row: &Entry, written: Written<'_, '_>) -> Option<Problem> {
    let Written { name, words, text, at, file, .. } = written;
    let shown = || String::from_utf8_lossy(name).into_owned();
    // An empty word ends the list.
    let count = words.iter().take_while(|word| !word.value(text).is_empty()).count();
    let count = if count == words.len() { count } else { count + words[count + 1..].len() };
    if !row.takes(count) || count > words.len() {
        let comment = words.iter().skip(1).find(|word| !word.is_quoted() && word.value(text).starts_with(b"#"));
        if let Some(comment) = comment.filter(|_| row.takes(words_before(words, text))) {
            return Some(inline_comment(comment.span(file), written, &shown()));
        }
        let problem = Problem::new("invalid-argument", at).case("count").with("name", shown());
        return Some(problem.with("expected", row.expected()).with("count", count.to_string()));
    }
    let first = words.first()?;
    let value = first.value(text);
    let is_flag = |value: &[u8]| value.eq_ignore_ascii_case(b"on") || value.eq_ignore_ascii_case(b"off");
    if row.arguments == Arguments::Flag && !is_flag(&value) && !value.windows(2).any(|pair| pair == b"${") {
        let problem = Problem::new("invalid-argument", first.span(file)).case("value").with("name", shown());
        let problem = problem.with("value", String::from_utf8_lossy(&value));
        return Some(problem.with("expected", "`on` or `off`"));
    }
    expression::check(row.lower, written.is_section, words, text, file)
}

/// How many words stand before one that was meant to begin a comment.
fn words_before(words: &[Word], text: &[u8]) -> usize {
    words.iter().take_while(|word| word.is_quoted() || !word.value(text).starts_with(b"#")).count()
}

/// Apache has no comments behind a directive: their words are arguments.
fn inline_comment(at: Span, written: Written<'_, '_>, shown: &str) -> Problem {
    let end = written.words.last().map_or(at, |word| word.span(written.file));
    let mut problem = Problem::new("inline-comment", at.to(end)).with("name", shown);
    problem.fix = comment_above(written.text, written.at, at.to(end));
    problem
}

/// Moves a comment behind a directive to a line of its own above it. `name` is where the directive begins.
pub fn comment_above(text: &[u8], name: Span, comment: Span) -> Option<Fix> {
    let start = name.start as usize;
    let line = text[..start].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let indent = text.get(line..start).filter(|indent| indent.iter().all(u8::is_ascii_whitespace))?;
    let between = text.get(start..comment.start as usize).filter(|between| !between.contains(&b'\n'))?;
    let words = String::from_utf8_lossy(text.get(comment.start as usize..comment.end as usize)?);
    let kept = between.trim_ascii_end().len();
    let ending = if text[..line].ends_with(b"\r\n") { "\r\n" } else { "\n" };
    let above = format!("{words}{ending}{}", String::from_utf8_lossy(indent));
    let is_one_line = !words.contains('\n');
    is_one_line.then(|| Fix {
        title: "put the comment on a line of its own".to_owned(),
        safety: Safety::Safe,
        edits: vec![
            Edit { span: Span { end: name.start, ..name }, text: above },
            Edit { span: Span { start: name.start + kept as u32, ..comment }, text: String::new() },
        ],
    })
}

fn not_loaded(row: &Entry, shown: String, at: Span, reader: Reader<'_>) -> Problem {
    let module = row.modules.split(',').next().unwrap_or_default();
    if module == "mod_ssl" && !reader.modules.has_foreign() {
        return Problem::new("ssl-module-not-loaded", at).with("name", shown);
    }
    Problem::new("unknown-directive", at).case("not-loaded").with("name", shown).with("module", module)
}

fn unknown(name: &str, written: Written<'_, '_>, reader: Reader<'_>) -> Option<Problem> {
    let problem = Problem::new("unknown-directive", written.at).with("name", name);
    let key = if written.is_section { [b"<", written.name].concat() } else { written.name.to_vec() };
    if is_foreign(&key) {
        // Without its module httpd does not start; whether that is loaded, a part does not tell.
        let is_missing = !reader.modules.is_open() && !reader.modules.has_foreign();
        return is_missing.then(|| problem.case("foreign"));
    }
    if reader.modules.has_foreign() {
        return Some(problem.case("foreign-module").severity(Severity::Info));
    }
    if name.contains("${") {
        return Some(problem.case("variable"));
    }
    Some(match nearest(name, written.is_section) {
        Some((meant, 1)) => problem.case("misspelt").with("meant", meant).fix(Fix {
            title: format!("write `{meant}`"),
            safety: Safety::Safe,
            edits: vec![Edit { span: written.at, text: meant.to_owned() }],
        }),
        Some((meant, _)) => problem.case("misspelt").with("meant", meant),
        None => problem,
    })
}

/// A name that other releases know.
fn other_release(row: &Entry, name: &str, at: Span, reader: Reader<'_>) -> Problem {
    let version = reader.version.to_string();
    let problem = match row.first.filter(|first| *first > reader.version) {
        Some(first) => Problem::new("directive-unknown-in-version", at).with("first", first.to_string()),
        None => {
            let last = row.last.map_or_else(String::new, |last| last.to_string());
            Problem::new("directive-removed", at).with("last", last)
        }
    };
    let problem = problem.with("name", name).with("version", version);
    // 2.2 is gone everywhere; a release of 2.4 may be another one than was assumed.
    let is_close = row.last.is_none_or(|last| last.at_least(2, 4, 0));
    if reader.version_is_assumed && is_close { problem.case("assumed").severity(Severity::Info) } else { problem }
}
