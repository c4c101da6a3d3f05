//! XML with indentation; characters that XML 1.0 does not have are replaced.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

/// A document as text.
pub type Result = io::Result<String>;

/// A document that is being written.
pub struct Xml(Writer<Vec<u8>>);

type Attributes<'a> = &'a [(&'static str, String)];

impl Xml {
    /// A document with its declaration.
    pub fn new() -> Self {
        let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
        // Writing to memory does not fail.
        let _ = writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
        Xml(writer)
    }

    fn element<'n>(name: &'n str, attributes: Attributes<'_>) -> BytesStart<'n> {
        let mut element = BytesStart::new(name);
        for (name, value) in attributes {
            element.push_attribute((*name, &*clean(value)));
        }
        element
    }

    /// Opens an element.
    pub fn open(&mut self, name: &str, attributes: Attributes<'_>) -> io::Result<()> {
        self.0.write_event(Event::Start(Self::element(name, attributes)))
    }

    /// Closes an element.
    pub fn close(&mut self, name: &str) -> io::Result<()> {
        self.0.write_event(Event::End(BytesEnd::new(name)))
    }

    /// An element without content.
    pub fn empty(&mut self, name: &str, attributes: Attributes<'_>) -> io::Result<()> {
        self.0.write_event(Event::Empty(Self::element(name, attributes)))
    }

    /// An element with text in it.
    pub fn text(&mut self, name: &str, attributes: Attributes<'_>, text: &str) -> io::Result<()> {
        self.open(name, attributes)?;
        self.0.write_event(Event::Text(BytesText::new(&clean(text))))?;
        self.close(name)
    }

    /// The document.
    pub fn finish(self) -> Result {
        let mut text = String::from_utf8(self.0.into_inner()).map_err(io::Error::other)?;
        text.push('\n');
        Ok(text)
    }
}

/// XML 1.0, 2.2: characters that it does not have, even written as a reference.
fn clean(text: &str) -> String {
    let is_char = |letter: char| matches!(letter, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|letter| if is_char(letter) { letter } else { '\u{fffd}' }).collect()
}
