//! Pairs of configurations: what the change is worth, of which kind it is, and who is hit.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use shakedown::pipeline::{self, Candidate, Comparison, Matters, Options, TrustSource};
use shakedown::report;
use shakedown::source::Memory;
use shakedown_testing::NOW;
use shakedown_testing::pair::{Pair, pairs};

fn all(server: &str) -> Vec<Pair> {
    pairs(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/compare"), server)
}

fn memory(files: &std::collections::BTreeMap<String, Vec<u8>>) -> Memory {
    let mut memory = Memory::new();
    for (path, bytes) in files {
        memory.insert(path, bytes.clone());
    }
    memory
}

fn compare(pair: &Pair, order: [usize; 2]) -> Comparison {
    let files = pair.sides.each_ref().map(memory);
    let options = Options {
        platform: Some(pair.platform.clone()),
        now: NOW,
        trust: vec![TrustSource::File("root.crt".into())],
        ..Options::default()
    };
    let side = |at: usize| Candidate {
        shown: PathBuf::from(pair.main),
        files: &files[at],
        paths: vec![PathBuf::from(pair.main)],
        options: options.clone(),
    };
    let [old, new] = order.map(side);
    pipeline::compare(&old, &new, &files[order[1]], &Matters::every_client(&[])).expect("a pair can be compared")
}

fn told(run: &Comparison) -> String {
    let all = run.compared.drifts.iter().map(|drift| {
        format!(
            "    {}[{}] {}: {}\n",
            drift.effect.name(),
            drift.kind.name(),
            drift.host.as_deref().unwrap_or("-"),
            drift.message
        )
    });
    let open = run.compared.unjudged.iter().map(|one| format!("    not compared: {one:?}\n"));
    all.chain(open).collect()
}

/// What does not hold of a pair.
fn wrong(pair: &Pair) -> String {
    let run = compare(pair, [0, 1]);
    let mut out = String::new();
    let verdict = report::compare::verdict(&run);
    if verdict != pair.verdict {
        out += &format!("  verdict {verdict} instead of {}\n", pair.verdict);
    }
    for expected in &pair.drifts {
        let is_it = |drift: &&shakedown::compare::Drift| {
            drift.kind.name() == expected.kind
                && expected.host.as_ref().is_none_or(|host| drift.host.as_ref() == Some(host))
                && expected.effect.as_ref().is_none_or(|effect| drift.effect.name() == effect)
        };
        if !run.compared.drifts.iter().any(|drift| is_it(&drift)) {
            out += &format!("  no {expected:?}\n");
        }
    }
    if !run.compared.unjudged.is_empty() {
        out += "  not all was compared\n";
    }
    if out.is_empty() { out } else { format!("{}:\n{out}{}", pair.name, told(&run)) }
}

fn hold(server: &str) {
    let all = all(server);
    assert!(all.len() >= 20, "{} pairs of {server}", all.len());
    for verdict in ["worse", "same", "better"] {
        let count = all.iter().filter(|pair| pair.verdict == verdict).count();
        assert!(count >= 5, "{count} pairs of {server} are {verdict}");
    }
    let wrong: String = all.par_iter().map(wrong).collect();
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn pairs_of_nginx() {
    hold("nginx");
}

#[test]
fn pairs_of_apache() {
    hold("apache");
}

#[test]
fn pairs_of_caddy() {
    hold("caddy");
}

/// Edits of a configuration that mean nothing to clients.
mod meaningless {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::{Pair, compare, told};
    use shakedown::report;
    use shakedown_testing::recipe::{example_files_of, main_file};

    /// What one site says, in lines that may stand in any order.
    fn site(number: usize, lines: &[String]) -> String {
        let own = [
            format!("listen {} ssl{};", 8443 + number % 2, if number < 2 { " default_server" } else { "" }),
            format!("server_name s{number}.test;"),
        ];
        let all: Vec<String> = own.iter().chain(lines).map(|line| format!("    {line}\n")).collect();
        format!("server {{\n{}}}\n", all.concat())
    }

    fn settings(choices: &[u8]) -> Vec<String> {
        let pick = |at: usize, all: &[&str]| all[choices[at] as usize % all.len()].to_owned();
        let certificate = pick(0, &["a", "b", "rsa"]);
        vec![
            format!("ssl_certificate {certificate}.pem;"),
            format!("ssl_certificate_key {certificate}.key;"),
            pick(
                1,
                &[
                    "ssl_protocols TLSv1.2 TLSv1.3;",
                    "ssl_protocols TLSv1.3;",
                    "ssl_protocols TLSv1.2;",
                    "ssl_session_tickets on;",
                ],
            ),
            pick(
                2,
                &[
                    "ssl_ciphers ECDHE+AESGCM;",
                    "ssl_ciphers HIGH:!aNULL;",
                    "ssl_ecdh_curve X25519:P-256;",
                    "ssl_session_timeout 1d;",
                ],
            ),
            pick(3, &["ssl_prefer_server_ciphers on;", "ssl_stapling off;", "ssl_verify_depth 2;"]),
        ]
    }

    fn pair(server: &str, old: &str, new: &str, files: BTreeMap<String, toml::Value>) -> Pair {
        let context = (server == "caddy").then_some("main");
        let side = |text: &str| example_files_of(server, text, context, &files).0;
        Pair {
            name: "drawn".to_owned(),
            server: server.to_owned(),
            verdict: "same".to_owned(),
            platform: "debian-12".to_owned(),
            drifts: Vec::new(),
            sides: [side(old), side(new)],
            main: main_file(server),
        }
    }

    /// One virtual host of Apache, its lines in any order but the certificate before its key.
    fn host(number: usize, lines: &[String]) -> String {
        let own = [format!("ServerName s{number}.test"), "SSLEngine on".to_owned()];
        let all: Vec<String> = own.iter().chain(lines).map(|line| format!("    {line}\n")).collect();
        format!("<VirtualHost *:8443>\n{}</VirtualHost>\n", all.concat())
    }

    fn apache_settings(choices: &[u8]) -> Vec<String> {
        let pick = |at: usize, all: &[&str]| all[choices[at] as usize % all.len()].to_owned();
        let certificate = pick(0, &["a", "b", "rsa"]);
        vec![
            format!("SSLCertificateFile {certificate}.pem"),
            format!("SSLCertificateKeyFile {certificate}.key"),
            pick(
                1,
                &[
                    "SSLProtocol -all +TLSv1.2 +TLSv1.3",
                    "SSLProtocol TLSv1.3",
                    "SSLProtocol -all +TLSv1.2",
                    "SSLSessionTickets on",
                ],
            ),
            pick(
                2,
                &[
                    "SSLCipherSuite ECDHE+AESGCM",
                    "SSLCipherSuite HIGH:!aNULL",
                    "SSLHonorCipherOrder on",
                    "SSLVerifyClient none",
                ],
            ),
            pick(3, &["SSLOpenSSLConfCmd Curves X25519:P-256", "SSLVerifyDepth 2", "SSLInsecureRenegotiation off"]),
        ]
    }

    /// One site of Caddy.
    fn block(number: usize, lines: &[String]) -> String {
        let all: String = lines.iter().map(|line| format!("\t{line}\n")).collect();
        format!("https://s{number}.test:8443 {{\n{all}}}\n")
    }

    fn caddy_settings(choices: &[u8]) -> Vec<String> {
        let pick = |at: usize, all: &[&str]| all[choices[at] as usize % all.len()].to_owned();
        let certificate = pick(0, &["a", "b", "rsa"]);
        let inside: Vec<String> = [
            pick(1, &["protocols tls1.2 tls1.3", "protocols tls1.3", ""]),
            pick(
                2,
                &[
                    "curves x25519 secp256r1",
                    "ciphers TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                    "",
                ],
            ),
        ]
        .into_iter()
        .filter(|line| !line.is_empty())
        .map(|line| format!("\t\t{line}\n"))
        .collect();
        let body = if inside.is_empty() { String::new() } else { format!(" {{\n{}\t}}", inside.concat()) };
        vec![
            format!("tls {certificate}.pem {certificate}.key{body}"),
            pick(3, &["header Strict-Transport-Security \"max-age=63072000\"", "respond ok", "encode gzip"]),
        ]
    }

    /// What must hold of two texts that mean the same.
    fn hold(server: &str, old: &str, new: &str, files: BTreeMap<String, toml::Value>) -> Result<(), TestCaseError> {
        let run = compare(&pair(server, old, new, files), [0, 1]);
        prop_assert_eq!(report::compare::verdict(&run), "same", "{}\n--- old\n{}\n--- new\n{}", told(&run), old, new);
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn edits_without_meaning_are_the_same_in_apache(
            choices in prop::collection::vec(prop::collection::vec(any::<u8>(), 4), 2..6),
            edits in prop::collection::vec(any::<u8>(), 16),
            order in any::<u64>(),
        ) {
            let lines: Vec<Vec<String>> = choices.iter().map(|one| apache_settings(one)).collect();
            let hosts: String = lines.iter().enumerate().map(|(at, lines)| host(at, lines)).collect();
            let old = format!("Listen 8443\n{hosts}");
            let mut files: BTreeMap<String, toml::Value> = BTreeMap::new();
            let mut blocks: Vec<String> = Vec::new();
            for (number, lines) in lines.iter().enumerate() {
                let edit = |at: usize| edits[(at + number) % edits.len()];
                let mut lines = lines.clone();
                if edit(0) % 2 == 0 {
                    lines.reverse();
                    lines.sort_by_key(|line| line.starts_with("SSLCertificateKeyFile"));
                }
                if edit(1) % 3 == 0 {
                    lines = lines.iter().map(|line| match line.split_once(' ') {
                        Some((name, value)) if !value.contains(' ') => format!("{} \"{value}\"", name.to_lowercase()),
                        Some((name, value)) => format!("{}   \\\n\t  {value}", name.to_uppercase()),
                        None => line.clone(),
                    }).collect();
                }
                if edit(5) % 4 == 0 {
                    lines = lines.iter().map(|line| format!("<IfModule ssl_module>\n{line}\n</IfModule>")).collect();
                }
                if edit(2) % 3 == 0 {
                    let name = format!("part{number}.inc");
                    files.insert(name.clone(), toml::Value::String(lines.join("\n") + "\n"));
                    lines = vec![format!("Include {name}")];
                }
                let mut block = host(number, &lines);
                if edit(3) % 2 == 0 {
                    block = block.replace("    ", "\t").replace("SSLEngine on\n", "SSLEngine on\n\n\t# said\n");
                }
                if edit(4) % 4 == 0 {
                    block = format!("<Macro Site{number} $engine>\n{}</Macro>\nUse Site{number} on\n", block.replace("SSLEngine on", "SSLEngine $engine"));
                } else if edit(4) % 4 == 1 {
                    let name = format!("site{number}.conf");
                    files.insert(name.clone(), toml::Value::String(block));
                    block = format!("IncludeOptional {name}\n");
                }
                blocks.push(block);
            }
            // The first host answers to names that nobody has: it stays the first.
            let count = blocks.len() - 1;
            blocks[1..].rotate_left(order as usize % count);
            if order % 2 == 0 {
                blocks[1..].reverse();
            }
            let listen = if order % 3 == 0 { "Define PORT 8443\nListen ${PORT}\n" } else { "Listen 8443\n" };
            hold("apache", &old, &format!("{listen}{}", blocks.concat()), files)?;
        }

        #[test]
        fn edits_without_meaning_are_the_same_in_caddy(
            choices in prop::collection::vec(prop::collection::vec(any::<u8>(), 4), 2..6),
            edits in prop::collection::vec(any::<u8>(), 16),
            order in any::<u64>(),
        ) {
            let options = "{\n\tauto_https off\n\tadmin off\n}\n";
            let lines: Vec<Vec<String>> = choices.iter().map(|one| caddy_settings(one)).collect();
            let sites: String = lines.iter().enumerate().map(|(at, lines)| block(at, lines)).collect();
            let old = format!("{options}{sites}");
            let mut files: BTreeMap<String, toml::Value> = BTreeMap::new();
            let (mut blocks, mut snippets) = (Vec::new(), String::new());
            for (number, lines) in lines.iter().enumerate() {
                let edit = |at: usize| edits[(at + number) % edits.len()];
                let mut lines = lines.clone();
                if edit(0) % 2 == 0 {
                    lines.reverse();
                }
                if edit(1) % 3 == 0 {
                    lines = lines.iter().map(|line| {
                        let quoted = line.replace(".pem", ".pem\"").replace(".key", ".key\"");
                        quoted.replace("tls a", "tls \"a").replace("tls b", "tls \"b").replace("tls rsa", "tls \"rsa")
                            .replace(" a.key", " \"a.key").replace(" b.key", " \"b.key").replace(" rsa.key", " \"rsa.key")
                    }).collect();
                }
                if edit(2) % 3 == 0 {
                    snippets += &format!("(part{number}) {{\n{}\n}}\n", lines.join("\n"));
                    lines = vec![format!("import part{number}")];
                } else if edit(2) % 3 == 1 {
                    let name = format!("part{number}.inc");
                    files.insert(name.clone(), toml::Value::String(lines.join("\n") + "\n"));
                    lines = vec![format!("import {name}")];
                }
                let mut text = block(number, &lines);
                if edit(3) % 2 == 0 {
                    text = text.replace('\t', "    ").replace(" {\n", " {\n\n    # said\n");
                }
                if edit(4) % 4 == 0 {
                    let name = format!("site{number}.caddy");
                    files.insert(name.clone(), toml::Value::String(text));
                    text = format!("import {name}\n");
                }
                blocks.push(text);
            }
            let count = blocks.len();
            blocks.rotate_left(order as usize % count);
            if order % 2 == 0 {
                blocks.reverse();
            }
            hold("caddy", &old, &format!("{options}{snippets}{}", blocks.concat()), files)?;
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn edits_without_meaning_are_the_same(
            choices in prop::collection::vec(prop::collection::vec(any::<u8>(), 4), 2..6),
            edits in prop::collection::vec(any::<u8>(), 16),
            order in any::<u64>(),
        ) {
            let lines: Vec<Vec<String>> = choices.iter().map(|one| settings(one)).collect();
            let old: String = lines.iter().enumerate().map(|(at, lines)| site(at, lines)).collect();
            let mut files: BTreeMap<String, toml::Value> = BTreeMap::new();
            let mut blocks: Vec<String> = Vec::new();
            for (number, lines) in lines.iter().enumerate() {
                let edit = |at: usize| edits[(at + number) % edits.len()];
                let mut lines = lines.clone();
                if edit(0) % 2 == 0 {
                    lines.reverse();
                    // Certificates are given before keys.
                    lines.sort_by_key(|line| line.starts_with("ssl_certificate_key"));
                }
                if edit(1) % 3 == 0 {
                    lines = lines.iter().map(|line| match line.split_once(' ') {
                        Some((name, value)) if !value.contains(' ') => format!("{name} \"{}\";", value.trim_end_matches(';')),
                        _ => line.replace(' ', "\n\t\t "),
                    }).collect();
                }
                if edit(2) % 3 == 0 {
                    let name = format!("part{number}.inc");
                    files.insert(name.clone(), toml::Value::String(lines.join("\n")));
                    lines = vec![format!("include {name};")];
                }
                let mut block = site(number, &lines);
                if edit(3) % 2 == 0 {
                    block = block.replace("    ", "\t").replace(";\n", "; # said\n");
                }
                if edit(4) % 4 == 0 {
                    let name = format!("site{number}.conf");
                    files.insert(name.clone(), toml::Value::String(block));
                    block = format!("include {name};\n");
                }
                blocks.push(block);
            }
            // Sites stand in any order: the defaults of the sockets are marked.
            let count = blocks.len();
            blocks.rotate_left(order as usize % count);
            if order % 2 == 0 {
                blocks.reverse();
            }
            let new = blocks.concat();
            hold("nginx", &old, &new, files)?;
        }
    }
}

fn nginx(old: &str, new: &str) -> Pair {
    let files = std::collections::BTreeMap::new();
    let side = |text: &str| shakedown_testing::recipe::example_files_of("nginx", text, None, &files).0;
    Pair {
        name: "written".to_owned(),
        server: "nginx".to_owned(),
        verdict: String::new(),
        platform: "debian-12".to_owned(),
        drifts: Vec::new(),
        sides: [side(old), side(new)],
        main: "nginx.conf",
    }
}

/// Of a regular expression names are made, where that can be; what else it takes is told as not compared.
#[test]
fn names_of_regular_expressions_are_asked_for() {
    let site = |name: &str, more: &str| {
        format!(
            "server {{ listen 8443 ssl; server_name {name}; ssl_certificate a.pem; ssl_certificate_key a.key; {more} }}\n"
        )
    };
    let told = |old: &str, new: &str| {
        let first = site("a.test", "");
        let run = compare(&nginx(&format!("{first}{old}"), &format!("{first}{new}")), [0, 1]);
        let kinds: Vec<String> = run
            .compared
            .drifts
            .iter()
            .map(|one| format!("{} {} {}", one.effect.name(), one.kind.name(), one.host.as_deref().unwrap_or("-")))
            .collect();
        let open = run.compared.unjudged.iter().filter(|one| one.0 == "server name").count();
        (kinds.join("; "), open)
    };
    let both = site(r"~^(www|api)\.b\.test$", "");
    assert_eq!(told(&both, &both), (String::new(), 0));
    // One of its names is gone, and both are.
    let (kinds, open) = told(&both, &site(r"~^www\.b\.test$", ""));
    assert!(kinds.contains("worse name-lost api.b.test") && !kinds.contains("www.b.test") && open == 0, "{kinds}");
    let (kinds, _) = told(&both, "");
    assert!(kinds.contains("worse name-lost api.b.test") && kinds.contains("worse name-lost www.b.test"), "{kinds}");
    // Another writing of an expression with names beyond number: what was compared is told.
    let any = site(r#""~^(?<sub>.+)\.b\.test$""#, "");
    assert_eq!(told(&any, &site(r"~^.+\.b\.test$", "")), (String::new(), 2));
    let (kinds, _) = told(&any, &any.replace("a.pem", "b.pem").replace("a.key", "b.key"));
    assert!(kinds.contains(r"certificate-replaced ~^(?<sub>.+)\.b\.test$"), "{kinds}");
    // Nothing can be made of what looks around.
    let around = site(r"~^(?!www)[a-z]+\.b\.test$", "");
    let (kinds, _) = told(&around, &site(r"~^(?!api)[a-z]+\.b\.test$", ""));
    assert!(kinds.contains("unknown name-lost") && kinds.contains("unknown name-gained"), "{kinds}");
}

/// A certificate that OpenSSL takes and a browser refuses is a loss.
#[test]
fn what_browsers_refuse_is_worse() {
    let site = |certificate: &str| {
        format!(
            "server {{ listen 8443 ssl default_server; server_name a.test; ssl_certificate {certificate}.pem; ssl_certificate_key {certificate}.key; ssl_protocols TLSv1.2 TLSv1.3; }}\n"
        )
    };
    let mut pair = nginx(&site("a"), &site("p"));
    let recipes = ["leaf a.test extension=must-staple", "intermediate"];
    for side in &mut pair.sides {
        side.insert("p.pem".to_owned(), shakedown_testing::recipe::file(recipes));
        side.insert("p.key".to_owned(), shakedown_testing::recipe::file(["key ec1"]));
    }
    let run = compare(&pair, [0, 1]);
    let lost = run.compared.drifts.iter().find(|one| one.kind.name() == "client-lost").expect("a loss");
    assert!(lost.message.contains("promised staple") || lost.message.contains("stapled response"), "{}", lost.message);
    assert!(lost.clients.iter().any(|name| name.starts_with("firefox")), "{:?}", lost.clients);
    assert!(!lost.clients.iter().any(|name| name.starts_with("openssl")), "{:?}", lost.clients);
    assert_eq!(report::compare::verdict(&run), "worse");
    assert_eq!(report::compare::verdict(&compare(&pair, [1, 0])), "better");
}

/// What is worse one way is better the other way about, and what is the same is the same from both sides.
#[test]
fn the_other_way_about() {
    for server in ["nginx", "apache", "caddy"] {
        for pair in all(server).iter().filter(|pair| pair.verdict == "same") {
            let run = compare(pair, [1, 0]);
            assert_eq!(report::compare::verdict(&run), "same", "{}\n{}", pair.name, told(&run));
        }
    }
}
