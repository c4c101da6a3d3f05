//! Configurations of Caddy from a seed: sites by name and port, connection policies, loaded certificates, faults; as a
//! Caddyfile, or as the JSON that Caddy makes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use crate::case::{Case, some_attempts, some_clients};
use crate::material::{KINDS, common_files, fault, pair};
use crate::random::Random;

struct Site {
    addresses: Vec<String>,
    bind: Option<&'static str>,
    /// Arguments of `tls`, each line of them; none: managed.
    certificates: Vec<String>,
    /// Subdirectives of `tls`.
    policy: Vec<String>,
}

const PROTOCOLS: &[&str] = &["tls1.2", "tls1.2 tls1.3", "tls1.3", "tls1.2 tls1.2", "tls1.3 tls1.3"];
const REFUSED_PROTOCOLS: &[&str] = &["tls1.3 tls1.2", "TLSv1.2", "tls1.1 tls1.3"];
const CIPHERS: &[&str] = &[
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_AES_128_GCM_SHA256",
];
const RARE_CIPHERS: &[&str] = &[
    "TLS_RSA_WITH_AES_128_GCM_SHA256 TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
];
const CURVES: &[&str] =
    &["x25519 secp256r1", "secp384r1", "secp256r1 x25519", "secp384r1 secp521r1", "secp521r1 x25519", "x25519"];
const REFUSED_CURVES: &[&str] = &["P-256", "x448", "x25519kyber768draft00"];
const ALPN: &[&str] = &["h2 http/1.1", "http/1.1", "h2", "spdy/1"];

const EXACT: &[&str] = &["a.test", "b.test", "c.test", "d.test", "e.f.test"];
const OTHER: &[&str] = &["*.w.test", "*.test", "", "127.0.0.1", "localhost", "x.w.test", "A.test"];
const OTHER_HOSTS: &[&str] = &["x.w.test", "x.y.w.test", "nowhere.test", "localhost", "127.0.0.1", "w.test", "y.test"];

/// The configuration of a number: always the same. `caddy` is a line of a shell.
pub fn case(seed: u64, caddy: &str) -> Case {
    let mut random = Random::new(seed ^ 0xca_dd_17);
    let mut files = common_files();
    let is_usual = random.one_in(2);
    let ports: &[&str] = random_ports(&mut random);
    let mut sites = Vec::new();
    let mut taken = BTreeSet::new();
    for number in 0..2 + random.below(4) {
        let site = site(&mut random, &mut files, number, ports, is_usual, &mut taken);
        sites.push(site);
    }
    let mut text = String::from("{\n\tadmin off\n\tskip_install_trust\n\tacme_ca https://127.0.0.1:9/directory\n");
    text += "\thttp_port 8080\n";
    if is_usual {
        text += "\thttps_port 8443\n";
    }
    match random.below(6) {
        0 => text += "\tauto_https off\n",
        1 => text += "\tauto_https disable_certs\n",
        2 => {}
        _ => text += "\tauto_https disable_redirects\n",
    }
    match random.below(5) {
        0 | 1 => text += &format!("\tdefault_sni {}\n", random.word(EXACT)),
        2 if random.one_in(12) => text += "\tfallback_sni a.test\n",
        _ => {}
    }
    text += "}\n";
    let in_files = random.one_in(5);
    for (number, site) in sites.iter().enumerate() {
        let written = write_site(&mut random, number, site);
        match in_files {
            true => drop(files.insert(format!("sites/{number}.caddy"), written.into_bytes())),
            false => text += &written,
        }
    }
    if in_files {
        text += "import sites/*.caddy\n";
    }
    files.insert("Caddyfile".to_owned(), text.into_bytes());
    let mut main = "Caddyfile";
    if random.one_in(4)
        && let Some(json) = adapted(&files, caddy)
    {
        files.retain(|path, _| path != "Caddyfile" && !path.ends_with(".caddy"));
        files.insert("caddy.json".to_owned(), json);
        main = "caddy.json";
    }
    attempts(&mut random, seed, files, main, &sites)
}

fn random_ports(random: &mut Random) -> &'static [&'static str] {
    match random.below(3) {
        0 => &["8443", "8443", "9443"],
        _ => &["8443"],
    }
}

