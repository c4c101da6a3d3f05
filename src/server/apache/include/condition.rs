//! Conditions that decide while reading: `<IfModule>`, `<IfDefine>`, `<IfVersion>`, `<IfFile>`, `<IfDirective>`,
//! `<IfSection>`.
//!
//! Sources: Apache 2.4, `server/core.c` (`start_ifmod`, `start_ifdefine`, `start_iffile`, `start_ifdirective`) and
//! `mod_version.c` (`start_ifversion`).

use std::cmp::Ordering;
use std::sync::Arc;

use regex_automata::meta::Regex;

use super::{PassedOver, Reader, Statement, path_of};
use crate::diagnostic::{Problem, Unchecked};
use crate::platform::Version;
use crate::server::apache::directives;
use crate::server::apache::syntax;
use crate::source::Span;

impl Reader<'_> {
    /// Whether a condition holds. One that cannot be read is told and taken for false.
    pub(super) fn condition(&mut self, name: &[u8], statement: &Statement) -> bool {
        let text = Arc::clone(self.out.text(statement.text));
        let (start, end) = (statement.arguments.0 as usize, statement.arguments.1 as usize);
        if name == b"ifversion" {
            return self.version_holds(statement, &text);
        }
        let blanks = text[start..end].iter().take_while(|byte| syntax::is_space(**byte)).count();
        let negated = text[start + blanks..end].first() == Some(&b'!');
        let from = start + blanks + usize::from(negated);
        let Some(word) = syntax::first_word(&text, from, end) else {
            let at = self.out.name_span(statement);
            let problem = Problem::new("invalid-argument", at).case("count");
            let name = format!("<{}>", String::from_utf8_lossy(self.out.name(statement)));
            self.out.problems.push(problem.with("name", name).with("expected", "an argument").with("count", "0"));
            return false;
        };
        let value = word.value(&text);
        let at = word.span(statement.text);
        let holds = match name {
            b"ifmodule" => self.out.modules.has(&value),
            b"ifdefine" => self.variables.is_defined(&value),
            b"iffile" => return self.file_exists(&value, at).is_some_and(|exists| exists != negated),
            b"ifdirective" => self.knows(&value),
            b"ifsection" => self.knows(&[b"<", &value[..]].concat()),
            _ => false,
        };
        holds != negated
    }

    /// Whether a loaded module brings a directive.
    fn knows(&self, name: &[u8]) -> bool {
        let rows = directives::find(name);
        rows.iter().any(|row| row.is_in(self.platform.server_version) && row.is_loaded(&self.out.modules))
    }

    /// Whether a file is there; absent where that cannot be known.
    fn file_exists(&mut self, value: &[u8], at: Span) -> Option<bool> {
        let path = super::file::locate(self.files.disk(), self.out.server_root.as_deref(), path_of(value));
        let found = path.map(|path| self.files.disk().metadata(&path));
        match found {
            Some(Ok(_)) => Some(true),
            Some(Err(error)) if error.is_missing() && !self.fragment => Some(false),
            _ => {
                let shown = String::from_utf8_lossy(value);
                let reason = format!("whether `{shown}` is there is not known: its section is passed over");
                self.out.unjudged.push(Unchecked { what: "condition".into(), reason: reason.into(), at: Some(at) });
                None
            }
        }
    }

    /// `<IfVersion [operator] version>`.
    fn version_holds(&mut self, statement: &Statement, text: &[u8]) -> bool {
        let words = self.out.words(statement);
        let values: Vec<_> = words.iter().map(|word| word.value(text)).collect();
        let own = self.platform.server_version;
        let holds = match &values[..] {
            [only] => compare(own, only).map(|order| order == Ordering::Equal),
            [operator, version, ..] => version_matches(own, operator, version),
            [] => None,
        };
        if holds.is_none() {
            let at = self.out.name_span(statement);
            let shown = String::from_utf8_lossy(&text[statement.arguments.0 as usize..statement.arguments.1 as usize]);
            let problem = Problem::new("invalid-argument", at).case("value").with("name", "<IfVersion>");
            let problem = problem.with("value", shown.trim());
            self.out.problems.push(problem.with("expected", "an operator such as `>=` and a version such as `2.4.50`"));
        }
        holds.unwrap_or(false)
    }

    /// Says that settings of TLS are passed over because of something that is not in the files; else keeps the virtual hosts
    /// that are.
    pub(super) fn passed_over(&mut self, section: Span, line: Span, hosts: Vec<PassedOver>) {
        let name = self.out.text(section.file)[section.start as usize..section.end as usize].to_ascii_lowercase();
        if name == b"ifdefine" || name == b"iffile" && self.fragment {
            let reason = "settings of TLS are passed over: what their section asks for is not in the files; \
                          --define NAME defines a name"
                .to_owned();
            self.out.unjudged.push(Unchecked { what: "condition".into(), reason: reason.into(), at: Some(line) });
        } else {
            self.out.passed_over.extend(hosts);
        }
    }
}

/// How the server's version compares with a written one, missing parts being 0; absent where it is none.
fn compare(own: Version, written: &[u8]) -> Option<Ordering> {
    let written = std::str::from_utf8(written).ok()?;
    if written.is_empty() || !written.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    Some(own.numbers.cmp(&Version::parse(written)?.numbers))
}

/// An operator with its version; absent where one of them cannot be read.
fn version_matches(own: Version, operator: &[u8], version: &[u8]) -> Option<bool> {
    let (negated, operator) = match operator {
        [b'!', rest @ ..] if !rest.is_empty() => (true, rest),
        _ => (false, operator),
    };
    let holds = match (operator, version) {
        (b"=" | b"==", [b'/', inside @ .., b'/']) | (b"~", inside) => regex(inside)?.is_match(&shown(own)),
        (b"=" | b"==", _) => compare(own, version)? == Ordering::Equal,
        (b">", _) => compare(own, version)? == Ordering::Greater,
        (b">=", _) => compare(own, version)? != Ordering::Less,
        (b"<", _) => compare(own, version)? == Ordering::Less,
        (b"<=", _) => compare(own, version)? != Ordering::Greater,
        _ => return None,
    };
    Some(holds != negated)
}

fn shown(version: Version) -> String {
    let [major, minor, patch] = version.numbers;
    format!("{major}.{minor}.{patch}")
}

fn regex(text: &[u8]) -> Option<Regex> {
    let limits = regex_automata::meta::Config::new().nfa_size_limit(Some(1 << 20));
    Regex::builder().configure(limits).build(std::str::from_utf8(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_mod_version_compares_them() {
        let own = Version::new(2, 4, 71);
        let table: &[(&str, &str, Option<bool>)] = &[
            (">=", "2.4", Some(true)),
            ("=", "2.4", Some(false)),
            ("==", "2.4.71", Some(true)),
            ("!=", "2.4.71", Some(false)),
            ("<", "2.4.72", Some(true)),
            ("!<", "2.4.71", Some(true)),
            ("<=", "2.4.71", Some(true)),
            (">", "2.4.71", Some(false)),
            ("~", "^2.4", Some(true)),
            ("!~", "^2.4", Some(false)),
            ("=", "/^2\\.4\\./", Some(true)),
            ("x", "2.4.71", None),
            (">=", "two", None),
        ];
        for (operator, version, expected) in table {
            assert_eq!(
                version_matches(own, operator.as_bytes(), version.as_bytes()),
                *expected,
                "{operator} {version}"
            );
        }
    }
}
