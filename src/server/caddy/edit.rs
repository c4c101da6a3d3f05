//! Changes in TLS words, turned into edits of a Caddyfile, formatted as `caddy fmt` would.

mod anew;
mod merge;

use std::sync::OnceLock;

use foldhash::HashMap;

use super::include::{Loaded, LoadedFile};
use super::syntax::{Node, Section};
use crate::diagnostic::Edit;
use crate::model::{Change, Deployment, Editor, Edits, Reach, Site, SiteId, Target};
use crate::source::Span;
use crate::tls::{Protocol, Protocols};

/// Edits a Caddyfile that was read and understood. A JSON configuration is not edited.
pub struct CaddyEditor<'a> {
    loaded: &'a Loaded,
    deployment: &'a Deployment,
    reach: Reach<'a>,
    /// Sections by the place of their first address.
    sections: OnceLock<HashMap<Span, usize>>,
    /// Directives by the place of each of their words, with the ones around them from the outermost on.
    nodes: OnceLock<HashMap<Span, Vec<&'a Node>>>,
}

/// Two years, the time that browsers ask for before they ship a name with the header.
const STRICT_TRANSPORT: &str = "header Strict-Transport-Security max-age=63072000";
const TO_HTTPS: &str = "redir https://{http.request.host}{http.request.uri} permanent";

/// How `protocols` says a set: the oldest, and the newest where that is not the default's. Absent where Caddy cannot.
fn spell(set: Protocols) -> Option<&'static str> {
    let has = |one| set.contains(one);
    match (has(Protocol::Tls12), has(Protocol::Tls13)) {
        (true, true) => Some("tls1.2 tls1.3"),
        (true, false) => Some("tls1.2 tls1.2"),
        (false, true) => Some("tls1.3"),
        (false, false) => None,
    }
}

impl<'a> CaddyEditor<'a> {
    /// An editor for what was read, and what it means.
    pub fn new(loaded: &'a Loaded, deployment: &'a Deployment) -> Self {
        CaddyEditor {
            loaded,
            deployment,
            reach: Reach::new(deployment),
            sections: OnceLock::new(),
            nodes: OnceLock::new(),
        }
    }

