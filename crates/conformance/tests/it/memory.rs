//! Our broker passes all cases in memory too: with one shard and with several, in many orders of turns,
//! with packets whole and in pieces. Time that a case waits costs nothing there.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Duration;

use colibri_codec::Version;
use colibri_conformance::network::{Connection, Network, Received, Sent};
use colibri_conformance::{Case, Context, Failure, Verdict, all_cases};
use colibri_sim::{Link, Random, World};

use crate::waivers;

/// How long an answer may take, on the clock of the world.
const PATIENCE: Duration = Duration::from_secs(5);

/// The Maximum Packet Size in bytes where packets come in pieces: each piece costs a turn of the broker.
const FRAGMENTED_SIZE_MAXIMUM: NonZeroU32 = NonZeroU32::new(100_000).unwrap();

/// How the worlds of one run differ from those of another: in the order of turns, in how many bytes the
/// broker reads at once, and in how many turns it may have after each send, before the client goes on.
const RUNS: [Run; 6] = [
    Run { seed: 1, fragment: usize::MAX, turns: 0 },
    Run { seed: 2, fragment: usize::MAX, turns: 4 },
    Run { seed: 3, fragment: 1, turns: 0 },
    Run { seed: 4, fragment: 7, turns: 0 },
    Run { seed: 5, fragment: 7, turns: 20 },
    Run { seed: 6, fragment: usize::MAX, turns: 2 },
];

/// One way to run all cases.
#[derive(Clone, Copy, Debug)]
struct Run {
    seed: u64,
    fragment: usize,
    /// A client goes on after fewer than so many turns of the broker, and without any if this is 0.
    turns: usize,
}

/// A world as the way to the server in it.
#[derive(Debug)]
struct Memory {
    world: World,
    /// How many turns come after a send.
    random: Rc<RefCell<Random>>,
    turns: usize,
}

/// A connection in a world.
#[derive(Debug)]
struct End {
    world: World,
    link: Link,
    random: Rc<RefCell<Random>>,
    turns: usize,
}

impl Memory {
    fn new(shards: usize, run: Run) -> Self {
        let mut config = colibri_sim::config(shards);
        if run.fragment < usize::MAX {
            config.limits.maximum_packet_size = FRAGMENTED_SIZE_MAXIMUM;
        }
        let world = World::with(config, run.seed);
        world.fragment(run.fragment);
        Self { world, random: Rc::new(RefCell::new(Random::new(run.seed))), turns: run.turns }
    }
}

impl Network for Memory {
    fn connect(&self, _: Duration) -> Result<Box<dyn Connection>, String> {
        let (world, random) = (self.world.clone(), Rc::clone(&self.random));
        Ok(Box::new(End { link: world.connect(), world, random, turns: self.turns }))
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.world.now())
    }

    fn wait(&self, time: Duration) {
        self.world.advance_millis(millis(time));
    }

    fn slack(&self) -> Duration {
        Duration::ZERO
    }
}

impl Connection for End {
    fn send(&mut self, bytes: &[u8]) -> Sent {
        self.link.send(bytes);
        self.world.turns(self.random.borrow_mut().below(self.turns));
        Sent::Gone
    }

    fn finish(&mut self) {
        self.link.end();
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.world.now())
    }

    fn receive(&mut self, time: Duration) -> Received {
        let end = self.world.now() + millis(time);
        self.world.run();
        loop {
            let bytes = self.link.take(usize::MAX);
            if !bytes.is_empty() {
                return Received::Bytes(bytes);
            }
            if self.link.is_closed() {
                return Received::Closed;
            }
            if self.world.now() >= end {
                return Received::Nothing;
            }
            self.world.pass(end);
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.link.end();
    }
}

/// In whole milliseconds, the unit of the world, and not less.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_micros().div_ceil(1000)).unwrap()
}

/// The statements that `cargo xtask mutants` asks for, with commas between them; none if it does not.
fn asked() -> Option<String> {
    std::env::var("COLIBRI_STATEMENTS").ok()
}

fn wanted(case: &Case, version: Version) -> bool {
    let ids: Vec<_> = case.heading().ids_of(version).collect();
    asked().map_or(!ids.is_empty(), |asked| asked.split(',').any(|id| ids.contains(&id)))
}

/// Runs all cases and gives how many there were; fails with a line `FAILED` for each that failed, and if those
/// that do not apply are not those that are known.
fn run_all(shards: usize, run: Run) -> usize {
    let (mut count, mut failures, mut inapplicable) = (0, String::new(), BTreeSet::new());
    for case in all_cases() {
        for version in [Version::V3_1_1, Version::V5] {
            if !wanted(case, version) {
                continue;
            }
            count += 1;
            let context = Context::new(Rc::new(Memory::new(shards, run)), version, PATIENCE, "memory");
            match case.judge(&context) {
                Verdict::Passed => {}
                Verdict::NotApplicable(_) => drop(inapplicable.insert(case.name)),
                Verdict::Failed(failure) => {
                    let Failure { sent, received, expected, came } = *failure;
                    let (ids, name) =
                        (case.heading().ids_of(version).collect::<Vec<_>>().join(","), case.name);
                    writeln!(failures, "FAILED {ids}: {name}").unwrap();
                    writeln!(failures, "sent {sent}\nreceived {received}\nexpected {expected}\ncame {came}")
                        .unwrap();
                }
            }
        }
    }
    assert!(failures.is_empty(), "{shards} shards, {run:?}\n{failures}");
    if asked().is_none() {
        assert_eq!(inapplicable, waivers::inapplicable(), "{shards} shards, {run:?}");
    }
    count
}

fn run_each(shards: usize) {
    for run in RUNS {
        let count = run_all(shards, run);
        assert!(count > 0, "no case is about what is asked for");
    }
}

#[test]
fn our_broker_passes_all_cases_in_memory_with_one_shard() {
    run_each(1);
}

#[test]
fn our_broker_passes_all_cases_in_memory_with_two_shards() {
    run_each(2);
}

#[test]
fn our_broker_passes_all_cases_in_memory_with_three_shards() {
    run_each(3);
}
