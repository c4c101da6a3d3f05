//! A rule's page: the only home of its title, severity, words, citations and examples.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::diagnostic::Severity;

/// A page of `rules/lint/`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// What is wrong, as a phrase.
    pub title: String,
    /// Unless a case or the user says otherwise.
    pub severity: Severity,
    /// `nginx`, `apache`, `caddy`.
    pub servers: Vec<String>,
    /// Whether a fix is offered, and of what kind.
    pub fix: Fixability,
    /// What it means for clients.
    pub why: String,
    /// When the rule does not apply.
    pub not_when: String,
    /// Where the facts come from.
    pub citation: Vec<String>,
    /// Former names.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Numbers that the rule reads.
    #[serde(default)]
    pub parameters: BTreeMap<String, i64>,
    /// The words of the main case.
    pub message: Words,
    /// Other cases; what they leave out is the main one's.
    #[serde(default)]
    pub case: BTreeMap<String, Case>,
    /// Configurations that the rule speaks of, and ones that it does not.
    pub example: Vec<Example>,
}

/// Whether a rule offers a fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fixability {
    /// What works today still works.
    Safe,
    /// Behaviour changes: a person looks first.
    Unsafe,
    /// None.
    None,
}

/// Words with placeholders in braces.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// The fault and its effect on a client.
    pub text: String,
    /// What stands under the token.
    pub caption: String,
    /// Exactly what to write.
    pub help: Option<String>,
    /// A fact that makes it credible.
    pub note: Option<String>,
    /// The servers that do not start then, and refuse a reload.
    #[serde(default)]
    pub stops: Vec<String>,
}

/// The words of a case, as far as they differ.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Instead of the main text.
    pub text: Option<String>,
    /// Instead of the main caption.
    pub caption: Option<String>,
    /// Instead of the main help; empty for none.
    pub help: Option<String>,
    /// Instead of the main note; empty for none.
    pub note: Option<String>,
    /// Instead of the page's severity.
    pub severity: Option<Severity>,
    /// Instead of the main case's servers that do not start.
    pub stops: Option<Vec<String>>,
}

/// A configuration that a test holds the rule against.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// Which server reads it.
    pub server: String,
    /// Whether the rule fires: at each caret, or not at all.
    pub expect: Expect,
    /// The case that fires.
    #[serde(default)]
    pub case: String,
    /// What the real server does with a bad one.
    #[serde(default)]
    pub effect: Effect,
    /// Other rules that may speak too.
    #[serde(default)]
    pub also: Vec<String>,
    /// The platform, else Debian 12.
    pub platform: Option<String>,
    /// Another version of the server.
    pub server_version: Option<String>,
    /// Whether the trust anchors count as named by the user.
    #[serde(default)]
    pub trust_is_given: bool,
    /// The block that a test puts around the text: `http` (which is the default), or `main` for a whole file.
    pub context: Option<String>,
    /// The text, with carets in comment lines under the tokens.
    pub config: String,
    /// Files beside it: texts, or recipes for certificates and keys.
    #[serde(default)]
    pub files: BTreeMap<String, toml::Value>,
}

/// What an example is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expect {
    /// The rule fires at its carets.
    Bad,
    /// Silence, at warning and above.
    Good,
}

/// What the real server does with a bad example.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It does not start.
    NoStart,
    /// It starts; some client that ought to connect fails, or something is weaker than it should be.
    #[default]
    Starts,
}

/// One set of words, its placeholders filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The message.
    pub text: String,
    /// What stands under the token.
    pub caption: String,
    /// What to write.
    pub help: Option<String>,
    /// Why to believe it.
    pub note: Option<String>,
    /// How bad this case is.
    pub severity: Severity,
    /// The servers that do not start then.
    pub stops: Vec<String>,
}

impl Page {
    /// Reads a page.
    ///
    /// # Errors
    /// What the text lacks or has too much.
    pub fn parse(text: &str) -> Result<Page, toml::de::Error> {
        toml::from_str(text)
    }

    /// The words of a case with its placeholders filled. A case that the page does not have is its main one.
    pub fn say(&self, case: &str, arguments: &[(&'static str, String)]) -> Said {
        let main = &self.message;
        let other = self.case.get(case);
        let pick = |own: Option<&String>, main: &str| fill(own.map_or(main, String::as_str), arguments);
        let optional = |own: Option<&String>, main: Option<&String>| {
            own.or(main).map(|words| fill(words, arguments)).filter(|words| !words.is_empty())
        };
        Said {
            text: pick(other.and_then(|case| case.text.as_ref()), &main.text),
            caption: pick(other.and_then(|case| case.caption.as_ref()), &main.caption),
            help: optional(other.and_then(|case| case.help.as_ref()), main.help.as_ref()),
            note: optional(other.and_then(|case| case.note.as_ref()), main.note.as_ref()),
            severity: other.and_then(|case| case.severity).unwrap_or(self.severity),
            stops: other.and_then(|case| case.stops.clone()).unwrap_or_else(|| main.stops.clone()),
        }
    }
}

/// Replaces `{name}` by its argument; `{{` is one brace. A placeholder without an argument stays, for a test to find.
fn fill(words: &str, arguments: &[(&'static str, String)]) -> String {
    let mut out = String::with_capacity(words.len() + 32);
    let mut rest = words;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(escaped) = after.strip_prefix('{') {
            out.push('{');
            rest = escaped;
            continue;
        }
        let argument = after.find('}').and_then(|end| {
            let found = arguments.iter().find(|(name, _)| *name == &after[..end]);
            found.map(|(_, value)| (value, &after[end + 1..]))
        });
        match argument {
            Some((value, behind)) => {
                out.push_str(value);
                rest = behind;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled() {
        let arguments = [("name", "listen".to_owned()), ("block", "{".to_owned())];
        assert_eq!(fill("`{name}` and {block}{{ {other}", &arguments), "`listen` and {{ {other}");
        assert_eq!(fill("{", &arguments), "{");
    }
}
