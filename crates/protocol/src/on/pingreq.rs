//! PINGREQ arrives at the server (section 3.12).

use alloc::vec::Vec;

use colibri_codec::Pingresp;

use crate::event::Event;
use crate::{Connection, Kept, Time};

impl<M: Kept> Connection<M> {
    // [v5 MQTT-3.12.4-1] [v3.1.1 MQTT-3.12.4-1]
    pub(crate) fn on_pingreq<'a>(&mut self, now: Time, out: &mut Vec<u8>) -> Event<'a, M> {
        Pingresp.encode(out);
        self.keep_alive.sent(now);
        Event::Handled
    }
}
