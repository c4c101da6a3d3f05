//! The table of directives, read once.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::LazyLock;

use crate::diagnostic::spelling;
use crate::platform::Version;
use crate::server::apache::include::Modules;
use crate::server::apache::syntax::{self, Kind};

/// Where a directive can stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Context {
    /// Outside all sections.
    Server,
    /// `<VirtualHost>`
    VirtualHost,
    /// `<Directory>`, `<DirectoryMatch>`
    Directory,
    /// `<Location>`, `<LocationMatch>`
    Location,
    /// `<Files>`, `<FilesMatch>`
    Files,
    /// `<If>`, `<ElseIf>`, `<Else>`
    If,
    /// `<Proxy>`, `<ProxyMatch>`
    Proxy,
    /// A `.htaccess` file.
    AccessFile,
}

impl Context {
    fn letter(self) -> u8 {
        match self {
            Context::Server => b's',
            Context::VirtualHost => b'v',
            Context::Directory => b'd',
            Context::Location => b'l',
            Context::Files => b'f',
            Context::If => b'i',
            Context::Proxy => b'p',
            Context::AccessFile => b'h',
        }
    }

    /// What to call it in a message.
    pub fn name(self) -> &'static str {
        match self {
            Context::Server => "the top level",
            Context::VirtualHost => "`<VirtualHost>`",
            Context::Directory => "`<Directory>`",
            Context::Location => "`<Location>`",
            Context::Files => "`<Files>`",
            Context::If => "`<If>`",
            Context::Proxy => "`<Proxy>`",
            Context::AccessFile => "a `.htaccess` file",
        }
    }

    /// The context that a section opens, by its name in lower case. Absent where what stands inside follows rules of its
    /// own, or is not known.
    pub fn inside(name: &[u8]) -> Option<Context> {
        Some(match name {
            b"virtualhost" => Context::VirtualHost,
            b"directory" | b"directorymatch" => Context::Directory,
            b"location" | b"locationmatch" => Context::Location,
            b"files" | b"filesmatch" => Context::Files,
            b"if" | b"elseif" | b"else" => Context::If,
            b"proxy" | b"proxymatch" => Context::Proxy,
            _ => return None,
        })
    }
}

/// How many arguments a directive takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arguments {
    /// From so many to so many.
    Between(usize, usize),
    /// At least so many.
    AtLeast(usize),
    /// `on` or `off`; what follows is not looked at.
    Flag,
    /// Read by code of its own.
    Raw,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// As the documentation writes it.
    pub name: &'static str,
    /// In lower case, without the `<` of a section.
    pub lower: &'static str,
    /// The modules that bring it, separated by commas.
    pub modules: &'static str,
    contexts: &'static str,
    /// What it takes.
    pub arguments: Arguments,
    /// The first release that has it, where the table knows one.
    pub first: Option<Version>,
    /// The last release that has it, where a newer one has not.
    pub last: Option<Version>,
}

impl Entry {
    /// Whether it may stand there.
    pub fn stands_in(&self, context: Context) -> bool {
        self.contexts.bytes().any(|one| one == context.letter())
    }

    /// Whether it is one of httpd's core that gives a virtual host settings of the core of its own.
    pub fn is_core(&self) -> bool {
        const WHILE_READING: &[&str] = &["define", "undefine", "include", "includeoptional", "serverroot", "error"];
        self.modules.split(',').any(|module| module == "core") && !WHILE_READING.contains(&self.lower)
    }

    /// Whether that release has it.
    pub fn is_in(&self, version: Version) -> bool {
        self.first.is_none_or(|first| first <= version) && self.last.is_none_or(|last| version <= last)
    }

    /// Whether one of its modules is loaded.
    pub fn is_loaded(&self, modules: &Modules) -> bool {
        self.modules.split(',').any(|module| modules.has_table(module))
    }

    /// Whether it takes this many arguments.
    pub fn takes(&self, count: usize) -> bool {
        match self.arguments {
            Arguments::Between(least, most) => (least..=most).contains(&count),
            Arguments::AtLeast(least) => count >= least,
            Arguments::Flag => count >= 1,
            Arguments::Raw => true,
        }
    }

