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

/// Rules that tell of sites that nobody reaches: their certificates are judged all the same.
const UNREACHED: &[&str] = &["server-name-missing", "shadowed-site", "site-without-listener"];

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
    /// Whether all sites may be reached.
    are_reached: bool,
    served: BTreeMap<(String, String), Served>,
}

/// Asks the tool, below the folder of the case.
pub fn judge(tool: &Path, folder: &Path, platform: &Platform, case: &Case) -> Option<Judged> {
    let run = |command: &str| {
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
        let output = line.arg(case.main).current_dir(folder).output().expect("the tool can be run");
        serde_json::from_slice::<Value>(&output.stdout).ok()
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (linted, shaken) = (run("lint")?, run("handshake")?);
    let findings = linted["findings"].as_array()?;
    let are_reached = !findings.iter().any(|one| UNREACHED.contains(&text(&one["rule"]).as_str()));
    let errors = findings.iter().filter(|one| one["severity"] == "error").map(|one| text(&one["rule"])).collect();
    let mut served: BTreeMap<(String, String), Served> = BTreeMap::new();
    for entry in shaken["handshakes"].as_array()?.iter().filter(|entry| !OLD.contains(&text(&entry["client"]))) {
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
    Some(Judged { errors, are_reached, served })
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
            !self.served.is_empty() && self.served.values().all(|one| one.refused + one.distrusted + one.open == 0);
        (all_are_well && self.are_reached && !self.errors.is_empty()).then(|| {
            (
                "alarm",
                errors.clone(),
                format!("it starts, every client of today gets every name, and errors are: {errors}"),
            )
        })
    }
}
