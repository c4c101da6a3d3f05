//! `shakedown snapshot`.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::args::{Format, Shared, TargetArguments};
use super::format::LintFormat;
use super::{CLEAN, FINDINGS, output, resolve};
use crate::diagnostic::Severity;
use crate::lint;
use crate::model::ServerKind;
use crate::pipeline::{Failure, Options};
use crate::snapshot::{self, Change, Gathered, Manifest, Plan, Store, StoreError};
use crate::source::Disk;
use crate::{fix, report};

/// What stands below the options.
const EXAMPLES: &str = "\
Keep what works, and go back to it:
  shakedown snapshot save                        after a reload that went well
  shakedown compare latest /etc/nginx            before the next one
  shakedown snapshot restore && systemctl reload nginx
                                                 within a minute, where it went wrong after all
  shakedown snapshot restore --dry-run           only shows the way back

Look after them:
  shakedown snapshot list
  shakedown snapshot prune --keep 20

Exit codes: 0 done, 1 not saved because of errors, 2 the run could not be done.";

/// `snapshot`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SnapshotArguments {
    /// What to do with snapshots.
    #[command(subcommand)]
    pub command: SnapshotCommand,

    /// Options that all commands share.
    #[command(flatten)]
    pub shared: Shared,

    /// The folder with snapshots
    #[arg(long, value_name = "DIR", default_value = crate::cli::STORE, global = true)]
    pub store: PathBuf,
}

/// What to do with snapshots.
#[derive(Debug, Subcommand)]
pub enum SnapshotCommand {
    /// Keep a configuration with everything that it reads, if lint finds no error
    Save {
        /// A file or folder; none: the live configuration
        #[arg(value_name = "PATH")]
        path: Option<PathBuf>,

        /// Keep private keys and passwords too, readable for the owner alone, instead of the fingerprints of keys
        #[arg(long)]
        with_keys: bool,

        /// Call it good although lint finds errors
        #[arg(long)]
        allow_errors: bool,

        /// Why it is kept
        #[arg(long, value_name = "WORDS", default_value = "saved by hand")]
        reason: String,

        /// Options about the configuration.
        #[command(flatten)]
        target: Box<TargetArguments>,
    },
    /// List all, the newest first
    List {
        /// How to show them
        #[arg(long, value_enum, default_value_t = Format::Pretty)]
        format: Format,
    },
    /// Show what one holds
    Show {
        /// Its name, or latest
        #[arg(value_name = "NAME", default_value = "latest")]
        id: String,

        /// How to show it
        #[arg(long, value_enum, default_value_t = Format::Pretty)]
        format: Format,
    },
    /// Remove all but the newest; the last good one always stays
    Prune {
        /// How many stay
        #[arg(long, value_name = "N", default_value_t = 10)]
        keep: usize,
    },
    /// Show what leads back to one, keep what is there, and go back; the server is not reloaded
    Restore {
        /// Its name, or latest
        #[arg(value_name = "NAME", default_value = "latest")]
        id: String,

        /// Only show it
        #[arg(long)]
        dry_run: bool,
    },
}

impl SnapshotCommand {
    /// How failures are shown.
    pub fn format(&self) -> LintFormat {
        match self {
            SnapshotCommand::List { format } | SnapshotCommand::Show { format, .. } => LintFormat::of(format),
            _ => LintFormat::default(),
        }
    }
}

fn failed(error: StoreError) -> Failure {
    Failure::new(error.to_string())
}

/// Says something beside the report. That nobody can hear it stops nothing.
fn tell(words: &str) {
    let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{words}\n"));
}

/// Runs the command.
///
/// # Errors
/// Where the store or the configuration cannot be read or written.
pub fn run(arguments: &SnapshotArguments) -> Result<u8, Failure> {
    let store = Store::at(&arguments.store);
    match &arguments.command {
        SnapshotCommand::Save { path, with_keys, allow_errors, reason, target } => {
            save(arguments, &store, path.as_deref(), (*with_keys, *allow_errors), reason, target)
        }
        SnapshotCommand::List { format } => list(arguments, &store, *format),
        SnapshotCommand::Show { id, format } => {
            let manifest = find(&store, id)?;
            let text = match format {
                Format::Json => {
                    serde_json::to_string_pretty(&manifest).map_err(|error| Failure::new(error.to_string()))?
                }
                _ => shown(&manifest),
            };
            output(&arguments.shared, text.as_bytes())?;
            Ok(CLEAN)
        }
        SnapshotCommand::Prune { keep } => prune(arguments, &store, *keep),
        SnapshotCommand::Restore { id, dry_run } => restore(arguments, &store, id, *dry_run),
    }
}

