//! Predicted handshakes agree with those of the real nginx: for generated configurations the tool says whether it starts, and
//! for each address, name and client what is negotiated and how the client judges the certificate.
//!
//! `SHAKEDOWN_SEED` and `SHAKEDOWN_COUNT` choose others; `SHAKEDOWN_NGINX` (a line of a shell), `SHAKEDOWN_SERVER_VERSION`,
//! `SHAKEDOWN_TLS_LIBRARY` and `SHAKEDOWN_PLATFORM` another nginx; `SHAKEDOWN_JUDGE=alone` leaves the tool out.

use std::path::PathBuf;
use std::process::Command;

use shakedown_testing::judge::Judge;
use shakedown_testing::kept;
use shakedown_testing::nginx::{SETTINGS, case};
use shakedown_testing::prediction::Platform;
use shakedown_testing::trial::{Trial, parameter};

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
    let trial = Trial {
        judge,
        kept: kept::nginx(),
        usual: 150,
        least_handshakes: 2_000,
        one_unknown_in: 50,
        settings: SETTINGS,
        sides: "default and named server",
    };
    trial.run(case);
}
