//! The anatomy of a packet: a field for every byte, in order, each with its value in words.
//!
//! It also does its best on bytes that are no packet: [`Verdict`] names the first broken rule as the
//! codec does, and [`Anatomy::problems`] says at which byte each rule is broken.

mod bits;
mod packet;
mod property;
mod render;
mod section;
#[cfg(test)]
mod tests;
mod walk;

use std::ops::Range;

use colibri_codec::{Connect, Frame, Malformed, Packet, PacketType, Split, Version};

pub(crate) use property::{Kind, kind};
pub(crate) use render::{Paint, Plain, Shade, render};

use walk::Walk;

/// Who sent the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// The end that opened the connection.
    Client,
    /// The end that accepted it.
    Server,
    /// Not known, as when bytes are only explained.
    Unknown,
}

/// What the bytes of one packet, or of what should be one, mean.
#[derive(Debug)]
pub(crate) struct Anatomy {
    /// The version that the packet was read as; a CONNECT says so itself.
    pub(crate) version: Version,
    /// The type in the first byte, unless it is 0 or there is no byte.
    pub(crate) packet_type: Option<PacketType>,
    /// How many bytes were looked at.
    pub(crate) length: usize,
    /// Their fields; the ranges lie end to end and cover every byte.
    pub(crate) fields: Vec<Field>,
    /// Broken rules with the offset of the field that breaks them, in the order they were met.
    pub(crate) problems: Vec<(usize, Malformed)>,
    /// Whether the codec takes the packet.
    pub(crate) verdict: Verdict,
    /// What is not malformed and yet not right, such as a CONNACK that a client sends.
    pub(crate) remarks: Vec<&'static str>,
}

/// One field of a packet.
#[derive(Debug)]
pub(crate) struct Field {
    /// Where it stands; never empty.
    pub(crate) range: Range<usize>,
    /// How far it is nested: a property is inside its section.
    pub(crate) depth: usize,
    /// Its name in the standard's words.
    pub(crate) name: String,
    /// Its value in words; may be empty.
    pub(crate) value: String,
    /// The section of the standard of that version that describes it.
    pub(crate) section: &'static str,
    /// Its single bits, if they mean something each.
    pub(crate) bits: Vec<Bits>,
}

/// Some bits of a byte.
#[derive(Debug)]
pub(crate) struct Bits {
    /// The bits at their places, and `-` for those of others.
    pub(crate) pattern: String,
    /// What they mean.
    pub(crate) meaning: String,
}

/// What the codec says to the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A packet that breaks no rule.
    WellFormed,
    /// The beginning of a packet that needs at least this many bytes more.
    Incomplete(usize),
    /// The first broken rule, and the offset of the field that breaks it, if it is one field.
    Malformed(Malformed, Option<usize>),
}

/// Takes one packet apart: one that [`pieces`] cut off.
pub(crate) fn dissect(bytes: &[u8], version: Version, sender: Sender) -> Anatomy {
    let split = Frame::split(bytes, u32::MAX);
    let packet_type = bytes.first().and_then(|first| PacketType::from_number(first >> 4));
    let version = match packet_type {
        Some(PacketType::Connect) => connect_version(bytes).unwrap_or(version),
        _ => version,
    };
    let mut walk = Walk::new(bytes, version, matches!(split, Ok(Split::Need(_))));
    packet::walk(&mut walk);
    let remarks = packet::remarks(&walk, packet_type, sender);
    let (fields, problems) = walk.finish();
    let malformed = |error| {
        let place = problems.iter().find(|(_, problem)| *problem == error).map(|(offset, _)| *offset);
        Verdict::Malformed(error, place)
    };
    let verdict = match split {
        Ok(Split::Need(needed)) => Verdict::Incomplete(needed.saturating_sub(bytes.len())),
        Ok(Split::Frame(frame, _)) => match Packet::decode(frame, version) {
            Ok(_) => Verdict::WellFormed,
            Err(error) => malformed(error),
        },
        Err(error) => malformed(error),
    };
    Anatomy { version, packet_type, length: bytes.len(), fields, problems, verdict, remarks }
}

/// The version that a CONNECT names, even where the rest of it is still to come.
fn connect_version(bytes: &[u8]) -> Option<Version> {
    let remaining_length_end = bytes.iter().skip(1).position(|byte| *byte < 0x80)?;
    Connect::peek_version(bytes.get(remaining_length_end + 2..)?)
}

/// Cuts bytes into whole packets; the last piece may be the beginning of one, or no packet at all.
pub(crate) fn pieces(bytes: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    while let Ok(Split::Frame(_, used)) = Frame::split(rest, u32::MAX) {
        let Some((packet, tail)) = rest.split_at_checked(used) else { break };
        pieces.push(packet);
        rest = tail;
    }
    if !rest.is_empty() {
        pieces.push(rest);
    }
    pieces
}
