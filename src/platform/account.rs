//! Users and groups of a system, from `/etc/passwd` and `/etc/group`, and what the kernel lets each of them do with a file.
//!
//! Users that a directory service or systemd knows alone stand in neither file: of those nothing is said.

use std::path::Path;

use foldhash::{HashMap, HashMapExt};

use crate::source::{FileSystem, Metadata, PathWalk};

/// How much of each file is read, in bytes.
const LARGEST: u64 = 16 << 20;

/// The users and groups of a system.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    /// Number and first group by name.
    users: HashMap<String, (u32, u32)>,
    /// Number and members by name.
    groups: HashMap<String, (u32, Vec<String>)>,
}

/// Who a process is, to the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The name, or the number where there is none.
    pub name: String,
    /// The number.
    pub uid: u32,
    /// The numbers of all its groups.
    pub groups: Vec<u32>,
}

/// What somebody wants of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To read it.
    Read,
    /// To look for a name in it, as a folder.
    Search,
}

impl Access {
    fn bit(self) -> u32 {
        match self {
            Access::Read => 0o4,
            Access::Search => 0o1,
        }
    }
}

/// Where the way to a file ends for somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessResult {
    /// The file can be read.
    Open,
    /// This step shuts out: the index of a folder of the trail, or none for the file itself.
    Shut(Option<usize>),
    /// It cannot be told: the file is hidden from us.
    Hidden,
    /// It cannot be told, and why.
    Unknown(&'static str),
}

impl Accounts {
    /// Reads both files below the root. Where there are none, nobody but root is known.
    pub fn read(files: &dyn FileSystem) -> Accounts {
        let text = |path: &str| {
            let bytes = files.read(&files.locate(Path::new("/"), Path::new(path)), LARGEST);
            bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
        };
        Accounts::parse(&text("/etc/passwd"), &text("/etc/group"))
    }

    /// Reads the texts of both (passwd(5), group(5)). Lines that are none are passed over.
    pub fn parse(passwd: &str, group: &str) -> Accounts {
        let mut users = HashMap::new();
        let mut groups = HashMap::new();
        for line in passwd.lines() {
            let mut fields = line.split(':');
            let (Some(name), _, Some(uid), Some(gid)) = (fields.next(), fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            if let (Ok(uid), Ok(gid)) = (uid.parse(), gid.parse()) {
                users.entry(name.to_owned()).or_insert((uid, gid));
            }
        }
        for line in group.lines() {
            let mut fields = line.split(':');
            let (Some(name), _, Some(gid)) = (fields.next(), fields.next(), fields.next()) else { continue };
            let members = fields.next().unwrap_or_default().split(',').filter(|name| !name.is_empty());
            if let Ok(gid) = gid.parse() {
                groups.entry(name.to_owned()).or_insert((gid, members.map(str::to_owned).collect()));
            }
        }
        Accounts { users, groups }
    }

    /// A user by name or number, with all groups that list it. Absent where nothing is known of it.
    pub fn user(&self, name: &str) -> Option<Account> {
        let (name, uid, gid) = match (self.users.get(name), name.parse::<u32>()) {
            (Some((uid, gid)), _) => (name.to_owned(), *uid, Some(*gid)),
            (None, Ok(uid)) => match self.users.iter().filter(|(_, (other, _))| *other == uid).min() {
                Some((name, (_, gid))) => (name.clone(), uid, Some(*gid)),
                None => (name.to_owned(), uid, None),
            },
            (None, Err(_)) if name == "root" => (name.to_owned(), 0, Some(0)),
            (None, Err(_)) => return None,
        };
        let listed = self.groups.values().filter(|(_, members)| members.contains(&name)).map(|(gid, _)| *gid);
        let mut groups: Vec<u32> = gid.into_iter().chain(listed).collect();
        groups.sort_unstable();
        groups.dedup();
        Some(Account { name, uid, groups })
    }

    /// The number of a group by name, or the number itself.
    pub fn group(&self, name: &str) -> Option<u32> {
        self.groups.get(name).map(|(gid, _)| *gid).or_else(|| name.parse().ok())
    }

    /// The name of a user's number; the number where there is none.
    pub fn user_name(&self, uid: u32) -> String {
        let found = self.users.iter().filter(|(_, (other, _))| *other == uid).map(|(name, _)| name).min();
        found.cloned().unwrap_or_else(|| if uid == 0 { "root".to_owned() } else { uid.to_string() })
    }

    /// The name of a group's number; the number where there is none.
    pub fn group_name(&self, gid: u32) -> String {
        let found = self.groups.iter().filter(|(_, (other, _))| *other == gid).map(|(name, _)| name).min();
        found.cloned().unwrap_or_else(|| if gid == 0 { "root".to_owned() } else { gid.to_string() })
    }

    /// Whether nobody but one user is in a group, as far as is known: the group that many systems make for each user.
    pub fn is_private_group(&self, gid: u32, uid: u32) -> bool {
        let first = self.users.iter().filter(|(_, (_, first))| *first == gid);
        let listed = self.groups.values().filter(|(other, _)| *other == gid).flat_map(|(_, members)| members);
        let is_own = |name: &String| self.users.get(name).is_some_and(|(own, _)| *own == uid);
        first.map(|(name, _)| name).chain(listed).all(is_own)
    }
}

impl Account {
    /// Somebody of whom nothing is known but that it is not root, and in no group.
    pub fn stranger(name: &str) -> Account {
        Account { name: name.to_owned(), uid: u32::MAX, groups: Vec::new() }
    }

