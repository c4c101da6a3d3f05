//! What OpenSSL holds for one site (`SSL_CTX`): what a policy, the system's `openssl.cnf` and the platform make together.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use super::command::{self, CommandFault};
use super::level::Level;
use super::suite_b;
use crate::model::{Command, PolicyId, Setting, TlsPolicy, Token, Value, VerifyMode};
use crate::pki::{KeyKind, PemFile, PemStore};
use crate::platform::{Platform, ServerBehavior, SystemTls};
use crate::source::ReadError;
use crate::tls::cipher::{self, CipherError, CipherLibrary, CipherSuite, Expansion, SuiteB, Tls13Suite};
use crate::tls::group::{GroupError, GroupList};
use crate::tls::{Protocol, Protocols, signature};

/// A value, or why it is not known.
pub type Known<T> = Result<T, Arc<str>>;

/// Diffie-Hellman parameters for TLS 1.2 and below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dh {
    /// None: suites that need them are passed over.
    None,
    /// With a prime of so many bits.
    Bits(u32),
    /// The server chooses by the certificate's key.
    Own,
    /// Not known from the files.
    Unknown,
}

/// Why OpenSSL, or the server on its behalf, refuses to build a context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The cipher string is refused.
    Ciphers(Token, CipherError),
    /// The list of groups is refused.
    Groups(Token, GroupError),
    /// A command is refused.
    Command(Command, CommandFault),
    /// The file of parameters is missing, or cannot be opened.
    DhFile(Token, ReadError),
    /// The file holds no parameters.
    DhFormat(Token),
    /// The parameters are too small for the level: bits of the prime, level.
    DhSize(Token, u32, u8),
}

/// What OpenSSL holds for one site.
#[derive(Clone, Debug)]
pub struct Context {
    /// The release.
    pub version: [u32; 3],
    /// Versions that are switched on.
    pub protocols: Protocols,
    /// The lower bound.
    pub min_protocol: Option<Protocol>,
    /// The upper bound.
    pub max_protocol: Option<Protocol>,
    /// Why the versions are not known, where they are not.
    pub protocols_unknown: Option<Arc<str>>,
    /// The security level.
    pub level: u8,
    /// The level when certificates were loaded, before commands.
    pub loading_level: u8,
    /// Suites of TLS 1.2 and below, in order.
    pub suites: Known<Vec<&'static CipherSuite>>,
    /// Suites of TLS 1.3, in order.
    pub tls13_suites: Known<Vec<&'static Tls13Suite>>,
    /// Groups.
    pub groups: Known<GroupList>,
    /// Groups as they are set, whether or not Suite B is on.
    pub own_groups: Known<GroupList>,
    /// Signature schemes, in order.
    pub signatures: Vec<u16>,
    /// Whether the server's order counts.
    pub server_preference: Known<bool>,
    /// The same as it is set, whether or not Suite B is on.
    pub own_preference: Known<bool>,
    /// Whether ChaCha20 goes first for clients that put it first.
    pub prioritizes_chacha: bool,
    /// What a string of Suite B forces on connections.
    pub suite_b: Option<SuiteB>,
    /// Diffie-Hellman parameters.
    pub dh: Dh,
    /// Whether a client without a certificate is refused by the library.
    pub requires_certificate: bool,
    /// Why the context cannot be built.
    pub faults: Vec<Fault>,
}

/// What contexts are built from, the same for all sites.
pub struct ContextInputs<'a> {
    /// Versions and level.
    pub platform: &'a Platform,
    /// What `openssl.cnf` and the system's policy say.
    pub system: &'a SystemTls,
    /// How the server behaves.
    pub behavior: &'static ServerBehavior,
    /// Files of parameters.
    pub library: &'a PemStore,
    /// A context before any policy, once it is made.
    base: OnceLock<Context>,
    /// Cipher strings that were read: thousands of sites share a handful.
    strings: Mutex<HashMap<String, Arc<Expansion<'static>>>>,
}

