//! Keep Alive on a virtual clock (section 3.1.2.10).

use colibri_codec::{QoS, Version};
use colibri_protocol::{Limits, State, Time, Violation};

use crate::VERSIONS;
use crate::end::Seen;
use crate::pair::{Pair, Setup};
use crate::raw::{Raw, client_with};

/// A client with a Keep Alive of ten seconds whose CONNACK came at once.
fn client(version: Version, connack: &str) -> Raw {
    let mut client = client_with(version, 10, &[]);
    client.feed(connack);
    client.discard();
    client
}

/// A server that a client with a Keep Alive of ten seconds has connected to.
fn server(version: Version, server_keep_alive: Option<u16>) -> Raw {
    let mut server = Raw::fresh_server(version, Limits::default());
    server.end.server_keep_alive = server_keep_alive;
    let level = if version.has_properties() { "05" } else { "04" };
    server.feed(&format!("10 L 0004 'MQTT' {level} 02 000a P 0001 'c'"));
    server.discard();
    server
}

fn seconds(count: u64) -> Option<Time> {
    Some(Time::from_millis(count * 1000))
}

#[test]
fn a_client_with_nothing_to_send_pings_after_the_interval() {
    // [v5 MQTT-3.1.2-20] [v3.1.1 MQTT-3.1.2-23]
    for version in VERSIONS {
        let mut client = client(version, "20 L 00 00 P");
        assert_eq!(client.end.connection.poll_timeout(client.now), seconds(10));
        client.advance(9_999);
        client.expect("");
        client.advance(1);
        client.expect("c0 00");
        client.feed("d0 00");
        assert_eq!(client.seen(), []);
        assert_eq!(client.end.connection.poll_timeout(client.now), seconds(20));
        client.advance(10_000);
        client.expect("c0 00");
    }
}

#[test]
fn any_packet_that_a_client_sends_puts_its_ping_off() {
    for version in VERSIONS {
        let mut client = client(version, "20 L 00 00 P");
        client.advance(6_000);
        client.send("a", QoS::AtMostOnce, "");
        client.advance(6_000);
        client.feed("32 L 0001 'a' 0001 P");
        client.advance(6_000);
        client.discard();
        assert_eq!(client.end.connection.poll_timeout(client.now), seconds(22));
        client.advance(4_000);
        client.expect("c0 00");
    }
}

#[test]
fn what_a_client_receives_does_not_put_its_ping_off() {
    for version in VERSIONS {
        let mut client = client(version, "20 L 00 00 P");
        client.advance(6_000);
        client.feed("30 L 0001 'a' P");
        client.advance(4_000);
        client.expect("c0 00");
    }
}

#[test]
fn the_interval_of_a_client_runs_from_its_connect_however_late_connack_comes() {
    // [v3.1.1 MQTT-3.1.2-23]
    for version in VERSIONS {
        let mut client = client_with(version, 10, &[]);
        client.discard();
        assert_eq!(client.end.connection.poll_timeout(client.now), None);
        client.advance(6_000);
        client.feed("20 L 00 00 P");
        assert_eq!(client.end.connection.poll_timeout(client.now), seconds(10));
        client.advance(4_000);
        client.expect("c0 00");
    }
}

#[test]
fn a_client_gives_up_without_pingresp() {
    for version in VERSIONS {
        let mut client = client(version, "20 L 00 00 P");
        client.advance(10_000);
        client.expect("c0 00");
        client.advance(9_999);
        assert_eq!(client.state(), State::Open);
        client.advance(1);
        assert_eq!(client.seen(), [Seen::Violation(Violation::KeepAliveTimeout)]);
        assert_eq!(client.state(), State::Closed);
        assert_eq!(client.end.connection.poll_timeout(client.now), None);
        // client: [v5 MQTT-3.14.2-1] Keep Alive timeout is for servers to send.
        if version.has_properties() {
            assert_eq!(client.expect_packet(0xe0)[2], 0x80);
        }
        client.expect("");
    }
}

