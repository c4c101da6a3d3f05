//! What Caddy counts and looks up in directives that have nothing to do with TLS: a fault there keeps it from starting all the
//! same.

use foldhash::{HashSet, HashSetExt};

use super::table::{self, Place};
use crate::diagnostic::{Edit, Fix, Problem, Safety, Severity};
use crate::server::caddy::include::Reading;
use crate::server::caddy::syntax::{Node, Word};

/// Whether a word is a matcher where one may stand.
fn is_matcher(text: &str) -> bool {
    text == "*" || text.starts_with(['/', '@'])
}

/// Whether it may stand for any number of words.
fn is_elastic(word: &Word) -> bool {
    let has_brace = word.text.as_bytes().contains(&b'{');
    word.is_unknown || has_brace && (word.text.contains("{args") || word.text.contains("{block"))
}

/// Names of matchers that are defined somewhere in a site.
pub fn matchers(nodes: &[Node]) -> HashSet<&str> {
    let mut found = HashSet::new();
    let mut open = vec![nodes];
    while let Some(nodes) = open.pop() {
        for node in nodes {
            if node.name.text.starts_with('@') {
                found.insert(&*node.name.text);
            }
            open.push(node.nodes());
        }
    }
    found
}

/// Holds the arguments of a directive of a site, and the words in its block, against the tables. `defined` are the matchers of
/// the site, absent where some may stand elsewhere.
pub fn check(reading: &Reading<'_>, node: &Node, defined: Option<&HashSet<&str>>, problems: &mut Vec<Problem>) {
    let name = &*node.name.text;
    if let Some(first) = node.words.first()
        && let Some(defined) = defined
        && table::count(Place::Site, name).is_some_and(|count| count.has_matcher)
        && first.text.starts_with('@')
        && !first.is_open()
        && !defined.contains(&*first.text)
    {
        let problem = Problem::new("invalid-argument", first.span).case("matcher").with("name", &*first.text);
        problems.push(problem);
    } else {
        problems.extend(count(reading, Place::Site, node));
    }
    if let Some(place) = Place::inside(name) {
        inside(reading, node, place, problems);
    }
}

fn inside(reading: &Reading<'_>, node: &Node, place: Place, problems: &mut Vec<Problem>) {
    for inner in node.nodes() {
        let name = &*inner.name.text;
        if name.starts_with('@') || inner.name.is_open() {
            continue;
        }
        // These hand what they do not know themselves to the proxy.
        let is_proxy = matches!(place, Place::PhpFastcgi | Place::ForwardAuth) && table::find(place, name).is_none();
        let own = if is_proxy { Place::ReverseProxy } else { place };
        match super::check(reading, own, &inner.name) {
            Some(problem) => problems.push(problem),
            None => problems.extend(count(reading, own, inner)),
        }
        let transport = inner.words.first().filter(|_| own == Place::ReverseProxy && name == "transport");
        match transport.map(|word| &*word.text) {
            Some("http") => inside(reading, inner, Place::HttpTransport, problems),
            Some("fastcgi") => inside(reading, inner, Place::FastcgiTransport, problems),
            _ => {}
        }
    }
}

/// The number of arguments.
fn count(reading: &Reading<'_>, place: Place, node: &Node) -> Option<Problem> {
    let name = &*node.name.text;
    let count = table::count(place, name)?;
    if node.words.iter().any(is_elastic) {
        return None;
    }
    let first = node.words.first().filter(|word| count.has_matcher && is_matcher(&word.text));
    let is_lone = count.is_lone && node.words.len() == 1 && reading.version.at_least(2, 8, 0);
    let matcher = first.filter(|_| !is_lone);
    let given = node.words.len() - usize::from(matcher.is_some());
    if given >= count.fewest && count.most.is_none_or(|most| given <= most) {
        return None;
    }
    if let Some(word) = matcher.filter(|word| given == 0 && word.text.starts_with('/')) {
        let problem = Problem::new("invalid-argument", word.span).case("only-matcher");
        let problem = problem.with("name", name).with("value", &*word.text);
        if !word.is_verbatim {
            return Some(problem);
        }
        let edits = vec![Edit { span: word.span.part(0, 0), text: "* ".to_owned() }];
        let title = format!("write `{name} * {}`", word.text);
        return Some(problem.fix(Fix { title, safety: Safety::Safe, edits }));
    }
    let plural = |number: usize| match number {
        0 => "no argument".to_owned(),
        1 => "one argument".to_owned(),
        number => format!("{number} arguments"),
    };
    let mut wanted = match (count.fewest, count.most) {
        (fewest, None) => format!("at least {}", plural(fewest)),
        (fewest, Some(most)) if fewest == most => plural(fewest),
        (0, Some(most)) => format!("at most {}", plural(most)),
        (fewest, Some(most)) => format!("{fewest} to {most} arguments"),
    };
    if count.has_matcher {
        wanted += " besides a matcher";
    }
    let problem = Problem::new("invalid-argument", node.arguments()).case("caddy-count").severity(Severity::Error);
    Some(problem.with("name", name).with("wanted", wanted))
}

/// `query` takes pairs.
pub fn check_matcher(node: &Node, problems: &mut Vec<Problem>) {
    let first = node.words.first().filter(|word| &*word.text == "query");
    let inline = first.iter().flat_map(|_| node.words.iter().skip(1));
    let inner = node.nodes().iter().filter(|inner| inner.is("query")).flat_map(|inner| &inner.words);
    for word in inline.chain(inner) {
        if !word.is_unknown && !word.text.is_empty() && !word.text.contains(['=', '{']) {
            let problem = Problem::new("invalid-argument", word.span).case("query").with("value", &*word.text);
            problems.push(problem);
        }
    }
}
