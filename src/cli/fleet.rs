//! Many targets, each judged for itself and then forgotten: copies of machines, and whatever is asked for as one line each.

use std::fs::File;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::format::Lines;
use super::hosts::Host;
use super::lint::LintArguments;
use super::resolve::ResolvedLint;
use super::{CLEAN, FAILED, lint, written};
use crate::diagnostic::Unchecked;
use crate::pipeline::{self, Failure, Run};
use crate::source::Disk;

/// Whether each target is judged for itself.
///
/// # Errors
/// Where copies of machines are to be changed, or held against what they were.
pub fn is_wanted(arguments: &LintArguments, disk: &Disk, asked: &ResolvedLint) -> Result<bool, Failure> {
    let changes = arguments.fix || arguments.unsafe_fixes || arguments.diff || arguments.add_ignores.is_some();
    let is_of_one = changes || arguments.write_baseline.is_some() || arguments.since.is_some();
    if arguments.format.lines.is_some_and(|lines| lines.is_for_one) && !is_of_one {
        return Ok(true);
    }
    if arguments.target.root.is_some() {
        return Ok(false);
    }
    let Some(path) = asked.paths.iter().find(|path| Host::is_one(path, disk, asked.options.server)) else {
        return Ok(false);
    };
    if is_of_one {
        let shown = path.display();
        let failure = Failure::new(format!("{shown} is the copy of a machine, which is only looked at"));
        return Err(failure.help(format!("name its folder with --root {shown}, and the configuration in it")));
    }
    Ok(true)
}

/// Judges all targets, several at a time. Formats of lines are written target by target, so that memory does not grow with
/// their number; the others have one document of all.
///
/// # Errors
/// Where the report cannot be written.
pub fn run(arguments: &LintArguments, disk: &Disk, asked: &ResolvedLint) -> Result<u8, Failure> {
    let here = [PathBuf::from("/")];
    let paths: &[PathBuf] = if asked.paths.is_empty() { &here } else { &asked.paths };
    if let Some(Lines { target, failed, .. }) = arguments.format.lines {
        let mut out = Output::open(arguments)?;
        let mut worst = CLEAN;
        let judge = |path: &Path| match look(path, disk, asked) {
            Ok(run) => (lint::code(&run, asked), target(path, &run)),
            Err(failure) => (FAILED, failed(path, &failure)),
        };
        each(paths, judge, |_, (code, text)| {
            worst = worst.max(code);
            out.write(text?.as_bytes())
        })?;
        return Ok(worst);
    }
    let mut all: Option<Run> = None;
    let mut failed: Vec<Unchecked> = Vec::new();
    let mut last = None;
    each(
        paths,
        |path| look(path, disk, asked),
        |path, done| {
            match done {
                Ok(run) => match &mut all {
                    Some(all) => all.append(run),
                    None => all = Some(run),
                },
                Err(failure) => {
                    let reason = format!("{}: {}", path.display(), failure.message);
                    failed.push(Unchecked { what: "target".into(), reason: reason.into(), at: None });
                    last = Some(failure);
                }
            }
            Ok(ControlFlow::Continue(()))
        },
    )?;
    let Some(mut all) = all else {
        return Err(last.unwrap_or_else(|| Failure::new("nothing to look at")));
    };
    let is_whole = failed.is_empty();
    all.unjudged.extend(failed);
    lint::show(&all, arguments)?;
    let code = lint::code(&all, asked);
    Ok(if is_whole { code } else { FAILED })
}

/// One target: the copy of a machine, or a configuration of this one.
fn look(path: &Path, disk: &Disk, asked: &ResolvedLint) -> Result<Run, Failure> {
    let host = match asked.options.root {
        Some(_) => None,
        None => Host::open(path, disk, &asked.options)?,
    };
    match host {
        Some(host) => pipeline::lint(&*host.files, &host.paths, &host.apply_to(&asked.options)),
        None if asked.paths.is_empty() => pipeline::lint(disk, &[], &asked.options),
        None => pipeline::lint(disk, &[path.to_path_buf()], &asked.options),
    }
}

/// Judges paths, as many at a time as there are workers, and hands on what came of each, in order. Threads of their own wait
/// for the pool, whose workers would otherwise take up one target on the stack of another.
fn each<T: Send>(
    paths: &[PathBuf],
    judge: impl Fn(&Path) -> T + Sync,
    mut take: impl FnMut(&Path, T) -> Result<ControlFlow<()>, Failure>,
) -> Result<(), Failure> {
    let judge = &judge;
    for some in paths.chunks(rayon::current_num_threads().max(1)) {
        let done: Vec<T> = std::thread::scope(|scope| {
            let begun: Vec<_> = some.iter().map(|path| scope.spawn(move || judge(path))).collect();
            let done = begun.into_iter().map(|one| one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            done.collect()
        });
        for (path, done) in some.iter().zip(done) {
            if take(path, done)?.is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Where lines go as they come.
struct Output<'a> {
    arguments: &'a LintArguments,
    out: Box<dyn Write>,
}

impl<'a> Output<'a> {
    fn open(arguments: &'a LintArguments) -> Result<Self, Failure> {
        let out: Box<dyn Write> = match &arguments.shared.output_file {
            Some(path) => match File::create(path) {
                Ok(file) => Box::new(file),
                Err(error) => {
                    written(&arguments.shared, Err(error))?;
                    Box::new(std::io::sink())
                }
            },
            None => Box::new(std::io::stdout().lock()),
        };
        Ok(Output { arguments, out })
    }

    /// Writes lines; where nobody reads on, there is no more to do.
    fn write(&mut self, text: &[u8]) -> Result<ControlFlow<()>, Failure> {
        let done = self.out.write_all(text).and_then(|()| self.out.flush());
        let is_over = done.is_err();
        written(&self.arguments.shared, done)?;
        Ok(if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}
