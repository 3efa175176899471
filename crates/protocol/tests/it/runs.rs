//! Runs: what is taken in or sent together leaves both ends as if it had gone packet by packet.

use std::num::NonZeroU16;

use colibri_codec::{
    Delivery, Frame, Likeness, Packet, PacketId, Publish, QoS, ReasonCode, Split, TopicName, Version,
};
use colibri_protocol::{
    Connection, Encoded, EncodedRun, Event, Limits, Publication, Role, RunPacket, Sent, State, Time,
    Violation,
};
use proptest::collection::vec;
use proptest::prelude::{Just, any, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::select;
use proptest::strategy::Strategy;
use proptest::test_runner::TestCaseError;

use crate::configured;
use crate::message::Message;
use crate::raw::{Raw, client_with, id};

/// What the peer sends in one write, and what this end does.
#[derive(Clone, Debug)]
enum Op {
    /// Acknowledgements: their types, how many identifiers back from the last one, whether they are spelt.
    Acks(Vec<(u8, u16, bool)>),
    /// Messages, with their identifiers.
    Publishes(Vec<(QoS, u16)>),
    /// A message with an answer that is held back, and how those are answered.
    Hold(QoS, u16),
    Answer(u16, bool),
    /// Messages of these sizes, with so much room.
    Run(QoS, Vec<usize>, usize),
    /// A message that is kept.
    Send(QoS),
    Wait,
    Pump,
    /// The connection is lost; the next one has this Receive Maximum.
    Resume(u16),
}

fn qos() -> impl Strategy<Value = QoS> {
    select(&QoS::ALL[..])
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let ack = (
        4..=7_u8,
        prop_oneof![8 => 0..6_u16, 1 => 0..30_u16],
        prop_oneof![9 => Just(false), 1 => Just(true)],
    );
    let alike = (4..=7_u8, 0..4_u16, 1..6_u16)
        .prop_map(|(kind, from, count)| (from..from + count).rev().map(|back| (kind, back, false)).collect());
    let in_row = (qos(), 1..6_u16, 1..6_u16)
        .prop_map(|(qos, from, count)| (from..from + count).map(|id| (qos, id)).collect());
    let sizes = vec(prop_oneof![8 => 0..20_usize, 1 => 100..200_usize], 1..8);
    let room = prop_oneof![Just(usize::MAX), 0..100_usize];
    let op = prop_oneof![
        3 => vec(ack, 1..8).prop_map(Op::Acks),
        4 => alike.prop_map(Op::Acks),
        2 => vec((qos(), 1..8_u16), 1..8).prop_map(Op::Publishes),
        3 => in_row.prop_map(Op::Publishes),
        1 => (qos(), 1..8_u16).prop_map(|(qos, id)| Op::Hold(qos, id)),
        2 => (1..8_u16, any::<bool>()).prop_map(|(id, well)| Op::Answer(id, well)),
        5 => (qos(), sizes, room).prop_map(|(qos, sizes, room)| Op::Run(qos, sizes, room)),
        3 => qos().prop_map(Op::Send),
        1 => Just(Op::Wait),
        1 => Just(Op::Pump),
        1 => (1..6_u16).prop_map(Op::Resume),
    ];
    vec(op, 0..40)
}

/// One end, which takes runs or does not.
struct Side {
    raw: Raw,
    takes_runs: bool,
}

fn topic() -> TopicName<'static> {
    TopicName::new("t").unwrap()
}

impl Side {
    fn with<T>(&mut self, command: impl FnOnce(&mut Connection<Message>, &mut Vec<u8>, Time) -> T) -> T {
        let now = self.raw.now;
        self.raw.end.with(|connection, out| command(connection, out, now))
    }

    /// Takes whole packets in; a violation ends the connection.
    fn take_in(&mut self, input: &[u8]) -> Option<Violation> {
        let mut rest = input;
        while !rest.is_empty() && self.raw.state() == State::Open {
            let taken = if self.takes_runs { self.take_run(rest) } else { 0 };
            if taken > 0 {
                rest = &rest[taken..];
                continue;
            }
            let Ok(Split::Frame(frame, used)) = Frame::split(rest, u32::MAX) else { panic!("{rest:?}") };
            rest = &rest[used..];
            if let Err(violation) = self.with(|connection, out, now| one_by_one(connection, frame, now, out))
            {
                self.with(|connection, out, _| connection.fail(violation, out));
                return Some(violation);
            }
        }
        None
    }

