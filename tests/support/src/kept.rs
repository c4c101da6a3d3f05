//! Smallest configurations on which a prediction was once wrong, tried with every known client.

use std::collections::BTreeMap;

use crate::case::{Attempt, Case};
use crate::client::{Client, clients};
use crate::material::common_files;
use crate::recipe::file;

/// Where kept configurations listen.
const LISTEN: &str = "127.0.0.1:8443";

/// Two pairs of different types, and what may lie beside them.
fn files() -> BTreeMap<String, Vec<u8>> {
    let mut files = common_files();
    for (name, recipes) in [
        ("a.pem", &["leaf a.test key=rsa1", "intermediate"][..]),
        ("a.key", &["key rsa1"]),
        ("b.pem", &["leaf b.test key=ec2", "intermediate"]),
        ("b.key", &["key ec2"]),
        ("c.pem", &["leaf c.test key=p384-1", "intermediate"]),
        ("c.key", &["key p384-1"]),
        ("wild.pem", &["leaf *.test key=rsa1", "intermediate"]),
        ("same.pem", &["leaf *.test key=rsa1", "intermediate"]),
        ("leaf.pem", &["leaf a.test key=rsa1"]),
        ("middle.pem", &["intermediate"]),
        ("reversed.pem", &["intermediate", "leaf a.test key=rsa1"]),
        ("ed.pem", &["leaf a.test key=ed1", "intermediate"]),
        ("address.pem", &["leaf a.test,127.0.0.1 key=rsa1", "intermediate"]),
        ("ed.key", &["key ed1"]),
        ("a.test.pem", &["leaf a.test key=rsa1", "intermediate"]),
        ("a.test.key", &["key rsa1"]),
        ("b.test.pem", &["leaf b.test key=ec2", "intermediate"]),
        ("b.test.key", &["key rsa1"]),
        (".pem", &["leaf *.test key=ec2", "intermediate"]),
        (".key", &["key ec2"]),
        ("pin256.pem", &["leaf a.test key=rsa1", "intermediate", "ec-parameters"]),
        ("pin384.pem", &["ec-parameters 1.3.132.0.34", "leaf a.test key=rsa1", "intermediate"]),
        ("pin-dh.pem", &["leaf a.test key=rsa1", "intermediate", "ec-parameters", "dh 2048"]),
        ("dh-pin.pem", &["leaf a.test key=rsa1", "intermediate", "dh 2048", "ec-parameters"]),
        ("pin-other.pem", &["ec-parameters 1.3.132.0.6", "leaf a.test key=rsa1", "intermediate"]),
        ("sha1.pem", &["leaf a.test key=rsa1 digest=sha1", "intermediate"]),
        ("sha1-middle.pem", &["leaf a.test key=rsa1", "intermediate digest=sha1"]),
        ("garbage.pem", &["text nothing"]),
        ("ec1.key", &["key ec1"]),
        ("rsa2.key", &["key rsa2"]),
    ] {
        files.insert(name.to_owned(), file(recipes.iter().copied()));
    }
    files
}

fn all_clients() -> Vec<Client> {
    let mut all = clients();
    // None of the known ones has these versions alone.
    let mut old = all.iter().find(|client| client.name == "all-protocols").expect("it is known").clone();
    old.name = "tls10-to-11".to_owned();
    old.protocols = vec!["TLSv1.0", "TLSv1.1"];
    all.push(old);
    // Go asks the first suite that it knows whether the client likes AES.
    let mut last = all.iter().find(|client| client.name == "tls12").expect("it is known").clone();
    last.name = "cbc-first".to_owned();
    last.ciphers.insert(0, "AES128-SHA256");
    all.push(last);
    all
}

fn case(name: &str, main: &'static str, text: String) -> Case {
    let clients = all_clients();
    let attempt = |host: &str, client| Attempt {
        listen: LISTEN.to_owned(),
        host: host.to_owned(),
        client,
        differing: Vec::new(),
    };
    let attempts = ["a.test", "b.test", "other.test"]
        .into_iter()
        .flat_map(|host| (0..clients.len()).map(move |client| attempt(host, client)))
        .collect();
    let mut files = files();
    files.insert(main.to_owned(), text.into_bytes());
    Case { name: format!("kept: {name}"), main, files, clients, attempts }
}

