//! `shakedown init`: a `shakedown.toml` for what is found, and a hook for pre-commit where the folder is a repository.

use std::path::{Path, PathBuf};

use clap::Args;

use super::args::Shared;
use super::{CLEAN, output};
use crate::config::{self, Found};
use crate::diagnostic::{Unchecked, UncheckedReason};
use crate::model::ServerKind;
use crate::pipeline::{self, Failure, Options, main_file};
use crate::source::{Disk, FileKind, FileSystem};

/// `init`.
#[derive(Debug, Args)]
pub struct InitArguments {
    /// The folder that gets the files
    #[arg(value_name = "FOLDER", default_value = ".")]
    pub folder: PathBuf,

    /// Write over a shakedown.toml that is there
    #[arg(long)]
    pub force: bool,

    /// Write no hook for pre-commit
    #[arg(long)]
    pub no_hook: bool,

    /// Options that all commands share.
    #[command(flatten)]
    pub shared: Shared,
}

/// What pre-commit reads.
const HOOKS: &str = ".pre-commit-config.yaml";
/// What findings that are known are written to.
const BASELINE: &str = "shakedown-baseline.json";
/// How deep main files are looked for, and in how many folders.
const DEPTH: usize = 9;
const FOLDERS: usize = 5_000;

/// Runs the command.
///
/// # Errors
/// Where the folder cannot be read, a file is there already, or cannot be written.
pub fn run(arguments: &InitArguments) -> Result<u8, Failure> {
    let files = Disk::new();
    let folder = &arguments.folder;
    match files.metadata(folder) {
        Ok(found) if found.kind == FileKind::Directory => {}
        Ok(found) => {
            let failure = Failure::new(format!("cannot write into {}: it is {}", folder.display(), found.kind));
            return Err(failure.help("name a folder"));
        }
        Err(error) => {
            let failure = Failure::new(format!("cannot write into {}: {error}", folder.display()));
            return Err(failure.help("make the folder first, or name another"));
        }
    }
    let path = folder.join(config::NAME);
    if files.metadata(&path).is_ok() && !arguments.force {
        let failure = Failure::new(format!("{} is there already", path.display()));
        return Err(failure.help("write over it with --force, or change it by hand"));
    }
    let mains = find(&files, folder);
    let repository = repository(&files, folder);
    let found = Found {
        certificates_missing: certificates_missing(&files, folder, &mains),
        mains: mains.iter().map(|(path, server)| (path.display().to_string(), *server)).collect(),
        baseline: repository.is_some().then(|| BASELINE.to_owned()),
    };
    write(&path, &config::starter(&found))?;
    let mut told = String::new();
    for (path, server) in &found.mains {
        told += &format!("found {path} ({})\n", server.title());
    }
    if found.mains.is_empty() {
        told += "found no main file of a server: set `server` in shakedown.toml\n";
    }
    told += &format!("wrote {}\n", path.display());
    if found.certificates_missing {
        told += "certificates are not here: they are not judged (`certificates-elsewhere`)\n";
    }
    if let Some(root) = repository.filter(|_| !arguments.no_hook) {
        let hooks = root.join(HOOKS);
        let hook = hook(&files, &root, folder, &mains);
        if files.metadata(&hooks).is_ok() {
            told += &format!("add to {}:\n{hook}", hooks.display());
        } else {
            write(&hooks, &format!("repos:\n{hook}"))?;
            told += &format!("wrote {}\n", hooks.display());
        }
        told += "next:\n";
        told += &format!("  shakedown lint --write-baseline {BASELINE}    # what is there today may stay\n");
        told += "  pre-commit install                                         # what is new is told before it is committed\n";
        told += "  git add . && git commit\n";
    } else {
        told += "next: shakedown lint\n";
    }
    if !arguments.shared.quiet {
        output(&arguments.shared, told.as_bytes())?;
    }
    Ok(CLEAN)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))
}

