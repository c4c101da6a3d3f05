//! Who answers to a name: its own block, another one, or nobody.

use super::drift::{Drift, Effect, Kind};
use super::probe::{Names, Probe};
use super::side::{Answer, ServerSide};
use crate::model::{Endpoint, Site, SiteId};

/// How many other names of a block are looked up to tell whether it is still there.
const OTHERS: usize = 50;

/// One address on both sides.
pub struct Sockets<'a, 's> {
    /// The old side.
    pub old: &'s ServerSide<'a>,
    /// The new side.
    pub new: &'s ServerSide<'a>,
    /// Its socket.
    pub old_socket: &'a Endpoint,
    /// Its socket.
    pub new_socket: &'a Endpoint,
}

impl Sockets<'_, '_> {
    /// What became of a name, where who answers to it has changed.
    pub fn name(&self, probe: &Probe) -> Option<Drift> {
        let was = self.old.answer(self.old_socket, &probe.name);
        let is = self.new.answer(self.new_socket, &probe.name);
        let old_word = |site: SiteId| Some(self.old.word(site, &probe.name));
        let new_word = |site: SiteId| Some(self.new.word(site, &probe.name));
        let drift = match (was, is) {
            (Answer::Named(before), Answer::Default(now)) => {
                let words =
                    format!("{} is no longer named: who asks for it gets {}", probe.shown, self.new.called(now.site));
                Drift::new(Kind::NameLost, Effect::Worse, words)
                    .at(old_word(before.site), Some(self.new.site(now.site).head))
            }
            (Answer::Named(before), Answer::Nobody) => {
                let words = format!("{} is no longer named: who asks for it is refused", probe.shown);
                Drift::new(Kind::NameLost, Effect::Worse, words)
                    .at(old_word(before.site), self.new.listen(self.new_socket))
            }
            (Answer::Default(before), Answer::Named(now)) => {
                let words =
                    format!("{} is named now: who asked for it got {}", probe.shown, self.old.called(before.site));
                Drift::new(Kind::NameGained, Effect::Better, words)
                    .at(Some(self.old.site(before.site).head), new_word(now.site))
            }
            (Answer::Nobody, Answer::Named(now)) => {
                let words = format!("{} is named now: who asked for it was refused", probe.shown);
                Drift::new(Kind::NameGained, Effect::Better, words)
                    .at(self.old.listen(self.old_socket), new_word(now.site))
            }
            (Answer::Named(before), Answer::Named(now)) if self.is_another(probe, before.site, now.site) => {
                let words = format!(
                    "{} is answered by the block of {}; before by that of {}",
                    probe.shown,
                    self.new.called(now.site),
                    self.old.called(before.site)
                );
                Drift::new(Kind::AnsweredByAnotherBlock, Effect::Worse, words)
                    .at(old_word(before.site), new_word(now.site))
            }
            _ => return None,
        };
        Some(drift.host(&*probe.shown))
    }

