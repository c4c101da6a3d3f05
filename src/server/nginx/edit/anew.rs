//! What a release no longer has, said in its own words: `ssl on`, `spdy`, and the directives that went with it.

use super::NginxEditor;
use crate::diagnostic::Edit;
use crate::model::Edits;
use crate::server::nginx::include::LoadedFile;
use crate::server::nginx::syntax::Word;
use crate::source::Span;

impl NginxEditor<'_> {
    /// What stands at `written`, said anew. Nothing where it is not known what took its place.
    pub(super) fn say_anew(&self, written: Span) -> Option<Edits> {
        let (file, index) = self.directive(written)?;
        match file.tree().name(index, &file.bytes) {
            b"ssl" => self.switch(file, index),
            b"listen" => self.without_spdy(file, index, written),
            // Of no effect since 1.9.5.
            name if name.starts_with(b"spdy_") => {
                Some(Edits { edits: vec![self.removal(written)?], reaches: Vec::new() })
            }
            _ => None,
        }
    }

    /// `ssl on` of a server block, as `ssl` at each of its sockets. `off` says nothing that would not hold by itself.
    fn switch(&self, file: &LoadedFile, index: usize) -> Option<Edits> {
        let [value] = file.tree().args(index) else { return None };
        let mut edits = vec![self.removal(value.span(file.id))?];
        if value.value(&file.bytes).eq_ignore_ascii_case(b"on") {
            let block = self.enclosing(file, index).filter(|one| file.tree().name(*one, &file.bytes) == b"server")?;
            let listens: Vec<&[Word]> = listens(file, block).map(|one| file.tree().args(one)).collect();
            let speaks = |words: &[Word]| has(file, words, b"ssl") || has(file, words, b"quic");
            let silent = listens.iter().filter(|words| !speaks(words)).filter_map(|words| words.last());
            edits.extend(silent.map(|last| Edit { span: Span::new(file.id, last.end, last.end), text: " ssl".into() }));
            if listens.is_empty() {
                return None;
            }
        }
        Some(Edits { edits, reaches: Vec::new() })
    }

    /// `listen` without `spdy`, with HTTP/2 in its place where that takes nothing away: never without TLS, where older
    /// releases then speak nothing else, and not for sites that did not ask for it.
    fn without_spdy(&self, file: &LoadedFile, index: usize, written: Span) -> Option<Edits> {
        let words = file.tree().args(index);
        let at = words.iter().position(|word| word.span(file.id) == written)?;
        let before = words.get(at.checked_sub(1)?)?;
        let dropped = Edit { span: Span::new(file.id, before.end, written.end), text: String::new() };
        let is_new = self.deployment.platform.server_version.at_least(1, 25, 1);
        // In a part that blocks include, nobody knows what they say themselves.
        let block = self.enclosing(file, index);
        let speaks = |name: &[u8]| {
            block.is_none_or(|block| file.tree().children(block).any(|one| file.tree().name(one, &file.bytes) == name))
        };
        let edits = match has(file, words, b"ssl") && !has(file, words, b"http2") {
            true if is_new && !speaks(b"http2") => {
                let first = block.and_then(|block| listens(file, block).next())?;
                vec![dropped, self.before(file, file.tree().directives[first].start as usize, "http2 on;")]
            }
            true if !is_new && self.all_want_http2(words[0].span(file.id)) => {
                vec![Edit { span: written, text: "http2".to_owned() }]
            }
            _ => vec![dropped],
        };
        Some(Edits { edits, reaches: Vec::new() })
    }

    /// Whether every site of the sockets that are asked for at `address` asks for HTTP/2, or for what came before it.
    fn all_want_http2(&self, address: Span) -> bool {
        let begins = |span: Span| span.file == address.file && span.start == address.start;
        let own = self.deployment.endpoints.iter().filter(|one| one.uses.iter().any(|other| begins(other.span)));
        own.flat_map(|one| &one.uses).all(|one| one.http2 || one.words.iter().any(|word| matches!(&*word.text, "spdy")))
    }

    /// The directive in whose block another stands.
    fn enclosing(&self, file: &LoadedFile, index: usize) -> Option<usize> {
        let holds = |one: &usize| file.tree().directives[*one].after as usize > index;
        (0..index).rev().find(holds)
    }
}

/// The `listen` of a block.
fn listens(file: &LoadedFile, block: usize) -> impl Iterator<Item = usize> + '_ {
    file.tree().children(block).filter(|one| file.tree().name(*one, &file.bytes) == b"listen")
}

fn has(file: &LoadedFile, words: &[Word], wanted: &[u8]) -> bool {
    words.iter().any(|word| *word.value(&file.bytes) == *wanted)
}
