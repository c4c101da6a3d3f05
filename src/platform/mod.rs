//! What a server and its TLS library are on a given system: versions, defaults, users, and who decides what.
//!
//! All of it is data in `rules/platforms/` with its source beside it; code asks, and never compares a name.

mod account;
mod behavior;
mod detect;
mod environment;
mod kernel;
mod package;
mod process;
mod system;
mod table;
mod unit;
mod version;

pub use account::{Access, AccessResult, Account, Accounts};
pub use behavior::{KeepsApart, Reload, ServerBehavior};
pub use detect::detect;
pub use environment::Environment;
pub use kernel::is_clock_unkept;
pub use process::{Process, booted, processes};
pub use system::SystemTls;
pub use table::{
    ASSUMED, Decider, Part, apache_decider, caddy_default, find, names, nginx_decider, nginx_default_ciphers,
    nginx_default_protocols,
};
pub use unit::{Unit, end_of_reload};
pub use version::Version;

use std::path::PathBuf;

/// Which library speaks TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsLibraryKind {
    /// OpenSSL.
    OpenSsl,
    /// Go's crypto/tls.
    Go,
    /// LibreSSL, BoringSSL and others: never taken for OpenSSL, what hangs on them is unjudged.
    Other,
}

/// A TLS library and its version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TlsLibrary {
    /// Which one.
    pub kind: TlsLibraryKind,
    /// As on the command line: `openssl-3.0.19`, `go-1.19.8`.
    pub name: String,
    /// The part behind the dash.
    pub version: Version,
}

impl TlsLibrary {
    /// Reads `openssl-3.0.19` or `go-1.26.5`. Absent where no version can be read.
    pub fn parse(name: &str) -> Option<TlsLibrary> {
        let (family, version) = name.rsplit_once('-')?;
        let version = Version::parse(version)?;
        let kind = match family {
            "openssl" => TlsLibraryKind::OpenSsl,
            "go" => TlsLibraryKind::Go,
            _ => TlsLibraryKind::Other,
        };
        Some(TlsLibrary { kind, name: name.to_owned(), version })
    }
}

impl Platform {
    /// The oldest protocol that Go takes where the server names none, in our names.
    pub fn go_oldest(&self) -> &'static str {
        if self.godebug.iter().any(|setting| setting == "tls10server=1") {
            return "TLSv1.0";
        }
        caddy_default("go-oldest", self.tls_library.version)
    }
}

/// One server on one system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    /// `debian-12`.
    pub name: String,
    /// Version of the server.
    pub server_version: Version,
    /// The library that speaks TLS.
    pub tls_library: TlsLibrary,
    /// OpenSSL's compiled-in security level, 0 to 5.
    pub security_level: u8,
    /// Whether the library takes `PROFILE=SYSTEM` for a cipher string (Red Hat's).
    pub system_profiles: bool,
    /// Which of the fields were assumed, neither given nor detected: `platform`, `server_version`, ...
    pub assumed: Vec<String>,
    /// Why this platform: "from the package database", "no sign of another".
    pub why: String,
    /// Whether the system itself was found below the root, so that its files speak for it.
    pub is_detected: bool,
    /// The main configuration file where the package puts it.
    pub main_file: PathBuf,
    /// Who runs the workers.
    pub worker_user: String,
    /// Settings of Go that the build carries (`GODEBUG`): `tls10server=1`, `tlsmlkem=0`.
    pub godebug: Vec<String>,
    /// Where the service keeps what it gets by itself, certificates above all.
    pub data_folder: Option<PathBuf>,
    /// The folder that relative paths start from unless the configuration names another; absent where it is the main file's.
    pub server_root: Option<PathBuf>,
    /// Modules that are built in, by their source files (Apache).
    pub static_modules: Vec<String>,
}
