//! A message for subscribers at a shard that has a full queue: that shard is asked first, and the
//! publisher waits, so that what is acknowledged is not lost there.
//!
//! Without a full queue anywhere, which is nearly always, nobody is asked anything.

use std::mem;
use std::sync::Arc;

use colibri_codec::{Delivery, QoS, ReasonCode};

use super::Shard;
use super::inbox::Operation;
use super::socket::Sockets;
use crate::config::QueueFull;
use crate::message::{Inbound, Message};
use crate::route::{Outcome, Route};

/// A message whose publisher is not read on until all shards that were asked have answered.
#[derive(Debug)]
pub(crate) struct Pending {
    message: Arc<Message>,
    delivery: Delivery,
    /// How many shards have not answered.
    outstanding: u32,
    /// Whether one of them has a full queue among its receivers.
    full: bool,
}

impl Pending {
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
        if crowded == 0 || inbound.qos == QoS::AtMostOnce || self.config.queue_full != QueueFull::Refuse {
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
        client.pending =
            Some(Box::new(Pending { message: Arc::clone(&message), delivery, outstanding, full: false }));
        for shard in (0..self.links.count()).filter(|shard| shards >> shard & 1 != 0) {
            let message = Arc::clone(&message);
            self.links.send(shard, Operation::AskRoom { connection: number, birth, message });
        }
        true
    }

    /// Another shard asks whether all receivers of a message here have room.
    pub(crate) fn answer_room(&mut self, from: u8, connection: u32, birth: u32, message: &Message) {
        let mut route = mem::take(&mut self.routing.foreign);
        self.find_route(message.topic.name(), message.publisher, &mut route);
        let full = self.is_full_for(&route);
        self.routing.foreign = route;
        if !full {
            self.look_for_full_queues();
        }
        self.links.send(from, Operation::Room { connection, birth, full });
    }

    /// A shard has answered: when all have, the message is routed or refused, and its publisher read on.
    pub(crate) fn on_room(&mut self, number: u32, birth: u32, full: bool, sockets: &mut dyn Sockets) {
        let Some(client) = self.connections.born(number, birth) else { return };
        let Some(pending) = &mut client.pending else { return };
        pending.full |= full;
        pending.outstanding = pending.outstanding.saturating_sub(1);
        if pending.outstanding > 0 {
            return;
        }
        let Some(pending) = client.pending.take() else { return };
        let mut route = client.route.take().unwrap_or_default();
        let outcome = if pending.full {
            self.metrics.refused_queue_full += 1;
            Outcome::Refused(ReasonCode::QuotaExceeded)
        } else {
            self.route(&mut Inbound::from_message(&pending.message), &mut route)
        };
        let Some(client) = self.connections.get_mut(number) else { return };
        client.route = Some(route);
        if client.output.capacity() == 0 {
            client.output = self.spare.lend();
        }
        self.answer_publish(number, pending.delivery, outcome);
        self.touch(number);
        let Some(client) = self.connections.get_mut(number) else { return };
        let partial = mem::take(&mut client.partial);
        self.take_in(number, &partial, sockets);
        self.spare.take_back(partial);
        self.read_again(number);
    }
}
