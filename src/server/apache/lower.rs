//! From statements to the model: walks them in reading order, collects what the server and each virtual host says, then
//! decides who answers on which socket.
//!
//! Settings in directories do not touch the handshake and are left out. Lowering never fails: what is wrong becomes a
//! [`Problem`], what cannot be known an [`Unchecked`].

mod answer;
mod bind;
mod level;
mod listen;
mod managed;
mod setting;
mod upstream;
mod value;
mod webroot;

use std::ffi::OsString;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use foldhash::HashMap;
use rayon::prelude::*;

use self::level::Level;
use self::listen::{AddressFault, Site as Address, Socket};
use self::managed::Managed;
use super::directives::{self, Context, Entry};
use super::include::{Loaded, Statement};
use super::syntax::{Kind, Word};
use crate::diagnostic::{Edit, Fix, Problem, Safety, Unchecked};
use crate::model::{Deployment, FrameId, RunAs, ServerKind, TicketKey, Token};
use crate::platform::{KeepsApart, Platform, TlsLibrary, TlsLibraryKind};
use crate::source::{FileSystem, Span};
use crate::tls::{Protocol, Protocols};

/// A virtual host as written, before what the server says is known.
struct Host {
    head: Span,
    block: Span,
    include_chain: Option<FrameId>,
    /// In a place of its own: hosts are many, and levels large.
    level: Box<Level>,
    addresses: Vec<Address>,
    /// Whether it is the server itself.
    is_server: bool,
}

/// Whether a directive is one that TLS hangs on, by its name in lower case.
fn is_read(name: &str) -> bool {
    let is_ours = name.starts_with("ssl") || name.starts_with("md");
    is_ours
        || matches!(
            name,
            "listen" | "loglevel" | "servername" | "serveralias" | "protocols" | "protocol" | "user" | "group"
        )
}

/// Directives that are out of use, the release since which they are, and what is written instead: nothing, where they have
/// no effect (the documentation of each).
const OUT_OF_USE: &[(&str, &str, &str)] = &[
    ("namevirtualhost", "2.3.11", ""),
    ("sslrequire", "2.4.0", "`Require expr`"),
    ("sslproxycheckpeercn", "2.4.5", "`SSLProxyCheckPeerName`"),
];

/// Whether what requests get hangs on a directive, by its name in lower case.
fn is_answer(name: &str) -> bool {
    answer::is_read(name) || webroot::is_read(name)
}

/// Whether a directive sends requests on, by its name in lower case.
fn sends_on(name: &str) -> bool {
    matches!(name, "proxypass" | "proxypassmatch" | "balancermember" | "rewriterule")
}

/// Whether anything is made of a directive's words, by its name in lower case.
fn says_something(name: &str) -> bool {
    is_read(name) || sends_on(name) || is_answer(name)
}

/// A statement that was held against the table.
#[derive(Default)]
struct Checked {
    /// Its row, where it is sound.
    row: Option<&'static Entry>,
    /// What is wrong with it.
    problem: Option<Box<Problem>>,
    /// Its words, where something is made of them.
    words: Vec<Word>,
}

/// Whether a directive is read in directories too, for the virtual host around them.
fn is_read_inside(name: &str) -> bool {
    sends_on(name) || name.starts_with("sslproxy") || name == "sslverifyclient" || is_answer(name)
}

/// Where a statement stands, as far as the table of directives goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    In(Context),
    /// In a section with rules of its own: only names are looked at.
    Own,
    /// In another language, or another module's section: nothing is looked at.
    Foreign,
}

/// What a statement stands in.
#[derive(Clone, Copy)]
enum Scope {
    /// The server itself.
    Server,
    /// The virtual host of this index.
    Host(usize),
    /// A managed domain.
    Managed(usize),
    /// Anything else.
    Elsewhere,
}

pub(super) struct Lowering<'a> {
    files: &'a dyn FileSystem,
    loaded: &'a Loaded,
    fragment: bool,
    /// The library that speaks TLS.
    library: TlsLibrary,
    /// Whether it is built with zlib, as that of the RHEL family is.
    compresses: bool,
    /// What `all` stands for.
    all_protocols: Protocols,
    server: Box<Level>,
    /// A blank level that stands in while one is written to.
    spare: Option<Box<Level>>,
    hosts: Vec<Host>,
    sockets: Vec<Socket>,
    managed: Managed,
    stapling_cache: Option<Span>,
    /// What `SSLVHostSNIPolicy` says.
    keeps_apart: Option<KeepsApart>,
    run_as: RunAs,
    /// Keys for session tickets that are looked at.
    ticket_keys: Vec<TicketKey>,
    /// Whether a `Listen` could not be read.
    unjudged_sockets: bool,
    /// Files that are empty, with the rule that speaks of them: httpd looks while reading.
    empty_files: Vec<(&'static str, Token)>,
    /// Whether a file that was looked at is empty, by its path; the same for all stretches.
    emptiness: Arc<Mutex<HashMap<OsString, bool>>>,
    problems: Vec<Problem>,
    unjudged: Vec<Unchecked>,
}

