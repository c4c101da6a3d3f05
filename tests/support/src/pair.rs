//! Pairs of configurations, the one before a change and the one after it, with what the change is worth: one TOML a pair.

use std::collections::BTreeMap;
use std::path::Path;

use crate::recipe::example_files_of;

/// A change that a pair is known for.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Its kind.
    pub kind: String,
    /// The name under which clients meet it; absent: any.
    pub host: Option<String>,
    /// Its effect; absent: any.
    pub effect: Option<String>,
}

/// Two configurations.
#[derive(Clone, Debug)]
pub struct Pair {
    /// `nginx/protocol-only-tls13`.
    pub name: String,
    /// `nginx`, `apache` or `caddy`.
    pub server: String,
    /// What the change is worth: `worse`, `better`, `neutral`, `unknown` or `same`.
    pub verdict: String,
    /// The platform.
    pub platform: String,
    /// What must be among the changes.
    pub drifts: Vec<Expected>,
    /// The files of both sides, the main file under the server's own name.
    pub sides: [BTreeMap<String, Vec<u8>>; 2],
    /// The main file.
    pub main: &'static str,
}

fn read(path: &Path, server: &str) -> Pair {
    let text = std::fs::read_to_string(path).expect("a pair");
    let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let word =
        |table: &toml::Table, name: &str| table.get(name).map(|value| value.as_str().expect("a text").to_owned());
    let files = |name: &str| -> BTreeMap<String, toml::Value> {
        let table = table.get(name).and_then(toml::Value::as_table).cloned().unwrap_or_default();
        table.into_iter().collect()
    };
    let context = word(&table, "context");
    let side = |name: &str| {
        let mut all = files("files");
        all.extend(files(&format!("{name}-files")));
        let config = word(&table, name).expect("a configuration");
        example_files_of(server, &config, context.as_deref(), &all).0
    };
    let drifts = table.get("drift").and_then(toml::Value::as_array).cloned().unwrap_or_default();
    let drifts = drifts.iter().map(|one| one.as_table().expect("a change")).map(|one| Expected {
        kind: word(one, "kind").expect("a kind"),
        host: word(one, "host"),
        effect: word(one, "effect"),
    });
    Pair {
        name: format!("{server}/{}", path.file_stem().expect("a name").to_string_lossy()),
        server: server.to_owned(),
        verdict: word(&table, "verdict").expect("a verdict"),
        platform: word(&table, "platform").unwrap_or_else(|| "debian-12".to_owned()),
        drifts: drifts.collect(),
        sides: [side("old"), side("new")],
        main: crate::recipe::main_file(server),
    }
}

/// All pairs of a server below `folder`, sorted by name.
pub fn pairs(folder: &Path, server: &str) -> Vec<Pair> {
    let entries = std::fs::read_dir(folder.join(server)).expect("the folder of a server");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().map(|path| read(path, server)).collect()
}
