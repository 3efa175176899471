//! What shards send each other: one batch per pair of shards per turn.
//!
//! An inbox is one queue for all senders, so that what was pushed before is taken before. A shard looks
//! into its inbox after it has read a socket and before it deals with what it read. Together that keeps
//! cause before effect: whoever sends a packet because of an answer from another shard finds that what
//! that shard told this one has arrived.

use std::fmt;
use std::mem;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use colibri_codec::OwnedTopicFilter;
use colibri_topics::GroupId;

use super::journal::{Fetched, Ticket};
use super::parcel::{Parcel, Spare};
use super::socket::Detached;
use crate::authentication::Verdict;
use crate::message::Message;
use crate::metrics::Metrics;
use crate::route::retained::Answer;
use crate::subscriber::{Options, Subscriber};
use crate::totals::Limit;

/// How many operations may wait in an inbox before its senders stop reading from their clients. Chosen
/// as some turns' worth of small messages; more would only be a longer queue.
const OPERATIONS_MAX: usize = 1 << 16;

/// What something that a shard tells another has to do with the joint of the sender's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joint {
    /// Nothing: the receiver stores nothing for it.
    Apart,
    /// The sender's ticket waits until the receiver has stored what it changes, which need not be together
    /// with the rest.
    Before,
    /// What it changes is a part of the joint.
    Within,
}

/// So many messages are not held until the turn ends if the shard that they are for waits for some. Chosen so that
/// dealing with them takes some times as long as waking the shard.
const EARLY_MIN: usize = 128;

/// One thing that a shard tells another.
#[derive(Debug)]
pub(crate) enum Operation {
    /// A connection whose CONNECT names a session of the receiver; with the bytes that were read.
    Adopt { socket: Detached, peer: SocketAddr, unsynced: bool, received: Vec<u8> },
    /// The sender has a subscriber for this filter, or has none any more.
    Interest { filter: OwnedTopicFilter, interested: bool },
    /// A session of the sender is a member of a shared group, or (`None`) is none any more.
    Member { group: GroupId, member: Subscriber, options: Option<Options> },
    /// Messages for the receiver's own subscribers, and for members of shared groups there.
    Messages(Parcel),
    /// One message for the receiver's own subscribers, which is too large to be copied; if it is retained, its number as with `Retain`. Whether it is
    /// promised says that the publisher takes it for delivered.
    Publish { message: Arc<Message>, retained: Option<u64>, joint: Joint, promised: bool },
    /// One such message for one member of a shared group.
    Deliver { session: u32, group: GroupId, message: Arc<Message>, joint: Joint, promised: bool },
    /// A message that the receiver has to retain, and its number among those that the sender had for it.
    Retain { message: Arc<Message>, number: u64, joint: Joint },
    /// All that belongs to the joint of the sender's turn, with this ticket, has come.
    Joint { ticket: Ticket },
    /// The store has committed one thing of a ticket of the receiver.
    Committed { ticket: Ticket },
    /// Rows of a session's queue from the store.
    Fetched(Box<Fetched>),
    /// A session of the sender wants what the receiver retains for a filter.
    RetainedQuery { session: u32, query: u32, filter: OwnedTopicFilter },
    /// The answer.
    RetainedAnswer { session: u32, query: u32, answer: Box<Answer> },
    /// The sender has a message for subscribers of the receiver, which has a full queue: is it one of theirs?
    AskRoom { connection: u32, birth: u32, message: Arc<Message> },
    /// The answer.
    Room { connection: u32, birth: u32, full: Option<Limit> },
    /// An authenticator has answered a step of the receiver's own.
    Verdict { connection: u32, birth: u32, verdict: Verdict },
    /// Shard 0 wants to know what the receiver has counted.
    MetricsQuery,
    /// The answer.
    MetricsAnswer(Box<Metrics>),
    /// Another thread wants to know the same.
    Measure(Sender<Metrics>),
}

impl Operation {
    /// How many messages it counts as.
    fn weight(&self) -> usize {
        match self {
            Self::Messages(parcel) => parcel.count(),
            _ => 1,
        }
    }
}

/// What one shard sends another in one turn.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) from: u8,
    pub(crate) operations: Vec<Operation>,
}

