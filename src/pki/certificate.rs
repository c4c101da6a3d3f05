//! One certificate, read once: what rules, chains and clients ask of it.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};
use x509_parser::der_parser::Oid;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::{AlgorithmIdentifier, X509Name};

use super::name::{self, Wildcards};

/// What kind of key a certificate or key file has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// RSA, also with an RSA-PSS identifier.
    Rsa,
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
    /// NIST P-521.
    P521,
    /// Another curve, by its object identifier.
    OtherCurve(String),
    /// Ed25519.
    Ed25519,
    /// Ed448.
    Ed448,
    /// DSA.
    Dsa,
    /// Anything else, by its object identifier.
    Other(String),
}

impl KeyKind {
    /// The kind of keys on a curve, from the DER of its name (`ECParameters`, RFC 5480, 2.1.1). Absent where the curve is
    /// written out in numbers.
    pub fn of_curve(der: &[u8]) -> Option<KeyKind> {
        let (_, oid) = Oid::from_der(der).ok()?;
        Some(KeyKind::on_curve(Some(&oid.to_id_string())))
    }

    fn on_curve(oid: Option<&str>) -> KeyKind {
        match oid {
            Some("1.2.840.10045.3.1.7") => KeyKind::P256,
            Some("1.3.132.0.34") => KeyKind::P384,
            Some("1.3.132.0.35") => KeyKind::P521,
            other => KeyKind::OtherCurve(other.unwrap_or("unnamed").to_owned()),
        }
    }

    /// The group of a key on a curve, by our own name for it; absent for other keys.
    pub fn group(&self) -> Option<&'static str> {
        Some(match self {
            KeyKind::P256 => "P-256",
            KeyKind::P384 => "P-384",
            KeyKind::P521 => "P-521",
            KeyKind::OtherCurve(oid) => match oid.as_str() {
                "1.3.132.0.10" => "secp256k1",
                "1.3.132.0.33" => "P-224",
                "1.2.840.10045.3.1.1" => "P-192",
                "1.3.36.3.3.2.8.1.1.7" => "brainpoolP256r1",
                "1.3.36.3.3.2.8.1.1.11" => "brainpoolP384r1",
                "1.3.36.3.3.2.8.1.1.13" => "brainpoolP512r1",
                _ => "another curve",
            },
            _ => return None,
        })
    }
    /// The name in messages.
    pub fn name(&self) -> String {
        match self {
            KeyKind::Rsa => "RSA".into(),
            KeyKind::P256 => "ECDSA P-256".into(),
            KeyKind::P384 => "ECDSA P-384".into(),
            KeyKind::P521 => "ECDSA P-521".into(),
            KeyKind::OtherCurve(oid) => format!("ECDSA on curve {oid}"),
            KeyKind::Ed25519 => "Ed25519".into(),
            KeyKind::Ed448 => "Ed448".into(),
            KeyKind::Dsa => "DSA".into(),
            KeyKind::Other(oid) => format!("of kind {oid}"),
        }
    }

    /// Whether OpenSSL keeps both in one slot, so that it compares a key with a certificate: RSA, EC, Ed25519, Ed448.
    pub fn same_type(&self, other: &KeyKind) -> bool {
        let slot = |kind: &KeyKind| match kind {
            KeyKind::P256 | KeyKind::P384 | KeyKind::P521 | KeyKind::OtherCurve(_) => 1,
            KeyKind::Rsa => 2,
            KeyKind::Ed25519 => 3,
            KeyKind::Ed448 => 4,
            KeyKind::Dsa => 5,
            KeyKind::Other(_) => 6,
        };
        slot(self) == slot(other)
    }

    /// Whether it is on an elliptic curve and signs with ECDSA.
    pub fn is_ec(&self) -> bool {
        matches!(self, KeyKind::P256 | KeyKind::P384 | KeyKind::P521 | KeyKind::OtherCurve(_))
    }

    /// The kind of an algorithm identifier: its object identifier, and its curve where it has one.
    pub(super) fn of(algorithm: &str, curve: Option<String>) -> KeyKind {
        match algorithm {
            "1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.10" => KeyKind::Rsa,
            "1.2.840.10045.2.1" => KeyKind::on_curve(curve.as_deref()),
            "1.3.101.112" => KeyKind::Ed25519,
            "1.3.101.113" => KeyKind::Ed448,
            "1.2.840.10040.4.1" => KeyKind::Dsa,
            other => KeyKind::Other(other.to_owned()),
        }
    }
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// Its kind.
    pub kind: KeyKind,
    /// Its size in bits: the modulus of RSA, the field of a curve.
    pub bits: u32,
    /// The content of the bit string: a point, or the DER of an RSA key.
    pub bytes: Vec<u8>,
}

