//! `shakedown.toml`: found upward from what is judged, read with the place of every entry, checked entry by entry.
//!
//! A text that is no TOML is a failure. An entry that cannot be is a [`ConfigIssue`]: the run goes on without it, and says so.

mod entry;
mod find;
mod own;
mod read;
mod starter;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::find::{NAME, find};
pub use self::own::{Found as OwnRules, read as own_rules};
pub use self::read::{ConfigError, parse};
pub use self::starter::{Found, starter};
use crate::diagnostic::Problem;
use crate::handshake::Client;
use crate::lint::{Level, Profile, Rules};
use crate::model::ServerKind;
use crate::platform::{TlsLibrary, Version};
use crate::source::{FileId, Pattern, Span};

/// A `shakedown.toml`, read.
#[derive(Debug, Default)]
pub struct Config {
    /// Its path.
    pub path: PathBuf,
    /// Its text.
    pub bytes: Arc<[u8]>,
    /// Main files, as located: what is judged where no path is given, or the folder as a whole.
    pub mains: Vec<PathBuf>,
    /// Which server reads the configuration.
    pub server: Option<ServerKind>,
    /// The system that it is for.
    pub platform: Option<String>,
    /// Instead of the platform's.
    pub server_version: Option<Version>,
    /// Instead of the platform's.
    pub tls_library: Option<TlsLibrary>,
    /// Instead of the platform's.
    pub security_level: Option<u8>,
    /// Who reads certificates and keys.
    pub run_as: Option<String>,
    /// What clients trust: `system`, `mozilla`, or a file as located.
    pub trust: Vec<PathBuf>,
    /// Names, some with a value.
    pub definitions: Vec<(String, Option<String>)>,
    /// Only these rules.
    pub select: Vec<String>,
    /// Not these rules.
    pub ignore: Vec<String>,
    /// Severities of rules.
    pub severities: BTreeMap<String, Level>,
    /// Numbers that rules read.
    pub parameters: BTreeMap<String, BTreeMap<String, i64>>,
    /// A published set of severities and parameters.
    pub profile: Option<&'static Profile>,
    /// From which level on findings make the run fail.
    pub fail_on: Option<Level>,
    /// Whether what could not be judged makes the run fail too.
    pub strict: Option<bool>,
    /// Whether certificates that are not at hand lie on the server.
    pub certificates_elsewhere: bool,
    /// The file of findings that are known, as located.
    pub baseline: Option<PathBuf>,
    /// Paths of the server and where they are found here, as located.
    pub path_maps: Vec<(PathBuf, PathBuf)>,
    /// Clients that must be able to connect.
    pub required: Vec<Client>,
    /// What holds for some files alone.
    pub per_path: Vec<PerPath>,
    /// The table's rules and the user's own.
    pub rules: Rules,
    /// Entries that have no effect.
    pub misfits: Vec<ConfigIssue>,
}

/// What holds for some files alone.
#[derive(Debug, Default)]
pub struct PerPath {
    /// Patterns of paths, from the folder of the file; `*` stays within a name, `**` does not.
    pub paths: Vec<String>,
    /// Only these rules.
    pub select: Vec<String>,
    /// Not these rules.
    pub ignore: Vec<String>,
    /// Severities of rules.
    pub severities: BTreeMap<String, Level>,
}

/// An entry that has no effect.
#[derive(Debug)]
pub struct ConfigIssue {
    /// The text that it stands in, where that is another file than `shakedown.toml`: a rule's page.
    pub file: Option<(PathBuf, Arc<[u8]>)>,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    rule: &'static str,
    case: &'static str,
    arguments: Vec<(&'static str, String)>,
}

impl ConfigIssue {
    fn new(rule: &'static str, range: std::ops::Range<usize>) -> Self {
        let (start, end) = (range.start as u32, range.end as u32);
        ConfigIssue { file: None, start, end, rule, case: "", arguments: Vec::new() }
    }

    fn case(mut self, case: &'static str) -> Self {
        self.case = case;
        self
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.arguments.push((name, value.into()));
        self
    }

    /// The problem that it is, once its text is known under a number.
    pub fn problem(&self, file: FileId) -> Problem {
        let problem = Problem::new(self.rule, Span::new(file, self.start, self.end)).case(self.case);
        self.arguments.iter().fold(problem, |problem, (name, value)| problem.with(name, value.clone()))
    }
}

impl Config {
    /// The folder that its paths start from.
    pub fn folder(&self) -> &Path {
        folder_of(&self.path)
    }
}

/// The folder of a file, `.` where its path is a name alone.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

impl PerPath {
    /// Whether a path, given from the folder of the file, is meant.
    pub fn meets(&self, path: &str) -> bool {
        self.paths.iter().any(|pattern| matches(pattern, path))
    }
}

/// Whether a pattern with `*`, `?`, `[...]` within a name and `**` for any folders fits a path. One that ends in `/` means all
/// below it; one without `/` fits a name in any folder.
fn matches(pattern: &str, path: &str) -> bool {
    let whole;
    let pattern = match pattern.trim_start_matches("./") {
        folder if folder.ends_with('/') => {
            whole = format!("{folder}**");
            &whole
        }
        name if !name.contains('/') => {
            whole = format!("**/{name}");
            &whole
        }
        other => other,
    };
    let parts: Vec<&str> = pattern.split('/').collect();
    let names: Vec<&str> = path.split('/').filter(|name| *name != ".").collect();
    fits(&parts, &names)
}

fn fits(parts: &[&str], names: &[&str]) -> bool {
    // As with `*` in a name, only the last `**` need be tried anew.
    let (mut at, mut from) = (0, 0);
    let mut retry = None;
    loop {
        if parts.get(at) == Some(&"**") {
            retry = Some((at + 1, from));
            at += 1;
            continue;
        }
        let is_end = at == parts.len() && from == names.len();
        if is_end {
            return true;
        }
        let fits = at < parts.len()
            && from < names.len()
            && (Pattern::new(parts[at].as_bytes()).matches(names[from].as_bytes()) || parts[at] == names[from]);
        if fits {
            (at, from) = (at + 1, from + 1);
            continue;
        }
        match retry {
            Some((after, taken)) if taken < names.len() => {
                retry = Some((after, taken + 1));
                (at, from) = (after, taken + 1);
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_paths() {
        let table = [
            ("*.conf", "a.conf", true),
            ("*.conf", "sites/a.conf", true),
            ("sites/*.conf", "sites/a.conf", true),
            ("sites/*.conf", "sites/old/a.conf", false),
            ("sites/", "sites/old/a.conf", true),
            ("sites/**/a.conf", "sites/a.conf", true),
            ("sites/**/a.conf", "sites/x/y/a.conf", true),
            ("**/legacy/**", "etc/legacy/x/a.conf", true),
            ("./nginx.conf", "nginx.conf", true),
            ("nginx.conf", "nginx.conf.bak", false),
            ("sites", "sites/a.conf", false),
        ];
        for (pattern, path, expected) in table {
            assert_eq!(matches(pattern, path), expected, "{pattern} on {path}");
        }
    }
}
