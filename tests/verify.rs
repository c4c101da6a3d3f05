//! The client's verdict on generated chains agrees with `openssl s_client`: the same errors at the same depths in the same
//! order, and the same code at the end.
//!
//! `SHAKEDOWN_SEED` and `SHAKEDOWN_COUNT` choose others.

use std::sync::Arc;

use rayon::prelude::*;
use shakedown::diagnostic::Severity;
use shakedown::pipeline::{self, Options, TrustSource};
use shakedown::pki::loading::{self, Loader, Strength};
use shakedown::pki::{Anchors, Certificate, PemFile, Verifier};
use shakedown::source::{FileId, Memory};
use shakedown_testing::certificate::{CLIENT, Certificate as Recipe, SERVER};
use shakedown_testing::key::{Digest, key};
use shakedown_testing::random::Random;
use shakedown_testing::{DAY, NOW, server};

/// What a server sends, what the client trusts, and what it asks.
#[derive(Clone, Debug)]
struct Case {
    name: String,
    sent: Vec<Recipe>,
    anchors: Vec<Recipe>,
    host: String,
    level: u8,
}

fn parameter(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn dates(random: &mut Random, recipe: &mut Recipe) {
    if random.one_in(8) {
        recipe.not_after = NOW - (1 + random.below(30) as i64) * DAY;
        recipe.not_before = recipe.not_after - 90 * DAY;
    } else if random.one_in(12) {
        recipe.not_before = NOW + DAY;
        recipe.not_after = NOW + 90 * DAY;
    }
}

/// Keys that sign with the digests of `digest`; small ones are rare.
fn any_key(random: &mut Random, place: &str) -> String {
    match random.below(12) {
        0 => format!("rsa1024-{place}"),
        1..=3 => format!("rsa-{place}").replace("rsa-", "rsa2048-"),
        4 => format!("p384-{place}"),
        5 => format!("p521-{place}"),
        6 => format!("ed-{place}"),
        _ => format!("ec-{place}"),
    }
}

fn digest(random: &mut Random, signer: &str) -> Digest {
    let is_rsa = signer.starts_with("rsa");
    match random.below(14) {
        0 => Digest::Sha1,
        1 if is_rsa => Digest::Md5,
        2 | 3 if is_rsa => Digest::Pss256,
        4 => Digest::Sha384,
        5 => Digest::Sha512,
        _ => Digest::Sha256,
    }
}

fn authority(random: &mut Random, name: &str, place: &str, issuer: &Recipe) -> Recipe {
    let mut made = Recipe::authority(name, &any_key(random, place), issuer);
    dates(random, &mut made);
    made.digest = digest(random, &made.signed_by);
    match random.below(16) {
        0 => made.constraints = Some((false, None)),
        1 => made.constraints = None,
        2 | 3 => made.constraints = Some((true, Some(0))),
        4 => made.constraints = Some((true, Some(1))),
        _ => {}
    }
    match random.below(12) {
        0 => made.usage = Some(vec![0]),
        1 => made.usage = None,
        _ => {}
    }
    match random.below(12) {
        0 => made.purposes = vec![CLIENT.to_owned()],
        1 => made.purposes = vec![SERVER.to_owned(), CLIENT.to_owned()],
        _ => {}
    }
    match random.below(14) {
        0 => made.permitted = vec!["a.test".to_owned()],
        1 => made.permitted = vec!["other.test".to_owned()],
        2 => made.excluded = vec!["a.test".to_owned()],
        3 => made.excluded = vec!["other.test".to_owned()],
        _ => {}
    }
    made
}

fn case(seed: u64) -> Case {
    let mut random = Random::new(seed);
    let mut root = Recipe::root("Root", "ec-root");
    if random.one_in(10) {
        dates(&mut random, &mut root);
    }
    if random.one_in(10) {
        (root.version, root.usage, root.constraints) = (1, None, None);
    }
    let mut chain = vec![root.clone()];
    for level in 0..random.below(4) {
        let issuer = chain[chain.len() - 1].clone();
        let name = format!("Authority {level}");
        chain.push(authority(&mut random, &name, &level.to_string(), &issuer));
    }
    let issuer = chain[chain.len() - 1].clone();
    let names: &[&str] = match random.below(9) {
        0 => &["other.test"],
        1 => &["*.test"],
        2 => &["*.a.test"],
        3 => &[],
        4 => &["127.0.0.1", "a.test"],
        5 => &["A.TEST", "x.test"],
        _ => &["a.test", "www.a.test"],
    };
    let leaf_key = any_key(&mut random, "leaf");
    let mut leaf = Recipe::leaf(names, &leaf_key, &issuer);
    leaf.subject = random.pick(&["a.test", "a.test", "other.test", "Some Name", "*.a.test", ""]).to_string();
    if names.is_empty() && leaf.subject.is_empty() {
        leaf.subject = "a.test".to_owned();
    }
    dates(&mut random, &mut leaf);
    leaf.digest = digest(&mut random, &leaf.signed_by);
    match random.below(14) {
        0 => leaf.purposes = vec![CLIENT.to_owned()],
        1 => leaf.purposes = vec!["2.5.29.37.0".to_owned()],
        2 => leaf.purposes = Vec::new(),
        _ => {}
    }
    match random.below(12) {
        0 => leaf.usage = Some(vec![2]),
        1 => leaf.usage = Some(vec![5]),
        2 => leaf.usage = None,
        _ => {}
    }
    match random.below(12) {
        0 => leaf.constraints = None,
        1 => leaf.constraints = Some((true, None)),
        _ => {}
    }
    if random.one_in(12) {
        leaf.identifiers = false;
    }
    if random.one_in(20) {
        // Signed by somebody else under the issuer's name: the key identifier may or may not tell.
        leaf.signed_by = "ec-forger".to_owned();
        leaf.digest = Digest::Sha256;
        leaf.identifiers = random.one_in(2);
    }
    if random.one_in(12) {
        (leaf.issuer, leaf.signed_by) = (leaf.subject.clone(), leaf.key.clone());
        leaf.digest = digest(&mut random, &leaf.key);
    }
    let mut sent: Vec<Recipe> = vec![leaf];
    sent.extend(chain[1..].iter().rev().cloned());
    match random.below(10) {
        0 if sent.len() > 1 => {
            let at = 1 + random.below(sent.len() - 1);
            sent.remove(at);
        }
        1 if sent.len() > 2 => sent[1..].reverse(),
        2 => sent.push(root.clone()),
        3 => sent.insert(1, Recipe::authority("Stray", "ec-stray", &Recipe::root("Elsewhere", "ec-elsewhere"))),
        4 => sent.push(sent[0].clone()),
        5 if sent.len() > 1 => {
            // Another certificate of the same authority, issued by a root that nobody trusts, before or behind.
            let elsewhere = Recipe::root("Elsewhere", "ec-elsewhere");
            let mut crossed = sent[1].clone();
            (crossed.issuer, crossed.signed_by, crossed.serial) = (elsewhere.subject, elsewhere.key, 77);
            crossed.digest = Digest::Sha256;
            let at = if random.one_in(2) { 1 } else { sent.len() };
            sent.insert(at, crossed);
        }
        6 if sent.len() > 1 => {
            // Another authority of the same name with another key.
            let mut twin = sent[1].clone();
            (twin.key, twin.serial) = ("ec-twin".to_owned(), 78);
            let at = if random.one_in(2) { 1 } else { sent.len() };
            sent.insert(at, twin);
        }
        _ => {}
    }
    let mut anchors = vec![root];
    if random.one_in(6) {
        anchors = vec![Recipe::root("Nobody", "ec-nobody")];
    } else if random.one_in(12) {
        anchors.push(Recipe::root("Elsewhere", "ec-elsewhere"));
    } else if random.one_in(16) {
        anchors.push(sent[0].clone());
    }
    let host = random.pick(&["a.test", "a.test", "a.test", "www.a.test", "x.y.a.test", "127.0.0.1"]).to_string();
    Case { name: format!("seed {seed}"), sent, anchors, host, level: random.below(3) as u8 }
}

/// Named cases that random ones would seldom meet.
fn named() -> Vec<Case> {
    let root = Recipe::root("Root", "ec-root");
    let middle = Recipe::authority("Middle", "ec-middle", &root);
    let leaf = Recipe::leaf(&["a.test"], "ec-leaf", &middle);
    let case = |name: &str, sent: &[&Recipe], host: &str, level: u8| Case {
        name: name.to_owned(),
        sent: sent.iter().map(|one| (*one).clone()).collect(),
        anchors: vec![root.clone()],
        host: host.to_owned(),
        level,
    };
    let expired = |recipe: &Recipe| Recipe { not_before: NOW - 90 * DAY, not_after: NOW - DAY, ..recipe.clone() };
    let elsewhere = Recipe::root("Elsewhere", "ec-elsewhere");
    let foreign = Recipe::authority("Foreign", "ec-foreign", &elsewhere);
    let below_foreign = Recipe::leaf(&["a.test"], "ec-leaf", &foreign);
    let weak = |recipe: &Recipe| {
        let signed_by =
            if recipe.signed_by == recipe.key { "rsa1024-weak".to_owned() } else { recipe.signed_by.clone() };
        Recipe { key: "rsa1024-weak".to_owned(), signed_by, ..recipe.clone() }
    };
    let own = Recipe { issuer: leaf.subject.clone(), signed_by: leaf.key.clone(), ..leaf.clone() };
    let twin = Recipe { key: "ec-twin".to_owned(), ..middle.clone() };
    let upper = Recipe { subject: "MIDDLE".to_owned(), ..middle.clone() };
    vec![
        case("whole", &[&leaf, &middle], "a.test", 2),
        case("wrong name, lone leaf", &[&leaf], "b.test", 2),
        case("untrusted, wrong name", &[&below_foreign, &foreign, &elsewhere], "b.test", 2),
        case("expired, wrong name", &[&expired(&leaf), &middle], "b.test", 2),
        case("expired intermediate below an unknown root", &[&below_foreign, &expired(&foreign)], "a.test", 2),
        case("name in another case", &[&leaf, &upper], "a.test", 2),
        case("address", &[&Recipe { names: vec!["127.0.0.1".to_owned()], ..leaf.clone() }, &middle], "127.0.0.1", 2),
        case(
            "address as a name",
            &[&Recipe { names: vec!["a.test".to_owned()], ..leaf.clone() }, &middle],
            "127.0.0.1",
            2,
        ),
        case("underscore", &[&Recipe { names: vec!["*.a.test".to_owned()], ..leaf.clone() }, &middle], "x_y.a.test", 2),
        case(
            "punycode under a wildcard",
            &[&Recipe { names: vec!["*.a.test".to_owned()], ..leaf.clone() }, &middle],
            "xn--bcher-kva.a.test",
            2,
        ),
        case(
            "partial wildcard",
            &[&Recipe { names: vec!["x*.a.test".to_owned()], ..leaf.clone() }, &middle],
            "xy.a.test",
            2,
        ),
        case(
            "wildcard of a top level",
            &[&Recipe { names: vec!["*.test".to_owned()], ..leaf.clone() }, &middle],
            "a.test",
            2,
        ),
        case("level 3", &[&leaf, &middle], "a.test", 3),
        case("weak and self-signed", &[&weak(&own)], "a.test", 2),
        case("weak below an unknown root that is sent", &[&weak(&below_foreign), &foreign, &elsewhere], "a.test", 2),
        case("weak and alone", &[&weak(&below_foreign)], "a.test", 2),
        case("weak and whole", &[&weak(&leaf), &middle], "a.test", 2),
        case("twin alone", &[&leaf, &twin], "a.test", 2),
        case(
            "twin without identifiers",
            &[&Recipe { identifiers: false, ..leaf.clone() }, &Recipe { identifiers: false, ..twin.clone() }],
            "a.test",
            2,
        ),
        case("twin of another kind", &[&leaf, &Recipe { key: "rsa2048-twin".to_owned(), ..twin.clone() }], "a.test", 2),
    ]
}

fn ours(case: &Case) -> (Vec<(u32, usize)>, u32) {
    let parse = |recipes: &[Recipe]| -> PemFile {
        let text: String = recipes.iter().map(Recipe::pem).collect();
        PemFile::read("chain.pem".into(), FileId(0), text.as_bytes(), &[])
    };
    let mut anchors = Anchors::new();
    anchors.add_file(&parse(&case.anchors));
    let sent: Vec<Arc<Certificate>> = parse(&case.sent).certificates().map(|(_, one)| Arc::clone(one)).collect();
    let asked =
        Verifier { anchors: &anchors, now: NOW, host: Some(&case.host), security_level: case.level, cn_fallback: true };
    let verdict = asked.verify(&sent);
    (verdict.errors.iter().map(|fault| (fault.error.code(), fault.depth)).collect(), verdict.code())
}

/// What `s_client` says, after `openssl verify` has said the same of the first error.
fn theirs(case: &Case) -> Option<(Vec<(u32, usize)>, u32)> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).expect("a file");
    write("leaf.pem", case.sent[0].pem());
    write("rest.pem", case.sent[1..].iter().map(Recipe::pem).collect());
    write("sent.pem", case.sent.iter().map(Recipe::pem).collect());
    write("leaf.key", key(&case.sent[0].key).pkcs8());
    write("anchors.pem", case.anchors.iter().map(Recipe::pem).collect());
    let verdict = server::s_client(folder.path(), &case.host, case.level, NOW)?;
    let first = server::openssl_verify(folder.path(), &case.host, case.level, NOW);
    assert_eq!(first, verdict.errors.first().copied(), "{}: openssl verify and s_client differ", case.name);
    Some((verdict.errors, verdict.code))
}

