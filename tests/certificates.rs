//! `shakedown certificates`: every use of a certificate is listed with the dates that openssl reads, and metrics are what
//! Prometheus' own parser takes, of bounded length.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use shakedown_testing::recipe;

fn certificates(folder: &Path, arguments: &[&str]) -> Output {
    let fixed = ["--isolated", "--platform", "debian-12", "--now", "2026-11-23T00:00:00Z", "--trust", "root.crt"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_shakedown"));
    command.current_dir(folder).arg("certificates").args(fixed).args(arguments).env("COLUMNS", "120");
    command.output().expect("the program runs")
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn tree(config: &str, files: &[(&str, &[&str])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (tree, _) = recipe::example_files_of("nginx", config, None, &BTreeMap::new());
    recipe::write(folder.path(), &tree);
    for (path, recipes) in files {
        std::fs::write(folder.path().join(path), recipe::file(recipes.iter().copied())).expect("a file");
    }
    folder
}

/// A site in which everything with a last day is used.
const ALL: &str = "
server {
    listen 8443 ssl;
    server_name a.test;
    ssl_certificate a.pem;
    ssl_certificate_key a.key;
    ssl_client_certificate clients.pem;
    ssl_verify_client on;
    ssl_crl list.pem;
    ssl_stapling on;
    ssl_stapling_file staple.der;
    ssl_trusted_certificate issuers.pem;
    location / {
        proxy_pass https://192.0.2.1;
        proxy_ssl_certificate mine.pem;
        proxy_ssl_certificate_key b.key;
        proxy_ssl_trusted_certificate upstream.pem;
        proxy_ssl_verify on;
        proxy_ssl_crl gone.pem;
    }
}
server {
    listen 8443 ssl;
    server_name b.test;
    ssl_certificate $ssl_server_name.pem;
    ssl_certificate_key $ssl_server_name.key;
}
server {
    listen 8080;
    server_name plain.test;
    location / { proxy_pass http://192.0.2.1; proxy_ssl_trusted_certificate unused.pem; }
}
";

const FILES: &[(&str, &[&str])] = &[
    ("clients.pem", &["root to=40", "lower to=7"]),
    ("list.pem", &["crl root to=3", "crl lower to=4"]),
    ("staple.der", &["ocsp to=2"]),
    ("issuers.pem", &["intermediate"]),
    ("mine.pem", &["leaf me.test key=ec2 to=-1"]),
    ("upstream.pem", &["absent to=90"]),
    ("b.test.pem", &["leaf b.test key=ec2 to=9"]),
    ("b.test.key", &["key ec2"]),
];

#[test]
fn every_use_is_listed_with_the_dates_that_openssl_reads() {
    let folder = tree(ALL, FILES);
    let output = certificates(folder.path(), &["--format", "json", "nginx.conf"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let rows = document["certificates"].as_array().expect("rows");
    let told = |row: &Value| {
        let word = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        (word("use"), word("file"), row["block"].as_u64().unwrap_or(0), row["days_left"].as_i64().expect("days"))
    };
    let all: BTreeSet<_> = rows.iter().map(told).collect();
    for expected in [
        ("client-ca", "clients.pem", 1, 40),
        ("client-ca", "clients.pem", 2, 7),
        ("client-crl", "list.pem", 1, 3),
        ("client-crl", "list.pem", 2, 4),
        ("stapling-response", "staple.der", 0, 2),
        ("upstream-client", "mine.pem", 1, -1),
        ("upstream-ca", "upstream.pem", 1, 90),
        ("served", "./b.test.pem", 1, 9),
    ] {
        let expected = (expected.0.to_owned(), expected.1.to_owned(), expected.2, expected.3);
        assert!(all.contains(&expected), "{expected:?} in {all:#?}");
    }
    let uses: BTreeSet<(&str, &str)> = all.iter().map(|one| (one.0.as_str(), one.1.as_str())).collect();
    for expected in [("served", "a.pem"), ("chain", "a.pem"), ("stapling-issuer", "issuers.pem")] {
        assert!(uses.contains(&expected), "{expected:?} in {uses:?}");
    }
    assert_eq!(rows.len(), 11, "{all:#?}");
    let days: Vec<i64> = rows.iter().map(|row| row["days_left"].as_i64().expect("days")).collect();
    assert!(days.is_sorted(), "{days:?}");
    let unjudged = document["unjudged"].as_array().expect("a list");
    assert!(unjudged.iter().any(|one| one["reason"].as_str().is_some_and(|words| words.starts_with("gone.pem: "))));
    for row in rows.iter().filter(|row| row["kind"] == "certificate" && row["block"] == 1) {
        let path = folder.path().join(row["file"].as_str().expect("a path"));
        let mut openssl = Command::new("openssl");
        openssl.args([
            "x509",
            "-noout",
            "-enddate",
            "-startdate",
            "-serial",
            "-fingerprint",
            "-sha256",
            "-dateopt",
            "iso_8601",
        ]);
        let said = text(&openssl.arg("-in").arg(path).output().expect("openssl"));
        let field = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).expect("a field").to_owned();
        assert_eq!(row["not_after"], field("notAfter=").replace(' ', "T"));
        assert_eq!(row["not_before"], field("notBefore=").replace(' ', "T"));
        assert_eq!(row["sha256"], field("sha256 Fingerprint=").replace(':', "").to_lowercase());
        assert_eq!(row["serial"], field("serial=").to_lowercase());
    }
    insta::assert_snapshot!("certificates_table", text(&certificates(folder.path(), &["nginx.conf"])));
}

#[test]
fn a_month_later_more_is_over() {
    let folder = tree(ALL, FILES);
    let over = |now: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shakedown"));
        command.current_dir(folder.path()).args([
            "certificates",
            "--isolated",
            "--trust",
            "root.crt",
            "--format",
            "json",
        ]);
        let output = command.args(["--now", now, "nginx.conf"]).output().expect("the program runs");
        let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let rows = document["certificates"].as_array().expect("rows").clone();
        rows.iter().filter(|row| row["days_left"].as_i64().is_some_and(|days| days < 0)).count()
    };
    assert_eq!((over("2026-11-23T00:00:00Z"), over("2026-12-23T00:00:00Z")), (1, 6));
}

/// A site whose certificate has a name of one's choice.
fn named(name: &str) -> tempfile::TempDir {
    let config = "server { listen 8443 ssl; server_name a.test; ssl_certificate odd.pem; ssl_certificate_key a.key; }";
    let folder = tree(config, &[]);
    let mut odd = recipe::certificate("leaf a.test san=no");
    odd.subject = name.to_owned();
    std::fs::write(folder.path().join("odd.pem"), odd.pem()).expect("a file");
    folder
}

#[test]
fn metrics_are_well_formed_and_bounded_whatever_certificates_say() {
    let kept = tempfile::tempdir().expect("a temporary folder");
    let mut paths: Vec<PathBuf> = Vec::new();
    let mut keep = |name: &str, text: &str| {
        let path = kept.path().join(name);
        std::fs::write(&path, text).expect("a file");
        paths.push(path);
    };
    let metrics = |folder: &Path| text(&certificates(folder, &["--format", "prometheus", "nginx.conf"]));
    let all = metrics(tree(ALL, FILES).path());
    assert_eq!(all.matches("\nshakedown_certificate_not_after_timestamp_seconds{").count(), 11, "{all}");
    keep("all.prom", &all);
    let usual = metrics(named("a.test").path());
    let odd = "a\"} 1\nshakedown_certificates_up 0 \\\u{202e}\u{7}\u{e4}\u{1f512}{x=\"";
    let odd_metrics = metrics(named(odd).path());
    assert_eq!(odd_metrics.lines().count(), usual.lines().count(), "{odd_metrics}");
    keep("odd.prom", &odd_metrics);
    let long = metrics(named(&"\"\\".repeat(4_000)).path());
    assert!(long.len() < usual.len() + 2 * 3 * 100, "{}", long.len());
    keep("long.prom", &long);
    let failed = certificates(kept.path(), &["--format", "prometheus", "none.conf"]);
    assert_eq!(failed.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&failed.stderr).starts_with("error: "));
    keep("failed.prom", &text(&failed));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut python = Command::new(root.join("target/test-tools/bin/python"));
    let output = python.arg(root.join("tests/validate.py")).args(&paths).output().expect("run tests/install first");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
}

/// Apache with folders whose files OpenSSL finds by hash.
const FOLDERS: &str = "Listen 8443
<VirtualHost *:8443>
    ServerName a.test
    SSLEngine on
    SSLCertificateFile a.pem
    SSLCertificateKeyFile a.key
    SSLCACertificatePath clients
    SSLVerifyClient require
    SSLCARevocationPath lists
    SSLCARevocationCheck chain
    SSLProxyEngine on
    SSLProxyVerify require
    SSLProxyCACertificatePath upstream
    ProxyPass / https://192.0.2.1/
</VirtualHost>
";

#[test]
fn folders_of_authorities_are_listed_as_openssl_reads_them() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (tree, _) = recipe::example_files_of("apache", FOLDERS, None, &BTreeMap::new());
    recipe::write(folder.path(), &tree);
    let files: [(&str, &[&str]); 5] = [
        ("clients/one.pem", &["root to=40"]),
        ("clients/two.pem", &["lower to=7"]),
        ("clients/unhashed.txt", &["absent to=1"]),
        ("lists/list.pem", &["crl root to=3"]),
        ("upstream/up.pem", &["absent to=90"]),
    ];
    for (path, recipes) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, recipe::file(recipes.iter().copied())).expect("a file");
    }
    let mut rehash = Command::new("openssl");
    let status = rehash.current_dir(folder.path()).args(["rehash", "clients", "lists", "upstream"]).status();
    assert!(status.expect("openssl is installed: run tests/install").success());
    let output = certificates(folder.path(), &["--server", "apache", "--format", "json", "apache2.conf"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let rows = document["certificates"].as_array().expect("rows");
    let told = |row: &Value| {
        let folder = row["file"].as_str().expect("a path").split('/').rev().nth(1).unwrap_or_default().to_owned();
        (row["use"].as_str().unwrap_or_default().to_owned(), folder, row["days_left"].as_i64().expect("days"))
    };
    let all: BTreeSet<_> = rows.iter().map(told).filter(|one| one.0 != "served" && one.0 != "chain").collect();
    let expected = [
        ("client-ca", "clients", 7),
        ("client-ca", "clients", 40),
        ("client-crl", "lists", 3),
        ("upstream-ca", "upstream", 90),
    ];
    assert_eq!(all, expected.map(|(role, folder, days)| (role.to_owned(), folder.to_owned(), days)).into());
}
