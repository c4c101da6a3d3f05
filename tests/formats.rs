//! Formats for machines: each is one well-formed document, with findings, without any, and where the run fails. What they look
//! like is kept in snapshots; whether others take them is asked of what others wrote.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use roxmltree::{Document, Node};
use serde_json::Value;

const NOW: &str = "2026-11-23T00:00:00Z";
const FORMATS: [&str; 10] =
    ["pretty", "concise", "json", "ndjson", "sarif", "github", "gitlab", "junit", "checkstyle", "prometheus"];

fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/demo")
}

/// A site whose certificate hangs on a variable.
const OPEN: &str = "server { listen 445 ssl; server_name b.test; ssl_certificate $x; ssl_certificate_key $x; }\n";

/// A run over the demo: with findings, without any, or failing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Case {
    Found,
    Nothing,
    Failing,
}

const CASES: [Case; 3] = [Case::Found, Case::Nothing, Case::Failing];

fn lint(folder: &Path, arguments: &[&str]) -> Output {
    let fixed = ["lint", "--platform", "debian-12", "--now", NOW, "--trust", "root.pem"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_shakedown"));
    command.current_dir(folder).args(fixed).args(arguments).env_remove("NO_COLOR").env("COLUMNS", "120");
    command.output().expect("the program runs")
}

fn document(format: &str, case: Case) -> String {
    let arguments: &[&str] = match case {
        Case::Found => &["nginx.conf"],
        Case::Nothing => &["--select", "weak-cipher", "nginx.conf"],
        Case::Failing => &["missing \"<&>\n.conf"],
    };
    let output = lint(&demo(), &[&["--format", format], arguments].concat());
    let expected = match case {
        Case::Found => 1,
        Case::Nothing => 0,
        Case::Failing => 2,
    };
    assert_eq!(output.status.code(), Some(expected), "{format} {case:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn formats_look_as_they_did() {
    for format in ["ndjson", "github", "gitlab", "junit", "checkstyle", "prometheus"] {
        insta::assert_snapshot!(format!("{format}_found"), document(format, Case::Found));
    }
    for format in ["ndjson", "sarif", "github", "gitlab", "junit", "checkstyle", "prometheus"] {
        insta::assert_snapshot!(format!("{format}_nothing"), document(format, Case::Nothing));
        insta::assert_snapshot!(format!("{format}_failing"), document(format, Case::Failing));
    }
    // What pages say is kept in the pages.
    let mut sarif = json(&document("sarif", Case::Found));
    for rule in sarif["runs"][0]["tool"]["driver"]["rules"].as_array_mut().expect("rules") {
        let rule = rule.as_object_mut().expect("a rule");
        assert!(rule["help"]["text"].as_str().is_some_and(|text| text.len() > 20), "{rule:?}");
        for name in ["help", "fullDescription", "shortDescription"] {
            rule[name] = "of the page".into();
        }
    }
    insta::assert_snapshot!("sarif_found", serde_json::to_string_pretty(&sarif).expect("JSON"));
}

#[test]
fn others_take_sarif_and_prometheus() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut paths = Vec::new();
    for case in CASES {
        for (format, ending) in [("sarif", "sarif"), ("prometheus", "prom")] {
            let path = folder.path().join(format!("{case:?}.{ending}"));
            std::fs::write(&path, document(format, case)).expect("a file");
            paths.push(path);
        }
    }
    // With what was left out, what was not judged, and names of files that need escapes.
    let odd = folder.path().join("odd \"\\name");
    std::fs::create_dir(&odd).expect("a folder");
    let site = |port: u16| {
        format!(
            "server {{ listen {port} ssl; server_name a.test;\n# shakedown: ignore[certificate-file-missing] \"later\"\n\
             ssl_certificate no.pem;\nssl_certificate_key no.key; }}\n"
        )
    };
    let config = format!("events {{}}\nhttp {{\n{}{}}}\n", site(443), site(444) + OPEN);
    std::fs::write(odd.join("ng \u{e4}%.conf"), config).expect("a file");
    let arguments = ["--isolated", "--platform", "debian-12", "--server", "nginx", "--now", NOW];
    for (format, ending) in [("sarif", "sarif"), ("prometheus", "prom")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shakedown"));
        command.current_dir(folder.path()).arg("lint").args(arguments).args(["--format", format]);
        let output = command.arg("odd \"\\name/ng \u{e4}%.conf").output().expect("the program runs");
        let path = folder.path().join(format!("odd.{ending}"));
        std::fs::write(&path, &output.stdout).expect("a file");
        paths.push(path);
        if format == "sarif" {
            let document = json(&String::from_utf8(output.stdout).expect("UTF-8"));
            let results = document["runs"][0]["results"].as_array().expect("results");
            let uri = &results[0]["locations"][0]["physicalLocation"]["artifactLocation"];
            assert_eq!(uri["uri"], "odd%20%22%5Cname/ng%20%C3%A4%25.conf");
            assert_eq!(uri["uriBaseId"], "%SRCROOT%");
            let left: Vec<_> = results.iter().filter(|one| one.get("suppressions").is_some()).collect();
            assert_eq!(left.len(), 2);
            assert_eq!(left[0]["suppressions"][0]["justification"], "\"later\"");
            let notes = &document["runs"][0]["invocations"][0]["toolExecutionNotifications"];
            assert!(notes.as_array().is_some_and(|notes| !notes.is_empty()), "{notes}");
        }
    }
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools/bin/python");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/validate.py");
    let output = Command::new(python).arg(script).args(&paths).output().expect("run tests/install first");
    let told = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&told));
}

