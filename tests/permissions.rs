//! Who may read which file: what shakedown says equals what nginx, Apache and Caddy do as their real users, over modes, owners,
//! folders and links.
//!
//! The tests give files away and become other users, so that they run as root, as `tests/install` sets them up.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rayon::prelude::*;
use shakedown::pipeline::{self, Options, Run, TrustSource};
use shakedown::source::{Disk, Overlay};
use shakedown_testing::random::Random;
use shakedown_testing::{NOW, recipe};

/// A user and groups that no machine has: the servers become them by number, and shakedown reads of them in texts that are
/// laid over the machine's.
const USER: u32 = 47_110;
const GROUP: u32 = 47_111;
const MORE: u32 = 47_112;
const OTHER: u32 = 47_113;

const SEED: u64 = 9;

/// Mode, owner and group.
type Rights = (u32, u32, u32);

/// A tree of files.
#[derive(Clone, Debug)]
struct Case {
    /// Whether it is the key that is looked at, or the certificate.
    is_key: bool,
    /// How the path leads to the file: `plain`, `relative`, `absolute` or `chain`.
    link: &'static str,
    file: Rights,
    /// A folder on the way, from the top.
    folder: &'static str,
    of_folder: Rights,
}

impl Case {
    fn draw(random: &mut Random) -> Case {
        let modes = [0o600, 0o640, 0o644, 0o604, 0o060, 0o400, 0o440, 0o444, 0o004, 0o000];
        let folder_modes = [0o755, 0o711, 0o750, 0o710, 0o700, 0o701, 0o055, 0o744];
        let owners = [(0, 0), (0, GROUP), (0, MORE), (USER, GROUP), (USER, 0), (OTHER, OTHER), (OTHER, MORE)];
        let mut rights = |modes: &[u32]| {
            let (uid, gid) = *random.pick(&owners);
            (*random.pick(modes), uid, gid)
        };
        let (file, of_folder) = (rights(&modes), rights(&folder_modes));
        Case {
            is_key: random.one_in(2),
            link: random.word(&["plain", "relative", "absolute", "chain"]),
            file,
            folder: random.word(&["live", "live/a.test", "archive", "archive/a.test", "over", "none"]),
            of_folder,
        }
    }

    /// Writes the tree below a folder.
    fn write(&self, top: &Path) {
        let at = |path: &str| top.join(path);
        for folder in ["live/a.test", "archive/a.test", "over", "none", "run", "plain"] {
            fs::create_dir_all(at(folder)).expect("a folder");
        }
        give(top, (0o755, 0, 0));
        give(&at("run"), (0o755, USER, GROUP));
        let files = [("a.pem", !self.is_key), ("a.key", self.is_key)];
        for (name, is_it) in files {
            let bytes = &recipe::standard_files()[name];
            let (link, rights) = if is_it { (self.link, self.file) } else { ("plain", (0o644, 0, 0)) };
            let named = if is_it { at("live/a.test").join(name) } else { at("plain").join(name) };
            let target = at("archive/a.test").join(name);
            let real = if link == "plain" { named.clone() } else { target.clone() };
            match link {
                "relative" => symlink(Path::new("../../archive/a.test").join(name), &named).expect("a link"),
                "absolute" => symlink(&target, &named).expect("a link"),
                "chain" => {
                    symlink(Path::new("../../over").join(name), &named).expect("a link");
                    symlink(&target, at("over").join(name)).expect("a link");
                }
                _ => {}
            }
            fs::write(&real, bytes).expect("a file");
            give(&real, rights);
        }
        give(&at(self.folder), self.of_folder);
    }

    fn paths(&self) -> (&'static str, &'static str) {
        match self.is_key {
            true => ("plain/a.pem", "live/a.test/a.key"),
            false => ("live/a.test/a.pem", "plain/a.key"),
        }
    }
}

fn give(path: &Path, (mode, uid, gid): Rights) {
    chown(path, Some(uid), Some(gid)).expect("the tests run as root");
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
}

