//! `-F`: how a message is printed, as mosquitto_sub prints it.

mod json;
mod parse;
mod print;

use jiff::Zoned;

use colibri_client::Message;

use crate::failure::Failure;

/// A format taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Format {
    pieces: Vec<Piece>,
}

/// One part of a format.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    /// Printed as it is.
    Literal(Vec<u8>),
    /// `%` and a letter.
    Field(Field, Layout),
    /// `@` and a letter, which strftime knows.
    Time(char),
    /// `@N`: nanoseconds in the current second.
    Nanoseconds,
}

/// What a letter behind `%` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    TopicAlias,
    ContentType,
    CorrelationData,
    MessageExpiry,
    PayloadFormat,
    IsoTime,
    Json { payload_is_json: bool },
    PayloadLength,
    PacketId,
    UserProperties,
    Payload,
    QoS,
    ResponseTopic,
    Retain,
    SubscriptionIdentifier,
    Topic,
    UnixTime,
    HexLower,
    HexUpper,
}

/// What stands between `%` and the letter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Layout {
    left: bool,
    zeros: bool,
    width: usize,
    precision: Option<usize>,
}

/// Whether JSON is spread over lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum JsonStyle {
    /// On one line.
    #[default]
    Compact,
    /// `--pretty`: as cJSON prints it.
    Pretty,
}

/// The payload of a message printed with `%J` is no JSON.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotJson;

impl Format {
    /// Takes a format apart.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        parse::pieces(text).map(|pieces| Self { pieces })
    }

    /// Prints a message, that came at a time, behind what is in `out`. Where a payload is no JSON although it
    /// should be, that field stays empty.
    pub(crate) fn print(
        &self,
        message: &Message,
        now: &Zoned,
        style: JsonStyle,
        out: &mut Vec<u8>,
    ) -> Result<(), NotJson> {
        let mut outcome = Ok(());
        for piece in &self.pieces {
            match piece {
                Piece::Literal(bytes) => out.extend_from_slice(bytes),
                Piece::Field(Field::Json { payload_is_json }, _) => {
                    let printed = json::print(message, now, *payload_is_json, style, out);
                    outcome = outcome.and(printed);
                }
                Piece::Field(field, layout) => print::field(*field, *layout, message, now, out),
                Piece::Time(letter) => out.extend_from_slice(print::time(*letter, now).as_bytes()),
                Piece::Nanoseconds => {
                    out.extend_from_slice(format!("{:09}", now.subsec_nanosecond()).as_bytes());
                }
            }
        }
        outcome
    }
}

#[cfg(test)]
mod tests;
