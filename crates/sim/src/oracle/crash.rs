//! What a crash takes back: nothing that was stored when somebody was told of it, and what else it may.

use std::collections::BTreeSet;

use super::{OPEN, Oracle, Stamp};
use crate::workload::{CLIENTS, Role, role};

impl Oracle {
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
            let position = self.position;
            self.owe_wills();
            self.close_stamps();
            for serial in std::mem::take(&mut self.called_off) {
                if let Some(will) = self.wills.get_mut(&serial) {
                    will.cancelled = Some(position);
                }
            }
        }
    }

    /// Everything is stored that clients were told of.
    fn close_stamps(&mut self) {
        let position = self.position;
        let close = |stamp: &mut Stamp| *stamp = if *stamp == OPEN { position } else { *stamp };
        for session in &mut self.sessions {
            close(&mut session.began);
            session.completed.values_mut().for_each(close);
            session.due.values_mut().for_each(close);
            session.retained_wills.values_mut().for_each(|(_, stamp)| close(stamp));
            session.granted.values_mut().for_each(|grant| close(&mut grant.stamp));
            session
                .asked
                .values_mut()
                .filter_map(|asked| asked.until.as_mut())
                .for_each(|until| close(&mut until.1));
        }
        self.group_due.values_mut().for_each(close);
        self.published
            .values_mut()
            .filter_map(|one| one.acknowledged.as_mut())
            .for_each(|at| close(&mut at.1));
        self.wills.values_mut().filter_map(|will| will.promised.as_mut()).for_each(close);
    }

    /// The broker has crashed, and the store has its first `kept` batches, or all of them without power loss.
    /// Gives the clients of which it may have forgotten something, and whether their session is among that.
    pub(crate) fn goes_back(&mut self, kept: Option<Stamp>) -> Vec<(usize, bool)> {
        let setting = self.setting;
        let bound = |client: usize| match kept.filter(|_| setting.is_lossy()) {
            Some(kept) => kept,
            None if setting.is_unsynced(client) => OPEN - 1,
            None => OPEN,
        };
        let took_back = self.forget_messages(bound);
        self.coverage.note_if(took_back && kept.is_some(), "a power loss takes back an acknowledged message");
        self.coverage
            .note_if(took_back && kept.is_none(), "a kill takes back what an unsynced client was told");
        for will in self.wills.values_mut() {
            let bound = bound(will.client);
            will.promised = will.promised.filter(|stamp| *stamp <= bound);
            will.cancelled = will.cancelled.filter(|stamp| *stamp <= bound);
        }
        let clients = (0..CLIENTS).filter(|client| bound(*client) != OPEN);
        clients.map(|client| (client, self.session_goes_back(client, bound(client)))).collect()
    }

    /// Whether an acknowledged message may be lost.
    fn forget_messages(&mut self, bound: impl Fn(usize) -> Stamp) -> bool {
        let mut lost = BTreeSet::new();
        for (serial, published) in &mut self.published {
            let bound = bound(published.by);
            if published.acknowledged.is_some_and(|(_, stamp)| stamp > bound) {
                published.acknowledged = None;
                lost.insert(*serial);
            }
        }
        let least = (0..CLIENTS).map(&bound).min().unwrap_or(OPEN);
        for session in &mut self.sessions {
            session.due.retain(|serial, stamp| {
                let will = self.wills.get(serial);
                !lost.contains(serial) && will.is_none_or(|will| *stamp <= bound(will.client))
            });
            session.retained_wills.retain(|_, (_, stamp)| *stamp <= least);
        }
        self.group_due.retain(|serial, _| !lost.contains(serial));
        !lost.is_empty()
    }

    /// Whether the session itself may be forgotten.
    fn session_goes_back(&mut self, client: usize, bound: Stamp) -> bool {
        let Some(session) = self.sessions.get_mut(client) else { return false };
        let granted = session.granted.len();
        session.granted.retain(|_, grant| grant.stamp <= bound);
        if session.granted.len() < granted {
            session.due.clear();
        }
        for asked in session.asked.values_mut() {
            asked.until = asked.until.filter(|(_, stamp)| *stamp <= bound);
        }
        let forgotten = session.completed.iter().filter(|(_, stamp)| **stamp > bound);
        session.masked.extend(forgotten.map(|(id, _)| *id));
        for (serial, seen) in &mut session.seen {
            if seen.settled.is_none_or(|stamp| stamp > bound) {
                // It may come once more.
                (seen.exactly_once, seen.others, seen.settled) = (0, 0, None);
                seen.forgotten = true;
                if role(client) == Role::Member
                    && let Some(count) = self.group_seen.get_mut(serial)
                {
                    *count = 0;
                }
            }
        }
        let began = session.began > bound;
        if began && role(client) == Role::Member {
            self.group_due.clear();
        }
        if began {
            session.due.clear();
        }
        let masked = session.masked.clone();
        // What is under way under such an identifier may be taken for the message before.
        for published in self.published.values_mut().filter(|one| one.by == client && one.over.is_none()) {
            published.is_masked |= published.message.qos == 2 && !masked.is_empty();
        }
        began
    }

    /// The wall clock was set to another time while the broker was down.
    pub(crate) fn clock_jumps(&mut self) {
        self.has_jumped = true;
        self.wills.values_mut().for_each(|will| will.clean = true);
    }
}