#[test]
fn verdicts_agree_with_openssl() {
    let seed = parameter("SHAKEDOWN_SEED", 1);
    let count = parameter("SHAKEDOWN_COUNT", 400);
    let mut cases = named();
    cases.extend((0..count).map(|number| case(seed * 1_000_003 + number)));
    let compared: Vec<(bool, Option<String>)> = cases
        .par_iter()
        .map(|case| match theirs(case) {
            None => (false, Some(format!("{}: no verdict of openssl", case.name))),
            Some(theirs) => {
                let ours = ours(case);
                let words = format!(
                    "{} for {} at level {}: openssl {theirs:?}, ours {ours:?}",
                    case.name, case.host, case.level
                );
                (!theirs.0.is_empty(), (ours != theirs).then_some(words))
            }
        })
        .collect();
    let wrong: Vec<&String> = compared.iter().filter_map(|(_, wrong)| wrong.as_ref()).collect();
    let faulty = compared.iter().filter(|(faulty, _)| *faulty).count();
    println!("{} chains, {faulty} with errors, {} disagreements", compared.len(), wrong.len());
    assert!(wrong.is_empty(), "{} of {}:\n{wrong:#?}", wrong.len(), compared.len());
    assert!(faulty * 3 > compared.len(), "only {faulty} chains of {} had a fault", compared.len());
}

