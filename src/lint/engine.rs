//! Walks a deployment with all rules, merges what is one fault, and gives it words.

use std::hash::BuildHasher;
use std::panic::{AssertUnwindSafe, catch_unwind};

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
use rayon::prelude::*;

use super::frontend_fixes::add_frontend_fix;
use super::page::Message;
use super::precedence::{relations, suppress_superseded};
use super::scope::{Reporter, RuleContext, ServedCredential};
use super::served::downgrade_unreached;
use super::{Check, Rule, Settings, find, rule_name};
use crate::diagnostic::{Finding, Fix, Label, Problem, RuleName, Severity, Unchecked, UncheckedReason};
use crate::model::{EndpointId, SiteId};
use crate::source::{FileId, Sources, Span};

/// How many bites of one fault are shown.
const LABELS: usize = 5;
/// Bytes of a value in the words of a finding.
const WORDS: usize = 2000;
/// Sites that one worker takes at a time.
const CHUNK: usize = 32;
/// Problems that one worker gives words to with one memory of what was said.
const MESSAGES: usize = 1024;
/// Pairs of certificate and key that one worker takes at a time: each may cost some signatures.
const PAIRS: usize = 8;

/// What the rules said.
#[derive(Debug, Default)]
pub struct LintResult {
    /// In reading order.
    pub findings: Vec<Finding>,
    /// What no rule could judge.
    pub unjudged: Vec<Unchecked>,
}

/// Runs all rules over one deployment, with what its front end reported.
///
/// What a hostile text makes beyond `most` findings is left out before it costs memory.
pub fn run(scope: &RuleContext<'_>, settings: &Settings, most: usize) -> LintResult {
    let mut is_cut = scope.deployment.problems.len() > most;
    let problems = scope.deployment.problems.iter().take(most).cloned().collect();
    let mut sink = Reporter { problems, unjudged: scope.deployment.unjudged.clone() };
    sink.problems.iter_mut().for_each(|problem| add_frontend_fix(scope, problem));
    let uses = ServedCredential::all(scope.deployment);
    let server = scope.deployment.server.name();
    let speaks = |rule: &&Rule| rule.speaks_of(server);
    let rules: Vec<&Rule> =
        settings.rules.all().filter(|rule| settings.wants(&rule_name(rule))).filter(speaks).collect();
    let work = pieces(scope, &rules, &uses);
    // The pieces differ much in weight: each may go to another worker, and the heaviest, which stand last, come first.
    let parts: Vec<Reporter> = work.par_iter().rev().with_max_len(1).map(|piece| piece.run(scope)).collect();
    sink.problems.reserve(parts.iter().map(|part| part.problems.len()).sum());
    for part in parts.into_iter().rev() {
        let room = most.saturating_sub(sink.problems.len());
        is_cut |= part.problems.len() > room;
        sink.problems.extend(part.problems.into_iter().take(room));
        sink.unjudged.extend(part.unjudged);
    }
    for rule in &rules {
        if let Check::Closing(check) = rule.check {
            let mut own = Reporter::default();
            guarded(rule, &mut own, |own| check(scope, &sink.problems, own));
            sink.problems.extend(own.problems);
            sink.unjudged.extend(own.unjudged);
        }
    }
    sink.problems.retain(|problem| settings.wants(&problem.rule));
    let problems = suppress_superseded(scope, merge(scope, sink.problems));
    let said = problems.into_par_iter().with_min_len(MESSAGES);
    let said =
        said.map_init(MessageCache::default, |messages, problem| render_placed(scope, problem, settings, messages));
    let mut findings: Vec<Finding> = said.collect();
    sort(scope, &mut findings);
    findings.extend(
        sink.unjudged
            .iter()
            .filter(|one| is_defect(one))
            .map(|one| defect(RuleName(one.what.clone()), one.reason.text())),
    );
    if is_cut {
        let reason = format!("there are more than {most}: the rest is left out (see --max-findings)");
        sink.unjudged.push(Unchecked { what: "findings".into(), reason: reason.into(), at: None });
    }
    let mut seen = HashSet::new();
    sink.unjudged.retain(|one| seen.insert((one.what.clone(), one.reason.text().to_owned(), one.at)));
    LintResult { findings, unjudged: sink.unjudged }
}

