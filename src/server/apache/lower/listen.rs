//! Addresses: those of `Listen`, and those that a virtual host answers at.
//!
//! Sources: Apache 2.4, `server/listen.c` (`ap_set_listener`), `server/vhost.c` (`get_addresses`), APR's
//! `apr_parse_addr_port`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::model::{Address, Listen, Token};
use crate::source::Span;

/// A socket that the server opens.
#[derive(Clone, Debug)]
pub struct Socket {
    /// The address; `Any` for a bare port or `*`.
    pub listen: Listen,
    /// `http` or `https`, in lower case.
    pub protocol: Arc<str>,
    /// The directive's arguments; absent where a part does not hold it, and it is assumed.
    pub at: Option<Span>,
}

/// Where a virtual host answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// `*`, `_default_`, `0.0.0.0`, `[::]`: every address that no other virtual host has.
    Any,
    /// One address.
    Ip(IpAddr),
    /// A name that only the machine itself can resolve.
    Host(Arc<str>),
}

/// One address of a virtual host.
#[derive(Clone, Debug)]
pub struct Site {
    /// Where.
    pub place: Place,
    /// The port; 0 for any.
    pub port: u16,
    /// The word that says so.
    pub token: Token,
}

/// What is wrong with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressFault {
    /// No port, where there must be one.
    NoPort,
    /// A port alone, where an address must be.
    NoAddress,
    /// A port or address that is none.
    Invalid,
}

/// `443`, `192.0.2.1:443`, `[::]:443`, `*:443`.
pub fn listen(text: &str) -> Result<Listen, AddressFault> {
    let (host, port) = split(text)?;
    let port = match (host, port) {
        (_, Some(port)) => port,
        (Some(host), None) => match number(host) {
            Some(port) => return port.map(|port| Listen { address: Address::Any, port }),
            None => return Err(AddressFault::NoPort),
        },
        (None, None) => return Err(AddressFault::NoPort),
    };
    let address = match host {
        None | Some("*") => Address::Any,
        Some(host) => match address(host) {
            Some(ip) => Address::Ip(ip),
            None if host.eq_ignore_ascii_case("localhost") => Address::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            None => Address::Host(host.to_ascii_lowercase().into()),
        },
    };
    Ok(Listen { address, port })
}

/// `*:443`, `_default_:443`, `192.0.2.1`, `[::1]:*`, `www.example.com:443`.
pub fn site(token: &Token) -> Result<Site, AddressFault> {
    let text = &*token.text;
    let made = |place, port| Ok(Site { place, port, token: token.clone() });
    let (text, any_port) = match text.strip_suffix(":*") {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let (host, port) = split(text)?;
    let Some(host) = host else { return Err(AddressFault::NoAddress) };
    if port.is_none() && !any_port && number(host).is_some() {
        return Err(AddressFault::NoAddress);
    }
    let port = if any_port { 0 } else { port.unwrap_or(0) };
    if host == "*" || host.eq_ignore_ascii_case("_default_") || host == "255.255.255.255" {
        return made(Place::Any, port);
    }
    match address(host) {
        Some(ip) if ip.is_unspecified() => made(Place::Any, port),
        Some(ip) => made(Place::Ip(ip), port),
        None if host.eq_ignore_ascii_case("localhost") => made(Place::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)), port),
        None => made(Place::Host(host.to_ascii_lowercase().into()), port),
    }
}

/// A port by itself; absent where the text is no number.
fn number(text: &str) -> Option<Result<u16, AddressFault>> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse::<u16>().ok().filter(|port| *port > 0).ok_or(AddressFault::Invalid))
}

type Parts<'t> = (Option<&'t str>, Option<u16>);

/// Host and port: the last colon with digits behind it parts them, but not within brackets.
fn split(text: &str) -> Result<Parts<'_>, AddressFault> {
    if text.is_empty() {
        return Err(AddressFault::Invalid);
    }
    let digits = text.bytes().rev().take_while(u8::is_ascii_digit).count();
    let before = &text[..text.len() - digits];
    if before.is_empty() {
        return Ok((Some(text), None));
    }
    match before.strip_suffix(':').filter(|_| digits > 0) {
        Some(host) => {
            let port = number(&text[text.len() - digits..]).unwrap_or(Err(AddressFault::Invalid))?;
            match host {
                "" => Ok((None, Some(port))),
                host => Ok((Some(host), Some(port))),
            }
        }
        None if text.ends_with(':') => Err(AddressFault::Invalid),
        None => Ok((Some(text), None)),
    }
}

fn address(host: &str) -> Option<IpAddr> {
    if let Some(inside) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let inside = inside.split('%').next().unwrap_or(inside); // a zone
        return inside.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    host.parse().ok()
}

impl Site {
    /// Whether it is taken for the name of a host and has letters that no such name has, so that nobody resolves it.
    pub fn never_resolves(&self) -> bool {
        let is_of_names = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        matches!(&self.place, Place::Host(host) if host.bytes().any(|byte| byte.is_ascii() && !is_of_names(byte)))
    }

    /// Whether a socket counts as this very address, so that its protocol is the virtual host's.
    pub fn is_socket(&self, listen: &Listen) -> bool {
        let same = match (&self.place, &listen.address) {
            (Place::Any, Address::Any) => true,
            (Place::Any, Address::Ip(ip)) => ip.is_unspecified(),
            (Place::Ip(one), Address::Ip(other)) => one == other,
            (Place::Host(one), Address::Host(other)) => one == other,
            _ => false,
        };
        same && self.port == listen.port
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::FileId;

    #[test]
    fn sockets_are_read_as_httpd_reads_them() {
        let table = [
            ("443", Ok("*:443")),
            ("*:443", Ok("*:443")),
            ("0.0.0.0:443", Ok("0.0.0.0:443")),
            ("192.0.2.1:8443", Ok("192.0.2.1:8443")),
            ("[::]:443", Ok("[::]:443")),
            ("[2001:db8::1]:443", Ok("[2001:db8::1]:443")),
            ("www.example.com:443", Ok("www.example.com:443")),
            ("localhost:80", Ok("127.0.0.1:80")),
            ("127.0.0.1", Err(AddressFault::NoPort)),
            ("0", Err(AddressFault::Invalid)),
            ("65536", Err(AddressFault::Invalid)),
            ("", Err(AddressFault::Invalid)),
        ];
        for (text, expected) in table {
            assert_eq!(listen(text).map(|one| one.to_string()).as_deref(), expected.as_ref().copied(), "{text}");
        }
    }

    #[test]
    fn virtual_hosts_are_where_httpd_puts_them() {
        let ip = |text: &str| Place::Ip(text.parse().expect("an address"));
        let table = [
            ("*:443", Ok((Place::Any, 443))),
            ("_default_:443", Ok((Place::Any, 443))),
            ("_DEFAULT_", Ok((Place::Any, 0))),
            ("*:*", Ok((Place::Any, 0))),
            ("192.0.2.1", Ok((ip("192.0.2.1"), 0))),
            ("[2001:db8::1]:443", Ok((ip("2001:db8::1"), 443))),
            ("0.0.0.0:443", Ok((Place::Any, 443))),
            ("a.test:443", Ok((Place::Host("a.test".into()), 443))),
            ("443", Err(AddressFault::NoAddress)),
            (":443", Err(AddressFault::NoAddress)),
            ("*:99999", Err(AddressFault::Invalid)),
        ];
        for (text, expected) in table {
            let token = Token::new(text, Span::new(FileId(0), 0, 0));
            assert_eq!(site(&token).map(|one| (one.place, one.port)), expected, "{text}");
        }
    }
}
