//! The environment that systemd gives a service (systemd.exec(5), "Environment").

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::unit::Unit;
use crate::source::FileSystem;

/// How much of an environment file is read, in bytes.
const LARGEST: u64 = 1 << 20;
/// Variables that systemd or the manager's own environment may give to any service (systemd.exec(5), "Environment variables
/// in spawned processes").
const BY_SYSTEMD: &[&str] = &[
    "PATH",
    "LANG",
    "USER",
    "LOGNAME",
    "HOME",
    "SHELL",
    "INVOCATION_ID",
    "XDG_RUNTIME_DIR",
    "RUNTIME_DIRECTORY",
    "STATE_DIRECTORY",
    "CACHE_DIRECTORY",
    "LOGS_DIRECTORY",
    "CONFIGURATION_DIRECTORY",
    "CREDENTIALS_DIRECTORY",
    "MAINPID",
    "MANAGERPID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "SYSTEMD_EXEC_PID",
    "TERM",
    "LOG_NAMESPACE",
    "JOURNAL_STREAM",
    "MEMORY_PRESSURE_WATCH",
    "MEMORY_PRESSURE_WRITE",
];

/// Parts of the names of variables whose values are secrets: such a value must not stand in a report.
const SECRET: &[&str] = &["TOKEN", "SECRET", "PASS", "CREDENTIAL", "AUTH", "API", "KEY"];

/// What a service finds in its environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// Variables whose values the files tell.
    pub values: BTreeMap<String, String>,
    /// Variables that are there or may be there, with values that no file tells.
    others: BTreeSet<String>,
    /// Where it is said: the path of the unit.
    pub unit: String,
}

impl Environment {
    /// The environment of a unit. Absent where a part of it cannot be read.
    pub fn of(unit: &Unit, files: &dyn FileSystem) -> Option<Environment> {
        let mut found = Environment { unit: unit.path.clone(), ..Environment::default() };
        found.others.extend(BY_SYSTEMD.iter().map(|name| (*name).to_owned()));
        found.others.extend(unit.passed.iter().cloned());
        for (name, value) in unit.environment.iter().filter_map(|word| word.split_once('=')) {
            // A specifier stands for what only systemd knows.
            found.set(name, (!value.contains('%')).then_some(value));
        }
        for named in &unit.environment_files {
            let (path, is_optional) = named.strip_prefix('-').map_or((&**named, false), |path| (path, true));
            if path.contains(['*', '?', '[', '%']) {
                return None;
            }
            match files.read(&files.locate(Path::new("/"), Path::new(path)), LARGEST) {
                Ok(bytes) => found.add(&String::from_utf8_lossy(&bytes)),
                Err(error) if is_optional && error.is_missing() => {}
                Err(_) => return None,
            }
        }
        Some(found)
    }

    /// Whether nothing gives a variable a value.
    pub fn lacks(&self, name: &str) -> bool {
        !self.values.contains_key(name) && !self.others.contains(name)
    }

    /// Adds the lines of an environment file: `NAME=VALUE`, with one pair of quotes around the value or none.
    fn add(&mut self, text: &str) {
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
            let Some((name, value)) = line.split_once('=') else { continue };
            let value = value.trim();
            let quoted = |mark: char| value.len() > 1 && value.starts_with(mark) && value.ends_with(mark);
            let bare = if quoted('"') || quoted('\'') { &value[1..value.len() - 1] } else { value };
            self.set(name.trim(), (!bare.contains(['\\', '"', '\''])).then_some(bare));
        }
    }

    fn set(&mut self, name: &str, value: Option<&str>) {
        match value.filter(|value| !is_secret(name, value)) {
            Some(value) => {
                self.values.insert(name.to_owned(), value.to_owned());
            }
            None => {
                self.values.remove(name);
                self.others.insert(name.to_owned());
            }
        }
    }
}

/// Whether a value may be a secret. The path of a file with one is none.
fn is_secret(name: &str, value: &str) -> bool {
    let name = name.to_ascii_uppercase();
    !value.starts_with('/') && SECRET.iter().any(|part| name.contains(part))
}

/// The words of a line as systemd cuts them: at white space, with quotes of both kinds.
pub(super) fn words(line: &str) -> Vec<String> {
    let (mut found, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(mark), _) if letter == mark => quote = None,
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, _) if letter.is_whitespace() => found.extend(word.take()),
            (_, '\\') => word.get_or_insert_default().extend(letters.next()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    found.extend(word);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Memory;

    fn environment(unit: &str, file: Option<&str>) -> Option<Environment> {
        let mut files = Memory::new();
        files.insert("/lib/systemd/system/caddy.service", unit.as_bytes());
        if let Some(text) = file {
            files.insert("/etc/default/caddy", text.as_bytes());
        }
        Environment::of(&Unit::find(&files, &["caddy.service"]).expect("a unit"), &files)
    }

    #[test]
    fn later_words_win_and_files_win_over_words() {
        let unit = "[Service]\nEnvironment=\"HOST=a.test b.test\" PORT=1\nEnvironment=PORT=2 DATA=%h DNS_TOKEN=abc KEY_FILE=/k\nPassEnvironment=TOKEN\n\
                    EnvironmentFile=-/etc/default/caddy\n";
        let found = environment(unit, Some("# a comment\nPORT='3'\nODD=\"a\\\"b\"\n")).expect("an environment");
        let told: Vec<_> = found.values.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(told, ["HOST=a.test b.test", "KEY_FILE=/k", "PORT=3"]);
        let lacking: Vec<_> = ["HOST", "PORT", "DATA", "TOKEN", "DNS_TOKEN", "ODD", "PATH", "NONE"]
            .into_iter()
            .filter(|name| found.lacks(name))
            .collect();
        assert_eq!(lacking, ["NONE"]);
    }

    #[test]
    fn a_file_that_must_be_there_and_is_not_leaves_all_unknown() {
        assert_eq!(environment("[Service]\nEnvironmentFile=/etc/default/caddy\n", None), None);
        assert!(environment("[Service]\nEnvironmentFile=-/etc/default/caddy\n", None).is_some());
    }
}
