//! What may stand on the command line, and what it means.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::certificates::CertificatesArguments;
use super::ciphers::CiphersArguments;
use super::compare::CompareArguments;
use super::completions::{CompletionsArguments, ManArguments};
use super::demo::DemoArguments;
use super::explain::ExplainArguments;
use super::handshake::HandshakeArguments;
use super::init::InitArguments;
use super::lint::LintArguments;
use super::rules::RulesArguments;
use super::snapshot::SnapshotArguments;
use crate::diagnostic::Severity;
use crate::lint::{self, Level};
use crate::model::ServerKind;
use crate::pipeline::{Failure, Options, TrustSource};
use crate::platform::{TlsLibrary, Version, is_clock_unkept};
use crate::source::{Disk, Limits};

/// Gives a web server's TLS configuration a shakedown before the reload.
#[derive(Debug, Parser)]
#[command(name = "shakedown", version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Find what is wrong with a configuration and its certificates
    Lint(Box<LintArguments>),
    /// Show what clients get: for each address, host and client what is negotiated, or why not
    Handshake(Box<HandshakeArguments>),
    /// Say what changed for clients between two configurations, and whether it is worse
    Compare(Box<CompareArguments>),
    /// Keep known-good configurations, to compare with and go back to
    Snapshot(Box<SnapshotArguments>),
    /// List every certificate by its use, sorted by its last day
    Certificates(Box<CertificatesArguments>),
    /// Say what a rule is about, or what is behind the text of a failed handshake
    Explain(Box<ExplainArguments>),
    /// Show what an OpenSSL cipher string selects, in order, and what of it is ignored
    Ciphers(CiphersArguments),
    /// List all rules, or test those of one's own
    Rules(Box<RulesArguments>),
    /// Write a shakedown.toml for what is found here, and a hook for pre-commit
    Init(InitArguments),
    /// Print completions for a shell
    Completions(CompletionsArguments),
    /// Print the manual page
    Man(ManArguments),
    /// Show what this program does, on a small configuration with faults that it brings along
    Demo(DemoArguments),
}

/// What stands below the options: commands to begin with, by task.
const EXAMPLES: &str = "\
Before a reload, on the server:
  shakedown lint                                 the live configuration of this machine
  shakedown lint --diff /etc/nginx/nginx.conf    what repairs would change, as a patch

In a repository:
  shakedown init                                 a commented shakedown.toml, and a hook for pre-commit
  shakedown lint --write-baseline shakedown-baseline.json

What a change means for clients:
  shakedown compare git:HEAD .                   what the last commit did not have
  shakedown compare old.tar.gz /etc/nginx

Before a change of policy:
  shakedown handshake --host www.example.com /etc/nginx
  shakedown ciphers 'HIGH:!aNULL'

To see what it is about:
  shakedown demo

Exit codes: 0 nothing at or above --fail-on, 1 findings, 2 the run could not be done.";

/// When this release was made, in seconds since 1970-01-01 UTC: the day that stands here (2026-11-25), or what those who build
/// packages say of it.
const BUILT: i64 = match option_env!("SOURCE_DATE_EPOCH") {
    Some(digits) => seconds(digits),
    None => 1_795_564_800,
};

/// The number that digits write.
const fn seconds(digits: &str) -> i64 {
    match i64::from_str_radix(digits, 10) {
        Ok(seconds) => seconds,
        Err(_) => 0,
    }
}

pub const TARGET: &str = "The system that it is for";
pub const BOUNDS: &str = "How much is read before a file is called hostile";
pub const OUTPUT: &str = "Output";

/// Options that all commands share.
#[derive(Debug, Default, Args)]
pub struct Shared {
    /// Write the report to a file
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub output_file: Option<PathBuf>,

    /// When to use colours (NO_COLOR is honoured)
    #[arg(long, value_enum, default_value_t = Color::Auto, value_name = "WHEN", help_heading = OUTPUT)]
    pub color: Color,

    /// How many threads work side by side
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), help_heading = OUTPUT)]
    pub jobs: Option<u16>,

    /// Findings only, no summary
    #[arg(short, long, help_heading = OUTPUT)]
    pub quiet: bool,

    /// Say more
    #[arg(short, long, help_heading = OUTPUT)]
    pub verbose: bool,
}

/// Options about the configuration and the system that it is for.
#[derive(Debug, Args)]
pub struct TargetArguments {
    /// Which server reads the configuration
    #[arg(long, value_enum, help_heading = TARGET)]
    pub server: Option<Server>,

    /// The system that the configuration is for, such as debian-12
    #[arg(long, value_name = "NAME", help_heading = TARGET)]
    pub platform: Option<String>,

    /// Version of the server, instead of the platform's
    #[arg(long, value_name = "V", value_parser = version, help_heading = TARGET)]
    pub server_version: Option<Version>,

