//! Reads a configuration as httpd does, line after line in reading order, and acts at once on what acts while reading:
//! includes, conditions, `Define`, `LoadModule`, macros. What is left are statements, for lowering.
//!
//! Source: Apache 2.4, `server/config.c`, `ap_build_config_sub` (`EXEC_ON_READ`) and `ap_build_cont_config`.

mod condition;
mod expansion;
mod file;
mod loaded;
mod module;
mod section;
mod variable;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use self::file::Files;
pub use self::file::path_of;
pub use self::loaded::{Loaded, PassedOver, Statement};
pub use self::module::Modules;
use self::section::Section;
pub use self::variable::Variables;
use super::syntax::{self, Kind, Line, Word};
use crate::diagnostic::Problem;
use crate::model::{FrameId, Frames};
use crate::platform::Platform;
use crate::server::{Root, unread};
use crate::source::{FileId, FileSystem, Limits, Segment, Sources, Span, Text};

/// Directives that act while reading, in lower case.
const ACTING: &[&str] =
    &["include", "includeoptional", "define", "undefine", "loadmodule", "loadfile", "serverroot", "use", "undefmacro"];

/// What a reader starts from.
pub struct Start {
    /// Whether the roots are parts of a whole.
    pub fragment: bool,
    /// What relative paths start from before `ServerRoot`.
    pub server_root: Option<PathBuf>,
    /// What is defined and what the environment holds.
    pub variables: Variables,
}

/// A text that is being read: a file, or the lines of a macro.
struct Open {
    text: FileId,
    lines: Arc<[Line]>,
    at: usize,
    include_chain: Option<FrameId>,
    /// The file's index; absent for a macro's lines, which belong to the text around them.
    file: Option<usize>,
    /// The macro's name.
    macro_name: Option<Vec<u8>>,
    /// How many sections were open before.
    sections: usize,
}

/// One line of what is being read.
#[derive(Clone, Copy)]
struct Here {
    text: FileId,
    line: Line,
    include_chain: Option<FrameId>,
}

/// A line as it is looked at: continuation lines joined, variables replaced.
struct Cut {
    /// The text that the offsets count in.
    text: FileId,
    start: u32,
    end: u32,
    /// The line as it is written.
    line: Span,
    include_chain: Option<FrameId>,
}

pub(super) struct Reader<'a> {
    files: Files<'a>,
    sources: &'a mut Sources,
    limits: &'a Limits,
    platform: &'a Platform,
    fragment: bool,
    out: Loaded,
    variables: Variables,
    open: Vec<Open>,
    sections: Vec<Section>,
    macros: HashMap<Vec<u8>, expansion::Macro>,
    /// Bytes that substitutions made.
    made: u64,
    /// Lines that were opened, those of a file or macro as often as it is used.
    lines: usize,
    /// Files with virtual hosts that a pattern left out; another may take them in.
    left_out: Vec<(PathBuf, Problem)>,
    /// Whether a limit ended the reading.
    stopped: bool,
}

/// Reads the roots one after another, with all that they include.
pub fn read(
    files: &dyn FileSystem,
    sources: &mut Sources,
    limits: &Limits,
    platform: &Platform,
    roots: Vec<Root>,
    start: Start,
) -> Loaded {
    let modules = if start.fragment { Modules::all() } else { Modules::of(platform) };
    let out = Loaded {
        texts: Vec::new(),
        first: sources.len() as u32,
        made: HashSet::new(),
        by_text: OnceLock::new(),
        statements: Vec::new(),
        paths: Vec::new(),
        frames: Frames::default(),
        problems: Vec::new(),
        passed_over: Vec::new(),
        unjudged: Vec::new(),
        server_root: start.server_root,
        modules,
        environment_is_known: start.variables.environment_is_known(),
        opaque_names: start.variables.opaque().clone(),
    };
    let mut reader = Reader {
        files: Files::new(files, limits),
        sources,
        limits,
        platform,
        fragment: start.fragment,
        out,
        variables: start.variables,
        open: Vec::new(),
        sections: Vec::new(),
        macros: HashMap::new(),
        made: 0,
        lines: 0,
        left_out: Vec::new(),
        stopped: false,
    };
    for root in roots {
        let file = reader.add_root(root);
        reader.enter_file(file, None);
        reader.run();
    }
    reader.tell_left_out();
    reader.look_for_modules();
    reader.out
}

