//! `server_name`: what kind of name it is, and what is wrong with it.
//!
//! Source: nginx 1.22.1, `ngx_http_core_server_name` and `ngx_http_server_names`.

use std::sync::Arc;

use crate::model::{Name, NameKind, Pattern, Token};

/// Reads one name as nginx compares it.
pub fn read(token: Token) -> Name {
    if let Some(regex) = token.text.strip_prefix('~') {
        let kind = if regex.is_empty() { NameKind::None } else { NameKind::Regex };
        return Name { token, kind };
    }
    let text: Arc<str> = if token.text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        token.text.to_ascii_lowercase().into()
    } else {
        Arc::clone(&token.text)
    };
    let kind = match &*text {
        // `$hostname` is the machine's own name, which the files do not tell.
        "" | "_" | "$hostname" => NameKind::None,
        text if text.starts_with("*.") => NameKind::LeadingWildcard,
        text if text.starts_with('.') => NameKind::NameAndBelow,
        text if text.ends_with(".*") => NameKind::TrailingWildcard,
        _ => NameKind::Exact,
    };
    Name { token: Token { text, span: token.span }, kind }
}

/// Whether nginx refuses the name once a second site shares the socket: a star that is no whole first or last label.
pub fn is_invalid_wildcard(name: &Name) -> bool {
    let text = &*name.token.text;
    match name.kind {
        NameKind::Regex | NameKind::None => false,
        NameKind::LeadingWildcard => text[2..].contains('*') || text.len() == 2,
        NameKind::NameAndBelow => text[1..].contains('*') || text.len() == 1,
        NameKind::TrailingWildcard => text[..text.len() - 2].contains('*'),
        _ => text.contains('*'),
    }
}

/// Whether nginx refuses the name wherever it stands: a star or dot that no name follows.
pub fn is_refused(name: &Name) -> bool {
    let text = name.token.text.as_bytes();
    match text.first() {
        Some(b'*') => text.len() < 3 || text[1] != b'.',
        Some(b'.') => text.len() < 2,
        Some(b'~') => text.len() == 1,
        _ => false,
    }
}

/// Compiles a regular expression for a linear-time engine. What PCRE knows beyond it (look-around, back references) is
/// opaque. As in nginx, case is ignored only where the expression has a capital letter; names are lower case anyway.
pub fn compile(regex: &str) -> Pattern {
    let has_capital = regex.bytes().any(|byte| byte.is_ascii_uppercase());
    let syntax = regex_automata::util::syntax::Config::new().unicode(false).utf8(false).case_insensitive(has_capital);
    let limits = regex_automata::meta::Config::new().nfa_size_limit(Some(1 << 20)).utf8_empty(false);
    match regex_automata::meta::Regex::builder().syntax(syntax).configure(limits).build(regex) {
        Ok(compiled) => Pattern::Regex(Arc::new(compiled)),
        Err(_) => Pattern::Opaque,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{FileId, Span};

    fn name(text: &str) -> Name {
        read(Token::new(text, Span::new(FileId(0), 0, text.len() as u32)))
    }

    #[test]
    fn names_have_kinds() {
        let kinds = [
            ("Example.COM", NameKind::Exact),
            ("*.example.com", NameKind::LeadingWildcard),
            (".example.com", NameKind::NameAndBelow),
            ("www.*", NameKind::TrailingWildcard),
            ("~^www\\d+\\.example\\.com$", NameKind::Regex),
            ("_", NameKind::None),
            ("", NameKind::None),
        ];
        for (text, kind) in kinds {
            assert_eq!(name(text).kind, kind, "{text}");
        }
        assert_eq!(&*name("Example.COM").token.text, "example.com");
    }

    #[test]
    fn stars_inside_are_invalid() {
        for bad in ["a.*.example", "w*.example", "*", "*.a.*", "*.", "*a.example"] {
            assert!(is_invalid_wildcard(&name(bad)), "{bad}");
        }
        for good in ["*.example", ".example", "www.*", "_", "a.example", "~*"] {
            assert!(!is_invalid_wildcard(&name(good)), "{good}");
        }
    }

    #[test]
    fn regular_expressions_beyond_linear_time_are_opaque() {
        assert!(matches!(compile("^(?<sub>\\w+)\\.example$"), Pattern::Regex(_)));
        assert!(matches!(compile("^(?!www)\\w+$"), Pattern::Opaque));
    }
}
