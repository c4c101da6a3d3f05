//! Go's crypto/tls, as Caddy uses it: what comes of a ClientHello there.
//!
//! Source: Go 1.19 and 1.26, `crypto/tls`: `handshake_server.go`, `handshake_server_tls13.go`, `common.go`, `auth.go`,
//! `cipher_suites.go`; certmagic, `certificates.go` (`DefaultCertificateSelector`). A processor with AES instructions is
//! assumed. Resumption is left out.

use std::sync::Arc;

use super::client::Client;
use super::hello::Hello;
use super::offer::Offer;
use super::openssl::hello_failure;
use super::outcome::{Agreed, Cause, Decisive, Outcome, Stage, Trace};
use crate::model::{Credentials, Doubt, TlsPolicy, Value, VerifyMode};
use crate::pki::{Certificate, KeyKind, PemFile, PemStore};
use crate::platform::Version;
use crate::tls::cipher::{CipherSuite, Tls13Suite};
use crate::tls::go::GoSuite;
use crate::tls::group::{self, Group};
use crate::tls::signature::{self, SignatureScheme};
use crate::tls::{Protocol, Protocols};

/// The order in which Go prefers suites of TLS 1.2 and below where AES is fast on both sides (`cipherSuitesPreferenceOrder`).
const ORDER: [u16; 17] = [
    0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc009, 0xc013, 0xc00a, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035,
    0xc012, 0x000a, 0xc023,
];
/// ChaCha20-Poly1305, which goes first for clients that do not prefer AES.
const CHACHA: [u16; 2] = [0xcca9, 0xcca8];
/// Suites with AES-GCM by which a client shows that it prefers AES (`aesgcmCiphers`).
const AES_GCM: [u16; 6] = [0x1301, 0x1302, 0xc02b, 0xc02c, 0xc02f, 0xc030];
/// Suites that Go has and Caddy never enables: SHA-256 in CBC mode, RC4.
const OTHERS: [u16; 6] = [0xc027, 0xc023, 0x003c, 0x0005, 0xc011, 0xc007];
/// Suites of TLS 1.3 in Go's order.
const TLS13: [u16; 3] = [0x1301, 0x1302, 0x1303];
/// Groups in Go's own order (`defaultCurvePreferences`); what a release does not have falls out.
const GROUPS: [u16; 7] = [0x11ec, 0x11eb, 0x11ed, 0x001d, 0x0017, 0x0018, 0x0019];

/// A certificate that may be served.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The position of its pair in the set.
    pub pair: usize,
    /// What is sent, leaf first; empty for one that is not there yet.
    pub chain: Vec<Arc<Certificate>>,
    kind: KeyKind,
    bits: u32,
}

/// The certificates of a set, in order.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    /// Those that are known.
    pub all: Vec<Candidate>,
    /// Why others are not.
    pub unknown: Option<Arc<str>>,
    /// Why it cannot be told which of them is served.
    pub doubt: Option<Doubt>,
}

impl Candidates {
    /// Loads a set. `key_type` is the kind of key of a certificate that the server has yet to get: it tells nothing where
    /// another serves until then.
    pub fn load(set: &Credentials, library: &PemStore, key_type: Option<&str>) -> Candidates {
        let mut found = Candidates { doubt: set.doubt, ..Candidates::default() };
        for (pair, credential) in set.pairs.iter().enumerate() {
            let file: Option<&PemFile> = match &credential.certificate.value {
                Value::Known((_, path)) => {
                    if let Some(Err(error)) =
                        library.get(path).filter(|file| file.as_ref().is_err_and(|one| one.is_hidden()))
                    {
                        found.unknown = Some(format!("{error}: {}", path.display()).into());
                    }
                    library.get(path).and_then(|file| file.as_ref().ok())
                }
                Value::Unknown(reason) => {
                    found.unknown = Some(reason.0.clone());
                    None
                }
            };
            let chain: Vec<Arc<Certificate>> =
                file.into_iter().flat_map(PemFile::certificates).map(|(_, one)| Arc::clone(one)).collect();
            if let Some(leaf) = chain.first() {
                let (kind, bits) = (leaf.key.kind.clone(), leaf.key.bits);
                found.all.push(Candidate { pair, chain, kind, bits });
            } else if let Some((kind, bits)) = key_type.filter(|_| set.doubt.is_none()).and_then(managed) {
                found.all.push(Candidate { pair, chain, kind, bits });
            }
        }
        found
    }

