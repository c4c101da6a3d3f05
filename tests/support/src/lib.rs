//! For tests alone: certificates by recipe, and the real servers on loopback.
//!
//! Everything is deterministic: keys come from their names, dates from [`NOW`], or the machine where a server asks it ([`clock`]).

pub mod apache;
mod apache_text;
pub mod arena;
pub mod beside;
pub mod caddy;
pub mod case;
pub mod certificate;
pub mod client;
pub mod clock;
pub mod der;
pub mod finding;
pub mod handshake;
pub mod judge;
pub mod kept;
pub mod key;
pub mod material;
pub mod nginx;
mod nginx_text;
pub mod pair;
pub mod parameters;
pub mod pool;
pub mod prediction;
pub mod random;
pub mod recipe;
pub mod request;
mod revocation;
pub mod server;
mod shrink;
pub mod trial;

/// 2026-11-23T00:00:00Z, the time at which examples are judged. Seconds since 1970-01-01 UTC.
pub const NOW: i64 = 1_795_392_000;

/// Seconds of a day.
pub const DAY: i64 = 86_400;
