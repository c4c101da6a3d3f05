//! For each listening address, host and client: what would be negotiated, or why not.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;

use super::{Failure, Names, Options, TargetInfo, certificates, dump, load, suppress};
use crate::diagnostic::{Finding, Unchecked};
use crate::handshake::{Client, Handshake, Objection, Outcome, Predictor, sent_name};
use crate::lint;
use crate::model::{Address, Credentials, Deployment, Endpoint, EndpointId, NameKind, Transport};
use crate::pki::{Anchors, Certificate, Verdict};
use crate::platform::Reload;
use crate::source::{FileSystem, Mapped, Sources, Span};

/// Who asks for what.
#[derive(Debug, Default)]
pub struct HandshakeRequest {
    /// The clients, in order.
    pub clients: Vec<Client>,
    /// Whether they were named by the user, so that each has to get through.
    pub clients_are_named: bool,
    /// The names of those that must get through, whoever else is asked.
    pub required: Vec<Arc<str>>,
    /// The hosts; empty: every exact name that the configuration serves.
    pub hosts: Vec<String>,
    /// Local addresses; empty: all that speak TLS, or ought to.
    pub listens: Vec<String>,
    /// Whether one client and host are told step by step.
    pub tells_steps: bool,
}

/// Whether the server would start with these files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// It would.
    Ok,
    /// It would not.
    Fail,
    /// It cannot be told.
    Unknown,
}

/// One client at one address under one host.
#[derive(Debug)]
pub struct Row {
    /// The local address, as an index into [`Handshakes::listens`].
    pub listen: usize,
    /// The host, as an index into [`Handshakes::hosts`].
    pub host: usize,
    /// The client, as an index into the clients of the question.
    pub client: usize,
    /// Who answers, and what comes of it.
    pub handshake: Handshake,
    /// The client's verdict on what it is sent.
    pub verdict: Verdict,
    /// What the client refuses although OpenSSL would take it.
    pub objections: Vec<Objection>,
    /// The leaf that it is sent, and the place of the file's name.
    pub certificate: Option<([u8; 32], PathBuf)>,
    /// What happened step by step, where it was asked for.
    pub steps: Vec<(Option<Span>, String)>,
}

impl Row {
    /// Whether the client gets through: it negotiates, and takes the certificate. Absent where that cannot be told.
    pub fn connects(&self) -> Option<bool> {
        match &*self.handshake.outcome {
            Outcome::Agreed(_) => Some(self.verdict.errors.is_empty() && self.objections.is_empty()),
            Outcome::Failed(_) => Some(false),
            Outcome::Unknown(_) => None,
        }
    }
}

/// What a run has to say.
#[derive(Debug)]
pub struct Handshakes {
    /// All texts.
    pub sources: Sources,
    /// The configuration.
    pub target: TargetInfo,
    /// Whether the server would start.
    pub start: Start,
    /// What a refused reload does.
    pub reload: Reload,
    /// Why it would not start.
    pub causes: Vec<Finding>,
    /// The addresses, as they are shown.
    pub listens: Vec<String>,
    /// The hosts.
    pub hosts: Vec<String>,
    /// In the order of addresses, hosts and clients.
    pub rows: Vec<Row>,
    /// What is left out or taken for granted.
    pub notes: Vec<String>,
    /// What could not be judged.
    pub unjudged: Vec<Unchecked>,
    /// The block of each site.
    pub sites: Vec<Span>,
}

