//! From directives to the model: walks every file where it is included, collects what each level says, then decides who
//! answers on which socket.
//!
//! `http`, `stream` and `mail` are lowered alike; what differs between them stands with [`Service`]. Lowering never fails: what is wrong
//! becomes a [`Problem`], what cannot be known an [`Unchecked`].

mod answer;
mod bind;
mod duplicate;
mod ech;
mod level;
mod listen;
mod name;
mod place;
mod setting;
mod turn;
mod upstream;
mod variable;
mod webroot;
mod zone;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use foldhash::HashSet;

use self::level::{Defaults, Level};
use self::listen::{ListenDirective, ListenFault};
use self::place::Place;
use self::turn::{Checked, Counts, Turn};
use super::directives::{self, Context};
use super::include::{Included, Loaded, LoadedFile, path_of};
use super::syntax::Word;
use crate::diagnostic::{Edit, Fix, Problem, Safety, Severity, Unchecked, UncheckedReason};
use crate::model::{Deployment, Frame, FrameId, FrameKind, Frames, Name, RunAs, ServerKind, Service, Token};
use crate::platform::{Platform, TlsLibrary, Version};
use crate::server::backup;
use crate::source::{FileSystem, Limits, ReadError, Span};

/// A server block as written, before the levels around it are known.
struct ServerDraft {
    service: Service,
    head: Span,
    block: Span,
    include_chain: Option<FrameId>,
    /// What it says of TLS; absent where that is nothing.
    level: Option<Box<Level>>,
    asked: Vec<ListenDirective>,
    names: Vec<Name>,
    /// The block itself, and those inside of it that requests come to.
    places: Vec<Place>,
    /// `ssl on`, which turned every socket of the block into a TLS one until 1.25.0.
    ssl_on: Option<Span>,
}

/// What a stretch of configuration in one block says, in reading order.
#[derive(Default)]
struct Collected {
    /// What stands in `http`, `stream` and `mail` outside of their servers, by [`Service`].
    levels: [Option<Box<Level>>; Service::ALL.len()],
    /// Where these blocks begin.
    heads: [Option<Span>; Service::ALL.len()],
    /// What stands there about upstream servers.
    upstream: [upstream::Levels; Service::ALL.len()],
    /// The servers of `upstream` blocks.
    groups: upstream::Groups,
    /// What stands in `http` about answers to requests.
    answer: answer::Level,
    /// What stands there about files.
    files: webroot::Level,
    /// Shared memory for sessions.
    zones: zone::Zones,
    /// Which variables are defined, and which are asked for.
    variables: variable::Variables,
    /// Whether a `map` tells early data apart: then nobody knows what follows.
    maps_early_data: bool,
    /// Whether there is an `events` block.
    has_events: bool,
    /// What `user` says.
    run_as: RunAs,
    #[expect(clippy::vec_box, reason = "drafts are large, and moved several times")]
    servers: Vec<Box<ServerDraft>>,
    problems: Vec<Problem>,
    unjudged: Vec<Unchecked>,
    /// Whether it is collected in reading order.
    turn: Turn,
}

impl Collected {
    /// Whether no text is missing.
    fn all_is_read(&self) -> bool {
        self.unjudged.is_empty() && self.problems.iter().all(|one| !is_of_include(one) && one.case != "too-many-words")
    }

    /// Whether no directive is one of which nothing is known.
    fn all_is_understood(&self) -> bool {
        let is_strange = |one: &Problem| matches!(one.rule.as_str(), "unknown-directive" | "syntax-error");
        !self.problems.iter().any(is_strange)
    }

    fn append(&mut self, other: Collected) {
        for (own, other) in self.levels.iter_mut().zip(other.levels) {
            match (own, other) {
                (Some(own), Some(other)) => own.absorb(*other),
                (own, other) => *own = own.take().or(other),
            }
        }
        for (own, other) in self.upstream.iter_mut().zip(other.upstream) {
            upstream::absorb(own, other);
        }
        self.groups.extend(other.groups);
        self.answer.absorb(other.answer);
        self.files.absorb(other.files);
        self.zones.absorb(other.zones);
        self.variables.absorb(other.variables);
        self.maps_early_data |= other.maps_early_data;
        for (own, other) in self.heads.iter_mut().zip(other.heads) {
            *own = own.or(other);
        }
        self.has_events |= other.has_events;
        if self.run_as.user.is_none() {
            self.run_as = other.run_as;
        }
        self.servers.extend(other.servers);
        self.problems.extend(other.problems);
        self.unjudged.extend(other.unjudged);
    }
}

