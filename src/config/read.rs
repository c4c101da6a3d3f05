//! From the text to the entries, each checked where it stands.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::entry::{self, Entry};
use super::{Config, ConfigIssue, PerPath, folder_of, own};
use crate::diagnostic::spelling;
use crate::handshake::{self, Client};
use crate::lint::{self, Level, Rules};
use crate::model::ServerKind;
use crate::platform::{self, TlsLibrary, Version};
use crate::source::{FileKind, FileSystem, has_wildcard};

/// Why a text is no TOML, with the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Line and column, from 1.
    pub at: (usize, usize),
    /// What the parser says.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}, column {}: {}", self.at.0, self.at.1, self.message)
    }
}

type Value<'t> = Spanned<DeValue<'t>>;
type Key<'t> = Spanned<DeString<'t>>;

/// Reads a text. What it names is looked for from its folder.
///
/// # Errors
/// Where it is no TOML.
pub fn parse(files: &dyn FileSystem, path: &Path, bytes: Arc<[u8]>) -> Result<Config, ConfigError> {
    let no_text = |at: usize| ConfigError { at: place(&bytes, at), message: "not UTF-8".to_owned() };
    let text = std::str::from_utf8(&bytes).map_err(|error| no_text(error.valid_up_to()))?;
    let table = DeTable::parse(text).map_err(|error| ConfigError {
        at: place(&bytes, error.span().map_or(0, |span| span.start)),
        message: error.message().replace('\n', ", "),
    })?;
    let config = Config { path: path.to_path_buf(), bytes: Arc::clone(&bytes), ..Config::default() };
    let mut reader = Reader { files, folder: folder_of(path).to_path_buf(), config };
    // Names of the user's own rules may stand in the other entries.
    if let Some((_, value)) = table.get_ref().iter().find(|(key, _)| key.get_ref() == "rules") {
        reader.own_rules(value);
    }
    for (key, value) in table.get_ref() {
        reader.top(key, value);
    }
    reader.contradictions(table.get_ref());
    let Reader { mut config, .. } = reader;
    config.misfits.sort_by_key(|one| one.start);
    Ok(config)
}

/// Line and column of a byte, from 1.
fn place(bytes: &[u8], at: usize) -> (usize, usize) {
    let before = &bytes[..at.min(bytes.len())];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    (line, String::from_utf8_lossy(&before[start..]).chars().count() + 1)
}

struct Reader<'f> {
    files: &'f dyn FileSystem,
    folder: PathBuf,
    config: Config,
}

