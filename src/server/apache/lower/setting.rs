//! One directive of a level: which setting it is, and what its words mean.
//!
//! How many arguments it has was held against the table already; here the words themselves are looked at. Source: Apache
//! 2.4, `ssl_engine_config.c` and `server/core.c`.

use std::path::PathBuf;
use std::sync::Arc;

use super::Lowering;
use super::level::{self, APPENDED, Engine, File, Level};
use crate::diagnostic::{Edit, Fix, Problem, Safety, Unjudged};
use crate::model::{Command, Name, NameKind, Origin, Setting, Token, VerifyMode};
use crate::platform::TlsLibraryKind;
use crate::server::apache::include::{Statement, path_of};
use crate::server::apache::syntax::Word;
use crate::source::{FileKind, Span};

/// A directive where it is read.
pub struct Said<'a> {
    /// In lower case.
    pub name: &'a str,
    pub statement: &'a Statement,
    pub words: &'a [Word],
    pub text: &'a [u8],
}

impl Said<'_> {
    /// A word as the server reads it.
    pub fn token(&self, word: &Word) -> Token {
        word.token(self.text, self.statement.text)
    }

    /// All arguments, or the name where there is none.
    pub fn span(&self) -> Span {
        let file = self.statement.text;
        match (self.words.first(), self.words.last()) {
            (Some(first), Some(last)) => first.span(file).to(last.span(file)),
            _ => Span::new(file, self.statement.name.0, self.statement.name.1),
        }
    }

    fn first(&self) -> Option<Token> {
        self.words.first().map(|word| self.token(word))
    }

    fn origin(&self) -> Origin {
        Origin::written(self.span(), self.statement.via)
    }

    fn known<T>(&self, value: T) -> Option<Setting<T>> {
        Some(Setting::known(value, self.origin()))
    }

    fn flag(&self) -> Option<Setting<bool>> {
        let first = self.first()?;
        let is = |word: &str| first.text.eq_ignore_ascii_case(word);
        match (is("on"), is("off")) {
            (true, _) => self.known(true),
            (_, true) => self.known(false),
            _ => None,
        }
    }

    /// The problem of a value that the directive does not take.
    fn wrong(&self, token: &Token, expected: &str) -> Problem {
        let name = String::from_utf8_lossy(&self.text[self.statement.name.0 as usize..self.statement.name.1 as usize]);
        let problem = Problem::new("invalid-argument", token.span).case("value").with("name", name);
        problem.with("value", &*token.text).with("expected", expected)
    }
}

/// Takes a directive into its level, if it is one that TLS hangs on.
pub fn read(lowering: &mut Lowering<'_>, said: &Said<'_>, level: &mut Level) {
    let Some(first) = said.first() else {
        if said.name == "sslprotocol" {
            lowering.protocols(said, level);
        }
        return;
    };
    level.has_tls |= said.name.starts_with("ssl") && !said.name.starts_with("sslproxy");
    match said.name {
        "sslengine" => engine(lowering, said, &first, level),
        "sslprotocol" => lowering.protocols(said, level),
        "sslciphersuite" => ciphers(lowering, said, level),
        "sslhonorcipherorder" => level.honor_order = said.flag().or(level.honor_order.take()),
        "sslopensslconfcmd" => command(lowering, said, level),
        "sslcertificatefile" => level.certificates.push(lowering.file(said, &first, "certificate-file-missing")),
        "sslcertificatekeyfile" => level.keys.push(lowering.file(said, &first, "key-file-missing")),
        "sslcertificatechainfile" => level.chain = Some(lowering.file(said, &first, "")),
        "sslcacertificatefile" => level.authorities = Some(lowering.file(said, &first, "")),
        "sslcacertificatepath" => level.authority_folder = said.known(()),
        "sslcarevocationfile" | "sslcarevocationpath" => level.has_revocation_list = true,
        "sslcarevocationcheck" => {
            let on = matches!(&*first.text.to_ascii_lowercase(), "leaf" | "chain");
            level.revocation_check = said.known(on);
        }
        "sslverifyclient" => verify(lowering, said, &first, level),
        "sslverifydepth" => level.verify_depth = first.text.parse().ok().and_then(|depth: u32| said.known(depth)),
        "sslusestapling" => level.stapling = said.flag().or(level.stapling.take()),
        "sslstaplingforceurl" => level.stapling_url = said.known(first),
        "mdstapling" => level.managed_stapling = said.flag(),
        "sslsessiontickets" => level.session_tickets = said.flag().or(level.session_tickets.take()),
        "sslstaplingcache" => {
            lowering.stapling_cache = Some(said.span());
            lowering.cache_provider(said, &first);
        }
        "sslsessioncache" => lowering.cache_provider(said, &first),
        "sslpassphrasedialog" => level.dialog = Some(first).filter(|word| !word.text.eq_ignore_ascii_case("builtin")),
        "protocols" => level.application = said.known(said.words.iter().map(|word| said.token(word)).collect()),
        "protocol" => level.protocol = Some(first),
        "servername" => server_name(lowering, &first, level),
        "serveralias" => aliases(lowering, said, level),
        _ => {}
    }
}

