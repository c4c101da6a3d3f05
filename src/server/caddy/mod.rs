//! Caddy: from its Caddyfile or JSON to the model and back.

mod config;
pub mod directives;
mod edit;
mod include;
mod json;
mod lower;
mod outline;
mod syntax;

use std::path::{Path, PathBuf};

pub use self::edit::CaddyEditor;
use self::include::{Loaded, Reading};
pub use self::outline::outline;
use super::{Completeness, Input, ParsedConfig, units, unread};
use crate::model::{Deployment, Editor, ServerKind};
use crate::platform::{Environment, Platform, Unit};
use crate::source::{FileSystem, Limits, Sources, Span};

/// A Caddy configuration, read and understood.
pub struct Caddy {
    loaded: Loaded,
    paths: Vec<PathBuf>,
    deployment: Deployment,
}

/// Whether a file is Caddy's by its name.
pub fn is_named(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("caddyfile") || name.ends_with(".caddyfile") || name.ends_with(".caddy")
}

/// Whether a file is a whole configuration: by its name, unless it begins inside a site block.
pub fn is_whole(path: &Path, bytes: &[u8]) -> bool {
    if Adapter::of(path, bytes) == Adapter::Json {
        return true;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let is_main = name.starts_with("caddyfile") || name.ends_with(".caddyfile");
    is_main && (name == "caddyfile" || !include::begins_in_site(bytes))
}

/// Whether a text is a JSON configuration of Caddy by its looks: an object that tells of apps.
pub fn looks_like_json(bytes: &[u8]) -> bool {
    is_json(bytes) && bytes.windows(6).any(|window| window == b"\"apps\"")
}

/// Whether a text begins as a JSON object does, which no Caddyfile does.
fn is_json(bytes: &[u8]) -> bool {
    let start = bytes.trim_ascii_start();
    start.first() == Some(&b'{') && matches!(start[1..].trim_ascii_start().first(), Some(b'"' | b'}'))
}

/// Which adapter reads a configuration file: Caddy tells it by the file's name, and takes anything else for JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adapter {
    /// The Caddyfile's.
    Caddyfile,
    /// None.
    Json,
}

impl Adapter {
    /// The adapter for a file. A text with another name is taken for a Caddyfile unless it begins as a JSON object: people
    /// name the adapter then (`--adapter caddyfile`).
    pub fn of(path: &Path, bytes: &[u8]) -> Adapter {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        if name.starts_with("caddyfile") || name.ends_with(".caddyfile") {
            return if name.ends_with(".json") { Adapter::Json } else { Adapter::Caddyfile };
        }
        if name.ends_with(".json") || is_json(bytes) { Adapter::Json } else { Adapter::Caddyfile }
    }
}

/// Reads a configuration with all that it imports, and lowers it. What is wrong with it is in the deployment.
pub fn read(files: &dyn FileSystem, sources: &mut Sources, limits: &Limits, input: Input, platform: Platform) -> Caddy {
    let fragment = matches!(input.form, Completeness::Fragment { .. });
    let main = input.roots.first().map(|root| root.path.clone()).unwrap_or_default();
    let environment = environment(files, &main, &platform).filter(|_| !fragment);
    let given = input.definitions.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
    let own = environment.iter().flat_map(|one| one.values.clone());
    let defines = own.chain(given).collect();
    let version_is_assumed = platform.assumed.iter().any(|what| what == "platform" || what == "server_version");
    let version = platform.server_version;
    let environment = environment.as_ref();
    let reading = Reading { files, limits, defines: &defines, environment, version, version_is_assumed, fragment };
    let mut deployment = Deployment::empty(ServerKind::Caddy, platform);
    deployment.fragment = fragment;
    let folder = input.roots.first().and_then(|root| root.path.parent()).unwrap_or(Path::new("")).to_path_buf();
    let mut roots = input.roots;
    let is_json = roots.first().is_some_and(|root| Adapter::of(&root.path, &root.bytes) == Adapter::Json);
    if is_json {
        let root = roots.swap_remove(0);
        let id = sources.add(root.path.clone(), root.bytes.clone(), root.text.clone());
        let (value, problems) = match unread(&root.text, id) {
            Some(problem) => (None, vec![problem]),
            None => json::parse(&root.bytes, id, limits),
        };
        let base = lower::Base { folder: &folder, start: Span::new(id, 0, 0), json: &root.bytes };
        match value {
            Some(value) => lower::json(reading, &value, problems, &mut deployment, &base),
            None => deployment.problems = problems,
        }
        return Caddy { loaded: Loaded::empty(), paths: vec![root.path], deployment };
    }
    let mut loaded = Loaded::read(reading, sources, roots);
    let start = loaded.files.first().map(|file| Span::new(file.id, 0, 0));
    if let Some(start) = start {
        let base = lower::Base { folder: &folder, start, json: &[] };
        lower::caddyfile(reading, &mut loaded, &mut deployment, &base);
    }
    let paths = loaded.files.iter().map(|file| file.path.clone()).collect();
    Caddy { loaded, paths, deployment }
}

/// The environment of the service that is started with this file, where its unit is at hand.
fn environment(files: &dyn FileSystem, main: &Path, platform: &Platform) -> Option<Environment> {
    let unit = Unit::find(files, units(ServerKind::Caddy))?;
    let located = |path: &Path| files.canonical(&files.locate(Path::new("/"), path)).ok();
    let named = unit.named_by("--config").map_or_else(|| platform.main_file.clone(), PathBuf::from);
    // A relative path starts from a folder that only the running service knows.
    let is_started_with_it = match named.is_relative() {
        true => main.ends_with(&named),
        false => located(&named).is_some_and(|path| files.canonical(main).ok() == Some(path)),
    };
    // Values of a file that Caddy reads by itself are not followed.
    (is_started_with_it && unit.named_by("--envfile").is_none()).then(|| Environment::of(&unit, files)).flatten()
}

impl ParsedConfig for Caddy {
    fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    fn paths(&self) -> Vec<&Path> {
        self.paths.iter().map(PathBuf::as_path).collect()
    }

    fn editor(&self) -> Box<dyn Editor + Sync + '_> {
        Box::new(CaddyEditor::new(&self.loaded, &self.deployment))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_adapter_is_chosen_by_name() {
        let told = |path: &str, text: &str| Adapter::of(Path::new(path), text.as_bytes());
        assert_eq!(told("/etc/caddy/Caddyfile", "{}"), Adapter::Caddyfile);
        assert_eq!(told("Caddyfile.prod", ""), Adapter::Caddyfile);
        assert_eq!(told("a.caddyfile", ""), Adapter::Caddyfile);
        assert_eq!(told("caddy.json", "a.test"), Adapter::Json);
        assert_eq!(told("autosave", "{\"apps\": {}}"), Adapter::Json);
        assert_eq!(told("site.caddy", "{\n\temail a@b\n}"), Adapter::Caddyfile);
    }
}
