//! Changes in TLS words, turned into edits of nginx's text.

mod anew;

use std::sync::OnceLock;

use super::directives::line_of;
use super::include::{Loaded, LoadedFile};
use crate::diagnostic::Edit;
use crate::model::{Address, Change, Deployment, Editor, Edits, Listen, Reach, SiteId, Target};
use crate::source::Span;
use crate::tls::{Protocol, Protocols};

/// Edits a configuration that was loaded and lowered.
pub struct NginxEditor<'a> {
    loaded: &'a Loaded,
    deployment: &'a Deployment,
    /// Whether headers are set outside of server blocks, once somebody asks.
    headers_around: OnceLock<bool>,
    reach: Reach<'a>,
}

impl<'a> NginxEditor<'a> {
    /// An editor for what was loaded, and what it means.
    pub fn new(loaded: &'a Loaded, deployment: &'a Deployment) -> Self {
        NginxEditor { loaded, deployment, reach: Reach::new(deployment), headers_around: OnceLock::new() }
    }

    fn file(&self, span: Span) -> Option<&LoadedFile> {
        // Files are registered one after another, in the order in which they were loaded.
        let first = self.loaded.files.first()?.id.0;
        self.loaded.files.get(span.file.0.checked_sub(first)? as usize)
    }

    /// The directive whose words cover `written`: its file and its index.
    fn directive(&self, written: Span) -> Option<(&LoadedFile, usize)> {
        let file = self.file(written)?;
        let all = &file.tree().directives;
        let inside = |index: &usize| all[*index].start <= written.start && written.end <= all[*index].end;
        // The innermost that covers it: the last in reading order.
        let until = all.partition_point(|one| one.start <= written.start);
        (0..until).rev().find(inside).map(|index| (file, index))
    }

    /// Takes a directive away: with its line where it stands alone on it.
    fn removal(&self, written: Span) -> Option<Edit> {
        let (file, index) = self.directive(written)?;
        let directive = &file.tree().directives[index];
        let (start, end) = line_of(&file.bytes, directive.start as usize, directive.end as usize);
        Some(Edit { span: Span::new(file.id, start as u32, end as u32), text: String::new() })
    }

    /// Adds a directive as the first of a site's block, indented as what follows it.
    fn insertion(&self, site: SiteId, text: &str) -> Option<Edit> {
        let head = self.deployment.site(site).head;
        let (file, index) = self.directive(head)?;
        let open = file.tree().directives[index].block.as_ref()?.open as usize + 1;
        let first = file.tree().children(index).next()?;
        let start = file.tree().directives[first].start as usize;
        let between = file.bytes.get(open..start)?;
        let indent = between.iter().rposition(|byte| *byte == b'\n').map_or(&b" "[..], |at| &between[at + 1..]);
        let end = if between.windows(2).any(|pair| pair == b"\r\n") { "\r\n" } else { "\n" };
        let at = Span::new(file.id, start as u32, start as u32);
        Some(Edit { span: at, text: format!("{text}{end}{}", String::from_utf8_lossy(indent)) })
    }

    /// Adds a header to what a site answers. Absent where those of the level around would be lost by it.
    fn header(&self, site: SiteId, text: &str) -> Option<Edit> {
        let (file, index) = self.directive(self.deployment.site(site).head)?;
        let tree = file.tree();
        let has_own = tree.children(index).any(|one| tree.name(one, &file.bytes) == b"add_header");
        let has_outer = || self.loaded.files.iter().any(|file| file.sets_headers);
        let loses = !has_own && *self.headers_around.get_or_init(has_outer);
        if loses { None } else { self.insertion(site, text) }
    }

    /// Adds a directive before the one that begins at `start`, indented alike.
    fn before(&self, file: &LoadedFile, start: usize, text: &str) -> Edit {
        let line = file.bytes[..start].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let indent = &file.bytes[line..start];
        let is_blank = indent.iter().all(u8::is_ascii_whitespace);
        let end = self.line_end(file, line);
        let behind = match is_blank {
            true => format!("{end}{}", String::from_utf8_lossy(indent)),
            false => " ".to_owned(),
        };
        Edit { span: Span::new(file.id, start as u32, start as u32), text: format!("{text}{behind}") }
    }

