//! Certificates that the server gets by itself: what files tell of them before they are there.

use std::sync::Arc;

use super::setting::Token;

/// Who signs a managed certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Authority {
    /// An authority that the server runs itself: no client trusts it unless told to.
    Internal,
    /// The public authorities that the server asks by default.
    Public,
    /// The ACME directory that is written.
    Acme(Token),
    /// A module that this tool does not know, by its name; or a manager that is asked at each handshake.
    Other(Arc<str>),
}

/// Why a managed certificate can never be had as things are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Obstacle {
    /// No public authority signs for such a name: one label, or an ending that the public DNS does not have.
    ImpossibleName,
    /// A wildcard needs proof by DNS, and no provider of DNS is written.
    NoDnsChallenge,
}

/// A certificate that the server gets by itself. The pairs of its set are known where the server's storage holds it and
/// could be read; otherwise they are unknown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Managed {
    /// Who signs it.
    pub authority: Authority,
    /// The kind of its key as the server calls it: `p256`, `p384`, `ed25519`, `rsa2048`, `rsa4096`.
    pub key_type: Arc<str>,
    /// The name that it is for; absent where any name is taken at its first handshake.
    pub name: Option<Arc<str>>,
    /// Whether it is got only when a client asks for it.
    pub on_demand: bool,
    /// Whether the public DNS can have the name.
    pub is_public_name: bool,
    /// Whether a public authority signs.
    pub is_public_authority: bool,
    /// Why it can never be had.
    pub obstacle: Option<Obstacle>,
}