/// Predicts what clients get from the configuration at `paths`: one, or the live one where there is none.
///
/// # Errors
/// As [`super::lint`]; where there are several configurations; where a file of anchors cannot be read.
pub fn handshake(
    files: &dyn FileSystem,
    paths: &[PathBuf],
    options: &Options,
    question: &HandshakeRequest,
) -> Result<Handshakes, Failure> {
    let mapped = Mapped::new(files, options.path_maps.clone());
    let dump = dump::unpack(&mapped, paths, options);
    let (files, paths): (&dyn FileSystem, &[PathBuf]) = match &dump {
        Some((overlay, mains)) => (overlay, mains),
        None => (&mapped, paths),
    };
    let mut loaded = load(files, paths, options)?;
    if loaded.readings.len() > 1 {
        let all: Vec<String> = loaded.readings.iter().map(|reading| reading.path.display().to_string()).collect();
        let failure = Failure::new("several configurations were found, and this command takes one");
        return Err(failure.help(format!("name one of {}", all.join(", "))));
    }
    let trusts =
        question.clients.iter().map(|client| own_anchors(files, options, client)).collect::<Result<Vec<_>, _>>()?;
    let reading = &loaded.readings[0];
    let deployment = reading.understood.deployment();
    let asked = Asked::of(deployment, question)?;
    let late = asked.files(deployment);
    certificates::extend(&mut loaded.library, files, &mut loaded.sources, &options.limits, deployment, late);
    let editor = reading.understood.editor();
    // Whether the server starts does not hang on what the user wants to hear of.
    let settings = lint::Settings::default();
    let judging = lint::LintInputs { settings: &settings, ..loaded.question(reading, options) };
    let scope =
        lint::RuleContext::new(deployment, &reading.system, &loaded.library, &loaded.sources, &*editor, judging);
    let judged = lint::run(&scope, &settings, options.limits.findings);
    let mut causes: Vec<Finding> = judged.findings.into_iter().filter(|finding| finding.stops).collect();
    let mut names = Names::new(files, options);
    for finding in &causes {
        names.of(&loaded.sources, loaded.sources.resolve_span(finding.primary.span).span.file);
    }
    suppress::fingerprint(&loaded, &names.known, &mut causes);
    let start = start(deployment, &causes, &judged.unjudged);
    let rows = match start {
        Start::Fail => Vec::new(),
        _ => {
            let one = Asking { predictor: &scope.predictor, deployment, question, asked: &asked, options };
            one.rows(&loaded.anchors, &trusts)
        }
    };
    let notes = notes(deployment, &asked);
    let sites = deployment.sites.iter().map(|site| site.block).collect();
    let target = loaded.info(reading);
    drop(scope);
    drop(editor);
    let Asked { listens, hosts, .. } = asked;
    Ok(Handshakes {
        target,
        start,
        reload: deployment.behavior.reload,
        causes,
        listens: listens.into_iter().map(|(shown, _)| shown).collect(),
        hosts,
        rows,
        notes,
        unjudged: judged.unjudged,
        sites,
        sources: loaded.sources,
    })
}

/// The anchors of a client that has its own.
pub(super) fn own_anchors(
    files: &dyn FileSystem,
    options: &Options,
    client: &Client,
) -> Result<Option<Anchors>, Failure> {
    let Some(paths) = &client.trust else { return Ok(None) };
    let mut anchors = Anchors::new();
    for path in paths {
        load::add_anchors(files, options, path, &mut anchors)?;
    }
    Ok(Some(anchors))
}

pub(super) fn start(deployment: &Deployment, causes: &[Finding], unjudged: &[Unchecked]) -> Start {
    let is_needed = |one: &Unchecked| {
        matches!(&*one.what, "certificate" | "key") && one.reason.is_hidden()
            || matches!(&*one.what, "include" | "template")
    };
    match (causes.is_empty(), deployment.fragment || unjudged.iter().any(is_needed)) {
        (false, _) => Start::Fail,
        (true, true) => Start::Unknown,
        (true, false) => Start::Ok,
    }
}

/// What is left out or taken for granted, for people.
fn notes(deployment: &Deployment, asked: &Asked) -> Vec<String> {
    let mut notes = vec!["a first full handshake: resumption and early data (0-RTT) are not predicted".to_owned()];
    for (shown, endpoint) in &asked.listens {
        if endpoint.is_some_and(|id| deployment.endpoint(id).proxy_protocol) {
            notes.push(format!("{shown} expects a PROXY header: one is assumed"));
        }
    }
    notes
}

/// The addresses and hosts of a question.
struct Asked {
    /// Each with its socket; absent: nobody listens.
    listens: Vec<(String, Option<EndpointId>)>,
    hosts: Vec<String>,
    /// For each address the hosts that are asked there, as indices.
    pairs: Vec<(usize, usize)>,
}

