//! What is known of the machine around a configuration: its clock, the server that runs with these files, and who renews
//! their certificates. Gathered once a run, so that rules need not look at the disk.

use std::path::PathBuf;

/// A file and when it was changed last, in seconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Where it lies.
    pub path: PathBuf,
    /// When.
    pub at: i64,
}

/// The server that runs with the files that are judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// The number of its first process.
    pub pid: u32,
    /// When it read its files last, at the latest: in seconds since 1970-01-01 UTC.
    pub loaded: i64,
    /// Certificate and key files that were changed later.
    pub certificates: Vec<Changed>,
    /// Files of the configuration that were changed later, newest first.
    pub configuration: Vec<Changed>,
}

/// A certificate that certbot renews, and that no command follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The file of the certificate, as the configuration names it.
    pub certificate: PathBuf,
    /// What certbot is told of it.
    pub settings: PathBuf,
}

/// Who says that nothing has set a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsynchronized {
    /// systemd-timesyncd, which runs.
    Service,
    /// The kernel, and no service that could know better leaves a trace.
    Kernel,
}

/// What is known of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Files that were changed after what the clock says, independent of one another or beyond doubt; newest first.
    pub later: Vec<Changed>,
    /// Who says that nothing has set the clock, where somebody does.
    pub unsynchronized: Option<Unsynchronized>,
    /// The server that runs with these files, where exactly one does.
    pub running: Option<Running>,
    /// Certificates that are renewed without a word to the server.
    pub renewals: Vec<Renewal>,
}
