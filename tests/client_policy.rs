//! What clients refuse that OpenSSL takes: `handshake` says so for the clients that do, and for no other. Java 17 and OpenSSL's
//! strict mode, which Python 3.13 switches on, are asked themselves.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use shakedown::handshake::clients;
use shakedown::pipeline::{self, HandshakeRequest, Options, TrustSource};
use shakedown::source::Memory;
use shakedown_testing::{NOW, recipe};

const BROWSERS: &[&str] = &[
    "chrome-131",
    "chrome-131-android",
    "chrome-150",
    "firefox-144",
    "safari-12.1-ios",
    "safari-18",
    "safari-18-ios",
    "safari-26",
    "safari-26-ios",
];
const HEED_USAGE: &[&str] = &["chrome-131", "chrome-131-android", "chrome-150", "java-11", "java-17", "java-8u161"];

/// A server block around recipes for its certificate and more lines.
fn asked(chain: &[&str], key: &str, more: &str, is_public: bool) -> BTreeMap<String, Vec<String>> {
    let config = format!(
        "events {{}}\nhttp {{ server {{ listen 8443 ssl; server_name a.test; ssl_certificate t.pem; \
         ssl_certificate_key t.key; ssl_protocols TLSv1.2 TLSv1.3; {more} }} }}\n"
    );
    let mut files = Memory::new();
    files.insert("nginx.conf", config.into_bytes());
    files.insert("t.pem", recipe::file(chain.iter().copied()));
    files.insert("t.key", recipe::file([key]));
    files.insert("root.crt", recipe::file(["root"]));
    files.insert("ocsp.der", recipe::file(["ocsp to=5"]));
    let options = Options {
        platform: Some("debian-12".to_owned()),
        now: NOW,
        trust: vec![TrustSource::File("root.crt".into())],
        trust_is_public: is_public,
        ..Options::default()
    };
    let all = clients().iter().filter(|client| !client.is_old || client.name.starts_with("java-8"));
    let question = HandshakeRequest { clients: all.cloned().collect(), ..HandshakeRequest::default() };
    let run = pipeline::handshake(&files, &[PathBuf::from("nginx.conf")], &options, &question).expect("a run");
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in &run.rows {
        let name = question.clients[row.client].name.to_string();
        for one in &row.objections {
            assert_eq!(row.connects(), Some(false), "{name}");
            found.entry(one.code.to_owned()).or_default().push(name.clone());
        }
    }
    found
}

fn current(names: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let is_asked = |name: &String| {
        clients().iter().any(|client| *client.name == **name && (!client.is_old || name.starts_with("java-8")))
    };
    names.retain(is_asked);
    names.sort();
    names
}

#[test]
fn a_good_certificate_meets_no_objection() {
    assert_eq!(asked(&["leaf a.test", "intermediate"], "key ec1", "", false), BTreeMap::new());
}

#[test]
fn browsers_want_public_certificates_to_be_logged() {
    let found = asked(&["leaf a.test", "intermediate"], "key ec1", "", true);
    assert_eq!(found["without-sct"], current(BROWSERS));
    let found = asked(&["leaf a.test logged=-3", "intermediate"], "key ec1", "", true);
    assert_eq!(found.get("without-sct"), None);
}

#[test]
fn firefox_wants_the_response_that_is_promised() {
    let chain = ["leaf a.test extension=must-staple ocsp=http://ocsp.test/", "intermediate"];
    let promised = |more: &str| asked(&chain, "key ec1", more, false).remove("without-promised-staple");
    assert_eq!(promised(""), Some(vec!["firefox-144".to_owned()]));
    // In the first handshake of each worker nginx has none yet, unless it comes from a file.
    assert_eq!(promised("ssl_stapling on; resolver 127.0.0.1;"), Some(vec!["firefox-144".to_owned()]));
    assert_eq!(promised("ssl_stapling on; ssl_stapling_file ocsp.der;"), None);
}

#[test]
fn java_and_chrome_heed_the_key_usage() {
    let found = asked(&["leaf a.test key=rsa1 usage=2", "intermediate"], "key rsa1", "", false);
    assert_eq!(found["key-usage"], current(HEED_USAGE));
    let found = asked(&["leaf a.test key=rsa1 usage=0,2", "intermediate"], "key rsa1", "", false);
    assert_eq!(found.get("key-usage"), None);
}

