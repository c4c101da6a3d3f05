//! Host names against the patterns of a certificate, as OpenSSL compares them (`X509_check_host`, RFC 9525).

/// Whether `pattern`, a `dNSName` or common name, holds for `host`. Case is ignored. A wildcard is a whole first label,
/// stands for exactly one label, and needs two more behind it.
pub fn matches(pattern: &str, host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    if pattern.eq_ignore_ascii_case(host) {
        return !host.is_empty();
    }
    let Some(suffix) = pattern.strip_prefix("*.") else { return false };
    if suffix.contains('*') || !suffix.contains('.') || suffix.starts_with('.') || suffix.ends_with('.') {
        return false;
    }
    let Some((label, rest)) = host.split_once('.') else { return false };
    let plain =
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    plain && rest.eq_ignore_ascii_case(suffix)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn wildcards_stand_for_one_whole_label() {
        let table = [
            ("a.test", "a.test", true),
            ("A.Test", "a.tEST", true),
            ("a.test", "b.a.test", false),
            ("*.b.test", "a.b.test", true),
            ("*.b.test", "x.a.b.test", false),
            ("*.b.test", "b.test", false),
            ("*.test", "a.test", false),
            ("a*.b.test", "ab.b.test", false),
            ("*", "a", false),
            ("a.test", "a.test.", true),
            ("", "", false),
        ];
        for (pattern, host, expected) in table {
            assert_eq!(matches(pattern, host), expected, "{pattern} against {host}");
        }
    }
}
