//! Looks at the machine around a configuration: does its clock hold, which server runs with these files and since when, who
//! renews its certificates. No signal is sent and no connection made.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use foldhash::HashSet;
use rayon::prelude::*;

use super::Options;
use super::target;
use crate::lint::{Changed, Clock, Machine, Renewal, Running, Unsynchronized};
use crate::model::{Deployment, ServerKind};
use crate::platform::{Process, booted, processes};
use crate::source::{FileSystem, ReadError};

/// How much a clock may be behind files before it is doubted, in seconds.
const LATER: i64 = 3_600;

/// How exactly the start of a process is known, and how long reading may take, in seconds.
const SLACK: i64 = 5;

/// How much is read of a file about the system, in bytes.
const LARGEST: u64 = 1 << 20;

/// How many files one worker looks at at a time.
const AT_ONCE: usize = 64;

/// How long a service may take to set the clock, in seconds.
const SETTING: i64 = 600;

/// What systems themselves write often: one that is later than the clock is enough.
const DATABASES: &[&str] =
    &["/var/lib/dpkg/status", "/lib/apk/db/installed", "/var/lib/rpm/rpmdb.sqlite", "/var/lib/systemd/timesync/clock"];

/// Signs of a container, whose clock is that of its host.
const CONTAINERS: &[&str] = &["/.dockerenv", "/run/.containerenv", "/run/systemd/container"];

/// Signs of other programs that set the clock.
const KEEPERS: &[&str] =
    &["/run/chrony", "/run/chronyd.pid", "/run/ntpd.pid", "/run/ntpsec", "/run/openntpd", "/run/ptp4l"];

/// Looks around one configuration. `named` are its files, the main one first.
pub fn gather(files: &dyn FileSystem, named: &[&Path], deployment: &Deployment, options: &Options) -> Machine {
    let mut found = Machine::default();
    if options.keeps_to_files {
        return found;
    }
    let main = named.first().copied();
    let is_live = main.is_some_and(|main| target::is_live(files, main, options));
    let is_meant = is_live || options.run_as.is_some() && options.path_maps.is_empty();
    let certificates = deployment.files_at_start();
    let certificates: HashSet<&OsStr> = certificates.iter().map(|one| one.path.as_os_str()).collect();
    let mut certificates: Vec<&Path> = certificates.into_iter().map(Path::new).collect();
    certificates.sort_unstable();
    if let Some(clock) = options.clock {
        let all: Vec<&Path> = named.iter().chain(&certificates).copied().collect();
        found.later = later(files, &all, is_meant, options.now);
        found.unsynchronized = unsynchronized(files, clock, options.now).filter(|_| is_meant);
    }
    let is_here = options.path_maps.is_empty() && options.root.as_deref().is_none_or(|root| root == Path::new("/"));
    if let Some(main) = main.filter(|_| is_here) {
        found.running = running(files, main, deployment).map(|(pid, loaded)| Running {
            pid,
            loaded,
            certificates: changed(files, &certificates, loaded),
            configuration: changed(files, named, loaded),
        });
    }
    found.renewals = renewals(files, deployment);
    found
}

fn at(files: &dyn FileSystem, path: &str) -> PathBuf {
    files.locate(Path::new("/"), Path::new(path))
}

fn is_there(files: &dyn FileSystem, path: &str) -> bool {
    files.metadata(&at(files, path)).is_ok()
}

fn modified(files: &dyn FileSystem, path: &Path) -> Option<i64> {
    files.metadata(path).ok()?.modified
}

/// Files that are later than the clock: a database of the system, or two in different folders and of different times, as
/// what is unpacked at once may bring one wrong time along.
fn later(files: &dyn FileSystem, named: &[&Path], is_meant: bool, now: i64) -> Vec<Changed> {
    let is_later = |path: &Path| {
        let at = modified(files, path).filter(|at| now < at - LATER)?;
        Some(Changed { path: path.to_path_buf(), at })
    };
    // All have been looked at before, to be read.
    let may_be_later = files.newest().is_none_or(|newest| now < newest - LATER);
    let named = if may_be_later { named } else { &[] };
    let mut all: Vec<Changed> = named.par_iter().with_min_len(AT_ONCE).filter_map(|path| is_later(path)).collect();
    let databases: Vec<PathBuf> = DATABASES.iter().map(|path| at(files, path)).collect();
    let databases: Vec<Changed> = databases.iter().filter(|_| is_meant).filter_map(|path| is_later(path)).collect();
    let is_independent =
        |one: &Changed| all.iter().any(|other| other.path.parent() != one.path.parent() && other.at != one.at);
    if databases.is_empty() && !all.iter().any(is_independent) {
        return Vec::new();
    }
    all.extend(databases);
    all.sort_by_key(|one| std::cmp::Reverse(one.at));
    all
}

