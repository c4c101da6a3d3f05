//! Managed certificates in Caddy's storage, where that can be read: `certificates/AUTHORITY/NAME/NAME.crt` and `.key`.
//!
//! Source: certmagic 0.25, `KeyBuilder`; the folder is the data folder of the user that runs the service.

use std::path::{Path, PathBuf};

use super::Lowering;
use crate::model::{Credential, Origin, Setting, Token};
use crate::server::caddy::config::Storage as Written;

/// A storage that can be read.
pub struct Storage {
    /// The folders of the authorities.
    authorities: Vec<PathBuf>,
}

impl Storage {
    /// Looks for the storage.
    pub fn open(lowering: &Lowering<'_>, written: &Written) -> Storage {
        let files = lowering.reading.files;
        let folder = match written {
            Written::Folder(folder) => folder.clone(),
            Written::Default => match &lowering.platform.data_folder {
                Some(folder) => files.locate(Path::new("/"), folder),
                None => return Storage { authorities: Vec::new() },
            },
            Written::Elsewhere => return Storage { authorities: Vec::new() },
        };
        let folder = folder.join("certificates");
        let entries = files.list(&folder).unwrap_or_default();
        Storage { authorities: entries.into_iter().map(|entry| folder.join(entry.name)).collect() }
    }

    /// The newest certificate of a name.
    pub fn find(&self, lowering: &Lowering<'_>, name: &str, at: &Token) -> Option<Credential> {
        let safe = name.replace('*', "wildcard_").to_lowercase();
        let paths = self.authorities.iter().map(|folder| folder.join(&safe).join(format!("{safe}.crt")));
        let files = lowering.reading.files;
        let found = paths.filter_map(|path| Some((files.metadata(&path).ok()?.modified, path)));
        let (_, certificate) = found.max()?;
        let origin = Origin::default_for(at.span);
        let file = |path: PathBuf| {
            let token = Token { text: path.display().to_string().into(), span: at.span };
            Setting::known((token, path), origin)
        };
        let key = certificate.with_extension("key");
        Some(Credential { certificate: file(certificate), key: Some(file(key)), chain: None, by_name: None })
    }
}
