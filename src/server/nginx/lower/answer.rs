//! What a server block answers to requests, place by place: content, redirects, what is passed on, and
//! `Strict-Transport-Security`.
//!
//! Source: nginx 1.22.1, `ngx_http_headers_merge_conf` and `ngx_http_proxy_merge_loc_conf` (lists of headers are replaced whole by
//! a lower level's), `ngx_http_rewrite_module` (what a server block returns comes before its locations).

use super::place::{Kind, Place};
use super::setting::DirectiveRef;
use crate::model::{HttpResponse, ResponseKind, Token};
use crate::server::nginx::syntax::Word;
use crate::source::Span;

/// The variable that tells whether a request came as early data, without its mark.
const EARLY_DATA: &[u8] = b"ssl_early_data";

/// What one place says. Places are many, and few of them set these headers.
#[derive(Clone, Debug, Default)]
pub struct Level {
    /// Whether it sets headers of answers, so that those of the places around are lost.
    has_headers: bool,
    /// Whether headers of the places around are kept beside its own (`add_header_inherit merge`), or lost in any case.
    inherits_headers: Option<bool>,
    strict_transport: Option<Box<Token>>,
    /// A header that `more_set_headers` sets, which is never lost below.
    lasting_strict_transport: Option<Box<Token>>,
    /// Whether it sets headers or parameters of requests that are passed on.
    has_request_headers: bool,
    /// Whether one of them says that a request came as early data, or such requests are treated on their own.
    tells_early_data: bool,
    /// What `return` or a `rewrite` of every path answers, before anything else is looked at.
    returns: Option<(ResponseKind, Span)>,
    /// Where requests are passed on.
    passes: Option<Span>,
    /// Where the folder of files is named.
    root: Option<Span>,
    /// Whether everybody is denied.
    denies: bool,
    /// Whether clients cannot ask for it.
    is_internal: bool,
}

impl Level {
    /// Adds what another text says in the same place; the first stays.
    pub fn absorb(&mut self, other: Level) {
        self.has_headers |= other.has_headers;
        self.inherits_headers = self.inherits_headers.or(other.inherits_headers);
        self.strict_transport = self.strict_transport.take().or(other.strict_transport);
        self.lasting_strict_transport = self.lasting_strict_transport.take().or(other.lasting_strict_transport);
        self.has_request_headers |= other.has_request_headers;
        self.tells_early_data |= other.tells_early_data;
        self.root = self.root.or(other.root);
    }

    /// Whether files of a folder may be given there: nothing else answers.
    pub fn gives_files(&self) -> bool {
        self.returns.is_none() && self.passes.is_none() && !self.denies && !self.is_internal
    }

    /// Whether requests are turned away or led elsewhere before anything else is looked at.
    pub fn returns(&self) -> bool {
        self.returns.is_some()
    }

    /// Takes note that requests are told apart by whether they came as early data.
    pub fn heeds_early_data(&mut self) {
        self.tells_early_data = true;
    }

    /// Takes a directive into its level.
    pub fn read(&mut self, said: &DirectiveRef<'_>) {
        match said.name {
            b"add_header" => {
                self.has_headers = true;
                let is_it =
                    |word: &Word| word.value(&said.file.bytes).eq_ignore_ascii_case(b"strict-transport-security");
                if said.words.first().is_some_and(is_it) {
                    self.strict_transport = said.words.get(1).map(|word| Box::new(said.token(word)));
                }
            }
            b"add_header_inherit" => {
                self.inherits_headers = match &*said.first().text {
                    "merge" => Some(true),
                    "off" => Some(false),
                    _ => None,
                };
            }
            b"more_set_headers" => {
                let words = said.words.iter().map(|word| said.token(word));
                let is_ours = |word: &Token| word.text.to_ascii_lowercase().starts_with("strict-transport-security");
                self.lasting_strict_transport =
                    words.into_iter().find(is_ours).map(Box::new).or(self.lasting_strict_transport.take());
            }
            b"return" => self.returns = self.returns.or(Some((returned(said), said.span()))),
            b"rewrite" => self.returns = self.returns.or(rewritten(said).map(|reply| (reply, said.span()))),
            b"proxy_pass" | b"grpc_pass" | b"uwsgi_pass" | b"fastcgi_pass" | b"scgi_pass" | b"memcached_pass" => {
                self.passes = Some(said.span());
            }
            b"proxy_set_header" | b"grpc_set_header" | b"uwsgi_param" | b"fastcgi_param" | b"scgi_param" => {
                self.has_request_headers = true;
                let is_it = |word: &Word| memchr::memmem::find(&word.value(&said.file.bytes), EARLY_DATA).is_some();
                let is_long = |word: &Word| (word.end - word.start) as usize >= EARLY_DATA.len();
                self.tells_early_data |= said.words.iter().any(|word| is_long(word) && is_it(word));
            }
            b"root" | b"alias" => self.root = Some(said.span()),
            b"deny" => self.denies |= said.text(&said.words[0]) == "all",
            b"internal" => self.is_internal = true,
            _ => {}
        }
    }
}

/// What `return CODE`, `return CODE TEXT` or `return URL` answers.
fn returned(said: &DirectiveRef<'_>) -> ResponseKind {
    let first = said.text(&said.words[0]);
    let code: Option<u16> = first.parse().ok();
    match (code, said.words.get(1)) {
        (None, _) => led(&first),
        (Some(301 | 302 | 303 | 307 | 308), Some(word)) => led(&said.text(word)),
        (Some(200..=299), _) => ResponseKind::Content,
        _ => ResponseKind::Refused,
    }
}

