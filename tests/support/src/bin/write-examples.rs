//! Writes the examples of all rules' pages as trees of files, for other tools to be measured with:
//! `FOLDER/SERVER/bad|good/RULE-NUMBER/`.

use std::path::PathBuf;

use shakedown_testing::recipe::{example_files_of, write};

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).expect("a folder"));
    let pages = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../rules/lint");
    for entry in std::fs::read_dir(pages).expect("the pages") {
        let path = entry.expect("a page").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let page: toml::Table = std::fs::read_to_string(&path).expect("a page").parse().expect("TOML");
        let examples = page["example"].as_array().expect("examples");
        for (number, example) in examples.iter().enumerate() {
            let text = |name: &str| example.get(name).and_then(toml::Value::as_str);
            let server = text("server").expect("a server");
            // What another version or platform does, the tools at hand cannot tell.
            let is_other =
                ["platform", "server_version", "profile", "settings"].iter().any(|name| text(name).is_some());
            if server == "shakedown" || is_other || text("context") == Some("json") {
                continue;
            }
            let files = example.get("files").and_then(toml::Value::as_table).cloned().unwrap_or_default();
            let files = files.into_iter().collect();
            let (files, _) = example_files_of(server, text("config").expect("a text"), text("context"), &files);
            let kind = text("expect").expect("what is expected");
            write(&folder.join(server).join(kind).join(format!("{name}-{number}")), &files);
        }
    }
}
