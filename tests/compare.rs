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
