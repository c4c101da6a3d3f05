//! What sites answer to requests: the header that keeps browsers on HTTPS, redirects to it, and early data that is passed on.

use foldhash::{HashMap, HashMapExt};
use rayon::prelude::*;

use crate::diagnostic::{Problem, Safety, Severity};
use crate::lint::engine::severity_of;
use crate::lint::scope::is_private_name;
use crate::lint::{Reporter, RuleContext};
use crate::model::{Change, Endpoint, Found, HttpResponse, ResponseKind, Service, Site, SiteId, Token, Transport};
use crate::source::{FileId, Span};

/// Faults of what a site is served with, whose warnings browsers let nobody pass once they keep to HTTPS (RFC 6797, 8.4).
const BROKEN: &[&str] = &[
    "certificate-authority-distrusted",
    "certificate-chain-expired",
    "certificate-chain-incomplete",
    "certificate-chain-invalid-authority",
    "certificate-chain-order",
    "certificate-expired",
    "certificate-inherited-from-default-site",
    "certificate-name-constraints-violated",
    "certificate-name-mismatch",
    "certificate-not-yet-valid",
    "certificate-path-length-exceeded",
    "certificate-self-signed",
    "certificate-untrusted-root",
    "certificate-without-san",
    "certificate-wrong-usage",
    "weak-signature",
];

/// A public name that only this site answers to by TLS.
fn public_name<'s>(scope: &RuleContext<'_>, id: SiteId, site: &'s Site) -> Option<&'s Token> {
    let served = scope.tls_bindings(id).filter(|(_, _, binding)| !binding.rejects);
    let names = served.flat_map(|(endpoint, binding, _)| scope.exact_names(endpoint, binding, site));
    names.into_iter().find(|name| !is_private_name(&name.text))
}

fn is_content(answer: &&HttpResponse) -> bool {
    answer.reply == ResponseKind::Content
}

/// Whether browsers are told to remember: `max-age=0` tells them to forget, and a variable may hold anything.
fn is_remembered(value: &Token) -> bool {
    let text = value.text.to_ascii_lowercase();
    !text.contains(['$', '%', '{']) && !text.replace([' ', '"'], "").contains("max-age=0")
}

/// `hsts-missing`: an answer of another server or a program may carry the header, and one answer that does is enough.
pub fn without_header(scope: &RuleContext<'_>, id: SiteId, site: &Site, sink: &mut Reporter) {
    if site.service != Service::Http || scope.deployment.fragment {
        return;
    }
    let is_open = |answer: &HttpResponse| matches!(answer.reply, ResponseKind::PassedOn | ResponseKind::Unknown);
    if site.strict_transport().is_some() || site.answers.iter().any(is_open) {
        return;
    }
    let Some(content) = site.answers.iter().find(is_content) else { return };
    let Some(name) = public_name(scope, id, site) else { return };
    if let Some((content, lost)) = site.answers.iter().filter(is_content).find_map(|one| Some((one, one.lost_header?)))
    {
        let problem = Problem::new("hsts-missing", content.at).case("lost").with("name", &*name.text);
        sink.report(problem.related(lost, "not sent there"));
        return;
    }
    let change = Change::SendStrictTransport { site: id };
    let mut problem = Problem::new("hsts-missing", name.span).with("name", &*name.text);
    problem = problem.with("write", scope.editor.wording(&change)).related(content.at, "answered here");
    problem.fix = scope.fix("keep browsers on HTTPS", Safety::Unsafe, &change);
    sink.report(problem);
}

/// The sockets of a site without TLS, on the port where browsers ask first.
fn asked_first<'a>(scope: &RuleContext<'a>, id: SiteId) -> Vec<&'a Endpoint> {
    let sockets = scope.bindings(id).map(|(endpoint, ..)| endpoint);
    let mut plain: Vec<_> = sockets.filter(|one| one.transport == Transport::Plain && one.listen.port == 80).collect();
    plain.dedup_by(|one, other| std::ptr::eq(*one, *other));
    plain
}

/// The site that a name has by TLS.
fn by_tls<'s>(scope: &'s RuleContext<'_>, name: &str) -> Option<&'s Site> {
    let mut sockets = scope.deployment.tls_endpoints();
    sockets.find_map(|(_, endpoint)| match endpoint.named.find(name) {
        Found::Binding(id) if !endpoint.binding(id).rejects => Some(scope.deployment.site(endpoint.binding(id).site)),
        _ => None,
    })
}

/// The exact names of a site that can be asked for in public.
fn public_names(site: &Site) -> impl Iterator<Item = &Token> {
    let exact = site.names.iter().filter(|name| name.kind == crate::model::NameKind::Exact).map(|name| &name.token);
    exact.filter(|token| crate::lint::scope::is_host(&token.text) && !is_private_name(&token.text))
}

/// `http-not-redirected`: a site that sends any request to HTTPS is left alone, and what others answer is not known.
pub fn not_redirected(scope: &RuleContext<'_>, id: SiteId, site: &Site, sink: &mut Reporter) {
    let Some(content) = site.answers.iter().find(is_content) else { return };
    let may_lead = |answer: &HttpResponse| {
        matches!(answer.reply, ResponseKind::Redirect { to_https: true } | ResponseKind::Unknown)
    };
    if scope.deployment.fragment || site.answers.iter().any(may_lead) {
        return;
    }
    let sockets = asked_first(scope, id);
    let mut asked = public_names(site).filter(|name| {
        sockets.iter().any(|endpoint| match endpoint.named.find(&name.text) {
            Found::Binding(found) => endpoint.binding(found).site == id,
            _ => false,
        })
    });
    let Some((name, other)) = asked.find_map(|name| Some((name, by_tls(scope, &name.text)?))) else { return };
    let change = Change::RedirectToHttps { site: id };
    let mut problem = Problem::new("http-not-redirected", content.at).with("name", &*name.text);
    problem = problem.with("write", scope.editor.wording(&change));
    if other.head != site.head {
        problem = problem.related(other.head, "speaks TLS for the same name");
        problem.fix = scope.fix("send requests to HTTPS", Safety::Unsafe, &change);
    }
    sink.report(problem);
}

