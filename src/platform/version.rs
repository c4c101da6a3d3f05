//! Version numbers of servers and libraries.

use std::fmt;

/// A version: `1.22.1`, `3.0.19`, `1.1.1w`. Missing parts count as 0; a letter at the end orders behind none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Up to three numbers.
    pub numbers: [u32; 3],
    /// OpenSSL's patch letter up to 1.1.1: `w`.
    pub letter: Option<char>,
    /// How many numbers were written.
    parts: u8,
}

impl Version {
    /// Three numbers.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Version {
        Version { numbers: [major, minor, patch], letter: None, parts: 3 }
    }

    /// Reads `1`, `1.22`, `1.22.1` or `1.1.1w`. What stands behind a `-`, `+` or `~` (a package's revision) is dropped.
    pub fn parse(text: &str) -> Option<Version> {
        let text = text.split(['-', '+', '~']).next()?;
        let (digits, letter) = match text.char_indices().next_back()? {
            (at, last) if last.is_ascii_lowercase() => (&text[..at], Some(last)),
            _ => (text, None),
        };
        let mut version = Version { numbers: [0; 3], letter, parts: 0 };
        for part in digits.split('.') {
            *version.numbers.get_mut(usize::from(version.parts))? = part.parse().ok()?;
            version.parts += 1;
        }
        Some(version)
    }

    /// Whether it is `major.minor.patch` or newer.
    pub fn at_least(self, major: u32, minor: u32, patch: u32) -> bool {
        self.numbers >= [major, minor, patch]
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, number) in self.numbers.iter().take(usize::from(self.parts)).enumerate() {
            write!(out, "{}{number}", if at == 0 { "" } else { "." })?;
        }
        self.letter.map_or(Ok(()), |letter| write!(out, "{letter}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_order_as_releases_do() {
        let version = |text: &str| Version::parse(text).unwrap();
        assert!(version("1.22.1") < version("1.29.2"));
        assert!(version("1.9") < version("1.10"));
        assert!(version("1.1.1") < version("1.1.1w"));
        assert!(version("3.0.19").at_least(3, 0, 0));
        assert_eq!(version("1.22.1-9+deb12u11").to_string(), "1.22.1");
        assert_eq!(version("1.1.1w").to_string(), "1.1.1w");
        assert_eq!(Version::parse("1.x"), None);
        assert_eq!(Version::parse(""), None);
    }
}
