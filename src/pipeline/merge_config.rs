//! What the user asks for, from `shakedown.toml` and the command line: the latter comes first.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Options, TrustSource};
use crate::config::Config;

impl TrustSource {
    /// The source that a word names: `system`, `mozilla`, or a file.
    pub fn of(word: PathBuf) -> TrustSource {
        match word.to_str() {
            Some("system") => TrustSource::System,
            Some("mozilla") => TrustSource::Mozilla,
            _ => TrustSource::File(word),
        }
    }
}

impl Options {
    /// Adds what `shakedown.toml` says where the command line says nothing. Lists of rules to ignore, severities and
    /// definitions add up.
    pub fn merge_config(&mut self, config: Config) {
        fn or<T>(own: &mut Option<T>, other: Option<T>) {
            if own.is_none() {
                *own = other;
            }
        }
        or(&mut self.server, config.server);
        // A version that is given for one platform does not fit another.
        let names_platform = self.platform.is_some();
        if !names_platform {
            self.platform.clone_from(&config.platform);
            or(&mut self.server_version, config.server_version);
            or(&mut self.tls_library, config.tls_library.clone());
            or(&mut self.security_level, config.security_level);
        }
        or(&mut self.run_as, config.run_as.clone());
        if self.trust.is_empty() {
            self.trust = config.trust.iter().cloned().map(TrustSource::of).collect();
        }
        let defined =
            config.definitions.iter().filter(|(name, _)| !self.definitions.iter().any(|(own, _)| own == name));
        let defined: Vec<_> = defined.cloned().collect();
        self.definitions.splice(0..0, defined);
        self.certificates_elsewhere |= config.certificates_elsewhere;
        self.path_maps.clone_from(&config.path_maps);
        let lint = &mut self.lint;
        if lint.select.is_empty() {
            lint.select.clone_from(&config.select);
        }
        lint.ignore.extend(config.ignore.iter().cloned());
        for (name, level) in &config.severities {
            lint.severities.entry(name.clone()).or_insert(*level);
        }
        lint.parameters.clone_from(&config.parameters);
        or(&mut lint.profile, config.profile);
        lint.required.clone_from(&config.required);
        lint.rules = config.rules.clone();
        self.config = Some(Arc::new(config));
    }
}
