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

/// Edits of an nginx configuration that mean nothing to clients.
mod meaningless {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::{Pair, compare, told};
    use shakedown::report;
    use shakedown_testing::recipe::example_files_of;

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

    fn pair(old: &str, new: &str, files: BTreeMap<String, toml::Value>) -> Pair {
        let side = |text: &str| example_files_of("nginx", text, None, &files).0;
        Pair {
            name: "drawn".to_owned(),
            server: "nginx".to_owned(),
            verdict: "same".to_owned(),
            platform: "debian-12".to_owned(),
            drifts: Vec::new(),
            sides: [side(old), side(new)],
            main: "nginx.conf",
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
            let run = compare(&pair(&old, &new, files), [0, 1]);
            prop_assert_eq!(report::compare::verdict(&run), "same", "{}\n--- old\n{}\n--- new\n{}", told(&run), old, new);
        }
    }
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
