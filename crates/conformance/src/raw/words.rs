//! Bytes in hexadecimal and packets in words, for the report.

use std::fmt::{self, Display, Formatter, Write};

use super::property::{Properties, Value};
use super::{Content, Packet, Publication};

/// How many bytes are shown of something long.
const SHOWN_MAX: usize = 64;

/// Bytes in hexadecimal, the first 64 of them.
pub fn hex(bytes: &[u8]) -> String {
    let shown = bytes.iter().take(SHOWN_MAX).map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" ");
    if bytes.len() > SHOWN_MAX { format!("{shown} ... ({} bytes)", bytes.len()) } else { shown }
}

/// A packet in words, such as `PUBACK (id 3, code 0x10)`.
pub fn words(packet: &Packet) -> String {
    let mut text = packet.kind().name();
    match &packet.content {
        Content::Connack(connack) => {
            add(&mut text, &format!(" (flags 0x{:02X}, code 0x{:02X}", connack.flags, connack.code));
            add(&mut text, &properties(&connack.properties));
        }
        Content::Publish(publish) => {
            add(&mut text, &format!(" ({publish}"));
        }
        Content::Ack(ack) => {
            let properties = properties(&ack.properties);
            add(&mut text, &format!(" (id {}, code 0x{:02X}{properties}", ack.id, ack.code));
        }
        Content::Answer(answer) => {
            let properties = properties(&answer.properties);
            add(&mut text, &format!(" (id {}, codes [{}]{properties}", answer.id, hex(&answer.codes)));
        }
        Content::Reason(code, list) => add(&mut text, &format!(" (code 0x{code:02X}{}", properties(list))),
        Content::Connect(hello) => {
            let id = shorten(&String::from_utf8_lossy(&hello.client_id));
            add(
                &mut text,
                &format!(" (level {}, flags 0x{:02X}, client id {id:?}", hello.level, hello.flags),
            );
            add(&mut text, &format!(", keep alive {}{}", hello.keep_alive, properties(&hello.properties)));
        }
        Content::Request(request) => {
            add(&mut text, &format!(" (id {}", request.id));
            for (filter, options) in &request.filters {
                let filter = shorten(&String::from_utf8_lossy(filter));
                add(&mut text, &format!(", filter {filter:?} with options 0x{options:02X}"));
            }
            add(&mut text, &properties(&request.properties));
        }
        Content::Other => return text,
        Content::Unreadable => return format!("{text} that cannot be read"),
    }
    text.push(')');
    text
}

impl Display for Publication {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let id = self.id.map_or_else(String::new, |id| format!(", id {id}"));
        let dup = if self.dup { ", DUP" } else { "" };
        let retain = if self.retain { ", RETAIN" } else { "" };
        let topic = shorten(&String::from_utf8_lossy(&self.topic));
        let payload = shorten(&String::from_utf8_lossy(&self.payload));
        let properties = properties(&self.properties);
        write!(f, "QoS {}{id}{dup}{retain}, topic {topic:?}, payload {payload:?}{properties}", self.qos)
    }
}

fn add(text: &mut String, more: &str) {
    text.push_str(more);
}

fn properties(properties: &Properties) -> String {
    let mut text = String::new();
    for (id, value) in &properties.0 {
        let written = match value {
            Value::Number(number) => write!(text, ", property 0x{id:02X} = {number}"),
            Value::Bytes(bytes) => {
                write!(text, ", property 0x{id:02X} = {:?}", shorten(&String::from_utf8_lossy(bytes)))
            }
            Value::Pair(name, value) => {
                let (name, value) = (String::from_utf8_lossy(name), String::from_utf8_lossy(value));
                write!(text, ", {:?} = {:?}", shorten(&name), shorten(&value))
            }
        };
        debug_assert!(written.is_ok(), "a String takes everything");
    }
    text
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= SHOWN_MAX {
        return text.to_owned();
    }
    text.chars().take(SHOWN_MAX).chain("...".chars()).collect()
}
