//! Files that are included: which ones a directive means, in httpd's order, each read and cut once.
//!
//! Source: Apache 2.4, `ap_process_fnmatch_configs`: a folder means all files below it, hidden ones too; a pattern skips
//! hidden names.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt, HashSet};
use rayon::prelude::*;

use super::{Loaded, Reader, Statement};
use crate::diagnostic::{Edit, FileAction, FileFix, Fix, Problem, Safety, Unchecked, UncheckedReason};
use crate::model::{Frame, FrameKind};
use crate::pki;
use crate::server::apache::syntax::{self, Line, Word};
use crate::server::backup;
use crate::source::{self, FileId, FileKind, FileSystem, Limits, ReadError, Span, Text, WordCount};

/// How deep folders are looked into.
const FOLDERS: usize = 16;
/// How many included files are read and cut at once.
const AT_ONCE: usize = 4;

type Content = Result<(Arc<[u8]>, Arc<[Line]>), ReadError>;

/// A text that was cut beside others: its words count once those of all before it do.
struct Uncounted {
    bytes: Arc<[u8]>,
    /// Absent where too much was cut ahead: then it is cut again should it count.
    lines: Option<Arc<[Line]>>,
    words: usize,
}

/// The files of a run, by path.
pub(super) struct Files<'a> {
    files: &'a dyn FileSystem,
    limits: &'a Limits,
    contents: HashMap<OsString, Content>,
    /// The text of each file, in the order of `Loaded::paths`.
    texts: Vec<FileId>,
    by_path: HashMap<OsString, usize>,
    entered: usize,
    count: WordCount,
}

/// The largest file that is looked at though nothing includes it, in bytes.
const LEFT_OUT: u64 = 1 << 20;

/// Whether a folder is one that holds a file for each site.
fn is_of_sites(folder: &Path) -> bool {
    let name = folder.file_name().map(|name| name.to_string_lossy());
    name.is_some_and(|name| matches!(&*name, "sites-enabled" | "conf.d" | "vhosts.d" | "conf-enabled"))
}

/// Whether a file's name does not say that it is switched off, for people, or left behind by an editor.
fn is_meant(path: &Path) -> bool {
    const OFF: &[&str] = &["disabled", "disable", "off", "example", "sample", "dist", "template", "md", "txt", "in"];
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let ending = name.rsplit('.').next().unwrap_or_default();
    !(name.starts_with('.') || name.starts_with("readme") || OFF.contains(&ending) || backup::is_backup(path))
}

/// The path that bytes of a configuration name.
pub fn path_of(bytes: &[u8]) -> &Path {
    Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes))
}

/// Where a path that the configuration names is found.
pub(super) fn locate(files: &dyn FileSystem, root: Option<&Path>, written: &Path) -> Option<PathBuf> {
    match root {
        Some(root) => Some(files.locate(root, written)),
        None if written.is_absolute() => Some(files.locate(Path::new("/"), written)),
        None => None,
    }
}

impl<'a> Files<'a> {
    pub(super) fn new(files: &'a dyn FileSystem, limits: &'a Limits) -> Self {
        let count = WordCount::new(limits);
        Files { files, limits, contents: HashMap::new(), texts: Vec::new(), by_path: HashMap::new(), entered: 0, count }
    }

