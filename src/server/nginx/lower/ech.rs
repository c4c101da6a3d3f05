//! `ssl_ech_file`: keys for Encrypted Client Hello (RFC 9849), which the library has from OpenSSL 4.0 on.

use std::path::PathBuf;

use super::Lowering;
use super::setting::DirectiveRef;
use crate::diagnostic::{Problem, Severity};
use crate::model::{Setting, Token};
use crate::platform::TlsLibraryKind;

/// How a block of the file begins that clients are told of.
const BLOCK: &[u8] = b"-----BEGIN ECHCONFIG-----";

/// What nginx says of the file: an older library makes it pass over the directive (`ngx_ssl_encrypted_client_hello_files`).
pub fn check(lowering: &Lowering<'_>, file: &Setting<(Token, PathBuf)>, said: &DirectiveRef<'_>) -> Option<Problem> {
    let library = &lowering.library;
    let problem = Problem::new("ech-file-invalid", said.first().span).with("library", library.name.clone());
    if library.kind != TlsLibraryKind::OpenSsl {
        return None;
    }
    if !library.version.at_least(4, 0, 0) {
        return Some(problem.case("ignored").severity(Severity::Warning));
    }
    let (token, path) = file.get()?;
    let reason = match lowering.files.read(path, lowering.limits.pem_file) {
        Ok(bytes) if bytes.windows(BLOCK.len()).any(|window| window == BLOCK) => return None,
        Ok(_) => "no `ECHCONFIG` block stands in it".to_owned(),
        Err(error) if error.is_missing() => error.to_string(),
        Err(_) => return None,
    };
    Some(problem.with("path", &*token.text).with("reason", reason))
}
