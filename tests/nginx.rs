//! What nginx's front end makes of a configuration: sockets, names, inheritance, origins, and who decides what.

use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use shakedown::model::{BindingId, Deployment, Endpoint, Found, OriginKind, ServerKind, Transport};
use shakedown::pipeline;
use shakedown::platform::{self, Part, Version};
use shakedown::server::{Completeness, Input, ParsedConfig, Root, nginx};
use shakedown::source::{Limits, Memory, Sources, Text};

struct Model {
    sources: Sources,
    nginx: nginx::Nginx,
}

impl Model {
    fn deployment(&self) -> &Deployment {
        self.nginx.deployment()
    }

    fn endpoint(&self, listen: &str) -> &Endpoint {
        let found = self.deployment().endpoints.iter().find(|one| one.listen.to_string() == listen);
        found.unwrap_or_else(|| panic!("no endpoint {listen}: {:?}", self.listens()))
    }

    fn listens(&self) -> Vec<String> {
        self.deployment().endpoints.iter().map(|one| one.listen.to_string()).collect()
    }

    /// The first name of the site that answers to `name`, or of the default site for no name.
    fn answers(&self, listen: &str, name: Option<&str>) -> String {
        let endpoint = self.endpoint(listen);
        let binding = match name.map(|name| endpoint.named.find(name)) {
            Some(Found::Binding(binding)) => binding,
            Some(Found::Unknown) => return "unknown".into(),
            Some(Found::Nothing) | None => endpoint.unnamed.expect("nginx always has a default"),
        };
        self.first_name(endpoint, binding)
    }

    fn first_name(&self, endpoint: &Endpoint, binding: BindingId) -> String {
        let site = self.deployment().site(endpoint.binding(binding).site);
        site.names.first().map_or(String::new(), |name| name.token.text.to_string())
    }

    /// The protocols in force for a name.
    fn protocols(&self, listen: &str, name: &str) -> String {
        let endpoint = self.endpoint(listen);
        let Found::Binding(binding) = endpoint.named.find(name) else { panic!("nobody answers to {name}") };
        let policy = self.deployment().policy(endpoint.binding(binding).after_name);
        policy.protocols.get().expect("known").set.to_string()
    }

    fn problems(&self) -> Vec<String> {
        let all = self.deployment().problems.iter();
        all.map(|one| {
            let line = self.sources.positions(one.at).0.line;
            let case = if one.case.is_empty() { String::new() } else { format!(".{}", one.case) };
            format!("{}:{line} {}{case}", self.sources.file(one.at.file).path().display(), one.rule)
        })
        .collect()
    }
}

fn read(files: &[(&str, &str)], version: &str) -> Model {
    let mut memory = Memory::new();
    for (path, text) in files {
        memory.insert(path, text.as_bytes().to_vec());
    }
    let mut platform = platform::find("debian-12", Part::Nginx).expect("a platform of the table");
    platform.server_version = Version::parse(version).expect("a version");
    let mut sources = Sources::new();
    let bytes: Arc<[u8]> = files[0].1.as_bytes().to_vec().into();
    let root = Root { path: files[0].0.into(), bytes, text: Text::File };
    let form = if nginx::is_whole(files[0].1.as_bytes()) {
        Completeness::Whole
    } else {
        Completeness::Fragment { prefix: None }
    };
    let input = Input { roots: vec![root], form, definitions: Vec::new() };
    let nginx = nginx::read(&memory, &mut sources, &Limits::default(), input, platform);
    Model { sources, nginx }
}

/// A whole configuration around some site blocks.
fn http(inside: &str) -> Model {
    read(&[("nginx.conf", &format!("events {{}}\nhttp {{\n{inside}\n}}\n"))], "1.22.1")
}

#[test]
fn names_are_chosen_as_nginx_chooses_them() {
    let model = http(
        "server { listen 443 ssl; server_name default.test; }
         server { listen 443 ssl; server_name exact.b.test; }
         server { listen 443 ssl; server_name *.b.test; }
         server { listen 443 ssl; server_name *.test; }
         server { listen 443 ssl; server_name www.*; }
         server { listen 443 ssl; server_name .e.test; }
         server { listen 443 ssl; server_name ~^x\\d+\\.example$; }
         server { listen 443 ssl; server_name ~^x; }
         server { listen 443 ssl; server_name exact.b.test second.test; }",
    );
    let table = [
        (Some("exact.b.test"), "exact.b.test"),
        (Some("x.y.b.test"), "*.b.test"),
        (Some("b.test"), "*.test"),
        (Some("www.org"), "www.*"),
        (Some("www.a.test"), "*.test"),
        (Some("e.test"), ".e.test"),
        (Some("deep.x.e.test"), ".e.test"),
        (Some("x12.example"), "~^x\\d+\\.example$"),
        (Some("x12.org"), "~^x"),
        (Some("x1.b.test"), "*.b.test"),
        (Some("second.test"), "exact.b.test"),
        (Some("nobody.org"), "default.test"),
        (None, "default.test"),
    ];
    for (name, expected) in table {
        assert_eq!(model.answers("0.0.0.0:443", name), expected, "{name:?}");
    }
}

