//! Over sockets of the operating system: what a broker does at the least, in bytes.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use colibri_broker::{Broker, StartError};
use colibri_codec::{Frame, Split};
use colibri_sim::config;

use crate::SHARDS;
use crate::packets::hex;

/// Longer than anything here takes; reached only when a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

struct Client(TcpStream);

fn start(shards: usize) -> (Broker, SocketAddr) {
    let mut config = config(shards);
    config.listeners = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
    let broker = Broker::start(config).unwrap();
    let address = broker.addresses()[0];
    assert_ne!(address.port(), 0);
    (broker, address)
}

fn stop(broker: Broker) {
    broker.stop();
    broker.join().unwrap();
}

/// A string as it goes over the line.
fn text(text: &str) -> Vec<u8> {
    [&u16::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat()
}

/// A packet of up to 127 bytes behind its header.
fn packet(first: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&[first, u8::try_from(body.len()).unwrap()], body.as_slice()].concat()
}

fn connect(name: &str) -> Vec<u8> {
    packet(0x10, &[&hex("0004 4D515454 04 02 003C"), &text(name)])
}

impl Client {
    fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    fn connected(address: SocketAddr, name: &str) -> Self {
        let mut client = Self::open(address);
        client.send(&connect(name));
        client.expect(&hex("20 02 00 00"));
        client
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    fn expect(&mut self, bytes: &[u8]) {
        let mut got = vec![0; bytes.len()];
        self.0.read_exact(&mut got).unwrap();
        assert_eq!(got, bytes);
    }

    /// The next packet, whatever it is.
    fn packet(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 2];
        self.0.read_exact(&mut bytes).unwrap();
        loop {
            match Frame::split(&bytes, u32::MAX).unwrap() {
                Split::Frame(..) => return bytes,
                Split::Need(needed) => {
                    let had = bytes.len();
                    bytes.resize(needed, 0);
                    self.0.read_exact(&mut bytes[had..]).unwrap();
                }
            }
        }
    }

