//! What each fuzz target does with some bytes, and the seeds that it begins with. `tests/replay.rs` holds the same functions
//! against the stored corpora on a stable toolchain.
//!
//! ```text
//! SHAKEDOWN_SEEDS=fuzz/seeds cargo test --test replay
//! cargo +nightly fuzz run -s none nginx fuzz/corpus/nginx fuzz/seeds/nginx -- -max_total_time=180 -max_len=4096
//! ```

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use shakedown::diagnostic::{Edit, Fix, Safety, UncheckedReason};
use shakedown::model::ServerKind;
use shakedown::pipeline::{self, Options, TrustSource};
use shakedown::platform::{self, Part};
use shakedown::server::{self, Completeness, Input, Outline, Root, nginx};
use shakedown::source::archive::{self, Archive, Bounds};
use shakedown::source::{FileId, FileSystem, Limits, Memory, Sources, Span, Text};
use shakedown::tls::{cipher, group, signature};
use shakedown::{config, fix, lint, pki, report};
use shakedown_testing::{NOW, der, recipe};

/// A target by its name.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("nginx", nginx),
    ("apache", apache),
    ("caddyfile", caddyfile),
    ("caddy-json", caddy_json),
    ("ciphers", ciphers),
    ("pem", pem),
    ("comments", comments),
    ("settings", settings),
    ("archive", archive),
    ("fixes", fixes),
];

/// What divides the bytes of one input into files: the main file, then `a.conf`, `b.conf` and so on.
const DIVIDER: &[u8] = b"\n==\n";

/// Certificates and keys that every configuration may name.
static STANDARD: LazyLock<BTreeMap<String, Arc<[u8]>>> = LazyLock::new(|| {
    let mut all = recipe::standard_files();
    all.insert("root.crt".to_owned(), recipe::root().pem().into_bytes());
    all.into_iter().map(|(path, bytes)| (path, bytes.into())).collect()
});

fn divided(data: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let mut rest = data;
    while let Some(at) = rest.windows(DIVIDER.len()).position(|window| window == DIVIDER) {
        parts.push(&rest[..at]);
        rest = &rest[at + DIVIDER.len()..];
    }
    parts.push(rest);
    parts
}

/// A tree with the standard certificates, and the main file's text.
fn tree(main: &str, data: &[u8]) -> (Memory, Arc<[u8]>) {
    let mut files = Memory::new();
    for (path, bytes) in &*STANDARD {
        files.insert(path, Arc::clone(bytes));
    }
    let parts = divided(data);
    for (part, name) in parts[1..].iter().zip(b'a'..=b'z') {
        files.insert(format!("{}.conf", char::from(name)), part.to_vec());
    }
    let text: Arc<[u8]> = parts[0].into();
    files.insert(main, Arc::clone(&text));
    (files, text)
}

/// Reads a configuration as the server would. Bounds are small, so that what multiplies is met soon.
fn read(kind: ServerKind, part: Part, main: &str, data: &[u8]) {
    let (files, text) = tree(main, data);
    let limits =
        Limits { includes: 200, include_depth: 10, config_file: 1 << 20, pem_file: 1 << 20, ..Limits::default() };
    let mut sources = Sources::new();
    let platform = platform::find("debian-12", part).expect("a platform of this project");
    let forms = [Completeness::Whole, Completeness::Fragment { prefix: None }];
    for form in forms {
        let root = Root { path: PathBuf::from(main), bytes: Arc::clone(&text), text: Text::File };
        let input = Input { roots: vec![root], form, definitions: vec![("SET".to_owned(), Some("443".to_owned()))] };
        let understood = server::read(kind, &files, &mut sources, &limits, input, platform.clone());
        for problem in &understood.deployment().problems {
            sound(&sources, problem.at);
            problem.related.iter().for_each(|label| sound(&sources, label.span));
        }
    }
    ordered(&text, &server::outline(kind, Path::new(main), &text));
}

/// A place lies inside its text, and leads to one in a file.
fn sound(sources: &Sources, span: Span) {
    assert!(span.start <= span.end && span.end as usize <= sources.file(span.file).bytes().len(), "{span:?}");
    let shown = sources.resolve_span(span).span;
    assert!(shown.start <= shown.end && shown.end as usize <= sources.file(shown.file).bytes().len(), "{shown:?}");
    sources.positions(shown);
}