/// Where other shards leave batches for one.
pub(crate) struct Inbox {
    batches: Mutex<Vec<Batch>>,
    /// Whether there may be something in it; looked at once per socket read.
    filled: AtomicBool,
    /// How many operations are in it, or taken and not dealt with.
    waiting: AtomicUsize,
    /// What the retained messages of its owner weigh in bytes.
    retained_bytes: AtomicUsize,
    /// How many sessions of its owner are stored.
    stored_sessions: AtomicUsize,
    /// Whether the store is so far behind with what its owner has handed in that it had better get no more.
    behind: AtomicBool,
    /// Whether the broker is to stop.
    stop: AtomicBool,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Batch {
    /// How many messages and other operations it counts as.
    pub(crate) fn weight(&self) -> usize {
        self.operations.iter().map(Operation::weight).sum()
    }
}

impl Inbox {
    pub(crate) fn new(wake: Box<dyn Fn() + Send + Sync>) -> Self {
        Self {
            batches: Mutex::default(),
            filled: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            retained_bytes: AtomicUsize::new(0),
            stored_sessions: AtomicUsize::new(0),
            behind: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            wake,
        }
    }

    pub(crate) fn push(&self, batch: Batch) {
        self.waiting.fetch_add(batch.weight(), Ordering::Relaxed);
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        batches.push(batch);
        drop(batches);
        // The owner wakes once for all that came before it looks.
        if !self.filled.swap(true, Ordering::AcqRel) {
            (self.wake)();
        }
    }

    /// Whether there may be something in it.
    #[inline]
    pub(crate) fn is_filled(&self) -> bool {
        self.filled.load(Ordering::Acquire)
    }

    /// Gives what is in it for `taken`, which is empty: their memory goes on with the senders.
    pub(crate) fn take(&self, taken: &mut Vec<Batch>) {
        if self.filled.swap(false, Ordering::AcqRel) {
            mem::swap(&mut *self.batches.lock().unwrap_or_else(PoisonError::into_inner), taken);
        }
    }

    /// Notes that so many operations that were taken have been dealt with.
    pub(crate) fn finish(&self, operations: usize) {
        self.waiting.fetch_sub(operations, Ordering::Relaxed);
    }

    /// Whether its owner has dealt with all that came.
    fn is_idle(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }

    /// Whether its owner is behind, so that senders had better slow down.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) >= OPERATIONS_MAX || self.behind.load(Ordering::Relaxed)
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        (self.wake)();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

/// The way to all shards, with what is to leave at the end of the turn.
#[derive(Debug)]
pub(crate) struct Links {
    own: u8,
    inboxes: Vec<Arc<Inbox>>,
    pub(super) outgoing: Vec<Vec<Operation>>,
    /// What came full from other shards and goes out again: what one thread allocates and another one frees
    /// makes both wait for the allocator's lock.
    pub(super) spare: Spare,
    /// A bit per shard that has a full queue.
    crowded: Arc<AtomicU64>,
}

impl Links {
    pub(crate) fn new(own: u8, inboxes: Vec<Arc<Inbox>>, crowded: Arc<AtomicU64>) -> Self {
        let outgoing = inboxes.iter().map(|_| Vec::new()).collect();
        Self { own, inboxes, outgoing, spare: Spare::default(), crowded }
    }

    /// A bit per other shard that has a full queue.
    #[inline]
    pub(crate) fn crowded(&self) -> u64 {
        self.crowded.load(Ordering::Acquire) & !(1 << self.own)
    }

    /// Tells the others whether there is a full queue here.
    pub(crate) fn set_crowded(&self, crowded: bool) {
        let bit = 1 << self.own;
        if crowded {
            self.crowded.fetch_or(bit, Ordering::AcqRel);
        } else {
            self.crowded.fetch_and(!bit, Ordering::AcqRel);
        }
    }

    /// Makes the others ask every shard, as the queues of all sessions together are full.
    pub(crate) fn set_all_crowded(&self) {
        let shards = self.inboxes.len();
        let all = if shards < 64 { (1 << shards) - 1 } else { u64::MAX };
        self.crowded.fetch_or(all, Ordering::AcqRel);
    }

