//! Directives that stand twice in one block of several files: nginx puts what is included in the place of the `include`.

use std::collections::hash_map::Entry;

use foldhash::{HashMap, HashSet};

use super::super::include::{Included, LoadedFile};
use super::turn::Turn;
use super::{IncludePath, Lowering};
use crate::diagnostic::Problem;
use crate::server::nginx::directives::{self, Reader};
use crate::source::Span;

/// A block that is looked through, with the files that stand in it.
struct Block<'a> {
    reader: Reader,
    /// The first of each directive: its file, by its address, and its place.
    first: HashMap<&'a [u8], (*const LoadedFile, Span)>,
    /// Files that were looked through here.
    seen: HashSet<usize>,
    /// Files that are open around it.
    around: &'a [usize],
    problems: Vec<Problem>,
    /// How the block is walked.
    turn: &'a Turn,
}

impl<'a> Lowering<'a> {
    /// Tells of directives that stand twice in one block by way of an `include`. Those of one file the check of that file
    /// tells of.
    pub(super) fn duplicates(
        &self,
        file: &'a LoadedFile,
        all: &[usize],
        reader: Reader,
        way: &IncludePath,
        turn: &Turn,
    ) -> Vec<Problem> {
        if !all.iter().any(|index| file.includes.contains_key(index)) {
            return Vec::new();
        }
        let seen: HashSet<usize> = way.files.iter().copied().collect();
        let (first, problems) = (HashMap::default(), Vec::new());
        let mut block = Block { reader, first, seen, around: &way.files, problems, turn };
        self.look(file, all.iter().copied(), &mut block, 0);
        block.problems
    }

    fn look(&self, file: &'a LoadedFile, all: impl Iterator<Item = usize>, block: &mut Block<'a>, depth: usize) {
        for index in all {
            // As in lowering, a file counts as often as it is included; beyond the limit lowering says so.
            if !self.count_compared(block.turn) {
                return;
            }
            let name = file.tree().name(index, &file.bytes);
            if name == b"include" {
                if let Some(Included::Files(targets)) = file.includes.get(&index) {
                    for target in targets.iter().flatten() {
                        let inner = &self.loaded.files[*target];
                        if inner.has_sites_alone || self.is_template(inner) || depth >= self.limits.include_depth {
                            continue;
                        }
                        if block.seen.insert(*target) {
                            self.look(inner, inner.tree().roots(), block, depth + 1);
                        } else if !block.around.contains(target) {
                            block.again(file, index, inner);
                        }
                    }
                }
                continue;
            }
            if !directives::stands_once(name, block.reader) {
                continue;
            }
            let at = file.tree().words[file.tree().directives[index].first_word as usize].span(file.id);
            match block.first.entry(name) {
                Entry::Vacant(entry) => {
                    entry.insert((file, at));
                }
                Entry::Occupied(entry) if std::ptr::eq(entry.get().0, file) => {}
                Entry::Occupied(entry) => {
                    let problem = Problem::new("directive-duplicate", at).with("name", String::from_utf8_lossy(name));
                    block.problems.push(problem.related(entry.get().1, "first here"));
                }
            }
        }
    }
}

impl Block<'_> {
    /// Tells of a file that is included once more, where it says something that may stand once.
    fn again(&mut self, file: &LoadedFile, include: usize, inner: &LoadedFile) {
        let name = |index: &usize| inner.tree().name(*index, &inner.bytes);
        let once = inner.tree().roots().find(|index| directives::stands_once(name(index), self.reader));
        let Some((once, word)) = once.zip(file.tree().args(include).first()) else { return };
        let at = inner.tree().words[inner.tree().directives[once].first_word as usize].span(inner.id);
        let problem = Problem::new("directive-duplicate", word.span(file.id)).case("included-again");
        self.problems.push(problem.with("name", String::from_utf8_lossy(name(&once))).related(at, "in this file"));
    }
}
