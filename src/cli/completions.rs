//! `shakedown completions` and `shakedown man`: both from the definition of the arguments.

use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory};

use super::args::{Arguments, Shared};
use super::{CLEAN, output};
use crate::pipeline::Failure;

/// `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArguments {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// `man`.
#[derive(Debug, Args)]
pub struct ManArguments {
    /// Write the pages of all commands into this folder, instead of the main one to standard output
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
}

/// Prints the completions of a shell.
///
/// # Errors
/// Where they cannot be written.
pub fn completions(arguments: &CompletionsArguments) -> Result<u8, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "shakedown", &mut text);
    output(&Shared::default(), &text)?;
    Ok(CLEAN)
}

/// Prints the manual page, or writes those of all commands.
///
/// # Errors
/// Where they cannot be written.
pub fn man(arguments: &ManArguments) -> Result<u8, Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("cannot write the manual: {error}"));
    let command = Arguments::command();
    if let Some(folder) = &arguments.folder {
        std::fs::create_dir_all(folder).map_err(failed)?;
        clap_mangen::generate_to(command, Path::new(folder)).map_err(failed)?;
        return Ok(CLEAN);
    }
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render(&mut text).map_err(failed)?;
    output(&Shared::default(), &text)?;
    Ok(CLEAN)
}
