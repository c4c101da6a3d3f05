//! The examples of the rules' pages are executed: each bad one fires exactly at its carets, each good one is silent, and
//! where an example says that the server does not start, the real one is asked.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use shakedown::config;
use shakedown::diagnostic::{Finding, Severity};
use shakedown::lint::page::{Effect, Example, Expect, Fixability};
use shakedown::lint::{self, Page};
use shakedown::pipeline::{self, Options, Run, TrustSource};
use shakedown::platform::{self, Part, TlsLibrary, Version};
use shakedown::source::{FileKind, Memory, Metadata};
use shakedown_testing::recipe::{self, example_files_of};
use shakedown_testing::{NOW, server};

/// The text of an example without its caret lines kept as they are: they are comments. The places that carets point at.
/// Lines with carets count in a JSON example no more than in the file that is made of it.
fn carets(config: &str, are_lines: bool) -> BTreeSet<(u32, u32, u32)> {
    let mut found = BTreeSet::new();
    let mut taken_out = 0;
    for (at, line) in config.lines().enumerate() {
        let above = at as u32 - taken_out; // lines count from 1, and the marked one is the one before
        let Some(marks) = line.strip_prefix('#') else { continue };
        taken_out += u32::from(!are_lines);
        if !marks.is_empty() && marks.bytes().all(|byte| byte == b'<') {
            found.insert((above, 1, 1 + marks.len() as u32));
        } else if !marks.trim().is_empty() && marks.bytes().all(|byte| matches!(byte, b'^' | b' ')) {
            let start = line.find('^').expect("a caret") as u32;
            found.insert((above, start + 1, line.trim_end().len() as u32 + 1));
        }
    }
    found
}

fn judge(example: &Example) -> (Run, &'static str) {
    let is_settings = example.server == "shakedown";
    let (tree, shown) = match is_settings {
        // The example is a shakedown.toml: a configuration without faults stands beside it.
        true => example_files_of("nginx", "", None, &example.files),
        false => example_files_of(&example.server, &example.config, example.context.as_deref(), &example.files),
    };
    let mut files = Memory::new();
    for (path, bytes) in tree {
        files.insert(path, bytes);
    }
    for (path, said) in &example.metadata {
        let mode = said.mode.as_deref().map_or(0o600, |mode| u32::from_str_radix(mode, 8).expect("an octal number"));
        let modified = said.days_old.map(|days| NOW - days * 86_400);
        // Kind and size are those of the file.
        let kind = FileKind::Regular;
        files.describe(path, Metadata { kind, size: 0, mode, uid: said.uid, gid: said.gid, modified, has_acl: false });
    }
    for (path, text) in &example.system {
        files.insert(path, text.clone().into_bytes());
    }
    let settings = if is_settings { Some(&example.config) } else { example.settings.as_ref() };
    let mut options = Options {
        platform: Some(example.platform.clone().unwrap_or_else(|| "debian-12".to_owned())),
        server_version: example.server_version.as_deref().map(|text| Version::parse(text).expect("a version")),
        tls_library: example.tls_library.as_deref().map(|name| TlsLibrary::parse(name).expect("a library")),
        now: NOW,
        trust: vec![TrustSource::File("root.crt".into())],
        trust_is_a_guess: !example.trust_is_given,
        trust_is_public: example.trust_is_public,
        run_as: example.run_as.clone(),
        root: (!example.system.is_empty()).then(|| PathBuf::from("/")),
        ..Options::default()
    };
    if let Some(clock) = &example.clock {
        let seconds = |text: &String| text.parse::<jiff::Timestamp>().expect("a time").as_second();
        options.now = clock.now.as_ref().map_or(NOW, seconds);
        options.clock = Some(lint::Clock { built: seconds(&clock.built), is_unkept: clock.unkept });
    }
    options.lint.profile = example.profile.as_ref().map(|name| lint::profile(name).expect("a profile"));
    if let Some(text) = settings {
        let bytes = text.clone().into_bytes();
        options.merge_config(config::parse(&files, Path::new(config::NAME), bytes.into()).expect("a shakedown.toml"));
    }
    let shown = if is_settings { config::NAME } else { shown };
    let run =
        pipeline::lint(&files, &[PathBuf::from(main_file(example, shown))], &options).expect("an example can be run");
    (run, shown)
}