fn site(
    random: &mut Random,
    files: &mut BTreeMap<String, Vec<u8>>,
    number: usize,
    ports: &[&'static str],
    is_usual: bool,
    taken: &mut BTreeSet<String>,
) -> Site {
    let own = EXACT[number % EXACT.len()];
    let mut names = vec![own];
    match random.below(6) {
        0 => names.push(random.word(OTHER)),
        1 => names = vec![random.word(OTHER)],
        2 if random.one_in(4) => names.push(random.word(EXACT)),
        _ => {}
    }
    let port = random.word(ports);
    let mut address = |name: &str| match (name, port) {
        // The usual port needs no mention, but for a site without a name.
        (name, "8443") if is_usual && !name.is_empty() && random.one_in(2) => name.to_owned(),
        ("", port) if random.one_in(4) => format!("https://:{port}"),
        (name, port) => format!("{name}:{port}"),
    };
    let mut addresses: Vec<String> = names.iter().map(|name| address(name)).collect();
    // Caddy refuses an address that is written twice.
    addresses.retain(|one| taken.insert(one.clone()) || random.one_in(20));
    if addresses.is_empty() {
        addresses.push(format!("s{number}.test:{port}"));
    }
    let certified: &[&str] = match random.below(8) {
        0 => &["*.test"],
        1 => &[own, "127.0.0.1", "localhost"],
        2 => &["other.test"],
        3 => &["*.w.test", "*.test"],
        _ => &[own, "x.w.test"],
    };
    let mut made = Site { addresses, bind: None, certificates: Vec::new(), policy: Vec::new() };
    if random.one_in(16) {
        made.bind = Some(random.word(&["127.0.0.1", "127.0.0.2", "::1"]));
    }
    match random.below(24) {
        0 => {}
        1 => made.certificates.push("internal".to_owned()),
        _ => (0..if random.one_in(5) { 2 } else { 1 }).for_each(|at| {
            let written = certificate(random, files, &format!("{number}-{at}"), certified);
            made.certificates.push(written);
        }),
    }
    policy(random, &mut made.policy);
    made
}

fn certificate(random: &mut Random, files: &mut BTreeMap<String, Vec<u8>>, place: &str, names: &[&str]) -> String {
    let label = fault(random, 60);
    // Caddy refuses what nginx takes.
    let is_refused = label == "key-of-another-kind" && !random.one_in(8);
    let kind = random.word(KINDS);
    let made = pair(random, kind, names, if is_refused { "whole" } else { label });
    let path = |ending: &str| format!("tls/{place}-{kind}-{}.{ending}", made.label);
    made.certificate.map(|content| files.insert(path("pem"), content));
    made.key.map(|content| files.insert(path("key"), content));
    format!("{} {}", path("pem"), path("key"))
}

fn policy(random: &mut Random, to: &mut Vec<String>) {
    if random.one_in(3) {
        to.push(format!("protocols {}", random.word_or(PROTOCOLS, 40, REFUSED_PROTOCOLS)));
    }
    if random.one_in(3) {
        to.push(format!("ciphers {}", random.word_or(CIPHERS, 12, RARE_CIPHERS)));
    }
    if random.one_in(4) {
        to.push(format!("curves {}", random.word_or(CURVES, 40, REFUSED_CURVES)));
    }
    if random.one_in(8) {
        to.push(format!("alpn {}", random.word(ALPN)));
    }
    if random.one_in(10) {
        let mode = random.word(&["request", "require", "verify_if_given", "require_and_verify"]);
        let file = if random.one_in(12) { "absent.pem" } else { "clients.pem" };
        to.push(match random.below(4) {
            0 => format!("client_auth {{\n\t\t\tmode {mode}\n\t\t}}"),
            1 => format!("client_auth {{\n\t\t\ttrusted_ca_cert_file {file}\n\t\t}}"),
            _ => format!("client_auth {{\n\t\t\tmode {mode}\n\t\t\ttrusted_ca_cert_file {file}\n\t\t}}"),
        });
    }
}

fn write_site(random: &mut Random, number: usize, site: &Site) -> String {
    let mut out = String::new();
    let policy: String = site.policy.iter().map(|line| format!("\t\t{line}\n")).collect();
    let in_snippet = !policy.is_empty() && random.one_in(5);
    if in_snippet {
        out += &format!("(policy{number}) {{\n{policy}}}\n");
    }
    let inside = if in_snippet { format!("\t\timport policy{number}\n") } else { policy };
    out += &format!("{} {{\n", site.addresses.join(random.word(&[", ", " ", ",\n"])));
    if let Some(address) = site.bind {
        out += &format!("\tbind {address}\n");
    }
    for (at, certificate) in site.certificates.iter().enumerate() {
        match at == 0 && !inside.is_empty() {
            true => out += &format!("\ttls {certificate} {{\n{inside}\t}}\n"),
            false => out += &format!("\ttls {certificate}\n"),
        }
    }
    if site.certificates.is_empty() && !inside.is_empty() {
        out += &format!("\ttls {{\n{inside}\t}}\n");
    }
    out + "\trespond ok\n}\n"
}

/// What `caddy adapt` makes of a Caddyfile, where it takes it.
fn adapted(files: &BTreeMap<String, Vec<u8>>, caddy: &str) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    crate::recipe::write(folder.path(), files);
    let command = format!("{caddy} adapt --pretty --config Caddyfile 2>/dev/null");
    let output = Command::new("sh").args(["-c", &command]).current_dir(folder.path()).output().expect("a shell");
    output.status.success().then_some(output.stdout)
}

