//! `shakedown ciphers`.

use clap::Args;

use super::args::{Format, Shared, library};
use super::{CLEAN, FINDINGS, output, style};
use crate::pipeline::{self, Failure, Options};
use crate::platform::TlsLibrary;
use crate::report::ciphers;
use crate::source::Disk;

/// `ciphers`.
#[derive(Debug, Args)]
pub struct CiphersArguments {
    /// The cipher string, as behind `ssl_ciphers` or `SSLCipherSuite`
    #[arg(allow_hyphen_values = true)]
    pub string: String,

    /// Options that all commands share.
    #[command(flatten)]
    pub shared: Shared,

    /// The system whose library reads it, such as debian-12
    #[arg(long, value_name = "NAME")]
    pub platform: Option<String>,

    /// TLS library, such as openssl-3.0.19, instead of the platform's
    #[arg(long, value_name = "NAME", value_parser = library)]
    pub tls_library: Option<TlsLibrary>,

    /// OpenSSL's security level, instead of the platform's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=5))]
    pub security_level: Option<u8>,

    /// How to show it
    #[arg(long, value_enum, default_value_t = Format::Pretty)]
    pub format: Format,
}

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
