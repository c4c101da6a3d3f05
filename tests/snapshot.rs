//! Snapshots: what is kept, what is refused, and that the way back loses nothing, whatever goes wrong on it. Archives,
//! revisions of git and `lint --since` beside them.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use shakedown_testing::recipe::{self, file};

const NGINX: &str = "events {}\nhttp {\n    include sites-enabled/*;\n}\n";
const SITE: &str = "server {\n    listen 8443 ssl;\n    server_name a.test;\n    ssl_certificate a.pem;\n    ssl_certificate_key a.key;\n    ssl_protocols TLSv1.2 TLSv1.3;\n}\n";

struct Ground {
    folder: tempfile::TempDir,
}

impl Ground {
    fn new() -> Ground {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let files = BTreeMap::from([
            ("nginx/nginx.conf".to_owned(), NGINX.as_bytes().to_vec()),
            ("nginx/sites-available/a".to_owned(), SITE.as_bytes().to_vec()),
            ("nginx/a.pem".to_owned(), file(["leaf a.test", "intermediate"])),
            ("nginx/a.key".to_owned(), file(["key ec1"])),
            ("root.pem".to_owned(), file(["root"])),
        ]);
        recipe::write(folder.path(), &files);
        std::fs::create_dir(folder.path().join("nginx/sites-enabled")).expect("a folder");
        link(&folder.path().join("nginx/sites-enabled/a"), "../sites-available/a");
        let key = folder.path().join("nginx/a.key");
        std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o600)).expect("a mode");
        Ground { folder }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        command(self.folder.path(), arguments).output().expect("the program runs")
    }

    fn save(&self) -> Output {
        self.run(&["snapshot", "save", "--store", "store", "--platform", "debian-12", "--trust", "root.pem", "nginx"])
    }

    /// Another certificate policy, another site, and no site `a`.
    fn break_it(&self) {
        write(
            &self.at("nginx/nginx.conf"),
            "events {}\nhttp {\n    include sites-enabled/*;\n    ssl_protocols TLSv1.3;\n}\n",
        );
        write(
            &self.at("nginx/sites-enabled/b"),
            "server {\n    listen 9443 ssl;\n    server_name b.test;\n    ssl_certificate missing.pem;\n}\n",
        );
        std::fs::remove_file(self.at("nginx/sites-enabled/a")).expect("a link");
    }

    fn is_as_saved(&self) -> bool {
        std::fs::read_to_string(self.at("nginx/nginx.conf")).is_ok_and(|text| text == NGINX)
            && std::fs::read_to_string(self.at("nginx/sites-enabled/a")).is_ok_and(|text| text == SITE)
            && std::fs::read(self.at("nginx/a.key")).is_ok_and(|bytes| bytes == file(["key ec1"]))
            && !self.at("nginx/sites-enabled/b").exists()
    }

    /// Whether what was there before a restoration is there still, or is kept.
    fn has_lost_nothing(&self) -> bool {
        let list = self.run(&["snapshot", "list", "--store", "store", "--format", "json"]);
        let is_kept = String::from_utf8_lossy(&list.stdout).contains("was restored");
        let is_there = std::fs::read_to_string(self.at("nginx/nginx.conf")).is_ok_and(|text| text.contains("TLSv1.3"))
            && self.at("nginx/sites-enabled/b").exists();
        is_kept || is_there
    }

    fn leftovers(&self) -> usize {
        let all = walkdir::WalkDir::new(self.at("nginx")).into_iter().flatten();
        all.filter(|one| one.file_name().to_string_lossy().starts_with(".shakedown-")).count()
    }
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shakedown"));
    command.args(arguments).current_dir(folder);
    command
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("a file can be written");
}

fn link(path: &Path, target: &str) {
    std::os::unix::fs::symlink(target, path).expect("a link");
}

fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

const RESTORE: &[&str] = &["snapshot", "restore", "--store", "store", "latest"];

