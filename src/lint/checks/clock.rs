//! A clock that cannot be right: what it makes of dates would be blamed on certificates.

use std::collections::BTreeSet;

use super::validity::{SKEW, date, moment, span};
use crate::diagnostic::Problem;
use crate::lint::{Reporter, RuleContext, Unsynchronized};
use crate::model::Token;
use crate::pki::Certificate;
use crate::source::Span;

/// 2020-01-01: nothing that runs this program is older.
const OLDEST: i64 = 1_577_836_800;

/// Where clocks begin that were never set, or begin anew: Unix, GPS, 2000, and the ends of NTP's and Unix' 32 bits.
const EPOCHS: [i64; 5] = [0, 315_964_800, 946_684_800, 2_085_978_496, 2_147_483_648];

/// How near to such a point a clock must be, in seconds.
const NEAR: i64 = 48 * 3_600;

/// Which rule a clock breaks by itself, whatever certificates say.
fn broken(scope: &RuleContext<'_>) -> Option<&'static str> {
    let clock = scope.clock?;
    if scope.now < OLDEST || EPOCHS.iter().any(|epoch| (scope.now - epoch).abs() <= NEAR) {
        return Some("clock-epoch");
    }
    (scope.now < clock.built).then_some("clock-before-build")
}

/// Whether the clock is wrong by itself, so that nothing is to be said of certificates that begin after it.
pub fn is_wrong(scope: &RuleContext<'_>) -> bool {
    broken(scope).is_some()
}

/// Whether the clock is behind what files or several authorities say.
pub fn is_behind(scope: &RuleContext<'_>) -> bool {
    is_behind_files(scope) || contradicts_authorities(scope)
}

/// Whether the clock is behind files that were changed already.
fn is_behind_files(scope: &RuleContext<'_>) -> bool {
    scope.clock.is_some() && !is_wrong(scope) && !scope.machine.later.is_empty()
}

/// Whether the clock is behind what several authorities say.
fn contradicts_authorities(scope: &RuleContext<'_>) -> bool {
    if scope.clock.is_none() || is_wrong(scope) {
        return false;
    }
    let early = early(scope);
    early.iter().map(|(_, leaf)| &leaf.issuer_name).collect::<BTreeSet<_>>().len() > 1
}

/// The served certificates that begin after the clock, each file once.
fn early<'a>(scope: &RuleContext<'a>) -> Vec<(&'a Token, &'a Certificate)> {
    let mut found: Vec<(&Token, &Certificate)> = Vec::new();
    for pair in scope.served_pairs() {
        let Some((token, _)) = scope.certificate_file(pair) else { continue };
        let Some(leaf) = scope.leaf(pair) else { continue };
        if scope.now < leaf.not_before - SKEW && !found.iter().any(|(_, other)| other.sha256 == leaf.sha256) {
            found.push((token, leaf));
        }
    }
    found
}

/// Where to point where no certificate begins after the clock.
fn anywhere(scope: &RuleContext<'_>) -> Option<Span> {
    scope.deployment.sites.first().map(|site| site.head)
}

fn report(scope: &RuleContext<'_>, rule: &'static str, sink: &mut Reporter) {
    let early = early(scope);
    let first = early.first().map(|(token, _)| token.span);
    let Some(at) = first.or_else(|| anywhere(scope)) else { return };
    let newest = early.iter().map(|(_, leaf)| leaf.not_before).max();
    let named: Vec<String> = early.iter().take(5).map(|(_, leaf)| leaf.short_name()).collect();
    let built = scope.clock.map_or(0, |clock| clock.built);
    let mut problem = Problem::new(rule, at)
        .with("now", date(scope.now))
        .with("built", date(built))
        .with("newest", date(newest.unwrap_or(built)))
        .with("early", if named.is_empty() { "none".to_owned() } else { named.join(", ") });
    for (token, leaf) in early.iter().skip(1) {
        problem = problem.related(token.span, format!("{}, valid from {}", leaf.short_name(), date(leaf.not_before)));
    }
    sink.report(problem);
}

/// `clock-epoch`.
pub fn epoch(scope: &RuleContext<'_>, sink: &mut Reporter) {
    if broken(scope) == Some("clock-epoch") {
        report(scope, "clock-epoch", sink);
    }
}

/// `clock-before-build`.
pub fn before_build(scope: &RuleContext<'_>, sink: &mut Reporter) {
    if broken(scope) == Some("clock-before-build") {
        report(scope, "clock-before-build", sink);
    }
}

/// `clock-behind-certificates`.
pub fn behind_certificates(scope: &RuleContext<'_>, sink: &mut Reporter) {
    if contradicts_authorities(scope) {
        report(scope, "clock-behind-certificates", sink);
    }
}

/// `clock-behind-files`.
pub fn behind_files(scope: &RuleContext<'_>, sink: &mut Reporter) {
    let Some(newest) = scope.machine.later.first().filter(|_| is_behind_files(scope)) else { return };
    let early = early(scope);
    let Some(at) = early.first().map(|(token, _)| token.span).or_else(|| anywhere(scope)) else { return };
    let named: Vec<String> = early.iter().take(5).map(|(_, leaf)| leaf.short_name()).collect();
    let problem = Problem::new("clock-behind-files", at)
        .with("now", moment(scope.now))
        .with("path", newest.path.display().to_string())
        .with("newest", moment(newest.at))
        .with("behind", span(newest.at - scope.now));
    let problem = match named.is_empty() {
        true => problem,
        false => problem.case("certificates").with("early", named.join(", ")),
    };
    sink.report(problem);
}

/// A year, in seconds.
const YEAR: i64 = 365 * 86_400;

/// `clock-ahead-suspected`: all that is served ended long ago, and so did many anchors of the system, which are renewed with it.
pub fn ahead(scope: &RuleContext<'_>, sink: &mut Reporter) {
    if scope.clock.is_none() || scope.trust_is_given {
        return;
    }
    let leaves = scope.served_pairs().filter_map(|pair| Some((scope.certificate_file(pair)?.0, scope.leaf(pair)?)));
    let leaves: Vec<(&Token, &Certificate)> = leaves.map(|(token, leaf)| (token, &**leaf)).collect();
    let Some(last) = leaves.iter().map(|(_, leaf)| leaf.not_after).max().filter(|last| *last < scope.now - YEAR) else {
        return;
    };
    let (ended, all) = scope.anchors.ended(scope.now);
    if ended * 10 > all * 3 {
        let problem = Problem::new("clock-ahead-suspected", leaves[0].0.span)
            .with("now", date(scope.now))
            .with("last", date(last))
            .with("ended", ended.to_string())
            .with("all", all.to_string());
        sink.report(problem);
    }
}

/// `clock-unsynchronized`.
pub fn unsynchronized(scope: &RuleContext<'_>, sink: &mut Reporter) {
    if scope.clock.is_some()
        && let Some(who) = scope.machine.unsynchronized
        && !is_wrong(scope)
        && let Some(at) = anywhere(scope)
    {
        let case = if who == Unsynchronized::Kernel { "kernel" } else { "" };
        sink.report(Problem::new("clock-unsynchronized", at).case(case).with("now", moment(scope.now)));
    }
}