#[test]
fn words_behind_an_address_hold_for_the_socket() {
    let model = http(
        "server { listen 443; server_name a.test; }
         server { listen 443 ssl default_server; server_name b.test; }
         server { listen 127.0.0.1:443; server_name c.test; }
         server { listen [::]:443 ssl proxy_protocol; listen [::]:80 ipv6only=off; server_name d.test; }
         server { server_name e.test; }",
    );
    assert_eq!(model.listens(), ["0.0.0.0:443", "127.0.0.1:443", "[::]:443", "*:80", "0.0.0.0:80"]);
    assert_eq!(model.endpoint("0.0.0.0:443").transport, Transport::Tls);
    assert_eq!(model.endpoint("127.0.0.1:443").transport, Transport::Plain);
    assert!(model.endpoint("[::]:443").proxy_protocol);
    assert_eq!(model.answers("0.0.0.0:443", None), "b.test");
    assert_eq!(model.answers("127.0.0.1:443", Some("a.test")), "c.test");
    assert_eq!(model.problems(), ["nginx.conf:6 listen-bind-conflict"]);
}

#[test]
fn the_default_site_decides_protocols_until_1_29_1() {
    let text = "events {}\nhttp {
        server { listen 443 ssl; server_name a.test; ssl_certificate a; ssl_certificate_key a; ssl_protocols TLSv1.3; }
        server { listen 443 ssl; server_name b.test; ssl_certificate a; ssl_certificate_key a; ssl_protocols TLSv1.2; }
        server { listen 443 ssl; server_name c.test; ssl_protocols TLSv1.2; }
    }";
    let old = read(&[("nginx.conf", text)], "1.29.1");
    assert_eq!(old.protocols("0.0.0.0:443", "b.test"), "TLSv1.3");
    let new = read(&[("nginx.conf", text)], "1.29.2");
    assert_eq!(new.protocols("0.0.0.0:443", "b.test"), "TLSv1.2");
    assert_eq!(new.protocols("0.0.0.0:443", "c.test"), "TLSv1.3", "a site without a certificate has no say");
}

#[test]
fn arrays_are_replaced_whole_and_scalars_one_by_one() {
    let model = http(
        "ssl_certificate rsa.pem; ssl_certificate_key rsa.key; ssl_certificate ec.pem; ssl_certificate_key ec.key;
         ssl_protocols TLSv1.2; ssl_ciphers HIGH;
         server { listen 443 ssl; server_name a.test; ssl_certificate own.pem; ssl_protocols TLSv1.3; }
         server { listen 443 ssl; server_name b.test; }",
    );
    let deployment = model.deployment();
    let site = &deployment.sites[0];
    let pairs = &deployment.credentials(site.credentials).pairs;
    assert_eq!(pairs.len(), 1);
    assert_eq!(pairs[0].certificate.get().expect("known").1, Path::new("own.pem"));
    assert_eq!(pairs[0].certificate.origin.kind, OriginKind::Written);
    let key = pairs[0].key.as_ref().expect("inherited");
    assert_eq!((key.origin.kind, &*key.get().expect("known").0.text), (OriginKind::Inherited, "rsa.key"));
    let policy = deployment.policy(site.policy);
    assert_eq!(policy.protocols.get().expect("known").set.to_string(), "TLSv1.3");
    assert_eq!(policy.ciphers.origin.kind, OriginKind::Inherited);
    assert_eq!(policy.groups.origin.kind, OriginKind::Default);
    assert_eq!(deployment.credentials(deployment.sites[1].credentials).pairs.len(), 2);
}

#[test]
fn sites_that_say_the_same_share_a_policy() {
    let site = |name: &str| format!("server {{ listen 443 ssl; server_name {name}; include tls.conf; }}\n");
    let inside: String = (0..50).map(|at| site(&format!("s{at}.test"))).collect();
    let text = format!("events {{}}\nhttp {{\n ssl_protocols TLSv1.2;\n{inside}}}");
    let model = read(&[("etc/nginx.conf", &text), ("etc/tls.conf", "")], "1.22.1");
    // One for the level, one with what the socket adds.
    assert_eq!(model.deployment().policies.len(), 2);
    assert_eq!(model.deployment().credentials.len(), 1);
}