    /// The disk itself.
    pub(super) fn disk(&self) -> &'a dyn FileSystem {
        self.files
    }

    pub(super) fn locate(&self, base: &Path, written: &Path) -> PathBuf {
        self.files.locate(base, written)
    }

    pub(super) fn is_folder(&self, path: &Path) -> bool {
        self.files.metadata(path).is_ok_and(|found| found.kind == FileKind::Directory)
    }

    /// Puts in a text that was read already; one with too many words stays without lines.
    ///
    /// # Errors
    /// Where it has too many.
    pub(super) fn insert(&mut self, path: PathBuf, bytes: Arc<[u8]>) -> Result<(), ReadError> {
        let cut = self.cut(&bytes);
        let lines = cut.clone().unwrap_or_default();
        self.contents.insert(path.into_os_string(), Ok((bytes, lines)));
        cut.map(|_| ())
    }

    /// The lines of a text, unless it has too many words.
    fn cut(&mut self, bytes: &[u8]) -> Result<Arc<[Line]>, ReadError> {
        let lines = syntax::lines(bytes);
        self.count.add(syntax::words_within(bytes, &lines))?;
        Ok(lines.into())
    }

    /// The text of a file.
    pub(super) fn text(&self, file: usize) -> FileId {
        self.texts[file]
    }

    /// The text and lines of a file that was read.
    pub(super) fn opened(&self, file: usize, out: &Loaded) -> (FileId, Arc<[Line]>) {
        let id = self.texts[file];
        let lines = match self.contents.get(out.paths[file].as_os_str()) {
            Some(Ok((_, lines))) => Arc::clone(lines),
            _ => Arc::default(),
        };
        (id, lines)
    }

    /// Reads and cuts files, several at once where there are many.
    fn load(&mut self, paths: &[PathBuf]) {
        let fresh: Vec<&PathBuf> = paths.iter().filter(|path| !self.contents.contains_key(path.as_os_str())).collect();
        let ahead = self.count.ahead();
        let read = |path: &PathBuf| -> Result<Uncounted, ReadError> {
            let bytes = self.files.read(path, self.limits.config_file)?;
            if pki::holds_key(&bytes) {
                // httpd would choke on it, and no word of it may be told.
                return Err(ReadError::Other("it holds a private key and is no configuration".into()));
            }
            let lines = syntax::lines(&bytes);
            let words = syntax::words_within(&bytes, &lines);
            let lines = ahead.keeps(words).then(|| lines.into());
            Ok(Uncounted { bytes, lines, words })
        };
        let found: Vec<Result<Uncounted, ReadError>> = match fresh.len() >= AT_ONCE {
            true => fresh.par_iter().map(|path| read(path)).collect(),
            false => fresh.iter().map(|path| read(path)).collect(),
        };
        let fresh: Vec<OsString> = fresh.into_iter().map(|path| path.as_os_str().to_os_string()).collect();
        for (path, found) in fresh.into_iter().zip(found) {
            let counted = found.and_then(|Uncounted { bytes, lines, words }| {
                self.count.add(words)?;
                let lines = lines.unwrap_or_else(|| syntax::lines(&bytes).into());
                Ok((bytes, lines))
            });
            self.contents.insert(path, counted);
        }
    }

    /// All files of a folder and of those below it, in byte order, hidden ones too.
    fn below(&self, folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
        if depth > FOLDERS || found.len() > self.limits.includes {
            return;
        }
        for entry in self.files.list(folder).unwrap_or_default() {
            let path = folder.join(&entry.name);
            match entry.kind {
                Some(FileKind::Directory) => self.below(&path, depth + 1, found),
                _ => found.push(path),
            }
        }
    }

    /// The files that a pattern matches, read; folders are replaced by what is in them.
    fn matching(&mut self, pattern: &Path) -> Vec<PathBuf> {
        let matched = source::expand(self.files, pattern);
        self.load(&matched);
        let mut found = Vec::with_capacity(matched.len());
        for path in matched {
            match self.contents.get(path.as_os_str()) {
                Some(Err(ReadError::NotRegular(FileKind::Directory))) => self.below(&path, 0, &mut found),
                _ => found.push(path),
            }
        }
        found
    }
}

