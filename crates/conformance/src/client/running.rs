//! The clients that run now, so that none of them outlives its case or the suite.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// The process groups, each led by a client that was not waited for: its number is nobody else's until then.
static RUNNING: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// A process group that is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Group(i32);

impl Group {
    /// The group that the process with this number leads.
    pub(super) fn new(leader: u32) -> Self {
        let group = i32::try_from(leader).unwrap_or(i32::MAX);
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).insert(group);
        Self(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
        kill(self.0);
    }
}

fn kill(group: i32) {
    match killpg(Pid::from_raw(group), Signal::SIGKILL) {
        // A group without a living process is as good as a killed one.
        Ok(()) | Err(_) => {}
    }
}

/// Kills all clients that run, for a suite that is interrupted: they are in process groups of their own, which
/// a terminal's Ctrl-C does not reach.
pub fn kill_all() {
    let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    running.iter().copied().for_each(kill);
}
