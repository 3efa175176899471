//! Cases of SUBSCRIBE.

use crate::raw::property::{id, number};
use crate::raw::{Encode, Kind, Packet, Publish, Subscribe, frame, hex};
use crate::{Case, Context, Peer, Stop};

/// The option No Local of 5.0.
const NO_LOCAL: u8 = 0x04;

/// All of them.
pub(super) const CASES: &[Case] = &[
    Case {
        ids: &["v3.1.1 MQTT-3.8.1-1", "v5 MQTT-3.8.1-1"],
        name: "A SUBSCRIBE with other flags than 0010 ends the connection",
        run: wrong_flags,
    },
    Case {
        ids: &["v3.1.1 MQTT-2.3.1-1", "v5 MQTT-2.2.1-3"],
        name: "A SUBSCRIBE under Packet Identifier 0 ends the connection",
        run: id_zero,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.8.3-1", "v5 MQTT-3.8.3-1"],
        name: "A SUBSCRIBE with a filter that is not UTF-8 ends the connection",
        run: not_utf8,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.8.3-2"],
        name: "A server without wildcards refuses a filter that has one",
        run: without_wildcards,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.8.3-3", "v5 MQTT-3.8.3-2"],
        name: "A SUBSCRIBE without a filter ends the connection",
        run: no_filter,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.8.3-4", "v5 MQTT-3.8.3-5"],
        name: "Reserved bits in the options of a filter end the connection",
        run: reserved_bits,
    },
    Case {
        ids: &["v5 MQTT-3.8.3-3"],
        name: "No Local keeps a client's own messages away and nobody else's",
        run: no_local,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.8.4-3", "v5 MQTT-3.8.4-3"],
        name: "A second subscription to the same filter takes the place of the first",
        run: replaced,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.8.4-3", "v5 MQTT-3.8.4-4"],
        name: "Subscribing again brings the retained message again and loses no message",
        run: replaced_under_way,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.8.4-4", "v5 MQTT-3.8.4-5"],
        name: "Several filters in one SUBSCRIBE all count and get one SUBACK",
        run: several,
    },
    Case {
        ids: &["v5 MQTT-3.3.4-3", "v5 MQTT-3.3.4-4", "v5 MQTT-3.3.4-5"],
        name: "A message carries the Subscription Identifiers of all subscriptions it is sent for",
        run: overlapping,
    },
];

fn wrong_flags(cx: &Context) -> Result<(), Stop> {
    let packet = Subscribe::new(1).filter("a", 0).encode(cx.version());
    for first in [0x80, 0x81, 0x83, 0x86, 0x8A] {
        let mut peer = cx.peer("a")?;
        peer.send(&frame(first, packet.get(2..).unwrap_or_default()))?;
        peer.expect_close(&[0x81])?;
    }
    Ok(())
}

fn id_zero(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    peer.send(&Subscribe::new(0).filter(cx.topic("a"), 0))?;
    peer.expect_close(&[0x81, 0x82])
}

fn not_utf8(cx: &Context) -> Result<(), Stop> {
    for filter in [&b"a/\xFF"[..], b"a/\xC0\x80", b"a/\xED\xA0\x80"] {
        let mut peer = cx.peer("a")?;
        peer.send(&Subscribe::new(1).filter(filter, 0))?;
        peer.expect_close(&[0x81])?;
    }
    Ok(())
}

fn without_wildcards(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    let mut codes = Vec::new();
    for (packet, filter) in [(1, "#"), (2, "+")] {
        peer.send(&Subscribe::new(packet).filter(cx.topic(filter), 0))?;
        codes.extend(peer.expect_answer(Kind::Suback, packet)?.codes);
    }
    if codes.iter().all(|code| *code <= 2) {
        return Err(Stop::NotApplicable(format!(
            "wildcards are supported: SUBACK codes {} for # and +",
            hex(&codes)
        )));
    }
    peer.require(codes == [0x80, 0x80], "SUBACK 0x80 for every filter with a wildcard", hex(&codes))
}

fn no_filter(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    peer.send(&Subscribe::new(1))?;
    peer.expect_close(&[0x82])
}

fn reserved_bits(cx: &Context) -> Result<(), Stop> {
    let all: &[u8] = if cx.v5() { &[0x40, 0x80, 0xC1] } else { &[0x03, 0x04, 0x80] };
    for options in all {
        let mut peer = cx.peer("a")?;
        peer.send(&Subscribe::new(1).filter(cx.topic("a"), *options))?;
        peer.expect_close(&[0x81])?;
    }
    Ok(())
}

fn no_local(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut peer = cx.peer("a")?;
    let mut other = cx.peer("b")?;
    peer.subscribe(&topic, 2 | NO_LOCAL)?;
    for (packet, qos) in [(1, 0), (2, 1), (3, 2)] {
        peer.publish(&Publish::new(&topic, "own").qos(qos, packet))?;
    }
    let came = peer.drain()?;
    peer.require_no_publish(&came, "no message of its own")?;
    other.publish(&Publish::new(&topic, "other").qos(1, 1))?;
    let publish = peer.expect_payload("other")?;
    peer.acknowledge(&publish)
}