    /// Whether it is root, who may read everything and search every folder (capabilities(7), CAP_DAC_OVERRIDE).
    pub fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// Whether the kernel lets it: the bits of the owner, of the group, or of all others, and of the first of these alone that
    /// it is (path_resolution(7)). Absent where a list of access rights decides.
    pub fn may(&self, wish: Access, metadata: &Metadata) -> Option<bool> {
        if self.is_root() {
            return Some(true);
        }
        if self.uid == metadata.uid {
            return Some(metadata.mode >> 6 & wish.bit() != 0);
        }
        if metadata.has_acl {
            return None;
        }
        let shift = if self.groups.contains(&metadata.gid) { 3 } else { 0 };
        Some(metadata.mode >> shift & wish.bit() != 0)
    }

    /// How far it gets on the way to a file that it wants to read, or to a folder that it wants to search.
    pub fn passage(&self, trail: &PathWalk, wish: Access) -> AccessResult {
        const LIST: &str = "a list of access rights (ACL) decides: `getfacl` shows it";
        for (at, folder) in trail.folders.iter().enumerate() {
            match self.may(Access::Search, &folder.metadata) {
                Some(true) => {}
                Some(false) => return AccessResult::Shut(Some(at)),
                None => return AccessResult::Unknown(LIST),
            }
        }
        match trail.end.as_ref().map(|end| self.may(wish, &end.metadata)) {
            Some(Some(true)) => AccessResult::Open,
            Some(Some(false)) => AccessResult::Shut(None),
            Some(None) => AccessResult::Unknown(LIST),
            None if self.is_root() => AccessResult::Open,
            None => AccessResult::Hidden,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::FileKind;

    fn metadata(mode: u32, uid: u32, gid: u32) -> Metadata {
        Metadata { kind: FileKind::Regular, size: 0, mode, uid, gid, modified: None, has_acl: false }
    }

    #[test]
    fn the_first_class_that_fits_decides_alone() {
        let accounts = Accounts::parse(
            "root:x:0:0::/root:/bin/sh\ncaddy:x:999:995::/:/bin/false\nbroken\n",
            "root:x:0:\ncaddy:x:995:\nssl-cert:x:110:postgres,caddy\n",
        );
        let caddy = accounts.user("caddy").expect("a user");
        assert_eq!((caddy.uid, &caddy.groups[..]), (999, &[110, 995][..]));
        assert_eq!(accounts.user("999"), Some(caddy.clone()));
        let reads = |mode, uid, gid| caddy.may(Access::Read, &metadata(mode, uid, gid)).expect("a verdict");
        assert!(!reads(0o600, 0, 0) && reads(0o640, 0, 110) && reads(0o604, 0, 0));
        assert!(!reads(0o044, 999, 995), "the owner's bits count for the owner alone");
        assert!(!reads(0o604, 0, 995), "the group's bits count for the group alone");
        assert!(accounts.user("root").expect("root").may(Access::Read, &metadata(0, 5, 5)).expect("a verdict"));
        assert_eq!(accounts.user("nginx"), None);
        assert!(accounts.is_private_group(995, 999) && !accounts.is_private_group(110, 999));
        let acl = Metadata { has_acl: true, ..metadata(0o640, 0, 0) };
        assert_eq!(caddy.may(Access::Read, &acl), None);
    }
}
