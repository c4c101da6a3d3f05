//! shakedown predicts from configuration files which TLS handshakes a web server would fail, and why.
//!
//! ```text
//! files ─source─▶ texts ─server/{nginx,apache,caddy}─▶ Deployment ─lint─▶ Problems ─words─▶ Findings ─report─▶ people, CI
//!                                                          │ │  ▲          ▲
//!                                                          │ └──┼─handshake┴▶ what each client gets
//!                         pki (certificates, keys) ────────┘    └── Change ─Editor─▶ edits ─fix─▶ diff
//! ```
//!
//! # Floor plan
//! A module imports only from floors below its own; `tests/architecture.rs` reads `src/` and holds it.
//!
//! | floor | module | what is there |
//! |---|---|---|
//! | 0 | [`source`] | texts, places, files, globs, limits |
//! | 0 | [`tls`] | protocols, suites, groups, OpenSSL cipher strings; no configuration |
//! | 1 | [`diagnostic`] | findings, problems, labels, fixes |
//! | 1 | [`pki`] | PEM, X.509, keys, paths: the only place that knows them |
//! | 1 | [`platform`] | versions and defaults of servers and libraries |
//! | 2 | [`model`] | [`model::Deployment`] and all that it holds; changes |
//! | 3 | [`server`] | one folder a server, alike inside: syntax, directives, lowering, edits |
//! | 3 | [`handshake`] | clients, and what each of them gets; one module a TLS library |
//! | 4 | [`lint`] | rules' pages, engine, checks |
//! | 5 | [`compare`] | two configurations held against each other: what changed for clients |
//! | 5 | [`config`] | `shakedown.toml` and rules of one's own, every entry with its place |
//! | 5 | [`fix`] | choosing, ordering and applying edits; unified diffs |
//! | 6 | [`pipeline`] | load, lower, lint: pure given files, configuration and time |
//! | 7 | [`report`] | one file a format |
//! | 7 | [`snapshot`] | the store of known-good configurations, and the way back |
//! | 8 | [`cli`] | arguments, exit codes |
//!
//! Data is in `rules/`: a page for each rule, a file for each platform, tables for OpenSSL, nginx and Apache.
//!
//! # What is not there
//! - Nothing above `server` knows a directive; nothing in `server` knows a rule's words or severity.
//! - `server::nginx`, `server::apache` and `server::caddy` do not know one another.
//! - No module but `source` opens a file of the configuration; no module but `fix` writes one.
//! - No module but `source` starts a program, and that is git, for its revisions.
//! - The library reads no clock, no environment variable and no home folder; `cli` passes them in.
//! - `pki` keeps no secret half of a key, and nothing derived from one leaves it.
//! - Parsing and lowering cannot fail: they return a value and a list of problems.

pub mod cli;
pub mod compare;
pub mod config;
pub mod diagnostic;
pub mod fix;
pub mod handshake;
pub mod lint;
pub mod model;
pub mod pipeline;
pub mod pki;
pub mod platform;
pub mod report;
pub mod server;
pub mod snapshot;
pub mod source;
pub mod tls;