    /// The candidate of a pair.
    pub fn pair(&self, pair: usize) -> Option<&Candidate> {
        self.all.iter().find(|one| one.pair == pair)
    }
}

/// Whether a certificate holds for a name as Go sees it: a first label `*` stands for any, with whatever behind it
/// (crypto/x509, `matchHostnames`).
fn covers(leaf: &Certificate, name: &str) -> bool {
    let (first, rest) = name.split_once('.').unwrap_or((name, ""));
    leaf.dns_names.iter().any(|pattern| {
        let (own, behind) = pattern.split_once('.').unwrap_or((pattern, ""));
        (own == "*" || own.eq_ignore_ascii_case(first)) && behind.eq_ignore_ascii_case(rest)
    })
}

/// What a certificate that the server gets by itself will have: its kind of key and its size.
fn managed(key_type: &str) -> Option<(KeyKind, u32)> {
    Some(match key_type {
        "ed25519" => (KeyKind::Ed25519, 256),
        "p256" => (KeyKind::P256, 256),
        "p384" => (KeyKind::P384, 384),
        "rsa2048" => (KeyKind::Rsa, 2048),
        "rsa4096" => (KeyKind::Rsa, 4096),
        _ => return None,
    })
}

/// A configuration of Go, as far as a policy tells.
pub struct Config<'a> {
    policy: &'a TlsPolicy,
    release: Version,
    signs_with_sha1: bool,
}

/// The server's side of one handshake.
pub struct Side<'a> {
    /// The policy in force.
    pub policy: &'a TlsPolicy,
    /// The release of Go.
    pub release: Version,
    /// Whether the build keeps SHA-1 (`tlssha1=1` among its GODEBUG settings).
    pub keeps_sha1: bool,
    /// The certificates.
    pub candidates: &'a Candidates,
    /// The name that the client says, lower case; empty: none.
    pub name: &'a str,
    /// Whether the name is refused.
    pub rejects: bool,
    /// The ALPN names of the server.
    pub alpn: &'a [String],
    /// Seconds since 1970-01-01 UTC.
    pub now: i64,
}

type Step<T> = Result<T, Outcome>;

fn failed<T>(code: &'static str, decisive: Decisive, message: impl Into<String>) -> Step<T> {
    Err(Outcome::Failed(Cause::negotiate(code, decisive, message)))
}

/// What comes of a client's handshake.
pub fn negotiate(client: &Client, side: &Side<'_>, trace: &mut Trace) -> Outcome {
    if let Some(outcome) = hello_failure(client) {
        return outcome;
    }
    let Ok(hello) = client.hello() else { return Outcome::Unknown(Cause::unknown(Decisive::Nothing, "no hello")) };
    // Until Go 1.24 SHA-1 signs in TLS 1.2 whatever the build says.
    let signs_with_sha1 = side.keeps_sha1 || !side.release.at_least(1, 25, 0);
    let config = Config { policy: side.policy, release: side.release, signs_with_sha1 };
    Negotiation { client, hello, side, config }.run(trace).unwrap_or_else(|end| end)
}

/// What Go would negotiate by a policy, before any client is asked.
pub fn offer(policy: &TlsPolicy, release: Version) -> Offer {
    let config = Config { policy, release, signs_with_sha1: false };
    let why = |outcome: Outcome| -> Arc<str> {
        match outcome {
            Outcome::Failed(cause) | Outcome::Unknown(cause) => cause.message.into(),
            Outcome::Agreed(_) => "it is not known".into(),
        }
    };
    let protocols = config.protocols().map_err(why);
    let spoken: Protocols = protocols.clone().unwrap_or_else(|_| Protocol::ALL.into_iter().collect());
    let is_offered = |suite: &&CipherSuite| spoken.iter().any(|protocol| suite.serves(protocol));
    let suites = config.suites().map_err(why);
    let newest = TLS13.iter().filter(|_| spoken.contains(Protocol::Tls13));
    Offer {
        suites: suites.map(|all| all.into_iter().filter(is_offered).map(|suite| &*suite.name).collect()),
        tls13_suites: Ok(newest.filter_map(|code| Tls13Suite::of(*code)).map(|suite| suite.name).collect()),
        groups: config
            .groups()
            .map_err(why)
            .map(|all| all.into_iter().filter_map(group::group).map(|group| group.name).collect()),
        protocols,
    }
}

