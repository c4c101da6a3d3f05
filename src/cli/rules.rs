//! `shakedown rules`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::args::{Format, Shared};
use super::{CLEAN, output, resolve, style};
use crate::config;
use crate::lint::Rules;
use crate::pipeline::Failure;
use crate::report;
use crate::source::Disk;

/// `rules`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct RulesArguments {
    /// What to do with them.
    #[command(subcommand)]
    pub command: Option<RulesCommand>,

    /// Options that all commands share.
    #[command(flatten)]
    pub shared: Shared,

    /// Read this file instead of the shakedown.toml that is found upward from here
    #[arg(long, value_name = "FILE", conflicts_with = "isolated")]
    pub config: Option<PathBuf>,

    /// Read no shakedown.toml
    #[arg(long)]
    pub isolated: bool,

    /// Show what a page of a rule of one's own may hold
    #[arg(long)]
    pub show_templates: bool,

    /// How to show them
    #[arg(long, value_enum, default_value_t = Format::Pretty)]
    pub format: Format,
}

/// What to do with rules.
#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// Hold rules of one's own against the examples of their pages
    Test {
        /// A folder with one TOML file a rule
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,

        /// Options that all commands share.
        #[command(flatten)]
        shared: Shared,
    },
}

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