/// Main files below a folder, as paths from it. Hidden folders and those of tools are left out.
fn find(files: &Disk, folder: &Path) -> Vec<(PathBuf, ServerKind)> {
    const TOOLS: [&str; 3] = ["node_modules", "target", "vendor"];
    let all = files.walk(folder, DEPTH, |name| !name.starts_with('.') && !TOOLS.contains(&name));
    let mut folders = 0;
    let few = all.take_while(|(_, kind)| {
        folders += usize::from(*kind == FileKind::Directory);
        folders < FOLDERS
    });
    let regular = few.filter(|(_, kind)| *kind == FileKind::Regular);
    let mains = regular.filter_map(|(path, _)| {
        let server = main_file(&path.file_name()?.to_string_lossy())?;
        Some((path, server))
    });
    mains.collect()
}

/// Whether files that the configurations name are not there.
fn certificates_missing(files: &Disk, folder: &Path, mains: &[(PathBuf, ServerKind)]) -> bool {
    let paths: Vec<PathBuf> = mains.iter().map(|(path, _)| folder.join(path)).collect();
    if paths.is_empty() {
        return false;
    }
    let run = pipeline::lint(files, &paths, &Options { certificates_elsewhere: true, ..Options::default() });
    let is_missing = |one: &Unchecked| one.what != "include" && matches!(one.reason, UncheckedReason::NotAtHand(_));
    run.is_ok_and(|run| run.unjudged.iter().any(is_missing))
}

/// The repository that a folder lies in.
fn repository(files: &Disk, folder: &Path) -> Option<PathBuf> {
    let whole = files.canonical(folder).ok()?;
    let found = whole.ancestors().find(|folder| files.metadata(&folder.join(".git")).is_ok())?;
    // Where the folder is the repository, paths stay as they were given.
    Some(if found == whole { folder.to_path_buf() } else { found.to_path_buf() })
}

/// The hook for the configurations that were found, as an item of `repos`.
fn hook(files: &Disk, root: &Path, folder: &Path, mains: &[(PathBuf, ServerKind)]) -> String {
    let whole = |path: &Path| files.canonical(path).ok();
    let below = whole(folder).zip(whole(root)).and_then(|(one, root)| Some(one.strip_prefix(root).ok()?.to_path_buf()));
    let below = below.unwrap_or_default();
    let mut patterns: Vec<String> = Vec::new();
    for (main, server) in mains {
        let folder = below.join(main.parent().unwrap_or(Path::new("")));
        let folder = folder.to_string_lossy();
        let folder = if folder.is_empty() { String::new() } else { format!("{}/", regular(&folder)) };
        let pattern = format!("{folder}{}", files_of(*server));
        if !patterns.contains(&pattern) {
            patterns.push(pattern);
        }
    }
    if patterns.is_empty() {
        patterns.push(r"(.*/)?(nginx|apache2|httpd)\.conf|(.*/)?Caddyfile".to_owned());
    }
    format!(
        "  - repo: local\n    hooks:\n      - id: shakedown\n        name: shakedown\n        entry: shakedown lint\n        \
         language: system\n        files: '^({})$'\n",
        patterns.join("|")
    )
}

/// The files of a server below the folder of its main file, as a regular expression.
fn files_of(server: ServerKind) -> &'static str {
    match server {
        ServerKind::Nginx => r"(.*\.conf|(.*/)?(sites-(available|enabled)|snippets)/[^/.]+)",
        ServerKind::Apache => r"(.*\.(conf|load)|(.*/)?sites-(available|enabled)/[^/.]+)",
        ServerKind::Caddy => r"((.*/)?Caddyfile(\..*)?|.*\.caddy(file)?|(.*/)?caddy\.json)",
    }
}

/// A path in which no letter stands for anything but itself.
fn regular(path: &str) -> String {
    let special = |letter: char| r"\.+*?()|[]{}^$".contains(letter);
    path.chars().flat_map(|letter| special(letter).then_some('\\').into_iter().chain([letter])).collect()
}