    /// How many arguments it takes, for a message.
    pub fn expected(&self) -> String {
        match self.arguments {
            Arguments::Between(0, 0) => "no argument".to_owned(),
            Arguments::Between(1, 1) | Arguments::Flag => "one argument".to_owned(),
            Arguments::Between(least, most) if least == most => format!("{least} arguments"),
            Arguments::Between(least, most) => format!("{least} to {most} arguments"),
            Arguments::AtLeast(1) => "at least one argument".to_owned(),
            Arguments::AtLeast(least) => format!("at least {least} arguments"),
            Arguments::Raw => "arguments".to_owned(),
        }
    }
}

/// By the name in lower case, sections with their `<`.
type Table = HashMap<Vec<u8>, Vec<Entry>>;

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table::with_capacity(1024);
    let lines = include_str!("../../../../rules/apache/directives.tsv").lines();
    for line in lines.filter(|line| !line.starts_with('#')).skip(1) {
        let mut columns = line.split('\t');
        let mut next = || columns.next().unwrap_or_default();
        let (name, modules, contexts) = (next(), next(), next());
        let arguments = arguments(next());
        let (first, last) = (Version::parse(next()), Version::parse(next()));
        let lower: &'static str = name.trim_start_matches('<').to_ascii_lowercase().leak();
        let entry = Entry { name, lower, modules, contexts, arguments, first, last };
        table.entry(name.to_ascii_lowercase().into_bytes()).or_default().push(entry);
    }
    table
});

/// Names that other modules bring, in lower case, and their beginnings where a `*` ends them.
type Foreign = (HashSet<Vec<u8>>, Vec<Vec<u8>>);

static FOREIGN: LazyLock<Foreign> = LazyLock::new(|| {
    let lines = include_str!("../../../../rules/apache/foreign.tsv").lines();
    let (mut names, mut beginnings) = (HashSet::new(), Vec::new());
    for line in lines.filter(|line| !line.starts_with('#')).skip(1) {
        let name = line.split('\t').next().unwrap_or_default().to_ascii_lowercase();
        match name.strip_suffix('*') {
            Some(beginning) => beginnings.push(beginning.as_bytes().to_vec()),
            None => {
                names.insert(name.into_bytes());
            }
        }
    }
    (names, beginnings)
});

static MODULES: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| TABLE.values().flatten().flat_map(|entry| entry.modules.split(',')).collect());

/// Modules without directives of their own.
const SILENT: &[&str] = &[
    "mod_authz_user",
    "mod_authz_groupfile",
    "mod_socache_shmcb",
    "mod_socache_dbm",
    "mod_socache_memcache",
    "mod_socache_redis",
    "mod_slotmem_shm",
    "mod_slotmem_plain",
    "mod_lbmethod_byrequests",
    "mod_lbmethod_bytraffic",
    "mod_lbmethod_bybusyness",
    "mod_lbmethod_heartbeat",
    "mod_proxy_http",
    "mod_proxy_http2",
    "mod_proxy_ajp",
    "mod_proxy_connect",
    "mod_proxy_wstunnel",
    "mod_proxy_fdpass",
    "mod_proxy_uwsgi",
    "mod_systemd",
    "mod_suexec",
    "mod_unique_id",
    "mod_asis",
    "mod_data",
    "mod_reflector",
    "mod_optional_hook_export",
    "mod_authn_core",
    "mod_access_compat",
    "mod_xml2enc",
    "mod_allowmethods",
    "mod_tls",
];

fn arguments(text: &str) -> Arguments {
    let number = |text: &str| text.parse::<usize>().ok();
    match text {
        "flag" => Arguments::Flag,
        "raw" | "any" | "section" => Arguments::Raw,
        "1,3" => Arguments::Between(1, 3),
        _ => match (text.strip_suffix('+'), text.split_once('-')) {
            (Some(least), _) => Arguments::AtLeast(number(least).unwrap_or(0)),
            (None, Some((least, most))) => {
                Arguments::Between(number(least).unwrap_or(0), number(most).unwrap_or(usize::MAX))
            }
            (None, None) => number(text).map_or(Arguments::Raw, |count| Arguments::Between(count, count)),
        },
    }
}

/// All rows of a name, whatever its case, a section with its `<`; empty where no release has it.
pub fn find(name: &[u8]) -> &'static [Entry] {
    if let Some(found) = TABLE.get(name) {
        return found;
    }
    TABLE.get(&name.to_ascii_lowercase()).map_or(&[], Vec::as_slice)
}

