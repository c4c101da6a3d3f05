//! For people: the fault and its effect, source frames with captions, what to write, the patch that does it.
//!
//! miette draws the frames. Lines of a file that holds a private key are never drawn.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::Path;
use std::sync::OnceLock;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, Severity as Level,
    SourceCode, SourceSpan, SpanContents,
};

use super::fold::fold;
use super::{drawn, is_printable, plain};
use crate::diagnostic::{Finding, Label, Safety, Severity};
use crate::fix;
use crate::pipeline::{By, Failure, Run};
use crate::source::{FileId, SourceFile, Sources, Span};

/// How a report is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// With colours.
    pub color: bool,
    /// Columns of the terminal.
    pub width: usize,
    /// Also what was assumed and left out otherwise.
    pub verbose: bool,
    /// Findings only.
    pub quiet: bool,
}

/// Lines that are longer are not drawn, in bytes.
const LINE: usize = 1000;

impl Style {
    /// Text in a colour of the terminal, where there are colours.
    pub(super) fn paint(self, code: &str, text: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn severity(self, severity: Severity) -> String {
        let code = match severity {
            Severity::Error => "1;31",
            Severity::Warning => "1;33",
            Severity::Info => "1;36",
        };
        self.paint(code, severity.name())
    }
}

/// A run that failed.
pub fn failure(failure: &Failure, style: Style) -> String {
    let mut out = format!("{}: {}\n", style.severity(Severity::Error), plain(&failure.message));
    if let Some(help) = &failure.help {
        let _ = writeln!(out, "  {}", plain(help));
    }
    out
}

/// The texts of a run as they may be shown, each made at its first use.
pub(super) struct Texts<'r> {
    sources: &'r Sources,
    visible: Vec<OnceLock<Cow<'r, str>>>,
}

impl<'r> Texts<'r> {
    /// None yet.
    pub fn new(sources: &'r Sources) -> Self {
        Texts { sources, visible: sources.iter().map(|_| OnceLock::new()).collect() }
    }

    fn visible(&self, id: FileId) -> &str {
        self.visible[id.0 as usize].get_or_init(|| visible(self.sources.file(id).bytes()))
    }
}

/// How many findings one worker draws at a time.
const CHUNK: usize = 8;

/// How many other places that name a certificate are told of.
const PLACES: usize = 5;

/// The findings of a run and what it comes to.
///
/// # Errors
/// Where it cannot be written.
pub fn pretty(run: &Run, style: Style, out: &mut dyn io::Write) -> io::Result<()> {
    let texts = Texts::new(&run.sources);
    drawn(&fold(run), CHUNK, out, |chunk| {
        let mut drawn = String::new();
        for one in chunk {
            finding(&mut drawn, &texts, one.finding, &one.also, style);
            drawn.push('\n');
        }
        drawn
    })?;
    if !style.quiet {
        let mut drawn = String::new();
        summary(&mut drawn, run, style);
        out.write_all(drawn.as_bytes())?;
    }
    Ok(())
}

/// One finding alone.
pub fn one(out: &mut String, sources: &Sources, finding: &Finding, style: Style) {
    self::finding(out, &Texts::new(sources), finding, &[], style);
}

/// One finding, with frames, where else it holds, and the patch that mends it.
pub(super) fn finding(out: &mut String, texts: &Texts<'_>, finding: &Finding, also: &[Span], style: Style) {
    let rule = style.paint("2", finding.rule.as_str());
    let message = style.paint("1", &plain(&finding.message));
    let _ = writeln!(out, "{}: {message}   {rule}", style.severity(finding.severity));
    for labels in frames(texts.sources, finding) {
        frame(out, texts, &labels, finding.severity, style);
    }
    if !also.is_empty() {
        let most = if style.verbose { usize::MAX } else { PLACES };
        let shown: Vec<String> = also.iter().take(most).map(|span| place(texts.sources, *span)).collect();
        let more = also.len() - shown.len();
        let more = if more > 0 { format!(" and {more} more (-v shows them)") } else { String::new() };
        let _ = writeln!(out, "  {}: {}{more}", style.paint("36", "also at"), shown.join(", "));
    }
    for (word, text) in [("note", &finding.note), ("help", &finding.help)] {
        if let Some(text) = text {
            let _ = writeln!(out, "  {}: {}", style.paint("36", word), plain(text));
        }
    }
    if let Some(fix) = &finding.fix {
        patch(out, texts.sources, fix, style);
    }
    if let Some(file_fix) = &finding.file_fix {
        for command in file_fix.action.commands() {
            let option = option(file_fix.safety);
            let _ = writeln!(out, "  {}: {} ({option})", style.paint("36", "fix"), plain(&command));
        }
    }
}

/// `file:line:column`.
fn place(sources: &Sources, span: Span) -> String {
    let span = sources.resolve_span(span).span;
    let file = sources.file(span.file);
    let at = file.position(span.start);
    format!("{}:{}:{}", plain(&file.path().to_string_lossy()), at.line, at.column)
}

