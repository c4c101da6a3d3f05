//! The TLS settings of one level (`http` or `server`), and how a lower level takes over from a higher one.
//!
//! Scalars are replaced one by one; arrays (certificates, keys, commands) accumulate in one level and are replaced whole
//! by a lower one. Source: nginx 1.22.1, `ngx_http_ssl_merge_srv_conf`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::{
    ByName, ClientVerification, Command, Credential, Credentials, Name, NameKind, Origin, OriginKind, Piece,
    ProtocolChoice, Setting, Stapling, Template, TicketKey, TlsPolicy, Token, Value, VerifyMode,
};
use crate::platform::{self, Version};
use crate::source::Span;
use crate::tls::{Protocol, Protocols};

/// A file that the configuration names.
pub type File = Setting<(Token, PathBuf)>;

/// A certificate or key file, and how its path is built where variables stand in it that a name tells.
#[derive(Clone, Debug)]
pub struct Named {
    pub file: File,
    pub template: Option<Template>,
}

/// A setting of a level. Levels are many, and most say little.
pub type Slot<T> = Option<Box<Setting<T>>>;

/// What one level says.
#[derive(Clone, Debug, Default)]
pub struct Level {
    pub protocols: Slot<ProtocolChoice>,
    pub ciphers: Slot<Arc<[Token]>>,
    pub prefer_server_ciphers: Slot<bool>,
    pub groups: Slot<Arc<[Token]>>,
    pub dh_parameters: Slot<Option<(Token, PathBuf)>>,
    pub commands: Slot<Vec<Command>>,
    pub early_data: Slot<bool>,
    pub session_tickets: Slot<bool>,
    pub session_lifetime: Slot<u64>,
    pub session_cache: Slot<bool>,
    pub verify: Slot<VerifyMode>,
    pub verify_depth: Slot<u32>,
    pub client_authorities: Slot<(Token, PathBuf)>,
    pub trusted: Slot<(Token, PathBuf)>,
    pub revocations: Slot<(Token, PathBuf)>,
    pub stapling: Slot<bool>,
    pub stapling_file: Slot<(Token, PathBuf)>,
    pub stapling_responder: Slot<Token>,
    pub resolver: Option<Span>,
    pub certificates: Vec<Named>,
    pub keys: Vec<Named>,
    pub passwords: Slot<(Token, PathBuf)>,
    pub ticket_keys: Vec<TicketKey>,
    pub rejects: Slot<bool>,
    pub http2: Slot<bool>,
    /// `ssl_alpn` (`stream`).
    pub alpn: Slot<Arc<[Token]>>,
    /// `protocol` (`mail`).
    pub protocol: Option<Token>,
    /// `starttls` (`mail`), and whether it is on.
    pub starttls: Option<(Span, bool)>,
    /// Whether a TLS directive of any kind is written at this level.
    pub has_tls: bool,
}