#[test]
fn java_itself_refuses_what_is_said_of_it() {
    let usages = [("usage=2", true), ("usage=0", false), ("usage=0,2", false), ("usage=none", false)];
    for (usage, refuses) in usages {
        let leaf = format!("leaf a.test key=rsa1 {usage}");
        let said = asked(&[&leaf, "intermediate"], "key rsa1", "", false);
        let is_said = said.get("key-usage").is_some_and(|names| names.iter().any(|name| name == "java-17"));
        assert_eq!(is_said, refuses, "{usage}");
        let words = java(&[&leaf, "intermediate"]);
        assert_eq!(words.contains("KeyUsage"), refuses, "{usage}: {words}");
        assert_eq!(words.contains("connected"), !refuses, "{usage}: {words}");
    }
}

/// What Java says of a chain that OpenSSL sends to it. The clocks of both are the machine's: the certificates are made around
/// [`NOW`], so that only their dates may differ.
fn java(chain: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, bytes: Vec<u8>| fs::write(folder.path().join(name), bytes).expect("a file");
    let long = |one: &&str| format!("{one} from=-400 to=4000");
    let chain: Vec<String> = chain.iter().map(long).collect();
    write("t.pem", recipe::file(chain.iter().map(String::as_str)));
    write("t.key", recipe::file(["key rsa1"]));
    write("root.crt", recipe::file(["root from=-400 to=4000"]));
    write("Client.java", CLIENT.as_bytes().to_vec());
    let script = "ip link set lo up; \
        keytool -importcert -noprompt -alias r -file root.crt -keystore trust.p12 -storepass changeit 2>/dev/null; \
        openssl s_server -accept 8443 -cert t.pem -cert_chain t.pem -key t.key -quiet </dev/zero >/dev/null 2>&1 & \
        sleep 1; java Client.java 2>&1; kill $!";
    let output = Command::new("unshare")
        .args(["-n", "--", "sh", "-c", script])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .expect("java is installed: run tests/install");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const CLIENT: &str = r#"
import java.io.FileInputStream;
import java.security.KeyStore;
import javax.net.ssl.*;
class Client {
    public static void main(String[] arguments) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(new FileInputStream("trust.p12"), "changeit".toCharArray());
        TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
        factory.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, factory.getTrustManagers(), null);
        try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket("127.0.0.1", 8443)) {
            socket.startHandshake();
            System.out.println("connected");
        } catch (SSLException error) {
            System.out.println(error);
        }
    }
}
"#;

#[test]
fn strict_clients_refuse_what_openssl_refuses_in_strict_mode() {
    let chains: [&[&str]; 4] = [
        &["leaf a.test", "intermediate"],
        &["leaf a.test identifiers=no", "intermediate"],
        &["leaf a.test", "intermediate identifiers=no"],
        &["leaf a.test", "intermediate usage=none"],
    ];
    for chain in chains {
        let said = asked(chain, "key ec1", "", false).contains_key("not-strict");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, one: &str| fs::write(folder.path().join(name), recipe::file([one])).expect("a file");
        write("leaf.pem", chain[0]);
        write("sent.pem", chain[1]);
        write("root.pem", "root");
        let verify = |more: &[&str]| openssl(folder.path(), more);
        assert!(verify(&[]), "{chain:?}");
        assert_eq!(verify(&["-x509_strict"]), !said, "{chain:?}");
    }
}

fn openssl(folder: &Path, more: &[&str]) -> bool {
    let status = Command::new("openssl")
        .args(["verify", "-attime", &NOW.to_string(), "-CAfile", "root.pem", "-untrusted", "sent.pem"])
        .args(more)
        .arg("leaf.pem")
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.expect("openssl is installed: run tests/install").success()
}

#[test]
fn weak_signatures_and_keys_are_refused_by_those_who_say_so() {
    let found =
        asked(&["leaf a.test digest=sha1", "intermediate"], "key ec1", "ssl_ciphers DEFAULT@SECLEVEL=0;", false);
    let refusing = found.get("sha1-signature").cloned().unwrap_or_default();
    assert!(refusing.contains(&"go-1.25".to_owned()) && refusing.contains(&"chrome-150".to_owned()), "{found:?}");
    assert!(!refusing.contains(&"java-17".to_owned()), "{found:?}");
}
