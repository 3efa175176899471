//! Messages for another shard, copied behind each other into one piece of memory that goes back and forth.
//!
//! A message that is only passed on costs its copy there, and no allocation. One that has to be kept for a
//! receiver is made by the shard of that receiver, which is the one that frees it.

use std::mem;
use std::ops::Range;
use std::sync::Arc;

use colibri_codec::{Properties, QoS, TopicName};
use colibri_protocol::{Publication, RunPacket, Time};
use colibri_topics::GroupId;

use super::Shard;
use super::inbox::{Batch, Joint, Links, Operation};
use super::journal::Place;
use super::socket::Sockets;
use crate::message::{Inbound, Wire};
use crate::route::run::ForeignRun;
use crate::subscriber::Subscriber;

/// A payload with its properties beyond this is shared and not copied, in bytes. Chosen as some times what a
/// shared message costs beside its copy.
const COPIED_MAX: usize = 2 << 10;
/// A parcel of so many bytes is followed by another one.
const PARCEL_MAX: usize = 64 << 10;
/// How many empty parcels and lists a shard keeps.
const SPARE_COUNT_MAX: usize = 16;
/// Empty parcels that weigh more are freed, in bytes: a run may have all that is read at once.
const SPARE_SIZE_MAX: usize = 512 << 10;
/// A list that had room for more operations is freed.
const OPERATIONS_MAX: usize = 4 << 10;

/// What goes with a message to another shard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passage {
    /// If it is retained, its number among those of the sender.
    pub(crate) retained: Option<u64>,
    pub(crate) joint: Joint,
    /// Whether the publisher takes it for delivered.
    pub(crate) promised: bool,
}

/// Messages in the order they were sent in.
#[derive(Debug, Default)]
pub(crate) struct Parcel {
    topics: String,
    bytes: Vec<u8>,
    groups: Vec<GroupId>,
    packets: Vec<RunPacket>,
    parts: Vec<Part>,
    /// How many messages there are.
    count: usize,
}

/// Memory for what goes to other shards.
#[derive(Debug, Default)]
pub(crate) struct Spare {
    parcels: Vec<Parcel>,
    operations: Vec<Vec<Operation>>,
    batches: Vec<Batch>,
}

/// A part of a text or of bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    from: u32,
    to: u32,
}

/// A message, or a run of them.
#[derive(Debug)]
struct Part {
    topic: Span,
    body: Span,
    qos: QoS,
    publisher: Subscriber,
    passage: Passage,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Its body is the packet as it came, or else the properties and the payload; these are the last of it in
    /// any case.
    Message {
        properties_length: u32,
        payload_length: u32,
        /// Whether the body is a packet, and one in the form of 5.0.
        wire: Option<bool>,
        retain: bool,
        expires: Option<Time>,
        /// The session that it is for as a member of a group, and the place of the group among those here.
        member: Option<(u32, u32)>,
    },
    Run {
        has_properties: bool,
        packets: Span,
        longest: usize,
    },
}

/// Where something of this length begins and ends that is put behind what has a length already.
fn span(before: usize, length: usize) -> Span {
    Span { from: number(before), to: number(before + length) }
}

/// A place in a parcel, which is far from this bound.
fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

impl Span {
    const fn range(self) -> Range<usize> {
        self.from as usize..self.to as usize
    }
}

impl Parcel {
    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    const fn has_room(&self) -> bool {
        self.bytes.len() + self.topics.len() < PARCEL_MAX
    }

    /// Where a topic is; most have that of the message before.
    fn put_topic(&mut self, topic: &str) -> Span {
        let before = self.parts.last().map(|part| part.topic);
        before.filter(|before| self.topics.get(before.range()) == Some(topic)).unwrap_or_else(|| {
            let place = span(self.topics.len(), topic.len());
            self.topics.push_str(topic);
            place
        })
    }

