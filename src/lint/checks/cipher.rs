//! Cipher strings: what the library refuses, what it ignores, and what is weak of the rest. Judged after expansion, never by
//! comparing text.

use super::{openssl, protocol};
use crate::diagnostic::{Edit, Fix, Problem, Safety, Severity, spelling};
use crate::handshake::go;
use crate::handshake::openssl::{Context, Dh};
use crate::lint::{Reporter, RuleContext};
use crate::model::{Change, Site, SiteId, TlsPolicy, Token};
use crate::platform::TlsLibraryKind;
use crate::source::Span;
use crate::tls::cipher::{self, CipherError, CipherLibrary, CipherSuite};
use crate::tls::go::GoSuite;
use crate::tls::signature::SigningKey;
use crate::tls::{Protocol, Protocols};

/// The cipher string of a site for TLS 1.2 and below, where the server reads it: only a site with a certificate, or one that
/// rejects, gets a context of its own.
fn string<'a>(scope: &RuleContext<'a>, site: &Site) -> Option<(&'static CipherLibrary, &'a Token)> {
    let platform = &scope.deployment.platform;
    let is_read = !scope.deployment.credentials(site.credentials).pairs.is_empty() || site.rejects.get() == Some(&true);
    if platform.tls_library.kind != TlsLibraryKind::OpenSsl || !is_read || !site.loads_credentials {
        return None;
    }
    // The names of a list stand one by one; OpenSSL's string is one word.
    let [token] = &scope.deployment.policy(site.policy).ciphers.get()?[..] else { return None };
    Some((CipherLibrary::of(platform.tls_library.version.numbers), token))
}

/// `cipher-list-empty`.
pub fn empty(scope: &RuleContext<'_>, _: SiteId, site: &Site, sink: &mut Reporter) {
    let Some((library, token)) = string(scope, site) else { return };
    // What the system's administrator chose, where the library is patched to know it.
    let is_system = token.text.starts_with("PROFILE=") && scope.deployment.platform.system_profiles;
    let found = refused(scope, library, token).filter(|problem| problem.rule.as_str() == "cipher-list-empty");
    sink.problems.extend(found.filter(|_| !is_system));
}

/// What the library says of a string that it does not take.
pub(super) fn refused(scope: &RuleContext<'_>, library: &'static CipherLibrary, token: &Token) -> Option<Problem> {
    let name = scope.deployment.platform.tls_library.name.clone();
    match scope.expansion(library, token).error.clone()? {
        CipherError::NoMatch => {
            let mut problem = Problem::new("cipher-list-empty", token.span).with("library", name);
            problem.fix = usual(scope, library, token);
            Some(problem)
        }
        CipherError::InvalidCommand(at) => {
            let found = token.text.get(at..).and_then(|rest| rest.chars().next());
            let shown = found.map_or("the end".to_owned(), |letter| format!("`{}`", letter.escape_default()));
            let end = at + found.map_or(0, char::len_utf8);
            let mut problem = Problem::new("cipher-list-syntax", token.part(at, end)).with("found", shown);
            problem.fix = stripped(scope, library, token);
            Some(problem.with("library", name))
        }
    }
}

/// Whether a word stands in its place as it is read, without escapes, and not as what a variable or a macro brought.
fn is_verbatim(scope: &RuleContext<'_>, token: &Token) -> bool {
    scope.text(token.part(0, token.text.len())) == *token.text
}

/// Takes each letter out of a string that the library trips over, until it takes what is left; a bar, which stands between
/// the names of a group in BoringSSL, becomes a colon.
fn stripped(scope: &RuleContext<'_>, library: &'static CipherLibrary, token: &Token) -> Option<Fix> {
    /// How many letters are taken out at most, and of how long a string, in bytes: each costs an expansion.
    const MOST: usize = 32;
    const LONGEST: usize = 4096;
    if token.text.len() > LONGEST || !is_verbatim(scope, token) {
        return None;
    }
    let mut left: Vec<(usize, char)> = token.text.char_indices().collect();
    let mut edits = Vec::new();
    loop {
        let text: String = left.iter().map(|(_, letter)| letter).collect();
        match cipher::expand(library, &text).error {
            None => break,
            Some(CipherError::InvalidCommand(at)) if edits.len() < MOST => {
                let place = text.get(..at)?.chars().count();
                let (from, letter) = *left.get(place)?;
                let with = if letter == '|' { ":" } else { "" };
                edits.push(Edit { span: token.part(from, from + letter.len_utf8()), text: with.to_owned() });
                match with {
                    "" => drop(left.remove(place)),
                    _ => left[place].1 = ':',
                }
            }
            Some(_) => return None,
        }
    }
    (!edits.is_empty()).then(|| Fix {
        title: "take out what the library trips over".to_owned(),
        safety: Safety::Safe,
        edits,
    })
}