    /// As the broker does; says how many bytes it was.
    fn take_run(&mut self, input: &[u8]) -> usize {
        self.with(|connection, out, now| {
            if input[0] >> 4 != 3 {
                return connection.take_acks(input, now, out);
            }
            let qos = QoS::from_number(input[0] >> 1 & 3).unwrap();
            if !connection.takes_run(qos) {
                return 0;
            }
            let likeness = Likeness::new(qos, topic().as_str(), connection.version(), u32::MAX);
            let (mut taken, mut ids) = (0, Vec::new());
            while let Some(alike) = likeness.next(&input[taken..]) {
                if qos == QoS::ExactlyOnce && !connection.take_over(alike.packet_id.unwrap()) {
                    break;
                }
                ids.extend(alike.packet_id);
                taken += alike.length;
            }
            if taken > 0 {
                connection.note_run(now);
                connection.acknowledge_run(qos, ids.into_iter(), now, out);
            }
            taken
        })
    }

    /// Sends what goes at once of a run: nothing is written behind `room` bytes of it.
    fn send_run(&mut self, qos: QoS, sizes: &[usize], room: usize) -> usize {
        let version = self.raw.version;
        let (mut bytes, mut packets) = (Vec::new(), Vec::new());
        let mut longest = 0;
        for size in sizes {
            let start = bytes.len();
            let payload = vec![b'x'; *size];
            let publication = Publication::new(topic(), qos, false, &payload);
            let now = self.raw.now;
            let offset = Connection::<Message>::encode(&publication, version, now, &mut bytes).unwrap();
            longest = longest.max(bytes.len() - start);
            let place = |offset: usize| u32::try_from(offset).unwrap();
            packets.push(RunPacket { end: place(bytes.len()), packet_id: place(start + offset) });
        }
        let run = EncodedRun { bytes: &bytes, packets: &packets, qos, longest };
        if self.takes_runs {
            return self.with(|connection, out, now| connection.send_run(&run, room, now, out));
        }
        let mut start = 0;
        for (count, packet) in packets.iter().enumerate() {
            let packet_id_offset = packet.packet_id as usize - start;
            let encoded = Encoded { bytes: &bytes[start..packet.end as usize], packet_id_offset, qos };
            let is_first_too_large = longest > self.raw.end.connection.peer().maximum_packet_size as usize;
            if start > room || is_first_too_large {
                return count;
            }
            start = packet.end as usize;
            match self.with(|connection, out, now| connection.send_encoded(&encoded, || None, out, now)) {
                Sent::Written(_) => {}
                Sent::Wait | Sent::TooLarge | Sent::Expired | Sent::NotSupported => return count,
            }
        }
        packets.len()
    }

    /// All that there is to know of it.
    fn look(&self) -> String {
        format!("{:?}", self.raw.end.connection)
    }
}

fn one_by_one(
    connection: &mut Connection<Message>,
    frame: Frame<'_>,
    now: Time,
    out: &mut Vec<u8>,
) -> Result<(), Violation> {
    if frame.first_byte() >> 4 == 3 {
        let mut publish = Publish::EMPTY;
        if connection.handle_publish(frame, &mut publish, now, out)?.is_some() {
            connection.acknowledge(publish.delivery, ReasonCode::Success, now, out);
        }
        return Ok(());
    }
    match connection.handle_frame(frame, now, out)? {
        Event::Release(id) => connection.complete(id, now, out),
        Event::Handled | Event::Delivered(_) => {}
        other => panic!("{other:?}"),
    }
    Ok(())
}

fn publish(version: Version, qos: QoS, id: u16) -> Vec<u8> {
    let id = PacketId::new(id).unwrap();
    let delivery = match qos {
        QoS::AtMostOnce => Delivery::AtMostOnce,
        QoS::AtLeastOnce => Delivery::AtLeastOnce(id),
        QoS::ExactlyOnce => Delivery::ExactlyOnce(id),
    };
    let publish = Publish { topic: Some(topic()), delivery, payload: b"payload", ..Publish::EMPTY };
    let mut bytes = Vec::new();
    publish.encode(version, &mut bytes).unwrap();
    bytes
}