/// The labels of a finding, those of the primary file first, then file by file in their own order.
fn frames(sources: &Sources, finding: &Finding) -> Vec<Vec<Label>> {
    let mut files: Vec<Vec<Label>> = Vec::new();
    let mut add = |span: Span, caption: &str| {
        let place = sources.resolve_span(span);
        let label = Label::new(place.span, caption);
        match files.iter_mut().find(|labels| labels[0].span.file == place.span.file) {
            Some(labels) if labels.iter().any(|other| other.span == label.span && other.caption == label.caption) => {}
            Some(labels) => labels.push(label),
            None => files.push(vec![label]),
        }
        place.through
    };
    let mut through = add(finding.primary.span, &finding.primary.caption);
    for label in &finding.related {
        through.extend(add(label.span, &label.caption));
    }
    for (span, caption) in through {
        add(span, caption);
    }
    files
}

/// The labels of one file, drawn where its lines may be shown.
fn frame(out: &mut String, texts: &Texts<'_>, labels: &[Label], severity: Severity, style: Style) {
    let id = labels[0].span.file;
    let file = texts.sources.file(id);
    let path = file.path().to_string_lossy();
    let path = plain(&path);
    let is_long = |label: &Label| {
        let (start, end) = (file.position(label.span.start).line, file.position(label.span.end).line);
        (start.saturating_sub(1)..=end + 1).any(|line| file.line(line).len() > LINE)
    };
    if file.is_secret() || file.bytes().is_empty() || labels.iter().any(is_long) {
        for label in labels {
            let at = file.position(label.span.start);
            let _ = writeln!(out, "   {path}:{}:{}: {}", at.line, at.column, plain(&label.caption));
        }
        return;
    }
    let shown = Shown {
        source: Excerpt { name: &path, id, file, text: texts.visible(id) },
        labels: labels
            .iter()
            .enumerate()
            .map(|(order, label)| {
                let range = label.span.start as usize..label.span.end as usize;
                let caption = Some(plain(&label.caption).into_owned());
                if order == 0 {
                    LabeledSpan::new_primary_with_span(caption, range)
                } else {
                    LabeledSpan::new_with_span(caption, range)
                }
            })
            .collect(),
        severity: match severity {
            Severity::Error => Level::Error,
            Severity::Warning => Level::Warning,
            Severity::Info => Level::Advice,
        },
    };
    let theme = if style.color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(style.width.max(40)).with_context_lines(1);
    let handler = handler.without_cause_chain();
    let mut drawn = String::new();
    if handler.render_report(&mut drawn, &shown).is_ok() {
        // The head is ours; miette's begins with the line of its message.
        let lines = drawn.lines().skip_while(|line| !line.contains("╭─"));
        lines.for_each(|line| {
            let _ = writeln!(out, "{}", line.trim_end());
        });
    }
}

/// Text of the same length in which nothing moves the cursor: control and invalid bytes are replaced.
fn visible(bytes: &[u8]) -> Cow<'_, str> {
    if is_printable(bytes)
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\n' | '\t' => out.push(letter),
                letter if plain(letter.encode_utf8(&mut [0; 4])) == "\u{fffd}" && letter != '\u{fffd}' => {
                    out.extend(std::iter::repeat_n(if letter == '\r' { ' ' } else { '?' }, letter.len_utf8()));
                }
                letter => out.push(letter),
            }
        }
        out.extend(std::iter::repeat_n('?', chunk.invalid().len()));
    }
    Cow::Owned(out)
}

/// A file to draw from. Only the lines around what is asked for are looked at, however long the file is.
#[derive(Debug)]
struct Excerpt<'r> {
    name: &'r str,
    id: FileId,
    file: &'r SourceFile,
    text: &'r str,
}

impl SourceCode for Excerpt<'_> {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let asked = Span::new(self.id, span.offset() as u32, (span.offset() + span.len()) as u32);
        let (lines, window) = self.file.window(asked, before.max(after) + 1);
        let within = SourceSpan::new((span.offset() - window.start).into(), span.len());
        let part = self.text.get(window.clone()).ok_or(MietteError::OutOfBounds)?;
        let found = part.read_span(&within, before, after)?;
        let at = SourceSpan::new((found.span().offset() + window.start).into(), found.span().len());
        let (line, column, count) = (found.line() + lines, found.column(), found.line_count());
        let name = self.name.to_owned();
        Ok(Box::new(MietteSpanContents::new_named(name, found.data(), at, line, column, count)))
    }
}

/// What miette draws.
#[derive(Debug)]
struct Shown<'r> {
    source: Excerpt<'r>,
    labels: Vec<LabeledSpan>,
    severity: Level,
}

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(".")
    }
}

impl std::error::Error for Shown<'_> {}

