//! Commands for OpenSSL: `ssl_conf_command`, `SSLOpenSSLConfCmd`, and those of `openssl.cnf` (`SSL_CONF_cmd`).

use std::ops::Range;

use super::context::{Context, Dh};
use crate::tls::cipher::{self, CipherError, CipherLibrary, Tls13Suite};
use crate::tls::group::{GroupError, GroupList};
use crate::tls::{Protocol, Protocols, signature};

/// Why OpenSSL refuses a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandFault {
    /// No command has that name.
    Name,
    /// The value means nothing; where in it, as bytes.
    Value(Range<usize>),
    /// The cipher string is refused.
    Ciphers(CipherError),
    /// The list of groups is refused.
    Groups(GroupError),
}

/// Options that may be switched, of any release. All are named without regard to case.
const OPTIONS: &[&str] = &[
    "SessionTicket",
    "EmptyFragments",
    "Bugs",
    "Compression",
    "ServerPreference",
    "NoResumptionOnRenegotiation",
    "DHSingle",
    "ECDHSingle",
    "UnsafeLegacyRenegotiation",
    "UnsafeLegacyServerConnect",
    "ClientRenegotiation",
    "EncryptThenMac",
    "NoRenegotiation",
    "AllowNoDHEKEX",
    "PreferNoDHEKEX",
    "PrioritizeChaCha",
    "MiddleboxCompat",
    "AntiReplay",
    "ExtendedMasterSecret",
    "CANames",
    "KTLS",
    "StrictCertCheck",
    "TxCertificateCompression",
    "RxCertificateCompression",
    "KTLSTxZerocopySendfile",
    "IgnoreUnexpectedEOF",
];

/// What `VerifyMode` takes, and whether a client certificate is required then.
const VERIFY_MODES: &[(&str, bool)] = &[
    ("Peer", false),
    ("Request", false),
    ("Require", true),
    ("Once", false),
    ("RequestPostHandshake", false),
    ("RequirePostHandshake", false),
];

/// Runs a command on a context.
///
/// # Errors
/// Where OpenSSL refuses it.
pub fn run(context: &mut Context, name: &str, value: &str) -> Result<(), CommandFault> {
    let version = context.version;
    let whole = || CommandFault::Value(0..value.len());
    match &*name.to_ascii_lowercase() {
        "minprotocol" => context.min_protocol = bound(value).ok_or_else(whole)?,
        "maxprotocol" => context.max_protocol = bound(value).ok_or_else(whole)?,
        "protocol" => protocols(&mut context.protocols, value)?,
        "cipherstring" => {
            let expansion = cipher::expand(CipherLibrary::of(version), context.read_as(value));
            if let Some(error) = expansion.error {
                return Err(CommandFault::Ciphers(error));
            }
            context.take(&expansion);
        }
        "ciphersuites" => context.tls13_suites = Ok(Tls13Suite::parse(version, value).map_err(CommandFault::Value)?),
        "groups" | "curves" => {
            context.groups = Ok(GroupList::parse(version, value).map_err(CommandFault::Groups)?);
        }
        "ecdhparameters" => match &*value.to_ascii_lowercase() {
            "automatic" | "+automatic" => {}
            _ if value.contains(':') => return Err(whole()),
            _ => context.groups = Ok(GroupList::parse(version, value).map_err(CommandFault::Groups)?),
        },
        "signaturealgorithms" => context.signatures = signature::parse(value).map_err(CommandFault::Value)?,
        "options" => options(context, value)?,
        "verifymode" => {
            for (word, on, at) in switches(value) {
                let known = VERIFY_MODES.iter().find(|(known, _)| known.eq_ignore_ascii_case(word));
                let (_, requires) = known.ok_or(CommandFault::Value(at))?;
                if *requires {
                    context.requires_certificate = on;
                }
            }
        }
        "dhparameters" => context.dh = Dh::Unknown,
        // Their values are files, folders and numbers: nothing that is followed here hangs on them.
        other if crate::tls::command::is_command(version, other) => {}
        _ => return Err(CommandFault::Name),
    }
    Ok(())
}

/// A bound: absent for `None`, which means no bound. DTLS versions are taken and mean nothing here.
fn bound(value: &str) -> Option<Option<Protocol>> {
    Some(match value {
        "None" | "DTLSv1" | "DTLSv1.2" => None,
        "SSLv3" => Some(Protocol::Ssl3),
        "TLSv1" => Some(Protocol::Tls10),
        "TLSv1.1" => Some(Protocol::Tls11),
        "TLSv1.2" => Some(Protocol::Tls12),
        "TLSv1.3" => Some(Protocol::Tls13),
        _ => return None,
    })
}

/// Words between commas with their sign and place.
fn switches(value: &str) -> impl Iterator<Item = (&str, bool, Range<usize>)> {
    let mut start = 0;
    value.split(',').map(move |part| {
        let from = start + (part.len() - part.trim_start().len());
        start += part.len() + 1;
        let word = part.trim();
        let (name, on) = match word.as_bytes().first() {
            Some(b'-') => (&word[1..], false),
            Some(b'+') => (&word[1..], true),
            _ => (word, true),
        };
        (name, on, from..from + word.len())
    })
}

fn protocols(set: &mut Protocols, value: &str) -> Result<(), CommandFault> {
    for (word, on, at) in switches(value) {
        let named: Protocols = match &*word.to_ascii_lowercase() {
            "all" => Protocol::ALL.into_iter().collect(),
            "sslv2" => Protocols::NONE,
            "sslv3" => Protocols::NONE.with(Protocol::Ssl3),
            // One bit stands for TLS and for the version of DTLS that was made of it.
            "tlsv1" | "dtlsv1" => Protocols::NONE.with(Protocol::Tls10),
            "tlsv1.1" => Protocols::NONE.with(Protocol::Tls11),
            "tlsv1.2" | "dtlsv1.2" => Protocols::NONE.with(Protocol::Tls12),
            "tlsv1.3" => Protocols::NONE.with(Protocol::Tls13),
            _ => return Err(CommandFault::Value(at)),
        };
        *set = match on {
            true => set.union(named),
            false => named.iter().fold(*set, Protocols::without),
        };
    }
    Ok(())
}

fn options(context: &mut Context, value: &str) -> Result<(), CommandFault> {
    for (word, on, at) in switches(value) {
        if !OPTIONS.iter().any(|known| known.eq_ignore_ascii_case(word)) {
            return Err(CommandFault::Value(at));
        }
        match &*word.to_ascii_lowercase() {
            "serverpreference" => context.server_preference = Ok(on),
            "prioritizechacha" => context.prioritizes_chacha = on,
            _ => {}
        }
    }
    Ok(())
}
