//! One directive of a level: which setting it is, and what its words mean.
//!
//! How many arguments it has was held against the table already; here the words themselves are looked at. Source: Apache
//! 2.4, `ssl_engine_config.c` and `server/core.c`.

use std::sync::Arc;

use super::level::{APPENDED, Engine, Level};
use super::{Lowering, upstream};
use crate::diagnostic::{Edit, Fix, Problem, Safety, Severity, Unchecked};
use crate::model::{Command, Name, NameKind, Origin, Setting, Token, VerifyMode};
use crate::platform::{KeepsApart, TlsLibraryKind};
use crate::server::apache::directives::comment_above;
use crate::server::apache::include::Statement;
use crate::server::apache::syntax::Word;
use crate::source::Span;
use crate::tls::command::is_command;

/// A directive where it is read.
pub struct DirectiveRef<'a> {
    /// In lower case.
    pub name: &'a str,
    pub statement: &'a Statement,
    pub words: &'a [Word],
    pub text: &'a [u8],
}

impl DirectiveRef<'_> {
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

    pub fn first(&self) -> Option<Token> {
        self.words.first().map(|word| self.token(word))
    }

    pub fn origin(&self) -> Origin {
        Origin::said(self.span(), self.statement.include_chain)
    }

    pub fn known<T>(&self, value: T) -> Option<Setting<T>> {
        Some(Setting::known(value, self.origin()))
    }

    pub fn flag(&self) -> Option<Setting<bool>> {
        let first = self.first()?;
        let is = |word: &str| first.text.eq_ignore_ascii_case(word);
        match (is("on"), is("off")) {
            (true, _) => self.known(true),
            (_, true) => self.known(false),
            _ => None,
        }
    }

    /// Where the directive's name stands.
    pub fn name_span(&self) -> Span {
        Span::new(self.statement.text, self.statement.name.0, self.statement.name.1)
    }

    /// The problem of a value that the directive does not take.
    fn wrong(&self, token: &Token, expected: &str) -> Problem {
        let name = String::from_utf8_lossy(&self.text[self.statement.name.0 as usize..self.statement.name.1 as usize]);
        let problem = Problem::new("invalid-argument", token.span).case("value").with("name", name);
        problem.with("value", &*token.text).with("expected", expected)
    }
}

/// Takes a directive into its level, if it is one that TLS hangs on.
pub fn read(lowering: &mut Lowering<'_>, said: &DirectiveRef<'_>, level: &mut Level) {
    let Some(first) = said.first() else {
        if said.name == "sslprotocol" {
            level.protocols = lowering.protocols(said);
        }
        return;
    };
    level.has_tls |= said.name.starts_with("ssl") && !said.name.starts_with("sslproxy");
    if let Some(name) = said.name.strip_prefix("sslproxy") {
        upstream::read(lowering, said, name, &first, level.proxy.get_or_insert_default());
        return;
    }
    match said.name {
        "sslengine" => engine(lowering, said, &first, level),
        "sslprotocol" => level.protocols = lowering.protocols(said),
        "sslciphersuite" => ciphers(lowering, said, level),
        "sslhonorcipherorder" => level.honor_order = said.flag().or(level.honor_order.take()),
        "sslopensslconfcmd" => command(lowering, said, level),
        "sslcertificatefile" => level.certificates.push(lowering.file(said, &first, "certificate-file-missing")),
        "sslcertificatekeyfile" => level.keys.push(lowering.file(said, &first, "key-file-missing")),
        "sslcacertificatefile" => level.authorities = Some(lowering.file(said, &first, "")),
        "sslcacertificatepath" => level.authority_folder = Some(lowering.file(said, &first, "")),
        "sslcarevocationfile" => level.revocations = Some(lowering.file(said, &first, "")),
        "sslcarevocationpath" => level.revocation_folder = Some(lowering.file(said, &first, "")),
        "sslcarevocationcheck" => {
            let on = matches!(&*first.text.to_ascii_lowercase(), "leaf" | "chain");
            level.revocation_check = said.known(on);
            let is_lenient = |word: &Word| said.token(word).text.eq_ignore_ascii_case("no_crl_for_cert_ok");
            let is_whole = first.text.eq_ignore_ascii_case("chain") && !said.words.iter().any(is_lenient);
            level.needs_revocations = if is_whole { said.known(()) } else { None };
        }
        "sslverifyclient" => verify(lowering, said, &first, level),
        "sslverifydepth" => level.verify_depth = first.text.parse().ok().and_then(|depth: u32| said.known(depth)),
        "sslusestapling" => level.stapling = said.flag().or(level.stapling.take()),
        "sslstaplingforceurl" => level.stapling_url = said.known(first),
        "mdstapling" => level.managed_stapling = said.flag(),
        "sslsessionticketkeyfile" => lowering.ticket_key(said, &first, level),
        "sslsessioncachetimeout" => {
            level.session_lifetime = first.text.parse().ok().and_then(|seconds: u64| said.known(seconds));
        }
        "sslcertificatechainfile" => {
            lowering.problems.push(deprecated(said, "2.4.8", "`SSLCertificateFile` with the whole chain"));
            level.chain = Some(lowering.file(said, &first, "certificate-file-missing"));
        }
        "sslsessiontickets" => level.session_tickets = said.flag().or(level.session_tickets.take()),
        "sslcompression" => switch_off(lowering, said, "compression-enabled"),
        "sslinsecurerenegotiation" => switch_off(lowering, said, "insecure-renegotiation"),
        "sslstaplingcache" => {
            lowering.stapling_cache = Some(said.span());
            lowering.cache_provider(said, &first);
        }
        "sslsessioncache" => lowering.cache_provider(said, &first),
        "loglevel" => lowering.problems.extend(said.words.iter().filter_map(|word| dumps(&said.token(word)))),
        "sslvhostsnipolicy" => lowering.keeps_apart = keeps_apart(&first.text),
        "sslpassphrasedialog" => level.dialog = Some(first).filter(|word| !word.text.eq_ignore_ascii_case("builtin")),
        "protocols" => level.application = said.known(said.words.iter().map(|word| said.token(word)).collect()),
        "protocol" => level.protocol = Some(first),
        "servername" => server_name(lowering, said, &first, level),
        "serveralias" => aliases(lowering, said, level),
        _ => {}
    }
}

