//! The blocks of a server that requests come to: the server itself, its locations, its conditions.

use super::answer;
use super::setting::DirectiveRef;
use super::upstream::{self, Pass};
use super::webroot;
use crate::source::Span;

/// What kind of block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// The server.
    #[default]
    Server,
    /// `location`
    Location {
        /// Whether it takes every path that no other takes.
        is_whole: bool,
        /// Whether only the configuration leads there (`@name`).
        is_named: bool,
    },
    /// A location where certificate authorities look for proofs.
    Proof,
    /// `if`, `limit_except`
    Condition,
}

/// A block that requests come to.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The place around it, by its position in the list.
    pub parent: Option<usize>,
    /// What kind of block it is.
    pub kind: Kind,
    /// Its words up to the brace; absent for the server.
    pub head: Option<Span>,
    /// How TLS is spoken with servers that requests are sent on to.
    pub levels: upstream::Levels,
    /// Where requests are sent on to by TLS or may be.
    pub passes: Vec<Pass>,
    /// What requests get.
    pub answer: answer::Level,
    /// What files they get.
    pub files: webroot::Level,
}

impl Place {
    /// A block inside another.
    pub fn inside(parent: usize, said: &DirectiveRef<'_>) -> Place {
        let head = (!said.words.is_empty()).then(|| said.span());
        let files = webroot::Level::of(said);
        let mut place = Place { parent: Some(parent), kind: kind(said), head, files, ..Place::default() };
        let is_early = |one: &crate::server::nginx::syntax::Word| said.text(one).contains("$ssl_early_data");
        if place.kind == Kind::Condition && said.words.iter().any(is_early) {
            place.answer.heeds_early_data();
        }
        place
    }

    /// Takes a directive.
    pub fn read(&mut self, lowering: &super::Lowering<'_>, said: &DirectiveRef<'_>) {
        upstream::read(lowering, said, self);
        self.answer.read(said);
        self.files.read(lowering, said);
    }
}

fn kind(said: &DirectiveRef<'_>) -> Kind {
    if said.name != b"location" {
        return Kind::Condition;
    }
    let (modifier, path) = match said.words {
        [] => ("".into(), "".into()),
        [path] => ("".into(), said.text(path)),
        [modifier, .., path] => (said.text(modifier), said.text(path)),
    };
    if path.contains("well-known") && (path.contains("acme") || path.contains("pki-validation")) {
        return Kind::Proof;
    }
    let is_whole = match &*modifier {
        "" | "^~" => path == "/",
        "~" | "~*" => matches!(&*path, "/" | "^/" | ".*" | "^/.*" | "(.*)" | ".*$" | "^/(.*)$" | "^/.*$"),
        _ => false,
    };
    Kind::Location { is_whole, is_named: path.starts_with('@') }
}