/// The way to a place: the files that are open, and the directives that led there.
#[derive(Clone)]
struct IncludePath {
    files: Arc<[usize]>,
    include_chain: Option<FrameId>,
    /// How many blocks are open, those of the files that include it too.
    depth: usize,
    /// Whether it leads to the beginning of a block, and not to a file that is included in one.
    opens: bool,
}

impl IncludePath {
    /// The way into a block.
    fn inside(&self) -> IncludePath {
        IncludePath {
            files: Arc::clone(&self.files),
            include_chain: self.include_chain,
            depth: self.depth + 1,
            opens: true,
        }
    }
}

/// Which block a directive stands in, as far as settings go.
enum Scope<'s> {
    /// Settings of `http`, `stream` or `mail` go to [`Collected::levels`].
    Section(Service),
    /// A server block.
    Server(&'s mut ServerDraft),
    /// A block in a server block, by its position among its places.
    Place(&'s mut ServerDraft, usize),
    /// Anything else.
    Elsewhere,
}

struct Lowering<'a> {
    files: &'a dyn FileSystem,
    loaded: &'a Loaded,
    limits: &'a Limits,
    version: Version,
    version_is_assumed: bool,
    /// The library that speaks TLS.
    library: TlsLibrary,
    fragment: bool,
    /// Whether a module is loaded that the tables do not know, which may bring directives of its own.
    foreign_module: bool,
    frames: Mutex<Frames>,
    /// Files whose directives were already held against the table in this context.
    checked: Mutex<HashSet<Checked>>,
    counts: Counts,
}

/// How many directives most blocks have at most.
const USUAL: usize = 24;

/// How the roots are to be read.
pub struct Reading {
    /// The context of each root, in order; absent where it is not known.
    pub contexts: Vec<Option<Context>>,
    /// Whether what stands outside the roots is unknown.
    pub fragment: bool,
}

/// What all files say, before it is known who answers on which socket.
pub struct Said {
    collected: Collected,
    frames: Frames,
    /// A place in the main file.
    anchor: Span,
    fragment: bool,
}

/// Walks what was loaded.
pub fn collect(
    files: &dyn FileSystem,
    loaded: &Loaded,
    limits: &Limits,
    reading: &Reading,
    platform: &Platform,
) -> Said {
    let lowering = Lowering {
        files,
        loaded,
        limits,
        version: platform.server_version,
        version_is_assumed: platform.assumed.iter().any(|what| what == "platform" || what == "server_version"),
        library: platform.tls_library.clone(),
        fragment: reading.fragment,
        foreign_module: loads_foreign_module(loaded),
        frames: Mutex::default(),
        checked: Mutex::default(),
        counts: Counts::default(),
    };
    let mut collected = Collected::default();
    for file in &loaded.files {
        if lowering.is_template(file) {
            let reason = "the file is a template: it is judged only once its marks are filled in";
            let at = file.tree().template.map(|(start, end)| Span::new(file.id, start, end));
            collected.unjudged.push(Unchecked { what: "template".into(), reason: reason.into(), at });
            continue;
        }
        collected.problems.extend(file.tree().problems.iter().map(|problem| problem.report(file.id, &file.bytes)));
    }
    for (root, context) in reading.contexts.iter().enumerate() {
        if lowering.is_template(&loaded.files[root]) {
            continue;
        }
        let Some(context) = context else {
            let at = Span::new(loaded.files[root].id, 0, 0);
            let reason =
                "no directive of nginx stands in it: it may be the inside of a `map`, or no configuration at all";
            collected.unjudged.push(Unchecked { what: "fragment".into(), reason: reason.into(), at: Some(at) });
            continue;
        };
        let way = IncludePath { files: [root].into(), include_chain: None, depth: 0, opens: true };
        lowering.file(root, *context, &way, &mut collected, &mut Scope::of(*context));
    }
    if !reading.fragment && !collected.has_events && loaded.files[0].path.ends_with("nginx.conf") {
        let all_is_known = collected.all_is_read();
        let start = Span::new(loaded.files[0].id, 0, 0);
        let at = collected.heads.iter().flatten().next().copied().unwrap_or(start);
        collected.problems.extend(all_is_known.then(|| no_events(at, start)));
    }
    let variables = std::mem::take(&mut collected.variables);
    if !reading.fragment && !lowering.foreign_module && collected.all_is_read() && collected.all_is_understood() {
        collected.problems.extend(variables.problems(loaded));
    }
    let frames = lowering.frames.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    Said { collected, frames, anchor: Span::new(loaded.files[0].id, 0, 0), fragment: reading.fragment }
}

