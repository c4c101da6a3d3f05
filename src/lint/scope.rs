//! What a check sees, and where it reports to.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};

use super::{Machine, Permissions, Settings};
use crate::diagnostic::{Edit, Fix, Problem, Safety, Unchecked};
use crate::handshake::Predictor;
use crate::model::{
    Binding, BindingId, Change, Credential, Credentials, CredentialsId, Deployment, Editor, Endpoint, EndpointId,
    Found, ListenUse, NameKind, PolicyId, Service, Setting, Site, SiteId, Token, Transport,
};
use crate::pki::loading::Strength;
use crate::pki::{self, Anchors, Certificate, Chain, Key, PemFile, PemStore, Sent, Verdict, Verifier, VerifyError};
use crate::platform::{SystemTls, TlsLibraryKind};
use crate::source::{Sources, Span};
use crate::tls::cipher::{self, CipherLibrary, Expansion};

/// One run over one deployment.
pub struct RuleContext<'a> {
    /// What the server would do.
    pub deployment: &'a Deployment,
    /// The certificates and keys that it names.
    pub library: &'a PemStore,
    /// All texts.
    pub sources: &'a Sources,
    /// Seconds since 1970-01-01 UTC.
    pub now: i64,
    /// The clock that it was read from; absent where the user gave the time.
    pub clock: Option<Clock>,
    /// What clients trust.
    pub anchors: &'a Anchors,
    /// Whether the user named what clients trust, so that it is law.
    pub trust_is_given: bool,
    /// What the user asks of the rules.
    pub settings: &'a Settings,
    /// Whether all anchors count as publicly trusted, beside those of Mozilla's store.
    pub trust_is_public: bool,
    /// What the system says to every program with the library.
    pub system: &'a SystemTls,
    /// The way back to the text.
    pub editor: &'a (dyn Editor + Sync),
    /// Who reads the files.
    pub permissions: &'a Permissions,
    /// What is around them.
    pub machine: &'a Machine,
    /// What clients get.
    pub predictor: Predictor<'a>,
    /// Which sets of certificates some site is served with, once somebody asks.
    served: OnceLock<Vec<bool>>,
    /// Cipher strings that were read: thousands of sites share a handful.
    expansions: Mutex<HashMap<Arc<str>, Arc<Expansion<'static>>>>,
    /// Where sites are bound, site after site.
    bound: Grouped<(EndpointId, BindingId)>,
    /// Where sites ask for a socket, by its position among the uses of that.
    listens: Grouped<(EndpointId, u32)>,
}

/// What clients trust, and who said so.
#[derive(Clone, Copy)]
pub struct Trust<'a> {
    /// The anchors.
    pub anchors: &'a Anchors,
    /// Whether the user named them.
    pub is_given: bool,
    /// Whether all of them count as publicly trusted.
    pub is_public: bool,
}

/// Who stands behind a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// A publicly trusted authority: the rules of its forum and of browsers hold.
    Public,
    /// An authority that is not.
    Private,
}

/// What is known of the clock that `now` was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// When this program was built, in seconds since 1970-01-01 UTC: it cannot be earlier.
    pub built: i64,
    /// Whether the kernel says that nothing keeps it in step with another.
    pub is_unkept: bool,
}

/// What is asked about a deployment.
#[derive(Clone, Copy)]
pub struct LintInputs<'a> {
    /// What clients trust.
    pub trust: Trust<'a>,
    /// What the user asks of the rules.
    pub settings: &'a Settings,
    /// Seconds since 1970-01-01 UTC.
    pub now: i64,
    /// The clock that it was read from; absent where the user gave the time.
    pub clock: Option<Clock>,
    /// Who reads the files.
    pub permissions: &'a Permissions,
    /// What is around them.
    pub machine: &'a Machine,
}

/// A certificate with its key, and who serves it.
pub struct ServedCredential<'a> {
    /// The set that it stands in.
    pub set: &'a Credentials,
    /// Its place in the set.
    pub position: usize,
    /// The pair.
    pub pair: &'a Credential,
    /// Sites that are served with it by their own words or by inheritance, in order; not those that reject.
    pub sites: Vec<SiteId>,
    /// Whether the server loads it, served or not.
    pub is_loaded: bool,
    /// What is sent, looked at once for all rules and all sites that name the same files.
    chain: SharedChain<'a>,
}

