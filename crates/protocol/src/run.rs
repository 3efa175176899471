//! Runs of alike packets, taken in and sent together: the short way for who sends much.
//!
//! What these methods do is what [`Connection::handle_frame`], [`Connection::acknowledge`],
//! [`Connection::complete`] and [`Connection::send_encoded`] would do packet by packet. They take no more
//! than they can do so, and the driver hands the rest to those.

use alloc::vec::Vec;

use colibri_codec::{PacketId, PacketType, QoS, plain_acks, put_plain_ack};

use crate::outgoing::Stage;
use crate::{Connection, Kept, State, Time};

/// PUBLISH packets of one QoS, written one behind the other for all receivers that get the same bytes but for
/// the Packet Identifiers.
#[derive(Clone, Copy, Debug)]
pub struct EncodedRun<'a> {
    /// The packets.
    pub bytes: &'a [u8],
    /// Where each of them is.
    pub packets: &'a [RunPacket],
    /// Their QoS.
    pub qos: QoS,
    /// The length of the longest of them in bytes.
    pub longest: usize,
}

/// Where one packet of a run is, from the beginning of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunPacket {
    /// Its end.
    pub end: u32,
    /// Where the two bytes of its Packet Identifier stand, for QoS 1 and 2.
    pub packet_id: u32,
}

impl<M: Kept> Connection<M> {
    /// Whether PUBLISH packets of this QoS may be taken in as a run: answers are not held back, and none of
    /// the identifiers can be one that a message with QoS 2 has.
    pub fn takes_run(&self, qos: QoS) -> bool {
        let is_plain = match qos {
            QoS::AtMostOnce | QoS::ExactlyOnce => true,
            QoS::AtLeastOnce => {
                let knows_none = self.session.received.len() == 0 || !self.version.has_properties();
                knows_none && !self.receive_quota.is_used_up()
            }
        };
        is_plain && self.state == State::Open && self.held.is_empty()
    }

    /// How many messages with QoS 1 and 2 may be sent at once.
    pub fn may_send(&self) -> usize {
        if self.state != State::Open || self.has_backlog() || !self.takes_encoded() {
            return 0;
        }
        usize::from(self.send_quota.left())
    }

    /// Notes that a run came. The messages of one with QoS 2 are taken over one by one with
    /// [`Connection::take_over`].
    pub fn note_run(&mut self, now: Time) {
        self.keep_alive.received(now);
    }

    /// Takes a QoS 2 message of a run over; `false` if it has to go the long way.
    // [v5 MQTT-4.3.3-8] [v5 MQTT-4.3.3-10] [v3.1.1 MQTT-4.3.3-2]
    #[inline]
    pub fn take_over(&mut self, id: PacketId) -> bool {
        if self.receive_quota.is_used_up() && self.version.has_properties() {
            return false;
        }
        let is_new = self.session.received.insert(id);
        if is_new {
            self.receive_quota.take();
        }
        is_new
    }

    /// Answers the messages of a run as [`Connection::acknowledge`] does, with success.
    // [v5 MQTT-4.6.0-2] [v5 MQTT-4.6.0-3] [v3.1.1 MQTT-4.6.0-2] [v3.1.1 MQTT-4.6.0-3]
    pub fn acknowledge_run(
        &mut self,
        qos: QoS,
        ids: impl Iterator<Item = PacketId>,
        now: Time,
        out: &mut Vec<u8>,
    ) {
        // [v5 MQTT-3.14.4-1] [v3.1.1 MQTT-3.14.4-2]
        if self.state != State::Open {
            return;
        }
        let acknowledgement = match qos {
            QoS::AtMostOnce => return,
            QoS::AtLeastOnce => PacketType::Puback,
            QoS::ExactlyOnce => PacketType::Pubrec,
        };
        out.reserve(ids.size_hint().0 * 4);
        ids.for_each(|id| put_plain_ack(acknowledgement, id, out));
        self.keep_alive.sent(now);
    }

