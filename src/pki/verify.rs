//! A client's verdict on the certificates that it is sent: the path to an anchor, and OpenSSL's errors in OpenSSL's order.
//!
//! Source: OpenSSL 3.0, `crypto/x509/x509_vfy.c`: `X509_verify_cert` with a callback that goes on after each error, as
//! `openssl s_client` does; `crypto/x509/v3_purp.c` for purposes, `v3_ncons.c` for name constraints. Revocation and policies
//! are not looked at, nor does a client by default.

use std::net::IpAddr;
use std::sync::Arc;

use super::anchors::Anchors;
use super::certificate::{Certificate, GeneralSubtree};
use super::name::Wildcards;
use super::verify_error::VerifyError;

/// An error and the certificate that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VerifyFault {
    /// What is wrong.
    pub error: VerifyError,
    /// The certificate: 0 is the leaf.
    pub depth: usize,
}

/// What a client knows and asks.
pub struct Verifier<'a> {
    /// What it trusts: self-signed certificates.
    pub anchors: &'a Anchors,
    /// Its clock, seconds since 1970-01-01 UTC.
    pub now: i64,
    /// The name or address that it wants to reach.
    pub host: Option<&'a str>,
    /// Its security level, 0 to 5.
    pub security_level: u8,
    /// Whether it looks at the common name where there is no `dNSName`.
    pub cn_fallback: bool,
}

/// A client's verdict.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// All errors in the order in which OpenSSL meets them.
    pub errors: Vec<VerifyFault>,
    /// The path that was built, leaf first.
    pub path: Vec<Arc<Certificate>>,
}

impl Verdict {
    /// The number in the line `Verify return code`: the last error that was met, or 0 (`X509_V_OK`).
    pub fn code(&self) -> u32 {
        self.errors.last().map_or(0, |fault| fault.error.code())
    }

    /// The words in that line.
    pub fn text(&self) -> &'static str {
        self.errors.last().map_or("ok", |fault| fault.error.text())
    }

    /// The first error: what a client that stops there reports.
    pub fn first(&self) -> Option<VerifyError> {
        self.errors.first().map(|fault| fault.error)
    }

    /// Whether an error is of a kind.
    pub fn any(&self, is_so: impl Fn(VerifyError) -> bool) -> bool {
        self.errors.iter().any(|fault| is_so(fault.error))
    }

    /// Whether all errors are of a kind.
    pub fn all(&self, is_so: impl Fn(VerifyError) -> bool) -> bool {
        self.errors.iter().all(|fault| is_so(fault.error))
    }
}

/// How deep a path may be (`X509_VERIFY_PARAM` depth is 100, OpenSSL's own limit for untrusted certificates as well).
const DEPTH: usize = 100;

/// Security bits that each level from 1 asks for (`minbits_table`).
const LEVELS: [u32; 5] = [80, 112, 128, 192, 256];

impl Verifier<'_> {
    /// Verifies what a server sends, leaf first.
    pub fn verify(&self, sent: &[Arc<Certificate>]) -> Verdict {
        let Some(leaf) = sent.first() else { return Verdict::default() };
        let mut run = Run { asked: self, errors: Vec::new(), path: vec![Arc::clone(leaf)], untrusted: 1 };
        if !run.is_strong_key(leaf) {
            run.fail(VerifyError::EeKeyTooSmall, 0);
        }
        run.build(sent);
        run.check_extensions();
        run.check_level();
        run.check_host();
        run.check_signatures_and_dates();
        run.check_name_constraints();
        Verdict { errors: run.errors, path: run.path }
    }
}

struct Run<'a> {
    asked: &'a Verifier<'a>,
    errors: Vec<VerifyFault>,
    path: Vec<Arc<Certificate>>,
    /// How many of the path came from the server.
    untrusted: usize,
}