impl Reader<'_> {
    fn top(&mut self, key: &Key<'_>, value: &Value<'_>) {
        match &**key.get_ref() {
            "main" => {
                for (word, span) in self.words(value) {
                    let path = joined(&self.folder, &word);
                    match self.files.metadata(&path) {
                        Ok(_) => self.config.mains.push(path),
                        Err(error) => {
                            let help = "name a configuration file or folder from the folder of shakedown.toml";
                            let stale = self.stale(span, format!("{word}: {error}"), help);
                            self.config.misfits.push(stale);
                        }
                    }
                }
            }
            "server" => {
                const ALL: [ServerKind; 3] = [ServerKind::Nginx, ServerKind::Apache, ServerKind::Caddy];
                let known = || ALL.iter().map(|one| one.name());
                self.config.server = self.word(value).and_then(|word| {
                    let found = ALL.into_iter().find(|one| one.name() == word);
                    found.or_else(|| self.unknown("server", &word, value.span(), known()))
                });
            }
            "platform" => {
                self.config.platform = self.word(value).and_then(|word| {
                    let is_known = platform::names().any(|name| name == word);
                    let known = is_known.then(|| word.clone());
                    known.or_else(|| self.unknown("platform", &word, value.span(), platform::names()))
                });
            }
            "server-version" => {
                self.config.server_version =
                    self.read_word(value, "no version", "write one such as 1.22.1", Version::parse);
            }
            "tls-library" => {
                let help = "write one with its version, such as openssl-3.0.19";
                self.config.tls_library = self.read_word(value, "no TLS library", help, TlsLibrary::parse);
            }
            "security-level" => {
                self.config.security_level = self.number(value).and_then(|number| {
                    let level = u8::try_from(number).ok().filter(|level| *level <= 5);
                    level.or_else(|| self.invalid(value.span(), format!("{number} is no security level"), "0 to 5"))
                });
            }
            "run-as" => self.config.run_as = self.word(value),
            "trust" => self.trust(value),
            "define" => {
                for (word, span) in self.words(value) {
                    match word.split_once('=') {
                        Some(("", _)) => {
                            self.invalid::<()>(span, format!("`{word}` has no name"), "write NAME or NAME=VALUE");
                        }
                        Some((name, value)) => {
                            self.config.definitions.push((name.to_owned(), Some(value.to_owned())));
                        }
                        None => self.config.definitions.push((word, None)),
                    }
                }
            }
            "profile" => {
                let known = || lint::profiles().iter().map(|one| one.name.as_str());
                self.config.profile = self.word(value).and_then(|word| {
                    lint::profile(&word).or_else(|| self.unknown("profile", &word, value.span(), known()))
                });
            }
            "select" => self.config.select = self.rule_names(value),
            "ignore" => self.config.ignore = self.rule_names(value),
            "fail-on" => {
                self.config.fail_on = self.word(value).and_then(|word| match &*word {
                    "never" => Some(Level::Off),
                    word => {
                        let found = Level::parse(word).filter(|level| *level != Level::Off);
                        let known = ["error", "warning", "info", "never"];
                        found.or_else(|| self.unknown("severity", word, value.span(), known.into_iter()))
                    }
                });
            }
            "strict" => self.config.strict = self.flag(value),
            "certificates-elsewhere" => {
                self.config.certificates_elsewhere = self.flag(value).unwrap_or_default();
            }
            "baseline" => {
                if let Some(word) = self.word(value) {
                    let path = joined(&self.folder, &word);
                    if self.files.metadata(&path).is_err() {
                        let help = format!("write it with `shakedown lint --write-baseline {word}`");
                        let reason = format!("there is no {word} yet: every finding is shown");
                        let stale = ConfigIssue::new("stale-setting", value.span()).case("baseline");
                        self.config.misfits.push(stale.with("reason", reason).with("help", help));
                    }
                    self.config.baseline = Some(path);
                }
            }
            "rules" => {} // read before all others
            "severity" => {
                if let Some(table) = self.table(value) {
                    self.config.severities = self.severities(table);
                }
            }
            "paths" => self.path_maps(value),
            "parameters" => self.parameters(value),
            "clients" => {
                for (key, value) in self.table(value).into_iter().flatten() {
                    match &**key.get_ref() {
                        "require" => self.clients(value),
                        _ => self.unknown_entry(key, " in `[clients]`", entry::CLIENTS),
                    }
                }
            }
            "per-path" => match value.get_ref() {
                DeValue::Array(all) => {
                    for one in all.iter() {
                        self.per_path(one);
                    }
                }
                _ => self.wrong_kind(value, "tables: write `[[per-path]]`"),
            },
            _ => self.unknown_entry(key, "", entry::TOP),
        }
    }

    fn trust(&mut self, value: &Value<'_>) {
        for (word, span) in self.words(value) {
            if matches!(&*word, "system" | "mozilla") {
                self.config.trust.push(PathBuf::from(word));
                continue;
            }
            let path = joined(&self.folder, &word);
            match self.files.metadata(&path) {
                Ok(found) if found.kind == FileKind::Regular => self.config.trust.push(path),
                Ok(found) => {
                    self.invalid::<()>(span, format!("{word} is {}", found.kind), "name a PEM file, system or mozilla");
                }
                Err(error) => {
                    let help = "name a PEM file from the folder of shakedown.toml, system or mozilla";
                    self.invalid::<()>(span, format!("{word}: {error}"), help);
                }
            }
        }
    }

    fn path_maps(&mut self, value: &Value<'_>) {
        for (key, value) in self.table(value).into_iter().flatten() {
            let from = &**key.get_ref();
            let Some(to) = self.word(value) else { continue };
            if !from.starts_with('/') {
                let help = "write the path as the server has it, from the root: \"/etc/letsencrypt/live/\"";
                self.invalid::<()>(key.span(), format!("`{from}` is no absolute path"), help);
                continue;
            }
            let path = joined(&self.folder, &to);
            if let Err(error) = self.files.metadata(&path) {
                let help =
                    format!("name a path from the folder of shakedown.toml, where what the server has as {from} is");
                let stale = self.stale(value.span(), format!("{to}: {error}"), &help);
                self.config.misfits.push(stale);
                continue;
            }
            self.config.path_maps.push((PathBuf::from(from), path));
        }
        // The longest goes first.
        self.config.path_maps.sort_by_key(|(from, _)| std::cmp::Reverse(from.as_os_str().len()));
    }

    fn parameters(&mut self, value: &Value<'_>) {
        for (key, value) in self.table(value).into_iter().flatten() {
            let Some(name) = self.rule_name(key.get_ref(), key.span()) else { continue };
            for (parameter, value) in self.table(value).into_iter().flatten() {
                let rules = self.config.rules.clone();
                let page = rules.find(&name).map(lint::Rule::page);
                let known: Vec<&str> =
                    page.iter().flat_map(|page| page.parameters.keys()).map(String::as_str).collect();
                if !known.contains(&&**parameter.get_ref()) {
                    let nearest = spelling::nearest(parameter.get_ref(), known.iter().copied(), 4);
                    let misfit = ConfigIssue::new("unknown-setting", parameter.span())
                        .with("name", &**parameter.get_ref())
                        .with("where", format!(" in `[parameters.{name}]`"))
                        .with(
                            "all",
                            match known.len() {
                                0 => "are none".to_owned(),
                                _ => format!("are {}", known.join(", ")),
                            },
                        );
                    self.config.misfits.push(match nearest {
                        Some((meant, _)) => misfit.case("meant").with("meant", meant),
                        None => misfit,
                    });
                } else if let Some(number) = self.number(value) {
                    let all = self.config.parameters.entry(name.clone()).or_default();
                    all.insert(parameter.get_ref().to_string(), number);
                }
            }
        }
    }

    fn clients(&mut self, value: &Value<'_>) {
        for (word, span) in self.words(value) {
            if let Some(client) = handshake::find(&word) {
                self.config.required.push(client.clone());
                continue;
            }
            if !word.ends_with(".toml") {
                let known = handshake::clients().iter().map(|client| &*client.name);
                self.unknown::<()>("client", &word, span, known);
                continue;
            }
            let path = joined(&self.folder, &word);
            let read = self.files.read(&path, 1 << 20).map_err(|error| error.to_string());
            let text = read.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            match text.and_then(|text| Client::parse(&text, folder_of(&path))) {
                Ok(client) => self.config.required.push(client),
                Err(words) => {
                    let words = words.trim_end().replace('\n', " ");
                    self.invalid::<()>(span, format!("{word} is no client: {words}"), "see the files in rules/clients");
                }
            }
        }
    }

    fn per_path(&mut self, value: &Value<'_>) {
        let Some(table) = self.table(value) else { return };
        let mut one = PerPath::default();
        for (key, value) in table {
            match &**key.get_ref() {
                "paths" => {
                    for (word, span) in self.words(value) {
                        // What has no pattern in it is there or not.
                        let is_plain = !has_wildcard(word.as_bytes()) && word.contains(['/', '.']);
                        if is_plain && self.files.metadata(&joined(&self.folder, &word)).is_err() {
                            let help = "name a file from the folder of shakedown.toml, or a pattern";
                            let stale = self.stale(span, format!("there is no {word}"), help);
                            self.config.misfits.push(stale);
                        }
                        one.paths.push(word);
                    }
                }
                "select" => one.select = self.rule_names(value),
                "ignore" => one.ignore = self.rule_names(value),
                "severity" => {
                    if let Some(table) = self.table(value) {
                        one.severities = self.severities(table);
                    }
                }
                _ => self.unknown_entry(key, " in `[[per-path]]`", entry::PER_PATH),
            }
        }
        self.config.per_path.push(one);
    }

    fn own_rules(&mut self, value: &Value<'_>) {
        let Some(word) = self.word(value) else { return };
        match own::read(self.files, &joined(&self.folder, &word)) {
            Ok(found) => {
                self.config.misfits.extend(found.misfits);
                self.config.rules = Rules::with(found.rules);
            }
            Err(error) => {
                let help = "name a folder with one TOML file a rule, from the folder of shakedown.toml";
                let stale = self.stale(value.span(), format!("{word}: {error}"), help);
                self.config.misfits.push(stale);
            }
        }
    }

    /// What one entry asks for and another takes back.
    fn contradictions(&mut self, table: &DeTable<'_>) {
        let Some(DeValue::Table(severities)) = table.get("severity").map(Spanned::get_ref) else { return };
        for (key, _) in severities {
            let is_off = self.config.ignore.iter().any(|name| name == key.get_ref());
            if is_off {
                let reason = format!("`{}` is ignored, and has a severity all the same", key.get_ref());
                let stale = self.stale(key.span(), reason, "take it out here, or from `ignore`");
                self.config.misfits.push(stale);
            }
        }
    }

    /// The names of rules, in their present form.
    fn rule_names(&mut self, value: &Value<'_>) -> Vec<String> {
        let words = self.words(value);
        words.into_iter().filter_map(|(word, span)| self.rule_name(&word, span)).collect()
    }

    fn rule_name(&mut self, word: &str, span: Range<usize>) -> Option<String> {
        let rules = self.config.rules.clone();
        match rules.find(word) {
            Some(rule) if rule.name == word => Some(word.to_owned()),
            Some(rule) => {
                let reason = format!("`{word}` is called `{}` now", rule.name);
                let misfit = ConfigIssue::new("stale-setting", span)
                    .with("reason", reason)
                    .with("help", format!("write `{}`", rule.name));
                self.config.misfits.push(misfit);
                Some(rule.name.to_string())
            }
            None => {
                let meant = rules.nearest(word).map(|name| format!("write `{name}`, or see `shakedown rules`"));
                let help = meant.unwrap_or_else(|| "`shakedown rules` lists all".to_owned());
                self.invalid(span, format!("there is no rule `{word}`"), &help)
            }
        }
    }

    fn severities(&mut self, table: &DeTable<'_>) -> BTreeMap<String, Level> {
        let mut all = BTreeMap::new();
        for (key, value) in table {
            let name = self.rule_name(key.get_ref(), key.span());
            let word = self.word(value);
            let known = ["error", "warning", "info", "off"];
            let level = word.and_then(|word| {
                Level::parse(&word).or_else(|| self.unknown("severity", &word, value.span(), known.into_iter()))
            });
            if let (Some(name), Some(level)) = (name, level) {
                all.insert(name, level);
            }
        }
        all
    }

    fn table<'v, 't>(&mut self, value: &'v Value<'t>) -> Option<&'v DeTable<'t>> {
        match value.get_ref() {
            DeValue::Table(table) => Some(table),
            _ => {
                self.wrong_kind(value, "a table");
                None
            }
        }
    }

    fn word(&mut self, value: &Value<'_>) -> Option<String> {
        match value.get_ref() {
            DeValue::String(word) => Some(word.to_string()),
            _ => {
                self.wrong_kind(value, "a string");
                None
            }
        }
    }

    fn read_word<T>(&mut self, value: &Value<'_>, what: &str, help: &str, read: fn(&str) -> Option<T>) -> Option<T> {
        let word = self.word(value)?;
        read(&word).or_else(|| self.invalid(value.span(), format!("`{word}` is {what}"), help))
    }

    fn words(&mut self, value: &Value<'_>) -> Vec<(String, Range<usize>)> {
        match value.get_ref() {
            DeValue::Array(all) => all.iter().filter_map(|one| self.word(one).map(|word| (word, one.span()))).collect(),
            DeValue::String(word) => vec![(word.to_string(), value.span())],
            _ => {
                self.wrong_kind(value, "a list of strings");
                Vec::new()
            }
        }
    }

    fn number(&mut self, value: &Value<'_>) -> Option<i64> {
        let number = match value.get_ref() {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        if number.is_none() {
            self.wrong_kind(value, "a number");
        }
        number
    }

    fn flag(&mut self, value: &Value<'_>) -> Option<bool> {
        if value.get_ref().as_bool().is_none() {
            self.wrong_kind(value, "true or false");
        }
        value.get_ref().as_bool()
    }

    fn wrong_kind(&mut self, value: &Value<'_>, wanted: &str) {
        let reason = format!("this is {}, and {wanted} is wanted", kind(value.get_ref()));
        self.invalid::<()>(value.span(), reason, &format!("write {wanted}"));
    }

    fn unknown<'k, T>(
        &mut self,
        what: &str,
        word: &str,
        span: Range<usize>,
        known: impl Iterator<Item = &'k str>,
    ) -> Option<T> {
        let known: Vec<&str> = known.collect();
        let meant = spelling::nearest(word, known.iter().copied(), 4);
        let meant = meant.map(|(one, _)| format!("write \"{one}\"; ")).unwrap_or_default();
        self.invalid(span, format!("there is no {what} `{word}`"), &format!("{meant}there are {}", known.join(", ")))
    }

    /// An entry that cannot be. Gives nothing, for whoever asked.
    fn invalid<T>(&mut self, span: Range<usize>, reason: String, help: &str) -> Option<T> {
        let reason = format!("{reason}: the entry has no effect");
        self.config.misfits.push(ConfigIssue::new("invalid-setting", span).with("reason", reason).with("help", help));
        None
    }

    fn stale(&self, span: Range<usize>, reason: String, help: &str) -> ConfigIssue {
        let reason = format!("{reason}: the entry has no effect");
        ConfigIssue::new("stale-setting", span).with("reason", reason).with("help", help)
    }

    fn unknown_entry(&mut self, key: &Key<'_>, place: &str, known: &[Entry]) {
        let names: Vec<&str> = known.iter().map(|entry| entry.name).collect();
        let misfit = ConfigIssue::new("unknown-setting", key.span())
            .with("name", &**key.get_ref())
            .with("where", place)
            .with("all", format!("are {}", names.join(", ")));
        let meant = spelling::nearest(key.get_ref(), names.into_iter(), 4);
        self.config.misfits.push(match meant {
            Some((meant, _)) => misfit.case("meant").with("meant", meant),
            None => misfit,
        });
    }
}

/// A path from a folder, without the folder where that is the current one.
fn joined(folder: &Path, word: &str) -> PathBuf {
    if folder == Path::new(".") { PathBuf::from(word) } else { folder.join(word) }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
