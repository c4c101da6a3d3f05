//! The folders whose files the server and its virtual hosts give, and who is let in.
//!
//! Source: Apache 2.4, `server/request.c` (folders from the shortest on, expressions for folders, names of files, then paths
//! of requests; the last `Require` holds) and `mod_alias.c` (aliases come before `DocumentRoot`).

use std::path::PathBuf;
use std::sync::Arc;

use super::setting::DirectiveRef;
use crate::model::{AccessRule, Condition, DocumentRoot, MatchTarget, Token};
use crate::server::apache::include::{Loaded, Statement};
use crate::source::FileSystem;

/// What one level says.
#[derive(Clone, Debug, Default)]
pub struct Webroots {
    root: Option<(Token, PathBuf)>,
    aliases: Vec<(Arc<str>, Token, PathBuf)>,
    /// In reading order.
    gates: Vec<(Class, AccessRule)>,
    /// Whether every request is sent on.
    passes_all: bool,
}

/// When a section is heeded: later ones win.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// A folder, by how many names its path has.
    Folder(usize),
    /// An expression for folders.
    FolderFits,
    Name,
    Request,
}

/// What an open section narrows requests to.
struct Narrowed {
    class: Class,
    condition: Condition,
}

/// A section that is open.
#[derive(Clone, Copy)]
pub struct Section<'s> {
    /// Its name in lower case.
    pub name: &'s str,
    /// Its head.
    pub statement: &'s Statement,
}

/// What a section narrows requests to; absent where it does not.
fn narrowed(section: Section<'_>, files: &dyn FileSystem, loaded: &Loaded) -> Option<Narrowed> {
    let Section { name, statement } = section;
    let bytes = loaded.text(statement.text);
    let words: Vec<Token> = loaded.words(statement).iter().map(|word| word.token(bytes, statement.text)).collect();
    let (is_expression, text) = match &words[..] {
        [tilde, text] if &*tilde.text == "~" => (true, text),
        [text] => (false, text),
        _ => return None,
    };
    let text = &*text.text;
    let is_open = text.contains("${");
    let has_wildcard = text.contains(['*', '?', '[']);
    let fits = |subject: MatchTarget| Condition::Fits(subject, text.into());
    let (class, condition) = match (name, is_expression) {
        ("directory", false) if !has_wildcard => {
            let path = text.trim_end_matches('/');
            let path = if path.is_empty() { "/" } else { path };
            let located: PathBuf = loaded.locate(files, path.as_ref())?;
            (Class::Folder(located.components().count()), Condition::Below(located))
        }
        ("directory", false) => {
            let pattern = text.trim_end_matches('/');
            (Class::Folder(pattern.split('/').count()), Condition::glob(MatchTarget::Folder, pattern, false))
        }
        ("directory" | "directorymatch", _) => (Class::FolderFits, fits(MatchTarget::Folder)),
        ("files", false) => (Class::Name, Condition::glob(MatchTarget::Name, text, false)),
        ("files" | "filesmatch", _) => (Class::Name, fits(MatchTarget::Name)),
        ("location", false) if has_wildcard => (Class::Request, Condition::glob(MatchTarget::Request, text, false)),
        ("location", false) => {
            let path = text.trim_end_matches('/');
            let plain = Condition::glob(MatchTarget::Request, path, false);
            let Condition::Fits(subject, expression) = plain else { return None };
            let expression = format!("{}(/|$)", expression.trim_end_matches('$'));
            (Class::Request, Condition::Fits(subject, expression.into()))
        }
        ("location" | "locationmatch", _) => (Class::Request, fits(MatchTarget::Request)),
        // Whether these hold is known to the running server alone.
        ("if" | "elseif" | "else", _) => (Class::Request, Condition::Open),
        _ => return None,
    };
    Some(Narrowed { class, condition: if is_open { Condition::Open } else { condition } })
}

/// Whether a directive is one that is read here, by its name in lower case.
pub fn is_read(name: &str) -> bool {
    matches!(name, "documentroot" | "alias" | "require" | "deny" | "allow" | "proxypass")
}

/// Takes a directive of a level, in the sections that are open.
pub fn read<'s>(
    said: &DirectiveRef<'_>,
    sections: impl Iterator<Item = Section<'s>> + Clone,
    files: &dyn FileSystem,
    loaded: &Loaded,
    level: &mut Webroots,
) {
    let words: Vec<Token> = said.words.iter().map(|word| said.token(word)).collect();
    let located = |token: &Token| -> Option<PathBuf> {
        let path = loaded.locate(files, (*token.text).as_ref())?;
        (!token.text.contains("${")).then_some(path)
    };
    let is = |at: usize, text: &str| words.get(at).is_some_and(|word| word.text.eq_ignore_ascii_case(text));
    // Few directives ask, of the many that stand in sections.
    let narrowing = || sections.clone().filter_map(|section| narrowed(section, files, loaded));
    let is_whole = || narrowing().next().is_none();
    match (said.name, &words[..]) {
        ("documentroot", [folder]) => level.root = located(folder).map(|path| (folder.clone(), path)),
        ("alias", [prefix, folder]) if is_whole() => {
            let prefix = prefix.text.trim_end_matches('/').into();
            level.aliases.extend(located(folder).map(|path| (prefix, folder.clone(), path)));
        }
        ("proxypass", [path, target, ..]) => {
            level.passes_all |= &*path.text == "/" && &*target.text != "!" && is_whole();
        }
        ("require", _) if is(0, "all") => level.gate(narrowing(), is(1, "granted")),
        // Whoever is let in by address or password is given the files all the same.
        ("require", _) => level.gate(narrowing(), true),
        ("deny", _) if is(0, "from") && is(1, "all") => level.gate(narrowing(), false),
        ("allow", _) if is(0, "from") => level.gate(narrowing(), true),
        _ => {}
    }
}

impl Webroots {
    fn gate(&mut self, sections: impl Iterator<Item = Narrowed>, is_open: bool) {
        let sections: Vec<Narrowed> = sections.collect();
        // At the level itself neither is allowed.
        let Some(class) = sections.iter().map(|one| one.class).max() else { return };
        let takes = sections.into_iter().map(|one| one.condition).collect();
        self.gates.push((class, AccessRule { takes, is_open }));
    }
}

/// The folders of a virtual host; `outer` is what the server says.
pub fn build(own: &Webroots, outer: &Webroots) -> Vec<DocumentRoot> {
    if own.passes_all || outer.passes_all {
        return Vec::new();
    }
    let root = own.root.as_ref().or(outer.root.as_ref()).map(|(token, path)| ("".into(), token, path));
    let aliases =
        own.aliases.iter().chain(&outer.aliases).map(|(prefix, token, path)| (Arc::clone(prefix), token, path));
    let all: Vec<(Arc<str>, &Token, &PathBuf)> = aliases.chain(root).collect();
    if all.is_empty() {
        return Vec::new();
    }
    let mut gates: Vec<&(Class, AccessRule)> = outer.gates.iter().chain(&own.gates).collect();
    gates.sort_by_key(|(class, _)| *class);
    let gates: Arc<[AccessRule]> = gates.into_iter().map(|(_, gate)| gate.clone()).collect();
    all.into_iter()
        .map(|(prefix, token, path)| DocumentRoot {
            token: token.clone(),
            path: path.clone(),
            prefix,
            gates: Arc::clone(&gates),
        })
        .collect()
}
