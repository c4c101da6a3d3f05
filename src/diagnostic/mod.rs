//! What a run says: findings with their places, and the fixes that go with them.
//!
//! A [`Finding`] is for people and formats; a [`Problem`] is what a front end met while reading, before the rule's page
//! gave it words. Neither knows how it will be shown.

mod file_fix;
mod reason;
pub mod spelling;

pub use file_fix::{FileAction, FileFix};
pub use reason::UncheckedReason;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::source::Span;

/// How bad a finding is. Ordered: `Info < Warning < Error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Insecure, or will break soon, or only some clients are hit.
    Warning,
    /// The server will not start or reload, or a client that ought to connect cannot.
    Error,
}

impl Severity {
    /// The word for it, as in every format.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// The name of a rule: kebab-case, the file name of its page in `rules/lint/`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleName(pub Cow<'static, str>);

impl RuleName {
    /// A name that is known when the program is built.
    pub const fn new(name: &'static str) -> Self {
        RuleName(Cow::Borrowed(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// A place with the words that stand under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// What is underlined.
    pub span: Span,
    /// What it is: a short phrase, lower case, no full stop.
    pub caption: Arc<str>,
}

impl Label {
    /// A place and its caption.
    pub fn new(span: Span, caption: impl Into<Arc<str>>) -> Self {
        Label { span, caption: caption.into() }
    }
}

/// Whether a fix may change what clients get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Safety {
    /// For every client and site that the edit reaches, what works today still works.
    Safe,
    /// Behaviour changes; a person looks first (`--unsafe-fixes`).
    Unsafe,
}

/// One replacement. An empty span inserts before its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The bytes to replace.
    pub span: Span,
    /// What stands there afterwards.
    pub text: String,
}

/// Edits that belong together: all or none is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What it does, as a command: "remove `TLSv1`".
    pub title: String,
    /// Whether behaviour may change.
    pub safety: Safety,
    /// In any order; they do not overlap.
    pub edits: Vec<Edit>,
}

/// What a run has to say about one fault. Findings that say the same share their words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which rule says it.
    pub rule: RuleName,
    /// How bad it is here.
    pub severity: Severity,
    /// The fault and its effect on a client: one phrase, lower case, no full stop.
    pub message: Arc<str>,
    /// The very token.
    pub primary: Label,
    /// Other places that belong to the story, in reading order.
    pub related: Vec<Label>,
    /// A fact that makes the finding credible ("`nginx -t` accepts this: ...").
    pub note: Option<Arc<str>>,
    /// Exactly what to write.
    pub help: Option<Arc<str>>,
    /// The edit that does it.
    pub fix: Option<Box<Fix>>,
    /// What does it where no text is changed.
    pub file_fix: Option<Box<FileFix>>,
    /// Whether the server does not start with it, and refuses a reload.
    pub stops: bool,
    /// Tells it from others across runs: the same while unrelated lines change. Empty until the run gives it one.
    pub fingerprint: String,
}

impl Finding {
    /// How safe what mends it is, where there is something.
    pub fn mended(&self) -> Option<Safety> {
        self.fix.as_ref().map(|fix| fix.safety).or(self.file_fix.as_ref().map(|file_fix| file_fix.safety))
    }

    /// The same in a registry of texts that has `before` others first.
    pub fn behind(mut self, before: u32) -> Self {
        let moved = |span: &mut Span| *span = span.behind(before);
        moved(&mut self.primary.span);
        self.related.iter_mut().for_each(|label| moved(&mut label.span));
        self.fix.iter_mut().flat_map(|fix| &mut fix.edits).for_each(|edit| moved(&mut edit.span));
        self
    }
}

/// Something a front end met while reading. The page of `rule` gives it words: `arguments` fill its placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The rule whose page has the words.
    pub rule: RuleName,
    /// Which of the page's messages; the empty string is the page's main one.
    pub case: &'static str,
    /// Says otherwise than the page does for this case.
    pub severity: Option<Severity>,
    /// The very token.
    pub at: Span,
    /// Values for the placeholders of message, caption and help.
    pub arguments: Vec<(&'static str, String)>,
    /// Other places, with captions.
    pub related: Vec<Label>,
    /// The edit, where there is one.
    pub fix: Option<Fix>,
    /// What mends it where no text is changed.
    pub file_fix: Option<Box<FileFix>>,
}

impl Problem {
    /// A problem at a place, in the words of the page's main message.
    pub fn new(rule: &'static str, at: Span) -> Self {
        Problem {
            rule: RuleName::new(rule),
            case: "",
            severity: None,
            at,
            arguments: Vec::new(),
            related: Vec::new(),
            fix: None,
            file_fix: None,
        }
    }

    /// Chooses another of the page's messages.
    pub fn case(mut self, case: &'static str) -> Self {
        self.case = case;
        self
    }

    /// Fills the placeholder `{name}`.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.arguments.push((name, value.into()));
        self
    }

    /// Adds a place to the story.
    pub fn related(mut self, span: Span, caption: impl Into<Arc<str>>) -> Self {
        self.related.push(Label::new(span, caption));
        self
    }

    /// Adds the edit.
    pub fn fix(mut self, fix: Fix) -> Self {
        self.fix = Some(fix);
        self
    }

    /// Overrides the page's severity.
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = Some(severity);
        self
    }
}

/// Something that could not be judged, and why: silence is never taken for a pass.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Unchecked {
    /// What was not judged, a kebab-case noun or a rule's name.
    pub what: Cow<'static, str>,
    /// Why not, and what would help.
    pub reason: UncheckedReason,
    /// Where, if there is a place.
    pub at: Option<Span>,
}
