//! One directive of a level: which setting it is, and what its words mean.
//!
//! What a directive of this kind may take was held against the table already; here a word that means nothing is left out.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use super::ech;
use super::level::{File, Level, Named, READ_LATE, Slot};
use super::{LoadedFile, Lowering, Word, span_of};
use crate::diagnostic::{Edit, Fix, Problem, Safety};
use crate::model::{Command, FrameId, Origin, Piece, ProtocolChoice, Setting, Template, TicketKey, Token, VerifyMode};
use crate::source::Span;
use crate::tls::{Protocol, Protocols};

/// A directive where it is read.
pub struct DirectiveRef<'a> {
    pub name: &'a [u8],
    pub words: &'a [Word],
    pub file: &'a LoadedFile,
    pub include_chain: Option<FrameId>,
}

impl DirectiveRef<'_> {
    /// The text of a word as the server reads it. Invalid UTF-8 is replaced.
    pub fn text(&self, word: &Word) -> Cow<'_, str> {
        match word.value(&self.file.bytes) {
            Cow::Borrowed(text) => std::str::from_utf8(text).map_or_else(|_| String::from_utf8_lossy(text), Cow::from),
            Cow::Owned(text) => Cow::Owned(String::from_utf8_lossy(&text).into_owned()),
        }
    }

    /// A word as the server reads it.
    pub fn token(&self, word: &Word) -> Token {
        let text: Arc<str> = match self.text(word) {
            Cow::Borrowed(text) => text.into(),
            Cow::Owned(text) => text.into(),
        };
        Token { text, span: word.span(self.file.id) }
    }

    /// All arguments.
    pub fn span(&self) -> Span {
        span_of(self.words, self.file)
    }

    pub fn first(&self) -> Token {
        self.token(&self.words[0])
    }

    pub fn origin(&self) -> Origin {
        Origin::said(self.span(), self.include_chain)
    }

    pub fn known<T>(&self, value: T) -> Option<Setting<T>> {
        Some(Setting::known(value, self.origin()))
    }

    pub fn flag(&self) -> Option<Setting<bool>> {
        let text = self.text(&self.words[0]);
        match (text.eq_ignore_ascii_case("on"), text.eq_ignore_ascii_case("off")) {
            (true, _) => self.known(true),
            (_, true) => self.known(false),
            _ => None,
        }
    }

    fn list(&self) -> Option<Setting<Arc<[Token]>>> {
        self.known(Arc::from([self.first()]))
    }
}

/// Whether a directive is one that a level holds.
pub fn is_one(name: &[u8]) -> bool {
    name.starts_with(b"ssl_") || matches!(name, b"resolver" | b"http2" | b"protocol" | b"starttls")
}