fn attempts(
    random: &mut Random,
    seed: u64,
    files: BTreeMap<String, Vec<u8>>,
    main: &'static str,
    sites: &[Site],
) -> Case {
    let clients = some_clients(random, 12, 4);
    let port = |address: &String| address.rsplit_once(':').map_or("8443", |(_, port)| port).to_owned();
    let name = |address: &String| address.rsplit_once(':').map_or(address.as_str(), |(name, _)| name).to_owned();
    let addresses = || sites.iter().flat_map(|site| &site.addresses);
    let mut listens = BTreeSet::new();
    for site in sites {
        let local = match site.bind {
            Some("::1") => "[::1]",
            Some(address) => address,
            None => random.word(&["127.0.0.1", "127.0.0.1", "127.0.0.2", "[::1]"]),
        };
        listens.insert(format!("{local}:{}", port(&site.addresses[0])));
    }
    if random.one_in(5) {
        listens.insert(random.word(&["127.0.0.2:8443", "127.0.0.1:9443", "127.0.0.1:8080"]).to_owned());
    }
    let mut hosts: BTreeSet<String> = addresses().map(name).filter(|name| EXACT.contains(&name.as_str())).collect();
    hosts.extend((0..2).map(|_| random.word(OTHER_HOSTS).to_owned()));
    let (listens, hosts) = (Vec::from_iter(listens), Vec::from_iter(hosts));
    // The site that a client without a name meets hangs on certificates: what is compared is the first site of the port.
    let differing = |listen: &str, host: &str| -> Vec<&'static str> {
        let at_port = |site: &&Site| listen.ends_with(&format!(":{}", port(&site.addresses[0])));
        let here: Vec<&Site> = sites.iter().filter(at_port).collect();
        let named = here.iter().find(|site| site.addresses.iter().any(|address| name(address) == host));
        let (Some(first), Some(named)) = (here.first(), named) else { return Vec::new() };
        let value = |site: &Site, setting: &str| -> Option<String> {
            site.policy.iter().find(|line| line.starts_with(setting)).cloned()
        };
        let mut all: Vec<&'static str> = SETTINGS[1..].to_vec();
        all.retain(|setting| value(first, setting) != value(named, setting));
        if first.certificates != named.certificates {
            all.push(SETTINGS[0]);
        }
        all
    };
    let attempts = some_attempts(random, 30, &listens, &hosts, &clients, differing);
    Case { name: format!("caddy {seed}"), main, files, clients, attempts }
}

/// Settings that a site may have of its own.
pub const SETTINGS: &[&str] = &["certificate", "protocols", "ciphers", "curves", "client_auth", "alpn"];
