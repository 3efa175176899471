//! The property section of a 5.0 packet, property by property.

use colibri_codec::{Malformed, PropertyId, PropertySet, TopicName};

use super::section::{self, Place};
use super::walk::Walk;

/// The form of a property's value (5.0, section 2.2.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A byte that is 0 or 1.
    Flag,
    /// A Two Byte Integer.
    U16,
    /// A Four Byte Integer.
    U32,
    /// A Variable Byte Integer above 0.
    Variable,
    /// A UTF-8 Encoded String.
    Text,
    /// Binary Data.
    Binary,
    /// A UTF-8 String Pair.
    Pair,
}

/// The form of the value of a property.
pub(crate) const fn kind(id: PropertyId) -> Kind {
    match id {
        PropertyId::PayloadFormatIndicator
        | PropertyId::RequestProblemInformation
        | PropertyId::RequestResponseInformation
        | PropertyId::MaximumQos
        | PropertyId::RetainAvailable
        | PropertyId::WildcardSubscriptionAvailable
        | PropertyId::SubscriptionIdentifierAvailable
        | PropertyId::SharedSubscriptionAvailable => Kind::Flag,
        PropertyId::ServerKeepAlive
        | PropertyId::ReceiveMaximum
        | PropertyId::TopicAliasMaximum
        | PropertyId::TopicAlias => Kind::U16,
        PropertyId::MessageExpiryInterval
        | PropertyId::SessionExpiryInterval
        | PropertyId::WillDelayInterval
        | PropertyId::MaximumPacketSize => Kind::U32,
        PropertyId::SubscriptionIdentifier => Kind::Variable,
        PropertyId::ContentType
        | PropertyId::ResponseTopic
        | PropertyId::AssignedClientIdentifier
        | PropertyId::AuthenticationMethod
        | PropertyId::ResponseInformation
        | PropertyId::ServerReference
        | PropertyId::ReasonString => Kind::Text,
        PropertyId::CorrelationData | PropertyId::AuthenticationData => Kind::Binary,
        PropertyId::UserProperty => Kind::Pair,
    }
}

/// Which properties a section held, with the offset of the first of each.
#[derive(Debug, Default)]
pub(super) struct Found {
    first: Vec<(PropertyId, usize)>,
}

impl Found {
    /// Where the first property with this identifier stands.
    pub(super) fn offset(&self, id: PropertyId) -> Option<usize> {
        self.first.iter().find(|(found, _)| *found == id).map(|(_, offset)| *offset)
    }
}

/// Notes the Property Length and the properties behind it; `None` if nothing behind them can be read.
pub(super) fn walk(walk: &mut Walk<'_>, place: Place, allowed: PropertySet) -> Option<Found> {
    let name = if place == Place::Will { "Will Property Length" } else { "Property Length" };
    let length = walk.with_past_end(Malformed::PropertyLength, |walk| {
        walk.variable(name, section::length(place), |length| length.to_string())
    })?;
    let length = length as usize;
    let fits = length <= walk.left();
    if !fits {
        walk.blame_last_unless_incomplete(Malformed::PropertyLength);
    }
    let mut found = Found::default();
    walk.part(length, Malformed::PropertyLength, |walk| {
        while walk.left() > 0 {
            if property(walk, place, allowed, &mut found).is_none() {
                walk.rest("Properties that cannot be read", section::length(place));
            }
        }
    });
    fits.then_some(found)
}

fn property(walk: &mut Walk<'_>, place: Place, allowed: PropertySet, found: &mut Found) -> Option<()> {
    let words = |number| match PropertyId::from_number(number) {
        Some(id) => format!("0x{number:02x} {}", id.name()),
        None => format!("0x{number:02x}, which does not exist"),
    };
    let number = walk.variable("Property", "2.2.2.2", words)?;
    let Some(id) = PropertyId::from_number(number) else {
        walk.blame_last(Malformed::PropertyUnknown(number));
        return None;
    };
    let may_repeat = id == PropertyId::UserProperty
        || (id == PropertyId::SubscriptionIdentifier
            && place == Place::Packet(colibri_codec::PacketType::Publish));
    if !allowed.contains(id) {
        walk.blame_last(Malformed::PropertyNotAllowed(id));
    } else if found.offset(id).is_some() && !may_repeat {
        walk.blame_last(Malformed::PropertyTwice(id));
    }
    found.first.push((id, walk.last_offset()));
    walk.nest(|walk| value(walk, id, section::property(place, id)))
}

fn value(walk: &mut Walk<'_>, id: PropertyId, section: &'static str) -> Option<()> {
    let name = id.name();
    match kind(id) {
        Kind::Flag => {
            let byte = walk.byte(name, section, |byte| flag(id, byte))?;
            if byte > 1 {
                walk.blame_last(Malformed::PropertyValue(id));
            }
        }
        Kind::U16 => {
            let bytes = walk.fixed(name, section, |bytes| number(id, u16::from_be_bytes(bytes).into()))?;
            match (u16::from_be_bytes(bytes), id) {
                (0, PropertyId::TopicAlias) => walk.blame_last(Malformed::TopicAliasZero),
                (0, PropertyId::ReceiveMaximum) => walk.blame_last(Malformed::PropertyValue(id)),
                _ => {}
            }
        }
        Kind::U32 => {
            let bytes = walk.fixed(name, section, |bytes| number(id, u32::from_be_bytes(bytes)))?;
            if bytes == [0; 4] && id == PropertyId::MaximumPacketSize {
                walk.blame_last(Malformed::PropertyValue(id));
            }
        }
        Kind::Variable => {
            if walk.variable(name, section, |value| value.to_string())? == 0 {
                walk.blame_last(Malformed::PropertyValue(id));
            }
        }
        Kind::Text if id == PropertyId::ResponseTopic => {
            let error = walk.string(name, section)?.and_then(|text| TopicName::new(text).err());
            if let Some(error) = error {
                walk.blame_last(Malformed::ResponseTopic(error));
            }
        }
        Kind::Text => walk.text(name, section)?,
        Kind::Binary => {
            walk.binary(name, section)?;
        }
        Kind::Pair => {
            walk.text("User Property name", section)?;
            walk.text("User Property value", section)?;
        }
    }
    Some(())
}

fn flag(id: PropertyId, byte: u8) -> String {
    let meaning = match (id, byte) {
        (PropertyId::PayloadFormatIndicator, 0) => "unspecified bytes",
        (PropertyId::PayloadFormatIndicator, 1) => "UTF-8 text",
        (PropertyId::MaximumQos, 0) => "at most once",
        (PropertyId::MaximumQos, 1) => "at least once",
        (_, 0) => "no",
        (_, 1) => "yes",
        _ => "neither 0 nor 1",
    };
    format!("{byte}, {meaning}")
}

fn number(id: PropertyId, value: u32) -> String {
    match id {
        PropertyId::SessionExpiryInterval if value == u32::MAX => "for ever".to_owned(),
        PropertyId::SessionExpiryInterval
        | PropertyId::MessageExpiryInterval
        | PropertyId::WillDelayInterval
        | PropertyId::ServerKeepAlive => format!("{value} seconds"),
        PropertyId::MaximumPacketSize => format!("{value} bytes"),
        _ => value.to_string(),
    }
}
