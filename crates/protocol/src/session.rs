//! What outlives a connection (section 4.1): messages under way and waiting, in both directions.

use colibri_codec::{PacketId, QoS};

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
    pub fn waiting_counted(&self) -> usize {
        self.outgoing.waiting.counted()
    }

    /// What the waiting messages weigh in bytes, as [`Kept::size`] says.
    pub fn waiting_bytes(&self) -> usize {
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

    /// The message under way with an identifier, and how far it has come.
    pub fn message(&mut self, id: PacketId) -> Option<(&M, Progress)> {
        let stage = self.outgoing.find(id)?.stage;
        Some((self.outgoing.kept(id)?, progress(stage, id)?))
    }

    /// Which of the messages of this session that were taken over with QoS 2 the one under this identifier
    /// was: they are released in that order.
    pub fn release_order(&mut self, id: PacketId) -> Option<u32> {
        match self.outgoing.find(id)?.stage {
            Stage::AwaitingPubcomp { order } => Some(order),
            Stage::AwaitingPuback
            | Stage::AwaitingPubrec
            | Stage::AwaitingSuback
            | Stage::AwaitingUnsuback
            | Stage::Done => None,
        }
    }

    /// Puts a message back that was under way when the broker before this one ended, behind those that
    /// were put back before it. To be done before the session is used, and more or less in the order in which
    /// the messages were sent: they stand in that of their identifiers if these are not too far apart.
    ///
    /// `order` says which of the messages that were taken over was so first.
    pub fn restore(&mut self, message: M, progress: Progress, order: u32)
    where
        M: Kept,
    {
        match progress {
            Progress::Waiting => self.enqueue(message),
            Progress::Sent(id) => {
                let stage = match message.publication().qos {
                    QoS::ExactlyOnce => Stage::AwaitingPubrec,
                    QoS::AtMostOnce | QoS::AtLeastOnce => Stage::AwaitingPuback,
                };
                self.outgoing.restore(id, stage, message);
            }
            Progress::Released(id) => self.outgoing.restore(id, Stage::AwaitingPubcomp { order }, message),
        }
    }

    /// Puts back that a QoS 2 message was received and not released.
    // [v5 MQTT-4.3.3-10]
    pub fn restore_received(&mut self, id: PacketId) {
        self.received.insert(id);
    }

    /// All messages that are kept, oldest first, and how far each has come.
    pub fn messages(&self) -> impl Iterator<Item = (&M, Progress)> {
        let begun = self
            .outgoing
            .exchanges()
            .filter_map(|(mark, kept)| Some((kept?, progress(mark.stage, mark.id)?)));
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

/// How far a message has come whose exchange is at this stage.
const fn progress(stage: Stage, id: PacketId) -> Option<Progress> {
    match stage {
        Stage::AwaitingPuback | Stage::AwaitingPubrec => Some(Progress::Sent(id)),
        Stage::AwaitingPubcomp { .. } => Some(Progress::Released(id)),
        Stage::AwaitingSuback | Stage::AwaitingUnsuback | Stage::Done => None,
    }
}
