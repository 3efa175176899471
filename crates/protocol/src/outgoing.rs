//! What this end has sent and not seen acknowledged, and what waits to be sent (sections 4.3 and 4.4).
//!
//! ```text
//!  QoS 1:      AwaitingPuback  --PUBACK-->  done
//!  QoS 2:      AwaitingPubrec  --PUBREC below 0x80-->  AwaitingPubcomp  --PUBCOMP-->  done
//!                    +---------- PUBREC of 0x80 and above ------------------------->  done
//!  requests:   AwaitingSuback  --SUBACK-->  done        AwaitingUnsuback  --UNSUBACK-->  done
//! ```
//!
//! Identifiers are handed out in a circle, so the exchanges stand in a queue in which an identifier
//! tells its place. Whoever leaves one exchange open while thousands pass it finds it moved aside, so
//! that neither the queue nor the search in it grows with the age of the oldest.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use colibri_codec::PacketId;

use crate::Kept;
use crate::incoming::PacketIdSet;
use crate::packet_id::{self, Counter, distance};
use crate::waiting::Waiting;

/// How far the newest identifier may be from that of the oldest exchange in the queue before the oldest
/// is moved aside. Half of the circle, so that "older" and "newer" keep their meaning.
const SPAN_MAX: u16 = packet_id::COUNT / 2;

/// What an exchange waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    AwaitingPuback,
    AwaitingPubrec,
    /// The order says which PUBREC came first. [v5 MQTT-4.6.0-4] [v3.1.1 MQTT-4.6.0-4]
    AwaitingPubcomp {
        order: u32,
    },
    AwaitingSuback,
    AwaitingUnsuback,
    Done,
}

/// One exchange.
#[derive(Clone, Debug)]
pub(crate) struct Exchange<M> {
    pub(crate) id: PacketId,
    pub(crate) stage: Stage,
    /// Whether its PUBLISH has to be sent again on this connection before anything new is.
    pub(crate) resend: bool,
    /// What is needed to send it again; `None` in a session that ends with its connection.
    pub(crate) kept: Option<M>,
}

/// The sender's half of a session.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing<M> {
    counter: Counter,
    /// In the order of sending, which is that of the identifiers. The first is never `Done`.
    queue: VecDeque<Exchange<M>>,
    /// How many in the queue are `Done`.
    done: usize,
    /// Older than all in the queue; nearly always there is none.
    aside: Option<Box<Aside<M>>>,
    /// How many exchanges are marked `resend`.
    resends: usize,
    /// How many of the oldest exchanges are known not to be marked `resend`, so that sending thousands
    /// again looks at each of them once.
    settled: usize,
    /// How many PUBRECs have come.
    pubrecs: u32,
    /// Messages that no identifier or quota was free for, oldest first.
    pub(crate) waiting: Waiting<M>,
}

/// Exchanges that thousands have passed, oldest first; never empty.
#[derive(Clone, Debug)]
struct Aside<M> {
    exchanges: VecDeque<Exchange<M>>,
    ids: PacketIdSet,
}

impl<M> Default for Aside<M> {
    fn default() -> Self {
        Self { exchanges: VecDeque::new(), ids: PacketIdSet::default() }
    }
}

impl<M> Default for Outgoing<M> {
    fn default() -> Self {
        Self {
            counter: Counter::default(),
            queue: VecDeque::new(),
            done: 0,
            aside: None,
            resends: 0,
            settled: 0,
            pubrecs: 0,
            waiting: Waiting::default(),
        }
    }
}

impl<M> Outgoing<M> {
    /// Begins an exchange under an identifier that is not in use; `None` if all 65,535 are.
    // [v5 MQTT-2.2.1-3] [v5 MQTT-2.2.1-4] [v5 MQTT-4.3.2-1] [v5 MQTT-4.3.3-1] [v3.1.1 MQTT-2.3.1-2]
    // [v3.1.1 MQTT-2.3.1-4]
    #[inline]
    pub(crate) fn begin(&mut self, stage: Stage, kept: Option<M>) -> Option<PacketId> {
        let mut id = self.counter.take();
        let is_far = self.queue.front().is_some_and(|oldest| distance(oldest.id, id) > SPAN_MAX);
        if is_far || self.aside.is_some() {
            id = self.find_free(id)?;
        }
        self.queue.push_back(Exchange { id, stage, resend: false, kept });
        Some(id)
    }

