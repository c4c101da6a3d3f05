//! Two configurations, read and linted alike, and held against each other.

use std::path::PathBuf;

use super::handshake::{own_anchors, start};
use super::load::{Trusted, load_with, trusted};
use super::{Failure, Loaded, Names, Options, Start, TargetInfo, certificates, dump, suppress};
use crate::compare::{self, Asked, Compared, Effect, ServerSide, SiteIndex};
use crate::diagnostic::{Finding, Unchecked};
use crate::handshake::{self, Client, sent_name};
use crate::lint;
use crate::model::Deployment;
use crate::pki::Anchors;
use crate::source::{FileSystem, Mapped, Sources};

/// One of the two.
pub struct Candidate<'f> {
    /// As the user called it.
    pub shown: PathBuf,
    /// Its files.
    pub files: &'f dyn FileSystem,
    /// Where it is among them; nothing: the live configuration.
    pub paths: Vec<PathBuf>,
    /// Which system it is for, and so on.
    pub options: Options,
}

/// Who is asked, and what is meant.
#[derive(Debug, Default)]
pub struct Matters {
    /// The clients, in order.
    pub clients: Vec<Client>,
    /// Those that must not be lost, however old they are: as long as `clients`.
    pub kept: Vec<bool>,
    /// Changes that are meant: a kind, or a kind of one name.
    pub allowed: Vec<(compare::Kind, Option<String>)>,
}

/// What a client is called that says no name: scripts and probes are such, and none of the known clients of today.
const NAMELESS: &str = "clients that send no name";

impl Matters {
    /// All known clients, those of one's own that are required, and one that sends no name.
    pub fn every_client(required: &[Client]) -> Matters {
        let own = required.iter().filter(|client| handshake::find(&client.name).is_none());
        let mut clients: Vec<Client> = handshake::clients().iter().chain(own).cloned().collect();
        let is_required = |client: &Client| required.iter().any(|one| one.name == client.name);
        let mut kept: Vec<bool> = clients.iter().map(is_required).collect();
        if let Some(usual) = handshake::find("openssl-3.0") {
            clients.push(usual.without_name(NAMELESS));
            kept.push(false);
        }
        Matters { clients, kept, allowed: Vec::new() }
    }
}

/// One side of what a comparison has to say.
#[derive(Debug)]
pub struct ComparedConfig {
    /// The configuration.
    pub target: TargetInfo,
    /// All its texts.
    pub sources: Sources,
    /// Whether the server would start.
    pub start: Start,
    /// What could not be judged in it alone.
    pub unjudged: Vec<Unchecked>,
    /// How many sites it has.
    pub sites: usize,
}

/// What a comparison has to say.
#[derive(Debug)]
pub struct Comparison {
    /// The old side.
    pub old: ComparedConfig,
    /// The new side.
    pub new: ComparedConfig,
    /// What changed.
    pub compared: Compared,
}

impl Comparison {
    /// The verdict as a whole; absent where nothing changed.
    pub fn verdict(&self) -> Option<Effect> {
        self.compared.verdict()
    }
}

/// Holds two configurations against each other. `trust` is where files of trust anchors are looked up, for both.
///
/// # Errors
/// As [`super::handshake`], for each side.
pub fn compare(
    old: &Candidate<'_>,
    new: &Candidate<'_>,
    trust: &dyn FileSystem,
    matters: &Matters,
) -> Result<Comparison, Failure> {
    let known = trusted(trust, &new.options)?;
    let (old_mapped, new_mapped) = (mapped(old), mapped(new));
    let mut old_read = read(old, &old_mapped, &known)?;
    let mut new_read = read(new, &new_mapped, &known)?;
    let own = |options: &Options| -> Result<Vec<Option<Anchors>>, Failure> {
        matters.clients.iter().map(|client| own_anchors(trust, options, client)).collect()
    };
    let trusts = own(&new.options)?;
    let hosts = hosts([&old_read.loaded, &new_read.loaded]);
    old_read.read_late(&old_mapped, &old.options, &hosts);
    new_read.read_late(&new_mapped, &new.options, &hosts);
    let compared = {
        let (old_editor, new_editor) = (old_read.editor(), new_read.editor());
        let (old_settings, new_settings) = (every_rule(&old.options), every_rule(&new.options));
        let old_scope = old_read.scope(&*old_editor, &old.options, &old_settings);
        let new_scope = new_read.scope(&*new_editor, &new.options, &new_settings);
        let old_judged = old_read.judge(&old_scope, &old_mapped, &old.options);
        let new_judged = new_read.judge(&new_scope, &new_mapped, &new.options);
        let starts = |start| match start {
            Start::Ok => Some(true),
            Start::Fail => Some(false),
            Start::Unknown => None,
        };
        let old_side = ServerSide::new(&old_scope, &old_judged.findings, starts(old_judged.start), &trusts);
        let new_side = ServerSide::new(&new_scope, &new_judged.findings, starts(new_judged.start), &trusts);
        let grounds = (
            SiteIndex::new(&old_read.loaded.sources, [old_read.deployment()]),
            SiteIndex::new(&new_read.loaded.sources, [new_read.deployment()]),
        );
        let asked = Asked {
            clients: &matters.clients,
            kept: &matters.kept,
            trust_is_given: !new.options.trust.is_empty() && !new.options.trust_is_a_guess,
        };
        let mut compared = compare::compare(&old_side, &new_side, (&grounds.0, &grounds.1), &asked);
        for drift in &mut compared.drifts {
            let is_it = |(kind, host): &(compare::Kind, Option<String>)| {
                *kind == drift.kind && host.as_ref().is_none_or(|host| drift.host.as_ref() == Some(host))
            };
            drift.allowed = matters.allowed.iter().any(is_it);
        }
        (compared, old_judged, new_judged)
    };
    let (compared, old_judged, new_judged) = compared;
    let half = |read: Read, judged: LintedConfig, side: &Candidate<'_>| {
        let reading = &read.loaded.readings[0];
        let mut target = read.loaded.info(reading);
        target.path.clone_from(&side.shown);
        let sites = reading.understood.deployment().sites.len();
        ComparedConfig { target, sources: read.loaded.sources, start: judged.start, unjudged: judged.unjudged, sites }
    };
    Ok(Comparison { old: half(old_read, old_judged, old), new: half(new_read, new_judged, new), compared })
}

