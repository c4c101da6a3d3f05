//! Apache httpd: from its text to the model and back.

mod directives;
mod edit;
mod include;
mod lower;
mod outline;
pub mod syntax;

use std::path::{Path, PathBuf};

pub use self::edit::ApacheEditor;
use self::include::{Loaded, Start, Variables};
pub use self::outline::outline;
use super::{Completeness, Input, ParsedConfig};
use crate::model::{Deployment, Editor};
use crate::platform::Platform;
use crate::source::{FileSystem, Limits, Sources};

/// An Apache configuration, read and understood.
pub struct Apache {
    loaded: Loaded,
    deployment: Deployment,
}

/// Where Debian's scripts keep the environment of the server.
const ENVIRONMENT: &str = "envvars";

/// Reads a configuration with all that it includes, and lowers it. What is wrong with it is in the deployment.
pub fn read(
    files: &dyn FileSystem,
    sources: &mut Sources,
    limits: &Limits,
    input: Input,
    platform: Platform,
) -> Apache {
    let first = input.roots.first().map(|root| root.path.clone()).unwrap_or_default();
    let folder = first.parent().unwrap_or(Path::new("")).to_path_buf();
    let (fragment, server_root) = match input.form {
        Completeness::Whole => (false, Some(server_root(files, &folder, &first, &platform))),
        Completeness::Fragment { prefix } => (true, prefix.map(|folder| above_conf(&folder))),
    };
    let mut variables = Variables::default();
    if !fragment {
        let installed =
            platform.main_file.parent().map(|folder| files.locate(Path::new("/"), &folder.join(ENVIRONMENT)));
        let is_installed = files.locate(Path::new("/"), &platform.main_file) == first;
        variables.read_environment(files, &folder.join(ENVIRONMENT));
        if let Some(path) = installed.filter(|_| is_installed && !variables.environment_is_known()) {
            variables.read_environment(files, &path);
        }
    }
    for (name, value) in &input.definitions {
        variables.give(name, value.as_deref());
    }
    let context = match (fragment, input.roots.first()) {
        (true, Some(root)) => directives::context_of(&root.path, &root.bytes),
        _ => directives::Context::Server,
    };
    let secrets = variables.exports().cloned();
    let start = Start { fragment, server_root, variables };
    let mut loaded = include::read(files, sources, limits, &platform, input.roots, start);
    loaded.problems.extend(secrets.map(|exported| exported.problem(sources)));
    let deployment = lower::lower(files, &mut loaded, context, fragment, platform);
    Apache { loaded, deployment }
}

/// What relative paths start from before `ServerRoot`: the folder that is compiled in, where the main file is the installed
/// one, else the folder of the main file, or the one above `conf`.
fn server_root(files: &dyn FileSystem, folder: &Path, main: &Path, platform: &Platform) -> PathBuf {
    if let Some(root) = &platform.server_root
        && files.locate(Path::new("/"), &platform.main_file) == main
    {
        return files.locate(Path::new("/"), root);
    }
    above_conf(folder)
}

/// The server's folder where the main file lies in this one: it may be the one above `conf`.
fn above_conf(folder: &Path) -> PathBuf {
    match folder.file_name() {
        Some(name) if name == "conf" => folder.parent().unwrap_or(folder).to_path_buf(),
        _ => folder.to_path_buf(),
    }
}

impl ParsedConfig for Apache {
    fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    fn paths(&self) -> Vec<&Path> {
        self.loaded.paths.iter().map(PathBuf::as_path).collect()
    }

    fn editor(&self) -> Box<dyn Editor + Sync + '_> {
        Box::new(ApacheEditor::new(&self.loaded, &self.deployment))
    }
}

/// Whether a text is a whole configuration by its looks: it loads modules, or says where the server is at home and listens.
pub fn is_whole(text: &[u8]) -> bool {
    let lines = syntax::lines(text);
    let names = lines.iter().filter_map(|line| syntax::first_word(text, line.start as usize, line.end as usize));
    let has = |wanted: &[&str]| {
        names.clone().any(|word| {
            let value = word.value(text);
            wanted.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(&value))
        })
    };
    has(&["ServerRoot"]) && has(&["LoadModule", "Listen", "Include", "IncludeOptional"])
}

/// Whether a text could be Apache's: most of its lines begin with one of its directives, and do not end as those of other
/// servers do, which have `listen` and `include` too.
pub fn looks_like(text: &[u8]) -> bool {
    let lines = syntax::lines(text);
    let is_known = |line: &&syntax::Line| {
        if matches!(text[line.range()].last(), Some(b';' | b'{' | b'}')) {
            return false;
        }
        let word = syntax::first_word(text, line.start as usize, line.end as usize);
        word.is_some_and(|word| {
            let value = word.value(text);
            let name = value.strip_suffix(b">").unwrap_or(&value);
            name.starts_with(b"</") || !directives::find(name).is_empty()
        })
    };
    !lines.is_empty() && lines.iter().filter(is_known).count() * 2 > lines.len()
}