/// A share of the work.
enum Work<'w, 'a> {
    Endpoints(&'w Rule),
    /// All rules about sites together, since they look at the same ones.
    Sites(&'w [&'w Rule], std::ops::Range<usize>),
    Whole(&'w Rule),
    /// All rules about certificates together, since they look at the same chains.
    Credentials(&'w [&'w Rule], &'w [ServedCredential<'a>]),
    /// A template.
    Template(&'w Rule, &'w [ServedCredential<'a>]),
}

fn pieces<'w, 'a>(
    scope: &RuleContext<'a>,
    rules: &'w [&'w Rule],
    uses: &'w [ServedCredential<'a>],
) -> Vec<Work<'w, 'a>> {
    let mut work: Vec<Work<'w, 'a>> = uses.chunks(PAIRS).map(|chunk| Work::Credentials(rules, chunk)).collect();
    let count = scope.deployment.sites.len();
    let ranges = (0..count).step_by(CHUNK).map(|from| from..count.min(from + CHUNK));
    work.extend(ranges.map(|range| Work::Sites(rules, range)));
    for rule in rules {
        match rule.check {
            Check::Endpoint(_) => work.push(Work::Endpoints(rule)),
            Check::Whole(_) => work.push(Work::Whole(rule)),
            Check::Template => work.push(Work::Template(rule, uses)),
            Check::Site(_) | Check::Credential(_) | Check::Closing(_) | Check::Reading | Check::Running => {}
        }
    }
    work
}

impl<'a> Work<'_, 'a> {
    fn run(&self, scope: &RuleContext<'a>) -> Reporter {
        let mut sink = Reporter::default();
        match self {
            Work::Endpoints(rule) => {
                if let Check::Endpoint(check) = rule.check {
                    guarded(rule, &mut sink, |sink| {
                        for (at, endpoint) in scope.deployment.endpoints.iter().enumerate() {
                            check(scope, EndpointId(at as u32), endpoint, sink);
                        }
                    });
                }
            }
            Work::Sites(rules, range) => {
                for rule in *rules {
                    if let Check::Site(check) = rule.check {
                        guarded(rule, &mut sink, |sink| {
                            for at in range.clone() {
                                check(scope, SiteId(at as u32), &scope.deployment.sites[at], sink);
                            }
                        });
                    }
                }
            }
            Work::Whole(rule) => {
                if let Check::Whole(check) = rule.check {
                    guarded(rule, &mut sink, |sink| check(scope, sink));
                }
            }
            Work::Template(rule, uses) => {
                if let Some(template) = scope.settings.template(rule) {
                    guarded(rule, &mut sink, |sink| template.look(scope, &rule_name(rule), uses, sink));
                }
            }
            Work::Credentials(rules, uses) => {
                for rule in *rules {
                    if let Check::Credential(check) = rule.check {
                        guarded(rule, &mut sink, |sink| {
                            for one in *uses {
                                let before = sink.problems.len();
                                check(scope, one, sink);
                                downgrade_unreached(scope, one, &mut sink.problems[before..]);
                            }
                        });
                    }
                }
            }
        }
        sink
    }
}

/// Lets a check look. One that panics is a defect of this tool: it is said, and the rest goes on.
fn guarded(rule: &Rule, sink: &mut Reporter, look: impl FnOnce(&mut Reporter)) {
    let done = catch_unwind(AssertUnwindSafe(|| {
        let mut own = Reporter::default();
        look(&mut own);
        own
    }));
    match done {
        Ok(own) => {
            sink.problems.extend(own.problems);
            sink.unjudged.extend(own.unjudged);
        }
        Err(payload) => {
            let text = payload.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
            let reason = UncheckedReason::Defect(format!("the check failed ({text}): {DEFECT}"));
            sink.unjudged.push(Unchecked { what: rule.name.clone(), reason, at: None });
        }
    }
}

/// What is said of a check that failed inside.
const DEFECT: &str = "this is a defect of shakedown, please report it";

fn is_defect(one: &Unchecked) -> bool {
    matches!(one.reason, UncheckedReason::Defect(_))
}

/// A check that failed inside, as a finding of its rule at the beginning of the first text: no format leaves it out, and no
/// run that has one ends well.
pub fn defect(rule: RuleName, reason: &str) -> Finding {
    Finding {
        rule,
        severity: Severity::Error,
        message: reason.into(),
        primary: Label::new(Span::new(FileId(0), 0, 0), ""),
        related: Vec::new(),
        note: None,
        help: None,
        fix: None,
        file_fix: None,
        stops: false,
        fingerprint: String::new(),
    }
}

