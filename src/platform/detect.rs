//! Finds out from files which system a configuration is for: `os-release`, and the package database for versions.

use std::path::Path;

use super::table::main_name;
use super::{ASSUMED, Part, Platform, TlsLibrary, find, names, package};
use crate::source::FileSystem;

/// The platform below the root of `files`, else the assumed one. `assumed` and `why` say which.
pub fn detect(files: &dyn FileSystem, part: Part) -> Platform {
    let system = system(files);
    let found = system.as_deref().and_then(|name| find(name, part));
    let Some(mut platform) = found else {
        let mut platform = find(ASSUMED, part).expect("the assumed platform has every server");
        platform.assumed = ["platform", "server_version", "tls_library", "security_level"].map(str::to_owned).to_vec();
        platform.why = match system {
            Some(name) => format!("this system, {name}, is not in the tables"),
            None => "nothing says which system this is for".to_owned(),
        };
        return platform;
    };
    platform.assumed = ["platform", "server_version", "tls_library"].map(str::to_owned).to_vec();
    platform.why = "from /etc/os-release".to_owned();
    platform.is_detected = true;
    let packages = package::installed(files);
    let library: &[&str] = if part == Part::Caddy { &[] } else { &["libssl3", "libssl3t64", "openssl-libs"] };
    let server: &[&str] = match part {
        Part::Nginx => &["nginx", "nginx-core", "nginx-full", "nginx-light", "nginx-extras"],
        Part::Apache => &["apache2-bin", "apache2", "httpd-core", "httpd"],
        Part::Caddy => &["caddy"],
    };
    let version = |wanted: &[&str]| wanted.iter().find_map(|name| packages.get(*name).copied());
    if let Some(found) = version(server) {
        platform.server_version = found;
        platform.assumed.retain(|what| what != "server_version");
        platform.why = "from /etc/os-release and the package database".to_owned();
    }
    if let Some(library) = version(library).and_then(|found| TlsLibrary::parse(&format!("openssl-{found}"))) {
        platform.tls_library = library;
        platform.assumed.retain(|what| what != "tls_library");
    }
    platform
}

/// `debian-12` of `ID=debian` and `VERSION_ID="12"`; `debian-sid` where Debian has no number.
fn system(files: &dyn FileSystem) -> Option<String> {
    let text = files.read(&files.locate(Path::new("/"), Path::new("/etc/os-release")), 1 << 20).ok()?;
    let text = String::from_utf8_lossy(&text);
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        Some(line.trim().trim_matches(['"', '\'']).to_owned())
    };
    let id = value("ID")?;
    let Some(version) = value("VERSION_ID") else {
        return Some(if id == "debian" { "debian-sid".to_owned() } else { id });
    };
    let whole = format!("{id}-{version}");
    let major = version.split('.').next().unwrap_or_default();
    // Systems that follow upstream have one page.
    if names().any(|name| name == id) {
        return Some(id);
    }
    Some(if names().any(|name| name == whole) { whole } else { main_name(&format!("{id}-{major}")).into_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Version;
    use crate::source::Memory;

    #[test]
    fn versions_come_from_the_package_database() {
        let mut files = Memory::new();
        let assumed = detect(&files, Part::Nginx);
        assert_eq!((assumed.name.as_str(), assumed.assumed.len()), ("debian-12", 4));
        files.insert("/etc/os-release", b"NAME=x\nID=debian\nVERSION_ID=\"12\"\n".to_vec());
        assert_eq!(detect(&files, Part::Nginx).assumed, ["platform", "server_version", "tls_library"]);
        files.insert(
            "/var/lib/dpkg/status",
            b"Package: nginx\nStatus: install ok installed\nVersion: 1.22.1-9+deb12u3\n\nPackage: libssl3\nStatus: install ok installed\nVersion: 3.0.17-1~deb12u2\n".to_vec(),
        );
        let found = detect(&files, Part::Nginx);
        assert_eq!(found.assumed, ["platform"]);
        assert_eq!((found.server_version, found.tls_library.version), (Version::new(1, 22, 1), Version::new(3, 0, 17)));
        let mut files = Memory::new();
        files.insert("/etc/os-release", b"ID=alpine\nVERSION_ID=3.22.1\n".to_vec());
        let installed = b"C:x\nP:nginx\nV:1.28.1-r2\nA:x86_64\n\nP:libssl3\nV:3.5.4-r0\n".to_vec();
        files.insert("/lib/apk/db/installed", installed);
        let found = detect(&files, Part::Nginx);
        assert_eq!((found.name.as_str(), found.server_version), ("alpine", Version::new(1, 28, 1)));
        assert_eq!(found.tls_library.version, Version::new(3, 5, 4));
        files.insert("/etc/os-release", b"ID=plan9\n".to_vec());
        assert_eq!(detect(&files, Part::Nginx).why, "this system, plan9, is not in the tables");
    }
}
