//! Automation policies of a Caddyfile that claim one name with different words, on which Caddy does not start.
//!
//! Caddy makes a policy of each site block, drops those that say nothing, puts equal ones together and then finds a name in
//! two of them. Source: Caddy 2.6.2 and 2.11.4, `buildTLSApp`, `consolidateAutomationPolicies`.

use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt, HashSet};

use super::global::Options;
use super::site::Site;
use super::tls::Tls;
use super::{Lowering, name};
use crate::diagnostic::Problem;
use crate::platform::Version;
use crate::server::caddy::syntax::Node;
use crate::source::Span;

/// How many policies are compared each with each; more stay unjudged.
const MOST: usize = 400;

/// An issuer as it is written: what it is, and what is set of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The module; `default` for those that Caddy takes where only settings are written.
    pub module: String,
    /// Settings by the name that they have in `issuer acme`.
    pub settings: BTreeMap<String, String>,
}

impl Written {
    /// A module without settings.
    pub fn new(module: &str) -> Self {
        Written { module: module.to_owned(), settings: BTreeMap::new() }
    }

    /// What `issuer MODULE ...` says.
    pub fn of(node: &Node) -> Self {
        let Some(module) = node.words.first() else { return Written::new("") };
        let mut written = Written::new(&module.text);
        let arguments: Vec<&str> = node.words[1..].iter().map(|word| &*word.text).collect();
        if !arguments.is_empty() {
            let name = if &*module.text == "acme" { "dir" } else { "" };
            written.settings.insert(name.to_owned(), format!("{} []", arguments.join(" ")));
        }
        for inner in node.nodes() {
            written.settings.insert(inner.name.text.to_string(), said(inner));
        }
        written
    }

    /// As one text, with the global defaults of ACME put in where nothing else is written.
    pub fn filled(&self, defaults: &BTreeMap<String, String>) -> String {
        let mut settings = self.settings.clone();
        if self.module != "internal" {
            for (name, value) in defaults {
                settings.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        format!("{} {settings:?}", self.module)
    }
}

/// What a directive says behind its name, as one text.
pub fn said(node: &Node) -> String {
    let words: Vec<&str> = node.words.iter().map(|word| &*word.text).collect();
    let inside: Vec<String> = node.nodes().iter().map(|inner| format!("{} {}", inner.name.text, said(inner))).collect();
    format!("{} {inside:?}", words.join(" "))
}

/// A policy as a site block makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The names with their places; none: all names.
    pub subjects: Vec<(Arc<str>, Span)>,
    /// The issuers, as one text.
    pub issuers: String,
    /// Whether that is the internal one which Caddy puts in by itself.
    pub signs_by_default: bool,
    /// Whether certificates are got when they are asked for.
    pub on_demand: bool,
    /// All else that it sets, as far as policies are compared.
    pub others: String,
    /// Who else has certificates, as one text.
    pub managers: String,
}

/// Who signs the names of a policy that names no issuer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Signers {
    All,
    Public,
    Internal,
    Mixed,
}

