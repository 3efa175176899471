//! [`Table::Bodies`]: messages that several rows of queues refer to by number. The value is a
//! [`StoredMessage`](super::StoredMessage).

use super::check_number;
use crate::{StoreError, Table};

/// The key of a body. Numbers come from [`Counter::Body`](super::Counter) and are never used twice.
#[must_use]
pub const fn body_key(body: u64) -> [u8; 8] {
    body.to_be_bytes()
}

/// The number in a key of [`Table::Bodies`].
///
/// # Errors
/// When the key cannot be one.
pub fn parse_body_key(key: &[u8]) -> Result<u64, StoreError> {
    match <[u8; 8]>::try_from(key) {
        Ok(number) => check_number(Table::Bodies, key, u64::from_be_bytes(number)),
        Err(_) => Err(StoreError::corrupt_row(Table::Bodies, key, "the key does not have 8 bytes")),
    }
}
