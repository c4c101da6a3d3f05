//! What mends a fault without a change of any text: the mode, the group or the name of a file.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::Safety;

/// A change of a file beside its bytes, offered like a fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFix {
    /// Whether behaviour may change.
    pub safety: Safety,
    /// What is done.
    pub action: FileAction,
}

/// What is done to a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileAction {
    /// Says who may read it.
    Permit {
        /// The file itself: no link.
        path: PathBuf,
        /// Permission bits.
        mode: u32,
        /// Another group, by its number and name.
        group: Option<(u32, String)>,
    },
    /// Gives it another name in its folder, which nothing has.
    Rename {
        /// Where it is.
        from: PathBuf,
        /// Where it will be.
        to: PathBuf,
    },
}

impl FileAction {
    /// The commands of a shell that do the same.
    pub fn commands(&self) -> Vec<String> {
        match self {
            FileAction::Permit { path, mode, group } => {
                let group = group.iter().map(|(_, name)| format!("chgrp {} {}", quoted(name), shown(path)));
                group.chain([format!("chmod {mode:04o} {}", shown(path))]).collect()
            }
            FileAction::Rename { from, to } => vec![format!("mv -n {} {}", shown(from), shown(to))],
        }
    }
}

fn shown(path: &Path) -> String {
    quoted(&path.to_string_lossy()).into_owned()
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> Cow<'_, str> {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_' | b'+' | b',' | b'@');
    if !word.is_empty() && !word.starts_with('-') && word.bytes().all(is_plain) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(format!("'{}'", word.replace('\'', "'\\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_quoted() {
        let group = Some((7, "web".to_owned()));
        let permit = FileAction::Permit { path: "/etc/a b's.key".into(), mode: 0o640, group };
        assert_eq!(permit.commands(), ["chgrp web '/etc/a b'\\''s.key'", "chmod 0640 '/etc/a b'\\''s.key'"]);
        let rename = FileAction::Rename { from: "sites/a".into(), to: "sites/a.conf".into() };
        assert_eq!(rename.commands(), ["mv -n sites/a sites/a.conf"]);
    }
}