/// Decides who answers on which socket.
pub fn deployment(said: Said, platform: Platform) -> Deployment {
    let Said { mut collected, frames, anchor, fragment } = said;
    let version = platform.server_version;
    let mut deployment = Deployment::empty(ServerKind::Nginx, platform);
    deployment.fragment = fragment;
    deployment.frames = frames;
    let defaults = collected.heads.map(|head| Defaults { version, effective_at: head.unwrap_or(anchor), fragment });
    collected.problems.extend(collected.zones.problems());
    deployment.problems = std::mem::take(&mut collected.problems);
    deployment.unjudged = std::mem::take(&mut collected.unjudged);
    deployment.run_as = std::mem::take(&mut collected.run_as);
    let around = bind::OuterContext {
        levels: &collected.upstream,
        groups: &collected.groups,
        answer: &collected.answer,
        files: &collected.files,
        maps_early_data: collected.maps_early_data,
    };
    let levels = collected.levels.map(|level| level.map_or_else(Level::default, |level| *level));
    bind::build(&mut deployment, levels, collected.servers, defaults, &around);
    deployment
}

/// Whether a text that should be there is not.
fn is_of_include(problem: &Problem) -> bool {
    problem.rule.as_str().starts_with("include-")
}

/// `events-block-missing`.
fn no_events(at: Span, start: Span) -> Problem {
    Problem::new("events-block-missing", at).fix(Fix {
        title: "write an `events` block".to_owned(),
        safety: Safety::Safe,
        edits: vec![Edit { span: start, text: "events {}\n".to_owned() }],
    })
}

/// Whether a `load_module` names a file that no directive of the table comes from.
fn loads_foreign_module(loaded: &Loaded) -> bool {
    loaded.files.iter().filter(|file| !file.has_sites_alone).any(|file| {
        (0..file.tree().directives.len()).any(|directive| {
            file.tree().name(directive, &file.bytes) == b"load_module"
                && file.tree().args(directive).first().is_some_and(|word| {
                    let value = word.value(&file.bytes);
                    let stem = path_of(&value).file_stem().map(|stem| stem.as_encoded_bytes().to_vec());
                    stem.is_some_and(|stem| !directives::is_known_module(&stem))
                })
        })
    })
}

impl Scope<'_> {
    /// The scope of a block that stands in this one.
    fn inside(&mut self, said: &setting::DirectiveRef<'_>) -> Scope<'_> {
        let (draft, parent) = match self {
            Scope::Server(draft) => (&mut **draft, 0),
            Scope::Place(draft, place) => (&mut **draft, *place),
            Scope::Section(_) | Scope::Elsewhere => return Scope::Elsewhere,
        };
        draft.places.push(Place::inside(parent, said));
        let place = draft.places.len() - 1;
        Scope::Place(draft, place)
    }

    fn of(context: Context) -> Scope<'static> {
        match context {
            Context::Http => Scope::Section(Service::Http),
            Context::Stream => Scope::Section(Service::Stream),
            Context::Mail => Scope::Section(Service::Mail),
            _ => Scope::Elsewhere,
        }
    }
}

impl<'a> Lowering<'a> {
    /// Whether a file is a template that somebody fills in before the server sees it: by its marks, where it is a part of a
    /// configuration or is called like one. Among the files of a whole configuration the server would trip over them.
    fn is_template(&self, file: &LoadedFile) -> bool {
        const ENDINGS: [&str; 8] = ["j2", "jinja", "jinja2", "erb", "tmpl", "tpl", "gotmpl", "template"];
        let is_called_so = |path: &Path| path.extension().is_some_and(|end| ENDINGS.iter().any(|one| end == *one));
        let is_root = std::ptr::eq(file, &self.loaded.files[0]);
        file.tree().template.is_some() && (self.fragment || is_root && is_called_so(&file.path))
    }

