//! Dates of certificates.

use jiff::Timestamp;

use super::clock;
use crate::diagnostic::Problem;
use crate::lint::{Reporter, RuleContext, ServedCredential};
use crate::model::Token;
use crate::pki::Certificate;

const DAY: i64 = 86_400;

/// A day as people write it, UTC.
pub fn date(seconds: i64) -> String {
    Timestamp::from_second(seconds)
        .map_or_else(|_| "an impossible date".to_owned(), |at| at.strftime("%Y-%m-%d").to_string())
}

/// A moment as people write it, to the minute, UTC.
pub fn moment(seconds: i64) -> String {
    Timestamp::from_second(seconds)
        .map_or_else(|_| "an impossible time".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

/// A stretch of time for people: whole days, below two days whole hours, below two hours minutes.
pub fn span(seconds: i64) -> String {
    let seconds = seconds.abs();
    let (count, unit) = match seconds {
        0..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / DAY, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

fn leaf<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>) -> Option<(&'a Token, &'a Certificate)> {
    let (token, _) = scope.certificate_file(one.pair)?;
    (!one.sites.is_empty()).then_some(())?;
    scope.leaf(one.pair).map(|leaf| (token, &**leaf))
}

fn about(
    scope: &RuleContext<'_>,
    rule: &'static str,
    token: &Token,
    certificate: &Certificate,
    one: &ServedCredential<'_>,
) -> Problem {
    let names: Vec<String> =
        one.sites.iter().map(|site| scope.site_name(scope.deployment.site(*site))).take(3).collect();
    Problem::new(rule, token.span)
        .with("subject", certificate.short_name())
        .with("path", &*token.text)
        .with("sites", names.join(", "))
        .with("not-after", date(certificate.not_after))
        .with("not-before", date(certificate.not_before))
}

/// The place of a certificate in its file, as a label of a problem.
fn pointing<'a>(
    scope: &RuleContext<'a>,
    problem: Problem,
    one: &ServedCredential<'a>,
    certificate: &Certificate,
) -> Problem {
    let Some((_, file)) = scope.certificate_file(one.pair).filter(|(_, file)| !file.is_secret()) else {
        return problem;
    };
    let mut blocks = file.certificates().enumerate();
    match blocks.find(|(_, (_, other))| other.sha256 == certificate.sha256) {
        Some((at, (block, _))) => {
            problem.related(block.head, format!("block {}: {}", at + 1, certificate.short_name()))
        }
        None => problem,
    }
}

/// Whether the server passes over a certificate for another of its set that is valid now.
fn is_passed_over<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>) -> bool {
    let is_valid = |leaf: &Certificate| (leaf.not_before..=leaf.not_after).contains(&scope.now);
    scope.deployment.behavior.chooses_by_name
        && one.set.pairs.iter().any(|pair| scope.leaf(pair).is_some_and(|leaf| is_valid(leaf)))
}

/// `certificate-expired`.
pub fn expired<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let Some((token, leaf)) = leaf(scope, one) else { return };
    if scope.now > leaf.not_after && !is_passed_over(scope, one) {
        sink.report(
            about(scope, "certificate-expired", token, leaf, one).with("ago", span(scope.now - leaf.not_after)),
        );
    }
}

/// How far a client's clock may be ahead, in seconds.
pub const SKEW: i64 = 300;

/// `certificate-not-yet-valid`.
pub fn not_yet<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let Some((token, leaf)) = leaf(scope, one) else { return };
    if scope.now < leaf.not_before - SKEW && !is_passed_over(scope, one) && !clock::is_wrong(scope) {
        let wait = span(leaf.not_before - scope.now);
        let problem = about(scope, "certificate-not-yet-valid", token, leaf, one).with("wait", wait);
        let problem = if clock::is_behind(scope) { problem.case("clock") } else { problem };
        sink.report(pointing(scope, problem, one, leaf));
    }
}

/// `certificate-expires-soon`: less is left than the smaller of a number of days and a share of the lifetime.
pub fn soon<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let Some((token, leaf)) = leaf(scope, one) else { return };
    let parameter = |name| scope.settings.parameter("certificate-expires-soon", name);
    let lifetime = leaf.not_after - leaf.not_before;
    let threshold = (parameter("days") * DAY).min(lifetime / parameter("share").max(1));
    let left = leaf.not_after - scope.now;
    if scope.now >= leaf.not_before && (0..threshold).contains(&left) {
        let problem = about(scope, "certificate-expires-soon", token, leaf, one).with("left", span(left));
        sink.report(pointing(scope, problem, one, leaf));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_told_in_fitting_units() {
        assert_eq!(span(3 * DAY + 5), "3 days");
        assert_eq!(span(-DAY), "24 hours");
        assert_eq!(span(60), "1 minute");
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(i64::MAX), "an impossible date");
    }
}
