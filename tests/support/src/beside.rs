//! Two examples side by side in one configuration: the second with names, ports and files of its own.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use toml::Value;

use crate::recipe::{self, STANDARD, around, file, main_file};

/// The text of an example, and the files that it names: texts, or recipes.
#[derive(Clone, Debug)]
pub struct Part {
    config: String,
    files: BTreeMap<String, Value>,
    /// The files, made once.
    made: OnceLock<BTreeMap<String, Vec<u8>>>,
}

/// Names of the first, and what they are called in the second.
const NAMES: &[(&str, &str)] = &[
    ("a.test", "y.test"),
    ("b.test", "z.test"),
    ("c.test", "x.test"),
    ("a.pem", "y.pem"),
    ("b.pem", "z.pem"),
    ("a.key", "y.key"),
    ("b.key", "z.key"),
    ("example.com", "example.net"),
];

impl Part {
    /// An example with the files that all have.
    pub fn new(config: &str, own: &BTreeMap<String, Value>) -> Part {
        let recipes = |all: &[&str]| Value::Array(all.iter().map(|one| Value::String((*one).to_owned())).collect());
        let mut files: BTreeMap<String, Value> =
            STANDARD.iter().map(|(path, all)| ((*path).to_owned(), recipes(all))).collect();
        files.extend(own.clone());
        Part { config: config.to_owned(), files, made: OnceLock::new() }
    }

    fn made(&self) -> &BTreeMap<String, Vec<u8>> {
        let bytes = |content: &Value| match content {
            Value::String(text) => text.clone().into_bytes(),
            Value::Array(recipes) => file(recipes.iter().map(|one| one.as_str().expect("a recipe"))),
            other => panic!("a file is a text or a list of recipes, not {other}"),
        };
        let files = || self.files.iter().map(|(path, content)| (path.clone(), bytes(content))).collect();
        self.made.get_or_init(files)
    }

    /// The same with names, ports and files that no other has.
    pub fn apart(&self) -> Part {
        let renamed = self.changed(&|text: &str| {
            let named = NAMES.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
            other_ports(&named)
        });
        let is_standard = |name: &String| STANDARD.iter().any(|(path, _)| *path == name);
        let own = self.files.keys().filter(|path| !is_standard(path) && *path != "root.crt");
        // What lies in a folder is found there by patterns too: the folder gets the other name.
        let mut names: Vec<&str> = own.map(|path| path.split('/').next().unwrap_or(path)).collect();
        names.dedup();
        let named = |name: &str| NAMES.iter().fold(name.to_owned(), |text, (from, to)| text.replace(from, to));
        let names: Vec<String> = names.into_iter().map(named).collect();
        renamed.changed(&|text: &str| {
            names.iter().fold(text.to_owned(), |text, name| text.replace(name, &format!("z-{name}")))
        })
    }

    fn changed(&self, change: &dyn Fn(&str) -> String) -> Part {
        let value = |value: &Value| match value {
            Value::String(text) => Value::String(change(text)),
            Value::Array(all) => {
                let all = all.iter().map(|one| Value::String(change(one.as_str().expect("a recipe"))));
                Value::Array(all.collect())
            }
            other => other.clone(),
        };
        let files = self.files.iter().map(|(path, content)| (change(path), value(content)));
        Part { config: change(&self.config), files: files.collect(), made: OnceLock::new() }
    }

    /// Whether a Caddyfile begins with global options.
    fn has_options(&self) -> bool {
        let mut lines = self.config.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.next().is_some_and(|line| line.starts_with('{'))
    }
}

/// One tree with all of these parts; nothing where they cannot stand in one.
pub fn tree(server: &str, parts: &[&Part]) -> Option<BTreeMap<String, Vec<u8>>> {
    const TEXTS: [&str; 2] = ["one.conf", "two.conf"];
    let mut all: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    parts.iter().for_each(|part| all.extend(part.made().clone()));
    all.entry("root.crt".to_owned()).or_insert_with(|| recipe::root().pem().into_bytes());
    if server == "caddy" {
        // Global options stand once, and first.
        let (first, rest): (Vec<&&Part>, Vec<&&Part>) = parts.iter().partition(|part| part.has_options());
        let texts: Vec<&str> = first.iter().chain(&rest).map(|part| &*part.config).collect();
        all.insert(main_file(server).to_owned(), texts.join("\n").into_bytes());
        return (first.len() < 2).then_some(all);
    }
    let texts = &TEXTS[..parts.len()];
    all.insert(main_file(server).to_owned(), around(server, texts).into_bytes());
    all.extend(texts.iter().zip(parts).map(|(text, part)| ((*text).to_owned(), part.config.clone().into_bytes())));
    Some(all)
}

/// A text whose ports from 8000 to 9999 are others.
fn other_ports(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    let mut before = ' ';
    while let Some(next) = rest.chars().next() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            out.push(next);
            before = next;
            rest = &rest[next.len_utf8()..];
            continue;
        }
        let is_port = digits == 4 && rest.starts_with(['8', '9']) && !before.is_ascii_alphabetic();
        out.push_str(if is_port { "2" } else { "" });
        out.push_str(&rest[..digits]);
        before = '0';
        rest = &rest[digits..];
    }
    out
}
