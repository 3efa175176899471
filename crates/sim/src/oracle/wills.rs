//! Wills: that they come when they are due, to all who must get them, and not again.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use colibri_storage::{Rows, Store, Table};

use super::{OPEN, Oracle, Seen, WillSent, matches};
use crate::packet::{self, Message};
use crate::workload;

/// Whether these bytes are what a client has for a will.
fn is_will(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'w') && bytes.iter().skip(1).all(u8::is_ascii_digit)
}

impl Oracle {
    pub(crate) fn will(&mut self, will: WillSent) -> u64 {
        self.serials += 1;
        self.wills.insert(self.serials, will);
        self.serials
    }

    pub(crate) fn will_delay(&self, serial: u64) -> u64 {
        self.wills.get(&serial).map_or(0, |will| will.delay)
    }

    /// The connections of a client so far are lost, or the session with them, so that their wills may come.
    pub(crate) fn wills_are_due(&mut self, client: usize, now: u64, at_once: bool) {
        let lost = self.event();
        for will in self.wills.values_mut().filter(|will| will.client == client) {
            will.lost.get_or_insert(lost);
            will.may.get_or_insert(now);
            will.clean |= at_once;
        }
    }

    /// DISCONNECT was sent, and the will is no longer to be published.
    pub(crate) fn will_is_called_off(&mut self, serial: u64) {
        self.called_off.insert(serial);
        if let Some(will) = self.wills.get_mut(&serial) {
            will.promised = None;
        }
    }

    /// The broker has said that it has the will, with QoS 1 or 2.
    pub(crate) fn will_is_promised(&mut self, serial: u64) {
        let by = self.wills.get(&serial).map_or(0, |will| will.client);
        let stamp = self.stamp(by);
        let Some(will) = self.wills.get_mut(&serial) else { return };
        will.accepted = true;
        // If somebody else has connected under the name, it is open which of the two connections is the older.
        if will.lost.is_none() {
            will.promised = Some(stamp);
        }
    }

    /// The broker has begun anew.
    pub(crate) fn starts(&mut self, now: u64) {
        self.started = (self.event(), now);
    }

    /// The broker is at rest: wills of connections that were lost have been published, or will be when the
    /// broker hears of that. If they have a delay, it is known to be over only if the broker was started since.
    pub(super) fn owe_wills(&mut self) {
        let ((started, at), now, position) = (self.started, self.now, self.position);
        for (serial, will) in &mut self.wills {
            let Some((lost, promised)) = will.lost.zip(will.promised) else { continue };
            // The delay is stored as a time of the wall clock.
            if will.delay > 0 && (self.has_jumped || lost > started || now < at + will.delay * 1000) {
                continue;
            }
            will.promised = None;
            // If a crash takes back that one was published, it is in the record of its session again. If it has
            // a delay, that begins anew, and the client may come back before it is over.
            let stamp = if will.delay > 0 { position } else { promised };
            let topic = format!("w/{}", will.client);
            for session in &mut self.sessions {
                let mut grants = session.granted.iter().filter(|(filter, _)| matches(filter, &topic));
                let subscribed = grants.any(|(_, grant)| grant.since < lost && grant.qos > 0);
                if subscribed && !session.seen.contains_key(serial) {
                    session.due.insert(*serial, stamp);
                }
            }
        }
    }

    /// A client connects, and the broker may hear of that before it has read an older DISCONNECT.
    pub(crate) fn may_take_over(&mut self, client: usize) {
        // If the session goes on within the delay, there is no will.
        let delayed = self.wills.values_mut().filter(|will| will.client == client && will.delay > 0);
        delayed.for_each(|will| will.promised = None);
        let wills = &self.wills;
        self.called_off.retain(|serial| wills.get(serial).is_none_or(|will| will.client != client));
    }

    pub(super) fn on_will(&mut self, client: usize, message: &Message, is_new: bool) {
        let serial = packet::serial(&message.payload);
        let Some(will) = self.wills.get(&serial) else {
            return self.fail(format!("client-{client} gets a will that nobody has: {message:?}"));
        };
        let delay = if will.clean { 0 } else { will.delay * 1000 };
        // Its session is stored, or the will itself.
        let keeps = will.retain && will.stored && (will.accepted || message.qos == 2);
        // The store may lack it for longer than whoever is told of it waits.
        let is_unsynced = self.setting.is_unsynced(will.client) || self.setting.is_unsynced(client);
        let (cancelled, due) = (will.cancelled.is_some(), will.may.map(|may| may + delay));
        if cancelled {
            self.fail(format!("client-{client} gets a will that was called off: {message:?}"));
        } else if due.is_none_or(|due| due > self.now) {
            self.fail(format!("client-{client} gets a will too early (due {due:?}): {message:?}"));
        }
        self.coverage.note(if delay > 0 { "a delayed will comes" } else { "a will comes" });
        if message.retain {
            return;
        }
        let stamp = if is_unsynced { OPEN } else { self.position };
        let crashes = self.crashes;
        let Some(session) = self.sessions.get_mut(client) else { return };
        // Others may get it before it is stored.
        if keeps && message.qos > 0 && matches!(workload::role(client), workload::Role::Anchor(_)) {
            let last = session.retained_wills.entry(message.topic.clone()).or_insert((serial, stamp));
            if serial > last.0 {
                *last = (serial, stamp);
            }
        }
        session.due.remove(&serial);
        let seen = session.seen.entry(serial).or_insert_with(|| Seen { crashes, ..Seen::default() });
        if seen.forgotten {
            (seen.forgotten, seen.settled) = (false, None);
        }
        if is_new && !message.dup {
            seen.settled = None;
            seen.others += 1;
            seen.exactly_once += u32::from(message.qos == 2);
        }
        // One with QoS 1 is sent before it is stored that it was.
        let most = if message.qos == 1 { 1 + crashes - seen.crashes.min(crashes) } else { 1 };
        if seen.others > most || seen.exactly_once > 1 {
            self.fail(format!("client-{client} gets a will again: {message:?}"));
        }
    }

    /// What a crash has left in the store: a will is in the record of its session, or published.
    pub(crate) fn check_stored_wills(&mut self, store: &dyn Store) {
        let (mut in_sessions, mut published) = (BTreeSet::new(), BTreeSet::new());
        let outcome: Result<(), _> = [Table::Sessions, Table::Queue, Table::Bodies, Table::Retained]
            .into_iter()
            .try_for_each(|table| {
                store.scan(table, Rows::ALL, &mut |_, row| {
                    let found = row.windows(8).filter(|payload| is_will(payload)).map(packet::serial);
                    if table == Table::Sessions {
                        in_sessions.extend(found)
                    } else {
                        published.extend(found)
                    }
                    ControlFlow::Continue(())
                })
            });
        if let Err(error) = outcome {
            self.fail(format!("the store cannot be read: {error}"));
        }
        for serial in in_sessions.intersection(&published) {
            self.fail(format!("w{serial:07} is stored as published and as yet to be"));
        }
    }

    /// Whether a will that is retained, or that none is, can be right.
    pub(crate) fn check_retained_will(&mut self, topic: &str, found: Option<u64>) {
        let last = self.sessions.iter().filter_map(|session| session.retained_wills.get(topic)).max();
        let last = last.map(|(serial, _)| *serial);
        if found < last {
            self.fail(format!("{topic} has the will {found:?} retained, and {last:?} came later"));
        }
        let cancelled =
            found.and_then(|serial| self.wills.get(&serial)).is_some_and(|will| will.cancelled.is_some());
        if cancelled {
            self.fail(format!("{topic} has the will {found:?} retained, which was called off"));
        }
    }
}
