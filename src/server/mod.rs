//! One folder a server, alike inside: `syntax` cuts a text into directives, `directives` knows what each may say,
//! `include` reads what belongs together, `lower` gives it a meaning, `edit` turns changes into text again.

pub mod apache;
mod backup;
pub mod caddy;
mod expression;
pub mod nginx;
mod ordered;
mod outline;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::outline::{ByteRange, Outline};
use crate::diagnostic::Problem;
use crate::model::{Deployment, Editor, ServerKind};
use crate::platform::Platform;
use crate::source::{FileId, FileSystem, Limits, Sources, Span, Text};

/// A text to begin with.
pub struct Root {
    /// Its path, for reports and for what is relative to it.
    pub path: PathBuf,
    /// Its content.
    pub bytes: Arc<[u8]>,
    /// Whether it is a file on disk.
    pub text: Text,
}

/// What is said of a text that was not read, as it is too large.
fn unread(text: &Text, file: FileId) -> Option<Problem> {
    let Text::Unread { size, limit } = text else { return None };
    let problem = Problem::new("syntax-error", Span::new(file, 0, 0)).case("too-large");
    Some(problem.with("size", size.to_string()).with("limit", limit.to_string()))
}

/// What a front end is asked to read.
pub struct Input {
    /// The texts, in the server's order.
    pub roots: Vec<Root>,
    /// Whether they are all there is.
    pub form: Completeness,
    /// What the user defines for the run: names, some with a value.
    pub definitions: Vec<(String, Option<String>)>,
}

/// Whether a text is a whole configuration.
pub enum Completeness {
    /// The main file of a server.
    Whole,
    /// Parts of one, each judged in the context that it allows. Relative paths start from `prefix`, where it is known.
    Fragment {
        /// The folder of the main file.
        prefix: Option<PathBuf>,
    },
}

/// A configuration that a front end read and understood.
pub trait ParsedConfig: Send + Sync {
    /// What it means.
    fn deployment(&self) -> &Deployment;

    /// The paths of all files that were read, those that were asked for first.
    fn paths(&self) -> Vec<&Path>;

    /// The way from rules back to its text.
    fn editor(&self) -> Box<dyn Editor + Sync + '_>;
}

/// The units that a server runs as.
pub fn units(server: ServerKind) -> &'static [&'static str] {
    match server {
        ServerKind::Nginx => &["nginx.service"],
        ServerKind::Apache => &["apache2.service", "httpd.service"],
        ServerKind::Caddy => &["caddy.service"],
    }
}

/// Reads a configuration as the server would, with all that it includes. What is wrong with it is in the deployment.
pub fn read(
    server: ServerKind,
    files: &dyn FileSystem,
    sources: &mut Sources,
    limits: &Limits,
    input: Input,
    platform: Platform,
) -> Box<dyn ParsedConfig> {
    match server {
        ServerKind::Nginx => Box::new(nginx::read(files, sources, limits, input, platform)),
        ServerKind::Apache => Box::new(apache::read(files, sources, limits, input, platform)),
        ServerKind::Caddy => Box::new(caddy::read(files, sources, limits, input, platform)),
    }
}

/// Where comments and directives stand in a text of a server's language; nothing where that has no comments.
pub fn outline(server: ServerKind, path: &Path, text: &[u8]) -> Outline {
    match server {
        ServerKind::Nginx => nginx::outline(text),
        ServerKind::Apache => apache::outline(text),
        ServerKind::Caddy if caddy::looks_like_json(text) || path.extension().is_some_and(|end| end == "json") => {
            Outline::default()
        }
        ServerKind::Caddy => caddy::outline(text),
    }
}
