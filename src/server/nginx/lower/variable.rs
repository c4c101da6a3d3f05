//! Variables that nothing defines: nginx looks up each that an argument names once the whole configuration is read, and does
//! not start where there is none.
//!
//! Source: nginx 1.22.1, `ngx_http_variables_init_vars`; names are compared without case. What modules of others define is not
//! known: where one is loaded, or a directive of one is read, nothing is said.

use std::sync::LazyLock;

use foldhash::HashSet;
use memchr::memmem;

use super::super::include::Loaded;
use super::super::syntax::Word;
use crate::diagnostic::{Problem, spelling};
use crate::server::nginx::directives;
use crate::source::{FileId, Span};

/// Names of nginx's own; those that end in `_` begin many.
static OWN: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    let lines = include_str!("../../../../rules/nginx/variables.txt").lines();
    lines.filter(|line| !line.starts_with('#')).collect()
});

/// How many uses of unknown names are remembered: more would be of a text that is no configuration.
const MOST: usize = 1000;

/// What a configuration says of variables.
#[derive(Default)]
pub struct Variables {
    /// Names that some directive defines, in lower case.
    defined: HashSet<String>,
    /// Uses of names that nginx does not have by itself, in lower case.
    unknown: Vec<(String, Span)>,
}

impl Variables {
    /// Takes over what another part says.
    pub fn absorb(&mut self, other: Variables) {
        self.defined.extend(other.defined);
        self.unknown.extend(other.unknown);
    }

    /// Looks at one directive.
    pub fn look(&mut self, name: &[u8], words: &[Word], text: &[u8], file: FileId) {
        if !words.iter().any(|word| word.has_variable()) {
            return;
        }
        let (asked, defining) = roles(name, words, text);
        for word in asked {
            self.ask(*word, text, file);
        }
        for word in defining {
            if let Some(name) = word.value(text).strip_prefix(b"$") {
                self.define(name);
            }
        }
    }

    /// What is told of the whole.
    pub fn problems(mut self, loaded: &Loaded) -> Vec<Problem> {
        if self.unknown.is_empty() || has_foreign(loaded) {
            return Vec::new();
        }
        loaded.files.iter().for_each(|file| self.capture(&file.bytes));
        let lost = self.unknown.iter().filter(|(name, _)| !self.defined.contains(name));
        let told = lost.map(|(name, at)| {
            let problem = Problem::new("undefined-variable", *at).with("name", format!("${name}"));
            let known = OWN.iter().copied().chain(self.defined.iter().map(String::as_str));
            match spelling::nearest(name, known.filter(|one| !one.ends_with('_')), 2) {
                Some((meant, _)) => problem.case("misspelt").with("meant", format!("${meant}")),
                None => problem,
            }
        });
        told.collect()
    }

    /// Looks at the whole text of a file for expressions that define what they capture.
    fn capture(&mut self, text: &[u8]) {
        for at in memmem::find_iter(text, b"(?") {
            let rest = &text[at + 2..];
            let rest = rest.strip_prefix(b"P").unwrap_or(rest);
            let Some((b'<' | b'\'', rest)) = rest.split_first() else { continue };
            self.define(name_of(rest));
        }
    }

    fn define(&mut self, name: &[u8]) {
        if let Ok(name) = std::str::from_utf8(name)
            && !name.is_empty()
        {
            self.defined.insert(name.to_ascii_lowercase());
        }
    }

    /// Remembers the names in a word that are not nginx's own.
    fn ask(&mut self, word: Word, text: &[u8], file: FileId) {
        let value = word.value(text);
        for at in memchr::memchr_iter(b'$', &value) {
            let rest = &value[at + 1..];
            let name = name_of(rest.strip_prefix(b"{").unwrap_or(rest));
            if name.is_empty() || name.iter().all(u8::is_ascii_digit) || is_own(name) || self.unknown.len() >= MOST {
                continue;
            }
            let Ok(name) = std::str::from_utf8(name) else { continue };
            let written = &text[word.start as usize..word.end as usize];
            // Where it stands in the text as it is written.
            let spelled = [format!("${name}"), format!("${{{name}}}")];
            let found = spelled.iter().find_map(|one| Some((memmem::find(written, one.as_bytes())?, one.len())));
            let span = match found {
                Some((at, length)) => {
                    let start = word.start + at as u32;
                    Span::new(file, start, start + length as u32)
                }
                None => word.span(file),
            };
            self.unknown.push((name.to_ascii_lowercase(), span));
        }
    }
}

