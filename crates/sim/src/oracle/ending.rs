//! When all is over: what was promised and has not come, and what is retained.

use std::collections::BTreeSet;

use colibri_broker::QueueFull;

use super::{Oracle, Published, matches};
use crate::workload::CLIENTS;

impl Oracle {
    /// Everything has been delivered that will be.
    pub(crate) fn check_delivered(&mut self) {
        let (mut missing, mut sentences, mut which) = (0, Vec::new(), Vec::new());
        for client in 0..CLIENTS {
            let Some(session) = self.sessions.get_mut(client) else { continue };
            for (serial, _) in std::mem::take(&mut session.due) {
                missing += 1;
                which.push((client, serial));
                if !self.may_have_dropped(client, serial) {
                    sentences.push(format!("client-{client} has not got m{serial:07}"));
                }
            }
        }
        for (serial, _) in std::mem::take(&mut self.group_due) {
            missing += 1;
            if self.setting.queue.is_none() {
                sentences.push(format!("no member of the group has got m{serial:07}"));
            }
        }
        if sentences.is_empty() && missing > self.dropped {
            let dropped = self.dropped;
            sentences.push(format!(
                "{missing} messages are missing, and {dropped} were dropped; by client: {which:?}"
            ));
        }
        self.note_drops(missing);
        sentences.into_iter().for_each(|sentence| self.fail(sentence));
    }

    fn note_drops(&mut self, missing: u64) {
        let what = match self.policy().filter(|_| missing > 0) {
            Some(QueueFull::DropOldest) => "a queue loses a message: drop oldest",
            Some(QueueFull::DropNewest) => "a queue loses a message: drop newest",
            Some(QueueFull::Disconnect) => "a queue loses a message: disconnect",
            Some(QueueFull::BySession | QueueFull::Refuse) | None => return,
        };
        self.coverage.note(what);
    }

    /// Whether a message can have been dropped because the queue of a client was full: as many others as a
    /// queue takes must have come before it, or behind it if the oldest is what goes.
    fn may_have_dropped(&self, client: usize, serial: u64) -> bool {
        let Some((policy, maximum)) = self.setting.queue else { return false };
        let Some(session) = self.sessions.get(client) else { return false };
        let interests = |topic: &str| session.asked.keys().any(|filter| matches(filter, topic));
        // A will comes whenever it comes.
        let wills = self.wills.values().filter(|will| interests(&format!("w/{}", will.client))).count();
        let Some(lost) = self.published.get(&serial) else { return true };
        let others = self.published.iter().filter(|(other, published)| {
            let can_be = match policy {
                QueueFull::DropOldest => published.over.is_none_or(|over| over > lost.first_sent),
                _ => lost.over.is_none_or(|over| published.first_sent < over),
            };
            **other != serial && can_be && interests(&published.message.topic())
        });
        // What a publisher sends again, unanswered, may wait twice.
        let copies: u32 = others.map(|(_, published)| published.times_sent).sum();
        wills + copies as usize >= maximum
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
            if expiry.is_some() && self.has_jumped {
                possible.insert(None);
            }
            if expiry.is_some_and(|millis| published.sent_at + millis <= now) {
                possible.insert(None);
            }
            let gone = published.acknowledged.zip(expiry).is_some_and(|((at, _), millis)| at + millis <= now);
            if published.message.empty || gone && !self.has_jumped {
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
