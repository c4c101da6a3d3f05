//! Connection policies: which are equal, which are put together, and which one a name gets.
//!
//! Source: Caddy 2.11.4, `consolidateConnPolicies` and `ConnectionPolicies.TLSConfig`.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use super::name;
use crate::diagnostic::Problem;
use crate::model::Token;
use crate::server::caddy::config::{List, Policy, Settings};

/// From so many policies on, those that name a client's very name are tried alone.
pub const INDEXED: usize = 30;

fn text(token: &Option<Token>) -> Option<&str> {
    token.as_ref().map(|token| &*token.text)
}

/// Whether two lists have the same words, wherever they are written.
fn are_same(one: &Option<List>, other: &Option<List>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => {
            one.words.iter().map(|word| &word.text).eq(other.words.iter().map(|word| &word.text))
        }
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// Whether two policies set the same, whatever they are for.
fn set_the_same(one: &Policy, other: &Policy) -> bool {
    let (mine, theirs) = (&one.settings, &other.settings);
    let client = |settings: &Settings| {
        let client = settings.client.as_ref()?;
        let files: Vec<Arc<str>> = client.files.iter().map(|(token, _)| Arc::clone(&token.text)).collect();
        let mode = client.mode.as_ref().map(|mode| Arc::clone(&mode.text));
        Some((mode, files, client.has_authority, client.has_leaf, client.has_verifier))
    };
    one.choice == other.choice
        && one.default_sni == other.default_sni
        && one.fallback_sni == other.fallback_sni
        && text(&mine.oldest) == text(&theirs.oldest)
        && text(&mine.newest) == text(&theirs.newest)
        && are_same(&mine.ciphers, &theirs.ciphers)
        && are_same(&mine.groups, &theirs.groups)
        && are_same(&mine.alpn, &theirs.alpn)
        && client(mine) == client(theirs)
        && text(&mine.secrets_log) == text(&theirs.secrets_log)
}

/// Whether a policy sets anything.
pub fn is_empty(policy: &Policy) -> bool {
    policy.settings.is_empty()
        && policy.choice.is_none()
        && policy.default_sni.is_none()
        && policy.fallback_sni.is_none()
}

/// Puts policies together as the Caddyfile's adapter does: those for all names last, equal ones once, those for the same
/// names into one, neighbours that set the same into one. `extra` goes along with each.
pub fn consolidate<T>(policies: Vec<(Policy, T)>, problems: &mut Vec<Problem>) -> Vec<(Policy, T)> {
    let (named, rest): (Vec<_>, Vec<_>) = policies.into_iter().partition(|(policy, _)| policy.names.is_some());
    let mut merged: Vec<(Policy, T)> = Vec::new();
    let mut index: HashMap<Option<Vec<Arc<str>>>, usize> = HashMap::new();
    for (policy, extra) in named.into_iter().chain(rest) {
        match index.get(&policy.names) {
            Some(at) => merge(&mut merged[*at].0, policy, problems),
            None => {
                index.insert(policy.names.clone(), merged.len());
                merged.push((policy, extra));
            }
        }
    }
    let mut out: Vec<(Policy, T)> = Vec::new();
    for (policy, extra) in merged {
        if let Some((last, _)) = out.last_mut()
            && set_the_same(last, &policy)
            && let Some(names) = &policy.names
            && let Some(before) = &mut last.names
        {
            before.extend(names.iter().cloned());
            continue;
        }
        out.push((policy, extra));
    }
    out
}

/// Puts a policy for the same names into another. What both set must be the same.
fn merge(into: &mut Policy, other: Policy, problems: &mut Vec<Problem>) {
    let mut conflict = |what: &str, mine: Option<&Token>, theirs: Option<&Token>| {
        let (Some(mine), Some(theirs)) = (mine, theirs) else { return };
        let problem = Problem::new("tls-policy-conflict", theirs.span).with("name", what);
        problems.push(problem.related(mine.span, "set here already"));
    };
    let (mine, theirs) = (&into.settings, &other.settings);
    let words = |list: &Option<List>| {
        list.as_ref().map(|list| list.words.iter().map(|one| one.text.clone()).collect::<Vec<_>>())
    };
    let first = |list: &Option<List>| list.as_ref().and_then(|list| list.words.first().cloned());
    for (what, one, two) in [
        ("alpn", &mine.alpn, &theirs.alpn),
        ("ciphers", &mine.ciphers, &theirs.ciphers),
        ("curves", &mine.groups, &theirs.groups),
    ] {
        if one.is_some() && two.is_some() && words(one) != words(two) {
            conflict(what, first(one).as_ref(), first(two).as_ref());
        }
    }
    for (one, two) in [(&mine.oldest, &theirs.oldest), (&mine.newest, &theirs.newest)] {
        if one.as_ref().zip(two.as_ref()).is_some_and(|(one, two)| one.text != two.text) {
            conflict("protocols", one.as_ref(), two.as_ref());
        }
    }
    if let (None, Some(client)) = (&mine.client, &theirs.client) {
        let problem = Problem::new("tls-policy-conflict", client.at).with("name", "client_auth");
        problems.push(problem);
    }
    let mine = &mut into.settings;
    mine.alpn = mine.alpn.take().or(other.settings.alpn);
    mine.ciphers = mine.ciphers.take().or(other.settings.ciphers);
    mine.groups = mine.groups.take().or(other.settings.groups);
    mine.oldest = mine.oldest.take().or(other.settings.oldest);
    mine.newest = mine.newest.take().or(other.settings.newest);
    mine.client = mine.client.take().or(other.settings.client);
    mine.secrets_log = mine.secrets_log.take().or(other.settings.secrets_log);
    into.default_sni = into.default_sni.take().or(other.default_sni);
    into.fallback_sni = into.fallback_sni.take().or(other.fallback_sni);
    match (&mut into.choice, other.choice) {
        (Some(mine), Some(theirs)) => {
            let new = theirs.any_tag.into_iter().filter(|tag| !mine.any_tag.contains(tag)).collect::<Vec<_>>();
            mine.any_tag.extend(new);
        }
        (mine @ None, theirs) => *mine = theirs,
        (Some(_), None) => {}
    }
}

/// Policies of one server by the names that they match.
pub struct Policies<'p> {
    pub all: &'p [Policy],
    by_name: HashMap<&'p str, usize>,
    catch_all: Option<usize>,
    conditional: bool,
}