impl PublicKey {
    /// How strong it is, in bits of a symmetric key (NIST SP 800-57 part 1, table 2; OpenSSL 3.0,
    /// `ossl_ifc_ffc_compute_security_bits`, `ossl_ec_key_security_bits`).
    pub fn security_bits(&self) -> u32 {
        match self.kind {
            KeyKind::Rsa | KeyKind::Dsa => match self.bits {
                0..512 => 0,
                512..1024 => 56,
                1024..2048 => 80,
                2048..3072 => 112,
                3072..4096 => 128,
                4096..6144 => 152,
                6144..7680 => 176,
                7680..8192 => 192,
                8192..15360 => 200,
                _ => 256,
            },
            KeyKind::P521 => 256,
            KeyKind::Ed25519 => 128,
            KeyKind::Ed448 => 224,
            _ => self.bits / 2,
        }
    }
}

/// A branch of names (RFC 5280, 4.2.1.10), or one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GeneralSubtree {
    /// A domain and all below it, lower case.
    Dns(String),
    /// Addresses and their mask.
    Address(IpAddr, IpAddr),
    /// A name in the form in which names are compared, and all that begin with it.
    Directory(Vec<u8>),
}

/// Branches that certificates below an authority must or must not lie in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameConstraints {
    /// Names of a kind that stands here lie in one of these.
    pub permitted: Vec<GeneralSubtree>,
    /// No name lies in one of these.
    pub excluded: Vec<GeneralSubtree>,
}

impl GeneralSubtree {
    fn of(base: &GeneralName<'_>) -> Option<GeneralSubtree> {
        match base {
            GeneralName::DNSName(name) => Some(GeneralSubtree::Dns(name.to_ascii_lowercase())),
            GeneralName::DirectoryName(name) => Some(GeneralSubtree::Directory(canonical(name))),
            GeneralName::IPAddress(bytes) => {
                let (base, mask) = bytes.split_at(bytes.len() / 2);
                Some(GeneralSubtree::Address(address(base)?, address(mask)?))
            }
            _ => None,
        }
    }

    /// Whether both are of one kind, so that one constrains the other.
    pub fn is_kind_of(&self, name: &GeneralSubtree) -> bool {
        match (self, name) {
            (GeneralSubtree::Address(one, _), GeneralSubtree::Address(other, _)) => one.is_ipv4() == other.is_ipv4(),
            _ => std::mem::discriminant(self) == std::mem::discriminant(name),
        }
    }

    /// Whether a name lies in this branch (`nc_match_single`).
    pub fn holds(&self, name: &GeneralSubtree) -> bool {
        match (self, name) {
            (GeneralSubtree::Dns(tree), GeneralSubtree::Dns(name)) => {
                let Some(rest) = name.strip_suffix(tree.as_str()) else { return false };
                tree.is_empty() || rest.is_empty() || rest.ends_with('.') || tree.starts_with('.')
            }
            (GeneralSubtree::Directory(tree), GeneralSubtree::Directory(name)) => name.starts_with(tree),
            (GeneralSubtree::Address(base, mask), GeneralSubtree::Address(address, _)) => {
                let octets = |address: &IpAddr| match address {
                    IpAddr::V4(address) => address.octets().to_vec(),
                    IpAddr::V6(address) => address.octets().to_vec(),
                };
                let (base, mask, address) = (octets(base), octets(mask), octets(address));
                base.len() == address.len()
                    && base.iter().zip(&mask).zip(&address).all(|((base, mask), byte)| base & mask == byte & mask)
            }
            _ => false,
        }
    }
}

