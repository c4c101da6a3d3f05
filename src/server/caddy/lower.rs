//! From sections or JSON to the model: first to the configuration that Caddy itself would run, then to what clients get.
//!
//! Lowering never fails: what is wrong becomes a [`Problem`], what cannot be known an [`Unchecked`].

mod acme_policies;
mod address;
mod admin;
mod answer;
mod authority;
mod auto_https;
mod bind;
mod certificate;
mod global;
mod http_app;
mod json;
mod name;
mod policy;
mod site;
mod storage;
mod tls;
mod tls_app;
mod undefined;
mod upstream;
mod webroot;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use super::config::Config;
use super::include::{Loaded, Reading};
use super::json::Value;
use super::syntax::Word;
use crate::diagnostic::{Problem, Unchecked, UncheckedReason};
use crate::model::{Deployment, FrameId, Token};
use crate::platform::Platform;
use crate::source::Span;

/// What lowering reads with, and what it finds on the way.
pub struct Lowering<'a> {
    reading: Reading<'a>,
    platform: &'a Platform,
    /// What relative paths of certificates start from.
    folder: &'a Path,
    /// The main text, where it is JSON.
    json: &'a [u8],
    /// Whether the text could not be cut into words and blocks.
    is_broken: bool,
    problems: Vec<Problem>,
    unjudged: Vec<Unchecked>,
    /// Files of client authorities that were looked at, and what is wrong with them.
    authorities: HashMap<(PathBuf, authority::Reader), Option<authority::Fault>>,
}

/// Where relative paths start, and a place in the main text.
pub struct Base<'a> {
    /// The folder: the service's own is not in the files, so that the one of the main file stands for it.
    pub folder: &'a Path,
    /// The beginning of the main text.
    pub start: Span,
    /// The main text, where it is JSON.
    pub json: &'a [u8],
}

/// Lowers a Caddyfile.
pub fn caddyfile(reading: Reading<'_>, loaded: &mut Loaded, deployment: &mut Deployment, base: &Base<'_>) {
    let platform = deployment.platform.clone();
    let mut lowering = Lowering::new(reading, &platform, base);
    lowering.problems.append(&mut loaded.problems);
    lowering.unjudged.append(&mut loaded.unjudged);
    lowering.is_broken = lowering.problems.iter().any(|one| one.rule.as_str() == "syntax-error");
    undefined::tell(&mut lowering, &loaded.sections);
    let mut config = http_app::adapt(&mut lowering, &mut loaded.sections);
    deployment.frames = std::mem::take(&mut loaded.frames);
    lowering.finish(&mut config, deployment, base.start);
}

/// Lowers a JSON configuration.
pub fn json(reading: Reading<'_>, value: &Value, problems: Vec<Problem>, deployment: &mut Deployment, base: &Base<'_>) {
    let platform = deployment.platform.clone();
    let mut lowering = Lowering::new(reading, &platform, base);
    lowering.problems = problems;
    let mut config = json::read(&mut lowering, value);
    lowering.finish(&mut config, deployment, base.start);
}

impl<'a> Lowering<'a> {
    fn new(reading: Reading<'a>, platform: &'a Platform, base: &Base<'a>) -> Self {
        Lowering {
            reading,
            platform,
            folder: base.folder,
            json: base.json,
            is_broken: false,
            problems: Vec::new(),
            unjudged: Vec::new(),
            authorities: HashMap::new(),
        }
    }

    /// One that has found nothing, for a stretch of sites.
    fn beside(&self) -> Self {
        let (problems, unjudged, authorities) = (Vec::new(), Vec::new(), HashMap::new());
        Lowering { problems, unjudged, authorities, ..*self }
    }

    /// Takes over what was found in a stretch, which stands behind all that was found before.
    fn append(&mut self, other: Lowering<'a>) {
        self.problems.extend(other.problems);
        self.unjudged.extend(other.unjudged);
        self.authorities.extend(other.authorities);
    }

    fn finish(mut self, config: &mut Config, deployment: &mut Deployment, start: Span) {
        bind::build(&mut self, config, deployment, start);
        deployment.problems = self.problems;
        deployment.unjudged = self.unjudged;
    }

    /// Where a path that the configuration names is found.
    fn locate(&self, path: &str) -> PathBuf {
        self.reading.files.locate(self.folder, Path::new(path))
    }

    fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Reports arguments that do not fit.
    fn invalid(&mut self, at: Span, case: &'static str, name: &str, wanted: &str) {
        let problem = Problem::new("invalid-argument", at).case(case).with("name", name).with("wanted", wanted);
        self.problems.push(problem);
    }

    fn not_judged(&mut self, what: &'static str, reason: impl Into<UncheckedReason>, at: Span) {
        self.unjudged.push(Unchecked { what: what.into(), reason: reason.into(), at: Some(at) });
    }
}

/// A word of the model.
fn token(word: &Word) -> Token {
    Token { text: Arc::clone(&word.text), span: word.span }
}

/// The smallest span over words of one text.
fn span_of(words: &[Word]) -> Option<Span> {
    let first = words.first()?;
    let same = words.iter().filter(|word| word.span.file == first.span.file);
    Some(same.fold(first.span, |span, word| span.to(word.span)))
}

/// The imports that led to a word.
fn include_chain(word: &Word) -> Option<FrameId> {
    word.include_chain
}