/// The letters of a name at the beginning of a text.
fn name_of(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_').unwrap_or(text.len());
    &text[..end]
}

/// Whether nginx has a name by itself.
fn is_own(name: &[u8]) -> bool {
    let Ok(name) = std::str::from_utf8(name) else { return false };
    let lower;
    let name = match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => {
            lower = name.to_ascii_lowercase();
            &*lower
        }
        false => name,
    };
    OWN.contains(name) || name.bytes().enumerate().any(|(at, byte)| byte == b'_' && OWN.contains(&name[..=at]))
}

/// Whether something is read or loaded that nginx itself does not bring.
fn has_foreign(loaded: &Loaded) -> bool {
    const OWN: &[&[u8]] = &[
        b"ngx_stream_module.so",
        b"ngx_mail_module.so",
        b"ngx_http_geoip_module.so",
        b"ngx_stream_geoip_module.so",
        b"ngx_http_image_filter_module.so",
        b"ngx_http_xslt_filter_module.so",
        b"ngx_http_perl_module.so",
    ];
    loaded.files.iter().any(|file| {
        let (tree, text) = (file.tree(), &file.bytes);
        (0..tree.directives.len()).any(|index| {
            let name = tree.name(index, text);
            let is_own = |word: &Word| OWN.iter().any(|one| word.value(text).ends_with(one));
            let is_loaded = name == b"load_module" && !tree.args(index).first().is_some_and(is_own);
            is_loaded || directives::find(name).iter().any(|entry| entry.foreign)
        })
    })
}

/// The words of a directive in which variables are looked up, and those that name one to define it. Of most directives neither
/// is known: each word that is a variable and nothing else may define it.
fn roles<'w>(name: &[u8], words: &'w [Word], text: &[u8]) -> (&'w [Word], &'w [Word]) {
    let none: &[Word] = &[];
    let from = |at: usize| words.get(at..).unwrap_or_default();
    match name {
        b"set" => (from(1), &words[..1]),
        b"map" | b"split_clients" => (&words[..1], from(1)),
        b"rewrite" => (words.get(1..2).unwrap_or_default(), none),
        b"log_format" => (from(1), none),
        b"limit_req_zone" | b"limit_conn_zone" => (&words[..1], none),
        b"if" => match words {
            [first, ..] if first.value(text).starts_with(b"($") => (&words[..1], none),
            _ => (none, none),
        },
        b"return"
        | b"root"
        | b"alias"
        | b"try_files"
        | b"add_header"
        | b"proxy_pass"
        | b"proxy_set_header"
        | b"proxy_cache_key"
        | b"proxy_cache_bypass"
        | b"proxy_no_cache"
        | b"fastcgi_pass"
        | b"fastcgi_param"
        | b"fastcgi_cache_key"
        | b"fastcgi_cache_bypass"
        | b"fastcgi_no_cache"
        | b"uwsgi_pass"
        | b"uwsgi_param"
        | b"scgi_pass"
        | b"scgi_param"
        | b"grpc_pass"
        | b"grpc_set_header" => (words, none),
        _ => (none, words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_whole_or_by_their_beginning() {
        for own in ["host", "Host", "http_x_forwarded_for", "ssl_client_s_dn", "upstream_http_x", "arg_a", "cookie_b"] {
            assert!(is_own(own.as_bytes()), "{own}");
        }
        for other in ["hosst", "x_http", "ssl", "a", "upstream"] {
            assert!(!is_own(other.as_bytes()), "{other}");
        }
    }
}
