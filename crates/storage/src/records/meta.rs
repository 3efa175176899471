//! [`Table::Meta`]: the version of the format, and counters whose numbers are never used twice.

use super::cursor::{Cursor, put_varint};
use crate::{StoreError, Table};

const VERSION: u8 = 1;
/// The key of the format version.
const FORMAT: &[u8] = b"format";

/// What numbers are given out for. The row holds the first number that was not given out yet: a broker
/// reserves a block of numbers by writing the number behind it before it uses the first, and after a crash
/// goes on behind the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counter {
    /// Numbers of sessions.
    Session,
    /// Numbers of bodies.
    Body,
}

impl Counter {
    /// All counters.
    pub const ALL: [Self; 2] = [Self::Session, Self::Body];

    /// The key of its row.
    #[must_use]
    pub const fn key(self) -> &'static [u8] {
        match self {
            Self::Session => b"next session",
            Self::Body => b"next body",
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
    decode_number(counter.key(), value)
}

/// The key and value of the row that tells the version of the format.
#[must_use]
pub fn encode_format(version: u32) -> (&'static [u8], Vec<u8>) {
    (FORMAT, encode_counter(version.into()))
}

/// Reads the value of the row that tells the version of the format.
///
/// # Errors
/// When it cannot be right, or is newer than [`FORMAT_VERSION`](super::FORMAT_VERSION).
pub fn decode_format(value: &[u8]) -> Result<u32, StoreError> {
    let found = u32::try_from(decode_number(FORMAT, value)?).unwrap_or(u32::MAX);
    if found > super::FORMAT_VERSION {
        return Err(StoreError::Newer { place: "The store".into(), found, known: super::FORMAT_VERSION });
    }
    Ok(found)
}

fn decode_number(key: &[u8], value: &[u8]) -> Result<u64, StoreError> {
    let mut cursor = Cursor::open(Table::Meta, key, value, VERSION)?;
    let number = cursor.varint("number")?;
    cursor.end()?;
    Ok(number)
}