    pub(crate) fn send(&mut self, shard: u8, operation: Operation) {
        debug_assert_ne!(shard, self.own);
        if let Some(operations) = self.outgoing.get_mut(usize::from(shard)) {
            operations.push(operation);
        }
    }

    /// Sends to every other shard.
    pub(crate) fn send_all(&mut self, operation: impl Fn() -> Operation) {
        for (shard, operations) in (0u8..).zip(&mut self.outgoing) {
            if shard != self.own {
                operations.push(operation());
            }
        }
    }

    /// Where the shards leave batches for each other.
    pub(crate) fn inboxes(&self) -> &[Arc<Inbox>] {
        &self.inboxes
    }

    /// Hands over what the turn has for other shards. It comes before anything is written to a client, so
    /// that no client can know what a shard does not.
    pub(crate) fn flush(&mut self) {
        for (inbox, operations) in self.inboxes.iter().zip(&mut self.outgoing) {
            if !operations.is_empty() {
                let operations = mem::replace(operations, self.spare.operations());
                inbox.push(Batch { from: self.own, operations });
            }
        }
    }

    /// Whether there is so much for a shard that has nothing else from others that it had better begin now.
    #[inline]
    pub(crate) fn has_work_for_idle(&self) -> bool {
        self.inboxes.len() > 1 && self.has_much_for_idle()
    }

    fn has_much_for_idle(&self) -> bool {
        self.inboxes.iter().zip(&self.outgoing).any(|(inbox, operations)| {
            !operations.is_empty()
                && operations.iter().map(Operation::weight).sum::<usize>() >= EARLY_MIN
                && inbox.is_idle()
        })
    }

    /// Whether there is something that the next turn has to hand over.
    pub(crate) fn has_outgoing(&self) -> bool {
        self.outgoing.iter().any(|operations| !operations.is_empty())
    }

    /// Whether some shard is so far behind that this one should not read on.
    pub(crate) fn are_full(&self) -> bool {
        (0u8..).zip(&self.inboxes).any(|(shard, inbox)| shard != self.own && inbox.is_full())
    }

    /// What the retained messages of a shard weigh in bytes, as of its last turn or so.
    pub(crate) fn retained_bytes(&self, shard: u8) -> usize {
        let inbox = self.inboxes.get(usize::from(shard));
        inbox.map_or(0, |inbox| inbox.retained_bytes.load(Ordering::Relaxed))
    }

    /// Tells the others what the retained messages here weigh.
    pub(crate) fn set_retained_bytes(&self, bytes: usize) {
        if let Some(inbox) = self.inbox() {
            inbox.retained_bytes.store(bytes, Ordering::Relaxed);
        }
    }

    /// Whether another shard has a stored session, so that what is sent there may have to be stored.
    pub(crate) fn stores_sessions(&self, shard: u8) -> bool {
        let inbox = self.inboxes.get(usize::from(shard));
        inbox.is_some_and(|inbox| inbox.stored_sessions.load(Ordering::Acquire) > 0)
    }

    /// Tells the others whether the store is behind with what this shard has handed in.
    pub(crate) fn set_behind(&self, behind: bool) {
        // Nearly always it is as before, and then nobody's memory is written to.
        if let Some(inbox) = self.inbox().filter(|inbox| inbox.behind.load(Ordering::Relaxed) != behind) {
            inbox.behind.store(behind, Ordering::Relaxed);
        }
    }

    /// Tells the others how many sessions here are stored.
    pub(crate) fn set_stored_sessions(&self, count: usize) {
        if let Some(inbox) = self.inbox() {
            inbox.stored_sessions.store(count, Ordering::Release);
        }
    }

    pub(crate) fn count(&self) -> u8 {
        u8::try_from(self.inboxes.len()).unwrap_or(u8::MAX)
    }

    /// For those who answer from other threads.
    pub(crate) fn own_inbox(&self) -> Option<Arc<Inbox>> {
        self.inboxes.get(usize::from(self.own)).cloned()
    }

    pub(crate) fn inbox(&self) -> Option<&Inbox> {
        self.inboxes.get(usize::from(self.own)).map(Arc::as_ref)
    }
}
