//! Certificates with their keys for generated configurations: whole ones, those that clients refuse, and those that servers do.

use std::collections::BTreeMap;

use crate::DAY;
use crate::certificate::{CLIENT, Certificate};
use crate::clock::now;
use crate::key::{Digest, key};
use crate::random::Random;
use crate::recipe::{file, intermediate, root};

/// A certificate file and a key file.
#[derive(Clone, Debug)]
pub struct Pair {
    /// What is special about it.
    pub label: &'static str,
    /// The kind of the certificate's key: `rsa`, `ec`, `p384`, `p521`, `ed`.
    pub kind: &'static str,
    /// The content of the certificate file; absent: there is no such file.
    pub certificate: Option<Vec<u8>>,
    /// The content of the key file.
    pub key: Option<Vec<u8>>,
}

/// The password of encrypted keys.
pub const PASSWORD: &str = "secret";

/// Faults that servers take and clients do not, or nobody minds.
const SERVED: &[&str] = &[
    "expired",
    "not-yet-valid",
    "self-signed",
    "missing-intermediate",
    "misordered",
    "root-included",
    "expired-intermediate",
    "unknown-root",
    "client-purpose",
    "without-names",
    "key-in-other-form",
    "without-purpose",
    "signed-by-rsa",
    "twice",
    "key-of-another-kind",
];

/// Faults that stop a server, at least at the usual security level.
const FATAL: &[&str] = &[
    "key-of-another-pair",
    "reversed",
    "certificate-missing",
    "key-missing",
    "truncated",
    "empty",
    "swapped",
    "encrypted",
    "small-key",
    "sha1",
    "sha1-intermediate",
    "der",
];

/// Kinds of keys, more frequent ones repeated.
pub const KINDS: &[&str] = &["rsa", "rsa", "rsa", "rsa", "ec", "ec", "ec", "ec", "p384", "p521", "ed", "rsa3072"];

/// A fault, or none; `one_in` says how rare fatal ones are.
pub fn fault(random: &mut Random, one_in: usize) -> &'static str {
    match random.below(3) {
        _ if random.one_in(one_in) => random.word(FATAL),
        0 => random.word(SERVED),
        _ => "whole",
    }
}

/// A pair for some names.
pub fn pair(random: &mut Random, kind: &'static str, names: &[&str], label: &'static str) -> Pair {
    let number = 1 + random.below(2);
    let own = match (label, kind) {
        ("small-key", _) => "rsa1024-1".to_owned(),
        (_, "rsa3072") => "rsa3072-1".to_owned(),
        (_, kind) => format!("{kind}{}{number}", if kind.starts_with('p') { "-" } else { "" }),
    };
    let kind = match (label, kind) {
        ("small-key", _) | (_, "rsa3072") => "rsa",
        (_, kind) => kind,
    };
    let mut middle = intermediate();
    let mut top = root();
    match label {
        "signed-by-rsa" => middle = Certificate::authority("Example RSA Intermediate", "rsa9", &top),
        "expired-intermediate" => middle.not_after = now() - 3 * DAY,
        "sha1-intermediate" => middle.digest = Digest::Sha1,
        "unknown-root" => {
            top = Certificate::root("Unknown Root", "ec-unknown");
            middle = Certificate { serial: 4, ..Certificate::authority("Absent Intermediate", "ec-absent", &top) };
        }
        _ => {}
    }
    let mut leaf = Certificate::leaf(names, &own, &middle);
    match label {
        "expired" => (leaf.not_before, leaf.not_after) = (now() - 93 * DAY, now() - 3 * DAY),
        "not-yet-valid" => (leaf.not_before, leaf.not_after) = (now() + DAY, now() + 90 * DAY),
        "self-signed" => (leaf.issuer, leaf.signed_by) = (leaf.subject.clone(), own.clone()),
        "client-purpose" => leaf.purposes = vec![CLIENT.to_owned()],
        "without-purpose" => leaf.purposes = Vec::new(),
        "without-names" => leaf.names = Vec::new(),
        "sha1" => leaf.digest = Digest::Sha1,
        _ => {}
    }
    let pem = |chain: &[&Certificate]| chain.iter().map(|one| one.pem()).collect::<String>().into_bytes();
    let mut certificate = match label {
        "self-signed" | "missing-intermediate" => pem(&[&leaf]),
        "misordered" => pem(&[&leaf, &top, &middle]),
        "root-included" => pem(&[&leaf, &middle, &top]),
        "twice" => pem(&[&leaf, &leaf, &middle]),
        "reversed" => pem(&[&middle, &leaf]),
        "empty" => Vec::new(),
        "der" => leaf.der(),
        _ => pem(&[&leaf, &middle]),
    };
    if label == "truncated" {
        certificate.truncate(300);
    }
    let mut secret = match label {
        "key-in-other-form" => key(&own).traditional(),
        "encrypted" | "encrypted-with-password" => key(&own).encrypted(PASSWORD),
        "key-of-another-pair" => key(&format!("{own}7")).pkcs8(),
        "key-of-another-kind" => key(if kind == "rsa" { "ec1" } else { "rsa1" }).pkcs8(),
        _ => key(&own).pkcs8(),
    }
    .into_bytes();
    if label == "swapped" {
        std::mem::swap(&mut certificate, &mut secret);
    }
    Pair {
        label,
        kind,
        certificate: (label != "certificate-missing").then_some(certificate),
        key: (label != "key-missing").then_some(secret),
    }
}

/// Files that stand beside every generated configuration: anchors, client authorities, a password, parameters.
pub fn common_files() -> BTreeMap<String, Vec<u8>> {
    let stranger = Certificate::root("Stranger", "ec-stranger");
    let authority = Certificate::root("Client Authority", "ec-clients");
    BTreeMap::from([
        ("root.pem".to_owned(), file(["root"])),
        ("stranger.pem".to_owned(), stranger.pem().into_bytes()),
        ("clients.pem".to_owned(), authority.pem().into_bytes()),
        ("passwords".to_owned(), format!("wrong\n{PASSWORD}\n").into_bytes()),
        ("dh2048.pem".to_owned(), file(["dh 2048"])),
        ("dh1024.pem".to_owned(), file(["dh 1024"])),
    ])
}