/// Lowers what was read.
pub fn lower(
    files: &dyn FileSystem,
    loaded: &mut Loaded,
    context: Context,
    fragment: bool,
    platform: Platform,
) -> Deployment {
    let mut deployment = Deployment::empty(ServerKind::Apache, platform);
    deployment.fragment = fragment;
    deployment.problems = std::mem::take(&mut loaded.problems);
    deployment.unjudged = std::mem::take(&mut loaded.unjudged);
    deployment.frames = std::mem::take(&mut loaded.frames);
    let mut lowering = Lowering::new(files, loaded, fragment, &deployment.platform);
    lowering.walk(context, &deployment.platform);
    deployment.run_as = std::mem::take(&mut lowering.run_as);
    deployment.keeps_apart = lowering.keeps_apart.unwrap_or(deployment.keeps_apart);
    bind::build(&mut deployment, lowering);
    deployment
}

/// How many statements one worker takes at a time.
const AT_ONCE: usize = 1024;

/// Statements that are walked together; the sections among them end there too.
struct Stretch {
    range: Range<usize>,
    /// Whether they are whole virtual hosts and nothing else.
    is_of_hosts: bool,
}

/// Cuts the statements into what stands outside of virtual hosts, and virtual hosts, several at a time.
fn stretches(loaded: &Loaded) -> Vec<Stretch> {
    let mut found: Vec<Stretch> = Vec::new();
    let mut depth = 0_usize;
    let mut is_of_hosts = false;
    for (at, statement) in loaded.statements.iter().enumerate() {
        let begins = depth == 0;
        if begins {
            is_of_hosts = statement.kind == Kind::Open && loaded.name(statement).eq_ignore_ascii_case(b"virtualhost");
        }
        match statement.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Directive => {}
        }
        let is_full = |last: &Stretch| is_of_hosts && begins && last.range.len() >= AT_ONCE;
        match found.last_mut() {
            Some(last) if last.is_of_hosts == is_of_hosts && !is_full(last) => last.range.end = at + 1,
            _ => found.push(Stretch { range: at..at + 1, is_of_hosts }),
        }
    }
    found
}

/// `all`: TLS 1.3 from 2.4.36 and OpenSSL 1.1.1 on; SSL 3.0 is compiled into no library of the tables.
fn all_protocols(platform: &Platform) -> Protocols {
    let library = &platform.tls_library;
    let has_tls13 = platform.server_version.at_least(2, 4, 36)
        && (library.kind != TlsLibraryKind::OpenSsl || library.version.at_least(1, 1, 1));
    let old = [Protocol::Tls10, Protocol::Tls11, Protocol::Tls12];
    old.into_iter().chain(has_tls13.then_some(Protocol::Tls13)).collect()
}

impl<'a> Lowering<'a> {
    fn new(files: &'a dyn FileSystem, loaded: &'a Loaded, fragment: bool, platform: &Platform) -> Self {
        Lowering {
            files,
            loaded,
            fragment,
            library: platform.tls_library.clone(),
            compresses: platform.system_profiles,
            all_protocols: all_protocols(platform),
            server: Box::default(),
            spare: None,
            hosts: Vec::new(),
            sockets: Vec::new(),
            managed: Managed::default(),
            stapling_cache: None,
            keeps_apart: None,
            run_as: RunAs::default(),
            ticket_keys: Vec::new(),
            unjudged_sockets: false,
            empty_files: Vec::new(),
            emptiness: Arc::default(),
            problems: Vec::new(),
            unjudged: Vec::new(),
        }
    }

    /// One that has collected nothing, for a stretch of virtual hosts.
    fn beside(&self, platform: &Platform) -> Self {
        let emptiness = Arc::clone(&self.emptiness);
        Lowering { emptiness, ..Lowering::new(self.files, self.loaded, self.fragment, platform) }
    }

