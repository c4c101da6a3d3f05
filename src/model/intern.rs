//! One id for equal policies and equal sets of certificates: ten thousand sites share a handful.

use foldhash::HashMap;

use super::{Credentials, CredentialsId, Deployment, PolicyId, TlsPolicy, UpstreamPolicy, UpstreamPolicyId};

/// What a deployment holds already. One serves one deployment while it is built.
#[derive(Debug, Default)]
pub struct Interner {
    policies: HashMap<TlsPolicy, PolicyId>,
    credentials: HashMap<Credentials, CredentialsId>,
    upstreams: HashMap<UpstreamPolicy, UpstreamPolicyId>,
}

impl Interner {
    /// The id of a policy, which is added where it is new.
    pub fn policy(&mut self, deployment: &mut Deployment, policy: TlsPolicy) -> PolicyId {
        if let Some(id) = self.policies.get(&policy) {
            return *id;
        }
        let id = PolicyId(deployment.policies.len() as u32);
        deployment.policies.push(policy.clone());
        self.policies.insert(policy, id);
        id
    }

    /// The id of a set of certificates, which is added where it is new.
    pub fn credentials(&mut self, deployment: &mut Deployment, credentials: Credentials) -> CredentialsId {
        if let Some(id) = self.credentials.get(&credentials) {
            return *id;
        }
        let id = CredentialsId(deployment.credentials.len() as u32);
        deployment.credentials.push(credentials.clone());
        self.credentials.insert(credentials, id);
        id
    }

    /// The id of a policy towards upstream servers, which is added where it is new.
    pub fn upstream(&mut self, deployment: &mut Deployment, policy: UpstreamPolicy) -> UpstreamPolicyId {
        if let Some(id) = self.upstreams.get(&policy) {
            return *id;
        }
        let id = UpstreamPolicyId(deployment.upstream_policies.len() as u32);
        deployment.upstream_policies.push(policy.clone());
        self.upstreams.insert(policy, id);
        id
    }
}
