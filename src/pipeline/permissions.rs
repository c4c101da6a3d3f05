//! Finds out who reads certificates and keys, and looks at the ways to them: what rules on permissions hang on.
//!
//! Owners and groups speak of the server only where the configuration is the live one of the machine (or of the copy of one
//! below a root), or where the user says who reads (`--run-as`). What others may do holds for files of this machine that are
//! named by their whole paths, too.

use std::path::{Path, PathBuf};

use foldhash::{HashMap, HashSet};
use rayon::prelude::*;

use super::Options;
use super::git::WorkTrees;
use super::target;
use crate::lint::{Permissions, Reader};
use crate::model::{Deployment, NamedFile, ServerKind, SiteId};
use crate::platform::{Account, Accounts, Unit, end_of_reload};
use crate::server::units;
use crate::source::{FileSystem, Limits, ReadError, Sources, Span, Text, Trails};

/// The groups of services and of keys, by what packages call them.
const GROUPS: &[&str] = &["ssl-cert", "www-data", "nginx", "apache", "http", "www", "caddy"];

/// The bits that let somebody else than the owner read.
const OTHERS: u32 = 0o044;

/// Looks at the files of one configuration.
pub fn gather(files: &dyn FileSystem, main: Option<&Path>, deployment: &Deployment, options: &Options) -> Permissions {
    let named = deployment.files_at_start();
    let mut seen = HashSet::default();
    let all: Vec<&NamedFile<'_>> = named.iter().filter(|one| seen.insert((one.path, one.is_key))).collect();
    let is_live = main.is_some_and(|main| target::is_live(files, main, options));
    let mut found = Permissions::default();
    // Files that stand for those of the server (`[paths]`) have rights of their own.
    let is_meant = is_live || options.run_as.is_some() && options.path_maps.is_empty();
    if is_meant {
        found.accounts = Accounts::read(files);
        found.unit = Unit::find(files, units(deployment.server));
        (found.reader, found.worker) = readers(files, &found.accounts, deployment, options);
        let service = [&found.reader, &found.worker].into_iter().flatten().flat_map(|one| &one.account.groups);
        let named = GROUPS.iter().filter_map(|name| found.accounts.group(name));
        found.trusted_groups = service.copied().chain(named).chain([0]).collect();
    }
    found.given = given(files, deployment, &all);
    let mut trees = WorkTrees::new(files);
    if !is_live {
        let keys = all.iter().filter(|one| one.is_key).map(|one| one.path);
        found.tracked = keys.filter_map(|path| Some((path.to_path_buf(), trees.carrying(path)?))).collect();
    }
    // What is named by its whole path is the very file of this machine. Modes of a checkout are those of who made it.
    let mut is_own = |one: &NamedFile<'_>| {
        let is_whole =
            options.root.is_none() && one.path.is_absolute() && *one.token.text == *one.path.to_string_lossy();
        is_meant || is_whole && !trees.hold(one.path)
    };
    let is_root = found.reader.as_ref().is_none_or(|one| one.account.is_root());
    // Most keys are shut to all but their owner, and most servers read as root: then no way is gone.
    let all: Vec<&NamedFile<'_>> = all.into_iter().filter(|one| !is_root || one.is_key && is_own(one)).collect();
    let is_wanted = |one: &&NamedFile<'_>| {
        !is_root
            || one.is_key
                && files
                    .metadata(one.path)
                    .map_or_else(|error| error == ReadError::Forbidden, |it| it.mode & OTHERS != 0)
    };
    let wanted: Vec<&Path> = all.par_iter().copied().filter(is_wanted).map(|one| one.path).collect();
    let mut trails = Trails::new(files);
    found.trails = wanted.into_iter().map(|path| (path.to_path_buf(), trails.to(path))).collect();
    if found.worker.as_ref().is_some_and(|one| !one.account.is_root()) {
        let ways = late(deployment).into_iter().map(|path| (path.clone(), trails.to(&path)));
        found.trails.extend(ways.collect::<Vec<_>>());
    }
    found
}

