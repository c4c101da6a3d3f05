//! What changed between two configurations, for people and programs: one file a format.

mod annotation;
mod json;
mod markdown;
mod pretty;

pub use annotation::{github, sarif};
pub use json::json;
pub use markdown::markdown;
pub use pretty::{concise, pretty};

use crate::compare::{Drift, Effect};
use crate::pipeline::{ComparedConfig, Comparison};
use crate::source::{Position, Span};

/// A place of one side as people find it.
struct Spot {
    path: String,
    start: Position,
    end: Position,
    /// The line, without what stands around it; absent where it may not be shown.
    line: Option<String>,
}

/// How long a line is shown, in characters.
const LINE: usize = 120;

impl Spot {
    fn of(half: &ComparedConfig, span: Span) -> Spot {
        let span = half.sources.resolve_span(span).span;
        let (start, end) = half.sources.positions(span);
        let file = half.sources.file(span.file);
        let text = String::from_utf8_lossy(file.line(start.line)).trim().to_owned();
        let short: String = text.chars().take(LINE).collect();
        let line = if short.len() < text.len() { format!("{short} …") } else { short };
        let line = (!file.is_secret() && !line.is_empty()).then_some(line);
        Spot { path: file.path().to_string_lossy().into_owned(), start, end, line }
    }

    fn before(run: &Comparison, drift: &Drift) -> Option<Spot> {
        drift.old.map(|span| Spot::of(&run.old, span))
    }

    fn now(run: &Comparison, drift: &Drift) -> Option<Spot> {
        drift.new.map(|span| Spot::of(&run.new, span))
    }
}

/// The word for the verdict as a whole.
pub fn verdict(run: &Comparison) -> &'static str {
    run.verdict().map_or("same", Effect::name)
}

/// Changes that are alike but for the name under which clients meet them.
struct Row<'r> {
    drift: &'r Drift,
    hosts: Vec<&'r str>,
}

/// The changes, those that are alike together, in the order of the first of each.
fn rows(run: &Comparison) -> Vec<Row<'_>> {
    let mut index = std::collections::HashMap::new();
    let mut rows: Vec<Row<'_>> = Vec::new();
    for drift in &run.compared.drifts {
        let key = (drift.kind, drift.effect, &drift.message, drift.allowed, drift.old, drift.new);
        // A place of its own tells hardly anything apart where the words are the same.
        let key = if drift.host.is_some() { (key.0, key.1, key.2, key.3, None, None) } else { key };
        let at = *index.entry(key).or_insert_with(|| {
            rows.push(Row { drift, hosts: Vec::new() });
            rows.len() - 1
        });
        rows[at].hosts.extend(drift.host.as_deref());
    }
    rows
}

/// How many names a line has room for.
const HOSTS: usize = 2;

impl Row<'_> {
    /// The names, the first few.
    fn hosts(&self) -> String {
        match &self.hosts[..] {
            [] if self.drift.listens.is_empty() => "everywhere".to_owned(),
            [] => "any other name".to_owned(),
            all if all.len() <= HOSTS + 1 => all.join(", "),
            all => format!("{} and {} more", all[..HOSTS].join(", "), all.len() - HOSTS),
        }
    }

    /// The addresses, where clients meet it only at some of those of the name.
    fn message(&self, run: &Comparison) -> String {
        let drift = self.drift;
        let others = run.compared.drifts.iter().filter(|one| one.host == drift.host).flat_map(|one| &one.listens);
        let is_all = others.into_iter().all(|listen| drift.listens.contains(listen));
        let says = drift.listens.iter().any(|listen| drift.message.contains(listen.as_str()));
        if is_all || says || drift.listens.is_empty() {
            return drift.message.clone();
        }
        format!("{} (on {})", drift.message, drift.listens.join(", "))
    }
}

/// The names that nothing changed for.
fn unchanged(run: &Comparison) -> usize {
    let hit: std::collections::HashSet<&str> =
        run.compared.drifts.iter().filter_map(|one| one.host.as_deref()).collect();
    run.compared.hosts.saturating_sub(hit.len())
}

/// What the user writes to say that what got worse is meant: the first of it.
fn allowance(run: &Comparison) -> Option<String> {
    let worse = run.compared.drifts.iter().find(|one| one.effect == Effect::Worse && !one.allowed)?;
    let host = worse.host.as_ref().map(|host| format!(":{host}")).unwrap_or_default();
    Some(format!("--allow {}{host}", worse.kind.name()))
}
