//! The table of rules: one line a rule, sorted by name. The page has the words; the function, where there is one, looks.

mod certificate;
mod chain;
pub(super) mod cipher;
mod client;
mod client_certificate;
mod file;
mod group;
mod name;
mod openssl;
mod protocol;
mod socket;
mod stapling;
mod ticket;
mod upstream;
mod validity;

pub(super) use self::group::written as written_groups;
use super::Check::{Closing, Credential, Endpoint, Reading, Running, Site, Template};
use super::Rule;

macro_rules! rules {
    ($($name:literal: $check:expr,)*) => {
        static TABLE: [Rule; [$($name),*].len()] =
            [$(Rule::new($name, include_str!(concat!("../../../rules/lint/", $name, ".toml")), $check),)*];
    };
}

/// All rules.
pub static RULES: &[Rule] = &TABLE;

rules! {
    "automation-policy-conflict": Reading,
    "certificate-authority-distrusted": Credential(certificate::distrusted),
    "certificate-chain-duplicate": Credential(chain::duplicate),
    "certificate-chain-expired": Credential(chain::expired),
    "certificate-chain-expires-before-leaf": Credential(chain::expires_first),
    "certificate-chain-incomplete": Credential(chain::incomplete),
    "certificate-chain-invalid-authority": Credential(chain::invalid_authority),
    "certificate-chain-misordered": Credential(chain::misordered),
    "certificate-chain-not-strict": Credential(certificate::not_strict),
    "certificate-chain-old-root": Credential(chain::old_root),
    "certificate-chain-order": Credential(chain::leaf_not_first),
    "certificate-chain-root-included": Credential(chain::root_included),
    "certificate-chain-unrelated": Credential(chain::unrelated),
    "certificate-expired": Credential(validity::expired),
    "certificate-expires-soon": Credential(validity::soon),
    "certificate-file-missing": Credential(file::certificate_missing),
    "certificate-inherited-from-default-site": Endpoint(name::inherited),
    "certificate-is-ca": Credential(certificate::is_authority),
    "certificate-key-mismatch": Credential(file::mismatch),
    "certificate-key-type-unsupported": Credential(certificate::key_type),
    "certificate-key-usage-incompatible": Credential(certificate::key_usage),
    "certificate-lifetime-too-long": Credential(certificate::lifetime),
    "certificate-malformed": Credential(certificate::malformed),
    "certificate-name-constraints-violated": Credential(chain::names_violated),
    "certificate-name-mismatch": Endpoint(name::mismatch),
    "certificate-not-yet-valid": Credential(validity::not_yet),
    "certificate-path-length-exceeded": Credential(chain::path_length),
    "certificate-self-signed": Credential(chain::self_signed),
    "certificate-tag-unknown": Reading,
    "certificate-unparseable": Credential(file::certificate_unparseable),
    "certificate-untrusted-root": Credential(chain::untrusted),
    "certificate-without-san": Credential(certificate::without_san),
    "certificate-without-sct": Credential(certificate::without_sct),
    "certificate-wrong-usage": Credential(chain::wrong_usage),
    "cipher-certificate-mismatch": Site(cipher::certificate_mismatch),
    "cipher-list-empty": Site(cipher::empty),
    "cipher-list-syntax": Site(cipher::syntax),
    "cipher-outside-profile": Template,
    "cipher-protocol-mismatch": Site(cipher::protocol_mismatch),
    "client-ca-unusable": Site(openssl::client_ca),
    "client-cannot-connect": Closing(client::required),
    "client-certificate-required": Site(client_certificate::required),
    "client-crl-expired": Site(client_certificate::revocations_expired),
    "client-verify-optional-no-ca": Site(client_certificate::never_verified),
    "client-verify-without-ca": Site(openssl::verify_without_ca),
    "config-bom": Reading,
    "crl-check-without-crl": Reading,
    "default-site-not-tls": Endpoint(socket::default_plain),
    "deprecated-protocol": Site(protocol::deprecated),
    "dh-parameters-invalid": Site(openssl::dh_invalid),
    "dhe-without-parameters": Site(cipher::dhe_without_parameters),
    "directive-duplicate": Reading,
    "directive-not-allowed-here": Reading,
    "directive-removed": Reading,
    "directive-unknown-in-version": Reading,
    "duplicate-default-server": Reading,
    "duplicate-listen": Reading,
    "duplicate-listen-options": Reading,
    "events-block-missing": Reading,
    "group-outside-profile": Template,
    "implicit-default-server": Endpoint(socket::implicit_default),
    "include-cycle": Reading,
    "include-missing": Reading,
    "inline-comment": Reading,
    "invalid-argument": Site(openssl::command),
    "invalid-setting": Running,
    "invalid-suppression": Running,
    "ipv6-listen-missing": Endpoint(socket::ipv6_missing),
    "key-encrypted": Credential(file::key_encrypted),
    "key-file-missing": Credential(file::key_missing),
    "key-outside-profile": Template,
    "key-password-file-missing": Reading,
    "key-password-wrong": Credential(file::password_wrong),
    "key-unparseable": Credential(file::key_unparseable),
    "lifetime-outside-profile": Template,
    "listen-bind-conflict": Reading,
    "listen-proxy-protocol-mixed": Endpoint(socket::proxy_protocol_mixed),
    "listen-specific-shadows-wildcard": Endpoint(socket::specific_shadows_wildcard),
    "listen-without-tls": Site(socket::without_tls),
    "mixed-tls-and-plain-listener": Endpoint(socket::mixed),
    "modern-protocol-missing": Site(protocol::modern_missing),
    "must-staple-first-handshake": Credential(stapling::first_handshake),
    "must-staple-without-stapling": Credential(stapling::must_staple),
    "narrow-groups": Endpoint(group::narrow),
    "no-certificate": Endpoint(file::no_certificate),
    "no-client-can-connect": Closing(client::nobody),
    "no-key": Credential(file::no_key),
    "no-protocol": Reading,
    "plain-http-on-tls-port": Endpoint(socket::plain_on_tls_port),
    "protocol-hole": Site(protocol::hole),
    "protocol-list-overrides": Reading,
    "protocol-outside-profile": Template,
    "protocol-unreachable": Site(protocol::unreachable),
    "proxy-client-certificate-wrong-usage": Closing(upstream::wrong_usage),
    "proxy-file-unusable": Closing(upstream::files),
    "proxy-http-to-tls-port": Closing(upstream::http_to_tls),
    "proxy-name-mismatch": Closing(upstream::name_mismatch),
    "proxy-name-not-sent": Closing(upstream::name_not_sent),
    "proxy-trusted-ca-missing": Closing(upstream::untrusted),
    "proxy-verification-disabled": Closing(upstream::unverified),
    "proxy-verify-without-ca": Closing(upstream::without_authority),
    "quic-incompatible-parameter": Reading,
    "quic-without-tls13": Endpoint(protocol::quic),
    "same-type-certificates": Credential(certificate::same_type),
    "server-name-invalid-wildcard": Reading,
    "session-ticket-key-invalid": Closing(ticket::invalid),
    "shadowed-group": Endpoint(group::shadowed),
    "shadowed-protocol": Endpoint(protocol::shadowed),
    "shadowed-site": Endpoint(name::shadowed),
    "site-rejected-by-default": Endpoint(name::rejected),
    "site-without-listener": Reading,
    "socache-module-missing": Reading,
    "ssl-module-not-loaded": Reading,
    "stale-setting": Running,
    "stapling-file-expired": Site(stapling::file_expired),
    "stapling-issuer-missing": Credential(stapling::issuer_missing),
    "stapling-without-cache": Reading,
    "stapling-without-resolver": Site(stapling::without_resolver),
    "stapling-without-responder": Site(stapling::without_responder),
    "swallowed-directive": Reading,
    "syntax-error": Reading,
    "tls-on-http-port": Endpoint(socket::tls_on_http_port),
    "tls13-name-in-cipher-list": Site(cipher::tls13_name),
    "trusted-certificate-invalid": Site(openssl::trusted),
    "unknown-cipher": Site(cipher::unknown),
    "unknown-directive": Reading,
    "unknown-group": Site(openssl::unknown_group),
    "unknown-protocol": Reading,
    "unknown-setting": Running,
    "unused-suppression": Running,
    "variable-certificate-file-missing": Credential(file::missing_by_name),
    "weak-cipher": Site(cipher::weak),
    "weak-dh-parameters": Site(openssl::dh_weak),
    "weak-key": Credential(chain::weak_key),
    "weak-signature": Credential(chain::weak_signature),
}
