//! `listen`: addresses, ports and the words behind them.
//!
//! Source: nginx 1.22.1, `ngx_http_core_listen` and `ngx_parse_url`; newer words by the release that brought them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::{Address, Listen, Service, Token};
use crate::source::Span;

/// One `listen` directive, read.
#[derive(Clone, Debug)]
pub struct ListenDirective {
    /// The sockets it asks for: one, or a range of ports.
    pub sockets: Vec<Listen>,
    /// The directive's arguments.
    pub span: Span,
    /// The words, the address first.
    pub words: Vec<Token>,
    /// `ssl`.
    pub tls: bool,
    /// `quic`.
    pub quic: bool,
    /// `http2`.
    pub http2: bool,
    /// `udp` (`stream`).
    pub udp: bool,
    /// `proxy_protocol`.
    pub proxy_protocol: bool,
    /// `default_server`, or `default` as it was called.
    pub claims_default: Option<Span>,
    /// `ipv6only=off`.
    pub dual_stack: bool,
    /// The first word that sets an option of the socket itself (`backlog=`, `reuseport`, ...).
    pub socket_option: Option<Span>,
}

/// What is wrong with a `listen`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenFault {
    /// The address or port cannot be read.
    Address(Token),
    /// A word that this directive does not take.
    Word(Token),
    /// `quic` does not go with this word.
    Quic(Token),
    /// Words hang on variables.
    Variable(Token),
}

/// Reads the arguments of a `listen`, of which there is at least one. Faults do not stop the reading.
pub fn read(words: Vec<Token>, span: Span, service: Service, faults: &mut Vec<ListenFault>) -> Option<ListenDirective> {
    let first = words.first()?.clone();
    let Some(sockets) = sockets(&first.text) else {
        faults.push(ListenFault::Address(first));
        return None;
    };
    let mut asked = ListenDirective {
        sockets,
        span,
        words: Vec::new(),
        tls: false,
        quic: false,
        http2: false,
        udp: false,
        proxy_protocol: false,
        claims_default: None,
        dual_stack: false,
        socket_option: None,
    };
    for word in &words[1..] {
        let (name, value) = word.text.split_once('=').map_or((&*word.text, None), |(name, value)| (name, Some(value)));
        match (name, value) {
            ("ssl", None) => asked.tls = true,
            ("quic", None) if service == Service::Http => asked.quic = true,
            ("http2", None) if service == Service::Http => asked.http2 = true,
            ("spdy" | "http3", None) if service == Service::Http => {}
            ("udp", None) if service == Service::Stream => asked.udp = true,
            ("proxy_protocol", None) => asked.proxy_protocol = true,
            ("default_server" | "default", None) => asked.claims_default = asked.claims_default.or(Some(word.span)),
            ("bind" | "deferred" | "reuseport" | "multipath", None) => {
                asked.socket_option = asked.socket_option.or(Some(word.span));
            }
            ("backlog" | "rcvbuf" | "sndbuf" | "fastopen" | "setfib" | "accept_filter" | "so_keepalive", Some(_)) => {
                asked.socket_option = asked.socket_option.or(Some(word.span));
            }
            ("ipv6only", Some(value @ ("on" | "off"))) => {
                asked.dual_stack |= value == "off";
                asked.socket_option = asked.socket_option.or(Some(word.span));
            }
            _ if word.text.contains('$') => faults.push(ListenFault::Variable(word.clone())),
            _ => faults.push(ListenFault::Word(word.clone())),
        }
    }
    if asked.quic
        && let Some(word) = words.iter().find(|word| matches!(&*word.text, "ssl" | "http2" | "proxy_protocol"))
    {
        faults.push(ListenFault::Quic(word.clone()));
    }
    if asked.dual_stack {
        for socket in &mut asked.sockets {
            if socket.address == Address::Ip(IpAddr::V6(Ipv6Addr::UNSPECIFIED)) {
                socket.address = Address::Any;
            }
        }
    }
    asked.words = words;
    Some(asked)
}

/// The sockets that an address means: `443`, `*:443`, `1.2.3.4`, `[::]:443`, `localhost:443`, `unix:/path`,
/// `8000-8005` (from 1.15.10).
fn sockets(text: &str) -> Option<Vec<Listen>> {
    if let Some(path) = text.strip_prefix("unix:") {
        return (!path.is_empty()).then(|| vec![Listen { address: Address::Unix(path.into()), port: 0 }]);
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (ip, after) = rest.split_once(']')?;
        let address = Address::Ip(IpAddr::V6(ip.parse().ok()?));
        return match after.strip_prefix(':') {
            Some(port) => ports(port, &address),
            None => after.is_empty().then(|| vec![Listen { address, port: 80 }]),
        };
    }
    if let Some(sockets) = ports(text, &Address::Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED))) {
        return Some(sockets);
    }
    let (host, port) = text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let address = match host {
        "" => return None,
        "*" => Address::Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        "localhost" => Address::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        _ if host.contains([':', '/', '$']) || host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') => {
            return None;
        }
        _ => match host.parse::<Ipv4Addr>() {
            Ok(ip) => Address::Ip(IpAddr::V4(ip)),
            Err(_) => Address::Host(host.to_ascii_lowercase().into()),
        },
    };
    match port {
        Some(port) => ports(port, &address),
        None => Some(vec![Listen { address, port: 80 }]),
    }
}

/// A port, or a range of them.
fn ports(text: &str, address: &Address) -> Option<Vec<Listen>> {
    let port = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u16>().ok()).flatten().filter(|port| *port > 0)
    };
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (port(first)?, port(last)?),
        None => (port(text)?, port(text)?),
    };
    (first <= last).then(|| (first..=last).map(|port| Listen { address: address.clone(), port }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_nginx_reads_them() {
        let table = [
            ("443", Some("0.0.0.0:443")),
            ("*:443", Some("0.0.0.0:443")),
            ("0.0.0.0", Some("0.0.0.0:80")),
            ("127.0.0.1:8443", Some("127.0.0.1:8443")),
            ("[::]:443", Some("[::]:443")),
            ("[::1]", Some("[::1]:80")),
            ("unix:/run/nginx.sock", Some("unix:/run/nginx.sock")),
            ("www.example.com", Some("www.example.com:80")),
            ("localhost:443", Some("127.0.0.1:443")),
            ("0", None),
            ("65536", None),
            ("8005-8000", None),
            ("[::", None),
            ("unix:", None),
            (":443", None),
            ("http://a", None),
        ];
        for (text, expected) in table {
            let found = sockets(text).map(|all| all.iter().map(Listen::to_string).collect::<Vec<_>>().join(" "));
            assert_eq!(found.as_deref(), expected, "{text}");
        }
        assert_eq!(sockets("8000-8002").map(|all| all.len()), Some(3));
    }
}
