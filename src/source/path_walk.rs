//! The way to a file as the kernel goes it: every folder that must be searched, links followed, and what stands at its end.
//!
//! Only modes, owners and groups are looked at here; who may pass is judged elsewhere.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use super::filesystem::{FileSystem, Metadata, ReadError};

/// How many links one path may lead through; Linux says ELOOP after 40.
const LINKS: usize = 40;

/// A folder or file on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its real path.
    pub path: PathBuf,
    /// Its mode, owner and group.
    pub metadata: Metadata,
}

/// The way to one file or folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathWalk {
    /// The folders that are searched on the way, in order.
    pub folders: Vec<Arc<Step>>,
    /// What stands at the end; absent where the way breaks off.
    pub end: Option<Arc<Step>>,
    /// Why the way breaks off.
    pub broken: Option<ReadError>,
}

/// Goes many ways, each folder once.
pub struct Trails<'a> {
    files: &'a dyn FileSystem,
    folders: HashMap<PathBuf, Arc<PathWalk>>,
}

impl<'a> Trails<'a> {
    /// Ways through `files`.
    pub fn new(files: &'a dyn FileSystem) -> Self {
        Trails { files, folders: HashMap::new() }
    }

    /// The way to a path, as [`FileSystem::locate`] gave it.
    pub fn to(&mut self, path: &Path) -> PathWalk {
        // What is relative begins where the program runs, and the way leads through all that is above.
        match self.files.canonical(Path::new(".")) {
            Ok(here) if path.is_relative() && self.files.root() == Path::new("/") => self.walk(&here.join(path), 0),
            _ => self.walk(path, 0),
        }
    }

    fn walk(&mut self, path: &Path, links: usize) -> PathWalk {
        if links > LINKS {
            return broken(Vec::new(), ReadError::LinkLoop);
        }
        let root = self.files.root();
        if path == root || path.as_os_str().is_empty() {
            return self.step(Vec::new(), path);
        }
        let above = path.parent().unwrap_or(Path::new(""));
        let Some(name) = path.components().next_back() else { return self.step(Vec::new(), path) };
        let folder = self.folder(above, links);
        let Some(here) = folder.end.clone() else { return (*folder).clone() };
        let mut folders = folder.folders.clone();
        match name {
            Component::CurDir => (*folder).clone(),
            Component::ParentDir => {
                // What lies above the root is the root again.
                let up = if here.path == root { root.to_path_buf() } else { parent_of(&here.path) };
                folders.push(here);
                self.onward(folders, &up, links)
            }
            Component::Normal(name) => {
                folders.push(Arc::clone(&here));
                let real = here.path.join(name);
                match self.files.link(&real) {
                    Some(target) => self.onward(folders, &target, links + 1),
                    None => self.step(folders, &real),
                }
            }
            Component::Prefix(_) | Component::RootDir => self.step(Vec::new(), path),
        }
    }

    fn folder(&mut self, path: &Path, links: usize) -> Arc<PathWalk> {
        if let Some(known) = self.folders.get(path) {
            return Arc::clone(known);
        }
        let trail = Arc::new(self.walk(path, links));
        self.folders.insert(path.to_path_buf(), Arc::clone(&trail));
        trail
    }

    /// Goes on from folders that were searched to another path.
    fn onward(&mut self, mut folders: Vec<Arc<Step>>, path: &Path, links: usize) -> PathWalk {
        let rest = self.walk(path, links);
        for step in rest.folders {
            if !folders.contains(&step) {
                folders.push(step);
            }
        }
        PathWalk { folders, end: rest.end, broken: rest.broken }
    }

    fn step(&self, folders: Vec<Arc<Step>>, path: &Path) -> PathWalk {
        let shown = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        match self.files.metadata(shown) {
            Ok(mut metadata) => {
                // The folder of a copy stands for `/`, which everybody may search.
                if path == self.files.root() && path != Path::new("/") {
                    metadata.mode |= 0o111;
                }
                PathWalk { folders, end: Some(Arc::new(Step { path: path.to_path_buf(), metadata })), broken: None }
            }
            Err(error) => broken(folders, error),
        }
    }
}

fn parent_of(path: &Path) -> PathBuf {
    match path.file_name() {
        Some(_) => path.parent().unwrap_or(path).to_path_buf(),
        None => path.join(".."),
    }
}

fn broken(folders: Vec<Arc<Step>>, error: ReadError) -> PathWalk {
    PathWalk { folders, end: None, broken: Some(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Disk;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn every_folder_that_is_searched_is_named_links_followed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().canonicalize().unwrap();
        for name in ["live/a.test", "archive/a.test", "over/there"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        fs::write(root.join("archive/a.test/cert1.pem"), "x").unwrap();
        symlink("../../over/there/cert.pem", root.join("live/a.test/cert.pem")).unwrap();
        symlink("/archive/a.test/cert1.pem", root.join("over/there/cert.pem")).unwrap();
        symlink("round", root.join("round")).unwrap();
        let disk = Disk::below(&root);
        let mut trails = Trails::new(&disk);
        let trail = trails.to(&root.join("live/a.test/cert.pem"));
        let names: Vec<&Path> = trail.folders.iter().map(|step| step.path.strip_prefix(&root).unwrap()).collect();
        let wanted = ["", "live", "live/a.test", "over", "over/there", "archive", "archive/a.test"];
        assert_eq!(names, wanted.map(Path::new));
        assert_eq!(trail.end.unwrap().path, root.join("archive/a.test/cert1.pem"));
        assert_eq!(trails.to(&root.join("round/x")).broken, Some(ReadError::LinkLoop));
        assert_eq!(trails.to(&root.join("live/b.test/cert.pem")).broken, Some(ReadError::Missing));
        assert_eq!(trails.to(&root.join("live/../../archive")).end.unwrap().path, root.join("archive"));
    }
}
