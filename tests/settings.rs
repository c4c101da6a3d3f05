//! What users say beside the configuration: `shakedown.toml`, comments, baselines, rules of their own.

use std::path::Path;
use std::process::{Command, Output};

use shakedown_testing::recipe;

const NOW: &str = "2026-11-23T00:00:00Z";

/// A folder with texts and the certificates of examples.
fn tree(texts: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut files = recipe::standard_files();
    files.insert("root.pem".to_owned(), recipe::root().pem().into_bytes());
    files.extend(texts.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())));
    recipe::write(folder.path(), &files);
    folder
}

fn shakedown(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shakedown"));
    command.current_dir(folder).args(arguments).env_remove("NO_COLOR").env("COLUMNS", "120");
    command.output().expect("the program runs")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// `lint` in one line a finding, at the fixed time.
fn lint(folder: &Path, arguments: &[&str]) -> Output {
    shakedown(folder, &[&["lint", "--format", "concise", "--now", NOW], arguments].concat())
}

/// `path:line rule` of each finding.
fn found(output: &Output) -> Vec<String> {
    let told = text(output);
    let short = |line: &str| {
        let mut parts = line.splitn(4, ':');
        let (path, at) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        let rule = line.split_once('[')?.1.split_once(']')?.0;
        Some(format!("{path}:{at} {rule}"))
    };
    told.lines().map(|line| short(line).unwrap_or_else(|| panic!("no finding: {line}"))).collect()
}

/// One site of nginx with what stands in its block, as a whole configuration. The first line inside is line 7.
fn nginx(inside: &str) -> String {
    format!(
        "events {{}}\nhttp {{\n    server {{\n        listen 443 ssl;\n        server_name a.test;\n        \
         ssl_certificate a.pem; ssl_certificate_key a.key;\n{inside}\n    }}\n}}\n"
    )
}

const BASE: &str = "platform = \"debian-12\"\ntrust = [\"root.pem\"]\n";

#[test]
fn the_file_is_found_upward_and_the_command_line_comes_first() {
    let old = nginx("        ssl_protocols TLSv1 TLSv1.2 TLSv1.3;");
    let config = format!("{BASE}security-level = 0\nselect = [\"deprecated-protocol\"]\nfail-on = \"error\"\n");
    let texts = [("etc/nginx.conf", &*old), ("shakedown.toml", &*config)];
    let folder = tree(&[texts[0], texts[1], ("etc/other/x", "")]);
    for (from, path) in [(".", "etc/nginx.conf"), ("etc", "nginx.conf"), ("etc/other", "..")] {
        // The certificates are not there; they are not asked for.
        let output = lint(&folder.path().join(from), &[path]);
        assert_eq!(found(&output).len(), 1, "{from}: {}{}", text(&output), words(&output));
        assert_eq!(output.status.code(), Some(0), "{from}");
    }
    let code = |arguments: &[&str]| lint(folder.path(), &[arguments, &["etc/nginx.conf"]].concat()).status.code();
    assert_eq!(code(&["--fail-on", "warning"]), Some(1));
    assert_eq!(code(&["--severity", "deprecated-protocol=error"]), Some(1));
    assert_eq!(code(&["--severity", "deprecated-protocol=off", "--fail-on", "info"]), Some(0));
    // Without the file, the missing certificates are told; --config names another.
    assert_eq!(code(&["--isolated"]), Some(1));
    std::fs::write(folder.path().join("other.toml"), "select = [\"weak-cipher\"]\n").expect("a file");
    assert_eq!(found(&lint(folder.path(), &["--config", "other.toml", "etc/nginx.conf"])), [""; 0]);
    // Paths that do not share a file are not judged together.
    std::fs::create_dir(folder.path().join("sub")).expect("a folder");
    std::fs::write(folder.path().join("sub/shakedown.toml"), "").expect("a file");
    std::fs::write(folder.path().join("sub/nginx.conf"), "events {}").expect("a file");
    let output = lint(folder.path(), &["etc/nginx.conf", "sub/nginx.conf"]);
    assert!(words(&output).contains("do not share a shakedown.toml"), "{}", words(&output));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn files_have_settings_of_their_own() {
    let config = format!(
        "{BASE}security-level = 0\n[severity]\ndeprecated-protocol = \"error\"\n[[per-path]]\npaths = [\"sites/old*\"]\n\
         ignore = [\"deprecated-protocol\"]\n[[per-path]]\npaths = [\"**/b.conf\"]\n\
         severity = {{ deprecated-protocol = \"info\" }}\n"
    );
    let site = |name: &str, port: u16| {
        format!(
            "server {{\n    listen {port} ssl;\n    server_name {name};\n    ssl_certificate a.pem;\n    \
             ssl_certificate_key a.key;\n    ssl_protocols TLSv1 TLSv1.2 TLSv1.3;\n}}\n"
        )
    };
    let folder = tree(&[
        ("nginx.conf", "events {}\nhttp {\n    include sites/*.conf;\n}\n"),
        ("shakedown.toml", &config),
        ("sites/a.conf", &site("a.test", 443)),
        ("sites/b.conf", &site("a.test", 444)),
        ("sites/old.conf", &site("a.test", 445)),
    ]);
    let output = lint(folder.path(), &["--select", "deprecated-protocol", "."]);
    let told = text(&output);
    let lines: Vec<&str> = told.lines().map(|line| line.split("]: ").next().expect("a head")).collect();
    assert_eq!(
        lines,
        ["./sites/a.conf:6:19: error[deprecated-protocol", "./sites/b.conf:6:19: info[deprecated-protocol"],
        "{told}"
    );
}

#[test]
fn paths_of_the_server_are_led_to_where_files_are() {
    let config = format!("{BASE}[paths]\n\"/etc/letsencrypt/live/\" = \"fixtures/\"\n\"/etc/nginx/\" = \"etc/\"\n");
    let whole = "events {}\nhttp {\n    include /etc/nginx/sites/*;\n}\n";
    let site = "server {\n    listen 443 ssl;\n    server_name a.test;\n    ssl_certificate /etc/letsencrypt/live/a/x.pem;\n    \
                ssl_certificate_key /etc/letsencrypt/live/a/x.key;\n    ssl_protocols TLSv1.2 TLSv1.3;\n}\n";
    let folder = tree(&[("etc/nginx.conf", whole), ("etc/sites/a", site), ("shakedown.toml", &config)]);
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(at("fixtures/a")).expect("a folder");
    for (from, to) in [("a.pem", "fixtures/a/x.pem"), ("a.key", "fixtures/a/x.key")] {
        std::fs::copy(at(from), at(to)).expect("a file");
    }
    let output = lint(folder.path(), &["etc"]);
    assert_eq!((text(&output), output.status.code()), (String::new(), Some(0)));
    std::fs::copy(at("b.key"), at("fixtures/a/x.key")).expect("a file");
    assert_eq!(found(&lint(folder.path(), &["etc"])), ["etc/sites/a:5 certificate-key-mismatch"]);
}

#[test]
fn certificates_that_lie_on_the_server_are_not_judged() {
    let sites = [
        ("nginx.conf", nginx(
                "        ssl_protocols TLSv1.2 TLSv1.3;\n        ssl_dhparam /no/dh.pem;\n        ssl_client_certificate /no/ca.pem;\n        \
                 ssl_verify_client optional;\n        ssl_crl /no/crl.pem;\n        ssl_stapling on;\n        \
                 ssl_stapling_file /no/ocsp.der;\n        ssl_trusted_certificate /no/root.pem;\n        \
                 ssl_session_ticket_key /no/ticket.key;\n        ssl_password_file /no/passwords;",
            )
            .replace("a.pem", "/no/a.pem").replace("a.key", "/no/a.key")),
        (
            "httpd.conf",
            "ServerRoot /etc/apache2\nLoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so\nListen 443\n\
             <VirtualHost *:443>\nServerName a.test\nSSLEngine on\nSSLCertificateFile /no/a.pem\n\
             SSLCertificateKeyFile /no/a.key\nSSLCACertificateFile /no/ca.pem\nSSLVerifyClient optional\n</VirtualHost>\n"
                .to_owned(),
        ),
        (
            "Caddyfile",
            "a.test {\n    tls /no/a.pem /no/a.key {\n        client_auth {\n            mode verify_if_given\n            \
             trusted_ca_cert_file /no/ca.pem\n        }\n    }\n}\n"
                .to_owned(),
        ),
    ];
    for (name, config) in sites {
        let folder = tree(&[(name, &config)]);
        let arguments = ["--platform", "debian-12", name];
        let missing = lint(folder.path(), &arguments);
        assert!(text(&missing).contains("certificate-file-missing"), "{name}: {}", text(&missing));
        let elsewhere = [&["--certificates-elsewhere"], &arguments[..]].concat();
        let output = lint(folder.path(), &elsewhere);
        assert_eq!((text(&output), output.status.code()), (String::new(), Some(0)), "{name}");
        let strict = [&["--strict"], &elsewhere[..]].concat();
        assert_eq!(lint(folder.path(), &strict).status.code(), Some(1), "{name}");
        let shown = shakedown(folder.path(), &[&["lint"], &elsewhere[..]].concat());
        assert!(text(&shown).contains("not judged: certificate: not at hand: /no/a.pem"), "{name}: {}", text(&shown));
    }
}

#[test]
fn clients_that_must_connect_are_held_to_it() {
    let config = format!("{BASE}[clients]\nrequire = [\"android-4.4.2\", \"own.toml\"]\n");
    let own =
        "name = \"till\"\nprotocols = [\"TLSv1.0\"]\nciphers = [\"ECDHE-ECDSA-AES128-SHA\"]\ngroups = [\"P-256\"]\n";
    let folder = tree(&[
        ("nginx.conf", &nginx("        ssl_protocols TLSv1.2 TLSv1.3;")),
        ("shakedown.toml", &config),
        ("own.toml", own),
    ]);
    let output = lint(folder.path(), &["nginx.conf"]);
    assert_eq!(found(&output), ["nginx.conf:7 client-cannot-connect"], "{}", words(&output));
    assert!(text(&output).contains("till cannot connect to a.test on 0.0.0.0:443"), "{}", text(&output));
    let handshake = |arguments: &[&str]| {
        let fixed = ["handshake", "--now", NOW, "--format", "concise"];
        shakedown(folder.path(), &[&fixed, arguments, &["nginx.conf"]].concat())
    };
    let all = handshake(&[]);
    assert_eq!(all.status.code(), Some(1));
    assert!(text(&all).contains("0.0.0.0:443 a.test till: ✗"), "{}", text(&all));
    assert_eq!(handshake(&["--isolated", "--trust", "root.pem", "--platform", "debian-12"]).status.code(), Some(0));
}

#[test]
fn comments_say_what_may_stay() {
    let why = "old phones, until 2027";
    let old = "ssl_protocols TLSv1 TLSv1.2 TLSv1.3;";
    let cases = [
        (format!("        # shakedown: ignore[deprecated-protocol] {why}\n        {old}"), &[][..]),
        (format!("        {old} # shakedown: ignore[deprecated-protocol] {why}"), &[]),
        (format!("        # shakedown: ignore-block[deprecated-protocol] {why}\n        {old}"), &[]),
        (format!("        {old}\n        # shakedown: ignore-file[deprecated-protocol] {why}"), &[]),
        (
            format!("        # shakedown: ignore[deprecated-protocol]\n        {old}"),
            &["nginx.conf:7 invalid-suppression", "nginx.conf:8 deprecated-protocol"],
        ),
        (
            format!("        # shakedown: ignore[deprecated-protocols] {why}\n        {old}"),
            &["nginx.conf:7 invalid-suppression", "nginx.conf:8 deprecated-protocol"],
        ),
        (
            format!("        {old}\n        # shakedown: ignore[deprecated-protocol] {why}\n        gzip on;"),
            &["nginx.conf:7 deprecated-protocol", "nginx.conf:8 unused-suppression"],
        ),
        (
            format!("        # shakedown: ignore[deprecated-protocol, weak-cipher] {why}\n        {old}"),
            &["nginx.conf:7 unused-suppression"],
        ),
    ];
    for (inside, expected) in cases {
        let folder =
            tree(&[("nginx.conf", &nginx(&inside)), ("shakedown.toml", &format!("{BASE}security-level = 0\n"))]);
        let output = lint(folder.path(), &["nginx.conf"]);
        assert_eq!(found(&output), expected, "{inside}");
        // What is unused is taken out, and the rest stays as it was.
        if expected.iter().any(|one| one.ends_with("unused-suppression")) {
            lint(
                folder.path(),
                &["--fix", "--select", "unused-suppression,weak-cipher,deprecated-protocol", "nginx.conf"],
            );
            let after = lint(folder.path(), &["nginx.conf"]);
            assert!(!text(&after).contains("unused-suppression"), "{}", text(&after));
        }
    }
}

#[test]
fn comments_stand_in_the_languages_of_all_servers() {
    let apache = "ServerRoot /etc/apache2\nLoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so\nListen 443\n\
        # shakedown: ignore[certificate-file-missing, key-file-missing] they come with the deployment\n\
        <VirtualHost *:443>\nServerName a.test\nSSLEngine on\nSSLCertificateFile /no/a.pem\nSSLCertificateKeyFile /no/a.key\n\
        SSLProtocol -all +TLSv1.2 +TLSv1.3\n</VirtualHost>\n";
    let caddy = "a.test {\n    tls /no/a.pem /no/a.key # shakedown: ignore[certificate-file-missing, key-file-missing] later\n}\n\
        b.test {\n    # shakedown: ignore-block[certificate-file-missing, key-file-missing] later\n    tls /no/b.pem /no/b.key\n}\n";
    for (name, config) in [("httpd.conf", apache), ("Caddyfile", caddy)] {
        let folder = tree(&[(name, config)]);
        let output = lint(folder.path(), &["--platform", "debian-12", name]);
        assert_eq!((text(&output), words(&output)), (String::new(), String::new()), "{name}");
        let without = config.replace("shakedown: ignore", "shakedown ignore");
        std::fs::write(folder.path().join(name), without).expect("a file");
        let output = lint(folder.path(), &["--platform", "debian-12", name]);
        assert!(text(&output).contains("file-missing"), "{name}: {}", text(&output));
    }
}

#[test]
fn comments_are_added_where_findings_are() {
    let inside = "        ssl_protocols TLSv1 TLSv1.2 TLSv1.3;\n        ssl_ciphers ECDHE+AESGCM:eNULL:@SECLEVEL=0;";
    for line_end in ["\n", "\r\n"] {
        let config = nginx(inside).replace('\n', line_end);
        let folder = tree(&[("nginx.conf", &config), ("shakedown.toml", BASE)]);
        let before = lint(folder.path(), &["nginx.conf"]);
        assert_eq!(found(&before), ["nginx.conf:7 deprecated-protocol", "nginx.conf:8 weak-cipher"]);
        let output = lint(folder.path(), &["--add-ignores=until the till is replaced", "nginx.conf"]);
        assert_eq!((text(&output), &*words(&output)), (String::new(), "added 2 comments in 1 file\n"));
        assert_eq!(output.status.code(), Some(0));
        let expected = inside
            .replace(
                "        ssl_p",
                "        # shakedown: ignore[deprecated-protocol] until the till is replaced\n        ssl_p",
            )
            .replace(
                "        ssl_c",
                "        # shakedown: ignore[weak-cipher] until the till is replaced\n        ssl_c",
            );
        let after = std::fs::read_to_string(folder.path().join("nginx.conf")).expect("the file");
        assert_eq!(after, nginx(&expected).replace('\n', line_end));
    }
}

#[test]
fn known_findings_stay_known_while_other_lines_change() {
    let config = format!("{BASE}ignore = [\"implicit-default-server\"]\n");
    let folder = tree(&[("shakedown.toml", &config)]);
    let write = |text: &str| std::fs::write(folder.path().join("nginx.conf"), text).expect("a file");
    let site = |name: &str, certificate: &str| {
        format!(
            "    server {{\n        listen 443 ssl;\n        server_name {name};\n        ssl_certificate {certificate};\n        \
             ssl_certificate_key a.key;\n        ssl_protocols TLSv1.2 TLSv1.3;\n    }}\n"
        )
    };
    let whole = |sites: &[String]| format!("events {{}}\nhttp {{\n{}}}\n", sites.concat());
    write(&whole(&[site("a.test", "no.pem"), site("b.test", "no.pem")]));
    let output = lint(folder.path(), &["--write-baseline", "known.json", "."]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        words(&output).starts_with("2 findings written to known.json"),
        "{}{}",
        words(&output),
        text(&lint(folder.path(), &["."]))
    );
    let known = |arguments: &[&str]| lint(folder.path(), &[&["--baseline", "known.json"], arguments].concat());
    assert_eq!((found(&known(&["."])).len(), known(&["."]).status.code()), (0, Some(0)));
    // Lines above, another order, another way to name the path, time that passes: all the same.
    write(&format!("# new\n\n{}", whole(&[site("b.test", "no.pem"), site("a.test", "no.pem")])));
    assert_eq!(found(&known(&["nginx.conf"])), [""; 0]);
    assert_eq!(found(&known(&["--now", "+100d", "--select", "certificate-file-missing", "./nginx.conf"])), [""; 0]);
    // The same fault at another site is new, though its text is the same and one that is known is gone.
    write(&whole(&[site("a.test", "no.pem"), site("c.test", "no.pem")]));
    assert_eq!(found(&known(&["."])), ["./nginx.conf:13 certificate-file-missing"]);
    let shown = shakedown(folder.path(), &["lint", "--now", NOW, "--baseline", "known.json", "."]);
    assert!(text(&shown).contains("left out: 1 known from the baseline"), "{}", text(&shown));
    assert!(text(&shown).contains("baseline: 1 finding in it are no more"), "{}", text(&shown));
    // From the configuration, without an option. What is no baseline is never written over.
    std::fs::write(folder.path().join("shakedown.toml"), format!("{config}baseline = \"known.json\"\n"))
        .expect("a file");
    assert_eq!(found(&lint(folder.path(), &["."])).len(), 1);
    let output = lint(folder.path(), &["--write-baseline", "nginx.conf", "."]);
    assert_eq!(output.status.code(), Some(2));
    assert!(words(&output).contains("nginx.conf is there and is no baseline"), "{}", words(&output));
}

const OWN: &str = r#"title = "TLS 1.2, which our clients no longer need"
severity = "error"
servers = ["nginx"]
why = "All our clients speak TLS 1.3."

[template]
name = "protocols"
allowed = ["TLSv1.3"]

[message]
text = "{found} can be negotiated with {site}"
caption = "switched on here"

[[example]]
server = "nginx"
expect = "bad"
config = '''
server {
    listen 443 ssl;
    server_name a.test;
    ssl_certificate a.pem;
    ssl_certificate_key a.key;
    ssl_protocols TLSv1.2 TLSv1.3;
#                 ^^^^^^^
}
'''

[[example]]
server = "nginx"
expect = "good"
config = '''
server {
    listen 443 ssl;
    server_name a.test;
    ssl_certificate a.pem;
    ssl_certificate_key a.key;
    ssl_protocols TLSv1.3;
}
'''
"#;

#[test]
fn own_rules_are_read_listed_tested_and_held_to() {
    let config = format!("{BASE}rules = \"own\"\n[severity]\nno-tls12 = \"warning\"\n");
    let folder = tree(&[
        ("nginx.conf", &nginx("        ssl_protocols TLSv1.2 TLSv1.3;")),
        ("shakedown.toml", &config),
        ("own/no-tls12.toml", OWN),
    ]);
    let output = lint(folder.path(), &["nginx.conf"]);
    assert_eq!(text(&output), "nginx.conf:7:23: warning[no-tls12]: TLSv1.2 can be negotiated with a.test\n");
    assert_eq!(found(&lint(folder.path(), &["--ignore", "no-tls12", "nginx.conf"])), [""; 0]);
    let listed = text(&shakedown(folder.path(), &["rules"]));
    assert!(listed.lines().any(|line| line.starts_with("no-tls12 ") && line.ends_with("(own)")), "{listed}");
    let tested = shakedown(folder.path(), &["rules", "test", "own"]);
    assert_eq!((&*text(&tested), tested.status.code()), ("no-tls12: ok (2 examples)\n", Some(0)));

    // An example that does not hold, and pages that cannot be.
    let at = |name: &str| folder.path().join("own").join(name);
    std::fs::write(at("no-tls12.toml"), OWN.replace("    ssl_protocols TLSv1.3;", "    ssl_protocols TLSv1.2;"))
        .expect("a file");
    std::fs::write(at("weak-cipher.toml"), OWN).expect("a file");
    std::fs::write(at("misspelt.toml"), OWN.replace("\"TLSv1.3\"]", "\"TLSv1.4\"]")).expect("a file");
    std::fs::write(at("without.toml"), OWN.replace("why =", "because =")).expect("a file");
    let tested = shakedown(folder.path(), &["rules", "test", "own"]);
    let told = text(&tested);
    assert_eq!(tested.status.code(), Some(1));
    for expected in [
        "no-tls12: fails (2 examples)\n  example 2:\n    speaks at line 6, columns 19 to 25: TLSv1.2 can be negotiated with a.test",
        "there is a rule `weak-cipher` already",
        "no such protocol: `TLSv1.4`",
        "unknown field `because`",
    ] {
        assert!(told.contains(expected), "{expected} in {told}");
    }
    // The run says the same, with the places.
    let output = lint(folder.path(), &["nginx.conf"]);
    assert!(
        text(&output).contains("own/without.toml:4:1: error[invalid-setting]: unknown field `because`"),
        "{}",
        text(&output)
    );
    let shown = text(&shakedown(folder.path(), &["rules", "--show-templates"]));
    std::fs::remove_dir_all(folder.path().join("own")).expect("a folder");
    std::fs::create_dir(folder.path().join("own")).expect("a folder");
    std::fs::write(at("first.toml"), shown).expect("a file");
    let tested = shakedown(folder.path(), &["rules", "test", "own"]);
    assert_eq!(text(&tested), "first: ok (2 examples)\n");
}

#[test]
fn profiles_hold_all_sites_against_a_recommendation() {
    let folder = tree(&[("nginx.conf", &nginx("        ssl_protocols TLSv1.2 TLSv1.3;")), ("shakedown.toml", BASE)]);
    let told = |profile: &str| {
        let output = lint(folder.path(), &["--profile", profile, "--fail-on", "never", "nginx.conf"]);
        let all = found(&output);
        all.iter().map(|one| one.split(' ').nth(1).expect("a rule").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(told("mozilla-modern"), ["group-outside-profile", "protocol-outside-profile"]);
    assert_eq!(told("mozilla-intermediate"), ["cipher-outside-profile", "group-outside-profile"]);
    // The certificate's key is of another kind than very old clients know.
    assert!(told("mozilla-old").contains(&"key-outside-profile".to_owned()), "{:?}", told("mozilla-old"));
}

#[test]
fn a_configuration_and_its_parts_are_judged_once() {
    let site = |port: &str| format!("server {{ listen {port} bogus; }}\n");
    let main = "events {}\nhttp {\n    include sites/*;\n}\n";
    let folder = tree(&[("nginx.conf", main), ("sites/a", &site("81")), ("sites/b", &site("82"))]);
    let count = |paths: &[&str]| {
        let found = found(&lint(folder.path(), &[&["--select", "invalid-argument"], paths].concat()));
        found.len()
    };
    assert_eq!(count(&["nginx.conf"]), 2);
    assert_eq!(count(&["sites/a"]), 1);
    assert_eq!(count(&["sites/a", "nginx.conf"]), 2);
    assert_eq!(count(&["nginx.conf", "sites/b", "sites/a"]), 2);
    assert_eq!(count(&["./nginx.conf", "sites/../sites/a", "nginx.conf"]), 2);
}
