//! The table of words by release, read once.

use std::sync::LazyLock;

use foldhash::{HashMap, HashMapExt};

use crate::platform::Version;

/// Where a word stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// In a site block.
    Site,
    /// Among the global options.
    Global,
    /// In `tls`.
    Tls,
    /// In `client_auth` of `tls`.
    ClientAuth,
    /// In `servers` of the global options.
    Servers,
    /// In `on_demand_tls` of the global options.
    OnDemand,
    /// Behind `auto_https`.
    AutoHttps,
    /// Behind `issuer`.
    Issuer,
    /// Behind `get_certificate`.
    Manager,
    /// Behind `curves`.
    Curve,
    /// In `error`.
    Error,
    /// In `file_server`.
    FileServer,
    /// In `forward_auth`.
    ForwardAuth,
    /// In `intercept`.
    Intercept,
    /// In `log`.
    Log,
    /// In `php_fastcgi`.
    PhpFastcgi,
    /// In `request_body`.
    RequestBody,
    /// In `respond`.
    Respond,
    /// In `reverse_proxy`.
    ReverseProxy,
    /// In `transport fastcgi`.
    FastcgiTransport,
    /// In `transport http`.
    HttpTransport,
    /// In `try_files`.
    TryFiles,
}

const PLACES: &[(&str, Place, &str)] = &[
    ("auto_https", Place::AutoHttps, "`auto_https`"),
    ("client_auth", Place::ClientAuth, "`client_auth`"),
    ("curve", Place::Curve, "`curves`"),
    ("global", Place::Global, "the global options"),
    ("issuer", Place::Issuer, "`issuer`"),
    ("manager", Place::Manager, "`get_certificate`"),
    ("on_demand_tls", Place::OnDemand, "`on_demand_tls`"),
    ("servers", Place::Servers, "`servers`"),
    ("site", Place::Site, "a site block"),
    ("tls", Place::Tls, "`tls`"),
    ("error", Place::Error, "`error`"),
    ("file_server", Place::FileServer, "`file_server`"),
    ("forward_auth", Place::ForwardAuth, "`forward_auth`"),
    ("intercept", Place::Intercept, "`intercept`"),
    ("log", Place::Log, "`log`"),
    ("php_fastcgi", Place::PhpFastcgi, "`php_fastcgi`"),
    ("request_body", Place::RequestBody, "`request_body`"),
    ("respond", Place::Respond, "`respond`"),
    ("reverse_proxy", Place::ReverseProxy, "`reverse_proxy`"),
    ("transport_fastcgi", Place::FastcgiTransport, "`transport fastcgi`"),
    ("transport_http", Place::HttpTransport, "`transport http`"),
    ("try_files", Place::TryFiles, "`try_files`"),
];

impl Place {
    /// The place for people.
    pub fn name(self) -> &'static str {
        PLACES.iter().find(|(_, place, _)| *place == self).map_or("", |(_, _, name)| name)
    }

    /// The place inside the block of a directive of a site, where its words are listed.
    pub fn inside(directive: &str) -> Option<Place> {
        Place::from_name(directive).filter(|place| Place::of_site(*place).is_some())
    }

    /// The directive of a site, or the transport, in whose block a place is.
    fn of_site(place: Place) -> Option<&'static str> {
        use Place::{
            Error, FastcgiTransport, FileServer, ForwardAuth, HttpTransport, Intercept, Log, PhpFastcgi, RequestBody,
            Respond, ReverseProxy, TryFiles,
        };
        let is_one = matches!(
            place,
            Error
                | FastcgiTransport
                | FileServer
                | ForwardAuth
                | HttpTransport
                | Intercept
                | Log
                | PhpFastcgi
                | RequestBody
                | Respond
                | ReverseProxy
                | TryFiles
        );
        PLACES.iter().find(|(_, known, _)| is_one && *known == place).map(|(name, ..)| *name)
    }

    fn from_name(name: &str) -> Option<Place> {
        PLACES.iter().find(|(known, ..)| *known == name).map(|(_, place, _)| *place)
    }
}

/// A word that Caddy's own modules know.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The first release that knows it, where that is not the oldest in the table.
    pub first: Option<Version>,
    /// The last release that knows it.
    pub last: Option<Version>,
}

type Words<T> = HashMap<&'static str, Vec<(Place, T)>>;

/// Words by name, since callers ask with text of their own.
fn gather<T>(rows: impl Iterator<Item = (Place, &'static str, T)>) -> Words<T> {
    let mut words: Words<T> = HashMap::new();
    for (place, name, value) in rows {
        words.entry(name).or_default().push((place, value));
    }
    words
}

fn lookup<'w, T>(words: &'w Words<T>, place: Place, name: &str) -> Option<&'w T> {
    words.get(name)?.iter().find(|(known, _)| *known == place).map(|(_, value)| value)
}

