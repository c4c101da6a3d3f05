//! The real servers. A test that needs one fails where it is absent: `tests/install` puts them there.

use std::io::{BufRead, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Command, Stdio};

/// What a server says of a configuration.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Whether it would start.
    pub starts: bool,
    /// Its own words.
    pub words: String,
}

/// Asks nginx whether it would start with the configuration `main` below `folder`. It is asked in a network of its own, so
/// that ports of this machine do not matter.
pub fn nginx(folder: &Path, main: &str) -> Verdict {
    let pid = folder.join("shakedown-test.pid");
    let run = |more: &[&str]| {
        let mut command = isolated("nginx");
        command.args(more).args(["-q", "-e", "stderr", "-p"]).arg(folder).arg("-c").arg(folder.join(main));
        command.args(["-g", &format!("pid {};", pid.display())]);
        verdict(command)
    };
    let tested = run(&["-t"]);
    if !tested.starts {
        return tested;
    }
    // `nginx -t` passes over sockets that cannot be bound: only a start tells.
    let _ = std::fs::remove_file(&pid); // the check leaves one behind
    let started = run(&[]);
    if started.starts {
        stop(&pid);
    }
    started
}

/// Ends the daemon whose number a file holds, as soon as it is written there. A signal that comes while the daemon still
/// sets itself up is lost, so that it is sent again; the wait has an end.
fn stop(pid_file: &Path) {
    for _ in 0..200 {
        let text = std::fs::read_to_string(pid_file).unwrap_or_default();
        let pid = text.trim();
        if !pid.is_empty() {
            let _ = Command::new("kill").arg(pid).stderr(Stdio::null()).status();
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
        if !pid.is_empty() && !pid_file.exists() {
            return; // taken away by the daemon as it ends
        }
    }
}

/// Asks Apache whether it would start with the configuration `main` below `folder`: its own check sees no certificate, so
/// that it is started. The configuration names `apache.pid` and `error.log` below the folder.
pub fn apache(folder: &Path, main: &str) -> Verdict {
    // Without loopback a bare port would not be bound for both families.
    let mut command = isolated("sh");
    command.args(["-c", "ip link set lo up; exec apache2 -k start -d \"$0\" -f \"$0/$1\""]).arg(folder).arg(main);
    let mut verdict = verdict(command);
    verdict.words += &std::fs::read_to_string(folder.join("error.log")).unwrap_or_default();
    if verdict.starts {
        stop(&folder.join("apache.pid"));
    }
    verdict
}

/// Starts Apache with the configuration `main` below `folder` in a network of its own, with loopback, and asks it for TLS
/// from there: what `openssl s_client` says. Absent where Apache does not start. `more` goes to the client.
pub fn apache_answers(folder: &Path, main: &str, port: &str, name: Option<&str>, more: &[&str]) -> Option<String> {
    let sni = name.map_or("-noservername".to_owned(), |name| format!("-servername {name}"));
    let script = format!(
        "ip link set lo up; apache2 -k start -d {0} -f {0}/{main} || exit 9; \
         for try in 1 2 3 4 5 6 7 8 9 10; do \
             openssl s_client -connect 127.0.0.1:{port} {sni} {1} </dev/null >answer 2>&1; \
             grep -q 'Connection refused' answer || break; sleep 0.1; \
         done; cat answer; \
         for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do \
             test -s {0}/apache.pid || break; kill \"$(cat {0}/apache.pid)\" 2>/dev/null || break; sleep 0.1; \
         done",
        folder.display(),
        more.join(" ")
    );
    let mut command = isolated("sh");
    command.args(["-c", &script]).current_dir(folder);
    let verdict = verdict(command);
    (!verdict.words.contains("AH00016") && !verdict.words.is_empty()).then_some(verdict.words)
}

/// Asks Caddy whether it takes the Caddyfile or JSON `main` below `folder`.
pub fn caddy(folder: &Path, main: &str) -> Verdict {
    let mut command = isolated("caddy");
    let adapter: &[&str] = if main.ends_with(".json") { &[] } else { &["--adapter", "caddyfile"] };
    command.arg("validate").args(adapter).arg("--config").arg(folder.join(main));
    command.env("HOME", folder).env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder).current_dir(folder);
    verdict(command)
}

