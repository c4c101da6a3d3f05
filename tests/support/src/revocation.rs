//! Revocation lists and responses of responders, empty ones: what matters is until when they hold.

use crate::DAY;
use crate::certificate::{Certificate, name};
use crate::der::{self, bits, element, identifier, integer, octets, sequence, time};
use crate::key::{Digest, key};

/// A revocation list of an authority in PEM, which ends at a time in seconds since 1970-01-01 UTC and began 30 days before.
pub fn list(authority: &Certificate, end: i64) -> String {
    let signer = key(&authority.key);
    let algorithm = signer.algorithm(Digest::Sha256);
    let version = integer(&[1]);
    let signed = sequence(&[&version, &algorithm, &name(&authority.subject), &time(end - 30 * DAY), &time(end)]);
    let signature = signer.sign(Digest::Sha256, &signed);
    der::pem("X509 CRL", &sequence(&[&signed, &algorithm, &bits(&signature)]))
}

/// A response in DER on a certificate that is good, until a time in seconds since 1970-01-01 UTC. Nobody signed it.
pub fn response(end: i64) -> Vec<u8> {
    // Times here have four digits for the year.
    let long = |seconds: i64| element(0x18, &[b"20", &time(seconds)[2..]].concat());
    let sha1 = sequence(&[&identifier("1.3.14.3.2.26"), &[5, 0]]);
    let about = sequence(&[&sha1, &octets(&[1; 20]), &octets(&[2; 20]), &integer(&[3])]);
    let answer = sequence(&[&about, &element(0x80, &[]), &long(end - 7 * DAY), &element(0xa0, &long(end))]);
    let data = sequence(&[&element(0xa2, &octets(&[2; 20])), &long(end - 7 * DAY), &sequence(&[&answer])]);
    let basic = sequence(&[&data, &sequence(&[&identifier("1.2.840.10045.4.3.2")]), &bits(&[1, 2, 3, 4])]);
    let bytes = sequence(&[&identifier("1.3.6.1.5.5.7.48.1.1"), &octets(&basic)]);
    sequence(&[&element(10, &[0]), &element(0xa0, &bytes)])
}