impl<'a> ContextInputs<'a> {
    /// What a deployment's contexts have in common.
    pub fn new(
        platform: &'a Platform,
        system: &'a SystemTls,
        behavior: &'static ServerBehavior,
        library: &'a PemStore,
    ) -> ContextInputs<'a> {
        ContextInputs { platform, system, behavior, library, base: OnceLock::new(), strings: Mutex::default() }
    }

    /// What a cipher string selects; each distinct one is read once.
    pub fn expansion(&self, string: &str) -> Arc<Expansion<'static>> {
        let read = || Arc::new(cipher::expand(CipherLibrary::of(self.platform.tls_library.version.numbers), string));
        let known = |strings: &mut HashMap<String, _>| strings.get(string).map(Arc::clone);
        if let Some(found) = self.strings.lock().ok().and_then(|mut strings| known(&mut strings)) {
            return found;
        }
        let fresh = read();
        if let Ok(mut strings) = self.strings.lock() {
            strings.insert(string.to_owned(), Arc::clone(&fresh));
        }
        fresh
    }
}

impl Context {
    /// A context as `SSL_CTX_new` leaves it: the library's defaults, and what `openssl.cnf` says.
    fn new(around: &ContextInputs<'_>) -> Context {
        let version = around.platform.tls_library.version.numbers;
        let mut context = Context {
            version,
            protocols: Protocol::ALL.into_iter().collect(),
            min_protocol: None,
            max_protocol: None,
            protocols_unknown: None,
            level: around.platform.security_level,
            loading_level: around.platform.security_level,
            suites: Ok(Vec::new()),
            tls13_suites: Ok(Tls13Suite::defaults()),
            groups: Ok(GroupList::default_of(version)),
            own_groups: Ok(GroupList::default()),
            signatures: signature::schemes().iter().map(|scheme| scheme.code_point).collect(),
            server_preference: Ok(false),
            own_preference: Ok(false),
            prioritizes_chacha: false,
            suite_b: None,
            dh: Dh::None,
            requires_certificate: false,
            faults: Vec::new(),
        };
        context.string(around, "DEFAULT", None);
        for (name, value) in &around.system.commands {
            // A command of the system that is refused is passed over (`SSL_CTX_new`).
            let _ = command::run(&mut context, name, value);
        }
        if !around.behavior.keeps_system_protocol_bounds {
            (context.min_protocol, context.max_protocol) = (None, None);
        }
        context
    }

    /// The context of a policy.
    pub fn build(policy: &TlsPolicy, around: &ContextInputs<'_>) -> Context {
        let mut context = around.base.get_or_init(|| Context::new(around)).clone();
        match &policy.protocols.value {
            Value::Known(choice) if around.behavior.protocols_are_bounds => {
                (context.min_protocol, context.max_protocol) = (choice.set.oldest(), choice.set.newest());
            }
            Value::Known(choice) => context.protocols = choice.set,
            Value::Unknown(reason) => context.protocols_unknown = Some(reason.0.clone()),
        }
        match &policy.ciphers.value {
            Value::Known(list) => {
                for token in list.iter() {
                    context.string(around, &token.text, Some(token));
                }
            }
            Value::Unknown(reason) => context.suites = Err(reason.0.clone()),
        }
        match &policy.ciphersuites.value {
            Value::Known(list) => {
                for token in list.iter() {
                    match Tls13Suite::parse(context.version, &token.text) {
                        Ok(found) => context.tls13_suites = Ok(found),
                        Err(_) => context.faults.push(Fault::Ciphers(token.clone(), CipherError::NoMatch)),
                    }
                }
            }
            Value::Unknown(reason) => context.tls13_suites = Err(reason.0.clone()),
        }
        context.loading_level = context.level;
        context.dh = context.parameters(&policy.dh_parameters, around);
        match &policy.groups.value {
            Value::Known(list) => {
                for token in list.iter() {
                    match GroupList::parse(context.version, &token.text) {
                        Ok(groups) => context.groups = Ok(groups),
                        Err(error) => context.faults.push(Fault::Groups(token.clone(), error)),
                    }
                }
            }
            Value::Unknown(reason) => context.groups = Err(reason.0.clone()),
        }
        context.server_preference = known(&policy.prefer_server_ciphers).copied();
        context.requires_certificate = around.behavior.refuses_missing_client_certificate
            && policy
                .client_verification
                .get()
                .is_some_and(|one| matches!(one.mode, VerifyMode::Required | VerifyMode::RequiredUnverified));
        match &policy.commands.value {
            Value::Known(commands) => commands.iter().for_each(|command| context.command(command, around)),
            Value::Unknown(reason) => context.forget(reason.0.clone()),
        }
        context.force_suite_b();
        context
    }

