//! What a client offers: profiles in `rules/clients/`, and files of the same form that users write.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};

use serde::Deserialize;

use super::client_policy::ClientPolicy;
use super::hello::{Hello, NoHello};
use crate::diagnostic::spelling;
use crate::tls::cipher::{CipherLibrary, CipherSuite, Tls13Suite};
use crate::tls::group::{self, Group};
use crate::tls::{Protocol, Protocols, cipher, signature};

macro_rules! profiles {
    ($($name:literal,)*) => {
        &[$(include_str!(concat!("../../rules/clients/", $name, ".toml"))),*]
    };
}

/// The representative set: one line a client, sorted by name.
const PROFILES: &[&str] = profiles![
    "android-12",
    "android-2.3.7",
    "android-4.4.2",
    "android-7",
    "chrome-131",
    "chrome-131-android",
    "chrome-150",
    "curl-7.88",
    "firefox-144",
    "go-1.25",
    "ie-11-win-10",
    "ie-11-win-7",
    "ie-6-xp",
    "ie-8-win-7",
    "ie-8-xp",
    "java-11",
    "java-17",
    "java-6u45",
    "java-7u25",
    "java-8u161",
    "openssl-0.9.8y",
    "openssl-1.0.1l",
    "openssl-1.0.2e",
    "openssl-1.1.1w",
    "openssl-3.0",
    "openssl-3.5",
    "python-3.13",
    "safari-12.1-ios",
    "safari-18",
    "safari-18-ios",
    "safari-26",
    "safari-26-ios",
    "safari-9-ios",
];

static NUMBERS: AtomicUsize = AtomicUsize::new(0);

/// Each profile, once somebody asks for it.
static READ: [OnceLock<Client>; PROFILES.len()] = [const { OnceLock::new() }; PROFILES.len()];

static CLIENTS: LazyLock<Vec<Client>> = LazyLock::new(|| one_by_one().cloned().collect());

/// The representative set, of which each is read when its turn comes: most questions are answered by the first.
pub fn one_by_one() -> impl Iterator<Item = &'static Client> {
    let read = |text: &str| Client::parse(text, Path::new("")).expect("a test reads every embedded profile");
    READ.iter().zip(PROFILES).map(move |(place, text)| place.get_or_init(|| read(text)))
}

/// The representative set, sorted by name.
pub fn clients() -> &'static [Client] {
    &CLIENTS
}

/// The client of a name.
pub fn find(name: &str) -> Option<&'static Client> {
    CLIENTS.iter().find(|client| &*client.name == name)
}

/// A file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    name: String,
    title: Option<String>,
    #[serde(default)]
    old: bool,
    protocols: Vec<String>,
    ciphers: Option<Vec<String>>,
    ciphersuites: Option<Vec<String>>,
    groups: Option<Vec<String>>,
    key_shares: Option<Vec<String>>,
    signature_algorithms: Option<Vec<String>>,
    #[serde(default)]
    security_level: u8,
    #[serde(default = "yes")]
    sni: bool,
    #[serde(default)]
    alpn: Vec<String>,
    trust: Option<Vec<PathBuf>>,
    #[serde(default)]
    fetches_intermediates: bool,
    #[serde(default = "yes")]
    cn_fallback: bool,
    min_dh_bits: Option<u32>,
    max_dh_bits: Option<u32>,
    #[serde(default)]
    wants_scts: bool,
    #[serde(default)]
    wants_promised_staple: bool,
    #[serde(default)]
    heeds_key_usage: bool,
    #[serde(default)]
    strict: bool,
    #[serde(default)]
    refuses_authorities: bool,
    #[serde(default)]
    refuses_sha1: bool,
    #[serde(default)]
    min_rsa_bits: u32,
}

fn yes() -> bool {
    true
}

/// A client. It behaves as OpenSSL 3.0 with these lists.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its name on the command line.
    pub name: Arc<str>,
    /// Tells it from all others of the process, whatever they are called.
    pub(super) number: usize,
    /// Its name for people.
    pub title: String,
    /// Whether it is one of those that only linger on.
    pub is_old: bool,
    /// Versions that are switched on.
    pub protocols: Protocols,
    /// Suites of TLS 1.2 and below, in order.
    pub suites: Vec<&'static CipherSuite>,
    /// Suites of TLS 1.3, in order.
    pub tls13_suites: Vec<&'static Tls13Suite>,
    /// Groups, in order.
    pub groups: Vec<&'static Group>,
    /// The groups that it sends key shares for; absent: the first that TLS 1.3 may use.
    pub key_shares: Option<Vec<u16>>,
    /// Signature schemes, in order; empty: the extension is not sent.
    pub signatures: Vec<u16>,
    /// Its security level.
    pub level: u8,
    /// Whether it names the host.
    pub sni: bool,
    /// What it offers in ALPN.
    pub alpn: Vec<String>,
    /// Files with its anchors; absent: those of the run.
    pub trust: Option<Vec<PathBuf>>,
    /// Whether it fetches intermediates that are missing.
    pub fetches_intermediates: bool,
    /// Whether it looks at the common name where there is no SAN.
    pub cn_fallback: bool,
    /// The sizes of primes that it takes for Diffie-Hellman, in bits.
    pub dh_bits: std::ops::RangeInclusive<u32>,
    /// What it refuses in certificates that OpenSSL takes.
    pub scruples: ClientPolicy,
    /// What it sends, once somebody asks: to each server the same.
    pub(super) sent: OnceLock<Result<Hello, NoHello>>,
}

