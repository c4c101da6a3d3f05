//! Certificates by use, sorted by their last day: a table, the JSON document, and metrics for the textfile collector.

use std::collections::HashSet;
use std::fmt::Write;

use jiff::Timestamp;
use serde::Serialize;

use super::json::{Location, TOOL, Target, Tool, WireUnjudged, location, target, unjudged};
use super::prometheus::{escaped, head};
use super::{Style, plain};
use crate::pipeline::{Calendar, Dated, Entry};
use crate::pki::Certificate;

const DAY: i64 = 86_400;

/// How many certificates metrics are written for: those that end first.
const SERIES: usize = 1_000;

/// How long a label's value may be, in characters.
const LABEL: usize = 100;

/// How wide a cell of the table may be, in characters.
const CELL: usize = 60;

#[derive(Serialize)]
struct Document<'c> {
    version: u32,
    tool: Tool,
    targets: Vec<Target>,
    certificates: Vec<Wire<'c>>,
    unjudged: Vec<WireUnjudged>,
}

#[derive(Serialize)]
struct Wire<'c> {
    #[serde(rename = "use")]
    role: &'static str,
    kind: &'static str,
    file: String,
    block: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    names: Option<Vec<String>>,
    issuer: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<String>,
    not_after: Option<String>,
    days_left: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chain: Option<&'static str>,
    sites: Vec<&'c str>,
    used_by: Vec<Location>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// RFC 3339, where the time can be told.
fn time(seconds: i64) -> Option<String> {
    Timestamp::from_second(seconds).ok().map(|at| at.to_string())
}

fn certificate(entry: &Entry) -> Option<&Certificate> {
    match &entry.dated {
        Dated::Certificate(certificate) => Some(certificate),
        Dated::Revocations { .. } | Dated::Response { .. } => None,
    }
}

fn issuer(entry: &Entry) -> Option<&str> {
    match &entry.dated {
        Dated::Certificate(certificate) => Some(&certificate.issuer),
        Dated::Revocations { issuer, .. } => Some(issuer),
        Dated::Response { .. } => None,
    }
}

/// Whole days until the last second; below zero when it is over.
fn days(entry: &Entry, now: i64) -> Option<i64> {
    entry.dated.not_after().map(|end| end.saturating_sub(now).div_euclid(DAY))
}

/// The JSON document.
///
/// # Errors
/// None in practice: the document holds nothing that JSON cannot say.
pub fn json(calendar: &Calendar, now: i64) -> serde_json::Result<String> {
    let wire = |entry| {
        let one = certificate(entry);
        Wire {
            role: entry.role.name(),
            kind: match entry.dated {
                Dated::Certificate(_) => "certificate",
                Dated::Revocations { .. } => "revocation-list",
                Dated::Response { .. } => "ocsp-response",
            },
            file: entry.file.to_string_lossy().into_owned(),
            block: entry.block,
            sha256: one.map(|one| hex(&one.sha256)),
            subject: one.map(|one| one.subject.as_str()),
            names: one.map(Certificate::names),
            issuer: issuer(entry),
            serial: one.map(|one| hex(&one.serial)),
            key: one.map(|one| one.key.kind.name()),
            not_before: one.and_then(|one| time(one.not_before)),
            not_after: entry.dated.not_after().and_then(time),
            days_left: days(entry, now),
            chain: entry.chain.map(|chain| chain.name()),
            sites: entry.sites.iter().map(String::as_str).collect(),
            used_by: entry.at.iter().map(|at| location(&calendar.sources, *at, "")).collect(),
        }
    };
    serde_json::to_string_pretty(&Document {
        version: 1,
        tool: TOOL,
        targets: calendar.targets.iter().map(target).collect(),
        certificates: calendar.entries.iter().map(wire).collect(),
        unjudged: calendar.unjudged.iter().map(|one| unjudged(&calendar.sources, one)).collect(),
    })
}

/// The table: what ends first comes first.
pub fn table(calendar: &Calendar, now: i64, style: Style) -> String {
    let mut out = String::new();
    let head = ["days", "not after", "use", "names", "key", "issuer", "chain", "used by"].map(str::to_owned);
    let rows: Vec<[String; 8]> = calendar.entries.iter().map(|entry| row(calendar, entry, now, style)).collect();
    let mut widths = [0; 8];
    for row in rows.iter().chain([&head]) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for (at, row) in [&head].into_iter().chain(&rows).enumerate() {
        let mut line = String::new();
        for (place, (cell, width)) in row.iter().zip(widths).enumerate() {
            let padding = " ".repeat(width - cell.chars().count());
            let _ = match place {
                0 => write!(line, "{padding}{cell}"),
                _ => write!(line, "  {cell}{padding}"),
            };
        }
        let days = at.checked_sub(1).and_then(|at| days(&calendar.entries[at], now));
        let color = match days {
            _ if at == 0 => "1",
            Some(..0) => "31",
            Some(0..14) => "33",
            _ => "0",
        };
        let _ = writeln!(out, "{}", style.paint(color, line.trim_end()));
    }
    if calendar.entries.is_empty() {
        out = "no certificate is used\n".to_owned();
    }
    if !style.quiet {
        for one in &calendar.unjudged {
            let place = one.at.map(|at| format!("{}: ", place(calendar, at))).unwrap_or_default();
            let _ = writeln!(out, "not looked into: {}{}", plain(&place), plain(one.reason.text()));
        }
    }
    out
}

