//! mod_md: domains whose certificates the server gets and keeps by itself.
//!
//! Source: https://httpd.apache.org/docs/2.4/mod/mod_md.html, and mod_md 2.6 `mod_md.c`, `md_util.c` and `md_store_fs.c`:
//! `domains/NAME/pubcert.pem` and `privkey.pem` below `MDStoreDir`, which is `md` below the server's folder, with the kind
//! of key between where it is not the usual one.

mod fault;

pub use self::fault::Member;

use std::path::{Path, PathBuf};

use super::setting::DirectiveRef;
use crate::model::{Credential, Credentials, Name, Origin, Setting, Token};
use crate::source::{FileSystem, Span};

/// One managed domain.
#[derive(Clone, Debug, Default)]
struct Domain {
    names: Vec<Token>,
    /// Certificates of its own instead of those that mod_md gets.
    certificate: Option<Token>,
    key: Option<Token>,
    /// Whether virtual hosts add no names of theirs, where it says so itself.
    is_manual: Option<bool>,
    /// Whether a program of its own answers challenges by DNS.
    has_dns: bool,
}

impl Domain {
    /// Whether it is meant for a name: one of its own, or one label below a wildcard (`md_dns_matches`).
    fn covers(&self, name: &str) -> bool {
        self.names.iter().any(|own| {
            own.text.eq_ignore_ascii_case(name)
                || own.text.strip_prefix('*').is_some_and(|below| {
                    let label = name.len().checked_sub(below.len()).filter(|at| name.is_char_boundary(*at));
                    label.is_some_and(|at| name[at..].eq_ignore_ascii_case(below) && !name[..at].contains('.'))
                })
        })
    }

    /// Whether mod_md gets its certificates.
    fn is_got(&self) -> bool {
        self.certificate.is_none() && self.key.is_none()
    }
}

/// All managed domains.
#[derive(Clone, Debug, Default)]
pub struct Managed {
    domains: Vec<Domain>,
    store: Option<Token>,
    authority: Option<Token>,
    is_agreed: bool,
    is_manual: bool,
    has_dns: bool,
}

impl Managed {
    /// `MDomain names...`, or the head of `<MDomainSet>`; gives its index.
    pub fn add(&mut self, words: Vec<Token>) -> usize {
        let is_mode = |word: &Token| matches!(&*word.text.to_ascii_lowercase(), "auto" | "manual");
        let is_manual = words.iter().rfind(|word| is_mode(word)).map(|word| word.text.eq_ignore_ascii_case("manual"));
        let names = words.into_iter().filter(|word| !is_mode(word)).collect();
        self.domains.push(Domain { names, is_manual, ..Domain::default() });
        self.domains.len() - 1
    }

    /// Puts the domains of another behind these.
    pub fn append(&mut self, other: Managed) {
        self.domains.extend(other.domains);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.domains.is_empty()
    }

    /// A directive of mod_md outside of a domain. Whether it was one that matters here.
    pub fn read(&mut self, said: &DirectiveRef<'_>) -> bool {
        let Some(first) = said.first() else { return false };
        match said.name {
            "mdstoredir" => self.store = Some(first),
            "mdcertificateauthority" => self.authority = Some(first),
            "mdcertificateagreement" => self.is_agreed = true,
            "mdmembers" => self.is_manual = first.text.eq_ignore_ascii_case("manual"),
            "mdchallengedns01" => self.has_dns = true,
            _ => return false,
        }
        true
    }

    /// A directive inside `<MDomainSet>`.
    pub fn inside(&mut self, at: usize, said: &DirectiveRef<'_>) {
        let words: Vec<Token> = said.words.iter().map(|word| said.token(word)).collect();
        let Some(first) = words.first().cloned() else { return };
        let domain = &mut self.domains[at];
        match said.name {
            "mdmember" | "mdmembers" if first.text.eq_ignore_ascii_case("manual") => domain.is_manual = Some(true),
            "mdmember" | "mdmembers" if first.text.eq_ignore_ascii_case("auto") => domain.is_manual = Some(false),
            "mdmember" => domain.names.extend(words),
            "mdcertificatefile" => domain.certificate = Some(first),
            "mdcertificatekeyfile" => domain.key = Some(first),
            "mdchallengedns01" => domain.has_dns = true,
            _ => {}
        }
    }

    /// The folder of a domain in the store, as the configuration would write it.
    fn folder(&self, domain: &Token) -> String {
        let store = self.store.as_ref().map_or("md", |store| &*store.text);
        format!("{store}/domains/{}", domain.text.to_ascii_lowercase())
    }

    /// The domain that covers one of the names.
    fn domain(&self, names: &[Name]) -> Option<&Domain> {
        names.iter().find_map(|name| self.domains.iter().find(|domain| domain.covers(&name.token.text)))
    }

    /// The certificates of the domain that covers one of a virtual host's names: read from the store where they lie there,
    /// else unknown. Absent where none covers it.
    pub fn credentials(
        &self,
        files: &dyn FileSystem,
        locate: impl Fn(&Path) -> Option<PathBuf>,
        names: &[Name],
        head: Span,
    ) -> Option<Credentials> {
        let domain = self.domain(names)?;
        let first = domain.names.first()?;
        let origin = Origin::default_for(head);
        let located = |token: &Token| locate(Path::new(&*token.text)).map(|path| (token.clone(), path));
        if let (Some(certificate), Some(key)) = (&domain.certificate, &domain.key) {
            let file = |token: &Token| match located(token) {
                Some(found) => Setting::known(found, Origin::said(token.span, None)),
                None => Setting::unknown(STORE, origin),
            };
            let pair = Credential { certificate: file(certificate), key: Some(file(key)), chain: None, by_name: None };
            return Some(Credentials { pairs: vec![pair], ..Credentials::default() });
        }
        let folder = self.folder(first);
        let stored = |name: String| {
            let path = locate(Path::new(&folder))?.join(&name);
            files.metadata(&path).ok()?;
            Some(Setting::known((Token::new(format!("{folder}/{name}"), first.span), path), origin))
        };
        let kept = |name: &str| {
            let kind = name.strip_prefix("pubcert")?.strip_suffix(".pem")?;
            let (certificate, key) = (stored(name.to_owned())?, stored(format!("privkey{kind}.pem"))?);
            Some(Credential { certificate, key: Some(key), chain: None, by_name: None })
        };
        let listed = locate(Path::new(&folder)).and_then(|path| files.list(&path).ok()).unwrap_or_default();
        let mut pairs: Vec<Credential> = listed.iter().filter_map(|entry| kept(entry.name.to_str()?)).collect();
        if pairs.is_empty() {
            let open = || Setting::unknown(STORE, origin);
            pairs.push(Credential { certificate: open(), key: Some(open()), chain: None, by_name: None });
        }
        Some(Credentials { pairs, ..Credentials::default() })
    }
}

const STORE: &str = "mod_md gets this certificate by itself, and its store cannot be read here";