/// Two servers on one socket, the first the default.
fn nginx_case(name: &str, http: &str, first: &str, second: &str) -> Case {
    let server =
        |host: &str, words: &str| format!("server {{\nlisten {LISTEN} ssl;\nserver_name {host}.test;\n{words}\n}}\n");
    let text = format!("events {{}}\nhttp {{\n{http}\n{}{}}}\n", server("a", first), server("b", second));
    case(name, "nginx.conf", text)
}

/// Where the modules of nginx lie that are loaded.
fn nginx_modules() -> String {
    crate::trial::parameter("SHAKEDOWN_NGINX_MODULES", "/usr/lib/nginx/modules")
}

/// Servers of `stream` on one socket, by what they say first and last.
fn nginx_stream(name: &str, stream: &str, servers: &[(&str, &str)]) -> Case {
    let server = |(first, last): &(&str, &str)| {
        format!("server {{\nlisten {LISTEN} ssl;\n{first}\n{last}\nreturn \"HTTP/1.0 200 OK\\n\";\n}}\n")
    };
    let servers: String = servers.iter().map(server).collect();
    let module = nginx_modules();
    let text = format!("load_module {module}/ngx_stream_module.so;\nevents {{}}\nstream {{\n{stream}\n{servers}}}\n");
    case(name, "nginx.conf", text)
}

/// A server of `mail`.
fn nginx_mail(name: &str, words: &str) -> Case {
    let module = nginx_modules();
    let text = format!(
        "load_module {module}/ngx_mail_module.so;\nevents {{}}\nmail {{\nauth_http 127.0.0.1:9/;\n\
         timeout 500ms;\nserver {{\nlisten {LISTEN} ssl;\nprotocol imap;\n{words}\n}}\n}}\n"
    );
    case(name, "nginx.conf", text)
}

