//! The rows of the broker: one file for each kind, with its key, its layout and its version.
//!
//! A value is a version byte, then fields in a fixed order: integers in network byte order, lengths and
//! optional numbers as in MQTT's Variable Byte Integer but up to 64 bits. Rows are decoded in place and
//! borrow from the bytes. Every decoder takes any bytes: what cannot be right is a [`StoreError`] that names
//! the table and the key.
//!
//! A layout is never changed. A new one gets a new version byte, and the decoder of the old one stays for as
//! long as [`FORMAT_VERSION`] promises; a decoder that meets a higher version says so.

mod body;
mod cursor;
mod message;
mod meta;
mod queue;
mod received;
mod retained;
mod session;
mod subscription;

pub use body::{body_key, parse_body_key};
pub use message::StoredMessage;
pub use meta::{Counter, decode_counter, encode_counter};
pub use queue::{QueueBody, QueueRecord, QueueState, SubscriptionIdentifiers, parse_queue_key, queue_key};
pub use received::{parse_received_key, received_key};
pub use retained::RetainedRecord;
pub use session::{SessionRecord, StoredWill};
pub use subscription::{FILTER_LENGTH_MAX, SubscriptionRecord, parse_subscription_key, subscription_key};

use crate::{StoreError, Table};

/// The version of the format as a whole: which tables there are, what their keys are, and the files of the
/// engine. A data directory says it in its file `FORMAT`.
pub const FORMAT_VERSION: u32 = 1;

/// Milliseconds since the beginning of 1970, by the wall clock.
pub type UnixMillis = u64;

/// A message with more bytes than this (topic, properties and payload) gets a row of its own in
/// [`Table::Bodies`] even when only one session waits for it, because a row of the queue is written again
/// whenever its state changes.
pub const INLINE_MAX: usize = 1024;

/// The prefix of all rows of one session, in the tables that are ordered by session.
#[must_use]
pub const fn session_prefix(session: u64) -> [u8; 8] {
    session.to_be_bytes()
}

/// The tables whose keys begin with the number of a session: what has to go when it ends.
pub const OF_SESSION: [Table; 2] = [Table::Subscriptions, Table::Received];

/// The highest number of a session, a body or a row of a queue, and the highest that a counter of them is at.
/// No broker comes near it, and it leaves as many numbers as there are below it for those to come.
pub const NUMBER_MAX: u64 = u64::MAX >> 1;

/// Checks a number of which there is no 0.
fn check_number(table: Table, key: &[u8], number: u64) -> Result<u64, StoreError> {
    match number {
        1..=NUMBER_MAX => Ok(number),
        _ => Err(StoreError::corrupt_row(table, key, format!("no broker gives out the number {number}"))),
    }
}

/// Splits a key that begins with the number of a session.
fn split_session(table: Table, key: &[u8]) -> Result<(u64, &[u8]), StoreError> {
    match key.split_first_chunk::<8>() {
        Some((number, rest)) => Ok((check_number(table, key, u64::from_be_bytes(*number))?, rest)),
        None => Err(StoreError::corrupt_row(table, key, "the key is shorter than a session number")),
    }
}
