//! Which certificate and key files a run reads: those that the configuration names, and where something is missing there,
//! those that lie beside them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::model::{Credentials, Deployment, TlsPolicy, UpstreamAuthorities, UpstreamPolicy, VerifyMode};
use crate::pki::{Anchors, PemStore};
use crate::source::{FileKind, FileSystem, Limits, Sources};

/// How many files of one folder are looked at.
const SIBLINGS: usize = 200;

/// Reads all files that the deployments name, once each.
pub fn load<'d>(
    files: &dyn FileSystem,
    sources: &mut Sources,
    limits: &Limits,
    deployments: impl Iterator<Item = &'d Deployment> + Clone,
    anchors: &Anchors,
) -> PemStore {
    let sets = deployments.clone().flat_map(|deployment| &deployment.credentials);
    let mut paths: Vec<PathBuf> = Vec::new();
    for set in sets.clone() {
        for pair in &set.pairs {
            let certificate = pair.certificate.get().map(|(_, path)| path);
            let key = pair.key.as_ref().and_then(|key| key.get()).map(|(_, path)| path);
            let chain = pair.chain.as_ref().and_then(|chain| chain.get()).map(|(_, path)| path);
            paths.extend([certificate, key, chain].into_iter().flatten().cloned());
        }
        paths.extend(set.authorities.as_ref().map(|(_, path)| path.clone()));
    }
    paths.extend(deployments.clone().flat_map(|deployment| &deployment.upstream_policies).filter_map(trusted_upstream));
    paths.extend(deployments.clone().flat_map(|deployment| &deployment.policies).flat_map(named_by));
    let upstreams = deployments.clone().flat_map(|deployment| &deployment.upstream_policies);
    paths.extend(upstreams.flat_map(named_towards));
    paths.extend(deployments.clone().flat_map(read_late));
    let named = deployments.clone().flat_map(named_folders).collect::<BTreeSet<&Path>>();
    paths.extend(named.into_iter().flat_map(|folder| hashed(files, folder)));
    let passwords = passwords(sets.clone());
    let mut library = PemStore::load(files, sources, limits, paths, &passwords);
    let folders: BTreeSet<PathBuf> = sets.flat_map(|set| folders(&library, anchors, set)).collect();
    let beside: Vec<PathBuf> = folders.iter().flat_map(|folder| siblings(files, folder)).collect();
    library.extend(files, sources, limits, beside, &[]);
    library
}

/// Reads more files that are certificates and keys of a deployment.
pub fn extend(
    library: &mut PemStore,
    files: &dyn FileSystem,
    sources: &mut Sources,
    limits: &Limits,
    deployment: &Deployment,
    paths: Vec<PathBuf>,
) {
    if !paths.is_empty() {
        library.extend(files, sources, limits, paths, &passwords(deployment.credentials.iter()));
    }
}

/// The folders of authorities and revocation lists, for clients and for upstream servers.
fn named_folders(deployment: &Deployment) -> Vec<&Path> {
    let asked = deployment.policies.iter().filter_map(|policy| policy.client_verification.get());
    let asked = asked.filter(|one| one.mode != VerifyMode::Off);
    let for_clients = asked.flat_map(|one| [&one.folder, &one.revocation_folder]).flatten();
    let for_upstreams = deployment.upstream_policies.iter().flat_map(|policy| {
        let authorities = match policy.authorities.get() {
            Some(UpstreamAuthorities::Own { folder: Some(folder), .. }) => folder.get(),
            _ => None,
        };
        [authorities, policy.revocation_folder.as_ref().and_then(|folder| folder.get())].into_iter().flatten()
    });
    for_clients.chain(for_upstreams).map(|(_, path)| path.as_path()).collect()
}

/// How many files of a folder of authorities are looked at.
const HASHED: usize = 1_000;

/// The files of a folder that OpenSSL finds there: named by the hash of a subject, `.0` or `.r0` and on behind it
/// (X509_LOOKUP_hash_dir(3)).
pub fn hashed(files: &dyn FileSystem, folder: &Path) -> Vec<PathBuf> {
    let is_hashed = |name: &str| {
        let Some((hash, number)) = name.split_once('.') else { return false };
        let number = number.strip_prefix('r').unwrap_or(number);
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) && is_number
    };
    let entries = files.list(folder).unwrap_or_default();
    let names = entries.iter().filter_map(|entry| entry.name.to_str()).filter(|name| is_hashed(name));
    names.take(HASHED).map(|name| folder.join(name)).collect()
}

/// The files with passwords for keys.
fn passwords<'d>(sets: impl Iterator<Item = &'d Credentials>) -> Vec<PathBuf> {
    let all: BTreeSet<&PathBuf> = sets.filter_map(|set| set.passwords.as_ref().map(|(_, path)| path)).collect();
    all.into_iter().cloned().collect()
}

