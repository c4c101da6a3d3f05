//! Hostile and broken input: no panic, no hang, and what was read can be told back byte by byte.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use shakedown::diagnostic::UncheckedReason;
use shakedown::lint::{self, page::Expect};
use shakedown::pipeline::{self, Options};
use shakedown::server::nginx::syntax;
use shakedown::source::{FileKind, Memory, ReadError};
use shakedown_testing::certificate::Certificate;
use shakedown_testing::{NOW, der, recipe};

/// Every configuration of this project: the examples of all pages and the demo.
fn texts() -> Vec<Vec<u8>> {
    let examples = lint::rules().iter().flat_map(|rule| &rule.page().example);
    let mut all: Vec<Vec<u8>> = examples.map(|example| example.config.clone().into_bytes()).collect();
    for name in ["nginx.conf", "sites/000-default.conf", "sites/api.conf", "sites/shop.conf"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/demo").join(name);
        all.push(std::fs::read(path).expect("a file of the demo"));
    }
    all
}

fn run(text: &[u8], more: &[(&str, Vec<u8>)]) -> pipeline::Run {
    let mut files = Memory::new();
    for (path, bytes) in recipe::standard_files() {
        files.insert(path, bytes);
    }
    for (path, bytes) in more {
        files.insert(path, bytes.clone());
    }
    files.insert("nginx.conf", text.to_vec());
    let options = Options { platform: Some("debian-12".into()), now: NOW, ..Options::default() };
    pipeline::lint(&files, &[PathBuf::from("nginx.conf")], &options).expect("a text can always be judged")
}

/// No check of a rule may have failed inside.
fn assert_sound(run: &pipeline::Run, text: &[u8]) {
    let broken = run.unjudged.iter().find(|one| matches!(one.reason, UncheckedReason::Defect(_)));
    assert!(broken.is_none(), "{broken:?}\n{}", String::from_utf8_lossy(text));
}

/// The text that a tree stands for: its words, braces, ends and comments, with the blanks between them as they are.
fn printed(text: &[u8]) -> Vec<u8> {
    let tree = syntax::parse(text);
    let mut pieces: Vec<(u32, u32)> = tree.words.iter().map(|word| (word.start, word.end)).collect();
    pieces.extend(&tree.comments);
    pieces.sort_unstable();
    let mut out = Vec::new();
    let mut at = 0;
    for (start, end) in pieces {
        assert!(at <= start && start <= end, "words and comments follow one another");
        out.extend_from_slice(&text[at as usize..start as usize]);
        out.extend_from_slice(&text[start as usize..end as usize]);
        at = end;
    }
    out.extend_from_slice(&text[at as usize..]);
    out
}

/// Everything between words and comments is blanks, braces and semicolons: nothing is lost. Where the text is broken, what
/// nginx would choke on may stand there too.
fn assert_lossless(text: &[u8]) {
    assert_eq!(printed(text), text);
    let tree = syntax::parse(text);
    if !tree.problems.is_empty() || tree.directives.iter().any(|one| one.block.is_some_and(|block| block.is_raw)) {
        return;
    }
    let mut covered = vec![false; text.len()];
    let pieces = tree.words.iter().map(|word| (word.start, word.end)).chain(tree.comments.iter().copied());
    pieces.for_each(|(start, end)| covered[start as usize..end as usize].fill(true));
    for (at, byte) in text.iter().enumerate().filter(|(at, _)| !covered[*at]) {
        assert!(
            matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'{' | b'}' | b';'),
            "byte {at} of {}",
            String::from_utf8_lossy(text)
        );
    }
}

#[test]
fn trees_are_lossless() {
    texts().iter().for_each(|text| assert_lossless(text));
}

#[test]
fn truncated_texts_are_judged() {
    for text in texts() {
        for length in 0..text.len() {
            let cut = &text[..length];
            assert_lossless(cut);
            if length % 37 == 0 {
                assert_sound(&run(cut, &[]), cut);
            }
        }
    }
}

#[test]
fn truncated_and_broken_certificates_are_judged() {
    let config = b"events {}\nhttp { server { listen 443 ssl; server_name a.test; ssl_certificate x.pem; ssl_certificate_key x.key; } }\n";
    for recipes in [
        &["leaf a.test", "intermediate"][..],
        &["key ec1"],
        &["key rsa1"],
        &["encrypted ec1 password=x"],
        &["sec1 ec1"],
    ] {
        let whole = recipe::file(recipes.iter().copied());
        for length in (0..whole.len()).step_by(13) {
            let cut = whole[..length].to_vec();
            assert_sound(&run(config, &[("x.pem", cut.clone()), ("x.key", cut)]), config);
            let mut flipped = whole.clone();
            flipped[length] ^= 0x15;
            assert_sound(&run(config, &[("x.pem", flipped.clone()), ("x.key", flipped)]), config);
        }
    }
}

