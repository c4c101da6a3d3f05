//! Everything that a configuration reads, with the links on the way there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::manifest::{File, Key, Link, Manifest, Verdict};
use crate::diagnostic::Severity;
use crate::pipeline::{self, Failure, Options, Run, main_file};
use crate::pki;
use crate::source::{Disk, Recorder};

/// What systems keep for all programs: not part of a configuration.
const SYSTEM: &[&str] = &[
    "/var/lib/dpkg",
    "/lib/apk",
    "/usr/lib",
    "/usr/share",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/group",
    "/etc/ssl/certs",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/systemd",
    "/run/systemd",
    "/lib/systemd",
    "/usr/local/lib/systemd",
    "/proc",
];

/// A configuration with what it reads.
pub struct Gathered {
    /// What lint says of it.
    pub run: Run,
    /// What is to be written beside the archive; its name, time and hash are not known yet.
    pub manifest: Manifest,
    /// The content of each file of the manifest.
    pub contents: Vec<Arc<[u8]>>,
    /// The paths by which configuration files were read, links not followed.
    pub written: BTreeSet<PathBuf>,
}

fn absolute(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut out = PathBuf::new();
    for part in whole.components() {
        match part {
            Component::ParentDir => drop(out.pop()),
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}

/// The path with links followed; those on the way are noted.
fn follow(path: &Path, links: &mut BTreeMap<PathBuf, PathBuf>) -> Option<PathBuf> {
    let mut pending = vec![path.to_path_buf()];
    let mut real = PathBuf::from("/");
    let mut count = 0;
    while let Some(rest) = pending.pop() {
        let mut parts = rest.components();
        let Some(part) = parts.next() else { continue };
        pending.push(parts.as_path().to_path_buf());
        match part {
            Component::RootDir | Component::Prefix(_) => real = PathBuf::from("/"),
            Component::CurDir => {}
            Component::ParentDir => drop(real.pop()),
            Component::Normal(name) => {
                let here = real.join(name);
                match fs::read_link(&here) {
                    Ok(target) => {
                        count += 1;
                        if count > 40 {
                            return None;
                        }
                        links.insert(here, target.clone());
                        pending.push(target);
                    }
                    Err(_) => real = here,
                }
            }
        }
    }
    Some(real)
}

/// Lower-case hex of the SHA-256 of a content.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file as it is there now.
pub fn file_at(path: &Path, bytes: &[u8]) -> File {
    let found = fs::metadata(path).ok();
    let of = |get: fn(&fs::Metadata) -> u32, other: u32| found.as_ref().map_or(other, get);
    File {
        path: path.to_path_buf(),
        kind: "configuration".to_owned(),
        mode: of(|found| found.mode() & 0o7777, 0o644),
        uid: of(|found| found.uid(), 0),
        gid: of(|found| found.gid(), 0),
        sha256: sha256(bytes),
    }
}

/// Reads a configuration and all that it names.
///
/// # Errors
/// As [`pipeline::lint`]; where several configurations are found.
pub fn gather(disk: &Disk, paths: &[PathBuf], options: &Options, with_keys: bool) -> Result<Gathered, Failure> {
    let recorder = Recorder::new(disk);
    // What is read around the configuration does not belong to it.
    let options = &Options { keeps_to_files: true, ..options.clone() };
    let run = pipeline::lint(&recorder, paths, options)?;
    let [target] = &run.targets[..] else {
        let all: Vec<String> = run.targets.iter().map(|target| target.path.display().to_string()).collect();
        let failure = Failure::new("several configurations were found, and a snapshot holds one");
        return Err(failure.help(format!("name one of {}", all.join(", "))));
    };
    let configuration: BTreeSet<PathBuf> = run.configuration().map(absolute).collect();
    let read = recorder.read();
    let with_passwords: BTreeSet<PathBuf> = run.password_files().map(absolute).collect();
    let passwords: Vec<_> = read
        .iter()
        .filter(|(path, _)| with_passwords.contains(&absolute(path)))
        .flat_map(|(_, bytes)| pki::passwords_in(bytes))
        .collect();
    let is_main = |path: &PathBuf| {
        configuration.contains(path)
            && path.file_name().and_then(|name| name.to_str()).is_some_and(|name| main_file(name).is_some())
    };
    let main = read.iter().map(|(path, _)| absolute(path)).find(is_main).or_else(|| configuration.first().cloned());
    let main = main.ok_or_else(|| Failure::new("the configuration has no file that could be kept"))?;
    let mut links = BTreeMap::new();
    let mut manifest = Manifest {
        shakedown_snapshot: 1,
        id: String::new(),
        saved: String::new(),
        good: run.count(Severity::Error) == 0,
        reason: String::new(),
        verdict: Verdict {
            error: run.count(Severity::Error),
            warning: run.count(Severity::Warning),
            info: run.count(Severity::Info),
        },
        server: target.server.name().to_owned(),
        platform: target.platform.name.clone(),
        server_version: target.platform.server_version.to_string(),
        tls_library: target.platform.tls_library.name.clone(),
        security_level: target.platform.security_level,
        folder: folder(&main),
        main,
        with_keys,
        archive_sha256: String::new(),
        files: Vec::new(),
        links: Vec::new(),
        keys: Vec::new(),
    };
    let mut found: BTreeMap<PathBuf, (File, Arc<[u8]>)> = BTreeMap::new();
    let mut written = BTreeSet::new();
    for (path, bytes) in read {
        let path = absolute(&path);
        let is_configuration = configuration.contains(&path);
        let is_of_git = path.components().any(|part| part.as_os_str() == ".git");
        if !is_configuration && (is_of_git || SYSTEM.iter().any(|system| path.starts_with(system))) {
            continue;
        }
        let Some(real) = follow(&path, &mut links) else { continue };
        if is_configuration {
            written.insert(path);
        }
        let kind = match () {
            () if pki::holds_key(&bytes) => "key",
            () if is_configuration => "configuration",
            () if bytes.windows(11).any(|part| part == b"-----BEGIN ") => "certificate",
            () if real.extension().is_some_and(|end| end == "cnf") => "other",
            // Passwords and keys for tickets have no form by which they could be known.
            () => "secret",
        };
        if !with_keys && matches!(kind, "key" | "secret") {
            let public = if kind == "key" { pki::without_secrets(&bytes, &passwords) } else { None };
            if !manifest.keys.iter().any(|key| key.path == real) {
                manifest.keys.push(Key { path: real, public });
            }
            continue;
        }
        let Ok(metadata) = fs::metadata(&real) else { continue };
        let mode = metadata.mode() & 0o7777;
        let (uid, gid) = (metadata.uid(), metadata.gid());
        let file = File { path: real.clone(), kind: kind.to_owned(), mode, uid, gid, sha256: sha256(&bytes) };
        found.insert(real, (file, bytes));
    }
    manifest.keys.sort_by(|one, other| one.path.cmp(&other.path));
    manifest.links = links.into_iter().map(|(path, target)| Link { path, target }).collect();
    let (files, contents) = found.into_values().unzip();
    manifest.files = files;
    Ok(Gathered { run, manifest, contents, written })
}

/// The folder of a configuration by its main file.
fn folder(main: &Path) -> PathBuf {
    let above = main.parent().unwrap_or(Path::new("/"));
    // Red Hat's `/etc/httpd/conf/httpd.conf` includes what lies beside `conf`.
    let is_inner = main.ends_with("conf/httpd.conf") && above.parent().is_some_and(|one| one.ends_with("httpd"));
    if is_inner { above.parent().unwrap_or(above).to_path_buf() } else { above.to_path_buf() }
}
