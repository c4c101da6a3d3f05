//! A key in a folder that is served: `key-in-webroot` speaks exactly where nginx, Apache and Caddy give the file to whoever asks.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rayon::prelude::*;
use shakedown::pipeline::{self, Options, TrustSource};
use shakedown::source::Disk;
use shakedown_testing::{NOW, recipe};

/// What stands in the site, for a key at `www/tls/a.key`.
const NGINX: &[&str] = &[
    "root www;",
    "root www/public;",
    "root www; location /tls/ { deny all; }",
    "root www; location /tls { return 404; } location ^~ /tls/ { }",
    "root www; location ~ \\.key$ { return 404; }",
    "root www; location ~* \\.KEY$ { deny all; } location /tls/ { }",
    "root www; location ~ \\.key$ { deny all; } location ^~ /tls/ { }",
    "root www; location ~ ^/tls/ { } location ~ \\.key$ { deny all; }",
    "root www; location = /tls/a.key { return 404; }",
    "root www; location = /tls/b.key { return 404; }",
    "root www; location /tls/ { internal; }",
    "root www; location /tls/ { root elsewhere; }",
    "root www; location / { return 404; }",
    "root www; return 404;",
    "root www; location /tls/ { location ~ \\.key$ { return 404; } }",
    "root www; location /other/ { location ~ \\.key$ { return 404; } }",
    "root www; if ($uri ~ \\.key$) { return 404; }",
    "location /files/ { alias www/; }",
    "location /files { alias www; }",
    "location /files/ { alias www/tls/; }",
    "location /files/ { alias www/public/; }",
    "location /files/ { alias www/; location ~ \\.key$ { deny all; } }",
    "root www/public; location /tls/ { root www; }",
    "location / { root www; } location /tls/ { deny all; allow all; }",
];

const APACHE: &[&str] = &[
    "DocumentRoot TOP/www",
    "DocumentRoot TOP/www/public",
    "DocumentRoot TOP/www\n<Directory TOP/www/tls>\nRequire all denied\n</Directory>",
    "DocumentRoot TOP/www\n<Directory TOP/www>\nRequire all denied\n</Directory>\n<Directory TOP/www/tls>\nRequire all granted\n</Directory>",
    "DocumentRoot TOP/www\n<Directory TOP/www/tls>\nRequire all granted\n</Directory>\n<Directory TOP/www>\nRequire all denied\n</Directory>",
    "DocumentRoot TOP/www\n<FilesMatch \"\\.key$\">\nRequire all denied\n</FilesMatch>",
    "DocumentRoot TOP/www\n<Files \"*.key\">\nRequire all denied\n</Files>\n<Directory TOP/www>\nRequire all granted\n</Directory>",
    "DocumentRoot TOP/www\n<Files \"*.pem\">\nRequire all denied\n</Files>",
    "DocumentRoot TOP/www\n<Location /tls>\nRequire all denied\n</Location>",
    "DocumentRoot TOP/www\n<Location /tl>\nRequire all denied\n</Location>",
    "DocumentRoot TOP/www\n<LocationMatch \"^/tls/\">\nRequire all denied\n</LocationMatch>",
    "DocumentRoot TOP/www\n<Directory TOP/www/tls>\nRequire all denied\n</Directory>\n<Location /tls/>\nRequire all granted\n</Location>",
    "DocumentRoot TOP/www\n<DirectoryMatch \"/tls\">\nRequire all denied\n</DirectoryMatch>",
    "DocumentRoot TOP/www\n<Directory \"TOP/*/tls\">\nRequire all denied\n</Directory>",
    "DocumentRoot TOP/www/public\nAlias /files TOP/www",
    "DocumentRoot TOP/www/public\nAlias /files/ TOP/www/\n<Location /files/tls>\nRequire all denied\n</Location>",
    "DocumentRoot TOP/www\nRedirect / https://b.test/",
    "DocumentRoot TOP/www\n<Directory TOP/www>\n<Files a.key>\nRequire all denied\n</Files>\n</Directory>",
];

