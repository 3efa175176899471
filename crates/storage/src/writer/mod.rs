//! Group commit: the batches of all shards that wait become one commit, and one sync.
//!
//! [`Journal`] is the logic without threads and clocks: a thread ([`thread`]) or a simulation drives it.
//!
//! 1. [`Journal::submit`] takes a batch of a shard with a ticket; the tickets of a shard ascend.
//! 2. [`Journal::commit`] writes all that waits and gives, per shard, the last ticket that is done: all up to
//!    it are. With [`Durability::Sync`] done means that it outlives power loss.
//! 3. [`Journal::timeout`] says when to call `commit` again although nothing new has come: to sync, or to try
//!    again after the disk was full.
//!
//! Nothing of a group is reported done before all of it is. After an error the group stays, grows by what
//! comes, and is written whole at the next try; the order of batches is never changed.

mod coalesce;
mod fetch;
mod journal;
pub mod thread;

use core::time::Duration;

pub use coalesce::Coalescer;
pub use fetch::{Fetch, Fetched, FetchedRow};
pub use journal::{Done, Health, Journal};

/// When what was written is made to outlive power loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Before it is reported done: an acknowledgement means that it is on disk. The price is the latency of
    /// one sync.
    #[default]
    Sync,
    /// This long after it was reported done, at the latest. Power loss, and a process that is killed, cost
    /// what was acknowledged in that time; an orderly end costs nothing.
    Periodic(Duration),
    /// When the store sees fit, and at an orderly end.
    None,
}