fn row(calendar: &Calendar, entry: &Entry, now: i64, style: Style) -> [String; 8] {
    let one = certificate(entry);
    let names = one.map(Certificate::names).unwrap_or_default();
    let names = match &names[..] {
        [] => one.map(Certificate::short_name).unwrap_or_default(),
        all => some(all, if style.verbose { all.len() } else { 2 }),
    };
    let used: Vec<String> = entry.at.iter().map(|at| place(calendar, *at)).collect();
    let end = entry.dated.not_after().and_then(|end| Timestamp::from_second(end).ok());
    [
        days(entry, now).map_or_else(|| "-".to_owned(), |days| days.to_string()),
        end.map_or_else(|| "never".to_owned(), |end| end.strftime("%Y-%m-%d").to_string()),
        entry.role.name().to_owned(),
        cut(&plain(&names), style),
        one.map(|one| one.key.kind.name()).unwrap_or_default(),
        cut(&plain(&issuer(entry).map(common_name).unwrap_or_default()), style),
        entry.chain.map_or("", |chain| chain.name()).to_owned(),
        plain(&some(&used, if style.verbose { used.len() } else { 2 })).into_owned(),
    ]
}

/// A cell of the table, cut off where it is too wide for one.
fn cut(text: &str, style: Style) -> String {
    match text.chars().count() > CELL && !style.verbose {
        true => text.chars().take(CELL - 1).chain(['\u{2026}']).collect(),
        false => text.to_owned(),
    }
}

/// The first ones, and how many more there are.
fn some(all: &[String], most: usize) -> String {
    let shown = all[..most.min(all.len())].join(", ");
    match all.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn place(calendar: &Calendar, at: crate::source::Span) -> String {
    let span = calendar.sources.resolve_span(at).span;
    let file = calendar.sources.file(span.file);
    format!("{}:{}", file.path().display(), file.position(span.start).line)
}

/// The common name of a distinguished name, else the whole of it.
fn common_name(name: &str) -> String {
    let parts = name.split(", ").find_map(|part| part.strip_prefix("CN="));
    parts.unwrap_or(name).to_owned()
}

/// Metrics for the textfile collector. What stands in a certificate does not make the text longer than its limits.
pub fn prometheus(calendar: &Calendar) -> String {
    let mut out = String::new();
    head(&mut out, "shakedown_certificates_up", "Whether the last run could be done.");
    out.push_str("shakedown_certificates_up 1\n");
    let dated: Vec<&Entry> = calendar.entries.iter().filter(|entry| entry.dated.not_after().is_some()).collect();
    // A collector refuses a text with one series twice.
    let mut seen = HashSet::new();
    let shown: Vec<&Entry> = dated.into_iter().filter(|entry| seen.insert(labels(entry))).take(SERIES).collect();
    let name = "shakedown_certificate_not_after_timestamp_seconds";
    head(&mut out, name, "Last second of a certificate, revocation list or stapled response, as Unix time.");
    for entry in &shown {
        if let Some(end) = entry.dated.not_after() {
            let _ = writeln!(out, "{name}{{{}}} {end}", labels(entry));
        }
    }
    let name = "shakedown_certificate_not_before_timestamp_seconds";
    head(&mut out, name, "First second of a certificate, as Unix time.");
    for entry in &shown {
        if let Some(one) = certificate(entry) {
            let _ = writeln!(out, "{name}{{{}}} {}", labels(entry), one.not_before);
        }
    }
    let counts = [
        (
            "shakedown_certificate_uses",
            "Uses of certificates, lists and responses; the first 1000 have metrics.",
            calendar.entries.len(),
        ),
        ("shakedown_certificates_unjudged", "Files that could not be looked into.", calendar.unjudged.len()),
    ];
    for (name, what, count) in counts {
        head(&mut out, name, what);
        let _ = writeln!(out, "{name} {count}");
    }
    out
}

/// A run that failed.
pub fn failure() -> String {
    let mut out = String::new();
    head(&mut out, "shakedown_certificates_up", "Whether the last run could be done.");
    out.push_str("shakedown_certificates_up 0\n");
    out
}

/// The use, the place in the file and the first name: no two entries share the first three.
fn labels(entry: &Entry) -> String {
    let name = certificate(entry).map(|one| one.names().into_iter().next().unwrap_or_else(|| one.short_name()));
    let name = name.or_else(|| issuer(entry).map(common_name)).unwrap_or_default();
    format!(
        "use=\"{}\",file=\"{}\",block=\"{}\",name=\"{}\"",
        entry.role.name(),
        escaped(&plain(&entry.file.to_string_lossy())),
        entry.block.unwrap_or(0),
        label(&name),
    )
}

/// A value that comes from a certificate: cut off where it is too long, and escaped.
fn label(text: &str) -> String {
    let mut shown: String = plain(text).chars().take(LABEL).collect();
    if text.chars().count() > LABEL {
        shown.push('\u{2026}');
    }
    escaped(&shown)
}
