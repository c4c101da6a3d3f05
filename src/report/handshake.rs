//! What clients get: a table for people, one line a handshake, and the JSON document.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write;
use std::io;
use std::sync::OnceLock;

use rayon::prelude::*;
use serde::Serialize;

use super::json::{self, Location, TOOL, Target, Tool, WireFinding, WireUnjudged};
use super::{Style, plain, pretty};
use crate::handshake::{Agreed, Outcome};
use crate::pipeline::{HandshakeRequest, Handshakes, Row, Start};
use crate::pki::VerifyFault;

#[derive(Debug, Serialize)]
struct Document<'r> {
    version: u32,
    tool: Tool,
    targets: [Target; 1],
    start: WireStart,
    /// Written apart.
    handshakes: [WireHandshake<'r>; 0],
    notes: &'r [String],
    unjudged: Vec<WireUnjudged>,
}

/// A stretch of the handshakes, as deep in the document as all of them are.
#[derive(Debug, Serialize)]
struct Stretch<'r> {
    handshakes: Vec<WireHandshake<'r>>,
}

#[derive(Debug, Serialize)]
struct WireStart {
    result: &'static str,
    reload: &'static str,
    causes: Vec<WireFinding>,
}

#[derive(Debug, Serialize)]
struct WireHandshake<'r> {
    listen: &'r str,
    host: &'r str,
    client: &'r str,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cipher: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<&'r Location>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<WireCertificate<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verify: Option<WireVerify>,
    /// What the client refuses although OpenSSL, whose verdict stands above, does not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    objections: Vec<WireObjection>,
    cause: Option<WireCause<'r>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<WireStep<'r>>,
}

#[derive(Debug, Serialize)]
struct WireCertificate<'r> {
    file: Cow<'r, str>,
    sha256: String,
}

#[derive(Debug, Serialize)]
struct WireVerify {
    code: u32,
    name: &'static str,
    errors: Vec<WireError>,
}

#[derive(Debug, Serialize)]
struct WireError {
    code: u32,
    name: &'static str,
    depth: usize,
}

#[derive(Debug, Serialize)]
struct WireObjection {
    code: &'static str,
    message: &'static str,
}

#[derive(Debug, Serialize)]
struct WireCause<'r> {
    stage: &'static str,
    code: &'static str,
    message: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<Location>,
}

#[derive(Debug, Serialize)]
struct WireStep<'r> {
    message: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<Location>,
}

/// How many handshakes one worker words at a time.
const AT_ONCE: usize = 256;
/// How many of these stretches are made before they are written.
const STRETCHES: usize = 64;

/// Writes the JSON document: tens of thousands of handshakes stretch by stretch, several at once.
///
/// # Errors
/// Where it cannot be written.
pub fn json(run: &Handshakes, question: &HandshakeRequest, out: &mut dyn io::Write) -> io::Result<()> {
    const OPEN: &str = "\"handshakes\": [";
    let whole = document(run)?;
    // Quotes inside of texts are escaped: nothing else reads so.
    let Some((head, tail)) = whole.split_once(OPEN).filter(|_| !run.rows.is_empty()) else {
        return writeln!(out, "{whole}");
    };
    write!(out, "{head}{OPEN}")?;
    let places: Vec<OnceLock<Location>> = run.sites.iter().map(|_| OnceLock::new()).collect();
    let stretch = |rows: &[Row]| -> io::Result<String> {
        let text = serde_json::to_string_pretty(&Stretch {
            handshakes: rows.iter().map(|row| wire(run, question, &places, row)).collect(),
        })?;
        let inside = text.split_once(OPEN).and_then(|(_, rest)| rest.strip_suffix("\n  ]\n}"));
        Ok(inside.unwrap_or_default().to_owned())
    };
    for (order, rows) in run.rows.chunks(AT_ONCE * STRETCHES).enumerate() {
        let made: Vec<io::Result<String>> = rows.par_chunks(AT_ONCE).map(stretch).collect();
        for (at, text) in made.into_iter().enumerate() {
            if order > 0 || at > 0 {
                out.write_all(b",")?;
            }
            out.write_all(text?.as_bytes())?;
        }
    }
    writeln!(out, "\n  {tail}")
}

/// The document without the handshakes.
fn document(run: &Handshakes) -> Result<String, serde_json::Error> {
    let rules = crate::lint::Rules::default();
    let causes = run.causes.iter().map(|finding| json::wire(&run.sources, &rules, finding)).collect();
    serde_json::to_string_pretty(&Document {
        version: 1,
        tool: TOOL,
        targets: [json::target(&run.target)],
        start: WireStart { result: start(run.start), reload: run.reload.name(), causes },
        handshakes: [],
        notes: &run.notes,
        unjudged: run.unjudged.iter().map(|one| json::unjudged(&run.sources, one)).collect(),
    })
}

