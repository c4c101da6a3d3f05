//! Predicted handshakes agree with those of the real nginx: for generated configurations the tool says whether it starts, and
//! for each address, name and client what is negotiated and how the client judges the certificate.
//!
//! `SHAKEDOWN_SEED` and `SHAKEDOWN_COUNT` choose others; `SHAKEDOWN_NGINX` (a line of a shell), `SHAKEDOWN_SERVER_VERSION`,
//! `SHAKEDOWN_TLS_LIBRARY` and `SHAKEDOWN_PLATFORM` another nginx; `SHAKEDOWN_JUDGE=alone` leaves the tool out.

use std::path::PathBuf;
use std::process::Command;

use rayon::prelude::*;
use shakedown_testing::handshake::Outcome;
use shakedown_testing::judge::{Judge, Verdict};
use shakedown_testing::kept;
use shakedown_testing::nginx::{SETTINGS, case};
use shakedown_testing::prediction::Platform;

fn parameter(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

/// The version of nginx and of its OpenSSL, in its own words.
fn versions(nginx: &str) -> (String, String) {
    let output = Command::new("sh").args(["-c", &format!("{nginx} -V 2>&1")]).output().expect("a shell");
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    let after = |head: &str| {
        let rest = words.split_once(head)?.1;
        Some(rest.split([' ', '\n', ')']).next()?.to_owned())
    };
    let library = after("running with OpenSSL ").or_else(|| after("built with OpenSSL "));
    (after("nginx/").expect("nginx is installed: run tests/install"), library.expect("nginx has OpenSSL"))
}

#[test]
fn handshakes_agree_with_nginx() {
    let nginx = parameter("SHAKEDOWN_NGINX", "nginx");
    let (version, library) = versions(&nginx);
    let judge = Judge {
        tool: (parameter("SHAKEDOWN_JUDGE", "both") != "alone").then(|| PathBuf::from(env!("CARGO_BIN_EXE_shakedown"))),
        platform: Platform {
            server: "nginx",
            name: parameter("SHAKEDOWN_PLATFORM", "debian-12"),
            version: parameter("SHAKEDOWN_SERVER_VERSION", &version),
            library: parameter("SHAKEDOWN_TLS_LIBRARY", &format!("openssl-{library}")),
        },
        start: format!("{nginx} -e stderr -p . -c \"$PWD/$MAIN\" -g \"pid $PWD/nginx.pid;\""),
        patience: 12.into(),
        is_text: |path| path.ends_with(".conf"),
    };
    let seed: u64 = parameter("SHAKEDOWN_SEED", "1").parse().expect("a seed");
    let count: u64 = parameter("SHAKEDOWN_COUNT", "150").parse().expect("a count");
    let kept = kept::nginx().into_par_iter().map(|case| judge.judge(&case)).reduce(Verdict::default, Verdict::and);
    let failed: Vec<&str> = kept.disagreements.iter().map(|one| one.words.as_str()).collect();
    assert!(failed.is_empty(), "{} disagreements in kept cases:\n{}", failed.len(), failed.join("\n"));
    assert!(kept.count(Outcome::Ok) * 5 >= kept.handshakes(), "few of the kept cases mean anything");
    let began = std::time::Instant::now();
    let numbers = (0..count).into_par_iter().map(|number| seed * 1_000_003 + number);
    let verdict = numbers.map(|number| judge.judge(&case(number))).reduce(Verdict::default, Verdict::and);
    let rate = verdict.handshakes() as f64 / began.elapsed().as_secs_f64();
    println!("{}\n{rate:.0} handshakes a second", verdict.figures());

    let words: Vec<&str> = verdict.disagreements.iter().map(|one| one.words.as_str()).collect();
    let shown = words[..words.len().min(60)].join("\n");
    assert!(words.is_empty(), "{} disagreements:\n{shown}", words.len());
    // The figures below are those of a run of the usual size.
    if count < 150 {
        return;
    }
    assert!(verdict.handshakes() >= 2_000, "too few handshakes: {}", verdict.handshakes());
    assert!(verdict.count(Outcome::Ok) * 3 >= verdict.handshakes(), "too few succeed");
    assert!(verdict.started * 2 >= verdict.cases, "too few configurations start");
    assert!(verdict.started < verdict.cases, "no configuration fails to start");
    assert!(verdict.unknowns() * 50 <= verdict.handshakes(), "too much is unknown: {}", verdict.unknowns());
    // Other seeds show other settings more and less often.
    for setting in SETTINGS.iter().filter(|_| seed == 1) {
        let seen = verdict.differing.get(setting).copied().unwrap_or(0);
        assert!(seen >= 20, "{setting} differs between default and named server in {seen} handshakes only");
    }
}
