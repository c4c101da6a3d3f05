//! One id for equal policies and equal sets of certificates: ten thousand sites share a handful.

use std::hash::{BuildHasher, Hash};

use foldhash::HashMap;

use super::{Credentials, CredentialsId, Deployment, PolicyId, TlsPolicy, UpstreamPolicy, UpstreamPolicyId};

/// What a deployment holds already, by hash: the values themselves stand in the deployment alone. One serves one deployment
/// while it is built.
#[derive(Debug, Default)]
pub struct Interner {
    policies: HashMap<u64, u32>,
    credentials: HashMap<u64, u32>,
    upstreams: HashMap<u64, u32>,
    hasher: foldhash::fast::RandomState,
}

impl Interner {
    /// The id of a policy, which is added where it is new.
    pub fn policy(&mut self, deployment: &mut Deployment, policy: TlsPolicy) -> PolicyId {
        PolicyId(place(&mut self.policies, &mut deployment.policies, policy, &self.hasher))
    }

    /// The id of a set of certificates, which is added where it is new.
    pub fn credentials(&mut self, deployment: &mut Deployment, credentials: Credentials) -> CredentialsId {
        CredentialsId(place(&mut self.credentials, &mut deployment.credentials, credentials, &self.hasher))
    }

    /// The id of a policy towards upstream servers, which is added where it is new.
    pub fn upstream(&mut self, deployment: &mut Deployment, policy: UpstreamPolicy) -> UpstreamPolicyId {
        UpstreamPolicyId(place(&mut self.upstreams, &mut deployment.upstream_policies, policy, &self.hasher))
    }
}

/// The place of a value in a list, where it is added if it is new.
fn place<T: Hash + Eq>(known: &mut HashMap<u64, u32>, all: &mut Vec<T>, value: T, hasher: &impl BuildHasher) -> u32 {
    let mut hash = hasher.hash_one(&value);
    // Values of one hash stand at the hashes that follow.
    while let Some(at) = known.get(&hash) {
        if all[*at as usize] == value {
            return *at;
        }
        hash = hash.wrapping_add(1);
    }
    let at = all.len() as u32;
    all.push(value);
    known.insert(hash, at);
    at
}