#[test]
fn fixes_of_sarif_are_those_of_the_patch() {
    let sarif = json(&document("sarif", Case::Found));
    let results = sarif["runs"][0]["results"].as_array().expect("results");
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for change in results.iter().filter_map(|one| one["fixes"][0]["artifactChanges"].as_array()).flatten() {
        let path = change["artifactLocation"]["uri"].as_str().expect("a path").trim_start_matches("testdata/demo/");
        let read = || std::fs::read_to_string(demo().join(path)).expect("a file");
        let text = texts.entry(path.to_owned()).or_insert_with(read);
        for one in change["replacements"].as_array().expect("replacements") {
            let region = &one["deletedRegion"];
            let number = |name: &str| region[name].as_u64().expect("a number") as usize;
            let offset = |line: usize, column: usize| {
                let start: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
                let letters = text[start..].chars().take(column - 1).map(char::len_utf8);
                start + letters.sum::<usize>()
            };
            let (from, to) =
                (offset(number("startLine"), number("startColumn")), offset(number("endLine"), number("endColumn")));
            text.replace_range(from..to, one["insertedContent"]["text"].as_str().unwrap_or_default());
        }
    }
    assert!(texts["sites/shop.conf"].contains("ssl_certificate_key tls/shop/privkey.pem;"), "{texts:?}");
    assert!(texts["sites/api.conf"].contains("ssl_certificate     tls/api/fullchain.pem;"), "{texts:?}");
}

/// `::command name=value,...::text`, with nothing in names and values that would have to be escaped.
fn check_command(line: &str) {
    let rest = line.strip_prefix("::").unwrap_or_else(|| panic!("no command: {line}"));
    let (head, text) = rest.split_once("::").unwrap_or_else(|| panic!("no text: {line}"));
    let (command, properties) = head.split_once(' ').unwrap_or((head, ""));
    assert!(matches!(command, "error" | "warning" | "notice"), "{line}");
    for property in properties.split(',') {
        let (name, value) = property.split_once('=').unwrap_or_else(|| panic!("no property: {line}"));
        assert!(matches!(name, "file" | "line" | "endLine" | "col" | "endColumn" | "title"), "{line}");
        assert!(!value.is_empty() && !value.contains([':', ',']), "{line}");
        if !matches!(name, "file" | "title") {
            assert!(value.parse::<u32>().is_ok_and(|number| number > 0), "{line}");
        }
    }
    let escapes = text.split('%').skip(1);
    assert!(!text.is_empty() && escapes.clone().all(|rest| rest.starts_with("25") || rest.starts_with("0A")), "{line}");
}

#[test]
fn annotations_follow_the_grammar_of_github() {
    for case in CASES {
        let text = document("github", case);
        assert_eq!(text.is_empty(), case == Case::Nothing);
        text.lines().for_each(check_command);
    }
    assert!(
        document("github", Case::Found).starts_with("::error file=sites/000-default.conf,line=4,endLine=4,col=25,")
    );
}