/// Takes a directive into its level, if it is one that TLS hangs on.
pub fn read(lowering: &Lowering<'_>, said: &DirectiveRef<'_>, level: &mut Level, problems: &mut Vec<Problem>) {
    if said.name == b"resolver" {
        level.resolver = level.resolver.or(Some(said.span()));
        return;
    }
    if said.name == b"http2" {
        set(&mut level.http2, said.flag());
        return;
    }
    if said.name == b"protocol" {
        level.protocol = Some(said.first());
        return;
    }
    if said.name == b"starttls" {
        level.starttls = Some((said.span(), !matches!(&*said.first().text, "off")));
        return;
    }
    let Some(name) = said.name.strip_prefix(b"ssl_") else { return };
    level.has_tls = true;
    match name {
        b"protocols" => protocols(said, level, problems),
        b"ciphers" => set(&mut level.ciphers, said.list()),
        b"prefer_server_ciphers" => set(&mut level.prefer_server_ciphers, said.flag()),
        b"ecdh_curve" => set(&mut level.groups, said.list()),
        b"early_data" => set(&mut level.early_data, said.flag()),
        b"session_timeout" => {
            set(&mut level.session_lifetime, seconds(&said.first().text).and_then(|seconds| said.known(seconds)));
        }
        b"session_cache" => {
            let off = said.words.iter().all(|word| matches!(&*said.token(word).text, "off" | "none"));
            set(&mut level.session_cache, said.known(!off));
        }
        b"session_tickets" => set(&mut level.session_tickets, said.flag()),
        b"reject_handshake" => set(&mut level.rejects, said.flag()),
        b"alpn" => {
            let names: Arc<[Token]> = said.words.iter().map(|word| said.token(word)).collect();
            set(&mut level.alpn, said.known(names));
        }
        b"stapling" => set(&mut level.stapling, said.flag()),
        b"stapling_file" => set(&mut level.stapling_file, Some(file(lowering, said))),
        b"stapling_responder" => set(&mut level.stapling_responder, said.known(said.first())),
        b"verify_client" => set(&mut level.verify, verify_mode(said)),
        b"verify_depth" => {
            set(&mut level.verify_depth, said.first().text.parse().ok().and_then(|depth: u32| said.known(depth)));
        }
        b"certificate" => push(&mut level.certificates, named(lowering, said)),
        b"certificate_key" => push(&mut level.keys, named(lowering, said)),
        b"password_file" => {
            let passwords = file(lowering, said);
            if let Some((token, path)) = passwords.get()
                && let Err(error) = lowering.files.metadata(path)
                && error.is_missing()
            {
                let problem = Problem::new("key-password-file-missing", token.span).with("path", &*token.text);
                problems.push(problem.with("reason", error.to_string()));
            }
            set(&mut level.passwords, Some(passwords));
        }
        b"session_ticket_key" => {
            if let Some((token, path)) = file(lowering, said).get() {
                let found = lowering.files.metadata(path).map(|found| (found.size, found.modified));
                level.ticket_keys.push(TicketKey { token: token.clone(), found });
            }
        }
        b"ech_file" => problems.extend(ech::check(lowering, &file(lowering, said), said)),
        b"client_certificate" => set(&mut level.client_authorities, Some(file(lowering, said))),
        b"trusted_certificate" => set(&mut level.trusted, Some(file(lowering, said))),
        b"crl" => set(&mut level.revocations, Some(file(lowering, said))),
        b"dhparam" => {
            let found = file(lowering, said);
            let value = match found.get() {
                Some(found) => Setting::known(Some(found.clone()), said.origin()),
                None => Setting::unknown("the path hangs on something that is not in the files", said.origin()),
            };
            set(&mut level.dh_parameters, Some(value));
        }
        b"conf_command" => {
            if let [name, value] = said.words {
                let command = Command { name: said.token(name), value: said.token(value) };
                match level.commands.as_deref_mut() {
                    Some(Setting { value: crate::model::Value::Known(all), .. }) => all.push(command),
                    _ => level.commands = said.known(vec![command]).map(Box::new),
                }
            }
        }
        _ => {}
    }
}

/// Adds to a list. Most have one entry, and there are very many lists.
pub fn push<T>(list: &mut Vec<T>, one: T) {
    if list.is_empty() {
        list.reserve_exact(1);
    }
    list.push(one);
}

/// The first in a block stays: nginx refuses a second.
fn set<T>(setting: &mut Slot<T>, value: Option<Setting<T>>) {
    if setting.is_none() {
        *setting = value.map(Box::new);
    }
}

/// A stretch of time in nginx's words: `1d12h`, `90m`, plain seconds (`ngx_parse_time`).
fn seconds(text: &str) -> Option<u64> {
    let mut total: u64 = 0;
    let mut number: Option<u64> = None;
    for letter in text.chars().filter(|letter| *letter != ' ') {
        if let Some(digit) = letter.to_digit(10) {
            number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(u64::from(digit))?);
            continue;
        }
        let unit = match letter {
            'y' => 31_536_000,
            'M' => 2_592_000,
            'w' => 604_800,
            'd' => 86_400,
            'h' => 3_600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        total = total.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    total.checked_add(number.unwrap_or(0))
}

fn verify_mode(said: &DirectiveRef<'_>) -> Option<Setting<VerifyMode>> {
    said.known(match &*said.first().text.to_ascii_lowercase() {
        "on" => VerifyMode::Required,
        "off" => VerifyMode::Off,
        "optional" => VerifyMode::Optional,
        "optional_no_ca" => VerifyMode::OptionalNoCa,
        _ => return None,
    })
}

/// What a value begins with that names no file.
const SCHEMES: [&str; 3] = ["data:", "engine:", "store:"];

/// A certificate or key file: its path may hang on the name that the client sends.
fn named(lowering: &Lowering<'_>, said: &DirectiveRef<'_>) -> Named {
    let has_variable = said.words[0].has_variable();
    let template = has_variable.then(|| template(lowering, said.first())).flatten();
    Named { file: file(lowering, said), template }
}

/// How a path with variables is built; absent where one of them is told by something else than a name.
fn template(lowering: &Lowering<'_>, token: Token) -> Option<Template> {
    let text = &*token.text;
    if SCHEMES.into_iter().any(|scheme| text.starts_with(scheme)) {
        return None;
    }
    let head = text.find('$').unwrap_or(text.len());
    let folder_end = text[..head].rfind('/').map_or(0, |at| at + 1);
    let folder = lowering.locate(if folder_end == 0 { b"." } else { &text.as_bytes()[..folder_end] })?;
    let mut rest = &text[folder_end..];
    let mut pieces = Vec::new();
    while let Some(at) = rest.find('$') {
        let (before, variable) = rest.split_at(at);
        if !before.is_empty() {
            pieces.push(Piece::Text(before.into()));
        }
        let variable = &variable[1..];
        let (name, after) = match variable.strip_prefix('{') {
            Some(inside) => inside.split_once('}')?,
            None => {
                let is_letter = |one: char| one.is_ascii_alphanumeric() || one == '_';
                variable.split_at(variable.find(|one| !is_letter(one)).unwrap_or(variable.len()))
            }
        };
        pieces.push(match name {
            "ssl_server_name" => Piece::SentName,
            "server_name" => Piece::SiteName,
            _ => return None,
        });
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.into()));
    }
    Some(Template { token: token.clone(), folder, pieces: pieces.into() })
}

