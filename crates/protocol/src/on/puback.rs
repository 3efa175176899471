//! PUBACK arrives: a QoS 1 message has reached its receiver (section 4.3.2).

use colibri_codec::Puback;

use crate::event::{Delivered, Event};
use crate::outgoing::Stage;
use crate::{Connection, Kept};

impl<M: Kept> Connection<M> {
    // [v5 MQTT-4.3.2-3] [v5 MQTT-4.4.0-2] [v3.1.1 MQTT-4.3.2-1]
    #[inline]
    pub(crate) fn on_puback<'a>(&mut self, puback: Puback<'a>) -> Event<'a, M> {
        let Puback { packet_id, reason, properties } = puback;
        match self.session.outgoing.find(packet_id) {
            Some(exchange) if exchange.stage == Stage::AwaitingPuback => {}
            // Nothing is known under this identifier: a repeated answer, which changes nothing.
            Some(_) | None => return Event::Handled,
        }
        let kept = self.finish_exchange(packet_id);
        Event::Delivered(Delivered { packet_id, reason, properties, kept })
    }
}
