//! Renewed and not reloaded: what is said while nginx, Apache and Caddy run with the very files, before and after a reload.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use shakedown::model::ServerKind;
use shakedown::pipeline::{self, Options, TrustSource};
use shakedown::source::Disk;
use shakedown_testing::recipe;

const RULES: [&str; 2] = ["certificate-not-reloaded", "config-not-reloaded"];

/// A server in a network of its own, and a shell beside it that takes commands.
struct Server {
    kind: &'static str,
    folder: PathBuf,
    shell: Child,
}

impl Server {
    fn start(kind: &'static str, folder: &Path) -> Server {
        let configuration = match kind {
            "nginx" => {
                "pid nginx.pid;\nevents {}\nhttp {\naccess_log off;\nserver {\nlisten 8443 ssl;\nserver_name a.test;\n\
                 ssl_certificate a.pem;\nssl_certificate_key a.key;\n}\n}\n"
            }
            "apache" => {
                "ServerRoot .\nPidFile apache.pid\nErrorLog error.log\nServerName localhost\n\
                 LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so\n\
                 LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so\n\
                 LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so\nListen 8443\n<VirtualHost *:8443>\n\
                 ServerName a.test\nSSLEngine on\nSSLCertificateFile a.pem\nSSLCertificateKeyFile a.key\n</VirtualHost>\n"
            }
            _ => "{\nauto_https disable_redirects\nhttps_port 8443\n}\na.test {\ntls a.pem a.key\n}\n",
        };
        let main = recipe::main_file(kind);
        let root = folder.display();
        let configuration = configuration.replace("ServerRoot .", &format!("ServerRoot {root}"));
        let mut files = recipe::standard_files();
        files.insert(main.to_owned(), configuration.into_bytes());
        recipe::write(folder, &files);
        for name in files.keys() {
            touch(&folder.join(name), -2 * 86_400);
        }
        let command = match kind {
            "nginx" => format!("nginx -q -e stderr -p {root} -c nginx.conf"),
            "apache" => format!("apache2 -k start -d {root} -f apache2.conf"),
            _ => "exec caddy run --config Caddyfile".to_owned(),
        };
        let script =
            format!("ip link set lo up; ({command}) >words 2>&1 & while read -r line; do eval \"$line\"; done");
        let shell = Command::new("unshare")
            .args(["-n", "--", "sh", "-c", &script])
            .current_dir(folder)
            .env("HOME", folder)
            .env_remove("XDG_CONFIG_HOME")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server is installed: run tests/install");
        Server { kind, folder: folder.to_owned(), shell }
    }

    fn tell(&mut self, command: &str) {
        let pipe = self.shell.stdin.as_mut().expect("a pipe");
        writeln!(pipe, "{command}").expect("the shell runs");
    }

    fn reload(&mut self) {
        self.tell(match self.kind {
            "nginx" => "kill -HUP $(cat nginx.pid)",
            "apache" => "kill -USR1 $(cat apache.pid)",
            _ => "caddy reload --force --config Caddyfile >>words 2>&1",
        });
    }

    /// The rules that speak two hours from now.
    fn judge(&self) -> Vec<String> {
        let server = match self.kind {
            "nginx" => ServerKind::Nginx,
            "apache" => ServerKind::Apache,
            _ => ServerKind::Caddy,
        };
        let options = Options {
            server: Some(server),
            platform: Some("debian-12".to_owned()),
            now: machine() + 7_200,
            trust: vec![TrustSource::Mozilla],
            ..Options::default()
        };
        let main = self.folder.join(recipe::main_file(self.kind));
        let run = pipeline::lint(&Disk::new(), &[main], &options).expect("a run");
        let ours = run.findings.iter().map(|one| one.rule.as_str().to_owned());
        let mut ours: Vec<String> = ours.filter(|rule| RULES.contains(&&**rule)).collect();
        ours.sort();
        ours
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tell(match self.kind {
            "nginx" => "kill $(cat nginx.pid); exit",
            "apache" => "kill $(cat apache.pid); exit",
            _ => "kill $!; exit",
        });
        let _ = self.shell.wait();
    }
}

fn machine() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a machine after 1970").as_secs() as i64
}

/// Sets when a file was changed, in seconds from now.
fn touch(path: &Path, seconds: i64) {
    let at = UNIX_EPOCH + Duration::from_secs((machine() + seconds) as u64);
    File::options().write(true).open(path).and_then(|file| file.set_modified(at)).expect("a file");
}

/// Waits until something is said, and tells what is said in the end.
fn until(server: &Server, wanted: &[&str]) -> Vec<String> {
    for _ in 0..100 {
        let found = server.judge();
        if found == wanted {
            return found;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    server.judge()
}

fn check(kind: &'static str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let top = folder.path().canonicalize().expect("a real path");
    let mut server = Server::start(kind, &top);
    let certificate = top.join("a.pem");
    // That it runs is told by what is said of a file that is newer than any start.
    touch(&certificate, 1_000);
    let words = || fs::read_to_string(top.join("words")).unwrap_or_default();
    assert_eq!(until(&server, &RULES[..1]), RULES[..1], "{kind}: {}", words());
    touch(&certificate, -86_400);
    assert_eq!(server.judge(), Vec::<String>::new(), "{kind}: nothing was changed");
    // A start is known to some seconds.
    std::thread::sleep(Duration::from_secs(8));
    touch(&certificate, 0);
    touch(&top.join(recipe::main_file(kind)), 0);
    assert_eq!(server.judge(), RULES, "{kind}: both were changed");
    server.reload();
    assert_eq!(until(&server, &[]), Vec::<String>::new(), "{kind}: reloaded: {}", words());
}

#[test]
fn nginx_is_told_of_until_it_reloads() {
    check("nginx");
}

#[test]
fn apache_is_told_of_until_it_reloads() {
    check("apache");
}

#[test]
fn caddy_is_told_of_until_it_reloads() {
    check("caddy");
}
