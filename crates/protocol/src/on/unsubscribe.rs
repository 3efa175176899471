//! UNSUBSCRIBE arrives at the server (section 3.10.4).

use colibri_codec::Unsubscribe;

use crate::event::Event;
use crate::{Connection, Kept};

impl<M: Kept> Connection<M> {
    pub(crate) fn on_unsubscribe<'a>(&self, unsubscribe: Unsubscribe<'a>) -> Event<'a, M> {
        Event::Unsubscribe(unsubscribe)
    }
}
