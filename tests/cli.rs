//! The program as its users run it: exit codes, formats, fixes on disk, patches that other tools take.

use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use shakedown_testing::recipe;

const NOW: &str = "2026-11-23T00:00:00Z";

fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/demo")
}

/// A copy of the demo that may be changed.
fn copy() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for entry in walkdir::WalkDir::new(demo()) {
        let entry = entry.expect("the demo can be read");
        let to = folder.path().join(entry.path().strip_prefix(demo()).expect("below the demo"));
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(to).expect("a folder");
        } else {
            std::fs::copy(entry.path(), to).expect("a file");
        }
    }
    folder
}

fn shakedown(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shakedown"));
    command.current_dir(folder).args(arguments).env_remove("NO_COLOR").env("COLUMNS", "120");
    command.output().expect("the program runs")
}

/// `lint` at the fixed time, with the platform and the trust of the demo.
fn lint(folder: &Path, arguments: &[&str]) -> Output {
    let fixed = ["lint", "--platform", "debian-12", "--now", NOW, "--trust", "root.pem"];
    shakedown(folder, &[&fixed[..], arguments].concat())
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_demo_looks_as_promised() {
    let output = shakedown(&demo(), &["demo"]);
    assert_eq!(output.status.code(), Some(0));
    insta::assert_snapshot!("demo", text(&output));
    // The same tree on disk says the same.
    assert_eq!(text(&lint(&demo(), &["nginx.conf"])), text(&output));
}

#[test]
fn formats() {
    insta::assert_snapshot!("concise", text(&lint(&demo(), &["--format", "concise", "nginx.conf"])));
    insta::assert_snapshot!("json", text(&lint(&demo(), &["--format", "json", "nginx.conf"])));
}

#[test]
fn readme_examples_are_true() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(project.join("README.md")).expect("README.md");
    let own = Path::new(env!("CARGO_BIN_EXE_shakedown")).parent().expect("a folder").to_path_buf();
    let tools = project.join("target/test-tools/bin");
    let path = format!("{}:{}:{}", own.display(), tools.display(), std::env::var("PATH").expect("PATH"));
    let blocks = readme.split("```console\n").skip(1).map(|rest| rest.split("```").next().expect("an end"));
    let mut tried = 0;
    for block in blocks {
        // Each block in a tree of its own, one command after the other.
        let folder = copy();
        let home = tempfile::tempdir().expect("a temporary folder");
        assert!(Command::new("git").args(["init", "-q"]).arg(folder.path()).status().expect("git").success());
        for part in block.split("$ ").skip(1) {
            let (command, expected) = part.split_once('\n').expect("a command and what it prints");
            let mut shell = Command::new("sh");
            shell.current_dir(folder.path()).args(["-c", &format!("{{ {command}\n}} 2>&1")]);
            shell.env("PATH", &path).env("HOME", home.path()).env("COLUMNS", "120").env_remove("NO_COLOR");
            for (name, value) in [("NAME", "A"), ("EMAIL", "a@b.test")] {
                shell.env(format!("GIT_AUTHOR_{name}"), value).env(format!("GIT_COMMITTER_{name}"), value);
            }
            let output = shell.output().expect("a shell");
            assert_eq!(text(&output).trim_end(), expected.trim_end(), "{command}");
            tried += 1;
        }
    }
    assert!(tried >= 10, "only {tried} examples");
    // Commands without output: their arguments exist.
    let blocks = readme.split("```sh\n").skip(1).map(|rest| rest.split("```").next().expect("an end"));
    let lines = blocks.flat_map(str::lines).filter_map(|line| line.strip_prefix("shakedown "));
    let mut asked = 0;
    for line in lines {
        let words = line.split(['#', '&']).next().expect("a command");
        let arguments: Vec<&str> = words.split_whitespace().chain(["--help"]).collect();
        let output = shakedown(&demo(), &arguments);
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        asked += 1;
    }
    assert!(asked >= 8, "only {asked} commands");
    // So do those in the help.
    for command in [&["--help"][..], &["lint", "--help"], &["handshake", "--help"], &["certificates", "--help"]] {
        let help = text(&shakedown(&demo(), command));
        let lines: Vec<&str> = help.lines().filter_map(|line| line.strip_prefix("  shakedown ")).collect();
        assert!(lines.len() >= 3, "{help}");
        for line in lines {
            let words = line.split("  ").next().expect("a command").split("='").next().expect("a command");
            let words = words.replace("/mnt/snapshot", "."); // a folder that is there
            let arguments: Vec<&str> = words.split_whitespace().chain(["--help"]).collect();
            let output = shakedown(&demo(), &arguments);
            assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
    // Every rule that is named exists.
    let table =
        readme.split("## Why handshakes fail").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("a table");
    let named: Vec<&str> = table.split('`').skip(1).step_by(2).filter(|name| !name.contains(' ')).collect();
    for name in &named {
        assert!(shakedown::lint::find(name).is_some(), "{name}");
    }
    assert!(named.len() >= 30, "{named:?}");
}

#[test]
fn exit_codes() {
    let folder = copy();
    let code = |arguments: &[&str]| lint(folder.path(), arguments).status.code();
    assert_eq!(code(&["nginx.conf"]), Some(1));
    assert_eq!(code(&["."]), Some(1));
    assert_eq!(code(&["--fail-on", "never", "nginx.conf"]), Some(0));
    assert_eq!(code(&["--select", "certificate-self-signed", "nginx.conf"]), Some(0));
    assert_eq!(code(&["--select", "shadowed-protocol", "--fail-on", "error", "nginx.conf"]), Some(0));
    assert_eq!(
        code(&[
            "--severity",
            "shadowed-protocol=error",
            "--select",
            "shadowed-protocol",
            "--fail-on",
            "error",
            "nginx.conf"
        ]),
        Some(1)
    );
    assert_eq!(code(&["missing.conf"]), Some(2));
    assert_eq!(code(&["--no-such-option"]), Some(2));
    assert_eq!(code(&["--select", "no-such-rule", "nginx.conf"]), Some(2));
    assert_eq!(code(&["--platform", "debian-21", "nginx.conf"]), Some(2));
    // What cannot be parsed is an error finding, never a pass.
    std::fs::write(folder.path().join("broken.conf"), "server { listen 443 ssl;").expect("a file");
    assert_eq!(code(&["--server", "nginx", "broken.conf"]), Some(1));
    // An empty folder has nothing to read; what hangs on a variable fails a strict run alone.
    std::fs::create_dir(folder.path().join("empty")).expect("a folder");
    assert_eq!(code(&["empty"]), Some(2));
    let open =
        "events {} http { server { listen 443 ssl; server_name a.test; ssl_certificate $x; ssl_certificate_key $x; } }";
    std::fs::write(folder.path().join("open.conf"), open).expect("a file");
    assert_eq!(code(&["open.conf"]), Some(0));
    assert_eq!(code(&["--strict", "open.conf"]), Some(1));
}

#[test]
fn failures_help() {
    let output = shakedown(&demo(), &["lint", "--platform", "debiann-12", "nginx.conf"]);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.starts_with("error: no such platform: debiann-12\n  did you mean debian-12?"), "{words}");
    let output = lint(&demo(), &["--format", "json", "missing.conf"]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one document");
    assert_eq!(document["error"]["message"], "cannot read missing.conf: no such file");
    assert_eq!(document["version"], 1);
}

#[test]
fn colours_are_for_terminals() {
    let plain = lint(&demo(), &["nginx.conf"]);
    assert!(!text(&plain).contains('\x1b'));
    assert!(text(&lint(&demo(), &["--color", "always", "nginx.conf"])).contains('\x1b'));
}

#[test]
fn standard_input_and_parts() {
    let folder = copy();
    let mut child = Command::new(env!("CARGO_BIN_EXE_shakedown"))
        .current_dir(folder.path())
        .args(["lint", "-", "--stdin-filename", "new.conf", "--format", "concise"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program runs");
    child.stdin.take().expect("a pipe").write_all(b"server { listen 443 tls; }\n").expect("written");
    let output = child.wait_with_output().expect("an end");
    assert_eq!(
        text(&output),
        "new.conf:1:21: error[invalid-argument]: `listen` does not take `tls`: nginx does not start\n"
    );
    // A part is judged inside the main file that includes it: here another site shadows it.
    let inside = lint(folder.path(), &["--format", "concise", "sites/api.conf"]);
    assert!(text(&inside).contains("sites/api.conf:6:19: warning[shadowed-protocol]"), "{}", text(&inside));
    assert!(!text(&inside).contains("sites/shop.conf"));
    let alone = lint(folder.path(), &["--format", "concise", "--fragment", "sites/api.conf"]);
    assert!(!text(&alone).contains("shadowed-protocol"), "{}", text(&alone));
}

#[test]
fn fixes_are_written_and_what_remains_decides() {
    let folder = copy();
    let site = folder.path().join("sites/shop.conf");
    std::fs::set_permissions(&site, std::fs::Permissions::from_mode(0o640)).expect("a mode");
    let output = lint(folder.path(), &["--fix", "--format", "concise", "nginx.conf"]);
    assert_eq!(output.status.code(), Some(1), "an expired certificate remains");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "fixed 2 faults in 2 files\n");
    assert!(!text(&output).contains("certificate-key-mismatch"));
    let fixed = std::fs::read_to_string(&site).expect("the site");
    assert_eq!(
        fixed,
        std::fs::read_to_string(demo().join("sites/shop.conf")).expect("the site").replace("old.key", "privkey.pem")
    );
    assert_eq!(std::fs::metadata(&site).expect("the site").mode() & 0o7777, 0o640);
    assert_eq!(
        lint(folder.path(), &["--fix", "--select", "certificate-key-mismatch", "nginx.conf"]).status.code(),
        Some(0)
    );
}

#[test]
fn patches_are_taken_by_patch_and_git() {
    let patched = |apply: &mut dyn FnMut(&Path, &Path)| {
        let folder = copy();
        let patch = lint(folder.path(), &["--diff", "nginx.conf"]);
        assert_eq!(
            std::fs::read(folder.path().join("sites/shop.conf")).ok(),
            std::fs::read(demo().join("sites/shop.conf")).ok()
        );
        let file = folder.path().join("fix.patch");
        std::fs::write(&file, &patch.stdout).expect("a file");
        apply(folder.path(), &file);
        assert!(
            std::fs::read_to_string(folder.path().join("sites/shop.conf"))
                .expect("the site")
                .contains("tls/shop/privkey.pem")
        );
        assert!(
            std::fs::read_to_string(folder.path().join("sites/api.conf"))
                .expect("the site")
                .contains("tls/api/fullchain.pem")
        );
    };
    let ok = |command: &mut Command| {
        let output = command.output().expect("the tool is installed: run tests/install");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    patched(&mut |folder, file| ok(Command::new("patch").args(["-p1", "-i"]).arg(file).current_dir(folder)));
    patched(&mut |folder, file| ok(Command::new("git").arg("apply").arg(file).current_dir(folder)));
}

#[test]
fn nothing_but_regular_files_is_opened() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    let config = "events {} http { include pipe; server { listen 443 ssl; server_name a.test; ssl_certificate /dev/zero; ssl_certificate_key large.key; } }";
    std::fs::write(at("nginx.conf"), config).expect("a file");
    assert!(Command::new("mkfifo").arg(at("pipe")).status().expect("mkfifo").success());
    std::fs::File::create(at("large.key")).and_then(|file| file.set_len(10 << 30)).expect("a large file with a hole");
    std::fs::write(at("root.pem"), recipe::root().pem()).expect("a file");
    let output = lint(folder.path(), &["--format", "concise", "nginx.conf"]);
    let told = text(&output);
    for expected in
        ["include-missing", "/dev/zero cannot be read (a device)", "large.key cannot be read (10737418240 bytes"]
    {
        assert!(told.contains(expected), "{expected} in {told}");
    }
    assert_eq!(lint(folder.path(), &["pipe"]).status.code(), Some(2));
}

#[test]
fn a_root_holds_absolute_paths_and_links() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(at("etc/nginx")).expect("a folder");
    std::fs::create_dir_all(at("srv/tls")).expect("a folder");
    let config = "events {} http { server { listen 443 ssl; server_name a.test; ssl_certificate /etc/tls/a.pem; ssl_certificate_key /etc/tls/a.key; } }";
    std::fs::write(at("etc/nginx/nginx.conf"), config).expect("a file");
    std::os::unix::fs::symlink("/srv/tls", at("etc/tls")).expect("a link");
    for (name, recipes) in [("a.pem", &["leaf a.test", "intermediate"][..]), ("a.key", &["key ec1"])] {
        std::fs::write(at("srv/tls").join(name), recipe::file(recipes.iter().copied())).expect("a file");
    }
    std::fs::write(at("root.pem"), recipe::root().pem()).expect("a file");
    // No path: the live configuration, here below the root.
    let output = lint(folder.path(), &["--root", ".", "--format", "concise"]);
    assert_eq!(
        (text(&output).as_str(), output.status.code()),
        (
            "./etc/nginx/nginx.conf:1:11: info[modern-protocol-missing]: TLS 1.3 is not switched on: nginx 1.22.1 leaves it out by default\n",
            Some(0)
        )
    );
}

#[test]
fn keys_are_never_shown() {
    let folder = copy();
    // The key stands where the certificate belongs.
    let site = std::fs::read_to_string(folder.path().join("sites/shop.conf")).expect("the site");
    let swapped = site.replace("tls/shop/fullchain.pem", "tls/shop/privkey.pem");
    std::fs::write(folder.path().join("sites/shop.conf"), swapped).expect("a file");
    let key = std::fs::read_to_string(folder.path().join("tls/shop/privkey.pem")).expect("the key");
    let secret = key.lines().nth(2).expect("a line of the key");
    // It is included as if it were configuration, named as one, or lies in a folder of parts.
    let main = std::fs::read_to_string(folder.path().join("nginx.conf")).expect("the main file");
    std::fs::write(
        folder.path().join("nginx.conf"),
        main.replace("include sites", "include tls/shop/old.key;\n    include sites"),
    )
    .expect("a file");
    let key_paths = [&["--server", "nginx", "tls/shop/privkey.pem"][..], &["--server", "nginx", "tls/shop"]];
    for arguments in key_paths {
        let output = lint(folder.path(), arguments);
        let told = [output.stdout, output.stderr].concat();
        assert!(!String::from_utf8_lossy(&told).contains(secret), "{arguments:?}");
    }
    let included = std::fs::read_to_string(folder.path().join("tls/shop/old.key")).expect("the key");
    let included = included.lines().nth(2).expect("a line of the key");
    for format in ["pretty", "concise", "json"] {
        let output = lint(folder.path(), &["--format", format, "nginx.conf"]);
        assert!(text(&output).contains("privkey.pem") && !text(&output).contains(secret), "{format}");
        assert!(text(&output).contains("old.key") && !text(&output).contains(included), "{format}");
    }
}