impl Asked {
    fn of(deployment: &Deployment, question: &HandshakeRequest) -> Result<Asked, Failure> {
        let listens = if question.listens.is_empty() {
            let shown = deployment.endpoints.iter().enumerate().filter(|(_, one)| is_listed(deployment, one));
            shown.map(|(at, one)| (one.listen.to_string(), Some(EndpointId(at as u32)))).collect()
        } else {
            let all = question.listens.iter();
            all.map(|text| Ok((text.clone(), reached(deployment, text)?))).collect::<Result<Vec<_>, Failure>>()?
        };
        let mut hosts = question.hosts.clone();
        let mut pairs = Vec::new();
        if hosts.is_empty() {
            let mut index: HashMap<&str, usize> = HashMap::new();
            for (listen, (_, endpoint)) in listens.iter().enumerate() {
                let Some(endpoint) = endpoint.map(|id| deployment.endpoint(id)) else { continue };
                let mut seen = HashSet::new();
                for name in names_of_port(deployment, endpoint) {
                    let at = *index.entry(name).or_insert_with(|| {
                        hosts.push(name.to_owned());
                        hosts.len() - 1
                    });
                    if seen.insert(at) {
                        pairs.push((listen, at));
                    }
                }
            }
        } else {
            pairs = (0..listens.len()).flat_map(|listen| (0..hosts.len()).map(move |host| (listen, host))).collect();
        }
        Ok(Asked { listens, hosts, pairs })
    }

    /// The files that a server reads at the handshakes that are asked for, by the names that are sent.
    fn files(&self, deployment: &Deployment) -> Vec<PathBuf> {
        if !deployment.credentials.iter().any(Credentials::hangs_on_name) {
            return Vec::new();
        }
        let mut found = Vec::new();
        for (listen, host) in &self.pairs {
            let Some(endpoint) = self.listens[*listen].1.map(|id| deployment.endpoint(id)) else { continue };
            for names in [true, false] {
                let name = sent_name(&self.hosts[*host], names);
                if let Some(id) = endpoint.answers(&name) {
                    found.extend(deployment.credentials(endpoint.binding(id).credentials).paths_for(&name));
                }
            }
        }
        found
    }
}

/// The exact names of all sites that listen on the port of a socket: a client may reach it under each of them.
fn names_of_port<'d>(deployment: &'d Deployment, endpoint: &Endpoint) -> impl Iterator<Item = &'d str> {
    let port = endpoint.listen.port;
    let same = deployment.endpoints.iter().filter(move |other| other.listen.port == port);
    let speaking = same.filter(|other| other.transport != Transport::Quic);
    let sites = speaking.flat_map(|other| other.uses.iter().map(|one| one.site));
    let names = sites.flat_map(|site| deployment.site(site).names.iter());
    names.filter(|name| name.kind == NameKind::Exact && lint::is_host(&name.token.text)).map(|name| &*name.token.text)
}

/// Whether a socket is shown without being asked for: it speaks TLS, or somebody would expect it to.
fn is_listed(deployment: &Deployment, endpoint: &Endpoint) -> bool {
    match endpoint.transport {
        Transport::Tls | Transport::Unknown => return true,
        Transport::Quic => return false,
        Transport::Plain => {}
    }
    let has_tls = |other: &&Endpoint| other.transport == Transport::Tls;
    let mut others = deployment.endpoints.iter().filter(has_tls);
    let port_has_tls = others.clone().any(|other| other.listen.port == endpoint.listen.port);
    let means_tls = endpoint.sites().any(|id| {
        let site = deployment.site(id);
        site.has_own_tls || site.has_own_credentials
    });
    // A site may well have a plain socket beside its TLS one.
    let has_another = |id| deployment.tls_endpoints().any(|(_, other)| other.sites().any(|one| one == id));
    let only_here = endpoint.sites().any(|id| !has_another(id));
    matches!(endpoint.listen.port, 443 | 8443) || port_has_tls || (means_tls && only_here) || others.next().is_none()
}

