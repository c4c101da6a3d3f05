//! What site blocks say of certificates: files that are loaded, and who signs for names that are managed.
//!
//! Source: `parseTLS` and `buildTLSApp` of Caddy 2.6.2 and 2.11.4.

use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};

use super::acme_policies::Drafts;
use super::global::Options;
use super::http_app::Pairing;
use super::site::Site;
use super::{Lowering, include_chain, token};
use crate::diagnostic::{Edit, Fix, Problem, Safety, Severity};
use crate::server::caddy::config::{Automation, Config, Issuer, Loader};
use crate::server::caddy::syntax::Word;
use crate::source::Span;

/// Collects certificates from files, in the order in which Caddy loads them: socket after socket, exact names first. A file
/// that is named twice is loaded once, where and with the key that it was named with first. The result gives each file its
/// number.
pub fn load(
    lowering: &mut Lowering<'_>,
    config: &mut Config,
    sites: &mut [Site],
    pairings: &[Pairing],
    options: &Options<'_>,
) -> HashMap<Arc<str>, usize> {
    let mut tags: HashMap<Arc<str>, usize> = HashMap::new();
    // The site that named a file first.
    let mut owners: Vec<usize> = Vec::new();
    // The key that each file was named with first.
    let mut keys: HashMap<Arc<str>, Word> = HashMap::new();
    for (at, site) in sites.iter_mut().enumerate() {
        for (certificate, key) in site.tls.iter().filter_map(|tls| tls.files.as_ref()) {
            match keys.get(&certificate.text) {
                Some(first) => reused(lowering, certificate, key, first),
                None => {
                    keys.insert(Arc::clone(&certificate.text), key.clone());
                }
            }
            tags.entry(Arc::clone(&certificate.text)).or_insert_with(|| {
                owners.push(at);
                owners.len() - 1
            });
        }
        site.draft.settings = site.tls.first().map(|tls| tls.settings.clone());
    }
    let mut loaded: HashMap<usize, usize> = HashMap::new();
    let mut is_done = vec![false; sites.len()];
    for (at, keys) in pairings.iter().filter(|one| one.is_elsewhere(options)).flat_map(|one| &one.blocks) {
        let site = &sites[*at];
        if keys.iter().all(|key| site.keys[*key].address.scheme == "http") || is_done[*at] {
            continue;
        }
        is_done[*at] = true;
        for tls in &site.tls {
            if let Some((certificate, key)) = &tls.files {
                let number = tags[&certificate.text];
                if owners[number] == *at && !loaded.contains_key(&number) {
                    loaded.insert(number, config.loaders.len());
                    config.loaders.push(loader(lowering, certificate, key, number));
                }
            }
            config.folders.extend(tls.folders.iter().map(|folder| (token(folder), include_chain(folder))));
        }
    }
    for site in sites {
        let files = site.tls.iter().filter_map(|tls| tls.files.as_ref());
        let own = files.filter_map(|(certificate, _)| loaded.get(&tags[&certificate.text]));
        site.draft.loaders.extend(own);
    }
    tags
}

/// `certificate-reused-with-other-key`: the adapter knows a file by its path alone.
fn reused(lowering: &mut Lowering<'_>, certificate: &Word, key: &Word, first: &Word) {
    if key.text == first.text || key.is_open() || first.is_open() {
        return;
    }
    let problem = Problem::new("certificate-reused-with-other-key", key.span)
        .with("certificate", &*certificate.text)
        .with("key", &*key.text)
        .with("first", &*first.text)
        .related(first.span, "named first, and used everywhere");
    let is_plain = key.is_verbatim && !first.text.contains([' ', '\t', '"', '`']);
    lowering.problem(match is_plain {
        true => problem.fix(Fix {
            title: "name the key that is used".to_owned(),
            safety: Safety::Safe,
            edits: vec![Edit { span: key.span, text: first.text.to_string() }],
        }),
        false => problem,
    });
}

/// On-demand certificates for any name have to be permitted by somebody: from 2.7 on Caddy does not start otherwise.
fn permitted(lowering: &mut Lowering<'_>, site: &Site, automation: &Automation, options: &Options<'_>) {
    let at = site.tls.iter().find_map(|tls| tls.on_demand_at);
    let is_internal = !automation.issuers.is_empty() && automation.issuers.iter().all(|one| *one == Issuer::Internal);
    let is_wide = automation.subjects.is_empty() || automation.subjects.iter().any(|one| one.contains('*'));
    let Some(at) = at.filter(|_| is_wide && !is_internal && !automation.has_manager && options.permission.is_none())
    else {
        return;
    };
    let problem = Problem::new("on-demand-without-permission", at);
    lowering.problem(match lowering.reading.version.at_least(2, 7, 0) {
        true => problem,
        false => problem.case("before").severity(Severity::Warning),
    });
}

/// The tag of a file by its number.
pub fn tag(number: usize) -> Arc<str> {
    format!("cert{number}").into()
}

fn loader(lowering: &Lowering<'_>, certificate: &Word, key: &Word, number: usize) -> Loader {
    let located = |word: &Word| (token(word), lowering.locate(&word.text));
    Loader {
        certificate: located(certificate),
        key: located(key),
        tags: vec![tag(number)],
        include_chain: include_chain(certificate),
    }
}

