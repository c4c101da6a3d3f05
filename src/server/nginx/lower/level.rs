//! The TLS settings of one level (`http` or `server`), and how a lower level takes over from a higher one.
//!
//! Scalars are replaced one by one; arrays (certificates, keys, commands) accumulate in one level and are replaced whole
//! by a lower one. Source: nginx 1.22.1, `ngx_http_ssl_merge_srv_conf`.

use std::path::PathBuf;
use std::sync::Arc;

use crate::model::{
    ClientVerification, Command, Credential, Credentials, Origin, OriginKind, ProtocolChoice, Setting, Stapling,
    TlsPolicy, Token, Value, VerifyMode,
};
use crate::platform::{self, Version};
use crate::source::Span;
use crate::tls::{Protocol, Protocols};

/// A file that the configuration names.
pub type File = Setting<(Token, PathBuf)>;

/// What one level says.
#[derive(Clone, Debug, Default)]
pub struct Level {
    pub protocols: Option<Setting<ProtocolChoice>>,
    pub ciphers: Option<Setting<Arc<[Token]>>>,
    pub prefer_server_ciphers: Option<Setting<bool>>,
    pub groups: Option<Setting<Arc<[Token]>>>,
    pub dh_parameters: Option<Setting<Option<(Token, PathBuf)>>>,
    pub commands: Option<Setting<Vec<Command>>>,
    pub early_data: Option<Setting<bool>>,
    pub session_tickets: Option<Setting<bool>>,
    pub verify: Option<Setting<VerifyMode>>,
    pub verify_depth: Option<Setting<u32>>,
    pub client_authorities: Option<File>,
    pub trusted: Option<File>,
    pub revocations: Option<File>,
    pub stapling: Option<Setting<bool>>,
    pub stapling_file: Option<File>,
    pub stapling_responder: Option<Setting<Token>>,
    pub resolver: Option<Span>,
    pub certificates: Vec<File>,
    pub keys: Vec<File>,
    pub passwords: Option<File>,
    pub rejects: Option<Setting<bool>>,
    pub http2: Option<Setting<bool>>,
    /// Whether a TLS directive of any kind is written at this level.
    pub has_tls: bool,
}

fn take<T: Clone>(own: &Option<Setting<T>>, outer: &Option<Setting<T>>) -> Option<Setting<T>> {
    own.clone().or_else(|| {
        outer.clone().map(|mut setting| {
            setting.origin = setting.origin.inherited();
            setting
        })
    })
}

/// What holds where nothing is written: nginx's default, or unknown in a fragment, whose surroundings may say otherwise.
#[derive(Clone, Copy)]
pub struct Defaults {
    /// The version whose defaults hold.
    pub version: Version,
    /// The head of the block that the defaults hold for.
    pub bites: Span,
    /// Whether what stands outside is unknown.
    pub fragment: bool,
}

const OUTSIDE: &str = "it may be set outside this fragment";

impl Defaults {
    fn or<T>(self, setting: Option<Setting<T>>, default: T) -> Setting<T> {
        setting.unwrap_or_else(|| {
            let origin = Origin::default_for(self.bites);
            if self.fragment { Setting::unknown(OUTSIDE, origin) } else { Setting::known(default, origin) }
        })
    }

    fn protocols(self) -> ProtocolChoice {
        let words = platform::nginx_default_protocols(self.version).split(' ');
        ProtocolChoice {
            set: words.filter_map(Protocol::from_name).collect(),
            words: Arc::from([]),
            lost: Protocols::NONE,
        }
    }
}

