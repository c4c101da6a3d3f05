//! The formats of `lint`, each one entry of [`FORMATS`]: its name, how it writes a run and how a failure.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::pipeline::{Failure, Run};
use crate::report::{self, Style};

/// A format: what `--format` takes, and what writes it.
#[derive(Clone, Copy)]
pub struct LintFormat {
    /// As `--format` takes it.
    pub name: &'static str,
    /// What `--help` says of it.
    help: &'static str,
    /// How a run is written.
    pub report: Report,
    /// How a failure is written as a document; absent where people read it on standard error.
    pub failure: Option<fn(&Failure) -> String>,
    /// How one of many targets is written, where the format is lines.
    pub lines: Option<Lines>,
}

/// How a run is written.
#[derive(Clone, Copy)]
pub enum Report {
    /// While it is made.
    Streamed(fn(&Run, Style, &mut dyn Write) -> io::Result<()>),
    /// As a whole.
    Text(fn(&Run) -> Result<String, Failure>),
}

/// How one of many targets is written.
#[derive(Clone, Copy)]
pub struct Lines {
    /// One that was judged.
    pub target: fn(&Path, &Run) -> Result<String, Failure>,
    /// One that could not be looked at.
    pub failed: fn(&Path, &Failure) -> Result<String, Failure>,
    /// Whether a single target is written so too.
    pub is_for_one: bool,
}

/// All, in the order of `--help`. The first is the default.
static FORMATS: [LintFormat; 10] = [
    LintFormat {
        name: "pretty",
        help: "For people, with source frames",
        report: Report::Streamed(report::pretty),
        failure: None,
        lines: None,
    },
    LintFormat {
        name: "concise",
        help: "One line a finding",
        report: Report::Streamed(|run, _, out| report::concise(run, out)),
        failure: None,
        lines: Some(Lines { target: concise_lines, failed: concise_failed, is_for_one: false }),
    },
    LintFormat {
        name: "json",
        help: "One JSON document",
        report: Report::Streamed(|run, _, out| json(&report::json::document(run), out)),
        failure: Some(|failure| serde_json::to_string_pretty(&report::json::error(failure)).unwrap_or_default()),
        lines: None,
    },
    LintFormat {
        name: "ndjson",
        help: "One JSON object a line",
        report: Report::Text(|run| {
            ndjson_target(run.targets.first().map_or(Path::new("/"), |target| &target.path), run)
        }),
        failure: Some(|failure| report::ndjson::failure(failure).unwrap_or_default()),
        lines: Some(Lines { target: ndjson_target, failed: ndjson_failed, is_for_one: true }),
    },
    LintFormat {
        name: "sarif",
        help: "SARIF 2.1.0, for code scanning",
        report: Report::Streamed(|run, _, out| json(&report::sarif::document(run), out)),
        failure: Some(|failure| report::sarif::failure(failure).unwrap_or_default()),
        lines: None,
    },
    LintFormat {
        name: "github",
        help: "Annotations of GitHub Actions",
        report: Report::Text(|run| Ok(report::github::github(run))),
        failure: Some(report::github::failure),
        lines: Some(Lines {
            target: |_, run| Ok(report::github::github(run)),
            failed: |_, failure| Ok(report::github::failure(failure)),
            is_for_one: false,
        }),
    },
    LintFormat {
        name: "gitlab",
        help: "GitLab's code quality report",
        report: Report::Text(|run| in_json(report::gitlab::gitlab(run))),
        failure: Some(|failure| report::gitlab::failure(failure).unwrap_or_default()),
        lines: None,
    },
    LintFormat {
        name: "junit",
        help: "JUnit's XML, as test reports take it",
        report: Report::Text(|run| in_xml(report::junit::junit(run))),
        failure: Some(|failure| report::junit::failure(failure).unwrap_or_default()),
        lines: None,
    },
    LintFormat {
        name: "checkstyle",
        help: "Checkstyle's XML, as review tools take it",
        report: Report::Text(|run| in_xml(report::checkstyle::checkstyle(run))),
        failure: Some(|failure| report::checkstyle::failure(failure).unwrap_or_default()),
        lines: None,
    },
    LintFormat {
        name: "prometheus",
        help: "Prometheus' text format, for the textfile collector",
        report: Report::Text(|run| Ok(report::prometheus::prometheus(run))),
        failure: Some(|_| report::prometheus::failure()),
        lines: None,
    },
];

impl LintFormat {
    /// The format of a name that another command's format has too; the default where there is none.
    pub fn of(named: &impl ValueEnum) -> Self {
        let name = named.to_possible_value();
        let same = |one: &&LintFormat| name.as_ref().is_some_and(|name| name.get_name() == one.name);
        FORMATS.iter().find(same).copied().unwrap_or_default()
    }

    /// Whether people read it, and failures beside it.
    pub fn is_for_people(&self) -> bool {
        self.failure.is_none()
    }
}

impl Default for LintFormat {
    fn default() -> Self {
        FORMATS[0]
    }
}

impl std::fmt::Debug for LintFormat {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name)
    }
}

impl ValueEnum for LintFormat {
    fn value_variants<'a>() -> &'a [Self] {
        &FORMATS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name).help(self.help))
    }
}

/// A report that could not be made.
pub fn unwritable(error: impl Display) -> Failure {
    Failure::new(format!("cannot write the report: {error}"))
}

/// Writes a JSON document while it is made.
fn json(document: &impl serde::Serialize, out: &mut dyn Write) -> io::Result<()> {
    let mut out = report::Spelling::new(out, report::spelled_in_json);
    serde_json::to_writer_pretty(&mut out, document)?;
    out.write_all(b"\n")
}

fn in_json<E: Display>(text: Result<String, E>) -> Result<String, Failure> {
    text.map(|text| report::spelled(text, report::spelled_in_json)).map_err(unwritable)
}

fn in_xml<E: Display>(text: Result<String, E>) -> Result<String, Failure> {
    text.map(|text| report::spelled(text, report::spelled_in_xml)).map_err(unwritable)
}

fn ndjson_target(path: &Path, run: &Run) -> Result<String, Failure> {
    in_json(report::ndjson::target(path, run))
}

fn ndjson_failed(path: &Path, failure: &Failure) -> Result<String, Failure> {
    in_json(report::ndjson::failed_target(path, failure))
}

fn concise_lines(_: &Path, run: &Run) -> Result<String, Failure> {
    let mut lines = Vec::new();
    report::concise(run, &mut lines).map_err(unwritable)?;
    Ok(String::from_utf8_lossy(&lines).into_owned())
}

/// In lines of findings nothing stands for a target that could not be looked at.
fn concise_failed(path: &Path, failure: &Failure) -> Result<String, Failure> {
    eprintln!("error: {}: {}", path.display(), failure.message);
    Ok(String::new())
}
