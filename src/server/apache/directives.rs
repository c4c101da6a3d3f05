//! What Apache's directives may say, and where: the table in `rules/apache/`, and what a directive that breaks it is told.

mod check;
mod expression;
mod table;

pub use self::check::{Known, Reader, Written, check, comment_above};
pub use self::table::{Context, Entry, context_of, find, is_foreign, is_known_module};