/// The policy of a level below another.
pub fn policy(own: &Level, outer: &Level, defaults: Defaults) -> TlsPolicy {
    let token =
        |text: &str| Token::new(text, Span::new(defaults.bites.file, defaults.bites.start, defaults.bites.start));
    let list = |text: &str| -> Arc<[Token]> { if text.is_empty() { Arc::from([]) } else { Arc::from([token(text)]) } };
    let commands = take(&own.commands, &outer.commands).map(|setting| Setting {
        value: match setting.value {
            Value::Known(all) => Value::Known(Arc::from(all)),
            Value::Unknown(reason) => Value::Unknown(reason),
        },
        origin: setting.origin,
    });
    TlsPolicy {
        protocols: defaults.or(take(&own.protocols, &outer.protocols), defaults.protocols()),
        ciphers: defaults
            .or(take(&own.ciphers, &outer.ciphers), list(platform::nginx_default_ciphers(defaults.version))),
        ciphersuites: Setting::known(Arc::from([]), Origin::default_for(defaults.bites)),
        prefer_server_ciphers: defaults.or(take(&own.prefer_server_ciphers, &outer.prefer_server_ciphers), false),
        groups: auto_groups(defaults.or(take(&own.groups, &outer.groups), list(""))),
        dh_parameters: defaults.or(take(&own.dh_parameters, &outer.dh_parameters), None),
        commands: defaults.or(commands, Arc::from([])),
        early_data: defaults.or(take(&own.early_data, &outer.early_data), false),
        session_tickets: defaults.or(take(&own.session_tickets, &outer.session_tickets), true),
        alpn: Setting::known(Arc::from([]), Origin::default_for(defaults.bites)),
        client_verification: verification(own, outer, defaults),
        stapling: stapling(own, outer, defaults),
    }
}

/// `auto` means the library's own list.
fn auto_groups(mut setting: Setting<Arc<[Token]>>) -> Setting<Arc<[Token]>> {
    if let Value::Known(list) = &setting.value
        && list.iter().any(|token| &*token.text == "auto")
    {
        setting.value = Value::Known(Arc::from([]));
    }
    setting
}

fn verification(own: &Level, outer: &Level, defaults: Defaults) -> Setting<ClientVerification> {
    let mode = defaults.or(take(&own.verify, &outer.verify), VerifyMode::Off);
    let known_file = |file: Option<File>| file.and_then(|file| file.get().cloned());
    let client = known_file(take(&own.client_authorities, &outer.client_authorities));
    // Since 1.27.2 trusted certificates will do.
    let trusted = || known_file(take(&own.trusted, &outer.trusted)).filter(|_| defaults.version.at_least(1, 27, 2));
    let authorities = client.or_else(trusted);
    let depth = take(&own.verify_depth, &outer.verify_depth).and_then(|depth| depth.get().copied()).unwrap_or(1);
    let revocations = known_file(take(&own.revocations, &outer.revocations));
    map(mode, |mode| ClientVerification { mode, authorities, depth, revocations, needs_every_revocation_list: true })
}

fn stapling(own: &Level, outer: &Level, defaults: Defaults) -> Setting<Stapling> {
    let on = defaults.or(take(&own.stapling, &outer.stapling), false);
    let known = |setting: Option<Setting<Token>>| setting.and_then(|setting| setting.get().cloned());
    let file = take(&own.stapling_file, &outer.stapling_file).and_then(|file| file.get().cloned());
    let responder = known(take(&own.stapling_responder, &outer.stapling_responder));
    let issuers = take(&own.trusted, &outer.trusted).and_then(|file| file.get().cloned());
    // Outside a fragment there may be a resolver: then nothing is missing.
    let has_resolver = own.resolver.is_some() || outer.resolver.is_some() || defaults.fragment;
    map(on, |on| Stapling { on, file, responder, has_resolver, issuers, by_manager: false })
}

fn map<T, U>(setting: Setting<T>, change: impl FnOnce(T) -> U) -> Setting<U> {
    let value = match setting.value {
        Value::Known(value) => Value::Known(change(value)),
        Value::Unknown(reason) => Value::Unknown(reason),
    };
    Setting { value, origin: setting.origin }
}

