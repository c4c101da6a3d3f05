//! What Apache's front end makes of a configuration: reading order, conditions, macros, virtual hosts, merging, who decides
//! what; and the same questions asked of the real server.

use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use shakedown::model::{Deployment, Endpoint, Found, FrameKind, OriginKind, ServerKind, Transport};
use shakedown::pipeline::{self, Options};
use shakedown::platform::{self, Part, Version};
use shakedown::server::{Completeness, Input, ParsedConfig, Root, apache};
use shakedown::source::{Limits, Memory, Sources, Text};
use shakedown_testing::recipe::{self, example_files_of};
use shakedown_testing::server;

struct Model {
    sources: Sources,
    apache: apache::Apache,
}

impl Model {
    fn deployment(&self) -> &Deployment {
        self.apache.deployment()
    }

    fn endpoint(&self, listen: &str) -> &Endpoint {
        let found = self.deployment().endpoints.iter().find(|one| one.listen.to_string() == listen);
        found.unwrap_or_else(|| panic!("no endpoint {listen}: {:?}", self.listens()))
    }

    fn listens(&self) -> Vec<String> {
        let all = self.deployment().endpoints.iter();
        all.map(|one| format!("{} {:?}", one.listen, one.transport)).collect()
    }

    /// The first name of the site that answers to `name`, or of the first site for no name.
    fn answers(&self, listen: &str, name: Option<&str>) -> String {
        let endpoint = self.endpoint(listen);
        let binding = match name.map(|name| endpoint.named.find(name)) {
            Some(Found::Binding(binding)) => binding,
            Some(Found::Unknown) => return "unknown".into(),
            Some(Found::Nothing) | None => endpoint.unnamed.expect("Apache always has a first site"),
        };
        let site = self.deployment().site(endpoint.binding(binding).site);
        site.names.first().map_or(String::new(), |name| name.token.text.to_string())
    }

    /// The certificates and keys that a name is served with.
    fn files(&self, listen: &str, name: &str) -> String {
        let endpoint = self.endpoint(listen);
        let Found::Binding(binding) = endpoint.named.find(name) else { panic!("nobody answers to {name}") };
        let set = self.deployment().credentials(endpoint.binding(binding).credentials);
        let path = |file: Option<&(shakedown::model::Token, std::path::PathBuf)>| {
            file.map_or("?".to_owned(), |(_, path)| path.display().to_string())
        };
        let pairs = set.pairs.iter().map(|pair| {
            format!("{}+{}", path(pair.certificate.get()), path(pair.key.as_ref().and_then(|key| key.get())))
        });
        pairs.collect::<Vec<_>>().join(" ")
    }

    /// The protocols in force for a name.
    fn protocols(&self, listen: &str, name: &str) -> String {
        let endpoint = self.endpoint(listen);
        let Found::Binding(binding) = endpoint.named.find(name) else { panic!("nobody answers to {name}") };
        let policy = self.deployment().policy(endpoint.binding(binding).after_name);
        policy.protocols.get().expect("known").set.to_string()
    }

    fn commands(&self, listen: &str, name: &str) -> String {
        let endpoint = self.endpoint(listen);
        let Found::Binding(binding) = endpoint.named.find(name) else { panic!("nobody answers to {name}") };
        let policy = self.deployment().policy(endpoint.binding(binding).after_name);
        let all = policy.commands.get().expect("known").iter();
        all.map(|one| format!("{}={}", one.name.text, one.value.text)).collect::<Vec<_>>().join(" ")
    }

    fn problems(&self) -> Vec<String> {
        let all = self.deployment().problems.iter();
        all.map(|one| {
            let place = self.sources.resolve_span(one.at).span;
            let line = self.sources.positions(place).0.line;
            let case = if one.case.is_empty() { String::new() } else { format!(".{}", one.case) };
            format!("{}:{line} {}{case}", self.sources.file(place.file).path().display(), one.rule)
        })
        .collect()
    }
}

fn read_with(files: &[(&str, &str)], version: &str, form: Completeness, definitions: &[(&str, Option<&str>)]) -> Model {
    let mut memory = Memory::new();
    for (path, text) in files {
        memory.insert(path, text.as_bytes().to_vec());
    }
    let mut platform = platform::find("debian-12", Part::Apache).expect("a platform of the table");
    platform.server_version = Version::parse(version).expect("a version");
    let mut sources = Sources::new();
    let bytes: Arc<[u8]> = files[0].1.as_bytes().to_vec().into();
    let root = Root { path: files[0].0.into(), bytes, text: Text::File };
    let given = |(name, value): &(&str, Option<&str>)| ((*name).to_owned(), value.map(str::to_owned));
    let definitions = definitions.iter().map(given).collect();
    let input = Input { roots: vec![root], form, definitions };
    let apache = apache::read(&memory, &mut sources, &Limits::default(), input, platform);
    Model { sources, apache }
}

fn read(files: &[(&str, &str)]) -> Model {
    read_with(files, "2.4.71", Completeness::Whole, &[])
}

