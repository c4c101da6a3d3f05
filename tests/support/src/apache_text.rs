//! Writes generated configurations of Apache in its many ways: includes, conditions, definitions, macros.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::apache::{Host, Lines, Tree};
use crate::random::Random;

/// Adds the files of a configuration; the main one is `apache.conf`.
pub(crate) fn write(random: &mut Random, tree: &Tree, modules: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    files.insert("middle.pem".to_owned(), crate::recipe::file(["intermediate"]));
    files.insert("garbage.pem".to_owned(), b"nothing\n".to_vec());
    let mut main = String::new();
    for (module, file) in [("mpm_event", "mpm_event"), ("authz_core", "authz_core"), ("ssl", "ssl"), ("macro", "macro")]
    {
        let _ = writeln!(main, "LoadModule {module}_module {modules}/mod_{file}.so");
    }
    main +=
        "ServerLimit 1\nStartServers 1\nThreadsPerChild 8\nMaxRequestWorkers 8\nMinSpareThreads 1\nMaxSpareThreads 8\n";
    main += "User nobody\nGroup nogroup\nPidFile apache.pid\nErrorLog error.log\nServerName main.test\n";
    tree.listens.iter().for_each(|listen| main += &format!("Listen {listen}\n"));
    let mut global = String::new();
    write_lines(random, &tree.lines, "", &mut global);
    // Global lines act wherever they stand.
    let is_late = random.one_in(4);
    if !is_late {
        main += &global;
    }
    let in_files = random.one_in(4);
    let mut macros = 0;
    for (number, host) in tree.hosts.iter().enumerate() {
        let text = write_host(random, host, &mut macros);
        match in_files {
            true => drop(files.insert(format!("sites/{number}.conf"), text.into_bytes())),
            false => main += &text,
        }
    }
    if in_files {
        main += random.word(&["IncludeOptional sites/*.conf\n", "Include sites\n"]);
    }
    if is_late {
        main += &global;
    }
    files.insert("apache.conf".to_owned(), main.into_bytes());
}

fn write_host(random: &mut Random, host: &Host, macros: &mut usize) -> String {
    let mut inside = String::new();
    if !host.name.is_empty() {
        let port = if random.one_in(12) { ":8443" } else { "" };
        let _ = writeln!(inside, "    ServerName {}{port}", host.name);
    }
    if !host.aliases.is_empty() {
        let _ = writeln!(inside, "    ServerAlias {}", host.aliases.join(" "));
    }
    write_lines(random, &host.lines, "    ", &mut inside);
    let addresses = host.addresses.join(" ");
    match random.below(10) {
        0 => format!("<IfModule mod_ssl.c>\n<VirtualHost {addresses}>\n{inside}</VirtualHost>\n</IfModule>\n"),
        1 => {
            *macros += 1;
            let body = inside.replace("tls/", "$folder/");
            format!(
                "<Macro Site{macros} $where $folder>\n<VirtualHost $where>\n{body}</VirtualHost>\n</Macro>\nUse site{macros} \"{addresses}\" tls\n"
            )
        }
        2 => {
            let skipped = "<IfModule !ssl_module>\n    nonsense\n</IfModule>\n";
            format!("{skipped}<virtualhost {addresses}> # comment\n{inside}</virtualhost>\n")
        }
        _ => format!("<VirtualHost {addresses}>\n{inside}</VirtualHost>\n"),
    }
}

fn write_lines(random: &mut Random, lines: &Lines, indent: &str, to: &mut String) {
    for (name, value) in lines {
        let plain = format!("{indent}{name} {value}\n");
        let _ = match random.below(16) {
            0 => write!(to, "{indent}<IfModule ssl_module>\n{plain}{indent}</IfModule>\n"),
            1 => write!(to, "{indent}<IfDefine !NEVER>\n{plain}{indent}</IfDefine>\n"),
            2 => write!(to, "{indent}<IfDefine NEVER>\n{indent}SSLProtocol nonsense\n{indent}</IfDefine>\n{plain}"),
            3 if !value.contains(['"', '$']) => {
                write!(to, "{indent}Define value \"{value}\"\n{indent}{name} ${{value}}\n")
            }
            4 => write!(to, "{indent}{} \\\n{indent}{value}\n", name.to_lowercase()),
            _ => write!(to, "{plain}"),
        };
    }
}
