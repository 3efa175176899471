//! What the broker has promised to the clients of a run, and whether it has kept it.
//!
//! The oracle hears of everything that clients send and get, in order. It never looks into the broker: a
//! promise begins with an acknowledgement that a client has in hand, and what was sent without one may or
//! may not have happened.

mod delivery;
mod wills;

use std::collections::{BTreeMap, BTreeSet};

use crate::workload::{self, CLIENTS};

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
    /// Whether the broker knows that it must not be published.
    pub(crate) cancelled: bool,
    /// Whether CONNACK came for it, so that it is stored.
    pub(crate) accepted: bool,
    /// Whether somebody must get it, if the connection is lost: CONNACK came, and nothing calls it off.
    pub(crate) promised: bool,
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
    /// When the acknowledgement came, as an event and in milliseconds.
    acknowledged: Option<(u64, u64)>,
    refused: bool,
    /// No copy of it is under way to the broker since this event.
    over: Option<u64>,
}

/// What a client has been granted.
#[derive(Clone, Copy, Debug)]
struct Grant {
    since: u64,
    qos: u8,
}

/// What a client has asked for.
#[derive(Clone, Copy, Debug)]
struct Asked {
    /// The highest QoS.
    qos: u8,
    /// When it was told that it is subscribed no more.
    until: Option<u64>,
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
    /// Whether the broker has in store that it was delivered.
    settled: bool,
}

/// One session of a client as the client knows it.
#[derive(Debug, Default)]
struct Session {
    /// Every filter that it may be or have been subscribed to.
    asked: BTreeMap<String, Asked>,
    granted: BTreeMap<String, Grant>,
    /// By topic the last retained will that it has got and its publisher's shard has stored.
    retained_wills: BTreeMap<String, u64>,
    /// What it must get.
    due: BTreeSet<u64>,
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
    group_due: BTreeSet<u64>,
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
    pub(crate) fn new(send_maximum: u16, remembers: bool) -> Self {
        Self {
            now: 0,
            send_maximum,
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
            group_due: BTreeSet::new(),
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

    // Sessions and subscriptions.

    pub(crate) fn session_ends(&mut self, client: usize) {
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
        let event = self.event();
        if let Some(asked) = self.sessions.get_mut(client).and_then(|session| session.asked.get_mut(filter)) {
            asked.until.get_or_insert(event);
        }
    }

    pub(crate) fn is_subscribed(&mut self, client: usize, filter: &str, qos: u8) {
        let since = self.event();
        let Some(session) = self.sessions.get_mut(client) else { return };
        let grant = session.granted.entry(filter.to_owned()).or_insert(Grant { since, qos });
        // The older of the two dates is right, unless it promised nothing.
        if grant.qos == 0 {
            grant.since = since;
        }
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
            over: None,
        };
        self.published.insert(self.serials, published);
        self.serials
    }

    pub(crate) fn is_sent(&mut self, serial: u64, _dup: bool) {
        if let Some(published) = self.published.get_mut(&serial) {
            published.times_sent += 1;
        }
    }

    /// The broker has refused something.
    pub(crate) fn is_refused(&mut self, what: &str) {
        if !self.may_refuse {
            self.fail(format!("refused without a reason: {what}"));
        }
    }

    pub(crate) fn message_is_refused(&mut self, serial: u64, code: u8) {
        let event = self.event();
        if let Some(published) = self.published.get_mut(&serial) {
            published.refused = true;
            published.over = Some(event);
        }
        self.is_refused(&format!("m{serial:07}, {code:#x}"));
    }

    /// The broker has taken a message over: from here on it must reach everybody.
    pub(crate) fn is_acknowledged(&mut self, serial: u64, now: u64) {
        let event = self.event();
        let Some(published) = self.published.get_mut(&serial) else { return };
        published.acknowledged = Some((event, now));
        published.over = Some(event);
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
                if !self.group_seen.contains_key(&serial) {
                    self.group_due.insert(serial);
                }
            } else {
                session.due.insert(serial);
            }
        }
    }

    // What happens to the broker.

    pub(crate) fn crashes(&mut self, now: u64) {
        self.crashes += 1;
        self.called_off.clear();
        for client in 0..CLIENTS {
            self.wills_are_due(client, now, false);
        }
    }

    /// The broker is at rest and has read everything; `open` are the messages whose exchange is open, and
    /// `safe` says whether all is stored.
    pub(crate) fn is_at_rest(&mut self, open: &BTreeSet<u64>, safe: bool) {
        let event = self.event();
        for (serial, published) in &mut self.published {
            if !open.contains(serial) {
                published.over.get_or_insert(event);
            }
        }
        if safe {
            self.owe_wills();
            for serial in std::mem::take(&mut self.called_off) {
                if let Some(will) = self.wills.get_mut(&serial) {
                    will.cancelled = true;
                }
            }
        }
    }

    /// A client has answered all that it got, and the broker has that in store.
    pub(crate) fn is_settled(&mut self, client: usize) {
        if let Some(session) = self.sessions.get_mut(client) {
            session.seen.values_mut().for_each(|seen| seen.settled = true);
        }
    }

    /// Nothing is under way to a client.
    pub(crate) fn is_drained(&mut self, client: usize) {
        let now = self.now;
        if let Some(session) = self.sessions.get_mut(client) {
            session.drained_at = now;
        }
    }

    /// Everything has been delivered that will be.
    pub(crate) fn check_delivered(&mut self) {
        for client in 0..CLIENTS {
            let due: Vec<u64> =
                self.sessions.get(client).map(|s| s.due.iter().copied().collect()).unwrap_or_default();
            for serial in due {
                self.fail(format!("client-{client} has not got m{serial:07}"));
            }
        }
        for serial in std::mem::take(&mut self.group_due) {
            self.fail(format!("no member of the group has got m{serial:07}"));
        }
    }

    /// Whether what is retained for a topic can be right: the serial, or `None` for nothing.
    pub(crate) fn check_retained(&mut self, topic: &str, found: Option<u64>) {
        let now = self.now;
        let all: Vec<(u64, &Published)> = self
            .published
            .iter()
            .filter(|(_, published)| published.message.is_retained() && published.message.topic() == topic)
            .map(|(serial, published)| (*serial, published))
            .collect();
        let last_sent = all.iter().filter(|(_, p)| p.acknowledged.is_some()).map(|(_, p)| p.first_sent).max();
        let stands = |over: Option<u64>| last_sent.is_none_or(|sent| over.is_none_or(|over| over >= sent));
        let mut possible: BTreeSet<Option<u64>> = BTreeSet::new();
        if stands(Some(0)) {
            possible.insert(None);
        }
        for (serial, published) in all {
            if published.refused && published.times_sent == 1 || !stands(published.over) {
                continue;
            }
            let expiry = published.message.expiry.map(|seconds| u64::from(seconds) * 1000);
            if expiry.is_some_and(|millis| published.sent_at + millis <= now) {
                possible.insert(None);
            }
            let gone = published.acknowledged.zip(expiry).is_some_and(|((_, at), millis)| at + millis <= now);
            if published.message.empty || gone {
                possible.insert(None);
            } else {
                possible.insert(Some(serial));
            }
        }
        if !possible.contains(&found) {
            self.fail(format!("{topic} has {found:?} retained, and not one of {possible:?}"));
        }
    }
}