fn run_apache(text: &[u8], more: &[(&str, Vec<u8>)], main: &str) -> pipeline::Run {
    let mut files = Memory::new();
    for (path, bytes) in recipe::standard_files() {
        files.insert(path, bytes);
    }
    for (path, bytes) in more {
        files.insert(path, bytes.clone());
    }
    files.insert(main, text.to_vec());
    files.insert("root.crt", recipe::root().pem().into_bytes());
    let server = Some(shakedown::model::ServerKind::Apache);
    let trust = vec![pipeline::TrustSource::File("root.crt".into())];
    let options = Options { platform: Some("debian-12".into()), now: NOW, server, trust, ..Options::default() };
    pipeline::lint(&files, &[PathBuf::from(main)], &options).expect("a text can always be judged")
}

/// The examples for Apache, whole, cut short anywhere, and with bytes changed: always judged, as a whole and as a part.
#[test]
fn apache_reads_whatever_stands_there() {
    let examples = lint::rules().iter().flat_map(|rule| &rule.page().example);
    let texts: Vec<Vec<u8>> =
        examples.filter(|one| one.server == "apache").map(|one| one.config.clone().into_bytes()).collect();
    assert!(texts.len() > 100);
    let noise: &[&[u8]] = &[b"\\\n", b"\"", b"<", b">", b"</", b"${", b"}", b"\0", b"\xff", b"#", b"\r\n"];
    for (number, text) in texts.iter().enumerate() {
        for length in (number % 23..text.len()).step_by(23) {
            let put = noise[length % noise.len()];
            let rest = if length % 3 == 0 { &b""[..] } else { &text[length..] };
            let mixed = [&text[..length], put, rest].concat();
            let main = if length % 2 == 0 { "apache2.conf" } else { "site.conf" };
            assert_sound(&run_apache(&mixed, &[], main), &mixed);
        }
    }
}

#[test]
fn hostile_apache_texts_end() {
    let deep = [b"<Directory /x>\n".repeat(50_000), b"</Directory>\n".repeat(50_000)].concat();
    let passed_over = [b"<IfModule no.c>\n".repeat(50_000), b"</IfModule>\n".repeat(50_000)].concat();
    let joined = b"Listen 80 \\\n".repeat(300_000);
    let sites = b"Listen 443\n<VirtualHost 192.0.2.1:443>\nSSLEngine on\n</VirtualHost>\n".repeat(5_000);
    let quotes = b"ServerAlias \"'".repeat(200_000);
    let long = [b"ServerAlias ".to_vec(), b"x.test ".repeat(500_000)].concat();
    for text in [deep, passed_over, joined, sites, quotes, long, vec![0; 1_000_000], vec![0xff; 1_000_000]] {
        assert_sound(&run_apache(&text, &[], "apache2.conf"), &text[..100]);
    }
    let said = |run: &pipeline::Run, rule: &str| run.findings.iter().any(|one| one.rule.as_str() == rule);
    // Each value is twice the one before: without a limit that is 2^100 bytes.
    let mut doubling = b"Define A0 xxxxxxxxxx\n".to_vec();
    for level in 1..100 {
        doubling.extend(format!("Define A{level} ${{A{0}}}${{A{0}}}\n", level - 1).into_bytes());
    }
    assert!(said(&run_apache(&doubling, &[], "apache2.conf"), "include-cycle"));
    // Each macro uses the one before twice.
    let mut macros = b"LoadModule macro_module x\n<Macro M0>\nServerAlias x\n</Macro>\n".to_vec();
    for level in 1..60 {
        macros.extend(format!("<Macro M{level}>\nUse M{0}\nUse M{0}\n</Macro>\n", level - 1).into_bytes());
    }
    macros.extend(b"Use M59\n");
    assert!(said(&run_apache(&macros, &[], "apache2.conf"), "include-cycle"));
    // Each file includes itself twice by a pattern, and folders of files.
    let bomb = b"Include a*.conf\nInclude a*.conf\n".to_vec();
    let found = run_apache(
        &bomb,
        &[("a1.conf", bomb.clone()), ("a2.conf", bomb.clone()), ("a3.conf", bomb.clone())],
        "apache2.conf",
    );
    assert!(said(&found, "include-cycle"));
}

#[test]
fn a_text_that_starts_is_still_silent_with_crlf() {
    for rule in lint::rules() {
        for example in
            rule.page().example.iter().filter(|one| one.expect == Expect::Bad && one.context.as_deref() == Some("main"))
        {
            let windows = example.config.replace('\n', "\r\n");
            let count = |text: &str| {
                run(text.as_bytes(), &[]).findings.iter().filter(|one| one.rule.as_str() == rule.name).count()
            };
            assert_eq!(count(&windows), count(&example.config), "{}", rule.name);
        }
    }
}

#[test]
fn hostile_sizes_end() {
    let deep = [b"a {".repeat(100_000), b"}".repeat(100_000)].concat();
    let long = [b"server_name ".to_vec(), vec![b'x'; 5_000_000], b";".to_vec()].concat();
    let wide = b"server { listen 443 ssl; }\n".repeat(20_000);
    let quotes = b"'\"".repeat(500_000);
    for text in [
        deep,
        long,
        [b"events{} http {".to_vec(), wide, b"}".to_vec()].concat(),
        quotes,
        vec![0; 1_000_000],
        vec![0xff; 1_000_000],
    ] {
        assert_sound(&run(&text, &[]), &text[..100.min(text.len())]);
    }
    // Each file includes itself twice by a pattern: without a limit that is 2^100.
    let bomb = b"events {} http { include a*.conf; }".to_vec();
    let again = b"include a*.conf;\n".to_vec();
    let found = run(&bomb, &[("a1.conf", again.clone()), ("a2.conf", again)]);
    assert!(found.findings.iter().any(|one| one.rule.as_str() == "include-cycle"));
}

