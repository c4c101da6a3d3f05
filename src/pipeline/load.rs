//! Reads the configurations of a run with the certificates that they name.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::target::{self, Target};
use super::{Failure, Options, TargetInfo, TrustSource, certificates, machine, permissions};
use crate::diagnostic::spelling;
use crate::lint::{Machine, Permissions};
use crate::model::ServerKind;
use crate::pki::{Anchors, PemStore};
use crate::platform::{self, Platform, SystemTls};
use crate::server::{self, Completeness, Input, ParsedConfig, Root};
use crate::source::{Elsewhere, FileSystem, Metered, Sources, Span, Text};

/// Stack of a worker in bytes: blocks within blocks, as deep as options allow, are walked one in another.
pub const STACK: usize = 16 << 20;

/// One configuration, read and understood.
pub struct Reading {
    /// As given on the command line.
    pub path: PathBuf,
    /// Who reads it.
    pub server: ServerKind,
    /// What it means.
    pub understood: Box<dyn ParsedConfig>,
    /// What the system says to every program that uses OpenSSL.
    pub system: SystemTls,
    /// Who reads its files.
    pub permissions: Permissions,
    /// What is around them.
    pub machine: Machine,
    /// The files that were asked for, where they are parts of a whole.
    only: Option<HashSet<PathBuf>>,
}

impl Reading {
    /// Whether it is a whole configuration of which all was asked for.
    pub fn is_whole(&self) -> bool {
        self.only.is_none() && !self.understood.deployment().fragment
    }

    /// Whether what lies at a place was asked for.
    pub fn shows(&self, sources: &Sources, span: Span) -> bool {
        let is_asked =
            |only: &HashSet<PathBuf>| only.contains(sources.file(sources.resolve_span(span).span.file).path());
        self.only.as_ref().is_none_or(is_asked)
    }
}

/// All that a run reads.
pub struct Loaded {
    /// All texts.
    pub sources: Sources,
    /// The configurations.
    pub readings: Vec<Reading>,
    /// Certificates and keys.
    pub library: PemStore,
    /// What clients trust.
    pub anchors: Anchors,
    trust: String,
    trust_is_assumed: bool,
}

impl Loaded {
    /// One configuration as reports name it.
    pub fn info(&self, reading: &Reading) -> TargetInfo {
        TargetInfo {
            path: reading.path.clone(),
            server: reading.server,
            platform: reading.understood.deployment().platform.clone(),
            trust: self.trust.clone(),
            trust_is_assumed: self.trust_is_assumed,
        }
    }

    /// How many distinct certificates are served.
    pub fn certificate_count(&self) -> usize {
        let mut seen = HashSet::new();
        let served = self.readings.iter().flat_map(|reading| &reading.understood.deployment().credentials);
        for pair in served.flat_map(|set| &set.pairs) {
            let file = pair.certificate.get().and_then(|(_, path)| self.library.get(path)?.as_ref().ok());
            seen.extend(file.and_then(|file| file.leaf()).map(|leaf| leaf.sha256));
        }
        seen.len()
    }
}

/// What clients trust, who said so, and whether it was assumed.
#[derive(Clone)]
pub struct Trusted {
    anchors: Anchors,
    name: String,
    is_assumed: bool,
}

/// What the options say that clients trust.
///
/// # Errors
/// Where a file of anchors cannot be read.
pub fn trusted(files: &dyn FileSystem, options: &Options) -> Result<Trusted, Failure> {
    let (anchors, name, is_assumed) = anchors(files, options)?;
    Ok(Trusted { anchors, name, is_assumed })
}

/// Reads the configurations at `paths`, or the live one where there is none.
///
/// # Errors
/// Where a path cannot be read, its server cannot be told, or the options name what does not exist.
pub fn load(files: &dyn FileSystem, paths: &[PathBuf], options: &Options) -> Result<Loaded, Failure> {
    load_with(files, paths, options, || trusted(files, options))
}

