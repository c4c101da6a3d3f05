//! `shakedown explain`: each text of an error finds what is behind it, also inside other text; other lines find nothing; rules
//! that are named exist; a configuration is held against the causes.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use shakedown::lint;
use shakedown::lint::errors::{errors, recognize};

fn texts() -> Vec<(&'static str, &'static str)> {
    let lines = include_str!("../testdata/errors.tsv").lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split_once('\t').expect("a name and a text")).collect()
}

fn names(text: &str) -> Vec<&'static str> {
    recognize(text).into_iter().map(|found| found.error.name.as_str()).collect()
}

fn explain(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shakedown"));
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/demo")).arg("explain").args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
    child.wait_with_output().expect("it ends")
}

const JUDGED: [&str; 7] =
    ["--platform", "debian-12", "--now", "2026-11-23T00:00:00Z", "--trust", "root.pem", "--isolated"];

#[test]
fn every_text_finds_its_cause_also_inside_other_text() {
    let texts = texts();
    assert!(texts.len() >= 200, "{}", texts.len());
    for (name, text) in texts {
        let wrapped = [
            text.to_owned(),
            text.to_uppercase(),
            format!(
                "2026/11/23 10:15:01 [error] 812#812: *4711 {text} while SSL handshaking, client: 192.0.2.7, server: 0.0.0.0:443"
            ),
            format!("Nov 23 10:15:01 web1 app[4242]: {{\"level\":\"error\",\"msg\":\"{text}\"}}"),
            format!("\u{1b}[31m* {}\u{1b}[0m\r\n", text.replace(' ', "\n  ")),
            format!(
                "Traceback (most recent call last):\n  File \"a.py\", line 3\nssl.SSLError: {text} (_ssl.c:1000)\n"
            ),
        ];
        for one in wrapped {
            assert_eq!(names(&one), [name], "{one}");
        }
    }
}

#[test]
fn a_pasted_output_tells_of_each_error_once() {
    let pasted = "CONNECTED(00000003)\ndepth=0 CN = a.test\nverify error:num=20:unable to get local issuer certificate\n\
        verify return:1\ndepth=0 CN = a.test\nverify error:num=21:unable to verify the first certificate\nverify return:1\n\
        depth=0 CN = a.test\nverify error:num=10:certificate has expired\nnotAfter=Nov 20 00:00:00 2026 GMT\n---\n\
        -----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQ9+AH02565/xTLS\n-----END CERTIFICATE-----\n\
        New, TLSv1.3, Cipher is TLS_AES_256_GCM_SHA384\nVerify return code: 10 (certificate has expired)\n---\n";
    assert_eq!(names(pasted), ["issuer-unknown", "expired"]);
    let alert = "CONNECTED(00000003)\n40A7:error:0A000410:SSL routines::sslv3 alert handshake failure:SSL alert number 40\n---\n\
        no peer certificate available\n---\nSSL handshake has read 7 bytes and written 200 bytes\n\
        Verify return code: 0 (ok)\n";
    assert_eq!(names(alert), ["handshake-failure"]);
}

#[test]
fn other_lines_find_nothing() {
    let lines = [
        "",
        "192.0.2.7 - - [23/Nov/2026:10:15:01 +0000] \"GET / HTTP/1.1\" 200 612 \"-\" \"curl/7.88.1\"",
        "nginx: the configuration file /etc/nginx/nginx.conf syntax is ok",
        "nginx: [emerg] open() \"/etc/nginx/mime.types\" failed (2: No such file or directory)",
        "nginx: [emerg] unknown directive \"sssl\" in /etc/nginx/nginx.conf:4",
        "connect() failed (111: Connection refused) while connecting to upstream, upstream: \"http://127.0.0.1:3000/\"",
        "upstream timed out (110: Connection timed out) while reading response header from upstream",
        "recv() failed (104: Connection reset by peer) while reading response header from upstream",
        "open() \"/var/www/favicon.ico\" failed (13: Permission denied)",
        "SSL certificate verify ok.",
        "verify return:1",
        "Verify return code: 0 (ok)",
        "verify error:num=200:nothing of the kind",
        "SSL connection using TLSv1.3 / TLS_AES_256_GCM_SHA384",
        "AH00094: Command line: '/usr/sbin/apache2'",
        "AH00163: Apache/2.4.62 (Debian) OpenSSL/3.0.15 configured -- resuming normal operations",
        "unsupported protocol scheme \"ftp\"",
        "the certificate will expire in 12 days",
        "certificate obtained successfully",
        "bash: openssl: command not found",
        "kernel: TCP: request_sock_TCP: Possible SYN flooding on port 443. Sending cookies.",
        "\u{202e}\u{0}\u{e4}\u{1f512}",
    ];
    for line in lines {
        assert_eq!(names(line), Vec::<&str>::new(), "{line}");
    }
    assert_eq!(explain(&["--isolated", "nothing of the kind at all"], "").status.code(), Some(1));
}

