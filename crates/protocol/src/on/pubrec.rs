//! PUBREC arrives: a QoS 2 receiver has taken a message over, or refuses it (section 4.3.3).

use alloc::vec::Vec;

use colibri_codec::{Pubrec, Pubrel, ReasonCode};

use crate::event::{Delivered, Event};
use crate::outgoing::Stage;
use crate::{Connection, Kept, Time, Violation};

impl<M: Kept> Connection<M> {
    pub(crate) fn on_pubrec<'a>(
        &mut self,
        pubrec: Pubrec<'a>,
        now: Time,
        out: &mut Vec<u8>,
    ) -> Result<Event<'a, M>, Violation> {
        let Pubrec { packet_id, reason, properties } = pubrec;
        let refused = reason.is_failure();
        let awaited = self.session.outgoing.find(packet_id).map(|exchange| exchange.stage);
        if refused && awaited == Some(Stage::AwaitingPubrec) {
            // [v5 MQTT-4.4.0-2]
            let kept = self.finish_exchange(packet_id);
            return Ok(Event::Delivered(Delivered { packet_id, reason, properties, kept }));
        }
        if !refused {
            // [v5 MQTT-4.3.3-4] [v3.1.1 MQTT-4.3.3-1]; to an identifier that is not in use 5.0 says so.
            let unsent = self.session.outgoing.find(packet_id).is_some_and(|exchange| exchange.resend);
            // [v5 MQTT-4.3.3-3]
            let found = self.session.outgoing.release(packet_id);
            if found && unsent {
                self.send_quota.occupy();
            }
            let reason = if found || !self.version.has_properties() {
                ReasonCode::Success
            } else {
                ReasonCode::PacketIdentifierNotFound
            };
            // [v5 MQTT-3.6.2-2] [v5 MQTT-3.6.2-3]
            let written = Pubrel::new(packet_id, reason).encode(self.version, out);
            debug_assert!(written.is_ok(), "{written:?}");
            self.keep_alive.sent(now);
        }
        Ok(Event::Handled)
    }
}
