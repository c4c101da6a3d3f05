//! The same files give the same report whatever the number of workers, at every limit too: random trees of nginx, Apache and
//! Caddy, with includes within includes, patterns, circles, missing files and blocks within blocks, each linted with limits so
//! small that some of them are hit.

use std::fmt::Write as _;
use std::path::PathBuf;

use rayon::{ThreadPool, ThreadPoolBuilder};
use shakedown::pipeline::{self, Options, TrustSource};
use shakedown::report::json;
use shakedown::source::{Limits, Memory};
use shakedown_testing::random::Random;
use shakedown_testing::recipe::{main_file, root, standard_files};

/// How many trees there are.
const TREES: u64 = 200;
/// How many workers lint each; the first decides.
const WORKERS: [usize; 3] = [1, 2, 16];
/// Files that any file may include.
const SNIPPETS: usize = 9;
/// The most files of sites.
const SITES: usize = 26;

/// A server's language.
struct Language {
    server: &'static str,
    /// The main file.
    main: fn(&mut Random) -> String,
    /// A file of a site.
    site: fn(&mut Random, usize) -> String,
    /// A file that others include.
    snippet: fn(&mut Random) -> String,
}

const LANGUAGES: [Language; 3] = [
    Language { server: "nginx", main: nginx_main, site: nginx_site, snippet: nginx_snippet },
    Language { server: "apache", main: apache_main, site: apache_site, snippet: apache_snippet },
    Language { server: "caddy", main: caddy_main, site: caddy_site, snippet: caddy_snippet },
];

/// A certificate and its key, by their names; some are not there.
const PAIRS: &[&str] = &["rsa", "a", "absent"];

/// A path that an include names: mostly a snippet, at times one that is not there, or a pattern.
fn target(random: &mut Random) -> String {
    match random.below(12) {
        0 => "/etc/snippets/absent.conf".to_owned(),
        1 => format!("/etc/snippets/{}*.conf", random.below(3)),
        2 => "/etc/more/*.conf".to_owned(),
        _ => format!("/etc/snippets/{}.conf", random.below(SNIPPETS)),
    }
}

/// Blocks within blocks.
fn nested(random: &mut Random, open: &str, close: &str, inside: &str) -> String {
    let depth = random.below(7);
    format!("{}{inside}{}", open.repeat(depth), close.repeat(depth))
}

fn nginx_main(random: &mut Random) -> String {
    let mut text = "events {}\nhttp {\n".to_owned();
    if random.one_in(3) {
        let _ = writeln!(text, "include {};", target(random));
    }
    text.push_str("include sites/*.conf;\n");
    if random.one_in(3) {
        text.push_str("include more/*.conf;\ninclude sites/1*.conf;\n");
    }
    text.push_str("}\n");
    text
}

fn nginx_line(random: &mut Random) -> String {
    match random.below(9) {
        0 => "ssl_protocols TLSv1 TLSv1.2;\n".to_owned(),
        1 => "ssl_ciphers RC4:NONSENSE:HIGH;\n".to_owned(),
        2 => "no_such_directive on;\n".to_owned(),
        3 => "ssl_session_tickets maybe;\n".to_owned(),
        4 => "ssl_prefer_server_ciphers on;\nssl_prefer_server_ciphers off;\n".to_owned(),
        5 => "add_header Strict-Transport-Security max-age=5;\n".to_owned(),
        6 => "server_name $absent;\n".to_owned(),
        _ => format!("include {};\n", target(random)),
    }
}

fn nginx_lines(random: &mut Random, most: usize) -> String {
    (0..random.below(most)).map(|_| nginx_line(random)).collect()
}

fn nginx_site(random: &mut Random, number: usize) -> String {
    let (pair, lines) = (random.word(PAIRS), nginx_lines(random, 4));
    let inner = nginx_lines(random, 3);
    let location = nested(random, "location / {\n", "}\n", &inner);
    format!(
        "server {{\nlisten {}443 ssl;\nserver_name s{}.test;\nssl_certificate {pair}.pem;\nssl_certificate_key {pair}.key;\n{lines}{location}}}\n",
        random.below(3),
        number / 2,
    )
}