/// Puts a usual string in the place of one that selects nothing.
fn usual(scope: &RuleContext<'_>, library: &'static CipherLibrary, token: &Token) -> Option<Fix> {
    const USUAL: &str = "HIGH:!aNULL:!MD5";
    // Behind quotes with escapes, and where a server adds to the string, the place of the text is not that of the token.
    let end = token.text.trim_end_matches(":!aNULL:!eNULL:!EXP").len();
    let span = token.part(0, end);
    let is_verbatim = end > 0 && scope.text(span) == token.text[..end];
    let selects = cipher::expand(library, USUAL).error.is_none();
    (is_verbatim && selects).then(|| Fix {
        title: format!("write {USUAL}"),
        safety: Safety::Unsafe,
        edits: vec![Edit { span, text: USUAL.to_owned() }],
    })
}

/// `cipher-list-syntax`.
pub fn syntax(scope: &RuleContext<'_>, _: SiteId, site: &Site, sink: &mut Reporter) {
    let Some((library, token)) = string(scope, site) else { return };
    let found = refused(scope, library, token).filter(|problem| problem.rule.as_str() == "cipher-list-syntax");
    sink.problems.extend(found);
}

/// Whether a word is the name of a suite of TLS 1.3.
fn is_tls13(word: &str) -> bool {
    const NAMES: &[&str] = &[
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_AES_128_CCM_SHA256",
        "TLS_AES_128_CCM_8_SHA256",
    ];
    NAMES.contains(&word)
}

/// The words of a string that select nothing and are not taken out: the operator is left out of the text.
fn ignored<'t>(scope: &RuleContext<'_>, library: &'static CipherLibrary, token: &'t Token) -> Vec<(usize, &'t str)> {
    let expansion = scope.expansion(library, token);
    if expansion.error.is_some() {
        return Vec::new(); // the string says nothing at all
    }
    let unknown = expansion.ignored.iter().filter(|ignored| ignored.word.is_some());
    let items = unknown.filter_map(|ignored| Some((ignored.item.start, token.text.get(ignored.item.clone())?)));
    items.filter(|(_, item)| !item.starts_with(['!', '-', '+'])).collect()
}

/// `unknown-cipher`.
pub fn unknown(scope: &RuleContext<'_>, _: SiteId, site: &Site, sink: &mut Reporter) {
    let Some((library, token)) = string(scope, site) else { return };
    for (at, word) in ignored(scope, library, token).into_iter().filter(|(_, word)| !is_tls13(word)) {
        let span = token.part(at, at + word.len());
        let others = [[1, 1, 1], [3, 0, 0], [3, 5, 0]].map(CipherLibrary::with_weak_suites);
        let is_elsewhere = others.iter().any(|other| other.words().any(|known| known == word));
        let suggestion = suggestion(library, word);
        let case = match (&suggestion, is_elsewhere) {
            (Some(_), _) => "meant",
            (None, true) => "elsewhere",
            (None, false) => "",
        };
        let mut problem = Problem::new("unknown-cipher", span)
            .case(case)
            .with("word", word)
            .with("meant", suggestion.as_ref().map_or("", |(name, _)| name))
            .with("library", scope.deployment.platform.tls_library.name.clone());
        // Behind quotes with escapes the place of a part is not known.
        if let Some((name, true)) = suggestion.filter(|_| scope.text(span) == word) {
            let edits = vec![Edit { span, text: name.clone() }];
            problem = problem.fix(Fix { title: format!("write {name}"), safety: Safety::Safe, edits });
        }
        sink.report(problem);
    }
}