/// A file system in which the paths of a server are found.
fn mapped<'f>(side: &Candidate<'f>) -> Mapped<'f> {
    Mapped::new(side.files, side.options.path_maps.clone())
}

/// The settings with which whether the server starts can be told: which rules the user wants to hear of plays no part.
fn every_rule(options: &Options) -> lint::Settings {
    let mut settings = options.lint.clone();
    settings.select.clear();
    settings.ignore.clear();
    settings.severities.retain(|_, level| *level != lint::Level::Off);
    settings
}

/// One configuration that was read.
struct Read {
    loaded: Loaded,
}

/// What lint says of it.
struct LintedConfig {
    findings: Vec<Finding>,
    unjudged: Vec<Unchecked>,
    start: Start,
}

fn read(side: &Candidate<'_>, files: &Mapped<'_>, known: &Trusted) -> Result<Read, Failure> {
    let dump = dump::unpack(files, &side.paths, &side.options);
    let (files, paths): (&dyn FileSystem, &[PathBuf]) = match &dump {
        Some((overlay, mains)) => (overlay, mains),
        None => (files, &side.paths),
    };
    let loaded = load_with(files, paths, &side.options, || Ok(known.clone()))?;
    if loaded.readings.len() > 1 {
        let all: Vec<String> = loaded.readings.iter().map(|reading| reading.path.display().to_string()).collect();
        let failure = Failure::new("several configurations were found, and a comparison takes one a side");
        return Err(failure.help(format!("name one of {}", all.join(", "))));
    }
    Ok(Read { loaded })
}

/// The exact names of both sides, lower case.
fn hosts(both: [&Loaded; 2]) -> Vec<String> {
    let sites = both.into_iter().flat_map(|loaded| &loaded.readings[0].understood.deployment().sites);
    let names = sites.flat_map(|site| site.names.iter().map(|name| sent_name(&name.token.text, true)));
    let mut all: Vec<String> = names.filter(|name| lint::is_host(name)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

impl Read {
    fn deployment(&self) -> &Deployment {
        self.loaded.readings[0].understood.deployment()
    }

    fn editor(&self) -> Box<dyn crate::model::Editor + Sync + '_> {
        self.loaded.readings[0].understood.editor()
    }

    /// Reads the files that the server reads at handshakes under these names.
    fn read_late(&mut self, files: &dyn FileSystem, options: &Options, hosts: &[String]) {
        let Loaded { readings, library, sources, .. } = &mut self.loaded;
        let deployment = readings[0].understood.deployment();
        let late = deployment.credentials.iter().filter(|set| set.hangs_on_name());
        let paths: Vec<PathBuf> = late.flat_map(|set| hosts.iter().flat_map(|host| set.paths_for(host))).collect();
        certificates::extend(library, files, sources, &options.limits, deployment, paths);
    }

    fn scope<'a>(
        &'a self,
        editor: &'a (dyn crate::model::Editor + Sync),
        options: &'a Options,
        settings: &'a lint::Settings,
    ) -> lint::RuleContext<'a> {
        let reading = &self.loaded.readings[0];
        let question = lint::LintInputs { settings, ..self.loaded.question(reading, options) };
        let (library, sources) = (&self.loaded.library, &self.loaded.sources);
        lint::RuleContext::new(reading.understood.deployment(), &reading.system, library, sources, editor, question)
    }

    /// Lints, and leaves out what the user does not want to hear of.
    fn judge(&self, scope: &lint::RuleContext<'_>, files: &dyn FileSystem, options: &Options) -> LintedConfig {
        let judged = lint::run(scope, scope.settings, options.limits.findings);
        let reading = &self.loaded.readings[0];
        let stops: Vec<Finding> = judged.findings.iter().filter(|finding| finding.stops).cloned().collect();
        let start = start(scope.deployment, &stops, &judged.unjudged);
        let mut names = Names::new(files, options);
        let sources = &self.loaded.sources;
        for finding in &judged.findings {
            names.look(sources, sources.resolve_span(finding.primary.span).span.file);
        }
        let mut comments = suppress::Comments::read(&self.loaded, reading, options);
        let mut findings = Vec::new();
        for finding in judged.findings {
            let file = sources.resolve_span(finding.primary.span).span.file;
            let is_wanted =
                finding.stops || options.lint.wants(&finding.rule) && reading.shows(sources, finding.primary.span);
            if !is_wanted {
                continue;
            }
            let path = names.of(sources, file).to_owned();
            let Some(finding) = suppress::by_path(options, &path, finding) else { continue };
            if comments.meet(sources, &finding).is_none() || finding.stops {
                findings.push(finding);
            }
        }
        suppress::fingerprint(&self.loaded, &names.known, &mut findings);
        LintedConfig { findings, unjudged: judged.unjudged, start }
    }
}
