//! [`Table::Sessions`]: what is known of each client identifier. The key is the client identifier.
//!
//! Value: version, flags (bit 0 connected, 1 will, 2 will due, 3 will expires), the session's number, Session Expiry Interval,
//! time of disconnection (8 bytes), then if there is a will: its delay, the due time (8 bytes, if bit 2), the
//! Message Expiry Interval (if bit 3), and the message.

use super::cursor::{Cursor, put_varint};
use super::{StoredMessage, UnixMillis, check_number};
use crate::{StoreError, Table};

/// A session that outlives its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRecord<'a> {
    /// The number of the session in the keys of its rows, above that of all sessions
    /// before: a new session of the same client has another.
    pub number: u64,
    /// How long the session outlives its connection, in seconds; `u32::MAX` is for ever.
    pub expiry_interval: u32,
    /// Whether the client was connected when this was written: after a crash the connection ended then.
    pub connected: bool,
    /// When the connection ended; 0 while there is one.
    pub disconnected_at: UnixMillis,
    /// The Will Message that is to be published when the connection ends, or is waiting for its delay.
    pub will: Option<StoredWill<'a>>,
}

/// A Will Message (section 3.1.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredWill<'a> {
    /// Seconds between the end of the connection and publication.
    pub delay: u32,
    /// Seconds from publication to expiry.
    pub message_expiry: Option<u32>,
    /// When it is due, once the connection has ended.
    pub due_at: Option<UnixMillis>,
    /// The message.
    pub message: StoredMessage<'a>,
}

const VERSION: u8 = 1;

const CONNECTED: u8 = 1 << 0;
const WILL: u8 = 1 << 1;
const WILL_DUE: u8 = 1 << 2;
const WILL_EXPIRES: u8 = 1 << 3;
const KNOWN: u8 = 0b1111;

impl<'a> SessionRecord<'a> {
    /// Appends the value of the row.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let will = self.will.as_ref();
        let mut flags = if self.connected { CONNECTED } else { 0 };
        flags |= if will.is_some() { WILL } else { 0 };
        flags |= if will.is_some_and(|will| will.due_at.is_some()) { WILL_DUE } else { 0 };
        flags |= if will.is_some_and(|will| will.message_expiry.is_some()) { WILL_EXPIRES } else { 0 };
        out.extend_from_slice(&[VERSION, flags]);
        put_varint(out, self.number);
        put_varint(out, self.expiry_interval.into());
        out.extend_from_slice(&self.disconnected_at.to_be_bytes());
        let Some(will) = will else { return };
        put_varint(out, will.delay.into());
        if let Some(at) = will.due_at {
            out.extend_from_slice(&at.to_be_bytes());
        }
        if let Some(seconds) = will.message_expiry {
            put_varint(out, seconds.into());
        }
        will.message.encode_fields(out);
    }

    /// Reads the value of a row.
    ///
    /// # Errors
    /// When it cannot be right, or is of a newer version.
    pub fn decode(key: &[u8], value: &'a [u8]) -> Result<Self, StoreError> {
        let mut cursor = Cursor::open(Table::Sessions, key, value, VERSION)?;
        if core::str::from_utf8(key).is_err() {
            return Err(cursor.wrong("the client identifier is not UTF-8"));
        }
        let flags = cursor.u8("flags")?;
        if flags & !KNOWN != 0 || (flags & WILL == 0 && flags & (WILL_DUE | WILL_EXPIRES) != 0) {
            return Err(cursor.wrong(format!("flags are {flags:#04x}")));
        }
        let number = check_number(Table::Sessions, key, cursor.varint("number of the session")?)?;
        let expiry_interval = cursor.u32("session expiry interval")?;
        let disconnected_at = cursor.u64("time of disconnection")?;
        let will = match flags & WILL {
            0 => {
                cursor.end()?;
                None
            }
            _ => Some(StoredWill::decode(cursor, flags)?),
        };
        Ok(Self { number, expiry_interval, connected: flags & CONNECTED != 0, disconnected_at, will })
    }
}

impl<'a> StoredWill<'a> {
    fn decode(mut cursor: Cursor<'a, '_>, flags: u8) -> Result<Self, StoreError> {
        let delay = cursor.u32("will delay interval")?;
        let due_at = if flags & WILL_DUE != 0 { Some(cursor.u64("time the will is due")?) } else { None };
        let message_expiry =
            if flags & WILL_EXPIRES != 0 { Some(cursor.u32("message expiry interval")?) } else { None };
        Ok(Self { delay, message_expiry, due_at, message: StoredMessage::decode_last(cursor)? })
    }
}
