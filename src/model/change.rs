//! What a rule asks a front end to write: TLS words down, text edits up.

use super::endpoint::{EndpointId, Listen};
use super::site::SiteId;
use crate::diagnostic::Edit;
use crate::source::Span;
use crate::tls::Protocols;

/// Where a change is meant to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// The directive whose arguments this span covers.
    Written(Span),
    /// One site.
    Site(SiteId),
    /// Every site of a socket.
    Endpoint(EndpointId),
    /// The whole server.
    Global,
}

/// A change in TLS words. The front end knows how its server spells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// These protocols, and no others.
    SetProtocols {
        /// Where.
        target: Target,
        /// The wanted set.
        to: Protocols,
    },
    /// Another file for a certificate that is written at `written`.
    UseCertificateFile {
        /// The word that names the file now.
        written: Span,
        /// The path to write.
        path: String,
    },
    /// Another file for a key that is written at `written`.
    UseKeyFile {
        /// The word that names the file now.
        written: Span,
        /// The path to write.
        path: String,
    },
    /// TLS on a socket that a site asks for at `listen`.
    SpeakTls {
        /// The arguments of the directive that asks for the socket.
        listen: Span,
    },
    /// No TLS on a socket that a site asks for at `listen`.
    SpeakPlain {
        /// The arguments of the directive that asks for the socket.
        listen: Span,
    },
    /// HTTP/2 on a socket that a site asks for at `listen`.
    SpeakHttp2 {
        /// The arguments of the directive that asks for the socket.
        listen: Span,
    },
    /// The PROXY protocol on a socket that a site asks for at `listen`.
    ExpectProxyHeader {
        /// The arguments of the directive that asks for the socket.
        listen: Span,
    },
    /// Another socket for a site, like the one that it asks for at `listen`.
    ListenToo {
        /// The arguments of the directive that asks for the other socket.
        listen: Span,
        /// The address and port.
        on: Listen,
    },
    /// Takes a directive away, its arguments being at `written`.
    RemoveDirective {
        /// The arguments of the directive.
        written: Span,
    },
    /// Sends the upstream's name where requests are sent on.
    SendUpstreamName {
        /// The arguments of the directive that sends them on.
        pass: Span,
    },
    /// Switches TLS with upstream servers on, where the server has a switch for it.
    SpeakTlsUpstream {
        /// The site that sends requests on.
        site: SiteId,
    },
    /// The server's own authority signs for a site.
    SignInternally {
        /// The site.
        site: SiteId,
    },
    /// Tells browsers to keep to HTTPS (`Strict-Transport-Security`).
    SendStrictTransport {
        /// The site.
        site: SiteId,
    },
    /// Sends every request of a site without TLS to the same address by HTTPS.
    RedirectToHttps {
        /// The site.
        site: SiteId,
    },
    /// Turns OCSP stapling off where it is written.
    DisableStapling {
        /// The arguments of the directive that turned it on.
        written: Span,
    },
    /// Moves a directive out of all sections around it, to the whole server.
    MoveOut {
        /// The directive's name or arguments.
        written: Span,
    },
    /// Moves a directive to another site.
    MoveToSite {
        /// The arguments of the directive.
        written: Span,
        /// Where it is to hold.
        site: SiteId,
    },
    /// Moves a site behind another, which stands later in the text.
    MoveBehind {
        /// The one that is moved.
        site: SiteId,
        /// The one that then comes before it.
        behind: SiteId,
    },
    /// Moves what a site says into an earlier one of the same address, and takes the rest of it away.
    MergeInto {
        /// The one that is taken away.
        site: SiteId,
        /// The one that stays.
        into: SiteId,
    },
    /// Loads the server's module for TLS, where it is one.
    LoadTls,
    /// Names a file with passwords where a key is named that one of them opens.
    NamePasswords {
        /// The word that names the key.
        key: Span,
        /// The path to write.
        path: String,
    },
    /// Says commands for the TLS library again, at the level of another.
    RepeatCommands {
        /// Name and value of each.
        from: Vec<Span>,
        /// The arguments of the command that they are put before.
        before: Span,
    },
    /// Sends responses of the certificate's OCSP responder along.
    Staple {
        /// The site.
        site: SiteId,
        /// The arguments of the directive that says otherwise, where there is one.
        written: Option<Span>,
    },
    /// Verifies the certificates of upstream servers against the authorities that are named for it.
    VerifyUpstream {
        /// The site that sends requests on.
        site: Option<SiteId>,
        /// The arguments of the directive that sends them on.
        pass: Span,
        /// The arguments of the directive that says otherwise, where there is one.
        written: Option<Span>,
    },
    /// Says in the words of this release what stands at `written` in words that it no longer has; leaves it out where they
    /// said nothing that this release does not do by itself.
    SayAnew {
        /// The word.
        written: Span,
    },
}

/// Edits that make a change true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edits {
    /// The replacements.
    pub edits: Vec<Edit>,
    /// Every site that the edits reach: safe only if what asked for the change holds for all of them.
    pub reaches: Vec<SiteId>,
}

/// The way down from rules to a server's syntax.
pub trait Editor {
    /// The edits that make `change` true, or nothing where the server cannot say it there.
    fn edits(&self, change: &Change) -> Option<Edits>;

    /// What help tells the user to write, in this server's words.
    fn wording(&self, change: &Change) -> String;
}
