//! The names that are asked for: all exact names of both sides, one label for each wildcard, and one that nobody has.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::sample;
use crate::model::{Deployment, Found, Name, NameKind, SiteId, Token, Transport};

/// The label that stands for any.
const LABEL: &str = "shakedown-probe";

/// The name that no site has (RFC 6761, 6.4).
pub const UNKNOWN: &str = "shakedown-probe.invalid";

/// A name to ask for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Probe {
    /// The name that clients say.
    pub name: String,
    /// How people call it: the name itself, or the wildcard that it is taken from.
    pub shown: String,
}

/// The names of the sites behind one port of one side.
#[derive(Default)]
pub struct Names<'d> {
    /// For each probe the sites that write the name, with the word.
    pub written: BTreeMap<Probe, Vec<(SiteId, &'d Token)>>,
    /// Patterns that no name can be made of, each with its site.
    pub patterns: BTreeMap<Arc<str>, (SiteId, &'d Token)>,
    /// Regular expressions that take more names than are asked for, each with one that is.
    pub sampled: BTreeMap<Arc<str>, String>,
}

/// The names of all ports of a deployment, port by port.
pub fn by_port(deployment: &Deployment) -> HashMap<u16, Names<'_>> {
    let mut ports: HashMap<u16, Names<'_>> = HashMap::new();
    let mut seen = std::collections::HashSet::new();
    for endpoint in deployment.endpoints.iter().filter(|one| one.transport != Transport::Quic) {
        let names = ports.entry(endpoint.listen.port).or_default();
        for site in endpoint.uses.iter().map(|one| one.site) {
            if !seen.insert((endpoint.listen.port, site)) {
                continue;
            }
            for name in &deployment.site(site).names {
                let mut probes = probes(name);
                if name.kind == NameKind::Regex {
                    // What a name that is more exact takes, or the expression does not, is no sample of it.
                    probes.retain(|probe| match endpoint.named.find(&probe.name) {
                        Found::Binding(id) => endpoint.binding(id).site == site,
                        _ => false,
                    });
                    let open = probes.iter().find(|probe| probe.shown != probe.name);
                    if let Some(probe) = open {
                        names.sampled.insert(Arc::clone(&name.token.text), probe.name.clone());
                    }
                }
                if probes.is_empty() && name.kind != NameKind::None {
                    names.patterns.entry(Arc::clone(&name.token.text)).or_insert((site, &name.token));
                }
                for probe in probes {
                    names.written.entry(probe).or_default().push((site, &name.token));
                }
            }
        }
    }
    ports
}

/// What to ask for to meet a name; nothing where no name can be made of it.
pub fn probes(name: &Name) -> Vec<Probe> {
    let text = &*name.token.text;
    let plain = |name: &str| Probe { name: name.to_owned(), shown: name.to_owned() };
    let made = |name: String, shown: &str| Probe { name, shown: shown.to_owned() };
    match name.kind {
        NameKind::Exact if is_name(text) => vec![plain(text)],
        NameKind::LeadingWildcard => {
            text.strip_prefix('*').map(|rest| made(format!("{LABEL}{rest}"), text)).into_iter().collect()
        }
        NameKind::NameAndBelow => match text.strip_prefix('.') {
            Some(rest) => vec![plain(rest), made(format!("{LABEL}{text}"), &format!("*{text}"))],
            None => Vec::new(),
        },
        NameKind::TrailingWildcard => {
            text.strip_suffix('*').map(|rest| made(format!("{rest}{LABEL}"), text)).into_iter().collect()
        }
        NameKind::Glob => vec![made(text.replace('*', LABEL).replace('?', "x"), text)],
        NameKind::Regex => {
            let found = sample::samples(text.strip_prefix('~').unwrap_or(text), LABEL);
            found.map_or_else(Vec::new, |found| {
                let names = found.names.into_iter().filter(|name| is_name(name));
                names.map(|name| if found.is_open { made(name, text) } else { plain(&name) }).collect()
            })
        }
        NameKind::Exact | NameKind::None => Vec::new(),
    }
}

/// Whether a client could mean it as a host: a name of the DNS, also of one label, or an address.
fn is_name(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'[' | b']');
    !text.is_empty() && text != "_" && text.bytes().all(is_letter)
}