/// Runs a command that may leave a daemon behind, which would keep a pipe open: its words go to a file.
fn verdict(mut command: Command) -> Verdict {
    let mut words = tempfile::tempfile().expect("a temporary file");
    let copy = || Stdio::from(words.try_clone().expect("a second handle"));
    let status = command.stdin(Stdio::null()).stdout(copy()).stderr(copy()).status();
    let starts = status.expect("the server is installed: run tests/install").success();
    let mut text = Vec::new();
    words.seek(SeekFrom::Start(0)).and_then(|_| words.read_to_end(&mut text)).expect("what was written");
    Verdict { starts, words: String::from_utf8_lossy(&text).into_owned() }
}

/// A command in a network namespace with loopback alone.
fn isolated(program: &str) -> Command {
    let mut command = Command::new("unshare");
    if !is_root() {
        command.arg("-r");
    }
    command.args(["-n", "--", program]);
    command
}

pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

/// What `openssl s_client` says of a chain: every error with its depth, in order, and the code that it prints last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientVerdict {
    /// Number and depth.
    pub errors: Vec<(u32, usize)>,
    /// The number of `Verify return code`.
    pub code: u32,
}

/// The first error that `openssl verify` reports for the files of [`s_client`], with its depth; absent: it finds none.
pub fn openssl_verify(folder: &Path, host: &str, security_level: u8, now: i64) -> Option<(u32, usize)> {
    let wanted = if host.parse::<std::net::IpAddr>().is_ok() { "-verify_ip" } else { "-verify_hostname" };
    let output = Command::new("openssl")
        .current_dir(folder)
        .args(["verify", "-purpose", "sslserver", wanted, host, "-attime", &now.to_string()])
        .args(["-auth_level", &security_level.to_string(), "-CAfile", "anchors.pem", "-no-CApath", "-no-CAstore"])
        .args(["-untrusted", "sent.pem", "leaf.pem"])
        .output()
        .expect("openssl is installed: run tests/install");
    let words = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let rest = words.lines().find_map(|line| line.strip_prefix("error "))?;
    let (code, rest) = rest.split_once(" at ")?;
    Some((code.parse().ok()?, rest.split(' ').next()?.parse().ok()?))
}

/// Sends certificates from `openssl s_server` to `openssl s_client` and tells what the client says. `folder` holds
/// `leaf.pem`, `rest.pem` (which may be empty), `leaf.key` and `anchors.pem`.
pub fn s_client(folder: &Path, host: &str, security_level: u8, now: i64) -> Option<ClientVerdict> {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = socket.local_addr().expect("an address").port().to_string();
    drop(socket);
    let has_rest = std::fs::metadata(folder.join("rest.pem")).is_ok_and(|found| found.len() > 0);
    let mut server = Command::new("openssl")
        .current_dir(folder)
        .args(["s_server", "-accept", &port, "-naccept", "1", "-cipher", "ALL:@SECLEVEL=0", "-4"])
        .args(["-cert", "leaf.pem", "-key", "leaf.key"])
        .args(if has_rest { &["-cert_chain", "rest.pem"][..] } else { &[] })
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is installed: run tests/install");
    let mut lines = std::io::BufReader::new(server.stdout.take().expect("a pipe")).lines();
    let is_ready = lines.by_ref().map_while(Result::ok).any(|line| line.starts_with("ACCEPT"));
    let output = is_ready.then(|| {
        let address = format!("127.0.0.1:{port}");
        let wanted = if host.parse::<std::net::IpAddr>().is_ok() { "-verify_ip" } else { "-verify_hostname" };
        Command::new("openssl")
            .current_dir(folder)
            .args(["s_client", "-connect", &address, wanted, host, "-attime", &now.to_string()])
            .args(["-CAfile", "anchors.pem", "-no-CApath", "-no-CAstore"])
            .args(["-cipher", &format!("ALL:@SECLEVEL={security_level}")])
            .stdin(Stdio::null())
            .output()
            .expect("openssl is installed: run tests/install")
    });
    let _ = server.kill();
    let _ = server.wait();
    let output = output?;
    if String::from_utf8_lossy(&output.stdout).contains("no peer certificate available") {
        return None;
    }
    let mut verdict = ClientVerdict { errors: Vec::new(), code: u32::MAX };
    let mut depth = 0;
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        if let Some(rest) = line.strip_prefix("depth=") {
            depth = rest.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(usize::MAX);
        } else if let Some(rest) = line.strip_prefix("verify error:num=") {
            let code = rest.split(':').next().and_then(|number| number.parse().ok());
            verdict.errors.push((code.unwrap_or(u32::MAX), depth));
        }
    }
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let code = stdout.lines().find_map(|line| line.trim().strip_prefix("Verify return code: "))?;
    verdict.code = code.split(' ').next()?.parse().ok()?;
    Some(verdict)
}
