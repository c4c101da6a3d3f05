//! What the tool says of the same handshakes: its command line and its JSON.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::case::Case;
use crate::clock::{now, rfc3339};
use crate::handshake::{Handshake, Outcome};

/// Whom the tool is told that it speaks of.
#[derive(Clone, Debug)]
pub struct Platform {
    /// `nginx`, `apache` or `caddy`.
    pub server: &'static str,
    /// The tool's name of the platform.
    pub name: String,
    /// The server's version.
    pub version: String,
    /// `openssl-3.0.19`, or empty where the server has its own.
    pub library: String,
}

/// What the tool says.
#[derive(Clone, Debug, Default)]
pub struct Prediction {
    /// `ok`, `fail` or `unknown`; another text where it did not run.
    pub start: String,
    /// Its words, where it did not run.
    pub words: String,
    entries: BTreeMap<(String, String, String), Value>,
}

/// The arguments of the tool for a case.
pub fn arguments(platform: &Platform, case: &Case) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut add = |words: &[&str]| out.extend(words.iter().map(|word| (*word).to_owned()));
    add(&["handshake", "--format", "json", "--isolated", "--server", platform.server, "--platform", &platform.name]);
    add(&["--server-version", &platform.version, "--now", &rfc3339(now()), "--trust", "root.pem"]);
    if !platform.library.is_empty() {
        add(&["--tls-library", &platform.library]);
    }
    let used = |at: usize| case.attempts.iter().any(|attempt| attempt.client == at);
    for (_, client) in case.clients.iter().enumerate().filter(|(at, _)| used(*at)) {
        add(&["--client", &format!("client-{}.toml", client.name)]);
    }
    let mut seen = std::collections::BTreeSet::new();
    for attempt in &case.attempts {
        if seen.insert(&attempt.host) {
            add(&["--host", &attempt.host]);
        }
        if seen.insert(&attempt.listen) {
            add(&["--listen", &attempt.listen]);
        }
    }
    // Tests run Caddy as whoever runs them, who reads all files.
    if platform.server == "caddy" {
        add(&["--run-as", "root"]);
    }
    add(&[case.main]);
    out
}

/// Asks the tool, below the folder of the case.
pub fn predict(tool: &Path, folder: &Path, platform: &Platform, case: &Case) -> Prediction {
    let output = Command::new(tool).args(arguments(platform, case)).current_dir(folder).output();
    let output = output.expect("the tool can be run");
    let words = || String::from_utf8_lossy(&output.stderr).into_owned();
    let Ok(document) = serde_json::from_slice::<Value>(&output.stdout) else {
        return Prediction { start: "no JSON".to_owned(), words: words(), ..Prediction::default() };
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entries = document["handshakes"].as_array().into_iter().flatten();
    let key = |entry: &Value| (text(&entry["listen"]), text(&entry["host"]), text(&entry["client"]));
    Prediction {
        start: document["start"]["result"].as_str().unwrap_or("no start").to_owned(),
        words: if document["start"].is_null() {
            document.to_string() + &words()
        } else {
            document["start"].to_string()
        },
        entries: entries.map(|entry| (key(entry), entry.clone())).collect(),
    }
}

/// How a prediction and a real handshake compare.
pub enum Comparison {
    /// Alike in all that counts.
    Same,
    /// The tool says that it cannot know, and why.
    Unknown(String),
    /// Otherwise: what differs, of which sort, and both sides.
    Differs(&'static str, String, String),
}

impl Prediction {
    /// The rules that say why the server would not start.
    pub fn rules(&self) -> String {
        let causes = serde_json::from_str::<Value>(&self.words).unwrap_or_default();
        let rules = causes["causes"].as_array().into_iter().flatten().map(|cause| cause["rule"].to_string());
        rules.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
    }

    /// Compares one handshake.
    pub fn compare(&self, listen: &str, host: &str, client: &str, real: &Handshake) -> Comparison {
        let Some(entry) = self.entries.get(&(listen.to_owned(), host.to_owned(), client.to_owned())) else {
            return Comparison::Differs("entry", String::new(), format!("no entry; real {:?}", real.outcome));
        };
        let result = entry["result"].as_str().unwrap_or_default();
        if result == "unknown" {
            return Comparison::Unknown(entry["cause"]["message"].as_str().unwrap_or_default().to_owned());
        }
        let stage = entry["cause"]["stage"].as_str().unwrap_or_default();
        if real.outcome == Outcome::Cut && stage == "client-certificate" {
            return Comparison::Same;
        }
        let is_ok = matches!(real.outcome, Outcome::Ok | Outcome::Cut);
        if (result == "ok") != is_ok {
            let words = format!("real {:?} {}; tool {result}, {}", real.outcome, summary(real), entry["cause"]);
            let sort = if is_ok { entry["cause"]["code"].to_string() } else { last_word(&real.words) };
            let kind = if is_ok { "result-fail" } else { "result-ok" };
            return Comparison::Differs(
                kind,
                sort,
                words
                    + &format!(
                        "
  {entry}"
                    ),
            );
        }
        if !is_ok {
            // Up to TLS 1.2 the alert does not tell a missing certificate from others.
            let agrees = match real.outcome {
                Outcome::Offer => true,
                Outcome::Connect => stage == "connect",
                Outcome::ClientCertificate => stage == "client-certificate",
                _ => stage != "connect",
            };
            let words = || format!("real {:?}; tool {stage}\n  {}", real.outcome, real.words);
            return if agrees { Comparison::Same } else { Comparison::Differs("stage", stage.to_owned(), words()) };
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let number = |value: &Value| value.as_u64().map(|number| number.to_string());
        let has_certificate = real.certificate.is_some();
        let fields = [
            ("protocol", text(&entry["protocol"]), real.protocol.clone()),
            ("cipher", text(&entry["cipher"]), real.cipher.clone()),
            ("group", text(&entry["group"]), real.group.clone()),
            ("certificate", text(&entry["certificate"]["sha256"]), real.certificate.clone()),
            // A client that is sent no certificate has nothing to judge.
            (
                "verify",
                number(&entry["verify"]["code"]).filter(|_| has_certificate),
                real.verify.map(|code| code.to_string()).filter(|_| has_certificate),
            ),
        ];
        match fields.into_iter().find(|(_, ours, real)| ours != real) {
            None => Comparison::Same,
            Some((field, ours, theirs)) => {
                let words = format!("real {theirs:?}, tool {ours:?}\n  real {}\n  tool {entry}", summary(real));
                Comparison::Differs(field, String::new(), words)
            }
        }
    }
}

/// The end of an error without numbers that change.
fn last_word(words: &str) -> String {
    words.lines().last().and_then(|line| line.splitn(4, ':').last()).unwrap_or_default().to_owned()
}

fn summary(real: &Handshake) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    match real.outcome {
        Outcome::Ok | Outcome::Cut => format!(
            "{} {} {} {} verify {:?}",
            text(&real.protocol),
            text(&real.cipher),
            text(&real.group),
            text(&real.certificate),
            real.verify
        ),
        _ => real.words.clone(),
    }
}
