//! Calls into the engine that may panic: it trusts what its file says, and the file may be damaged.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether this thread is in such a call.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// What `call` gives; `None` if it panics, of which nothing is printed: the caller says it in a sentence.
pub(super) fn guarded<T>(call: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !GUARDED.get() {
                before(panic);
            }
        }));
    });
    let before = GUARDED.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(call));
    let is_guarded = GUARDED.replace(before);
    match result {
        Ok(result) => Some(result),
        Err(_) if is_guarded => None,
        // It was not the engine's.
        Err(panic) => panic::resume_unwind(panic),
    }
}

/// Runs code that is not the engine's within such a call: its panics go on.
pub(super) fn unguarded<T>(call: impl FnOnce() -> T) -> T {
    let before = GUARDED.replace(false);
    let result = call();
    GUARDED.set(before);
    result
}