impl Client {
    /// The same client under another name, which never says the host; such clients only linger on.
    pub fn without_name(&self, name: &str) -> Client {
        let (name, number) = (name.into(), NUMBERS.fetch_add(1, Ordering::Relaxed));
        Client { name, number, sni: false, is_old: true, ..self.clone() }
    }

    /// Reads a profile; files that it names are relative to `folder`.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(text: &str, folder: &Path) -> Result<Client, String> {
        let page: Page = toml::from_str(text).map_err(|error| error.to_string())?;
        let protocols = list(&page.protocols, "protocol", Protocol::from_name, || {
            Protocol::ALL.iter().map(|one| one.name()).collect()
        })?;
        let suite_names = || CipherLibrary::of([3, 0, 0]).words().collect::<Vec<_>>();
        let suites = match &page.ciphers {
            Some(names) => list(names, "cipher suite", CipherSuite::named, suite_names)?,
            None => {
                let default = cipher::expand(CipherLibrary::of([3, 0, 0]), "DEFAULT");
                default.suites.into_iter().map(|selected| selected.suite).collect()
            }
        };
        let tls13_names = || cipher::TLS13_SUITES.iter().map(|suite| suite.name).collect();
        let tls13_suites = match &page.ciphersuites {
            Some(names) => list(names, "TLS 1.3 suite", Tls13Suite::named, tls13_names)?,
            None => Tls13Suite::defaults(),
        };
        let groups_of = |names: &[String]| list(names, "group", group::named, || group::names().collect());
        let groups = match &page.groups {
            Some(names) => groups_of(names)?,
            None => group::GroupList::default_of([3, 0, 0]).iter().filter_map(group::group).collect(),
        };
        let key_shares = page.key_shares.as_deref().map(groups_of).transpose()?;
        let schemes = || signature::schemes().iter().map(|scheme| scheme.name).collect::<Vec<_>>();
        let signatures = match &page.signature_algorithms {
            Some(names) => list(names, "signature algorithm", signature::named, schemes)?
                .into_iter()
                .map(|scheme| scheme.code_point)
                .collect(),
            None => signature::schemes().iter().map(|scheme| scheme.code_point).collect(),
        };
        if page.security_level > 5 {
            return Err("security_level is 0 to 5".to_owned());
        }
        Ok(Client {
            title: page.title.unwrap_or_else(|| page.name.clone()),
            name: page.name.into(),
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            is_old: page.old,
            protocols: protocols.into_iter().collect(),
            suites,
            tls13_suites,
            groups,
            key_shares: key_shares.map(|groups| groups.into_iter().map(|group| group.code_point).collect()),
            signatures,
            level: page.security_level,
            sni: page.sni,
            alpn: page.alpn,
            trust: page.trust.map(|paths| paths.iter().map(|path| folder.join(path)).collect()),
            fetches_intermediates: page.fetches_intermediates,
            cn_fallback: page.cn_fallback,
            dh_bits: page.min_dh_bits.unwrap_or(0)..=page.max_dh_bits.unwrap_or(u32::MAX),
            scruples: ClientPolicy {
                wants_scts: page.wants_scts,
                wants_promised_staple: page.wants_promised_staple,
                heeds_key_usage: page.heeds_key_usage,
                is_strict: page.strict,
                refuses_authorities: page.refuses_authorities,
                refuses_sha1: page.refuses_sha1,
                least_rsa_bits: page.min_rsa_bits,
            },
            sent: OnceLock::new(),
        })
    }
}

/// Looks every name up; an unknown one is an error with what may have been meant.
fn list<'k, T>(
    names: &[String],
    what: &str,
    find: impl Fn(&str) -> Option<T>,
    known: impl Fn() -> Vec<&'k str>,
) -> Result<Vec<T>, String> {
    let look = |name: &String| {
        find(name).ok_or_else(|| {
            let nearest = spelling::nearest(name, known().into_iter(), 3);
            let meant = nearest.map(|(one, _)| format!("; did you mean {one}?")).unwrap_or_default();
            format!("no such {what}: {name}{meant}")
        })
    };
    names.iter().map(look).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_reads_and_is_sorted() {
        let names: Vec<&str> = clients().iter().map(|client| &*client.name).collect();
        assert!(names.is_sorted(), "{names:?}");
        assert!(clients().iter().filter(|client| !client.is_old).count() >= 15);
        assert!(!find("ie-8-xp").expect("a profile").sni);
    }

    #[test]
    fn a_wrong_name_is_told_with_what_may_be_meant() {
        let read = |text: &str| Client::parse(text, Path::new("")).map(|_| ());
        let wrong = read("name = \"x\"\nprotocols = [\"TLSv1.2\"]\nciphers = [\"ECDHE-RSA-AES128-GCM-SHA265\"]");
        assert_eq!(
            wrong,
            Err("no such cipher suite: ECDHE-RSA-AES128-GCM-SHA265; did you mean ECDHE-RSA-AES128-GCM-SHA256?".into())
        );
        assert!(read("name = \"x\"\nprotocols = [\"TLSv1.4\"]").is_err());
        assert!(read("name = \"x\"\nprotocols = []\nunknown = 1").is_err());
        assert_eq!(read("name = \"x\"\nprotocols = [\"TLSv1.2\"]"), Ok(()));
    }
}
