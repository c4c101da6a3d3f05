//! Predicted handshakes agree with those of the real Apache, as `handshake_nginx` has it for nginx.
//!
//! `SHAKEDOWN_SEED` and `SHAKEDOWN_COUNT` choose others; `SHAKEDOWN_APACHE` (a line of a shell), `SHAKEDOWN_APACHE_MODULES`,
//! `SHAKEDOWN_SERVER_VERSION`, `SHAKEDOWN_TLS_LIBRARY` and `SHAKEDOWN_PLATFORM` another Apache; `SHAKEDOWN_JUDGE=alone` leaves
//! the tool out.

use std::path::PathBuf;
use std::process::Command;

use rayon::prelude::*;
use shakedown_testing::apache::{SETTINGS, case};
use shakedown_testing::handshake::Outcome;
use shakedown_testing::judge::{Judge, Verdict};
use shakedown_testing::kept;
use shakedown_testing::prediction::Platform;

fn parameter(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

/// The second word behind a head in what a command says.
fn said(command: &str, head: &str) -> String {
    let output = Command::new("sh").args(["-c", command]).output().expect("a shell");
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    let rest = words.split_once(head).map(|(_, rest)| rest.split([' ', '\n']).next().unwrap_or_default().to_owned());
    rest.expect("the server and openssl are installed: run tests/install")
}

#[test]
fn handshakes_agree_with_apache() {
    let apache = parameter("SHAKEDOWN_APACHE", "apache2");
    let modules = parameter("SHAKEDOWN_APACHE_MODULES", "/usr/lib/apache2/modules");
    // Apache does not tell its OpenSSL: by default it is that of the command.
    let library = || format!("openssl-{}", said("openssl version", "OpenSSL "));
    let judge = Judge {
        tool: (parameter("SHAKEDOWN_JUDGE", "both") != "alone").then(|| PathBuf::from(env!("CARGO_BIN_EXE_shakedown"))),
        platform: Platform {
            server: "apache",
            name: parameter("SHAKEDOWN_PLATFORM", "debian-12"),
            version: std::env::var("SHAKEDOWN_SERVER_VERSION")
                .unwrap_or_else(|_| said(&format!("{apache} -v"), "Apache/")),
            library: std::env::var("SHAKEDOWN_TLS_LIBRARY").unwrap_or_else(|_| library()),
        },
        start: format!("{apache} -k start -d \"$PWD\" -f \"$PWD/$MAIN\""),
        patience: 12.into(),
        is_text: |path| path.ends_with(".conf"),
    };
    let seed: u64 = parameter("SHAKEDOWN_SEED", "1").parse().expect("a seed");
    let count: u64 = parameter("SHAKEDOWN_COUNT", "130").parse().expect("a count");
    let kept =
        kept::apache(&modules).into_par_iter().map(|case| judge.judge(&case)).reduce(Verdict::default, Verdict::and);
    let failed: Vec<&str> = kept.disagreements.iter().map(|one| one.words.as_str()).collect();
    assert!(failed.is_empty(), "{} disagreements in kept cases:\n{}", failed.len(), failed.join("\n"));
    assert!(kept.count(Outcome::Ok) * 5 >= kept.handshakes(), "few of the kept cases mean anything");
    let began = std::time::Instant::now();
    let numbers = (0..count).into_par_iter().map(|number| seed * 1_000_003 + number);
    let verdict = numbers.map(|number| judge.judge(&case(number, &modules))).reduce(Verdict::default, Verdict::and);
    let rate = verdict.handshakes() as f64 / began.elapsed().as_secs_f64();
    println!("{}\n{rate:.0} handshakes a second", verdict.figures());

    let words: Vec<&str> = verdict.disagreements.iter().map(|one| one.words.as_str()).collect();
    let shown = words[..words.len().min(60)].join("\n");
    assert!(words.is_empty(), "{} disagreements:\n{shown}", words.len());
    // The figures below are those of a run of the usual size.
    if count < 130 {
        return;
    }
    assert!(verdict.handshakes() >= 1_500, "too few handshakes: {}", verdict.handshakes());
    assert!(verdict.count(Outcome::Ok) * 3 >= verdict.handshakes(), "too few succeed");
    assert!(verdict.started * 2 >= verdict.cases, "too few configurations start");
    assert!(verdict.started < verdict.cases, "no configuration fails to start");
    assert!(verdict.unknowns() * 50 <= verdict.handshakes(), "too much is unknown: {}", verdict.unknowns());
    // Other seeds show other settings more and less often.
    for setting in SETTINGS.iter().filter(|_| seed == 1) {
        let seen = verdict.differing.get(setting).copied().unwrap_or(0);
        assert!(seen >= 20, "{setting} differs between first and named host in {seen} handshakes only");
    }
}