/// `tls13-name-in-cipher-list`.
pub fn tls13_name(scope: &RuleContext<'_>, id: SiteId, site: &Site, sink: &mut Reporter) {
    if scope.deployment.platform.tls_library.kind == TlsLibraryKind::Go {
        return tls13_name_of_go(scope, id, site, sink);
    }
    let Some((library, token)) = string(scope, site) else { return };
    for (at, word) in ignored(scope, library, token).into_iter().filter(|(_, word)| is_tls13(word)) {
        // With the separator behind it, or the one before the last.
        let behind = token.text.as_bytes().get(at + word.len()) == Some(&b':');
        let (from, to) = if behind { (at, at + word.len() + 1) } else { (at.saturating_sub(1), at + word.len()) };
        let span = token.part(from, to);
        let mut problem = Problem::new("tls13-name-in-cipher-list", token.part(at, at + word.len())).with("word", word);
        if Some(&*scope.text(span)) == token.text.get(from..to) {
            let edits = vec![Edit { span, text: String::new() }];
            problem = problem.fix(Fix { title: format!("remove {word}"), safety: Safety::Safe, edits });
        }
        sink.report(problem);
    }
}

/// Go has no setting for the suites of TLS 1.3. Where only such names stand in a list, nothing is left for TLS 1.2.
fn tls13_name_of_go(scope: &RuleContext<'_>, id: SiteId, site: &Site, sink: &mut Reporter) {
    let policy = scope.deployment.policy(site.policy);
    let Some(spoken) = policy.protocols.get().map(|choice| choice.set) else { return };
    let speaks_old = spoken.contains(Protocol::Tls12);
    let Some(list) = policy.ciphers.get().filter(|_| speaks_old && policy.ciphers.is_written()) else { return };
    if scope.tls_bindings(id).next().is_none() {
        return;
    }
    let is_alone = list.iter().all(|token| is_tls13(&token.text));
    for token in list.iter().filter(|token| is_tls13(&token.text)) {
        let problem = Problem::new("tls13-name-in-cipher-list", token.span).with("word", &*token.text);
        if !is_alone {
            sink.report(problem);
            continue;
        }
        let change = Change::SetProtocols {
            target: protocol::target(policy.protocols.origin, id),
            to: Protocols::NONE.with(Protocol::Tls13),
        };
        let case = if spoken.contains(Protocol::Tls13) { "caddy-alone" } else { "caddy-nothing" };
        let mut problem = problem.case(case).related(site.head, format!("holds for {}", scope.site_name(site)));
        // Who speaks no TLS 1.3 gets nothing as it is.
        problem.fix = scope.fix("speak TLS 1.3 alone", Safety::Safe, &change);
        sink.report(problem);
        return;
    }
}

/// `weak-cipher`: what is broken, by whatever word it comes in; then what is old and written by its own name.
pub fn weak(scope: &RuleContext<'_>, id: SiteId, site: &Site, sink: &mut Reporter) {
    let policy = scope.deployment.policy(site.policy);
    let is_old = |set: Protocols| set.iter().any(|one| one < Protocol::Tls13);
    if scope.tls_bindings(id).next().is_none() || !policy.protocols.get().is_some_and(|choice| is_old(choice.set)) {
        return;
    }
    let found = match scope.deployment.platform.tls_library.kind {
        TlsLibraryKind::Go => old_of_go(policy),
        _ => string(scope, site).and_then(|(library, token)| weak_of_openssl(scope, site, library, token)),
    };
    if let Some(problem) = found {
        sink.report(problem.related(site.head, format!("holds for {}", scope.site_name(site))));
    }
}

fn weak_of_openssl(
    scope: &RuleContext<'_>,
    site: &Site,
    library: &'static CipherLibrary,
    token: &Token,
) -> Option<Problem> {
    let level = openssl::context(scope, site)?.level;
    let expansion = scope.expansion(library, token);
    let is_usable = |selected: &&cipher::Selected<'_>| {
        !selected.suite.needs_shared_secret() && cipher::usable(library, selected.suite, level).is_ok()
    };
    let usable = || expansion.suites.iter().filter(is_usable);
    let broken: Vec<_> = usable().filter(|selected| selected.suite.is_broken()).collect();
    let names = |found: &[&cipher::Selected<'_>]| few(found.iter().map(|selected| selected.suite.name.as_str()));
    if let Some(first) = broken.first() {
        let problem = Problem::new("weak-cipher", token.part(first.from.start, first.from.end));
        let mut problem = problem.with("names", names(&broken)).severity(Severity::Warning);
        problem.fix = without_broken(scope, library, token, &broken);
        return Some(problem);
    }
    let is_named = |selected: &&cipher::Selected<'_>| {
        selected.suite.is_cbc_with_sha1() && token.text.get(selected.from.clone()) == Some(selected.suite.name.as_str())
    };
    let old: Vec<_> = usable().filter(is_named).collect();
    let first = old.first()?;
    let problem = Problem::new("weak-cipher", token.part(first.from.start, first.from.end)).case("old");
    Some(problem.with("names", names(&old)).severity(Severity::Info))
}

