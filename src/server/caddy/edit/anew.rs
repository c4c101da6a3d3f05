//! Options that a release no longer has, said in its own words.

use foldhash::HashMap;

use super::CaddyEditor;
use super::merge::whole;
use crate::diagnostic::Edit;
use crate::model::Edits;
use crate::server::caddy::syntax::{Node, Section, has_placeholder};
use crate::source::Span;

impl<'a> CaddyEditor<'a> {
    /// What stands at `written`, said anew. Nothing where it is not known what took its place.
    pub(super) fn say_anew(&self, written: Span) -> Option<Edits> {
        let (node, around) = self.node(written)?.split_last()?;
        let parent = around.last();
        let is_in = |name: &str| parent.is_some_and(|one| one.is(name));
        let edits = match &*node.name.text {
            "auto_https" => vec![self.without_word(node, written)?],
            // Limits of a time in which any number may now come.
            "interval" | "burst" if is_in("on_demand_tls") => vec![self.without_option(node, parent?)?],
            "protocol" if is_in("servers") => vec![self.replaced(node, &servers_options(node, parent?))?],
            "buffer_requests" if is_in("reverse_proxy") => {
                vec![self.replaced(node, &[format!("request_buffers {}", buffer_size(parent?)?)])?]
            }
            "buffer_responses" if is_in("reverse_proxy") => {
                vec![self.replaced(node, &[format!("response_buffers {}", buffer_size(parent?)?)])?]
            }
            "max_buffer_size" if is_in("reverse_proxy") => vec![self.replaced(node, &[])?],
            "tls" if around.is_empty() => self.plain(node)?,
            _ => return None,
        };
        Some(Edits { edits, reaches: Vec::new() })
    }

    /// The directive that has a word at `written`, behind those around it. None where an import put words in there.
    fn node(&self, written: Span) -> Option<&[&'a Node]> {
        let found = self.nodes.get_or_init(|| {
            let mut found: HashMap<Span, Vec<&'a Node>> = HashMap::default();
            let blocks = self.loaded.sections.iter().map(|section| &section.block.nodes[..]);
            let mut open: Vec<(Vec<&'a Node>, &'a [Node])> = blocks.map(|nodes| (Vec::new(), nodes)).collect();
            while let Some((around, nodes)) = open.pop() {
                for node in nodes {
                    let way = [&around[..], &[node]].concat();
                    for word in std::iter::once(&node.name).chain(&node.words).filter(|word| word.is_verbatim) {
                        found.entry(word.span).or_insert_with(|| way.clone());
                    }
                    open.push((way, node.nodes()));
                }
            }
            found
        });
        found.get(&written).map(Vec::as_slice)
    }

    /// A directive without one of its arguments; the whole of it where there is no other.
    fn without_word(&self, node: &Node, written: Span) -> Option<Edit> {
        match &node.words[..] {
            [_] => self.replaced(node, &[]),
            words => {
                let at = words.iter().position(|word| word.span == written)?;
                let before = if at == 0 { &node.name } else { &words[at - 1] };
                let is_near = before.span.file == written.file && before.span.end <= written.start;
                is_near.then(|| Edit { span: Span { start: before.span.end, ..written }, text: String::new() })
            }
        }
    }

    /// Takes an option away, and what holds it where that would hold only what is taken away too.
    fn without_option(&self, node: &Node, parent: &Node) -> Option<Edit> {
        let is_gone = |one: &Node| matches!(&*one.name.text, "interval" | "burst");
        self.replaced(if parent.nodes().iter().all(is_gone) { parent } else { node }, &[])
    }

    /// Whole lines in the place of those of a directive.
    fn replaced(&self, node: &Node, lines: &[String]) -> Option<Edit> {
        let name = node.name.span;
        let mut edit = self.removal(whole(node)?)?;
        let (indent, ending) = (self.indent(name)?, self.line_end(name));
        edit.text = lines.iter().map(|line| format!("{indent}{line}{ending}")).collect();
        Some(edit)
    }

    /// A site that is to speak no TLS says so in its address.
    fn plain(&self, node: &Node) -> Option<Vec<Edit>> {
        let holds = |section: &Section| section.block.nodes.iter().any(|one| one.name.span == node.name.span);
        let mut sections = self.loaded.sections.iter();
        let section = sections.by_ref().find(|section| holds(section))?;
        // What several sites import, or an address with a port or a scheme, is not led back here.
        let is_bare = |text: &str| !text.contains([':', '"', '`', '{', ',']) && !has_placeholder(text);
        let is_own = section.keys.iter().all(|key| key.is_verbatim && is_bare(&key.text));
        if sections.any(holds) || !is_own || !section.has_braces {
            return None;
        }
        let to_plain = |span: Span| Edit { span: Span { end: span.start, ..span }, text: "http://".to_owned() };
        let mut edits: Vec<Edit> = section.keys.iter().map(|key| to_plain(key.span)).collect();
        edits.push(self.replaced(node, &[])?);
        Some(edits)
    }
}

/// What `protocol` of `servers` held, as options of `servers` itself.
fn servers_options(node: &Node, servers: &Node) -> Vec<String> {
    let has = |nodes: &[Node], name: &str| nodes.iter().any(|one| one.is(name));
    let mut lines = Vec::new();
    if has(node.nodes(), "allow_h2c") && !has(servers.nodes(), "protocols") {
        lines.push("protocols h1 h2 h2c h3".to_owned());
    }
    let strict = node.nodes().iter().find(|one| one.is("strict_sni_host"));
    if let Some(strict) = strict.filter(|_| !has(servers.nodes(), "strict_sni_host")) {
        let words = std::iter::once(&strict.name).chain(&strict.words).map(|word| &*word.text);
        lines.push(words.collect::<Vec<_>>().join(" "));
    }
    lines
}

/// How much is kept: what `max_buffer_size` says beside it, else all.
fn buffer_size(proxy: &Node) -> Option<String> {
    match proxy.nodes().iter().find(|one| one.is("max_buffer_size")) {
        None => Some("unlimited".to_owned()),
        Some(size) => {
            size.words.first().filter(|word| word.is_verbatim && !word.is_open()).map(|word| word.text.to_string())
        }
    }
}