impl Draft {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.subjects.iter().map(|(name, _)| &**name)
    }

    /// Whether all its names are among those of another, or match its wildcards.
    fn is_part_of(&self, other: &Draft) -> bool {
        let has = |name: &str| {
            name::candidates(name).any(|candidate| other.names().any(|one| one.eq_ignore_ascii_case(&candidate)))
        };
        other.subjects.is_empty() || !self.subjects.is_empty() && self.names().all(has)
    }

    fn words(&self) -> [&str; 3] {
        [&self.issuers, &self.others, &self.managers]
    }

    /// Whether it sets nothing but, it may be, managers.
    fn is_bare(&self) -> bool {
        self.issuers.is_empty() && self.others.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.is_bare() && self.managers.is_empty()
    }

    /// Whether both set the same, whatever their names are. Up to 2.8 policies with other managers count as equal; from 2.11.4
    /// on, who signs where no issuer is named counts too.
    fn says_the_same(&self, other: &Draft, version: Version) -> bool {
        let same_issuers = match version.at_least(2, 11, 4) {
            true if self.issuers == other.issuers && self.issuers.is_empty() => {
                let signers = [self.signers(version), other.signers(version)];
                signers.contains(&Signers::All) || signers[0] == signers[1]
            }
            true => {
                let both_by_default = self.is_signed_by_default(version) && other.is_signed_by_default(version);
                self.issuers == other.issuers || both_by_default
            }
            false => self.issuers == other.issuers,
        };
        same_issuers && self.others == other.others && (!is_new(version) || self.managers == other.managers)
    }

    fn is_signed_by_default(&self, version: Version) -> bool {
        self.signs_by_default || self.issuers.is_empty() && self.signers(version) == Signers::Internal
    }

    fn signers(&self, version: Version) -> Signers {
        let is_public = |name: &str| name::is_left_to_public(name, self.on_demand, version);
        match (self.names().any(is_public), self.names().any(|name| !is_public(name))) {
            (false, false) => Signers::All,
            (true, false) => Signers::Public,
            (false, true) => Signers::Internal,
            (true, true) => Signers::Mixed,
        }
    }

    fn same_names(&self, other: &Draft) -> bool {
        self.names().eq(other.names())
    }
}

/// Collects the policies of site blocks.
pub struct Drafts<'o> {
    options: &'o Options<'o>,
    version: Version,
    all: Vec<Draft>,
    /// The issuers of the policy for all names, and its place among the others.
    catch_all: Option<(Vec<Written>, usize)>,
}

impl<'o> Drafts<'o> {
    /// Begins with the policy that the global options make.
    pub fn new(options: &'o Options<'o>, version: Version) -> Self {
        let mut drafts = Drafts { options, version, all: Vec::new(), catch_all: None };
        let base = drafts.base();
        let has_defaults = is_new(version) && options.acme_defaults.keys().any(|name| name != "email");
        if !base.is_empty() || options.key_type.is_some() || !options.extras.is_empty() || has_defaults {
            drafts.all.push(drafts.draft(Vec::new(), &base, &[]));
            drafts.catch_all = Some((base, 0));
        }
        drafts
    }

    /// The issuers that the global options name.
    fn base(&self) -> Vec<Written> {
        match self.options.local_certificates {
            true => vec![Written::new("internal")],
            false => self.options.written.clone(),
        }
    }

    /// Adds the policy of a site block on one socket; `subjects` are the names that are not plain HTTP.
    pub fn add(&mut self, lowering: &mut Lowering<'_>, site: &Site, keys: &[usize], subjects: &[Arc<str>]) {
        let mut issuers: Vec<Written> = site.tls.iter().flat_map(|tls| tls.written.clone()).collect();
        let is_hostless = site.hosts(keys).is_empty();
        let head = || keys.first().map_or(site.draft.head, |key| site.keys[*key].word.span);
        if issuers.is_empty() {
            issuers = match &self.catch_all {
                Some((others, _)) if is_hostless => others.clone(),
                _ => self.base(),
            };
        } else if let Some((others, _)) = &self.catch_all
            && is_hostless
            && *others != issuers
        {
            let problem = Problem::new("automation-policy-conflict", head()).case("catch-all");
            let list = |all: &[Written]| match all {
                [] => "the default issuers".to_owned(),
                all => all.iter().map(|one| one.module.as_str()).collect::<Vec<_>>().join(", "),
            };
            lowering.problem(problem.with("others", list(others)).with("issuers", list(&issuers)));
            return;
        }
        let raw = issuers.clone();
        if let Some(bind) = site.bind.first() {
            for issuer in issuers.iter_mut().filter(|issuer| issuer.module != "internal") {
                issuer.settings.entry("bind".to_owned()).or_insert_with(|| bind.text.to_string());
            }
        }
        let mut places: HashMap<&str, Span> = HashMap::new();
        for key in keys.iter().map(|key| &site.keys[*key]) {
            places.entry(&key.address.host).or_insert(key.word.span);
        }
        let placed = |name: &Arc<str>| (Arc::clone(name), places.get(&**name).copied().unwrap_or(site.draft.head));
        let on_demand = site.tls.iter().any(|tls| tls.on_demand);
        let is_public = |name: &str| name::is_left_to_public(name, on_demand, self.version);
        let (public, internal): (Vec<_>, Vec<_>) = subjects.iter().map(placed).partition(|(name, _)| is_public(name));
        // Where nobody is named to sign, names that Caddy signs for itself get a policy of their own.
        let splits = issuers.is_empty() && !public.is_empty() && !internal.is_empty();
        let (own, other) = match splits {
            true => {
                let other = self.draft(internal, &[Written::new("internal")], &site.tls);
                (public, Some(Draft { signs_by_default: true, ..other }))
            }
            false => ([public, internal].concat(), None),
        };
        let draft = self.draft(own, &issuers, &site.tls);
        match &self.catch_all {
            // A second block for all names goes on with the policy of the first.
            Some((_, at)) if is_hostless => {
                let before = &mut self.all[*at];
                let says = |pick: fn(&Tls) -> bool| site.tls.iter().any(pick);
                let keeps_others = !says(|tls| tls.key_type.is_some() || !tls.extras.is_empty());
                *before = Draft {
                    others: if keeps_others { before.others.clone() } else { draft.others },
                    managers: if draft.managers.is_empty() { before.managers.clone() } else { draft.managers },
                    on_demand: before.on_demand || on_demand,
                    ..draft
                };
            }
            _ => {
                if is_hostless {
                    self.catch_all = Some((raw, self.all.len()));
                }
                self.all.push(draft);
            }
        }
        self.all.extend(other);
    }

