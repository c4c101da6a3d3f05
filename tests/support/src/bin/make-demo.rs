//! Writes the certificates and keys of the demo below `testdata/demo`.

use std::path::Path;

use shakedown_testing::recipe;

const KEY: &str = "text Throw-away key of shakedown's demo: use it nowhere.";

fn main() {
    let files: &[(&str, &[&str])] = &[
        ("root.pem", &["root"]),
        ("tls/api/cert.pem", &["leaf api.example.com key=ec11"]),
        ("tls/api/fullchain.pem", &["leaf api.example.com key=ec11", "intermediate"]),
        ("tls/api/privkey.pem", &[KEY, "key ec11"]),
        ("tls/default/fullchain.pem", &["leaf www.example.com key=ec12 from=-93 to=-3", "intermediate"]),
        ("tls/default/privkey.pem", &[KEY, "key ec12"]),
        ("tls/shop/fullchain.pem", &["leaf shop.example.com key=ec13", "intermediate"]),
        ("tls/shop/old.key", &[KEY, "key rsa13"]),
        ("tls/shop/privkey.pem", &[KEY, "key ec13"]),
    ];
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/demo");
    for (path, recipes) in files {
        std::fs::write(demo.join(path), recipe::file(recipes.iter().copied())).expect("testdata/demo can be written");
    }
}