fn ordered(text: &[u8], outline: &Outline) {
    for one in outline.comments.iter().chain(&outline.directives) {
        assert!(one.start <= one.end && one.end as usize <= text.len());
    }
}

/// nginx: a tree tells its text back, and is lowered.
pub fn nginx(data: &[u8]) {
    let text = divided(data)[0];
    let tree = nginx::syntax::parse(text);
    let mut pieces: Vec<(u32, u32)> = tree.words.iter().map(|word| (word.start, word.end)).collect();
    pieces.extend(&tree.comments);
    pieces.sort_unstable();
    for pair in pieces.windows(2) {
        assert!(pair[0].1 <= pair[1].0, "words and comments follow one another");
    }
    assert!(pieces.iter().all(|(start, end)| start <= end && *end as usize <= text.len()));
    read(ServerKind::Nginx, Part::Nginx, "nginx.conf", data);
}

/// Apache httpd.
pub fn apache(data: &[u8]) {
    read(ServerKind::Apache, Part::Apache, "apache2.conf", data);
}

/// A Caddyfile.
pub fn caddyfile(data: &[u8]) {
    read(ServerKind::Caddy, Part::Caddy, "Caddyfile", data);
}

/// Caddy's JSON.
pub fn caddy_json(data: &[u8]) {
    read(ServerKind::Caddy, Part::Caddy, "caddy.json", data);
}

/// The grammar of cipher strings, suites of TLS 1.3, groups and signature algorithms, in every release.
pub fn ciphers(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for version in [[1, 1, 1], [3, 0, 19], [3, 5, 0]] {
        for library in [cipher::CipherLibrary::of(version), cipher::CipherLibrary::with_weak_suites(version)] {
            let found = cipher::expand(library, &text);
            let within = |at: &std::ops::Range<usize>| text.get(at.clone()).is_some();
            assert!(found.ignored.iter().all(|one| within(&one.item) && one.word.as_ref().is_none_or(within)));
            if let Some(cipher::CipherError::InvalidCommand(at)) = found.error {
                assert!(at <= text.len());
            }
            let mut seen: Vec<u16> = found.suites.iter().map(|one| one.suite.code_point).collect();
            seen.sort_unstable();
            let count = seen.len();
            seen.dedup();
            assert_eq!(seen.len(), count, "a suite stands once in a list");
        }
        if let Err(at) = cipher::Tls13Suite::parse(version, &text) {
            assert!(text.get(at).is_some());
        }
        if let Err(error) = group::GroupList::parse(version, &text) {
            assert!(text.get(error.at).is_some());
        }
    }
    if let Err(at) = signature::parse(&text) {
        assert!(text.get(at).is_some());
    }
}

/// Labels of the blocks that are looked into.
const LABELS: &[&str] = &[
    "CERTIFICATE",
    "TRUSTED CERTIFICATE",
    "PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
    "RSA PRIVATE KEY",
    "EC PRIVATE KEY",
    "DH PARAMETERS",
    "X509 CRL",
    "EC PARAMETERS",
];

/// PEM as it stands, and DER in a block of the kind that the first byte names.
pub fn pem(data: &[u8]) {
    pem_file(data);
    let Some((first, inside)) = data.split_first() else { return };
    let _ = pki::OcspResponse::parse(inside);
    let label = LABELS[usize::from(*first) % LABELS.len()];
    pem_file(der::pem(label, inside).as_bytes());
}

fn pem_file(text: &[u8]) {
    // Stretching a password is as slow as the file says: what is never opened costs nothing.
    let file = pki::PemFile::read(PathBuf::from("a.pem"), FileId(0), text, &[]);
    for block in &file.blocks {
        assert!(block.span.start <= block.head.start && block.head.end <= block.span.end);
        assert!(block.span.end as usize <= text.len());
    }
    let key = file.key().and_then(|(_, key)| key.as_ref().ok());
    for (_, certificate) in file.certificates() {
        certificate.names();
        certificate.short_name();
        certificate.matches_host("www.a.test", true);
        certificate.matches_host("xn--bcher-kva.test", false);
        certificate.is_self_signed();
        certificate.digest_bits();
        key.map(|key| key.belongs_to(certificate));
    }
    file.leaf_of(key);
    file.certificate_fault();
    file.dh_bits();
    file.revocations().count();
    if !pki::holds_key(text) {
        assert!(!file.is_secret(), "what holds a key is known before it is parsed");
    }
    pki::without_secrets(text, &[]);
    let mut anchors = pki::Anchors::new();
    anchors.add_store(text);
}

