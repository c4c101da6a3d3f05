//! Where a configuration is, by the word that names it: a path, an archive, a revision of git, or a snapshot.

use std::path::{Path, PathBuf};

use crate::pipeline::{Failure, Options, main_file};
use crate::snapshot::{self, Store};
use crate::source::archive;
use crate::source::{Archive, Disk, FileKind, FileSystem, Git, Limits, Tree};

/// A configuration that can be read.
pub struct Opened {
    /// Its files.
    pub files: Box<dyn FileSystem>,
    /// Where it is among them.
    pub paths: Vec<PathBuf>,
    /// The system that it was saved on, where it is a snapshot.
    pub saved: Option<snapshot::Manifest>,
    is_plain: bool,
}

/// Rules about who may read files: what git and snapshots keep does not tell.
pub const MEDIUM: &[&str] = &[
    "certificate-file-unreadable",
    "key-file-permissions",
    "key-file-unreadable",
    "variable-certificate-unreadable-by-worker",
];

impl Opened {
    /// Whether it is what lies on disk.
    pub fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// What the snapshot says of its system, where the user says nothing.
    pub fn apply_to(&self, options: &mut Options) {
        if let Some(manifest) = &self.saved {
            manifest.apply_to(options);
        }
    }
}

/// Opens what a word names. `beside` is the other side of a comparison, or what is linted: a revision of git without a path
/// means the same one.
///
/// # Errors
/// Where nothing is there, or it cannot be read.
pub fn open(word: &Path, beside: Option<&Path>, disk: &Disk, store: &Path, limits: &Limits) -> Result<Opened, Failure> {
    let text = word.to_string_lossy();
    if let Some(rest) = text.strip_prefix("git:") {
        return revision(rest, beside);
    }
    let named = text.strip_prefix("snapshot:");
    let found = disk.metadata(word);
    if named.is_none() {
        match &found {
            Ok(metadata) if metadata.kind == FileKind::Regular => {
                if let Some(opened) = archived(word, disk, limits)? {
                    return Ok(opened);
                }
                return Ok(plain(word, disk));
            }
            Ok(_) => return Ok(plain(word, disk)),
            Err(_) => {}
        }
    }
    let store = Store::at(store);
    match store.find(named.unwrap_or(&text)) {
        Ok(Some(manifest)) => {
            let files = store.open(&manifest).map_err(|words| Failure::new(words.to_string()))?;
            let paths = vec![manifest.main()];
            Ok(Opened { files: Box::new(files), paths, saved: Some(manifest), is_plain: false })
        }
        Ok(None) if named.is_none() => Ok(plain(word, disk)),
        Ok(None) => {
            let failure = Failure::new(format!("no such snapshot: {}", named.unwrap_or(&text)));
            Err(failure.help("`shakedown snapshot list` lists all"))
        }
        Err(words) => Err(Failure::new(words.to_string())),
    }
}

fn plain(path: &Path, disk: &Disk) -> Opened {
    Opened { files: Box::new(disk.clone()), paths: vec![path.to_path_buf()], saved: None, is_plain: true }
}

/// An archive, where the file is one.
fn archived(path: &Path, disk: &Disk, limits: &Limits) -> Result<Option<Opened>, Failure> {
    let Some(tree) = tree(path, disk, limits)? else { return Ok(None) };
    let main = main(&tree);
    let home = main.as_deref().and_then(Path::parent).map(Path::to_path_buf).unwrap_or_default();
    let paths = vec![main.unwrap_or_else(|| PathBuf::from("."))];
    Ok(Some(Opened { files: Box::new(Archive::new(tree, home)), paths, saved: None, is_plain: false }))
}

/// What an archive holds, read as a stream; absent where the file is none.
///
/// # Errors
/// Where the file cannot be read, or is more than is read of an archive.
pub fn tree(path: &Path, disk: &Disk, limits: &Limits) -> Result<Option<Tree>, Failure> {
    let shown = path.display();
    let real = disk.canonical(path).map_err(|error| Failure::new(format!("cannot read {shown}: {error}")))?;
    let failed = |error: std::io::Error| Failure::new(format!("cannot read {shown}: {error}"));
    let mut file = std::fs::File::open(&real).map_err(failed)?;
    let mut head = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(&mut file, 512), &mut head).map_err(failed)?;
    if !archive::looks_like(&head) {
        return Ok(None);
    }
    let whole = std::io::Read::chain(&head[..], file);
    let tree = archive::read(whole, limits.of_archive()).map_err(|error| {
        Failure::new(format!("cannot read {shown}: {error}")).help("name an archive that `tar -t` lists")
    })?;
    Ok(Some(tree))
}

/// The main file that lies highest.
pub fn main(tree: &Tree) -> Option<PathBuf> {
    let is_main =
        |path: &Path| path.file_name().and_then(|name| name.to_str()).is_some_and(|name| main_file(name).is_some());
    let all = tree.iter().map(|(path, _)| path).filter(|path| is_main(path));
    all.min_by_key(|path| (path.components().count(), path.to_path_buf())).map(Path::to_path_buf)
}

/// `REV[:PATH]`. A relative path starts from the top of the work tree, as git has it; `./` from here.
fn revision(text: &str, beside: Option<&Path>) -> Result<Opened, Failure> {
    let (rev, path) = text.split_once(':').map_or((text, None), |(rev, path)| (rev, Some(path)));
    let beside = beside.filter(|path| path.exists());
    let near = path.map(Path::new).filter(|path| path.is_absolute()).or(beside).unwrap_or(Path::new("."));
    let folder = if near.is_dir() { near } else { near.parent().unwrap_or(Path::new(".")) };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    // The other side may lie outside of any repository.
    let opened = Git::open(folder, rev).or_else(|words| Git::open(Path::new("."), rev).map_err(|_| words));
    let files = opened.map_err(|words| {
        Failure::new(format!("cannot read git:{text}: {words}"))
            .help("write git:REV or git:REV:PATH, such as git:HEAD~1 or git:origin/main:nginx/nginx.conf")
    })?;
    let path = match path {
        Some(path) if path.starts_with("./") || path.starts_with('/') => PathBuf::from(path),
        Some(path) if !path.is_empty() => files.top().join(path),
        _ => near.to_path_buf(),
    };
    Ok(Opened { files: Box::new(files), paths: vec![path], saved: None, is_plain: false })
}
