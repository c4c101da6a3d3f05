//! The table of directives by release, read once.

use std::sync::LazyLock;

use foldhash::{HashMap, HashMapExt};

use crate::diagnostic::spelling;
use crate::platform::Version;
use crate::server::nginx::syntax::Tree;

/// Where a directive can stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Context {
    /// The top of the main file.
    Main,
    /// `events`
    Events,
    /// `http`
    Http,
    /// `server` in `http`
    Server,
    /// `location`
    Location,
    /// `upstream` in `http`
    Upstream,
    /// `if` in a `server`
    ServerIf,
    /// `if` in a `location`
    LocationIf,
    /// `limit_except`
    LimitExcept,
    /// `mail`
    Mail,
    /// `server` in `mail`
    MailServer,
    /// `stream`
    Stream,
    /// `server` in `stream`
    StreamServer,
    /// `upstream` in `stream`
    StreamUpstream,
}

impl Context {
    /// The contexts in the order in which a fragment is tried.
    pub const ALL: [Context; 14] = [
        Context::Main,
        Context::Http,
        Context::Server,
        Context::Location,
        Context::Upstream,
        Context::Stream,
        Context::StreamServer,
        Context::StreamUpstream,
        Context::Mail,
        Context::MailServer,
        Context::Events,
        Context::ServerIf,
        Context::LocationIf,
        Context::LimitExcept,
    ];

    fn letter(self) -> u8 {
        match self {
            Context::Main => b'm',
            Context::Events => b'e',
            Context::Http => b'h',
            Context::Server => b's',
            Context::Location => b'l',
            Context::Upstream => b'u',
            Context::ServerIf => b'i',
            Context::LocationIf => b'j',
            Context::LimitExcept => b'x',
            Context::Mail => b'M',
            Context::MailServer => b'S',
            Context::Stream => b'T',
            Context::StreamServer => b'V',
            Context::StreamUpstream => b'U',
        }
    }

    /// What to call it in a message.
    pub fn name(self) -> &'static str {
        match self {
            Context::Main => "the top level",
            Context::Events => "`events`",
            Context::Http => "`http`",
            Context::Server | Context::MailServer | Context::StreamServer => "`server`",
            Context::Location => "`location`",
            Context::Upstream | Context::StreamUpstream => "`upstream`",
            Context::ServerIf | Context::LocationIf => "`if`",
            Context::LimitExcept => "`limit_except`",
            Context::Mail => "`mail`",
            Context::Stream => "`stream`",
        }
    }
}

/// What kind of value a directive with one takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `on` or `off`.
    Flag,
    /// Decimal digits.
    Number,
    /// Bytes, with `k`, `m` or `g`.
    Size,
    /// A time, with `ms`, `s`, `m`, `h`, `d`, `w`, `M` or `y`.
    Time,
    /// One of some words, case ignored.
    Enum(&'static str),
    /// Some of some words, case ignored.
    Bitmask(&'static str),
    /// Any text; may stand once.
    Text,
    /// Read by code of its own; may stand once.
    Once,
    /// Read by code of its own.
    Other,
}

/// One row of the table: a directive of a module, over the releases in which it was like this.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The module, without `ngx_` and `_module`.
    pub module: &'static str,
    contexts: &'static str,
    arguments: &'static str,
    /// Whether it has a block.
    pub block: bool,
    /// What it takes.
    pub kind: Kind,
    /// The first release that has it so, where it is newer than 1.9.0.
    pub first: Option<Version>,
    /// The last release that has it so, where a newer one has not.
    pub last: Option<Version>,
    /// Whether nginx itself does not bring it: then nothing else is known.
    pub foreign: bool,
}

impl Entry {
    /// Whether it may stand there.
    pub fn stands_in(&self, context: Context) -> bool {
        self.foreign || self.contexts.bytes().any(|one| one == b'*' || one == context.letter())
    }

    /// Whether that release has it so.
    pub fn is_in(&self, version: Version) -> bool {
        self.first.is_none_or(|first| first <= version) && self.last.is_none_or(|last| version <= last)
    }

    /// Whether it takes this many arguments.
    pub fn takes(&self, count: usize) -> bool {
        match self.arguments {
            "*" | "" => true,
            "1+" => count >= 1,
            "2+" => count >= 2,
            numbers => numbers.bytes().any(|digit| usize::from(digit - b'0') == count),
        }
    }

