//! What comes of a ClientHello at an OpenSSL server.
//!
//! Source: OpenSSL 3.0 and 3.6, `ssl/statem/statem_srvr.c`, `statem_lib.c`, `extensions_srvr.c`, `ssl/s3_lib.c`
//! (`ssl3_choose_cipher`), `ssl/t1_lib.c` (`tls_choose_sigalg`, `tls1_shared_group`, `tls1_check_chain`). Resumption, early
//! data, SRP and PSK are left out.

use super::context::{Context, Dh};
use super::level::Level;
use super::slots::{Slot, Slots};
use super::suite_b;
use crate::handshake::client::Client;
use crate::handshake::hello::{Hello, NoHello, without_holes};
use crate::handshake::outcome::{Agreed, Cause, Decisive, Outcome, Stage, Trace};
use crate::pki::KeyKind;
use crate::tls::cipher::{CipherSuite, Encryption, Tls13Suite};
use crate::tls::group::{self, Group};
use crate::tls::signature::{SignatureScheme, SigningKey};
use crate::tls::{Protocol, Protocols, signature};

/// The server's side of one handshake: whose settings are in force, and when.
pub struct Side<'a> {
    /// What the connection begins with.
    pub start: &'a Context,
    /// What is in force when the version and the suite of TLS 1.3 are chosen.
    pub choosing: &'a Context,
    /// What the named site has by its own words: a second ClientHello is answered by it.
    pub own: &'a Context,
    /// Each setting from whoever decides it.
    pub decided: &'a Context,
    /// The certificates.
    pub slots: &'a Slots,
    /// Whether options add up: those of the context that the connection begins with stay on.
    pub adds_options: bool,
    /// Whether the name is refused on purpose.
    pub rejects: bool,
    /// The ALPN names of the server, where a client that shares none is refused.
    pub alpn: &'a [String],
    /// Whether the server speaks HTTP/2 only where RFC 9113, 9.2 allows the protocol and the suite.
    pub h2_wants_modern_tls: bool,
}

impl Side<'_> {
    /// Whether the server's order counts, with a context in force.
    fn prefers_server(&self, by: &Context, decisive: Decisive) -> Step<bool> {
        let began = if self.adds_options { &self.start.own_preference } else { &Ok(false) };
        match (&by.server_preference, began) {
            (Ok(true), _) | (_, Ok(true)) => Ok(true),
            (Err(reason), _) | (_, Err(reason)) => unknown(decisive, reason),
            (Ok(false), Ok(false)) => Ok(false),
        }
    }

    /// Versions without those that the options of the beginning forbid.
    fn allowed(&self, versions: Protocols) -> Protocols {
        if self.adds_options { versions.intersection(self.start.protocols) } else { versions }
    }

    /// Whether ChaCha20 goes first for clients that put it first, with a context in force.
    fn prioritizes_chacha(&self, by: &Context) -> bool {
        (by.prioritizes_chacha || self.adds_options && self.start.prioritizes_chacha) && by.suite_b.is_none()
    }
}

type Step<T> = Result<T, Outcome>;

fn failed<T>(code: &'static str, decisive: Decisive, message: impl Into<String>) -> Step<T> {
    Err(Outcome::Failed(Cause::negotiate(code, decisive, message)))
}

fn unknown<T>(decisive: Decisive, reason: &str) -> Step<T> {
    Err(Outcome::Unknown(Cause::unknown(decisive, reason)))
}

/// What comes of a client's handshake.
pub fn negotiate(client: &Client, side: &Side<'_>, trace: &mut Trace) -> Outcome {
    let hello = match client.hello() {
        Ok(hello) => hello,
        Err(why) => return speechless(client, why),
    };
    let one = Negotiation { client, hello, side };
    one.run(trace).unwrap_or_else(|end| end)
}

/// Why a client says nothing at all, whoever listens.
pub fn hello_failure(client: &Client) -> Option<Outcome> {
    client.hello().err().map(|why| speechless(client, why))
}

fn speechless(client: &Client, why: NoHello) -> Outcome {
    let what = match why {
        NoHello::NoProtocol => "protocol version",
        NoHello::NoSuite => "cipher suite for its newest version",
        NoHello::NoGroup => "group for TLS 1.3",
    };
    let message = format!("{} has no {what} of its own that its security level allows", client.name);
    Outcome::Failed(Cause::negotiate("client-offers-nothing", Decisive::Nothing, message))
}

struct Negotiation<'n> {
    client: &'n Client,
    hello: &'n Hello,
    side: &'n Side<'n>,
}

/// Whether HTTP/2 may be spoken: TLS 1.2 with a suite that is not on the list of RFC 9113, appendix A, or newer.
fn is_modern(agreed: &Agreed) -> bool {
    match agreed.protocol {
        Protocol::Tls13 => true,
        Protocol::Tls12 => CipherSuite::named(agreed.cipher)
            .is_some_and(|suite| suite.has_forward_secrecy() && suite.encryption() == Encryption::Authenticated),
        _ => false,
    }
}