/// Who gets certificates for the names of each site.
pub fn automation(
    lowering: &mut Lowering<'_>,
    config: &mut Config,
    sites: &[Site],
    pairings: &[Pairing],
    options: &Options<'_>,
) {
    let default = || match options.local_certificates {
        true => vec![Issuer::Internal],
        false => options.issuers.clone(),
    };
    let acme = |issuers: Vec<Issuer>| -> Vec<Issuer> {
        let filled = |issuer| match issuer {
            Issuer::Acme { directory, has_dns } => Issuer::Acme {
                directory: directory.or_else(|| options.directory.clone()),
                has_dns: has_dns || options.has_dns,
            },
            other => other,
        };
        issuers.into_iter().map(filled).collect()
    };
    let has_acme_defaults = options.directory.is_some() || options.has_dns;
    let mut is_done = HashSet::new();
    let mut shared: BTreeMap<Arc<str>, Span> = BTreeMap::new();
    let mut catch_all: Option<Automation> = None;
    let mut drafts = Drafts::new(options, lowering.reading.version);
    for pairing in pairings.iter().filter(|one| one.is_elsewhere(options)) {
        for (at, keys) in &pairing.blocks {
            let site = &sites[*at];
            if keys.iter().all(|key| site.keys[*key].address.scheme == "http") {
                continue;
            }
            let is_plain = |key: &usize| {
                let address = &site.keys[*key].address;
                address.scheme == "http" || address.port == Some(options.http_port)
            };
            let encrypted: Vec<usize> = keys.iter().copied().filter(|key| !is_plain(key)).collect();
            let own = site.tls.iter().flat_map(|tls| tls.issuers.clone()).collect::<Vec<_>>();
            let has_own = !own.is_empty();
            let mut issuers = acme(if has_own { own } else { default() });
            let key_type = site.tls.iter().find_map(|tls| tls.key_type.clone()).or(options.key_type.clone());
            let mut subjects: Vec<Arc<str>> = Vec::new();
            for key in encrypted.iter().filter(|key| !site.keys[**key].address.host.is_empty()) {
                let one = &site.keys[*key];
                let host: Arc<str> = one.address.host.as_str().into();
                if issuers.is_empty() && !one.is_opaque && !super::name::qualifies(&host) && !host.ends_with(".ts.net")
                {
                    let problem = Problem::new("invalid-argument", one.word.span).case("subject");
                    lowering.problem(problem.with("value", &*host));
                    continue;
                }
                subjects.push(host);
            }
            subjects.sort_unstable();
            subjects.dedup();
            let on_demand = site.tls.iter().any(|tls| tls.on_demand);
            drafts.add(lowering, site, keys, &subjects);
            if issuers.is_empty()
                && has_acme_defaults
                && subjects.iter().all(|one| super::name::is_left_to_public(one, on_demand, lowering.reading.version))
            {
                issuers = acme(vec![Issuer::Acme { directory: None, has_dns: false }]);
            }
            let automation = Automation {
                subjects,
                issuers,
                key_type,
                on_demand,
                has_manager: site.tls.iter().any(|tls| tls.has_manager),
            };
            permitted(lowering, site, &automation, options);
            let hosts = site.hosts(keys);
            if site.tls.iter().any(|tls| tls.force_automate) {
                let forced = keys.iter().filter(|_| !hosts.is_empty()).map(|key| site.host(*key));
                config.automate.extend(forced);
            }
            // Hosts that share a block with an address for all hosts stand in no route: they are named here.
            // Before 2.8 `auto_https disable_certs` does not reach them.
            let is_kept = options.automatic.no_certificates && lowering.reading.version.at_least(2, 8, 0);
            if hosts.is_empty() && !options.automatic.off && !is_kept {
                let keys = encrypted.iter().filter(|key| !site.keys[**key].address.host.is_empty());
                for key in keys {
                    let one = &site.keys[*key];
                    if super::name::is_refused(&one.address.host, lowering.reading.version) {
                        shared.insert(Arc::from(&*one.address.host), one.word.span);
                    }
                    config.automate.push(site.host(*key));
                }
            }
            if automation.subjects.is_empty() {
                catch_all.get_or_insert(automation);
            } else if is_done.insert((*at, automation.subjects.clone())) {
                config.automation.push(automation);
            }
        }
    }
    drafts.add_shared(shared.into_iter().collect());
    drafts.finish(lowering);
    let exact = |one: &Automation| one.subjects.iter().any(|subject| subject.contains('*'));
    config.automation.sort_by_key(exact);
    let default = default();
    let is_set = !default.is_empty() || has_acme_defaults || options.key_type.is_some();
    let written = is_set.then(|| Automation {
        subjects: Vec::new(),
        issuers: match default.is_empty() && has_acme_defaults {
            true => acme(vec![Issuer::Acme { directory: None, has_dns: false }]),
            false => acme(default),
        },
        key_type: options.key_type.clone(),
        on_demand: false,
        has_manager: false,
    });
    config.automation.extend(match (catch_all, written) {
        (Some(mut site), Some(global)) => {
            if site.issuers.is_empty() {
                site.issuers = global.issuers;
            }
            Some(site)
        }
        (one, other) => one.or(other),
    });
}
