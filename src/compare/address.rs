//! The local addresses that two configurations listen on, and the socket that a connection to one of them reaches.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::{Address, Deployment, Endpoint, EndpointId, Listen, Transport};

/// What connections are made over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Carrier {
    /// TCP, or a Unix socket.
    Stream,
    /// QUIC.
    Quic,
}

/// Where clients may connect to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Over what.
    pub carrier: Carrier,
    /// The address; never that of both families.
    pub listen: Listen,
}

impl Place {
    /// As it is shown.
    pub fn shown(&self) -> String {
        match self.carrier {
            Carrier::Stream => self.listen.to_string(),
            Carrier::Quic => format!("{} (QUIC)", self.listen),
        }
    }
}

fn carrier(endpoint: &Endpoint) -> Carrier {
    if endpoint.transport == Transport::Quic { Carrier::Quic } else { Carrier::Stream }
}

/// The addresses of both sides, each once. A socket for both families counts as two.
pub fn all(old: &Deployment, new: &Deployment) -> BTreeSet<Place> {
    let mut found = BTreeSet::new();
    for endpoint in old.endpoints.iter().chain(&new.endpoints) {
        let port = endpoint.listen.port;
        let families = match endpoint.listen.address {
            Address::Any => {
                vec![Address::Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), Address::Ip(IpAddr::V6(Ipv6Addr::UNSPECIFIED))]
            }
            ref address => vec![address.clone()],
        };
        let carrier = carrier(endpoint);
        found.extend(families.into_iter().map(|address| Place { carrier, listen: Listen { address, port } }));
    }
    found
}

/// The socket that takes connections to an address: the one of that address, else the one for all of its family, else the
/// one for both families.
pub fn reached(deployment: &Deployment, place: &Place) -> Option<EndpointId> {
    let wanted = &place.listen.address;
    let rank = |address: &Address| match (address, wanted) {
        (own, wanted) if own == wanted => Some(0),
        (Address::Ip(own), Address::Ip(wanted)) if own.is_unspecified() && own.is_ipv4() == wanted.is_ipv4() => Some(1),
        (Address::Any, Address::Ip(_)) => Some(2),
        _ => None,
    };
    let same = deployment.endpoints.iter().enumerate();
    let same = same.filter(|(_, one)| one.listen.port == place.listen.port && carrier(one) == place.carrier);
    let ranked = same.filter_map(|(at, one)| Some((rank(&one.listen.address)?, at)));
    ranked.min().map(|(_, at)| EndpointId(at as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_socket_is_reached() {
        let platform = crate::platform::find("debian-12", crate::platform::Part::Nginx).unwrap();
        let mut deployment = Deployment::empty(crate::model::ServerKind::Nginx, platform);
        let listen = |address: Address| Listen { address, port: 443 };
        let ip = |text: &str| Address::Ip(text.parse().unwrap());
        for address in [ip("127.0.0.1"), ip("0.0.0.0"), Address::Any] {
            deployment.endpoints.push(Endpoint {
                listen: listen(address),
                transport: Transport::Tls,
                proxy_protocol: false,
                uses: Vec::new(),
                bindings: Vec::new(),
                named: Default::default(),
                unnamed: None,
                unmatched: crate::model::Unmatched::Reject(112),
            });
        }
        let asked = |address: Address, port| {
            reached(&deployment, &Place { carrier: Carrier::Stream, listen: Listen { address, port } })
        };
        assert_eq!(asked(ip("127.0.0.1"), 443), Some(EndpointId(0)));
        assert_eq!(asked(ip("127.0.0.2"), 443), Some(EndpointId(1)));
        assert_eq!(asked(ip("::1"), 443), Some(EndpointId(2)));
        assert_eq!(asked(ip("127.0.0.1"), 444), None);
        let shown: Vec<String> = all(&deployment, &deployment).iter().map(Place::shown).collect();
        assert_eq!(shown, ["0.0.0.0:443", "127.0.0.1:443", "[::]:443"]);
    }
}
