//! From paths to findings: resolve, read, lower, read certificates, lint. Pure given files, options and time.

mod calendar;
mod certificates;
mod ciphers;
mod comparison;
mod dump;
mod example;
mod explain;
mod fixing;
mod git;
mod handshake;
mod ignoring;
mod load;
mod machine;
mod merge_config;
mod permissions;
mod suppress;
mod target;

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

pub use self::calendar::{Calendar, ChainState, Dated, Entry, Role, calendar};
pub use self::ciphers::{CipherReport, CipherRow, IgnoredWord, Verdict, ciphers};
pub use self::comparison::{Candidate, ComparedConfig, Comparison, Matters, compare};
pub use self::example::{Tried, examples};
pub use self::explain::{Found, found};
pub use self::fixing::{Changed, Fixed, fix};
pub use self::handshake::{HandshakeRequest, Handshakes, Row, Start, handshake};
pub use self::ignoring::{Added, add_ignores};
pub use self::load::{Loaded, Reading, STACK, load};
pub use self::suppress::{By, Suppressed};
pub use self::target::{installed, main_file, main_of};
use crate::compare;
use crate::config::Config;
use crate::diagnostic::{Finding, RuleName, Severity, Unchecked};
use crate::lint;
use crate::model::ServerKind;
use crate::pki::{Anchors, PemStore};
use crate::platform::{Platform, TlsLibrary, Version};
use crate::source::{FileId, FileSystem, Limits, Mapped, Sources, Text};

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
    /// Whether trust anchors that are named count as publicly trusted: only tests and examples say so.
    pub trust_is_public: bool,
    /// Whether a part is judged by itself even where a main file includes it.
    pub fragment: bool,
    /// Seconds since 1970-01-01 UTC.
    pub now: i64,
    /// The clock that it was read from; absent where the user gave the time.
    pub clock: Option<lint::Clock>,
    /// What clients trust; empty: the system's store, else Mozilla's.
    pub trust: Vec<TrustSource>,
    /// The name and content of standard input, for the path `-`.
    pub stdin: Option<(String, Arc<[u8]>)>,
    /// How much is read.
    pub limits: Limits,
    /// What is asked of the rules.
    pub lint: lint::Settings,
    /// Whether only files of the configuration are read: nothing of the machine around it.
    pub keeps_to_files: bool,
    /// Who reads certificates and keys, instead of the platform's users.
    pub run_as: Option<String>,
    /// What `--define` names, some with a value.
    pub definitions: Vec<(String, Option<String>)>,
    /// Whether certificates and keys that are not at hand lie on the server.
    pub certificates_elsewhere: bool,
    /// Paths on the server, each with where it is found here; the longest first.
    pub path_maps: Vec<(PathBuf, PathBuf)>,
    /// Findings that are known: fingerprints, each with the path of its file as seen from the project's folder.
    pub baseline: Option<BTreeMap<String, String>>,
    /// Whether nobody asks what tells a finding from others across runs: reports for people say nothing of it.
    pub without_fingerprints: bool,
    /// The `shakedown.toml` that the rest was settled with.
    pub config: Option<Arc<Config>>,
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
    pub unjudged: Vec<Unchecked>,
    /// How much was looked at.
    pub counts: Counts,
    /// Findings that are left out.
    pub suppressed: Vec<Suppressed>,
    /// Fingerprints of known findings that are no more.
    pub gone: Vec<String>,
    /// The rules that were asked.
    pub rules: lint::Rules,
    /// Which server reads which file.
    servers: ignoring::Servers,
    /// Paths of files with findings, as seen from the project's folder.
    names: HashMap<FileId, String>,
    /// What it was read from: not given back before the run itself is.
    kept: Kept,
}

/// What a run was read from.
struct Kept {
    readings: Vec<Reading>,
    _certificates: (PemStore, Anchors),
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

impl Run {
    /// The path of a file as seen from the project's folder: that of `shakedown.toml`, else the current one.
    pub fn name(&self, file: FileId) -> String {
        let shown = || self.sources.file(file).path().to_string_lossy().into_owned();
        self.names.get(&file).cloned().unwrap_or_else(shown)
    }

