//! Changes in TLS words, turned into edits of Apache's text.
//!
//! An edit that stands in what a variable or a macro brought is shared with places that the change is not meant for: who
//! takes fixes leaves it out.

mod shift;

use std::sync::OnceLock;

use foldhash::HashMap;

use crate::diagnostic::Edit;
use crate::model::{Change, Deployment, Editor, Edits, NameKind, Reach, Site, SiteId, Target};
use crate::server::apache::include::{Loaded, Statement};
use crate::server::apache::syntax::Kind;
use crate::source::{FileId, Span};
use crate::tls::{Protocol, Protocols};

/// Edits a configuration that was loaded and lowered.
pub struct ApacheEditor<'a> {
    loaded: &'a Loaded,
    deployment: &'a Deployment,
    reach: Reach<'a>,
    /// The outermost section around each statement that is left for lowering, once somebody asks.
    outermost: OnceLock<Vec<Option<usize>>>,
    /// Statements by name in lower case, once somebody asks.
    by_name: OnceLock<HashMap<Vec<u8>, Vec<usize>>>,
}

/// Two years, the time that browsers ask for before they ship a name with the header.
const STRICT_TRANSPORT: &str = "Header always set Strict-Transport-Security \"max-age=63072000\"";

fn to_https(name: &str) -> String {
    format!("Redirect permanent / https://{name}/")
}

/// How Apache spells a set of protocols.
fn spell(set: Protocols) -> String {
    let word = |one: Protocol| if one == Protocol::Tls10 { "TLSv1" } else { one.name() };
    set.iter().fold("-all".to_owned(), |out, one| format!("{out} +{}", word(one)))
}

impl<'a> ApacheEditor<'a> {
    /// An editor for what was loaded, and what it means.
    pub(super) fn new(loaded: &'a Loaded, deployment: &'a Deployment) -> Self {
        let (outermost, by_name) = Default::default();
        ApacheEditor { loaded, deployment, reach: Reach::new(deployment), outermost, by_name }
    }