    /// Takes over what a stretch of virtual hosts says, which stands behind all that was collected.
    fn append(&mut self, other: Lowering<'a>) {
        self.hosts.extend(other.hosts);
        self.managed.append(other.managed);
        self.stapling_cache = other.stapling_cache.or(self.stapling_cache);
        self.keeps_apart = other.keeps_apart.or(self.keeps_apart);
        self.ticket_keys.extend(other.ticket_keys);
        self.empty_files.extend(other.empty_files);
        self.problems.extend(other.problems);
        self.unjudged.extend(other.unjudged);
    }

    /// The context of each statement of a stretch, absent where nothing is looked at, or it follows rules of its own.
    fn contexts(&self, stretch: &[Statement], outside: Context) -> Vec<Place> {
        let mut open = vec![Place::In(outside)];
        let mut places = Vec::with_capacity(stretch.len());
        for statement in stretch {
            if statement.kind == Kind::Close {
                if open.len() > 1 {
                    open.pop();
                }
                places.push(Place::Foreign);
                continue;
            }
            let here = open[open.len() - 1];
            places.push(here);
            if statement.kind == Kind::Open {
                let name = self.loaded.name(statement).to_ascii_lowercase();
                let inside = Context::inside(&name).filter(|_| here != Place::Foreign);
                open.push(match (here, &name[..]) {
                    _ if inside.is_some() => inside.map_or(Place::Own, Place::In),
                    (Place::Foreign, _) => Place::Foreign,
                    (_, b"mdomainset" | b"mdomain") => Place::Own,
                    (Place::In(Context::Server | Context::VirtualHost), b"limit" | b"limitexcept") => Place::Own,
                    // What these hold is what the block around them holds.
                    (_, b"limit" | b"limitexcept" | b"requireall" | b"requireany" | b"requirenone") => here,
                    (_, name) if directives::is_foreign(&[b"<", name].concat()) => Place::Foreign,
                    _ => Place::Own,
                });
            }
        }
        places
    }

