//! `shakedown completions` and `shakedown man`: both from the definition of the arguments.

use std::path::Path;

use clap::CommandFactory;

use super::args::{Arguments, CompletionsArguments, ManArguments, Shared};
use super::{CLEAN, output};
use crate::pipeline::Failure;

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
