//! What systemd is told of a service: who runs it, and how it is reloaded (systemd.unit(5), systemd.exec(5)).

use std::ffi::OsStr;
use std::path::Path;

use super::environment;
use crate::source::FileSystem;

/// How much of a unit is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// Folders of units, the first that has one counts.
const FOLDERS: &[&str] = &[
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// A service as systemd would run it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// Its name, with `.service`.
    pub name: String,
    /// The file that it stands in.
    pub path: String,
    /// `User=`; absent: root.
    pub user: Option<String>,
    /// `Group=`; absent: the user's.
    pub group: Option<String>,
    /// `SupplementaryGroups=`.
    pub more_groups: Vec<String>,
    /// `ExecStart=`, in order.
    pub start: Vec<String>,
    /// `ExecReload=`, in order.
    pub reload: Vec<String>,
    /// The file of each of these.
    pub reload_files: Vec<String>,
    /// `Environment=`, cut into assignments.
    pub environment: Vec<String>,
    /// `EnvironmentFile=`, in order; a minus in front: it need not be there.
    pub environment_files: Vec<String>,
    /// `PassEnvironment=`: variables of systemd's own.
    pub passed: Vec<String>,
    /// Whether rights are given beside the user's (`AmbientCapabilities=CAP_DAC_READ_SEARCH`), or the user is made at start.
    pub is_special: bool,
}

impl Unit {
    /// The unit of the first of these names that there is, with what its drop-ins change.
    pub fn find(files: &dyn FileSystem, names: &[&str]) -> Option<Unit> {
        let read = |path: &str| {
            let bytes = files.read(&files.locate(Path::new("/"), Path::new(path)), LARGEST).ok()?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        names.iter().find_map(|name| {
            let found = FOLDERS.iter().find_map(|folder| {
                let path = format!("{folder}/{name}");
                Some((read(&path)?, path))
            });
            let (text, path) = found?;
            let mut unit = Unit { name: (*name).to_owned(), path: path.clone(), ..Unit::default() };
            unit.add(&text, &path);
            for path in drop_ins(files, name) {
                if let Some(text) = read(&path) {
                    unit.add(&text, &path);
                }
            }
            Some(unit)
        })
    }

    /// The file that an option of the command that starts the service names, `--config FILE` or `--config=FILE`.
    pub fn named_by(&self, option: &str) -> Option<String> {
        named_in(self.start.iter().flat_map(|line| environment::words(line)).collect(), option)
    }

    /// The same for a command of `ExecReload=`.
    pub fn named_by_reload(&self, at: usize, option: &str) -> Option<String> {
        named_in(environment::words(self.reload.get(at)?), option)
    }

    /// The first command of `ExecReload=` that does not force Caddy to look at files again, by its place among all.
    pub fn weak_reload(&self) -> Option<usize> {
        self.reload.iter().position(|command| command.contains("reload") && !command.contains("--force"))
    }

    /// Adds what a text says: a later value replaces an earlier one, an empty one takes a list away.
    fn add(&mut self, text: &str, path: &str) {
        let mut section = "";
        let joined = text.replace("\\\n", " ");
        for line in joined.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name;
            }
            let Some((name, value)) = line.split_once('=').filter(|_| section == "Service") else { continue };
            let value = value.trim();
            let one = || (!value.is_empty()).then(|| value.to_owned());
            match name.trim() {
                "User" => self.user = one(),
                "Group" => self.group = one(),
                "SupplementaryGroups" if value.is_empty() => self.more_groups.clear(),
                "SupplementaryGroups" => self.more_groups.extend(value.split_whitespace().map(str::to_owned)),
                "ExecStart" if value.is_empty() => self.start.clear(),
                "ExecStart" => self.start.push(value.to_owned()),
                "ExecReload" if value.is_empty() => {
                    self.reload.clear();
                    self.reload_files.clear();
                }
                "ExecReload" => {
                    self.reload.push(value.to_owned());
                    self.reload_files.push(path.to_owned());
                }
                "Environment" if value.is_empty() => self.environment.clear(),
                "Environment" => self.environment.extend(environment::words(value)),
                "EnvironmentFile" if value.is_empty() => self.environment_files.clear(),
                "EnvironmentFile" => self.environment_files.push(value.to_owned()),
                "PassEnvironment" if value.is_empty() => self.passed.clear(),
                "PassEnvironment" => self.passed.extend(value.split_whitespace().map(str::to_owned)),
                "AmbientCapabilities" => self.is_special |= value.contains("CAP_DAC_"),
                "DynamicUser" => self.is_special |= matches!(value, "yes" | "true" | "1" | "on"),
                _ => {}
            }
        }
        self.is_special |= self.user.as_deref().is_some_and(|user| user.contains('%'));
    }
}

