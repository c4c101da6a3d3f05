//! Reads a Caddyfile with everything that it imports: files once each, their words as often as they are imported.
//!
//! Imports are followed while the text is cut into sections, as Caddy does it, since what a snippet's words mean hangs on
//! where they are put. Limits keep a text from a stranger from growing without bound: what imports may add is a multiple of
//! what was read.

mod arguments;
mod graph;
mod import;
mod parser;
mod piece;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
use rayon::prelude::*;

use super::directives::{self, Place};
use super::syntax::{self, Defines, Pool, Section, Word};
use crate::diagnostic::{Problem, Unchecked};
use crate::model::Frames;
use crate::pki;
use crate::platform::{Environment, Version};
use crate::server::{Root, unread};
use crate::source::{self, FileId, FileSystem, Limits, ReadError, Sources, Span, WordCount};

/// One file that was read.
pub struct LoadedFile {
    /// Where it was found.
    pub path: PathBuf,
    /// Its text as it is on disk.
    pub id: FileId,
    /// The bytes of it.
    pub bytes: Arc<[u8]>,
    /// Its words, until nothing can import them any more.
    text: Text,
}

/// Words that can be imported.
#[derive(Clone, Default)]
struct Text {
    words: Arc<[Word]>,
    /// Whether an import may put something in the place of one of them.
    has_arguments: bool,
}

impl Text {
    fn of(words: Vec<Word>) -> Text {
        let is_one = |word: &Word| {
            word.text.as_bytes().contains(&b'{') && (word.text.contains("{args") || word.text.contains("{block"))
        };
        Text { has_arguments: words.iter().any(is_one), words: words.into() }
    }
}

/// How many files one worker takes at a time.
const AT_ONCE: usize = 64;

/// How many bytes of text are cut together: then their words are counted.
const TOGETHER: usize = 4 << 20;

/// A Caddyfile and all that it imports.
pub struct Loaded {
    /// Every file, in the order of discovery; the first `roots` were asked for.
    pub files: Vec<LoadedFile>,
    /// Site blocks, named routes and global options, in reading order.
    pub sections: Vec<Section>,
    /// The imports.
    pub frames: Frames,
    /// What is wrong with the text itself.
    pub problems: Vec<Problem>,
    /// What could not be read.
    pub unjudged: Vec<Unchecked>,
}

impl Loaded {
    /// Nothing, as of a configuration that is no Caddyfile.
    pub fn empty() -> Loaded {
        let (frames, problems, unjudged) = (Frames::default(), Vec::new(), Vec::new());
        Loaded { files: Vec::new(), sections: Vec::new(), frames, problems, unjudged }
    }

    /// The file whose text a span lies in.
    pub fn file(&self, id: FileId) -> Option<&LoadedFile> {
        // Files get their numbers in the order in which they are read.
        let at = self.files.binary_search_by_key(&id.0, |file| file.id.0).ok()?;
        self.files.get(at)
    }

    /// Reads the roots, one after another as one text, and what they import.
    pub fn read(reading: Reading<'_>, sources: &mut Sources, roots: Vec<Root>) -> Loaded {
        let mut files = Files {
            reading,
            sources,
            files: Vec::new(),
            known: HashMap::new(),
            words: 0,
            count: WordCount::new(reading.limits),
            pool: Pool::default(),
        };
        let mut problems = Vec::new();
        for root in roots {
            let text = root.text.clone();
            let added = files.add(root, &mut problems);
            problems.extend(files.files.last().and_then(|file| unread(&text, file.id)));
            if added.is_err() {
                let last = files.files.last().map(|file| Span::new(file.id, 0, file.bytes.len().min(1) as u32));
                let problem = |at| Problem::new("syntax-error", at).case("too-many-words");
                problems.extend(last.map(|at| problem(at).with("limit", reading.limits.words.to_string())));
            }
        }
        let roots = files.files.len();
        parser::parse(files, roots, problems)
    }
}

/// What a Caddyfile is read with.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    /// The files.
    pub files: &'a dyn FileSystem,
    /// How much is read.
    pub limits: &'a Limits,
    /// Values of environment variables.
    pub defines: &'a Defines,
    /// The environment of the service that runs it, where that is known.
    pub environment: Option<&'a Environment>,
    /// The version of Caddy that reads it.
    pub version: Version,
    /// Whether that version is a guess.
    pub version_is_assumed: bool,
    /// Whether the text is a part, so that snippets may be defined elsewhere.
    pub fragment: bool,
}

