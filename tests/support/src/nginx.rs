//! Configurations of nginx from a seed: what decides a handshake, in the values and places that real ones have, and faults.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::case::{Case, some_attempts, some_clients};
use crate::material::{KINDS, Pair, common_files, fault, pair};
use crate::pool::{CIPHERS, COMMANDS, GROUPS, REFUSED_CIPHERS, REFUSED_COMMANDS, REFUSED_GROUPS};
use crate::random::Random;

/// Directives of one level, with the arguments of each line.
type Settings = BTreeMap<&'static str, Vec<String>>;

#[derive(Default)]
struct Server {
    /// Address and port, and flags.
    listens: Vec<(String, &'static str)>,
    names: Vec<String>,
    settings: Settings,
}

const PROTOCOLS: &[&str] = &[
    "TLSv1.2 TLSv1.3",
    "TLSv1.2 TLSv1.3",
    "TLSv1.2 TLSv1.3",
    "TLSv1.2",
    "TLSv1.3",
    "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3",
    "TLSv1 TLSv1.1 TLSv1.2",
    "TLSv1",
    "TLSv1.1 TLSv1.3",
    "TLSv1 TLSv1.2",
    "SSLv3 TLSv1.2",
    "tlsv1.1 tlsv1.2",
];

/// Sockets; frequent ones are repeated.
const LISTENS: &[&str] = &[
    "8443",
    "8443",
    "127.0.0.1:8443",
    "127.0.0.1:8443",
    "127.0.0.2:8443",
    "[::1]:8443",
    "[::]:8443",
    "9443",
    "127.0.0.1:9443",
    "*:8443",
];

const EXACT: &[&str] = &["a.test", "b.test", "c.test", "d.test", "e.f.test"];
const OTHER: &[&str] =
    &[".dot.test", "*.w.test", "www.*", "~^r\\d+\\.test$", "~^(x|y)\\.", "\"\"", "_", "*.test", "A.Test"];
const HOSTS_OF_OTHERS: &[&str] = &[
    "dot.test",
    "q.dot.test",
    "x.w.test",
    "x.y.w.test",
    "www.anywhere.test",
    "r1.test",
    "x.w.test",
    "nowhere.test",
    "f.test",
];

/// The configuration of a number: always the same.
pub fn case(seed: u64) -> Case {
    let mut random = Random::new(seed);
    let mut files = common_files();
    let mut shared = Settings::new();
    let is_legacy = random.one_in(3);
    settings(&mut random, &mut shared, 4, is_legacy);
    if random.one_in(5) {
        certificates(&mut random, &mut shared, &mut files, "http", &["*.test", "test"], is_legacy);
    }
    let pool: Vec<&'static str> = (0..1 + random.below(3)).map(|_| random.word(LISTENS)).collect();
    let count = 2 + random.below(4);
    let mut servers = Vec::new();
    for number in 0..count {
        servers.push(server(&mut random, &mut files, number, &pool, is_legacy));
    }
    place_default(&mut random, &mut servers);
    let in_files = random.one_in(4);
    let mut main = String::from("events {}\nerror_log stderr;\nhttp {\n    access_log off;\n");
    write_settings(&mut main, &shared);
    for (number, server) in servers.iter().enumerate() {
        let text = write_server(server);
        if in_files {
            files.insert(format!("sites/{number}.conf"), text.into_bytes());
        } else {
            main += &text;
        }
    }
    main += if in_files { "    include sites/*.conf;\n}\n" } else { "}\n" };
    files.insert("nginx.conf".to_owned(), main.into_bytes());
    attempts(&mut random, seed, files, &shared, &servers)
}

fn server(
    random: &mut Random,
    files: &mut BTreeMap<String, Vec<u8>>,
    number: usize,
    pool: &[&'static str],
    is_legacy: bool,
) -> Server {
    let mut made = Server::default();
    let mut places = BTreeSet::new();
    for _ in 0..1 + random.below(2) {
        let listen = random.word(pool);
        if places.insert(normal(listen)) || random.one_in(60) {
            let flags = match random.below(20) {
                0 => "",
                1 => " ssl http2",
                _ => " ssl",
            };
            made.listens.push((listen.to_owned(), flags));
        }
    }
    // Names are seldom given twice.
    let own = EXACT[number % EXACT.len()];
    let mut names = vec![own.to_owned()];
    match random.below(8) {
        0 | 1 => names.push(random.word(OTHER).to_string()),
        2 => names = vec![random.word(OTHER).to_string()],
        3 => names.push(random.word(EXACT).to_string()),
        4 if random.one_in(3) => names.clear(),
        _ => {}
    }
    names.dedup();
    let mut certified: Vec<&str> = vec![own];
    match random.below(10) {
        0 | 1 => certified = vec!["*.test", "*.w.test", "*.dot.test"],
        2 => certified.push("127.0.0.1"),
        3 => certified = vec!["other.test"],
        _ => {}
    }
    made.names = names;
    settings(random, &mut made.settings, 2, is_legacy);
    if !random.one_in(18) {
        certificates(random, &mut made.settings, files, &number.to_string(), &certified, is_legacy);
    }
    if random.one_in(14) {
        made.settings.insert("ssl_reject_handshake", vec!["on".to_owned()]);
    }
    made
}

/// Adds settings, each in one of `one_in` cases or so.
fn settings(random: &mut Random, to: &mut Settings, one_in: usize, is_legacy: bool) {
    let mut add = |name: &'static str, value: String| to.entry(name).or_default().push(value);
    if random.one_in(one_in) {
        add("ssl_protocols", random.word(PROTOCOLS).to_string());
    } else if is_legacy && random.one_in(2) {
        add("ssl_protocols", "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3".to_owned());
    }
    if is_legacy && random.one_in(2) {
        add("ssl_ciphers", quoted(random.word(&["DEFAULT:@SECLEVEL=0", "ALL:@SECLEVEL=0", "HIGH:@SECLEVEL=1"])));
    } else if random.one_in(one_in) {
        add("ssl_ciphers", quoted(random.word_or(CIPHERS, 50, REFUSED_CIPHERS)));
    }
    if random.one_in(one_in + 1) {
        let groups = random.word_or(GROUPS, 40, REFUSED_GROUPS);
        add("ssl_ecdh_curve", groups.to_owned());
    }
    if random.one_in(one_in) {
        add("ssl_prefer_server_ciphers", random.word(&["on", "off", "On"]).to_string());
    }
    if random.one_in(one_in + 1) {
        add("ssl_dhparam", if random.one_in(20) { "dh1024.pem" } else { "dh2048.pem" }.to_owned());
    }
    if random.one_in(one_in) {
        for _ in 0..1 + random.below(2) {
            let command = random.word_or(COMMANDS, 60, REFUSED_COMMANDS);
            add("ssl_conf_command", command.to_string());
        }
    }
    if random.one_in(6 * one_in) {
        add("ssl_verify_client", random.word(&["on", "optional", "optional_no_ca"]).to_string());
        let missing = random.one_in(25);
        if !missing {
            add("ssl_client_certificate", "clients.pem".to_owned());
        }
        if random.one_in(3) {
            add("ssl_trusted_certificate", "root.pem".to_owned());
        }
    }
}

fn certificates(
    random: &mut Random,
    to: &mut Settings,
    files: &mut BTreeMap<String, Vec<u8>>,
    place: &str,
    names: &[&str],
    is_legacy: bool,
) {
    let count = if random.one_in(4) { 2 } else { 1 };
    for at in 0..count {
        let label = match random.below(12) {
            0 if is_legacy && random.one_in(2) => random.word(&["small-key", "sha1", "sha1-intermediate"]),
            1 if random.one_in(2) => "encrypted-with-password",
            _ => fault(random, 50),
        };
        let kind = random.word(KINDS);
        let Pair { certificate, key, .. } = pair(random, kind, names, label);
        let path = |ending: &str| format!("tls/{place}-{at}-{kind}-{label}.{ending}");
        for (directive, ending, content) in
            [("ssl_certificate", "pem", certificate), ("ssl_certificate_key", "key", key)]
        {
            if let Some(content) = content {
                files.insert(path(ending), content);
            }
            to.entry(directive).or_default().push(path(ending));
        }
        if label == "encrypted-with-password" {
            to.insert("ssl_password_file", vec!["passwords".to_owned()]);
        }
    }
    if count == 2 && random.one_in(12) {
        // Keys in another order than certificates, or one too few.
        let keys = to.entry("ssl_certificate_key").or_default();
        if random.one_in(3) { drop(keys.pop()) } else { keys.reverse() }
    }
}

fn place_default(random: &mut Random, servers: &mut [Server]) {
    for _ in 0..if random.one_in(50) { 3 } else { random.below(2) } {
        let chosen = random.below(servers.len());
        let listens = &mut servers[chosen].listens;
        if let Some((_, flags)) = listens.first_mut() {
            *flags = match *flags {
                "" => " default_server",
                " ssl" => " ssl default_server",
                other => other,
            };
        }
    }
}

fn quoted(text: &str) -> String {
    if text.is_empty() || text.contains([' ', ';']) { format!("\"{text}\"") } else { text.to_owned() }
}

fn write_settings(to: &mut String, settings: &Settings) {
    for (name, values) in settings {
        for value in values {
            let _ = writeln!(to, "    {name} {value};");
        }
    }
}

fn write_server(server: &Server) -> String {
    let mut out = String::from("server {\n");
    for (listen, flags) in &server.listens {
        let _ = writeln!(out, "    listen {listen}{flags};");
    }
    if !server.names.is_empty() {
        let _ = writeln!(out, "    server_name {};", server.names.join(" "));
    }
    write_settings(&mut out, &server.settings);
    out + "    return 200 ok;\n}\n"
}

/// A listen in its long form.
fn normal(listen: &str) -> String {
    match listen.strip_prefix("*:").unwrap_or(listen) {
        port if !port.contains(':') => format!("0.0.0.0:{port}"),
        whole => whole.to_owned(),
    }
}

fn attempts(
    random: &mut Random,
    seed: u64,
    files: BTreeMap<String, Vec<u8>>,
    shared: &Settings,
    servers: &[Server],
) -> Case {
    let clients = some_clients(random, 12, 4);
    let mut listens = BTreeSet::new();
    for (listen, _) in servers.iter().flat_map(|server| &server.listens) {
        let listen = normal(listen);
        listens.insert(match listen.rsplit_once(':') {
            Some(("0.0.0.0", port)) => format!("{}:{port}", random.word(&["127.0.0.1", "127.0.0.3"])),
            Some(("[::]", port)) => format!("[::1]:{port}"),
            _ => listen,
        });
    }
    if random.one_in(6) {
        listens.insert(random.word(&["127.0.0.2:8443", "[::1]:8443", "127.0.0.1:9443"]).to_string());
    }
    let mut hosts: BTreeSet<String> = servers
        .iter()
        .flat_map(|server| &server.names)
        .filter(|name| EXACT.contains(&name.as_str()))
        .cloned()
        .collect();
    hosts.extend((0..2).map(|_| random.word(HOSTS_OF_OTHERS).to_owned()));
    if random.one_in(3) {
        hosts.insert(random.word(&["127.0.0.1", "127.0.0.1", "A.TEST", "::1"]).to_string());
    }
    let (listens, hosts) = (Vec::from_iter(listens), Vec::from_iter(hosts));
    let attempts =
        some_attempts(random, 32, &listens, &hosts, &clients, |listen, host| differing(shared, servers, listen, host));
    Case { name: format!("nginx {seed}"), main: "nginx.conf", files, clients, attempts }
}

/// Settings that differ between the default server of an address and the one that has the name.
fn differing(shared: &Settings, servers: &[Server], listen: &str, host: &str) -> Vec<&'static str> {
    let (address, port) = listen.rsplit_once(':').expect("an address and a port");
    let wildcard = format!("{}:{port}", if address.starts_with('[') { "[::]" } else { "0.0.0.0" });
    let at = |place: &str| -> Vec<(&Server, &str)> {
        let flags = |server: &Server| {
            server.listens.iter().find(|(listen, _)| normal(listen) == place).map(|(_, flags)| *flags)
        };
        servers.iter().filter_map(|server| Some((server, flags(server)?))).collect()
    };
    let mut here = at(listen);
    if here.is_empty() {
        here = at(&wildcard);
    }
    let first = here.iter().find(|(_, flags)| flags.contains("default")).or(here.first());
    let named = here.iter().find(|(server, _)| server.names.iter().any(|name| name == host));
    let (Some((default, _)), Some((named, _))) = (first, named) else { return Vec::new() };
    let value = |server: &Server, setting: &'static str| -> Option<Vec<String>> {
        let (directive, command) = setting.split_once('/').unwrap_or((setting, ""));
        let directive = [
            "ssl_protocols",
            "ssl_ciphers",
            "ssl_ecdh_curve",
            "ssl_prefer_server_ciphers",
            "ssl_certificate",
            "ssl_dhparam",
            "ssl_conf_command",
        ]
        .into_iter()
        .find(|one| *one == directive)?;
        let mut found = server.settings.get(directive).or(shared.get(directive))?.clone();
        found.retain(|line| line.starts_with(command));
        Some(found).filter(|found| !found.is_empty())
    };
    SETTINGS.iter().copied().filter(|setting| value(default, setting) != value(named, setting)).collect()
}

/// Settings that are decided before or after the name.
pub const SETTINGS: &[&str] = &[
    "ssl_protocols",
    "ssl_ciphers",
    "ssl_ecdh_curve",
    "ssl_prefer_server_ciphers",
    "ssl_certificate",
    "ssl_dhparam",
    "ssl_conf_command/Ciphersuites",
    "ssl_conf_command/Groups",
    "ssl_conf_command/MinProtocol",
    "ssl_conf_command/MaxProtocol",
    "ssl_conf_command/SignatureAlgorithms",
    "ssl_conf_command/Options",
    "ssl_conf_command/CipherString",
];
