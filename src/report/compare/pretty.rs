//! For people: by name, the worst first, with the lines of both sides; or one line a change.

use std::fmt::Write;

use super::{Row, Spot, allowance, rows, unchanged, verdict};
use crate::compare::Effect;
use crate::pipeline::Comparison;
use crate::report::{Style, plain};

/// The width of the column with the effect.
const EFFECT: usize = 8;

fn color(effect: Effect) -> &'static str {
    match effect {
        Effect::Worse => "1;31",
        Effect::Better => "1;32",
        Effect::Unknown => "1;33",
        Effect::Neutral => "1;36",
    }
}

/// The report with the lines of both sides.
pub fn pretty(run: &Comparison, style: Style) -> String {
    let mut out = String::new();
    let rows = rows(run);
    let hosts: Vec<String> = rows.iter().map(Row::hosts).collect();
    let width = hosts.iter().map(|host| host.chars().count()).max().unwrap_or(0).min(40);
    for (row, host) in rows.iter().zip(&hosts) {
        line(&mut out, run, row, host, width, style);
    }
    if style.quiet {
        return out;
    }
    let same = unchanged(run);
    if same > 0 {
        let _ = writeln!(out, "{:EFFECT$}{same} name{}", "same", if same == 1 { "" } else { "s" });
    }
    unjudged(&mut out, run);
    let _ = write!(out, "verdict: {}", style.paint(run.verdict().map_or("1;32", color), verdict(run)));
    if let Some(allowance) = allowance(run) {
        let _ = write!(out, ". Accept what is meant with {}", plain(&allowance));
    }
    out.push('\n');
    out
}

fn line(out: &mut String, run: &Comparison, row: &Row<'_>, host: &str, width: usize, style: Style) {
    let drift = row.drift;
    let effect = if drift.allowed { "allowed" } else { drift.effect.name() };
    let painted = style.paint(if drift.allowed { "2" } else { color(drift.effect) }, effect);
    let pad = " ".repeat(EFFECT.saturating_sub(effect.len()));
    let _ = writeln!(
        out,
        "{painted}{pad}{:width$}  {}   {}",
        plain(host),
        plain(&row.message(run)),
        style.paint("2", drift.kind.name())
    );
    for (word, spot) in [("before", Spot::before(run, drift)), ("now", Spot::now(run, drift))] {
        let Some(spot) = spot else { continue };
        let place = format!("{}:{}", plain(&spot.path), spot.start.line);
        let text = spot.line.map(|line| format!("   {}", plain(&line))).unwrap_or_default();
        let _ = writeln!(out, "{:EFFECT$}  {}", "", style.paint("2", &format!("{word:<6}  {place}{text}")));
    }
}

/// What could not be compared, one line a reason.
fn unjudged(out: &mut String, run: &Comparison) {
    let mut seen: Vec<(String, usize)> = Vec::new();
    for (what, why, _) in &run.compared.unjudged {
        let words = format!("{what}: {why}");
        match seen.iter_mut().find(|(known, _)| *known == words) {
            Some((_, count)) => *count += 1,
            None => seen.push((words, 1)),
        }
    }
    for (words, count) in seen {
        let times = if count > 1 { format!(" ({count} names)") } else { String::new() };
        let _ = writeln!(out, "not compared: {}{times}", plain(&words));
    }
}

/// `file:line:column: effect[kind] host: what changed`, one line each.
pub fn concise(run: &Comparison) -> String {
    let mut out = String::new();
    for drift in &run.compared.drifts {
        let spot = Spot::now(run, drift).or_else(|| Spot::before(run, drift));
        let place = match spot {
            Some(spot) => format!("{}:{}:{}", spot.path, spot.start.line, spot.start.column),
            None => run.new.target.path.display().to_string(),
        };
        let host = drift.host.as_ref().map(|host| format!(" {host}")).unwrap_or_default();
        let allowed = if drift.allowed { " (allowed)" } else { "" };
        let _ = writeln!(
            out,
            "{}: {}[{}]{}: {}{allowed}",
            plain(&place),
            drift.effect.name(),
            drift.kind.name(),
            plain(&host),
            plain(&drift.message)
        );
    }
    let _ = writeln!(out, "verdict: {}", verdict(run));
    out
}