    /// Adds a parameter to a `listen`.
    fn with_word(&self, listen: Span, word: &str) -> Edits {
        let at = Span::new(listen.file, listen.end, listen.end);
        let edits = vec![Edit { span: at, text: format!(" {word}") }];
        Edits { edits, reaches: self.reach.of_listen(listen) }
    }

    /// Takes a parameter out of a `listen`, with the white space before it.
    fn without_word(&self, listen: Span, word: &[u8]) -> Option<Edits> {
        let bytes = &self.file(listen)?.bytes;
        let text = bytes.get(listen.start as usize..listen.end as usize)?;
        let is_one = |at: &usize| {
            let behind = text.get(at + word.len());
            text[*at..].starts_with(word)
                && text[..*at].last().is_some_and(u8::is_ascii_whitespace)
                && behind.is_none_or(u8::is_ascii_whitespace)
        };
        let at = (1..text.len()).find(is_one)?;
        let from = text[..at].iter().rposition(|byte| !byte.is_ascii_whitespace())? + 1;
        let span = Span::new(listen.file, listen.start + from as u32, listen.start + (at + word.len()) as u32);
        let edits = vec![Edit { span, text: String::new() }];
        Some(Edits { edits, reaches: self.reach.of_listen(listen) })
    }

    /// Adds a `listen` before another, with its parameters that may be said again.
    fn listen_too(&self, listen: Span, on: &Listen) -> Option<Edits> {
        const SAID_AGAIN: [&str; 4] = ["ssl", "http2", "quic", "proxy_protocol"];
        let (file, index) = self.directive(listen)?;
        let text = String::from_utf8_lossy(file.bytes.get(listen.start as usize..listen.end as usize)?).into_owned();
        let parameters: Vec<&str> = text.split_whitespace().skip(1).filter(|word| SAID_AGAIN.contains(word)).collect();
        let words = [&[&*spell_listen(on)][..], &parameters].concat().join(" ");
        let start = file.tree().directives[index].start as usize;
        let edits = vec![self.before(file, start, &format!("listen {words};"))];
        Some(Edits { edits, reaches: self.reach.of_listen(listen) })
    }

    /// Adds a setting of the same module before a directive that sends requests on.
    fn before_pass(&self, pass: Span, rest: &str) -> Option<Edits> {
        let (file, index) = self.directive(pass)?;
        let family = String::from_utf8_lossy(file.tree().name(index, &file.bytes).strip_suffix(b"pass")?);
        let edits = vec![self.before(file, file.tree().directives[index].start as usize, &format!("{family}{rest}"))];
        Some(Edits { edits, reaches: self.reach.of_upstream(pass) })
    }

    /// Switches something on for one site: where it is written in the block, else in a line that is added.
    fn switched(&self, site: SiteId, written: Option<Span>, name: &str) -> Option<Edit> {
        let block = self.deployment.site(site).block;
        let is_own = |at: &Span| at.file == block.file && block.start <= at.start && at.end <= block.end;
        match written.filter(is_own) {
            Some(span) => Some(Edit { span, text: "on".to_owned() }),
            None => self.insertion(site, &format!("{name} on;")),
        }
    }

    /// Says commands again before another, in their own words.
    fn repeat(&self, from: &[Span], before: Span) -> Option<Edits> {
        let line = |span: &Span| {
            let text = self.file(*span)?.bytes.get(span.start as usize..span.end as usize)?;
            let is_one_line = !text.contains(&b'\n');
            is_one_line.then(|| format!("ssl_conf_command {};", String::from_utf8_lossy(text)))
        };
        let lines: Option<Vec<String>> = from.iter().map(line).collect();
        let (file, index) = self.directive(before)?;
        let start = file.tree().directives[index].start as usize;
        let from = file.bytes[..start].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let indent = String::from_utf8_lossy(&file.bytes[from..start]);
        let between =
            if indent.trim().is_empty() { format!("{}{indent}", self.line_end(file, from)) } else { " ".into() };
        let edits = vec![self.before(file, start, &lines?.join(&between))];
        Some(Edits { edits, reaches: Vec::new() })
    }