/// The end of the command that reloads Caddy without looking at files, where it stands in a file of the machine's own below
/// `/etc`: what a package brings is not changed. Only where the command reloads what is judged, `main` or a copy of it. The
/// file becomes one of the run's.
pub fn reload_end(
    files: &dyn FileSystem,
    main: &Path,
    unit: &Unit,
    sources: &mut Sources,
    limits: &Limits,
) -> Option<Span> {
    let at = unit.weak_reload()?;
    let (command, path) = (unit.reload.get(at)?, unit.reload_files.get(at)?);
    let located = |path: &str| files.locate(Path::new("/"), Path::new(path));
    let (etc, path) = (located("/etc"), located(path));
    let reloaded = located(&unit.named_by_reload(at, "--config")?);
    let is_judged = files.canonical(&reloaded).ok()? == files.canonical(main).ok()?
        || files.read(&reloaded, limits.config_file).ok()? == files.read(main, limits.config_file).ok()?;
    if !is_judged {
        return None;
    }
    // A link may lead to what a package brings.
    let real = files.canonical(&path).ok()?;
    if !path.starts_with(&etc) || !real.starts_with(files.canonical(&etc).ok()?) {
        return None;
    }
    let bytes = files.read(&path, limits.config_file).ok()?;
    let end = end_of_reload(std::str::from_utf8(&bytes).ok()?, command)? as u32;
    let file = sources.add(path, bytes, Text::File);
    Some(Span::new(file, end, end))
}

/// How many folders beside each other are looked up in one list of what is there.
const MANY: usize = 16;

/// Which keys sites give to whoever asks. Real paths count; those of files that are not at hand as they are written.
fn given<'d>(
    files: &dyn FileSystem,
    deployment: &'d Deployment,
    named: &[&NamedFile<'_>],
) -> HashMap<PathBuf, (SiteId, usize)> {
    let sites = (0u32..).map(SiteId).zip(&deployment.sites);
    let folders = || sites.clone().flat_map(|(id, site)| site.webroots.iter().enumerate().map(move |one| (id, one)));
    let distinct: HashSet<&Path> = folders().map(|(_, (_, one))| one.path.as_path()).collect();
    if distinct.is_empty() {
        return HashMap::default();
    }
    let real = |path: &Path| match files.canonical(path) {
        Ok(real) => Some(real),
        Err(error) if error.is_hidden() => Some(path.to_path_buf()),
        Err(_) => None,
    };
    // Thousands of folders lie in few others: of each alone it is asked whether it is a link. One that is not there holds
    // no key whatever its name is.
    let mut above: HashMap<&Path, usize> = HashMap::default();
    for path in distinct.iter().filter_map(|path| path.parent()) {
        *above.entry(path).or_default() += 1;
    }
    let look = |(path, count): (&'d Path, usize)| {
        let names = if count < MANY { None } else { files.list(path).ok() };
        let names = names.map(|all| all.into_iter().map(|one| one.name).collect::<HashSet<_>>());
        (path, real(path).map(|real| (real, names)))
    };
    let above: HashMap<&Path, _> = above.into_iter().map(look).collect();
    let real_below = |path: &Path| {
        let Some((folder, name)) = path.parent().zip(path.file_name()) else { return real(path) };
        let (folder, names) = above.get(folder)?.as_ref()?;
        if names.as_ref().is_some_and(|names| !names.contains(name)) {
            return None;
        }
        let here = folder.join(name);
        if files.link(&here).is_some() { real(path) } else { Some(here) }
    };
    let distinct: Vec<&Path> = distinct.into_iter().collect();
    let real_folders = distinct.into_par_iter().filter_map(|path| Some((path, real_below(path)?)));
    let real_folders: HashMap<&Path, PathBuf> = real_folders.collect::<Vec<_>>().into_iter().collect();
    let mut by_folder: HashMap<&Path, Vec<(SiteId, usize)>> = HashMap::default();
    for (id, (at, one)) in folders() {
        if let Some(real) = real_folders.get(one.path.as_path()) {
            by_folder.entry(real).or_default().push((id, at));
        }
    }
    let keys: Vec<&Path> = named.iter().filter(|one| one.is_key).map(|one| one.path).collect();
    let keys = keys.into_par_iter().filter_map(|path| {
        let key = real(path)?;
        let mut above = key.ancestors().skip(1).filter_map(|folder| Some((folder, by_folder.get(folder)?)));
        let found = above.find_map(|(folder, all)| {
            all.iter().find(|(id, at)| deployment.site(*id).webroots[*at].gives(folder, &key)).copied()
        })?;
        Some((path.to_path_buf(), found))
    });
    keys.collect::<Vec<_>>().into_iter().collect()
}