    /// How many arguments it takes, for a message.
    pub fn expected(&self) -> String {
        match self.arguments {
            "0" => "no argument".to_owned(),
            "1" => "one argument".to_owned(),
            "1+" => "at least one argument".to_owned(),
            "2+" => "at least two arguments".to_owned(),
            numbers => {
                let all: Vec<String> = numbers.chars().map(String::from).collect();
                match all.split_last() {
                    Some((last, rest)) if !rest.is_empty() => format!("{} or {last} arguments", rest.join(", ")),
                    _ => format!("{numbers} arguments"),
                }
            }
        }
    }
}

type Table = HashMap<&'static [u8], Vec<Entry>>;

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table::with_capacity(2048);
    let rows = |text: &'static str| text.lines().filter(|line| !line.starts_with('#')).skip(1);
    for line in rows(include_str!("../../../../rules/nginx/directives.tsv")) {
        let mut columns = line.split('\t');
        let mut next = || columns.next().unwrap_or_default();
        let (name, module, contexts, arguments) = (next(), next(), next(), next());
        let block = next() == "block";
        let kind = kind(next());
        let (first, last) = (Version::parse(next()), Version::parse(next()));
        let entry = Entry { module, contexts, arguments, block, kind, first, last, foreign: false };
        table.entry(name.as_bytes()).or_default().push(entry);
    }
    for line in rows(include_str!("../../../../rules/nginx/foreign.tsv")) {
        let (name, module) = line.split_once('\t').unwrap_or((line, ""));
        let entry = Entry {
            module,
            contexts: "*",
            arguments: "*",
            block: false,
            kind: Kind::Other,
            first: None,
            last: None,
            foreign: true,
        };
        table.entry(name.as_bytes()).or_default().push(entry);
    }
    table
});

fn kind(text: &'static str) -> Kind {
    let (name, words) = text.split_once(' ').unwrap_or((text, ""));
    match name {
        "flag" => Kind::Flag,
        "number" => Kind::Number,
        "size" => Kind::Size,
        "time" => Kind::Time,
        "enum" => Kind::Enum(words),
        "bitmask" if !words.is_empty() => Kind::Bitmask(words),
        "string" => Kind::Text,
        "once" => Kind::Once,
        _ => Kind::Other,
    }
}

/// All rows of a name; empty where no release has it.
pub fn find(name: &[u8]) -> &'static [Entry] {
    TABLE.get(name).map_or(&[], Vec::as_slice)
}

/// Whether a module's file, without its suffix, is one whose directives the table has.
pub fn is_known_module(stem: &[u8]) -> bool {
    const FOREIGN: &[&str] = &[
        "ndk_http_module",
        "ngx_http_lua_module",
        "ngx_stream_lua_module",
        "ngx_http_headers_more_filter_module",
        "ngx_http_echo_module",
        "ngx_http_brotli_filter_module",
        "ngx_http_brotli_static_module",
        "ngx_http_dav_ext_module",
        "ngx_http_fancyindex_module",
        "ngx_http_auth_pam_module",
        "ngx_http_cache_purge_module",
        "ngx_http_geoip2_module",
        "ngx_stream_geoip2_module",
        "ngx_http_subs_filter_module",
        "ngx_http_upstream_fair_module",
        "ngx_http_uploadprogress_module",
        "ngx_nchan_module",
        "ngx_rtmp_module",
        "ngx_http_js_module",
        "ngx_stream_js_module",
        "ngx_otel_module",
        "ngx_http_modsecurity_module",
        "ngx_http_set_misc_module",
    ];
    let Ok(stem) = std::str::from_utf8(stem) else { return false };
    let short = stem.strip_prefix("ngx_").and_then(|rest| rest.strip_suffix("_module"));
    FOREIGN.contains(&stem)
        || matches!(stem, "ngx_stream_module" | "ngx_mail_module" | "ngx_http_perl_module")
        || short.is_some_and(|short| {
            TABLE.values().flatten().any(|entry| entry.module == short || entry.module.starts_with(short))
        })
}

