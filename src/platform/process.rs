//! Running servers, from `/proc` (proc(5)): nothing is sent to them.
//!
//! A start is known to a second or so: ticks since boot, and the second in which the machine was booted.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::source::FileSystem;

/// How many processes are looked at.
const MOST: usize = 16_384;

/// How many processes one worker looks at at a time.
const AT_ONCE: usize = 32;

/// Ticks a second in what `/proc` says (USER_HZ), on all systems that Linux runs on but two that are gone.
const TICKS: i64 = 100;

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// The number of the one that started it.
    pub parent: u32,
    /// The name of the program, at most 15 bytes.
    pub name: String,
    /// When it started, in seconds since 1970-01-01 UTC.
    pub started: i64,
    /// The folder of its entry, to read on.
    folder: PathBuf,
}

/// The processes of programs of these names. Those of containers are left out: they have numbers of their own.
pub fn processes(files: &dyn FileSystem, proc: &Path, names: &[&str]) -> Vec<Process> {
    let Some(booted) = booted(files, proc) else { return Vec::new() };
    let entries = files.list(proc).unwrap_or_default();
    let numbers = entries.iter().filter_map(|entry| entry.name.to_str()?.parse::<u32>().ok());
    let numbers: Vec<u32> = numbers.take(MOST).collect();
    let read = |pid: u32| {
        let folder = proc.join(pid.to_string());
        // What tells the name alone costs the kernel least, and few processes are of servers.
        if read(files, &folder.join("comm")).is_some_and(|name| !names.contains(&name.trim_end())) {
            return None;
        }
        let text = read(files, &folder.join("stat"))?;
        // The name stands in parentheses and may hold some itself.
        let (head, tail) = (text.find('(')?, text.rfind(')')?);
        let name = text.get(head + 1..tail)?;
        if !names.contains(&name) {
            return None;
        }
        let fields: Vec<&str> = text.get(tail + 1..)?.split_whitespace().collect();
        let parent = fields.get(1)?.parse().ok()?;
        let started = booted + fields.get(19)?.parse::<i64>().ok()? / TICKS;
        let is_gone = matches!(fields.first(), Some(&("Z" | "X")));
        let process = Process { pid, parent, name: name.to_owned(), started, folder };
        (!is_gone && !process.is_contained(files)).then_some(process)
    };
    numbers.into_par_iter().with_min_len(AT_ONCE).filter_map(read).collect()
}

/// When the machine was booted, in seconds since 1970-01-01 UTC by its clock. Absent where `/proc/stat` cannot be read.
pub fn booted(files: &dyn FileSystem, proc: &Path) -> Option<i64> {
    let text = read(files, &proc.join("stat"))?;
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

fn read(files: &dyn FileSystem, path: &Path) -> Option<String> {
    let bytes = files.read_of_kernel(path, 1 << 20).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

impl Process {
    /// Whether it has another number in a namespace of its own (`NSpid`).
    fn is_contained(&self, files: &dyn FileSystem) -> bool {
        let status = read(files, &self.folder.join("status")).unwrap_or_default();
        let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
        numbers.is_some_and(|numbers| numbers.split_whitespace().count() > 1)
    }

    /// Its arguments, as it shows them. A program may show others than it was started with.
    pub fn command(&self, files: &dyn FileSystem) -> Vec<String> {
        let text = read(files, &self.folder.join("cmdline")).unwrap_or_default();
        text.split('\0').filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    /// The folder that it runs in; absent where that may not be asked.
    pub fn working_folder(&self, files: &dyn FileSystem) -> Option<PathBuf> {
        files.link(&self.folder.join("cwd"))
    }

    /// A variable of the environment that it was started with; absent where that may not be asked.
    pub fn variable(&self, files: &dyn FileSystem, name: &str) -> Option<String> {
        let text = read(files, &self.folder.join("environ"))?;
        text.split('\0').find_map(|one| one.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Memory;

    #[test]
    fn processes_are_told_by_name_and_containers_left_out() {
        let mut files = Memory::new();
        files.insert("/proc/stat", b"cpu 1\nbtime 1000\n".as_slice());
        let mut add = |pid: u32, name: &str, parent: u32, ticks: u64, inside: &str| {
            let stat = format!("{pid} ({name}) S {parent} 1 1 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 {ticks} 0 0\n");
            files.insert(format!("/proc/{pid}/stat"), stat.into_bytes());
            files.insert(format!("/proc/{pid}/status"), format!("Name:\tx\nNSpid:\t{pid}{inside}\n").into_bytes());
            files.insert(format!("/proc/{pid}/cmdline"), b"nginx: master process nginx\0".as_slice());
        };
        add(7, "nginx", 1, 500, "");
        add(8, "nginx", 7, 900, "");
        add(9, "nginx", 1, 500, "\t1");
        add(10, "a) S 1 (b", 1, 500, "");
        let found = processes(&files, Path::new("/proc"), &["nginx"]);
        assert_eq!(
            found.iter().map(|one| (one.pid, one.parent, one.started)).collect::<Vec<_>>(),
            [(7, 1, 1005), (8, 7, 1009)]
        );
        assert_eq!(found[0].command(&files), ["nginx: master process nginx"]);
        assert_eq!(processes(&files, Path::new("/nowhere"), &["nginx"]), []);
    }
}