/// Extensions that OpenSSL understands when they are critical (`X509_supported_extension`).
const KNOWN_EXTENSIONS: &[&str] = &[
    "2.5.29.15",
    "2.5.29.17",
    "2.5.29.19",
    "2.5.29.30",
    "2.5.29.31",
    "2.5.29.32",
    "2.5.29.33",
    "2.5.29.36",
    "2.5.29.37",
    "2.5.29.54",
    "2.16.840.1.113730.1.1",
    "1.3.6.1.5.5.7.1.7",
    "1.3.6.1.5.5.7.1.8",
    "1.3.6.1.5.5.7.1.14",
];

/// A name in the form in which names are compared (RFC 5280, 7.1; OpenSSL, `x509_name_canon`): text in lower case, blanks
/// at the ends gone and others single.
pub(super) fn canonical(name: &X509Name<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    for set in name.iter_rdn() {
        out.push(0x31);
        for attribute in set.iter() {
            out.extend_from_slice(attribute.attr_type().as_bytes());
            let value = attribute.attr_value();
            match attribute.as_str() {
                Ok(text) => {
                    out.push(12);
                    let length = out.len();
                    out.extend_from_slice(&[0; 4]);
                    let start = out.len();
                    for word in text.split_ascii_whitespace() {
                        if out.len() > start {
                            out.push(b' ');
                        }
                        out.extend(word.bytes().map(|byte| byte.to_ascii_lowercase()));
                    }
                    let written = (out.len() - start) as u32;
                    out[length..start].copy_from_slice(&written.to_be_bytes());
                }
                Err(_) => {
                    out.push(0);
                    out.extend_from_slice(&(value.data.len() as u32).to_be_bytes());
                    out.extend_from_slice(value.data);
                }
            }
        }
    }
    out
}

/// Issuer and subject of a certificate in the form in which names are compared, without a look at the rest of it; absent
/// where the bytes are no certificate (RFC 5280, 4.1).
pub(super) fn names(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (tbs, _) = element(der).and_then(|(certificate, _)| element(certificate))?;
    let after = |bytes| element(bytes).map(|(_, rest)| rest);
    // The version may be missing; the serial number and the algorithm stand before the issuer, the validity behind it.
    let serial = if tbs.first() == Some(&0xa0) { after(tbs)? } else { tbs };
    let from_issuer = after(after(serial)?)?;
    let (rest, issuer) = X509Name::from_der(from_issuer).ok()?;
    let from_subject = after(rest)?;
    let (behind, subject) = X509Name::from_der(from_subject).ok()?;
    let subject = canonical(&subject);
    // Most that are asked for have issued themselves, and write both names alike.
    let is_same = from_issuer[..from_issuer.len() - rest.len()] == from_subject[..from_subject.len() - behind.len()];
    let issuer = if is_same { subject.clone() } else { canonical(&issuer) };
    Some((issuer, subject))
}

/// The content of the first DER element, and what stands behind it.
fn element(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (start, length) = match *bytes.get(1)? {
        short @ 0..0x80 => (2, usize::from(short)),
        long => {
            let count = usize::from(long & 0x7f);
            let digits = bytes.get(2..2 + count).filter(|digits| digits.len() <= 4)?;
            (2 + count, digits.iter().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte)))
        }
    };
    let end = start.checked_add(length)?;
    Some((bytes.get(start..end)?, &bytes[end..]))
}

