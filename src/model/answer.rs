//! What a site answers to requests, as far as the way to TLS hangs on it: content, redirects, and the header that tells
//! browsers to come by HTTPS alone (`Strict-Transport-Security`, RFC 6797).

use super::setting::Token;
use crate::source::Span;

/// What requests get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResponseKind {
    /// Content of the site itself.
    Content,
    /// Another address to go to.
    Redirect {
        /// Whether it begins with `https://`.
        to_https: bool,
    },
    /// What another server or a program answers, which may set headers of its own.
    PassedOn,
    /// An error, or nothing.
    Refused,
    /// It cannot be told.
    Unknown,
}

/// What the requests to one part of a site get. Proofs for certificate authorities (`/.well-known/acme-challenge/`) are left
/// out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// What they get.
    pub reply: ResponseKind,
    /// What to point at: the directive that answers, else the head of the block.
    pub at: Span,
    /// Whether only requests get it that fulfil a condition besides their path.
    pub is_conditional: bool,
    /// The value of `Strict-Transport-Security` that is sent along.
    pub strict_transport: Option<Token>,
    /// Where the header is written around, if headers of its own take its place (nginx).
    pub lost_header: Option<Span>,
    /// Whether whoever answers can tell a request that came as early data, or such requests are turned away (RFC 8470).
    pub tells_early_data: bool,
}

impl HttpResponse {
    /// An answer without headers.
    pub fn new(reply: ResponseKind, at: Span) -> HttpResponse {
        HttpResponse {
            reply,
            at,
            is_conditional: false,
            strict_transport: None,
            lost_header: None,
            tells_early_data: false,
        }
    }
}
