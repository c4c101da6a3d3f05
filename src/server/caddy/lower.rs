//! From tokens to the model: site blocks, and who answers to which name.
//!
//! Source: Caddy 2.6, `caddyconfig/httpcaddyfile`: each site block with TLS settings of its own makes a connection policy
//! for its names; a name that has none is served by the policy of the wildcard site that covers it.

use std::path::PathBuf;
use std::sync::Arc;

use super::syntax::{self, Token as Word};
use crate::diagnostic::Unjudged;
use crate::model::{
    Address, Binding, BindingId, Credential, Credentials, Deployment, Endpoint, Interner, Listen, ListenUse, Name,
    NameKind, Origin, ProtocolChoice, Selection, ServerKind, Setting, Site, SiteId, Stapling, TlsPolicy, Token,
    Transport, Unmatched,
};
use crate::platform::Platform;
use crate::source::{FileId, FileSystem, Span};
use crate::tls::{Protocol, Protocols};

/// A text to lower.
pub struct Source {
    /// Its id.
    pub id: FileId,
    /// What relative paths start from.
    pub folder: PathBuf,
    /// Its content.
    pub bytes: Arc<[u8]>,
}

#[derive(Default)]
struct Draft {
    addresses: Vec<Token>,
    files: Option<(Token, PathBuf, Token, PathBuf)>,
    protocols: Option<Setting<ProtocolChoice>>,
    has_tls: bool,
}

/// Lowers texts that belong together.
pub fn lower(files: &dyn FileSystem, sources: &[Source], platform: Platform, fragment: bool) -> Deployment {
    let mut deployment = Deployment::empty(ServerKind::Caddy, platform);
    deployment.fragment = fragment;
    let mut drafts = Vec::new();
    for source in sources {
        let words = syntax::tokens(&source.bytes);
        let mut reader = Reader { files, source, words: &words, at: 0, unjudged: &mut deployment.unjudged };
        while let Some(draft) = reader.site() {
            drafts.push(draft);
        }
    }
    build(&mut deployment, drafts);
    deployment
}

struct Reader<'a> {
    files: &'a dyn FileSystem,
    source: &'a Source,
    words: &'a [Word],
    at: usize,
    unjudged: &'a mut Vec<Unjudged>,
}

