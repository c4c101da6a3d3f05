//! A server and its clients in a network and a process namespace of their own: no port clashes with others, nothing is left
//! running, and everything has an end in time.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::handshake::Handshake;

/// What a server made of its configuration, and what clients then met.
#[derive(Clone, Debug)]
pub struct Fight {
    /// Whether it started.
    pub starts: bool,
    /// Its own words.
    pub words: String,
    /// One entry for each client, where it started.
    pub handshakes: Vec<Handshake>,
}

/// A word of a shell.
pub fn quote(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,@+[]".contains(&byte);
    match !word.is_empty() && word.bytes().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// A command of a shell.
pub fn line(words: &[String]) -> String {
    words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

/// Starts a server with a line of a shell, which ends as soon as clients can connect, and runs `openssl` with each list of
/// arguments, all below `folder`.
pub fn fight(folder: &Path, start: &str, clients: &[Vec<String>]) -> Fight {
    let record = folder.join("fight");
    std::fs::create_dir_all(&record).expect("a folder can be made");
    std::fs::write(record.join("run.sh"), script(start, clients)).expect("a file can be written");
    // Longer than the greeting that a server of HTTP/2 waits for.
    std::fs::write(record.join("request"), "GET / HTTP/1.0\r\nAccept: */*\r\n\r\n").expect("a file can be written");
    let mut command = Command::new("timeout");
    command.args(["-s", "KILL", "120", "setsid", "-w", "unshare", "-n", "-p", "-f", "--kill-child"]);
    if !crate::server::is_root() {
        command.arg("-r");
    }
    command.args(["sh", "fight/run.sh"]).current_dir(folder).stdin(Stdio::null());
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    let is_whole = status.expect("unshare is installed: run tests/install").success();
    let read = |name: String| std::fs::read(record.join(name)).unwrap_or_default();
    let starts = read("start".to_owned()) == b"0\n";
    let handshake = |at: usize| Handshake::read(&read(format!("{at}.out")), &read(format!("{at}.err")));
    let handshakes = if starts { (0..clients.len()).map(handshake).collect() } else { Vec::new() };
    // Apache writes into a file of its own. The folder's name is another in every run.
    let log = std::fs::read(folder.join("error.log")).unwrap_or_default();
    let words = String::from_utf8_lossy(&[log, read("server".to_owned())].concat()).into_owned();
    let words = words.replace(&format!("{}/", folder.display()), "");
    assert!(is_whole, "the script ended early in {}: {words}", folder.display());
    Fight { starts, words, handshakes }
}

/// The script that runs inside the namespaces; it can be run again by hand.
fn script(start: &str, clients: &[Vec<String>]) -> String {
    let mut out = format!(
        "# Run me below the folder of the configuration: unshare -n -p -f --kill-child sh fight/run.sh\n\
         ip link set lo up\n{{ {start}; }} </dev/null >fight/server 2>&1\nstatus=$?\necho $status >fight/start\n[ $status = 0 ] || exit 0\n\
         export OPENSSL_CONF=/dev/null\n"
    );
    for (at, arguments) in clients.iter().enumerate() {
        let words = line(arguments);
        out += &format!("timeout 5 openssl {words} <fight/request >fight/{at}.out 2>fight/{at}.err\n");
    }
    out + "exit 0\n"
}
