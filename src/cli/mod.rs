//! The command line: arguments, what the process knows (clock, terminal, standard input), exit codes.

mod args;
mod certificates;
mod ciphers;
mod compare;
mod completions;
mod demo;
mod examples;
mod explain;
mod fleet;
mod format;
mod handshake;
mod hosts;
mod init;
mod input;
mod lint;
mod progress;
mod resolve;
mod rules;
mod snapshot;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use self::args::{Arguments, Color, Command, Shared};
use self::format::LintFormat;
use self::rules::RulesCommand;
use crate::pipeline::{self, Failure};
use crate::report::{self, Style};

/// Where snapshots are kept, unless another folder is named.
const STORE: &str = "/var/lib/shakedown";

/// Nothing at or above the threshold.
const CLEAN: u8 = 0;
/// Findings.
const FINDINGS: u8 = 1;
/// The run could not be done.
const FAILED: u8 = 2;

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    // What panics outside a check has no rule to be told of: the run could not be done.
    let code = std::panic::catch_unwind(|| run(std::env::args_os())).unwrap_or_else(|_| {
        let _ = writeln!(
            std::io::stderr(),
            "error: this is a defect of shakedown, please report it with what stands above"
        );
        FAILED
    });
    ExitCode::from(code)
}

fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let words: Vec<OsString> = arguments.into_iter().collect();
    let arguments = match Arguments::try_parse_from(&words) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            let format = format_of(&words);
            if error.use_stderr() && !format.is_for_people() {
                let told = error.to_string();
                let first = told.lines().next().unwrap_or_default().trim_start_matches("error: ");
                failed(&Failure::new(first).help("see --help"), &Shared::default(), format);
            }
            return if error.use_stderr() { FAILED } else { CLEAN };
        }
    };
    let quiet = Shared::default();
    let (shared, format) = match &arguments.command {
        Command::Lint(lint) => (&lint.shared, lint.format),
        Command::Handshake(handshake) => (&handshake.shared, LintFormat::of(&handshake.format)),
        Command::Snapshot(snapshot) => (&snapshot.shared, snapshot.command.format()),
        Command::Compare(compare) => (&compare.shared, LintFormat::of(&compare.format)),
        Command::Certificates(certificates) => (&certificates.shared, certificates.format.failure()),
        Command::Explain(explain) => (&explain.shared, LintFormat::of(&explain.format)),
        Command::Ciphers(ciphers) => (&ciphers.shared, LintFormat::of(&ciphers.format)),
        Command::Rules(rules) => match &rules.command {
            Some(RulesCommand::Test { shared, .. }) => (shared, LintFormat::default()),
            None => (&rules.shared, LintFormat::of(&rules.format)),
        },
        Command::Init(init) => (&init.shared, LintFormat::default()),
        Command::Completions(_) | Command::Man(_) => (&quiet, LintFormat::default()),
        Command::Demo(demo) => (&demo.shared, LintFormat::default()),
    };
    // Fails only where a pool exists already, and then that one serves.
    let threads = shared.jobs.map_or(0, usize::from);
    let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).stack_size(pipeline::STACK).build_global();
    let done = match &arguments.command {
        Command::Lint(lint) => lint::run(lint),
        Command::Handshake(handshake) => handshake::run(handshake),
        Command::Compare(compare) => compare::run(compare),
        Command::Snapshot(snapshot) => snapshot::run(snapshot),
        Command::Certificates(certificates) => certificates::run(certificates),
        Command::Explain(explain) => explain::run(explain),
        Command::Ciphers(ciphers) => ciphers::run(ciphers),
        Command::Rules(rules) => rules::run(rules),
        Command::Init(init) => init::run(init),
        Command::Completions(completions) => completions::completions(completions),
        Command::Man(man) => completions::man(man),
        Command::Demo(demo) => demo::run(demo),
    };
    done.unwrap_or_else(|failure| {
        failed(&failure, shared, format);
        FAILED
    })
}

/// Says why a run could not be done, in machine formats as one document where the report was wanted.
fn failed(failure: &Failure, shared: &Shared, format: LintFormat) {
    let Some(document) = format.failure else {
        let _ = write!(std::io::stderr(), "{}", report::failure(failure, style(shared, &std::io::stderr())));
        return;
    };
    let document = document(failure);
    if output(shared, document.as_bytes()).is_err() || shared.output_file.is_some() {
        // Nobody may look into the file.
        let _ = write!(std::io::stderr(), "{}", report::failure(failure, style(shared, &std::io::stderr())));
    }
}

/// The format that arguments ask for which are wrong otherwise.
fn format_of(arguments: &[OsString]) -> LintFormat {
    let words: Vec<&str> = arguments.iter().filter_map(|one| one.to_str()).collect();
    let spaced = words.windows(2).find(|pair| pair[0] == "--format").map(|pair| pair[1]);
    let named = spaced.or_else(|| words.iter().find_map(|word| word.strip_prefix("--format=")));
    named.and_then(|name| LintFormat::from_str(name, false).ok()).unwrap_or_default()
}

/// Writes the report where the user wants it. A reader that went away (`| head`) is no failure.
fn output(shared: &Shared, report: &[u8]) -> Result<(), Failure> {
    let written = match &shared.output_file {
        Some(path) => std::fs::write(path, report),
        None => {
            let mut out = std::io::stdout().lock();
            out.write_all(report).and_then(|()| match report.last() {
                Some(b'\n') | None => out.flush(),
                Some(_) => out.write_all(b"\n").and_then(|()| out.flush()),
            })
        }
    };
    self::written(shared, written)
}

fn buffered(to: impl Write, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> std::io::Result<()> {
    let mut out = std::io::BufWriter::with_capacity(1 << 16, to);
    write(&mut out).and_then(|()| out.flush())
}

/// The same, for a report that is written while it is made.
fn output_by(shared: &Shared, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<(), Failure> {
    let written = match &shared.output_file {
        Some(path) => std::fs::File::create(path).and_then(|file| buffered(file, write)),
        None => buffered(std::io::stdout().lock(), write),
    };
    self::written(shared, written)
}

/// What became of writing a report: that nobody reads on is none of its failures.
fn written(shared: &Shared, written: std::io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(match &shared.output_file {
            Some(path) => Failure::new(format!("cannot write the report to {}: {error}", path.display()))
                .help("name a file in a folder that is there and may be written to"),
            None => Failure::new(format!("cannot write the report: {error}")),
        }),
        _ => Ok(()),
    }
}

fn style(shared: &Shared, stream: &impl IsTerminal) -> Style {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_terminal = stream.is_terminal() && shared.output_file.is_none();
    let color = match shared.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => is_terminal && !no_color,
    };
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let width = columns.unwrap_or(if is_terminal { 120 } else { 160 });
    Style { color, width, verbose: shared.verbose, quiet: shared.quiet }
}