/// Where clients refuse what is served, or nginx does not load it, `lint` has an error; where all is well it has none. A
/// wildcard for a part of a label is left out: OpenSSL's tools take it, browsers do not, and `lint` speaks for both. So it does
/// where only a common name fits.
#[test]
fn lint_agrees_with_the_verdict() {
    let seed = parameter("SHAKEDOWN_SEED", 1);
    let count = parameter("SHAKEDOWN_COUNT", 400);
    let cases = (0..count).map(|number| Case { level: 2, ..case(seed * 1_000_003 + number) });
    let cases: Vec<Case> =
        cases.chain(named()).filter(|case| !case.host.starts_with("127") && case.name != "partial wildcard").collect();
    let wrong: Vec<String> = cases
        .par_iter()
        .filter_map(|case| {
            let config = format!(
                "events {{}}\nhttp {{ ssl_protocols TLSv1.2 TLSv1.3; server {{ listen 443 ssl; server_name {}; ssl_certificate c.pem; ssl_certificate_key c.key; }} }}\n",
                case.host
            );
            let mut files = Memory::new();
            files.insert("nginx.conf", config.into_bytes());
            files.insert("c.pem", case.sent.iter().map(Recipe::pem).collect::<String>().into_bytes());
            files.insert("c.key", key(&case.sent[0].key).pkcs8().into_bytes());
            files.insert("anchors.pem", case.anchors.iter().map(Recipe::pem).collect::<String>().into_bytes());
            let options = Options {
                platform: Some("debian-12".into()),
                now: NOW,
                trust: vec![TrustSource::File("anchors.pem".into())],
                ..Options::default()
            };
            let run = pipeline::lint(&files, &["nginx.conf".into()], &options).expect("a run");
            let errors = run.findings.iter().filter(|one| one.severity == Severity::Error);
            let errors: Vec<String> = errors.map(|one| one.rule.to_string()).collect();
            let read = |recipes: &[Recipe]| {
                let text: String = recipes.iter().map(Recipe::pem).collect();
                PemFile::read("x".into(), FileId(0), text.as_bytes(), &[])
            };
            let key = PemFile::read("k".into(), FileId(0), key(&case.sent[0].key).pkcs8().as_bytes(), &[]);
            let strength = Strength::of(2, [3, 0, 0]);
            let refusal = loading::refusal(Loader::Nginx, &read(&case.sent), &key, strength);
            let (verdict, _) = ours(&Case { level: 2, ..case.clone() });
            // OpenSSL's tools fall back to the common name; browsers and Go do not (RFC 9525, 2).
            let is_nameless = read(&case.sent).leaf().is_some_and(|leaf| !leaf.has_san);
            let is_broken = refusal.is_some() || !verdict.is_empty() || is_nameless;
            (is_broken == errors.is_empty())
                .then(|| format!("{} for {}: verdict {verdict:?}, nginx {refusal:?}, lint {errors:?}", case.name, case.host))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{wrong:#?}", wrong.len(), cases.len());
}