impl miette::Diagnostic for Shown<'_> {
    fn severity(&self) -> Option<Level> {
        Some(self.severity)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }
}

/// The option that applies it.
fn option(safety: Safety) -> &'static str {
    if safety == Safety::Safe { "--fix" } else { "--unsafe-fixes" }
}

/// The patch of one fix, as it would look applied alone.
fn patch(out: &mut String, sources: &Sources, one: &crate::diagnostic::Fix, style: Style) {
    let is_secret = |file: FileId| sources.file(file).is_secret();
    if one.edits.iter().any(|edit| is_secret(edit.span.file)) {
        return;
    }
    let option = option(one.safety);
    let _ = writeln!(out, "  {}: {} ({option})", style.paint("36", "fix"), plain(&one.title));
    if fix::choose([one]).is_empty() {
        return;
    }
    for (_, patch) in fix::patch(sources, one) {
        for line in String::from_utf8_lossy(&patch).lines() {
            let line = plain(line);
            let code = match line.as_bytes().first() {
                Some(b'+') => "32",
                Some(b'-') => "31",
                _ => "2",
            };
            let _ = writeln!(out, "        {}", style.paint(code, &line));
        }
    }
}

fn counted(count: usize, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

/// Counts, what fixes would do, what was not judged, what was assumed.
fn summary(out: &mut String, run: &Run, style: Style) {
    let mut found: Vec<String> = Vec::new();
    for (severity, word) in [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Info, "remark")] {
        let count = run.count(severity);
        if count > 0 {
            found.push(counted(count, word));
        }
    }
    let found = if found.is_empty() { "no findings".to_owned() } else { found.join(", ") };
    let counts = run.counts;
    let _ = write!(
        out,
        "{} in {} ({}, {})",
        style.paint("1", &found),
        counted(counts.files, "file"),
        counted(counts.sites, "site"),
        counted(counts.certificates, "certificate"),
    );
    let count = |safety| run.findings.iter().filter(|one| one.mended() == Some(safety)).count();
    let (safe, unsafe_) = (count(Safety::Safe), count(Safety::Unsafe));
    if safe > 0 {
        let _ = write!(out, "; {safe} can be fixed: run again with --fix, or --diff to see");
    }
    if unsafe_ > 0 {
        let _ = write!(
            out,
            "; {unsafe_} {}with --unsafe-fixes, which change behaviour",
            if safe > 0 { "more " } else { "can be fixed " }
        );
    }
    out.push('\n');
    let by_comment = run.suppressed.iter().filter(|one| matches!(one.by, By::Comment(_))).count();
    let known = run.suppressed.len() - by_comment;
    let mut left: Vec<String> = Vec::new();
    if by_comment > 0 {
        left.push(format!("{by_comment} by comments"));
    }
    if known > 0 {
        left.push(format!("{known} known from the baseline"));
    }
    if !left.is_empty() {
        let _ = writeln!(out, "left out: {}", left.join(", "));
    }
    if !run.gone.is_empty() {
        let gone = counted(run.gone.len(), "finding");
        let _ = writeln!(out, "baseline: {gone} in it are no more: write it anew with --write-baseline");
    }
    let mut reasons: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for one in &run.unjudged {
        *reasons.entry((&one.what, one.reason.text())).or_default() += 1;
    }
    let most = if style.verbose { usize::MAX } else { 5 };
    for ((what, reason), count) in reasons.iter().take(most) {
        let times = if *count > 1 { format!(" ({count} times)") } else { String::new() };
        let _ = writeln!(out, "not judged: {}: {}{times}", plain(what), plain(reason));
    }
    if reasons.len() > most {
        let _ = writeln!(out, "not judged: {} more reasons (-v shows them)", reasons.len() - most);
    }
    let mut said: Vec<String> = Vec::new();
    for target in &run.targets {
        let platform = &target.platform;
        if !platform.assumed.is_empty() {
            said.push(format!(
                "{} {} with {} at level {} ({}, {})",
                target.server.title(),
                platform.server_version,
                platform.tls_library.name,
                platform.security_level,
                platform.name,
                platform.why,
            ));
        }
        if target.trust_is_assumed && style.verbose {
            said.push(format!("clients trust the {} store", target.trust));
        }
    }
    said.dedup();
    for one in said {
        let _ = writeln!(out, "assumed: {}", plain(&one));
    }
}

/// The patch of all files that changed, as `--diff` prints it, with commands for what no patch says, which programs that take
/// patches pass over.
pub fn whole_patch<'f>(
    files: impl IntoIterator<Item = (&'f Path, &'f [u8], &'f [u8])>,
    commands: &[String],
) -> Vec<u8> {
    let patches = files.into_iter().flat_map(|(path, before, after)| fix::unified(path, before, after, 3));
    let commands = commands.iter().flat_map(|command| format!("# {}\n", plain(command)).into_bytes());
    patches.chain(commands).collect()
}
