//! What the user asks of the rules.

use std::collections::BTreeMap;

use super::{Check, Profile, Rule, Rules, Template};
use crate::diagnostic::{RuleName, Severity};
use crate::handshake::Client;

/// A severity, or none at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The rule is not heard.
    Off,
    /// With this severity.
    At(Severity),
}

impl Level {
    /// The level of a word: `off`, `info`, `warning`, `error`.
    pub fn parse(word: &str) -> Option<Level> {
        Some(match word {
            "off" => Level::Off,
            "info" => Level::At(Severity::Info),
            "warning" => Level::At(Severity::Warning),
            "error" => Level::At(Severity::Error),
            _ => return None,
        })
    }
}

/// What the user asks of the rules.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Only these, where there is any.
    pub select: Vec<String>,
    /// Not these.
    pub ignore: Vec<String>,
    /// Levels instead of the pages', by the rules' present names.
    pub severities: BTreeMap<String, Level>,
    /// Numbers instead of the pages', by rule and name.
    pub parameters: BTreeMap<String, BTreeMap<String, i64>>,
    /// A published set of severities and parameters; what the user sets himself comes before it.
    pub profile: Option<&'static Profile>,
    /// Clients that must be able to connect.
    pub required: Vec<Client>,
    /// The table's rules and the user's own.
    pub rules: Rules,
}

impl Settings {
    /// Whether a rule is heard.
    pub fn wants(&self, rule: &RuleName) -> bool {
        let name = rule.as_str();
        let is = |one: &String| one == name || self.rules.find(one).is_some_and(|found| found.name == name);
        (self.select.is_empty() || self.select.iter().any(is))
            && !self.ignore.iter().any(is)
            && self.level(name) != Some(Level::Off)
    }

    fn level(&self, name: &str) -> Option<Level> {
        let by_profile = || self.profile.and_then(|profile| profile.severity(name));
        self.severities.get(name).copied().or_else(by_profile)
    }

    /// The severity that the user or the profile sets for a rule.
    pub fn severity(&self, name: &str) -> Option<Severity> {
        match self.level(name) {
            Some(Level::At(severity)) => Some(severity),
            _ => None,
        }
    }

    /// A number that a rule reads: the user's, the profile's, or that of its page.
    pub fn parameter(&self, rule: &str, name: &str) -> i64 {
        let own = self.parameters.get(rule).and_then(|all| all.get(name)).copied();
        let by_profile = || self.profile.and_then(|profile| profile.parameters.get(rule)?.get(name)).copied();
        let by_page = || self.rules.find(rule).map_or(0, |rule| rule.parameter(name));
        own.or_else(by_profile).unwrap_or_else(by_page)
    }

    /// What a rule looks at, if a template does it: with the profile's parameters, else with those of its page.
    pub fn template<'s>(&'s self, rule: &'s Rule) -> Option<&'s Template> {
        match rule.check {
            Check::Template => {
                self.profile.and_then(|profile| profile.template.get(&*rule.name)).or(rule.brief().template.as_ref())
            }
            _ => None,
        }
    }
}
