//! Runs: alike packets that came one behind the other, dealt with together.
//!
//! Who publishes much sends runs of PUBLISH packets to one topic, and who receives much sends runs of
//! acknowledgements. For a run the receivers are looked up once, its bytes are copied to each of them once,
//! and its acknowledgements leave together. Whatever is not plain goes the long way, packet by packet: a
//! packet that asks for a decision ends the run, and a receiver that has to wait, to keep, or to be told
//! something else gets each message on its own.

use std::mem;

use colibri_codec::{Likeness, PacketType, QoS};

use super::Shard;
use super::journal::Place;
use super::socket::Sockets;
use crate::route::Route;
use crate::route::run::{Allowance, Run};
use crate::subscriber::Subscriber;

const PUBLISH: u8 = PacketType::Publish.number();
const PUBACK: u8 = PacketType::Puback.number();
const PUBCOMP: u8 = PacketType::Pubcomp.number();

impl Shard {
    /// Deals with the run at the front of `input`; says how many bytes it was, 0 if there is none.
    #[inline]
    pub(super) fn take_run(&mut self, number: u32, input: &[u8], sockets: &mut dyn Sockets) -> usize {
        let Some(first) = input.first() else { return 0 };
        match first >> 4 {
            PUBLISH => self.take_publishes(number, *first, input, sockets),
            PUBACK..=PUBCOMP => self.take_acks(number, input),
            _ => 0,
        }
    }

    fn take_acks(&mut self, number: u32, input: &[u8]) -> usize {
        let Some(client) = self.connections.get_mut(number) else { return 0 };
        // What a stored session has finished is written down.
        if client.flags.durable || client.gate.is_some() {
            return 0;
        }
        let taken = client.protocol.take_acks(input, self.now, &mut client.output);
        if taken > 0 {
            // What waited is pumped when the connection is flushed.
            self.touch(number);
        }
        taken
    }

    fn take_publishes(&mut self, number: u32, first: u8, input: &[u8], sockets: &mut dyn Sockets) -> usize {
        // DUP and RETAIN are not plain.
        let Some(qos) = QoS::from_number(first >> 1 & 0b11).filter(|_| first & 0b1001 == 0) else { return 0 };
        let generation = self.tree.generation();
        let Some(client) = self.connections.get_mut(number) else { return 0 };
        let Some(session) = client.session else { return 0 };
        let publisher = Subscriber::session(self.number, session);
        let is_recorded = client.gate.is_some() || client.flags.durable && qos == QoS::ExactlyOnce;
        if is_recorded || !client.protocol.takes_run(qos) {
            return 0;
        }
        let protocol = &client.protocol;
        let (version, maximum) = (protocol.version(), protocol.limits().maximum_packet_size.get());
        let Some(route) = &client.route else { return 0 };
        if !route.is_current(publisher, generation)
            || Likeness::new(qos, route.topic(), version, maximum).next(input).is_none()
        {
            return 0;
        }
        let Some(route) = client.route.take() else { return 0 };
        let mut run = mem::take(&mut self.routing.run);
        let taken = match self.allow_run(qos, version.has_properties(), &route) {
            Some(allowance) => {
                run.begin(qos, version.has_properties());
                self.gather(number, &route, &allowance, input, &mut run);
                let bytes = input.get(..run.length()).unwrap_or_default();
                self.publish_run(number, publisher, &route, &mut run, bytes, sockets);
                run.length()
            }
            None => 0,
        };
        self.routing.run = run;
        if let Some(client) = self.connections.get_mut(number) {
            client.route = Some(route);
        }
        taken
    }

    /// Finds the packets that belong to the run.
    fn gather(&mut self, number: u32, route: &Route, allowance: &Allowance, input: &[u8], run: &mut Run) {
        let Some(client) = self.connections.get_mut(number) else { return };
        let protocol = &mut client.protocol;
        let qos = run.qos();
        let maximum = protocol.limits().maximum_packet_size.get().min(allowance.packet_size);
        let likeness = Likeness::new(qos, route.topic(), protocol.version(), maximum);
        let mut rest = input;
        while run.length() <= allowance.room
            && run.count() < allowance.packets
            && let Some(alike) = likeness.next(rest)
        {
            if qos == QoS::ExactlyOnce && !alike.packet_id.is_some_and(|id| protocol.take_over(id)) {
                break;
            }
            run.add(&alike);
            rest = rest.get(alike.length..).unwrap_or_default();
        }
    }

    /// Routes the messages of a run, and answers them.
    fn publish_run(
        &mut self,
        number: u32,
        publisher: Subscriber,
        route: &Route,
        run: &mut Run,
        bytes: &[u8],
        sockets: &mut dyn Sockets,
    ) {
        if bytes.is_empty() {
            return;
        }
        let changes = self.journal.changes();
        self.route_run(publisher, route, run, bytes, sockets);
        self.journal.set_place(Place::Main);
        self.metrics.publishes_received += run.count() as u64;
        let after = (self.journal.changes() != changes).then(|| self.journal.ticket());
        let Some(client) = self.connections.get_mut(number) else { return };
        client.protocol.note_run(self.now);
        if run.qos() == QoS::AtMostOnce {
            return;
        }
        let now = self.now;
        let ids = run.packet_ids(bytes);
        self.write_after(number, after, |protocol, out| protocol.acknowledge_run(run.qos(), ids, now, out));
        self.touch(number);
    }
}
