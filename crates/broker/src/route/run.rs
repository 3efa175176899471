//! A run of alike messages goes to the receivers of its topic: copied to each of them at once where that is
//! possible, and else message by message.

use std::cell::OnceCell;
use std::mem;

use colibri_codec::{Alike, OwnedTopicName, PacketId, Properties, QoS, TopicName, Version};
use colibri_protocol::{Connection, EncodedRun, Publication, RunPacket, Time};

use super::shared::Ahead;
use super::{Route, Target};
use crate::message::{Delivery, Inbound, Wire};
use crate::shard::connections::Client;
use crate::shard::{Shard, Sockets};
use crate::subscriber::Subscriber;
use crate::totals::Limit;

/// A run of at least so many bytes to at least so many receivers is written to each of them as soon as it
/// is copied: in the caches there is room for one copy and not for all. Fewer bytes are better gathered
/// until the end of the turn, which may bring more for the same receivers.
const EARLY_LENGTH: usize = 3 << 10;
/// See [`EARLY_LENGTH`].
const EARLY_RECEIVERS: usize = 64;

/// PUBLISH packets of one QoS to one topic, with neither DUP, RETAIN nor properties.
#[derive(Debug, Default)]
pub(crate) struct Run {
    qos: QoS,
    has_properties: bool,
    packets: Vec<RunPacket>,
    /// The length of the longest packet.
    longest: usize,
    /// Receivers that get messages on their own, by their place in the route, and from which message on.
    singly: Vec<(usize, usize)>,
    /// For each shared group of the route, a member for each of the messages.
    chosen: Vec<Ahead>,
    /// The messages in other forms, for receivers of another version or with less QoS; made when the first
    /// of them needs it, and kept for their memory.
    forms: Vec<Converted>,
    /// How many of them are of this run.
    converted: usize,
}

/// The messages of a run, written in another form than they came in.
#[derive(Debug, Default)]
struct Converted {
    qos: QoS,
    has_properties: bool,
    bytes: Vec<u8>,
    packets: Vec<RunPacket>,
    longest: usize,
}

/// A run for the subscribers of another shard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ForeignRun<'a> {
    pub(crate) topic: TopicName<'a>,
    pub(crate) publisher: Subscriber,
    pub(crate) qos: QoS,
    pub(crate) has_properties: bool,
    pub(crate) packets: &'a [RunPacket],
    /// The length of the longest packet.
    pub(crate) longest: usize,
    pub(crate) bytes: &'a [u8],
}

/// How long a run may be so that all of its messages can be handed on at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    /// How many messages.
    pub(crate) packets: usize,
    /// After how many bytes no further message may begin.
    pub(crate) room: usize,
    /// How many bytes one packet may have.
    pub(crate) packet_size: u32,
}

impl Run {
    pub(crate) fn begin(&mut self, qos: QoS, has_properties: bool) {
        self.qos = qos;
        self.has_properties = has_properties;
        self.packets.clear();
        self.longest = 0;
        self.singly.clear();
        self.converted = 0;
    }

    /// Adds the next packet.
    pub(crate) fn add(&mut self, alike: &Alike<'_>) {
        let start = self.length();
        let (end, packet_id) = (start + alike.length, start + alike.packet_id_offset);
        // What is read at once is far from this bound.
        let (Ok(end), Ok(packet_id)) = (u32::try_from(end), u32::try_from(packet_id)) else { return };
        self.longest = self.longest.max(alike.length);
        self.packets.push(RunPacket { end, packet_id });
    }

    pub(crate) const fn qos(&self) -> QoS {
        self.qos
    }

    /// How many messages there are.
    pub(crate) const fn count(&self) -> usize {
        self.packets.len()
    }

    /// How many bytes they have.
    pub(crate) fn length(&self) -> usize {
        self.packets.last().map_or(0, |last| last.end as usize)
    }

