//! Wrong usages: each gets one clear message with what to do, exit code 2, and nothing on standard output.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

fn demo() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/demo/.");
    assert!(Command::new("cp").arg("-r").arg(from).arg(folder.path()).status().expect("cp").success());
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect("a file");
    write("binary.conf", &[0x7f, b'E', b'L', b'F', 0, 1, 2, 0xff]);
    write("notes.txt", b"nothing that a server reads\n");
    write("bad.toml", b"strict = true\nplatform = \"debian-12\n");
    write("bad.json", b"{");
    std::fs::create_dir(folder.path().join("empty")).expect("a folder");
    std::os::unix::fs::symlink("nowhere.conf", folder.path().join("dangling.conf")).expect("a link");
    folder
}

/// What the message says, and what it says to do.
fn check(output: &Output, arguments: &[&str], expected: &[&str]) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
    assert!(output.stdout.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    assert!(told.starts_with("error: "), "{arguments:?}: {told}");
    assert_eq!(told.matches("error: ").count(), 1, "{arguments:?}: {told}");
    for word in ["panicked", "backtrace", "BACKTRACE", "src/", "os error"] {
        assert!(!told.contains(word), "{arguments:?}: {told}");
    }
    for part in expected {
        assert!(told.contains(part), "{arguments:?}: `{part}` in {told}");
    }
}

