//! [`Table::Queue`]: messages that wait for a session or are under way to it, in the order of delivery.
//!
//! Value: version, flags (bits 0-1 QoS, 2 RETAIN, 3 replayed, 4-5 state, 6 group, 7 subscription
//! identifiers), body kind, then if the state has one the Packet Identifier (2 bytes) and
//! for state 2 the order of its PUBREC, the identifiers (their
//! length in bytes, then each as a Variable Byte Integer), the group as `$share/name/filter`, and the body:
//! a message, the number of one, or nothing.

use colibri_codec::{PacketId, QoS, TopicFilter};

use super::cursor::{Cursor, put_bytes, put_varint, qos};
use super::{StoredMessage, check_number};
use crate::{StoreError, Table};

/// A message for one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueRecord<'a> {
    /// The QoS it is sent with.
    pub qos: QoS,
    /// The RETAIN flag it is sent with.
    pub retain: bool,
    /// Whether it is a retained message for a new subscription.
    pub replayed: bool,
    /// How far its delivery is.
    pub state: QueueState,
    /// The Subscription Identifiers it is sent with.
    pub subscription_identifiers: SubscriptionIdentifiers<'a>,
    /// The shared group it was sent for, as `$share/name/filter`, so that another member can get it.
    pub group: Option<TopicFilter<'a>>,
    /// The message.
    pub body: QueueBody<'a>,
}

/// How far a delivery is (section 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueState {
    /// It was not sent yet.
    Waiting,
    /// It was sent with this Packet Identifier, and neither PUBACK nor PUBREC has come.
    Sent(PacketId),
    /// PUBREC has come for this Packet Identifier, and PUBCOMP has not. The number says in which order the
    /// PUBRECs of the session came, which is that of its PUBRELs.
    Released(PacketId, u32),
}

/// Where the message of a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueBody<'a> {
    /// In the row.
    Inline(StoredMessage<'a>),
    /// In [`Table::Bodies`], under this number.
    Shared(u64),
    /// Nowhere any more: after PUBREC the message is not needed.
    Gone,
}

/// Subscription Identifiers of a message, in the order they are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionIdentifiers<'a>(Identifiers<'a>);

#[derive(Clone, Copy, Debug)]
enum Identifiers<'a> {
    Given(&'a [u32]),
    /// Each as a Variable Byte Integer; checked.
    Stored(&'a [u8]),
}

const VERSION: u8 = 1;

const RETAIN: u8 = 1 << 2;
const REPLAYED: u8 = 1 << 3;
const SENT: u8 = 1 << 4;
const RELEASED: u8 = 2 << 4;
const STATE: u8 = 3 << 4;
const GROUP: u8 = 1 << 6;
const IDENTIFIERS: u8 = 1 << 7;

const INLINE: u8 = 0;
const SHARED: u8 = 1;
const GONE: u8 = 2;

/// The key of a message: ordered by sequence, which counts through the messages of all sessions. So new rows
/// come behind all others whoever they are for, and a commit touches few pages however many queues there are.
#[must_use]
pub fn queue_key(session: u64, sequence: u64) -> [u8; 16] {
    (u128::from(sequence) << 64 | u128::from(session)).to_be_bytes()
}

/// The session and the sequence in a key of [`Table::Queue`].
///
/// # Errors
/// When the key cannot be one.
pub fn parse_queue_key(key: &[u8]) -> Result<(u64, u64), StoreError> {
    let halves = key.split_first_chunk::<8>();
    match halves.and_then(|(sequence, session)| Some((session.try_into().ok()?, *sequence))) {
        Some((session, sequence)) => {
            let number = |bytes| check_number(Table::Queue, key, u64::from_be_bytes(bytes));
            Ok((number(session)?, number(sequence)?))
        }
        None => Err(StoreError::corrupt_row(Table::Queue, key, "the key does not have 16 bytes")),
    }
}

impl<'a> QueueRecord<'a> {
    /// Appends the value of the row.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut flags = self.qos.number();
        flags |= if self.retain { RETAIN } else { 0 };
        flags |= if self.replayed { REPLAYED } else { 0 };
        flags |= if self.group.is_some() { GROUP } else { 0 };
        flags |= if self.subscription_identifiers.is_empty() { 0 } else { IDENTIFIERS };
        let packet_id = match self.state {
            QueueState::Waiting => None,
            QueueState::Sent(packet_id) => {
                flags |= SENT;
                Some(packet_id)
            }
            QueueState::Released(packet_id, _) => {
                flags |= RELEASED;
                Some(packet_id)
            }
        };
        let body = match self.body {
            QueueBody::Inline(_) => INLINE,
            QueueBody::Shared(_) => SHARED,
            QueueBody::Gone => GONE,
        };
        out.extend_from_slice(&[VERSION, flags, body]);
        if let Some(packet_id) = packet_id {
            out.extend_from_slice(&packet_id.get().to_be_bytes());
        }
        if let QueueState::Released(_, order) = self.state {
            put_varint(out, order.into());
        }
        if !self.subscription_identifiers.is_empty() {
            self.subscription_identifiers.encode(out);
        }
        if let Some(group) = self.group {
            put_bytes(out, group.as_str().as_bytes());
        }
        match &self.body {
            QueueBody::Inline(message) => message.encode_fields(out),
            QueueBody::Shared(body) => put_varint(out, *body),
            QueueBody::Gone => {}
        }
    }

    /// Reads the value of a row.
    ///
    /// # Errors
    /// When it cannot be right, or is of a newer version.
    pub fn decode(key: &[u8], value: &'a [u8]) -> Result<Self, StoreError> {
        let mut cursor = Cursor::open(Table::Queue, key, value, VERSION)?;
        let flags = cursor.u8("flags")?;
        let body = cursor.u8("kind of body")?;
        let qos = qos(&cursor, flags)?;
        let state = match flags & STATE {
            0 => QueueState::Waiting,
            SENT => QueueState::Sent(cursor.packet_id()?),
            RELEASED => QueueState::Released(cursor.packet_id()?, cursor.u32("order of the PUBREC")?),
            _ => return Err(cursor.wrong("state 3")),
        };
        let subscription_identifiers = match flags & IDENTIFIERS {
            0 => SubscriptionIdentifiers::default(),
            _ => SubscriptionIdentifiers::decode(&mut cursor, key)?,
        };
        let group = match flags & GROUP {
            0 => None,
            _ => Some(cursor.filter("group")?),
        };
        if group.is_some_and(|group| group.share().is_none()) {
            return Err(cursor.wrong("the group is not a shared subscription"));
        }
        let body = match body {
            INLINE => QueueBody::Inline(StoredMessage::decode_last(cursor)?),
            SHARED => {
                let body = cursor.varint("number of the body")?;
                cursor.end()?;
                QueueBody::Shared(body)
            }
            GONE => {
                cursor.end()?;
                QueueBody::Gone
            }
            kind => return Err(cursor.wrong(format!("kind of body {kind}"))),
        };
        if matches!(body, QueueBody::Gone) && !matches!(state, QueueState::Released(..)) {
            return Err(StoreError::corrupt_row(Table::Queue, key, "its message is gone before PUBREC"));
        }
        let (retain, replayed) = (flags & RETAIN != 0, flags & REPLAYED != 0);
        Ok(Self { qos, retain, replayed, state, subscription_identifiers, group, body })
    }
}