/// A file, its chain and what clients without a host in mind say of that, which the first who asks looks at; absent where it
/// cannot be told.
type SharedChain<'a> = Arc<OnceLock<Option<(&'a PemFile, Chain<'a>, Verdict)>>>;

impl<'a> ServedCredential<'a> {
    /// Every pair of certificate and key once for each place that names them, with the sites that it is meant for.
    pub fn all(deployment: &'a Deployment) -> Vec<ServedCredential<'a>> {
        let mut sites: Vec<Vec<SiteId>> = vec![Vec::new(); deployment.credentials.len()];
        each_served(deployment, |set, site| sites[set.0 as usize].push(site));
        let chooses = deployment.behavior.chooses_by_name;
        if chooses {
            for known in &mut sites {
                known.sort_unstable();
                known.dedup();
            }
        }
        let mut chains: HashMap<[Option<&OsStr>; 4], SharedChain<'a>> = HashMap::new();
        let mut uses = Vec::new();
        for (at, (set, sites)) in deployment.credentials.iter().zip(sites).enumerate() {
            // What the server gets by itself is told of once, by its front end.
            if deployment.managed.contains_key(&CredentialsId(at as u32)) && set.pairs.iter().all(is_open) {
                continue;
            }
            for (position, pair) in set.pairs.iter().enumerate() {
                let path = |file: &'a Setting<(Token, PathBuf)>| file.get().map(|(_, path)| path.as_os_str());
                let authorities = set.authorities.as_ref().map(|(_, path)| path.as_os_str());
                let key = pair.key.as_ref().and_then(path);
                let files = [path(&pair.certificate), key, pair.chain.as_ref().and_then(path), authorities];
                let chain = Arc::clone(chains.entry(files).or_default());
                let is_loaded = chooses || !sites.is_empty();
                uses.push(ServedCredential { set, position, pair, sites: sites.clone(), is_loaded, chain });
            }
        }
        uses
    }

    /// The chain that is sent, with the word that names its file. Absent where a block of the file is broken, or no site
    /// serves it.
    pub fn chain(&self, scope: &RuleContext<'a>) -> Option<(&'a Token, &'a PemFile, &Chain<'a>)> {
        let (token, _) = self.pair.certificate.get()?;
        self.looked_at(scope).map(|(file, chain, _)| (token, *file, chain))
    }

    /// What a client says of the chain, whatever its host and level: only what clients of every trust would say counts.
    pub fn verdict(&self, scope: &RuleContext<'a>) -> Option<&Verdict> {
        self.looked_at(scope).map(|(_, _, verdict)| verdict)
    }

    /// Who stands behind the certificate. Absent where the path breaks off.
    pub fn authority(&self, scope: &RuleContext<'a>) -> Option<Authority> {
        let verdict = self.verdict(scope)?;
        let breaks_off = verdict.any(VerifyError::is_incomplete);
        let is_untrusted = verdict.any(VerifyError::is_self_signed);
        let top = verdict.path.last().filter(|_| !breaks_off)?;
        let is_public = !is_untrusted && (scope.trust_is_public || Anchors::is_public(top));
        Some(if is_public { Authority::Public } else { Authority::Private })
    }

    /// What is sent. Absent where that hangs on a file that cannot be read, or on one with a key, of which nothing is shown.
    fn sent(&self, scope: &RuleContext<'a>, file: &'a PemFile) -> Option<Vec<Sent<'a>>> {
        let readable = |path: &Path| scope.pem(path).filter(|file| !file.is_secret());
        let chain = match &self.pair.chain {
            Some(chain) => Some(readable(&chain.get()?.1)?),
            None => None,
        };
        let authorities = self.set.authorities.as_ref().and_then(|(_, path)| readable(path));
        Some(pki::sent(file, chain, authorities))
    }

