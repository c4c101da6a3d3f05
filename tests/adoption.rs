//! Where people meet it first: a legacy tree and pre-commit, a job of a CI system, a shell. Run with the real programs.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use shakedown_testing::recipe;

/// A program that tests/install put there.
fn tool(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools/bin").join(name)
}

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A repository of a user, with nothing of the machine's settings.
struct Repository {
    folder: tempfile::TempDir,
    home: tempfile::TempDir,
}

impl Repository {
    fn new() -> Self {
        let made = || tempfile::tempdir().expect("a temporary folder");
        let repository = Repository { folder: made(), home: made() };
        repository.ok("git", &["init", "-q", "-b", "main", "."]);
        repository
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let own = Path::new(env!("CARGO_BIN_EXE_shakedown")).parent().expect("a folder").to_path_buf();
        let tools = tool("");
        let path = std::env::var("PATH").expect("PATH");
        let mut command = Command::new(program);
        command.current_dir(self.path()).args(arguments);
        command.env("PATH", format!("{}:{}:{path}", own.display(), tools.display()));
        command.env("HOME", self.home.path()).env("PRE_COMMIT_HOME", self.home.path().join("pre-commit"));
        command.env("XDG_CONFIG_HOME", self.home.path()).env("GIT_CONFIG_NOSYSTEM", "1").env("COLUMNS", "160");
        for (name, value) in [("NAME", "A"), ("EMAIL", "a@b.test")] {
            command.env(format!("GIT_AUTHOR_{name}"), value).env(format!("GIT_COMMITTER_{name}"), value);
        }
        command.output().unwrap_or_else(|error| panic!("{program}: {error}: run tests/install first"))
    }

