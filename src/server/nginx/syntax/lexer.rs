//! Words, braces and semicolons, told apart as `ngx_conf_read_token` does.

use nom::IResult;
use nom::bytes::complete::{take_till, take_while};
use nom::error::Error;

use super::problem::SyntaxFault;

/// A piece of the text; what lies between two pieces is white space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// A name or an argument, quotes included.
    Word { start: u32, end: u32, quoted: bool, escaped: bool, variable: bool },
    /// From `#` to the line's end.
    Comment { start: u32, end: u32 },
    /// `;`
    Semicolon(u32),
    /// `{`
    Open(u32),
    /// `}`
    Close(u32),
    /// Something that nginx refuses; reading goes on behind it.
    Fault { start: u32, end: u32, fault: SyntaxFault },
    /// Nothing is left.
    End,
}

/// The longest parameter that nginx takes, in bytes: one byte less than its buffer (`NGX_CONF_BUFFER`).
const PARAMETER: usize = 4095;

type Cut<'a> = IResult<&'a [u8], &'a [u8], Error<&'a [u8]>>;

/// Kinds of bytes, looked up: a text is looked at byte by byte.
struct Bytes([bool; 256]);

impl Bytes {
    const fn new(all: &[u8]) -> Self {
        let mut table = [false; 256];
        let mut at = 0;
        while at < all.len() {
            table[all[at] as usize] = true;
            at += 1;
        }
        Bytes(table)
    }

    fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte)]
    }
}

static SPACE: Bytes = Bytes::new(b" \t\r\n");
/// Where a bare word ends or needs a second look.
static STOPS: Bytes = Bytes::new(b" \t\r\n;{\\$");

fn space(input: &[u8]) -> Cut<'_> {
    take_while(|byte| SPACE.has(byte))(input)
}

fn comment(input: &[u8]) -> Cut<'_> {
    take_till(|byte| byte == b'\n')(input)
}

/// Bytes of a bare word that need no second look.
fn plain(input: &[u8]) -> Cut<'_> {
    take_till(|byte| STOPS.has(byte))(input)
}

/// Bytes inside quotes that need no second look.
fn inside(quote: u8) -> impl Fn(&[u8]) -> Cut<'_> {
    move |input| take_till(move |byte| byte == quote || byte == b'\\' || byte == b'$')(input)
}

/// How many bytes a parser takes; the parsers here never fail.
fn taken(cut: Cut<'_>) -> usize {
    cut.map_or(0, |(_, taken)| taken.len())
}

/// Cuts a text piece by piece.
pub struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    /// Behind a closing quote nginx wants a space, `;`, `{` or `)`.
    after_quote: bool,
}

impl<'a> Lexer<'a> {
    /// Begins at the first byte.
    pub fn new(text: &'a [u8]) -> Self {
        Lexer { text, at: 0, after_quote: false }
    }

    /// Goes on at `offset`.
    pub fn skip_to(&mut self, offset: usize) {
        self.at = offset.min(self.text.len());
    }

