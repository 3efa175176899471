//! Writing answers within what the peer takes: without their words if need be, and else not at all.

use alloc::vec::Vec;

use colibri_codec::{Disconnect, EncodeError, Properties, Property, ReasonCode, Utf8String};

use crate::{Connection, Kept, State, Time};

/// The longest of PUBACK, PUBREC, PUBREL and PUBCOMP without properties, in bytes: fixed header, Packet
/// Identifier, reason code.
pub(crate) const ACK_SIZE_MAX: u32 = 5;

impl<M: Kept> Connection<M> {
    /// Writes an answer with the properties in `full`, if the peer wants and takes them, and else with those
    /// in `bare`. A peer that does not take that either could only wait for ever: its connection ends.
    // [v5 MQTT-3.1.2-24] [v5 MQTT-3.1.2-29] [v5 MQTT-3.2.2-15] [v5 MQTT-3.4.2-2] [v5 MQTT-3.4.2-3]
    // [v5 MQTT-3.5.2-2] [v5 MQTT-3.5.2-3] [v5 MQTT-3.9.2-1] [v5 MQTT-3.9.2-2] [v5 MQTT-3.11.2-1]
    // [v5 MQTT-3.11.2-2] [v5 MQTT-3.15.2-2] [v5 MQTT-3.15.2-3]
    pub(crate) fn write_answer(
        &mut self,
        full: Properties<'_>,
        bare: Properties<'_>,
        now: Time,
        out: &mut Vec<u8>,
        encode: impl Fn(Properties<'_>, &mut Vec<u8>) -> Result<(), EncodeError>,
    ) {
        let start = out.len();
        let explained = self.peer.problem_information.then_some(full);
        for properties in explained.into_iter().chain([bare]) {
            let written = encode(properties, out);
            if written.is_ok() && out.len() - start <= self.peer.maximum_packet_size as usize {
                return self.keep_alive.sent(now);
            }
            debug_assert!(
                written.is_ok() || !matches!(written, Err(EncodeError::Malformed(_))),
                "{written:?}"
            );
            out.truncate(start);
        }
        match self.state {
            State::Deciding => self.refuse(ReasonCode::PacketTooLarge, &[], out),
            State::Open => self.disconnect(&Disconnect::new(ReasonCode::PacketTooLarge), out),
            State::AwaitingConnect | State::AwaitingConnack | State::Closed => self.state = State::Closed,
        }
    }
}

/// Words for people as a property; none where there are none.
pub(crate) fn reason_string(words: &str) -> Option<Property<'_>> {
    Utf8String::new(words).ok().filter(|words| !words.is_empty()).map(Property::ReasonString)
}
