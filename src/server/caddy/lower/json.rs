//! A JSON configuration: the parts of the http and tls apps that TLS hangs on.
//!
//! Source: the structs of Caddy 2.6.2 and 2.11.4. JSON is laxer than the Caddyfile: an unknown protocol or group is taken
//! for none.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use super::authority::{self, Reader};
use super::{Lowering, address, admin, answer, policy, upstream, webroot};
use crate::diagnostic::{Edit, Fix, Problem, Safety, Severity};
use crate::model::{NameKind, Token};
use crate::server::caddy::config::{
    Automatic, Automation, Choice, Client, Config, Issuer, List, Loader, Policy, Route, Server, Settings, SiteDraft,
    Storage,
};
use crate::server::caddy::directives::{self, Place};
use crate::server::caddy::json::{Kind, Value};
use crate::source::Span;
use crate::tls::go::GoSuite;

/// Reads the configuration.
pub fn read(lowering: &mut Lowering<'_>, value: &Value) -> Config {
    let mut config = Config { http_port: 80, https_port: 443, ..Config::default() };
    fields(lowering, value, "config");
    config.storage = match value.get("storage") {
        None => Storage::Default,
        Some(storage) => match (field(storage, "module"), field(storage, "root")) {
            (Some(module), Some(root)) if &*module.text == "file_system" => {
                Storage::Folder(lowering.locate(&root.text))
            }
            _ => Storage::Elsewhere,
        },
    };
    if let Some(tls) = value.at(&["apps", "tls"]) {
        tls_app(lowering, tls, &mut config);
    }
    if let Some(admin) = value.get("admin") {
        let is_off = admin.get("disabled").is_some_and(Value::is_true);
        let is_guarded = ["origins", "remote"].iter().any(|name| admin.get(name).is_some());
        let address = field(admin, "listen").filter(|_| !is_off && !is_guarded);
        let problem = address.and_then(|word| admin::exposed(&word, "\""));
        problem.into_iter().for_each(|problem| lowering.problem(problem));
    }
    let Some(http) = value.at(&["apps", "http"]) else { return config };
    fields(lowering, http, "http");
    config.http_port = http.get("http_port").and_then(Value::port).unwrap_or(80);
    config.https_port = http.get("https_port").and_then(Value::port).unwrap_or(443);
    let servers = http.get("servers").map(Value::fields).unwrap_or_default();
    let mut servers: Vec<_> = servers.iter().collect();
    servers.sort_by(|one, two| one.0.cmp(&two.0));
    for (_, at, server) in servers {
        let server = self::server(lowering, server, *at, &mut config);
        config.servers.push(server);
    }
    config
}

/// Reports fields that an object does not have.
fn fields(lowering: &mut Lowering<'_>, value: &Value, object: &'static str) {
    let reading = lowering.reading;
    for (name, at, _) in value.fields().iter().filter(|(name, ..)| &**name != "@id") {
        let problem = match directives::field(object, name) {
            None => Problem::new("unknown-directive", *at).case("field").with("name", &**name).with("place", object),
            Some(entry) => match (entry.first, entry.last) {
                (Some(first), _) if reading.version < first => {
                    let assumed = reading.version_is_assumed;
                    directives::too_new(*at, name, &first.to_string(), reading.version, assumed)
                }
                (_, Some(last)) if reading.version > last => Problem::new("directive-removed", *at)
                    .case(if reading.version_is_assumed { "assumed" } else { "" })
                    .with("name", &**name)
                    .with("last", last.to_string())
                    .with("version", reading.version.to_string()),
                _ => continue,
            },
        };
        lowering.problem(problem);
    }
}

fn token(value: &Value) -> Option<Token> {
    value.text().map(|text| Token { text: Arc::clone(text), span: value.span })
}

fn lower(value: &Value) -> Option<Token> {
    token(value).map(|token| Token { text: token.text.to_lowercase().into(), ..token })
}

fn field(value: &Value, name: &str) -> Option<Token> {
    value.get(name).and_then(token)
}