    /// The first identifier from this one on that is not in use; `None` if all 65,535 are.
    #[cold]
    fn find_free(&mut self, mut id: PacketId) -> Option<PacketId> {
        if self.queue.len() - self.done + self.aside_length() >= usize::from(packet_id::COUNT) {
            return None;
        }
        // What is moved aside step by step is never in the way of a new identifier in the queue.
        self.move_old_aside(id);
        while self.is_aside(id) {
            id = self.counter.take();
            self.move_old_aside(id);
        }
        Some(id)
    }

    /// Puts an exchange back that an earlier life of this end had begun, at the place of its identifier.
    ///
    /// One that seems to be older than all in the queue may as well be newer by more than half of the circle. It
    /// comes behind them then, and they are moved aside, where the order of identifiers has no meaning.
    pub(crate) fn restore(&mut self, id: PacketId, stage: Stage, kept: M) {
        if self.find(id).is_some() {
            return;
        }
        if let Stage::AwaitingPubcomp { order } = stage {
            self.pubrecs = self.pubrecs.max(order.wrapping_add(1));
        }
        self.move_old_aside(id);
        let newer =
            self.queue.iter().rev().take_while(|exchange| distance(exchange.id, id) > SPAN_MAX).count();
        let place = self.queue.len() - newer;
        self.queue.insert(place, Exchange { id, stage, resend: false, kept: Some(kept) });
        if let Some(newest) = self.queue.back() {
            self.counter = Counter::after(newest.id);
        }
    }

    /// The open exchange under an identifier.
    pub(crate) fn find(&mut self, id: PacketId) -> Option<&mut Exchange<M>> {
        let place = self.place(id)?;
        self.at(place).filter(|exchange| exchange.stage != Stage::Done)
    }

    /// Ends the exchange under an identifier and hands back what was kept.
    // [v3.1.1 MQTT-2.3.1-3]
    pub(crate) fn finish(&mut self, id: PacketId) -> Option<Exchange<M>> {
        let place = self.place(id)?;
        self.finish_at(place)
    }

    /// Ends the exchange under an identifier if it is at such a stage, and throws away what was kept; says
    /// whether it was marked `resend`, `None` if there is no such exchange.
    #[inline]
    pub(crate) fn end_if(&mut self, id: PacketId, is_awaited: impl FnOnce(Stage) -> bool) -> Option<bool> {
        let oldest = self.queue.front().filter(|oldest| oldest.id == id);
        if let Some(oldest) = oldest
            && self.done + self.settled + self.resends == 0
        {
            // Nearly always receivers answer in the order in which they were sent to.
            if !is_awaited(oldest.stage) {
                return None;
            }
            self.queue.pop_front();
            return Some(false);
        }
        let place = self.place(id)?;
        let stage = self.at(place)?.stage;
        if is_awaited(stage) { Some(self.finish_at(place)?.resend) } else { None }
    }

    fn finish_at(&mut self, place: Place) -> Option<Exchange<M>> {
        match place {
            Place::Aside(index) => {
                let aside = self.aside.as_mut()?;
                let exchange = aside.exchanges.remove(index)?;
                aside.ids.remove(exchange.id);
                if aside.exchanges.is_empty() {
                    self.aside = None;
                }
                self.settled = self.settled.saturating_sub(1);
                self.resends -= usize::from(exchange.resend);
                Some(exchange)
            }
            Place::Queue(0) => {
                let exchange = self.queue.pop_front()?;
                self.settled = self.settled.saturating_sub(1);
                self.resends -= usize::from(exchange.resend);
                self.drop_done();
                Some(exchange)
            }
            Place::Queue(index) => {
                let exchange = self.queue.get_mut(index).filter(|exchange| exchange.stage != Stage::Done)?;
                let ended = Exchange {
                    id: exchange.id,
                    stage: exchange.stage,
                    resend: exchange.resend,
                    kept: exchange.kept.take(),
                };
                exchange.stage = Stage::Done;
                exchange.resend = false;
                self.done += 1;
                self.resends -= usize::from(ended.resend);
                Some(ended)
            }
        }
    }