/// A redirect by where it leads.
fn led(target: &str) -> ResponseKind {
    let target = target.to_ascii_lowercase();
    match target.starts_with('$') && !target.starts_with("$scheme:") {
        true => ResponseKind::Unknown,
        false => ResponseKind::Redirect { to_https: target.starts_with("https://") },
    }
}

/// What a `rewrite` answers that every path fits, where it redirects.
fn rewritten(said: &DirectiveRef<'_>) -> Option<ResponseKind> {
    let word = |at: usize| said.words.get(at).map(|word| said.token(word).text.to_string());
    let (pattern, target) = (word(0)?, word(1)?);
    let redirects = target.contains("://")
        || target.starts_with("$scheme")
        || word(2).is_some_and(|flag| flag != "last" && flag != "break");
    let is_any = matches!(
        pattern.trim_end_matches('$'),
        "^" | "^/" | ".*" | "^.*" | "(.*)" | "^(.*)" | "^/(.*)" | "^/?(.*)" | "^/.*" | "^(/.*)" | ""
    );
    (is_any && redirects).then(|| led(&target))
}

/// What a server block answers; `outer` is what stands around it.
pub fn build(places: &[Place], outer: &Level, head: Span) -> Vec<HttpResponse> {
    let mut answers = Vec::new();
    let whole = &places[0].answer;
    let answer = |place: usize, reply: ResponseKind, at: Span| {
        let (strict_transport, lost_header) = strict_transport(places, place, outer);
        let is_conditional = chain(places, place).any(|one| places[one].kind == Kind::Condition);
        let tells_early_data = tells_early_data(places, place, outer);
        HttpResponse { reply, at, is_conditional, strict_transport, lost_header, tells_early_data }
    };
    // What the server block itself returns comes before every location, behind its conditions.
    let returns = whole.returns.is_some();
    let is_asked = |one: &Place| {
        !returns || matches!(one.kind, Kind::Server | Kind::Condition) && one.parent.is_none_or(|parent| parent == 0)
    };
    // Without a folder of files nobody can say what is answered, but the headers are sent along.
    let unrooted = |place: usize, at: Option<Span>| {
        let (sent, lost) = strict_transport(places, place, outer);
        at.filter(|_| sent.is_some() || lost.is_some()).map(|at| (ResponseKind::Unknown, at))
    };
    for (place, one) in places.iter().enumerate().filter(|(_, one)| is_asked(one)) {
        let around = || chain(places, place);
        if around().any(|one| places[one].kind == Kind::Proof || places[one].answer.is_internal) {
            continue;
        }
        let level = &one.answer;
        let own = match (level.returns, level.passes) {
            (Some(returns), _) => Some(returns),
            (None, Some(at)) => Some((ResponseKind::PassedOn, at)),
            (None, None) if level.denies => one.head.map(|head| (ResponseKind::Refused, head)),
            (None, None) => None,
        };
        let found = match (own, &one.kind) {
            (Some(found), _) => Some(found),
            // A condition alone answers nothing, but its headers are sent.
            (None, Kind::Condition) => {
                let sends = level.strict_transport.is_some() || level.lasting_strict_transport.is_some();
                one.head.filter(|_| sends).map(|head| (ResponseKind::Unknown, head))
            }
            (None, Kind::Location { is_named: false, .. }) => {
                let root = level.root.or_else(|| around().find_map(|one| places[one].answer.root)).or(outer.root);
                one.head
                    .filter(|_| root.is_some())
                    .map(|head| (ResponseKind::Content, head))
                    .or_else(|| unrooted(place, one.head))
            }
            (None, Kind::Server) => {
                let is_covered =
                    places.iter().any(|one| one.kind == Kind::Location { is_whole: true, is_named: false });
                let rooted = whole.root.or(outer.root.map(|_| head)).map(|at| (ResponseKind::Content, at));
                rooted.or_else(|| unrooted(place, Some(head))).filter(|_| !is_covered)
            }
            (None, _) => None,
        };
        answers.extend(found.map(|(reply, at)| answer(place, reply, at)));
    }
    answers
}

/// A place and those around it, outward.
fn chain(places: &[Place], place: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(place), |at| places[*at].parent)
}

/// The header that is sent, and where one is written that is not, because a place further in has headers of its own.
fn strict_transport(places: &[Place], place: usize, outer: &Level) -> (Option<Token>, Option<Span>) {
    let levels = || chain(places, place).map(|at| &places[at].answer).chain([outer]);
    if let Some(lasting) = levels().find_map(|level| level.lasting_strict_transport.clone()) {
        return (Some(*lasting), None);
    }
    let mut is_lost = false;
    for level in levels() {
        match &level.strict_transport {
            Some(found) if is_lost => return (None, Some(found.span)),
            Some(found) => return (Some((**found).clone()), None),
            None => is_lost |= !level.inherits_headers.unwrap_or(!level.has_headers),
        }
    }
    (None, None)
}

fn tells_early_data(places: &[Place], place: usize, outer: &Level) -> bool {
    // A condition of the server block or around is asked first.
    let asks = |at: usize| {
        places.iter().any(|one| one.kind == Kind::Condition && one.parent == Some(at) && one.answer.tells_early_data)
    };
    if chain(places, place).any(asks) {
        return true;
    }
    let mut levels = chain(places, place).map(|at| &places[at].answer).chain([outer]);
    levels.find(|level| level.has_request_headers).is_some_and(|level| level.tells_early_data)
}
