//! `${NAME}`: what is defined, what the environment holds, and the text that comes of it.
//!
//! Source: Apache 2.4, `ap_resolve_env`: the whole line before words are cut, once, without recursion; names that are
//! defined are compared without case, those of the environment exactly.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Reader, Statement};
use crate::diagnostic::Problem;
use crate::server::apache::syntax::Word;
use crate::source::{FileSystem, Segment, Sources, Span, Text};

/// A value and where it is written, if it stands in a text.
#[derive(Clone, Debug)]
struct Value {
    text: Arc<[u8]>,
    defined: Option<Span>,
}

/// What `${NAME}` can stand for.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    defined: HashMap<Vec<u8>, Value>,
    /// Names as given by `Define` and `-D`, for `<IfDefine>`.
    names: HashMap<Vec<u8>, ()>,
    environment: HashMap<Vec<u8>, Arc<[u8]>>,
    known: bool,
    /// Names that the scripts assign what only a shell can tell.
    opaque: HashSet<String>,
    /// Where OpenSSL is told to write its secrets to.
    secrets: Option<SecretsLog>,
}

/// `SSLKEYLOGFILE`, as a script exports it (mod_ssl from 2.4.49 on: AH10227).
#[derive(Clone, Debug)]
pub struct SecretsLog {
    path: PathBuf,
    script: Arc<[u8]>,
    /// The line of the script.
    line: std::ops::Range<usize>,
    file: String,
}

impl SecretsLog {
    const NAME: &str = "SSLKEYLOGFILE";

    /// The problem of it, the script being taken among the texts.
    pub fn problem(self, sources: &mut Sources) -> Problem {
        let id = sources.add(self.path, self.script, Text::File);
        let span = Span::new(id, self.line.start as u32, self.line.end as u32);
        Problem::new("tls-secrets-logged", span).case("exported").with("path", self.file)
    }
}

impl Variables {
    /// Takes what a user defines for a run: a name alone as `-D` does, one with a value as `Define` and the environment.
    pub fn give(&mut self, name: &str, value: Option<&str>) {
        self.names.insert(name.as_bytes().to_vec(), ());
        if let Some(value) = value {
            let text: Arc<[u8]> = value.as_bytes().into();
            self.environment.insert(name.as_bytes().to_vec(), Arc::clone(&text));
            self.defined.insert(name.to_ascii_lowercase().into_bytes(), Value { text, defined: None });
        }
    }

    /// Reads the environment that Debian's scripts give: assignments of a shell script, with what was assigned before them
    /// replaced. Conditions are not judged: the last assignment holds.
    pub fn read_environment(&mut self, files: &dyn FileSystem, path: &Path) {
        let Ok(text) = files.read(path, 1 << 20) else { return };
        self.known = true;
        let mut assigned: HashMap<String, String> = HashMap::new();
        for written in String::from_utf8_lossy(&text).lines() {
            let line = written.trim();
            let line = line.strip_prefix("export ").unwrap_or(line).trim();
            // Another script may give more.
            self.known &= !line.starts_with(". ") && !line.starts_with("source ");
            let Some((name, value)) = line.split_once('=') else { continue };
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            if name.is_empty() || !name.bytes().all(is_name) {
                continue;
            }
            if value.contains(['`', '(', '#', '%']) {
                self.opaque.insert(name.to_owned());
                continue;
            }
            let value = value.trim().trim_matches(['"', '\'']);
            let value = expanded(value, &assigned);
            if name == SecretsLog::NAME {
                let place = text.windows(written.len()).position(|window| window == written.as_bytes());
                let log = |at: usize| SecretsLog {
                    path: path.to_path_buf(),
                    script: Arc::clone(&text),
                    line: at..at + written.len(),
                    file: value.clone(),
                };
                self.secrets = place.filter(|_| !value.is_empty()).map(log);
            }
            assigned.insert(name.to_owned(), value);
        }
        for (name, value) in assigned {
            self.environment.entry(name.into_bytes()).or_insert_with(|| value.into_bytes().into());
        }
    }

    /// Whether all of the environment is known.
    pub fn environment_is_known(&self) -> bool {
        self.known
    }

    /// Where the environment has OpenSSL write its secrets to.
    pub fn exports(&self) -> Option<&SecretsLog> {
        self.secrets.as_ref()
    }

    /// Names that the environment gives values that are not in the files.
    pub fn opaque(&self) -> &HashSet<String> {
        &self.opaque
    }