/// What examples of the rules' pages have around them, without paths.
const MODULES: &str = "LoadModule ssl_module mod_ssl.so\nLoadModule macro_module mod_macro.so\n";

fn whole(text: &str) -> Model {
    read(&[("apache2.conf", &format!("{MODULES}{text}"))])
}

/// Names of all sites, in order.
fn names(model: &Model) -> String {
    let sites = model.deployment().sites.iter();
    sites.filter_map(|site| site.names.first().map(|name| name.token.text.to_string())).collect::<Vec<_>>().join(" ")
}

/// A virtual host whose name tells that its text was read.
fn site(name: &str) -> String {
    format!("<VirtualHost *:80>\nServerName {name}\n</VirtualHost>\n")
}

#[test]
fn conditions_hold_as_httpd_sees_them() {
    // The condition, and whether what it holds is read.
    let table: &[(&str, &str, bool)] = &[
        ("", "<IfModule mod_ssl.c>", true),
        ("", "<IfModule ssl_module>", true),
        ("", "<IfModule \"mod_ssl.c\">", true),
        ("", "<IfModule mod_ssl>", false),
        ("", "<IfModule SSL_module>", false),
        ("", "<IfModule !mod_ssl.c>", false),
        ("", "<IfModule ! mod_ssl.c>", false),
        ("", "<IfModule mod_ssl.c> # comment", true),
        ("", "<IfModule mod_rewrite.c>", false),
        ("", "<IfModule !mod_rewrite.c>", true),
        ("", "<IfModule mod_version.c>", true),
        ("Define A\n", "<IfDefine A>", true),
        ("Define A\n", "<IfDefine A B>", true),
        ("Define A\n", "<IfDefine a>", false),
        ("Define A b\nUnDefine A\n", "<IfDefine A>", false),
        ("", "<IfDefine !A>", true),
        ("", "<IfVersion >= 2.4>", true),
        ("", "<IfVersion \">=\" \"2.4\">", true),
        ("", "<IfVersion = 2.4>", false),
        ("", "<IfVersion 2.4.71>", true),
        ("", "<IfVersion ~ ^2.4>", true),
        ("", "<IfFile apache2.conf>", true),
        ("", "<IfFile absent.conf>", false),
        ("", "<IfFile !absent.conf>", true),
        ("", "<IfDirective sslengine>", true),
        ("", "<IfDirective RewriteEngine>", false),
        ("", "<IfSection VirtualHost>", true),
        ("", "<IfSection Proxy>", false),
    ];
    for (before, condition, expected) in table {
        let end = condition.trim_start_matches('<').split([' ', '>']).next().expect("a name");
        let text = format!("{before}{condition}\n{}</{end}>\n", site("a.test"));
        let model = whole(&text);
        assert_eq!(names(&model), if *expected { "a.test" } else { "" }, "{condition}");
        assert_eq!(model.problems(), Vec::<String>::new(), "{condition}");
    }
}

#[test]
fn what_acts_while_reading_acts_in_order() {
    let model = whole(&format!(
        "<IfModule mod_rewrite.c>\n{}</IfModule>\nLoadModule rewrite_module x.so\n<IfModule mod_rewrite.c>\n{}</IfModule>\n\
         ServerName ${{NAME}}\nDefine NAME early.test\n<VirtualHost *:80>\nServerName ${{name}}\n</VirtualHost>\n\
         Define NAME late.test\n{}",
        site("before.test"),
        site("after.test"),
        "<VirtualHost *:80>\nServerName ${NAME}\n</VirtualHost>\n"
    ));
    assert_eq!(names(&model), "after.test early.test late.test");
}

#[test]
fn variables_are_replaced_before_words_are_cut() {
    let model = whole(
        "Define TWO \"b.test c.test\"\nDefine EMPTY \"\"\nDefine VHOST VirtualHost\nListen 80\n<${VHOST} *:80>\n\
         ServerName a.test\nServerAlias ${TWO} \"${TWO}\" ${EMPTY}d.test $TWO ${UNKNOWN}\n</${VHOST}>",
    );
    let names: Vec<&str> = model.deployment().sites[0].names.iter().map(|name| &*name.token.text).collect();
    // A variable that nobody defines may come from the environment.
    assert_eq!(names, ["a.test", "b.test", "c.test", "b.test c.test", "d.test", "$two"]);
    assert_eq!(model.deployment().unjudged.len(), 1);
    assert_eq!(model.problems(), Vec::<String>::new());
}

#[test]
fn a_word_of_a_variable_stands_where_the_variable_is_used() {
    let model = whole("Define LIST all -SSLv4\nListen 443\nSSLProtocol all \\\n  -SSLv3 ${LIST}");
    assert_eq!(model.problems(), ["apache2.conf:3 invalid-argument.count"]);
    let model = whole("Define WORD SSLv4\nListen 443\nSSLProtocol all \\\n  -SSLv3 -${WORD}\n");
    assert_eq!(model.problems(), ["apache2.conf:6 unknown-protocol"]);
    let problem = &model.deployment().problems[0];
    let place = model.sources.resolve_span(problem.at);
    assert_eq!(model.sources.text(place.span), "-${WORD}");
    assert_eq!(model.sources.text(place.through[0].0), "SSLv4");
    assert_eq!(model.sources.written(problem.at), None);
}

