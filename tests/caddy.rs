//! Caddy: how a Caddyfile is cut, what it means, and that its JSON means the same. What is claimed of Caddy here, the real
//! one is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use shakedown::diagnostic::Safety;
use shakedown::model::{
    Binding, BindingId, Deployment, Endpoint, Found, HttpResponse, ServerKind, Setting, Unmatched, UpstreamAuthorities,
};
use shakedown::pipeline::{self, Options};
use shakedown::platform::{self, Part};
use shakedown::server::{self, Completeness, Input, Root};
use shakedown::source::{Disk, FileSystem, Limits, Memory, Sources, Text};
use shakedown_testing::random::Random;
use shakedown_testing::{NOW, recipe};

/// A configuration that was read, with its texts.
struct Read {
    understood: Box<dyn server::ParsedConfig>,
    sources: Sources,
}

fn read_as(files: &dyn FileSystem, path: &Path, bytes: &[u8], platform: &str, defines: &[(&str, &str)]) -> Read {
    let mut sources = Sources::new();
    let root = Root { path: path.to_path_buf(), bytes: bytes.to_vec().into(), text: Text::File };
    let defines: Vec<_> = defines.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect();
    let input = Input { roots: vec![root], form: Completeness::Whole, definitions: defines };
    let platform = platform::find(platform, Part::Caddy).expect("a platform of the table");
    let understood = server::read(ServerKind::Caddy, files, &mut sources, &Limits::default(), input, platform);
    Read { understood, sources }
}

/// Reads a Caddyfile for the newer of the two versions that are at hand, certificates of examples beside it.
fn read(text: &str) -> Read {
    read_as(&standard(), Path::new("Caddyfile"), text.as_bytes(), "debian-sid", &[])
}

fn standard() -> Memory {
    let mut files = Memory::new();
    for (path, bytes) in recipe::standard_files() {
        files.insert(path, bytes);
    }
    files
}

impl Read {
    fn deployment(&self) -> &Deployment {
        self.understood.deployment()
    }

    /// The problems: rule, case, and the text that they point at.
    fn problems(&self) -> Vec<String> {
        let told = |one: &shakedown::diagnostic::Problem| {
            let at = self.sources.resolve_span(one.at).span;
            format!("{}[{}] {}", one.rule, one.case, self.sources.text(at))
        };
        self.deployment().problems.iter().map(told).collect()
    }
}

fn known<T>(setting: &Setting<T>, tell: impl FnOnce(&T) -> String) -> String {
    setting.get().map_or_else(|| "unknown".to_owned(), tell)
}

fn words(setting: &Setting<std::sync::Arc<[shakedown::model::Token]>>) -> String {
    known(setting, |list| list.iter().map(|word| &*word.text).collect::<Vec<_>>().join(","))
}

/// What one binding gives, places aside.
fn answer(deployment: &Deployment, binding: &Binding) -> String {
    let policy = deployment.policy(binding.after_name);
    let protocols = known(&policy.protocols, |choice| choice.set.to_string());
    let client = known(&policy.client_verification, |client| format!("{:?}", client.mode));
    let tickets = known(&policy.session_tickets, ToString::to_string);
    let set = deployment.credentials(binding.credentials);
    let pairs = set.pairs.iter().map(|pair| {
        let path =
            |file: &Setting<(shakedown::model::Token, PathBuf)>| known(file, |(token, _)| token.text.to_string());
        format!("{}+{}", path(&pair.certificate), pair.key.as_ref().map_or("none".to_owned(), path))
    });
    let managed = deployment.managed.get(&binding.credentials).map(|one| {
        let authority = match &one.authority {
            shakedown::model::Authority::Acme(directory) => format!("Acme({})", directory.text),
            other => format!("{other:?}"),
        };
        format!(" {authority} {} {:?} on-demand={} {:?}", one.key_type, one.name, one.on_demand, one.obstacle)
    });
    format!(
        "{protocols} | {} | {} | {} | client {client} | tickets {tickets} | [{}]{}{}",
        words(&policy.ciphers),
        words(&policy.groups),
        words(&policy.alpn),
        pairs.collect::<Vec<_>>().join(" "),
        managed.unwrap_or_default(),
        if binding.rejects { " rejects" } else { "" }
    )
}

