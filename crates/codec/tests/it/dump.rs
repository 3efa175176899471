//! A packet as one line of text, the form that the vectors state what was decoded in.
//!
//! Text stands in quotes with everything but printable ASCII as `\u{..}`, bytes in hexadecimal; of
//! what is longer than 32 bytes the first eight characters or bytes and the length are shown.

use std::fmt::Write;

use colibri_codec::packet::{Connect, Publish, Subscribe};
use colibri_codec::{Packet, Properties, Property, ReasonCode};

/// The longest string or binary data that is shown whole, in bytes.
const WHOLE_BYTES_MAX: usize = 32;

pub(crate) fn packet(packet: &Packet<'_>) -> String {
    let name = packet.packet_type().name();
    let rest = match packet {
        Packet::Connect(packet) => connect(packet),
        Packet::Connack(packet) => {
            let present = u8::from(packet.session_present);
            format!(" session_present={present}{}", ending(packet.reason, &packet.properties))
        }
        Packet::Publish(packet) => publish(packet),
        Packet::Puback(packet) => acknowledgement(packet.packet_id.get(), packet.reason, &packet.properties),
        Packet::Pubrec(packet) => acknowledgement(packet.packet_id.get(), packet.reason, &packet.properties),
        Packet::Pubrel(packet) => acknowledgement(packet.packet_id.get(), packet.reason, &packet.properties),
        Packet::Pubcomp(packet) => acknowledgement(packet.packet_id.get(), packet.reason, &packet.properties),
        Packet::Subscribe(packet) => subscribe(packet),
        Packet::Suback(packet) => {
            let codes = packet.reasons.iter().map(code).collect::<String>();
            format!(" id={}{}{codes}", packet.packet_id, properties(&packet.properties))
        }
        Packet::Unsubscribe(packet) => {
            let filters = packet.filters.iter().map(|filter| format!(" {}", text(filter.as_str())));
            let filters = filters.collect::<String>();
            format!(" id={}{}{filters}", packet.packet_id, properties(&packet.properties))
        }
        Packet::Unsuback(packet) => {
            let codes = packet.reasons.iter().map(|reason| code(reason.get())).collect::<String>();
            format!(" id={}{}{codes}", packet.packet_id, properties(&packet.properties))
        }
        Packet::Pingreq(_) | Packet::Pingresp(_) => String::new(),
        Packet::Disconnect(packet) => ending(packet.reason, &packet.properties),
        Packet::Auth(packet) => ending(packet.reason, &packet.properties),
    };
    format!("{name}{rest}")
}

fn connect(packet: &Connect<'_>) -> String {
    let clean = u8::from(packet.clean_start);
    let mut line = format!(" {} clean={clean} keep_alive={}", packet.version, packet.keep_alive);
    line += &properties(&packet.properties);
    write!(line, " id={}", text(packet.client_id.as_str())).unwrap();
    if let Some(will) = &packet.will {
        let topic = text(will.topic.as_str());
        let payload = binary(will.payload.as_bytes());
        let properties = properties(&will.properties);
        let retain = u8::from(will.retain);
        write!(line, " will({topic} qos={} retain={retain}{properties} payload={payload})", will.qos)
            .unwrap();
    }
    if let Some(user_name) = packet.user_name {
        write!(line, " user={}", text(user_name.as_str())).unwrap();
    }
    if let Some(password) = packet.password {
        write!(line, " password={}", binary(password.as_bytes())).unwrap();
    }
    line
}

fn publish(packet: &Publish<'_>) -> String {
    let dup = u8::from(packet.dup);
    let retain = u8::from(packet.retain);
    let topic = packet.topic.map_or_else(|| "none".to_owned(), |topic| text(topic.as_str()));
    let id = packet.delivery.packet_id().map_or_else(String::new, |id| format!(" id={id}"));
    let properties = properties(&packet.properties);
    let payload = binary(packet.payload);
    format!(" dup={dup} qos={} retain={retain} topic={topic}{id}{properties} payload={payload}", packet.qos())
}

