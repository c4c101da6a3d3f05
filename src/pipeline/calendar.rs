//! Everything with a last day that a configuration uses: certificates by use, revocation lists, stapled responses.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Failure, Loaded, Options, Reading, TargetInfo, load};
use crate::diagnostic::{Unchecked, UncheckedReason};
use crate::lint::ServedCredential;
use crate::model::{
    Credential, Deployment, PolicyId, Setting, SiteId, TlsPolicy, Token, UpstreamAuthorities, UpstreamPolicy,
    UpstreamTransport, Value, VerifyMode,
};
use crate::pki::{self, BlockKind, Certificate, Chain, OcspResponse, PemFile};
use crate::source::{FileSystem, Mapped, ReadError, Sources, Span};

/// What something with a last day is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Clients are shown it.
    Served,
    /// Clients are sent it with the one that they are shown.
    Chain,
    /// Certificates of clients may come from it.
    ClientAuthority,
    /// It says which certificates of clients are revoked.
    ClientRevocations,
    /// Stapled responses are held against it.
    StaplingIssuer,
    /// It is stapled.
    StaplingResponse,
    /// Upstream servers are shown it.
    UpstreamClient,
    /// Certificates of upstream servers may come from it.
    UpstreamAuthority,
    /// It says which certificates of upstream servers are revoked.
    UpstreamRevocations,
}

impl Role {
    /// The name in all formats.
    pub fn name(self) -> &'static str {
        match self {
            Role::Served => "served",
            Role::Chain => "chain",
            Role::ClientAuthority => "client-ca",
            Role::ClientRevocations => "client-crl",
            Role::StaplingIssuer => "stapling-issuer",
            Role::StaplingResponse => "stapling-response",
            Role::UpstreamClient => "upstream-client",
            Role::UpstreamAuthority => "upstream-ca",
            Role::UpstreamRevocations => "upstream-crl",
        }
    }
}

/// What has a last day.
#[derive(Clone, Debug)]
pub enum Dated {
    /// A certificate.
    Certificate(Arc<Certificate>),
    /// A revocation list, by its issuer.
    Revocations {
        /// Who signs it, for people.
        issuer: String,
        /// Its last day; absent: none.
        next_update: Option<i64>,
    },
    /// A responder's answer.
    Response {
        /// Its last day; absent: it does not say.
        next_update: Option<i64>,
    },
}

impl Dated {
    /// The last second, since 1970-01-01 UTC.
    pub fn not_after(&self) -> Option<i64> {
        match self {
            Dated::Certificate(certificate) => Some(certificate.not_after),
            Dated::Revocations { next_update, .. } | Dated::Response { next_update } => *next_update,
        }
    }
}

/// How what is sent leads to what clients trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainState {
    /// It does.
    Complete,
    /// An issuer is missing on the way.
    Incomplete,
    /// It ends with a certificate that clients do not trust.
    Untrusted,
}

impl ChainState {
    /// The name in all formats.
    pub fn name(self) -> &'static str {
        match self {
            ChainState::Complete => "complete",
            ChainState::Incomplete => "incomplete",
            ChainState::Untrusted => "untrusted",
        }
    }
}

/// One thing with a last day in one use.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The use.
    pub role: Role,
    /// What it is.
    pub dated: Dated,
    /// The file that it stands in.
    pub file: PathBuf,
    /// Which PEM block of the file it is, from 1; absent for what is no PEM.
    pub block: Option<usize>,
    /// Where the configuration names the file.
    pub at: Vec<Span>,
    /// The sites that use it, by their first names.
    pub sites: BTreeSet<String>,
    /// For what is served, how it leads to what clients trust.
    pub chain: Option<ChainState>,
}

/// What [`calendar`] gives.
#[derive(Debug)]
pub struct Calendar {
    /// All texts, to show places in.
    pub sources: Sources,
    /// The configurations.
    pub targets: Vec<TargetInfo>,
    /// What ends first comes first; what never ends last.
    pub entries: Vec<Entry>,
    /// Files that are named and could not be looked into.
    pub unjudged: Vec<Unchecked>,
}

