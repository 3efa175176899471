//! UNSUBSCRIBE (section 3.10): a client gives subscriptions up.

use crate::fixed_header::put_fixed_header;
use crate::reader::Reader;
use crate::writer::{put_prefixed, put_u16};
use crate::{
    Element, EncodeError, Malformed, PacketId, PacketType, Properties, PropertyId, PropertySet, Sequence,
    Sink, TopicFilter, Version,
};

/// An UNSUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unsubscribe<'a> {
    /// The identifier that the UNSUBACK repeats.
    pub packet_id: PacketId,
    /// User Properties; none before 5.0.
    pub properties: Properties<'a>,
    /// At least one filter.
    pub filters: Sequence<'a, TopicFilter<'a>>,
}

impl<'a> Unsubscribe<'a> {
    /// What this packet may carry.
    pub const PROPERTIES: PropertySet = PropertySet::of(&[PropertyId::UserProperty]);

    pub(crate) fn decode(body: &'a [u8], version: Version) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let packet_id = reader.packet_id()?;
        let properties = match version.has_properties() {
            true => Properties::decode(&mut reader, Self::PROPERTIES)?,
            false => Properties::EMPTY,
        };
        let filters = Sequence::decode(reader, version)?;
        // [v5 MQTT-3.10.3-2] [v3.1.1 MQTT-3.10.3-2]
        if filters.is_empty() {
            return Err(Malformed::PayloadMissing(PacketType::Unsubscribe));
        }
        Ok(Self { packet_id, properties, filters })
    }

    /// Writes the packet.
    ///
    /// # Errors
    /// See [`EncodeError`].
    pub fn encode(&self, version: Version, out: &mut impl Sink) -> Result<(), EncodeError> {
        if self.filters.is_empty() {
            return Err(Malformed::PayloadMissing(PacketType::Unsubscribe).into());
        }
        let mut remaining = 2 + self.filters.length();
        if version.has_properties() {
            self.properties.check(Self::PROPERTIES)?;
            remaining += self.properties.encoded_length();
        }
        put_fixed_header(out, PacketType::Unsubscribe.first_byte(), remaining)?;
        put_u16(out, self.packet_id.get());
        if version.has_properties() {
            self.properties.encode(out);
        }
        self.filters.encode(version, out);
        Ok(())
    }
}

/// A filter of an UNSUBSCRIBE.
impl<'a> Element<'a> for TopicFilter<'a> {
    // [v5 MQTT-3.10.3-1] [v3.1.1 MQTT-3.10.3-1]
    fn read(bytes: &'a [u8], _: Version) -> Result<(Self, &'a [u8]), Malformed> {
        let mut reader = Reader::new(bytes);
        let filter = Self::new(reader.str()?).map_err(Malformed::TopicFilter)?;
        Ok((filter, reader.rest()))
    }

    fn write(&self, _: Version, out: &mut impl Sink) {
        put_prefixed(out, self.as_str().as_bytes());
    }

    fn length(&self) -> usize {
        2 + self.as_str().len()
    }
}