fn subscribe(packet: &Subscribe<'_>) -> String {
    let mut line = format!(" id={}{}", packet.packet_id, properties(&packet.properties));
    for subscription in packet.subscriptions.iter() {
        let filter = text(subscription.filter.as_str());
        let options = subscription.options;
        let (local, published) = (u8::from(options.no_local), u8::from(options.retain_as_published));
        let handling = options.retain_handling as u8;
        write!(line, " ({filter} qos={} nl={local} rap={published} rh={handling})", options.qos).unwrap();
    }
    line
}

fn acknowledgement(id: u16, reason: ReasonCode, properties: &Properties<'_>) -> String {
    format!(" id={id}{}", ending(reason, properties))
}

fn ending(reason: ReasonCode, list: &Properties<'_>) -> String {
    format!(" reason=0x{:02X}{}", reason.number(), properties(list))
}

fn code(reason: ReasonCode) -> String {
    format!(" 0x{:02X}", reason.number())
}

fn properties(list: &Properties<'_>) -> String {
    if list.is_empty() {
        return String::new();
    }
    let values = list.iter().map(|property| format!("0x{:02X}={}", property.id().number(), value(property)));
    format!(" {{{}}}", values.collect::<Vec<_>>().join(" "))
}

fn value(property: Property<'_>) -> String {
    match property {
        Property::PayloadFormatIndicator(flag)
        | Property::RequestProblemInformation(flag)
        | Property::RequestResponseInformation(flag)
        | Property::MaximumQos(flag)
        | Property::RetainAvailable(flag)
        | Property::WildcardSubscriptionAvailable(flag)
        | Property::SubscriptionIdentifierAvailable(flag)
        | Property::SharedSubscriptionAvailable(flag) => u8::from(flag).to_string(),
        Property::ServerKeepAlive(number) | Property::TopicAliasMaximum(number) => number.to_string(),
        Property::ReceiveMaximum(number) | Property::TopicAlias(number) => number.to_string(),
        Property::MessageExpiryInterval(number)
        | Property::SubscriptionIdentifier(number)
        | Property::SessionExpiryInterval(number)
        | Property::WillDelayInterval(number) => number.to_string(),
        Property::MaximumPacketSize(number) => number.to_string(),
        Property::ContentType(string)
        | Property::AssignedClientIdentifier(string)
        | Property::AuthenticationMethod(string)
        | Property::ResponseInformation(string)
        | Property::ServerReference(string)
        | Property::ReasonString(string) => text(string.as_str()),
        Property::ResponseTopic(topic) => text(topic.as_str()),
        Property::CorrelationData(bytes) | Property::AuthenticationData(bytes) => binary(bytes.as_bytes()),
        Property::UserProperty((name, value)) => format!("{}:{}", text(name.as_str()), text(value.as_str())),
    }
}

fn text(string: &str) -> String {
    let whole = string.len() <= WHOLE_BYTES_MAX;
    let mut line = String::from('"');
    for character in string.chars().take(if whole { usize::MAX } else { 8 }) {
        match character {
            '"' | '\\' => line.extend(['\\', character]),
            ' '..='~' => line.push(character),
            _ => write!(line, "\\u{{{:x}}}", u32::from(character)).unwrap(),
        }
    }
    line.push('"');
    if !whole {
        write!(line, "...({} bytes)", string.len()).unwrap();
    }
    line
}

fn binary(bytes: &[u8]) -> String {
    let whole = bytes.len() <= WHOLE_BYTES_MAX;
    let mut line = String::from("0x");
    for byte in bytes.iter().take(if whole { usize::MAX } else { 8 }) {
        write!(line, "{byte:02x}").unwrap();
    }
    if !whole {
        write!(line, "...({} bytes)", bytes.len()).unwrap();
    }
    line
}