/// The elements of one name, with what must stand in each.
fn elements<'d>(root: Node<'d, 'd>, name: &'d str, attributes: &[&str]) -> Vec<Node<'d, 'd>> {
    let found: Vec<Node<'_, '_>> = root.descendants().filter(|node| node.has_tag_name(name)).collect();
    for node in &found {
        for attribute in attributes {
            assert!(node.attribute(*attribute).is_some_and(|value| !value.is_empty()), "{name} {attribute}");
        }
    }
    found
}

#[test]
fn xml_is_read_by_a_parser() {
    for case in CASES {
        let text = document("junit", case);
        let parsed = Document::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let root = parsed.root_element();
        assert!(root.has_tag_name("testsuites"));
        let cases = elements(root, "testcase", &["name", "classname"]);
        let failures = elements(root, "failure", &["message", "type"]).len();
        let errors = elements(root, "error", &["message", "type"]).len();
        assert_eq!(
            (failures, errors),
            match case {
                Case::Found => (4, 0),
                Case::Nothing => (0, 0),
                Case::Failing => (0, 1),
            }
        );
        for suite in elements(root, "testsuite", &["name", "tests", "failures", "errors"]) {
            assert_eq!(suite.attribute("tests"), Some(&*cases.len().to_string()));
            assert_eq!(suite.attribute("failures"), Some(&*failures.to_string()));
        }
        let text = document("checkstyle", case);
        let parsed = Document::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let root = parsed.root_element();
        assert!(root.has_tag_name("checkstyle") && root.attribute("version").is_some());
        let files = elements(root, "file", &["name"]);
        let mut names: Vec<_> = files.iter().map(|file| file.attribute("name")).collect();
        names.dedup();
        assert_eq!(names.len(), files.len(), "each file once");
        assert_eq!(
            elements(root, "error", &["severity", "message", "source"]).len(),
            match case {
                Case::Found => 4,
                Case::Nothing => 0,
                Case::Failing => 1,
            }
        );
    }
}

#[test]
fn json_formats_have_what_their_readers_want() {
    for case in CASES {
        let gitlab = json(&document("gitlab", case));
        let issues = gitlab.as_array().expect("a list");
        assert_eq!(issues.is_empty(), case == Case::Nothing);
        let mut fingerprints: Vec<&str> = Vec::new();
        for issue in issues {
            assert!(issue["description"].is_string() && issue["check_name"].is_string());
            let severity = issue["severity"].as_str().expect("a severity");
            assert!(["info", "minor", "major", "critical", "blocker"].contains(&severity));
            let path = issue["location"]["path"].as_str().expect("a path");
            assert!(!path.starts_with("./") && issue["location"]["lines"]["begin"].as_u64() > Some(0));
            fingerprints.push(issue["fingerprint"].as_str().expect("a fingerprint"));
        }
        fingerprints.sort_unstable();
        fingerprints.dedup();
        assert_eq!(fingerprints.len(), issues.len(), "fingerprints are unique");
        // One object a target: what `json` has, with the path that was asked for.
        let text = document("ndjson", case);
        let lines: Vec<Value> = text.lines().map(json).collect();
        let [line] = &lines[..] else { panic!("one line a target: {text}") };
        let mut expected = json(&document("json", case));
        expected["type"] = "target".into();
        expected["path"] = if case == Case::Failing { "missing \"<&>\n.conf" } else { "nginx.conf" }.into();
        assert_eq!(line, &expected);
        let whole = json(&document("json", case));
        assert_eq!(whole["version"], 1);
        assert_eq!(whole.get("error").is_some(), case == Case::Failing);
    }
}

#[test]
fn a_report_in_a_file_is_the_one_on_standard_output() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for format in FORMATS {
        let file = folder.path().join(format);
        let output = lint(&demo(), &["--format", format, "--output-file", file.to_str().expect("UTF-8"), "nginx.conf"]);
        assert!(output.stdout.is_empty() && output.status.code() == Some(1));
        let written = std::fs::read_to_string(&file).expect("the report");
        assert_eq!(written.trim_end(), document(format, Case::Found).trim_end(), "{format}");
    }
    // Arguments that are wrong, where a machine reads.
    let output = lint(&demo(), &["--format", "sarif", "--no-such-option", "nginx.conf"]);
    assert_eq!(output.status.code(), Some(2));
    let document = json(&String::from_utf8(output.stdout).expect("UTF-8"));
    assert_eq!(document["runs"][0]["invocations"][0]["executionSuccessful"], false);
}

