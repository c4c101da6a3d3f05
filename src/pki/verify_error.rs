//! What a client may hold against certificates, as OpenSSL names it.

/// An error of `X509_verify_cert`, named after its `X509_V_ERR_*` constant. Only those that a
/// [`Verifier`](super::Verifier) reports.
///
/// Source: OpenSSL 3.0, `include/openssl/x509_vfy.h`; `X509_verify_cert_error_string` in `crypto/x509/x509_txt.c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VerifyError {
    /// `X509_V_ERR_CERT_SIGNATURE_FAILURE`.
    CertSignatureFailure,
    /// `X509_V_ERR_CERT_NOT_YET_VALID`.
    CertNotYetValid,
    /// `X509_V_ERR_CERT_HAS_EXPIRED`.
    CertHasExpired,
    /// `X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT`.
    DepthZeroSelfSignedCert,
    /// `X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN`.
    SelfSignedCertInChain,
    /// `X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY`.
    UnableToGetIssuerCertLocally,
    /// `X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE`.
    UnableToVerifyLeafSignature,
    /// `X509_V_ERR_PATH_LENGTH_EXCEEDED`.
    PathLengthExceeded,
    /// `X509_V_ERR_INVALID_PURPOSE`.
    InvalidPurpose,
    /// `X509_V_ERR_KEYUSAGE_NO_CERTSIGN`.
    KeyusageNoCertsign,
    /// `X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION`.
    UnhandledCriticalExtension,
    /// `X509_V_ERR_PERMITTED_VIOLATION`.
    PermittedViolation,
    /// `X509_V_ERR_EXCLUDED_VIOLATION`.
    ExcludedViolation,
    /// `X509_V_ERR_HOSTNAME_MISMATCH`.
    HostnameMismatch,
    /// `X509_V_ERR_IP_ADDRESS_MISMATCH`.
    IpAddressMismatch,
    /// `X509_V_ERR_EE_KEY_TOO_SMALL`.
    EeKeyTooSmall,
    /// `X509_V_ERR_CA_KEY_TOO_SMALL`.
    CaKeyTooSmall,
    /// `X509_V_ERR_CA_MD_TOO_WEAK`.
    CaMdTooWeak,
    /// `X509_V_ERR_INVALID_CA`.
    InvalidCa,
}

impl VerifyError {
    /// The number that OpenSSL prints.
    pub fn code(self) -> u32 {
        self.entry().0
    }

    /// OpenSSL's words for it.
    pub fn text(self) -> &'static str {
        self.entry().1
    }

    fn entry(self) -> (u32, &'static str) {
        match self {
            VerifyError::CertSignatureFailure => (7, "certificate signature failure"),
            VerifyError::CertNotYetValid => (9, "certificate is not yet valid"),
            VerifyError::CertHasExpired => (10, "certificate has expired"),
            VerifyError::DepthZeroSelfSignedCert => (18, "self-signed certificate"),
            VerifyError::SelfSignedCertInChain => (19, "self-signed certificate in certificate chain"),
            VerifyError::UnableToGetIssuerCertLocally => (20, "unable to get local issuer certificate"),
            VerifyError::UnableToVerifyLeafSignature => (21, "unable to verify the first certificate"),
            VerifyError::PathLengthExceeded => (25, "path length constraint exceeded"),
            VerifyError::InvalidPurpose => (26, "unsuitable certificate purpose"),
            VerifyError::KeyusageNoCertsign => (32, "key usage does not include certificate signing"),
            VerifyError::UnhandledCriticalExtension => (34, "unhandled critical extension"),
            VerifyError::PermittedViolation => (47, "permitted subtree violation"),
            VerifyError::ExcludedViolation => (48, "excluded subtree violation"),
            VerifyError::HostnameMismatch => (62, "hostname mismatch"),
            VerifyError::IpAddressMismatch => (64, "IP address mismatch"),
            VerifyError::EeKeyTooSmall => (66, "EE certificate key too weak"),
            VerifyError::CaKeyTooSmall => (67, "CA certificate key too weak"),
            VerifyError::CaMdTooWeak => (68, "CA signature digest algorithm too weak"),
            VerifyError::InvalidCa => (79, "invalid CA certificate"),
        }
    }

    /// Whether the path breaks off: an issuer is neither sent nor an anchor. A path that ends at a certificate that signed
    /// itself is whole.
    pub fn is_incomplete(self) -> bool {
        matches!(self, VerifyError::UnableToGetIssuerCertLocally | VerifyError::UnableToVerifyLeafSignature)
    }

    /// Whether the path is whole, but ends at a certificate that signed itself and is no anchor.
    pub fn is_self_signed(self) -> bool {
        matches!(self, VerifyError::DepthZeroSelfSignedCert | VerifyError::SelfSignedCertInChain)
    }

    /// Whether no anchor stands at the end of the path, be it broken off or whole.
    pub fn is_untrusted(self) -> bool {
        self.is_incomplete() || self.is_self_signed()
    }

    /// Whether one more anchor could be all that is wanting: the authority may be one that a real client knows. Not so for
    /// [`VerifyError::UnableToVerifyLeafSignature`]: there the leaf alone is sent, and clients that know the root still lack
    /// the certificates between.
    pub fn is_mended_by_an_anchor(self) -> bool {
        self.is_self_signed() || self == VerifyError::UnableToGetIssuerCertLocally
    }

    /// Whether no key of an anchor vouches for the leaf: there is no path to one, or a signature on the path is wrong.
    pub fn is_unvouched(self) -> bool {
        self.is_untrusted() || self == VerifyError::CertSignatureFailure
    }

    /// Whether the leaf is for other names or addresses than the one that was asked for.
    pub fn is_name_mismatch(self) -> bool {
        matches!(self, VerifyError::HostnameMismatch | VerifyError::IpAddressMismatch)
    }
}