fn named_in(words: Vec<String>, option: &str) -> Option<String> {
    words.iter().enumerate().find_map(|(at, word)| match word.strip_prefix(option)? {
        "" => words.get(at + 1).cloned(),
        rest => rest.strip_prefix('=').map(str::to_owned),
    })
}

/// Where a command of `ExecReload=` ends in a text, in bytes. Absent where it goes on below, or stands there twice.
pub fn end_of_reload(text: &str, command: &str) -> Option<usize> {
    let mut at = 0;
    let mut found = text.split_inclusive('\n').filter_map(|line| {
        let start = at;
        at += line.len();
        let (name, value) = line.split_once('=')?;
        let is_it = name.trim() == "ExecReload" && value.trim() == command;
        is_it.then(|| start + line.trim_end().len())
    });
    let end = found.next()?;
    found.next().is_none().then_some(end)
}

/// The drop-ins of a unit, by name, whichever folder they stand in; of two with one name the first folder's counts.
fn drop_ins(files: &dyn FileSystem, name: &str) -> Vec<String> {
    let mut found: Vec<(String, String)> = Vec::new();
    for folder in FOLDERS {
        let folder = format!("{folder}/{name}.d");
        let entries = files.list(&files.locate(Path::new("/"), Path::new(&folder))).unwrap_or_default();
        for entry in entries {
            let is_one = Path::new(&entry.name).extension() == Some(OsStr::new("conf"));
            let file = entry.name.to_string_lossy().into_owned();
            if is_one && !found.iter().any(|(other, _)| *other == file) {
                found.push((file.clone(), format!("{folder}/{file}")));
            }
        }
    }
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Memory;

    #[test]
    fn drop_ins_change_a_unit() {
        let mut files = Memory::new();
        let unit =
            "[Unit]\nUser=x\n[Service]\nUser=caddy\nGroup=caddy\nExecReload=/usr/bin/caddy reload \\\n  --force\n";
        files.insert("/lib/systemd/system/caddy.service", unit.as_bytes());
        let more = "[Service]\nExecReload=\nExecReload=/usr/bin/caddy reload\nSupplementaryGroups=ssl-cert web\n";
        files.insert("/etc/systemd/system/caddy.service.d/override.conf", more.as_bytes());
        let found = Unit::find(&files, &["none.service", "caddy.service"]).expect("a unit");
        assert_eq!(found.user.as_deref(), Some("caddy"));
        assert_eq!(found.reload, ["/usr/bin/caddy reload"]);
        assert_eq!(found.reload_files, ["/etc/systemd/system/caddy.service.d/override.conf"]);
        assert_eq!(found.weak_reload(), Some(0));
        assert_eq!(end_of_reload(more, "/usr/bin/caddy reload"), Some(54));
        assert_eq!(end_of_reload(unit, "/usr/bin/caddy reload --force"), None);
        assert_eq!(found.more_groups, ["ssl-cert", "web"]);
        assert!(!found.is_special);
        assert_eq!(Unit::find(&files, &["none.service"]), None);
    }
}