    /// The identifiers under which the packets came, which are these `bytes`.
    pub(crate) fn packet_ids<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = PacketId> + 'a {
        self.packets.iter().filter_map(move |packet| {
            let number = bytes.get(packet.packet_id as usize..)?.first_chunk()?;
            PacketId::new(u16::from_be_bytes(*number))
        })
    }

    /// The messages as packets of such a form; `None` if one of them is too large for any receiver.
    fn encoded<'a>(
        &'a mut self,
        qos: QoS,
        has_properties: bool,
        topic: &OwnedTopicName,
        bytes: &'a [u8],
    ) -> Option<EncodedRun<'a>> {
        if qos == self.qos && has_properties == self.has_properties {
            return Some(EncodedRun { bytes, packets: &self.packets, qos, longest: self.longest });
        }
        let known = self.forms.iter().take(self.converted);
        let place = known.clone().position(|form| (form.qos, form.has_properties) == (qos, has_properties));
        let place = match place {
            Some(place) => place,
            None => self.convert(qos, has_properties, topic, bytes)?,
        };
        let form = self.forms.get(place)?;
        Some(EncodedRun { bytes: &form.bytes, packets: &form.packets, qos, longest: form.longest })
    }

    /// Writes the messages in another form; says where that is.
    fn convert(
        &mut self,
        qos: QoS,
        has_properties: bool,
        topic: &OwnedTopicName,
        bytes: &[u8],
    ) -> Option<usize> {
        if self.forms.len() == self.converted {
            self.forms.push(Converted::default());
        }
        let mut form = self.forms.get_mut(self.converted).map(mem::take)?;
        (form.qos, form.has_properties, form.longest) = (qos, has_properties, 0);
        form.bytes.clear();
        form.packets.clear();
        let version = if has_properties { Version::V5 } else { Version::V3_1_1 };
        for index in 0..self.count() {
            let start = form.bytes.len();
            let publication =
                Publication { qos, ..Publication::new(topic.name(), qos, false, self.payload(index, bytes)) };
            // Nothing of it depends on the time.
            let now = Time::from_millis(0);
            let offset = Connection::<Delivery>::encode(&publication, version, now, &mut form.bytes).ok()?;
            form.longest = form.longest.max(form.bytes.len() - start);
            let (end, packet_id) = (form.bytes.len(), start + offset);
            let (Ok(end), Ok(packet_id)) = (u32::try_from(end), u32::try_from(packet_id)) else {
                return None;
            };
            form.packets.push(RunPacket { end, packet_id });
        }
        let place = self.converted;
        if let Some(slot) = self.forms.get_mut(place) {
            *slot = form;
        }
        self.converted += 1;
        Some(place)
    }

    /// The payload of one of the messages.
    fn payload<'a>(&self, index: usize, bytes: &'a [u8]) -> &'a [u8] {
        let Some(packet) = self.packets.get(index) else { return &[] };
        // Behind the identifier, if there is one, and the length of no properties, if there could be some.
        let before_payload =
            if self.qos == QoS::AtMostOnce { 0 } else { 2 } + usize::from(self.has_properties);
        let payload = packet.packet_id as usize + before_payload;
        bytes.get(payload..packet.end as usize).unwrap_or_default()
    }

    /// One of the messages.
    fn message<'a>(
        &self,
        index: usize,
        topic: &'a OwnedTopicName,
        bytes: &'a [u8],
        from: Subscriber,
    ) -> Inbound<'a> {
        let packet = self.packets.get(index).copied().unwrap_or(RunPacket { end: 0, packet_id: 0 });
        let start = index.checked_sub(1).and_then(|before| self.packets.get(before));
        let start = start.map_or(0, |before| before.end as usize);
        let publication = Publication {
            topic: topic.name(),
            qos: self.qos,
            retain: false,
            expires: None,
            subscription_identifiers: &[],
            properties: Properties::EMPTY,
            payload: self.payload(index, bytes),
        };
        let wire = bytes.get(start..packet.end as usize).unwrap_or_default();
        Inbound::new(&publication, from)
            .with_wire(Some(Wire { bytes: wire, has_properties: self.has_properties }))
            .with_topic(topic)
    }
}

impl Shard {
    /// How long a run of this QoS to a route may be; `None` if each message has to be looked at: it may have
    /// to be refused, to be stored in a joint, to be kept for its receiver, or to go to another member of its
    /// group than the one whose turn it is.
    pub(crate) fn allow_run(&mut self, qos: QoS, has_properties: bool, route: &Route) -> Option<Allowance> {
        let mut allowance = Allowance { packets: usize::MAX, room: usize::MAX, packet_size: u32::MAX };
        if self.routing.crowded && !route.groups.is_empty() {
            self.look_for_full_queues();
            if self.routing.crowded {
                return None;
            }
        }
        if qos == QoS::AtMostOnce {
            return Some(allowance);
        }
        let refuses = self.config.queue_full.may_refuse();
        if route.is_empty() || refuses && self.links.crowded() & route.shards != 0 {
            return None;
        }
        if qos == QoS::ExactlyOnce && (!route.groups.is_empty() || self.stores_elsewhere(route)) {
            return None;
        }
        if self.journal.is_on() && !self.journal.is_healthy() {
            return None;
        }
        // What goes out with QoS 0 may be dropped, and needs no room. For the others nothing waits and there is
        // room for the whole run, so that no limit of a queue concerns it.
        for target in route.targets.iter().filter(|target| target.qos > QoS::AtMostOnce) {
            match self.allow_run_to(target, has_properties) {
                Some(this) => {
                    allowance.room = allowance.room.min(this.room);
                    allowance.packets = allowance.packets.min(this.packets);
                    allowance.packet_size = allowance.packet_size.min(this.packet_size);
                }
                // It gets each message on its own, and none can be refused for it.
                None if self.ends_at(target.session, Limit::Session) && !self.queued.is_any_full() => {}
                None => return None,
            }
        }
        Some(allowance)
    }