/// `LogLevel`: from `trace7` on mod_ssl writes what is decrypted to the error log.
fn dumps(word: &Token) -> Option<Problem> {
    let (module, level) = word.text.rsplit_once(':').unwrap_or(("", &word.text));
    let is_ssl = ["", "ssl", "mod_ssl", "mod_ssl.c", "ssl_module"].iter().any(|name| name.eq_ignore_ascii_case(module));
    let dumps = ["trace7", "trace8"].iter().any(|name| name.eq_ignore_ascii_case(level));
    let span = word.part(word.text.len() - level.len(), word.text.len());
    let edits = vec![Edit { span, text: "trace6".to_owned() }];
    let fix = Fix { title: "write `trace6`".to_owned(), safety: Safety::Safe, edits };
    let problem = || Problem::new("tls-secrets-logged", word.span).case("log").with("level", level).fix(fix);
    (is_ssl && dumps).then(problem)
}

/// `SSLVHostSNIPolicy`: two of its words look at more and less than the one that holds without it.
fn keeps_apart(word: &str) -> Option<KeepsApart> {
    Some(match &*word.to_ascii_lowercase() {
        "insecure" => KeepsApart::Nothing,
        "authonly" => KeepsApart::Verification,
        "secure" | "strict" => KeepsApart::Settings,
        _ => return None,
    })
}

fn engine(lowering: &mut Lowering<'_>, said: &DirectiveRef<'_>, first: &Token, level: &mut Level) {
    let found = match &*first.text.to_ascii_lowercase() {
        "on" => Engine::On,
        "off" => Engine::Off,
        "optional" => {
            lowering.problems.push(Problem::new("ssl-engine-optional", first.span));
            Engine::Optional
        }
        _ if lowering.is_open(&first.text) => {
            let reason = format!("`{}` hangs on a variable that nothing defines", first.text);
            lowering.unjudged.push(Unchecked {
                what: "tls".into(),
                reason: reason.clone().into(),
                at: Some(first.span),
            });
            level.engine = Some(Setting::unknown(reason, said.origin()));
            return;
        }
        _ if lowering.tells_undefined(first, "") => return,
        _ => {
            lowering.problems.push(said.wrong(first, "`on`, `off` or `optional`"));
            return;
        }
    };
    level.engine = said.known(found);
}

/// A switch that is better left off.
fn switch_off(lowering: &mut Lowering<'_>, said: &DirectiveRef<'_>, rule: &'static str) {
    let is_on = said.flag().is_some_and(|flag| flag.get() == Some(&true));
    if let Some(first) = said.first().filter(|_| is_on) {
        let edits = vec![Edit { span: first.span, text: "off".to_owned() }];
        let fix = Fix { title: "write `off`".to_owned(), safety: Safety::Safe, edits };
        let mut problem = Problem::new(rule, first.span).with("library", lowering.library.name.clone());
        if rule == "compression-enabled" && lowering.compresses {
            problem = problem.case("possible").severity(Severity::Warning);
        }
        lowering.problems.push(problem.fix(fix));
    }
}

