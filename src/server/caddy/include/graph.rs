//! Who imports whom, to find circles as Caddy does: a file or snippet may not lead back to itself.

use std::collections::HashMap;

/// Imports between files and snippets, which are numbered as they are met.
#[derive(Default)]
pub struct Graph {
    names: HashMap<(u32, Option<std::sync::Arc<str>>), usize>,
    edges: Vec<Vec<usize>>,
}

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
        if self.edges[from].last() == Some(&to) || self.edges[from].contains(&to) {
            return true;
        }
        if self.leads(to, from) {
            return false;
        }
        self.edges[from].push(to);
        true
    }

    fn leads(&self, from: usize, to: usize) -> bool {
        let mut seen = std::collections::HashSet::new();
        let mut open = vec![from];
        while let Some(node) = open.pop() {
            if node == to {
                return true;
            }
            open.extend(self.edges[node].iter().filter(|next| seen.insert(**next)));
        }
        false
    }
}
