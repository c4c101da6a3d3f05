//! What a page can ask for without code of its own: templates with typed parameters, for profiles and the user's own rules.
//!
//! A template without parameters asks for nothing. Names in it are checked when the page is read.

mod credential;
mod names;
mod policy;

use serde::Deserialize;

use self::names::{CipherName, GroupName, KeyName, VersionName};
use super::{Reporter, RuleContext, ServedCredential};
use crate::diagnostic::{Problem, RuleName};
use crate::source::Span;

/// A template and what it compares with.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Template {
    /// Protocol versions that clients can get.
    Protocols {
        /// Only these; empty: all.
        #[serde(default)]
        allowed: Vec<VersionName>,
        /// All of these.
        #[serde(default)]
        required: Vec<VersionName>,
    },
    /// Suites that clients can get, of TLS 1.2 and below; names of OpenSSL or of the IANA registry.
    Ciphers {
        /// Only these; empty: all.
        #[serde(default)]
        allowed: Vec<CipherName>,
        /// None of these.
        #[serde(default)]
        forbidden: Vec<CipherName>,
    },
    /// Groups that clients can get.
    Groups {
        /// Only these; empty: all.
        #[serde(default)]
        allowed: Vec<GroupName>,
    },
    /// Keys of certificates that are served.
    Keys {
        /// Only these kinds; empty: all.
        #[serde(default)]
        allowed: Vec<KeyName>,
        /// The least size of RSA keys, in bits.
        #[serde(default, rename = "rsa-bits")]
        rsa_bits: u32,
    },
    /// How long certificates that are served are valid as a whole.
    Lifetime {
        /// At most so many days; 0: any.
        #[serde(default)]
        days: u32,
    },
    /// Who issued certificates that are served.
    Issuer {
        /// Only these, by common name or by the whole name; empty: any.
        #[serde(default)]
        allowed: Vec<String>,
    },
}

impl Template {
    /// Looks at a deployment on behalf of a rule.
    pub(super) fn look(
        &self,
        scope: &RuleContext<'_>,
        rule: &RuleName,
        uses: &[ServedCredential<'_>],
        sink: &mut Reporter,
    ) {
        let mut out = Out { rule, sink };
        match self {
            Template::Protocols { allowed, required } => policy::protocols(scope, allowed, required, &mut out),
            Template::Ciphers { allowed, forbidden } => policy::ciphers(scope, allowed, forbidden, &mut out),
            Template::Groups { allowed } => policy::groups(scope, allowed, &mut out),
            Template::Keys { allowed, rsa_bits } => credential::keys(scope, uses, allowed, *rsa_bits, &mut out),
            Template::Lifetime { days } => credential::lifetime(scope, uses, *days, &mut out),
            Template::Issuer { allowed } => credential::issuer(scope, uses, allowed, &mut out),
        }
    }
}

/// Where a template reports to, under the name of its rule.
struct Out<'o> {
    rule: &'o RuleName,
    sink: &'o mut Reporter,
}

impl Out<'_> {
    fn problem(&self, at: Span) -> Problem {
        Problem { rule: self.rule.clone(), ..Problem::new("", at) }
    }

    fn report(&mut self, problem: Problem) {
        self.sink.report(problem);
    }
}

/// A list for people: the first few, and how many more.
fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    const SHOWN: usize = 5;
    let all: Vec<&str> = names.collect();
    let shown = all.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
