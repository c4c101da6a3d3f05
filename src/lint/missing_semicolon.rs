//! Directives that nginx takes for arguments of the one before them, where a `;` is missing.

use foldhash::{HashSet, HashSetExt};

use super::scope::RuleContext;
use crate::diagnostic::{Problem, RuleName};
use crate::source::Span;

const SWALLOWED: &str = "swallowed-directive";

/// What the server lacks where such a directive would have given it.
const LACKED: &[&str] = &["no-certificate", "no-key"];

/// Lets a missing `;` speak alone: without what the server lacks by it, and without what is said of words that were never meant
/// as arguments. Where the server does not start for it, it is a fault of the text.
pub fn missing_semicolon(scope: &RuleContext<'_>, mut problems: Vec<Problem>) -> Vec<Problem> {
    let ranges = problems.iter().enumerate().filter(|(_, one)| one.rule.as_str() == SWALLOWED);
    let ranges: Vec<(usize, Span)> = ranges.filter_map(|(at, one)| Some((at, range(scope, one)?))).collect();
    if ranges.is_empty() {
        return problems;
    }
    let (mut stopping, mut gone) = (HashSet::new(), HashSet::new());
    for (at, problem) in problems.iter().enumerate().filter(|(_, one)| one.rule.as_str() != SWALLOWED) {
        let place = problem.at;
        let lies_in = |span: &Span| span.file == place.file && span.start <= place.start && place.end <= span.end;
        let gives = |span: &Span| span.file == place.file && scope.text(*span).starts_with("ssl_certificate");
        let is_lacked = LACKED.contains(&problem.rule.as_str());
        if let Some((by, _)) = ranges.iter().find(|(_, span)| is_lacked && gives(span)) {
            stopping.insert(*by);
            gone.insert(at);
        } else if ranges.iter().any(|(_, span)| lies_in(span)) {
            gone.insert(at);
        }
    }
    for at in stopping {
        problems[at].rule = RuleName::new("syntax-error");
        problems[at].case = "runs-on";
    }
    let kept = problems.into_iter().enumerate().filter(|(at, _)| !gone.contains(at));
    kept.map(|(_, problem)| problem).collect()
}

/// From the name of the swallowed directive to the `;` that ends both.
fn range(scope: &RuleContext<'_>, problem: &Problem) -> Option<Span> {
    let begin = problem.related.first()?.span;
    let bytes = scope.sources.file(begin.file).bytes();
    let length = bytes.get(begin.start as usize..)?.iter().position(|byte| *byte == b';')?;
    Some(Span { end: begin.start + length as u32, ..begin })
}
