//! What nginx's directives may say, and where: the table in `rules/nginx/`, and what a directive that breaks it is told.

mod check;
mod expression;
mod table;

pub use self::check::{Reader, check, check_duplicates, line_of, stands_once};
pub use self::expression::check_marked;
pub use self::table::{Context, Entry, Kind, context_inside, context_of, find, is_known_module, nearest};