fn describe_endpoint(deployment: &Deployment, endpoint: &Endpoint) -> BTreeMap<String, String> {
    let at = |id: BindingId| answer(deployment, endpoint.binding(id));
    let mut out = BTreeMap::new();
    out.extend(endpoint.named.exact.iter().map(|(name, (_, id))| (name.to_string(), at(*id))));
    out.extend(endpoint.named.below.iter().map(|(name, (_, id))| (format!("*.{name}"), at(*id))));
    for (rank, _, id) in &endpoint.named.patterns {
        out.insert(format!("~{rank}"), at(*id));
    }
    out.insert("(none)".to_owned(), endpoint.unnamed.map_or("refused".to_owned(), at));
    let rest = match endpoint.unmatched {
        Unmatched::Binding(id) => at(id),
        Unmatched::Reject(alert) => format!("alert {alert}"),
    };
    out.insert("(other)".to_owned(), rest);
    out
}

/// All that clients can get, places aside.
fn describe(deployment: &Deployment) -> String {
    let mut sockets: Vec<String> = deployment
        .endpoints
        .iter()
        .map(|endpoint| {
            let head = format!("{} {:?} proxy={}\n", endpoint.listen, endpoint.transport, endpoint.proxy_protocol);
            if endpoint.transport == shakedown::model::Transport::Plain {
                return head; // who answers plain HTTP is no matter of TLS
            }
            let names = describe_endpoint(deployment, endpoint);
            head + &names.into_iter().map(|(name, answer)| format!("    {name}: {answer}\n")).collect::<String>()
        })
        .collect();
    sockets.sort();
    sockets.extend(describe_upstreams(deployment));
    sockets.extend(describe_answers(deployment));
    sockets.concat()
}

/// Where requests are sent on to, each once: a site with several addresses is several in JSON.
fn describe_upstreams(deployment: &Deployment) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for upstream in &deployment.upstreams {
        let policy = deployment.upstream_policy(upstream.policy);
        let path =
            |file: &Setting<(shakedown::model::Token, PathBuf)>| known(file, |(token, _)| token.text.to_string());
        let authorities = known(&policy.authorities, |one| match one {
            UpstreamAuthorities::Own { file: Some(file), .. } => path(file),
            other => format!("{other:?}"),
        });
        let shown: Vec<String> = policy.credentials.iter().map(|pair| path(&pair.certificate)).collect();
        let name = policy.name.as_ref().map(|name| known(name, |token| token.text.to_string()));
        for target in &upstream.targets {
            let address = known(&target.address, |address| format!("{address:?}"));
            out.insert(format!(
                "sent on to {address} {:?} {:?} {authorities} name {name:?} {shown:?}\n",
                target.transport,
                policy.verification.get()
            ));
        }
    }
    out
}

/// What sites answer, each once.
fn describe_answers(deployment: &Deployment) -> BTreeSet<String> {
    let all = deployment.sites.iter().flat_map(|site| &site.answers);
    let header = |answer: &HttpResponse| answer.strict_transport.as_ref().map(|token| token.text.to_string());
    all.map(|answer| format!("answers {:?} {:?}\n", answer.reply, header(answer))).collect()
}

/// Makes JSON of a Caddyfile with the real Caddy. Absent where that refuses it; with what it says.
fn adapt(caddy: &[&str], folder: &Path, path: &Path) -> Result<Vec<u8>, String> {
    let mut command = Command::new(caddy[0]);
    command.args(&caddy[1..]).args(["adapt", "--adapter", "caddyfile", "--config"]).arg(path).current_dir(folder);
    command.env_clear().env("HOME", folder).env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let output = command.output().expect("caddy is installed: run tests/install");
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

fn testdata() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/caddy");
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("testdata").map(|entry| entry.expect("an entry").path()).collect();
    all.sort();
    all
}

/// Rules on what a configuration means rather than on how it is written: they speak of JSON too.
const OF_MEANING: &[&str] = &[
    "admin-exposed",
    "automation-policy-conflict",
    "catch-all-certificate-hijacks-site",
    "client-auth-empty",
    "client-auth-uncovered-name",
    "client-ca-unusable",
    "client-verify-without-ca",
    "listen-bind-conflict",
    "protocol-range-inverted",
    "proxy-scheme-conflict[trust]",
    "tls-secrets-logged",
    "wildcard-policy-applies-to-subdomain",
];