#[test]
fn a_macro_shows_its_body_and_its_use() {
    let text = "<Macro Site $name $n>\n<VirtualHost *:$n>\nServerName $name\nSSLProtocol $names\n</VirtualHost>\n</Macro>\n\
                Use site a.test 443\nUse SITE b.test 443\n";
    let model = whole(text);
    assert_eq!(names(&model), "a.test b.test");
    assert_eq!(model.problems(), ["apache2.conf:6 unknown-protocol", "apache2.conf:6 unknown-protocol"]);
    let site = &model.deployment().sites[1];
    let frame = model.deployment().frames.outward(site.include_chain).next().expect("a frame");
    assert_eq!((frame.kind, &*model.sources.text(frame.at)), (FrameKind::Macro, "Use SITE b.test 443"));
    let place = model.sources.resolve_span(site.names[0].token.span);
    assert_eq!(model.sources.text(place.span), "$name");
    let through: Vec<_> = place.through.iter().map(|(span, _)| model.sources.text(*span).into_owned()).collect();
    assert_eq!(through, ["b.test", "Use SITE b.test 443"]);
}

#[test]
fn sections_may_span_macros_but_not_files() {
    let model = whole("<Macro Head>\n<VirtualHost *:80>\n</Macro>\nUse Head\nServerName a.test\n</VirtualHost>\n");
    assert_eq!((names(&model).as_str(), model.problems()), ("a.test", Vec::new()));
    let files = [
        ("apache2.conf", "Include head.conf\nServerName a.test\n</VirtualHost>\n"),
        ("head.conf", "<VirtualHost *:80>\n"),
    ];
    let problems = read(&files).problems();
    assert_eq!(problems, ["head.conf:1 syntax-error.unclosed-section", "apache2.conf:3 syntax-error.unexpected-end"]);
    // A condition that holds may be left open, one that does not may not.
    assert_eq!(whole("<IfModule mod_ssl.c>\n").problems(), Vec::<String>::new());
    assert_eq!(whole("<IfModule !mod_ssl.c>\n").problems(), ["apache2.conf:3 syntax-error.unclosed-section"]);
}

#[test]
fn includes_are_taken_in_the_order_of_httpd() {
    let one = |name: &str| site(&format!("{name}.test"));
    let (a, b, c, hidden, backup) = (one("a"), one("b"), one("c"), one("hidden"), one("backup"));
    let files = [
        (
            "etc/apache2.conf",
            "IncludeOptional sites/*.conf\nIncludeOptional absent/*.conf\nInclude all\nInclude sites/10-a.conf",
        ),
        ("etc/sites/2-b.conf", b.as_str()),
        ("etc/sites/10-a.conf", a.as_str()),
        ("etc/sites/.hidden.conf", hidden.as_str()),
        ("etc/sites/c.conf.bak", c.as_str()),
        ("etc/all/below/c.conf", c.as_str()),
        ("etc/all/.hidden.conf", hidden.as_str()),
        ("etc/all/x.bak", backup.as_str()),
    ];
    let model = read(&files);
    assert_eq!(names(&model), "a.test b.test hidden.test c.test backup.test a.test");
    assert_eq!(model.problems(), ["etc/apache2.conf:3 include-backup-file"]);
    let paths: Vec<_> = model.apache.paths().iter().map(|path| path.display().to_string()).collect();
    assert_eq!(paths.len(), 6, "a file that is included twice is read once: {paths:?}");
}

#[test]
fn relative_paths_start_from_the_server_root_of_their_line() {
    let files = [
        ("/etc/apache2.conf", "Include one/x.conf\nServerRoot /etc/two\nInclude x.conf\nInclude gone.conf\n"),
        ("/etc/one/x.conf", "ServerName one.test\n"),
        ("/etc/two/x.conf", "<VirtualHost *:80>\nServerName two.test\nErrorDocument 404 no\n</VirtualHost>"),
    ];
    let model = read(&files);
    let problems = model.problems();
    assert!(problems.contains(&"/etc/apache2.conf:4 include-missing".to_owned()), "{problems:?}");
    assert_eq!(names(&model), "two.test");
}

#[test]
fn debian_gives_the_environment() {
    let files = [
        (
            "etc/apache2.conf",
            "Listen 80\n<VirtualHost *:80>\nServerName ${HOST_NAME}\nServerAlias ${A} ${B}\n</VirtualHost>",
        ),
        ("etc/envvars", "SUFFIX=\nexport HOST_NAME=a.test\nexport A=x$SUFFIX.test\n#export B=no\n"),
    ];
    let model = read(&files);
    let names: Vec<&str> = model.deployment().sites[0].names.iter().map(|name| &*name.token.text).collect();
    // The environment is known: what is not in it has no value, and the text stays as it is.
    assert_eq!(names, ["a.test", "x.test", "${b}"]);
    assert!(model.deployment().unjudged.is_empty());
    let given = [("HOST_NAME", Some("b.test")), ("A", None)];
    let model = read_with(&files[..1], "2.4.71", Completeness::Whole, &given);
    assert_eq!(self::names(&model), "b.test");
}

