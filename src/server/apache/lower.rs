//! From statements to the model: walks them in reading order, collects what the server and each virtual host says, then
//! decides who answers on which socket.
//!
//! Settings in directories do not touch the handshake and are left out. Lowering never fails: what is wrong becomes a
//! [`Problem`], what cannot be known an [`Unjudged`].

mod bind;
mod level;
mod listen;
mod managed;
mod setting;

use self::level::Level;
use self::listen::{AddressFault, Site as Address, Socket};
use self::managed::Managed;
use super::directives::{self, Context};
use super::include::{Loaded, Statement};
use super::syntax::{Kind, Word};
use crate::diagnostic::{Problem, Unjudged};
use crate::model::{Deployment, FrameId, ServerKind, Token};
use crate::platform::{Platform, TlsLibrary, TlsLibraryKind};
use crate::source::{FileSystem, Span};
use crate::tls::{Protocol, Protocols};

/// A virtual host as written, before what the server says is known.
struct Host {
    head: Span,
    block: Span,
    via: Option<FrameId>,
    level: Level,
    addresses: Vec<Address>,
    /// Whether it is the server itself.
    is_server: bool,
}

/// What a statement stands in.
enum Scope {
    /// The server itself.
    Server,
    /// The virtual host of this index.
    Host(usize),
    /// A managed domain.
    Managed(usize),
    /// Another language, or another module's: nothing in it is looked at.
    Foreign,
    /// Anything else.
    Elsewhere,
}

/// A section that is open.
struct Open {
    scope: Scope,
    context: Option<Context>,
}

pub(super) struct Lowering<'a> {
    files: &'a dyn FileSystem,
    loaded: &'a Loaded,
    fragment: bool,
    /// The library that speaks TLS.
    library: TlsLibrary,
    /// What `all` stands for.
    all_protocols: Protocols,
    server: Level,
    hosts: Vec<Host>,
    sockets: Vec<Socket>,
    managed: Managed,
    stapling_cache: Option<Span>,
    /// Files that are empty, with the rule that speaks of them: httpd looks while reading.
    empty_files: Vec<(&'static str, Token)>,
    problems: Vec<Problem>,
    unjudged: Vec<Unjudged>,
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
    let mut lowering = Lowering {
        files,
        loaded,
        fragment,
        library: deployment.platform.tls_library.clone(),
        all_protocols: all_protocols(&deployment.platform),
        server: Level::default(),
        hosts: Vec::new(),
        sockets: Vec::new(),
        managed: Managed::default(),
        stapling_cache: None,
        empty_files: Vec::new(),
        problems: Vec::new(),
        unjudged: Vec::new(),
    };
    lowering.walk(context, &deployment.platform);
    bind::build(&mut deployment, lowering);
    deployment
}

/// `all`: TLS 1.3 from 2.4.36 and OpenSSL 1.1.1 on; SSL 3.0 is compiled into no library of the tables.
fn all_protocols(platform: &Platform) -> Protocols {
    let library = &platform.tls_library;
    let has_tls13 = platform.server_version.at_least(2, 4, 36)
        && (library.kind != TlsLibraryKind::OpenSsl || library.version.at_least(1, 1, 1));
    let old = [Protocol::Tls10, Protocol::Tls11, Protocol::Tls12];
    old.into_iter().chain(has_tls13.then_some(Protocol::Tls13)).collect()
}

