//! What requests get, as far as the way to TLS hangs on it: redirects to HTTPS, and the header that keeps browsers there.

use super::client::End;
use super::drift::{Drift, Effect, Kind};
use crate::model::{HttpResponse, ResponseKind, Service, Site};
use crate::source::Span;

const DAY: u64 = 86_400;

fn site<'a>(end: End<'a, '_>) -> Option<&'a Site> {
    end.binding.map(|binding| end.side.site(binding.site)).filter(|site| site.service == Service::Http)
}

/// What browsers are told to remember.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Policy {
    /// For how long, in seconds.
    age: u64,
    /// Whether names below it are meant too.
    below: bool,
}

impl Policy {
    /// Reads the value of the header (RFC 6797, 6.1). Absent where it cannot be told.
    fn parse(value: &str) -> Option<Policy> {
        let mut policy = Policy { age: 0, below: false };
        let text = value.trim_matches(['"', '\'']).to_ascii_lowercase();
        for part in text.split(';').map(str::trim) {
            match part.split_once('=') {
                Some((name, age)) if name.trim() == "max-age" => {
                    policy.age = age.trim().trim_matches('"').parse().ok()?
                }
                _ if part == "includesubdomains" => policy.below = true,
                _ => {}
            }
        }
        Some(policy)
    }

    fn words(self) -> String {
        let days = match self.age / DAY {
            1 => "1 day".to_owned(),
            0 => format!("{} seconds", self.age),
            days => format!("{days} days"),
        };
        format!("for {days}{}", if self.below { ", also below the name" } else { "" })
    }
}

/// Whether browsers are still told to come by HTTPS alone (HSTS).
pub fn strict_transport(old: End<'_, '_>, new: End<'_, '_>) -> Option<Drift> {
    let (before, now) = (site(old)?, site(new)?);
    // An answer of another server may carry the header, so that only what is written here is compared.
    let read = |site: &Site| -> Option<(Option<Policy>, Option<Span>)> {
        match site.strict_transport() {
            None => Some((None, None)),
            Some(token) => {
                let policy = Policy::parse(&token.text)?;
                Some(((policy.age > 0).then_some(policy), Some(token.span)))
            }
        }
    };
    let ((was, old_at), (is, new_at)) = (read(before)?, read(now)?);
    let head =
        |site: &Site, at: Option<Span>| at.or_else(|| site.answers.first().map(|answer| answer.at)).or(Some(site.head));
    let drift = match (was, is) {
        (Some(was), None) => {
            let words = format!("browsers are no longer told to come by HTTPS alone (before {})", was.words());
            Drift::new(Kind::HstsLost, Effect::Worse, words)
        }
        (None, Some(is)) => Drift::new(
            Kind::HstsGained,
            Effect::Better,
            format!("browsers are told to come by HTTPS alone, {}", is.words()),
        ),
        (Some(was), Some(is)) if was != is => {
            let effect = match (is.age < was.age || was.below && !is.below, is.age > was.age || is.below && !was.below)
            {
                (true, _) => Effect::Worse,
                (false, true) => Effect::Better,
                _ => Effect::Neutral,
            };
            let words = format!("browsers are told to come by HTTPS alone {}; before {}", is.words(), was.words());
            Drift::new(Kind::HstsChanged, effect, words)
        }
        _ => {
            // A header of a part's own takes the place of what stands around it (nginx).
            let lost = |site: &Site| site.answers.iter().filter(|answer| answer.lost_header.is_some()).count();
            let part = now.answers.iter().find(|answer| answer.lost_header.is_some());
            let part = part.filter(|_| is.is_some() && lost(now) > lost(before))?;
            let words =
                "parts of the site no longer tell browsers to come by HTTPS alone: headers of their own take its place";
            return Some(Drift::new(Kind::HstsLost, Effect::Worse, words).at(old_at, Some(part.at)));
        }
    };
    Some(drift.at(head(before, old_at), head(now, new_at)))
}

/// What requests without TLS get.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// All are sent to HTTPS, or get nothing.
    Redirected,
    /// Some get content.
    Served,
    /// It cannot be told.
    Unknown,
}

fn way(site: &Site) -> (Way, Option<Span>) {
    let serves = |answer: &&HttpResponse| {
        matches!(
            answer.reply,
            ResponseKind::Content | ResponseKind::PassedOn | ResponseKind::Redirect { to_https: false }
        )
    };
    let redirects = |answer: &&HttpResponse| {
        matches!(answer.reply, ResponseKind::Redirect { to_https: true }) && !answer.is_conditional
    };
    let served = site.answers.iter().find(serves);
    let redirected = site.answers.iter().find(redirects);
    match (served, redirected) {
        _ if site.answers.iter().any(|answer| answer.reply == ResponseKind::Unknown) => (Way::Unknown, None),
        (Some(answer), _) => (Way::Served, Some(answer.at)),
        (None, Some(answer)) => (Way::Redirected, Some(answer.at)),
        (None, None) => (Way::Unknown, None),
    }
}

/// Whether requests without TLS are still sent to HTTPS.
pub fn redirect(old: End<'_, '_>, new: End<'_, '_>) -> Option<Drift> {
    let (before, now) = (site(old)?, site(new)?);
    let ((was, old_at), (is, new_at)) = (way(before), way(now));
    let drift = match (was, is) {
        (Way::Redirected, Way::Served) => {
            let words = "requests without TLS are answered here; before they were sent to HTTPS";
            Drift::new(Kind::RedirectLost, Effect::Worse, words)
        }
        (Way::Served, Way::Redirected) => {
            let words = "requests without TLS are sent to HTTPS; before they were answered here";
            Drift::new(Kind::RedirectGained, Effect::Better, words)
        }
        _ => return None,
    };
    Some(drift.at(old_at, new_at))
}
