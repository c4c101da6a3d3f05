//! `shakedown handshake`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::args::{Format, Shared, TargetArguments};
use super::{CLEAN, FINDINGS, output, output_by, resolve, style};
use crate::diagnostic::spelling;
use crate::handshake::{self, Client, Outcome};
use crate::lint;
use crate::pipeline::{self, Failure, HandshakeRequest, Handshakes, Options, Start};
use crate::pki::VerifyError;
use crate::report;

/// What stands below the options.
const EXAMPLES: &str = "\
Ask:
  shakedown handshake /etc/nginx                 all clients and hosts, as a table
  shakedown handshake --client java-8u161 --host www.example.com -v nginx.conf
                                                 one of them, step by step
  shakedown handshake --client mine.toml .       a client of one's own

Exit codes: 0 all that must get through do, 1 some do not, or the server would not start, 2 the run could not be done.";

/// `handshake`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct HandshakeArguments {
    /// A file or folder; none: the live configuration of whatever server is installed; -: standard input
    #[arg(value_name = "PATH")]
    pub path: Option<PathBuf>,

    /// Options that all commands share.
    #[command(flatten)]
    pub shared: Shared,

    /// Options about the configuration.
    #[command(flatten)]
    pub target: TargetArguments,

    /// A client by its name, or a file that describes one; may be given several times
    #[arg(long, value_name = "NAME|FILE")]
    pub client: Vec<String>,

    /// The name that the user wants to reach; may be given several times
    #[arg(long, value_name = "NAME")]
    pub host: Vec<String>,

    /// The local address that is reached, such as 127.0.0.1:443; may be given several times
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Vec<String>,

    /// What cannot be told makes the run fail too
    #[arg(long)]
    pub strict: bool,

    /// How to show it
    #[arg(long, value_enum, default_value_t = Format::Pretty)]
    pub format: Format,
}

/// Runs the command.
///
/// # Errors
/// Where a client does not exist or cannot be read, and as [`pipeline::handshake`].
pub fn run(arguments: &HandshakeArguments) -> Result<u8, Failure> {
    let paths: Vec<_> = arguments.path.iter().cloned().collect();
    let files = arguments.target.files();
    let mut options = arguments.target.options(&paths, lint::Settings::default())?;
    let config = resolve::config(&files, &paths, &arguments.target)?;
    let paths = resolve::paths(&files, &paths, config.as_ref());
    if let Some(config) = config {
        options.merge_config(config);
    }
    let question = question(arguments, &options)?;
    let run = pipeline::handshake(&files, &paths, &options, &question)?;
    let (shared, told) = (&arguments.shared, &run);
    match arguments.format {
        Format::Json => output_by(shared, |out| report::handshake::json(told, &question, out)),
        Format::Concise => output(shared, report::handshake::concise(told, &question).as_bytes()),
        Format::Pretty => {
            output(shared, report::handshake::table(told, &question, style(shared, &std::io::stdout())).as_bytes())
        }
    }?;
    let code = code(&run, &question, arguments.strict, !options.trust.is_empty());
    // The process ends: its memory need not be given back piece by piece.
    std::mem::forget(run);
    Ok(code)
}

fn question(arguments: &HandshakeArguments, options: &Options) -> Result<HandshakeRequest, Failure> {
    let named = arguments.client.iter().map(|name| client(name)).collect::<Result<Vec<_>, _>>()?;
    let is_one = named.len() == 1 && arguments.host.len() == 1;
    let required: Vec<Arc<str>> = options.lint.required.iter().map(|client| Arc::clone(&client.name)).collect();
    let clients = if named.is_empty() {
        let own = options.lint.required.iter().filter(|client| handshake::find(&client.name).is_none());
        handshake::clients().iter().chain(own).cloned().collect()
    } else {
        named
    };
    Ok(HandshakeRequest {
        clients_are_named: !arguments.client.is_empty(),
        required,
        clients,
        hosts: arguments.host.clone(),
        listens: arguments.listen.clone(),
        tells_steps: arguments.shared.verbose && is_one,
    })
}

/// A client by its name, else by its file.
///
/// # Errors
/// Where there is none of that name, or its file cannot be read.
pub(super) fn client(name: &str) -> Result<Client, Failure> {
    if let Some(client) = handshake::find(name) {
        return Ok(client.clone());
    }
    let path = Path::new(name);
    if !name.contains('/') && !name.ends_with(".toml") && !path.exists() {
        let known = handshake::clients().iter().map(|client| &*client.name);
        let meant = spelling::nearest(name, known.clone(), 4).map(|(one, _)| format!("did you mean {one}? "));
        let all: Vec<&str> = known.collect();
        let help = format!("{}All: {}; or name a file", meant.unwrap_or_default(), all.join(", "));
        return Err(Failure::new(format!("no such client: {name}")).help(help));
    }
    let failed = |words: String| Failure::new(format!("cannot read the client {name}: {words}"));
    let metadata = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?;
    if !metadata.is_file() {
        return Err(failed("it is no regular file".to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    Client::parse(&text, path.parent().unwrap_or(Path::new(""))).map_err(|words| failed(words.trim_end().to_owned()))
}

/// 1 where the server would not start, a named client does not get through, or no current client does.
fn code(run: &Handshakes, question: &HandshakeRequest, is_strict: bool, trust_is_given: bool) -> u8 {
    let is_open = is_strict && (run.start == Start::Unknown || run.rows.iter().any(|row| row.connects().is_none()));
    if run.start == Start::Fail || is_open {
        return FINDINGS;
    }
    let is_required = |row: &pipeline::Row| question.required.contains(&question.clients[row.client].name);
    if run.rows.iter().any(|row| is_required(row) && row.connects() == Some(false)) {
        return FINDINGS;
    }
    if question.clients_are_named {
        let fails = run.rows.iter().any(|row| row.connects() == Some(false));
        return if fails { FINDINGS } else { CLEAN };
    }
    // An authority that nobody named may well be one that the clients know.
    let gets_through = |row: &&pipeline::Row| match &*row.handshake.outcome {
        Outcome::Agreed(_) if !trust_is_given => row.verdict.all(VerifyError::is_mended_by_an_anchor),
        _ => row.connects() != Some(false),
    };
    let current = |row: &&pipeline::Row| !question.clients[row.client].is_old;
    let nobody = |same: &[pipeline::Row]| {
        let mut rows = same.iter().filter(current).peekable();
        rows.peek().is_some() && !rows.any(|row| gets_through(&row))
    };
    let blocks = run.rows.chunks(question.clients.len().max(1));
    if blocks.into_iter().any(nobody) { FINDINGS } else { CLEAN }
}
