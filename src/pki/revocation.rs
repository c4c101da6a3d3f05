//! What tells that a certificate is revoked: lists (RFC 5280, 5) and responses of a responder (RFC 6960), as far as their dates
//! go.

use x509_parser::asn1_rs::{Any, FromDer, GeneralizedTime};
use x509_parser::revocation_list::CertificateRevocationList;

use super::certificate::canonical;

/// A revocation list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocations {
    /// The authority in the form in which names are compared.
    pub issuer_name: Vec<u8>,
    /// The authority for people.
    pub issuer: String,
    /// Until when it holds, in seconds since 1970-01-01 UTC; absent: for ever.
    pub next_update: Option<i64>,
}

impl Revocations {
    /// Reads a list.
    pub(super) fn parse(der: &[u8]) -> Option<Revocations> {
        let (_, list) = CertificateRevocationList::from_der(der).ok()?;
        Some(Revocations {
            issuer_name: canonical(list.issuer()),
            issuer: list.issuer().to_string(),
            next_update: list.next_update().map(|time| time.timestamp()),
        })
    }
}

/// A responder's answer on one certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OcspResponse {
    /// Whether it is an answer at all: a responder may say that it has none.
    pub is_successful: bool,
    /// Until when it holds, in seconds since 1970-01-01 UTC; absent: it does not say.
    pub next_update: Option<i64>,
}

impl OcspResponse {
    /// Reads a response in DER; absent where the bytes are none.
    pub fn parse(der: &[u8]) -> Option<OcspResponse> {
        let (_, response) = Any::from_der(der).ok()?;
        let mut parts = children(response.data);
        let status = parts.next().filter(|status| status.tag().0 == 10)?.data;
        if status != [0] {
            return Some(OcspResponse { is_successful: false, next_update: None });
        }
        // [0] { responseType, OCTET STRING { BasicOCSPResponse } }
        let bytes = children(parts.next()?.data).next()?;
        let basic = children(bytes.data).find(|part| part.tag().0 == 4)?;
        let (_, basic) = Any::from_der(basic.data).ok()?;
        let data = children(basic.data).next()?;
        // Version, responder, time, then the answers: the only plain sequence.
        let answers = children(data.data).find(|part| part.tag().0 == 16 && !part.header.is_contextspecific())?;
        let first = children(answers.data).next()?;
        let mut times = children(first.data).filter(|part| part.header.is_contextspecific() && part.tag().0 == 0);
        // The first of them may be the status `good`, which is empty.
        let next = times.find(|part| !part.data.is_empty());
        let next = next.and_then(|part| GeneralizedTime::from_der(part.data).ok());
        let next_update = next.and_then(|(_, time)| time.utc_datetime().ok()).map(|time| time.unix_timestamp());
        Some(OcspResponse { is_successful: true, next_update })
    }
}

/// The elements of a sequence's content, until one cannot be read.
fn children(mut content: &[u8]) -> impl Iterator<Item = Any<'_>> {
    std::iter::from_fn(move || {
        let (rest, one) = Any::from_der(content).ok()?;
        content = rest;
        Some(one)
    })
}