/// The suites of TLS 1.2 and below that a policy switches on, and what the certificates of a set can do with them.
pub struct Served {
    /// Those that are switched on.
    pub usable: Vec<&'static CipherSuite>,
    /// Those of them that a certificate of the set goes with.
    pub own: Vec<&'static CipherSuite>,
    /// The kinds of the certificates.
    pub kinds: Vec<String>,
}

/// What a policy serves with a set. Absent where either is not known, or where the set is empty.
pub fn served(policy: &TlsPolicy, release: Version, candidates: &Candidates) -> Option<Served> {
    if candidates.unknown.is_some() || candidates.doubt.is_some() || candidates.all.is_empty() {
        return None;
    }
    let usable = Config { policy, release, signs_with_sha1: false }.suites().ok()?;
    let goes_with = |suite: &CipherSuite| candidates.all.iter().any(|one| one.authenticates(suite));
    let own = usable.iter().copied().filter(|suite| goes_with(suite)).collect();
    Some(Served { usable, own, kinds: candidates.all.iter().map(|one| one.kind.name()).collect() })
}

/// The groups that a policy switches on, in the order of the release, by code point.
pub fn groups(policy: &TlsPolicy, release: Version) -> Option<Vec<u16>> {
    Config { policy, release, signs_with_sha1: false }.groups().ok()
}

impl Config<'_> {
    fn known<T>(value: &Value<T>, decisive: Decisive) -> Step<&T> {
        match value {
            Value::Known(value) => Ok(value),
            Value::Unknown(reason) => Err(Outcome::Unknown(Cause::unknown(decisive, &*reason.0))),
        }
    }

    fn protocols(&self) -> Step<Protocols> {
        Ok(Config::known(&self.policy.protocols.value, Decisive::Protocols)?.set)
    }

    /// The groups that are switched on, in the order of the release: from 1.24 on its own.
    fn groups(&self) -> Step<Vec<u16>> {
        let tokens = Config::known(&self.policy.groups.value, Decisive::Groups)?;
        let written: Vec<u16> =
            tokens.iter().filter_map(|token| group::named(&token.text)).map(|one| one.code_point).collect();
        let own = GROUPS.iter().copied().filter(|code| match code {
            0x11ec => self.release.at_least(1, 24, 0),
            0x11eb | 0x11ed => self.release.at_least(1, 26, 0),
            _ => true,
        });
        Ok(match (written.is_empty(), self.release.at_least(1, 24, 0)) {
            (true, _) => own.collect(),
            (false, true) => own.filter(|code| written.contains(code)).collect(),
            (false, false) => written,
        })
    }

    /// The suites of TLS 1.2 and below that are switched on.
    fn suites(&self) -> Step<Vec<&'static CipherSuite>> {
        let tokens = Config::known(&self.policy.ciphers.value, Decisive::Ciphers)?;
        let release = self.release.numbers;
        let named = tokens.iter().filter_map(|token| GoSuite::find(&token.text)).filter(|suite| suite.is_in(release));
        let chosen: Vec<&GoSuite> = named.collect();
        let all = if tokens.is_empty() { GoSuite::all().iter().collect() } else { chosen };
        let old = all.into_iter().filter(|suite| !suite.is_tls13() && suite.is_in(release));
        Ok(old.filter_map(|suite| CipherSuite::named(suite.openssl)).collect())
    }

    /// The schemes that a certificate can sign with (`signatureSchemesForCertificate`).
    fn schemes(&self, candidate: &Candidate, protocol: Protocol) -> Vec<&'static SignatureScheme> {
        let is_tls13 = protocol == Protocol::Tls13;
        let fits = |scheme: &&SignatureScheme| match &candidate.kind {
            KeyKind::P256 | KeyKind::P384 | KeyKind::P521 => {
                let curve = candidate.curve().unwrap_or_default();
                let is_ecdsa = scheme.name.starts_with("ecdsa") && scheme.digest != "sha224";
                is_ecdsa
                    && if is_tls13 { scheme.curve == curve } else { scheme.digest != "sha1" || self.signs_with_sha1 }
            }
            KeyKind::Rsa if scheme.name.starts_with("rsa_pss_rsae") => {
                candidate.bits.div_ceil(8) >= 2 * scheme.digest_bytes() + 2
            }
            KeyKind::Rsa => {
                let is_on = scheme.digest != "sha224" && (scheme.digest != "sha1" || self.signs_with_sha1);
                !is_tls13 && scheme.name.starts_with("rsa_pkcs1") && is_on
            }
            KeyKind::Ed25519 => scheme.name == "ed25519",
            _ => false,
        };
        signature::schemes().iter().filter(fits).collect()
    }
}

