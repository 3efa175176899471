//! UNSUBSCRIBE arrives at the server (section 3.10.4).

use alloc::vec::Vec;

use colibri_codec::{Properties, ReasonCode, Sequence, Unsuback, UnsubackReason, Unsubscribe};

use super::publish::ID_TAKEN;
use crate::answer::reason_string;
use crate::event::Event;
use crate::{Connection, Kept, Time};

impl<M: Kept> Connection<M> {
    pub(crate) fn on_unsubscribe<'a>(
        &mut self,
        unsubscribe: Unsubscribe<'a>,
        now: Time,
        out: &mut Vec<u8>,
    ) -> Event<'a, M> {
        // [v5 MQTT-2.2.1-3]
        if self.is_id_taken(unsubscribe.packet_id)
            && let Ok(taken) = UnsubackReason::new(ReasonCode::PacketIdentifierInUse)
        {
            let reasons: Vec<UnsubackReason> = unsubscribe.filters.iter().map(|_| taken).collect();
            let words = reason_string(ID_TAKEN);
            let unsuback = Unsuback {
                packet_id: unsubscribe.packet_id,
                properties: Properties::new(words.as_slice()),
                reasons: Sequence::new(&reasons),
            };
            self.unsuback(&unsuback, now, out);
            return Event::Handled;
        }
        Event::Unsubscribe(unsubscribe)
    }
}