/// Subscribes under this Subscription Identifier, which 3.1.1 leaves out.
fn subscribe_as(peer: &mut Peer, filter: &str, options: u8, name: usize) -> Result<(), Stop> {
    let packet = peer.next_id();
    let subscribe = Subscribe::new(packet).filter(filter, options);
    peer.send(&subscribe.property(number(id::SUBSCRIPTION_ID, name)))?;
    let codes = peer.expect_answer(Kind::Suback, packet)?.codes;
    if codes == [0xA1] {
        return Err(Stop::NotApplicable("SUBACK 0xA1: no Subscription Identifiers".to_owned()));
    }
    peer.require(codes == [options & 3], "the QoS asked for is granted", hex(&codes))
}

fn replaced(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a/b");
    let mut subscriber = cx.peer("s")?;
    let mut publisher = cx.peer("p")?;
    subscribe_as(&mut subscriber, &topic, 0, 7)?;
    subscribe_as(&mut subscriber, &topic, 1, 8)?;
    publisher.publish(&Publish::new(&topic, "x").qos(1, 1))?;
    let came = cx.drain(&mut publisher, &mut subscriber)?;
    let copies: Vec<_> = came.iter().filter_map(Packet::publish).collect();
    let [copy] = copies.as_slice() else {
        return Err(subscriber.fail("one copy of the message", format!("{} copies", copies.len())));
    };
    subscriber.require(copy.qos == 1, "QoS 1, which the second SUBSCRIBE asked for", copy.qos.to_string())?;
    if cx.v5() {
        let names = copy.properties.numbers(id::SUBSCRIPTION_ID);
        subscriber.require(names == [8], "Subscription Identifier 8 alone", format!("{names:?}"))?;
    }
    let copy = (*copy).clone();
    subscriber.acknowledge(&copy)
}

fn replaced_under_way(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a/b");
    let mut subscriber = cx.peer("s")?;
    let mut publisher = cx.peer("p")?;
    publisher.publish(&Publish::new(&topic, "kept").qos(1, 1).retained())?;
    subscriber.subscribe(&topic, 1)?;
    for step in 0..40_u16 {
        // Not waited for: the SUBSCRIBE meets messages on their way.
        publisher.send(&Publish::new(&topic, step.to_string()).qos(1, step + 2))?;
        if step == 20 {
            subscriber.send(&Subscribe::new(1).filter(&topic, 1))?;
        }
    }
    let (mut retained, mut seen) = (0, Vec::new());
    while seen.len() < 40 || retained < 2 {
        let packet = subscriber.find(Kind::Publish)?;
        let Some(publish) = packet.publish().cloned() else { continue };
        subscriber.acknowledge(&publish)?;
        if publish.payload == b"kept" {
            subscriber.require(publish.retain, "the retained message with RETAIN 1", "RETAIN 0")?;
            retained += 1;
        } else {
            seen.push(String::from_utf8_lossy(&publish.payload).into_owned());
        }
    }
    subscriber.expect_answer(Kind::Suback, 1)?;
    let all: Vec<String> = (0..40).map(|step| step.to_string()).collect();
    subscriber.require(seen == all, "0 to 39, each once and in order", seen.join(" "))?;
    subscriber.require(retained == 2, "the retained message twice", retained.to_string())?;
    publisher.send(&Publish::new(&topic, "").retained())
}

fn several(cx: &Context) -> Result<(), Stop> {
    let topics = [cx.topic("a"), cx.topic("b"), cx.topic("c")];
    let mut subscriber = cx.peer("s")?;
    let mut publisher = cx.peer("p")?;
    let subscribe = topics.iter().fold(Subscribe::new(9), |packet, topic| packet.filter(topic, 0));
    subscriber.send(&subscribe)?;
    let codes = subscriber.expect_answer(Kind::Suback, 9)?.codes;
    subscriber.require(codes == [0, 0, 0], "one SUBACK with 00 00 00", hex(&codes))?;
    for topic in &topics {
        publisher.publish(&Publish::new(topic, topic))?;
        subscriber.expect_payload(topic)?;
    }
    let came = cx.drain(&mut publisher, &mut subscriber)?;
    subscriber.require_none(&came, "one SUBACK and one copy of each message")
}

fn overlapping(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a/b");
    let mut subscriber = cx.peer("s")?;
    let mut publisher = cx.peer("p")?;
    if subscriber.connack().properties.number(id::SUBSCRIPTION_ID_AVAILABLE) == Some(0) {
        return Err(Stop::NotApplicable("CONNACK says Subscription Identifier Available 0".to_owned()));
    }
    subscribe_as(&mut subscriber, &cx.topic("a/#"), 0, 1)?;
    subscribe_as(&mut subscriber, &topic, 0, 268_435_455)?;
    subscriber.subscribe(cx.topic("a/+"), 0)?;
    publisher.publish(&Publish::new(&topic, "x"))?;
    let came = cx.drain(&mut publisher, &mut subscriber)?;
    let copies: Vec<_> = came.iter().filter_map(Packet::publish).collect();
    let each: Vec<_> = copies.iter().map(|copy| copy.properties.numbers(id::SUBSCRIPTION_ID)).collect();
    let mut names = each.concat();
    names.sort_unstable();
    let complete = names == [1, 268_435_455];
    // One copy for all, or one for each subscription.
    let spread = copies.len() == 3 && each.iter().all(|names| names.len() <= 1);
    subscriber.require(
        complete && (copies.len() == 1 || spread),
        "Subscription Identifiers 1 and 268435455 on one copy, or on two of three copies",
        format!("{each:?}"),
    )
}
