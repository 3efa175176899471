//! A message has come to a client: whether it may, now, again, and behind what came before.

use super::{Oracle, Seen, matches};
use crate::packet::{self, Message};
use crate::workload;

impl Oracle {
    pub(crate) fn is_delivered(&mut self, client: usize, message: &Message, is_new: bool) {
        self.event();
        let serial = packet::serial(&message.payload);
        let sent = self.published.get(&serial).map_or(0, |published| published.first_sent);
        let subscribed = self.sessions.get(client).is_some_and(|session| {
            let mut asked = session.asked.iter().filter(|(filter, _)| matches(filter, &message.topic));
            // What is retained comes whenever it was sent, but only to who asks.
            asked.any(|(_, asked)| {
                asked.qos >= message.qos && asked.until.is_none_or(|(until, _)| sent < until)
            })
        });
        if !subscribed {
            return self.fail(format!("client-{client} gets what it has not subscribed to: {message:?}"));
        }
        match message.payload.first() {
            Some(b'w') => self.on_will(client, message, is_new),
            Some(_) => self.on_message(client, message, is_new),
            None => {}
        }
    }

    fn on_message(&mut self, client: usize, message: &Message, is_new: bool) {
        let serial = packet::serial(&message.payload);
        let Some(published) = self.published.get(&serial) else {
            return self.fail(format!("client-{client} gets what nobody has published: {message:?}"));
        };
        let sent = published.message;
        if message.topic != sent.topic() || message.qos > sent.qos {
            return self
                .fail(format!("client-{client} gets another message than was published: {message:?}"));
        }
        if published.refused && published.times_sent == 1 {
            self.fail(format!("client-{client} gets what was refused: {message:?}"));
        }
        self.coverage.note_if(message.dup, "a message comes again");
        self.coverage.note_if(message.retain, "a retained message comes");
        self.check_expiry(client, serial, message);
        let is_first = self.sessions.get(client).is_some_and(|session| !session.seen.contains_key(&serial));
        self.count(client, serial, message, is_new);
        if is_first && !message.retain {
            self.check_order(client, serial, message);
        }
    }

    fn check_expiry(&mut self, client: usize, serial: u64, message: &Message) {
        let Some(published) = self.published.get(&serial) else { return };
        let Some(seconds) = published.message.expiry.filter(|_| !self.has_jumped) else { return };
        let ends = published.acknowledged.map(|(at, _)| at + u64::from(seconds) * 1000);
        let drained = self.sessions.get(client).map_or(0, |session| session.drained_at);
        if message.expiry.is_some_and(|left| left > seconds) {
            self.fail(format!("client-{client} gets a wrong expiry: {message:?}"));
        } else if !message.dup && ends.is_some_and(|ends| ends <= drained) {
            self.fail(format!("client-{client} gets an expired message: {message:?}"));
        }
    }

    /// Counts a message that came, and fails if it came once too often.
    fn count(&mut self, client: usize, serial: u64, message: &Message, is_new: bool) {
        let crashes = self.crashes;
        let Some(published) = self.published.get(&serial) else { return };
        let was_repeated = published.times_sent > 1 && message.qos < 2;
        let repeats = published.message.qos < 2 && published.times_sent > 1;
        let Some(session) = self.sessions.get_mut(client) else { return };
        session.due.remove(&serial);
        self.group_due.remove(&serial);
        if workload::role(client) == workload::Role::Member {
            self.group_seen.entry(serial).or_insert(0);
        }
        let seen = session.seen.entry(serial).or_insert_with(|| Seen { crashes, ..Seen::default() });
        if message.dup && seen.settled.is_some() && !was_repeated && !message.retain {
            return self.fail(format!("client-{client} gets again what it has acknowledged: {message:?}"));
        }
        if seen.forgotten {
            (seen.forgotten, seen.settled) = (false, None);
        }
        if message.retain || !is_new || message.dup && message.qos < 2 {
            return;
        }
        seen.settled = None;
        if message.qos == 2 {
            seen.exactly_once += 1;
        } else {
            seen.others += 1;
        }
        let (twos, others, calm) = (seen.exactly_once, seen.others, seen.crashes == crashes);
        if twos > 1 {
            self.fail(format!("client-{client} gets it twice with QoS 2: {message:?}"));
        } else if twos + others > 1 && calm && !repeats {
            self.fail(format!("client-{client} gets it twice without a reason: {message:?}"));
        }
        if workload::role(client) == workload::Role::Member {
            let count = self.group_seen.entry(serial).or_insert(0);
            *count += u32::from(message.qos == 2);
            if *count > 1 {
                self.fail(format!("two members get it with QoS 2: {message:?}"));
            }
        }
    }

    /// What came first of a message comes in the order in which it was sent first.
    fn check_order(&mut self, client: usize, serial: u64, message: &Message) {
        let policy = self.policy();
        let Some(published) = self.published.get(&serial) else { return };
        let Some(session) = self.sessions.get_mut(client) else { return };
        // One that expired in a queue may come again from its publisher, and then lives longer.
        let expires = published.message.expiry.is_some();
        // A publisher may send again what was refused or dropped, behind what was not.
        // What was dropped may be in the queue again after a crash.
        let comes_late = published.times_sent > 1 || self.crashes > 0;
        let refuses = self.may_refuse || policy.is_some() && comes_late;
        if workload::role(client) == workload::Role::Member || refuses || expires {
            return;
        }
        let mut grants = session.granted.iter().filter(|(filter, _)| matches(filter, &message.topic));
        // Who was not subscribed when it came first may get it when it comes again.
        if !grants.any(|(_, grant)| grant.since < published.first_sent) {
            return;
        }
        let key = (published.by, message.topic.clone(), published.message.qos, message.qos);
        let last = session.last.entry(key).or_insert(0);
        let before = *last;
        *last = serial.max(before);
        if serial < before {
            self.fail(format!("client-{client} gets it after m{before:07}, out of order: {message:?}"));
        }
    }
}