    /// The receiver has taken a QoS 2 message over: only its identifier matters from here on.
    // [v5 MQTT-4.3.3-6]
    pub(crate) fn release(&mut self, id: PacketId) -> bool {
        let order = self.pubrecs;
        let Some(exchange) = self.find(id) else { return false };
        match exchange.stage {
            Stage::AwaitingPubrec => {
                exchange.stage = Stage::AwaitingPubcomp { order };
                let resend = core::mem::take(&mut exchange.resend);
                self.resends -= usize::from(resend);
                self.pubrecs = self.pubrecs.wrapping_add(1);
                true
            }
            Stage::AwaitingPubcomp { .. } => true,
            Stage::AwaitingPuback | Stage::AwaitingSuback | Stage::AwaitingUnsuback | Stage::Done => false,
        }
    }

    /// As [`Outgoing::release`] for a message that was sent on this connection and is taken over for the
    /// first time.
    #[inline]
    pub(crate) fn release_sent(&mut self, id: PacketId) -> bool {
        let order = self.pubrecs;
        let Some(exchange) = self.find(id) else { return false };
        if exchange.stage != Stage::AwaitingPubrec || exchange.resend {
            return false;
        }
        exchange.stage = Stage::AwaitingPubcomp { order };
        self.pubrecs = order.wrapping_add(1);
        true
    }

    /// Begins again on a new connection: marks every PUBLISH for sending again, forgets requests, and
    /// gives the identifiers whose PUBREL is to be sent again, in the order of their PUBRECs.
    // [v5 MQTT-4.4.0-1] [v3.1.1 MQTT-4.4.0-1]
    pub(crate) fn resume(&mut self) -> Vec<PacketId> {
        let mut releases = Vec::new();
        self.resends = 0;
        let aside = self.aside.iter_mut().flat_map(|aside| aside.exchanges.iter_mut());
        for exchange in aside.chain(self.queue.iter_mut()) {
            exchange.resend = false;
            match exchange.stage {
                Stage::AwaitingPuback | Stage::AwaitingPubrec => {
                    exchange.resend = true;
                    self.resends += 1;
                }
                Stage::AwaitingPubcomp { order } => releases.push((order, exchange.id)),
                Stage::AwaitingSuback | Stage::AwaitingUnsuback => exchange.stage = Stage::Done,
                Stage::Done => {}
            }
        }
        if let Some(aside) = &mut self.aside {
            let Aside { exchanges, ids } = aside.as_mut();
            exchanges.retain(|exchange| {
                let open = exchange.stage != Stage::Done;
                open || !ids.remove(exchange.id)
            });
            if exchanges.is_empty() {
                self.aside = None;
            }
        }
        self.done = self.queue.iter().filter(|exchange| exchange.stage == Stage::Done).count();
        self.drop_done();
        self.settled = 0;
        self.settle();
        releases.sort_unstable();
        releases.into_iter().map(|(_, id)| id).collect()
    }

    /// Whether a PUBLISH has to be sent again before anything new.
    pub(crate) const fn has_resends(&self) -> bool {
        self.resends > 0
    }

    /// The oldest exchange whose PUBLISH has to be sent again.
    // [v5 MQTT-4.6.0-1] [v3.1.1 MQTT-4.6.0-1]
    pub(crate) fn next_resend(&self) -> Option<&Exchange<M>> {
        if self.resends == 0 {
            return None;
        }
        self.all().skip(self.settled).find(|exchange| exchange.resend)
    }