    fn looked_at(&self, scope: &RuleContext<'a>) -> Option<&(&'a PemFile, Chain<'a>, Verdict)> {
        let look = || {
            let (_, file) = scope.certificate_file(self.pair)?;
            let sent = self.sent(scope, file)?;
            let chain = Chain::of_sent(sent, scope.key(self.pair), scope.anchors);
            if file.certificate_fault().is_some() || chain.sent.is_empty() {
                return None;
            }
            let sent: Vec<Arc<Certificate>> =
                chain.sent.iter().map(|(_, certificate)| Arc::clone(certificate)).collect();
            let asked =
                Verifier { anchors: scope.anchors, now: scope.now, host: None, security_level: 0, cn_fallback: true };
            let verdict = asked.verify(&sent);
            Some((file, chain, verdict))
        };
        self.chain.get_or_init(look).as_ref().filter(|_| !self.sites.is_empty())
    }
}

/// Each set of certificates with each site that is served with it, some more than once.
fn each_served(deployment: &Deployment, mut take: impl FnMut(CredentialsId, SiteId)) {
    for (at, site) in deployment.sites.iter().enumerate().filter(|(_, site)| site.loads_credentials) {
        take(site.credentials, SiteId(at as u32));
    }
    if deployment.behavior.chooses_by_name {
        for (site, binding) in deployment.endpoints.iter().flat_map(served) {
            take(binding.credentials, site);
        }
    }
}

/// The names of a site that are whole hosts.
fn exact_hosts(site: &Site) -> impl Iterator<Item = &Token> {
    let exact = site.names.iter().filter(|name| name.kind == NameKind::Exact);
    exact.map(|name| &name.token).filter(|token| is_host(&token.text))
}

/// The bindings of a socket that answer to names of their own site, or to clients without a name.
fn served(endpoint: &Endpoint) -> Vec<(SiteId, &Binding)> {
    let mut found: Vec<BindingId> = endpoint.unnamed.into_iter().collect();
    let exact = endpoint.named.exact.values().chain(endpoint.named.below.values()).map(|(_, id)| *id);
    found.extend(exact);
    found.sort_unstable();
    found.dedup();
    found.into_iter().map(|id| (endpoint.binding(id).site, endpoint.binding(id))).collect()
}

/// Whether a pair is not known at all.
fn is_open(pair: &Credential) -> bool {
    pair.certificate.get().is_none() && pair.key.as_ref().is_none_or(|key| key.get().is_none())
}

/// Where checks report to.
#[derive(Default)]
pub struct Reporter {
    /// What was found.
    pub problems: Vec<Problem>,
    /// What could not be judged.
    pub unjudged: Vec<Unchecked>,
}

impl Reporter {
    /// Reports a problem.
    pub fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }
}

impl<'a> RuleContext<'a> {
    /// A run over a deployment.
    pub fn new(
        deployment: &'a Deployment,
        system: &'a SystemTls,
        library: &'a PemStore,
        sources: &'a Sources,
        editor: &'a (dyn Editor + Sync),
        question: LintInputs<'a>,
    ) -> Self {
        let endpoints = || (0u32..).map(EndpointId).zip(&deployment.endpoints);
        let bound = endpoints().flat_map(|(at, endpoint)| {
            let bindings = (0u32..).map(BindingId).zip(&endpoint.bindings);
            bindings.map(move |(order, binding)| (binding.site, (at, order)))
        });
        let listens = endpoints()
            .flat_map(|(at, endpoint)| (0u32..).zip(&endpoint.uses).map(move |(order, one)| (one.site, (at, order))));
        let bound = Grouped::new(deployment.sites.len(), bound);
        let listens = Grouped::new(deployment.sites.len(), listens);
        let LintInputs { trust: Trust { anchors, is_given, is_public }, settings, now, clock, permissions, machine } =
            question;
        RuleContext {
            deployment,
            library,
            sources,
            now,
            clock,
            permissions,
            machine,
            anchors,
            trust_is_given: is_given,
            settings,
            trust_is_public: is_public,
            system,
            editor,
            predictor: Predictor::new(deployment, library, system, now),
            served: OnceLock::new(),
            expansions: Mutex::default(),
            bound,
            listens,
        }
    }

