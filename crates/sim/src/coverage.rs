//! What runs have come through: how often each fault and each state that is worth it has happened.

use std::collections::BTreeMap;
use std::fmt;

/// Faults and states, each with the number of runs that had it and how often they did in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    counts: BTreeMap<&'static str, (u64, u64)>,
}

/// Everything that some run among a few hundred has to come through.
const ALL: [&str; 47] = [
    "a client is driven by the state machine, 3.1.1",
    "a client is driven by the state machine, 5.0",
    "a client of the state machine has to wait for Receive Maximum",
    "a client of the state machine makes new again what its lost session had",
    "a client breaks the protocol",
    "a client falls silent",
    "a client is taken over by itself",
    "a client is taken over from elsewhere",
    "a client leaves some bytes and goes",
    "a client leaves with its will",
    "a client reads nothing while output waits for it",
    "a commit fails before it is written",
    "a commit fails when it is written",
    "a connection is cut",
    "a delayed will comes",
    "a dead connection is found out by its Keep Alive",
    "a disk fills up",
    "a full disk refuses something",
    "a message comes again",
    "a message expires",
    "a message is refused with 0x97 for a full queue",
    "a packet comes in single bytes",
    "a power loss loses what was written",
    "a power loss spares what was not synced",
    "a power loss takes back an acknowledged message",
    "a queue loses a message: disconnect",
    "a queue loses a message: drop newest",
    "a queue loses a message: drop oldest",
    "a receiver is disconnected for its full queue",
    "a retained message comes",
    "a session is resumed",
    "a sync fails",
    "a will comes",
    "acknowledgements wait in a gate",
    "durability none",
    "durability periodic",
    "durability sync",
    "some clients are unsynced",
    "a kill takes back what an unsynced client was told",
    "messages are in the store alone",
    "the broker starts where it was killed",
    "the disk is slow while something waits for it",
    "the power fails",
    "the process is killed",
    "the process is suspended",
    "the wall clock goes back",
    "the wall clock goes forward",
];

impl Coverage {
    /// Notes that something happened in this run.
    pub(crate) fn note(&mut self, what: &'static str) {
        debug_assert!(ALL.contains(&what), "{what} is not in the list");
        let (runs, times) = self.counts.entry(what).or_default();
        *runs = 1;
        *times += 1;
    }

    /// Notes it if it is so.
    pub(crate) fn note_if(&mut self, is_so: bool, what: &'static str) {
        if is_so {
            self.note(what);
        }
    }

    /// Adds what other runs have come through.
    pub fn add(&mut self, other: &Self) {
        for (what, (runs, times)) in &other.counts {
            let sum = self.counts.entry(what).or_default();
            sum.0 += runs;
            sum.1 += times;
        }
    }

    /// What none of the runs has come through.
    pub fn missing(&self) -> Vec<&'static str> {
        ALL.into_iter().filter(|what| !self.counts.contains_key(what)).collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for what in ALL {
            let (runs, times) = self.counts.get(what).copied().unwrap_or_default();
            writeln!(f, "{runs:>8} runs {times:>9} times  {what}")?;
        }
        Ok(())
    }
}