fn engine(lowering: &mut Lowering<'_>, said: &Said<'_>, first: &Token, level: &mut Level) {
    let found = match &*first.text.to_ascii_lowercase() {
        "on" => Engine::On,
        "off" => Engine::Off,
        "optional" => Engine::Optional,
        _ if lowering.is_open(&first.text) => {
            let reason = format!("`{}` hangs on a variable that nothing defines", first.text);
            level.engine = Some(Setting::unknown(reason, said.origin()));
            return;
        }
        _ => {
            lowering.problems.push(said.wrong(first, "`on`, `off` or `optional`"));
            return;
        }
    };
    level.engine = said.known(found);
}

/// `SSLCipherSuite [SSL|TLSv1.3] list`; the word before the list keeps its case.
fn ciphers(lowering: &mut Lowering<'_>, said: &Said<'_>, level: &mut Level) {
    let (protocol, list) = match said.words {
        [list] => (None, list),
        [protocol, list] => (Some(said.token(protocol)), list),
        _ => return,
    };
    let mut list = said.token(list);
    if lowering.is_open(&list.text) {
        let reason = format!("`{}` hangs on a variable that nothing defines", list.text);
        level.ciphers = Some(Setting::unknown(reason, said.origin()));
        return;
    }
    match protocol.as_ref().map(|word| &*word.text) {
        Some("TLSv1.3") => {
            lowering.check_suites(&list);
            level.ciphersuites = said.known(Arc::from([list]));
        }
        None | Some("SSL") => {
            // What httpd adds stands nowhere: the place is that of the written part, without quotes.
            if list.span.len() as usize == list.text.len() + 2 {
                list.span = Span::new(list.span.file, list.span.start + 1, list.span.end - 1);
            }
            list.text = format!("{}{APPENDED}", list.text).into();
            level.ciphers = said.known(Arc::from([list]));
        }
        Some(_) => {
            let Some(word) = protocol else { return };
            let meant = ["TLSv1.3", "SSL"].into_iter().find(|meant| meant.eq_ignore_ascii_case(&word.text));
            let problem = said.wrong(&word, "`SSL` or `TLSv1.3` before the list, and the list as one word");
            lowering.problems.push(match meant {
                Some(meant) => problem.fix(Fix {
                    title: format!("write `{meant}`"),
                    safety: Safety::Safe,
                    edits: vec![Edit { span: word.span, text: meant.to_owned() }],
                }),
                None => problem,
            });
        }
    }
}

/// The commands that OpenSSL 3.0 knows for files or the command line of a server.
const COMMANDS: &[&str] = &[
    "signaturealgorithms",
    "clientsignaturealgorithms",
    "curves",
    "groups",
    "ecdhparameters",
    "cipherstring",
    "ciphersuites",
    "protocol",
    "minprotocol",
    "maxprotocol",
    "options",
    "verifymode",
    "certificate",
    "privatekey",
    "serverinfofile",
    "chaincapath",
    "chaincafile",
    "chaincastore",
    "verifycapath",
    "verifycafile",
    "verifycastore",
    "requestcapath",
    "requestcafile",
    "clientcapath",
    "clientcafile",
    "requestcastore",
    "clientcastore",
    "dhparameters",
    "recordpadding",
    "numtickets",
    "preferredgroups",
    "txcertificatecompression",
    "rxcertificatecompression",
];

fn command(lowering: &mut Lowering<'_>, said: &Said<'_>, level: &mut Level) {
    let [name, value] = said.words else { return };
    let (name, value) = (said.token(name), said.token(value));
    let lower = name.text.to_ascii_lowercase();
    let plain = lower.trim_start_matches('-');
    if !COMMANDS.contains(&plain) && !name.text.starts_with('-') && !lowering.is_open(&name.text) {
        lowering.problems.push(said.wrong(&name, "a configuration command of OpenSSL, such as `Groups`"));
        return;
    }
    level.commands.push((Command { name, value }, said.origin()));
}

