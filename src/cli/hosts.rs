//! Copies of whole machines: a folder that holds their `/etc`, or an archive of one. Each is a root of its own.

use std::path::{Path, PathBuf};

use super::input;
use crate::model::ServerKind;
use crate::pipeline::{self, Failure, Options};
use crate::source::{Archive, Disk, FileKind, FileSystem, Mounted, Tree};

/// The copy of a machine.
pub struct Host {
    /// Its files, under paths that begin with that of the copy.
    pub files: Box<dyn FileSystem>,
    /// The main files of its servers.
    pub paths: Vec<PathBuf>,
    root: PathBuf,
    /// Whether it is a server's folder alone, so that what is not there may lie on the machine.
    is_part: bool,
}

/// Whether a file is an archive by its name: others are not opened to find out.
fn is_called_archive(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    [".tar", ".tar.gz", ".tgz"].iter().any(|ending| name.ends_with(ending))
}

impl Host {
    /// Whether the copy of a machine lies at a path, by the names there: nothing is read.
    pub fn is_one(path: &Path, disk: &Disk, server: Option<ServerKind>) -> bool {
        match disk.metadata(path).map(|found| found.kind) {
            Ok(FileKind::Directory) => Host::folder(path, disk, server).is_some(),
            Ok(FileKind::Regular) => is_called_archive(path),
            _ => false,
        }
    }

    /// The copy at a path; absent where something else lies there, such as a server's own folder.
    ///
    /// # Errors
    /// Where an archive cannot be read, or no server's configuration is in it.
    pub fn open(path: &Path, disk: &Disk, options: &Options) -> Result<Option<Host>, Failure> {
        let server = options.server;
        match disk.metadata(path).map(|found| found.kind) {
            Ok(FileKind::Directory) => Ok(Host::folder(path, disk, server)),
            Ok(FileKind::Regular) if is_called_archive(path) => {
                let tree = input::tree(path, disk, &options.limits)?.ok_or_else(|| {
                    let failure = Failure::new(format!("{} is called an archive and is none", path.display()));
                    failure.help("name an archive that `tar -t` lists")
                })?;
                Host::archive(path, tree, disk, server).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn folder(path: &Path, disk: &Disk, server: Option<ServerKind>) -> Option<Host> {
        if pipeline::main_of(disk, path, server).is_some() {
            return None;
        }
        let files = Disk::below(path);
        let paths = pipeline::installed(&files, server);
        (!paths.is_empty()).then(|| Host { files: Box::new(files), paths, root: path.to_path_buf(), is_part: false })
    }

    /// An archive of `/etc` and what lies beside it, also below one folder of any name; else one of a server's folder.
    fn archive(path: &Path, tree: Tree, disk: &Disk, server: Option<ServerKind>) -> Result<Host, Failure> {
        let root = path.to_path_buf();
        let tops = [Some(tree.clone()), tree.only_folder().map(|top| tree.below(&top))];
        for top in tops.into_iter().flatten() {
            let files = Mounted::new(Archive::of_machine(top), path, disk.clone());
            let paths = pipeline::installed(&files, server);
            if !paths.is_empty() {
                return Ok(Host { files: Box::new(files), paths, root, is_part: false });
            }
        }
        let Some(main) = input::main(&tree) else {
            let failure = Failure::new(format!("no server's configuration is in {}", path.display()));
            return Err(failure.help("name an archive that holds `etc/` of a machine, or a server's folder"));
        };
        let home = main.parent().unwrap_or(Path::new("")).to_path_buf();
        let paths = vec![path.join(&main)];
        let files = Mounted::new(Archive::new(tree, home), path, disk.clone());
        Ok(Host { files: Box::new(files), paths, root, is_part: true })
    }

    /// What the pipeline is asked for here.
    pub fn apply_to(&self, options: &Options) -> Options {
        let certificates_elsewhere = options.certificates_elsewhere || self.is_part;
        Options { root: Some(self.root.clone()), certificates_elsewhere, ..options.clone() }
    }
}
