//! Walks a deployment with all rules, merges what is one fault, and gives it words.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rayon::prelude::*;

use super::scope::{Scope, Sink, Use};
use super::{Check, Rule, checks, find, rule_name};
use crate::diagnostic::{Finding, Label, Problem, RuleName, Severity, Unjudged};
use crate::model::{CredentialsId, EndpointId, SiteId};
use crate::source::{FileId, Span};

/// How many bites of one fault are shown.
const LABELS: usize = 5;
/// Sites that one worker takes at a time.
const CHUNK: usize = 256;

/// What the user asks of the rules.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Only these, where there is any.
    pub select: Vec<String>,
    /// Not these.
    pub ignore: Vec<String>,
    /// Severities instead of the pages'; absent severity: off.
    pub severities: BTreeMap<String, Severity>,
}

impl Settings {
    fn wants(&self, rule: &RuleName) -> bool {
        let is = |name: &String| name == rule.as_str() || find(name).is_some_and(|found| found.name == rule.as_str());
        (self.select.is_empty() || self.select.iter().any(is)) && !self.ignore.iter().any(is)
    }
}

/// What the rules said.
#[derive(Debug, Default)]
pub struct Judged {
    /// In reading order.
    pub findings: Vec<Finding>,
    /// What no rule could judge.
    pub unjudged: Vec<Unjudged>,
}

/// Runs all rules over one deployment, with what its front end reported.
pub fn run(scope: &Scope<'_>, settings: &Settings) -> Judged {
    let mut sink = Sink { problems: scope.deployment.problems.clone(), unjudged: scope.deployment.unjudged.clone() };
    let uses = uses(scope);
    let server = scope.deployment.server.name();
    let speaks = |rule: &&'static Rule| rule.page().servers.iter().any(|name| name == server);
    let rules = checks::RULES.iter().filter(|rule| settings.wants(&rule_name(rule))).filter(speaks);
    let work: Vec<Work<'_>> = rules.flat_map(|rule| pieces(scope, rule, &uses)).collect();
    let parts: Vec<Sink> = work.par_iter().map(|piece| piece.run(scope)).collect();
    for part in parts {
        sink.problems.extend(part.problems);
        sink.unjudged.extend(part.unjudged);
    }
    sink.problems.retain(|problem| settings.wants(&problem.rule));
    let problems = silence(merge(sink.problems));
    let mut findings: Vec<Finding> = problems.into_iter().map(|problem| words(problem, settings)).collect();
    sort(scope, &mut findings);
    let mut seen = HashSet::new();
    sink.unjudged.retain(|one| seen.insert((one.what.clone(), one.reason.clone(), one.at)));
    Judged { findings, unjudged: sink.unjudged }
}

/// Each pair of certificate and key once, with the sites that it is meant for.
fn uses<'a>(scope: &Scope<'a>) -> Vec<Use<'a>> {
    let mut sites: Vec<Vec<SiteId>> = vec![Vec::new(); scope.deployment.credentials.len()];
    for (at, site) in scope.deployment.sites.iter().enumerate() {
        sites[site.credentials.0 as usize].push(SiteId(at as u32));
    }
    let mut uses = Vec::new();
    for (at, (set, sites)) in scope.deployment.credentials.iter().zip(sites).enumerate() {
        for (position, pair) in set.pairs.iter().enumerate() {
            uses.push(Use { set, set_id: CredentialsId(at as u32), position, pair, sites: sites.clone() });
        }
    }
    uses
}