#[test]
fn a_part_is_read_with_assumptions() {
    let text = "<IfModule mod_ssl.c>\n<VirtualHost *:443>\nServerName a.test\nSSLCertificateFile /a.pem\n</VirtualHost>\n\
                </IfModule>\nRewriteEngine on\nphp_value x y\nInclude /etc/letsencrypt/options-ssl-apache.conf\n";
    let model = read_with(&[("site.conf", text)], "2.4.71", Completeness::Fragment { prefix: None }, &[]);
    assert_eq!(model.problems(), Vec::<String>::new());
    assert_eq!(model.listens(), ["*:443 Tls"]);
    let unjudged: Vec<&str> = model.deployment().unjudged.iter().map(|one| &*one.what).collect();
    assert_eq!(unjudged, ["include"]);
    let text = "AuthType Basic\nRequire valid-user\nSSLRequireSSL\n";
    let model = read_with(&[(".htaccess", text)], "2.4.71", Completeness::Fragment { prefix: None }, &[]);
    assert_eq!(model.problems(), Vec::<String>::new());
}

/// Certificates of the examples, by name.
fn tls(name: &str, more: &str) -> String {
    format!("SSLEngine on\nServerName {name}\nSSLCertificateFile a.pem\nSSLCertificateKeyFile a.key\n{more}")
}

#[test]
fn tls_is_on_where_httpd_switches_it_on() {
    let bare = "SSLCertificateFile a.pem\nSSLCertificateKeyFile a.key\n";
    let files = "ServerName a.test\nSSLCertificateFile a.pem\nSSLCertificateKeyFile a.key\n";
    let host = |at: &str, inside: &str| format!("<VirtualHost {at}>\n{inside}</VirtualHost>\n");
    let table = [
        ("Listen 443\n", host("*:443", files), true),
        ("Listen 443\n", host("*:443", ""), false),
        // Without a directive of the core the virtual host does not learn what its socket speaks.
        ("Listen 443\n", host("*:443", bare), false),
        ("Listen 443\n", host("*:443", &format!("KeepAlive on\n{bare}")), false),
        ("Listen 443\n", host("*:443", &format!("<Directory /srv>\n</Directory>\n{bare}")), true),
        ("Listen 443\n", host("*:443", &format!("SSLEngine on\n{bare}")), true),
        ("Listen 8443\n", host("*:8443", files), false),
        ("Listen 8443 https\n", host("*:8443", files), true),
        ("Listen 8443 HTTPS\n", host("_default_:8443", files), true),
        ("Listen 127.0.0.1:443\n", host("*:443", files), false),
        ("Listen 127.0.0.1:443\n", host("127.0.0.1:443", files), true),
        ("Listen 443 http\n", host("*:443", files), false),
        ("Listen 443\n", host("*:443", &format!("Protocol http\n{files}")), false),
        ("Listen 443\n", host("*:443", &format!("SSLEngine off\n{files}")), false),
        ("Listen 443\nSSLEngine on\nSSLCertificateFile a.pem\nSSLCertificateKeyFile a.key\n", host("*:443", ""), true),
        ("Listen 8080 http\n", host("*:8080", &format!("SSLEngine on\n{files}")), true),
        ("Listen 443\n", host("*:443", &format!("SSLEngine optional\n{files}")), false),
        (
            "Listen 443\nSSLCertificateFile a.pem\nSSLCertificateKeyFile a.key\n",
            host("*:443", "ServerName a.test\n"),
            true,
        ),
    ];
    let asked: Vec<String> = table.par_iter().map(|(before, host, _)| speaks(&format!("{before}{host}"))).collect();
    for ((before, host, expected), real) in table.iter().zip(asked) {
        let model = whole(&format!("{before}{host}"));
        let transport = if *expected { Transport::Tls } else { Transport::Plain };
        let at = model.deployment().endpoints.last().map(|endpoint| endpoint.transport);
        assert_eq!(at, Some(transport), "{before}{host}");
        assert_eq!(real, if *expected { "tls" } else { "plain" }, "the real server: {before}{host}");
    }
}

/// Starts the real Apache with a configuration and asks its first socket on loopback for TLS.
fn speaks(config: &str) -> String {
    let port = config.split_once("Listen ").expect("a socket").1;
    let port: String = port.split([' ', '\n']).next().expect("a word").rsplit(':').next().expect("a port").into();
    match handshake(config, &port, None, &[]) {
        Some(words) if words.contains("BEGIN CERTIFICATE") => "tls".into(),
        Some(words) if words.contains("wrong version number") => "plain".into(),
        other => format!("{other:?}"),
    }
}

