//! What clients refuse in certificates that OpenSSL would take: each by what its profile says of it.
//!
//! Sources: the policies of Chrome, Apple and Mozilla on certificate transparency; RFC 7633 and Firefox's
//! `security.ssl.enable_ocsp_must_staple`; Java's `EndEntityChecker` and Chrome's `ERR_SSL_KEY_USAGE_INCOMPATIBLE`; Python
//! 3.13, `ssl.create_default_context` (`VERIFY_X509_STRICT`, `check_chain_extensions` of OpenSSL); Firefox's mozilla::pkix;
//! Go 1.18 and 1.22, release notes.

use super::client::Client;
use super::outcome::Agreed;
use crate::model::{ServerKind, Stapling};
use crate::pki::{Anchors, Certificate, KeyKind, Verdict, VerifyError};
use crate::tls::Protocol;

/// Why a client refuses what OpenSSL takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Objection {
    /// A kebab-case word for programs.
    pub code: &'static str,
    /// The words for people.
    pub message: &'static str,
}

/// What a client holds against certificates beyond what OpenSSL does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientPolicy {
    /// It wants certificates of publicly trusted authorities to be logged.
    pub wants_scts: bool,
    /// It wants a stapled response where the certificate promises one.
    pub wants_promised_staple: bool,
    /// It holds the key usage of RSA keys against what they are used for.
    pub heeds_key_usage: bool,
    /// It wants all extensions of RFC 5280 (OpenSSL's `X509_V_FLAG_X509_STRICT`).
    pub is_strict: bool,
    /// It takes no authority for a server's certificate.
    pub refuses_authorities: bool,
    /// It takes no signature with SHA-1 below the anchor.
    pub refuses_sha1: bool,
    /// The smallest RSA key that it takes, in bits.
    pub least_rsa_bits: u32,
}

/// What is known of the server at one handshake.
#[derive(Clone, Copy)]
pub struct Answering<'a> {
    /// What both sides agreed on.
    pub agreed: &'a Agreed,
    /// Which server it is.
    pub server: ServerKind,
    /// What it staples; absent where that is not known.
    pub stapling: Option<&'a Stapling>,
    /// Whether all anchors count as publicly trusted.
    pub all_is_public: bool,
}

/// `digitalSignature` in [`Certificate::key_usage`].
const SIGNING: u16 = 1;

/// `keyEncipherment`.
const ENCIPHERING: u16 = 1 << 2;

/// What a client objects to in what it is sent, the leaf first.
pub fn objections(client: &Client, leaf: &Certificate, verdict: &Verdict, answering: Answering<'_>) -> Vec<Objection> {
    let scruples = &client.scruples;
    let path = &verdict.path;
    let is_untrusted = verdict.any(VerifyError::is_untrusted);
    let is_public = !is_untrusted && path.last().is_some_and(|top| answering.all_is_public || Anchors::is_public(top));
    let below_anchor = || path.iter().take(path.len().max(2) - 1);
    let mut found = Vec::new();
    let mut object = |holds: bool, code: &'static str, message: &'static str| {
        if holds {
            found.push(Objection { code, message });
        }
    };
    object(
        scruples.wants_scts && is_public && !leaf.has_scts,
        "without-sct",
        "no signed certificate timestamps: it is in no log that this client knows",
    );
    object(
        scruples.wants_promised_staple && leaf.must_staple && !is_stapled(leaf, answering),
        "without-promised-staple",
        "the certificate promises a stapled response, and none is sent in a first handshake",
    );
    object(
        scruples.heeds_key_usage && misused(leaf, answering.agreed),
        "key-usage",
        "the key usage of the certificate does not allow what the suite uses the key for",
    );
    object(
        scruples.is_strict && path.len() > 1 && lacks_extension(path),
        "not-strict",
        "the chain lacks extensions that RFC 5280 wants: key usage or key identifiers",
    );
    let is_authority = matches!(leaf.basic_constraints, Some((true, _)));
    object(
        scruples.refuses_authorities && is_authority && !leaf.is_self_signed(),
        "authority-as-leaf",
        "the certificate is that of an authority",
    );
    object(
        scruples.refuses_sha1 && below_anchor().any(|one| is_sha1(one)),
        "sha1-signature",
        "a certificate of the chain is signed with SHA-1",
    );
    let is_small = |one: &Certificate| one.key.kind == KeyKind::Rsa && one.key.bits < scruples.least_rsa_bits;
    object(below_anchor().any(|one| is_small(one)), "small-rsa-key", "an RSA key of the chain is too small");
    found
}

/// Whether what clients object to in a certificate hangs on more than the chain: on what is negotiated, or on stapling.
pub fn hangs_on_answer(leaf: &Certificate) -> bool {
    let is_restricted = |usage: u16| usage & SIGNING == 0 || usage & ENCIPHERING == 0;
    leaf.must_staple || leaf.key.kind == KeyKind::Rsa && leaf.key_usage.is_some_and(is_restricted)
}

/// Whether a response comes with a first handshake, as far as the files tell.
fn is_stapled(leaf: &Certificate, answering: Answering<'_>) -> bool {
    let Some(stapling) = answering.stapling else { return true };
    let has_source = stapling.file.is_some() || stapling.responder.is_some() || !leaf.ocsp_urls.is_empty();
    // nginx asks the responder only once a client has come.
    let is_in_time = answering.server != ServerKind::Nginx || stapling.file.is_some();
    stapling.by_manager || stapling.on && has_source && is_in_time
}

/// Whether an RSA key signs or deciphers without leave; a certificate that says nothing of it allows all.
fn misused(leaf: &Certificate, agreed: &Agreed) -> bool {
    let Some(usage) = leaf.key_usage.filter(|_| leaf.key.kind == KeyKind::Rsa) else { return false };
    let signs = agreed.protocol == Protocol::Tls13 || agreed.group.is_some();
    usage & if signs { SIGNING } else { ENCIPHERING } == 0
}

/// Whether a chain of several certificates lacks what OpenSSL asks of strict ones.
fn lacks_extension(path: &[std::sync::Arc<Certificate>]) -> bool {
    path.iter().enumerate().any(|(at, one)| {
        let is_above = at > 0;
        is_above && (one.key_usage.is_none() || one.subject_key.is_none())
            || !one.is_self_issued() && one.authority_key.is_none()
    })
}

fn is_sha1(certificate: &Certificate) -> bool {
    certificate.hash == crate::pki::Hash::Sha1
}