fn nginx_snippet(random: &mut Random) -> String {
    let lines = nginx_lines(random, 4);
    let inner = nginx_lines(random, 2);
    lines + &nested(random, "location /a {\n", "}\n", &inner)
}

fn apache_main(random: &mut Random) -> String {
    let mut text = "LoadModule ssl_module modules/mod_ssl.so\nListen 443\nListen 1443\n".to_owned();
    if random.one_in(3) {
        let _ = writeln!(text, "Include {}", target(random));
    }
    text.push_str("IncludeOptional sites/*.conf\n");
    if random.one_in(3) {
        text.push_str("Include more\nInclude sites/1*.conf\n");
    }
    text
}

fn apache_line(random: &mut Random) -> String {
    match random.below(8) {
        0 => "SSLProtocol all -TLSv1.3\n".to_owned(),
        1 => "SSLCipherSuite RC4:NONSENSE\n".to_owned(),
        2 => "NoSuchDirective on\n".to_owned(),
        3 => "SSLHonorCipherOrder maybe\n".to_owned(),
        4 => "Header always set Strict-Transport-Security max-age=5\n".to_owned(),
        5 => "SSLCACertificateFile absent.pem\n".to_owned(),
        _ => format!("Include {}\n", target(random)),
    }
}

fn apache_lines(random: &mut Random, most: usize) -> String {
    (0..random.below(most)).map(|_| apache_line(random)).collect()
}

fn apache_site(random: &mut Random, number: usize) -> String {
    let (pair, lines) = (random.word(PAIRS), apache_lines(random, 4));
    let inner = apache_lines(random, 3);
    let sections = nested(random, "<IfModule ssl_module>\n", "</IfModule>\n", &inner);
    format!(
        "<VirtualHost *:{}443>\nServerName s{}.test\nSSLEngine on\nSSLCertificateFile {pair}.pem\nSSLCertificateKeyFile {pair}.key\n{lines}{sections}</VirtualHost>\n",
        random.word(&["", "1", "2"]),
        number / 2,
    )
}

fn apache_snippet(random: &mut Random) -> String {
    let lines = apache_lines(random, 4);
    let inner = apache_lines(random, 2);
    lines + &nested(random, "<Directory /srv>\n", "</Directory>\n", &inner)
}

fn caddy_main(random: &mut Random) -> String {
    let mut text = "{\n\temail a@a.test\n}\n".to_owned();
    text.push_str("import sites/*.conf\n");
    if random.one_in(3) {
        text.push_str("import sites/1*.conf\n");
    }
    text
}

fn caddy_line(random: &mut Random) -> String {
    match random.below(7) {
        0 => "tls {\n\tprotocols tls1.3 tls1.2\n}\n".to_owned(),
        1 => "no_such_directive on\n".to_owned(),
        2 => "tls absent.pem absent.key\n".to_owned(),
        3 => "header Strict-Transport-Security max-age=5\n".to_owned(),
        4 => "tls {\n\tciphers NONSENSE\n}\n".to_owned(),
        _ => format!("import {}\n", target(random)),
    }
}

fn caddy_lines(random: &mut Random, most: usize) -> String {
    (0..random.below(most)).map(|_| caddy_line(random)).collect()
}

fn caddy_site(random: &mut Random, number: usize) -> String {
    let (pair, lines) = (random.word(PAIRS), caddy_lines(random, 4));
    let inner = caddy_lines(random, 3);
    let blocks = nested(random, "handle {\n", "}\n", &inner);
    let port = 8443 + random.below(3);
    format!("s{number}.test:{port} {{\ntls /etc/{pair}.pem /etc/{pair}.key\n{lines}{blocks}}}\n")
}