    /// Walks a file from its top in a context.
    fn file(&self, index: usize, context: Context, way: &IncludePath, out: &mut Collected, scope: &mut Scope<'_>) {
        let file = &self.loaded.files[index];
        if self.is_template(file) {
            return;
        }
        let is_new = self.is_to_check(index, context, &mut out.turn);
        // A fragment of one or more server blocks' inside: give it a block to stand in.
        let inside_of = match context {
            Context::Server => Some(Service::Http),
            Context::StreamServer => Some(Service::Stream),
            Context::MailServer => Some(Service::Mail),
            _ => None,
        };
        if let Some(service) = inside_of
            && matches!(scope, Scope::Elsewhere)
        {
            let end = file.bytes.len() as u32;
            let mut draft = self.draft(service, Span::new(file.id, 0, 0), Span::new(file.id, 0, end), way);
            self.block(file, file.tree().roots(), context, is_new, way, out, &mut Scope::Server(&mut draft));
            // Where the block listens stands outside: nothing to bind.
            if !draft.asked.is_empty() {
                out.servers.push(draft);
            }
            return;
        }
        self.block(file, file.tree().roots(), context, is_new, way, out, scope);
    }

    fn reader(&self, context: Context) -> directives::Reader {
        directives::Reader {
            context: Some(context),
            version: self.version,
            version_is_assumed: self.version_is_assumed,
            foreign_module: self.foreign_module,
        }
    }

    fn draft(&self, service: Service, head: Span, block: Span, way: &IncludePath) -> Box<ServerDraft> {
        Box::new(ServerDraft {
            service,
            head,
            block,
            include_chain: way.include_chain,
            level: None,
            asked: Vec::new(),
            names: Vec::new(),
            places: vec![Place::default()],
            ssl_on: None,
        })
    }