/// The digest that a signature is made over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hash {
    /// MD5.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// Part of the algorithm (Ed25519), or not known.
    Intrinsic,
}

impl Hash {
    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Hash::Md5 => "MD5",
            Hash::Sha1 => "SHA-1",
            Hash::Sha224 => "SHA-224",
            Hash::Sha256 => "SHA-256",
            Hash::Sha384 => "SHA-384",
            Hash::Sha512 => "SHA-512",
            Hash::Intrinsic => "the digest of its algorithm",
        }
    }
}

/// What makes a certificate one that RFC 5280 does not allow, though it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Malformation {
    /// Its serial number is zero.
    SerialZero,
    /// Its serial number is negative.
    SerialNegative,
    /// Its serial number has more than 20 octets.
    SerialLong,
    /// It has extensions, and a version that knows none.
    VersionWithoutExtensions,
    /// An extension stands in it twice.
    ExtensionTwice,
    /// An extension is critical that clients do not know.
    UnknownCritical,
    /// It is of version 1, whose certificates say nothing of names or purposes.
    VersionOne,
}

/// A certificate (RFC 5280).
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The whole of it.
    pub der: Arc<[u8]>,
    /// SHA-256 of `der`.
    pub sha256: [u8; 32],
    /// The subject in the form in which names are compared; empty for an empty one.
    pub subject_name: Vec<u8>,
    /// The issuer in that form.
    pub issuer_name: Vec<u8>,
    /// Serial number, big-endian without leading zeros.
    pub serial: Vec<u8>,
    /// The subject for people.
    pub subject: String,
    /// The issuer for people.
    pub issuer: String,
    /// Common names of the subject, in order.
    pub common_names: Vec<String>,
    /// Version: 1 or 3.
    pub version: u32,
    /// Seconds since 1970-01-01 UTC.
    pub not_before: i64,
    /// Seconds since 1970-01-01 UTC.
    pub not_after: i64,
    /// Whether there is a subject alternative name.
    pub has_san: bool,
    /// Host names of it.
    pub dns_names: Vec<String>,
    /// Addresses of it.
    pub addresses: Vec<IpAddr>,
    /// The key.
    pub key: PublicKey,
    /// The digest of the signature on it.
    pub hash: Hash,
    /// Object identifier of the signature algorithm.
    pub signature_algorithm: String,
    /// Parameters of the signature algorithm as DER, where there are any.
    pub signature_parameters: Vec<u8>,
    /// The signature.
    pub signature: Vec<u8>,
    /// Where the signed part lies in `der`.
    pub signed: std::ops::Range<usize>,
    /// Key usage bits as in RFC 5280, 4.2.1.3 (`digitalSignature` is bit 0).
    pub key_usage: Option<u16>,
    /// Purposes by object identifier; absent: any.
    pub extended_key_usage: Option<Vec<String>>,
    /// Whether it is an authority, and how many more may follow below.
    pub basic_constraints: Option<(bool, Option<u32>)>,
    /// Authority key identifier.
    pub authority_key: Option<Vec<u8>>,
    /// Serial number and issuer of the issuer's certificate, where the authority key identifier has them.
    pub authority_serial: Option<(Vec<u8>, Vec<u8>)>,
    /// Subject key identifier.
    pub subject_key: Option<Vec<u8>>,
    /// Where its issuer can be fetched.
    pub issuer_urls: Vec<String>,
    /// OCSP responders.
    pub ocsp_urls: Vec<String>,
    /// Whether it demands a stapled response (RFC 7633).
    pub must_staple: bool,
    /// What names may stand below it.
    pub name_constraints: Option<NameConstraints>,
    /// Whether an extension is critical that OpenSSL does not know.
    pub has_unknown_critical: bool,
    /// Whether proofs of logging are embedded (RFC 6962).
    pub has_scts: bool,
    /// When those were given, in seconds since 1970-01-01 UTC.
    pub logged: Vec<i64>,
    /// Organizations of the subject, in order.
    pub organizations: Vec<String>,
    /// Organizations of the issuer, in order.
    pub issuer_organizations: Vec<String>,
    /// What RFC 5280 does not allow of it.
    pub malformations: Vec<Malformation>,
    /// The first issuer that was asked about, by its digest, and whether its key made the signature.
    verified: OnceLock<([u8; 32], Option<bool>)>,
}