    /// The statement whose text covers `written`.
    fn statement(&self, written: Span) -> Option<&'a Statement> {
        self.position(written).map(|at| &self.loaded.statements[at])
    }

    /// The position of that statement.
    fn position(&self, written: Span) -> Option<usize> {
        self.loaded.positions_of(written.file).iter().copied().find(|at| {
            let statement = &self.loaded.statements[*at];
            let end = statement.arguments.1.max(statement.name.1);
            statement.kind != Kind::Close && statement.name.0 <= written.start && written.end <= end
        })
    }

    /// Whether a span can be edited where it stands.
    fn is_file(&self, file: FileId) -> bool {
        self.loaded.is_file(file)
    }

    /// Takes a directive away with its lines.
    fn removal(&self, written: Span) -> Option<Edit> {
        let statement = self.statement(written)?;
        let Span { file, start, end } = statement.line;
        if !self.is_file(file) {
            return None;
        }
        let text = self.loaded.text(file);
        let from = text[..start as usize].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let to =
            text[end as usize..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| end as usize + at + 1);
        Some(Edit { span: Span::new(file, from as u32, to as u32), text: String::new() })
    }

    /// Adds a line as the first of a site's block, indented as what follows it.
    fn insertion(&self, site: SiteId, line: &str) -> Option<Edit> {
        let head = self.deployment.site(site).head;
        let statement = self.statement(head.part(1, 2))?;
        let Span { file, end, .. } = statement.line;
        if statement.kind != Kind::Open || !self.is_file(file) {
            return None;
        }
        let text = self.loaded.text(file);
        let newline = text[end as usize..].iter().position(|byte| *byte == b'\n')? + end as usize;
        let ending = if text[..newline].ends_with(b"\r") { "\r\n" } else { "\n" };
        let rest = &text[newline + 1..];
        let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let indent = String::from_utf8_lossy(&rest[..blanks]);
        let is_end = rest[blanks..].starts_with(b"</");
        let indent = if is_end { format!("{indent}    ") } else { indent.into_owned() };
        let at = (newline + 1) as u32;
        Some(Edit { span: Span::new(file, at, at), text: format!("{indent}{line}{ending}") })
    }

    /// Adds lines to the server, before its first virtual host.
    fn before_sites(&self, lines: &[String]) -> Option<Edit> {
        let first = self.deployment.sites.first()?;
        self.above(self.statement(first.head.part(1, 2)).filter(|one| one.kind == Kind::Open)?, lines)
    }

    /// Adds lines above a statement, indented alike.
    fn above(&self, statement: &Statement, lines: &[String]) -> Option<Edit> {
        let Span { file, start, .. } = statement.line;
        if !self.is_file(file) {
            return None;
        }
        let text = &self.loaded.text(file)[..start as usize];
        let from = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let indent = String::from_utf8_lossy(&text[from..]).into_owned();
        let ending = if text[..from].ends_with(b"\r\n") { "\r\n" } else { "\n" };
        let text = lines.iter().map(|line| format!("{line}{ending}{indent}")).collect();
        Some(Edit { span: Span::new(file, start, start), text })
    }

    fn replace_path(&self, written: Span, path: &str) -> Option<Edits> {
        let word = self.loaded.text(written.file).get(written.start as usize..written.end as usize)?;
        let text = match word.first() {
            Some(quote @ (b'"' | b'\'')) => format!("{0}{1}{0}", *quote as char, path.replace('\\', "\\\\")),
            _ if path.bytes().any(|byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'')) => {
                format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""))
            }
            _ => path.to_owned(),
        };
        Some(Edits { edits: vec![Edit { span: written, text }], reaches: self.reach.of_file(written) })
    }

    /// A key of its own for a certificate file that was to hold it: on a line of its own.
    fn key_line(&self, written: Span, path: &str) -> Option<Edits> {
        let statement = self.statement(written)?;
        let line = statement.line;
        if !self.is_file(line.file) {
            return None;
        }
        let text = self.loaded.text(line.file);
        let from = text[..line.start as usize].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let indent = String::from_utf8_lossy(&text[from..line.start as usize]).into_owned();
        let at = Span::new(line.file, line.end, line.end);
        let edit = Edit { span: at, text: format!("\n{indent}SSLCertificateKeyFile {path}") };
        Some(Edits { edits: vec![edit], reaches: self.reach.of_file(written) })
    }

    fn set_protocols(&self, target: Target, to: Protocols) -> Option<Edits> {
        let protocols = |site: &Site| self.deployment.policy(site.policy).protocols.origin;
        match target {
            Target::Written(written) => {
                let reaches = self.reach.of_protocols(written);
                Some(Edits { edits: vec![Edit { span: written, text: spell(to) }], reaches })
            }
            Target::Site(site) => {
                let one = self.deployment.site(site);
                let block = one.block;
                let is_inside = |at: &Span| at.file == block.file && block.start <= at.start && at.end <= block.end;
                match protocols(one).written().filter(is_inside) {
                    Some(written) => self.set_protocols(Target::Written(written), to),
                    None => {
                        let edit = self.insertion(site, &format!("SSLProtocol {}", spell(to)))?;
                        Some(Edits { edits: vec![edit], reaches: vec![site] })
                    }
                }
            }
            Target::Global => {
                let edit = self.before_sites(&[format!("SSLProtocol {}", spell(to))])?;
                let says_nothing = |(_, site): &(usize, &Site)| protocols(site).written().is_none();
                let sites = self.deployment.sites.iter().enumerate().filter(says_nothing);
                Some(Edits { edits: vec![edit], reaches: sites.map(|(at, _)| SiteId(at as u32)).collect() })
            }
            Target::Endpoint(_) => None,
        }
    }
}