const CADDY: &[&str] = &[
    "root * www\nfile_server",
    "root * www/public\nfile_server",
    "root * www",
    "root * www\nfile_server {\nhide *.key\n}",
    "root * www\nfile_server {\nhide tls\n}",
    "root * www\nfile_server {\nhide *.pem\n}",
    "root * www\nrespond /tls/* 404\nfile_server",
    "root * www\n@secret path *.key *.pem\nrespond @secret 404\nfile_server",
    "root * www\n@secret path /other/*\nrespond @secret 404\nfile_server",
    "root * www\nrespond 404\nfile_server",
    "root * www\nfile_server /tls/*",
    "root * www\nfile_server /other/*",
    "handle_path /files/* {\nroot * www\nfile_server\n}",
    "handle /tls/* {\nrespond 404\n}\nhandle {\nroot * www\nfile_server\n}",
    "handle /other/* {\nrespond 404\n}\nhandle {\nroot * www\nfile_server\n}",
    "handle /tls/* {\nroot * www\nfile_server\n}\nrespond 404",
    "root * www\n@secret path_regexp \\.key$\nerror @secret 404\nfile_server",
    "file_server {\nroot www\n}",
];

fn configuration(server: &str, site: &str, top: &Path) -> String {
    match server {
        "nginx" => format!(
            "user root;\npid nginx.pid;\nevents {{}}\nhttp {{\naccess_log off;\nserver {{\nlisten 8080;\nlisten 8443 ssl;\n\
             server_name a.test;\nssl_certificate a.pem;\nssl_certificate_key www/tls/a.key;\n{site}\n}}\n}}\n"
        ),
        "apache" => {
            let site = site.replace("TOP", &top.display().to_string());
            let modules = ["mpm_event", "authz_core", "alias", "ssl"];
            let module = |name: &&str| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n");
            let modules: String = modules.iter().map(module).collect();
            format!(
                "ServerRoot {}\nPidFile apache.pid\nErrorLog error.log\nServerName localhost\n{modules}Listen 8080\nListen 8443\n\
                 <VirtualHost *:8080 *:8443>\nServerName a.test\n{site}\n</VirtualHost>\n<VirtualHost *:8443>\n\
                 ServerName b.test\nSSLEngine on\nSSLCertificateFile a.pem\nSSLCertificateKeyFile www/tls/a.key\n</VirtualHost>\n",
                top.display()
            )
        }
        _ => format!(
            "{{\nadmin off\nauto_https disable_redirects\nhttp_port 8080\nhttps_port 8443\n}}\nhttp://a.test {{\n{site}\n}}\n\
             b.test {{\ntls a.pem www/tls/a.key\n}}\n"
        ),
    }
}

fn write(server: &str, site: &str, top: &Path) {
    let standard = recipe::standard_files();
    let mut files = std::collections::BTreeMap::new();
    files.insert("a.pem".to_owned(), standard["a.pem"].clone());
    files.insert("www/tls/a.key".to_owned(), standard["a.key"].clone());
    files.insert("www/public/index.html".to_owned(), b"hello".to_vec());
    files.insert(recipe::main_file(server).to_owned(), configuration(server, site, top).into_bytes());
    recipe::write(top, &files);
    fs::set_permissions(top, fs::Permissions::from_mode(0o755)).expect("a mode");
}

