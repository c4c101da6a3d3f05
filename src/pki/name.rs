//! Host names against the patterns of a certificate (OpenSSL 3.0, `crypto/x509/v3_utl.c`; RFC 9525, 6.3).

/// Whether a wildcard may stand for a part of a label. OpenSSL's own tools let it (`x*.example.com`); browsers, curl and
/// RFC 9525 do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wildcards {
    /// Only as a whole label.
    Whole,
    /// Also at the start or end of one.
    Partial,
}

/// Whether `pattern`, a `dNSName` or common name, holds for `host`. Case is ignored. A wildcard stands in the first label,
/// for exactly one label or a part of it, and needs two more labels behind it.
pub fn matches(pattern: &str, host: &str, wildcards: Wildcards) -> bool {
    let star = if host.starts_with('.') { None } else { star(pattern, wildcards) };
    let Some(star) = star else { return !host.is_empty() && pattern.eq_ignore_ascii_case(host) };
    let (prefix, suffix) = (&pattern[..star], &pattern[star + 1..]);
    let (pattern_length, host) = (prefix.len() + suffix.len(), host.as_bytes());
    if host.len() < pattern_length {
        return false;
    }
    let (start, end) = (prefix.len(), host.len() - suffix.len());
    if !host[..start].eq_ignore_ascii_case(prefix.as_bytes()) || !host[end..].eq_ignore_ascii_case(suffix.as_bytes()) {
        return false;
    }
    let is_whole = prefix.is_empty() && suffix.starts_with('.');
    let is_idna = host.len() >= 4 && host[..4].eq_ignore_ascii_case(b"xn--");
    if (is_whole && start == end) || (!is_whole && is_idna) {
        return false;
    }
    &host[start..end] == b"*" || host[start..end].iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

/// Where the one legal wildcard of a pattern stands (`valid_star`).
fn star(pattern: &str, wildcards: Wildcards) -> Option<usize> {
    let mut found = None;
    let labels: Vec<&str> = pattern.split('.').collect();
    for (order, label) in labels.iter().enumerate() {
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let plain = match label.find('*') {
            Some(at) => {
                let is_partial = label.len() > 1;
                let is_inside = at != 0 && at != label.len() - 1;
                let is_idna = at != 0 && label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--"));
                if order != 0 || is_inside || is_idna || (is_partial && wildcards == Wildcards::Whole) {
                    return None;
                }
                found = Some(at);
                [&label[..at], &label[at + 1..]].concat()
            }
            None => (*label).to_owned(),
        };
        let ends_badly = plain.ends_with('-') || (found.is_none_or(|at| at != 0) && plain.starts_with('-'));
        if label.is_empty() || ends_badly || !plain.bytes().all(is_legal) {
            return None;
        }
    }
    found.filter(|_| labels.len() > 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_one_label() {
        let table = [
            ("a.test", "a.test", true),
            ("A.Test", "a.tEST", true),
            ("a.test", "b.a.test", false),
            ("*.b.test", "a.b.test", true),
            ("*.b.test", "x.a.b.test", false),
            ("*.b.test", "b.test", false),
            ("*.b.test", "x_y.b.test", false),
            ("*.b.test", "xn--bcher-kva.b.test", true),
            ("*.test", "a.test", false),
            ("a*.b.test", "ab.b.test", false),
            ("*", "a", false),
            ("", "", false),
        ];
        for (pattern, host, expected) in table {
            assert_eq!(matches(pattern, host, Wildcards::Whole), expected, "{pattern} against {host}");
        }
        assert!(matches("a*.b.test", "ab.b.test", Wildcards::Partial));
        assert!(matches("*z.b.test", "xyz.b.test", Wildcards::Partial));
        assert!(!matches("a*.b.test", "bb.b.test", Wildcards::Partial));
        assert!(!matches("a*b.b.test", "axb.b.test", Wildcards::Partial));
    }
}
