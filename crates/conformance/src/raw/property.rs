//! The properties of 5.0: their identifiers, how they are written and how they are read.

use super::{field, variable};

/// The identifiers.
pub mod id {
    /// Payload Format Indicator, a byte.
    pub const PAYLOAD_FORMAT: u8 = 0x01;
    /// Message Expiry Interval, four bytes.
    pub const MESSAGE_EXPIRY: u8 = 0x02;
    /// Content Type, a string.
    pub const CONTENT_TYPE: u8 = 0x03;
    /// Response Topic, a string.
    pub const RESPONSE_TOPIC: u8 = 0x08;
    /// Correlation Data, binary.
    pub const CORRELATION_DATA: u8 = 0x09;
    /// Subscription Identifier, a Variable Byte Integer.
    pub const SUBSCRIPTION_ID: u8 = 0x0B;
    /// Session Expiry Interval, four bytes.
    pub const SESSION_EXPIRY: u8 = 0x11;
    /// Assigned Client Identifier, a string.
    pub const ASSIGNED_CLIENT_ID: u8 = 0x12;
    /// Server Keep Alive, two bytes.
    pub const SERVER_KEEP_ALIVE: u8 = 0x13;
    /// Authentication Method, a string.
    pub const AUTHENTICATION_METHOD: u8 = 0x15;
    /// Authentication Data, binary.
    pub const AUTHENTICATION_DATA: u8 = 0x16;
    /// Request Problem Information, a byte.
    pub const REQUEST_PROBLEM_INFORMATION: u8 = 0x17;
    /// Will Delay Interval, four bytes.
    pub const WILL_DELAY: u8 = 0x18;
    /// Request Response Information, a byte.
    pub const REQUEST_RESPONSE_INFORMATION: u8 = 0x19;
    /// Response Information, a string.
    pub const RESPONSE_INFORMATION: u8 = 0x1A;
    /// Server Reference, a string.
    pub const SERVER_REFERENCE: u8 = 0x1C;
    /// Reason String.
    pub const REASON_STRING: u8 = 0x1F;
    /// Receive Maximum, two bytes.
    pub const RECEIVE_MAXIMUM: u8 = 0x21;
    /// Topic Alias Maximum, two bytes.
    pub const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
    /// Topic Alias, two bytes.
    pub const TOPIC_ALIAS: u8 = 0x23;
    /// Maximum QoS, a byte.
    pub const MAXIMUM_QOS: u8 = 0x24;
    /// Retain Available, a byte.
    pub const RETAIN_AVAILABLE: u8 = 0x25;
    /// User Property, a pair of strings.
    pub const USER_PROPERTY: u8 = 0x26;
    /// Maximum Packet Size, four bytes.
    pub const MAXIMUM_PACKET_SIZE: u8 = 0x27;
    /// Wildcard Subscription Available, a byte.
    pub const WILDCARD_AVAILABLE: u8 = 0x28;
    /// Subscription Identifiers Available, a byte.
    pub const SUBSCRIPTION_ID_AVAILABLE: u8 = 0x29;
    /// Shared Subscription Available, a byte.
    pub const SHARED_AVAILABLE: u8 = 0x2A;
}

/// A property of one byte.
pub fn byte(id: u8, value: u8) -> Vec<u8> {
    vec![id, value]
}

/// A property of two bytes.
pub fn two(id: u8, value: u16) -> Vec<u8> {
    [&[id][..], &value.to_be_bytes()].concat()
}

/// A property of four bytes.
pub fn four(id: u8, value: u32) -> Vec<u8> {
    [&[id][..], &value.to_be_bytes()].concat()
}

/// A property that is a Variable Byte Integer.
pub fn number(id: u8, value: usize) -> Vec<u8> {
    let mut out = vec![id];
    variable(&mut out, value);
    out
}

/// A property that is a string, valid or not, or binary data.
pub fn text(id: u8, value: impl AsRef<[u8]>) -> Vec<u8> {
    let mut out = vec![id];
    field(&mut out, value.as_ref());
    out
}

/// A User Property.
pub fn pair(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
    let mut out = text(id::USER_PROPERTY, name);
    field(&mut out, value.as_ref());
    out
}

/// The value of a property that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number of one, two, four or a variable number of bytes.
    Number(u32),
    /// A string or binary data.
    Bytes(Vec<u8>),
    /// Name and value of a User Property.
    Pair(Vec<u8>, Vec<u8>),
}

/// The properties of a packet that came, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties(pub Vec<(u8, Value)>);

impl Properties {
    /// Whether the property is there.
    pub fn has(&self, id: u8) -> bool {
        self.0.iter().any(|(found, _)| *found == id)
    }

    /// Its number, if it is there and has one.
    pub fn number(&self, id: u8) -> Option<u32> {
        self.numbers(id).first().copied()
    }

    /// All numbers under this identifier.
    pub fn numbers(&self, id: u8) -> Vec<u32> {
        let number = |(found, value): &(u8, Value)| match value {
            Value::Number(number) if *found == id => Some(*number),
            Value::Number(_) | Value::Bytes(_) | Value::Pair(..) => None,
        };
        self.0.iter().filter_map(number).collect()
    }

    /// Its string or binary data, if it is there and is that.
    pub fn bytes(&self, id: u8) -> Option<&[u8]> {
        self.0.iter().find_map(|(found, value)| match value {
            Value::Bytes(bytes) if *found == id => Some(bytes.as_slice()),
            Value::Number(_) | Value::Bytes(_) | Value::Pair(..) => None,
        })
    }

    /// The User Properties in their order.
    pub fn pairs(&self) -> Vec<(&[u8], &[u8])> {
        let mut pairs = Vec::new();
        for (_, value) in &self.0 {
            if let Value::Pair(name, value) = value {
                pairs.push((name.as_slice(), value.as_slice()));
            }
        }
        pairs
    }
}

/// Reads fields from the front of a body; `None` where it is too short.
#[derive(Debug)]
pub struct Cursor<'a>(pub &'a [u8]);

impl<'a> Cursor<'a> {
    /// So many bytes.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// A byte.
    pub fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// Two bytes.
    pub fn two(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    /// Four bytes.
    pub fn four(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// A Variable Byte Integer.
    pub fn variable(&mut self) -> Option<u32> {
        let mut value = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// A string or binary data.
    pub fn field(&mut self) -> Option<&'a [u8]> {
        let length = self.two()?;
        self.take(usize::from(length))
    }

    /// Properties with their length in front.
    pub fn properties(&mut self) -> Option<Properties> {
        let length = usize::try_from(self.variable()?).ok()?;
        let mut inside = Self(self.take(length)?);
        let mut properties = Properties::default();
        while !inside.0.is_empty() {
            let id = inside.byte()?;
            properties.0.push((id, inside.value(id)?));
        }
        Some(properties)
    }

    fn value(&mut self, id: u8) -> Option<Value> {
        Some(match id {
            0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2A => Value::Number(self.byte()?.into()),
            0x13 | 0x21 | 0x22 | 0x23 => Value::Number(self.two()?.into()),
            0x02 | 0x11 | 0x18 | 0x27 => Value::Number(self.four()?),
            0x0B => Value::Number(self.variable()?),
            0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1A | 0x1C | 0x1F => {
                Value::Bytes(self.field()?.to_vec())
            }
            0x26 => Value::Pair(self.field()?.to_vec(), self.field()?.to_vec()),
            _ => return None,
        })
    }
}
