//! The limits that are found are those that a server has.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::{NonZeroU16, NonZeroU32};
use std::thread;
use std::time::Duration;

use colibri_broker::{Broker, Config};
use colibri_codec::Version;
use colibri_conformance::{Report, Settings, run};

/// Looks for the limits next to one short case.
fn look(address: SocketAddr, version: Version, patience: Duration) -> Report {
    let mut settings = Settings::new(address);
    settings.versions = vec![version];
    settings.filter = Some("PINGREQ".to_owned());
    settings.patience = patience;
    settings.packet_bound = 200_000;
    run(&settings, &|_| {}).unwrap()
}

/// The figure under a name that begins like this.
fn figure<'a>(report: &'a Report, what: &str) -> Option<&'a str> {
    let found = report.limits().iter().find(|limit| limit.what.starts_with(what));
    found.map(|limit| limit.figure.as_str())
}

fn broker() -> Broker {
    let mut config = Config {
        listeners: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        shards: 2,
        topic_levels_maximum: 17,
        session_expiry_maximum: 300,
        send_maximum: NonZeroU16::new(33).unwrap(),
        ..Config::default()
    };
    config.limits.receive_maximum = NonZeroU16::new(44).unwrap();
    config.limits.maximum_packet_size = NonZeroU32::new(150_000).unwrap();
    config.limits.topic_alias_maximum = 5;
    Broker::start(config).unwrap()
}

#[test]
fn the_limits_of_our_broker_are_those_of_its_configuration() {
    let broker = broker();
    let report = look(broker.addresses()[0], Version::V5, Duration::from_secs(10));
    broker.stop();
    broker.join().unwrap();
    for (what, wanted) in [
        ("Longest topic", "65535"),
        ("Topic levels", "17"),
        ("Longest Client Identifier", "65535"),
        ("Maximum Packet Size announced", "150000"),
        ("Largest PUBLISH packet", "150000"),
        ("Receive Maximum announced", "44"),
        ("QoS 2 messages taken", "44"),
        ("QoS 1 messages sent", "33"),
        ("QoS 2 messages sent", "33"),
        ("Topic Alias Maximum announced", "5"),
        ("Maximum QoS", "2"),
        ("Session Expiry Interval", "300"),
        ("Retained messages", "yes"),
        ("Wildcards", "yes"),
        ("Shared subscriptions", "yes"),
        ("Subscription Identifiers", "yes"),
        ("Client Identifiers given out", "yes"),
        ("Enhanced authentication", "no"),
        ("Reason Strings", "yes"),
        ("PUBREL under an unknown identifier", "0x92"),
        ("Shared QoS 1 messages", "passed on"),
    ] {
        assert_eq!(figure(&report, what), Some(wanted), "{what}: {report}");
    }
    let reasons = report.limits().iter().find(|limit| limit.what == "Reason Strings").unwrap();
    let (with, without) = reasons.found.split_once("; not in ").unwrap();
    for packet in ["SUBACK 0x8F", "PUBACK 0x87", "PUBREC 0x87", "DISCONNECT 0x82"] {
        assert!(with.contains(packet), "{}", reasons.found);
    }
    assert!(without.contains("PUBCOMP 0x92"), "{}", reasons.found);
}

#[test]
fn what_cannot_be_announced_in_3_1_1_is_found_by_trial() {
    let broker = broker();
    let report = look(broker.addresses()[0], Version::V3_1_1, Duration::from_secs(10));
    broker.stop();
    broker.join().unwrap();
    for (what, wanted) in [
        ("Topic levels", "17"),
        ("Largest PUBLISH packet", "150000"),
        ("QoS 1 messages sent", "33"),
        ("Shared subscriptions", "yes"),
        ("MQTT 3.1", "yes"),
    ] {
        assert_eq!(figure(&report, what), Some(wanted), "{what}: {report}");
    }
}

#[test]
fn the_limits_are_in_every_report() {
    let broker = broker();
    let report = look(broker.addresses()[0], Version::V5, Duration::from_secs(10));
    broker.stop();
    broker.join().unwrap();
    assert!(report.to_string().contains("Limits of 127.0.0.1:"), "{report}");
    assert!(report.to_json().contains("\"what\": \"Topic levels\", \"figure\": \"17\""));
    assert!(report.to_markdown().contains("| Topic levels | 17 |"));
    assert!(report.to_junit().contains("<property name=\"Topic levels\" value=\"17 (by trial"));
}

/// A server that announces little, grants QoS 1 at most, and closes at packets of more than 5,000 bytes.
fn modest() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { break };
            thread::spawn(move || serve(stream));
        }
    });
    address
}

/// Answers packet by packet, and sends each QoS 0 message back.
fn serve(mut stream: TcpStream) {
    let mut input = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        while let Some(packet) = cut(&mut input) {
            let answer = match packet[0] >> 4 {
                // Maximum QoS 1, Retain Available 0, Server Keep Alive 10, Topic Alias Maximum 3,
                // Shared Subscription Available 0.
                1 => b"\x20\x0F\x00\x00\x0C\x24\x01\x25\x00\x13\x00\x0A\x22\x00\x03\x2A\x00".to_vec(),
                3 => packet,
                8 => vec![0x90, 4, packet[id_at(&packet)], packet[id_at(&packet) + 1], 0, 1],
                12 => vec![0xD0, 0],
                _ => return,
            };
            if stream.write_all(&answer).is_err() {
                return;
            }
        }
        match stream.read(&mut chunk) {
            Ok(count) if count > 0 && input.len() + count <= 5_000 => input.extend(&chunk[..count]),
            _ => return,
        }
    }
}

/// Where the body of a packet begins.
fn id_at(packet: &[u8]) -> usize {
    1 + packet[1..].iter().take_while(|byte| **byte >= 0x80).count() + 1
}

/// Takes the first whole packet off the input.
fn cut(input: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut length = 0;
    for (place, byte) in input.iter().skip(1).enumerate() {
        length |= usize::from(byte & 0x7F) << (7 * place);
        if *byte < 0x80 {
            let whole = place + 2 + length;
            return (input.len() >= whole).then(|| input.drain(..whole).collect());
        }
    }
    None
}

#[test]
fn the_limits_of_a_modest_server_are_found_too() {
    let report = look(modest(), Version::V5, Duration::from_millis(500));
    for (what, wanted) in [
        ("Maximum QoS", "1"),
        ("Keep Alive (seconds)", "10"),
        ("Keep Alive 0", "no"),
        ("Retained messages", "no"),
        ("Shared subscriptions", "no"),
        ("Topic Alias Maximum announced", "3"),
        ("Topic Filters in one SUBSCRIBE", "1"),
        ("QoS 2 messages sent", "0"),
    ] {
        assert_eq!(figure(&report, what), Some(wanted), "{what}: {report}");
    }
    // The SUBSCRIBE for a topic has to get through as well, and has one byte more around it.
    let packet: usize = figure(&report, "Largest PUBLISH packet").unwrap().parse().unwrap();
    assert!((1_000..=5_000).contains(&packet), "{report}");
    let topic: usize = figure(&report, "Longest topic").unwrap().parse().unwrap();
    assert!((100..5_000).contains(&topic), "{report}");
}
