//! `SSLProxy*`: how httpd speaks TLS with the servers that it sends requests on to. Settings in `<Proxy>` are not
//! looked at: what they may change is then not known.
//!
//! Source: Apache 2.4, `ssl_engine_config.c`, `modssl_ctx_cfg_merge_proxy`, and `ssl_engine_init.c`, `ssl_init_proxy_ctx`:
//! where `SSLProxyEngine` is on, its files are loaded at start.

use super::Lowering;
use super::bind::holds_nobody;
use super::level::{self, Defaults, File, inherited, take};
use super::setting::{self, DirectiveRef};
use crate::diagnostic::Problem;
use crate::model::{
    Address, Credential, FrameId, Origin, ProtocolChoice, Setting, Token, UpstreamAuthorities, UpstreamPolicy,
    UpstreamTarget, UpstreamTransport, UpstreamVerification,
};
use crate::source::Span;

/// What one level says.
#[derive(Clone, Debug, Default)]
pub struct Proxy {
    pub engine: Option<Setting<bool>>,
    verification: Option<Setting<UpstreamVerification>>,
    depth: Option<Setting<u32>>,
    file: Option<File>,
    folder: Option<File>,
    revocations: Option<File>,
    checks_name: Option<Setting<bool>>,
    /// `SSLProxyCheckPeerCN`, which counts where `SSLProxyCheckPeerName` is not written.
    checks_common_name: Option<Setting<bool>>,
    checks_dates: Option<Setting<bool>>,
    protocols: Option<Setting<ProtocolChoice>>,
    ciphers: Option<Setting<Token>>,
    ciphersuites: Option<Setting<Token>>,
    certificate: Option<File>,
    /// How certificates are checked for revocation, where they are.
    pub revocation_check: Option<Setting<bool>>,
    revocation_folder: Option<File>,
    /// All files and folders that are named: httpd looks while reading whether they are there.
    pub named: Vec<File>,
    /// Where requests are sent on to by TLS.
    pub passes: Vec<Pass>,
    /// Whether a `<Proxy>` of the level has settings of its own, which are not looked at.
    pub is_refined: bool,
}

/// A directive that sends requests on by TLS.
#[derive(Clone, Debug)]
pub struct Pass {
    target: Token,
    include_chain: Option<FrameId>,
}

/// Takes a directive that sends requests on, wherever in a level it stands: `ProxyPass`, `BalancerMember`, or `RewriteRule`
/// with the flag `P`.
pub fn pass(said: &DirectiveRef<'_>, proxy: &mut Option<Box<Proxy>>) {
    let words = || said.words.iter().map(|word| said.token(word));
    if said.name == "rewriterule" {
        let is_proxy = |flag: &str| flag.eq_ignore_ascii_case("p") || flag.eq_ignore_ascii_case("proxy");
        let flags = words().nth(2).map(|flags| flags.text.to_string()).unwrap_or_default();
        if !flags.trim_matches(['[', ']']).split(',').any(|flag| is_proxy(flag.trim())) {
            return;
        }
    }
    let by_tls = |word: &Token| {
        let scheme = word.text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        scheme.is_some_and(|scheme| matches!(&*scheme, "https" | "wss" | "h2"))
    };
    let found = words().take(2).find(by_tls);
    if let Some(target) = found {
        proxy.get_or_insert_default().passes.push(Pass { target, include_chain: said.statement.include_chain });
    }
}

/// Where a pass leads to.
fn target(pass: &Pass) -> UpstreamTarget {
    let text = &*pass.target.text;
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = rest.split(['/', '?']).next().unwrap_or(rest);
    let origin = Origin::said(pass.target.span, pass.include_chain);
    let address = if host.contains(['$', '%']) { None } else { address(host) };
    UpstreamTarget {
        written: pass.target.clone(),
        transport: UpstreamTransport::Tls,
        address: match address {
            Some(found) => Setting::known(found, origin),
            None => Setting::unknown("the address is not in the files", origin),
        },
    }
}