    fn draft(&self, mut subjects: Vec<(Arc<str>, Span)>, issuers: &[Written], tls: &[Tls]) -> Draft {
        subjects.sort_by(|one, other| one.0.cmp(&other.0));
        let defaults = &self.options.acme_defaults;
        let on_demand = tls.iter().any(|one| one.on_demand);
        let mut issuers: Vec<String> = issuers.iter().map(|issuer| issuer.filled(defaults)).collect();
        let is_public = |name: &str| {
            let is_tailscale = name.to_ascii_lowercase().ends_with(".ts.net") && self.version.at_least(2, 8, 0);
            name::is_left_to_public(name, on_demand, self.version) && !is_tailscale
        };
        if issuers.is_empty() && !defaults.is_empty() && subjects.iter().all(|(name, _)| is_public(name)) {
            let module = if defaults.contains_key("dir") { "acme" } else { "default" };
            issuers.push(Written::new(module).filled(defaults));
        }
        let key_type = tls.iter().find_map(|one| one.key_type.as_ref()).or(self.options.key_type.as_ref());
        let key_type = key_type.map(|one| format!("key_type {one}"));
        let mut extras: Vec<&String> = tls.iter().flat_map(|one| &one.extras).chain(&self.options.extras).collect();
        extras.sort_unstable();
        extras.dedup();
        let others: Vec<String> = key_type.into_iter().chain(extras.into_iter().cloned()).collect();
        let managers: Vec<&str> = tls.iter().flat_map(|one| &one.managers).map(String::as_str).collect();
        Draft {
            subjects,
            issuers: issuers.join("\n"),
            signs_by_default: false,
            on_demand,
            others: others.join("\n"),
            managers: managers.join("\n"),
        }
    }

    /// Adds the names that share a block with an address for all names and that Caddy signs for itself.
    pub fn add_shared(&mut self, names: Vec<(Arc<str>, Span)>) {
        if !names.is_empty() {
            self.all.push(Draft {
                subjects: names,
                issuers: Written::new("internal").filled(&self.options.acme_defaults),
                signs_by_default: true,
                on_demand: false,
                others: String::new(),
                managers: String::new(),
            });
        }
    }

    /// All of them.
    pub fn finish(self, lowering: &mut Lowering<'_>) {
        conflicts(lowering, self.all);
    }
}