/// A check that failed inside is an error of its rule in every format, however little of a run it tells.
#[test]
fn a_defect_is_told_in_every_format() {
    use shakedown::{diagnostic, lint, pipeline, report, source};
    let mut files = source::Memory::new();
    files.insert("nginx.conf", b"events {}\n".to_vec());
    let options = pipeline::Options { platform: Some("debian-12".into()), ..pipeline::Options::default() };
    let mut run = pipeline::lint(&files, &[PathBuf::from("nginx.conf")], &options).expect("a run");
    assert!(run.findings.is_empty());
    let reason = "the check failed (index out of bounds): this is a defect of shakedown, please report it";
    run.findings.push(lint::defect(diagnostic::RuleName::new("certificate-expired"), reason));
    let style = report::Style { color: false, width: 200, quiet: false, verbose: false };
    let written = |write: &dyn Fn(&mut dyn io::Write) -> io::Result<()>| {
        let mut out = Vec::new();
        write(&mut out).expect("memory takes it");
        String::from_utf8(out).expect("text")
    };
    let told = [
        written(&|out| report::pretty(&run, style, out)),
        written(&|out| report::concise(&run, out)),
        serde_json::to_string(&report::json::document(&run)).expect("JSON"),
        report::ndjson::target(Path::new("nginx.conf"), &run).expect("JSON"),
        serde_json::to_string(&report::sarif::document(&run)).expect("JSON"),
        report::github::github(&run),
        report::gitlab::gitlab(&run).expect("JSON"),
        report::junit::junit(&run).expect("XML"),
        report::checkstyle::checkstyle(&run).expect("XML"),
        report::prometheus::prometheus(&run),
    ];
    for (format, text) in FORMATS.iter().zip(told) {
        assert!(text.contains("certificate-expired"), "{format}: {text}");
        assert!(text.contains("defect of shakedown") || *format == "prometheus", "{format}: {text}");
    }
}

/// What is wrong with a certificate is told to people once, with the places that name it; machines are told of each place.
#[test]
fn a_certificate_that_many_sites_name_is_told_of_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let tls = demo().join("tls");
    let site = |number: usize| {
        format!(
            "server {{ listen 443 ssl; server_name s{number}.example.com; ssl_certificate {0}/shop/fullchain.pem; \
             ssl_certificate_key {0}/shop/privkey.pem; }}\n",
            tls.display()
        )
    };
    let sites: String = (0..12).map(site).collect();
    std::fs::write(folder.path().join("nginx.conf"), format!("events {{}}\nhttp {{\n{sites}}}\n")).expect("a file");
    let told = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shakedown"));
        command.current_dir(folder.path()).args([
            "lint",
            "--platform",
            "debian-12",
            "--now",
            NOW,
            "--trust",
            "mozilla",
        ]);
        command.args(["--select", "certificate-untrusted-root"]).args(arguments).arg("nginx.conf");
        String::from_utf8(command.output().expect("the program runs").stdout).expect("UTF-8")
    };
    let pretty = told(&[]);
    assert_eq!(pretty.matches("certificate-untrusted-root").count(), 1, "{pretty}");
    let also = pretty.lines().find(|line| line.starts_with("  also at: ")).expect("the other places");
    assert!(also.starts_with("  also at: nginx.conf:4:"), "{also}");
    assert!(also.contains("nginx.conf:8:") && !also.contains("nginx.conf:9:"), "{also}");
    assert!(also.ends_with(" and 6 more (-v shows them)"), "{also}");
    assert!(pretty.contains("12 errors in 1 file (12 sites, 1 certificate)"), "{pretty}");
    let whole = told(&["-v"]);
    assert_eq!(whole.matches("nginx.conf:14:").count(), 1, "{whole}");
    assert_eq!(told(&["--format", "concise"]).lines().count(), 12);
    assert_eq!(json(&told(&["--format", "json"]))["findings"].as_array().map(Vec::len), Some(12));
}
