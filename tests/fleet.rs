//! Copies of many machines in one run: folders and archives, each a root of its own.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use shakedown_testing::certificate::Certificate;
use shakedown_testing::key::key;
use shakedown_testing::recipe;

/// The leaf of all machines has ended by then, and the authorities above it have not.
const LATER: &str = "2028-01-01T00:00:00Z";
const MAIN: &str = "events {}\nhttp {\n    ssl_protocols TLSv1.2 TLSv1.3;\n    include /etc/nginx/sites/*.conf;\n}\n";
const SITE: &str = "server {\n    listen 443 ssl;\n    server_name www.example.com;\n    ssl_certificate /etc/ssl/www.pem;\n    \
                    ssl_certificate_key /etc/ssl/www.key;\n}\n";
const APACHE: &str = "LoadModule ssl_module modules/mod_ssl.so\nServerName localhost\nListen 443\n<VirtualHost *:443>\n    \
                      ServerName a.example.com\n    SSLEngine on\n    SSLCertificateFile /etc/ssl/gone.pem\n</VirtualHost>\n";

/// Three machines: one with nginx, one with nginx and Apache, one without any server.
fn machines() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let put = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder above")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    };
    let issuer = recipe::intermediate();
    let leaf = Certificate::leaf(&["www.example.com"], "ec-fleet", &issuer).pem() + &issuer.pem();
    for name in ["one", "two"] {
        put(&format!("hosts/{name}/etc/nginx/nginx.conf"), MAIN);
        put(&format!("hosts/{name}/etc/nginx/sites/www.conf"), SITE);
        put(&format!("hosts/{name}/etc/ssl/www.pem"), &leaf);
        put(&format!("hosts/{name}/etc/ssl/www.key"), &key("ec-fleet").pkcs8());
        put(&format!("hosts/{name}/etc/ssl/certs/ca-certificates.crt"), &recipe::root().pem());
        put(&format!("hosts/{name}/etc/os-release"), "ID=debian\nVERSION_ID=\"12\"\n");
    }
    put("hosts/two/etc/apache2/apache2.conf", APACHE);
    put("hosts/none/etc/motd", "no server here\n");
    folder
}

fn run(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shakedown"));
    command.current_dir(folder).args(words).env("COLUMNS", "120").output().expect("the program runs")
}

