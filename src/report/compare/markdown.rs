//! Markdown for the comment of a pull request: the verdict, and a table of what changed.

use std::fmt::Write;

use super::{Row, Spot, allowance, rows, unchanged, verdict};
use crate::compare::Effect;
use crate::pipeline::Comparison;
use crate::report::plain;

/// How many rows are shown: a comment has at most 65,536 characters.
const ROWS: usize = 60;

/// Words in a cell: nothing of them is markup.
fn cell(text: &str) -> String {
    let mut out = String::new();
    for letter in plain(text).chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // A mention would call somebody, and a number would name an issue.
            '@' => out.push_str("&#64;"),
            '#' => out.push_str("&#35;"),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '~' => {
                out.push('\\');
                out.push(letter);
            }
            other => out.push(other),
        }
    }
    out
}

/// Text as code.
fn code(text: &str) -> String {
    let mut escaped = String::new();
    for letter in plain(text).chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '|' => escaped.push_str("&#124;"),
            '`' => escaped.push_str("&#96;"),
            '*' | '_' | '[' | ']' | '\\' | '~' | '@' | '#' => {
                let _ = write!(escaped, "&#{};", letter as u32);
            }
            other => escaped.push(other),
        }
    }
    format!("<code>{escaped}</code>")
}

fn place(spot: Option<Spot>) -> String {
    let Some(spot) = spot else { return String::new() };
    let line = spot.line.map(|line| format!("<br>{}", code(&line))).unwrap_or_default();
    format!("{}{line}", cell(&format!("{}:{}", spot.path, spot.start.line)))
}

/// The comment.
pub fn markdown(run: &Comparison) -> String {
    let mut out = String::new();
    let sign = match run.verdict() {
        Some(Effect::Worse) => "❌",
        Some(Effect::Unknown) => "❔",
        _ => "✅",
    };
    let _ = writeln!(out, "### {sign} TLS: {}\n", verdict(run));
    let rows = rows(run);
    if rows.is_empty() {
        let _ = writeln!(out, "Nothing changes for clients.");
        return out;
    }
    let _ = writeln!(out, "| | name | what changes | before | now |\n|---|---|---|---|---|");
    for row in rows.iter().take(ROWS) {
        let effect = if row.drift.allowed { "allowed" } else { row.drift.effect.name() };
        let _ = writeln!(
            out,
            "| **{effect}** | {} | {}<br><sub>{}</sub> | {} | {} |",
            cell(&Row::hosts(row)),
            cell(&row.message(run)),
            row.drift.kind.name(),
            place(Spot::before(run, row.drift)),
            place(Spot::now(run, row.drift))
        );
    }
    if rows.len() > ROWS {
        let _ = writeln!(out, "\n{} more changes are not shown.", rows.len() - ROWS);
    }
    let same = unchanged(run);
    if same > 0 {
        let _ = writeln!(out, "\nNothing changes for {same} other name{}.", if same == 1 { "" } else { "s" });
    }
    let open = run.compared.unjudged.len();
    if open > 0 {
        let _ = writeln!(out, "\nNot compared, since the files do not tell: {open}.");
    }
    if let Some(allowance) = allowance(run) {
        let _ = writeln!(out, "\nIf it is meant: {}", code(&allowance));
    }
    out
}
