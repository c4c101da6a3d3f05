//! What decides a handshake that begins under the first virtual host of an address and goes on under the named one.

use foldhash::HashMap;
use std::sync::Arc;

use crate::model::{Command, Deployment, Interner, PolicyId, Setting, TlsPolicy};
use crate::platform::{self, Decider};

/// Policies that two virtual hosts make together, interned.
#[derive(Default)]
pub struct Composer {
    pub interner: Interner,
    of_server: Option<PolicyId>,
    composed: HashMap<(PolicyId, PolicyId, bool), PolicyId>,
}

impl Composer {
    /// The policy of virtual hosts that leave all to the server.
    pub fn of_server(&mut self, deployment: &mut Deployment, policy: &TlsPolicy) -> PolicyId {
        *self.of_server.get_or_insert_with(|| self.interner.policy(deployment, policy.clone()))
    }

    /// The policy that holds in the end. `has_protocols`: whether `SSLProtocol` is written for the named one.
    pub fn compose(
        &mut self,
        deployment: &mut Deployment,
        default: PolicyId,
        named: PolicyId,
        has_protocols: bool,
    ) -> PolicyId {
        if default == named {
            return named;
        }
        if let Some(id) = self.composed.get(&(default, named, has_protocols)) {
            return *id;
        }
        let by_default = |setting: &str| match platform::apache_decider(setting, &deployment.platform) {
            Decider::DefaultSite => true,
            Decider::NamedSiteIfWritten => !has_protocols,
            Decider::NamedSite | Decider::Both => false,
        };
        let (protocols, groups) = (by_default("protocols"), by_default("groups"));
        let before = deployment.policy(default);
        let mut after = deployment.policy(named).clone();
        if protocols {
            after.protocols = before.protocols.clone();
        }
        after.commands = commands(&before.commands, &after.commands, protocols, groups);
        let id = self.interner.policy(deployment, after);
        self.composed.insert((default, named, has_protocols), id);
        id
    }
}

/// Commands of the first virtual host for what it decides, those of the named one for the rest.
fn commands(
    before: &Setting<Arc<[Command]>>,
    after: &Setting<Arc<[Command]>>,
    protocols: bool,
    groups: bool,
) -> Setting<Arc<[Command]>> {
    let (Some(first), Some(second)) = (before.get(), after.get()) else { return after.clone() };
    let by_default = |command: &&Command| match &*command.name.text.to_ascii_lowercase() {
        "minprotocol" | "maxprotocol" => protocols,
        "groups" | "curves" | "ecdhparameters" => groups,
        _ => false,
    };
    let mixed: Arc<[Command]> =
        first.iter().filter(by_default).chain(second.iter().filter(|one| !by_default(one))).cloned().collect();
    let origin = if mixed.is_empty() || !second.is_empty() { after.origin } else { before.origin };
    Setting::known(mixed, origin)
}
