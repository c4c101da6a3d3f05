//! Cipher strings come to exactly what OpenSSL makes of them, in content and order: recorded for three release lines, and
//! asked of the installed one. `SHAKEDOWN_SEED` chooses other strings.

use std::process::Command;

use shakedown::tls::cipher::{self, CipherLibrary};
use shakedown_testing::random::Random;

fn library(name: &str) -> &'static CipherLibrary {
    match name {
        "1.1.1" => CipherLibrary::with_weak_suites([1, 1, 1]),
        "3.0" => CipherLibrary::of([3, 0, 19]),
        "3.5" => CipherLibrary::with_weak_suites([3, 5, 0]),
        other => panic!("no such library: {other}"),
    }
}

/// The names, or the error, of a string.
fn ours(library: &CipherLibrary, string: &str) -> Result<Vec<String>, &'static str> {
    let expansion = cipher::expand(library, string);
    match expansion.error {
        Some(error) => Err(error.words()),
        None => Ok(expansion.suites.iter().map(|selected| selected.suite.name.clone()).collect()),
    }
}

#[test]
fn recorded_strings_come_to_the_same() {
    let recorded = include_str!("../testdata/ciphers/strings.tsv");
    let mut wrong = String::new();
    let mut count = 0;
    for line in recorded.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, which, string, expected] = fields[..] else { panic!("four fields: {line}") };
        if which != "all" {
            continue;
        }
        let string: String = serde_json::from_str(string).expect("a JSON string");
        let library = library(name);
        let names = |text: &str| -> Vec<String> {
            let code = |word: &str| u16::from_str_radix(word, 16).expect("a code point");
            let suite =
                |word: &str| library.suites.iter().find(|suite| suite.code_point == code(word)).expect("a suite");
            text.split_whitespace().map(|word| suite(word).name.clone()).collect()
        };
        let expected = match expected.strip_prefix("error: ") {
            Some(error) => Err(error),
            None => Ok(names(expected)),
        };
        count += 1;
        if ours(library, &string) != expected {
            wrong += &format!("{name} {string:?}\n  ours: {:?}\n  library: {expected:?}\n", ours(library, &string));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(count > 400, "{count} strings");
}

#[test]
fn recorded_levels_leave_the_same() {
    let recorded = include_str!("../testdata/ciphers/strings.tsv");
    let mut wrong = String::new();
    for line in recorded.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, "usable", string, expected] = fields[..] else { continue };
        let string: String = serde_json::from_str(string).expect("a JSON string");
        let library = library(name);
        let expansion = cipher::expand(library, &string);
        if expected.starts_with("error") || expansion.error.is_some() {
            continue;
        }
        // The level that each was built with.
        let built = if name == "1.1.1" { 1 } else { 2 };
        let level = expansion.security_level.unwrap_or(built);
        let ours: Vec<String> = expansion
            .suites
            .iter()
            .filter(|selected| {
                !selected.suite.needs_shared_secret() && cipher::usable(library, selected.suite, level).is_ok()
            })
            .map(|selected| format!("{:04x}", selected.suite.code_point))
            .collect();
        if ours.join(" ") != expected {
            let missing: Vec<&str> = expected.split(' ').filter(|code| !ours.iter().any(|one| one == code)).collect();
            let extra: Vec<&String> = ours.iter().filter(|one| !expected.contains(one.as_str())).collect();
            wrong += &format!("{name} {string:?} at {level}: missing {missing:?}, extra {extra:?}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// What the installed OpenSSL makes of a string, without the suites of TLS 1.3.
fn theirs(string: &str) -> Result<Vec<String>, String> {
    let output = Command::new("openssl").args(["ciphers", "-ciphersuites", "", "--", string]).output();
    let output = output.expect("openssl is installed: run tests/install");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text.trim().split(':').filter(|name| !name.is_empty()).map(str::to_owned).collect());
    }
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    let known = ["invalid command", "no cipher match"].into_iter().find(|known| words.contains(known));
    Err(known.unwrap_or("another error").to_owned())
}

#[test]
fn generated_strings_come_to_the_same_as_the_installed_library() {
    let version = Command::new("openssl").arg("version").output().expect("openssl is installed: run tests/install");
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let number = version.split(' ').nth(1).expect("a version");
    let parts: Vec<u32> = number.split('.').filter_map(|part| part.parse().ok()).collect();
    let library = CipherLibrary::of([parts[0], parts[1], parts.get(2).copied().unwrap_or(0)]);
    let mut words: Vec<&str> = library.words().collect();
    words.sort_unstable();
    words.extend([
        "RC2",
        "GOST94",
        "kGOST",
        "aGOST",
        "SEED",
        "IDEA",
        "RC4",
        "MEDIUM",
        "LOW",
        "UNKNOWN",
        "DEFAULT",
        "TLS_AES_128_GCM_SHA256",
        "high",
        "RC4-MD5",
        "ECDHE-RSA-AES128-GCM-SHA256",
    ]);
    let seed = std::env::var("SHAKEDOWN_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(7);
    let mut random = Random::new(seed);
    let mut wrong = String::new();
    for _ in 0..500 {
        let mut string = String::new();
        if random.one_in(5) {
            string += "DEFAULT";
            string += *random.pick(&[":", "", " ", "@SECLEVEL=1:"]);
        }
        for _ in 0..1 + random.below(6) {
            string += *random.pick(&["", "", "", "!", "-", "+", "@"]);
            if string.ends_with('@') {
                string += *random.pick(&["STRENGTH", "SECLEVEL=0", "SECLEVEL=2", "SECLEVEL=9", "OTHER"]);
            } else {
                string += *random.pick(&words);
                while random.one_in(4) {
                    string += "+";
                    string += *random.pick(&words);
                }
            }
            string += *random.pick(&[":", ":", ":", ",", " ", "::", ";", "|"]);
        }
        let (ours, theirs) = (ours(library, &string), theirs(&string));
        if ours.as_ref().map_err(|error| (*error).to_owned()) != theirs.as_ref().map_err(Clone::clone) {
            wrong += &format!("{string:?}\n  ours: {ours:?}\n  openssl: {theirs:?}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
