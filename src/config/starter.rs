//! The `shakedown.toml` that `init` writes: what was found is set, all other entries stand there as examples.

use std::fmt::Write;

use super::entry::{CLIENTS, Entry, PER_PATH, TOP};
use crate::model::ServerKind;

/// What was found in a folder.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Main files, with who reads them.
    pub mains: Vec<(String, ServerKind)>,
    /// Whether certificates or keys that they name are not there.
    pub certificates_missing: bool,
    /// The name of the baseline, if it should be set.
    pub baseline: Option<String>,
}

impl Found {
    /// The server, where all main files belong to one.
    fn server(&self) -> Option<ServerKind> {
        let (_, first) = self.mains.first()?;
        self.mains.iter().all(|(_, server)| server == first).then_some(*first)
    }

    /// The value that an entry gets, as TOML.
    fn value(&self, name: &str) -> Option<String> {
        match name {
            "main" => (!self.mains.is_empty()).then(|| {
                let quoted: Vec<String> = self.mains.iter().map(|(path, _)| format!("{path:?}")).collect();
                format!("[{}]", quoted.join(", "))
            }),
            "server" => self.server().map(|server| format!("\"{}\"", server.name())),
            "certificates-elsewhere" => self.certificates_missing.then(|| "true".to_owned()),
            "baseline" => self.baseline.as_ref().map(|name| format!("\"{name}\"")),
            _ => None,
        }
    }
}

/// The text for what was found.
pub fn starter(found: &Found) -> String {
    let mut out = String::from(
        "# What shakedown is asked for in this folder and below. Entries behind `#` are examples.\n\
         # On the command line, options of the same names come first.\n",
    );
    for (path, server) in &found.mains {
        let _ = writeln!(out, "# Found: {path} ({})", server.title());
    }
    let is_table = |entry: &&Entry| entry.example.is_empty();
    for entry in TOP.iter().filter(|entry| !is_table(entry)) {
        let _ = writeln!(out, "\n# {}", entry.what);
        match found.value(entry.name) {
            Some(value) => {
                let _ = writeln!(out, "{} = {value}", entry.name);
            }
            None => {
                let _ = writeln!(out, "# {} = {}", entry.name, entry.example);
            }
        }
    }
    let tables: [(&str, &[&str]); 4] = [
        ("[severity]", &["deprecated-protocol = \"error\"", "stapling-without-responder = \"off\""]),
        ("[paths]", &["\"/etc/letsencrypt/live/\" = \"fixtures/certs/\""]),
        ("[parameters.certificate-expires-soon]", &["days = 20"]),
        ("[clients]", &[]),
    ];
    for (head, lines) in tables {
        let name = head.trim_matches(['[', ']']).split('.').next().unwrap_or_default();
        let what = TOP.iter().find(|entry| entry.name == name).map_or("", |entry| entry.what);
        let _ = writeln!(out, "\n# {what}\n# {head}");
        for line in lines {
            let _ = writeln!(out, "# {line}");
        }
        if name == "clients" {
            entries(&mut out, CLIENTS);
        }
    }
    let what = TOP.iter().find(|entry| entry.name == "per-path").map_or("", |entry| entry.what);
    let _ = writeln!(out, "\n# {what}\n# [[per-path]]");
    entries(&mut out, PER_PATH);
    out
}

fn entries(out: &mut String, all: &[Entry]) {
    for entry in all.iter().filter(|entry| !entry.example.is_empty()) {
        let _ = writeln!(out, "# {} = {}    # {}", entry.name, entry.example, entry.what);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::parse;
    use crate::source::Memory;

    #[test]
    fn what_is_written_is_read_again_with_all_examples_in_it() {
        let mains = vec![("nginx.conf".to_owned(), ServerKind::Nginx)];
        let found = Found { mains, certificates_missing: true, baseline: None };
        let text = starter(&found);
        // All examples at once: what they name is there.
        let is_entry = |line: &&str| line.starts_with("# [") || line.contains(" = ") && line.starts_with("# ");
        let lines = text.lines().map(|line| line.strip_prefix("# ").filter(|_| is_entry(&line)).unwrap_or(line));
        let all: String = lines.flat_map(|line| [line, "\n"]).collect();
        let mut files = Memory::new();
        for path in
            ["nginx.conf", "ca/root.pem", "fixtures/certs/a.pem", "shakedown-baseline.json", "shakedown-rules/a.txt"]
        {
            files.insert(path, *b"");
        }
        let config = parse(&files, Path::new("shakedown.toml"), all.clone().into_bytes().into());
        let config = config.unwrap_or_else(|error| panic!("{error}\n{all}"));
        assert!(config.misfits.is_empty(), "{:?}\n{all}", config.misfits);
        assert_eq!(config.server, Some(ServerKind::Nginx));
        assert!(config.certificates_elsewhere && config.profile.is_some() && config.required.len() == 1);
        let plain = parse(&files, Path::new("shakedown.toml"), text.into_bytes().into());
        assert!(plain.is_ok_and(|config| config.misfits.is_empty() && config.profile.is_none()));
    }
}