impl Certificate {
    /// Reads a certificate.
    ///
    /// # Errors
    /// What the parser says where the bytes are no certificate.
    pub fn parse(der: &[u8]) -> Result<Certificate, String> {
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
        let der = &der[..der.len() - rest.len()];
        let tbs = parsed.tbs_certificate.as_ref();
        let offset = tbs.as_ptr() as usize - der.as_ptr() as usize;
        let mut out = Certificate {
            der: der.into(),
            sha256: Sha256::digest(der).into(),
            subject_name: canonical(parsed.subject()),
            issuer_name: canonical(parsed.issuer()),
            serial: parsed.tbs_certificate.serial.to_bytes_be(),
            subject: parsed.subject().to_string(),
            issuer: parsed.issuer().to_string(),
            common_names: parsed
                .subject()
                .iter_common_name()
                .filter_map(|name| name.as_str().ok().map(str::to_owned))
                .collect(),
            version: parsed.version().0 + 1,
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            has_san: false,
            dns_names: Vec::new(),
            addresses: Vec::new(),
            key: public_key(&parsed),
            hash: hash_of(&parsed.signature_algorithm),
            signature_algorithm: parsed.signature_algorithm.algorithm.to_id_string(),
            signature_parameters: parsed
                .signature_algorithm
                .parameters
                .as_ref()
                .map(|any| any.data.to_vec())
                .unwrap_or_default(),
            signature: parsed.signature_value.data.to_vec(),
            signed: offset..offset + tbs.len(),
            key_usage: None,
            extended_key_usage: None,
            basic_constraints: None,
            authority_key: None,
            authority_serial: None,
            subject_key: None,
            issuer_urls: Vec::new(),
            ocsp_urls: Vec::new(),
            must_staple: false,
            name_constraints: None,
            has_unknown_critical: false,
            has_scts: false,
            logged: Vec::new(),
            organizations: organizations(parsed.subject()),
            issuer_organizations: organizations(parsed.issuer()),
            malformations: Vec::new(),
            verified: OnceLock::new(),
        };
        for extension in parsed.extensions() {
            let oid = extension.oid.to_id_string();
            out.has_unknown_critical |= extension.critical && !KNOWN_EXTENSIONS.contains(&oid.as_str());
            out.extension(&oid, extension.parsed_extension(), extension.value);
        }
        out.malformations = malformations(&parsed, &out);
        Ok(out)
    }

