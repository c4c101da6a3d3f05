//! What the linter says of a configuration, held against whether the server starts and what clients of today get: an error
//! means that one of the two fails, and where one does there is an error.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

use crate::case::Case;
use crate::clock::{now, rfc3339};
use crate::prediction::Platform;

/// Clients that are marked old: their failures are not errors.
static OLD: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules/clients");
    let pages = std::fs::read_dir(folder).expect("the folder of clients").filter_map(Result::ok);
    let is_old = |text: &str| text.lines().any(|line| line == "old = true");
    let old =
        pages.map(|entry| entry.path()).filter(|path| std::fs::read_to_string(path).is_ok_and(|text| is_old(&text)));
    old.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect()
});

/// What comes of one name on one socket.
#[derive(Default)]
struct Served {
    ok: usize,
    /// Clients that fail before they see a certificate.
    refused: usize,
    /// Clients that refuse what they are sent.
    distrusted: usize,
    open: usize,
    why: String,
}

/// What the linter and the clients say.
pub struct Judged {
    /// Rules that say an error.
    errors: BTreeSet<String>,
    /// Whether a site has no exact name, and clients fail there.
    fails_elsewhere: bool,
    served: BTreeMap<(String, String), Served>,
}

/// Asks the tool, below the folder of the case.
pub fn judge(tool: &Path, folder: &Path, platform: &Platform, case: &Case) -> Option<Judged> {
    let run = |command: &str, hosts: &[&str]| {
        let mut line = Command::new(tool);
        line.args([
            command,
            "--format",
            "json",
            "--isolated",
            "--server",
            platform.server,
            "--platform",
            &platform.name,
        ]);
        line.args(["--server-version", &platform.version, "--now", &rfc3339(now()), "--trust", "root.pem"]);
        if !platform.library.is_empty() {
            line.args(["--tls-library", &platform.library]);
        }
        // Tests run Caddy as whoever runs them, who reads all files.
        if platform.server == "caddy" {
            line.args(["--run-as", "root"]);
        }
        line.args(hosts.iter().flat_map(|host| ["--host", host]));
        let output = line.arg(case.main).current_dir(folder).output().expect("the tool can be run");
        serde_json::from_slice::<Value>(&output.stdout).ok()
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (linted, shaken) = (run("lint", &[])?, run("handshake", &[])?);
    let findings = linted["findings"].as_array()?;
    let errors = findings.iter().filter(|one| one["severity"] == "error").map(|one| text(&one["rule"])).collect();
    let others = others(platform, case);
    let fails_elsewhere = match &*others {
        [] => false,
        hosts => served(&run("handshake", hosts)?)?.values().any(|one| !one.is_well()),
    };
    Some(Judged { errors, fails_elsewhere, served: served(&shaken)? })
}

/// Hosts of Caddy's sites that have no exact name: the tool does not ask for them by itself.
fn others(platform: &Platform, case: &Case) -> Vec<&'static str> {
    if platform.server != "caddy" {
        return Vec::new();
    }
    let texts: Vec<_> = case.files.values().map(|content| String::from_utf8_lossy(content)).collect();
    let takes_all = |text: &str| serde_json::from_str(text).is_ok_and(|document| has_open_route(&document));
    let known = [("*.w.test", "below.w.test"), ("*.test", "below.test"), ("127.0.0.1", "127.0.0.1")];
    let is_there = |mark: &str| texts.iter().any(|text| text.contains(mark));
    let mut hosts: Vec<&str> = known.iter().filter(|(mark, _)| is_there(mark)).map(|(_, host)| *host).collect();
    let is_open = texts.iter().any(|text| text.lines().any(|line| line.starts_with(':')) || takes_all(text));
    hosts.extend(is_open.then_some("elsewhere.test"));
    hosts
}

/// Whether a route of the JSON form takes every host.
fn has_open_route(value: &Value) -> bool {
    let is_open = |route: &Value| route["match"].is_null();
    match value {
        Value::Object(fields) => fields.iter().any(|(name, inner)| {
            name == "routes" && inner.as_array().is_some_and(|all| all.iter().any(is_open)) || has_open_route(inner)
        }),
        Value::Array(all) => all.iter().any(has_open_route),
        _ => false,
    }
}

/// What comes of each name on each socket for clients of today.
fn served(document: &Value) -> Option<BTreeMap<(String, String), Served>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut served: BTreeMap<(String, String), Served> = BTreeMap::new();
    for entry in document["handshakes"].as_array()?.iter().filter(|entry| !OLD.contains(&text(&entry["client"]))) {
        let one = served.entry((text(&entry["listen"]), text(&entry["host"]))).or_default();
        let code = entry["verify"]["code"].as_u64();
        match (entry["result"].as_str(), code) {
            (Some("ok"), Some(0)) => one.ok += 1,
            (Some("unknown"), _) | (Some("ok"), None) => one.open += 1,
            // A socket that speaks no TLS serves no name by it; certificates may be asked of clients, and names refused, on
            // purpose; of files that are read at
            // each handshake the linter warns.
            _ if entry["cause"]["stage"] == "connect" || entry["cause"]["stage"] == "client-certificate" => {
                one.open += 1
            }
            _ if entry["cause"]["code"] == "name-rejected" || entry["cause"]["code"] == "certificate-not-loaded" => {
                one.open += 1
            }
            _ => {
                *(if entry["result"] == "ok" { &mut one.distrusted } else { &mut one.refused }) += 1;
                one.why = format!("{} {}", entry["cause"]["message"], entry["verify"]);
            }
        }
    }
    Some(served)
}

impl Served {
    fn is_well(&self) -> bool {
        self.refused + self.distrusted + self.open == 0
    }
}

impl Judged {
    /// What does not go together, given whether the server starts: a word for its kind, a sort, and both sides.
    pub fn contradiction(&self, starts: bool) -> Option<(&'static str, String, String)> {
        let errors = self.errors.iter().cloned().collect::<Vec<_>>().join(" ");
        if !starts {
            return self.errors.is_empty().then(|| {
                ("silent-start", String::new(), "the server does not start, and no finding is an error".to_owned())
            });
        }
        // On a socket where another site answers, a name is not served.
        let mut hosts: BTreeMap<&str, Vec<&Served>> = BTreeMap::new();
        for ((_, host), one) in &self.served {
            hosts.entry(host).or_default().push(one);
        }
        // Where some fail for one reason and others for another, each may be a warning.
        let is_lost = |one: &&Served| one.ok == 0 && one.open == 0 && (one.refused == 0) != (one.distrusted == 0);
        let lost = hosts.iter().find(|(_, all)| all.iter().all(is_lost)).filter(|_| self.errors.is_empty());
        if let Some((host, all)) = lost {
            let words = format!("no client of today gets {host}, and no finding is an error: {}", all[0].why);
            return Some(("silent-name", String::new(), words));
        }
        let all_are_well =
            !self.served.is_empty() && !self.fails_elsewhere && self.served.values().all(Served::is_well);
        (all_are_well && !self.errors.is_empty()).then(|| {
            (
                "alarm",
                errors.clone(),
                format!("it starts, every client of today gets every name, and errors are: {errors}"),
            )
        })
    }
}
