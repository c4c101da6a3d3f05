//! The command line: arguments, what the process knows (clock, terminal, standard input), exit codes.

mod args;
mod ciphers;
mod demo;
mod handshake;
mod lint;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;

use self::args::{Arguments, Color, Command, Format, Shared};
use crate::pipeline::Failure;
use crate::report::{self, Style};

/// Nothing at or above the threshold.
const CLEAN: u8 = 0;
/// Findings.
const FINDINGS: u8 = 1;
/// The run could not be done.
const FAILED: u8 = 2;

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    ExitCode::from(run(std::env::args_os()))
}

fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { FAILED } else { CLEAN };
        }
    };
    let (shared, format) = match &arguments.command {
        Command::Lint(lint) => (&lint.shared, lint.format),
        Command::Handshake(handshake) => (&handshake.shared, handshake.format),
        Command::Ciphers(ciphers) => (&ciphers.shared, ciphers.format),
        Command::Demo(demo) => (&demo.shared, Format::Pretty),
    };
    if let Some(jobs) = shared.jobs {
        // Fails only where a pool exists already, and then that one serves.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(jobs.into()).build_global();
    }
    let done = match &arguments.command {
        Command::Lint(lint) => lint::run(lint),
        Command::Handshake(handshake) => handshake::run(handshake),
        Command::Ciphers(ciphers) => ciphers::run(ciphers),
        Command::Demo(demo) => demo::run(demo),
    };
    done.unwrap_or_else(|failure| {
        failed(&failure, shared, format);
        FAILED
    })
}

/// Says why a run could not be done, in machine formats as one document on standard output.
fn failed(failure: &Failure, shared: &Shared, format: Format) {
    match format {
        Format::Json => {
            let document = serde_json::to_string_pretty(&report::json::error(failure));
            let _ = output(shared, document.unwrap_or_default().as_bytes());
        }
        Format::Pretty | Format::Concise => {
            let _ = write!(std::io::stderr(), "{}", report::failure(failure, style(shared, &std::io::stderr())));
        }
    }
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
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot write the report: {error}")))
        }
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
