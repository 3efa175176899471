//! Wills: since when each may come, until when it may not, and whether it must.

use super::{Oracle, Seen, WillSent, matches};
use crate::packet::{self, Message};

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
        let lost = (self.event(), self.crashes);
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
        if let Some(will) = self.wills.get_mut(&serial).filter(|will| will.delay == 0 && will.lost.is_none())
        {
            will.promised = Some(stamp);
        }
    }

    /// The broker is at rest: wills of connections that were lost since the last crash have been published.
    pub(super) fn owe_wills(&mut self) {
        let (crashes, position) = (self.crashes, self.position);
        let owed = self.wills.iter_mut().filter(|(_, will)| will.promised.is_some());
        for (serial, will) in owed.filter(|(_, will)| will.lost.is_some_and(|(_, at)| at == crashes)) {
            will.promised = None;
            let topic = format!("w/{}", will.client);
            let lost = will.lost.map_or(0, |(event, _)| event);
            for session in &mut self.sessions {
                let mut grants = session.granted.iter().filter(|(filter, _)| matches(filter, &topic));
                let subscribed = grants.any(|(_, grant)| grant.since < lost && grant.qos > 0);
                if subscribed && !session.seen.contains_key(serial) {
                    session.due.insert(*serial, position);
                }
            }
        }
    }

    /// A client connects, and the broker may hear of that before it has read an older DISCONNECT.
    pub(crate) fn may_take_over(&mut self, client: usize) {
        let wills = &self.wills;
        self.called_off.retain(|serial| wills.get(serial).is_none_or(|will| will.client != client));
    }

    pub(super) fn on_will(&mut self, client: usize, message: &Message, is_new: bool) {
        let serial = packet::serial(&message.payload);
        let Some(will) = self.wills.get(&serial) else {
            return self.fail(format!("client-{client} gets a will that nobody has: {message:?}"));
        };
        let delay = if will.clean { 0 } else { will.delay * 1000 };
        let (cancelled, due) = (will.cancelled.is_some(), will.may.map(|may| may + delay));
        if cancelled {
            self.fail(format!("client-{client} gets a will that was called off: {message:?}"));
        } else if due.is_none_or(|due| due > self.now) {
            self.fail(format!("client-{client} gets a will too early (due {due:?}): {message:?}"));
        }
        self.coverage.note(if delay > 0 { "a delayed will comes" } else { "a will comes" });
        let crashes = self.crashes;
        let Some(session) = self.sessions.get_mut(client) else { return };
        session.due.remove(&serial);
        let seen = session.seen.entry(serial).or_insert_with(|| Seen { crashes, ..Seen::default() });
        if is_new && !message.dup {
            seen.others += 1;
        }
        if seen.others > 1 + crashes - seen.crashes.min(crashes) {
            self.fail(format!("client-{client} gets a will again: {message:?}"));
        }
    }
}
