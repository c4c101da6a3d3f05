//! The repository's own files: workflows are safe by zizmor, and words are spelt right by typos.

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
