//! `shakedown lint`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::args::{OUTPUT, Shared, TargetArguments, Threshold, severity_of_rule};
use super::format::{LintFormat, Report, unwritable};
use super::progress::Progress;
use super::resolve::{self, ResolvedLint};
use super::{CLEAN, FINDINGS, output, output_by, style};
use super::{fleet, input};
use crate::diagnostic::{FileAction, Safety};
use crate::lint::Level;
use crate::pipeline::{self, Changed, Failure, Run};
use crate::source::{Disk, FileSystem};
use crate::{fix, report};

const RULES: &str = "Which rules";
const GATE: &str = "What makes the run fail, and what may stay";
const REPAIR: &str = "Repairs";

/// What stands below the options.
const EXAMPLES: &str = "\
Look:
  shakedown lint                                 the live configuration of this machine
  shakedown lint sites-enabled/shop.conf         a part, inside the main file that includes it
  shakedown lint --now +30d                      what breaks within a month
  shakedown lint --root /mnt/snapshot            another machine's files
  shakedown lint hosts/*/ archives/*.tar.gz      many machines', each below its own root

Repair:
  shakedown lint --diff nginx.conf               as a patch; nothing is written
  shakedown lint --fix nginx.conf

Live with what is there:
  shakedown lint --write-baseline known.json .   then: shakedown lint --baseline known.json .
  shakedown lint --add-ignores='why it may stay' nginx.conf

For programs:
  shakedown lint --format sarif --output-file shakedown.sarif .
  shakedown lint --fail-on error --strict .

Exit codes: 0 nothing at or above --fail-on, 1 findings, 2 the run could not be done.";

/// `lint`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct LintArguments {
    /// Files or folders; copies of machines, each a root of its own: folders with their etc/, archives of it (.tar,
    /// .tar.gz); none: the live configuration of whatever server is installed; -: standard input
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// Options that all commands share.
    #[command(flatten)]
    pub shared: Shared,

    /// Options about the configuration.
    #[command(flatten)]
    pub target: TargetArguments,

    /// How to show findings
    #[arg(long, value_enum, default_value_t = LintFormat::default(), help_heading = OUTPUT)]
    pub format: LintFormat,

    /// Only these rules
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = RULES)]
    pub select: Vec<String>,

    /// Not these rules
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = RULES)]
    pub ignore: Vec<String>,

    /// Another severity for a rule: error, warning, info or off
    #[arg(long, value_name = "NAME=LEVEL", value_parser = severity_of_rule, help_heading = RULES)]
    pub severity: Vec<(String, Level)>,

    /// Hold all sites against a recommendation: mozilla-modern, mozilla-intermediate or mozilla-old
    #[arg(long, value_name = "NAME", help_heading = RULES)]
    pub profile: Option<String>,

    /// From which severity on findings make the run fail [default: warning]
    #[arg(long, value_enum, value_name = "LEVEL", help_heading = GATE)]
    pub fail_on: Option<Threshold>,

    /// What could not be judged makes the run fail too
    #[arg(long, help_heading = GATE)]
    pub strict: bool,

    /// Leave out findings that stand in this file
    #[arg(long, value_name = "FILE", help_heading = GATE)]
    pub baseline: Option<PathBuf>,

    /// Leave out what a snapshot, an archive or a revision of git has already
    #[arg(long, value_name = "SNAPSHOT|git:REV", conflicts_with_all = ["write_baseline", "fix", "unsafe_fixes", "diff", "add_ignores"], help_heading = GATE)]
    pub since: Option<PathBuf>,

    /// The folder with snapshots, for --since
    #[arg(long, value_name = "DIR", default_value = crate::cli::STORE, help_heading = GATE)]
    pub store: PathBuf,

    /// Write all findings to a file that --baseline takes, and end well
    #[arg(long, value_name = "FILE", conflicts_with_all = ["fix", "unsafe_fixes", "diff", "baseline", "add_ignores"], help_heading = GATE)]
    pub write_baseline: Option<PathBuf>,

    /// Write a comment above each directive with a finding, so that it may stay: --add-ignores="why"
    #[arg(
        long,
        value_name = "REASON",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "known before shakedown was run here",
        conflicts_with_all = ["fix", "unsafe_fixes", "diff"],
        help_heading = GATE
    )]
    pub add_ignores: Option<String>,

    /// Repair what can be repaired without changing what works; site files may get another name
    #[arg(long, help_heading = REPAIR)]
    pub fix: bool,

    /// Repair also what changes behaviour, and set modes and groups of keys and certificates
    #[arg(long, help_heading = REPAIR)]
    pub unsafe_fixes: bool,

    /// Print what --fix (or --unsafe-fixes) would do as a patch, and change nothing
    #[arg(long, conflicts_with = "format", help_heading = REPAIR)]
    pub diff: bool,
}

/// Runs the command.
///
/// # Errors
/// Where the run cannot be done, or a file cannot be written.
pub fn run(arguments: &LintArguments) -> Result<u8, Failure> {
    let disk = arguments.target.files();
    let asked = resolve::lint(&disk, arguments)?;
    if fleet::is_wanted(arguments, &disk, &asked)? {
        return fleet::run(arguments, &disk, &asked);
    }
    let progress = Progress::start(&disk, &arguments.shared);
    let files: &dyn FileSystem = &progress;
    let (options, paths) = (&asked.options, &asked.paths);
    let most = if arguments.unsafe_fixes { Safety::Unsafe } else { Safety::Safe };
    if arguments.diff {
        let before = pipeline::lint(files, paths, options)?;
        let fixed = pipeline::fix(files, paths, options, most)?;
        progress.end();
        let changed = fixed.files.iter().map(|(path, (before, after))| (path.as_path(), &**before, &after[..]));
        let commands: Vec<String> = fixed.deeds.iter().flat_map(FileAction::commands).collect();
        output(&arguments.shared, &report::whole_patch(changed, &commands))?;
        return Ok(code(&before, &asked));
    }
    if let Some(path) = &arguments.write_baseline {
        let run = pipeline::lint(files, paths, options)?;
        progress.end();
        return write_baseline(&run, path, arguments.shared.quiet);
    }
    if let Some(reason) = &arguments.add_ignores {
        let added = pipeline::add_ignores(files, paths, options, reason)?;
        progress.end();
        write(files, &added.files)?;
        if !arguments.shared.quiet {
            let (count, files) = (added.count, added.files.len());
            eprintln!("added {count} comment{} in {files} file{}", plural(count), plural(files));
        }
        show(&added.run, arguments)?;
        return Ok(code(&added.run, &asked));
    }
    let run = if arguments.fix || arguments.unsafe_fixes {
        let run = mend(files, &asked, most)?;
        progress.end();
        run
    } else {
        let mut run = pipeline::lint(files, paths, options)?;
        if let Some(since) = &arguments.since {
            let earlier = earlier(since, arguments, &disk, &asked)?;
            run.leave_out_known(&earlier, &since.to_string_lossy());
            let is_known = |finding: &crate::diagnostic::Finding| input::MEDIUM.contains(&finding.rule.as_str());
            run.findings.retain(|finding| !is_known(finding));
        }
        run
    };
    progress.end();
    show(&run, arguments)?;
    let code = code(&run, &asked);
    // The process ends: its memory need not be given back piece by piece.
    std::mem::forget(run);
    Ok(code)
}

/// What lint says of an earlier configuration.
fn earlier(since: &Path, arguments: &LintArguments, disk: &Disk, asked: &ResolvedLint) -> Result<Run, Failure> {
    let opened = {
        let beside = asked.paths.first().map(std::path::PathBuf::as_path);
        input::open(since, beside, disk, &arguments.store, &asked.options.limits)?
    };
    let mut options = asked.options.clone();
    options.baseline = None;
    opened.apply_to(&mut options);
    // A revision has what is linted under the same paths.
    let is_revision = since.to_string_lossy().starts_with("git:") && since.to_string_lossy().matches(':').count() == 1;
    let paths = if is_revision && !asked.paths.is_empty() { asked.paths.clone() } else { opened.paths.clone() };
    pipeline::lint_elsewhere(&*opened.files, &paths, &options, disk)
}

/// How often files are looked at again once one has another name or mode.
const ROUNDS: usize = 5;

/// Applies fixes, and what is to be done to files beside their bytes, and tells what is left.
fn mend(files: &dyn FileSystem, asked: &ResolvedLint, most: Safety) -> Result<Run, Failure> {
    let mut done: Vec<FileAction> = Vec::new();
    for _ in 0..ROUNDS {
        let fixed = pipeline::fix(files, &asked.paths, &asked.options, most)?;
        write(files, &fixed.files)?;
        if fixed.applied > 0 {
            let (applied, changed) = (fixed.applied, fixed.files.len());
            eprintln!("fixed {applied} fault{} in {changed} file{}", plural(applied), plural(changed));
        }
        let fresh: Vec<FileAction> = fixed.deeds.into_iter().filter(|action| !done.contains(action)).collect();
        if fresh.is_empty() {
            return Ok(fixed.run);
        }
        for action in fresh {
            fix::apply_action(&action).map_err(|error| Failure::new(error.to_string()))?;
            action.commands().iter().for_each(|command| eprintln!("done: {}", report::plain(command)));
            done.push(action);
        }
    }
    pipeline::lint(files, &asked.paths, &asked.options)
}

/// Replaces the files that changed.
fn write(files: &dyn FileSystem, changed: &Changed) -> Result<(), Failure> {
    let mut swept = std::collections::HashSet::new();
    for (path, (before, after)) in changed {
        let real =
            files.canonical(path).map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))?;
        let folder = real.parent().unwrap_or(Path::new("/")).to_path_buf();
        if !swept.contains(&folder) {
            fix::sweep(&folder);
            swept.insert(folder);
        }
        fix::replace(&real, before, after).map_err(|error| Failure::new(error.to_string()))?;
    }
    Ok(())
}

/// Writes the findings of a run as a baseline. A file that is something else is never written over.
fn write_baseline(run: &Run, path: &Path, is_quiet: bool) -> Result<u8, Failure> {
    let shown = path.display();
    if let Ok(bytes) = std::fs::read(path)
        && !bytes.is_empty()
        && report::baseline::parse(&bytes).is_err()
    {
        let failure = Failure::new(format!("{shown} is there and is no baseline: it is not written over"));
        return Err(failure.help("name another file: --write-baseline shakedown-baseline.json"));
    }
    let (text, count) = report::baseline::render(run).map_err(unwritable)?;
    std::fs::write(path, text).map_err(|error| Failure::new(format!("cannot write {shown}: {error}")))?;
    if !is_quiet {
        eprintln!(
            "{count} finding{} written to {shown}: runs with --baseline {shown} tell of new ones alone",
            plural(count)
        );
    }
    Ok(CLEAN)
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// Shows a run in the wanted format.
pub(super) fn show(run: &Run, arguments: &LintArguments) -> Result<(), Failure> {
    let shared = &arguments.shared;
    match arguments.format.report {
        Report::Streamed(write) => {
            let style = style(shared, &std::io::stdout());
            output_by(shared, |out| write(run, style, out))
        }
        Report::Text(text) => output(shared, text(run)?.as_bytes()),
    }
}

/// What remains decides the exit code.
pub(super) fn code(run: &Run, asked: &ResolvedLint) -> u8 {
    let fails = asked.fail_on.severity().is_some_and(|least| run.worst().is_some_and(|worst| worst >= least));
    let is_open = asked.strict && !run.unjudged.is_empty();
    if fails || is_open { FINDINGS } else { CLEAN }
}
