//! Who imports whom, to find circles as Caddy does: a file or snippet may not lead back to itself.

use foldhash::{HashMap, HashSet, HashSetExt};

/// Imports between files and snippets, which are numbered as they are met.
#[derive(Default)]
pub struct Graph {
    names: HashMap<(u32, Option<std::sync::Arc<str>>), usize>,
    edges: Vec<Vec<usize>>,
    /// Pairs that were looked at before, and whether they are imports.
    known: HashMap<(usize, usize), bool>,
    /// How many steps were taken along imports.
    steps: usize,
}

/// Steps along imports that a run takes: files that all import one another have very many.
const STEPS: usize = 10_000_000;

impl Graph {
    /// The number of a file, or of a snippet in it.
    pub fn node(&mut self, file: u32, snippet: Option<&std::sync::Arc<str>>) -> usize {
        let next = self.edges.len();
        let node = *self.names.entry((file, snippet.cloned())).or_insert(next);
        if node == next {
            self.edges.push(Vec::new());
        }
        node
    }

    /// Adds an import; false where it would close a circle.
    pub fn add(&mut self, from: usize, to: usize) -> bool {
        if from == to {
            return false;
        }
        if let Some(known) = self.known.get(&(from, to)) {
            return *known;
        }
        let is_free = !self.leads(to, from);
        if is_free {
            self.edges[from].push(to);
        }
        self.known.insert((from, to), is_free);
        is_free
    }

    /// Whether more was asked than is looked for.
    pub fn is_exhausted(&self) -> bool {
        self.steps > STEPS
    }

    fn leads(&mut self, from: usize, to: usize) -> bool {
        let mut seen = HashSet::new();
        let mut open = vec![from];
        while let Some(node) = open.pop() {
            if node == to {
                return true;
            }
            self.steps += 1 + self.edges[node].len();
            open.extend(self.edges[node].iter().filter(|next| seen.insert(**next)));
        }
        false
    }
}