fn tokens(value: Option<&Value>) -> Vec<Token> {
    value.map(Value::items).unwrap_or_default().iter().filter_map(token).collect()
}

fn names(value: Option<&Value>) -> Vec<Arc<str>> {
    let items = value.map(Value::items).unwrap_or_default();
    items.iter().filter_map(lower).map(|token| token.text).collect()
}

fn list(value: Option<&Value>) -> Option<List> {
    let value = value?;
    let words = tokens(Some(value));
    (!words.is_empty()).then_some(List { words, at: value.span })
}

fn server(lowering: &mut Lowering<'_>, value: &Value, at: Span, config: &mut Config) -> Server {
    fields(lowering, value, "server");
    let mut listens = Vec::new();
    let mut uses = Vec::new();
    for listen in value.get("listen").map(Value::items).unwrap_or_default() {
        let Some(text) = listen.text() else { continue };
        match address::listener(text, config.http_port) {
            Some(found) => {
                uses.push(listen.span);
                listens.extend(found);
            }
            None => {
                let problem = Problem::new("invalid-argument", listen.span).case("caddy-listen");
                lowering.problem(problem.with("value", &**text));
            }
        }
    }
    let mut automatic = Automatic::default();
    if let Some(switches) = value.get("automatic_https") {
        fields(lowering, switches, "automatic_https");
        let is_on = |name: &str| switches.get(name).is_some_and(Value::is_true);
        automatic = Automatic {
            off: is_on("disable"),
            no_certificates: is_on("disable_certificates"),
            ignores_loaded: is_on("ignore_loaded_certificates"),
            skip: names(switches.get("skip")).into_iter().collect(),
            skip_certificates: names(switches.get("skip_certificates")).into_iter().collect(),
        };
    }
    let policies = value
        .get("tls_connection_policies")
        .map(|policies| policies.items().iter().map(|policy| read_policy(lowering, policy)).collect::<Vec<Policy>>());
    let protocols = tokens(value.get("protocols"));
    let wrappers = value.get("listener_wrappers").map(Value::items).unwrap_or_default();
    let proxy_protocol =
        wrappers.iter().any(|wrapper| field(wrapper, "wrapper").is_some_and(|name| &*name.text == "proxy_protocol"));
    let routes = routes(lowering, value, at, &uses, config);
    if let (Some(policies), Some(written)) = (&policies, value.get("tls_connection_policies")) {
        dead(lowering, policies, written);
    }
    let any_host = value
        .get("strict_sni_host")
        .filter(|strict| matches!(strict.kind, Kind::Bool(false)))
        .map(|strict| strict.span);
    Server {
        listens,
        routes,
        policies,
        automatic,
        has_h2: protocols.is_empty() || protocols.iter().any(|word| &*word.text == "h2"),
        has_h3: protocols.is_empty() || protocols.iter().any(|word| &*word.text == "h3"),
        proxy_protocol,
        any_host,
    }
}

/// `policy-order-dead`: behind a policy for all names none is ever met, as long as so few are written that Caddy tries them
/// one by one.
fn dead(lowering: &mut Lowering<'_>, policies: &[Policy], written: &Value) {
    let is_all = |policy: &Policy| policy.names.is_none() && !policy.is_conditional;
    let Some(first) = policies.iter().position(is_all).filter(|_| policies.len() <= policy::INDEXED) else { return };
    let items = written.items();
    let (Some(all), Some(next), Some(last)) = (items.get(first), items.get(first + 1), items.last()) else { return };
    let behind = &policies[first + 1..];
    let names = behind.iter().flat_map(|policy| policy.names.iter().flatten()).map(|name| &**name);
    let names: Vec<&str> = names.collect();
    if names.is_empty() {
        return;
    }
    // What comes to life may ask for more than what holds today.
    let is_mild = |policy: &Policy| {
        let own = &policy.settings;
        let narrows = own.oldest.is_some() || own.newest.is_some() || own.ciphers.is_some() || own.groups.is_some();
        !narrows && own.client.is_none() && own.alpn.is_none() && !policy.drop
    };
    let safety = if behind.iter().all(is_mild) { Safety::Safe } else { Safety::Unsafe };
    let text = lowering.json.get(all.span.start as usize..all.span.end as usize).unwrap_or_default();
    let moved = String::from_utf8_lossy(text);
    let edits = vec![
        Edit { span: Span::new(all.span.file, all.span.start, next.span.start), text: String::new() },
        Edit { span: Span::new(last.span.file, last.span.end, last.span.end), text: format!(", {moved}") },
    ];
    let problem = Problem::new("policy-order-dead", all.span).with("names", names.join(", "));
    let problem = problem.related(next.span, "never met");
    lowering.problem(problem.fix(Fix { title: "put it last".to_owned(), safety, edits }));
}

