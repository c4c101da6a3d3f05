//! What a fault of reading needs, which only the way back to the text can say: fixes by rule and case.

use super::scope::RuleContext;
use crate::diagnostic::{Label, Problem, Safety};
use crate::model::{Change, SiteId, Target};
use crate::tls::Protocol;

/// Gives a problem of reading the fix that its rule knows, unless its front end gave it one.
pub fn add_frontend_fix(scope: &RuleContext<'_>, problem: &mut Problem) {
    if problem.fix.is_some() {
        return;
    }
    let at = problem.at;
    let says = |name: &str| problem.arguments.iter().any(|(key, value)| *key == "name" && value == name);
    let (title, safety, change) = match (problem.rule.as_str(), problem.case) {
        ("duplicate-listen", "") if says_the_same(scope, problem) => {
            ("take the directive away", Safety::Safe, Change::RemoveDirective { written: at })
        }
        ("deprecated-directive", "without-effect") if says_the_same(scope, problem) => {
            ("take the directive away", Safety::Unsafe, Change::RemoveDirective { written: at })
        }
        ("directive-removed", _) => {
            let safety = if says("ssl") { Safety::Unsafe } else { Safety::Safe };
            ("say it in the words of this release", safety, Change::SayAnew { written: at })
        }
        ("directive-not-allowed-here", "global") => {
            ("write it outside of the sections", Safety::Safe, Change::MoveOut { written: at })
        }
        ("ssl-module-not-loaded", _) => ("load mod_ssl", Safety::Safe, Change::LoadTls),
        ("openssl-command-array-lost", _) => {
            let from = problem.related.iter().map(|label| label.span).collect();
            ("say the lost commands again", Safety::Unsafe, Change::RepeatCommands { from, before: at })
        }
        ("catch-all-certificate-hijacks-site", _) => {
            let Some(site) = scope.deployment.sites.iter().position(|site| site.head == at) else { return };
            let to = [Protocol::Tls12, Protocol::Tls13].into_iter().collect();
            let change = Change::SetProtocols { target: Target::Site(SiteId(site as u32)), to };
            ("give the site a policy of its own", Safety::Unsafe, change)
        }
        _ => return,
    };
    problem.fix = scope.fix(title, safety, &change);
}

/// Of two that say the same, one is enough.
fn says_the_same(scope: &RuleContext<'_>, problem: &Problem) -> bool {
    problem.related.iter().all(|label: &Label| scope.text(label.span) == scope.text(problem.at))
}