/// Kept configurations of nginx.
pub fn nginx() -> Vec<Case> {
    const A: &str = "ssl_certificate a.pem; ssl_certificate_key a.key;";
    const B: &str = "ssl_certificate b.pem; ssl_certificate_key b.key;";
    let with = |pair: &str, words: &str| format!("{pair} {words}");
    let both =
        |name: &str, http: &str, first: &str, second: &str| nginx_case(name, http, &with(A, first), &with(B, second));
    let mixed = format!(
        "events {{}}\nhttp {{\nserver {{ listen {LISTEN}; }}\nserver {{ listen {LISTEN} ssl; server_name b.test; {B} }}\n}}\n"
    );
    vec![
        both("Suite B of the default server", "", "ssl_ciphers SUITEB128;", ""),
        both("Suite B of the named server", "", "", "ssl_ciphers SUITEB128;"),
        both("Suite B of both", "ssl_ciphers SUITEB192;", "", "ssl_ecdh_curve P-384;"),
        both("Suite B, and groups without it", "ssl_ecdh_curve ffdhe2048:ffdhe3072;", "", "ssl_ciphers SUITEB128;"),
        both(
            "Suite B, and longer tuples of groups",
            "ssl_ecdh_curve ffdhe2048:ffdhe3072:secp224r1;",
            "ssl_ciphers SUITEB128;",
            "",
        ),
        both(
            "Suite B for P-256 alone, and longer tuples of groups",
            "ssl_ecdh_curve X25519:P-384;",
            "ssl_ciphers SUITEB128ONLY;",
            "",
        ),
        nginx_case("a leaf signed with SHA-1", "", "ssl_certificate sha1.pem; ssl_certificate_key a.key;", B),
        nginx_case("a link signed with SHA-1", "", "ssl_certificate sha1-middle.pem; ssl_certificate_key a.key;", B),
        nginx_case(
            "a link signed with SHA-1, and a lower level",
            "ssl_ciphers DEFAULT:@SECLEVEL=0;",
            "ssl_certificate sha1-middle.pem; ssl_certificate_key a.key;",
            B,
        ),
        both("no suite of TLS 1.3", "", "ssl_protocols TLSv1.2 TLSv1.3; ssl_conf_command Ciphersuites \"\";", ""),
        both("a hole between protocols", "ssl_ciphers DEFAULT:@SECLEVEL=0;", "ssl_protocols TLSv1 TLSv1.2;", ""),
        both("a hole below TLS 1.3", "ssl_ciphers DEFAULT:@SECLEVEL=0;", "ssl_protocols TLSv1.1 TLSv1.3;", ""),
        both("a revocation list that is not there", "", "", "ssl_crl absent.pem;"),
        both("no Diffie-Hellman parameters", "ssl_ciphers DHE-RSA-AES128-GCM-SHA256;", "", ""),
        both("only the second server has a curve", "ssl_ecdh_curve P-521;", "", "ssl_ecdh_curve X25519;"),
        both("passwords of another server", "", "ssl_password_file passwords;", ""),
        nginx_case("a default server that refuses", "", "ssl_reject_handshake on;", B),
        nginx_case("a refusal that is lent", "", A, "ssl_reject_handshake on;"),
        nginx_case(
            "keys crosswise, compared when loaded",
            "",
            "ssl_certificate c.pem; ssl_certificate a.pem; ssl_certificate_key ec1.key; ssl_certificate_key c.key;",
            B,
        ),
        case("a default server without a certificate", "nginx.conf", mixed),
        nginx_stream("a stream", "", &[("", A)]),
        nginx_stream("a stream with application protocols", "ssl_alpn imap h2;", &[("", B)]),
        nginx_stream(
            "a stream with two servers on a socket",
            "",
            &[("server_name a.test;", A), ("server_name b.test;", B)],
        ),
        nginx_stream(
            "a stream that refuses names",
            "",
            &[("ssl_reject_handshake on;", ""), ("server_name b.test;", B)],
        ),
        nginx_stream("a stream without a certificate", "", &[("", "")]),
        nginx_mail("mail", A),
        nginx_mail(
            "mail for old clients",
            "ssl_certificate b.pem; ssl_certificate_key b.key; ssl_protocols TLSv1 TLSv1.2;",
        ),
        nginx_mail("mail without a certificate", ""),
        nginx_case(
            "a path with the name that the client sends",
            "",
            "ssl_certificate $ssl_server_name.pem; ssl_certificate_key ${ssl_server_name}.key;",
            B,
        ),
        nginx_case(
            "a path with the name that the client sends, and weak keys",
            "ssl_certificate $ssl_server_name.pem; ssl_certificate_key $ssl_server_name.key;",
            "ssl_ciphers DEFAULT:@SECLEVEL=3;",
            "ssl_ciphers DEFAULT:@SECLEVEL=1;",
        ),
        nginx_case(
            "a path with the name of the server",
            "ssl_certificate ./$server_name.pem; ssl_certificate_key a.key;",
            "",
            "",
        ),
        nginx_case(
            "a missing file beside a path with a variable",
            "",
            "ssl_certificate absent.pem; ssl_certificate_key a.key; \
             ssl_certificate $ssl_server_name.pem; ssl_certificate_key $ssl_server_name.key;",
            B,
        ),
        nginx_case(
            "a path with a variable, and clients refused without a certificate",
            "",
            "ssl_certificate $ssl_server_name.pem; ssl_certificate_key $ssl_server_name.key;",
            "ssl_reject_handshake on;",
        ),
    ]
}

