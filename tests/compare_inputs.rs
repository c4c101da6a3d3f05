//! The two sides of a comparison, and of `lint --since`: each its own medium, server and platform; settings that say where
//! files are; what snapshots keep of keys and leave alone.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output};

use shakedown_testing::recipe::{self, file};

const SITE: &str = "server {\n    listen 8443 ssl;\n    server_name a.test;\n    ssl_certificate /etc/tls/a.pem;\n    ssl_certificate_key /etc/tls/a.key;\n    ssl_protocols TLSv1.2 TLSv1.3;\n}\n";

struct Ground {
    folder: tempfile::TempDir,
}

impl Ground {
    fn of(files: &[(&str, &str)]) -> Ground {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut all: BTreeMap<String, Vec<u8>> =
            files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
        all.insert("root.pem".to_owned(), file(["root"]));
        recipe::write(folder.path(), &all);
        Ground { folder }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn put(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.at(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shakedown"));
        command.args(arguments).current_dir(self.folder.path()).output().expect("the program runs")
    }

    fn shell(&self, script: &str) {
        let done = Command::new("sh").args(["-ec", script]).current_dir(self.folder.path()).output().expect("a shell");
        assert!(done.status.success(), "{}", words(&done));
    }
}

fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn whole(site: &str) -> String {
    format!("events {{}}\nhttp {{\n{site}}}\n")
}

/// The project's folder says where the server's files are, and which file is the main one: both sides heed it.
#[test]
fn settings_of_the_project_hold_for_both_sides() {
    let main = whole("include /etc/nginx/on/*;\n");
    let settings = "platform = \"debian-12\"\ntrust = [\"root.pem\"]\nmain = [\"etc/front.conf\"]\n[paths]\n\"/etc/nginx\" = \"etc\"\n\"/etc/tls\" = \"tls\"\n";
    let ground = Ground::of(&[("etc/front.conf", &main), ("etc/on/a", SITE), ("shakedown.toml", settings)]);
    ground.put("tls/a.pem", file(["leaf a.test", "intermediate"]));
    ground.put("tls/a.key", file(["key ec1"]));
    ground.shell("git init -q .; git add .; git -c user.name=a -c user.email=a@b.test commit -qm one");
    for (old, new) in [("git:HEAD", "etc/front.conf"), ("git:HEAD", "."), ("git:HEAD:etc/front.conf", "etc/front.conf")]
    {
        let output = ground.run(&["compare", old, new]);
        assert!(words(&output).contains("verdict: same"), "{old} {new}: {}", words(&output));
    }
    ground.put("tls/a.pem", file(["leaf a.test from=-93 to=-3", "intermediate"]));
    for new in ["etc/front.conf", "."] {
        let output = ground.run(&["compare", "git:HEAD", new]);
        assert_eq!(output.status.code(), Some(1), "{}", words(&output));
        assert!(words(&output).contains("certificate-replaced"), "{}", words(&output));
    }
}

/// An archive, a revision and a snapshot are what was good before: only what is new is told.
#[test]
fn lint_since_an_archive_a_revision_and_a_snapshot() {
    let weak = whole(&SITE.replace("TLSv1.2 TLSv1.3", "TLSv1.1 TLSv1.2 TLSv1.3"));
    let ground = Ground::of(&[("nginx/nginx.conf", &weak.replace("/etc/tls/", ""))]);
    ground.put("nginx/a.pem", file(["leaf a.test", "intermediate"]));
    ground.put("nginx/a.key", file(["key ec1"]));
    ground.shell(
        "tar czf old.tar.gz nginx; cd nginx; git init -q .; git add .; git -c user.name=a -c user.email=a@b.test commit -qm one",
    );
    let base = ["--platform", "debian-12", "--trust", "root.pem"];
    let saved = ground.run(&[&["snapshot", "save", "--store", "store"], &base[..], &["nginx"]].concat());
    assert_eq!(saved.status.code(), Some(0), "{}", words(&saved));
    let media = ["old.tar.gz", "git:HEAD", "latest"];
    let lint = |since: &str| {
        let more = ["lint", "--isolated", "--format", "concise", "--store", "store", "--since", since];
        ground.run(&[&more[..], &base[..], &["nginx"]].concat())
    };
    for since in media {
        let output = lint(since);
        assert_eq!((output.status.code(), words(&output).lines().count()), (Some(0), 0), "{since}: {}", words(&output));
    }
    ground.put("nginx/a.pem", file(["leaf a.test from=-93 to=-3", "intermediate"]));
    for since in media {
        let said = words(&lint(since));
        assert!(said.contains("certificate-expired") && !said.contains("deprecated-protocol"), "{since}: {said}");
    }
}

/// Each side may be another platform and another server.
#[test]
fn sides_have_platforms_and_servers_of_their_own() {
    let site = SITE.replace("/etc/tls/", "").replace("    ssl_protocols TLSv1.2 TLSv1.3;\n", "");
    let apache = "Listen 8443\nLoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so\n<VirtualHost *:8443>\n    ServerName a.test\n    SSLEngine on\n    SSLCertificateFile a.pem\n    SSLCertificateKeyFile a.key\n    SSLProtocol -all +TLSv1.2 +TLSv1.3\n</VirtualHost>\n";
    let both = site.replace("listen", "ssl_protocols TLSv1.2 TLSv1.3;\n    listen");
    let ground =
        Ground::of(&[("old/nginx.conf", &whole(&both)), ("new/site", apache), ("bare/nginx.conf", &whole(&site))]);
    for folder in ["old", "new", "bare"] {
        ground.put(&format!("{folder}/a.pem"), file(["leaf a.test", "intermediate"]));
        ground.put(&format!("{folder}/a.key"), file(["key ec1"]));
    }
    let compare = |more: &[&str]| {
        ground.run(&[&["compare", "--isolated", "--trust", "root.pem", "--format", "json"], more].concat())
    };
    let moved =
        compare(&["--platform", "debian-12", "--old-server", "nginx", "--new-server", "apache", "old", "new/site"]);
    let told = words(&moved);
    assert!(told.contains("\"server\": \"nginx\"") && told.contains("\"server\": \"apache\""), "{told}");
    // Debian 12's nginx offers TLS 1.2 alone, Debian 13's TLS 1.3 too.
    let newer = compare(&["--old-platform", "debian-12", "--new-platform", "debian-13", "bare", "bare"]);
    let told = words(&newer);
    assert!(told.contains("\"platform\": \"debian-12\"") && told.contains("\"platform\": \"debian-13\""), "{told}");
    assert!(told.contains("protocol-gained") && told.contains("TLSv1.3"), "{told}");
    assert_eq!(newer.status.code(), Some(0), "{told}");
    let wrong = compare(&["--old-platform", "debian-99", "bare", "bare"]);
    assert_eq!(wrong.status.code(), Some(2));
}

/// A key under a password whose password the configuration names is kept as a fingerprint as any other: what is compared with the
/// snapshot is judged as it was.
#[test]
fn locked_keys_are_kept_as_fingerprints() {
    let site = SITE.replace("/etc/tls/", "").replace("listen", "ssl_password_file words;\n    listen");
    let ground = Ground::of(&[("nginx/nginx.conf", &whole(&site)), ("nginx/words", "wrong\nopensesame\n")]);
    ground.put("nginx/a.pem", file(["leaf a.test", "intermediate"]));
    ground.put("nginx/a.key", file(["encrypted ec1 password=opensesame"]));
    let saved = ground.run(&[
        "snapshot",
        "save",
        "--store",
        "store",
        "--platform",
        "debian-12",
        "--trust",
        "root.pem",
        "nginx",
    ]);
    assert_eq!(saved.status.code(), Some(0), "{}", words(&saved));
    let entries = std::fs::read_dir(ground.at("store")).expect("a store").flatten().map(|one| one.path());
    let manifest =
        entries.into_iter().find(|path| path.extension().is_some_and(|end| end == "json")).expect("a manifest");
    let manifest = std::fs::read_to_string(manifest).expect("a manifest");
    assert!(manifest.contains("FINGERPRINT OF PRIVATE KEY") && !manifest.contains("opensesame"), "{manifest}");
    let compare =
        || ground.run(&["compare", "--isolated", "--store", "store", "--trust", "root.pem", "latest", "nginx"]);
    assert!(words(&compare()).contains("verdict: same"), "{}", words(&compare()));
    ground.put("nginx/a.key", file(["encrypted ec2 password=opensesame"]));
    assert_eq!(compare().status.code(), Some(1), "{}", words(&compare()));
}

/// What a configuration reads outside of its folder is kept to be compared with; the way back leaves it alone and says so.
#[test]
fn what_lies_outside_of_the_folder_is_left_alone() {
    let ground = Ground::of(&[("nginx/nginx.conf", "")]);
    let outside = ground.at("tls").display().to_string();
    ground.put("nginx/nginx.conf", whole(&SITE.replace("/etc/tls", &outside)));
    ground.put("tls/a.pem", file(["leaf a.test", "intermediate"]));
    ground.put("tls/a.key", file(["key ec1"]));
    let saved = ground.run(&[
        "snapshot",
        "save",
        "--store",
        "store",
        "--platform",
        "debian-12",
        "--trust",
        "root.pem",
        "nginx",
    ]);
    assert_eq!(saved.status.code(), Some(0), "{}", words(&saved));
    let other = file(["leaf b.test", "intermediate"]);
    ground.put("tls/a.pem", &other);
    ground.put("nginx/nginx.conf", "events {}\n");
    let restored = ground.run(&["snapshot", "restore", "--store", "store", "latest"]);
    let said = words(&restored);
    assert_eq!(restored.status.code(), Some(0), "{said}");
    assert!(said.contains("left as it is, since only what lies in ") && said.contains("tls/a.pem"), "{said}");
    assert!(std::fs::read(ground.at("tls/a.pem")).expect("a file") == other);
    assert!(std::fs::read_to_string(ground.at("nginx/nginx.conf")).expect("a file").contains("a.test"));
}