impl<'a> SubscriptionIdentifiers<'a> {
    /// Those of a delivery; each is 1 to 268,435,455.
    #[must_use]
    pub const fn new(identifiers: &'a [u32]) -> Self {
        Self(Identifiers::Given(identifiers))
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        match self.0 {
            Identifiers::Given(list) => list.is_empty(),
            Identifiers::Stored(bytes) => bytes.is_empty(),
        }
    }

    /// The identifiers in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + use<'a> {
        let (given, mut stored) = match self.0 {
            Identifiers::Given(list) => (list, &[][..]),
            Identifiers::Stored(bytes) => (&[][..], bytes),
        };
        let stored = core::iter::from_fn(move || {
            let length = stored.iter().position(|byte| *byte < 0x80)? + 1;
            let (bytes, rest) = stored.split_at_checked(length)?;
            stored = rest;
            Some(bytes.iter().rev().fold(0, |value, byte| value << 7 | u32::from(byte & 0x7F)))
        });
        given.iter().copied().chain(stored)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self.0 {
            Identifiers::Given(list) => {
                let length = list.iter().map(|identifier| varint_length(*identifier)).sum();
                put_varint(out, length);
                list.iter().for_each(|identifier| put_varint(out, (*identifier).into()));
            }
            Identifiers::Stored(bytes) => put_bytes(out, bytes),
        }
    }

    fn decode(cursor: &mut Cursor<'a, '_>, key: &[u8]) -> Result<Self, StoreError> {
        let bytes = cursor.bytes("subscription identifiers")?;
        // Read once here, so that the iterator meets only what it understands.
        let mut inner = Cursor::bare(Table::Queue, key, bytes);
        while !inner.is_empty() {
            match inner.u32("subscription identifier")? {
                1..=colibri_codec::VARIABLE_BYTE_INTEGER_MAX => {}
                number => return Err(inner.wrong(format!("subscription identifier {number}"))),
            }
        }
        Ok(Self(Identifiers::Stored(bytes)))
    }
}

fn varint_length(value: u32) -> u64 {
    u64::from((32 - value.leading_zeros()).max(1).div_ceil(7))
}

impl Default for Identifiers<'_> {
    fn default() -> Self {
        Self::Given(&[])
    }
}

impl PartialEq for Identifiers<'_> {
    fn eq(&self, other: &Self) -> bool {
        SubscriptionIdentifiers(*self).iter().eq(SubscriptionIdentifiers(*other).iter())
    }
}

impl Eq for Identifiers<'_> {}
