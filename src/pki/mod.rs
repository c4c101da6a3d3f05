//! PEM, X.509 and keys: the only place that knows them.
//!
//! Everything here is public: of a private key only its public half and its kind are kept, and texts that hold one are
//! marked so that no report shows them.

mod anchors;
mod certificate;
mod chain;
mod file;
mod key;
mod library;
pub mod loading;
mod name;
mod pem;
mod revocation;
mod signature;
mod verify;
mod verify_error;

pub use anchors::Anchors;
pub use certificate::{Certificate, GeneralSubtree, Hash, KeyKind, Malformation, NameConstraints, PublicKey};
pub use chain::{Chain, Gap, Sent, sent};
pub use file::{Block, BlockFault, BlockKind, FileFault, PemFile};
pub use key::{Key, KeyFault, without_secrets};
pub use library::{PemStore, passwords_in};
pub use pem::holds_key;
pub use revocation::{OcspResponse, Revocations};
pub use verify::{Verdict, Verifier, VerifyFault};
pub use verify_error::VerifyError;