/// Every Caddyfile of the test data and of the rules' pages that the real Caddy adapts, and its JSON, have one meaning.
#[test]
fn a_caddyfile_and_its_json_have_one_meaning() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    recipe::write(folder.path(), &recipe::standard_files());
    let mut texts: Vec<(String, Vec<u8>)> = testdata()
        .into_iter()
        .map(|path| (path.display().to_string(), std::fs::read(path).expect("a file of the test data")))
        .collect();
    assert!(texts.len() >= 10);
    for rule in shakedown::lint::rules() {
        let examples = rule.page().example.iter().enumerate();
        let own = examples.filter(|(_, one)| one.server == "caddy" && one.context.is_none() && one.files.is_empty());
        texts.extend(own.map(|(at, one)| (format!("{}, example {at}", rule.name), one.config.clone().into_bytes())));
    }
    // Caddyfiles of one's own: a folder.
    let own = std::env::var_os("SHAKEDOWN_CADDYFILES").into_iter().flat_map(walkdir::WalkDir::new);
    let files = own.filter_map(Result::ok).filter(|entry| entry.file_type().is_file());
    let files = files.filter(|entry| entry.path().extension().is_none_or(|end| end != "json"));
    texts.extend(files.map(|one| (one.path().display().to_string(), std::fs::read(one.path()).unwrap_or_default())));
    let (mut wrong, mut compared) = (String::new(), 0);
    for (name, text) in texts {
        let path = folder.path().join("Caddyfile");
        std::fs::write(&path, &text).expect("a file can be written");
        let Ok(json) = adapt(&["caddy"], folder.path(), &path) else { continue };
        let one = read_as(&Disk::new(), &path, &text, "debian-12", &[]);
        let two = read_as(&Disk::new(), &folder.path().join("caddy.json"), &json, "debian-12", &[]);
        // What only binding shows, the adapter does not.
        let faults: Vec<String> =
            two.problems().into_iter().filter(|one| !OF_MEANING.iter().any(|rule| one.starts_with(rule))).collect();
        assert_eq!(faults, Vec::<String>::new(), "{name}: JSON that Caddy made has no fault");
        let (one, two) = (describe(one.deployment()), describe(two.deployment()));
        compared += 1;
        if one != two {
            wrong += &format!("{name}\n--- Caddyfile\n{one}--- JSON\n{two}\n");
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(compared > 50, "only {compared} were compared");
}

/// What each name gets on each TLS socket, short: oldest to newest protocol, certificate or authority.
fn told(read: &Read) -> Vec<String> {
    let deployment = read.deployment();
    let mut out = Vec::new();
    for endpoint in &deployment.endpoints {
        if endpoint.transport != shakedown::model::Transport::Tls {
            out.push(format!("{} {:?}", endpoint.listen, endpoint.transport));
            continue;
        }
        for (name, answer) in describe_endpoint(deployment, endpoint) {
            let protocols = answer.split(" |").next().unwrap_or_default();
            let from = answer.find('[').unwrap_or(answer.len());
            let served = answer[from..].replace("[unknown+unknown] ", "");
            out.push(format!("{} {name}: {} {served}", endpoint.listen, protocols).trim_end().to_owned());
        }
    }
    out
}

#[test]
fn names_get_what_caddy_gives_them() {
    let table: &[(&str, &[&str])] = &[
        // A site on the default port is managed; nobody else is served.
        (
            "a.test",
            &[
                "*:443 (none): refused",
                "*:443 (other): alert 80",
                "*:443 a.test: TLSv1.2 TLSv1.3 Public p256 Some(\"a.test\") on-demand=false Some(ImpossibleName)",
            ],
        ),
        // A hostless port without `tls` is plain HTTP, with `tls` it serves its certificate to all.
        (":8443 {\n}", &["*:8443 Plain"]),
        (
            ":8443 {\n\ttls a.pem a.key\n}\nb.test:8443 {\n}",
            &[
                "*:8443 (none): TLSv1.2 TLSv1.3 [a.pem+a.key]",
                "*:8443 (other): TLSv1.2 TLSv1.3 [a.pem+a.key]",
                "*:8443 a.test: TLSv1.2 TLSv1.3 [a.pem+a.key]",
                "*:8443 b.test: TLSv1.2 TLSv1.3 [a.pem+a.key]",
            ],
        ),
        // Any loaded certificate that has the name is served, and then the name is not managed, even with `internal`.
        (
            "b.test {\n\ttls a.pem a.key\n}\na.test {\n\ttls internal\n}",
            &[
                "*:443 (none): refused",
                "*:443 (other): alert 80",
                "*:443 a.test: TLSv1.2 TLSv1.3 [a.pem+a.key]",
                "*:443 b.test: TLSv1.2 TLSv1.3 [a.pem+a.key]",
            ],
        ),
        // A wildcard site's policy reaches the sites below it.
        (
            "*.w.test {\n\ttls a.pem a.key {\n\t\tprotocols tls1.3\n\t}\n}\nx.w.test {\n}",
            &[
                "*:443 (none): refused",
                "*:443 (other): alert 80",
                "*:443 *.w.test: TLSv1.3 [a.pem+a.key]",
                "*:443 a.test: TLSv1.2 TLSv1.3 [a.pem+a.key]",
                "*:443 x.w.test: TLSv1.3 [a.pem+a.key]",
            ],
        ),
        // Clients that send no name get the default one.
        (
            "{\n\tdefault_sni a.test\n}\na.test {\n\ttls a.pem a.key {\n\t\tprotocols tls1.3\n\t}\n}",
            &["*:443 (none): TLSv1.3 [a.pem+a.key]", "*:443 (other): alert 80", "*:443 a.test: TLSv1.3 [a.pem+a.key]"],
        ),
        // Every unknown name gets the fallback one, from 2.7 on.
        (
            "{\n\tfallback_sni a.test\n}\na.test {\n\ttls a.pem a.key\n}",
            &[
                "*:443 (none): TLSv1.2 TLSv1.3 [a.pem+a.key]",
                "*:443 (other): TLSv1.2 TLSv1.3 [a.pem+a.key]",
                "*:443 a.test: TLSv1.2 TLSv1.3 [a.pem+a.key]",
            ],
        ),
        // From 2.10 on a managed wildcard stands for the names below it.
        (
            "*.w.test {\n\ttls internal\n}\nx.w.test {\n\ttls internal\n}",
            &[
                "*:443 (none): refused",
                "*:443 (other): alert 80",
                "*:443 *.w.test: TLSv1.2 TLSv1.3 Internal p256 Some(\"*.w.test\") on-demand=false None",
                "*:443 x.w.test: TLSv1.2 TLSv1.3 Internal p256 Some(\"*.w.test\") on-demand=false None",
            ],
        ),
        // Switched off, sites still speak TLS and have nothing to serve.
        (
            "{\n\tauto_https off\n}\na.test {\n}",
            &["*:443 (none): refused", "*:443 (other): alert 80", "*:443 a.test: TLSv1.2 TLSv1.3 []"],
        ),
        // A certificate named twice is loaded once, with the key that it was named with first.
        (
            "a.test {\n\ttls a.pem a.key\n}\nb.test {\n\ttls a.pem b.key\n}",
            &[
                "*:443 (none): refused",
                "*:443 (other): alert 80",
                "*:443 a.test: TLSv1.2 TLSv1.3 [a.pem+a.key]",
                "*:443 b.test: TLSv1.2 TLSv1.3 [a.pem+a.key]",
            ],
        ),
    ];
    for (text, expected) in table {
        assert_eq!(told(&read(text)), *expected, "{text}");
    }
}

#[test]
fn one_tls_on_two_servers_keeps_the_names_of_the_last() {
    // The real one says so in its JSON, which the comparison above holds; here is what it means.
    let read = read("a.test, b.test:8443 {\n\ttls b.pem b.key {\n\t\tprotocols tls1.3\n\t}\n}");
    let lines = told(&read);
    assert!(lines.contains(&"*:8443 b.test: TLSv1.3 [b.pem+b.key]".to_owned()), "{lines:?}");
    let other = lines.iter().find(|line| line.starts_with("*:443 a.test")).expect("a name");
    assert!(other.starts_with("*:443 a.test: TLSv1.2 TLSv1.3 Public"), "{other}");
}

#[test]
fn words_are_cut_as_caddy_cuts_them() {
    // Each text is the block of a site; told are the problems that it has.
    let table: &[(&str, &[&str])] = &[
        ("respond \"a \\\" b\" # comment\n", &[]),
        ("respond `a\nb` 200\n", &[]),
        ("respond a \\\n  200\n", &[]),
        ("respond a#b\r\nrespond c\r\n", &[]),
        ("respond <<END\n  x\n  END 200\n", &[]),
        ("respond << x\n", &[]),
        ("respond \\<<END\n", &[]),
        ("handle {\n}\n", &[]),
        ("tls internal {}\n", &[]),
        ("handle { respond x\n}\n", &["syntax-error[after-brace] {"]),
        ("respond <<END\nx\n  END\n", &["syntax-error[heredoc-indent] <<END"]),
        ("tls internal {\n\tprotocols tls1.4\n}\n", &["unknown-protocol[] tls1.4"]),
        ("import nothing\n", &["include-missing[snippet] nothing"]),
        ("handle {\n\ttls internal\n}\n", &["directive-not-allowed-here[nested] tls"]),
    ];
    for (text, expected) in table {
        let read = read(&format!("a.test {{\n{text}}}\n"));
        assert_eq!(read.problems(), *expected, "{text}");
    }
}

#[test]
fn places_survive_imports_and_variables() {
    let text =
        "(certificate) {\n\ttls /etc/{args[0]}.pem {args[1]}\n}\n{$NAME:a.test} {\n\timport certificate x y.key\n}\n";
    let read = read_as(&Memory::new(), Path::new("Caddyfile"), text.as_bytes(), "debian-sid", &[("OTHER", "x")]);
    let deployment = read.deployment();
    let site = &deployment.sites[0];
    let pair = &deployment.credentials(site.credentials).pairs[0];
    let (certificate, _) = pair.certificate.get().expect("a certificate");
    let (key, _) = pair.key.as_ref().and_then(|key| key.get()).expect("a key");
    assert_eq!((&*certificate.text, &*key.text), ("/etc/x.pem", "y.key"));
    // The key is an argument as it is; the certificate is made of one.
    assert_eq!(read.sources.text(read.sources.resolve_span(key.span).span), "y.key");
    let place = read.sources.resolve_span(certificate.span);
    assert_eq!(read.sources.text(place.span), "/etc/{args[0]}.pem");
    let through: Vec<String> = place.through.iter().map(|(span, _)| read.sources.text(*span).into_owned()).collect();
    assert_eq!(through, ["x", "import certificate x y.key"]);
    let name = site.names[0].token.span;
    assert_eq!(read.sources.text(read.sources.resolve_span(name).span), "{$NAME:a.test}");
    let given = read_as(&Memory::new(), Path::new("Caddyfile"), text.as_bytes(), "debian-sid", &[("NAME", "b.test")]);
    assert_eq!(&*given.deployment().sites[0].names[0].token.text, "b.test");
}

#[test]
fn what_hangs_on_a_variable_is_unknown() {
    let read = read("{$HOST} {\n\ttls {$CERTIFICATE} a.key\n}\n{$SUB}.example.com {\n}\n");
    assert_eq!(read.problems(), Vec::<String>::new());
    let endpoint = &read.deployment().endpoints[0];
    assert_eq!(endpoint.named.find("x.example.com"), Found::Unknown);
    let reasons: Vec<&str> = read.deployment().unjudged.iter().map(|one| &*one.what).collect();
    assert!(reasons.contains(&"site-address"), "{reasons:?}");
}

#[test]
fn imports_read_files_beside_the_file_that_they_stand_in() {
    let mut files = standard();
    files.insert("conf/Caddyfile", *b"import sites/*.caddy\n");
    files.insert("conf/sites/b.caddy", *b"b.test {\n\timport ../common/tls\n}\n");
    files.insert("conf/sites/a.caddy", *b"a.test {\n\timport ../common/tls\n}\n");
    files.insert("conf/sites/.hidden.caddy", *b"hidden.test {\n}\n");
    files.insert("conf/common/tls", *b"tls internal\n");
    let read = read_as(&files, Path::new("conf/Caddyfile"), b"import sites/*.caddy\n", "debian-12", &[]);
    let names: Vec<&str> = read.deployment().sites.iter().map(|site| &*site.names[0].token.text).collect();
    assert_eq!((names, read.problems()), (vec!["a.test", "b.test"], Vec::new()));
    assert_eq!(read.understood.paths().len(), 4);
}

#[test]
fn hostile_texts_end() {
    let bomb: String = (0..40).map(|at| format!("(s{at}) {{\n\timport s{0}\n\timport s{0}\n}}\n", at + 1)).collect();
    let bomb = format!("{bomb}(s40) {{\n\trespond x\n}}\na.test {{\n\timport s0\n}}\n");
    let grow: String =
        (0..40).map(|at| format!("(g{at}) {{\n\timport g{} {{args[0]}}{{args[0]}}\n}}\n", at + 1)).collect();
    let grow = format!("{grow}(g40) {{\n\trespond x\n}}\na.test {{\n\timport g0 abcdefgh\n}}\n");
    let many = format!("a.test {{\n{}}}\n", "\trespond {$A:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx}\n".repeat(20_000));
    let labels = format!("{} {{\n\ttls internal\n}}\n", "a.".repeat(1000) + "test");
    let texts = [
        bomb,
        grow,
        many,
        labels,
        "a {\n".repeat(50_000),
        "}\n".repeat(50_000),
        "{".repeat(50_000),
        "\"".repeat(50_001),
        "<<A\n".repeat(20_000),
        "a, ".repeat(50_000),
        "import x\n".repeat(5_000),
        "(a) {\n\timport a\n}\nimport a\n".to_owned(),
        "\u{feff}a.test\r\n".to_owned(),
        "{$".repeat(50_000),
        "*.".repeat(2_000),
    ];
    for text in &texts {
        let started = std::time::Instant::now();
        let _ = read(text);
        let _ = read_as(&Memory::new(), Path::new("caddy.json"), text.as_bytes(), "debian-12", &[]);
        assert!(started.elapsed().as_secs() < 20, "{}", &text[..text.len().min(60)]);
    }
}

proptest::proptest! {
    /// Whatever is cut out of or put into a Caddyfile, it is read to the end.
    #[test]
    fn broken_texts_are_read(cut in 0_usize..2000, length in 0_usize..20, with in "[{}\"`\\\\<$# \\n,@a*()]{0,6}", which in 0_usize..10) {
        let all = testdata();
        let mut text = std::fs::read(&all[which % all.len()]).expect("a file of the test data");
        let from = cut.min(text.len());
        let to = (from + length).min(text.len());
        text.splice(from..to, with.into_bytes());
        let read = read_as(&standard(), Path::new("Caddyfile"), &text, "debian-sid", &[]);
        for problem in &read.deployment().problems {
            let _ = read.sources.resolve_span(problem.at);
        }
    }
}

/// What is wrong with a fix's formatting, `caddy fmt` would say: it changes nothing that a fix of a formatted file wrote.
#[test]
fn fixes_are_written_as_caddy_formats() {
    let table = [
        ("a.test {\n\ttls a.pem a.key {\n\t\tprotocols tls1.2 tls1.2\n\t}\n}\n", "protocols tls1.2 tls1.3\n"),
        ("a.test {\n\ttls a.pem a.key {\n\t\tprotocols TLSv1.3\n\t}\n}\n", "protocols tls1.3\n"),
        ("a.test {\n\ttls a.pem b.key\n}\n", "tls a.pem a.key\n"),
    ];
    for (text, expected) in table {
        let mut files = standard();
        files.insert("Caddyfile", text.as_bytes().to_vec());
        let options = shakedown::pipeline::Options {
            platform: Some("debian-12".into()),
            now: shakedown_testing::NOW,
            trust: vec![shakedown::pipeline::TrustSource::Mozilla],
            ..Default::default()
        };
        let paths = [PathBuf::from("Caddyfile")];
        let fixed = shakedown::pipeline::fix(&files, &paths, &options, shakedown::diagnostic::Safety::Unsafe);
        let fixed = fixed.expect("a run");
        let (_, after) = fixed.files.get(Path::new("Caddyfile")).unwrap_or_else(|| panic!("no fix for {text}"));
        let after = String::from_utf8_lossy(after);
        assert!(after.contains(expected), "{after}");
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("Caddyfile"), after.as_bytes()).expect("a file can be written");
        let output = Command::new("caddy").arg("fmt").arg("Caddyfile").current_dir(folder.path()).output();
        assert_eq!(String::from_utf8_lossy(&output.expect("caddy is installed").stdout), after);
    }
}