/// The policy of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Chosen {
    /// This one.
    Policy(usize),
    /// None: the handshake fails.
    Nothing,
    /// It hangs on more than the name.
    Unknown,
}

impl<'p> Policies<'p> {
    pub fn new(all: &'p [Policy]) -> Self {
        let mut policies = Policies { all, by_name: HashMap::new(), catch_all: None, conditional: false };
        for (at, policy) in all.iter().enumerate() {
            policies.conditional |= policy.is_conditional;
            match &policy.names {
                Some(names) => {
                    for one in names {
                        policies.by_name.entry(one).or_insert(at);
                    }
                }
                None => policies.catch_all = policies.catch_all.or(Some(at)),
            }
        }
        policies
    }

    /// The policy for a name; the empty name is that of clients that send none.
    pub fn find(&self, name: &str) -> Chosen {
        let exact = self.by_name.get(name).copied();
        let mut found = if self.all.len() > INDEXED { exact } else { None };
        if found.is_none() {
            let wild = name::candidates(name).skip(1).filter_map(|one| self.by_name.get(one.as_str()).copied());
            found = exact.into_iter().chain(wild).chain(self.catch_all).min();
        }
        let before = found.unwrap_or(self.all.len());
        if self.conditional && self.all[..self.all.len().min(before + 1)].iter().any(|one| one.is_conditional) {
            return Chosen::Unknown;
        }
        found.map_or(Chosen::Nothing, Chosen::Policy)
    }
}