/// The block that a directive opens, as a context. Absent where what stands inside are no directives (`map`, `types`), or
/// is not known.
pub fn context_inside(name: &[u8], outside: Context) -> Option<Context> {
    Some(match (outside, name) {
        (Context::Main, b"events") => Context::Events,
        (Context::Main, b"http") => Context::Http,
        (Context::Main, b"mail") => Context::Mail,
        (Context::Main, b"stream") => Context::Stream,
        (Context::Http, b"server") => Context::Server,
        (Context::Http, b"upstream") => Context::Upstream,
        (Context::Stream, b"server") => Context::StreamServer,
        (Context::Stream, b"upstream") => Context::StreamUpstream,
        (Context::Mail, b"server") => Context::MailServer,
        (Context::Server | Context::Location, b"location") => Context::Location,
        (Context::Server, b"if") => Context::ServerIf,
        (Context::Location, b"if") => Context::LocationIf,
        (Context::Location, b"limit_except") => Context::LimitExcept,
        _ => return None,
    })
}

/// The context in which most of a text's directives are allowed, blocks included: how a fragment is read. Absent where no
/// directive at its top is known: it may be the inside of a `map` or another language.
pub fn context_of(tree: &Tree, text: &[u8]) -> Option<Context> {
    if tree.directives.is_empty() {
        return Some(Context::Http);
    }
    let score = |context: Context| {
        // The contexts of the blocks that are open, with the index behind each.
        let mut open: Vec<(u32, Option<Context>)> = vec![(u32::MAX, Some(context))];
        let (mut roots, mut all) = (0usize, 0usize);
        for (index, directive) in tree.directives.iter().enumerate() {
            while open.last().is_some_and(|(after, _)| *after <= index as u32) {
                open.pop();
            }
            let name = tree.name(index, text);
            let here = open.last().and_then(|(_, context)| *context);
            if let Some(here) = here {
                let has_block = directive.block.is_some();
                let fits = |entry: &Entry| !entry.foreign && entry.block == has_block && entry.stands_in(here);
                let known = find(name).iter().any(fits);
                all += usize::from(known);
                roots += usize::from(known && open.len() == 1);
            }
            if directive.block.is_some() {
                open.push((directive.after, here.and_then(|here| context_inside(name, here))));
            }
        }
        (roots, all)
    };
    let scores = Context::ALL.map(|context| (score(context), context));
    let best = scores.iter().map(|(score, _)| *score).max()?;
    if best.0 == 0 {
        return None;
    }
    scores.into_iter().find(|(score, _)| *score == best).map(|(_, context)| context)
}

/// The one name of the table that differs from `name` by the least, at most by two edits, and may stand there.
pub fn nearest(name: &str, context: Option<Context>) -> Option<(&'static str, usize)> {
    let stands = |entries: &[Entry]| {
        entries.iter().any(|entry| !entry.foreign && context.is_none_or(|context| entry.stands_in(context)))
    };
    let known = TABLE.iter().filter(|(_, entries)| stands(entries));
    spelling::nearest(name, known.filter_map(|(other, _)| std::str::from_utf8(other).ok()), 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::nginx::syntax::parse;

    #[test]
    fn rows_read_and_are_sorted() {
        assert!(TABLE.len() > 1500);
        let listen = find(b"listen");
        assert_eq!(listen.len(), 3);
        assert!(listen.iter().any(|entry| entry.stands_in(Context::Server)));
        assert!(find(b"ssl").iter().all(|entry| !entry.is_in(Version::new(1, 25, 1))));
        assert!(find(b"http2").iter().all(|entry| !entry.is_in(Version::new(1, 22, 1))));
        assert!(find(b"no_such_thing").is_empty());
    }

    #[test]
    fn misspelt_names_have_one_neighbour() {
        assert_eq!(nearest("ssl_certficate", Some(Context::Server)), Some(("ssl_certificate", 1)));
        assert_eq!(nearest("lisetn", Some(Context::Server)), Some(("listen", 1)));
        assert_eq!(nearest("something_else", None), None);
    }

    #[test]
    fn a_fragment_tells_its_context() {
        let context = |text: &[u8]| context_of(&parse(text), text);
        let check = |text: &[u8], expected: Context| assert_eq!(context(text), Some(expected));
        check(b"server { listen 443; }", Context::Http);
        check(b"upstream x { server a; } server { listen 443; }", Context::Http);
        check(b"location / { } server_name x;", Context::Server);
        check(b"proxy_pass http://x; proxy_buffering off;", Context::Location);
        check(b"events {} http {}", Context::Main);
        check(b"ssl_protocols TLSv1.3;", Context::Http);
        check(b"", Context::Http);
        check(b"if ($x) { add_header a b; }", Context::Location);
        check(b"server { listen 1; proxy_pass x; ssl_preread on; }", Context::Stream);
        assert_eq!(context(b"example.com 1; *.example.com 2;"), None);
    }
}