    /// What a program prints that has to end well.
    fn ok(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.run(program, arguments);
        let told = told(&output);
        assert!(output.status.success(), "{program} {arguments:?}\n{told}");
        told
    }
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

fn site(number: usize) -> String {
    format!(
        "server {{\n    listen {} ssl;\n    server_name s{number}.example.com;\n    \
         ssl_certificate /etc/letsencrypt/live/s{number}/fullchain.pem;\n    \
         ssl_certificate_key /etc/letsencrypt/live/s{number}/privkey.pem;\n    \
         ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;\n    \
         ssl_ciphers ECDHE+AESGCM:ECDHE+AES:eNULL:@SECLEVEL=0;\n}}\n",
        8000 + number
    )
}

#[test]
fn a_legacy_tree_with_200_findings_is_adopted_in_four_commands() {
    let repository = Repository::new();
    let main = "user www-data;\nevents {}\nhttp {\n    include sites-enabled/*;\n}\n";
    repository.write("etc/nginx/nginx.conf", main);
    for number in 0..100 {
        repository.write(&format!("etc/nginx/sites-enabled/s{number}"), &site(number));
    }
    repository.write("README", "ssl_protocols is not for this file\n");

    let said = repository.ok("shakedown", &["init"]);
    assert!(said.contains("found etc/nginx/nginx.conf (nginx)"), "{said}");
    assert!(said.contains("certificates are not here: they are not judged"), "{said}");
    let said = repository.ok("shakedown", &["lint", "--write-baseline", "shakedown-baseline.json"]);
    assert!(said.starts_with("200 findings written to shakedown-baseline.json"), "{said}");
    repository.ok("pre-commit", &["install"]);
    let said = repository.ok("sh", &["-c", "git add . && git commit -q -m 'adopt shakedown'"]);
    assert!(said.contains("shakedown") && said.contains("Passed"), "{said}");

    // A change that adds a fault is stopped: seen in the whole configuration alone, by another site on the same socket.
    let changed = site(7).replace("TLSv1 TLSv1.1 TLSv1.2 TLSv1.3", "TLSv1.3").replace("8007", "8008");
    repository.write("etc/nginx/sites-enabled/s9z", &changed.replace("s7.", "new."));
    let output = repository.run("sh", &["-c", "git add . && git commit -q -m 'a new site'"]);
    assert!(!output.status.success(), "{}", told(&output));
    assert!(told(&output).contains("shadowed-protocol"), "{}", told(&output));
    assert!(told(&output).contains("etc/nginx/sites-enabled/s9z:6"), "{}", told(&output));
    assert!(!told(&output).contains("sites-enabled/s1:"), "{}", told(&output));
    // Files that no server reads do not matter, and what was known does not either.
    repository.write(
        "etc/nginx/sites-enabled/s9z",
        &site(200).replace("TLSv1 TLSv1.1 ", "").replace(":eNULL:@SECLEVEL=0", ""),
    );
    repository.write("README", "changed\n");
    repository.write("etc/nginx/sites-enabled/s3", &format!("# a comment\n\n{}", site(3)));
    let said = repository.ok("sh", &["-c", "git add . && git commit -q -m 'a new site'"]);
    assert!(said.contains("Passed"), "{said}");
}

#[test]
fn the_hooks_of_this_repository_are_taken_by_pre_commit() {
    let hooks = Repository::new();
    std::fs::copy(project(".pre-commit-hooks.yaml"), hooks.path().join(".pre-commit-hooks.yaml")).expect("the hooks");
    hooks.ok("git", &["add", "."]);
    hooks.ok("git", &["commit", "-q", "-m", "hooks"]);
    let revision = hooks.ok("git", &["rev-parse", "HEAD"]);
    let repository = Repository::new();
    let config = |arguments: &str| {
        format!(
            "repos:\n  - repo: {}\n    rev: {}\n    hooks:\n      - id: shakedown-system\n{arguments}",
            hooks.path().display(),
            revision.trim()
        )
    };
    repository.write(".pre-commit-config.yaml", &config(""));
    let good = site(1).replace("TLSv1 TLSv1.1 ", "").replace(":eNULL:@SECLEVEL=0", "");
    repository.write("nginx/nginx.conf", "events {}\nhttp {\n    include sites-enabled/*;\n}\n");
    repository.write("nginx/sites-enabled/a", &good);
    repository.write("caddy/Caddyfile", "a.test {\n    tls /no/a.pem /no/a.key\n}\n");
    repository.write("notes/nginx.txt", "server {\n");
    repository.write("src/app.conf", "[section]\nname = value\n");
    repository.ok("git", &["add", "."]);
    let said = repository.ok("pre-commit", &["run", "--all-files", "--verbose"]);
    assert!(said.contains("Passed") && said.contains("not at hand"), "{said}");
    // What is not at hand fails a strict hook alone.
    repository.write(".pre-commit-config.yaml", &config("        args: [--strict]\n"));
    repository.ok("git", &["add", "."]);
    let output = repository.run("pre-commit", &["run", "--all-files"]);
    assert!(!output.status.success() && told(&output).contains("Failed"), "{}", told(&output));
    repository.write(".pre-commit-config.yaml", &config(""));
    repository.write("nginx/sites-enabled/a", &site(1));
    repository.ok("git", &["add", "."]);
    let output = repository.run("pre-commit", &["run"]);
    assert!(!output.status.success() && told(&output).contains("deprecated-protocol"), "{}", told(&output));
    // Only what servers read is taken.
    repository.write("nginx/sites-enabled/a", &good);
    repository.write("notes/nginx.txt", "server {{{\n");
    repository.write("src/app.conf", "[section\n");
    repository.ok("git", &["add", "."]);
    let said = repository.ok("pre-commit", &["run", "--files", "notes/nginx.txt", "src/app.conf"]);
    assert!(said.contains("Skipped"), "{said}");
}

#[test]
fn init_is_careful() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let init = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shakedown"));
        command.current_dir(folder.path()).arg("init").args(arguments).output().expect("the program runs")
    };
    let output = init(&[]);
    assert!(told(&output).contains("found no main file of a server"), "{}", told(&output));
    assert!(!folder.path().join(".pre-commit-config.yaml").exists(), "it is no repository");
    let output = init(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(told(&output).contains("is there already\n  write over it with --force"), "{}", told(&output));
    assert_eq!(init(&["--force"]).status.code(), Some(0));
    // A configuration of hooks that is there is not touched.
    std::fs::create_dir(folder.path().join(".git")).expect("a folder");
    std::fs::write(folder.path().join(".pre-commit-config.yaml"), "repos: []\n").expect("a file");
    std::fs::write(folder.path().join("Caddyfile"), "a.test\n").expect("a file");
    let output = init(&["--force"]);
    assert!(told(&output).contains("add to ./.pre-commit-config.yaml:\n  - repo: local\n"), "{}", told(&output));
    let hooks = std::fs::read_to_string(folder.path().join(".pre-commit-config.yaml")).expect("a file");
    assert_eq!(hooks, "repos: []\n");
}

#[test]
fn files_for_ci_fit_their_schemas() {
    for (schema, path) in [("vendor.github-actions", "action.yml"), ("vendor.gitlab-ci", "ci/gitlab.yml")] {
        let mut command = Command::new(tool("check-jsonschema"));
        let output = command.args(["--builtin-schema", schema]).arg(project(path)).output();
        let output = output.expect("run tests/install first");
        assert!(output.status.success(), "{path}: {}", told(&output));
    }
    let output =
        Command::new(tool("pre-commit")).arg("validate-manifest").arg(project(".pre-commit-hooks.yaml")).output();
    let output = output.expect("run tests/install first");
    assert!(output.status.success(), "{}", told(&output));
}