    /// TLS library, such as openssl-3.0.19, instead of the platform's
    #[arg(long, value_name = "NAME", value_parser = library, help_heading = TARGET)]
    pub tls_library: Option<TlsLibrary>,

    /// OpenSSL's security level, instead of the platform's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=5), help_heading = TARGET)]
    pub security_level: Option<u8>,

    /// Who reads certificates and keys, instead of the platform's users
    #[arg(long, value_name = "USER", help_heading = TARGET)]
    pub run_as: Option<String>,

    /// Follow absolute paths below this folder
    #[arg(long, value_name = "DIR", value_parser = folder, help_heading = TARGET)]
    pub root: Option<PathBuf>,

    /// Define a name as Apache's -D does; with a value, a variable and what the environment holds (repeatable)
    #[arg(long, value_name = "NAME[=VALUE]", value_parser = definition, help_heading = TARGET)]
    pub define: Vec<(String, Option<String>)>,

    /// The time to judge at: RFC 3339, or an offset from the clock such as +30d or -2h
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = time, help_heading = TARGET)]
    pub now: Option<Time>,

    /// What clients trust: a PEM file, system or mozilla; may be given several times
    #[arg(long, value_name = "FILE|system|mozilla", help_heading = TARGET)]
    pub trust: Vec<PathBuf>,

    /// Judge a part by itself, even where a main file includes it
    #[arg(long, help_heading = TARGET)]
    pub fragment: bool,

    /// The name of standard input
    #[arg(long, value_name = "PATH", default_value = "-", help_heading = TARGET)]
    pub stdin_filename: String,

    /// Certificates and keys that are not here lie on the server: not judged, instead of missing
    #[arg(long, help_heading = TARGET)]
    pub certificates_elsewhere: bool,

    /// Largest configuration file that is read, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=2048), help_heading = BOUNDS)]
    pub max_file_size: u64,

    /// Largest certificate or key file that is read, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=2048), help_heading = BOUNDS)]
    pub max_certificate_size: u64,

    /// How many times files may be included in one run
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000), help_heading = BOUNDS)]
    pub max_includes: u64,

    /// How deep includes may nest
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=200), help_heading = BOUNDS)]
    pub max_include_depth: u64,

    /// How deep blocks may nest
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=1000), help_heading = BOUNDS)]
    pub max_nesting: u64,

    /// How many words the files of a configuration may have together
    #[arg(long, value_name = "N", default_value_t = 3_000_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000), help_heading = BOUNDS)]
    pub max_words: u64,

    /// How much is read of all files together, in MiB; so much of an archive too, unpacked
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=65_536), help_heading = BOUNDS)]
    pub max_total_size: u64,

    /// How many members an archive may have
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000), help_heading = BOUNDS)]
    pub max_archive_members: u64,

    /// How many findings are told
    #[arg(long, value_name = "N", default_value_t = 500_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000), help_heading = BOUNDS)]
    pub max_findings: u64,

    /// Read this file instead of the shakedown.toml that is found upward from the path
    #[arg(long, value_name = "FILE", conflicts_with = "isolated", help_heading = TARGET)]
    pub config: Option<PathBuf>,

    /// Read no shakedown.toml
    #[arg(long, help_heading = TARGET)]
    pub isolated: bool,
}

/// How to show findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people, with source frames
    Pretty,
    /// One line a finding
    Concise,
    /// One JSON document
    Json,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// From which severity on findings make the run fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Threshold {
    /// Errors
    Error,
    /// Warnings and errors
    Warning,
    /// Any finding
    Info,
    /// None
    Never,
}

impl From<Level> for Threshold {
    fn from(level: Level) -> Self {
        match level {
            Level::Off => Threshold::Never,
            Level::At(Severity::Error) => Threshold::Error,
            Level::At(Severity::Warning) => Threshold::Warning,
            Level::At(Severity::Info) => Threshold::Info,
        }
    }
}

impl Threshold {
    /// The least severity that fails; absent: none does.
    pub fn severity(self) -> Option<Severity> {
        match self {
            Threshold::Error => Some(Severity::Error),
            Threshold::Warning => Some(Severity::Warning),
            Threshold::Info => Some(Severity::Info),
            Threshold::Never => None,
        }
    }
}

/// Which server reads the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Server {
    /// nginx
    Nginx,
    /// Apache httpd
    Apache,
    /// Caddy
    Caddy,
}

impl From<Server> for ServerKind {
    fn from(server: Server) -> Self {
        match server {
            Server::Nginx => ServerKind::Nginx,
            Server::Apache => ServerKind::Apache,
            Server::Caddy => ServerKind::Caddy,
        }
    }
}

/// A time, or a distance from the clock in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// Seconds since 1970-01-01 UTC.
    At(i64),
    /// Seconds from now.
    Offset(i64),
}

fn version(text: &str) -> Result<Version, String> {
    Version::parse(text).ok_or_else(|| "write a version such as 1.22.1".to_owned())
}

fn folder(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_dir() { Ok(path) } else { Err("write the path of a folder that is there".to_owned()) }
}

