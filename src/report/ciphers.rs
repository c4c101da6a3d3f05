//! What a cipher string selects: a table for people, and the JSON document.

use std::fmt::Write;

use serde::Serialize;

use super::{Style, plain};
use crate::pipeline::{CipherReport, Verdict};

#[derive(Debug, Serialize)]
struct Document<'r> {
    version: u32,
    tls_library: &'r str,
    security_level: u8,
    result: &'static str,
    error: Option<&'r str>,
    suites: Vec<WireSuite<'r>>,
    ignored: Vec<WireIgnored<'r>>,
}

#[derive(Debug, Serialize)]
struct WireSuite<'r> {
    name: &'r str,
    iana: &'r str,
    protocol: &'static str,
    key_exchange: &'static str,
    authentication: &'static str,
    encryption: &'static str,
    strength: &'static str,
    from: &'r str,
    usable: bool,
    why_not: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct WireIgnored<'r> {
    token: &'r str,
    suggestion: Option<&'r str>,
}

/// The JSON document.
///
/// # Errors
/// None in practice: the document holds nothing that JSON cannot say.
pub fn json(report: &CipherReport) -> Result<String, serde_json::Error> {
    let suites = report.rows.iter().map(|row| WireSuite {
        name: &row.suite.name,
        iana: &row.suite.iana,
        protocol: row.suite.protocol.name(),
        key_exchange: row.suite.key_exchange(),
        authentication: row.suite.authentication(),
        encryption: row.suite.encryption_name(),
        strength: row.verdict.name(),
        from: &row.from,
        usable: row.why_not.is_none(),
        why_not: row.why_not,
    });
    let ignored =
        report.ignored.iter().map(|one| WireIgnored { token: &one.token, suggestion: one.suggestion.as_deref() });
    serde_json::to_string_pretty(&Document {
        version: 1,
        tls_library: &report.library.name,
        security_level: report.security_level,
        result: if report.error.is_some() { "fail" } else { "ok" },
        error: report.error.as_deref(),
        suites: suites.collect(),
        ignored: ignored.collect(),
    })
}

/// The table: what can be negotiated, in order; what cannot, and why; what says nothing.
pub fn table(report: &CipherReport, style: Style) -> String {
    let mut out = String::new();
    if let Some(error) = &report.error {
        let _ = writeln!(out, "{}: {} refuses this string: {error}", style.paint("1;31", "error"), report.library.name);
    }
    let name = report.rows.iter().map(|row| row.suite.name.len()).max().unwrap_or(0);
    for (order, row) in report.rows.iter().filter(|row| row.why_not.is_none()).enumerate() {
        let suite = row.suite;
        let code = match row.verdict {
            Verdict::Strong => "32",
            Verdict::Weak => "33",
            Verdict::Insecure => "31",
        };
        let verdict = style.paint(code, &format!("{:<8}", row.verdict.name()));
        let _ = writeln!(
            out,
            "{:>3}  {:<name$}  {:<7}  {:<10}  {:<7}  {:<11}  {verdict}  by {}",
            order + 1,
            suite.name,
            suite.protocol.name(),
            suite.key_exchange().trim_start_matches('k'),
            suite.authentication().trim_start_matches('a'),
            suite.encryption_name(),
            plain(&row.from),
        );
    }
    let usable = report.rows.iter().filter(|row| row.why_not.is_none()).count();
    if report.error.is_none() {
        let _ = writeln!(
            out,
            "{usable} of {} suites can be negotiated with {} at level {}; the suites of TLS 1.3 are set apart",
            report.rows.len(),
            report.library.name,
            report.security_level,
        );
    }
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for row in &report.rows {
        let Some(why) = row.why_not else { continue };
        match reasons.iter_mut().find(|(reason, _)| *reason == why) {
            Some((_, names)) => names.push(&row.suite.name),
            None => reasons.push((why, vec![&row.suite.name])),
        }
    }
    for (reason, names) in reasons {
        let most = if style.verbose { names.len() } else { 3 };
        let more = names.len().saturating_sub(most);
        let shown = names[..most.min(names.len())].join(", ");
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let _ = writeln!(out, "not usable: {reason}: {shown}{more}");
    }
    for one in &report.ignored {
        let meant = one.suggestion.as_ref().map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
        let _ = writeln!(out, "ignored: `{}` selects nothing{meant}", plain(&one.token));
    }
    out
}