/// A file by its path. Variables are known only to the worker at run time; `data:`, `engine:` and `store:` name no file.
pub fn file(lowering: &Lowering<'_>, said: &DirectiveRef<'_>) -> File {
    let token = said.first();
    if let Some(prefix) = SCHEMES.into_iter().find(|prefix| token.text.starts_with(prefix)) {
        return Setting::unknown(format!("`{prefix}` names no file"), said.origin());
    }
    if said.words[0].has_variable() && token.text.contains('$') {
        return Setting::unknown(READ_LATE, said.origin());
    }
    let located: Option<PathBuf> = lowering.locate(&said.words[0].value(&said.file.bytes));
    match located {
        Some(path) => Setting::known((token, path), said.origin()),
        None => {
            Setting::unknown("the path is relative to the folder of a main file that is not at hand", said.origin())
        }
    }
}

/// `ssl_protocols`: each word adds a version, case ignored; an unknown word stops nginx.
fn protocols(said: &DirectiveRef<'_>, level: &mut Level, problems: &mut Vec<Problem>) {
    let fresh = protocol_choice(said, problems);
    match &mut level.protocols {
        Some(mine) => super::level::add_protocols(mine, fresh),
        none => *none = Some(Box::new(fresh)),
    }
}

/// The protocols that words switch on.
pub fn protocol_choice(said: &DirectiveRef<'_>, problems: &mut Vec<Problem>) -> Setting<ProtocolChoice> {
    let mut choice = ProtocolChoice { set: Protocols::NONE, words: Arc::default(), lost: Protocols::NONE };
    let mut words = Vec::with_capacity(said.words.len());
    for word in said.words {
        let token = said.token(word);
        // nginx has no `TLSv1.0`: the word for it is `TLSv1`.
        let found = (!token.text.eq_ignore_ascii_case("TLSv1.0")).then(|| Protocol::from_name(&token.text)).flatten();
        match found {
            Some(protocol) => {
                choice.set = choice.set.with(protocol);
                words.push((protocol, token));
            }
            None => problems.push(unknown_protocol(&token)),
        }
    }
    choice.words = words.into();
    Setting::known(choice, said.origin())
}

fn unknown_protocol(token: &Token) -> Problem {
    let problem = Problem::new("unknown-protocol", token.span)
        .with("word", &*token.text)
        .with("known", "SSLv2 SSLv3 TLSv1 TLSv1.1 TLSv1.2 TLSv1.3");
    let letters: String =
        token.text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let meant = match &*letters {
        "tls10" | "tlsv10" | "tlsv1" | "tls1" => "TLSv1",
        "tls11" | "tlsv11" => "TLSv1.1",
        "tls12" | "tlsv12" => "TLSv1.2",
        "tls13" | "tlsv13" => "TLSv1.3",
        "ssl3" | "sslv3" => "SSLv3",
        _ => return problem,
    };
    problem.case("misspelt").with("meant", meant).fix(Fix {
        title: format!("write `{meant}`"),
        safety: Safety::Safe,
        edits: vec![Edit { span: token.span, text: meant.to_owned() }],
    })
}