/// The file that the server is started with.
fn main_file(example: &Example, shown: &'static str) -> &'static str {
    match &*example.server {
        "caddy" => shown,
        "shakedown" => recipe::main_file("nginx"),
        server => recipe::main_file(server),
    }
}

fn place(run: &Run, finding: &Finding) -> (String, u32, u32, u32) {
    let span = run.sources.resolve_span(finding.primary.span).span;
    let (start, end) = run.sources.positions(span);
    let path = run.sources.file(span.file).path().display().to_string();
    // A token that goes on below is marked on its first line.
    let last = if end.line == start.line { end.column } else { u32::MAX };
    (path, start.line, start.column, last)
}

fn told(run: &Run) -> String {
    let all = run
        .findings
        .iter()
        .map(|one| format!("    {}[{}] {:?} {}\n", one.severity, one.rule, place(run, one), one.message));
    all.collect()
}

/// Every page with its name.
fn pages() -> impl Iterator<Item = (&'static str, &'static Page)> {
    lint::rules().iter().map(|rule| (&*rule.name, rule.page()))
}

#[test]
fn examples_fire_at_their_carets_and_nowhere_else() {
    let all: Vec<_> = pages()
        .flat_map(|(name, page)| page.example.iter().enumerate().map(move |(number, one)| (name, page, number, one)))
        .collect();
    let judged: Vec<(String, String)> = all.par_iter().map(|one| hold(*one)).collect();
    let wrong: String = judged.iter().map(|(wrong, _)| wrong.as_str()).collect();
    assert!(wrong.is_empty(), "\n{wrong}");
    // All messages side by side, to be read as one text.
    let messages: String = judged.iter().map(|(_, message)| message.as_str()).collect();
    insta::with_settings!({ prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("messages", messages);
    });
}

/// What is wrong with an example, and what the rule says of it.
fn hold((name, page, number, example): (&str, &Page, usize, &Example)) -> (String, String) {
    let (mut wrong, mut message) = (String::new(), String::new());
    let (run, shown) = judge(example);
    let mut expected = BTreeSet::new();
    if example.expect == Expect::Bad {
        expected = carets(&example.config, example.context.as_deref() != Some("json"));
    }
    let own = run.findings.iter().filter(|one| one.rule.as_str() == name);
    let found: BTreeSet<(u32, u32, u32)> = own
        .filter(|one| example.expect == Expect::Bad || one.severity > Severity::Info)
        .map(|one| place(&run, one))
        .filter(|(path, ..)| path == shown)
        .map(|(_, line, start, end)| (line, start, end))
        .collect();
    let others: Vec<&str> = run
        .findings
        .iter()
        .filter(|one| one.severity > Severity::Info && one.rule.as_str() != name)
        .map(|one| one.rule.as_str())
        .filter(|other| !example.also.iter().any(|also| also == other))
        .collect();
    let open = run.findings.iter().any(|one| {
        let words = [Some(&one.message), Some(&one.primary.caption), one.help.as_ref(), one.note.as_ref()];
        words
            .into_iter()
            .flatten()
            .any(|text| text.contains('{') && text.contains('}') && text.contains("-") && !text.contains(' '))
    });
    if found != expected || !others.is_empty() || open {
        wrong += &format!(
            "{name}, example {number}: expected {expected:?}, found {found:?}, also {others:?}\n{}",
            told(&run)
        );
    }
    if example.expect == Expect::Bad {
        wrong += &words(name, page, example, &run);
        message = said(name, example, &run);
    }
    (wrong, message)
}

/// The words of the first finding of a rule, with what leads the reader to them.
fn said(name: &str, example: &Example, run: &Run) -> String {
    let Some(finding) = run.findings.iter().find(|one| one.rule.as_str() == name) else { return String::new() };
    let case = if example.case.is_empty() { String::new() } else { format!(".{}", example.case) };
    let mut text = format!("{}[{name}{case}] {}: {}\n", finding.severity, example.server, finding.message);
    let under =
        [("under", Some(&finding.primary.caption)), ("note", finding.note.as_ref()), ("help", finding.help.as_ref())];
    for (what, words) in under {
        text += &words.map_or(String::new(), |words| format!("    {what}: {words}\n"));
    }
    text
}

/// The finding of a bad example has the words of the case that the example names, with every placeholder filled.
fn words(name: &str, page: &Page, example: &Example, run: &Run) -> String {
    let Some(finding) = run.findings.iter().find(|one| one.rule.as_str() == name) else { return String::new() };
    if !example.case.is_empty() && !page.case.contains_key(&example.case) {
        return format!("{name}: the page has no case {}\n", example.case);
    }
    let text = page.text(&example.server, &example.case);
    let fixed = text.split(['{', '}']).step_by(2);
    let mut rest = &*finding.message;
    for part in fixed {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => {
                return format!("{name}: expected the words of case `{}`, found: {}\n", example.case, finding.message);
            }
        }
    }
    // A warning says that the server may not start: whether it does hangs on more than the files.
    let is_told = finding.stops || finding.severity < Severity::Error;
    if finding.stops && example.effect != Effect::NoStart || example.effect == Effect::NoStart && !is_told {
        return format!("{name}: the case `{}` stops the server: {}\n", example.case, finding.stops);
    }
    let all = [Some(&finding.message), Some(&finding.primary.caption), finding.help.as_ref(), finding.note.as_ref()];
    for text in all.into_iter().flatten() {
        let open = text.split('{').skip(1).any(|part| {
            part.split_once('}').is_some_and(|(inside, _)| {
                !inside.is_empty() && inside.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
            })
        });
        if open {
            return format!("{name}: a placeholder is not filled: {text}\n");
        }
    }
    String::new()
}

