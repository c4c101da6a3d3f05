//! Values that hang on more than their words: protocols, files, suites of TLS 1.3, caches.

use std::path::{Path, PathBuf};

use super::Lowering;
use super::level::{self, Counted, File, Level};
use super::setting::DirectiveRef;
use crate::diagnostic::{Edit, Fix, Problem, Safety};
use crate::model::{ProtocolChoice, Setting, TicketKey, Token};
use crate::platform::TlsLibraryKind;
use crate::server::apache::directives::comment_above;
use crate::server::apache::include::path_of;
use crate::source::{FileKind, ReadError, Span};
use crate::tls::Protocol;

/// Why a value is not known.
const UNDEFINED: &str = "a variable in it is not defined";

impl Lowering<'_> {
    /// Whether a word still has a variable whose value nobody knows here.
    pub fn is_open(&self, text: &str) -> bool {
        let name = text.split_once("${").map(|(_, rest)| rest.split('}').next().unwrap_or(rest));
        name.is_some_and(|name| !self.is_known(name))
    }

    /// Whether the environment is known as far as a name goes.
    fn is_known(&self, name: &str) -> bool {
        self.loaded.environment_is_known && !self.loaded.opaque_names.contains(name)
    }

    /// The name of a variable that stands in a word though nothing defines it; absent where the environment is not known.
    pub fn undefined<'t>(&self, text: &'t str) -> Option<&'t str> {
        let name = text.split_once("${")?.1.split_once('}')?.0;
        (self.is_known(name) && !name.is_empty() && !name.contains(':')).then_some(name)
    }

    /// Tells of a variable that nothing defines, in a word that then means nothing. Whether there is one.
    pub fn tells_undefined(&mut self, token: &Token, case: &'static str) -> bool {
        let Some(name) = self.undefined(&token.text) else { return false };
        let problem = Problem::new("undefined-variable", token.span).case(case).with("name", name);
        self.problems.push(problem.with("word", &*token.text));
        true
    }

    /// `SSLProtocol` and `SSLProxyProtocol`.
    pub fn protocols(&mut self, said: &DirectiveRef<'_>) -> Option<Setting<ProtocolChoice>> {
        let words: Vec<Token> = said.words.iter().map(|word| said.token(word)).collect();
        if let Some(open) = words.iter().find(|word| self.is_open(&word.text)) {
            let reason = format!("`{}` hangs on a variable that nothing defines", open.text);
            return Some(Setting::unknown(reason, said.origin()));
        }
        if words.iter().any(|word| self.tells_undefined(word, "")) {
            return Some(Setting::unknown(UNDEFINED, said.origin()));
        }
        let mut wrong = Vec::new();
        let counted = level::protocols(&words, self.all_protocols, |word| wrong.push(word.clone()));
        let is_own = said.name == "sslprotocol";
        if wrong.is_empty() && is_own {
            self.problems.extend(doubtful_protocols(&counted, said));
        }
        let choice = counted.choice;
        for word in wrong {
            if word.text.starts_with('#') {
                let end = words.last().map_or(word.span, |last| last.span);
                let mut problem = Problem::new("inline-comment", word.span.to(end));
                problem.fix = comment_above(said.text, said.name_span(), word.span.to(end));
                self.problems.push(problem.with("name", if is_own { "SSLProtocol" } else { "SSLProxyProtocol" }));
                break;
            }
            self.problems.push(unknown_protocol(&word));
        }
        said.known(choice)
    }

    /// A file by its path. httpd looks while reading whether it is there, whether or not TLS is on.
    pub fn file(&mut self, said: &DirectiveRef<'_>, token: &Token, missing: &'static str) -> File {
        if self.is_open(&token.text) {
            return Setting::unknown("the path has a variable that nothing defines", said.origin());
        }
        if self.tells_undefined(token, "") {
            return Setting::unknown(UNDEFINED, said.origin());
        }
        if token.text.starts_with("pkcs11:") || token.text.split(':').count() == 2 && !token.text.contains('/') {
            return Setting::unknown("the key is kept by a device, not in a file", said.origin());
        }
        let value = said.words[0].value(said.text);
        let located: Option<PathBuf> = self.loaded.locate(self.files, path_of(&value));
        let Some(path) = located else {
            let reason = "the path is relative to the server's folder, and no main file is at hand";
            return Setting::unknown(reason, said.origin());
        };
        if !missing.is_empty() {
            let is_empty = self.is_empty(&path);
            self.empty_files.extend(is_empty.then_some((missing, token.clone())));
        }
        Setting::known((token.clone(), path), said.origin())
    }

    /// Whether a file is there and has nothing in it; each is looked at once.
    fn is_empty(&self, path: &Path) -> bool {
        let known = || self.emptiness.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(known) = known().get(path.as_os_str()) {
            return *known;
        }
        let found = self.files.metadata(path);
        let is_empty = found.is_ok_and(|found| found.kind == FileKind::Regular && found.size == 0);
        known().insert(path.as_os_str().to_os_string(), is_empty);
        is_empty
    }

    /// A key for session tickets: httpd looks while reading whether the file is there and not empty, and reads it where a
    /// site with TLS uses it (`ssl_init_ticket_key`).
    pub fn ticket_key(&mut self, said: &DirectiveRef<'_>, token: &Token, level: &mut Level) {
        let file = self.file(said, token, "");
        let Some((token, path)) = file.get() else { return };
        let found = match self.files.metadata(path) {
            Ok(found) if found.size == 0 && found.kind == FileKind::Regular => Err(ReadError::Missing),
            found => found.map(|found| (found.size, found.modified)),
        };
        let key = TicketKey { token: token.clone(), found };
        if key.found.is_err() {
            self.ticket_keys.push(key.clone());
        }
        level.ticket_key = Some(key);
    }

    /// The suites of TLS 1.3. OpenSSL passes over names that it does not know from 3.0 on, and takes none of the list before.
    pub fn suites_fault(&self, list: &Token) -> Option<Problem> {
        const KNOWN: &[&str] = &[
            "TLS_AES_128_GCM_SHA256",
            "TLS_AES_256_GCM_SHA384",
            "TLS_CHACHA20_POLY1305_SHA256",
            "TLS_AES_128_CCM_SHA256",
            "TLS_AES_128_CCM_8_SHA256",
            "TLS_SHA256_SHA256",
            "TLS_SHA384_SHA384",
        ];
        let library = &self.library;
        if library.kind != TlsLibraryKind::OpenSsl {
            return None;
        }
        let is_known = |name: &str| KNOWN.contains(&name.trim());
        let passes_over = library.version.at_least(3, 0, 0) && list.text.split(':').any(is_known);
        let mut at = 0;
        for name in list.text.split(':') {
            if !name.trim().is_empty() && !is_known(name) && !passes_over {
                let problem = Problem::new("cipher-list-empty", list.part(at, at + name.len())).case("tls13");
                return Some(problem.with("word", name.trim()).with("library", library.name.clone()));
            }
            at += name.len() + 1;
        }
        None
    }

    /// Loads a module above a directive, from the folder that others are loaded from.
    fn loading(&self, module: &str, said: &DirectiveRef<'_>) -> Option<Fix> {
        let file = self.loaded.modules.file(module)?;
        let name = module.strip_prefix("mod_")?;
        let line = format!("LoadModule {name}_module {file}");
        let is_known = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let found = self.line_above(said.name_span(), &line, &format!("load {module}"), Safety::Safe);
        found.filter(|_| is_known)
    }

    /// Takes away the line of a directive whose arguments stand at a place.
    pub fn line_removed(&self, written: Span, title: &str, safety: Safety) -> Option<Fix> {
        let text = self.loaded.is_file(written.file).then(|| self.loaded.text(written.file))?;
        let (start, end) = (written.start as usize, written.end as usize);
        let from = text[..start].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let to = text[end..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| end + at + 1);
        let span = Span::new(written.file, from as u32, to as u32);
        Some(Fix { title: title.to_owned(), safety, edits: vec![Edit { span, text: String::new() }] })
    }

    /// Adds a line above the one in which a span begins, indented alike.
    pub fn line_above(&self, below: Span, line: &str, title: &str, safety: Safety) -> Option<Fix> {
        let start = below.start as usize;
        let text = self.loaded.is_file(below.file).then(|| self.loaded.text(below.file))?;
        let from = text[..start].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let indent = String::from_utf8_lossy(&text[from..start]).into_owned();
        let ending = if text[..from].ends_with(b"\r\n") { "\r\n" } else { "\n" };
        let span = Span { end: below.start, ..below };
        let edits = vec![Edit { span, text: format!("{line}{ending}{indent}") }];
        indent.trim().is_empty().then(|| Fix { title: title.to_owned(), safety, edits })
    }

    /// `SSLSessionCache` and `SSLStaplingCache`: the module that keeps the cache must be loaded.
    pub fn cache_provider(&mut self, said: &DirectiveRef<'_>, first: &Token) {
        let provider = first.text.split(':').next().unwrap_or_default();
        let is_built_in = matches!(&*provider.to_ascii_lowercase(), "none" | "nonenotnull" | "default");
        let module = format!("mod_socache_{provider}");
        if is_built_in || self.loaded.modules.has_table(&module) || self.is_open(provider) || said.words.is_empty() {
            return;
        }
        let mut problem = Problem::new("socache-module-missing", first.span).with("provider", provider);
        problem.fix = self.loading(&module, said);
        self.problems.push(problem.with("module", module));
    }
}

