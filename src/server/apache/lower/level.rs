//! The TLS settings of one level (the server or a virtual host), and how a virtual host takes over from the server.
//!
//! Scalars are replaced one by one, the last of a level holding; certificates and keys are replaced place by place, so that
//! surplus ones of the server stay; commands of both levels follow one another. Source: Apache 2.4, `ssl_engine_config.c`,
//! `modssl_ctx_cfg_merge` and `ssl_config_server_merge`.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use super::answer::Answers;
use super::upstream::Proxy;
use super::webroot::Webroots;
use crate::model::{
    ClientVerification, Command, Credential, Credentials, Name, Origin, ProtocolChoice, Setting, Stapling, TicketKey,
    TlsPolicy, Token, Value, VerifyMode,
};
use crate::source::Span;
use crate::tls::{Protocol, Protocols};

/// A file that the configuration names.
pub type File = Setting<(Token, PathBuf)>;

/// What `SSLEngine` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    On,
    Off,
    /// TLS within a connection that began without: never from the first byte.
    Optional,
}

/// `SSLVerifyClient` within a directory: asked for once the request is there.
#[derive(Clone, Debug)]
pub struct DirectoryVerify {
    pub mode: Token,
    /// The line that it stands on, where it stands in a file.
    pub line: Span,
}

/// What one level says.
#[derive(Clone, Debug, Default)]
pub struct Level {
    pub engine: Option<Setting<Engine>>,
    pub protocols: Option<Setting<ProtocolChoice>>,
    pub ciphers: Option<Setting<Arc<[Token]>>>,
    pub ciphersuites: Option<Setting<Arc<[Token]>>>,
    pub honor_order: Option<Setting<bool>>,
    pub commands: Vec<(Command, Origin)>,
    pub certificates: Vec<File>,
    pub keys: Vec<File>,
    pub chain: Option<File>,
    pub authorities: Option<File>,
    pub authority_folder: Option<File>,
    pub verify: Option<Setting<VerifyMode>>,
    pub verify_depth: Option<Setting<u32>>,
    /// What directories of the level ask of clients.
    pub directory_verify: Vec<DirectoryVerify>,
    pub revocation_check: Option<Setting<bool>>,
    pub revocations: Option<File>,
    pub revocation_folder: Option<File>,
    /// Set where the check goes up the whole path and no list may be missing.
    pub needs_revocations: Option<Setting<()>>,
    pub stapling: Option<Setting<bool>>,
    pub stapling_url: Option<Setting<Token>>,
    pub managed_stapling: Option<Setting<bool>>,
    pub session_tickets: Option<Setting<bool>>,
    pub ticket_key: Option<TicketKey>,
    /// TLS with other servers, in a place of its own: it is large, and few levels speak of it.
    pub proxy: Option<Box<Proxy>>,
    /// What requests get.
    pub answers: Answers,
    /// What files they get.
    pub webroots: Webroots,
    pub session_lifetime: Option<Setting<u64>>,
    /// `Protocols`: what is offered in ALPN.
    pub application: Option<Setting<Arc<[Token]>>>,
    /// `Protocol`: what the sockets of the level speak.
    pub protocol: Option<Token>,
    pub server_name: Option<Name>,
    pub aliases: Vec<Name>,
    /// A program that is asked for passwords at start.
    pub dialog: Option<Token>,
    /// Whether a TLS directive of any kind is written at this level.
    pub has_tls: bool,
    /// Whether a directive of httpd's core is written at this level: only then does a virtual host learn what its socket
    /// speaks, since without one it shares the core's settings with the server (`merge_server_configs`).
    pub has_core: bool,
}

impl Level {
    /// What it says of TLS with other servers.
    pub fn proxy(&self) -> &Proxy {
        static NOTHING: LazyLock<Proxy> = LazyLock::new(Proxy::default);
        self.proxy.as_deref().unwrap_or(&NOTHING)
    }