impl Reader<'_> {
    fn span(&self, word: &Word) -> Span {
        Span::new(self.source.id, word.at.start as u32, word.at.end as u32)
    }

    fn token(&self, word: &Word) -> Token {
        Token::new(word.text.as_str(), self.span(word))
    }

    fn unread(&mut self, word: &Word) {
        let at = Some(self.span(word));
        let reason = "only site addresses and `tls` of Caddy are read so far";
        self.unjudged.push(Unjudged { what: "caddy-directive".into(), reason: reason.into(), at });
    }

    /// One site block; the global options and snippets are passed over.
    fn site(&mut self) -> Option<Draft> {
        let mut draft = Draft::default();
        while let Some(word) = self.words.get(self.at) {
            self.at += 1;
            if word.is("{") {
                if draft.addresses.is_empty() || draft.addresses[0].text.starts_with('(') {
                    self.unread(word);
                    self.skip();
                    draft = Draft::default();
                    continue;
                }
                self.block(&mut draft);
                return Some(draft);
            }
            let text = word.text.trim_end_matches(',');
            if !text.is_empty() {
                draft.addresses.push(Token::new(text, self.span(word)));
            }
        }
        None
    }

    /// To behind the brace that closes what is open.
    fn skip(&mut self) {
        let mut depth = 1;
        while let Some(word) = self.words.get(self.at) {
            self.at += 1;
            depth += i32::from(word.is("{")) - i32::from(word.is("}"));
            if depth == 0 {
                return;
            }
        }
    }

    /// The words of the line that begins with the word before `self.at`.
    fn line(&mut self, first: &Word) -> Vec<&Word> {
        let from = self.at;
        while self.words.get(self.at).is_some_and(|word| word.line == first.line && !word.is("{") && !word.is("}")) {
            self.at += 1;
        }
        self.words[from..self.at].iter().collect()
    }

    fn block(&mut self, draft: &mut Draft) {
        while let Some(word) = self.words.get(self.at) {
            self.at += 1;
            if word.is("}") {
                return;
            }
            let arguments: Vec<Word> = self.line(word).into_iter().cloned().collect();
            let opens = self.words.get(self.at).is_some_and(|next| next.is("{") && next.line == word.line);
            self.at += usize::from(opens);
            if word.text == "tls" {
                draft.has_tls = true;
                if let [certificate, key] = &arguments[..] {
                    let (certificate, key) = (self.token(certificate), self.token(key));
                    let path = |token: &Token| self.files.locate(&self.source.folder, token.text.as_ref().as_ref());
                    draft.files = Some((certificate.clone(), path(&certificate), key.clone(), path(&key)));
                }
                if opens {
                    self.tls(draft);
                }
            } else {
                self.unread(word);
                if opens {
                    self.skip();
                }
            }
        }
    }

    fn tls(&mut self, draft: &mut Draft) {
        while let Some(word) = self.words.get(self.at) {
            self.at += 1;
            if word.is("}") {
                return;
            }
            let arguments: Vec<Word> = self.line(word).into_iter().cloned().collect();
            if word.text == "protocols" {
                draft.protocols = self.protocols(&arguments);
            } else {
                self.unread(word);
            }
            if self.words.get(self.at).is_some_and(|next| next.is("{") && next.line == word.line) {
                self.at += 1;
                self.skip();
            }
        }
    }

    /// `protocols MIN [MAX]`.
    fn protocols(&self, words: &[Word]) -> Option<Setting<ProtocolChoice>> {
        let version = |word: &Word| match word.text.as_str() {
            "tls1.2" => Some(Protocol::Tls12),
            "tls1.3" => Some(Protocol::Tls13),
            _ => None,
        };
        let least = version(words.first()?)?;
        let most = words.get(1).map_or(Some(Protocol::Tls13), version)?;
        let set: Protocols = Protocol::ALL.into_iter().filter(|one| (least..=most).contains(one)).collect();
        let named = words.iter().filter_map(|word| Some((version(word)?, self.token(word)))).collect();
        let span = words.iter().fold(self.span(&words[0]), |span, word| span.to(self.span(word)));
        Some(Setting::known(ProtocolChoice { set, words: named }, Origin::written(span, None)))
    }
}

/// The host and port of an address; absent for plain HTTP.
fn host_and_port(address: &str) -> Option<(&str, u16)> {
    if address.starts_with("http://") {
        return None;
    }
    let rest = address.strip_prefix("https://").unwrap_or(address);
    match rest.rsplit_once(':') {
        Some((_, "80")) => None,
        Some((host, port)) => Some((host, port.parse().ok()?)),
        None => Some((rest, 443)),
    }
}

fn build(deployment: &mut Deployment, drafts: Vec<Draft>) {
    let mut interner = Interner::default();
    for draft in &drafts {
        let head = draft.addresses[0].span;
        let policy = interner.policy(deployment, policy(draft, head));
        let credentials = interner.credentials(deployment, credentials(draft));
        let names = draft.addresses.iter().filter_map(|address| {
            let (host, _) = host_and_port(&address.text)?;
            let kind = match host {
                "" => NameKind::None,
                host if host.starts_with("*.") => NameKind::LeadingWildcard,
                _ => NameKind::Exact,
            };
            Some(Name { token: Token::new(host.to_ascii_lowercase(), address.span), kind })
        });
        deployment.sites.push(Site {
            head,
            block: head,
            via: None,
            names: names.collect(),
            policy,
            credentials,
            rejects: Setting::known(false, Origin::default_for(head)),
            has_own_tls: draft.has_tls,
            has_own_credentials: draft.files.is_some(),
            loads_credentials: true,
        });
    }
    let mut ports: Vec<u16> = Vec::new();
    for address in drafts.iter().flat_map(|draft| &draft.addresses) {
        let port = host_and_port(&address.text).map(|(_, port)| port);
        ports.extend(port.filter(|port| !ports.contains(port)));
    }
    for port in ports {
        let endpoint = endpoint(deployment, &drafts, port);
        deployment.endpoints.push(endpoint);
    }
}

