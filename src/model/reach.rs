//! Which sites a written word holds for: asked once for each fix, so looked up and not searched for.

use std::sync::OnceLock;

use foldhash::HashMap;

use super::{Deployment, Site, SiteId};
use crate::source::Span;

/// Sites by the place of a word.
type Index = HashMap<Span, Vec<SiteId>>;

/// Looks up the sites of a deployment by what is written for them. Each list is made when it is first asked for; sites stand
/// in order in all of them.
pub struct Reach<'a> {
    deployment: &'a Deployment,
    protocols: OnceLock<Index>,
    stapling: OnceLock<Index>,
    files: OnceLock<Index>,
    listens: OnceLock<Index>,
    upstreams: OnceLock<Index>,
}

impl<'a> Reach<'a> {
    /// Looks nothing up yet.
    pub fn new(deployment: &'a Deployment) -> Self {
        Reach {
            deployment,
            protocols: OnceLock::new(),
            stapling: OnceLock::new(),
            files: OnceLock::new(),
            listens: OnceLock::new(),
            upstreams: OnceLock::new(),
        }
    }

    fn sites(&self, places: impl Fn(&Site, &mut Vec<Span>)) -> Index {
        let mut index = Index::default();
        let mut found = Vec::new();
        for (at, site) in self.deployment.sites.iter().enumerate() {
            places(site, &mut found);
            found.drain(..).for_each(|place| add(&mut index, place, SiteId(at as u32)));
        }
        index
    }

    /// The sites whose protocols come from the directive at `written`.
    pub fn of_protocols(&self, written: Span) -> Vec<SiteId> {
        let places = |site: &Site, found: &mut Vec<Span>| {
            found.extend(self.deployment.policy(site.policy).protocols.origin.written());
        };
        look_up(self.protocols.get_or_init(|| self.sites(places)), written)
    }

    /// The sites for which stapling is set by the directive at `written`.
    pub fn of_stapling(&self, written: Span) -> Vec<SiteId> {
        let places = |site: &Site, found: &mut Vec<Span>| {
            found.extend(self.deployment.policy(site.policy).stapling.origin.written());
        };
        look_up(self.stapling.get_or_init(|| self.sites(places)), written)
    }

    /// The sites whose certificate or key file is named by the word at `written`.
    pub fn of_file(&self, written: Span) -> Vec<SiteId> {
        let places = |site: &Site, found: &mut Vec<Span>| {
            let pairs = &self.deployment.credentials(site.credentials).pairs;
            let files = pairs.iter().flat_map(|pair| [Some(&pair.certificate), pair.key.as_ref()]).flatten();
            found.extend(files.filter_map(|file| file.get().map(|(token, _)| token.span)));
        };
        look_up(self.files.get_or_init(|| self.sites(places)), written)
    }

    /// The sites that ask for a socket by the words at `listen`.
    pub fn of_listen(&self, listen: Span) -> Vec<SiteId> {
        let all = || {
            let mut index = Index::default();
            let uses = self.deployment.endpoints.iter().flat_map(|endpoint| &endpoint.uses);
            uses.for_each(|one| add(&mut index, one.span, one.site));
            in_order(index)
        };
        look_up(self.listens.get_or_init(all), listen)
    }

    /// The sites whose requests are sent on by the words at `pass`.
    pub fn of_upstream(&self, pass: Span) -> Vec<SiteId> {
        let all = || {
            let mut index = Index::default();
            let upstreams = self.deployment.upstreams.iter();
            upstreams.filter_map(|one| Some((one.at, one.site?))).for_each(|(at, site)| add(&mut index, at, site));
            in_order(index)
        };
        look_up(self.upstreams.get_or_init(all), pass)
    }
}

fn add(index: &mut Index, place: Span, site: SiteId) {
    let sites = index.entry(place).or_default();
    if sites.last() != Some(&site) {
        sites.push(site);
    }
}

fn in_order(mut index: Index) -> Index {
    for sites in index.values_mut() {
        sites.sort_unstable();
        sites.dedup();
    }
    index
}

fn look_up(index: &Index, place: Span) -> Vec<SiteId> {
    index.get(&place).cloned().unwrap_or_default()
}
