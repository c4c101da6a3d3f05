//! Clients by what they offer: written as the tool's client files, and turned into arguments of `openssl s_client` 3.0.

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::clock::now;
use crate::random::Random;

/// What a client offers. Lists are in its own order; names are OpenSSL's, protocols and groups the tool's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its name.
    pub name: String,
    /// `TLSv1.0` to `TLSv1.3`.
    pub protocols: Vec<&'static str>,
    /// Suites of TLS 1.2 and below.
    pub ciphers: Vec<&'static str>,
    /// Suites of TLS 1.3.
    pub ciphersuites: Vec<&'static str>,
    /// Groups; a key share goes with the first.
    pub groups: Vec<&'static str>,
    /// Signature algorithms.
    pub signature_algorithms: Vec<&'static str>,
    /// OpenSSL's security level.
    pub security_level: u8,
    /// Whether it names the host.
    pub sni: bool,
    /// Application protocols.
    pub alpn: Vec<&'static str>,
    /// A file of anchors of its own, beside the client's file; absent: the run's.
    pub trust: Option<&'static str>,
}

const PROTOCOLS: &[&str] = &["TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3"];
const MODERN: &str = "ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-RSA-AES256-GCM-SHA384 ECDHE-ECDSA-CHACHA20-POLY1305 ECDHE-RSA-CHACHA20-POLY1305";
const OLD: &str =
    "ECDHE-ECDSA-AES128-SHA ECDHE-RSA-AES128-SHA ECDHE-RSA-AES256-SHA DHE-RSA-AES128-SHA AES128-SHA AES256-SHA";
const SUITES: &str = "TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256";
const SIGNATURES: &str = "ecdsa_secp256r1_sha256 rsa_pss_rsae_sha256 rsa_pkcs1_sha256 ecdsa_secp384r1_sha384 rsa_pss_rsae_sha384 rsa_pkcs1_sha384 ecdsa_secp521r1_sha512 rsa_pss_rsae_sha512 rsa_pkcs1_sha512 ed25519 ecdsa_sha1 rsa_pkcs1_sha1";

/// Suites that random clients draw from.
const ANY_CIPHERS: &str = "ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-RSA-AES256-GCM-SHA384 ECDHE-ECDSA-CHACHA20-POLY1305 ECDHE-RSA-CHACHA20-POLY1305 DHE-RSA-AES128-GCM-SHA256 DHE-RSA-AES256-GCM-SHA384 DHE-RSA-CHACHA20-POLY1305 ECDHE-ECDSA-AES256-SHA384 ECDHE-RSA-AES256-SHA384 ECDHE-ECDSA-AES128-SHA ECDHE-RSA-AES128-SHA ECDHE-RSA-AES256-SHA DHE-RSA-AES128-SHA DHE-RSA-AES256-SHA256 AES128-GCM-SHA256 AES256-GCM-SHA384 AES128-SHA256 AES128-SHA AES256-SHA CAMELLIA128-SHA ECDHE-ECDSA-AES128-CCM ECDHE-RSA-CAMELLIA128-SHA256 ECDHE-ARIA128-GCM-SHA256 ADH-AES128-GCM-SHA256 AECDH-AES128-SHA NULL-SHA256 ECDHE-RSA-NULL-SHA";
const ANY_SUITES: &str = "TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256 TLS_AES_128_CCM_SHA256 TLS_AES_128_CCM_8_SHA256";
const ANY_GROUPS: &str = "X25519 P-256 P-384 P-521 X448 ffdhe2048 ffdhe3072";

