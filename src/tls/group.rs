//! Groups for key exchange, and the lists that choose them.
//!
//! The groups of OpenSSL's releases are data in `rules/openssl/groups.tsv`; [`GroupList::parse`] reads a list as
//! `tls1_set_groups_list` does.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use super::Protocol;

/// A group of the registry that some library of a web server has.
#[derive(Debug)]
pub struct Group {
    /// The number on the wire.
    pub code_point: u16,
    /// The name in our own output: `X25519`, `P-256`, `ffdhe2048`, `X25519MLKEM768`.
    pub name: &'static str,
    /// How strong OpenSSL counts it, in bits of a symmetric key.
    pub security_bits: u32,
    /// The first protocol that may use it.
    pub first: Protocol,
    /// The last protocol that may use it; absent: every newer one may.
    pub last: Option<Protocol>,
    since: [u32; 3],
    /// What OpenSSL calls it, each with the first release that does.
    names: Vec<(&'static str, [u32; 3])>,
}

impl Group {
    /// Whether a protocol may use it.
    pub fn serves(&self, protocol: Protocol) -> bool {
        self.first <= protocol && self.last.is_none_or(|last| protocol <= last)
    }
}

static GROUPS: LazyLock<Vec<Group>> = LazyLock::new(|| read(include_str!("../../rules/openssl/groups.tsv")));

static BY_NAME: LazyLock<HashMap<String, u16>> = LazyLock::new(|| {
    let names = GROUPS.iter().flat_map(|group| group.names.iter().map(|(name, _)| (*name, group.code_point)));
    names.map(|(name, code)| (name.to_ascii_lowercase(), code)).collect()
});

fn release(text: &str) -> [u32; 3] {
    let mut numbers = text.split('.').map(|part| part.parse().expect("a test reads every table"));
    [numbers.next().unwrap_or(0), numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)]
}

fn read(text: &'static str) -> Vec<Group> {
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.map(|line| {
        let fields: Vec<&'static str> = line.split('\t').collect();
        let since = release(fields[6]);
        let names = fields[2].split('|').map(|name| match name.split_once('@') {
            Some((name, first)) => (name, release(first)),
            None => (name, since),
        });
        Group {
            code_point: u16::from_str_radix(fields[0], 16).expect("a test reads every table"),
            name: fields[1],
            security_bits: fields[3].parse().expect("a test reads every table"),
            first: Protocol::from_name(fields[4]).expect("a test reads every table"),
            last: Protocol::from_name(fields[5]),
            since,
            names: names.collect(),
        }
    })
    .collect()
}

/// The group of a number on the wire. Absent for what no library has.
pub fn group(code_point: u16) -> Option<&'static Group> {
    GROUPS.iter().find(|group| group.code_point == code_point)
}

/// The group that any library calls so, case ignored.
pub fn named(name: &str) -> Option<&'static Group> {
    BY_NAME.get(&name.to_ascii_lowercase()).and_then(|code| group(*code))
}

/// All names, for suggestions.
pub fn names() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().flat_map(|group| group.names.iter().map(|(name, _)| *name))
}

/// Groups in order of preference. From OpenSSL 3.5 on they stand in tuples: a group of an earlier tuple is preferred even to
/// one of a later tuple whose key share came already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupList {
    /// The tuples; one where the release knows none.
    pub tuples: Vec<Vec<u16>>,
}

/// What is wrong with a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupError {
    /// Where in the list, as bytes.
    pub at: Range<usize>,
    /// What.
    pub kind: GroupErrorKind,
}

/// What is wrong with a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupErrorKind {
    /// A name that the release does not have.
    Unknown,
    /// A group that stands there already (OpenSSL up to 3.4).
    Duplicate,
    /// Nothing between separators.
    Empty,
    /// Prefixes that do not go together.
    Syntax,
}

/// What OpenSSL 3.5 and newer use where nothing is set.
const DEFAULT_TUPLES: &str =
    "?*X25519MLKEM768 / ?*X25519:?secp256r1 / ?X448:?secp384r1:?secp521r1 / ?ffdhe2048:?ffdhe3072";
/// What releases before 3.5 use; groups that a release does not have fall out.
const DEFAULT_LIST: &[&str] =
    &["X25519", "P-256", "X448", "P-521", "P-384", "ffdhe2048", "ffdhe3072", "ffdhe4096", "ffdhe6144", "ffdhe8192"];

/// The first release that has tuples, prefixes and names in any case.
const TUPLES: [u32; 3] = [3, 5, 0];

impl GroupList {
    /// What a release of OpenSSL uses where nothing is set.
    pub fn default_of(version: [u32; 3]) -> GroupList {
        if version >= TUPLES {
            return GroupList::parse(version, DEFAULT_TUPLES).unwrap_or_default();
        }
        let all = DEFAULT_LIST.iter().filter_map(|name| named(name));
        GroupList { tuples: vec![all.filter(|group| group.since <= version).map(|group| group.code_point).collect()] }
    }

    /// Reads a list as a release of OpenSSL does.
    ///
    /// # Errors
    /// Where the release refuses it.
    pub fn parse(version: [u32; 3], list: &str) -> Result<GroupList, GroupError> {
        if version >= TUPLES {
            return tuples(version, list);
        }
        let mut found: Vec<u16> = Vec::new();
        for (word, at) in words(list, ':', 0) {
            let error = |kind| GroupError { at: at.clone(), kind };
            if word.is_empty() {
                return Err(error(GroupErrorKind::Empty));
            }
            let code = find(version, word).ok_or_else(|| error(GroupErrorKind::Unknown))?;
            if found.contains(&code) {
                return Err(error(GroupErrorKind::Duplicate));
            }
            found.push(code);
        }
        Ok(GroupList { tuples: vec![found] })
    }

