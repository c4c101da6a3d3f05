//! `shakedown rules`.

use std::path::Path;

use super::args::{Format, RulesArguments, RulesCommand, Shared};
use super::{CLEAN, output, resolve, style};
use crate::config;
use crate::lint::Rules;
use crate::pipeline::Failure;
use crate::report;
use crate::source::Disk;

/// What a page of a rule of one's own may hold.
const TEMPLATES: &str = include_str!("../../rules/templates.toml");

/// Runs the command.
///
/// # Errors
/// Where `shakedown.toml` or the folder cannot be read, or the report cannot be written.
pub fn run(arguments: &RulesArguments) -> Result<u8, Failure> {
    if let Some(RulesCommand::Test { folder, shared }) = &arguments.command {
        return super::examples::run(folder, shared);
    }
    if arguments.show_templates {
        output(&arguments.shared, TEMPLATES.as_bytes())?;
        return Ok(CLEAN);
    }
    let files = Disk::new();
    let found = match (&arguments.config, arguments.isolated) {
        (_, true) => None,
        (Some(path), _) => Some(path.clone()),
        (None, _) => config::find(&files, Path::new(".")),
    };
    let rules: Rules = match found {
        Some(path) => resolve::read(&files, &path)?.rules,
        None => Rules::default(),
    };
    let text = match arguments.format {
        Format::Json => {
            report::rules::json(&rules).map_err(|error| Failure::new(format!("cannot write the report: {error}")))?
        }
        Format::Pretty | Format::Concise => report::rules::table(&rules, shown(&arguments.shared)),
    };
    output(&arguments.shared, text.as_bytes())?;
    Ok(CLEAN)
}

fn shown(shared: &Shared) -> report::Style {
    style(shared, &std::io::stdout())
}
