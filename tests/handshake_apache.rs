//! Predicted handshakes agree with those of the real Apache, as `handshake_nginx` has it for nginx.
//!
//! `SHAKEDOWN_SEED` and `SHAKEDOWN_COUNT` choose others; `SHAKEDOWN_APACHE` (a line of a shell), `SHAKEDOWN_APACHE_MODULES`,
//! `SHAKEDOWN_SERVER_VERSION`, `SHAKEDOWN_TLS_LIBRARY` and `SHAKEDOWN_PLATFORM` another Apache; `SHAKEDOWN_JUDGE=alone` leaves
//! the tool out.

use std::path::PathBuf;
use std::process::Command;

use shakedown_testing::apache::{SETTINGS, case};
use shakedown_testing::judge::Judge;
use shakedown_testing::kept;
use shakedown_testing::prediction::Platform;
use shakedown_testing::trial::{Trial, parameter};

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
    let trial = Trial {
        judge,
        kept: kept::apache(&modules),
        usual: 130,
        least_handshakes: 1_500,
        one_unknown_in: 50,
        settings: SETTINGS,
        sides: "first and named host",
    };
    trial.run(|number| case(number, &modules));
}