#[test]
fn every_page_has_bad_and_good_examples_for_each_of_its_servers() {
    for (name, page) in pages() {
        for server in &page.servers {
            for wanted in [Expect::Bad, Expect::Good] {
                let has = page.example.iter().any(|example| example.server == *server && example.expect == wanted);
                assert!(has, "{name}: no {wanted:?} example for {server}");
            }
        }
        for case in page.case.keys() {
            let is_limit = [
                "anchor",
                "too-large",
                "too-long",
                "too-deep",
                "too-many",
                "too-many-words",
                "unreadable",
                "dangling",
                "assumed",
                "foreign-module",
                "unknown",
                "default",
                "empty",
            ];
            let has = page.example.iter().any(|example| example.case == *case) || is_limit.contains(&case.as_str());
            assert!(has, "{name}: no example of case {case}");
        }
    }
}

/// The README's list is made of the pages: `INSTA_UPDATE=always` writes it anew.
#[test]
fn the_readme_lists_every_rule() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(&path).expect("README.md");
    let (begin, end) = ("<!-- rules, made from their pages -->\n", "<!-- end of rules -->\n");
    let (before, rest) = readme.split_once(begin).expect("where the list begins");
    let (listed, after) = rest.split_once(end).expect("where it ends");
    let mut list = "| rule | severity | servers | fix | what |\n|---|---|---|---|---|\n".to_owned();
    for (name, page) in pages() {
        let fix = match page.fix {
            Fixability::Safe => "safe",
            Fixability::Unsafe => "unsafe",
            Fixability::None => "",
        };
        let (severity, servers) = (page.severity, page.servers.join(", "));
        list += &format!("| `{name}` | {severity} | {servers} | {fix} | {} |\n", page.title.replace('|', "\\|"));
    }
    if std::env::var_os("INSTA_UPDATE").is_some_and(|mode| mode == "always") {
        std::fs::write(&path, format!("{before}{begin}{list}{end}{after}")).expect("README.md");
        return;
    }
    assert_eq!(listed, list, "the README's list is not that of the pages");
}

#[test]
fn table_and_folder_agree() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/lint");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .expect("the folder of the pages")
        .map(|entry| entry.expect("an entry").path().file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    let table: Vec<&str> = lint::rules().iter().map(|rule| &*rule.name).collect();
    assert!(table.is_sorted());
    assert_eq!(files, table.iter().map(|name| (*name).to_owned()).collect());
}

/// Asks the real server whether it starts with each example that the one at hand can tell of.
fn ask(kind: &str, part: Part, ask: fn(&Path, &str) -> server::Verdict, least: usize) {
    let installed = platform::find("debian-12", part).expect("a platform").server_version;
    let examples =
        pages().flat_map(|(name, page)| page.example.iter().enumerate().map(move |(at, one)| (name, at, one)));
    // What another version does, the one at hand cannot tell.
    let is_asked = |example: &Example| {
        let version = example.server_version.as_deref().and_then(Version::parse);
        example.server == kind
            && version.is_none_or(|version| version == installed)
            && example.platform.is_none()
            && example.tls_library.is_none()
            && example.run_as.is_none()
    };
    let asked: Vec<_> = examples.filter(|(_, _, example)| is_asked(example)).collect();
    let wrong = asked.par_iter().map(|(name, number, example)| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (files, shown) = example_files_of(kind, &example.config, example.context.as_deref(), &example.files);
        recipe::write(folder.path(), &files);
        let verdict = ask(folder.path(), main_file(example, shown));
        let expected = example.expect == Expect::Good || example.effect == Effect::Starts;
        match verdict.starts == expected {
            true => String::new(),
            false => format!("{name}, example {number}: starts: {}\n{}\n", verdict.starts, verdict.words),
        }
    });
    let wrong: String = wrong.collect();
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(asked.len() > least, "only {} examples were asked of {kind}", asked.len());
}

#[test]
fn the_real_nginx_does_what_the_examples_say() {
    ask("nginx", Part::Nginx, server::nginx, 100);
}

#[test]
fn the_real_caddy_does_what_the_examples_say() {
    ask("caddy", Part::Caddy, server::caddy, 50);
}

#[test]
fn the_real_apache_does_what_the_examples_say() {
    ask("apache", Part::Apache, server::apache, 100);
}
