//! Which findings are new, and which are gone: the same fault is known again where it moved into an include, is inherited
//! instead of repeated, or is written otherwise.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::drift::{Drift, Effect, Kind};
use super::probe;
use crate::diagnostic::{Finding, Severity};
use crate::model::{Deployment, NameKind};
use crate::source::{FileId, Sources, Span};

/// What tells which sites a place belongs to.
#[derive(Debug)]
pub struct SiteIndex {
    /// By file: the blocks of sites with their names, that by which people call them first, in order.
    blocks: BTreeMap<FileId, Vec<(Span, Vec<String>)>>,
}

/// Stands for all names, where a finding stands outside of all blocks. No name begins so.
const ANYWHERE: &str = "/";

/// How many blocks are looked at for the one around a place: sites hardly nest.
const NESTED: usize = 8;

impl SiteIndex {
    /// The sites of some deployments of one run.
    pub fn new<'d>(sources: &Sources, deployments: impl IntoIterator<Item = &'d Deployment>) -> SiteIndex {
        let mut blocks: BTreeMap<FileId, Vec<(Span, Vec<String>)>> = BTreeMap::new();
        for site in deployments.into_iter().flat_map(|one| &one.sites) {
            let block = sources.resolve_span(site.block).span;
            let mut names: Vec<String> = site.names.iter().flat_map(probe::probes).map(|probe| probe.shown).collect();
            let others = site.names.iter().filter(|one| one.kind == NameKind::Regex);
            names.extend(others.map(|one| one.token.text.to_string()));
            names.sort_unstable();
            names.dedup();
            if names.is_empty() {
                names.push(String::new());
            }
            blocks.entry(block.file).or_default().push((block, names));
        }
        blocks.values_mut().for_each(|all| all.sort_by_key(|(block, _)| block.start));
        SiteIndex { blocks }
    }

    /// The names of the block around a place.
    fn names(&self, sources: &Sources, span: Span) -> Option<&[String]> {
        let span = sources.resolve_span(span).span;
        let all = self.blocks.get(&span.file)?;
        let before = all.partition_point(|(block, _)| block.start <= span.start);
        let around = all[..before].iter().rev().take(NESTED).find(|(block, _)| span.end <= block.end);
        around.map(|(_, names)| names.as_slice())
    }

    /// The names that a finding speaks of; none where it stands outside of all blocks: then it may speak of any.
    fn spoken_of(&self, sources: &Sources, finding: &Finding) -> BTreeSet<&str> {
        let Some(own) = self.names(sources, finding.primary.span) else { return BTreeSet::new() };
        let related = finding.related.iter().filter_map(|label| self.names(sources, label.span));
        related.chain([own]).flatten().map(String::as_str).collect()
    }

    /// How people call the site that a finding stands in.
    pub fn host(&self, sources: &Sources, finding: &Finding) -> Option<String> {
        self.names(sources, finding.primary.span)?.first().filter(|name| !name.is_empty()).cloned()
    }
}

/// The findings of one side, and where they stand.
pub struct Findings<'f> {
    /// All texts.
    pub sources: &'f Sources,
    /// The sites.
    pub ground: &'f SiteIndex,
    /// What was found.
    pub all: &'f [Finding],
}

/// Which findings of each side have no counterpart on the other: places in the lists, in order.
pub struct Unmatched {
    /// Of the old side.
    pub gone: Vec<usize>,
    /// Of the new side.
    pub fresh: Vec<usize>,
}

/// Finds the counterparts.
pub fn unmatched(old: &Findings<'_>, new: &Findings<'_>) -> Unmatched {
    let mut gone = vec![true; old.all.len()];
    let mut fresh = vec![true; new.all.len()];
    // What is the same in every way first.
    let mut by_print: HashMap<&str, usize> = HashMap::new();
    for (at, finding) in old.all.iter().enumerate().filter(|(_, finding)| !finding.fingerprint.is_empty()) {
        by_print.insert(&finding.fingerprint, at);
    }
    for (at, finding) in new.all.iter().enumerate() {
        if let Some(known) = by_print.get(finding.fingerprint.as_str()) {
            (gone[*known], fresh[at]) = (false, false);
        }
    }
    // Then those of the same words, then those of the same rule, under the same names: each once, unless blocks were split or
    // put together, or what is said stands around all of them.
    let old_names: Vec<BTreeSet<&str>> = old.all.iter().map(|one| old.ground.spoken_of(old.sources, one)).collect();
    let mut by_name: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    let mut by_rule: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, finding) in old.all.iter().enumerate() {
        let rule = finding.rule.as_str();
        by_rule.entry(rule).or_default().push(at);
        let around = old_names[at].is_empty().then_some(ANYWHERE);
        for name in old_names[at].iter().copied().chain(around) {
            by_name.entry((rule, name)).or_default().push(at);
        }
    }
    // What is told apart by its names comes first: what may speak of any would take its place.
    for (once, same_words) in [(true, true), (true, false), (false, true), (false, false)] {
        for (at, finding) in new.all.iter().enumerate() {
            let names = new.ground.spoken_of(new.sources, finding);
            let rule = finding.rule.as_str();
            let known: BTreeSet<usize> = match names.is_empty() {
                true => by_rule.get(rule).into_iter().flatten().copied().collect(),
                false => {
                    let all = names.iter().copied().chain([ANYWHERE]);
                    all.filter_map(|name| by_name.get(&(rule, name))).flatten().copied().collect()
                }
            };
            for other in known {
                let is_once = names == old_names[other] && !names.is_empty();
                let is_taken = is_once && !(fresh[at] && gone[other]);
                if is_once != once || is_taken || same_words && old.all[other].message != finding.message {
                    continue;
                }
                (gone[other], fresh[at]) = (false, false);
            }
        }
    }
    let places = |flags: Vec<bool>| flags.into_iter().enumerate().filter_map(|(at, flag)| flag.then_some(at)).collect();
    Unmatched { gone: places(gone), fresh: places(fresh) }
}

/// The findings that came and went.
pub fn compare(old: &Findings<'_>, new: &Findings<'_>) -> Vec<Drift> {
    let unmatched = unmatched(old, new);
    let matters = |finding: &Finding| finding.severity > Severity::Info;
    let words = |finding: &Finding| format!("{}[{}]: {}", finding.severity, finding.rule, finding.message);
    let fresh = unmatched.fresh.iter().map(|at| {
        let finding = &new.all[*at];
        let effect = if matters(finding) { Effect::Worse } else { Effect::Neutral };
        let drift = Drift::new(Kind::FindingNew, effect, words(finding)).at(None, Some(finding.primary.span));
        Drift { host: new.ground.host(new.sources, finding), ..drift }
    });
    let gone = unmatched.gone.iter().map(|at| {
        let finding = &old.all[*at];
        let effect = if matters(finding) { Effect::Better } else { Effect::Neutral };
        let drift = Drift::new(Kind::FindingGone, effect, words(finding)).at(Some(finding.primary.span), None);
        Drift { host: old.ground.host(old.sources, finding), ..drift }
    });
    fresh.chain(gone).collect()
}
