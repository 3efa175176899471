//! Whatever bytes come, in whatever pieces: nothing panics, and the pieces make no difference.

use colibri_codec::{Frame, QoS, Version};
use colibri_protocol::{Limits, Role, Session, State};
use proptest::collection::vec;
use proptest::prelude::{any, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::{Index, select};
use proptest::strategy::Strategy;

use crate::configured;
use crate::end::Answers;
use crate::hex::bytes;
use crate::raw::{Raw, client_with, id};

/// Where an end may stand when the bytes come.
#[derive(Clone, Copy, Debug)]
enum Stand {
    ServerFresh,
    ServerDeciding,
    ClientFresh,
    Open(Role),
    Busy(Role),
    Closed(Role),
}

const STANDS: [Stand; 9] = [
    Stand::ServerFresh,
    Stand::ServerDeciding,
    Stand::ClientFresh,
    Stand::Open(Role::Client),
    Stand::Open(Role::Server),
    Stand::Busy(Role::Client),
    Stand::Busy(Role::Server),
    Stand::Closed(Role::Client),
    Stand::Closed(Role::Server),
];

/// Packets that mean something somewhere, to be bent.
const PACKETS: [&str; 31] = [
    "10 L 0004 'MQTT' 04 02 000a 0001 'c'",
    "10 L 0004 'MQTT' 05 02 000a 00 0001 'c'",
    "10 L 0004 'MQTT' 05 02 000a 0b 21 0001 22 0002 27 00000040 0001 'c'",
    "10 L 0004 'MQTT' 05 02 000a 04 15 0001 'm' 0001 'c'",
    "10 L 0006 'MQIsdp' 03 02 000a 0001 'c'",
    "20 L 00 00 P",
    "20 L 01 00 P",
    "20 L 00 00 ?0b210001220002270000001e",
    "20 L 00 00 ?0524002500 ?13",
    "20 L 00 87 P",
    "30 L 0001 'a' P 'x'",
    "32 L 0001 'a' 0001 P 'x'",
    "34 L 0001 'a' 0001 P 'x'",
    "3c L 0001 'a' 0001 P 'x'",
    "30 L 0001 'a' 03 23 0001",
    "32 L 0000 0002 03 23 0001",
    "30 L 0001 'a' 09 02 00000001 0b 01 01 00",
    "40 02 0001",
    "50 02 0002",
    "50 L 0002 ?80",
    "62 02 0001",
    "70 02 0002",
    "82 L 0001 P 0001 '#' 01",
    "90 L 0003 P 00",
    "a2 L 0001 P 0001 '#'",
    "b0 L 0003 P ?00",
    "c0 00",
    "d0 00",
    "e0 00",
    "e0 L ?00 ?05 ?1100000001",
    "f0 L 18 04 15 0001 'm'",
];

fn stand(stand: Stand, version: Version) -> Raw {
    let limits = Limits { topic_alias_maximum: 2, ..Limits::default() };
    let mut raw = match stand {
        Stand::ServerFresh => Raw::fresh_server(version, limits),
        Stand::ServerDeciding => {
            let mut raw = Raw::fresh_server(version, limits);
            raw.end.accepts = false;
            raw.feed(if version.has_properties() { PACKETS[1] } else { PACKETS[0] });
            raw
        }
        Stand::ClientFresh => {
            let mut session = Session::new();
            session.enqueue(crate::message::Message::new("a", QoS::AtLeastOnce, "x"));
            Raw::fresh_client(version, limits, session)
        }
        Stand::Open(role) | Stand::Busy(role) | Stand::Closed(role) => {
            Raw::open_to(role, version, limits, if version.has_properties() { "03 22 0002" } else { "" })
        }
    };
    if let Stand::Busy(_) = stand {
        raw.end.answers = Answers::Held;
        raw.send("a", QoS::AtLeastOnce, "x");
        raw.send("a", QoS::ExactlyOnce, "x");
        raw.send("b", QoS::ExactlyOnce, "x");
        raw.feed("50 02 0003; 34 L 0001 'b' 0001 P; 32 L 0001 'b' 0002 P");
    }
    if let Stand::Closed(_) = stand {
        let end = colibri_codec::Disconnect::new(colibri_codec::ReasonCode::Success);
        raw.end.with(|connection, out| connection.disconnect(&end, out));
    }
    raw.end.watch.blind = true;
    raw
}

/// Bytes that are nearly packets.
fn nearly(version: Version) -> impl Strategy<Value = Vec<u8>> {
    let bent = (select(&PACKETS[..]), vec((any::<Index>(), any::<u8>()), 0..3)).prop_map(
        move |(packet, changes)| {
            let mut packet = bytes(version, packet);
            for (at, byte) in changes {
                let at = at.index(packet.len());
                packet[at] = byte;
            }
            packet
        },
    );
    let noise = vec(any::<u8>(), 0..30);
    let piece = prop_oneof![8 => bent, 1 => noise];
    vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn versioned() -> impl Strategy<Value = (Version, Vec<u8>)> {
    select(&Version::ALL[1..])
        .prop_flat_map(|version| nearly(version).prop_map(move |bytes| (version, bytes)))
}

fn pieces(bytes: &[u8], cuts: &[Index]) -> Vec<Vec<u8>> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2).map(|ends| bytes[ends[0]..ends[1]].to_vec()).collect()
}

