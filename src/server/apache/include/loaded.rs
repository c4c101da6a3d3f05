//! What reading comes to: statements in reading order, with the texts that they stand in.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::module::Modules;
use crate::diagnostic::{Problem, Unchecked};
use crate::model::{FrameId, Frames};
use crate::server::apache::syntax::{self, Kind, Word};
use crate::source::{FileId, FileSystem, Span};

/// A line that is left for lowering: a directive, or the head or end of a section.
#[derive(Clone, Copy, Debug)]
pub struct Statement {
    /// What it is.
    pub kind: Kind,
    /// The text that it stands in, after substitution.
    pub text: FileId,
    /// The name, without `<`, `</` and `>`; offsets in the text.
    pub name: (u32, u32),
    /// What stands behind the name, for a section without the `>`; offsets in the text.
    pub arguments: (u32, u32),
    /// The whole line before variables are replaced.
    pub line: Span,
    /// The includes and macros that led there.
    pub include_chain: Option<FrameId>,
}

/// A virtual host with TLS in a section whose condition does not hold.
#[derive(Clone, Debug)]
pub struct PassedOver {
    /// The name of the section.
    pub section: Span,
    /// The head of the virtual host.
    pub head: Span,
    /// The ports that it would answer on.
    pub ports: Vec<u16>,
    /// Its names, in lower case.
    pub names: Vec<String>,
}

/// A configuration with all that it includes.
pub struct Loaded {
    pub(super) texts: Vec<Arc<[u8]>>,
    pub(super) first: u32,
    /// Texts that substitution made.
    pub(super) made: HashSet<FileId>,
    /// Which statements stand in which text, once somebody asks.
    pub(super) by_text: OnceLock<HashMap<FileId, Vec<usize>>>,
    /// What is left for lowering, in reading order.
    pub statements: Vec<Statement>,
    /// Every file that was read, in order; those that were asked for first.
    pub paths: Vec<PathBuf>,
    /// How lines got to where they were read.
    pub frames: Frames,
    /// What is wrong with the text.
    pub problems: Vec<Problem>,
    /// Virtual hosts with TLS that conditions keep out.
    pub passed_over: Vec<PassedOver>,
    /// What could not be known while reading.
    pub unjudged: Vec<Unchecked>,
    /// What relative paths start from in the end; absent in a fragment without one.
    pub server_root: Option<PathBuf>,
    /// Which modules are loaded.
    pub modules: Modules,
    /// Whether all of the environment is known, so that a variable without a value has none.
    pub environment_is_known: bool,
    /// Names in it whose values are not.
    pub opaque_names: HashSet<String>,
}

impl Loaded {
    /// The bytes of a text that was read or made here.
    pub fn text(&self, id: FileId) -> &Arc<[u8]> {
        &self.texts[(id.0 - self.first) as usize]
    }

    /// The text of the first file.
    pub fn first_text(&self) -> FileId {
        FileId(self.first)
    }

    /// The name of a statement.
    pub fn name(&self, statement: &Statement) -> &[u8] {
        &self.text(statement.text)[statement.name.0 as usize..statement.name.1 as usize]
    }

    /// Where the name of a statement stands.
    pub fn name_span(&self, statement: &Statement) -> Span {
        Span::new(statement.text, statement.name.0, statement.name.1)
    }

    /// The arguments of a statement, cut into words.
    pub fn words(&self, statement: &Statement) -> Vec<Word> {
        syntax::words(self.text(statement.text), statement.arguments.0 as usize, statement.arguments.1 as usize)
    }

    /// The positions of the statements that stand in a text, in order.
    pub fn positions_of(&self, file: FileId) -> &[usize] {
        let by_text = self.by_text.get_or_init(|| {
            let mut by_text: HashMap<FileId, Vec<usize>> = HashMap::new();
            for (at, statement) in self.statements.iter().enumerate() {
                by_text.entry(statement.text).or_default().push(at);
            }
            by_text
        });
        by_text.get(&file).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether a text is a file, not made by substitution.
    pub fn is_file(&self, id: FileId) -> bool {
        !self.made.contains(&id)
    }

    /// Where a path that the configuration names is found. Absent where it is relative and there is nothing to start from.
    pub fn locate(&self, files: &dyn FileSystem, written: &Path) -> Option<PathBuf> {
        super::file::locate(files, self.server_root.as_deref(), written)
    }
}