#[test]
fn what_is_kept_comes_back() {
    let ground = Ground::new();
    let saved = ground.save();
    assert_eq!(saved.status.code(), Some(0), "{}", words(&saved));
    let archive = std::fs::read_dir(ground.at("store")).unwrap().flatten().map(|one| one.path());
    let archive = archive.into_iter().find(|path| path.extension().is_some_and(|end| end == "gz")).expect("an archive");
    let listed = Command::new("tar").arg("tzf").arg(&archive).output().expect("tar");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(
        listed.contains("nginx/a.pem") && listed.contains("sites-enabled/a") && !listed.contains("a.key"),
        "{listed}"
    );
    assert_eq!(std::fs::metadata(&archive).unwrap().permissions().mode() & 0o777, 0o600);
    let manifest = std::fs::read_to_string(archive.with_extension("").with_extension("json")).expect("a manifest");
    assert!(!manifest.contains("BEGIN PRIVATE KEY") && manifest.contains("FINGERPRINT OF PRIVATE KEY"));
    assert!(words(&ground.save()).contains("nothing has changed"));
    let same = ground.run(&["compare", "--store", "store", "--trust", "root.pem", "latest", "nginx"]);
    assert_eq!(same.status.code(), Some(0), "{}", words(&same));
    assert!(words(&same).contains("verdict: same"), "{}", words(&same));
    ground.break_it();
    let worse = ground.run(&["compare", "--store", "store", "--trust", "root.pem", "latest", "nginx"]);
    assert_eq!(worse.status.code(), Some(1), "{}", words(&worse));
    let since = ground.run(&[
        "lint",
        "--store",
        "store",
        "--platform",
        "debian-12",
        "--trust",
        "root.pem",
        "--since",
        "latest",
        "--format",
        "concise",
        "nginx",
    ]);
    assert!(words(&since).contains("certificate-file-missing"), "{}", words(&since));
    let seen = ground.run(&["snapshot", "restore", "--dry-run", "--store", "store"]);
    assert!(words(&seen).contains("+++ b/") && !ground.is_as_saved(), "{}", words(&seen));
    let restored = ground.run(RESTORE);
    assert_eq!(restored.status.code(), Some(0), "{}", words(&restored));
    assert!(words(&restored).contains("nginx -t && systemctl reload nginx"), "{}", words(&restored));
    assert!(ground.is_as_saved() && ground.has_lost_nothing() && ground.leftovers() == 0);
    // And what was replaced can be had again.
    let list = words(&ground.run(&["snapshot", "list", "--store", "store"]));
    let kept = list
        .lines()
        .find(|line| line.contains("was restored"))
        .and_then(|line| line.split(' ').next())
        .expect("a name");
    let back = ground.run(&["snapshot", "restore", "--store", "store", kept]);
    assert_eq!(back.status.code(), Some(0), "{}", words(&back));
    assert!(std::fs::read_to_string(ground.at("nginx/sites-enabled/b")).is_ok_and(|text| text.contains("b.test")));
    let pruned = ground.run(&["snapshot", "prune", "--keep", "1", "--store", "store"]);
    assert_eq!(pruned.status.code(), Some(0), "{}", words(&pruned));
    assert!(words(&ground.run(&["snapshot", "list", "--store", "store"])).contains(" good "));
}

#[test]
fn errors_are_not_called_good() {
    let ground = Ground::new();
    write(&ground.at("nginx/a.key"), "no key\n");
    let refused = ground.save();
    assert_eq!(refused.status.code(), Some(1), "{}", words(&refused));
    assert!(words(&refused).contains("not saved") && !ground.at("store").exists(), "{}", words(&refused));
}

#[test]
fn a_tampered_store_is_refused() {
    let ground = Ground::new();
    ground.save();
    ground.break_it();
    let paths: Vec<PathBuf> = std::fs::read_dir(ground.at("store")).unwrap().flatten().map(|one| one.path()).collect();
    for path in paths {
        let before = std::fs::read(&path).unwrap();
        let mut after = before.clone();
        match path.extension().is_some_and(|end| end == "gz") {
            true => {
                let middle = after.len() / 2;
                after[middle] ^= 1;
            }
            false => {
                let text = String::from_utf8(after).unwrap();
                after = text.replacen("\"sha256\": \"", "\"sha256\": \"00", 1).into_bytes();
            }
        }
        std::fs::write(&path, after).unwrap();
        let refused = ground.run(RESTORE);
        assert_eq!(refused.status.code(), Some(2), "{}", words(&refused));
        assert!(words(&refused).contains("not as it was saved") && !ground.is_as_saved(), "{}", words(&refused));
        std::fs::write(&path, before).unwrap();
    }
    // A folder that is led elsewhere meanwhile is not written.
    std::fs::remove_dir_all(ground.at("nginx/sites-available")).unwrap();
    std::fs::create_dir(ground.at("elsewhere")).unwrap();
    link(&ground.at("nginx/sites-available"), "../elsewhere");
    let refused = ground.run(RESTORE);
    assert_eq!(refused.status.code(), Some(2), "{}", words(&refused));
    assert!(words(&refused).contains("leads out of"), "{}", words(&refused));
    assert_eq!(std::fs::read_dir(ground.at("elsewhere")).unwrap().count(), 0);
}

