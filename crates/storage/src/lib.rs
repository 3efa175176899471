//! What the broker keeps on disk, so that an acknowledgement means that it is there.
//!
//! - [`Store`] is the promise: ordered tables and one atomic batch of changes at a time. It is kept by
//!   `disk` (with the feature of that name), by [`memory`] and, for tests, by `faulty`; `contract` is the test
//!   that all of them pass.
//! - [`records`] are the rows: sessions, subscriptions, queues, bodies, retained messages.
//! - [`Coalescer`] takes out of a group of changes what later ones make needless. Who gathers the batches of
//!   all shards into one commit is the broker's scribe.
//!
//! Only wall-clock times are stored, as milliseconds since 1970; a monotonic clock does not outlive the
//! process.
#![forbid(unsafe_code)]

mod batch;
mod coalesce;
#[cfg(feature = "testing")]
pub mod contract;
#[cfg(feature = "disk")]
pub mod disk;
mod error;
#[cfg(feature = "testing")]
pub mod faulty;
pub mod memory;
pub mod records;
mod store;
#[cfg(feature = "tools")]
pub mod tools;

pub use batch::{Batch, Change, Put};
pub use coalesce::Coalescer;
pub use error::StoreError;
pub use store::{KEY_LENGTH_MAX, Rows, Store, Table, Visit};
