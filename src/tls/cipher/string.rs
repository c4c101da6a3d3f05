//! Reads a cipher string as OpenSSL does: which suites, in which order, and which word put each there.
//!
//! Source: OpenSSL 1.1.1 to 3.5, `ssl/ssl_ciph.c`, `ssl_create_cipher_list` and `ssl_cipher_process_rulestr`.

use std::ops::Range;

use super::table::{CipherLibrary, CipherSuite, Mask, STRENGTH_CLASSES};

/// A suite that a string selects.
#[derive(Clone, Debug)]
pub struct Selected<'l> {
    /// The suite.
    pub suite: &'l CipherSuite,
    /// Where the item stands that put it there, as bytes of the string.
    pub from: Range<usize>,
}

/// An item that selects nothing: a word that the library does not know, or words that exclude one another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// The item, operator included, as bytes of the string.
    pub item: Range<usize>,
    /// The word that is not known; absent where all are and exclude one another.
    pub word: Option<Range<usize>>,
}

/// What a string comes to.
#[derive(Clone, Debug, Default)]
pub struct Expansion<'l> {
    /// The suites, in order.
    pub suites: Vec<Selected<'l>>,
    /// What of it says nothing.
    pub ignored: Vec<Ignored>,
    /// The level of the last `@SECLEVEL`.
    pub security_level: Option<u8>,
    /// What `SUITEB` forces on every connection.
    pub suite_b: Option<SuiteB>,
    /// Why the library refuses the string.
    pub error: Option<CipherError>,
}

/// Why a library refuses a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CipherError {
    /// `invalid command`, at this byte.
    InvalidCommand(usize),
    /// `no cipher match`: nothing is left.
    NoMatch,
}

impl CipherError {
    /// The library's words.
    pub fn words(&self) -> &'static str {
        match self {
            CipherError::InvalidCommand(_) => "invalid command",
            CipherError::NoMatch => "no cipher match",
        }
    }
}

/// `DEFAULT` at the start of a string stands for this.
const DEFAULT: &str = "ALL:!COMPLEMENTOFDEFAULT:!eNULL";

/// Which curves a string that begins with `SUITEB` leaves, for keys, groups and signatures alike (RFC 6460).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuiteB {
    /// P-256 with SHA-256.
    pub p256: bool,
    /// P-384 with SHA-384.
    pub p384: bool,
}

impl SuiteB {
    /// What takes the place of every later string of the same context.
    pub fn string(self) -> &'static str {
        SUITE_B.iter().rev().find(|(.., mode)| *mode == self).map_or("", |(_, meaning, _)| meaning)
    }
}

const BOTH: SuiteB = SuiteB { p256: true, p384: true };

/// Prefixes that replace the whole string (RFC 6460).
const SUITE_B: &[(&str, &str, SuiteB)] = &[
    ("SUITEB128ONLY", "ECDHE-ECDSA-AES128-GCM-SHA256", SuiteB { p384: false, ..BOTH }),
    ("SUITEB128C2", "ECDHE-ECDSA-AES256-GCM-SHA384", BOTH),
    ("SUITEB128", "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384", BOTH),
    ("SUITEB192", "ECDHE-ECDSA-AES256-GCM-SHA384", SuiteB { p256: false, ..BOTH }),
];

/// What to do with the suites that match.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    Add,
    Delete,
    Order,
    Kill,
    Special,
}

/// Reads a string for a library.
pub fn expand<'l>(library: &'l CipherLibrary, string: &str) -> Expansion<'l> {
    let mut list = List {
        library,
        entries: (0..library.suites.len()).map(|suite| Entry { suite, active: false, from: 0..0 }).collect(),
        out: Expansion::default(),
    };
    let done = if let Some((prefix, meaning, mode)) = SUITE_B.iter().find(|(prefix, ..)| string.starts_with(prefix)) {
        list.out.suite_b = Some(*mode);
        list.rules(meaning, Some(0..prefix.len()), 0)
    } else if let Some(rest) = string.strip_prefix("DEFAULT") {
        let rest = rest.strip_prefix(':').unwrap_or(rest);
        list.rules(DEFAULT, Some(0..7), 0).and_then(|()| list.rules(rest, None, string.len() - rest.len()))
    } else {
        list.rules(string, None, 0)
    };
    let List { entries, mut out, .. } = list;
    match done {
        Err(at) => out.error = Some(CipherError::InvalidCommand(at)),
        Ok(()) => {
            let active = entries.into_iter().filter(|entry| entry.active);
            out.suites =
                active.map(|entry| Selected { suite: &library.suites[entry.suite], from: entry.from }).collect();
            if out.suites.is_empty() {
                out.error = Some(CipherError::NoMatch);
            }
        }
    }
    out
}

