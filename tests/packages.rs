//! Versions from databases that the real rpm wrote (SQLite), and from one of Berkeley DB with the same headers, as rpm wrote it
//! until 4.16.

use std::path::Path;
use std::process::Command;

use shakedown::platform::{self, Part};
use shakedown::source::Disk;

/// Packages that matter, among others that fill pages.
const SPEC: &str = "\
Name: nginx-core
Version: 1.26.3
Release: 4.el9
Epoch: 2
Summary: x
License: x
BuildArch: noarch
%description
x
%files
%package -n openssl-libs
Summary: x
Version: 3.5.1
%description -n openssl-libs
x
%files -n openssl-libs
%package -n httpd-core
Summary: x
Version: 2.4.63
%description -n httpd-core
x
%files -n httpd-core
";

/// Makes a database of rpm's below a folder.
const BUILD: &str = r#"set -e
rpmbuild -bb --quiet --define "_topdir $PWD/top" all.spec
mkdir -p "$1"
rpm --dbpath "$PWD/$1" --initdb
rpm --force-debian --dbpath "$PWD/$1" -i --justdb --nodeps --noscripts top/RPMS/noarch/*.rpm
"#;

/// Writes the headers of one database into another, as `db_load` reads them.
const DUMP: &str = "\
import sqlite3, sys
print('VERSION=3\\nformat=bytevalue\\ntype=hash\\ndb_pagesize=4096\\nHEADER=END')
print(' 00000000\\n 01000000')
for number, blob in sqlite3.connect(sys.argv[1]).execute('select hnum, blob from Packages'):
    print(' ' + number.to_bytes(4, 'little').hex() + '\\n ' + blob.hex())
print('DATA=END')
";

fn run(folder: &Path, program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).current_dir(folder).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}: run tests/install"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What is found below a root for nginx and Apache: versions, and what is assumed all the same.
fn found(root: &Path) -> String {
    let mut out = String::new();
    for part in [Part::Nginx, Part::Apache] {
        let found = platform::detect(&Disk::below(root), part);
        out += &format!("{} {} {}; ", found.name, found.server_version, found.tls_library.name);
        assert_eq!(found.assumed, ["platform"], "{part:?}");
    }
    out
}

#[test]
fn versions_come_from_the_database_of_rpm() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let write = |path: &str, text: &str| {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    };
    // More than one page of a table, and headers that are longer than a page.
    let long = "x".repeat(20_000);
    let filler: String = (0..120)
        .map(|number| format!("%package -n filler{number}\nSummary: {long}\n%description -n filler{number}\nx\n%files -n filler{number}\n"))
        .collect();
    write("all.spec", &format!("{SPEC}{filler}"));
    for (root, database) in [("new", "new/usr/lib/sysimage/rpm"), ("nine", "nine/var/lib/rpm")] {
        write(&format!("{root}/etc/os-release"), "ID=rhel\nVERSION_ID=\"9.6\"\n");
        run(folder, "sh", &["-c", BUILD, "sh", database]);
        let told = found(&folder.join(root));
        assert_eq!(told, "rhel-9 1.26.3 openssl-3.5.1; rhel-9 2.4.63 openssl-3.5.1; ");
    }
    write("eight/etc/os-release", "ID=\"rhel\"\nVERSION_ID=\"8.10\"\n");
    write("eight/var/lib/rpm/dump.py", DUMP);
    let load =
        "cd eight/var/lib/rpm && python3 dump.py ../../../../nine/var/lib/rpm/rpmdb.sqlite | db5.3_load Packages";
    run(folder, "sh", &["-c", load]);
    let told = found(&folder.join("eight"));
    assert_eq!(told, "rhel-8 1.26.3 openssl-3.5.1; rhel-8 2.4.63 openssl-3.5.1; ");
    // Cut and altered databases are read as far as they go.
    for path in ["nine/var/lib/rpm/rpmdb.sqlite", "eight/var/lib/rpm/Packages"] {
        let whole = std::fs::read(folder.join(path)).expect("a database");
        for step in 1..64 {
            let mut broken = whole[..whole.len() * step / 64].to_vec();
            for at in (step..broken.len()).step_by(97 * step) {
                broken[at] ^= 0xff >> (step % 8);
            }
            std::fs::write(folder.join(path), &broken).expect("a file");
            let root = folder.join(path.split('/').next().expect("a root"));
            let _ = platform::detect(&Disk::below(root), Part::Nginx);
        }
    }
}
