//! Trees from a stranger, each linted by a child process with a limit on its memory and its time; what the program asks of the
//! system meanwhile; and that no key leaves it in any format.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Output};

use shakedown_testing::recipe::{self, file};

/// Address space of the child, in bytes, where a test does not ask for less.
const MEMORY: u64 = 4 << 30;
/// After this many seconds a run is called a hang. A debug build on a busy machine takes a small part of it.
const PATIENCE: &str = "600";

const FORMATS: &[&str] =
    &["pretty", "concise", "json", "ndjson", "sarif", "github", "gitlab", "junit", "checkstyle", "prometheus"];

struct Tree {
    folder: tempfile::TempDir,
    /// Address space of the child, in bytes.
    memory: u64,
}

impl Tree {
    fn new() -> Tree {
        Tree { folder: tempfile::tempdir().expect("a temporary folder"), memory: MEMORY }
    }

    fn of(main: &str, text: impl AsRef<[u8]>) -> Tree {
        Tree::new().with(main, text)
    }

    /// With less memory.
    fn bounded(self, memory: u64) -> Tree {
        Tree { memory, ..self }
    }

    fn with(self, path: &str, text: impl AsRef<[u8]>) -> Tree {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder can be made");
        std::fs::write(path, text).expect("a file can be written");
        self
    }

    /// Lints it within the bounds: neither hangs, nor runs out of memory, nor panics.
    fn lint(&self, more: &[&str]) -> Output {
        let mut command = Command::new("prlimit");
        let memory = format!("--as={}", self.memory);
        command.args([&memory, "timeout", PATIENCE, env!("CARGO_BIN_EXE_shakedown"), "lint", "--isolated"]);
        command.args(["--platform", "debian-12", "--jobs", "2"]).args(more).current_dir(self.folder.path());
        let output = command.output().expect("prlimit and timeout are installed");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(0..=2)), "{:?}: {said}", output.status);
        assert!(!said.contains("panicked") && !said.contains("defect"), "{said}");
        output
    }

    fn concise(&self) -> String {
        let output = self.lint(&["--format", "concise", "."]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!text.contains("defect"), "{text:.1000}");
        text + &String::from_utf8_lossy(&output.stderr)
    }

    /// What is said, of which each of `words` is a part.
    fn says(&self, words: &[&str]) -> String {
        let text = self.concise();
        for one in words {
            assert!(text.contains(one), "{one} in\n{text:.2000}");
        }
        text
    }
}

const HTTP: &str = "events {}\nhttp {\n";

#[test]
fn includes_that_multiply() {
    let nginx = "include d/*.conf;\n";
    let cases = [
        ("nginx.conf", format!("{HTTP}{nginx}}}\n"), nginx),
        ("apache2.conf", "Include d/*.conf\n".to_owned(), "Include d/*.conf\n"),
        ("Caddyfile", "import d/*.conf\n".to_owned(), "import *.conf\n"),
    ];
    for (main, text, each) in cases {
        let mut tree = Tree::of(main, text);
        for number in 0..300 {
            tree = tree.with(&format!("d/{number}.conf"), each);
        }
        tree.says(&["include-cycle"]);
    }
    // Forty files, each including the next twice.
    for (main, before, include, after, after_word) in [
        ("nginx.conf", HTTP, "include ", "}\n", ";\n"),
        ("apache2.conf", "", "Include ", "", "\n"),
        ("Caddyfile", "", "import ", "", "\n"),
    ] {
        let twice = |name: &str| format!("{include}{name}{after_word}").repeat(2);
        let mut tree = Tree::of(main, format!("{before}{}{after}", twice("f0")));
        for number in 0..40 {
            tree = tree.with(&format!("f{number}"), twice(&format!("f{}", number + 1)));
        }
        tree.with("f40", "#\n").says(&["include-cycle", "more than 20"]);
    }
}

#[test]
fn nesting_of_a_hundred_thousand() {
    let nested = |open: &str, close: &str| open.repeat(100_000) + &close.repeat(100_000);
    let told = "nest";
    Tree::of("nginx.conf", nested("a {", "}")).says(&[told]);
    Tree::of("apache2.conf", nested("<Directory /x>\n", "</Directory>\n")).says(&["syntax-error"]);
    Tree::of("apache2.conf", nested("<IfModule !no.c>\n", "</IfModule>\n")).says(&[told]);
    Tree::of("Caddyfile", format!("a.test {{\n{}}}\n", nested("handle {\n", "}\n"))).says(&[told]);
    Tree::of("caddy.json", format!("{{\"apps\":{}}}", nested("[", "]"))).says(&[told]);
    Tree::of("caddy.json", format!("{{\"apps\":{}1{}}}", "{\"a\":".repeat(100_000), "}".repeat(100_000))).says(&[told]);
}