/// `hsts-on-plain-http`: only where the same name has TLS here, since elsewhere a proxy in front may end it.
pub fn on_plain(scope: &RuleContext<'_>, id: SiteId, site: &Site, sink: &mut Reporter) {
    let mut bindings = scope.bindings(id).peekable();
    if bindings.peek().is_none() || bindings.any(|(endpoint, ..)| endpoint.transport != Transport::Plain) {
        return;
    }
    let is_inside = |at: Span| at.file == site.block.file && site.block.start <= at.start && at.end <= site.block.end;
    let sent = site.answers.iter().filter_map(|answer| answer.strict_transport.as_ref());
    let Some(value) = sent.into_iter().find(|value| is_inside(value.span) && is_remembered(value)) else { return };
    let mut names = public_names(site);
    if let Some((name, other)) = names.find_map(|name| Some((name, by_tls(scope, &name.text)?))) {
        let mut problem = Problem::new("hsts-on-plain-http", value.span).with("name", &*name.text);
        problem = problem.related(other.head, "speaks TLS for the same name: the header belongs there");
        let change = Change::RemoveDirective { written: value.span };
        problem.fix = scope.fix("remove the header", Safety::Safe, &change);
        sink.report(problem);
    }
}

/// `hsts-with-broken-tls`.
pub fn with_broken(scope: &RuleContext<'_>, found: &[Problem], sink: &mut Reporter) {
    let is_broken = |one: &&Problem| BROKEN.contains(&one.rule.as_str()) && severity_of(one) == Severity::Error;
    let broken: Vec<&Problem> = found.iter().filter(is_broken).collect();
    if broken.is_empty() {
        return;
    }
    let places = Places::of(scope);
    let told = |problem: &Problem| -> Vec<Problem> {
        let spans = || std::iter::once(problem.at).chain(problem.related.iter().map(|label| label.span));
        let mut sites: Vec<SiteId> = spans().flat_map(|at| places.sites(at)).collect();
        sites.sort_unstable();
        sites.dedup();
        let remembered = sites.into_iter().filter_map(|id| {
            let site = scope.deployment.site(id);
            let value = site.strict_transport().filter(|value| is_remembered(value))?;
            let name = public_name(scope, id, site)?;
            let told = Problem::new("hsts-with-broken-tls", value.span).with("name", &*name.text);
            Some(told.with("fault", problem.rule.to_string()).related(problem.at, "keeps browsers out"))
        });
        remembered.collect()
    };
    let found: Vec<Vec<Problem>> = broken.into_par_iter().with_min_len(CHUNK).map(told).collect();
    found.into_iter().flatten().for_each(|problem| sink.report(problem));
}

/// Problems that one worker looks at at a time.
const CHUNK: usize = 64;

/// Which sites stand behind a place: the block around it, or those that are served with the file that it names.
struct Places {
    blocks: HashMap<FileId, Vec<(Span, SiteId)>>,
    files: HashMap<Span, Vec<SiteId>>,
}

impl Places {
    /// Those of sites by TLS.
    fn of(scope: &RuleContext<'_>) -> Places {
        let mut places = Places { blocks: HashMap::new(), files: HashMap::new() };
        for (at, site) in scope.deployment.sites.iter().enumerate() {
            let id = SiteId(at as u32);
            if scope.tls_bindings(id).next().is_none() {
                continue;
            }
            places.blocks.entry(site.block.file).or_default().push((site.block, id));
            for pair in &scope.deployment.credentials(site.credentials).pairs {
                let word = pair.certificate.get().map(|(token, _)| token.span);
                places.files.entry(word.unwrap_or(pair.certificate.origin.place)).or_default().push(id);
            }
        }
        for blocks in places.blocks.values_mut() {
            blocks.sort_by_key(|(block, _)| block.start);
        }
        places
    }

    fn sites(&self, at: Span) -> Vec<SiteId> {
        if let Some(named) = self.files.get(&at) {
            return named.clone();
        }
        let Some(blocks) = self.blocks.get(&at.file) else { return Vec::new() };
        let until = blocks.partition_point(|(block, _)| block.start <= at.start);
        let around = blocks[..until].last().filter(|(block, _)| at.end <= block.end);
        around.map(|(_, id)| *id).into_iter().collect()
    }
}

/// `early-data-without-protection`.
pub fn replayed(scope: &RuleContext<'_>, id: SiteId, site: &Site, sink: &mut Reporter) {
    let taken = scope.tls_bindings(id).find_map(|(_, _, binding)| {
        let setting = &scope.deployment.policy(binding.after_name).early_data;
        setting.origin.written().filter(|_| setting.get() == Some(&true))
    });
    let Some(taken) = taken else { return };
    for answer in site.answers.iter().filter(|one| one.reply == ResponseKind::PassedOn && !one.tells_early_data) {
        let problem = Problem::new("early-data-without-protection", answer.at);
        sink.report(problem.with("name", scope.site_name(site)).related(taken, "early data is taken here"));
    }
}
