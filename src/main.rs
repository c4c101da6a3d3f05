//! Parses arguments, calls the library, maps the outcome to an exit code.

use std::process::ExitCode;

/// A run makes many small values from several threads, for which glibc's allocator asks the kernel thousands of times.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    shakedown::cli::main()
}