    /// Whether [`policy`] takes all from the level around.
    pub fn leaves_policy(&self) -> bool {
        // Every field is named, so that a new one is not forgotten.
        let Level {
            protocols,
            ciphers,
            ciphersuites,
            honor_order,
            commands,
            authorities,
            authority_folder,
            verify,
            verify_depth,
            revocation_check,
            revocations,
            needs_revocations,
            stapling,
            stapling_url,
            managed_stapling,
            session_tickets,
            session_lifetime,
            application,
            engine: _,
            certificates: _,
            keys: _,
            chain: _,
            revocation_folder,
            directory_verify: _,
            ticket_key: _,
            proxy: _,
            answers: _,
            webroots: _,
            protocol: _,
            server_name: _,
            aliases: _,
            dialog: _,
            has_tls: _,
            has_core: _,
        } = self;
        let has_list = ciphers.is_some() || ciphersuites.is_some() || !commands.is_empty() || application.is_some();
        let has_session = session_tickets.is_some() || session_lifetime.is_some();
        let has_switch = protocols.is_some() || honor_order.is_some() || has_session;
        let has_clients =
            verify.is_some() || verify_depth.is_some() || authorities.is_some() || authority_folder.is_some();
        let has_lists = revocation_check.is_some() || revocations.is_some() || needs_revocations.is_some();
        let has_lists = has_lists || revocation_folder.is_some();
        let has_stapling = stapling.is_some() || stapling_url.is_some() || managed_stapling.is_some();
        !(has_list || has_switch || has_clients || has_lists || has_stapling)
    }
}

pub fn take<T: Clone>(own: &Option<Setting<T>>, outer: &Option<Setting<T>>) -> Option<Setting<T>> {
    own.clone().or_else(|| outer.clone().map(inherited))
}

pub fn inherited<T>(mut setting: Setting<T>) -> Setting<T> {
    setting.origin = setting.origin.inherited();
    setting
}

/// What holds where nothing is written: httpd's default, or unknown in a part, whose surroundings may say otherwise.
#[derive(Clone, Copy)]
pub struct Defaults {
    /// What to point at.
    pub effective_at: Span,
    /// Whether what stands outside is unknown.
    pub fragment: bool,
    /// The protocols of `all`.
    pub protocols: Protocols,
    /// Whether HTTP/2 can be spoken: its module is there, and the processing module is one that it supports.
    pub speaks_h2: bool,
}

const OUTSIDE: &str = "it may be set outside this part";

impl Defaults {
    fn or<T>(self, setting: Option<Setting<T>>, default: T) -> Setting<T> {
        setting.unwrap_or_else(|| {
            let origin = Origin::default_for(self.effective_at);
            if self.fragment { Setting::unknown(OUTSIDE, origin) } else { Setting::known(default, origin) }
        })
    }

    /// A word that stands nowhere.
    fn word(self, text: &str) -> Token {
        Token::new(text, Span::new(self.effective_at.file, self.effective_at.start, self.effective_at.start))
    }
}

/// httpd's own addition to every cipher string (`ssl_cmd_SSLCipherSuite`).
pub const APPENDED: &str = ":!aNULL:!eNULL:!EXP";

/// The policy of a virtual host.
pub fn policy(own: &Level, outer: &Level, defaults: Defaults) -> TlsPolicy {
    let none = || -> Arc<[Token]> { Arc::default() };
    let default_ciphers: Arc<[Token]> = Arc::from([defaults.word("DEFAULT:!aNULL:!eNULL:!EXP")]);
    let choice = ProtocolChoice { set: defaults.protocols, words: Arc::default(), lost: Protocols::NONE };
    let by_default = Origin::default_for(defaults.effective_at);
    TlsPolicy {
        protocols: defaults.or(take(&own.protocols, &outer.protocols), choice),
        ciphers: defaults.or(take(&own.ciphers, &outer.ciphers), default_ciphers),
        ciphersuites: defaults.or(take(&own.ciphersuites, &outer.ciphersuites), none()),
        prefer_server_ciphers: defaults.or(take(&own.honor_order, &outer.honor_order), false),
        groups: Setting::known(none(), by_default),
        dh_parameters: Setting::known(None, by_default),
        commands: commands(own, outer, defaults),
        early_data: Setting::known(false, by_default),
        session_tickets: defaults.or(take(&own.session_tickets, &outer.session_tickets), true),
        session_lifetime: map(defaults.or(take(&own.session_lifetime, &outer.session_lifetime), 300), Some),
        alpn: application(own, outer, defaults),
        client_verification: verification(own, outer, defaults),
        stapling: stapling(own, outer, defaults),
    }
}

/// The ALPN names. HTTP/1.1 is spoken whether or not `Protocols` names it (`ap_select_protocol`).
fn application(own: &Level, outer: &Level, defaults: Defaults) -> Setting<Arc<[Token]>> {
    let written = take(&own.application, &outer.application)
        .unwrap_or_else(|| Setting::known(Arc::default(), Origin::default_for(defaults.effective_at)));
    map(written, |words| {
        let is_spoken = |word: &&Token| match &*word.text {
            "h2" => defaults.speaks_h2,
            other => other == "http/1.1",
        };
        let mut spoken: Vec<Token> = words.iter().filter(is_spoken).cloned().collect();
        if !spoken.iter().any(|word| &*word.text == "http/1.1") {
            spoken.push(defaults.word("http/1.1"));
        }
        spoken.into()
    })
}