    /// Walks the directives of one block, or of a whole file.
    #[expect(clippy::too_many_arguments, reason = "the state of one recursion, passed down unbundled")]
    fn block(
        &self,
        file: &'a LoadedFile,
        directives: impl Iterator<Item = usize>,
        context: Context,
        check: bool,
        way: &IncludePath,
        out: &mut Collected,
        scope: &mut Scope<'_>,
    ) {
        let tree = &file.tree();
        let mut all: Vec<usize> = Vec::with_capacity(USUAL);
        all.extend(directives);
        if check {
            directives::check_duplicates(tree, &all, &file.bytes, file.id, self.reader(context), &mut out.problems);
            if way.opens {
                let found = self.duplicates(file, &all, self.reader(context), way, &out.turn);
                out.problems.extend(found);
            }
        }
        for index in all {
            let name = tree.name(index, &file.bytes);
            if check {
                let found = directives::check(tree, index, &file.bytes, file.id, self.reader(context));
                out.problems.extend(found);
                out.variables.look(name, tree.args(index), &file.bytes, file.id);
            }
            out.has_events |= name == b"events" && context == Context::Main;
            if name == b"user" && context == Context::Main {
                let mut words = tree.args(index).iter();
                let said =
                    setting::DirectiveRef { name, words: tree.args(index), file, include_chain: way.include_chain };
                let mut next = || words.next().map(|word| said.token(word));
                out.run_as = RunAs { user: next(), group: next() };
            }
            if name == b"include" {
                self.include(file, index, context, way, out, scope);
                continue;
            }
            let Some(block) = tree.directives[index].block.as_ref() else {
                self.simple(file, index, name, way, out, scope);
                continue;
            };
            if block.is_raw {
                continue;
            }
            let head_word = tree.words[tree.directives[index].first_word as usize].span(file.id);
            let inside = way.inside();
            if inside.depth > self.limits.block_depth {
                let limit = self.limits.block_depth.to_string();
                out.problems.push(Problem::new("syntax-error", head_word).case("too-deep").with("limit", limit));
                continue;
            }
            match (context, name) {
                (Context::Main, b"http" | b"stream" | b"mail") => {
                    let (service, inner) = match name {
                        b"http" => (Service::Http, Context::Http),
                        b"stream" => (Service::Stream, Context::Stream),
                        _ => (Service::Mail, Context::Mail),
                    };
                    out.heads[service as usize] = out.heads[service as usize].or(Some(head_word));
                    self.block(file, tree.children(index), inner, check, &inside, out, &mut Scope::Section(service));
                }
                (Context::Http | Context::Stream | Context::Mail, b"server") => {
                    let (service, inner) = match context {
                        Context::Http => (Service::Http, Context::Server),
                        Context::Stream => (Service::Stream, Context::StreamServer),
                        _ => (Service::Mail, Context::MailServer),
                    };
                    let end = tree.directives[index].end;
                    let mut draft = self.draft(service, head_word, Span::new(file.id, head_word.start, end), way);
                    let inner_blocks = tree.inside(index).iter().filter(|one| one.block.is_some()).count();
                    draft.places.reserve_exact(inner_blocks);
                    self.block(file, tree.children(index), inner, check, &inside, out, &mut Scope::Server(&mut draft));
                    draft.places.shrink_to_fit();
                    draft.names.shrink_to_fit();
                    out.servers.push(draft);
                }
                (Context::Http | Context::Stream, b"upstream") => {
                    let service = if context == Context::Http { Service::Http } else { Service::Stream };
                    self.group(file, index, service, out);
                    let inner = if context == Context::Http { Context::Upstream } else { Context::StreamUpstream };
                    self.block(file, tree.children(index), inner, check, &inside, out, &mut Scope::Elsewhere);
                }
                _ => {
                    // Bodies of `map`, `types` and the like hold no directives.
                    let said =
                        setting::DirectiveRef { name, words: tree.args(index), file, include_chain: way.include_chain };
                    if let Some(inner) = directives::context_inside(name, context) {
                        self.block(file, tree.children(index), inner, check, &inside, out, &mut scope.inside(&said));
                    } else {
                        let is_early = |word: &Word| word.value(&file.bytes).starts_with(b"$ssl_early_data");
                        out.maps_early_data |= name == b"map" && said.words.first().is_some_and(is_early);
                        if check && name == b"map" {
                            let entries = tree.children(index).map(|entry| tree.directives[entry].first_word as usize);
                            let faults = entries
                                .filter_map(|at| directives::check_marked(&tree.words[at], &file.bytes, file.id));
                            out.problems.extend(faults);
                        }
                    }
                }
            }
        }
    }

    /// The servers that an `upstream` block names.
    fn group(&self, file: &LoadedFile, index: usize, service: Service, out: &mut Collected) {
        let tree = &file.tree();
        let Some(name) = tree.args(index).first().map(|word| word.value(&file.bytes)) else { return };
        let name = String::from_utf8_lossy(&name).to_ascii_lowercase();
        let servers = tree.children(index).filter(|child| tree.name(*child, &file.bytes) == b"server");
        let addresses = servers.filter_map(|server| {
            let words = tree.args(server);
            let said = setting::DirectiveRef { name: b"server", words, file, include_chain: None };
            words.first().map(|word| said.token(word))
        });
        out.groups.insert((service, name.into()), addresses.collect());
    }