/// Two blocks of one address that a fix makes one: the real Caddy adapts both texts to the same.
#[test]
fn blocks_that_become_one_mean_what_they_meant() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    recipe::write(folder.path(), &recipe::standard_files());
    let path = folder.path().join("Caddyfile");
    let (tls, respond) = ("\ttls a.pem a.key\n", "\trespond /x \"x\"\n");
    let more = "\t# kept\n\theader {\n\t\tX-Test y\n\t}\n";
    let blocks = |one: &str, two: &str| format!("a.test {{\n{one}}}\nA.test {{\n{two}}}\n");
    let table = [
        (blocks(tls, tls), Some(format!("a.test {{\n{tls}}}\n"))),
        (blocks(tls, &format!("{respond}{more}")), Some(format!("a.test {{\n{tls}{respond}{more}}}\n"))),
        (blocks(tls, &format!("{more}{tls}{respond}")), Some(format!("a.test {{\n{tls}{more}{respond}}}\n"))),
        (blocks(respond, tls), Some(format!("a.test {{\n{respond}{tls}}}\n"))),
        // Each is sorted for itself: as one block they would mean something else.
        (blocks(&format!("{tls}\trespond y\n"), more), None),
        // Two that differ.
        (blocks(tls, "\ttls b.pem b.key\n"), None),
    ];
    for (text, expected) in table {
        std::fs::write(&path, &text).expect("a file can be written");
        let mut memory = Memory::new();
        recipe::standard_files().into_iter().for_each(|(path, bytes)| memory.insert(path, bytes));
        memory.insert("Caddyfile", text.as_bytes().to_vec());
        let options = Options { platform: Some("debian-12".into()), now: NOW, ..Options::default() };
        let fixed = pipeline::fix(&memory, &[PathBuf::from("Caddyfile")], &options, Safety::Safe).expect("a run");
        let after = fixed.files.values().next().map(|(_, after)| String::from_utf8_lossy(after).into_owned());
        assert_eq!(after, expected, "{text}");
        let Some(after) = after else { continue };
        let before = adapt(&["caddy"], folder.path(), &path).expect("Caddy takes the two");
        std::fs::write(&path, after).expect("a file can be written");
        assert_eq!(adapt(&["caddy"], folder.path(), &path), Ok(before), "{text}");
    }
}