impl Lowering<'_> {
    fn walk(&mut self, context: Context, platform: &Platform) {
        let loaded = self.loaded;
        let outside = Open { scope: Scope::Server, context: Some(context) };
        let mut open: Vec<Open> = vec![outside];
        let version_is_assumed = platform.assumed.iter().any(|what| what == "server_version");
        for statement in &loaded.statements {
            let text = loaded.text(statement.text);
            if statement.kind == Kind::Close {
                if open.len() > 1
                    && let Some(Open { scope: Scope::Host(at), .. }) = open.pop()
                {
                    let host = &mut self.hosts[at];
                    if host.block.file == statement.line.file {
                        host.block = host.block.to(statement.line);
                    }
                }
                continue;
            }
            let here = &open[open.len() - 1];
            if matches!(here.scope, Scope::Foreign) {
                if statement.kind == Kind::Open {
                    open.push(Open { scope: Scope::Foreign, context: None });
                }
                continue;
            }
            let words = loaded.words(statement);
            let name = loaded.name(statement);
            let at = loaded.name_span(statement);
            let is_section = statement.kind == Kind::Open;
            let written = directives::Written { name, at, is_section, words: &words, text, file: statement.text };
            let reader = directives::Reader {
                context: here.context,
                version: platform.server_version,
                version_is_assumed,
                modules: &loaded.modules,
            };
            let is_checked = here.context.is_some() || !matches!(here.scope, Scope::Elsewhere);
            let (row, problem) = directives::check(written, reader);
            let is_sound = problem.is_none();
            // In a section with rules of its own only the names are looked at.
            let problem = problem.filter(|one| is_checked || one.rule.as_str() != "directive-not-allowed-here");
            self.problems.extend(problem);
            let lower = row.map_or(String::new(), |row| row.name.trim_start_matches('<').to_ascii_lowercase());
            if is_section {
                let next = self.enter(statement, &lower, name, &words, &open);
                open.push(next);
            } else if is_sound {
                let said = setting::Said { name: &lower, statement, words: &words, text };
                self.directive(&said, &here.scope);
            }
        }
    }

    /// Opens a section.
    fn enter(&mut self, statement: &Statement, lower: &str, name: &[u8], words: &[Word], open: &[Open]) -> Open {
        let elsewhere = |context| Open { scope: Scope::Elsewhere, context };
        match lower {
            "virtualhost" if open.len() == 1 => {
                let at = self.hosts.len();
                self.host(statement, words);
                Open { scope: Scope::Host(at), context: Some(Context::VirtualHost) }
            }
            "mdomainset" | "mdomain" => {
                let text = self.loaded.text(statement.text);
                let tokens = words.iter().map(|word| word.token(text, statement.text)).collect();
                let at = self.managed.add(tokens);
                Open { scope: Scope::Managed(at), context: None }
            }
            // What these hold is what the block around them holds.
            "limit" | "limitexcept" | "requireall" | "requireany" | "requirenone" => {
                elsewhere(open[open.len() - 1].context.filter(|context| *context != Context::Server))
            }
            "" if directives::is_foreign(&[b"<", name].concat()) => Open { scope: Scope::Foreign, context: None },
            _ => elsewhere(Context::inside(&name.to_ascii_lowercase())),
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
                self.unjudged.push(Unjudged { what: "address".into(), reason, at: Some(token.span) });
                continue;
            }
            match listen::site(&token) {
                Ok(address) => addresses.push(address),
                Err(fault) => self.problems.push(address_fault("<VirtualHost>", &token, fault)),
            }
        }
        let block = statement.line;
        self.hosts.push(Host { head, block, via: statement.via, level: Level::default(), addresses, is_server: false });
    }

    fn directive(&mut self, said: &setting::Said<'_>, scope: &Scope) {
        match scope {
            Scope::Server => match said.name {
                "listen" => self.listen(said),
                "mdomain" => {
                    let names = said.words.iter().map(|word| said.token(word)).collect();
                    self.managed.add(names);
                }
                name if name.starts_with("md") && self.managed.read(said) => {}
                _ => {
                    let mut level = std::mem::take(&mut self.server);
                    setting::read(self, said, &mut level);
                    self.server = level;
                }
            },
            Scope::Host(at) => {
                let mut level = std::mem::take(&mut self.hosts[*at].level);
                setting::read(self, said, &mut level);
                self.hosts[*at].level = level;
            }
            Scope::Managed(at) => self.managed.inside(*at, said),
            Scope::Foreign | Scope::Elsewhere => {}
        }
    }

    fn listen(&mut self, said: &setting::Said<'_>) {
        let tokens: Vec<Token> = said.words.iter().map(|word| said.token(word)).collect();
        let Some(first) = tokens.first() else { return };
        if self.is_open(&first.text) {
            let reason = format!("`{}` hangs on a variable that nothing defines", first.text);
            self.unjudged.push(Unjudged { what: "listen".into(), reason, at: Some(first.span) });
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

fn address_fault(name: &str, token: &Token, fault: AddressFault) -> Problem {
    let expected = match fault {
        AddressFault::NoPort => "a port too: ADDRESS:PORT",
        AddressFault::NoAddress => "an address too: `*:443`",
        AddressFault::Invalid => "ADDRESS:PORT, an IPv6 address in brackets, a port from 1 to 65535",
    };
    let problem = Problem::new("invalid-argument", token.span).case("value").with("name", name);
    problem.with("value", &*token.text).with("expected", expected)
}
