//! OpenSSL's security levels: what each refuses (`ssl_security_default_callback`).

use crate::pki::loading::Strength;
use crate::tls::Protocol;
use crate::tls::cipher::{self, CipherLibrary, CipherSuite, Tls13Suite};
use crate::tls::group::Group;
use crate::tls::signature::SignatureScheme;

/// A level of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// 0 to 5.
    pub number: u8,
    /// The release.
    pub version: [u32; 3],
}

impl Level {
    /// The level as it judges certificates.
    pub fn of_certificates(self) -> Strength {
        Strength::of(self.number, self.version)
    }

    /// Security bits that the level asks for.
    pub fn least_bits(self) -> u32 {
        [0, 80, 112, 128, 192, 256][usize::from(self.number.min(5))]
    }

    /// Whether a protocol may be chosen. OpenSSL 3.2 and newer refuse TLS 1.0 and 1.1 from level 1 on at this point; 3.0 does so
    /// later, for want of a signature.
    pub fn allows_protocol(self, protocol: Protocol) -> bool {
        if self.version >= [3, 2, 0] {
            return self.number == 0 || protocol >= Protocol::Tls12;
        }
        match protocol {
            Protocol::Ssl2 | Protocol::Ssl3 => self.number < 2,
            Protocol::Tls10 => self.number < 3,
            Protocol::Tls11 => self.number < 4,
            _ => true,
        }
    }

    /// Whether a suite of TLS 1.2 and below may be negotiated.
    pub fn allows_suite(self, suite: &CipherSuite) -> bool {
        cipher::usable(CipherLibrary::of(self.version), suite, self.number).is_ok()
    }

    /// Whether a suite of TLS 1.3 may be negotiated. OpenSSL 3.2 and newer count CCM_8 as 64 bits.
    pub fn allows_tls13_suite(self, suite: &Tls13Suite) -> bool {
        let bits = match (suite.code_point, self.version >= [3, 2, 0]) {
            (0x1305, true) => 64,
            _ => suite.strength_bits,
        };
        bits >= self.least_bits()
    }

    /// Whether a group may be used.
    pub fn allows_group(self, group: &Group) -> bool {
        group.security_bits >= self.least_bits()
    }

    /// Whether a signature scheme may be used. OpenSSL 1.1.1 counts half of any digest's length.
    pub fn allows_scheme(self, scheme: &SignatureScheme) -> bool {
        let bits = match (scheme.digest, self.version < [3, 0, 0]) {
            ("sha1", true) => 80,
            _ => scheme.security_bits,
        };
        bits >= self.least_bits()
    }

    /// Whether the signature of TLS 1.0 and 1.1 may be used, which is made with MD5 and SHA-1 together for RSA and with SHA-1
    /// for ECDSA and DSA.
    pub fn allows_legacy_signature(self) -> bool {
        let bits = if self.version < [3, 0, 0] { 80 } else { 64 };
        bits >= self.least_bits()
    }

    /// Whether Diffie-Hellman parameters with a prime of so many bits may be used; 1024 bits are the least at every level.
    pub fn allows_dh(self, prime_bits: u32) -> bool {
        let bits = dh_security_bits(prime_bits);
        bits >= self.least_bits().max(80)
    }
}

/// How strong a prime of so many bits is (`BN_security_bits`).
pub fn dh_security_bits(prime_bits: u32) -> u32 {
    match prime_bits {
        15360.. => 256,
        7680.. => 192,
        3072.. => 128,
        2048.. => 112,
        1024.. => 80,
        _ => 0,
    }
}
