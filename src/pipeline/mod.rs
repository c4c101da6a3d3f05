//! From paths to findings: resolve, read, lower, read certificates, lint. Pure given files, options and time.

mod certificates;
mod ciphers;
mod fixing;
mod handshake;
mod load;
mod target;

use std::path::PathBuf;
use std::sync::Arc;

pub use self::ciphers::{CipherReport, CipherRow, IgnoredWord, Verdict, ciphers};
pub use self::fixing::{Fixed, fix};
pub use self::handshake::{Handshakes, Question, Row, Start, handshake};
pub use self::load::{Loaded, Reading, load};
use crate::diagnostic::{Finding, Severity, Unjudged};
use crate::lint;
use crate::model::ServerKind;
use crate::platform::{Platform, TlsLibrary, Version};
use crate::source::{FileSystem, Limits, Sources};

/// Why a run could not be done at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong.
    pub message: String,
    /// What would help.
    pub help: Option<String>,
}

impl Failure {
    /// A failure in words.
    pub fn new(message: impl Into<String>) -> Self {
        Failure { message: message.into(), help: None }
    }

    /// Adds what would help.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Where trust anchors come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustSource {
    /// The self-signed certificates of a PEM file.
    File(PathBuf),
    /// The store of the system below the root.
    System,
    /// Mozilla's store, embedded.
    Mozilla,
}

/// What the user asks for, the same for all commands.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which server reads the configuration; absent: detected.
    pub server: Option<ServerKind>,
    /// A platform by name; absent: detected below the root, else assumed.
    pub platform: Option<String>,
    /// Instead of the platform's.
    pub server_version: Option<Version>,
    /// Instead of the platform's.
    pub tls_library: Option<TlsLibrary>,
    /// Instead of the platform's.
    pub security_level: Option<u8>,
    /// The folder that absolute paths are followed below.
    pub root: Option<PathBuf>,
    /// Whether trust anchors that are named are a guess all the same: only tests and examples say so.
    pub trust_is_a_guess: bool,
    /// Whether a part is judged by itself even where a main file includes it.
    pub fragment: bool,
    /// Seconds since 1970-01-01 UTC.
    pub now: i64,
    /// What clients trust; empty: the system's store, else Mozilla's.
    pub trust: Vec<TrustSource>,
    /// The name and content of standard input, for the path `-`.
    pub stdin: Option<(String, Arc<[u8]>)>,
    /// How much is read.
    pub limits: Limits,
    /// What is asked of the rules.
    pub lint: lint::Settings,
    /// Who reads certificates and keys, instead of the platform's users.
    pub run_as: Option<String>,
    /// What `--define` names, some with a value.
    pub definitions: Vec<(String, Option<String>)>,
}

/// One configuration of a run, as reports name it.
#[derive(Clone, Debug)]
pub struct TargetInfo {
    /// As given on the command line.
    pub path: PathBuf,
    /// Who reads it.
    pub server: ServerKind,
    /// Versions and level, and which of them were assumed.
    pub platform: Platform,
    /// The name of the trust anchors: a path, `system` or `mozilla`.
    pub trust: String,
    /// Whether the trust anchors were assumed.
    pub trust_is_assumed: bool,
}

/// How much a run looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Configuration files.
    pub files: usize,
    /// Sites.
    pub sites: usize,
    /// Distinct certificates that are served.
    pub certificates: usize,
}

/// What a run has to say.
#[derive(Debug)]
pub struct Run {
    /// All texts, to show places in.
    pub sources: Sources,
    /// The configurations, in the order in which they were given.
    pub targets: Vec<TargetInfo>,
    /// In reading order, target by target.
    pub findings: Vec<Finding>,
    /// What could not be judged.
    pub unjudged: Vec<Unjudged>,
    /// How much was looked at.
    pub counts: Counts,
}

impl Run {
    /// How many findings have this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// The worst severity of all findings.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }
}

/// Lints the configurations at `paths`, or the live one where there is none.
///
/// # Errors
/// Where a path cannot be read, its server cannot be told, or the options name what does not exist.
pub fn lint(files: &dyn FileSystem, paths: &[PathBuf], options: &Options) -> Result<Run, Failure> {
    let loaded = load(files, paths, options)?;
    Ok(judge(loaded, options))
}

/// Lints what was loaded.
fn judge(loaded: Loaded, options: &Options) -> Run {
    let mut findings = Vec::new();
    let mut unjudged = Vec::new();
    let mut counts = Counts { certificates: loaded.certificate_count(), ..Counts::default() };
    for reading in &loaded.readings {
        let deployment = reading.understood.deployment();
        counts.sites += deployment.sites.len();
        counts.files += reading.understood.paths().len();
        let editor = reading.understood.editor();
        let trust =
            lint::Trust { anchors: &loaded.anchors, is_given: !options.trust.is_empty() && !options.trust_is_a_guess };
        let scope = lint::Scope::new(
            deployment,
            &reading.system,
            &loaded.library,
            &loaded.sources,
            trust,
            &*editor,
            options.now,
        );
        let judged = lint::run(&scope, &options.lint);
        let is_shown = |span| reading.shows(&loaded.sources, span);
        findings.extend(judged.findings.into_iter().filter(|finding| is_shown(finding.primary.span)));
        unjudged.extend(judged.unjudged.into_iter().filter(|one| one.at.is_none_or(is_shown)));
    }
    let targets = loaded.readings.iter().map(|reading| loaded.info(reading)).collect();
    Run { sources: loaded.sources, targets, findings, unjudged, counts }
}