fn caddy_snippet(random: &mut Random) -> String {
    let lines = caddy_lines(random, 4);
    let inner = caddy_lines(random, 2);
    lines + &nested(random, "handle {\n", "}\n", &inner)
}

/// The certificates and keys that all trees have.
fn certificates() -> Memory {
    let mut files = Memory::new();
    for (path, bytes) in
        standard_files().into_iter().filter(|(path, _)| path.starts_with("a.") || path.starts_with("rsa."))
    {
        files.insert(format!("/etc/{path}"), bytes);
    }
    files.insert("/etc/root.pem", root().pem().into_bytes());
    files
}

/// The files of a tree.
fn tree(random: &mut Random, language: &Language, certificates: &Memory) -> Memory {
    let mut files = certificates.clone();
    let mut insert = |path: String, text: String| files.insert(format!("/etc/{path}"), text.into_bytes());
    insert(main_file(language.server).to_owned(), (language.main)(random));
    for number in 0..1 + random.below(SITES) {
        insert(format!("sites/{number}.conf"), (language.site)(random, number));
    }
    for number in 0..SNIPPETS {
        insert(format!("snippets/{number}.conf"), (language.snippet)(random));
    }
    if random.one_in(2) {
        for number in 0..random.below(SITES) {
            insert(format!("more/{number}.conf"), (language.snippet)(random));
        }
    }
    files
}

/// Limits of which about one in four is so small that it may well be hit.
fn limits(random: &mut Random) -> Limits {
    let usual = Limits { includes: 300, words: 20_000, ..Limits::default() };
    let mut small = |limit: usize, least: usize, more: usize| match random.one_in(4) {
        true => least + random.below(more),
        false => limit,
    };
    Limits {
        config_file: small(1 << 20, 20, 600) as u64,
        pem_file: small(1 << 20, 500, 4000) as u64,
        whole: 1 << 30,
        words: small(usual.words, 20, 1000),
        includes: small(usual.includes, 5, 120),
        include_depth: small(5, 1, 4),
        block_depth: small(usual.block_depth, 1, 6),
        findings: small(usual.findings, 1, 60),
        members: usual.members,
    }
}

/// All that a report says.
fn report(pool: &ThreadPool, files: &Memory, main: PathBuf, limits: Limits) -> String {
    let trust = vec![TrustSource::File("/etc/root.pem".into())];
    let options =
        Options { trust, limits, platform: Some("debian-12".into()), now: 1_790_000_000, ..Options::default() };
    match pool.install(|| pipeline::lint(files, &[main], &options)) {
        Ok(run) => serde_json::to_string_pretty(&json::document(&run)).expect("a report"),
        Err(failure) => format!("{failure:?}"),
    }
}

#[test]
fn reports_do_not_hang_on_the_number_of_workers() {
    let pool = |workers: usize| ThreadPoolBuilder::new().num_threads(workers).stack_size(pipeline::STACK).build();
    let pools: Vec<ThreadPool> = WORKERS.iter().map(|workers| pool(*workers).expect("a pool")).collect();
    let certificates = certificates();
    let mut said = 0;
    let mut differing = Vec::new();
    for seed in 0..TREES {
        let language = &LANGUAGES[(seed % 3) as usize];
        let mut random = Random::new(seed);
        let files = tree(&mut random, language, &certificates);
        let limits = limits(&mut random);
        let main = PathBuf::from("/etc").join(main_file(language.server));
        let mut reports = pools.iter().map(|pool| report(pool, &files, main.clone(), limits));
        let first = reports.next().expect("a report");
        said += usize::from(first.contains("--max-") || first.contains("the limit"));
        if reports.any(|other| other != first) {
            differing.push((seed, language.server));
        }
    }
    assert!(differing.is_empty(), "{} of {TREES} trees: {differing:?}", differing.len());
    assert!(said * 3 > TREES as usize, "limits were hit in {said} trees only");
}
