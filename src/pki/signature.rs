//! Verifies the signature on a certificate: RSA PKCS #1 and PSS, ECDSA on NIST curves, Ed25519.

use pkcs8::der::Decode;
use ring::signature::{UnparsedPublicKey, VerificationAlgorithm};
use rsa::{BigUint, Pkcs1v15Sign, Pss, RsaPublicKey};
use sha2::Digest;

use super::certificate::{Certificate, Hash, KeyKind, PublicKey};

/// Whether `key` made the signature on `certificate`. Absent where the algorithm is not one of the known.
pub fn verify(certificate: &Certificate, key: &PublicKey) -> Option<bool> {
    let signed = certificate.der.get(certificate.signed.clone())?;
    let signature = &certificate.signature;
    if let Some(algorithm) = common(certificate, key)
        && UnparsedPublicKey::new(algorithm, &key.bytes).verify(signed, signature).is_ok()
    {
        return Some(true);
    }
    match (&key.kind, certificate.signature_algorithm.as_str()) {
        (KeyKind::Rsa, "1.2.840.113549.1.1.10") => verify_pss(certificate, key, signed, signature),
        (KeyKind::Rsa, _) => verify_rsa(certificate.hash, key, signed, signature),
        (KeyKind::P256, _) => {
            let digest = digest(certificate.hash, signed)?;
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&key.bytes).ok()?;
            let signature = p256::ecdsa::Signature::from_der(signature);
            Some(signature.is_ok_and(|one| verify_prehash(&key, &digest, &one)))
        }
        (KeyKind::P384, _) => {
            let digest = digest(certificate.hash, signed)?;
            let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(&key.bytes).ok()?;
            let signature = p384::ecdsa::Signature::from_der(signature);
            Some(signature.is_ok_and(|one| verify_prehash(&key, &digest, &one)))
        }
        (KeyKind::P521, _) => {
            let digest = digest(certificate.hash, signed)?;
            let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(&key.bytes).ok()?;
            let signature = p521::ecdsa::Signature::from_der(signature);
            Some(signature.is_ok_and(|one| verify_prehash(&key, &digest, &one)))
        }
        (KeyKind::Ed25519, "1.3.101.112") => {
            let bytes: [u8; 32] = key.bytes.as_slice().try_into().ok()?;
            let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes).ok()?;
            let signature = ed25519_dalek::Signature::from_slice(signature);
            Some(signature.is_ok_and(|one| key.verify_strict(signed, &one).is_ok()))
        }
        (KeyKind::Ed25519, _) => Some(false),
        _ => None,
    }
}

/// What ring verifies, and several times faster than the others: nearly all of today's certificates. Its "no" is not taken:
/// it refuses more than OpenSSL does.
fn common(certificate: &Certificate, key: &PublicKey) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match (&key.kind, certificate.signature_algorithm.as_str()) {
        (KeyKind::P256, "1.2.840.10045.4.3.2") => &ring::signature::ECDSA_P256_SHA256_ASN1,
        (KeyKind::P256, "1.2.840.10045.4.3.3") => &ring::signature::ECDSA_P256_SHA384_ASN1,
        (KeyKind::P384, "1.2.840.10045.4.3.2") => &ring::signature::ECDSA_P384_SHA256_ASN1,
        (KeyKind::P384, "1.2.840.10045.4.3.3") => &ring::signature::ECDSA_P384_SHA384_ASN1,
        (KeyKind::Rsa, "1.2.840.113549.1.1.11") => &ring::signature::RSA_PKCS1_2048_8192_SHA256,
        (KeyKind::Rsa, "1.2.840.113549.1.1.12") => &ring::signature::RSA_PKCS1_2048_8192_SHA384,
        (KeyKind::Rsa, "1.2.840.113549.1.1.13") => &ring::signature::RSA_PKCS1_2048_8192_SHA512,
        _ => return None,
    })
}

