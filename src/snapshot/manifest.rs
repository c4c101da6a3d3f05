//! What is written beside an archive: where it comes from, what it holds, and how good it was.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::ServerKind;
use crate::pipeline::Options;
use crate::platform::{TlsLibrary, Version};

/// What lint said when it was saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Errors.
    pub error: usize,
    /// Warnings.
    pub warning: usize,
    /// Remarks.
    pub info: usize,
}

/// A file of the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Where it lies on the server, absolute, links followed.
    pub path: PathBuf,
    /// `configuration`, `certificate`, `key` or `other`.
    pub kind: String,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// SHA-256 of its content, lower-case hex.
    pub sha256: String,
}

/// A key that is not in the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Where it lies on the server.
    pub path: PathBuf,
    /// What stands in for it: the fingerprint of its public half, and the certificates of its file. Absent where its public
    /// half could not be told, and for other secrets.
    pub public: Option<String>,
}

/// A symbolic link of the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Where it lies.
    pub path: PathBuf,
    /// What it names.
    pub target: PathBuf,
}

/// What is written beside an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this form: 1.
    pub shakedown_snapshot: u32,
    /// Its name.
    pub id: String,
    /// When it was saved, RFC 3339.
    pub saved: String,
    /// Whether it counts as good: no errors, or somebody said so.
    pub good: bool,
    /// Why it was saved.
    pub reason: String,
    /// What lint said.
    pub verdict: Verdict,
    /// The server by its name.
    pub server: String,
    /// The platform by its name.
    pub platform: String,
    /// Version of the server.
    pub server_version: String,
    /// The library that speaks TLS.
    pub tls_library: String,
    /// OpenSSL's security level.
    pub security_level: u8,
    /// The main file.
    pub main: PathBuf,
    /// The folder that may be restored.
    pub folder: PathBuf,
    /// Whether keys are in the archive.
    pub with_keys: bool,
    /// SHA-256 of the archive, lower-case hex.
    pub archive_sha256: String,
    /// Its files.
    pub files: Vec<File>,
    /// Its links.
    pub links: Vec<Link>,
    /// Keys and other secrets that it does not hold.
    pub keys: Vec<Key>,
}

impl Manifest {
    /// The main file in the archive.
    pub fn main(&self) -> PathBuf {
        self.main.strip_prefix("/").unwrap_or(&self.main).to_path_buf()
    }

    /// Says what system it was saved on, where the user says nothing else.
    pub fn apply_to(&self, options: &mut Options) {
        options.server = options.server.or_else(|| ServerKind::ALL.into_iter().find(|one| one.name() == self.server));
        if options.platform.is_none() {
            options.platform = Some(self.platform.clone());
            options.server_version = options.server_version.or_else(|| Version::parse(&self.server_version));
            options.tls_library = options.tls_library.take().or_else(|| TlsLibrary::parse(&self.tls_library));
            options.security_level = options.security_level.or(Some(self.security_level));
        }
        options.root = Some(PathBuf::from(""));
    }

    /// Whether a path lies in the folder that may be restored.
    pub fn owns(&self, path: &Path) -> bool {
        path.is_absolute() && path.starts_with(&self.folder) && !path.components().any(|one| one.as_os_str() == "..")
    }

    /// Whether it holds the same as another.
    pub fn holds_the_same(&self, other: &Manifest) -> bool {
        (&self.files, &self.links, &self.keys) == (&other.files, &other.links, &other.keys)
            && (self.with_keys, self.good, &self.main) == (other.with_keys, other.good, &other.main)
    }
}