#[test]
fn a_value_knows_the_includes_that_led_to_it() {
    let model = read(
        &[
            ("etc/nginx.conf", "events {}\nhttp {\n    include sites/*;\n}\n"),
            ("etc/sites/10-b", "server { listen 443 ssl; server_name b.test; include tls.inc; }"),
            ("etc/sites/2-a", "server { listen 443 ssl; server_name a.test; include tls.inc; }"),
            ("etc/sites/.hidden", "nonsense"),
            ("etc/tls.inc", "ssl_protocols TLSv1.3;"),
        ],
        "1.22.1",
    );
    let deployment = model.deployment();
    assert_eq!(model.answers("0.0.0.0:443", None), "b.test", "10-b is read before 2-a");
    let policies: Vec<_> = deployment.sites.iter().map(|site| &deployment.policy(site.policy).protocols).collect();
    assert_eq!(policies[0].origin.written(), policies[1].origin.written());
    let lines: Vec<String> = deployment
        .frames
        .outward(policies[1].origin.include_chain)
        .map(|frame| format!("{}", model.sources.file(frame.at.file).path().display()))
        .collect();
    assert_eq!(lines, ["etc/sites/2-a", "etc/nginx.conf"]);
    assert!(model.problems().is_empty(), "{:?}", model.problems());
}

#[test]
fn includes_that_fail_are_told_apart() {
    let model = read(
        &[
            (
                "etc/nginx.conf",
                "events {}\nhttp {\n include missing.conf;\n include none/*.conf;\n include a.conf;\n include dir;\n}",
            ),
            ("etc/a.conf", "include b.conf;"),
            ("etc/b.conf", "include a.conf;"),
            ("etc/dir/x", ""),
        ],
        "1.22.1",
    );
    let mut problems = model.problems();
    problems.sort();
    assert_eq!(
        problems,
        [
            "etc/b.conf:1 include-cycle",
            "etc/nginx.conf:3 include-missing",
            "etc/nginx.conf:6 include-missing.not-regular"
        ]
    );
}

#[test]
fn what_is_wrong_with_sockets_and_names_is_said_once() {
    let model = http(
        "server { listen 443 ssl default_server; listen 443; server_name a.*.test; }
         server { listen 443 default_server; server_name *; }
         server { listen 8443 ssl backlog=5; server_name w*.test; }
         server { listen 9443 ssl reuseport; }
         server { listen 9443 ssl reuseport; ssl_protocols TLSv1.0 tlsv1.2; }",
    );
    let mut problems = model.problems();
    problems.sort();
    assert_eq!(
        problems,
        [
            "nginx.conf:3 duplicate-listen",
            "nginx.conf:3 server-name-invalid-wildcard",
            "nginx.conf:4 duplicate-default-server",
            "nginx.conf:4 server-name-invalid-wildcard",
            "nginx.conf:5 server-name-invalid-wildcard.alone",
            "nginx.conf:7 duplicate-listen-options",
            "nginx.conf:7 unknown-protocol.misspelt",
        ]
    );
}

#[test]
fn what_hangs_on_a_variable_is_unknown() {
    let model = http(
        "server { listen 443 ssl; server_name a.test; ssl_certificate $ssl_server_name.pem; ssl_certificate_key data:x; }",
    );
    let deployment = model.deployment();
    let pair = &deployment.credentials(deployment.sites[0].credentials).pairs[0];
    assert_eq!(pair.certificate.get(), None);
    assert_eq!(pair.key.as_ref().expect("named").get(), None);
}

#[test]
fn a_fragment_knows_nothing_of_what_stands_outside() {
    let model =
        read(&[("sites-enabled/a", "server { listen 443 ssl; server_name a.test; ssl_protocols TLSv1.2; }")], "1.22.1");
    let deployment = model.deployment();
    assert!(deployment.fragment);
    assert_eq!(deployment.server, ServerKind::Nginx);
    let policy = deployment.policy(deployment.sites[0].policy);
    assert!(policy.protocols.get().is_some());
    assert!(policy.ciphers.get().is_none());
}