    /// Follows an `include` where it stands.
    fn include(
        &self,
        file: &LoadedFile,
        index: usize,
        context: Context,
        way: &IncludePath,
        out: &mut Collected,
        scope: &mut Scope<'_>,
    ) {
        let Some(word) = file.tree().args(index).first() else { return };
        let at = word.span(file.id);
        let written = || String::from_utf8_lossy(&word.value(&file.bytes)).into_owned();
        let targets = match file.includes.get(&index) {
            Some(Included::Files(targets)) => targets,
            Some(Included::NoPrefix) => {
                let reason = format!("`{}` is relative to the folder of a main file that is not at hand", written());
                let reason = UncheckedReason::NotAtHand(reason);
                out.unjudged.push(Unchecked { what: "include".into(), reason, at: Some(at) });
                return;
            }
            None => return,
        };
        let value = word.value(&file.bytes);
        if crate::source::has_wildcard(&value) {
            let paths = targets.iter().filter_map(|target| target.as_ref().ok());
            let paths: Vec<PathBuf> = paths.map(|index| self.loaded.files[*index].path.clone()).collect();
            let quoted =
                usize::from(file.bytes.get(word.end as usize - 1).is_some_and(|one| matches!(one, b'"' | b'\'')));
            let inside = Span::new(file.id, at.start + quoted as u32, at.end - quoted as u32);
            out.problems.extend(backup::problem(inside, &written(), &paths, false));
        }
        // Those that are refused are counted too: each is a problem of its own.
        if !self.count_inclusions(targets.len(), &out.turn) {
            let limit = self.limits.includes.to_string();
            out.problems.push(Problem::new("include-cycle", at).case("too-many").with("limit", limit));
            return;
        }
        let words: usize = targets.iter().flatten().map(|index| self.loaded.files[*index].tree().words.len()).sum();
        if !self.count_words(words, &out.turn) {
            let limit = self.limits.words_again();
            let problem = Problem::new("include-cycle", at).case("too-many-words").with("limit", limit.to_string());
            out.problems.push(problem);
            return;
        }
        let mut found = Vec::with_capacity(targets.len());
        for target in targets {
            match target {
                Ok(index) if way.files.contains(index) || way.files.len() > self.limits.include_depth => {
                    let path = self.loaded.files[*index].path.display().to_string();
                    out.problems.push(Problem::new("include-cycle", at).with("path", path));
                }
                Ok(index) => found.push(*index),
                Err((path, error)) => self.include_fault(at, written(), path, error, out),
            }
        }
        if found.is_empty() {
            return;
        }
        let frame = Frame { kind: FrameKind::Include, at, parent: way.include_chain };
        let include_chain = self.frames.lock().ok().map(|mut frames| frames.add(frame));
        let enter = |index: usize| IncludePath {
            files: way.files.iter().copied().chain([index]).collect(),
            include_chain,
            depth: way.depth,
            opens: false,
        };
        let is_of_sites = found.len() >= 16 && way.files.len() <= 2 && matches!(scope, Scope::Section(Service::Http));
        if is_of_sites && matches!(out.turn, Turn::InOrder) {
            // Many site files: each for itself, put together in order. Not within one another: a worker that waits takes
            // up another file on the same stack.
            let files: Vec<(usize, IncludePath)> = found.iter().map(|index| (*index, enter(*index))).collect();
            if self.beside(&files, context, out) {
                return;
            }
        }
        for index in found {
            if self.is_in_vain(&out.turn) {
                return;
            }
            self.file_in(index, context, &enter(index), out, scope);
        }
    }

    /// Walks an included file in the scope of the includer.
    fn file_in(&self, index: usize, context: Context, way: &IncludePath, out: &mut Collected, scope: &mut Scope<'_>) {
        let file = &self.loaded.files[index];
        if self.is_template(file) {
            return;
        }
        let is_new = self.is_to_check(index, context, &mut out.turn);
        self.block(file, file.tree().roots(), context, is_new, way, out, scope);
    }

    fn include_fault(&self, at: Span, written: String, path: &Path, error: &ReadError, out: &mut Collected) {
        let problem =
            Problem::new("include-missing", at).with("path", written).with("located", path.display().to_string());
        match error {
            ReadError::Missing | ReadError::Dangling { .. } => {
                out.problems.push(problem.with("reason", error.to_string()));
            }
            ReadError::NotRegular(kind) => {
                out.problems.push(problem.case("not-regular").with("kind", kind.to_string()))
            }
            ReadError::TooLarge { .. }
            | ReadError::TooManyWords { .. }
            | ReadError::Exhausted { .. }
            | ReadError::LinkLoop
            | ReadError::Other(_) => {
                out.problems.push(problem.case("unreadable").with("reason", error.to_string()));
            }
            ReadError::Forbidden | ReadError::Elsewhere => out.unjudged.push(Unchecked {
                what: "include".into(),
                reason: UncheckedReason::of(error, format!("{}: {error}", path.display())),
                at: Some(at),
            }),
        }
    }

