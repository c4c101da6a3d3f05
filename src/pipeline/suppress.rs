//! Which findings are left out, and by whose word: settings for some files, comments, the list of those that are known.

use std::collections::HashSet;
use std::path::Path;

use foldhash::{HashMap, HashMapExt};
use rayon::prelude::*;

use super::{Loaded, Options, Reading};
use crate::diagnostic::{Finding, Problem, Unchecked};
use crate::lint::suppression::{self, Suppression};
use crate::lint::{self, Level};
use crate::server;
use crate::source::{FileId, SourceFile, Sources, Span, Text};

/// Who left a finding out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// A comment, with its reason.
    Comment(String),
    /// The list of findings that are known.
    Baseline,
    /// An earlier configuration that has it too, by its name.
    Since(String),
}

/// A finding that is left out.
#[derive(Clone, Debug)]
pub struct Suppressed {
    /// The finding.
    pub finding: Finding,
    /// By whom.
    pub by: By,
}

/// The comments of a configuration that say what may stay.
pub struct Comments {
    /// By the path of their file.
    by_path: HashMap<std::path::PathBuf, Vec<(Suppression, bool)>>,
    /// What is wrong with others.
    pub problems: Vec<Problem>,
}

impl Comments {
    /// Reads the comments of all files of a configuration.
    pub fn read(loaded: &Loaded, reading: &Reading, options: &Options) -> Comments {
        let mut comments = Comments { by_path: HashMap::new(), problems: Vec::new() };
        let is_marked = |(_, file): &(FileId, &SourceFile)| {
            let is_text = matches!(file.text(), Text::File | Text::StandardInput) && !file.is_secret();
            is_text && suppression::is_marked(file.bytes())
        };
        let all: Vec<(FileId, &SourceFile)> = loaded.sources.iter().collect();
        let marked: Vec<(FileId, &SourceFile)> = all.into_par_iter().with_min_len(CHUNK).filter(is_marked).collect();
        if marked.is_empty() {
            return comments;
        }
        let own: HashSet<&Path> = reading.understood.paths().into_iter().collect();
        let mut seen = HashSet::new();
        for (id, file) in marked {
            if !own.contains(file.path()) || !seen.insert(file.path()) {
                continue;
            }
            let outline = server::outline(reading.server, file.path(), file.bytes());
            let (found, problems) = suppression::read(file.bytes(), id, &outline, &options.lint.rules);
            let found = found.into_iter().map(|one| (one, false)).collect();
            comments.by_path.insert(file.path().to_path_buf(), found);
            comments.problems.extend(problems);
        }
        comments
    }

    /// The reason for which a finding may stay, if a comment gives one.
    pub fn meet(&mut self, sources: &Sources, finding: &Finding) -> Option<String> {
        if self.by_path.is_empty() {
            return None;
        }
        let span = sources.resolve_span(finding.primary.span).span;
        let all = self.by_path.get_mut(sources.file(span.file).path())?;
        let mut reason = None;
        for (one, used) in all.iter_mut().filter(|(one, _)| one.meets(finding.rule.as_str(), span.start)) {
            *used = true;
            reason.get_or_insert_with(|| one.reason.clone());
        }
        reason
    }

    /// What is said of the comments that met nothing, where the rule was asked and could judge.
    pub fn unused(&self, reading: &Reading, options: &Options, unjudged: &[Unchecked]) -> Vec<Problem> {
        let deployment = reading.understood.deployment();
        let speaks = |rule: &lint::Rule| rule.speaks_of(deployment.server.name());
        let is_judged =
            |rule: &lint::Rule| !deployment.fragment && (unjudged.is_empty() || !rule.looks_at_files()) && speaks(rule);
        let unused = self.by_path.values().flatten().filter(|(_, used)| !used).map(|(one, _)| one);
        let asked = unused.filter(|one| {
            let rule = options.lint.rules.find(&one.rule);
            rule.is_some_and(|rule| {
                options.lint.wants(&crate::diagnostic::RuleName(rule.name.clone())) && is_judged(rule)
            })
        });
        asked.map(Suppression::unused).collect()
    }
}

/// What the settings for some files make of a finding; nothing where they leave it out.
pub fn by_path(options: &Options, path: &str, mut finding: Finding) -> Option<Finding> {
    let Some(config) = &options.config else { return Some(finding) };
    for one in config.per_path.iter().filter(|one| one.meets(path)) {
        let name = finding.rule.as_str();
        if !one.select.is_empty() && !one.select.iter().any(|other| other == name) {
            return None;
        }
        if one.ignore.iter().any(|other| other == name) {
            return None;
        }
        match one.severities.get(name) {
            Some(Level::Off) => return None,
            Some(Level::At(severity)) => finding.severity = *severity,
            None => {}
        }
    }
    Some(finding)
}

/// Gives each finding what tells it from others across runs: its rule, its file as seen from the project's folder, the site
/// that it stands in, and the text that it points at, with a number where several are alike. Lines above and below, other
/// sites, and how much time is left play no part.
pub fn fingerprint(loaded: &Loaded, names: &HashMap<FileId, String>, findings: &mut [Finding]) {
    let sources = &loaded.sources;
    let mut sites: HashMap<FileId, Vec<(Span, &str)>> = HashMap::new();
    for reading in &loaded.readings {
        for site in &reading.understood.deployment().sites {
            let block = sources.resolve_span(site.block).span;
            let name = site.names.first().map_or("", |name| &*name.token.text);
            sites.entry(block.file).or_default().push((block, name));
        }
    }
    sites.values_mut().for_each(|all| all.sort_by_key(|(block, _)| block.start));
    let hash = |finding: &Finding| {
        let span = sources.resolve_span(finding.primary.span).span;
        let inside = sites.get(&span.file).and_then(|all| {
            let before = all.partition_point(|(block, _)| block.start <= span.start);
            all[..before].iter().rev().take(NESTED).find(|(block, _)| span.end <= block.end)
        });
        let site = inside.map_or("", |(_, name)| *name);
        let path = names.get(&span.file).map_or("", String::as_str);
        let parts: [&[u8]; 4] =
            [finding.rule.as_str().as_bytes(), path.as_bytes(), site.as_bytes(), sources.bytes(span)];
        let bytes = parts.iter().flat_map(|part| part.iter().copied().chain([0]));
        // FNV-1a, 64 bits.
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    };
    let hashes: Vec<u64> = findings.par_iter().with_min_len(CHUNK).map(hash).collect();
    let mut seen: HashMap<u64, u32> = HashMap::with_capacity(hashes.len());
    for (finding, hash) in findings.iter_mut().zip(hashes) {
        let count = seen.entry(hash).or_insert(0);
        *count += 1;
        finding.fingerprint = if *count == 1 { format!("{hash:016x}") } else { format!("{hash:016x}-{count}") };
    }
}

/// Findings or files that one worker looks at at a time.
const CHUNK: usize = 256;

/// How many sites are looked at for the one around a place: sites hardly nest.
const NESTED: usize = 8;