/// Who says that nothing has set the clock. systemd-timesyncd leaves a file when it has (systemd-timesyncd.service(8)); the
/// kernel counts where no service for it leaves a trace: chrony clears its flag with `rtcsync` only.
fn unsynchronized(files: &dyn FileSystem, clock: Clock, now: i64) -> Option<Unsynchronized> {
    if CONTAINERS.iter().chain(KEEPERS).any(|path| is_there(files, path)) {
        return None;
    }
    let has_had_time = |since: i64| now - since >= SETTING || since - now > SETTING;
    let folder = at(files, "/run/systemd/timesync");
    match files.metadata(&folder) {
        Ok(found) => {
            let is_set = files.metadata(&folder.join("synchronized"));
            let is_late =
                found.modified.is_none_or(has_had_time) && is_set.is_err_and(|error| error == ReadError::Missing);
            is_late.then_some(Unsynchronized::Service)
        }
        Err(error) if error == ReadError::Missing && clock.is_unkept => {
            // Whose kernel was asked has its files here, too: not so an archive or a copy.
            booted(files, &at(files, "/proc")).is_some_and(has_had_time).then_some(Unsynchronized::Kernel)
        }
        Err(_) => None,
    }
}

/// The files that were changed after the server read them, newest first.
fn changed(files: &dyn FileSystem, all: &[&Path], loaded: i64) -> Vec<Changed> {
    let later = all.iter().filter_map(|path| {
        let at = modified(files, path).filter(|at| *at > loaded + SLACK)?;
        Some(Changed { path: path.to_path_buf(), at })
    });
    let mut later: Vec<Changed> = later.collect();
    later.sort_by(|one, two| (two.at, &one.path).cmp(&(one.at, &two.path)));
    later
}

/// The process of the server that runs with a main file, and when it read its files last, at the latest. Absent where none
/// does, several do, or it cannot be told.
fn running(files: &dyn FileSystem, main: &Path, deployment: &Deployment) -> Option<(u32, i64)> {
    let names: &[&str] = match deployment.server {
        ServerKind::Nginx => &["nginx"],
        ServerKind::Apache => &["apache2", "httpd"],
        ServerKind::Caddy => &["caddy"],
    };
    let all = processes(files, &at(files, "/proc"), names);
    let main = files.canonical(main).ok()?;
    let is_first = |one: &&Process| !all.iter().any(|other| other.pid == one.parent);
    let is_ours = |one: &&Process| {
        let path = main_of(files, one, deployment);
        path.and_then(|path| files.canonical(&path).ok()).as_ref() == Some(&main)
    };
    let mut ours = all.iter().filter(is_first).filter(is_ours);
    let first = ours.next().filter(|_| ours.next().is_none())?;
    let workers = || all.iter().filter(|one| one.parent == first.pid);
    let loaded = match deployment.server {
        // Workers of the last reload but one say that they are about to end.
        ServerKind::Nginx => {
            let is_current = |one: &&Process| {
                let title = one.command(files).join(" ");
                title.contains("worker process") && !title.contains("shutting down")
            };
            workers().filter(is_current).map(|one| one.started).min()?
        }
        // Children of earlier ones cannot be told from those of the last: the newest is of it, or later.
        ServerKind::Apache => workers().map(|one| one.started).max()?,
        ServerKind::Caddy => caddy_loaded(files, first, deployment)?,
    };
    Some((first.pid, loaded))
}

/// The main file that a process was started with.
fn main_of(files: &dyn FileSystem, process: &Process, deployment: &Deployment) -> Option<PathBuf> {
    let command = process.command(files);
    // nginx shows one text of all.
    let words: Vec<&str> = match deployment.server {
        ServerKind::Nginx => {
            let title = command.first()?;
            title.starts_with("nginx: master process").then(|| title.split(' ').collect())?
        }
        _ => command.iter().map(String::as_str).collect(),
    };
    let value = |name: &str| {
        let spaced = words.windows(2).find(|pair| pair[0] == name).map(|pair| pair[1]);
        spaced.or_else(|| words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('=')))
    };
    let here = || process.working_folder(files).unwrap_or_default();
    match deployment.server {
        ServerKind::Nginx => {
            let prefix = value("-p").map(|prefix| here().join(prefix));
            match (value("-c"), prefix) {
                (Some(main), Some(prefix)) => Some(prefix.join(main)),
                (Some(main), None) => Path::new(main).is_absolute().then(|| PathBuf::from(main)),
                (None, Some(prefix)) => Some(prefix.join("conf/nginx.conf")),
                (None, None) => Some(deployment.platform.main_file.clone()),
            }
        }
        ServerKind::Apache => match (value("-f"), value("-d")) {
            (Some(main), Some(root)) => Some(here().join(root).join(main)),
            (Some(main), None) => Path::new(main).is_absolute().then(|| PathBuf::from(main)),
            (None, None) => Some(deployment.platform.main_file.clone()),
            (None, Some(_)) => None,
        },
        ServerKind::Caddy => match value("--config").or_else(|| value("-config")) {
            Some(main) => Some(here().join(main)),
            None => Some(process.working_folder(files)?.join("Caddyfile")),
        },
    }
}

