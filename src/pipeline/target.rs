//! What a path on the command line means: a whole configuration, a folder of parts, or one part of a whole.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Failure, Options};
use crate::config;
use crate::diagnostic::spelling;
use crate::model::ServerKind;
use crate::pki;
use crate::server::{Completeness, Input, Root, apache, caddy, nginx};
use crate::source::{Entry, FileKind, FileSystem, Limits, ReadError, Text};

/// Names that say which server reads a file.
const MAIN_FILES: &[(&str, ServerKind)] = &[
    ("nginx.conf", ServerKind::Nginx),
    ("apache2.conf", ServerKind::Apache),
    ("httpd.conf", ServerKind::Apache),
    ("conf/httpd.conf", ServerKind::Apache),
    ("Caddyfile", ServerKind::Caddy),
    ("caddy.json", ServerKind::Caddy),
];

/// The server whose main file has this name.
pub fn main_file(name: &str) -> Option<ServerKind> {
    MAIN_FILES.iter().find(|(main, _)| *main == name).map(|(_, server)| *server)
}

/// How far up a main file is looked for.
const UPWARD: usize = 4;

/// What a path turned out to be.
pub struct Target {
    /// As given.
    pub path: PathBuf,
    /// Who reads it.
    pub server: ServerKind,
    /// What to read.
    pub input: Input,
    /// Main files upward that might include the fragment, nearest first.
    pub mains: Vec<PathBuf>,
}

/// Where packages put a server's main file.
const LIVE: &[&str] = &[
    "/etc/nginx/nginx.conf",
    "/usr/local/nginx/conf/nginx.conf",
    "/usr/local/etc/nginx/nginx.conf",
    "/etc/apache2/apache2.conf",
    "/etc/httpd/conf/httpd.conf",
    "/usr/local/apache2/conf/httpd.conf",
    "/usr/local/etc/apache24/httpd.conf",
    "/opt/homebrew/etc/httpd/httpd.conf",
    "/etc/apache2/httpd.conf",
    "/etc/caddy/Caddyfile",
];

/// The main files of the servers that are installed, or of the one that is meant.
pub fn installed(files: &dyn FileSystem, server: Option<ServerKind>) -> Vec<PathBuf> {
    let located = LIVE.iter().map(|path| files.locate(Path::new("/"), Path::new(path)));
    let is_wanted = |path: &PathBuf| {
        let own = MAIN_FILES.iter().find(|(name, _)| path.ends_with(name)).map(|(_, server)| *server);
        server.is_none() || server == own
    };
    let is_file = |path: &PathBuf| files.metadata(path).is_ok_and(|found| found.kind == FileKind::Regular);
    located.filter(|path| is_wanted(path) && is_file(path)).collect()
}

/// The same, where there is one.
///
/// # Errors
/// Where nothing is.
pub fn live(files: &dyn FileSystem, options: &Options) -> Result<Vec<PathBuf>, Failure> {
    let found = installed(files, options.server);
    match found.is_empty() {
        true => {
            Err(Failure::new("no server's configuration was found").help(format!("looked for {}", LIVE.join(", "))))
        }
        false => Ok(found),
    }
}

/// Whether a main file is the one that the machine's server reads, or that of the machine of which a copy lies below the root.
/// Folders that stand for those of a server (`[paths]`) are not its own. A copy whose own files do not belong to root was unpacked by somebody else, and its owners mean nothing.
pub fn is_live(files: &dyn FileSystem, main: &Path, options: &Options) -> bool {
    let located = |path: &str| files.canonical(&files.locate(Path::new("/"), Path::new(path))).ok();
    let is_true_copy = || {
        let accounts = files.locate(Path::new("/"), Path::new("/etc/passwd"));
        files.metadata(&accounts).is_ok_and(|found| found.uid == 0)
    };
    let Ok(real) = files.canonical(main) else { return false };
    let is_main = LIVE.iter().any(|path| located(path).as_ref() == Some(&real));
    is_main && options.path_maps.is_empty() && (options.root.is_none() || is_true_copy())
}

/// Finds out what a path means.
///
/// # Errors
/// Where nothing can be read there, or nothing tells which server it belongs to.
pub fn resolve(files: &dyn FileSystem, path: &Path, options: &Options) -> Result<Target, Failure> {
    if path == Path::new("-") {
        let Some((name, bytes)) = &options.stdin else {
            return Err(Failure::new("standard input was not given"));
        };
        return one(files, Path::new(name), Arc::clone(bytes), Text::StandardInput, options);
    }
    let given = given_path(files, path, options);
    let metadata = files.metadata(&given).map_err(|error| cannot_read(files, path, &error))?;
    match metadata.kind {
        FileKind::Regular => {
            let (bytes, text) = read(files, &given, &options.limits)?;
            one(files, &given, bytes, text, options)
        }
        FileKind::Directory => folder(files, &given, options),
        kind => {
            let failure = Failure::new(format!("cannot read {}: it is {kind}", path.display()));
            Err(failure.help("name a file or a folder"))
        }
    }
}

