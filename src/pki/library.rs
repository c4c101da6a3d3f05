//! All certificate and key files of a run, each read and parsed once.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use zeroize::Zeroizing;

use super::certificate::Certificate;
use super::file::{BlockKind, PemFile};
use crate::source::{FileId, FileSystem, Limits, ReadError, Sources, Text};

/// Files by the path that the configuration leads to.
#[derive(Debug, Default)]
pub struct Library {
    files: HashMap<PathBuf, Result<PemFile, ReadError>>,
    /// Each certificate once: authorities stand in many files.
    certificates: HashMap<[u8; 32], Arc<Certificate>>,
}

impl Library {
    /// Reads every path once, in parallel. Texts are registered in the order of `paths`. `password_files` hold one
    /// password a line, as nginx's `ssl_password_file` does; they are read and never registered.
    pub fn load(
        files: &dyn FileSystem,
        sources: &mut Sources,
        limits: &Limits,
        paths: impl IntoIterator<Item = PathBuf>,
        password_files: &[PathBuf],
    ) -> Library {
        let mut library = Library::default();
        library.extend(files, sources, limits, paths, password_files);
        library
    }

    /// Reads more paths.
    pub fn extend(
        &mut self,
        files: &dyn FileSystem,
        sources: &mut Sources,
        limits: &Limits,
        paths: impl IntoIterator<Item = PathBuf>,
        password_files: &[PathBuf],
    ) {
        let mut passwords: Vec<Zeroizing<Vec<u8>>> = Vec::new();
        for path in password_files {
            let Ok(text) = files.read(path, limits.pem_file) else { continue };
            let lines = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
            passwords.extend(lines.filter(|line| !line.is_empty()).map(|line| Zeroizing::new(line.to_vec())));
        }
        let mut seen: HashSet<PathBuf> = HashSet::new();
        let wanted: Vec<PathBuf> =
            paths.into_iter().filter(|path| !self.files.contains_key(path) && seen.insert(path.clone())).collect();
        let read: Vec<Result<_, ReadError>> = wanted
            .par_iter()
            .map(|path| {
                let bytes = files.read(path, limits.pem_file)?;
                // The text gets its number below, when all are read.
                let parsed = PemFile::read(path.clone(), FileId(0), &bytes, &passwords);
                Ok((bytes, parsed))
            })
            .collect();
        for (path, result) in wanted.into_iter().zip(read) {
            let entry = result.map(|(bytes, mut parsed)| {
                let id = match parsed.is_secret() {
                    true => sources.add_secret(path.clone(), bytes),
                    false => sources.add(path.clone(), bytes, Text::File),
                };
                parsed.file = id;
                for block in &mut parsed.blocks {
                    block.span.file = id;
                    block.head.file = id;
                    if let BlockKind::Certificate(certificate) = &mut block.kind {
                        let known =
                            self.certificates.entry(certificate.sha256).or_insert_with(|| Arc::clone(certificate));
                        *certificate = Arc::clone(known);
                    }
                }
                parsed
            });
            self.files.insert(path, entry);
        }
    }

    /// The file at a path that was asked for.
    pub fn get(&self, path: &Path) -> Option<&Result<PemFile, ReadError>> {
        self.files.get(path)
    }

    /// All files that could be read.
    pub fn iter(&self) -> impl Iterator<Item = &PemFile> {
        self.files.values().filter_map(|found| found.as_ref().ok())
    }
}
