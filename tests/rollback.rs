//! The README's story of the last good configuration: its drop-ins for systemd, line by line with the real servers, and its
//! example for CI.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use shakedown_testing::recipe::{self, file};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What a drop-in has systemd run at a reload, in order.
fn reload_lines(drop_in: &str) -> Vec<String> {
    let lines = drop_in.lines().filter_map(|line| line.strip_prefix("ExecReload="));
    lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn drop_in(service: &str) -> String {
    std::fs::read_to_string(root().join(format!("ci/systemd/{service}.conf"))).expect("a drop-in")
}

#[test]
fn the_readme_shows_the_drop_in_of_nginx() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("the README");
    assert!(readme.contains(&format!("```ini\n{}```", drop_in("nginx"))));
}

/// systemd itself takes the drop-ins, where it is at hand.
#[test]
fn systemd_takes_the_drop_ins() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return;
    }
    for service in ["nginx", "apache2", "caddy"] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let unit = folder.path().join("probe.service");
        // Programs that are not installed here are no fault of the file.
        let lines = drop_in(service).replace("/usr/bin/shakedown", "/bin/true").replace("/usr/bin/caddy", "/bin/true");
        std::fs::write(&unit, format!("[Service]\nExecStart=/bin/true\n{}", lines.replace("[Service]\n", "")))
            .expect("a file");
        let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).output().expect("it runs");
        let said = words(&output);
        assert!(!said.contains("probe.service"), "{service}: {said}");
    }
}