fn verify(lowering: &mut Lowering<'_>, said: &Said<'_>, first: &Token, level: &mut Level) {
    let mode = match &*first.text.to_ascii_lowercase() {
        "none" | "off" => VerifyMode::Off,
        "optional" => VerifyMode::Optional,
        "optional_no_ca" => VerifyMode::OptionalNoCa,
        "require" | "on" => VerifyMode::Required,
        _ => {
            if !lowering.is_open(&first.text) {
                lowering.problems.push(said.wrong(first, "`none`, `optional`, `require` or `optional_no_ca`"));
            }
            return;
        }
    };
    level.verify = said.known(mode);
}

/// `[scheme://]name[:port]`: only the name is compared.
fn server_name(lowering: &mut Lowering<'_>, first: &Token, level: &mut Level) {
    let behind = first.text.find("://").map_or(0, |at| at + 3);
    let rest = &first.text[behind..];
    let (host, port) = match rest.strip_prefix('[').and_then(|inside| inside.find(']')) {
        Some(end) => (&rest[..end + 2], rest.get(end + 2..).unwrap_or("")),
        None => rest.split_at(rest.find(':').unwrap_or(rest.len())),
    };
    if lowering.is_open(rest) {
        let reason = format!("`{}` hangs on a variable that nothing defines", first.text);
        lowering.unjudged.push(Unjudged { what: "server-name".into(), reason, at: Some(first.span) });
        return;
    }
    if host.contains(['*', '?', '[']) && !host.starts_with('[') {
        let problem = Problem::new("server-name-invalid-wildcard", first.span).with("name", host);
        lowering.problems.push(problem);
    }
    let is_port = |text: &str| text.parse::<u16>().is_ok_and(|port| port > 0);
    if port.strip_prefix(':').is_some_and(|port| !is_port(port)) {
        let problem = Problem::new("invalid-argument", first.span).case("value").with("name", "ServerName");
        let problem = problem.with("value", &*first.text);
        lowering.problems.push(problem.with("expected", "a name, and a port from 1 to 65535 behind a colon if any"));
    }
    let span = first.part(behind, behind + host.len());
    level.server_name = Some(Name { token: Token::new(host.to_ascii_lowercase(), span), kind: NameKind::Exact });
}

fn aliases(lowering: &mut Lowering<'_>, said: &Said<'_>, level: &mut Level) {
    for word in said.words {
        let token = said.token(word);
        if token.text.starts_with('#') && !word.is_quoted() {
            let end = said.words.last().unwrap_or(word).span(said.statement.text);
            let problem = Problem::new("inline-comment", token.span.to(end)).case("alias").with("name", "ServerAlias");
            lowering.problems.push(problem);
            return;
        }
        if lowering.is_open(&token.text) {
            let reason = format!("`{}` hangs on a variable that nothing defines", token.text);
            lowering.unjudged.push(Unjudged { what: "server-name".into(), reason, at: Some(token.span) });
            continue;
        }
        let text = token.text.to_ascii_lowercase();
        let kind = match text.strip_prefix("*.") {
            Some(rest) if !rest.contains(['*', '?']) => NameKind::LeadingWildcard,
            _ if text.contains(['*', '?']) => NameKind::Glob,
            _ => NameKind::Exact,
        };
        level.aliases.push(Name { token: Token::new(text, token.span), kind });
    }
}

