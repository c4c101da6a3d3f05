//! Writes generated configurations of nginx: in one file, in several, with parts of servers in files of their own.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::nginx::{Server, Settings};
use crate::random::Random;

/// Adds the files of a configuration; the main one is `nginx.conf`.
pub(crate) fn write(random: &mut Random, shared: &Settings, servers: &[Server], files: &mut BTreeMap<String, Vec<u8>>) {
    let in_files = random.one_in(4);
    let mut main = String::from("events {}\nerror_log stderr;\nhttp {\n    access_log off;\n");
    let mut global = String::new();
    write_settings(&mut global, shared);
    // Settings of the outer level act wherever they stand.
    let is_late = random.one_in(5);
    if !is_late {
        main += &global;
    }
    for (number, server) in servers.iter().enumerate() {
        let mut settings = String::new();
        write_settings(&mut settings, &server.settings);
        if random.one_in(10) {
            let path = format!("snippets/{number}.conf");
            files.insert(path.clone(), settings.into_bytes());
            settings = format!("    include {path};\n");
        }
        let text = write_server(server, &settings);
        match in_files {
            true => drop(files.insert(format!("sites/{number}.conf"), text.into_bytes())),
            false => main += &text,
        }
    }
    if in_files {
        main += "    include sites/*.conf;\n";
    }
    if is_late {
        main += &global;
    }
    files.insert("nginx.conf".to_owned(), (main + "}\n").into_bytes());
}

/// A word of nginx.
pub(crate) fn quoted(text: &str) -> String {
    if text.is_empty() || text.contains([' ', ';']) { format!("\"{text}\"") } else { text.to_owned() }
}

fn write_settings(to: &mut String, settings: &Settings) {
    for (name, values) in settings {
        for value in values {
            let _ = writeln!(to, "    {name} {value};");
        }
    }
}

fn write_server(server: &Server, settings: &str) -> String {
    let mut out = String::from("server {\n");
    for (listen, flags) in &server.listens {
        let _ = writeln!(out, "    listen {listen}{flags};");
    }
    if !server.names.is_empty() {
        let _ = writeln!(out, "    server_name {};", server.names.join(" "));
    }
    out + settings + "    return 200 ok;\n}\n"
}

/// A listen in its long form.
pub(crate) fn normal(listen: &str) -> String {
    let place = listen.split(' ').next().unwrap_or_default();
    match place.strip_prefix("*:").unwrap_or(place) {
        port if !port.contains(':') => format!("0.0.0.0:{port}"),
        whole => whole.replace("localhost", "127.0.0.1"),
    }
}