fn list(words: &'static str) -> Vec<&'static str> {
    words.split_whitespace().collect()
}

impl Client {
    /// A client of some protocols (`1.0 1.2`) and groups, with what goes with them.
    fn new(name: &str, protocols: &'static str, groups: &'static str) -> Client {
        let protocols: Vec<&str> =
            PROTOCOLS.iter().copied().filter(|one| protocols.split(' ').any(|asked| &one[4..] == asked)).collect();
        let is_old = protocols.iter().any(|one| *one < "TLSv1.2");
        let ciphers = match (is_old, protocols.contains(&"TLSv1.2")) {
            (false, false) => Vec::new(),
            (false, true) => list(MODERN),
            (true, false) => list(OLD),
            (true, true) => [list(MODERN), list(OLD)].concat(),
        };
        let ciphersuites = if protocols.contains(&"TLSv1.3") { list(SUITES) } else { Vec::new() };
        Client {
            name: name.to_owned(),
            protocols,
            ciphers,
            ciphersuites,
            groups: list(groups),
            signature_algorithms: list(SIGNATURES),
            security_level: 0,
            sni: true,
            alpn: Vec::new(),
            trust: None,
        }
    }

    fn ciphers(mut self, words: &'static str) -> Client {
        self.ciphers = list(words);
        self
    }

    fn suites(mut self, words: &'static str) -> Client {
        self.ciphersuites = list(words);
        self
    }

    fn signatures(mut self, words: &'static str) -> Client {
        self.signature_algorithms = list(words);
        self
    }

    fn level(self, security_level: u8) -> Client {
        Client { security_level, ..self }
    }

    fn without_name(self) -> Client {
        Client { sni: false, ..self }
    }

    /// A client whose lists are drawn.
    pub fn random(random: &mut Random, name: String) -> Client {
        let protocols = match random.below(8) {
            0 => vec!["TLSv1.2"],
            1 => vec!["TLSv1.3"],
            2 => PROTOCOLS.iter().copied().filter(|_| random.one_in(2)).collect(),
            3 => PROTOCOLS[..3].to_vec(),
            4 => PROTOCOLS.to_vec(),
            _ => vec!["TLSv1.2", "TLSv1.3"],
        };
        let protocols = if protocols.is_empty() { vec!["TLSv1.2", "TLSv1.3"] } else { protocols };
        let (has_older, has_newest) = (protocols[0] != "TLSv1.3", protocols.contains(&"TLSv1.3"));
        let some = |random: &mut Random, all: &'static str, one_in: usize| {
            let mut all = list(all);
            let first = *random.pick(&all);
            all.retain(|one| *one == first || random.one_in(one_in));
            shuffle(random, &mut all);
            all
        };
        Client {
            name,
            ciphers: if has_older { some(random, ANY_CIPHERS, 3) } else { Vec::new() },
            ciphersuites: if has_newest { some(random, ANY_SUITES, 2) } else { Vec::new() },
            groups: some(random, ANY_GROUPS, 3),
            signature_algorithms: some(random, SIGNATURES, 2),
            security_level: *random.pick(&[0, 0, 0, 1, 2, 2, 3]),
            sni: !random.one_in(4),
            alpn: match random.below(12) {
                0 => vec!["h2"],
                1 => vec!["h2", "http/1.1"],
                2 => vec!["http/1.1"],
                _ => Vec::new(),
            },
            trust: random.one_in(16).then_some("stranger.pem"),
            protocols,
        }
    }

    /// The client as a file of the tool.
    pub fn toml(&self) -> String {
        let array = |words: &[&str]| words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        let mut out = format!("name = \"{}\"\n", self.name);
        let lists = [
            ("protocols", &self.protocols),
            ("ciphers", &self.ciphers),
            ("ciphersuites", &self.ciphersuites),
            ("groups", &self.groups),
            ("signature_algorithms", &self.signature_algorithms),
            ("alpn", &self.alpn),
        ];
        for (key, words) in lists {
            let _ = writeln!(out, "{key} = [{}]", array(words));
        }
        let _ = writeln!(out, "security_level = {}\nsni = {}", self.security_level, self.sni);
        if let Some(file) = self.trust {
            let _ = writeln!(out, "trust = [\"{file}\"]");
        }
        out
    }

    /// The arguments with which `openssl s_client` is this client, connects to `listen` and wants `host`.
    pub fn arguments(&self, listen: &str, host: &str, anchors: &str) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        let mut add = |words: &[&str]| out.extend(words.iter().map(|word| (*word).to_owned()));
        add(&["s_client", "-connect", listen, "-state", "-ign_eof"]);
        let is_address = host.parse::<IpAddr>().is_ok();
        match self.sni && !is_address {
            true => add(&["-servername", host]),
            false => add(&["-noservername"]),
        }
        add(&[if is_address { "-verify_ip" } else { "-verify_hostname" }, host, "-attime", &now().to_string()]);
        add(&["-CAfile", self.trust.unwrap_or(anchors), "-no-CApath", "-no-CAstore"]);
        let words = ["-no_tls1", "-no_tls1_1", "-no_tls1_2", "-no_tls1_3"];
        for (protocol, word) in PROTOCOLS.iter().zip(words) {
            if !self.protocols.contains(protocol) {
                add(&[word]);
            }
        }
        // The level goes with the list, which OpenSSL wants although nothing of it is sent in TLS 1.3.
        let ciphers = if self.ciphers.is_empty() { "ALL".to_owned() } else { self.ciphers.join(":") };
        add(&["-cipher", &format!("{ciphers}:@SECLEVEL={}", self.security_level)]);
        if !self.ciphersuites.is_empty() {
            add(&["-ciphersuites", &self.ciphersuites.join(":")]);
        }
        // OpenSSL 3.0 has no name for this one.
        let named = |one: &&'static str| if *one == "ecdsa_sha1" { "ECDSA+SHA1" } else { one };
        let signatures: Vec<&str> = self.signature_algorithms.iter().map(named).collect();
        add(&["-groups", &self.groups.join(":"), "-sigalgs", &signatures.join(":")]);
        if !self.alpn.is_empty() {
            add(&["-alpn", &self.alpn.join(",")]);
        }
        out
    }
}

/// Brings a list into another order.
pub fn shuffle<T>(random: &mut Random, all: &mut [T]) {
    for at in (1..all.len()).rev() {
        all.swap(at, random.below(at + 1));
    }
}