impl Run<'_> {
    fn fail(&mut self, error: VerifyError, depth: usize) {
        self.errors.push(VerifyFault { error, depth });
    }

    fn is_valid_now(&self, certificate: &Certificate) -> bool {
        (certificate.not_before..=certificate.not_after).contains(&self.asked.now)
    }

    /// The issuer among candidates: the first that is valid now, else the one that is valid longest (`find_issuer`).
    fn issuer<'c>(
        &self,
        of: &Certificate,
        candidates: impl Iterator<Item = &'c Arc<Certificate>>,
    ) -> Option<Arc<Certificate>> {
        let mut best: Option<&Arc<Certificate>> = None;
        for candidate in candidates.filter(|candidate| likely_issued(candidate, of)) {
            if self.is_valid_now(candidate) {
                return Some(Arc::clone(candidate));
            }
            if best.is_none_or(|best| candidate.not_after > best.not_after) {
                best = Some(candidate);
            }
        }
        best.map(Arc::clone)
    }

    /// Builds the path: at each step the anchors first, then what was sent (`build_chain` with `TRUSTED_FIRST`).
    fn build(&mut self, sent: &[Arc<Certificate>]) {
        let mut rest: Vec<&Arc<Certificate>> = sent.iter().collect();
        let mut searches_sent = true;
        loop {
            let top = Arc::clone(&self.path[self.path.len() - 1]);
            let is_self_signed = appears_self_signed(&top);
            if let Some(anchor) = self.issuer(&top, self.asked.anchors.with_subject(&top.issuer_name))
                && self.path.len() <= DEPTH
            {
                if is_self_signed {
                    // An untrusted copy is replaced by the anchor that matches it.
                    if self.untrusted == self.path.len() {
                        self.untrusted -= 1;
                    }
                    let last = self.path.len() - 1;
                    self.path[last] = anchor;
                } else {
                    self.path.push(anchor);
                }
                return;
            }
            if !searches_sent {
                break;
            }
            let on_path = |one: &Arc<Certificate>| self.path.iter().any(|other| other.sha256 == one.sha256);
            let may_repeat = self.path.len() == 1 && top.is_self_issued();
            let candidates = rest.iter().copied().filter(|one| may_repeat || !on_path(one));
            let next = if is_self_signed || self.path.len() > DEPTH { None } else { self.issuer(&top, candidates) };
            match next {
                Some(next) => {
                    rest.retain(|one| !Arc::ptr_eq(one, &next));
                    self.path.push(next);
                    self.untrusted += 1;
                }
                None => searches_sent = false,
            }
        }
        let last = self.path.len() - 1;
        // An error that was met before is told again in place of the general ones: only the key of the leaf can be one.
        let before = self.errors.last().map(|fault| fault.error);
        let error = match (appears_self_signed(&self.path[last]), last) {
            (true, 0) => before.unwrap_or(VerifyError::DepthZeroSelfSignedCert),
            (true, _) => before.unwrap_or(VerifyError::SelfSignedCertInChain),
            (false, _) => before.unwrap_or(VerifyError::UnableToGetIssuerCertLocally),
        };
        self.fail(error, last);
    }

    /// Critical extensions, authorities, purposes, path lengths (`check_extensions`).
    fn check_extensions(&mut self) {
        let count = self.path.len();
        let mut below = 0;
        for at in 0..count {
            let certificate = Arc::clone(&self.path[at]);
            if certificate.has_unknown_critical {
                self.fail(VerifyError::UnhandledCriticalExtension, at);
            }
            if at > 0 {
                let kind = authority_kind(&certificate);
                if kind == 0 || (at + 1 < count && kind != 1) {
                    self.fail(VerifyError::InvalidCa, at);
                }
            }
            if !serves(&certificate, at > 0) {
                self.fail(VerifyError::InvalidPurpose, at);
            }
            let limit = certificate.basic_constraints.and_then(|(_, length)| length);
            if at > 1 && limit.is_some_and(|limit| below > limit) {
                self.fail(VerifyError::PathLengthExceeded, at);
            }
            if at > 0 && !certificate.is_self_issued() {
                below += 1;
            }
        }
    }

    fn is_strong_key(&self, certificate: &Certificate) -> bool {
        self.least_bits().is_none_or(|least| certificate.key.security_bits() >= least)
    }

    fn least_bits(&self) -> Option<u32> {
        let level = usize::from(self.asked.security_level);
        level.checked_sub(1).map(|at| LEVELS[at.min(LEVELS.len() - 1)])
    }

    /// Keys of authorities, digests of all but the last (`check_auth_level`).
    fn check_level(&mut self) {
        let Some(least) = self.least_bits() else { return };
        for at in 0..self.path.len() {
            if at > 0 && self.path[at].key.security_bits() < least {
                self.fail(VerifyError::CaKeyTooSmall, at);
            }
            if at + 1 < self.path.len() && self.path[at].digest_bits() < least {
                self.fail(VerifyError::CaMdTooWeak, at);
            }
        }
    }

    fn check_host(&mut self) {
        let Some(host) = self.asked.host else { return };
        if !self.path[0].matches(host, self.asked.cn_fallback, Wildcards::Partial) {
            let is_address = host.parse::<IpAddr>().is_ok();
            self.fail(if is_address { VerifyError::IpAddressMismatch } else { VerifyError::HostnameMismatch }, 0);
        }
    }

    /// Signatures and dates from the top down (`internal_verify`).
    fn check_signatures_and_dates(&mut self) {
        let last = self.path.len() - 1;
        let mut issuer = Arc::clone(&self.path[last]);
        let mut at = last;
        if !likely_issued(&issuer, &issuer) {
            // The path is not whole: its last certificate vouches for the one below and is not looked at itself.
            match at {
                0 => self.fail(VerifyError::UnableToVerifyLeafSignature, 0),
                _ => at -= 1,
            }
        }
        loop {
            let subject = Arc::clone(&self.path[at]);
            // The signature of the top on itself says nothing.
            if !Arc::ptr_eq(&subject, &issuer) {
                if forbids(&issuer, CERTIFICATE_SIGNING) {
                    self.fail(VerifyError::KeyusageNoCertsign, at + 1);
                }
                if subject.is_signed_by(&issuer) == Some(false) {
                    self.fail(VerifyError::CertSignatureFailure, at);
                }
            }
            if self.asked.now < subject.not_before {
                self.fail(VerifyError::CertNotYetValid, at);
            }
            if self.asked.now > subject.not_after {
                self.fail(VerifyError::CertHasExpired, at);
            }
            if at == 0 {
                return;
            }
            at -= 1;
            issuer = subject;
        }
    }

    /// Each certificate against the constraints of all above it (`check_name_constraints`).
    fn check_name_constraints(&mut self) {
        for at in (0..self.path.len()).rev() {
            let certificate = Arc::clone(&self.path[at]);
            if at != 0 && certificate.is_self_issued() {
                continue;
            }
            for above in (at + 1..self.path.len()).rev() {
                let Some(constraints) = &self.path[above].name_constraints else { continue };
                let error = violation(&certificate, &constraints.permitted, &constraints.excluded, at == 0);
                if let Some(error) = error {
                    self.fail(error, at);
                }
            }
        }
    }
}

