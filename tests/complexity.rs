//! Work grows with the configuration and no faster: held by instruction counts of valgrind, which the load of the machine does
//! not change, not by time.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use shakedown_testing::certificate::Certificate;
use shakedown_testing::key::key;
use shakedown_testing::recipe;

/// Sites of the smallest configuration; the others have twice and four times as many.
const SITES: usize = 60;
/// Certificates that the sites share.
const CERTIFICATES: usize = 4;
/// How much more a site may cost among twice as many: the same within a hundredth was seen, and a step over all pairs of
/// sites that takes a three-thousandth of what a site costs is above it.
const TOLERANCE: f64 = 1.05;

/// A server, the file that it reads first, and what one site is to it.
struct Shape {
    main: (&'static str, &'static str),
    site: fn(usize) -> (String, String),
}

const NGINX: Shape = Shape {
    main: (
        "nginx.conf",
        "events {}\nhttp {\n    ssl_protocols TLSv1.2 TLSv1.3;\n    ssl_ciphers ECDHE+AESGCM;\n    include sites/*.conf;\n}\n",
    ),
    site: |number| {
        let pair = number % CERTIFICATES;
        let own = if number % 3 == 1 { "    ssl_protocols TLSv1 TLSv1.1 TLSv1.2;\n" } else { "" };
        let text = format!(
            "server {{\n    listen 80;\n    server_name site{number}.example.com;\n    return 301 https://$host$request_uri;\n}}\n\
             server {{\n    listen 443 ssl;\n    server_name site{number}.example.com;\n    ssl_certificate tls/{pair}.pem;\n    \
             ssl_certificate_key tls/{pair}.key;\n{own}    add_header Strict-Transport-Security \"max-age=63072000\" always;\n    \
             location / {{\n        proxy_pass http://127.0.0.1:8080;\n        proxy_set_header Host $host;\n    }}\n}}\n"
        );
        (format!("sites/site{number}.conf"), text)
    },
};

const APACHE: Shape = Shape {
    main: (
        "httpd.conf",
        "LoadModule ssl_module modules/mod_ssl.so\nLoadModule socache_shmcb_module modules/mod_socache_shmcb.so\n\
         LoadModule headers_module modules/mod_headers.so\nLoadModule alias_module modules/mod_alias.so\n\
         ServerName localhost\nListen 80\nListen 443\nSSLProtocol -all +TLSv1.2 +TLSv1.3\nInclude sites/*.conf\n",
    ),
    site: |number| {
        let pair = number % CERTIFICATES;
        let own = if number % 3 == 1 { "    SSLProtocol all\n" } else { "" };
        let text = format!(
            "<VirtualHost *:80>\n    ServerName site{number}.example.com\n    Redirect permanent / \
             https://site{number}.example.com/\n</VirtualHost>\n<VirtualHost *:443>\n    ServerName site{number}.example.com\n    \
             SSLEngine on\n    SSLCertificateFile tls/{pair}.pem\n    SSLCertificateKeyFile tls/{pair}.key\n{own}    \
             Header always set Strict-Transport-Security \"max-age=63072000\"\n    DocumentRoot /var/www\n</VirtualHost>\n"
        );
        (format!("sites/site{number}.conf"), text)
    },
};

const CADDY: Shape = Shape {
    main: ("Caddyfile", "{\n\tauto_https off\n}\nimport sites/*.caddy\n"),
    site: |number| {
        let pair = number % CERTIFICATES;
        let own = if number % 3 == 1 { " {\n\t\tprotocols tls1.2 tls1.2\n\t}" } else { "" };
        let text = format!(
            "https://site{number}.example.com {{\n\ttls ../tls/{pair}.pem ../tls/{pair}.key{own}\n\theader \
             Strict-Transport-Security \"max-age=63072000\"\n\treverse_proxy 127.0.0.1:8080\n}}\n"
        );
        (format!("sites/site{number}.caddy"), text)
    },
};

/// Writes a configuration and what it names.
fn write(folder: &Path, shape: &Shape, sites: usize) -> PathBuf {
    let put = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder above")).expect("a folder");
        std::fs::write(&path, text).expect("a file");
        path
    };
    let issuer = recipe::intermediate();
    put("root.pem", &recipe::root().pem());
    for pair in 0..CERTIFICATES {
        let name = format!("ec-growth-{pair}");
        let leaf = Certificate::leaf(&["*.example.com"], &name, &issuer);
        put(&format!("tls/{pair}.pem"), &(leaf.pem() + &issuer.pem()));
        put(&format!("tls/{pair}.key"), &key(&name).pkcs8());
    }
    for number in 0..sites {
        let (name, text) = (shape.site)(number);
        put(&name, &text);
    }
    put(shape.main.0, shape.main.1)
}