/// Who signs where nothing says so: the real Caddy asks nobody for what it signs itself.
#[test]
fn the_real_caddy_signs_itself_for_what_is_internal() {
    let names = ["a.local", "localhost", "10.1.2.3", "a.internal", "a.home.arpa", "host", "a.lan"];
    let folder = tempfile::tempdir().expect("a folder");
    let sites: String = names.iter().map(|name| format!("{name} {{\n\trespond ok\n}}\n")).collect();
    let options = "{\n\tadmin off\n\tskip_install_trust\n\thttp_port 8080\n\thttps_port 8443\n}\n";
    std::fs::write(folder.path().join("Caddyfile"), format!("{options}{sites}")).expect("a file");
    // It is ended once each name was got or given up.
    let script = "ip link set lo up; export HOME=$PWD XDG_DATA_HOME=$PWD/data XDG_CONFIG_HOME=$PWD/config; \
                  caddy run --config Caddyfile >log 2>&1 & \
                  for try in $(seq 100); do \
                      [ $(grep -c -e 'certificate obtained successfully' -e 'will retry' -e 'could not get' log) -ge 7 ] && break; \
                      sleep 0.1; \
                  done; kill %1 $!; wait; ls data/caddy/certificates/local; caddy version >version";
    let mut command = Command::new("unshare");
    let output =
        command.args(["-n", "-p", "-f", "--kill-child", "sh", "-c", script]).current_dir(folder.path()).output();
    let output = output.expect("unshare, ip and caddy are installed: run tests/install");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let signed: BTreeSet<&str> = told.lines().collect();
    let read =
        read_as(&Memory::new(), Path::new("Caddyfile"), format!("{options}{sites}").as_bytes(), "debian-12", &[]);
    let managed = read.deployment().managed.values();
    let ours: BTreeSet<&str> = managed
        .filter(|one| one.authority == shakedown::model::Authority::Internal)
        .filter_map(|one| one.name.as_deref())
        .collect();
    assert_eq!(ours, signed);
    assert!(signed.contains("a.local") && !signed.contains("a.internal"), "{told}");
}

