//! Progress on the terminal, for runs that take longer than a second.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::Shared;
use crate::source::{FileSystem, Layer, ReadError};

/// How long a run may take before it shows that it is alive.
const PATIENCE: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(100);

/// A file system that counts what is read, and shows the count where somebody waits for it.
pub struct Progress<'a> {
    lower: &'a dyn FileSystem,
    read: Arc<AtomicUsize>,
    shown: Mutex<Option<(Sender<()>, JoinHandle<()>)>>,
}

impl<'a> Progress<'a> {
    /// Begins to count. Nothing is shown where standard error is no terminal, or the user wants quiet.
    pub fn start(lower: &'a dyn FileSystem, shared: &Shared) -> Self {
        let read = Arc::new(AtomicUsize::new(0));
        let is_shown = std::io::stderr().is_terminal() && !shared.quiet;
        let shown = is_shown.then(|| {
            let (sender, receiver) = mpsc::channel();
            let count = Arc::clone(&read);
            let thread = std::thread::spawn(move || {
                if receiver.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
                let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
                if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed}: {msg}") {
                    bar.set_style(style);
                }
                loop {
                    bar.set_message(format!("{} files read", count.load(Ordering::Relaxed)));
                    bar.tick();
                    if receiver.recv_timeout(TICK) != Err(RecvTimeoutError::Timeout) {
                        break;
                    }
                }
                bar.finish_and_clear();
            });
            (sender, thread)
        });
        Progress { lower, read, shown: Mutex::new(shown) }
    }

    /// Takes away what is shown, before anything else is written.
    pub fn end(&self) {
        let shown = self.shown.lock().ok().and_then(|mut shown| shown.take());
        if let Some((sender, thread)) = shown {
            drop(sender);
            let _ = thread.join();
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

impl Layer for Progress<'_> {
    fn lower(&self) -> &dyn FileSystem {
        self.lower
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Arc<[u8]>, ReadError> {
        self.read.fetch_add(1, Ordering::Relaxed);
        self.lower.read(path, limit)
    }
}