fn start(start: Start) -> &'static str {
    match start {
        Start::Ok => "ok",
        Start::Fail => "fail",
        Start::Unknown => "unknown",
    }
}

fn wire<'r>(
    run: &'r Handshakes,
    question: &'r HandshakeRequest,
    places: &'r [OnceLock<Location>],
    row: &'r Row,
) -> WireHandshake<'r> {
    let agreed = row.handshake.agreed();
    let place = |span| json::location(&run.sources, span, "");
    let cause = row.handshake.cause().map(|cause| WireCause {
        stage: cause.stage.name(),
        code: cause.code,
        message: &cause.message,
        location: row.handshake.at.map(place),
    });
    let certificate = row
        .certificate
        .as_ref()
        .map(|(sha256, path)| WireCertificate { file: path.to_string_lossy(), sha256: hex(sha256) });
    let error =
        |fault: &VerifyFault| WireError { code: fault.error.code(), name: fault.error.text(), depth: fault.depth };
    let verify = agreed.map(|_| WireVerify {
        code: row.verdict.code(),
        name: row.verdict.text(),
        errors: row.verdict.errors.iter().map(error).collect(),
    });
    WireHandshake {
        listen: &run.listens[row.listen],
        host: &run.hosts[row.host],
        client: &question.clients[row.client].name,
        result: match &*row.handshake.outcome {
            Outcome::Agreed(_) => "ok",
            Outcome::Failed(_) => "fail",
            Outcome::Unknown(_) => "unknown",
        },
        protocol: agreed.map(|agreed| agreed.protocol.name()),
        cipher: agreed.map(|agreed| agreed.cipher),
        group: agreed.and_then(|agreed| agreed.group),
        site: row.handshake.site.map(|site| {
            let at = site.0 as usize;
            places[at].get_or_init(|| place(run.sites[at]))
        }),
        certificate,
        verify,
        objections: row.objections.iter().map(|one| WireObjection { code: one.code, message: one.message }).collect(),
        cause,
        steps: row.steps.iter().map(|(at, message)| WireStep { message, location: at.map(place) }).collect(),
    }
}

/// Bytes in lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// What a client gets, in a few words.
fn cell(row: &Row) -> String {
    match (&*row.handshake.outcome, row.verdict.first()) {
        (Outcome::Agreed(agreed), None) => match row.objections.first() {
            Some(objection) => format!("✗ {}", objection.code.replace('-', " ")),
            None => brief(agreed),
        },
        (Outcome::Agreed(_), Some(error)) => format!("✗ {}", error.text()),
        (Outcome::Failed(cause), _) => format!("✗ {}", cause.code.replace('-', " ")),
        (Outcome::Unknown(cause), _) => format!("? {}", cause.message),
    }
}

fn brief(agreed: &Agreed) -> String {
    let retried = if agreed.retried { " (hello retry)" } else { "" };
    format!("{} {}{retried}", agreed.protocol, agreed.group.unwrap_or("RSA key exchange"))
}

/// `listen host client: what comes of it`, one line a handshake.
pub fn concise(run: &Handshakes, question: &HandshakeRequest) -> String {
    let mut out = String::new();
    for finding in &run.causes {
        let _ = writeln!(out, "start: error[{}]: {}", finding.rule, plain(&finding.message));
    }
    for row in &run.rows {
        let (listen, host) = (&run.listens[row.listen], &run.hosts[row.host]);
        let _ = writeln!(out, "{listen} {} {}: {}", plain(host), question.clients[row.client].name, plain(&words(row)));
    }
    out
}

/// What comes of a handshake, in one line.
fn words(row: &Row) -> String {
    match &*row.handshake.outcome {
        Outcome::Agreed(agreed) => {
            let group = agreed.group.map(|group| format!(" {group}")).unwrap_or_default();
            let objections = row.objections.iter().map(|one| one.message);
            let errors: Vec<&str> =
                row.verdict.errors.iter().map(|fault| fault.error.text()).chain(objections).collect();
            let verdict = if errors.is_empty() { "verified".to_owned() } else { format!("✗ {}", errors.join(", ")) };
            format!("{} {}{group}, {verdict}", agreed.protocol, agreed.cipher)
        }
        Outcome::Failed(cause) => format!("✗ {}", cause.message),
        Outcome::Unknown(cause) => format!("? {}", cause.message),
    }
}

