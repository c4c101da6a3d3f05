//! Reads a configuration with everything that it includes: wave after wave, each path once, each wave in parallel.
//!
//! Only reading and cutting into directives happens here. A file that is included from two places is parsed once and
//! lowered twice; circles are found while lowering, where the way to a file is known.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use foldhash::{HashMap, HashMapExt};
use rayon::prelude::*;

use super::syntax::{self, SyntaxFault, Tree};
use crate::pki;
use crate::server::Root;
use crate::source::{self, Ahead, FileId, FileSystem, Limits, ReadError, Sources, Text, WordCount};

/// One parsed file.
pub struct LoadedFile {
    /// Where it was found.
    pub path: PathBuf,
    /// Its text.
    pub id: FileId,
    /// The text again, shared, so that lowering needs no registry.
    pub bytes: Arc<[u8]>,
    /// Its directives, while they are needed.
    tree: OnceLock<Tree>,
    /// Whether headers are set at its top, or at that of an `http` block in it.
    pub sets_headers: bool,
    /// Whether nothing but `server` blocks stands at its top.
    pub has_sites_alone: bool,
    /// What each `include` directive of it led to, by the directive's index.
    pub includes: HashMap<usize, Included>,
}

impl LoadedFile {
    /// Its directives: the text is cut anew where they were forgotten.
    pub fn tree(&self) -> &Tree {
        self.tree.get_or_init(|| syntax::parse_again(&self.bytes))
    }

    /// Gives the memory of its directives back: few files are asked for them once they are lowered. Those of a text that
    /// could not be cut without a fault are kept.
    fn forget(&mut self) {
        let tree = self.tree();
        let is = |one: usize, name: &[u8]| tree.name(one, &self.bytes) == name;
        let around = tree.roots().filter(|one| is(*one, b"http")).flat_map(|one| tree.children(one));
        let sets_headers = tree.roots().chain(around).any(|one| is(one, b"add_header"));
        let is_faultless = tree.problems.is_empty();
        self.sets_headers = sets_headers;
        if is_faultless {
            self.tree = OnceLock::new();
        }
    }
}

/// What an `include` led to.
pub enum Included {
    /// These files, in nginx's order; indices into [`Loaded::files`], or why one could not be read.
    Files(Vec<Result<usize, (PathBuf, ReadError)>>),
    /// A relative path, and nothing says relative to what.
    NoPrefix,
}

/// A text cut into directives, and what is asked of each file later in one row.
struct Parsed {
    tree: Tree,
    has_sites_alone: bool,
}

impl Parsed {
    fn of(tree: Tree, bytes: &[u8]) -> Self {
        let has_sites_alone = tree.roots().all(|one| tree.name(one, bytes) == b"server");
        Parsed { tree, has_sites_alone }
    }
}

/// A text that was cut beside others: its words count once those of all before it do.
struct Cut {
    words: usize,
    /// Absent where too much was cut ahead: then it is cut again should it count.
    parsed: Option<Parsed>,
}

impl Cut {
    fn of(bytes: &[u8], limits: &Limits, ahead: &Ahead) -> Cut {
        let tree = syntax::parse_within(bytes, limits);
        let words = tree.words.len();
        Cut { words, parsed: ahead.keeps(words).then(|| Parsed::of(tree, bytes)) }
    }

    /// The directives, now that it is its turn.
    fn counted(self, bytes: &[u8], limits: &Limits, count: &mut WordCount) -> Result<Parsed, ReadError> {
        count.add(self.words)?;
        Ok(self.parsed.unwrap_or_else(|| Parsed::of(syntax::parse_within(bytes, limits), bytes)))
    }
}

/// How many files one worker takes at a time.
const AT_ONCE: usize = 256;

/// A configuration and all that it includes.
pub struct Loaded {
    /// Every file, in the order of discovery; the first `roots` were asked for.
    pub files: Vec<LoadedFile>,
    /// How many files were asked for rather than included.
    pub roots: usize,
    /// The folder of the main configuration file, which relative paths start from; absent in a fragment without one.
    pub prefix: Option<PathBuf>,
}

impl Loaded {
    /// Where a path that the configuration names is found. Absent where it is relative and there is no prefix.
    pub fn locate(&self, files: &dyn FileSystem, written: &Path) -> Option<PathBuf> {
        match &self.prefix {
            Some(prefix) => Some(files.locate(prefix, written)),
            None if written.is_absolute() => Some(files.locate(Path::new("/"), written)),
            None => None,
        }
    }