/// Kills the program at the nth call of a kind that writes, for each n, and runs it again: nothing is lost, and the second run
/// ends well.
#[test]
fn killed_at_every_write() {
    let mut killed = 0;
    for call in ["write", "rename,renameat,renameat2", "fsync", "unlink,unlinkat", "fchmod"] {
        for number in 1..40 {
            let ground = Ground::new();
            ground.save();
            ground.break_it();
            let inject = format!("inject={call}:signal=KILL:when={number}");
            let mut strace = Command::new("strace");
            strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject]);
            strace.arg(env!("CARGO_BIN_EXE_shakedown")).args(RESTORE).current_dir(ground.folder.path());
            let output = strace.output().expect("strace is installed: run tests/install");
            if output.status.success() {
                assert!(ground.is_as_saved());
                break;
            }
            killed += 1;
            assert!(ground.has_lost_nothing(), "{call} {number}");
            let again = ground.run(RESTORE);
            assert_eq!(again.status.code(), Some(0), "{call} {number}: {}", words(&again));
            assert!(ground.is_as_saved(), "{call} {number}");
        }
    }
    assert!(killed >= 15, "only {killed} calls were hit");
}

/// Every single call of the system from the first that writes.
#[test]
fn killed_at_any_call() {
    let trace = |ground: &Ground, more: &[&str]| {
        let mut strace = Command::new("strace");
        strace.args(["-qq", "-o", "log"]).args(more).arg(env!("CARGO_BIN_EXE_shakedown")).args(RESTORE);
        strace.current_dir(ground.folder.path()).env("RAYON_NUM_THREADS", "1").output().expect("strace is installed")
    };
    let prepared = || {
        let ground = Ground::new();
        ground.save();
        ground.break_it();
        ground
    };
    let ground = prepared();
    assert!(trace(&ground, &[]).status.success());
    let log = std::fs::read_to_string(ground.at("log")).expect("a log");
    // strace counts each call by its name.
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let calls: Vec<(&str, usize, &str)> = log
        .lines()
        .filter_map(|line| {
            let (name, _) = line.split_once('(')?;
            let count = seen.entry(name).or_default();
            *count += 1;
            Some((name, *count, line))
        })
        .collect();
    let first = calls.iter().position(|(.., line)| line.contains("O_CREAT")).expect("something is written");
    let mut killed = 0;
    for (name, number, line) in &calls[first..] {
        let ground = prepared();
        let output = trace(&ground, &["-e", &format!("inject={name}:signal=KILL:when={number}")]);
        killed += usize::from(!output.status.success());
        assert!(ground.has_lost_nothing(), "{line}");
        let again = ground.run(RESTORE);
        assert_eq!(again.status.code(), Some(0), "{line}: {}", words(&again));
        assert!(ground.is_as_saved() && ground.leftovers() == 0, "{line}");
    }
    assert!(killed >= 40, "only {killed} calls were hit of {}", calls.len());
}

/// Each call that writes fails once, as on a full disk or one that breaks: nothing is lost, and it is said.
#[test]
fn failing_at_every_write() {
    let mut failed = 0;
    for (call, error) in
        [("write", "ENOSPC"), ("rename,renameat,renameat2", "EIO"), ("fsync", "EIO"), ("openat", "EROFS")]
    {
        for number in 1..60 {
            let ground = Ground::new();
            ground.save();
            ground.break_it();
            let store_and_target = format!("trace={call}");
            let inject = format!("inject={call}:error={error}:when={number}");
            let mut strace = Command::new("strace");
            strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &store_and_target, "-e", &inject]);
            if call == "openat" {
                // Only what lies in the folder of the configuration.
                strace.arg("-P").arg(ground.at("nginx"));
            }
            strace.arg(env!("CARGO_BIN_EXE_shakedown")).args(RESTORE).current_dir(ground.folder.path());
            let output = strace.output().expect("strace is installed: run tests/install");
            assert!(ground.has_lost_nothing() || ground.is_as_saved(), "{call} {number}: {}", words(&output));
            if output.status.success() {
                if ground.is_as_saved() {
                    break;
                }
            } else {
                failed += 1;
                assert_ne!(output.status.code(), Some(101), "{call} {number}: {}", words(&output));
            }
        }
    }
    assert!(failed >= 5, "only {failed} calls were hit");
}

