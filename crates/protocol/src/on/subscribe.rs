//! SUBSCRIBE arrives at the server (section 3.8.4).

use colibri_codec::Subscribe;

use crate::event::Event;
use crate::{Connection, Kept};

impl<M: Kept> Connection<M> {
    pub(crate) fn on_subscribe<'a>(&self, subscribe: Subscribe<'a>) -> Event<'a, M> {
        Event::Subscribe(subscribe)
    }
}