/// What the program says, and the instructions that it takes.
fn counted(folder: &Path, command: &str, paths: &[&Path]) -> (String, f64) {
    let counts = folder.join("callgrind.out");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .arg(env!("CARGO_BIN_EXE_shakedown"))
        .args([command, "--isolated", "--jobs", "1", "--now", "2026-11-23T00:00:00Z", "--platform", "debian-12"])
        .args(["--format", if command == "handshake" { "json" } else { "concise" }, "--trust"])
        .arg(folder.join("root.pem"))
        .args(paths)
        .output()
        .expect("valgrind, which tests/install installs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{told}");
    let text = std::fs::read_to_string(&counts).expect("what callgrind counted");
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
    let total = total.and_then(|count| count.trim().parse().ok()).expect("a total");
    (String::from_utf8_lossy(&output.stdout).into_owned(), total)
}

/// The findings of a lint, and the instructions that it takes.
fn cost(shape: &Shape, sites: usize) -> (usize, f64) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let main = write(folder.path(), shape, sites);
    let (said, total) = counted(folder.path(), "lint", &[&main]);
    (said.lines().count(), total)
}

fn check(name: &str, shape: &Shape) {
    let sizes = [SITES, 2 * SITES, 4 * SITES];
    let costs = sizes.map(|sites| cost(shape, sites));
    let more = |at: usize| (costs[at + 1].1 - costs[at].1) / (sizes[at + 1] - sizes[at]) as f64;
    let mut shown = String::new();
    for (sites, (found, count)) in sizes.iter().zip(&costs) {
        let _ = writeln!(shown, "{name}, {sites} sites: {found} findings, {count} instructions");
    }
    let _ = writeln!(shown, "a site more: {:.0}, then {:.0}", more(0), more(1));
    println!("{shown}");
    // What is seeded is found, in each of them.
    for (sites, (found, _)) in sizes.iter().zip(&costs) {
        assert!(*found >= sites / 3, "{shown}");
    }
    assert!(more(1) <= more(0) * TOLERANCE, "{shown}");
}

#[test]
fn nginx_costs_grow_with_the_sites() {
    check("nginx", &NGINX);
}

#[test]
fn apache_costs_grow_with_the_sites() {
    check("apache", &APACHE);
}

#[test]
fn caddy_costs_grow_with_the_sites() {
    check("caddy", &CADDY);
}

/// Two configurations are held against each other for no more than two lints and two predictions of all handshakes cost.
#[test]
fn a_comparison_costs_no_more_than_its_parts() {
    for (name, shape, change) in [
        ("nginx", &NGINX, ("TLSv1.2 TLSv1.3", "TLSv1.3")),
        ("apache", &APACHE, ("+TLSv1.2 +TLSv1.3", "+TLSv1.3")),
        ("caddy", &CADDY, ("tls1.2 tls1.2", "tls1.3")),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let old = write(&folder.path().join("old"), shape, SITES / 6);
        let new = write(&folder.path().join("new"), shape, SITES / 6);
        std::fs::copy(folder.path().join("new/root.pem"), folder.path().join("root.pem")).expect("a file");
        // What changes: the protocols of all sites, or of each third.
        let sites = |side: &str| {
            let entries = std::fs::read_dir(folder.path().join(side).join("sites")).expect("a folder");
            entries.flatten().map(|entry| entry.path()).collect::<Vec<_>>()
        };
        let rewrite = |path: &Path, from: &str, to: &str| {
            let text = std::fs::read_to_string(path).expect("a file").replace(from, to);
            std::fs::write(path, text).expect("a file");
        };
        // Caddy starts from the folder of the main file.
        sites("old").iter().chain(&sites("new")).for_each(|path| rewrite(path, "../tls/", "tls/"));
        sites("new").iter().chain([&new]).for_each(|path| rewrite(path, change.0, change.1));
        let alone =
            ["lint", "handshake"].map(|command| [&old, &new].map(|main| counted(folder.path(), command, &[main]).1));
        let most: f64 = alone.iter().flatten().sum();
        let (said, both) = counted(folder.path(), "compare", &[&old, &new]);
        println!("{name}: a comparison {both} instructions, its parts {most}");
        assert!(said.contains("client-lost"), "{said}");
        assert!(both <= most, "{name}: {both} of {most}");
    }
}
