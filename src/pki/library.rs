//! All certificate and key files of a run, each read and parsed once.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use foldhash::{HashMap, HashSet, HashSetExt};
use rayon::prelude::*;
use zeroize::{Zeroize, Zeroizing};

use super::certificate::Certificate;
use super::file::{BlockKind, PemFile};
use crate::source::{FileId, FileSystem, Limits, ReadError, Sources, Text};

/// Files by the path that the configuration leads to.
#[derive(Debug, Default)]
pub struct PemStore {
    /// Where each stands in `files`.
    places: HashMap<OsString, usize>,
    /// In the order in which they were asked for.
    files: Vec<Result<PemFile, ReadError>>,
    /// Each certificate once: authorities stand in many files.
    certificates: HashMap<[u8; 32], Arc<Certificate>>,
}

impl PemStore {
    /// Reads every path once, in parallel. Texts are registered in the order of `paths`. `password_files` hold one
    /// password a line, as nginx's `ssl_password_file` does; they are read and never registered.
    pub fn load(
        files: &dyn FileSystem,
        sources: &mut Sources,
        limits: &Limits,
        paths: impl IntoIterator<Item = PathBuf>,
        password_files: &[PathBuf],
    ) -> PemStore {
        let mut library = PemStore::default();
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
            let Ok(mut text) = files.read(path, limits.pem_file) else { continue };
            passwords.extend(passwords_in(&text));
            wipe(&mut text);
        }
        let mut seen: HashSet<OsString> = HashSet::new();
        let mut is_new =
            |path: &OsStr| !self.places.contains_key(path) && !seen.contains(path) && seen.insert(path.to_os_string());
        let wanted: Vec<PathBuf> = paths.into_iter().filter(|path| is_new(path.as_os_str())).collect();
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
            let entry = result.map(|(mut bytes, mut parsed)| {
                let id = match parsed.is_secret() {
                    true => {
                        let shown = without_secrets(&bytes, &parsed);
                        wipe(&mut bytes);
                        sources.add_secret(path.clone(), shown)
                    }
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
            self.places.insert(path.into_os_string(), self.files.len());
            self.files.push(entry);
        }
    }

    /// The file at a path that was asked for.
    pub fn get(&self, path: &Path) -> Option<&Result<PemFile, ReadError>> {
        self.places.get(path.as_os_str()).and_then(|at| self.files.get(*at))
    }

    /// All files that could be read, in the order in which they were asked for.
    pub fn iter(&self) -> impl Iterator<Item = &PemFile> {
        self.files.iter().filter_map(|found| found.as_ref().ok())
    }
}

/// The passwords of a file, one a line.
pub fn passwords_in(text: &[u8]) -> impl Iterator<Item = Zeroizing<Vec<u8>>> + '_ {
    let lines = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.filter(|line| !line.is_empty()).map(|line| Zeroizing::new(line.to_vec()))
}

/// The text of a file with the inside of its key blocks blotted out, of the same length and with the same lines.
fn without_secrets(bytes: &[u8], file: &PemFile) -> Vec<u8> {
    let mut shown = bytes.to_vec();
    for block in file.blocks.iter().filter(|block| block.is_key) {
        let inside = &mut shown[block.head.end as usize..block.span.end as usize];
        inside.iter_mut().filter(|byte| !matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b'*');
    }
    shown
}

/// Overwrites what was read, where nobody else holds it.
fn wipe(bytes: &mut Arc<[u8]>) {
    if let Some(own) = Arc::get_mut(bytes) {
        own.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Memory;

    #[test]
    fn no_text_of_a_run_holds_a_key() {
        let mut files = Memory::new();
        let key = "text\n-----BEGIN PRIVATE KEY-----\nAAAA\nBBBB\n-----END PRIVATE KEY-----\nmore\n";
        files.insert("a.key", key.as_bytes());
        let mut sources = Sources::new();
        let library = PemStore::load(&files, &mut sources, &Limits::default(), ["a.key".into()], &[]);
        let file = library.get(Path::new("a.key")).and_then(|found| found.as_ref().ok()).expect("a file");
        let text = String::from_utf8_lossy(sources.file(file.file).bytes()).into_owned();
        assert_eq!(text.len(), key.len());
        assert!(text.starts_with("text\n-----BEGIN PRIVATE KEY-----\n****\n****\n***"), "{text}");
        assert!(text.ends_with("\nmore\n") && sources.file(file.file).is_secret());
    }
}