/// The identifiers that were given to messages, oldest first.
fn sent_ids(out: &[u8], version: Version, ids: &mut Vec<u16>) {
    let mut rest = out;
    while let Ok(Split::Frame(frame, used)) = Frame::split(rest, u32::MAX) {
        if let Ok(Packet::Publish(publish)) = Packet::decode(frame, version) {
            ids.extend(publish.delivery.packet_id().map(PacketId::get));
        }
        rest = &rest[used..];
    }
}

fn acks(version: Version, acks: &[(u8, u16, bool)], ids: &[u16]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, back, is_spelt) in acks {
        // PUBREL is for what the peer sent; an identifier that was never given is among the others.
        let back = usize::from(*back);
        let sent = ids.len().checked_sub(1 + back).map_or(40_000, |place| ids[place]);
        let id = if *kind == 6 { u16::try_from(back).unwrap() + 1 } else { sent };
        let [high, low] = id.to_be_bytes();
        let first = kind << 4 | if *kind == 6 { 2 } else { 0 };
        if *is_spelt && version == Version::V5 {
            let reason = if *kind < 6 { 0x80 } else { 0 };
            bytes.extend([first, 3, high, low, reason]);
        } else {
            bytes.extend([first, 2, high, low]);
        }
    }
    bytes
}

fn check(
    role: Role,
    version: Version,
    maxima: (u16, u16),
    before: u32,
    ops: &[Op],
) -> Result<(), TestCaseError> {
    let limits = Limits { receive_maximum: NonZeroU16::new(maxima.0).unwrap(), ..Limits::default() };
    let properties = |maximum: u16| {
        if version == Version::V5 { format!("08 21 {maximum:04x} 27 00000064") } else { "P".into() }
    };
    let mut sides = [false, true].map(|takes_runs| {
        let mut raw = Raw::open_to(role, version, limits, &properties(maxima.1));
        raw.end.watch.blind = true;
        Side { raw, takes_runs }
    });
    let mut ids = Vec::new();
    for side in &mut sides {
        for _ in 0..before {
            side.send_run(QoS::AtLeastOnce, &[0], usize::MAX);
            let written = std::mem::take(&mut side.raw.end.out);
            ids.clear();
            sent_ids(&written, version, &mut ids);
            side.take_in(&acks(version, &[(4, 0, false)], &ids));
        }
    }
    for op in ops {
        let mut results = Vec::new();
        let mut next = Vec::new();
        for mut side in sides {
            let known = ids.clone();
            let result = match op {
                Op::Acks(list) => format!("{:?}", side.take_in(&acks(version, list, &known))),
                Op::Publishes(list) => {
                    let bytes: Vec<_> =
                        list.iter().flat_map(|(qos, id)| publish(version, *qos, *id)).collect();
                    format!("{:?}", side.take_in(&bytes))
                }
                Op::Hold(qos, id) => side.hold(*qos, *id),
                Op::Answer(number, well) => {
                    let reason = if *well { ReasonCode::Success } else { ReasonCode::QuotaExceeded };
                    side.with(|connection, out, now| {
                        connection.acknowledge_held(id(*number), reason, now, out)
                    });
                    String::new()
                }
                Op::Run(qos, sizes, room) => side.send_run(*qos, sizes, *room).to_string(),
                Op::Send(qos) => format!("{:?}", side.raw.send("t", *qos, "kept")),
                Op::Wait => {
                    side.raw.advance(1000);
                    String::new()
                }
                Op::Pump => {
                    let now = side.raw.now;
                    side.raw.end.pump(now);
                    String::new()
                }
                Op::Resume(maximum) => {
                    side.raw = side.raw.resume(&properties(*maximum));
                    String::new()
                }
            };
            results.push((result, std::mem::take(&mut side.raw.end.out), side.look()));
            next.push(side);
        }
        prop_assert_eq!(&results[0].0, &results[1].0, "{:?}", op);
        prop_assert_eq!(&results[0].1, &results[1].1, "{:?}", op);
        prop_assert_eq!(&results[0].2, &results[1].2, "{:?}", op);
        sent_ids(&results[0].1, version, &mut ids);
        sides = next.try_into().unwrap_or_else(|_| panic!("there are two"));
        if sides[0].raw.state() != State::Open {
            break;
        }
    }
    Ok(())
}

