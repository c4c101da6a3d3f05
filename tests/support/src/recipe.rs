//! Files of examples: a text, or blocks by recipe.
//!
//! A recipe is a word and its options: `leaf a.test,b.test key=ec2 issuer=lower from=-93 to=-3 aia=URL ocsp=URL`
//! (also `purpose=server|client|none digest=sha1|sha384 length=NUMBER authority=yes|no permitted=DOMAIN san=no cn=NAME|none
//! usage=BIT,BIT|none identifiers=no serial=zero|negative|long version=1 extension=twice|unknown|must-staple logged=DAYS`),
//! `self-signed a.test`, `intermediate`, `lower`, `absent`, `old-root`, `root`, `distrusted` (with the same options), `crl AUTHORITY to=DAYS`, `ocsp to=DAYS`, `key ec1`, `sec1 ec1`,
//! `encrypted ec1 password=WORD`, `dh 2048`, `noise LABEL`, `text WORDS`; `bom`, `crlf`, `glue` and `der` change what follows or all.

use std::collections::BTreeMap;
use std::path::Path;

use crate::certificate::{CLIENT, Certificate, SERVER};
use crate::clock::now;
use crate::key::{Digest, key};
use crate::{DAY, der};

/// The root that clients of examples trust.
pub fn root() -> Certificate {
    Certificate::root("Example Root", "ec-root")
}

/// An authority that [`root`] signed.
pub fn intermediate() -> Certificate {
    Certificate::authority("Example Intermediate", "ec-intermediate", &root())
}

/// An authority that [`intermediate`] signed.
fn lower() -> Certificate {
    Certificate { serial: 3, ..Certificate::authority("Example Lower", "ec-lower", &intermediate()) }
}

/// An authority that an unknown root signed.
fn absent() -> Certificate {
    let unknown = Certificate::root("Unknown Root", "ec-unknown");
    Certificate { serial: 4, ..Certificate::authority("Absent Intermediate", "ec-absent", &unknown) }
}

/// What a root that ended long ago signed.
fn old_root() -> Certificate {
    let root = Certificate::root("DST Root CA X3", "ec-old");
    Certificate { serial: 5, ..Certificate::authority("Old Intermediate", "ec-old-intermediate", &root) }
}

/// An authority of an organization that browsers do not trust any more.
fn distrusted() -> Certificate {
    Certificate::root("Entrust, Inc.|Entrust Example Root", "ec-distrusted")
}

/// Files that every example has beside it, and the recipes that they are made by.
pub const STANDARD: &[(&str, &[&str])] = &[
    ("a.pem", &["leaf a.test", "intermediate"]),
    ("a.key", &["key ec1"]),
    ("b.pem", &["leaf b.test key=ec2", "intermediate"]),
    ("b.key", &["key ec2"]),
    ("rsa.pem", &["leaf a.test key=rsa1", "intermediate"]),
    ("rsa.key", &["key rsa1"]),
];

/// Those files, made.
pub fn standard_files() -> BTreeMap<String, Vec<u8>> {
    let make = |(path, recipes): &(&str, &[&str])| ((*path).to_owned(), file(recipes.iter().copied()));
    STANDARD.iter().map(make).collect()
}

/// What stands around examples that are no whole configuration, with one include for each of their texts.
pub fn around(server: &str, texts: &[&str]) -> String {
    let (whole, line) = match server {
        "apache" => (AROUND_APACHE, "Include example.conf\n"),
        _ => (AROUND, "    include example.conf;\n"),
    };
    let lines: String = texts.iter().map(|text| line.replace("example.conf", text)).collect();
    whole.replace(line, &lines)
}

/// What stands around an example that is no whole configuration.
const AROUND: &str = "events {}\nhttp {\n    access_log off;\n    include example.conf;\n}\n";

/// The same for Apache: the modules that examples need, by the paths of Debian.
const AROUND_APACHE: &str = "PidFile apache.pid
ErrorLog error.log
ServerName localhost
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
LoadModule macro_module /usr/lib/apache2/modules/mod_macro.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
Listen 8099
Include example.conf
";

/// The main file of each server's examples.
pub fn main_file(server: &str) -> &'static str {
    match server {
        "apache" => "apache2.conf",
        "caddy" => "Caddyfile",
        _ => "nginx.conf",
    }
}