    /// The line end that the text has before a place.
    fn line_end(&self, file: &LoadedFile, at: usize) -> &'static str {
        if file.bytes[..at].ends_with(b"\r\n") { "\r\n" } else { "\n" }
    }

    fn replace_word(&self, written: Span, path: &str) -> Option<Edits> {
        let word = self.file(written)?.bytes.get(written.start as usize..written.end as usize)?;
        let text = match word.first() {
            Some(quote @ (b'"' | b'\'')) if !path.contains(*quote as char) => format!("{0}{path}{0}", *quote as char),
            _ if path.bytes().any(|byte| matches!(byte, b' ' | b'\t' | b';' | b'{' | b'}' | b'"' | b'\'' | b'#')) => {
                format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""))
            }
            _ => path.to_owned(),
        };
        Some(Edits { edits: vec![Edit { span: written, text }], reaches: self.reach.of_file(written) })
    }
}

/// Two years, the time that browsers ask for before they ship a name with the header.
const STRICT_TRANSPORT: &str = "add_header Strict-Transport-Security \"max-age=63072000\" always";
const TO_HTTPS: &str = "return 301 https://$host$request_uri";

/// How nginx spells a socket: its port alone where it is for every address.
fn spell_listen(listen: &Listen) -> String {
    match &listen.address {
        Address::Any => listen.port.to_string(),
        _ => listen.to_string(),
    }
}

/// How nginx spells a set of protocols.
fn spell(set: Protocols) -> String {
    let word = |one: Protocol| if one == Protocol::Tls10 { "TLSv1" } else { one.name() };
    set.iter().map(word).collect::<Vec<_>>().join(" ")
}

