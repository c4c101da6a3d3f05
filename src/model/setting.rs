//! Values that know where they came from, and may be unknown.

use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::source::Span;

/// A word of the configuration as the server reads it: quotes and escapes taken away, variables replaced where known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    /// What the server sees. Invalid UTF-8 is replaced.
    pub text: Arc<str>,
    /// Where it is written, quotes included.
    pub span: Span,
}

impl Token {
    /// A word and its place.
    pub fn new(text: impl Into<Arc<str>>, span: Span) -> Self {
        Token { text: text.into(), span }
    }

    /// The place of bytes `from..to` of the text. Exact where the word is written as it is read, or where the server adds
    /// to its end; where quotes or escapes changed its length, the whole word.
    pub fn part(&self, from: usize, to: usize) -> Span {
        match (self.span.len() as usize).checked_sub(self.text.len()) {
            Some(0) => self.span.part(from as u32, to as u32),
            Some(2) => self.span.part(from as u32 + 1, to as u32 + 1), // one pair of quotes
            None => self.span.part(from as u32, to as u32),            // longer than what is written
            _ => self.span,
        }
    }
}

/// Why a value is not known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reason(pub Arc<str>);

/// A value, or why it is not known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value<T> {
    /// The server would use this.
    Known(T),
    /// It hangs on something that is not in the files.
    Unknown(Reason),
}

impl<T> Value<T> {
    /// The value, where it is known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Value::Known(value) => Some(value),
            Value::Unknown(_) => None,
        }
    }
}

/// How a value came to hold in a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OriginKind {
    /// Written in the very block where it bites.
    Written,
    /// Written in a block around it.
    Inherited,
    /// Written nowhere: the server's or library's default.
    Default,
}

/// Where a value was written and where it bites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// How it came to hold there.
    pub kind: OriginKind,
    /// Where to point: the directive's arguments, else the head of the block for which the default holds.
    pub place: Span,
    /// The includes, uses and imports that led there; absent in the main file.
    pub include_chain: Option<FrameId>,
}

/// By the place to point at and the way there.
impl Hash for Origin {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let place = u64::from(self.place.file.0) << 32 | u64::from(self.place.start);
        state.write_u64(place);
        state.write_u64(self.include_chain.map_or(0, |frame| u64::from(frame.0.get())) << 2 | self.kind as u64);
    }
}

impl Origin {
    /// Written in the block where it bites.
    pub fn said(place: Span, include_chain: Option<FrameId>) -> Self {
        Origin { kind: OriginKind::Written, place, include_chain }
    }

    /// A default that holds for the block whose head is `place`.
    pub fn default_for(place: Span) -> Self {
        Origin { kind: OriginKind::Default, place, include_chain: None }
    }

    /// The same value seen from a block inside.
    pub fn inherited(self) -> Self {
        match self.kind {
            OriginKind::Default => self,
            _ => Origin { kind: OriginKind::Inherited, ..self },
        }
    }

    /// The directive's arguments, where it is written.
    pub fn written(self) -> Option<Span> {
        (self.kind != OriginKind::Default).then_some(self.place)
    }
}

/// A value with its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value, or why it is not known.
    pub value: Value<T>,
    /// Where it comes from.
    pub origin: Origin,
}

/// By the origin alone, which nearly always tells one value from another.
impl<T> Hash for Setting<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.origin.hash(state);
    }
}

impl<T> Setting<T> {
    /// A known value.
    pub fn known(value: T, origin: Origin) -> Self {
        Setting { value: Value::Known(value), origin }
    }

    /// A value that hangs on something that is not in the files.
    pub fn unknown(reason: impl Into<Arc<str>>, origin: Origin) -> Self {
        Setting { value: Value::Unknown(Reason(reason.into())), origin }
    }

    /// The value, where it is known.
    pub fn get(&self) -> Option<&T> {
        self.value.known()
    }

    /// Whether it is written anywhere, here or in a block around.
    pub fn is_written(&self) -> bool {
        self.origin.kind != OriginKind::Default
    }
}

/// One step on the way from the main file to a place: how many there were with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameId(NonZeroU32);

impl FrameId {
    /// Its position among all steps.
    pub fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// What kind of step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// `include`.
    Include,
    /// Apache's `Use` of a macro.
    Macro,
    /// Caddy's `import`.
    Import,
}

/// One step: the directive that led on, and the step before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// What kind of step.
    pub kind: FrameKind,
    /// The directive that led on.
    pub at: Span,
    /// The step before; absent in the main file.
    pub parent: Option<FrameId>,
}

/// All steps of a deployment.
#[derive(Clone, Debug, Default)]
pub struct Frames(Vec<Frame>);

impl Frames {
    /// Adds a step.
    pub fn add(&mut self, frame: Frame) -> FrameId {
        self.0.push(frame);
        let count = u32::try_from(self.0.len()).ok().and_then(NonZeroU32::new);
        FrameId(count.expect("files are fewer, and a frame was added"))
    }

    /// The steps from a place outward to the main file.
    pub fn outward(&self, from: Option<FrameId>) -> impl Iterator<Item = Frame> + '_ {
        let step = |id: FrameId| self.0[id.index()];
        std::iter::successors(from.map(step), move |frame| frame.parent.map(step))
    }
}
