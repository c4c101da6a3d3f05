//! The folders whose files a server block gives, and which locations stand before them.
//!
//! Source: nginx 1.22.1, `ngx_http_core_find_location` (an exact path, else the longest beginning, unless an expression fits
//! first), `ngx_http_core_merge_loc_conf` (an inner folder replaces that of the places around).

use std::path::PathBuf;
use std::sync::Arc;

use super::Lowering;
use super::place::{Kind, Place};
use super::setting::{self, DirectiveRef};
use crate::model::{AccessRule, Condition, DocumentRoot, MatchTarget, Token};

/// What one place says.
#[derive(Clone, Debug, Default)]
pub struct Level {
    /// The folder: known, or one that hangs on a variable.
    folder: Option<Box<Folder>>,
    /// The requests that a location takes.
    takes: Option<Taken>,
}

#[derive(Clone, Debug)]
struct Folder {
    /// Absent where it hangs on a variable.
    known: Option<(Token, PathBuf)>,
    /// Whether it stands for the location's path (`alias`).
    is_alias: bool,
}

/// How a location takes requests; in the order in which later ones win.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Taken {
    /// `location /path`, the longest wins.
    Begins(usize, Arc<str>),
    /// `location ~ expression`, the first wins.
    Fits(Arc<str>),
    /// `location ^~ /path`
    Firmly(usize, Arc<str>),
    /// `location = /path`
    Is(Arc<str>),
    /// `if ($uri ~ expression)`, which comes before all.
    If(Arc<str>),
}

impl Level {
    /// What the head of a block says.
    pub fn of(said: &DirectiveRef<'_>) -> Level {
        let text = |word| said.text(word);
        let fits = |expression: &str, ignores_case: bool| -> Arc<str> {
            if ignores_case { format!("(?i){expression}").into() } else { expression.into() }
        };
        let takes = match (said.name, said.words) {
            (b"location", [path]) => {
                let path = text(path);
                (!path.starts_with('@')).then(|| Taken::Begins(path.len(), path.into()))
            }
            (b"location", [modifier, path]) => {
                let path = text(path);
                match &*text(modifier) {
                    "=" => Some(Taken::Is(path.into())),
                    "^~" => Some(Taken::Firmly(path.len(), path.into())),
                    "~" => Some(Taken::Fits(fits(&path, false))),
                    "~*" => Some(Taken::Fits(fits(&path, true))),
                    _ => None,
                }
            }
            (b"if", [variable, operator, expression]) => {
                let variable = text(variable);
                let is_path = matches!(&*variable, "($uri" | "($request_uri" | "($document_uri" | "($request_filename");
                let expression = text(expression);
                let expression = expression.strip_suffix(')').unwrap_or(&expression);
                match &*text(operator) {
                    "~" if is_path => Some(Taken::If(fits(expression, false))),
                    "~*" if is_path => Some(Taken::If(fits(expression, true))),
                    _ => None,
                }
            }
            _ => None,
        };
        Level { folder: None, takes }
    }

    /// Takes a directive.
    pub fn read(&mut self, lowering: &Lowering<'_>, said: &DirectiveRef<'_>) {
        if matches!(said.name, b"root" | b"alias") {
            let has_variable = said.first().text.contains('$');
            let known = setting::file(lowering, said).get().filter(|_| !has_variable).cloned();
            self.folder = Some(Box::new(Folder { known, is_alias: said.name == b"alias" }));
        }
    }

    /// Adds what another text says in the same place; the first stays.
    pub fn absorb(&mut self, other: Level) {
        self.folder = self.folder.take().or(other.folder);
    }
}

/// The folders of a server block; `outer` is what stands around it.
pub fn build(places: &[Place], outer: &Level) -> Vec<DocumentRoot> {
    if places[0].answer.returns() {
        return Vec::new();
    }
    let mut found: Vec<DocumentRoot> = Vec::new();
    for (place, one) in places.iter().enumerate() {
        let is_served = match one.kind {
            Kind::Server => true,
            Kind::Location { is_named, .. } => !is_named,
            Kind::Proof => true,
            Kind::Condition => false,
        };
        let Some(folder) = folder(places, place, outer).filter(|_| is_served && gives(places, place)) else { continue };
        let Some((token, path)) = &folder.known else { continue };
        let prefix: Arc<str> = match (folder.is_alias, &one.files.takes) {
            (false, _) => "".into(),
            (true, Some(Taken::Begins(_, path) | Taken::Firmly(_, path))) => path.trim_end_matches('/').into(),
            (true, _) => continue,
        };
        if found.iter().any(|other| other.token.span == token.span && other.prefix == prefix) {
            continue;
        }
        let mut gates = Vec::new();
        // Requests that no location takes are those of the server block.
        gates.push(AccessRule { takes: Vec::new(), is_open: leads(places, 0, outer, token) });
        inside(places, 0, outer, token, &[], &mut gates);
        found.push(DocumentRoot { token: token.clone(), path: path.clone(), prefix, gates: gates.into() });
    }
    found
}

/// The gates in a place, each before those that win over it.
fn inside(
    places: &[Place],
    around: usize,
    outer: &Level,
    token: &Token,
    conditions: &[Condition],
    gates: &mut Vec<AccessRule>,
) {
    let inner = places.iter().enumerate().filter(|(_, one)| one.parent == Some(around));
    let mut inner: Vec<(&Taken, usize)> =
        inner.filter_map(|(at, one)| one.files.takes.as_ref().map(|takes| (takes, at))).collect();
    // The first of several expressions wins, the last of all others.
    let class = |takes: &Taken| match takes {
        Taken::Begins(length, _) => (0, *length),
        Taken::Fits(_) => (1, 0),
        Taken::Firmly(length, _) => (2, *length),
        Taken::Is(_) => (3, 0),
        Taken::If(_) => (4, 0),
    };
    inner.sort_by_key(|(takes, at)| (class(takes), std::cmp::Reverse(*at)));
    for (takes, at) in inner {
        let condition = match takes {
            Taken::Begins(_, path) | Taken::Firmly(_, path) => Condition::Begins(Arc::clone(path)),
            Taken::Is(path) => Condition::Is(Arc::clone(path)),
            Taken::Fits(expression) | Taken::If(expression) => {
                Condition::Fits(MatchTarget::Request, Arc::clone(expression))
            }
        };
        if matches!(takes, Taken::If(_)) && places[at].answer.gives_files() {
            continue;
        }
        let conditions: Vec<Condition> = conditions.iter().cloned().chain([condition]).collect();
        gates.push(AccessRule { takes: conditions.clone(), is_open: leads(places, at, outer, token) });
        inside(places, at, outer, token, &conditions, gates);
    }
}

/// Whether requests in a place are given files of the folder that a word names.
fn leads(places: &[Place], place: usize, outer: &Level, token: &Token) -> bool {
    let known = folder(places, place, outer).and_then(|folder| folder.known.as_ref());
    gives(places, place) && known.is_some_and(|(other, _)| other.span == token.span)
}

/// Whether requests in a place are given files at all.
fn gives(places: &[Place], place: usize) -> bool {
    let mut around = std::iter::successors(Some(place), |at| places[*at].parent);
    around.all(|at| places[at].answer.gives_files())
}

fn folder<'p>(places: &'p [Place], place: usize, outer: &'p Level) -> Option<&'p Folder> {
    let mut around = std::iter::successors(Some(place), |at| places[*at].parent);
    around.find_map(|at| places[at].files.folder.as_deref()).or(outer.folder.as_deref())
}
