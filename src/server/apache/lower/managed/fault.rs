//! What is wrong with managed domains, and with virtual hosts that live by them.
//!
//! Source: mod_md 2.6, `mod_md.c`; the numbers of its messages stand beside what they say.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{Domain, Managed};
use crate::diagnostic::{Problem, Severity};
use crate::model::{Name, NameKind};
use crate::source::{FileSystem, Span};

/// A virtual host that speaks TLS.
pub struct Member<'m> {
    pub names: &'m [Name],
    pub head: Span,
    /// Whether it writes certificates of its own.
    pub has_own: bool,
}

impl Managed {
    /// Looks at all domains, and at the virtual hosts that speak TLS.
    pub fn faults(
        &self,
        files: &dyn FileSystem,
        locate: impl Fn(&Path) -> Option<PathBuf>,
        members: &[Member<'_>],
    ) -> Vec<Problem> {
        let mut found = Vec::new();
        self.overlaps(&mut found);
        for member in members {
            self.between(member, &mut found);
            self.uncovered(member, &mut found);
        }
        for domain in self.domains.iter().filter(|domain| domain.is_got()) {
            let Some(first) = domain.names.first() else { continue };
            self.never_got(domain, &mut found);
            let lives =
                |member: &&Member<'_>| !member.has_own && member.names.iter().any(|one| domain.covers(&one.token.text));
            let Some(member) = members.iter().find(lives) else { continue };
            let folder = self.folder(first);
            let Some(path) = locate(Path::new(&folder)) else { continue };
            // Without any store the server has not started yet with mod_md.
            let store = path.parent().and_then(Path::parent);
            if store.is_none_or(|store| files.metadata(store).is_err_and(|error| error.is_missing())) {
                continue;
            }
            let is_certificate = |name: &std::ffi::OsStr| {
                name.to_str().is_some_and(|name| name.starts_with("pubcert") && name.ends_with(".pem"))
            };
            let case = match files.list(&path) {
                Ok(entries) if entries.iter().any(|entry| is_certificate(&entry.name)) => continue,
                Ok(_) => "",
                Err(error) if error.is_missing() => "",
                Err(_) => "unreadable",
            };
            let problem = Problem::new("managed-certificate-missing", first.span)
                .case(case)
                .severity(if case.is_empty() { Severity::Warning } else { Severity::Info })
                .with("domain", &*first.text)
                .with("path", folder);
            found.push(problem.related(member.head, "lives by it"));
        }
        found
    }

    /// AH10038: one name in two domains.
    fn overlaps(&self, found: &mut Vec<Problem>) {
        let mut seen: HashMap<String, (usize, Span)> = HashMap::new();
        for (at, domain) in self.domains.iter().enumerate() {
            for name in &domain.names {
                match seen.get(&name.text.to_ascii_lowercase()) {
                    Some((other, first)) if *other != at => {
                        let problem = Problem::new("managed-domain-overlap", name.span).with("name", &*name.text);
                        found.push(problem.related(*first, "in this one already"));
                    }
                    Some(_) => {}
                    None => {
                        seen.insert(name.text.to_ascii_lowercase(), (at, name.span));
                    }
                }
            }
        }
    }

    /// AH10238, and AH02572 after it: a virtual host whose names lie in two domains gets the certificate of neither.
    fn between(&self, member: &Member<'_>, found: &mut Vec<Problem>) {
        let of = |name: &Name| self.domains.iter().position(|domain| domain.covers(&name.token.text));
        let mut domains = member.names.iter().filter_map(|name| Some((name, of(name)?)));
        let Some((first, domain)) = domains.next().filter(|_| !member.has_own) else { return };
        if let Some((second, _)) = domains.find(|(_, other)| *other != domain) {
            let problem = Problem::new("managed-domain-overlap", second.token.span).case("site");
            let problem = problem.with("name", &*second.token.text).with("other", &*first.token.text);
            found.push(problem.related(first.token.span, "is in another domain"));
        }
    }

    /// AH10040: a name that the domain of its virtual host does not have, and does not take over.
    fn uncovered(&self, member: &Member<'_>, found: &mut Vec<Problem>) {
        let Some(domain) = self.domain(member.names).filter(|_| !member.has_own) else { return };
        let Some(first) = domain.names.first().filter(|_| domain.is_manual.unwrap_or(self.is_manual)) else { return };
        let open = member
            .names
            .iter()
            .filter(|name| name.kind == NameKind::Exact && self.domain(std::slice::from_ref(name)).is_none());
        for name in open {
            let problem = Problem::new("managed-domain-uncovered-name", name.token.span);
            let problem = problem.with("name", &*name.token.text).with("domain", &*first.text);
            found.push(problem.related(first.span, "takes no names from virtual hosts"));
        }
    }

    /// A certificate that mod_md never gets: a wildcard without a program that answers by DNS, or terms that nobody took.
    fn never_got(&self, domain: &Domain, found: &mut Vec<Problem>) {
        let wildcard = domain.names.iter().find(|name| name.text.starts_with('*'));
        if let Some(name) = wildcard.filter(|_| !self.has_dns && !domain.has_dns) {
            let problem = Problem::new("managed-domain-uncovered-name", name.span).case("wildcard");
            found.push(problem.with("name", &*name.text));
        }
        let is_lets_encrypt = |word: &crate::model::Token| word.text.to_ascii_lowercase().contains("letsencrypt");
        let asks = self.authority.as_ref().is_none_or(is_lets_encrypt);
        if let Some(first) = domain.names.first().filter(|_| asks && !self.is_agreed) {
            let problem = Problem::new("managed-domain-uncovered-name", first.span).case("agreement");
            found.push(problem.with("name", &*first.text));
        }
    }
}
