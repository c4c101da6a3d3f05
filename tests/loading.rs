//! Whether a certificate and a key are loaded: for each fault of a file the real nginx, Apache and Caddy are asked, and ours
//! must say the same, for nginx in its own words.

use std::collections::BTreeMap;

use rayon::prelude::*;
use shakedown::diagnostic::Severity;
use shakedown::pipeline::{self, Options};
use shakedown::pki::PemFile;
use shakedown::pki::loading::{self, Loader, Strength};
use shakedown::source::{FileId, Memory};
use shakedown_testing::certificate::Certificate;
use shakedown_testing::key::{Digest, key};
use shakedown_testing::recipe::{file, intermediate, write};
use shakedown_testing::server;

struct Case {
    name: &'static str,
    certificate: Vec<u8>,
    key: Vec<u8>,
}

fn cut(mut bytes: Vec<u8>, length: usize) -> Vec<u8> {
    bytes.truncate(length);
    bytes
}

fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    String::from_utf8_lossy(bytes).replacen(from, to, 1).into_bytes()
}

fn cases() -> Vec<Case> {
    let chain = file(["leaf a.test", "intermediate"]);
    let ec = file(["key ec1"]);
    let leaf = |key: &str| Certificate::leaf(&["a.test"], key, &intermediate());
    let pem = |certificates: &[Certificate]| -> Vec<u8> {
        certificates.iter().map(Certificate::pem).collect::<String>().into()
    };
    let private = |name: &str| key(name).pkcs8().into_bytes();
    let weak_authority =
        |name: &str| Certificate::authority("Weak Authority", name, &shakedown_testing::recipe::root());
    let signed_by = |authority: &Certificate| Certificate::leaf(&["a.test"], "ec1", authority);
    let own = |key: &str, digest| {
        let leaf = leaf(key);
        Certificate { issuer: leaf.subject.clone(), signed_by: key.to_owned(), digest, ..leaf }
    };
    let mut all: Vec<Case> = Vec::new();
    let mut add = |name, certificate: &[u8], key: &[u8]| {
        all.push(Case { name, certificate: certificate.to_vec(), key: key.to_vec() })
    };
    add("whole", &chain, &ec);
    add("leaf alone", &file(["leaf a.test"]), &ec);
    add(
        "text before and between",
        &file(["text hello", "leaf a.test", "text between", "intermediate", "text end"]),
        &ec,
    );
    add("CRLF", &file(["crlf", "leaf a.test", "intermediate"]), &file(["crlf", "key ec1"]));
    add("byte order mark before the certificate", &file(["bom", "leaf a.test", "intermediate"]), &ec);
    add("byte order mark before text and the certificate", &file(["bom", "text hello", "leaf a.test"]), &ec);
    add("byte order mark before the key", &chain, &file(["bom", "key ec1"]));
    add("blanks behind the first line", &replaced(&chain, "CERTIFICATE-----\n", "CERTIFICATE-----  \n"), &ec);
    add("glued blocks", &file(["leaf a.test", "glue", "intermediate"]), &ec);
    add("empty certificate file", b"", &ec);
    add("empty key file", &chain, b"");
    add("plain text", b"no certificate at all\n", &ec);
    add("plain text as a key", &chain, b"no key at all\n");
    add("DER certificate", &file(["der leaf a.test"]), &ec);
    add("truncated certificate", &cut(chain.clone(), 400), &ec);
    add("truncated in the second block", &cut(chain.clone(), chain.len() - 200), &ec);
    add("truncated key", &chain, &cut(ec.clone(), 100));
    add("bad base64", &replaced(&chain, "MII", "M*I"), &ec);
    add("bad base64 in the key", &chain, &replaced(&ec, "MIG", "M*G"));
    add("noise as a certificate", &file(["noise CERTIFICATE"]), &ec);
    add("noise as the second certificate", &file(["leaf a.test", "noise CERTIFICATE"]), &ec);
    add("noise as a key", &chain, &file(["noise PRIVATE KEY"]));
    add("indented", &replaced(&chain, "-----BEGIN", "  -----BEGIN"), &ec);
    add("lower-case head", &replaced(&chain, "BEGIN CERTIFICATE", "begin certificate"), &ec);
    add(
        "another label",
        &replaced(
            &replaced(&file(["leaf a.test"]), "BEGIN CERTIFICATE", "BEGIN X509 CERTIFICATE"),
            "END CERTIFICATE",
            "END X509 CERTIFICATE",
        ),
        &ec,
    );
    let relabelled = |label: &str| {
        let from = replaced(&file(["leaf a.test"]), "BEGIN CERTIFICATE", &format!("BEGIN {label}"));
        replaced(&from, "END CERTIFICATE", &format!("END {label}"))
    };
    add("trusted label", &relabelled("TRUSTED CERTIFICATE"), &ec);
    add("trusted label behind the leaf", &[chain.clone(), relabelled("TRUSTED CERTIFICATE")].concat(), &ec);
    add("request label", &relabelled("CERTIFICATE REQUEST"), &ec);
    add(
        "Diffie-Hellman parameters before the certificate",
        &[file(["noise DH PARAMETERS"]), chain.clone()].concat(),
        &ec,
    );
    add("key in the place of the certificate", &ec, &ec);
    add("certificate in the place of the key", &chain, &chain);
    add("both swapped", &ec, &chain);
    add(
        "both in one file, key first",
        &file(["key ec1", "leaf a.test", "intermediate"]),
        &file(["key ec1", "leaf a.test", "intermediate"]),
    );
    add(
        "both in one file, key last",
        &file(["leaf a.test", "intermediate", "key ec1"]),
        &file(["leaf a.test", "intermediate", "key ec1"]),
    );
    add("EC parameters before the key", &chain, &file(["ec-parameters", "sec1 ec1"]));
    add("SEC1", &chain, &file(["sec1 ec1"]));
    add("PKCS #1", &pem(&[leaf("rsa1")]), &file(["sec1 rsa1"]));
    add("broken certificate before the key", &chain, &[replaced(&chain, "MII", "M*I"), ec.clone()].concat());
    add("certificate before the key", &chain, &[chain.clone(), ec.clone()].concat());
    add("broken key before the key", &chain, &[replaced(&ec, "MIG", "M*G"), ec.clone()].concat());
    add("noise before the key", &chain, &file(["noise PRIVATE KEY", "key ec1"]));
    add("truncated key before the key", &chain, &[cut(ec.clone(), 100), b"\n".to_vec(), ec.clone()].concat());
    add("key between broken certificates", &[ec.clone(), chain.clone(), file(["noise CERTIFICATE"])].concat(), &ec);
    add("encrypted key", &chain, &file(["encrypted ec1 password=x"]));
    add("reversed", &file(["intermediate", "leaf a.test"]), &ec);
    add("key of another pair", &chain, &file(["key ec2"]));
    add("RSA key of another pair", &pem(&[leaf("rsa1")]), &file(["key rsa2"]));
    add("ECDSA certificate, RSA key", &chain, &file(["key rsa1"]));
    add("RSA certificate, ECDSA key", &pem(&[leaf("rsa1")]), &ec);
    add("P-384 certificate, P-256 key", &pem(&[leaf("p384-1")]), &ec);
    add("Ed25519 certificate, ECDSA key", &pem(&[leaf("ed1")]), &ec);
    add("P-384", &pem(&[leaf("p384-1")]), &private("p384-1"));
    add("P-521", &pem(&[leaf("p521-1")]), &private("p521-1"));
    add("Ed25519", &pem(&[leaf("ed1")]), &private("ed1"));
    add("RSA 1024", &pem(&[leaf("rsa1024-1"), intermediate()]), &private("rsa1024-1"));
    add("SHA-1", &pem(&[Certificate { digest: Digest::Sha1, ..leaf("ec1") }]), &ec);
    add("SHA-1 on an intermediate", &pem(&[leaf("ec1"), Certificate { digest: Digest::Sha1, ..intermediate() }]), &ec);
    add(
        "RSA 1024 in an intermediate",
        &pem(&[signed_by(&weak_authority("rsa1024-2")), weak_authority("rsa1024-2")]),
        &ec,
    );
    add("MD5", &pem(&[Certificate { digest: Digest::Md5, ..signed_by(&weak_authority("rsa3")) }]), &ec);
    add("RSA-PSS", &pem(&[Certificate { digest: Digest::Pss256, ..signed_by(&weak_authority("rsa3")) }]), &ec);
    add("SHA-1, self-signed", &pem(&[own("rsa1", Digest::Sha1)]), &private("rsa1"));
    add("expired", &file(["leaf a.test from=-90 to=-1"]), &ec);
    add("version 1", &pem(&[Certificate { version: 1, ..leaf("ec1") }]), &ec);
    all
}