    /// All groups, in order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.tuples.iter().flatten().copied()
    }

    /// Whether a group is in the list.
    pub fn contains(&self, code_point: u16) -> bool {
        self.iter().any(|one| one == code_point)
    }
}

/// Words between separators with their places, white space around them taken away (`CONF_parse_list`).
fn words(list: &str, separator: char, offset: usize) -> impl Iterator<Item = (&str, Range<usize>)> {
    let mut start = 0;
    list.split(separator).map(move |part| {
        let lead = part.len() - part.trim_start().len();
        let word = part.trim();
        let from = offset + start + lead;
        start += part.len() + separator.len_utf8();
        (word, from..from + word.len())
    })
}

fn find(version: [u32; 3], word: &str) -> Option<u16> {
    let is_word = |name: &str| match version >= TUPLES {
        true => name.eq_ignore_ascii_case(word),
        false => name == word,
    };
    let has_name = |group: &&Group| group.names.iter().any(|(name, since)| *since <= version && is_word(name));
    GROUPS.iter().find(has_name).map(|group| group.code_point)
}

/// Tuples between `/`, groups between `:`, with the prefixes `?` (unknown is ignored), `*` (a client sends a key share) and
/// `-` (taken out again); `DEFAULT` stands for the default list.
fn tuples(version: [u32; 3], list: &str) -> Result<GroupList, GroupError> {
    let mut done = GroupList::default();
    if list.trim().is_empty() {
        return Ok(done);
    }
    for (tuple, place) in words(list, '/', 0) {
        done.tuples.push(Vec::new());
        if tuple.is_empty() {
            return Err(GroupError { at: place, kind: GroupErrorKind::Empty });
        }
        for (word, at) in words(tuple, ':', place.start) {
            one(version, word, at, &mut done)?;
        }
    }
    done.tuples.retain(|tuple| !tuple.is_empty());
    Ok(done)
}

fn one(version: [u32; 3], word: &str, at: Range<usize>, done: &mut GroupList) -> Result<(), GroupError> {
    let name = word.trim_start_matches(['?', '*', '-']);
    let prefixes = &word[..word.len() - name.len()];
    let error = |kind| GroupError { at: at.clone(), kind };
    if word.is_empty() {
        return Err(error(GroupErrorKind::Empty));
    }
    if name.is_empty() || ['?', '*', '-'].iter().any(|mark| prefixes.matches(*mark).count() > 1) {
        return Err(error(GroupErrorKind::Syntax));
    }
    if name.eq_ignore_ascii_case("DEFAULT") {
        if prefixes.contains(['?', '-']) {
            return Err(error(GroupErrorKind::Syntax));
        }
        // Its first tuple goes on the one that is open, its last one stays open.
        for (order, tuple) in GroupList::default_of(version).tuples.into_iter().enumerate() {
            if order > 0 {
                done.tuples.push(Vec::new());
            }
            tuple.into_iter().for_each(|code| add(done, code));
        }
        return Ok(());
    }
    match find(version, name) {
        Some(code) if prefixes.contains('-') => {
            done.tuples.iter_mut().for_each(|tuple| tuple.retain(|one| *one != code))
        }
        Some(code) => add(done, code),
        None if prefixes.contains('?') => {}
        None => return Err(error(GroupErrorKind::Unknown)),
    }
    Ok(())
}

fn add(done: &mut GroupList, code: u16) {
    if !done.contains(code)
        && let Some(last) = done.tuples.last_mut()
    {
        last.push(code);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(version: [u32; 3], list: &str) -> String {
        match GroupList::parse(version, list) {
            Ok(list) => {
                let names = |tuple: &Vec<u16>| {
                    tuple.iter().map(|code| group(*code).map_or("?", |group| group.name)).collect::<Vec<_>>().join(":")
                };
                list.tuples.iter().map(names).collect::<Vec<_>>().join("/")
            }
            Err(error) => format!("{:?} at {:?}", error.kind, error.at),
        }
    }

    #[test]
    fn lists_read_as_the_release_reads_them() {
        let table = [
            ([3, 0, 0], "X25519:prime256v1", "X25519:P-256"),
            ([3, 0, 0], "x25519: P-384", "X25519:P-384"),
            ([3, 0, 0], "p-256", "Unknown at 0..5"),
            ([3, 0, 0], "P-256:secp256r1", "Duplicate at 6..15"),
            ([3, 0, 0], "P-256,P-384", "Unknown at 0..11"),
            ([3, 0, 0], "P-256:", "Empty at 6..6"),
            ([3, 0, 0], "X25519MLKEM768:X25519", "Unknown at 0..14"),
            ([1, 1, 1], "secp256r1", "Unknown at 0..9"),
            ([1, 1, 1], "prime256v1:X25519", "P-256:X25519"),
            ([3, 5, 0], "x25519mlkem768:p-256:P-256", "X25519MLKEM768:P-256"),
            ([3, 5, 0], "?nothing:X25519 / *P-256", "X25519/P-256"),
            ([3, 5, 0], "DEFAULT:-X25519", "X25519MLKEM768/P-256/X448:P-384:P-521/ffdhe2048:ffdhe3072"),
            ([3, 5, 0], "??X25519", "Syntax at 0..8"),
            ([3, 5, 0], "nothing", "Unknown at 0..7"),
        ];
        for (version, list, expected) in table {
            assert_eq!(told(version, list), expected, "{version:?} {list:?}");
        }
    }

    #[test]
    fn defaults_hold_what_the_release_has() {
        assert_eq!(GroupList::default_of([1, 1, 1]).iter().count(), 5);
        assert_eq!(GroupList::default_of([3, 0, 19]).iter().count(), 10);
        assert_eq!(GroupList::default_of([3, 6, 0]).tuples.len(), 4);
    }
}