/// As [`example_files`], for a server by its name.
pub fn example_files_of(
    server: &str,
    config: &str,
    context: Option<&str>,
    files: &BTreeMap<String, toml::Value>,
) -> (BTreeMap<String, Vec<u8>>, &'static str) {
    let (mut all, shown) = example_files(config, context, files);
    if server == "nginx" {
        return (all, shown);
    }
    let main = all.remove("nginx.conf").expect("a main file");
    if server == "caddy" {
        // An example of Caddy is a whole configuration. JSON has no comments: lines with carets are taken out.
        all.remove("example.conf");
        let is_json = context == Some("json");
        let shown = if is_json { "caddy.json" } else { "Caddyfile" };
        let lines = config.split_inclusive('\n').filter(|line| !is_json || !line.starts_with('#'));
        all.insert(shown.to_owned(), lines.collect::<String>().into_bytes());
        return (all, shown);
    }
    let (main, shown) = match context {
        Some(_) => (main, "apache2.conf"),
        None => (AROUND_APACHE.as_bytes().to_vec(), shown),
    };
    all.insert("apache2.conf".to_owned(), main);
    (all, shown)
}

/// All files of an example of a rule's page, and the one that holds its text. The trust anchor is `root.crt`; a context of
/// `main` says that the text is a whole configuration.
pub fn example_files(
    config: &str,
    context: Option<&str>,
    files: &BTreeMap<String, toml::Value>,
) -> (BTreeMap<String, Vec<u8>>, &'static str) {
    let mut all = standard_files();
    for (path, value) in files {
        let bytes = match value {
            toml::Value::String(text) => text.clone().into_bytes(),
            toml::Value::Array(recipes) => file(recipes.iter().map(|one| one.as_str().expect("a recipe"))),
            other => panic!("a file is a text or a list of recipes, not {other}"),
        };
        all.insert(path.clone(), bytes);
    }
    all.entry("root.crt".to_owned()).or_insert_with(|| root().pem().into_bytes());
    let (main, shown) = match context {
        Some("main" | "json") => (config, "nginx.conf"),
        None => (AROUND, "example.conf"),
        Some(other) => panic!("no such context: {other}"),
    };
    all.insert(shown.to_owned(), config.as_bytes().to_vec());
    all.insert("nginx.conf".to_owned(), main.as_bytes().to_vec());
    (all, shown)
}

/// Writes files below a folder.
pub fn write(folder: &Path, files: &BTreeMap<String, Vec<u8>>) {
    for (path, bytes) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder can be made");
        std::fs::write(path, bytes).expect("a file can be written");
    }
}

/// The content of a file made of recipes.
pub fn file<'r>(recipes: impl IntoIterator<Item = &'r str>) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    let (mut crlf, mut glue) = (false, false);
    for recipe in recipes {
        let block = match recipe.split_once(' ').unwrap_or((recipe, "")) {
            ("bom", _) => b"\xef\xbb\xbf".to_vec(),
            ("crlf", _) => {
                crlf = true;
                continue;
            }
            ("glue", _) => {
                glue = true;
                continue;
            }
            ("dh", bits) => crate::parameters::dh(bits).into_bytes(),
            ("text", words) => format!("{words}\n").into_bytes(),
            ("noise", label) => der::pem(label, &[0x5a; 100]).into_bytes(),
            ("der", rest) => certificate(rest).der(),
            ("crl", rest) => {
                let (name, end) = rest.split_once(" to=").expect("crl AUTHORITY to=DAYS");
                let end = now() + end.parse::<i64>().expect("days from now") * DAY;
                crate::revocation::list(&authority(name), end).into_bytes()
            }
            ("ocsp", rest) => {
                let end = rest.strip_prefix("to=").expect("ocsp to=DAYS").parse::<i64>().expect("days from now");
                crate::revocation::response(now() + end * DAY)
            }
            // An index of git that carries one file (gitformat-index, version 2).
            ("index", path) => {
                let entry = [&[0; 62], path.as_bytes()].concat();
                let filled = (entry.len() + 1).next_multiple_of(8);
                let mut index = b"DIRC\0\0\0\x02\0\0\0\x01".to_vec();
                index.extend(entry);
                index.resize(12 + filled, 0);
                index
            }
            ("key", name) => key(name).pkcs8().into_bytes(),
            ("sec1", name) => key(name).traditional().into_bytes(),
            ("encrypted", rest) => {
                let (name, password) = rest.split_once(" password=").expect("encrypted KEY password=WORD");
                key(name).encrypted(password).into_bytes()
            }
            ("ec-parameters", curve) => {
                let curve = if curve.is_empty() { "1.2.840.10045.3.1.7" } else { curve };
                der::pem("EC PARAMETERS", &der::identifier(curve)).into_bytes()
            }
            _ => certificate(recipe).pem().into_bytes(),
        };
        if glue && out.last() == Some(&b'\n') {
            out.pop();
        }
        out.extend(block);
    }
    if crlf {
        out = out.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..]);
    }
    out
}