/// PATH is taken as given, else below the root.
fn given_path(files: &dyn FileSystem, path: &Path, options: &Options) -> PathBuf {
    if options.root.is_some() && files.metadata(path).is_err() {
        return files.locate(Path::new(""), path);
    }
    path.to_path_buf()
}

fn cannot_read(files: &dyn FileSystem, path: &Path, error: &ReadError) -> Failure {
    let failure = Failure::new(format!("cannot read {}: {error}", path.display()));
    match error {
        ReadError::Missing | ReadError::Dangling { .. } => {
            let meant = if *error == ReadError::Missing { neighbour(files, path) } else { None };
            failure.help(match meant {
                Some(meant) => format!("did you mean {}?", meant.display()),
                None => "name a configuration file or folder, or none for the live configuration".to_owned(),
            })
        }
        ReadError::Forbidden => failure.help("run as a user who may read it, such as root"),
        _ => failure,
    }
}

/// The file or folder beside a path that its name is most like.
fn neighbour(files: &dyn FileSystem, path: &Path) -> Option<PathBuf> {
    let folder = path.parent()?;
    let start = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = files.list(start).ok()?;
    let names: Vec<String> = entries.iter().map(|entry| entry.name.to_string_lossy().into_owned()).collect();
    let name = path.file_name()?.to_string_lossy();
    let others = names.iter().map(String::as_str).filter(|other| *other != name);
    spelling::nearest(&name, others, 4).map(|(name, _)| folder.join(name))
}

/// Reads a text. One that is too large stands for itself without its bytes: that is a finding like others.
fn read(files: &dyn FileSystem, path: &Path, limits: &Limits) -> Result<(Arc<[u8]>, Text), Failure> {
    match files.read(path, limits.config_file) {
        Ok(bytes) => Ok((bytes, Text::File)),
        Err(ReadError::TooLarge { size, limit }) => Ok((Arc::default(), Text::Unread { size, limit })),
        Err(error) => Err(cannot_read(files, path, &error)),
    }
}

/// The main file that a folder is entered at, and its server.
pub fn main_of(files: &dyn FileSystem, folder: &Path, wanted: Option<ServerKind>) -> Option<(PathBuf, ServerKind)> {
    let wanted = MAIN_FILES.iter().filter(|(_, server)| wanted.is_none_or(|wanted| wanted == *server));
    let mut found = wanted.map(|(name, server)| (folder.join(name), *server));
    found.find(|(main, _)| files.metadata(main).is_ok_and(|found| found.kind == FileKind::Regular))
}

/// A folder: entered at its main file, else all its files together.
fn folder(files: &dyn FileSystem, path: &Path, options: &Options) -> Result<Target, Failure> {
    if let Some((main, server)) = main_of(files, path, options.server) {
        let (bytes, text) = read(files, &main, &options.limits)?;
        // What was not read lacks nothing.
        let is_whole = text == Text::File;
        let form =
            if is_whole { Completeness::Whole } else { Completeness::Fragment { prefix: Some(path.to_path_buf()) } };
        let roots = vec![Root { path: main, bytes, text }];
        let input = Input { roots, form, definitions: options.definitions.clone() };
        return Ok(Target { path: path.to_path_buf(), server, input, mains: Vec::new() });
    }
    let entries = files.list(path).map_err(|error| cannot_read(files, path, &error))?;
    let is_shown = |entry: &Entry| {
        let is_ours = entry.name == config::NAME;
        entry.kind == Some(FileKind::Regular) && !entry.name.as_encoded_bytes().starts_with(b".") && !is_ours
    };
    let mut roots = Vec::new();
    for entry in entries.iter().filter(|entry| is_shown(entry)) {
        let path = path.join(&entry.name);
        let (bytes, text) = read(files, &path, &options.limits)?;
        if !pki::holds_key(&bytes) {
            roots.push(Root { path, bytes, text });
        }
    }
    if roots.is_empty() {
        let names: Vec<&str> = MAIN_FILES.iter().map(|(name, _)| *name).collect();
        let failure = Failure::new(format!("nothing to read in {}", path.display()));
        return Err(failure.help(format!("looked for {} and for other files that are not hidden", names.join(", "))));
    }
    let server = match options.server {
        Some(server) => server,
        None => roots.iter().find_map(|root| detect(&root.path, &root.bytes)).ok_or_else(|| unknown_server(path))?,
    };
    let form = Completeness::Fragment { prefix: prefix_of(files, path, server) };
    let input = Input { roots, form, definitions: options.definitions.clone() };
    Ok(Target { path: path.to_path_buf(), server, input, mains: Vec::new() })
}

