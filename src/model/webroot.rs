//! Folders whose files are given to whoever asks for them: roots, aliases, and what of them is shut.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::setting::Token;

/// A folder that requests lead to.
#[derive(Clone, Debug)]
pub struct DocumentRoot {
    /// The word that names it.
    pub token: Token,
    /// Where it lies.
    pub path: PathBuf,
    /// What requests to it begin with, without the slash at the end.
    pub prefix: Arc<str>,
    /// What requests meet on the way: the last that takes a request decides; without one it is open.
    pub gates: Arc<[AccessRule]>,
}

/// What some requests meet.
#[derive(Clone, Debug)]
pub struct AccessRule {
    /// The requests that meet it: all of this must hold.
    pub takes: Vec<Condition>,
    /// Whether files of the folder are given behind it.
    pub is_open: bool,
}

/// What can be said of a request for a file.
#[derive(Clone, Debug)]
pub enum Condition {
    /// Its path begins so, letter by letter.
    Begins(Arc<str>),
    /// Its path is this one.
    Is(Arc<str>),
    /// A regular expression fits.
    Fits(MatchTarget, Arc<str>),
    /// The file lies in this folder or below.
    Below(PathBuf),
    /// It cannot be told.
    Open,
}

/// What an expression is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchTarget {
    /// The path of the request, without what stands in its query.
    Request,
    /// The last name of it.
    Name,
    /// The path of the file's folder.
    Folder,
}

/// A request for a file below a folder.
struct Request<'r> {
    path: String,
    name: String,
    files: [&'r Path; 2],
}

impl Condition {
    /// An expression for a pattern with `*` and `?`, where `*` stands for anything.
    pub fn glob(subject: MatchTarget, pattern: &str, ignores_case: bool) -> Condition {
        let mut text = String::from(if ignores_case { "(?i)^" } else { "^" });
        for letter in pattern.chars() {
            match letter {
                '*' => text.push_str(".*"),
                '?' => text.push('.'),
                plain if plain.is_ascii_alphanumeric() || matches!(plain, '/' | '_' | ' ') || !plain.is_ascii() => {
                    text.push(plain);
                }
                other => text.extend(['\\', other]),
            }
        }
        Condition::Fits(subject, format!("{text}$").into())
    }

    /// Whether it holds; absent where that cannot be told.
    fn holds(&self, request: &Request<'_>) -> Option<bool> {
        match self {
            Condition::Begins(text) => Some(request.path.starts_with(&**text)),
            Condition::Is(text) => Some(request.path == **text),
            Condition::Below(folder) => Some(request.files.iter().any(|file| file.starts_with(folder))),
            Condition::Fits(subject, text) => {
                let regex = regex(text)?;
                let is_match = |text: &str| regex.is_match(text);
                Some(match subject {
                    MatchTarget::Request => is_match(&request.path),
                    MatchTarget::Name => is_match(&request.name),
                    MatchTarget::Folder => request.files.iter().any(|file| {
                        file.ancestors().skip(1).any(|folder| is_match(&format!("{}/", folder.display())))
                            || file.ancestors().skip(1).any(|folder| is_match(&folder.to_string_lossy()))
                    }),
                })
            }
            Condition::Open => None,
        }
    }
}

/// In linear time, and absent where only other engines can tell.
fn regex(text: &str) -> Option<regex_automata::meta::Regex> {
    let limits = regex_automata::meta::Config::new().nfa_size_limit(Some(1 << 20));
    regex_automata::meta::Regex::builder().configure(limits).build(text).ok()
}

impl DocumentRoot {
    /// Whether a request is given the file at `real`, where `folder` is the real path of the folder. What cannot be told is
    /// taken for shut.
    pub fn gives(&self, folder: &Path, real: &Path) -> bool {
        let Ok(rest) = real.strip_prefix(folder) else { return false };
        let Some(name) = rest.file_name() else { return false };
        let asked = self.path.join(rest);
        let request = Request {
            path: format!("{}/{}", self.prefix, rest.to_string_lossy()),
            name: name.to_string_lossy().into_owned(),
            files: [&asked, real],
        };
        let is_met = |gate: &&AccessRule| {
            let mut all = gate.takes.iter().map(|condition| condition.holds(&request));
            all.all(|holds| holds.unwrap_or(!gate.is_open))
        };
        self.gates.iter().rev().find(is_met).is_none_or(|gate| gate.is_open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{FileId, Span};

    #[test]
    fn the_last_gate_that_takes_a_request_decides() {
        let gate = |takes: Vec<Condition>, is_open| AccessRule { takes, is_open };
        let webroot = |gates: Vec<AccessRule>| DocumentRoot {
            token: Token::new("/srv", Span::new(FileId(0), 0, 4)),
            path: "/srv".into(),
            prefix: "".into(),
            gates: gates.into(),
        };
        let gives = |gates, file: &str| webroot(gates).gives(Path::new("/srv"), Path::new(file));
        assert!(gives(Vec::new(), "/srv/a.key"));
        assert!(!gives(Vec::new(), "/srv2/a.key"));
        let shut = || gate(vec![Condition::Begins("/tls/".into())], false);
        assert!(!gives(vec![shut()], "/srv/tls/a.key"));
        assert!(gives(vec![shut(), gate(vec![Condition::Is("/tls/a.key".into())], true)], "/srv/tls/a.key"));
        let key = || Condition::glob(MatchTarget::Name, "*.key", true);
        assert!(!gives(vec![gate(vec![key()], false)], "/srv/A.KEY"));
        assert!(gives(vec![gate(vec![key()], false)], "/srv/a.keys"));
        assert!(!gives(vec![gate(vec![Condition::Fits(MatchTarget::Request, "(?!x)".into())], false)], "/srv/a.key"));
        assert!(gives(vec![gate(vec![Condition::Below("/srv/tls".into())], false)], "/srv/a.key"));
        let folder = Condition::Fits(MatchTarget::Folder, "^/srv/.*/private".into());
        assert!(!gives(vec![gate(vec![folder], false)], "/srv/a/private/b/a.key"));
    }
}