#[test]
fn a_ping_of_the_application_is_awaited_too() {
    let mut client = client(Version::V5, "20 03 00 00 00");
    client.advance(5_000);
    let now = client.now;
    client.end.with(|connection, out| connection.ping(now, out));
    client.expect("c0 00");
    assert_eq!(client.end.connection.poll_timeout(client.now), seconds(15));
    client.feed("d0 00");
    client.advance(10_000);
    client.expect("c0 00");
}

#[test]
fn a_server_gives_up_after_one_and_a_half_intervals_of_silence() {
    // [v5 MQTT-3.1.2-22] [v3.1.1 MQTT-3.1.2-24] [v5 MQTT-3.2.2-22]
    for version in VERSIONS {
        let mut server = server(version, None);
        assert_eq!(server.end.connection.poll_timeout(server.now), seconds(15));
        server.advance(14_999);
        server.send("a", QoS::AtMostOnce, "");
        assert_eq!(server.state(), State::Open);
        server.discard();
        server.advance(1);
        assert_eq!(server.seen(), [Seen::Violation(Violation::KeepAliveTimeout)]);
        assert_eq!(server.state(), State::Closed);
        if version.has_properties() {
            assert_eq!(server.expect_packet(0xe0)[2], 0x8d);
        }
        server.expect("");
    }
}

#[test]
fn any_packet_keeps_a_server_waiting() {
    for version in VERSIONS {
        for packet in ["c0 00", "30 L 0001 'a' P", "40 02 0001", "82 L 0001 P 0001 'a' 00"] {
            let mut server = server(version, None);
            server.advance(14_999);
            server.feed(packet);
            assert_eq!(server.end.connection.poll_timeout(server.now), Some(Time::from_millis(29_999)));
            server.advance(14_999);
            assert_eq!(server.state(), State::Open);
        }
    }
}

#[test]
fn a_server_that_took_its_time_to_decide_counts_from_there() {
    for version in VERSIONS {
        let mut server = Raw::fresh_server(version, Limits::default());
        server.end.accepts = false;
        let level = if version.has_properties() { "05" } else { "04" };
        server.feed(&format!("10 L 0004 'MQTT' {level} 02 000a P 0001 'c'"));
        server.advance(60_000);
        server.end.accept(true, server.now);
        assert_eq!(server.end.connection.poll_timeout(server.now), seconds(75));
    }
}

#[test]
fn a_keep_alive_of_0_turns_the_watch_off() {
    for version in VERSIONS {
        let mut pair = Pair::connected(Setup::new(version));
        assert_eq!(pair.client.connection.poll_timeout(pair.now), None);
        assert_eq!(pair.server.connection.poll_timeout(pair.now), None);
        pair.advance(u64::from(u32::MAX));
        pair.settle();
        assert!(pair.is_open());
    }
}

#[test]
fn the_server_keep_alive_holds_at_both_ends() {
    // [v5 MQTT-3.1.2-21] [v5 MQTT-3.2.2-21]
    let mut client = client(Version::V5, "20 06 00 00 03 13 0014");
    client.advance(10_000);
    client.expect("");
    client.advance(10_000);
    client.expect("c0 00");
    let mut off = self::client(Version::V5, "20 06 00 00 03 13 0000");
    assert_eq!(off.end.connection.poll_timeout(off.now), None);
    off.advance(1_000_000);
    off.expect("");

    let mut server = server(Version::V5, Some(20));
    assert_eq!(server.end.connection.poll_timeout(server.now), seconds(30));
    server.advance(29_999);
    assert_eq!(server.state(), State::Open);
}

#[test]
fn a_3_1_1_client_that_cannot_be_told_keeps_its_own_keep_alive() {
    // [v3.1.1 MQTT-3.1.2-24]
    let server = server(Version::V3_1_1, Some(2));
    assert_eq!(server.end.connection.poll_timeout(server.now), seconds(15));
}

#[test]
fn two_ends_with_nothing_to_say_stay_connected() {
    for version in VERSIONS {
        let mut pair = Pair::connected(Setup { keep_alive: 10, ..Setup::new(version) });
        for _ in 0..1_000 {
            pair.advance(1_000);
            pair.settle();
        }
        assert!(pair.is_open());
    }
}
