//! What comes of a handshake, and where it ends.

use crate::tls::Protocol;

/// What comes of the negotiation alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Both sides finish.
    Agreed(Agreed),
    /// One side gives up.
    Failed(Cause),
    /// It hangs on something that is not in the files.
    Unknown(Cause),
}

/// What both sides agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The version.
    pub protocol: Protocol,
    /// The suite, by OpenSSL's name.
    pub cipher: &'static str,
    /// The group; `DH` for parameters of the server's own; absent for RSA key exchange.
    pub group: Option<&'static str>,
    /// The certificate, as a position in the set; absent for anonymous suites.
    pub pair: Option<usize>,
    /// Whether the server asked for another key share first.
    pub retried: bool,
}

/// How far a handshake came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nothing that speaks TLS answers.
    Connect,
    /// The two find nothing in common.
    Negotiate,
    /// The client shows no certificate.
    ClientCertificate,
    /// It cannot be told.
    Unknown,
}

impl Stage {
    /// The word in machine formats.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Connect => "connect",
            Stage::Negotiate => "negotiate",
            Stage::ClientCertificate => "client-certificate",
            Stage::Unknown => "unknown",
        }
    }
}

/// Which setting of the server a handshake ended at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decisive {
    /// The versions.
    Protocols,
    /// The suites of TLS 1.2 and below.
    Ciphers,
    /// The suites of TLS 1.3.
    Ciphersuites,
    /// The groups.
    Groups,
    /// The certificates.
    Credentials,
    /// The client verification.
    ClientVerification,
    /// The ALPN names.
    Alpn,
    /// The site that refuses the name.
    Site,
    /// None of them.
    Nothing,
}

/// Why a handshake fails or cannot be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// How far it came.
    pub stage: Stage,
    /// A kebab-case word for programs.
    pub code: &'static str,
    /// The words for people.
    pub message: String,
    /// The setting that it ended at.
    pub decisive: Decisive,
}

impl Cause {
    /// An end of the negotiation.
    pub fn negotiate(code: &'static str, decisive: Decisive, message: impl Into<String>) -> Self {
        Cause { stage: Stage::Negotiate, code, message: message.into(), decisive }
    }

    /// Something that the files do not tell.
    pub fn unknown(decisive: Decisive, message: impl Into<String>) -> Self {
        Cause { stage: Stage::Unknown, code: "unknown", message: message.into(), decisive }
    }
}

/// What happened on the way, told step by step where somebody asks.
#[derive(Clone, Debug, Default)]
pub struct Trace(Option<Vec<(Decisive, String)>>);

impl Trace {
    /// A story that is told.
    pub fn told() -> Self {
        Trace(Some(Vec::new()))
    }

    /// Adds a step; the words are made only where somebody asks.
    pub fn record(&mut self, decisive: Decisive, words: impl FnOnce() -> String) {
        if let Some(steps) = &mut self.0 {
            steps.push((decisive, words()));
        }
    }

    /// The steps, with the settings that they speak of.
    pub fn steps(self) -> Vec<(Decisive, String)> {
        self.0.unwrap_or_default()
    }
}
