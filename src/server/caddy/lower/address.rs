//! Site addresses: `[scheme://]host[:port][/path]`.
//!
//! Source: Caddy 2.11.4, `ParseAddress`, `Normalize`, `SplitNetworkAddress`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::{Address as Socket, Listen};

/// An address, cut into its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// `http`, `https`, another, or empty.
    pub scheme: String,
    /// In lower case but for placeholders; empty for all hosts.
    pub host: String,
    /// The port, where one is written.
    pub port: Option<u16>,
    /// From the slash on.
    pub path: String,
}

/// What is wrong with an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressFault {
    /// The port is no number up to 65535.
    Port,
    /// The scheme is not `http` or `https`: what there is beside it.
    Scheme(Address),
}

/// Go's `net.SplitHostPort`: absent where there is no port, or too many colons.
pub fn split_host_port(text: &str) -> Option<(&str, &str)> {
    let colon = text.rfind(':')?;
    let (host, port) = (&text[..colon], &text[colon + 1..]);
    match host.strip_prefix('[') {
        Some(inside) => inside.strip_suffix(']').filter(|inside| !inside.contains(['[', ']'])).map(|host| (host, port)),
        None => (!host.contains([':', '[', ']']) && !port.contains([']', '['])).then_some((host, port)),
    }
}

/// Reads an address.
pub fn parse(text: &str) -> Result<Address, AddressFault> {
    let text = text.trim();
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let (place, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let (host, port) = match split_host_port(place) {
        Some(found) => found,
        None => match place.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(host) => (host, ""),
            None => (place, ""),
        },
    };
    let port = match port {
        "" => None,
        port => Some(port.parse::<u16>().map_err(|_| AddressFault::Port)?),
    };
    let scheme = scheme.to_lowercase();
    let host = match host.trim().parse::<IpAddr>() {
        Ok(IpAddr::V6(ip)) if ip.to_ipv4_mapped().is_none() => ip.to_string(),
        _ => lower(host.trim()),
    };
    let is_known = matches!(scheme.as_str(), "" | "http" | "https");
    let address = Address { scheme, host, port, path: path.to_owned() };
    if is_known { Ok(address) } else { Err(AddressFault::Scheme(address)) }
}

/// Lower case, but for what stands in braces.
fn lower(text: &str) -> String {
    let mut inside = false;
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        inside |= letter == '{';
        match inside {
            true => out.push(letter),
            false => out.extend(letter.to_lowercase()),
        }
        inside &= letter != '}';
    }
    out
}

/// How exact a host or path is: its length without wildcards and placeholders.
pub fn specificity(text: &str) -> usize {
    let mut length = text.len() - text.matches('*').count();
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        let Some(end) = rest[start..].find('}').map(|end| start + end + 1) else { break };
        length = length.saturating_sub(end - start);
        rest = &rest[end..];
    }
    length
}

/// The socket of a `bind` address with a port. A `tcp4/` or `tcp6/` in front keeps an unspecified address to its family;
/// otherwise Go takes both. The second half says whether it is UDP, which TLS over TCP has no part in.
pub fn socket(text: &str, port: u16) -> (Listen, bool) {
    let (network, place) = text.split_once('/').map_or(("", text), |(network, place)| (network.trim(), place));
    let network = network.to_ascii_lowercase();
    if network.starts_with("unix") {
        let path = place.split('|').next().unwrap_or(place);
        return (Listen { address: Socket::Unix(path.into()), port: 0 }, false);
    }
    let host = split_host_port(place).map_or(place, |(host, _)| host);
    let host = host.trim_matches(['[', ']']);
    let address = match host.parse::<IpAddr>() {
        _ if host.is_empty() && network == "tcp4" => Socket::Ip(Ipv4Addr::UNSPECIFIED.into()),
        _ if host.is_empty() && network == "tcp6" => Socket::Ip(Ipv6Addr::UNSPECIFIED.into()),
        _ if host.is_empty() => Socket::Any,
        Ok(ip) if ip.is_unspecified() && !matches!(network.as_str(), "tcp4" | "tcp6") => Socket::Any,
        Ok(ip) => Socket::Ip(ip),
        Err(_) => Socket::Host(host.into()),
    };
    (Listen { address, port }, network.starts_with("udp"))
}

/// A listener of a JSON server: its sockets, one for each port of a range.
pub fn listener(text: &str, default_port: u16) -> Option<Vec<Listen>> {
    const MOST: u32 = 1024;
    let place = text.split_once('/').map_or(text, |(_, place)| place);
    if text.starts_with("unix") {
        return Some(vec![socket(text, 0).0]);
    }
    let port = split_host_port(place).map_or("", |(_, port)| port);
    let (first, last) = match port.split_once('-') {
        _ if port.is_empty() => (default_port, default_port),
        Some((first, last)) => (first.parse().ok()?, last.parse().ok()?),
        None => (port.parse().ok()?, port.parse().ok()?),
    };
    if last < first || u32::from(last - first) > MOST {
        return None;
    }
    let sockets = (first..=last).map(|port| socket(text, port));
    Some(sockets.filter(|(_, is_udp)| !is_udp).map(|(listen, _)| listen).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_cut_as_caddy_cuts_them() {
        let told = |text: &str| {
            parse(text).map(|one| format!("{}|{}|{}|{}", one.scheme, one.host, one.port.unwrap_or(0), one.path))
        };
        let table = [
            ("Example.COM", "|example.com|0|"),
            ("https://a.test:8443/x", "https|a.test|8443|/x"),
            (":443", "||443|"),
            ("https://", "https||0|"),
            ("[::1]:8443", "|::1|8443|"),
            ("[::1]", "|::1|0|"),
            ("::1", "|::1|0|"),
            ("{env.HOST}.Test", "|{env.HOST}.test|0|"),
        ];
        for (text, expected) in table {
            assert_eq!(told(text).as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(parse("a.test:x"), Err(AddressFault::Port));
        assert!(matches!(parse("wss://a.test"), Err(AddressFault::Scheme(_))));
    }

    #[test]
    fn sockets_follow_go() {
        let told = |text: &str| socket(text, 443).0.to_string();
        assert_eq!(told(""), "*:443");
        assert_eq!(told("0.0.0.0"), "*:443");
        assert_eq!(told("tcp4/0.0.0.0"), "0.0.0.0:443");
        assert_eq!(told("[::1]"), "[::1]:443");
        assert_eq!(told("unix//run/c.sock|0222"), "unix:/run/c.sock");
        assert_eq!(listener(":8000-8002", 80).map(|all| all.len()), Some(3));
        assert_eq!(listener(":9-1", 80), None);
    }
}