/// ECDSA cuts a digest that is longer than the curve's order; one that is shorter than half of it is padded.
fn verify_prehash<S, V: p256::ecdsa::signature::hazmat::PrehashVerifier<S>>(
    key: &V,
    digest: &[u8],
    signature: &S,
) -> bool {
    let mut padded = vec![0; 66usize.saturating_sub(digest.len())];
    if key.verify_prehash(digest, signature).is_ok() {
        return true;
    }
    // The crates refuse digests below half of the field's size; leading zeros change nothing in the number.
    padded.truncate(48usize.saturating_sub(digest.len()));
    padded.extend_from_slice(digest);
    padded.len() > digest.len() && key.verify_prehash(&padded, signature).is_ok()
}

fn digest(hash: Hash, signed: &[u8]) -> Option<Vec<u8>> {
    Some(match hash {
        Hash::Md5 => md5::Md5::digest(signed).to_vec(),
        Hash::Sha1 => sha1::Sha1::digest(signed).to_vec(),
        Hash::Sha224 => sha2::Sha224::digest(signed).to_vec(),
        Hash::Sha256 => sha2::Sha256::digest(signed).to_vec(),
        Hash::Sha384 => sha2::Sha384::digest(signed).to_vec(),
        Hash::Sha512 => sha2::Sha512::digest(signed).to_vec(),
        Hash::Intrinsic => return None,
    })
}

/// The largest modulus that OpenSSL takes, in bits (`OPENSSL_RSA_MAX_MODULUS_BITS`).
const RSA_BITS: usize = 16_384;

fn rsa_key(key: &PublicKey) -> Option<RsaPublicKey> {
    let parsed = rsa::pkcs1::RsaPublicKey::from_der(&key.bytes).ok()?;
    let number = |integer: rsa::pkcs1::UintRef<'_>| BigUint::from_bytes_be(integer.as_bytes());
    RsaPublicKey::new_with_max_size(number(parsed.modulus), number(parsed.public_exponent), RSA_BITS).ok()
}

fn verify_rsa(hash: Hash, key: &PublicKey, signed: &[u8], signature: &[u8]) -> Option<bool> {
    let digest = digest(hash, signed)?;
    let scheme = match hash {
        Hash::Md5 => Pkcs1v15Sign::new::<md5::Md5>(),
        Hash::Sha1 => Pkcs1v15Sign::new::<sha1::Sha1>(),
        Hash::Sha224 => Pkcs1v15Sign::new::<sha2::Sha224>(),
        Hash::Sha256 => Pkcs1v15Sign::new::<sha2::Sha256>(),
        Hash::Sha384 => Pkcs1v15Sign::new::<sha2::Sha384>(),
        Hash::Sha512 => Pkcs1v15Sign::new::<sha2::Sha512>(),
        Hash::Intrinsic => return None,
    };
    let key = rsa_key(key)?;
    Some(key.verify(scheme, &digest, signature).is_ok())
}

/// RSASSA-PSS (RFC 4055): the digest stands in the parameters, the salt is as long as the digest.
fn verify_pss(certificate: &Certificate, key: &PublicKey, signed: &[u8], signature: &[u8]) -> Option<bool> {
    let has = |oid: &[u8]| certificate.signature_parameters.windows(oid.len()).any(|bytes| bytes == oid);
    let sha2 = |last: u8| [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, last];
    let key = rsa_key(key)?;
    let (scheme, digest) = if has(&sha2(1)) {
        (Pss::new::<sha2::Sha256>(), sha2::Sha256::digest(signed).to_vec())
    } else if has(&sha2(2)) {
        (Pss::new::<sha2::Sha384>(), sha2::Sha384::digest(signed).to_vec())
    } else if has(&sha2(3)) {
        (Pss::new::<sha2::Sha512>(), sha2::Sha512::digest(signed).to_vec())
    } else {
        return None;
    };
    Some(key.verify(scheme, &digest, signature).is_ok())
}
