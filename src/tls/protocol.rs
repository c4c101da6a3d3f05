//! Protocol versions and sets of them.

use std::fmt;

/// A protocol version. Ordered from old to new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// SSL 2.0: no library that we know has it; some servers still take the word.
    Ssl2,
    /// SSL 3.0 (RFC 6101), forbidden by RFC 7568.
    Ssl3,
    /// TLS 1.0 (RFC 2246), deprecated by RFC 8996.
    Tls10,
    /// TLS 1.1 (RFC 4346), deprecated by RFC 8996.
    Tls11,
    /// TLS 1.2 (RFC 5246).
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

impl Protocol {
    /// All versions, old to new.
    pub const ALL: [Protocol; 6] =
        [Protocol::Ssl2, Protocol::Ssl3, Protocol::Tls10, Protocol::Tls11, Protocol::Tls12, Protocol::Tls13];

    /// The name in our own output: `SSLv3 TLSv1.0 TLSv1.1 TLSv1.2 TLSv1.3`.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Ssl2 => "SSLv2",
            Protocol::Ssl3 => "SSLv3",
            Protocol::Tls10 => "TLSv1.0",
            Protocol::Tls11 => "TLSv1.1",
            Protocol::Tls12 => "TLSv1.2",
            Protocol::Tls13 => "TLSv1.3",
        }
    }

    /// The version of a name as our output or OpenSSL spells it (`TLSv1` is TLS 1.0), case ignored.
    pub fn from_name(name: &str) -> Option<Protocol> {
        if name.eq_ignore_ascii_case("TLSv1") {
            return Some(Protocol::Tls10);
        }
        Protocol::ALL.into_iter().find(|one| one.name().eq_ignore_ascii_case(name))
    }

    /// The number on the wire (RFC 8446, 4.2.1): `0x0304` for TLS 1.3.
    pub fn code_point(self) -> u16 {
        match self {
            Protocol::Ssl2 => 0x0002,
            Protocol::Ssl3 => 0x0300,
            Protocol::Tls10 => 0x0301,
            Protocol::Tls11 => 0x0302,
            Protocol::Tls12 => 0x0303,
            Protocol::Tls13 => 0x0304,
        }
    }

    /// Whether current guidance forbids it: SSL, TLS 1.0 and 1.1 (RFC 7568, RFC 8996).
    pub fn is_deprecated(self) -> bool {
        self < Protocol::Tls12
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// A set of protocol versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Protocols(u8);

impl Protocols {
    /// No version.
    pub const NONE: Protocols = Protocols(0);

    /// The set with `protocol` added.
    pub fn with(self, protocol: Protocol) -> Protocols {
        Protocols(self.0 | 1 << protocol as u8)
    }

    /// The set with `protocol` taken out.
    pub fn without(self, protocol: Protocol) -> Protocols {
        Protocols(self.0 & !(1 << protocol as u8))
    }

    /// Whether `protocol` is in the set.
    pub fn contains(self, protocol: Protocol) -> bool {
        self.0 & 1 << protocol as u8 != 0
    }

    /// What is in both.
    pub fn intersection(self, other: Protocols) -> Protocols {
        Protocols(self.0 & other.0)
    }

    /// What is in either.
    pub fn union(self, other: Protocols) -> Protocols {
        Protocols(self.0 | other.0)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The versions, old to new.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = Protocol> {
        Protocol::ALL.into_iter().filter(move |one| self.contains(*one))
    }

    /// The newest version of the set.
    pub fn newest(self) -> Option<Protocol> {
        self.iter().next_back()
    }

    /// The oldest version of the set.
    pub fn oldest(self) -> Option<Protocol> {
        self.iter().next()
    }
}

impl FromIterator<Protocol> for Protocols {
    fn from_iter<I: IntoIterator<Item = Protocol>>(all: I) -> Self {
        all.into_iter().fold(Protocols::NONE, Protocols::with)
    }
}

impl fmt::Display for Protocols {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, one) in self.iter().enumerate() {
            write!(out, "{}{one}", if at == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}
