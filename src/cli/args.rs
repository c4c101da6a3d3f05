//! What may stand on the command line, and what it means.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::diagnostic::Severity;
use crate::lint::{self, Level};
use crate::model::ServerKind;
use crate::pipeline::{Failure, Options, TrustSource};
use crate::platform::{TlsLibrary, Version, is_clock_unkept};
use crate::source::{Disk, Limits};

/// Gives a web server's TLS configuration a shakedown before the reload.
#[derive(Debug, Parser)]
#[command(name = "shakedown", version, max_term_width = 100, after_help = examples::ALL)]
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

/// `compare`.
#[derive(Debug, Args)]
#[command(after_help = examples::COMPARE)]
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

/// `snapshot`.
#[derive(Debug, Args)]
#[command(after_help = examples::SNAPSHOT)]
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
            SnapshotCommand::List { format } | SnapshotCommand::Show { format, .. } => (*format).into(),
            _ => LintFormat::Pretty,
        }
    }
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

impl From<CompareFormat> for LintFormat {
    fn from(format: CompareFormat) -> Self {
        match format {
            CompareFormat::Pretty | CompareFormat::Markdown => LintFormat::Pretty,
            CompareFormat::Concise => LintFormat::Concise,
            CompareFormat::Json => LintFormat::Json,
            CompareFormat::Sarif => LintFormat::Sarif,
            CompareFormat::Github => LintFormat::Github,
        }
    }
}

/// `certificates`.
#[derive(Debug, Args)]
#[command(after_help = examples::CERTIFICATES)]
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

impl From<CertificatesFormat> for LintFormat {
    fn from(format: CertificatesFormat) -> Self {
        match format {
            // A run that fails is written by the command itself: its metrics are others than those of lint.
            CertificatesFormat::Pretty | CertificatesFormat::Prometheus => LintFormat::Pretty,
            CertificatesFormat::Json => LintFormat::Json,
        }
    }
}

/// `explain`.
#[derive(Debug, Args)]
#[command(after_help = examples::EXPLAIN)]
pub struct ExplainArguments {
    /// The name of a rule, or the text of an error, also inside a log line or a whole output; -: standard input
    #[arg(value_name = "NAME|TEXT", allow_hyphen_values = true)]
    pub text: String,

    /// A configuration to look for the causes in
    #[arg(value_name = "PATH")]
    pub path: Option<PathBuf>,

    /// Options that all commands share.
    #[command(flatten)]
    pub shared: Shared,

    /// Options about the configuration.
    #[command(flatten)]
    pub target: TargetArguments,

    /// How to show it
    #[arg(long, value_enum, default_value_t = Format::Pretty)]
    pub format: Format,
}

/// `ciphers`.
#[derive(Debug, Args)]
pub struct CiphersArguments {
    /// The cipher string, as behind `ssl_ciphers` or `SSLCipherSuite`
    #[arg(allow_hyphen_values = true)]
    pub string: String,

    /// Options that all commands share.
    #[command(flatten)]
    pub shared: Shared,

    /// The system whose library reads it, such as debian-12
    #[arg(long, value_name = "NAME")]
    pub platform: Option<String>,

    /// TLS library, such as openssl-3.0.19, instead of the platform's
    #[arg(long, value_name = "NAME", value_parser = library)]
    pub tls_library: Option<TlsLibrary>,

    /// OpenSSL's security level, instead of the platform's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=5))]
    pub security_level: Option<u8>,

    /// How to show it
    #[arg(long, value_enum, default_value_t = Format::Pretty)]
    pub format: Format,
}

/// `demo`.
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// Options that all commands share.
    #[command(flatten)]
    pub shared: Shared,
}

/// `handshake`.
#[derive(Debug, Args)]
#[command(after_help = examples::HANDSHAKE)]
pub struct HandshakeArguments {
    /// A file or folder; none: the live configuration of whatever server is installed; -: standard input
    #[arg(value_name = "PATH")]
    pub path: Option<PathBuf>,

    /// Options that all commands share.
    #[command(flatten)]
    pub shared: Shared,

    /// Options about the configuration.
    #[command(flatten)]
    pub target: TargetArguments,

    /// A client by its name, or a file that describes one; may be given several times
    #[arg(long, value_name = "NAME|FILE")]
    pub client: Vec<String>,

    /// The name that the user wants to reach; may be given several times
    #[arg(long, value_name = "NAME")]
    pub host: Vec<String>,

