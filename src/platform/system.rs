//! What a system says to every program that uses OpenSSL: `openssl.cnf`, and Red Hat's system-wide policy.
//!
//! Source: OpenSSL 3.0, `crypto/conf/conf_def.c`, `ssl/ssl_mcnf.c`; config(5). Variables are not replaced: no system of the
//! tables uses them there.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::Platform;
use crate::source::FileSystem;

/// Where systems keep the file.
const FILES: &[&str] = &["/etc/ssl/openssl.cnf", "/etc/pki/tls/openssl.cnf", "/etc/ssl/openssl3.cnf"];
/// Red Hat's cipher string for `PROFILE=SYSTEM`.
const PROFILE: &str = "/etc/crypto-policies/back-ends/openssl.config";
/// How much of a file is read, in bytes.
const SIZE: u64 = 1 << 20;
/// How many files may be included.
const INCLUDES: usize = 50;

/// What a system says to every program that uses OpenSSL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemTls {
    /// Commands of the section `system_default`, in order.
    pub commands: Vec<(String, String)>,
    /// Whether the library knows `PROFILE=SYSTEM`, and what it stands for where that is known.
    pub profile: Option<Option<String>>,
    /// The file that the commands come from.
    pub file: Option<PathBuf>,
}

impl SystemTls {
    /// A system of which nothing is at hand.
    pub fn unread(platform: &Platform) -> SystemTls {
        SystemTls { profile: platform.has_crypto_policies().then_some(None), ..SystemTls::default() }
    }

    /// Reads a system below the root of `files`. Programs that give their name have a section of their own.
    pub fn read(files: &dyn FileSystem, platform: &Platform, program: Option<&str>) -> SystemTls {
        let mut system = SystemTls::unread(platform);
        if system.profile.is_some() {
            let text = files.read(&files.locate(Path::new("/"), Path::new(PROFILE)), SIZE).ok();
            let line = text.map(|text| String::from_utf8_lossy(&text).trim().to_owned());
            system.profile = Some(line.filter(|line| !line.is_empty()));
        }
        for path in FILES {
            let located = files.locate(Path::new("/"), Path::new(path));
            let mut sections = Sections::default();
            if sections.load(files, &located) {
                system.commands = sections.system_default(program);
                system.file = Some(located);
                break;
            }
        }
        system
    }
}

impl Platform {
    /// Whether its OpenSSL takes `PROFILE=SYSTEM` (a patch of Red Hat).
    pub fn has_crypto_policies(&self) -> bool {
        self.name.starts_with("rhel-") || self.name == "fedora"
    }
}

/// A configuration file of OpenSSL: settings by section.
#[derive(Default)]
struct Sections {
    settings: HashMap<String, Vec<(String, String)>>,
    included: usize,
}

impl Sections {
    /// Adds a file with all that it includes; false where it cannot be read.
    fn load(&mut self, files: &dyn FileSystem, path: &Path) -> bool {
        let Ok(text) = files.read(path, SIZE) else { return false };
        let text = String::from_utf8_lossy(&text).replace("\\\r\n", "").replace("\\\n", "");
        let mut section = "default".to_owned();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name.trim().to_owned();
                self.settings.entry(section.clone()).or_default();
            } else if let Some(rest) = line.strip_prefix(".include") {
                let written = rest.trim().trim_start_matches('=').trim();
                self.include(files, &files.locate(path.parent().unwrap_or(Path::new("/")), Path::new(written)));
            } else if let Some((name, value)) = line.split_once('=') {
                let value = value.trim().trim_matches(['"', '\'']).to_owned();
                self.settings.entry(section.clone()).or_default().push((name.trim().to_owned(), value));
            }
        }
        true
    }

    /// A file, or the `.conf` and `.cnf` files of a folder.
    fn include(&mut self, files: &dyn FileSystem, path: &Path) {
        self.included += 1;
        if self.included > INCLUDES || self.load(files, path) {
            return;
        }
        for entry in files.list(path).unwrap_or_default() {
            let is_one = Path::new(&entry.name).extension().is_some_and(|ending| ending == "conf" || ending == "cnf");
            self.included += 1;
            if is_one && self.included <= INCLUDES {
                self.load(files, &path.join(&entry.name));
            }
        }
    }

    fn value(&self, section: &str, name: &str) -> Option<&str> {
        let found = self.settings.get(section)?.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The commands that every context gets. A section that is empty or missing makes OpenSSL discard all of them.
    fn system_default(&self, program: Option<&str>) -> Vec<(String, String)> {
        let start = program.and_then(|name| self.value("default", name));
        let Some(init) = start.or_else(|| self.value("default", "openssl_conf")) else { return Vec::new() };
        let Some(ssl) = self.value(init, "ssl_conf") else { return Vec::new() };
        let Some(names) = self.settings.get(ssl) else { return Vec::new() };
        let is_whole = |(_, section): &(String, String)| self.settings.get(section).is_some_and(|all| !all.is_empty());
        if !names.iter().all(is_whole) {
            return Vec::new();
        }
        let section = self.value(ssl, "system_default").and_then(|name| self.settings.get(name));
        // `1.Options` and `2.Options` are one command given twice.
        let plain = |name: &String| name.split_once('.').map_or(name.clone(), |(_, behind)| behind.to_owned());
        section.map(|all| all.iter().map(|(name, value)| (plain(name), value.clone())).collect()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::{Part, find};
    use crate::source::Memory;

    fn read(text: &str, program: Option<&str>) -> Vec<(String, String)> {
        let mut files = Memory::new();
        files.insert("/etc/ssl/openssl.cnf", text.as_bytes().to_vec());
        files.insert("/etc/ssl/more.cnf", b"[tls]\n2.Options = PrioritizeChaCha\n".to_vec());
        let platform = find("debian-12", Part::Nginx).expect("a platform of the table");
        SystemTls::read(&files, &platform, program).commands
    }

    #[test]
    fn the_section_of_the_system_is_followed_by_name() {
        let text = "openssl_conf = init # start\nnginx = own\n[ init ]\nssl_conf = ssl\n[ssl]\nsystem_default = tls\n\
                    [tls]\nCipherString = DEFAULT:\\\n@SECLEVEL=1\n.include /etc/ssl/more.cnf\n[own]\nproviders = x\n";
        let command = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            read(text, None),
            [command("CipherString", "DEFAULT:@SECLEVEL=1"), command("Options", "PrioritizeChaCha")]
        );
        assert_eq!(read(text, Some("nginx")), []);
        assert_eq!(read(&text.replace("= tls", "= tls\nother = empty\n[empty]"), None), []);
    }
}
