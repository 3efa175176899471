//! AUTH arrives: a step of an extended authentication (5.0, section 4.12).

use colibri_codec::{Auth, ReasonCode};

use crate::event::Event;
use crate::{Connection, Kept, Violation};

impl<M: Kept> Connection<M> {
    // [v5 MQTT-4.12.0-5] [v5 MQTT-4.12.0-6] [v5 MQTT-4.12.0-7] [v5 MQTT-4.12.1-1]
    pub(crate) fn on_auth<'a>(&mut self, auth: Auth<'a>) -> Result<Event<'a, M>, Violation> {
        // Only Success without properties may leave the method out (section 3.15.2.1).
        if auth.reason != ReasonCode::Success || !auth.properties.is_empty() {
            self.check_method(&auth.properties)?;
        }
        self.take_authentication_step(auth.reason)?;
        Ok(Event::Auth(auth))
    }
}