#[test]
fn a_full_disk_and_one_that_is_only_read_change_nothing() {
    for (options, said) in [("size=64k", "No space left"), ("ro", "Read-only")] {
        let ground = Ground::new();
        let big = format!("# {}\n{SITE}", "x".repeat(40_000));
        write(&ground.at("nginx/sites-available/a"), &big);
        ground.save();
        ground.break_it();
        write(&ground.at("nginx/sites-available/a"), "# gone\n");
        // The configuration lies in a file system of its own, which is full or only read.
        let fill = if options == "ro" { "mount -o remount,ro nginx" } else { "head -c 40000 /dev/zero >nginx/fill" };
        let size = if options == "ro" { "size=1m" } else { options };
        let script = format!(
            "cp -a nginx copy && mount -t tmpfs -o {size} none nginx && cp -a copy/. nginx/ && {fill}; \
             \"$0\" snapshot restore --store store latest; echo code $?; cat nginx/nginx.conf nginx/sites-available/a; ls -A nginx nginx/sites-enabled"
        );
        let mut unshare = Command::new("unshare");
        unshare.args(["-m", "sh", "-c", &script, env!("CARGO_BIN_EXE_shakedown")]).current_dir(ground.folder.path());
        let output = unshare.output().expect("unshare is installed: run tests/install");
        let words = words(&output);
        assert!(words.contains("code 2") && words.contains(said) && words.contains("nothing was changed"), "{words}");
        assert!(words.contains("TLSv1.3") && words.contains("# gone\n") && !words.contains(".shakedown-"), "{words}");
    }
}

#[test]
fn archives_and_revisions_are_configurations() {
    let ground = Ground::new();
    let shell = |script: &str| {
        let done =
            Command::new("sh").args(["-ec", script]).current_dir(ground.folder.path()).output().expect("a shell");
        assert!(done.status.success(), "{}", words(&done));
    };
    shell(
        "tar czf old.tar.gz nginx; tar cf old.tar nginx; cd nginx; git init -q .; echo '*.key' >.gitignore; git add .; \
           git -c user.name=a -c user.email=a@b.test commit -qm one",
    );
    // A hook or a monitor that runs leaves a mark.
    shell(
        "cd nginx; git config core.fsmonitor 'touch ../ran; true'; printf '#!/bin/sh\\ntouch ../ran\\n' >.git/hooks/post-checkout; \
           chmod +x .git/hooks/post-checkout; git status >/dev/null; rm -f ../ran; git rev-parse HEAD >../head; stat -c %Y .git/index >../index",
    );
    let old = ["old.tar.gz", "old.tar", "git:HEAD", "git:HEAD:nginx.conf"];
    let compare = |old: &str| {
        ground.run(&["compare", "--platform", "debian-12", "--trust", "root.pem", "--isolated", old, "nginx"])
    };
    for one in old {
        let output = compare(one);
        assert!(words(&output).contains("verdict: same"), "{one}: {}", words(&output));
    }
    write(&ground.at("nginx/sites-available/a"), &SITE.replace("TLSv1.2 TLSv1.3", "TLSv1.3"));
    for one in old {
        let output = compare(one);
        assert_eq!(output.status.code(), Some(1), "{one}: {}", words(&output));
        assert!(words(&output).contains("client-lost"), "{one}: {}", words(&output));
    }
    assert!(!ground.at("ran").exists());
    shell(
        "cd nginx; git rev-parse HEAD | cmp - ../head; git diff --quiet --cached HEAD; stat -c %Y .git/index | cmp - ../index",
    );
    for (wrong, said) in
        [("git:nowhere", "no such revision"), ("git:--help", "no revision"), ("nothing", "no such file")]
    {
        let output = compare(wrong);
        assert_eq!(output.status.code(), Some(2), "{}", words(&output));
        assert!(words(&output).contains(said), "{wrong}: {}", words(&output));
    }
}