fn take<T: Clone>(own: &Slot<T>, outer: &Slot<T>) -> Option<Setting<T>> {
    own.as_deref().cloned().or_else(|| {
        outer.as_deref().cloned().map(|mut setting| {
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
    pub effective_at: Span,
    /// Whether what stands outside is unknown.
    pub fragment: bool,
}

pub const OUTSIDE: &str = "it may be set outside this fragment";

impl Defaults {
    fn or<T>(self, setting: Option<Setting<T>>, default: T) -> Setting<T> {
        self.or_else(setting, || default)
    }

    fn or_else<T>(self, setting: Option<Setting<T>>, default: impl FnOnce() -> T) -> Setting<T> {
        setting.unwrap_or_else(|| {
            let origin = Origin::default_for(self.effective_at);
            if self.fragment { Setting::unknown(OUTSIDE, origin) } else { Setting::known(default(), origin) }
        })
    }

    fn protocols(self) -> ProtocolChoice {
        let words = platform::nginx_default_protocols(self.version).split(' ');
        ProtocolChoice {
            set: words.filter_map(Protocol::from_name).collect(),
            words: Arc::default(),
            lost: Protocols::NONE,
        }
    }
}

/// The policy of a level below another.
pub fn policy(own: &Level, outer: &Level, defaults: Defaults) -> TlsPolicy {
    let token = |text: &str| {
        Token::new(
            text,
            Span::new(defaults.effective_at.file, defaults.effective_at.start, defaults.effective_at.start),
        )
    };
    let list = |text: &str| -> Arc<[Token]> { if text.is_empty() { Arc::default() } else { Arc::from([token(text)]) } };
    let commands = take(&own.commands, &outer.commands).map(|setting| Setting {
        value: match setting.value {
            Value::Known(all) => Value::Known(Arc::from(all)),
            Value::Unknown(reason) => Value::Unknown(reason),
        },
        origin: setting.origin,
    });
    TlsPolicy {
        protocols: defaults.or_else(take(&own.protocols, &outer.protocols), || defaults.protocols()),
        ciphers: defaults
            .or_else(take(&own.ciphers, &outer.ciphers), || list(platform::nginx_default_ciphers(defaults.version))),
        ciphersuites: Setting::known(Arc::default(), Origin::default_for(defaults.effective_at)),
        prefer_server_ciphers: defaults.or(take(&own.prefer_server_ciphers, &outer.prefer_server_ciphers), false),
        groups: auto_groups(defaults.or(take(&own.groups, &outer.groups), Arc::default())),
        dh_parameters: defaults.or(take(&own.dh_parameters, &outer.dh_parameters), None),
        commands: defaults.or(commands, Arc::default()),
        early_data: defaults.or(take(&own.early_data, &outer.early_data), false),
        session_tickets: defaults.or(take(&own.session_tickets, &outer.session_tickets), true),
        session_lifetime: session_lifetime(own, outer, defaults),
        alpn: take(&own.alpn, &outer.alpn)
            .unwrap_or_else(|| Setting::known(Arc::default(), Origin::default_for(defaults.effective_at))),
        client_verification: verification(own, outer, defaults),
        stapling: stapling(own, outer, defaults),
    }
}

/// Five minutes by default; without a cache and without tickets no session is taken up again.
fn session_lifetime(own: &Level, outer: &Level, defaults: Defaults) -> Setting<Option<u64>> {
    let written = defaults.or(take(&own.session_lifetime, &outer.session_lifetime), 300);
    let is = |setting: Option<Setting<bool>>, default: bool| setting.map_or(default, |one| one.get() == Some(&true));
    let has_cache = is(take(&own.session_cache, &outer.session_cache), false);
    let has_tickets = is(take(&own.session_tickets, &outer.session_tickets), true);
    map(written, |seconds| (has_cache || has_tickets).then_some(seconds))
}

/// `auto` means the library's own list.
fn auto_groups(mut setting: Setting<Arc<[Token]>>) -> Setting<Arc<[Token]>> {
    if let Value::Known(list) = &setting.value
        && list.iter().any(|token| &*token.text == "auto")
    {
        setting.value = Value::Known(Arc::default());
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
    map(mode, |mode| ClientVerification {
        mode,
        authorities,
        more_authorities: Vec::new(),
        has_folder: false,
        folder: None,
        revocation_folder: None,
        depth,
        revocations,
        checks_revocation: true,
        needs_every_revocation_list: true,
    })
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
/// position. As soon as one path has a variable, all of the level are read at each handshake
/// (`ngx_ssl_compile_certificates`).
pub fn credentials(own: &Level, outer: &Level, names: &[Name]) -> Credentials {
    let all = |own: &[Named], outer: &[Named]| -> Vec<Named> {
        if !own.is_empty() {
            return own.to_vec();
        }
        let inherited = |one: &Named| Named {
            file: Setting { origin: one.file.origin.inherited(), ..one.file.clone() },
            template: one.template.clone(),
        };
        outer.iter().map(inherited).collect()
    };
    let certificates = all(&own.certificates, &outer.certificates);
    let mut keys = all(&own.keys, &outer.keys).into_iter();
    let pairs: Vec<(Named, Option<Named>)> =
        certificates.into_iter().map(|certificate| (certificate, keys.next())).collect();
    let is_late = |one: &Named| matches!(&one.file.value, Value::Unknown(reason) if *reason.0 == *READ_LATE);
    let hangs = pairs.iter().any(|(certificate, key)| is_late(certificate) || key.as_ref().is_some_and(is_late));
    let pair = |(certificate, key): (Named, Option<Named>)| match hangs {
        true => by_name(certificate, key, names),
        false => Credential { certificate: certificate.file, key: key.map(|key| key.file), chain: None, by_name: None },
    };
    let pairs: Vec<Credential> = pairs.into_iter().map(pair).collect();
    let surplus_keys = keys.filter_map(|key| key.file.get().map(|(token, _)| token.clone())).collect();
    let passwords = take(&own.passwords, &outer.passwords).and_then(|file| file.get().cloned());
    let hides = !own.certificates.is_empty();
    let replaced = outer.certificates.iter().filter(|_| hides).filter_map(|one| one.file.get().cloned()).collect();
    Credentials { pairs, surplus_keys, replaced, passwords, ..Credentials::default() }
}

/// A pair of a level whose files are read at each handshake.
fn by_name(certificate: Named, key: Option<Named>, names: &[Name]) -> Credential {
    let template = |one: &Named| -> Option<Template> {
        let template = one.template.clone().or_else(|| whole(&one.file))?;
        match template.wants_site_name() {
            true => Some(template.of_site(&primary(names)?)),
            false => Some(template),
        }
    };
    let by_name = template(&certificate)
        .zip(key.as_ref().and_then(template))
        .map(|(certificate, key)| ByName { certificate, key });
    let late = |file: File| match file.value {
        Value::Known(_) => Setting::unknown(READ_LATE, file.origin),
        Value::Unknown(_) => file,
    };
    Credential { certificate: late(certificate.file), key: key.map(|key| late(key.file)), chain: None, by_name }
}

/// Why a file that is read at each handshake is not judged with those that are read at the start.
pub const READ_LATE: &str = "the path has a variable: nginx reads it at each handshake";

/// A path without a variable, as a template.
fn whole(file: &File) -> Option<Template> {
    let (token, path) = file.get()?;
    let name = path.file_name()?.to_str()?;
    let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
    Some(Template { token: token.clone(), folder, pieces: [Piece::Text(name.into())].into() })
}

/// `$server_name`: the first name of the block, without the dot that may begin it (`ngx_http_core_merge_srv_conf`).
fn primary(names: &[Name]) -> Option<Arc<str>> {
    match names.first() {
        None => Some("".into()),
        Some(name) if &*name.token.text == "$hostname" => None,
        Some(name) if name.kind == NameKind::NameAndBelow => Some(name.token.text[1..].into()),
        Some(name) => Some(Arc::clone(&name.token.text)),
    }
}

/// Whether handshakes are refused on purpose.
pub fn rejects(own: &Level, outer: &Level, defaults: Defaults) -> Setting<bool> {
    let setting = take(&own.rejects, &outer.rejects);
    // Refusing on purpose is rare: where nothing is written in a fragment, it is taken for off.
    setting.unwrap_or_else(|| Setting::known(false, Origin::default_for(defaults.effective_at)))
}

/// Whether `http2 on` holds.
pub fn http2(own: &Level, outer: &Level) -> bool {
    take(&own.http2, &outer.http2).and_then(|setting| setting.get().copied()).unwrap_or(false)
}

impl Level {
    /// Whether nothing of it reaches a policy: what it says is about certificates or about the server alone.
    pub fn is_without_policy(&self) -> bool {
        let Level {
            protocols,
            ciphers,
            prefer_server_ciphers,
            groups,
            dh_parameters,
            commands,
            early_data,
            session_tickets,
            session_lifetime,
            session_cache,
            verify,
            verify_depth,
            client_authorities,
            trusted,
            revocations,
            stapling,
            stapling_file,
            stapling_responder,
            resolver,
            alpn,
            certificates: _,
            keys: _,
            passwords: _,
            ticket_keys: _,
            rejects: _,
            http2: _,
            protocol: _,
            starttls: _,
            has_tls: _,
        } = self;
        protocols.is_none()
            && ciphers.is_none()
            && prefer_server_ciphers.is_none()
            && groups.is_none()
            && dh_parameters.is_none()
            && commands.is_none()
            && early_data.is_none()
            && session_tickets.is_none()
            && session_lifetime.is_none()
            && session_cache.is_none()
            && verify.is_none()
            && verify_depth.is_none()
            && client_authorities.is_none()
            && trusted.is_none()
            && revocations.is_none()
            && stapling.is_none()
            && stapling_file.is_none()
            && stapling_responder.is_none()
            && resolver.is_none()
            && alpn.is_none()
    }

    /// Adds what another text of the same level says, behind what this one says. A scalar that both set is nginx's
    /// error; the first stays.
    pub fn absorb(&mut self, other: Level) {
        fn first<T>(mine: &mut Option<T>, other: Option<T>) {
            if mine.is_none() {
                *mine = other;
            }
        }
        match (&mut self.protocols, other.protocols) {
            (Some(mine), Some(other)) => add_protocols(mine, *other),
            (mine, other) => first(mine, other),
        }
        match (&mut self.commands, other.commands) {
            (Some(mine), Some(other)) => {
                if let (Value::Known(mine), Value::Known(other)) = (&mut mine.value, other.value) {
                    mine.extend(other);
                }
            }
            (mine, other) => first(mine, other),
        }
        first(&mut self.ciphers, other.ciphers);
        first(&mut self.prefer_server_ciphers, other.prefer_server_ciphers);
        first(&mut self.groups, other.groups);
        first(&mut self.dh_parameters, other.dh_parameters);
        first(&mut self.early_data, other.early_data);
        first(&mut self.session_tickets, other.session_tickets);
        first(&mut self.session_lifetime, other.session_lifetime);
        first(&mut self.session_cache, other.session_cache);
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
        first(&mut self.alpn, other.alpn);
        first(&mut self.protocol, other.protocol);
        first(&mut self.starttls, other.starttls);
        self.certificates.extend(other.certificates);
        self.keys.extend(other.keys);
        self.ticket_keys.extend(other.ticket_keys);
        self.has_tls |= other.has_tls;
    }
}

/// Words of `ssl_protocols` in one level that are kept to be pointed at.
const WORDS: usize = 1000;

/// `ssl_protocols` twice in one level adds up.
pub fn add_protocols(mine: &mut Setting<ProtocolChoice>, other: Setting<ProtocolChoice>) {
    match (&mut mine.value, other.value) {
        (Value::Known(mine), Value::Known(other)) => {
            mine.set = mine.set.union(other.set);
            if mine.words.len() < WORDS {
                mine.words = mine.words.iter().chain(other.words.iter()).cloned().collect();
            }
        }
        (mine, Value::Unknown(reason)) => *mine = Value::Unknown(reason),
        (Value::Unknown(_), Value::Known(_)) => {}
    }
    debug_assert!(mine.origin.kind != OriginKind::Default, "a level holds only what is written");
}
