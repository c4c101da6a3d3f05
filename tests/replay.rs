//! The fuzz targets on a stable toolchain: each holds its seeds and its stored corpus (`fuzz/corpus`), which has what earlier
//! runs found worth keeping. With `SHAKEDOWN_SEEDS=FOLDER` the seeds are written there, for `cargo fuzz run`.

use std::path::{Path, PathBuf};

#[path = "../fuzz/src/lib.rs"]
mod targets;

fn stored(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = std::fs::read_dir(targets::root().join("fuzz/corpus").join(target)) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read(path).expect("an input"))).collect()
}

#[test]
fn seeds_and_stored_inputs_are_held() {
    for (name, target) in targets::TARGETS {
        let seeds = targets::seeds(name);
        assert!(seeds.len() >= 2, "{name} has {} seeds", seeds.len());
        if let Some(folder) = std::env::var_os("SHAKEDOWN_SEEDS") {
            let folder = Path::new(&folder).join(name);
            std::fs::create_dir_all(&folder).expect("a folder");
            for (number, seed) in seeds.iter().enumerate() {
                std::fs::write(folder.join(format!("{number:04}")), seed).expect("a file");
            }
        }
        // Other tests judge each of them as it stands.
        let step = if *name == "fixes" { 23 } else { 1 + seeds.len() / 100 };
        seeds.iter().step_by(step).for_each(|seed| target(seed));
        for (path, input) in stored(name) {
            let done = std::panic::catch_unwind(|| target(&input));
            assert!(done.is_ok(), "{}", path.display());
        }
    }
}
