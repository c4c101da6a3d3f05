//! The list of all rules, as a table and as JSON.

use std::fmt::Write;

use serde::Serialize;

use super::Style;
use super::json::{TOOL, Tool};
use crate::lint::page::Fixability;
use crate::lint::{Rule, Rules};

#[derive(Serialize)]
struct Document {
    version: u32,
    tool: Tool,
    rules: Vec<Wire>,
}

#[derive(Serialize)]
struct Wire {
    name: String,
    title: String,
    severity: &'static str,
    servers: Vec<String>,
    fix: Fixability,
    own: bool,
    parameters: std::collections::BTreeMap<String, i64>,
    why: String,
    not_when: String,
    citation: Vec<String>,
}

/// All rules, the user's own marked.
fn all(rules: &Rules) -> impl Iterator<Item = (&Rule, bool)> {
    let own = rules.own().len();
    let builtin = rules.all().count() - own;
    rules.all().enumerate().map(move |(at, rule)| (rule, at >= builtin))
}

/// As a table.
pub fn table(rules: &Rules, style: Style) -> String {
    let mut out = String::new();
    let width = all(rules).map(|(rule, _)| rule.name.len()).max().unwrap_or(0);
    for (rule, is_own) in all(rules) {
        let page = rule.page();
        let fix = match page.fix {
            Fixability::Safe => "fix",
            Fixability::Unsafe => "unsafe fix",
            Fixability::None => "",
        };
        let name = style.paint("1", &format!("{:width$}", rule.name));
        let servers = page.servers.join(",");
        let own = if is_own { " (own)" } else { "" };
        let line = format!("{name}  {:7}  {servers:18}  {fix:10}  {}{own}", page.severity.name(), page.title);
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

/// As JSON.
///
/// # Errors
/// Never in practice: what is written is text and numbers.
pub fn json(rules: &Rules) -> serde_json::Result<String> {
    let wire = |(rule, own): (&Rule, bool)| {
        let page = rule.page();
        Wire {
            name: rule.name.to_string(),
            title: page.title.clone(),
            severity: page.severity.name(),
            servers: page.servers.clone(),
            fix: page.fix,
            own,
            parameters: page.parameters.clone(),
            why: page.why.clone(),
            not_when: page.not_when.clone(),
            citation: page.citation.clone(),
        }
    };
    serde_json::to_string_pretty(&Document { version: 1, tool: TOOL, rules: all(rules).map(wire).collect() })
}
