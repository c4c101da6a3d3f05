//! Files that editors and package managers leave beside configurations: an include that takes them in reads old settings.

use std::path::{Path, PathBuf};

use crate::diagnostic::{Edit, Fix, Problem, Safety};
use crate::source::Span;

const ENDINGS: &[&str] = &["~", ".bak", ".orig", ".swp", ".rpmnew", ".rpmsave", ".old", ".save"];

/// Whether a file is such a left-over by its name.
pub fn is_backup(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    ENDINGS.iter().any(|ending| name.ends_with(ending)) || name.contains(".dpkg-")
}

/// `include-backup-file`, where an include that was expanded takes such files in. `hidden`: files whose names begin with a dot
/// count too.
pub fn problem(at: Span, written: &str, found: &[PathBuf], hidden: bool) -> Option<Problem> {
    let is_dotted = |path: &&PathBuf| hidden && path.file_name().is_some_and(|name| name.as_encoded_bytes()[0] == b'.');
    let (taken, meant): (Vec<&PathBuf>, Vec<&PathBuf>) =
        found.iter().partition(|path| is_backup(path) || is_dotted(path));
    let first = taken.first()?;
    let names: Vec<String> =
        taken.iter().take(3).filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect();
    let more = if taken.len() > 3 { format!(" and {} more", taken.len() - 3) } else { String::new() };
    let mut problem = Problem::new("include-backup-file", at)
        .with("path", written)
        .with("file", first.display().to_string())
        .with("names", names.join(", ") + &more);
    let all_are_conf = !meant.is_empty() && meant.iter().all(|path| path.extension().is_some_and(|one| one == "conf"));
    if all_are_conf && written.ends_with("/*") {
        problem.fix = Some(Fix {
            title: "take in files that end in `.conf` alone".to_owned(),
            safety: Safety::Unsafe,
            edits: vec![Edit { span: Span::new(at.file, at.end, at.end), text: ".conf".to_owned() }],
        });
    }
    Some(problem)
}