    fn extension(&mut self, oid: &str, parsed: &ParsedExtension<'_>, raw: &[u8]) {
        match parsed {
            ParsedExtension::SubjectAlternativeName(names) => {
                self.has_san = true;
                for name in &names.general_names {
                    match name {
                        GeneralName::DNSName(name) => self.dns_names.push((*name).to_owned()),
                        GeneralName::IPAddress(bytes) => self.addresses.extend(address(bytes)),
                        _ => {}
                    }
                }
            }
            ParsedExtension::KeyUsage(usage) => self.key_usage = Some(usage.flags),
            ParsedExtension::ExtendedKeyUsage(usage) => {
                let named = [
                    (usage.any, "2.5.29.37.0"),
                    (usage.server_auth, "1.3.6.1.5.5.7.3.1"),
                    (usage.client_auth, "1.3.6.1.5.5.7.3.2"),
                    (usage.code_signing, "1.3.6.1.5.5.7.3.3"),
                    (usage.email_protection, "1.3.6.1.5.5.7.3.4"),
                    (usage.time_stamping, "1.3.6.1.5.5.7.3.8"),
                    (usage.ocsp_signing, "1.3.6.1.5.5.7.3.9"),
                ];
                let mut all: Vec<String> =
                    named.iter().filter(|(on, _)| *on).map(|(_, oid)| (*oid).to_owned()).collect();
                all.extend(usage.other.iter().map(|oid| oid.to_id_string()));
                self.extended_key_usage = Some(all);
            }
            ParsedExtension::BasicConstraints(constraints) => {
                self.basic_constraints = Some((constraints.ca, constraints.path_len_constraint));
            }
            ParsedExtension::AuthorityKeyIdentifier(key) => {
                self.authority_key = key.key_identifier.as_ref().map(|key| key.0.to_vec());
                let names = key.authority_cert_issuer.iter().flatten();
                let issuer = names.into_iter().find_map(|name| match name {
                    GeneralName::DirectoryName(name) => Some(canonical(name)),
                    _ => None,
                });
                let serial = key
                    .authority_cert_serial
                    .map(|serial| serial.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<u8>>());
                self.authority_serial = serial.zip(issuer);
            }
            ParsedExtension::NameConstraints(constraints) => {
                let trees = |list: &Option<Vec<x509_parser::extensions::GeneralSubtree<'_>>>| {
                    list.iter().flatten().filter_map(|tree| GeneralSubtree::of(&tree.base)).collect()
                };
                self.name_constraints = Some(NameConstraints {
                    permitted: trees(&constraints.permitted_subtrees),
                    excluded: trees(&constraints.excluded_subtrees),
                });
            }
            ParsedExtension::SubjectKeyIdentifier(key) => self.subject_key = Some(key.0.to_vec()),
            ParsedExtension::AuthorityInfoAccess(access) => {
                for description in access.iter() {
                    let GeneralName::URI(url) = &description.access_location else { continue };
                    match description.access_method.to_id_string().as_str() {
                        "1.3.6.1.5.5.7.48.2" => self.issuer_urls.push((*url).to_owned()),
                        "1.3.6.1.5.5.7.48.1" => self.ocsp_urls.push((*url).to_owned()),
                        _ => {}
                    }
                }
            }
            ParsedExtension::SCT(proofs) => {
                self.has_scts = true;
                self.logged = proofs.iter().map(|proof| (proof.timestamp / 1000) as i64).collect();
            }
            _ => match oid {
                // TLS feature: a sequence of integers, 5 being status_request.
                "1.3.6.1.5.5.7.1.24" => self.must_staple = raw.windows(3).any(|bytes| bytes == [2, 1, 5]),
                "1.3.6.1.4.1.11129.2.4.2" => self.has_scts = true,
                _ => {}
            },
        }
    }

    /// Whether subject and issuer are one name.
    pub fn is_self_issued(&self) -> bool {
        self.subject_name == self.issuer_name
    }

    /// Whether it may issue others: by its constraints, or as a self-issued certificate of version 1.
    pub fn is_authority(&self) -> bool {
        match self.basic_constraints {
            Some((is_authority, _)) => is_authority,
            None => self.version == 1 && self.is_self_issued(),
        }
    }

    /// `CN=www.example.com`, else the first alternative name, else the whole subject.
    pub fn short_name(&self) -> String {
        match (self.common_names.first(), self.dns_names.first()) {
            (Some(name), _) => format!("CN={name}"),
            (None, Some(name)) => name.clone(),
            (None, None) if self.subject.is_empty() => "a certificate without a subject".to_owned(),
            (None, None) => self.subject.clone(),
        }
    }

    /// The names that it holds for: alternative names, else common names.
    pub fn names(&self) -> Vec<String> {
        if self.dns_names.is_empty() && self.addresses.is_empty() {
            return self.common_names.clone();
        }
        let addresses = self.addresses.iter().map(IpAddr::to_string);
        self.dns_names.iter().cloned().chain(addresses).collect()
    }

    /// Whether it holds for a host: alternative names, and common names only where there is no `dNSName` and the client
    /// looks at them. An address is compared with addresses alone (OpenSSL 3.0, `X509_check_host`, `X509_check_ip`).
    pub fn matches_host(&self, host: &str, looks_at_common_name: bool) -> bool {
        self.matches(host, looks_at_common_name, Wildcards::Whole)
    }

    /// The same with a choice of wildcards.
    pub(super) fn matches(&self, host: &str, looks_at_common_name: bool, wildcards: Wildcards) -> bool {
        if let Ok(address) = host.parse::<IpAddr>() {
            return self.addresses.contains(&address);
        }
        let matches = |pattern: &String| name::matches(pattern, host, wildcards);
        if !self.dns_names.is_empty() {
            return self.dns_names.iter().any(matches);
        }
        looks_at_common_name && self.common_names.iter().any(matches)
    }

    /// Whether `issuer` could have issued it, by names and key identifiers; signatures are not looked at.
    pub fn names_issuer(&self, issuer: &Certificate) -> bool {
        let keys = match (&self.authority_key, &issuer.subject_key) {
            (Some(wanted), Some(found)) => wanted == found,
            _ => true,
        };
        self.issuer_name == issuer.subject_name && keys
    }

    /// Whether `issuer` issued it: names, key identifiers and signature agree. Where the algorithm is not one that is
    /// known here, names and identifiers decide.
    pub fn is_issued_by(&self, issuer: &Certificate) -> bool {
        self.names_issuer(issuer) && self.is_signed_by(issuer).unwrap_or(true)
    }

    /// Whether the signature on it is of a kind that keys of this kind make.
    pub fn is_signed_with(&self, kind: &KeyKind) -> bool {
        match self.signature_algorithm.as_str() {
            oid if oid.starts_with("1.2.840.113549.1.1.") => *kind == KeyKind::Rsa,
            oid if oid.starts_with("1.2.840.10045.4.") => kind.is_ec(),
            "1.3.101.112" => *kind == KeyKind::Ed25519,
            "1.3.101.113" => *kind == KeyKind::Ed448,
            _ => true,
        }
    }

    /// How strong the digest of the signature on it is, in bits as OpenSSL 3.0 counts (`x509_sig_info_init`): half of its
    /// length; SHA-1 and MD5 less, since they are broken.
    pub fn digest_bits(&self) -> u32 {
        match self.hash {
            Hash::Md5 => 39,
            Hash::Sha1 => 63,
            Hash::Sha224 => 112,
            Hash::Sha256 => 128,
            Hash::Sha384 => 192,
            Hash::Sha512 => 256,
            Hash::Intrinsic if self.signature_algorithm == "1.3.101.113" => 224,
            Hash::Intrinsic => 128,
        }
    }

    /// Whether the key of `issuer` made the signature on it. Absent where the algorithm is not one that is known here. The
    /// answer for the first issuer is kept: rules ask again and again.
    pub fn is_signed_by(&self, issuer: &Certificate) -> Option<bool> {
        let ask = || (issuer.sha256, super::signature::verify(self, &issuer.key));
        match self.verified.get_or_init(ask) {
            (known, answer) if *known == issuer.sha256 => *answer,
            _ => super::signature::verify(self, &issuer.key),
        }
    }

    /// Whether it signed itself.
    pub fn is_self_signed(&self) -> bool {
        self.is_self_issued() && self.is_issued_by(self)
    }
}