/// The same, with what clients trust from elsewhere.
///
/// Files are read in parallel: beyond `--max-total-size`, which of them are left out may differ from run to run.
///
/// # Errors
/// As [`load`], and those of `trust`.
pub fn load_with(
    files: &dyn FileSystem,
    paths: &[PathBuf],
    options: &Options,
    trust: impl FnOnce() -> Result<Trusted, Failure> + Send,
) -> Result<Loaded, Failure> {
    let metered = Metered::new(files, &options.limits);
    let files: &dyn FileSystem = &metered;
    let live = if paths.is_empty() { target::live(files, options)? } else { Vec::new() };
    let targets = paths.iter().chain(&live).map(|path| target::resolve(files, path, options));
    let targets = targets.collect::<Result<Vec<_>, _>>()?;
    let mut reader = Reader { files, options, sources: Sources::new(), readings: Vec::new(), mains: HashMap::new() };
    // A store has more certificates than most configurations.
    let read = || targets.into_iter().try_for_each(|target| reader.target(target));
    let (read, trusted) = rayon::join(read, trust);
    read?;
    let Trusted { anchors, name: trust, is_assumed: trust_is_assumed } = trusted?;
    let Reader { mut sources, mut readings, .. } = reader;
    let deployments = readings.iter().map(|reading| reading.understood.deployment());
    let elsewhere = Elsewhere::of_certificates(files);
    let certificates: &dyn FileSystem = if options.certificates_elsewhere { &elsewhere } else { files };
    let library = certificates::load(certificates, &mut sources, &options.limits, deployments, &anchors);
    for reading in &mut readings {
        let (paths, deployment) = (reading.understood.paths(), reading.understood.deployment());
        let around = || machine::gather(certificates, &paths, deployment, options);
        let ways = || permissions::gather(certificates, paths.first().copied(), deployment, options);
        (reading.machine, reading.permissions) = rayon::join(around, ways);
        if reading.server == ServerKind::Caddy
            && let (Some(unit), Some(main)) = (&reading.permissions.unit, reading.understood.paths().first())
        {
            let end = permissions::reload_end(files, main, unit, &mut sources, &options.limits);
            reading.permissions.reload_end = end;
        }
    }
    Ok(Loaded { sources, readings, library, anchors, trust, trust_is_assumed })
}

struct Reader<'a> {
    files: &'a dyn FileSystem,
    options: &'a Options,
    sources: Sources,
    readings: Vec<Reading>,
    /// Whole configurations that were read because they might include a part: index into `readings`, or not (yet) used.
    mains: HashMap<PathBuf, Main>,
}

/// A main file that was read.
enum Main {
    Used(usize),
    Unused(Box<dyn ParsedConfig>),
    Unreadable,
}

