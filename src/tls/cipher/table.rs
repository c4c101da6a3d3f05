//! The suites and words of OpenSSL's releases, from `rules/openssl/`.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::tls::Protocol;

/// Names of bits, in the order in which they are numbered.
const KEY_EXCHANGES: &[&str] =
    &["kRSA", "kDHE", "kECDHE", "kPSK", "kGOST", "kSRP", "kRSAPSK", "kECDHEPSK", "kDHEPSK", "kGOST18"];
const AUTHENTICATIONS: &[&str] = &["aRSA", "aDSS", "aNULL", "aECDSA", "aPSK", "aGOST01", "aSRP", "aGOST12"];
const ENCRYPTIONS: &[&str] = &[
    "DES",
    "3DES",
    "RC4",
    "RC2",
    "IDEA",
    "eNULL",
    "AES128",
    "AES256",
    "CAMELLIA128",
    "CAMELLIA256",
    "GOST89",
    "SEED",
    "AES128GCM",
    "AES256GCM",
    "AES128CCM",
    "AES256CCM",
    "AES128CCM8",
    "AES256CCM8",
    "GOST8912",
    "CHACHA20",
    "ARIA128GCM",
    "ARIA256GCM",
    "MAGMA",
    "KUZNYECHIK",
];
const MACS: &[&str] = &[
    "MD5",
    "SHA1",
    "GOST94",
    "GOST89MAC",
    "SHA256",
    "SHA384",
    "AEAD",
    "GOST12-256",
    "GOST89MAC12",
    "GOST12-512",
    "MAGMAOMAC",
    "KUZNYECHIKOMAC",
];
const CLASSES: &[&str] = &["NONE", "LOW", "MEDIUM", "HIGH", "FIPS", "NOT-DEFAULT"];

/// What a suite is or a word selects: bits of the lists above. In a word 0 selects by nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mask {
    pub key_exchange: u32,
    pub authentication: u32,
    pub encryption: u32,
    pub mac: u32,
    pub protocol: Option<Protocol>,
    pub class: u32,
}

/// The bits of a class that say how strong it is; the others say whether it is in `DEFAULT`.
pub(super) const STRENGTH_CLASSES: u32 = 0b1_1111;

/// A suite of TLS 1.2 or below.
#[derive(Clone, Debug)]
pub struct CipherSuite {
    /// OpenSSL's name.
    pub name: String,
    /// The name of the registry.
    pub iana: String,
    /// The number on the wire.
    pub code_point: u16,
    /// The first protocol that has it.
    pub protocol: Protocol,
    /// How strong the encryption is, in bits.
    pub strength_bits: u32,
    pub(super) mask: Mask,
}

/// What protects the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Authenticated encryption: GCM, CCM, ChaCha20-Poly1305.
    Authenticated,
    /// A block cipher and a separate MAC.
    Cbc,
    /// A stream cipher and a separate MAC (RC4).
    Stream,
    /// Nothing.
    None,
}

fn name_of(bits: u32, names: &'static [&'static str]) -> &'static str {
    names.get(bits.trailing_zeros() as usize).copied().unwrap_or("")
}

