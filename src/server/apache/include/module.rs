//! Which modules are loaded: those that are built in, and what `LoadModule` adds.

use std::collections::HashSet;
use std::path::Path;

use super::path_of;
use crate::platform::Platform;
use crate::server::apache::directives;

/// The modules that are loaded, by source file and by identifier; names are compared with their case.
#[derive(Clone, Debug, Default)]
pub struct Modules {
    names: HashSet<Vec<u8>>,
    /// Whether all that the tables know count as loaded, because nothing says which are.
    all: bool,
    /// Whether a module is loaded that the tables do not know.
    foreign: bool,
    /// Whether `LoadModule` was read at all.
    any: bool,
    /// The folder that the last module was loaded from, as it is written, with its slash.
    folder: String,
    /// Those of [`ADDED`] that are known not to be there.
    absent: Vec<&'static str>,
}

/// Modules that a fix may load.
const ADDED: &[&str] =
    &["mod_ssl", "mod_socache_dbm", "mod_socache_dc", "mod_socache_memcache", "mod_socache_redis", "mod_socache_shmcb"];

/// Modules whose source file is not named after their identifier.
const IRREGULAR: &[(&str, &str)] = &[
    ("mpm_event_module", "event.c"),
    ("mpm_worker_module", "worker.c"),
    ("mpm_prefork_module", "prefork.c"),
    ("mpm_itk_module", "itk.c"),
    ("cgi_module", "mod_cgi.c"),
    ("core_module", "core.c"),
    ("http_module", "http_core.c"),
    ("php5_module", "mod_php5.c"),
    ("php7_module", "mod_php7.c"),
    ("php_module", "mod_php.c"),
];

impl Modules {
    /// All that the tables know: for a part of a configuration.
    pub fn all() -> Self {
        Modules { all: true, ..Modules::default() }
    }

    /// The modules that a platform builds in.
    pub fn of(platform: &Platform) -> Self {
        let mut modules = Modules::default();
        for source in &platform.static_modules {
            modules.add(source.as_bytes());
        }
        modules
    }

    fn add(&mut self, source: &[u8]) {
        let identifier = IRREGULAR.iter().find(|(_, other)| other.as_bytes() == source).map(|(name, _)| *name);
        let stem = source.strip_suffix(b".c").unwrap_or(source);
        let stem = stem.strip_prefix(b"mod_").unwrap_or(stem);
        let regular = [stem, b"_module"].concat();
        self.names.insert(identifier.map_or(regular, |name| name.as_bytes().to_vec()));
        self.names.insert(source.to_vec());
    }

    /// `LoadModule IDENTIFIER FILE`.
    pub fn load(&mut self, identifier: &[u8], file: &[u8]) {
        self.any = true;
        let file_text = String::from_utf8_lossy(file);
        self.folder = file_text.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        let irregular = IRREGULAR.iter().find(|(name, _)| name.as_bytes() == identifier);
        let source = match irregular {
            Some((_, source)) => source.as_bytes().to_vec(),
            None => {
                let stem = identifier.strip_suffix(b"_module").unwrap_or(identifier);
                [b"mod_", stem, b".c"].concat()
            }
        };
        let stem = path_of(file).file_stem().map_or(&b""[..], |stem| stem.as_encoded_bytes());
        let known = |name: &[u8]| directives::is_known_module(name.strip_suffix(b".c").unwrap_or(name));
        self.foreign |= irregular.is_none() && !known(&source) && !known(stem);
        self.names.insert(identifier.to_vec());
        self.names.insert(source);
    }

    /// The folder that modules are loaded from, as `LoadModule` writes it, with its slash. Absent where none is.
    pub fn folder(&self) -> Option<&str> {
        Some(&*self.folder).filter(|folder| !folder.is_empty() && !folder.contains([' ', '"', '$']))
    }

    /// The file of a module, as `LoadModule` would name it. Absent where none is named like it, or that is not there.
    pub fn file(&self, module: &str) -> Option<String> {
        let folder = self.folder()?;
        (!self.absent.contains(&module)).then(|| format!("{folder}{module}.so"))
    }

    /// Looks which modules are there that could be loaded.
    pub fn look(&mut self, is_missing: impl Fn(&Path) -> bool) {
        let file = |module: &str| Some(format!("{}{module}.so", self.folder()?));
        let is_absent = |module: &&&str| file(module).is_some_and(|file| is_missing(Path::new(&file)));
        self.absent = ADDED.iter().filter(is_absent).copied().collect();
    }

    /// Whether a module is loaded, by its source file (`mod_ssl.c`) or its identifier (`ssl_module`), as `<IfModule>` asks.
    pub fn has(&self, name: &[u8]) -> bool {
        if self.names.contains(name) {
            return true;
        }
        if !self.all {
            return false;
        }
        let source = match name.strip_suffix(b"_module") {
            Some(stem) if !name.starts_with(b"mpm_") => [b"mod_", stem].concat(),
            _ => name.strip_suffix(b".c").unwrap_or_default().to_vec(),
        };
        matches!(name, b"mpm_event_module" | b"event.c" | b"core.c" | b"http_core.c")
            || directives::is_known_module(&source)
    }

    /// Whether a module of the table of directives is loaded: `mod_ssl`, `core`, `mpm`.
    pub fn has_table(&self, module: &str) -> bool {
        match module {
            "mpm" | "core" => true,
            name => self.is_open() || self.names.contains(format!("{name}.c").as_bytes()),
        }
    }

    /// Whether nothing says which modules there are: no line loads one, as where all are built in.
    pub fn is_open(&self) -> bool {
        self.all || !self.any
    }

    /// Whether a module is loaded that the tables do not know, which may bring directives of its own.
    pub fn has_foreign(&self) -> bool {
        self.foreign
    }
}