    /// What became of names that nobody has and of clients that say none.
    pub fn default(&self) -> Option<Drift> {
        let was = self.old.answer(self.old_socket, super::probe::UNKNOWN);
        let is = self.new.answer(self.new_socket, super::probe::UNKNOWN);
        let refuses = |answer: Answer<'_>| match answer {
            Answer::Named(binding) | Answer::Default(binding) => Some(binding.rejects),
            Answer::Nobody => Some(true),
            Answer::Unknown => None,
        };
        let old_at = was.binding().map(|one| self.old.site(one.site).head).or(self.old.listen(self.old_socket));
        let new_at = is.binding().map(|one| self.new.site(one.site).head).or(self.new.listen(self.new_socket));
        let drift = match (refuses(was)?, refuses(is)?) {
            (false, true) => {
                let words = "clients that ask for a name which no site has are refused now, instead of being shown a certificate";
                Drift::new(Kind::DefaultChanged, Effect::Better, words)
            }
            (true, false) => {
                let words =
                    "clients that ask for a name which no site has were refused, and are shown a certificate now";
                Drift::new(Kind::DefaultChanged, Effect::Worse, words)
            }
            (true, true) => return None,
            (false, false) => {
                let (before, now) = (was.binding()?, is.binding()?);
                if !self.is_another_default(before.site, now.site) {
                    return None;
                }
                let words = format!(
                    "clients that ask for a name which no site has, or for none, get {}; before {}",
                    self.new.called(now.site),
                    self.old.called(before.site)
                );
                Drift::new(Kind::DefaultChanged, Effect::Neutral, words)
            }
        };
        Some(drift.at(old_at, new_at))
    }

    /// Whether the block that answers now was there for others before, while the one that answered is there for others now.
    fn is_another(&self, probe: &Probe, before: SiteId, now: SiteId) -> bool {
        let (old, new) = (self.old.site(before), self.new.site(now));
        let went = self.elsewhere(old, probe, |name| self.new.answer(self.new_socket, name), now);
        let came = self.elsewhere(new, probe, |name| self.old.answer(self.old_socket, name), before);
        let says = |site: &Site| site.names.iter().any(|one| *one.token.text == *probe.name);
        match (went, came) {
            (Others::Elsewhere, Others::Elsewhere) => true,
            // A block is gone, and a wildcard takes what it had.
            (_, Others::Elsewhere) => says(old) && !says(new),
            // A wildcard had what a block of its own has now.
            (Others::Elsewhere, Others::None) => says(old) && !says(new),
            _ => false,
        }
    }

    fn is_another_default(&self, before: SiteId, now: SiteId) -> bool {
        let nobody = Probe { name: String::new(), shown: String::new() };
        let (old, new) = (self.old.site(before), self.new.site(now));
        let went = self.elsewhere(old, &nobody, |name| self.new.answer(self.new_socket, name), now);
        let came = self.elsewhere(new, &nobody, |name| self.old.answer(self.old_socket, name), before);
        matches!((went, came), (Others::Elsewhere, _) | (_, Others::Elsewhere))
    }

    /// Where the other names of a block are answered on the other side: there, by the block `there`, or by others.
    fn elsewhere<'x>(&self, site: &Site, probe: &Probe, answer: impl Fn(&str) -> Answer<'x>, there: SiteId) -> Others {
        let names = site.names.iter().flat_map(super::probe::probes).filter(|other| other.name != probe.name);
        let mut found = Others::None;
        for other in names.take(OTHERS) {
            match answer(&other.name) {
                Answer::Named(binding) if binding.site == there => return Others::There,
                Answer::Named(_) => found = Others::Elsewhere,
                _ => {}
            }
        }
        found
    }
}

/// Where the other names of a block are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Others {
    /// It has none, or they are gone.
    None,
    /// In the block in question.
    There,
    /// In other blocks.
    Elsewhere,
}

/// Patterns that only one side has: which names they take is not known.
pub fn patterns(old: Option<&Names<'_>>, new: Option<&Names<'_>>) -> Vec<Drift> {
    let (Some(old), Some(new)) = (old, new) else { return Vec::new() };
    let lost = old.patterns.iter().filter(|(text, _)| !new.patterns.contains_key(*text)).map(|(text, (_, token))| {
        let words = format!("the pattern {text} is gone: which names it took cannot be told");
        Drift::new(Kind::NameLost, Effect::Unknown, words).at(Some(token.span), None).host(&**text)
    });
    let gained = new.patterns.iter().filter(|(text, _)| !old.patterns.contains_key(*text)).map(|(text, (_, token))| {
        let words = format!("the pattern {text} is new: which names it takes cannot be told");
        Drift::new(Kind::NameGained, Effect::Unknown, words).at(None, Some(token.span)).host(&**text)
    });
    lost.chain(gained).collect()
}

/// Regular expressions that only one side has, and that a name was made of: how far others of their names fare alike is not known.
pub fn sampled(old: Option<&Names<'_>>, new: Option<&Names<'_>>) -> Vec<(&'static str, String, Option<String>)> {
    let (Some(old), Some(new)) = (old, new) else { return Vec::new() };
    let only = |one: &Names<'_>, other: &Names<'_>, what: &str| -> Vec<(&'static str, String, Option<String>)> {
        let changed = one.sampled.iter().filter(|(text, _)| !other.sampled.contains_key(*text));
        let told = changed.map(|(text, name)| {
            let words = format!("the pattern is {what}: of the names that it takes, only {name} was compared");
            ("server name", words, Some(text.to_string()))
        });
        told.collect()
    };
    [only(old, new, "gone"), only(new, old, "new")].concat()
}