/// The files that are read at handshakes under the exact names that are served.
pub fn read_late(deployment: &Deployment) -> Vec<PathBuf> {
    if !deployment.credentials.iter().any(Credentials::hangs_on_name) {
        return Vec::new();
    }
    let endpoints = deployment.tls_endpoints();
    let names = endpoints.flat_map(|(_, one)| one.named.exact.iter().map(move |(name, (_, id))| (one, name, *id)));
    let all: BTreeSet<PathBuf> = names
        .flat_map(|(endpoint, name, id)| deployment.credentials(endpoint.binding(id).credentials).paths_for(name))
        .collect();
    all.into_iter().collect()
}

/// The file of authorities for upstream servers.
fn trusted_upstream(policy: &UpstreamPolicy) -> Option<PathBuf> {
    match policy.authorities.get()? {
        UpstreamAuthorities::Own { file, .. } => file.as_ref()?.get().map(|(_, path)| path.clone()),
        UpstreamAuthorities::System | UpstreamAuthorities::None => None,
    }
}

/// The files that a policy names: parameters, authorities, issuers, revocation lists.
fn named_by(policy: &TlsPolicy) -> Vec<PathBuf> {
    let parameters = policy.dh_parameters.get().and_then(|file| file.as_ref());
    let verification = policy.client_verification.get();
    let revocations = verification.and_then(|one| one.revocations.as_ref());
    let verification = verification.filter(|one| one.mode != VerifyMode::Off);
    let authorities = verification.into_iter().flat_map(|one| one.authority_files());
    let stapling = policy.stapling.get();
    let issuers = stapling.and_then(|one| one.issuers.as_ref());
    let response = stapling.filter(|one| one.on).and_then(|one| one.file.as_ref());
    let commands = policy.commands.get().into_iter().flat_map(|all| all.iter());
    let by_command = commands.filter(|one| one.name.text.eq_ignore_ascii_case("DHParameters"));
    let mut found: Vec<PathBuf> = [parameters, issuers, revocations, response]
        .into_iter()
        .flatten()
        .chain(authorities)
        .map(|(_, path)| path.clone())
        .collect();
    found.extend(by_command.map(|one| PathBuf::from(&*one.value.text)).filter(|path| path.is_absolute()));
    found
}

/// The files that a policy towards upstream servers names.
fn named_towards(policy: &UpstreamPolicy) -> Vec<PathBuf> {
    let authorities = match policy.authorities.get() {
        Some(UpstreamAuthorities::Own { file: Some(file), .. }) => file.get(),
        _ => None,
    };
    let revocations = policy.revocations.as_ref().and_then(|file| file.get());
    let pairs = policy.credentials.iter();
    let pairs = pairs.flat_map(|pair| [pair.certificate.get(), pair.key.as_ref().and_then(|key| key.get())]);
    [authorities, revocations].into_iter().chain(pairs).flatten().map(|(_, path)| path.clone()).collect()
}

/// The folders where the missing part of a set may lie: of pairs that do not fit, and of chains that break off.
fn folders(library: &PemStore, anchors: &Anchors, set: &Credentials) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for pair in &set.pairs {
        let Some((_, path)) = pair.certificate.get() else { continue };
        let Some(Ok(file)) = library.get(path) else { continue };
        let key_path = pair.key.as_ref().and_then(|key| key.get()).map(|(_, path)| path);
        let key = key_path.and_then(|path| library.get(path)?.as_ref().ok()?.key()?.1.as_ref().ok());
        let Some(leaf) = file.leaf() else { continue };
        let fits = key.is_none_or(|key| key.belongs_to(leaf) != Some(false));
        let breaks_off = file.certificates().any(|(_, one)| {
            !one.is_self_issued()
                && !anchors.has_subject(&one.issuer_name)
                && !file.certificates().any(|(_, issuer)| issuer.subject_name == one.issuer_name)
        });
        if !fits || breaks_off {
            let folder = |path: &PathBuf| path.parent().map(Path::to_path_buf);
            found.extend(folder(path));
            found.extend(key_path.filter(|_| !fits).and_then(folder));
        }
    }
    found
}

/// Files of a folder that look like certificates or keys by their names.
fn siblings(files: &dyn FileSystem, folder: &Path) -> Vec<PathBuf> {
    const ENDINGS: &[&str] = &["pem", "crt", "cer", "key", "ca-bundle", "chain"];
    let is_one = |name: &Path| {
        name.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| ENDINGS.contains(&ending))
    };
    let entries = files.list(folder).unwrap_or_default();
    let regular = entries.into_iter().filter(|entry| entry.kind == Some(FileKind::Regular));
    regular
        .map(|entry| PathBuf::from(entry.name))
        .filter(|name| is_one(name))
        .take(SIBLINGS)
        .map(|name| folder.join(name))
        .collect()
}
