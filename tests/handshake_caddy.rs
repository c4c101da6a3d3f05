//! Predicted handshakes agree with those of the real Caddy, as `handshake_nginx` has it for nginx.
//!
//! `SHAKEDOWN_SEED` and `SHAKEDOWN_COUNT` choose others; `SHAKEDOWN_CADDY` (a line of a shell), `SHAKEDOWN_SERVER_VERSION` and
//! `SHAKEDOWN_PLATFORM` another Caddy; `SHAKEDOWN_JUDGE=alone` leaves the tool out.

use std::path::PathBuf;
use std::process::Command;

use rayon::prelude::*;
use shakedown_testing::caddy::{SETTINGS, case};
use shakedown_testing::handshake::Outcome;
use shakedown_testing::judge::{Judge, Verdict};
use shakedown_testing::kept;
use shakedown_testing::prediction::Platform;

fn parameter(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

/// The version of Caddy, in its own words: `2.6.2` or `v2.11.4 h1:...`.
fn version(caddy: &str) -> String {
    let output = Command::new("sh").args(["-c", &format!("{caddy} version")]).output().expect("a shell");
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = words.split_whitespace().next().expect("caddy is installed: run tests/install");
    version.trim_start_matches('v').to_owned()
}

#[test]
fn handshakes_agree_with_caddy() {
    let caddy = parameter("SHAKEDOWN_CADDY", "caddy");
    let judge = Judge {
        tool: (parameter("SHAKEDOWN_JUDGE", "both") != "alone").then(|| PathBuf::from(env!("CARGO_BIN_EXE_shakedown"))),
        platform: Platform {
            server: "caddy",
            name: parameter("SHAKEDOWN_PLATFORM", "debian-12"),
            version: std::env::var("SHAKEDOWN_SERVER_VERSION").unwrap_or_else(|_| version(&caddy)),
            library: String::new(),
        },
        start: format!(
            "export HOME=\"$PWD\" XDG_DATA_HOME=\"$PWD/data\" XDG_CONFIG_HOME=\"$PWD/config\"; {caddy} start --config $MAIN"
        ),
        patience: 12.into(),
        is_text: |path| path == "Caddyfile" || path.ends_with(".caddy") || path.ends_with(".json"),
    };
    let seed: u64 = parameter("SHAKEDOWN_SEED", "1").parse().expect("a seed");
    let count: u64 = parameter("SHAKEDOWN_COUNT", "60").parse().expect("a count");
    let kept = kept::caddy().into_par_iter().map(|case| judge.judge(&case)).reduce(Verdict::default, Verdict::and);
    let failed: Vec<&str> = kept.disagreements.iter().map(|one| one.words.as_str()).collect();
    assert!(failed.is_empty(), "{} disagreements in kept cases:\n{}", failed.len(), failed.join("\n"));
    assert!(kept.count(Outcome::Ok) * 5 >= kept.handshakes(), "few of the kept cases mean anything");
    let began = std::time::Instant::now();
    let numbers = (0..count).into_par_iter().map(|number| seed * 1_000_003 + number);
    let verdict = numbers.map(|number| judge.judge(&case(number, &caddy))).reduce(Verdict::default, Verdict::and);
    let rate = verdict.handshakes() as f64 / began.elapsed().as_secs_f64();
    println!("{}\n{rate:.0} handshakes a second", verdict.figures());

    let words: Vec<&str> = verdict.disagreements.iter().map(|one| one.words.as_str()).collect();
    let shown = words[..words.len().min(60)].join("\n");
    assert!(words.is_empty(), "{} disagreements:\n{shown}", words.len());
    // The figures below are those of a run of the usual size.
    if count < 60 {
        return;
    }
    assert!(verdict.handshakes() >= 1_000, "too few handshakes: {}", verdict.handshakes());
    assert!(verdict.count(Outcome::Ok) * 3 >= verdict.handshakes(), "too few succeed");
    assert!(verdict.started * 2 >= verdict.cases, "too few configurations start");
    assert!(verdict.started < verdict.cases, "no configuration fails to start");
    assert!(verdict.unknowns() * 10 <= verdict.handshakes(), "too much is unknown: {}", verdict.unknowns());
    // Other seeds show other settings more and less often.
    for setting in SETTINGS.iter().filter(|_| seed == 1) {
        let seen = verdict.differing.get(setting).copied().unwrap_or(0);
        assert!(seen >= 20, "{setting} differs between first and named site in {seen} handshakes only");
    }
}
