//! The real servers. A test that needs one fails where it is absent: `tests/install` puts them there.

use std::io::{Read, Seek, SeekFrom};
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
    let started = run(&[]);
    if let Ok(pid) = std::fs::read_to_string(&pid) {
        let _ = Command::new("kill").arg(pid.trim()).output();
    }
    started
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

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}
