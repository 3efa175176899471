//! `%j` and `%J`: a message as a JSON object.

use std::io::{self, Write};

use colibri_client::{Message, Property};
use jiff::Zoned;
use serde::Serialize;
use serde_json::ser::Formatter;
use serde_json::{Map, Serializer, Value};

use super::{JsonStyle, NotJson};
use crate::property_flag::flag_name;

/// Prints a message as a JSON object.
pub(super) fn print(
    message: &Message,
    now: &Zoned,
    payload_is_json: bool,
    style: JsonStyle,
    out: &mut Vec<u8>,
) -> Result<(), NotJson> {
    let payload = match (payload_is_json, message.payload.as_slice()) {
        (_, []) => Value::Null,
        (true, json) => serde_json::from_slice(json).map_err(|_| NotJson)?,
        (false, bytes) => text_or_bytes(bytes),
    };
    let mut object = Map::new();
    let time = format!(
        "{}.{:06}Z{}",
        now.strftime("%Y-%m-%dT%H:%M:%S"),
        now.subsec_nanosecond() / 1000,
        now.strftime("%z")
    );
    object.insert("tst".to_owned(), time.into());
    object.insert("topic".to_owned(), message.topic().as_str().into());
    object.insert("qos".to_owned(), message.qos.number().into());
    object.insert("retain".to_owned(), u8::from(message.retain).into());
    object.insert("payloadlen".to_owned(), message.payload.len().into());
    if let Some(id) = message.packet_id {
        object.insert("mid".to_owned(), id.get().into());
    }
    if !message.properties.is_empty() {
        object.insert("properties".to_owned(), properties(message).into());
    }
    object.insert("payload".to_owned(), payload);
    let written = match style {
        JsonStyle::Compact => serde_json::to_writer(&mut *out, &object),
        JsonStyle::Pretty => object.serialize(&mut Serializer::with_formatter(out, Tabs { depth: 0 })),
    };
    written.map_err(|_| NotJson)
}

/// Bytes that are no text are given as numbers.
fn text_or_bytes(bytes: &[u8]) -> Value {
    std::str::from_utf8(bytes).map_or_else(|_| bytes.to_vec().into(), Value::from)
}

fn properties(message: &Message) -> Map<String, Value> {
    let mut object = Map::new();
    for property in message.properties.view().iter() {
        let value = match property {
            Property::PayloadFormatIndicator(is_text) => u8::from(is_text).into(),
            Property::MessageExpiryInterval(seconds) => seconds.into(),
            Property::SubscriptionIdentifier(id) => id.into(),
            Property::TopicAlias(alias) => alias.get().into(),
            Property::ContentType(text) => text.as_str().into(),
            Property::ResponseTopic(topic) => topic.as_str().into(),
            Property::CorrelationData(data) => text_or_bytes(data.as_bytes()),
            Property::UserProperty((name, value)) => {
                let place = object.entry("user-properties").or_insert_with(|| Map::new().into());
                if let Value::Object(pairs) = place {
                    pairs.insert(name.as_str().to_owned(), value.as_str().into());
                }
                continue;
            }
            // No PUBLISH carries the others.
            _ => continue,
        };
        object.insert(flag_name(property.id()), value);
    }
    object
}

/// cJSON's pretty printing: tabs, a tab behind each name, arrays on one line.
struct Tabs {
    depth: usize,
}

impl Tabs {
    fn line<W: ?Sized + Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| writer.write_all(b"\t"))
    }
}

impl Formatter for Tabs {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        writer.write_all(b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        writer.write_all(b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        writer.write_all(b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        self.line(writer)?;
        writer.write_all(b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        self.line(writer)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b":\t")
    }
}
