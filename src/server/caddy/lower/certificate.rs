//! The certificates that a configuration loads, by the names that they hold: Caddy serves any of them for any of its names.
//!
//! Source: certmagic 0.25, `selectCert`, `getCertificateFromCache`; names are common names and alternative names alike.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use super::{Lowering, name};
use crate::diagnostic::Problem;
use crate::model::{Credential, Doubt, Origin, Setting, Token};
use crate::pki::{PemFile, PemStore};
use crate::server::caddy::config::{Choice, Config, Loader};
use crate::source::{FileKind, Sources};

/// How many certificates of folders are looked at.
const MOST: usize = 20_000;

/// Certificates from files.
pub struct Certificates {
    pub pairs: Vec<Credential>,
    /// For each loader of the configuration, which of the pairs it is.
    pub numbers: Vec<usize>,
    by_name: HashMap<String, Vec<usize>>,
    by_tag: HashMap<Arc<str>, Vec<usize>>,
    /// Whether some names are not known.
    pub is_partial: bool,
}

impl Certificates {
    /// Reads the names of all certificates that are loaded.
    pub fn read(lowering: &mut Lowering<'_>, config: &Config) -> Certificates {
        // A certificate is kept once, under all tags that it is loaded with.
        let mut loaders: Vec<Loader> = Vec::with_capacity(config.loaders.len());
        let mut known: HashMap<&Path, usize> = HashMap::new();
        let mut numbers = Vec::with_capacity(config.loaders.len());
        for loader in &config.loaders {
            match known.get(loader.certificate.1.as_path()) {
                Some(at) => {
                    numbers.push(*at);
                    let new = loader.tags.iter().filter(|tag| !loaders[*at].tags.contains(tag)).cloned();
                    let new: Vec<Arc<str>> = new.collect();
                    loaders[*at].tags.extend(new);
                }
                None => {
                    known.insert(&loader.certificate.1, loaders.len());
                    numbers.push(loaders.len());
                    loaders.push(loader.clone());
                }
            }
        }
        let from_folders = loaders.len();
        for (folder, include_chain) in &config.folders {
            if lowering.reading.files.list(&lowering.locate(&folder.text)).is_err_and(|error| error.is_missing()) {
                let problem = Problem::new("certificate-file-missing", folder.span).with("path", &*folder.text);
                lowering.problem(problem.with("reason", "no such folder"));
            }
            for path in pem_files(lowering, &lowering.locate(&folder.text)) {
                let file = (folder.clone(), path);
                loaders.push(Loader {
                    certificate: file.clone(),
                    key: file,
                    tags: Vec::new(),
                    include_chain: *include_chain,
                });
            }
        }
        let readable = |loader: &&Loader| !is_placeholder(&loader.certificate.0);
        let paths = loaders.iter().filter(readable).map(|loader| loader.certificate.1.clone());
        let (files, limits) = (lowering.reading.files, lowering.reading.limits);
        let library = PemStore::load(files, &mut Sources::new(), limits, paths, &[]);
        let mut all = Certificates {
            pairs: Vec::new(),
            numbers,
            by_name: HashMap::new(),
            by_tag: HashMap::new(),
            is_partial: config.opaque_loader.is_some(),
        };
        // The same certificates in another file are kept once, too: the tags of the second count only since CertMagic 0.17.3.
        let counts_all_tags = lowering.reading.version.at_least(2, 7, 0);
        let mut same: HashMap<Vec<[u8; 32]>, usize> = HashMap::new();
        for (number, loader) in loaders.into_iter().enumerate() {
            let file = library.get(&loader.certificate.1).and_then(|file| file.as_ref().ok());
            if number >= from_folders && file.is_some_and(|file| file.key().is_none()) {
                let problem = Problem::new("folder-load-keyless-pem", loader.certificate.0.span);
                let path = loader.certificate.1.file_name().unwrap_or_default().to_string_lossy().into_owned();
                lowering.problem(problem.with("folder", &*loader.certificate.0.text).with("path", path));
                continue;
            }
            let chain: Vec<[u8; 32]> =
                file.into_iter().flat_map(PemFile::certificates).map(|(_, one)| one.sha256).collect();
            let next = all.pairs.len();
            let first = if chain.is_empty() { next } else { *same.entry(chain).or_insert(next) };
            if first != next {
                for tag in loader.tags.iter().filter(|_| counts_all_tags) {
                    all.by_tag.entry(Arc::clone(tag)).or_default().push(first);
                }
                all.pairs.push(pair(&loader));
                continue;
            }
            let names = library.get(&loader.certificate.1).and_then(|file| file.as_ref().ok()?.leaf()).map(|leaf| {
                let addresses = leaf.addresses.iter().map(ToString::to_string);
                let names = leaf.common_names.iter().chain(&leaf.dns_names).map(|name| name.to_lowercase());
                names.chain(addresses).collect::<BTreeSet<String>>()
            });
            let number = all.pairs.len();
            all.is_partial |= names.is_none();
            for name in names.into_iter().flatten() {
                all.by_name.entry(name).or_default().push(number);
            }
            for tag in &loader.tags {
                all.by_tag.entry(Arc::clone(tag)).or_default().push(number);
            }
            all.pairs.push(pair(&loader));
        }
        all
    }