/// `keyCertSign`, as a bit of [`Certificate::key_usage`].
const CERTIFICATE_SIGNING: u16 = 1 << 5;
/// `digitalSignature`, `keyEncipherment`, `keyAgreement`: one of them is needed for TLS.
const TLS_USES: u16 = 1 | 1 << 2 | 1 << 4;

/// Whether a key usage extension is there and has none of these bits.
fn forbids(certificate: &Certificate, bits: u16) -> bool {
    certificate.key_usage.is_some_and(|usage| usage & bits == 0)
}

/// Whether `issuer` can have issued `subject`: names, key identifiers, kinds of keys; no signature
/// (`ossl_x509_likely_issued`).
fn likely_issued(issuer: &Certificate, subject: &Certificate) -> bool {
    let keys_fit = match (&subject.authority_key, &issuer.subject_key) {
        (Some(wanted), Some(found)) => wanted == found,
        _ => true,
    };
    let serial = subject.authority_serial.as_ref();
    issuer.subject_name == subject.issuer_name
        && keys_fit
        && serial.is_none_or(|(serial, name)| *serial == issuer.serial && *name == issuer.issuer_name)
        && subject.is_signed_with(&issuer.key.kind)
}

/// Whether a certificate says of itself that it signed itself; its signature is not looked at (`EXFLAG_SS`).
fn appears_self_signed(certificate: &Certificate) -> bool {
    likely_issued(certificate, certificate)
}

/// How a certificate is an authority: 0 not at all, 1 by its constraints, 3 as a root of version 1, 4 by its key usage alone
/// (`check_ca`).
fn authority_kind(certificate: &Certificate) -> u8 {
    if forbids(certificate, CERTIFICATE_SIGNING) {
        return 0;
    }
    match certificate.basic_constraints {
        Some((is_authority, _)) => u8::from(is_authority),
        None if certificate.version == 1 && appears_self_signed(certificate) => 3,
        None if certificate.key_usage.is_some() => 4,
        None => 0,
    }
}

/// Whether a certificate may serve TLS or, as an authority, issue those that do (`check_purpose_ssl_server`).
fn serves(certificate: &Certificate, is_authority: bool) -> bool {
    const SERVER: &[&str] = &["1.3.6.1.5.5.7.3.1", "2.16.840.1.113730.4.1", "1.3.6.1.4.1.311.10.3.3"];
    let purposes = certificate.extended_key_usage.as_ref();
    if purposes.is_some_and(|all| !all.iter().any(|one| SERVER.contains(&one.as_str()))) {
        return false;
    }
    if is_authority { authority_kind(certificate) != 0 } else { !forbids(certificate, TLS_USES) }
}

/// The error of the first constraint that a certificate breaks (`NAME_CONSTRAINTS_check` and `_check_CN`).
fn violation(
    certificate: &Certificate,
    permitted: &[GeneralSubtree],
    excluded: &[GeneralSubtree],
    is_leaf: bool,
) -> Option<VerifyError> {
    let mut names: Vec<GeneralSubtree> = Vec::new();
    if !certificate.subject_name.is_empty() {
        names.push(GeneralSubtree::Directory(certificate.subject_name.clone()));
    }
    names.extend(certificate.dns_names.iter().map(|name| GeneralSubtree::Dns(name.to_ascii_lowercase())));
    names.extend(certificate.addresses.iter().map(|address| GeneralSubtree::Address(*address, *address)));
    if is_leaf && certificate.dns_names.is_empty() {
        // Common names that could be host names count where there is no other.
        let hosts = certificate.common_names.iter().filter(|name| looks_like_host(name));
        names.extend(hosts.map(|name| GeneralSubtree::Dns(name.to_ascii_lowercase())));
    }
    for name in &names {
        let mut of_kind = permitted.iter().filter(|tree| tree.is_kind_of(name)).peekable();
        if of_kind.peek().is_some() && !of_kind.any(|tree| tree.holds(name)) {
            return Some(VerifyError::PermittedViolation);
        }
        if excluded.iter().any(|tree| tree.is_kind_of(name) && tree.holds(name)) {
            return Some(VerifyError::ExcludedViolation);
        }
    }
    None
}

/// `cn2dnsid`: letters, digits, `-` and `_` in labels, and at least one dot.
fn looks_like_host(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.contains('.') && name.split('.').all(is_label)
}