fn organizations(name: &X509Name<'_>) -> Vec<String> {
    name.iter_organization().filter_map(|one| one.as_str().ok().map(str::to_owned)).collect()
}

/// What RFC 5280, 4.1.2 and 4.2, does not allow, in the order in which it is told.
fn malformations(parsed: &X509Certificate<'_>, read: &Certificate) -> Vec<Malformation> {
    let serial = parsed.tbs_certificate.raw_serial();
    let mut oids: Vec<String> = parsed.extensions().iter().map(|extension| extension.oid.to_id_string()).collect();
    let count = oids.len();
    oids.sort_unstable();
    oids.dedup();
    let is_long = serial.len() > 21 || serial.len() == 21 && serial[0] != 0;
    let all = [
        (read.has_unknown_critical, Malformation::UnknownCritical),
        (oids.len() < count, Malformation::ExtensionTwice),
        (read.version < 3 && count > 0, Malformation::VersionWithoutExtensions),
        (serial.first().is_some_and(|first| first & 0x80 != 0), Malformation::SerialNegative),
        (serial.iter().all(|byte| *byte == 0), Malformation::SerialZero),
        (is_long, Malformation::SerialLong),
        (read.version < 3 && count == 0, Malformation::VersionOne),
    ];
    all.into_iter().filter(|(is_one, _)| *is_one).map(|(_, what)| what).collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

fn public_key(parsed: &X509Certificate<'_>) -> PublicKey {
    let info = parsed.public_key();
    let algorithm = info.algorithm.algorithm.to_id_string();
    let curve = info.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok()).map(|oid| oid.to_id_string());
    let kind = KeyKind::of(&algorithm, curve);
    let bytes = info.subject_public_key.data.to_vec();
    let bits = bits(&kind, &bytes);
    PublicKey { kind, bits, bytes }
}