    /// The same for one receiver.
    fn allow_run_to(&self, target: &Target, has_properties: bool) -> Option<Allowance> {
        let session = self.sessions.get(target.session)?;
        let client = self.connections.get(session.connection?)?;
        if session.outlives_connection() || !takes_run(target, client) {
            return None;
        }
        let mut room = self.config.output_budget.checked_sub(client.pending())?;
        if client.protocol.version().has_properties() && !has_properties {
            // The packets become longer: the shortest, of seven bytes, by one.
            room -= room.div_ceil(8);
        }
        let packets = client.protocol.may_send();
        let packet_size = client.protocol.peer().maximum_packet_size;
        (packets > 0).then_some(Allowance { packets, room, packet_size })
    }

    /// Whether another shard may have to store messages that go this way.
    fn stores_elsewhere(&self, route: &Route) -> bool {
        let shards = (0..self.links.count()).filter(|shard| route.shards >> shard & 1 != 0);
        self.journal.is_on() && shards.into_iter().any(|shard| self.links.stores_sessions(shard))
    }

    /// Sends the messages of a run to all receivers. It is cut where a receiver's queue becomes full, as the
    /// next message may have to be refused.
    // [v5 MQTT-4.5.0-1] [v3.1.1 MQTT-4.5.0-1]
    pub(crate) fn route_run(
        &mut self,
        from: Subscriber,
        route: &Route,
        run: &mut Run,
        bytes: &[u8],
        sockets: &mut dyn Sockets,
    ) {
        let Some(topic) = route.kept_topic() else { return };
        if !route.groups.is_empty() {
            self.send_run_to_groups(from, route, run, bytes);
        } else if route.shards != 0 {
            self.send_run_to_shards(from, topic, route, run, bytes);
        }
        if route.has_both() {
            return;
        }
        let bytes = bytes.get(..run.length()).unwrap_or_default();
        let is_large = run.length() >= EARLY_LENGTH && route.targets.len() >= EARLY_RECEIVERS;
        if is_large {
            self.hand_in_turn();
        }
        for (place, target) in route.targets.iter().enumerate() {
            let sent = self.send_run(target, topic, run, bytes);
            if sent < run.count() {
                run.singly.push((place, sent));
            }
            if is_large && let Some(number) = self.sessions.get(target.session).and_then(|s| s.connection) {
                self.write_early(number, sockets);
            }
        }
        self.send_singly(from, topic, route, run, bytes);
    }

    /// Sends a run of another shard to the receivers here.
    pub(crate) fn route_run_here(&mut self, foreign: &ForeignRun<'_>) {
        let mut route = self.routing.foreign.take().unwrap_or_default();
        let mut run = mem::take(&mut self.routing.run);
        self.find_route(foreign.topic, foreign.publisher, &mut route);
        run.begin(foreign.qos, foreign.has_properties);
        run.packets.extend_from_slice(foreign.packets);
        run.longest = foreign.longest;
        if let Some(topic) = route.kept_topic() {
            for (place, target) in route.targets.iter().enumerate() {
                let sent = self.send_run(target, topic, &mut run, foreign.bytes);
                if sent < run.count() {
                    run.singly.push((place, sent));
                }
            }
            self.send_singly(foreign.publisher, topic, &route, &run, foreign.bytes);
        }
        self.routing.run = run;
        self.routing.foreign = Some(route);
    }

    /// Sends messages of a run to the receivers that get them on their own.
    fn send_singly(
        &mut self,
        from: Subscriber,
        topic: &OwnedTopicName,
        route: &Route,
        run: &Run,
        bytes: &[u8],
    ) {
        if run.singly.is_empty() {
            return;
        }
        for index in 0..run.count() {
            let mut inbound = run.message(index, topic, bytes, from);
            let places = run.singly.iter().filter(|(_, from)| *from <= index);
            let targets = places.filter_map(|(place, _)| route.targets.get(*place));
            self.send_to_each(targets, &mut inbound, route);
        }
    }

