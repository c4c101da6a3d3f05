//! The floor plan of `src/lib.rs` holds: modules import only from floors below, servers do not know one another, and
//! third-party packages have few doors.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Modules from the ground up; those of one floor do not import one another.
const FLOORS: &[&[&str]] = &[
    &["source", "tls"],
    &["diagnostic", "pki", "platform"],
    &["model"],
    &["server", "handshake"],
    &["lint"],
    &["compare", "config", "fix"],
    &["pipeline"],
    &["report", "snapshot"],
    &["cli"],
];

/// Packages and the modules that may name them.
const ALLOWED_USERS: &[(&str, &[&str])] = &[
    ("x509_parser", &["pki"]),
    ("rustls_pemfile", &["pki/pem.rs"]),
    ("ring", &["pki"]),
    ("rsa", &["pki"]),
    ("p256", &["pki"]),
    ("p384", &["pki"]),
    ("p521", &["pki"]),
    ("ed25519_dalek", &["pki"]),
    ("pkcs8", &["pki"]),
    ("webpki_root_certs", &["pki"]),
    ("walkdir", &["source"]),
    ("tar", &["source/archive.rs", "snapshot"]),
    ("flate2", &["source/archive.rs", "snapshot"]),
    ("rustix", &["fix", "source", "snapshot/restore.rs"]),
    ("memchr", &["source", "server", "pki"]),
    ("mimalloc", &["main.rs"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("indicatif", &["cli"]),
    ("quick_xml", &["report"]),
    ("miette", &["report"]),
    ("similar", &["fix"]),
    ("tempfile", &["fix"]),
    ("nom", &["server", "tls"]),
    ("serde_json", &["report", "cli", "snapshot"]),
    ("regex_automata", &["model", "server"]),
];

fn source_files() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = walkdir::WalkDir::new(&root).into_iter().map(|entry| entry.expect("src can be read"));
    let files = files.filter(|entry| entry.path().extension().is_some_and(|ending| ending == "rs"));
    files
        .map(|entry| {
            let text = std::fs::read_to_string(entry.path()).expect("a source file");
            (entry.path().strip_prefix(&root).expect("below src").to_path_buf(), text)
        })
        .collect()
}

/// The code of a file without what stands in its tests and comments.
fn code(text: &str) -> String {
    let until = text.find("#[cfg(test)]").unwrap_or(text.len());
    text[..until].lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn module(path: &Path) -> String {
    let first = path.iter().next().expect("a name").to_string_lossy();
    first.strip_suffix(".rs").unwrap_or(&first).to_owned()
}

#[test]
fn modules_import_only_from_floors_below() {
    let floor: BTreeMap<&str, usize> =
        FLOORS.iter().enumerate().flat_map(|(level, names)| names.iter().map(move |name| (*name, level))).collect();
    let mut wrong = String::new();
    for (path, text) in source_files() {
        let own = module(&path);
        if own == "lib" || own == "main" {
            continue;
        }
        let level = *floor.get(own.as_str()).unwrap_or_else(|| panic!("{own} stands on no floor"));
        let code = code(&text);
        for (at, _) in code.match_indices("crate::") {
            let rest = &code[at + 7..];
            // `use crate::{fix, report};` names several.
            let list = rest.strip_prefix('{').map_or(rest, |list| list.split('}').next().unwrap_or(list));
            let names = if rest.starts_with('{') { list.split(',').collect() } else { vec![list] };
            for name in names {
                let name: String =
                    name.trim().chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect();
                if name != own && floor.get(name.as_str()).is_some_and(|other| *other >= level) {
                    wrong += &format!("{} imports {name}\n", path.display());
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn servers_do_not_know_one_another() {
    let servers = ["nginx", "apache", "caddy"];
    for (path, text) in source_files() {
        let Some(own) = servers.iter().find(|name| path.starts_with(format!("server/{name}"))) else { continue };
        for other in servers.iter().filter(|other| *other != own) {
            let code = code(&text);
            assert!(!code.contains(&format!("server::{other}")), "{} names {other}", path.display());
            assert!(!code.contains(&format!("super::{other}")), "{} names {other}", path.display());
        }
    }
}

#[test]
fn packages_have_few_doors() {
    let mut wrong = String::new();
    for (path, text) in source_files() {
        let code = code(&text);
        for (package, doors) in ALLOWED_USERS {
            let named = code.match_indices(&format!("{package}::")).any(|(at, _)| {
                !code[..at].ends_with(|letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | ':'))
            });
            if named && !doors.iter().any(|door| path.starts_with(door)) {
                wrong += &format!("{} names {package}\n", path.display());
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn every_file_says_what_it_does() {
    for (path, text) in source_files() {
        let lines = text.lines().take_while(|line| line.starts_with("//!")).count();
        let most = if path == Path::new("lib.rs") { usize::MAX } else { 8 };
        assert!((1..=most).contains(&lines), "{}: {lines} lines of introduction", path.display());
    }
}

#[test]
fn the_floor_plan_names_every_module() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).expect("src/lib.rs");
    for (level, names) in FLOORS.iter().enumerate() {
        for name in *names {
            assert!(text.contains(&format!("//! | {level} | [`{name}`]")), "{name} on floor {level}");
            assert!(text.contains(&format!("pub mod {name};")), "{name}");
        }
    }
}