/// Go lists nothing that is broken.
fn old_of_go(policy: &TlsPolicy) -> Option<Problem> {
    let list = policy.ciphers.get().filter(|_| policy.ciphers.is_written())?;
    let is_old = |token: &&Token| {
        let suite = GoSuite::find(&token.text).and_then(|suite| CipherSuite::named(suite.openssl));
        suite.is_some_and(CipherSuite::is_cbc_with_sha1)
    };
    let old: Vec<&Token> = list.iter().filter(is_old).collect();
    let problem = Problem::new("weak-cipher", old.first()?.span).case("old");
    Some(problem.with("names", few(old.iter().map(|token| &*token.text))).severity(Severity::Info))
}

/// The first five of many names.
fn few<'n>(names: impl ExactSizeIterator<Item = &'n str>) -> String {
    let more = names.len().saturating_sub(5);
    let shown = names.take(5).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

/// Strikes the algorithms of broken suites at the end of a string, where suites that are whole stay.
fn without_broken(
    scope: &RuleContext<'_>,
    library: &'static CipherLibrary,
    token: &Token,
    broken: &[&cipher::Selected<'_>],
) -> Option<Fix> {
    let word = |suite: &CipherSuite| match suite.is_anonymous() {
        true => "aNULL",
        false if suite.mac() == "MD5" => "MD5",
        false => suite.encryption_name(),
    };
    let mut words: Vec<&str> = broken.iter().map(|selected| word(selected.suite)).collect();
    words.sort_unstable();
    words.dedup();
    let strike: String = words.iter().map(|word| format!(":!{word}")).collect();
    let stays = |selected: &cipher::Selected<'_>| !selected.suite.is_broken();
    let end = token.part(token.text.len(), token.text.len());
    let is_apart = !token.text.is_empty() && scope.expansion(library, token).suites.iter().any(stays);
    (is_verbatim(scope, token) && is_apart).then(|| Fix {
        title: format!("strike {}", words.join(", ")),
        safety: Safety::Unsafe,
        edits: vec![Edit { span: end, text: strike }],
    })
}

/// The suites of TLS 1.2 and below that a site could serve with certificates of any kind, and those that it can with its own.
/// Absent where that cannot be told, or where no protocol uses them.
pub fn served<'s>(
    scope: &'s RuleContext<'_>,
    site: &Site,
) -> Option<(&'s Context, &'s [&'static CipherSuite], Vec<&'static CipherSuite>)> {
    let context = openssl::context(scope, site).filter(|one| one.suites.is_ok() && one.faults.is_empty())?;
    let slots = scope.predictor.slots(site.credentials);
    let usable = scope.predictor.contexts().usable(site.policy);
    let has = |kinds: &[SigningKey]| kinds.iter().any(|kind| slots.get(*kind).is_some());
    let deciphers = has(&[SigningKey::Rsa]);
    let signs_rsa = has(&[SigningKey::Rsa, SigningKey::RsaPss]);
    let signs_ecdsa = has(&[SigningKey::Ecdsa, SigningKey::Ed25519, SigningKey::Ed448]);
    let authenticates = |suite: &CipherSuite| match suite.authentication() {
        "aRSA" if suite.key_exchange() == "kRSA" => deciphers,
        "aRSA" => signs_rsa,
        "aECDSA" => signs_ecdsa,
        _ => false,
    };
    let own = usable.iter().copied().filter(|suite| authenticates(suite)).collect();
    let is_known = slots.unknown.is_none() && slots.usable().next().is_some() && !usable.is_empty();
    is_known.then_some((context, usable, own))
}

/// Whether a site speaks TLS anywhere under its own policy.
fn speaks(scope: &RuleContext<'_>, id: SiteId) -> bool {
    scope.tls_bindings(id).any(|(_, _, binding)| !binding.rejects)
}

/// `cipher-certificate-mismatch`.
pub fn certificate_mismatch(scope: &RuleContext<'_>, id: SiteId, site: &Site, sink: &mut Reporter) {
    if !speaks(scope, id) {
        return;
    }
    let found = match scope.deployment.platform.tls_library.kind {
        TlsLibraryKind::Go => mismatch_of_go(scope, id),
        _ => mismatch_of_openssl(scope, site),
    };
    let Some((at, usable, kinds, has_tls13)) = found else { return };
    let mut wanted: Vec<&str> = usable.iter().map(|suite| suite.authentication().trim_start_matches('a')).collect();
    wanted.dedup();
    let mut problem = Problem::new("cipher-certificate-mismatch", at)
        .case(if has_tls13 { "tls13" } else { "" })
        .with("kinds", kinds.join(", "))
        .with("wanted", wanted.join(" or "));
    problem.fix = with_suites_for(scope, site, kinds.iter().all(|kind| kind.starts_with("RSA")));
    sink.report(problem.related(site.head, format!("holds for {}", scope.site_name(site))));
}

/// Adds suites that go with certificates of RSA, or with others.
fn with_suites_for(scope: &RuleContext<'_>, site: &Site, is_rsa: bool) -> Option<Fix> {
    let policy = scope.deployment.policy(site.policy);
    let last = policy.ciphers.get()?.last().filter(|_| policy.ciphers.is_written())?;
    if !is_verbatim(scope, last) {
        return None;
    }
    let kind = if is_rsa { "RSA" } else { "ECDSA" };
    let text = match scope.deployment.platform.tls_library.kind {
        TlsLibraryKind::Go => {
            format!(" TLS_ECDHE_{kind}_WITH_AES_128_GCM_SHA256 TLS_ECDHE_{kind}_WITH_AES_256_GCM_SHA384")
        }
        _ => format!(":ECDHE-{kind}-AES128-GCM-SHA256:ECDHE-{kind}-AES256-GCM-SHA384"),
    };
    let span = last.part(last.text.len(), last.text.len());
    let edits = vec![Edit { span, text }];
    Some(Fix { title: "add suites that go with the certificate".to_owned(), safety: Safety::Unsafe, edits })
}

/// Where a list stands whose suites no certificate goes with, the suites, the kinds of the certificates, and whether clients
/// of TLS 1.3 get through all the same.
type Mismatch = (Span, Vec<&'static CipherSuite>, Vec<String>, bool);

fn mismatch_of_openssl(scope: &RuleContext<'_>, site: &Site) -> Option<Mismatch> {
    let (_, token) = string(scope, site)?;
    let (context, usable, own) = served(scope, site)?;
    let kinds = scope.predictor.slots(site.credentials).usable().map(|(_, slot)| slot.leaf().key.kind.name());
    own.is_empty().then(|| (token.span, usable.to_vec(), kinds.collect(), context.reaches(Protocol::Tls13)))
}

fn mismatch_of_go(scope: &RuleContext<'_>, id: SiteId) -> Option<Mismatch> {
    let release = scope.deployment.platform.tls_library.version;
    scope.tls_bindings(id).find_map(|(_, _, binding)| {
        let policy = scope.deployment.policy(binding.after_name);
        let list = policy.ciphers.get().filter(|_| policy.ciphers.is_written() && !binding.rejects)?;
        let spoken = policy.protocols.get().map(|choice| choice.set)?;
        let served = go::served(policy, release, scope.predictor.candidates(binding.credentials))?;
        let is_mismatch = spoken.contains(Protocol::Tls12) && !served.usable.is_empty() && served.own.is_empty();
        let at = list.first().filter(|_| is_mismatch)?.span;
        Some((at, served.usable, served.kinds, spoken.contains(Protocol::Tls13)))
    })
}

/// `cipher-protocol-mismatch`: by the suites alone; whether a certificate fits them is another fault.
pub fn protocol_mismatch(scope: &RuleContext<'_>, id: SiteId, site: &Site, sink: &mut Reporter) {
    let Some(context) = openssl::context(scope, site).filter(|_| speaks(scope, id)) else { return };
    let (Ok(suites), Ok(newer)) = (&context.suites, &context.tls13_suites) else { return };
    if !context.faults.is_empty() || context.protocols_unknown.is_some() {
        return;
    }
    let reached: Vec<Protocol> = Protocol::ALL.into_iter().filter(|one| context.reaches(*one)).collect();
    let is_usable = |suite: &CipherSuite| {
        context.strength().allows_suite(suite) && !suite.needs_shared_secret() && !suite.is_anonymous()
    };
    let has_one = |protocol: Protocol| match protocol {
        Protocol::Tls13 => !newer.is_empty(),
        protocol => suites.iter().any(|suite| is_usable(suite) && suite.serves(protocol)),
    };
    let Some(bare) = reached.iter().rev().copied().find(|protocol| !has_one(*protocol)) else { return };
    let policy = scope.deployment.policy(site.policy);
    let commands = policy.commands.get().map(|all| &all[..]).unwrap_or_default();
    let command = |name: &str| commands.iter().rev().find(|one| one.name.text.eq_ignore_ascii_case(name));
    let at = match bare {
        Protocol::Tls13 => command("Ciphersuites").map(|one| one.value.span),
        _ => command("CipherString").map(|one| one.value.span),
    };
    let written = if bare == Protocol::Tls13 { &policy.ciphersuites } else { &policy.ciphers };
    let at = at.or_else(|| written.get()?.first().filter(|_| written.is_written()).map(|token| token.span));
    let rest: Vec<String> = reached.iter().filter(|one| has_one(**one)).map(|one| one.to_string()).collect();
    let found = Problem::new("cipher-protocol-mismatch", at.unwrap_or(policy.protocols.origin.place))
        .case(if rest.is_empty() { "" } else { "some" })
        .with("protocol", bare.to_string())
        .with("rest", rest.join(", "));
    sink.report(found.related(site.head, format!("holds for {}", scope.site_name(site))));
}

/// `dhe-without-parameters`.
pub fn dhe_without_parameters(scope: &RuleContext<'_>, id: SiteId, site: &Site, sink: &mut Reporter) {
    let Some((library, token)) = string(scope, site).filter(|_| speaks(scope, id)) else { return };
    let is_written = scope.deployment.policy(site.policy).ciphers.is_written();
    let Some((context, _, own)) = served(scope, site).filter(|_| is_written) else { return };
    let is_dhe = |suite: &&&CipherSuite| suite.key_exchange() == "kDHE";
    let Some(first) = own.iter().find(is_dhe).filter(|_| context.dh == Dh::None) else { return };
    let has = |key_exchange: &str| own.iter().any(|suite| suite.key_exchange() == key_exchange);
    let case = match (has("kECDHE"), has("kRSA"), context.reaches(Protocol::Tls13)) {
        (true, ..) => "beside",
        (false, true, _) => "some",
        (false, false, true) => "tls13",
        (false, false, false) => "",
    };
    let expansion = scope.expansion(library, token);
    let from = expansion.suites.iter().find(|selected| selected.suite.code_point == first.code_point);
    let at = from.map_or(token.span, |selected| token.part(selected.from.start, selected.from.end));
    let mut problem = Problem::new("dhe-without-parameters", at).case(case).with("suite", &*first.name);
    if case == "beside" {
        problem.fix = without_dhe(scope, library, token);
    }
    sink.report(problem.related(site.head, format!("holds for {}", scope.site_name(site))));
}

/// Takes the names of suites with DHE out of a string, where each of them stands there by its own name.
fn without_dhe(scope: &RuleContext<'_>, library: &'static CipherLibrary, token: &Token) -> Option<Fix> {
    let expansion = scope.expansion(library, token);
    let dhe = expansion.suites.iter().filter(|selected| selected.suite.key_exchange() == "kDHE");
    let mut edits = Vec::new();
    for selected in dhe {
        let word = token.text.get(selected.from.clone())?;
        let (from, to) = match token.text.as_bytes().get(selected.from.end) {
            Some(b':') => (selected.from.start, selected.from.end + 1),
            _ => (selected.from.start.checked_sub(1)?, selected.from.end),
        };
        let span = token.part(from, to);
        if word != selected.suite.name || Some(&*scope.text(span)) != token.text.get(from..to) {
            return None;
        }
        edits.push(Edit { span, text: String::new() });
    }
    // Two names at the end would take the colon between them twice.
    edits.sort_by_key(|edit| edit.span.start);
    let overlap = edits.windows(2).any(|pair| pair[1].span.start < pair[0].span.end);
    (!overlap && !edits.is_empty()).then(|| Fix {
        title: "drop the suites that cannot be served".into(),
        safety: Safety::Safe,
        edits,
    })
}

/// What a word that the library does not know may stand for, and whether that is certain: the registry's name, or another
/// case. A misspelling is a guess.
pub fn suggestion(library: &CipherLibrary, word: &str) -> Option<(String, bool)> {
    let by_registry = library.suites.iter().find(|suite| suite.iana.eq_ignore_ascii_case(word));
    if let Some(suite) = by_registry {
        return Some((suite.name.clone(), true));
    }
    let same = library.words().find(|known| known.eq_ignore_ascii_case(word));
    same.map(|known| (known.to_owned(), true)).or_else(|| {
        let upper = word.to_ascii_uppercase();
        spelling::nearest(&upper, library.words(), 2).map(|(known, _)| (known.to_owned(), false))
    })
}

/// Leaves out the suites without forward secrecy, where others stay.
fn with_forward_secrecy(scope: &RuleContext<'_>, site: &Site) -> Option<Fix> {
    let policy = scope.deployment.policy(site.policy);
    let edits = match string(scope, site) {
        Some((library, token)) => {
            let is_left = |selected: &cipher::Selected<'_>| selected.suite.has_forward_secrecy();
            let stays = scope.expansion(library, token).suites.iter().any(is_left);
            let end = token.part(token.text.len(), token.text.len());
            vec![Edit { span: (stays && is_verbatim(scope, token)).then_some(end)?, text: ":!kRSA".to_owned() }]
        }
        None => {
            let list = policy.ciphers.get()?;
            let is_plain = |token: &&Token| token.text.starts_with("TLS_RSA_");
            if list.iter().all(|token| is_plain(&token)) {
                return None;
            }
            let gone: Vec<&Token> = list.iter().filter(is_plain).collect();
            if !gone.iter().all(|token| is_verbatim(scope, token)) {
                return None;
            }
            gone.iter().map(|token| Edit { span: token.span, text: String::new() }).collect()
        }
    };
    Some(Fix { title: "keep to forward secrecy".to_owned(), safety: Safety::Unsafe, edits })
}

/// `cipher-without-forward-secrecy`: suites with which the key of the certificate opens all that was ever recorded.
pub fn without_forward_secrecy(scope: &RuleContext<'_>, id: SiteId, site: &Site, sink: &mut Reporter) {
    let is_old_profile = scope.settings.profile.is_some_and(|profile| profile.name == "mozilla-old");
    let policy = scope.deployment.policy(site.policy);
    if is_old_profile || !speaks(scope, id) {
        return;
    }
    let (at, names): (Option<Span>, Vec<String>) = match scope.deployment.platform.tls_library.kind {
        TlsLibraryKind::OpenSsl => {
            let Some((_, token)) = string(scope, site).filter(|_| policy.ciphers.is_written()) else { return };
            let Some((_, _, own)) = served(scope, site) else { return };
            let plain = own.iter().filter(|suite| suite.key_exchange() == "kRSA");
            (Some(token.span), plain.map(|suite| suite.name.clone()).collect())
        }
        TlsLibraryKind::Go => {
            let Some(list) = policy.ciphers.get().filter(|_| policy.ciphers.is_written()) else { return };
            let plain = || list.iter().filter(|token| token.text.starts_with("TLS_RSA_"));
            (plain().next().map(|token| token.span), plain().map(|token| token.text.to_string()).collect())
        }
        TlsLibraryKind::Other => return,
    };
    if let (Some(at), Some(first)) = (at, names.first()) {
        let more = if names.len() > 1 { format!(" and {} more", names.len() - 1) } else { String::new() };
        let mut problem = Problem::new("cipher-without-forward-secrecy", at).with("names", format!("{first}{more}"));
        problem.fix = with_forward_secrecy(scope, site);
        sink.report(problem.related(site.head, format!("holds for {}", scope.site_name(site))));
    }
}
