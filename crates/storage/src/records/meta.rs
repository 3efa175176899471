//! [`Table::Meta`]: counters whose numbers are never used twice.

use super::NUMBER_MAX;
use super::cursor::{Cursor, put_varint};
use crate::{StoreError, Table};

const VERSION: u8 = 1;

/// What numbers are given out for. The row holds the first number that was not given out yet: a broker
/// reserves a block of numbers by writing the number behind it before it uses the first, and after a crash
/// goes on behind the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counter {
    /// Numbers of sessions.
    Session,
    /// Numbers of bodies.
    Body,
    /// Not a counter: what shards agree on to know which of them has what, so that a new start finds sessions
    /// that share bodies together again.
    Placement,
}

impl Counter {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Session, Self::Body, Self::Placement];

    /// The key of its row.
    #[must_use]
    pub const fn key(self) -> &'static [u8] {
        match self {
            Self::Session => b"next session",
            Self::Body => b"next body",
            Self::Placement => b"placement",
        }
    }
}

/// The value of the row of a counter.
#[must_use]
pub fn encode_counter(next: u64) -> Vec<u8> {
    let mut value = vec![VERSION];
    put_varint(&mut value, next);
    value
}

/// Reads the value of the row of a counter; without a row, the counter is at 1.
///
/// # Errors
/// When it cannot be right, or is of a newer version.
pub fn decode_counter(counter: Counter, value: &[u8]) -> Result<u64, StoreError> {
    let mut cursor = Cursor::open(Table::Meta, counter.key(), value, VERSION)?;
    let number = cursor.varint("number")?;
    cursor.end()?;
    match counter {
        Counter::Session | Counter::Body if number > NUMBER_MAX => {
            Err(cursor.wrong(format!("no broker comes to the number {number}")))
        }
        Counter::Session | Counter::Body | Counter::Placement => Ok(number),
    }
}
