//! Sockets, and the virtual hosts that share each of their addresses.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::super::listen::{Place, Socket};
use super::super::{Host, Lowering};
use crate::model::{Address, Listen};
use crate::source::Span;

/// An address at which connections are treated alike.
pub struct Group {
    /// The address.
    pub listen: Listen,
    /// The `Listen` that opens it.
    pub at: Option<Span>,
    /// Virtual hosts in reading order, each with which of its addresses it is; empty: the server itself answers.
    pub members: Vec<(usize, usize)>,
}

/// In a part of a configuration, the sockets of its virtual hosts are opened elsewhere.
pub fn assume(lowering: &mut Lowering<'_>) {
    if !lowering.fragment {
        return;
    }
    for address in lowering.hosts.iter().flat_map(|host| &host.addresses) {
        let is_open = lowering.sockets.iter().any(|socket| socket.listen.port == address.port);
        if address.port > 0 && !is_open {
            let protocol = if address.port == 443 { "https" } else { "http" };
            let listen = Listen { address: Address::Any, port: address.port };
            lowering.sockets.push(Socket { listen, protocol: protocol.into(), at: None });
        }
    }
}

type Sets = HashMap<(Place, u16), Vec<(usize, usize)>>;

/// The addresses of all sockets, each with who shares it.
pub fn groups(sockets: &[Socket], hosts: &[Host]) -> Vec<Group> {
    let mut sets: Sets = HashMap::new();
    let mut places: Vec<(Place, u16)> = Vec::new();
    for (at, host) in hosts.iter().enumerate() {
        for (order, address) in host.addresses.iter().enumerate() {
            let key = (address.place.clone(), address.port);
            let set = sets.entry(key.clone()).or_default();
            if set.is_empty() {
                places.push(key);
            }
            // An address that a virtual host names twice counts once.
            if set.last().is_none_or(|(last, _)| *last != at) {
                set.push((at, order));
            }
        }
    }
    let mut groups = Vec::new();
    for socket in sockets {
        let Listen { address, port } = &socket.listen;
        let group = |address: Address, members: Vec<(usize, usize)>| Group {
            listen: Listen { address, port: *port },
            at: socket.at,
            members,
        };
        let own = match address {
            Address::Ip(ip) if !ip.is_unspecified() => set_of(&sets, &Place::Ip(*ip), *port),
            Address::Host(name) => set_of(&sets, &Place::Host(name.clone()), *port),
            _ => None,
        };
        let everywhere = own.or_else(|| set_of(&sets, &Place::Any, *port));
        groups.push(group(address.clone(), everywhere.cloned().unwrap_or_default()));
        // A socket for all addresses is parted by the virtual hosts that name one.
        for (place, at_port) in places.iter().filter(|(place, _)| is_within(address, place)) {
            let is_its_port = *at_port == *port || *at_port == 0 && !sets.contains_key(&(place.clone(), *port));
            let address = match place {
                Place::Ip(ip) => Address::Ip(*ip),
                Place::Host(name) => Address::Host(name.clone()),
                Place::Any => continue,
            };
            let has_socket =
                || sockets.iter().any(|other| other.listen.port == *port && other.listen.address == address);
            if is_its_port && !has_socket() {
                groups.push(group(address, sets.get(&(place.clone(), *at_port)).cloned().unwrap_or_default()));
            }
        }
    }
    // Two sockets for all addresses may both be parted by one: the first stays.
    let mut seen = HashSet::new();
    groups.retain(|group| seen.insert(group.listen.clone()));
    groups
}

/// Whether a socket for all addresses takes connections to a place that a virtual host names.
fn is_within(address: &Address, place: &Place) -> bool {
    match (address, place) {
        (_, Place::Any) => false,
        (Address::Any, _) => true,
        (Address::Ip(IpAddr::V4(all)), Place::Ip(IpAddr::V4(_))) => all.is_unspecified(),
        // httpd takes IPv4 on it too.
        (Address::Ip(IpAddr::V6(all)), Place::Ip(_)) => all.is_unspecified(),
        (Address::Ip(all), Place::Host(_)) => all.is_unspecified(),
        _ => false,
    }
}

/// The virtual hosts of a place and port: those of the very port, else those of any.
fn set_of<'s>(sets: &'s Sets, place: &Place, port: u16) -> Option<&'s Vec<(usize, usize)>> {
    sets.get(&(place.clone(), port)).or_else(|| sets.get(&(place.clone(), 0)))
}