fn ours(case: &Case, loader: Loader) -> Option<loading::Refusal> {
    let read = |bytes: &[u8]| PemFile::read("x".into(), FileId(0), bytes, &[]);
    let strength = Strength::of(2, [3, 0, 0]);
    loading::refusal(loader, &read(&case.certificate), &read(&case.key), strength)
}

fn files(case: &Case) -> BTreeMap<String, Vec<u8>> {
    let nginx = "events {}\nerror_log stderr;\nhttp { server { listen 8443 ssl; ssl_certificate c.pem; ssl_certificate_key k.pem; } }\n";
    let modules = "/usr/lib/apache2/modules";
    let apache = format!(
        "LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule ssl_module {modules}/mod_ssl.so
PidFile apache.pid
ErrorLog error.log
ServerName a.test
Listen 8443
<VirtualHost *:8443>
    ServerName a.test
    SSLEngine on
    SSLCertificateFile c.pem
    SSLCertificateKeyFile k.pem
</VirtualHost>
"
    );
    let caddy = "{\n\tadmin off\n\tauto_https disable_redirects\n}\nhttps://a.test:8443 {\n\ttls c.pem k.pem\n}\n";
    BTreeMap::from([
        ("c.pem".to_owned(), case.certificate.clone()),
        ("k.pem".to_owned(), case.key.clone()),
        ("nginx.conf".to_owned(), nginx.as_bytes().to_vec()),
        ("apache.conf".to_owned(), apache.into_bytes()),
        ("Caddyfile".to_owned(), caddy.as_bytes().to_vec()),
    ])
}

