//! Files of client authorities and trusted certificates, which Caddy reads while it adapts or provisions: one that it cannot
//! read stops it.
//!
//! Source: Caddy 2.6.2 and 2.11.4, `convertPEMFilesToDER`, `FileCAPool.Provision`; Go, `encoding/pem`.

use std::path::{Path, PathBuf};

use super::Lowering;
use crate::diagnostic::{Problem, UncheckedReason};
use crate::model::Token;
use crate::pki::{Block, BlockKind, PemFile, PemStore, loading};
use crate::server::caddy::syntax::has_placeholder;
use crate::source::{ReadError, Sources};

/// Who reads a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reader {
    /// The Caddyfile's adapter: up to 2.7 the first block has to be a certificate, later all of them.
    Adapter,
    /// `trusted_ca_certs_pem_files` of JSON: up to 2.7 any file will do.
    Json,
    /// The module `file` of `trust_pool`: certificates that are there have to be whole.
    Pool,
}

/// What is to be said of a file.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is hidden from us, which is no fault of it.
    Hidden(ReadError),
    /// It will not do: the case of the rule, and the reason of the system where it has one.
    Case(&'static str, String),
}

/// Holds a file against what Caddy does with it when it starts.
pub fn check(lowering: &mut Lowering<'_>, token: &Token, path: PathBuf, reader: Reader) {
    if has_placeholder(&token.text) {
        return lowering.not_judged(
            "client-ca-unusable",
            "the path hangs on what only the running server knows",
            token.span,
        );
    }
    let key = (path, reader);
    let known = lowering.authorities.get(&key).cloned();
    let found = known.unwrap_or_else(|| read(lowering, &key.0, reader));
    lowering.authorities.insert(key, found.clone());
    let (case, reason) = match found {
        Some(Fault::Case(case, reason)) => (case, reason),
        Some(Fault::Hidden(error)) => {
            let reason = UncheckedReason::hidden(&error, &token.text);
            return lowering.not_judged("client-ca-unusable", reason, token.span);
        }
        None => return,
    };
    let problem = Problem::new("client-ca-unusable", token.span).case(case).with("path", &*token.text);
    lowering.problem(problem.with("reason", reason));
}

fn read(lowering: &Lowering<'_>, path: &Path, reader: Reader) -> Option<Fault> {
    let (files, limits) = (lowering.reading.files, lowering.reading.limits);
    let library = PemStore::load(files, &mut Sources::new(), limits, [path.to_path_buf()], &[]);
    match library.get(path)? {
        Ok(file) => {
            let is_new = lowering.reading.version.at_least(2, 8, 0);
            fault(file, reader, is_new).map(|case| Fault::Case(case, String::new()))
        }
        Err(error) if error.is_hidden() => Some(Fault::Hidden(error.clone())),
        // What is missing here may lie on the server: the file system says so where it is only asked.
        Err(error) => match files.metadata(path) {
            Err(hidden) if hidden.is_hidden() => Some(Fault::Hidden(hidden)),
            _ => Some(Fault::Case("not-readable", error.to_string())),
        },
    }
}

fn fault(file: &PemFile, reader: Reader, is_new: bool) -> Option<&'static str> {
    let blocks = loading::go_blocks(file);
    let blocks = || blocks.iter().map(|(_, block)| *block);
    let is_certificate = |block: &&Block| block.label == "CERTIFICATE";
    let decodes = |block: &Block| matches!(block.kind, BlockKind::Certificate(_));
    let lacks = match reader {
        Reader::Pool => false,
        Reader::Json if !is_new => return None,
        _ if is_new => !blocks().all(|block| is_certificate(&block)) || blocks().next().is_none(),
        _ => !blocks().next().as_ref().is_some_and(is_certificate),
    };
    let is_broken = match is_new {
        true => !blocks().filter(is_certificate).all(decodes),
        false => !blocks().next().is_none_or(decodes),
    };
    match (lacks, is_broken) {
        (true, _) => Some(""),
        (false, true) => Some("undecodable"),
        (false, false) => None,
    }
}
