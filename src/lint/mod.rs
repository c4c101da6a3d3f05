//! Rules: their pages, the engine that walks a deployment with them, and the words of what they find.
//!
//! A check sees a [`RuleContext`] and a [`Reporter`] and nothing else; it reports [`Problem`]s, as front ends do. The page of the
//! rule turns them into findings. A rule that meets something unknown stays silent.

mod checks;
mod engine;
pub mod errors;
mod frontend_fixes;
mod machine;
mod missing_semicolon;
pub mod page;
mod permissions;
pub mod precedence;
mod profile;
mod rules;
mod scope;
mod served;
mod settings;
pub mod suppression;
mod template;

use std::borrow::Cow;
use std::sync::{LazyLock, OnceLock};

use foldhash::HashMap;

pub use self::checks::cipher::suggestion as cipher_suggestion;
pub use self::engine::{LintResult, defect, in_order, render, run};
pub use self::machine::{Changed, Machine, Renewal, Running, Unsynchronized};
pub use self::page::Page;
pub use self::permissions::{Permissions, Reader};
pub use self::profile::{Profile, profile, profiles};
pub use self::rules::Rules;
pub use self::scope::{Authority, Clock, LintInputs, Reporter, RuleContext, ServedCredential, Trust, is_host};
pub use self::settings::{Level, Settings};
pub use self::template::Template;
use crate::diagnostic::{Problem, RuleName, spelling};
use crate::model::{Endpoint, EndpointId, Site, SiteId};

/// What a rule looks at, one at a time.
#[derive(Clone, Copy)]
pub enum Check {
    /// Each socket.
    Endpoint(fn(&RuleContext<'_>, EndpointId, &Endpoint, &mut Reporter)),
    /// Each site.
    Site(fn(&RuleContext<'_>, SiteId, &Site, &mut Reporter)),
    /// Each certificate with its key, once, with all sites that serve it.
    Credential(for<'a> fn(&RuleContext<'a>, &ServedCredential<'a>, &mut Reporter)),
    /// The deployment as a whole, once.
    Whole(fn(&RuleContext<'_>, &mut Reporter)),
    /// What all others found, at the end.
    Closing(fn(&RuleContext<'_>, &[Problem], &mut Reporter)),
    /// Nothing: front ends report it while reading.
    Reading,
    /// What the template of its page looks at, with the parameters there or those of a profile.
    Template,
    /// Nothing: the run itself reports it, about its own settings and comments.
    Running,
}

/// A rule: of the table, or of the user's own.
pub struct Rule {
    /// Its name: that of its page.
    pub name: Cow<'static, str>,
    /// Its page, as text.
    pub source: Cow<'static, str>,
    check: Check,
    page: OnceLock<Page>,
    brief: OnceLock<Page>,
}

impl Rule {
    const fn new(name: &'static str, source: &'static str, check: Check) -> Self {
        Rule {
            name: Cow::Borrowed(name),
            source: Cow::Borrowed(source),
            check,
            page: OnceLock::new(),
            brief: OnceLock::new(),
        }
    }

    /// A rule of the user's own, whose page names a template.
    ///
    /// # Errors
    /// What the text lacks or has too much.
    pub fn own(name: String, source: String) -> Result<Self, toml::de::Error> {
        let page = Page::parse(&source)?;
        let brief = OnceLock::from(page.clone());
        Ok(Rule { name: name.into(), source: source.into(), check: Check::Template, page: OnceLock::from(page), brief })
    }

    /// Whether it speaks of the run's own settings and comments.
    pub fn is_about_the_run(&self) -> bool {
        matches!(self.check, Check::Running)
    }

    /// Whether it looks into certificates, keys and other files that the configuration names.
    pub fn looks_at_files(&self) -> bool {
        !matches!(self.check, Check::Reading | Check::Running)
    }

    /// Whether it speaks of pairs of certificate and key.
    pub fn looks_at_certificates(&self) -> bool {
        matches!(self.check, Check::Credential(_))
    }

    /// The page, read at first use.
    pub fn page(&self) -> &Page {
        self.page.get_or_init(|| Page::parse(&self.source).expect("a test reads every embedded page"))
    }

    /// The page without its examples, read at first use: what a run needs.
    pub fn brief(&self) -> &Page {
        self.brief.get_or_init(|| Page::parse_brief(&self.source).expect("a test reads every embedded page"))
    }

    /// Whether the rule speaks of a server. Pages have the list in one line, so that most of them are never read.
    pub fn speaks_of(&self, server: &str) -> bool {
        if let Some(page) = self.brief.get() {
            return page.servers.iter().any(|name| name == server);
        }
        let list = self.source.lines().find_map(|line| line.strip_prefix("servers = "));
        list.is_some_and(|list| list.split('"').any(|name| name == server))
    }

    /// A parameter of the page.
    pub fn parameter(&self, name: &str) -> i64 {
        self.brief().parameters.get(name).copied().unwrap_or(0)
    }
}

/// All rules, sorted by name.
pub fn rules() -> &'static [Rule] {
    checks::RULES
}

/// The rule of a name or of a former name.
pub fn find(name: &str) -> Option<&'static Rule> {
    /// Asked for each finding.
    static BY_NAME: LazyLock<HashMap<&str, &Rule>> =
        LazyLock::new(|| rules().iter().map(|rule| (&*rule.name, rule)).collect());
    let former = || rules().iter().find(|rule| rule.brief().aliases.iter().any(|alias| alias == name));
    BY_NAME.get(name).copied().or_else(former)
}

/// The rule whose name is most like a name that is none.
pub fn nearest(name: &str) -> Option<&'static str> {
    let near = spelling::nearest(name, rules().iter().map(|rule| &*rule.name), 4).map(|(one, _)| one);
    let letters = |word: &str| word.split('-').map(str::to_owned).collect::<Vec<_>>();
    let wanted = letters(name);
    let shared = |rule: &Rule| letters(&rule.name).iter().filter(|part| wanted.contains(part)).count();
    let by_words = || {
        let best = rules()
            .iter()
            .max_by_key(|rule| (shared(rule), std::cmp::Reverse(rule.name.len().abs_diff(name.len()))))?;
        (shared(best) > 0).then_some(&*best.name)
    };
    near.or_else(by_words)
}

/// The name as findings carry it.
fn rule_name(rule: &Rule) -> RuleName {
    RuleName(rule.name.clone())
}
