//! UNSUBACK arrives at the client: the answer to a UNSUBSCRIBE.

use colibri_codec::Unsuback;

use crate::event::Event;
use crate::outgoing::Stage;
use crate::{Connection, Kept};

impl<M: Kept> Connection<M> {
    pub(crate) fn on_unsuback<'a>(&mut self, unsuback: Unsuback<'a>) -> Event<'a, M> {
        match self.session.outgoing.find(unsuback.packet_id) {
            Some(exchange) if exchange.stage == Stage::AwaitingUnsuback => {
                self.session.outgoing.finish(unsuback.packet_id);
                Event::Unsuback(unsuback)
            }
            // Nobody asked under this identifier.
            Some(_) | None => Event::Handled,
        }
    }
}