fn find(store: &Store, id: &str) -> Result<Manifest, Failure> {
    let name = id.strip_prefix("snapshot:").unwrap_or(id);
    store
        .find(name)
        .map_err(failed)?
        .ok_or_else(|| Failure::new(format!("no such snapshot: {name}")).help("`shakedown snapshot list` lists all"))
}

/// Reads a configuration for a snapshot.
fn read(
    disk: &Disk,
    path: Option<&Path>,
    target: &TargetArguments,
    with_keys: bool,
) -> Result<(Gathered, Options), Failure> {
    let paths: Vec<PathBuf> = path.map(Path::to_path_buf).into_iter().collect();
    let mut options = target.options(&paths, lint::Settings::default())?;
    let config = resolve::config(disk, &paths, target)?;
    let paths = resolve::paths(disk, &paths, config.as_ref());
    if let Some(config) = config {
        options.merge_config(config);
    }
    Ok((snapshot::gather(disk, &paths, &options, with_keys)?, options))
}

fn save(
    arguments: &SnapshotArguments,
    store: &Store,
    path: Option<&Path>,
    (with_keys, allow_errors): (bool, bool),
    reason: &str,
    target: &TargetArguments,
) -> Result<u8, Failure> {
    let disk = Disk::new();
    let (mut gathered, options) = read(&disk, path, target, with_keys)?;
    let errors = gathered.run.count(Severity::Error);
    if errors > 0 && !allow_errors {
        let _ = report::concise(&gathered.run, &mut std::io::stderr());
        tell(&format!(
            "not saved: {errors} error{} would be called good; mend them, or say --allow-errors",
            if errors == 1 { "" } else { "s" }
        ));
        return Ok(FINDINGS);
    }
    gathered.manifest.good = true;
    gathered.manifest.reason = reason.to_owned();
    if let Some(last) = store.find("latest").map_err(failed)?
        && last.holds_the_same(&gathered.manifest)
        && store.open(&last).is_ok()
    {
        return say(arguments, &format!("nothing has changed since {}\n", last.id));
    }
    let saved = store.save(gathered.manifest, &gathered.contents, options.now).map_err(failed)?;
    say(
        arguments,
        &format!("saved {} ({} files, {} keys as fingerprints)\n", saved.id, saved.files.len(), saved.keys.len()),
    )
}

fn say(arguments: &SnapshotArguments, words: &str) -> Result<u8, Failure> {
    if !arguments.shared.quiet {
        output(&arguments.shared, words.as_bytes())?;
    }
    Ok(CLEAN)
}

fn list(arguments: &SnapshotArguments, store: &Store, format: Format) -> Result<u8, Failure> {
    let (all, broken) = store.list().map_err(failed)?;
    let mut text = String::new();
    if format == Format::Json {
        text = serde_json::to_string_pretty(&all).map_err(|error| Failure::new(error.to_string()))?;
    } else {
        for one in &all {
            let state = if one.good { "good" } else { "kept" };
            let counts = format!("{} errors, {} warnings", one.verdict.error, one.verdict.warning);
            let _ = writeln!(
                text,
                "{}  {state}  {}  {} files  {counts}  {}",
                one.id,
                one.main.display(),
                one.files.len(),
                one.reason
            );
        }
    }
    output(&arguments.shared, text.as_bytes())?;
    for error in &broken {
        tell(&error.to_string());
    }
    Ok(if broken.is_empty() { CLEAN } else { FINDINGS })
}

fn shown(manifest: &Manifest) -> String {
    let mut out = format!(
        "{}\nsaved     {} ({})\nserver    {} {} on {}, {}\nmain      {}\nverdict   {} errors, {} warnings, {} remarks\n",
        manifest.id,
        manifest.saved,
        manifest.reason,
        manifest.server,
        manifest.server_version,
        manifest.platform,
        manifest.tls_library,
        manifest.main.display(),
        manifest.verdict.error,
        manifest.verdict.warning,
        manifest.verdict.info,
    );
    for file in &manifest.files {
        let _ = writeln!(out, "{:<13} {:04o} {}", file.kind, file.mode, file.path.display());
    }
    for link in &manifest.links {
        let _ = writeln!(out, "{:<13}      {} -> {}", "link", link.path.display(), link.target.display());
    }
    for key in &manifest.keys {
        let how = if key.public.is_some() { "(its fingerprint alone)" } else { "(not kept)" };
        let _ = writeln!(out, "{:<13}      {} {how}", "secret", key.path.display());
    }
    out
}