    /// Sends messages of a run that are already written, and says how many: those that the peer may have
    /// now, and of which each begins within `room` bytes of output. Only in a session that ends with its
    /// connection, as nothing is kept to send them again.
    pub fn send_run(&mut self, run: &EncodedRun<'_>, room: usize, now: Time, out: &mut Vec<u8>) -> usize {
        let takes = self.state == State::Open
            && self.takes_encoded()
            && run.longest <= self.peer.maximum_packet_size as usize
            && !self.has_backlog_for(run.qos);
        if !takes {
            return 0;
        }
        let within = 1 + run.packets.partition_point(|packet| packet.end as usize <= room);
        let start = out.len();
        let packets = run.packets.get(..within).unwrap_or(run.packets);
        if run.qos == QoS::AtMostOnce {
            let bytes = packets.last().and_then(|last| run.bytes.get(..last.end as usize));
            out.extend_from_slice(bytes.unwrap_or_default());
            self.keep_alive.sent(now);
            return packets.len();
        }
        // [v5 MQTT-3.3.4-7] [v5 MQTT-3.3.4-9] [v5 MQTT-4.9.0-2]
        let packets = packets.get(..usize::from(self.send_quota.left())).unwrap_or(packets);
        let Some(last) = packets.last() else { return 0 };
        out.extend_from_slice(run.bytes.get(..last.end as usize).unwrap_or_default());
        let stage = Self::stage_for(run.qos);
        let mut sent = 0;
        let mut end = start;
        for packet in packets {
            let Some(id) = self.session.outgoing.begin(stage, None) else { break };
            let place = start + packet.packet_id as usize;
            if let Some(place) = out.get_mut(place..place + 2) {
                place.copy_from_slice(&id.get().to_be_bytes());
            }
            self.send_quota.take();
            end = start + packet.end as usize;
            sent += 1;
        }
        out.truncate(end);
        self.keep_alive.sent(now);
        sent
    }

    /// Takes in the acknowledgements at the front of `input` that say nothing but success and that have an
    /// exchange which awaits them, and answers them; says how many bytes they were. What was kept of
    /// messages that have arrived is thrown away.
    pub fn take_acks(&mut self, input: &[u8], now: Time, out: &mut Vec<u8>) -> usize {
        if self.state != State::Open {
            return 0;
        }
        let Some(first) = input.first() else { return 0 };
        let before = out.len();
        let count = match first >> 4 {
            4 => self.take_each(PacketType::Puback, input, |connection, id| {
                connection.finish_in(id, |stage| stage == Stage::AwaitingPuback)
            }),
            5 => self.take_each(PacketType::Pubrec, input, |connection, id| {
                let released = connection.session.outgoing.release_sent(id);
                if released {
                    put_plain_ack(PacketType::Pubrel, id, out);
                }
                released
            }),
            6 => self.take_each(PacketType::Pubrel, input, |connection, id| {
                let known = connection.session.received.remove(id);
                if known {
                    connection.receive_quota.give_back();
                    put_plain_ack(PacketType::Pubcomp, id, out);
                }
                known
            }),
            7 => self.take_each(PacketType::Pubcomp, input, |connection, id| {
                connection.finish_in(id, |stage| matches!(stage, Stage::AwaitingPubcomp { .. }))
            }),
            _ => 0,
        };
        if count > 0 {
            self.keep_alive.received(now);
        }
        if out.len() > before {
            self.keep_alive.sent(now);
        }
        count * 4
    }

    fn take_each(
        &mut self,
        acknowledgement: PacketType,
        input: &[u8],
        mut take: impl FnMut(&mut Self, PacketId) -> bool,
    ) -> usize {
        plain_acks(acknowledgement, input).take_while(|id| take(self, *id)).count()
    }

    /// Ends the exchange under an identifier if it is at such a stage.
    #[inline]
    fn finish_in(&mut self, id: PacketId, is_awaited: impl FnOnce(Stage) -> bool) -> bool {
        let Some(resend) = self.session.outgoing.end_if(id, is_awaited) else { return false };
        if !resend {
            self.send_quota.give_back();
        }
        true
    }
}
