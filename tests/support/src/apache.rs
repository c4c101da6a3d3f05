//! Configurations of Apache from a seed: virtual hosts by address and name, global settings against their own, faults.

use std::collections::{BTreeMap, BTreeSet};

use crate::apache_text::write;
use crate::case::{Case, some_attempts, some_clients};
use crate::der;
use crate::material::{KINDS, common_files, fault, pair};
use crate::pool;
use crate::random::Random;

/// Lines of one level: a directive and its arguments.
pub(crate) type Lines = Vec<(&'static str, String)>;

#[derive(Default)]
pub(crate) struct Host {
    pub(crate) addresses: Vec<&'static str>,
    pub(crate) name: &'static str,
    pub(crate) aliases: Vec<&'static str>,
    pub(crate) lines: Lines,
}

/// The whole configuration.
pub(crate) struct Tree {
    pub(crate) listens: Vec<&'static str>,
    pub(crate) lines: Lines,
    pub(crate) hosts: Vec<Host>,
}

const PROTOCOLS: &[&str] = &[
    "all -SSLv3",
    "all",
    "TLSv1.2",
    "TLSv1.3",
    "-all +TLSv1.2 +TLSv1.3",
    "all -TLSv1.3",
    "+TLSv1.2",
    "TLSv1.2 TLSv1.3",
    "TLSv1.2 +TLSv1.3",
    "all -TLSv1 -TLSv1.1",
    "+TLSv1 +TLSv1.3",
    "tlsv1.1 +tlsv1.2",
    "all -TLSv1.2",
    "TLSv1",
];
const REFUSED_PROTOCOLS: &[&str] = &["SSLv3", "TLSv9", "-TLSv1 -TLSv1.1", "all -SSLv3 # modern"];

const SUITES: &[&str] = &[
    "TLSv1.3 TLS_AES_128_GCM_SHA256",
    "TLSv1.3 TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384",
    "TLSv1.3 TLS_AES_256_GCM_SHA384:TLS_AES_128_CCM_SHA256",
];
const REFUSED_SUITES: &[&str] = &["TLSv1.3 TLS_NONSENSE", "tlsv1.3 TLS_AES_128_GCM_SHA256"];

/// Sockets, and addresses of virtual hosts that go with them.
const PLACES: &[(&[&str], &[&str])] = &[
    (&["8443"], &["*:8443", "*:8443", "_default_:8443"]),
    (&["8443"], &["*:8443", "127.0.0.1:8443"]),
    (&["8443"], &["*:8443", "127.0.0.1:8443", "[::1]:8443"]),
    (&["8443", "9443"], &["*:8443", "*:9443", "*:*"]),
    (&["8443 https"], &["*:8443", "127.0.0.2:8443"]),
    (&["127.0.0.1:8443", "127.0.0.2:8443"], &["127.0.0.1:8443", "127.0.0.2:8443", "*:8443"]),
    (&["8443", "9443"], &["127.0.0.1", "*:8443", "*:9443"]),
    (&["0.0.0.0:8443", "[::1]:8443"], &["*:8443", "[::1]:8443"]),
    (&["443"], &["*:443", "127.0.0.1:443"]),
];

const EXACT: &[&str] = &["a.test", "b.test", "c.test", "d.test", "e.f.test"];
const ALIASES: &[&str] = &["*.w.test", "w?.test", "*.test", "www.a.test", "www.b.test", "B.test", "*"];
const OTHER_HOSTS: &[&str] =
    &["x.w.test", "x.y.w.test", "w1.test", "www.a.test", "www.b.test", "nowhere.test", "x.test"];

/// The configuration of a number: always the same. `modules` is the folder of Apache's modules.
pub fn case(seed: u64, modules: &str) -> Case {
    let mut random = Random::new(seed ^ 0xa9ac_4e00);
    let mut files = common_files();
    let is_legacy = random.one_in(3);
    let (listens, addresses) = PLACES[random.below(PLACES.len())];
    let mut tree = Tree { listens: listens.to_vec(), lines: Lines::new(), hosts: Vec::new() };
    settings(&mut random, &mut tree.lines, 4, is_legacy);
    if random.one_in(4) {
        certificates(&mut random, &mut tree.lines, &mut files, "global", &["*.test"], is_legacy);
    }
    for number in 0..2 + random.below(4) {
        let host = host(&mut random, &mut files, number, addresses, is_legacy);
        tree.hosts.push(host);
    }
    write(&mut random, &tree, modules, &mut files);
    attempts(&mut random, seed, files, &tree)
}

fn host(
    random: &mut Random,
    files: &mut BTreeMap<String, Vec<u8>>,
    number: usize,
    addresses: &[&'static str],
    is_legacy: bool,
) -> Host {
    let own = EXACT[number % EXACT.len()];
    let mut made = Host { addresses: vec![random.word(addresses)], name: own, ..Host::default() };
    if random.one_in(8) {
        made.addresses.push(random.word(addresses));
        made.addresses.dedup();
    }
    match random.below(8) {
        0 | 1 => made.aliases.push(random.word(ALIASES)),
        2 => made.aliases.push(random.word(EXACT)),
        3 if random.one_in(3) => made.name = "",
        _ => {}
    }
    let certified: &[&str] = match random.below(10) {
        0 | 1 => &["*.test", "*.w.test"],
        2 => &[own, "127.0.0.1"],
        3 => &["other.test"],
        _ => &[own, "www.a.test"],
    };
    let engine = match random.below(30) {
        0 => Some("off"),
        1 | 2 => None,
        _ => Some("on"),
    };
    made.lines.extend(engine.map(|engine| ("SSLEngine", engine.to_owned())));
    settings(random, &mut made.lines, 2, is_legacy);
    if !random.one_in(25) {
        certificates(random, &mut made.lines, files, &number.to_string(), certified, is_legacy);
    }
    made
}

/// Adds settings, each in one of `one_in` cases or so.
fn settings(random: &mut Random, to: &mut Lines, one_in: usize, is_legacy: bool) {
    let mut add = |name: &'static str, value: &str| to.push((name, value.to_owned()));
    if random.one_in(one_in) {
        add("SSLProtocol", random.word_or(PROTOCOLS, 50, REFUSED_PROTOCOLS));
    } else if is_legacy && random.one_in(2) {
        add("SSLProtocol", "all");
    }
    if is_legacy && random.one_in(2) {
        add("SSLCipherSuite", random.word(&["DEFAULT:@SECLEVEL=0", "ALL:@SECLEVEL=0", "HIGH:@SECLEVEL=1"]));
    } else if random.one_in(one_in) {
        let ciphers = pool::ciphers(random);
        let is_plain = !ciphers.is_empty() && !ciphers.contains(' ');
        add("SSLCipherSuite", &if is_plain { ciphers } else { format!("\"{ciphers}\"") });
    }
    if random.one_in(one_in + 1) {
        add("SSLCipherSuite", random.word_or(SUITES, 50, REFUSED_SUITES));
    }
    if random.one_in(one_in) {
        add("SSLHonorCipherOrder", random.word(&["on", "off", "On"]));
    }
    if random.one_in(one_in) {
        for _ in 0..1 + random.below(2) {
            let mut command = pool::command(random);
            // Apache refuses an empty value.
            if command.ends_with("\"\"") && !random.one_in(8) {
                command = "MinProtocol TLSv1.2".to_owned();
            }
            add("SSLOpenSSLConfCmd", &command);
        }
    }
    if random.one_in(6 * one_in) {
        add("SSLVerifyClient", random.word(&["require", "require", "optional", "optional_no_ca", "none"]));
        if !random.one_in(8) {
            add("SSLCACertificateFile", random.word(&["clients.pem", "clients.pem", "middle.pem"]));
        }
    } else if random.one_in(8 * one_in) {
        add("SSLCACertificateFile", "middle.pem");
    }
    if random.one_in(10 * one_in) {
        add("SSLCertificateChainFile", random.word(&["middle.pem", "middle.pem", "clients.pem", "garbage.pem"]));
    }
    if random.one_in(6 * one_in) {
        add("SSLSessionTickets", random.word(&["on", "off"]));
    }
}

fn certificates(
    random: &mut Random,
    to: &mut Lines,
    files: &mut BTreeMap<String, Vec<u8>>,
    place: &str,
    names: &[&str],
    is_legacy: bool,
) {
    let count = if random.one_in(4) { 2 } else { 1 };
    let mut keys = Vec::new();
    for at in 0..count {
        let label = match random.below(24) {
            0 if is_legacy => random.word(&["small-key", "sha1", "sha1-intermediate"]),
            _ => fault(random, 50),
        };
        // Apache refuses what nginx takes.
        let is_refused = label == "key-of-another-kind" && !random.one_in(8);
        let label = if is_refused { "whole" } else { label };
        let kind = random.word(KINDS);
        let made = pair(random, kind, names, label);
        let path = |ending: &str| format!("tls/{place}-{at}-{kind}-{label}.{ending}");
        let mut made = made;
        // Drawn aside: what else a number stands for stays as it was.
        let mut aside = random.clone();
        for _ in 0..5 {
            aside.number();
        }
        if let Some(certificate) = made.certificate.as_mut().filter(|_| aside.one_in(20)) {
            let curve = aside.word(&["1.2.840.10045.3.1.7", "1.3.132.0.34", "1.3.132.0.35", "1.3.132.0.10"]);
            certificate.extend(der::pem("EC PARAMETERS", &der::identifier(curve)).into_bytes());
        }
        let is_combined = random.one_in(if count == 1 { 10 } else { 40 });
        if let (true, Some(certificate), Some(key)) = (is_combined, &made.certificate, &made.key) {
            files.insert(path("pem"), [certificate.clone(), key.clone()].concat());
        } else {
            made.certificate.map(|content| files.insert(path("pem"), content));
            made.key.map(|content| files.insert(path("key"), content));
            keys.push(path("key"));
        }
        to.push(("SSLCertificateFile", path("pem")));
    }
    if random.one_in(30) {
        keys.reverse();
    }
    to.extend(keys.into_iter().map(|path| ("SSLCertificateKeyFile", path)));
}

fn attempts(random: &mut Random, seed: u64, files: BTreeMap<String, Vec<u8>>, tree: &Tree) -> Case {
    let clients = some_clients(random, 12, 4);
    let mut listens = BTreeSet::new();
    for listen in &tree.listens {
        let listen = listen.split(' ').next().unwrap_or_default();
        match listen.rsplit_once(':') {
            None => {
                listens.insert(format!("127.0.0.1:{listen}"));
                listens.insert(format!("{}:{listen}", random.word(&["127.0.0.2", "127.0.0.3", "[::1]"])));
            }
            Some(("0.0.0.0", port)) => drop(listens.insert(format!("127.0.0.1:{port}"))),
            _ => drop(listens.insert(listen.to_owned())),
        }
    }
    let mut hosts: BTreeSet<String> = tree.hosts.iter().map(|host| host.name.to_owned()).collect();
    hosts.remove("");
    hosts.extend((0..2).map(|_| random.word(OTHER_HOSTS).to_owned()));
    if random.one_in(3) {
        hosts.insert(random.word(&["127.0.0.1", "A.TEST"]).to_owned());
    }
    let (listens, hosts) = (Vec::from_iter(listens), Vec::from_iter(hosts));
    let attempts = some_attempts(random, 32, &listens, &hosts, &clients, |listen, host| differing(tree, listen, host));
    Case { name: format!("apache {seed}"), main: "apache2.conf", files, clients, attempts }
}

/// Settings that differ between the first virtual host of an address and the one that has the name.
fn differing(tree: &Tree, listen: &str, name: &str) -> Vec<&'static str> {
    let (address, port) = listen.rsplit_once(':').expect("an address and a port");
    let any = [format!("*:{port}"), format!("_default_:{port}")];
    let sets = [vec![listen.to_owned()], vec![address.to_owned()], any.to_vec(), vec!["*:*".to_owned()]];
    let of = |set: &Vec<String>| -> Vec<&Host> {
        let is_in = |host: &&Host| host.addresses.iter().any(|one| set.iter().any(|place| place == one));
        tree.hosts.iter().filter(is_in).collect()
    };
    let Some(here) = sets.iter().map(of).find(|here| !here.is_empty()) else { return Vec::new() };
    let Some(named) = here.iter().find(|host| host.name == name || host.aliases.contains(&name)) else {
        return Vec::new();
    };
    let own = |lines: &Lines, setting: &str| -> Vec<String> {
        let all = lines.iter().map(|(name, value)| format!("{name} {value}"));
        let is_it = |line: &String| match setting {
            "SSLCipherSuite" => line.starts_with(setting) && !line.starts_with("SSLCipherSuite TLSv1.3"),
            _ => line.starts_with(setting),
        };
        all.filter(is_it).collect()
    };
    let value = |host: &Host, setting: &str| {
        let found = own(&host.lines, setting);
        if found.is_empty() { own(&tree.lines, setting) } else { found }
    };
    SETTINGS.iter().copied().filter(|setting| value(here[0], setting) != value(named, setting)).collect()
}

/// Settings that are decided before or after the name.
pub const SETTINGS: &[&str] = &[
    "SSLProtocol",
    "SSLCipherSuite",
    "SSLCipherSuite TLSv1.3",
    "SSLHonorCipherOrder",
    "SSLCertificateFile",
    "SSLVerifyClient",
    "SSLOpenSSLConfCmd Ciphersuites",
    "SSLOpenSSLConfCmd Groups",
    "SSLOpenSSLConfCmd MinProtocol",
    "SSLOpenSSLConfCmd MaxProtocol",
    "SSLOpenSSLConfCmd SignatureAlgorithms",
    "SSLOpenSSLConfCmd Options",
];
