//! Where comments and directives stand in a text, whatever its language: for what people write beside the configuration.

/// Bytes `start..end` of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl ByteRange {
    /// Whether a byte lies in it.
    pub fn holds(self, at: u32) -> bool {
        self.start <= at && at < self.end
    }
}

/// The comments and directives of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// Comments, `#` included, line end not; in reading order.
    pub comments: Vec<ByteRange>,
    /// Directives with their blocks, from the first byte of the name; in reading order, so that a block stands before what is
    /// in it.
    pub directives: Vec<ByteRange>,
}

impl Outline {
    /// The smallest directive that holds a byte.
    pub fn innermost(&self, at: u32) -> Option<ByteRange> {
        let holding = self.directives.iter().filter(|one| one.holds(at));
        holding.min_by_key(|one| one.end - one.start).copied()
    }
}