/// Comments that leave findings out, in each language.
pub fn comments(data: &[u8]) {
    let rules = lint::Rules::default();
    for (kind, main) in
        [(ServerKind::Nginx, "nginx.conf"), (ServerKind::Apache, "apache2.conf"), (ServerKind::Caddy, "Caddyfile")]
    {
        let outline = server::outline(kind, Path::new(main), data);
        ordered(data, &outline);
        let (found, problems) = lint::suppression::read(data, FileId(0), &outline, &rules);
        let within = |span: Span| span.start <= span.end && span.end as usize <= data.len();
        assert!(problems.iter().all(|problem| within(problem.at)));
        for one in found {
            assert!(within(one.at) && within(one.removal.span));
            assert!(!data[one.at.start as usize..one.at.end as usize].trim_ascii().is_empty());
            one.unused();
        }
    }
}

/// `shakedown.toml`, rules of one's own, and lists of known findings.
pub fn settings(data: &[u8]) {
    let mut files = Memory::new();
    files.insert("shakedown.toml", data.to_vec());
    files.insert("rules/mine.toml", divided(data).last().copied().unwrap_or_default().to_vec());
    files.insert("nginx/nginx.conf", b"events {}".to_vec());
    let text: Arc<[u8]> = divided(data)[0].into();
    match config::parse(&files, Path::new("shakedown.toml"), Arc::clone(&text)) {
        Ok(_) => {}
        Err(error) => assert!(error.at.0 >= 1 && error.at.1 >= 1),
    }
    let _ = report::baseline::parse(data);
}

/// Archives: what is read stays inside.
pub fn archive(data: &[u8]) {
    let bounds = Bounds { members: 200, member: 1 << 16, whole: 1 << 20 };
    archive::looks_like(data);
    let Ok(tree) = archive::read(data, bounds) else { return };
    let paths: Vec<PathBuf> = tree.iter().map(|(path, _)| path.to_path_buf()).collect();
    assert!(paths.len() <= bounds.members);
    let files = Archive::new(tree, PathBuf::from("nginx"));
    for path in paths {
        let plain = |path: &Path| path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        assert!(plain(&path), "{}", path.display());
        if let Ok(real) = files.canonical(&path) {
            assert!(plain(&real), "{} leads to {}", path.display(), real.display());
        }
        let located = files.locate(Path::new("nginx"), &Path::new("/").join(&path));
        if let Ok(bytes) = files.read(&located, bounds.member) {
            assert!(bytes.len() as u64 <= bounds.member);
        }
        let _ = (files.metadata(&path), files.list(&path), files.link(&path));
    }
    let _ = files.list(Path::new(""));
}

/// All rules over a tree, and what their fixes make of it: bytes outside the edits stay, and a second round ends.
pub fn fixes(data: &[u8]) {
    let Some((first, text)) = data.split_first() else { return };
    arbitrary(text);
    let main = ["nginx.conf", "apache2.conf", "Caddyfile", "caddy.json"][usize::from(*first) % 4];
    let (files, _) = tree(main, text);
    let options = Options {
        platform: Some("debian-12".into()),
        now: NOW,
        trust: vec![TrustSource::File("root.crt".into())],
        limits: Limits {
            includes: 200,
            include_depth: 10,
            config_file: 1 << 20,
            pem_file: 1 << 20,
            ..Limits::default()
        },
        ..Options::default()
    };
    let paths = [PathBuf::from(main)];
    let Ok(run) = pipeline::lint(&files, &paths, &options) else { return };
    assert!(!run.unjudged.iter().any(|one| matches!(one.reason, UncheckedReason::Defect(_))), "{:?}", run.unjudged);
    for finding in &run.findings {
        sound(&run.sources, finding.primary.span);
        finding.related.iter().for_each(|label| sound(&run.sources, label.span));
    }
    kept(&run.sources, run.findings.iter().filter_map(|finding| finding.fix.as_deref()));
    for most in [Safety::Safe, Safety::Unsafe] {
        let Ok(fixed) = pipeline::fix(&files, &paths, &options, most) else { continue };
        for (path, (before, _)) in &fixed.files {
            assert_eq!(files.read(path, u64::MAX).as_deref(), Ok(&**before));
            assert!(!path.to_string_lossy().ends_with(".key"));
        }
    }
}