    /// Whether a loaded certificate holds for a name, so that none is managed for it.
    pub fn covers(&self, name: &str) -> bool {
        name::candidates(name).any(|one| self.by_name.contains_key(&one))
    }

    /// The names of all certificates.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// The certificates that hold for this very name.
    pub fn of(&self, name: &str) -> &[usize] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// The certificates that have one of the tags of a choice.
    pub fn of_tags(&self, choice: &Choice) -> Vec<usize> {
        let mut tagged: Vec<usize> =
            choice.any_tag.iter().filter_map(|tag| self.by_tag.get(tag)).flatten().copied().collect();
        tagged.sort_unstable();
        tagged.dedup();
        tagged
    }

    /// Whether a tag is that of any certificate.
    pub fn has_tag(&self, tag: &str) -> bool {
        self.by_tag.contains_key(tag)
    }

    /// The certificates that a policy chooses from by its tags, for a name and the wildcards for it: those of the name if one of them has a tag, else
    /// those of the next wildcard, and all where no certificate has the name. Those come from a map, in no order.
    /// `managed` tells of certificates that Caddy gets by itself, which have no tag.
    pub fn tagged(
        &self,
        candidates: impl Iterator<Item = String>,
        choice: &Choice,
        managed: impl Fn(&str) -> Presence,
    ) -> (Vec<usize>, Option<Doubt>) {
        let tagged = self.of_tags(choice);
        for candidate in candidates {
            let here = self.of(&candidate);
            let presence = if here.is_empty() { managed(&candidate) } else { Presence::Here };
            match presence {
                Presence::Here => {}
                Presence::Nowhere if tagged.len() > 1 => return (tagged, Some(Doubt::Unordered)),
                Presence::Nowhere => return (tagged, None),
                Presence::Perhaps => return (tagged, Some(Doubt::Managed)),
            }
            let found: Vec<usize> = here.iter().copied().filter(|one| tagged.contains(one)).collect();
            if !found.is_empty() {
                return (found, None);
            }
        }
        (Vec::new(), None)
    }
}

/// Whether a certificate for a name is there that Caddy got by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is, or Caddy makes it at once.
    Here,
    /// There never is one.
    Nowhere,
    /// An authority decides.
    Perhaps,
}

fn is_placeholder(token: &Token) -> bool {
    crate::server::caddy::syntax::has_placeholder(&token.text)
}

/// A pair of files as the model has it.
fn pair(loader: &Loader) -> Credential {
    let file = |(token, path): &(Token, PathBuf)| {
        let origin = Origin::said(token.span, loader.include_chain);
        match is_placeholder(token) {
            true => Setting::unknown("the path hangs on what only the running server knows", origin),
            false => Setting::known((token.clone(), path.clone()), origin),
        }
    };
    Credential { certificate: file(&loader.certificate), key: Some(file(&loader.key)), chain: None, by_name: None }
}

/// All `*.pem` below a folder, as `load_folders` walks it.
fn pem_files(lowering: &Lowering<'_>, folder: &Path) -> Vec<PathBuf> {
    const DEPTH: usize = 16;
    let mut found = Vec::new();
    let mut open = vec![(folder.to_path_buf(), 0)];
    while let Some((folder, depth)) = open.pop() {
        let mut entries = lowering.reading.files.list(&folder).unwrap_or_default();
        entries.reverse();
        for entry in entries {
            let path = folder.join(&entry.name);
            match entry.kind {
                Some(FileKind::Directory) if depth < DEPTH => open.push((path, depth + 1)),
                Some(FileKind::Regular) if path.extension().is_some_and(|ending| ending == "pem") => found.push(path),
                _ => {}
            }
        }
        if found.len() > MOST {
            break;
        }
    }
    found.sort();
    found.truncate(MOST);
    found
}