/// What fills the placeholders of a problem's words.
type Arguments = Vec<(&'static str, String)>;

/// What tells one fault from another: rule, case, place, and for some the words.
type Key<'p> = (&'p str, &'static str, Span, &'p [(&'static str, String)]);

fn key<'p>(scope: &RuleContext<'_>, problem: &'p Problem) -> Key<'p> {
    let rule = problem.rule.as_str();
    if relations(problem).is_some_and(|own| own.one_cause) {
        return (rule, problem.case, Span::new(FileId(0), 0, 0), &[]);
    }
    // What a macro says is one place, however often it is used, and one fault as long as its words are the same.
    let place = scope.sources.resolve_span(problem.at).span;
    let is_told_apart = relations(problem).is_some_and(|own| own.told_apart) || place != problem.at;
    (rule, problem.case, place, if is_told_apart { &problem.arguments } else { &[] })
}

/// One fault is one finding: problems of one rule and case at one place become one, with a label for each bite.
fn merge(scope: &RuleContext<'_>, mut problems: Vec<Problem>) -> Vec<Problem> {
    let mut firsts: HashMap<Key<'_>, usize> = HashMap::with_capacity(problems.len());
    let mut again: Vec<(usize, usize)> = Vec::new();
    for (at, problem) in problems.iter().enumerate() {
        let first = *firsts.entry(key(scope, problem)).or_insert(at);
        if first != at {
            again.push((first, at));
        }
    }
    drop(firsts);
    for (first, at) in &again {
        let (before, behind) = problems.split_at_mut(*at);
        join(&mut before[*first], &mut behind[0]);
    }
    let mut again = again.into_iter().map(|(_, at)| at).peekable();
    let mut at = 0;
    problems.retain(|_| {
        at += 1;
        again.next_if_eq(&(at - 1)).is_none()
    });
    problems
}

/// Takes what another problem says beside its place over into the first of its kind.
fn join(first: &mut Problem, other: &mut Problem) {
    if severity_of(other) > severity_of(first) {
        first.severity = other.severity;
    }
    if relations(first).is_some_and(|own| own.one_cause) {
        first.related.push(Label::new(other.at, "and this"));
    }
    for label in std::mem::take(&mut other.related) {
        if !first.related.contains(&label) {
            first.related.push(label);
        }
    }
    if first.fix != other.fix {
        first.fix = None;
    }
    if first.file_fix != other.file_fix {
        first.file_fix = None;
    }
}

/// Whether the page says that the server does not start with a problem.
pub fn stops(scope: &RuleContext<'_>, problem: &Problem) -> bool {
    let server = scope.deployment.server.name();
    find(problem.rule.as_str()).is_some_and(|rule| rule.brief().stops(server, problem.case))
}

/// How bad a problem is by itself or by its page.
pub fn severity_of(problem: &Problem) -> Severity {
    let by_page = || {
        let page = find(problem.rule.as_str())?.brief();
        Some(page.case.get(problem.case).and_then(|case| case.severity).unwrap_or(page.severity))
    };
    problem.severity.or_else(by_page).unwrap_or(Severity::Error)
}

/// What was said of which values: a certificate that a thousand sites name has its words once.
#[derive(Default)]
struct MessageCache {
    said: HashMap<u64, (RuleName, &'static str, Arguments, Message)>,
}

impl MessageCache {
    fn message(&mut self, rule: &Rule, server: &str, problem: &mut Problem) -> &Message {
        let arguments = std::mem::take(&mut problem.arguments);
        let hash = self.said.hasher().hash_one((problem.rule.as_str(), problem.case, &arguments));
        let is_known = self
            .said
            .get(&hash)
            .is_some_and(|(name, case, values, _)| (name, *case, values) == (&problem.rule, problem.case, &arguments));
        if !is_known {
            let said = rule.brief().render(server, problem.case, &arguments);
            self.said.insert(hash, (problem.rule.clone(), problem.case, arguments, said));
        }
        &self.said[&hash].3
    }
}

/// Gives a problem of a deployment the words of its page.
fn render_placed(
    scope: &RuleContext<'_>,
    mut problem: Problem,
    settings: &Settings,
    messages: &mut MessageCache,
) -> Finding {
    problem.fix = problem.fix.and_then(|fix| written(scope, fix));
    render_with(scope.deployment.server.name(), problem, settings, messages)
}

/// Gives a problem the words that its page has for a server.
pub fn render(server: &str, problem: Problem, settings: &Settings) -> Finding {
    render_with(server, problem, settings, &mut MessageCache::default())
}

fn render_with(server: &str, mut problem: Problem, settings: &Settings, messages: &mut MessageCache) -> Finding {
    let Some(rule) = settings.rules.find(problem.rule.as_str()) else {
        // A front end names a rule without a page: a test holds that there is none.
        return Finding {
            severity: problem.severity.unwrap_or(Severity::Error),
            message: problem.rule.as_str().into(),
            primary: Label::new(problem.at, ""),
            rule: problem.rule,
            related: problem.related,
            note: None,
            help: None,
            fix: problem.fix.map(Box::new),
            file_fix: problem.file_fix,
            stops: false,
            fingerprint: String::new(),
        };
    };
    problem.arguments.iter_mut().for_each(|(_, value)| shorten(value));
    for label in problem.related.iter_mut().filter(|label| label.caption.len() > WORDS) {
        let mut caption = label.caption.to_string();
        shorten(&mut caption);
        label.caption = caption.into();
    }
    let said = messages.message(rule, server, &mut problem).clone();
    let more = problem.related.len().saturating_sub(LABELS);
    problem.related.truncate(LABELS);
    let text = if more > 0 { format!("{} (and {more} more places)", said.text).into() } else { said.text };
    Finding {
        severity: settings.severity(&rule.name).or(problem.severity).unwrap_or(said.severity),
        message: text,
        primary: Label::new(problem.at, said.caption),
        rule: rule_name(rule),
        related: problem.related,
        note: said.note,
        help: said.help,
        fix: problem.fix.map(Box::new),
        file_fix: problem.file_fix,
        stops: said.stops,
        fingerprint: String::new(),
    }
}

/// Cuts off what a stranger made longer than anybody reads.
fn shorten(words: &mut String) {
    if words.len() > WORDS {
        let more = words.len() - WORDS;
        let end = (0..=WORDS).rev().find(|at| words.is_char_boundary(*at)).unwrap_or(0);
        words.truncate(end);
        words.push_str(&format!("\u{2026} ({more} more bytes)"));
    }
}

/// A fix whose edits stand in files: those in lines that were only joined are led back there. Absent where one stands in what
/// a variable or a macro brought.
fn written(scope: &RuleContext<'_>, mut fix: Fix) -> Option<Fix> {
    for edit in &mut fix.edits {
        edit.span = scope.sources.written(edit.span)?;
    }
    Some(fix)
}

/// By file, position and rule.
fn sort(scope: &RuleContext<'_>, findings: &mut [Finding]) {
    in_order(scope.sources, findings);
}

/// Puts findings in order: by file, position, rule, words.
pub fn in_order(sources: &Sources, findings: &mut [Finding]) {
    let places: Vec<Span> = findings.iter().map(|finding| sources.resolve_span(finding.primary.span).span).collect();
    let mut files: Vec<FileId> = places.iter().map(|place| place.file).collect();
    files.sort_unstable();
    files.dedup();
    files.sort_by(|one, two| sources.file(*one).path().cmp(sources.file(*two).path()));
    // The same file may have been read as two texts.
    let mut ranks: HashMap<FileId, usize> = HashMap::with_capacity(files.len());
    let mut last: Option<FileId> = None;
    for file in files {
        let is_same = last.is_some_and(|last| sources.file(last).path() == sources.file(file).path());
        ranks.insert(file, ranks.len() - usize::from(is_same));
        last = Some(file);
    }
    let keys: Vec<(usize, u32)> = places.iter().map(|place| (ranks[&place.file], place.start)).collect();
    let mut order: Vec<usize> = (0..findings.len()).collect();
    order.sort_by(|one, two| {
        let words = |at: &usize| (&findings[*at].rule, &findings[*at].message);
        // Few stand at one place.
        keys[*one].cmp(&keys[*two]).then_with(|| words(one).cmp(&words(two)))
    });
    put_in_order(findings, order);
}

/// Moves each item to the place at which its index stands in `order`.
fn put_in_order<T>(items: &mut [T], mut order: Vec<usize>) {
    for start in 0..order.len() {
        let mut at = start;
        while order[at] != start {
            let from = order[at];
            items.swap(at, from);
            order[at] = at;
            at = from;
        }
        order[at] = at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_put_in_any_order() {
        for order in [vec![], vec![0], vec![1, 0], vec![2, 0, 1], vec![1, 2, 0], vec![3, 1, 0, 2], vec![0, 3, 2, 1, 4]]
        {
            let mut items: Vec<usize> = (0..order.len()).collect();
            put_in_order(&mut items, order.clone());
            assert_eq!(items, order);
        }
    }

    #[test]
    fn a_check_that_panics_is_told_and_the_others_go_on() {
        let rule = Rule::new("certificate-expired", "", Check::Reading);
        let place = Span::new(FileId(0), 0, 1);
        let mut sink = Reporter::default();
        guarded(&rule, &mut sink, |sink| {
            sink.report(Problem::new("half-of-what-was-found", place));
            let nothing: [u8; 0] = [];
            let at = sink.problems.len();
            assert_eq!(nothing[at], 0);
        });
        guarded(&rule, &mut sink, |sink| sink.report(Problem::new("certificate-expired", place)));
        assert_eq!(sink.problems.iter().map(|one| one.rule.as_str()).collect::<Vec<_>>(), ["certificate-expired"]);
        let [defect] = &sink.unjudged[..] else { panic!("{:?}", sink.unjudged) };
        assert_eq!(defect.what, "certificate-expired");
        assert!(defect.reason.text().contains("index out of bounds") && defect.reason.text().contains(DEFECT));
        assert!(is_defect(defect));
    }
}
