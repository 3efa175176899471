//! What a client gets, and what it makes of that.

use super::{Client, Stage};
use crate::World;
use crate::oracle::Oracle;
use crate::packet::{Got, Message, first};

impl Client {
    /// Reads up to so many bytes, and deals with the packets that are whole; whether anything came.
    pub(crate) fn read(&mut self, world: &World, oracle: &mut Oracle, most: usize) -> bool {
        let Some(link) = &self.link else { return false };
        let taken = link.take(most);
        if taken.is_empty() {
            return false;
        }
        self.buffer.extend_from_slice(&taken);
        loop {
            match first(&self.buffer, self.version) {
                Ok(Some((got, length))) => {
                    self.buffer.drain(..length);
                    self.on_packet(world, oracle, got);
                }
                Ok(None) => return true,
                Err(sentence) => {
                    oracle.fail(format!("{} gets {sentence}", self.name));
                    return true;
                }
            }
        }
    }

    fn on_packet(&mut self, world: &World, oracle: &mut Oracle, got: Got) {
        oracle.note(|| format!("{} gets {got:?}", self.name));
        if !self.accepted && !matches!(got, Got::Connack { .. }) {
            return oracle.fail(format!("{} gets {got:?} before CONNACK", self.name));
        }
        match got {
            Got::Connack { code: 0, present } => self.on_connack(world, oracle, present),
            Got::Connack { code, .. } => oracle.is_refused(&format!("{}, CONNACK {code}", self.name)),
            Got::Publish(message) => self.on_message(oracle, message),
            Got::Puback(id, code) => self.on_ack(oracle, (id, code), Stage::Puback, world.now()),
            Got::Pubrec(id, code) => self.on_ack(oracle, (id, code), Stage::Pubrec, world.now()),
            Got::Pubcomp(id) => self.on_ack(oracle, (id, 0), Stage::Pubcomp, world.now()),
            Got::Pubrel(id) => self.withheld.push_back(Got::Pubrel(id)),
            Got::Suback(id, codes) => {
                // It may have been asked off meanwhile.
                let Some((filter, qos)) = self.subscribing.remove(&id) else { return };
                match codes.as_slice() {
                    [_] if filter.is_empty() => {}
                    [code] if *code == qos => oracle.is_subscribed(self.number, &filter, qos),
                    [0x80 | 0x97] => oracle.is_refused(&format!("{}, SUBACK", self.name)),
                    _ => oracle.fail(format!("{} gets SUBACK {codes:?}", self.name)),
                }
            }
            Got::Unsuback(id) => {
                let Some(filter) = self.unsubscribing.remove(&id) else { return };
                // It may have been asked for again meanwhile.
                if self.subscribing.values().all(|(asked, _)| *asked != filter)
                    && !oracle.is_granted(self.number, &filter)
                {
                    oracle.is_unsubscribed(self.number, &filter);
                }
            }
            Got::Pingresp => {}
            // Taken over by a connection that was heard later, silent for too long, or told of the end.
            Got::Disconnect(0x8E | 0x8D | 0x8B) => {}
            Got::Disconnect(code) => oracle.fail(format!("{} gets DISCONNECT {code:#x}", self.name)),
        }
    }

    fn on_ack(&mut self, oracle: &mut Oracle, (id, code): (u16, u8), stage: Stage, now: u64) {
        let found = self.outgoing.iter_mut().find(|(_, out)| out.id == id);
        let Some((&serial, out)) = found.filter(|(_, out)| out.stage == stage) else {
            return oracle
                .fail(format!("{} gets an answer of {stage:?} to {id}, which is not open", self.name));
        };
        if code >= 0x80 {
            oracle.message_is_refused(serial, code);
            self.outgoing.remove(&serial);
        } else if stage == Stage::Pubrec {
            out.stage = Stage::Pubcomp;
            oracle.is_acknowledged(serial, now);
            self.pubrel(oracle, id);
        } else {
            self.outgoing.remove(&serial);
            if stage == Stage::Puback {
                oracle.is_acknowledged(serial, now);
            }
        }
    }

    fn on_message(&mut self, oracle: &mut Oracle, mut message: Message) {
        if let Some(alias) = message.alias {
            if message.topic.is_empty() {
                message.topic = self.aliases.get(&alias).cloned().unwrap_or_default();
            } else {
                self.aliases.insert(alias, message.topic.clone());
            }
        }
        if message.qos > 0 {
            if !self.unanswered.insert(message.id) {
                oracle.fail(format!("{} gets {message:?} under an identifier in use", self.name));
            }
            if self.unanswered.len() > usize::from(self.receive_maximum.min(oracle.send_maximum)) {
                oracle.fail(format!("{} gets more than its Receive Maximum", self.name));
            }
            self.withheld.push_back(Got::Publish(message.clone()));
        }
        let mut is_new = true;
        if message.qos == 2 {
            let before = self.received.insert(message.id, message.payload.clone());
            is_new = before.is_none();
            if before.is_some_and(|before| before != message.payload) {
                oracle.fail(format!("{} gets {message:?} under an unreleased identifier", self.name));
            }
        }
        oracle.is_delivered(self.number, &message, is_new);
    }
}
