//! PINGRESP arrives at the client: the server is there (section 3.13).

use crate::event::Event;
use crate::{Connection, Kept};

impl<M: Kept> Connection<M> {
    pub(crate) const fn on_pingresp<'a>(&mut self) -> Event<'a, M> {
        self.keep_alive.ponged();
        Event::Handled
    }
}