/// What shakedown says of a main file, read by a user.
fn lint(top: &Path, main: &str, run_as: &str, passwd: &str) -> Run {
    let disk = Disk::new();
    let mut files = Overlay::new(&disk);
    let group = format!("root:x:0:\nsvc:x:{GROUP}:\nmore:x:{MORE}:nobody,svc\nother:x:{OTHER}:\n");
    files.insert("/etc/passwd", passwd.as_bytes());
    files.insert("/etc/group", group.into_bytes());
    let options = Options {
        platform: Some("debian-12".into()),
        now: NOW,
        trust: vec![TrustSource::Mozilla],
        run_as: Some(run_as.to_owned()),
        ..Options::default()
    };
    pipeline::lint(&files, &[top.join(main)], &options).expect("a run")
}

fn passwd() -> String {
    format!("root:x:0:0::/root:/bin/sh\nsvc:x:{USER}:{GROUP}::/:/bin/false\nother:x:{OTHER}:{OTHER}::/:/bin/false\n")
}

/// The rules that say a server does not start for want of rights.
fn shut_out(run: &Run) -> BTreeSet<&str> {
    let rules = ["key-file-unreadable", "certificate-file-unreadable"];
    run.findings.iter().filter(|one| one.stops).map(|one| one.rule.as_str()).filter(|one| rules.contains(one)).collect()
}

/// A command as the user, with its groups, in a network of its own.
fn as_user(program: &str) -> Command {
    let mut command = Command::new("unshare");
    let ids = [format!("--reuid={USER}"), format!("--regid={GROUP}"), format!("--groups={GROUP},{MORE}")];
    command.args(["-n", "--", "setpriv"]).args(ids).arg(program).stdin(Stdio::null());
    command
}

fn says(command: &mut Command) -> (bool, String) {
    let output = command.output().expect("the server is installed: run tests/install");
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

fn nginx_config(top: &Path, (certificate, key): (&str, &str), more: &str) -> String {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary: String = temporary.map(|name| format!("{name}_temp_path {}/run/{name};\n", top.display())).concat();
    format!(
        "{more}\npid run/nginx.pid;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}server {{\nlisten 8443 ssl;\n\
         server_name a.test;\nssl_certificate {certificate};\nssl_certificate_key {key};\n}}\n}}\n"
    )
}

fn nginx(top: &Path, case: &Case) -> (bool, String) {
    fs::write(top.join("nginx.conf"), nginx_config(top, case.paths(), "")).expect("a file");
    says(as_user("nginx").args(["-t", "-q", "-e", "stderr", "-p"]).arg(top).arg("-c").arg(top.join("nginx.conf")))
}

fn caddy(top: &Path, case: &Case) -> (bool, String) {
    let (certificate, key) = case.paths();
    let text = format!("{{\n admin off\n}}\na.test {{\n tls {0}/{certificate} {0}/{key}\n}}\n", top.display());
    fs::write(top.join("Caddyfile"), text).expect("a file");
    let run = top.join("run");
    says(
        as_user("caddy")
            .args(["validate", "--adapter", "caddyfile", "--config"])
            .arg(top.join("Caddyfile"))
            .env("HOME", &run)
            .env("XDG_DATA_HOME", &run)
            .env("XDG_CONFIG_HOME", &run),
    )
}

fn apache_config(top: &Path, (certificate, key): (&str, &str)) -> String {
    let modules = ["mpm_event", "authz_core", "ssl"];
    let load = |name: &str| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n");
    format!(
        "{}PidFile run/apache.pid\nErrorLog run/error.log\nDefaultRuntimeDir {}/run\nServerName localhost\nListen 8443\n\
         <VirtualHost *:8443>\nServerName a.test\nSSLEngine on\nSSLCertificateFile {certificate}\n\
         SSLCertificateKeyFile {key}\n</VirtualHost>\n",
        modules.map(load).concat(),
        top.display()
    )
}

fn apache(top: &Path, case: &Case) -> (bool, String) {
    fs::write(top.join("apache2.conf"), apache_config(top, case.paths())).expect("a file");
    let script = "apache2 -k start -d \"$0\" -f \"$0/apache2.conf\" >\"$0/run/words\" 2>&1 || exit 1; \
        for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do \
            test -s \"$0/run/apache.pid\" && kill \"$(cat \"$0/run/apache.pid\")\" 2>/dev/null; sleep 0.05; \
            test -e \"$0/run/apache.pid\" || exit 0; \
        done";
    let (starts, _) = says(as_user("sh").args(["-c", script]).arg(top));
    let words = ["run/words", "run/error.log"].map(|name| fs::read_to_string(top.join(name)).unwrap_or_default());
    (starts, words.concat())
}

/// Holds what is said of many trees against what a server does.
fn judged(server: fn(&Path, &Case) -> (bool, String), main: &str, count: usize) {
    let mut random = Random::new(SEED);
    let cases: Vec<Case> = (0..count).map(|_| Case::draw(&mut random)).collect();
    let results: Vec<(bool, String)> = cases
        .par_iter()
        .map(|case| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let top = folder.path();
            case.write(top);
            let (starts, words) = server(top, case);
            let run = lint(top, main, "svc", &passwd());
            let said = shut_out(&run);
            let wanted = if case.is_key { "key-file-unreadable" } else { "certificate-file-unreadable" };
            let agrees = if starts { said.is_empty() } else { said == BTreeSet::from([wanted]) };
            let told = format!(
                "{case:?} (file {:o}, folder {:o}): starts: {starts}, said: {said:?}\n{words}\n{:?}\n",
                case.file.0, case.of_folder.0, run.unjudged
            );
            (starts, if agrees { String::new() } else { told })
        })
        .collect();
    let wrong: String = results.iter().map(|(_, words)| words.as_str()).collect();
    assert!(wrong.is_empty(), "\n{wrong}");
    let starting = results.iter().filter(|(starts, _)| *starts).count();
    assert!(starting * 5 > count && (count - starting) * 5 > count, "{starting} of {count} start");
}