/// Kept configurations of Apache; `modules` is where its modules lie.
pub fn apache(modules: &str) -> Vec<Case> {
    const A: &str = "SSLEngine on\nSSLCertificateFile a.pem\nSSLCertificateKeyFile a.key\n";
    const B: &str = "SSLEngine on\nSSLCertificateFile b.pem\nSSLCertificateKeyFile b.key\n";
    let head = |more: &[&str]| {
        let all = ["mpm_event", "authz_core", "ssl"].iter().chain(more);
        let loads: String = all.map(|name| format!("LoadModule {name}_module {modules}/mod_{name}.so\n")).collect();
        format!(
            "{loads}User nobody\nGroup nogroup\nPidFile apache.pid\nErrorLog error.log\nListen {LISTEN}\nServerName m.test\n"
        )
    };
    let both = |name: &str, more: &[&str], server: &str, first: &str, second: &str| {
        let host = |host: &str, words: &str| {
            format!("<VirtualHost *:8443>\nServerName {host}.test\n{words}\n</VirtualHost>\n")
        };
        case(name, "apache2.conf", head(more) + server + "\n" + &host("a", first) + &host("b", second))
    };
    let usual = |name: &str, server: &str, first: &str, second: &str| {
        both(name, &[], server, &format!("{A}{first}"), &format!("{B}{second}"))
    };
    let pinned = |name: &str| format!("SSLEngine on\nSSLCertificateFile {name}.pem\nSSLCertificateKeyFile a.key\n");
    vec![
        usual("the order of the first host stays", "", "SSLHonorCipherOrder on", "SSLHonorCipherOrder off"),
        usual("a protocol that the first forbids", "", "SSLOpenSSLConfCmd Protocol -TLSv1.3", ""),
        usual("a protocol that the named forbids", "", "", "SSLOpenSSLConfCmd Protocol -TLSv1.3"),
        usual("bounds that a command takes away", "SSLProtocol all -TLSv1.3", "SSLOpenSSLConfCmd MaxProtocol None", ""),
        usual("a bound above the protocols", "SSLProtocol +TLSv1.2", "SSLOpenSSLConfCmd MaxProtocol TLSv1.3", ""),
        usual("suites of a command", "SSLOpenSSLConfCmd CipherString ALL:@SECLEVEL=0", "", ""),
        usual("signatures of the first host", "", "SSLOpenSSLConfCmd SignatureAlgorithms RSA+SHA256:ECDSA+SHA256", ""),
        usual("signatures of the named host", "", "", "SSLOpenSSLConfCmd SignatureAlgorithms RSA+SHA256:ECDSA+SHA256"),
        usual("Suite B of the first host", "", "SSLCipherSuite SUITEB128", ""),
        usual("HTTP/2 without its module", "Protocols h2 http/1.1", "", ""),
        both("HTTP/2", &["http2"], "Protocols h2", A, B),
        both(
            "a chain file without a certificate",
            &[],
            "",
            &format!("{A}SSLCertificateChainFile garbage.pem\nSSLCACertificateFile middle.pem"),
            B,
        ),
        both(
            "a leaf that authorities complete",
            &[],
            "",
            "SSLEngine on\nSSLCertificateFile leaf.pem\nSSLCertificateKeyFile a.key\nSSLCACertificateFile middle.pem",
            B,
        ),
        both("a curve beside the first certificate", &[], "", &pinned("pin256"), B),
        both("another curve beside the first certificate", &[], "", &pinned("pin384"), B),
        both("a curve that TLS does not have", &[], "", &pinned("pin-other"), B),
        both("a curve before parameters of Diffie-Hellman", &[], "", &pinned("pin-dh"), B),
        both("a curve behind parameters of Diffie-Hellman", &[], "", &pinned("dh-pin"), B),
        both("a weak curve at level 0", &[], "SSLCipherSuite ALL:@SECLEVEL=0", &pinned("pin-other"), B),
        both("a curve beside the second certificate", &[], "", B, &pinned("pin384")),
        both("a curve and a command", &[], "SSLOpenSSLConfCmd Groups X25519:P-256", &pinned("pin384"), B),
        both("a curve and Suite B", &[], "SSLCipherSuite SUITEB192", &pinned("pin256"), B),
        both("a host without TLS before one without a certificate", &[], "", "", "SSLEngine on"),
        both("suites that nobody knows, without TLS", &[], "", A, "SSLCipherSuite TLSv1.3 TLS_NONSENSE"),
        usual("suites that nobody knows", "SSLCipherSuite TLSv1.3 TLS_NONSENSE", "", ""),
        both(
            "a key that fits the certificate before",
            &[],
            "",
            &format!("{A}SSLCertificateFile b.pem\nSSLCertificateKeyFile a.key"),
            B,
        ),
        both(
            "a reversed file beside a chain file",
            &[],
            "SSLCertificateChainFile middle.pem",
            "SSLEngine on\nSSLCertificateFile reversed.pem\nSSLCertificateKeyFile a.key",
            B,
        ),
        both(
            "a key that nothing needs",
            &[],
            "",
            &format!("{A}SSLCertificateFile same.pem\nSSLCertificateKeyFile rsa2.key"),
            B,
        ),
        both(
            "a reversed file behind the key's own certificate",
            &[],
            "",
            &format!("{A}SSLCertificateFile reversed.pem\nSSLCertificateKeyFile a.key"),
            B,
        ),
        both("commands that nobody runs", &[], "", "SSLOpenSSLConfCmd MinProtocol TLSv9\nSSLCertificateFile a.pem", B),
    ]
}