/// The findings of a run over files in memory: path, line and rule.
fn lint(files: &Memory, path: &str) -> (Vec<String>, Vec<String>) {
    let options = pipeline::Options { server: Some(ServerKind::Nginx), ..pipeline::Options::default() };
    let run = pipeline::lint(files, &[path.into()], &options).expect("it can be run");
    let place = |finding: &shakedown::diagnostic::Finding| {
        let span = run.sources.resolve_span(finding.primary.span).span;
        let path = run.sources.file(span.file).path().display().to_string();
        format!("{path}:{} {}", run.sources.positions(span).0.line, finding.rule)
    };
    let findings = run.findings.iter().map(place).collect();
    (findings, run.unjudged.iter().map(|one| one.what.to_string()).collect())
}

#[test]
fn a_dump_is_judged_as_the_files_that_it_names() {
    let mut files = Memory::new();
    let main = "# configuration file /etc/nginx/nginx.conf:\nevents {}\nhttp {\n    include conf.d/*.conf;\n}\n\n";
    let part =
        "# configuration file /etc/nginx/conf.d/a.conf:\nserver {\n    listen 8080;\n    server_name a.test\n}\n\n";
    files.insert("dump.txt", [main, part].concat().into_bytes());
    let (findings, _) = lint(&files, "dump.txt");
    assert_eq!(findings, ["/etc/nginx/conf.d/a.conf:3 syntax-error"]);
    // Neither is it changed, nor what lies where it says.
    let options = pipeline::Options { server: Some(ServerKind::Nginx), ..pipeline::Options::default() };
    assert!(pipeline::fix(&files, &["dump.txt".into()], &options, shakedown::diagnostic::Safety::Unsafe).is_err());
}

#[test]
fn templates_are_not_judged() {
    for text in [
        "server {\n    listen 443 ssl;\n    server_name {{ name }};\n}\n",
        "{% if tls %}\nserver {\n    listen 443 ssl;\n}\n{% endif %}\n",
        "server {\n    listen 443 ssl;\n    server_name <%= name %>;\n}\n",
    ] {
        let mut files = Memory::new();
        files.insert("a.conf", text.as_bytes().to_vec());
        assert_eq!(lint(&files, "a.conf"), (Vec::new(), vec!["template".to_owned()]), "{text}");
    }
    // A comment at once behind a brace is none, and among the files of a whole configuration nginx trips over the marks.
    let mut files = Memory::new();
    files.insert("nginx.conf", b"events {# few\n}\nhttp {\n    {{ servers }}\n}\n".to_vec());
    let (findings, unjudged) = lint(&files, "nginx.conf");
    assert!(unjudged.is_empty() && findings.iter().all(|one| one.ends_with("syntax-error")), "{findings:?}");
}

/// Directives with a reader of their own which refuses a second, as the table has it: the real nginx refuses each.
#[test]
fn what_stands_once_the_real_nginx_refuses_twice() {
    let twice: &[(&str, &[&str])] = &[
        ("main", &["worker_processes 1; worker_processes 2;", "worker_priority 1; worker_priority 2;"]),
        ("events", &["worker_connections 10; worker_connections 20;", "use epoll; use poll;"]),
        ("server", &["ssl_ocsp_cache off; ssl_ocsp_cache shared:a:1m;", "root /a; root /b;"]),
        (
            "location",
            &[
                "alias /a; alias /b;",
                "auth_basic off; auth_basic x;",
                "expires 1h; expires 2h;",
                "internal; internal;",
                "keepalive_timeout 10; keepalive_timeout 20;",
                "proxy_pass http://127.0.0.1:1; proxy_pass http://127.0.0.1:2;",
                "proxy_ssl_name a; proxy_ssl_name b;",
                "proxy_bind 127.0.0.1; proxy_bind 127.0.0.2;",
                "fastcgi_pass 127.0.0.1:1; fastcgi_pass 127.0.0.1:2;",
                "resolver 127.0.0.1; resolver 127.0.0.2;",
                "try_files /a =404; try_files /b =404;",
                "charset utf-8; charset off;",
                "open_file_cache off; open_file_cache max=10;",
            ],
        ),
        ("upstream", &["keepalive 1; keepalive 2;"]),
    ];
    let all = twice.iter().flat_map(|(context, texts)| texts.iter().map(move |text| (*context, *text)));
    for (context, text) in all {
        let once = &text[..=text.find(';').expect("the end of the first")];
        let config = |said: &str| {
            let at = |place: &str| if place == context { said } else { "" };
            format!(
                "{}\nevents {{ {} }}\nhttp {{\naccess_log off;\nupstream up {{ {} server 127.0.0.1:9; }}\nserver {{\n\
                 listen 127.0.0.1:8099;\n{}\nlocation /x/ {{\n{}\n}}\n}}\n}}\n",
                at("main"),
                at("events"),
                at("upstream"),
                at("server"),
                at("location")
            )
        };
        for (said, starts) in [(once, true), (text, false)] {
            let folder = tempfile::tempdir().expect("a folder");
            std::fs::write(folder.path().join("nginx.conf"), config(said)).expect("a file");
            let verdict = shakedown_testing::server::nginx(folder.path(), "nginx.conf");
            assert_eq!(verdict.starts, starts, "{said}: {}", verdict.words);
            let mut files = shakedown::source::Memory::new();
            files.insert("nginx.conf", config(said).into_bytes());
            let options = shakedown::pipeline::Options { platform: Some("debian-12".into()), ..Default::default() };
            let run = shakedown::pipeline::lint(&files, &["nginx.conf".into()], &options).expect("a run");
            let is_told = run.findings.iter().any(|finding| finding.rule.as_str() == "directive-duplicate");
            assert_eq!(is_told, !starts, "{said}");
        }
    }
}

