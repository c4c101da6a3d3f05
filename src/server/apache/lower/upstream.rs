//! `SSLProxy*`: how httpd speaks TLS with the servers that it sends requests on to. Settings in `<Proxy>` are left out.
//!
//! Source: Apache 2.4, `ssl_engine_config.c`, `modssl_ctx_cfg_merge_proxy`, and `ssl_engine_init.c`, `ssl_init_proxy_ctx`:
//! where `SSLProxyEngine` is on, its files are loaded at start.

use super::Lowering;
use super::level::{self, Defaults, File, inherited, take};
use super::setting::Said;
use crate::model::{
    Credential, Origin, ProtocolChoice, Setting, Token, UpstreamAuthorities, UpstreamPolicy, UpstreamVerification,
};

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
    checks_dates: Option<Setting<bool>>,
    protocols: Option<Setting<ProtocolChoice>>,
    ciphers: Option<Setting<Token>>,
    ciphersuites: Option<Setting<Token>>,
    certificate: Option<File>,
    /// All files and folders that are named: httpd looks while reading whether they are there.
    pub named: Vec<File>,
}

/// Takes a directive into its level; `name` is what stands behind `sslproxy`.
pub fn read(lowering: &mut Lowering<'_>, said: &Said<'_>, name: &str, first: &Token, proxy: &mut Proxy) {
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
            "machinecertificatefile" => proxy.certificate = Some(file),
            _ => {}
        }
        return;
    }
    match name {
        "engine" => proxy.engine = said.flag(),
        "checkpeername" => proxy.checks_name = said.flag(),
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
        "protocol" => proxy.protocols = lowering.protocols(said),
        "ciphersuite" => match said.words {
            [_] => proxy.ciphers = said.known(first.clone()),
            [_, list] if &*first.text == "TLSv1.3" => proxy.ciphersuites = said.known(said.token(list)),
            [_, list] => proxy.ciphers = said.known(said.token(list)),
            _ => {}
        },
        _ => {}
    }
}

/// The policy of a virtual host, where its engine is on.
pub fn policy(own: &Proxy, outer: &Proxy, defaults: Defaults) -> Option<UpstreamPolicy> {
    let engine = take(&own.engine, &outer.engine).filter(|engine| engine.get() == Some(&true))?;
    let by_default = Origin::default_for(defaults.bites);
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
    Some(UpstreamPolicy {
        engine,
        verification: or(&own.verification, &outer.verification, UpstreamVerification::Off, by_default),
        depth: or(&own.depth, &outer.depth, 1, by_default),
        authorities: Setting::known(authorities, by_default),
        revocations: file(&own.revocations, &outer.revocations),
        checks_name: or(&own.checks_name, &outer.checks_name, true, by_default),
        checks_dates: or(&own.checks_dates, &outer.checks_dates, true, by_default),
        // The host of the request's address is sent (`ssl_engine_io.c`).
        sends_name: Setting::known(true, by_default),
        name: None,
        protocols: or(&own.protocols, &outer.protocols, all, by_default),
        ciphers: take(&own.ciphers, &outer.ciphers),
        ciphersuites: take(&own.ciphersuites, &outer.ciphersuites),
        credentials: credentials.into_iter().collect(),
    })
}
