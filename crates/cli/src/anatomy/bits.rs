//! The bytes whose single bits have a meaning of their own.

use colibri_codec::{PacketType, Version};

use super::Bits;

/// The bits of `byte` under `mask`, at their places.
fn bits(byte: u8, mask: u8, meaning: impl Into<String>) -> Bits {
    let mut pattern = String::with_capacity(9);
    for place in (0..8).rev() {
        let digit = match (mask >> place & 1, byte >> place & 1) {
            (0, _) => '-',
            (_, 0) => '0',
            _ => '1',
        };
        pattern.push(digit);
        if place == 4 {
            pattern.push(' ');
        }
    }
    Bits { pattern, meaning: meaning.into() }
}

fn yes_no(byte: u8, mask: u8) -> &'static str {
    if byte & mask == 0 { "no" } else { "yes" }
}

fn qos(number: u8) -> &'static str {
    match number {
        0 => "0, at most once",
        1 => "1, at least once",
        2 => "2, exactly once",
        _ => "3, which does not exist",
    }
}

/// The first byte of every packet: its type and four flags.
pub(super) fn first_byte(byte: u8, packet_type: Option<PacketType>, version: Version) -> Vec<Bits> {
    let name = packet_type.map_or("reserved", PacketType::name);
    let mut rows = vec![bits(byte, 0xF0, format!("packet type {}: {name}", byte >> 4))];
    let reserved = packet_type.and_then(PacketType::reserved_flags);
    if packet_type == Some(PacketType::Publish) {
        rows.push(bits(byte, 0b1000, format!("DUP, sent before: {}", yes_no(byte, 0b1000))));
        rows.push(bits(byte, 0b0110, format!("QoS {}", qos(byte >> 1 & 0b11))));
        rows.push(bits(byte, 0b0001, format!("RETAIN: {}", yes_no(byte, 1))));
    } else if version == Version::V3_1 && reserved == Some(0b0010) {
        // 3.1 gives these three packets the flags of a QoS 1 message (its section 2.1).
        rows.push(bits(byte, 0b1000, format!("DUP, sent before: {}", yes_no(byte, 0b1000))));
        rows.push(bits(byte, 0b0110, format!("QoS {}", qos(byte >> 1 & 0b11))));
        rows.push(bits(byte, 0b0001, "not used"));
    } else {
        let meaning = match reserved {
            Some(value) => format!("reserved, must be {value:04b}"),
            None => "flags".to_owned(),
        };
        rows.push(bits(byte, 0x0F, meaning));
    }
    rows
}

/// The Connect Flags of CONNECT.
pub(super) fn connect_flags(byte: u8, version: Version) -> Vec<Bits> {
    let clean = if version.has_properties() { "Clean Start" } else { "Clean Session" };
    vec![
        bits(byte, 0x80, format!("User Name follows: {}", yes_no(byte, 0x80))),
        bits(byte, 0x40, format!("Password follows: {}", yes_no(byte, 0x40))),
        bits(byte, 0x20, format!("Will Retain: {}", yes_no(byte, 0x20))),
        bits(byte, 0x18, format!("Will QoS {}", qos(byte >> 3 & 0b11))),
        bits(byte, 0x04, format!("Will follows: {}", yes_no(byte, 0x04))),
        bits(byte, 0x02, format!("{clean}: {}", yes_no(byte, 0x02))),
        bits(byte, 0x01, if version == Version::V3_1 { "not used" } else { "reserved, must be 0" }),
    ]
}

/// The Connect Acknowledge Flags of CONNACK.
pub(super) fn connack_flags(byte: u8, version: Version) -> Vec<Bits> {
    if version == Version::V3_1 {
        return vec![bits(byte, 0xFF, "not used")];
    }
    vec![
        bits(byte, 0xFE, "reserved, must be 0"),
        bits(byte, 0x01, format!("Session Present: {}", yes_no(byte, 0x01))),
    ]
}

/// The Subscription Options of SUBSCRIBE; before 5.0 the requested QoS.
pub(super) fn subscription_options(byte: u8, version: Version) -> Vec<Bits> {
    let maximum = bits(byte, 0b11, format!("Maximum QoS {}", qos(byte & 0b11)));
    if !version.has_properties() {
        return vec![bits(byte, 0b1111_1100, "reserved, must be 0"), maximum];
    }
    let handling = match byte >> 4 & 0b11 {
        0 => "0, retained messages come with every SUBSCRIBE",
        1 => "1, retained messages come if the subscription is new",
        2 => "2, retained messages do not come",
        _ => "3, which does not exist",
    };
    vec![
        bits(byte, 0b1100_0000, "reserved, must be 0"),
        bits(byte, 0b0011_0000, format!("Retain Handling {handling}")),
        bits(byte, 0b1000, format!("Retain As Published: {}", yes_no(byte, 0b1000))),
        bits(byte, 0b0100, format!("No Local: {}", yes_no(byte, 0b0100))),
        maximum,
    ]
}
