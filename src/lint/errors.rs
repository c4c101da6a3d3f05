//! Texts of failed handshakes: which of them stand in a log line or a pasted output, and what causes them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use serde::Deserialize;

/// How much may stand in place of ` ... `, in bytes of the simplified text.
const GAP: usize = 300;

/// What a failure means, and what causes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandshakeError {
    /// A name of its own.
    pub name: String,
    /// What happened, in a sentence.
    pub means: String,
    /// Whether it counts only where nothing more exact stands in the same text.
    #[serde(default)]
    pub vague: bool,
    /// Texts by who says them.
    pub says: BTreeMap<Speaker, Vec<String>>,
    /// The likeliest first.
    pub cause: Vec<Cause>,
}

/// Who puts a failure into words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// OpenSSL, and what is built on it.
    Openssl,
    /// curl itself.
    Curl,
    /// Chrome, Edge and their like.
    Chrome,
    /// Firefox.
    Firefox,
    /// Java.
    Java,
    /// Node.js.
    Node,
    /// Go, and what is built with it.
    Go,
    /// nginx, at its start and in its log.
    Nginx,
    /// Apache.
    Apache,
    /// Caddy itself.
    Caddy,
}

impl Speaker {
    /// The name in sentences.
    pub fn title(self) -> &'static str {
        match self {
            Speaker::Openssl => "OpenSSL, and what is built on it",
            Speaker::Curl => "curl",
            Speaker::Chrome => "Chrome and Edge",
            Speaker::Firefox => "Firefox",
            Speaker::Java => "Java",
            Speaker::Node => "Node.js",
            Speaker::Go => "Go",
            Speaker::Nginx => "nginx",
            Speaker::Apache => "Apache",
            Speaker::Caddy => "Caddy",
        }
    }
}

/// One thing that brings a failure about.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    /// What it is.
    pub text: String,
    /// Rules that find it in files.
    #[serde(default)]
    pub rules: Vec<String>,
    /// Whether every finding that is an error may be it.
    #[serde(default)]
    pub any_error: bool,
    /// Where it lies, where not in files.
    pub outside: Option<String>,
    /// The command that tells.
    pub check: Option<String>,
}

/// A failure that a text speaks of.
#[derive(Clone, Copy, Debug)]
pub struct Recognized {
    /// What it is.
    pub error: &'static HandshakeError,
    /// Whose words they are.
    pub speaker: Speaker,
    /// The words that gave it away, as the table has them.
    pub words: &'static str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    error: Vec<HandshakeError>,
}

/// A text of the table, made ready.
struct Pattern {
    parts: Vec<String>,
    found: Recognized,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    toml::from_str(include_str!("../../rules/errors.toml")).expect("a test reads every embedded table")
});

static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for error in &TABLE.error {
        for (speaker, texts) in &error.says {
            for words in texts {
                let parts = words.split(" ... ").map(|part| simplified(part).trim().to_owned());
                all.push(Pattern { parts: parts.collect(), found: Recognized { error, speaker: *speaker, words } });
            }
        }
    }
    all
});

/// All failures that are known.
pub fn errors() -> &'static [HandshakeError] {
    &TABLE.error
}

/// The failures that a text speaks of, in the order in which it does, each once.
pub fn recognize(text: &str) -> Vec<Recognized> {
    let text = format!(" {} ", simplified(&without_pem(text)).trim());
    let mut all: Vec<(Range<usize>, Recognized)> = Vec::new();
    for pattern in PATTERNS.iter() {
        all.extend(places(&text, &pattern.parts).map(|place| (place, pattern.found)));
    }
    // A place inside another is a part of what the longer one says.
    all.sort_by_key(|(place, _)| (place.start, std::cmp::Reverse(place.end)));
    let mut exact: Vec<(Range<usize>, Recognized)> = Vec::new();
    let mut widest = 0..0;
    for (place, found) in all {
        if place == widest || place.end > widest.end {
            widest = place.clone();
            exact.push((place, found));
        }
    }
    if exact.iter().any(|(_, found)| !found.error.vague) {
        exact.retain(|(_, found)| !found.error.vague);
    }
    exact.sort_by_key(|(place, found)| (place.start, found.speaker));
    let mut once: Vec<Recognized> = Vec::new();
    for (_, found) in exact {
        if !once.iter().any(|other| other.error.name == found.error.name) {
            once.push(found);
        }
    }
    once
}

/// Where all parts stand one after the other, as whole words.
fn places<'a>(text: &'a str, parts: &'a [String]) -> impl Iterator<Item = Range<usize>> + 'a {
    let bounded = |at: usize, part: &str| text[..at].ends_with(' ') && text[at + part.len()..].starts_with(' ');
    // The text has nothing but ASCII: it may be cut anywhere.
    let first = parts.first().map_or("", String::as_str);
    let starts = text.match_indices(first).map(|(at, _)| at).filter(move |at| bounded(*at, first));
    starts.filter_map(move |start| {
        let mut end = start + first.len();
        for part in &parts[1..] {
            let near = &text[end..text.len().min(end + GAP + part.len())];
            let (at, _) = near.match_indices(part.as_str()).find(|(at, _)| bounded(end + at, part))?;
            end += at + part.len();
        }
        Some(start..end)
    })
}

/// The text without the insides of PEM blocks: chance letters, among which anything may stand.
fn without_pem(text: &str) -> String {
    let is_base64 = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '/' | '=');
    let mut is_inside = false;
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let bare = line.trim();
        if bare.starts_with("-----") {
            is_inside = bare.starts_with("-----BEGIN ");
        } else if !(is_inside && bare.chars().all(is_base64)) {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// Lower case, with one space for all that is neither letter nor digit.
fn simplified(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_ascii_alphanumeric() {
            out.push(letter.to_ascii_lowercase());
        } else if letter != '\'' && letter != '\u{2019}' && !out.ends_with(' ') {
            out.push(' ');
        }
    }
    out
}