/// Who reads at start, and who works afterwards.
fn readers(
    files: &dyn FileSystem,
    accounts: &Accounts,
    deployment: &Deployment,
    options: &Options,
) -> (Option<Reader>, Option<Reader>) {
    let reader = |name: &str| match accounts.user(name) {
        Some(account) => Reader { account, is_known: true },
        None => Reader { account: Account::stranger(name), is_known: false },
    };
    if let Some(name) = &options.run_as {
        let given = reader(name);
        if !given.account.is_root() || deployment.server == ServerKind::Caddy {
            return (Some(given.clone()), Some(given));
        }
    }
    let unit = Unit::find(files, units(deployment.server)).filter(|_| options.run_as.is_none());
    if unit.as_ref().is_some_and(|unit| unit.is_special) {
        return (None, None);
    }
    let by_unit = unit.and_then(|unit| {
        let mut found = reader(unit.user.as_deref()?);
        let named = unit.group.iter().chain(&unit.more_groups).filter_map(|name| accounts.group(name));
        found.account.groups.extend(named);
        Some(found)
    });
    if deployment.server == ServerKind::Caddy {
        let found = by_unit.unwrap_or_else(|| reader(&deployment.platform.worker_user));
        return (Some(found.clone()), Some(found));
    }
    match by_unit.filter(|one| !one.account.is_root()) {
        // Whoever is not root cannot become anybody else.
        Some(found) => (Some(found.clone()), Some(found)),
        None => (Some(reader("root")), worker(accounts, deployment, &reader)),
    }
}

/// Who works for a server that is started as root.
fn worker(accounts: &Accounts, deployment: &Deployment, reader: &dyn Fn(&str) -> Reader) -> Option<Reader> {
    let said = &deployment.run_as;
    // A variable that nothing defines.
    if [&said.user, &said.group].into_iter().flatten().any(|word| word.text.contains('$')) {
        return None;
    }
    let name = match &said.user {
        Some(user) => user.text.trim_start_matches('#'),
        // Without a word nginx takes what it was built with, which no file tells.
        None if deployment.server == ServerKind::Nginx => return None,
        None => &deployment.platform.worker_user,
    };
    let mut found = reader(name);
    let group = said.group.as_ref().map(|group| group.text.trim_start_matches('#'));
    found.account.groups.extend(group.and_then(|name| accounts.group(name)));
    Some(found)
}

/// The files that workers read at each handshake: those of the exact names that are served, and the folders that their paths
/// begin with.
fn late(deployment: &Deployment) -> Vec<PathBuf> {
    let pairs = deployment.credentials.iter().flat_map(|set| &set.pairs).filter_map(|pair| pair.by_name.as_ref());
    let folders = pairs.flat_map(|one| [&one.certificate, &one.key]).map(|template| template.folder.clone());
    let mut all: Vec<PathBuf> = folders.chain(super::certificates::read_late(deployment)).collect();
    all.sort();
    all.dedup();
    all
}