impl Reader<'_> {
    /// Tells a main file from others, however it is named.
    fn key(&self, main: &Path) -> PathBuf {
        self.files.canonical(main).unwrap_or_else(|_| main.to_path_buf())
    }

    /// A whole configuration is read once, however many of its parts are named beside it.
    fn known(&mut self, target: &Target) -> bool {
        let Some(key) = whole_file(target).map(|path| self.key(path)) else { return false };
        let index = match self.mains.remove(&key) {
            Some(Main::Unused(understood)) => {
                let system = self.system(target.server, &understood.deployment().platform);
                let (path, server) = (target.path.clone(), target.server);
                self.readings.push(Reading {
                    path,
                    server,
                    understood,
                    system,
                    permissions: Permissions::default(),
                    machine: Machine::default(),
                    only: None,
                });
                self.readings.len() - 1
            }
            Some(Main::Used(index)) => {
                self.readings[index].only = None;
                self.readings[index].path.clone_from(&target.path);
                index
            }
            Some(Main::Unreadable) | None => return false,
        };
        self.mains.insert(key, Main::Used(index));
        true
    }

    fn target(&mut self, target: Target) -> Result<(), Failure> {
        if self.known(&target) {
            return Ok(());
        }
        if let Some(main) = whole_file(&target).map(|path| self.key(path)) {
            self.mains.insert(main, Main::Used(self.readings.len()));
        }
        for main in &target.mains {
            if self.inside(main, &target)? {
                return Ok(());
            }
        }
        let platform = platform_of(self.files, target.server, self.options)?;
        let system = self.system(target.server, &platform);
        let understood = self.read(target.server, target.input, platform);
        self.readings.push(Reading {
            path: target.path,
            server: target.server,
            understood,
            system,
            permissions: Permissions::default(),
            machine: Machine::default(),
            only: None,
        });
        Ok(())
    }

    /// Judges a part inside the whole at `main`, where that includes it.
    fn inside(&mut self, main: &Path, part: &Target) -> Result<bool, Failure> {
        let key = self.key(main);
        if !self.mains.contains_key(&key) {
            let found = match self.files.read(main, self.options.limits.config_file) {
                Ok(bytes) => {
                    let root = Root { path: main.to_path_buf(), bytes, text: Text::File };
                    let platform = platform_of(self.files, part.server, self.options)?;
                    let definitions = self.options.definitions.clone();
                    let input = Input { roots: vec![root], form: Completeness::Whole, definitions };
                    Main::Unused(self.read(part.server, input, platform))
                }
                Err(_) => Main::Unreadable,
            };
            self.mains.insert(key.clone(), found);
        }
        let understood: &dyn ParsedConfig = match self.mains.get(&key) {
            Some(Main::Used(index)) => &*self.readings[*index].understood,
            Some(Main::Unused(understood)) => &**understood,
            _ => return Ok(false),
        };
        let wanted = self.files.canonical(&part.path).ok();
        let is_it = |path: &&Path| wanted.is_some() && self.files.canonical(path).ok() == wanted;
        let Some(found) = understood.paths().into_iter().find(is_it).map(Path::to_path_buf) else { return Ok(false) };
        let index = match self.mains.remove(&key) {
            Some(Main::Unused(understood)) => {
                let only = Some(HashSet::new());
                let system = self.system(part.server, &understood.deployment().platform);
                self.readings.push(Reading {
                    path: part.path.clone(),
                    server: part.server,
                    understood,
                    system,
                    permissions: Permissions::default(),
                    machine: Machine::default(),
                    only,
                });
                self.readings.len() - 1
            }
            Some(Main::Used(index)) => index,
            _ => return Ok(false),
        };
        self.mains.insert(key, Main::Used(index));
        if let Some(only) = &mut self.readings[index].only {
            only.insert(found);
        }
        Ok(true)
    }

    /// What the system says, where its files are those of the platform: below a root, or on the machine itself.
    fn system(&self, server: ServerKind, platform: &Platform) -> SystemTls {
        if self.options.root.is_none() && !platform.is_detected {
            return SystemTls::unread(platform);
        }
        SystemTls::read(self.files, platform, server.openssl_program(platform.server_version))
    }

    fn read(&mut self, server: ServerKind, input: Input, platform: Platform) -> Box<dyn ParsedConfig> {
        let elsewhere = Elsewhere::of_configuration(self.files);
        let files: &dyn FileSystem = if self.options.certificates_elsewhere { &elsewhere } else { self.files };
        server::read(server, files, &mut self.sources, &self.options.limits, input, platform)
    }
}

/// The file of a target that is a whole configuration.
fn whole_file(target: &Target) -> Option<&Path> {
    match (&target.input.form, &target.input.roots[..]) {
        (Completeness::Whole, [root]) if matches!(root.text, Text::File) => Some(&root.path),
        _ => None,
    }
}