/// Whether a text begins with a directive or a matcher, as the inside of a site block does.
pub fn begins_in_site(bytes: &[u8]) -> bool {
    let lexed = syntax::lex(bytes, FileId(0), 0, &[], &mut Pool::default(), Limits::default().words);
    is_in_site(&lexed.words)
}

fn is_in_site(words: &[Word]) -> bool {
    let known =
        |text: &str| directives::find(Place::Site, text).is_some() || directives::plugin(Place::Site, text).is_some();
    words.first().is_some_and(|word| !word.opens() && (word.text.starts_with('@') || known(&word.text)))
}

/// Whether a text begins as the block of a directive does, of which nothing is about TLS.
fn is_inside_directive(words: &[Word]) -> bool {
    words.first().is_some_and(|word| !word.opens() && directives::is_inner(&word.text))
}

/// A text that was cut, and what is wrong with it.
#[derive(Default)]
struct Cut {
    text: Text,
    problems: Vec<Problem>,
    heredocs: Vec<Span>,
}

impl Cut {
    fn of(lexed: syntax::Lexed) -> Cut {
        Cut { text: Text::of(lexed.words), problems: lexed.problems, heredocs: lexed.heredocs }
    }
}

/// Where a text was found, and its bytes.
type Plain = (PathBuf, Arc<[u8]>);

/// Files of a run.
struct Files<'a> {
    reading: Reading<'a>,
    sources: &'a mut Sources,
    files: Vec<LoadedFile>,
    known: HashMap<PathBuf, Result<usize, ReadError>>,
    /// How many words all files have together.
    words: usize,
    count: WordCount,
    pool: Pool,
}