/// What `openssl s_client` says to the real Apache on 127.0.0.1; absent where Apache does not start.
fn handshake(config: &str, port: &str, name: Option<&str>, more: &[&str]) -> Option<String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (files, _) = example_files_of("apache", config, None, &Default::default());
    recipe::write(folder.path(), &files);
    server::apache_answers(folder.path(), "apache2.conf", port, name, more)
}

#[test]
fn the_address_chooses_before_the_name_does() {
    let host =
        |at: &str, name: &str| format!("<VirtualHost {at}>\n{}</VirtualHost>\n", tls(name, "ServerAlias b.test\n"));
    let text = [
        host("*:8443", "star.test"),
        host("*:*", "any-port.test"),
        host("127.0.0.1:8443", "exact.test"),
        host("127.0.0.2", "exact-any.test"),
        host("*:8443", "second.test"),
    ]
    .concat();
    let model = whole(&format!("Listen 8443\nListen 8444\nListen 127.0.0.1:8445\n{text}"));
    let expected = [
        ("*:8443", "star.test"),
        ("127.0.0.1:8443", "exact.test"),
        ("127.0.0.2:8443", "exact-any.test"),
        ("*:8444", "any-port.test"),
        ("127.0.0.2:8444", "exact-any.test"),
        ("127.0.0.1:8445", "any-port.test"),
    ];
    let found: Vec<String> = model.deployment().endpoints.iter().map(|one| one.listen.to_string()).collect();
    assert_eq!(found, expected.map(|(listen, _)| listen));
    for (listen, name) in expected {
        assert_eq!(model.answers(listen, None), name, "{listen}");
    }
    assert_eq!(model.answers("*:8443", Some("second.test")), "second.test");
    assert_eq!(model.answers("127.0.0.1:8443", Some("second.test")), "exact.test");
    assert_eq!(model.answers("*:8443", Some("b.test")), "star.test");
}

#[test]
fn the_first_site_with_a_name_wins_in_any_way() {
    let host = |name: &str, alias: &str| {
        format!("<VirtualHost *:443>\n{}</VirtualHost>\n", tls(name, &format!("ServerAlias {alias}\n")))
    };
    let text = [
        host("a.test", "w?w.a.test"),
        host("b.test", "*.b.test"),
        host("exact.b.test", "c.test"),
        host("c.test", "*"),
        host("d.test", "e.test"),
    ];
    let model = whole(&format!("Listen 443\n{}", text.concat()));
    let table = [
        (Some("a.test"), "a.test"),
        (Some("wow.a.test"), "a.test"),
        (Some("ww.a.test"), "c.test"),
        (Some("exact.b.test"), "b.test"),
        (Some("x.y.b.test"), "b.test"),
        (Some("c.test"), "exact.b.test"),
        (Some("d.test"), "c.test"),
        (Some("nobody.org"), "c.test"),
        (None, "a.test"),
    ];
    for (name, expected) in table {
        assert_eq!(model.answers("*:443", name), expected, "{name:?}");
    }
}

#[test]
fn certificates_are_merged_place_by_place() {
    let outer = "SSLCertificateFile g1.pem\nSSLCertificateKeyFile g1.key\nSSLCertificateFile g2.pem\nSSLCertificateKeyFile g2.key\n";
    let table = [
        ("", "g1.pem+g1.key g2.pem+g2.key"),
        ("SSLCertificateFile a.pem\nSSLCertificateKeyFile a.key\n", "a.pem+a.key g2.pem+g2.key"),
        ("SSLCertificateFile a.pem\n", "a.pem+g1.key g2.pem+g2.key"),
        (
            "SSLCertificateFile a.pem\nSSLCertificateFile b.pem\nSSLCertificateFile c.pem\nSSLCertificateFile d.pem\n",
            "a.pem+g1.key b.pem+g2.key c.pem+c.pem d.pem+d.pem",
        ),
    ];
    for (inside, expected) in table {
        // What is said for the server after a virtual host holds for it all the same.
        let model = whole(&format!(
            "Listen 443\n<VirtualHost *:443>\nServerName a.test\nSSLEngine on\n{inside}</VirtualHost>\n{outer}"
        ));
        assert_eq!(model.files("*:443", "a.test"), expected, "{inside}");
    }
}

