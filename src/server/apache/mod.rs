//! Apache httpd: from its text to the model.
//!
//! So far it reads sockets, virtual hosts, names, certificates and protocols of one file; the rest is listed as unjudged.

mod lower;
mod syntax;

use std::path::{Path, PathBuf};

use super::{Form, Input, Understood};
use crate::model::{Change, Deployment, Editor, Edits};
use crate::platform::Platform;
use crate::source::{FileSystem, Limits, Sources};

/// An Apache configuration, read and understood.
pub struct Apache {
    paths: Vec<PathBuf>,
    deployment: Deployment,
}

/// Reads a configuration and lowers it.
pub fn read(files: &dyn FileSystem, sources: &mut Sources, _: &Limits, input: Input, platform: Platform) -> Apache {
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
    Apache { paths, deployment }
}

impl Understood for Apache {
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

/// Apache's text is not edited yet.
struct NoEditor;

impl Editor for NoEditor {
    fn edits(&self, _: &Change) -> Option<Edits> {
        None
    }

    fn wording(&self, change: &Change) -> String {
        match change {
            Change::SetProtocols { to, .. } => {
                let words: Vec<String> = to.iter().map(|one| format!("+{}", one.name())).collect();
                format!("`SSLProtocol -all {}`", words.join(" "))
            }
            Change::UseCertificateFile { path, .. } => format!("`SSLCertificateFile {path}`"),
            Change::UseKeyFile { path, .. } => format!("`SSLCertificateKeyFile {path}`"),
            Change::SpeakTls { .. } => "`SSLEngine on`".to_owned(),
            Change::RemoveDirective { .. } => "remove this directive".to_owned(),
            Change::DisableStapling { .. } => "`SSLUseStapling off`".to_owned(),
        }
    }
}
