//! Writes comments beside what may stay: for each directive with findings, one line above it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{Changed, Failure, Options, Run, lint};
use crate::server;
use crate::source::{FileId, FileSystem, Overlay, Sources, Text};

/// What comments would make of a tree.
pub struct Added {
    /// Files that change: what they hold now, and what they would hold.
    pub files: Changed,
    /// The run over the result.
    pub run: Run,
    /// How many comments there are.
    pub count: usize,
}

/// Adds a comment for each finding, where its file has comments. Nothing is written.
///
/// # Errors
/// As [`lint`].
pub fn add_ignores(
    files: &dyn FileSystem,
    paths: &[PathBuf],
    options: &Options,
    reason: &str,
) -> Result<Added, Failure> {
    let run = lint(files, paths, options)?;
    // A reason is one line.
    let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut rules: BTreeMap<FileId, BTreeMap<u32, BTreeSet<String>>> = BTreeMap::new();
    for finding in &run.findings {
        let about_the_run = run.rules.find(finding.rule.as_str()).is_some_and(|rule| rule.is_about_the_run());
        let span = run.sources.resolve_span(finding.primary.span).span;
        if let Some(line) = line(&run, span.file, span.start).filter(|_| !about_the_run) {
            rules.entry(span.file).or_default().entry(line).or_default().insert(finding.rule.to_string());
        }
    }
    let mut changed = Changed::new();
    let mut count = 0;
    for (file, lines) in rules {
        let source = run.sources.file(file);
        let bytes = source.bytes();
        let mut out = Vec::with_capacity(bytes.len() + 64 * lines.len());
        let mut at = 0;
        for (start, names) in lines {
            out.extend_from_slice(&bytes[at..start as usize]);
            at = start as usize;
            let rest = &bytes[at..];
            let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            out.extend_from_slice(&rest[..blanks]);
            let names: Vec<String> = names.into_iter().collect();
            let end = if rest.split(|byte| *byte == b'\n').next().is_some_and(|line| line.ends_with(b"\r")) {
                "\r\n"
            } else {
                "\n"
            };
            out.extend_from_slice(format!("# shakedown: ignore[{}] {reason}{end}", names.join(", ")).as_bytes());
            count += 1;
        }
        out.extend_from_slice(&bytes[at..]);
        changed.insert(source.path().to_path_buf(), (source.shared_bytes(), out));
    }
    let mut overlay = Overlay::new(files);
    for (path, (_, text)) in &changed {
        overlay.insert(path, text.clone());
    }
    let run = lint(&overlay, paths, options)?;
    Ok(Added { files: changed, run, count })
}

/// Where the line of the directive around a byte begins, in a file that has comments.
fn line(run: &Run, file: FileId, at: u32) -> Option<u32> {
    let source = run.sources.file(file);
    if !matches!(source.text(), Text::File) || source.is_secret() {
        return None;
    }
    let server = run.servers.get(source.path())?;
    let outline = server::outline(*server, source.path(), source.bytes());
    let directive = outline.innermost(at)?;
    Some(start_of_line(&run.sources, file, directive.start))
}

fn start_of_line(sources: &Sources, file: FileId, at: u32) -> u32 {
    let before = &sources.file(file).bytes()[..at as usize];
    before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at as u32 + 1)
}

/// Which server reads which file.
pub type Servers = BTreeMap<PathBuf, crate::model::ServerKind>;

/// The files of a configuration.
pub fn servers<'p>(paths: impl IntoIterator<Item = &'p Path>, server: crate::model::ServerKind) -> Servers {
    paths.into_iter().map(|path| (path.to_path_buf(), server)).collect()
}
