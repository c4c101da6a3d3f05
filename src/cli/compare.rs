//! `shakedown compare`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::args::{Server, Shared, TARGET, TargetArguments};
use super::handshake::client;
use super::input::{self, Opened};
use super::{CLEAN, FINDINGS, output, resolve, style};
use crate::compare::{Effect, Kind};
use crate::diagnostic::spelling;
use crate::lint;
use crate::model::ServerKind;
use crate::pipeline::{self, Candidate, Comparison, Failure, Matters, Options};
use crate::report;

/// What stands below the options.
const EXAMPLES: &str = "\
Before a reload:
  shakedown compare latest /etc/nginx            with the last snapshot that was good
  shakedown compare backup.tar.gz /etc/nginx     with a backup
  shakedown compare --allow client-lost:old.example.com latest /etc/nginx

In a repository:
  shakedown compare git:origin/main nginx/       what a branch changes for clients
  shakedown compare --format markdown git:HEAD~1 .

A migration is a comparison too:
  shakedown compare --old-platform debian-12 --new-platform debian-13 nginx.conf nginx.conf
  shakedown compare /etc/apache2 /etc/caddy/Caddyfile

Exit codes: 0 nothing got worse but what is allowed, 1 something did, 2 the run could not be done.";

/// `compare`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CompareArguments {
    /// What was good: a file or folder, an archive (.tar, .tar.gz), git:REV[:PATH], or a snapshot (its name, or latest)
    #[arg(value_name = "OLD")]
    pub old: PathBuf,

    /// What is to replace it, the same way
    #[arg(value_name = "NEW")]
    pub new: PathBuf,

    /// Options that all commands share.
    #[command(flatten)]
    pub shared: Shared,

    /// Options about the configuration.
    #[command(flatten)]
    pub target: TargetArguments,

    /// Which server reads OLD, where the two differ
    #[arg(long, value_enum, value_name = "SERVER", help_heading = TARGET)]
    pub old_server: Option<Server>,

    /// Which server reads NEW, where the two differ
    #[arg(long, value_enum, value_name = "SERVER", help_heading = TARGET)]
    pub new_server: Option<Server>,

    /// The system that OLD is for, where the two differ
    #[arg(long, value_name = "NAME", help_heading = TARGET)]
    pub old_platform: Option<String>,

    /// The system that NEW is for, where the two differ
    #[arg(long, value_name = "NAME", help_heading = TARGET)]
    pub new_platform: Option<String>,

    /// The folder with snapshots
    #[arg(long, value_name = "DIR", default_value = crate::cli::STORE, help_heading = TARGET)]
    pub store: PathBuf,

    /// A client by its name, or a file that describes one; may be given several times [default: all known ones]
    #[arg(long, value_name = "NAME|FILE")]
    pub client: Vec<String>,

    /// A change that is meant: its kind, or its kind under one name; may be given several times
    #[arg(long, value_name = "KIND[:HOST]", value_delimiter = ',')]
    pub allow: Vec<String>,

    /// What cannot be told makes the run fail too
    #[arg(long)]
    pub strict: bool,

    /// How to show it
    #[arg(long, value_enum, default_value_t = CompareFormat::Pretty)]
    pub format: CompareFormat,
}

/// How to show a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CompareFormat {
    /// For people, by name, the worst first
    Pretty,
    /// One line a change
    Concise,
    /// One JSON document
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Annotations of GitHub Actions
    Github,
    /// A table for the comment of a pull request
    Markdown,
}