    fn put(&mut self, inbound: &Inbound<'_>, passage: Passage, member: Option<(u32, &GroupId)>) {
        let topic = self.put_topic(inbound.topic.as_str());
        let properties = inbound.properties.wire();
        let start = self.bytes.len();
        match inbound.wire {
            Some(wire) => self.bytes.extend_from_slice(wire.bytes),
            None => {
                self.bytes.extend_from_slice(properties);
                self.bytes.extend_from_slice(inbound.payload);
            }
        }
        let member = member.map(|(session, group)| {
            if self.groups.last() != Some(group) {
                self.groups.push(group.clone());
            }
            (session, number(self.groups.len() - 1))
        });
        self.count += 1;
        self.parts.push(Part {
            topic,
            body: span(start, self.bytes.len() - start),
            qos: inbound.qos,
            publisher: inbound.publisher,
            passage,
            kind: Kind::Message {
                properties_length: number(properties.len()),
                payload_length: number(inbound.payload.len()),
                wire: inbound.wire.map(|wire| wire.has_properties),
                retain: inbound.retain,
                expires: inbound.expires,
                member,
            },
        });
    }

    fn put_run(&mut self, run: &ForeignRun<'_>, joint: Joint) {
        let topic = self.put_topic(run.topic.as_str());
        let body = span(self.bytes.len(), run.bytes.len());
        self.bytes.extend_from_slice(run.bytes);
        let packets = span(self.packets.len(), run.packets.len());
        self.packets.extend_from_slice(run.packets);
        self.count += run.packets.len();
        let ForeignRun { publisher, qos, has_properties, longest, .. } = *run;
        let passage = Passage { retained: None, joint, promised: true };
        let kind = Kind::Run { has_properties, packets, longest };
        self.parts.push(Part { topic, body, qos, publisher, passage, kind });
    }

    fn topic(&self, part: &Part) -> Option<TopicName<'_>> {
        TopicName::new(self.topics.get(part.topic.range())?).ok()
    }

    /// One of the messages, as it was put in, and the member that it is for; `None` for a run.
    fn message(&self, part: &Part) -> Option<(Inbound<'_>, Option<(u32, &GroupId)>)> {
        let Kind::Message { properties_length, payload_length, wire, retain, expires, member } = part.kind
        else {
            return None;
        };
        let body = self.bytes.get(part.body.range())?;
        let (before, payload) = split_from_end(body, payload_length)?;
        let (_, properties) = split_from_end(before, properties_length)?;
        let properties =
            if properties.is_empty() { Properties::EMPTY } else { Properties::from_checked(properties) };
        let publication = Publication {
            topic: self.topic(part)?,
            qos: part.qos,
            retain,
            expires,
            subscription_identifiers: &[],
            properties,
            payload,
        };
        let wire = wire.map(|has_properties| Wire { bytes: body, has_properties });
        let member = match member {
            Some((session, group)) => Some((session, self.groups.get(group as usize)?)),
            None => None,
        };
        Some((Inbound::new(&publication, part.publisher).with_wire(wire), member))
    }

    /// One of the runs; `None` for a message.
    fn run(&self, part: &Part) -> Option<ForeignRun<'_>> {
        let Kind::Run { has_properties, packets, longest } = part.kind else { return None };
        Some(ForeignRun {
            topic: self.topic(part)?,
            publisher: part.publisher,
            qos: part.qos,
            has_properties,
            packets: self.packets.get(packets.range())?,
            longest,
            bytes: self.bytes.get(part.body.range())?,
        })
    }

    /// What it keeps of memory, in bytes.
    const fn capacity(&self) -> usize {
        let parts =
            self.parts.capacity() * size_of::<Part>() + self.packets.capacity() * size_of::<RunPacket>();
        self.topics.capacity() + self.bytes.capacity() + self.groups.capacity() * size_of::<GroupId>() + parts
    }

    fn clear(&mut self) {
        self.topics.clear();
        self.bytes.clear();
        self.groups.clear();
        self.packets.clear();
        self.parts.clear();
        self.count = 0;
    }
}

fn split_from_end(bytes: &[u8], length: u32) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(bytes.len().checked_sub(length as usize)?)
}

impl Spare {
    /// An empty list.
    pub(crate) fn operations(&mut self) -> Vec<Operation> {
        self.operations.pop().unwrap_or_default()
    }
}