/// What stands in a server with regular expressions, good and bad.
const EXPRESSIONS: &[&str] = &[
    "if ($uri ~ \"(\") { return 404; }",
    "if ($uri ~* (a) { return 404; }",
    "if ($uri !~ \"*a\") { return 404; }",
    "if ($uri !~* \"a)\") { return 404; }",
    "if ($uri = \"(\") { return 404; }",
    "if ($uri ~ \"(a)\") { return 404; }",
    "if ($uri ~ (a|b)) { return 404; }",
    "if ($uri ~ \"a{3,1}\" ) { return 404; }",
    "if ( $uri ~ \"(\" ) { return 404; }",
    "if ($http_cookie ~* \"id=([^;]+)(?:;|$)\") { set $id $1; }",
    "if ($uri ~ $host) { return 404; }",
    "gzip_disable \"(\";",
    "gzip_disable msie6;",
    "gzip_disable a \"*\";",
    "location / { fastcgi_split_path_info \"^(.+\\.php(/.*)$\"; }",
    "location / { fastcgi_split_path_info \"^(.+\\.php)(/.*)$\"; }",
    "location / { proxy_pass http://127.0.0.1; proxy_redirect ~( /; }",
    "location / { proxy_pass http://127.0.0.1; proxy_redirect ~*(a) /; }",
    "location / { proxy_pass http://127.0.0.1; proxy_redirect ( /; }",
    "location / { proxy_cookie_path ~( /; }",
    "location / { proxy_cookie_path \"~*^/(?:a)\" /; }",
    "location / { proxy_cookie_domain ~( a; }",
    "location / { proxy_cookie_domain ( a; }",
    "valid_referers none ~(;",
    "valid_referers ~*a;",
    "valid_referers (;",
    "location ~ (a { }",
    "location ~* *a { }",
    "location \"~ (\" { }",
    "location ~( { }",
    "location ~*a) { }",
    "location ~^/a$ { }",
    "location ^~ /( { }",
    "location = /( { }",
    "location @a( { }",
    "location ~ [a { }",
    "location ~ [(] { }",
    "rewrite ( /x;",
    "rewrite ^/(.*)$ /x;",
    "server_name ~( b.test;",
    "server_name ~^(?<name>.+)\\.b\\.test$;",
    "sub_filter ( b;",
    "} map $uri $a { ~( 1; } server { listen 8081;",
    "} map $uri $a { ~*(a) 1; } server { listen 8081;",
    "} map $uri $a { \"~*a)\" 1; } server { listen 8081;",
    "} map $uri $a { default 0; ( 1; } server { listen 8081;",
    "} map $uri $a { \\~( 1; } server { listen 8081;",
    "} map $host $a { hostnames; *.b.test 2; ~[a 2; } server { listen 8081;",
];

#[test]
fn expressions_stop_nginx_where_it_cannot_compile_them() {
    let wrong: Vec<String> = EXPRESSIONS
        .par_iter()
        .filter_map(|line| {
            let site = format!("server {{ listen 8080; server_name a.test;\n{line}\n}}");
            let text = format!("events {{}}\nhttp {{\naccess_log off;\n{site}\n}}\n");
            let told = read(&[("nginx.conf", &text)], "1.22.1").problems();
            let is_told = told.iter().any(|one| one.contains("invalid-argument"));
            let folder = tempfile::tempdir().expect("a temporary folder");
            std::fs::write(folder.path().join("nginx.conf"), &text).expect("a file can be written");
            let real = shakedown_testing::server::nginx(folder.path(), "nginx.conf");
            (is_told == real.starts).then(|| format!("{line}: {told:?}, {}\n", real.words))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.concat());
}