impl Reader<'_> {
    /// `Include` and `IncludeOptional`.
    pub(super) fn include(&mut self, statement: &Statement, word: Word, optional: bool) {
        let text = Arc::clone(self.out.text(statement.text));
        let written = word.value(&text);
        let shown = String::from_utf8_lossy(&written).into_owned();
        let at = word.span(statement.text);
        let unjudged = |reason: String| Unchecked { what: "include".into(), reason: reason.into(), at: Some(at) };
        if written.windows(2).any(|pair| pair == b"${") {
            self.out.unjudged.push(unjudged(format!("`{shown}` hangs on a variable that nothing defines")));
            return;
        }
        let Some(path) = locate(self.files.disk(), self.out.server_root.as_deref(), path_of(&written)) else {
            let reason = format!("`{shown}` is relative to the server's folder, and no main file is at hand");
            self.out.unjudged.push(unjudged(reason));
            return;
        };
        let found = match source::has_wildcard(&written) {
            true => self.files.matching(&path),
            false if self.files.is_folder(&path) => {
                let mut found = Vec::new();
                self.files.below(&path, 0, &mut found);
                found
            }
            false => vec![path.clone()],
        };
        if source::has_wildcard(&written) {
            self.left_out(at, &shown, &path, &found);
        }
        if found.is_empty() {
            if !optional && (source::has_wildcard(&written) && !self.fragment) {
                let problem = Problem::new("include-missing", at).case("no-match").with("path", shown);
                self.out.problems.push(self.made_optional(problem, statement));
            }
            return;
        }
        let is_folder = !source::has_wildcard(&written);
        if !(is_folder && found.len() == 1 && found[0] == path) {
            self.out.problems.extend(backup::problem(at, &shown, &found, is_folder));
        }
        self.files.load(&found);
        let frame = Frame { kind: FrameKind::Include, at, parent: statement.include_chain };
        let include_chain = Some(self.out.frames.add(frame));
        let mut entered = Vec::with_capacity(found.len());
        for path in found {
            match self.files.contents.get(path.as_os_str()) {
                Some(Ok((bytes, _))) => {
                    let bytes = Arc::clone(bytes);
                    let file = self.registered(path, bytes);
                    entered.push(file);
                }
                Some(Err(error)) => {
                    let error = error.clone();
                    self.include_fault(statement, at, &shown, &path, &error, optional);
                }
                None => {}
            }
        }
        let lines = entered.iter().map(|file| self.files.opened(*file, &self.out).1.len());
        self.out.statements.reserve(lines.sum());
        self.files.entered += entered.len();
        if self.files.entered > self.limits.includes {
            self.too_many(at);
            return;
        }
        let begun = self.open.iter().filter(|open| open.at > 0).filter_map(|open| open.file);
        let begun: Vec<usize> = begun.collect();
        // The last is entered first: what is open lies on a stack.
        for file in entered.into_iter().rev() {
            if begun.contains(&file) || begun.len() > self.limits.include_depth {
                let path = self.out.paths[file].display().to_string();
                self.out.problems.push(Problem::new("include-cycle", at).with("path", path));
                continue;
            }
            self.enter_file(file, include_chain);
        }
    }

    /// Files with virtual hosts in a folder of sites that the pattern leaves out.
    fn left_out(&mut self, at: Span, shown: &str, pattern: &Path, found: &[PathBuf]) {
        let Some(folder) = pattern.parent().filter(|folder| is_of_sites(folder)) else { return };
        let entries = self.files.disk().list(folder).unwrap_or_default();
        if entries.len() == found.len() {
            return;
        }
        let read: HashSet<&std::ffi::OsStr> = found.iter().filter_map(|path| path.file_name()).collect();
        for entry in entries.iter().filter(|entry| entry.kind != Some(FileKind::Directory)).take(self.limits.includes) {
            let path = folder.join(&entry.name);
            if read.contains(&*entry.name) || !is_meant(&path) {
                continue;
            }
            // What is no file, or too large for one, is none that somebody meant to be read.
            let Ok(bytes) = self.files.disk().read(&path, LEFT_OUT) else { continue };
            let has_site = bytes.split(|byte| *byte == b'\n').any(|line| {
                let line = line.trim_ascii_start();
                line.len() > 12 && line[..12].eq_ignore_ascii_case(b"<VirtualHost")
            });
            if has_site {
                let problem = Problem::new("site-file-not-included", at).with("path", shown);
                let name = entry.name.to_string_lossy().into_owned();
                let mut problem = problem.with("file", path.display().to_string()).with("name", name);
                let mut to = path.clone().into_os_string();
                to.push(".conf");
                let to = PathBuf::from(to);
                let is_taken = entries.iter().any(|other| Some(&*other.name) == to.file_name());
                if shown.ends_with("*.conf") && !is_taken {
                    let action = FileAction::Rename { from: path.clone(), to };
                    problem.file_fix = Some(Box::new(FileFix { safety: Safety::Safe, action }));
                }
                self.left_out.push((path, problem));
            }
        }
    }

    /// Tells of files that nothing took in after all.
    pub(super) fn tell_left_out(&mut self) {
        let open = std::mem::take(&mut self.left_out).into_iter();
        let open = open.filter(|(path, _)| !self.files.by_path.contains_key(path.as_os_str()));
        self.out.problems.extend(open.map(|(_, problem)| problem));
    }

    /// The index of a file that was read, which is added where it is new.
    fn registered(&mut self, path: PathBuf, bytes: Arc<[u8]>) -> usize {
        match self.files.by_path.get(path.as_os_str()) {
            Some(at) => *at,
            None => self.add_file(path, bytes, Text::File),
        }
    }

    /// Registers a file that was read.
    pub(super) fn add_file(&mut self, path: PathBuf, bytes: Arc<[u8]>, text: Text) -> usize {
        let id = self.add_text(path.clone(), bytes, text);
        let at = self.out.paths.len();
        self.files.texts.push(id);
        self.files.by_path.insert(path.as_os_str().to_os_string(), at);
        self.out.paths.push(path);
        at
    }

    fn include_fault(
        &mut self,
        statement: &Statement,
        at: Span,
        shown: &str,
        path: &Path,
        error: &ReadError,
        optional: bool,
    ) {
        let problem = Problem::new("include-missing", at)
            .with("path", shown)
            .with("located", path.display().to_string())
            .with("reason", error.to_string());
        match error {
            ReadError::Dangling { target } if optional => {
                let problem = Problem::new("site-file-not-included", at).case("dangling").with("path", shown);
                let problem = problem.with("file", path.display().to_string());
                self.out.problems.push(problem.with("target", target.display().to_string()));
            }
            ReadError::Missing if optional => {}
            ReadError::Missing | ReadError::Dangling { .. } if self.fragment => {
                let reason = UncheckedReason::NotAtHand(format!("{} is not at hand", path.display()));
                self.out.unjudged.push(Unchecked { what: "include".into(), reason, at: Some(at) });
            }
            ReadError::Missing | ReadError::Dangling { .. } => {
                self.out.problems.push(self.made_optional(problem, statement));
            }
            ReadError::NotRegular(kind) => {
                self.out.problems.push(problem.case("not-regular").with("kind", kind.to_string()));
            }
            ReadError::TooLarge { .. }
            | ReadError::TooManyWords { .. }
            | ReadError::Exhausted { .. }
            | ReadError::LinkLoop
            | ReadError::Other(_) => {
                self.out.problems.push(problem.case("unreadable"));
            }
            ReadError::Forbidden | ReadError::Elsewhere => {
                let reason = UncheckedReason::of(error, format!("{}: {error}", path.display()));
                self.out.unjudged.push(Unchecked { what: "include".into(), reason, at: Some(at) });
            }
        }
    }

    /// Adds the edit that lets httpd start without the file.
    fn made_optional(&self, problem: Problem, statement: &Statement) -> Problem {
        let edits = vec![Edit { span: self.out.name_span(statement), text: "IncludeOptional".to_owned() }];
        problem.fix(Fix { title: "write `IncludeOptional`".to_owned(), safety: Safety::Safe, edits })
    }
}