/// Edits that the bytes themselves describe: four of them are a place, a length and what stands there.
fn arbitrary(data: &[u8]) {
    let mut sources = Sources::new();
    let file = sources.add("a", &b"0123456789abcdefghijklmnopqrstuvwxyz"[..], Text::File);
    let edit = |four: &[u8]| {
        let start = u32::from(four[0] % 37);
        let end = (start + u32::from(four[1] % 8)).min(36);
        Edit { span: Span::new(file, start, end), text: "#".repeat(usize::from(four[2] % 4)) }
    };
    let edits: Vec<Edit> = data.chunks_exact(4).take(64).map(edit).collect();
    let groups = edits.chunks(1 + data.len() % 3);
    let fixes: Vec<Fix> =
        groups.map(|edits| Fix { title: String::new(), safety: Safety::Safe, edits: edits.to_vec() }).collect();
    kept(&sources, &fixes);
}

/// What applied fixes leave of a text: taken apart at the edits, all between them is there still.
fn kept<'f>(sources: &Sources, fixes: impl IntoIterator<Item = &'f Fix>) {
    let chosen = fix::choose(fixes);
    for (file, after) in fix::apply(sources, &chosen) {
        let before = sources.file(file).bytes();
        let mut edits: Vec<&Edit> =
            chosen.iter().flat_map(|fix| &fix.edits).filter(|edit| edit.span.file == file).collect();
        edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
        edits.dedup();
        let (mut read, mut written) = (0, 0);
        for edit in edits {
            let (start, end) = (edit.span.start as usize, edit.span.end as usize);
            assert!(start >= read && end <= before.len(), "edits that were chosen do not overlap");
            let between = &before[read..start];
            assert_eq!(&after[written..written + between.len()], between);
            written += between.len();
            assert_eq!(&after[written..written + edit.text.len()], edit.text.as_bytes());
            written += edit.text.len();
            read = end;
        }
        assert_eq!(&after[written..], &before[read..]);
    }
    for one in chosen {
        fix::patch(sources, one);
    }
}

/// The folder of the project.
pub fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    if own.ends_with("fuzz") { own.parent().expect("a folder") } else { own }
}