/// Finds names that two policies claim.
fn conflicts(lowering: &mut Lowering<'_>, drafts: Vec<Draft>) {
    let mut seen: HashMap<&str, [&str; 3]> = HashMap::new();
    let claims = drafts.iter().flat_map(|draft| draft.names().map(move |name| (name, draft.words())));
    let twice: HashSet<Arc<str>> = claims
        .filter(|(name, words)| seen.insert(name, *words).is_some_and(|before| before != *words))
        .map(|(name, _)| Arc::from(name))
        .collect();
    if twice.is_empty() {
        return;
    }
    if drafts.len() > MOST {
        let at = drafts.iter().flat_map(|draft| &draft.subjects).find(|(name, _)| twice.contains(name));
        if let Some((_, at)) = at {
            lowering.not_judged("automation-policy-conflict", "there are too many policies", *at);
        }
        return;
    }
    let drafts = consolidated(drafts, lowering.reading.version);
    let mut first: HashMap<&str, Span> = HashMap::new();
    for (name, at) in drafts.iter().flat_map(|draft| &draft.subjects) {
        match first.get(&**name) {
            Some(other) => {
                let (other, at) =
                    if other.file == at.file && other.start > at.start { (*at, *other) } else { (*other, *at) };
                let problem = Problem::new("automation-policy-conflict", at).with("name", &**name);
                lowering.problem(problem.related(other, "its certificate is asked for here in another way"));
            }
            None => {
                first.insert(name, *at);
            }
        }
    }
}

/// Whether a policy that says nothing is kept where it keeps a later one from its names (seen in 2.11.4).
fn is_new(version: Version) -> bool {
    version.at_least(2, 9, 0)
}

/// What Caddy makes of the policies.
fn consolidated(mut drafts: Vec<Draft>, version: Version) -> Vec<Draft> {
    sort(&mut drafts);
    let count = drafts.len();
    let mut empty = 0;
    let mut at = 0;
    while at < drafts.len() {
        if !drafts[at].is_empty() {
            at += 1;
            continue;
        }
        empty += 1;
        let is_needless = match is_new(version) {
            true => {
                let shadowed = shadows(&drafts, at);
                // One that is shadowed may have managers since 2.11.3.
                let says_nothing = |other: usize| match version.at_least(2, 11, 3) {
                    true => drafts[other].is_bare(),
                    false => drafts[other].is_empty(),
                };
                at + 1 == drafts.len() || shadowed.is_some_and(says_nothing)
            }
            false => !matches!(drafts[at].signers(version), Signers::All | Signers::Public),
        };
        if is_needless {
            drafts.remove(at);
        } else {
            at += 1;
        }
    }
    if empty == count {
        return Vec::new();
    }
    let mut at = 0;
    'outer: while at < drafts.len() {
        let mut next = at + 1;
        while next < drafts.len() {
            let (one, other) = (&drafts[at], &drafts[next]);
            if !one.says_the_same(other, version) {
                next += 1;
            } else if one.words() == other.words() && one.same_names(other) {
                drafts.remove(next);
            } else if !one.subjects.is_empty() && other.subjects.is_empty() {
                if shadows(&drafts, at).is_some_and(|shadowed| shadowed >= next) {
                    drafts.remove(at);
                    continue 'outer;
                }
                next += 1;
            } else {
                let other = drafts.remove(next);
                for subject in other.subjects {
                    if !drafts[at].subjects.iter().any(|(name, _)| *name == subject.0) {
                        drafts[at].subjects.push(subject);
                    }
                }
            }
        }
        at += 1;
    }
    drafts
}

/// The next policy that covers all names of one.
fn shadows(drafts: &[Draft], at: usize) -> Option<usize> {
    (at + 1..drafts.len()).find(|other| drafts[at].is_part_of(&drafts[*other]))
}

/// From the most to the least exact, by insertion as Go's `sort.SliceStable` does for up to 20: the order is no total one.
fn sort(drafts: &mut [Draft]) {
    let is_less = |one: &Draft, other: &Draft| {
        one.is_part_of(other) || !other.is_part_of(one) && one.subjects.len() > other.subjects.len()
    };
    for at in 1..drafts.len() {
        let mut place = at;
        while place > 0 && is_less(&drafts[place], &drafts[place - 1]) {
            drafts.swap(place, place - 1);
            place -= 1;
        }
    }
}