/// Names in a row, the first few.
fn names<'a>(all: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<&str> = all.collect();
    match all.len() {
        0 => "none".to_owned(),
        1..=6 => all.join(" "),
        count => format!("{} and {} more", all[..5].join(" "), count - 5),
    }
}

impl<'n> Negotiation<'n> {
    fn run(&self, trace: &mut Trace) -> Step<Outcome> {
        self.sanity()?;
        let protocol = self.protocol(trace)?;
        let agreed = match protocol {
            Protocol::Tls13 => self.tls13(trace)?,
            _ => self.older(protocol, trace)?,
        };
        self.alpn(&agreed)?;
        if self.side.decided.requires_certificate && agreed.pair.is_some() {
            return Err(Outcome::Failed(Cause {
                stage: Stage::ClientCertificate,
                code: "client-certificate-required",
                message: "the server requires a client certificate".into(),
                decisive: Decisive::ClientVerification,
            }));
        }
        Ok(Outcome::Agreed(agreed))
    }

    /// The library asks at the start of every connection whether its newest version has a suite (`tls_setup_handshake`).
    fn sanity(&self) -> Step<()> {
        let start = self.side.start;
        if let Some(reason) = &start.protocols_unknown {
            return unknown(Decisive::Protocols, reason);
        }
        let offered = start.offered(start);
        let Some(newest) = without_holes(offered).newest() else {
            let refused = self.refused_by_level(start, offered);
            return failed("no-protocol", Decisive::Protocols, format!("the server has no protocol left{refused}"));
        };
        let has_suite = match newest {
            Protocol::Tls13 => start.tls13_suites.as_ref().map(|suites| !suites.is_empty()),
            newest => start.suites.as_ref().map(|suites| suites.iter().any(|suite| suite.serves(newest))),
        };
        match has_suite {
            Ok(true) => Ok(()),
            Ok(false) => {
                let decisive = if newest == Protocol::Tls13 { Decisive::Ciphersuites } else { Decisive::Ciphers };
                let words =
                    format!("the server has no suite for {newest}, its newest version: it refuses every client");
                failed("no-suite-for-newest-protocol", decisive, words)
            }
            Err(reason) => unknown(Decisive::Ciphers, reason),
        }
    }

    /// `ssl_choose_server_version`: the newest that both have.
    fn protocol(&self, trace: &mut Trace) -> Step<Protocol> {
        let context = self.side.decided;
        if let Some(reason) = &context.protocols_unknown {
            return unknown(Decisive::Protocols, reason);
        }
        let offered = self.side.allowed(context.offered(self.side.choosing));
        let client = self.hello.protocols;
        trace.record(Decisive::Protocols, || format!("the client offers {client}; the server has {offered}"));
        let newest = client.newest().unwrap_or(Protocol::Tls12);
        // Without the extension for versions (up to TLS 1.2) the server answers with its newest that is not above the
        // client's, which the client may not have.
        let chosen = match newest {
            Protocol::Tls13 => offered.intersection(client).newest(),
            _ => offered.iter().rfind(|one| *one <= newest),
        };
        match chosen {
            Some(protocol) if client.contains(protocol) => {
                self.fallback(protocol, offered)?;
                trace.record(Decisive::Protocols, || format!("both speak {protocol}"));
                Ok(protocol)
            }
            _ => {
                let refused = self.refused_by_level(context, offered);
                failed(
                    "no-shared-protocol",
                    Decisive::Protocols,
                    format!(
                        "no shared protocol: the client offers {client}, the server {}{refused}",
                        if offered.is_empty() { "nothing".to_owned() } else { offered.to_string() }
                    ),
                )
            }
        }
    }

    /// A server that speaks TLS 1.2 says so in its hello to a client that gets less (RFC 8446, 4.1.3); a client that speaks
    /// more than it gets then takes that for an attack (`ssl_choose_client_version`).
    fn fallback(&self, protocol: Protocol, offered: Protocols) -> Step<()> {
        let newest = self.hello.protocols.newest().unwrap_or(protocol);
        if protocol >= Protocol::Tls12 || newest <= protocol || !offered.contains(Protocol::Tls12) {
            return Ok(());
        }
        let words = format!(
            "the server has {offered} and gives {protocol} to a client that speaks {newest}: the client takes it for a downgrade"
        );
        failed("inappropriate-fallback", Decisive::Protocols, words)
    }

    /// Versions that the level takes away from what is switched on.
    fn refused_by_level(&self, context: &Context, offered: Protocols) -> String {
        let free = self.side.allowed(context.offered_at(Level { number: 0, version: context.version }, None));
        let lost: Protocols = free.iter().filter(|one| !offered.contains(*one)).collect();
        match lost.is_empty() {
            true => String::new(),
            false => format!(" ({lost} need security level 0)"),
        }
    }