#[test]
fn the_action_reports_and_gates() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let from = project("testdata/demo/.");
    assert!(Command::new("cp").arg("-r").arg(from).arg(folder.path()).status().expect("cp").success());
    let act = |arguments: &str, path: &str| {
        let at = |name: &str| folder.path().join(name);
        for name in ["summary.md", "outputs"] {
            let _ = std::fs::remove_file(at(name));
        }
        let mut command = Command::new(project("ci/action.sh"));
        command.current_dir(folder.path()).env("SHAKEDOWN", env!("CARGO_BIN_EXE_shakedown"));
        command.env("SHAKEDOWN_PATH", path).env("SHAKEDOWN_ARGS", arguments).env("SHAKEDOWN_SARIF", "out.sarif");
        command.env("GITHUB_STEP_SUMMARY", at("summary.md")).env("GITHUB_OUTPUT", at("outputs"));
        let output = command.output().expect("bash");
        assert!(output.status.success(), "{}", told(&output));
        let read = |name: &str| std::fs::read_to_string(at(name)).expect("a file");
        (told(&output), read("summary.md"), read("outputs"), read("out.sarif"))
    };
    let (annotations, summary, outputs, sarif) = act("--platform debian-12 --trust root.pem", "nginx.conf");
    assert!(annotations.starts_with("::error file=sites/000-default.conf,line=4,"), "{annotations}");
    assert!(
        summary.starts_with("### shakedown: findings\n\n```text\nsites/000-default.conf:4:25: error["),
        "{summary}"
    );
    assert_eq!(outputs, "exit-code=1\n");
    assert!(sarif.contains("\"ruleId\": \"certificate-expired\""), "{sarif}");
    let (annotations, summary, outputs, _) = act("--select weak-cipher", "nginx.conf sites");
    assert_eq!((&*annotations, &*outputs), ("", "exit-code=0\n"));
    assert!(summary.starts_with("### shakedown: nothing that fails"), "{summary}");
    let (annotations, summary, outputs, sarif) = act("", "missing.conf");
    assert!(annotations.starts_with("::error title=shakedown could not run::"), "{annotations}");
    assert!(summary.contains("cannot read missing.conf: no such file"), "{summary}");
    assert_eq!(outputs, "exit-code=2\n");
    assert!(sarif.contains("\"executionSuccessful\": false"), "{sarif}");
}

#[test]
fn shells_and_manuals_know_all_commands() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = env!("CARGO_BIN_EXE_shakedown");
    let printed = |arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().expect("the program runs");
        assert!(output.status.success(), "{}", told(&output));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let script = folder.path().join("shakedown.bash");
    std::fs::write(&script, printed(&["completions", "bash"])).expect("a file");
    // What bash offers for the beginning of a word.
    let offered = |words: &str| {
        let ask = format!(
            "source {}; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _shakedown shakedown \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; echo \"${{COMPREPLY[@]}}\"",
            script.display()
        );
        let output = Command::new("bash").args(["--norc", "-c", &ask]).output().expect("bash");
        told(&output).trim().to_owned()
    };
    assert_eq!(offered("shakedown han"), "handshake");
    assert_eq!(offered("shakedown lint --write-b"), "--write-baseline");
    assert_eq!(offered("shakedown lint --format s"), "sarif");
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        assert!(printed(&["completions", shell]).contains("handshake"), "{shell}");
    }
    assert!(printed(&["man"]).contains(".TH shakedown 1"));
    printed(&["man", "--folder", folder.path().to_str().expect("UTF-8")]);
    for command in ["lint", "handshake", "ciphers", "rules", "init", "completions", "demo"] {
        let page = std::fs::read_to_string(folder.path().join(format!("shakedown-{command}.1"))).expect("a page");
        assert!(page.contains(".SH SYNOPSIS") && page.contains(".SH DESCRIPTION"), "{command}");
    }
}

#[test]
fn a_long_run_shows_that_it_is_alive_on_a_terminal_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut files = recipe::standard_files();
    files.insert("nginx.conf".to_owned(), b"events {}\nhttp {\n    include slow.conf;\n}\n".to_vec());
    recipe::write(folder.path(), &files);
    let arguments = "lint --isolated --platform debian-12 --format concise --output-file out nginx.conf";
    let on_terminal = format!("{} {arguments}", env!("CARGO_BIN_EXE_shakedown"));
    // As many sites as take this machine long enough.
    for count in [500, 2_000, 8_000, 32_000] {
        let sites: String = (0..count).map(|number| site(number).replace("listen 8", "listen 1")).collect();
        std::fs::write(folder.path().join("slow.conf"), sites).expect("a file");
        let started = std::time::Instant::now();
        let mut command = Command::new("script");
        command.current_dir(folder.path()).args(["-qec", &on_terminal, "/dev/null"]);
        let shown = told(&command.output().expect("script"));
        let seconds = started.elapsed().as_secs_f64();
        if seconds < 1.0 {
            assert!(!shown.contains("files read"), "{seconds} s: {shown}");
        }
        if seconds > 1.5 {
            assert!(shown.contains("files read"), "{seconds} s: {shown}");
            break;
        }
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_shakedown"));
    let output = command.current_dir(folder.path()).args(arguments.split(' ')).output().expect("the program runs");
    assert_eq!(told(&output), "");
}

#[test]
fn scripts_can_be_run() {
    for path in ["ci/action.sh", "ci/package", "tests/install", "tests/run", ".ci/run"] {
        let mode = std::fs::metadata(project(path)).expect("a script").permissions().mode();
        assert!(mode & 0o111 != 0, "{path}");
        let output = Command::new("bash").arg("-n").arg(project(path)).output().expect("bash");
        assert!(output.status.success(), "{path}: {}", told(&output));
    }
}
