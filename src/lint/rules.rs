//! All rules of a run: those of the table and the user's own.

use std::fmt;
use std::sync::Arc;

use super::{Rule, checks, find};
use crate::diagnostic::spelling;

/// The rules of a run.
#[derive(Clone, Default)]
pub struct Rules {
    own: Arc<Vec<Rule>>,
}

impl Rules {
    /// The table with rules of the user's own, each under a name that is no other's.
    pub fn with(own: Vec<Rule>) -> Self {
        Rules { own: Arc::new(own) }
    }

    /// All: the table's first, then the user's own.
    pub fn all(&self) -> impl Iterator<Item = &Rule> {
        checks::RULES.iter().chain(self.own.iter())
    }

    /// The user's own.
    pub fn own(&self) -> &[Rule] {
        &self.own
    }

    /// The rule of a name or of a former name.
    pub fn find(&self, name: &str) -> Option<&Rule> {
        find(name).or_else(|| self.own.iter().find(|rule| rule.name == name))
    }

    /// The rule whose name is most like a name that is none.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        let own = spelling::nearest(name, self.own.iter().map(|rule| &*rule.name), 4).map(|(one, _)| one);
        own.or_else(|| super::nearest(name))
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.own.iter().map(|rule| &rule.name)).finish()
    }
}