/// A server, how it is started in front, its main file, and what stands for its versions.
struct Service {
    name: &'static str,
    home: &'static str,
    start: &'static str,
    main: (&'static str, &'static str),
    versions: (&'static str, &'static str, &'static str),
}

const SERVICES: [Service; 3] = [
    Service {
        name: "nginx",
        home: "/etc/nginx",
        start: "nginx -e stderr -c /etc/nginx/nginx.conf -g 'daemon off; pid /run/probe.pid;'",
        main: (
            "nginx.conf",
            "events {}\nhttp {\n    access_log off;\n    server {\n        listen 127.0.0.1:8443 ssl;\n        server_name a.test;\n        \
             ssl_certificate a.pem;\n        ssl_certificate_key a.key;\n        ssl_protocols VERSIONS;\n    }\n}\n",
        ),
        versions: ("TLSv1.2", "TLSv1.2 TLSv1.3", "TLSv1.3"),
    },
    Service {
        name: "apache2",
        home: "/etc/apache2",
        start: "apache2 -DFOREGROUND -d /etc/apache2 -f apache2.conf",
        main: (
            "apache2.conf",
            "ServerName localhost\nPidFile /run/probe.pid\nErrorLog /run/error.log\n\
             LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so\n\
             LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so\n\
             LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so\nListen 127.0.0.1:8443\n<VirtualHost 127.0.0.1:8443>\n    \
             ServerName a.test\n    SSLEngine on\n    SSLCertificateFile a.pem\n    SSLCertificateKeyFile a.key\n    \
             SSLProtocol -all VERSIONS\n</VirtualHost>\n",
        ),
        versions: ("+TLSv1.2", "+TLSv1.2 +TLSv1.3", "+TLSv1.3"),
    },
    Service {
        name: "caddy",
        home: "/etc/caddy",
        start: "HOME=/run XDG_DATA_HOME=/run/data XDG_CONFIG_HOME=/run/config caddy run --config /etc/caddy/Caddyfile",
        main: (
            "Caddyfile",
            "{\n\tauto_https off\n}\nhttps://a.test:8443 {\n\tbind 127.0.0.1\n\ttls /etc/caddy/a.pem /etc/caddy/a.key {\n\t\tprotocols VERSIONS\n\t}\n\trespond ok\n}\n",
        ),
        versions: ("tls1.2 tls1.2", "tls1.2 tls1.3", "tls1.3"),
    },
];

/// In a network and file system of its own: the server runs, a change for the better passes all lines and is served, one that
/// loses clients is stopped before the reload, and the way back is one command.
#[test]
fn drop_ins_reload_what_is_good_and_stop_what_is_not() {
    for service in &SERVICES {
        let ground = tempfile::tempdir().expect("a temporary folder");
        let (main, text) = service.main;
        let (old, better, worse) = service.versions;
        let settings = "platform = \"debian-12\"\ntrust = [\"root.pem\"]\n";
        let files = BTreeMap::from([
            (format!("etc/{main}"), text.replace("VERSIONS", old).into_bytes()),
            ("etc/shakedown.toml".to_owned(), settings.as_bytes().to_vec()),
            ("etc/a.pem".to_owned(), file(["leaf a.test", "intermediate"])),
            ("etc/a.key".to_owned(), file(["key ec1"])),
            ("etc/root.pem".to_owned(), file(["root"])),
            ("better".to_owned(), text.replace("VERSIONS", better).into_bytes()),
            ("worse".to_owned(), text.replace("VERSIONS", worse).into_bytes()),
        ]);
        recipe::write(ground.path(), &files);
        let program = env!("CARGO_BIN_EXE_shakedown");
        let lines = reload_lines(&drop_in(service.name));
        assert_eq!(lines.len(), 4, "{}", service.name);
        // As systemd has it, the next line is run where the one before ended well.
        let reload = lines.join(" && ").replace("/usr/bin/shakedown", program);
        let path = if service.name == "caddy" { "/etc/caddy/Caddyfile" } else { service.home };
        let home = service.home;
        let start = service.start;
        let script = format!(
            "set -u; mount -t tmpfs none /var/lib; mkdir /var/lib/nginx; mount -t tmpfs none /run; mount --bind etc {home}; ip link set lo up\n\
             speaks() {{ for n in 1 2 3 4 5 6 7 8 9 10; do echo | openssl s_client -connect 127.0.0.1:8443 -servername a.test $1 2>/dev/null | grep -q 'Cipher is [A-Z]' && {{ echo \"$2: $1 yes\"; return; }}; sleep 0.2; done; echo \"$2: $1 no\"; }}\n\
             {start} >log 2>&1 & MAINPID=$!\n\
             speaks -tls1_2 before; \"{program}\" snapshot save {path} && echo saved\n\
             cat better >{home}/{main}; {reload} && echo reloaded; speaks -tls1_3 better; speaks -tls1_2 better\n\
             cat worse >{home}/{main}; {reload} && echo reloaded again; speaks -tls1_2 worse\n\
             \"{program}\" snapshot restore; cmp better {home}/{main} && echo back\n\
             kill $MAINPID; wait\n"
        );
        let mut unshare = Command::new("unshare");
        let output = unshare.args(["-mn", "sh", "-c", &script]).current_dir(ground.path()).output();
        let said = words(&output.expect("unshare is installed: run tests/install"));
        let log = std::fs::read_to_string(ground.path().join("log")).unwrap_or_default();
        for one in [
            "before: -tls1_2 yes",
            "saved\n",
            "reloaded\n",
            "better: -tls1_3 yes",
            "better: -tls1_2 yes",
            "client-lost",
            "worse: -tls1_2 yes",
            "back\n",
        ] {
            assert!(said.contains(one), "{}: no {one:?} in\n{said}\n{log}", service.name);
        }
        assert!(!said.contains("reloaded again"), "{}: {said}", service.name);
    }
}

/// The lines of the README's example for CI, each as a step of its own, in a repository with a branch to compare with.
#[test]
fn the_example_for_ci_runs() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("the README");
    let block = readme.split("```yaml\n").find(|block| block.contains("gh pr comment")).expect("the example");
    let block = block.split("```").next().expect("a block");
    let steps: Vec<&str> = block.lines().filter_map(|line| line.strip_prefix("- run: ")).collect();
    assert_eq!(steps.len(), 3);
    let ground = tempfile::tempdir().expect("a temporary folder");
    let site = "events {}\nhttp {\n    server {\n        listen 8443 ssl;\n        server_name a.test;\n        ssl_certificate /etc/ssl/a.pem;\n        \
                ssl_certificate_key /etc/ssl/a.key;\n        ssl_protocols TLSv1.2 TLSv1.3;\n    }\n}\n";
    recipe::write(ground.path(), &BTreeMap::from([("nginx/nginx.conf".to_owned(), site.as_bytes().to_vec())]));
    let program = Path::new(env!("CARGO_BIN_EXE_shakedown")).parent().expect("a folder");
    let path = format!(
        "{}:{}:{}",
        ground.path().join("bin").display(),
        program.display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let shell = |script: &str| {
        let mut command = Command::new("sh");
        command.args(["-ec", script]).current_dir(ground.path()).env("PATH", &path).env("PR", "17");
        command.output().expect("a shell")
    };
    // `gh` is the one program that is not here: what it is given is what counts.
    let prepared = shell(
        "git init -q .; git add nginx; git -c user.name=a -c user.email=a@b.test commit -qm one; \
         git update-ref refs/remotes/origin/main HEAD; mkdir bin; \
         printf '#!/bin/sh\\necho \"$@\" >>asked\\n' >bin/gh; chmod +x bin/gh",
    );
    assert!(prepared.status.success(), "{}", words(&prepared));
    let codes = || steps.iter().map(|step| shell(step).status.code()).collect::<Vec<_>>();
    let comment = || std::fs::read_to_string(ground.path().join("tls.md")).expect("the comment");
    assert_eq!(codes(), [Some(0), Some(0), Some(0)]);
    assert!(comment().contains("same") || comment().contains("nothing"), "{}", comment());
    let worse = site.replace("TLSv1.2 TLSv1.3", "TLSv1.3").replace("listen", "ssl_ciphers RC4-SHA;\n        listen");
    std::fs::write(ground.path().join("nginx/nginx.conf"), worse).expect("a file");
    assert_eq!(codes(), [Some(1), Some(0), Some(1)]);
    assert!(comment().contains("a.test") && comment().contains("worse"), "{}", comment());
    assert_eq!(std::fs::read_to_string(ground.path().join("asked")).expect("what gh was asked").lines().count(), 2);
}
