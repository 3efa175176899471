//! What a client gets, and what it makes of that.

use super::machine::Said;
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
                    let bytes: Vec<u8> = self.buffer.drain(..length).collect();
                    let now = world.now();
                    let said = self.machine.as_mut().map(|machine| machine.handle(&bytes, now));
                    self.flush(oracle);
                    self.on_packet(world, oracle, got, &said.unwrap_or(Said::Nothing));
                }
                Ok(None) => return true,
                Err(sentence) => {
                    oracle.fail(format!("{} gets {sentence}", self.name));
                    return true;
                }
            }
        }
    }

    fn on_packet(&mut self, world: &World, oracle: &mut Oracle, got: Got, said: &Said) {
        oracle.note(|| format!("{} gets {got:?}", self.name));
        if !self.accepted && !matches!(got, Got::Connack { .. }) {
            return oracle.fail(format!("{} gets {got:?} before CONNACK", self.name));
        }
        if let Said::Violation(violation) = said {
            return oracle.fail(format!("{} says to {got:?}: {violation}", self.name));
        }
        match got {
            Got::Connack { code: 0, present } => self.on_connack(world, oracle, present),
            Got::Connack { code, .. } => oracle.is_refused(&format!("{}, CONNACK {code}", self.name)),
            Got::Publish(message) => self.on_message(oracle, message, said),
            Got::Puback(id, code) => self.on_ack(oracle, (id, code), Stage::Puback, said),
            Got::Pubrec(id, code) => self.on_ack(oracle, (id, code), Stage::Pubrec, said),
            Got::Pubcomp(id) => self.on_ack(oracle, (id, 0), Stage::Pubcomp, said),
            Got::Pubrel(id) => self.on_pubrel(oracle, id, said),
            Got::Suback(id, codes) => self.on_suback(oracle, id, &codes),
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
            Got::Disconnect(0x8D) => oracle.coverage.note("a dead connection is found out by its Keep Alive"),
            Got::Disconnect(0x8E | 0x8B) => {}
            Got::Disconnect(0x97) if oracle.may_be_disconnected() => {
                oracle.coverage.note("a receiver is disconnected for its full queue");
            }
            Got::Disconnect(0x80..) if self.outlaw_since.is_some() => {}
            Got::Disconnect(code) => oracle.fail(format!("{} gets DISCONNECT {code:#x}", self.name)),
        }
    }

    fn on_suback(&mut self, oracle: &mut Oracle, id: u16, codes: &[u8]) {
        // It may have been asked off meanwhile.
        let Some((filter, qos)) = self.subscribing.remove(&id) else { return };
        match codes {
            [_] if filter.is_empty() => {}
            [code] if *code == qos => oracle.is_subscribed(self.number, &filter, qos),
            [0x80 | 0x91] if oracle.is_masked(self.number, id) => {}
            [0x80 | 0x97] => oracle.is_refused(&format!("{}, SUBACK", self.name)),
            _ => oracle.fail(format!("{} gets SUBACK {codes:?}", self.name)),
        }
    }

    fn on_pubrel(&mut self, oracle: &mut Oracle, id: u16, said: &Said) {
        match said {
            Said::Nothing => {}
            // Released now for the machine; the answer is withheld.
            Said::Release => {
                if self.received.remove(&id).is_none() {
                    oracle.fail(format!("{}'s machine releases {id}, which it has not received", self.name));
                }
                self.forgotten.remove(&id);
            }
            // Not known, and answered so.
            Said::Message | Said::Delivered(_) | Said::Other | Said::Violation(_) => {
                if self.received.contains_key(&id) {
                    oracle.fail(format!("{}'s machine has forgotten {id}", self.name));
                }
                return;
            }
        }
        self.withheld.push_back(Got::Pubrel(id));
    }

    fn on_ack(&mut self, oracle: &mut Oracle, (id, code): (u16, u8), stage: Stage, said: &Said) {
        let found = self.outgoing.iter_mut().find(|(_, out)| out.id == id && out.message.qos > 0);
        let Some((&serial, out)) = found.filter(|(_, out)| out.stage == stage) else {
            return oracle
                .fail(format!("{} gets an answer of {stage:?} to {id}, which is not open", self.name));
        };
        let is_over = code >= 0x80 || stage != Stage::Pubrec;
        if *said != Said::Nothing && is_over != (*said == Said::Delivered(Some(serial))) {
            let name = &self.name;
            return oracle
                .fail(format!("{name}'s machine says {said:?} to {stage:?} {code:#x} for {serial}"));
        }
        if code >= 0x80 {
            oracle.message_is_refused(serial, id, code);
            self.outgoing.remove(&serial);
        } else if stage == Stage::Pubrec {
            out.stage = Stage::Pubcomp;
            oracle.is_acknowledged(serial);
            if self.machine.is_none() {
                self.pubrel(oracle, id);
            }
        } else {
            self.outgoing.remove(&serial);
            if stage == Stage::Puback {
                oracle.is_acknowledged(serial);
            } else {
                oracle.is_completed(self.number, id);
            }
        }
        self.pump(oracle);
    }

    fn on_message(&mut self, oracle: &mut Oracle, mut message: Message, said: &Said) {
        if let Some(alias) = message.alias {
            if message.topic.is_empty() {
                message.topic = self.aliases.get(&alias).cloned().unwrap_or_default();
            } else {
                self.aliases.insert(alias, message.topic.clone());
            }
        }
        if message.qos > 0 && self.is_lost(oracle, &message) {
            return;
        }
        if message.qos > 0 {
            if !self.unanswered.insert(message.id) {
                oracle.fail(format!("{} gets {message:?} under an identifier in use", self.name));
            }
            if self.unanswered.len() > usize::from(self.receive_maximum.min(oracle.send_maximum)) {
                oracle.fail(format!("{} gets more than its Receive Maximum", self.name));
            }
        }
        let mut is_new = true;
        if message.qos == 2 {
            let before = self.received.insert(message.id, message.payload.clone());
            is_new = before.is_none();
            if before.is_some_and(|before| before != message.payload) {
                oracle.fail(format!("{} gets {message:?} under an unreleased identifier", self.name));
            }
        }
        if *said != Said::Nothing && is_new != (*said == Said::Message) {
            oracle.fail(format!("{}'s machine says {said:?} to {message:?}", self.name));
        }
        // What the machine was given before it has answered itself.
        if message.qos > 0 && (is_new || self.machine.is_none()) {
            self.withheld.push_back(Got::Publish(message.clone()));
        }
        oracle.is_delivered(self.number, &message, is_new);
    }

    /// Whether a message comes under the identifier of another that the broker has forgotten in a crash, and
    /// this client has not. It cannot tell the two apart, so it is as if the message had come before.
    fn is_lost(&mut self, oracle: &mut Oracle, message: &Message) -> bool {
        let before = self.received.get(&message.id);
        let is_other = before.is_some_and(|before| message.qos == 1 || *before != message.payload);
        if !is_other || !self.forgotten.contains(&message.id) {
            return false;
        }
        oracle.may_lack(self.number, message);
        if message.qos == 2 {
            self.unanswered.insert(message.id);
            if self.machine.is_none() {
                self.withheld.push_back(Got::Publish(message.clone()));
            }
            return true;
        }
        // The machine of a 5.0 client refuses it. All others take it.
        self.machine.is_some() && self.version == colibri_codec::Version::V5
    }
}
