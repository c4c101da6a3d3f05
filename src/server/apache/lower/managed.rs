//! mod_md: domains whose certificates the server gets and keeps by itself.
//!
//! Source: https://httpd.apache.org/docs/2.4/mod/mod_md.html, and mod_md 2.6 `md_store_fs.c`: `domains/NAME/pubcert.pem`
//! and `privkey.pem` below `MDStoreDir`, which is `md` below the server's folder.

use std::path::{Path, PathBuf};

use super::setting::Said;
use crate::model::{Credential, Credentials, Origin, Setting, Token};
use crate::source::{FileSystem, Span};

/// One managed domain.
#[derive(Clone, Debug, Default)]
struct Domain {
    names: Vec<Token>,
    /// Certificates of its own instead of those that mod_md gets.
    certificate: Option<Token>,
    key: Option<Token>,
}

/// All managed domains.
#[derive(Clone, Debug, Default)]
pub struct Managed {
    domains: Vec<Domain>,
    store: Option<Token>,
}

impl Managed {
    /// `MDomain names...`, or the head of `<MDomainSet>`; gives its index.
    pub fn add(&mut self, words: Vec<Token>) -> usize {
        let is_name = |word: &Token| !matches!(&*word.text.to_ascii_lowercase(), "auto" | "manual");
        let names = words.into_iter().filter(is_name).collect();
        self.domains.push(Domain { names, certificate: None, key: None });
        self.domains.len() - 1
    }

    /// A directive of mod_md outside of a domain. Whether it was one that matters here.
    pub fn read(&mut self, said: &Said<'_>) -> bool {
        let Some(first) = said.words.first().map(|word| said.token(word)) else { return false };
        let is_store = said.name == "mdstoredir";
        if is_store {
            self.store = Some(first);
        }
        is_store
    }

    /// A directive inside `<MDomainSet>`.
    pub fn inside(&mut self, at: usize, said: &Said<'_>) {
        let words: Vec<Token> = said.words.iter().map(|word| said.token(word)).collect();
        let Some(first) = words.first().cloned() else { return };
        let domain = &mut self.domains[at];
        match said.name {
            "mdmember" => domain.names.extend(words),
            "mdcertificatefile" => domain.certificate = Some(first),
            "mdcertificatekeyfile" => domain.key = Some(first),
            _ => {}
        }
    }

    /// The certificates of the domain that covers one of a virtual host's names: read from the store where it lies there,
    /// else unknown. Absent where none covers it.
    pub fn credentials<'n>(
        &self,
        files: &dyn FileSystem,
        locate: impl Fn(&Path) -> Option<PathBuf>,
        mut names: impl Iterator<Item = &'n str>,
        head: Span,
    ) -> Option<Credentials> {
        let covers = |domain: &&Domain, name: &str| domain.names.iter().any(|one| one.text.eq_ignore_ascii_case(name));
        let domain = names.find_map(|name| self.domains.iter().find(|domain| covers(domain, name)))?;
        let first = domain.names.first()?;
        let origin = Origin { bites: head, ..Origin::default_for(first.span) };
        let located = |token: &Token| locate(Path::new(&*token.text)).map(|path| (token.clone(), path));
        if let (Some(certificate), Some(key)) = (&domain.certificate, &domain.key) {
            let file = |token: &Token| match located(token) {
                Some(found) => Setting::known(found, Origin::written(token.span, None)),
                None => Setting::unknown(STORE, origin),
            };
            let pair = Credential { certificate: file(certificate), key: Some(file(key)), chain: None, by_name: None };
            return Some(Credentials { pairs: vec![pair], ..Credentials::default() });
        }
        let store = self.store.as_ref().map_or("md", |store| &*store.text);
        let folder = format!("{store}/domains/{}", first.text.to_ascii_lowercase());
        let kept = |name: &str| {
            let path = locate(Path::new(&format!("{folder}/{name}")))?;
            files.metadata(&path).ok().map(|_| (Token::new(format!("{folder}/{name}"), first.span), path))
        };
        let setting = |found: Option<(Token, PathBuf)>| match found {
            Some(found) => Setting::known(found, origin),
            None => Setting::unknown(STORE, origin),
        };
        let (certificate, key) = (kept("pubcert.pem"), kept("privkey.pem"));
        let both = certificate.is_some() && key.is_some();
        let pair = Credential {
            certificate: setting(certificate.filter(|_| both)),
            key: Some(setting(key.filter(|_| both))),
            chain: None,
            by_name: None,
        };
        Some(Credentials { pairs: vec![pair], ..Credentials::default() })
    }
}

const STORE: &str = "mod_md gets this certificate by itself, and its store cannot be read here";
