//! Variables that the service's environment does not have: Caddy puts nothing in their place (`replaceEnvVars`).

use super::Lowering;
use crate::diagnostic::{Problem, Severity};
use crate::server::caddy::syntax::{Node, Section, Word};

/// Directives of a site whose arguments are about TLS or are paths, each with what is in its block.
const EXACT: &[&str] = &["tls", "bind", "root"];

/// Tells of each variable without a value, where the environment is known. It is left as it is written, and what hangs on
/// it is not judged.
pub fn tell(lowering: &mut Lowering<'_>, sections: &[Section]) {
    if lowering.reading.environment.is_none() {
        return;
    }
    for section in sections {
        for key in section.keys.iter().filter(|_| !section.is_route) {
            word(lowering, key, "address");
        }
        for node in &section.block.nodes {
            let is_exact = section.keys.is_empty() || EXACT.contains(&&*node.name.text);
            directive(lowering, node, if is_exact { "caddy" } else { "elsewhere" });
        }
    }
}

fn directive(lowering: &mut Lowering<'_>, node: &Node, case: &'static str) {
    for one in std::iter::once(&node.name).chain(&node.words) {
        word(lowering, one, case);
    }
    for inner in node.nodes() {
        directive(lowering, inner, case);
    }
}

fn word(lowering: &mut Lowering<'_>, word: &Word, case: &'static str) {
    let Some(environment) = lowering.reading.environment.filter(|_| word.is_unknown) else { return };
    for name in word.text.split("{$").skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name) {
        if lowering.reading.defines.contains_key(name) || !environment.lacks(name) {
            continue;
        }
        let severity = if case == "elsewhere" { Severity::Info } else { Severity::Error };
        let problem = Problem::new("undefined-variable", word.span).case(case).severity(severity);
        let problem = problem.with("name", name).with("word", &*word.text).with("unit", environment.unit.clone());
        lowering.problem(problem);
    }
}
