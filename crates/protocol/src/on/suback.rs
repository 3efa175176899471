//! SUBACK arrives at the client: the answer to a SUBSCRIBE.

use colibri_codec::Suback;

use crate::event::Event;
use crate::outgoing::Stage;
use crate::{Connection, Kept};

impl<M: Kept> Connection<M> {
    pub(crate) fn on_suback<'a>(&mut self, suback: Suback<'a>) -> Event<'a, M> {
        match self.session.outgoing.find(suback.packet_id) {
            Some(exchange) if exchange.stage == Stage::AwaitingSuback => {
                self.session.outgoing.finish(suback.packet_id);
                Event::Suback(suback)
            }
            // Nobody asked under this identifier.
            Some(_) | None => Event::Handled,
        }
    }
}
