//! Where a client is said to be lost, the real server agrees: started on the old configuration it serves the client, on the
//! new one it does not, or the client refuses what it is shown.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use shakedown::compare::Kind;
use shakedown::handshake::{self, Client};
use shakedown::pipeline::{self, Candidate, Matters, Options, TrustSource};
use shakedown::source::Memory;
use shakedown_testing::NOW;
use shakedown_testing::arena::fight;
use shakedown_testing::handshake::Outcome;
use shakedown_testing::pair::{Pair, pairs};
use shakedown_testing::recipe::write;

/// How the server of a pair is started in its folder.
fn start(pair: &Pair) -> String {
    let main = pair.main;
    match pair.server.as_str() {
        "nginx" => format!("nginx -e stderr -p . -c \"$PWD/{main}\" -g \"pid $PWD/nginx.pid;\""),
        "apache" => format!("apache2 -k start -d \"$PWD\" -f \"$PWD/{main}\""),
        _ => format!(
            "export HOME=\"$PWD\" XDG_DATA_HOME=\"$PWD/data\" XDG_CONFIG_HOME=\"$PWD/config\"; \
             sed -i 's/^\\tadmin off$//' {main}; caddy start --config {main}; sleep 0.3"
        ),
    }
}

/// The clients that OpenSSL 3.0 can be: today's, without groups that it does not have.
fn arguments(client: &Client, host: &str) -> Vec<String> {
    let names = |words: Vec<&str>| words.join(":");
    let mut out: Vec<String> =
        ["s_client", "-connect", "127.0.0.1:8443", "-state", "-ign_eof"].map(str::to_owned).into();
    let mut add = |words: &[&str]| out.extend(words.iter().map(|word| (*word).to_owned()));
    if client.sni {
        add(&["-servername", host]);
    } else {
        add(&["-noservername"]);
    }
    add(&["-verify_hostname", host, "-attime", &NOW.to_string(), "-CAfile", "root.crt", "-no-CApath", "-no-CAstore"]);
    for (protocol, word) in
        [("TLSv1.0", "-no_tls1"), ("TLSv1.1", "-no_tls1_1"), ("TLSv1.2", "-no_tls1_2"), ("TLSv1.3", "-no_tls1_3")]
    {
        if !client.protocols.iter().any(|one| one.name() == protocol) {
            add(&[word]);
        }
    }
    let suites = names(client.suites.iter().map(|suite| suite.name.as_str()).collect());
    add(&["-cipher", &format!("{suites}:@SECLEVEL=0")]);
    let groups: Vec<&str> =
        client.groups.iter().map(|group| group.name).filter(|name| !name.contains("MLKEM")).collect();
    add(&["-groups", &names(groups)]);
    out
}

/// What does not hold of a pair.
fn wrong(pair: &Pair) -> (usize, String) {
    let mut files = pair.sides.each_ref().map(|_| Memory::new());
    for (memory, side) in files.iter_mut().zip(&pair.sides) {
        side.iter().for_each(|(path, bytes)| memory.insert(path, bytes.clone()));
    }
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
    let run =
        pipeline::compare(&side(0), &side(1), &files[1], &Matters::every_client(&[])).expect("a pair can be compared");
    let is_lost = |drift: &&shakedown::compare::Drift| drift.kind == Kind::ClientLost && drift.host.is_some();
    let mut tries: Vec<(String, &Client)> = Vec::new();
    for drift in run.compared.drifts.iter().filter(is_lost) {
        let host = drift.host.clone().unwrap_or_default();
        let known = drift.clients.iter().filter_map(|name| handshake::find(name));
        // OpenSSL does not hold the usage of a key against the suite, as Java and Chrome do.
        let is_playable = |client: &&Client| !client.fetches_intermediates && !client.scruples.heeds_key_usage;
        let played = known.filter(|client| !client.is_old && client.trust.is_none()).filter(is_playable);
        tries.extend(played.take(2).map(|client| (host.clone(), client)));
    }
    if tries.is_empty() {
        return (0, String::new());
    }
    let clients: Vec<Vec<String>> = tries.iter().map(|(host, client)| arguments(client, host)).collect();
    let meet = |at: usize| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write(folder.path(), &pair.sides[at]);
        let fight = fight(folder.path(), &start(pair), &clients);
        assert!(fight.starts, "{} {at}: {}", pair.name, fight.words);
        fight.handshakes
    };
    let (before, after) = (meet(0), meet(1));
    let mut out = String::new();
    for (((host, client), before), after) in tries.iter().zip(&before).zip(&after) {
        let through = |one: &shakedown_testing::handshake::Handshake| {
            matches!(one.outcome, Outcome::Ok | Outcome::Cut) && one.verify == Some(0)
        };
        if !through(before) || through(after) {
            out += &format!("{}: {} to {host}: before {before:?}, now {after:?}\n", pair.name, client.name);
        }
    }
    (tries.len(), out)
}

fn hold(server: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/compare");
    let found: Vec<(usize, String)> = pairs(&folder, server).par_iter().map(wrong).collect();
    let words: String = found.iter().map(|(_, words)| words.as_str()).collect();
    assert!(words.is_empty(), "\n{words}");
    let count: usize = found.iter().map(|(count, _)| count).sum();
    assert!(count >= 8, "only {count} clients were tried with {server}");
}

#[test]
fn nginx_loses_the_same_clients() {
    hold("nginx");
}

#[test]
fn apache_loses_the_same_clients() {
    hold("apache");
}

#[test]
fn caddy_loses_the_same_clients() {
    hold("caddy");
}
