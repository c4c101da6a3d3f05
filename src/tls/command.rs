//! The names of the commands that OpenSSL takes for a server: `ssl_conf_command`, `SSLOpenSSLConfCmd`, `openssl.cnf`.

use std::sync::LazyLock;

static COMMANDS: LazyLock<Vec<(&'static str, [u32; 3])>> = LazyLock::new(|| {
    let rows = include_str!("../../rules/openssl/commands.tsv").lines().filter(|line| !line.starts_with('#'));
    let read = |row: &'static str| {
        let (name, first) = row.split_once('\t')?;
        let mut numbers = first.split('.').map(|number| number.parse().unwrap_or(0));
        Some((name, std::array::from_fn(|_| numbers.next().unwrap_or(0))))
    };
    rows.filter_map(read).collect()
});

/// Whether a release of OpenSSL has a command of that name, whatever its case.
pub fn is_command(version: [u32; 3], name: &str) -> bool {
    COMMANDS.iter().any(|(known, first)| known.eq_ignore_ascii_case(name) && *first <= version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_known_by_release() {
        assert_eq!(COMMANDS.len(), 30);
        assert!(is_command([1, 1, 1], "groups") && is_command([3, 0, 19], "ChainCAStore"));
        assert!(!is_command([1, 1, 1], "ChainCAStore") && !is_command([3, 0, 19], "PreferredGroups"));
    }
}