proptest! {
    #![proptest_config(configured(6_000))]

    #[test]
    fn no_bytes_make_an_end_panic(
        (version, bytes) in versioned(),
        place in select(&STANDS[..]),
        cuts in vec(any::<Index>(), 0..4),
    ) {
        let mut whole = stand(place, version);
        let mut cut = stand(place, version);
        whole.end.take_in(&bytes, whole.now);
        for piece in pieces(&bytes, &cuts) {
            cut.end.take_in(&piece, cut.now);
        }
        prop_assert_eq!(&whole.end.out, &cut.end.out);
        prop_assert_eq!(&whole.end.seen, &cut.end.seen);
        prop_assert_eq!(whole.state(), cut.state());

        // Whatever came, the end goes on or is closed for good.
        whole.advance(60_000);
        whole.send("a", QoS::AtLeastOnce, "x");
        let now = whole.now;
        whole.end.pump(now);
        let session = whole.end.connection.into_session();
        prop_assert_eq!(session.unreleased_ids().count(), session.unreleased());
    }

    #[test]
    fn no_frame_makes_an_end_panic_in_any_state(
        first in any::<u8>(),
        body in vec(any::<u8>(), 0..20),
        place in select(&STANDS[..]),
        version in select(&Version::ALL[1..]),
    ) {
        let mut raw = stand(place, version);
        let before = raw.state();
        raw.end.handle(Frame::new(first, &body), raw.now);
        if before == State::Closed {
            prop_assert_eq!(raw.state(), State::Closed);
        }
    }

    #[test]
    fn the_pieces_of_a_stream_make_no_difference(
        packets in vec(select(&PACKETS[10..14]), 1..20),
        cuts in vec(any::<Index>(), 0..20),
        version in select(&Version::ALL[1..]),
    ) {
        let stream: Vec<u8> = packets.iter().flat_map(|packet| bytes(version, packet)).collect();
        let mut whole = stand(Stand::Busy(Role::Server), version);
        let mut cut = stand(Stand::Busy(Role::Server), version);
        whole.end.take_in(&stream, whole.now);
        for piece in pieces(&stream, &cuts) {
            cut.end.take_in(&piece, cut.now);
        }
        prop_assert_eq!(whole.state(), State::Open);
        for raw in [&mut whole, &mut cut] {
            let now = raw.now;
            raw.end.with(|connection, out| {
                connection.acknowledge_held(id(1), colibri_codec::ReasonCode::Success, now, out);
            });
        }
        prop_assert_eq!(&whole.end.out, &cut.end.out);
        prop_assert_eq!(&whole.end.seen, &cut.end.seen);
    }
}

#[test]
fn every_packet_in_every_state_is_taken_or_refused() {
    for version in [Version::V3_1_1, Version::V5] {
        for place in STANDS {
            for packet in PACKETS {
                let mut raw = stand(place, version);
                raw.end.take_in(&bytes(version, packet), raw.now);
                let packet = bytes(version, packet);
                raw.end.handle(Frame::new(packet[0], &packet[2..]), raw.now);
            }
        }
    }
    // A client of 3.1 too.
    let mut client = client_with(Version::V3_1, 10, &[]);
    client.end.watch.blind = true;
    client.feed("20 02 00 00");
    assert_eq!(client.state(), State::Open);
}