/// For people: clients down, hosts across; hosts that get the same share a column.
pub fn table(run: &Handshakes, question: &HandshakeRequest, style: Style) -> String {
    let mut out = String::new();
    let texts = pretty::Texts::new(&run.sources);
    for cause in &run.causes {
        pretty::finding(&mut out, &texts, cause, &[], style);
        out.push('\n');
    }
    if run.start == Start::Fail {
        let reload = match run.reload {
            crate::platform::Reload::KeepsOld => "a reload is refused, and the old configuration goes on",
            crate::platform::Reload::Exits => "a reload takes every site down",
        };
        let _ = writeln!(out, "{} does not start: {reload}", run.target.server.title());
        return out;
    }
    let mut by_listen: Vec<Vec<&Row>> = vec![Vec::new(); run.listens.len()];
    run.rows.iter().for_each(|row| by_listen[row.listen].push(row));
    for (listen, rows) in run.listens.iter().zip(&by_listen) {
        block(&mut out, run, question, listen, rows, style);
    }
    if run.rows.is_empty() {
        let _ = writeln!(out, "no exact name is served: ask for one with --host NAME");
    }
    if style.verbose && !question.tells_steps {
        let _ = writeln!(out, "for the steps name one client and one host: --client NAME --host NAME -v");
    }
    if !style.quiet {
        for note in &run.notes {
            let _ = writeln!(out, "{}", plain(note));
        }
        for one in &run.unjudged {
            let _ = writeln!(out, "not judged: {}: {}", one.what, plain(one.reason.text()));
        }
    }
    out
}

/// One address: its hosts in columns as wide as the terminal takes.
fn block(out: &mut String, run: &Handshakes, question: &HandshakeRequest, listen: &str, rows: &[&Row], style: Style) {
    let columns = columns(run, question, rows);
    let first = question.clients.iter().map(|client| client.name.len()).chain([listen.len()]).max().unwrap_or(0);
    let mut rest = &columns[..];
    while !rest.is_empty() {
        let width = |column: &Column| column.cells.iter().chain([&column.title]).map(|text| text.chars().count()).max();
        let mut used = first;
        let mut count = 0;
        while let Some(column) = rest.get(count) {
            let next = used + 2 + width(column).unwrap_or(0);
            if count > 0 && next > style.width {
                break;
            }
            (used, count) = (next, count + 1);
        }
        let (shown, more) = rest.split_at(count);
        rest = more;
        line(
            out,
            style.paint("1", &format!("{listen:<first$}")),
            shown.iter().map(|one| (&one.title, width(one))),
            style,
        );
        for (order, client) in question.clients.iter().enumerate() {
            let cells = shown.iter().map(|one| (&one.cells[order], width(one)));
            line(out, format!("{:<first$}", client.name), cells, style);
        }
        out.push('\n');
    }
    for row in rows.iter().filter(|row| !row.steps.is_empty()) {
        let _ = writeln!(out, "{} and {}:", question.clients[row.client].name, plain(&run.hosts[row.host]));
        for (at, words) in &row.steps {
            let place = at.map(|span| format!("   ({})", place(run, span))).unwrap_or_default();
            let _ = writeln!(out, "  - {}{}", plain(words), style.paint("2", &place));
        }
        let at = row.handshake.at.map(|span| format!("   ({})", place(run, span))).unwrap_or_default();
        let _ = writeln!(out, "  = {}{}\n", plain(&self::words(row)), style.paint("2", &at));
    }
}

fn place(run: &Handshakes, span: crate::source::Span) -> String {
    let span = run.sources.resolve_span(span).span;
    let file = run.sources.file(span.file);
    let at = file.position(span.start);
    format!("{}:{}:{}", plain(&file.path().to_string_lossy()), at.line, at.column)
}

/// Hosts that get the same.
struct Column {
    title: String,
    cells: Vec<String>,
}

fn columns(run: &Handshakes, question: &HandshakeRequest, rows: &[&Row]) -> Vec<Column> {
    let mut index: HashMap<Vec<String>, usize> = HashMap::new();
    let mut found: Vec<(usize, usize, Vec<String>)> = Vec::new();
    for same in rows.chunks(question.clients.len().max(1)) {
        let cells: Vec<String> = same.iter().map(|row| plain(&cell(row)).into_owned()).collect();
        let next = found.len();
        let at = *index.entry(cells.clone()).or_insert(next);
        match found.get_mut(at) {
            Some((_, count, _)) => *count += 1,
            None => found.push((same[0].host, 1, cells)),
        }
    }
    let column = |(host, count, cells): (usize, usize, Vec<String>)| {
        let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
        Column { title: format!("{}{more}", plain(&run.hosts[host])), cells }
    };
    found.into_iter().map(column).collect()
}

fn line<'c>(out: &mut String, head: String, cells: impl Iterator<Item = (&'c String, Option<usize>)>, style: Style) {
    out.push_str(&head);
    let mut text = String::new();
    for (cell, width) in cells {
        let pad = width.unwrap_or(0) - cell.chars().count();
        let painted = match cell.chars().next() {
            Some('✗') => style.paint("31", cell),
            Some('?') => style.paint("33", cell),
            _ => cell.clone(),
        };
        let _ = write!(text, "  {painted}{}", " ".repeat(pad));
    }
    out.push_str(text.trim_end());
    out.push('\n');
}
