//! What is known of who reads the files of a configuration: gathered once a run, so that rules need not look at the disk.

use std::path::{Path, PathBuf};

use foldhash::HashMap;

use crate::model::SiteId;
use crate::platform::{Account, Accounts, Unit};
use crate::source::{PathWalk, Span};

/// Somebody who reads files of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// Who it is; a stranger where the system's files do not know the name.
    pub account: Account,
    /// Whether they do.
    pub is_known: bool,
}

/// Who reads the files of one configuration, and how far everybody gets on the way to them.
#[derive(Clone, Debug, Default)]
pub struct Permissions {
    /// The users and groups of the system.
    pub accounts: Accounts,
    /// Who reads certificates and keys while the server starts. Absent where it cannot be told, or where the configuration is
    /// a copy whose owners and groups are not those of the server.
    pub reader: Option<Reader>,
    /// Who does the work afterwards; absent as above.
    pub worker: Option<Reader>,
    /// Groups that may read keys: root's, the service's own, and `ssl-cert`.
    pub trusted_groups: Vec<u32>,
    /// What systemd is told of the service, where the configuration is judged as its own.
    pub unit: Option<Unit>,
    /// Where a word can be added to its weak command for reloading, in a file that no package owns.
    pub reload_end: Option<Span>,
    /// The way to each file that matters, by its path in the model.
    pub trails: HashMap<PathBuf, PathWalk>,
    /// Key files that a git work tree carries, each with the folder of that work tree.
    pub tracked: HashMap<PathBuf, PathBuf>,
    /// Key files that a site gives to whoever asks, each with the site and which of its folders leads there.
    pub given: HashMap<PathBuf, (SiteId, usize)>,
}

impl Permissions {
    /// The way to a file that the configuration names, where it was looked at.
    pub fn trail(&self, path: &Path) -> Option<&PathWalk> {
        self.trails.get(path)
    }
}
