//! Rules of the user's own: a folder with a page for each.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::ConfigIssue;
use crate::lint::{self, Rule};
use crate::source::{FileSystem, ReadError};

/// The rules of a folder, and what is wrong with others there.
pub struct Found {
    /// Those that can be used, by name.
    pub rules: Vec<Rule>,
    /// What cannot.
    pub misfits: Vec<ConfigIssue>,
}

/// The largest page, in bytes.
const PAGE: u64 = 1 << 20;
const SERVERS: [&str; 3] = ["nginx", "apache", "caddy"];

/// Reads all `*.toml` of a folder.
///
/// # Errors
/// Where the folder cannot be read.
pub fn read(files: &dyn FileSystem, folder: &Path) -> Result<Found, ReadError> {
    let mut found = Found { rules: Vec::new(), misfits: Vec::new() };
    for entry in files.list(folder)? {
        let path = folder.join(&entry.name);
        if path.extension().is_none_or(|ending| ending != "toml") {
            continue;
        }
        let bytes = match files.read(&path, PAGE) {
            Ok(bytes) => bytes,
            Err(error) => {
                let misfit = invalid(0..0, error.to_string(), "make it a file that can be read".to_owned());
                found.misfits.push(ConfigIssue { file: Some((path, Arc::from(*b""))), ..misfit });
                continue;
            }
        };
        match rule(&path, &bytes) {
            Ok(rule) => found.rules.push(rule),
            Err(misfit) => found.misfits.push(ConfigIssue { file: Some((path, bytes)), ..misfit }),
        }
    }
    Ok(found)
}

fn invalid(range: Range<usize>, reason: String, help: String) -> ConfigIssue {
    let reason = format!("{reason}: the rule is not used");
    ConfigIssue::new("invalid-setting", range).with("reason", reason).with("help", help)
}

/// The place of the word that a message names, where that stands in the range: inside a template, the parser only knows the
/// table.
fn narrowed(text: &str, range: Range<usize>, message: &str) -> Range<usize> {
    let Some(word) = message.split('`').nth(1).filter(|word| !word.is_empty()) else { return range };
    let quoted = format!("\"{word}\"");
    let behind = text.get(range.start..).and_then(|rest| rest.find(&quoted)).map(|at| range.start + at);
    match behind {
        Some(at) if !text[range.clone()].contains(word) => at..at + quoted.len(),
        _ => range,
    }
}

fn rule(path: &Path, bytes: &[u8]) -> Result<Rule, ConfigIssue> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let is_name = |name: &str| {
        name.split('-')
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()))
    };
    if !is_name(&name) {
        let help = "call the file by lower-case words with hyphens between them".to_owned();
        return Err(invalid(0..0, format!("`{name}` is no name of a rule"), help));
    }
    if lint::find(&name).is_some() {
        let help = "give the file another name, or set the severity of the rule that is there".to_owned();
        return Err(invalid(0..0, format!("there is a rule `{name}` already"), help));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        invalid(error.valid_up_to()..error.valid_up_to(), "not UTF-8".into(), "save it as UTF-8".into())
    })?;
    let rule = Rule::own(name, text.to_owned()).map_err(|error| {
        let message = error.message().replace('\n', ", ");
        let range = narrowed(text, error.span().unwrap_or(0..0), &message);
        invalid(range, message, "`shakedown rules --show-templates` shows what a page may hold".to_owned())
    })?;
    let page = rule.page();
    let at = |word: &str| text.find(word).map_or(0..0, |at| at..at + word.len());
    if page.template.is_none() {
        let help = "add `[template]` with `name = \"protocols\"`, \"ciphers\", \"groups\", \"keys\", \"lifetime\" or \"issuer\"";
        return Err(invalid(at("title"), "the rule has no template: it would find nothing".into(), help.to_owned()));
    }
    let other = page.servers.iter().find(|name| !SERVERS.contains(&name.as_str()));
    if page.servers.is_empty() || other.is_some() {
        let reason = match other {
            Some(name) => format!("there is no server `{name}`"),
            None => "the rule is for no server".to_owned(),
        };
        return Err(invalid(at("servers"), reason, "write some of nginx, apache, caddy".to_owned()));
    }
    for example in &page.example {
        if !page.servers.contains(&example.server) {
            let help = "give each example one of the rule's servers".to_owned();
            return Err(invalid(at(&example.server), format!("an example is for `{}`", example.server), help));
        }
    }
    Ok(rule)
}