impl Links {
    /// Sends a message to the subscribers of a shard, or to a session there as a member of a group.
    pub(crate) fn send_message(
        &mut self,
        shard: u8,
        inbound: &mut Inbound<'_>,
        passage: Passage,
        member: Option<(u32, &GroupId)>,
    ) {
        if inbound.properties.wire().len() + inbound.payload.len() > COPIED_MAX {
            let message = Arc::clone(inbound.keep());
            let Passage { retained, joint, promised } = passage;
            let operation = match member {
                Some((session, group)) => {
                    Operation::Deliver { session, group: group.clone(), message, joint, promised }
                }
                None => Operation::Publish { message, retained, joint, promised },
            };
            return self.send(shard, operation);
        }
        if let Some(parcel) = self.parcel(shard) {
            parcel.put(inbound, passage, member);
        }
    }

    /// Sends a run to the subscribers of a shard.
    pub(crate) fn send_run(&mut self, shard: u8, run: &ForeignRun<'_>, joint: Joint) {
        if let Some(parcel) = self.parcel(shard) {
            parcel.put_run(run, joint);
        }
    }

    /// The parcel for a shard that has room.
    fn parcel(&mut self, shard: u8) -> Option<&mut Parcel> {
        let operations = self.outgoing.get_mut(usize::from(shard))?;
        if !matches!(operations.last(), Some(Operation::Messages(parcel)) if parcel.has_room()) {
            operations.push(Operation::Messages(self.spare.parcels.pop().unwrap_or_default()));
        }
        match operations.last_mut() {
            Some(Operation::Messages(parcel)) => Some(parcel),
            _ => None,
        }
    }

    fn keep_parcel(&mut self, mut parcel: Parcel) {
        if self.spare.parcels.len() < SPARE_COUNT_MAX && parcel.capacity() <= SPARE_SIZE_MAX {
            parcel.clear();
            self.spare.parcels.push(parcel);
        }
    }

    pub(super) fn keep_operations(&mut self, operations: Vec<Operation>) {
        debug_assert!(operations.is_empty());
        if self.spare.operations.len() < SPARE_COUNT_MAX && operations.capacity() <= OPERATIONS_MAX {
            self.spare.operations.push(operations);
        }
    }

    /// An empty list for what is in the inbox.
    pub(super) fn spare_batches(&mut self) -> Vec<Batch> {
        mem::take(&mut self.spare.batches)
    }

    pub(super) fn keep_batches(&mut self, batches: Vec<Batch>) {
        debug_assert!(batches.is_empty());
        self.spare.batches = batches;
    }
}

impl Shard {
    /// Deals with the messages of a parcel.
    pub(super) fn take_parcel(&mut self, from: u8, parcel: Parcel, sockets: &mut dyn Sockets) {
        for part in &parcel.parts {
            if let Some((mut inbound, member)) = parcel.message(part) {
                self.take_message(from, &mut inbound, part.passage, member);
            } else if let Some(run) = parcel.run(part) {
                self.begin_part(from, part.passage.joint);
                self.routing.promised = part.passage.promised;
                self.route_run_here(&run);
                self.routing.promised = false;
                self.journal.set_place(Place::Main);
            }
            if !self.journal.has_parts() {
                self.flush_overfull(sockets);
            }
        }
        self.links.keep_parcel(parcel);
    }

    /// Sends a message of another shard to the receivers here, or to one that was chosen there.
    pub(super) fn take_message(
        &mut self,
        from: u8,
        inbound: &mut Inbound<'_>,
        passage: Passage,
        member: Option<(u32, &GroupId)>,
    ) {
        inbound.retained = passage.retained.map(|number| (from, number));
        self.begin_part(from, passage.joint);
        self.routing.promised = passage.promised;
        match member {
            Some((session, group)) => self.deliver_to_member(session, group, inbound),
            None => {
                let mut route = self.routing.foreign.take().unwrap_or_default();
                self.route_here(inbound, &mut route);
                self.routing.foreign = Some(route);
            }
        }
        self.routing.promised = false;
        self.journal.set_place(Place::Main);
    }
}