impl Candidate {
    fn curve(&self) -> Option<&'static str> {
        Some(match self.kind {
            KeyKind::P256 => "P-256",
            KeyKind::P384 => "P-384",
            KeyKind::P521 => "P-521",
            _ => return None,
        })
    }

    /// Whether suites name it ECDSA.
    fn is_ecdsa(&self) -> bool {
        self.kind.is_ec() || self.kind == KeyKind::Ed25519
    }

    /// Whether a suite of TLS 1.2 and below goes with the key.
    fn authenticates(&self, suite: &CipherSuite) -> bool {
        match suite.authentication() {
            "aECDSA" => self.is_ecdsa(),
            _ => self.kind == KeyKind::Rsa,
        }
    }

    fn is_valid(&self, now: i64) -> bool {
        self.chain.first().is_none_or(|leaf| leaf.not_before < now && now < leaf.not_after)
    }
}

struct Negotiation<'n> {
    client: &'n Client,
    hello: &'n Hello,
    side: &'n Side<'n>,
    config: Config<'n>,
}

impl<'n> Negotiation<'n> {
    fn run(&self, trace: &mut Trace) -> Step<Outcome> {
        let protocol = self.protocol(trace)?;
        if self.side.rejects {
            return failed(
                "name-rejected",
                Decisive::Site,
                "no certificate serves this name: the server ends the handshake",
            );
        }
        let agreed = if protocol == Protocol::Tls13 { self.tls13(trace)? } else { self.older(protocol, trace)? };
        self.alpn()?;
        let mode = Config::known(&self.side.policy.client_verification.value, Decisive::ClientVerification)?.mode;
        if matches!(mode, VerifyMode::Required | VerifyMode::RequiredUnverified) {
            return Err(Outcome::Failed(Cause {
                stage: Stage::ClientCertificate,
                code: "client-certificate-required",
                message: "the server requires a client certificate".into(),
                decisive: Decisive::ClientVerification,
            }));
        }
        let is_there =
            agreed.pair.and_then(|pair| self.side.candidates.pair(pair)).is_some_and(|one| !one.chain.is_empty());
        match (&self.side.candidates.unknown, is_there) {
            (Some(reason), false) => Err(Outcome::Unknown(Cause::unknown(Decisive::Credentials, &**reason))),
            _ => Ok(Outcome::Agreed(agreed)),
        }
    }

    fn protocol(&self, trace: &mut Trace) -> Step<Protocol> {
        let (server, client) = (self.config.protocols()?, self.hello.protocols);
        trace.record(Decisive::Protocols, || format!("the client offers {client}; the server has {server}"));
        let newest = client.newest().unwrap_or(Protocol::Tls12);
        let chosen = match newest {
            Protocol::Tls13 => server.intersection(client).newest(),
            _ => server.iter().rfind(|one| *one <= newest),
        };
        let shared = chosen.filter(|one| client.contains(*one));
        shared.map_or_else(
            || {
                failed(
                    "no-shared-protocol",
                    Decisive::Protocols,
                    format!("no shared protocol: the client offers {client}, the server {server}"),
                )
            },
            Ok,
        )
    }

    fn alpn(&self) -> Step<()> {
        let (client, server) = (&self.client.alpn, self.side.alpn);
        let is_open = client.is_empty() || server.is_empty() || client.iter().any(|name| server.contains(name));
        // Clients of HTTP/1.1 alone may use a server of HTTP/2 alone as if there were no ALPN (`negotiateALPN`).
        let falls_back = server.iter().all(|name| name == "h2") && client.iter().all(|name| name == "http/1.1");
        if is_open || falls_back {
            return Ok(());
        }
        failed("no-shared-alpn", Decisive::Alpn, format!("no shared ALPN name: the client offers {}", client.join(" ")))
    }

    /// Whether the first suite of the client that Go knows is one of AES-GCM (`aesgcmPreferred`).
    fn prefers_aes(&self) -> bool {
        let known = |code: &u16| ORDER.contains(code) || TLS13.contains(code) || OTHERS.contains(code);
        let offered = self.hello.tls13_suites.iter().map(|suite| suite.code_point);
        let offered = offered.chain(self.hello.suites.iter().map(|suite| suite.code_point));
        offered.into_iter().find(known).is_some_and(|code| AES_GCM.contains(&code))
    }

