//! The tables in `rules/platforms/` and `rules/servers/`, read once and embedded in the program.

use std::path::PathBuf;
use std::sync::LazyLock;

use serde::Deserialize;

use super::{Platform, TlsLibrary, Version};

/// One line a platform, sorted by name.
const PAGES: &[(&str, &str)] = &[
    ("alpine", include_str!("../../rules/platforms/alpine.toml")),
    ("arch", include_str!("../../rules/platforms/arch.toml")),
    ("debian-11", include_str!("../../rules/platforms/debian-11.toml")),
    ("debian-12", include_str!("../../rules/platforms/debian-12.toml")),
    ("debian-13", include_str!("../../rules/platforms/debian-13.toml")),
    ("debian-sid", include_str!("../../rules/platforms/debian-sid.toml")),
    ("docker-caddy", include_str!("../../rules/platforms/docker-caddy.toml")),
    ("docker-httpd", include_str!("../../rules/platforms/docker-httpd.toml")),
    ("docker-nginx", include_str!("../../rules/platforms/docker-nginx.toml")),
    ("fedora", include_str!("../../rules/platforms/fedora.toml")),
    ("freebsd", include_str!("../../rules/platforms/freebsd.toml")),
    ("homebrew", include_str!("../../rules/platforms/homebrew.toml")),
    ("rhel-10", include_str!("../../rules/platforms/rhel-10.toml")),
    ("rhel-8", include_str!("../../rules/platforms/rhel-8.toml")),
    ("rhel-9", include_str!("../../rules/platforms/rhel-9.toml")),
    ("ubuntu-22.04", include_str!("../../rules/platforms/ubuntu-22.04.toml")),
    ("ubuntu-24.04", include_str!("../../rules/platforms/ubuntu-24.04.toml")),
    ("ubuntu-26.04", include_str!("../../rules/platforms/ubuntu-26.04.toml")),
];

static NGINX: LazyLock<ServerTable> = LazyLock::new(|| {
    toml::from_str(include_str!("../../rules/servers/nginx.toml")).expect("a test reads every embedded table")
});

static CADDY: LazyLock<CaddyTable> = LazyLock::new(|| {
    toml::from_str(include_str!("../../rules/servers/caddy.toml")).expect("a test reads every embedded table")
});

static APACHE: LazyLock<ServerTable> = LazyLock::new(|| {
    toml::from_str(include_str!("../../rules/servers/apache.toml")).expect("a test reads every embedded table")
});

/// What is assumed where nothing says otherwise.
pub const ASSUMED: &str = "debian-12";

/// The names of all platforms, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    PAGES.iter().map(|(name, _)| *name)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    name: String,
    #[expect(dead_code, reason = "for people who read the page")]
    title: String,
    openssl: OpenSsl,
    nginx: Option<Server>,
    apache: Option<Server>,
    caddy: Option<Server>,
    #[serde(default)]
    #[expect(dead_code, reason = "for people who read the page")]
    unverified: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenSsl {
    version: String,
    level: u8,
    #[serde(default)]
    system_profiles: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Server {
    version: String,
    library: Option<String>,
    main_file: PathBuf,
    worker_user: String,
    server_root: Option<PathBuf>,
    #[serde(default)]
    static_modules: Vec<String>,
    #[serde(default)]
    godebug: Vec<String>,
    data_folder: Option<PathBuf>,
    #[serde(default)]
    #[expect(dead_code, reason = "for people who read the page")]
    unverified: Vec<String>,
}

/// Which part of a platform's page is wanted. The names are those of `model::ServerKind`, one floor above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `[nginx]`.
    Nginx,
    /// `[apache]`.
    Apache,
    /// `[caddy]`.
    Caddy,
}

/// The name under which a system stands in the tables: those that are built from RHEL under RHEL's.
pub fn main_name(name: &str) -> std::borrow::Cow<'_, str> {
    let (system, version) = name.rsplit_once('-').unwrap_or((name, ""));
    match system {
        "rocky" | "alma" | "almalinux" | "centos" | "ol" => format!("rhel-{version}").into(),
        _ => name.into(),
    }
}

