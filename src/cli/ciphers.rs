//! `shakedown ciphers`.

use super::args::{CiphersArguments, Format};
use super::{CLEAN, FINDINGS, output, style};
use crate::pipeline::{self, Failure, Options};
use crate::report::ciphers;
use crate::source::Disk;

/// Runs the command.
///
/// # Errors
/// Where the platform does not exist, or the report cannot be written.
pub fn run(arguments: &CiphersArguments) -> Result<u8, Failure> {
    let options = Options {
        platform: arguments.platform.clone(),
        tls_library: arguments.tls_library.clone(),
        security_level: arguments.security_level,
        ..Options::default()
    };
    let report = pipeline::ciphers(&Disk::new(), &arguments.string, &options)?;
    let text = match arguments.format {
        Format::Json => {
            ciphers::json(&report).map_err(|error| Failure::new(format!("cannot write the report: {error}")))?
        }
        Format::Pretty | Format::Concise => ciphers::table(&report, style(&arguments.shared, &std::io::stdout())),
    };
    output(&arguments.shared, text.as_bytes())?;
    Ok(if report.error.is_some() { FINDINGS } else { CLEAN })
}
