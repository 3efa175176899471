//! CONNECT arrives at the server (section 3.1.4).

use colibri_codec::Connect;

use crate::authentication::Authentication;
use crate::event::Event;
use crate::keep_alive::KeepAlive;
use crate::{Connection, Kept, PeerLimits, State, Time, Violation};

impl<M: Kept> Connection<M> {
    pub(crate) fn on_connect<'a>(
        &mut self,
        connect: Connect<'a>,
        now: Time,
    ) -> Result<Event<'a, M>, Violation> {
        // [v5 MQTT-3.1.0-2] [v3.1.1 MQTT-3.1.0-2]
        if self.state != State::AwaitingConnect {
            return Err(Violation::SecondConnect);
        }
        self.state = State::Deciding;
        self.version = connect.version;
        self.peer = PeerLimits::from_connect(&connect);
        // [v5 MQTT-3.2.2-22]
        self.keep_alive = KeepAlive::new(self.role, connect.keep_alive, now);
        self.session_may_outlive = connect.properties.session_expiry_interval().unwrap_or(0) > 0;
        self.authentication = Authentication::begun(connect.properties.authentication_method(), self.role);
        Ok(Event::Connect(connect))
    }
}
