//! CONNACK arrives at the client (section 3.2).

use alloc::vec::Vec;
use core::mem;

use colibri_codec::{Connack, ReasonCode, Version};

use crate::event::Event;
use crate::{Connection, Kept, PeerLimits, State, Time, Violation};

impl<M: Kept> Connection<M> {
    pub(crate) fn on_connack<'a>(
        &mut self,
        connack: Connack<'a>,
        now: Time,
        out: &mut Vec<u8>,
    ) -> Result<Event<'a, M>, Violation> {
        // [v5 MQTT-3.2.0-2]
        if self.state != State::AwaitingConnack {
            return Err(Violation::UnexpectedConnack);
        }
        if connack.reason != ReasonCode::Success {
            self.state = State::Closed;
            return Ok(Event::Connack(connack));
        }
        // [v5 MQTT-3.2.2-4]
        if connack.session_present && self.clean_start {
            return Err(Violation::SessionPresentUnasked);
        }
        self.peer = PeerLimits::from_connack(&connack);
        // [v5 MQTT-3.1.2-21] [v5 MQTT-3.2.2-21]
        if let Some(keep_alive) = connack.properties.server_keep_alive() {
            self.keep_alive.change(keep_alive);
        }
        // A CONNACK of 3.1 cannot say that there is a session, so it is taken to be there.
        let present = connack.session_present || self.version == Version::V3_1 && !self.clean_start;
        if !present {
            self.forget_session();
        }
        let session = mem::take(&mut self.session);
        self.open(session, now, out);
        Ok(Event::Connack(connack))
    }

    /// The server has no session: what was under way becomes new again, in its order. Nothing is known
    /// to have arrived, so an application that would rather lose than repeat empties the queue.
    // [v5 MQTT-3.2.2-5]
    fn forget_session(&mut self) {
        let old = mem::take(&mut self.session);
        old.into_messages().for_each(|message| self.session.enqueue(message));
    }
}