/// The routes of a server; each is a site of its own. A server without any is one site for all hosts.
fn routes(lowering: &mut Lowering<'_>, value: &Value, at: Span, uses: &[Span], config: &mut Config) -> Vec<Route> {
    let mut routes = Vec::new();
    let mut rest: Option<Span> = None;
    let mut others = Vec::new();
    for route in value.get("routes").map(Value::items).unwrap_or_default() {
        fields(lowering, route, "route");
        let sets = route.get("match").map(Value::items).unwrap_or_default();
        let hosts: Vec<Token> = sets
            .iter()
            .flat_map(|set| set.get("host").map(Value::items).unwrap_or_default())
            .filter_map(lower)
            .collect();
        if hosts.is_empty() {
            rest = rest.or(Some(route.span));
            others.push(route);
            continue;
        }
        routes.push(site(lowering, config, route.span, (hosts, uses), &[route]));
    }
    if rest.is_some() || routes.is_empty() {
        routes.push(site(lowering, config, rest.unwrap_or(at), (Vec::new(), uses), &others));
    }
    routes
}

fn site(
    lowering: &mut Lowering<'_>,
    config: &mut Config,
    at: Span,
    (hosts, uses): (Vec<Token>, &[Span]),
    routes: &[&Value],
) -> Route {
    let head = hosts.first().map_or(at, |host| host.span);
    let name = |host: &Token| crate::model::Name { token: host.clone(), kind: super::name::kind(&host.text) };
    let mut names: Vec<crate::model::Name> = hosts.iter().map(name).collect();
    if names.is_empty() {
        let token = Token::new("", head);
        names.push(crate::model::Name { token, kind: NameKind::None });
    }
    config.sites.push(SiteDraft {
        head,
        block: at,
        include_chain: None,
        names,
        settings: None,
        loaders: Vec::new(),
        has_tls: false,
        asks: false,
        opaque: None,
        answers: answer::of_routes(routes.iter().copied()),
        proxies: upstream::of_routes(lowering, routes.iter().copied()),
        webroots: webroot::of_routes(routes.iter().copied(), &|path| lowering.locate(path)),
    });
    Route { site: config.sites.len() - 1, hosts, uses: uses.to_vec() }
}

fn read_policy(lowering: &mut Lowering<'_>, value: &Value) -> Policy {
    fields(lowering, value, "policy");
    let mut policy = Policy { at: Some(value.span), ..Policy::default() };
    for (name, _, matcher) in value.get("match").map(Value::fields).unwrap_or_default() {
        match &**name {
            "sni" => policy.names = Some(names(Some(matcher))),
            _ => policy.is_conditional = true,
        }
    }
    let settings = &mut policy.settings;
    *settings = Settings {
        include_chain: None,
        oldest: field(value, "protocol_min"),
        newest: field(value, "protocol_max"),
        ciphers: list(value.get("cipher_suites")),
        groups: list(value.get("curves")),
        alpn: list(value.get("alpn")),
        client: value.get("client_authentication").map(|client| self::client(lowering, client)),
        secrets_log: field(value, "insecure_secrets_log"),
    };
    judge(lowering, settings);
    policy.default_sni = field(value, "default_sni").map(|token| token.text.to_lowercase().into());
    policy.fallback_sni = field(value, "fallback_sni").map(|token| token.text.to_lowercase().into());
    policy.drop = value.get("drop").is_some_and(Value::is_true);
    policy.choice = value.get("certificate_selection").map(|choice| {
        fields(lowering, choice, "certificate_selection");
        let is_opaque = choice.fields().iter().any(|(name, ..)| &**name != "any_tag");
        Choice { any_tag: tokens(choice.get("any_tag")).into_iter().map(|tag| tag.text).collect(), is_opaque }
    });
    policy.is_conditional |= policy.choice.as_ref().is_some_and(|choice| choice.is_opaque);
    policy
}

