//! What outlives a connection (section 4.1): messages under way and waiting, in both directions.

use colibri_codec::PacketId;

use crate::incoming::PacketIdSet;
use crate::outgoing::{Outgoing, Stage};
use crate::{Kept, Time};

/// The part of a Session that the protocol itself works with. Subscriptions are the server's.
///
/// `M` is what the driver keeps of a message, see [`Kept`].
#[derive(Clone, Debug)]
pub struct Session<M> {
    pub(crate) outgoing: Outgoing<M>,
    /// QoS 2 messages that were taken over and whose PUBREL has not come. [v5 MQTT-4.3.3-10]
    pub(crate) received: PacketIdSet,
}

impl<M> Default for Session<M> {
    fn default() -> Self {
        Self { outgoing: Outgoing::default(), received: PacketIdSet::default() }
    }
}

/// How far the sending of a message had come when its session was taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Not sent yet.
    Waiting,
    /// Sent, and not known to have arrived.
    Sent(PacketId),
    /// Taken over by a QoS 2 receiver.
    Released(PacketId),
}

impl<M> Session<M> {
    /// A new session: nothing under way.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a message behind all that wait. Bounding the queue is the driver's.
    pub fn enqueue(&mut self, message: M)
    where
        M: Kept,
    {
        self.outgoing.waiting.push_back(message);
    }

    /// How many of the waiting messages count, that is, have a [`Kept::size`].
    pub const fn waiting_counted(&self) -> usize {
        self.outgoing.waiting.counted()
    }

    /// What the waiting messages weigh in bytes, as [`Kept::size`] says.
    pub const fn waiting_bytes(&self) -> usize {
        self.outgoing.waiting.bytes()
    }

    /// How many messages wait and were never sent.
    pub fn waiting(&self) -> usize {
        self.outgoing.waiting.len()
    }

    /// Takes the message out that waits longest.
    pub fn pop_waiting(&mut self) -> Option<M>
    where
        M: Kept,
    {
        self.outgoing.waiting.pop_front()
    }

    /// Drops waiting messages for which `keep` says no.
    pub fn retain_waiting(&mut self, keep: impl FnMut(&M) -> bool)
    where
        M: Kept,
    {
        self.outgoing.waiting.retain(keep);
    }

    /// Drops waiting messages that have expired, to make room; says how many. A queue is gone through once a
    /// second at most.
    pub fn drop_expired(&mut self, now: Time) -> usize
    where
        M: Kept,
    {
        self.outgoing.waiting.drop_expired(now)
    }

    /// When it is next worth calling [`Session::drop_expired`]; `None` is never.
    pub fn next_expiry(&self) -> Option<Time>
    where
        M: Kept,
    {
        self.outgoing.waiting.expiry()
    }

    /// How many exchanges are under way.
    pub fn in_flight(&self) -> usize {
        self.outgoing.open()
    }

    /// How many QoS 2 messages were received and not released.
    pub const fn unreleased(&self) -> usize {
        self.received.len()
    }

    /// The identifiers of QoS 2 messages that were received and not released.
    pub fn unreleased_ids(&self) -> impl Iterator<Item = PacketId> {
        self.received.iter()
    }

    /// All messages that are kept, oldest first, and how far each has come.
    pub fn messages(&self) -> impl Iterator<Item = (&M, Progress)> {
        let begun = self.outgoing.exchanges().filter_map(|exchange| {
            let progress = match exchange.stage {
                Stage::AwaitingPuback | Stage::AwaitingPubrec => Progress::Sent(exchange.id),
                Stage::AwaitingPubcomp { .. } => Progress::Released(exchange.id),
                Stage::AwaitingSuback | Stage::AwaitingUnsuback | Stage::Done => return None,
            };
            Some((exchange.kept.as_ref()?, progress))
        });
        begun.chain(self.outgoing.waiting.iter().map(|message| (message, Progress::Waiting)))
    }

    /// Ends the session and hands back all messages that are kept and may not have arrived, oldest first.
    pub fn into_messages(mut self) -> impl Iterator<Item = M>
    where
        M: Kept,
    {
        let messages: alloc::vec::Vec<M> = self.outgoing.drain().collect();
        messages.into_iter()
    }
}