fn endpoint(deployment: &Deployment, drafts: &[Draft], port: u16) -> Endpoint {
    let mut named = Selection { single_label: true, ..Selection::default() };
    let mut bindings = Vec::new();
    let mut uses = Vec::new();
    for (at, draft) in drafts.iter().enumerate() {
        let id = SiteId(at as u32);
        let site = deployment.site(id);
        let here =
            draft.addresses.iter().filter(|address| host_and_port(&address.text).is_some_and(|(_, own)| own == port));
        for address in here {
            let Some((host, _)) = host_and_port(&address.text) else { continue };
            let host = host.to_ascii_lowercase();
            let binding = BindingId(bindings.len() as u32);
            // Without TLS settings of its own a name is served by the wildcard site that covers it.
            let covering = (!draft.has_tls).then(|| covering(drafts, &host)).flatten();
            let from = covering.map_or(site, |at| deployment.site(SiteId(at as u32)));
            let (policy, credentials) = (from.policy, from.credentials);
            bindings.push(Binding {
                site: id,
                before_name: policy,
                choosing: policy,
                own: policy,
                after_name: policy,
                credentials,
                rejects: false,
            });
            uses.push(ListenUse {
                site: id,
                span: address.span,
                words: Vec::new(),
                tls: true,
                claims_default: None,
                http2: true,
                proxy_protocol: false,
            });
            match host.strip_prefix("*.") {
                Some(below) => named.below.entry(below.into()).or_insert((1, binding)),
                None => named.exact.entry(host.as_str().into()).or_insert((0, binding)),
            };
        }
    }
    const UNRECOGNIZED_NAME: u8 = 112; // RFC 6066, 3; Go sends internal_error where no certificate is found
    Endpoint {
        listen: Listen { address: Address::Any, port },
        transport: Transport::Tls,
        proxy_protocol: false,
        uses,
        bindings,
        named,
        unnamed: None,
        unmatched: Unmatched::Reject(UNRECOGNIZED_NAME),
    }
}

/// The first wildcard site with TLS settings whose name covers a host.
fn covering(drafts: &[Draft], host: &str) -> Option<usize> {
    let (_, below) = host.split_once('.')?;
    drafts.iter().position(|draft| {
        let wildcard = |address: &Token| {
            host_and_port(&address.text)
                .is_some_and(|(name, _)| name.strip_prefix("*.").is_some_and(|name| name == below))
        };
        draft.has_tls && draft.addresses.iter().any(wildcard)
    })
}

fn policy(draft: &Draft, head: Span) -> TlsPolicy {
    let origin = Origin::default_for(head);
    let default = || {
        let set = [Protocol::Tls12, Protocol::Tls13].into_iter().collect();
        Setting::known(ProtocolChoice { set, words: Arc::from([]) }, origin)
    };
    let unread = "not read from Caddy's configuration so far";
    TlsPolicy {
        protocols: draft.protocols.clone().unwrap_or_else(default),
        ciphers: Setting::unknown(unread, origin),
        ciphersuites: Setting::known(Arc::from([]), origin),
        prefer_server_ciphers: Setting::known(true, origin),
        groups: Setting::unknown(unread, origin),
        dh_parameters: Setting::known(None, origin),
        commands: Setting::known(Arc::from([]), origin),
        early_data: Setting::known(false, origin),
        session_tickets: Setting::known(true, origin),
        alpn: Setting::unknown(unread, origin),
        client_verification: Setting::unknown(unread, origin),
        stapling: Setting::known(
            Stapling { on: true, file: None, responder: None, has_resolver: true, issuers: None },
            origin,
        ),
    }
}

fn credentials(draft: &Draft) -> Credentials {
    let pair = draft.files.as_ref().map(|(certificate, path, key, key_path)| Credential {
        certificate: Setting::known((certificate.clone(), path.clone()), Origin::written(certificate.span, None)),
        key: Some(Setting::known((key.clone(), key_path.clone()), Origin::written(key.span, None))),
        chain: None,
    });
    Credentials { pairs: pair.into_iter().collect(), ..Credentials::default() }
}