    fn expect_closed(&mut self) {
        let mut byte = [0];
        match self.0.read(&mut byte) {
            Ok(count) => assert_eq!(count, 0, "{byte:?}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    }
}

#[test]
fn connections_stand_before_anyone_has_said_a_word() {
    for shards in SHARDS {
        let (broker, address) = start(shards);
        let mut all: Vec<_> = (0..3).map(|_| Client::open(address)).collect();
        for (number, client) in all.iter_mut().enumerate() {
            client.send(&connect(&format!("accept{number}")));
            client.expect(&hex("20 02 00 00"));
        }
        stop(broker);
    }
}

#[test]
fn connect_is_answered_with_connack_in_both_versions() {
    for shards in SHARDS {
        let (broker, address) = start(shards);
        let mut client = Client::open(address);
        client.send(&hex("10 12 0004 4D515454 04 02 003C 0006 636F6C696272"));
        client.expect(&hex("20 02 00 00"));
        let mut client = Client::open(address);
        client.send(&hex("10 13 0004 4D515454 05 02 003C 00 0006 636F6C356272"));
        let connack = client.packet();
        assert_eq!((connack[0], &connack[2..4]), (0x20, &[0, 0][..]));
        stop(broker);
    }
}

#[test]
fn a_message_is_delivered_and_acknowledged() {
    for shards in SHARDS {
        let (broker, address) = start(shards);
        let mut subscriber = Client::connected(address, "subscriber");
        let mut publisher = Client::connected(address, "publisher");
        let topic = text("founding/1");
        subscriber.send(&packet(0x82, &[&[0, 1], &topic, &[0]]));
        subscriber.expect(&hex("90 03 0001 00"));
        publisher.send(&packet(0x30, &[&topic, b"hola"]));
        subscriber.expect(&packet(0x30, &[&topic, b"hola"]));
        publisher.send(&packet(0x32, &[&topic, &[0x12, 0x34], b"hola"]));
        publisher.expect(&hex("40 02 1234"));
        subscriber.expect(&packet(0x30, &[&topic, b"hola"]));
        stop(broker);
    }
}

#[test]
fn subscribe_is_answered_with_suback() {
    for shards in SHARDS {
        let (broker, address) = start(shards);
        let mut client = Client::connected(address, "client");
        let body = [&text("a")[..], &[0], &text("b"), &[1], &text("c"), &[2]].concat();
        client.send(&packet(0x82, &[&[0, 7], &body]));
        client.expect(&hex("90 05 0007 00 01 02"));
        stop(broker);
    }
}

#[test]
fn disconnect_closes_the_connection() {
    for shards in SHARDS {
        let (broker, address) = start(shards);
        let mut client = Client::connected(address, "client");
        client.send(&hex("E0 00"));
        client.expect_closed();
        stop(broker);
    }
}

#[test]
fn five_hundred_clients_are_served_at_once() {
    for shards in SHARDS {
        let (broker, address) = start(shards);
        let count = 500;
        let mut all: Vec<_> = (0..count).map(|_| Client::open(address)).collect();
        for (number, client) in all.iter_mut().enumerate() {
            client.send(&connect(&format!("client{number}")));
        }
        for (number, client) in all.iter_mut().enumerate() {
            client.expect(&hex("20 02 00 00"));
            client.send(&packet(0x82, &[&[0, 1], &text(&format!("founding/{number}")), &[1]]));
        }
        all.iter_mut().for_each(|client| client.expect(&hex("90 03 0001 01")));
        for (number, client) in all.iter_mut().enumerate() {
            let topic = text(&format!("founding/{}", (number + 1) % count));
            client.send(&packet(0x30, &[&topic, number.to_string().as_bytes()]));
        }
        for (number, client) in all.iter_mut().enumerate() {
            let payload = ((number + count - 1) % count).to_string();
            client.expect(&packet(0x30, &[&text(&format!("founding/{number}")), payload.as_bytes()]));
            client.send(&hex("E0 00"));
        }
        all.iter_mut().for_each(Client::expect_closed);
        stop(broker);
    }
}

#[test]
fn clients_that_send_and_close_in_one_breath_are_noticed() {
    for shards in SHARDS {
        let (broker, address) = start(shards);
        let mut watcher = Client::connected(address, "watcher");
        watcher.send(&packet(0x82, &[&[0, 1], &text("will"), &[0]]));
        watcher.expect(&hex("90 03 0001 00"));
        for number in 0..200 {
            let will = [text("will"), text("gone")].concat();
            let hello = packet(0x10, &[&hex("0004 4D515454 04 06 0000"), &text(&format!("{number}")), &will]);
            let mut client = Client::open(address);
            client.send(&hello);
            drop(client);
            watcher.expect(&packet(0x30, &[&text("will"), b"gone"]));
        }
        stop(broker);
    }
}

#[test]
fn large_messages_pass_between_shards() {
    for shards in SHARDS {
        let (broker, address) = start(shards);
        let mut subscriber = Client::connected(address, "large subscriber");
        let mut publisher = Client::connected(address, "large publisher");
        subscriber.send(&packet(0x82, &[&[0, 1], &text("t"), &[1]]));
        subscriber.expect(&hex("90 03 0001 01"));
        let payload: Vec<u8> = (0..5 << 20).map(|index: u32| index.to_le_bytes()[0]).collect();
        let remaining = 2 + 1 + 2 + payload.len();
        let mut length = Vec::new();
        let mut rest = remaining;
        while rest > 0 {
            let more = if rest > 127 { 0x80 } else { 0 };
            length.push(u8::try_from(rest % 128).unwrap() | more);
            rest /= 128;
        }
        let message = [&[0x32], length.as_slice(), &text("t"), &[0, 1], &payload].concat();
        for _ in 0..3 {
            publisher.send(&message);
            subscriber.0.set_read_timeout(Some(PATIENCE)).unwrap();
            let got = subscriber.packet();
            assert!(got.ends_with(&payload) && got.len() == message.len());
            let id = [got[length.len() + 4], got[length.len() + 5]];
            subscriber.send(&packet(0x40, &[&id]));
            publisher.expect(&hex("40 02 0001"));
        }
        stop(broker);
    }
}

#[test]
fn a_taken_port_is_told_and_nothing_is_left_running() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let mut config = config(2);
    config.listeners = vec![SocketAddr::from(([127, 0, 0, 1], 0)), address];
    match Broker::start(config) {
        Err(StartError::Listen { address: named, .. }) => assert_eq!(named, address),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_broker_without_shards_or_listeners_does_not_start() {
    assert!(matches!(Broker::start(config(0)), Err(StartError::Shards(0))));
    assert!(matches!(Broker::start(config(65)), Err(StartError::Shards(65))));
    let mut config = config(1);
    config.listeners.clear();
    assert!(matches!(Broker::start(config), Err(StartError::NoListener)));
}

#[test]
fn a_stop_tells_clients_why_and_ends_all_threads() {
    for shards in SHARDS {
        let (broker, address) = start(shards);
        let mut old = Client::connected(address, "old");
        let mut new = Client::open(address);
        new.send(&hex("10 10 0004 4D515454 05 02 003C 00 0003 6E6577"));
        assert_eq!(new.packet()[0], 0x20);
        let mut silent = Client::open(address);
        let stopper = broker.stopper();
        stopper.stop();
        broker.join().unwrap();
        let disconnect = new.packet();
        assert_eq!((disconnect[0], disconnect[2]), (0xE0, 0x8B));
        new.expect_closed();
        old.expect_closed();
        silent.expect_closed();
        // The port is free again.
        drop(TcpListener::bind(address).unwrap());
    }
}

#[test]
fn a_client_that_goes_on_sending_still_reads_why_it_is_disconnected() {
    for shards in SHARDS {
        let (broker, address) = start(shards);
        let mut client = Client::open(address);
        client.send(&packet(0x10, &[&text("MQTT"), &[5, 2, 0, 0, 0], &text("talkative")]));
        assert_eq!(client.packet()[..1], [0x20]);
        // A PUBLISH of 100 MB, of which some megabytes are sent: more than any buffer on the way holds.
        client.send(&[0x30, 0x80, 0xC2, 0xD7, 0x2F]);
        for _ in 0..64 {
            client.send(&[b'x'; 1 << 16]);
        }
        let disconnect = client.packet();
        assert_eq!((disconnect[0], disconnect[2]), (0xE0, 0x95));
        client.expect_closed();
        stop(broker);
    }
}

#[test]
fn a_client_that_says_goodbye_and_comes_back_at_once_has_no_will() {
    for shards in SHARDS {
        let (broker, address) = start(shards);
        let mut observer = Client::connected(address, "observer");
        observer.send(&packet(0x82, &[&[0, 1], &text("will/#"), &[0]]));
        observer.expect(&hex("90 03 00 01 00"));
        for round in 0..200 {
            let name = format!("polite-{}", round % 10);
            let mut client = Client::open(address);
            client.send(&packet(
                0x10,
                &[&hex("0004 4D515454 04 06 003C"), &text(&name), &text("will/x"), &text("no")],
            ));
            client.expect(&hex("20 02 00 00"));
            client.send(&hex("E0 00"));
            drop(client);
            // The next connection of that name, to the same session, while the DISCONNECT may be unread.
            let mut again = Client::connected(address, &name);
            again.send(&hex("E0 00"));
        }
        let mut last = Client::connected(address, "last");
        last.send(&packet(0x30, &[&text("will/fence"), b"fence"]));
        observer.expect(&packet(0x30, &[&text("will/fence"), b"fence"]));
        stop(broker);
    }
}