/// Kept configurations of Caddy.
pub fn caddy() -> Vec<Case> {
    let both = |name: &str, options: &str, first: &str, second: &str| {
        let text = format!(
            "{{\n\tadmin off\n\tskip_install_trust\n\tauto_https off\n\thttps_port 8443\n\t{options}\n}}\n{first}\n{second}\n"
        );
        case(name, "Caddyfile", text)
    };
    const B: &str = "b.test {\n\ttls b.pem b.key\n}";
    const WILD: &str = "a.test {\n\ttls wild.pem a.key\n}";
    vec![
        both("a default name that only a wildcard has", "default_sni other.test", WILD, B),
        both("a default name", "default_sni b.test", WILD, B),
        both(
            "one certificate in two files",
            "",
            "a.test {\n\ttls wild.pem a.key\n}",
            "b.test {\n\ttls same.pem a.key\n}",
        ),
        both(
            "an authority's file that is absent",
            "",
            "a.test {\n\ttls a.pem a.key {\n\t\tclient_auth {\n\t\t\tmode request\n\t\t\ttrusted_ca_cert_file absent.pem\n\t\t}\n\t}\n}",
            B,
        ),
        both(
            "two certificates of the default name",
            "default_sni a.test",
            "a.test {\n\ttls ed.pem ed.key\n\ttls a.pem a.key\n}",
            B,
        ),
        both(
            "a second certificate that is none",
            "",
            "a.test {\n\ttls a.pem a.key\n\ttls garbage.pem c.key\n}",
            B,
        ),
        both(
            "a certificate of another site that holds for the address",
            "",
            "https://:8443 {\n\ttls b.pem b.key\n}",
            "a.test {\n\ttls address.pem a.key\n}",
        ),
        both("one name under two policies", "", "a.test {\n\ttls internal\n}", "a.test:9443 {\n}"),
        case(
            "an address that Caddy signs for itself, under the certificate of all hosts",
            "Caddyfile",
            "{\n\tadmin off\n\tskip_install_trust\n\thttp_port 8080\n}\nhttps://:8443 {\n\ttls a.pem a.key\n}\n127.0.0.1:8443 {\n}\n"
                .to_owned(),
        ),
        case(
            "protocols in the wrong order, and nobody to serve",
            "caddy.json",
            r#"{"admin": {"disabled": true}, "apps": {"http": {"servers": {"srv0": {
                "tls_connection_policies": [{"protocol_min": "tls1.3", "protocol_max": "tls1.2"}, {}]
            }}}}}"#
                .to_owned(),
        ),
        case(
            "a wildcard that serves as long as Caddy has no certificate of its own",
            "Caddyfile",
            "{\n\tadmin off\n\tskip_install_trust\n\thttp_port 8080\n}\na.test:8443 https://:8443 {\n}\nb.test:8443 {\n\ttls wild.pem a.key\n}\n"
                .to_owned(),
        ),
        case(
            "a name beside an address for all hosts, without certificates by automatic HTTPS",
            "Caddyfile",
            "{\n\tadmin off\n\tskip_install_trust\n\thttp_port 8080\n\tauto_https disable_certs\n}\na.test:8443, :8443 {\n\ttls internal\n}\nb.test {\n\ttls wild.pem a.key\n}\n"
                .to_owned(),
        ),
        both("a wildcard of one label", "", "127.0.0.1 {\n\ttls b.pem b.key\n}", WILD),
        both(
            "protocols and suites",
            "",
            "a.test {\n\ttls a.pem a.key {\n\t\tprotocols tls1.3\n\t\tcurves p521\n\t}\n}",
            B,
        ),
    ]
}