impl Lowering<'_> {
    /// Whether a word still has a variable whose value nobody knows here.
    pub fn is_open(&self, text: &str) -> bool {
        text.contains("${") && !self.loaded.environment_is_known
    }

    fn protocols(&mut self, said: &Said<'_>, level: &mut Level) {
        let words: Vec<Token> = said.words.iter().map(|word| said.token(word)).collect();
        if let Some(open) = words.iter().find(|word| self.is_open(&word.text)) {
            let reason = format!("`{}` hangs on a variable that nothing defines", open.text);
            level.protocols = Some(Setting::unknown(reason, said.origin()));
            return;
        }
        let mut wrong = Vec::new();
        let choice = level::protocols(&words, self.all_protocols, |word| wrong.push(word.clone()));
        for word in wrong {
            if word.text.starts_with('#') {
                let end = words.last().map_or(word.span, |last| last.span);
                let problem = Problem::new("inline-comment", word.span.to(end));
                self.problems.push(problem.with("name", "SSLProtocol"));
                break;
            }
            self.problems.push(unknown_protocol(&word));
        }
        level.protocols = said.known(choice);
    }

    /// A file by its path. httpd looks while reading whether it is there, whether or not TLS is on.
    fn file(&mut self, said: &Said<'_>, token: &Token, missing: &'static str) -> File {
        if self.is_open(&token.text) {
            return Setting::unknown("the path has a variable that nothing defines", said.origin());
        }
        if token.text.starts_with("pkcs11:") || token.text.split(':').count() == 2 && !token.text.contains('/') {
            return Setting::unknown("the key is kept by a device, not in a file", said.origin());
        }
        let value = said.words[0].value(said.text);
        let located: Option<PathBuf> = self.loaded.locate(self.files, path_of(&value));
        let Some(path) = located else {
            let reason = "the path is relative to the server's folder, and no main file is at hand";
            return Setting::unknown(reason, said.origin());
        };
        if !missing.is_empty() {
            let is_empty =
                self.files.metadata(&path).is_ok_and(|found| found.kind == FileKind::Regular && found.size == 0);
            self.empty_files.extend(is_empty.then_some((missing, token.clone())));
        }
        Setting::known((token.clone(), path), said.origin())
    }

    /// The suites of TLS 1.3. OpenSSL passes over names that it does not know from 3.0 on, and takes none of the list before.
    fn check_suites(&mut self, list: &Token) {
        const KNOWN: &[&str] = &[
            "TLS_AES_128_GCM_SHA256",
            "TLS_AES_256_GCM_SHA384",
            "TLS_CHACHA20_POLY1305_SHA256",
            "TLS_AES_128_CCM_SHA256",
            "TLS_AES_128_CCM_8_SHA256",
            "TLS_SHA256_SHA256",
            "TLS_SHA384_SHA384",
        ];
        let library = &self.library;
        if library.kind != TlsLibraryKind::OpenSsl {
            return;
        }
        let is_known = |name: &str| KNOWN.contains(&name.trim());
        let passes_over = library.version.at_least(3, 0, 0) && list.text.split(':').any(is_known);
        let mut at = 0;
        for name in list.text.split(':') {
            if !name.trim().is_empty() && !is_known(name) && !passes_over {
                let problem = Problem::new("cipher-list-empty", list.part(at, at + name.len())).case("tls13");
                let problem = problem.with("word", name.trim()).with("library", library.name.clone());
                self.problems.push(problem);
                return;
            }
            at += name.len() + 1;
        }
    }

    /// `SSLSessionCache` and `SSLStaplingCache`: the module that keeps the cache must be loaded.
    fn cache_provider(&mut self, said: &Said<'_>, first: &Token) {
        let provider = first.text.split(':').next().unwrap_or_default();
        let is_built_in = matches!(&*provider.to_ascii_lowercase(), "none" | "nonenotnull" | "default");
        let module = format!("mod_socache_{provider}");
        if is_built_in || self.loaded.modules.has_table(&module) || self.is_open(provider) || said.words.is_empty() {
            return;
        }
        let problem = Problem::new("socache-module-missing", first.span).with("provider", provider);
        self.problems.push(problem.with("module", module));
    }
}

fn unknown_protocol(token: &Token) -> Problem {
    let problem = Problem::new("unknown-protocol", token.span)
        .with("word", &*token.text)
        .with("known", "all TLSv1 TLSv1.1 TLSv1.2 TLSv1.3");
    let (sign, name) = match token.text.strip_prefix(['+', '-']) {
        Some(name) => (&token.text[..1], name),
        None => ("", &*token.text),
    };
    let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let meant = match &*letters {
        "tls10" | "tlsv10" | "tlsv1" | "tls1" => "TLSv1",
        "tls11" | "tlsv11" => "TLSv1.1",
        "tls12" | "tlsv12" => "TLSv1.2",
        "tls13" | "tlsv13" => "TLSv1.3",
        _ => return problem,
    };
    let meant = format!("{sign}{meant}");
    problem.case("misspelt").with("meant", meant.clone()).fix(Fix {
        title: format!("write `{meant}`"),
        safety: Safety::Safe,
        edits: vec![Edit { span: token.span, text: meant }],
    })
}