/// Everything with a last day that the configurations at `paths` use, or the live one where there is none.
///
/// # Errors
/// As [`load`].
pub fn calendar(files: &dyn FileSystem, paths: &[PathBuf], options: &Options) -> Result<Calendar, Failure> {
    let mapped = Mapped::new(files, options.path_maps.clone());
    let loaded = load(&mapped, paths, options)?;
    let mut found = Found { files: &mapped, loaded: &loaded, known: BTreeMap::new(), unjudged: Vec::new() };
    for reading in &loaded.readings {
        found.reading(reading);
    }
    let Found { known, unjudged, .. } = found;
    let mut entries: Vec<Entry> = known.into_values().collect();
    entries.sort_by_key(|entry| entry.dated.not_after().unwrap_or(i64::MAX));
    let targets = loaded.readings.iter().map(|reading| loaded.info(reading)).collect();
    Ok(Calendar { sources: loaded.sources, targets, entries, unjudged })
}

/// A use, a file, and a block of it.
type Key = (Role, PathBuf, Option<usize>);

struct Found<'l> {
    files: &'l dyn FileSystem,
    loaded: &'l Loaded,
    known: BTreeMap<Key, Entry>,
    unjudged: Vec<Unchecked>,
}

/// A file that the configuration names, where, and for whom.
struct Named<'n> {
    path: &'n Path,
    at: Span,
    sites: &'n BTreeSet<String>,
}

impl<'l> Found<'l> {
    fn reading(&mut self, reading: &Reading) {
        let deployment = reading.understood.deployment();
        let first = self.unjudged.len();
        self.served(deployment);
        self.by_name(deployment);
        for (policy, sites) in policies(deployment) {
            self.policy(deployment.policy(policy), &names(deployment, &sites));
        }
        for upstream in &deployment.upstreams {
            let speaks = upstream.targets.iter().any(|one| one.transport == UpstreamTransport::Tls);
            if upstream.loads_files || speaks {
                let sites = names(deployment, upstream.site.as_slice());
                self.upstream(deployment.upstream_policy(upstream.policy), &sites);
            }
        }
        for set in deployment.managed.keys().map(|id| deployment.credentials(*id)) {
            for pair in &set.pairs {
                if let Value::Unknown(reason) = &pair.certificate.value {
                    let at = Some(pair.certificate.origin.place);
                    self.unjudged.push(Unchecked {
                        what: "certificate".into(),
                        reason: reason.0.to_string().into(),
                        at,
                    });
                }
            }
        }
        // A part of a whole is asked about itself alone.
        let sources = &self.loaded.sources;
        let is_shown = |at: &Span| reading.shows(sources, *at);
        let own = self.unjudged.split_off(first);
        for one in own {
            let is_known = |other: &Unchecked| other.at == one.at && other.reason == one.reason;
            if one.at.as_ref().is_none_or(is_shown) && !self.unjudged.iter().any(is_known) {
                self.unjudged.push(one);
            }
        }
        if !reading.is_whole() {
            self.known.retain(|_, entry| entry.at.iter().any(is_shown));
        }
    }

    /// What clients are shown and sent.
    fn served(&mut self, deployment: &Deployment) {
        for one in ServedCredential::all(deployment).iter().filter(|one| !one.sites.is_empty()) {
            if one.pair.by_name.is_some() {
                continue;
            }
            let sites = names(deployment, &one.sites);
            let Some((token, path)) = self.known_file(&one.pair.certificate) else { continue };
            let chain = one.pair.chain.as_ref().and_then(|chain| chain.get());
            let authorities = one.set.authorities.as_ref().map(|(_, path)| path.as_path());
            let chain_file = chain.map(|(_, path)| path.as_path());
            self.pair(one.pair, &Named { path, at: token.span, sites: &sites }, chain_file, authorities);
        }
    }

    /// What is read at handshakes under the exact names that are served.
    fn by_name(&mut self, deployment: &Deployment) {
        for (_, endpoint) in deployment.tls_endpoints() {
            for (name, (_, id)) in &endpoint.named.exact {
                let binding = endpoint.binding(*id);
                let sites = names(deployment, &[binding.site]);
                for pair in &deployment.credentials(binding.credentials).pairs {
                    if pair.by_name.is_none() {
                        continue;
                    }
                    let Some(path) = pair.certificate_for(name) else { continue };
                    let at = pair.certificate.origin.place;
                    self.pair(pair, &Named { path: &path, at, sites: &sites }, None, None);
                }
            }
        }
    }