    /// Leaves out what another run, of an earlier configuration called `name`, has found as well.
    pub fn leave_out_known(&mut self, earlier: &Run, name: &str) {
        let all = |run: &Run| -> Vec<Finding> {
            run.findings.iter().chain(run.suppressed.iter().map(|one| &one.finding)).cloned().collect()
        };
        let (before, now) = (all(earlier), self.findings.clone());
        let (old_ground, new_ground) = (earlier.ground(), self.ground());
        let old = compare::Findings { sources: &earlier.sources, ground: &old_ground, all: &before };
        let new = compare::Findings { sources: &self.sources, ground: &new_ground, all: &now };
        let fresh: HashSet<usize> = compare::unmatched(&old, &new).fresh.into_iter().collect();
        let (mut kept, mut known) = (Vec::new(), Vec::new());
        for (at, finding) in std::mem::take(&mut self.findings).into_iter().enumerate() {
            if fresh.contains(&at) { kept.push(finding) } else { known.push(finding) }
        }
        self.findings = kept;
        let by = |finding| Suppressed { finding, by: By::Since(name.to_owned()) };
        self.suppressed.extend(known.into_iter().map(by));
    }

    /// Takes over what another run says, of another target.
    pub fn append(&mut self, other: Run) {
        let before = self.sources.append(other.sources);
        self.targets.extend(other.targets);
        self.findings.extend(other.findings.into_iter().map(|finding| finding.behind(before)));
        let moved = |one: Unchecked| Unchecked { at: one.at.map(|span| span.behind(before)), ..one };
        self.unjudged.extend(other.unjudged.into_iter().map(moved));
        let left_out = other.suppressed.into_iter();
        self.suppressed.extend(left_out.map(|one| Suppressed { finding: one.finding.behind(before), ..one }));
        self.counts.files += other.counts.files;
        self.counts.sites += other.counts.sites;
        self.counts.certificates += other.counts.certificates;
        self.gone.extend(other.gone);
        self.servers.extend(other.servers);
        self.names.extend(other.names.into_iter().map(|(file, name)| (FileId(file.0 + before), name)));
        self.kept.readings.extend(other.kept.readings);
    }

    /// Where the sites stand.
    fn ground(&self) -> compare::SiteIndex {
        compare::SiteIndex::new(&self.sources, self.kept.readings.iter().map(|reading| reading.understood.deployment()))
    }

    /// The files with passwords for keys that the configurations name.
    pub fn password_files(&self) -> impl Iterator<Item = &Path> {
        let deployments = self.kept.readings.iter().map(|reading| reading.understood.deployment());
        let sets = deployments.flat_map(|deployment| &deployment.credentials);
        sets.filter_map(|set| set.passwords.as_ref().map(|(_, path)| path.as_path()))
    }

    /// The files of the configurations themselves.
    pub fn configuration(&self) -> impl Iterator<Item = &Path> {
        self.servers.keys().map(PathBuf::as_path)
    }

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
    let mapped = Mapped::new(files, options.path_maps.clone());
    let dump = dump::unpack(&mapped, paths, options);
    let (files, paths): (&dyn FileSystem, &[PathBuf]) = match &dump {
        Some((overlay, mains)) => (overlay, mains),
        None => (&mapped, paths),
    };
    let loaded = load(files, paths, options)?;
    Ok(judge(files, loaded, options))
}

/// The same for files that lie elsewhere than the trust anchors: an archive, a revision, a snapshot.
///
/// # Errors
/// As [`lint`].
pub fn lint_elsewhere(
    files: &dyn FileSystem,
    paths: &[PathBuf],
    options: &Options,
    trust: &dyn FileSystem,
) -> Result<Run, Failure> {
    let files = Mapped::new(files, options.path_maps.clone());
    let loaded = load::load_with(&files, paths, options, || load::trusted(trust, options))?;
    Ok(judge(&files, loaded, options))
}

impl Loaded {
    /// What is asked about each deployment.
    fn question<'a>(&'a self, reading: &'a Reading, options: &'a Options) -> lint::LintInputs<'a> {
        let is_given = !options.trust.is_empty() && !options.trust_is_a_guess;
        let trust = lint::Trust { anchors: &self.anchors, is_given, is_public: options.trust_is_public };
        let (permissions, machine) = (&reading.permissions, &reading.machine);
        lint::LintInputs {
            trust,
            settings: &options.lint,
            now: options.now,
            clock: options.clock,
            permissions,
            machine,
        }
    }
}