#[test]
fn the_named_site_decides_protocols_where_they_are_written() {
    let host = |name: &str, more: &str| format!("<VirtualHost *:443>\n{}</VirtualHost>\n", tls(name, more));
    let sites = [
        host("a.test", "SSLProtocol TLSv1.2\nSSLOpenSSLConfCmd Groups P-384\nSSLOpenSSLConfCmd MinProtocol TLSv1.2\n"),
        host(
            "b.test",
            "SSLProtocol TLSv1.3\nSSLOpenSSLConfCmd Groups P-256\nSSLOpenSSLConfCmd Options -SessionTicket\n",
        ),
        host("c.test", ""),
    ]
    .concat();
    let model = whole(&format!("Listen 443\n{sites}"));
    assert_eq!(model.protocols("*:443", "a.test"), "TLSv1.2");
    assert_eq!(model.protocols("*:443", "b.test"), "TLSv1.3");
    assert_eq!(model.protocols("*:443", "c.test"), "TLSv1.2", "the first site's: nothing is written for this one");
    assert_eq!(model.commands("*:443", "b.test"), "Groups=P-384 Options=-SessionTicket");
    assert_eq!(model.commands("*:443", "c.test"), "Groups=P-384 MinProtocol=TLSv1.2");
    let model = whole(&format!("Listen 443\nSSLProtocol all -SSLv3\n{sites}"));
    assert_eq!(model.protocols("*:443", "c.test"), "TLSv1.0 TLSv1.1 TLSv1.2 TLSv1.3");
    let text = format!("{MODULES}Listen 443\n{sites}");
    let model = read_with(&[("apache2.conf", &text)], "2.4.41", Completeness::Whole, &[]);
    assert_eq!(model.protocols("*:443", "b.test"), "TLSv1.2", "before 2.4.42 the first site decides");
}

#[test]
fn the_real_server_lets_the_same_site_decide() {
    let host = |name: &str, more: &str| format!("<VirtualHost *:8443>\n{}</VirtualHost>\n", tls(name, more));
    let config = format!(
        "Listen 8443\n{}{}{}",
        host("a.test", "SSLProtocol TLSv1.2\n"),
        host("b.test", "SSLProtocol TLSv1.3\n"),
        host("c.test", "")
    );
    let asked = [("a.test", "TLSv1.2"), ("b.test", "TLSv1.3"), ("c.test", "TLSv1.2"), ("nobody.test", "TLSv1.2")];
    asked.par_iter().for_each(|(name, protocol)| {
        let words = handshake(&config, "8443", Some(name), &[]).expect("it starts");
        assert!(words.contains(&format!("New, {protocol}, Cipher is")), "{name}: {words}");
    });
    let model = whole(&config);
    assert_eq!(model.protocols("*:8443", "c.test"), "TLSv1.2");
}

#[test]
fn settings_are_inherited_and_the_last_of_a_level_holds() {
    let model = whole(&format!(
        "Listen 443\nSSLProtocol TLSv1.2\nSSLProtocol +TLSv1.3\nSSLCipherSuite HIGH\n<VirtualHost *:443>\n{}</VirtualHost>\n",
        tls("a.test", "SSLCipherSuite TLSv1.3 TLS_AES_128_GCM_SHA256\nSSLHonorCipherOrder on\n")
    ));
    let policy = model.deployment().policy(model.deployment().sites[0].policy);
    assert_eq!(policy.protocols.get().expect("known").set.to_string(), "TLSv1.3");
    assert_eq!(policy.protocols.origin.kind, OriginKind::Inherited);
    let ciphers = &policy.ciphers.get().expect("known")[0];
    assert_eq!(&*ciphers.text, "HIGH:!aNULL:!eNULL:!EXP");
    assert_eq!(model.sources.text(ciphers.part(0, 4)), "HIGH");
    assert_eq!(&*policy.ciphersuites.get().expect("known")[0].text, "TLS_AES_128_GCM_SHA256");
    assert_eq!(policy.prefer_server_ciphers.get(), Some(&true));
}

#[test]
fn managed_domains_have_certificates_of_their_own() {
    let host = |name: &str| format!("<VirtualHost *:443>\nServerName {name}\nSSLEngine on\n</VirtualHost>\n");
    let text = format!(
        "{MODULES}LoadModule md_module mod_md.so\nListen 443\nMDCertificateAgreement accepted\nMDomain a.test www.a.test\n<MDomainSet b.test>\nMDMember c.test\n\
         </MDomainSet>\n{}{}{}",
        host("www.a.test"),
        host("c.test"),
        host("d.test")
    );
    let files = [
        ("apache2.conf", text.as_str()),
        ("md/domains/a.test/pubcert.pem", "x"),
        ("md/domains/a.test/privkey.pem", "x"),
    ];
    let model = read(&files);
    assert_eq!(model.files("*:443", "www.a.test"), "md/domains/a.test/pubcert.pem+md/domains/a.test/privkey.pem");
    assert_eq!(model.files("*:443", "c.test"), "?+?");
    // The store is there, and holds nothing for the second domain.
    assert_eq!(
        model.problems(),
        ["apache2.conf:18 no-certificate.any-site", "apache2.conf:7 managed-certificate-missing"]
    );
}

#[test]
fn links_to_sites_that_are_gone_are_told_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!("{MODULES}Listen 8080\nIncludeOptional sites-enabled/*.conf\n");
    std::fs::write(folder.path().join("apache2.conf"), text).expect("a file");
    std::fs::create_dir(folder.path().join("sites-enabled")).expect("a folder");
    std::os::unix::fs::symlink("../sites-available/gone.conf", folder.path().join("sites-enabled/gone.conf"))
        .expect("a link");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_shakedown"))
        .args(["lint", "--isolated", "--format", "concise", "--server", "apache", "apache2.conf"])
        .current_dir(folder.path())
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("site-file-not-included") && told.contains("sites-available/gone.conf"), "{told}");
}