    /// Takes a cipher string: of the platform's policy where it says so, else by the library's grammar.
    fn string(&mut self, around: &ContextInputs<'_>, string: &str, token: Option<&Token>) {
        let is_default = token.is_none();
        let names_profile = string.starts_with("PROFILE=SYSTEM");
        let text = match &around.system.profile {
            Some(profile) if names_profile || is_default => match profile {
                Some(text) => text,
                None => {
                    self.suites = Err("the system's cryptographic policy is not at hand".into());
                    return;
                }
            },
            _ => self.read_as(string),
        };
        let expansion = around.expansion(text);
        match (expansion.error.clone(), token) {
            (Some(error), Some(token)) => self.faults.push(Fault::Ciphers(token.clone(), error)),
            _ => self.take(&expansion),
        }
    }

    /// A string as the library reads it: once Suite B is on, its list takes the place of every other
    /// (`check_suiteb_cipher_list`).
    pub fn read_as<'s>(&self, string: &'s str) -> &'s str {
        match self.suite_b {
            Some(mode) if !string.starts_with("SUITEB") => mode.string(),
            _ => string,
        }
    }

    /// Takes what a string selects.
    pub fn take(&mut self, expansion: &Expansion<'static>) {
        self.suites = Ok(expansion.suites.iter().map(|selected| selected.suite).collect());
        self.level = expansion.security_level.unwrap_or(self.level);
        // Once on, it stays (`check_suiteb_cipher_list`).
        self.suite_b = expansion.suite_b.or(self.suite_b);
    }

    /// The one group of key exchanges that parameters of a curve leave; what the library does not know leaves all.
    pub fn pin(&mut self, curve: Option<&KeyKind>) {
        let groups = match curve.map(KeyKind::group) {
            None => Err("parameters of a curve that are written out in numbers decide the group".into()),
            Some(name) => match name.and_then(|name| GroupList::parse(self.version, name).ok()) {
                Some(groups) => Ok(groups),
                None => return,
            },
        };
        self.own_groups = groups.clone();
        if self.suite_b.is_none() {
            self.groups = groups;
        }
    }

    /// Suite B wins over all other settings, whenever they were made (`tls1_suiteb`).
    fn force_suite_b(&mut self) {
        self.own_groups = self.groups.clone();
        self.own_preference = self.server_preference.clone();
        if let Some(mode) = self.suite_b {
            self.groups = Ok(suite_b::groups(mode));
            self.signatures = suite_b::signatures(mode);
            self.server_preference = Ok(true);
        }
    }

    fn parameters(&mut self, setting: &Setting<Option<(Token, std::path::PathBuf)>>, around: &ContextInputs<'_>) -> Dh {
        match &setting.value {
            Value::Known(None) if around.behavior.own_dh_parameters => Dh::Own,
            Value::Known(None) => Dh::None,
            Value::Known(Some((token, path))) => self.dh_file(token, path, around),
            Value::Unknown(_) => Dh::Unknown,
        }
    }

    fn dh_file(&mut self, token: &Token, path: &Path, around: &ContextInputs<'_>) -> Dh {
        match around.library.get(path) {
            Some(Ok(file)) => match file.dh_bits() {
                Some(bits) if self.strength().allows_dh(bits) => Dh::Bits(bits),
                Some(bits) => {
                    self.faults.push(Fault::DhSize(token.clone(), bits, self.level));
                    Dh::Bits(bits)
                }
                None => {
                    self.faults.push(Fault::DhFormat(token.clone()));
                    Dh::None
                }
            },
            Some(Err(error)) if error.is_hidden() => Dh::Unknown,
            None => Dh::Unknown,
            Some(Err(error)) => {
                self.faults.push(Fault::DhFile(token.clone(), error.clone()));
                Dh::None
            }
        }
    }

    fn command(&mut self, command: &Command, around: &ContextInputs<'_>) {
        if command.name.text.eq_ignore_ascii_case("DHParameters") {
            // Its path starts where the server says: only an absolute one is followed.
            let path = Path::new(&*command.value.text);
            if path.is_absolute() && around.library.get(path).is_some() {
                self.dh = self.dh_file(&command.value, path, around);
                return;
            }
        }
        let mut value = command.value.text.to_string();
        if command.name.text.eq_ignore_ascii_case("CipherString") {
            value.push_str(&around.behavior.cipher_string_suffix);
        }
        if let Err(fault) = command::run(self, &command.name.text, &value) {
            self.faults.push(Fault::Command(command.clone(), fault));
        }
    }

    fn forget(&mut self, reason: Arc<str>) {
        self.protocols_unknown = Some(Arc::clone(&reason));
        self.suites = Err(Arc::clone(&reason));
        self.tls13_suites = Err(Arc::clone(&reason));
        self.groups = Err(Arc::clone(&reason));
        self.server_preference = Err(reason);
        self.dh = Dh::Unknown;
    }

    /// Whether Diffie-Hellman parameters of so many bits are taken from the file of a certificate.
    pub fn loads_dh(&self, bits: u32) -> bool {
        Level { number: self.loading_level, version: self.version }.allows_dh(bits)
    }

    /// The level in force.
    pub fn strength(&self) -> Level {
        Level { number: self.level, version: self.version }
    }

    /// The versions that a client can get: switched on, within the bounds, compiled in, and not refused by the level and Suite B
    /// of another context, which is in force when they are chosen.
    pub fn offered(&self, choosing: &Context) -> Protocols {
        self.offered_at(choosing.strength(), choosing.suite_b)
    }

    /// The versions that would be offered at a level.
    pub fn offered_at(&self, level: Level, suite_b: Option<SuiteB>) -> Protocols {
        let is_within = |one: &Protocol| {
            *one >= Protocol::Tls10
                && self.min_protocol.is_none_or(|least| least <= *one)
                && self.max_protocol.is_none_or(|most| *one <= most)
                && level.allows_protocol(*one)
                && (suite_b.is_none() || *one >= Protocol::Tls12)
        };
        self.protocols.iter().filter(is_within).collect()
    }
}