    fn tls13(&self, trace: &mut Trace) -> Step<Agreed> {
        let mut order = TLS13.to_vec();
        if !self.prefers_aes() {
            order.rotate_right(1);
        }
        let offers = |code: &u16| self.hello.tls13_suites.iter().any(|suite| suite.code_point == *code);
        let Some(suite) = order.iter().copied().find(offers).and_then(Tls13Suite::of) else {
            return failed("no-shared-cipher", Decisive::Ciphersuites, "no shared suite for TLSv1.3");
        };
        trace.record(Decisive::Ciphersuites, || format!("suite {}", suite.name));
        let (group, retried) = self.key_share()?;
        let candidate = self.candidate(Protocol::Tls13)?;
        self.scheme(candidate, Protocol::Tls13, trace)?;
        Ok(Agreed {
            protocol: Protocol::Tls13,
            cipher: suite.name,
            group: Some(group.name),
            pair: Some(candidate.pair),
            retried,
        })
    }

    /// The group of TLS 1.3, and whether the client has to send another key share.
    fn key_share(&self) -> Step<(&'static Group, bool)> {
        let has = |code: &u16| self.hello.groups.iter().any(|group| group.code_point == *code);
        let shares = |code: &u16| self.hello.key_shares.contains(code);
        let server = self.config.groups()?;
        let shared: Vec<u16> = server.into_iter().filter(has).collect();
        let chosen = if self.config.release.at_least(1, 24, 0) {
            let is_hybrid = |code: &u16| (0x11eb..=0x11ed).contains(code);
            let mut order = shared.clone();
            order.sort_by_key(|code| !shares(code));
            order.sort_by_key(|code| !is_hybrid(code));
            order.first().copied()
        } else {
            shared.iter().copied().find(shares).or(shared.first().copied())
        };
        match chosen.and_then(group::group) {
            Some(group) => Ok((group, !shares(&group.code_point))),
            None => failed("no-shared-group", Decisive::Groups, "no shared group for TLSv1.3"),
        }
    }