#[test]
fn wrong_usages_are_told_with_a_next_step() {
    let folder = demo();
    let table: &[(&[&str], &[&str])] = &[
        (&["lint", "--formt", "json", "nginx.conf"], &["'--formt'", "a similar argument exists: '--format'"]),
        (&["lnit", "nginx.conf"], &["'lnit'", "'lint'"]),
        (&["lint", "ngnix.conf"], &["cannot read ngnix.conf: no such file", "did you mean nginx.conf?"]),
        (&["lint", "sites/shop.cnf"], &["no such file", "did you mean sites/shop.conf?"]),
        (&["lint", "nowhere/at/all"], &["no such file", "name a configuration file or folder"]),
        (&["lint", "dangling.conf"], &["a link to nowhere.conf, which does not exist", "name a configuration"]),
        (&["lint", "binary.conf"], &["binary.conf is no text", "name a configuration file or folder"]),
        (&["lint", "notes.txt"], &["cannot tell which server reads notes.txt", "--server nginx"]),
        (&["lint", "empty"], &["nothing to read in empty", "looked for nginx.conf"]),
        (&["lint", "tls/shop/privkey.pem"], &["holds a private key", "name the configuration that uses it"]),
        (&["lint", "--server", "ngnix", "nginx.conf"], &["'ngnix'", "a similar value exists: 'nginx'"]),
        (&["lint", "--platform", "debiann-12", "nginx.conf"], &["no such platform", "did you mean debian-12?"]),
        (
            &["lint", "--platform", "windows", "nginx.conf"],
            &["no such platform: windows", "All: alpine, arch, debian-11,"],
        ),
        (&["lint", "--select", "certificate-expird", "."], &["no such rule", "did you mean certificate-expired?"]),
        (&["lint", "--severity", "weak-cipher=fatal", "."], &["weak-cipher=fatal", "error, warning, info or off"]),
        (&["lint", "--severity", "weak-cipher", "."], &["'weak-cipher'", "write NAME=LEVEL"]),
        (&["lint", "--profile", "mozilla-modren", "."], &["no such profile", "did you mean mozilla-modern?"]),
        (&["lint", "--fail-on", "fatal", "."], &["'fatal'", "possible values: error, warning, info, never"]),
        (&["lint", "--now", "tomorrow", "."], &["'tomorrow'", "such as +30d or -2h"]),
        (&["lint", "--security-level", "9", "."], &["'9'", "0..=5"]),
        (&["lint", "--tls-library", "openssl", "."], &["'openssl'", "such as openssl-3.0.19"]),
        (&["lint", "--server-version", "new", "."], &["'new'", "such as 1.22.1"]),
        (&["lint", "--define", "=x", "."], &["'=x'", "NAME=VALUE"]),
        (&["lint", "--root", "nowhere", "nginx.conf"], &["'nowhere'", "a folder that is there"]),
        (
            &["lint", "--trust", "none.pem", "nginx.conf"],
            &["trust anchors from none.pem", "name a PEM file, system or"],
        ),
        (&["lint", "--jobs", "0", "."], &["'0'", "1..=65535"]),
        (
            &["lint", "--fix", "--write-baseline", "x", "."],
            &["'--fix' cannot be used with '--write-baseline", "--help"],
        ),
        (&["lint", "--diff", "--format", "concise", "."], &["'--diff' cannot be used with '--format", "--help"]),
        (&["lint", "--config", "bad.toml", "--isolated"], &["'--config <FILE>' cannot be used with '--isolated'"]),
        (&["lint", "--config", "bad.toml", "."], &["bad.toml is no TOML: line 2, column", "mend the line"]),
        (&["lint", "--config", "none.toml", "."], &["cannot read none.toml: no such file", "`shakedown init`"]),
        (
            &["lint", "--baseline", "none.json", "."],
            &["the baseline none.json: no such file", "--write-baseline none.json"],
        ),
        (&["lint", "--baseline", "bad.json", "."], &["it is no baseline", "--write-baseline bad.json"]),
        (&["lint", "--format", "xml", "."], &["'xml'", "junit, checkstyle"]),
        (&["handshake", "--client", "chrom-150", "."], &["no such client: chrom-150", "did you mean chrome-150?"]),
        (&["handshake", "--client", "bad.toml", "."], &["cannot read the client bad.toml"]),
        (&["handshake", "--listen", "here", "."], &["no address and port: here", "such as 127.0.0.1:443"]),
        (&["handshake", "nginx.conf", "sites"], &["'sites'", "Usage: shakedown handshake"]),
        (
            &["explain", "certificate-expird"],
            &["neither a rule nor a known text: certificate-expird", "did you mean certificate-expired?"],
        ),
        (
            &["explain", "certificate-expired", "nowhere/at/all"],
            &["cannot read nowhere/at/all: no such file", "name a configuration"],
        ),
        (&["explain"], &["<NAME|TEXT>", "Usage: shakedown explain"]),
        (&["certificates", "nowhere/at/all"], &["cannot read nowhere/at/all: no such file", "name a configuration"]),
        (&["certificates", "--format", "xml"], &["'xml'", "pretty, json, prometheus"]),
        (&["ciphers"], &["<STRING>", "Usage: shakedown ciphers"]),
        (&["ciphers", "--platform", "debian-99", "HIGH"], &["no such platform: debian-99", "All: "]),
        (&["rules", "test", "none"], &["cannot read none: no such file", "one TOML file a rule"]),
        (&["rules", "test", "empty"], &["no rules in empty", "--show-templates"]),
        (&["completions", "tcsh"], &["'tcsh'", "bash, elvish, fish"]),
        (&["init", "none"], &["cannot write into none: no such file", "make the folder first"]),
        (&["init", "notes.txt"], &["it is a regular file", "name a folder"]),
    ];
    assert!(table.len() >= 20);
    for (arguments, expected) in table {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shakedown"));
        let output = command.current_dir(folder.path()).args(*arguments).output().expect("the program runs");
        check(&output, arguments, expected);
    }
    let report = folder.path().join("none/report.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_shakedown"));
    command.current_dir(folder.path()).args(["lint", "nginx.conf", "--output-file"]).arg(&report);
    let output = command.output().expect("the program runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(told.contains("none/report.json: ") && told.contains("name a file in a folder that is there"), "{told}");
}

#[test]
fn a_folder_that_may_not_be_read_is_told() {
    let folder = demo();
    let locked = folder.path().join("locked");
    std::fs::create_dir(&locked).expect("a folder");
    // Root reads everything: somebody else asks then, with a program that he may run.
    let program = folder.path().join("shakedown");
    std::fs::copy(env!("CARGO_BIN_EXE_shakedown"), &program).expect("the program");
    for (path, mode) in [(folder.path(), 0o755), (&program, 0o755), (&locked, 0o000)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a mode");
    }
    let is_root = Command::new("id").arg("-u").output().expect("id").stdout == b"0\n";
    let mut command = match is_root {
        true => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
            command
        }
        false => Command::new(&program),
    };
    let output = command.current_dir(folder.path()).args(["lint", "locked"]).output().expect("the program runs");
    check(&output, &["lint", "locked"], &["cannot read locked: permission denied", "run as a user who may read it"]);
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o755)).expect("a mode");
}
