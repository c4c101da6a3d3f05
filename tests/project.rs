//! The repository's own files: zizmor finds no fault in workflows, typos none in words, and documents name files that exist.

use std::path::Path;
use std::process::Command;

/// Runs a tool that `tests/install` installs; without it, fails in CI and passes elsewhere.
fn check(tool: &str, arguments: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = root.join("target/test-tools/bin").join(tool);
    if !program.exists() {
        assert!(std::env::var_os("CI").is_none(), "{tool} is missing: run tests/install");
        eprintln!("{tool} is missing: run tests/install");
        return;
    }
    let output = Command::new(program).current_dir(root).args(arguments).output().expect("the tool runs");
    let told = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&told));
}

#[test]
fn workflows_are_safe() {
    check("zizmor", &["--offline", "--no-progress", ".github", "action.yml"]);
}

#[test]
fn workflows_fit_their_schemas() {
    check("check-jsonschema", &["--builtin-schema", "vendor.github-workflows", ".github/workflows/ci.yml"]);
    check("check-jsonschema", &["--builtin-schema", "vendor.dependabot", ".github/dependabot.yml"]);
    let forms = ["bug", "false-alarm", "missed-fault"].map(|name| format!(".github/ISSUE_TEMPLATE/{name}.yml"));
    let arguments = ["--builtin-schema", "vendor.github-issue-forms"];
    check("check-jsonschema", &arguments.into_iter().chain(forms.iter().map(String::as_str)).collect::<Vec<_>>());
}

#[test]
fn words_are_spelt_right() {
    check("typos", &[]);
}

#[test]
fn documents_name_files_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut named = 0;
    for document in ["ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = std::fs::read_to_string(root.join(document)).expect("a document");
        let folders = ["src/", "tests/", "rules/", "testdata/", "ci/", "fuzz/"];
        let quoted = text.split('`').filter(|part| folders.iter().any(|folder| part.starts_with(folder)));
        // Some are patterns, or files that a change would add.
        for path in quoted.filter(|path| !["NAME", "*", "haproxy", "\n"].iter().any(|word| path.contains(word))) {
            assert!(root.join(path).exists(), "{document}: no {path}");
            named += 1;
        }
        for test in text.split("--test ").skip(1).filter_map(|rest| rest.split([' ', ',', '\n', '`']).next()) {
            assert!(root.join(format!("tests/{test}.rs")).exists(), "{document}: no test {test}");
            named += 1;
        }
    }
    assert!(named > 60, "only {named}");
}