/// Words that come to less than they seem to.
fn doubtful_protocols(counted: &level::Counted, said: &DirectiveRef<'_>) -> Option<Problem> {
    let Counted { choice, replacing } = counted;
    if let Some((word, asked)) = replacing {
        let problem = Problem::new("protocol-list-overrides", word.span).with("word", &*word.text);
        let problem =
            problem.with("protocols", if choice.set.is_empty() { "none".into() } else { choice.set.to_string() });
        let names = asked.iter().map(|one| format!("+{}", if one == Protocol::Tls10 { "TLSv1" } else { one.name() }));
        let write = format!("-all {}", names.collect::<Vec<_>>().join(" "));
        let is_whole = said.words.iter().any(|word| said.token(word).text.to_ascii_lowercase().contains("all"));
        let problem = problem.with("write", format!("SSLProtocol {write}"));
        let edits = vec![Edit { span: said.span(), text: write.clone() }];
        let fix = Fix { title: format!("write `{write}`"), safety: Safety::Safe, edits };
        return Some(if is_whole { problem } else { problem.fix(fix) });
    }
    None
}

fn unknown_protocol(token: &Token) -> Problem {
    let problem = Problem::new("unknown-protocol", token.span)
        .with("word", &*token.text)
        .with("known", "all TLSv1 TLSv1.1 TLSv1.2 TLSv1.3");
    let (sign, name) = match token.text.strip_prefix(['+', '-']) {
        Some(name) => (&token.text[..1], name),
        None => ("", &*token.text),
    };
    let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let meant = match &*letters {
        "tls10" | "tlsv10" | "tlsv1" | "tls1" => "TLSv1",
        "tls11" | "tlsv11" => "TLSv1.1",
        "tls12" | "tlsv12" => "TLSv1.2",
        "tls13" | "tlsv13" => "TLSv1.3",
        _ => return problem,
    };
    let meant = format!("{sign}{meant}");
    problem.case("misspelt").with("meant", meant.clone()).fix(Fix {
        title: format!("write `{meant}`"),
        safety: Safety::Safe,
        edits: vec![Edit { span: token.span, text: meant }],
    })
}