impl Context {
    /// Whether a client can get a version: offered at the level in force, and with a signature that the level allows.
    pub fn reaches(&self, protocol: Protocol) -> bool {
        let level = self.strength();
        let signs = protocol >= Protocol::Tls12 || level.allows_legacy_signature();
        signs && self.offered(self).contains(protocol)
    }
}

fn known<T>(setting: &Setting<T>) -> Known<&T> {
    match &setting.value {
        Value::Known(value) => Ok(value),
        Value::Unknown(reason) => Err(reason.0.clone()),
    }
}

/// A place for each policy that nobody has filled yet.
fn blank<T>(policies: &[TlsPolicy]) -> Vec<OnceLock<T>> {
    policies.iter().map(|_| OnceLock::new()).collect()
}

/// Contexts by policy, each built when it is first asked for.
pub struct Contexts<'a> {
    around: ContextInputs<'a>,
    policies: &'a [TlsPolicy],
    built: Vec<OnceLock<Context>>,
    usable: Vec<OnceLock<Vec<&'static CipherSuite>>>,
}

impl<'a> Contexts<'a> {
    /// No context yet.
    pub fn new(policies: &'a [TlsPolicy], around: ContextInputs<'a>) -> Self {
        Contexts { around, policies, built: blank(policies), usable: blank(policies) }
    }

    /// The suites of TLS 1.2 and below that a site with certificates of all kinds could serve under a policy, in order. None
    /// where they are not known.
    pub fn usable(&self, id: PolicyId) -> &[&'static CipherSuite] {
        self.usable[id.0 as usize].get_or_init(|| {
            let context = self.of(id);
            let level = context.strength();
            let reached: Vec<Protocol> = Protocol::ALL.into_iter().filter(|one| context.reaches(*one)).collect();
            let is_usable = |suite: &CipherSuite| {
                level.allows_suite(suite)
                    && !suite.needs_shared_secret()
                    && !suite.is_anonymous()
                    && reached.iter().any(|protocol| suite.serves(*protocol))
            };
            let suites = context.suites.as_deref().unwrap_or_default();
            suites.iter().copied().filter(|suite| is_usable(suite)).collect()
        })
    }

    /// The context of a policy.
    pub fn of(&self, id: PolicyId) -> &Context {
        let at = id.0 as usize;
        self.built[at].get_or_init(|| Context::build(&self.policies[at], &self.around))
    }

    /// A file that the configuration names, where it could be read.
    pub fn file(&self, path: &Path) -> Option<&'a PemFile> {
        self.around.library.get(path).and_then(|found| found.as_ref().ok())
    }
}
