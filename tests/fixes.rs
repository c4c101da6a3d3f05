//! Fixes: they converge, the real servers accept what they produce, and nothing outside the edits changes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use shakedown::diagnostic::{FileAction, Safety, Severity};
use shakedown::lint;
use shakedown::lint::page::{Effect, Example, Expect, Fixability};
use shakedown::pipeline::{self, Options, TrustSource};
use shakedown::source::{FileKind, Memory, Metadata};
use shakedown_testing::recipe::{self, example_files_of};
use shakedown_testing::{NOW, server};

fn fixed(files: &BTreeMap<String, Vec<u8>>, example: &Example, most: Safety) -> pipeline::Fixed {
    fixed_after(files, example, most, &[])
}

fn fixed_after(
    files: &BTreeMap<String, Vec<u8>>,
    example: &Example,
    most: Safety,
    deeds: &[FileAction],
) -> pipeline::Fixed {
    let main = main_file(example);
    let mut memory = memory(files);
    describe(&mut memory, example, deeds);
    pipeline::fix(&memory, &[PathBuf::from(main)], &options(example), most).expect("a run")
}

fn memory(files: &BTreeMap<String, Vec<u8>>) -> Memory {
    let mut memory = Memory::new();
    for (path, bytes) in files {
        memory.insert(path, bytes.clone());
    }
    memory
}

/// Says who owns the files of an example, and what was done to them since.
fn describe(memory: &mut Memory, example: &Example, deeds: &[FileAction]) {
    for (path, said) in &example.metadata {
        let mode = said.mode.as_deref().map_or(0o600, |mode| u32::from_str_radix(mode, 8).expect("an octal number"));
        let (uid, gid, modified) = (said.uid, said.gid, said.days_old.map(|days| NOW - days * 86_400));
        let (mode, gid) = deeds.iter().fold((mode, gid), |(mode, gid), action| match action {
            FileAction::Permit { path: changed, mode, group } if changed.ends_with(path) => {
                (*mode, group.as_ref().map_or(gid, |(gid, _)| *gid))
            }
            _ => (mode, gid),
        });
        let kind = FileKind::Regular;
        memory.describe(path, Metadata { kind, size: 0, mode, uid, gid, modified, has_acl: false });
    }
}

/// All files of an example, those of the system around it too.
fn files_of(example: &Example) -> BTreeMap<String, Vec<u8>> {
    let (mut files, _) = example_files_of(&example.server, &example.config, example.context.as_deref(), &example.files);
    files.extend(example.system.iter().map(|(path, text)| (path.clone(), text.clone().into_bytes())));
    files
}

fn options(example: &Example) -> Options {
    Options {
        platform: Some(example.platform.clone().unwrap_or_else(|| "debian-12".to_owned())),
        server_version: example.server_version.as_deref().and_then(shakedown::platform::Version::parse),
        tls_library: example.tls_library.as_deref().and_then(shakedown::platform::TlsLibrary::parse),
        now: NOW,
        trust: vec![TrustSource::File("root.crt".into())],
        run_as: example.run_as.clone(),
        root: (!example.system.is_empty()).then(|| PathBuf::from("/")),
        ..Options::default()
    }
}

/// The file that the server is started with.
fn main_file(example: &Example) -> &'static str {
    match example.context.as_deref() {
        Some("json") => "caddy.json",
        _ => recipe::main_file(&example.server),
    }
}

/// Servers whose fixes are applied and started.
const ASKED: &[&str] = &["nginx", "apache", "caddy"];