    /// A directive without a block.
    fn simple(
        &self,
        file: &LoadedFile,
        index: usize,
        name: &[u8],
        way: &IncludePath,
        out: &mut Collected,
        scope: &mut Scope<'_>,
    ) {
        let words = file.tree().args(index);
        let said = setting::DirectiveRef { name, words, file, include_chain: way.include_chain };
        if words.is_empty() {
            // The only directive without arguments that anything here hangs on.
            if let (Scope::Place(draft, place), b"internal") = (scope, name) {
                draft.places[*place].answer.read(&said);
            }
            return;
        }
        match scope {
            Scope::Section(service) => {
                out.zones.read(*service, &said);
                if setting::is_one(name) {
                    let level = out.levels[*service as usize].get_or_insert_default();
                    setting::read(self, &said, level, &mut out.problems);
                }
                upstream::setting(self, &said, &mut out.upstream[*service as usize]);
                if *service == Service::Http {
                    out.answer.read(&said);
                    out.files.read(self, &said);
                }
            }
            Scope::Server(draft) => match name {
                b"listen" => self.listen(&said, draft, out),
                b"server_name" if draft.service != Service::Mail => {
                    draft.names.extend(words.iter().map(|word| name::read(said.token(word))));
                }
                b"ssl" => {
                    if words[0].value(&file.bytes).eq_ignore_ascii_case(b"on") && !self.version.at_least(1, 25, 1) {
                        draft.ssl_on = Some(said.span());
                    }
                }
                _ => {
                    out.zones.read(draft.service, &said);
                    if setting::is_one(name) {
                        setting::read(self, &said, draft.level.get_or_insert_default(), &mut out.problems);
                    }
                    draft.places[0].read(self, &said);
                }
            },
            Scope::Place(draft, place) => draft.places[*place].read(self, &said),
            Scope::Elsewhere => {}
        }
    }

    fn listen(&self, said: &setting::DirectiveRef<'_>, draft: &mut ServerDraft, out: &mut Collected) {
        let words: Vec<Token> = said.words.iter().map(|word| said.token(word)).collect();
        let mut faults = Vec::new();
        let asked = listen::read(words, said.span(), draft.service, &mut faults);
        for fault in faults {
            let word = |token: &Token| token.text.to_string();
            match &fault {
                ListenFault::Address(token) if token.text.contains('$') => out.unjudged.push(Unchecked {
                    what: "listen".into(),
                    reason: format!("`{}` hangs on a variable", token.text).into(),
                    at: Some(token.span),
                }),
                ListenFault::Address(token) => {
                    out.problems.push(
                        Problem::new("invalid-argument", token.span).case("listen-address").with("word", word(token)),
                    );
                }
                ListenFault::Word(token) | ListenFault::Variable(token) => {
                    out.problems
                        .push(Problem::new("invalid-argument", token.span).case("listen").with("word", word(token)));
                }
                ListenFault::Quic(token) => {
                    out.problems
                        .push(Problem::new("quic-incompatible-parameter", token.span).with("word", word(token)));
                }
            }
        }
        if let Some(asked) = asked.as_ref().filter(|one| one.http2 && self.version.at_least(1, 25, 1))
            && let Some(word) = asked.words.iter().find(|word| &*word.text == "http2")
        {
            let problem = Problem::new("deprecated-directive", word.span).with("name", "listen ... http2");
            out.problems.push(problem.with("since", "1.25.1").with("instead", "`http2 on;`"));
        }
        let spdy = asked.as_ref().and_then(|one| one.words[1..].iter().find(|word| &*word.text == "spdy"));
        if let Some(word) = spdy.filter(|_| draft.service == Service::Http && self.version.at_least(1, 19, 7)) {
            let problem = Problem::new("directive-removed", word.span).with("name", "listen ... spdy");
            let problem = problem.with("last", "1.19.6").with("version", self.version.to_string());
            out.problems.push(match self.version_is_assumed {
                true => problem.case("assumed").severity(Severity::Info),
                false => problem.case("spdy"),
            });
        }
        if let Some(asked) = asked.filter(|asked| !asked.udp) {
            setting::push(&mut draft.asked, asked);
        }
    }

    /// Where a file that the configuration names is found.
    fn locate(&self, written: &[u8]) -> Option<PathBuf> {
        self.loaded.locate(self.files, path_of(written))
    }
}

/// The span of a run of words.
fn span_of(words: &[Word], file: &LoadedFile) -> Span {
    let first = words[0].span(file.id);
    first.to(words[words.len() - 1].span(file.id))
}
