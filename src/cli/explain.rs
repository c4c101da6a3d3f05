//! `shakedown explain`.

use std::path::PathBuf;

use clap::Args;

use super::args::{Format, Shared, TargetArguments, standard_input};
use super::{CLEAN, FINDINGS, output, resolve, style};
use crate::lint::{self, errors};
use crate::pipeline::{self, Failure};
use crate::report;
use crate::source::Limits;

/// What stands below the options.
const EXAMPLES: &str = "\
Ask:
  shakedown explain certificate-expired          a rule's page
  shakedown explain SSL_ERROR_RX_RECORD_TOO_LONG
  shakedown explain 'PKIX path building failed' /etc/nginx
                                                 which of its causes this configuration has
  openssl s_client -connect HOST:443 </dev/null 2>&1 | shakedown explain -

Exit codes: 0 explained, 1 nothing is known of the text, 2 no such rule, or the run could not be done.";

/// `explain`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ExplainArguments {
    /// The name of a rule, or the text of an error, also inside a log line or a whole output; -: standard input
    #[arg(value_name = "NAME|TEXT", allow_hyphen_values = true)]
    pub text: String,

    /// A configuration to look for the causes in
    #[arg(value_name = "PATH")]
    pub path: Option<PathBuf>,

    /// Options that all commands share.
    #[command(flatten)]
    pub shared: Shared,

    /// Options about the configuration.
    #[command(flatten)]
    pub target: TargetArguments,

    /// How to show it
    #[arg(long, value_enum, default_value_t = Format::Pretty)]
    pub format: Format,
}

/// Runs the command.
///
/// # Errors
/// Where a rule is named that does not exist, and as [`pipeline::lint`] where a path is given.
pub fn run(arguments: &ExplainArguments) -> Result<u8, Failure> {
    let paths: Vec<PathBuf> = arguments.path.iter().cloned().collect();
    let text = match arguments.text.as_str() {
        "-" if arguments.path.as_ref().is_some_and(|path| path.as_os_str() == "-") => {
            return Err(Failure::new("standard input cannot be both the text and the configuration")
                .help("write the path of the configuration"));
        }
        "-" => {
            let bytes = standard_input(Limits::default().config_file)?;
            String::from_utf8_lossy(&bytes).into_owned()
        }
        text => text.to_owned(),
    };
    let files = arguments.target.files();
    let config = resolve::config(&files, &paths, &arguments.target)?;
    let rules = config.as_ref().map(|config| config.rules.clone()).unwrap_or_default();
    let rule = rules.find(text.trim());
    let recognized = if rule.is_some() { Vec::new() } else { errors::recognize(&text) };
    if rule.is_none() && recognized.is_empty() && is_name(text.trim()) {
        let meant = rules.nearest(text.trim()).map(|meant| format!("did you mean {meant}? ")).unwrap_or_default();
        let failure = Failure::new(format!("neither a rule nor a known text: {}", text.trim()));
        return Err(failure.help(format!("{meant}`shakedown rules` lists all; or give the whole line of the error")));
    }
    let is_known = rule.is_some() || !recognized.is_empty();
    let run = if paths.is_empty() || !is_known {
        None
    } else {
        let mut options = arguments.target.options(&paths, lint::Settings::default())?;
        let paths = resolve::paths(&files, &paths, config.as_ref());
        if let Some(config) = config {
            options.merge_config(config);
        }
        Some(pipeline::lint(&files, &paths, &options)?)
    };
    let shown = style(&arguments.shared, &std::io::stdout());
    let told = match (arguments.format, rule) {
        (Format::Json, rule) => report::explain::json(rule, &recognized, run.as_ref())
            .map_err(|error| Failure::new(format!("cannot write the report: {error}")))?,
        (_, Some(rule)) => report::explain::page(rule, run.as_ref(), shown),
        (_, None) => report::explain::errors(&recognized, run.as_ref(), shown),
    };
    output(&arguments.shared, told.as_bytes())?;
    Ok(if is_known { CLEAN } else { FINDINGS })
}

/// Whether a text is made like the name of a rule.
fn is_name(text: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    !text.is_empty() && text.chars().all(is_letter)
}