/// A suite's place in the list that a string works on.
#[derive(Clone)]
struct Entry {
    suite: usize,
    active: bool,
    from: Range<usize>,
}

struct List<'l> {
    library: &'l CipherLibrary,
    entries: Vec<Entry>,
    out: Expansion<'l>,
}

/// What an item selects: a mask, and one suite where a full name is part of it.
#[derive(Clone, Copy, Default)]
struct Selection {
    mask: Mask,
    suite: Option<usize>,
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b':' | b';' | b',' | b' ')
}

impl List<'_> {
    fn is_word(&self, byte: u8) -> bool {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'=')
            || (byte == b'_' && self.library.has_iana_names)
    }

    /// Works through a string. `origin` is what its items count as where they are not written; else they stand at `offset`.
    /// The error is the byte where no word begins.
    fn rules(&mut self, string: &str, origin: Option<Range<usize>>, offset: usize) -> Result<(), usize> {
        let text = string.as_bytes();
        let mut at = 0;
        while at < text.len() {
            let start = at;
            let rule = match text[at] {
                b'-' => Rule::Delete,
                b'+' => Rule::Order,
                b'!' => Rule::Kill,
                b'@' => Rule::Special,
                byte if is_separator(byte) => {
                    at += 1;
                    continue;
                }
                _ => Rule::Add,
            };
            at += usize::from(rule != Rule::Add);
            let (selection, unknown) = self.item(string, &mut at, rule).map_err(|at| offset + at)?;
            if rule == Rule::Special || selection.is_none() {
                while at < text.len() && !is_separator(text[at]) {
                    at += 1;
                }
            }
            let place = origin.clone().unwrap_or(offset + start..offset + at);
            match selection {
                Some(selection) => self.apply(rule, |suite, list| list.matches(suite, selection), &place),
                None if rule == Rule::Special || origin.is_some() => {}
                None => {
                    let word = unknown.map(|word| offset + word.start..offset + word.end);
                    self.out.ignored.push(Ignored { item: place, word });
                }
            }
        }
        Ok(())
    }

    /// Words joined by `+`: what they select together, or the word that is not known.
    fn item(
        &mut self,
        string: &str,
        at: &mut usize,
        rule: Rule,
    ) -> Result<(Option<Selection>, Option<Range<usize>>), usize> {
        let text = string.as_bytes();
        let mut selection = Selection::default();
        loop {
            let start = *at;
            while *at < text.len() && self.is_word(text[*at]) {
                *at += 1;
            }
            let word = &string[start..*at];
            if word.is_empty() {
                return Err(start);
            }
            if rule == Rule::Special {
                self.special(word).ok_or(start)?;
                return Ok((None, None));
            }
            let place = start..*at;
            let is_joined = text.get(*at) == Some(&b'+');
            *at += usize::from(is_joined);
            let known = match self.library.suite(word) {
                Some(suite) => Some((self.library.suites[suite].mask, Some(suite))),
                None => self.library.alias(word).map(|mask| (mask, None)),
            };
            let Some((mask, suite)) = known else { return Ok((None, Some(place))) };
            let Some(joined) = selection.join(mask, suite) else { return Ok((None, None)) };
            selection = joined;
            if !is_joined {
                return Ok((Some(selection), None));
            }
        }
    }

    /// `@STRENGTH` and `@SECLEVEL=n`. Absent where the word is neither.
    fn special(&mut self, word: &str) -> Option<()> {
        if word == "STRENGTH" {
            self.sort_by_strength();
            return Some(());
        }
        let level = word.strip_prefix("SECLEVEL=").filter(|digit| digit.len() == 1)?.parse::<u8>().ok()?;
        self.out.security_level = Some(level).filter(|level| *level <= 5);
        self.out.security_level.map(|_| ())
    }

    fn sort_by_strength(&mut self) {
        let bits = |list: &Self, entry: &Entry| list.library.suites[entry.suite].strength_bits;
        let mut strengths: Vec<u32> =
            self.entries.iter().filter(|entry| entry.active).map(|entry| bits(self, entry)).collect();
        strengths.sort_unstable_by(|one, other| other.cmp(one));
        strengths.dedup();
        for strength in strengths {
            self.apply(Rule::Order, |suite, list| list.library.suites[suite].strength_bits == strength, &(0..0));
        }
    }

    fn matches(&self, suite: usize, selection: Selection) -> bool {
        let own = self.library.suites[suite].mask;
        let wanted = selection.mask;
        let meets = |wanted: u32, own: u32| wanted == 0 || wanted & own != 0;
        let strength = wanted.class & STRENGTH_CLASSES;
        let default = wanted.class & !STRENGTH_CLASSES;
        selection.suite.is_none_or(|wanted| wanted == suite)
            && meets(wanted.key_exchange, own.key_exchange)
            && meets(wanted.authentication, own.authentication)
            && meets(wanted.encryption, own.encryption)
            && meets(wanted.mac, own.mac)
            && (wanted.protocol.is_none() || wanted.protocol == own.protocol)
            && meets(strength, own.class)
            && meets(default, own.class)
    }

    /// Moves the suites that match: added and reordered ones to the end, deleted ones to the start, killed ones away.
    fn apply(&mut self, rule: Rule, matches: impl Fn(usize, &Self) -> bool, from: &Range<usize>) {
        let is_moved = |entry: &Entry| {
            let wanted = match rule {
                Rule::Add => !entry.active,
                Rule::Delete | Rule::Order => entry.active,
                Rule::Kill => true,
                Rule::Special => false,
            };
            wanted && matches(entry.suite, self)
        };
        let (mut moved, mut kept): (Vec<Entry>, Vec<Entry>) = (Vec::new(), Vec::new());
        for entry in &self.entries {
            if is_moved(entry) { moved.push(entry.clone()) } else { kept.push(entry.clone()) }
        }
        self.entries = match rule {
            Rule::Add | Rule::Order => {
                for entry in &mut moved {
                    if rule == Rule::Add {
                        entry.from = from.clone();
                    }
                    entry.active = true;
                }
                kept.extend(moved);
                kept
            }
            Rule::Delete => {
                // Taken from the end one by one and put before all others: their order stays.
                moved.iter_mut().for_each(|entry| entry.active = false);
                moved.extend(kept);
                moved
            }
            Rule::Kill => kept,
            Rule::Special => std::mem::take(&mut self.entries),
        };
    }
}