#[test]
fn a_site_without_tls_loads_no_certificate() {
    let model = whole(
        "Listen 80\n<VirtualHost *:80>\nServerName a.test\nSSLCertificateFile gone.pem\n</VirtualHost>\n\
         <VirtualHost 192.0.2.1:99>\nServerName b.test\n</VirtualHost>\n",
    );
    assert!(!model.deployment().sites[0].loads_credentials);
    assert_eq!(model.problems(), ["apache2.conf:6 certificate-file-missing", "apache2.conf:8 site-without-listener"]);
    assert_eq!(model.listens(), ["*:80 Plain"]);
    assert_eq!(model.deployment().server, ServerKind::Apache);
}

#[test]
fn texts_say_whose_they_are() {
    assert!(apache::looks_like(b"# x\n<VirtualHost *:80>\nServerName a\n</VirtualHost>\n"));
    assert!(apache::looks_like(b"SSLProtocol all -SSLv3\nSSLHonorCipherOrder off\n"));
    assert!(!apache::looks_like(b"server { listen 80; }\n"));
    assert!(!apache::looks_like(b"listen 443 ssl;\ninclude snippets/*.conf;\n"));
    assert!(apache::is_whole(b"ServerRoot /etc/httpd\nListen 80\nInclude conf.modules.d/*.conf\n"));
    assert!(!apache::is_whole(b"Listen 80\n<VirtualHost *:80>\n</VirtualHost>\n"));
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/apache/directives.tsv").exists());
}

#[test]
fn a_fault_of_a_macro_is_told_once_and_two_faults_twice() {
    let text = format!(
        "{MODULES}Listen 4443\n<Macro Site $name $file>\n<VirtualHost *:4443>\nServerName $name\nSSLEngine on\n\
         SSLCertificateFile $file.pem\nSSLProtocol all +SSLv4\n</VirtualHost>\n</Macro>\n\
         Use Site a.test gone\nUse Site b.test lost\nUse Site c.test lost\n"
    );
    let mut files = Memory::new();
    files.insert("apache2.conf", text.into_bytes());
    let options = Options { platform: Some("debian-12".into()), ..Options::default() };
    let run = pipeline::lint(&files, &["apache2.conf".into()], &options).expect("a run");
    let told = |rule: &str| run.findings.iter().filter(|one| one.rule.as_str() == rule).count();
    assert_eq!((told("certificate-file-missing"), told("unknown-protocol")), (2, 1));
    assert!(run.findings.iter().all(|one| one.fix.is_none()), "what a macro says is not edited");
    assert!(run.findings.iter().any(|one| one.message.contains("a reload takes every site down")));
}

#[test]
fn the_real_server_serves_the_certificate_of_the_model() {
    let host = |at: &str, name: &str, alias: &str, file: &str| {
        format!(
            "<VirtualHost {at}:8443>\nServerName {name}\nServerAlias {alias}\nSSLEngine on\nSSLCertificateFile {file}.pem\n\
             SSLCertificateKeyFile {file}.key\n</VirtualHost>\n"
        )
    };
    let plain = "<VirtualHost *:8443>\nServerName plain.test\n</VirtualHost>\n";
    let unnamed =
        "<VirtualHost *:8443>\nSSLEngine on\nSSLCertificateFile b.pem\nSSLCertificateKeyFile b.key\n</VirtualHost>\n";
    let configs = [
        host("*", "a.test", "*.wild.test", "a") + &host("*", "b.test", "exact.wild.test", "b") + plain,
        host("*", "a.test", "x.test", "a") + &host("127.0.0.1", "b.test", "y.test", "b"),
        host("127.0.0.2", "a.test", "x.test", "a") + &host("_default_", "b.test", "a.test", "b"),
        host("*", "a.test", "x.test", "a") + unnamed,
        "SSLCertificateFile b.pem\nSSLCertificateKeyFile b.key\n".to_owned()
            + "<VirtualHost *:8443>\nServerName c.test\nSSLEngine on\n</VirtualHost>\n"
            + &host("*", "a.test", "x.test", "a"),
    ];
    let asked = ["a.test", "b.test", "exact.wild.test", "plain.test", "localhost", "nobody.test"];
    let questions: Vec<(&String, &str)> =
        configs.iter().flat_map(|config| asked.iter().map(move |name| (config, *name))).collect();
    questions.par_iter().for_each(|(config, name)| {
        let config = format!("Listen 8443\n{config}");
        let model = whole(&format!("ServerName localhost\n{config}"));
        let specific = model.deployment().endpoints.iter().find(|one| one.listen.to_string() == "127.0.0.1:8443");
        let endpoint = specific.unwrap_or_else(|| model.endpoint("*:8443"));
        let binding = match endpoint.named.find(name) {
            Found::Binding(binding) => binding,
            _ => endpoint.unnamed.expect("a first site"),
        };
        let set = model.deployment().credentials(endpoint.binding(binding).credentials);
        let (token, _) = set.pairs[0].certificate.get().expect("a file");
        let served = handshake(&config, "8443", Some(name), &[]).expect("it starts");
        let leaf = recipe::standard_files()[&*token.text].clone();
        let leaf = String::from_utf8(leaf).expect("PEM");
        let second_line = leaf.lines().nth(3).expect("base64");
        assert!(served.contains(second_line), "{name} is not served with {}: {config}\n{served}", token.text);
    });
}

