//! `shakedown rules test FOLDER`: one line a rule, and for each example that fails what was expected and found.

use std::fmt::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::args::Shared;
use super::{CLEAN, FINDINGS, output, style};
use crate::config;
use crate::lint::Rules;
use crate::pipeline::{self, Failure};
use crate::report;
use crate::source::{Disk, Sources, Text};

/// Runs the command.
///
/// # Errors
/// Where the folder cannot be read or holds no rule, or the report cannot be written.
pub fn run(folder: &Path, shared: &Shared) -> Result<u8, Failure> {
    let shown = folder.display();
    let found = config::own_rules(&Disk::new(), folder).map_err(|error| {
        Failure::new(format!("cannot read {shown}: {error}")).help("name a folder with one TOML file a rule")
    })?;
    if found.rules.is_empty() && found.misfits.is_empty() {
        let help = "a rule is a TOML file: `shakedown rules --show-templates` prints one to begin with";
        return Err(Failure::new(format!("no rules in {shown}")).help(help));
    }
    let mut out = String::new();
    let mut fails = !found.misfits.is_empty();
    let mut sources = Sources::new();
    let settings = crate::lint::Settings::default();
    for misfit in &found.misfits {
        let Some((path, bytes)) = &misfit.file else { continue };
        let file = sources.add(path.clone(), bytes.clone(), Text::File);
        let finding = crate::lint::render("shakedown", misfit.problem(file), &settings);
        report::one(&mut out, &sources, &finding, style(shared, &std::io::stdout()));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
    let rules = Rules::with(found.rules);
    for rule in rules.own() {
        let tried = pipeline::examples(&rules, rule, now);
        let bad = rule.page().example.iter().any(|one| one.expect == crate::lint::page::Expect::Bad);
        let wrong: Vec<_> = tried.iter().filter(|one| !one.holds()).collect();
        let word = match (wrong.is_empty(), bad) {
            (true, true) => "ok",
            (true, false) => "no bad example: nothing shows that it finds anything",
            (false, _) => "fails",
        };
        fails |= word != "ok";
        let _ = writeln!(out, "{}: {word} ({} examples)", rule.name, tried.len());
        for one in wrong {
            let _ = writeln!(out, "  example {}:", one.number);
            if let Some(failure) = &one.failure {
                let _ = writeln!(out, "    cannot be run: {failure}");
            }
            for place in one.expected.iter().filter(|place| !one.found.contains_key(place)) {
                let _ = writeln!(out, "    silent at line {}, columns {} to {}", place.0, place.1, place.2 - 1);
            }
            for (place, message) in one.found.iter().filter(|(place, _)| !one.expected.contains(place)) {
                let _ =
                    writeln!(out, "    speaks at line {}, columns {} to {}: {message}", place.0, place.1, place.2 - 1);
            }
        }
    }
    output(shared, out.as_bytes())?;
    Ok(if fails { FINDINGS } else { CLEAN })
}
