//! Why something could not be judged.

use std::fmt;

use crate::source::ReadError;

/// Why something could not be judged, in words, and what that means for the rest of the run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UncheckedReason {
    /// A check failed inside.
    Defect(String),
    /// A file is there, and who runs this may not read it ([`ReadError::Forbidden`]).
    PermissionDenied(String),
    /// A file lies on the server, and not here ([`ReadError::Elsewhere`]).
    NotAtHand(String),
    /// Anything else: the words alone say what.
    Other(String),
}

impl UncheckedReason {
    /// The reason for a failed read, with the text to show.
    pub fn of(error: &ReadError, words: String) -> Self {
        match error {
            ReadError::Forbidden => UncheckedReason::PermissionDenied(words),
            ReadError::Elsewhere => UncheckedReason::NotAtHand(words),
            _ => UncheckedReason::Other(words),
        }
    }

    /// That a file is hidden from us, in the words of [`ReadError::hidden`].
    pub fn hidden(error: &ReadError, path: &str) -> Self {
        UncheckedReason::of(error, error.hidden(path))
    }

    /// The words.
    pub fn text(&self) -> &str {
        match self {
            UncheckedReason::Defect(words)
            | UncheckedReason::PermissionDenied(words)
            | UncheckedReason::NotAtHand(words)
            | UncheckedReason::Other(words) => words,
        }
    }

    /// Whether it is a file that the server may well see, and only we cannot.
    pub fn is_hidden(&self) -> bool {
        matches!(self, UncheckedReason::PermissionDenied(_) | UncheckedReason::NotAtHand(_))
    }
}

impl fmt::Display for UncheckedReason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.text())
    }
}

impl From<String> for UncheckedReason {
    fn from(words: String) -> Self {
        UncheckedReason::Other(words)
    }
}

impl From<&str> for UncheckedReason {
    fn from(words: &str) -> Self {
        UncheckedReason::Other(words.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_its_meaning_whatever_the_words() {
        let denied = UncheckedReason::hidden(&ReadError::Forbidden, "a.key");
        assert_eq!(denied.text(), "permission denied: a.key (run as root to judge it)");
        let away = UncheckedReason::hidden(&ReadError::Elsewhere, "a.key");
        assert_eq!(away.text(), "not at hand: a.key");
        assert!(denied.is_hidden() && away.is_hidden());
        assert!(!UncheckedReason::of(&ReadError::Missing, "permission denied".to_owned()).is_hidden());
        assert!(!UncheckedReason::from("not at hand").is_hidden());
    }
}
