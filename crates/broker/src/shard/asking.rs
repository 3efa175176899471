//! A message for subscribers at a shard that has a full queue: that shard is asked first, and the
//! publisher waits, so that what is acknowledged is not lost there.
//!
//! Without a full queue anywhere, which is nearly always, nobody is asked anything.

use std::sync::Arc;

use colibri_codec::{Delivery, PacketId, QoS, ReasonCode};

use super::Shard;
use super::inbox::Operation;
use super::socket::Sockets;
use crate::message::{Inbound, Message};
use crate::route::{Outcome, Route};
use crate::totals::Limit;

/// What a connection is not read on for until it is answered.
#[derive(Debug)]
pub(crate) enum Pending {
    /// A message, until all shards that were asked whether they have room have answered.
    Message(Asked),
    /// A SUBSCRIBE, until the other shards have said what they retain for it.
    Subscribe(HeldSuback),
    /// CONNECT without an Authentication Method, until the authenticator has answered.
    Admission,
}

/// The answer to a SUBSCRIBE.
#[derive(Debug)]
pub(crate) struct HeldSuback {
    pub(crate) packet_id: PacketId,
    pub(crate) reasons: Vec<ReasonCode>,
}

/// A message for receivers at shards that were asked.
#[derive(Debug)]
pub(crate) struct Asked {
    message: Arc<Message>,
    delivery: Delivery,
    /// How many shards have not answered.
    outstanding: u32,
    /// The limit that leaves no room at one of them.
    full: Option<Limit>,
}

impl Asked {
    /// Which message waits.
    pub(crate) const fn delivery(&self) -> Delivery {
        self.delivery
    }
}

impl Shard {
    /// Asks the shards that have a full queue and subscribers of this message, if there are any; then the
    /// message is pending.
    pub(crate) fn ask_for_room(
        &mut self,
        number: u32,
        inbound: &mut Inbound<'_>,
        delivery: Delivery,
        route: &mut Route,
    ) -> bool {
        let crowded = self.links.crowded();
        if crowded == 0 || inbound.qos == QoS::AtMostOnce || !self.config.queue_full.may_refuse() {
            return false;
        }
        self.find_route(inbound.topic, inbound.publisher, route);
        let shards = route.shards() & crowded;
        let Some(client) = self.connections.get_mut(number) else { return false };
        if shards == 0 {
            return false;
        }
        let birth = client.birth;
        let message = Arc::clone(inbound.keep());
        let outstanding = shards.count_ones();
        let asked = Asked { message: Arc::clone(&message), delivery, outstanding, full: None };
        client.pending = Some(Box::new(Pending::Message(asked)));
        for shard in (0..self.links.count()).filter(|shard| shards >> shard & 1 != 0) {
            let message = Arc::clone(&message);
            self.links.send(shard, Operation::AskRoom { connection: number, birth, message });
        }
        true
    }

    /// Another shard asks whether all receivers of a message here have room.
    pub(crate) fn answer_room(&mut self, from: u8, connection: u32, birth: u32, message: &Message) {
        let mut route = self.routing.foreign.take().unwrap_or_default();
        self.find_route(message.topic.name(), message.publisher, &mut route);
        let full = self.full_for(&route);
        self.routing.foreign = Some(route);
        if full.is_none() {
            self.look_for_full_queues();
        }
        self.links.send(from, Operation::Room { connection, birth, full });
    }

    /// A shard has answered: when all have, the message is routed or refused, and its publisher read on.
    pub(crate) fn on_room(
        &mut self,
        number: u32,
        birth: u32,
        full: Option<Limit>,
        sockets: &mut dyn Sockets,
    ) {
        let Some(client) = self.connections.born(number, birth) else { return };
        let Some(Pending::Message(asked)) = client.pending.as_deref_mut() else { return };
        asked.full = asked.full.or(full);
        asked.outstanding = asked.outstanding.saturating_sub(1);
        if asked.outstanding > 0 {
            return;
        }
        let Asked { message, delivery, full, .. } = Asked { message: Arc::clone(&asked.message), ..*asked };
        client.pending = None;
        let mut route = client.route.take().unwrap_or_default();
        if client.output.capacity() == 0 {
            client.output = self.spare.lend();
        }
        if let Some(limit) = full {
            self.note_refused(limit);
            self.answer_publish(number, delivery, Outcome::Refused(ReasonCode::QuotaExceeded), None);
        } else {
            let mut inbound = Inbound::from_message(&message);
            self.take_over_message(number, &mut inbound, delivery, &mut route);
        }
        let Some(client) = self.connections.get_mut(number) else { return };
        client.route = Some(route);
        self.go_on(number, sockets);
    }
}
