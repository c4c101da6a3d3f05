//! From arguments to what the pipeline is asked for: `shakedown.toml` is found and read, names are checked, the baseline is
//! read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::{TargetArguments, Threshold};
use super::lint::LintArguments;
use crate::config::{self, Config};
use crate::diagnostic::spelling;
use crate::lint::{self, Rules};
use crate::pipeline::{Failure, Options};
use crate::report::baseline;
use crate::source::{Disk, FileKind, FileSystem, Limits};

/// The `shakedown.toml` of the paths, or the one that is named.
///
/// # Errors
/// Where it cannot be read or is no TOML, or where paths belong to several.
pub fn config(files: &dyn FileSystem, paths: &[PathBuf], target: &TargetArguments) -> Result<Option<Config>, Failure> {
    if target.isolated {
        return Ok(None);
    }
    if let Some(path) = &target.config {
        return read(files, path).map(Some);
    }
    let here = [PathBuf::from(".")];
    // Standard input lies where the user stands.
    let paths: Vec<&Path> = match paths {
        [] => here.iter().map(PathBuf::as_path).collect(),
        paths => paths.iter().map(|path| if path.as_os_str() == "-" { Path::new(".") } else { path }).collect(),
    };
    let mut found: Option<PathBuf> = None;
    for (order, path) in paths.iter().enumerate() {
        let own = config::find(files, path);
        let is_other = |other: &Option<PathBuf>| match (other, &own) {
            (Some(one), Some(other)) => files.canonical(one).ok() != files.canonical(other).ok(),
            (one, other) => one.is_some() != other.is_some(),
        };
        if order > 0 && is_other(&found) {
            let failure =
                Failure::new(format!("{} and {} do not share a shakedown.toml", paths[0].display(), path.display()));
            return Err(failure.help("run once for each, or name the file with --config, or none with --isolated"));
        }
        found = own;
    }
    found.map(|path| read(files, &path)).transpose()
}

/// What is judged: the paths that are given, with the folder of `shakedown.toml` taken for the main files that it names, and
/// these where no path is given.
pub fn paths(files: &dyn FileSystem, given: &[PathBuf], config: Option<&Config>) -> Vec<PathBuf> {
    let Some(config) = config.filter(|config| !config.mains.is_empty()) else { return given.to_vec() };
    if given.is_empty() {
        return config.mains.clone();
    }
    let folder = files.canonical(config.folder()).ok();
    let is_whole = |path: &PathBuf| folder.is_some() && files.canonical(path).ok() == folder;
    let mut all: Vec<PathBuf> = Vec::new();
    for path in given {
        if is_whole(path) {
            all.extend(config.mains.iter().cloned());
        } else {
            all.push(path.clone());
        }
    }
    all
}

/// Reads the file at a path.
///
/// # Errors
/// Where it cannot be read or is no TOML.
pub fn read(files: &dyn FileSystem, path: &Path) -> Result<Config, Failure> {
    let shown = path.display();
    let bytes = files.read(path, Limits::default().config_file).map_err(|error| {
        Failure::new(format!("cannot read {shown}: {error}")).help("`shakedown init` writes one; --isolated reads none")
    })?;
    config::parse(files, path, bytes).map_err(|error| {
        Failure::new(format!("{shown} is no TOML: {error}"))
            .help("mend the line, or run with --isolated, which reads no shakedown.toml")
    })
}

impl LintArguments {
    /// What is asked of the rules on the command line.
    ///
    /// # Errors
    /// Where a rule or profile is named that does not exist.
    fn settings(&self, rules: &Rules) -> Result<lint::Settings, Failure> {
        let named = |name: &String| match rules.find(name) {
            Some(rule) => Ok(rule.name.to_string()),
            None => {
                let meant = rules.nearest(name).map(|meant| format!("did you mean {meant}? ")).unwrap_or_default();
                let help = format!("{meant}`shakedown rules` lists all");
                Err(Failure::new(format!("no such rule: {name}")).help(help))
            }
        };
        let profile = self.profile.as_ref().map(|name| {
            lint::profile(name).ok_or_else(|| {
                let known: Vec<&str> = lint::profiles().iter().map(|one| one.name.as_str()).collect();
                let meant = spelling::nearest(name, known.iter().copied(), 4);
                let meant = meant.map(|(one, _)| format!("did you mean {one}? ")).unwrap_or_default();
                Failure::new(format!("no such profile: {name}")).help(format!("{meant}All: {}", known.join(", ")))
            })
        });
        let severities = self.severity.iter().map(|(name, level)| Ok((named(name)?, *level)));
        Ok(lint::Settings {
            select: self.select.iter().map(named).collect::<Result<_, _>>()?,
            ignore: self.ignore.iter().map(named).collect::<Result<_, _>>()?,
            severities: severities.collect::<Result<_, Failure>>()?,
            profile: profile.transpose()?,
            ..lint::Settings::default()
        })
    }
}

/// What `lint` is asked for.
pub struct ResolvedLint {
    /// For the pipeline.
    pub options: Options,
    /// What is judged; nothing: the live configuration.
    pub paths: Vec<PathBuf>,
    /// From which severity on findings make the run fail.
    pub fail_on: Threshold,
    /// Whether what could not be judged makes it fail too.
    pub strict: bool,
}

/// Brings arguments and `shakedown.toml` together.
///
/// # Errors
/// Where one of them names what does not exist, or a file cannot be read.
pub fn lint(files: &Disk, arguments: &LintArguments) -> Result<ResolvedLint, Failure> {
    let config = config(files, &arguments.paths, &arguments.target)?;
    let paths = paths(files, &arguments.paths, config.as_ref());
    let rules = config.as_ref().map(|config| config.rules.clone()).unwrap_or_default();
    let mut options = arguments.target.options(&arguments.paths, arguments.settings(&rules)?)?;
    let by_config = config.as_ref().and_then(|config| config.fail_on).map(Threshold::from);
    let fail_on = arguments.fail_on.or(by_config).unwrap_or(Threshold::Warning);
    let strict = arguments.strict || config.as_ref().is_some_and(|config| config.strict == Some(true));
    // What the file names and is not there yet is a finding of its own.
    let named = config.as_ref().and_then(|config| config.baseline.clone());
    let named = named.filter(|path| files.metadata(path).is_ok_and(|found| found.kind == FileKind::Regular));
    let baseline = arguments.baseline.clone().or(named).filter(|_| arguments.write_baseline.is_none());
    let is_for_people = arguments.format.is_for_people();
    options.without_fingerprints = is_for_people && arguments.since.is_none() && arguments.write_baseline.is_none();
    options.baseline = baseline.map(|path| known(files, &path)).transpose()?;
    if let Some(config) = config {
        options.merge_config(config);
    }
    Ok(ResolvedLint { options, paths, fail_on, strict })
}

/// The findings of a baseline.
fn known(files: &dyn FileSystem, path: &Path) -> Result<std::collections::BTreeMap<String, String>, Failure> {
    let shown = path.display();
    let bytes: Arc<[u8]> = files.read(path, Limits::default().config_file).map_err(|error| {
        let failure = Failure::new(format!("cannot read the baseline {shown}: {error}"));
        failure.help(format!("write it with `shakedown lint --write-baseline {shown}`"))
    })?;
    baseline::parse(&bytes).map_err(|words| {
        let failure = Failure::new(format!("cannot read the baseline {shown}: {words}"));
        failure.help(format!("write it anew with `shakedown lint --write-baseline {shown}`"))
    })
}
