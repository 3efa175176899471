//! What an execution came past, so that the explorer knows an input that does something new.
//!
//! The targets note what they see: the rule that a packet breaks, the state a connection is in. It is a
//! small stand-in for coverage that needs no instrumentation.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::hash::{BuildHasher as _, Hash};

use foldhash::fast::FixedState;

/// How many features one execution keeps.
const FEATURES_MAX: usize = 256;

thread_local! {
    static SHOWING: Cell<bool> = const { Cell::new(false) };
    static LISTENING: Cell<bool> = const { Cell::new(false) };
    static FEATURES: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// Begins to collect features on this thread.
pub fn listen() {
    LISTENING.set(true);
}

/// From here on operations are printed on this thread.
pub fn show() {
    SHOWING.set(true);
}

/// Prints an operation, if it is to be seen.
pub(crate) fn print(operation: &dyn fmt::Debug) {
    if SHOWING.get() {
        eprintln!("{operation:?}");
    }
}

/// Notes one feature of the execution under way.
pub fn note(feature: impl Hash) {
    if !LISTENING.get() {
        return;
    }
    let hash = FixedState::with_seed(0).hash_one(feature);
    FEATURES.with_borrow_mut(|features| {
        if features.len() < FEATURES_MAX {
            features.push(hash);
        }
    });
}

/// Hands every feature noted since the last call to `each`.
pub fn take(mut each: impl FnMut(u64)) {
    FEATURES.with_borrow_mut(|features| features.drain(..).for_each(&mut each));
}

/// A number in one of a few ranges, so that counts make few features.
pub(crate) const fn bucket(count: usize) -> u32 {
    usize::BITS - count.leading_zeros()
}
