//! The way back: what would change is worked out first, and shown; everything is written beside its place before anything is
//! put there, so that a full disk or a folder that may not be written changes nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::gather::Gathered;
use super::manifest::{File, Manifest};
use super::store::{Store, StoreError};
use crate::fix;
use crate::source::Archive;

/// One thing that is done.
pub enum Change {
    /// A file gets another content, or comes into being.
    Write {
        /// The file, as it was saved.
        file: File,
        /// What is there; absent: nothing.
        before: Option<Vec<u8>>,
        /// What will be there.
        after: Arc<[u8]>,
    },
    /// A link gets another target, or comes into being.
    Link {
        /// Where.
        path: PathBuf,
        /// What it will name.
        target: PathBuf,
    },
    /// A file or link that the snapshot does not have is taken away.
    Remove {
        /// Where.
        path: PathBuf,
        /// What is there.
        before: Option<Vec<u8>>,
    },
}

impl Change {
    /// Where it happens.
    pub fn path(&self) -> &Path {
        match self {
            Change::Write { file, .. } => &file.path,
            Change::Link { path, .. } | Change::Remove { path, .. } => path,
        }
    }
}

/// All that is done, and what is left alone.
pub struct Plan {
    /// In order: files, links, what is taken away.
    pub changes: Vec<Change>,
    /// Files outside of the configuration's folder that differ: they are not written.
    pub outside: Vec<PathBuf>,
}

/// Works out what leads from what is there to a snapshot. `present` is what the configuration reads now, where it can be read.
///
/// # Errors
/// Where a path of the snapshot leads out of the configuration's folder.
pub fn plan(manifest: &Manifest, archive: &Archive, present: Option<&Gathered>) -> Result<Plan, StoreError> {
    let mut plan = Plan { changes: Vec::new(), outside: Vec::new() };
    let mut kept: BTreeSet<&Path> = BTreeSet::new();
    for file in &manifest.files {
        let Some(after) = Store::content(archive, file) else { continue };
        let before = fs::read(&file.path).ok();
        if !manifest.owns(&file.path) {
            let is_strange = file.path.components().any(|one| one.as_os_str() == "..") || !file.path.is_absolute();
            if is_strange {
                return Err(StoreError(format!(
                    "{} leads out of {}: nothing is restored",
                    file.path.display(),
                    manifest.folder.display()
                )));
            }
            if before.as_deref() != Some(&after[..]) && file.kind != "other" {
                plan.outside.push(file.path.clone());
            }
            continue;
        }
        guard(manifest, &file.path)?;
        kept.insert(&file.path);
        if before.as_deref() != Some(&after[..]) {
            plan.changes.push(Change::Write { file: file.clone(), before, after });
        }
    }
    for link in manifest.links.iter().filter(|link| manifest.owns(&link.path)) {
        guard(manifest, &link.path)?;
        kept.insert(&link.path);
        if fs::read_link(&link.path).ok().as_ref() != Some(&link.target) {
            plan.changes.push(Change::Link { path: link.path.clone(), target: link.target.clone() });
        }
    }
    // What is read now and was not there: files that wildcards take, and links to sites that were switched on. Secrets stay.
    let read = present.into_iter().flat_map(|one| &one.written);
    for path in read.filter(|path| manifest.owns(path) && !kept.contains(path.as_path())) {
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
        let is_link = fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
        if is_link || real == *path {
            guard(manifest, path)?;
            plan.changes.push(Change::Remove { path: path.clone(), before: fs::read(path).ok().filter(|_| !is_link) });
        }
    }
    Ok(plan)
}

/// A path whose folder is, by links, another than it seems is not touched.
fn guard(manifest: &Manifest, path: &Path) -> Result<(), StoreError> {
    let home = fs::canonicalize(&manifest.folder).unwrap_or_else(|_| manifest.folder.clone());
    let above = path.ancestors().skip(1).find_map(|above| fs::canonicalize(above).ok());
    match above {
        Some(above) if above.starts_with(&home) || home.starts_with(&above) => Ok(()),
        _ => {
            let shown = (path.display(), home.display());
            Err(StoreError(format!("{} leads out of {}: nothing is restored", shown.0, shown.1)))
        }
    }
}

impl Plan {
    /// Does it. Files are written beside their places first, all of them; only then is anything changed.
    ///
    /// # Errors
    /// Where the system refuses, with whether anything was changed.
    pub fn apply(&self) -> Result<(), StoreError> {
        let untouched = |words: String| StoreError(format!("{words}; nothing was changed"));
        let is_root = rustix::process::geteuid().is_root();
        let folders: BTreeSet<&Path> = self.changes.iter().filter_map(|change| change.path().parent()).collect();
        folders.into_iter().for_each(fix::sweep);
        let mut staged = Vec::new();
        for change in &self.changes {
            if let Some(folder) = change.path().parent() {
                fs::create_dir_all(folder)
                    .map_err(|error| untouched(format!("cannot make {}: {error}", folder.display())))?;
            }
            if let Change::Write { file, after, .. } = change {
                let owner = is_root.then_some((file.uid, file.gid));
                let one = fix::stage(&file.path, after, file.mode, owner);
                staged.push(one.map_err(|error| untouched(error.to_string()))?);
            }
        }
        let halfway = |error: fix::WriteError| {
            StoreError(format!("{error}; some files are restored already: run the same command again"))
        };
        for one in staged {
            one.commit().map_err(halfway)?;
        }
        for change in &self.changes {
            match change {
                Change::Write { .. } => {}
                Change::Link { path, target } => fix::link(path, target).map_err(halfway)?,
                Change::Remove { path, .. } => fix::remove(path).map_err(halfway)?,
            }
        }
        Ok(())
    }
}