    /// The certificate that is served (`DefaultCertificateSelector`).
    fn candidate(&self, protocol: Protocol) -> Step<&'n Candidate> {
        let all = &self.side.candidates.all;
        match (&all[..], &self.side.candidates.unknown) {
            ([], Some(reason)) => Err(Outcome::Unknown(Cause::unknown(Decisive::Credentials, &**reason))),
            ([], None) => {
                failed("no-certificate", Decisive::Credentials, "no certificate serves this name (internal_error)")
            }
            (_, _) if self.side.candidates.doubt == Some(Doubt::Managed) => {
                let words = "once Caddy has got its own certificate for the name, this policy may serve none";
                Err(Outcome::Unknown(Cause::unknown(Decisive::Credentials, words)))
            }
            ([only], _) => Ok(only),
            (all, _) => {
                let supported: Vec<&Candidate> =
                    all.iter().filter(|one| self.supports(one, protocol).unwrap_or(false)).collect();
                let valid: Vec<&Candidate> =
                    supported.iter().copied().filter(|one| one.is_valid(self.side.now)).collect();
                let fitting = [valid.len(), supported.len(), all.len()].into_iter().find(|count| *count > 0);
                if self.side.candidates.doubt.is_some() && fitting != Some(1) {
                    let words = "no certificate has the name: Caddy takes any of those of the site, by chance";
                    return Err(Outcome::Unknown(Cause::unknown(Decisive::Credentials, words)));
                }
                Ok(valid.first().or(supported.last()).copied().unwrap_or(&all[0]))
            }
        }
    }

    /// Whether the client can use a certificate, as far as Go asks (`SupportsCertificate`).
    fn supports(&self, candidate: &Candidate, protocol: Protocol) -> Step<bool> {
        let covers = candidate.chain.first().is_none_or(|leaf| covers(leaf, self.side.name));
        if !self.side.name.is_empty() && !covers {
            return Ok(false);
        }
        let is_rsa = candidate.kind == KeyKind::Rsa;
        let suites = self.config.suites()?;
        let has_suite = |wanted: &dyn Fn(&CipherSuite) -> bool| {
            self.hello.suites.iter().any(|suite| {
                wanted(suite) && suite.serves(protocol) && suites.iter().any(|one| one.code_point == suite.code_point)
            })
        };
        let falls_back = || protocol != Protocol::Tls13 && is_rsa && has_suite(&|suite| suite.key_exchange() == "kRSA");
        if self.hello.signatures.is_some() && self.chosen_scheme(candidate, protocol).is_none() {
            return Ok(falls_back());
        }
        if protocol == Protocol::Tls13 {
            return Ok(true);
        }
        let groups = self.config.groups()?;
        let shares =
            |code: u16| self.hello.groups.iter().any(|group| group.code_point == code) && groups.contains(&code);
        if !groups.iter().any(|code| shares(*code)) {
            return Ok(falls_back());
        }
        if let Some(curve) = candidate.curve().and_then(group::named)
            && !shares(curve.code_point)
        {
            return Ok(false);
        }
        if candidate.kind == KeyKind::Ed25519 && (protocol < Protocol::Tls12 || self.hello.signatures.is_none()) {
            return Ok(false);
        }
        let wanted = if candidate.is_ecdsa() { "aECDSA" } else { "aRSA" };
        let fits = |suite: &CipherSuite| suite.key_exchange() == "kECDHE" && suite.authentication() == wanted;
        Ok(has_suite(&fits) || falls_back())
    }

    /// The first scheme of the client that the certificate can sign with (`selectSignatureScheme`).
    fn chosen_scheme(&self, candidate: &Candidate, protocol: Protocol) -> Option<&'static SignatureScheme> {
        let own = self.config.schemes(candidate, protocol);
        let legacy = || ["rsa_pkcs1_sha1", "ecdsa_sha1"].iter().filter_map(|name| signature::named(name)).collect();
        let client = self.hello.signatures.clone().unwrap_or_else(legacy);
        client.into_iter().find(|scheme| own.iter().any(|one| one.code_point == scheme.code_point))
    }

    fn scheme(&self, candidate: &Candidate, protocol: Protocol, trace: &mut Trace) -> Step<&'static SignatureScheme> {
        let Some(scheme) = self.chosen_scheme(candidate, protocol) else {
            let words =
                format!("no signature algorithm of the client fits the certificate ({})", candidate.kind.name());
            return failed("no-shared-signature-algorithm", Decisive::Credentials, words);
        };
        trace.record(Decisive::Credentials, || format!("the certificate signs with {}", scheme.name));
        Ok(scheme)
    }

    fn older(&self, protocol: Protocol, trace: &mut Trace) -> Step<Agreed> {
        let candidate = self.candidate(protocol)?;
        let groups = self.config.groups()?;
        let shared =
            self.hello.groups.iter().find(|group| groups.contains(&group.code_point) && group.serves(protocol));
        let enabled = self.config.suites()?;
        let mut order = ORDER.to_vec();
        if !self.prefers_aes() {
            order.sort_by_key(|code| !CHACHA.contains(code));
        }
        let is_ok = |suite: &CipherSuite| {
            (shared.is_some() || suite.key_exchange() != "kECDHE") && candidate.authenticates(suite)
        };
        let chosen = order.iter().find_map(|code| {
            let suite = enabled.iter().copied().find(|suite| suite.code_point == *code)?;
            let offers = self.hello.suites.iter().any(|one| one.code_point == *code);
            (offers && suite.serves(protocol) && is_ok(suite)).then_some(suite)
        });
        let Some(suite) = chosen else {
            let words =
                format!("no shared suite for {protocol} that goes with the certificate ({})", candidate.kind.name());
            return failed("no-shared-cipher", Decisive::Ciphers, words);
        };
        trace.record(Decisive::Ciphers, || format!("suite {}", suite.name));
        let is_signed = suite.key_exchange() == "kECDHE";
        if is_signed && protocol == Protocol::Tls12 {
            self.scheme(candidate, protocol, trace)?;
        }
        if is_signed {
            self.client_takes(candidate, protocol)?;
        }
        let group = shared.filter(|_| is_signed).map(|group| group.name);
        Ok(Agreed { protocol, cipher: &suite.name, group, pair: Some(candidate.pair), retried: false })
    }

    /// What the client looks at when the server has spoken: the curve of the certificate, SHA-1 in old versions.
    fn client_takes(&self, candidate: &Candidate, protocol: Protocol) -> Step<()> {
        let level = self.client.strength();
        if let Some(curve) = candidate.curve().and_then(group::named) {
            let has = self.hello.groups.iter().any(|group| group.code_point == curve.code_point);
            if !has || !level.allows_group(curve) {
                let words = format!("the client does not have the group of the certificate, {}", curve.name);
                return failed("client-refuses-curve", Decisive::Credentials, words);
            }
        }
        if protocol < Protocol::Tls12 && !level.allows_legacy_signature() {
            return failed("client-refuses-signature", Decisive::Nothing, "the client refuses signatures with SHA-1");
        }
        Ok(())
    }
}