    fn certificates(&self) -> Step<&'n Slots> {
        let slots = self.side.slots;
        match (&slots.unknown, &slots.failure) {
            (Some(reason), _) => unknown(Decisive::Credentials, reason),
            (None, Some(why)) => {
                let words = format!("the server cannot load what this name leads to (alert internal_error): {why}");
                failed("certificate-not-loaded", Decisive::Credentials, words)
            }
            (None, None) => Ok(slots),
        }
    }

    /// Refuses the name; nginx asks when the version and, in TLS 1.3, the suite are chosen already.
    fn name(&self) -> Step<()> {
        match self.side.rejects {
            true => {
                failed("name-rejected", Decisive::Site, "the server refuses this name on purpose (unrecognized_name)")
            }
            false => Ok(()),
        }
    }

    fn alpn(&self, agreed: &Agreed) -> Step<()> {
        let (client, server) = (&self.client.alpn, self.side.alpn);
        let speaks = |name: &String| name != "h2" || !self.side.h2_wants_modern_tls || is_modern(agreed);
        if client.is_empty() || server.is_empty() || client.iter().any(|name| server.contains(name) && speaks(name)) {
            return Ok(());
        }
        let words = format!("no shared ALPN name: the client offers {}", client.join(" "));
        failed("no-shared-alpn", Decisive::Alpn, words)
    }

    // TLS 1.3

    fn tls13(&self, trace: &mut Trace) -> Step<Agreed> {
        let suite = self.tls13_suite(self.side.decided, self.side.choosing, trace)?;
        let key_share = self.key_share(trace)?;
        self.name()?;
        let groups = self.signature_schemes(Protocol::Tls13)?;
        let group = match key_share {
            KeyShare::Sent(group) => group,
            // Another suite of groups before the name than after it: the client has sent what is asked for.
            KeyShare::Retry(group) if self.hello.key_shares.contains(&group.code_point) => {
                let words =
                    format!("the server asks again for a key share of {}, which the client has sent", group.name);
                return failed("client-refuses-retry", Decisive::Groups, words);
            }
            KeyShare::Retry(group) => {
                trace.record(Decisive::Groups, || {
                    format!("the server asks for a key share of {} (hello retry)", group.name)
                });
                // The second hello is answered by the site's own context: another suite than the first is fatal.
                let again = self.tls13_suite(self.side.own, self.side.decided, trace)?;
                if again != suite {
                    return failed(
                        "suite-changed-in-retry",
                        Decisive::Ciphersuites,
                        format!(
                            "the default site chose {}, the named site {} when the client tried again",
                            suite.name, again.name
                        ),
                    );
                }
                group
            }
        };
        let slot = self.tls13_certificate(&groups, trace)?;
        self.strong_chain(slot)?;
        Ok(Agreed {
            protocol: Protocol::Tls13,
            cipher: suite.name,
            group: Some(group.name),
            pair: Some(slot.pair),
            retried: matches!(key_share, KeyShare::Retry(_)),
        })
    }

    /// `ssl3_choose_cipher`: `list` has the suites, `by` the order and the level.
    fn tls13_suite(&self, list: &Context, by: &Context, trace: &mut Trace) -> Step<&'static Tls13Suite> {
        let server = match &list.tls13_suites {
            Ok(suites) => suites,
            Err(reason) => return unknown(Decisive::Ciphersuites, reason),
        };
        let prefers_server = self.side.prefers_server(by, Decisive::Ciphersuites)?;
        let client = &self.hello.tls13_suites;
        let is_chacha = |suite: &&&Tls13Suite| suite.name.contains("CHACHA20");
        let client_starts_with_chacha = client.first().is_some_and(|suite| is_chacha(&suite));
        let mut order: Vec<&'static Tls13Suite> = if prefers_server { server.clone() } else { client.clone() };
        if prefers_server && self.side.prioritizes_chacha(by) && client_starts_with_chacha {
            order.sort_by_key(|suite| !is_chacha(&suite));
        }
        let other = if prefers_server { client } else { server };
        let level = by.strength();
        let chosen = order.into_iter().find(|suite| other.contains(suite) && level.allows_tls13_suite(suite));
        match chosen {
            Some(suite) => {
                trace.record(Decisive::Ciphersuites, || format!("suite {}", suite.name));
                Ok(suite)
            }
            None => failed(
                "no-shared-cipher",
                Decisive::Ciphersuites,
                format!(
                    "no shared suite for TLSv1.3: the client offers {}, the server {}",
                    names(client.iter().map(|suite| suite.name)),
                    names(server.iter().map(|suite| suite.name))
                ),
            ),
        }
    }

    fn key_share(&self, trace: &mut Trace) -> Step<KeyShare> {
        let decided = self.side.decided;
        let server = match &decided.groups {
            Ok(groups) => groups,
            Err(reason) => return unknown(Decisive::Groups, reason),
        };
        let client = &self.hello.groups;
        trace.record(Decisive::Groups, || {
            let server = names(server.iter().filter_map(group::group).map(|group| group.name));
            format!("the client's groups {}; the server's {server}", names(client.iter().map(|group| group.name)))
        });
        let chosen = match decided.version >= [3, 5, 0] {
            true => self.key_share_by_tuples()?,
            false => self.key_share_first(server)?,
        };
        match chosen {
            Some(chosen) => Ok(chosen),
            None => failed(
                "no-shared-group",
                Decisive::Groups,
                format!(
                    "no shared group for TLSv1.3: the client offers {}, the server {}",
                    names(client.iter().map(|group| group.name)),
                    names(server.iter().filter_map(group::group).map(|group| group.name))
                ),
            ),
        }
    }

    /// Whether the client has a group and a level lets TLS 1.3 use it.
    fn shares(&self, code: u16, level: Level) -> Option<&'static Group> {
        let group = group::group(code)?;
        let is_offered = self.hello.groups.iter().any(|one| one.code_point == code);
        (is_offered && group.serves(Protocol::Tls13) && level.allows_group(group)).then_some(group)
    }

    /// OpenSSL up to 3.4: the first key share that the server has; else its own first group that the client has.
    fn key_share_first(&self, server: &group::GroupList) -> Step<Option<KeyShare>> {
        let (before, after) = (self.side.choosing.strength(), self.side.decided.strength());
        // The key shares are read before the name: Suite B of the named site comes too late for them.
        let forced = self.side.choosing.suite_b.map(suite_b::groups);
        let allowed = match (&forced, &self.side.decided.own_groups) {
            (Some(forced), _) => forced,
            (None, Ok(groups)) => groups,
            (None, Err(reason)) => return unknown(Decisive::Groups, reason),
        };
        let usable = |code: &u16| allowed.contains(*code).then(|| self.shares(*code, before)).flatten();
        let sent = self.hello.key_shares.iter().find_map(usable);
        let retry = || server.iter().find_map(|code| self.shares(code, after)).map(KeyShare::Retry);
        Ok(sent.map(KeyShare::Sent).or_else(retry))
    }

    /// OpenSSL 3.5 and newer: tuple by tuple, a key share of the tuple, else a group of it that the client has.
    fn key_share_by_tuples(&self) -> Step<Option<KeyShare>> {
        let choosing = self.side.choosing;
        let own = match &self.side.decided.own_groups {
            Ok(groups) => &groups.tuples,
            Err(reason) => return unknown(Decisive::Groups, reason),
        };
        let cut = |mode| suite_b::cut(&suite_b::groups(mode), own);
        let (tuples, overruns) = choosing.suite_b.map_or_else(|| (own.clone(), None), cut);
        let began = self.side.adds_options && self.side.start.own_preference == Ok(true);
        let prefers_server = match &choosing.own_preference {
            Ok(prefers) => *prefers || began,
            Err(reason) => return unknown(Decisive::Groups, reason),
        };
        let level = choosing.strength();
        let client: Vec<u16> = self.hello.groups.iter().map(|group| group.code_point).collect();
        for (order, tuple) in tuples.iter().enumerate() {
            let overlap = |client: &[u16]| {
                let (order, other) = if prefers_server { (&tuple[..], client) } else { (client, &tuple[..]) };
                order.iter().filter(|code| other.contains(code)).find_map(|code| self.shares(*code, level))
            };
            let sent = overlap(&self.hello.key_shares);
            if overruns == Some(order) {
                // What is known stands before what is not, but only a server that prefers its own order comes to it first.
                let is_first = |group: &Group| self.hello.key_shares.first() == Some(&group.code_point);
                return match sent.filter(|group| prefers_server || is_first(group)) {
                    Some(group) => Ok(Some(KeyShare::Sent(group))),
                    None => unknown(Decisive::Groups, suite_b::OVERRUN),
                };
            }
            if let Some(group) = sent {
                return Ok(Some(KeyShare::Sent(group)));
            }
            if let Some(group) = overlap(&client) {
                return Ok(Some(KeyShare::Retry(group)));
            }
        }
        Ok(None)
    }

    /// `find_sig_alg`: the first shared scheme that a certificate can sign with.
    fn tls13_certificate(&self, shared: &[&'static SignatureScheme], trace: &mut Trace) -> Step<&'n Slot> {
        let slots = self.certificates()?;
        for scheme in shared.iter().filter(|scheme| scheme.serves_tls13()) {
            let Some(slot) = slots.get(scheme.key) else { continue };
            let fits = match scheme.key {
                SigningKey::Ecdsa => slot.curve() == Some(scheme.curve),
                SigningKey::Rsa | SigningKey::RsaPss => is_long_enough(slot, scheme),
                _ => true,
            };
            if fits {
                trace.record(Decisive::Credentials, || {
                    format!("certificate {} signs with {}", slot.leaf().short_name(), scheme.name)
                });
                return Ok(slot);
            }
        }
        self.no_signature(slots, shared)
    }

    fn no_signature<T>(&self, slots: &Slots, shared: &[&'static SignatureScheme]) -> Step<T> {
        let kinds: Vec<String> = slots.usable().map(|(_, slot)| slot.leaf().key.kind.name()).collect();
        if kinds.is_empty() {
            return failed(
                "no-usable-certificate",
                Decisive::Credentials,
                "no certificate has the key that belongs to it",
            );
        }
        failed(
            "no-shared-signature-algorithm",
            Decisive::Credentials,
            format!(
                "no signature algorithm of the client fits the certificate ({}); shared are {}",
                kinds.join(", "),
                names(shared.iter().map(|scheme| scheme.name))
            ),
        )
    }

    /// The schemes that both have, in the order of whoever decides (`tls1_set_shared_sigalgs`).
    fn signature_schemes(&self, protocol: Protocol) -> Step<Vec<&'static SignatureScheme>> {
        let decided = self.side.decided;
        let Some(client) = &self.hello.signatures else {
            return match protocol {
                Protocol::Tls13 => failed(
                    "no-shared-signature-algorithm",
                    Decisive::Nothing,
                    "the client sends no signature algorithms",
                ),
                _ => Ok(Vec::new()),
            };
        };
        let prefers_server = self.side.prefers_server(decided, Decisive::Ciphers)?;
        let client: Vec<u16> = client.iter().map(|scheme| scheme.code_point).collect();
        let server = &decided.signatures;
        let (order, other) = if prefers_server { (server, &client) } else { (&client, server) };
        let level = decided.strength();
        let is_allowed = |scheme: &&SignatureScheme| {
            level.allows_scheme(scheme) && !(protocol == Protocol::Tls13 && scheme.key == SigningKey::Dsa)
        };
        let shared = order.iter().filter(|code| other.contains(code)).filter_map(|code| signature::scheme(*code));
        let shared: Vec<&SignatureScheme> = shared.filter(is_allowed).collect();
        match shared.is_empty() {
            true => failed(
                "no-shared-signature-algorithm",
                Decisive::Ciphers,
                format!(
                    "no shared signature algorithm: the client offers {}",
                    names(client.iter().filter_map(|code| signature::scheme(*code)).map(|scheme| scheme.name))
                ),
            ),
            false => Ok(shared),
        }
    }

    // TLS 1.2 and below

    fn older(&self, protocol: Protocol, trace: &mut Trace) -> Step<Agreed> {
        self.name()?;
        let shared = self.signature_schemes(protocol)?;
        let suite = self.suite(protocol, &shared, trace)?;
        let slot = match suite.is_anonymous() {
            true => None,
            false => Some(self.certificate(protocol, suite, &shared, trace)?),
        };
        let group = self.exchange(protocol, suite)?;
        if let Some(slot) = slot {
            self.strong_chain(slot)?;
        }
        let signs = matches!(suite.key_exchange(), "kECDHE" | "kDHE") && slot.is_some();
        if protocol < Protocol::Tls12 && signs && !self.client.strength().allows_legacy_signature() {
            let words = format!("the client's security level {} refuses signatures with SHA-1", self.client.level);
            return failed("client-refuses-signature", Decisive::Nothing, words);
        }
        Ok(Agreed { protocol, cipher: &suite.name, group, pair: slot.map(|slot| slot.pair), retried: false })
    }

    /// `ssl3_choose_cipher` for TLS 1.2 and below.
    fn suite(
        &self,
        protocol: Protocol,
        shared: &[&'static SignatureScheme],
        trace: &mut Trace,
    ) -> Step<&'static CipherSuite> {
        let decided = self.side.decided;
        let server = match &decided.suites {
            Ok(suites) => suites,
            Err(reason) => return unknown(Decisive::Ciphers, reason),
        };
        let prefers_server = self.side.prefers_server(decided, Decisive::Ciphers)?;
        let client = &self.hello.suites;
        let is_chacha = |suite: &CipherSuite| suite.encryption_name() == "CHACHA20";
        let mut order: Vec<&'static CipherSuite> = if prefers_server { server.clone() } else { client.clone() };
        // The client's first suite of all counts, TLS 1.3's included.
        let first_is_chacha = match self.hello.tls13_suites.first() {
            Some(suite) => suite.name.contains("CHACHA20"),
            None => client.first().is_some_and(|suite| is_chacha(suite)),
        };
        if prefers_server && self.side.prioritizes_chacha(decided) && first_is_chacha {
            order.sort_by_key(|suite| !is_chacha(suite));
        }
        let other = if prefers_server { client } else { server };
        let level = decided.strength();
        let mut doubt = None;
        let mut lost: Vec<(&'static CipherSuite, &'static str)> = Vec::new();
        for suite in order {
            let is_shared = other.iter().any(|one| one.code_point == suite.code_point);
            if !is_shared || !suite.serves(protocol) {
                continue;
            }
            match self.serves(protocol, suite, shared) {
                Ok(None) if level.allows_suite(suite) && doubt.is_none() => {
                    trace.record(Decisive::Ciphers, || format!("suite {}", suite.name));
                    return Ok(suite);
                }
                Ok(None) if level.allows_suite(suite) => {}
                Ok(None) => lost.push((suite, "the security level refuses it")),
                Ok(Some(why)) => {
                    trace.record(Decisive::Ciphers, || format!("{}: {why}", suite.name));
                    lost.push((suite, why));
                }
                Err(end) => doubt = doubt.or(Some(end)),
            }
        }
        if let Some(doubt) = doubt {
            return Err(doubt);
        }
        let words = match lost.first() {
            None => format!(
                "no shared suite for {protocol}: the client offers {}, the server {}",
                names(client.iter().filter(|suite| suite.serves(protocol)).map(|suite| suite.name.as_str())),
                names(server.iter().filter(|suite| suite.serves(protocol)).map(|suite| suite.name.as_str()))
            ),
            Some((suite, why)) => format!("no usable suite for {protocol}: {}: {why}", suite.name),
        };
        failed("no-shared-cipher", Decisive::Ciphers, words)
    }

    /// Why a suite cannot be served whatever the order; absent: it can (`ssl_set_masks`, `tls1_check_chain`).
    fn serves(
        &self,
        protocol: Protocol,
        suite: &CipherSuite,
        shared: &[&'static SignatureScheme],
    ) -> Step<Option<&'static str>> {
        if suite.needs_shared_secret() {
            return Ok(Some("it needs a shared secret"));
        }
        let by_key = match suite.key_exchange() {
            "kECDHE" => match self.group_for(protocol, suite)? {
                Some(_) => None,
                None => Some("the two share no group"),
            },
            "kDHE" => match self.side.decided.dh {
                Dh::None => Some("the server has no Diffie-Hellman parameters"),
                Dh::Unknown => return unknown(Decisive::Ciphers, "the Diffie-Hellman parameters are not known"),
                _ => None,
            },
            "kRSA" => match self.certificates()?.get(SigningKey::Rsa) {
                Some(_) => None,
                None => Some("it needs an RSA certificate"),
            },
            _ => Some("the server has nothing for its key exchange"),
        };
        if by_key.is_some() || suite.is_anonymous() {
            return Ok(by_key);
        }
        let slots = self.certificates()?;
        let explicit = |key: SigningKey| {
            protocol == Protocol::Tls12 && slots.get(key).is_some() && shared.iter().any(|scheme| scheme.key == key)
        };
        Ok(match suite.authentication() {
            "aRSA" if slots.get(SigningKey::Rsa).is_some() || explicit(SigningKey::RsaPss) => None,
            "aRSA" => Some("it needs an RSA certificate"),
            "aDSS" if slots.get(SigningKey::Dsa).is_some() => None,
            "aECDSA" => {
                let by_curve = slots.get(SigningKey::Ecdsa).map(|slot| self.ecdsa(protocol, slot, shared));
                match by_curve {
                    Some(None) => None,
                    _ if explicit(SigningKey::Ed25519) || explicit(SigningKey::Ed448) => None,
                    Some(why) => why,
                    None => Some("it needs an ECDSA certificate"),
                }
            }
            _ => Some("no certificate authenticates it"),
        })
    }

    /// Why a certificate cannot sign with ECDSA here: its group, its key usage, the client's schemes.
    fn ecdsa(&self, protocol: Protocol, slot: &Slot, shared: &[&'static SignatureScheme]) -> Option<&'static str> {
        const DIGITAL_SIGNATURE: u16 = 1;
        let Some(group) = slot.curve().and_then(group::named) else { return Some("its curve is not one of TLS") };
        let is_offered =
            self.hello.groups.is_empty() || self.hello.groups.iter().any(|one| one.code_point == group.code_point);
        if !is_offered {
            return Some("the client does not have the group of the certificate");
        }
        if !self.side.decided.strength().allows_group(group) {
            return Some("the security level refuses the group of the certificate");
        }
        if let Some(mode) = self.side.decided.suite_b {
            let signs =
                suite_b::scheme_of(slot.leaf()).is_some_and(|code| shared.iter().any(|one| one.code_point == code));
            if !signs || !suite_b::takes(mode, slot.chain.iter().map(|one| &**one)) {
                return Some("the chain is not one of Suite B");
            }
        }
        if slot.leaf().key_usage.is_some_and(|usage| usage & DIGITAL_SIGNATURE == 0) {
            return Some("the certificate may not sign (key usage)");
        }
        let can_sign = match (protocol, &self.hello.signatures) {
            (Protocol::Tls12, Some(_)) => shared.iter().any(|scheme| scheme.key == SigningKey::Ecdsa),
            (Protocol::Tls12, None) => self.legacy_scheme(0x0203),
            _ => true,
        };
        (!can_sign).then_some("no signature algorithm of the client fits the certificate")
    }

    /// Whether TLS 1.2 without the client's list may sign with this scheme of SHA-1.
    fn legacy_scheme(&self, code: u16) -> bool {
        let decided = self.side.decided;
        let scheme = signature::scheme(code);
        decided.signatures.contains(&code) && scheme.is_some_and(|scheme| decided.strength().allows_scheme(scheme))
    }

    /// The group of a suite: the first that both have, or the one that Suite B ties to it (`tls1_check_ec_tmp_key`).
    fn group_for(&self, protocol: Protocol, suite: &CipherSuite) -> Step<Option<&'static Group>> {
        let decided = self.side.decided;
        let Some(mode) = decided.suite_b else { return self.shared_group(protocol) };
        let code = suite_b::group_of(suite);
        let is_offered = self.hello.groups.is_empty() || self.hello.groups.iter().any(|one| one.code_point == code);
        let group = group::group(code).filter(|_| suite_b::groups(mode).contains(code) && is_offered);
        Ok(group.filter(|group| decided.strength().allows_group(group)))
    }

    /// The first group that both have (`tls1_shared_group`).
    fn shared_group(&self, protocol: Protocol) -> Step<Option<&'static Group>> {
        let decided = self.side.decided;
        let server = match &decided.groups {
            Ok(groups) => groups,
            Err(reason) => return unknown(Decisive::Groups, reason),
        };
        let prefers_server = self.side.prefers_server(decided, Decisive::Groups)?;
        let level = decided.strength();
        let client: Vec<u16> = self.hello.groups.iter().map(|group| group.code_point).collect();
        let server: Vec<u16> = server.iter().collect();
        let (order, other) = if prefers_server { (&server, &client) } else { (&client, &server) };
        let shared = order.iter().filter(|code| other.contains(code)).filter_map(|code| group::group(*code));
        Ok(shared.into_iter().find(|group| group.serves(protocol) && level.allows_group(group)))
    }

    /// The certificate that signs (`tls_choose_sigalg`).
    fn certificate(
        &self,
        protocol: Protocol,
        suite: &CipherSuite,
        shared: &[&'static SignatureScheme],
        trace: &mut Trace,
    ) -> Step<&'n Slot> {
        let slots = self.certificates()?;
        let kinds: &[SigningKey] = match suite.authentication() {
            "aRSA" => &[SigningKey::Rsa, SigningKey::RsaPss],
            "aECDSA" => &[SigningKey::Ecdsa, SigningKey::Ed25519, SigningKey::Ed448],
            _ => &[SigningKey::Dsa],
        };
        let told = |slot: &'n Slot, trace: &mut Trace| {
            trace.record(Decisive::Credentials, || format!("certificate {}", slot.leaf().short_name()));
            Ok(slot)
        };
        if protocol < Protocol::Tls12 {
            let slot = kinds.first().and_then(|kind| slots.get(*kind));
            return match slot {
                Some(slot) if self.side.decided.strength().allows_legacy_signature() => told(slot, trace),
                _ => failed(
                    "no-shared-signature-algorithm",
                    Decisive::Ciphers,
                    format!(
                        "{protocol} signs with SHA-1, which security level {} refuses (it needs 0)",
                        self.side.decided.level
                    ),
                ),
            };
        }
        if self.hello.signatures.is_none() {
            let (kind, code) =
                if kinds[0] == SigningKey::Ecdsa { (SigningKey::Ecdsa, 0x0203) } else { (SigningKey::Rsa, 0x0201) };
            return match slots.get(kind) {
                Some(slot) if self.legacy_scheme(code) => told(slot, trace),
                _ => failed(
                    "no-shared-signature-algorithm",
                    Decisive::Ciphers,
                    format!(
                        "the client names no signature algorithms, so that SHA-1 signs, which security level {} refuses",
                        self.side.decided.level
                    ),
                ),
            };
        }
        for scheme in shared.iter().filter(|scheme| kinds.contains(&scheme.key)) {
            if scheme.key == SigningKey::RsaPss && suite.key_exchange() == "kRSA" {
                continue;
            }
            let Some(slot) = slots.get(scheme.key) else { continue };
            let is_valid = scheme.key != SigningKey::Ecdsa || self.ecdsa(protocol, slot, shared).is_none();
            if is_valid && (!scheme.is_pss() || is_long_enough(slot, scheme)) {
                return told(slot, trace);
            }
        }
        self.no_signature(slots, shared)
    }

    /// The key exchange, and whether the client takes it.
    fn exchange(&self, protocol: Protocol, suite: &CipherSuite) -> Step<Option<&'static str>> {
        match suite.key_exchange() {
            "kECDHE" => {
                let group = self.group_for(protocol, suite)?;
                // A client that sends no groups may be offered one that it does not have.
                let is_strange =
                    |group: &Group| !self.client.groups.iter().any(|one| one.code_point == group.code_point);
                match group {
                    Some(group) if is_strange(group) || !self.client.strength().allows_group(group) => {
                        let words = format!("the client does not take the group {}", group.name);
                        failed("client-refuses-group", Decisive::Groups, words)
                    }
                    group => Ok(group.map(|group| group.name)),
                }
            }
            "kDHE" => {
                let bits = match self.side.decided.dh {
                    Dh::Bits(bits) => bits,
                    Dh::Own => self.own_dh_bits(suite)?,
                    Dh::None | Dh::Unknown => return Ok(Some("DH")),
                };
                if !self.side.decided.strength().allows_dh(bits) {
                    return failed(
                        "dh-too-small",
                        Decisive::Ciphers,
                        format!("the security level refuses Diffie-Hellman parameters of {bits} bits"),
                    );
                }
                if !self.client.strength().allows_dh(bits) || !self.client.dh_bits.contains(&bits) {
                    return failed(
                        "client-refuses-dh",
                        Decisive::Ciphers,
                        format!("the client does not take Diffie-Hellman parameters of {bits} bits"),
                    );
                }
                Ok(Some("DH"))
            }
            _ => Ok(None),
        }
    }

    /// The size that the server chooses where no directive names parameters: those in the file of its first certificate, if the
    /// level at which they are loaded takes them (`ssl_init_server_certs`), else by the key of the certificate.
    fn own_dh_bits(&self, suite: &CipherSuite) -> Step<u32> {
        let slots = self.certificates()?;
        if let Some(curve) = slots.curve_as_dh() {
            self.refuse_curve_as_dh(curve)?;
        }
        if let Some(bits) = slots.dh_bits.filter(|bits| self.side.decided.loads_dh(*bits)) {
            return Ok(bits);
        }
        let kind = if suite.authentication() == "aECDSA" { SigningKey::Ecdsa } else { SigningKey::Rsa };
        let bits = slots.get(kind).map_or(1024, |slot| slot.leaf().key.bits);
        Ok(match bits {
            8192.. => 8192,
            6144.. => 6144,
            4096.. => 4096,
            3072.. => 3072,
            2048.. => 2048,
            _ => 1024,
        })
    }

    /// From OpenSSL 3.0 on httpd reads parameters of any kind where it looks for those of Diffie-Hellman
    /// (`modssl_dh_pkey_from_file`). With a curve in their place each such handshake ends; one that is too weak to be loaded
    /// leaves the library's own.
    fn refuse_curve_as_dh(&self, curve: &KeyKind) -> Step<()> {
        let decided = self.side.decided;
        let level = Level { number: decided.loading_level, version: decided.version };
        match curve.group().and_then(group::named) {
            _ if decided.version < [3, 0, 0] => Ok(()),
            Some(group) if level.allows_group(group) => failed(
                "no-dh-parameters",
                Decisive::Credentials,
                "parameters of a curve stand where those of Diffie-Hellman are looked for: the server ends the handshake \
                 (internal_error)",
            ),
            None if level.number == 0 => {
                unknown(Decisive::Credentials, "parameters of a curve that is not followed here")
            }
            _ => Ok(()),
        }
    }

    /// The level is asked once more for what is sent: commands may have raised it after loading (`ssl_add_cert_chain`).
    fn strong_chain(&self, slot: &Slot) -> Step<()> {
        let decided = self.side.decided;
        let strength = decided.strength().of_certificates();
        let client_policy =
            slot.chain.iter().enumerate().find_map(|(at, certificate)| strength.objection(certificate, at == 0));
        match client_policy {
            Some((_, words)) => failed(
                "weak-chain",
                Decisive::Credentials,
                format!("security level {} refuses the server's own certificates: {words}", decided.level),
            ),
            None => Ok(()),
        }
    }
}

/// Where the key share comes from.
#[derive(Clone, Copy)]
enum KeyShare {
    /// The client sent one for this group.
    Sent(&'static Group),
    /// The server asks for one of this group.
    Retry(&'static Group),
}

/// RSA-PSS needs a modulus of two digests and two bytes (`rsa_pss_check_min_key_size`).
fn is_long_enough(slot: &Slot, scheme: &SignatureScheme) -> bool {
    slot.leaf().key.bits.div_ceil(8) >= 2 * scheme.digest_bytes() + 2
}