    /// Holds each statement of a stretch against the table, in parallel.
    fn checked(&self, stretch: &'a [Statement], places: &[Place], platform: &Platform) -> Vec<Checked> {
        let loaded = self.loaded;
        let version_is_assumed = platform.assumed.iter().any(|what| what == "server_version");
        let check = |known: &mut directives::Known<'a>, (statement, place): (&'a Statement, &Place)| {
            if *place == Place::Foreign {
                return Checked::default();
            }
            let context = match place {
                Place::In(context) => Some(*context),
                _ => None,
            };
            let words = loaded.words(statement);
            let written = directives::Written {
                name: loaded.name(statement),
                at: loaded.name_span(statement),
                is_section: statement.kind == Kind::Open,
                words: &words,
                text: loaded.text(statement.text),
                file: statement.text,
            };
            let version = platform.server_version;
            let modules = &loaded.modules;
            let reader = directives::Reader { context, version, version_is_assumed, modules };
            let (row, problem) = directives::check(written, reader, known);
            // Nearly all are sound, and most say nothing of TLS: what is handed on for each statement stays small.
            let is_kept = row.is_some_and(|row| says_something(row.lower));
            let words = if is_kept { words } else { Vec::new() };
            Checked { row, problem: problem.map(Box::new), words }
        };
        let statements = stretch.par_iter().with_min_len(AT_ONCE);
        statements.zip(places).map_init(directives::Known::default, check).collect()
    }

    /// Walks all statements: what stands outside of virtual hosts one after another, these in parallel, each for itself.
    fn walk(&mut self, context: Context, platform: &Platform) {
        let stretches = stretches(self.loaded);
        let apart = |one: &Stretch| {
            one.is_of_hosts.then(|| {
                let mut part = self.beside(platform);
                part.stretch(one.range.clone(), context, platform);
                part
            })
        };
        let parts: Vec<Option<Lowering<'a>>> = stretches.par_iter().with_max_len(1).map(apart).collect();
        for (stretch, part) in stretches.into_iter().zip(parts) {
            match part {
                Some(part) => self.append(part),
                None => self.stretch(stretch.range, context, platform),
            }
        }
    }

    /// Walks a stretch of statements, whose sections all end in it.
    fn stretch(&mut self, range: Range<usize>, context: Context, platform: &Platform) {
        let loaded = self.loaded;
        let stretch = &loaded.statements[range];
        let places = self.contexts(stretch, context);
        let checked = self.checked(stretch, &places, platform);
        let mut open: Vec<Scope> = vec![Scope::Server];
        let mut sections: Vec<(usize, webroot::Section<'_>)> = Vec::new();
        for (statement, Checked { row, problem, words }) in stretch.iter().zip(checked) {
            if statement.kind == Kind::Close {
                sections.retain(|(depth, _)| *depth + 1 < open.len());
                if open.len() > 1
                    && let Some(Scope::Host(at)) = open.pop()
                {
                    let host = &mut self.hosts[at];
                    if host.block.file == statement.line.file {
                        host.block = host.block.to(statement.line);
                    }
                }
                continue;
            }
            let is_sound = problem.is_none();
            self.problems.extend(problem.map(|problem| *problem));
            let lower = row.map_or("", |row| row.lower);
            if let Some((_, since, instead)) = OUT_OF_USE.iter().find(|(name, ..)| is_sound && *name == lower) {
                let said =
                    setting::DirectiveRef { name: lower, statement, words: &words, text: loaded.text(statement.text) };
                let problem = setting::deprecated(&said, since, instead);
                self.problems.push(if instead.is_empty() { problem.case("without-effect") } else { problem });
            }
            if let (Scope::Host(at), Some(row)) = (open[open.len() - 1], row) {
                self.hosts[at].level.has_core |= row.is_core();
            }
            if statement.kind == Kind::Open {
                if matches!(open[open.len() - 1], Scope::Server | Scope::Host(_) | Scope::Elsewhere) {
                    sections.push((open.len(), webroot::Section { name: lower, statement }));
                }
                let next = self.enter(statement, lower, open.len() == 1);
                open.push(next);
            } else if is_sound && is_read(lower) && !matches!(open[open.len() - 1], Scope::Elsewhere) {
                let said =
                    setting::DirectiveRef { name: lower, statement, words: &words, text: loaded.text(statement.text) };
                self.directive(&said, open[open.len() - 1]);
            } else if is_sound && is_read_inside(lower) {
                let said =
                    setting::DirectiveRef { name: lower, statement, words: &words, text: loaded.text(statement.text) };
                let level = match open.iter().rev().find(|scope| !matches!(scope, Scope::Elsewhere)) {
                    Some(Scope::Server) => &mut self.server,
                    Some(Scope::Host(at)) => &mut self.hosts[*at].level,
                    _ => continue,
                };
                let is_inside = matches!(open.last(), Some(Scope::Elsewhere));
                if lower == "sslverifyclient" {
                    let mode = said.first().filter(|mode| setting::asks_for_certificate(&mode.text));
                    let line = statement.line;
                    level.directory_verify.extend(mode.map(|mode| level::DirectoryVerify { mode, line }));
                    continue;
                }
                if answer::is_read(lower) {
                    answer::read(&said, is_inside, &mut level.answers);
                }
                if webroot::is_read(lower) {
                    let around = sections.iter().map(|(_, section)| *section);
                    webroot::read(&said, around, self.files, loaded, &mut level.webroots);
                }
                if sends_on(lower) {
                    upstream::pass(&said, &mut level.proxy);
                }
                if lower.starts_with("sslproxy") {
                    level.proxy.get_or_insert_default().is_refined = true;
                }
            }
        }
    }

    /// Opens a section.
    fn enter(&mut self, statement: &Statement, lower: &str, is_outside: bool) -> Scope {
        match lower {
            "virtualhost" if is_outside => {
                self.host(statement, &self.loaded.words(statement));
                Scope::Host(self.hosts.len() - 1)
            }
            "mdomainset" | "mdomain" => {
                let text = self.loaded.text(statement.text);
                let words = self.loaded.words(statement);
                let tokens = words.iter().map(|word| word.token(text, statement.text)).collect();
                Scope::Managed(self.managed.add(tokens))
            }
            _ => Scope::Elsewhere,
        }
    }

    fn host(&mut self, statement: &Statement, words: &[Word]) {
        let file = statement.text;
        let head = Span::new(file, statement.name.0.saturating_sub(1), statement.arguments.1 + 1);
        let text = self.loaded.text(file);
        let mut addresses = Vec::with_capacity(words.len());
        if words.is_empty() {
            let at = self.loaded.name_span(statement);
            let problem = Problem::new("invalid-argument", at).case("count").with("name", "<VirtualHost>");
            self.problems.push(problem.with("expected", "an address").with("count", "0"));
        }
        for word in words {
            let token = word.token(text, file);
            if self.is_open(&token.text) {
                let reason = format!("`{}` hangs on a variable that nothing defines", token.text);
                self.unjudged.push(Unchecked { what: "address".into(), reason: reason.into(), at: Some(token.span) });
                continue;
            }
            if self.tells_undefined(&token, "site") {
                continue;
            }
            if token.text.contains(',') {
                self.problems.push(commas(&token, word.is_quoted()));
                continue;
            }
            match listen::site(&token) {
                Ok(address) if address.never_resolves() => self.problems.push(no_host(&token)),
                Ok(address) => addresses.push(address),
                Err(fault) => self.problems.push(address_fault("<VirtualHost>", &token, fault)),
            }
        }
        let block = statement.line;
        self.hosts.push(Host {
            head,
            block,
            include_chain: statement.include_chain,
            level: Box::default(),
            addresses,
            is_server: false,
        });
    }

    fn directive(&mut self, said: &setting::DirectiveRef<'_>, scope: Scope) {
        match scope {
            Scope::Server => match said.name {
                "listen" => self.listen(said),
                "user" => self.run_as.user = said.first(),
                "group" => self.run_as.group = said.first(),
                "mdomain" => {
                    let names = said.words.iter().map(|word| said.token(word)).collect();
                    self.managed.add(names);
                }
                name if name.starts_with("md") && self.managed.read(said) => {}
                _ => {
                    let blank = self.spare.take().unwrap_or_default();
                    let mut level = std::mem::replace(&mut self.server, blank);
                    setting::read(self, said, &mut level);
                    self.spare = Some(std::mem::replace(&mut self.server, level));
                }
            },
            Scope::Host(at) => {
                let blank = self.spare.take().unwrap_or_default();
                let mut level = std::mem::replace(&mut self.hosts[at].level, blank);
                setting::read(self, said, &mut level);
                self.spare = Some(std::mem::replace(&mut self.hosts[at].level, level));
            }
            Scope::Managed(at) => self.managed.inside(at, said),
            Scope::Elsewhere => {}
        }
    }

    fn listen(&mut self, said: &setting::DirectiveRef<'_>) {
        let tokens: Vec<Token> = said.words.iter().map(|word| said.token(word)).collect();
        let Some(first) = tokens.first() else { return };
        if self.is_open(&first.text) {
            let reason = format!("`{}` hangs on a variable that nothing defines", first.text);
            self.unjudged.push(Unchecked { what: "listen".into(), reason: reason.into(), at: Some(first.span) });
            self.unjudged_sockets = true;
            return;
        }
        if self.tells_undefined(first, "") {
            self.unjudged_sockets = true;
            return;
        }
        let listen = match listen::listen(&first.text) {
            Ok(listen) => listen,
            Err(fault) => {
                self.problems.push(address_fault("Listen", first, fault));
                return;
            }
        };
        if let Some(before) = self.sockets.iter().find(|socket| socket.listen == listen) {
            let problem = Problem::new("duplicate-listen", said.span()).with("listen", listen.to_string());
            let problem = before.at.into_iter().fold(problem, |problem, at| problem.related(at, "first here"));
            self.problems.push(problem);
            return;
        }
        let by_port = if listen.port == 443 { "https" } else { "http" };
        let protocol = tokens.get(1).map_or(by_port.into(), |word| word.text.to_ascii_lowercase().into());
        self.sockets.push(Socket { listen, protocol, at: Some(said.span()) });
    }
}

