//! Reading the fields of a row, and writing them.

use colibri_codec::{PacketId, QoS, TopicFilter, TopicName};

use crate::{StoreError, Table};

/// Reads a value field by field; its errors name the table and the key.
pub(super) struct Cursor<'a, 'k> {
    bytes: &'a [u8],
    table: Table,
    key: &'k [u8],
}

impl<'a, 'k> Cursor<'a, 'k> {
    /// Reads the version byte and gives what is behind it.
    pub(super) fn open(table: Table, key: &'k [u8], value: &'a [u8], known: u8) -> Result<Self, StoreError> {
        let mut cursor = Self { bytes: value, table, key };
        match cursor.u8("version")? {
            0 => Err(cursor.wrong("version 0")),
            found if found > known => Err(StoreError::newer_row(table, key, found, known)),
            _ => Ok(cursor),
        }
    }

    /// Reads a part of a value that has no version of its own.
    pub(super) const fn bare(table: Table, key: &'k [u8], bytes: &'a [u8]) -> Self {
        Self { bytes, table, key }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn wrong(&self, what: impl Into<String>) -> StoreError {
        StoreError::corrupt_row(self.table, self.key, what)
    }

    pub(super) fn u8(&mut self, field: &str) -> Result<u8, StoreError> {
        self.array::<1>(field).map(|[byte]| byte)
    }

    pub(super) fn u64(&mut self, field: &str) -> Result<u64, StoreError> {
        self.array(field).map(u64::from_be_bytes)
    }

    pub(super) fn packet_id(&mut self) -> Result<PacketId, StoreError> {
        let number = u16::from_be_bytes(self.array("packet identifier")?);
        PacketId::new(number).ok_or_else(|| self.wrong("packet identifier 0"))
    }

    pub(super) fn varint(&mut self, field: &str) -> Result<u64, StoreError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8(field)?;
            let bits = u64::from(byte & 0x7F);
            // The tenth byte has room for one bit.
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.wrong(format!("{field} has more than 64 bits")))
    }

    pub(super) fn u32(&mut self, field: &str) -> Result<u32, StoreError> {
        let value = self.varint(field)?;
        u32::try_from(value).map_err(|_| self.wrong(format!("{field} is {value}, beyond 32 bits")))
    }

    /// Bytes with their length before them.
    pub(super) fn bytes(&mut self, field: &str) -> Result<&'a [u8], StoreError> {
        let length = self.varint(field)?;
        let parts = usize::try_from(length).ok().and_then(|length| self.bytes.split_at_checked(length));
        let Some((bytes, rest)) = parts else {
            return Err(self.wrong(format!("{field} has {length} bytes and {} are left", self.bytes.len())));
        };
        self.bytes = rest;
        Ok(bytes)
    }

    pub(super) fn text(&mut self, field: &str) -> Result<&'a str, StoreError> {
        let bytes = self.bytes(field)?;
        core::str::from_utf8(bytes).map_err(|_| self.wrong(format!("{field} is not UTF-8")))
    }

    pub(super) fn topic(&mut self) -> Result<TopicName<'a>, StoreError> {
        let text = self.text("topic")?;
        TopicName::new(text).map_err(|error| self.wrong(format!("topic: {error}")))
    }

    pub(super) fn filter(&mut self, field: &str) -> Result<TopicFilter<'a>, StoreError> {
        let text = self.text(field)?;
        TopicFilter::new(text).map_err(|error| self.wrong(format!("{field}: {error}")))
    }

    /// All that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.bytes)
    }

    /// Checks that nothing is left.
    pub(super) fn end(&self) -> Result<(), StoreError> {
        match self.bytes.len() {
            0 => Ok(()),
            more => Err(self.wrong(format!("{more} bytes behind the end"))),
        }
    }

    fn array<const N: usize>(&mut self, field: &str) -> Result<[u8; N], StoreError> {
        let Some((array, rest)) = self.bytes.split_first_chunk::<N>() else {
            return Err(self.wrong(format!("it ends within {field}")));
        };
        self.bytes = rest;
        Ok(*array)
    }
}

/// The QoS in the lowest bits of a byte.
pub(super) fn qos(cursor: &Cursor<'_, '_>, bits: u8) -> Result<QoS, StoreError> {
    QoS::from_number(bits & 3).ok_or_else(|| cursor.wrong("QoS 3"))
}

pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
