//! A message as it is kept: in a row of a queue, as a body of several, retained, or as a will.

use colibri_codec::{Properties, QoS, TopicName};
use colibri_protocol::Publication;

use super::UnixMillis;
use super::cursor::{Cursor, put_bytes, put_varint, qos};
use crate::{StoreError, Table};

/// A message that outlives the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredMessage<'a> {
    /// Where it was published.
    pub topic: TopicName<'a>,
    /// The QoS it was published with.
    pub qos: QoS,
    /// The RETAIN flag it was published with.
    pub retain: bool,
    /// When it is no longer worth sending.
    pub expires_at: Option<UnixMillis>,
    /// The number of the stored session that published it, for No Local; `None` if that had none.
    pub publisher: Option<u64>,
    /// The bytes of the properties that are passed on, those of [`Publication::PASSED_ON`]. They were
    /// checked when this was decoded.
    pub properties: &'a [u8],
    /// The application's bytes.
    pub payload: &'a [u8],
}

const VERSION: u8 = 1;

const RETAIN: u8 = 1 << 2;
const EXPIRES: u8 = 1 << 3;
const PUBLISHER: u8 = 1 << 4;
const KNOWN: u8 = 0b0001_1111;

impl<'a> StoredMessage<'a> {
    /// What decides whether it is kept in the row of its queue: see [`INLINE_MAX`](super::INLINE_MAX).
    #[must_use]
    pub const fn size(&self) -> usize {
        self.topic.as_str().len() + self.properties.len() + self.payload.len()
    }

    /// Appends the value of a row of [`Table::Bodies`].
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        self.encode_fields(out);
    }

    /// Reads the value of a row of [`Table::Bodies`].
    ///
    /// # Errors
    /// When it cannot be right, or is of a newer version.
    pub fn decode(key: &[u8], value: &'a [u8]) -> Result<Self, StoreError> {
        Self::decode_last(Cursor::open(Table::Bodies, key, value, VERSION)?)
    }

    /// The fields alone, for a record that ends with a message.
    pub(super) fn encode_fields(&self, out: &mut Vec<u8>) {
        let mut flags = self.qos.number();
        flags |= if self.retain { RETAIN } else { 0 };
        flags |= if self.expires_at.is_some() { EXPIRES } else { 0 };
        flags |= if self.publisher.is_some() { PUBLISHER } else { 0 };
        out.push(flags);
        if let Some(at) = self.expires_at {
            out.extend_from_slice(&at.to_be_bytes());
        }
        if let Some(publisher) = self.publisher {
            put_varint(out, publisher);
        }
        put_bytes(out, self.topic.as_str().as_bytes());
        put_bytes(out, self.properties);
        out.extend_from_slice(self.payload);
    }

    /// The fields at the end of a record.
    pub(super) fn decode_last(mut cursor: Cursor<'a, '_>) -> Result<Self, StoreError> {
        let flags = cursor.u8("flags of the message")?;
        if flags & !KNOWN != 0 {
            return Err(cursor.wrong(format!("flags of the message are {flags:#04x}")));
        }
        let qos = qos(&cursor, flags)?;
        let expires_at = if flags & EXPIRES != 0 { Some(cursor.u64("expiry")?) } else { None };
        let publisher = if flags & PUBLISHER != 0 { Some(cursor.varint("publisher")?) } else { None };
        let topic = cursor.topic()?;
        let properties = cursor.bytes("properties")?;
        if let Err(error) = Properties::from_wire(properties, Publication::PASSED_ON) {
            return Err(cursor.wrong(format!("properties: {error}")));
        }
        let payload = cursor.rest();
        Ok(Self { topic, qos, retain: flags & RETAIN != 0, expires_at, publisher, properties, payload })
    }
}