/// The socket that a connection to a local address reaches, as the kernel and the server choose it.
fn reached(deployment: &Deployment, text: &str) -> Result<Option<EndpointId>, Failure> {
    let spoken = deployment.endpoints.iter().enumerate().filter(|(_, one)| one.transport != Transport::Quic);
    let mut spoken = spoken.map(|(at, one)| (EndpointId(at as u32), one));
    if let Some(found) = spoken.clone().find(|(_, one)| one.listen.to_string() == text) {
        return Ok(Some(found.0));
    }
    if text.starts_with("unix:") {
        return Ok(None);
    }
    let wrong = || {
        Failure::new(format!("no address and port: {text}"))
            .help("write ADDRESS:PORT, such as 127.0.0.1:443, [::1]:443 or *:443")
    };
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port: u16 = port.parse().map_err(|_| wrong())?;
    let address: Option<IpAddr> = match host {
        "*" => None,
        host => Some(host.trim_matches(['[', ']']).parse().map_err(|_| wrong())?),
    };
    let rank = |one: &Endpoint| match (&one.listen.address, address) {
        (Address::Ip(own), Some(wanted)) if *own == wanted => Some(0),
        (Address::Ip(own), Some(wanted)) if own.is_unspecified() && own.is_ipv4() == wanted.is_ipv4() => Some(1),
        (Address::Ip(own), None) if own.is_unspecified() => Some(1),
        (Address::Any, _) => Some(2),
        _ => None,
    };
    let on_port = spoken.by_ref().filter(|(_, one)| one.listen.port == port);
    let best = on_port.filter_map(|(id, one)| rank(one).map(|rank| (rank, id))).min_by_key(|(rank, _)| *rank);
    Ok(best.map(|(_, id)| id))
}

/// All that rows are made from.
struct Asking<'a> {
    predictor: &'a Predictor<'a>,
    deployment: &'a Deployment,
    question: &'a HandshakeRequest,
    asked: &'a Asked,
    options: &'a Options,
}

impl Asking<'_> {
    fn rows(&self, anchors: &Anchors, trusts: &[Option<Anchors>]) -> Vec<Row> {
        let rows = self.asked.pairs.par_iter().flat_map_iter(|(listen, host)| {
            let clients = self.question.clients.iter().enumerate();
            clients.map(move |(order, client)| {
                let anchors = trusts[order].as_ref().unwrap_or(anchors);
                self.row(*listen, *host, order, client, anchors)
            })
        });
        rows.collect()
    }

    fn row(&self, listen: usize, host: usize, order: usize, client: &Client, anchors: &Anchors) -> Row {
        let name = &self.asked.hosts[host];
        let endpoint = self.asked.listens[listen].1.map(|id| self.deployment.endpoint(id));
        let handshake = match endpoint {
            Some(endpoint) => self.predictor.handshake(endpoint, name, client),
            None => Handshake::nobody(),
        };
        let leaf = self.predictor.sent(&handshake).first();
        let verdict = match leaf {
            Some(_) => self.predictor.verdict(&handshake, name, client, anchors, self.options.now),
            None => Verdict::default(),
        };
        let objections = self.predictor.objections(&handshake, client, &verdict, self.options.trust_is_public);
        let steps = match endpoint {
            Some(endpoint) if self.question.tells_steps => self.predictor.trace(endpoint, name, client),
            _ => Vec::new(),
        };
        let sent_name = sent_name(name, client.sni);
        let certificate = leaf.and_then(|leaf| self.certificate(&handshake, &sent_name, leaf));
        Row { listen, host, client: order, handshake, verdict, objections, certificate, steps }
    }

    fn certificate(&self, handshake: &Handshake, name: &str, leaf: &Certificate) -> Option<([u8; 32], PathBuf)> {
        let pair = handshake.agreed()?.pair?;
        let set = self.deployment.credentials(handshake.credentials?);
        let path = set.pairs.get(pair)?.certificate_for(name)?;
        Some((leaf.sha256, path.into_owned()))
    }
}
