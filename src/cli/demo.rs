//! `shakedown demo`: the main job on a small tree that the program brings along, at a fixed time.

use std::path::{Path, PathBuf};

use clap::Args;

use super::args::Shared;
use super::{CLEAN, output_by, style};
use crate::pipeline::{self, Failure, Options, TrustSource};
use crate::report;
use crate::source::Memory;

/// `demo`.
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// Options that all commands share.
    #[command(flatten)]
    pub shared: Shared,
}

macro_rules! demo {
    ($($path:literal,)*) => {
        &[$(($path, include_bytes!(concat!("../../testdata/demo/", $path)))),*]
    };
}

/// The tree. Its keys are thrown away: they say so in their first lines.
const FILES: &[(&str, &[u8])] = demo![
    "nginx.conf",
    "root.pem",
    "sites/000-default.conf",
    "sites/api.conf",
    "sites/shop.conf",
    "tls/api/cert.pem",
    "tls/api/fullchain.pem",
    "tls/api/privkey.pem",
    "tls/default/fullchain.pem",
    "tls/default/privkey.pem",
    "tls/shop/fullchain.pem",
    "tls/shop/old.key",
    "tls/shop/privkey.pem",
];

/// 2026-11-23T00:00:00Z.
const NOW: i64 = 1_795_392_000;

/// Runs the command. Its findings are what it is for, so that it ends well.
///
/// # Errors
/// Where the report cannot be written.
pub fn run(arguments: &DemoArguments) -> Result<u8, Failure> {
    let mut files = Memory::new();
    for (path, bytes) in FILES {
        files.insert(Path::new(path), bytes.to_vec());
    }
    let options = Options {
        platform: Some("debian-12".to_owned()),
        now: NOW,
        trust: vec![TrustSource::File(PathBuf::from("root.pem"))],
        ..Options::default()
    };
    let run = pipeline::lint(&files, &[PathBuf::from("nginx.conf")], &options)?;
    let style = style(&arguments.shared, &std::io::stdout());
    output_by(&arguments.shared, |out| report::pretty(&run, style, out))?;
    Ok(CLEAN)
}
