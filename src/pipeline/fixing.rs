//! Applies fixes until nothing changes, in memory: what is written, and what remains.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Failure, Options, Run, dump, lint};
use crate::diagnostic::{FileAction, Safety, Severity};
use crate::fix;
use crate::source::{FileSystem, Overlay, Text};

/// How often fixes are applied and the result is read again.
const ROUNDS: usize = 10;

/// Files that change: what they hold now, and what they would hold.
pub type Changed = BTreeMap<PathBuf, (Arc<[u8]>, Vec<u8>)>;

/// What fixes would make of a tree.
pub struct Fixed {
    /// Files that change: what they hold now, and what they would hold.
    pub files: Changed,
    /// The run over the result.
    pub run: Run,
    /// How many fixes were applied.
    pub applied: usize,
    /// What is to be done to files beside their bytes, in order.
    pub deeds: Vec<FileAction>,
}

/// Applies all fixes up to `most`, reads the result again, and goes on until nothing changes. Nothing is written.
///
/// # Errors
/// As [`lint`].
pub fn fix(files: &dyn FileSystem, paths: &[PathBuf], options: &Options, most: Safety) -> Result<Fixed, Failure> {
    if dump::unpack(files, paths, options).is_some() {
        let failure = Failure::new("what `nginx -T` printed is not changed");
        return Err(failure.help("name the configuration itself to have it repaired"));
    }
    let mut changed = Changed::new();
    let mut applied = 0;
    let mut run = lint(files, paths, options)?;
    for _ in 0..ROUNDS {
        let is_file = |file| matches!(run.sources.file(file).text(), Text::File) && !run.sources.file(file).is_secret();
        let fixes = run.findings.iter().filter_map(|finding| finding.fix.as_deref()).filter(|fix| fix.safety <= most);
        let fixes = fixes.filter(|fix| fix.edits.iter().all(|edit| is_file(edit.span.file)));
        let chosen = fix::choose(fixes);
        if chosen.is_empty() {
            break;
        }
        let mut progress = false;
        for (file, text) in fix::apply(&run.sources, &chosen) {
            let source = run.sources.file(file);
            progress |= source.bytes() != text;
            // A part that becomes a whole by its repair may be read by another path from then on.
            let real = files.canonical(source.path()).ok();
            let is_same = |known: &&PathBuf| {
                known.as_path() == source.path() || real.is_some() && files.canonical(known).ok() == real
            };
            let path = changed.keys().find(is_same).cloned().unwrap_or_else(|| source.path().to_path_buf());
            let before = changed.remove(&path).map_or_else(|| source.shared_bytes(), |(before, _)| before);
            changed.insert(path, (before, text));
        }
        if !progress {
            break;
        }
        applied += chosen.len();
        let mut overlay = Overlay::new(files);
        for (path, (_, text)) in &changed {
            overlay.insert(path, text.clone());
        }
        run = lint(&overlay, paths, options)?;
    }
    let deeds = deeds(files, paths, options, most, &run, &changed)?;
    changed.retain(|_, (before, after)| **before != **after);
    Ok(Fixed { files: changed, run, applied, deeds })
}

/// What findings that are left ask for beside edits. A file gets another name only where nothing else comes of it: none that
/// is an error.
fn deeds(
    files: &dyn FileSystem,
    paths: &[PathBuf],
    options: &Options,
    most: Safety,
    run: &Run,
    changed: &Changed,
) -> Result<Vec<FileAction>, Failure> {
    let acts = run
        .findings
        .iter()
        .filter_map(|finding| finding.file_fix.as_deref())
        .filter(|file_fix| file_fix.safety <= most);
    let wanted: BTreeSet<&FileAction> = acts.map(|file_fix| &file_fix.action).collect();
    let mut found = Vec::new();
    let mut renamed: Vec<(&Path, Arc<[u8]>)> = Vec::new();
    for action in wanted {
        if let FileAction::Rename { from, to } = action {
            let Ok(bytes) = files.read(from, options.limits.config_file) else { continue };
            renamed.push((to, bytes));
            let mut overlay = Overlay::new(files);
            changed.iter().for_each(|(path, (_, text))| overlay.insert(path, text.clone()));
            renamed.iter().for_each(|(path, bytes)| overlay.insert(path, Arc::clone(bytes)));
            if lint(&overlay, paths, options)?.count(Severity::Error) > run.count(Severity::Error) {
                renamed.pop();
                continue;
            }
        }
        found.push(action.clone());
    }
    Ok(found)
}
