//! Work of which one part can be done side by side and the other only in order.

use rayon::prelude::*;

/// How many items are prepared before they are put in their places.
const AT_ONCE: usize = 256;

/// Prepares items side by side and settles what came of them one by one, in their order.
///
/// Some at a time, since what is prepared is larger than what is kept of it: some are settled while the next are prepared.
pub(super) fn commit_in_order<T: Send, P: Send>(
    items: impl Iterator<Item = T>,
    prepare: impl Fn(T) -> P + Sync,
    mut commit: impl FnMut(P) + Send,
) {
    let mut items = items.fuse();
    let mut ready: Vec<P> = Vec::new();
    loop {
        let some: Vec<T> = items.by_ref().take(AT_ONCE).collect();
        if some.is_empty() {
            return ready.into_iter().for_each(&mut commit);
        }
        let prepare = || some.into_par_iter().map(&prepare).collect::<Vec<P>>();
        (ready, ()) = rayon::join(prepare, || ready.into_iter().for_each(&mut commit));
    }
}
