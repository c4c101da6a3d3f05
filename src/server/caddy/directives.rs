//! What Caddy knows by name, where, and since when: directives, global options and the words inside those that TLS hangs on.
//!
//! What is wrong with the arguments of one is told where its meaning is read. The tables are `rules/caddy/*.tsv`.

mod argument;
mod table;

pub use self::table::{Place, field, find, is_inner, names, plugin};
use foldhash::HashSet;

use super::include::Reading;
use super::syntax::{Node, Section, Word};
use crate::diagnostic::{Edit, Fix, Problem, Safety, Severity, spelling};
use crate::platform::Version;
use crate::source::Span;

/// Directives whose block holds directives again.
const HOLDERS: &[&str] = &["handle", "handle_path", "handle_errors", "route", "handle_response"];

/// A word that only a later release knows.
pub fn too_new(at: Span, what: &str, since: &str, version: Version, is_assumed: bool) -> Problem {
    let problem = Problem::new("directive-unknown-in-version", at)
        .case(if is_assumed { "assumed" } else { "" })
        .with("name", what.trim_matches('`'))
        .with("first", since);
    problem.with("version", version.to_string())
}

/// Whether what could not be imported was rather meant as a snippet: it has no dot and no slash.
pub fn is_snippet_like(text: &str) -> bool {
    !text.contains(['.', '/'])
}

/// Holds a word against the table of its place. Absent where it may stand there.
pub fn check(reading: &Reading<'_>, place: Place, word: &Word) -> Option<Problem> {
    if word.is_open() {
        return None;
    }
    let name = &*word.text;
    let Some(entry) = find(place, name) else { return Some(unknown(place, word)) };
    let version = reading.version;
    if let Some(first) = entry.first.filter(|first| version < *first) {
        return Some(too_new(word.span, name, &first.to_string(), version, reading.version_is_assumed));
    }
    let last = entry.last.filter(|last| version > *last)?;
    let problem = Problem::new("directive-removed", word.span)
        .case(if reading.version_is_assumed { "assumed" } else { "" })
        .with("name", name)
        .with("last", last.to_string());
    Some(problem.with("version", version.to_string()))
}

fn unknown(place: Place, word: &Word) -> Problem {
    let name = &*word.text;
    let problem = Problem::new("unknown-directive", word.span).with("name", name).with("place", place.name());
    if let Some(brings) = plugin(place, name) {
        return problem.case("plugin").with("plugin", brings).severity(Severity::Info);
    }
    let lower = name.to_ascii_lowercase();
    let Some((meant, distance)) =
        spelling::nearest(&lower, names(place), 2).filter(|(known, distance)| known.len() > 3 || *distance < 2)
    else {
        return problem.case("unknown");
    };
    let problem = problem.case("misspelt").with("meant", meant);
    if distance > 1 || !word.is_verbatim {
        return problem;
    }
    let edits = vec![Edit { span: word.span, text: meant.to_owned() }];
    problem.fix(Fix { title: format!("write `{meant}`"), safety: Safety::Safe, edits })
}

/// Holds the directives of a site, and of what nests in them, against the table. `ordered` are names that `order` tells of:
/// a plug-in brings them.
pub fn check_site(reading: &Reading<'_>, site: &Section, ordered: &HashSet<&str>, problems: &mut Vec<Problem>) {
    let defined = (!reading.fragment && !site.is_inside).then(|| argument::matchers(&site.block.nodes));
    let mut open: Vec<(&[Node], bool)> = vec![(&site.block.nodes, true)];
    while let Some((nodes, is_top)) = open.pop() {
        for node in nodes {
            let name = &*node.name.text;
            if name.starts_with('@') {
                argument::check_matcher(node, problems);
                continue;
            }
            if !is_top && matches!(name, "tls" | "bind") {
                let problem = Problem::new("directive-not-allowed-here", node.name.span).case("nested");
                problems.push(problem.with("name", name).with("context", "a block of handlers"));
                continue;
            }
            if !ordered.contains(name) {
                problems.extend(check(reading, Place::Site, &node.name).map(|problem| problem.with("braces", "")));
            }
            argument::check(reading, node, defined.as_ref(), problems);
            if HOLDERS.contains(&name) {
                open.push((node.nodes(), false));
            }
        }
    }
}