    /// Whether a name is defined, as `<IfDefine>` asks.
    pub(super) fn is_defined(&self, name: &[u8]) -> bool {
        self.names.contains_key(name)
    }

    /// `UnDefine`.
    pub(super) fn undefine(&mut self, name: &[u8]) {
        self.names.remove(name);
        self.defined.remove(&name.to_ascii_lowercase());
    }

    fn get(&self, name: &[u8]) -> Option<(&[u8], Option<Span>)> {
        if let Some(value) = self.defined.get(&name.to_ascii_lowercase()) {
            return Some((&value.text, value.defined));
        }
        self.environment.get(name).map(|text| (&**text, None))
    }
}

/// A shell's value with `$NAME` and `${NAME}` replaced by what was assigned before; other names are empty.
fn expanded(value: &str, assigned: &HashMap<String, String>) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let braced = after.starts_with('{');
        let name: String = after
            .chars()
            .skip(usize::from(braced))
            .take_while(|one| one.is_ascii_alphanumeric() || *one == '_')
            .collect();
        out.push_str(assigned.get(&name).map_or("", String::as_str));
        let taken = name.len() + 2 * usize::from(braced && after[1 + name.len()..].starts_with('}'));
        rest = after.get(taken..).unwrap_or("");
    }
    out.push_str(rest);
    out
}

impl Reader<'_> {
    /// `Define NAME [VALUE]`.
    pub(super) fn define(&mut self, statement: &Statement, name: Word, value: Option<Word>) {
        let text = Arc::clone(self.out.text(statement.text));
        let key = name.value(&text).into_owned();
        if key.contains(&b':') {
            let problem = Problem::new("invalid-argument", name.span(statement.text)).case("value");
            let problem = problem.with("name", "Define").with("value", String::from_utf8_lossy(&key));
            self.out.problems.push(problem.with("expected", "a name without `:`"));
            return;
        }
        self.variables.names.insert(key.clone(), ());
        if let Some(word) = value {
            let value = Value { text: word.value(&text).as_ref().into(), defined: Some(word.span(statement.text)) };
            self.variables.defined.insert(key.to_ascii_lowercase(), value);
        }
    }

    /// Replaces all variables of a line; `segments` say where each byte of it stands.
    pub(super) fn substitute(&mut self, text: Vec<u8>, segments: Vec<Segment>, line: Span) -> (Vec<u8>, Vec<Segment>) {
        let mut out: Vec<u8> = Vec::with_capacity(text.len() + 32);
        let mut made = Vec::with_capacity(segments.len() + 2);
        let mut at = 0;
        while let Some(open) = text[at..].windows(2).position(|pair| pair == b"${").map(|found| at + found) {
            let Some(close) = text[open..].iter().position(|byte| *byte == b'}').map(|found| open + found) else {
                break;
            };
            let name = &text[open + 2..close];
            copy(&text, at..open, &segments, &mut out, &mut made);
            match self.variables.get(name) {
                Some((value, defined)) => {
                    let from = origin(&segments, open..close + 1).unwrap_or(line);
                    let start = out.len() as u32;
                    made.push(Segment { start, from, verbatim: false, defined, used: None });
                    out.extend_from_slice(value);
                }
                None => copy(&text, open..close + 1, &segments, &mut out, &mut made),
            }
            at = close + 1;
        }
        copy(&text, at..text.len(), &segments, &mut out, &mut made);
        (out, made)
    }
}

/// Copies bytes with the places that they stand in.
fn copy(text: &[u8], range: std::ops::Range<usize>, segments: &[Segment], out: &mut Vec<u8>, made: &mut Vec<Segment>) {
    for (at, segment) in segments.iter().enumerate() {
        let end = segments.get(at + 1).map_or(text.len(), |next| next.start as usize);
        let from = (segment.start as usize).max(range.start);
        let to = end.min(range.end);
        if from < to {
            let skipped = from as u32 - segment.start;
            let place = segment.from.part(skipped, skipped + (to - from) as u32);
            made.push(Segment { start: out.len() as u32, from: place, ..*segment });
            out.extend_from_slice(&text[from..to]);
        }
    }
}

/// Where some bytes stand: in the first segment that they touch.
fn origin(segments: &[Segment], range: std::ops::Range<usize>) -> Option<Span> {
    let at = segments.partition_point(|one| one.start as usize <= range.start).checked_sub(1)?;
    let skipped = range.start as u32 - segments[at].start;
    Some(segments[at].from.part(skipped, skipped + range.len() as u32))
}
