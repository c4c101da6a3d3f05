//! The entries of `shakedown.toml`, with what each is for: one table for reading, for suggestions and for `init`.

/// An entry.
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// What it is for, in one line.
    pub what: &'static str,
    /// An example, as TOML.
    pub example: &'static str,
}

const fn entry(name: &'static str, what: &'static str, example: &'static str) -> Entry {
    Entry { name, what, example }
}

/// At the top.
pub const TOP: &[Entry] = &[
    entry("main", "what is judged where no path is given, or this folder as a whole", "[\"etc/nginx/nginx.conf\"]"),
    entry("server", "which server reads the configuration, else it is told from the files", "\"nginx\""),
    entry("platform", "the system that the configuration is for, else this machine's", "\"debian-12\""),
    entry("server-version", "instead of the platform's", "\"1.22.1\""),
    entry("tls-library", "instead of the platform's", "\"openssl-3.0.19\""),
    entry("security-level", "OpenSSL's security level, instead of the platform's", "2"),
    entry("run-as", "who reads certificates and keys, instead of the platform's users", "\"www-data\""),
    entry("trust", "what clients trust: PEM files, \"system\" or \"mozilla\"", "[\"ca/root.pem\", \"mozilla\"]"),
    entry("define", "as --define: names, or NAME=VALUE", "[\"SSL\", \"DOMAIN=example.com\"]"),
    entry("profile", "a recommendation to hold all sites against", "\"mozilla-intermediate\""),
    entry("select", "only these rules", "[\"certificate-expired\"]"),
    entry("ignore", "not these rules", "[\"ipv6-listen-missing\"]"),
    entry("fail-on", "from which severity on findings make the run fail: error, warning, info, never", "\"warning\""),
    entry("strict", "what could not be judged makes the run fail too", "true"),
    entry(
        "certificates-elsewhere",
        "certificates and keys that are not here lie on the server: not judged, instead of missing",
        "true",
    ),
    entry(
        "baseline",
        "findings that are known already, as --write-baseline writes them",
        "\"shakedown-baseline.json\"",
    ),
    entry("rules", "a folder with rules of one's own, one TOML file each", "\"shakedown-rules/\""),
    entry("severity", "severities of rules: error, warning, info, off", ""),
    entry("paths", "paths on the server, and where they are found here", ""),
    entry("parameters", "numbers that rules read", ""),
    entry("clients", "clients that matter", ""),
    entry("per-path", "what holds for some files alone", ""),
];

/// In `[clients]`.
pub const CLIENTS: &[Entry] =
    &[entry("require", "must be able to connect, by name or by file: one that cannot is an error", "[\"android-7\"]")];

/// In `[[per-path]]`.
pub const PER_PATH: &[Entry] = &[
    entry("paths", "patterns from the folder of this file; `**` stands for any folders", "[\"legacy/**\"]"),
    entry("select", "only these rules", ""),
    entry("ignore", "not these rules", "[\"deprecated-protocol\"]"),
    entry("severity", "severities of rules", "{ weak-cipher = \"info\" }"),
];