/// Lines with regular expressions, good and bad.
const EXPRESSIONS: &[&str] = &[
    "<LocationMatch \"^/(a\">\n</LocationMatch>",
    "<LocationMatch ^/(?!a)[^(]+>\n</LocationMatch>",
    "<DirectoryMatch \"*a\">\n</DirectoryMatch>",
    "<FilesMatch \"*.php\">\n</FilesMatch>",
    "<FilesMatch \"\\.(?:php|inc)$\">\n</FilesMatch>",
    "<Files \"*.php\">\n</Files>",
    "<Files ~ \"*.php\">\n</Files>",
    "<Location ~ \"(\">\n</Location>",
    "<Location \"/(\">\n</Location>",
    "<Directory ~ \"[a\">\n</Directory>",
    "<ProxyMatch \"(a\">\n</ProxyMatch>",
    "AliasMatch \"(\" /x",
    "Alias \"/(\" /x",
    "ScriptAliasMatch \"*\" /x",
    "RedirectMatch \"(\" /x",
    "RedirectMatch 301 \"(\" /x",
    "RedirectMatch Permanent \"(a\" /x",
    "RedirectMatch 410 \"(a\"",
    "RedirectMatch gone \"*\"",
    "RedirectMatch gone \"a*\"",
    "RewriteRule *.php x",
    "RewriteRule !*.php x",
    "RewriteRule !.*\\.php x",
    "RewriteRule a{3,1} x",
    "RewriteRule a{3} x",
    "RewriteRule \"\" x",
    "RewriteEngine off\nRewriteRule ( x",
    "RewriteRule a\\ b x",
    "RewriteRule (a\\ b) x",
    "RewriteRule \"^(a|\\\\)$\" x",
    "AliasMatch \"^(a|\\\\)$\" /x",
    "RewriteCond %{HTTP_HOST}\\ ( (a)",
    "RewriteRule ^(.*)${PART}$ x",
    "RewriteCond %{HTTP_HOST} *.a.test",
    "RewriteCond %{HTTP_HOST} !^(www [NC]",
    "RewriteCond %{HTTP_HOST} !^(www\\.)?a [NC]",
    "RewriteCond %{HTTP_HOST} =(",
    "RewriteCond %{HTTP_HOST} !=(",
    "RewriteCond %{HTTP_HOST} <(",
    "RewriteCond %{HTTP_HOST} >=(",
    "RewriteCond %{REQUEST_FILENAME} !-f",
    "RewriteCond %{HTTP_HOST} -gt(",
    "RewriteCond expr \"%{HTTP_HOST} = '('\"",
    "SetEnvIf User-Agent \"*bot\" a",
    "SetEnvIf User-Agent bot a",
    "SetEnvIfNoCase User-Agent \"bot)\" a",
    "BrowserMatch \"*\" a",
    "BrowserMatchNoCase \"(\" a",
    "Header edit Set-Cookie \"^(.*\" x",
    "Header edit Set-Cookie \"^(.*)$\" \"$1;(\"",
    "Header always edit* Set-Cookie \"*\" x",
    "Header set A \"(\"",
    "RequestHeader edit A \"(\" x",
    "ProxyPassMatch \"^/(a\" http://b",
    "<Location /x>\nProxyPassMatch http://b/(\n</Location>",
];

#[test]
fn expressions_stop_httpd_where_it_cannot_compile_them() {
    let modules = ["mpm_event", "authz_core", "alias", "rewrite", "setenvif", "headers", "proxy", "proxy_http"];
    let module = |name: &str| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n");
    let modules: String = modules.into_iter().map(module).collect();
    let wrong: Vec<String> = EXPRESSIONS
        .par_iter()
        .filter_map(|line| {
            let text = format!(
                "PidFile apache.pid\nErrorLog error.log\nServerName localhost\n{modules}Listen 8080\nDefine PART b\n{line}\n"
            );
            let told = read(&[("apache2.conf", &text)]).problems();
            let is_told = told.iter().any(|one| one.ends_with("invalid-argument.expression"));
            let folder = tempfile::tempdir().expect("a temporary folder");
            std::fs::write(folder.path().join("apache2.conf"), &text).expect("a file can be written");
            let real = server::apache(folder.path(), "apache2.conf");
            (is_told == real.starts).then(|| format!("{line}: {told:?}, {}\n", real.words))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.concat());
}