    /// The pairs of certificate and key that some site is served with, once for each place that names them.
    pub fn served_pairs(&self) -> impl Iterator<Item = &'a Credential> {
        let served = self.served.get_or_init(|| {
            let mut served = vec![false; self.deployment.credentials.len()];
            each_served(self.deployment, |set, _| served[set.0 as usize] = true);
            served
        });
        let sets = self.deployment.credentials.iter().zip(served);
        sets.filter(|(_, is_served)| **is_served).flat_map(|(set, _)| &set.pairs)
    }

    /// The PEM file at a path that the configuration names, if it could be read.
    pub fn pem(&self, path: &Path) -> Option<&'a PemFile> {
        self.library.get(path).and_then(|found| found.as_ref().ok())
    }

    /// The file of the certificate of a pair, with the word that names it.
    pub fn certificate_file(&self, pair: &'a Credential) -> Option<(&'a Token, &'a PemFile)> {
        let (token, path) = pair.certificate.get()?;
        Some((token, self.pem(path)?))
    }

    /// The leaf that a pair is meant to serve: the first certificate of its file, unless its key belongs to a later one.
    pub fn leaf(&self, pair: &'a Credential) -> Option<&'a Arc<Certificate>> {
        let (_, file) = self.certificate_file(pair)?;
        file.leaf_of(self.key(pair))
    }

    /// What is spoken on a socket inside of TLS.
    pub fn service(&self, endpoint: &Endpoint) -> Service {
        endpoint.uses.first().map(|one| self.deployment.site(one.site).service).unwrap_or_default()
    }

    /// What a cipher string selects; each distinct one is read once.
    pub fn expansion(&self, library: &'static CipherLibrary, string: &Token) -> Arc<Expansion<'static>> {
        let read = || Arc::new(cipher::expand(library, &string.text));
        match self.expansions.lock() {
            Ok(mut known) => Arc::clone(known.entry(Arc::clone(&string.text)).or_insert_with(read)),
            Err(_) => read(),
        }
    }

    /// OpenSSL's security level where a pair is loaded: the highest of all sites that load it. Absent where the library is
    /// another.
    pub fn strength(&self, one: &ServedCredential<'_>) -> Option<Strength> {
        let library = &self.deployment.platform.tls_library;
        match library.kind {
            TlsLibraryKind::OpenSsl => {}
            // Go refuses nothing: clients do.
            TlsLibraryKind::Go => return Some(Strength::of(0, [3, 0, 0])),
            TlsLibraryKind::Other => return None,
        }
        let mut policies: Vec<PolicyId> = one.sites.iter().map(|site| self.deployment.site(*site).policy).collect();
        policies.sort_unstable();
        policies.dedup();
        let contexts = policies.into_iter().map(|id| self.predictor.contexts().of(id));
        let level = contexts.filter(|context| context.suites.is_ok()).map(|context| context.loading_level).max()?;
        Some(Strength::of(level, library.version.numbers))
    }

    /// The key of a pair, if it can be read.
    pub fn key(&self, pair: &'a Credential) -> Option<&'a Key> {
        let (_, path) = pair.key.as_ref()?.get()?;
        self.pem(path)?.key()?.1.as_ref().ok()
    }

    /// A fix made of a change, if the server can say it there.
    pub fn fix(&self, title: impl Into<String>, safety: Safety, change: &Change) -> Option<Fix> {
        let edits: Vec<Edit> = self.editor.edits(change)?.edits;
        Some(Fix { title: title.into(), safety, edits })
    }

    /// How people call a site: its first name, else where it is.
    pub fn site_name(&self, site: &Site) -> String {
        let named = site.names.iter().find(|name| name.kind != NameKind::None);
        match named.or(site.names.first()) {
            Some(name) if !name.token.text.is_empty() => name.token.text.to_string(),
            _ => {
                format!("the site at line {}", self.sources.positions(self.sources.resolve_span(site.head).span).0.line)
            }
        }
    }

    /// The names of a site that only it answers to on this socket: exact, with a dot, not taken by an earlier site.
    pub fn exact_names<'s>(&self, endpoint: &Endpoint, binding: BindingId, site: &'s Site) -> Vec<&'s Token> {
        let served = |text: &str| endpoint.named.find(text) == Found::Binding(binding);
        exact_hosts(site).filter(|token| served(&token.text)).collect()
    }

    /// The first of them for each binding of a socket, by its number: each name is looked up once, however many bindings its site has.
    pub fn first_names(&self, endpoint: &Endpoint) -> Vec<Option<&'a Token>> {
        let mut first = vec![None; endpoint.bindings.len()];
        let mut seen = HashSet::with_capacity(endpoint.bindings.len());
        for binding in endpoint.bindings.iter().filter(|binding| seen.insert(binding.site)) {
            for name in exact_hosts(self.deployment.site(binding.site)) {
                if let Found::Binding(id) = endpoint.named.find(&name.text)
                    && endpoint.binding(id).site == binding.site
                {
                    first[id.0 as usize].get_or_insert(name);
                }
            }
        }
        first
    }

    /// The sockets that speak TLS and the binding of a site there, as far as clients can reach it.
    pub fn tls_bindings(&self, site: SiteId) -> impl Iterator<Item = (&'a Endpoint, BindingId, &'a Binding)> {
        let is_unnamed = has_addresses_alone(self.deployment.site(site));
        self.bindings(site).filter(move |(endpoint, id, _)| {
            let speaks = matches!(endpoint.transport, Transport::Tls | Transport::Quic);
            speaks && (!is_unnamed || endpoint.unnamed == Some(*id))
        })
    }

    /// All sockets of a site and its binding there.
    pub fn bindings(&self, site: SiteId) -> impl Iterator<Item = (&'a Endpoint, BindingId, &'a Binding)> {
        let deployment = self.deployment;
        self.bound.of(site).iter().map(move |(endpoint, binding)| {
            let endpoint = deployment.endpoint(*endpoint);
            (endpoint, *binding, endpoint.binding(*binding))
        })
    }

    /// All places where a site asks for a socket.
    pub fn listens(&self, site: SiteId) -> impl Iterator<Item = &'a ListenUse> {
        let deployment = self.deployment;
        self.listens.of(site).iter().map(move |(endpoint, order)| &deployment.endpoint(*endpoint).uses[*order as usize])
    }

    /// The bytes of a span as text, for messages.
    pub fn text(&self, span: Span) -> String {
        self.sources.text(span).into_owned()
    }
}

