//! Names: which of them match a wildcard, which may have a certificate, and which a public authority signs for.
//!
//! Source: certmagic 0.25, `MatchWildcard`, `SubjectQualifiesForCert`, `SubjectIsInternal`, as Caddy 2.11.4 uses them.

use std::net::IpAddr;

use crate::platform::Version;

use crate::model::NameKind;

/// The names that a certificate may have to be chosen for `name`: itself, then each with one label more replaced by `*`
/// from the left.
pub fn candidates(name: &str) -> impl Iterator<Item = String> + '_ {
    let wild = name.match_indices('.').map(|(at, _)| at).chain(std::iter::once(name.len())).enumerate();
    let wild = wild.map(|(count, at)| format!("*{}{}", ".*".repeat(count), &name[at..]));
    std::iter::once(name.to_owned()).chain(wild.take(if name.is_empty() { 0 } else { LABELS }))
}

/// Labels that are replaced: names from a stranger may have thousands.
const LABELS: usize = 32;

/// How a host of a site matches.
pub fn kind(host: &str) -> NameKind {
    match host {
        "" => NameKind::None,
        host if host.starts_with("*.") && !host[2..].contains('*') => NameKind::LeadingWildcard,
        host if host.contains('*') => NameKind::Glob,
        _ => NameKind::Exact,
    }
}

/// Whether a certificate for it may exist at all.
pub fn qualifies(name: &str) -> bool {
    !name.trim().is_empty()
        && !name.starts_with('.')
        && !name.ends_with('.')
        && (!name.contains('*') || name.starts_with("*.") || name == "*")
        && !name.contains(['(', ')', '[', ']', '{', '}', '<', '>', ' ', '\t', '\n', '"', '\\', '!', '@', '#', '$', '%'])
        && !name.contains(['^', '&', '|', ';', '\'', '+', '='])
}

/// Endings of names that belong to no public place, each with the first version of Caddy that takes it for one (CertMagic
/// 0.17.2, 0.20.0 and 0.21.4, SubjectIsInternal).
const INTERNAL: &[(&str, Version)] = &[
    (".localhost", Version::new(0, 0, 0)),
    (".local", Version::new(0, 0, 0)),
    (".home.arpa", Version::new(2, 7, 6)),
    (".internal", Version::new(2, 9, 0)),
];

/// Whether it belongs to no public place, so that Caddy signs for it itself.
pub fn is_internal(name: &str, version: Version) -> bool {
    let name = name.trim_end_matches('.');
    let is_so = |(ending, first): &(&str, Version)| version >= *first && name.ends_with(ending);
    name == "localhost" || INTERNAL.iter().any(is_so) || is_internal_address(name)
}

fn is_internal_address(name: &str) -> bool {
    match name.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => {
            let [first, second, ..] = ip.octets();
            ip.is_loopback() || ip.is_private() || ip.is_link_local() || (first == 0 && second == 0)
        }
        // `::1/7` is what the source says: all addresses that begin with seven zero bits.
        Ok(IpAddr::V6(ip)) => ip.octets()[0] < 2 || ip.is_unique_local() || ip.is_unicast_link_local(),
        Err(_) => false,
    }
}

/// Whether Caddy asks a public authority for it where nothing says who signs.
pub fn is_public(name: &str, version: Version) -> bool {
    let is_below = name.matches('*').count() == 1 && name.matches('.').count() > 1;
    let is_whole = !name.contains('*') || is_below;
    qualifies(name) && !is_internal(name, version) && name.parse::<IpAddr>().is_err() && is_whole
}

/// Whether the Caddyfile's adapter leaves a name without an issuer to those that ask a public authority (Caddy 2.6.2 and
/// 2.11.4, `subjectQualifiesForPublicCert`): it counts a wildcard right below an ending among them, which CertMagic does not.
pub fn is_left_to_public(name: &str, on_demand: bool, version: Version) -> bool {
    let is_once = name.matches("*.").count() < 2;
    !is_internal(name, version) && name.parse::<IpAddr>().is_err() && (is_once || on_demand)
}

/// Whether Caddy itself never asks a public authority for it (CertMagic, SubjectQualifiesForPublicCert): addresses only from
/// 2.8 on, those that are public.
pub fn is_refused(name: &str, version: Version) -> bool {
    let is_asked = name.parse::<IpAddr>().is_ok() && version >= Version::new(2, 8, 0) && !is_internal(name, version);
    !is_public(name, version) && !is_asked
}

/// Endings that the public DNS does not have (RFC 2606, RFC 6761, RFC 7686, RFC 6762 appendix G), beyond those that Caddy
/// takes for internal.
const NO_ENDINGS: &[&str] =
    &["test", "example", "invalid", "onion", "lan", "home", "corp", "internal", "intranet", "private", "mail", "arpa"];

/// Whether no public authority can sign for it: one label, an ending without a registry, or a wildcard right below one.
pub fn is_impossible(name: &str) -> bool {
    if name.parse::<IpAddr>().is_ok() {
        return false;
    }
    let Some((before, ending)) = name.rsplit_once('.') else { return true };
    (before == "*") || NO_ENDINGS.contains(&ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_replace_labels_from_the_left() {
        let all: Vec<String> = candidates("a.b.test").collect();
        assert_eq!(all, ["a.b.test", "*.b.test", "*.*.test", "*.*.*"]);
        assert_eq!(candidates("").collect::<Vec<_>>(), [""]);
        assert_eq!(candidates("host").collect::<Vec<_>>(), ["host", "*"]);
    }

    #[test]
    fn names_are_sorted_by_who_signs() {
        let (old, new) = (Version::new(2, 6, 2), Version::new(2, 11, 4));
        for name in ["localhost", "a.internal", "10.1.2.3", "fd00::1", "x.home.arpa", "127.0.0.1"] {
            assert!(is_internal(name, new), "{name}");
        }
        for name in ["a.lan", "8.8.8.8", "example.com"] {
            assert!(!is_internal(name, new), "{name}");
        }
        // Each seen with the real Caddy of that version.
        for name in ["example.com", "a.internal", "x.home.arpa", "host", "*.a.test"] {
            assert!(is_public(name, old), "{name}");
        }
        for name in ["8.8.8.8", "*.*.test", "*.com", "a.local"] {
            assert!(!is_public(name, old) && !is_public(name, new), "{name}");
        }
        assert!(is_left_to_public("*.com", false, new) && is_left_to_public("*.*.com", true, old));
        assert!(!is_left_to_public("*.*.com", false, new) && !is_left_to_public("8.8.8.8", false, old));
        assert!(is_refused("*.com", new) && is_refused("8.8.8.8", old) && !is_refused("8.8.8.8", new));
        assert!(is_impossible("foo.lan") && is_impossible("host") && is_impossible("*.com"));
        assert!(!is_impossible("*.example.com"));
        assert!(!qualifies("{env.HOST}") && !qualifies("a.*.test") && qualifies("*.a.test"));
    }
}
