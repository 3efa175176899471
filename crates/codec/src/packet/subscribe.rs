//! SUBSCRIBE (section 3.8): a client asks for the messages of topics.

use crate::fixed_header::put_fixed_header;
use crate::reader::Reader;
use crate::writer::{put_prefixed, put_u16};
use crate::{
    Element, EncodeError, Malformed, PacketId, PacketType, Properties, PropertyId, PropertySet, QoS,
    Sequence, Sink, TopicFilter, Version,
};

/// A SUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Subscribe<'a> {
    /// The identifier that the SUBACK repeats.
    pub packet_id: PacketId,
    /// Subscription Identifier and User Properties; none before 5.0.
    pub properties: Properties<'a>,
    /// At least one subscription.
    pub subscriptions: Sequence<'a, Subscription<'a>>,
}

/// One filter of a SUBSCRIBE with its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription<'a> {
    /// What is asked for.
    pub filter: TopicFilter<'a>,
    /// How it is to be delivered.
    pub options: SubscriptionOptions,
}

/// The Subscription Options (5.0, section 3.8.3.1). Before 5.0 there is only the QoS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SubscriptionOptions {
    /// The highest QoS at which messages are to come.
    pub qos: QoS,
    /// Whether messages that this client itself published stay away.
    pub no_local: bool,
    /// Whether messages keep the RETAIN flag they were published with.
    pub retain_as_published: bool,
    /// When the retained messages come.
    pub retain_handling: RetainHandling,
}

/// When a SUBSCRIBE brings the retained messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RetainHandling {
    /// 0: with every SUBSCRIBE.
    #[default]
    Send = 0,
    /// 1: only when the subscription is new.
    SendIfNew = 1,
    /// 2: never.
    DoNotSend = 2,
}

impl<'a> Subscribe<'a> {
    /// What this packet may carry.
    pub const PROPERTIES: PropertySet =
        PropertySet::of(&[PropertyId::SubscriptionIdentifier, PropertyId::UserProperty]);

    pub(crate) fn decode(body: &'a [u8], version: Version) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let packet_id = reader.packet_id()?;
        let properties = match version.has_properties() {
            true => Properties::decode(&mut reader, Self::PROPERTIES)?,
            false => Properties::EMPTY,
        };
        let subscriptions = Sequence::decode(reader, version)?;
        // [v5 MQTT-3.8.3-2] [v3.1.1 MQTT-3.8.3-3]
        if subscriptions.is_empty() {
            return Err(Malformed::PayloadMissing(PacketType::Subscribe));
        }
        Ok(Self { packet_id, properties, subscriptions })
    }

    /// Writes the packet.
    ///
    /// # Errors
    /// See [`EncodeError`].
    pub fn encode(&self, version: Version, out: &mut impl Sink) -> Result<(), EncodeError> {
        if self.subscriptions.is_empty() {
            return Err(Malformed::PayloadMissing(PacketType::Subscribe).into());
        }
        let mut remaining = 2 + self.subscriptions.length();
        if version.has_properties() {
            self.properties.check(Self::PROPERTIES)?;
            self.subscriptions.iter().try_for_each(Subscription::check)?;
            remaining += self.properties.encoded_length();
        }
        put_fixed_header(out, PacketType::Subscribe.first_byte(), remaining)?;
        put_u16(out, self.packet_id.get());
        if version.has_properties() {
            self.properties.encode(out);
        }
        self.subscriptions.encode(version, out);
        Ok(())
    }
}

impl Subscription<'_> {
    fn check(self) -> Result<(), Malformed> {
        // [v5 MQTT-3.8.3-4]
        if self.options.no_local && self.filter.share().is_some() {
            return Err(Malformed::NoLocalOnShared);
        }
        Ok(())
    }
}

impl SubscriptionOptions {
    /// Reads the options byte. [v5 MQTT-3.8.3-5] [v3.1.1 MQTT-3.8.3-4]
    fn from_byte(byte: u8, version: Version) -> Result<Self, Malformed> {
        let reserved = if version.has_properties() { 0b1100_0000 } else { 0b1111_1100 };
        if byte & reserved != 0 {
            return Err(Malformed::SubscribeReservedBits);
        }
        Ok(Self {
            qos: QoS::from_number(byte & 0b11).ok_or(Malformed::SubscribeQosThree)?,
            no_local: byte & 0b100 != 0,
            retain_as_published: byte & 0b1000 != 0,
            retain_handling: match byte >> 4 & 0b11 {
                0 => RetainHandling::Send,
                1 => RetainHandling::SendIfNew,
                2 => RetainHandling::DoNotSend,
                _ => return Err(Malformed::RetainHandlingThree),
            },
        })
    }

    const fn byte(self, version: Version) -> u8 {
        let qos = self.qos.number();
        if !version.has_properties() {
            return qos;
        }
        qos | (self.no_local as u8) << 2
            | (self.retain_as_published as u8) << 3
            | (self.retain_handling as u8) << 4
    }
}

impl<'a> Element<'a> for Subscription<'a> {
    // [v5 MQTT-3.8.3-1] [v3.1.1 MQTT-3.8.3-1]
    fn read(bytes: &'a [u8], version: Version) -> Result<(Self, &'a [u8]), Malformed> {
        let mut reader = Reader::new(bytes);
        let filter = TopicFilter::new(reader.str()?).map_err(Malformed::TopicFilter)?;
        let options = SubscriptionOptions::from_byte(reader.u8()?, version)?;
        let subscription = Self { filter, options };
        subscription.check()?;
        Ok((subscription, reader.rest()))
    }

    fn write(&self, version: Version, out: &mut impl Sink) {
        put_prefixed(out, self.filter.as_str().as_bytes());
        out.put_u8(self.options.byte(version));
    }

    fn length(&self) -> usize {
        3 + self.filter.as_str().len()
    }
}
