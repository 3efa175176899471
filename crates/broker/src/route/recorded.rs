//! A message with QoS 1 or 2 goes to a stored session: into the store, and into its connection's output or
//! gate.

use colibri_codec::QoS;
use colibri_protocol::Sent;
use colibri_topics::GroupId;

use super::deliver::{Form, Shapes};
use crate::message::{Delivery, Inbound};
use crate::shard::Shard;

impl Shard {
    /// Whether a message must not go past the gate of a connection: earlier ones are in it, or a topic alias
    /// that it would use.
    pub(crate) fn stays_behind_gate(&self, connection: u32) -> bool {
        let Some(client) = self.connections.get(connection) else { return false };
        client.gate.as_ref().is_some_and(|gate| gate.holds_messages || !client.protocol.takes_encoded())
    }

    /// As `send_to_session` for a stored session that is connected.
    ///
    /// A message with QoS 1 leaves at once: if a crash makes the broker forget it, its publisher has no
    /// acknowledgement and sends it again. One with QoS 2 waits in the gate until it is stored, or its
    /// receiver would get it a second time then.
    #[expect(clippy::too_many_arguments, reason = "as `send_to_session`")]
    pub(super) fn send_recorded(
        &mut self,
        number: u32,
        connection: u32,
        (qos, retain): (QoS, bool),
        identifiers: &[u32],
        group: Option<&GroupId>,
        inbound: &mut Inbound<'_>,
        shapes: &mut Shapes,
    ) {
        let Some(session) = self.sessions.get(number) else { return };
        let stored = qos > QoS::AtMostOnce;
        let is_behind = stored && session.spilled.is_some();
        let Some(client) = self.connections.get(connection) else { return };
        let is_slow = client.pending() > self.config.output_budget;
        if is_slow && !stored {
            self.metrics.dropped_slow += 1;
            return;
        }
        let sent = if is_slow || is_behind || client.flags.replaying || client.flags.sealed {
            Sent::Wait
        } else {
            let message = stored.then(|| inbound.keep().clone());
            let row = if stored { self.journal.row() } else { 0 };
            let body = message.as_ref().map_or(0, |message| self.body_of(message));
            let Some(client) = self.connections.get(connection) else { return };
            let has_properties = client.protocol.version().has_properties();
            let aliases = !client.protocol.takes_encoded();
            let waits = stored && (qos == QoS::ExactlyOnce || self.journal.is_joint());
            let gated = waits || self.stays_behind_gate(connection);
            let form = Form { has_properties, qos, retain };
            let now = self.now;
            let encoded =
                if identifiers.is_empty() && !aliases { shapes.get(form, inbound, now) } else { None };
            let publication = inbound.publication(qos, retain, identifiers);
            let keep = || {
                message.map(|message| {
                    Delivery::new(message, qos, retain, identifiers, group).stored_at(row, body)
                })
            };
            let after = waits.then(|| self.journal.ticket());
            let send =
                |protocol: &mut colibri_protocol::Connection<Delivery>, out: &mut Vec<u8>| match &encoded {
                    Some(encoded) => protocol.send_encoded(encoded, keep, out, now),
                    None => protocol.send(&publication, keep, now, out),
                };
            if gated {
                let Some(sent) = self.write_after(connection, after, send) else { return };
                // One with QoS 1 that waits for its joint is not to be overtaken by those that will be pumped.
                if qos == QoS::AtLeastOnce
                    && let Some(gate) = self.connections.get_mut(connection).and_then(|c| c.gate.as_mut())
                {
                    gate.holds_messages = true;
                }
                sent
            } else {
                let Some(client) = self.connections.get_mut(connection) else { return };
                if client.output.capacity() == 0 {
                    client.output = self.spare.lend();
                }
                send(&mut client.protocol, &mut client.output)
            }
        };
        match sent {
            Sent::Written(id) => {
                self.metrics.publishes_sent += 1;
                if let Some(id) = id {
                    self.record_sent(number, id);
                }
                self.touch(connection);
            }
            Sent::Wait => {
                let delivery = Delivery::new(inbound.keep().clone(), qos, retain, identifiers, group);
                self.enqueue(number, delivery);
                self.touch(connection);
            }
            Sent::TooLarge | Sent::NotSupported => self.metrics.dropped_too_large += 1,
            Sent::Expired => self.metrics.dropped_expired += 1,
        }
    }
}