fn authority(name: &str) -> Certificate {
    match name {
        "intermediate" => intermediate(),
        "lower" => lower(),
        "absent" => absent(),
        "root" => root(),
        "old-root" => old_root(),
        "distrusted" => distrusted(),
        _ => panic!("no such authority: {name}"),
    }
}

/// The certificate of a recipe.
pub fn certificate(recipe: &str) -> Certificate {
    let mut words = recipe.split(' ');
    let kind = words.next().unwrap_or_default();
    let words: Vec<&str> = words.collect();
    let option = |name: &str| words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    let mut made = match kind {
        "leaf" | "self-signed" => {
            let names: Vec<&str> = words.first().map_or(Vec::new(), |names| names.split(',').collect());
            let leaf = Certificate::leaf(
                &names,
                option("key").unwrap_or("ec1"),
                &authority(option("issuer").unwrap_or("intermediate")),
            );
            match kind {
                "leaf" => leaf,
                _ => Certificate { issuer: leaf.subject.clone(), signed_by: leaf.key.clone(), ..leaf },
            }
        }
        name => {
            let mut made = authority(name);
            if let Some(issuer) = option("issuer") {
                let issuer = authority(issuer);
                (made.issuer, made.signed_by) = (issuer.subject, issuer.key);
            }
            made
        }
    };
    let days = |name: &str| option(name).map(|days| now() + days.parse::<i64>().expect("days from now") * DAY);
    made.not_before = days("from").unwrap_or(made.not_before);
    made.not_after = days("to").unwrap_or(made.not_after);
    match option("purpose") {
        Some("server") => made.purposes = vec![SERVER.to_owned()],
        Some("client") => made.purposes = vec![CLIENT.to_owned()],
        Some("none") => made.purposes = Vec::new(),
        Some(other) => panic!("no such purpose: {other}"),
        None => {}
    }
    match option("digest") {
        Some("sha1") => made.digest = Digest::Sha1,
        Some("sha384") => made.digest = Digest::Sha384,
        Some(other) => panic!("no such digest: {other}"),
        None => {}
    }
    match option("authority") {
        Some("no") => made.constraints = Some((false, None)),
        Some("yes") => made.constraints = Some((true, None)),
        _ => {}
    }
    if option("san") == Some("no") {
        made.names.clear();
    }
    match option("cn") {
        Some("none") => made.subject.clear(),
        Some(name) => made.subject = name.to_owned(),
        None => {}
    }
    match option("usage") {
        Some("none") => made.usage = None,
        Some(bits) => made.usage = Some(bits.split(',').map(|bit| bit.parse().expect("a bit")).collect()),
        None => {}
    }
    made.identifiers &= option("identifiers") != Some("no");
    match option("serial") {
        Some("zero") => made.raw_serial = Some(vec![0]),
        Some("negative") => made.raw_serial = Some(vec![0x80, 1]),
        Some("long") => made.raw_serial = Some(vec![0x11; 22]),
        _ => {}
    }
    if option("version") == Some("1") {
        made.version = 1;
    }
    match option("extension") {
        Some("twice") => made.others.push(("2.5.29.37".to_owned(), false, der::sequence(&[&der::identifier(SERVER)]))),
        Some("unknown") => made.others.push(("1.2.3.4.5".to_owned(), true, vec![5, 0])),
        Some("must-staple") => {
            made.others.push(("1.3.6.1.5.5.7.1.24".to_owned(), false, der::sequence(&[&der::integer(&[5])])));
        }
        _ => {}
    }
    if let Some(time) = days("logged") {
        made = made.logged(time);
    }
    if let Some(length) = option("length") {
        made.constraints = Some((true, Some(length.parse().expect("a path length"))));
    }
    made.permitted = option("permitted").map(str::to_owned).into_iter().collect();
    made.issuer_url = option("aia").map(str::to_owned);
    made.ocsp_url = option("ocsp").map(str::to_owned);
    made
}