/// When Caddy loaded a configuration last: it saves each that it has loaded, unless it is told not to.
fn caddy_loaded(files: &dyn FileSystem, process: &Process, deployment: &Deployment) -> Option<i64> {
    const SAVED: &str = "caddy/autosave.json";
    let variable = |name: &str| process.variable(files, name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let by_process = variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")));
    let by_package = || Some(deployment.platform.data_folder.as_ref()?.parent()?.parent()?.join(".config"));
    let folder = by_process.or_else(by_package)?;
    let saved = modified(files, &folder.join(SAVED))?;
    // What is older than the process was not saved by it.
    (saved + SLACK >= process.started).then_some(saved)
}

/// Certificates of certbot that no command follows once they are renewed.
fn renewals(files: &dyn FileSystem, deployment: &Deployment) -> Vec<Renewal> {
    let live = at(files, "/etc/letsencrypt/live");
    let pairs = deployment.credentials.iter().flat_map(|set| &set.pairs);
    let named = pairs.filter_map(|pair| pair.certificate.get()).map(|(_, path)| path);
    let ours: BTreeSet<&PathBuf> = named.filter(|path| path.starts_with(&live)).collect();
    if ours.is_empty() || is_hooked(files) {
        return Vec::new();
    }
    let found = ours.into_iter().filter_map(|path| {
        let name = path.strip_prefix(&live).ok()?.iter().next()?.to_str()?;
        let settings = at(files, &format!("/etc/letsencrypt/renewal/{name}.conf"));
        let text = read(files, &settings)?;
        let value = |wanted: &str| {
            text.lines().find_map(|line| {
                let (key, value) = line.split_once('=')?;
                (key.trim() == wanted).then(|| value.trim().to_owned()).filter(|value| !value.is_empty())
            })
        };
        let has_hook = ["renew_hook", "deploy_hook", "post_hook"].iter().any(|key| value(key).is_some());
        let installs = value("installer").is_some_and(|one| one != "None");
        (!has_hook && !installs).then(|| Renewal { certificate: path.clone(), settings })
    });
    found.collect()
}

/// Whether a command follows every renewal: a program in a folder of hooks, or an option of whatever starts certbot.
fn is_hooked(files: &dyn FileSystem) -> bool {
    let has_program = ["deploy", "post"].iter().any(|kind| {
        let listed = files.list(&at(files, &format!("/etc/letsencrypt/renewal-hooks/{kind}")));
        listed.map_or_else(|error| error.is_hidden(), |entries| !entries.is_empty())
    });
    const TOLD: &[&str] = &[
        "/etc/letsencrypt/cli.ini",
        "/etc/cron.d/certbot",
        "/etc/cron.daily/certbot",
        "/etc/crontab",
        "/var/spool/cron/crontabs/root",
        "/var/spool/cron/root",
        "/etc/default/certbot",
        "/etc/sysconfig/certbot",
        "/lib/systemd/system/certbot.service",
        "/usr/lib/systemd/system/certbot.service",
        "/etc/systemd/system/certbot.service",
    ];
    let drop_ins = files.list(&at(files, "/etc/systemd/system/certbot.service.d")).unwrap_or_default();
    let drop_ins = drop_ins.iter().filter_map(|entry| {
        let name = entry.name.to_str()?;
        Some(format!("/etc/systemd/system/certbot.service.d/{name}"))
    });
    let told = TOLD.iter().map(|path| (*path).to_owned()).chain(drop_ins);
    let says = |path: String| {
        let located = at(files, &path);
        match files.read(&located, LARGEST) {
            Ok(text) => String::from_utf8_lossy(&text).lines().any(|line| {
                let line = line.trim_start();
                !line.starts_with('#')
                    && ["deploy-hook", "renew-hook", "post-hook"].iter().any(|one| line.contains(one))
            }),
            Err(error) => error.is_hidden() && !path.starts_with("/var/spool"),
        }
    };
    has_program || told.into_iter().any(says)
}

fn read(files: &dyn FileSystem, path: &Path) -> Option<String> {
    let bytes = files.read(path, LARGEST).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