/// Commands of the server come first, and all are applied after the other settings.
fn commands(own: &Level, outer: &Level, defaults: Defaults) -> Setting<Arc<[Command]>> {
    let all: Arc<[Command]> = outer.commands.iter().chain(&own.commands).map(|(command, _)| command.clone()).collect();
    let origin = match (own.commands.last(), outer.commands.last()) {
        (Some((_, origin)), _) => *origin,
        (None, Some((_, origin))) => origin.inherited(),
        (None, None) => Origin::default_for(defaults.effective_at),
    };
    Setting::known(all, origin)
}

fn map<T, U>(setting: Setting<T>, change: impl FnOnce(T) -> U) -> Setting<U> {
    let value = match setting.value {
        Value::Known(value) => Value::Known(change(value)),
        Value::Unknown(reason) => Value::Unknown(reason),
    };
    Setting { value, origin: setting.origin }
}

fn verification(own: &Level, outer: &Level, defaults: Defaults) -> Setting<ClientVerification> {
    // A part seldom asks for client certificates: where nothing is written, they are taken not to be asked for.
    let mode = take(&own.verify, &outer.verify)
        .unwrap_or_else(|| Setting::known(VerifyMode::Off, Origin::default_for(defaults.effective_at)));
    let authorities = take(&own.authorities, &outer.authorities).and_then(|file| file.get().cloned());
    let depth = take(&own.verify_depth, &outer.verify_depth).and_then(|depth| depth.get().copied()).unwrap_or(1);
    let has_folder = own.authority_folder.is_some() || outer.authority_folder.is_some();
    let folder = take(&own.authority_folder, &outer.authority_folder).and_then(|file| file.get().cloned());
    let revocation_folder = take(&own.revocation_folder, &outer.revocation_folder).and_then(|file| file.get().cloned());
    let check = take(&own.revocation_check, &outer.revocation_check).and_then(|check| check.get().copied());
    let checks_revocation = check == Some(true);
    let revocations = take(&own.revocations, &outer.revocations).and_then(|file| file.get().cloned());
    let needs = if own.revocation_check.is_some() { &own.needs_revocations } else { &outer.needs_revocations };
    let needs_every_revocation_list = needs.is_some();
    map(mode, |mode| ClientVerification {
        mode,
        authorities,
        more_authorities: Vec::new(),
        has_folder,
        folder,
        revocation_folder,
        depth,
        revocations,
        checks_revocation,
        needs_every_revocation_list,
    })
}

fn stapling(own: &Level, outer: &Level, defaults: Defaults) -> Setting<Stapling> {
    let on = defaults.or(take(&own.stapling, &outer.stapling), false);
    let responder = take(&own.stapling_url, &outer.stapling_url).and_then(|url| url.get().cloned());
    // The resolver of the system is always there.
    let by_manager = take(&own.managed_stapling, &outer.managed_stapling).is_some_and(|on| on.get() == Some(&true));
    map(on, |on| Stapling { on, file: None, responder, has_resolver: true, issuers: None, by_manager })
}

/// The certificates of a virtual host: a place that it fills replaces that of the server, the server's other ones stay.
/// A certificate pairs with the key of its place, else with the key in its own file.
pub fn credentials(own: &Level, outer: &Level) -> Credentials {
    let certificates = merged(&own.certificates, &outer.certificates);
    let keys = merged(&own.keys, &outer.keys);
    let chain = take(&own.chain, &outer.chain);
    let surplus_keys = keys.iter().skip(certificates.len());
    let surplus_keys = surplus_keys.filter_map(|key| key.get().map(|(token, _)| token.clone())).collect();
    let pairs = certificates.into_iter().enumerate().map(|(place, certificate)| {
        let key = keys.get(place).cloned().unwrap_or_else(|| certificate.clone());
        Credential { certificate, key: Some(key), chain: chain.clone(), by_name: None }
    });
    Credentials {
        pairs: pairs.collect(),
        surplus_keys,
        replaced: Vec::new(),
        passwords: None,
        authorities: take(&own.authorities, &outer.authorities).and_then(|file| file.get().cloned()),
        keys_by_place: true,
        dialog: outer.dialog.clone(),
        doubt: None,
    }
}

/// How many places a virtual host fills by place; what it has beyond is added behind (`SSL_AIDX_MAX` less one).
const PLACES: usize = 3;

fn merged(own: &[File], outer: &[File]) -> Vec<File> {
    let outer = outer.iter().skip(own.len().min(PLACES)).cloned().map(inherited);
    let first = own.iter().take(PLACES).cloned();
    first.chain(outer).chain(own.iter().skip(PLACES).cloned()).collect()
}