    /// Sends a run to the other shards that have subscribers of it.
    fn send_run_to_shards(
        &mut self,
        publisher: Subscriber,
        topic: &OwnedTopicName,
        route: &Route,
        run: &Run,
        bytes: &[u8],
    ) {
        let foreign = ForeignRun {
            topic: topic.name(),
            publisher,
            qos: run.qos,
            has_properties: run.has_properties,
            packets: &run.packets,
            longest: run.longest,
            bytes,
        };
        for shard in (0..self.links.count()).filter(|shard| route.shards >> shard & 1 != 0) {
            let joint = self.join_with(shard, run.qos);
            self.links.send_run(shard, &foreign, joint);
        }
    }

    /// Sends the messages of a run to shared groups, and with them to other shards, and to the sessions here
    /// if there are any. The run is cut where a queue becomes full: what is behind may have to be refused, or
    /// goes to members that have room.
    fn send_run_to_groups(&mut self, from: Subscriber, route: &Route, run: &mut Run, bytes: &[u8]) {
        let Some(topic) = route.kept_topic() else { return };
        run.chosen.clear();
        for id in &route.groups {
            self.choose_members(id, run.count(), &mut run.chosen);
        }
        let count = run.count();
        let mut extra = OnceCell::new();
        let mut sent_so = None;
        for index in 0..count {
            let mut inbound = run.message(index, topic, bytes, from);
            if route.has_both() {
                self.send_to_each(route.targets.iter(), &mut inbound, route);
            }
            let chosen = run.chosen.iter().skip(index).step_by(count);
            let mut in_turn = 0;
            for (group, &ahead) in route.groups.iter().zip(chosen) {
                let (member, options) = if self.routing.crowded {
                    self.choose_again(group, ahead)
                } else {
                    in_turn += 1;
                    ahead.0
                };
                // What goes along is the same as long as the group and the identifier are.
                if sent_so.replace((group, options.identifier())) != Some((group, options.identifier())) {
                    extra = OnceCell::new();
                }
                self.send_to_chosen((member, options), group, &mut inbound, &extra);
            }
            self.send_to_shards(&mut inbound, route);
            if self.routing.crowded && index + 1 < count {
                run.packets.truncate(index + 1);
                let unsent = run.chosen.iter().skip(index + 1).step_by(count);
                let groups = route.groups.iter().zip(unsent).take(in_turn);
                groups.for_each(|(group, ahead)| self.choose_no_more(group, *ahead));
                return;
            }
        }
    }

    /// Copies a run to a receiver, and says how many of its messages: the others are not for the output of
    /// its connection, or not in these bytes.
    fn send_run(&mut self, target: &Target, topic: &OwnedTopicName, run: &mut Run, bytes: &[u8]) -> usize {
        let count = run.count();
        let qos = target.qos.min(run.qos);
        let Some(session) = self.sessions.get(target.session) else { return count };
        let Some(number) = session.connection else {
            // [v3.1.1 MQTT-3.1.2-5]
            return if qos == QoS::AtMostOnce { count } else { 0 };
        };
        let Some(client) = self.connections.get(number) else { return 0 };
        let is_kept = qos > QoS::AtMostOnce && session.outlives_connection();
        let stays_behind = session.storage != 0 && self.stays_behind_gate(number);
        if is_kept || stays_behind || !takes_run(target, client) {
            return 0;
        }
        // Behind the gate of a stored session messages may be, too.
        let gated = if session.storage != 0 { client.gated() } else { 0 };
        let Some(room) = self.config.output_budget.checked_sub(client.pending() + gated) else { return 0 };
        let Some(client) = self.connections.get_mut(number) else { return 0 };
        let has_properties = client.protocol.version().has_properties();
        let Some(encoded) = run.encoded(qos, has_properties, topic, bytes) else { return 0 };
        if client.output.capacity() == 0 {
            client.output = self.spare.lend();
        }
        let sent = client.protocol.send_run(&encoded, room, self.now, &mut client.output);
        self.metrics.publishes_sent += sent as u64;
        self.touch(number);
        sent
    }
}

/// Whether a receiver gets messages in bytes that others get, too.
fn takes_run(target: &Target, client: &Client) -> bool {
    let has_identifiers = target.identifiers.0 != target.identifiers.1;
    !has_identifiers && !client.flags.replaying && !client.flags.sealed
}
