//! The sessions of a shard: what the broker knows of each client identifier (section 4.1).

use std::sync::Arc;

use colibri_protocol::{Session, Time};
use hashbrown::HashMap;

use crate::message::{Delivery, Message};
use crate::route::retained::{Awaited, Replays};
use crate::spilled::Spilled;
use crate::subscriber::SESSIONS_MAX;
use crate::subscription_list::SubscriptionList;

/// A client's session. Messages under way are in the connection while there is one.
#[derive(Debug)]
pub(crate) struct ClientSession {
    pub(crate) client_id: Arc<str>,
    /// The connection, while the client is connected.
    pub(crate) connection: Option<u32>,
    /// Messages under way and waiting, while the client is away.
    pub(crate) stored: Option<Box<Session<Delivery>>>,
    /// How long the session outlives its connection, in seconds; `u32::MAX` is for ever.
    pub(crate) expiry_interval: u32,
    pub(crate) subscriptions: SubscriptionList,
    pub(crate) will: Option<Box<Will>>,
    /// When the client left, in milliseconds since 1970; means nothing while it is connected.
    pub(crate) left_at: u64,
    /// Tells timers of an earlier stay from those of this one.
    pub(crate) stay: u32,
    /// Whether a timer is set for messages that expire while they wait.
    pub(crate) expiry_watched: bool,
    /// Whether something waited for it when its queue was last counted.
    pub(crate) backlogged: bool,
    /// Retained messages that other shards have been asked for.
    pub(crate) awaited: Vec<Awaited>,
    /// Retained messages that nobody has been asked for yet.
    pub(crate) replays: Option<Box<Replays>>,
    /// The number of the session in the store; 0 if it is not stored.
    pub(crate) storage: u64,
    /// Waiting messages that are in the store alone, behind those in memory.
    pub(crate) spilled: Option<Box<Spilled>>,
}

/// A Will Message with its delay.
#[derive(Debug)]
pub(crate) struct Will {
    pub(crate) message: Arc<Message>,
    /// Seconds from publication to expiry; the message is made anew when it is published.
    pub(crate) message_expiry: Option<u32>,
    /// Seconds between the loss of the connection and publication.
    pub(crate) delay: u32,
}

impl ClientSession {
    pub(crate) const fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// When the session ends if its connection ends now; `None` is never.
    pub(crate) fn ends(&self, now: Time) -> Option<Time> {
        (self.expiry_interval != u32::MAX).then(|| now.plus_seconds(self.expiry_interval))
    }

    pub(crate) const fn outlives_connection(&self) -> bool {
        self.expiry_interval > 0
    }
}

/// All sessions of a shard, by number and by client identifier.
#[derive(Debug)]
pub(crate) struct Sessions {
    slots: Vec<Option<Box<ClientSession>>>,
    free: Vec<u32>,
    by_client_id: HashMap<Arc<str>, u32, foldhash::fast::FixedState>,
    stays: u32,
    /// How many are stored.
    pub(crate) stored: usize,
}

impl Sessions {
    pub(crate) fn new(seed: u64) -> Self {
        let state = foldhash::fast::FixedState::with_seed(seed);
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_client_id: HashMap::with_hasher(state),
            stays: 0,
            stored: 0,
        }
    }

    #[inline]
    pub(crate) fn get(&self, number: u32) -> Option<&ClientSession> {
        self.slots.get(number as usize)?.as_deref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut ClientSession> {
        self.slots.get_mut(number as usize)?.as_deref_mut()
    }

    // [v5 MQTT-3.1.3-2] [v3.1.1 MQTT-3.1.3-2]
    pub(crate) fn find(&self, client_id: &str) -> Option<u32> {
        self.by_client_id.get(client_id).copied()
    }

    /// Makes a session; `None` when the shard can have no more.
    pub(crate) fn create(&mut self, client_id: &str) -> Option<u32> {
        let number = match self.free.pop() {
            Some(number) => number,
            None => {
                let number = u32::try_from(self.slots.len()).ok().filter(|n| (*n as usize) < SESSIONS_MAX)?;
                self.slots.push(None);
                number
            }
        };
        let client_id: Arc<str> = client_id.into();
        let session = ClientSession {
            client_id: Arc::clone(&client_id),
            connection: None,
            stored: None,
            expiry_interval: 0,
            subscriptions: SubscriptionList::default(),
            will: None,
            left_at: 0,
            stay: 0,
            expiry_watched: false,
            backlogged: false,
            awaited: Vec::new(),
            replays: None,
            storage: 0,
            spilled: None,
        };
        if let Some(slot) = self.slots.get_mut(number as usize) {
            *slot = Some(Box::new(session));
        }
        self.by_client_id.insert(client_id, number);
        Some(number)
    }

    pub(crate) fn remove(&mut self, number: u32) -> Option<Box<ClientSession>> {
        let session = self.slots.get_mut(number as usize)?.take()?;
        self.by_client_id.remove(&session.client_id);
        self.free.push(number);
        Some(session)
    }

    /// A number that no other stay of any session of this shard has or had.
    pub(crate) const fn next_stay(&mut self) -> u32 {
        self.stays = self.stays.wrapping_add(1);
        self.stays
    }

    /// The numbers of all sessions.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u32> {
        (0u32..).zip(&self.slots).filter_map(|(number, slot)| slot.as_ref().map(|_| number))
    }

    /// How many subscriptions all sessions have.
    pub(crate) fn subscriptions(&self) -> usize {
        self.slots.iter().flatten().map(|session| session.subscriptions.len()).sum()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_client_id.len()
    }
}