/// Runs the command.
///
/// # Errors
/// Where one side cannot be read, or the arguments name what does not exist.
pub fn run(arguments: &CompareArguments) -> Result<u8, Failure> {
    let disk = arguments.target.files();
    let both = [arguments.old.clone(), arguments.new.clone()];
    let mut options = arguments.target.options(&both, lint::Settings::default())?;
    // The settings are those of what is to come, where that lies on disk.
    let near = [if both[1].exists() { both[1].clone() } else { both[0].clone() }];
    let near: &[PathBuf] = if near[0].exists() { &near } else { &[] };
    let config = resolve::config(&disk, near, &arguments.target)?;
    let mut opened = [
        input::open(&both[0], Some(&both[1]), &disk, &arguments.store, &options.limits)?,
        input::open(&both[1], Some(&both[0]), &disk, &arguments.store, &options.limits)?,
    ];
    for one in &mut opened {
        one.paths = resolve::paths(&*one.files, &one.paths, config.as_ref());
    }
    if let Some(config) = config {
        options.merge_config(config);
    }
    let matters = matters(arguments, &options)?;
    let are_plain = opened.iter().all(Opened::is_plain);
    let side = |at: usize, server: Option<ServerKind>, platform: &Option<String>| {
        let mut options = options.clone();
        options.server = server.or(options.server);
        options.platform = platform.clone().or(options.platform);
        let opened: &Opened = &opened[at];
        opened.apply_to(&mut options);
        if !are_plain {
            options.lint.ignore.extend(input::MEDIUM.iter().map(|name| (*name).to_owned()));
        }
        Candidate { shown: both[at].clone(), files: &*opened.files, paths: opened.paths.clone(), options }
    };
    let old = side(0, arguments.old_server.map(Into::into), &arguments.old_platform);
    let new = side(1, arguments.new_server.map(Into::into), &arguments.new_platform);
    let run = pipeline::compare(&old, &new, &disk, &matters)?;
    let unwritable = |error: serde_json::Error| Failure::new(format!("cannot write the report: {error}"));
    let text = match arguments.format {
        CompareFormat::Pretty => report::compare::pretty(&run, style(&arguments.shared, &std::io::stdout())),
        CompareFormat::Concise => report::compare::concise(&run),
        CompareFormat::Json => report::compare::json(&run).map_err(unwritable)?,
        CompareFormat::Sarif => report::compare::sarif(&run).map_err(unwritable)?,
        CompareFormat::Github => report::compare::github(&run),
        CompareFormat::Markdown => report::compare::markdown(&run),
    };
    output(&arguments.shared, text.as_bytes())?;
    let code = code(&run, arguments.strict);
    // The process ends: its memory need not be given back piece by piece.
    std::mem::forget(run);
    Ok(code)
}

/// Who is asked, and what is meant.
fn matters(arguments: &CompareArguments, options: &Options) -> Result<Matters, Failure> {
    let mut matters = match arguments.client.is_empty() {
        true => Matters::every_client(&options.lint.required),
        false => {
            let clients = arguments.client.iter().map(|name| client(name)).collect::<Result<Vec<_>, _>>()?;
            Matters { kept: vec![true; clients.len()], clients, allowed: Vec::new() }
        }
    };
    matters.allowed = arguments.allow.iter().map(|text| allowed(text)).collect::<Result<_, _>>()?;
    Ok(matters)
}

/// `KIND[:HOST]`.
fn allowed(text: &str) -> Result<(Kind, Option<String>), Failure> {
    let (name, host) = text.split_once(':').map_or((text, None), |(name, host)| (name, Some(host.to_owned())));
    let kind = Kind::find(name).ok_or_else(|| {
        let known = Kind::ALL.iter().map(|kind| kind.name());
        let meant = spelling::nearest(name, known.clone(), 4).map(|(one, _)| format!("did you mean {one}? "));
        let all: Vec<&str> = known.collect();
        Failure::new(format!("no such kind of change: {name}")).help(format!(
            "{}All: {}",
            meant.unwrap_or_default(),
            all.join(", ")
        ))
    })?;
    Ok((kind, host))
}

/// 1 where something got worse that is not allowed.
fn code(run: &Comparison, is_strict: bool) -> u8 {
    let fails = |effect: Effect| effect == Effect::Worse || is_strict && effect == Effect::Unknown;
    let is_open = is_strict && !run.compared.unjudged.is_empty();
    let failing = run.compared.drifts.iter().any(|drift| !drift.allowed && fails(drift.effect));
    if failing || is_open { FINDINGS } else { CLEAN }
}
