//! Suite B (RFC 6460): what a cipher string that begins with `SUITEB` forces on a connection.
//!
//! Source: OpenSSL 3.0, `ssl/t1_lib.c` (`tls1_suiteb`), `crypto/x509/x509_cmp.c` (`X509_chain_check_suiteb`).

use crate::pki::{Certificate, KeyKind};
use crate::tls::cipher::{CipherSuite, SuiteB};
use crate::tls::group::GroupList;

const P256: u16 = 0x0017;
const P384: u16 = 0x0018;
const ECDSA_P256_SHA256: u16 = 0x0403;
const ECDSA_P384_SHA384: u16 = 0x0503;

/// The groups that are left.
pub fn groups(mode: SuiteB) -> GroupList {
    let all = [(mode.p256, P256), (mode.p384, P384)];
    GroupList { tuples: vec![all.into_iter().filter(|(on, _)| *on).map(|(_, code)| code).collect()] }
}

/// Why a tuple that reaches past the end is not judged.
pub const OVERRUN: &str =
    "a tuple of the configured groups is longer than what is left of Suite B's, and the library reads past their end";

/// The groups of Suite B in tuples of the sizes that the configured groups have, as OpenSSL 3.5 and newer cut them
/// (`tls1_get_group_tuples`), and which tuple is the first that reaches past their end: what stands there in the library's
/// memory is not known.
pub fn cut(groups: &GroupList, configured: &[Vec<u16>]) -> (Vec<Vec<u16>>, Option<usize>) {
    let mut rest: Vec<u16> = groups.iter().collect();
    let overruns = {
        let mut end = 0;
        configured.iter().position(|tuple| {
            end += tuple.len();
            end > rest.len()
        })
    };
    let tuples = configured.iter().map(|tuple| rest.drain(..tuple.len().min(rest.len())).collect()).collect();
    (tuples, overruns)
}

/// The signature schemes that are left.
pub fn signatures(mode: SuiteB) -> Vec<u16> {
    let all = [(mode.p256, ECDSA_P256_SHA256), (mode.p384, ECDSA_P384_SHA384)];
    all.into_iter().filter(|(on, _)| *on).map(|(_, code)| code).collect()
}

/// The group that a suite goes with: P-256 with AES of 128 bits, P-384 with 256.
pub fn group_of(suite: &CipherSuite) -> u16 {
    if suite.encryption_name() == "AES128GCM" { P256 } else { P384 }
}

/// The scheme that a certificate's key has to sign with; absent for other keys.
pub fn scheme_of(certificate: &Certificate) -> Option<u16> {
    match certificate.key.kind {
        KeyKind::P256 => Some(ECDSA_P256_SHA256),
        KeyKind::P384 => Some(ECDSA_P384_SHA384),
        _ => None,
    }
}

/// Whether every key and signature of a chain is one of Suite B.
pub fn takes<'c>(mode: SuiteB, chain: impl Iterator<Item = &'c Certificate>) -> bool {
    let mut left = mode;
    let mut signed_by_below: Option<&Certificate> = None;
    let mut last = None;
    for certificate in chain {
        if certificate.version != 3 || !takes_key(&mut left, certificate, signed_by_below) {
            return false;
        }
        (signed_by_below, last) = (Some(certificate), Some(certificate));
    }
    last.is_none_or(|last| takes_key(&mut left, last, Some(last)))
}

/// Whether a key may stand here, and the signature of the certificate that it made. Below P-384 no P-256 may follow.
fn takes_key(left: &mut SuiteB, certificate: &Certificate, signature_of: Option<&Certificate>) -> bool {
    let is_signed = |oid: &str| signature_of.is_none_or(|one| one.signature_algorithm == oid);
    match certificate.key.kind {
        KeyKind::P384 => {
            let allowed = left.p384 && is_signed("1.2.840.10045.4.3.3");
            left.p256 = false;
            allowed
        }
        KeyKind::P256 => left.p256 && is_signed("1.2.840.10045.4.3.2"),
        _ => false,
    }
}