/// A share of one rule's work.
enum Work<'w> {
    Endpoints(&'static Rule),
    Sites(&'static Rule, std::ops::Range<usize>),
    Credentials(&'static Rule, &'w [Use<'w>]),
}

fn pieces<'w>(scope: &Scope<'_>, rule: &'static Rule, uses: &'w [Use<'w>]) -> Vec<Work<'w>> {
    match rule.check {
        Check::Endpoint(_) => vec![Work::Endpoints(rule)],
        Check::Site(_) => {
            let count = scope.deployment.sites.len();
            (0..count).step_by(CHUNK).map(|from| Work::Sites(rule, from..count.min(from + CHUNK))).collect()
        }
        Check::Credential(_) => uses.chunks(CHUNK).map(|chunk| Work::Credentials(rule, chunk)).collect(),
        Check::Reading => Vec::new(),
    }
}

impl Work<'_> {
    /// Does the work. A check that panics is a defect of this tool: it is said, and the rest goes on.
    fn run(&self, scope: &Scope<'_>) -> Sink {
        let done = catch_unwind(AssertUnwindSafe(|| {
            let mut sink = Sink::default();
            match self {
                Work::Endpoints(rule) => {
                    if let Check::Endpoint(check) = rule.check {
                        for (at, endpoint) in scope.deployment.endpoints.iter().enumerate() {
                            check(scope, EndpointId(at as u32), endpoint, &mut sink);
                        }
                    }
                }
                Work::Sites(rule, range) => {
                    if let Check::Site(check) = rule.check {
                        for at in range.clone() {
                            check(scope, SiteId(at as u32), &scope.deployment.sites[at], &mut sink);
                        }
                    }
                }
                Work::Credentials(rule, uses) => {
                    if let Check::Credential(check) = rule.check {
                        uses.iter().for_each(|one| check(scope, one, &mut sink));
                    }
                }
            }
            sink
        }));
        done.unwrap_or_else(|_| {
            let (Work::Endpoints(rule) | Work::Sites(rule, _) | Work::Credentials(rule, _)) = self;
            let reason = "the check failed: this is a defect of shakedown, please report it".to_owned();
            Sink { problems: Vec::new(), unjudged: vec![Unjudged { what: rule.name.into(), reason, at: None }] }
        })
    }
}

/// One fault is one finding: problems of one rule and case at one place become one, with a label for each bite.
fn merge(problems: Vec<Problem>) -> Vec<Problem> {
    let mut index: HashMap<(RuleName, &'static str, Span), usize> = HashMap::new();
    let mut merged: Vec<Problem> = Vec::with_capacity(problems.len());
    for problem in problems {
        match index.entry((problem.rule.clone(), problem.case, problem.at)) {
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(merged.len());
                merged.push(problem);
            }
            std::collections::hash_map::Entry::Occupied(entry) => {
                let first = &mut merged[*entry.get()];
                let fresh = problem.related.into_iter().filter(|label| !first.related.contains(label));
                let fresh: Vec<Label> = fresh.collect();
                first.related.extend(fresh);
                if first.fix != problem.fix {
                    first.fix = None;
                }
            }
        }
    }
    merged
}

/// Where two rules speak of one fault, the more exact one speaks alone. Left: who speaks; right: who is silent at the
/// same place.
const QUIETER: &[(&str, &[&str])] = &[
    ("syntax-error", &["unknown-directive", "invalid-argument", "directive-not-allowed-here"]),
    (
        "certificate-chain-order",
        &[
            "certificate-key-mismatch",
            "certificate-is-ca",
            "certificate-name-mismatch",
            "certificate-chain-incomplete",
            "certificate-chain-misordered",
            "certificate-wrong-usage",
            "certificate-untrusted-root",
        ],
    ),
    ("certificate-self-signed", &["certificate-untrusted-root", "certificate-chain-incomplete"]),
    ("certificate-chain-incomplete", &["certificate-untrusted-root"]),
    ("certificate-expired", &["certificate-expires-soon"]),
    ("certificate-file-missing", &["no-certificate"]),
    ("mixed-tls-and-plain-listener", &["certificate-inherited-from-default-site", "certificate-name-mismatch"]),
    ("certificate-inherited-from-default-site", &["certificate-name-mismatch"]),
    ("directive-unknown-in-version", &["invalid-argument"]),
];

/// What a text lacks cannot be said where a part of it was not understood.
const ABSENCES: &[&str] = &["no-certificate", "no-key"];
const NOT_UNDERSTOOD: &[&str] = &["syntax-error", "unknown-directive", "invalid-argument"];

fn silence(problems: Vec<Problem>) -> Vec<Problem> {
    let mut quiet: HashSet<(&'static str, Span)> = HashSet::new();
    for problem in &problems {
        if let Some((_, others)) = QUIETER.iter().find(|(rule, _)| *rule == problem.rule.as_str()) {
            quiet.extend(others.iter().map(|other| (*other, problem.at)));
        }
    }
    let is_one_of = |problem: &Problem, names: &[&str]| names.contains(&problem.rule.as_str());
    let doubtful: HashSet<FileId> = problems
        .iter()
        .filter(|one| one.severity.is_none() && is_one_of(one, NOT_UNDERSTOOD))
        .map(|one| one.at.file)
        .collect();
    let is_quiet = |problem: &Problem| {
        quiet.contains(&(problem.rule.as_str(), problem.at))
            || is_one_of(problem, ABSENCES) && doubtful.contains(&problem.at.file)
    };
    problems.into_iter().filter(|problem| !is_quiet(problem)).collect()
}

/// Gives a problem the words of its page.
fn words(mut problem: Problem, settings: &Settings) -> Finding {
    let Some(rule) = find(problem.rule.as_str()) else {
        // A front end names a rule without a page: a test holds that there is none.
        return Finding {
            severity: problem.severity.unwrap_or(Severity::Error),
            message: problem.rule.to_string(),
            primary: Label::new(problem.at, ""),
            rule: problem.rule,
            related: problem.related,
            note: None,
            help: None,
            fix: problem.fix,
        };
    };
    let said = rule.page().say(problem.case, &problem.arguments);
    let more = problem.related.len().saturating_sub(LABELS);
    problem.related.truncate(LABELS);
    let text = if more > 0 { format!("{} (and {more} more places)", said.text) } else { said.text };
    let severity = settings.severities.get(rule.name).copied();
    Finding {
        severity: severity.or(problem.severity).unwrap_or(said.severity),
        message: text,
        primary: Label::new(problem.at, said.caption),
        rule: rule_name(rule),
        related: problem.related,
        note: said.note,
        help: said.help,
        fix: problem.fix,
    }
}

/// By file, position and rule.
fn sort(scope: &Scope<'_>, findings: &mut [Finding]) {
    let place = |finding: &Finding| scope.sources.place(finding.primary.span).span;
    findings.sort_by_cached_key(|finding| {
        let at = place(finding);
        (scope.sources.file(at.file).path().to_path_buf(), at.start, finding.rule.clone(), finding.message.clone())
    });
}