fn lint(folder: &Path, words: &[&str]) -> (Option<i32>, String) {
    let fixed = ["lint", "--isolated", "--now", LATER];
    let output = run(folder, &[&fixed[..], words].concat());
    (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The findings of a document as `file: rule`.
fn found(document: &Value) -> Vec<String> {
    let all = document["findings"].as_array().expect("findings").iter();
    all.map(|one| format!("{}: {}", text_of(&one["location"]["file"]), text_of(&one["rule"]))).collect()
}

fn text_of(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn shell(folder: &Path, words: &str) {
    let status = Command::new("sh").args(["-c", words]).current_dir(folder).status().expect("a shell");
    assert!(status.success(), "{words}");
}

#[test]
fn folders_are_roots_of_their_own() {
    let folder = machines();
    let (code, text) = lint(folder.path(), &["--format", "ndjson", "hosts/one/", "hosts/two"]);
    assert_eq!(code, Some(1));
    let lines: Vec<Value> = text.lines().map(json).collect();
    let [one, two] = &lines[..] else { panic!("a line each: {text}") };
    assert_eq!((&one["type"], &one["path"]), (&"target".into(), &"hosts/one/".into()));
    assert_eq!(one["targets"][0]["path"], "hosts/one/etc/nginx/nginx.conf");
    assert_eq!(one["targets"][0]["platform"], "debian-12");
    assert_eq!(one["targets"][0]["trust"], "system", "that of the copy");
    assert_eq!(found(one), ["hosts/one/etc/nginx/sites/www.conf: certificate-expired"]);
    assert_eq!(two["path"], "hosts/two");
    let servers: Vec<&str> =
        two["targets"].as_array().expect("a list").iter().map(|one| text_of(&one["server"])).collect();
    assert_eq!(servers, ["nginx", "apache"]);
    let rules = found(two);
    assert!(rules.contains(&"hosts/two/etc/nginx/sites/www.conf: certificate-expired".to_owned()), "{rules:?}");
    assert!(rules.contains(&"hosts/two/etc/apache2/apache2.conf: certificate-file-missing".to_owned()), "{rules:?}");
    // The same as with --root for each.
    let (_, alone) = lint(folder.path(), &["--format", "json", "--root", "hosts/one"]);
    assert_eq!(json(&alone)["findings"], one["findings"]);
}

#[test]
fn archives_say_what_their_folders_say() {
    let folder = machines();
    shell(
        folder.path(),
        "tar cf plain.tar -C hosts/two etc; tar czf here.tar.gz -C hosts/two .; tar czf below.tgz -C hosts two; \
         tar czf server.tar.gz -C hosts/one/etc nginx",
    );
    let (_, text) = lint(folder.path(), &["--format", "ndjson", "hosts/two"]);
    let expected = found(&json(&text));
    assert!(expected.len() >= 2, "{expected:?}");
    for name in ["plain.tar", "here.tar.gz", "below.tgz"] {
        let (code, text) = lint(folder.path(), &["--format", "ndjson", name]);
        assert_eq!(code, Some(1));
        let shown = expected.iter().map(|one| one.replacen("hosts/two", name, 1)).collect::<Vec<_>>();
        assert_eq!(found(&json(&text)), shown);
    }
    // Of a server's folder alone nobody knows what lies beside it.
    let (_, text) = lint(folder.path(), &["--format", "ndjson", "server.tar.gz"]);
    let alone = json(&text);
    assert_eq!(alone["targets"][0]["path"], "server.tar.gz/nginx/nginx.conf");
    assert_eq!((found(&alone), alone["summary"]["sites"].as_u64()), (Vec::new(), Some(1)), "{alone}");
    let open = alone["unjudged"].as_array().expect("a list").iter();
    assert!(open.clone().any(|one| text_of(&one["reason"]).contains("/etc/ssl/www.pem")), "{alone}");
    let calendar = run(folder.path(), &["certificates", "--isolated", "--format", "json", "plain.tar"]);
    let calendar = json(&String::from_utf8_lossy(&calendar.stdout));
    assert_eq!(calendar["certificates"][0]["file"], "plain.tar/etc/ssl/www.pem", "{calendar}");
}

#[test]
fn one_document_holds_all_targets() {
    let folder = machines();
    shell(folder.path(), "tar czf two.tar.gz -C hosts/two etc");
    let (code, text) = lint(folder.path(), &["--format", "json", "hosts/one", "two.tar.gz"]);
    assert_eq!(code, Some(1));
    let all = json(&text);
    let each = [
        lint(folder.path(), &["--format", "json", "hosts/one"]),
        lint(folder.path(), &["--format", "json", "two.tar.gz"]),
    ];
    let each = each.map(|(_, text)| json(&text));
    for list in ["targets", "findings", "unjudged"] {
        let joined: Vec<&Value> = each.iter().flat_map(|one| one[list].as_array().expect(list)).collect();
        assert_eq!(all[list].as_array().expect(list).iter().collect::<Vec<_>>(), joined, "{list}");
    }
    for count in ["error", "warning", "info", "files", "sites"] {
        let sum = each.iter().map(|one| one["summary"][count].as_u64().expect(count)).sum::<u64>();
        assert_eq!(all["summary"][count].as_u64(), Some(sum), "{count}");
    }
    // Lines and source frames are those of each text.
    let (_, concise) = lint(folder.path(), &["--format", "concise", "hosts/one", "two.tar.gz"]);
    assert!(concise.contains("two.tar.gz/etc/nginx/sites/www.conf:4:"), "{concise}");
    let (_, pretty) = lint(folder.path(), &["hosts/one", "two.tar.gz"]);
    assert!(
        pretty.contains("two.tar.gz/etc/apache2/apache2.conf:7:24") && pretty.contains("SSLCertificateFile"),
        "{pretty}"
    );
}

#[test]
fn what_cannot_be_looked_at_is_told_and_the_others_go_on() {
    let folder = machines();
    shell(folder.path(), "head -c 4000 /dev/urandom | gzip > broken.tar.gz; tar cf none.tar -C hosts/none etc");
    let targets = ["broken.tar.gz", "none.tar", "hosts/one", "hosts/none", "missing"];
    let (code, text) = lint(folder.path(), &[&["--format", "ndjson"], &targets[..]].concat());
    assert_eq!(code, Some(2));
    let lines: Vec<Value> = text.lines().map(json).collect();
    assert_eq!(lines.iter().map(|line| text_of(&line["path"])).collect::<Vec<_>>(), targets);
    for line in &lines {
        let is_whole = line["path"] == "hosts/one";
        assert_eq!(line["error"]["message"].is_string(), !is_whole, "{line}");
        assert_eq!(line["findings"].is_array(), is_whole, "{line}");
    }
    let (code, text) = lint(folder.path(), &[&["--format", "json"], &targets[..]].concat());
    assert_eq!(code, Some(2));
    let unjudged = json(&text)["unjudged"].as_array().expect("a list").clone();
    let failed = unjudged.iter().filter(|one| one["what"] == "target").count();
    assert_eq!(failed, 4, "{text}");
    // Copies are only looked at.
    let output = run(folder.path(), &["lint", "--fix", "hosts/one"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--root hosts/one"));
}

/// Peak memory in MiB of a run over the same archive under many names.
fn memory(folder: &Path, archive: &str, count: usize) -> f64 {
    let names: Vec<String> = (0..count).map(|number| format!("{number}-{archive}")).collect();
    for name in &names {
        let _ = std::fs::hard_link(folder.join(archive), folder.join(name));
    }
    const MEASURE: &str = "import resource, subprocess, sys\n\
                           done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)\n\
                           assert done.returncode == 1, done\n\
                           print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)";
    let mut command = Command::new("python3");
    command.args(["-c", MEASURE, env!("CARGO_BIN_EXE_shakedown"), "lint", "--isolated", "--now", LATER, "--jobs", "2"]);
    let output = command.args(["--format", "ndjson"]).args(&names).current_dir(folder).output().expect("python3");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.trim().parse::<f64>().unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr))) / 1024.0
}

#[test]
fn memory_does_not_grow_with_the_number_of_targets() {
    let folder = machines();
    // A megabyte of text each.
    let large = format!("{SITE}{}", "# a comment that takes room\n".repeat(40_000));
    std::fs::write(folder.path().join("hosts/one/etc/nginx/sites/www.conf"), large).expect("a file");
    shell(folder.path(), "tar czf host.tar.gz -C hosts/one etc");
    let (few, many) = (memory(folder.path(), "host.tar.gz", 10), memory(folder.path(), "host.tar.gz", 60));
    assert!(many < few * 1.25 + 10.0, "{few:.0} MiB for 10 targets, {many:.0} MiB for 60");
}