/// One text: a whole configuration or a part of one.
fn one(
    files: &dyn FileSystem,
    path: &Path,
    bytes: Arc<[u8]>,
    text: Text,
    options: &Options,
) -> Result<Target, Failure> {
    if pki::holds_key(&bytes) {
        let failure = Failure::new(format!("{} holds a private key and is no configuration", path.display()));
        return Err(failure.help("name the configuration that uses it"));
    }
    let server = match options.server.or_else(|| detect(path, &bytes)) {
        Some(server) => server,
        None if bytes.contains(&0) => {
            let failure = Failure::new(format!("{} is no text: it holds a zero byte", path.display()));
            return Err(failure.help("name a configuration file or folder"));
        }
        None => return Err(unknown_server(path)),
    };
    let whole = match server {
        ServerKind::Nginx => nginx::is_whole(&bytes),
        ServerKind::Apache => {
            let is_main = MAIN_FILES.iter().any(|(name, kind)| *kind == server && path.ends_with(name));
            is_main || !options.fragment && apache::is_whole(&bytes)
        }
        ServerKind::Caddy => caddy::is_whole(path, &bytes) && !(options.fragment && bytes.trim_ascii().is_empty()),
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let form =
        if whole { Completeness::Whole } else { Completeness::Fragment { prefix: prefix_of(files, folder, server) } };
    let mains = if whole || options.fragment || text != Text::File { Vec::new() } else { mains(files, folder, server) };
    let roots = vec![Root { path: path.to_path_buf(), bytes, text }];
    let input = Input { roots, form, definitions: options.definitions.clone() };
    Ok(Target { path: path.to_path_buf(), server, input, mains })
}

fn unknown_server(path: &Path) -> Failure {
    let failure = Failure::new(format!("cannot tell which server reads {}", path.display()));
    failure.help("say so with --server nginx, --server apache or --server caddy".to_owned())
}

/// Main files of a server in a folder and the ones above it, nearest first.
fn mains(files: &dyn FileSystem, folder: &Path, server: ServerKind) -> Vec<PathBuf> {
    let start = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let above = std::iter::successors(Some(start.to_path_buf()), |folder| match folder.file_name() {
        Some(name) if name != OsStr::new("..") => Some(match folder.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
            _ => PathBuf::from("."),
        }),
        _ if folder.is_absolute() => None,
        _ => Some(folder.join("..")),
    });
    let names: Vec<&str> = MAIN_FILES.iter().filter(|(_, kind)| *kind == server).map(|(name, _)| *name).collect();
    let is_file = |path: &PathBuf| files.metadata(path).is_ok_and(|found| found.kind == FileKind::Regular);
    above.take(UPWARD).flat_map(|folder| names.iter().map(move |name| folder.join(name))).filter(is_file).collect()
}

/// The folder that a fragment's relative paths start from: the one with the main file, or the one above `sites-enabled`,
/// `conf.d` and the like.
fn prefix_of(files: &dyn FileSystem, folder: &Path, server: ServerKind) -> Option<PathBuf> {
    if let Some(main) = mains(files, folder, server).into_iter().next() {
        return main.parent().map(Path::to_path_buf);
    }
    const BELOW: &[&str] = &[
        "sites-enabled",
        "sites-available",
        "conf.d",
        "http.d",
        "snippets",
        "vhosts.d",
        "servers",
        "conf-enabled",
        "conf-available",
    ];
    let name = folder.file_name()?.to_str()?;
    BELOW.contains(&name).then(|| folder.parent().map(Path::to_path_buf)).flatten()
}

/// Which server a text belongs to, by its name, else by its looks.
fn detect(path: &Path, bytes: &[u8]) -> Option<ServerKind> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if let Some((_, server)) = MAIN_FILES.iter().find(|(main, _)| *main == name) {
        return Some(*server);
    }
    if caddy::is_named(&name) || caddy::looks_like_json(bytes) {
        return Some(ServerKind::Caddy);
    }
    if name == ".htaccess" || apache::looks_like(bytes) {
        return Some(ServerKind::Apache);
    }
    nginx::looks_like(bytes).then_some(ServerKind::Nginx)
}