/// A Caddyfile of a few sites that share names and differ in who signs for them.
fn draw_policies(random: &mut Random) -> String {
    const NAMES: &[&str] = &[
        "a.test",
        "b.test",
        "*.test",
        "localhost",
        "127.0.0.1",
        "x.w.test",
        "*.w.test",
        "",
        "c.internal",
        "*.*.test",
        "8.8.8.8",
        "b.com",
    ];
    const GLOBAL: &[&str] = &[
        "key_type p384",
        "local_certs",
        "acme_ca https://a.test/dir",
        "email a@b.com",
        "cert_issuer internal",
        "auto_https disable_certs",
    ];
    const TLS: &[&str] = &[
        "tls internal",
        "tls {\n\t\tkey_type p384\n\t}",
        "tls a@b.com",
        "tls {\n\t\ton_demand\n\t}",
        "tls {\n\t\tissuer acme\n\t}",
        "tls {\n\t\tca https://x.test/d\n\t}",
    ];
    let mut text = match random.one_in(3) {
        true => format!("{{\n\t{}\n}}\n", random.word(GLOBAL)),
        false => String::new(),
    };
    let mut used = BTreeSet::new();
    for _ in 0..2 + random.below(3) {
        let mut keys: Vec<String> = Vec::new();
        for _ in 0..1 + random.below(3) {
            let (name, port) = (random.word(NAMES), random.word(&["", ":8443", ":9443"]));
            let key = if name.is_empty() && port.is_empty() { ":8443".to_owned() } else { format!("{name}{port}") };
            if used.insert(key.clone()) {
                keys.push(key);
            }
        }
        let tls = if random.one_in(2) { format!("\t{}\n", random.word(TLS)) } else { String::new() };
        if !keys.is_empty() {
            text += &format!("{} {{\n{tls}}}\n", keys.join(", "));
        }
    }
    text
}