/// Addresses between commas: httpd takes them for one host name, which nobody resolves (AH00547).
fn commas(token: &Token, is_quoted: bool) -> Problem {
    let write = token.text.split(',').filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    let problem = Problem::new("vhost-address-invalid", token.span).with("word", &*token.text);
    let problem = problem.with("write", write.clone());
    if is_quoted || token.span.len() as usize != token.text.len() {
        return problem;
    }
    let edits = vec![Edit { span: token.span, text: write }];
    problem.fix(Fix { title: "separate by spaces".to_owned(), safety: Safety::Safe, edits })
}

/// An address of a virtual host that is taken for the name of a host, and can be none.
fn no_host(token: &Token) -> Problem {
    let port = match token.text.rsplit_once(':').map(|(_, port)| port) {
        Some("https") => "443",
        Some("http") => "80",
        _ => "PORT",
    };
    let host = token.text.rsplit_once(':').map_or(&*token.text, |(host, _)| host);
    let problem = Problem::new("vhost-address-invalid", token.span).case("no-host").with("word", &*token.text);
    problem.with("write", format!("{host}:{port}"))
}

fn address_fault(name: &str, token: &Token, fault: AddressFault) -> Problem {
    let expected = match fault {
        AddressFault::NoPort => "a port too: ADDRESS:PORT",
        AddressFault::NoAddress => "an address too: `*:443`",
        AddressFault::Invalid => "ADDRESS:PORT, an IPv6 address in brackets, a port from 1 to 65535",
    };
    let problem = Problem::new("invalid-argument", token.span).case("value").with("name", name);
    problem.with("value", &*token.text).with("expected", expected)
}