/// Lists by site in one allocation.
struct Grouped<T> {
    /// Where the list of each site begins, and behind the last where it ends.
    starts: Vec<u32>,
    all: Vec<T>,
}

impl<T: Copy> Grouped<T> {
    /// Groups pairs, those of one site in their order.
    fn new(sites: usize, pairs: impl Iterator<Item = (SiteId, T)>) -> Self {
        let mut pairs: Vec<(SiteId, T)> = pairs.collect();
        pairs.sort_by_key(|(site, _)| *site);
        let mut starts = vec![0; sites + 1];
        for (site, _) in &pairs {
            starts[site.0 as usize + 1] += 1;
        }
        for site in 0..sites {
            starts[site + 1] += starts[site];
        }
        Grouped { starts, all: pairs.into_iter().map(|(_, value)| value).collect() }
    }

    fn of(&self, site: SiteId) -> &[T] {
        let site = site.0 as usize;
        &self.all[self.starts[site] as usize..self.starts[site + 1] as usize]
    }
}

/// Whether a site has names and all of them are addresses: clients that go to one send no name (RFC 6066, 3), so that only the
/// site for those is reached by it.
fn has_addresses_alone(site: &Site) -> bool {
    let is_address = |name: &str| {
        let first = name.as_bytes().first();
        first.is_some_and(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'[' | b':'))
            && name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok()
    };
    !site.names.is_empty() && site.names.iter().all(|name| is_address(&name.token.text))
}

/// A name that a client could ask for: letters, digits, `-`, `_` and at least one dot.
pub fn is_host(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.contains('.') && name.split('.').all(label) && name.parse::<std::net::Ipv4Addr>().is_err()
}

/// A name that no public authority signs for and no public DNS has: of a private ending, of one label, or a private address.
pub fn is_private_name(name: &str) -> bool {
    if let Ok(address) = name.parse::<std::net::IpAddr>() {
        return match address {
            std::net::IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
            std::net::IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        };
    }
    let name = name.to_ascii_lowercase();
    let endings = [".local", ".internal", ".home.arpa", ".localhost"];
    !name.contains('.') || endings.iter().any(|ending| name.ends_with(ending))
}
