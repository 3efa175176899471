//! What can be seen of a broker from beside it: whether it keeps to its limits, syncs when it has to, and
//! leaves nothing in its store that nobody needs.

use colibri_broker::{Config, Durability, QueueFull};
use colibri_storage::{Rows, Store, Table};

use crate::client::{LARGE, PUBLISHED_MAX};
use crate::oracle::Oracle;
use crate::workload::CLIENTS;
use crate::{Coverage, Setting, World};

/// How many messages each client has under way at most.
const PUBLISHED: usize = PUBLISHED_MAX as usize;
/// The bytes of a packet with a large message, and some more.
const PACKET: usize = LARGE + 200;
/// Answers for everything that clients may have under way, and some more.
const ANSWERS: usize = 4 * PUBLISHED * CLIENTS * 10;

/// The limits of a broker, and when it was last seen to keep to them.
#[derive(Debug)]
pub(crate) struct Watch {
    output: usize,
    waiting: usize,
    in_flight: usize,
    durability: Durability,
    /// How many messages waited for one session at most when the process began, and have not been taken since.
    left_over: usize,
    /// How far the store is synced if that is not all, and since when it has been seen to be so.
    unsynced: Option<(u64, u64)>,
}

/// Notes for the coverage what kind of run it is.
pub(crate) fn note_setting(coverage: &mut Coverage, setting: &Setting) {
    coverage.note(match setting.durability {
        Durability::Sync => "durability sync",
        Durability::Periodic(_) => "durability periodic",
        Durability::None => "durability none",
    });
    coverage.note_if(setting.unsynced != 0, "some clients are unsynced");
    coverage.note_if(setting.fragment == Some(1), "a packet comes in single bytes");
}

impl Watch {
    pub(crate) fn new(config: &Config) -> Self {
        let in_flight = usize::from(config.send_maximum.get());
        // A resumed session has all that was under way sent again at once, whatever the budget.
        let output = config.output_budget + (in_flight + PUBLISHED) * PACKET + ANSWERS;
        let queued = config.queued_messages_maximum;
        let waiting = match config.queue_full {
            // What another shard acknowledged before it could know is kept: no more than all clients have under way.
            QueueFull::BySession | QueueFull::Refuse if config.shards > 1 => 2 * queued + PUBLISHED * CLIENTS,
            QueueFull::BySession | QueueFull::Refuse => 2 * queued,
            QueueFull::DropOldest | QueueFull::DropNewest | QueueFull::Disconnect => queued,
        };
        Self { output, waiting, in_flight, durability: config.durability, left_over: 0, unsynced: None }
    }

    /// A process has begun with what was stored. More may wait than a queue takes: what was sent and is not
    /// stored as such waits again, and so does what a full queue has dropped, which is deleted behind the joints
    /// of its turn and may be parted from them by a crash. A turn has no more than all clients have under way.
    pub(crate) fn process_begins(&mut self, world: &World, oracle: &mut Oracle) {
        self.left_over = world.holdings().waiting;
        let limit = self.waiting + self.in_flight + (PUBLISHED + 1) * CLIENTS;
        if self.left_over > limit {
            let found = self.left_over;
            oracle.fail(format!(
                "{found} messages wait for one session behind a crash, and {limit} is the limit"
            ));
        }
    }

    /// Looks at the broker after a step.
    pub(crate) fn look(&mut self, world: &World, oracle: &mut Oracle) {
        let held = world.holdings();
        // While the store takes nothing there may be more.
        let tickets = if oracle.may_refuse { 1 << 16 } else { 512 } + 8;
        // Nothing comes to a queue that had more than it takes.
        self.left_over = self.left_over.min(held.waiting);
        let waiting = self.waiting.max(self.left_over);
        let limits = [
            ("bytes of output wait for one client", held.output, self.output),
            ("bytes are in one gate", held.gate, self.output),
            ("bytes of one client are not dealt with", held.unread, 2 * PUBLISHED * PACKET),
            ("messages wait for one session", held.waiting, waiting),
            ("messages are under way to one session", held.in_flight, self.in_flight),
            ("turns wait for the store", held.open_tickets, tickets),
        ];
        for (what, found, limit) in limits {
            if found > limit {
                oracle.fail(format!("{found} {what}, and {limit} is the limit"));
            }
        }
        let metrics = world.metrics();
        let coverage = &mut oracle.coverage;
        coverage.note_if(held.output > 0, "a client reads nothing while output waits for it");
        coverage.note_if(held.gate > 0, "acknowledgements wait in a gate");
        coverage.note_if(metrics.spilled_messages > 0, "messages are in the store alone");
        coverage.note_if(metrics.refused_storage > 0, "a full disk refuses something");
        coverage.note_if(
            world.is_stalled() && held.open_tickets > 0,
            "the disk is slow while something waits for it",
        );
    }

    /// A process has come to its end, or all has.
    pub(crate) fn process_ends(&self, world: &World, oracle: &mut Oracle) {
        let metrics = world.metrics();
        oracle.dropped += metrics.dropped_queue_full;
        oracle.coverage.note_if(metrics.dropped_expired > 0, "a message expires");
    }

    /// The broker has done all that there is to do at this time.
    pub(crate) fn at_rest(&mut self, world: &World, oracle: &mut Oracle) {
        let Some(store) = world.store() else { return };
        let (written, synced) = (store.position(), store.synced_position());
        if written == synced || oracle.may_refuse {
            self.unsynced = None;
            return;
        }
        let since = self.unsynced.filter(|(at, _)| *at == synced).map_or(oracle.now, |(_, since)| since);
        self.unsynced = Some((synced, since));
        let waited = oracle.now.saturating_sub(since);
        match self.durability {
            Durability::Periodic(interval) if u128::from(waited) > interval.as_millis() => {
                oracle.fail(format!("nothing was synced for {waited} ms"));
            }
            Durability::Sync => oracle.fail(format!("{written} batches are written, {synced} synced")),
            Durability::Periodic(_) | Durability::None => {}
        }
    }

    /// Everything is delivered and answered, so that nothing is left to be kept for anybody.
    pub(crate) fn at_the_end(&self, world: &World, oracle: &mut Oracle) {
        let Some(store) = world.store() else { return };
        for table in [Table::Queue, Table::Bodies] {
            let mut left = 0;
            let counted = store.scan(table, Rows::with_prefix(b""), &mut |_, _| {
                left += 1;
                std::ops::ControlFlow::Continue(())
            });
            if counted.is_err() || left > 0 {
                oracle.fail(format!("{left} rows of {table:?} are left"));
            }
        }
    }
}