/// The wrapper around a reload: it keeps what is good, and stops before the reload where something got worse.
#[test]
fn a_reload_goes_through_lint_and_comparison() {
    let apache = "ServerName localhost\nLoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so\nLoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so\nListen 8443\n<VirtualHost *:8443>\n    ServerName a.test\n    SSLEngine on\n    SSLCertificateFile a.pem\n    SSLCertificateKeyFile a.key\n    SSLProtocol -all +TLSv1.2 +TLSv1.3\n</VirtualHost>\n";
    let caddy = "{\n\tauto_https off\n}\nhttps://a.test:8443 {\n\ttls a.pem a.key {\n\t\tprotocols tls1.2 tls1.3\n\t}\n\trespond ok\n}\n";
    let cases = [
        ("nginx", "nginx.conf", NGINX.to_owned(), "sites-available/a", SITE, ("TLSv1.2 TLSv1.3", "TLSv1.3")),
        ("apache2", "apache2.conf", apache.to_owned(), "apache2.conf", apache, ("+TLSv1.2 +TLSv1.3", "+TLSv1.3")),
        ("caddy", "Caddyfile", caddy.to_owned(), "Caddyfile", caddy, ("tls1.2 tls1.3", "tls1.3")),
    ];
    for (service, main, text, changed, before, (from, to)) in cases {
        let ground = Ground::new();
        if service != "nginx" {
            std::fs::remove_file(ground.at("nginx/nginx.conf")).expect("a file");
        }
        write(&ground.at("nginx").join(main), &text);
        let program = Path::new(env!("CARGO_BIN_EXE_shakedown")).parent().expect("a folder");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("ci/shakedown-reload");
        let reload = |allow: &[&str]| {
            let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
            // The certificates of the tests are those of an authority that nobody knows: only what changes is of interest.
            write(&ground.at("shakedown.toml"), "platform = \"debian-12\"\ntrust = [\"root.pem\"]\n");
            let mut command = Command::new(&script);
            command.arg(service).args(allow).current_dir(ground.folder.path());
            command
                .env("PATH", path)
                .env("SHAKEDOWN_STORE", "store")
                .env("SHAKEDOWN_RELOAD", "echo reloaded >>reloads");
            command.env("SHAKEDOWN_PATH", Path::new("nginx").join(if service == "caddy" { "Caddyfile" } else { "" }));
            command.output().expect("the wrapper runs")
        };
        let reloads = || std::fs::read_to_string(ground.at("reloads")).unwrap_or_default().lines().count();
        let first = reload(&[]);
        assert_eq!((first.status.code(), reloads()), (Some(0), 1), "{service}: {}", words(&first));
        write(&ground.at("nginx").join(changed), &before.replace(from, to));
        let stopped = reload(&[]);
        assert_eq!((stopped.status.code(), reloads()), (Some(1), 1), "{service}: {}", words(&stopped));
        assert!(words(&stopped).contains("client-lost"), "{service}: {}", words(&stopped));
        let meant = reload(&["client-lost:a.test"]);
        assert_eq!((meant.status.code(), reloads()), (Some(0), 2), "{service}: {}", words(&meant));
        write(&ground.at("nginx").join(changed), &before.replace("a.key", "missing.key"));
        let broken = reload(&[]);
        assert_eq!((broken.status.code(), reloads()), (Some(1), 2), "{service}: {}", words(&broken));
        let back = ground.run(RESTORE);
        assert_eq!(back.status.code(), Some(0), "{service}: {}", words(&back));
        let now = std::fs::read_to_string(ground.at("nginx").join(changed)).expect("a file");
        assert_eq!(now, before.replace(from, to), "{service}");
    }
}

/// Keys come back only where they were kept; otherwise those on disk stay as they are.
#[test]
fn keys_are_restored_only_where_they_were_kept() {
    let key = |name: &str| file([format!("key {name}").as_str()]);
    for (with_keys, expected) in [(false, "ec2"), (true, "ec1")] {
        let ground = Ground::new();
        let mut arguments =
            vec!["snapshot", "save", "--store", "store", "--platform", "debian-12", "--trust", "root.pem"];
        arguments.extend(with_keys.then_some("--with-keys"));
        let saved = ground.run(&[&arguments[..], &["nginx"]].concat());
        assert_eq!(saved.status.code(), Some(0), "{}", words(&saved));
        ground.break_it();
        std::fs::write(ground.at("nginx/a.key"), key("ec2")).expect("a file can be written");
        let restored = ground.run(RESTORE);
        assert_eq!(restored.status.code(), Some(0), "{}", words(&restored));
        assert!(!words(&restored).contains("PRIVATE KEY"), "{}", words(&restored));
        assert_eq!(std::fs::read(ground.at("nginx/a.key")).expect("a key"), key(expected));
        assert_eq!(std::fs::metadata(ground.at("nginx/a.key")).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