    fn rest(&self) -> &'a [u8] {
        &self.text[self.at..]
    }

    /// The next piece.
    pub fn next(&mut self) -> Token {
        let blank = taken(space(self.rest()));
        self.at += blank;
        let start = self.at as u32;
        let Some(byte) = self.rest().first().copied() else { return Token::End };
        let glued = std::mem::take(&mut self.after_quote) && blank == 0 && !matches!(byte, b';' | b'{' | b')');
        if glued {
            let end = self.at + taken(plain(self.rest())).max(1);
            self.at = end;
            return Token::Fault { start, end: end as u32, fault: SyntaxFault::AfterQuote };
        }
        match byte {
            b';' => self.one(Token::Semicolon(start)),
            b'{' => self.one(Token::Open(start)),
            b'}' => self.one(Token::Close(start)),
            b'#' => {
                self.at += taken(comment(self.rest()));
                let end = self.at - usize::from(self.text[..self.at].ends_with(b"\r"));
                Token::Comment { start, end: end as u32 }
            }
            b'"' | b'\'' => self.quoted(byte),
            _ => self.bare(),
        }
    }

    fn one(&mut self, token: Token) -> Token {
        self.at += 1;
        token
    }

    fn bare(&mut self) -> Token {
        let start = self.at;
        let (mut escaped, mut variable) = (false, false);
        loop {
            self.at += taken(plain(self.rest()));
            match self.rest() {
                [b'\\', ..] => {
                    escaped = true;
                    self.at = (self.at + 2).min(self.text.len());
                }
                [b'$', b'{', ..] => {
                    variable = true;
                    self.at += 2;
                }
                [b'$', ..] => {
                    variable = true;
                    self.at += 1;
                }
                _ => break,
            }
        }
        self.word(start, Token::Word { start: start as u32, end: self.at as u32, quoted: false, escaped, variable })
    }

    fn quoted(&mut self, quote: u8) -> Token {
        let start = self.at;
        self.at += 1;
        let (mut escaped, mut variable) = (false, false);
        loop {
            self.at += taken(inside(quote)(self.rest()));
            match self.rest() {
                [b'\\', ..] => {
                    escaped = true;
                    self.at = (self.at + 2).min(self.text.len());
                }
                [b'$', ..] => {
                    variable = true;
                    self.at += 1;
                }
                [_, ..] => break,
                [] => {
                    let fault = SyntaxFault::UnclosedQuote(char::from(quote));
                    return Token::Fault { start: start as u32, end: start as u32 + 1, fault };
                }
            }
        }
        self.at += 1;
        self.after_quote = true;
        self.word(start, Token::Word { start: start as u32, end: self.at as u32, quoted: true, escaped, variable })
    }

    fn word(&self, start: usize, word: Token) -> Token {
        if self.at - start > PARAMETER {
            let fault = SyntaxFault::TooLong(PARAMETER);
            return Token::Fault { start: start as u32, end: self.at as u32, fault };
        }
        word
    }

    /// Passes over a block of Lua whose `{` stands before `from`: strings, long brackets and comments may hold braces.
    /// Gives the offset of the `}`.
    pub fn skip_raw(&mut self, from: u32) -> Option<u32> {
        let text = self.text;
        let mut at = from as usize;
        let mut depth = 1usize;
        while at < text.len() {
            match text[at] {
                b'{' => depth += 1,
                b'}' => {
                    depth -= 1;
                    if depth == 0 {
                        self.at = at + 1;
                        return Some(at as u32);
                    }
                }
                quote @ (b'"' | b'\'') => {
                    at += 1;
                    while at < text.len() && text[at] != quote && text[at] != b'\n' {
                        at += 1 + usize::from(text[at] == b'\\');
                    }
                }
                b'-' if text[at..].starts_with(b"--") => {
                    at += 2;
                    match long_bracket(&text[at..]) {
                        Some(length) => at += length - 1,
                        None => at += taken(comment(&text[at..])),
                    }
                }
                b'[' => {
                    if let Some(length) = long_bracket(&text[at..]) {
                        at += length - 1;
                    }
                }
                _ => {}
            }
            at += 1;
        }
        self.at = text.len();
        None
    }
}

/// Length of a Lua long bracket, `[[...]]` or `[==[...]==]`, to the end of the text where it is not closed.
fn long_bracket(text: &[u8]) -> Option<usize> {
    let level = text.get(1..)?.iter().take_while(|byte| **byte == b'=').count();
    if text.first() != Some(&b'[') || text.get(1 + level) != Some(&b'[') {
        return None;
    }
    let mut at = 2 + level;
    while at < text.len() {
        let close = text[at] == b']'
            && text[at + 1..].iter().take(level).filter(|byte| **byte == b'=').count() == level
            && text.get(at + 1 + level) == Some(&b']');
        if close {
            return Some(at + 2 + level);
        }
        at += 1;
    }
    Some(text.len())
}