/// Which names two policies claim hangs on how Caddy sorts and joins them, which differs from release to release.
/// `SHAKEDOWN_CADDY` and `SHAKEDOWN_PLATFORM` choose another Caddy, `SHAKEDOWN_SEED` other configurations.
#[test]
fn policies_conflict_where_the_real_caddy_says() {
    let parameter = |name: &str, usual: &str| std::env::var(name).unwrap_or_else(|_| usual.to_owned());
    let (caddy, platform) = (parameter("SHAKEDOWN_CADDY", "caddy"), parameter("SHAKEDOWN_PLATFORM", "debian-12"));
    let caddy: Vec<&str> = caddy.split(' ').collect();
    let mut random = Random::new(parameter("SHAKEDOWN_SEED", "1").parse().expect("a number"));
    let folder = tempfile::tempdir().expect("a folder");
    let (mut conflicts, mut wrong) = (0, Vec::new());
    for _ in 0..120 {
        let text = draw_policies(&mut random);
        std::fs::write(folder.path().join("Caddyfile"), &text).expect("a file");
        let said = adapt(&caddy, folder.path(), Path::new("Caddyfile")).err();
        let is_told = |error: &String| error.contains("ambiguous") || error.contains("are in conflict");
        assert!(said.as_ref().is_none_or(is_told), "{text}{said:?}");
        let read = read_as(&Memory::new(), Path::new("Caddyfile"), text.as_bytes(), &platform, &[]);
        let ours = read.deployment().problems.iter().any(|one| one.rule.as_str() == "automation-policy-conflict");
        conflicts += usize::from(ours);
        if ours != said.is_some() {
            wrong.push(format!("{text}Caddy: {said:?}; we say a conflict: {ours}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!((20..100).contains(&conflicts), "{conflicts} of 120");
}
