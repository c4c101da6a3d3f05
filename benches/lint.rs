//! How long a lint takes on many sites that share certificates, and on many certificates, and how long all known clients take
//! on many sites.

use std::path::PathBuf;

use criterion::{BatchSize, Criterion};
use shakedown::handshake::client;
use shakedown::pipeline::{self, Options, Question, TrustSource};
use shakedown::server::nginx::syntax;
use shakedown::source::Memory;
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

fn options() -> Options {
    Options {
        platform: Some("debian-12".into()),
        now: NOW,
        trust: vec![TrustSource::File("root.pem".into())],
        ..Options::default()
    }
}

fn lint(files: &Memory) -> usize {
    pipeline::lint(files, &[PathBuf::from("nginx.conf")], &options()).expect("a run").findings.len()
}

fn handshakes(files: &Memory) -> usize {
    let question = Question { clients: client::clients().to_vec(), ..Question::default() };
    pipeline::handshake(files, &[PathBuf::from("nginx.conf")], &options(), &question).expect("a run").rows.len()
}

fn benchmarks(criterion: &mut Criterion) {
    let text: String = (0..1000).map(|number| site(number, number)).collect();
    criterion.bench_function("parse 1,000 sites", |bencher| {
        bencher.iter(|| syntax::parse(text.as_bytes()).directives.len())
    });
    let mut group = criterion.benchmark_group("lint");
    group.sample_size(10);
    for (sites, certificates) in [(3000, 50), (1000, 1000)] {
        let files = tree(sites, certificates);
        let name = format!("{sites} sites, {certificates} certificates");
        group.bench_function(name, |bencher| bencher.iter_batched(|| (), |()| lint(&files), BatchSize::PerIteration));
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
    benchmarks(&mut criterion);
    criterion.final_summary();
}