    /// A certificate with what is sent along.
    fn pair(&mut self, pair: &Credential, named: &Named<'_>, chain: Option<&Path>, authorities: Option<&Path>) {
        let loaded = self.loaded;
        let Some(file) = self.file(named) else { return };
        let get = |path: &Path| loaded.library.get(path).and_then(|found| found.as_ref().ok());
        let chain = chain.and_then(get);
        let key = pair.key.as_ref().and_then(|key| key.get()).and_then(|(_, path)| get(path)?.key()?.1.as_ref().ok());
        let sent = Chain::of_sent(pki::sent(file, chain, authorities.and_then(get)), key, &loaded.anchors);
        let state = match (&sent.gap, sent.is_trusted) {
            (Some(_), _) => ChainState::Incomplete,
            (None, true) => ChainState::Complete,
            (None, false) => ChainState::Untrusted,
        };
        let leaf = sent.leaf_behind.unwrap_or(0);
        for (at, (block, certificate)) in sent.sent.iter().enumerate() {
            let role = if at == leaf { Role::Served } else { Role::Chain };
            let path = loaded.sources.file(block.span.file).path();
            let number = get(path).and_then(|file| file.blocks.iter().position(|one| one.span == block.span));
            let place = Named { path, at: named.at, sites: named.sites };
            let entry = self.add(role, &place, number, Dated::Certificate(Arc::clone(certificate)));
            if at == leaf {
                entry.chain = Some(state);
            }
        }
        if sent.sent.is_empty() {
            self.open(named, "it holds no certificate");
        }
    }

    /// What a policy names besides.
    fn policy(&mut self, policy: &TlsPolicy, sites: &BTreeSet<String>) {
        if let Some(verification) = policy.client_verification.get() {
            let asks = verification.mode != VerifyMode::Off;
            for (token, path) in verification.authority_files().filter(|_| asks) {
                self.certificates(Role::ClientAuthority, &Named { path, at: token.span, sites });
            }
            for (token, folder) in verification.folder.iter().filter(|_| asks) {
                self.folder(Role::ClientAuthority, &Named { path: folder, at: token.span, sites });
            }
            for (token, folder) in
                verification.revocation_folder.iter().filter(|_| asks && verification.checks_revocation)
            {
                self.folder(Role::ClientRevocations, &Named { path: folder, at: token.span, sites });
            }
            for (token, path) in verification.revocations.iter().filter(|_| asks && verification.checks_revocation) {
                self.revocations(Role::ClientRevocations, &Named { path, at: token.span, sites });
            }
        }
        if let Some(stapling) = policy.stapling.get().filter(|stapling| stapling.on) {
            if let Some((token, path)) = &stapling.issuers {
                self.certificates(Role::StaplingIssuer, &Named { path, at: token.span, sites });
            }
            if let Some((token, path)) = &stapling.file {
                let named = Named { path, at: token.span, sites };
                let Some(file) = self.file(&named) else { return };
                match OcspResponse::parse(self.loaded.sources.file(file.file).bytes()) {
                    Some(one) => {
                        let dated = Dated::Response { next_update: one.next_update };
                        self.add(Role::StaplingResponse, &named, None, dated);
                    }
                    None => self.open(&named, "it holds no OCSP response"),
                }
            }
        }
    }

    /// What is used towards upstream servers.
    fn upstream(&mut self, policy: &UpstreamPolicy, sites: &BTreeSet<String>) {
        for pair in &policy.credentials {
            if let Some((token, path)) = self.known_file(&pair.certificate) {
                self.certificates(Role::UpstreamClient, &Named { path, at: token.span, sites });
            }
        }
        if let Some(UpstreamAuthorities::Own { file: Some(file), .. }) = policy.authorities.get()
            && let Some((token, path)) = self.known_file(file)
        {
            self.certificates(Role::UpstreamAuthority, &Named { path, at: token.span, sites });
        }
        if let Some(UpstreamAuthorities::Own { folder: Some(folder), .. }) = policy.authorities.get()
            && let Some((token, path)) = self.known_file(folder)
        {
            self.folder(Role::UpstreamAuthority, &Named { path, at: token.span, sites });
        }
        if let Some(file) = &policy.revocations
            && let Some((token, path)) = self.known_file(file)
        {
            self.revocations(Role::UpstreamRevocations, &Named { path, at: token.span, sites });
        }
        if let Some((token, path)) = policy.revocation_folder.as_ref().and_then(|folder| self.known_file(folder)) {
            self.folder(Role::UpstreamRevocations, &Named { path, at: token.span, sites });
        }
    }