    /// The local address that is reached, such as 127.0.0.1:443; may be given several times
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Vec<String>,

    /// What cannot be told makes the run fail too
    #[arg(long)]
    pub strict: bool,

    /// How to show it
    #[arg(long, value_enum, default_value_t = Format::Pretty)]
    pub format: Format,
}

/// `lint`.
#[derive(Debug, Args)]
#[command(after_help = examples::LINT)]
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
    #[arg(long, value_enum, default_value_t = LintFormat::Pretty, help_heading = OUTPUT)]
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

/// `rules`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct RulesArguments {
    /// What to do with them.
    #[command(subcommand)]
    pub command: Option<RulesCommand>,

    /// Options that all commands share.
    #[command(flatten)]
    pub shared: Shared,

    /// Read this file instead of the shakedown.toml that is found upward from here
    #[arg(long, value_name = "FILE", conflicts_with = "isolated")]
    pub config: Option<PathBuf>,

    /// Read no shakedown.toml
    #[arg(long)]
    pub isolated: bool,

    /// Show what a page of a rule of one's own may hold
    #[arg(long)]
    pub show_templates: bool,

    /// How to show them
    #[arg(long, value_enum, default_value_t = Format::Pretty)]
    pub format: Format,
}

/// What to do with rules.
#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// Hold rules of one's own against the examples of their pages
    Test {
        /// A folder with one TOML file a rule
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,

        /// Options that all commands share.
        #[command(flatten)]
        shared: Shared,
    },
}

/// `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArguments {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// `man`.
#[derive(Debug, Args)]
pub struct ManArguments {
    /// Write the pages of all commands into this folder, instead of the main one to standard output
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
}

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

/// What stands below the options: commands to begin with, by task.
mod examples {
    pub const ALL: &str = "\
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

    pub const LINT: &str = "\
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

    pub const CERTIFICATES: &str = "\
Ask:
  shakedown certificates                         the live configuration of this machine
  shakedown certificates --now +30d nginx.conf   as it will stand in a month
  shakedown certificates --format json /etc/nginx
  shakedown certificates --format prometheus --output-file certificates.prom

Exit codes: 0 listed, 2 the run could not be done.";

    pub const EXPLAIN: &str = "\
Ask:
  shakedown explain certificate-expired          a rule's page
  shakedown explain SSL_ERROR_RX_RECORD_TOO_LONG
  shakedown explain 'PKIX path building failed' /etc/nginx
                                                 which of its causes this configuration has
  openssl s_client -connect HOST:443 </dev/null 2>&1 | shakedown explain -

Exit codes: 0 explained, 1 nothing is known of the text, 2 no such rule, or the run could not be done.";

    pub const COMPARE: &str = "\
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

    pub const SNAPSHOT: &str = "\
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

    pub const HANDSHAKE: &str = "\
Ask:
  shakedown handshake /etc/nginx                 all clients and hosts, as a table
  shakedown handshake --client java-8u161 --host www.example.com -v nginx.conf
                                                 one of them, step by step
  shakedown handshake --client mine.toml .       a client of one's own

Exit codes: 0 all that must get through do, 1 some do not, or the server would not start, 2 the run could not be done.";
}

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

const TARGET: &str = "The system that it is for";
const BOUNDS: &str = "How much is read before a file is called hostile";
const OUTPUT: &str = "Output";
const RULES: &str = "Which rules";
const GATE: &str = "What makes the run fail, and what may stay";
const REPAIR: &str = "Repairs";

/// How to show findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LintFormat {
    /// For people, with source frames
    Pretty,
    /// One line a finding
    Concise,
    /// One JSON document
    Json,
    /// One JSON object a line
    Ndjson,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Annotations of GitHub Actions
    Github,
    /// GitLab's code quality report
    Gitlab,
    /// JUnit's XML, as test reports take it
    Junit,
    /// Checkstyle's XML, as review tools take it
    Checkstyle,
    /// Prometheus' text format, for the textfile collector
    Prometheus,
}

impl From<Format> for LintFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Pretty => LintFormat::Pretty,
            Format::Concise => LintFormat::Concise,
            Format::Json => LintFormat::Json,
        }
    }
}

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

fn library(text: &str) -> Result<TlsLibrary, String> {
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

fn severity_of_rule(text: &str) -> Result<(String, Level), String> {
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
