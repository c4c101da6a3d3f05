//! Fixes of any two rules at once: examples that a rule offers a fix for stand side by side in one configuration, each with
//! each. All faults are repaired in one run, nothing comes up that neither repair brings by itself, the next run changes
//! nothing, and the real servers take the result.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use shakedown::diagnostic::{Edit, Finding, Safety, Severity};
use shakedown::lint::page::{Example, Expect};
use shakedown::pipeline::{self, Options, Run, TrustSource};
use shakedown::source::{Memory, Text};
use shakedown::{fix, lint};
use shakedown_testing::beside::{Part, tree};
use shakedown_testing::random::Random;
use shakedown_testing::{NOW, recipe, server};

type Tree = BTreeMap<String, Vec<u8>>;

/// An example whose rule offers a fix there.
struct Fixable {
    name: String,
    example: &'static Example,
    part: Part,
    /// With other names and ports, to stand beside another.
    apart: Part,
    /// What is said once it was repaired alone, in the first place and apart in the second.
    alone: [BTreeSet<(PathBuf, String)>; 2],
}

fn options(example: &Example) -> Options {
    Options {
        platform: Some(example.platform.clone().unwrap_or_else(|| "debian-12".to_owned())),
        server_version: example.server_version.as_deref().and_then(shakedown::platform::Version::parse),
        tls_library: example.tls_library.as_deref().and_then(shakedown::platform::TlsLibrary::parse),
        now: NOW,
        trust: vec![TrustSource::File("root.crt".into())],
        ..Options::default()
    }
}

/// Versions that the two must have in common.
fn machine(example: &Example) -> [&Option<String>; 3] {
    [&example.platform, &example.server_version, &example.tls_library]
}

fn memory(files: &Tree) -> Memory {
    let mut memory = Memory::new();
    files.iter().for_each(|(path, bytes)| memory.insert(path, bytes.clone()));
    memory
}

fn judged(files: &Tree, example: &Example) -> Run {
    let main = recipe::main_file(&example.server);
    pipeline::lint(&memory(files), &[PathBuf::from(main)], &options(example)).expect("a run")
}

/// What is said at warning and above: of which file, by which rule.
fn said(run: &Run) -> BTreeSet<(PathBuf, String)> {
    let place = |finding: &Finding| {
        let file = run.sources.resolve_span(finding.primary.span).span.file;
        (run.sources.file(file).path().to_path_buf(), finding.rule.to_string())
    };
    run.findings.iter().filter(|finding| finding.severity > Severity::Info).map(place).collect()
}

/// The files after all fixes, and what remains to be said.
fn fixed(files: &Tree, example: &Example) -> (Tree, Run) {
    let main = recipe::main_file(&example.server);
    let fixed = pipeline::fix(&memory(files), &[PathBuf::from(main)], &options(example), Safety::Unsafe);
    let fixed = fixed.expect("a run");
    let mut result = files.clone();
    for (path, (_, after)) in &fixed.files {
        result.insert(path.display().to_string(), after.clone());
    }
    (result, fixed.run)
}

/// Whether all edits stand in files that may be written.
fn is_written(run: &Run, edits: &[Edit]) -> bool {
    edits.iter().all(|edit| {
        let file = run.sources.file(edit.span.file);
        matches!(file.text(), Text::File) && !file.is_secret()
    })
}

/// The same by hand: the chosen edits of each round and nothing else, from the last to the first.
fn by_hand(files: &Tree, example: &Example) -> Tree {
    let mut files = files.clone();
    for _ in 0..10 {
        let run = judged(&files, example);
        let fixes = run.findings.iter().filter_map(|finding| finding.fix.as_deref());
        let chosen = fix::choose(fixes.filter(|fix| is_written(&run, &fix.edits)));
        let mut edits: Vec<&Edit> = chosen.iter().flat_map(|fix| &fix.edits).collect();
        edits.sort_by_key(|edit| std::cmp::Reverse((edit.span.file, edit.span.start, edit.span.end)));
        edits.dedup();
        for edit in &edits {
            let path = run.sources.file(edit.span.file).path().display().to_string();
            let bytes = files.get_mut(&path).expect("a file of the tree");
            bytes.splice(edit.span.start as usize..edit.span.end as usize, edit.text.bytes());
        }
        if edits.is_empty() {
            break;
        }
    }
    files
}

