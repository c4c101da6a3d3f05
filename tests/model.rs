//! One model for three servers: configurations of one meaning, written for nginx, Apache and Caddy, lower to the same.

use std::path::Path;

use shakedown::diagnostic::Problem;
use shakedown::model::{BindingId, Deployment, Endpoint, Found, ServerKind, Unmatched};
use shakedown::platform::{self, Part};
use shakedown::server::{self, Completeness, Input, Root};
use shakedown::source::{Limits, Memory, Sources, Text};

/// For each name: who answers on the socket of port 443, with which protocols and certificate.
fn told(server: ServerKind, part: Part, text: &str, names: &[&str]) -> String {
    let mut sources = Sources::new();
    let root = Root { path: "main".into(), bytes: text.as_bytes().to_vec().into(), text: Text::File };
    let input = Input { roots: vec![root], form: Completeness::Whole, definitions: Vec::new() };
    let platform = platform::find("debian-12", part).expect("a platform of the table");
    let read = server::read(server, &Memory::new(), &mut sources, &Limits::default(), input, platform);
    let deployment = read.deployment();
    // What the second test is about is remarked on, too.
    let is_fault = |problem: &&Problem| problem.rule.as_str() != "wildcard-policy-applies-to-subdomain";
    assert_eq!(deployment.problems.iter().find(is_fault), None);
    let endpoint = deployment.endpoints.iter().find(|one| one.listen.port == 443).expect("a socket of port 443");
    let mut out = String::new();
    for name in names {
        let binding = match endpoint.named.find(name) {
            Found::Binding(binding) => Some(binding),
            Found::Nothing => match endpoint.unmatched {
                Unmatched::Binding(binding) => Some(binding),
                Unmatched::Reject(_) => None,
            },
            Found::Unknown => panic!("{name} hangs on something unknown"),
        };
        let answer = binding.map_or("refused".to_owned(), |binding| answer(deployment, endpoint, binding));
        out += &format!("{name}: {answer}\n");
    }
    out
}

fn answer(deployment: &Deployment, endpoint: &Endpoint, binding: BindingId) -> String {
    let binding = endpoint.binding(binding);
    let site = deployment.site(binding.site);
    let protocols = deployment.policy(binding.after_name).protocols.get().expect("known protocols").set;
    let pair = deployment.credentials(binding.credentials).pairs.first().expect("a certificate");
    let (_, certificate) = pair.certificate.get().expect("a known path");
    let (_, key) = pair.key.as_ref().and_then(|key| key.get()).expect("a known path");
    assert!(certificate.starts_with(Path::new("/tls")) && key.starts_with(Path::new("/tls")));
    format!(
        "{} {:?} {protocols} {} {}",
        site.names[0].token.text,
        endpoint.transport,
        certificate.display(),
        key.display()
    )
}

#[test]
fn two_virtual_hosts_are_two_server_blocks() {
    let nginx = "events {}
http {
    ssl_protocols TLSv1.2 TLSv1.3;
    server { listen 443 ssl; server_name a.test; ssl_certificate /tls/a.pem; ssl_certificate_key /tls/a.key; }
    server { listen 443 ssl; server_name b.test *.b.test; ssl_certificate /tls/b.pem; ssl_certificate_key /tls/b.key; }
}";
    let apache = "Listen 443
SSLProtocol -all +TLSv1.2 +TLSv1.3
<VirtualHost *:443>
    ServerName a.test
    SSLEngine on
    SSLCertificateFile /tls/a.pem
    SSLCertificateKeyFile /tls/a.key
</VirtualHost>
<VirtualHost *:443>
    ServerName b.test
    ServerAlias *.b.test
    SSLEngine on
    SSLCertificateFile \"/tls/b.pem\"
    SSLCertificateKeyFile /tls/b.key
</VirtualHost>";
    let names = ["a.test", "b.test", "www.b.test", "x.y.b.test", "unknown.test"];
    let expected = "a.test: a.test Tls TLSv1.2 TLSv1.3 /tls/a.pem /tls/a.key
b.test: b.test Tls TLSv1.2 TLSv1.3 /tls/b.pem /tls/b.key
www.b.test: b.test Tls TLSv1.2 TLSv1.3 /tls/b.pem /tls/b.key
x.y.b.test: b.test Tls TLSv1.2 TLSv1.3 /tls/b.pem /tls/b.key
unknown.test: a.test Tls TLSv1.2 TLSv1.3 /tls/a.pem /tls/a.key
";
    assert_eq!(told(ServerKind::Nginx, Part::Nginx, nginx, &names), expected);
    assert_eq!(told(ServerKind::Apache, Part::Apache, apache, &names), expected);
}

#[test]
fn a_subdomain_site_is_served_by_the_wildcard_site_that_covers_it() {
    let caddy = "*.b.test {
    tls /tls/b.pem /tls/b.key {
        protocols tls1.3
    }
}
api.b.test {
}";
    let nginx = "events {}
http {
    ssl_protocols TLSv1.3;
    ssl_certificate /tls/b.pem;
    ssl_certificate_key /tls/b.key;
    server { listen 443 ssl; server_name *.b.test; }
    server { listen 443 ssl; server_name api.b.test; }
}";
    let names = ["www.b.test", "api.b.test"];
    let expected = "www.b.test: *.b.test Tls TLSv1.3 /tls/b.pem /tls/b.key
api.b.test: api.b.test Tls TLSv1.3 /tls/b.pem /tls/b.key
";
    assert_eq!(told(ServerKind::Caddy, Part::Caddy, caddy, &names), expected);
    assert_eq!(told(ServerKind::Nginx, Part::Nginx, nginx, &names), expected);
    // A wildcard is one label in Caddy, any number in nginx; and Caddy refuses what nobody has.
    assert_eq!(told(ServerKind::Caddy, Part::Caddy, caddy, &["x.y.b.test"]), "x.y.b.test: refused\n");
}