#[test]
fn a_line_of_two_hundred_megabytes() {
    let line = vec![b'x'; 200_000_000];
    for (main, text) in [
        ("nginx.conf", format!("{HTTP}include line;\n}}\n")),
        ("apache2.conf", "Include line\n".to_owned()),
        ("Caddyfile", "import line\n".to_owned()),
    ] {
        // Included or the main file, it is a finding.
        let tree = Tree::of(main, text).with("line", &line);
        tree.says(&["include-missing", "200000000 bytes, more than the limit of 67108864"]);
        std::fs::rename(tree.folder.path().join("line"), tree.folder.path().join(main)).expect("a file");
        tree.says(&["syntax-error", "the file has 200000000 bytes, and 67108864 are read at most"]);
    }
    Tree::of("caddy.json", line).says(&["syntax-error", "200000000 bytes"]);
}

#[test]
fn a_limit_may_be_moved() {
    let tree = Tree::of("nginx.conf", format!("{HTTP}include big;\ninclude big;\n}}\n"))
        .with("big", format!("#{}\n", "x".repeat(2 << 20)));
    let lint = |more: &[&str]| {
        let output = tree.lint(&[&["--format", "concise"], more, &["."]].concat());
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(!lint(&[]).contains("include-"));
    assert!(lint(&["--max-file-size", "1"]).contains("nginx.conf:3:9: error[include-missing]"));
    assert!(lint(&["--max-includes", "1"]).contains("nginx.conf:4:9: error[include-cycle]"));
    assert!(lint(&["--max-total-size", "1"]).contains("nginx.conf:3:9: error[include-missing]"));
    let tree = Tree::of("nginx.conf", format!("{HTTP}include one;\nserver {{ location / {{ a; b; }} }}\n}}\n"))
        .with("one", "include two;\n")
        .with("two", "#\n");
    let lint = |more: &[&str]| {
        let output = tree.lint(&[&["--format", "concise"], more, &["."]].concat());
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    };
    let plain = lint(&[]);
    assert!(plain.contains("nginx.conf:4:") && !plain.contains("include-") && !plain.contains("nest"), "{plain}");
    assert!(
        lint(&["--max-words", "10"]).contains("nginx.conf:3:9: error[include-missing]"),
        "{}",
        lint(&["--max-words", "10"])
    );
    assert!(lint(&["--max-words", "2"]).contains("nginx.conf:1:1: error[syntax-error]"));
    assert!(lint(&["--max-include-depth", "1"]).contains("one:1:9: error[include-cycle]"));
    assert!(lint(&["--max-nesting", "2"]).contains("blocks nest deeper than 2"));
    assert_eq!(lint(&["--max-findings", "1"]).lines().count(), 1);
    let json = tree.lint(&["--max-findings", "1", "--format", "json", "."]);
    assert!(String::from_utf8_lossy(&json.stdout).contains("see --max-findings"));
    // A limit that makes no sense is refused.
    assert_eq!(tree.lint(&["--max-nesting", "100000", "."]).status.code(), Some(2));
}

#[test]
fn three_hundred_thousand_directives_and_names() {
    Tree::of("nginx.conf", format!("{HTTP}{}}}\n", "ssl_protocols TLSv1.2;\n".repeat(300_000))).concise();
    Tree::of("apache2.conf", "SSLProtocol all\n".repeat(300_000)).concise();
    Tree::of("Caddyfile", format!("a.test {{\n{}}}\n", "respond ok\n".repeat(300_000))).concise();
    let names = |between: &str| (0..300_000).map(|number| format!("n{number}.test")).collect::<Vec<_>>().join(between);
    Tree::of("nginx.conf", format!("{HTTP}server {{ listen 443 ssl; server_name {}; }}\n}}\n", names(" "))).concise();
    let apache = format!("Listen 443\n<VirtualHost *:443>\nSSLEngine on\nServerAlias {}\n</VirtualHost>\n", names(" "));
    Tree::of("apache2.conf", apache).concise();
}

/// Each name of Caddy is a site, and may have a certificate of its own.
#[test]
fn three_hundred_thousand_names_of_caddy() {
    let names: Vec<String> = (0..300_000).map(|number| format!("n{number}.test")).collect();
    Tree::of("Caddyfile", format!("{} {{\n\trespond ok\n}}\n", names.join(", "))).says(&["acme-impossible-name"]);
}

#[test]
fn fifty_thousand_servers_of_one_name() {
    let server = "server { listen 443 ssl; server_name a.test; }\n";
    Tree::of("nginx.conf", format!("{HTTP}{}}}\n", server.repeat(50_000))).says(&["shadowed-site"]);
    let host = "<VirtualHost *:443>\nServerName a.test\nSSLEngine on\n</VirtualHost>\n";
    Tree::of("apache2.conf", format!("Listen 443\n{}", host.repeat(50_000))).says(&["no-certificate"]);
    Tree::of("Caddyfile", "a.test {\n\trespond ok\n}\n".repeat(50_000)).says(&["ambiguous-site"]);
}

/// A file that says one letter over and over, up to the largest size: told before it costs much, as the main file and as one
/// that is included.
#[test]
fn files_of_words_without_end() {
    let limit = "more than 3000000 words";
    let bounded = |main: &str, text: &str| Tree::of(main, text).bounded(2 << 30);
    let largest = "a ".repeat((64 << 19) - 64);
    for (main, before) in [("nginx.conf", HTTP), ("apache2.conf", ""), ("Caddyfile", "")] {
        let said = bounded(main, &format!("{before}{largest}")).says(&[limit, "[syntax-error]"]);
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    bounded("caddy.json", &format!("{{\"apps\":[{}1]}}", "1,".repeat((64 << 19) - 64))).says(&[limit]);
    let lines = "a\n".repeat(3_100_000);
    for (main, text, include) in [
        ("nginx.conf", format!("{HTTP}{}", lines.replace('\n', ";")), format!("{HTTP}include big;\n}}\n")),
        ("apache2.conf", lines.clone(), "Include big\n".to_owned()),
        ("Caddyfile", lines.clone(), "import big\n".to_owned()),
    ] {
        bounded(main, &text).says(&[limit, "[syntax-error]"]);
        bounded(main, &include).with("big", text).says(&[limit, "[include-missing]"]);
    }
}

/// One large file, included thousands of times, and a thousand links to one large file.
#[test]
fn large_files_over_and_over() {
    let again = 3_000;
    for (main, text, big) in [
        ("nginx.conf", format!("{HTTP}{}}}\n", "include big;\n".repeat(again)), "ssl_session_timeout 5m;\n"),
        ("apache2.conf", "Include big\n".repeat(again), "SSLSessionCacheTimeout 5\n"),
        ("Caddyfile", "import big\n".repeat(again), "a.test {\n\trespond ok\n}\n"),
    ] {
        let tree = Tree::of(main, text).with("big", big.repeat(5_000));
        tree.says(&["include-cycle", if main == "Caddyfile" { "more than" } else { "more than 12000000 words" }]);
    }
    for (main, text, include) in [
        ("nginx.conf", format!("{HTTP}include d/*;\n}}\n"), "nginx"),
        ("apache2.conf", "Include d/*\n".to_owned(), "apache"),
        ("Caddyfile", "import d/*\n".to_owned(), "caddy"),
    ] {
        let tree = Tree::of(main, text).with("large", vec![b'#'; 60 << 20]).with("d/0", "#\n").bounded(3 << 30);
        for number in 1..200 {
            let link = tree.folder.path().join(format!("d/{number}"));
            std::os::unix::fs::symlink("../large", link).expect("a link");
        }
        let said = tree.says(&["more than 1073741824 bytes would be read (see --max-total-size)"]);
        assert!(!said.contains("defect"), "{include}");
    }
}

/// The deepest that the options allow: whoever walks a tree still has room.
#[test]
fn the_deepest_nesting_that_may_be_asked_for() {
    let nested = |open: &str, close: &str, inside: &str| open.repeat(990) + inside + &close.repeat(990);
    let deep = |tree: Tree| {
        let told = tree.lint(&["--max-nesting", "1000", "--max-include-depth", "200", "--format", "concise", "."]);
        String::from_utf8_lossy(&told.stdout).into_owned()
    };
    // Each of the files includes the next from its innermost block.
    let chained = |main: &str, before: &str, open: &str, close: &str, include: &str, after: &str| {
        let mut tree = Tree::of(main, format!("{before}{}{after}", nested(open, close, &include.replace('N', "f0"))));
        for number in 0..199 {
            let next = include.replace('N', &format!("f{}", number + 1));
            tree = tree.with(&format!("f{number}"), nested(open, close, &next));
        }
        deep(tree.with("f199", "\n"))
    };
    chained("nginx.conf", "events {}\nhttp { server {", "location / {\n", "}\n", "include N;\n", "}}\n");
    chained("apache2.conf", "", "<IfModule !no.c>\n", "</IfModule>\n", "Include N\n", "");
    chained("Caddyfile", "a.test {\n", "handle {\n", "}\n", "import N\n", "}\n");
    let json = format!("{{\"apps\":{}}}", nested("[", "]", ""));
    assert!(!deep(Tree::of("caddy.json", json)).contains("nest"));
}

#[test]
fn macros_snippets_and_substitutions_that_multiply() {
    let levels = |first: &str, each: &dyn Fn(usize) -> String, last: &str| {
        (1..60).fold(first.to_owned(), |text, level| text + &each(level)) + last
    };
    let macros = levels(
        "LoadModule macro_module x\n<Macro M0>\nServerAlias x\n</Macro>\n",
        &|level| format!("<Macro M{level}>\n{}</Macro>\n", format!("Use M{}\n", level - 1).repeat(2)),
        "Use M59\n",
    );
    Tree::of("apache2.conf", macros).says(&["include-cycle"]);
    let defines =
        levels("Define A0 xxxxxxxxxx\n", &|level| format!("Define A{level} ${{A{0}}}${{A{0}}}\n", level - 1), "");
    Tree::of("apache2.conf", defines).says(&["include-cycle"]);
    let snippets = levels(
        "(m0) {\n\trespond ok\n}\n",
        &|level| format!("(m{level}) {{\n{}}}\n", format!("\timport m{}\n", level - 1).repeat(2)),
        "a.test {\n\timport m59\n}\n",
    );
    Tree::of("Caddyfile", snippets).says(&["include-cycle"]);
    let arguments = levels(
        "(m0) {\n\trespond {args.0}{args.0}\n}\n",
        &|level| format!("(m{level}) {{\n\timport m{} {{args.0}}{{args.0}}\n}}\n", level - 1),
        "a.test {\n\timport m59 xxxxxxxxxx\n}\n",
    );
    Tree::of("Caddyfile", arguments).says(&["include-cycle"]);
}

#[test]
fn cipher_strings_of_three_hundred_thousand_words() {
    let words = |between: &str| (0..300_000).map(|number| format!("W{number}")).collect::<Vec<_>>().join(between);
    let known = ["HIGH", "!aNULL", "+RSA", "-MD5"].repeat(75_000).join(":");
    for string in [words(":"), known] {
        Tree::of("nginx.conf", format!("{HTTP}ssl_ciphers {string};\nserver {{ listen 443 ssl; }}\n}}\n")).concise();
        let host = format!("Listen 443\n<VirtualHost *:443>\nSSLEngine on\nSSLCipherSuite {string}\n</VirtualHost>\n");
        Tree::of("apache2.conf", host).concise();
    }
    // Quoted, nginx takes a longer word; Caddy's are words of their own.
    let caddy = format!("a.test {{\n\ttls a.pem a.key {{\n\t\tciphers {}\n\t}}\n}}\n", words(" "));
    Tree::of("Caddyfile", caddy).says(&["unknown-cipher"]);
}

#[test]
fn regular_expressions_that_explode_elsewhere() {
    let deep = "(".repeat(1_000) + &")".repeat(1_000);
    let bad = ["(a+)+$", "(([a-z])+.)+[A-Z]([a-z])+$", "(x{1000}){1000}", "(a|a)*$", "(.*)*(.*)*(.*)*b", &deep];
    let names: String = bad.iter().fold(String::new(), |mut text, one| {
        let _ = write!(text, " \"~^{one}\"");
        text
    });
    let long = "a".repeat(3_000);
    let servers = format!(
        "server {{ listen 443 ssl; server_name{names}; }}\nserver {{ listen 443 ssl; server_name {long}b; }}\n"
    );
    Tree::of("nginx.conf", format!("{HTTP}{servers}}}\n")).concise();
}

#[test]
fn what_is_no_regular_file_is_told_and_not_read() {
    let tree = Tree::new();
    let at = |name: &str| tree.folder.path().join(name);
    let made = Command::new("mkfifo").arg(at("fifo")).status().expect("mkfifo");
    assert!(made.success());
    let _listener = std::os::unix::net::UnixListener::bind(at("socket")).expect("a socket");
    std::os::unix::fs::symlink("loop", at("loop")).expect("a link");
    std::os::unix::fs::symlink("/nowhere", at("dangling")).expect("a link");
    let odd = at("d").join(std::ffi::OsStr::from_bytes(b"\xff\xfe\n.conf"));
    std::fs::create_dir(at("d")).expect("a folder");
    std::fs::write(odd, "ssl_protocols TLSv9;\n").expect("a file");
    let paths =
        ["fifo", "socket", "loop", "dangling", "/dev/zero", "/dev/stdin", "/proc/self/environ", "/proc/kmsg", "d/*"];
    let includes: String = paths.iter().map(|path| format!("include {path};\n")).collect();
    let tree = tree.with("nginx.conf", format!("{HTTP}{includes}}}\n"));
    let mut command = Command::new("timeout");
    command.args([PATIENCE, env!("CARGO_BIN_EXE_shakedown"), "lint", "--isolated", "--format", "concise", "."]);
    command.current_dir(tree.folder.path()).env("TOKEN_OF_THE_RUNNER", "not-to-be-told");
    let output = command.output().expect("timeout");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    for (line, said) in [
        (3, "a named pipe"),
        (4, "a socket"),
        (5, "circle"),
        (6, "dangling"),
        (7, "a device"),
        (9, "not a regular file"),
        (10, "not a regular file"),
    ] {
        let place = format!("./nginx.conf:{line}:9: ");
        assert!(text.lines().any(|one| one.starts_with(&place) && one.contains(said)), "{place} {said} in\n{text}");
    }
    assert!(text.contains("unknown-protocol") && !text.contains("not-to-be-told"), "{text}");
}

/// Below `--root`, no link and no `..` leads to a file outside.
#[test]
fn nothing_leads_out_of_a_root() {
    let tree = Tree::of("secret", "outside-of-the-root;\n").with("root/etc/nginx/nginx.conf", HTTP.to_owned()
        + "include /etc/nginx/up;\ninclude /etc/nginx/absolute;\ninclude ../../../secret;\ninclude /../secret;\ninclude folder/secret;\n}\n");
    let at = |name: &str| tree.folder.path().join("root/etc/nginx").join(name);
    std::os::unix::fs::symlink("../../../secret", at("up")).expect("a link");
    std::os::unix::fs::symlink(tree.folder.path().join("secret"), at("absolute")).expect("a link");
    std::os::unix::fs::symlink("../../..", at("folder")).expect("a link");
    let output = tree.lint(&["--root", "root", "--format", "json", "/etc/nginx/nginx.conf"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("include-missing") && !text.contains("outside-of-the-root"), "{text}");
}

/// Members that climb out, absolute ones, links to files outside, one of two gigabytes in two megabytes, and a torn archive.
#[test]
fn archives_that_lie_and_explode() {
    const MAKING: &str = "mkdir -p etc/nginx
printf 'events {}\nhttp { include /etc/nginx/up; include /etc/nginx/absolute; include /secret; }\n' > etc/nginx/nginx.conf
printf 'outside-of-the-archive;\n' > secret
ln -s ../../../secret etc/nginx/up
ln -s \"$PWD/secret\" etc/nginx/absolute
tar cf links.tar etc
tar cPf dots.tar --transform 's,^secret,../secret,' etc secret
echo inside > inside
tar cPf absolute.tar \"$PWD/inside\" etc
truncate -s 2G etc/nginx/zeros.conf
tar cf - etc | gzip -1 > bomb.tar.gz
head -c 100000 bomb.tar.gz > torn.tar.gz";
    let tree = Tree::new().bounded(2 << 30);
    let made = Command::new("sh").args(["-ec", MAKING]).current_dir(tree.folder.path()).status().expect("sh");
    assert!(made.success());
    for archive in ["links.tar", "dots.tar", "absolute.tar", "bomb.tar.gz", "torn.tar.gz"] {
        let output = tree.lint(&["--format", "json", archive]);
        let all = [&output.stdout[..], &output.stderr].concat();
        let text = String::from_utf8_lossy(&all);
        assert!(!text.contains("outside-of-the-archive"), "{archive}: {text:.2000}");
        let is_read = matches!(archive, "links.tar" | "absolute.tar");
        assert_eq!(output.status.code() == Some(2), !is_read, "{archive}: {text:.2000}");
    }
}

/// Names and values with escape sequences, marks that turn the reading direction, and words of workflow commands.
#[test]
fn escape_sequences_are_never_raw() {
    let text = format!(
        "{HTTP}server {{ listen 443 ssl; server_name \"\u{1b}]0;owned\u{7}\u{1b}[31mred\" \"\u{202e}live\u{2066}\" \"a\u{9b}31mb\" \"\n::error::x\";\n\
         ssl_certificate \"\u{1b}[2J.pem\"; ssl_certificate_key \"\u{1b}[2J.key\"; ssl_protocols \u{1b}[31mTLSv9; ssl_ciphers \"\u{1b}[5m\";\n\
         \u{1b}[31mdirective x; }}\ninclude \"\u{1b}[8m/*\";\n}}\n"
    );
    let tree = Tree::of("nginx.conf", text).with("\u{1b}[8m/\u{1b}[32m\u{202e}.conf", "\u{1b}[1munknown;\n");
    for format in FORMATS {
        let output = tree.lint(&["--format", format, "--color", "never", "."]);
        let all = [&output.stdout[..], &output.stderr].concat();
        let text = String::from_utf8(all).unwrap_or_else(|_| panic!("{format} is text"));
        let raw = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t' | '\r');
        let is_shown = matches!(*format, "pretty" | "concise" | "github" | "prometheus");
        let turns = |letter: char| matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let found = text.chars().find(|letter| raw(*letter) || turns(*letter));
        assert!(found.is_none(), "{format} has {found:?}:\n{text:?}");
        assert!(!is_shown || !text.lines().any(|line| line.starts_with("::error::x")), "{format}");
    }
}

#[test]
fn certificates_with_megabyte_names() {
    let mut names = vec![format!("{}.test", "n".repeat(1 << 20))];
    names.extend((0..20_000).map(|number| format!("n{number}.a.test")));
    let whole = shakedown_testing::certificate::Certificate { names, ..recipe::certificate("leaf a.test") };
    let server = "server { listen 443 ssl; server_name a.test; ssl_certificate a.pem; ssl_certificate_key a.key; }\n";
    let tree = Tree::of("nginx.conf", format!("{HTTP}{server}}}\n"))
        .with("a.pem", whole.pem())
        .with("a.key", file(["key ec1"]));
    for format in FORMATS {
        let output = tree.lint(&["--format", format, "."]);
        assert!(output.stdout.len() < 200_000, "{format}: {}", output.stdout.len());
    }
}

/// A file that is taken away while the run reads: each is a finding or is passed over.
#[test]
fn files_that_vanish() {
    let mut tree = Tree::of("nginx.conf", format!("{HTTP}include d/*.conf;\n}}\n"));
    for number in 0..40 {
        tree = tree.with(&format!("d/{number:02}.conf"), "server { listen 443 ssl; }\n");
    }
    for number in (1..40).step_by(6) {
        let mut strace = Command::new("strace");
        strace
            .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=openat", "-P"])
            .arg(tree.folder.path().join("d/07.conf"));
        strace.args(["-e", &format!("inject=openat:error=ENOENT:when={}", 1 + number % 2)]);
        strace
            .args([env!("CARGO_BIN_EXE_shakedown"), "lint", "--isolated", "--format", "concise"])
            .arg(tree.folder.path());
        let output = strace.output().expect("strace is installed: run tests/install");
        assert!(matches!(output.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// All that the program asks of the system while it lints: no socket, no other program, and nothing opened for writing.
#[test]
fn no_network_no_program_and_nothing_written() {
    let server = "server { listen 443 ssl; server_name a.test; ssl_certificate a.pem; ssl_certificate_key a.key;\n\
                  ssl_stapling on; resolver 192.0.2.1; location / { proxy_pass https://upstream.test; } }\n";
    let caddy = "a.test {\n\ttls {\n\t\tissuer acme {\n\t\t\tdir https://acme.test/dir\n\t\t}\n\t\tget_certificate http http://x.test\n\t}\n}\n";
    let tree = Tree::of("nginx.conf", format!("{HTTP}include /dev/zero;\ninclude fifo;\n{server}}}\n"))
        .with("Caddyfile", caddy)
        .with("apache2.conf", "Listen 443\nSSLPassPhraseDialog exec:/bin/id\nCustomLog |/bin/id x\nInclude fifo\n")
        .with("a.pem", file(["leaf a.test", "intermediate"]))
        .with("a.key", file(["key ec1"]));
    assert!(Command::new("mkfifo").arg(tree.folder.path().join("fifo")).status().expect("mkfifo").success());
    for main in ["nginx.conf", "apache2.conf", "Caddyfile"] {
        let log = tree.folder.path().join("log");
        let mut strace = Command::new("strace");
        strace.args([
            "-f",
            "-qq",
            "-e",
            "trace=network,process,openat,open,creat,rename,unlink,unlinkat,io_uring_setup",
            "-o",
        ]);
        strace.arg(&log).args([
            env!("CARGO_BIN_EXE_shakedown"),
            "lint",
            "--platform",
            "debian-12",
            "--format",
            "json",
            main,
        ]);
        let output = strace.current_dir(tree.folder.path()).output().expect("strace is installed: run tests/install");
        assert!(matches!(output.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&output.stderr));
        let log = std::fs::read_to_string(log).expect("a log");
        let mut opened = 0;
        for line in log.lines() {
            let call = line.split_once(' ').map_or(line, |(_, call)| call.trim_start());
            let name = call.split('(').next().unwrap_or_default();
            match name {
                "execve" => assert!(call.contains("shakedown"), "{line}"),
                "clone" | "clone3" => assert!(call.contains("CLONE_THREAD"), "{line}"),
                "openat" | "open" => {
                    opened += 1;
                    assert!(
                        !["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"].iter().any(|flag| call.contains(flag)),
                        "{line}"
                    );
                    assert!(!call.contains("fifo") && !call.contains("/dev/zero"), "{line}");
                }
                "exit" | "exit_group" | "arch_prctl" | "wait4" | "kill" | "tgkill" => {}
                // A thread that ends while it is looked at has no call any more.
                _ if name.starts_with(['<', '+', '-', '?']) || name.is_empty() => {}
                _ => panic!("{line}"),
            }
        }
        assert!(opened > 3, "{log}");
    }
}

/// Keys in every form, wherever a configuration may name a file: no line of them, and none of their numbers, is told in any
/// format.
#[test]
fn no_byte_of_a_key_is_told() {
    let keys: BTreeMap<&str, Vec<u8>> = BTreeMap::from([
        ("pkcs8.key", file(["key ec1"])),
        ("rsa.key", file(["key rsa1"])),
        ("sec1.key", file(["sec1 ec2"])),
        ("locked.key", file(["encrypted ec1 password=opensesame"])),
        ("both.pem", [file(["leaf a.test"]), file(["key ec1"])].concat()),
        ("broken.key", file(["key ec2"])[..120].to_vec()),
        ("crlf.key", String::from_utf8_lossy(&file(["key ec1"])).replace('\n', "\r\n").into_bytes()),
        ("words", b"opensesame\nsecond-secret\n".to_vec()),
        ("tickets", (0..80).map(|at: u8| at.wrapping_mul(37) ^ 0x5a).collect()),
    ]);
    let mut servers = String::new();
    for (number, name) in keys.keys().enumerate() {
        let _ = writeln!(
            servers,
            "server {{ listen {} ssl; server_name k{number}.test; ssl_certificate both.pem; ssl_certificate_key {name}; ssl_password_file words; }}\n\
             server {{ listen {} ssl; server_name c{number}.test; ssl_certificate {name}; ssl_certificate_key {name}; ssl_dhparam {name}; ssl_trusted_certificate {name}; ssl_session_ticket_key tickets; ssl_client_certificate {name}; }}",
            8000 + number,
            9000 + number
        );
    }
    // As configuration too: what is a key is shown nowhere. A list of words is a text as any other there.
    let texts = || keys.keys().filter(|name| !matches!(**name, "words" | "tickets"));
    let includes: String = texts().map(|name| format!("include {name};\n")).collect();
    let apache: String = texts()
        .map(|name| format!("<VirtualHost *:443>\nSSLEngine on\nSSLCertificateFile {name}\nSSLCertificateKeyFile {name}\nSSLCACertificateFile {name}\n</VirtualHost>\nInclude {name}\n"))
        .collect();
    let caddy: String =
        keys.keys().enumerate().map(|(at, name)| format!("k{at}.test {{\n\ttls {name} {name}\n}}\n")).collect();
    let mut tree = Tree::of("nginx.conf", format!("{HTTP}{servers}}}\n"))
        .with("included/nginx.conf", format!("{HTTP}{}}}\n", includes.replace("include ", "include ../")))
        .with("apache2.conf", format!("Listen 443\n{apache}"))
        .with("Caddyfile", caddy);
    for (name, bytes) in &keys {
        tree = tree.with(name, bytes);
    }
    // Lines of keys without their heads, and passwords; the ticket keys as any eight bytes, as hexadecimal and base64 too.
    let mut secrets: Vec<Vec<u8>> = vec![b"opensesame".to_vec(), b"second-secret".to_vec()];
    for (name, bytes) in &keys {
        let text = String::from_utf8_lossy(bytes);
        let mut is_inside = false;
        for line in text.lines().map(str::trim).filter(|_| *name != "tickets") {
            is_inside = (is_inside || line.contains("BEGIN")) && !line.contains("END CERTIFICATE");
            if line.contains("BEGIN CERTIFICATE") {
                is_inside = false;
            }
            if is_inside && line.len() > 16 && !line.starts_with("-----") {
                // Kinds of keys begin alike.
                secrets.extend(
                    line.as_bytes().chunks_exact(16).map(<[u8]>::to_vec).filter(|part| !part.starts_with(b"MI")),
                );
            }
        }
    }
    let tickets = &keys["tickets"];
    secrets.extend(tickets.chunks_exact(8).map(<[u8]>::to_vec));
    secrets.extend(
        tickets
            .chunks_exact(8)
            .map(|part| part.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes()),
    );
    assert!(secrets.len() > 60);
    let mut wrong = String::new();
    for main in ["nginx.conf", "included/nginx.conf", "apache2.conf", "Caddyfile", "pkcs8.key", "both.pem"] {
        let mut look = |command: &[&str], what: &str| {
            let mut program = Command::new(env!("CARGO_BIN_EXE_shakedown"));
            program.args(command).args(["--platform", "debian-12", "-v", main]).current_dir(tree.folder.path());
            let output = program.output().expect("the program runs");
            let all = [&output.stdout[..], &output.stderr].concat();
            assert!(matches!(output.status.code(), Some(0..=2)), "{main} {what}");
            for secret in &secrets {
                if all.windows(secret.len()).any(|window| window == &secret[..]) {
                    let _ = writeln!(wrong, "{main} {what}: {}", String::from_utf8_lossy(secret));
                }
            }
        };
        for format in FORMATS {
            look(&["lint", "--isolated", "--format", format], format);
        }
        look(&["lint", "--isolated", "--diff", "--unsafe-fixes"], "diff");
        look(&["certificates", "--isolated", "--format", "json"], "certificates");
        look(&["handshake", "--isolated", "--format", "json"], "handshake");
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// The program under a tracer that meddles with its `number`th call.
fn traced(folder: &Path, trace: &str, inject: &str, more: &[&str]) -> Output {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={trace}"), "-e", inject]).args(more);
    strace.arg(env!("CARGO_BIN_EXE_shakedown")).args(FIX).current_dir(folder);
    strace.output().expect("strace is installed: run tests/install")
}

const FIX: &[&str] =
    &["lint", "--isolated", "--platform", "debian-12", "--trust", "root.pem", "--fail-on", "never", "--fix", "nginx"];

/// Two files, each with a fault that is repaired.
struct Ground {
    tree: Tree,
}

impl Ground {
    fn new() -> Ground {
        let tree = Tree::of("nginx/nginx.conf", format!("{HTTP}include sites/*;\n}}\n"))
            .with("nginx/sites/a", Ground::site("a", "b.key"))
            .with("nginx/sites/b", Ground::site("b", "b.key"))
            .with("nginx/a.pem", file(["leaf a.test b.test", "intermediate"]))
            .with("nginx/a.key", file(["key ec1"]))
            .with("nginx/b.key", file(["key ec2"]))
            .with("root.pem", file(["root"]));
        Ground { tree }
    }

    fn site(name: &str, key: &str) -> String {
        // Longer than a page, so that a part of it would show.
        let comment = "# a line that stays as it is\n".repeat(300);
        format!(
            "{comment}server {{ listen 8443 ssl; server_name {name}.test; ssl_certificate a.pem; ssl_certificate_key {key}; }}\n{comment}"
        )
    }

    fn path(&self) -> &Path {
        self.tree.folder.path()
    }

    /// How many files are repaired; each holds the old text or the new one.
    fn repaired(&self) -> usize {
        let is_new = |name: &&&str| {
            let text = std::fs::read_to_string(self.path().join("nginx/sites").join(name)).expect("a file");
            let (old, new) = (Ground::site(name, "b.key"), Ground::site(name, "a.key"));
            assert!(text == old || text == new, "a mix:\n{text}");
            text == new
        };
        ["a", "b"].iter().filter(is_new).count()
    }

    fn leftovers(&self) -> usize {
        let all = walkdir::WalkDir::new(self.path()).into_iter().flatten();
        all.filter(|one| one.file_name().to_string_lossy().starts_with(".shakedown-")).count()
    }
}

#[test]
fn repairs_that_are_killed_leave_the_old_file_or_the_new_one() {
    let mut killed = 0;
    for call in ["write", "rename,renameat,renameat2", "fsync", "unlink,unlinkat", "fchmod", "openat", "exit_group"] {
        // Opening begins with libraries and certificates: the last calls are those that write.
        for number in (1..400).step_by(if call == "openat" { 3 } else { 1 }) {
            let ground = Ground::new();
            let output = traced(ground.path(), call, &format!("inject={call}:signal=KILL:when={number}"), &[]);
            let count = ground.repaired();
            if output.status.success() {
                assert_eq!(count, 2, "{call} {number}");
                break;
            }
            killed += 1;
            let mut again = Command::new(env!("CARGO_BIN_EXE_shakedown"));
            let again = again.args(FIX).current_dir(ground.path()).output().expect("the program runs");
            assert!(again.status.success(), "{call} {number}: {}", String::from_utf8_lossy(&again.stderr));
            assert_eq!(ground.repaired(), 2, "{call} {number}");
        }
    }
    assert!(killed >= 12, "only {killed} calls were hit");
}

/// Every single call of the system from the first that writes: whichever is the last, no file is a mix, the next run ends the
/// work, and nothing stays beside.
#[test]
fn repairs_that_are_killed_at_any_call() {
    let trace = |ground: &Ground, more: &[&str]| {
        let mut strace = Command::new("strace");
        strace.args(["-qq", "-o", "log"]).args(more).arg(env!("CARGO_BIN_EXE_shakedown")).args(FIX);
        strace
            .args(["--jobs", "1"])
            .current_dir(ground.path())
            .output()
            .expect("strace is installed: run tests/install")
    };
    let ground = Ground::new();
    assert!(trace(&ground, &[]).status.success());
    let log = std::fs::read_to_string(ground.path().join("log")).expect("a log");
    // strace counts each call by its name.
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let calls: Vec<(&str, usize, &str)> = log
        .lines()
        .filter_map(|line| {
            let (name, _) = line.split_once('(')?;
            let count = seen.entry(name).or_default();
            *count += 1;
            Some((name, *count, line))
        })
        .collect();
    let first = calls.iter().position(|(.., line)| line.contains("O_CREAT")).expect("something is written");
    let mut killed = 0;
    for (name, number, line) in &calls[first..] {
        let ground = Ground::new();
        let output = trace(&ground, &["-e", &format!("inject={name}:signal=KILL:when={number}")]);
        killed += usize::from(!output.status.success());
        ground.repaired();
        let again = Command::new(env!("CARGO_BIN_EXE_shakedown")).args(FIX).current_dir(ground.path()).output();
        assert!(again.expect("the program runs").status.success(), "{line}");
        assert_eq!((ground.repaired(), ground.leftovers()), (2, 0), "{line}");
    }
    assert!(killed >= 20, "only {killed} calls were hit of {}", calls.len());
}

#[test]
fn repairs_that_fail_say_so_and_lose_nothing() {
    let mut failed = 0;
    // An immutable file lets nobody take its place (EPERM); others are of a full, a broken and a read-only disk.
    for (call, error, words) in [
        ("write", "ENOSPC", "No space left"),
        ("rename,renameat,renameat2", "EPERM", "not permitted"),
        ("rename,renameat,renameat2", "EIO", "Input/output"),
        ("fsync", "EIO", "Input/output"),
        ("fchmod", "EPERM", "not permitted"),
        ("openat", "EROFS", "Read-only"),
    ] {
        for number in 1..20 {
            let ground = Ground::new();
            let folder = ground.path().join("nginx/sites");
            let only = ["-P", folder.to_str().expect("text")];
            let more: &[&str] = if call == "openat" { &only } else { &[] };
            let output = traced(ground.path(), call, &format!("inject={call}:error={error}:when={number}"), more);
            let said = String::from_utf8_lossy(&output.stderr);
            let count = ground.repaired();
            assert_eq!(ground.leftovers(), 0, "{call} {error} {number}: {said}");
            if output.status.success() && count == 2 {
                break;
            }
            // What is not written is said, unless it is the message itself that cannot be.
            assert!(matches!(output.status.code(), Some(0..=2)), "{call} {error} {number}: {said}");
            if output.status.code() == Some(2) && said.contains(words) {
                failed += 1;
            }
        }
    }
    assert!(failed >= 8, "only {failed} failures were said");
}

#[test]
fn repairs_on_a_full_or_read_only_disk_change_nothing() {
    for (full, said) in [(true, "No space left"), (false, "Read-only")] {
        let ground = Ground::new();
        let (size, fill) = if full {
            ("80k", "cat /dev/zero >nginx/fill 2>/dev/null || true")
        } else {
            ("1m", "mount -o remount,ro nginx")
        };
        let script = format!(
            "cp -a nginx copy && mount -t tmpfs -o size={size} none nginx && cp -a copy/. nginx/ && {fill}; \
             \"$0\" \"$@\"; echo code $?; cmp nginx/sites/a copy/sites/a && cmp nginx/sites/b copy/sites/b && echo same; ls -A nginx/sites"
        );
        let mut unshare = Command::new("unshare");
        unshare.args(["-m", "sh", "-c", &script, env!("CARGO_BIN_EXE_shakedown")]).args(FIX).current_dir(ground.path());
        let output = unshare.output().expect("unshare is installed: run tests/install");
        let words = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(words.contains("code 2") && words.contains(said) && words.contains("same"), "{words}");
        assert!(!words.contains(".shakedown-"), "{words}");
    }
}