fn address(text: &str) -> Option<(Address, u16)> {
    let (host, port) = match (text.rfind(':'), text.rfind(']')) {
        (Some(colon), bracket) if bracket.is_none_or(|bracket| bracket < colon) => {
            (&text[..colon], text[colon + 1..].parse().ok()?)
        }
        _ => (text, 443),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = match (host, host.parse()) {
        ("", _) => return None,
        (_, Ok(ip)) => Address::Ip(ip),
        (host, Err(_)) => Address::Host(host.to_ascii_lowercase().into()),
    };
    Some((address, port))
}

/// The places of a level that send requests on.
pub fn passes(proxy: &Proxy) -> impl Iterator<Item = (Span, Option<FrameId>, UpstreamTarget)> {
    proxy.passes.iter().map(|pass| (pass.target.span, pass.include_chain, target(pass)))
}

/// What keeps httpd from starting where the engine is on, besides files: AH02231, AH01896, AH01899, AH10127.
pub fn faults(lowering: &Lowering<'_>, own: &Proxy, outer: &Proxy) -> Vec<Problem> {
    let mut found = Vec::new();
    if take(&own.engine, &outer.engine).and_then(|engine| engine.get().copied()) != Some(true) {
        return found;
    }
    let protocols = take(&own.protocols, &outer.protocols);
    if let Some(choice) = protocols.filter(|choice| choice.get().is_some_and(|choice| choice.set.is_empty())) {
        found.push(Problem::new("no-protocol", choice.origin.place).case("upstream"));
    }
    let folder = own.folder.as_ref().or(outer.folder.as_ref()).and_then(|folder| folder.get());
    let has_file = own.file.is_some() || outer.file.is_some();
    if let Some((token, _)) = folder.filter(|(_, path)| !has_file && holds_nobody(lowering.files, path)) {
        found.push(Problem::new("proxy-file-unusable", token.span).case("authorities").with("path", &*token.text));
    }
    let check = take(&own.revocation_check, &outer.revocation_check).filter(|check| check.get() == Some(&true));
    let names_list = |level: &Proxy| level.revocations.is_some() || level.revocation_folder.is_some();
    if let Some(check) = check.filter(|_| !names_list(own) && !names_list(outer)) {
        found.push(Problem::new("crl-check-without-crl", check.origin.place).case("upstream"));
    }
    let suites = take(&own.ciphersuites, &outer.ciphersuites);
    found.extend(suites.and_then(|list| lowering.suites_fault(list.get()?)));
    found
}

/// Takes a directive into its level; `name` is what stands behind `sslproxy`.
pub fn read(lowering: &mut Lowering<'_>, said: &DirectiveRef<'_>, name: &str, first: &Token, proxy: &mut Proxy) {
    const FILES: &[&str] = &[
        "cacertificatefile",
        "cacertificatepath",
        "carevocationfile",
        "carevocationpath",
        "machinecertificatefile",
        "machinecertificatepath",
        "machinecertificatechainfile",
    ];
    if FILES.contains(&name) {
        let file = lowering.file(said, first, "certificate-file-missing");
        proxy.named.push(file.clone());
        match name {
            "cacertificatefile" => proxy.file = Some(file),
            "cacertificatepath" => proxy.folder = Some(file),
            "carevocationfile" => proxy.revocations = Some(file),
            "carevocationpath" => proxy.revocation_folder = Some(file),
            "machinecertificatefile" => proxy.certificate = Some(file),
            _ => {}
        }
        return;
    }
    match name {
        "engine" => proxy.engine = said.flag(),
        "checkpeername" => proxy.checks_name = said.flag(),
        "checkpeercn" => proxy.checks_common_name = said.flag(),
        "checkpeerexpire" => proxy.checks_dates = said.flag(),
        "verify" => {
            let found = match &*first.text.to_ascii_lowercase() {
                "none" | "off" => UpstreamVerification::Off,
                "optional" | "optional_no_ca" => UpstreamVerification::Lenient,
                _ => UpstreamVerification::Required,
            };
            proxy.verification = said.known(found);
        }
        "verifydepth" => proxy.depth = first.text.parse().ok().and_then(|depth: u32| said.known(depth)),
        "carevocationcheck" => {
            let on = matches!(&*first.text.to_ascii_lowercase(), "leaf" | "chain");
            proxy.revocation_check = said.known(on);
        }
        "protocol" => proxy.protocols = lowering.protocols(said),
        "ciphersuite" => match said.words {
            [_] | [_, _] if said.words.iter().any(|word| lowering.is_open(&said.token(word).text)) => {}
            [_] => proxy.ciphers = said.known(setting::appended(first.clone())),
            [_, list] if &*first.text == "TLSv1.3" => proxy.ciphersuites = said.known(said.token(list)),
            [_, list] => proxy.ciphers = said.known(setting::appended(said.token(list))),
            _ => {}
        },
        _ => {}
    }
}

/// The policy of a virtual host.
pub fn policy(own: &Proxy, outer: &Proxy, defaults: Defaults) -> UpstreamPolicy {
    let by_default = Origin::default_for(defaults.effective_at);
    let is_refined = own.is_refined || outer.is_refined;
    fn refined<T>(setting: Setting<T>, is_refined: bool) -> Setting<T> {
        if is_refined { Setting::unknown("a `<Proxy>` may set it", setting.origin) } else { setting }
    }
    fn or<T: Clone>(own: &Option<Setting<T>>, outer: &Option<Setting<T>>, value: T, origin: Origin) -> Setting<T> {
        take(own, outer).unwrap_or_else(|| Setting::known(value, origin))
    }
    let file = |own: &Option<File>, outer: &Option<File>| own.clone().or_else(|| outer.clone().map(inherited));
    let (authorities, folder) = (file(&own.file, &outer.file), file(&own.folder, &outer.folder));
    let authorities = match (authorities, folder) {
        (None, None) => UpstreamAuthorities::None,
        (file, folder) => UpstreamAuthorities::Own { file, folder },
    };
    let all = level::protocols(&[], defaults.protocols, |_| {}).choice;
    let all = ProtocolChoice { set: defaults.protocols, ..all };
    let credentials = file(&own.certificate, &outer.certificate).map(|file| Credential {
        key: Some(file.clone()),
        certificate: file,
        chain: None,
        by_name: None,
    });
    let verification = or(&own.verification, &outer.verification, UpstreamVerification::Off, by_default);
    let common_name = take(&own.checks_common_name, &outer.checks_common_name);
    let checks_name = or(&own.checks_name, &outer.checks_name.clone().or(common_name), true, by_default);
    let engine = or(&own.engine, &outer.engine, false, by_default);
    let is_on = engine.get() == Some(&true);
    UpstreamPolicy {
        engine: refined(engine, is_refined && !is_on),
        verification: refined(verification, is_refined),
        depth: or(&own.depth, &outer.depth, 1, by_default),
        authorities: Setting::known(authorities, by_default),
        revocations: file(&own.revocations, &outer.revocations),
        revocation_folder: file(&own.revocation_folder, &outer.revocation_folder),
        checks_name: refined(checks_name, is_refined),
        checks_dates: or(&own.checks_dates, &outer.checks_dates, true, by_default),
        // The host of the request's address is sent (`ssl_engine_io.c`).
        sends_name: Setting::known(true, by_default),
        name: None,
        protocols: or(&own.protocols, &outer.protocols, all, by_default),
        ciphers: take(&own.ciphers, &outer.ciphers),
        ciphersuites: take(&own.ciphersuites, &outer.ciphersuites),
        credentials: credentials.into_iter().collect(),
    }
}