/// The certificates of a level below another. Certificates and keys are inherited each for themselves; they pair by
/// position.
pub fn credentials(own: &Level, outer: &Level) -> Credentials {
    let all = |own: &[File], outer: &[File]| -> Vec<File> {
        if !own.is_empty() {
            return own.to_vec();
        }
        let inherited = |file: &File| Setting { origin: file.origin.inherited(), ..file.clone() };
        outer.iter().map(inherited).collect()
    };
    let certificates = all(&own.certificates, &outer.certificates);
    let mut keys = all(&own.keys, &outer.keys).into_iter();
    let pairs: Vec<Credential> =
        certificates.into_iter().map(|certificate| Credential { certificate, key: keys.next(), chain: None }).collect();
    let surplus_keys = keys.filter_map(|key| key.get().map(|(token, _)| token.clone())).collect();
    let passwords = take(&own.passwords, &outer.passwords).and_then(|file| file.get().cloned());
    Credentials { pairs, surplus_keys, passwords, ..Credentials::default() }
}

/// Whether handshakes are refused on purpose.
pub fn rejects(own: &Level, outer: &Level, defaults: Defaults) -> Setting<bool> {
    let setting = take(&own.rejects, &outer.rejects);
    // Refusing on purpose is rare: where nothing is written in a fragment, it is taken for off.
    setting.unwrap_or_else(|| Setting::known(false, Origin::default_for(defaults.bites)))
}

/// Whether `http2 on` holds.
pub fn http2(own: &Level, outer: &Level) -> bool {
    take(&own.http2, &outer.http2).and_then(|setting| setting.get().copied()).unwrap_or(false)
}

impl Level {
    /// Adds what another text of the same level says, behind what this one says. A scalar that both set is nginx's
    /// error; the first stays.
    pub fn absorb(&mut self, other: Level) {
        fn first<T>(mine: &mut Option<T>, other: Option<T>) {
            if mine.is_none() {
                *mine = other;
            }
        }
        match (&mut self.protocols, other.protocols) {
            (Some(mine), Some(other)) => add_protocols(mine, other),
            (mine, other) => first(mine, other),
        }
        match (&mut self.commands, other.commands) {
            (Some(Setting { value: Value::Known(mine), .. }), Some(Setting { value: Value::Known(other), .. })) => {
                mine.extend(other);
            }
            (mine, other) => first(mine, other),
        }
        first(&mut self.ciphers, other.ciphers);
        first(&mut self.prefer_server_ciphers, other.prefer_server_ciphers);
        first(&mut self.groups, other.groups);
        first(&mut self.dh_parameters, other.dh_parameters);
        first(&mut self.early_data, other.early_data);
        first(&mut self.session_tickets, other.session_tickets);
        first(&mut self.verify, other.verify);
        first(&mut self.verify_depth, other.verify_depth);
        first(&mut self.client_authorities, other.client_authorities);
        first(&mut self.trusted, other.trusted);
        first(&mut self.revocations, other.revocations);
        first(&mut self.stapling, other.stapling);
        first(&mut self.stapling_file, other.stapling_file);
        first(&mut self.stapling_responder, other.stapling_responder);
        first(&mut self.resolver, other.resolver);
        first(&mut self.passwords, other.passwords);
        first(&mut self.rejects, other.rejects);
        first(&mut self.http2, other.http2);
        self.certificates.extend(other.certificates);
        self.keys.extend(other.keys);
        self.has_tls |= other.has_tls;
    }
}

/// `ssl_protocols` twice in one level adds up.
pub fn add_protocols(mine: &mut Setting<ProtocolChoice>, other: Setting<ProtocolChoice>) {
    match (&mut mine.value, other.value) {
        (Value::Known(mine), Value::Known(other)) => {
            mine.set = mine.set.union(other.set);
            mine.words = mine.words.iter().chain(other.words.iter()).cloned().collect();
        }
        (mine, Value::Unknown(reason)) => *mine = Value::Unknown(reason),
        (Value::Unknown(_), Value::Known(_)) => {}
    }
    debug_assert!(mine.origin.kind != OriginKind::Default, "a level holds only what is written");
}
