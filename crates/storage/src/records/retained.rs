//! [`Table::Retained`]: the retained message of each topic. The key is the topic.

use super::cursor::Cursor;
use super::{StoredMessage, UnixMillis};
use crate::{StoreError, Table};

/// A retained message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetainedRecord<'a> {
    /// When it was stored.
    pub stored_at: UnixMillis,
    /// The message; its topic is the key of the row.
    pub message: StoredMessage<'a>,
}

const VERSION: u8 = 1;

impl<'a> RetainedRecord<'a> {
    /// The key of the row.
    #[must_use]
    pub const fn key(&self) -> &'a [u8] {
        self.message.topic.as_str().as_bytes()
    }

    /// Appends the value of the row.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        out.extend_from_slice(&self.stored_at.to_be_bytes());
        self.message.encode_fields(out);
    }

    /// Reads the value of a row.
    ///
    /// # Errors
    /// When it cannot be right, or is of a newer version.
    pub fn decode(key: &[u8], value: &'a [u8]) -> Result<Self, StoreError> {
        let mut cursor = Cursor::open(Table::Retained, key, value, VERSION)?;
        let stored_at = cursor.u64("time of storing")?;
        let message = StoredMessage::decode_last(cursor)?;
        if message.topic.as_str().as_bytes() != key {
            return Err(StoreError::corrupt_row(Table::Retained, key, "the message has another topic"));
        }
        Ok(Self { stored_at, message })
    }
}