#[test]
fn the_table_holds_together() {
    let mut seen = BTreeSet::new();
    let mut said = BTreeSet::new();
    for error in errors() {
        assert!(seen.insert(&error.name), "{} twice", error.name);
        assert!(!error.cause.is_empty() && !error.means.is_empty(), "{}", error.name);
        for text in error.says.values().flatten() {
            assert!(said.insert(text.to_lowercase()), "{text} twice");
            assert_eq!(names(text), [error.name.as_str()], "{text}");
        }
        for cause in &error.cause {
            for rule in &cause.rules {
                assert!(lint::rules().iter().any(|one| one.name == rule.as_str()), "{}: no rule {rule}", error.name);
            }
            let is_in_files = !cause.rules.is_empty() || cause.any_error;
            assert!(is_in_files != cause.outside.is_some(), "{}: {}", error.name, cause.text);
            assert!(cause.outside.is_none() || cause.check.is_some(), "{}: {}", error.name, cause.text);
        }
    }
    // Many lines at once take no longer than their length.
    let long = "upstream SSL certificate verify error certificate has expired bind to ".repeat(20_000);
    let started = std::time::Instant::now();
    assert_eq!(names(&long).len(), 1);
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[test]
fn a_configuration_is_held_against_the_causes() {
    let asked = |text: &str| {
        let output = explain(&[&["--format", "json"], &JUDGED[..], &[text, "nginx.conf"]].concat(), "");
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
    };
    let found = asked("curl: (60) SSL certificate problem: certificate has expired");
    let first = &found["errors"][0]["causes"][0];
    assert_eq!(first["here"]["findings"][0]["rule"], "certificate-expired");
    assert_eq!(first["here"]["findings"][0]["location"]["file"], "sites/000-default.conf");
    let none = asked("SSL_ERROR_RX_RECORD_TOO_LONG");
    let causes = none["errors"][0]["causes"].as_array().expect("causes");
    let outside: Vec<&Value> = causes.iter().filter(|cause| !cause["outside"].is_null()).collect();
    assert!(!outside.is_empty() && outside.iter().all(|cause| cause["check"].is_string()));
    assert!(causes.iter().all(|cause| cause["here"]["findings"].as_array().expect("a list").is_empty()));
    let rule = asked("certificate-key-mismatch");
    assert_eq!(rule["rule"]["here"]["findings"][0]["location"]["file"], "sites/shop.conf");
    let text = explain(&[&JUDGED[..], &["-", "nginx.conf"]].concat(), "verify error:num=10:certificate has expired\n");
    insta::assert_snapshot!("explain_expired", String::from_utf8_lossy(&text.stdout));
}

#[test]
fn every_rule_has_a_page_to_show() {
    for rule in lint::rules() {
        let output = explain(&["--isolated", &rule.name], "");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{}", rule.name);
        assert!(
            text.starts_with(&format!("{}: {}", rule.name, rule.page().title)) && text.contains(rule.page().why.trim())
        );
    }
    let page = String::from_utf8_lossy(&explain(&["--isolated", "certificate-expired"], "").stdout).into_owned();
    for part in ["error, of ", "it speaks here (nginx):", "and not here (nginx):", "    ssl_certificate ", "see: "] {
        assert!(page.contains(part), "{part} in {page}");
    }
}