#[test]
fn nginx_starts_as_its_user_where_it_is_said() {
    judged(nginx, "nginx.conf", 150);
}

#[test]
fn apache_starts_as_its_user_where_it_is_said() {
    judged(apache, "apache2.conf", 40);
}

#[test]
fn caddy_starts_as_its_user_where_it_is_said() {
    judged(caddy, "Caddyfile", 60);
}

#[test]
fn root_reads_whatever_modes_say() {
    let case = Case {
        is_key: true,
        link: "chain",
        file: (0o000, OTHER, OTHER),
        folder: "archive",
        of_folder: (0o000, OTHER, OTHER),
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let top = folder.path();
    case.write(top);
    let config = nginx_config(top, case.paths(), "user www-data;");
    fs::write(top.join("nginx.conf"), config.replace("pid run/nginx.pid;", "")).expect("a file");
    fs::write(top.join("apache2.conf"), format!("User www-data\nGroup www-data\n{}", apache_config(top, case.paths())))
        .expect("a file");
    for (main, verdict) in
        [("nginx.conf", shakedown_testing::server::nginx(top, "nginx.conf")), ("apache2.conf", root_apache(top))]
    {
        assert!(verdict.starts, "{main}: {}", verdict.words);
        let run = lint(top, main, "root", &passwd());
        assert_eq!(shut_out(&run), BTreeSet::new(), "{main}");
    }
}

fn root_apache(top: &Path) -> shakedown_testing::server::Verdict {
    let _ = symlink(top.join("run/apache.pid"), top.join("apache.pid"));
    shakedown_testing::server::apache(top, "apache2.conf")
}

/// nginx as root with workers of another user, who read certificates at each handshake.
#[test]
fn workers_of_nginx_read_at_handshakes_where_it_is_said() {
    let (worker, group) = (33, 33); // www-data on Debian
    let folder = tempfile::tempdir().expect("a temporary folder");
    let top = folder.path();
    give(top, (0o755, 0, 0));
    let mut random = Random::new(SEED);
    let owners = [(0, 0), (0, group), (worker, group), (worker, 0), (OTHER, OTHER)];
    let mut servers = String::new();
    let mut hosts: Vec<String> = Vec::new();
    for number in 0..60 {
        let host = format!("v{number}.test");
        let mut rights = |modes: &[u32]| {
            let (uid, gid) = *random.pick(&owners);
            (*random.pick(modes), uid, gid)
        };
        let of_file = rights(&[0o600, 0o640, 0o644, 0o604, 0o060, 0o440, 0o400]);
        let of_folder = rights(&[0o755, 0o711, 0o750, 0o700, 0o701]);
        let own = top.join(&host);
        let real = top.join(format!("{host}.real"));
        fs::create_dir_all(&own).expect("a folder");
        fs::create_dir_all(&real).expect("a folder");
        let is_link = random.one_in(2);
        let at = if is_link { &real } else { &own };
        let files = [("pem", recipe::file(["leaf a.test"])), ("key", recipe::file(["key ec1"]))];
        for (end, bytes) in files {
            let path = at.join(format!("{host}.{end}"));
            fs::write(&path, bytes).expect("a file");
            give(&path, if end == "key" { of_file } else { (0o644, 0, 0) });
            if is_link {
                symlink(&path, own.join(format!("{host}.{end}"))).expect("a link");
            }
        }
        give(at, of_folder);
        let at = own.display();
        servers += &format!(
            "server {{ listen 127.0.0.1:8443 ssl; server_name {host}; ssl_certificate {at}/$ssl_server_name.pem; \
             ssl_certificate_key {at}/$ssl_server_name.key; }}\n"
        );
        hosts.push(host);
    }
    let config = format!("user www-data;\npid nginx.pid;\nevents {{}}\nhttp {{\naccess_log off;\n{servers}}}\n");
    fs::write(top.join("nginx.conf"), config).expect("a file");
    let run = lint(top, "nginx.conf", "root", &format!("{}www-data:x:{worker}:{group}::/:/bin/false\n", passwd()));
    let said: BTreeSet<u32> = run
        .findings
        .iter()
        .filter(|one| one.rule.as_str() == "variable-certificate-unreadable-by-worker")
        .map(|one| run.sources.positions(one.primary.span).0.line)
        .collect();
    let answers = handshakes(top, &hosts);
    let mut wrong = String::new();
    for (number, host) in hosts.iter().enumerate() {
        let line = number as u32 + 6;
        let fails = !answers[host];
        if fails != said.contains(&line) {
            wrong += &format!("{host}: fails: {fails}, said: {}\n", said.contains(&line));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    let failing = answers.values().filter(|works| !**works).count();
    assert!((15..45).contains(&failing), "{failing} of {} fail", hosts.len());
}

/// Whether each host answers a handshake of a real nginx.
fn handshakes(top: &Path, hosts: &[String]) -> BTreeMap<String, bool> {
    let script = format!(
        "ip link set lo up; nginx -q -e stderr -p {0} -c {0}/nginx.conf || exit 9; \
         for host in {1}; do \
             if openssl s_client -connect 127.0.0.1:8443 -servername $host </dev/null 2>/dev/null | grep -q BEGIN; \
             then echo \"$host yes\"; else echo \"$host no\"; fi; \
         done; kill $(cat {0}/nginx.pid)",
        top.display(),
        hosts.join(" ")
    );
    let log = top.join("words");
    let words = fs::File::create(&log).expect("a file");
    let output = Command::new("unshare").args(["-n", "--", "sh", "-c", &script]).stderr(words).output();
    let output = output.expect("unshare is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let answers: BTreeMap<String, bool> =
        text.lines().filter_map(|line| line.split_once(' ')).map(|(host, said)| (host.into(), said == "yes")).collect();
    assert_eq!(answers.len(), hosts.len(), "{}", fs::read_to_string(PathBuf::from(&log)).unwrap_or_default());
    answers
}

/// The file system of another machine, in which Caddy runs as the user of its unit.
#[test]
fn the_live_configuration_of_a_copy_is_read_by_the_user_of_its_unit() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().canonicalize().expect("a path");
    for below in ["etc/caddy", "lib/systemd/system", "etc/letsencrypt/live/a.test", "etc/letsencrypt/archive/a.test"] {
        fs::create_dir_all(root.join(below)).expect("a folder");
    }
    fs::write(root.join("etc/passwd"), passwd()).expect("a file");
    fs::write(root.join("etc/group"), format!("svc:x:{GROUP}:\n")).expect("a file");
    fs::write(root.join("lib/systemd/system/caddy.service"), "[Service]\nUser=svc\nGroup=svc\n").expect("a file");
    let site =
        "a.test {\n tls /etc/letsencrypt/live/a.test/fullchain.pem /etc/letsencrypt/live/a.test/privkey.pem\n}\n";
    fs::write(root.join("etc/caddy/Caddyfile"), site).expect("a file");
    for (name, recipe) in [("fullchain", ["leaf a.test", "intermediate"].as_slice()), ("privkey", &["key ec1"])] {
        let real = root.join(format!("etc/letsencrypt/archive/a.test/{name}1.pem"));
        fs::write(&real, recipe::file(recipe.iter().copied())).expect("a file");
        let link = root.join(format!("etc/letsencrypt/live/a.test/{name}.pem"));
        symlink(format!("../../archive/a.test/{name}1.pem"), link).expect("a link");
        give(&real, (if name == "privkey" { 0o600 } else { 0o644 }, 0, 0));
    }
    let live = root.join("etc/letsencrypt/live");
    let judge = |path: &str| {
        let options = Options {
            platform: Some("debian-12".into()),
            now: NOW,
            root: Some(root.clone()),
            trust: vec![TrustSource::Mozilla],
            ..Options::default()
        };
        let run = pipeline::lint(&Disk::below(&root), &[root.join(path)], &options).expect("a run");
        let found = run.findings.iter().filter(|one| one.stops);
        found.map(|one| format!("{}: {}", one.rule, one.message)).collect::<Vec<_>>()
    };
    let says = judge("etc/caddy/Caddyfile");
    let starts =
        "key-file-unreadable: svc may not read the key /etc/letsencrypt/live/a.test/privkey.pem (0600 root:root)";
    assert!(matches!(&says[..], [one] if one.starts_with(starts)), "{says:?}");
    give(&live, (0o700, 0, 0));
    let says = judge("etc/caddy/Caddyfile");
    assert!(says.len() == 2 && says.iter().all(|one| one.contains("svc may not enter")), "{says:?}");
    // The same text elsewhere is no live configuration: owners say nothing.
    fs::create_dir(root.join("copy")).expect("a folder");
    fs::copy(root.join("etc/caddy/Caddyfile"), root.join("copy/Caddyfile")).expect("a copy");
    assert_eq!(judge("copy/Caddyfile"), Vec::<String>::new());
    // Nor do they where somebody else than root unpacked the copy.
    give(&root.join("etc/passwd"), (0o644, USER, GROUP));
    assert_eq!(judge("etc/caddy/Caddyfile"), Vec::<String>::new());
}

/// What the program itself may not see is never missing: it says what would help.
#[test]
fn what_we_may_not_see_is_not_missing() {
    let case = Case { is_key: true, link: "relative", file: (0o600, 0, 0), folder: "none", of_folder: (0o755, 0, 0) };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let top = folder.path();
    case.write(top);
    let (certificate, key) = case.paths();
    let whole = |path: &str| top.join(path).to_string_lossy().into_owned();
    let config = nginx_config(top, (&whole(certificate), &whole(key)), "");
    fs::write(top.join("nginx.conf"), config).expect("a file");
    let tool = top.join("shakedown");
    fs::copy(env!("CARGO_BIN_EXE_shakedown"), &tool).expect("a copy");
    let judge = || {
        let mut command = as_user(tool.to_str().expect("a path"));
        command.args(["lint", "--isolated", "--format", "json", "--platform", "debian-12", "--trust", "mozilla"]);
        let output = command.arg(top.join("nginx.conf")).current_dir(top).output().expect("the program runs");
        serde_json::from_slice::<serde_json::Value>(&output.stdout).expect("JSON")
    };
    let hidden = |document: &serde_json::Value| {
        let unjudged = document["unjudged"].as_array().expect("a list");
        let about = |what: &str| {
            unjudged
                .iter()
                .any(|one| one["what"] == what && one["reason"].as_str().is_some_and(|why| why.contains("run as root")))
        };
        let rules: Vec<&str> = document["findings"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|one| one["rule"].as_str())
            .filter(|rule| rule.starts_with("key-"))
            .collect();
        (about("key"), about("key-file-permissions"), rules.join(" "))
    };
    // The mode of a file can be seen where its folder can be searched.
    assert_eq!(hidden(&judge()), (true, false, String::new()));
    give(&top.join("archive"), (0o700, 0, 0));
    assert_eq!(hidden(&judge()), (true, true, String::new()));
}