/// Words that Caddy does not know: a suite stops it, a protocol or a group is passed over. Two protocols in the wrong order,
/// which Caddy compares as texts, stop it too, whoever is served by the policy.
fn judge(lowering: &mut Lowering<'_>, settings: &Settings) {
    let go = lowering.platform.tls_library.version.numbers;
    for word in settings.ciphers.iter().flat_map(|list| &list.words) {
        if !GoSuite::find(&word.text).is_some_and(|suite| suite.is_in(go)) {
            let problem = Problem::new("unknown-cipher", word.span).case("caddy").severity(Severity::Error);
            let library = lowering.platform.tls_library.name.clone();
            lowering.problem(problem.with("word", &*word.text).with("library", library));
        }
    }
    for word in settings.oldest.iter().chain(&settings.newest) {
        if !matches!(&*word.text, "tls1.2" | "tls1.3" | "") {
            let problem = Problem::new("unknown-protocol", word.span).case("ignored").severity(Severity::Warning);
            lowering.problem(problem.with("word", &*word.text).with("known", "tls1.2 tls1.3"));
        }
    }
    if let Some(path) = settings.secrets_log.as_ref().filter(|path| !path.text.is_empty()) {
        lowering.problem(Problem::new("tls-secrets-logged", path.span).with("path", &*path.text));
    }
    if let (Some(oldest), Some(newest)) = (&settings.oldest, &settings.newest)
        && !newest.text.is_empty()
        && oldest.text > newest.text
    {
        let problem = Problem::new("protocol-range-inverted", newest.span).case("json").with("oldest", &*oldest.text);
        let edits = [(oldest, newest), (newest, oldest)];
        let edits = edits.map(|(at, to)| Edit { span: at.span, text: format!("\"{}\"", to.text) }).into();
        let are_plain = [oldest, newest].iter().all(|word| word.span.len() as usize == word.text.len() + 2);
        let problem = problem.with("newest", &*newest.text).related(oldest.span, "the oldest");
        lowering.problem(match are_plain {
            true => problem.fix(Fix { title: "put the older one first".to_owned(), safety: Safety::Safe, edits }),
            false => problem,
        });
    }
    for word in settings.groups.iter().flat_map(|list| &list.words) {
        if directives::find(Place::Curve, &word.text).is_none() {
            let problem = Problem::new("unknown-group", word.span).case("ignored").severity(Severity::Warning);
            lowering.problem(problem.with("word", &*word.text));
        }
    }
}

fn client(lowering: &mut Lowering<'_>, value: &Value) -> Client {
    fields(lowering, value, "client_authentication");
    let files = tokens(value.get("trusted_ca_certs_pem_files"));
    let ca = value.get("ca");
    let pool = tokens(ca.and_then(|ca| ca.get("pem_files")));
    for (list, reader) in [(&files, Reader::Json), (&pool, Reader::Pool)] {
        for file in list {
            let path = lowering.locate(&file.text);
            authority::check(lowering, file, path, reader);
        }
    }
    let is_some = |name: &str| value.get(name).is_some_and(|value| !value.items().is_empty());
    Client {
        mode: field(value, "mode").filter(|mode| !mode.text.is_empty()),
        has_authority: ca.is_some() || is_some("trusted_ca_certs") || !files.is_empty(),
        files: files
            .into_iter()
            .chain(pool)
            .map(|file| {
                let path = lowering.locate(&file.text);
                (file, path)
            })
            .collect(),
        has_leaf: is_some("trusted_leaf_certs"),
        has_verifier: is_some("verifiers"),
        at: value.span,
    }
}

