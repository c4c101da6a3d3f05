//! `shakedown lint`.

use super::args::{Format, LintArguments};
use super::{CLEAN, FINDINGS, output, style};
use crate::diagnostic::Safety;
use crate::pipeline::{self, Failure, Fixed, Run};
use crate::source::FileSystem;
use crate::{fix, report};

/// Runs the command.
///
/// # Errors
/// Where the run cannot be done, or a fixed file cannot be written.
pub fn run(arguments: &LintArguments) -> Result<u8, Failure> {
    let files = arguments.target.files();
    let options = arguments.target.options(&arguments.paths, arguments.settings()?)?;
    let most = if arguments.unsafe_fixes { Safety::Unsafe } else { Safety::Safe };
    let wants_fixes = arguments.fix || arguments.unsafe_fixes;
    if arguments.diff {
        let before = pipeline::lint(&files, &arguments.paths, &options)?;
        let fixed = pipeline::fix(&files, &arguments.paths, &options, most)?;
        let changed = fixed.files.iter().map(|(path, (before, after))| (path.as_path(), &**before, &after[..]));
        output(&arguments.shared, &report::whole_patch(changed))?;
        return Ok(code(&before, arguments));
    }
    let run = if wants_fixes {
        let fixed = pipeline::fix(&files, &arguments.paths, &options, most)?;
        write(&files, &fixed)?;
        fixed.run
    } else {
        pipeline::lint(&files, &arguments.paths, &options)?
    };
    show(&run, arguments)?;
    Ok(code(&run, arguments))
}

/// Replaces the files that changed.
fn write(files: &dyn FileSystem, fixed: &Fixed) -> Result<(), Failure> {
    for (path, (before, after)) in &fixed.files {
        let real =
            files.canonical(path).map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))?;
        fix::replace(&real, before, after).map_err(|error| Failure::new(error.to_string()))?;
    }
    if fixed.applied > 0 {
        let (applied, changed) = (fixed.applied, fixed.files.len());
        eprintln!("fixed {applied} fault{} in {changed} file{}", plural(applied), plural(changed));
    }
    Ok(())
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// Shows a run in the wanted format.
pub fn show(run: &Run, arguments: &LintArguments) -> Result<(), Failure> {
    let report = match arguments.format {
        Format::Pretty => report::pretty(run, style(&arguments.shared, &std::io::stdout())),
        Format::Concise => report::concise(run),
        Format::Json => serde_json::to_string_pretty(&report::json::document(run))
            .map_err(|error| Failure::new(format!("cannot write the report: {error}")))?,
    };
    output(&arguments.shared, report.as_bytes())
}

/// What remains decides the exit code.
fn code(run: &Run, arguments: &LintArguments) -> u8 {
    let fails = arguments.fail_on.severity().is_some_and(|least| run.worst().is_some_and(|worst| worst >= least));
    let is_open = arguments.strict && !run.unjudged.is_empty();
    if fails || is_open { FINDINGS } else { CLEAN }
}