impl Editor for ApacheEditor<'_> {
    fn edits(&self, change: &Change) -> Option<Edits> {
        match change {
            Change::SetProtocols { target, to } => self.set_protocols(*target, *to),
            Change::UseCertificateFile { written, path } => self.replace_path(*written, path),
            Change::UseKeyFile { written, path } => {
                let name = self.statement(*written).map(|statement| self.loaded.name(statement))?;
                match name.eq_ignore_ascii_case(b"SSLCertificateFile") {
                    true => self.key_line(*written, path),
                    false => self.replace_path(*written, path),
                }
            }
            Change::SpeakTls { listen } => {
                let site = *self.reach.of_listen(*listen).first()?;
                // Without a certificate of its own, or the server's, TLS would keep httpd from starting.
                let set = self.deployment.credentials(self.deployment.site(site).credentials);
                if set.pairs.is_empty() {
                    return None;
                }
                let edit = self.insertion(site, "SSLEngine on")?;
                Some(Edits { edits: vec![edit], reaches: vec![site] })
            }
            Change::SendUpstreamName { .. }
            | Change::SpeakPlain { .. }
            | Change::SpeakHttp2 { .. }
            | Change::ExpectProxyHeader { .. }
            | Change::ListenToo { .. } => None,
            Change::SpeakTlsUpstream { site } => {
                let edit = self.insertion(*site, "SSLProxyEngine on")?;
                Some(Edits { edits: vec![edit], reaches: Vec::new() })
            }
            Change::RemoveDirective { written } => {
                Some(Edits { edits: vec![self.removal(*written)?], reaches: Vec::new() })
            }
            Change::SignInternally { .. } => None,
            Change::SendStrictTransport { site } if self.loaded.modules.has_table("mod_headers") => {
                let edit = self.insertion(*site, STRICT_TRANSPORT)?;
                Some(Edits { edits: vec![edit], reaches: vec![*site] })
            }
            Change::RedirectToHttps { site } if self.loaded.modules.has_table("mod_alias") => {
                let name = self.deployment.site(*site).names.iter().find(|name| name.kind == NameKind::Exact)?;
                let edit = self.insertion(*site, &to_https(&name.token.text))?;
                Some(Edits { edits: vec![edit], reaches: vec![*site] })
            }
            Change::SendStrictTransport { .. } | Change::RedirectToHttps { .. } => None,
            Change::MoveOut { written } => self.move_out(*written),
            Change::MoveToSite { written, site } => self.move_to(*written, *site),
            Change::MoveBehind { site, behind } => self.move_behind(*site, *behind),
            Change::LoadTls => self.load_tls(),
            Change::NamePasswords { .. } => None,
            Change::Staple { site, written } => self.staple(*site, *written),
            Change::VerifyUpstream { written: Some(written), .. } => {
                let edits = vec![Edit { span: *written, text: "require".to_owned() }];
                Some(Edits { edits, reaches: Vec::new() })
            }
            Change::VerifyUpstream { site, written: None, .. } => {
                let edit = self.insertion((*site)?, "SSLProxyVerify require")?;
                Some(Edits { edits: vec![edit], reaches: Vec::new() })
            }
            Change::SayAnew { .. } | Change::RepeatCommands { .. } | Change::MergeInto { .. } => None,
            Change::DisableStapling { written } => {
                let reaches = self.reach.of_stapling(*written);
                Some(Edits { edits: vec![Edit { span: *written, text: "off".to_owned() }], reaches })
            }
        }
    }

    fn wording(&self, change: &Change) -> String {
        match change {
            Change::SetProtocols { to, .. } => format!("`SSLProtocol {}`", spell(*to)),
            Change::UseCertificateFile { path, .. } => format!("`SSLCertificateFile {path}`"),
            Change::UseKeyFile { path, .. } => format!("`SSLCertificateKeyFile {path}`"),
            Change::SpeakTls { .. } => "`SSLEngine on` in this `<VirtualHost>`".to_owned(),
            Change::SpeakPlain { .. } => "`SSLEngine off` in this `<VirtualHost>`".to_owned(),
            Change::SpeakHttp2 { .. } => "`Protocols h2 http/1.1`".to_owned(),
            Change::ExpectProxyHeader { .. } => "`RemoteIPProxyProtocol on`".to_owned(),
            Change::ListenToo { on, .. } => format!("`Listen {on}`"),
            Change::SendUpstreamName { .. } => "nothing: the name is sent".to_owned(),
            Change::SpeakTlsUpstream { .. } => "`SSLProxyEngine on` in this `<VirtualHost>`".to_owned(),
            Change::RemoveDirective { .. } => "remove this directive".to_owned(),
            Change::SignInternally { .. } => "a certificate of an authority of your own".to_owned(),
            Change::SendStrictTransport { .. } => format!("`{STRICT_TRANSPORT}`"),
            Change::RedirectToHttps { site } => {
                let mut names = self.deployment.site(*site).names.iter();
                let name = names.find(|name| name.kind == NameKind::Exact).map_or("NAME", |name| &*name.token.text);
                format!("`{}`", to_https(name))
            }
            Change::DisableStapling { .. } => "`SSLUseStapling off`".to_owned(),
            Change::MoveOut { .. } => "write it outside of all blocks".to_owned(),
            Change::MoveToSite { .. } => "write it in the other site".to_owned(),
            Change::MoveBehind { .. } => "put the site behind the other".to_owned(),
            Change::MergeInto { .. } => "make one site of the two".to_owned(),
            Change::NamePasswords { .. } => "a key that is not encrypted".to_owned(),
            Change::LoadTls => "`LoadModule ssl_module PATH`".to_owned(),
            Change::RepeatCommands { .. } => "say the commands again".to_owned(),
            Change::Staple { .. } => "`SSLUseStapling on` and `SSLStaplingCache`".to_owned(),
            Change::VerifyUpstream { .. } => "`SSLProxyVerify require`".to_owned(),
            Change::SayAnew { .. } => "what this release has in its place".to_owned(),
        }
    }
}
