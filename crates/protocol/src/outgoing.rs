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
use crate::exchanges::{Exchange, Exchanges, Mark};
use crate::incoming::PacketIdSet;
use crate::packet_id::{self, Counter, distance};
use crate::waiting::Waiting;

pub(crate) use crate::exchanges::Stage;

/// How far the newest identifier may be from that of the oldest exchange in the queue before the oldest
/// is moved aside. Half of the circle, so that "older" and "newer" keep their meaning.
const SPAN_MAX: u16 = packet_id::COUNT / 2;

/// The sender's half of a session.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing<M> {
    counter: Counter,
    /// In the order of sending, which is that of the identifiers. The first is never `Done`.
    queue: Exchanges<M>,
    /// How many in the queue are `Done`.
    done: u32,
    /// Older than all in the queue; nearly always there is none.
    aside: Option<Box<Aside<M>>>,
    /// How many exchanges are marked `resend`.
    resends: u32,
    /// How many of the oldest exchanges are known not to be marked `resend`, so that sending thousands
    /// again looks at each of them once.
    settled: u32,
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
            queue: Exchanges::default(),
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
        let is_far = self.queue.marks().front().is_some_and(|oldest| distance(oldest.id, id) > SPAN_MAX);
        if is_far || self.aside.is_some() {
            id = self.find_free(id)?;
        }
        self.queue.push(Mark::new(id, stage), kept);
        Some(id)
    }

    /// The first identifier from this one on that is not in use; `None` if all 65,535 are.
    #[cold]
    fn find_free(&mut self, mut id: PacketId) -> Option<PacketId> {
        if self.queue_length() + self.aside_length() >= usize::from(packet_id::COUNT) {
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
        let marks = self.queue.marks();
        let newer = marks.iter().rev().take_while(|mark| distance(mark.id, id) > SPAN_MAX).count();
        let place = marks.len() - newer;
        self.queue.insert(place, Mark::new(id, stage), kept);
        if let Some(newest) = self.queue.marks().back() {
            self.counter = Counter::after(newest.id);
        }
    }

    /// How far the open exchange under an identifier has come.
    pub(crate) fn find(&mut self, id: PacketId) -> Option<&mut Mark> {
        let place = self.place(id)?;
        self.at(place).filter(|mark| mark.is_open())
    }

    /// What is kept of the open exchange under an identifier.
    pub(crate) fn kept(&self, id: PacketId) -> Option<&M> {
        match self.place(id)? {
            Place::Aside(index) => self.aside.as_ref()?.exchanges.get(index)?.kept.as_ref(),
            Place::Queue(index) => self.queue.kept(index),
        }
    }

    /// Keeps a message for an exchange that was begun without it.
    pub(crate) fn keep(&mut self, id: PacketId, message: M) {
        match self.place(id) {
            Some(Place::Aside(index)) => {
                let exchange = self.aside.as_mut().and_then(|aside| aside.exchanges.get_mut(index));
                if let Some(exchange) = exchange {
                    exchange.kept = Some(message);
                }
            }
            Some(Place::Queue(index)) => self.queue.keep(index, message),
            None => {}
        }
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
        let oldest = self.queue.marks().front().filter(|oldest| oldest.id == id);
        if let Some(oldest) = oldest
            && self.done + self.settled + self.resends == 0
        {
            // Nearly always receivers answer in the order in which they were sent to.
            if !is_awaited(oldest.stage) {
                return None;
            }
            self.queue.drop_first();
            return Some(false);
        }
        let place = self.place(id)?;
        let stage = self.at(place)?.stage;
        if is_awaited(stage) { Some(self.finish_at(place)?.mark.resend) } else { None }
    }

    fn finish_at(&mut self, place: Place) -> Option<Exchange<M>> {
        match place {
            Place::Aside(index) => {
                let aside = self.aside.as_mut()?;
                let exchange = aside.exchanges.remove(index)?;
                aside.ids.remove(exchange.mark.id);
                if aside.exchanges.is_empty() {
                    self.aside = None;
                }
                self.settled = self.settled.saturating_sub(1);
                self.resends -= u32::from(exchange.mark.resend);
                Some(exchange)
            }
            Place::Queue(0) => {
                let exchange = self.queue.pop()?;
                self.settled = self.settled.saturating_sub(1);
                self.resends -= u32::from(exchange.mark.resend);
                self.drop_done();
                Some(exchange)
            }
            Place::Queue(index) => {
                let mark = self.queue.mark_mut(index).filter(|mark| mark.is_open())?;
                let ended = *mark;
                mark.stage = Stage::Done;
                mark.resend = false;
                self.done += 1;
                self.resends -= u32::from(ended.resend);
                Some(Exchange { mark: ended, kept: self.queue.take_kept(index) })
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
                self.resends -= u32::from(resend);
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
        for mark in aside.map(|exchange| &mut exchange.mark).chain(self.queue.marks_mut()) {
            mark.resend = false;
            match mark.stage {
                Stage::AwaitingPuback | Stage::AwaitingPubrec => {
                    mark.resend = true;
                    self.resends += 1;
                }
                Stage::AwaitingPubcomp { order } => releases.push((order, mark.id)),
                Stage::AwaitingSuback | Stage::AwaitingUnsuback => mark.stage = Stage::Done,
                Stage::Done => {}
            }
        }
        if let Some(aside) = &mut self.aside {
            let Aside { exchanges, ids } = aside.as_mut();
            exchanges.retain(|exchange| exchange.mark.is_open() || !ids.remove(exchange.mark.id));
            if exchanges.is_empty() {
                self.aside = None;
            }
        }
        self.done = count(self.queue.marks().iter().filter(|mark| !mark.is_open()));
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

    /// The oldest exchange whose PUBLISH has to be sent again, and what is kept of it.
    // [v5 MQTT-4.6.0-1] [v3.1.1 MQTT-4.6.0-1]
    pub(crate) fn next_resend(&self) -> Option<(&Mark, Option<&M>)> {
        if self.resends == 0 {
            return None;
        }
        self.all().skip(self.settled as usize).find(|(mark, _)| mark.resend)
    }

    /// Notes that the PUBLISH of an exchange has been sent again.
    pub(crate) fn resent(&mut self, id: PacketId) {
        let settled = self.settled as usize;
        let next = match settled.checked_sub(self.aside_length()) {
            Some(index) => self.queue.mark_mut(index),
            None => self.at(Place::Aside(settled)),
        };
        // Nearly always it is the oldest that was left.
        let mark = match next {
            Some(mark) if mark.id == id => Some(mark),
            Some(_) | None => self.find(id),
        };
        if let Some(mark) = mark
            && core::mem::take(&mut mark.resend)
        {
            self.resends -= 1;
        }
        self.settle();
    }

    /// How many exchanges are open.
    pub(crate) fn open(&self) -> usize {
        let open = self.queue_length() + self.aside_length();
        debug_assert_eq!(open, self.exchanges().count());
        open
    }

    /// All open exchanges in the order of sending, with what is kept of each.
    pub(crate) fn exchanges(&self) -> impl Iterator<Item = (&Mark, Option<&M>)> {
        self.all().filter(|(mark, _)| mark.is_open())
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
        let begun = aside.chain(self.queue.drain()).filter_map(|exchange| {
            let arrived = matches!(exchange.mark.stage, Stage::AwaitingPubcomp { .. });
            exchange.kept.filter(|_| !arrived)
        });
        begun.chain(self.waiting.drain())
    }

    /// Gives memory back that is empty.
    pub(crate) fn give_back(&mut self) {
        self.queue.give_back();
    }

    fn at(&mut self, place: Place) -> Option<&mut Mark> {
        match place {
            Place::Aside(index) => {
                self.aside.as_mut()?.exchanges.get_mut(index).map(|exchange| &mut exchange.mark)
            }
            Place::Queue(index) => self.queue.mark_mut(index),
        }
    }

    #[inline]
    fn place(&self, id: PacketId) -> Option<Place> {
        let marks = self.queue.marks();
        if let Some(first) = marks.front() {
            // Nearly always each identifier follows the one before it, and the distance is the place.
            let steps = usize::from(distance(first.id, id));
            if marks.get(steps).is_some_and(|mark| mark.id == id) {
                return Some(Place::Queue(steps));
            }
            let key = |mark: &Mark| usize::from(distance(first.id, mark.id));
            if let Ok(index) = marks.binary_search_by_key(&steps, key) {
                return Some(Place::Queue(index));
            }
        }
        if !self.is_aside(id) {
            return None;
        }
        self.aside.as_ref()?.exchanges.iter().position(|exchange| exchange.mark.id == id).map(Place::Aside)
    }

    /// All exchanges in the order of sending, `Done` ones too.
    fn all(&self) -> impl Iterator<Item = (&Mark, Option<&M>)> {
        let aside = self.aside.iter().flat_map(|aside| aside.exchanges.iter());
        aside.map(|exchange| (&exchange.mark, exchange.kept.as_ref())).chain(self.queue.iter())
    }

    /// How many in the queue are open.
    fn queue_length(&self) -> usize {
        self.queue.marks().len() - self.done as usize
    }

    fn aside_length(&self) -> usize {
        self.aside.as_ref().map_or(0, |aside| aside.exchanges.len())
    }

    fn is_aside(&self, id: PacketId) -> bool {
        self.aside.as_ref().is_some_and(|aside| aside.ids.contains(id))
    }

    fn settle(&mut self) {
        let marks = self.all().skip(self.settled as usize);
        self.settled += count(marks.take_while(|(mark, _)| !mark.resend));
    }

    fn drop_done(&mut self) {
        while self.queue.marks().front().is_some_and(|mark| !mark.is_open()) {
            self.queue.drop_first();
            self.done -= 1;
            self.settled = self.settled.saturating_sub(1);
        }
    }

    fn move_old_aside(&mut self, newest: PacketId) {
        while self.queue.marks().front().is_some_and(|mark| distance(mark.id, newest) > SPAN_MAX) {
            let Some(oldest) = self.queue.pop() else { return };
            let aside = self.aside.get_or_insert_default();
            aside.ids.insert(oldest.mark.id);
            aside.exchanges.push_back(oldest);
            self.drop_done();
        }
    }
}

/// How many there are; never more than identifiers and what stands between them.
fn count(exchanges: impl Iterator) -> u32 {
    u32::try_from(exchanges.count()).unwrap_or(u32::MAX)
}

#[derive(Clone, Copy)]
enum Place {
    Aside(usize),
    Queue(usize),
}
