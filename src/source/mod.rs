//! Texts and places in them: what a configuration is made of before anybody gives it a meaning.
//!
//! A text is a file, standard input, or the result of a substitution (an Apache macro, a Caddy `{$VAR}`); each has a
//! [`FileId`], and every place in every text is a [`Span`]. Reading goes through [`FileSystem`]; nothing else in the
//! crate opens a file of the configuration.

pub mod archive;
mod disk;
mod filesystem;
mod git;
mod glob;
mod limits;
mod map;
mod mapped;
mod memory;
mod mounted;
mod path_walk;
mod real;
mod recorder;
mod tree;

pub use archive::Archive;
pub use disk::Disk;
pub use filesystem::{Entry, FileKind, FileSystem, Layer, Metadata, ReadError};
pub use git::Git;
pub use glob::{Pattern, expand, has_wildcard};
pub use limits::{Ahead, Limits, Metered, WordCount};
pub use map::{FileId, Place, Position, Segment, SourceFile, Sources, Span, Text, contains, occurrences};
pub use mapped::{Elsewhere, Mapped};
pub use memory::{Memory, Overlay};
pub use mounted::Mounted;
pub use path_walk::{PathWalk, Step, Trails};
pub use real::RealPaths;
pub use recorder::Recorder;
pub use tree::{Node, Stored, Tree, inside};