/// Lints what was loaded.
fn judge(files: &dyn FileSystem, mut loaded: Loaded, options: &Options) -> Run {
    let mut findings = about_settings(&mut loaded.sources, options);
    let mut unjudged = Vec::new();
    let mut suppressed = Vec::new();
    let mut names = Names::new(files, options);
    let is_told_apart = !options.without_fingerprints || options.baseline.is_some();
    let has_paths = options.config.as_ref().is_some_and(|config| !config.per_path.is_empty());
    let mut counts = Counts { certificates: loaded.certificate_count(), ..Counts::default() };
    for reading in &loaded.readings {
        let deployment = reading.understood.deployment();
        counts.sites += deployment.sites.len();
        counts.files += reading.understood.paths().len();
        let editor = reading.understood.editor();
        let question = loaded.question(reading, options);
        let scope =
            lint::RuleContext::new(deployment, &reading.system, &loaded.library, &loaded.sources, &*editor, question);
        let judged = lint::run(&scope, &options.lint, options.limits.findings);
        let is_shown = |span| reading.shows(&loaded.sources, span);
        let ((), mut comments) = rayon::join(|| drop(scope), || suppress::Comments::read(&loaded, reading, options));
        let told = |problem| lint::render(deployment.server.name(), problem, &options.lint);
        let malformed = std::mem::take(&mut comments.problems);
        let has_malformed = !malformed.is_empty();
        let mut settle = |finding: Finding| {
            let finding = match has_paths {
                true => {
                    let file = loaded.sources.resolve_span(finding.primary.span).span.file;
                    suppress::by_path(options, names.of(&loaded.sources, file), finding)?
                }
                false => finding,
            };
            match comments.meet(&loaded.sources, &finding) {
                Some(reason) => suppressed.push(Suppressed { finding, by: By::Comment(reason) }),
                None => return Some(finding),
            }
            None
        };
        let shown = judged.findings.into_iter().filter(|finding| is_shown(finding.primary.span));
        let mut own: Vec<Finding> = shown.filter_map(&mut settle).collect();
        own.extend(malformed.into_iter().map(told).filter_map(&mut settle));
        let unused = comments.unused(reading, options, &judged.unjudged);
        let is_in_order = !has_malformed && unused.is_empty();
        own.extend(unused.into_iter().map(told));
        own.retain(|finding| is_shown(finding.primary.span) && options.lint.wants(&finding.rule));
        let named = own.iter().chain(suppressed.iter().map(|one: &Suppressed| &one.finding));
        for finding in named.filter(|_| is_told_apart) {
            let labels = finding.related.iter().map(|label| label.span).chain([finding.primary.span]);
            let edits = finding.fix.iter().flat_map(|fix| &fix.edits).map(|edit| edit.span);
            for span in labels.chain(edits) {
                names.look(&loaded.sources, loaded.sources.resolve_span(span).span.file);
            }
        }
        if !is_in_order {
            lint::in_order(&loaded.sources, &mut own);
        }
        match findings.is_empty() {
            true => findings = own,
            false => findings.extend(own),
        }
        unjudged.extend(judged.unjudged.into_iter().filter(|one| one.at.is_none_or(is_shown)));
    }
    for finding in findings.iter().filter(|_| is_told_apart) {
        names.look(&loaded.sources, finding.primary.span.file);
    }
    let whole = if options.baseline.is_some() { whole(&loaded, &mut names) } else { HashSet::new() };
    let names = names.known;
    if is_told_apart {
        let order = findings.len();
        findings.extend(suppressed.iter().map(|one| one.finding.clone()));
        suppress::fingerprint(&loaded, &names, &mut findings);
        for (one, finding) in suppressed.iter_mut().zip(findings.drain(order..)) {
            one.finding = finding;
        }
    }
    let mut gone = Vec::new();
    if let Some(known) = &options.baseline {
        let is_known = |finding: &Finding| known.contains_key(&finding.fingerprint);
        let present: HashSet<&str> = findings.iter().map(|finding| finding.fingerprint.as_str()).collect();
        let is_gone = |one: &(&String, &String)| whole.contains(one.1) && !present.contains(one.0.as_str());
        gone = known.iter().filter(is_gone).map(|(fingerprint, _)| fingerprint.clone()).collect();
        let (old, new) = findings.into_iter().partition(is_known);
        findings = new;
        let old: Vec<Finding> = old;
        suppressed.extend(old.into_iter().map(|finding| Suppressed { finding, by: By::Baseline }));
    }
    let targets = loaded.readings.iter().map(|reading| loaded.info(reading)).collect();
    let rules = options.lint.rules.clone();
    let read = loaded.readings.iter().map(|reading| ignoring::servers(reading.understood.paths(), reading.server));
    let servers = read.flatten().collect();
    let Loaded { sources, readings, library, anchors, .. } = loaded;
    let kept = Kept { readings, _certificates: (library, anchors) };
    Run { sources, targets, findings, unjudged, counts, suppressed, gone, rules, servers, names, kept }
}

