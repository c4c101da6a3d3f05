//! Keys for session tickets that the server refuses, or that have been in use for too long.

use crate::diagnostic::Problem;
use crate::lint::{Reporter, RuleContext};

/// How old a key may be, in seconds: 30 days. Whoever learns it reads all sessions that it protected up to TLS 1.2.
const OLDEST: i64 = 30 * 86_400;

/// `session-ticket-key-invalid`.
pub fn invalid(scope: &RuleContext<'_>, sink: &mut Reporter) {
    for key in &scope.deployment.ticket_keys {
        let problem = Problem::new("session-ticket-key-invalid", key.token.span).with("path", &*key.token.text);
        match &key.found {
            Err(error) if error.is_missing() => {
                sink.report(problem.case("missing").with("reason", error.to_string()));
            }
            Ok((size, modified)) => {
                let age = modified.map(|modified| scope.now - modified).filter(|age| *age > OLDEST);
                if !scope.deployment.behavior.takes_ticket_key(*size) {
                    sink.report(problem.with("size", size.to_string()));
                } else if let Some(age) = age {
                    sink.report(problem.case("old").with("days", (age / 86_400).to_string()));
                }
            }
            Err(_) => {}
        }
    }
}
