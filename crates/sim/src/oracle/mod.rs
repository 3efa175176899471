//! What the broker has promised to the clients of a run, and whether it has kept it.
//!
//! The oracle hears of everything that clients send and get, in order. It never looks into the broker: a
//! promise begins with an acknowledgement that a client has in hand, and what was sent without one may or
//! may not have happened.

mod crash;
mod delivery;
mod ending;
mod wills;

use std::collections::{BTreeMap, BTreeSet};

use colibri_broker::QueueFull;

use crate::coverage::Coverage;
use crate::packet::Message;
use crate::setting::Setting;
use crate::workload::{self, CLIENTS};

/// Up to where the store must be for a promise to hold, as it counts its batches; [`OPEN`] if that is not
/// known yet.
type Stamp = u64;

/// The stamp of a promise that does not wait for the store.
const OPEN: Stamp = Stamp::MAX;

/// What was sent as a will.
#[derive(Debug)]
pub(crate) struct WillSent {
    pub(crate) client: usize,
    /// In seconds.
    pub(crate) delay: u64,
    pub(crate) retain: bool,
    /// Whether it is in the store with its session.
    pub(crate) stored: bool,
    /// Whether the session has ended, so that the delay has no meaning.
    pub(crate) clean: bool,
    /// Since when it may be published, but for its delay, in milliseconds.
    pub(crate) may: Option<u64>,
    /// Since when the broker knows that it must not be published.
    pub(crate) cancelled: Option<u64>,
    /// Whether CONNACK came for it.
    pub(crate) accepted: bool,
    /// Since when somebody must get it, if the connection is lost: CONNACK came, and nothing calls it off.
    pub(crate) promised: Option<u64>,
    /// When it became due, as an event.
    pub(crate) lost: Option<u64>,
}

/// What was published.
#[derive(Debug)]
struct Published {
    by: usize,
    message: workload::Message,
    first_sent: u64,
    sent_at: u64,
    times_sent: u32,
    /// When the acknowledgement came, in milliseconds.
    acknowledged: Option<(u64, Stamp)>,
    refused: bool,
    /// Whether it went under an identifier that the broker may take for that of a message before.
    is_masked: bool,
    /// No copy of it is under way to the broker since this event.
    over: Option<u64>,
}

/// What a client has been granted.
#[derive(Clone, Copy, Debug)]
struct Grant {
    since: u64,
    qos: u8,
    stamp: Stamp,
}

/// What a client has asked for.
#[derive(Clone, Copy, Debug)]
struct Asked {
    /// The highest QoS.
    qos: u8,
    /// When it was told that it is subscribed no more.
    until: Option<(u64, Stamp)>,
}

/// What one session has got of one message.
#[derive(Debug, Default)]
struct Seen {
    /// Live, with QoS 2.
    exactly_once: u32,
    /// Live, with less, not sent again.
    others: u32,
    /// How many crashes there were before the first.
    crashes: u32,
    /// Since when the broker has in store that it was delivered.
    settled: Option<Stamp>,
    /// Whether a crash took that back and the message has not come since.
    forgotten: bool,
}

/// One session of a client as the client knows it.
#[derive(Debug, Default)]
struct Session {
    /// When it began.
    began: Stamp,
    /// Identifiers of QoS 2 messages of this client whose exchange is over, and since when.
    completed: BTreeMap<u16, Stamp>,
    /// Those of them that the broker does not know to be over, after a crash.
    masked: BTreeSet<u16>,
    /// Every filter that it may be or have been subscribed to.
    asked: BTreeMap<String, Asked>,
    granted: BTreeMap<String, Grant>,
    /// By topic the last retained will that it has got and its publisher's shard has stored.
    retained_wills: BTreeMap<String, (u64, Stamp)>,
    /// What it must get.
    due: BTreeMap<u64, Stamp>,
    seen: BTreeMap<u64, Seen>,
    /// The last message by publisher, topic, published QoS and QoS.
    last: BTreeMap<(usize, String, u8, u8), u64>,
    /// No message that comes from here on was written before this time.
    drained_at: u64,
}

/// What is known of a run.
#[derive(Debug)]
pub(crate) struct Oracle {
    pub(crate) now: u64,
    pub(crate) send_maximum: u16,
    setting: Setting,
    pub(crate) coverage: Coverage,
    /// How many batches the store has.
    pub(crate) position: Stamp,
    /// Whether the wall clock was ever set to another time.
    has_jumped: bool,
    /// How many messages the broker says to have dropped because a queue was full.
    pub(crate) dropped: u64,
    /// Whether something has failed at the disk, so that messages may be refused.
    pub(crate) may_refuse: bool,
    /// Whether what clients do is noted.
    remembers: bool,
    pub(crate) history: Vec<String>,
    pub(crate) failures: Vec<String>,
    events: u64,
    serials: u64,
    crashes: u32,
    /// When the broker was started last, as an event and in milliseconds.
    started: (u64, u64),
    published: BTreeMap<u64, Published>,
    wills: BTreeMap<u64, WillSent>,
    /// Wills that were called off, and the broker may not know yet.
    called_off: BTreeSet<u64>,
    sessions: Vec<Session>,
    /// What some member of the shared group must get.
    group_due: BTreeMap<u64, Stamp>,
    /// What was sent before this event may have gone with the session of a member.
    group_since: u64,
    /// How often members have got a message with QoS 2.
    group_seen: BTreeMap<u64, u32>,
}

