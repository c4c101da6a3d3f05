//! Requests to a real server in a network of its own.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::arena::line;

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Where it leads on.
    pub location: Option<String>,
    /// The value of `Strict-Transport-Security`.
    pub strict_transport: Option<String>,
}

impl Response {
    fn read(head: &str) -> Option<Response> {
        let value = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(':'));
            let found = lines.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
            Some(found.1.trim().to_owned())
        };
        let status = head.split(' ').nth(1)?.trim().parse().ok()?;
        let (location, strict_transport) = (value("location"), value("strict-transport-security"));
        Some(Response { status, location, strict_transport })
    }
}

/// Starts a server below `folder` with a line of a shell, which ends as soon as clients can connect, and asks it for each
/// `http://HOST/PATH`, whatever the host. Absent where nothing was answered.
pub fn ask(folder: &Path, start: &str, urls: &[&str]) -> Vec<Option<Response>> {
    let words = |url: &&str| ["--connect-to", "::127.0.0.1:80", *url].map(str::to_owned).to_vec();
    asked(folder, start, &urls.iter().map(words).collect::<Vec<_>>())
}

/// The same by TLS: connects under one name and asks for another host, as a browser does that takes up a connection again
/// (RFC 9113, 9.1.1).
pub fn ask_across(folder: &Path, start: &str, pairs: &[(&str, &str)]) -> Vec<Option<Response>> {
    let words = |(name, host): &(&str, &str)| {
        let (header, url) = (format!("Host: {host}"), format!("https://{name}/"));
        ["-k", "--connect-to", "::127.0.0.1:443", "-H", &header, &url].map(str::to_owned).to_vec()
    };
    asked(folder, start, &pairs.iter().map(words).collect::<Vec<_>>())
}

/// Starts a server and asks it with curl, each time with other words.
fn asked(folder: &Path, start: &str, requests: &[Vec<String>]) -> Vec<Option<Response>> {
    let mut script = format!("ip link set lo up\n{start} >server.out 2>&1 </dev/null || exit 1\n");
    for (at, request) in requests.iter().enumerate() {
        let to = ["--max-time", "5", "-s", "-g", "-o", "/dev/null", "-D"];
        let words =
            to.iter().map(|word| (*word).to_owned()).chain([format!("{at}.head")]).chain(request.iter().cloned());
        script += &format!("curl {}\n", line(&words.collect::<Vec<_>>()));
    }
    let mut command = Command::new("timeout");
    command.args(["-s", "KILL", "60", "setsid", "-w", "unshare", "-n", "-p", "-f", "--kill-child"]);
    if !crate::server::is_root() {
        command.arg("-r");
    }
    script += "exit 0\n";
    command.args(["sh", "-c", &script]).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null());
    let status = command.stderr(Stdio::null()).status().expect("unshare is installed: run tests/install");
    let words = std::fs::read_to_string(folder.join("server.out")).unwrap_or_default();
    assert!(status.success(), "the server does not start: {words}");
    let read = |at: usize| std::fs::read_to_string(folder.join(format!("{at}.head"))).unwrap_or_default();
    (0..requests.len()).map(|at| Response::read(&read(at))).collect()
}
