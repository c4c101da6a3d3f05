//! The files that a server reads while it starts, with the words that name them.

use std::path::{Path, PathBuf};

use super::policy::VerifyMode;
use super::setting::{Setting, Token};
use super::{Deployment, UpstreamAuthorities};

/// A file that the configuration names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedFile<'d> {
    /// The word that names it.
    pub token: &'d Token,
    /// Where it lies.
    pub path: &'d Path,
    /// Whether a key is looked for in it.
    pub is_key: bool,
}

type Written = Setting<(Token, PathBuf)>;

impl Deployment {
    /// Every certificate, key, authority, file of passwords and revocation list that is read at start, in the order of the model; one that is
    /// named in several places comes several times.
    pub fn files_at_start<'d>(&'d self) -> Vec<NamedFile<'d>> {
        fn of(file: &Written) -> Option<(&Token, &Path)> {
            file.get().map(|(token, path)| (token, path.as_path()))
        }
        fn plain(file: &(Token, PathBuf)) -> (&Token, &Path) {
            (&file.0, &file.1)
        }
        let mut found = Vec::new();
        let mut add = |named: Option<(&'d Token, &'d Path)>, is_key| {
            found.extend(named.map(|(token, path)| NamedFile { token, path, is_key }));
        };
        for set in &self.credentials {
            for pair in &set.pairs {
                add(of(&pair.certificate), false);
                add(pair.key.as_ref().and_then(of), true);
                add(pair.chain.as_ref().and_then(of), false);
            }
            add(set.authorities.as_ref().map(plain), false);
            add(set.passwords.as_ref().map(plain), false);
        }
        for policy in &self.policies {
            if let Some(one) = policy.client_verification.get().filter(|one| one.mode != VerifyMode::Off) {
                one.authority_files().for_each(|file| add(Some(plain(file)), false));
                add(one.revocations.as_ref().map(plain), false);
            }
        }
        let loaded = self.loaded_upstreams();
        for (policy, _) in self.upstream_policies.iter().zip(loaded).filter(|(_, is_loaded)| *is_loaded) {
            for pair in &policy.credentials {
                add(of(&pair.certificate), false);
                add(pair.key.as_ref().and_then(of), true);
            }
            if let Some(UpstreamAuthorities::Own { file: Some(file), .. }) = policy.authorities.get() {
                add(of(file), false);
            }
        }
        found
    }

    /// Of each policy towards upstream servers, whether its files are read at start.
    fn loaded_upstreams(&self) -> Vec<bool> {
        let mut loaded = vec![false; self.upstream_policies.len()];
        for one in self.upstreams.iter().filter(|one| one.loads_files) {
            loaded[one.policy.0 as usize] = true;
        }
        loaded
    }
}
