//! In which section of the 5.0 standard each property of each packet is described.

use colibri_codec::{PacketType, PropertyId};

/// Where properties stand: a packet, or the will inside CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The properties of a packet.
    Packet(PacketType),
    /// The Will Properties of CONNECT.
    Will,
}

/// The section of the Property Length.
pub(super) const fn length(place: Place) -> &'static str {
    match place {
        Place::Will => "3.1.3.2.1",
        Place::Packet(packet_type) => match packet_type {
            PacketType::Connect => "3.1.2.11.1",
            PacketType::Connack => "3.2.2.3.1",
            PacketType::Publish => "3.3.2.3.1",
            PacketType::Puback => "3.4.2.2.1",
            PacketType::Pubrec => "3.5.2.2.1",
            PacketType::Pubrel => "3.6.2.2.1",
            PacketType::Pubcomp => "3.7.2.2.1",
            PacketType::Subscribe => "3.8.2.1.1",
            PacketType::Suback => "3.9.2.1.1",
            PacketType::Unsubscribe => "3.10.2.1.1",
            PacketType::Unsuback => "3.11.2.1.1",
            PacketType::Disconnect => "3.14.2.2.1",
            PacketType::Auth => "3.15.2.2.1",
            PacketType::Pingreq | PacketType::Pingresp => "2.2.2.1",
        },
    }
}

/// The section of a property, or that of the table of all where the packet may not carry it.
pub(super) fn property(place: Place, id: PropertyId) -> &'static str {
    let own = match place {
        Place::Will => will(id),
        Place::Packet(PacketType::Connect) => connect(id),
        Place::Packet(PacketType::Connack) => connack(id),
        Place::Packet(PacketType::Publish) => publish(id),
        Place::Packet(packet_type) => other(packet_type, id),
    };
    own.unwrap_or("2.2.2.2")
}

fn will(id: PropertyId) -> Option<&'static str> {
    Some(match id {
        PropertyId::WillDelayInterval => "3.1.3.2.2",
        PropertyId::PayloadFormatIndicator => "3.1.3.2.3",
        PropertyId::MessageExpiryInterval => "3.1.3.2.4",
        PropertyId::ContentType => "3.1.3.2.5",
        PropertyId::ResponseTopic => "3.1.3.2.6",
        PropertyId::CorrelationData => "3.1.3.2.7",
        PropertyId::UserProperty => "3.1.3.2.8",
        _ => return None,
    })
}

fn connect(id: PropertyId) -> Option<&'static str> {
    Some(match id {
        PropertyId::SessionExpiryInterval => "3.1.2.11.2",
        PropertyId::ReceiveMaximum => "3.1.2.11.3",
        PropertyId::MaximumPacketSize => "3.1.2.11.4",
        PropertyId::TopicAliasMaximum => "3.1.2.11.5",
        PropertyId::RequestResponseInformation => "3.1.2.11.6",
        PropertyId::RequestProblemInformation => "3.1.2.11.7",
        PropertyId::UserProperty => "3.1.2.11.8",
        PropertyId::AuthenticationMethod => "3.1.2.11.9",
        PropertyId::AuthenticationData => "3.1.2.11.10",
        _ => return None,
    })
}

fn connack(id: PropertyId) -> Option<&'static str> {
    Some(match id {
        PropertyId::SessionExpiryInterval => "3.2.2.3.2",
        PropertyId::ReceiveMaximum => "3.2.2.3.3",
        PropertyId::MaximumQos => "3.2.2.3.4",
        PropertyId::RetainAvailable => "3.2.2.3.5",
        PropertyId::MaximumPacketSize => "3.2.2.3.6",
        PropertyId::AssignedClientIdentifier => "3.2.2.3.7",
        PropertyId::TopicAliasMaximum => "3.2.2.3.8",
        PropertyId::ReasonString => "3.2.2.3.9",
        PropertyId::UserProperty => "3.2.2.3.10",
        PropertyId::WildcardSubscriptionAvailable => "3.2.2.3.11",
        PropertyId::SubscriptionIdentifierAvailable => "3.2.2.3.12",
        PropertyId::SharedSubscriptionAvailable => "3.2.2.3.13",
        PropertyId::ServerKeepAlive => "3.2.2.3.14",
        PropertyId::ResponseInformation => "3.2.2.3.15",
        PropertyId::ServerReference => "3.2.2.3.16",
        PropertyId::AuthenticationMethod => "3.2.2.3.17",
        PropertyId::AuthenticationData => "3.2.2.3.18",
        _ => return None,
    })
}

fn publish(id: PropertyId) -> Option<&'static str> {
    Some(match id {
        PropertyId::PayloadFormatIndicator => "3.3.2.3.2",
        PropertyId::MessageExpiryInterval => "3.3.2.3.3",
        PropertyId::TopicAlias => "3.3.2.3.4",
        PropertyId::ResponseTopic => "3.3.2.3.5",
        PropertyId::CorrelationData => "3.3.2.3.6",
        PropertyId::UserProperty => "3.3.2.3.7",
        PropertyId::SubscriptionIdentifier => "3.3.2.3.8",
        PropertyId::ContentType => "3.3.2.3.9",
        _ => return None,
    })
}

fn other(packet_type: PacketType, id: PropertyId) -> Option<&'static str> {
    Some(match (packet_type, id) {
        (PacketType::Puback, PropertyId::ReasonString) => "3.4.2.2.2",
        (PacketType::Puback, PropertyId::UserProperty) => "3.4.2.2.3",
        (PacketType::Pubrec, PropertyId::ReasonString) => "3.5.2.2.2",
        (PacketType::Pubrec, PropertyId::UserProperty) => "3.5.2.2.3",
        (PacketType::Pubrel, PropertyId::ReasonString) => "3.6.2.2.2",
        (PacketType::Pubrel, PropertyId::UserProperty) => "3.6.2.2.3",
        (PacketType::Pubcomp, PropertyId::ReasonString) => "3.7.2.2.2",
        (PacketType::Pubcomp, PropertyId::UserProperty) => "3.7.2.2.3",
        (PacketType::Subscribe, PropertyId::SubscriptionIdentifier) => "3.8.2.1.2",
        (PacketType::Subscribe, PropertyId::UserProperty) => "3.8.2.1.3",
        (PacketType::Suback, PropertyId::ReasonString) => "3.9.2.1.2",
        (PacketType::Suback, PropertyId::UserProperty) => "3.9.2.1.3",
        (PacketType::Unsubscribe, PropertyId::UserProperty) => "3.10.2.1.2",
        (PacketType::Unsuback, PropertyId::ReasonString) => "3.11.2.1.2",
        (PacketType::Unsuback, PropertyId::UserProperty) => "3.11.2.1.3",
        (PacketType::Disconnect, PropertyId::SessionExpiryInterval) => "3.14.2.2.2",
        (PacketType::Disconnect, PropertyId::ReasonString) => "3.14.2.2.3",
        (PacketType::Disconnect, PropertyId::UserProperty) => "3.14.2.2.4",
        (PacketType::Disconnect, PropertyId::ServerReference) => "3.14.2.2.5",
        (PacketType::Auth, PropertyId::AuthenticationMethod) => "3.15.2.2.2",
        (PacketType::Auth, PropertyId::AuthenticationData) => "3.15.2.2.3",
        (PacketType::Auth, PropertyId::ReasonString) => "3.15.2.2.4",
        (PacketType::Auth, PropertyId::UserProperty) => "3.15.2.2.5",
        _ => return None,
    })
}