    /// Everything in a folder whose files are named by hash. Links to one file may have several names there: it comes once.
    fn folder(&mut self, role: Role, named: &Named<'_>) {
        if let Err(error) = self.files.list(named.path) {
            self.unread(named, &error);
        }
        let mut seen = BTreeSet::new();
        for path in super::certificates::hashed(self.files, named.path) {
            let is_list = path.extension().and_then(|end| end.to_str()).is_some_and(|end| end.starts_with('r'));
            let is_wanted = is_list == matches!(role, Role::ClientRevocations | Role::UpstreamRevocations);
            if !is_wanted || !seen.insert(self.files.canonical(&path).unwrap_or_else(|_| path.clone())) {
                continue;
            }
            let named = Named { path: &path, ..*named };
            match is_list {
                true => self.revocations(role, &named),
                false => self.certificates(role, &named),
            }
        }
    }

    /// Every certificate of a file.
    fn certificates(&mut self, role: Role, named: &Named<'_>) {
        let Some(file) = self.file(named) else { return };
        for (at, block) in file.blocks.iter().enumerate() {
            if let BlockKind::Certificate(certificate) = &block.kind {
                self.add(role, named, Some(at), Dated::Certificate(Arc::clone(certificate)));
            }
        }
        if file.certificates().next().is_none() {
            self.open(named, "it holds no certificate");
        }
    }

    /// Every revocation list of a file.
    fn revocations(&mut self, role: Role, named: &Named<'_>) {
        let Some(file) = self.file(named) else { return };
        for (at, block) in file.blocks.iter().enumerate() {
            if let BlockKind::Revocations(list) = &block.kind {
                let dated = Dated::Revocations { issuer: list.issuer.clone(), next_update: list.next_update };
                self.add(role, named, Some(at), dated);
            }
        }
    }

    /// A file's name, where it is known.
    fn known_file<'s>(&mut self, setting: &'s Setting<(Token, PathBuf)>) -> Option<&'s (Token, PathBuf)> {
        match &setting.value {
            Value::Known(known) => Some(known),
            Value::Unknown(reason) => {
                let at = Some(setting.origin.place);
                self.unjudged.push(Unchecked { what: "certificate".into(), reason: reason.0.to_string().into(), at });
                None
            }
        }
    }

    /// A file that is named, where it could be read.
    fn file(&mut self, named: &Named<'_>) -> Option<&'l PemFile> {
        let loaded: &'l Loaded = self.loaded;
        let found = loaded.library.get(named.path);
        match found {
            Some(Ok(file)) => Some(file),
            Some(Err(error)) => {
                self.unread(named, error);
                None
            }
            None => None,
        }
    }

    /// Says that a file could not be looked into.
    fn open(&mut self, named: &Named<'_>, why: &str) {
        let reason = format!("{}: {why}", named.path.display());
        self.unjudged.push(Unchecked { what: "certificate".into(), reason: reason.into(), at: Some(named.at) });
    }

    /// Says that a file could not be read.
    fn unread(&mut self, named: &Named<'_>, error: &ReadError) {
        let reason = UncheckedReason::of(error, format!("{}: {error}", named.path.display()));
        self.unjudged.push(Unchecked { what: "certificate".into(), reason, at: Some(named.at) });
    }

    fn add(&mut self, role: Role, named: &Named<'_>, block: Option<usize>, dated: Dated) -> &mut Entry {
        let block = block.map(|at| at + 1);
        let fresh = || Entry {
            role,
            dated,
            file: named.path.to_path_buf(),
            block,
            at: Vec::new(),
            sites: BTreeSet::new(),
            chain: None,
        };
        let entry = self.known.entry((role, named.path.to_path_buf(), block)).or_insert_with(fresh);
        if !entry.at.contains(&named.at) {
            entry.at.push(named.at);
        }
        entry.sites.extend(named.sites.iter().cloned());
        entry
    }
}

/// The policies in force on sockets that speak TLS, with the sites that they hold for.
fn policies(deployment: &Deployment) -> BTreeMap<PolicyId, Vec<SiteId>> {
    let mut all: BTreeMap<PolicyId, Vec<SiteId>> = BTreeMap::new();
    for binding in deployment.tls_endpoints().flat_map(|(_, endpoint)| &endpoint.bindings) {
        all.entry(binding.after_name).or_default().push(binding.site);
    }
    all
}

/// Sites by their first names.
fn names(deployment: &Deployment, sites: &[SiteId]) -> BTreeSet<String> {
    let name = |site: &SiteId| deployment.site(*site).names.first().map(|name| name.token.text.to_string());
    sites.iter().filter_map(name).filter(|name| !name.is_empty()).collect()
}
