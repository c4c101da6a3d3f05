//! What sites answer, in the model and from the real servers: content, redirects, what is passed on, and which answers carry
//! `Strict-Transport-Security`; and which sites answer on the connections of others.

use std::path::Path;
use std::process::Command;

use shakedown::model::{NameKind, ResponseKind, ServerKind, Site};
use shakedown::pipeline::{self, Options, TrustSource};
use shakedown::platform::{self, Part};
use shakedown::server::{self, Completeness, Input, Root};
use shakedown::source::{Limits, Memory, Sources, Text};
use shakedown_testing::request::{Response, ask, ask_across};
use shakedown_testing::{NOW, recipe};

/// A request, what answers it, and whether the header comes along.
type Case = (&'static str, ResponseKind, bool);

const TO_HTTPS: ResponseKind = ResponseKind::Redirect { to_https: true };
const ELSEWHERE: ResponseKind = ResponseKind::Redirect { to_https: false };

/// What a real answer is; what is passed on leads nowhere here, or to a server that answers 203.
fn reply(response: &Response) -> ResponseKind {
    match (response.status, &response.location) {
        (301..=308, Some(location)) => ResponseKind::Redirect { to_https: location.starts_with("https://") },
        (203 | 502 | 503, _) => ResponseKind::PassedOn,
        (200..=299, _) => ResponseKind::Content,
        _ => ResponseKind::Refused,
    }
}

/// Holds the server and the model against what is expected.
fn hold(kind: ServerKind, part: Part, file: &str, text: &str, folder: &Path, start: &str, cases: &[Case]) {
    std::fs::write(folder.join(file), text).expect("a file can be written");
    let urls: Vec<String> = cases.iter().map(|(url, ..)| format!("http://{url}")).collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let responses = ask(folder, start, &urls);
    let mut sources = Sources::new();
    let root = Root { path: file.into(), bytes: text.as_bytes().to_vec().into(), text: Text::File };
    let input = Input { roots: vec![root], form: Completeness::Whole, definitions: Vec::new() };
    let platform = platform::find("debian-12", part).expect("a platform of the table");
    let read = server::read(kind, &Memory::new(), &mut sources, &Limits::default(), input, platform);
    let mut wrong = String::new();
    for ((url, expected, has_header), response) in cases.iter().zip(responses) {
        let response = response.unwrap_or_else(|| panic!("no answer for {url}"));
        if reply(&response) != *expected || response.strict_transport.is_some() != *has_header {
            wrong += &format!("{url}: the server answers {response:?}\n");
        }
        let host = url.split('/').next().expect("a host");
        let is_its =
            |site: &&Site| site.names.iter().any(|name| name.kind == NameKind::Exact && &*name.token.text == host);
        let site = read.deployment().sites.iter().find(is_its).expect("a site of the name");
        let fits = |one: &&shakedown::model::HttpResponse| {
            one.reply == *expected && one.strict_transport.is_some() == *has_header
        };
        if !site.answers.iter().any(|one| fits(&one)) {
            wrong += &format!("{url}: the model has {:#?}\n", site.answers);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn nginx_sends_headers_by_level() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(folder.path().join("www")).expect("a folder can be made");
    std::fs::write(folder.path().join("www/index.html"), "text").expect("a file can be written");
    let text = "user root;\nevents {}\nhttp {\n    root www;
    add_header Strict-Transport-Security max-age=1 always;
    server { listen 80; server_name inherits.test; }
    server { listen 80; server_name own.test; add_header X-Other 1; }
    server {
        listen 80;
        server_name levels.test;
        add_header Strict-Transport-Security max-age=2 always;
        location / { }
        location /lost/ { add_header X-Other 1; return 204; }
        location /again/ { add_header X-Other 1; add_header Strict-Transport-Security max-age=3 always; return 204; }
        location /passed/ { add_header X-Other 1; location /passed/on/ { proxy_pass http://127.0.0.1:1; } return 204; }
    }
    server { listen 80; server_name redirects.test; location / { root www; } return 301 https://$host$request_uri; }
    server { listen 80; server_name elsewhere.test; rewrite ^/(.*)$ http://levels.test/$1 permanent; add_header X-Other 1; }
    server { listen 80; server_name condition.test; if ($host = condition.test) { return 301 https://$host/; } return 404; }
    server { listen 80; server_name denied.test; location / { deny all; } location /x { return 302 /elsewhere; } }
}
";
    let start = "nginx -e stderr -p . -c \"$PWD/nginx.conf\" -g \"pid $PWD/nginx.pid;\"";
    let cases: &[Case] = &[
        ("inherits.test/", ResponseKind::Content, true),
        ("own.test/", ResponseKind::Content, false),
        ("levels.test/", ResponseKind::Content, true),
        ("levels.test/lost/", ResponseKind::Content, false),
        ("levels.test/again/", ResponseKind::Content, true),
        ("redirects.test/", TO_HTTPS, true),
        ("elsewhere.test/", ELSEWHERE, false),
        ("condition.test/", TO_HTTPS, true),
        ("denied.test/", ResponseKind::Refused, true),
        ("denied.test/x", ELSEWHERE, true),
    ];
    hold(ServerKind::Nginx, Part::Nginx, "nginx.conf", text, folder.path(), start, cases);
}

#[test]
fn apache_adds_headers_of_both_levels() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let shown = folder.path().display();
    std::fs::create_dir(folder.path().join("www")).expect("a folder can be made");
    std::fs::write(folder.path().join("www/index.html"), "text").expect("a file can be written");
    let modules: String = ["mpm_event", "alias", "headers", "rewrite", "proxy", "proxy_http", "dir", "authz_core"]
        .iter()
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
        .collect();
    let text = format!(
        "ServerRoot {shown}\nServerName main.test\nPidFile apache.pid\nErrorLog error.log\nListen 80\n{modules}
<Directory {shown}/www>\n    AllowOverride None\n    Require all granted\n</Directory>
Header always set Strict-Transport-Security max-age=1
DocumentRoot {shown}/www
DirectoryIndex index.html
<VirtualHost *:80>\n    ServerName inherits.test\n    Header always set X-Other 1\n</VirtualHost>
<VirtualHost *:80>\n    ServerName unsets.test\n    Header always unset Strict-Transport-Security\n</VirtualHost>
<VirtualHost *:80>\n    ServerName redirects.test\n    Redirect permanent / https://a.test/\n</VirtualHost>
<VirtualHost *:80>
    ServerName rules.test
    RewriteEngine on
    RewriteRule ^/passed/ http://127.0.0.1:1/ [P]
    RewriteRule ^/other/(.*)$ http://a.test/$1 [R,L]
    RewriteCond %{{HTTPS}} off
    RewriteRule ^ https://%{{HTTP_HOST}}%{{REQUEST_URI}} [R=301,L]
</VirtualHost>
<VirtualHost *:80>
    ServerName passes.test
    ProxyPass /own/ !
    ProxyPass / http://127.0.0.1:1/
</VirtualHost>
"
    );
    let start = "apache2 -k start -d \"$PWD\" -f \"$PWD/apache2.conf\" && sleep 0.3";
    let cases: &[Case] = &[
        ("inherits.test/", ResponseKind::Content, true),
        ("unsets.test/", ResponseKind::Content, false),
        ("redirects.test/", TO_HTTPS, true),
        ("rules.test/", TO_HTTPS, true),
        ("rules.test/other/x", ELSEWHERE, true),
        ("rules.test/passed/", ResponseKind::PassedOn, true),
        ("passes.test/", ResponseKind::PassedOn, true),
    ];
    hold(ServerKind::Apache, Part::Apache, "apache2.conf", &text, folder.path(), start, cases);
}

const CADDYFILE: &str = "{
    admin off
}
http://content.test {
    header Strict-Transport-Security max-age=1
    respond text
}
http://block.test {
    header {
        -Server
        Strict-Transport-Security max-age=1
    }
    handle /passed/* {
        reverse_proxy 127.0.0.1:81
    }
    handle {
        redir https://{host}{uri} permanent
    }
}
http://:81 {
    respond passed 203
}
http://plain.test {
    header -Strict-Transport-Security
    redir /other http://content.test/ 302
    respond /gone 410
    respond text
}
";

const CADDY_CASES: &[Case] = &[
    ("content.test/", ResponseKind::Content, true),
    ("block.test/", TO_HTTPS, true),
    ("block.test/passed/x", ResponseKind::PassedOn, true),
    ("plain.test/", ResponseKind::Content, false),
    ("plain.test/other", ELSEWHERE, false),
    ("plain.test/gone", ResponseKind::Refused, false),
];

#[test]
fn caddy_answers_by_handler() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let start = "(export HOME=$PWD XDG_DATA_HOME=$PWD XDG_CONFIG_HOME=$PWD; caddy start --config Caddyfile)";
    hold(ServerKind::Caddy, Part::Caddy, "Caddyfile", CADDYFILE, folder.path(), start, CADDY_CASES);
}

#[test]
fn what_caddy_adapts_answers_alike() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("Caddyfile"), CADDYFILE).expect("a file can be written");
    let adapt = Command::new("caddy").args(["adapt", "--config", "Caddyfile"]).current_dir(folder.path()).output();
    let json = String::from_utf8(adapt.expect("caddy is installed: run tests/install").stdout).expect("UTF-8");
    let start = "(export HOME=$PWD XDG_DATA_HOME=$PWD XDG_CONFIG_HOME=$PWD; caddy start --config caddy.json)";
    hold(ServerKind::Caddy, Part::Caddy, "caddy.json", &json, folder.path(), start, CADDY_CASES);
}

/// Whether requests for `b.test` on a connection to `a.test` are refused, by the rule and by the real server.
fn kept_apart(main: &str, text: &str, start: &str) -> (bool, bool) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut files = Memory::new();
    let mut add = |path: &str, bytes: Vec<u8>| {
        std::fs::write(folder.path().join(path), &bytes).expect("a file can be written");
        files.insert(path, bytes);
    };
    add(main, text.as_bytes().to_vec());
    add("wide.pem", recipe::file(["leaf a.test,b.test", "intermediate"]));
    add("b.pem", recipe::file(["leaf b.test", "intermediate"]));
    add("a.key", recipe::file(["key ec1"]));
    add("root.crt", recipe::file(["root"]));
    let options = Options {
        platform: Some("debian-12".to_owned()),
        now: NOW,
        trust: vec![TrustSource::File("root.crt".into())],
        ..Options::default()
    };
    let run = pipeline::lint(&files, &[main.into()], &options).expect("a run");
    let is_told = run.findings.iter().any(|finding| finding.rule.as_str() == "sni-host-mismatch");
    let [answer] = &ask_across(folder.path(), start, &[("a.test", "b.test")])[..] else { panic!("one answer") };
    (is_told, answer.as_ref().expect("an answer").status == 421)
}

#[test]
fn nginx_keeps_sites_apart_that_verify_otherwise() {
    let start = "nginx -e stderr -p . -c \"$PWD/nginx.conf\" -g \"pid $PWD/nginx.pid;\"";
    for (certificate, more, refuses) in [
        ("b.pem", "", false),
        ("wide.pem", "ssl_protocols TLSv1.3;", false),
        ("b.pem", "ssl_client_certificate root.crt; ssl_verify_client optional;", true),
    ] {
        let site = |name: &str, certificate: &str, more: &str| {
            format!(
                "server {{ listen 443 ssl; server_name {name}; ssl_certificate {certificate}; ssl_certificate_key a.key; {more} return 204; }}\n"
            )
        };
        let sites = site("a.test", "wide.pem", "") + &site("b.test", certificate, more);
        let text = format!("user root;\nevents {{}}\nhttp {{\n{sites}}}\n");
        assert_eq!(kept_apart("nginx.conf", &text, start), (refuses, refuses), "{certificate} {more}");
    }
}

#[test]
fn apache_keeps_sites_apart_that_differ() {
    let start = "apache2 -k start -d \"$PWD\" -f \"$PWD/apache2.conf\" && sleep 0.3";
    for (certificate, more, server, refuses) in [
        ("wide.pem", "", "", false),
        ("b.pem", "", "", true),
        ("b.pem", "", "SSLVHostSNIPolicy insecure", false),
        ("b.pem", "", "SSLVHostSNIPolicy authonly", false),
        ("wide.pem", "SSLProtocol TLSv1.2", "", true),
        ("wide.pem", "SSLCipherSuite HIGH", "", true),
        ("wide.pem", "SSLVerifyClient optional\nSSLCACertificateFile root.crt", "SSLVHostSNIPolicy authonly", true),
    ] {
        let site = |name: &str, certificate: &str, more: &str| {
            format!(
                "<VirtualHost *:443>\nServerName {name}\nSSLEngine on\nSSLCertificateFile {certificate}\nSSLCertificateKeyFile a.key\n{more}\n</VirtualHost>\n"
            )
        };
        let modules: String = ["mpm_event", "authz_core", "ssl"]
            .iter()
            .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
            .collect();
        let head =
            format!("{modules}PidFile apache.pid\nErrorLog error.log\nServerName m.test\nListen 443\n{server}\n");
        let text = head + &site("a.test", "wide.pem", "") + &site("b.test", certificate, more);
        assert_eq!(kept_apart("apache2.conf", &text, start), (refuses, refuses), "{certificate} {more} {server}");
    }
}