#[test]
fn declared_and_offered_fixes_agree_and_converge() {
    let mut wrong = String::new();
    let mut asked = 0;
    for rule in lint::rules() {
        let page = rule.page();
        let mut offered = None;
        for (number, example) in page
            .example
            .iter()
            .enumerate()
            .filter(|(_, one)| one.expect == Expect::Bad && ASKED.contains(&&*one.server))
        {
            let main = main_file(example);
            let files = files_of(example);
            let mut memory = memory(&files);
            describe(&mut memory, example, &[]);
            let before = fixed(&files, example, Safety::Unsafe);
            let is_own = |finding: &&shakedown::diagnostic::Finding| finding.rule.as_str() == rule.name;
            let first = pipeline::lint(&memory, &[PathBuf::from(main)], &options(example)).expect("a run");
            let fix = first.findings.iter().find(is_own).and_then(|finding| finding.mended());
            let Some(safety) = fix else { continue };
            offered = offered.max(Some(safety));
            // Applied once more, nothing changes.
            let mut result = files.clone();
            for (path, (_, after)) in &before.files {
                result.insert(path.display().to_string(), after.clone());
            }
            for action in &before.deeds {
                if let FileAction::Rename { from, to } = action {
                    let path = |path: &PathBuf| path.to_string_lossy().trim_start_matches('/').to_owned();
                    let bytes = result.remove(&path(from)).expect("a file of the example");
                    result.insert(path(to), bytes);
                }
            }
            let again = fixed_after(&result, example, Safety::Unsafe, &before.deeds);
            if again.run.findings.iter().any(|finding| is_own(&finding)) {
                wrong += &format!("{}, example {number}: its fix does not end it\n", rule.name);
            }
            if !again.files.is_empty() || !again.deeds.is_empty() {
                wrong += &format!("{}, example {number}: fixes do not converge\n", rule.name);
            }
            // A safe fix of what keeps the server from starting lets it start; none keeps it from starting.
            let is_installed =
                example.server_version.is_none() && example.platform.is_none() && example.tls_library.is_none();
            if is_installed && example.system.is_empty() {
                let folder = tempfile::tempdir().expect("a temporary folder");
                recipe::write(folder.path(), &result);
                let has_errors = again.run.findings.iter().any(|finding| finding.severity == Severity::Error);
                let verdict = match &*example.server {
                    "apache" => server::apache(folder.path(), main),
                    "caddy" => server::caddy(folder.path(), main),
                    _ => server::nginx(folder.path(), main),
                };
                asked += 1;
                if !verdict.starts && (example.effect == Effect::Starts || !has_errors) {
                    let server = &example.server;
                    wrong +=
                        &format!("{}, example {number}: {server} refuses the result: {}\n", rule.name, verdict.words);
                }
            }
        }
        let declared = match page.fix {
            Fixability::None => None,
            Fixability::Safe => Some(Safety::Safe),
            Fixability::Unsafe => Some(Safety::Unsafe),
        };
        if offered != declared {
            wrong += &format!("{}: the page declares {declared:?}, the examples offer {offered:?}\n", rule.name);
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(asked > 30, "only {asked} results were asked");
}

#[test]
fn a_string_with_escapes_is_never_replaced_whole() {
    let config = "events {}\nhttp { server { listen 443 ssl; server_name a.test; ssl_certificate a.pem; ssl_certificate_key a.key;\n\
        ssl_ciphers 'HIGH:\\'TLS_AES_128_GCM_SHA256:ecdhe-rsa-aes128-gcm-sha256:TLS_AES_128_GCM_SHA256'; } }\n";
    let mut memory = Memory::new();
    recipe::standard_files().into_iter().for_each(|(path, bytes)| memory.insert(path, bytes));
    memory.insert("nginx.conf", config.as_bytes().to_vec());
    let options = Options { platform: Some("debian-12".into()), now: NOW, ..Options::default() };
    let fixed = pipeline::fix(&memory, &[PathBuf::from("nginx.conf")], &options, Safety::Unsafe).expect("a run");
    assert!(
        fixed.files.is_empty(),
        "{:?}",
        fixed.files.values().map(|(_, after)| String::from_utf8_lossy(after)).collect::<Vec<_>>()
    );
}

#[test]
fn bytes_outside_the_edits_stay() {
    let config = "# \u{e4}\u{f6} \t\r\nevents {}\r\nhttp {\r\n  server { listen 443 ssl; server_name a.test;  # end\r\n    ssl_certificate a.pem;\tssl_certificate_key b.key; }\r\n}\r\n";
    let mut memory = Memory::new();
    recipe::standard_files().into_iter().for_each(|(path, bytes)| memory.insert(path, bytes));
    memory.insert("nginx.conf", config.as_bytes().to_vec());
    memory.insert("root.crt", recipe::root().pem().into_bytes());
    let options = Options {
        platform: Some("debian-12".into()),
        now: NOW,
        trust: vec![TrustSource::File("root.crt".into())],
        ..Options::default()
    };
    let fixed = pipeline::fix(&memory, &[PathBuf::from("nginx.conf")], &options, Safety::Safe).expect("a run");
    let (_, after) = &fixed.files[&PathBuf::from("nginx.conf")];
    assert_eq!(String::from_utf8_lossy(after), config.replace("b.key", "a.key"));
    assert_eq!(fixed.applied, 1);
}

/// Found by the fuzz target `fixes`: a part that becomes a whole by its repair.
#[test]
fn a_file_that_is_repaired_twice_is_one_file() {
    let config = "htt(p {\n    server {\n        listen 8443 sme a.test;\n        ssl_certificate a.pem;\n        ssl_certificate_key a.key;\n    }\n}\ninclude tuning.conf;\n";
    let mut memory = Memory::new();
    recipe::standard_files().into_iter().for_each(|(path, bytes)| memory.insert(path, bytes));
    memory.insert("nginx.conf", config.as_bytes().to_vec());
    let options = Options { platform: Some("debian-12".into()), now: NOW, ..Options::default() };
    let fixed = pipeline::fix(&memory, &[PathBuf::from("nginx.conf")], &options, Safety::Unsafe).expect("a run");
    assert_eq!(fixed.files.len(), 1, "{:?}", fixed.files.keys());
    assert!(fixed.files.values().all(|(before, after)| **before == *config.as_bytes() && **before != after[..]));
}

/// What the blocks around it say, a part that they include does not tell: only what has no effect is taken away.
#[test]
fn parts_that_blocks_include_are_repaired_too() {
    let config = "events {}\nhttp { server { include listen.conf; server_name a.test;\n\
        ssl_certificate a.pem; ssl_certificate_key a.key; } }\n";
    let mut memory = Memory::new();
    recipe::standard_files().into_iter().for_each(|(path, bytes)| memory.insert(path, bytes));
    memory.insert("nginx.conf", config.as_bytes().to_vec());
    memory.insert("listen.conf", b"listen 8443 ssl spdy;\n".to_vec());
    memory.insert("root.crt", recipe::root().pem().into_bytes());
    let options = Options {
        platform: Some("debian-sid".into()),
        now: NOW,
        trust: vec![TrustSource::File("root.crt".into())],
        ..Options::default()
    };
    let fixed = pipeline::fix(&memory, &[PathBuf::from("nginx.conf")], &options, Safety::Safe).expect("a run");
    let after: Vec<_> = fixed.files.iter().map(|(path, (_, after))| (path.as_path(), &after[..])).collect();
    assert_eq!(after, [(std::path::Path::new("listen.conf"), &b"listen 8443 ssl;\n"[..])]);
}
