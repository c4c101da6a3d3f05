//! Published recommendations as severities and parameters: the files of `rules/profiles/`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::{Level, Template};

/// A published recommendation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name on the command line.
    pub name: String,
    /// Whom it is for.
    pub title: String,
    /// Where it is published.
    pub citation: Vec<String>,
    /// Severities of rules: `off`, `info`, `warning`, `error`.
    #[serde(default)]
    severity: BTreeMap<String, String>,
    /// Numbers that rules read.
    #[serde(default)]
    pub parameters: BTreeMap<String, BTreeMap<String, i64>>,
    /// Templates of rules that have nothing to compare with on their own.
    #[serde(default)]
    pub template: BTreeMap<String, Template>,
}

impl Profile {
    /// The level that it gives to a rule.
    pub fn severity(&self, rule: &str) -> Option<Level> {
        self.severity.get(rule).and_then(|word| Level::parse(word))
    }

    /// The rules that it speaks of.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        self.severity.keys().chain(self.parameters.keys()).chain(self.template.keys()).map(String::as_str)
    }
}

static PROFILES: LazyLock<Vec<Profile>> = LazyLock::new(|| {
    let texts = [
        include_str!("../../rules/profiles/mozilla-intermediate.toml"),
        include_str!("../../rules/profiles/mozilla-modern.toml"),
        include_str!("../../rules/profiles/mozilla-old.toml"),
    ];
    texts.iter().map(|text| toml::from_str(text).expect("a test reads every embedded profile")).collect()
});

/// All profiles, sorted by name.
pub fn profiles() -> &'static [Profile] {
    &PROFILES
}

/// The profile of a name.
pub fn profile(name: &str) -> Option<&'static Profile> {
    PROFILES.iter().find(|profile| profile.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::find;

    #[test]
    fn profiles_speak_of_rules_that_exist() {
        for profile in profiles() {
            for rule in profile.rules() {
                assert!(find(rule).is_some(), "{}: {rule}", profile.name);
            }
            for (rule, word) in &profile.severity {
                assert!(Level::parse(word).is_some(), "{}: {rule} = {word}", profile.name);
            }
        }
    }
}