impl CipherSuite {
    /// `kRSA`, `kDHE`, `kECDHE`, ...
    pub fn key_exchange(&self) -> &'static str {
        name_of(self.mask.key_exchange, KEY_EXCHANGES)
    }

    /// `aRSA`, `aECDSA`, `aNULL`, ...
    pub fn authentication(&self) -> &'static str {
        name_of(self.mask.authentication, AUTHENTICATIONS)
    }

    /// `AES128GCM`, `CHACHA20`, `3DES`, ...
    pub fn encryption_name(&self) -> &'static str {
        name_of(self.mask.encryption, ENCRYPTIONS)
    }

    /// `AEAD`, `SHA1`, `SHA256`, ...
    pub fn mac(&self) -> &'static str {
        name_of(self.mask.mac, MACS)
    }

    /// What protects the data.
    pub fn encryption(&self) -> Encryption {
        match (self.mac(), self.encryption_name()) {
            (_, "eNULL") => Encryption::None,
            ("AEAD", _) => Encryption::Authenticated,
            (_, "RC4") => Encryption::Stream,
            _ => Encryption::Cbc,
        }
    }

    /// Whether a key that is stolen later does not open what was recorded.
    pub fn has_forward_secrecy(&self) -> bool {
        matches!(self.key_exchange(), "kDHE" | "kECDHE" | "kECDHEPSK" | "kDHEPSK")
    }

    /// Whether the server shows no certificate.
    pub fn is_anonymous(&self) -> bool {
        self.authentication() == "aNULL"
    }

    /// Whether it protects nothing that matters: no encryption, no certificate, or an algorithm that is broken.
    pub fn is_broken(&self) -> bool {
        self.is_anonymous()
            || matches!(self.encryption_name(), "eNULL" | "RC4" | "RC2" | "DES" | "3DES" | "IDEA" | "SEED")
            || self.mac() == "MD5"
    }

    /// Whether it is one of CBC with SHA-1, which Lucky Thirteen and its kin speak against (RFC 9325, 4.2.1).
    pub fn is_cbc_with_sha1(&self) -> bool {
        self.mac() == "SHA1" && self.encryption() == Encryption::Cbc
    }

    /// The last protocol that may use it.
    pub fn last_protocol(&self) -> Protocol {
        if self.encryption_name() == "IDEA" { Protocol::Tls11 } else { Protocol::Tls12 }
    }

    /// Whether a protocol may use it.
    pub fn serves(&self, protocol: Protocol) -> bool {
        self.protocol <= protocol && protocol <= self.last_protocol()
    }

    /// The suite that any release calls so, by OpenSSL's name or the registry's.
    pub fn named(name: &str) -> Option<&'static CipherSuite> {
        EVERY_RELEASE.iter().find_map(|library| {
            let by_registry = || library.suites.iter().position(|suite| suite.iana == name);
            library.suite(name).or_else(by_registry).map(|at| &library.suites[at])
        })
    }

    /// Whether it needs a shared secret or password instead of a certificate alone.
    pub fn needs_shared_secret(&self) -> bool {
        self.key_exchange().ends_with("PSK") || self.key_exchange() == "kSRP"
    }
}

/// The suites and words of one release line.
#[derive(Debug)]
pub struct CipherLibrary {
    /// `1.1.1`, `3.0`, `3.5`.
    pub name: &'static str,
    /// Suites in the library's own order of preference.
    pub suites: Vec<CipherSuite>,
    /// Whether names of the registry are words, and `_` is a letter of words.
    pub has_iana_names: bool,
    aliases: HashMap<String, Mask>,
    by_name: HashMap<String, usize>,
}

static OPENSSL_1_1_1: LazyLock<CipherLibrary> =
    LazyLock::new(|| read("1.1.1", include_str!("../../../rules/openssl/ciphers-1.1.1.tsv"), &["3DES", "RC4"]));
static OPENSSL_1_1_1_WEAK: LazyLock<CipherLibrary> =
    LazyLock::new(|| read("1.1.1", include_str!("../../../rules/openssl/ciphers-1.1.1.tsv"), &[]));
static OPENSSL_3_0: LazyLock<CipherLibrary> =
    LazyLock::new(|| read("3.0", include_str!("../../../rules/openssl/ciphers-3.0.tsv"), &[]));
static OPENSSL_3_5: LazyLock<CipherLibrary> =
    LazyLock::new(|| read("3.5", include_str!("../../../rules/openssl/ciphers-3.5.tsv"), &["3DES"]));
static OPENSSL_3_5_WEAK: LazyLock<CipherLibrary> =
    LazyLock::new(|| read("3.5", include_str!("../../../rules/openssl/ciphers-3.5.tsv"), &[]));

/// All releases. OpenSSL 3.0 comes first: what clients offer is told by its tables.
static EVERY_RELEASE: [&LazyLock<CipherLibrary>; 3] = [&OPENSSL_3_0, &OPENSSL_3_5_WEAK, &OPENSSL_1_1_1_WEAK];

impl CipherLibrary {
    /// The release line that a version of OpenSSL belongs to, as numbers `major, minor, patch`: 1.1.1, 3.0 to 3.1, and 3.2 and
    /// newer, which know the names of the registry. All are as they are built by default: without 3DES and RC4.
    pub fn of(version: [u32; 3]) -> &'static CipherLibrary {
        match version {
            [0..=2, ..] => &OPENSSL_1_1_1,
            [3, 0..=1, _] => &OPENSSL_3_0,
            _ => &OPENSSL_3_5,
        }
    }

    /// The same, built with `enable-weak-ssl-ciphers`.
    pub fn with_weak_suites(version: [u32; 3]) -> &'static CipherLibrary {
        match version {
            [0..=2, ..] => &OPENSSL_1_1_1_WEAK,
            [3, 0..=1, _] => &OPENSSL_3_0,
            _ => &OPENSSL_3_5_WEAK,
        }
    }

    pub(super) fn suite(&self, word: &str) -> Option<usize> {
        self.by_name.get(word).copied()
    }

    pub(super) fn alias(&self, word: &str) -> Option<Mask> {
        self.aliases.get(word).copied()
    }

    /// All words that mean something, for suggestions.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().chain(self.aliases.keys()).map(String::as_str)
    }
}