/// The size of a key as OpenSSL counts it.
pub(super) fn bits(kind: &KeyKind, bytes: &[u8]) -> u32 {
    match kind {
        KeyKind::P256 => 256,
        KeyKind::P384 => 384,
        KeyKind::P521 => 521,
        KeyKind::Ed25519 => 253,
        KeyKind::Ed448 => 448,
        // A point: one byte, then two coordinates.
        KeyKind::OtherCurve(_) => (bytes.len().saturating_sub(1) / 2 * 8) as u32,
        KeyKind::Rsa => {
            use pkcs8::der::Decode;
            rsa::pkcs1::RsaPublicKey::from_der(bytes).map_or(0, |key| {
                let modulus = key.modulus.as_bytes();
                (modulus.len() * 8) as u32 - modulus.first().map_or(0, |byte| byte.leading_zeros())
            })
        }
        KeyKind::Dsa | KeyKind::Other(_) => 0,
    }
}

/// The digest of a signature algorithm.
fn hash_of(algorithm: &AlgorithmIdentifier<'_>) -> Hash {
    match algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.10" => pss_hash(algorithm),
        "1.2.840.113549.1.1.4" => Hash::Md5,
        "1.2.840.113549.1.1.5" | "1.2.840.10045.4.1" => Hash::Sha1,
        "1.2.840.113549.1.1.14" | "1.2.840.10045.4.3.1" => Hash::Sha224,
        "1.2.840.113549.1.1.11" | "1.2.840.10045.4.3.2" => Hash::Sha256,
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Hash::Sha384,
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Hash::Sha512,
        _ => Hash::Intrinsic,
    }
}

/// The digest of RSA-PSS (RFC 4055, 3.1): SHA-1 unless the parameters say another.
fn pss_hash(algorithm: &AlgorithmIdentifier<'_>) -> Hash {
    let parameters = algorithm.parameters.as_ref().map(|any| any.data).unwrap_or_default();
    let has = |last: u8| {
        let oid = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, last];
        parameters.windows(oid.len()).any(|bytes| bytes == oid)
    };
    match () {
        () if has(1) => Hash::Sha256,
        () if has(2) => Hash::Sha384,
        () if has(3) => Hash::Sha512,
        () if has(4) => Hash::Sha224,
        () => Hash::Sha1,
    }
}