/// Whether the server gives the key under one of the paths that may lead to it; absent where it does not start.
fn gives(server: &str, top: &Path) -> Option<bool> {
    let root = top.display();
    let (start, stop) = match server {
        "nginx" => (format!("nginx -q -e stderr -p {root} -c nginx.conf"), "kill $(cat nginx.pid)".to_owned()),
        "apache" => (format!("apache2 -k start -d {root} -f apache2.conf"), "kill $(cat apache.pid)".to_owned()),
        _ => ("caddy run --config Caddyfile >words 2>&1 & PID=$!".to_owned(), "kill $PID".to_owned()),
    };
    let script = format!(
        "ip link set lo up; {start}\n\
         for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do \
             curl -s -o /dev/null http://127.0.0.1:8080/ && echo started && break; sleep 0.2; done; \
         for path in tls/a.key files/tls/a.key files/a.key; do \
             curl -s -H 'Host: a.test' http://127.0.0.1:8080/$path; done; {stop}"
    );
    let output = Command::new("unshare")
        .args(["-n", "--", "sh", "-c", &script])
        .current_dir(top)
        .env("HOME", top)
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("XDG_DATA_HOME")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .expect("the server is installed: run tests/install");
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    words.contains("started").then(|| words.contains("PRIVATE KEY"))
}

fn is_told(server: &str, top: &Path) -> bool {
    let options = Options {
        platform: Some("debian-12".to_owned()),
        now: NOW,
        trust: vec![TrustSource::Mozilla],
        ..Options::default()
    };
    let run = pipeline::lint(&Disk::new(), &[top.join(recipe::main_file(server))], &options).expect("a run");
    run.findings.iter().any(|one| one.rule.as_str() == "key-in-webroot")
}

fn check(server: &str, sites: &[&str]) {
    let wrong: Vec<String> = sites
        .par_iter()
        .filter_map(|site| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let top = folder.path().canonicalize().expect("a real path");
            write(server, site, &top);
            let (told, given) = (is_told(server, &top), gives(server, &top));
            (given != Some(told)).then(|| format!("told {told}, given {given:?}: {site}\n"))
        })
        .collect();
    assert!(wrong.is_empty(), "{server}:\n{}", wrong.concat());
}

#[test]
fn nginx_gives_what_is_told() {
    check("nginx", NGINX);
}

#[test]
fn apache_gives_what_is_told() {
    check("apache", APACHE);
}

#[test]
fn caddy_gives_what_is_told() {
    check("caddy", CADDY);
}

/// A site for each of some folders beside each other: one has a key in it, one is a link to a folder with one, one is missing.
#[test]
fn many_folders_beside_each_other_are_looked_up_like_few() {
    for count in [4, 40] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let top = folder.path().canonicalize().expect("a real path");
        let standard = recipe::standard_files();
        let mut files = std::collections::BTreeMap::from([("a.pem".to_owned(), standard["a.pem"].clone())]);
        for place in ["sites/1", "elsewhere", "outside"] {
            files.insert(format!("{place}/a.key"), standard["a.key"].clone());
        }
        let mut sites = String::new();
        for number in 0..count {
            if !matches!(number, 1..=3) {
                files.insert(format!("sites/{number}/index.html"), b"hello".to_vec());
            }
            let key = match number {
                1 => "sites/1/a.key",
                2 => "elsewhere/a.key",
                _ => "outside/a.key",
            };
            sites += &format!(
                "server {{\nlisten 8443 ssl;\nserver_name site{number}.test;\nroot sites/{number};\n\
                 ssl_certificate a.pem;\nssl_certificate_key {key};\n}}\n"
            );
        }
        files.insert("nginx.conf".to_owned(), format!("events {{}}\nhttp {{\n{sites}}}\n").into_bytes());
        recipe::write(&top, &files);
        std::os::unix::fs::symlink("../elsewhere", top.join("sites/2")).expect("a link");
        let run = pipeline::lint(&Disk::new(), &[top.join("nginx.conf")], &Options { now: NOW, ..Options::default() });
        let run = run.expect("a run");
        let told = run.findings.iter().filter(|one| one.rule.as_str() == "key-in-webroot");
        let told: Vec<_> = told.map(|one| run.sources.text(one.primary.span)).collect();
        assert_eq!(told, ["sites/1/a.key", "elsewhere/a.key"], "{count} folders");
    }
}
