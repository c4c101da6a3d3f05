//! Paths that hang on the name that a client sends: the server builds and reads them at each handshake.

use std::path::PathBuf;
use std::sync::Arc;

use super::setting::Token;

/// A stretch of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Piece {
    /// These very letters.
    Text(Arc<str>),
    /// The name that the client sends; empty where it sends none (nginx `$ssl_server_name`).
    SentName,
    /// The first name of the site (nginx `$server_name`).
    SiteName,
}

/// A path with such stretches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Template {
    /// As written.
    pub token: Token,
    /// The folder that the first stretch leads to.
    pub folder: PathBuf,
    /// What follows behind the folder.
    pub pieces: Arc<[Piece]>,
}

impl Template {
    /// The path for a client that sends `name`, in lower case; empty: it sends none.
    pub fn path(&self, name: &str) -> PathBuf {
        let text = |piece: &Piece| match piece {
            Piece::Text(text) => text.to_string(),
            Piece::SentName => name.to_owned(),
            Piece::SiteName => String::new(),
        };
        self.folder.join(self.pieces.iter().map(text).collect::<String>())
    }

    /// The same for a site of this name.
    pub fn of_site(&self, name: &str) -> Template {
        let known = |piece: &Piece| match piece {
            Piece::SiteName => Piece::Text(name.into()),
            other => other.clone(),
        };
        Template { pieces: self.pieces.iter().map(known).collect(), ..self.clone() }
    }

    /// Whether the name of the site stands in it.
    pub fn wants_site_name(&self) -> bool {
        self.pieces.contains(&Piece::SiteName)
    }
}

/// A certificate and its key whose paths are built anew for each name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ByName {
    /// The file with the leaf and its chain.
    pub certificate: Template,
    /// The file with the key.
    pub key: Template,
}
