//! For people, what is wrong with a certificate is told once, however many sites name it.

use foldhash::{HashMap, HashMapExt};

use crate::diagnostic::Finding;
use crate::pipeline::Run;
use crate::source::Span;

/// A finding, and where else the same is said.
pub(super) struct Folded<'r> {
    /// The first in reading order.
    pub finding: &'r Finding,
    /// Other words that name the same certificate, in reading order.
    pub also: Vec<Span>,
}

/// The findings of a run, those that say the same of a certificate as one.
pub(super) fn fold(run: &Run) -> Vec<Folded<'_>> {
    let mut folded: Vec<Folded<'_>> = Vec::new();
    let mut firsts: HashMap<(&str, &str, &str), usize> = HashMap::new();
    let is_of_certificate = |finding: &Finding| {
        let rule = run.rules.find(finding.rule.as_str());
        rule.is_some_and(|rule| rule.looks_at_certificates())
    };
    for finding in &run.findings {
        if is_of_certificate(finding) {
            let words = (finding.rule.as_str(), &*finding.message, &*finding.primary.caption);
            let first = *firsts.entry(words).or_insert(folded.len());
            if let Some(one) = folded.get_mut(first).filter(|one| is_same(one.finding, finding)) {
                one.also.push(finding.primary.span);
                continue;
            }
        }
        folded.push(Folded { finding, also: Vec::new() });
    }
    folded
}

/// Whether nothing but the place differs.
fn is_same(one: &Finding, two: &Finding) -> bool {
    let told = |finding: &Finding| (finding.severity, finding.help.clone(), finding.note.clone());
    told(one) == told(two) && one.related == two.related && one.fix == two.fix && one.file_fix == two.file_fix
}
