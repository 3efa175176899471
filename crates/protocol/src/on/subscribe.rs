//! SUBSCRIBE arrives at the server (section 3.8.4).

use alloc::vec::Vec;

use colibri_codec::{Properties, ReasonCode, Sequence, Suback, Subscribe};

use super::publish::ID_TAKEN;
use crate::answer::reason_string;
use crate::event::Event;
use crate::{Connection, Kept, Time};

impl<M: Kept> Connection<M> {
    pub(crate) fn on_subscribe<'a>(
        &mut self,
        subscribe: Subscribe<'a>,
        now: Time,
        out: &mut Vec<u8>,
    ) -> Event<'a, M> {
        // [v5 MQTT-2.2.1-3]
        if self.is_id_taken(subscribe.packet_id) {
            let reasons: Vec<ReasonCode> =
                subscribe.subscriptions.iter().map(|_| ReasonCode::PacketIdentifierInUse).collect();
            let words = reason_string(ID_TAKEN);
            let suback = Suback {
                packet_id: subscribe.packet_id,
                properties: Properties::new(words.as_slice()),
                reasons: Sequence::new(&reasons),
            };
            self.suback(&suback, now, out);
            return Event::Handled;
        }
        Event::Subscribe(subscribe)
    }
}