/// From left to right: `+` adds, `-` takes away, a bare word replaces all before it; a hole loses what lies below it, since
/// OpenSSL takes a range. Source: `ssl_cmd_protocol_parse`, `ssl_init_ctx_protocol`.
pub fn protocols(words: &[Token], all: Protocols, mut wrong: impl FnMut(&Token)) -> Counted {
    let mut set = Protocols::NONE;
    let mut asked = Protocols::NONE;
    let mut replacing = None;
    let mut named: Vec<(Protocol, Token)> = Vec::new();
    for word in words {
        let (sign, name) = match word.text.strip_prefix(['+', '-']) {
            Some(name) => (word.text.as_bytes()[0], name),
            None => (b' ', &*word.text),
        };
        let meant = match &*name.to_ascii_lowercase() {
            "all" => all,
            "tlsv1" => Protocols::NONE.with(Protocol::Tls10),
            "tlsv1.1" => Protocols::NONE.with(Protocol::Tls11),
            "tlsv1.2" => Protocols::NONE.with(Protocol::Tls12),
            "tlsv1.3" if all.contains(Protocol::Tls13) => Protocols::NONE.with(Protocol::Tls13),
            "sslv2" | "sslv3" if sign == b'-' => Protocols::NONE,
            _ => {
                wrong(word);
                continue;
            }
        };
        set = match sign {
            b'+' => set.union(meant),
            b'-' => meant.iter().fold(set, Protocols::without),
            _ => {
                replacing = replacing.or((!set.is_empty() && !meant.is_empty()).then(|| word.clone()));
                meant
            }
        };
        if sign != b'-' {
            asked = asked.union(meant);
            named.extend(meant.iter().map(|one| (one, word.clone())));
        }
    }
    let whole = set;
    set = without_holes(set);
    let lost = set.iter().fold(whole, Protocols::without);
    named.retain(|(one, _)| set.contains(*one));
    let replacing = replacing.filter(|_| whole != asked).map(|word| (word, asked));
    Counted { choice: ProtocolChoice { set, words: named.into(), lost }, replacing }
}

/// What `SSLProtocol` comes to.
pub struct Counted {
    /// What is on.
    pub choice: ProtocolChoice,
    /// The first word that replaces what stands before it, and all that the words name.
    pub replacing: Option<(Token, Protocols)>,
}

/// The unbroken run below the highest.
fn without_holes(set: Protocols) -> Protocols {
    let from_the_top = [Protocol::Tls13, Protocol::Tls12, Protocol::Tls11, Protocol::Tls10];
    let run = from_the_top.into_iter().skip_while(|one| !set.contains(*one)).take_while(|one| set.contains(*one));
    run.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::FileId;

    #[test]
    fn protocols_are_counted_from_left_to_right() {
        let all: Protocols = [Protocol::Tls10, Protocol::Tls11, Protocol::Tls12, Protocol::Tls13].into_iter().collect();
        let table = [
            ("all -SSLv3", "TLSv1.0 TLSv1.1 TLSv1.2 TLSv1.3", 0),
            ("ALL -tlsv1 -TLSv1.1", "TLSv1.2 TLSv1.3", 0),
            ("-all +TLSv1.2 +TLSv1.3", "TLSv1.2 TLSv1.3", 0),
            ("TLSv1.2 TLSv1.3", "TLSv1.3", 0),
            ("+TLSv1.2 +TLSv1.3", "TLSv1.2 TLSv1.3", 0),
            ("-TLSv1 -TLSv1.1", "", 0),
            ("+TLSv1 +TLSv1.3", "TLSv1.3", 0),
            ("+TLSv1.1 +TLSv1.3", "TLSv1.3", 0),
            ("+TLSv1 +TLSv1.2", "TLSv1.2", 0),
            ("all -SSLv2 -SSLv3 SSLv2", "TLSv1.0 TLSv1.1 TLSv1.2 TLSv1.3", 1),
            ("all +SSLv3 TLSv1.0 #", "TLSv1.0 TLSv1.1 TLSv1.2 TLSv1.3", 3),
            ("", "", 0),
        ];
        for (text, expected, faults) in table {
            let at = Span::new(FileId(0), 0, 0);
            let words: Vec<Token> = text.split_whitespace().map(|word| Token::new(word, at)).collect();
            let mut wrong = 0;
            let choice = protocols(&words, all, |_| wrong += 1).choice;
            assert_eq!((choice.set.to_string().as_str(), wrong), (expected, faults), "{text}");
        }
    }
}
