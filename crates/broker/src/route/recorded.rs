//! A message with QoS 1 or 2 goes to a stored session: into the store, and into its connection's output or
//! gate.

use colibri_codec::QoS;
use colibri_protocol::{Connection, Sent};

use super::deliver::{Shapes, Terms};
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
    /// receiver would get it a second time then; and so does all of a joint, which may have a will.
    pub(super) fn send_recorded(
        &mut self,
        number: u32,
        connection: u32,
        terms: Terms<'_>,
        inbound: &mut Inbound<'_>,
        shapes: &mut Shapes,
    ) {
        let Some(session) = self.sessions.get(number) else { return };
        let stored = terms.qos > QoS::AtMostOnce;
        let is_behind = stored && session.spilled.is_some();
        let Some(client) = self.connections.get(connection) else { return };
        // What waits for the store counts too: while that is stalled nobody is read from, but a gate may be
        // what messages with QoS 0 have to stay behind.
        let is_slow = client.pending() + client.gated() > self.config.output_budget;
        if is_slow && !stored {
            self.metrics.dropped_slow += 1;
            return;
        }
        let sent = if is_slow || is_behind || client.flags.replaying || client.flags.sealed {
            Sent::Wait
        } else {
            self.write_recorded(connection, terms, inbound, shapes)
        };
        if let Sent::Written(Some(id)) = sent {
            self.record_sent(number, id);
        }
        self.note_sent(number, connection, sent, terms, inbound);
    }

    /// Writes a message to the output of a connection, or to its gate.
    fn write_recorded(
        &mut self,
        connection: u32,
        terms: Terms<'_>,
        inbound: &mut Inbound<'_>,
        shapes: &mut Shapes,
    ) -> Sent {
        let stored = terms.qos > QoS::AtMostOnce;
        let kept = stored.then(|| {
            let delivery = terms.delivery(inbound);
            let (row, body) = (self.journal.row(), self.body_of(&delivery.message));
            delivery.stored_at(row, body)
        });
        let Some(client) = self.connections.get(connection) else { return Sent::Expired };
        let takes_encoded = terms.identifiers.is_empty() && client.protocol.takes_encoded();
        let form = terms.form(&client.protocol);
        let now = self.now;
        let encoded = if takes_encoded { shapes.get(form, inbound, now) } else { None };
        let publication = inbound.publication(terms.qos, terms.retain, terms.identifiers);
        let send = |protocol: &mut Connection<Delivery>, out: &mut Vec<u8>| match &encoded {
            Some(encoded) => protocol.send_encoded(encoded, || kept, out, now),
            None => protocol.send(&publication, || kept, now, out),
        };
        let expires = publication.expires;
        let waits = terms.qos == QoS::ExactlyOnce || self.journal.is_joint();
        if !waits && !self.stays_behind_gate(connection) {
            let Some(client) = self.connections.get_mut(connection) else { return Sent::Expired };
            if client.output.capacity() == 0 {
                client.output = self.spare.lend();
            }
            return send(&mut client.protocol, &mut client.output);
        }
        let after = waits.then(|| self.journal.ticket());
        let send = |protocol: &mut Connection<Delivery>, out: &mut Vec<u8>| {
            protocol.set_takes_back(true);
            let sent = send(protocol, out);
            protocol.set_takes_back(false);
            sent
        };
        let sent = self.write_after(connection, after, send).unwrap_or(Sent::Expired);
        if let Some(gate) = self.connections.get_mut(connection).and_then(|client| client.gate.as_mut()) {
            // One with less that waits for its joint is not to be overtaken by those that will be pumped.
            gate.holds_messages |= terms.qos < QoS::ExactlyOnce;
            gate.note_expiry(expires);
        }
        sent
    }
}
