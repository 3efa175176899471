//! Runs inputs without dying of them, and makes those that panic as small as they can be.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};

use crate::Target;

/// How often minimizing tries at most.
const ATTEMPTS_MAX: usize = 20_000;

/// Where an execution panicked, and what it said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Crash {
    /// File and line, which tell crashes apart.
    pub place: String,
    /// The message.
    pub message: String,
}

thread_local! {
    static LAST: RefCell<Crash> = RefCell::new(Crash::default());
}

/// From here on panics are noted and not printed.
pub fn quiet() {
    set_hook(Box::new(|info| {
        let place = info.location().map_or_else(String::new, |at| format!("{}:{}", at.file(), at.line()));
        let text = info.payload().downcast_ref::<&str>().copied();
        let message = text.map(str::to_owned).or_else(|| info.payload().downcast_ref().cloned());
        let message: String = message.unwrap_or_default();
        LAST.with_borrow_mut(|last| *last = Crash { place, message });
    }));
}

/// Runs one input and says how it crashed, if it did. [`quiet`] comes first.
pub fn run(target: &Target, input: &[u8]) -> Option<Crash> {
    let result = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    result.is_err().then(|| LAST.with_borrow(Crash::clone))
}

/// The smallest input found that crashes in the same place.
pub fn minimize(target: &Target, input: &[u8], crash: &Crash) -> Vec<u8> {
    let mut best = input.to_vec();
    let mut attempts = 0;
    let mut same = |candidate: &[u8]| {
        attempts += 1;
        let found = attempts <= ATTEMPTS_MAX
            && run(target, candidate).is_some_and(|other| other.place == crash.place);
        (found, attempts > ATTEMPTS_MAX)
    };
    let mut size = best.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < best.len() {
            let mut candidate = best.clone();
            candidate.drain(at..(at + size).min(best.len()));
            match same(&candidate) {
                (true, _) => best = candidate,
                (false, true) => return best,
                (false, false) => at += size,
            }
        }
        size /= 2;
    }
    for at in 0..best.len() {
        let mut candidate = best.clone();
        candidate[at] = 0;
        if best[at] != 0 && same(&candidate).0 {
            best = candidate;
        }
    }
    best
}
