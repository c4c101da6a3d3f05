//! A generated configuration with the handshakes to try, whatever the server.

use std::collections::BTreeMap;

use crate::client::{Client, clients, shuffle};
use crate::random::Random;

/// One handshake to try.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The address and port to connect to.
    pub listen: String,
    /// The name that is wanted.
    pub host: String,
    /// Place in [`Case::clients`].
    pub client: usize,
    /// Settings that differ between the server that answers without a name and the one of this name.
    pub differing: Vec<&'static str>,
}

/// A configuration and what to try with it.
#[derive(Clone, Debug)]
pub struct Case {
    /// How to make it again.
    pub name: String,
    /// The main file.
    pub main: &'static str,
    /// Its files.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Clients that take part.
    pub clients: Vec<Client>,
    /// Handshakes.
    pub attempts: Vec<Attempt>,
}

/// Some of the known clients and a few that are drawn.
pub fn some_clients(random: &mut Random, known: usize, drawn: usize) -> Vec<Client> {
    let mut all = clients();
    shuffle(random, &mut all);
    // Ordinary clients come always: what they meet matters most.
    all.sort_by_key(|client| !["modern", "tls12", "browser", "all-protocols"].contains(&client.name.as_str()));
    all.truncate(known);
    all.extend((0..drawn).map(|number| Client::random(random, format!("drawn-{number}"))));
    all
}

/// Draws handshakes among all combinations, each at most once.
pub fn some_attempts(
    random: &mut Random,
    count: usize,
    listens: &[String],
    hosts: &[String],
    clients: &[Client],
    differing: impl Fn(&str, &str) -> Vec<&'static str>,
) -> Vec<Attempt> {
    let mut all = Vec::new();
    for listen in listens {
        for host in hosts {
            all.extend((0..clients.len()).map(|client| (listen, host, client)));
        }
    }
    shuffle(random, &mut all);
    all.truncate(count);
    let attempt = |(listen, host, client): (&String, &String, usize)| Attempt {
        listen: listen.clone(),
        host: host.clone(),
        client,
        differing: if clients[client].sni { differing(listen, host) } else { Vec::new() },
    };
    all.into_iter().map(attempt).collect()
}
