//! PUBCOMP arrives: a QoS 2 message has reached its receiver once (section 4.3.3).

use colibri_codec::Pubcomp;

use crate::event::{Delivered, Event};
use crate::outgoing::Stage;
use crate::{Connection, Kept};

impl<M: Kept> Connection<M> {
    // [v5 MQTT-4.3.3-5]
    pub(crate) fn on_pubcomp<'a>(&mut self, pubcomp: Pubcomp<'a>) -> Event<'a, M> {
        let Pubcomp { packet_id, reason, properties } = pubcomp;
        match self.session.outgoing.find(packet_id) {
            Some(exchange) if matches!(exchange.stage, Stage::AwaitingPubcomp { .. }) => {}
            // Nothing is known under this identifier: a repeated answer, which changes nothing.
            Some(_) | None => return Event::Handled,
        }
        let kept = self.finish_exchange(packet_id);
        Event::Delivered(Delivered { packet_id, reason, properties, kept })
    }
}