fn matches(filter: &str, topic: &str) -> bool {
    let filter = filter.strip_prefix("$share/g/").unwrap_or(filter);
    let (mut filters, mut levels) = (filter.split('/'), topic.split('/'));
    loop {
        match (filters.next(), levels.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

impl Oracle {
    pub(crate) fn new(send_maximum: u16, setting: Setting, remembers: bool) -> Self {
        Self {
            now: 0,
            send_maximum,
            setting,
            coverage: Coverage::default(),
            position: 0,
            has_jumped: false,
            dropped: 0,
            may_refuse: false,
            remembers,
            history: Vec::new(),
            failures: Vec::new(),
            events: 0,
            serials: 0,
            crashes: 0,
            started: (0, 0),
            published: BTreeMap::new(),
            wills: BTreeMap::new(),
            called_off: BTreeSet::new(),
            sessions: (0..CLIENTS).map(|_| Session::default()).collect(),
            group_due: BTreeMap::new(),
            group_since: 0,
            group_seen: BTreeMap::new(),
        }
    }

    pub(crate) fn fail(&mut self, sentence: String) {
        self.note(|| format!("FAILURE: {sentence}"));
        self.failures.push(sentence);
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if self.remembers {
            let line = format!("{:>8} ms  {}", self.now, line());
            self.history.push(line);
        }
    }

    const fn event(&mut self) -> u64 {
        self.events += 1;
        self.events
    }

    pub(crate) const fn serial(&self) -> u64 {
        self.serials
    }

    /// The stamp of what a client is told now.
    fn stamp(&self, client: usize) -> Stamp {
        if self.setting.is_unsynced(client) { OPEN } else { self.position }
    }

    // Sessions and subscriptions.

    /// CONNACK came. A session that the client did not know to be there has perhaps begun just now.
    pub(crate) fn session_is_there(&mut self, client: usize, present: bool, was_known: bool) {
        let stamp = self.stamp(client);
        self.coverage.note_if(present, "a session is resumed");
        if let Some(session) = self.sessions.get_mut(client).filter(|_| !present || !was_known) {
            session.began = stamp;
        }
    }

    /// PUBCOMP came: the identifier is free.
    pub(crate) fn is_completed(&mut self, client: usize, id: u16) {
        let stamp = self.stamp(client);
        if let Some(session) = self.sessions.get_mut(client) {
            session.completed.insert(id, stamp);
            session.masked.remove(&id);
        }
    }

    /// A message is lost to a client, which takes it for another.
    pub(crate) fn may_lack(&mut self, client: usize, message: &Message) {
        let serial = crate::packet::serial(&message.payload);
        if let Some(session) = self.sessions.get_mut(client) {
            session.due.remove(&serial);
            session.seen.entry(serial).or_default();
        }
        if workload::role(client) == workload::Role::Member {
            self.group_due.remove(&serial);
            self.group_seen.entry(serial).or_insert(0);
        }
    }

    pub(crate) fn session_ends(&mut self, client: usize) {
        // What was on its way to a member goes with its session, and nobody knows who was chosen.
        if workload::role(client) == workload::Role::Member {
            self.group_due.clear();
            self.group_since = self.event();
        }
        if let Some(session) = self.sessions.get_mut(client) {
            *session = Session::default();
        }
    }

    pub(crate) fn is_granted(&self, client: usize, filter: &str) -> bool {
        self.sessions.get(client).is_some_and(|session| session.granted.contains_key(filter))
    }

    pub(crate) fn asks(&mut self, client: usize, filter: &str, qos: u8) {
        let Some(session) = self.sessions.get_mut(client) else { return };
        let asked = session.asked.entry(filter.to_owned()).or_insert(Asked { qos, until: None });
        *asked = Asked { qos: qos.max(asked.qos), until: None };
        // Until it is answered it is open which of the two holds.
        if let Some(grant) = session.granted.get_mut(filter) {
            grant.qos = qos.min(grant.qos);
        }
    }

    pub(crate) fn asks_off(&mut self, client: usize, filter: &str) {
        if let Some(session) = self.sessions.get_mut(client) {
            session.granted.remove(filter);
        }
    }

    /// The broker has said that a client is not subscribed any more.
    pub(crate) fn is_unsubscribed(&mut self, client: usize, filter: &str) {
        let until = (self.event(), self.stamp(client));
        if let Some(asked) = self.sessions.get_mut(client).and_then(|session| session.asked.get_mut(filter)) {
            asked.until.get_or_insert(until);
        }
    }

    pub(crate) fn is_subscribed(&mut self, client: usize, filter: &str, qos: u8) {
        let (since, stamp) = (self.event(), self.stamp(client));
        let Some(session) = self.sessions.get_mut(client) else { return };
        let grant = session.granted.entry(filter.to_owned()).or_insert(Grant { since, qos, stamp });
        // The older of the two dates is right, unless it promised nothing.
        if grant.qos == 0 {
            grant.since = since;
        }
        grant.stamp = stamp;
        grant.qos = qos;
    }

    // Messages.

    pub(crate) fn publishes(&mut self, by: usize, message: workload::Message, now: u64) -> u64 {
        self.serials += 1;
        let first_sent = self.event();
        let published = Published {
            by,
            message,
            first_sent,
            sent_at: now,
            times_sent: 0,
            acknowledged: None,
            refused: false,
            is_masked: false,
            over: None,
        };
        self.published.insert(self.serials, published);
        self.serials
    }

    /// A message was sent, under this identifier.
    pub(crate) fn is_sent(&mut self, serial: u64, id: u16, qos: u8) {
        let Some(published) = self.published.get_mut(&serial) else { return };
        published.times_sent += 1;
        let masked = self.sessions.get(published.by).is_some_and(|session| session.masked.contains(&id));
        published.is_masked |= masked && qos == 2;
    }

    /// The broker has refused something.
    pub(crate) fn is_refused(&mut self, what: &str) {
        if !self.may_refuse {
            self.fail(format!("refused without a reason: {what}"));
        }
    }

    /// Whether a receiver may be disconnected because too many messages wait for it.
    pub(crate) fn may_be_disconnected(&self) -> bool {
        matches!(self.policy(), Some(QueueFull::BySession | QueueFull::Disconnect))
    }

    fn policy(&self) -> Option<QueueFull> {
        self.setting.queue.map(|(policy, _)| policy)
    }

    /// Whether a message without an answer may be one that was refused: 3.1.1 has no other way to say so.
    pub(crate) fn may_be_silent(&self) -> bool {
        self.may_refuse || self.refuses()
    }

    fn refuses(&self) -> bool {
        matches!(self.policy(), Some(QueueFull::BySession | QueueFull::Refuse))
    }

    /// Whether an identifier may be in use at the broker that is free at the client, after a crash.
    pub(crate) fn is_masked(&self, client: usize, id: u16) -> bool {
        self.sessions.get(client).is_some_and(|session| session.masked.contains(&id))
    }

    pub(crate) fn message_is_refused(&mut self, serial: u64, id: u16, code: u8) {
        let event = self.event();
        let by = self.published.get(&serial).map_or(0, |published| published.by);
        if let Some(published) = self.published.get_mut(&serial) {
            published.refused = true;
            published.over = Some(event);
        }
        if code == 0x97 && self.refuses() {
            return self.coverage.note("a message is refused with 0x97 for a full queue");
        }
        if code != 0x91 || !self.is_masked(by, id) {
            self.is_refused(&format!("m{serial:07}, {code:#x}"));
        }
    }

    /// The broker has taken a message over: from here on it must reach everybody.
    pub(crate) fn is_acknowledged(&mut self, serial: u64) {
        let event = self.event();
        let by = self.published.get(&serial).map_or(0, |published| published.by);
        let (now, stamp) = (self.now, self.stamp(by));
        let Some(published) = self.published.get_mut(&serial) else { return };
        published.over = Some(event);
        // The broker may have taken it for another message.
        if published.is_masked {
            return;
        }
        published.acknowledged = Some((now, stamp));
        let (message, first_sent) = (published.message, published.first_sent);
        // One that expires or has no serial to be known by promises less.
        if message.expiry.is_some() || message.empty {
            return;
        }
        let topic = message.topic();
        for (client, session) in self.sessions.iter_mut().enumerate() {
            let mut grants = session.granted.iter().filter(|(filter, _)| matches(filter, &topic));
            let is_due = grants.any(|(_, grant)| grant.since < first_sent && grant.qos > 0);
            if !is_due || session.seen.contains_key(&serial) {
                continue;
            }
            if workload::role(client) == workload::Role::Member {
                // Some member must get it; perhaps one has.
                if !self.group_seen.contains_key(&serial) && first_sent > self.group_since {
                    self.group_due.insert(serial, stamp);
                }
            } else {
                session.due.insert(serial, stamp);
            }
        }
    }

    /// A client has answered all that it got, and the broker has that in store.
    pub(crate) fn is_settled(&mut self, client: usize) {
        let position = self.position;
        if let Some(session) = self.sessions.get_mut(client) {
            for seen in session.seen.values_mut().filter(|seen| !seen.forgotten) {
                seen.settled.get_or_insert(position);
            }
        }
    }

    /// Nothing is under way to a client.
    pub(crate) fn is_drained(&mut self, client: usize) {
        let now = self.now;
        if let Some(session) = self.sessions.get_mut(client) {
            session.drained_at = now;
        }
    }
}