    /// Reads the roots and, in waves, what they include.
    pub fn read(
        files: &dyn FileSystem,
        sources: &mut Sources,
        limits: &Limits,
        roots: Vec<Root>,
        prefix: Option<PathBuf>,
    ) -> Loaded {
        let mut loaded = Loaded { files: Vec::new(), roots: roots.len(), prefix };
        let mut known: HashMap<PathBuf, Result<usize, ReadError>> = HashMap::new();
        let mut count = WordCount::new(limits);
        let ahead = count.ahead();
        let faulty = |root: &Root, fault| Parsed::of(Tree::of_fault(&root.bytes, fault), &root.bytes);
        let cut =
            |root: &Root| (!matches!(root.text, Text::Unread { .. })).then(|| Cut::of(&root.bytes, limits, &ahead));
        let cuts: Vec<Option<Cut>> = roots.par_iter().map(cut).collect();
        for (root, cut) in roots.into_iter().zip(cuts) {
            let tree = match (&root.text, cut) {
                (Text::Unread { size, limit }, _) => faulty(&root, SyntaxFault::TooLarge(*size, *limit)),
                (_, Some(cut)) => cut
                    .counted(&root.bytes, limits, &mut count)
                    .unwrap_or_else(|_| faulty(&root, SyntaxFault::TooManyWords(limits.words))),
                (_, None) => faulty(&root, SyntaxFault::TooManyWords(limits.words)),
            };
            known.insert(root.path.clone(), Ok(loaded.files.len()));
            loaded.add(sources, root, tree);
        }
        let mut from = 0;
        while from < loaded.files.len() {
            let wave = from..loaded.files.len();
            from = wave.end;
            let wanted: Vec<Vec<(usize, Option<Vec<PathBuf>>)>> =
                loaded.files[wave.clone()].par_iter().map(|file| loaded.wanted(files, file)).collect();
            let mut missing: Vec<PathBuf> = Vec::new();
            for path in wanted.iter().flatten().flat_map(|(_, paths)| paths.iter().flatten()) {
                if !known.contains_key(path) && loaded.files.len() + missing.len() < limits.includes {
                    known.insert(path.clone(), Err(ReadError::Missing)); // replaced below
                    missing.push(path.clone());
                }
            }
            let ahead = count.ahead();
            let read: Vec<Result<_, ReadError>> = missing
                .par_iter()
                .map(|path| {
                    let bytes = files.read(path, limits.config_file)?;
                    if pki::holds_key(&bytes) {
                        // nginx would choke on it, and no word of it may be told.
                        return Err(ReadError::Other("it holds a private key and is no configuration".into()));
                    }
                    let cut = Cut::of(&bytes, limits, &ahead);
                    Ok((bytes, cut))
                })
                .collect();
            for (path, result) in missing.into_iter().zip(read) {
                let counted = result.and_then(|(bytes, cut)| {
                    let tree = cut.counted(&bytes, limits, &mut count)?;
                    Ok((bytes, tree))
                });
                let entry = match counted {
                    Ok((bytes, tree)) => {
                        loaded.add(sources, Root { path: path.clone(), bytes, text: Text::File }, tree);
                        Ok(loaded.files.len() - 1)
                    }
                    Err(error) => Err(error),
                };
                known.insert(path, entry);
            }
            for (file, wanted) in wave.zip(wanted) {
                for (directive, paths) in wanted {
                    let found = |path: PathBuf| match known.get(&path) {
                        Some(Ok(index)) => Ok(*index),
                        Some(Err(error)) => Err((path, error.clone())),
                        None => Err((path, ReadError::Other("more included files than the limit allows".into()))),
                    };
                    let included = match paths {
                        Some(paths) => Included::Files(paths.into_iter().map(found).collect()),
                        None => Included::NoPrefix,
                    };
                    loaded.files[file].includes.insert(directive, included);
                }
            }
        }
        loaded
    }

    /// Gives back what only lowering needs.
    pub fn forget(&mut self) {
        self.files.par_iter_mut().with_min_len(AT_ONCE).for_each(LoadedFile::forget);
    }

    fn add(&mut self, sources: &mut Sources, root: Root, Parsed { tree, has_sites_alone }: Parsed) {
        let id = sources.add(root.path.clone(), Arc::clone(&root.bytes), root.text);
        let (path, bytes, includes) = (root.path, root.bytes, HashMap::new());
        self.files.push(LoadedFile {
            path,
            id,
            bytes,
            tree: tree.into(),
            sets_headers: false,
            has_sites_alone,
            includes,
        });
    }

    /// The paths that each `include` of a file names; absent where a relative one has nothing to start from.
    fn wanted(&self, files: &dyn FileSystem, file: &LoadedFile) -> Vec<(usize, Option<Vec<PathBuf>>)> {
        let mut wanted = Vec::new();
        for directive in 0..file.tree().directives.len() {
            if file.tree().name(directive, &file.bytes) != b"include" {
                continue;
            }
            let [word] = file.tree().args(directive) else { continue };
            let value = word.value(&file.bytes);
            let located = self.locate(files, path_of(&value));
            let paths = located.map(|path| match source::has_wildcard(&value) {
                true => source::expand(files, &path),
                false => vec![path],
            });
            wanted.push((directive, paths));
        }
        wanted
    }
}

/// The path that bytes of a configuration name.
pub fn path_of(bytes: &[u8]) -> &Path {
    Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes))
}