#[test]
fn hostile_certificates_end() {
    let config = b"events {}\nhttp { server { listen 443 ssl; server_name a.test; ssl_certificate x.pem; ssl_certificate_key x.pem; } }\n";
    let wrap = |label: &str, der: &[u8]| der::pem(label, der).into_bytes();
    // 20,000 sequences, each inside the one before.
    let mut deep: Vec<u8> = Vec::new();
    for _ in 0..20_000 {
        let length = (deep.len() as u32).to_be_bytes();
        deep = [&[0x30, 0x84][..], &length, &deep].concat();
    }
    let whole = recipe::certificate("leaf a.test").der();
    // Lengths that promise more than there is, at each byte that could be one.
    let stretched = (0..whole.len()).step_by(5).map(|at| {
        let mut changed = whole.clone();
        changed[at] = 0xff;
        wrap("CERTIFICATE", &changed)
    });
    let far = Certificate {
        not_before: i64::from(i32::MIN),
        not_after: 253_402_300_799,
        ..recipe::certificate("leaf a.test")
    };
    let many_names: Vec<String> = (0..20_000).map(|number| format!("n{number}.a.test")).collect();
    let wide = Certificate { names: many_names, ..recipe::certificate("leaf a.test") };
    let huge_rsa = {
        let number = der::integer(&vec![0xc3; 200_000]);
        let public = der::sequence(&[&number, &der::integer(&vec![0xff; 200_000])]);
        let whole = recipe::certificate("leaf a.test key=rsa1").der();
        [whole, public].concat()
    };
    let one = String::from_utf8(wrap("CERTIFICATE", &whole)).expect("text");
    let mut files = vec![
        wrap("CERTIFICATE", &deep),
        wrap("PRIVATE KEY", &deep),
        wrap("ENCRYPTED PRIVATE KEY", &deep),
        one.repeat(2_000).into_bytes(),
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n".repeat(200_000).into_bytes(),
        "-----BEGIN CERTIFICATE-----\n".repeat(200_000).into_bytes(),
        (0..1_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect(),
        vec![b'-'; 1_000_000],
        vec![0x30; 1_000_000],
        far.pem().into_bytes(),
        wide.pem().into_bytes(),
        wrap("CERTIFICATE", &huge_rsa),
        wrap("RSA PRIVATE KEY", &huge_rsa),
        wrap("DH PARAMETERS", &huge_rsa),
    ];
    files.extend(stretched);
    for bytes in files {
        assert_sound(&run(config, &[("x.pem", bytes)]), config);
    }
}

#[test]
fn what_is_no_regular_file_is_named_and_not_opened() {
    let mut files = Memory::new();
    let config = "events {} http { include pipe; server { listen 443 ssl; ssl_certificate device; ssl_certificate_key large; } }";
    files.insert("nginx.conf", config.as_bytes().to_vec());
    files.insert_failing("pipe", ReadError::NotRegular(FileKind::Fifo));
    files.insert_failing("device", ReadError::NotRegular(FileKind::Device));
    files.insert_failing("large", ReadError::TooLarge { size: 10 << 30, limit: 16 << 20 });
    let options = Options { platform: Some("debian-12".into()), now: NOW, ..Options::default() };
    let run = pipeline::lint(&files, &[PathBuf::from("nginx.conf")], &options).expect("a run");
    let told: Vec<String> =
        run.findings.iter().map(|one| format!("{}: {}", run.sources.text(one.primary.span), one.rule)).collect();
    for expected in ["pipe: include-missing", "device: certificate-file-missing", "large: key-file-missing"] {
        assert!(told.iter().any(|one| one == expected), "{expected} in {told:?}");
    }
    // A file that we may not read is no missing file.
    files.insert_failing("device", ReadError::Forbidden);
    let run = pipeline::lint(&files, &[PathBuf::from("nginx.conf")], &options).expect("a run");
    assert!(run.unjudged.iter().any(|one| matches!(one.reason, UncheckedReason::PermissionDenied(_))));
    assert!(!run.findings.iter().any(|one| one.rule.as_str() == "certificate-file-missing"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn mutated_texts_are_judged(which in any::<prop::sample::Index>(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let all = texts();
        let mut text = which.get(&all).clone();
        for (at, byte) in changes {
            let at = at.index(text.len());
            // Bytes that mean something to nginx are what breaks a reader.
            text[at] = *b"{};\"'\\$#\n \0\xff".get(usize::from(byte % 16)).unwrap_or(&byte);
        }
        assert_lossless(&text);
        assert_sound(&run(&text, &[]), &text);
    }
}