fn rows(text: &'static str) -> impl Iterator<Item = (Place, &'static str, Vec<&'static str>)> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.filter_map(|line| {
        let mut cells = line.split('\t');
        Some((Place::from_name(cells.next()?)?, cells.next()?, cells.collect()))
    })
}

static KNOWN: LazyLock<Words<Entry>> = LazyLock::new(|| {
    let version = |cells: &[&str], at: usize| cells.get(at).and_then(|text| Version::parse(text));
    let entry = |cells: &[&str]| Entry { first: version(cells, 0), last: version(cells, 1) };
    let rows = rows(include_str!("../../../../rules/caddy/directives.tsv"));
    gather(rows.map(|(place, name, cells)| (place, name, entry(&cells))))
});

static PLUGINS: LazyLock<Words<&'static str>> = LazyLock::new(|| {
    let rows = rows(include_str!("../../../../rules/caddy/plugins.tsv"));
    gather(rows.map(|(place, name, cells)| (place, name, cells.first().copied().unwrap_or_default())))
});

/// The entry of a word in its place.
pub fn find(place: Place, name: &str) -> Option<&'static Entry> {
    lookup(&KNOWN, place, name)
}

static FIELDS: LazyLock<HashMap<(&'static str, &'static str), Entry>> = LazyLock::new(|| {
    let text = include_str!("../../../../rules/caddy/fields.tsv");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let field = |line: &'static str| {
        let mut cells = line.split('\t');
        let key = (cells.next()?, cells.next()?);
        let mut version = || cells.next().and_then(Version::parse);
        Some((key, Entry { first: version(), last: version() }))
    };
    lines.filter_map(field).collect()
});

/// A field of an object of the JSON configuration. Go compares names without regard to case.
pub fn field(object: &'static str, name: &str) -> Option<&'static Entry> {
    FIELDS
        .iter()
        .find(|((known, field), _)| *known == object && field.eq_ignore_ascii_case(name))
        .map(|(_, entry)| entry)
}

/// How many arguments a word takes.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    /// At least so many.
    pub fewest: usize,
    /// At most so many; absent: any number.
    pub most: Option<usize>,
    /// Whether a matcher may stand before them.
    pub has_matcher: bool,
    /// Whether a path that stands alone is no matcher, from 2.8 on.
    pub is_lone: bool,
}

static COUNTS: LazyLock<Words<Count>> = LazyLock::new(|| {
    let count = |cells: &[&str]| {
        let number = |at: usize| cells.get(at).and_then(|text| text.parse().ok());
        let matcher = cells.get(2).copied().unwrap_or_default();
        let (has_matcher, is_lone) = (!matcher.is_empty(), matcher == "lone");
        Count { fewest: number(0).unwrap_or(0), most: number(1), has_matcher, is_lone }
    };
    gather(
        rows(include_str!("../../../../rules/caddy/arguments.tsv"))
            .map(|(place, name, cells)| (place, name, count(&cells))),
    )
});

/// How many arguments a word of a place takes, where that is known.
pub fn count(place: Place, name: &str) -> Option<&'static Count> {
    lookup(&COUNTS, place, name)
}

/// Whether a word stands in the block of some directive of a site, and is none itself.
pub fn is_inner(name: &str) -> bool {
    let is_inside = |place: Place| Place::of_site(place).is_some();
    let rows = KNOWN.get(name);
    rows.is_some_and(|rows| {
        rows.iter().any(|(place, _)| is_inside(*place)) && !rows.iter().any(|(place, _)| *place == Place::Site)
    })
}

/// The plug-in that is known to bring a word.
pub fn plugin(place: Place, name: &str) -> Option<&'static str> {
    lookup(&PLUGINS, place, name).copied()
}

/// All words of a place, sorted.
pub fn names(place: Place) -> impl Iterator<Item = &'static str> {
    let stands = |entries: &[(Place, Entry)]| entries.iter().any(|(known, _)| *known == place);
    let mut all: Vec<&'static str> =
        KNOWN.iter().filter(|(_, entries)| stands(entries)).map(|(name, _)| *name).collect();
    all.sort_unstable();
    all.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_place_and_sound_versions() {
        let text = include_str!("../../../../rules/caddy/directives.tsv");
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count();
        assert_eq!(KNOWN.values().map(Vec::len).sum::<usize>(), lines);
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            for cell in line.split('\t').skip(2).filter(|cell| !cell.is_empty()) {
                assert!(Version::parse(cell).is_some(), "{line}");
            }
        }
        assert!(find(Place::Global, "fallback_sni").is_some_and(|entry| entry.first == Version::parse("2.7.0")));
        assert!(plugin(Place::Site, "rate_limit").is_some());
    }
}