fn bits(field: &str, names: &[&str]) -> u32 {
    let (is_complement, words) = field.strip_prefix('~').map_or((false, field), |rest| (true, rest));
    let position = |word: &str| names.iter().position(|name| *name == word).expect("a test reads every table");
    let bits = words.split('|').filter(|word| !word.is_empty()).fold(0, |bits, word| bits | 1 << position(word));
    if is_complement { !bits } else { bits }
}

/// Reads a table, but for suites with some encryptions.
fn read(name: &'static str, text: &str, left_out: &[&str]) -> CipherLibrary {
    let mut library = CipherLibrary {
        name,
        suites: Vec::new(),
        has_iana_names: false,
        aliases: HashMap::new(),
        by_name: HashMap::new(),
    };
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let field = |at: usize| fields.get(at).copied().unwrap_or_default();
        let mask = Mask {
            key_exchange: bits(field(4), KEY_EXCHANGES),
            authentication: bits(field(5), AUTHENTICATIONS),
            encryption: bits(field(6), ENCRYPTIONS),
            mac: bits(field(7), MACS),
            protocol: Protocol::from_name(field(8)),
            class: bits(field(9), CLASSES),
        };
        match field(0) {
            "suite" if left_out.contains(&field(6)) => {}
            "suite" => {
                let at = library.suites.len();
                library.by_name.insert(field(1).to_owned(), at);
                if library.has_iana_names {
                    library.by_name.insert(field(2).to_owned(), at);
                }
                library.suites.push(CipherSuite {
                    name: field(1).to_owned(),
                    iana: field(2).to_owned(),
                    code_point: u16::from_str_radix(field(3), 16).expect("a test reads every table"),
                    protocol: mask.protocol.unwrap_or(Protocol::Ssl3),
                    strength_bits: field(10).parse().expect("a test reads every table"),
                    mask,
                });
            }
            "alias" => {
                library.aliases.insert(field(1).to_owned(), mask);
            }
            _ => library.has_iana_names |= line == "iana names",
        }
    }
    forget_disabled(&mut library, bits(&left_out.join("|"), ENCRYPTIONS) | bits("3DES", ENCRYPTIONS));
    library
}

/// A word for algorithms that the library was built without is no word to it (`ssl_cipher_collect_aliases`). `known` are
/// encryptions that it has even where their suites are left out.
fn forget_disabled(library: &mut CipherLibrary, known: u32) {
    let own = |field: fn(&Mask) -> u32| library.suites.iter().fold(0, |all, suite| all | field(&suite.mask));
    let there = Mask {
        key_exchange: own(|mask| mask.key_exchange),
        authentication: own(|mask| mask.authentication),
        encryption: own(|mask| mask.encryption) | known,
        mac: own(|mask| mask.mac),
        ..Mask::default()
    };
    let has = |wanted: u32, there: u32| wanted == 0 || wanted & there != 0;
    library.aliases.retain(|_, mask| {
        has(mask.key_exchange, there.key_exchange)
            && has(mask.authentication, there.authentication)
            && has(mask.encryption, there.encryption)
            && has(mask.mac, there.mac)
    });
}

/// Whether the library lets a suite be negotiated at a security level, and if not, why (`ssl_security_default_callback`).
///
/// # Errors
/// Why not, in words.
pub fn usable(library: &CipherLibrary, suite: &CipherSuite, level: u8) -> Result<(), &'static str> {
    const BITS: [u32; 6] = [0, 80, 112, 128, 192, 256];
    let level = usize::from(level.min(5));
    if level >= 1 {
        if suite.strength_bits < BITS[level] {
            return Err("its encryption is too weak for the security level");
        }
        if suite.is_anonymous() {
            return Err("the security level refuses suites without a certificate");
        }
        if suite.mac() == "MD5" {
            return Err("the security level refuses MD5");
        }
    }
    if level >= 4 && suite.mac() == "SHA1" {
        return Err("the security level refuses SHA-1");
    }
    if level >= 3 && !suite.has_forward_secrecy() {
        return Err("the security level asks for forward secrecy");
    }
    if level >= 2 && library.name == "1.1.1" && suite.encryption_name() == "RC4" {
        return Err("the security level refuses RC4");
    }
    Ok(())
}
