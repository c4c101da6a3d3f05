//! The folder with snapshots. One is there as soon as its manifest is: the archive is written first, and each at one stroke.

use std::fmt;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::{Compression, GzBuilder};

use super::gather::sha256;
use super::manifest::{File, Manifest};
use crate::fix;
use crate::source::archive::{self, Bounds};
use crate::source::{Archive, Node, Stored};

/// Why a store cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError(pub String);

impl fmt::Display for StoreError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for StoreError {}

/// A folder with snapshots.
pub struct Store {
    folder: PathBuf,
}

/// A path of the server as a member of an archive.
fn member(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

impl Store {
    /// The store in a folder, which need not be there yet.
    pub fn at(folder: &Path) -> Store {
        Store { folder: folder.to_path_buf() }
    }

    fn archive(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.tar.gz"))
    }

    fn manifest(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }

    /// All manifests, the newest first. What cannot be read is told beside.
    ///
    /// # Errors
    /// Where the folder is there and cannot be read.
    pub fn list(&self) -> Result<(Vec<Manifest>, Vec<StoreError>), StoreError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((Vec::new(), Vec::new())),
            Err(error) => return Err(StoreError(format!("cannot read {}: {error}", self.folder.display()))),
        };
        let (mut all, mut broken) = (Vec::new(), Vec::new());
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.extension().is_some_and(|end| end == "json") {
                match read(&path) {
                    Ok(manifest) => all.push(manifest),
                    Err(error) => broken.push(error),
                }
            }
        }
        all.sort_by(|one: &Manifest, other| other.id.cmp(&one.id));
        Ok((all, broken))
    }

    /// The snapshot of a name; `latest` is the newest that is good.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn find(&self, name: &str) -> Result<Option<Manifest>, StoreError> {
        if name == "latest" {
            return Ok(self.list()?.0.into_iter().find(|one| one.good));
        }
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let path = self.manifest(name);
        if is_name && path.exists() { read(&path).map(Some) } else { Ok(None) }
    }

    /// Writes a snapshot. The manifest gets its name, time and hash; `time` is in seconds since 1970-01-01 UTC.
    ///
    /// # Errors
    /// Where the system refuses: then there is no snapshot of that name.
    pub fn save(&self, mut manifest: Manifest, contents: &[Arc<[u8]>], time: i64) -> Result<Manifest, StoreError> {
        let failed =
            |what: &Path, error: &dyn fmt::Display| StoreError(format!("cannot write {}: {error}", what.display()));
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder);
        made.map_err(|error| failed(&self.folder, &error))?;
        fix::sweep(&self.folder);
        let at = jiff::Timestamp::from_second(time).unwrap_or_default();
        manifest.saved = at.to_string();
        let base = format!("{}-{}", at.strftime("%Y%m%dT%H%M%SZ"), manifest.server);
        let is_free = |id: &String| !self.manifest(id).exists() && !self.archive(id).exists();
        let numbered = (2..1000).map(|number| format!("{base}-{number}"));
        let id = std::iter::once(base.clone()).chain(numbered).find(is_free);
        manifest.id = id.ok_or_else(|| StoreError("too many snapshots in one second".to_owned()))?;
        let bytes = packed(&manifest, contents).map_err(|error| StoreError(format!("cannot pack: {error}")))?;
        manifest.archive_sha256 = sha256(&bytes);
        let text = serde_json::to_string_pretty(&manifest).map_err(|error| StoreError(error.to_string()))?;
        for (path, bytes) in [(self.archive(&manifest.id), bytes), (self.manifest(&manifest.id), text.into_bytes())] {
            let staged = fix::stage(&path, &bytes, 0o600, None);
            let written = staged.and_then(fix::Staged::commit);
            if let Err(error) = written {
                let _ = fs::remove_file(self.archive(&manifest.id));
                return Err(StoreError(error.to_string()));
            }
        }
        Ok(manifest)
    }

    /// Takes a snapshot away: the manifest first, so that none is there by half.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn remove(&self, id: &str) -> Result<(), StoreError> {
        fix::remove(&self.manifest(id)).map_err(|error| StoreError(error.to_string()))?;
        fix::remove(&self.archive(id)).map_err(|error| StoreError(error.to_string()))
    }

    /// The files of a snapshot, held against the hashes of its manifest.
    ///
    /// # Errors
    /// Where it cannot be read, or is not as it was saved.
    pub fn open(&self, manifest: &Manifest) -> Result<Archive, StoreError> {
        let path = self.archive(&manifest.id);
        let tampered = |what: String| {
            StoreError(format!("the snapshot {} is not as it was saved, and is not used: {what}", manifest.id))
        };
        let bytes = fs::read(&path).map_err(|error| StoreError(format!("cannot read {}: {error}", path.display())))?;
        if sha256(&bytes) != manifest.archive_sha256 {
            return Err(tampered("the archive has another hash than its manifest says".to_owned()));
        }
        let tree = archive::read(&bytes[..], Bounds::default()).map_err(|error| tampered(error.to_string()))?;
        for file in &manifest.files {
            match tree.get(member(&file.path)) {
                Some(Node::File { stored: Stored::Bytes(bytes), .. }) if sha256(bytes) == file.sha256 => {}
                _ => return Err(tampered(format!("{} has another content", file.path.display()))),
            }
        }
        if tree.iter().count() != manifest.files.len() + manifest.links.len() {
            return Err(tampered("the archive holds more than its manifest says".to_owned()));
        }
        let home = member(&manifest.folder).to_path_buf();
        let mut archive = Archive::new(tree, home);
        for key in &manifest.keys {
            match &key.public {
                Some(text) => archive.stand_in(member(&key.path), text.clone().into_bytes()),
                None => archive.hide(member(&key.path)),
            }
        }
        Ok(archive)
    }

    /// The content of a file of an open snapshot.
    pub fn content(archive: &Archive, file: &File) -> Option<Arc<[u8]>> {
        match archive.tree().get(member(&file.path)) {
            Some(Node::File { stored: Stored::Bytes(bytes), .. }) => Some(Arc::clone(bytes)),
            _ => None,
        }
    }
}

fn read(path: &Path) -> Result<Manifest, StoreError> {
    let failed = |error: &dyn fmt::Display| StoreError(format!("cannot read {}: {error}", path.display()));
    let bytes = fs::read(path).map_err(|error| failed(&error))?;
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| failed(&error))?;
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    match manifest.shakedown_snapshot == 1 && manifest.id == name {
        true => Ok(manifest),
        false => Err(failed(&"it is no manifest of a snapshot of that name")),
    }
}

/// The archive, packed. The same content gives the same bytes.
fn packed(manifest: &Manifest, contents: &[Arc<[u8]>]) -> std::io::Result<Vec<u8>> {
    let zip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
    let mut builder = tar::Builder::new(zip);
    for (file, bytes) in manifest.files.iter().zip(contents) {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(if manifest.with_keys && file.kind != "configuration" { 0o600 } else { file.mode });
        header.set_uid(file.uid.into());
        header.set_gid(file.gid.into());
        header.set_mtime(0);
        builder.append_data(&mut header, member(&file.path), &bytes[..])?;
    }
    for link in &manifest.links {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        header.set_mode(0o777);
        header.set_mtime(0);
        builder.append_link(&mut header, member(&link.path), &link.target)?;
    }
    builder.into_inner()?.finish()
}
