//! The settings of a connection policy in the words of the model.

use std::sync::Arc;

use super::super::Lowering;
use crate::model::{
    ClientVerification, Origin, ProtocolChoice, Setting, Stapling, TlsPolicy, Token, Value, VerifyMode,
};
use crate::platform;
use crate::server::caddy::config::{Client, Config, List, Settings};
use crate::server::caddy::syntax::has_placeholder;
use crate::source::Span;
use crate::tls::{Protocol, Protocols};

/// What a policy that hangs on more than the client's name sets.
const CONDITIONAL: &str = "which policy holds hangs on more than the name (an address, a pattern)";

/// What holds where nothing is written: the same lists for all policies.
pub struct Standard {
    /// A place in the main text.
    pub start: Span,
    ciphers: Arc<[Token]>,
    groups: Arc<[Token]>,
    alpn: Arc<[Token]>,
    protocols: Protocols,
}

impl Standard {
    pub fn new(lowering: &Lowering<'_>, start: Span) -> Standard {
        let version = lowering.platform.server_version;
        let words = |setting| platform::caddy_default(setting, version).split_whitespace();
        let list = |setting| words(setting).map(|name| Token::new(name, start)).collect();
        Standard {
            start,
            ciphers: list("ciphers"),
            groups: list("groups"),
            alpn: list("alpn"),
            protocols: words("protocols").filter_map(Protocol::from_name).collect(),
        }
    }
}

/// A policy that is not known.
pub fn unknown(lowering: &Lowering<'_>, config: &Config, standard: &Standard) -> TlsPolicy {
    let policy = policy(lowering, config, &Settings::default(), true, standard);
    fn open<T>(setting: Setting<T>) -> Setting<T> {
        Setting { value: Value::Unknown(crate::model::Reason(CONDITIONAL.into())), ..setting }
    }
    TlsPolicy {
        protocols: open(policy.protocols),
        ciphers: open(policy.ciphers),
        groups: open(policy.groups),
        alpn: open(policy.alpn),
        session_tickets: open(policy.session_tickets),
        client_verification: open(policy.client_verification),
        ..policy
    }
}

/// A policy with Caddy's defaults for what is not written.
pub fn policy(
    lowering: &Lowering<'_>,
    config: &Config,
    settings: &Settings,
    has_h2: bool,
    standard: &Standard,
) -> TlsPolicy {
    let default = Origin::default_for(standard.start);
    let list = |written: &Option<List>, standard: &Arc<[Token]>| match written {
        Some(list) => words(list, settings),
        None => Setting::known(Arc::clone(standard), default),
    };
    let mut alpn = list(&settings.alpn, &standard.alpn);
    if !has_h2 && let Value::Known(names) = &alpn.value {
        alpn.value = Value::Known(names.iter().filter(|name| &*name.text != "h2").cloned().collect());
    }
    let tickets = match (config.tickets_off, &settings.client) {
        (Some(at), _) => Setting::known(false, Origin::said(at, None)),
        (None, Some(client)) => Setting::known(false, Origin::said(client.at, settings.include_chain)),
        (None, None) => Setting::known(true, default),
    };
    TlsPolicy {
        protocols: protocols(lowering, settings, standard.protocols, default),
        ciphers: list(&settings.ciphers, &standard.ciphers),
        ciphersuites: Setting::known(Arc::default(), default),
        prefer_server_ciphers: Setting::known(true, default),
        groups: list(&settings.groups, &standard.groups),
        dh_parameters: Setting::known(None, default),
        commands: Setting::known(Arc::default(), default),
        early_data: Setting::known(false, default),
        session_tickets: tickets,
        session_lifetime: Setting::known(None, default),
        alpn,
        client_verification: verification(settings, default),
        stapling: stapling(config, default),
    }
}

fn words(list: &List, settings: &Settings) -> Setting<Arc<[Token]>> {
    let origin = Origin::said(list.at, settings.include_chain);
    if list.words.iter().any(|word| has_placeholder(&word.text)) {
        return Setting::unknown("it hangs on what only the running server knows", origin);
    }
    Setting::known(list.words.iter().cloned().collect(), origin)
}