/// The inputs that a target begins with, from the pages of the rules and the data of the tests.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    let root = root();
    let file = |path: &str| std::fs::read(root.join(path)).expect("a file of this project");
    let folder = |path: &str| -> Vec<Vec<u8>> {
        let entries = std::fs::read_dir(root.join(path)).expect("a folder of this project").flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
        paths.sort();
        paths.iter().map(|path| std::fs::read(path).expect("a file")).collect()
    };
    let examples = |server: &str, is_json: bool| -> Vec<Vec<u8>> {
        let all = lint::rules().iter().flat_map(|rule| &rule.page().example);
        let all = all.filter(|one| one.server == server && (one.context.as_deref() == Some("json")) == is_json);
        let text = |one: &lint::page::Example| {
            let (files, shown) = recipe::example_files_of(&one.server, &one.config, one.context.as_deref(), &one.files);
            let main = recipe::main_file(server);
            match shown == main || server == "caddy" {
                true => files[shown].clone(),
                false => {
                    let around = String::from_utf8_lossy(&files[main]).replace(shown, "a.conf").into_bytes();
                    [&around, DIVIDER, &files[shown]].concat()
                }
            }
        };
        all.map(text).collect()
    };
    match target {
        "nginx" => [examples("nginx", false), folder("testdata/demo"), folder("testdata/demo/sites")].concat(),
        "apache" => [examples("apache", false), folder("testdata/compare/apache")].concat(),
        "caddyfile" => [examples("caddy", false), folder("testdata/caddy")].concat(),
        "caddy-json" => examples("caddy", true),
        "ciphers" => {
            let lines = String::from_utf8(file("testdata/ciphers/strings.tsv")).expect("text");
            let strings = lines.lines().filter_map(|line| line.split('\t').nth(2));
            strings.map(|one| one.trim_matches('"').as_bytes().to_vec()).collect()
        }
        "pem" => {
            let recipes = [
                "leaf a.test",
                "leaf *.a.test key=rsa1",
                "intermediate",
                "root",
                "key ec1",
                "key rsa1",
                "encrypted ec1 password=x",
                "sec1 ec1",
            ];
            let whole: Vec<Vec<u8>> = recipes.iter().map(|one| recipe::file([*one])).collect();
            let single = |recipe: &&str| [&[0][..], &recipe::certificate(recipe).der()].concat();
            let inside = recipes[..4].iter().map(single);
            whole.iter().cloned().chain(inside).collect()
        }
        "comments" => {
            let all = [seeds("nginx"), seeds("apache"), seeds("caddyfile")].concat();
            let mut marked: Vec<Vec<u8>> = all.into_iter().filter(|text| lint::suppression::is_marked(text)).collect();
            let plain = [
                "# shakedown: ignore[certificate-expired] until spring\nserver { listen 443 ssl; }\n",
                "server {\n  # shakedown: ignore-block[weak-cipher, certificate-expired] old machines\n  listen 443 ssl;\n}\n",
                "# shakedown: ignore-file[certificate-expired] all of them\nListen 443\n",
                "a.test # shakedown: ignore[nothing]\n",
            ];
            marked.extend(plain.iter().map(|text| text.as_bytes().to_vec()));
            marked
        }
        "settings" => {
            let known = config::Found::default();
            let mut all = vec![config::starter(&known).into_bytes()];
            all.push(b"platform = \"debian-12\"\ntrust = [\"root.pem\"]\nselect = [\"certificate-expired\"]\nfail-on = \"error\"\n[severity]\ncertificate-expired = \"info\"\n[[per-path]]\npaths = [\"a/*\"]\nignore = [\"weak-cipher\"]\n".to_vec());
            all.push(b"{\"version\":1,\"findings\":[]}".to_vec());
            let pages = lint::rules()
                .iter()
                .take(40)
                .map(|rule| [&b"rules = \"rules\"\n"[..], DIVIDER, rule.source.as_bytes()].concat());
            all.extend(pages);
            all
        }
        "archive" => {
            let mut builder = tar::Builder::new(Vec::new());
            for (path, text) in [("nginx/nginx.conf", "events {}"), ("nginx/on/a.conf", "server {}")] {
                let mut header = tar::Header::new_gnu();
                header.set_size(text.len() as u64);
                header.set_mode(0o644);
                builder.append_data(&mut header, path, text.as_bytes()).expect("in memory");
            }
            let mut link = tar::Header::new_gnu();
            link.set_entry_type(tar::EntryType::Symlink);
            link.set_size(0);
            builder.append_link(&mut link, "nginx/to", "../nginx/on").expect("in memory");
            link.set_entry_type(tar::EntryType::Link);
            builder.append_link(&mut link, "nginx/hard", "nginx/nginx.conf").expect("in memory");
            let long = "long/".repeat(40) + "name";
            let mut header = tar::Header::new_gnu();
            header.set_size(1);
            builder.append_data(&mut header, long, &b"x"[..]).expect("in memory");
            let plain = builder.into_inner().expect("in memory");
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packed.write_all(&plain).expect("in memory");
            vec![plain, packed.finish().expect("in memory")]
        }
        "fixes" => {
            let with = |first: u8, texts: Vec<Vec<u8>>| -> Vec<Vec<u8>> {
                texts.into_iter().map(|text| [&[first][..], &text].concat()).collect()
            };
            let json = with(3, seeds("caddy-json"));
            [with(0, seeds("nginx")), with(1, seeds("apache")), with(2, seeds("caddyfile")), json].concat()
        }
        _ => Vec::new(),
    }
}