/// The first examples of each rule for a server that can stand beside another and have a fix.
fn fixables(server: &str) -> Vec<Fixable> {
    let is_plain = |one: &&&'static Example| {
        one.server == server
            && one.expect == Expect::Bad
            && one.context.is_none()
            && one.settings.is_none()
            && one.system.is_empty()
            && one.metadata.is_empty()
            && one.clock.is_none()
            && one.profile.is_none()
    };
    let rules: Vec<_> = lint::rules().iter().collect();
    let of_rule = |rule: &&'static lint::Rule| {
        let own = |one: &&'static Example| {
            let part = Part::new(&one.config, &one.files);
            let run = judged(&tree(server, &[&part])?, one);
            let is_own = |finding: &&Finding| finding.rule.as_str() == rule.name && finding.fix.is_some();
            run.findings.iter().find(is_own)?;
            let apart = part.apart();
            let nothing = Part::new("", &BTreeMap::new());
            let alone = |parts: &[&Part]| Some(said(&fixed(&tree(server, parts)?, one).1));
            let alone = [alone(&[&part, &nothing])?, alone(&[&nothing, &apart])?];
            Some(Fixable { name: rule.name.to_string(), example: one, part, apart, alone })
        };
        let all: Vec<&'static Example> = rule.page().example.iter().filter(|one| is_plain(&one)).collect();
        all.iter().filter_map(own).collect::<Vec<_>>()
    };
    rules.par_iter().flat_map(of_rule).collect()
}

/// What is wrong with the repair of two at once. `asks`: the bytes and the real server too.
fn hold(one: &Fixable, two: &Fixable, asks: bool) -> Option<String> {
    let example = one.example;
    let server = &*example.server;
    let files = tree(server, &[&one.part, &two.apart])?;
    let (result, run) = fixed(&files, example);
    let name = format!("{} and {}", one.name, two.name);
    let mut wrong = String::new();
    let is_expected = |said: &(PathBuf, String)| one.alone[0].contains(said) || two.alone[1].contains(said);
    let mut fresh: Vec<_> = said(&run).into_iter().filter(|said| !is_expected(said)).collect();
    if !fresh.is_empty() {
        // What the two say to each other before any repair.
        let before = said(&judged(&files, example));
        fresh.retain(|said| !before.contains(said));
    }
    if !fresh.is_empty() {
        wrong += &format!("{name}: new: {fresh:?}\n{}", shown(&result));
    }
    if run.findings.iter().any(|finding| finding.fix.as_ref().is_some_and(|fix| is_written(&run, &fix.edits))) {
        wrong += &format!("{name}: a second run has more to repair\n");
    }
    if !asks {
        return Some(wrong);
    }
    if fixed(&result, example).0 != result {
        wrong += &format!("{name}: a second run changes more\n");
    }
    let other = by_hand(&files, example);
    if other != result {
        wrong += &format!("{name}: bytes outside of the edits changed:\n{}but:\n{}", shown(&result), shown(&other));
    }
    let is_installed = machine(example).iter().all(|one| one.is_none());
    let has_errors = run.findings.iter().any(|finding| finding.severity == Severity::Error);
    if is_installed && !has_errors {
        let folder = tempfile::tempdir().expect("a temporary folder");
        recipe::write(folder.path(), &result);
        let ask: fn(&Path, &str) -> server::Verdict = match server {
            "apache" => server::apache,
            "caddy" => server::caddy,
            _ => server::nginx,
        };
        let verdict = ask(folder.path(), recipe::main_file(server));
        if !verdict.starts {
            wrong += &format!("{name}: {server} refuses the result: {}\n{}", verdict.words, shown(&result));
        }
    }
    Some(wrong)
}

/// The configuration of a tree, for people.
fn shown(files: &Tree) -> String {
    let texts = files.iter().filter(|(path, _)| path.ends_with(".conf") || path.ends_with("Caddyfile"));
    texts.map(|(path, bytes)| format!("--- {path}\n{}\n", String::from_utf8_lossy(bytes))).collect()
}

/// Holds examples of every two rules of a server's against each other; `asked` of the pairs, which a seed chooses, with the
/// bytes and the real server too.
fn all_pairs(server: &str, least: usize, asked: usize) {
    let all = fixables(server);
    let fits = |one: &Fixable, two: &Fixable| one.name != two.name && machine(one.example) == machine(two.example);
    let pairs = |at: usize| all[..at].iter().map(move |one| (one, at));
    let mut pairs: Vec<(&Fixable, &Fixable)> =
        (0..all.len()).flat_map(pairs).map(|(one, at)| (one, &all[at])).filter(|(one, two)| fits(one, two)).collect();
    let mut random = Random::new(20_261_129);
    for at in (1..pairs.len()).rev() {
        pairs.swap(at, random.below(at + 1));
        // Either may be the one that stands apart.
        if random.one_in(2) {
            pairs[at] = (pairs[at].1, pairs[at].0);
        }
    }
    let look = |(at, (one, two)): (usize, &(&Fixable, &Fixable))| hold(one, two, at < asked);
    let found: Vec<String> = pairs.par_iter().enumerate().filter_map(look).collect();
    let wrong: String = found.concat();
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(found.len() >= least, "only {} pairs of {server}", found.len());
}

#[test]
fn fixes_of_any_two_rules_of_nginx_go_together() {
    all_pairs("nginx", 2_300, 60);
}

#[test]
fn fixes_of_any_two_rules_of_apache_go_together() {
    all_pairs("apache", 2_800, 60);
}

#[test]
fn fixes_of_any_two_rules_of_caddy_go_together() {
    all_pairs("caddy", 650, 60);
}