/// The server of a platform. Absent where no such platform exists or it does not have that server.
pub fn find(name: &str, part: Part) -> Option<Platform> {
    let name = main_name(name);
    let at = PAGES.binary_search_by_key(&&*name, |(name, _)| name).ok()?;
    let page: Page = toml::from_str(PAGES[at].1).expect("a test reads every embedded table");
    let server = match part {
        Part::Nginx => page.nginx,
        Part::Apache => page.apache,
        Part::Caddy => page.caddy,
    }?;
    let library = server.library.unwrap_or_else(|| format!("openssl-{}", page.openssl.version));
    Some(Platform {
        name: page.name,
        server_version: Version::parse(&server.version)?,
        tls_library: TlsLibrary::parse(&library)?,
        security_level: page.openssl.level,
        system_profiles: page.openssl.system_profiles,
        assumed: Vec::new(),
        why: String::new(),
        is_detected: false,
        main_file: server.main_file,
        worker_user: server.worker_user,
        godebug: server.godebug,
        data_folder: server.data_folder,
        server_root: server.server_root,
        static_modules: server.static_modules,
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerTable {
    #[serde(default)]
    default: Defaults,
    decides: Vec<Decides>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Defaults {
    protocols: Vec<DefaultRow>,
    ciphers: Vec<DefaultRow>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DefaultRow {
    until: Option<String>,
    value: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Decides {
    setting: String,
    until: Option<String>,
    /// The row holds with an older TLS library too, whatever the version of the server.
    until_library: Option<String>,
    by: Decider,
}

/// Who decides a setting of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decider {
    /// The default site of the socket.
    DefaultSite,
    /// The site that the client names.
    NamedSite,
    /// Both have to allow it.
    Both,
    /// The site that the client names where it is written for that site or around it, else the default site.
    NamedSiteIfWritten,
}

fn holds(until: Option<&str>, version: Version) -> bool {
    until.and_then(Version::parse).is_none_or(|last| version <= last)
}

fn default(rows: &'static [DefaultRow], version: Version) -> &'static str {
    rows.iter().find(|row| holds(row.until.as_deref(), version)).map_or("", |row| row.value.as_str())
}

/// nginx's default of `ssl_protocols`, in our names.
pub fn nginx_default_protocols(version: Version) -> &'static str {
    default(&NGINX.default.protocols, version)
}

/// nginx's default of `ssl_ciphers`.
pub fn nginx_default_ciphers(version: Version) -> &'static str {
    default(&NGINX.default.ciphers, version)
}

/// Who decides a setting in nginx: `protocols`, `ciphersuites`, `groups`, `protocol-bounds`, `early-data`,
/// `session-tickets`, or any other, which is the named site's.
pub fn nginx_decider(setting: &str, version: Version) -> Decider {
    let row = NGINX.decides.iter().find(|row| row.setting == setting && holds(row.until.as_deref(), version));
    row.map_or(Decider::NamedSite, |row| row.by)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaddyTable {
    default: std::collections::HashMap<String, Vec<DefaultRow>>,
}

/// Caddy's default of `protocols`, `ciphers`, `groups` or `alpn`, words apart by a blank; by release of Caddy. The oldest
/// protocol that Go itself allows is `go-oldest`, by release of Go. Empty where there is no such setting.
pub fn caddy_default(setting: &str, version: Version) -> &'static str {
    CADDY.default.get(setting).map_or("", |rows| default(rows, version))
}

/// Who decides a setting in Apache: `protocols`, `groups`, or any other, which is the named site's.
pub fn apache_decider(setting: &str, platform: &Platform) -> Decider {
    let is_old = |row: &Decides| {
        let last = row.until_library.as_deref().and_then(Version::parse);
        last.is_some_and(|last| platform.tls_library.version.numbers <= last.numbers)
    };
    let holds = |row: &&Decides| {
        row.setting == setting && (is_old(row) || holds(row.until.as_deref(), platform.server_version))
    };
    APACHE.decides.iter().find(holds).map_or(Decider::NamedSite, |row| row.by)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_platform_reads_and_is_sorted() {
        assert!(PAGES.is_sorted());
        for (name, text) in PAGES {
            let page: Page = toml::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(page.name, *name);
            let mut found = false;
            for part in [Part::Nginx, Part::Apache, Part::Caddy] {
                let server = find(name, part);
                found |= server.is_some();
            }
            assert!(found, "{name} has no server");
        }
        assert_eq!(find(ASSUMED, Part::Nginx).unwrap().server_version, Version::new(1, 22, 1));
        assert_eq!(find("debian-21", Part::Nginx), None);
        assert_eq!(find("rocky-9", Part::Apache).map(|found| found.name).as_deref(), Some("rhel-9"));
    }

    #[test]
    fn groups_of_caddy_change_with_the_version() {
        assert_eq!(caddy_default("groups", Version::new(2, 6, 2)), "x25519 secp256r1");
        assert_eq!(caddy_default("groups", Version::new(2, 11, 4)), "x25519mlkem768 x25519 secp256r1");
        assert_eq!(caddy_default("go-oldest", Version::new(1, 19, 8)), "TLSv1.0");
    }

    #[test]
    fn who_decides_changes_with_the_version() {
        let decider = |setting, version| nginx_decider(setting, Version::parse(version).unwrap());
        assert_eq!(decider("protocols", "1.22.1"), Decider::DefaultSite);
        assert_eq!(decider("protocols", "1.29.2"), Decider::NamedSite);
        assert_eq!(decider("groups", "1.31.5"), Decider::DefaultSite);
        assert_eq!(decider("ciphers", "1.22.1"), Decider::NamedSite);
        assert_eq!(nginx_default_protocols(Version::new(1, 22, 1)), "TLSv1.0 TLSv1.1 TLSv1.2");
        assert_eq!(nginx_default_protocols(Version::new(1, 27, 3)), "TLSv1.2 TLSv1.3");
    }
}
