//! Values that generated configurations draw from: cipher strings, groups, commands of OpenSSL.

use crate::client::shuffle;
use crate::random::Random;

/// Cipher strings that the library takes.
const CIPHERS: &[&str] = &[
    "HIGH:!aNULL:!MD5",
    "HIGH:!aNULL:!MD5",
    "DEFAULT",
    "DEFAULT",
    "ECDHE+AESGCM:ECDHE+CHACHA20",
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305",
    "AES128-SHA:AES256-SHA",
    "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-SHA256:AES128-SHA256",
    "kRSA+AES",
    "DEFAULT@SECLEVEL=1",
    "DEFAULT:@SECLEVEL=0",
    "DEFAULT:@SECLEVEL=0",
    "ALL:@SECLEVEL=0",
    "HIGH:MEDIUM:@SECLEVEL=0",
    "HIGH:@SECLEVEL=3",
    "aRSA+AES:@STRENGTH",
    "ECDHE:!AESGCM:!CHACHA20",
    "EECDH+AESGCM:EDH+AESGCM",
    "CHACHA20:AESGCM:+kRSA",
    "ECHDE-RSA-AES128-GCM-SHA256:AES128-GCM-SHA256",
    "TLS_AES_128_GCM_SHA256:ECDHE-RSA-AES256-GCM-SHA384",
    "AES256:AES128:!kRSA:!DHE",
    "SHA256:SHA384:!aNULL",
    "eNULL:ALL:@SECLEVEL=0",
    "ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA:AES128-SHA:@SECLEVEL=0",
    "CAMELLIA:ARIA:AESCCM",
    "ADH:AECDH:ECDHE:@SECLEVEL=0",
    "HIGH, !aNULL, !kRSA",
    "DEFAULT:!TLSv1.2:@SECLEVEL=0",
    "PSK:AES128-SHA",
    "SUITEB128",
];

/// Cipher strings that it refuses.
const REFUSED_CIPHERS: &[&str] = &["TLS_AES_128_GCM_SHA256", "ECDHE_RSA_WITH_AES:NONSENSE", "HIGH:|aNULL", "", "LOW"];

/// Lists of groups.
const GROUPS: &[&str] = &[
    "X25519:P-256",
    "P-384",
    "prime256v1:X25519",
    "secp384r1:secp521r1",
    "X448:X25519",
    "P-521",
    "auto",
    "P-256:P-384:P-521",
    "ffdhe2048:X25519",
    "x25519:P-384",
    "brainpoolP256r1:P-256",
];

/// Lists of groups that OpenSSL 3.0 refuses.
const REFUSED_GROUPS: &[&str] =
    &["X25519:nonsense", "P-256:X25519:prime256v1", "X25519,P-256", "X25519MLKEM768:X25519"];

/// Commands of `SSL_CONF_cmd` with their values.
const COMMANDS: &[&str] = &[
    "Ciphersuites TLS_AES_128_GCM_SHA256",
    "Ciphersuites TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384",
    "Ciphersuites TLS_AES_256_GCM_SHA384:TLS_AES_128_CCM_SHA256:TLS_NONSENSE",
    "Ciphersuites \"\"",
    "MinProtocol TLSv1.2",
    "MinProtocol TLSv1.3",
    "minprotocol TLSv1",
    "MaxProtocol TLSv1.2",
    "MaxProtocol TLSv1.3",
    "MaxProtocol None",
    "Groups P-384:P-256",
    "Groups X25519",
    "Curves P-521:X25519",
    "Groups ffdhe2048:X25519",
    "SignatureAlgorithms RSA+SHA256:ECDSA+SHA256",
    "SignatureAlgorithms rsa_pss_rsae_sha256:ecdsa_secp256r1_sha256",
    "SignatureAlgorithms ecdsa_secp384r1_sha384:rsa_pkcs1_sha1:ed25519",
    "Options PrioritizeChaCha",
    "Options PrioritizeChaCha,ServerPreference",
    "Options ServerPreference",
    "Options -ServerPreference",
    "CipherString ECDHE+AESGCM",
    "CipherString ALL:@SECLEVEL=0",
    "Protocol -TLSv1.3",
    "Protocol -ALL,TLSv1.2",
];

