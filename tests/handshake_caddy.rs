//! Predicted handshakes agree with those of the real Caddy, as `handshake_nginx` has it for nginx.
//!
//! Caddy chooses among certificates by the clock, so that here all times are the machine's.
//!
//! `SHAKEDOWN_SEED` and `SHAKEDOWN_COUNT` choose others; `SHAKEDOWN_CADDY` (a line of a shell), `SHAKEDOWN_SERVER_VERSION` and
//! `SHAKEDOWN_PLATFORM` another Caddy; `SHAKEDOWN_JUDGE=alone` leaves the tool out.

use std::path::PathBuf;
use std::process::Command;

use shakedown_testing::caddy::{SETTINGS, case};
use shakedown_testing::clock;
use shakedown_testing::judge::Judge;
use shakedown_testing::kept;
use shakedown_testing::prediction::Platform;
use shakedown_testing::trial::{Trial, parameter};

/// The version of Caddy, in its own words: `2.6.2` or `v2.11.4 h1:...`.
fn version(caddy: &str) -> String {
    let output = Command::new("sh").args(["-c", &format!("{caddy} version")]).output().expect("a shell");
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = words.split_whitespace().next().expect("caddy is installed: run tests/install");
    version.trim_start_matches('v').to_owned()
}

/// Starts Caddy, and waits until it has, or has not got, a certificate for each name that it manages: it signs some itself.
fn start(caddy: &str) -> String {
    format!(
        r#"export HOME="$PWD" XDG_DATA_HOME="$PWD/data" XDG_CONFIG_HOME="$PWD/config"
if {caddy} start --config $MAIN; then
    names=$(grep -o 'automatic TLS certificate management","domains":[^]]*' fight/server | grep -o '[[,]"' | wc -l)
    for try in $(seq 100); do
        ended=$(grep -c -e '"certificate obtained successfully"' -e 'will retry' fight/server)
        [ $ended -ge $((names - 1)) ] && break
        sleep 0.1
    done
    [ $names = 0 ] || sleep 0.1
else
    false
fi"#
    )
}

#[test]
fn handshakes_agree_with_caddy() {
    clock::follow_machine();
    let caddy = parameter("SHAKEDOWN_CADDY", "caddy");
    let judge = Judge {
        tool: (parameter("SHAKEDOWN_JUDGE", "both") != "alone").then(|| PathBuf::from(env!("CARGO_BIN_EXE_shakedown"))),
        platform: Platform {
            server: "caddy",
            name: parameter("SHAKEDOWN_PLATFORM", "debian-12"),
            version: std::env::var("SHAKEDOWN_SERVER_VERSION").unwrap_or_else(|_| version(&caddy)),
            library: String::new(),
        },
        start: start(&caddy),
        patience: 12.into(),
        is_text: |path| path == "Caddyfile" || path.ends_with(".caddy") || path.ends_with(".json"),
    };
    let trial = Trial {
        judge,
        kept: kept::caddy(),
        usual: 72,
        least_handshakes: 1_000,
        one_unknown_in: 10,
        settings: SETTINGS,
        sides: "first and named site",
    };
    trial.run(|number| case(number, &caddy));
}