    fn bytes(&self, span: Span) -> Option<&'a LoadedFile> {
        self.loaded.file(span.file)
    }

    /// The section of a site: the one whose first address stands at the site's head.
    fn section(&self, site: &Site) -> Option<&'a Section> {
        let all = || {
            // Of two at one place the first counts.
            let sections = self.loaded.sections.iter().enumerate().rev();
            sections.filter_map(|(at, section)| Some((section.keys.first()?.span, at))).collect()
        };
        self.sections.get_or_init(all).get(&site.head).map(|at| &self.loaded.sections[*at])
    }

    /// The white space before the first word of the line that a place stands on.
    fn indent(&self, at: Span) -> Option<String> {
        let bytes = &self.bytes(at)?.bytes;
        let start = bytes.get(..at.start as usize)?.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let line = &bytes[start..at.start as usize];
        let blank = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        Some(String::from_utf8_lossy(&line[..blank]).into_owned())
    }

    /// The line end that the text uses: that of its first line.
    fn line_end(&self, at: Span) -> &'static str {
        let first = |bytes: &[u8]| memchr::memchr(b'\n', bytes).is_some_and(|at| bytes[..at].ends_with(b"\r"));
        if self.bytes(at).is_some_and(|file| first(&file.bytes)) { "\r\n" } else { "\n" }
    }

    /// Says `protocols` for one site: in its `tls`, or in one that is added.
    fn protocols(&self, site: SiteId, to: Protocols) -> Option<Edit> {
        let word = spell(to)?;
        let site = self.deployment.site(site);
        let section = self.section(site).filter(|section| section.has_braces && section.keys.len() == 1)?;
        let end = self.line_end(section.block.open);
        let tls: Option<&Node> = section.block.nodes.iter().find(|node| node.is("tls"));
        let Some(tls) = tls else {
            let first = section.block.open;
            let outer = self.indent(first)?;
            let text = format!("{end}{outer}\ttls {{{end}{outer}\t\tprotocols {word}{end}{outer}\t}}");
            return self.insert(first, text);
        };
        if tls.name.span.file != site.head.file || tls.name.include_chain != site.include_chain {
            return None; // imported: other sites may share it
        }
        let outer = self.indent(tls.name.span)?;
        match &tls.block {
            Some(block) => self.insert(block.open, format!("{end}{outer}\tprotocols {word}")),
            None => {
                let text = format!(" {{{end}{outer}\tprotocols {word}{end}{outer}}}");
                self.insert(tls.words.last()?.span, text)
            }
        }
    }

    /// Adds a line as the first of a site's block.
    fn line(&self, site: SiteId, line: &str) -> Option<Edit> {
        let section = self.section(self.deployment.site(site)).filter(|section| section.has_braces)?;
        let open = section.block.open;
        if section.block.close.start <= open.end {
            return None;
        }
        self.insert(open, format!("{}{}\t{line}", self.line_end(open), self.indent(open)?))
    }

    /// Says `tls internal` for one site: in a line of its own, or in the block of its `tls` where that names no issuer.
    fn internal(&self, site: SiteId) -> Option<Edit> {
        let head = self.deployment.site(site);
        let section = self.section(head).filter(|section| section.keys.len() == 1)?;
        let mut all = section.block.nodes.iter().filter(|node| node.is("tls"));
        let Some(tls) = all.next() else { return self.line(site, "tls internal") };
        let is_own = tls.name.span.file == head.head.file
            && tls.name.include_chain == head.include_chain
            && all.next().is_none();
        let chooses = |node: &Node| !matches!(&*node.name.text, "protocols" | "ciphers" | "curves" | "alpn");
        let block = tls.block.as_ref().filter(|block| is_own && !block.nodes.iter().any(chooses))?;
        let text = format!("{}{}\tissuer internal", self.line_end(block.open), self.indent(tls.name.span)?);
        tls.words.is_empty().then(|| self.insert(block.open, text)).flatten()
    }

    fn insert(&self, behind: Span, text: String) -> Option<Edit> {
        self.bytes(behind)?;
        Some(Edit { span: Span::new(behind.file, behind.end, behind.end), text })
    }

    /// Takes a directive away: with its line where it stands alone on it.
    fn removal(&self, written: Span) -> Option<Edit> {
        let bytes = &self.bytes(written)?.bytes;
        let (start, end) = (written.start as usize, written.end as usize);
        let from = bytes.get(..start)?.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let to = bytes.get(end..)?.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| end + at + 1);
        let rest = bytes[end..to].trim_ascii();
        let is_alone = rest.is_empty() && !bytes[from..start].contains(&b'{');
        is_alone.then(|| Edit { span: Span::new(written.file, from as u32, to as u32), text: String::new() })
    }

    /// Puts another path in the place of a word.
    fn path(&self, written: Span, path: &str) -> Option<Edits> {
        let bytes = &self.bytes(written)?.bytes;
        let quote = bytes.get(written.start as usize).copied().filter(|byte| matches!(byte, b'"' | b'`'));
        let text = match quote {
            Some(b'`') if !path.contains('`') => format!("`{path}`"),
            None if !path.contains([' ', '\t', '"', '`', '{', '}', '#']) => path.to_owned(),
            _ => format!("\"{}\"", path.replace('"', "\\\"")),
        };
        Some(Edits { edits: vec![Edit { span: written, text }], reaches: self.reach.of_file(written) })
    }
}

