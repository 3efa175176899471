//! PUBREL arrives: the sender of a QoS 2 message lets go of it (section 4.3.3).

use alloc::vec::Vec;

use colibri_codec::{PacketId, Pubcomp, Pubrel, ReasonCode};

use crate::event::Event;
use crate::{Connection, Kept, State, Time, Violation};

impl<M: Kept> Connection<M> {
    pub(crate) fn on_pubrel<'a>(
        &mut self,
        pubrel: Pubrel<'a>,
        now: Time,
        out: &mut Vec<u8>,
    ) -> Result<Event<'a, M>, Violation> {
        // Whatever has become of the message. [v5 MQTT-4.3.3-13]
        if self.session.received.remove(pubrel.packet_id) {
            return Ok(Event::Release(pubrel.packet_id));
        }
        // Nothing is known under this identifier: a repeated PUBREL. [v5 MQTT-4.3.3-11]
        self.write_pubcomp(pubrel.packet_id, ReasonCode::PacketIdentifierNotFound, now, out);
        Ok(Event::Handled)
    }

    /// Answers [`Event::Release`] with PUBCOMP.
    // [v5 MQTT-4.3.3-11] [v5 MQTT-4.3.3-12] [v3.1.1 MQTT-4.3.3-2]
    pub fn complete(&mut self, id: PacketId, now: Time, out: &mut Vec<u8>) {
        self.receive_quota.give_back();
        self.write_pubcomp(id, ReasonCode::Success, now, out);
    }

    fn write_pubcomp(&mut self, id: PacketId, reason: ReasonCode, now: Time, out: &mut Vec<u8>) {
        // [v5 MQTT-3.14.4-1] [v3.1.1 MQTT-3.14.4-2]
        if self.state != State::Open {
            return;
        }
        let reason = if self.version.has_properties() { reason } else { ReasonCode::Success };
        // [v5 MQTT-3.7.2-2] [v5 MQTT-3.7.2-3]
        let written = Pubcomp::new(id, reason).encode(self.version, out);
        debug_assert!(written.is_ok(), "{written:?}");
        self.keep_alive.sent(now);
    }
}