fn version_of(word: &str) -> Option<Protocol> {
    match word {
        "tls1.2" => Some(Protocol::Tls12),
        "tls1.3" => Some(Protocol::Tls13),
        _ => None,
    }
}

/// From the oldest to the newest protocol. A name that Caddy does not know counts as none: then Go's own bounds hold.
fn protocols(
    lowering: &Lowering<'_>,
    settings: &Settings,
    standard: Protocols,
    default: Origin,
) -> Setting<ProtocolChoice> {
    let written = || settings.oldest.iter().chain(&settings.newest);
    let Some(at) =
        written().map(|token| token.span).reduce(|one, two| if one.file == two.file { one.to(two) } else { one })
    else {
        return Setting::known(ProtocolChoice { set: standard, words: Arc::default(), lost: Protocols::NONE }, default);
    };
    let origin = Origin::said(at, settings.include_chain);
    if written().any(|token| has_placeholder(&token.text)) {
        return Setting::unknown("it hangs on what only the running server knows", origin);
    }
    let least = match &settings.oldest {
        None => standard.oldest(),
        Some(word) => version_of(&word.text).or_else(|| Protocol::from_name(lowering.platform.go_oldest())),
    };
    let most = match &settings.newest {
        None => standard.newest(),
        Some(word) => version_of(&word.text).or(Some(Protocol::Tls13)),
    };
    let (least, most) = (least.unwrap_or(Protocol::Tls12), most.unwrap_or(Protocol::Tls13));
    if least > most {
        return Setting::unknown("the oldest protocol is newer than the newest", origin);
    }
    let set = Protocol::ALL.into_iter().filter(|one| (least..=most).contains(one)).collect();
    let words = written().filter_map(|token| Some((version_of(&token.text)?, token.clone()))).collect();
    Setting::known(ProtocolChoice { set, words, lost: Protocols::NONE }, origin)
}

/// Client certificates. A block that says nothing asks for nothing.
fn verification(settings: &Settings, default: Origin) -> Setting<ClientVerification> {
    let off = ClientVerification {
        mode: VerifyMode::Off,
        authorities: None,
        more_authorities: Vec::new(),
        has_folder: false,
        folder: None,
        revocation_folder: None,
        depth: u32::MAX,
        revocations: None,
        checks_revocation: false,
        needs_every_revocation_list: false,
    };
    let Some(client) = &settings.client else { return Setting::known(off, default) };
    let origin = Origin::said(client.at, settings.include_chain);
    let Client { mode, has_authority, has_leaf, has_verifier, .. } = client;
    let mode = match mode.as_ref().map(|word| &*word.text) {
        Some("request") => VerifyMode::OptionalNoCa,
        Some("require") => VerifyMode::RequiredUnverified,
        Some("verify_if_given") => VerifyMode::Optional,
        Some("require_and_verify") => VerifyMode::Required,
        Some(_) => return Setting::unknown("no such mode of `client_auth`", origin),
        None if *has_authority || *has_leaf => VerifyMode::Required,
        None if *has_verifier => VerifyMode::RequiredUnverified,
        None => VerifyMode::Off,
    };
    Setting::known(
        ClientVerification {
            mode,
            authorities: client.files.first().cloned(),
            more_authorities: client.files.iter().skip(1).cloned().collect(),
            has_folder: false,
            folder: None,
            revocation_folder: None,
            depth: u32::MAX,
            revocations: None,
            checks_revocation: false,
            needs_every_revocation_list: false,
        },
        origin,
    )
}

/// Stapling is on wherever a certificate names a responder, which the server asks by itself.
fn stapling(config: &Config, default: Origin) -> Setting<Stapling> {
    let origin = config.stapling_off.map_or(default, |at| Origin::said(at, None));
    let on = config.stapling_off.is_none();
    Setting::known(
        Stapling { on, file: None, responder: None, has_resolver: true, issuers: None, by_manager: false },
        origin,
    )
}