impl Files<'_> {
    /// Cuts a text that was read, and keeps it; one with too many words is kept without any.
    ///
    /// # Errors
    /// Where it has too many.
    fn add(&mut self, root: Root, problems: &mut Vec<Problem>) -> Result<usize, ReadError> {
        let index = self.files.len();
        let id = self.sources.add(root.path.clone(), Arc::clone(&root.bytes), root.text);
        let is_root = self.known.is_empty();
        let limit = usize::try_from(self.reading.limits.config_file).unwrap_or(usize::MAX);
        let made = syntax::substitute(&root.bytes, id, self.reading.defines, limit);
        let start = Span::new(id, 0, 0);
        if made.is_cut {
            problems.push(Problem::new("syntax-error", start).case("too-long").with("limit", limit.to_string()));
        }
        let whole = made.segments.is_empty();
        let text = if whole {
            id
        } else {
            let text = source::Text::Substituted(made.segments.clone());
            self.sources.add(root.path.clone(), Arc::clone(&made.bytes), text)
        };
        let mut lexed = syntax::lex(&made.bytes, text, index as u32, &made.unknown, &mut self.pool, self.count.left());
        if !whole {
            let back = |span: Span| verbatim(&made.segments, span);
            for word in &mut lexed.words {
                match back(word.span) {
                    Some(span) => word.span = span,
                    None => word.is_verbatim = false,
                }
            }
        }
        if made.bytes.is_empty() && is_root && !self.reading.fragment {
            problems.push(Problem::new("syntax-error", start).case("empty"));
        }
        self.keep(root.path, id, root.bytes, Cut::of(lexed), problems)
    }

    /// Keeps a text that was cut; one with too many words is kept without any.
    ///
    /// # Errors
    /// Where it has too many.
    fn keep(
        &mut self,
        path: PathBuf,
        id: FileId,
        bytes: Arc<[u8]>,
        mut cut: Cut,
        problems: &mut Vec<Problem>,
    ) -> Result<usize, ReadError> {
        let index = self.files.len();
        let counted = self.count.add(cut.text.words.len());
        if counted.is_err() {
            cut = Cut::default();
        }
        problems.append(&mut cut.problems);
        if !self.reading.version.at_least(2, 7, 0) {
            let old = self.reading;
            problems.extend(cut.heredocs.into_iter().map(|at| too_new(&old, at, "a heredoc", "2.7.0")));
        }
        self.words += cut.text.words.len();
        self.known.insert(path.clone(), counted.clone().map(|()| index));
        self.files.push(LoadedFile { path, id, bytes, text: cut.text });
        counted.map(|()| index)
    }

    /// Cuts texts that have no variable, several at once, and keeps them.
    fn keep_plain(&mut self, waiting: &mut Vec<Plain>, problems: &mut Vec<Problem>) {
        let waiting = std::mem::take(waiting);
        let first = self.files.len();
        let add = |(path, bytes): &Plain| self.sources.add(path.clone(), Arc::clone(bytes), source::Text::File);
        let ids: Vec<FileId> = waiting.iter().map(add).collect();
        let most = self.count.left();
        let cut = |(at, some): (usize, &[Plain])| {
            let mut pool = Pool::default();
            let numbered = some.iter().enumerate().map(move |(next, one)| (at * AT_ONCE + next, one));
            let cut = numbered.map(|(number, (_, bytes))| {
                Cut::of(syntax::lex(bytes, ids[number], (first + number) as u32, &[], &mut pool, most))
            });
            cut.collect::<Vec<Cut>>()
        };
        let cuts: Vec<Cut> = waiting.par_chunks(AT_ONCE).enumerate().flat_map_iter(cut).collect();
        for (((path, bytes), id), cut) in waiting.into_iter().zip(&ids).zip(cuts) {
            // What is wrong is among what is known of the path.
            let _ = self.keep(path, *id, bytes, cut, problems);
        }
    }

    /// The files at paths, each read once in a run; those that are new are read together.
    fn load(&mut self, paths: &[PathBuf], problems: &mut Vec<Problem>) -> Vec<Result<usize, ReadError>> {
        let new: Vec<&PathBuf> = paths.iter().filter(|path| !self.known.contains_key(*path)).collect();
        let reading = self.reading;
        let read = |path: &&PathBuf| {
            let bytes = reading.files.read(path, reading.limits.config_file)?;
            match pki::holds_key(&bytes) {
                // Caddy would choke on it, and no word of it may be told.
                true => Err(ReadError::Other("it holds a private key and is no configuration".into())),
                false => Ok(bytes),
            }
        };
        let found: Vec<Result<Arc<[u8]>, ReadError>> = match new.len() {
            1 => new.iter().map(read).collect(),
            _ => new.par_iter().map(read).collect(),
        };
        let mut seen = HashSet::new();
        let mut waiting: Vec<Plain> = Vec::new();
        let mut together = 0;
        for (path, bytes) in new.into_iter().zip(found).filter(|(path, _)| seen.insert(*path)) {
            match bytes {
                Ok(bytes) if !syntax::has_variable(&bytes) => {
                    if together + bytes.len() > TOGETHER {
                        self.keep_plain(&mut waiting, problems);
                        together = 0;
                    }
                    together += bytes.len();
                    waiting.push((path.clone(), bytes));
                }
                Ok(bytes) => {
                    self.keep_plain(&mut waiting, problems);
                    together = 0;
                    // What is wrong is among what is known of the path.
                    let _ = self.add(Root { path: path.clone(), bytes, text: source::Text::File }, problems);
                }
                Err(error) => {
                    self.known.insert(path.clone(), Err(error));
                }
            }
        }
        self.keep_plain(&mut waiting, problems);
        let missing = || Err(ReadError::Missing);
        paths.iter().map(|path| self.known.get(path).cloned().unwrap_or_else(missing)).collect()
    }

    /// The folder that an import in a file starts from.
    fn folder(&self, file: u32) -> &Path {
        self.files.get(file as usize).and_then(|file| file.path.parent()).unwrap_or(Path::new(""))
    }
}

/// The place in the source of bytes that were copied one to one.
fn verbatim(segments: &[crate::source::Segment], span: Span) -> Option<Span> {
    let at = segments.partition_point(|one| one.start <= span.start).checked_sub(1)?;
    let end = segments.get(at + 1).map_or(u32::MAX, |next| next.start);
    let segment = segments.get(at).filter(|one| one.verbatim && span.end <= end)?;
    Some(segment.from.part(span.start - segment.start, span.end - segment.start))
}

/// Something that a later version brought.
fn too_new(reading: &Reading<'_>, at: Span, what: &str, since: &str) -> Problem {
    directives::too_new(at, what, since, reading.version, reading.version_is_assumed)
}