    /// Notes that the PUBLISH of an exchange has been sent again.
    pub(crate) fn resent(&mut self, id: PacketId) {
        let next = match self.settled.checked_sub(self.aside_length()) {
            Some(index) => self.queue.get_mut(index),
            None => self.at(Place::Aside(self.settled)),
        };
        // Nearly always it is the oldest that was left.
        let exchange = match next {
            Some(exchange) if exchange.id == id => Some(exchange),
            Some(_) | None => self.find(id),
        };
        if let Some(exchange) = exchange
            && core::mem::take(&mut exchange.resend)
        {
            self.resends -= 1;
        }
        self.settle();
    }

    /// How many exchanges are open.
    pub(crate) fn open(&self) -> usize {
        let open = self.queue.len() - self.done + self.aside_length();
        debug_assert_eq!(open, self.exchanges().count());
        open
    }

    /// All open exchanges in the order of sending.
    pub(crate) fn exchanges(&self) -> impl Iterator<Item = &Exchange<M>> {
        self.all().filter(|exchange| exchange.stage != Stage::Done)
    }

    /// Takes every message out that may not have arrived, in the order of sending: first what was under
    /// way, then what waited. A QoS 2 message whose PUBREC has come has arrived.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = M>
    where
        M: Kept,
    {
        self.resends = 0;
        self.settled = 0;
        self.done = 0;
        let aside = self.aside.take().into_iter().flat_map(|aside| aside.exchanges);
        let begun = aside.chain(self.queue.drain(..)).filter_map(|exchange| {
            let arrived = matches!(exchange.stage, Stage::AwaitingPubcomp { .. });
            exchange.kept.filter(|_| !arrived)
        });
        begun.chain(self.waiting.drain())
    }

    /// Gives memory back that is empty.
    pub(crate) fn give_back(&mut self) {
        self.queue.shrink_to_fit();
    }

    fn at(&mut self, place: Place) -> Option<&mut Exchange<M>> {
        match place {
            Place::Aside(index) => self.aside.as_mut()?.exchanges.get_mut(index),
            Place::Queue(index) => self.queue.get_mut(index),
        }
    }

    #[inline]
    fn place(&self, id: PacketId) -> Option<Place> {
        if let Some(first) = self.queue.front() {
            // Nearly always each identifier follows the one before it, and the distance is the place.
            let steps = usize::from(distance(first.id, id));
            if self.queue.get(steps).is_some_and(|exchange| exchange.id == id) {
                return Some(Place::Queue(steps));
            }
            let key = |exchange: &Exchange<M>| usize::from(distance(first.id, exchange.id));
            if let Ok(index) = self.queue.binary_search_by_key(&steps, key) {
                return Some(Place::Queue(index));
            }
        }
        if !self.is_aside(id) {
            return None;
        }
        self.aside.as_ref()?.exchanges.iter().position(|exchange| exchange.id == id).map(Place::Aside)
    }

    /// All exchanges in the order of sending, `Done` ones too.
    fn all(&self) -> impl Iterator<Item = &Exchange<M>> {
        self.aside.iter().flat_map(|aside| aside.exchanges.iter()).chain(self.queue.iter())
    }

    fn aside_length(&self) -> usize {
        self.aside.as_ref().map_or(0, |aside| aside.exchanges.len())
    }

    fn is_aside(&self, id: PacketId) -> bool {
        self.aside.as_ref().is_some_and(|aside| aside.ids.contains(id))
    }

    fn settle(&mut self) {
        let marks = self.all().skip(self.settled);
        self.settled += marks.take_while(|exchange| !exchange.resend).count();
    }

    fn drop_done(&mut self) {
        while self.queue.front().is_some_and(|exchange| exchange.stage == Stage::Done) {
            self.queue.pop_front();
            self.done -= 1;
            self.settled = self.settled.saturating_sub(1);
        }
    }

    fn move_old_aside(&mut self, newest: PacketId) {
        while self.queue.front().is_some_and(|exchange| distance(exchange.id, newest) > SPAN_MAX) {
            let Some(oldest) = self.queue.pop_front() else { return };
            let aside = self.aside.get_or_insert_default();
            aside.ids.insert(oldest.id);
            aside.exchanges.push_back(oldest);
            self.drop_done();
        }
    }
}

#[derive(Clone, Copy)]
enum Place {
    Aside(usize),
    Queue(usize),
}
