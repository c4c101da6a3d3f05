//! What changed, how that is for clients, and where both sides say it.

use crate::source::Span;

/// How a change is for clients, or for what protects them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Neither better nor worse.
    Neutral,
    /// It cannot be told.
    Unknown,
    /// Better.
    Better,
    /// Worse.
    Worse,
}

impl Effect {
    /// The word in every format.
    pub fn name(self) -> &'static str {
        match self {
            Effect::Neutral => "neutral",
            Effect::Unknown => "unknown",
            Effect::Better => "better",
            Effect::Worse => "worse",
        }
    }
}

macro_rules! kinds {
    ($($(#[$words:meta])* $kind:ident = $name:literal,)*) => {
        /// What kind of change it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($(#[$words])* $kind,)*
        }

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Kind] = &[$(Kind::$kind),*];

            /// The word on the command line and in every format.
            pub fn name(self) -> &'static str {
                match self {
                    $(Kind::$kind => $name,)*
                }
            }
        }
    };
}

kinds! {
    /// The server would start with the old files and not with the new ones.
    StartLost = "start-lost",
    /// The other way about.
    StartRegained = "start-regained",
    /// Nothing listens any longer where something did.
    SocketLost = "socket-lost",
    /// Something listens where nothing did.
    SocketGained = "socket-gained",
    /// A socket spoke TLS and now answers in plain.
    TlsLost = "tls-lost",
    /// A socket answered in plain and now speaks TLS.
    TlsGained = "tls-gained",
    /// A name had a block of its own, and has none any longer.
    NameLost = "name-lost",
    /// A name has a block of its own now.
    NameGained = "name-gained",
    /// A name is answered by a block that was and is there for others.
    AnsweredByAnotherBlock = "answered-by-another-block",
    /// Another block answers to names that no site has, or none answers.
    DefaultChanged = "default-changed",
    /// A client could connect and no longer can.
    ClientLost = "client-lost",
    /// A client could not connect and now can.
    ClientGained = "client-gained",
    /// It cannot be told any longer whether a client can connect, or now it can be told.
    ClientUnknown = "client-unknown",
    /// A client negotiates something weaker, though no version is gone.
    HandshakeWeakened = "handshake-weakened",
    /// A client negotiates something stronger, though no version is new.
    HandshakeStrengthened = "handshake-strengthened",
    /// A protocol version is switched off.
    ProtocolLost = "protocol-lost",
    /// A protocol version is switched on.
    ProtocolGained = "protocol-gained",
    /// Suites are switched off.
    SuiteLost = "suite-lost",
    /// Suites are switched on.
    SuiteGained = "suite-gained",
    /// Groups are switched off.
    GroupLost = "group-lost",
    /// Groups are switched on.
    GroupGained = "group-gained",
    /// Another certificate is served.
    CertificateReplaced = "certificate-replaced",
    /// The same certificate is served with other intermediates.
    ChainChanged = "chain-changed",
    /// Browsers are no longer told to come by HTTPS alone.
    HstsLost = "hsts-lost",
    /// Browsers are told to come by HTTPS alone.
    HstsGained = "hsts-gained",
    /// Browsers are told so for another time, or for other names.
    HstsChanged = "hsts-changed",
    /// Requests without TLS are no longer sent to HTTPS.
    RedirectLost = "redirect-lost",
    /// Requests without TLS are sent to HTTPS.
    RedirectGained = "redirect-gained",
    /// OCSP responses are no longer stapled.
    StaplingLost = "stapling-lost",
    /// OCSP responses are stapled.
    StaplingGained = "stapling-gained",
    /// Less is asked of clients' certificates.
    ClientVerificationLost = "client-verification-lost",
    /// More is asked of clients' certificates.
    ClientVerificationGained = "client-verification-gained",
    /// Clients' certificates are held against other authorities.
    ClientAuthoritiesChanged = "client-authorities-changed",
    /// Certificates of upstream servers are verified less.
    UpstreamVerificationLost = "upstream-verification-lost",
    /// Certificates of upstream servers are verified more.
    UpstreamVerificationGained = "upstream-verification-gained",
    /// An upstream server was spoken to by TLS and now is in plain.
    UpstreamTlsLost = "upstream-tls-lost",
    /// An upstream server was spoken to in plain and now is by TLS.
    UpstreamTlsGained = "upstream-tls-gained",
    /// Lint finds what it did not find before.
    FindingNew = "finding-new",
    /// Lint no longer finds what it found before.
    FindingGone = "finding-gone",
}

impl Kind {
    /// The kind of a name.
    pub fn find(name: &str) -> Option<Kind> {
        Kind::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// What kind of change.
    pub kind: Kind,
    /// How it is for clients.
    pub effect: Effect,
    /// The name under which clients meet it: `a.test`, `*.b.test`; absent where it is not about one.
    pub host: Option<String>,
    /// The local addresses where they meet it; empty where it is about none.
    pub listens: Vec<String>,
    /// What changed, and for whom: one phrase, lower case, no full stop.
    pub message: String,
    /// The clients that are hit, by name.
    pub clients: Vec<String>,
    /// Where the old configuration says it, as a place in its sources.
    pub old: Option<Span>,
    /// Where the new one does.
    pub new: Option<Span>,
    /// Whether the user said that it is meant.
    pub allowed: bool,
}

impl Drift {
    /// A change that is about no name, at no place yet.
    pub fn new(kind: Kind, effect: Effect, message: impl Into<String>) -> Drift {
        Drift {
            kind,
            effect,
            host: None,
            listens: Vec::new(),
            message: message.into(),
            clients: Vec::new(),
            old: None,
            new: None,
            allowed: false,
        }
    }

    /// Points at both sides.
    pub fn at(mut self, old: Option<Span>, new: Option<Span>) -> Drift {
        (self.old, self.new) = (old, new);
        self
    }

    /// Says under which name clients meet it.
    pub fn host(mut self, host: impl Into<String>) -> Drift {
        self.host = Some(host.into());
        self
    }

    /// Says at which local address.
    pub fn listen(mut self, listen: impl Into<String>) -> Drift {
        self.listens.push(listen.into());
        self
    }
}
