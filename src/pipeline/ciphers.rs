//! What a cipher string comes to for a library at a security level.

use super::{Failure, Options, load};
use crate::lint;
use crate::model::ServerKind;
use crate::platform::{TlsLibrary, TlsLibraryKind};
use crate::source::FileSystem;
use crate::tls::cipher::{self, CipherLibrary, CipherSuite, Encryption};

/// How good a suite is by today's measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Forward secrecy and authenticated encryption.
    Strong,
    /// No forward secrecy, or CBC (RFC 9325, 4.2).
    Weak,
    /// No encryption, no certificate, RC4, 3DES or MD5.
    Insecure,
}

impl Verdict {
    /// The word in every format.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Strong => "strong",
            Verdict::Weak => "weak",
            Verdict::Insecure => "insecure",
        }
    }

    fn of(suite: &CipherSuite) -> Verdict {
        let is_broken = suite.is_broken();
        match (is_broken, suite.encryption(), suite.has_forward_secrecy()) {
            (true, ..) => Verdict::Insecure,
            (_, Encryption::Authenticated, true) => Verdict::Strong,
            _ => Verdict::Weak,
        }
    }
}

/// A suite that a string selects.
#[derive(Clone, Debug)]
pub struct CipherRow {
    /// The suite.
    pub suite: &'static CipherSuite,
    /// How good it is.
    pub verdict: Verdict,
    /// The item that put it there.
    pub from: String,
    /// Why it cannot be negotiated; absent: it can.
    pub why_not: Option<&'static str>,
}

/// A word that says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoredWord {
    /// As written.
    pub token: String,
    /// What may have been meant.
    pub suggestion: Option<String>,
}

/// What a string comes to.
#[derive(Clone, Debug)]
pub struct CipherReport {
    /// The library that reads it.
    pub library: TlsLibrary,
    /// The level in force.
    pub security_level: u8,
    /// The suites, in order, whatever the level.
    pub rows: Vec<CipherRow>,
    /// What of it says nothing.
    pub ignored: Vec<IgnoredWord>,
    /// The library's words where it refuses the string.
    pub error: Option<String>,
}

/// Reads a cipher string for the library of the platform that the options name.
///
/// # Errors
/// Where the platform does not exist, or its library is not OpenSSL.
pub fn ciphers(files: &dyn FileSystem, string: &str, options: &Options) -> Result<CipherReport, Failure> {
    let platform = load::platform_of(files, options.server.unwrap_or(ServerKind::Nginx), options)?;
    if platform.tls_library.kind != TlsLibraryKind::OpenSsl {
        let failure = Failure::new(format!("{} reads no cipher strings", platform.tls_library.name));
        return Err(failure.help("cipher strings are OpenSSL's: name one with --tls-library openssl-3.0.19"));
    }
    let library = CipherLibrary::of(platform.tls_library.version.numbers);
    let expansion = cipher::expand(library, string);
    let level = expansion.security_level.unwrap_or(platform.security_level);
    let rows = expansion.suites.iter().map(|selected| {
        let secret =
            selected.suite.needs_shared_secret().then_some("it needs a shared secret that no web server here has");
        CipherRow {
            suite: selected.suite,
            verdict: Verdict::of(selected.suite),
            from: string.get(selected.from.clone()).unwrap_or_default().to_owned(),
            why_not: secret.or_else(|| cipher::usable(library, selected.suite, level).err()),
        }
    });
    let ignored = expansion.ignored.iter().map(|ignored| {
        // Where the library does not know names of the registry, `_` ends a word: what follows belongs to it all the same.
        let item = string.get(ignored.item.clone()).unwrap_or_default();
        let word = item.trim_start_matches(['!', '+', '-']);
        let suggestion =
            ignored.word.as_ref().and_then(|_| lint::cipher_suggestion(library, word)).map(|(name, _)| name);
        IgnoredWord { token: word.to_owned(), suggestion }
    });
    Ok(CipherReport {
        rows: rows.collect(),
        ignored: ignored.collect(),
        error: expansion.error.map(|error| error.words().to_owned()),
        library: platform.tls_library,
        security_level: level,
    })
}