fn prune(arguments: &SnapshotArguments, store: &Store, keep: usize) -> Result<u8, Failure> {
    let (all, _) = store.list().map_err(failed)?;
    let last_good = all.iter().find(|one| one.good).map(|one| one.id.clone());
    let mut words = String::new();
    for one in all.iter().skip(keep).filter(|one| Some(&one.id) != last_good.as_ref()) {
        store.remove(&one.id).map_err(failed)?;
        let _ = writeln!(words, "removed {}", one.id);
    }
    say(arguments, &words)
}

/// How the server is made to read its files again. It is printed, never run.
fn reload(manifest: &Manifest) -> String {
    let main = manifest.main.display();
    match manifest.server.as_str() {
        "nginx" => "nginx -t && systemctl reload nginx".to_owned(),
        "caddy" => format!("caddy validate --config {main} && systemctl reload caddy"),
        _ if manifest.folder.ends_with("httpd") => "apachectl configtest && systemctl reload httpd".to_owned(),
        _ => "apachectl configtest && systemctl reload apache2".to_owned(),
    }
}

fn restore(arguments: &SnapshotArguments, store: &Store, id: &str, dry_run: bool) -> Result<u8, Failure> {
    let manifest = find(store, id)?;
    let archive = store.open(&manifest).map_err(failed)?;
    let disk = Disk::new();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |one| one.as_secs() as i64);
    let mut options = Options { now, ..Options::default() };
    options.server = ServerKind::ALL.into_iter().find(|one| one.name() == manifest.server);
    options.platform = Some(manifest.platform.clone());
    // What is there may be broken in any way, or gone.
    let present = snapshot::gather(&disk, std::slice::from_ref(&manifest.main), &options, manifest.with_keys).ok();
    let plan = snapshot::plan(&manifest, &archive, present.as_ref()).map_err(failed)?;
    let mut words: Vec<u8> = Vec::new();
    for change in &plan.changes {
        words.extend(told(change));
    }
    output(&arguments.shared, &words)?;
    for path in &plan.outside {
        tell(&format!(
            "left as it is, since only what lies in {} is restored: {}",
            manifest.folder.display(),
            path.display()
        ));
    }
    if plan.changes.is_empty() {
        tell(&format!("nothing to restore: {} is as {} has it", manifest.folder.display(), manifest.id));
        return Ok(CLEAN);
    }
    if dry_run {
        return Ok(CLEAN);
    }
    let kept = keep(store, &manifest, present, &plan, now)?;
    tell(&format!("what was there is kept as {kept}"));
    plan.apply().map_err(|error| {
        Failure::new(error.to_string())
            .help(format!("what was there is kept: `shakedown snapshot restore {kept}` brings it back"))
    })?;
    tell(&format!("restored {} ({} changes). Now: {}", manifest.id, plan.changes.len(), reload(&manifest)));
    Ok(CLEAN)
}

/// Keeps all that a restoration replaces or takes away, and what the configuration reads now.
fn keep(
    store: &Store,
    manifest: &Manifest,
    present: Option<Gathered>,
    plan: &Plan,
    now: i64,
) -> Result<String, Failure> {
    let (mut kept, mut contents) = match present {
        Some(gathered) => (gathered.manifest, gathered.contents),
        None => {
            let empty = Manifest { files: Vec::new(), links: Vec::new(), keys: Vec::new(), ..manifest.clone() };
            (empty, Vec::new())
        }
    };
    for change in &plan.changes {
        let (before, file) = match change {
            Change::Write { before: Some(before), file, .. } => (before, file.clone()),
            Change::Remove { before: Some(before), path } => (before, snapshot::file_at(path, before)),
            _ => continue,
        };
        if !kept.files.iter().any(|one| one.path == file.path) {
            let now_there = snapshot::file_at(&file.path, before);
            kept.files.push(snapshot::File { kind: file.kind, ..now_there });
            contents.push(before.clone().into());
        }
    }
    (kept.folder, kept.main) = (manifest.folder.clone(), manifest.main.clone());
    kept.good = false;
    kept.reason = format!("before {} was restored", manifest.id);
    Ok(store.save(kept, &contents, now).map_err(failed)?.id)
}

/// A change as a patch. Nothing of a key is shown.
fn told(change: &Change) -> Vec<u8> {
    match change {
        Change::Write { file, .. } if matches!(file.kind.as_str(), "key" | "secret") => {
            format!("{}: a secret, not shown\n", file.path.display()).into_bytes()
        }
        Change::Write { file, before, after } => {
            fix::unified(&file.path, before.as_deref().unwrap_or_default(), after, 3)
        }
        Change::Link { path, target } => format!("link {} -> {}\n", path.display(), target.display()).into_bytes(),
        Change::Remove { path, before: Some(before) } => fix::unified(path, before, b"", 3),
        Change::Remove { path, before: None } => format!("remove the link {}\n", path.display()).into_bytes(),
    }
}
