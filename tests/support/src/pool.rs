//! Values that generated configurations draw from: cipher strings, groups, commands of OpenSSL.

/// Cipher strings that the library takes.
pub const CIPHERS: &[&str] = &[
    "HIGH:!aNULL:!MD5",
    "HIGH:!aNULL:!MD5",
    "DEFAULT",
    "DEFAULT",
    "ECDHE+AESGCM:ECDHE+CHACHA20",
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305",
    "AES128-SHA:AES256-SHA",
    "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-SHA256:AES128-SHA256",
    "kRSA+AES",
    "DEFAULT@SECLEVEL=1",
    "DEFAULT:@SECLEVEL=0",
    "DEFAULT:@SECLEVEL=0",
    "ALL:@SECLEVEL=0",
    "HIGH:MEDIUM:@SECLEVEL=0",
    "HIGH:@SECLEVEL=3",
    "aRSA+AES:@STRENGTH",
    "ECDHE:!AESGCM:!CHACHA20",
    "EECDH+AESGCM:EDH+AESGCM",
    "CHACHA20:AESGCM:+kRSA",
    "ECHDE-RSA-AES128-GCM-SHA256:AES128-GCM-SHA256",
    "TLS_AES_128_GCM_SHA256:ECDHE-RSA-AES256-GCM-SHA384",
    "AES256:AES128:!kRSA:!DHE",
    "SHA256:SHA384:!aNULL",
    "eNULL:ALL:@SECLEVEL=0",
    "ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA:AES128-SHA:@SECLEVEL=0",
    "CAMELLIA:ARIA:AESCCM",
    "ADH:AECDH:ECDHE:@SECLEVEL=0",
    "HIGH, !aNULL, !kRSA",
    "DEFAULT:!TLSv1.2:@SECLEVEL=0",
    "PSK:AES128-SHA",
    "SUITEB128",
];

/// Cipher strings that it refuses.
pub const REFUSED_CIPHERS: &[&str] =
    &["TLS_AES_128_GCM_SHA256", "ECDHE_RSA_WITH_AES:NONSENSE", "HIGH:|aNULL", "", "LOW"];

/// Lists of groups.
pub const GROUPS: &[&str] = &[
    "X25519:P-256",
    "P-384",
    "prime256v1:X25519",
    "secp384r1:secp521r1",
    "X448:X25519",
    "P-521",
    "auto",
    "P-256:P-384:P-521",
    "ffdhe2048:X25519",
    "x25519:P-384",
    "brainpoolP256r1:P-256",
];

/// Lists of groups that OpenSSL 3.0 refuses.
pub const REFUSED_GROUPS: &[&str] =
    &["X25519:nonsense", "P-256:X25519:prime256v1", "X25519,P-256", "X25519MLKEM768:X25519"];

/// Commands of `SSL_CONF_cmd` with their values.
pub const COMMANDS: &[&str] = &[
    "Ciphersuites TLS_AES_128_GCM_SHA256",
    "Ciphersuites TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384",
    "Ciphersuites TLS_AES_256_GCM_SHA384:TLS_AES_128_CCM_SHA256:TLS_NONSENSE",
    "Ciphersuites \"\"",
    "MinProtocol TLSv1.2",
    "MinProtocol TLSv1.3",
    "minprotocol TLSv1",
    "MaxProtocol TLSv1.2",
    "MaxProtocol TLSv1.3",
    "MaxProtocol None",
    "Groups P-384:P-256",
    "Groups X25519",
    "Curves P-521:X25519",
    "Groups ffdhe2048:X25519",
    "SignatureAlgorithms RSA+SHA256:ECDSA+SHA256",
    "SignatureAlgorithms rsa_pss_rsae_sha256:ecdsa_secp256r1_sha256",
    "SignatureAlgorithms ecdsa_secp384r1_sha384:rsa_pkcs1_sha1:ed25519",
    "Options PrioritizeChaCha",
    "Options PrioritizeChaCha,ServerPreference",
    "Options ServerPreference",
    "Options -ServerPreference",
    "CipherString ECDHE+AESGCM",
    "CipherString ALL:@SECLEVEL=0",
    "Protocol -TLSv1.3",
    "Protocol -ALL,TLSv1.2",
];

/// Commands that it refuses.
pub const REFUSED_COMMANDS: &[&str] =
    &["NoSuchCommand x", "Groups nonsense", "MinProtocol TLSv9", "Ciphersuites NONSENSE"];
