//! Zones of shared memory for sessions: one name has one size (ngx_shared_memory_add).

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use super::setting::DirectiveRef;
use crate::diagnostic::Problem;
use crate::model::{Service, Token};

/// Zones as they are written, in reading order.
#[derive(Default)]
pub(super) struct Zones(Vec<(Service, Token)>);

impl Zones {
    /// Keeps the zones that `ssl_session_cache` names.
    pub(super) fn read(&mut self, service: Service, said: &DirectiveRef<'_>) {
        if said.name == b"ssl_session_cache" {
            let words = said.words.iter().map(|word| said.token(word));
            self.0.extend(words.filter(|word| word.text.starts_with("shared:")).map(|word| (service, word)));
        }
    }

    pub(super) fn absorb(&mut self, other: Zones) {
        self.0.extend(other.0);
    }

    /// Tells of each that has another size than the first of its name.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut first: HashMap<(usize, Arc<str>), (u64, &Token)> = HashMap::new();
        let mut found = Vec::new();
        for (service, word) in &self.0 {
            let Some((name, size, written)) = zone(&word.text) else { continue };
            let (other, declared) = *first.entry((*service as usize, name.into())).or_insert((size, word));
            if other != size {
                let other = declared.text.rsplit(':').next().unwrap_or_default();
                let problem = Problem::new("invalid-argument", word.span).case("zone-size").with("name", name);
                found.push(problem.with("value", written).with("other", other).related(declared.span, "first here"));
            }
        }
        found
    }
}

/// Name, size in bytes and size as it is written, of `shared:NAME:SIZE`.
fn zone(word: &str) -> Option<(&str, u64, &str)> {
    let (name, written) = word.strip_prefix("shared:")?.split_once(':')?;
    let (digits, unit) = match written.as_bytes().last()? {
        b'k' | b'K' => (&written[..written.len() - 1], 1 << 10),
        b'm' | b'M' => (&written[..written.len() - 1], 1 << 20),
        _ => (written, 1),
    };
    let size = digits.parse::<u64>().ok()?.checked_mul(unit)?;
    Some((name, size, written))
}