/// Commands that it refuses.
const REFUSED_COMMANDS: &[&str] = &["NoSuchCommand x", "Groups nonsense", "MinProtocol TLSv9", "Ciphersuites NONSENSE"];

/// Words that composed cipher strings are made of.
const WORDS: &[&str] = &[
    "HIGH",
    "ALL",
    "ECDHE",
    "DHE",
    "kRSA",
    "RSA",
    "aRSA",
    "aECDSA",
    "ECDSA",
    "AESGCM",
    "AES",
    "AES128",
    "AES256",
    "CHACHA20",
    "CAMELLIA",
    "ARIA",
    "AESCCM",
    "AESCCM8",
    "SHA1",
    "SHA256",
    "SHA384",
    "TLSv1",
    "TLSv1.2",
    "SSLv3",
    "aNULL",
    "eNULL",
    "MD5",
    "PSK",
    "kECDHEPSK",
    "SRP",
    "3DES",
    "MEDIUM",
    "COMPLEMENTOFALL",
    "COMPLEMENTOFDEFAULT",
    "EDH",
    "kEECDH",
    "CBC",
    "NONSENSE",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "DHE-RSA-AES256-GCM-SHA384",
    "AES128-SHA",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "AES256-GCM-SHA384",
];

/// A cipher string: a known one, or one composed of words; seldom one that the library refuses.
pub fn ciphers(random: &mut Random) -> String {
    if !random.one_in(3) {
        return random.word_or(CIPHERS, 40, REFUSED_CIPHERS).to_owned();
    }
    let mut out = random.word(&["DEFAULT", "HIGH", "ECDHE", "ALL", "ECDHE+AESGCM", "AES", "kRSA+AESGCM"]).to_owned();
    for _ in 0..random.below(5) {
        out += random.word(&[":", ":", ":", ":", " ", ","]);
        out += random.word(&["", "", "!", "!", "-", "+"]);
        out += random.word(WORDS);
        if random.one_in(5) {
            out += "+";
            out += random.word(WORDS);
        }
    }
    out += random.word(&["", "", "", "", ":@STRENGTH", ":@SECLEVEL=0", "@SECLEVEL=1", ":@SECLEVEL=2"]);
    out
}

/// A list of groups: a known one, or one composed of names; seldom one that the library refuses.
pub fn groups(random: &mut Random) -> String {
    if !random.one_in(3) {
        return random.word_or(GROUPS, 40, REFUSED_GROUPS).to_owned();
    }
    some(random, &["X25519", "P-256", "secp384r1", "P-521", "X448", "ffdhe2048", "ffdhe3072", "secp224r1"])
}

/// A command of `SSL_CONF_cmd` and its value.
pub fn command(random: &mut Random) -> String {
    match random.below(8) {
        0 => {
            let suites = [
                "TLS_AES_128_GCM_SHA256",
                "TLS_AES_256_GCM_SHA384",
                "TLS_CHACHA20_POLY1305_SHA256",
                "TLS_AES_128_CCM_SHA256",
            ];
            format!("Ciphersuites {}", some(random, &suites))
        }
        1 => {
            let signatures = [
                "rsa_pss_rsae_sha256",
                "rsa_pss_rsae_sha384",
                "rsa_pkcs1_sha256",
                "rsa_pkcs1_sha1",
                "ecdsa_secp256r1_sha256",
                "ecdsa_secp384r1_sha384",
                "ed25519",
                "ECDSA+SHA512",
                "RSA+SHA512",
            ];
            format!("SignatureAlgorithms {}", some(random, &signatures))
        }
        2 => format!("Groups {}", groups(random)),
        _ => random.word_or(COMMANDS, 60, REFUSED_COMMANDS).to_owned(),
    }
}

/// Some of several, in any order.
fn some(random: &mut Random, all: &[&'static str]) -> String {
    let mut all = all.to_vec();
    let first = random.word(&all);
    all.retain(|one| *one == first || random.one_in(3));
    shuffle(random, &mut all);
    all.join(":")
}
