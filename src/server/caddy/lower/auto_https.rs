//! Automatic HTTPS: which servers speak TLS, and which names get a certificate from whom.
//!
//! Source: `automaticHTTPSPhase1` of Caddy 2.6.2 and 2.11.4, `TLS.Manage`, `getAutomationPolicyForName`.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};

use super::certificate::Certificates;
use super::{Lowering, name};
use crate::model::{Authority, Managed, Obstacle};
use crate::platform::Version;
use crate::server::caddy::config::{Automation, Config, Issuer, Policy, Server};

/// What automatic HTTPS makes of a configuration.
pub struct Automated<'c> {
    /// For each server, the policies that it has in the end; none where it does not speak TLS.
    pub policies: Vec<Vec<Policy>>,
    /// Names whose certificates are managed.
    managed: HashSet<Arc<str>>,
    /// Names that are managed whatever else covers them.
    forced: HashSet<&'c str>,
    rules: Rules<'c>,
    version: Version,
}

/// Automation policies by the names that they are for.
struct Rules<'c> {
    all: &'c [Automation],
    by_name: HashMap<&'c str, usize>,
    catch_all: Option<usize>,
}

/// Does what Caddy does when it starts.
pub fn apply<'c>(lowering: &Lowering<'_>, config: &'c Config, certificates: &Certificates) -> Automated<'c> {
    let version = lowering.reading.version;
    let mut managed: HashSet<Arc<str>> = HashSet::new();
    let policies = config.servers.iter().map(|server| serve(config, server, certificates, &mut managed)).collect();
    let forced: HashSet<&str> = config.automate.iter().map(|token| &*token.text).collect();
    managed.extend(config.automate.iter().map(|token| Arc::clone(&token.text)));
    Automated { policies, managed, forced, rules: Rules::new(&config.automation), version }
}

/// From 2.10 on a managed wildcard stands for the names below it.
fn prefers(version: Version) -> bool {
    version.at_least(2, 10, 0)
}

fn serve(
    config: &Config,
    server: &Server,
    certificates: &Certificates,
    managed: &mut HashSet<Arc<str>>,
) -> Vec<Policy> {
    let written = server.policies.clone();
    let automatic = &server.automatic;
    let all_on = |port: u16| server.listens.iter().all(|listen| listen.port == port);
    if automatic.off || all_on(config.http_port) {
        return written.unwrap_or_default();
    }
    let names = server.routes.iter().flat_map(|route| &route.hosts).map(|host| &host.text);
    let names: Vec<&Arc<str>> = names.filter(|name| !automatic.skip.contains(*name)).collect();
    let is_bare = written.is_none() && !all_on(config.https_port);
    if names.is_empty() && (is_bare || written.as_ref().is_some_and(Vec::is_empty)) {
        return Vec::new();
    }
    if !automatic.no_certificates {
        let wanted = names.into_iter().filter(|name| {
            name::qualifies(name)
                && !automatic.skip_certificates.contains(*name)
                && (automatic.ignores_loaded || !certificates.covers(name))
        });
        managed.extend(wanted.cloned());
    }
    written.unwrap_or_else(|| vec![Policy::default()])
}

impl<'c> Rules<'c> {
    fn new(all: &'c [Automation]) -> Self {
        let mut rules = Rules { all, by_name: HashMap::new(), catch_all: None };
        for (at, one) in all.iter().enumerate() {
            if one.subjects.is_empty() {
                rules.catch_all = rules.catch_all.or(Some(at));
            }
            for subject in &one.subjects {
                rules.by_name.entry(subject).or_insert(at);
            }
        }
        rules
    }

    /// The policy for a name, and whether it names it.
    fn find(&self, name: &str) -> (Option<&'c Automation>, bool) {
        if let Some(at) = self.by_name.get(name) {
            return (Some(&self.all[*at]), true);
        }
        let wild = name::candidates(name).skip(1).filter_map(|one| self.by_name.get(one.as_str()).copied());
        (wild.chain(self.catch_all).min().map(|at| &self.all[at]), false)
    }
}

impl Automated<'_> {
    /// All names that are managed.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.managed.iter()
    }

    /// The managed certificate for this very name, where there is one: not where a managed wildcard stands for it.
    pub fn of(&self, name: &str) -> Option<Managed> {
        if !self.managed.contains(name) || name.ends_with(".ts.net") {
            return None;
        }
        let stands_in = |one: String| self.managed.contains(one.as_str());
        if prefers(self.version)
            && !self.forced.contains(name)
            && name::candidates(name).skip(1).any(|one| one != name && stands_in(one))
        {
            return None;
        }
        Some(self.describe(name, Some(name)))
    }

    /// The certificate that is got when a client first asks for a name, where that is allowed for it. The empty name stands
    /// for names that nobody has.
    pub fn on_demand(&self, name: &str) -> Option<Managed> {
        let (rule, _) = self.rules.find(name);
        let is_tailscale = name.ends_with(".ts.net");
        let rule = rule.filter(|rule| rule.on_demand || rule.has_manager);
        if rule.is_none() && !is_tailscale {
            return None;
        }
        Some(Managed { on_demand: true, name: None, obstacle: None, ..self.describe(name, None) })
    }

    fn describe(&self, name: &str, subject: Option<&str>) -> Managed {
        let (rule, is_named) = self.rules.find(name);
        let is_internal = !name.is_empty() && !name::is_public(name, self.version);
        let internal = [Issuer::Internal];
        let issuers: &[Issuer] = match rule {
            Some(rule) if !rule.issuers.is_empty() && (is_named || !is_internal) => &rule.issuers,
            _ if is_internal => &internal,
            _ => &[],
        };
        let has_manager = rule.is_some_and(|rule| rule.has_manager) || name.ends_with(".ts.net");
        let authority = match issuers.first() {
            _ if has_manager => Authority::Other("a certificate manager".into()),
            Some(Issuer::Internal) => Authority::Internal,
            Some(Issuer::Other(module)) => Authority::Other(Arc::clone(module)),
            Some(Issuer::Acme { directory: Some(directory), .. }) => Authority::Acme(directory.clone()),
            Some(Issuer::Acme { directory: None, .. }) | None => Authority::Public,
        };
        // Issuers are tried one after the other.
        let default = [Issuer::Acme { directory: None, has_dns: false }];
        let tried = if issuers.is_empty() { &default } else { issuers };
        let all = |is_so: fn(&Issuer) -> bool| !has_manager && tried.iter().all(is_so);
        let obstacle = match () {
            () if all(is_public) && (name::is_impossible(name) || name::is_refused(name, self.version)) => {
                Some(Obstacle::ImpossibleName)
            }
            () if all(|one| matches!(one, Issuer::Acme { has_dns: false, .. })) && name.contains('*') => {
                Some(Obstacle::NoDnsChallenge)
            }
            () => None,
        };
        Managed {
            authority,
            key_type: rule.and_then(|rule| rule.key_type.clone()).unwrap_or_else(|| "p256".into()),
            name: subject.map(Arc::from),
            on_demand: rule.is_some_and(|rule| rule.on_demand),
            obstacle,
            is_public_name: !is_internal && !name::is_impossible(name),
            is_public_authority: all(is_public),
        }
    }
}

/// Whether an issuer is a public authority.
fn is_public(issuer: &Issuer) -> bool {
    match issuer {
        Issuer::Acme { directory: None, .. } => true,
        Issuer::Acme { directory: Some(directory), .. } => {
            ["letsencrypt.org", "zerossl"].iter().any(|part| directory.text.contains(part))
        }
        Issuer::Internal | Issuer::Other(_) => false,
    }
}