impl Reader<'_> {
    /// Looks which modules a fix could load: where their folder is at hand, what is not in it is not there.
    fn look_for_modules(&mut self) {
        let (disk, root) = (self.files.disk(), self.out.server_root.clone());
        let located = |path: &Path| file::locate(disk, root.as_deref(), path);
        let is_missing = |path: &Path| {
            let folder = path.parent().and_then(located);
            let is_at_hand = folder.is_some_and(|folder| disk.metadata(&folder).is_ok());
            is_at_hand && located(path).is_some_and(|path| disk.metadata(&path).is_err_and(|error| error.is_missing()))
        };
        self.out.modules.look(is_missing);
    }

    fn add_root(&mut self, root: Root) -> usize {
        let cut = self.files.insert(root.path.clone(), Arc::clone(&root.bytes));
        let end = u32::from(!root.bytes.is_empty());
        let text = root.text.clone();
        let file = self.add_file(root.path, root.bytes, root.text);
        self.out.problems.extend(unread(&text, self.files.text(file)));
        if cut.is_err() {
            let at = Span::new(self.files.text(file), 0, end);
            let problem = Problem::new("syntax-error", at).case("too-many-words");
            self.out.problems.push(problem.with("limit", self.limits.words.to_string()));
        }
        file
    }

    fn add_text(&mut self, path: PathBuf, bytes: Arc<[u8]>, text: Text) -> FileId {
        self.out.texts.push(Arc::clone(&bytes));
        self.sources.add(path, bytes, text)
    }

    fn enter_file(&mut self, file: usize, include_chain: Option<FrameId>) {
        let (text, lines) = self.files.opened(file, &self.out);
        let has_mark = self.out.text(text).starts_with(b"\xef\xbb\xbf");
        let lines = if has_mark { section::without_mark(&lines).into() } else { lines };
        if has_mark {
            self.byte_order_mark(text);
        }
        let from = self.out.frames.outward(include_chain).next().map_or(Span::new(text, 0, 0), |frame| frame.at);
        if self.too_many_lines(from, lines.len()) {
            return;
        }
        let sections = self.sections.len();
        self.open.push(Open { text, lines, at: 0, include_chain, file: Some(file), macro_name: None, sections });
    }

    /// Reads until nothing is open.
    fn run(&mut self) {
        while !self.open.is_empty() {
            match self.next_line() {
                Some(here) if !self.stopped => self.line(here),
                _ => self.leave_file(),
            }
        }
    }

    /// The next line of the file that is being read, through the macros that it uses. Absent at the end of the file.
    fn next_line(&mut self) -> Option<Here> {
        loop {
            let open = self.open.last_mut()?;
            if let Some(line) = open.lines.get(open.at).copied() {
                open.at += 1;
                return Some(Here { text: open.text, line, include_chain: open.include_chain });
            }
            if open.file.is_some() {
                return None;
            }
            self.open.pop();
        }
    }

    /// Cuts a line: joins it where it goes on below, and replaces variables where `substitute` says so.
    fn cut(&mut self, here: Here, substitute: bool) -> Cut {
        let written = here.line.span(here.text);
        let whole = Cut {
            text: here.text,
            start: here.line.start,
            end: here.line.end,
            line: written,
            include_chain: here.include_chain,
        };
        let has_variable = substitute && syntax::has_variable(&self.out.text(here.text)[here.line.range()]);
        if !here.line.joined && !has_variable {
            return whole;
        }
        let bytes = Arc::clone(self.out.text(here.text));
        let (text, segments) = match here.line.joined {
            true => syntax::join(&bytes, here.line, here.text),
            false => {
                let from = written;
                let segment = Segment { start: 0, from, verbatim: true, defined: None, used: None };
                (bytes[here.line.range()].to_vec(), vec![segment])
            }
        };
        let (text, segments) = match has_variable {
            true => self.substitute(text, segments, written),
            false => (text, segments),
        };
        let end = text.len() as u32;
        let id = self.make(here.text, text, segments);
        Cut { text: id, start: 0, end, line: written, include_chain: here.include_chain }
    }

    /// Registers a text that substitution made; past the limit nothing more is read.
    fn make(&mut self, like: FileId, text: Vec<u8>, segments: Vec<Segment>) -> FileId {
        self.made += text.len() as u64;
        if self.made > self.limits.config_file || self.out.texts.len() > self.limits.includes {
            self.too_many(segments.first().map_or(Span::new(like, 0, 0), |segment| segment.from));
        }
        let path = self.sources.file(like).path().to_path_buf();
        let id = self.add_text(path, text.into(), Text::Substituted(segments));
        self.out.made.insert(id);
        id
    }

    /// Counts lines that are about to be opened; true where they are too many, and nothing more is read.
    pub(super) fn too_many_lines(&mut self, at: Span, count: usize) -> bool {
        self.lines = self.lines.saturating_add(count);
        let limit = self.limits.words_again();
        if self.lines > limit && !self.stopped {
            let problem = Problem::new("include-cycle", at).case("too-many-words").with("limit", limit.to_string());
            self.out.problems.push(problem);
            self.stopped = true;
        }
        self.stopped
    }

    fn too_many(&mut self, at: Span) {
        if !self.stopped {
            let limit = self.limits.includes.to_string();
            self.out.problems.push(Problem::new("include-cycle", at).case("too-many").with("limit", limit));
        }
        self.stopped = true;
    }

    /// Reads one line: acts on it, or leaves it for lowering.
    fn line(&mut self, here: Here) {
        let cut = self.cut(here, true);
        let text = self.out.text(cut.text);
        let Some(word) = syntax::first_word(text, cut.start as usize, cut.end as usize) else { return };
        let name = word.value(text);
        match syntax::kind(&name) {
            Kind::Close | Kind::Open => {
                let text = Arc::clone(text);
                let name = word.value(&text);
                match syntax::kind(&name) {
                    Kind::Close => self.close(&cut, &name, word, &text),
                    _ => self.open_section(&cut, &name, word, &text),
                }
            }
            Kind::Directive => {
                let start = word.start + u32::from(word.is_quoted());
                let end = (start as usize + name.len()).min(cut.end as usize) as u32;
                let acting = ACTING.iter().find(|one| one.as_bytes().eq_ignore_ascii_case(&name));
                let statement = Statement {
                    kind: Kind::Directive,
                    text: cut.text,
                    name: (start, end),
                    arguments: (word.end.min(cut.end), cut.end),
                    line: cut.line,
                    include_chain: cut.include_chain,
                };
                // Lowering looks at all of them: where they stand, and the number of their arguments.
                self.out.statements.push(statement);
                if let Some(name) = acting {
                    self.act(&statement, name);
                }
            }
        }
    }

    /// Acts on a directive that acts while reading, by its name in lower case.
    fn act(&mut self, statement: &Statement, name: &str) {
        let words = self.out.words(statement);
        match (name, &words[..]) {
            ("include", [word]) => self.include(statement, *word, false),
            ("includeoptional", [word]) => self.include(statement, *word, true),
            ("define", [word]) => self.define(statement, *word, None),
            ("define", [word, value]) => self.define(statement, *word, Some(*value)),
            ("undefine", [word]) => {
                let text = Arc::clone(self.out.text(statement.text));
                self.variables.undefine(&word.value(&text));
            }
            ("loadmodule", [identifier, path]) => {
                let text = Arc::clone(self.out.text(statement.text));
                self.out.modules.load(&identifier.value(&text), &path.value(&text));
            }
            ("serverroot", [word]) => self.server_root(statement, *word),
            ("use", [name, values @ ..]) => self.use_macro(statement, *name, values),
            ("undefmacro", [name]) => {
                let text = Arc::clone(self.out.text(statement.text));
                self.macros.remove(&name.value(&text).to_ascii_lowercase());
            }
            _ => {}
        }
    }

    fn server_root(&mut self, statement: &Statement, word: Word) {
        let text = Arc::clone(self.out.text(statement.text));
        let written = word.value(&text);
        if written.windows(2).any(|pair| pair == b"${") {
            return;
        }
        let base = self.out.server_root.clone().unwrap_or_default();
        let located = self.files.locate(&base, path_of(&written));
        // A copy of a configuration names the folder of the machine that it came from: then its own folder stands for it.
        if self.files.is_folder(&located) || self.out.server_root.is_none() {
            self.out.server_root = Some(located);
        }
    }
}
