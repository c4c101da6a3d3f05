//! A revision of a git repository as a file system that is only read. The work tree, the index and hooks are left alone:
//! `git rev-parse`, `git ls-tree` and `git cat-file` are the only programs that this crate ever starts.
//!
//! Paths are those of the work tree. What lies outside of it, and what no revision has (keys that git ignores), is read from
//! disk.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

use super::disk::Disk;
use super::filesystem::{Entry, FileKind, FileSystem, Metadata, ReadError};
use super::tree::{Node, Stored, Tree, inside};

/// A revision.
pub struct Git {
    disk: Disk,
    top: PathBuf,
    here: PathBuf,
    tree: Tree,
    head: OnceLock<Tree>,
    reader: Mutex<Reader>,
}

struct Reader {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Git without hooks, pagers, prompts, the network, and what the environment may say of another repository.
fn git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command.arg("--no-pager").args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]);
    command.arg("-C").arg(folder).stdin(Stdio::null()).stderr(Stdio::piped());
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"GIT_") {
            command.env_remove(name);
        }
    }
    command.envs([
        ("GIT_OPTIONAL_LOCKS", "0"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_NO_LAZY_FETCH", "1"),
        ("GIT_NO_REPLACE_OBJECTS", "1"),
        ("LC_ALL", "C"),
    ]);
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Result<Vec<u8>, String> {
    let output = git(folder).args(arguments).output().map_err(|error| format!("git cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let words = words.lines().find(|line| !line.is_empty()).unwrap_or("git failed");
    Err(words.trim_start_matches("fatal: ").to_owned())
}

fn line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\n').to_owned()
}

impl Git {
    /// The revision `rev` of the repository around `folder`. Relative paths start from the current folder.
    ///
    /// # Errors
    /// What git says.
    pub fn open(folder: &Path, rev: &str) -> Result<Git, String> {
        if rev.starts_with('-') || rev.is_empty() {
            return Err(format!("no revision: {rev}"));
        }
        let here = std::path::absolute(".").and_then(|path| path.canonicalize()).map_err(|error| error.to_string())?;
        let top = PathBuf::from(line(&run(folder, &["rev-parse", "--show-toplevel"])?));
        let top = top.canonicalize().map_err(|error| error.to_string())?;
        let commit = run(folder, &["rev-parse", "--verify", "--quiet", &format!("{rev}^{{tree}}")]);
        let commit = commit.map(|bytes| line(&bytes)).map_err(|_| format!("no such revision: {rev}"))?;
        let tree = tree(&top, &commit)?;
        let mut child = git(&top)
            .args(["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("git cannot be run: {error}"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("git has no pipes".to_owned());
        };
        let reader = Reader { child, input: Some(input), output: BufReader::new(output) };
        Ok(Git { disk: Disk::new(), top, here, tree, head: OnceLock::new(), reader: Mutex::new(reader) })
    }

    /// The top of the work tree.
    pub fn top(&self) -> &Path {
        &self.top
    }

    /// The path below the top of the work tree, for paths that lie there.
    fn key(&self, path: &Path) -> Option<PathBuf> {
        let whole = self.here.join(path);
        let whole = Path::new("/").join(inside(&whole)?);
        if let Ok(rest) = whole.strip_prefix(&self.top) {
            return Some(rest.to_path_buf());
        }
        // The way to the work tree may lead over links.
        let real = whole.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
        let (above, real) = real?;
        let rest = whole.strip_prefix(above).ok()?;
        Some(real.join(rest).strip_prefix(&self.top).ok()?.to_path_buf())
    }

    /// Whether a file that the revision lacks is one that git has nothing to do with.
    fn is_untracked(&self, key: &Path) -> bool {
        let head = self.head.get_or_init(|| tree(&self.top, "HEAD").unwrap_or_default());
        head.get(key).is_none()
            && self.disk.metadata(&self.top.join(key)).is_ok_and(|one| one.kind == FileKind::Regular)
    }

    fn blob(&self, name: &str) -> Result<Arc<[u8]>, ReadError> {
        let failed = |error: std::io::Error| ReadError::Other(format!("git: {error}"));
        let mut reader = self.reader.lock().map_err(|_| ReadError::Other("git failed before".to_owned()))?;
        let Reader { input, output, .. } = &mut *reader;
        let input = input.as_mut().ok_or_else(|| ReadError::Other("git has ended".to_owned()))?;
        writeln!(input, "{name}").and_then(|()| input.flush()).map_err(failed)?;
        let mut head = String::new();
        output.read_line(&mut head).map_err(failed)?;
        let size = head.trim_end().rsplit_once(" blob ").and_then(|(_, size)| size.parse::<usize>().ok());
        let size = size.ok_or_else(|| ReadError::Other(format!("git: {}", head.trim_end())))?;
        let mut bytes = vec![0; size + 1];
        output.read_exact(&mut bytes).map_err(failed)?;
        bytes.pop();
        Ok(bytes.into())
    }
}

/// What a revision holds. Links are fetched when they are followed: there are few, and their targets are short.
fn tree(top: &Path, revision: &str) -> Result<Tree, String> {
    let listed = run(top, &["ls-tree", "-r", "-z", "-l", "--full-tree", revision])?;
    let mut tree = Tree::default();
    for entry in listed.split(|byte| *byte == 0) {
        let Some(tab) = entry.iter().position(|byte| *byte == b'\t') else { continue };
        let (head, path) = (String::from_utf8_lossy(&entry[..tab]), &entry[tab + 1..]);
        let fields: Vec<&str> = head.split_whitespace().collect();
        let [mode, "blob", name, size] = fields[..] else { continue };
        let path = PathBuf::from(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(path));
        let Some(path) = inside(&path) else { continue };
        if mode == "120000" {
            let target = run(top, &["cat-file", "blob", name])?;
            tree.insert(path, Node::Link(PathBuf::from(String::from_utf8_lossy(&target).into_owned())));
            continue;
        }
        let metadata = Metadata {
            kind: FileKind::Regular,
            size: size.parse().unwrap_or(0),
            mode: if mode == "100755" { 0o755 } else { 0o644 },
            uid: 0,
            gid: 0,
            modified: None,
            has_acl: false,
        };
        tree.insert(path, Node::File { stored: Stored::Blob(name.to_owned()), metadata });
    }
    Ok(tree)
}

impl FileSystem for Git {
    fn read(&self, path: &Path, limit: u64) -> Result<Arc<[u8]>, ReadError> {
        let Some(key) = self.key(path) else { return self.disk.read(path, limit) };
        match self.tree.file(&key, limit) {
            Ok(Stored::Blob(name)) => self.blob(name),
            Ok(Stored::Bytes(bytes)) => Ok(Arc::clone(bytes)),
            Err(ReadError::Missing) if self.is_untracked(&key) => self.disk.read(path, limit),
            Err(error) => Err(error),
        }
    }

    fn metadata(&self, path: &Path) -> Result<Metadata, ReadError> {
        let Some(key) = self.key(path) else { return self.disk.metadata(path) };
        match self.tree.metadata(&key) {
            Err(ReadError::Missing) if self.is_untracked(&key) => self.disk.metadata(path),
            found => found,
        }
    }

    fn list(&self, folder: &Path) -> Result<Vec<Entry>, ReadError> {
        match self.key(folder) {
            Some(key) => self.tree.list(&key),
            None => self.disk.list(folder),
        }
    }

    fn canonical(&self, path: &Path) -> Result<PathBuf, ReadError> {
        let Some(key) = self.key(path) else { return self.disk.canonical(path) };
        match self.tree.follow(&key) {
            Err(ReadError::Missing) if self.is_untracked(&key) => self.disk.canonical(path),
            found => found.map(|real| self.top.join(real)),
        }
    }

    fn link(&self, path: &Path) -> Option<PathBuf> {
        match self.key(path) {
            Some(key) => self.tree.link(&key).map(|target| self.top.join(target)),
            None => self.disk.link(path),
        }
    }

    fn root(&self) -> &Path {
        self.disk.root()
    }
}