impl Editor for NginxEditor<'_> {
    fn edits(&self, change: &Change) -> Option<Edits> {
        match change {
            Change::SetProtocols { target: Target::Written(written), to } => {
                let reaches = self.reach.of_protocols(*written);
                Some(Edits { edits: vec![Edit { span: *written, text: spell(*to) }], reaches })
            }
            Change::SetProtocols { target: Target::Site(site), to } => {
                let protocols = &self.deployment.policy(self.deployment.site(*site).policy).protocols.origin;
                let block = self.deployment.site(*site).block;
                let own = protocols
                    .written()
                    .filter(|at| at.file == block.file && block.start <= at.start && at.end <= block.end);
                match own {
                    Some(written) => self.edits(&Change::SetProtocols { target: Target::Written(written), to: *to }),
                    None => {
                        let edit = self.insertion(*site, &format!("ssl_protocols {};", spell(*to)))?;
                        Some(Edits { edits: vec![edit], reaches: vec![*site] })
                    }
                }
            }
            Change::SetProtocols { target: Target::Endpoint(_) | Target::Global, .. } => None,
            Change::UseCertificateFile { written, path } | Change::UseKeyFile { written, path } => {
                self.replace_word(*written, path)
            }
            Change::SpeakTls { listen } => Some(self.with_word(*listen, "ssl")),
            Change::SpeakPlain { listen } => self.without_word(*listen, b"ssl"),
            Change::SpeakHttp2 { listen } => Some(self.with_word(*listen, "http2")),
            Change::ExpectProxyHeader { listen } => Some(self.with_word(*listen, "proxy_protocol")),
            Change::ListenToo { listen, on } => self.listen_too(*listen, on),
            Change::SpeakTlsUpstream { .. } => None,
            Change::SendUpstreamName { pass } => self.before_pass(*pass, "ssl_server_name on;"),
            Change::RemoveDirective { written } => {
                Some(Edits { edits: vec![self.removal(*written)?], reaches: Vec::new() })
            }
            Change::SignInternally { .. } => None,
            Change::SendStrictTransport { site } => {
                let edit = self.header(*site, &format!("{STRICT_TRANSPORT};"))?;
                Some(Edits { edits: vec![edit], reaches: vec![*site] })
            }
            Change::RedirectToHttps { site } => {
                let edit = self.insertion(*site, &format!("{TO_HTTPS};"))?;
                Some(Edits { edits: vec![edit], reaches: vec![*site] })
            }
            Change::DisableStapling { written } => {
                let reaches = self.reach.of_stapling(*written);
                Some(Edits { edits: vec![self.removal(*written)?], reaches })
            }
            Change::SayAnew { written } => self.say_anew(*written),
            Change::RepeatCommands { from, before } => self.repeat(from, *before),
            Change::Staple { site, written } => {
                let edit = self.switched(*site, *written, "ssl_stapling")?;
                Some(Edits { edits: vec![edit], reaches: vec![*site] })
            }
            Change::VerifyUpstream { pass, written: Some(written), .. } => {
                let edits = vec![Edit { span: *written, text: "on".to_owned() }];
                Some(Edits { edits, reaches: self.reach.of_upstream(*pass) })
            }
            Change::VerifyUpstream { pass, written: None, .. } => self.before_pass(*pass, "ssl_verify on;"),
            Change::MoveOut { .. }
            | Change::MoveToSite { .. }
            | Change::MoveBehind { .. }
            | Change::MergeInto { .. }
            | Change::LoadTls => None,
            Change::NamePasswords { key, path } => {
                let (file, index) = self.directive(*key)?;
                let start = file.tree().directives[index].start as usize;
                let edits = vec![self.before(file, start, &format!("ssl_password_file {path};"))];
                Some(Edits { edits, reaches: self.reach.of_file(*key) })
            }
        }
    }

    fn wording(&self, change: &Change) -> String {
        match change {
            Change::SetProtocols { to, .. } => format!("`ssl_protocols {};`", spell(*to)),
            Change::UseCertificateFile { path, .. } => format!("`ssl_certificate {path};`"),
            Change::UseKeyFile { path, .. } => format!("`ssl_certificate_key {path};`"),
            Change::SpeakTls { .. } => "add `ssl` to this `listen`".to_owned(),
            Change::SpeakPlain { .. } => "take `ssl` out of this `listen`".to_owned(),
            Change::SpeakHttp2 { .. } => "add `http2` to this `listen`".to_owned(),
            Change::ExpectProxyHeader { .. } => "add `proxy_protocol` to this `listen`".to_owned(),
            Change::ListenToo { on, .. } => format!("`listen {}`", spell_listen(on)),
            Change::SpeakTlsUpstream { .. } => "nothing: there is no switch".to_owned(),
            Change::SendUpstreamName { pass } => {
                let name = self.directive(*pass).map(|(file, index)| file.tree().name(index, &file.bytes));
                let family = name.and_then(|name| name.strip_suffix(b"pass")).unwrap_or(b"proxy_");
                format!("`{}ssl_server_name on;`", String::from_utf8_lossy(family))
            }
            Change::RemoveDirective { .. } => "remove this directive".to_owned(),
            Change::SignInternally { .. } => "a certificate of an authority of your own".to_owned(),
            Change::SendStrictTransport { .. } => format!("`{STRICT_TRANSPORT};`"),
            Change::RedirectToHttps { .. } => format!("`{TO_HTTPS};`"),
            Change::DisableStapling { .. } => "remove `ssl_stapling on;`".to_owned(),
            Change::MoveOut { .. } => "write it outside of all blocks".to_owned(),
            Change::MoveToSite { .. } => "write it in the other site".to_owned(),
            Change::MoveBehind { .. } => "put the site behind the other".to_owned(),
            Change::MergeInto { .. } => "make one site of the two".to_owned(),
            Change::NamePasswords { path, .. } => format!("`ssl_password_file {path};`"),
            Change::LoadTls => "nothing: the module is built in".to_owned(),
            Change::RepeatCommands { .. } => "say the commands again".to_owned(),
            Change::Staple { .. } => "`ssl_stapling on;`".to_owned(),
            Change::VerifyUpstream { .. } => "`proxy_ssl_verify on;`".to_owned(),
            Change::SayAnew { .. } => "what this release has in its place".to_owned(),
        }
    }
}