impl Selection {
    /// What this and another word select together. Absent where they exclude one another.
    fn join(self, other: Mask, suite: Option<usize>) -> Option<Selection> {
        let both = |one: u32, other: u32| match (one, other) {
            (one, 0) => Some(one),
            (0, other) => Some(other),
            (one, other) => Some(one & other).filter(|both| *both != 0),
        };
        let mine = self.mask;
        let (strength, other_strength) = (mine.class & STRENGTH_CLASSES, other.class & STRENGTH_CLASSES);
        // The library assigns here where it means to add: the first strength that is named drops what was said of `DEFAULT`.
        let is_dropped = strength == 0 && other_strength != 0;
        let default = if is_dropped { 0 } else { mine.class & !STRENGTH_CLASSES };
        let class = both(strength, other_strength)? | both(default, other.class & !STRENGTH_CLASSES)?;
        let protocol = match (mine.protocol, other.protocol) {
            // A full name brings its number instead.
            (mine, _) if suite.is_some() => mine,
            (mine, None) => mine,
            (None, other) => other,
            (mine, other) if mine == other => mine,
            _ => return None,
        };
        let mask = Mask {
            key_exchange: both(mine.key_exchange, other.key_exchange)?,
            authentication: both(mine.authentication, other.authentication)?,
            encryption: both(mine.encryption, other.encryption)?,
            mac: both(mine.mac, other.mac)?,
            protocol,
            class,
        };
        Some(Selection { mask, suite: suite.or(self.suite) })
    }
}