/// `SSLCipherSuite [SSL|TLSv1.3] list`; the word before the list keeps its case.
fn ciphers(lowering: &mut Lowering<'_>, said: &DirectiveRef<'_>, level: &mut Level) {
    let (protocol, list) = match said.words {
        [list] => (None, list),
        [protocol, list] => (Some(said.token(protocol)), list),
        _ => return,
    };
    let list = said.token(list);
    if lowering.is_open(&list.text) {
        let reason = format!("`{}` hangs on a variable that nothing defines", list.text);
        level.ciphers = Some(Setting::unknown(reason, said.origin()));
        return;
    }
    match protocol.as_ref().map(|word| &*word.text) {
        Some("TLSv1.3") => {
            level.ciphersuites = said.known(Arc::from([list]));
        }
        None | Some("SSL") => {
            level.ciphers = said.known(Arc::from([appended(list)]));
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

/// A cipher string with what httpd adds. That stands nowhere: the place is that of the written part, without quotes.
pub fn appended(mut list: Token) -> Token {
    if list.span.len() as usize == list.text.len() + 2 {
        list.span = Span::new(list.span.file, list.span.start + 1, list.span.end - 1);
    }
    list.text = format!("{}{APPENDED}", list.text).into();
    list
}

/// What still works, and has a newer form.
pub fn deprecated(said: &DirectiveRef<'_>, since: &str, instead: &str) -> Problem {
    let name = String::from_utf8_lossy(&said.text[said.statement.name.0 as usize..said.statement.name.1 as usize]);
    let problem = Problem::new("deprecated-directive", said.name_span()).with("name", name).with("since", since);
    problem.with("instead", instead)
}

fn command(lowering: &mut Lowering<'_>, said: &DirectiveRef<'_>, level: &mut Level) {
    let [name, value] = said.words else { return };
    let (name, value) = (said.token(name), said.token(value));
    let library = &lowering.library;
    let is_known = library.kind != TlsLibraryKind::OpenSsl || is_command(library.version.numbers, &name.text);
    if !is_known && !name.text.starts_with('-') && !lowering.is_open(&name.text) {
        lowering.problems.push(said.wrong(&name, "a configuration command of OpenSSL, such as `Groups`"));
        return;
    }
    level.commands.push((Command { name, value }, said.origin()));
}

fn verify_mode(word: &str) -> Option<VerifyMode> {
    Some(match &*word.to_ascii_lowercase() {
        "none" | "off" => VerifyMode::Off,
        "optional" => VerifyMode::Optional,
        "optional_no_ca" => VerifyMode::OptionalNoCa,
        "require" | "on" => VerifyMode::Required,
        _ => return None,
    })
}

/// Whether a word of `SSLVerifyClient` has clients asked for a certificate.
pub fn asks_for_certificate(word: &str) -> bool {
    verify_mode(word).is_some_and(|mode| mode != VerifyMode::Off)
}

fn verify(lowering: &mut Lowering<'_>, said: &DirectiveRef<'_>, first: &Token, level: &mut Level) {
    let Some(mode) = verify_mode(&first.text) else {
        if !lowering.is_open(&first.text) && !lowering.tells_undefined(first, "") {
            lowering.problems.push(said.wrong(first, "`none`, `optional`, `require` or `optional_no_ca`"));
        }
        return;
    };
    level.verify = said.known(mode);
}

/// `[scheme://]name[:port]`: only the name is compared.
fn server_name(lowering: &mut Lowering<'_>, said: &DirectiveRef<'_>, first: &Token, level: &mut Level) {
    let behind = first.text.find("://").map_or(0, |at| at + 3);
    let rest = &first.text[behind..];
    let (host, port) = match rest.strip_prefix('[').and_then(|inside| inside.find(']')) {
        Some(end) => (&rest[..end + 2], rest.get(end + 2..).unwrap_or("")),
        None => rest.split_at(rest.find(':').unwrap_or(rest.len())),
    };
    if lowering.is_open(rest) {
        let reason = format!("`{}` hangs on a variable that nothing defines", first.text);
        lowering.unjudged.push(Unchecked { what: "server-name".into(), reason: reason.into(), at: Some(first.span) });
        return;
    }
    lowering.tells_undefined(first, "name");
    if host.contains(['*', '?', '[']) && !host.starts_with('[') {
        let edits = vec![Edit { span: said.name_span(), text: "ServerAlias".to_owned() }];
        let fix = Fix { title: "write `ServerAlias`".to_owned(), safety: Safety::Safe, edits };
        let problem = Problem::new("server-name-invalid-wildcard", first.span).with("name", host);
        lowering.problems.push(if port.is_empty() && first.text.starts_with(host) {
            problem.fix(fix)
        } else {
            problem
        });
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

fn aliases(lowering: &mut Lowering<'_>, said: &DirectiveRef<'_>, level: &mut Level) {
    for word in said.words {
        let token = said.token(word);
        if token.text.starts_with('#') && !word.is_quoted() {
            let end = said.words.last().unwrap_or(word).span(said.statement.text);
            let mut problem = Problem::new("inline-comment", token.span.to(end)).case("alias");
            problem.fix = comment_above(said.text, said.name_span(), token.span.to(end));
            lowering.problems.push(problem.with("name", "ServerAlias"));
            return;
        }
        if lowering.is_open(&token.text) {
            let reason = format!("`{}` hangs on a variable that nothing defines", token.text);
            lowering.unjudged.push(Unchecked {
                what: "server-name".into(),
                reason: reason.into(),
                at: Some(token.span),
            });
            continue;
        }
        lowering.tells_undefined(&token, "name");
        let text = token.text.to_ascii_lowercase();
        let kind = match text.strip_prefix("*.") {
            Some(rest) if !rest.contains(['*', '?']) => NameKind::LeadingWildcard,
            _ if text.contains(['*', '?']) => NameKind::Glob,
            _ => NameKind::Exact,
        };
        level.aliases.push(Name { token: Token::new(text, token.span), kind });
    }
}
