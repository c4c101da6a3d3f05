//! `shakedown certificates`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::args::{Shared, TargetArguments};
use super::format::LintFormat;
use super::hosts::Host;
use super::{CLEAN, output, resolve, style};
use crate::lint;
use crate::pipeline::{self, Calendar, Failure};
use crate::report;

/// What stands below the options.
const EXAMPLES: &str = "\
Ask:
  shakedown certificates                         the live configuration of this machine
  shakedown certificates --now +30d nginx.conf   as it will stand in a month
  shakedown certificates --format json /etc/nginx
  shakedown certificates --format prometheus --output-file certificates.prom

Exit codes: 0 listed, 2 the run could not be done.";

/// `certificates`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CertificatesArguments {
    /// A file or folder; none: the live configuration of whatever server is installed; -: standard input
    #[arg(value_name = "PATH")]
    pub path: Option<PathBuf>,

    /// Options that all commands share.
    #[command(flatten)]
    pub shared: Shared,

    /// Options about the configuration.
    #[command(flatten)]
    pub target: TargetArguments,

    /// How to show it
    #[arg(long, value_enum, default_value_t = CertificatesFormat::Pretty)]
    pub format: CertificatesFormat,
}

/// How to show certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CertificatesFormat {
    /// A table for people
    Pretty,
    /// One JSON document
    Json,
    /// Prometheus' text format, for the textfile collector
    Prometheus,
}

impl CertificatesFormat {
    /// How a failure is written. The command itself writes that of metrics: they are others than those of lint.
    pub fn failure(self) -> LintFormat {
        match self {
            CertificatesFormat::Prometheus => LintFormat::default(),
            other => LintFormat::of(&other),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// As [`pipeline::calendar`]. For Prometheus the file says then that the run could not be done.
pub fn run(arguments: &CertificatesArguments) -> Result<u8, Failure> {
    let (calendar, now) = match look(arguments) {
        Err(failure) if arguments.format == CertificatesFormat::Prometheus => {
            output(&arguments.shared, report::certificates::failure().as_bytes())?;
            return Err(failure);
        }
        looked => looked?,
    };
    let text = match arguments.format {
        CertificatesFormat::Pretty => {
            report::certificates::table(&calendar, now, style(&arguments.shared, &std::io::stdout()))
        }
        CertificatesFormat::Json => report::certificates::json(&calendar, now)
            .map_err(|error| Failure::new(format!("cannot write the report: {error}")))?,
        CertificatesFormat::Prometheus => report::certificates::prometheus(&calendar),
    };
    output(&arguments.shared, text.as_bytes())?;
    Ok(CLEAN)
}

/// What is there, and the time that it is seen from.
fn look(arguments: &CertificatesArguments) -> Result<(Calendar, i64), Failure> {
    let paths: Vec<_> = arguments.path.iter().cloned().collect();
    let files = arguments.target.files();
    let mut options = arguments.target.options(&paths, lint::Settings::default())?;
    let config = resolve::config(&files, &paths, &arguments.target)?;
    let paths = resolve::paths(&files, &paths, config.as_ref());
    if let Some(config) = config {
        options.merge_config(config);
    }
    let host = match (&arguments.path, &arguments.target.root) {
        (Some(path), None) => Host::open(path, &files, &options)?,
        _ => None,
    };
    let calendar = match host {
        Some(host) => pipeline::calendar(&*host.files, &host.paths, &host.apply_to(&options))?,
        None => pipeline::calendar(&files, &paths, &options)?,
    };
    Ok((calendar, options.now))
}
