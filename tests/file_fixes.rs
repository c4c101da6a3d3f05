//! What mends a fault beside the bytes of a text: modes, groups and names of files, done to real files.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output};

use shakedown_testing::recipe;

fn lint(folder: &Path, arguments: &[&str]) -> Output {
    let mut line = Command::new(env!("CARGO_BIN_EXE_shakedown"));
    line.args(["lint", "--isolated", "--platform", "debian-12", "--trust", "root.crt"]);
    if !arguments.contains(&"--diff") {
        line.args(["--format", "concise"]);
    }
    line.args(arguments).current_dir(folder).output().expect("the tool can be run")
}

fn tree(main: &str, text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("a mode");
    let mut files = recipe::standard_files();
    files.insert("root.crt".to_owned(), recipe::root().pem().into_bytes());
    files.insert(main.to_owned(), text.as_bytes().to_vec());
    recipe::write(folder.path(), &files);
    folder
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a mode");
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("a file").mode() & 0o7777
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const NGINX: &str = "events {}\nhttp {\nserver {\nlisten 8443 ssl;\nserver_name a.test;\nssl_certificate a.pem;\n\
                     ssl_certificate_key a.key;\n}\n}\n";

#[test]
fn a_key_that_everybody_may_read_is_shut() {
    let tree = tree("nginx.conf", NGINX);
    let key = tree.path().join("a.key");
    set_mode(&key, 0o644);
    let run = |more: &[&str]| lint(tree.path(), &[&["--run-as", "root"], more, &["nginx.conf"]].concat());
    assert!(out(&run(&[])).contains("key-file-permissions"));
    // Shown first, and left alone by what is safe.
    let shown = out(&run(&["--diff", "--unsafe-fixes"]));
    assert_eq!(shown, format!("# chmod 0600 {}\n", key.canonicalize().expect("a path").display()));
    run(&["--fix"]);
    assert_eq!(mode(&key), 0o644);
    let done = run(&["--unsafe-fixes"]);
    assert!(String::from_utf8_lossy(&done.stderr).contains("done: chmod 0600 "));
    assert!(!out(&done).contains("key-file-permissions"));
    assert_eq!(mode(&key), 0o600);
    let again = run(&["--unsafe-fixes"]);
    assert!(again.stderr.is_empty(), "{}", String::from_utf8_lossy(&again.stderr));
}

#[test]
fn a_key_that_the_service_may_not_read_is_opened_to_its_group() {
    let tree = tree("Caddyfile", "a.test {\n\ttls a.pem a.key\n}\n");
    let key = tree.path().join("a.key");
    set_mode(&key, 0o600);
    let run = |more: &[&str]| lint(tree.path(), &[&["--run-as", "caddy"], more, &["Caddyfile"]].concat());
    assert!(out(&run(&[])).contains("error[key-file-unreadable]"));
    let done = run(&["--unsafe-fixes"]);
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(told.contains("done: chgrp caddy "), "{told}");
    assert!(!out(&done).contains("key-file"), "{}", out(&done));
    assert_eq!(mode(&key), 0o640);
    // The real user gets in.
    let mut read = Command::new("setpriv");
    read.args(["--reuid", "caddy", "--regid", "caddy", "--init-groups", "cat"]).arg(&key);
    let read = read.output().expect("setpriv of util-linux");
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
}

#[test]
fn a_site_that_the_pattern_leaves_out_gets_the_name_that_it_needs() {
    let site = |name: &str, certificate: &str| {
        format!(
            "<VirtualHost *:8443>\nServerName {name}\nSSLEngine on\nSSLCertificateFile {certificate}.pem\n\
             SSLCertificateKeyFile {certificate}.key\n</VirtualHost>\n"
        )
    };
    let main =
        "ServerRoot .\nLoadModule ssl_module modules/mod_ssl.so\nListen 8443\nIncludeOptional sites-enabled/*.conf\n";
    let tree = tree("apache2.conf", main);
    let sites = tree.path().join("sites-enabled");
    std::fs::create_dir(&sites).expect("a folder");
    std::fs::write(sites.join("one.conf"), site("a.test", "a")).expect("a file");
    std::fs::write(sites.join("two"), site("b.test", "b")).expect("a file");
    // With it, Apache would not start: it keeps its name.
    std::fs::write(sites.join("three"), site("c.test", "nowhere")).expect("a file");
    let run = |more: &[&str]| lint(tree.path(), &[more, &["apache2.conf"]].concat());
    assert_eq!(out(&run(&[])).matches("site-file-not-included").count(), 2);
    let done = run(&["--fix"]);
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(told.contains("done: mv -n ") && told.contains("two.conf") && !told.contains("three.conf"), "{told}");
    assert!(sites.join("two.conf").is_file() && !sites.join("two").exists() && sites.join("three").is_file());
    assert_eq!(out(&done).matches("site-file-not-included").count(), 1, "{}", out(&done));
    assert!(run(&["--fix"]).stderr.is_empty());
}
