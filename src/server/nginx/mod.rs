//! nginx: from its text to the model and back.

pub mod directives;
mod edit;
mod include;
mod lower;
pub mod syntax;

use std::path::Path;

use self::directives::Context;
pub use self::edit::NginxEditor;
use self::include::Loaded;
use super::{ByteRange, Completeness, Input, Outline, ParsedConfig};
use crate::model::{Deployment, Editor};
use crate::platform::Platform;
use crate::source::{FileSystem, Limits, Sources};

/// An nginx configuration, read and understood.
pub struct Nginx {
    loaded: Loaded,
    deployment: Deployment,
}

/// Reads a configuration with all that it includes, and lowers it. What is wrong with it is in the deployment.
pub fn read(files: &dyn FileSystem, sources: &mut Sources, limits: &Limits, input: Input, platform: Platform) -> Nginx {
    let (fragment, prefix) = match input.form {
        Completeness::Whole => {
            (false, input.roots.first().map(|root| root.path.parent().unwrap_or(Path::new("")).to_path_buf()))
        }
        Completeness::Fragment { prefix } => (true, prefix),
    };
    let mut loaded = Loaded::read(files, sources, limits, input.roots, prefix);
    let context = |file: &include::LoadedFile| match fragment {
        true => directives::context_of(file.tree(), &file.bytes),
        false => Some(Context::Main),
    };
    let contexts = loaded.files[..loaded.roots].iter().map(context).collect();
    let said = lower::collect(files, &loaded, limits, &lower::Reading { contexts, fragment }, &platform);
    loaded.forget();
    let deployment = lower::deployment(said, platform);
    Nginx { loaded, deployment }
}

/// Whether a text is a whole configuration by its looks: it has `http`, `events`, `stream` or `mail` at its top.
pub fn is_whole(text: &[u8]) -> bool {
    let tree = syntax::parse(text);
    let mut roots = tree.roots();
    roots.any(|index| matches!(tree.name(index, text), b"http" | b"events" | b"stream" | b"mail"))
}

impl ParsedConfig for Nginx {
    fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    fn paths(&self) -> Vec<&Path> {
        self.loaded.files.iter().map(|file| file.path.as_path()).collect()
    }

    fn editor(&self) -> Box<dyn Editor + Sync + '_> {
        Box::new(NginxEditor::new(&self.loaded, &self.deployment))
    }
}

/// Where comments and directives stand.
pub fn outline(text: &[u8]) -> Outline {
    let tree = syntax::parse(text);
    let comments = tree.comments.iter().map(|(start, end)| ByteRange { start: *start, end: *end });
    let directives = tree.directives.iter().map(|one| ByteRange { start: one.start, end: one.end });
    Outline { comments: comments.collect(), directives: directives.collect() }
}

/// Whether a text could be nginx's: at least one of its directives is, and none is cut wrongly before it.
pub fn looks_like(text: &[u8]) -> bool {
    let tree = syntax::parse(text);
    let known = tree.roots().filter(|index| !directives::find(tree.name(*index, text)).is_empty()).count();
    known * 2 > tree.roots().count()
}
