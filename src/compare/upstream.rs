//! How other servers are spoken to that requests are sent on to: by TLS or not, verified or not.

use std::collections::BTreeMap;

use super::drift::{Drift, Effect, Kind};
use super::side::ServerSide;
use crate::model::{Address, Upstream, UpstreamPolicy, UpstreamTransport, UpstreamVerification};
use crate::source::Span;

/// The site and the server that its requests are sent on to.
type Key = (String, String);

/// How one is spoken to.
struct Spoken {
    /// Absent where it is not known.
    trust: Option<Trust>,
    is_tls: bool,
    target: Span,
    setting: Span,
}

/// How far its certificate is verified.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Trust {
    None,
    Lenient,
    Path,
    PathAndName,
}

impl Trust {
    fn of(policy: &UpstreamPolicy) -> Option<Trust> {
        Some(match (policy.verification.get()?, policy.checks_name.get()?) {
            (UpstreamVerification::Off, _) => Trust::None,
            (UpstreamVerification::Lenient, _) => Trust::Lenient,
            (UpstreamVerification::Required, false) => Trust::Path,
            (UpstreamVerification::Required, true) => Trust::PathAndName,
        })
    }

    fn words(self) -> &'static str {
        match self {
            Trust::None => "not verified",
            Trust::Lenient => "verified only if it shows one",
            Trust::Path => "verified without its name",
            Trust::PathAndName => "verified with its name",
        }
    }
}

/// What changed towards upstream servers.
pub fn compare(old: &ServerSide<'_>, new: &ServerSide<'_>) -> Vec<Drift> {
    let (before, now) = (all(old), all(new));
    let mut drifts = Vec::new();
    for ((site, server), was) in &before {
        let Some(is) = now.get(&(site.clone(), server.clone())) else { continue };
        let host = |drift: Drift| if site.is_empty() { drift } else { drift.host(&**site) };
        match (was.is_tls, is.is_tls) {
            (true, false) => {
                let words = format!("requests are sent on to {server} in plain; before by TLS");
                let drift = Drift::new(Kind::UpstreamTlsLost, Effect::Worse, words);
                drifts.push(host(drift.at(Some(was.target), Some(is.target))));
            }
            (false, true) => {
                let words = format!("requests are sent on to {server} by TLS; before in plain");
                let drift = Drift::new(Kind::UpstreamTlsGained, Effect::Better, words);
                drifts.push(host(drift.at(Some(was.target), Some(is.target))));
            }
            (false, false) => {}
            (true, true) => {
                let (Some(before), Some(now)) = (was.trust, is.trust) else { continue };
                let words = || format!("the certificate of {server} is {}; before {}", now.words(), before.words());
                let (kind, effect) = match now.cmp(&before) {
                    std::cmp::Ordering::Less => (Kind::UpstreamVerificationLost, Effect::Worse),
                    std::cmp::Ordering::Greater => (Kind::UpstreamVerificationGained, Effect::Better),
                    std::cmp::Ordering::Equal => continue,
                };
                drifts.push(host(Drift::new(kind, effect, words()).at(Some(was.setting), Some(is.setting))));
            }
        }
    }
    drifts
}

fn all(side: &ServerSide<'_>) -> BTreeMap<Key, Spoken> {
    let mut found: BTreeMap<Key, Spoken> = BTreeMap::new();
    let deployment = side.scope.deployment;
    for upstream in &deployment.upstreams {
        let site = upstream.site.map(|id| host(side, id)).unwrap_or_default();
        let policy = deployment.upstream_policy(upstream.policy);
        for target in &upstream.targets {
            let Some(server) = server(target.address.get(), &target.written.text) else { continue };
            let spoken = Spoken {
                trust: Trust::of(policy),
                is_tls: target.transport == UpstreamTransport::Tls,
                target: target.written.span,
                setting: setting(policy, upstream),
            };
            // Several places send on to one server: the weakest counts.
            let key = (site.clone(), server);
            match found.get_mut(&key) {
                Some(known) if (known.is_tls, known.trust) <= (spoken.is_tls, spoken.trust) => {}
                Some(known) => *known = spoken,
                None => {
                    found.insert(key, spoken);
                }
            }
        }
    }
    found
}

fn host(side: &ServerSide<'_>, id: crate::model::SiteId) -> String {
    let names = side.site(id).names.iter().flat_map(super::probe::probes);
    names.map(|probe| probe.shown).min().unwrap_or_default()
}

/// Where a server is, without its port: TLS moves that.
fn server(address: Option<&(Address, u16)>, written: &str) -> Option<String> {
    match address {
        Some((Address::Ip(ip), _)) => Some(ip.to_string()),
        Some((Address::Host(name), _)) => Some(name.to_string()),
        Some((Address::Unix(path), _)) => Some(format!("unix:{path}")),
        Some((Address::Any, _)) => None,
        None => {
            let rest = written.split_once("://").map_or(written, |(_, rest)| rest);
            Some(rest.split('/').next().unwrap_or(rest).to_owned()).filter(|rest| !rest.is_empty())
        }
    }
}

fn setting(policy: &UpstreamPolicy, upstream: &Upstream) -> Span {
    let settings = [&policy.verification.origin, &policy.checks_name.origin];
    settings.iter().find_map(|origin| origin.written()).unwrap_or(upstream.at)
}