/// Clients from old to new, each with something of its own.
pub fn clients() -> Vec<Client> {
    let new = Client::new;
    vec![
        new("tls10", "1.0", "P-256 P-384"),
        new("tls10-to-12", "1.0 1.1 1.2", "P-256 P-384 P-521"),
        new("all-protocols", "1.0 1.1 1.2 1.3", "X25519 P-256 P-384"),
        new("hole-at-12", "1.1 1.3", "X25519 P-256"),
        new("hole-at-11", "1.0 1.2", "X25519 P-256"),
        new("rsa-exchange", "1.2", "P-256").ciphers("AES128-GCM-SHA256 AES256-SHA256 AES128-SHA"),
        new("ecdsa-only", "1.2", "P-256 P-384 P-521").ciphers(
            "ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-ECDSA-CHACHA20-POLY1305 ECDHE-ECDSA-AES128-SHA",
        ),
        new("dhe-only", "1.2", "X25519 P-256").ciphers(
            "DHE-RSA-AES128-GCM-SHA256 DHE-RSA-AES256-GCM-SHA384 DHE-RSA-CHACHA20-POLY1305 DHE-RSA-AES128-SHA",
        ),
        new("chacha-first", "1.2 1.3", "X25519 P-256")
            .ciphers("ECDHE-ECDSA-CHACHA20-POLY1305 ECDHE-RSA-CHACHA20-POLY1305 ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-RSA-AES128-GCM-SHA256")
            .suites("TLS_CHACHA20_POLY1305_SHA256 TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384"),
        new("anonymous", "1.2", "X25519 P-256")
            .ciphers("AECDH-AES128-SHA ADH-AES128-GCM-SHA256 ECDHE-RSA-AES128-GCM-SHA256 NULL-SHA256"),
        new("tls12", "1.2", "X25519 P-256 P-384 P-521"),
        new("tls12-without-name", "1.2", "X25519 P-256 P-384").without_name(),
        new("tls13-one-suite", "1.3", "X25519 P-256").suites("TLS_AES_128_GCM_SHA256"),
        new("tls13-ccm", "1.3", "P-256 X25519").suites("TLS_AES_128_CCM_SHA256 TLS_AES_256_GCM_SHA384"),
        new("without-p256", "1.2 1.3", "X25519 P-384"),
        new("x25519-only", "1.2 1.3", "X25519"),
        new("p384-then-x25519", "1.2 1.3", "P-384 X25519 P-256"),
        new("x448-p521", "1.2 1.3", "X448 P-521"),
        new("ffdhe-then-p256", "1.2 1.3", "ffdhe2048 P-256 X25519"),
        new("without-pss", "1.2 1.3", "X25519 P-256")
            .signatures("ecdsa_secp256r1_sha256 rsa_pkcs1_sha256 rsa_pkcs1_sha384"),
        new("ecdsa-signatures", "1.2 1.3", "X25519 P-256 P-384 P-521")
            .signatures("ecdsa_secp256r1_sha256 ecdsa_secp384r1_sha384 ecdsa_secp521r1_sha512"),
        new("rsa-signatures", "1.2 1.3", "X25519 P-256").signatures("rsa_pss_rsae_sha256 rsa_pkcs1_sha256"),
        new("ed25519-first", "1.2 1.3", "X25519 P-256")
            .signatures("ed25519 rsa_pss_rsae_sha512 ecdsa_secp256r1_sha256"),
        new("sha1-signatures", "1.0 1.2", "P-256 P-384").signatures("rsa_pkcs1_sha1 ecdsa_sha1"),
        new("modern", "1.2 1.3", "X25519 P-256 P-384"),
        new("modern-without-name", "1.2 1.3", "X25519 P-256 P-384").without_name(),
        new("level-1", "1.0 1.1 1.2 1.3", "X25519 P-256 P-384").level(1),
        new("level-2", "1.2 1.3", "X25519 P-256 P-384 P-521 X448").level(2),
        new("level-3", "1.2 1.3", "X25519 P-256 P-384 P-521").level(3),
        Client { trust: Some("stranger.pem"), ..new("stranger", "1.2 1.3", "X25519 P-256") },
        Client { alpn: vec!["h2"], ..new("h2-only", "1.2 1.3", "X25519 P-256") },
        Client { alpn: vec!["h2", "http/1.1"], ..new("browser", "1.2 1.3", "X25519 P-256 P-384") },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_in_both_forms() {
        let client = Client { alpn: vec!["h2", "http/1.1"], ..Client::new("c", "1.1 1.3", "P-384 X25519") };
        let arguments = client.level(1).arguments("127.0.0.1:1", "a.test", "root.pem").join(" ");
        for part in [
            "-servername a.test",
            "-no_tls1 -no_tls1_2 -cipher",
            "@SECLEVEL=1",
            "-groups P-384:X25519",
            "-alpn h2,http/1.1",
        ] {
            assert!(arguments.contains(part), "{part} in {arguments}");
        }
        assert!(clients().len() >= 15);
        let plain = clients().remove(0).without_name();
        assert!(plain.arguments("127.0.0.1:1", "a.test", "root.pem").contains(&"-noservername".to_owned()));
        assert!(plain.toml().contains("protocols = [\"TLSv1.0\"]\n") && plain.toml().contains("sni = false\n"));
    }
}
