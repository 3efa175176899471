//! DISCONNECT arrives: the peer ends the connection (section 3.14).

use colibri_codec::Disconnect;

use crate::event::Event;
use crate::{Connection, Kept, Role, State, Violation};

impl<M: Kept> Connection<M> {
    pub(crate) fn on_disconnect<'a>(
        &mut self,
        disconnect: Disconnect<'a>,
    ) -> Result<Event<'a, M>, Violation> {
        let expiry = disconnect.properties.session_expiry_interval();
        match self.role {
            Role::Server => {
                // Section 3.14.2.2.2.
                if expiry.is_some_and(|seconds| seconds > 0) && !self.session_may_outlive {
                    return Err(Violation::SessionExpiryAfterZero);
                }
                if disconnect.properties.server_reference().is_some() {
                    return Err(Violation::ServerReferenceFromClient);
                }
            }
            // [v5 MQTT-3.14.2-2]
            Role::Client if expiry.is_some() => return Err(Violation::SessionExpiryFromServer),
            Role::Client => {}
        }
        self.state = State::Closed;
        Ok(Event::Disconnect(disconnect))
    }
}