/// The files that were read as parts of a whole, so that what is not found there is not there.
fn whole(loaded: &Loaded, names: &mut Names<'_>) -> HashSet<String> {
    let mut paths: HashSet<&Path> = HashSet::new();
    for reading in loaded.readings.iter().filter(|reading| reading.is_whole()) {
        paths.extend(reading.understood.paths());
    }
    let files = loaded.sources.iter().filter(|(_, file)| paths.contains(file.path()));
    files.map(|(id, _)| names.of(&loaded.sources, id).to_owned()).collect()
}

/// What is wrong with `shakedown.toml` and the user's own rules.
fn about_settings(sources: &mut Sources, options: &Options) -> Vec<Finding> {
    let Some(config) = options.config.as_ref().filter(|config| !config.misfits.is_empty()) else { return Vec::new() };
    let main = sources.add(config.path.clone(), Arc::clone(&config.bytes), Text::File);
    let mut others: HashMap<PathBuf, FileId> = HashMap::new();
    let mut findings = Vec::new();
    for misfit in &config.misfits {
        let file = match &misfit.file {
            Some((path, bytes)) => {
                let add = || sources.add(path.clone(), Arc::clone(bytes), Text::File);
                *others.entry(path.clone()).or_insert_with(add)
            }
            None => main,
        };
        findings.push(lint::render("shakedown", misfit.problem(file), &options.lint));
    }
    findings.retain(|finding| options.lint.wants(&RuleName(finding.rule.0.clone())));
    findings
}

/// Paths as seen from the project's folder. Links on the way to a file are followed, the file's own name stays.
struct Names<'a> {
    files: &'a dyn FileSystem,
    folder: Option<PathBuf>,
    /// How the folders of files are called from there, each looked up once.
    folders: HashMap<OsString, Option<PathBuf>>,
    known: HashMap<FileId, String>,
    /// What was looked up last.
    last: Option<FileId>,
}

impl<'a> Names<'a> {
    fn new(files: &'a dyn FileSystem, options: &Options) -> Self {
        let folder = options.config.as_ref().map_or(Path::new("."), |config| config.folder());
        Names {
            files,
            folder: files.canonical(folder).ok(),
            folders: HashMap::new(),
            known: HashMap::new(),
            last: None,
        }
    }

    fn of(&mut self, sources: &Sources, file: FileId) -> &str {
        if !self.known.contains_key(&file) {
            let name = self.look_up(sources.file(file).path());
            self.known.insert(file, name);
        }
        &self.known[&file]
    }

    /// Looks up a path for later.
    fn look(&mut self, sources: &Sources, file: FileId) {
        if self.last != Some(file) {
            self.of(sources, file);
            self.last = Some(file);
        }
    }

    /// How a folder is called from the project's; absent where it lies elsewhere.
    fn inside(&self, folder: &Path) -> Option<PathBuf> {
        let whole = self.files.canonical(folder).ok()?;
        whole.strip_prefix(self.folder.as_deref()?).ok().map(Path::to_path_buf)
    }

    fn look_up(&mut self, path: &Path) -> String {
        let above = path.parent().map(|above| if above.as_os_str().is_empty() { Path::new(".") } else { above });
        let inside = above.zip(path.file_name()).and_then(|(above, name)| {
            if !self.folders.contains_key(above.as_os_str()) {
                let inside = self.inside(above);
                self.folders.insert(above.as_os_str().to_os_string(), inside);
            }
            Some(self.folders[above.as_os_str()].as_ref()?.join(name))
        });
        let shown = inside.as_deref().unwrap_or(path).to_string_lossy();
        shown.strip_prefix("./").unwrap_or(&shown).to_owned()
    }
}