#[test]
fn files_are_loaded_as_the_servers_load_them() {
    let cases = cases();
    let wrong: Vec<String> = cases
        .par_iter()
        .flat_map_iter(|case| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            write(folder.path(), &files(case));
            let asked = [
                (Loader::Nginx, server::nginx(folder.path(), "nginx.conf")),
                (Loader::Apache, server::apache(folder.path(), "apache.conf")),
                (Loader::Caddy, server::caddy(folder.path(), "Caddyfile")),
            ];
            asked.into_iter().filter_map(|(loader, verdict)| {
                let ours = ours(case, loader);
                // Apache's words are its own; OpenSSL's stand behind nginx's, Go's behind Caddy's.
                let has_words = loader == Loader::Apache
                    || ours.as_ref().is_none_or(|refusal| verdict.words.contains(refusal.words));
                let agrees = verdict.starts == ours.is_none()
                    && (has_words || ours.as_ref().is_some_and(|one| one.cause == loading::Cause::Encrypted));
                let told: String = verdict
                    .words
                    .lines()
                    .filter(|line| line.contains("rror") || line.contains("merg"))
                    .collect::<Vec<_>>()
                    .join("\n  ");
                (!agrees).then(|| {
                    format!("{} in {loader:?}: starts: {}, ours: {ours:?}\n  {told}\n", case.name, verdict.starts)
                })
            })
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), 3 * cases.len(), wrong.concat());
}

/// What nginx refuses is an error of `lint`, so that no outage is missed.
#[test]
fn lint_says_what_nginx_refuses() {
    for case in cases() {
        let mut memory = Memory::new();
        files(&case).into_iter().for_each(|(path, bytes)| memory.insert(path, bytes));
        let options = Options { platform: Some("debian-12".into()), now: shakedown_testing::NOW, ..Options::default() };
        let run = pipeline::lint(&memory, &["nginx.conf".into()], &options).expect("a run");
        let errors: Vec<String> =
            run.findings.iter().filter(|one| one.severity == Severity::Error).map(|one| one.rule.to_string()).collect();
        if ours(&case, Loader::Nginx).is_some() {
            assert!(!errors.is_empty(), "{}: nginx refuses it", case.name);
        }
    }
}
