//! Files of sites that are walked side by side say what they would say one after another: which of them checks a snippet that
//! several include is the first in reading order, and where a limit is hit they are walked again, in order.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use foldhash::{HashMap, HashSet};
use rayon::prelude::*;

use super::{Collected, Context, IncludePath, Lowering, Scope, Service};

/// A file in a context: its directives are held against the table once.
pub(super) type Checked = (usize, Context);

/// How a part of the configuration is walked.
#[derive(Default)]
pub(super) enum Turn {
    /// In reading order.
    #[default]
    InOrder,
    /// Beside others: which files it met, and whether it was the one to check them.
    Beside(HashMap<Checked, bool>),
    /// Again: the files that are its own to check. Nothing is counted twice.
    Again(HashSet<Checked>),
}

/// What was counted so far; each count is held against its limit.
#[derive(Default)]
pub(super) struct Counts {
    /// Included files, unreadable ones too.
    inclusions: AtomicUsize,
    /// Words that were looked at, those of a file as often as it is included.
    words: AtomicUsize,
    /// Directives that were held against others of their block.
    compared: AtomicUsize,
    /// Whether a limit was hit.
    is_hit: AtomicBool,
}

impl Counts {
    /// Adds to a count; false where that makes too many.
    fn add(&self, count: &AtomicUsize, more: usize, limit: usize) -> bool {
        let is_within = count.fetch_add(more, Ordering::Relaxed).saturating_add(more) <= limit;
        if !is_within {
            self.is_hit.store(true, Ordering::Relaxed);
        }
        is_within
    }

    fn all(&self) -> [usize; 3] {
        [&self.inclusions, &self.words, &self.compared].map(|count| count.load(Ordering::Relaxed))
    }

    fn set(&self, all: [usize; 3]) {
        for (count, before) in [&self.inclusions, &self.words, &self.compared].into_iter().zip(all) {
            count.store(before, Ordering::Relaxed);
        }
    }
}

/// Files that an `include` leads to, each with the way to it.
pub(super) type Entered = [(usize, IncludePath)];

impl Lowering<'_> {
    /// Counts files that are included; false where there are too many.
    pub(super) fn count_inclusions(&self, more: usize, turn: &Turn) -> bool {
        let counts = &self.counts;
        matches!(turn, Turn::Again(_)) || counts.add(&counts.inclusions, more, self.limits.includes)
    }

    /// Counts words that are looked at; false where there are too many.
    pub(super) fn count_words(&self, more: usize, turn: &Turn) -> bool {
        let counts = &self.counts;
        matches!(turn, Turn::Again(_)) || counts.add(&counts.words, more, self.limits.words_again())
    }

    /// Counts a directive that is held against others; false where there are too many.
    pub(super) fn count_compared(&self, turn: &Turn) -> bool {
        let counts = &self.counts;
        matches!(turn, Turn::Again(_)) || counts.add(&counts.compared, 1, self.limits.words_again().saturating_add(1))
    }

    /// Whether what is walked will be walked again in order, so that no more need be looked at.
    pub(super) fn is_in_vain(&self, turn: &Turn) -> bool {
        matches!(turn, Turn::Beside(_)) && self.counts.is_hit.load(Ordering::Relaxed)
    }

    /// Whether the directives of a file are to be held against the table here.
    pub(super) fn is_to_check(&self, file: usize, context: Context, turn: &mut Turn) -> bool {
        let key = (file, context);
        let claim = || self.checked.lock().map(|mut seen| seen.insert(key)).unwrap_or(true);
        match turn {
            Turn::InOrder => claim(),
            Turn::Beside(met) if met.contains_key(&key) => false,
            Turn::Beside(met) => {
                let is_own = claim();
                met.insert(key, is_own);
                is_own
            }
            Turn::Again(own) => own.remove(&key),
        }
    }

    /// Walks files of sites, each for itself, and puts together in order what they say. False where a limit was hit: then
    /// nothing has changed, and they are to be walked one after another.
    pub(super) fn beside(&self, files: &Entered, context: Context, out: &mut Collected) -> bool {
        let before = self.counts.all();
        self.counts.is_hit.store(false, Ordering::Relaxed);
        let walk = |(file, way): &(usize, IncludePath), turn: Turn| {
            let mut part = Collected { turn, ..Collected::default() };
            self.file(*file, context, way, &mut part, &mut Scope::Section(Service::Http));
            part
        };
        let mut parts: Vec<Collected> =
            files.par_iter().map(|one| walk(one, Turn::Beside(HashMap::default()))).collect();
        let met: Vec<HashMap<Checked, bool>> = parts.iter_mut().map(|part| part.turn.take_met()).collect();
        if self.counts.is_hit.load(Ordering::Relaxed) {
            self.counts.set(before);
            if let Ok(mut checked) = self.checked.lock() {
                for (key, _) in met.iter().flatten().filter(|(_, is_own)| **is_own) {
                    checked.remove(key);
                }
            }
            return false;
        }
        let again: Vec<(usize, Collected)> =
            misplaced(&met).into_par_iter().map(|(part, own)| (part, walk(&files[part], Turn::Again(own)))).collect();
        for (part, collected) in again {
            parts[part] = collected;
        }
        parts.into_iter().for_each(|part| out.append(part));
        true
    }
}

impl Turn {
    /// The files that were met beside others.
    fn take_met(&mut self) -> HashMap<Checked, bool> {
        match std::mem::take(self) {
            Turn::Beside(met) => met,
            Turn::InOrder | Turn::Again(_) => HashMap::default(),
        }
    }
}

/// The parts that checked what an earlier one meets first, and these earlier ones; each with all that is its own to check.
fn misplaced(met: &[HashMap<Checked, bool>]) -> Vec<(usize, HashSet<Checked>)> {
    // Absent for the last while nobody is known to have checked it: it was checked before.
    let mut first: HashMap<Checked, (usize, Option<usize>)> = HashMap::default();
    for (part, met) in met.iter().enumerate() {
        for (key, is_own) in met {
            let (_, checker) = first.entry(*key).or_insert((part, None));
            *checker = checker.or(is_own.then_some(part));
        }
    }
    let wrong = first.values().filter_map(|(first, checker)| Some((*first, (*checker)?)));
    let wrong: HashSet<usize> =
        wrong.filter(|(first, checker)| first != checker).flat_map(<[usize; 2]>::from).collect();
    let mut parts: Vec<usize> = wrong.into_iter().collect();
    parts.sort_unstable();
    let is_own = |part: usize, key: &Checked| first.get(key).is_some_and(|(one, by)| *one == part && by.is_some());
    let own = |part: usize| met[part].keys().filter(|key| is_own(part, key)).copied().collect();
    parts.into_iter().map(|part| (part, own(part))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_in_reading_order_checks() {
        let key = |file: usize| (file, Context::Server);
        let met = |all: &[(usize, bool)]| all.iter().map(|(file, is_own)| (key(*file), *is_own)).collect();
        let parts =
            [met(&[(1, true), (9, false)]), met(&[(2, true), (7, false)]), met(&[(3, true)]), met(&[(7, true)])];
        let found = misplaced(&parts);
        assert_eq!(found.iter().map(|(part, _)| *part).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(found[0].1, [key(2), key(7)].into_iter().collect());
        assert!(found[1].1.is_empty());
    }
}