impl Side {
    /// A message whose answer is held back.
    fn hold(&mut self, qos: QoS, id: u16) -> String {
        let bytes = publish(self.raw.version, qos, id);
        let Ok(Split::Frame(frame, _)) = Frame::split(&bytes, u32::MAX) else { panic!("{bytes:?}") };
        let mut publish = Publish::EMPTY;
        let result = self.with(|connection, out, now| {
            let result = connection.handle_publish(frame, &mut publish, now, out);
            let result = result.map(|topic| topic.is_some());
            match result {
                Ok(true) => connection.hold(publish.delivery),
                Ok(false) => {}
                Err(violation) => connection.fail(violation, out),
            }
            result
        });
        format!("{result:?}")
    }
}

fn end() -> impl Strategy<Value = (Role, Version)> {
    let ends: Vec<_> = crate::both_ends().collect();
    select(ends)
}

proptest! {
    #![proptest_config(configured(3_000))]

    #[test]
    fn runs_leave_an_end_as_packets_one_by_one_do(
        (role, version) in end(),
        maxima in (1..8_u16, 1..8_u16),
        ops in ops(),
    ) {
        check(role, version, maxima, 0, &ops)?;
    }
}

proptest! {
    #![proptest_config(configured(10))]

    #[test]
    fn runs_leave_an_end_as_packets_one_by_one_do_where_identifiers_begin_anew(
        version in select(&crate::VERSIONS[..]),
        maxima in (1..8_u16, 1..8_u16),
        before in 65_525..=65_535_u32,
        ops in ops(),
    ) {
        check(Role::Server, version, maxima, before, &ops)?;
    }
}

#[test]
fn a_run_is_life_and_what_answers_it_puts_the_next_ping_off() {
    for version in crate::VERSIONS {
        let mut client = client_with(version, 10, &[]);
        client.discard();
        client.feed("20 L 00 00 P");
        let mut side = Side { raw: client, takes_runs: true };
        let due = |side: &Side| side.raw.end.connection.poll_timeout(side.raw.now);
        assert_eq!(due(&side), Some(Time::from_millis(10_000)));
        side.raw.advance(1000);
        side.take_in(&publish(version, QoS::AtMostOnce, 1));
        assert_eq!(due(&side), Some(Time::from_millis(10_000)));
        side.take_in(&publish(version, QoS::AtLeastOnce, 1));
        assert_eq!(due(&side), Some(Time::from_millis(11_000)));
        side.raw.advance(1000);
        assert_eq!(side.send_run(QoS::ExactlyOnce, &[1, 1], usize::MAX), 2);
        assert_eq!(due(&side), Some(Time::from_millis(12_000)));
        side.raw.advance(1000);
        side.take_in(&[0x50, 2, 0, 1]);
        assert_eq!(due(&side), Some(Time::from_millis(13_000)));
        side.raw.advance(1000);
        side.take_in(&[0x70, 2, 0, 1]);
        assert_eq!(due(&side), Some(Time::from_millis(13_000)));
    }
}

#[test]
fn a_connection_that_is_closed_takes_and_sends_no_run() {
    // [v5 MQTT-3.14.4-1] [v3.1.1 MQTT-3.14.4-2]
    for (role, version) in crate::both_ends() {
        let mut side = Side { raw: Raw::open(role, version), takes_runs: true };
        side.send_run(QoS::AtLeastOnce, &[1], usize::MAX);
        side.take_in(&[0x41, 2, 0, 1]);
        assert_eq!(side.raw.state(), State::Closed);
        side.raw.discard();
        for qos in QoS::ALL {
            assert_eq!(side.send_run(qos, &[1, 2], usize::MAX), 0);
            side.with(|connection, out, now| {
                assert!(!connection.takes_run(qos));
                connection.acknowledge_run(qos, [id(1)].into_iter(), now, out);
            });
        }
        assert_eq!(side.raw.end.connection.may_send(), 0);
        for ack in [[0x40, 2, 0, 1], [0x50, 2, 0, 1], [0x62, 2, 0, 1], [0x70, 2, 0, 1]] {
            assert_eq!(side.take_run(&ack), 0);
        }
        side.raw.expect("");
    }
}
