//! Caddy: from its text to the model.
//!
//! So far it reads site blocks, their addresses, and `tls` of one Caddyfile; the rest is listed as unjudged.

mod lower;
mod syntax;

use std::path::{Path, PathBuf};

use super::{Form, Input, Understood};
use crate::model::{Change, Deployment, Editor, Edits};
use crate::platform::Platform;
use crate::source::{FileSystem, Limits, Sources};

/// A Caddy configuration, read and understood.
pub struct Caddy {
    paths: Vec<PathBuf>,
    deployment: Deployment,
}

/// Reads a configuration and lowers it.
pub fn read(files: &dyn FileSystem, sources: &mut Sources, _: &Limits, input: Input, platform: Platform) -> Caddy {
    let fragment = matches!(input.form, Form::Fragment { .. });
    let mut paths = Vec::new();
    let mut texts = Vec::new();
    for root in input.roots {
        let id = sources.add(root.path.clone(), std::sync::Arc::clone(&root.bytes), root.text);
        texts.push(lower::Source {
            id,
            folder: root.path.parent().unwrap_or(Path::new("")).to_path_buf(),
            bytes: root.bytes,
        });
        paths.push(root.path);
    }
    let deployment = lower::lower(files, &texts, platform, fragment);
    Caddy { paths, deployment }
}

impl Understood for Caddy {
    fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    fn paths(&self) -> Vec<&Path> {
        self.paths.iter().map(PathBuf::as_path).collect()
    }

    fn editor(&self) -> Box<dyn Editor + Sync + '_> {
        Box::new(NoEditor)
    }
}

/// Caddy's text is not edited yet.
struct NoEditor;

impl Editor for NoEditor {
    fn edits(&self, _: &Change) -> Option<Edits> {
        None
    }

    fn wording(&self, change: &Change) -> String {
        match change {
            Change::SetProtocols { to, .. } => {
                let word = |one: Option<crate::tls::Protocol>| {
                    one.map_or("", |one| one.name()).to_ascii_lowercase().replace('v', "")
                };
                format!("`protocols {} {}` in `tls`", word(to.oldest()), word(to.newest()))
            }
            Change::UseCertificateFile { path, .. } | Change::UseKeyFile { path, .. } => format!("`{path}` in `tls`"),
            Change::SpeakTls { .. } => "use `https://` in the address".to_owned(),
            Change::RemoveDirective { .. } | Change::DisableStapling { .. } => "remove this directive".to_owned(),
        }
    }
}
