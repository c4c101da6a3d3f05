//! Which rule speaks where several see one fault: what the pages of rules say of one another.

use foldhash::{HashMap, HashMapExt, HashSet};
use serde::Deserialize;

use super::engine::stops;
use super::missing_semicolon::missing_semicolon;
use super::{RuleContext, find};
use crate::diagnostic::Problem;
use crate::source::{FileId, Span};

/// How a rule stands to others: the table `[relations]` of its page.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Relations {
    /// Rules that say less exactly what this one says at the same place.
    pub supersedes: Vec<String>,
    /// The same, where the server does not start with the problem.
    pub supersedes_where_it_stops: Vec<String>,
    /// Rules that have nothing to say of a configuration with this problem.
    pub supersedes_everywhere: Vec<String>,
    /// All problems of the rule have one cause, wherever they are: they are one finding.
    pub one_cause: bool,
    /// Problems at one place are several faults where their values differ.
    pub told_apart: bool,
    /// The rule misses something, which may stand in a part of the file that was not understood.
    pub absence: bool,
    /// A part of the file was not understood.
    pub not_understood: bool,
}

/// What the page of a problem's rule says. Absent for the user's own rules.
pub fn relations(problem: &Problem) -> Option<&'static Relations> {
    find(problem.rule.as_str()).map(|rule| &rule.brief().relations)
}

/// Leaves out what another problem at the same place says better. What stops the server is never left out for what does not.
pub fn suppress_superseded(scope: &RuleContext<'_>, problems: Vec<Problem>) -> Vec<Problem> {
    let mut quiet: HashMap<(&'static str, Span), bool> = HashMap::new();
    let mut everywhere: HashSet<&'static str> = HashSet::default();
    for problem in &problems {
        let Some(own) = relations(problem) else { continue };
        everywhere.extend(own.supersedes_everywhere.iter().map(String::as_str));
        if own.supersedes.is_empty() && own.supersedes_where_it_stops.is_empty() {
            continue;
        }
        let stops = stops(scope, problem);
        let fatal = own.supersedes_where_it_stops.iter().filter(|_| stops);
        for other in own.supersedes.iter().chain(fatal) {
            *quiet.entry((other, problem.at)).or_default() |= stops;
        }
    }
    let problems = missing_semicolon(scope, problems);
    let doubtful: HashSet<FileId> = problems
        .iter()
        .filter(|one| one.severity.is_none() && relations(one).is_some_and(|own| own.not_understood))
        .map(|one| one.at.file)
        .collect();
    let is_quiet = |problem: &Problem| {
        let rule = problem.rule.as_str();
        everywhere.contains(rule)
            || quiet.get(&(rule, problem.at)).is_some_and(|by| *by || !stops(scope, problem))
            || doubtful.contains(&problem.at.file) && relations(problem).is_some_and(|own| own.absence)
    };
    problems.into_iter().filter(|problem| !is_quiet(problem)).collect()
}

#[cfg(test)]
mod tests {
    use crate::lint::rules;

    #[test]
    fn relations_name_rules() {
        for rule in rules() {
            let own = &rule.brief().relations;
            let lists = [&own.supersedes, &own.supersedes_where_it_stops, &own.supersedes_everywhere];
            for other in lists.into_iter().flatten() {
                assert!(rules().iter().any(|one| one.name == *other), "{}: no rule {other}", rule.name);
                assert_ne!(rule.name, *other, "a rule does not supersede itself");
            }
        }
    }
}
