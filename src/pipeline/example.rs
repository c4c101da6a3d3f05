//! Holds rules of the user's own against the examples of their pages, as tests of this project do with the table's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::{Options, lint};
use crate::lint::page::{Example, Expect};
use crate::lint::{Level, Rule, Rules, Settings};
use crate::source::Memory;

/// What stands around an example of nginx that is no whole configuration.
const NGINX: &str = "events {}\nhttp {\n    include example.conf;\n}\n";
/// The same for Apache.
const APACHE: &str = "ServerRoot /etc/apache2\nLoadModule ssl_module modules/mod_ssl.so\n\
    LoadModule socache_shmcb_module modules/mod_socache_shmcb.so\nInclude example.conf\n";

/// A place that is pointed at: line, first column, one past the last, from 1.
pub type Place = (u32, u32, u32);

/// What an example came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The number of the example in its page, from 1.
    pub number: usize,
    /// Where the rule had to speak.
    pub expected: BTreeSet<Place>,
    /// Where it spoke, with its words.
    pub found: BTreeMap<Place, String>,
    /// Why the example could not be run at all.
    pub failure: Option<String>,
}

impl Tried {
    /// Whether the rule does what the example says.
    pub fn holds(&self) -> bool {
        self.failure.is_none() && self.found.keys().eq(self.expected.iter())
    }
}

/// The places that carets point at: lines of a comment with nothing but carets in them.
fn carets(config: &str) -> BTreeSet<Place> {
    let mut found = BTreeSet::new();
    for (at, line) in config.lines().enumerate() {
        let Some(marks) = line.strip_prefix('#') else { continue };
        if marks.trim().is_empty() || !marks.bytes().all(|byte| matches!(byte, b'^' | b' ')) {
            continue;
        }
        let start = line.find('^').unwrap_or_default() as u32;
        found.insert((at as u32, start + 1, line.trim_end().len() as u32 + 1));
    }
    found
}

/// Runs all examples of a rule, at a time in seconds since 1970-01-01 UTC.
pub fn examples(rules: &Rules, rule: &Rule, now: i64) -> Vec<Tried> {
    let all = rule.page().example.iter().enumerate();
    all.map(|(at, example)| tried(rules, rule, at + 1, example, now)).collect()
}

fn tried(rules: &Rules, rule: &Rule, number: usize, example: &Example, now: i64) -> Tried {
    let expected = match example.expect {
        Expect::Bad => carets(&example.config),
        Expect::Good => BTreeSet::new(),
    };
    let mut tried = Tried { number, expected, found: BTreeMap::new(), failure: None };
    let mut files = Memory::new();
    for (path, value) in &example.files {
        match value {
            toml::Value::String(text) => files.insert(path, text.clone().into_bytes()),
            _ => {
                tried.failure = Some(format!("the file {path} is no text"));
                return tried;
            }
        }
    }
    let is_whole = example.context.as_deref() == Some("main");
    let (main, shown) = match &*example.server {
        "caddy" => ("Caddyfile", "Caddyfile"),
        "apache" if is_whole => ("apache2.conf", "apache2.conf"),
        "apache" => ("apache2.conf", "example.conf"),
        _ if is_whole => ("nginx.conf", "nginx.conf"),
        _ => ("nginx.conf", "example.conf"),
    };
    if main != shown {
        files.insert(main, if main == "nginx.conf" { NGINX } else { APACHE }.as_bytes());
    }
    files.insert(shown, example.config.clone().into_bytes());
    let settings = Settings {
        select: vec![rule.name.to_string()],
        severities: [(rule.name.to_string(), Level::At(rule.page().severity))].into(),
        rules: rules.clone(),
        ..Settings::default()
    };
    let options = Options {
        platform: Some(example.platform.clone().unwrap_or_else(|| "debian-12".to_owned())),
        certificates_elsewhere: true,
        now,
        lint: settings,
        ..Options::default()
    };
    match lint(&files, &[PathBuf::from(main)], &options) {
        Ok(run) => {
            for finding in &run.findings {
                let span = run.sources.resolve_span(finding.primary.span).span;
                let (start, end) = run.sources.positions(span);
                // A token that goes on below is marked to the end of its first line.
                let last = if end.line == start.line {
                    end.column
                } else {
                    String::from_utf8_lossy(run.sources.file(span.file).line(start.line)).chars().count() as u32 + 1
                };
                tried.found.insert((start.line, start.column, last), finding.message.to_string());
            }
        }
        Err(failure) => tried.failure = Some(failure.message),
    }
    tried
}