impl Editor for CaddyEditor<'_> {
    fn edits(&self, change: &Change) -> Option<Edits> {
        match change {
            Change::SetProtocols { target: Target::Written(written), to } => {
                self.bytes(*written)?;
                let reaches = self.reach.of_protocols(*written);
                Some(Edits { edits: vec![Edit { span: *written, text: spell(*to)?.to_owned() }], reaches })
            }
            Change::SetProtocols { target: Target::Site(site), to } => {
                Some(Edits { edits: vec![self.protocols(*site, *to)?], reaches: vec![*site] })
            }
            Change::SetProtocols { target: Target::Endpoint(_) | Target::Global, .. } => None,
            Change::UseCertificateFile { written, path } | Change::UseKeyFile { written, path } => {
                self.path(*written, path)
            }
            // TLS follows from the address; `http://` in front of it is what says no.
            Change::SpeakTls { listen } => {
                let bytes = &self.bytes(*listen)?.bytes;
                let word = bytes.get(listen.start as usize..listen.end as usize)?;
                let rest = word.strip_prefix(b"http://")?;
                let text = format!("https://{}", String::from_utf8_lossy(rest));
                let reaches = self.reach.of_listen(*listen);
                Some(Edits { edits: vec![Edit { span: *listen, text }], reaches })
            }
            Change::SpeakTlsUpstream { .. } => None,
            Change::SendUpstreamName { .. }
            | Change::SpeakPlain { .. }
            | Change::SpeakHttp2 { .. }
            | Change::ExpectProxyHeader { .. }
            | Change::ListenToo { .. } => None,
            Change::RemoveDirective { written } => {
                Some(Edits { edits: vec![self.removal(*written)?], reaches: Vec::new() })
            }
            Change::SendStrictTransport { site } => {
                Some(Edits { edits: vec![self.line(*site, STRICT_TRANSPORT)?], reaches: vec![*site] })
            }
            Change::RedirectToHttps { site } => {
                Some(Edits { edits: vec![self.line(*site, TO_HTTPS)?], reaches: vec![*site] })
            }
            Change::SignInternally { site } => Some(Edits { edits: vec![self.internal(*site)?], reaches: vec![*site] }),
            Change::DisableStapling { .. } => None,
            Change::SayAnew { written } => self.say_anew(*written),
            Change::MergeInto { site, into } => self.merge(*site, *into),
            Change::MoveOut { .. }
            | Change::MoveToSite { .. }
            | Change::MoveBehind { .. }
            | Change::LoadTls
            | Change::NamePasswords { .. }
            | Change::RepeatCommands { .. }
            | Change::Staple { .. }
            | Change::VerifyUpstream { .. } => None,
        }
    }

    fn wording(&self, change: &Change) -> String {
        match change {
            Change::SetProtocols { to, .. } => {
                format!("`protocols {}` in `tls`", spell(*to).unwrap_or("tls1.2 tls1.3"))
            }
            Change::UseCertificateFile { path, .. } => format!("`{path}` as the first argument of `tls`"),
            Change::UseKeyFile { path, .. } => format!("`{path}` as the second argument of `tls`"),
            Change::SpeakTls { .. } => "write the address without `http://`".to_owned(),
            Change::SpeakTlsUpstream { .. } => "nothing: there is no switch".to_owned(),
            Change::SpeakPlain { .. } => "write the address with `http://`".to_owned(),
            Change::SpeakHttp2 { .. } => "`protocols h1 h2 h3` among the options of `servers`".to_owned(),
            Change::ExpectProxyHeader { .. } => "`listener_wrappers { proxy_protocol }`".to_owned(),
            Change::ListenToo { on, .. } => format!("`{on}` among the addresses of the site"),
            Change::SendUpstreamName { .. } => "nothing: the name is sent".to_owned(),
            Change::RemoveDirective { .. } => "remove this directive".to_owned(),
            Change::SignInternally { .. } => "`tls internal`".to_owned(),
            Change::SendStrictTransport { .. } => format!("`{STRICT_TRANSPORT}`"),
            Change::RedirectToHttps { .. } => format!("`{TO_HTTPS}`"),
            Change::DisableStapling { .. } => "write `ocsp_stapling off` among the global options".to_owned(),
            Change::MoveOut { .. } => "write it outside of all blocks".to_owned(),
            Change::MoveToSite { .. } => "write it in the other site".to_owned(),
            Change::MoveBehind { .. } => "put the site behind the other".to_owned(),
            Change::MergeInto { .. } => "make one site of the two".to_owned(),
            Change::NamePasswords { .. } => "a key that is not encrypted".to_owned(),
            Change::LoadTls => "nothing: TLS is built in".to_owned(),
            Change::RepeatCommands { .. } => "say the commands again".to_owned(),
            Change::Staple { .. } => "nothing: responses are sent".to_owned(),
            Change::VerifyUpstream { .. } => "remove `tls_insecure_skip_verify`".to_owned(),
            Change::SayAnew { .. } => "what this release has in its place".to_owned(),
        }
    }
}
