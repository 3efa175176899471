//! AUTH arrives: a step of an extended authentication (5.0, section 4.12).

use colibri_codec::Auth;

use crate::event::Event;
use crate::{Connection, Kept, Violation};

impl<M: Kept> Connection<M> {
    // [v5 MQTT-4.12.0-6] [v5 MQTT-4.12.0-7]
    pub(crate) fn on_auth<'a>(&self, auth: Auth<'a>) -> Result<Event<'a, M>, Violation> {
        if !self.extended_authentication {
            return Err(Violation::AuthenticationMethodMismatch);
        }
        Ok(Event::Auth(auth))
    }
}