pub fn library(text: &str) -> Result<TlsLibrary, String> {
    TlsLibrary::parse(text).ok_or_else(|| "write a library with its version, such as openssl-3.0.19".to_owned())
}

fn definition(text: &str) -> Result<(String, Option<String>), String> {
    match text.split_once('=') {
        Some(("", _)) => Err("write NAME or NAME=VALUE".to_owned()),
        Some((name, value)) => Ok((name.to_owned(), Some(value.to_owned()))),
        None if text.is_empty() => Err("write NAME or NAME=VALUE".to_owned()),
        None => Ok((text.to_owned(), None)),
    }
}

pub fn severity_of_rule(text: &str) -> Result<(String, Level), String> {
    let (name, level) = text.split_once('=').ok_or("write NAME=LEVEL")?;
    let level = Level::parse(level).ok_or("the level is error, warning, info or off")?;
    Ok((name.to_owned(), level))
}

fn time(text: &str) -> Result<Time, String> {
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Ok(Time::At(at.as_second()));
    }
    let wrong = || "write a time such as 2026-11-23T00:00:00Z, or an offset such as +30d or -2h".to_owned();
    let sign = match text.as_bytes().first() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return Err(wrong()),
    };
    let unit = match text.as_bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 3_600,
        Some(b'd') => 86_400,
        Some(b'w') => 604_800,
        _ => return Err(wrong()),
    };
    let count: i64 =
        text.get(1..text.len() - 1).and_then(|digits| digits.parse::<u32>().ok()).ok_or_else(wrong)?.into();
    Ok(Time::Offset(sign * count * unit))
}

impl TargetArguments {
    /// The files as seen below the root.
    pub fn files(&self) -> Disk {
        self.root.as_ref().map_or_else(Disk::new, Disk::below)
    }

    /// What the pipeline is asked for. Standard input is read where a path is `-`.
    ///
    /// # Errors
    /// Where standard input cannot be read.
    pub fn options(&self, paths: &[PathBuf], lint: lint::Settings) -> Result<Options, Failure> {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
        let now = match self.now {
            None => clock,
            Some(Time::At(at)) => at,
            Some(Time::Offset(offset)) => clock + offset,
        };
        let trust = self.trust.iter().cloned().map(TrustSource::of);
        let mut options = Options {
            server: self.server.map(ServerKind::from),
            platform: self.platform.clone(),
            server_version: self.server_version,
            tls_library: self.tls_library.clone(),
            security_level: self.security_level,
            definitions: self.define.clone(),
            certificates_elsewhere: self.certificates_elsewhere,
            run_as: self.run_as.clone(),
            root: self.root.clone(),
            fragment: self.fragment,
            now,
            clock: self.now.is_none().then(|| self.clock()),
            trust: trust.collect(),
            lint,
            limits: self.limits(),
            ..Options::default()
        };
        if paths.iter().any(|path| path.as_os_str() == "-") {
            options.stdin = Some((self.stdin_filename.clone(), standard_input(options.limits.config_file)?.into()));
        }
        Ok(options)
    }

    /// The clock of this machine. Of another's, whose files lie below a root, the kernel knows nothing.
    fn clock(&self) -> lint::Clock {
        let is_here = self.root.as_deref().is_none_or(|root| root.as_os_str() == "/");
        lint::Clock { built: BUILT, is_unkept: is_here && is_clock_unkept().unwrap_or_default() }
    }

    /// How much is read.
    fn limits(&self) -> Limits {
        let count = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        Limits {
            config_file: self.max_file_size << 20,
            pem_file: self.max_certificate_size << 20,
            whole: self.max_total_size << 20,
            words: count(self.max_words),
            includes: count(self.max_includes),
            include_depth: count(self.max_include_depth),
            block_depth: count(self.max_nesting),
            findings: count(self.max_findings),
            members: count(self.max_archive_members),
        }
    }
}

/// What stands on standard input.
///
/// # Errors
/// Where it cannot be read or is longer than `limit` bytes.
pub fn standard_input(limit: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = std::io::Read::read_to_end(&mut std::io::Read::take(std::io::stdin().lock(), limit + 1), &mut bytes);
    match read {
        Err(error) => Err(Failure::new(format!("cannot read standard input: {error}"))),
        Ok(_) if bytes.len() as u64 > limit => {
            Err(Failure::new(format!("standard input is larger than the limit of {limit} bytes")))
        }
        Ok(_) => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    #[test]
    fn times_are_points_or_offsets() {
        assert_eq!(time("1970-01-02T00:00:00Z"), Ok(Time::At(86_400)));
        assert_eq!(time("+30d"), Ok(Time::Offset(2_592_000)));
        assert_eq!(time("-2h"), Ok(Time::Offset(-7_200)));
        assert!(time("tomorrow").is_err() && time("+d").is_err() && time("+1y").is_err() && time("+\u{e4}").is_err());
    }
}
