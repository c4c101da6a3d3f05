//! How long each stage takes (lexing, parsing, lowering, loading PEM files, linting, predicting, reporting), and whole runs on
//! many sites that share certificates, and on many certificates.

use std::path::{Path, PathBuf};

use criterion::{BatchSize, Criterion};
use shakedown::handshake::{Outcome, Predictor, client};
use shakedown::lint::{self, Machine, Permissions, RuleContext, Settings, Trust};
use shakedown::model::ServerKind;
use shakedown::pipeline::{self, HandshakeRequest, Loaded, Options, TrustSource};
use shakedown::pki::PemStore;
use shakedown::platform::{self, SystemTls};
use shakedown::report;
use shakedown::server::{self, Completeness, Input, Root, apache, nginx};
use shakedown::source::{FileSystem, Limits, Memory, Sources, Text};
use shakedown_testing::certificate::Certificate;
use shakedown_testing::key::key;
use shakedown_testing::{NOW, recipe};

/// One site of a tree: a TLS server and a redirect.
fn site(number: usize, certificate: usize) -> String {
    format!(
        "server {{
    listen 443 ssl http2;
    listen [::]:443 ssl http2;
    server_name site{number}.example.com www.site{number}.example.com;
    ssl_certificate     tls/{certificate}.pem;
    ssl_certificate_key tls/{certificate}.key;
    include snippets/tls.conf;
    add_header Strict-Transport-Security \"max-age=63072000\" always;
    location / {{ proxy_pass http://127.0.0.1:8080; proxy_set_header Host $host; }}
}}
server {{
    listen 80;
    server_name site{number}.example.com www.site{number}.example.com;
    return 301 https://$host$request_uri;
}}
"
    )
}

const SNIPPET: &str = "ssl_protocols TLSv1.2 TLSv1.3;
ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256;
ssl_prefer_server_ciphers off;
ssl_session_timeout 1d;
ssl_session_cache shared:tls:10m;
";

fn tree(sites: usize, certificates: usize) -> Memory {
    let mut files = Memory::new();
    files.insert("nginx.conf", &b"events {}\nhttp {\n    include conf.d/*.conf;\n}\n"[..]);
    files.insert("snippets/tls.conf", SNIPPET.as_bytes());
    files.insert("root.pem", recipe::root().pem().into_bytes());
    let issuer = recipe::intermediate();
    for number in 0..certificates {
        let name = format!("ec-bench-{number}");
        let owners: Vec<String> = (number..sites)
            .step_by(certificates)
            .flat_map(|site| [format!("site{site}.example.com"), format!("www.site{site}.example.com")])
            .collect();
        let names: Vec<&str> = owners.iter().map(String::as_str).collect();
        let leaf = Certificate::leaf(&names, &name, &issuer);
        files.insert(format!("tls/{number}.pem"), (leaf.pem() + &issuer.pem()).into_bytes());
        files.insert(format!("tls/{number}.key"), key(&name).pkcs8().into_bytes());
    }
    for number in 0..sites {
        files.insert(format!("conf.d/site{number}.conf"), site(number, number % certificates).into_bytes());
    }
    files
}

/// A tree in which no certificate has the names of its site.
fn flawed_tree(sites: usize, certificates: usize) -> Memory {
    let mut files = tree(sites, certificates);
    for number in 0..sites {
        let text = site(number, (number + 1) % certificates);
        files.insert(format!("conf.d/site{number}.conf"), text.into_bytes());
    }
    files
}

fn options() -> Options {
    Options {
        platform: Some("debian-12".into()),
        now: NOW,
        trust: vec![TrustSource::File("root.pem".into())],
        ..Options::default()
    }
}

/// One site as Apache has it.
const APACHE: &str = "<VirtualHost *:443>
    ServerName site.example.com
    ServerAlias www.site.example.com
    SSLEngine on
    SSLCertificateFile \"/etc/ssl/site.pem\"
    SSLCertificateKeyFile /etc/ssl/site.key
    Header always set Strict-Transport-Security \"max-age=63072000\"
    ProxyPass / http://127.0.0.1:8080/
</VirtualHost>
";

/// Words of Apache's text: lines, and each cut.
fn apache_words(text: &[u8]) -> usize {
    let lines = apache::syntax::lines(text);
    lines.iter().map(|line| apache::syntax::words(text, line.start as usize, line.end as usize).len()).sum()
}

/// Reads, parses and lowers from memory; how many sites there are.
fn lower(files: &Memory) -> usize {
    let path = Path::new("nginx.conf");
    let bytes = files.read(path, u64::MAX).expect("it was put there");
    let roots = vec![Root { path: path.into(), bytes, text: Text::File }];
    let input = Input { roots, form: Completeness::Whole, definitions: Vec::new() };
    let platform = platform::find("debian-12", ServerKind::Nginx.part()).expect("it is known");
    let mut sources = Sources::new();
    server::read(ServerKind::Nginx, files, &mut sources, &Limits::default(), input, platform).deployment().sites.len()
}