fn tls_app(lowering: &mut Lowering<'_>, value: &Value, config: &mut Config) {
    fields(lowering, value, "tls_app");
    for (name, at, loaders) in value.get("certificates").map(Value::fields).unwrap_or_default() {
        match &**name {
            "load_files" => config.loaders.extend(loaders.items().iter().filter_map(|one| load_file(lowering, one))),
            "load_folders" => config.folders.extend(tokens(Some(loaders)).into_iter().map(|folder| (folder, None))),
            "automate" => config.automate.extend(loaders.items().iter().filter_map(lower)),
            _ => config.opaque_loader = Some(*at),
        }
    }
    if let Some(off) = value.get("disable_ocsp_stapling").filter(|value| value.is_true()) {
        config.stapling_off = Some(off.span);
    }
    if let Some(off) = value.at(&["session_tickets", "disabled"]).filter(|value| value.is_true()) {
        config.tickets_off = Some(off.span);
    }
    let Some(automation) = value.get("automation") else { return };
    fields(lowering, automation, "automation");
    let on_demand = automation.get("on_demand");
    config.permission = on_demand.and_then(|one| one.get("permission").or(one.get("ask"))).map(|value| value.span);
    let mut claimed: HashMap<Arc<str>, Span> = HashMap::new();
    for policy in automation.get("policies").map(Value::items).unwrap_or_default() {
        fields(lowering, policy, "automation_policy");
        claim(lowering, &mut claimed, policy);
        config.automation.push(Automation {
            subjects: names(policy.get("subjects")),
            issuers: policy.get("issuers").map(Value::items).unwrap_or_default().iter().filter_map(issuer).collect(),
            key_type: field(policy, "key_type").map(|token| token.text),
            on_demand: policy.get("on_demand").is_some_and(Value::is_true),
            has_manager: policy.get("get_certificate").is_some_and(|value| !value.items().is_empty()),
        });
    }
}

/// One name, or all names, in two policies.
fn claim(lowering: &mut Lowering<'_>, claimed: &mut HashMap<Arc<str>, Span>, policy: &Value) {
    let mut subjects = tokens(policy.get("subjects"));
    let case = if subjects.is_empty() { "json-catch-all" } else { "json" };
    if subjects.is_empty() {
        subjects.push(Token::new("", policy.span));
    }
    for subject in subjects {
        match claimed.get(&subject.text) {
            Some(first) => {
                let problem = Problem::new("automation-policy-conflict", subject.span).case(case);
                lowering.problem(problem.with("name", &*subject.text).related(*first, "named here already"));
            }
            None => {
                claimed.insert(subject.text, subject.span);
            }
        }
    }
}

fn load_file(lowering: &mut Lowering<'_>, value: &Value) -> Option<Loader> {
    fields(lowering, value, "load_file");
    let located = |name: &str| field(value, name).map(|token| (token.clone(), lowering.locate(&token.text)));
    Some(Loader {
        certificate: located("certificate")?,
        key: located("key")?,
        tags: tokens(value.get("tags")).into_iter().map(|tag| tag.text).collect(),
        include_chain: None,
    })
}

fn issuer(value: &Value) -> Option<Issuer> {
    let module = field(value, "module")?;
    let has_dns = value.at(&["challenges", "dns"]).is_some_and(|dns| matches!(dns.kind, Kind::Object(_)));
    Some(match &*module.text {
        "internal" => Issuer::Internal,
        "acme" => Issuer::Acme { directory: field(value, "ca"), has_dns },
        "zerossl" => Issuer::Acme { directory: Some(module), has_dns },
        other => Issuer::Other(other.into()),
    })
}