/// Whether a name is one that modules bring which Apache does not.
pub fn is_foreign(name: &[u8]) -> bool {
    let (names, beginnings) = &*FOREIGN;
    let lower = name.to_ascii_lowercase();
    names.contains(&lower) || beginnings.iter().any(|beginning| lower.starts_with(beginning))
}

/// Whether a module's source file, without its suffix, is one that Apache brings: `mod_ssl`.
pub fn is_known_module(stem: &[u8]) -> bool {
    std::str::from_utf8(stem).is_ok_and(|stem| MODULES.contains(stem) || SILENT.contains(&stem))
}

/// Directives and sections that are there today: the name in lower case, and as it is written.
static SPELLINGS: LazyLock<[HashMap<String, &'static str>; 2]> = LazyLock::new(|| {
    [false, true].map(|section| {
        let known = TABLE.values().flatten();
        let known = known.filter(|entry| entry.last.is_none() && entry.name.starts_with('<') == section);
        let name = |entry: &'static Entry| entry.name.trim_start_matches('<');
        known.map(|entry| (name(entry).to_ascii_lowercase(), name(entry))).collect()
    })
});

/// The one name of the table that differs from `name` by the least, at most by two edits.
pub fn nearest(name: &str, section: bool) -> Option<(&'static str, usize)> {
    let lower = name.to_ascii_lowercase();
    let known = &SPELLINGS[usize::from(section)];
    let (found, edits) = spelling::nearest(&lower, known.keys().map(String::as_str), 2)?;
    known.get(found).map(|name| (*name, edits))
}

/// The context in which a part is read: that of directories where more of what stands outside its sections is allowed
/// there than at the top.
pub fn context_of(path: &Path, text: &[u8]) -> Context {
    if path.file_name().is_some_and(|name| name == ".htaccess") {
        return Context::AccessFile;
    }
    let (mut outside, mut inside, mut depth) = (0, 0, 0usize);
    for line in syntax::lines(text) {
        let Some(word) = syntax::first_word(text, line.start as usize, line.end as usize) else { continue };
        let value = word.value(text);
        let name = value.strip_suffix(b">").unwrap_or(&value);
        // What a condition holds stands where the condition does.
        let bare = name.strip_prefix(b"</").or(name.strip_prefix(b"<")).unwrap_or_default();
        let is_condition = bare.len() > 2 && bare[..2].eq_ignore_ascii_case(b"if");
        match syntax::kind(name) {
            _ if is_condition => {}
            Kind::Close => depth = depth.saturating_sub(1),
            kind => {
                if depth == 0 {
                    let rows = find(name);
                    outside += usize::from(rows.iter().any(|row| row.stands_in(Context::Server)));
                    inside += usize::from(rows.iter().any(|row| row.stands_in(Context::Directory)));
                }
                depth += usize::from(kind == Kind::Open);
            }
        }
    }
    if inside > outside { Context::Directory } else { Context::Server }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_read() {
        assert!(TABLE.len() > 700);
        let engine = find(b"sslENGINE");
        assert_eq!((engine.len(), engine[0].modules), (1, "mod_ssl"));
        assert!(engine[0].stands_in(Context::VirtualHost) && !engine[0].stands_in(Context::Directory));
        assert!(!find(b"SSLStaplingCache")[0].stands_in(Context::VirtualHost));
        assert!(find(b"<VirtualHost")[0].stands_in(Context::Server));
        assert!(find(b"SSLMutex").iter().all(|entry| !entry.is_in(Version::new(2, 4, 71))));
        assert!(find(b"SSLPolicy").is_empty());
        assert!(is_foreign(b"PassengerEnabled") && is_foreign(b"php_value") && !is_foreign(b"SSLPolicy"));
        assert!(is_known_module(b"mod_ssl") && !is_known_module(b"mod_php5"));
    }

    #[test]
    fn misspelt_names_have_one_neighbour() {
        assert_eq!(nearest("SSLCertficateFile", false), Some(("SSLCertificateFile", 1)));
        assert_eq!(nearest("VirtulHost", true), Some(("VirtualHost", 1)));
        assert_eq!(nearest("SomethingElse", false), None);
    }
}