fn load_pem(files: &Memory, certificates: usize) -> usize {
    let paths = (0..certificates).flat_map(|at| [format!("tls/{at}.pem"), format!("tls/{at}.key")]).map(PathBuf::from);
    PemStore::load(files, &mut Sources::new(), &Limits::default(), paths, &[]).iter().count()
}

/// The rules alone, over what was read.
fn rules(loaded: &Loaded) -> usize {
    let reading = &loaded.readings[0];
    let (settings, permissions, machine) = (Settings::default(), Permissions::default(), Machine::default());
    let question = lint::LintInputs {
        trust: Trust { anchors: &loaded.anchors, is_given: true, is_public: false },
        settings: &settings,
        now: NOW,
        clock: None,
        permissions: &permissions,
        machine: &machine,
    };
    let editor = reading.understood.editor();
    let deployment = reading.understood.deployment();
    let scope = RuleContext::new(deployment, &reading.system, &loaded.library, &loaded.sources, &*editor, question);
    lint::run(&scope, &settings, usize::MAX).findings.len()
}

/// Each known client at each site.
fn predict(loaded: &Loaded) -> usize {
    let deployment = loaded.readings[0].understood.deployment();
    let system = SystemTls::unread(&deployment.platform);
    let predictor = Predictor::new(deployment, &loaded.library, &system, NOW);
    let bindings = deployment.endpoints.iter().flat_map(|endpoint| &endpoint.bindings);
    let outcomes = bindings.flat_map(|binding| client::clients().iter().map(move |client| (binding, client)));
    outcomes.filter(|(binding, client)| matches!(&*predictor.outcome(binding, client), Outcome::Agreed(..))).count()
}

fn run(files: &Memory) -> pipeline::Run {
    pipeline::lint(files, &[PathBuf::from("nginx.conf")], &options()).expect("a run")
}

fn handshakes(files: &Memory) -> usize {
    let question = HandshakeRequest { clients: client::clients().to_vec(), ..HandshakeRequest::default() };
    pipeline::handshake(files, &[PathBuf::from("nginx.conf")], &options(), &question).expect("a run").rows.len()
}

fn stages(criterion: &mut Criterion) {
    let apache = APACHE.repeat(1000);
    criterion.bench_function("lex: 1,000 sites of Apache", |bencher| bencher.iter(|| apache_words(apache.as_bytes())));
    let text: String = (0..1000).map(|number| site(number, number)).collect();
    criterion.bench_function("parse: 1,000 sites of nginx", |bencher| {
        bencher.iter(|| nginx::syntax::parse(text.as_bytes()).directives.len())
    });
    let files = tree(1000, 50);
    let loaded = pipeline::load(&files, &[PathBuf::from("nginx.conf")], &options()).expect("it can be read");
    let done = run(&flawed_tree(1000, 50));
    assert!(done.findings.len() > 1000, "reports are of many findings: {}", done.findings.len());
    let mut group = criterion.benchmark_group("1,000 sites of nginx, 50 certificates");
    group.sample_size(20);
    group.bench_function("read, parse and lower", |bencher| bencher.iter(|| lower(&files)));
    group.bench_function("load PEM", |bencher| bencher.iter(|| load_pem(&files, 50)));
    group.bench_function("lint", |bencher| bencher.iter(|| rules(&loaded)));
    group.bench_function("predict, all clients", |bencher| bencher.iter(|| predict(&loaded)));
    group.finish();
    let mut group = criterion.benchmark_group(format!("report of {} findings", done.findings.len()));
    group.sample_size(20);
    group.bench_function("concise", |bencher| bencher.iter(|| report::concise(&done, &mut std::io::sink())));
    let style = report::Style { color: false, width: 120, verbose: false, quiet: false };
    group.bench_function("pretty", |bencher| bencher.iter(|| report::pretty(&done, style, &mut std::io::sink())));
    group.bench_function("JSON", |bencher| {
        bencher.iter(|| serde_json::to_string(&report::json::document(&done)).expect("JSON").len())
    });
    group.finish();
}

fn whole_runs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lint");
    group.sample_size(10);
    for (sites, certificates) in [(3000, 50), (1000, 1000)] {
        let files = tree(sites, certificates);
        let name = format!("{sites} sites, {certificates} certificates");
        group.bench_function(name, |bencher| bencher.iter_batched(|| (), |()| run(&files), BatchSize::PerIteration));
    }
    group.finish();
    let mut group = criterion.benchmark_group("handshake");
    group.sample_size(10);
    let files = tree(3000, 50);
    group.bench_function("3000 sites, 50 certificates, all clients", |bencher| {
        bencher.iter_batched(|| (), |()| handshakes(&files), BatchSize::PerIteration)
    });
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    stages(&mut criterion);
    whole_runs(&mut criterion);
    criterion.final_summary();
}