/// The platform that the options name, else the one found below the root, else the assumed one.
pub(super) fn platform_of(files: &dyn FileSystem, server: ServerKind, options: &Options) -> Result<Platform, Failure> {
    let part = server.part();
    let mut platform = match &options.platform {
        Some(name) => platform::find(name, part).ok_or_else(|| no_platform(name, server))?,
        None => platform::detect(files, part),
    };
    if let Some(version) = options.server_version {
        platform.server_version = version;
        platform.assumed.retain(|what| what != "server_version");
    }
    if let Some(library) = &options.tls_library {
        platform.tls_library = library.clone();
        platform.assumed.retain(|what| what != "tls_library");
    }
    if let Some(user) = &options.run_as {
        platform.worker_user.clone_from(user);
    }
    if let Some(level) = options.security_level {
        platform.security_level = level;
        platform.assumed.retain(|what| what != "security_level");
    }
    Ok(platform)
}

fn no_platform(name: &str, server: ServerKind) -> Failure {
    let all: Vec<&str> = platform::names().collect();
    if all.contains(&name) {
        return Failure::new(format!("{name} has no {}", server.title()));
    }
    let nearest = spelling::nearest(name, all.iter().copied(), 3);
    let meant = nearest.map(|(one, _)| format!("did you mean {one}? ")).unwrap_or_default();
    Failure::new(format!("no such platform: {name}")).help(format!("{meant}All: {}", all.join(", ")))
}

/// Where systems keep their store as one file, most common first.
const STORES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
];

/// What clients trust, its name, and whether it was assumed.
fn anchors(files: &dyn FileSystem, options: &Options) -> Result<(Anchors, String, bool), Failure> {
    let mut anchors = Anchors::new();
    let system = |anchors: &mut Anchors| -> Result<bool, Failure> {
        for store in STORES {
            let path = files.locate(Path::new("/"), Path::new(store));
            if add_store(files, options, &path, anchors)? {
                return Ok(true);
            }
        }
        Ok(false)
    };
    if options.trust.is_empty() {
        if system(&mut anchors)? && !anchors.is_empty() {
            return Ok((anchors, "system".into(), true));
        }
        return Ok((Anchors::mozilla(), "mozilla".into(), true));
    }
    let mut names = Vec::new();
    for source in &options.trust {
        match source {
            TrustSource::System => {
                if !system(&mut anchors)? {
                    let looked = STORES.join(", ");
                    return Err(
                        Failure::new("the system has no store of trust anchors").help(format!("looked for {looked}"))
                    );
                }
                names.push("system".to_owned());
            }
            TrustSource::Mozilla => {
                anchors.extend(Anchors::mozilla());
                names.push("mozilla".to_owned());
            }
            TrustSource::File(_) => {}
        }
    }
    for source in &options.trust {
        let TrustSource::File(path) = source else { continue };
        add_anchors(files, options, path, &mut anchors)?;
        names.push(path.display().to_string());
    }
    Ok((anchors, names.join(", "), false))
}

/// Adds the anchors of a file that the user names.
///
/// # Errors
/// Where it cannot be read.
pub(super) fn add_anchors(
    files: &dyn FileSystem,
    options: &Options,
    path: &Path,
    anchors: &mut Anchors,
) -> Result<(), Failure> {
    match add_store(files, options, path, anchors)? {
        true => Ok(()),
        false => {
            let failure = Failure::new(format!("cannot read trust anchors from {}: no such file", path.display()));
            Err(failure.help("name a PEM file, system or mozilla"))
        }
    }
}

/// Adds the anchors of a file; false where there is none. No finding points into it.
fn add_store(files: &dyn FileSystem, options: &Options, path: &Path, anchors: &mut Anchors) -> Result<bool, Failure> {
    match files.read(path, options.limits.pem_file) {
        Ok(text) => {
            anchors.add_store(&text);
            Ok(true)
        }
        Err(error) if error.is_missing() => Ok(false),
        Err(error) => Err(Failure::new(format!("cannot read trust anchors from {}: {error}", path.display()))),
    }
}
